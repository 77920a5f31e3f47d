# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#     cell_metadata_filter: all
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 07 · Scaling: clean data, many machines, and the law between them
#
# Unit 06 trained a model on fifty articles. The models that you use every day were trained by the same loop on trillions
# of tokens. Three things had to change on the way, and they are the three parts of this unit. The **data**: nobody reads
# a trillion tokens, so code decides what is good enough and what has been there before. The **machines**: neither the
# work nor the weights fit on one, so both are cut up, in four different ways. And the **plan**: the run is too expensive
# to try twice, so one has to know beforehand how large a model to train, and on how much.
#
# **You will be able to**
#
# - filter a dirty corpus by rules, and find near duplicates among 20,000 documents without comparing all pairs;
# - train in several processes that exchange gradients, and show that the result is that of one process;
# - cut a matrix product, a stack of layers and an attention into parts for several workers, and put a real model together
#   from such parts;
# - count the operations and the memory that training takes, and say how well a machine is used;
# - fit a scaling law and read the best model for a budget off it.
#
# **Before you start**: units 01 (gradient descent), 05 (attention) and 06 (the training loop). Everything runs on a CPU
# with two cores: about a minute for the ordinary cells and five more for the `lab` cells, which take larger sizes where
# there is a GPU. Processes are started by *fork*, so a Linux machine (or Colab) is needed for `ddp_train`.
#
# **Your time**: about six hours. **Points**: 45, of which 3 are for a written answer that a person reads.
#
# | section | you write | points |
# |---|---|---|
# | 1 What a model reads | `quality_filter` | 4 |
# | 2 What it has read before | `shingles`, `minhash`, `estimated_jaccard`, `deduplicate` | 1 + 3 + 1 + 4 |
# | 3 Data parallelism | `all_reduce_mean`, `ddp_train` | 1 + 5 |
# | 4 Tensor parallelism | `column_parallel`, `row_parallel` | 2 + 2 |
# | 5 Pipeline parallelism | `pipeline_schedule`, `bubble_fraction` | 3 + 1 |
# | 6 Sequence parallelism | `online_softmax_merge` | 4 |
# | 7 What it costs | `training_flops`, `activation_bytes`, `mfu`, a written answer | 1 + 2 + 1 + 3 |
# | 8 The law | `fit_scaling_law`, `compute_optimal` | 4 + 3 |

# %%
import math
import multiprocessing
import os
import random
import string
import sys
import tempfile
import time
import zlib
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from helpers import checks as check
from helpers import plots, runtime


def plain_number(value):
    """What the tests make of a number: they also take NumPy's numbers and tensors or arrays without axes."""
    bare = isinstance(value, np.generic) or (isinstance(value, Tensor | np.ndarray) and value.ndim == 0)
    return value.item() if bare else value


# %% [markdown]
# For the things to play with: controls where somebody can move them, one picture where nobody can.

# %% tags=["demo"]
import ipywidgets

from helpers.widgets.interact import play, slider, whole

# %% [markdown]
# ## 1. What a model reads
#
# Training data is judged by three things. **Coverage**: what is not in it cannot be learned, so code, science, dialogue
# and other languages are added on purpose. **Quality**: a model imitates what it reads. **Size**: section 8 will say how
# much a model of a given size wants.
#
# Most of it comes from **Common Crawl**, a public archive of web pages. Around that, in varying shares: code, books,
# scientific papers, curated sources such as Wikipedia and forums with votes, and, more and more, **synthetic** text that
# a model or a program has written. One corpus whose composition is public to the gibibyte is the Pile (Gao et al. 2020,
# table 1). Even there, one part is synthetic: the 8 GiB of school mathematics were written by a program.
#
# **Predict first.** What share of the Pile is Wikipedia: 20 %, 5 % or less than 1 %?
#
# <details><summary>Answer</summary>
#
# 0.8 %: 6.4 of 825 GiB. Wikipedia is good and small. That is why it, and other good sources, are often read more than
# once in one training run while the web is read once.
# </details>

# %% tags=["demo"]
pile = {  # GiB; Gao et al. 2020, table 1
    "web": {"Pile-CC": 227.12, "OpenWebText2": 62.77},
    "books": {"Books3": 100.96, "Gutenberg": 10.88, "BookCorpus2": 6.30},
    "science": {"PubMed Central": 90.27, "ArXiv": 56.21, "PubMed Abstracts": 19.26, "PhilPapers": 2.38, "NIH": 1.89},
    "code": {"GitHub": 95.16, "Stack Exchange": 32.20},
    "law": {"FreeLaw": 51.15, "USPTO": 22.90},
    "talk": {"Subtitles": 12.98, "Ubuntu IRC": 5.52, "EuroParl": 4.59, "HackerNews": 3.90, "YouTube": 3.73, "Enron": 0.88},
    "curated": {"Wikipedia": 6.38},
    "synthetic": {"DM Maths": 7.75},
}
print(f"{sum(sum(parts.values()) for parts in pile.values()):.2f} GiB in all; the paper's total is 825.18")
COLOURS = (*plots.CYCLE, "#8c6d1f", "#b03a5b")


def rectangles(sizes: list[float], x: float, y: float, w: float, h: float) -> list[tuple[float, float, float, float]]:
    """One rectangle (x, y, w, h) for each size, in order, which fill the given one in proportion."""
    if len(sizes) == 1:
        return [(x, y, w, h)]
    total, running, cut = sum(sizes), 0.0, 0
    while cut < len(sizes) - 1 and (cut == 0 or abs(running + sizes[cut] - total / 2) <= abs(running - total / 2)):
        running += sizes[cut]
        cut += 1
    share = running / total if total else 0.5
    if w >= h:
        parts = (x, y, w * share, h), (x + w * share, y, w * (1 - share), h)
    else:
        parts = (x, y, w, h * share), (x, y + h * share, w, h * (1 - share))
    return rectangles(sizes[:cut], *parts[0]) + rectangles(sizes[cut:], *parts[1])


def treemap(ax, parts: dict[str, float], colours: dict[str, str], scale: float = 1.0, bounds=(0, 0, 1, 1),
            letter: float = 0.014) -> None:
    """Areas in proportion to the sizes; `scale` shrinks the whole map, so that two maps can be compared by area.

    letter: the width of a letter in a map of width 1; names that do not fit are left out.
    """
    x, y, w, h = bounds
    names = sorted(parts, key=parts.get, reverse=True)
    side = math.sqrt(scale)
    boxes = rectangles([parts[name] for name in names], x, y, w * side, h * side)
    for name, (left, low, wide, high) in zip(names, boxes, strict=True):
        ax.add_patch(_patch((left, low), wide, high, facecolor=colours[name], edgecolor=plots.CARD, linewidth=1.5))
        upright = high > 2.5 * wide
        if (high if upright else wide) > letter * (len(name) + 2) and min(wide, high) > 3 * letter:
            ax.text(left + wide / 2, low + high / 2, name, ha="center", va="center", color="white", fontsize=9,
                    rotation=90 if upright else 0)
    ax.set(xlim=(0, 1), ylim=(0, 1))
    ax.axis("off")


def _patch(*args, **options):
    from matplotlib.patches import Rectangle

    return Rectangle(*args, **options)


fig, ax = plots.figure(size=(9.6, 4.6))
kinds = sorted(pile, key=lambda kind: sum(pile[kind].values()), reverse=True)
frames = rectangles([sum(pile[kind].values()) for kind in kinds], 0, 0, 1, 1)
for kind, frame, colour in zip(kinds, frames, COLOURS, strict=True):
    treemap(ax, pile[kind], dict.fromkeys(pile[kind], colour), bounds=frame)
ax.legend([_patch((0, 0), 1, 1, facecolor=colour) for colour in COLOURS], kinds, loc="upper center", ncols=8,
          bbox_to_anchor=(0.5, 0.0), fontsize=9, handlelength=1, columnspacing=1)
plots.caption(fig, "The Pile, 825 GiB of text, by source; areas are sizes. Numbers: Gao et al. 2020, table 1.",
              "A treemap. The web has about a third of the area, science a fifth, code and books about a seventh each, "
              "law a tenth; talk, maths written by a program and Wikipedia are small boxes.")

# %% [markdown]
# ### Rules that throw pages away
#
# RefinedWeb, a corpus made of Common Crawl alone, threw away nearly nine tenths of the documents (Penedo et al. 2023). Much of
# that is done by rules so simple that billions of pages can be put through them: *is it long enough, are its words as long as words are, is it made of sentences?*
# The rules below are among those of MassiveText (Rae et al. 2021, appendix A.1.1), Gopher's corpus; FineWeb (Penedo et
# al. 2024, §3.3) and others took them over. A page must pass all of them.
#
# We have no web here, but we have Wikipedia, and the next cell makes a dirty web out of it. Clean pages are paragraphs of
# real articles. The dirt is derived from them: menus and cookie notices, heaps of keywords, hashtags, encoded files,
# stubs, and pages that somebody copied and changed a little. The mix is invented. The kinds are not.

# %% tags=["demo"]
import base64

from helpers import corpora

articles = corpora.load_wikipedia(106, 0)["train"]["text"]


def clean_pages(texts: list[str], words: int = 150) -> list[str]:
    """Paragraphs of real articles, joined until a page has about this many words."""
    pages = []
    for text in texts:
        page: list[str] = []
        for paragraph in text.split("\n\n"):
            page.append(paragraph)
            if sum(len(part.split()) for part in page) >= words:
                pages.append("\n".join(page))
                page = []
    return pages


def dirty(page: str, kind: str, rng: random.Random) -> str:
    words = page.split()
    if kind == "menu":
        menu = ["Home", "About us", "Contact", "We use cookies to make this site better. Accept all"]
        return "\n".join(rng.choice(menu) for _ in range(30)) + "\n" + " ".join(words[:40])
    if kind == "keywords":
        return " ".join(rng.sample([w for w in words if len(w) > 5 and w.isalpha()], k=60))
    if kind == "hashtags":
        return " ".join(f"#{word}" if rng.random() < 0.4 else word for word in words[:120])
    if kind == "encoded":
        return "\n".join(base64.encodebytes(page.encode()).decode().split()[:60])
    if kind == "stub":
        return " ".join(words[:15]) + " [Read more]"
    for _ in range(3):  # a copy: a new first line and three changed words
        words[rng.randrange(len(words))] = rng.choice(words)
    return "Shared by a friend of this site\n" + " ".join(words)


rng = random.Random(0)
clean = clean_pages(articles)
web = [("clean", page) for page in clean]
for kind, count in (("copy", 1200), ("menu", 2000), ("keywords", 1500), ("hashtags", 1200), ("encoded", 500), ("stub", 4000)):
    sources = [page for page in rng.choices(clean, k=count) if sum(w.isalpha() and len(w) > 5 for w in page.split()) >= 60]
    web += [(kind, dirty(page, kind, rng)) for page in sources]
rng.shuffle(web)
for kind in ("menu", "keywords", "encoded"):
    page = next(text for name, text in web if name == kind)
    print(f"--- {kind}: {page[:110]!r} ...")
print(f"\n{len(web):,} pages, {sum(len(text) for _, text in web):,} characters")

# %%
RULES = ("length", "mean_word_length", "symbol_ratio", "stop_words", "repeated_lines")
STOP_WORDS = {"the", "be", "to", "of", "and", "that", "have", "with"}


# %% [markdown]
# ### Exercise: `quality_filter` (4 points, 20 minutes)
#
# Write `quality_filter(text)`. It returns a dictionary from the names of five rules to booleans: `True` where the text
# **passes**. *Words* are what `text.split()` gives.
#
# | key | a text passes if |
# |---|---|
# | `length` | it has at least 50 and at most 100,000 words |
# | `mean_word_length` | its words, with any punctuation in them, have at least 3 and at most 10 characters on average |
# | `symbol_ratio` | the number of symbols divided by the number of words is at most 0.1; symbols are `#`, and ellipses, written `...` or `…` |
# | `stop_words` | it has at least two *different* words out of *the, be, to, of, and, that, have, with*, in any case, with or without punctuation around them (*that's* is another word) |
# | `repeated_lines` | at most 30 % of its lines repeat an earlier line; lines are compared without spaces at their ends, and empty ones do not count |
#
# A text without a single word passes no rule: all five are `False`. (No test has a text that lies exactly on the limit of
# 30 %, where rounding decides.)
#
# <details><summary>Hint 1</summary>Write the five numbers first, each in its own line, and the comparisons afterwards. Which
# of them divide by something that can be 0?</details>
# <details><summary>Hint 2</summary>Different words, different lines: a <code>set</code> forgets repetitions.
# <code>word.strip(string.punctuation)</code> takes punctuation from both ends.</details>
# <details><summary>Hint 3</summary><code>lines = [line.strip() for line in text.splitlines() if line.strip()]</code>, and the
# share of repeats is <code>1 - len(set(lines)) / len(lines)</code>. Stop words:
# <code>len(STOP_WORDS &amp; {word.strip(string.punctuation).lower() for word in words}) &gt;= 2</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "quality_filter", "locked": false, "schema_version": 3, "solution": true, "task": false}
def quality_filter(text: str) -> dict[str, bool]:
    """Which of the five rules a text passes (True); Rae et al. 2021, appendix A.1.1.

    Keys: those of RULES. A text without words passes none.
    """
    ### BEGIN SOLUTION
    words = text.split()
    if not words:
        return dict.fromkeys(RULES, False)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    symbols = text.count("#") + text.count("...") + text.count("…")
    bare = {word.strip(string.punctuation).lower() for word in words}
    return {
        "length": 50 <= len(words) <= 100_000,
        "mean_word_length": 3 <= sum(map(len, words)) / len(words) <= 10,
        "symbol_ratio": symbols / len(words) <= 0.1,
        "stop_words": len(bare & STOP_WORDS) >= 2,
        "repeated_lines": 1 - len(set(lines)) / len(lines) <= 0.3,
    }
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_quality_filter", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
good = "The cat sat on a mat and looked at birds. " * 5  # 50 words, two different stop words, one line
failing = lambda *names: {rule: rule not in names for rule in RULES}
check.equal(quality_filter(good), failing(), mistakes={
    "True means that the text passes, not that it is thrown away": failing(*RULES),
    "50 words are enough: at least 50": failing("length"),
    "`The` is a stop word in any case: compare in lower case": failing("stop_words"),
})
check.equal(quality_filter(good.replace("mat and", "mat or")), failing("stop_words"), mistakes={
    "two *different* stop words are wanted, and this text has one of them five times": failing(),
})
check.equal(quality_filter("Home\n\nNews\n" * 20 + good), failing("repeated_lines"), mistakes={
    "the share is that of the lines which repeat an earlier one, here 38 of 41": failing(),
}, hint="38 of these 41 lines repeat an earlier one")
check.equal(quality_filter(""), failing(*RULES), hint="a text without words passes no rule (and must not divide by 0)")
### BEGIN HIDDEN TESTS
check.equal(quality_filter(" \n\t\n "), failing(*RULES), hint="a text of nothing but spaces has no words and passes no rule")
check.equal(quality_filter(good[:-len("birds. ")]), failing("length"), hint="49 words are too few")
check.equal(quality_filter("pages of the " * 33_333 + "end"), failing(), hint="100,000 words are not too many")
check.equal(quality_filter("pages of the " * 33_333 + "the end"), failing("length"), hint="100,001 words are too many")
for letters, names in ((5, ()), (4, ("mean_word_length",))):  # 150 or 149 characters in 50 words
    odd = " ".join(["to", "that"] + ["a"] * 24 + ["bbbbb"] * 23 + ["b" * letters])
    check.equal(quality_filter(odd), failing(*names), hint="words must have at least 3 characters on average; exactly 3 is enough")
for letters, names in ((15, ()), (16, ("mean_word_length",))):  # 500 or 501 characters in 50 words
    odd = " ".join(["to", "the"] + ["c" * 10] * 48)[:-10] + "c" * (letters + 10)
    check.equal(quality_filter(odd), failing(*names), hint="words must have at most 10 characters on average; exactly 10 is enough")
for symbols, names in ((["#tag"] * 5, ()), (["#tag"] * 6, ("symbol_ratio",)), (["so..."] * 6, ("symbol_ratio",)),
                       (["so…"] * 6, ("symbol_ratio",)), (["#tag", "so...", "so…"] * 2, ("symbol_ratio",)),
                       (["#tag", "so..."] * 2, ()), (["##tags"] * 3, ("symbol_ratio",))):
    odd = " ".join(symbols + ["with", "that"] + ["word"] * (48 - len(symbols)))
    check.equal(quality_filter(odd), failing(*names),
                hint="symbol_ratio: count every `#`, `...` and `…`, and divide by the words; 5 in 50 words are not too many")
odd = "a...b " * 6 + "with that " + "cats " * 42
check.equal(quality_filter(odd), failing("symbol_ratio"), hint="symbol_ratio: an ellipsis counts inside a word too")
for odd in ("((ab)) " * 60, "aa, " * 60):
    check.equal(quality_filter(odd), failing("stop_words"),
                hint="mean_word_length: punctuation belongs to the words that `split()` gives")
odd = "\n".join(["with\tthat"] + [f"number{i}\tword" for i in range(24)])
check.equal(quality_filter(odd), failing(), hint="words are what `split()` gives: tabs and ends of lines part them too")
for first, second in (("(Be", "to,"), ("\"OF\"", "and;"), ("that.", "HAVE"), ("with!", "'the'")):
    odd = " ".join([first, second] + ["word"] * 48)
    check.equal(quality_filter(odd), failing(), hint="stop_words: a stop word counts in any case, and with punctuation around it")
check.equal(quality_filter("them bed token often " * 20), failing("stop_words"),
            hint="a stop word is a whole word: *them* is not *the*")
check.equal(quality_filter("to-day that's cats " * 20), failing("stop_words"),
            hint="a stop word is a whole word: *to-day* and *that's* are others, since punctuation goes at the ends alone")
for repeats, names in ((2, ()), (4, ("repeated_lines",))):  # 2 or 4 of 10 lines repeat
    lines = [f"line {i} of that page has these six words and more" for i in range(10 - repeats)]
    odd = "\n\n".join(lines + ["  " + line + " " for line in lines[:repeats]])
    check.equal(quality_filter(odd), failing(*names),
                hint="repeated_lines: 2 of 10 lines that repeat an earlier one are not too many, 4 are; spaces at the ends and "
                     "empty lines do not count")
odd = "\n \n".join(f"line {i} of that page has these six words" for i in range(10))
check.equal(quality_filter(odd), failing(),
            hint="repeated_lines: a line of nothing but spaces is empty once they are taken off its ends, and does not count")
for other in ("Line {} of that page has these words", "line {} of that page  has these words"):
    odd = "\n".join(form.format(i) for form in ("line {} of that page has these words", other) for i in range(5))
    check.equal(quality_filter(odd), failing(), hint="repeated_lines: lines that differ in case or in spaces between words are two lines")
odd = "\n".join(["the same line of a page once and again"] * 3 + [f"another line of the page, number {i}, is here" for i in range(6)])
check.equal(quality_filter(odd), failing(), hint="2 of 9 lines repeat an earlier one: the first of three equal ones does not")
long_lines = [f"a long line of the page which nobody has copied from line {i} to line {i + 1}" for i in range(4)]
check.equal(quality_filter("\n".join(long_lines + ["the end"] * 4)), failing("repeated_lines"),
            hint="3 of 8 lines repeat an earlier one, however short they are: lines are counted, not characters")
check.equal(quality_filter("\n".join(long_lines + long_lines[:1] + [f"word {i}" for i in range(5)])), failing(),
            hint="1 of 10 lines repeats an earlier one, however long it is: lines are counted, not characters")
### END HIDDEN TESTS

# %% [markdown]
# Now run the pipeline: every rule in turn on the pages that are left, and the corpus as a treemap after each. The whole map
# shrinks with the corpus.

# %% tags=["demo"]
kinds_of_page = ["clean", "copy", "menu", "keywords", "hashtags", "encoded", "stub"]
colour_of = dict(zip(kinds_of_page, (plots.BLUE, plots.GREEN, plots.ORANGE, plots.PURPLE, plots.BROWN, plots.GREY, "#8c6d1f"),
                     strict=True))


def characters(pages) -> dict[str, int]:
    sizes = {kind: sum(len(text) for name, text in pages if name == kind) for kind in kinds_of_page}
    return {kind: size for kind, size in sizes.items() if size}


verdicts = [quality_filter(text) for _, text in web]
stages, left = {"before any filter": characters(web)}, list(zip(web, verdicts, strict=True))
for name in RULES:
    left = [(page, verdict) for page, verdict in left if verdict[name]]
    stages[f"+ {name}"] = characters([page for page, _ in left])
filtered = [page for page, _ in left]
whole_size = sum(stages["before any filter"].values())
fig, axes = plots.figure(2, 3, size=(9.6, 5.6))
for ax, (stage, sizes) in zip(axes.flat, stages.items(), strict=True):
    treemap(ax, sizes, colour_of, sum(sizes.values()) / whole_size, letter=0.035)
    ax.set_title(f"{stage}: {sum(sizes.values()) / whole_size:.0%}", fontsize=10)
fig.legend([_patch((0, 0), 1, 1, facecolor=colour_of[kind]) for kind in kinds_of_page], kinds_of_page, ncols=7, fontsize=9,
           loc="outside lower center", handlelength=1)
plots.caption(fig, "The corpus after each rule, by kind of page, in characters.",
              "Six treemaps that shrink from map to map. Stubs go first, then encoded files, hashtags, keywords and menus. "
              "What is left is clean pages and, since they look just as good, copies of them.")
for kind in kinds_of_page:
    print(f"{kind:<10}{sum(name == kind for name, _ in web):>6,} pages, kept {sum(name == kind for name, _ in filtered):>6,}")

# %% [markdown]
# The rules catch all of this dirt and hardly touch the clean pages. (Real dirt is more inventive.) The copies pass: nothing is wrong
# with any one of them. That takes a rule that looks at two pages at once.
#
# Rules have costs too. Choose one below and read what it throws away among the *clean* pages. Of the prose of Wikipedia it is next to
# nothing, here three lists of names. Of poems, tables and program code, which are worth reading as well, it would be a lot.

# %% tags=["demo"]
def show_lost(rule: str) -> None:
    lost = [text for (kind, text), verdict in zip(web, verdicts, strict=True) if kind == "clean" and not verdict[rule]]
    print(f"{len(lost)} of {len(clean):,} clean pages fail {rule!r}")
    for text in lost[:3]:
        print(f"  {text[:150]!r}")


most_strict = max(RULES, key=lambda rule: sum(kind == "clean" and not verdict[rule]
                                             for (kind, _), verdict in zip(web, verdicts, strict=True)))
play(show_lost, rule=ipywidgets.Dropdown(options=RULES, value=most_strict, description="rule"))

# %% [markdown]
# ## 2. What it has read before
#
# Pages are copied: licence texts, press releases, product descriptions, the same article on ten sites. A model that reads a
# text a hundred times learns it by heart and wastes the rest of its budget, and a test question that is also in the training
# data measures nothing. Lee et al. (2022) found that models trained on deduplicated data recite training text ten times less
# often.
#
# *Nearly* equal is the hard part: one changed word, and a checksum is another. So compare sets. The **shingles** of a text
# are all its runs of $n$ words, and two texts are as similar as their sets of shingles overlap (Broder 1997):
#
# $$ J(A, B) = \frac{|A \cap B|}{|A \cup B|} \qquad \text{(Jaccard similarity, between 0 and 1)} $$
#
# **Predict first.** A text of 60 words is copied, and one word in the middle is changed. How many of its 56 shingles of 5
# words survive, and is the Jaccard similarity nearer to 0.98, 0.9 or 0.8?
#
# <details><summary>Answer</summary>
#
# The word is part of 5 shingles, so 51 survive. Each text has 5 that the other has not: J = 51 / (51 + 5 + 5) = 0.84. Long
# shingles are strict; with single words (n = 1) nearly any two English texts look alike.
# </details>
#
# ### Exercise: `shingles` (1 point, 5 minutes)
#
# Write `shingles(text, n)`: the set of all runs of `n` successive words, each a string of lower-case words joined by single
# spaces. Words are what `split()` gives, punctuation included. A text with fewer than `n` words, but at least one, has one
# shingle: all of it. A text without words has none (the empty set).
#
# <details><summary>Hint 1</summary>How many runs of 2 words are there in a text of 4 words?</details>
# <details><summary>Hint 2</summary>There are <code>len(words) - n + 1</code> runs, and one if that is less than 1.</details>
# <details><summary>Hint 3</summary><code>{" ".join(words[i:i + n]) for i in range(max(1, len(words) - n + 1))}</code>, unless
# there are no words. A slice may go beyond the end.</details>

# %% nbgrader={"grade": false, "grade_id": "shingles", "locked": false, "schema_version": 3, "solution": true, "task": false}
def shingles(text: str, n: int) -> set[str]:
    """All runs of n successive words, in lower case, joined by single spaces; Broder 1997.

    A text of fewer than n words has one shingle, all of it; a text without words has none.
    """
    ### BEGIN SOLUTION
    words = text.lower().split()
    if not words:
        return set()
    return {" ".join(words[i:i + n]) for i in range(max(1, len(words) - n + 1))}
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_shingles", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
check.equal(shingles("To be or  not\nto be", 2), {"to be", "be or", "or not", "not to"}, mistakes={
    "`To` and `to` are one word: lower case first": {"To be", "be or", "or not", "not to", "to be"},
    "the runs overlap: one starts at each word": {"to be", "or not"},
    "these are runs of characters: words are wanted": {"to", "o ", " b", "be", "e ", " o", "or", "r ", "  ", " n", "no",
                                                       "ot", "t\n", "\nt"},
    "the last run is missing: there are len(words) - n + 1 of them": {"to be", "be or", "or not", "not to"} - {"to be"},
}, hint="wanted a set of strings, words joined by one space")
check.equal(shingles("Short text", 5), {"short text"}, mistakes={
    "a text of fewer than n words has one shingle, all of it": set(),
})
### BEGIN HIDDEN TESTS
check.equal(shingles("a b c d", 4), {"a b c d"}, hint="wrong for a text of exactly n words")
check.equal(shingles("a b c d", 3), {"a b c", "b c d"}, hint="the last run is missing, or one too many: len(words) - n + 1")
check.equal(shingles("One, two. ONE, two.", 1), {"one,", "two."}, hint="wrong for n = 1; punctuation stays where it is")
check.equal(shingles(" Short \n text ", 5), {"short text"},
            hint="the one shingle of a short text has its words joined by one space too, whatever stood between them")
for empty in ("", " \n"):
    check.equal(shingles(empty, 3), set(), hint="a text without words has no shingle")
check.equal(shingles("x y x y x y x", 3), {"x y x", "y x y"}, hint="equal runs count once: a set")
check.equal(shingles("a  b\t\nc", 2), {"a b", "b c"}, hint="words are joined by one space, whatever stood between them")
### END HIDDEN TESTS

# %% [markdown]
# ### A set in a hundred numbers
#
# A billion sets cannot be compared with each other, nor even be kept in memory. **MinHash** (Broder 1997) keeps a short
# *signature* of each. Take a hash function $h$, which turns a shingle into a number that looks random, and note the smallest
# value that any shingle of the set has. Then
#
# $$ P\big[\min_{a \in A} h(a) = \min_{b \in B} h(b)\big] = J(A, B), $$
#
# because each shingle of $A \cup B$ is equally likely to have the smallest value, and the two minima are equal just if it is
# in $A \cap B$. With many different hash functions, the share of them for which the minima agree estimates $J$, with a
# standard error of $\sqrt{J(1-J)/k}$ for $k$ functions.
#
# **Predict first.** How many hash functions does it take for a standard error of 0.05 at J = 0.5? And of 0.005?
#
# <details><summary>Answer</summary>
#
# 0.25 / k = 0.05² gives k = 100. For a tenth of the error, a hundred times as many: 10,000. FineWeb uses 112 hash functions
# (Penedo et al. 2024, §3.4).
# </details>
#
# Where do a hundred hash functions come from? From one: turn each shingle into a number $x$ by a fixed function such as
# `zlib.crc32`, then scramble it in a hundred ways by $(a x + b) \bmod p$, with a prime $p$ and random $a$ and $b$ for each (Carter
# and Wegman 1979). Python's own `hash` will not do: for strings it is salted anew in each process, so the signatures of two
# machines, or of yesterday and today, could not be compared.
#
# ### Exercise: `minhash` (3 points, 25 minutes)
#
# Write `minhash(shingles, n_hashes, seed)` for a set of at least one string. Return the signature: `n_hashes` whole numbers,
# one for each hash function, as an int64 tensor of shape (n_hashes,) (the tests also take a list or an array). The functions
# depend on `seed` and on nothing else: the same set and seed give the same signature in any process and any order of the
# set; another seed gives other functions. Places of the signatures of two sets must agree with a probability of their
# Jaccard similarity, as above; the tests want the share of agreeing places within 0.08 of it, for sets of several hundred
# shingles and 1,024 functions. They look at small sets too: for pairs of sets of two shingles and 256 functions, the root
# mean square of the error must be below 0.19. (Independent functions give 0.03; functions that only shift the numbers, 0.22.)
#
# <details><summary>Hint 1</summary>One number for each shingle; from these, <code>n_hashes</code> rows of scrambled numbers,
# each with its own a and b; the minimum of each row.</details>
# <details><summary>Hint 2</summary><code>zlib.crc32(shingle.encode())</code> is the same in every process. The a and b come
# from <code>torch.randint</code> with <code>generator=torch.Generator().manual_seed(seed)</code>.</details>
# <details><summary>Hint 3</summary>With p = 2³¹ − 1, a and b below p and x below 2³², <code>a * x + b</code> fits into int64:
# <code>((a[:, None] * x + b[:, None]) % p).amin(1)</code>, and a must not be 0.</details>

# %% nbgrader={"grade": false, "grade_id": "minhash", "locked": false, "schema_version": 3, "solution": true, "task": false}
def minhash(shingles: set[str], n_hashes: int, seed: int) -> Tensor:
    """The signature of a set: its smallest value under each of n_hashes hash functions; Broder 1997.

    shingles: at least one string. Returns int64 (n_hashes,), which depends on the set, n_hashes and seed alone.
    """
    ### BEGIN SOLUTION
    prime = 2**31 - 1
    generator = torch.Generator().manual_seed(seed)
    a, b = torch.randint(1, prime, (2, n_hashes, 1), generator=generator)
    x = torch.tensor([zlib.crc32(shingle.encode()) for shingle in shingles])
    return ((a * x + b) % prime).amin(1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_minhash", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
def numbers(signature, k):
    """The signature as an int64 tensor, whether it came as a tensor, an array or a list."""
    if isinstance(signature, list | tuple) and all(type(v) is int or isinstance(v, np.integer) for v in signature):
        signature = [int(v) % 2**63 for v in signature]
    made = signature if isinstance(signature, Tensor) else torch.as_tensor(signature)
    check.shape(made, (k,), hint="one whole number for each hash function")
    check.that(not made.is_floating_point() and made.dtype != torch.bool, "wanted whole numbers: a hash value each")
    return made.to(torch.int64)


def agreeing(f, left, right, k, seed):
    return (numbers(f(left, k, seed), k) == numbers(f(right, k, seed), k)).double().mean().item()


mine, yours_too = {f"shingle {i}" for i in range(600)}, {f"shingle {i}" for i in range(300, 900)}  # J = 300 / 900
check.that(agreeing(minhash, mine, set(mine), 64, 3) == 1, "the same set and seed must give the same signature")
found = agreeing(minhash, mine, yours_too, 1024, 0)
check.that(0.25 <= found <= 0.42,
           f"1,024 hash functions agree on {found:.0%} of these two sets, whose Jaccard similarity is 1/3. All or none: is "
           "each function another one? About a half: are the smallest values of one function taken for many functions?")
check.that(agreeing(minhash, mine, {f"other {i}" for i in range(600)}, 1024, 0) < 0.08,
           "two sets that share nothing agree: is it the smallest hash of the whole set?")
### BEGIN HIDDEN TESTS
def with_another_hash(f, strings):
    class Salted(str):
        def __hash__(self):
            return 7 * str.__hash__(self) + 1  # what another process would make of it

    first, second = f(set(strings), 32, 0), f({Salted(one) for one in strings}, 32, 0)
    return [[int(v) for v in signature] for signature in (first, second)]


def any_order(f, strings):
    class Backwards(set):
        def __iter__(self):
            return reversed(list(set.__iter__(self)))

    return [[int(v) for v in f(kind(strings), 32, 5)] for kind in (set, Backwards)]


salted = check.beside(with_another_hash, minhash, sorted(mine))
check.that(salted[0] == salted[1],
           "the signature depends on Python's `hash`, which is salted anew in each process: use zlib.crc32 or hashlib")
orders = check.beside(any_order, minhash, sorted(mine))
check.that(orders[0] == orders[1], "the signature depends on the order in which the set is read")
check.that((numbers(minhash(mine, 256, 0), 256) != numbers(minhash(mine, 256, 1), 256)).double().mean().item() > 0.9,
           "another seed must give other hash functions")
for low, shared, high, seed in ((400, 800, 400, 1), (0, 700, 300, 2), (300, 100, 300, 3), (0, 950, 50, 4)):
    one = {f"word{i} of text" for i in range(low + shared)}
    other = {f"word{i} of text" for i in range(low, low + shared + high)}
    truth, found = shared / (low + shared + high), agreeing(minhash, one, other, 1024, seed)
    check.that(abs(found - truth) <= 0.08, "the share of agreeing places is not the Jaccard similarity of two large sets")
off = [agreeing(minhash, {f"left {i}", f"both {i}"}, {f"both {i}", f"more {i}"}, 256, 5) - 1 / 3 for i in range(10, 40)]
check.that(math.sqrt(sum(e * e for e in off) / 30) <= 0.19, "for sets of two shingles the share of agreeing places is not the "
           "Jaccard similarity: a checksum with another start or a shift is not another function; each needs its own a and b")
values = numbers(minhash(mine, 1024, 9), 1024)
check.that(len(set(values.tolist())) > 950, "many hash functions give one and the same value: each needs its own a and b")
many = [numbers(minhash({f"one {i}"}, 64, 0), 64) for i in range(40)]
alike = sum((many[i] == many[i + 1]).double().mean().item() for i in range(39)) / 39
check.that(alike < 0.02, "different shingles get the same hash: is the whole string hashed?")
check.shape(numbers(minhash({"only one"}, 5, 0), 5), (5,))
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise: `estimated_jaccard` (1 point, 3 minutes)
#
# Write `estimated_jaccard(a, b)` for two signatures of equal length: the share of places at which they agree, a float. (The
# tests hand over int64 tensors and take a float or a tensor without axes.)
#
# <details><summary>Hint 1</summary>Place by place: value 3 of one signature is compared with value 3 of the other.</details>
# <details><summary>Hint 2</summary><code>a == b</code> is a tensor of booleans.</details>
# <details><summary>Hint 3</summary><code>(a == b).float().mean().item()</code></details>

# %% nbgrader={"grade": false, "grade_id": "estimated_jaccard", "locked": false, "schema_version": 3, "solution": true, "task": false}
def estimated_jaccard(a: Tensor, b: Tensor) -> float:
    """The share of places at which two signatures (k,) agree."""
    ### BEGIN SOLUTION
    return (a == b).double().mean().item()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_estimated_jaccard", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
some, another = torch.tensor([7, 2, 9, 4, 4, 1, 8, 3]), torch.tensor([7, 9, 2, 4, 5, 1, 4, 0])
check.close(plain_number(estimated_jaccard(some, another)), 3 / 8, mistakes={
    "places are compared, not sets of values: value i of one with value i of the other": 5 / 9,
    "that is the number of agreeing places: divide by all places": 3.0,
    "that is the share of places at which they differ": 5 / 8,
    "agreeing places over places of both signatures: divide by the length of one": 3 / 16,
    "the places that agree are not counted twice: divide by the length": 3 / 13,
})
### BEGIN HIDDEN TESTS
for k in (1, 3, 100):
    base = torch.arange(k) * 12345678901
    for agree in {0, 1, k // 2, k}:
        for apart in (1, 2**32):
            check.close(plain_number(estimated_jaccard(base, torch.where(torch.arange(k) < agree, base, base + apart))), agree / k,
                        hint="wrong for other signatures: compare all 64 bits of each value, and divide by the length")
### END HIDDEN TESTS

# %% [markdown]
# How good is the estimate on our web? Here are the pairs of a copy and its source, and pairs of unrelated pages:

# %% tags=["demo"]
sample = clean[:60]
copies = [dirty(page, "copy", random.Random(i)) for i, page in enumerate(sample)]
half = [page + "\n" + " ".join(clean[-i - 1].split()[:120]) for i, page in enumerate(sample)]  # half of it is new
truths, estimates = {}, {}
for kind, others in (("copies", copies), ("half copied", half), ("unrelated", clean[60:120])):
    sets = [(shingles(page, 5), shingles(other, 5)) for page, other in zip(sample, others, strict=True)]
    truths[kind] = [len(one & two) / len(one | two) for one, two in sets]
    estimates[kind] = {k: [estimated_jaccard(minhash(one, k, 0), minhash(two, k, 0)) for one, two in sets]
                       for k in (16, 128)}
fig, axes = plots.figure(1, 2, size=(9.6, 3.6), sharey=True)
for ax, k in zip(axes, (16, 128), strict=True):
    for kind, colour in (("copies", plots.BLUE), ("half copied", plots.ORANGE), ("unrelated", plots.GREY)):
        ax.plot(truths[kind], estimates[kind][k], ".", color=colour, label=kind, alpha=0.6)
    ax.plot([0, 1], [0, 1], color=plots.INK, lw=0.8)
    ax.set(title=f"{k} hash functions", xlabel="Jaccard similarity of the shingles")
axes[0].set(ylabel="estimate from signatures")
axes[0].legend()
plots.caption(fig, "Estimated against true similarity, for 180 pairs of pages.",
              "Two scatter plots around the diagonal. With 16 functions the estimates spread by a tenth and more, with 128 "
              "they are close to the diagonal. Unrelated pages are at 0, copies above 0.7.")

# %% [markdown]
# ### Never compare all pairs
#
# Among 20,000 documents there are 200 million pairs. The way out is **locality-sensitive hashing** (Indyk and Motwani 1998):
# cut each signature into $b$ bands of $r$ values, and let each band choose a bucket of a dictionary. Two documents are
# compared only if they meet in *some* bucket. With similarity $s$, a band agrees with probability $s^r$, so
#
# $$ P[\text{they meet}] = 1 - (1 - s^r)^b, $$
#
# an S-shaped curve whose steepest place is near $s \approx (1/b)^{1/r}$ (Leskovec, Rajaraman and Ullman 2014, §3.4). FineWeb's 14
# bands of 8 put it at 0.72. What meets by accident is sorted out by looking at the whole signatures.

# %% tags=["demo"]
def show_bands(rows: int) -> None:
    similarity = torch.linspace(0, 1, 201)
    fig, ax = plots.figure(size=(7.2, 3.0))
    for r, colour in ((rows, plots.BLUE), (8, plots.GREY)):
        b = 128 // r
        ax.plot(similarity.numpy(), (1 - (1 - similarity**r) ** b).numpy(), color=colour, label=f"{b} bands of {r}")
        ax.plot([(1 / b) ** (1 / r)] * 2, [0, 1], color=colour, lw=0.8, ls="--")
    ax.set(xlabel="similarity s", ylabel="P[they meet]")
    ax.legend()
    plots.caption(fig, "Which pairs meet, with signatures of 128 values. Dashed: (1/b)^(1/r). Move the slider.",
                  "S-shaped curves from 0 to 1. More rows in a band move the step to the right and make it steeper.")


play(show_bands, rows=ipywidgets.SelectionSlider(options=[1, 2, 4, 8, 16, 32], value=4, description="rows"))

# %% [markdown]
# ### Exercise: `deduplicate` (4 points, 35 minutes)
#
# Write `deduplicate(texts, threshold)`. Go through the texts in order and keep a text unless its similarity to a text that
# was **kept before it** is at least `threshold`. Similarity is the Jaccard similarity of shingles of **5** words, estimated
# from signatures. Return the list of the indices kept, in increasing order. Every text has at least one word, and
# `0.3 <= threshold <= 0.95`.
#
# The time must grow about as the number of texts does, not as its square: find candidates through bands. The tests measure
# the processor time of 640 texts against that of 80. Estimates are estimates: no test has a pair whose true similarity is
# within 0.15 of the threshold. What is well above it must be found, and what is well below it must not. (Of many pairs
# that are just 0.19 above it, one in twenty may slip through.)
#
# <details><summary>Hint 1</summary>One dictionary from <code>(band number, values of the band)</code> to the kept documents in
# that bucket. For each text: look up its bands, compare with the documents found there, and either drop it or enter
# it.</details>
# <details><summary>Hint 2</summary>With k = 128 values, take the largest number of rows r for which
# (1/b)<sup>1/r</sup>, b = 128 / r, is still at most <code>threshold</code>. A tensor cannot be a key of a dictionary, a tuple
# can.</details>
# <details><summary>Hint 3</summary><code>keys = [(i, tuple(values[i:i + r])) for i in range(0, 128, r)]</code> with
# <code>values = signature.tolist()</code>; <code>candidates = {j for key in keys for j in buckets.get(key, ())}</code>; drop
# the text if <code>estimated_jaccard</code> is at least the threshold for any of them, else
# <code>buckets.setdefault(key, []).append(index)</code> for all its keys.</details>

# %% nbgrader={"grade": false, "grade_id": "deduplicate", "locked": false, "schema_version": 3, "solution": true, "task": false}
def deduplicate(texts: list[str], threshold: float) -> list[int]:
    """Indices of the texts to keep: all but those that are similar to a text kept before.

    Similar: the estimated Jaccard similarity of their shingles of 5 words is at least `threshold`. Near-linear time.
    """
    ### BEGIN SOLUTION
    size = 128
    rows = max(r for r in range(1, size) if (r / size) ** (1 / r) <= threshold)
    buckets: dict[tuple, list[int]] = {}
    signatures: dict[int, Tensor] = {}
    for index, text in enumerate(texts):
        signature = minhash(shingles(text, 5), size, 0)
        values = signature.tolist()
        keys = [(start, *values[start:start + rows]) for start in range(0, size, rows)]
        candidates = {other for key in keys for other in buckets.get(key, ())}
        if any(estimated_jaccard(signature, signatures[other]) >= threshold for other in candidates):
            continue
        signatures[index] = signature
        for key in keys:
            buckets.setdefault(key, []).append(index)
    return list(signatures)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_deduplicate", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
def some_text(number, n_words=120):
    """Words that no other text has: its shingles are its own."""
    return " ".join(f"w{number}x{i}" for i in range(n_words))


def changed(text, *places):
    """The text with another word at each of these places. A word in the middle is in five shingles."""
    parts = text.split()
    for place in places:
        parts[place] = "changed"
    return " ".join(parts)


def tidy(kept):
    whole = isinstance(kept, list | tuple) and all(type(i) is int or isinstance(i, np.integer) for i in kept)
    check.that(whole, "wanted a list of whole numbers: the indices of the texts to keep")
    return [int(i) for i in kept]


first, second, third = (some_text(number) for number in range(3))
copied = changed(first, 60)  # 111 of 116 shingles survive: J = 111 / 121 = 0.92
check.equal(tidy(deduplicate([first, second, copied, third, second], 0.75)), [0, 1, 3], mistakes={
    "these are the duplicates: the texts to keep are wanted": [2, 4],
    "the last of several near duplicates was kept: the first is to stay": [2, 3, 4],
    "all near duplicates went, the first too: one of each is to stay": [3],
    "only exact copies were found: text 2 differs from text 0 in one word of 120": [0, 1, 2, 3],
    "nothing was found: texts 2 and 4 are copies of 0 and 1": [0, 1, 2, 3, 4],
    "texts that share nothing were taken for duplicates": [0],
})
### BEGIN HIDDEN TESTS
check.equal(tidy(deduplicate([], 0.8)), [], hint="no texts, nothing to keep")
check.equal(tidy(deduplicate(["one word", "One  Word", "two words", "one word more"], 0.8)), [0, 2, 3],
            hint="wrong for texts shorter than five words: each has one shingle, all of it")
letters = random.Random(3)
halves = [["".join(letters.choices(string.ascii_lowercase, k=5)) for _ in range(7)] for _ in range(30)]
pairs_kept = tidy(deduplicate([" ".join(words) for six in halves for words in (six[:5], six[:6])], 0.2))
check.that(sum(place % 2 == 0 for place in pairs_kept) == 30 and sum(place % 2 for place in pairs_kept) <= 12,
           "shingles of 5 words: a text of five words has one of them, the same text and one word more has two, so that J = 1/2, above the threshold; "
           "or are the functions of your `minhash` not independent of each other?")
pairs_kept = tidy(deduplicate([" ".join(words) for six in halves for words in (six[:6], [*six[:5], six[6]])], 0.55))
check.that(sum(place % 2 == 0 for place in pairs_kept) == 30 and sum(place % 2 for place in pairs_kept) >= 18,
           "shingles of 5 words: each of these texts has two of them, and one is common to both of a pair, so that J = 1/3, below the threshold; "
           "or are the functions of your `minhash` not independent of each other?")
ladder = [some_text(7)] + [changed(some_text(7), *range(3, 120, step)) for step in (39, 20, 12)]
likeness = []
for other in ladder[1:]:  # by counting, not by hashing
    one, two = ({tuple(t.split()[i:i + 5]) for i in range(116)} for t in (ladder[0], other))
    likeness.append(len(one & two) / len(one | two))  # 0.78, 0.60, 0.41
for limit in (0.3, 0.4, 0.6, 0.8, 0.95):
    for other, alike in zip(ladder[1:], likeness, strict=True):
        if abs(alike - limit) > 0.15:
            check.equal(tidy(deduplicate([ladder[0], second, other], limit)), [0, 1] if alike > limit else [0, 1, 2],
                        hint="wrong with another threshold: a pair well above it is a duplicate, one well below it is not")
same_words = " ".join(reversed(first.split()))
check.equal(tidy(deduplicate([first, same_words], 0.5)), [0, 1],
            hint="the same words in another order are another text: shingles of 5 words are compared")
near = [version for number in range(60) for version in (some_text(number, 60), changed(some_text(number, 60), 1))]
check.equal(tidy(deduplicate(near, 0.75)), list(range(0, 120, 2)), hint="wrong for 60 texts, each followed by its copy")
check.equal(tidy(deduplicate(near[::2] + near[1::2], 0.75)), list(range(60)), hint="wrong for copies that come much later")
fronts, backs = ([some_text(number) for number in numbers_of] for numbers_of in (range(40), range(40, 80)))
joined = [front + " " + back for front, back in zip(fronts, backs, strict=True)]  # J = 116 / 236 = 0.49 with each of the two
kept = tidy(deduplicate(fronts + joined, 0.3))
check.that(set(range(40)) <= set(kept) and len(kept) <= 42,
           "threshold 0.3: of 40 pairs with a similarity of 0.49 too few were found. Must the bands not depend on the threshold?")
kept = tidy(deduplicate([text for three in zip(fronts, joined, backs, strict=True) for text in three], 0.3))
check.that(sum(3 * i in kept and 3 * i + 1 not in kept and 3 * i + 2 in kept for i in range(40)) >= 38,
           "a text that was dropped must not drop others: compare with those that were *kept before it* alone")
prefix = some_text(0, 52)
pages = [prefix + " " + some_text(number, 68) for number in range(1, 31)]  # J = 48 / 184 = 0.26
check.equal(tidy(deduplicate(pages + pages[20:], 0.5)), list(range(30)),
            hint="wrong for 30 pages that begin alike, followed by copies of ten: look at all the candidates of a text, not at one")


def processor_time(f, small, large):
    spent = []
    for texts in (small[:20], small, large):  # the first to warm up
        began = time.process_time()
        kept = f(texts, 0.7)
        spent.append(time.process_time() - began)
    return spent[1:], len(kept)


short = [some_text(number, 24) + " from the same old page" for number in range(640)]  # one shingle in common
(few, all_of_them), n_kept = check.beside(processor_time, deduplicate, short[:80], short)
check.that(n_kept == 640, "640 texts that share one line must all be kept")
check.that(all_of_them <= 24 * few + 0.05,
           "the time grows as the square of the number of texts: compare only those that meet in a bucket"
           + f" (8 times as many texts took {all_of_them / few:.0f} times as long)")
### END HIDDEN TESTS

# %% [markdown]
# Now 20,000 documents: 9,000 pieces of Wikipedia and, in between, copies of them with a few words changed. All pairs would be
# 200 million comparisons. Watch the time as the number of documents grows.

# %% tags=["demo"]
every_word = " ".join(articles).split()
pieces = [" ".join(every_word[i:i + 36]) for i in range(0, len(every_word) - 36, 36)][:9000]
rng = random.Random(0)
documents = []
for number in range(20_000):
    if pieces and (number < 2 or rng.random() < 0.45):
        documents.append((number, pieces.pop()))
    else:
        source, text = documents[rng.randrange(len(documents))]
        parts = text.split()
        parts[rng.choice((0, 1, len(parts) - 1))] = "edited"
        documents.append((source, " ".join(parts)))
texts = [text for _, text in documents]
sizes, seconds, found_share = (2500, 5000, 10_000, 20_000), [], []
for size in sizes:
    began = time.perf_counter()
    kept = deduplicate(texts[:size], 0.7)
    seconds.append(time.perf_counter() - began)
    found_share.append(len(kept) / len({source for source, _ in documents[:size]}))
    print(f"{size:>6,} documents: {seconds[-1]:4.1f} s, kept {len(kept):,} of {len({s for s, _ in documents[:size]}):,} originals")
fig, ax = plots.figure(size=(7.2, 3.0))
ax.plot(sizes, seconds, "o-", color=plots.BLUE, label="with bands, measured")
ax.plot(sizes, [seconds[0] * (size / sizes[0]) ** 2 for size in sizes], "--", color=plots.ORANGE,
        label="if it grew as the square")
ax.set(xlabel="documents", ylabel="seconds", ylim=(0, None))
ax.legend()
plots.caption(fig, "Deduplication of up to 20,000 documents on this machine.",
              f"A straight line to {seconds[-1]:.1f} seconds for 20,000 documents; a dashed curve that grows as the square is "
              "eight times as high at the end.")

# %% [markdown]
# And back to the dirty web: the last map of the pipeline.

# %% tags=["demo"]
unique = [filtered[i] for i in deduplicate([text for _, text in filtered], 0.7)]
fig, axes = plots.figure(1, 3, size=(9.6, 3.2))
for ax, (stage, pages) in zip(axes, (("the web", web), ("+ filters", filtered), ("+ deduplication", unique)), strict=True):
    sizes_now = characters(pages)
    treemap(ax, sizes_now, colour_of, sum(sizes_now.values()) / whole_size, letter=0.035)
    ax.set_title(f"{stage}: {sum(sizes_now.values()) / whole_size:.0%}", fontsize=10)
plots.caption(fig, "From a dirty web to training data.",
              "Three treemaps. The first has seven kinds of page, the second clean pages and copies, the third clean pages "
              "and a strip of copies.")
for name in ("clean", "copy"):
    print(f"{name:<6}: {sum(kind == name for kind, _ in filtered):,} pages before, {sum(kind == name for kind, _ in unique):,} after")

# %% [markdown]
# Some *copies* stay and some *clean* pages go: a copy that comes first is the one that is kept, as the rule says. Which of two
# equal pages is the original, no rule can tell.

# %% [markdown]
# ## 3. Data parallelism
#
# Now the machines. Training is still the gradient descent of unit 01: predict, measure the loss $L$ of a batch, take its gradient,
# and step against it, $\theta \leftarrow \theta - \eta \, \nabla_\theta L$, again and again. At large scale two things go wrong with this
# loop, and they call for different cures.
#
# - **Time**. Section 7 will show that a model of 70 billion parameters and 1.4 trillion tokens takes $6 \cdot 10^{23}$
#   operations. A GPU that does $4 \cdot 10^{14}$ of them a second would need 47 years.
# - **Memory**. With Adam in mixed precision each parameter takes 16 bytes: 2 for itself, 2 for its gradient, and 12 for a
#   float32 copy and the two moments (Rajbhandari et al. 2020, §3.1). Activations come on top.
#
# **Predict first.** How many GPUs of 80 GB does it take merely to *hold* that model of 70 billion parameters in training,
# without any activation?
#
# <details><summary>Answer</summary>
#
# 70 · 10⁹ · 16 bytes = 1,120 GB: 14 GPUs. One with 7 billion (112 GB) does not fit on one either.
# </details>

# %% tags=["demo"]
fig, ax = plots.figure(size=(8.4, 2.8))
labels = ("SmolLM2 135M", "Llama 2 7B", "Llama 2 13B", "Llama 2 70B")
billions = torch.tensor([0.1345, 6.74, 13.0, 69.0])
start = torch.zeros(4)
for part, bytes_each, colour in (("weights", 2, plots.BLUE), ("gradients", 2, plots.GREEN),
                                 ("float32 copy and Adam's moments", 12, plots.ORANGE)):
    ax.barh(range(4), (bytes_each * billions).numpy(), left=start.numpy(), color=colour, label=part)
    start += bytes_each * billions
ax.axvline(80, color=plots.INK, ls="--", lw=1.2)
ax.text(88, 0, "one GPU: 80 GB", va="center", fontsize=9)
ax.set_yticks(range(4), labels)
ax.invert_yaxis()
ax.set(xlabel="GB in training, without activations")
ax.legend()
plots.caption(fig, "16 bytes a parameter (Rajbhandari et al. 2020, §3.1); sizes of Llama 2 from Touvron et al. 2023.",
              "Bars of 2, 108, 208 and 1,104 GB; three quarters of each is the optimizer's. Only the first is below the line "
              "at 80 GB.")

# %% [markdown]
# ### Four ways to cut
#
# The next four sections each cut along another line: **data** parallelism cuts the batch, **tensor** parallelism each
# matrix, **pipeline** parallelism the stack of layers, **sequence** parallelism the text. Large runs use several at once.

# %% tags=["demo"]
def cut_drawing(ax, title: str, note: str, owner) -> None:
    """Two texts of four tokens go through four layers; each cell is one (layer, token, text, half of the width)."""
    for layer in range(4):
        for text in range(2):
            for token in range(4):
                for part in range(2):
                    colour = (plots.BLUE, plots.ORANGE)[owner(layer, text, token, part)]
                    ax.add_patch(_patch((5 * text + token, layer * 1.35 + 0.5 * part), 0.9, 0.46, facecolor=colour,
                                        edgecolor="none"))
    ax.text(1.95, -0.35, "text 1", ha="center", va="top", fontsize=9)
    ax.text(6.95, -0.35, "text 2", ha="center", va="top", fontsize=9)
    ax.set_title(title, fontsize=11)
    ax.text(4.5, -1.15, note, ha="center", va="top", fontsize=8.5)
    ax.set(xlim=(-0.2, 9.2), ylim=(-2.2, 5.2))
    ax.axis("off")


fig, axes = plots.figure(1, 4, size=(10.4, 3.0))
for ax, title, note, owner in (
    (axes[0], "data", "gradients are averaged\nonce a step", lambda layer, text, token, part: text),
    (axes[1], "tensor", "partial sums are added\ntwice a layer", lambda layer, text, token, part: part),
    (axes[2], "pipeline", "activations are sent on\nat the border", lambda layer, text, token, part: layer // 2),
    (axes[3], "sequence", "keys and values are\npassed round in attention", lambda layer, text, token, part: token // 2),
):
    cut_drawing(ax, title, note, owner)
plots.caption(fig, "Who computes what: worker 0 in blue, worker 1 in orange. Each panel has four layers, from bottom to top, "
              "two texts of four tokens, and each layer in two halves of its width.",
              "Four panels of small rectangles in two colours. Data: text 1 blue, text 2 orange. Tensor: the lower half of "
              "every layer blue, the upper orange. Pipeline: the lower two layers blue, the upper two orange. Sequence: the "
              "first two tokens of each text blue, the last two orange.")

# %% [markdown]
# ### The gradient of a mean
#
# Data parallelism is the simplest. Each of $W$ workers has a complete copy of the weights and its own share of the batch. The
# loss is a mean over rows, so its gradient is one too, and with equal shares
#
# $$ \nabla \frac{1}{N}\sum_{i=1}^{N} \ell_i
#    = \frac{1}{W} \sum_{w=1}^{W} \Big( \nabla \frac{1}{N/W} \sum_{i \in \text{share } w} \ell_i \Big). $$
#
# Each worker takes the gradient of its share; then all of them average, by an operation called **all-reduce**: everybody puts
# a tensor in, and everybody gets the sum (or mean) of all. If the weights were equal before, they are equal afterwards.
#
# **Predict first.** The shares have 3 rows and 1 row instead of 2 and 2, and the two gradients are averaged as above. Is the
# result still the gradient of the whole batch?
#
# <details><summary>Answer</summary>
#
# No: the single row counts as much as three others together. Then the gradients must be weighted by their numbers of rows. The
# same mistake, with tokens in place of rows, sat in the gradient accumulation of widely used trainers until 2024 (unit 06).
# </details>
#
# ### Exercise: `all_reduce_mean` (1 point, 5 minutes)
#
# First in one process. Write `all_reduce_mean(tensors)`: `tensors` is a list with one tensor for each worker, all of the same
# shape. Return what the workers hold afterwards: a list of equal length, each entry the mean of all. Each worker has its own
# memory, so no two entries may share theirs. Leave the tensors that came in as they were.
#
# <details><summary>Hint 1</summary>All entries of the list have the same values. How often does the mean have to be
# computed?</details>
# <details><summary>Hint 2</summary><code>torch.stack(tensors)</code> has the workers as its first axis.</details>
# <details><summary>Hint 3</summary><code>[mean] * n</code> is n times the same tensor; <code>mean.clone()</code> is a new
# one.</details>

# %% nbgrader={"grade": false, "grade_id": "all_reduce_mean", "locked": false, "schema_version": 3, "solution": true, "task": false}
def all_reduce_mean(tensors: list[Tensor]) -> list[Tensor]:
    """What each worker holds after an all-reduce: the mean of all tensors, as often as there are workers.

    tensors: one for each worker, of one shape. No two entries of the result share memory.
    """
    ### BEGIN SOLUTION
    mean = torch.stack(tensors).mean(0)
    return [mean.clone() for _ in tensors]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_all_reduce_mean", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
held = [torch.tensor([1.0, 2.0]), torch.tensor([3.0, 6.0]), torch.tensor([5.0, 1.0])]
given = check.beside(lambda f, tensors: (f(tensors), tensors)[1], all_reduce_mean, held)
check.equal(given, held, hint="the tensors that came in were changed")
after = all_reduce_mean(held)
check.that(not isinstance(after, Tensor), "one tensor came back: every worker gets the mean, so return a list, one for each")
check.close(list(after or []), [torch.tensor([3.0, 3.0])] * 3, mistakes={
    "that is the sum of all: divide by the number of workers": [torch.tensor([9.0, 9.0])] * 3,
    "each worker has averaged its own numbers: average over the workers": [torch.tensor(1.5), torch.tensor(4.5), torch.tensor(3.0)],
    "only worker 0 got the mean: that is a reduce; in an all-reduce everybody gets it":
        [torch.tensor([3.0, 3.0]), held[1], held[2]],
    "one mean came back: every worker gets it, so return a list, one for each": [torch.tensor([3.0, 3.0])],
}, hint="wanted a list of three tensors")
### BEGIN HIDDEN TESTS
def one_is_changed(f, tensors):
    results = f(tensors)
    results[0].add_(100)
    return list(results)[1:]


others = check.beside(one_is_changed, all_reduce_mean, held)
check.close(others, [torch.tensor([3.0, 3.0])] * 2,
            hint="worker 0 changed its own tensor and the others' changed with it: give each a tensor of its own")
for workers, shape in ((1, (4,)), (2, (3, 2)), (5, (2, 1, 3)), (2, ())):
    stacked = torch.randn(workers, *shape, generator=torch.Generator().manual_seed(workers))
    check.close(list(all_reduce_mean(list(stacked.unbind(0)))), [stacked.sum(0) / workers] * workers,
                hint=f"wrong for {workers} workers with tensors of shape {shape}")
### END HIDDEN TESTS

# %% [markdown]
# ### How the mean gets round
#
# Sending everything to one worker and back would make that one the bottleneck. In a **ring** (Patarasuk and Yuan 2009) each
# worker talks to its neighbour alone. The tensor is cut into $W$ chunks. For $W - 1$ rounds everybody passes one chunk on and
# adds what arrives; after that each worker has one chunk of the total, and $W - 1$ more rounds pass the totals round. Each
# worker sends $2 (W-1)/W$ times the size of the tensor, however many workers there are.

# %% tags=["demo"]
def ring(tensors: list[Tensor]) -> tuple[list[Tensor], list[list[list[float]]]]:
    """A ring all-reduce, chunk by chunk: the sums, and how many workers' numbers each chunk holds after each round."""
    W = len(tensors)
    chunks = [list(t.clone().chunk(W)) for t in tensors]
    holds = [[{w} for _ in range(W)] for w in range(W)]
    history = [[[len(h) for h in row] for row in holds]]
    for step in range(2 * W - 2):
        sent = [(w, (w - step) % W if step < W - 1 else (w + 1 - (step - W + 1)) % W) for w in range(W)]
        moving = [(chunks[w][c].clone(), set(holds[w][c])) for w, c in sent]
        for (w, c), (data, whose) in zip(sent, moving, strict=True):
            to = (w + 1) % W
            chunks[to][c] = chunks[to][c] + data if step < W - 1 else data
            holds[to][c] = holds[to][c] | whose if step < W - 1 else whose
        history.append([[len(h) for h in row] for row in holds])
    return [torch.cat(row) for row in chunks], history


numbers_of_four = list(torch.arange(32.0).view(4, 8).unbind(0))
sums, history = ring(numbers_of_four)
check.close(sums, [4 * mean for mean in all_reduce_mean(numbers_of_four)])
fig, axes = plots.figure(1, 7, size=(10.4, 2.2))
for round_number, (ax, table) in enumerate(zip(axes, history, strict=True)):
    ax.imshow(torch.tensor(table).numpy(), cmap=plots.UNSIGNED, vmin=0, vmax=5)
    for w in range(4):
        for c in range(4):
            ax.text(c, w, table[w][c], ha="center", va="center", fontsize=8, color="white" if table[w][c] > 2 else plots.INK)
    ax.set(xticks=[], yticks=range(4) if round_number == 0 else [], title=f"{round_number}")
    ax.grid(False)
axes[0].set(ylabel="worker")
plots.caption(fig, "A ring of four workers, after 0 to 6 rounds; columns are chunks. The number says how many workers' numbers "
              "a chunk holds.",
              "Seven tables of 4 by 4. At first all ones; after three rounds each row has one 4; after six all are 4.")

# %% [markdown]
# ### Two real processes
#
# Now without pretending. `torch.distributed` connects processes to a **process group** of `world_size` members, each of which
# knows its `rank`, and *gloo* is its way of communicating between CPUs (*nccl* between NVIDIA GPUs). All members run the same
# program; when all have called `dist.all_reduce(t)`, each member's `t` holds the sum of all, in place. If one does not call,
# the others wait.
#
# The cell below starts processes and collects what they return. They are forks of this one, so they know all that has been
# defined so far, and each gets one thread.

# %%
def _in_a_process(worker, rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo0" if sys.platform == "darwin" else "lo"  # talk within this machine only
    try:
        result = worker(rank, f"file://{folder}/meeting_point")
    except Exception as error:
        result = f"{type(error).__name__}: {error}"
    torch.save(result, f"{folder}/{rank}.unfinished")
    Path(f"{folder}/{rank}.unfinished").rename(f"{folder}/{rank}.pt")
    os._exit(0)  # nothing of the notebook's own is tidied up by its fork


def launch(worker, world_size: int, seconds: float = 15.0) -> list:
    """Run `worker(rank, init_method)` in `world_size` processes at once.

    Returns a list with what each returned; a string where it failed, or was not done after `seconds`.
    """
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as folder:
        processes = [context.Process(target=_in_a_process, args=(worker, rank, folder)) for rank in range(world_size)]
        for process in processes:
            process.start()
        end = time.monotonic() + seconds
        for process in processes:
            process.join(max(0.0, end - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()
        files = [Path(folder) / f"{rank}.pt" for rank in range(world_size)]
        return [torch.load(file, weights_only=False) if file.exists() else f"no result after {seconds:g} s: does every "
                "process take part in every broadcast and all_reduce?" for file in files]


torch.optim.SGD([torch.zeros(1)], lr=0.1)  # the first optimizer loads modules for seconds: here, not in every process


def mlp_gradient(weights: list[Tensor], x: Tensor, y: Tensor) -> list[Tensor]:
    """The gradient of a small network's mean squared error, by the formulas of unit 01.

    weights: (D, H) and (H, 1), with a ReLU between them. x (N, D), y (N, 1). Returns a new tensor for each weight.
    """
    first, second = weights
    hidden = (x @ first).relu()
    error = 2 * (hidden @ second - y) / len(x)
    return [x.T @ (error @ second.T * (hidden > 0)), hidden.T @ error]


# %% tags=["demo"]
def greet(rank: int, init_method: str) -> dict:
    dist.init_process_group("gloo", init_method=init_method, rank=rank, world_size=3)
    mine = torch.tensor([10.0**rank, 1.0])
    dist.all_reduce(mine)
    dist.destroy_process_group()
    return {"rank": rank, "process": os.getpid(), "after all_reduce": mine.tolist()}


for line in launch(greet, 3):
    print(line)

# %% [markdown]
# ### Exercise: `ddp_train` (5 points, 40 minutes)
#
# Write what *each* process runs: `ddp_train(rank, world_size, init_method, weights, gradient, x, y, lr, n_steps)`.
#
# 1. Join the process group: `dist.init_process_group("gloo", init_method=..., rank=..., world_size=...)`.
# 2. Start from the weights of rank 0, whatever the others were given: `dist.broadcast(tensor, src=0)` overwrites `tensor` with
#    that of rank 0. `weights` is a list of one or more float tensors; leave it and its tensors as they were.
# 3. `n_steps` times: call `gradient(weights, own_x, own_y)`, **once**, on this process's share of the rows alone. It returns
#    one gradient for each weight, of the mean loss of the rows it was given. Average the gradients over the processes, and
#    take a step of plain gradient descent: `weight - lr * gradient`.
# 4. Leave the group: `dist.destroy_process_group()`. Return a tuple of two lists: the weights after the last step, and the
#    averaged gradients of the last step.
#
# `x` (N, D) and `y` (N, 1) are the whole batch, the same in every process. `world_size` divides N. Each share has
# N / world_size rows of both, and each row is in just one share; which is in which is up to you. All processes
# must return the same, which is what one process with the whole batch would get. `n_steps` is at least 1.
#
# <details><summary>Hint 1</summary>Write the loop for one process first. Two lines make it parallel: one that picks rows,
# and one that averages.</details>
# <details><summary>Hint 2</summary><code>x[rank::world_size]</code> is every world_size-th row, from row <code>rank</code> on.
# <code>dist.all_reduce</code> gives the <em>sum</em>. <code>dist.broadcast</code> and <code>dist.all_reduce</code> work in
# place, so clone the weights first.</details>
# <details><summary>Hint 3</summary>In the loop: <code>gradients = gradient(weights, x[rank::world_size],
# y[rank::world_size])</code>; for each <code>g</code>: <code>dist.all_reduce(g)</code> and <code>g /= world_size</code>; then
# <code>weights = [w - lr * g for w, g in zip(weights, gradients)]</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "ddp_train", "locked": false, "schema_version": 3, "solution": true, "task": false}
def ddp_train(rank: int, world_size: int, init_method: str, weights: list[Tensor], gradient, x: Tensor, y: Tensor,
              lr: float, n_steps: int) -> tuple[list[Tensor], list[Tensor]]:
    """Gradient descent by world_size processes, of which this is number `rank`; each has its share of the rows.

    gradient(weights, x, y) -> list[Tensor]: of the mean loss of these rows. Starts from the weights of rank 0.
    Returns (weights after n_steps, averaged gradients of the last step), equal in all processes.
    """
    ### BEGIN SOLUTION
    dist.init_process_group("gloo", init_method=init_method, rank=rank, world_size=world_size)
    weights = [w.clone() for w in weights]
    for w in weights:
        dist.broadcast(w, src=0)
    for _ in range(n_steps):
        gradients = gradient(weights, x[rank::world_size], y[rank::world_size])
        for g in gradients:
            dist.all_reduce(g)
            g /= world_size
        weights = [w - lr * g for w, g in zip(weights, gradients)]
    dist.destroy_process_group()
    return weights, gradients
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_ddp_train", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
def in_processes(f, launch, world_size, weights, gradient, x, y, lr, n_steps):
    def one_worker(rank, init_method):
        seen = []

        def watched(given, own_x, own_y):
            seen.append(torch.cat([own_x, own_y], 1))
            if len(given) == 1:  # a linear model
                return [own_x.T @ (own_x @ given[0] - own_y) * (2 / len(own_x))]
            return gradient(given, own_x, own_y)

        start = [w + rank for w in weights]  # only rank 0 has the right ones
        kept = [w.clone() for w in start]
        new_weights, gradients = f(rank, world_size, init_method, start, watched, x, y, lr, n_steps)
        unchanged = all(bool((a == b).all()) for a, b in zip(start, kept, strict=True))
        return {"weights": list(new_weights), "gradients": list(gradients), "seen": seen,
                "unchanged": unchanged, "left": not dist.is_initialized()}

    return launch(one_worker, world_size)


def one_process(weights, x, y, lr, n_steps, scale=1.0, drift=0.0):
    """The wanted weights and gradients, by autograd in float64; scale and drift make them wrong on purpose."""
    now = [w.double() + drift for w in weights]
    for _ in range(n_steps):
        now = [w.requires_grad_() for w in now]
        predicted = x.double() @ now[0]
        for w in now[1:]:
            predicted = predicted.relu() @ w
        ((predicted - y.double()) ** 2).mean().backward()
        slopes = [w.grad * scale for w in now]
        now = [(w - lr * s).detach() for w, s in zip(now, slopes, strict=True)]
    return [w.float() for w in now], [s.float() for s in slopes]


def right_results(rank, reports, world_size, weights, x, y, lr, n_steps):
    slopes_if = lambda **wrong: lambda: one_process(weights, x, y, lr, n_steps, **wrong)[1]
    own_rows = reports[rank]["seen"][-1]

    def apart():
        """The mean of the first gradients where process r starts from the weights plus r."""
        firsts = [one_process(weights, one["seen"][0][:, :-1], one["seen"][0][:, -1:], lr, 1, drift=float(number))[1]
                  for number, one in enumerate(reports)]
        return [sum(same) / world_size for same in zip(*firsts, strict=True)]

    want, slopes = one_process(weights, x, y, lr, n_steps)
    check.close(reports[rank]["gradients"], slopes, atol=1e-4, rtol=1e-3, mistakes={
        "all_reduce gives the sum: divide by world_size": slopes_if(scale=world_size),
        "divide by world_size once, not twice": slopes_if(scale=1 / world_size),
        "these are the weights: the gradients come second": want,
        "the processes started from different weights: broadcast those of rank 0": apart,
        "the last gradients are those of this process alone: average over all processes":
            lambda: one_process(weights, own_rows[:, :-1], own_rows[:, -1:], lr, n_steps)[1],
    }, hint="not the gradient of the whole batch. Are all weights those of rank 0 at first, and all gradients averaged at each "
            "step?")
    check.close(reports[rank]["weights"], want, atol=1e-4, rtol=1e-3, mistakes={
        "the step goes up: subtract lr times the gradient": lambda: one_process(weights, x, y, -lr, n_steps)[0],
        "the last step is missing": lambda: one_process(weights, x, y, lr, n_steps - 1)[0] if n_steps > 1 else weights,
        "the weights did not change": weights,
    }, hint="the weights after the last step are not those of one process with the whole batch")


def judged(reports, world_size, weights, x, y, lr, n_steps):
    for report in reports:
        check.that(isinstance(report, dict), "a process failed: it raised an error or was not done in time; `weights` has one tensor "
                   "or more" + f" ({report})")
    every = torch.cat([x, y], 1)
    for rank, report in enumerate(reports):
        check.that(len(report["seen"]) == n_steps, "`gradient` is to be called once in each step"
                   + f" (process {rank}: {len(report['seen'])} calls in {n_steps} steps)")
        check.that(all(rows.shape == (len(x) // world_size, every.shape[1]) for rows in report["seen"]),
                   "each process computes on its own share of the rows alone, N / world_size of them"
                   + f" (process {rank}: {len(report['seen'][0])} of {len(x)} rows)")
    for step in range(n_steps):
        met = torch.cat([report["seen"][step] for report in reports])
        matches = (met[:, None] == every[None]).all(-1)
        check.that(bool((matches.sum(0) == 1).all()),
                   "each row must be in the share of just one process, x and y together")
    for rank in range(world_size):
        right_results(rank, reports, world_size, weights, x, y, lr, n_steps)
    for report in reports:
        check.that(report["unchanged"], "the tensors of `weights` were changed in place: clone them")
        check.that(report["left"], "a process is still in the group: call dist.destroy_process_group() at the end")


draw = torch.Generator().manual_seed(0)
batch_x, batch_y = torch.randn(8, 5, generator=draw), torch.randn(8, 1, generator=draw)
start_weights = [torch.randn(5, 6, generator=draw) / 2, torch.randn(6, 1, generator=draw) / 2]
reports = check.beside(in_processes, ddp_train, launch, 2, start_weights, mlp_gradient, batch_x, batch_y, 0.05, 1)
judged(reports, 2, start_weights, batch_x, batch_y, 0.05, 1)
### BEGIN HIDDEN TESTS
batch_x, batch_y = torch.randn(9, 4, generator=draw), torch.randn(9, 1, generator=draw)
start_weights = [torch.randn(4, 3, generator=draw) / 2, torch.randn(3, 1, generator=draw) / 2]
reports = check.beside(in_processes, ddp_train, launch, 3, start_weights, mlp_gradient, batch_x, batch_y, 0.1, 3)
judged(reports, 3, start_weights, batch_x, batch_y, 0.1, 3)
start_weights = [start_weights[0][:, :1].clone()]  # a linear model: one weight
reports = check.beside(in_processes, ddp_train, launch, 1, start_weights, mlp_gradient, batch_x, batch_y, 0.02, 2)
judged(reports, 1, start_weights, batch_x, batch_y, 0.02, 2)
### END HIDDEN TESTS

# %% [markdown]
# The gradients of two processes are those of one. So are 60 steps of training:

# %% tags=["demo"]
draw_data = torch.Generator().manual_seed(1)
inputs_x = torch.randn(256, 8, generator=draw_data)
targets = (inputs_x[:, :1] * inputs_x[:, 1:2]).abs() + 0.1 * torch.randn(256, 1, generator=draw_data)
begin = [torch.randn(8, 64, generator=draw_data) / 4, torch.randn(64, 1, generator=draw_data) / 8]


def loss_of(now: list[Tensor]) -> float:
    return ((inputs_x @ now[0]).relu() @ now[1] - targets).square().mean().item()


def sixty_steps(processes: int) -> tuple[list[float], list[Tensor]]:
    """Six runs of ten steps: the losses between them, and the last weights."""
    losses, now = [loss_of(begin)], begin
    for _ in range(6):
        results = launch(lambda rank, place, now=now: ddp_train(rank, processes, place, now, mlp_gradient, inputs_x, targets,
                                                                0.1, 10), processes)
        check.that(all(isinstance(result, tuple) for result in results), f"a process failed: {results}")
        now = list(results[-1][0])
        losses.append(loss_of(now))
    return losses, now


curves = {processes: sixty_steps(processes) for processes in (1, 2)}
gap = max((a - b).abs().max().item() for a, b in zip(curves[1][1], curves[2][1], strict=True))
fig, ax = plots.figure(size=(6.8, 2.8))
ax.plot(range(0, 61, 10), curves[1][0], color=plots.BLUE, lw=5, alpha=0.35, label="1 process, 256 rows")
ax.plot(range(0, 61, 10), curves[2][0], "o--", color=plots.ORANGE, label="2 processes, 128 rows each")
ax.set(xlabel="step", ylabel="loss", ylim=(0, None))
ax.legend()
plots.caption(fig, f"The same training in one process and in two. After 60 steps the largest difference of a weight is {gap:.0e}.",
              "Two falling curves that lie on top of each other.")

# %% [markdown]
# `torch.nn.parallel.DistributedDataParallel` does what you wrote, with two refinements. It starts the all-reduce of the last
# layers while the backward pass is still busy with the first ones, so that sending costs little time. And it packs many small
# tensors into few large messages (Li et al. 2020).
#
# It does not save memory: each worker holds everything. **ZeRO** and **FSDP** (Rajbhandari et al. 2020; Zhao et al. 2023) mend
# that: every worker keeps only its part of the weights, gradients and moments, and the weights of a layer are collected from all
# just when it is their turn. The lab at the end trains in this way.

# %% [markdown]
# ## 4. Tensor parallelism
#
# If one layer is too large for one worker, cut its matrices. A product $Y = XA$ can be cut in two ways. (In this section
# matrices are **(in, out)**, as in the paper, and $Y = XA$ has no transpose.)
#
# $$ X \, [A_1 \;\; A_2] = [X A_1 \;\; X A_2], \qquad
#    [X_1 \;\; X_2] \begin{bmatrix} A_1 \\ A_2 \end{bmatrix} = X_1 A_1 + X_2 A_2 $$
#
# Cut by **columns**, every worker needs all of $X$ and has a *piece* of $Y$. Cut by **rows**, every worker needs only a piece of
# $X$ and has a *summand* of $Y$, and an all-reduce must add them up. The trick of Megatron-LM (Shoeybi et al. 2019, §3) is to do
# one after the other: an MLP's first matrix by columns, its second by rows. The pieces that the first leaves behind are just
# those that the second wants, so that the whole MLP needs a single all-reduce. Heads of attention are cut in the same way.
#
# **Predict first.** Between the two matrices there is a SiLU or GELU. Could one cut the first matrix by rows, leave the
# summands where they are, and apply the activation to each?
#
# <details><summary>Answer</summary>
#
# No: GELU(a + b) is not GELU(a) + GELU(b). The summands would have to be added first. Cut by columns, each worker has some of the
# hidden numbers complete, and the activation works on each number alone.
# </details>

# %% tags=["demo"]
fig, axes = plots.figure(1, 2, size=(9.6, 3.0))


def block(ax, x, y, w, h, colour, text):
    ax.add_patch(_patch((x, y), w, h, facecolor=colour, edgecolor=plots.CARD, linewidth=2))
    ax.text(x + w / 2, y + h / 2, text, ha="center", va="center", color="white", weight="bold")


left_ax, right_ax = axes
block(left_ax, 0, 0, 2, 1.4, plots.GREY, "X")
block(left_ax, 2.8, -0.3, 1.2, 2, plots.BLUE, "A₁")
block(left_ax, 4.0, -0.3, 1.2, 2, plots.ORANGE, "A₂")
block(left_ax, 6.3, 0, 1.2, 1.4, plots.BLUE, "XA₁")
block(left_ax, 7.5, 0, 1.2, 1.4, plots.ORANGE, "XA₂")
left_ax.set_title("by columns: pieces", fontsize=11)
block(right_ax, 0, 0, 1, 1.4, plots.BLUE, "X₁")
block(right_ax, 1, 0, 1, 1.4, plots.ORANGE, "X₂")
block(right_ax, 2.8, 0.7, 1.8, 1, plots.BLUE, "A₁")
block(right_ax, 2.8, -0.3, 1.8, 1, plots.ORANGE, "A₂")
block(right_ax, 5.6, 0, 1.4, 1.4, plots.BLUE, "X₁A₁")
block(right_ax, 7.5, 0, 1.4, 1.4, plots.ORANGE, "X₂A₂")
right_ax.text(7.25, 0.7, "+", ha="center", va="center", fontsize=14, weight="bold")
right_ax.set_title("by rows: summands", fontsize=11)
for ax, equals in ((left_ax, 5.75), (right_ax, 5.1)):
    ax.text(2.4, 0.7, "·", ha="center", va="center", fontsize=20)
    ax.text(equals, 0.7, "=", ha="center", va="center", fontsize=14)
    ax.set(xlim=(-0.2, 9.2), ylim=(-0.6, 2.0))
    ax.axis("off")
plots.caption(fig, "One product cut for two workers (blue and orange; grey is held by both).",
              "Left: grey X times A, whose left half is blue and right half orange, gives a blue and an orange piece side by "
              "side. Right: X in two halves side by side times A in two halves one above the other gives a blue and an orange "
              "summand.")

# %% [markdown]
# ### Exercise: `column_parallel` (2 points, 10 minutes)
#
# Write `column_parallel(x, w, world_size)` for `x` (..., d_in) and `w` **(d_in, d_out)**. Cut the *columns* of `w` into
# `world_size` equal runs, worker 0 first, and return the list of what the workers compute, without any communication: one tensor
# (..., d_out / world_size) for each. Laid side by side they are `x @ w`. `world_size` divides d_out.
#
# <details><summary>Hint 1</summary>Each worker multiplies all of <code>x</code> by its own part of <code>w</code>.</details>
# <details><summary>Hint 2</summary>Columns are the last axis of <code>w</code>.</details>
# <details><summary>Hint 3</summary><code>[x @ part for part in w.chunk(world_size, dim=1)]</code></details>

# %% nbgrader={"grade": false, "grade_id": "column_parallel", "locked": false, "schema_version": 3, "solution": true, "task": false}
def column_parallel(x: Tensor, w: Tensor, world_size: int) -> list[Tensor]:
    """What each worker holds of x @ w when the columns of w are cut: pieces (..., d_out / world_size), in order.

    x: (..., d_in), w: (d_in, d_out); Shoeybi et al. 2019, §3.
    """
    ### BEGIN SOLUTION
    return [x @ part for part in w.chunk(world_size, dim=1)]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_column_parallel", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
row_vectors, table = torch.tensor([[1.0, 2.0], [0.0, 1.0], [3.0, 0.0]]), torch.tensor([[1.0, 2, 3, 4], [10, 20, 30, 40]])
product = torch.tensor([[21.0, 42, 63, 84], [10, 20, 30, 40], [3, 6, 9, 12]])  # by hand
got = column_parallel(row_vectors, table, 2)
check.that(isinstance(got, list | tuple), "wanted a list: what each worker holds")
check.close(list(got), [product[:, :2], product[:, 2:]], mistakes={
    "these are summands of x @ w: w was cut by rows": lambda: [row_vectors[:, i:i + 1] @ table[i:i + 1] for i in (0, 1)],
    "each worker has the whole product: it computes its own columns only": [product, product],
    "the columns were dealt out in turn: worker 0 has the first d_out / world_size": [product[:, ::2], product[:, 1::2]],
    "the columns of other workers are zeros: leave them out":
        [product * torch.tensor([1, 1, 0, 0]), product * torch.tensor([0, 0, 1, 1])],
    "the workers come in reverse order": [product[:, 2:], product[:, :2]],
})
### BEGIN HIDDEN TESTS
seeded = torch.Generator().manual_seed(0)
for leading, d_in, d_out, workers in (((), 3, 6, 3), ((2, 5), 4, 8, 4), ((7,), 6, 5, 1), ((1, 1), 2, 9, 9), ((4,), 6, 12, 2)):
    many, matrix = torch.randn(*leading, d_in, generator=seeded), torch.randn(d_in, d_out, generator=seeded)
    want = list(torch.einsum("...i,io->...o", many, matrix).tensor_split(workers, -1))
    check.close(list(column_parallel(many, matrix, workers)), want, atol=1e-4,
                hint=f"wrong for x of shape {tuple(many.shape)}, {d_out} columns and {workers} workers")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise: `row_parallel` (2 points, 10 minutes)
#
# Write `row_parallel(x, w, world_size)` for `x` (..., d_in) and `w` **(d_in, d_out)**. Cut the *rows* of `w` into `world_size`
# equal runs, and the last axis of `x` likewise. Return the list of what the workers compute before they communicate: one
# summand (..., d_out) for each, worker 0 first. Their sum is `x @ w`. `world_size` divides d_in.
#
# <details><summary>Hint 1</summary>A worker with rows 0 to 3 of <code>w</code> needs just the numbers 0 to 3 of each vector in
# <code>x</code>.</details>
# <details><summary>Hint 2</summary>Cut <code>x</code> along <code>dim=-1</code> and <code>w</code> along
# <code>dim=0</code>.</details>
# <details><summary>Hint 3</summary><code>[a @ b for a, b in zip(x.chunk(world_size, -1), w.chunk(world_size, 0))]</code></details>

# %% nbgrader={"grade": false, "grade_id": "row_parallel", "locked": false, "schema_version": 3, "solution": true, "task": false}
def row_parallel(x: Tensor, w: Tensor, world_size: int) -> list[Tensor]:
    """What each worker holds of x @ w when the rows of w are cut: summands (..., d_out), before the all-reduce.

    x: (..., d_in), of which worker i uses its own run of the last axis; w: (d_in, d_out).
    """
    ### BEGIN SOLUTION
    return [own_x @ own_w for own_x, own_w in zip(x.chunk(world_size, dim=-1), w.chunk(world_size))]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_row_parallel", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
wide, tall = torch.tensor([[1.0, 2, 3, 4], [0, 1, 0, 2]]), torch.tensor([[1.0, 0, 2], [0, 1, 0], [2, 0, 1], [0, 3, 0]])
summands = [torch.tensor([[1.0, 2, 2], [0, 1, 0]]), torch.tensor([[6.0, 12, 3], [0, 6, 0]])]  # by hand
got = row_parallel(wide, tall, 2)
check.that(isinstance(got, list | tuple), "wanted a list: what each worker holds before the all-reduce")
check.close(list(got), summands, mistakes={
    "each worker has the sum already: return the summands": [summands[0] + summands[1]] * 2,
    "the rows were dealt out in turn: worker 0 has the first d_in / world_size":
        lambda: [wide[:, i::2] @ tall[i::2] for i in (0, 1)],
    "the workers come in reverse order": summands[::-1],
    "the summands are averaged: their sum is to be x @ w": [s / 2 for s in summands],
})
### BEGIN HIDDEN TESTS
seeded = torch.Generator().manual_seed(1)
for leading, d_in, d_out, workers in (((), 6, 4, 3), ((2, 5), 8, 3, 4), ((7,), 5, 6, 1), ((1, 1), 9, 2, 9), ((4,), 12, 5, 2)):
    many, matrix = torch.randn(*leading, d_in, generator=seeded), torch.randn(d_in, d_out, generator=seeded)
    step = d_in // workers
    want = [torch.einsum("...i,io->...o", many[..., i:i + step], matrix[i:i + step]) for i in range(0, d_in, step)]
    check.close(list(row_parallel(many, matrix, workers)), want, atol=1e-4,
                hint=f"wrong for x of shape {tuple(many.shape)}, {d_in} rows and {workers} workers")
### END HIDDEN TESTS

# %% [markdown]
# Now the real model. The next cell replaces all thirty MLPs of SmolLM2 by your two functions and 3 workers, gate and up by columns,
# down by rows. The logits are compared. (In `transformers` matrices are (out, in), hence the transposes.)

# %% tags=["demo"]
from helpers import models

model, tokenizer = models.load(device="cpu")
seine = tokenizer("The capital of France is Paris. It lies on the river Seine.", return_tensors="pt").input_ids
with torch.no_grad():
    original = model(seine).logits
WORKERS = 3
counted = {"all-reduces": 0, "bytes": 0}


def parallel_mlp(mlp):
    """SwiGLU by WORKERS workers, with one all-reduce."""

    def forward(x: Tensor) -> Tensor:
        gates = column_parallel(x, mlp.gate_proj.weight.T, WORKERS)
        ups = column_parallel(x, mlp.up_proj.weight.T, WORKERS)
        hidden = [F.silu(gate) * up for gate, up in zip(gates, ups, strict=True)]  # a piece on each worker, never joined
        # Worker i multiplies its own piece: row_parallel cuts what is joined here for its sake into the same pieces.
        partial = row_parallel(torch.cat(hidden, -1), mlp.down_proj.weight.T, WORKERS)
        counted["all-reduces"] += 1
        counted["bytes"] += partial[0].numel() * partial[0].element_size()
        return WORKERS * all_reduce_mean(partial)[0]

    return forward


usual = [layer.mlp.forward for layer in model.model.layers]
try:
    for layer in model.model.layers:
        layer.mlp.forward = parallel_mlp(layer.mlp)
    with torch.no_grad():
        in_parts = model(seine).logits
finally:
    for layer, forward in zip(model.model.layers, usual, strict=True):
        layer.mlp.forward = forward
check.close(in_parts, original, atol=1e-3, rtol=1e-3, hint="the logits differ with your parallel MLPs inside")
print(f"largest difference of a logit: {(in_parts - original).abs().max():.1e}")
print(f"{counted['all-reduces']} all-reduces of {counted['bytes'] // 30 // 1024} KiB for {seine.shape[1]} tokens; "
      f"each worker holds {1 / WORKERS:.0%} of the MLPs' weights")

# %% [markdown]
# An all-reduce in every MLP and every attention, forward and backward, and nobody can go on before it is done: tensor
# parallelism wants the fastest connection there is, the one within a single machine.
#
# ## 5. Pipeline parallelism
#
# The other way to divide weights is by layers: worker 0 has the first quarter of the layers, worker 1 the second, and so
# on. Each is a **stage**. All that is sent is the activations at the borders, but if one batch goes through as a whole, three
# of four workers are idle at any time. GPipe (Huang et al. 2019) cuts the batch into **micro-batches** which follow each other
# like cars on an assembly line. When all are through, the gradients come back in the opposite order.
#
# Say a forward step of a micro-batch through a stage takes one **slot** of time and a backward step takes one too (in truth about
# two, which changes no share below if all stages do). Stage $s$ can do the forward step of micro-batch $i$ once stage
# $s - 1$ has done it, and its backward step once stage $s + 1$ has done *that*.
#
# **Predict first.** 4 stages, one batch in one piece: what share of the slots of all workers is idle? And with 4
# micro-batches?
#
# <details><summary>Answer</summary>
#
# In one piece 8 slots pass, and each worker works in 2 of them: 75 % are idle. With 4 micro-batches 14 slots pass, and each works
# in 8: 43 % are idle. With 32 it is 9 %.
# </details>
#
# ### Exercise: `pipeline_schedule` (3 points, 25 minutes)
#
# Write `pipeline_schedule(n_stages, n_microbatches)`: the schedule of GPipe as a table, a list of `n_stages` lists (row s is
# stage s) of $2\,(n_\text{micro} + n_\text{stages} - 1)$ strings (column t is time slot t). `"F3"` is the forward step of
# micro-batch 3, `"B3"` its backward step, `""` an idle slot. Micro-batches are numbered from 0 and go forward in this order, each
# step as early as it can be. All forward steps of all stages come before any backward step; the last micro-batch comes
# back **first** (the tests also take the order 0, 1, 2, ...), again each as early as it can. Both arguments are at least 1.
#
# For 2 stages and 2 micro-batches:
#
# ```
# stage 0   F0  F1  ""  ""  B1  B0
# stage 1   ""  F0  F1  B1  B0  ""
# ```
#
# <details><summary>Hint 1</summary>In which slot does stage s do the forward step of micro-batch i? Each stage and each
# micro-batch before it cost one slot.</details>
# <details><summary>Hint 2</summary>Look at the table backwards in time: it is the same picture with B in place of F.</details>
# <details><summary>Hint 3</summary>Start with a table of <code>""</code>. Stage s, micro-batch i: F in slot <code>s + i</code>,
# counted from the start, B in slot <code>s + i</code> counted from the end, that is at index
# <code>-1 - s - i</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "pipeline_schedule", "locked": false, "schema_version": 3, "solution": true, "task": false}
def pipeline_schedule(n_stages: int, n_microbatches: int) -> list[list[str]]:
    """GPipe's schedule: row = stage, column = time slot, entries "F0", "B0", ... and "" where a stage is idle.

    2 * (n_microbatches + n_stages - 1) slots: all forward steps, then all backward steps; Huang et al. 2019, §2.3.
    """
    ### BEGIN SOLUTION
    table = [[""] * (2 * (n_microbatches + n_stages - 1)) for _ in range(n_stages)]
    for stage in range(n_stages):
        for micro in range(n_microbatches):
            table[stage][stage + micro] = f"F{micro}"
            table[stage][-1 - stage - micro] = f"B{micro}"
    return table
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_pipeline_schedule", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
def follow(schedule, p, m):
    """Go through a schedule slot by slot and say what is wrong with it."""
    case = f"{p} stages, {m} micro-batches"
    good_rows = isinstance(schedule, list | tuple) and all(isinstance(row, list | tuple) for row in schedule)
    check.that(good_rows, "wanted a list of lists: one row for each stage" + f" ({case})")
    check.that(len(schedule) == p, "wanted one row for each stage" + f" ({case}: {len(schedule)} rows)")
    check.that(all(isinstance(entry, str) for row in schedule for entry in row),
               "wanted strings, \"\" for an idle slot" + f" ({case})")
    length = 2 * (m + p - 1)
    check.that({len(row) for row in schedule} == {length},
               "a row has too many or too few slots: is a step later or earlier than it can be?"
               + f" ({case}: wanted {length} slots in each row, got {sorted({len(row) for row in schedule})})")
    names = sorted([f"{kind}{i}" for kind in "FB" for i in range(m)])
    done = {}
    for stage, row in enumerate(schedule):
        check.that(sorted(entry for entry in row if entry) == names,
                   "a stage must do each forward and each backward step once"
                   + f" ({case}; stage {stage}: F0 to F{m - 1} and B0 to B{m - 1})")
        for slot, entry in enumerate(row):
            done[stage, entry] = slot
    for stage in range(p):
        for i in range(m):
            check.that(done[stage, f"F{i}"] == stage + i,
                       "a forward step is too late or too early: each stage and each micro-batch before it cost one slot"
                       + f" ({case}: F{i} of stage {stage} is in slot {done[stage, f'F{i}']})")
            check.that(done[stage, f"B{i}"] >= m + p - 1,
                       "a backward step comes before all forward steps are done: that is not GPipe's schedule"
                       + f" ({case}: B{i} of stage {stage})")
            if stage < p - 1:
                check.that(done[stage, f"B{i}"] == done[stage + 1, f"B{i}"] + 1,
                           "a backward step must come right after that of the next stage: gradients flow from the last stage "
                           "to the first" + f" ({case}: B{i} of stage {stage})")
    back = [done[p - 1, f"B{i}"] - (m + p - 1) for i in range(m)]
    check.that(back in (list(range(m)), list(range(m))[::-1]),
               "the micro-batches must come back in order, the last one first" + f" ({case})")


two_by_two = pipeline_schedule(2, 2)
follow(two_by_two, 2, 2)
follow(pipeline_schedule(3, 4), 3, 4)
### BEGIN HIDDEN TESTS
for p, m in ((1, 1), (1, 5), (5, 1), (4, 4), (3, 12), (6, 2)):
    follow(pipeline_schedule(p, m), p, m)
### END HIDDEN TESTS

# %% [markdown]
# The idle slots before and after are called the **bubble**. Move the sliders: what makes it smaller?

# %% tags=["demo"]
def show_schedule(stages: int, micro: int) -> None:
    schedule = pipeline_schedule(stages, micro)
    fig, ax = plots.figure(size=(9.6, 0.5 + 0.55 * stages))
    for stage, row in enumerate(schedule):
        for slot, entry in enumerate(row):
            if entry:
                colour = plots.BLUE if entry[0] == "F" else plots.ORANGE
                ax.add_patch(_patch((slot, stages - 1 - stage), 0.94, 0.88, facecolor=colour, edgecolor="none"))
                if len(row) <= 44:
                    ax.text(slot + 0.47, stages - 0.56 - stage, entry, ha="center", va="center", color="white", fontsize=9)
    ax.set(xlim=(0, len(schedule[0])), ylim=(0, stages), xlabel="time slot")
    ax.set_yticks([stages - 0.56 - s for s in range(stages)], [f"stage {s}" for s in range(stages)])
    ax.grid(False)
    busy = sum(bool(entry) for row in schedule for entry in row) / (stages * len(schedule[0]))
    plots.caption(fig, f"GPipe with {stages} stages and {micro} micro-batches: {1 - busy:.0%} of the slots are idle.",
                  "A table of time slots. Blue forward steps run down to the right as a parallelogram, orange backward steps "
                  "come up again to the right as its mirror image; the corners are empty.")


play(show_schedule, stages=whole(4, 1, 8, "stages"), micro=whole(6, 1, 32, "micro"))

# %% [markdown]
# ### Exercise: `bubble_fraction` (1 point, 5 minutes)
#
# Write `bubble_fraction(n_stages, n_microbatches)`: the share of all slots in the table that are idle, a float between 0 and 1. Find
# the formula; do not build the table.
#
# <details><summary>Hint 1</summary>How many slots of one row are busy, and how many are there?</details>
# <details><summary>Hint 2</summary>With m micro-batches and p stages, 2m of 2(m + p − 1) slots are busy.</details>
# <details><summary>Hint 3</summary>(p − 1) / (m + p − 1)</details>

# %% nbgrader={"grade": false, "grade_id": "bubble_fraction", "locked": false, "schema_version": 3, "solution": true, "task": false}
def bubble_fraction(n_stages: int, n_microbatches: int) -> float:
    """The idle share of the slots in GPipe's schedule; Huang et al. 2019, §2.3."""
    ### BEGIN SOLUTION
    return (n_stages - 1) / (n_microbatches + n_stages - 1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_bubble_fraction", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
check.close(plain_number(bubble_fraction(4, 4)), 3 / 7, mistakes={  # 3 of 7 forward slots of each row
    "that is the busy share: the idle one is wanted": 4 / 7,
    "idle slots over busy slots: divide by all slots": 3 / 4,
    "with p stages a stage waits for p - 1 others, not for p": 4 / 8,
    "all slots are m + p - 1 in each direction": 3 / 8,
})
check.close(plain_number(bubble_fraction(4, 1)), 0.75, hint="one batch in one piece: three of four stages wait", mistakes={
    "stages and micro-batches are exchanged": 0.0})
### BEGIN HIDDEN TESTS
for p, m in ((1, 1), (1, 7), (2, 3), (8, 32), (5, 1), (3, 100)):
    idle = 0
    for s in range(p):  # by counting slots: stage s works forward in the slots s to s + m - 1
        idle += sum(not s <= slot < s + m for slot in range(m + p - 1))
    check.close(plain_number(bubble_fraction(p, m)), idle / (p * (m + p - 1)),
                hint="wrong for other numbers of stages and micro-batches")
### END HIDDEN TESTS

# %% tags=["demo"]
fig, ax = plots.figure(size=(7.2, 2.8))
micro_batches = list(range(1, 65))
for stages, colour in ((2, plots.GREEN), (4, plots.BLUE), (8, plots.ORANGE), (16, plots.PURPLE)):
    ax.plot(micro_batches, [bubble_fraction(stages, m) for m in micro_batches], color=colour, label=f"{stages} stages")
ax.set(xlabel="micro-batches", ylabel="idle share", ylim=(0, 1))
ax.legend()
plots.caption(fig, "The bubble shrinks with the number of micro-batches.",
              "Four falling curves. With 16 stages and 16 micro-batches almost half is idle, with 64 still a fifth.")

# %% [markdown]
# Many micro-batches cost memory: under this schedule the activations of all of them must be kept until their backward step. The
# schedule called **1F1B** (Narayanan et al. 2021, §2.2) has the same bubble, but goes back with each micro-batch as soon as it can, so that
# stage $s$ keeps those of at most $p - s$.
#
# ## 6. Sequence parallelism
#
# A text of a million tokens has activations that fit on no worker, however small the batch. So the *text* is cut: each worker
# has a run of its tokens. Norms and MLPs work on each token alone and do not notice. Attention does: a query must look at
# keys that other workers hold. (Korthikanti et al. 2022 give the name *sequence parallelism* to cutting the norms' work alone,
# between tensor-parallel parts. What follows is also called context parallelism or *ring attention*; Liu et al. 2023.)
#
# Sending all scores around would be worse than the problem. But a softmax can be put together from parts. For one query and one
# part of the keys, three things suffice: the largest score, the sum of exponentials relative to it, and the equally weighted sum
# of values,
#
# $$ m = \max_j s_j, \qquad l = \sum_j e^{s_j - m}, \qquad o = \sum_j e^{s_j - m} \, v_j . $$
#
# For the whole, take the largest $m$ of all parts, bring each $l$ and $o$ to it with the factor $e^{m_\text{part} - m}$, add, and
# divide: the result is $o / l$ (Milakov and Gimelshein 2018). FlashAttention (Dao et al. 2022) does the same on one GPU, block by
# block, so that the $T \times T$ table of scores is never in memory at all.
#
# **Predict first.** Two parts of the keys have the largest scores 2 and 5. By which factors are their sums $l$ multiplied
# before they are added?
#
# <details><summary>Answer</summary>
#
# The largest of all is 5. The first sum is relative to 2 and gets e⁻³ = 0.05, the second stays as it is. Factors are never
# above 1, so nothing can overflow.
# </details>

# %% tags=["demo"]
fig, ax = plots.figure(size=(8.4, 2.9))
for worker, colour in enumerate((plots.BLUE, plots.ORANGE, plots.GREEN, plots.PURPLE)):
    block(ax, 2.2 * worker, 1.6, 1.9, 0.7, colour, f"tokens {4 * worker}–{4 * worker + 3}")
    ax.text(2.2 * worker + 0.95, 2.5, f"worker {worker}", ha="center", fontsize=9)
    block(ax, 2.2 * worker, 0.4, 1.9, 0.7, colour, "k, v →")
    for own in range(worker + 1):
        ax.annotate("", (2.2 * worker + 0.4 + 0.35 * own, 1.58), (2.2 * own + 0.95, 1.12),
                    arrowprops={"arrowstyle": "->", "color": plots.GREY, "lw": 1.2})
ax.annotate("", (0.95, 0.38), (7.55, 0.38), arrowprops={"arrowstyle": "->", "color": plots.INK, "lw": 1.5,
                                                        "connectionstyle": "arc3,rad=-0.12"})
ax.set(xlim=(-0.2, 9), ylim=(-0.5, 2.8))
ax.axis("off")
plots.caption(fig, "Sixteen tokens on four workers. Keys and values go round the ring; each worker's queries use those of its own "
              "and earlier tokens.",
              "Four boxes of tokens in a row with boxes of keys and values below. Arrows lead from each box of keys up to the "
              "workers of the same and of later tokens; a long arrow closes the ring from the last worker to the first.")

# %% [markdown]
# ### Exercise: `online_softmax_merge` (4 points, 25 minutes)
#
# Write `online_softmax_merge(parts)`: `parts` is a list of at least one tuple `(m, l, o)` as above, one for each part of the keys,
# with `m` and `l` of shape (..., T) and `o` (..., T, d): the same queries, other keys. Return the attention output over all keys
# together, (..., T, d), in the dtype of `o`.
#
# A part in which a query sees no key at all (the causal mask hides a later worker's keys) has `m = -inf`, `l = 0` and
# `o = 0` there. In at least one part, not necessarily the first, each query sees a key. Scores may be of any size. Leave the parts
# as they were.
#
# <details><summary>Hint 1</summary>First the largest <code>m</code> of all parts, for each query. Then each part's factor. Only then
# sums.</details>
# <details><summary>Hint 2</summary>If you merge two parts at a time, look at the case in which both have
# <code>m = -inf</code>: minus infinity minus minus infinity is not a number. All at once, the largest is finite.</details>
# <details><summary>Hint 3</summary><code>top = torch.stack([m for m, _, _ in parts]).amax(0)</code>; factors <code>(m -
# top).exp()</code>; <code>l</code> has one axis less than <code>o</code>, so the factor of <code>o</code> is
# <code>factor[..., None]</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "online_softmax_merge", "locked": false, "schema_version": 3, "solution": true, "task": false}
def online_softmax_merge(parts: list[tuple[Tensor, Tensor, Tensor]]) -> Tensor:
    """Attention over all keys from its parts, each over some of them; Milakov and Gimelshein 2018.

    parts: (m, l, o) each: largest score (..., T), sum of exp(score - m) (..., T), sum of exp(score - m) * value
    (..., T, d). Returns (..., T, d).
    """
    ### BEGIN SOLUTION
    m, total, o = (torch.stack(tensors) for tensors in zip(*parts))  # a first axis for the parts
    factor = (m - m.amax(0)).exp()
    return (factor[..., None] * o).sum(0) / (factor * total).sum(0)[..., None]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_online_softmax_merge", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
def part_of(scores, values):
    """(m, l, o) of scores (..., T, K) and values (..., K, d), -inf where a query sees nothing."""
    m = scores.amax(-1)
    weights = (scores - m[..., None]).exp().nan_to_num(0.0)
    return m, weights.sum(-1), weights @ values


def merged_wrong(parts, factor=lambda m, top: (m - top).exp(), of_l=True, divide=True):
    top = torch.stack([m for m, _, _ in parts]).amax(0)
    above = sum(factor(m, top)[..., None] * o for m, _, o in parts)
    below = sum((factor(m, top) if of_l else 1.0) * total for m, total, _ in parts)
    return above / below[..., None] if divide else above


# One query. Scores log 1, log 2 in the first part, log 6, log 1 in the second: shares of 1, 2, 6 and 1 tenths.
one_scores, one_values = torch.tensor([[1.0, 2.0, 6.0, 1.0]]).log(), torch.tensor([[10.0, 0], [0, 10], [20, 0], [0, 40]])
pair = [part_of(one_scores[:, :2], one_values[:2]), part_of(one_scores[:, 2:], one_values[2:])]
left_over = check.beside(lambda f, given: (f(given), given)[1], online_softmax_merge, pair)
check.equal([list(part) for part in left_over], [list(part) for part in pair], hint="the parts were changed in place")
check.close(online_softmax_merge(pair), torch.tensor([[13.0, 6.0]]), mistakes={
    "the parts were added as if their largest scores were equal": lambda: merged_wrong(pair, lambda m, top: torch.ones_like(m)),
    "the mean of the parts' outputs: a part with larger scores must count more":
        lambda: sum(o / total[..., None] for _, total, o in pair) / 2,
    "only o was brought to the common maximum: l needs the same factor": lambda: merged_wrong(pair, of_l=False),
    "o / l is wanted: you did not divide": lambda: merged_wrong(pair, divide=False),
    "the factor is exp(m - largest m), not its inverse": lambda: merged_wrong(pair, lambda m, top: (top - m).exp()),
    "the factors are relative to the smallest m, of one part": lambda: merged_wrong(pair, lambda m, top: m),
})
### BEGIN HIDDEN TESTS
seeded = torch.Generator().manual_seed(0)
for leading, T, K, cuts in (((), 3, 8, (3, 1, 4)), ((2, 3), 4, 9, (2, 2, 2, 3)), ((1,), 1, 5, (5,)), ((2,), 5, 6, (1,) * 6)):
    q, k = (torch.randn(*leading, n, 4, generator=seeded) for n in (T, K))
    v = torch.randn(*leading, K, 7, generator=seeded)
    want = F.scaled_dot_product_attention(q, k, v)
    scores = q @ k.mT / 2
    pieces = [part_of(s, x) for s, x in zip(scores.split(cuts, -1), v.split(cuts, -2), strict=True)]
    check.close(online_softmax_merge(pieces), want, atol=1e-4, hint=f"wrong for {len(cuts)} parts and queries {(*leading, T)}")
    check.close(online_softmax_merge(pieces[::-1]), want, atol=1e-4, hint="the order of the parts must not matter")
q, k, v = (torch.randn(2, 6, 4, generator=seeded) for _ in range(3))
causal = torch.ones(6, 6).tril().bool()
hidden_scores = (q @ k.mT / 2).masked_fill(~causal, -math.inf)
pieces = [part_of(s, x) for s, x in zip(hidden_scores.split(2, -1), v.split(2, -2), strict=True)]
want = F.scaled_dot_product_attention(q, k, v, causal)
for order in ((0, 1, 2), (2, 1, 0)):
    check.close(online_softmax_merge([pieces[i] for i in order]), want, atol=1e-4,
                hint="wrong where a query sees nothing of a part: take the largest m of all parts, and mind that -inf minus -inf "
                     "is not a number")
each_its_own = torch.tensor([0.0, 500, -500, 90, -250, 20])[:, None]  # one for each query
for offset, why in ((300.0, "large scores overflow: use exponentials of differences from the largest m only"),
                    (-300.0, "small scores vanish: use exponentials of differences from the largest m only"),
                    (each_its_own, "the largest m is taken for each query by itself, not over all queries"),
                    (-2.0**15, "scores may be of any size: only -inf means that a query sees nothing")):
    moved = hidden_scores + offset
    want = (moved.double().softmax(-1) @ v.double()).float()
    pieces = [part_of(s, x) for s, x in zip(moved.split(2, -1), v.split(2, -2), strict=True)]
    check.close(online_softmax_merge(pieces), want, atol=1e-3, hint=why)
### END HIDDEN TESTS

# %% [markdown]
# In the real model: all thirty layers, with the keys of each head in the hands of four workers. `transformers` takes an attention
# function of one's own, as in unit 05.

# %% tags=["demo"]
from transformers import AttentionInterface


def on_four_workers(module, query, key, value, attention_mask, **options):
    sharing = query.shape[1] // key.shape[1]
    key, value = (t.repeat_interleave(sharing, 1) for t in (key, value))
    T = query.shape[2]
    visible = torch.ones(T, T, dtype=torch.bool, device=query.device).tril()
    found = []
    for tokens in torch.arange(T, device=query.device).tensor_split(4):
        scores = (query @ key[:, :, tokens].mT * module.scaling).masked_fill(~visible[:, tokens], -math.inf)
        m = scores.amax(-1)
        shares = (scores - m[..., None]).exp().nan_to_num(0.0)  # rows of -inf give NaN: they see nothing here
        found.append((m, shares.sum(-1), shares @ value[:, :, tokens]))
    return online_softmax_merge(found).transpose(1, 2).contiguous(), None


AttentionInterface.register("four_workers", on_four_workers)
usual_attention = model.config._attn_implementation
model.set_attn_implementation("four_workers")
try:
    with torch.no_grad():
        merged = model(seine).logits
finally:
    model.set_attn_implementation(usual_attention)
check.close(merged, original, atol=1e-3, rtol=1e-3, hint="the logits differ with your merge inside")
print(f"{seine.shape[1]} tokens on four workers: largest difference of a logit {(merged - original).abs().max():.1e}")

# %% [markdown]
# ## 7. What it costs
#
# ### Operations
#
# In a forward pass each weight of a matrix is used once for each token, in one multiplication and one addition: 2 operations. The
# backward pass needs two products of the same size, one for the gradient of the weights and one for that of the input: 4 more.
# For $N$ parameters and $D$ tokens,
#
# $$ C \approx 6 N D \qquad \text{(Kaplan et al. 2020, §2.1)} $$
#
# floating-point operations (FLOPs). Attention scores are left out; they are few unless the text is long beside the width.
#
# **Predict first.** SmolLM2-135M was trained on 2 trillion tokens (Allal et al. 2025). A laptop does about $10^{11}$
# operations a second. How long would it take: a month, ten years, or five hundred?
#
# <details><summary>Answer</summary>
#
# 6 · 1.35 · 10⁸ · 2 · 10¹² = 1.6 · 10²¹ operations, 1.6 · 10¹⁰ seconds: five hundred years. A GPU that does 4 · 10¹⁴ would need 47
# days, a hundred of them half a day.
# </details>
#
# ### Exercise: `training_flops` (1 point, 3 minutes)
#
# Write `training_flops(n_params, n_tokens)`: the operations of training, forward and backward, by the formula above. A number
# (whole or float).
#
# <details><summary>Hint 1</summary>2 forward and 4 backward, per parameter and token.</details>
# <details><summary>Hint 2</summary>Python's whole numbers do not overflow.</details>
# <details><summary>Hint 3</summary><code>6 * n_params * n_tokens</code></details>

# %% nbgrader={"grade": false, "grade_id": "training_flops", "locked": false, "schema_version": 3, "solution": true, "task": false}
def training_flops(n_params: float, n_tokens: float) -> float:
    """Floating-point operations of training n_params parameters on n_tokens tokens; Kaplan et al. 2020, §2.1."""
    ### BEGIN SOLUTION
    return 6 * n_params * n_tokens
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_training_flops", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
check.close(plain_number(training_flops(1000, 50)), 300_000.0, mistakes={
    "that is the forward pass alone: the backward pass takes twice as much again": 100_000.0,
    "that is the backward pass alone: add the forward pass": 200_000.0,
    "a multiplication and an addition are two operations": 150_000.0,
})
### BEGIN HIDDEN TESTS
check.close(plain_number(training_flops(70e9, 1.4e12)), 5.88e23, hint="wrong for Chinchilla: 70 billion parameters, 1.4 trillion tokens")
check.close(plain_number(training_flops(1, 7)), 42.0, hint="wrong for one parameter")
check.close(plain_number(training_flops(134_515_008, 2 * 10**12)), 1.614180096e21, hint="wrong for SmolLM2-135M")
### END HIDDEN TESTS

# %% [markdown]
# ### Memory for activations
#
# The backward pass needs what the forward pass computed. For one GPT layer in 16 bit, Korthikanti et al. (2022, §4.1) went through all
# that must be kept, the inputs of products, norms and activations and the dropout masks, and counted, in bytes,
#
# $$ s \, b \, h \left( 34 + 5 \, \frac{a s}{h} \right) $$
#
# for a text of $s$ tokens, a batch of $b$, width $h$ and $a$ heads. The second term, $5 a s^2 b$, is the table of attention shares:
# its softmax, its dropout mask and what dropout leaves, 2 + 1 + 2 bytes. On $t$ tensor-parallel workers most of it is
# divided, but not the norms and dropouts between the parts; with their kind of *sequence parallelism* these are divided too
# (their table 2), per worker:
#
# | | bytes per layer |
# |---|---|
# | tensor parallel | $s b h \, (10 + 24/t + 5 a s / (h t))$ |
# | tensor and sequence parallel | $s b h \, (34/t + 5 a s / (h t))$ |
#
# ### Exercise: `activation_bytes` (2 points, 10 minutes)
#
# Write `activation_bytes(seq_len, batch_size, hidden_size, n_heads, n_layers, tensor_parallel, sequence_parallel)`: the bytes that
# **one** worker keeps for all `n_layers` layers, by these formulas (what is outside the layers is left out). `tensor_parallel` is
# $t$, 1 by default; `sequence_parallel` is a bool, `False` by default. A number (whole or float).
#
# <details><summary>Hint 1</summary>With t = 1 all three formulas are the same.</details>
# <details><summary>Hint 2</summary>Only one of the terms changes with <code>sequence_parallel</code>: 10 + 24/t or 34/t.</details>
# <details><summary>Hint 3</summary><code>per_token = (34 / t if sequence_parallel else 10 + 24 / t) + 5 * n_heads * seq_len /
# (hidden_size * t)</code>, times <code>seq_len * batch_size * hidden_size * n_layers</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "activation_bytes", "locked": false, "schema_version": 3, "solution": true, "task": false}
def activation_bytes(seq_len: int, batch_size: int, hidden_size: int, n_heads: int, n_layers: int,
                     tensor_parallel: int = 1, sequence_parallel: bool = False) -> float:
    """Bytes of activations that one worker keeps for the backward pass, in 16 bit; Korthikanti et al. 2022, table 2."""
    ### BEGIN SOLUTION
    t = tensor_parallel
    dense = 34 / t if sequence_parallel else 10 + 24 / t
    shares = 5 * n_heads * seq_len / (hidden_size * t)
    return seq_len * batch_size * hidden_size * n_layers * (dense + shares)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_activation_bytes", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# s = 4, b = 3, h = 10, a = 2: s b h = 120 numbers, 34 bytes for each, and 5 * 2 * 16 * 3 = 480 bytes of shares.
check.close(plain_number(activation_bytes(4, 3, 10, 2, 1)), 120 * 34 + 480.0, mistakes={
    "the attention shares are missing: 5 a s / h": 120 * 34.0,
    "the shares grow with the square of the length: 5 a s / h is multiplied by s b h": 120 * 34 + 8.0 * 3,
    "the heads are missing in the second term": 120 * 34 + 240.0,
    "that is for a batch of one": 40 * 34 + 160.0,
    "these are numbers of 2 bytes: the formula counts bytes already": 2 * (120 * 34 + 480.0),
})
check.close(plain_number(activation_bytes(4, 3, 10, 2, 7)), 7 * (120 * 34 + 480.0), mistakes={
    "that is for one layer: all are wanted": 120 * 34 + 480.0})
check.close(plain_number(activation_bytes(4, 3, 10, 2, 1, tensor_parallel=2)), 120 * 22 + 240.0, mistakes={
    "10 of the 34 bytes are kept by every worker: they are not divided. (Is sequence_parallel False by default?)": 120 * 17 + 240.0,
    "the shares are divided among the workers too: each has some of the heads": 120 * 22 + 480.0,
    "tensor_parallel has no effect": 120 * 34 + 480.0,
})
### BEGIN HIDDEN TESTS
check.close(plain_number(activation_bytes(4, 3, 10, 2, 1, 2, True)), 120 * 17 + 240.0, mistakes={
    "sequence_parallel has no effect: the 10 bytes are divided too": 120 * 22 + 240.0})
check.close(plain_number(activation_bytes(4, 3, 10, 2, 1, 1, True)), 120 * 34 + 480.0, hint="with one worker nothing is divided")
for s, b, h, a, L, t in ((2048, 1, 12288, 96, 96, 8), (2048, 4, 6144, 64, 48, 8), (1, 1, 2, 1, 3, 1), (7, 2, 6, 3, 2, 3)):
    for sp, kept in ((False, 10 * s * b * h + 24 * s * b * h / t), (True, 34 * s * b * h / t)):
        check.close(plain_number(activation_bytes(s, b, h, a, L, t, sp)), L * (kept + 5 * a * s * s * b / t),
                    hint="wrong for other sizes, with and without sequence_parallel: follow the table term by term")
named = activation_bytes(seq_len=4, batch_size=3, hidden_size=10, n_heads=2, n_layers=1, sequence_parallel=True, tensor_parallel=4)
check.close(plain_number(named), 120 * 8.5 + 120.0, hint="wrong with named arguments")
### END HIDDEN TESTS

# %% tags=["demo"]
fig, axes = plots.figure(1, 2, size=(9.6, 3.0))
lengths = [2**n for n in range(9, 16)]
for heads, label, colour in ((96, "all", plots.BLUE), (0, "without attention shares", plots.GREEN)):
    axes[0].plot(lengths, [activation_bytes(s, 1, 12288, heads, 96) / 2**30 for s in lengths], "o-", color=colour, label=label)
axes[0].set(xscale="log", yscale="log", xlabel="tokens in the text", ylabel="GiB, one text", title="the shares take over")
axes[0].set_xticks(lengths, [f"{s // 1024}k" if s >= 1024 else str(s) for s in lengths])
axes[0].minorticks_off()
axes[0].legend()
ways = {"1 worker": (1, False), "8, tensor": (8, False), "8, tensor + sequence": (8, True)}
axes[1].barh(range(3), [activation_bytes(2048, 1, 12288, 96, 96, *way) / 2**30 for way in ways.values()], color=plots.BLUE)
axes[1].set_yticks(range(3), list(ways))
axes[1].invert_yaxis()
axes[1].set(xlabel="GiB per worker, 2,048 tokens", title="divided")
plots.caption(fig, "Activations of GPT-3's shape (96 layers, width 12,288, 96 heads; Brown et al. 2020, table 2.1), by your function.",
              "Left, logarithmic: the total rises ever more steeply above the line without attention shares, which is straight. "
              "Right: one worker keeps about 256 GiB for one text, each of eight tensor-parallel ones 52, with sequence "
              "parallelism 32.")
for way, (t, sp) in ways.items():
    print(f"{way:<22}{activation_bytes(2048, 1, 12288, 96, 96, t, sp) / 2**30:>7.1f} GiB for one text of 2,048 tokens")

# %% [markdown]
# Two ways out, on top of cutting. *Recompute*: keep only each layer's input and do its forward pass again when the backward pass
# comes by, for a third more work. And never store the shares: that is what FlashAttention does with your merge of section 6, and with
# it the formula's second term is gone.
#
# ### How well is the machine used?
#
# **Model FLOPs utilization** (Chowdhery et al. 2022, §4.1) is the work that training *had* to do, divided by what the machine could have
# done in that time. Work that was repeated (recomputing) does not count in its favour.
#
# ### Exercise: `mfu` (1 point, 5 minutes)
#
# Write `mfu(n_params, n_tokens, seconds, peak_flops)`: `n_tokens` were trained on in `seconds` by machines that could do
# `peak_flops` operations a *second* together. A float. Use 6 operations per parameter and token.
#
# <details><summary>Hint 1</summary>What was done, over what could have been done.</details>
# <details><summary>Hint 2</summary><code>training_flops</code> gives the first.</details>
# <details><summary>Hint 3</summary><code>training_flops(n_params, n_tokens) / (seconds * peak_flops)</code></details>

# %% nbgrader={"grade": false, "grade_id": "mfu", "locked": false, "schema_version": 3, "solution": true, "task": false}
def mfu(n_params: float, n_tokens: float, seconds: float, peak_flops: float) -> float:
    """Model FLOPs utilization: 6 N D over what peak_flops operations a second allow; Chowdhery et al. 2022, §4.1."""
    ### BEGIN SOLUTION
    return training_flops(n_params, n_tokens) / (seconds * peak_flops)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_mfu", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
check.close(plain_number(mfu(1000, 50, 4, 250_000)), 0.3, mistakes={
    "that is for the forward pass: training takes 6 operations, not 2": 0.1,
    "multiply the peak by the seconds: it is per second": 300_000 / 250_000.0,
    "n_tokens are all tokens, not tokens per second": 4.8,
    "a share is wanted, not a percentage": 30.0,
    "the other way round: what was done over what could have been done": 1 / 0.3,
})
### BEGIN HIDDEN TESTS
check.close(plain_number(mfu(7e9, 4e6, 10.0, 8 * 1e15)), 6 * 7e9 * 4e6 / 8e16, hint="wrong for 7 billion parameters on 8 machines")
check.close(plain_number(mfu(10, 3, 60, 6)), 0.5, hint="wrong for small numbers")
check.close(plain_number(mfu(1234, 77, 0.37, 3.3e6)), 6 * 1234 * 77 / (0.37 * 3.3e6),
            hint="wrong for 0.37 seconds: neither the seconds nor the share are rounded")
### END HIDDEN TESTS

# %% [markdown]
# Measured here: how many operations a second does this machine do in a large matrix product, and how much of it does a training step of
# the real model get?

# %% tags=["demo"]
square = torch.randn(1024, 1024)
square @ square  # once to warm up
began = time.perf_counter()
for _ in range(5):
    square @ square
peak = 5 * 2 * 1024**3 / (time.perf_counter() - began)
print(f"products of 1024 x 1024 matrices: {peak / 1e9:,.0f} billion operations a second")
model_params = sum(p.numel() for p in model.parameters())
print(f"a product of 1024 x 1024 matrices: {peak / 1e9:,.0f} billion operations a second")
found_mfu, batch_lengths = [], (8, 32, 96)
for n_tokens in (8, *batch_lengths):  # the first only warms up
    ids = torch.arange(n_tokens)[None] + 5100
    began = time.perf_counter()
    model(ids, labels=ids).loss.backward()
    spent = time.perf_counter() - began
    model.zero_grad(set_to_none=True)
    found_mfu.append(mfu(model_params, n_tokens, spent, peak))
    print(f"{n_tokens:>4} tokens: forward and backward in {spent:.2f} s, MFU {found_mfu[-1]:.0%}")
del found_mfu[0]
fig, ax = plots.figure(size=(6.4, 2.4))
ax.bar([str(n) for n in batch_lengths], found_mfu, color=plots.BLUE, width=0.5)
ax.set(xlabel="tokens in the batch", ylabel="MFU", ylim=(0, 1))
plots.caption(fig, "How much of this machine's matrix arithmetic a training step of SmolLM2 uses.",
              f"Three bars that grow with the batch: {', '.join(f'{share:.0%}' for share in found_mfu)}.")

# %% [markdown]
# Small batches leave the arithmetic waiting: each step reads all weights from memory, however few tokens use them. On large clusters
# communication and pipeline bubbles take their share as well; PaLM reached 46 % on 6,144 chips (Chowdhery et al. 2022, §4.1).
#
# ### Written answer (3 points): sixty-four GPUs
#
# You are to train a model of 70 billion parameters. You have 8 machines with 8 GPUs of 80 GB each. Within a machine the GPUs are
# connected ten times as fast as the machines are. In six to ten sentences: why does data parallelism as in section 3 fail? Propose a
# combination of at least two kinds of parallelism, say which runs within and which between machines, and why. What limits each of
# them if you make it larger and larger?

# %% [markdown] nbgrader={"grade": true, "grade_id": "written_parallelism", "locked": false, "points": 3, "schema_version": 3, "solution": true, "task": false}
# ### BEGIN SOLUTION
# Plain data parallelism wants a complete copy of weights, gradients and optimizer state on each GPU: 70 billion times 16 bytes is
# 1,120 GB, and a GPU has 80. So the state must be divided.
#
# One good combination: tensor parallelism over the 8 GPUs of a machine, pipeline parallelism over 4 machines, data
# parallelism over the 2 groups of 4. Weights and optimizer then take 1,120 / 32 = 35 GB on each GPU, and there is room for
# activations. Tensor parallelism adds up partial results several times in every layer, forward and backward, and everybody waits for
# it; therefore it belongs on the fast connection within a machine. A pipeline sends activations only at the borders
# between stages, and data parallelism communicates once a step and can do so during the backward pass; both bear the slow connection.
# (FSDP over all 64 GPUs, which divides the whole state by 64 and collects each layer's weights when they are needed, is a good
# answer too, if it says that this traffic must be hidden behind computation.)
#
# Limits: tensor parallelism is limited by the size of a machine and by the number of heads, and its matrices become too small
# to keep a GPU busy. A deeper pipeline has a larger bubble, (p - 1) / (m + p - 1), unless there are more micro-batches. Data
# parallelism makes the batch larger; beyond some size a larger batch does not make training take fewer steps.
#
# *For the grader, one mark each: the state (16 bytes a parameter) does not fit; the most talkative kind is within the machine,
# with a reason; at least two limits, each of the right kind.*
# ### END SOLUTION

# %% [markdown]
# ## 8. The law
#
# Loss falls with scale in so regular a way that it can be predicted (Hestness et al. 2017; Kaplan et al. 2020). Hoffmann et
# al. (2022, eq. 2) wrote it as three terms:
#
# $$ L(N, D) = E + \frac{A}{N^{\alpha}} + \frac{B}{D^{\beta}} $$
#
# $E$ is what no model can get below, the entropy of text itself; the second term is the price of a model of finite size, the third that
# of finite data. Five numbers. They trained over 400 models to find them.
#
# **Predict first.** Suppose $\alpha = \beta$. You get a hundred times the compute. By how much should the model grow: 100 times, 10
# times, or not at all, with all of it spent on data?
#
# <details><summary>Answer</summary>
#
# 10 times, and the data 10 times: with equal exponents both terms fall alike, and 6ND has to be 100 times as large. Before
# 2022 it was thought that the model should take most of it (100^0.73 = 29 times; Kaplan et al. 2020, §6.1), and models were made too large for their data.
# </details>
#
# Play with it. For a fixed budget $C$, a larger model sees fewer tokens, $D = C / 6N$: too small a model cannot learn more, too
# large a one has not read enough. The curve between is an **isoFLOP** curve. The numbers are those of a careful second fit of the
# paper's data (Besiroglu et al. 2024): $E = 1.82$, $A = 482$, $B = 2085$, $\alpha = 0.348$, $\beta = 0.366$.

# %%
CHINCHILLA = (1.8172, 482.01, 2085.43, 0.3478, 0.3658)  # E, A, B, alpha, beta; Besiroglu et al. 2024


def loss_by_law(law, n, d):
    """E + A / n^alpha + B / d^beta."""
    E, A, B, alpha, beta = law
    return E + A / n**alpha + B / d**beta


# %% tags=["demo"]
def show_isoflop(log_flops: float) -> None:
    flops = 10**log_flops
    sizes = torch.logspace(7, 12.5, 300, dtype=torch.float64)
    fig, ax = plots.figure(size=(7.6, 3.2))
    for other in (19, 20, 21, 22, 23, 24, 25):
        ax.plot(sizes.numpy(), loss_by_law(CHINCHILLA, sizes, 10.0**other / (6 * sizes)).numpy(), color=plots.FAINT, lw=1.2)
    curve = loss_by_law(CHINCHILLA, sizes, flops / (6 * sizes))
    best = curve.argmin()
    ax.plot(sizes.numpy(), curve.numpy(), color=plots.BLUE)
    ax.plot(sizes[best].item(), curve[best].item(), "o", color=plots.ORANGE)
    ax.axhline(CHINCHILLA[0], color=plots.GREY, ls="--", lw=1)
    ax.set(xscale="log", xlabel="parameters N", ylabel="loss (nats)", ylim=(1.7, 4))
    best_n, best_d = sizes[best].item(), flops / (6 * sizes[best].item())
    plots.caption(fig, f"Loss at a fixed budget of 1e{log_flops:g} FLOPs. Best: {best_n / 1e9:.3g} billion parameters, "
                  f"{best_d / 1e9:,.0f} billion tokens, {best_d / best_n:.0f} tokens a parameter. Grey: budgets of 1e19 to 1e25.",
                  "A U-shaped curve with a dot at its lowest point, among grey curves for other budgets that lie lower and "
                  "further right as the budget grows. A dashed line at 1.82 below all of them.")


play(show_isoflop, log_flops=slider(22, 19, 25, 0.5, "log10 C"))

# %% [markdown]
# ### Exercise: `fit_scaling_law` (4 points, 45 minutes)
#
# Write `fit_scaling_law(n, d, loss)`: three float64 tensors of shape (runs,): parameters, tokens and final loss of at least 12
# runs. Return the five numbers `(E, A, B, alpha, beta)` as floats (one array or tensor of five will do), in this order, all positive. Any method may do: the tests look at the
# result. On losses without noise they want $\alpha$, $\beta$ to 0.01, $E$ to 0.02, $A$ and $B$ to a quarter, and
# predicted losses to 0.2 %; with noise of 0.2 % in the losses, predictions within 0.5 % of the true law.
# The exponents of the tests lie between 0.1 and 0.9, $N$ between $10^5$ and $10^{11}$, $D$ between $10^6$ and $10^{12}$. The arguments
# stay as they were. Aim at a second or two; the test cell has a minute.
#
# Hoffmann et al. (2022, appendix D.3) minimise, over $a = \log A$, $b = \log B$, $e = \log E$ and the exponents, the sum over all
# runs of a Huber loss (quadratic near 0, linear beyond $\delta = 10^{-3}$, so that a single bad run does not count much) of
#
# $$ \log\!\big( e^{a - \alpha \log N} + e^{b - \beta \log D} + e^{e} \big) - \log L , $$
#
# by the method L-BFGS from many starting points, and keep the best. Logarithms keep the numbers in one range and $A$, $B$, $E$ positive.
#
# <details><summary>Hint 1</summary>Where to start? For given exponents the law is linear in E, A and B, and least squares solves it
# at once. Try all pairs of exponents on a grid, and start from the best one whose E, A and B are positive.</details>
# <details><summary>Hint 2</summary><code>torch.linalg.lstsq</code> solves many small systems at once. Divide each equation by its loss,
# so that errors are relative. Then
# <code>torch.optim.LBFGS([point], max_iter=100, line_search_fn="strong_wolfe", tolerance_grad=0, tolerance_change=0)</code>;
# its <code>step</code> takes a function that sets the gradient and returns the value.</details>
# <details><summary>Hint 3</summary><code>point = torch.cat([solution.log(), alpha, beta]).requires_grad_()</code>; in the closure:
# <code>e, a, b, alpha, beta = point</code>; <code>torch.logsumexp(torch.stack([e.expand_as(n), a - alpha * n.log(), b - beta *
# d.log()]), 0)</code>; <code>F.huber_loss(predicted, loss.log(), delta=1e-3, reduction="sum")</code>;
# <code>backward()</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "fit_scaling_law", "locked": false, "schema_version": 3, "solution": true, "task": false}
def fit_scaling_law(n: Tensor, d: Tensor, loss: Tensor) -> tuple[float, float, float, float, float]:
    """(E, A, B, alpha, beta) of L = E + A / N^alpha + B / D^beta; Hoffmann et al. 2022, eq. 2 and appendix D.3.

    n, d, loss: float64 (runs,), parameters, tokens and final loss of each run.
    """
    ### BEGIN SOLUTION
    grid = torch.arange(0.05, 1, 0.05, dtype=n.dtype)
    alpha, beta = torch.cartesian_prod(grid, grid).T[..., None]  # (pairs, 1) each
    terms = torch.stack([torch.ones_like(n).expand(len(alpha), -1), n**-alpha, d**-beta], -1) / loss[:, None]
    found = torch.linalg.lstsq(terms, torch.ones_like(terms[..., :1])).solution  # (pairs, 3, 1): E, A, B
    error = (terms @ found - 1).square().sum((1, 2))
    best = error.where((found > 0).all(1)[:, 0], math.inf).argmin()
    point = torch.cat([found[best, :, 0].log(), alpha[best], beta[best]]).requires_grad_()
    optimizer = torch.optim.LBFGS([point], max_iter=100, tolerance_grad=0, tolerance_change=0,
                                  line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        e, a, b, alpha, beta = point
        predicted = torch.logsumexp(torch.stack([e.expand_as(n), a - alpha * n.log(), b - beta * d.log()]), 0)
        value = F.huber_loss(predicted, loss.log(), delta=1e-3, reduction="sum")
        value.backward()
        return value

    optimizer.step(closure)
    e, a, b, alpha, beta = point.tolist()
    return math.exp(e), math.exp(a), math.exp(b), alpha, beta
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_fit_scaling_law", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
def five(law):
    law = law.tolist() if isinstance(law, Tensor | np.ndarray) and law.ndim == 1 else law
    check.that(isinstance(law, list | tuple) and len(law) == 5, "wanted five numbers: (E, A, B, alpha, beta)")
    plain = [plain_number(value) for value in law]
    check.that(all(type(value) in (int, float) for value in plain), "wanted five plain numbers: each entry is a float")
    check.that(all(math.isfinite(value) for value in plain), "one of the five numbers is infinite or NaN: did the optimizer diverge?")
    return plain


def error_of(law, n, d, want):
    """The largest relative error of the losses that a law predicts, infinite if it predicts none."""
    E, A, B, alpha, beta = (torch.tensor(value, dtype=torch.float64) for value in law)
    worst = ((E + A * n**-alpha + B * d**-beta - want) / want).abs().max().item()
    return worst if math.isfinite(worst) else math.inf


def all_pairs(low_n, high_n, low_d, high_d, k):
    sizes, tokens = torch.logspace(low_n, high_n, k).double(), torch.logspace(low_d, high_d, k).double()
    return tuple(t.flatten() for t in torch.meshgrid(sizes, tokens, indexing="ij"))


def tried(got, n, d, want, allowed):
    got = five(got)
    E, A, B, alpha, beta = got
    exp = lambda value: math.exp(min(value, 700.0))
    if not error_of(got, n, d, want) <= allowed:
        for sentence, other in {
            "the order is (E, A, B, alpha, beta)": (E, A, alpha, B, beta),
            "E, A and B are logarithms: exponentiate them": (exp(E), exp(A), exp(B), alpha, beta),
            "A and B are logarithms: exponentiate them": (E, exp(A), exp(B), alpha, beta),
            "the exponents have the wrong sign: the law divides by N^alpha, so that alpha and beta are positive":
                (E, A, B, -alpha, -beta),
            "A and B, alpha and beta are exchanged: A and alpha belong to the parameters": (E, B, A, beta, alpha),
        }.items():
            check.that(not error_of(other, n, d, want) <= allowed, sentence)
    # Positive because of E > 0: without it, two power laws alone can come close within a narrow range.
    check.that(min(got) > 0, "all five numbers must be positive: is the irreducible loss E part of your fit?")
    worst = error_of(got, n, d, want)
    check.that(worst <= allowed, "the fitted law is too far off on its own runs. Did the optimizer stop too early, or in a local "
               "minimum? Fit logarithms, from several starting points."
               + f" (It is off by up to {worst:.2%}; {allowed:.1%} is allowed.)")
    return got


runs_n, runs_d = all_pairs(6, 10, 8, 11, 5)
true_law = (1.7, 400.0, 1000.0, 0.34, 0.31)
true_loss = 1.7 + 400.0 * runs_n**-0.34 + 1000.0 * runs_d**-0.31
fitted = tried(fit_scaling_law(runs_n, runs_d, true_loss), runs_n, runs_d, true_loss, 0.002)
for name, value, truth, allowed in zip(("E", "A", "B", "alpha", "beta"), fitted, true_law, (0.02, 100.0, 250.0, 0.01, 0.01),
                                       strict=True):
    check.that(abs(value - truth) <= allowed, f"{name} is {value:.4g}, too far from the truth: the losses have no noise. Did the "
               "optimizer stop before it was done?")
### BEGIN HIDDEN TESTS
n_side, d_side = all_pairs(7, 11, 9, 12, 4)
exact = 2.0 + 900.0 * n_side**-0.45 + 300.0 * d_side**-0.22
fitted, n_left, d_left, loss_left = check.beside(lambda f, n, d, loss: ([float(v) for v in f(n, d, loss)], n, d, loss),
                                                 fit_scaling_law, n_side, d_side, exact)
for value, truth, allowed in zip(tried(fitted, n_side, d_side, exact, 0.002), (2.0, 900.0, 300.0, 0.45, 0.22),
                                 (0.02, 225.0, 75.0, 0.01, 0.01), strict=True):
    check.that(abs(value - truth) <= allowed, "one of the five numbers is too far from the truth where the law is another one")
check.equal((n_left, d_left, loss_left), (n_side, d_side, exact), hint="the arguments were changed in place")
flat_n, flat_d = all_pairs(5, 8, 6, 9, 4)
steep = 0.5 + 2e4 * flat_n**-0.8 + 300.0 * flat_d**-0.3
for value, truth, allowed in zip(tried(fit_scaling_law(flat_n, flat_d, steep), flat_n, flat_d, steep, 0.002),
                                 (0.5, 2e4, 300.0, 0.8, 0.3), (0.02, 5e3, 75.0, 0.01, 0.01), strict=True):
    check.that(abs(value - truth) <= allowed, "wrong for a steep law: exponents may be as large as 0.9")
flat_loss = 0.1 + 5.0 * flat_n**-0.12 + 9.0 * flat_d**-0.13
noise = 1 + 0.002 * torch.randn(16, generator=torch.Generator().manual_seed(6)).double()
noisy_fit = tried(fit_scaling_law(flat_n, flat_d, flat_loss * noise), flat_n, flat_d, flat_loss, 0.005)
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise: `compute_optimal` (3 points, 25 minutes)
#
# Given the law, what is the best model for a budget? Write `compute_optimal(flops, law)` with `law` = (E, A, B, alpha, beta): the
# numbers `(n, d)` of parameters and tokens, floats, for which the loss is least among all with $6 n d$ = `flops`. The tests allow an
# error of half a per cent, so that a numerical search may do; there is a closed form too (Hoffmann et al. 2022, eq. 4). Put
# $d = C / 6n$ into the law and set the derivative by $n$ to zero:
#
# $$ \alpha A \, n^{-\alpha} = \beta B \, d^{-\beta}. $$
#
# <details><summary>Hint 1</summary>Two equations, two unknowns. Solve 6nd = C for d, and put it into the second.</details>
# <details><summary>Hint 2</summary>Then n<sup>α + β</sup> = (αA / βB) · (C / 6)<sup>β</sup>.</details>
# <details><summary>Hint 3</summary><code>n = (alpha * A / (beta * B) * (flops / 6) ** beta) ** (1 / (alpha + beta))</code>, and
# <code>d = flops / (6 * n)</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "compute_optimal", "locked": false, "schema_version": 3, "solution": true, "task": false}
def compute_optimal(flops: float, law: tuple[float, float, float, float, float]) -> tuple[float, float]:
    """(parameters, tokens) with the least loss by `law` among all with 6 * n * d = flops; Hoffmann et al. 2022, eq. 4.

    law: (E, A, B, alpha, beta) as from fit_scaling_law.
    """
    ### BEGIN SOLUTION
    _, A, B, alpha, beta = law
    n = (alpha * A / (beta * B) * (flops / 6) ** beta) ** (1 / (alpha + beta))
    return n, flops / (6 * n)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_compute_optimal", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
def two(got):
    check.that(isinstance(got, list | tuple | Tensor) and len(got) == 2, "wanted two numbers: (n, d)")
    return [value.item() if isinstance(value, Tensor) and value.ndim == 0 else value for value in got]


def searched(flops, law):
    """The best n and d by trying a hundred thousand sizes."""
    _, A, B, alpha, beta = law
    sizes = torch.logspace(0, 18, 100_001, dtype=torch.float64)
    n = sizes[(A * sizes**-alpha + B * (flops / (6 * sizes)) ** -beta).argmin()].item()
    return [n, flops / (6 * n)]


symmetric = (1.0, 50.0, 50.0, 0.5, 0.5)  # parameters and tokens play the same part: 6 n n = flops
check.close(two(compute_optimal(6e12, symmetric)), [1e6, 1e6], rtol=0.005, mistakes={
    "6 n d = flops, not n d": [6e12**0.5] * 2,
    "n alone has the whole budget": [1e12, 1.0],
})
uneven = (1.0, 400.0, 100.0, 0.5, 0.5)  # 400 / sqrt(n) = 100 / sqrt(d): n = 16 d
check.close(two(compute_optimal(6 * 16e12, uneven)), [16e6, 1e6], rtol=0.005, mistakes={
    "parameters come first, then tokens": [1e6, 16e6],
    "A and B make a difference: the term that costs more must be made smaller": [4e6, 4e6],
    "the root is 1 / (alpha + beta), not 1 / 2 of it": [8e6, 2e6],
})
### BEGIN HIDDEN TESTS
def compared(got, flops, law):
    E, A, B, alpha, beta = law
    want = searched(flops, law)
    check.close(two(got), want, rtol=0.005, mistakes={
        "parameters come first, then tokens": want[::-1],
        "alpha and beta are exchanged somewhere": lambda: searched(flops, (E, A, B, beta, alpha)),
        "A and B are exchanged somewhere": lambda: searched(flops, (E, B, A, alpha, beta)),
        "A and alpha belong to the parameters, B and beta to the tokens": lambda: searched(flops, (E, B, A, beta, alpha)),
        "equal parts for both terms is not the minimum: the derivative brings down alpha and beta":
            lambda: searched(flops, (E, A / alpha, B / beta, alpha, beta)),
        "6 n d = flops, not n d": lambda: searched(6 * flops, law),
    }, hint="not the best split of the budget: another one gives a lower loss")


for budget in (1e17, 5.76e23, 1e26):
    for five_numbers in (CHINCHILLA, (1.0, 30.0, 3000.0, 0.2, 0.5), (0.5, 5000.0, 40.0, 0.6, 0.25)):
        compared(compute_optimal(budget, five_numbers), budget, five_numbers)
### END HIDDEN TESTS

# %% [markdown]
# What does the law say of models that exist? The line is the best split, by your function; the points are published models. GPT-3
# and Gopher lie far above it: too large for what they had read. Chinchilla was trained to make the point, with Gopher's compute: a
# quarter of the parameters, more than four times the tokens, and better on nearly all tasks. The small models of today lie far on the other side, on
# purpose. Training is paid once, and a small model is cheaper each time somebody uses it.

# %% tags=["demo"]
published = {  # parameters, tokens
    "GPT-3": (175e9, 300e9), "Gopher": (280e9, 300e9), "Chinchilla": (70e9, 1.4e12), "Llama 2 7B": (6.7e9, 2e12),
    "Llama 3 8B": (8e9, 15e12), "SmolLM2 135M": (0.135e9, 2e12),
}
budgets = [10.0 ** (e / 2) for e in range(36, 53)]
line = [compute_optimal(flops, CHINCHILLA) for flops in budgets]
fig, ax = plots.figure(size=(7.6, 3.8))
ax.plot([d for _, d in line], [n for n, _ in line], color=plots.BLUE, label="best split")
for name, (n, d) in published.items():
    ax.plot(d, n, "o", color=plots.ORANGE)
    ax.annotate(name, (d, n), xytext=(7, 3), textcoords="offset points", fontsize=9)
ax.set(xscale="log", yscale="log", xlabel="tokens D", ylabel="parameters N", ylim=(5e7, 2e12), xlim=(5e9, 1e14))
ax.legend()
plots.caption(fig, "Published models and the best split. Tokens: Brown et al. 2020; Rae et al. 2021; Hoffmann et al. 2022; "
              "Touvron et al. 2023; Grattafiori et al. 2024; Allal et al. 2025.",
              "Logarithmic axes. A rising line. GPT-3 and Gopher are above it, Chinchilla on it, Llama 2 7B, Llama 3 8B and "
              "SmolLM2 135M more and more below.")
for name, (n, d) in published.items():
    flops = training_flops(n, d)
    best_n, best_d = compute_optimal(flops, CHINCHILLA)
    print(f"{name:<13}{flops:.1e} FLOPs, {d / n:>8,.1f} tokens a parameter; best split: {best_n / 1e9:>6.1f} billion, "
          f"{best_d / best_n:.0f} tokens a parameter")

# %% [markdown]
# ## 9. Lab: your own scaling law
#
# Five sizes of a tiny GPT, trained on the bytes of Wikipedia (256 tokens, so that the table of embeddings stays small). A law
# needs each model at several amounts of data, each with a finished schedule: a loss read off in the middle of a run, with the learning rate
# still high, is too large. We do as Hägele et al. (2024) propose: a constant learning rate, and from each checkpoint a short
# cooldown of its own. One long run gives a point for each checkpoint.
#
# **Predict first.** Will the largest of the five models be best at the *smallest* amount of compute that is common to all?
#
# <details><summary>Answer</summary>
#
# No. With that budget the largest makes too few steps; a smaller one has seen much more text for the same compute. The lower edge of
# all the curves is what the best split describes.
# </details>

# %% tags=["lab"]
import copy

from transformers import AutoModelForCausalLM, GPT2Config

from helpers import corpora

lab_device = runtime.device()
wikipedia = corpora.load_wikipedia(96, 10)
train_bytes, valid_bytes = (torch.tensor(list("\n".join(wikipedia[split]["text"]).encode()), dtype=torch.uint8)
                            for split in ("train", "validation"))
CONTEXT = runtime.pick(64, 128)
SHAPES = runtime.pick([(1, 16), (1, 32), (2, 32), (2, 48), (3, 64)],
                      [(2, 32), (3, 64), (4, 128), (6, 192), (6, 320)])  # layers, width
BATCH = runtime.pick(16, 64)
CHECKPOINTS = runtime.pick([80, 160, 320, 640], [200, 500, 1200, 3000])  # steps before the cooldown, which is a quarter of them
print(f"{len(train_bytes):,} bytes to train on, {len(valid_bytes):,} to measure on; {BATCH * CONTEXT:,} tokens a step")


def batch_of(data: Tensor, generator: torch.Generator) -> Tensor:
    places = torch.randint(len(data) - CONTEXT, (BATCH, 1), generator=generator)
    return data[places + torch.arange(CONTEXT)].long().to(lab_device)


measured_on = torch.stack([valid_bytes[i:i + CONTEXT] for i in range(0, len(valid_bytes) - CONTEXT, len(valid_bytes) // 256)])
measured_on = measured_on.long().to(lab_device)


def tiny_gpt(layers: int, width: int):
    config = GPT2Config(vocab_size=256, n_positions=CONTEXT, n_embd=width, n_layer=layers, n_head=width // 16, resid_pdrop=0,
                        embd_pdrop=0, attn_pdrop=0, bos_token_id=0, eos_token_id=0,
                        initializer_range=0.5 / width**0.5)
    return AutoModelForCausalLM.from_config(config).to(lab_device)


def loss_on(net, ids: Tensor) -> Tensor:
    return F.cross_entropy(net(ids).logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())


def steps_on(net, optimizer, rates: list[float], generator: torch.Generator) -> None:
    for rate in rates:
        optimizer.param_groups[0]["lr"] = rate
        loss_on(net, batch_of(train_bytes, generator)).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


runs = []  # (parameters, tokens, validation loss, size number)
torch.manual_seed(0)
for size, (layers, width) in enumerate(runtime.progress(SHAPES, "sizes")):
    net = tiny_gpt(layers, width)
    n_weights = sum(p.numel() for p in net.parameters())
    top_rate = 0.012 * (32 / width) ** 0.5
    optimizer = torch.optim.AdamW(net.parameters(), lr=top_rate, betas=(0.9, 0.95), weight_decay=0.1)
    draw_batches, done = torch.Generator().manual_seed(1), 0
    for checkpoint in CHECKPOINTS:
        steps_on(net, optimizer, [top_rate * min(1.0, (step + 1) / 20) for step in range(done, checkpoint)], draw_batches)
        done, tail = checkpoint, checkpoint // 4
        branch = copy.deepcopy(net)
        branch_optimizer = torch.optim.AdamW(branch.parameters(), lr=top_rate, betas=(0.9, 0.95), weight_decay=0.1)
        branch_optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
        steps_on(branch, branch_optimizer, [top_rate * (1 - step / tail) for step in range(tail)],
                 torch.Generator().manual_seed(2 + checkpoint))
        with torch.no_grad():
            valid_loss = loss_on(branch, measured_on).item()
        runs.append((n_weights, (checkpoint + tail) * BATCH * CONTEXT, valid_loss, size))
    print(f"{layers} layers of width {width}: {n_weights:>8,} parameters, validation loss "
          + ", ".join(f"{loss:.3f}" for *_, loss, number in runs if number == size) + " nats a byte")

# %% [markdown]
# Fit the law to your twenty runs, with your function, and draw it: loss against compute.

# %% tags=["lab"]
lab_n, lab_d, lab_loss = (torch.tensor([run[i] for run in runs], dtype=torch.float64) for i in range(3))
my_law = fit_scaling_law(lab_n, lab_d, lab_loss)
my_E, my_A, my_B, my_alpha, my_beta = my_law
print(f"your law: L = {my_E:.3g} + {my_A:.4g} / N^{my_alpha:.3f} + {my_B:.4g} / D^{my_beta:.3f}")
off = ((loss_by_law(my_law, lab_n, lab_d) - lab_loss) / lab_loss).abs()
print(f"off by {off.mean():.1%} on average and {off.max():.1%} at most, on the runs it was fitted to")
spent = training_flops(lab_n, lab_d)
fig, ax = plots.figure(size=(8.4, 3.8))
for size, colour in zip(range(len(SHAPES)), plots.CYCLE, strict=False):
    own = [i for i, run in enumerate(runs) if run[3] == size]
    ax.plot(spent[own].numpy(), lab_loss[own].numpy(), "o", color=colour, label=f"{runs[own[0]][0]:,} parameters")
    tokens = torch.logspace(math.log10(lab_d.min().item() / 1.5), math.log10(lab_d.max().item() * 1.5), 50, dtype=torch.float64)
    ax.plot(training_flops(lab_n[own[0]], tokens).numpy(), loss_by_law(my_law, lab_n[own[0]], tokens).numpy(), color=colour,
            lw=1, alpha=0.7)
budgets = torch.logspace(math.log10(spent.min().item()), math.log10(spent.max().item()), 40, dtype=torch.float64).tolist()
ax.plot(budgets, [loss_by_law(my_law, *compute_optimal(flops, my_law)) for flops in budgets], "--", color=plots.INK,
        label="best split by your law")
ax.set(xscale="log", xlabel="training compute 6ND (FLOPs)", ylabel="validation loss (nats a byte)")
ax.legend(fontsize=9)
plots.caption(fig, "Your runs (dots), your law (lines), and the loss of the best split of each budget (dashed).",
              "Five falling series of dots, each shifted to the right of the one before and ending lower; a dashed curve runs below "
              "them all.")
for flops in (1e11, 1e12, 1e13):
    best_n, best_d = compute_optimal(flops, my_law)
    print(f"{flops:.0e} FLOPs: best with {best_n:,.0f} parameters and {best_d:,.0f} tokens, "
          f"predicted loss {loss_by_law(my_law, best_n, best_d):.3f}")

# %% [markdown]
# In our run the law was off by 1 % on average, which is not bad for a fit of five numbers to runs of seconds. Do not read more into
# it. Bytes are not tokens, a hundred articles are not the web, and twenty points within a factor of twenty in $N$ leave much room, above
# all in $E$, an extrapolation to infinity: ours came out as 0.04 nats a byte, where Shannon (1951) put the entropy of English between
# 0.6 and 1.3 bits a letter, that is above 0.4 nats. A law is worth what it predicts of runs that it has not seen. Leave out the
# largest size, fit again, and see:

# %% tags=["lab"]
small = torch.tensor([run[3] < len(SHAPES) - 1 for run in runs])
law_of_small = fit_scaling_law(lab_n[small], lab_d[small], lab_loss[small])
predicted = loss_by_law(law_of_small, lab_n[~small], lab_d[~small])
print("the largest model, predicted from the four smaller ones:")
for tokens, truth, guess in zip(lab_d[~small].tolist(), lab_loss[~small].tolist(), predicted.tolist(), strict=True):
    print(f"  {tokens:>12,.0f} tokens: predicted {guess:.3f}, measured {truth:.3f}")
fig, ax = plots.figure(size=(6.4, 2.8))
ax.plot(lab_d[~small].numpy(), lab_loss[~small].numpy(), "o", color=plots.BLUE, label="measured")
ax.plot(lab_d[~small].numpy(), predicted.numpy(), "x--", color=plots.ORANGE, label="predicted from smaller models")
ax.set(xscale="log", xlabel="tokens", ylabel="loss (nats a byte)")
ax.legend()
plots.caption(fig, "The largest size, and what the law of the four smaller ones says of it.",
              "Two falling series of four points each, of measured and predicted losses.")

# %% [markdown]
# ## 10. Lab: the same script on one process and on many
#
# In practice nobody writes the all-reduce by hand. `accelerate` wraps the loop: the same script runs in one process, in several
# with data parallelism (`torchrun` starts them and tells each its rank), or with everything divided (FSDP), as a configuration file
# says. The file below is one for a machine with 2 processes; for 8 GPUs set `num_processes: 8` and `use_cpu: false`.
#
# One thing is special on CPUs. `accelerate` (1.15) turns FSDP on for accelerators only: on CPU processes it reads the same file, and
# falls back to data parallelism without saying so. The two lines marked in the script turn it on all the same. On a GPU they do nothing.
#
# **Predict first.** The script trains for five steps and prints the loss of the whole batch. In which digit will the three ways
# differ?
#
# <details><summary>Answer</summary>
#
# In the sixth or seventh at most: the same sums in another order. What differs is how many weights each process holds.
# </details>

# %% tags=["lab"]
import subprocess

SCRIPT = '''
import os

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from torch import nn

accelerator = Accelerator(cpu=not torch.cuda.is_available())
if accelerator.device.type == "cpu" and os.environ.get("ACCELERATE_USE_FSDP") == "true":  # accelerate would fall back to DDP
    accelerator.state.distributed_type = DistributedType.FSDP
    accelerator.state.fsdp_plugin = FullyShardedDataParallelPlugin()  # reads what the configuration file says


class TinyGPT(nn.Module):
    def __init__(self, width=64, layers=4, context=64):
        super().__init__()
        self.token, self.place = nn.Embedding(256, width), nn.Embedding(context, width)
        self.blocks = nn.ModuleList(nn.TransformerEncoderLayer(width, 4, 4 * width, dropout=0.0, batch_first=True,
                                                               norm_first=True) for _ in range(layers))
        self.head = nn.Linear(width, 256)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(context))

    def forward(self, ids):
        x = self.token(ids) + self.place(torch.arange(ids.shape[1], device=ids.device))
        for block in self.blocks:
            x = block(x, src_mask=self.mask, is_causal=True)
        return self.head(x)


torch.manual_seed(0)
model = TinyGPT()
total = sum(p.numel() for p in model.parameters())
model, optimizer = accelerator.prepare(model, torch.optim.AdamW(model.parameters(), lr=3e-3))
held = sum((p.to_local() if hasattr(p, "to_local") else p).numel() for p in model.parameters())
data = torch.frombuffer(bytearray(open("text.bin", "rb").read()), dtype=torch.uint8).long()
batches = torch.Generator().manual_seed(0)
losses = []
for step in range(5):
    places = torch.randint(len(data) - 65, (8, 1), generator=batches)[accelerator.process_index::accelerator.num_processes]
    ids = data[places + torch.arange(65)].to(accelerator.device)
    loss = nn.functional.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
    accelerator.backward(loss)
    optimizer.step()
    optimizer.zero_grad()
    losses.append(accelerator.reduce(loss.detach(), "mean").item())
if accelerator.is_main_process:
    print(type(model).__name__, accelerator.num_processes, held, total, *(f"{loss:.6f}" for loss in losses), flush=True)
accelerator.wait_for_everyone()
accelerator.end_training()
os._exit(0)  # all is done; threads of torch's that are still about would now and then abort an orderly exit on a CPU
'''
CONFIGURATION = """
compute_environment: LOCAL_MACHINE
distributed_type: FSDP
use_cpu: true
num_machines: 1
num_processes: 2
main_process_port: 0
mixed_precision: 'no'
fsdp_config:
  fsdp_version: 2
  fsdp_auto_wrap_policy: TRANSFORMER_BASED_WRAP
  fsdp_transformer_layer_cls_to_wrap: TransformerEncoderLayer
  fsdp_reshard_after_forward: true
  fsdp_cpu_ram_efficient_loading: false
  fsdp_state_dict_type: SHARDED_STATE_DICT
"""
if lab_device.type == "cuda":
    CONFIGURATION = CONFIGURATION.replace("use_cpu: true", "use_cpu: false").replace(
        "num_processes: 2", f"num_processes: {torch.cuda.device_count()}")
print(CONFIGURATION)
ways = {
    "one process": [sys.executable, "train.py"],
    "torchrun: data parallel": [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node",
                                str(max(2, torch.cuda.device_count()) if lab_device.type == "cpu" else torch.cuda.device_count()),
                                "train.py"],
    "accelerate launch: FSDP": [sys.executable, "-m", "accelerate.commands.launch", "--config_file", "fsdp.yaml", "train.py"],
}
told = {}
with tempfile.TemporaryDirectory() as folder:
    Path(folder, "train.py").write_text(SCRIPT)
    Path(folder, "fsdp.yaml").write_text(CONFIGURATION)
    Path(folder, "text.bin").write_bytes(bytes(train_bytes[:200_000].tolist()))
    for way, command in runtime.progress(list(ways.items()), "ways"):
        print("$", " ".join(["python", *command[1:]]))
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300,
                               env={**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo0" if sys.platform == "darwin" else "lo"})
        if ended.returncode:
            print(ended.stderr[-1500:])
            continue
        told[way] = ended.stdout.strip().splitlines()[-1].split()
        kind, processes, held, total, *losses = told[way]
        print(f"  {kind}, {processes} process{'es' if processes != '1' else ''}; number 0 holds {int(held):,} of {int(total):,} "
              f"weights; losses {' '.join(losses)}")

# %% tags=["lab"]
fig, (left_ax, right_ax) = plots.figure(1, 2, size=(9.6, 3.0))
for (way, (_, _, _, _, *losses)), colour, mark in zip(told.items(), plots.CYCLE, ("o", "s", "x"), strict=False):
    left_ax.plot(range(1, len(losses) + 1), [float(loss) for loss in losses], f"{mark}-", color=colour, label=way, alpha=0.7)
left_ax.set(xlabel="step", ylabel="loss (nats a byte)")
left_ax.legend(fontsize=9)
right_ax.barh(range(len(told)), [int(row[2]) / int(row[3]) for row in told.values()], color=plots.BLUE)
right_ax.set_yticks(range(len(told)), list(told))
right_ax.invert_yaxis()
right_ax.set(xlabel="share of the weights held by process 0", xlim=(0, 1.05))
plots.caption(fig, "One script, three ways to run it.",
              "Left: three falling curves on top of each other. Right: with one process and with data parallelism a process holds all "
              "weights, with FSDP about half.")

# %% [markdown]
# ## Spot the bug
#
# A scaling law is fitted as in section 8. It runs, it converges, it reports a small loss.
#
# ```python
# def closure():
#     optimizer.zero_grad()
#     predicted = torch.logsumexp(torch.stack([e.expand_as(n), a - alpha * log_n, b - beta * log_d]), 0)
#     value = F.huber_loss(predicted, log_loss, delta=1e-3)
#     value.backward()
#     return value
#
# optimizer = torch.optim.LBFGS(parameters, max_iter=1000, line_search_fn="strong_wolfe")
# ```
#
# <details><summary>What is wrong?</summary>
#
# <code>huber_loss</code> takes the <em>mean</em> by default, and with δ = 10⁻³ its values are tiny: errors of 1 % give about 10⁻⁵. The
# optimizer's default tolerances (here a gradient below 10⁻⁷ or a change below 10⁻⁹) are absolute, so it stops long before the bottom of
# a flat valley, and it calls that convergence. Something of the kind happened to the best known law of all: Besiroglu et al. (2024)
# could not reproduce the third estimate of Hoffmann et al. (2022) from the paper's own data, and found that the optimizer had stopped early
# because of a poor choice of the scale of the loss. The cure: add up instead of averaging, set tolerances for the size of your numbers,
# start from several points, and plot the fit over the data.
# </details>

# %% tags=["demo"]
sizes_n = torch.logspace(8, 10, 6, dtype=torch.float64).repeat_interleave(6)
tokens_d = torch.logspace(9.5, 11.5, 6, dtype=torch.float64).repeat(6)
logs = loss_by_law(CHINCHILLA, sizes_n, tokens_d).log()


def fitted_by(reduction: str, **tolerances) -> list[float]:
    """E, A, B, alpha, beta by L-BFGS from one plausible starting point."""
    point = torch.tensor([0.5, 5.0, 6.0, 0.3, 0.3], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([point], max_iter=1000, line_search_fn="strong_wolfe", **tolerances)

    def closure():
        optimizer.zero_grad()
        e, a, b, alpha, beta = point
        predicted = torch.logsumexp(torch.stack([e.expand(36), a - alpha * sizes_n.log(), b - beta * tokens_d.log()]), 0)
        value = F.huber_loss(predicted, logs, delta=1e-3, reduction=reduction)
        value.backward()
        return value

    optimizer.step(closure)
    return [*point[:3].exp().tolist(), *point[3:].tolist()]


fits = {"the bug": fitted_by("mean"), "sum, no tolerance": fitted_by("sum", tolerance_grad=0, tolerance_change=0)}
print(f"{'':<20}{'E':>8}{'A':>9}{'B':>10}{'alpha':>8}{'beta':>8}   best loss for 1e27 FLOPs")
for name, law in {"the truth": CHINCHILLA, **fits}.items():
    least = loss_by_law(law, *compute_optimal(1e27, law))
    print(f"{name:<20}{law[0]:>8.3f}{law[1]:>9.1f}{law[2]:>10.1f}{law[3]:>8.4f}{law[4]:>8.4f}   {least:.3f}")
fig, ax = plots.figure(size=(7.2, 3.0))
budgets = [10.0**e for e in range(18, 31)]
for (name, law), colour, style in zip({"the truth": CHINCHILLA, **fits}.items(), (plots.GREY, plots.ORANGE, plots.BLUE),
                                      ("-", "-", "--"), strict=True):
    ax.plot(budgets, [loss_by_law(law, *compute_optimal(flops, law)) for flops in budgets], style, color=colour, label=name,
            lw=4 if name == "the truth" else 2)
ax.axvspan(6 * 10**17.5, 6 * 10**21.5, color=plots.FAINT, alpha=0.5, lw=0)
ax.text(6e19, 1.65, "runs", ha="center")
ax.set(xscale="log", xlabel="budget (FLOPs)", ylabel="best loss (nats)", xlim=(1e18, 1e30))
ax.legend()
plots.caption(fig, "What two fits of the same 36 noise-free losses predict for larger budgets. The runs lie in the grey band.",
              "Three falling curves. Within the band they coincide; beyond it the fit by a mean that stopped early falls below the "
              "truth, and the fit by a sum stays on it.")

# %% [markdown]
# ## Recap
#
# - Simple rules throw away most of a crawl; near duplicates are found by MinHash and bands, without comparing all pairs.
# - Data parallelism: each worker has all weights and a share of the rows; gradients are averaged. It saves time, not memory;
#   FSDP saves memory too.
# - Tensor parallelism cuts matrices, by columns and then by rows, with one all-reduce for the two.
# - Pipeline parallelism cuts the stack; its bubble is (p − 1) / (m + p − 1).
# - Sequence parallelism cuts the text; a softmax can be merged from parts by three numbers each.
# - Training takes about 6ND operations; activations, not weights alone, fill the memory.
# - Loss is predictable: E + A / N^α + B / D^β. For a budget there is one best size.
#
# Covers: B8, B9, B10, B11, B12, B13, B16
#
# **Words to keep**
#
# | term | meaning |
# |---|---|
# | Common Crawl | a public archive of web pages, the raw material of most corpora |
# | shingle | a run of n words of a text |
# | Jaccard similarity | shared elements of two sets over all elements |
# | MinHash signature | a set's smallest values under many hash functions |
# | LSH bands | parts of a signature that choose buckets; who meets in one is compared |
# | rank, world size | the number of a process; how many there are |
# | all-reduce, broadcast | everybody gets the sum (or mean) of all; everybody gets what one had |
# | data, tensor, pipeline, sequence parallelism | the batch, each matrix, the stack of layers, the text is cut |
# | ZeRO, FSDP | data parallelism in which each worker keeps only its part of weights, gradients and moments |
# | micro-batch, bubble | a part of the batch in a pipeline; its idle slots |
# | online softmax | a softmax put together from parts: largest score, sum, weighted values |
# | FLOPs, FLOPs per second | operations; operations in a second |
# | MFU | necessary operations over possible ones |
# | scaling law | the loss as a function of parameters and tokens |
# | isoFLOP curve, compute-optimal | the loss at one budget over model sizes; at its lowest point |
#
# **References**
#
# - L. B. Allal et al. (2025). SmolLM2: When Smol goes big. arXiv:2502.02737.
# - T. Besiroglu, E. Erdil, M. Barnett, J. You (2024). Chinchilla scaling: A replication attempt. arXiv:2404.10102.
# - A. Z. Broder (1997). On the resemblance and containment of documents. *Compression and Complexity of Sequences*.
# - T. Brown et al. (2020). Language models are few-shot learners. *NeurIPS*.
# - J. L. Carter, M. N. Wegman (1979). Universal classes of hash functions. *Journal of Computer and System Sciences* 18.
# - A. Chowdhery et al. (2022). PaLM: Scaling language modeling with Pathways. arXiv:2204.02311.
# - T. Dao, D. Y. Fu, S. Ermon, A. Rudra, C. Ré (2022). FlashAttention: Fast and memory-efficient exact attention with
#   IO-awareness. *NeurIPS*.
# - L. Gao et al. (2020). The Pile: An 800GB dataset of diverse text for language modeling. arXiv:2101.00027.
# - A. Grattafiori et al. (2024). The Llama 3 herd of models. arXiv:2407.21783.
# - A. Hägele, E. Bakouch, A. Kosson, L. B. Allal, L. von Werra, M. Jaggi (2024). Scaling laws and compute-optimal training beyond
#   fixed training durations. *NeurIPS*.
# - J. Hestness et al. (2017). Deep learning scaling is predictable, empirically. arXiv:1712.00409.
# - J. Hoffmann et al. (2022). Training compute-optimal large language models. arXiv:2203.15556.
# - Y. Huang et al. (2019). GPipe: Efficient training of giant neural networks using pipeline parallelism. *NeurIPS*.
# - P. Indyk, R. Motwani (1998). Approximate nearest neighbors: Towards removing the curse of dimensionality. *STOC*.
# - J. Kaplan et al. (2020). Scaling laws for neural language models. arXiv:2001.08361.
# - V. Korthikanti et al. (2022). Reducing activation recomputation in large transformer models. arXiv:2205.05198.
# - K. Lee et al. (2022). Deduplicating training data makes language models better. *ACL*.
# - J. Leskovec, A. Rajaraman, J. D. Ullman (2014). *Mining of Massive Datasets*, 2nd edition. Cambridge University Press.
# - S. Li et al. (2020). PyTorch Distributed: Experiences on accelerating data parallel training. *VLDB*.
# - H. Liu, M. Zaharia, P. Abbeel (2023). Ring attention with blockwise transformers for near-infinite context. arXiv:2310.01889.
# - M. Milakov, N. Gimelshein (2018). Online normalizer calculation for softmax. arXiv:1805.02867.
# - D. Narayanan et al. (2021). Efficient large-scale language model training on GPU clusters using Megatron-LM. *SC*.
# - P. Patarasuk, X. Yuan (2009). Bandwidth optimal all-reduce algorithms for clusters of workstations. *Journal of Parallel and
#   Distributed Computing* 69.
# - G. Penedo et al. (2023). The RefinedWeb dataset for Falcon LLM. arXiv:2306.01116.
# - G. Penedo et al. (2024). The FineWeb datasets: Decanting the web for the finest text data at scale. arXiv:2406.17557.
# - J. W. Rae et al. (2021). Scaling language models: Methods, analysis & insights from training Gopher. arXiv:2112.11446.
# - S. Rajbhandari, J. Rasley, O. Ruwase, Y. He (2020). ZeRO: Memory optimizations toward training trillion parameter models. *SC*.
# - C. E. Shannon (1951). Prediction and entropy of printed English. *Bell System Technical Journal* 30.
# - M. Shoeybi et al. (2019). Megatron-LM: Training multi-billion parameter language models using model parallelism.
#   arXiv:1909.08053.
# - H. Touvron et al. (2023). Llama 2: Open foundation and fine-tuned chat models. arXiv:2307.09288.
# - Y. Zhao et al. (2023). PyTorch FSDP: Experiences on scaling fully sharded data parallel. *VLDB*.
#
# **Next**: 08, adapting: a pretrained model predicts. How does it come to answer?

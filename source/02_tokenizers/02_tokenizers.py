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
# # 02 · Tokenizers: how a text becomes numbers
#
# A language model has never seen a letter. Before the first layer runs, something else has cut the text into pieces
# and handed over their numbers. That something has no weights and no gradients, it is a few dozen lines of counting,
# and it decides what the model can see at all: why it miscounts letters, why the same sentence may cost nine times as
# much in Hindi, why a space at the end of a prompt can ruin the answer. In this unit you write those lines, until
# yours give the same numbers as GPT-2's.
#
# **You will be able to**
#
# - say why models read *subwords*, and what goes wrong at the two extremes, letters and words;
# - cut a text by longest match, as BERT does, and by merges, as GPT-2 and Llama 3 do;
# - train a byte-pair encoding, first slowly, then fast enough for millions of characters;
# - encode and decode exactly as GPT-2 does, and drive a real model with your own tokenizer;
# - pad a batch, and say what an attention mask is for;
# - compare tokenizers, and compare models that have different ones.
#
# **Before you start**: Python's dicts, slices and `Counter`; of torch only shapes (unit 01). Everything runs on a CPU:
# about a minute for all ordinary cells and three more for the `lab` cells. A GPU has nothing to add.
#
# **Your time**: about four hours. **Points**: 40, of which 3 are for a written answer that a person reads.
#
# | section | you write | points |
# |---|---|---|
# | 2 Two extremes | a written answer | 3 |
# | 3 The longest piece that fits | `encode_longest_match` | 3 |
# | 4 An alphabet of bytes | `byte_to_unicode` | 3 |
# | 5 Cut before you count | `pretokenize` | 4 |
# | 6 Learning the pieces | `count_pairs`, `merge_pair`, `train_bpe` | 2 + 3 + 8 |
# | 7 Using the pieces | `bpe_encode`, `bpe_decode` | 6 + 2 |
# | 8 Rows of one length | `pad_batch` | 3 |
# | 9 Which tokenizer is better? | `fertility`, `bits_per_byte` | 1 + 2 |

# %%
import math
import re
from collections import Counter, defaultdict
from itertools import pairwise

import regex
import torch
from tokenizers.pre_tokenizers import ByteLevel
from torch import Tensor

from helpers import checks as check
from helpers import corpora, models, plots, runtime
from helpers.widgets.token_files import bpe_files

gpt2 = models.gpt2_tokenizer()
gpt2_vocab, gpt2_merges = bpe_files(gpt2)  # id -> bytes, and pairs of bytes: what your functions will work with
halves = corpora.load_wikipedia(53, 53)  # 106 articles of Wikipedia, in two halves
seen, unseen = list(halves["train"]["text"]), list(halves["validation"]["text"])

# %% [markdown]
# One more tool, for the things to play with. Where somebody can move a slider, `play` shows it; where nobody can (a
# printed page, a test run), it draws the picture once.

# %% tags=["demo"]
from helpers.widgets.interact import play, whole
from helpers.widgets.token_playground import token_playground
from helpers.widgets.token_rows import token_rows

# %% [markdown]
# ## 1. What the model reads
#
# A **tokenizer** maps a text to a list of whole numbers, and back:
#
# $$ \text{encode}: \text{text} \to (i_1, \dots, i_T), \qquad i_t \in \{0, \dots, V - 1\} $$
#
# Each number is the **id** of a piece of text, a **token**, in a fixed list of $V$ pieces, the **vocabulary**. (So GPT-2
# reads its input; Radford et al. 2019, §2.2.) Play with four tokenizers before you build one. Type a sentence of your
# own, switch between *text* and *ids*, and put a space in front.

# %% tags=["demo"]
token_playground()

# %% [markdown]
# Things to try: your name; a long number; `return x+1`; a word with a typing error; a sentence in another language; an
# emoji (some come in pieces that are no characters at all). Watch what *Put a space in front* does to the first token.
#
# **Predict first.** In `sun Sun sun`, how many *different* tokens does GPT-2 read?
#
# <details><summary>Answer</summary>
#
# Three: <code>sun</code>, <code>·Sun</code> and <code>·sun</code>, with the ids 19155, 3825 and 4252. For these tokenizers
# a space belongs to the word that follows it, and capital letters are other letters. Nothing tells the model that the
# three have anything in common. It has to find out from its training texts.
# </details>
#
# Here is the vocabulary of the model that you will know from the inside at the end of this course: SmolLM2-135M-Instruct,
# of the architecture of Llama. Ten tokens in a row have nothing in common, an id is only a row number:

# %% tags=["demo"]
model, tokenizer = models.load(device="cpu")

for token_id in range(5100, 5110):
    print(token_id, repr(tokenizer.decode([token_id])))
print("\nvocabulary:", len(tokenizer), "tokens")
batch = tokenizer("sun", add_special_tokens=False, return_tensors="pt")
sun = batch.input_ids[0, 0]  # row 0 of the batch, token 0 of that row
table = model.get_input_embeddings().weight
print("sun ->", batch.input_ids.tolist(), "->", repr(tokenizer.decode([sun])))
print("embedding table:", tuple(table.shape), " the row of 'sun':", tuple(table[sun].shape))

# %% [markdown]
# What a token id is good for: it picks a row of the model's **embedding table**, here 576 numbers, and those numbers are
# all that the layers ever see of the token (unit 04).
#
# Two traps, since everybody falls into them once. `input_ids` has shape `(1, T)`: the first axis is the *batch*, so
# `input_ids[0]` is a whole text and `input_ids[0, 0]` its first token. And many tokenizers put tokens of their own before
# the text. Llama 2's begins every text with *BOS*, beginning of sequence, so whatever word you ask for, token 0 is the
# same. Hence `add_special_tokens=False` when you look up a word.
#
# A chat is a text like any other. The roles are marked by **special tokens**, which nobody types by accident. (On purpose one
# can: most tokenizers take a typed `<|im_end|>` for the real one unless they are told not to, so programs that pass on
# what users write must do so.)

# %% tags=["demo"]
chat = tokenizer.apply_chat_template([{"role": "user", "content": "My favorite composer is"}], tokenize=False,
                                     add_generation_prompt=True)
chat_ids = tokenizer(chat).input_ids
token_rows({"as text": [tokenizer.decode([i]) for i in chat_ids], "as ids": [str(i) for i in chat_ids]},
           f"A prompt as the model gets it: {len(chat)} characters, {len(chat_ids)} tokens. A dot is a space, an arrow a "
           "line break.")

# %% [markdown]
# ## 2. Two extremes
#
# Why not simply number the letters, or the words? Both have been done.
#
# - **Characters, or bytes.** A tiny vocabulary that can write everything. But a text becomes a very long row of very
#   small steps. The work of attention grows with the square of the row's length (unit 05), the window of the model covers
#   less text, and each vector has to carry a single letter.
# - **Words.** Short rows, each step full of meaning. But how many words are there? You meet new ones as long as you read
#   (*Heaps' law*, 1978: $n$ words of running text hold about $n^{\beta}$ different ones, $\beta < 1$), every one needs a
#   row in the embedding table, most of them are too rare to be learned, and one that is missing from the table can be
#   neither read nor written: it becomes *unknown*.
#
# **Predict first.** Take one half of our 106 articles and make a vocabulary of *all* its words: 39,996 of them. What
# share of the running words of the other half is missing from it?
#
# <details><summary>Answer</summary>
#
# A sixth, as the next cell counts. New articles have new names, numbers, inflections and punctuation stuck to words
# (<code>rivers,</code> is another word than <code>rivers</code>). Separate the punctuation, and it is still almost a
# tenth.
# </details>

# %% tags=["demo"] jupyter={"source_hidden": true}
first_half, second_half = (Counter(word for text in texts for word in text.split()) for texts in (seen, unseen))
missing = sum(count for word, count in second_half.items() if word not in first_half) / second_half.total()
once = sum(count == 1 for count in first_half.values()) / len(first_half)
print(f"different words in the first half: {len(first_half):,}, {once:.0%} of which occur once")
print(f"running words of the second half that are not among them: {missing:.1%}")

running = [word for text in seen + unseen for word in text.split()]
read, different, words_met = [], [], set()
for number, word in enumerate(running, start=1):
    words_met.add(word)
    if number % 2000 == 0:
        read.append(number)
        different.append(len(words_met))
whole = "".join(seen + unseen)
gpt2_total = sum(len(gpt2(text, verbose=False).input_ids) for text in seen + unseen)
ways = {"bytes": (256, len(whole.encode())), "characters": (len(set(whole)), len(whole)),
        "GPT-2's subwords": (len(gpt2), gpt2_total), "words": (len(words_met), len(running))}

fig, (left, right) = plots.figure(1, 2, size=(9.6, 3.6))
left.plot(read, different, color=plots.BLUE)
left.set(xlabel="words read", ylabel="different words met", title="New words never end")
for (name, (vocabulary, length)), (x, y, side) in zip(ways.items(), ((0, -28, "center"), (9, 6, "left"), (-10, 4, "right"), (-10, -18, "right"))):
    colour = plots.ORANGE if "GPT" in name else plots.BLUE
    right.plot(vocabulary, length / len(seen + unseen), "o", color=colour, markersize=9)
    right.annotate(f"{name}\n{length / len(seen + unseen):,.0f}", (vocabulary, length / len(seen + unseen)), xytext=(x, y),
                   textcoords="offset points", ha=side, fontsize=9)
right.set(xscale="log", xlabel="size of the vocabulary", ylabel="tokens in an average article", ylim=(0, 31_000),
          xlim=(100, 200_000), title="Subwords: nearly as short as words")
for axis in (left.xaxis, left.yaxis, right.yaxis):
    axis.set_major_formatter("{x:,.0f}")
left.set_xticks(range(0, 400_001, 100_000))
plots.caption(fig, "Our 106 articles. Left: words met while reading them in order. Right: what a vocabulary costs and "
              "what it saves; only the words cannot spell what they have not met.",
              "Left, a curve of different words against words read, still rising steeply at its end, at 64 thousand of "
              "442 thousand. Right, four points: bytes and characters at about 26,500 tokens an article with "
              "vocabularies of 256 and of several hundred; GPT-2's subwords at 5,700 with 50,257; words at 4,200 with 64,000.")

# %% [markdown]
# **Subwords** are the way between. Frequent words get a token of their own, rare words are spelled in a few pieces, and
# the smallest pieces are single characters or bytes, so that nothing is unknown (Sennrich, Haddow and Birch 2016, who
# wanted to translate rare words). The row is almost as short as with words, and the vocabulary has the size you choose.
#
# ### Written answer (3 points): why subwords?
#
# In four to eight sentences: what does a vocabulary of single characters (or bytes) cost, what does a vocabulary of whole
# words cost, and how do subwords avoid the worst of both? Name at least one number from the cell above, and one thing
# that subwords make *harder* than single characters would.

# %% [markdown] nbgrader={"grade": true, "grade_id": "written_subwords", "locked": false, "points": 3, "schema_version": 3, "solution": true, "task": false}
# ### BEGIN SOLUTION
# With bytes or characters nothing is ever unknown and the embedding table is tiny, but an article becomes a row of about
# 26,500 tokens instead of 5,700 in GPT-2's subwords. A pass costs more work for every token, attention even
# quadratically, the context window holds a fifth of the text, and each step means next to nothing by itself.
#
# With words the rows are short, but the vocabulary has no end: half of our articles have 39,996 different words, most of
# which occur once and so cannot be learned, every word needs a row of the embedding table and of the last layer, and a
# sixth of the words of the other half are missing all the same. They would become *unknown*: the model could not read
# them, let alone write them.
#
# Subwords take the frequent words whole, so rows stay short (1.4 tokens for a word), and spell the rare ones in pieces
# that are frequent and thus learned, down to single bytes, so nothing is unknown and the size of the vocabulary is ours
# to choose. What gets harder is all that is about letters: a model that reads `·straw` `berry` cannot see how many r's
# there are, and spelling, rhymes, or arithmetic on digits that were merged have to be learned by heart.
#
# *For the grader, one mark each: the cost of single characters or bytes (length, not only "inefficient"); the cost of
# words (unknown words or endless vocabulary); how subwords avoid both, with a number and something that gets harder.*
# ### END SOLUTION

# %% [markdown]
# ## 3. The longest piece that fits
#
# Suppose that somebody gives you a vocabulary of pieces. How do you cut a text with it? The simplest answer is **longest
# match**: take the longest piece with which the text begins, cut it off, go on with the rest. BERT's tokenizer,
# *WordPiece*, works like this within each word (Devlin et al. 2019; Song et al. 2021, who make it fast; its vocabulary is
# learned in the way of Schuster and Nakajima 2012).
#
# $$ \text{hello world} \;\to\; \text{hel} \mid \text{lo} \mid \cdot \mid \text{wo} \mid \text{r} \mid \text{ld} $$
#
# **Predict first.** The pieces are `ab`, `abc`, `cde`, `d` and `e`. What does longest match make of `abcde`, and is that
# the cut with the fewest pieces?
#
# <details><summary>Answer</summary>
#
# <code>abc</code>, <code>d</code>, <code>e</code>: three pieces, while <code>ab</code>, <code>cde</code> would be two.
# Longest match is <em>greedy</em>: it never looks ahead, and never takes a piece back.
# </details>
#
# ### Exercise: `encode_longest_match` (3 points, 15 minutes)
#
# Write `encode_longest_match(text, vocab)`. `vocab` maps pieces (strings of one or more characters) to ids (any whole
# numbers, in any order). Begin at the start of the text; at each place, of all pieces that the rest of the text starts
# with, take the **longest**, append its id, and go on right behind it. Return the list of ids; an empty text gives `[]`.
# Where no piece fits, raise an error, such as a `ValueError` or a `KeyError`: leaving a part out would be a silent loss.
# What has been taken is never taken back, so that may happen even if another cut would have worked.
#
# <details><summary>Hint 1</summary>Keep a position <code>i</code>. Which substrings start there, and in which order do you
# try them so that the first hit is the longest?</details>
# <details><summary>Hint 2</summary>Try the ends <code>j = len(text), …, i + 1</code>, in this order.</details>
# <details><summary>Hint 3</summary><code>for j in range(len(text), i, -1): if text[i:j] in vocab: ...; break</code>, and an
# <code>else:</code> on the <code>for</code>, which runs when nothing was found, raises the error. Ask with
# <code>in</code>: an id may be 0.</details>

# %% nbgrader={"grade": false, "grade_id": "encode_longest_match", "locked": false, "schema_version": 3, "solution": true, "task": false}
def encode_longest_match(text: str, vocab: dict[str, int]) -> list[int]:
    """Ids of the longest pieces of `vocab`, taken greedily from the left, as WordPiece does (Song et al. 2021).

    Raises ValueError where no piece fits (a KeyError would do as well).
    """
    ### BEGIN SOLUTION
    ids, i = [], 0
    while i < len(text):
        for j in range(len(text), i, -1):
            if text[i:j] in vocab:
                ids.append(vocab[text[i:j]])
                i = j
                break
        else:
            raise ValueError(f"No piece of the vocabulary fits {text[i:i + 10]!r}, at position {i}.")
    return ids
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_encode_longest_match", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
def fails(encode, text, vocab):
    try:
        encode(text, vocab)
    except (ValueError, LookupError, RuntimeError, StopIteration, AssertionError):  # any that an author would choose
        return True
    return False


toy = {" ": 0, "lo": 1, "hel": 2, "r": 3, "wo": 4, "ld": 5}
check.equal(encode_longest_match("hello world", toy), [2, 1, 0, 4, 3, 5], mistakes={
    "the space is missing: its id is 0, which `if vocab.get(piece):` takes for no": [2, 1, 4, 3, 5],
    "the pieces came, not their ids": ["hel", "lo", " ", "wo", "r", "ld"],
})
nested = {"d": 9, "a": 4, "ab": 7, "cde": 1, "abc": 3, "e": 0, "bc": 8}
check.equal(encode_longest_match("abcde", nested), [3, 9, 0], mistakes={
    "that is the cut with the fewest pieces, or the one from the right: longest match goes from the left and does not look ahead": [7, 1],
    "a short piece was taken where a longer one fits: of all pieces that fit, take the longest": [4, 8, 9, 0],
}, hint="take the longest piece that fits at each place, from the left")
check.equal(encode_longest_match("abcabaabc", nested), [3, 7, 4, 3], mistakes={
    "the pieces are right, their order is not": [3, 4, 7, 3],
}, hint="take the longest piece that fits at each place, from the left")
check.that(check.beside(fails, encode_longest_match, "hello, world", toy),
           "the vocabulary has no comma: raise a ValueError or a KeyError, do not skip it")
### BEGIN HIDDEN TESTS
skips = lambda text, vocab: [vocab[sign] for sign in text if sign in vocab]
check.that(not check.beside(fails, skips, "hello, world", toy), "the look for errors does not work here")
check.equal(encode_longest_match("", toy), [], hint="an empty text has no tokens")
check.equal(encode_longest_match("ld", toy), [5], hint="wrong for a text that is a single piece")
check.that(check.beside(fails, encode_longest_match, "hex", {"hel": 0, "he": 1}),
           "no piece fits the end of the text: raise a ValueError or a KeyError")
check.that(check.beside(fails, encode_longest_match, "abcd", {"ab": 0, "abc": 1, "cd": 2}),
           "never take a piece back: after the longest, nothing fits, which is an error")
syllables = ["a", "an", "ana", "anan", "b", "ban", "bana", "n", "na", "nab", "nan", "s", " ", "é", "éa", "a b", ".", "(", "n(", "\n"]
lexicon = {piece: 1000 - 37 * place for place, piece in enumerate(syllables)}
scan = re.compile("|".join(map(re.escape, sorted(syllables, key=len, reverse=True))))  # the first alternative that fits wins
draw = torch.Generator().manual_seed(0)
for length in (1, 5, 40, 400):
    babble = "".join(syllables[i] for i in torch.randint(0, len(syllables), (length,), generator=draw).tolist())
    check.equal(encode_longest_match(babble, lexicon), [lexicon[piece] for piece in scan.findall(babble)],
                hint="wrong for a longer text and vocabulary: the longest piece at each place, from the left")
### END HIDDEN TESTS

# %% [markdown]
# ### In the real model: you have written WordPiece
#
# BERT's tokenizer splits a text into lower-case words, then cuts each word by longest match. In its vocabulary, a piece
# that *continues* a word begins with `##`. To use your function on it, mark the beginnings instead: write `▁` before every
# word and before the pieces that start one, and take the `##` off the others. Then compare with the library on real text.

# %% tags=["demo"]
_, wordpiece = models.load_masked_lm(device="cpu")
marked = {piece[2:] if piece.startswith("##") else "▁" + piece: number for piece, number in wordpiece.get_vocab().items()}
backend = wordpiece.backend_tokenizer
words_cut, agreed, unknown, example = 0, 0, 0, {}
for text in unseen[:4]:
    for word, _ in backend.pre_tokenizer.pre_tokenize_str(backend.normalizer.normalize_str(text)):
        theirs = wordpiece.convert_tokens_to_ids(wordpiece.tokenize(word))
        try:
            mine = encode_longest_match("▁" + word, marked)
        except (ValueError, LookupError, RuntimeError, StopIteration, AssertionError):
            mine = [wordpiece.unk_token_id]
            unknown += 1
        words_cut, agreed = words_cut + 1, agreed + (mine == theirs)
        if len(mine) > 3 and len(example) < 4:
            example[word] = wordpiece.convert_ids_to_tokens(mine)
print(f"{words_cut:,} words, {agreed:,} cut exactly as BERT does, {unknown} of them as [UNK]")
token_rows(example, "Rare words in pieces of BERT's vocabulary, cut by your function.")

# %% [markdown]
# Where nothing fits, WordPiece gives up on the whole word and writes `[UNK]`. The text is lost there: nobody can decode
# it. The next section makes sure that this cannot happen.
#
# The other question is where the pieces come from. Before section 6 answers it, two steps prepare the ground.

# %% [markdown]
# ## 4. An alphabet of bytes
#
# Unicode has some 150,000 characters. To have each of them in the vocabulary would fill it with signs that almost never
# occur. But a computer stores text as **bytes**, and there are only 256 of those. The usual code is UTF-8 (Yergeau 2003,
# RFC 3629): one byte for the characters of English, two to four for all others.

# %% tags=["demo"] jupyter={"source_hidden": true}
samples = ["A", "é", "ж", "€", "語", "😀"]
fig, ax = plots.figure(size=(7.2, 3.2))
for row, sign in enumerate(samples):
    for column, value in enumerate(sign.encode()):
        colour = plots.GREY if value < 128 else plots.BLUE if value >= 192 else plots.ORANGE
        ax.text(column, row, f"{value:02X}", ha="center", va="center", color="white", family="monospace", weight="bold",
                bbox={"boxstyle": "round,pad=0.45", "facecolor": colour, "edgecolor": "none"})
        ax.text(column + 0.3, row, f"{value}", ha="left", va="center", fontsize=9)
names = ["A", "é", "ж", "€", "Chinese yu (language)", "grinning face"]
ax.set_yticks(range(len(samples)), [f"{name}  U+{ord(sign):04X}" for name, sign in zip(names, samples)])
ax.set(xlim=(-0.5, 4), ylim=(-0.6, 5.6), xticks=[], title="UTF-8")
ax.invert_yaxis()
ax.grid(False)
ax.spines[["left", "bottom"]].set_visible(False)
plots.caption(fig, "Six characters and their bytes, in hexadecimal and decimal. Grey: a character of one byte. Blue: the "
              "first byte of a longer one. Orange: the bytes that follow it.",
              "Six rows of byte boxes: A has one byte, é and a Cyrillic letter two, the euro sign and a Chinese character "
              "three, an emoji four.")

# %% [markdown]
# **Predict first.** How many bytes are `naïve` and `café😀`?
#
# <details><summary>Answer</summary>
#
# Six and nine: <code>ï</code> and <code>é</code> take two bytes each, the emoji four.
# </details>
#
# So start from the 256 bytes as tokens: every text in the world can be written, and no `[UNK]` is needed. That is what
# GPT-2 does (Radford et al. 2019, §2.2), and most models since.
#
# One nuisance remains. GPT-2's vocabulary and merges are kept in text files, with a space between two pieces, and
# bytes such as 32 (the space itself), 10 (a line break) or 0 would break such a file or be invisible. So its authors
# gave every byte a **printable disguise**, one character each:
#
# - the bytes 33–126, 161–172 and 174–255 stand for themselves: byte $b$ is written as `chr(b)`, such as `A` or `é`;
# - the other 68 bytes, in ascending order, get the characters `chr(256)`, `chr(257)`, `chr(258)` and so on: byte 0 is `Ā`,
#   byte 1 is `ā`.
#
# ### Exercise: `byte_to_unicode` (3 points, 15 minutes)
#
# Write `byte_to_unicode()`: the dict with all 256 bytes (whole numbers 0 to 255) as keys and their disguises (strings of
# one character) as values. The order of the keys does not matter.
#
# <details><summary>Hint 1</summary>Make the list of the bytes that stand for themselves first. 33 is <code>!</code>, 126 is
# <code>~</code>; mind that <code>range</code> stops early.</details>
# <details><summary>Hint 2</summary>Go through all 256 bytes in order, and count how many of the <em>others</em> you have met
# so far.</details>
# <details><summary>Hint 3</summary><code>plain = {*range(33, 127), *range(161, 173), *range(174, 256)}</code>; the n-th byte
# (from 0) that is not in it becomes <code>chr(256 + n)</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "byte_to_unicode", "locked": false, "schema_version": 3, "solution": true, "task": false}
def byte_to_unicode() -> dict[int, str]:
    """GPT-2's printable character for each of the 256 bytes (Radford et al. 2019, their code)."""
    ### BEGIN SOLUTION
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return {byte: chr(byte) for byte in plain} | {byte: chr(256 + n) for n, byte in enumerate(others)}
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_byte_to_unicode", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
disguise = byte_to_unicode()
check.that(isinstance(disguise, dict), "wanted a dict from bytes to characters")
check.equal(sorted(disguise, key=str), sorted(range(256), key=str), hint="the keys are the 256 whole numbers from 0 to 255")
probe = [33, 65, 126, 161, 233, 255, 0, 1, 10, 32, 127]
check.equal([disguise[byte] for byte in probe], ["!", "A", "~", "¡", "é", "ÿ", "Ā", "ā", "Ċ", "Ġ", "ġ"], mistakes={
    "every byte stands for itself here: spaces and line breaks need a disguise": [chr(byte) for byte in probe],
    "the others are numbered one after the other: byte 127 follows on byte 32, so it is not chr(256 + 127)": ["!", "A", "~", "¡", "é", "ÿ", "Ā", "ā", "Ċ", "Ġ", chr(256 + 127)],
    "the space has no disguise yet": ["!", "A", "~", "¡", "é", "ÿ", "Ā", "ā", "Ċ", " ", "Ġ"],
    "each value should be a string of one character: `chr` makes it": [33, 65, 126, 161, 233, 255, 256, 257, 266, 288, 289],
    "the first of the others is chr(256), not chr(257)": ["!", "A", "~", "¡", "é", "ÿ", "ā", "Ă", "ċ", "ġ", "Ģ"],
})
check.equal(len(set(disguise.values())), 256, hint="two bytes share a character: nobody could turn it back")
### BEGIN HIDDEN TESTS
from transformers.convert_slow_tokenizer import bytes_to_unicode

published = bytes_to_unicode()
check.equal({byte: disguise[byte] for byte in range(33, 127)}, {byte: chr(byte) for byte in range(33, 127)},
            hint="the bytes 33 to 126 stand for themselves")
check.equal({byte: disguise[byte] for byte in range(127, 161)}, {byte: published[byte] for byte in range(127, 161)}, mistakes={
    "the others are counted one after the other, whatever their value: byte 127 follows on byte 32": {byte: chr(256 + byte) for byte in range(127, 161)},
    "the bytes 127 to 160 do not stand for themselves": {byte: chr(byte) for byte in range(127, 161)},
}, hint="wrong between 127 and 160: these are not printable, and count on from where byte 32 left off")
check.equal(disguise[173], published[173], mistakes={
    "byte 173, the soft hyphen, is invisible: it needs a disguise too": chr(173),
}, hint="wrong for byte 173, the last of the others")
check.equal(disguise, published, hint="wrong for some byte above 160")
### END HIDDEN TESTS

# %% [markdown]
# ### In the real model: the Ġ in GPT-2's vocabulary
#
# Byte 32, the space, is the 33rd of the bytes without a face of their own, hence `chr(256 + 32)`, which is **Ġ**. That is
# all there is to the mysterious letter in every listing of GPT-2's tokens: it is a space that can be seen.

# %% tags=["demo"]
back = {sign: byte for byte, sign in byte_to_unicode().items()}
vocabulary = gpt2.get_vocab()
by_id = sorted(vocabulary, key=vocabulary.get)
print("size of the vocabulary:", len(vocabulary))
for title, part in (("the first are bytes", by_id[:6]), ("then what was learned", by_id[256:266]), ("the last", by_id[-2:])):
    print(f"{title:>22}:", part)
print("tokens that begin with Ġ:", f"{sum(token.startswith('Ġ') for token in vocabulary):,}")
print("with the disguise taken off:", [bytes(back[sign] for sign in token) for token in by_id[256:266]])
longest_token = max(vocabulary, key=len)
print(f"the longest token: id {vocabulary[longest_token]}, {len(longest_token)} bytes,",
      repr(bytes(back[sign] for sign in longest_token).decode()[:12]), "…")

# %% [markdown]
# So GPT-2's 50,257 are **256 bytes + 50,000 merges + 1** special token, `<|endoftext|>`.
#
# The longest of all tokens is `ÃÂÃÂÃÂ…`, the trace of web pages that were read in the wrong encoding and saved again, over and
# over. They were frequent enough in the text that GPT-2's merges were learned on. A vocabulary is a portrait of the text it
# was counted on. Where the *model* is then trained on something else, some tokens are hardly ever met and do strange things
# in a prompt (Land and Bartolo 2024 find such tokens in many models).

# %% [markdown]
# ## 5. Cut before you count
#
# Soon we shall merge what often stands side by side. Let loose on a whole text, that would make tokens of `dog.`, `dog!`
# and `dog?`, and of `of the`. GPT-2 forbids it: the text is first cut into **pre-tokens**, roughly words with the space
# before them, and no token ever crosses from one into the next (Radford et al. 2019, §2.2). At each place, the first of
# these six rules that fits decides, and takes as much as it can:
#
# | | rule | takes |
# |---|---|---|
# | 1 | one of `'s` `'t` `'re` `'ve` `'m` `'ll` `'d`, in small letters | the ending of *it's*, *we'll* |
# | 2 | a space or none, then **letters** | a word |
# | 3 | a space or none, then **number signs** | `2024`, but also `²` and `½` |
# | 4 | a space or none, then signs that are no letters, no numbers and no white space | `...`, `·(`, `_`, an emoji |
# | 5 | white space, up to but *without* its last character, if something else follows | the indent of a line of code |
# | 6 | white space | what is left of it |
#
# "A space" is the character U+0020; "letters" and "numbers" are those of Unicode in any script, which a regular
# expression calls `\p{L}` and `\p{N}`. Every character falls under one of the rules, so nothing gets lost: the
# pre-tokens, joined, are the text.
#
# **Predict first.** How do the rules cut `a  b`, with two spaces? And `a \n b`?
#
# <details><summary>Answer</summary>
#
# <code>a</code>, <code>·</code>, <code>·b</code>: rule 5 leaves the last space to the word, which so remains the same token
# as after a single space. <code>a</code>, <code>·⏎</code>, <code>·b</code> for the same reason.
# </details>
#
# ### Exercise: `pretokenize` (4 points, 25 minutes)
#
# Write `pretokenize(text)`: the list of pre-tokens of `text`, in order, as GPT-2's rules cut it. An empty text gives `[]`.
# The module `regex` is imported: it is Python's `re` with `\p{L}` and `\p{N}` added. But you may do it as you like.
#
# <details><summary>Hint 1</summary>Alternatives in a regular expression, <code>A|B|C</code>, are tried from left to right:
# write the rules as alternatives in their order, and collect all matches with <code>regex.findall</code>.</details>
# <details><summary>Hint 2</summary>Rule 2 is <code> ?\p{L}+</code>, beginning with a space. For rule 4 you need a class of
# everything but three things: <code>[^\s\p{L}\p{N}]</code>.</details>
# <details><summary>Hint 3</summary>Rule 5 is <code>\s+(?!\S)</code>: white space that is <em>not followed</em> by something
# else. Greedy as it is, it takes all of it, finds that a word follows, and gives back one character. Rule 6 is
# <code>\s+</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "pretokenize", "locked": false, "schema_version": 3, "solution": true, "task": false}
def pretokenize(text: str) -> list[str]:
    """Cut a text into GPT-2's pre-tokens: words with their space, numbers, other signs, white space.

    "".join(pretokenize(text)) == text.
    """
    ### BEGIN SOLUTION
    endings = r"'(?:s|t|re|ve|m|ll|d)"
    runs = r" ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+"
    return regex.findall(rf"{endings}|{runs}|\s+(?!\S)|\s+", text)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_pretokenize", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check.equal(pretokenize("It's two words."), ["It", "'s", " two", " words", "."], mistakes={
    "the spaces are lost: each belongs to the pre-token that follows it": ["It", "'s", "two", "words", "."],
    "that is `split`: punctuation is a pre-token of its own, and spaces are kept": ["It's", "two", "words."],
    "a space is a part of the word behind it, not a pre-token by itself": ["It", "'s", " ", "two", " ", "words", "."],
    "the space belongs to the word behind it, not before it": ["It", "'s ", "two ", "words", "."],
    "rule 1 is missing: the ending 's stays together": ["It", "'", "s", " two", " words", "."],
})
check.equal(pretokenize("a  b"), ["a", " ", " b"], mistakes={
    "rule 5: the last of several spaces belongs to the word behind them": ["a", "  ", "b"],
    "at most one space belongs to a word": ["a", "  b"],
})
check.equal(pretokenize("x_1, 3.50 each"), ["x", "_", "1", ",", " 3", ".", "50", " each"], mistakes={
    "`\\w` is not what the rules call a letter: it takes the underscore and the digits": ["x_1", ",", " 3", ".", "50", " each"],
    "rule 3: a space belongs to the number behind it, as to a word (GPT-4's pattern differs here)": ["x", "_", "1", ",", " ", "3", ".", "50", " each"],
    "a point is no number sign: `3.50` is three pre-tokens": ["x", "_", "1", ",", " 3.50", " each"],
}, hint="letters, numbers and other signs are three kinds, and never share a pre-token")
check.equal(pretokenize("x² + ½ naïve"), ["x", "²", " +", " ½", " naïve"], mistakes={
    "`²` and `½` are number signs (\\p{N}), not letters": ["x²", " +", " ½", " naïve"],
    "`ï` is a letter as well: A to Z are not all": ["x", "²", " +", " ½", " na", "ï", "ve"],
    "`²` is a number sign (\\p{N}), which \\d does not match": ["x", "²", " +", " ½", " na", "ï", "ve"],
}, hint="letters and numbers of any script")
### BEGIN HIDDEN TESTS
def cut_by_library(text):
    """The same rules in the tokenizers library, which tells where each pre-token begins and ends."""
    return [text[start:end] for _, (start, end) in ByteLevel(add_prefix_space=False).pre_tokenize_str(text)]


check.equal(pretokenize(""), [], hint="an empty text has no pre-tokens")
tricky = {
    "We'll say it's done, they've won, I'd, I'm, you're, don't": "wrong for one of the seven endings of rule 1",
    "DON'T 'Til 'tis rock'n'roll 'sun ''s": "wrong for an apostrophe: only the seven endings in small letters are special",
    "it’s": "a typographic apostrophe is a sign like any other",
    "if x:\n    return  y\n\n\n\tpass": "wrong for line breaks and indents: rules 5 and 6",
    "end   ": "wrong for white space at the end of the text: rule 5 takes all of it when nothing follows",
    " \n ": "wrong for a text of white space alone",
    "a \n b\n c\t d": "wrong for mixed white space: only U+0020 can lead a word",
    "  two": "wrong for white space at the start of the text",
    "wow!!! (really?) ... $5 #1 50% a-b": "wrong for runs of other signs: they stay together, with one space before them",
    "2024年 Москва x1y2 ٣٤ Ⅷ": "wrong for letters and numbers of other scripts",
    "😀😀 👍🏽 e\u0301": "emoji and combining accents are neither letters nor numbers",
    "non\u00a0breaking\u2003spaces": "other white space than U+0020 never joins a word",
}
for text, why in tricky.items():
    check.equal(pretokenize(text), cut_by_library(text), hint=why)
for text in (seen[0][:4000], unseen[1][:4000]):
    check.equal(pretokenize(text), cut_by_library(text), hint="wrong somewhere in a Wikipedia article")
### END HIDDEN TESTS

# %% tags=["demo"]
lines = ["It's over  there, isn't it?", "def f(x):\n    return x**2  # 1.5", "naïve café, 東京 2024, ½ price 😀"]
token_rows({f"example {number}": pretokenize(line) for number, line in enumerate(lines, start=1)},
           "Your pre-tokens. No token of GPT-2 ever reaches from one coloured box into the next.")

# %% [markdown]
# ### In the real model
#
# Every family of models has its own rules here. Llama 3 and GPT-4 cut numbers into groups of at most three digits; SmolLM2,
# our model, cuts every digit by itself and then uses GPT-2's rules. A change of one regular expression changes what the
# model sees of arithmetic.
#
# The cut also makes the counting cheap. A text of millions of characters has few *different* pre-tokens, and a few of them
# make up most of it: the $r$-th most frequent occurs about $1/r$ times as often as the first (*Zipf's law*, 1949). So
# count each only once, and remember how often it came.

# %% tags=["demo"] jupyter={"source_hidden": true}
pieces_met = Counter(piece for text in seen + unseen for piece in pretokenize(text))
frequencies = [count for _, count in pieces_met.most_common()]
fig, ax = plots.figure(size=(7.2, 3.6))
ax.loglog(range(1, len(frequencies) + 1), frequencies, color=plots.BLUE, label="our 106 articles")
ax.loglog([1, len(frequencies)], [frequencies[0], frequencies[0] / len(frequencies)], color=plots.GREY, linestyle="--",
          label="1 / rank")
for rank in (1, 10, 100, 1000):
    piece, count = pieces_met.most_common(rank)[-1]
    ax.annotate(plots.visible(piece), (rank, count), xytext=(4, 6), textcoords="offset points", fontsize=9)
ax.set(xlabel="rank of the pre-token", ylabel="how often it occurs")
ax.legend()
plots.caption(fig, f"{pieces_met.total():,} pre-tokens, but only {len(frequencies):,} different ones; the hundred most frequent are "
              f"{sum(frequencies[:100]) / pieces_met.total():.0%} of the text.",
              "A falling line in double logarithmic axes, close to a dashed line of slope minus one: frequency against "
              "rank of pre-tokens, from ·the at the top left down to thousands that occur once.")

# %% [markdown]
# ## 6. Learning the pieces: byte-pair encoding
#
# Gage (1994) invented **byte-pair encoding** (BPE) to compress files: find the pair of neighbouring symbols that occurs
# most often, replace it everywhere by a new symbol, repeat. Sennrich et al. (2016, §3.2) saw that the new symbols make a
# good vocabulary. Frequent words grow together, rare words stay in pieces. In each step, with $c(a, b)$ for the number of
# times that token $b$ follows token $a$ within a pre-token:
#
# $$ (a^*, b^*) = \arg\max_{(a, b)} c(a, b), \qquad \text{vocabulary} \leftarrow \text{vocabulary} \cup \{a^* b^*\} $$
#
# Take `aaabdaaabac`, the usual example. The pair `aa` is the most frequent. Merge it, count again, merge again:
#
# $$ \texttt{a a a b d a a a b a c} \;\to\; \texttt{aa a b d aa a b a c} \;\to\; \cdots $$
#
# **Predict first.** How often does the pair `(a, a)` occur in `a a a b d a a a b a c`? And how many times can it be
# *replaced*?
#
# <details><summary>Answer</summary>
#
# It occurs four times, since <code>a a a</code> contains it twice, overlapping. It can be replaced only twice: from the left,
# the first two <code>a</code> become one token, and the third has no partner any more.
# </details>
#
# ### Exercise: `count_pairs` (2 points, 10 minutes)
#
# Write `count_pairs(words)`. `words` maps each pre-token, as a tuple of its tokens (`bytes`, of any length), to the number of
# times it occurs. Return a `Counter` (or dict): for each pair `(left, right)` of tokens that stand side by side somewhere,
# how often they do so in all. Order matters, and overlapping pairs all count: in `(a, a, a)`, the pair `(a, a)` stands
# twice. A pair that stands nowhere is not a key. Leave `words` as it was.
#
# <details><summary>Hint 1</summary>A word of n tokens has n − 1 pairs of neighbours. A word that occurs 7 times adds how much to
# each of them?</details>
# <details><summary>Hint 2</summary><code>zip(word, word[1:])</code>, or <code>pairwise(word)</code>, gives the pairs as
# tuples.</details>
# <details><summary>Hint 3</summary>Two loops: <code>for word, count in words.items()</code>, <code>for pair in
# pairwise(word)</code>, and <code>counts[pair] += count</code> on a <code>Counter</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "count_pairs", "locked": false, "schema_version": 3, "solution": true, "task": false}
def count_pairs(words: dict[tuple[bytes, ...], int]) -> Counter:
    """How often each pair of tokens stands side by side in all occurrences of all words."""
    ### BEGIN SOLUTION
    counts = Counter()
    for word, count in words.items():
        for pair in pairwise(word):
            counts[pair] += count
    return counts
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_count_pairs", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
counted = count_pairs({(b"a", b"a", b"a", b"a", b"b"): 2, (b"b", b"a"): 5, (b"c",): 7})
check.equal(counted, {(b"a", b"a"): 6, (b"a", b"b"): 2, (b"b", b"a"): 5}, mistakes={
    "each word was counted once: a word that occurs twice counts twice": {(b"a", b"a"): 3, (b"a", b"b"): 1, (b"b", b"a"): 1},
    "a pair that stands several times in one word counts each time": {(b"a", b"a"): 2, (b"a", b"b"): 2, (b"b", b"a"): 5},
    "overlapping pairs all count: (a, a, a, a) has (a, a) three times": {(b"a", b"a"): 4, (b"a", b"b"): 2, (b"b", b"a"): 5},
    "a pair is a tuple of two tokens, not their bytes joined": {b"aa": 6, b"ab": 2, b"ba": 5},
    "(a, b) and (b, a) are different pairs": {(b"a", b"a"): 6, (b"a", b"b"): 7},
    "those are single tokens: count pairs of neighbours": {(b"a",): 13, (b"b",): 7, (b"c",): 7},
    "a pair that stands nowhere should not be a key": {(b"a", b"a"): 6, (b"a", b"b"): 2, (b"b", b"a"): 5, (b"c",): 7},
})
### BEGIN HIDDEN TESTS
def merged_words():
    return {(b" t", b"he"): 9, (b" t", b"h", b"e", b"m"): 4, (b"he", b" t"): 1, (b"\xc3", b"\xa9"): 3, (b"t", b"he"): 2}


check.equal(count_pairs(merged_words()), {(b" t", b"he"): 9, (b" t", b"h"): 4, (b"h", b"e"): 4, (b"e", b"m"): 4, (b"he", b" t"): 1,
                                          (b"\xc3", b"\xa9"): 3, (b"t", b"he"): 2}, hint="wrong for tokens of several bytes")
check.equal(count_pairs({(b"x",): 3}), {}, hint="a single token has no neighbours")
check.equal(count_pairs({}), {}, hint="no words have no pairs")
spelled_out = Counter(tuple(piece) for piece in seen[2][:2000].split())
as_bytes = {tuple(letter.encode() for letter in word): count for word, count in spelled_out.items()}
tally = Counter(pair for word in spelled_out.elements() for pair in pairwise(word))
check.equal(count_pairs(as_bytes), {tuple(letter.encode() for letter in pair): count for pair, count in tally.items()},
            hint="wrong for the words of an article")
check.equal(check.beside(lambda f, w: (f(w), w)[1], count_pairs, merged_words()), merged_words(), hint="you changed `words`")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise: `merge_pair` (3 points, 15 minutes)
#
# Write `merge_pair(word, pair)`: the tuple of tokens `word` with every occurrence of the two tokens `pair` replaced by one
# token, their bytes joined. Go from left to right; a token that has been used up cannot be used again, so `(a, a, a)` with
# the pair `(a, a)` becomes `(aa, a)`. Compare tokens, not bytes: `(ab, c)` does not contain the pair `(a, bc)`. Return a
# tuple; if the pair does not occur, an equal one.
#
# <details><summary>Hint 1</summary>Walk along the word with an index. How far do you step after a hit, and how far
# otherwise?</details>
# <details><summary>Hint 2</summary>Compare <code>word[i:i + 2]</code> with <code>pair</code>: near the end the slice is shorter,
# and simply not equal.</details>
# <details><summary>Hint 3</summary><code>while i &lt; len(word)</code>: on a hit append <code>pair[0] + pair[1]</code> and add 2
# to <code>i</code>; otherwise append <code>word[i]</code> and add 1.</details>

# %% nbgrader={"grade": false, "grade_id": "merge_pair", "locked": false, "schema_version": 3, "solution": true, "task": false}
def merge_pair(word: tuple[bytes, ...], pair: tuple[bytes, bytes]) -> tuple[bytes, ...]:
    """`word` with each occurrence of `pair`, from left to right and without overlaps, made one token."""
    ### BEGIN SOLUTION
    joined, i = [], 0
    while i < len(word):
        if word[i:i + 2] == pair:
            joined.append(pair[0] + pair[1])
            i += 2
        else:
            joined.append(word[i])
            i += 1
    return tuple(joined)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_merge_pair", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check.equal(merge_pair((b"a", b"b", b"c", b"a", b"b"), (b"a", b"b")), (b"ab", b"c", b"ab"), mistakes={
    "every occurrence is to be merged, not the first alone": (b"ab", b"c", b"a", b"b"),
    "wanted a tuple: `tuple(...)` around the list": [b"ab", b"c", b"ab"],
    "the two tokens become one token of joined bytes": ((b"a", b"b"), b"c", (b"a", b"b")),
    "the pair was replaced but its tokens were kept as well": (b"ab", b"b", b"c", b"ab", b"b"),
    "the last token got lost": (b"ab", b"c"),
})
check.equal(merge_pair((b"a", b"a", b"a"), (b"a", b"a")), (b"aa", b"a"), mistakes={
    "a token is used twice: after a hit, step over both tokens": (b"aa", b"aa"),
    "go from the left, not from the right": (b"a", b"aa"),
    "the last token got lost": (b"aa",),
    "one pass is enough: do not merge what you have just merged": (b"aaa",),
})
check.equal(merge_pair((b"ab", b"c", b"d"), (b"a", b"bc")), (b"ab", b"c", b"d"), mistakes={
    "compare tokens, not the bytes they make together": (b"abc", b"d"),
}, hint="the tokens `a` and `bc` do not occur here")
### BEGIN HIDDEN TESTS
a, b, ab = b"a", b"b", b"ab"
for word, pair, want, why in [
    ((a, a, a, a), (a, a), (b"aa", b"aa"), "wrong for four equal tokens"),
    ((a, a, a, a, a), (a, a), (b"aa", b"aa", a), "wrong for five equal tokens"),
    ((b, a, b), (a, b), (b, ab), "wrong for a pair at the end"),
    ((a, b, a), (a, b), (ab, a), "wrong for a single token after the pair: it got lost or changed"),
    ((b, a), (a, b), (b, a), "(b, a) is not the pair (a, b)"),
    ((ab, ab, a, b), (ab, ab), (b"abab", a, b), "wrong for tokens of several bytes"),
    ((a, b, ab), (a, b), (ab, ab), "wrong where the merged token stands there already"),
    ((b"x", ab, b"c"), (b"b", b"c"), (b"x", ab, b"c"), "compare whole tokens: `ab` is not `b`"),
    ((a,), (a, a), (a,), "wrong for a word of one token"),
    ((), (a, b), (), "an empty word stays empty"),
    ((b"\xf0", b"\x9f", b"\x98", b"\x80"), (b"\x9f", b"\x98"), (b"\xf0", b"\x9f\x98", b"\x80"), "wrong for bytes that are no characters"),
]:
    check.equal(merge_pair(word, pair), want, hint=why)
draw = torch.Generator().manual_seed(1)
for length in (7, 30, 200):
    letters = ["pq"[i] for i in torch.randint(0, 2, (length,), generator=draw).tolist()]
    for pair in ("pp", "pq", "qp", "qq"):
        swapped = "".join(letters).replace(pair, "#")  # str.replace goes from left to right, without overlaps
        check.equal(merge_pair(tuple(letter.encode() for letter in letters), (pair[0].encode(), pair[1].encode())),
                    tuple(pair.encode() if sign == "#" else sign.encode() for sign in swapped), hint="wrong for a long word")
### END HIDDEN TESTS

# %% [markdown]
# ### The loop
#
# With these two, training is short:
#
# 1. **Split** the text at every special token (such as `<|endoftext|>`, which stands between two documents). The special
#    tokens themselves are thrown away, and nothing is ever merged across them.
# 2. **Pre-tokenize** each part; count the pre-tokens; write each as a tuple of single bytes of its UTF-8.
# 3. **Count** all pairs, take the most frequent, **merge** it in every word, write it down. Repeat.
#
# Ties must be broken somehow, and everyone who wants the same vocabulary must break them alike. Here, of the pairs that
# are equally frequent, the **greatest** wins, in Python's own order of tuples of `bytes`: `(b"b", b"a")` beats
# `(b"ab", b"z")`.
#
# **The fast way.** As it stands, the loop counts *everything* again at each step, though a merge changes few words. What
# makes it fast is to count once and then keep the books:
#
# - keep, for every pair, its count *and the set of words in which it stands*;
# - to merge a pair, visit only those words: for each, subtract the counts of its old pairs, merge, add the counts of its
#   new pairs (and enter the word under them).
#
# The result is the same to the last merge. Write the slow version first, since it is hard to get wrong, and keep it
# to test the fast one against. Either earns all points; the fast one is what the `lab` below measures.
#
# ### Exercise: `train_bpe` (8 points, 50 minutes)
#
# Write `train_bpe(text, vocab_size, special_tokens)`, for a `text` and a list of strings `special_tokens`, none of which is
# part of another, and `vocab_size >= 256 + len(special_tokens)`. Return the tuple `(vocab, merges)`:
#
# - `merges`: the merged pairs of `bytes` in the order of training, a list of tuples. Stop when the vocabulary is full or
#   when no pair is left. Whether to go on when all pairs that are left occur a single time is up to you: programs differ
#   here, and no test asks for it.
# - `vocab`: a dict from ids to `bytes` with the 256 single bytes, one token for each merge and one for each special token
#   (its UTF-8), so `256 + len(merges) + len(special_tokens)` entries, at most `vocab_size`. Its ids are 0, 1, 2, … without
#   gaps. The usual order is bytes, merges, special tokens, as in GPT-2; the tests accept any.
#
# Pre-tokenize with your `pretokenize`. The text may be empty, and so may the list of special tokens. A special token is in
# the vocabulary even if the text does not have it.
#
# <details><summary>Hint 1</summary>For the split, <code>re.split</code> with a pattern of alternatives. A special token may
# contain signs that mean something in a pattern, such as <code>|</code>: which function of <code>re</code> takes their
# meaning away? And what does an empty pattern do when there are no special tokens?</details>
# <details><summary>Hint 2</summary>The best pair of a step is <code>max(counts, key=lambda pair: (counts[pair], pair))</code>:
# first the count, then the pair itself. The step is then
# <code>words = {merge_pair(word, best): count for word, count in words.items()}</code>.</details>
# <details><summary>Hint 3</summary>For the fast way keep <code>words</code> as a list (so that a word has a number), a Counter
# of pairs, and <code>where = defaultdict(set)</code> from pairs to numbers of words. In a step, for each number in
# <code>where[best]</code>: subtract its frequency from all its pairs, merge, add its frequency to all its new pairs. Words
# that have lost the pair meanwhile do no harm: they stay as they are.</details>

# %% nbgrader={"grade": false, "grade_id": "train_bpe", "locked": false, "schema_version": 3, "solution": true, "task": false}
def train_bpe(text: str, vocab_size: int, special_tokens: list[str]) -> tuple[dict[int, bytes], list[tuple[bytes, bytes]]]:
    """Learn a byte-level BPE vocabulary (Sennrich et al. 2016, on bytes as in Radford et al. 2019).

    Returns (vocab, merges): id -> bytes, and the merged pairs in order. Ties go to the greatest pair; nothing is merged
    across special tokens or pre-tokens.
    """
    ### BEGIN SOLUTION
    parts = re.split("|".join(map(re.escape, special_tokens)), text) if special_tokens else [text]
    pieces = Counter(piece for part in parts for piece in pretokenize(part))
    words = [tuple(bytes([byte]) for byte in piece.encode()) for piece in pieces]
    frequency = list(pieces.values())

    counts, where = Counter(), defaultdict(set)  # pair -> how often it occurs, and in which words

    def book(number):
        for pair in pairwise(words[number]):
            counts[pair] += frequency[number]
            where[pair].add(number)

    for number in range(len(words)):
        book(number)
    merges = []
    for _ in range(vocab_size - 256 - len(special_tokens)):
        top = max(counts.values(), default=0)
        if top == 0:
            break
        best = max(pair for pair, count in counts.items() if count == top)
        merges.append(best)
        for number in where.pop(best):
            for pair in pairwise(words[number]):
                counts[pair] -= frequency[number]
            words[number] = merge_pair(words[number], best)
            book(number)
    tokens = [bytes([byte]) for byte in range(256)]
    tokens += [left + right for left, right in merges]
    tokens += [special.encode() for special in special_tokens]
    return dict(enumerate(tokens)), merges
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_train_bpe", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
def merges_of(answer, text, size, special):
    """The merges, after a look at the vocabulary that came with them."""
    got = answer(text, size, special)
    check.that(isinstance(got, tuple) and len(got) == 2, "wanted a tuple (vocab, merges)")
    vocab, merges = got
    check.that(isinstance(merges, list) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in merges),
               "merges should be a list of tuples (left, right)")
    check.that(all(isinstance(token, bytes) for pair in merges for token in pair), "the tokens in merges should be bytes")
    check.that(isinstance(vocab, dict), "vocab should be a dict from ids to bytes")
    check.equal(sorted(vocab, key=str), sorted(range(len(vocab)), key=str), hint="the ids of the vocabulary should be 0, 1, 2, … without gaps")
    check.that(all(isinstance(token, bytes) for token in vocab.values()), "the tokens in vocab should be bytes")
    tokens = [bytes([byte]) for byte in range(256)] + [left + right for left, right in merges]
    check.equal(sorted(vocab.values()), sorted(tokens + [one.encode() for one in special]), mistakes={
        "the special tokens are missing from the vocabulary": sorted(tokens),
        "the 256 single bytes are missing from the vocabulary": sorted(tokens[256:] + [one.encode() for one in special]),
    }, hint="the vocabulary should hold the 256 bytes, a token for each merge, and the special tokens")
    return merges


a, aa, aaa, aaab = b"a", b"aa", b"aaa", b"aaab"
check.equal(merges_of(train_bpe, "aaabdaaabac\naaabdaaabac", 260, []), [(a, a), (aa, a), (aaa, b"b"), (b"d", aaab)], mistakes={
    "ties go to the greatest pair, not to the smallest": [(a, a), (a, b"b"), (aa, b"ab"), (a, b"c")],
    "ties go to the greatest pair, not to the first that was met": [(a, a), (aa, a), (aaa, b"b"), (aaab, b"d")],
    "ties go to the greatest pair, not to the last that was met": [(a, a), (aa, a), (aaa, b"b"), (a, b"c")],
    "one merge too many: vocab_size counts the 256 bytes as well": [(a, a), (aa, a), (aaa, b"b"), (b"d", aaab), (b"daaab", a)],
    "one merge is missing: the vocabulary is not full yet": [(a, a), (aa, a), (aaa, b"b")],
    "a tie goes to the greater tuple (left, right), not to the greater joined bytes": [(a, a), (a, b"b"), (aa, b"ab"), (b"d", aaab)],
}, hint="vocab_size 260 leaves room for four merges; take the pair that is most frequent after all earlier merges, ties to the greatest")
check.equal(merges_of(train_bpe, "no no no on on on", 260, []), [(b"o", b"n"), (b"n", b"o"), (b" ", b"on"), (b" ", b"no")], mistakes={
    "a merge reaches across pre-tokens: pre-tokenize first": [(b"o", b"n"), (b"o", b" "), (b"n", b"o "), (b"on", b" ")],
    "pre-tokenize the text: splitting at spaces loses them": [(b"o", b"n"), (b"n", b"o")],
    "ties go to the greatest pair of bytes, not of the characters that GPT-2 disguises them as": [(b" ", b"o"), (b" o", b"n"), (b"n", b"o"), (b" ", b"no")],
}, hint="pre-tokens are `no`, ` no` and ` on`; no merge reaches across two of them")
stop = "<|ab|>"
documents = ["ab", "ac", "ab", "ac", "ab"]
check.equal(merges_of(train_bpe, stop.join(documents), 260, [stop]), [(b"a", b"b"), (b"a", b"c")], mistakes={
    "the special token itself was counted: split the text at it": [(b"a", b"b"), (b"|", b">"), (b"<", b"|")],
    "`|` means *or* in a pattern, so the text was also split at every `ab`: escape the special tokens": [(b"a", b"c")],
    "a pair was counted across a special token: split the text there, do not just take the token out": [(b"a", b"b"), (b"c", b"ab"), (b"a", b"cab")],
    "put nothing in a special token's place, not even a space: the text ends there": [(b" ", b"a"), (b" a", b"c"), (b" a", b"b")],
}, hint="special tokens are cut out before anything is counted, the text is split there, and training ends when no pair is left")
### BEGIN HIDDEN TESTS
from transformers.convert_slow_tokenizer import bytes_to_unicode


def slow_merges(pieces, steps, greatest=lambda count, pair: (count, pair)):
    """BPE on strings: each token is one character of Unicode's private area, and str.replace does the merging."""
    tokens = [bytes([byte]) for byte in range(256)]
    words = Counter("".join(chr(0xE000 + byte) for byte in piece.encode()) for piece in pieces)
    merges = []
    for _ in range(steps):
        pairs = Counter()
        for word, count in words.items():
            for neighbours in pairwise(word):
                pairs[neighbours] += count
        if not pairs:
            break
        name = {pair: (tokens[ord(pair[0]) - 0xE000], tokens[ord(pair[1]) - 0xE000]) for pair in pairs}
        best = max(pairs, key=lambda pair: greatest(pairs[pair], name[pair]))
        merges.append(name[best])
        words = Counter({word.replace("".join(best), chr(0xE000 + len(tokens))): count for word, count in words.items()})
        tokens.append(b"".join(name[best]))
    return merges


def cut(text):
    return [text[start:end] for _, (start, end) in ByteLevel(add_prefix_space=False).pre_tokenize_str(text)]


story = seen[3][:1500]
pages = [seen[4][:700], seen[5][:700], "naïve 東京 😀😀😀 Ünïcödé — “so”"]
want = slow_merges(cut(story), 120)
check.equal(merges_of(train_bpe, story, 376, []), want, mistakes={
    "ties go to the greatest pair of bytes, not to the smallest": lambda: slow_merges(cut(story), 120, lambda count, pair: (count, [-byte for byte in pair[0] + b"\0" + pair[1]])),
    "ties go to the pair that is greater as a tuple, not by its joined bytes": lambda: slow_merges(cut(story), 120, lambda count, pair: (count, pair[0] + pair[1], pair)),
    "ties go to the greatest pair of bytes, not of the characters that GPT-2 disguises them as": lambda: slow_merges(cut(story), 120, lambda count, pair: (count, ["".join(bytes_to_unicode()[byte] for byte in token) for token in pair])),
    "a merge reaches across pre-tokens: pre-tokenize first": lambda: slow_merges([story], 120),
}, hint="wrong for the beginning of an article")
check.equal(merges_of(train_bpe, stop.join(pages), 340, [stop, "<pad>"]), slow_merges([piece for page in pages for piece in cut(page)], 82), mistakes={
    "the special tokens count in vocab_size": lambda: slow_merges([piece for page in pages for piece in cut(page)], 84),
    "the special token itself was counted: split the text at it": lambda: slow_merges(cut(stop.join(pages)), 82),
    "put nothing in a special token's place, not even a space: the text ends there": lambda: slow_merges(cut(" ".join(pages)), 82),
}, hint="wrong for three documents with a special token between them")
check.equal(merges_of(train_bpe, "x(y)x[y]z.x(y)", 259, ["(y)", "[y]", "z."]), [], hint="every sign of a special token means itself: escape it. Here there is nothing left to merge")
check.equal(merges_of(train_bpe, "x(yy)x(yy)[y]w.w.xxyy(y)xxyy", 266, ["(y)", "[y]", "z."]), slow_merges(["x", "(", "yy", ")", "x", "(", "yy", ")", "w", ".", "w", ".", "xxyy", "xxyy"], 7),
            hint="every sign of a special token means itself: escape it")
check.equal(merges_of(train_bpe, "hello hello", 256, []), [], hint="a vocabulary of 256 has no room for a merge")
check.equal(merges_of(train_bpe, "hello hello", 258, ["<a>", "<b>"]), [], hint="256 bytes and two special tokens leave no room for a merge")
check.equal(merges_of(train_bpe, "", 300, ["<a>"]), [], hint="an empty text has nothing to merge")
check.equal(merges_of(train_bpe, "aaaaaaa aaaa aaa aaaa aaa\naaaaaaa", 270, []), slow_merges(["aaaaaaa", " aaaa", " aaa"] * 2, 14), hint="wrong where a token is its own neighbour")
check.equal(check.beside(lambda f, s: (f("ab ab", 260, s), s)[1], train_bpe, ["<b>", "<longer>"]), ["<b>", "<longer>"], hint="you changed the list of special tokens")
### END HIDDEN TESTS

# %% [markdown]
# ### The slow and the fast loop, side by side
#
# Now the race: the slow loop of the three steps above, your `train_bpe`, and the trainer of the `tokenizers` library, which
# is written in Rust. The task is a vocabulary of 1,000 tokens; what counts is processor time, so that the library, which uses
# all cores, has no advantage from that. The slow loop runs to its end on the two small samples only. On the others its first
# ten steps are timed and multiplied up; since words get shorter as they are merged, and steps cheaper, the product is
# corrected by what the same estimate got wrong on the second sample.

# %% tags=["lab"]
import time

from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

END = "<|endoftext|>"
STEPS = 1000 - 256 - 1


def timed(function, *args):
    start = time.process_time()
    result = function(*args)
    return time.process_time() - start, result


def spelled_words(texts):
    return {tuple(bytes([byte]) for byte in piece.encode()): count
            for piece, count in Counter(piece for text in texts for piece in pretokenize(text)).items()}


def slow_loop(words, steps):
    for _ in range(steps):
        counts = count_pairs(words)
        if not counts:
            break
        best = max(counts, key=lambda pair: (counts[pair], pair))
        words = {merge_pair(word, best): count for word, count in words.items()}


def by_the_library(texts):
    library = Tokenizer(BPE())
    library.pre_tokenizer = ByteLevel(add_prefix_space=False)
    library.train_from_iterator(texts, BpeTrainer(vocab_size=1000, special_tokens=[END], show_progress=False,
                                                  initial_alphabet=ByteLevel.alphabet()))
    return library


samples = [(seen + unseen)[:number] for number in (2, 6, 30, 106)]
sizes, seconds = [], {"slow loop": [], "your train_bpe": [], "library, in Rust": []}
correction = 1.0
for number, texts in enumerate(runtime.progress(samples, "samples")):
    words = spelled_words(texts)
    estimate = timed(slow_loop, words, 10)[0] * STEPS / 10
    if number < 2:
        slow_seconds = timed(slow_loop, words, STEPS)[0]
        correction = slow_seconds / estimate
    else:
        slow_seconds = estimate * correction
    yours_seconds, _ = timed(train_bpe, END.join(texts), 1000, [END])
    library_seconds, _ = timed(by_the_library, texts)
    sizes.append(sum(map(len, texts)))
    for name, value in zip(seconds, (slow_seconds, yours_seconds, library_seconds)):
        seconds[name].append(value)
    print(f"{sizes[-1]:>10,} characters: slow loop {slow_seconds:6.1f} s{'' if number < 2 else ' (estimated)'}, yours "
          f"{yours_seconds:5.1f} s, library {library_seconds:4.1f} s")
    if yours_seconds > 40:
        print("Yours is the slow loop, which is right but takes its time: larger samples are left out.")
        break

fig, ax = plots.figure(size=(7.2, 3.8))
for (name, values), marker in zip(seconds.items(), "os^"):
    (line,) = ax.loglog(sizes, values, marker=marker, label=name)
    if name == "slow loop":
        ax.loglog(sizes[2:], values[2:], "o", color=line.get_color(), markerfacecolor=plots.CARD)
ax.set(xlabel="characters in the sample", ylabel="processor seconds for 1,000 tokens")
ax.legend()
plots.caption(fig, "Time to train 1,000 tokens. Hollow: estimated from the first ten steps.",
              "Three lines in double logarithmic axes, all rising with the size of the sample: the slow loop on top, your "
              "trainer below it, the library at the bottom.")

# %% [markdown]
# The slow loop's time grows with steps × different words; the fast one pays for every word once, and after that for changes
# only. It is the same idea as in a spreadsheet: a cell is computed again when one of its inputs has changed.
#
# Now look at what has been learned. The first merges tell you that this is English; move the slider and watch a sentence grow
# together.

# %% tags=["demo"]
own_vocab, own_merges = train_bpe("<|endoftext|>".join(seen[:16]), 1000, ["<|endoftext|>"])
print("the first merges:", [left + right for left, right in own_merges[:18]])
print("the last merges: ", [left + right for left, right in own_merges[-8:]])
print("longest tokens:  ", sorted(own_vocab.values(), key=len)[-9:])


def after(merges: int) -> list[bytes]:
    sentence = "The international community is in the United States."
    words = [tuple(bytes([byte]) for byte in piece.encode()) for piece in pretokenize(sentence)]
    for pair in own_merges[:merges]:
        words = [merge_pair(word, pair) for word in words]
    return [token for word in words for token in word]


def show_merges(merges: int) -> None:
    token_rows({f"{merges} merges": after(merges)}, f"{len(after(merges))} tokens after {merges} merges.")


token_rows({f"{number} merges": after(number) for number in (0, 10, 50, 250)}, "One sentence under your first merges.")
play(show_merges, merges=whole(len(own_merges), 0, len(own_merges), "merges"))

# %% [markdown]
# ## 7. Using the pieces: encode and decode
#
# Training leaves two things behind: a vocabulary and a list of merges. To **encode** a new text, do to it what was done to
# the training text: split at special tokens, pre-tokenize, spell in bytes, and apply the merges **in the order in which
# they were learned**. For a word $w$ with tokens $w_1 \dots w_n$, look at the pairs that stand in it and merge the one that
# was learned first:
#
# $$ (a, b) = \arg\min_{(w_i, w_{i+1})} \text{rank}(w_i, w_{i+1}), \qquad \text{rank} = \text{place in the list of merges, } \infty \text{ if not in it} $$
#
# until no pair in the word is in the list (Sennrich et al. 2016, §3.2). The vocabulary then gives the ids.
#
# **Predict first.** Could you skip the merges, and cut each word by longest match with GPT-2's vocabulary, as in section 3?
#
# <details><summary>Answer</summary>
#
# You would get another tokenizer. Both cut frequent words alike, since those are one token. But BPE builds
# <code>·encompassed</code> from below and reaches <code>·encomp|assed</code>, while longest match takes
# <code>·encompass|ed</code>, and the model was trained on the former. After the exercise you can count how often they differ.
# </details>
#
# ### Exercise: `bpe_encode` (6 points, 35 minutes)
#
# Write `bpe_encode(text, vocab, merges, special_tokens)`: the list of ids of `text`. `vocab` (id → `bytes`, the ids in any
# order) and `merges` are as `train_bpe` returns them; `special_tokens` is a list of strings, perhaps empty, each of which is
# in `vocab` as its UTF-8.
#
# - Each special token in the text becomes its own single id, wherever it stands. Where several fit at the same place, the
#   longest counts. What looks like a special token but is not in the list is ordinary text.
# - What lies between is pre-tokenized with your `pretokenize`, part by part.
# - Within a pre-token, the pair that comes first in `merges` is merged first, from left to right, until no pair of
#   neighbours is in `merges`.
#
# An empty text gives `[]`. Leave the arguments as they were. The tests use GPT-2's 50,000 merges on some two hundred words;
# going through the whole list for each word is slow but in time.
#
# <details><summary>Hint 1</summary>You need two dicts: from pairs to their rank, and from bytes to ids, the reverse of
# <code>vocab</code>.</details>
# <details><summary>Hint 2</summary><code>re.split</code> with a <em>group</em>, <code>re.split("(" + pattern + ")", text)</code>,
# keeps what it splits at. With the special tokens sorted by length, longest first, the longest alternative is tried
# first.</details>
# <details><summary>Hint 3</summary>For a word: <code>best = min(pairwise(word), key=lambda pair: rank.get(pair, math.inf))</code>;
# stop if <code>best</code> is not in <code>rank</code>, else <code>word = merge_pair(word, best)</code>. Words come again and
# again: remember the ids of those you have done.</details>

# %% nbgrader={"grade": false, "grade_id": "bpe_encode", "locked": false, "schema_version": 3, "solution": true, "task": false}
def bpe_encode(text: str, vocab: dict[int, bytes], merges: list[tuple[bytes, bytes]], special_tokens: list[str]) -> list[int]:
    """Ids of a text under a byte-level BPE tokenizer (Sennrich et al. 2016); the order of `merges` decides.

    special_tokens: where one stands in the text, it becomes its single id; where several fit, the longest counts.
    """
    ### BEGIN SOLUTION
    ids = {token: number for number, token in vocab.items()}
    rank = {pair: place for place, pair in enumerate(merges)}
    longest_first = sorted(special_tokens, key=len, reverse=True)
    parts = re.split(f"({'|'.join(map(re.escape, longest_first))})", text) if special_tokens else [text]
    known = {special: [ids[special.encode()]] for special in special_tokens}  # also what has been encoded before

    def encode_piece(piece):
        word = tuple(bytes([byte]) for byte in piece.encode())
        while len(word) > 1:
            best = min(pairwise(word), key=lambda pair: rank.get(pair, math.inf))
            if best not in rank:
                break
            word = merge_pair(word, best)
        return [ids[token] for token in word]

    encoded = []
    for part in parts:
        for piece in [part] if part in special_tokens else pretokenize(part):
            if piece not in known:
                known[piece] = encode_piece(piece)
            encoded += known[piece]
    return encoded
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_bpe_encode", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
learned = [(b"b", b"c"), (b"a", b"b"), (b"a", b"bc"), (b" ", b"a"), (b"ab", b" ")]
small_tokens = [bytes([byte]) for byte in range(256)] + [left + right for left, right in learned] + [b"<|x|>", b"<|x|><|y|>"]
small = {2000 - 7 * place: token for place, token in enumerate(small_tokens)}  # ids need not be places, nor in their order
number_of = {token: number for number, token in small.items()}


def ids_of(*tokens):
    return [number_of[token] for token in tokens]


check.equal(bpe_encode("ab abc", small, learned, []), ids_of(b"ab", b" ", b"abc"), mistakes={
    "that is the longest match, or the leftmost pair, or the latest: merge the pair that was learned first": ids_of(b"ab", b" a", b"bc"),
    "a merge reaches across pre-tokens: pre-tokenize first": ids_of(b"ab ", b"abc"),
    "nothing was merged": ids_of(b"a", b"b", b" ", b"a", b"b", b"c"),
    "only one merge was made in each word: go on until no pair is in the list": ids_of(b"ab", b" ", b"a", b"bc"),
    "these are places in a list: look up the ids in vocab": [small_tokens.index(token) for token in (b"ab", b" ", b"abc")],
    "the tokens came: look up their ids in vocab": [b"ab", b" ", b"abc"],
}, hint="the merges are bc, ab, a+bc, ' '+a, ab+' ', in this order")
check.equal(bpe_encode("hello world", gpt2_vocab, gpt2_merges, []), [31373, 995], mistakes={
    "a space was put before the text": [23748, 995],
    "the second word lost its space": [31373, 6894],
}, hint="wrong with GPT-2's vocabulary and merges")
check.equal(bpe_encode(" hello world", gpt2_vocab, gpt2_merges, []), [23748, 995], mistakes={
    "the space at the start is part of the first word: do not strip it": [31373, 995],
})
check.equal(bpe_encode("ab<|x|>abc", small, learned, ["<|x|>"]), ids_of(b"ab", b"<|x|>", b"abc"), mistakes={
    "the special token is missing: keep what you split at": ids_of(b"ab", b"abc"),
    "the special token was encoded like ordinary text: it has an id of its own": ids_of(b"ab", b"<", b"|", b"x", b"|", b">", b"abc"),
}, hint="a special token in the text becomes its own id")
### BEGIN HIDDEN TESTS
check.equal(bpe_encode("", small, learned, ["<|x|>"]), [], hint="an empty text has no tokens")
check.equal(bpe_encode("<|x|>", small, learned, []), ids_of(b"<", b"|", b"x", b"|", b">"), hint="a special token that is not in the list is ordinary text")
both = ["<|x|>", "<|x|><|y|>"]
check.equal(bpe_encode("<|x|><|y|>ab<|x|><|x|><|x|><|y|>", small, learned, both), ids_of(b"<|x|><|y|>", b"ab", b"<|x|>", b"<|x|>", b"<|x|><|y|>"),
            hint="where two special tokens fit, the longest counts; and several may stand side by side")
check.equal(bpe_encode("ab <|x|> ac", small, learned, both), ids_of(b"ab", b" ", b"<|x|>", b" a", b"c"),
            hint="the text ends at a special token: spaces beside it stay, and nothing is merged across it")
kept = check.beside(lambda f, v, m, s: (f("a<|x|>", v, m, s), v, m, s)[1:], bpe_encode, dict(enumerate(small_tokens)), list(learned), ["<|x|>", "<|x|><|y|>"])
check.equal(kept, (dict(enumerate(small_tokens)), learned, ["<|x|>", "<|x|><|y|>"]), hint="you changed an argument")
repeated = [(b"a", b"a"), (b"aa", b"a"), (b"aa", b"aa")]
runs = dict(enumerate([b"a", b"aa", b"aaa", b"aaaa", *(bytes([byte]) for byte in range(256) if byte != 97)]))
check.equal([bpe_encode("a" * n, runs, repeated, []) for n in range(1, 9)], [[0], [1], [2], [3], [1, 2], [3, 1], [3, 2], [3, 3]],
            hint="wrong for runs of one letter: a pair is merged from left to right, all its occurrences before any pair that was learned later")
prose = "The encompassed multidisciplinary café sold 3 naïve agroclimatologists' Minimizing weeds:\n\n\tit's über-in vitro, 東京 😀… don't!  x²"
check.equal(bpe_encode(prose, gpt2_vocab, gpt2_merges, ["<|endoftext|>"]), gpt2(prose).input_ids, hint="not GPT-2's ids for a text with rare words and signs")
documents = "<|endoftext|>".join([seen[6][:220], unseen[7][300:520], ""])
check.equal(bpe_encode(documents, gpt2_vocab, gpt2_merges, ["<|endoftext|>"]), gpt2(documents).input_ids, hint="not GPT-2's ids for pieces of two articles")
check.equal(bpe_encode("<|endoftext|>hi", gpt2_vocab, gpt2_merges, []), gpt2("<|endoftext|>hi", split_special_tokens=True).input_ids,
            hint="a special token that is not in the list is ordinary text")
### END HIDDEN TESTS

# %% [markdown]
# ### In the real model: GPT-2, id by id
#
# The same function with other files is another tokenizer. Here is one word as the list of GPT-2's merges grows, and then
# the proof of the pudding: all 106 articles, 2.8 million characters, against the library.

# %% tags=["demo"]
for text in ("hello world", " hello world"):
    print(repr(text), "->", bpe_encode(text, gpt2_vocab, gpt2_merges, []), "- the library:", gpt2(text).input_ids)
rows = {}
for merged in (0, 20, 100, 500, 2_000, 10_000, 50_000):
    word_ids = bpe_encode(" Hydroxyproline encompassed it", gpt2_vocab, gpt2_merges[:merged], [])
    rows[f"{merged:,} merges"] = [gpt2_vocab[number] for number in word_ids]
token_rows(rows, "One text under the first merges of GPT-2, up to all 50,000.")

# %% tags=["lab"]
same = 0
for text in runtime.progress(seen + unseen, "articles"):
    same += bpe_encode(text, gpt2_vocab, gpt2_merges, ["<|endoftext|>"]) == gpt2(text, verbose=False).input_ids
print(f"{same} of {len(seen + unseen)} articles have GPT-2's ids, every one of them")

# %% [markdown]
# And the longest match of section 3, on the same vocabulary?

# %% tags=["demo"]
signs = byte_to_unicode()
words_of_ten = Counter(piece for text in unseen[:10] for piece in pretokenize(text))
lengths, changed, shown = Counter(), 0, {}
for piece, count in words_of_ten.items():
    merged_ids = gpt2(piece).input_ids
    longest_ids = encode_longest_match("".join(signs[byte] for byte in piece.encode()), vocabulary)
    lengths.update({"BPE": count * len(merged_ids), "longest match": count * len(longest_ids)})
    changed += merged_ids != longest_ids
    if merged_ids != longest_ids and piece.strip().isalpha() and len(shown) < 8 and len(piece) > 7:
        shown[f"BPE: {piece.strip()}"] = [gpt2_vocab[number] for number in merged_ids]
        shown[f"longest: {piece.strip()}"] = [gpt2_vocab[number] for number in longest_ids]
print(f"{changed:,} of {len(words_of_ten):,} different pre-tokens are cut otherwise; tokens in all: {dict(lengths)}")
token_rows(shown, "The same vocabulary, used in two ways.")

# %% [markdown]
# Longest match needs even a few tokens *less*, and to a human eye it often cuts better. What counts is none of that: the
# model has been trained on the cuts of BPE, and any other row of ids is a text such as it has never read.
#
# ### Back to text
#
# Decoding is easier: look up the bytes of every id, join them, read them as UTF-8. But a token is bytes, and need not be
# whole characters. The emoji 😀 is four bytes, which GPT-2 cuts in two tokens. Cut a row of ids at the wrong place, or let
# a model write one half and stop, and there is a torso of a character, which is no valid UTF-8. Python's way of coping is
# `errors="replace"`: what cannot be read becomes `�`, the replacement character U+FFFD.
#
# **Predict first.** A program prints every token as soon as the model has written it, with `print(decode([i]), end="")`. What
# will its users see when the model writes 😀?
#
# <details><summary>Answer</summary>
#
# Two or more <code>�</code>, and never the emoji, since no single token is one. Decode everything written so far, and print
# what is new once it is complete.
# </details>
#
# ### Exercise: `bpe_decode` (2 points, 10 minutes)
#
# Write `bpe_decode(ids, vocab)`: the text of a list of ids, `vocab` mapping ids to `bytes`. Join the bytes of **all** tokens
# first, then decode them as UTF-8; bytes that are no valid UTF-8 become `�`, as `errors="replace"` does it. No ids give the
# empty text. An id that is not in `vocab` must not vanish without a trace: raise an error, as `vocab[i]` does.
#
# <details><summary>Hint 1</summary>How long can a character be that lies across the border of two tokens? Does it matter, if
# you join first?</details>
# <details><summary>Hint 2</summary><code>b"".join(...)</code> joins bytes.</details>
# <details><summary>Hint 3</summary><code>.decode("utf-8", errors="replace")</code> on the joined bytes.</details>

# %% nbgrader={"grade": false, "grade_id": "bpe_decode", "locked": false, "schema_version": 3, "solution": true, "task": false}
def bpe_decode(ids: list[int], vocab: dict[int, bytes]) -> str:
    """The text of these ids; bytes that are no UTF-8 become U+FFFD. An id that is not in `vocab` is an error."""
    ### BEGIN SOLUTION
    return b"".join([vocab[number] for number in ids]).decode(errors="replace")
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_bpe_decode", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
halves_of_a_smile = {4: b"\xf0\x9f", 2: b"\x98\x80", 9: b"so ", 0: b" it is"}
check.equal(bpe_decode([9, 4, 2, 0], halves_of_a_smile), "so 😀 it is", mistakes={
    "each token was decoded by itself: join the bytes first": "so ��� it is",
    "what cannot be decoded token by token was left out: join the bytes first": "so  it is",
    "bytes came: decode them": b"so \xf0\x9f\x98\x80 it is",
    "each byte became a character of its own (Latin-1): the bytes are UTF-8": "so ð\x9f\x98\x80 it is",
    "there are spaces between the tokens: join the bytes with nothing between them": "so  � ��  it is",
    "the tokens came in the order of the vocabulary": "😀so  it is",
})
check.equal(bpe_decode([9, 4], halves_of_a_smile), "so �", mistakes={
    "the torso of a character becomes �, it is not left out": "so ",
}, hint="half an emoji becomes one replacement character")
### BEGIN HIDDEN TESTS
check.equal(bpe_decode([], halves_of_a_smile), "", hint="no ids give the empty text")
check.equal(bpe_decode([2, 9], halves_of_a_smile), "��so ", hint="wrong for bytes that cannot begin a character")
check.equal(bpe_decode([4, 9], halves_of_a_smile), "�so ", hint="wrong for a character that breaks off in the middle of the text")
def read_or_fail(decode, ids, vocab):
    try:
        return decode(ids, vocab)
    except (ValueError, LookupError, RuntimeError, AssertionError):
        return "an error"


read = check.beside(read_or_fail, bpe_decode, [9, 77], halves_of_a_smile)  # an error is best; a sign of a gap will do
check.that(read in ("an error", "so �"), "an id that is not in the vocabulary must not vanish without a trace: raise an error, such as a KeyError")
for text in ("naïve 東京 😀… x²\n\n", " Ġ Ċ is not a space", unseen[3][:1000]):
    check.equal(bpe_decode(gpt2(text).input_ids, gpt2_vocab), text, hint="not the text that GPT-2's ids came from")
### END HIDDEN TESTS

# %% [markdown]
# Now everything you have written works together. Play with your own tokenizer beside the others:

# %% tags=["demo"]
token_playground("Your own tokenizer has read only sixteen articles: it knows Latin and administration, but no emoji 😀 and little slang, lol.",
                 own=(lambda text: bpe_encode(text, own_vocab, own_merges, ["<|endoftext|>"]), own_vocab))

# %% [markdown]
# ## 8. Rows of one length
#
# A model works on a **batch**, a table of ids of shape $(B, T)$, and a table has rows of one length. Texts have not. So
# short rows are **padded** with a filler, long ones are **truncated**, and an **attention mask** of the same shape says which
# ids are real (1) and which are filler (0). Attention then gives filler no weight (unit 05), and the loss leaves it out
# (unit 06).
#
# On which side? A model that writes appends at the right end, so it wants its filler on the **left**. For training or
# classifying, the right is as good, and usual.
#
# Which token is the filler? GPT-2 was trained without padding and has none. Let us give it one, as many tutorials
# do:

# %% tags=["demo"]
from transformers import GPT2Config, GPT2LMHeadModel

padded_gpt2 = models.gpt2_tokenizer()
print("before:", len(padded_gpt2), "tokens, padding token:", padded_gpt2.pad_token)
padded_gpt2.add_special_tokens({"pad_token": "[PAD]"})
print("after: ", len(padded_gpt2), "tokens, padding token:", padded_gpt2.pad_token, "with id", padded_gpt2.pad_token_id)

tiny = GPT2LMHeadModel(GPT2Config(n_embd=8, n_layer=1, n_head=1))  # GPT-2's vocabulary, hardly any weights
print("rows of the embedding table:", tiny.get_input_embeddings().weight.shape[0])
filler = torch.tensor([[31373, padded_gpt2.pad_token_id]])
try:
    tiny(filler)
except IndexError as error:
    print("IndexError:", error)
tiny.resize_token_embeddings(len(padded_gpt2), mean_resizing=False)
print("resized:", tiny.get_input_embeddings().weight.shape[0], "rows, logits", tuple(tiny(filler).logits.shape))

# %% [markdown]
# That is why some people's GPT-2 has a vocabulary of 50,258. The tokenizer has gained an id, but the model has no row for it:
# ids run from 0 to 50,256, the new one is 50,257, and the lookup fails (on a GPU with a rather less helpful message;
# `transformers` issue 9542 is one of many). Either enlarge the table by a row that has never been trained, or use a
# token that exists: `pad_token = eos_token`. What the filler *is* does not matter, provided that the mask says that it is
# filler.
#
# **Predict first.** If the filler is a token that may also be a real one, such as `<|endoftext|>`, can you compute the
# mask as `ids != pad_id`?
#
# <details><summary>Answer</summary>
#
# No. A text that really contains <code>&lt;|endoftext|&gt;</code> would have it masked out: the model could never see
# where a text ends, or learn to end one. The mask must come from the <em>lengths</em> of the rows.
# </details>
#
# ### Exercise: `pad_batch` (3 points, 20 minutes)
#
# Write `pad_batch(sequences, pad_id, max_length, side)` for a list of one or more lists of ids. Return the tuple
# `(input_ids, attention_mask)`, two tensors of whole numbers (int64 is usual) and of shape `(len(sequences), max_length)`,
# **always** of that width:
#
# - a sequence that is longer is cut to its **first** `max_length` ids. (Whether `side="left"` should also cut on the left, and
#   so keep the last ids, is a matter of taste; Hugging Face has a separate switch, `truncation_side`. No test asks for it.)
# - a shorter one is filled up with `pad_id`, on the `side`, `"left"` or `"right"`; its own ids keep their order;
# - the mask is 1 for the ids of the sequence and 0 for filler. `pad_id` may also be a real token of a sequence.
#
# A sequence may be empty. Leave the lists as they were.
#
# <details><summary>Hint 1</summary>Cut first. Then how many fillers does a row need, and how many ones has its mask?</details>
# <details><summary>Hint 2</summary>Lists can be multiplied and added: <code>[pad_id] * 3 + ids</code>. That makes new lists,
# while <code>+=</code> and <code>append</code> would change the caller's.</details>
# <details><summary>Hint 3</summary>Build the row and its mask as lists, <code>ids + filler</code> or <code>filler + ids</code>,
# and the same with ones and zeros; <code>torch.tensor</code> of a list of lists is int64.</details>

# %% nbgrader={"grade": false, "grade_id": "pad_batch", "locked": false, "schema_version": 3, "solution": true, "task": false}
def pad_batch(sequences: list[list[int]], pad_id: int, max_length: int, side: str) -> tuple[Tensor, Tensor]:
    """(input_ids, attention_mask), both of whole numbers and of shape (number of sequences, max_length).

    side: where the filler goes, "left" or "right". A longer sequence keeps its first max_length ids.
    """
    ### BEGIN SOLUTION
    rows, masks = [], []
    for sequence in sequences:
        ids = list(sequence[:max_length])
        missing = max_length - len(ids)
        filler, mask = [pad_id] * missing, [1] * len(ids)
        rows.append(filler + ids if side == "left" else ids + filler)
        masks.append([0] * missing + mask if side == "left" else mask + [0] * missing)
    return torch.tensor(rows), torch.tensor(masks)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_pad_batch", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
def whole_numbers(padded):
    """The two tables as int64, after a look at what they are."""
    check.that(isinstance(padded, (tuple, list)) and len(padded) == 2, "wanted a tuple (input_ids, attention_mask)")
    for name, table in zip(("input_ids", "attention_mask"), padded, strict=True):
        check.that(isinstance(table, Tensor), f"{name} should be a tensor")
        check.that(not table.is_floating_point(), f"{name} should hold whole numbers, not floats: `dtype=torch.long`")
    return padded[0].long(), padded[1].long()


for side, rows, ones in (("right", [[5, 6, 7, 9], [9, 8, 9, 9], [1, 2, 3, 4]], [[1, 1, 1, 0], [1, 1, 0, 0], [1, 1, 1, 1]]),
                         ("left", [[9, 5, 6, 7], [9, 9, 9, 8], [4, 4, 4, 4]], [[0, 1, 1, 1], [0, 0, 1, 1], [1, 1, 1, 1]])):
    rows, ones = torch.tensor(rows), torch.tensor(ones)
    last_ids = torch.cat([rows[:2], torch.tensor([[3, 4, 5, 6]])])
    padded = whole_numbers(pad_batch([[5, 6, 7], [9, 8], [1, 2, 3, 4, 5, 6] if side == "right" else [4] * 6], 9, 4, side))
    check.shape(padded[0], (3, 4), hint="every row has exactly max_length ids")
    check.equal(padded, (rows, ones), mistakes={
        "a long sequence keeps its first ids, not its last": (last_ids, ones),
        "the mask is 0 where a real token has the padding's id: build it from the lengths": (rows, (rows != 9).long()),
        "the mask is the wrong way round: 1 is a real token": (rows, 1 - ones),
        "the mask does not say which ids are filler": (rows, torch.ones_like(rows)),
        "the mask has its zeros on the other side": (rows, ones.flip(1)),
        "the two are in the wrong order: input_ids first": (ones, rows),
    }, hint=f"wrong with side={side!r}: the filler goes to the {side}, and the mask with it")
### BEGIN HIDDEN TESTS
def by_torch(sequences, pad_id, max_length, side):
    """torch's own padding, on cut sequences and with one more row that has the full width."""
    def fill(rows, value):
        full = [torch.tensor(row, dtype=torch.long) for row in rows] + [torch.zeros(max_length, dtype=torch.long)]
        return torch.nn.utils.rnn.pad_sequence(full, batch_first=True, padding_value=value, padding_side=side)[:-1]

    kept = [row[:max_length] for row in sequences]
    return fill(kept, pad_id), fill([[1] * len(row) for row in kept], 0)


for side in ("left", "right"):
    long = list(range(20)) if side == "right" else [8] * 20  # whichever end is cut off on the left
    lots = [[50256, 11, 50256] if side == "right" else [50256] * 3, [], long, [50256], [7] * 9, [3]]
    for width, why in ((12, "wrong where every row but one is shorter"), (25, "every row has exactly max_length ids, even if all sequences are shorter"),
                       (1, "wrong for max_length=1"), (9, "wrong where a sequence has exactly max_length ids")):
        check.equal(whole_numbers(pad_batch(lots, 50256, width, side)), by_torch(lots, 50256, width, side), hint=why)
    check.equal(whole_numbers(pad_batch([[4, 2]], 0, 5, side)), by_torch([[4, 2]], 0, 5, side), hint="wrong for a batch of one")
    check.equal(whole_numbers(pad_batch([[0, 0, 0]], 0, 2, side)), by_torch([[0, 0, 0]], 0, 2, side), hint="wrong where the tokens have the padding's id")
    check.equal(check.beside(lambda f, rows, s: (f(rows, 9, 2, s), f(rows, 9, 9, s), rows)[2], pad_batch, [[5, 6, 7], [8]], side), [[5, 6, 7], [8]],
                hint="you changed the caller's lists")
### END HIDDEN TESTS

# %% tags=["demo"] jupyter={"source_hidden": true}
sentences = ["The sun rose.", "Nobody saw it.", "It was raining, as it had for weeks, in the whole valley."]
encoded_rows = [gpt2(sentence).input_ids for sentence in sentences]
fig, axes = plots.figure(2, 1, size=(9.6, 4.2))
for ax, side in zip(axes, ("right", "left")):
    ids, mask = pad_batch(encoded_rows, gpt2.eos_token_id, 9, side)
    ax.imshow(mask, cmap=plots.UNSIGNED, vmin=0, vmax=6, aspect="auto")
    for (row, column), number in zip(torch.cartesian_prod(torch.arange(3), torch.arange(9)).tolist(), ids.flatten().tolist()):
        real = bool(mask[row, column])
        ax.text(column, row, plots.visible(gpt2.decode([number])) if real else "filler", ha="center", va="center",
                fontsize=9, color=plots.INK if real else plots.GREY)
    ax.set(xticks=range(9), yticks=range(3), title=f'side="{side}"')
    ax.grid(False)
plots.caption(fig, "Three sentences in a table of 3 × 9, padded on the right and on the left. Blue: mask 1. The third is cut off.",
              "Two tables of tokens. In the upper one short rows end in filler, in the lower one they begin with it; the "
              "last row is full and ends in the middle of its sentence in both.")

# %% [markdown]
# ## 9. Which tokenizer is better?
#
# Two measures, for two questions.
#
# **How finely does it cut?** Its **fertility** is the number of tokens per word (Rust et al. 2021 compare languages by it).
# 1 would be a vocabulary of words. Tokens are what a user pays for and what fills the context window, so fertility is
# money and memory.
#
# **How well does a model predict?** A model's guess for a token is judged by its surprisal $-\log p$, in *nats*; unit 04 is
# about it. Averages per token cannot be compared between models with different tokenizers, since one token is not the
# same amount of text. What all of them share is the text: share out the sum over the bytes, and change to base 2
# (Gao et al. 2020 compare models so):
#
# $$ \text{bits per byte} = \frac{1}{\ln 2} \cdot \frac{\sum_t -\ln p(x_t \mid x_{<t})}{\text{number of UTF-8 bytes}} $$
#
# It is the size to which a perfect coder, guided by the model, would compress each byte of the text (Shannon 1948): a plain
# file has 8.
#
# **Predict first.** The same kind of model is trained twice, once on single bytes, once on tokens of three bytes on average.
# The first has a surprisal of 1.2 nats per token, the second one of 3 nats. Which predicts the text better?
#
# <details><summary>Answer</summary>
#
# The second: 3 nats for three bytes is 1 nat per byte, or 1.44 bits per byte, against 1.2 nats or 1.73 bits. Its task at each
# step was harder, but it had to do it only a third as often.
# </details>
#
# ### Exercise: `fertility` (1 point, 5 minutes)
#
# Write `fertility(text, encode)`: the number of tokens per word, as a float. `encode` is a function from a text to its list of
# ids; call it on the whole text. Words are what white space separates (any amount, of any kind); there is at least one.
#
# <details><summary>Hint 1</summary>Two lengths and a division.</details>
# <details><summary>Hint 2</summary><code>text.split()</code> without an argument splits at any white space, and gives no empty
# words.</details>
# <details><summary>Hint 3</summary><code>len(encode(text)) / len(text.split())</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "fertility", "locked": false, "schema_version": 3, "solution": true, "task": false}
def fertility(text: str, encode) -> float:
    """Tokens of the whole `text` per word, where white space separates words (after Rust et al. 2021)."""
    ### BEGIN SOLUTION
    return len(encode(text)) / len(text.split())
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_fertility", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def by_characters(text):
    return [ord(sign) for sign in text]


rain = "rain,  rain\ngo away"  # 4 words, 19 characters
check.close(fertility(rain, by_characters), 19 / 4, mistakes={
    "words per token: turn it round": 4 / 19,
    "encode the whole text: what lies between the words costs tokens too": 15 / 4,
    "words are separated by any white space, in any amount: `split()` without an argument": 19 / 5,
    "a line break separates words as well": 19 / 3,
    "that is tokens per character": 1.0,
    "the number of tokens came: divide it by the number of words": 19.0,
})
### BEGIN HIDDEN TESTS
for text in ("hello", "  The  encompassed\tweeds \n", unseen[2][:900]):
    check.close(fertility(text, lambda t: list(t.encode())), len(text.encode()) / len(re.findall(r"\S+", text)), hint="wrong with another tokenizer, whose tokens are bytes")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise: `bits_per_byte` (2 points, 10 minutes)
#
# Write `bits_per_byte(nll_nats, text)`: `nll_nats` is the **sum** of the surprisals of all tokens of `text`, in nats, a float;
# `text` is not empty. Return bits per byte of its UTF-8, as a float.
#
# <details><summary>Hint 1</summary>One nat is $1 / \ln 2 \approx 1.44$ bits. Do bits come out as more than nats, or fewer?</details>
# <details><summary>Hint 2</summary><code>len(text)</code> counts characters. Which length counts bytes?</details>
# <details><summary>Hint 3</summary><code>nll_nats / math.log(2)</code> are the bits, <code>len(text.encode())</code> the
# bytes.</details>

# %% nbgrader={"grade": false, "grade_id": "bits_per_byte", "locked": false, "schema_version": 3, "solution": true, "task": false}
def bits_per_byte(nll_nats: float, text: str) -> float:
    """Bits per UTF-8 byte of `text`, from the summed surprisal of its tokens in nats."""
    ### BEGIN SOLUTION
    return nll_nats / math.log(2) / len(text.encode())
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_bits_per_byte", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
coin = 4 * math.log(2)  # four bytes, each as uncertain as the toss of a coin
check.close(bits_per_byte(coin, "abcd"), 1.0, mistakes={
    "those are nats: divide by ln 2": coin / 4,
    "the wrong way: a nat is more than a bit, so divide by ln 2": coin * math.log(2) / 4,
    "that is the sum for the whole text: divide by its bytes": 4.0,
    "the logarithm of 2 to base e is wanted: math.log(2)": coin / math.log10(2) / 4,
})
check.close(bits_per_byte(12 * math.log(2), "é€😀"), 12 / 9, mistakes={
    "characters are not bytes: count the bytes of its UTF-8": 12 / 3,
}, hint="wrong for a text with characters of several bytes")
### BEGIN HIDDEN TESTS
for nats, text in ((0.0, "certain"), (1234.5, unseen[2][:500]), (7.25, "x"), (31.0, "naïve\ncafé ")):
    check.close(bits_per_byte(nats, text), math.log2(math.e) * nats / sum(1 for _ in bytearray(text, "utf-8")), hint="wrong for another text")
### END HIDDEN TESTS

# %% [markdown]
# ### Four tokenizers on 106 articles
#
# GPT-2's (50,257 tokens), our model's (49,152), BERT's WordPiece (30,522), and your own with 1,000.

# %% tags=["demo"] jupyter={"source_hidden": true}
encoders = {
    "GPT-2": lambda text: gpt2(text, verbose=False).input_ids,
    "SmolLM2": lambda text: tokenizer(text, verbose=False).input_ids,
    "WordPiece": lambda text: wordpiece(text, add_special_tokens=False, verbose=False).input_ids,
    "your own": lambda text: bpe_encode(text, own_vocab, own_merges, ["<|endoftext|>"]),
}
colours = dict(zip(encoders, (plots.BLUE, plots.ORANGE, plots.GREEN, plots.PURPLE)))
article_tokens = {name: [len(encode(text)) for text in seen + unseen] for name, encode in encoders.items()}
characters = [len(text) for text in seen + unseen]
fig, (left, right) = plots.figure(1, 2, size=(10, 4.0))
for (name, numbers), marker in zip(article_tokens.items(), "osD^"):
    left.plot(characters, numbers, marker, color=colours[name], label=name, alpha=0.7, markersize=5)
left.set(xlabel="characters in the article", ylabel="tokens in the article", title="Tokens per article")
left.legend()
boxes = right.boxplot([[c / t for c, t in zip(characters, numbers)] for numbers in article_tokens.values()], orientation="horizontal",
                      patch_artist=True, medianprops={"color": plots.INK}, flierprops={"marker": ".", "markersize": 4})
for box, colour in zip(boxes["boxes"], colours.values()):
    box.set(facecolor=colour, alpha=0.75)
right.set_yticks(range(1, 5), list(encoders))
right.invert_yaxis()
right.set(xlabel="characters per token", title="How much text a token holds")
for axis in (left.xaxis, left.yaxis):
    axis.set_major_formatter("{x:,.0f}")
plots.caption(fig, "Three large vocabularies are hard to tell apart on English prose. Yours, with a fiftieth of the tokens, needs about twice as many.",
              "Left, tokens against characters for 106 articles: four straight clouds, three of them on top of one another, "
              "your own about twice as steep. Right, box plots of characters per token: medians near 4.6 for GPT-2, a "
              "little less for SmolLM2, a little more for WordPiece, and about 2.4 for your own.")
for name, encode in encoders.items():
    print(f"{name:>10}: fertility {fertility(' '.join(unseen), encode):.2f} tokens per word on the second half")

# %% [markdown]
# WordPiece looks best here, and has cheated a little: it throws away capital letters, accents and the kind of white space, and
# what it does not know is one `[UNK]`. Fewer tokens are no merit if the text cannot be had back.
#
# English is where these vocabularies are at home. Here is Article 1 of the Universal Declaration of Human Rights in five
# languages. All five say the same.

# %% tags=["demo"] jupyter={"source_hidden": true}
article_1 = {
    "English": "All human beings are born free and equal in dignity and rights. They are endowed with reason and conscience and "
               "should act towards one another in a spirit of brotherhood.",
    "German": "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen begabt und "
              "sollen einander im Geiste der Brüderlichkeit begegnen.",
    "Russian": "Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и совестью и должны "
               "поступать в отношении друг друга в духе братства.",
    "Greek": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα. Είναι προικισμένοι με λογική "
             "και συνείδηση, και οφείλουν να συμπεριφέρονται μεταξύ τους με πνεύμα αδελφοσύνης.",
    "Hindi": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है। उन्हें बुद्धि और अन्तरात्मा की देन "
             "प्राप्त है और परस्पर उन्हें भाईचारे के भाव से बर्ताव करना चाहिए।",
}
fig, ax = plots.figure(size=(7.2, 3.6))
for shift, name in ((-0.2, "GPT-2"), (0.2, "SmolLM2")):
    numbers = [len(encoders[name](text)) for text in article_1.values()]
    ax.barh([place + shift for place in range(5)], numbers, 0.38, color=colours[name], label=name)
    for place, number in enumerate(numbers):
        ax.annotate(f"{number}", (number, place + shift), xytext=(4, 0), textcoords="offset points", va="center", fontsize=9)
ax.set_yticks(range(5), list(article_1))
ax.invert_yaxis()
ax.grid(False, axis="y")
ax.set(xlabel="tokens for the same article")
ax.legend()
plots.caption(fig, "The same text, in tokens. The byte is the last resort, and for some scripts it is the rule.",
              "Bars for five languages and two tokenizers. English is shortest with about 33 tokens; German needs almost twice as "
              "many, Russian, Greek and Hindi five to nine times with GPT-2, four to six times with SmolLM2.")
for language, text in article_1.items():
    print(f"{language:>8}: {len(text)} characters, {len(text.encode())} bytes, fertility with GPT-2 "
          f"{fertility(text, encoders['GPT-2']):.1f}")

# %% [markdown]
# Where a service is paid for by the token, that is the price list (Petrov et al. 2023 found the same
# text up to fifteen times as long in one language as in another).
#
# ### Vocabulary growth against compression
#
# How large should a vocabulary be? Train 4,096 tokens on the first half of the articles. The merges of a smaller vocabulary
# are just the first merges of a larger one, so one training gives all sizes. For each, encode both halves, and judge the
# simplest of all language models on it: one that gives every token its frequency in the first half (plus one, so that none has
# probability 0), whatever came before.

# %% tags=["lab"]
sizes = [256, 512, 1024, 2048, 4096]  # if yours is the slow loop, leave out the last two
_, big_merges = train_bpe("<|endoftext|>".join(seen), sizes[-1] + 1, ["<|endoftext|>"])
first_text, second_text = "\n".join(seen), "\n".join(unseen)
growth = {"seen": [], "unseen": [], "nats per token": [], "bits per byte": []}
for size in runtime.progress(sizes, "vocabularies"):
    merges = big_merges[:size - 256]
    vocab = dict(enumerate([bytes([byte]) for byte in range(256)] + [left + right for left, right in merges]))
    ids_seen, ids_unseen = (bpe_encode(text, vocab, merges, []) for text in (first_text, second_text))
    growth["seen"].append(len(first_text.encode()) / len(ids_seen))
    growth["unseen"].append(len(second_text.encode()) / len(ids_unseen))
    frequency, total = Counter(ids_seen), len(ids_seen) + size
    nats = -sum(count * math.log((frequency[number] + 1) / total) for number, count in Counter(ids_unseen).items())
    growth["nats per token"].append(nats / len(ids_unseen))
    growth["bits per byte"].append(bits_per_byte(nats, second_text))
    print(f"{size:>5} tokens: {growth['unseen'][-1]:.2f} bytes per token, {growth['nats per token'][-1]:.2f} nats per token, "
          f"{growth['bits per byte'][-1]:.2f} bits per byte")

fig, (left, right) = plots.figure(1, 2, size=(10, 3.8))
left.plot(sizes, growth["seen"], "o-", color=plots.BLUE, label="text it was trained on")
left.plot(sizes, growth["unseen"], "s-", color=plots.ORANGE, label="new text")
gpt2_ratio = len(second_text.encode()) / len(encoders["GPT-2"](second_text))
left.plot([len(gpt2)], [gpt2_ratio], "D", color=plots.GREEN, label="GPT-2, on the new text")
left.set(xscale="log", xlabel="size of the vocabulary", ylabel="bytes per token", title="Compression", ylim=(0, 5.2))
left.legend(loc="lower right")
left.set_xticks([256, 1024, 4096, 50_257], ["256", "1,024", "4,096", "50,257"])  # four of six, for room
left.minorticks_off()
right.plot(sizes, growth["nats per token"], "o-", color=plots.GREY, label="nats per token")
right.plot(sizes, growth["bits per byte"], "s-", color=plots.PURPLE, label="bits per byte")
right.set(xscale="log", xlabel="size of the vocabulary", ylabel="surprisal on new text", title="Worse, or better?", ylim=(0, 9))
right.set_xticks(sizes, [f"{size:,}" for size in sizes])
right.minorticks_off()
right.legend()
plots.caption(fig, "Left: from 512 tokens on, each doubling of the vocabulary adds about half a byte to a token, a little less on new "
              "text than on the old. Right: the same models, judged per token and per byte.",
              "Left, bytes per token against vocabulary size on a logarithmic axis: 1 at 256 tokens, about 3.5 on seen and 3.3 "
              "on new text at 4,096, GPT-2 at 4.6. Right, nats per token rise from 3.2 to 6.9 while bits per byte fall from 4.6 "
              "to 3.0.")

# %% [markdown]
# Look at the right picture again. By nats per token, the larger the vocabulary, the *worse* the model, and a perplexity table
# would say so. By bits per byte it gets better and better. Only the second is true, since the text is the same. **Never compare
# a loss or a perplexity per token between models with different tokenizers.**
#
# How far does the real model get on that scale? Here it is beside general compressors. It gets `<|endoftext|>` before each
# text, so that the first token is predicted too.

# %% tags=["lab"]
import gzip
import lzma

excerpts = [text[:1000] for text in unseen[:runtime.pick(8, 24)]]
joined = "".join(excerpts)
summed = 0.0
with torch.no_grad():
    for text in runtime.progress(excerpts, "excerpts"):
        row = torch.tensor([[tokenizer.convert_tokens_to_ids("<|endoftext|>"), *tokenizer(text).input_ids]])
        logp = torch.log_softmax(model(row).logits[0, :-1].double(), -1)
        summed -= logp.gather(1, row[0, 1:, None]).sum().item()
ids = bpe_encode(joined, vocab, merges, [])  # the last and largest vocabulary of the cell above, and its frequencies
by_frequency = -sum(math.log((frequency[number] + 1) / total) for number in ids)
results = {
    "a plain file": 8.0,
    "gzip": 8 * len(gzip.compress(joined.encode())) / len(joined.encode()),
    "xz": 8 * len(lzma.compress(joined.encode())) / len(joined.encode()),
    f"frequencies of {sizes[-1]:,} tokens": bits_per_byte(by_frequency, joined),
    "SmolLM2-135M": bits_per_byte(summed, joined),
}
fig, ax = plots.figure(size=(7.2, 2.8))
ax.barh(range(5), list(results.values()), color=[plots.GREY] * 4 + [plots.BLUE])
for place, value in enumerate(results.values()):
    ax.annotate(f"{value:.2f}", (value, place), xytext=(4, 0), textcoords="offset points", va="center")
ax.set_yticks(range(5), list(results))
ax.invert_yaxis()
ax.grid(False, axis="y")
ax.set(xlabel="bits per byte", xlim=(0, 9))
plots.caption(fig, f"The first 1,000 characters of {len(excerpts)} new articles. On so short a text gzip and xz are at their worst; our model "
              "has surely read Wikipedia, perhaps these very pages, and its 135 million weights are not counted.",
              "Five bars of bits per byte: a plain file 8; gzip and xz almost 4; the token frequencies almost 3; SmolLM2 below 1.")

# %% [markdown]
# A language model *is* a compressor, and a good one (Delétang et al. 2024); Shannon (1951) had people guess printed English
# letter by letter and arrived at about one bit for each.

# %% [markdown]
# ## 10. Your tokenizer in the real model
#
# Everything is in place to take a part out of the real model and put yours in. SmolLM2's files have the same form as
# GPT-2's; its tokenizer differs in one rule, each number sign is a pre-token by itself. So split there first, and let your
# functions do the rest: text → your ids → the model → your text.
#
# **Predict first.** If one single id of yours, in the middle of a text, were another than the tokenizer's, which of the
# logits would change?
#
# <details><summary>Answer</summary>
#
# Those at its own position and at all later ones. A causal model reads from left to right, so the positions before it do not
# know. And if every id is the same, the logits are the same to the last bit, since it is the same computation.
# </details>

# %% tags=["demo"]
smol_vocab, smol_merges = bpe_files(tokenizer)
smol_special = [token.content for token in tokenizer.added_tokens_decoder.values()]
print(f"SmolLM2: {len(smol_vocab):,} tokens = {len(smol_special)} special + {len(smol_merges):,} merges + "
      f"{len(smol_vocab) - len(smol_special) - len(smol_merges)} bytes")


def your_encode(text):
    """SmolLM2's ids, by your function: every number sign by itself, then as GPT-2."""
    ids = []
    for part in regex.split(r"(\p{N})", text):
        ids += bpe_encode(part, smol_vocab, smol_merges, smol_special)
    return ids


prompts = ["The capital of France is", "naïve café, 3.14 and 2024 😀", chat]
with torch.no_grad():
    for text in prompts:
        yours, theirs = your_encode(text), tokenizer(text).input_ids
        check.equal(yours, theirs, hint="your ids are not the tokenizer's")
        difference = (model(torch.tensor([yours])).logits - model(torch.tensor([theirs])).logits).abs().max().item()
        print(f"{len(yours):>3} ids, all equal; largest difference of a logit {difference}; {text[:40]!r}")
    ids, mask = pad_batch([your_encode(prompts[0])], tokenizer.pad_token_id, 8, "left")
    written = model.generate(ids, attention_mask=mask, max_new_tokens=12, do_sample=False, pad_token_id=tokenizer.pad_token_id)
filler = int((mask == 0).sum())
print("your text:", repr(bpe_decode(written[0, filler:].tolist(), smol_vocab)))
token_rows({"your pieces": [smol_vocab[number] for number in your_encode(prompts[1])]}, "What the model reads of the second prompt.")

# %% [markdown]
# The model does not notice: same ids, same logits. And you may have noticed that the sum above has only 235 bytes. SmolLM2's
# vocabulary lacks 21 of the 256, the thirteen that never occur in UTF-8 and eight that hardly ever do. What happens to a text
# that has one?

# %% tags=["demo"]
absent = [byte for byte in range(256) if bytes([byte]) not in smol_vocab.values()]
print("bytes without a token:", [f"{byte:02X}" for byte in absent])
odd = "\U00040000"  # a character of a plane that Unicode has not assigned: F1 80 80 80
print(f"{odd.encode()} -> {tokenizer(odd).input_ids} -> {tokenizer.decode(tokenizer(odd).input_ids)!r}")

# %% [markdown]
# The library drops the byte in silence, and the text does not come back. Your `bpe_encode` would raise a `KeyError`, which is
# the better answer. That *nothing is unknown to a byte-level tokenizer* holds only if all 256 bytes are in it.
#
# ## Spot the bug
#
# This scores answers to a quiz: how likely does the model find each? It raises nothing and warns of nothing, and it finds
# *Paris* a thousand times less likely than it should.
#
# ```python
# def probability(prompt, answer):
#     ids = tokenizer(prompt).input_ids + tokenizer(answer).input_ids
#     p = torch.softmax(model(torch.tensor([ids])).logits[0], -1)
#     first = len(tokenizer(prompt).input_ids)
#     return math.prod(p[t - 1, ids[t]].item() for t in range(first, len(ids)))
#
# probability("The capital of France is ", "Paris")
# ```

# %% tags=["demo"]
def probability(prompt, answer):
    ids = tokenizer(prompt).input_ids + tokenizer(answer).input_ids
    with torch.no_grad():
        p = torch.softmax(model(torch.tensor([ids])).logits[0], -1)
    first = len(tokenizer(prompt).input_ids)
    return math.prod(p[t - 1, ids[t]].item() for t in range(first, len(ids)))


print(f"{probability('The capital of France is ', 'Paris'):.5f}")
print(f"{probability('The capital of France is', ' Paris'):.5f}")
for whole_text in ("The capital of France is ", "The capital of France is Paris"):
    print(repr(whole_text), "->", [tokenizer.decode([number]) for number in tokenizer(whole_text).input_ids])

# %% [markdown]
# <details><summary>What is wrong?</summary>
#
# The space is on the wrong side of the seam. In all texts that the model has read, the space belongs to the word behind it:
# <code>·is</code>, <code>·Paris</code>. A prompt that ends in a space ends in a token <code>·</code> of its own, after which
# nothing usual fits, since every usual word brings its own space. In general,
# <code>encode(a + b)</code> is not <code>encode(a) + encode(b)</code>: cut a text only where the tokenizer would cut it. The
# harness with which most open models are evaluated had to learn it (EleutherAI's <code>lm-evaluation-harness</code>, pull
# requests 63 and 546: spaces at the end of the prompt are moved over to the answer, and both are encoded together), and
# its issue 1053 shows what is left of the problem when one token reaches across the seam.
# </details>
#
# ## Recap
#
# - A tokenizer turns text into ids of a fixed vocabulary, and the ids are all that the model sees. `sun`, `·sun` and `·Sun` are
#   strangers to one another.
# - Characters make rows too long, words leave too many unknown. Subwords take frequent words whole and spell the rest.
# - Longest match (WordPiece) takes the longest piece at each place. BPE applies merges in the order in which they were
#   learned. With the same vocabulary they cut differently.
# - Byte-level BPE starts from 256 bytes, so nothing is unknown; Ġ is a space in disguise; GPT-2 has
#   256 + 50,000 + 1 = 50,257 tokens, and one more if somebody adds a padding token, for which the model has no row.
# - Pre-tokenization keeps merges within words, and makes counting cheap.
# - Training: count pairs, merge the most frequent, repeat; fast if only what changed is counted again.
# - Decode bytes all at once: a token need not be a whole character.
# - Padding needs a mask, and the mask comes from lengths, not from ids.
# - Fertility says what a text costs; bits per byte compares models across tokenizers, nats per token does not.
#
# Covers: A33, A34, A38, A39, A40, A41, B3, B4, B5
#
# **Words to keep**
#
# | term | meaning |
# |---|---|
# | token, id, vocabulary | a piece of text, its number, and the fixed list of all pieces |
# | subword | a piece between a character and a word |
# | longest match, WordPiece | greedy cutting, BERT's tokenizer |
# | byte-pair encoding (BPE) | merges of frequent pairs, in the order learned |
# | pre-token | a stretch that no token may cross |
# | merge, rank | two tokens made one; its place in the order of training |
# | UTF-8 | characters as one to four bytes |
# | special token | a token for no text: end of text, roles of a chat, BOS, `[MASK]` |
# | unknown token | what a closed vocabulary writes for what it cannot spell |
# | padding, truncation | filling and cutting rows to one length |
# | attention mask | 1 for a real token, 0 for filler |
# | fertility | tokens per word |
# | bits per byte | surprisal of a text in bits, divided by its bytes |
#
# **References**
#
# - G. Delétang et al. (2024). Language modeling is compression. *ICLR*.
# - J. Devlin, M.-W. Chang, K. Lee, K. Toutanova (2019). BERT: Pre-training of deep bidirectional transformers for language
#   understanding. *NAACL*.
# - P. Gage (1994). A new algorithm for data compression. *The C Users Journal* 12 (2).
# - L. Gao et al. (2020). The Pile: An 800GB dataset of diverse text for language modeling. arXiv:2101.00027.
# - H. S. Heaps (1978). *Information Retrieval: Computational and Theoretical Aspects*. Academic Press.
# - S. Land, M. Bartolo (2024). Fishing for Magikarp: Automatically detecting under-trained tokens in large language models.
#   *EMNLP*.
# - A. Petrov, E. La Malfa, P. H. S. Torr, A. Bibi (2023). Language model tokenizers introduce unfairness between languages.
#   *NeurIPS*.
# - A. Radford, J. Wu, R. Child, D. Luan, D. Amodei, I. Sutskever (2019). Language models are unsupervised multitask
#   learners. OpenAI.
# - P. Rust, J. Pfeiffer, I. Vulić, S. Ruder, I. Gurevych (2021). How good is your tokenizer? On the monolingual performance of
#   multilingual language models. *ACL*.
# - M. Schuster, K. Nakajima (2012). Japanese and Korean voice search. *ICASSP*.
# - R. Sennrich, B. Haddow, A. Birch (2016). Neural machine translation of rare words with subword units. *ACL*.
# - C. E. Shannon (1948). A mathematical theory of communication. *Bell Syst. Tech. J.* 27.
# - C. E. Shannon (1951). Prediction and entropy of printed English. *Bell Syst. Tech. J.* 30.
# - X. Song, A. Salcianu, Y. Song, D. Dopson, D. Zhou (2021). Fast WordPiece tokenization. *EMNLP*.
# - F. Yergeau (2003). UTF-8, a transformation format of ISO 10646. RFC 3629.
# - G. K. Zipf (1949). *Human Behavior and the Principle of Least Effort*. Addison-Wesley.
#
# **Next**: 03, hooks: the ids go in, and you listen to every layer while they pass.

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
# # 04 · Logits and embeddings: how a model reads, and how it answers
#
# Strip a chat assistant of its window and its good manners, and this is what is left: a function that takes a row
# of whole numbers and gives back a row of scores, one score for each number that might come next. Text becomes
# numbers on the way in; scores become text on the way out. The code that does both fits on two pages, and in this
# unit you write it, around a real model with 135 million weights.
#
# **You will be able to**
#
# - look up the vector of a token, compare such vectors, and know what the comparison does and does not say;
# - say what a logit is, turn logits into probabilities and log-probabilities without overflow, and name the one
#   thing that softmax throws away;
# - measure how well a model predicts a text: cross-entropy, likelihood, perplexity;
# - write the loop that turns a next-token predictor into a writer: greedily, for a padded batch, and by sampling with
#   temperature, top-k and top-p;
# - tell a causal model from a masked one, and fill in a blank with the latter.
#
# **Before you start**: units 02 (tokenizers) and 03 (what is inside the model), and some practice with tensors:
# indexing, broadcasting, `dim`. Everything runs on a CPU; all cells together take about two minutes there. Where there
# is a CUDA GPU the models go there by themselves, and what you give them must go there too: `.to(model.device)`.
#
# **Your time**: about four hours. **Points**: 40, of which 3 are for a written answer that a person reads.
#
# | section | you write | points |
# |---|---|---|
# | 2 Embeddings | `cosine_similarity_matrix`, `nearest_tokens` | 3 + 3 |
# | 4 From scores to probabilities | `softmax`, `log_softmax`, a written answer | 3 + 2 + 3 |
# | 5 What comes next? | `top_k_next` | 3 |
# | 6 How good is a guess? | `cross_entropy`, `perplexity` | 4 + 3 |
# | 7 The loop that writes | `generate_greedy` | 6 |
# | 8 Rolling the dice | `sample_next` | 6 |
# | 9 Filling in blanks | `fill_mask` | 4 |

# %%
import math

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    BertConfig,
    GPT2Config,
    LlamaConfig,
    PreTrainedTokenizerFast,
)

from helpers import checks as check
from helpers import models, plots

torch.set_grad_enabled(False)  # nothing is trained in this unit: no gradients, less memory
model, tokenizer = models.load()  # on a GPU if there is one, else on the CPU

# %% [markdown]
# `model` is SmolLM2-135M-Instruct (Allal et al. 2025): the architecture of Llama, made small. To be sure that your
# functions work for *any* model and not just for this one, some tests also try them on **toys**: models of two layers
# with random weights, which write nonsense, but write it in a fraction of a millisecond. The next cell knows how to
# make them. You need not read it.

# %%
def toy_model(config, seed: int):
    """An untrained model of this configuration whose matrices are all drawn from a normal distribution."""
    maker = AutoModelForMaskedLM if isinstance(config, BertConfig) else AutoModelForCausalLM
    made = maker.from_config(config).eval()
    generator = torch.Generator().manual_seed(seed)
    for weight in made.parameters():
        if weight.ndim > 1:  # biases and norms stay as they start out: 0 and 1
            weight.data.normal_(0, 0.5, generator=generator)
    if made.can_generate():  # an end of text that is no token: what a toy writes never comes to its end
        made.config.eos_token_id = made.generation_config.eos_token_id = config.vocab_size
    return made


def toy_llama(seed: int, vocab_size: int = 23):
    """Two layers, rotary positions, as the real model has them."""
    return toy_model(LlamaConfig(vocab_size=vocab_size, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                                 num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64,
                                 bos_token_id=0, eos_token_id=1, tie_word_embeddings=False), seed)


def toy_gpt2(seed: int, vocab_size: int = 23):
    """Two layers, and a learned vector for each absolute position, as GPT-2 has them."""
    return toy_model(GPT2Config(vocab_size=vocab_size, n_positions=64, n_embd=32, n_layer=2, n_head=4,
                                bos_token_id=0, eos_token_id=1, tie_word_embeddings=False), seed)


def toy_bert(seed: int, vocab_size: int = 23):
    """Two layers that see the whole text, as BERT's do."""
    return toy_model(BertConfig(vocab_size=vocab_size, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                                num_attention_heads=4, max_position_embeddings=64, type_vocab_size=1,
                                pad_token_id=0), seed)


def toy_tokenizer(words: str, template: str):
    """A tokenizer that gives each of `words` one id. `template` has the special tokens around a text $A."""
    special = ["<pad>", "<s>", "</s>", "<mask>", "<unk>"]
    ids = {word: i for i, word in enumerate([*special, *words.split()])}
    backend = Tokenizer(WordLevel(ids, unk_token="<unk>"))
    backend.pre_tokenizer = WhitespaceSplit()
    backend.post_processor = TemplateProcessing(single=template, special_tokens=[(s, ids[s]) for s in special])
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", bos_token="<s>", eos_token="</s>",
                                   mask_token="<mask>", unk_token="<unk>",
                                   model_input_names=["input_ids", "attention_mask"])


# %% [markdown]
# One more tool, for the things to play with. Where somebody can move a slider, `play` shows sliders; where nobody
# can (a printed page, a test run), it draws the picture once.

# %% tags=["demo"]
from helpers.widgets.interact import play, slider, textbox

# %% [markdown]
# Here is the road of this unit, with the shapes that travel on it for a prompt of $T$ tokens. The model's vocabulary
# has $V = 49{,}152$ tokens, and each token's vector has $d = 576$ numbers.

# %% tags=["demo"]
fig, ax = plots.figure(size=(9.6, 2.5))
stations = [("text", "§1", ""), ("ids", "§1", "(1, T)"), ("embeddings", "§2", "(1, T, d)"),
            ("30 blocks", "unit 05", "(1, T, d)"), ("lm_head", "§3", "(1, T, V)"), ("softmax", "§4–6", "(1, T, V)"),
            ("pick one", "§7–8", "(1, 1)")]
boxes = []
for place, (what, where, shape) in enumerate(stations):
    colour = plots.GREY if what == "30 blocks" else plots.BLUE
    text = ax.text(place, 0, what, ha="center", va="center", color="white", weight="bold", fontsize=10,
                   bbox={"boxstyle": "round,pad=0.55", "facecolor": colour, "edgecolor": "none"})
    boxes.append(text.get_bbox_patch())
    ax.text(place, 0.62, where, ha="center", color=plots.INK)
    ax.text(place, -0.85, shape, ha="center", family="monospace", fontsize=10)
for place in range(len(boxes) - 1):
    ax.annotate("", (place + 1, 0), (place, 0), arrowprops={"arrowstyle": "->", "lw": 1.6, "shrinkA": 2, "shrinkB": 2,
                                                            "patchA": boxes[place], "patchB": boxes[place + 1]})
ax.annotate("", (1, 1.0), (6, 1.0), arrowprops={"arrowstyle": "->", "lw": 1.6, "color": plots.ORANGE,
                                                "connectionstyle": "arc3,rad=0.12"})
ax.text(3.5, 1.75, "append it, and once more round", ha="center", color=plots.ORANGE)
ax.set(xlim=(-0.6, 6.6), ylim=(-1.1, 2.1))
ax.axis("off")
plots.caption(fig, "The road from text to text. Everything in blue is yours in this unit; the grey part follows in unit 05.",
              "A row of boxes from left to right: text, ids, embeddings, 30 blocks, lm_head, softmax, pick one. An "
              "orange arrow leads from the last box back to the ids.")

# %% [markdown]
# ## 1. Text in, ids out
#
# A model has never seen a letter. Its tokenizer (unit 02) cuts the text into pieces from a fixed **vocabulary** and
# hands over the pieces' numbers, their **ids**. An id is nothing but a row number: token 5100 is not "more" than
# token 5099, and neighbours in the list have nothing in common. Look at ten in a row:

# %% tags=["demo"]
for token_id in range(5100, 5110):
    print(token_id, repr(tokenizer.decode([token_id])))

print("\ntokens in the vocabulary:", len(tokenizer))
print("rows of the model's embedding table:", model.get_input_embeddings().weight.shape[0])

# %% [markdown]
# Some begin with a space, because for this tokenizer the space belongs to the word that follows it. That makes
# `"sun"` and `" sun"` two tokens with two ids.
#
# **Predict first.** How many tokens is *My favorite composer is*? And which of `"sun"`, `" sun"` and `"Sun"` will be
# the most frequent in ordinary English prose, and so, most likely, have the smallest id?
#
# <details><summary>Answer</summary>
#
# Four: <code>My</code>, <code>·favorite</code>, <code>·composer</code>, <code>·is</code>. Merges of byte-pair encoding
# are learned from the most frequent pair downwards, so a small id is a frequent piece. <code>" sun"</code> has the
# smallest of the three: words stand in the middle of sentences far more often than at the very start of a text.
# </details>

# %% tags=["demo"]
def show_tokens(text: str) -> None:
    ids = tokenizer(text).input_ids
    print(f"{len(text)} characters, {len(ids)} tokens")
    for position, token_id in enumerate(ids):
        print(f"{position:>4}  id {token_id:>5}  {tokenizer.decode([token_id])!r}")


for word in ("sun", " sun", "Sun"):
    print(repr(word), "->", tokenizer(word).input_ids, "->", repr(tokenizer.decode(tokenizer(word).input_ids)))
play(show_tokens, text=textbox("My favorite composer is"))

# %% [markdown]
# Type your own sentences: your name, a number, `naïve café`, an emoji. An emoji comes as two or more tokens that are
# no characters by themselves, only bytes of one; decoded one at a time they give `�`. **Decode a whole sequence at
# once, never token by token** and glue.
#
# Two traps before we go on. With `return_tensors="pt"` the ids have shape `(1, T)`: the first axis is the **batch**,
# so `ids[0]` is the first *text*, and `ids[0, 0]` its first token. And what is the first token? Ours puts nothing
# before the text, but Llama 2's tokenizer starts every text with a *beginning-of-sequence* token (BOS), so that
# `ids[0, 0]` would be the same for every word you look up. Asking for a single word's id, say that you want no
# special tokens:

# %% tags=["demo"]
batch = tokenizer("sun", add_special_tokens=False, return_tensors="pt").to(model.device)
print("input_ids", batch.input_ids, "of shape", tuple(batch.input_ids.shape))
sun = batch.input_ids[0, 0]  # row 0 of the batch, token 0 of the row
print("the token:", sun.item(), repr(tokenizer.decode([sun])))

# %% [markdown]
# ## 2. Embeddings: every token is a vector
#
# The first layer of the model is a table with one row of $d$ numbers for each token, and all it does is to look up
# rows:
#
# $$ x_t = E_{\,i_t}, \qquad E \in \mathbb{R}^{V \times d} $$
#
# That is the same as multiplying a one-hot vector of length $V$ by $E$, done without the $V - 1$ multiplications by
# zero. The rows were random when training began; whatever meaning they have now, gradient descent put there because
# it helped to predict the next token (Bengio et al. 2003, §2).

# %%
embedding = model.get_input_embeddings().weight.detach()  # (V, d)

# %% tags=["demo"]
looked_up = model.get_input_embeddings()(batch.input_ids)
print("the table:", tuple(embedding.shape), " the layer's answer to 'sun':", tuple(looked_up.shape))
print("row", sun.item(), "of the table is that very vector:", torch.equal(looked_up[0, 0], embedding[sun]))
print("its shape:", tuple(embedding[sun].shape), " its first numbers:", [round(x, 3) for x in embedding[sun][:5].tolist()])

# %% [markdown]
# What makes two vectors alike? Their **direction**. The cosine of the angle between them (so Salton, Wong and Yang 1975
# compare texts) does not care how long they are:
#
# $$ \cos(a, b) = \frac{a \cdot b}{\lVert a \rVert \, \lVert b \rVert} \in [-1, 1] $$
#
# 1 is the same direction, 0 a right angle, −1 the opposite direction. The sign is part of the answer, so never square
# it.
#
# **Predict first.** Of *dog*, *cat* and *car*, which two have the most similar embeddings: the two animals, or the two
# words that differ by one letter?
#
# <details><summary>Answer</summary>
#
# The animals. The model never sees letters, so <code>cat</code> and <code>car</code> have no more in common than two
# row numbers. What it does see is company: <em>dog</em> and <em>cat</em> stand among the same words. You will see the
# numbers as soon as your function works.
# </details>
#
# ### Exercise: `cosine_similarity_matrix` (3 points, 15 minutes)
#
# Write `cosine_similarity_matrix(e)`: for `e` of shape (n, d), one vector in each row, return the (n, n) tensor whose
# entry (i, j) is the cosine of the angle between rows i and j. Same dtype as `e`, and leave `e` itself as it was. No row
# is zero.
#
# <details><summary>Hint 1</summary>Make every row one unit long first. What is the dot product of two such rows?</details>
# <details><summary>Hint 2</summary>All dot products of rows at once are one matrix product: <code>unit @ unit.T</code>.</details>
# <details><summary>Hint 3</summary><code>e.norm(dim=1, keepdim=True)</code> gives the lengths as a column (n, 1), by
# which you can divide.</details>

# %% nbgrader={"grade": false, "grade_id": "cosine_similarity_matrix", "locked": false, "schema_version": 3, "solution": true, "task": false}
def cosine_similarity_matrix(e: Tensor) -> Tensor:
    """Cosine of the angle between every two rows of `e`.

    e: (n, d) floats. Returns (n, n): entry (i, j) compares rows i and j. No row is zero.
    """
    ### BEGIN SOLUTION
    unit = e / e.norm(dim=1, keepdim=True)  # every row one unit long
    return unit @ unit.T
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_cosine_similarity_matrix", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
arrows = torch.tensor([[3.0, 0.0, 0.0], [5.0, 5.0, 0.0], [-2.0, 0.0, 0.0], [0.0, 0.0, 0.5]])
half = math.sqrt(0.5)  # the cosine of 45 degrees
angles = torch.tensor([[1, half, -1, 0], [half, 1, -half, 0], [-1, -half, 1, 0], [0, 0, 0, 1]])
dots = arrows @ arrows.T
check.close(cosine_similarity_matrix(arrows), angles, mistakes={
    "these are dot products: divide by the lengths of both vectors": dots,
    "you divided by the length of one of the two vectors only": dots / arrows.norm(dim=1, keepdim=True),
    "you divided by the squared lengths": dots / arrows.square().sum(1, keepdim=True) / arrows.square().sum(1),
    "opposite vectors have cosine -1: keep the sign": angles.abs(),
    "opposite vectors have cosine -1: do not square": angles.square(),
    "that is the cosine distance, 1 - cosine": 1 - angles,
    "you compared the columns: row i of `e` is vector i": F.normalize(arrows.T) @ F.normalize(arrows.T).T,
    "you made the columns one unit long, not the rows": F.normalize(arrows, dim=0) @ F.normalize(arrows, dim=0).T,
    "you divided by the length of the whole table: each row has a length of its own": dots / arrows.square().sum(),
    "the length of a vector is the root of the sum of its squares, not the sum of its magnitudes":
        F.normalize(arrows, p=1) @ F.normalize(arrows, p=1).T,
    "opposite vectors have cosine -1: negative cosines are not cut off": angles.clamp(min=0),
    "a vector has cosine 1 with itself: fill the diagonal": angles - torch.eye(4),
    "fill both halves of the matrix: (i, j) and (j, i) are the same": angles.triu(),
}, hint="not the cosines of these four vectors")
### BEGIN HIDDEN TESTS
cloud = torch.randn(6, 9, generator=torch.Generator().manual_seed(0))
pairs = F.cosine_similarity(cloud[:, None], cloud[None], dim=-1)
kept = check.beside(lambda f, x: (f(x), x)[1], cosine_similarity_matrix, cloud)
check.equal(kept, cloud, hint="you changed `e` in place")
check.close(cosine_similarity_matrix(cloud), pairs, hint="wrong for six vectors of nine numbers")
stretched = cloud * torch.tensor([0.1, 100.0, 1.0, 7.0, 0.5, 20.0])[:, None]
check.close(cosine_similarity_matrix(stretched), pairs, hint="making a vector longer must not change its cosines")
check.close(cosine_similarity_matrix(cloud[:1].double()), torch.ones(1, 1, dtype=torch.float64),
            hint="wrong for one row alone, in float64")
### END HIDDEN TESTS

# %% tags=["demo"]
words = ["dog", "cat", "car"]
word_ids = [tokenizer(" " + word, add_special_tokens=False).input_ids[0] for word in words]
print(words)
print(cosine_similarity_matrix(embedding[word_ids]))

# %% [markdown]
# Twelve words make a picture. Animals, cities and colours stand out as blocks, and nobody ever told the model that Paris
# and Rome are cities. Look at the exceptions too: *horse* is as near to *truck* as to *dog*, and *car* keeps to itself.

# %% tags=["demo"]
words = ["dog", "cat", "horse", "car", "truck", "bus", "Paris", "London", "Rome", "red", "blue", "green"]
word_ids = [tokenizer(" " + word, add_special_tokens=False).input_ids[0] for word in words]
similarity = cosine_similarity_matrix(embedding[word_ids]).cpu()
fig, ax = plots.figure(size=(7.2, 5.6))
plots.heatmap(ax, similarity, words, words, label="cosine similarity", numbers=False)
plots.caption(fig, "Cosine similarity of twelve rows of the model's embedding table.",
              "A matrix of 12 by 12 words with a dark diagonal. Dark blocks of three stand out along it for animals, "
              "cities and colours. Of the vehicles only truck and bus are close, and truck is close to horse.")

# %% [markdown]
# ### One against all
#
# A whole similarity matrix of the vocabulary would have $49{,}152^2$ entries: 9.7 GB. To find the tokens nearest to
# *one* token you need a single row of it, and **broadcasting** gives you that: a table (V, d) times a vector (d,)
# multiplies every row by the vector, and a sum along the last axis leaves V dot products. (`table @ vector` does both
# in one.)
#
# **Predict first.** Which is nearest to `" Monday"`: `" Tuesday"`, or `"Monday"` without its space?
#
# <details><summary>Answer</summary>
#
# <code>" Tuesday"</code>, and the other five days come before <code>"Monday"</code> as well. Two tokens are close when
# the model can use them alike; at the start of a line, without a space, different things happen than amid a sentence.
# </details>
#
# ### Exercise: `nearest_tokens` (3 points, 15 minutes)
#
# Write `nearest_tokens(embedding_weight, token_id, k)`: the ids of the `k` tokens whose rows have the largest cosine
# similarity with row `token_id`, **most similar first**, as a list of plain ints. The token itself is not among them,
# even if another row is exactly as similar as it is to itself. `1 <= k <= V - 1`, and no row
# is zero. Do not build a (V, V) matrix: the last test hands you the real table.
#
# <details><summary>Hint 1</summary>You need V cosines, not V². One row against the table: what are the shapes?</details>
# <details><summary>Hint 2</summary>The token's similarity with itself is 1, so it comes out on top. Before you look for
# the largest, put something there that can never win. Is 0 small enough? Is −1?</details>
# <details><summary>Hint 3</summary>With <code>unit = F.normalize(table)</code>, the cosines are
# <code>(unit * unit[token_id]).sum(-1)</code>. Set entry <code>token_id</code> to <code>-inf</code>, then
# <code>.topk(k).indices.tolist()</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "nearest_tokens", "locked": false, "schema_version": 3, "solution": true, "task": false}
def nearest_tokens(embedding_weight: Tensor, token_id: int, k: int) -> list[int]:
    """Ids of the k tokens most similar to `token_id` by cosine, the most similar first, without itself.

    embedding_weight: (V, d), one row for each token.
    """
    ### BEGIN SOLUTION
    unit = F.normalize(embedding_weight)  # every row one unit long
    similarity = (unit * unit[token_id]).sum(-1)  # broadcasting: (V, d) * (d,), summed to (V,)
    similarity[token_id] = -math.inf
    return similarity.topk(k).indices.tolist()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_nearest_tokens", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
degrees = torch.tensor([0.0, 10.0, 60.0, 180.0, -25.0, 100.0]).deg2rad()
compass = torch.stack([degrees.cos(), degrees.sin()], 1) * torch.tensor([1.0, 0.1, 5.0, 2.0, 3.0, 1.0])[:, None]
check.equal(nearest_tokens(compass, 0, 3), [1, 4, 2], mistakes={
    "the token itself must not be in the list": [0, 1, 4],
    "you left the token out after taking k, so one is missing": [1, 4],
    "long vectors win: these are dot products, not cosines": [4, 2, 1],
    "these are the nearest by distance, not by angle": [1, 5, 4],
    "the least similar come first: sort the other way": [3, 5, 2],
    "the right tokens in the wrong order: the most similar comes first": [2, 4, 1],
    "the right tokens sorted by their ids: the most similar comes first": [1, 2, 4],
    "the opposite direction is the least similar: keep the sign of the cosine": [3, 1, 4],
    "the ids are one too small: leaving a row out moves up all that follow": [0, 3, 1],
}, hint="not the tokens with the largest cosines, the most similar first")
check.equal(nearest_tokens(compass, 3, 5), [5, 2, 4, 1, 0],
            hint="wrong for a token all of whose similarities but one are negative")
### BEGIN HIDDEN TESTS
kept = check.beside(lambda f, x: (f(x, 0, 2), x)[1], nearest_tokens, compass)
check.equal(kept, compass, hint="you changed the table in place")
twins = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 0.0], [1.0, 1.0], [0.5, 0.0]])
for token, others in ((0, [2, 4]), (2, [0, 4]), (4, [0, 2])):  # their order is open
    found = nearest_tokens(twins, token, 2)
    check.equal(sorted(found) if isinstance(found, list) else found, others,
                hint="two other rows point the same way: take out the token by its id, not whatever comes first")
check.equal(nearest_tokens(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), 0, 1), [1],
            hint="the opposite direction has similarity -1, and it is still another token than the one asked for")
table = model.get_input_embeddings().weight.detach()
for word in (" sun", " king"):
    token = tokenizer(word, add_special_tokens=False).input_ids[0]
    exact = F.normalize(table.double(), dim=1)
    order = (exact @ exact[token]).argsort(descending=True).tolist()
    check.equal(nearest_tokens(table, token, 6), [i for i in order[:7] if i != token][:6],
                hint=f"wrong for {word!r} in the real table")
### END HIDDEN TESTS

# %% tags=["demo"]
def show_neighbours(word: str) -> None:
    token = tokenizer(word, add_special_tokens=False).input_ids[0]
    near = nearest_tokens(embedding, token, 10)
    cosines = F.cosine_similarity(embedding[near], embedding[token], dim=-1)
    fig, ax = plots.figure(size=(6.4, 3.6))
    ax.barh(range(10), cosines.cpu(), color=plots.BLUE)
    ax.set_yticks(range(10), [plots.visible(tokenizer.decode([i])) for i in near], parse_math=False)
    ax.invert_yaxis()
    ax.grid(False, axis="y")
    ax.set(xlim=(0, 1), xlabel=f"cosine similarity with {plots.visible(tokenizer.decode([token]))!r}")
    plots.caption(fig, "The ten nearest tokens. A dot stands for a leading space. Try a verb, a name, a number, ' (('.",
                  "Ten bars, longest on top: the tokens with the most similar embeddings, and how similar they are.")


play(show_neighbours, word=textbox(" Monday", "word"))

# %% [markdown]
# How large is a cosine of 0.25? It depends on what two tokens have in common that have nothing in common:

# %% tags=["demo"]
pick = torch.randint(0, len(embedding), (2, 20_000), generator=torch.Generator().manual_seed(0))
random_pairs = F.cosine_similarity(embedding[pick[0]], embedding[pick[1]], dim=-1)
dog, cat, car = (tokenizer(word).input_ids[0] for word in (" dog", " cat", " car"))
fig, ax = plots.figure(size=(7.2, 3.0))
ax.hist(random_pairs.cpu().numpy(), bins=60, color=plots.GREY, label="two random tokens")
for other, colour, name in ((cat, plots.BLUE, "dog and cat"), (car, plots.ORANGE, "dog and car")):
    ax.axvline(F.cosine_similarity(embedding[dog], embedding[other], dim=-1).item(), color=colour, label=name)
ax.set(xlabel="cosine similarity", ylabel="pairs of 20,000")
ax.legend()
plots.caption(fig, "Random pairs of tokens are far from perpendicular in this model.",
              "A histogram of cosines of random pairs with its peak near 0.45. A line for dog and cat lies to the right "
              "of the peak, a line for dog and car to the left of it.")

# %% [markdown]
# Most pairs have a cosine near 0.45, rare tokens even more. At almost every step of training a rare token is one of the
# thousands that did *not* come next, and the softmax pushes the rows of all of those the same way; so they end up in one
# narrow cone (Gao et al. 2019 call it *representation degeneration*). A cosine by itself therefore says little.
# **Compare cosines with cosines**: *dog* is nearer to *cat* than to *car*, and that is all the number is good for.

# %% [markdown]
# ## 3. A model of the next token
#
# A language model gives every text $x_1 \dots x_T$ a probability. The chain rule of probability lets it do so one
# token at a time, with no approximation whatever:
#
# $$ p(x_1, \dots, x_T) = \prod_{t=1}^{T} p(x_t \mid x_1, \dots, x_{t-1}) $$
#
# A model that is trained to give the factors $p(x_t \mid x_{<t})$, each from the tokens before it, is called
# **autoregressive** or **causal** (Bengio et al. 2003, §1; Radford et al. 2019, §2). Shannon played this game with
# printed English and a human reader in 1951, letter by letter. Here it is with tokens, on the real model:

# %% tags=["demo"]
def show_chain(text: str) -> None:
    ids = tokenizer(text, return_tensors="pt").input_ids.to(model.device)
    guesses = torch.distributions.Categorical(logits=model(ids).logits[0, :-1].double())
    factors = guesses.log_prob(ids[0, 1:]).exp()  # of each token after the first
    for t, (factor, product) in enumerate(zip(factors.tolist(), factors.cumprod(0).tolist()), 1):
        context = tokenizer.decode(ids[0, :t])
        print(f"{factor:>8.1%} for {tokenizer.decode([ids[0, t]])!r:<12} after {context!r:<42} product {product:.1e}")


play(show_chain, text=textbox("The capital of France is Paris."))

# %% [markdown]
# Half a dozen tokens, and the product is tiny already: there are very many sentences, and they have to share a
# probability of 1. The text that surprises least is not one of high probability, only of higher probability than others.
#
# Inside, the thirty blocks turn the embeddings into $T$ vectors $h_t$ of $d$ numbers, the **hidden states**. The last
# layer, `lm_head`, compares each of them with a vector for every token of the vocabulary:
#
# $$ z_{t,i} = h_t \cdot W_i, \qquad W \in \mathbb{R}^{V \times d} $$
#
# These scores $z$ are the **logits**. In this model $W$ is the embedding table $E$ once more (*weight tying*, Press and
# Wolf 2017): a token is likely when the hidden state points where its embedding points. The comparison of section 2,
# without the division by lengths, is how the model speaks.
#
# **Predict first.** The prompt has 4 tokens. What is the shape of the logits? And which part of them do you need to
# continue the prompt?
#
# <details><summary>Answer</summary>
#
# <code>(1, 4, 49152)</code>: a batch of one text, and for each of its four positions one score for each token. Position
# t has seen the tokens up to t and is about token t + 1; to continue the prompt you need the last, <code>[0, -1]</code>.
# The other three look useless. In section 6 they turn out to be what training is made of.
# </details>

# %% tags=["demo"]
prompt = tokenizer("My favorite composer is", return_tensors="pt").to(model.device)
hidden = model.get_decoder()(**prompt).last_hidden_state  # everything but lm_head
by_hand = hidden @ embedding.T
logits = model(**prompt).logits
print("hidden states", tuple(hidden.shape), " logits", tuple(logits.shape))
print("lm_head is the embedding table:", model.lm_head.weight is model.get_input_embeddings().weight)
print("largest difference between h · E and the model's logits:", (by_hand - logits).abs().max().item())
last = logits[0, -1]
print(f"logits of the last position: from {last.min():.1f} to {last.max():.1f}, "
      f"{(last < 0).float().mean():.0%} of them negative")

# %% [markdown]
# ## 4. From scores to probabilities, and back
#
# Logits are not probabilities: most are negative here, and they add up to nothing in particular. Three demands lead
# to the function that mends this. Every result is positive; they sum to 1; and the *difference* of two scores decides
# the *ratio* of their probabilities. The **softmax** does all three:
#
# $$ p_i = \frac{e^{z_i}}{\sum_j e^{z_j}} $$
#
# Physics had it first, as Boltzmann's distribution over energies; Bridle (1990) gave it its name when he made it the
# last layer of neural nets. Solve it for $z$ and you see what a logit *is*:
#
# $$ z_i = \log p_i + \underbrace{\log \sum_j e^{z_j}}_{\text{the same for all } i} $$
#
# **Logits are log-probabilities plus a constant.** The constant is all that softmax throws away. Add 100 to every
# logit and $e^{100}$ cancels from numerator and denominator. That freedom is what keeps us from having to compute
# $e^{1000}$, for which no float has room.
#
# **Predict first.** Below are five scores. If only the score of *Mozart* goes up by 1, is his probability multiplied by
# $e \approx 2.72$, by less, or by more? What if *all* five go up by 1? And if all are doubled?
#
# <details><summary>Answer</summary>
#
# By less than e: the numerator grows by the factor e, but it is one of the terms below the line as well. (A token that
# was hopeless before gains almost the full factor, a token that was nearly certain almost nothing.) If all go up by 1,
# nothing changes. If all are doubled, differences double, so ratios are squared: the favourite gains, the others lose.
# </details>

# %% tags=["demo"]
def show_scores(mozart: float, shift: float, scale: float) -> None:
    names = ["Mozart", "Bach", "Brahms", "Bartók", "unknown"]
    scores = (torch.tensor([mozart, 1.0, 0.5, -0.5, -2.0]) + shift) * scale
    fig, (left, right) = plots.figure(1, 2, size=(8.8, 2.6))
    left.barh(range(5), scores.numpy(), color=[plots.POSITIVE if s > 0 else plots.NEGATIVE for s in scores])
    left.set_yticks(range(5), names)
    left.invert_yaxis()
    left.set(xlabel="score", title="scores", xlim=(-12, 12))
    plots.bars(right, names, torch.softmax(scores, 0))
    right.set(title="softmax", xlim=(0, 1.15))
    plots.caption(fig, "Five scores and what softmax makes of them.",
                  "Left: five scores as bars, positive to the right, negative to the left. Right: their probabilities.")


play(show_scores, mozart=slider(2.0, -4, 5, 0.5, "Mozart"), shift=slider(0.0, -4, 4, 0.5, "add to all"),
     scale=slider(1.0, 0, 2, 0.1, "multiply all"))

# %% [markdown]
# ### Exercise: `softmax` (3 points, 10 minutes)
#
# Write `softmax(x, dim)` with `exp`, sums and whatever else you need, but without calling torch's. The result has the
# shape and dtype of `x`; each of its slices along `dim` is a distribution. It must stay right for scores of any size,
# such as ±10,000, and for slices that lie far from one another. A score of $-\infty$ (a forbidden token) gets
# probability 0; no slice is all $-\infty$. Leave `x` as it was.
#
# <details><summary>Hint 1</summary>You may subtract any constant from all scores of a slice. Which one makes sure that
# the largest exponent is 0?</details>
# <details><summary>Hint 2</summary>Each slice has its own largest score, and its own sum. <code>keepdim=True</code> keeps
# them where broadcasting finds them.</details>
# <details><summary>Hint 3</summary><code>x - x.amax(dim, keepdim=True)</code>; exponentiate; divide by the sum along
# <code>dim</code>, again with <code>keepdim=True</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "softmax", "locked": false, "schema_version": 3, "solution": true, "task": false}
def softmax(x: Tensor, dim: int) -> Tensor:
    """Probabilities in proportion to exp(x) along `dim`.

    x: scores of any shape. Returns a tensor of the same shape and dtype, each slice along `dim` a distribution.
    """
    ### BEGIN SOLUTION
    weights = (x - x.amax(dim, keepdim=True)).exp()
    return weights / weights.sum(dim, keepdim=True)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_softmax", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
rows = torch.tensor([[0.0, 1.0, 2.0], [2.0, 2.0, 2.0]])
powers = torch.tensor([[1.0, math.e, math.e**2], [math.e**2] * 3])
check.close(softmax(rows, dim=1), powers / powers.sum(1, keepdim=True), mistakes={
    "the whole table shares one sum: sum along `dim` only": powers / powers.sum(),
    "each column is a distribution, not each row: mind `dim`": powers / powers.sum(0),
    "these are the exponentials: divide by their sum": powers,
    "you divided the scores by their sum, without exponentiating": rows / rows.sum(1, keepdim=True),
    "1 for the largest score and 0 for the rest is argmax, not softmax": F.one_hot(rows.argmax(1), 3).float(),
    "that is the logarithm of the softmax": (powers / powers.sum(1, keepdim=True)).log(),
    "the base is e, not 2": 2**rows / (2**rows).sum(1, keepdim=True),
}, hint="not the softmax of each row")
check.close(softmax(torch.tensor([1000.0, 0.0]), dim=0), torch.tensor([1.0, 0.0]),
            hint="exp(1000) overflows to infinity: subtract the largest score before you exponentiate")
### BEGIN HIDDEN TESTS
cube = 30 * torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
kept = check.beside(lambda f, x: (f(x, 1), x)[1], softmax, cube)
check.equal(kept, cube, hint="you changed `x` in place")
for along in (0, 1, 2, -1, -2):
    check.close(softmax(cube, along), torch.softmax(cube, along), hint=f"wrong along dim={along} of three")
apart = torch.tensor([[1e4, 1e4 + 1], [-1e4, -1e4 - 1], [0.0, 3.0]])
check.close(softmax(apart, 1), torch.softmax(apart, 1), atol=2e-3,  # rounding at 10,000
            hint="wrong for large scores far from one another: subtract from each slice its own maximum")
barred = torch.tensor([0.5, -math.inf, 0.5, -math.inf])
check.close(softmax(barred, 0), torch.tensor([0.5, 0.0, 0.5, 0.0]), hint="a score of -inf has probability 0")
check.close(softmax(cube.double(), 2), torch.softmax(cube.double(), 2), hint="float64 goes in, float64 comes out")
### END HIDDEN TESTS

# %% [markdown]
# On the real model's 49,152 logits:

# %% tags=["demo"]
p = softmax(last, 0)
print("sum of the probabilities:", p.sum().item())
print("largest:", p.max().item(), " smallest:", p.min().item())

# %% [markdown]
# The sum is 1 only to about six digits, since forty-nine thousand rounded numbers were added up. A test such as
# `p.sum() == 1` would fail a perfectly good softmax most of the time; that is why none here asks for it.
#
# ### Logarithms of probabilities
#
# Products of many probabilities vanish: in float32, everything below about $10^{-45}$ is 0, and a text of a few dozen
# tokens gets there easily. So one works with log-probabilities, which add up. Taking the logarithm of a softmax looks
# innocent, but it is not: a probability of $e^{-1000}$ has become 0 by then, and its logarithm $-\infty$.
#
# ### Exercise: `log_softmax` (2 points, 10 minutes)
#
# Write `log_softmax(x, dim)`: the logarithm (base $e$) of the softmax along `dim`, of the shape and dtype of `x`. It
# must be finite and right for every finite score, such as `[0, 1000]`. Do not call torch's `log_softmax`. Leave `x` as
# it was.
#
# <details><summary>Hint 1</summary>Take the logarithm of the formula on paper before you take it in code: what becomes of
# the division, and what of the exponential above the line?</details>
# <details><summary>Hint 2</summary>It is the score minus one constant for each slice, the one in the formula of this
# section.</details>
# <details><summary>Hint 3</summary>Shift first, <code>s = x - x.amax(dim, keepdim=True)</code>, then
# <code>s - s.exp().sum(dim, keepdim=True).log()</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "log_softmax", "locked": false, "schema_version": 3, "solution": true, "task": false}
def log_softmax(x: Tensor, dim: int) -> Tensor:
    """Natural logarithms of the softmax along `dim`, finite for every finite score. Shape and dtype of `x`."""
    ### BEGIN SOLUTION
    shifted = x - x.amax(dim, keepdim=True)
    return shifted - shifted.exp().sum(dim, keepdim=True).log()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_log_softmax", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
known = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]])
disguised = known.log() + torch.tensor([[3.0], [-1.0]])  # the same distributions, each plus its own constant
check.close(log_softmax(disguised, dim=1), known.log(), mistakes={
    "that is the softmax: its logarithm is wanted": known,
    "the base is e, not 2": known.log2(),
    "the base is e, not 10": known.log10(),
    "the sign is wrong: log-probabilities are negative": -known.log(),
    "one constant for the whole table: each slice along `dim` has its own": disguised - disguised.exp().sum().log(),
    "wrong axis: mind `dim`": torch.log_softmax(disguised, 0),
    "the shift alone is not enough: subtract the logarithm of the sum of the exponentials as well":
        disguised - disguised.amax(1, keepdim=True),
}, hint="not the logarithms of each row's softmax")
check.close(log_softmax(torch.tensor([0.0, 1000.0]), dim=0), torch.tensor([-1000.0, 0.0]), mistakes={
    "the probability had become 0 before you took its logarithm: simplify log(exp(x) / sum) first":
        torch.tensor([-math.inf, 0.0]),
}, hint="exp(1000) overflows: subtract the largest score first, and bend no probability before its logarithm is taken")
### BEGIN HIDDEN TESTS
block = 40 * torch.randn(3, 2, 4, generator=torch.Generator().manual_seed(1))
kept = check.beside(lambda f, x: (f(x, 1), x)[1], log_softmax, block)
check.equal(kept, block, hint="you changed `x` in place")
scattered = torch.tensor([[1e4, 1e4 - 2000], [-1e4, -1e4 - 1], [0.0, 3.0]])
check.close(log_softmax(scattered, 1), torch.log_softmax(scattered, 1), atol=2e-3,  # rounding at 10,000
            hint="wrong for large scores far from one another: subtract from each slice its own maximum")
for along in (0, 1, 2, -1, -3):
    check.close(log_softmax(block, along), torch.log_softmax(block, along), hint=f"wrong along dim={along} of three")
check.close(log_softmax(block.double(), 0), torch.log_softmax(block.double(), 0),
            hint="float64 goes in, float64 comes out")
### END HIDDEN TESTS

# %% [markdown]
# Now the claim that logits are log-probabilities plus a constant, on the real model. The difference of the two should be
# one number for all 49,152 tokens of a position, and it is; from position to position it changes.

# %% tags=["demo"]
constant = logits[0] - log_softmax(logits[0], 1)  # (4, V)
for position, token_id in enumerate(prompt.input_ids[0]):
    print(f"after {tokenizer.decode([token_id])!r:>12}: constant {constant[position].mean():.4f}, "
          f"spread over the vocabulary {constant[position].std():.1e}")

# %% [markdown]
# ### Which token wins?
#
# If you only want the single most likely token, you need its place in the list and none of the probabilities:
#
# $$ \hat{\imath} = \arg\max_i \, p_i $$

# %% tags=["demo"]
for name, scores in {"logits": last, "log-probabilities": log_softmax(last, 0), "probabilities": softmax(last, 0)}.items():
    winner = scores.argmax().item()
    print(f"argmax of the {name:<18}: {winner} {tokenizer.decode([winner])!r}")

# %% [markdown]
# ### Written answer (3 points): why does the argmax of the logits suffice?
#
# Someone removes the softmax from a greedy decoder, takes the argmax of the logits, and every text comes out the same
# as before. In three to six sentences: why can that never change the winner? Say what each of the two steps of softmax
# (exponentiating, dividing) does to the *order* of the scores. Then name one use of the model for which the logits
# alone do *not* do, and say why.

# %% [markdown] nbgrader={"grade": true, "grade_id": "written_argmax", "locked": false, "points": 3, "schema_version": 3, "solution": true, "task": false}
# ### BEGIN SOLUTION
# The exponential is strictly increasing: $z_i > z_j$ exactly when $e^{z_i} > e^{z_j}$, so exponentiating keeps the order
# of the scores. Then every one of them is divided by the same positive number, the sum, which keeps the order once more.
# So the largest logit, the largest log-probability (a logit minus a constant) and the largest probability are those of
# the same token, and the softmax is work for nothing if only the winner counts.
#
# The *sizes* of the probabilities are another matter. To sample, to cut a nucleus at a sum of 0.9, to compute a
# cross-entropy or to compare the probabilities of two texts, one needs the normalized values: the constant that the
# logits carry differs from position to position, so logits of different positions cannot even be compared.
#
# *For the grader, one mark each: the exponential is strictly increasing; the division is by one positive number, the
# same for all; a use that needs normalized values, with its reason.*
# ### END SOLUTION

# %% [markdown]
# ## 5. What comes next?
#
# Everything is in place for the question that a language model answers: *given this text, what comes next?* Encode it,
# run the model, take the logits **of the last position**, make them probabilities, and look at the largest.
#
# **Predict first.** What will a model of 135 million weights give for *My favorite composer is*: a name? And how much
# probability will its favourite token have: over a half, about a tenth, less?
#
# <details><summary>Answer</summary>
#
# No name. The most likely next tokens are the words that most often follow such a beginning: <em>a</em>, <em>not</em>,
# <em>the</em>, each with about a twentieth. Probability spreads over many ways to go on, and the names share what is
# left for names. Compare <em>The capital of France is</em>, where one token takes three quarters.
# </details>
#
# ### Exercise: `top_k_next` (3 points, 15 minutes)
#
# Write `top_k_next(model, tokenizer, prompt, k)`: the `k` most likely next tokens after `prompt`, as a list of `k`
# tuples `(token, probability)`, the most likely first. `token` is the string that `tokenizer.decode` gives for that
# one id, leading space and all; `probability` is a plain float, its share among **all** tokens of the vocabulary. Encode
# the prompt (never empty) just as `tokenizer(prompt)` does, with whatever special tokens it adds, and move the ids to
# `model.device`.
#
# <details><summary>Hint 1</summary><code>tokenizer(prompt, return_tensors="pt").to(model.device)</code> gives ids and mask
# with the batch axis that the model wants, where it wants them; <code>model(**batch).logits</code> is (1, T, V).</details>
# <details><summary>Hint 2</summary>Softmax first, then the k largest. The other way round, the k would share all of the
# probability among themselves.</details>
# <details><summary>Hint 3</summary><code>values, ids = p.topk(k)</code> are sorted already. <code>.tolist()</code> makes
# plain numbers of them, and <code>tokenizer.decode([i])</code> a string of each id.</details>

# %% nbgrader={"grade": false, "grade_id": "top_k_next", "locked": false, "schema_version": 3, "solution": true, "task": false}
def top_k_next(model, tokenizer, prompt: str, k: int) -> list[tuple[str, float]]:
    """The k most likely tokens after `prompt` as (decoded token, probability), the most likely first."""
    ### BEGIN SOLUTION
    batch = tokenizer(prompt, return_tensors="pt").to(model.device)
    logits = model(**batch).logits[0, -1]  # (V,)
    values, ids = torch.softmax(logits, 0).topk(k)
    return [(tokenizer.decode([i]), p) for p, i in zip(values.tolist(), ids.tolist())]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_top_k_next", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
def best_of(scores, coder, k):
    """Strings, probabilities and ids of the k likeliest tokens for one row of scores (V,), in plain Python."""
    weights = [math.exp(score) for score in (scores.double() - scores.max()).tolist()]
    ids = sorted(range(len(weights)), key=weights.__getitem__, reverse=True)[:k]
    return [coder.decode([i]) for i in ids], [weights[i] / sum(weights) for i in ids], ids


capital = "The capital of France is"
scores = model(**tokenizer(capital, return_tensors="pt").to(model.device)).logits[0]  # (T, V)
names, share, best = best_of(scores[-1], tokenizer, 5)
inner = tokenizer.convert_ids_to_tokens(best)
pairs_of = lambda left, right: list(zip(left, right, strict=True))
check.close(top_k_next(model, tokenizer, capital, 5), pairs_of(names, share), rtol=1e-3, mistakes={
    "the k probabilities sum to 1: take the softmax over the whole vocabulary before you pick":
        pairs_of(names, [s / sum(share) for s in share]),
    "these are logits, not probabilities": pairs_of(names, scores[-1, best].tolist()),
    "these are log-probabilities": pairs_of(names, [math.log(s) for s in share]),
    "the most likely token comes first": pairs_of(names, share)[::-1],
    "that is what follows the first token of the prompt: take the last position":
        pairs_of(*best_of(scores[0], tokenizer, 5)[:2]),
    "keep the leading space: it is part of the token": pairs_of([n.strip() for n in names], share),
    "those are the tokenizer's inner names (Ġ for a space): decode the id": pairs_of(inner, share),
    "ids came: decode each of them into a string": pairs_of(best, share),
    "pairs in the wrong order: (token, probability)": pairs_of(share, names),
    "each pair should be a tuple": [list(pair) for pair in pairs_of(names, share)],
    "these are percentages: a probability is at most 1": pairs_of(names, [100 * s for s in share]),
}, hint="not the most likely next tokens with their probabilities")
### BEGIN HIDDEN TESTS
composer = "My favorite composer is"
after = model(**tokenizer(composer, return_tensors="pt").to(model.device)).logits[0, -1]
check.close(top_k_next(model, tokenizer, composer, 7), pairs_of(*best_of(after, tokenizer, 7)[:2]), rtol=1e-3,
            hint="wrong for another prompt and k=7")
# A tokenizer that puts <s> before every text, and a model with another vocabulary.
small, speller = toy_llama(3, vocab_size=16), toy_tokenizer("a b c d e f g h i j k", "<s> $A")
after = small(torch.tensor([[1, 7, 5, 9]])).logits[0, -1]  # <s> c a e
for k in (16, 1):
    check.close(top_k_next(small, speller, "c a e", k), pairs_of(*best_of(after, speller, k)[:2]), rtol=1e-3,
                hint="wrong for another model, whose tokenizer puts a special token before the text: keep it")
### END HIDDEN TESTS

# %% tags=["demo"]
def show_next(prompt: str) -> None:
    tokens, shares = zip(*top_k_next(model, tokenizer, prompt, 7))
    fig, ax = plots.figure(size=(6.4, 2.8))
    plots.bars(ax, tokens, torch.tensor(shares))
    ax.set_title(f"{prompt} …", parse_math=False)
    plots.caption(fig, f"The seven most likely next tokens; {1 - sum(shares):.0%} of the probability is with the others.",
                  "Seven horizontal bars, the longest on top: next tokens and their probabilities.")


show_next("The capital of France is")
play(show_next, prompt=textbox("My favorite composer is", "prompt"))

# %% [markdown]
# Play: which prompts make the model certain, which leave it open? Does it help to end the prompt with a space? (It
# hurts, and now you can say why: no token of the usual kind, with its space in front, fits any more.)

# %% [markdown]
# ## 6. How good is a guess?
#
# Once the true next token is known, a guess can be judged: by the probability it gave to *that* token, and by nothing
# else. Its negative logarithm, $-\log p(x_t \mid x_{<t})$, is the **surprisal** of the token, measured in *nats* (with
# base 2 it would be *bits*): 0 when the model was certain, and without limit as it was wrong. The average over the
# tokens of a text is the **cross-entropy**, the loss with which every causal language model is trained:
#
# $$ \mathcal{L} = -\frac{1}{N} \sum_{t} \log p(x_t \mid x_{<t}) $$
#
# By the chain rule, the sum of log-probabilities is the logarithm of the probability of the **full text**, its
# likelihood. That gives the most quoted identity of this field. With $\theta$ for the weights,
#
# $$ \underset{\theta}{\arg\max} \prod_t p_\theta(x_t \mid x_{<t})
#  = \underset{\theta}{\arg\max} \sum_t \log p_\theta(x_t \mid x_{<t})
#  = \underset{\theta}{\arg\min} \; \mathcal{L}(\theta) . $$
#
# The logarithm is increasing, so it moves no maximum; the minus sign makes a minimum of it; the factor $1/N$ moves
# nothing. **Maximum likelihood** (Fisher 1922) **is minimum cross-entropy.** Mind what is equal here: the *place*
# $\theta$ where the two are reached (argmax = argmin), not the values that are reached there.
#
# You can watch it with a model that has a single parameter. Take ours, divide all of its logits by a number $\tau$, and
# ask which $\tau$ explains a given text best.

# %% tags=["demo"]
text = "The capital of France is Paris. It lies on the river Seine, and about two million people live there."
ids = tokenizer(text, return_tensors="pt").input_ids.to(model.device)
scores, following = model(ids).logits[0, :-1].double().cpu(), ids[0, 1:].cpu()  # position t is about token t + 1
taus = torch.linspace(0.6, 2.0, 57, dtype=torch.float64)
log_likelihood = torch.stack([torch.distributions.Categorical(logits=scores / tau).log_prob(following).sum()
                              for tau in taus])
likelihood, loss = log_likelihood.exp(), -log_likelihood / len(following)

fig, (upper, lower) = plots.figure(2, 1, size=(6.8, 4.6), sharex=True)
upper.plot(taus, likelihood, color=plots.BLUE)
upper.set(ylabel="likelihood of the text")
lower.plot(taus, loss, color=plots.ORANGE)
lower.set(ylabel="cross-entropy (nats)", xlabel="τ, the only parameter")
for ax in (upper, lower):
    ax.axvline(taus[likelihood.argmax()].item(), color=plots.GREY, linestyle="--")
plots.caption(fig, f"The likelihood of {len(following)} tokens is largest, and their cross-entropy smallest, at the same τ.",
              "Two curves over the same axis. The upper, the likelihood, has a peak near 1.1; the lower, the "
              "cross-entropy, has its lowest point just below that peak. A dashed line joins the two.")
print(f"argmax of the likelihood: τ = {taus[likelihood.argmax()]:.3f}, where it is {likelihood.max():.2e}")
print(f"argmin of the loss:       τ = {taus[loss.argmin()]:.3f}, where it is {loss.min():.3f}")

# %% [markdown]
# The likelihood of these twenty-odd tokens is about $10^{-23}$. It is a *good* score for a text of that length, but one
# sees why losses are in logarithms.
#
# **Predict first.** A model gave the right token 1/2 at one position and 1/8 at the next. The mean of the two
# probabilities is 5/16. Is its mean surprisal that of a model which gave 5/16 both times, or is it larger or smaller?
#
# <details><summary>Answer</summary>
#
# Larger: it is that of a model which gave 1/4 both times, since ½ · ⅛ = ¼ · ¼. The mean of logarithms is the logarithm
# of the <em>geometric</em> mean, which a single bad guess pulls down hard. Give the truth a millionth just once, and you
# pay for it in the average of the whole text.
# </details>
#
# ### Exercise: `cross_entropy` (4 points, 20 minutes)
#
# Write `cross_entropy(logits, targets, ignore_index=-100)` without calling torch's. `logits` has shape (N, V), one row
# of scores for each position, and `targets` has shape (N,), the token that came there. Return the **mean** surprisal of
# the targets in nats, as a tensor of shape () and of the dtype of `logits`. A position whose
# target is `ignore_index` takes no part: neither in the sum nor in the number you divide by. (That is how padding is
# kept out of a loss.) `ignore_index` may be any whole number, a real token's id as well; at least one position is
# kept. It must stay right for logits such as ±10,000.
#
# <details><summary>Hint 1</summary>You have just written what turns logits into log-probabilities safely. What remains
# is to pick one number in each row, and to average the right ones.</details>
# <details><summary>Hint 2</summary>Throw out the ignored positions first: <code>kept = targets != ignore_index</code> is
# a mask that indexes both tensors, and <code>logits[kept]</code> has shape (number kept, V).</details>
# <details><summary>Hint 3</summary><code>logp.gather(-1, targets[:, None])</code> picks entry <code>targets[n]</code> of
# row n. Then a minus sign and <code>.mean()</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "cross_entropy", "locked": false, "schema_version": 3, "solution": true, "task": false}
def cross_entropy(logits: Tensor, targets: Tensor, ignore_index: int = -100) -> Tensor:
    """Mean of -log p(target) in nats over the positions whose target is not `ignore_index`; shape ().

    logits: (N, V). targets: (N,), token ids or `ignore_index`.
    """
    ### BEGIN SOLUTION
    kept = targets != ignore_index
    logp = torch.log_softmax(logits[kept], -1)  # (number kept, V)
    return -logp.gather(-1, targets[kept][:, None]).mean()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_cross_entropy", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
chances = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]])
raw = chances.log() + torch.tensor([[2.0], [-1.0], [0.5]])  # logits: log-probabilities plus a constant for each row
nats = [-math.log(0.5), -math.log(0.1), -math.log(0.6)]  # of targets 0, 2, 2
check.close(cross_entropy(raw, torch.tensor([0, 2, 2])), torch.tensor(sum(nats) / 3), mistakes={
    "that is the sum: the mean is wanted": torch.tensor(sum(nats)),
    "the sign is wrong: surprisal is positive": torch.tensor(-sum(nats) / 3),
    "those are bits (base 2): nats are wanted": torch.tensor(sum(nats) / 3 / math.log(2)),
    "you picked logits as if they were log-probabilities: log_softmax first": -(raw[0, 0] + raw[1, 2] + raw[2, 2]) / 3,
    "you averaged probabilities, not their logarithms": torch.tensor(-(0.5 + 0.1 + 0.6) / 3),
    "average the logarithms, do not take the logarithm of the average": torch.tensor(-math.log((0.5 + 0.1 + 0.6) / 3)),
    "the mean went over all V tokens: only the target of each row counts": torch.tensor(sum(nats) / 9),
    "that is the entropy of the guesses: the targets do not come into it": -(chances * chances.log()).sum(1).mean(),
    "softmax along the wrong axis: it goes over the vocabulary, the last one":
        -torch.log_softmax(raw, 0)[[0, 1, 2], [0, 2, 2]].mean(),
}, hint="not the mean surprisal of the three targets")
check.close(cross_entropy(raw, torch.tensor([0, -100, 2])), torch.tensor((nats[0] + nats[2]) / 2), mistakes={
    "divide by the number of targets that were kept, not by all of them": torch.tensor((nats[0] + nats[2]) / 3),
    "a target of -100 is to be ignored, not used as an index": torch.tensor((nats[0] - math.log(0.1) + nats[2]) / 3),
}, hint="a target of -100 takes no part in the mean")
### BEGIN HIDDEN TESTS
steep = torch.tensor([[1e4, 0.0, -1e4], [-1e4, 1e4, 0.0]])
check.close(cross_entropy(steep, torch.tensor([1, 1])), torch.tensor(5000.0),
            hint="wrong or not finite for large logits: use log_softmax, not the logarithm of a softmax")
generator = torch.Generator().manual_seed(0)
wide, aims = 5 * torch.randn(8, 7, generator=generator), torch.randint(0, 7, (8,), generator=generator)
aims[1], aims[7], aims[6] = -100, -100, 3
real = aims.where(aims >= 0, 3)
check.close(cross_entropy(wide, aims), F.cross_entropy(wide, aims), hint="wrong for eight rows, two of them ignored")
for ignored in (3, real[0].item(), 0):
    check.close(cross_entropy(wide, real, ignored), F.cross_entropy(wide, real, ignore_index=ignored),
                hint=f"ignore_index={ignored}: `ignore_index` is an argument, and may be a real token's id")
check.close(cross_entropy(wide.double(), real, ignore_index=-1), F.cross_entropy(wide.double(), real),
            hint="wrong in float64, or where nothing is ignored")
### END HIDDEN TESTS

# %% [markdown]
# In the real model every token of a sentence has its surprisal, and one wrong word stands out like a wrong note:

# %% tags=["demo"]
def show_surprisal(text: str) -> None:
    ids = tokenizer(text, return_tensors="pt").input_ids.to(model.device)
    logits = model(ids).logits
    each = [cross_entropy(logits[0, t - 1:t], ids[0, t:t + 1]).item() for t in range(1, ids.shape[1])]
    fig, ax = plots.figure(size=(8.8, 2.8))
    worst = max(each)
    ax.bar(range(len(each)), each, color=[plots.ORANGE if s == worst else plots.BLUE for s in each])
    ax.set_xticks(range(len(each)), [plots.visible(tokenizer.decode([i])) for i in ids[0, 1:]], rotation=45, ha="right",
                  parse_math=False)
    ax.grid(False, axis="x")
    ax.set(ylabel="surprisal (nats)")
    plots.caption(fig, f"Mean {sum(each) / len(each):.2f} nats per token. The first token has nothing before it and is not "
                       "predicted.", "A bar for each token of the text; the most surprising one is orange.")


show_surprisal("To be, or not to be, that is the question.")
play(show_surprisal, text=textbox("To be, or not to be, that is the potato."))

# %% [markdown]
# ### Perplexity
#
# The exponential of the cross-entropy undoes the logarithm and is called **perplexity** (Jelinek et al. 1977):
#
# $$ \mathrm{PPL} = e^{\mathcal{L}} = p(x_2, \dots, x_T \mid x_1)^{-1/N} $$
#
# It reads like a number of choices. A model that finds $k$ tokens equally likely at each step, the right one among
# them, has perplexity $k$.
#
# **Predict first.** What is the perplexity of a model that knows nothing and gives all $V$ tokens the same probability?
# And what is the lowest perplexity there can be?
#
# <details><summary>Answer</summary>
#
# V: it hesitates among 49,152 tokens at every step. The lowest is 1, for a model that is certain and right each time.
# </details>
#
# ### Exercise: `perplexity` (3 points, 15 minutes)
#
# Write `perplexity(model, input_ids)`: `exp` of the mean surprisal over all predicted tokens of `input_ids`, which has
# shape (B, T) with T >= 2 and no padding and is on the model's device, as a plain float. The first token of each row is
# given, so B (T − 1) tokens are predicted; with several rows it is still **one** mean over all of those, then one
# `exp`. You may use your `cross_entropy` or torch's `F.cross_entropy`.
#
# <details><summary>Hint 1</summary>Position t of the logits is about token t + 1. Which logits have no token to be about,
# and which token has no logits about it?</details>
# <details><summary>Hint 2</summary><code>logits[:, :-1]</code> goes with <code>input_ids[:, 1:]</code>.</details>
# <details><summary>Hint 3</summary>Either cross-entropy wants (N, V) and (N,): <code>.flatten(0, 1)</code> on the logits
# and <code>.flatten()</code> on the targets. <code>.exp().item()</code> ends it.</details>

# %% nbgrader={"grade": false, "grade_id": "perplexity", "locked": false, "schema_version": 3, "solution": true, "task": false}
def perplexity(model, input_ids: Tensor) -> float:
    """exp of the mean surprisal in nats of every token but the first of each row (Jelinek et al. 1977).

    input_ids: (B, T), T >= 2, without padding, on the model's device.
    """
    ### BEGIN SOLUTION
    logits = model(input_ids).logits[:, :-1]  # the last position is about a token that is not there
    loss = F.cross_entropy(logits.flatten(0, 1), input_ids[:, 1:].flatten())
    return loss.exp().item()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_perplexity", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
even = toy_llama(0, vocab_size=23)
even.lm_head.weight.data.zero_()  # now every token is as likely as any other
check.close(perplexity(even, torch.tensor([[3, 1, 4, 1, 5]])), 23.0, rtol=1e-4, mistakes={
    "that is the cross-entropy: perplexity is its exponential": math.log(23),
    "2 ** nats: take exp, or measure in bits": 2 ** math.log(23),
    "that is the exponential of a sum: take the mean over the tokens": lambda: math.exp(4 * math.log(23)),
    "you divided by all tokens: the first is given, so T - 1 are predicted": 23 ** (4 / 5),
    "the sign of the surprisal is wrong": 1 / 23,
}, hint="a model that knows nothing has perplexity V")
toy, page = toy_llama(1), torch.tensor([[3, 1, 4, 1, 5], [9, 2, 6, 5, 3], [7, 7, 7, 7, 7]])
guesses = toy(page).logits.double()
judged = lambda scores, ids: F.cross_entropy(scores.flatten(0, 1), ids.flatten()).exp().item()
each = F.cross_entropy(guesses[:, :-1].flatten(0, 1), page[:, 1:].flatten(), reduction="none")
check.close(perplexity(toy, page), toy(page, labels=page).loss.exp().item(), rtol=1e-4, mistakes={
    "each position was judged by its own token: position t is about token t + 1": judged(guesses, page),
    "shifted the wrong way: position t is about token t + 1, not t - 1": judged(guesses[:, 1:], page[:, :-1]),
    "the mean of the rows' perplexities is not the perplexity: one mean over all tokens, then exp":
        sum(judged(guesses[b:b + 1, :-1], page[b:b + 1, 1:]) for b in range(3)) / 3,
    "only the first row was used": judged(guesses[:1, :-1], page[:1, 1:]),
    "take the mean first, then its exponential": each.exp().mean().item(),
    "the end of a row does not predict the start of the next: shift each row by itself":
        judged(guesses.flatten(0, 1)[None, :-1], page.flatten()[None, 1:]),
}, hint="wrong for a batch of three rows")
### BEGIN HIDDEN TESTS
pair = torch.tensor([[5, 8]])
check.close(perplexity(toy, pair), 1 / torch.softmax(toy(pair).logits[0, 0].double(), 0)[8].item(), rtol=1e-4,
            hint="wrong for the shortest text, of two tokens, one of which is predicted")
seine = tokenizer("The capital of France is Paris. It lies on the river Seine.", return_tensors="pt").input_ids
seine = seine.to(model.device)
check.close(perplexity(model, seine), model(seine, labels=seine).loss.exp().item(), rtol=1e-3,
            hint="wrong for the real model")
### END HIDDEN TESTS

# %% tags=["demo"]
for sentence in ("The capital of France is Paris.", "The capital of France is Berlin.", "The capital of France is banana.",
                 "Colourless green ideas sleep furiously.", "Furiously sleep ideas green colourless."):
    ids = tokenizer(sentence, return_tensors="pt").input_ids.to(model.device)
    print(f"{perplexity(model, ids):>10.1f}  {sentence}")

# %% [markdown]
# Chomsky (1957) made up the fourth sentence. Neither it nor its reversal, he argued, had ever been uttered, so no
# statistics of English could tell which of the two is grammatical. The model finds both absurd, but the one that breaks
# the rules of English as well finds even less favour.

# %% [markdown]
# ## 7. The loop that writes
#
# A model that can tell what comes next can write, if you let it read what it has written:
#
# 1. **tokenize** the prompt;
# 2. run the model **forward**;
# 3. take the **probabilities** at the last position;
# 4. **choose** a token;
# 5. append it, and **repeat** from 2 until there is enough;
# 6. **detokenize** the whole sequence.
#
# That is the inference loop; all chat models run in it. *Greedy* decoding always chooses the most likely token, for
# which the logits suffice.
#
# Real programs run many prompts at once, and prompts have different lengths. To fit into one tensor they are **padded**,
# and since the new token goes to the right end, the padding goes to the **left**. An **attention mask** says which
# tokens are real:

# %% tags=["demo"]
padded = tokenizer(["The capital of France is", "My cat"], padding=True, padding_side="left", return_tensors="pt")
print(padded.input_ids)
print(padded.attention_mask)
print("the padding token:", tokenizer.pad_token_id, repr(tokenizer.pad_token))

# %% [markdown]
# Padding must not change what a prompt is continued with. That takes care in three places:
#
# - **The model must not look at padding**: pass the mask along.
# - **The mask must grow**: each new token is real, so the mask gets a new column of ones at each step.
# - **Positions count real tokens.** The first real token of each row has position 0, wherever padding has pushed it.
#   Left alone, the model numbers columns instead. To a model with rotary positions, such as ours, that makes no
#   difference, since it feels only *distances* between tokens; GPT-2, which adds a learned vector for each absolute
#   position, reads a different text. So pass `position_ids`, of the shape of the ids; on padding they may be any valid
#   position, such as 0.
#
# **Predict first.** For the mask row `0 0 1 1 1`, the positions should be `? ? 0 1 2`. Which operation along the row
# turns the mask into that?
#
# <details><summary>Answer</summary>
#
# A cumulative sum counts the real tokens so far, <code>0 0 1 2 3</code>; minus 1 gives <code>-1 -1 0 1 2</code>. The −1
# on padding is no valid position (GPT-2 would look up row −1 of a table and fail), so clamp it to 0.
# </details>
#
# ### Exercise: `generate_greedy` (6 points, 35 minutes)
#
# Write `generate_greedy(model, input_ids, attention_mask, max_new_tokens)`. `input_ids` and `attention_mask` are (B, T)
# int64 tensors of left-padded prompts, on the model's device; 1 in the mask is a real token. Return
# (B, T + max_new_tokens) int64: the prompts **as they came, padding included, followed by the new tokens**. Each new
# token has the largest logit at the last position, given the real tokens of its row. It must hold for any causal model,
# with rotary positions or with absolute ones.
#
# `max_new_tokens` is at least 1. No test runs into an end-of-text token; what you do there is up to you. Which tokens
# are padding is for the mask to say: the padding id may also be a real token of a prompt. Leave the arguments as they
# were. There are no ties, and speed does not matter: feeding the whole sequence at each step is fine. Do not call
# `model.generate`; it is the test's yardstick.
#
# <details><summary>Hint 1</summary>Write it for one unpadded row first: <code>model(ids).logits[:, -1].argmax(-1)</code>
# has shape (B,). How do you append it to ids of shape (B, T)?</details>
# <details><summary>Hint 2</summary><code>torch.cat([ids, new[:, None]], dim=1)</code>, and the same for the mask with a
# column of ones: <code>torch.ones_like(new)[:, None]</code>.</details>
# <details><summary>Hint 3</summary>Inside the loop: <code>positions = (mask.cumsum(-1) - 1).clamp(min=0)</code>, and call
# <code>model(input_ids=ids, attention_mask=mask, position_ids=positions)</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "generate_greedy", "locked": false, "schema_version": 3, "solution": true, "task": false}
def generate_greedy(model, input_ids: Tensor, attention_mask: Tensor, max_new_tokens: int) -> Tensor:
    """Continue each left-padded prompt with its most likely tokens, as if it stood there without padding.

    Holds for every causal model: with rotary positions (Llama) and with learned absolute ones (GPT-2).
    input_ids, attention_mask: (B, T) int64, 1 = a real token. Returns (B, T + max_new_tokens): the prompts as they
    came, padding included, and the new tokens.
    """
    ### BEGIN SOLUTION
    ids, mask = input_ids, attention_mask
    for _ in range(max_new_tokens):
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        logits = model(input_ids=ids, attention_mask=mask, position_ids=positions).logits[:, -1]
        new = logits.argmax(-1, keepdim=True)  # (B, 1)
        ids = torch.cat([ids, new], dim=1)
        mask = torch.cat([mask, torch.ones_like(new)], dim=1)
    return ids
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_generate_greedy", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
def by_transformers(writer, ids, mask, steps):
    """What the library's own `generate` makes of the prompts."""
    return writer.generate(ids, attention_mask=mask, max_new_tokens=steps, do_sample=False, eos_token_id=None,
                           pad_token_id=0)


def continued(writer, prompts: list[list[int]], steps: int) -> list[list[int]]:
    """What `generate` appends to each prompt, one at a time and so without any padding."""
    rows = [torch.tensor([row]) for row in prompts]
    return [by_transformers(writer, row, torch.ones_like(row), steps)[0, row.shape[1]:].tolist() for row in rows]


def left_padded(prompts: list[list[int]], pad: int) -> tuple[Tensor, Tensor]:
    width = max(map(len, prompts))
    return (torch.tensor([[pad] * (width - len(row)) + row for row in prompts]),
            torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in prompts]))


# 1. One prompt, no padding, one step.
rotary, absolute = toy_llama(0), toy_gpt2(1)
single = torch.tensor([[5, 7, 9, 11]])
want = torch.tensor([[5, 7, 9, 11, *continued(rotary, [[5, 7, 9, 11]], 1)[0]]])
check.equal(generate_greedy(rotary, single, torch.ones_like(single), 1), want, mistakes={
    "only the new tokens came back: the prompt belongs in front of them": want[:, 4:],
    "nothing was appended": single,
}, hint="wrong for one step without padding: the new token has the largest logit at the last position")
# 2. More steps: what has been written is read again.
want = torch.tensor([[5, 7, 9, 11, *continued(rotary, [[5, 7, 9, 11]], 8)[0]]])
check.equal(generate_greedy(rotary, single, torch.ones_like(single), 8), want,
            hint="the first new token was right and a later one is not: does the mask grow by a column of ones each time?")
# 3. Prompts of different lengths, on a model that feels distances only.
uneven = [[5, 7, 9, 11, 13], [8, 3], [20, 4, 21]]
ids, mask = left_padded(uneven, pad=0)
want = torch.cat([ids, torch.tensor(continued(rotary, uneven, 6))], 1)
check.equal(generate_greedy(rotary, ids, mask, 6), want,
            hint="padding changed the text: the model must not attend to it, so pass it the attention mask")
# 4. The same on a model with absolute positions.
want = torch.cat([ids, torch.tensor(continued(absolute, uneven, 6))], 1)
check.equal(generate_greedy(absolute, ids, mask, 6), want,
            hint="padding changed the text of a model with absolute positions: pass position_ids that count real tokens")
### BEGIN HIDDEN TESTS
for seed in (1, 2):
    for writer in (toy_llama(seed, 31), toy_gpt2(seed, 31)):
        crowd = [[1, 2], [3, 4, 5, 6, 7, 8], [9], [10, 11, 12, 13]]
        ids, mask = left_padded(crowd, pad=30)
        want = torch.cat([ids, torch.tensor(continued(writer, crowd, 9))], 1)
        check.equal(generate_greedy(writer, ids, mask, 9), want, hint="wrong for four prompts of different lengths")
        check.equal(generate_greedy(writer, ids, mask, 9), by_transformers(writer, ids, mask, 9),
                    hint="not what `generate` of transformers gives for the batch")
# The padding id is a real token of a prompt.
real_zero = [[0, 5, 0, 0, 6], [7, 0]]
ids, mask = left_padded(real_zero, pad=0)
for writer in (rotary, absolute):
    want = torch.cat([ids, torch.tensor(continued(writer, real_zero, 5))], 1)
    check.equal(generate_greedy(writer, ids, mask, 5), want, hint="the mask says what is padding, not the padding id")
kept = check.beside(lambda f, m, x, y: (f(m, x, y, 2), x, y)[1:], generate_greedy, rotary, ids, mask)
check.equal(kept, (ids, mask), hint="you changed the arguments in place")
cities = tokenizer(["The capital of France is", "The cat sat on"], padding=True, padding_side="left",
                   return_tensors="pt").to(model.device)
want = by_transformers(model, cities.input_ids, cities.attention_mask, 4)
check.equal(generate_greedy(model, cities.input_ids, cities.attention_mask, 4), want, hint="wrong on the real model")
### END HIDDEN TESTS

# %% [markdown]
# Let it write, thirty steps at a time. An **empty prompt** has no last position to read off, so something has to stand
# there: a special token that came before the texts in training. This model knows two, the BOS that opens each turn of a
# chat, and the `<|endoftext|>` that stood between the documents of its pretraining.

# %% tags=["demo"]
def show_writing(prompt: str, steps: float = 30) -> None:
    encoded = tokenizer(prompt, return_tensors="pt").to(model.device)
    written = generate_greedy(model, encoded.input_ids, encoded.attention_mask, int(steps))
    print(repr(tokenizer.decode(written[0])), "\n")  # the whole sequence at once, never token by token


for start in ("The cat sat on the", "My favorite composer is", tokenizer.bos_token, "<|endoftext|>"):
    show_writing(start)
play(show_writing, prompt=textbox("Once upon a time", "prompt"), steps=slider(15, 1, 60, 1, "steps"))

# %% [markdown]
# After nothing at all, anything may follow; probability is spread thin, and the likeliest token at each step makes no
# likely text. The cat comes round to the cat's back, and the digits go round for ever. **Repetition** is the well-known
# ailment of greedy decoding (Holtzman et al. 2020): every sentence that has occurred makes itself more likely, the more
# often the more so (Xu et al. 2022), and nothing ever shakes the loop off its track. Section 8 has the cure.
#
# `model.generate` does the same and more: it keeps the keys and values of earlier tokens instead of computing them anew
# (unit 05), and it stops at the end-of-text token.

# %% tags=["demo"]
import time

encoded = tokenizer("The cat sat on the", return_tensors="pt").to(model.device)
began = time.perf_counter()
yours = generate_greedy(model, encoded.input_ids, encoded.attention_mask, 30)
between = time.perf_counter()
theirs = model.generate(**encoded, max_new_tokens=30, do_sample=False, pad_token_id=tokenizer.pad_token_id)
print("the same ids:", torch.equal(yours, theirs))
print(f"yours {between - began:.1f} s, generate with its cache {time.perf_counter() - between:.1f} s")

# %% [markdown]
# And this is what the second of the three cares is for. The loop below passes the mask of the prompt and never lets it
# grow. No error, no warning: `transformers` fills a mask that is too short with zeros, so that the model **cannot see
# anything it has written**. Read what comes out, and remember the look of it.

# %% tags=["demo"]
ids = encoded.input_ids
for _ in range(20):
    new = model(input_ids=ids, attention_mask=encoded.attention_mask).logits[:, -1].argmax(-1, keepdim=True)
    ids = torch.cat([ids, new], dim=1)
print(repr(tokenizer.decode(ids[0])))

# %% [markdown]
# ## 8. Rolling the dice
#
# The most likely token is not the best at every step, as the most common word is not the best word. **Sampling** draws
# the next token at random, each with its probability. Taken as they are, the probabilities are too generous, though: tens
# of thousands of tokens with a hundred-thousandth each add up, and every so often one of them is drawn and derails the
# text. Three knobs, in this order:
#
# 1. **Temperature** $\tau$: divide the logits by it. $\tau < 1$ sharpens the distribution, $\tau > 1$ flattens it (the
#    temperature of Boltzmann's distribution; Ackley, Hinton and Sejnowski 1985). In the limit $\tau \to 0$ the most
#    likely token takes all.
# 2. **Top-k**: keep the $k$ most likely tokens (Fan et al. 2018).
# 3. **Top-p**, or nucleus: keep the *smallest* set of most likely tokens whose probabilities sum to at least $p$
#    (Holtzman et al. 2020, §3.1). The size of the set follows the model's certainty. The token whose probability carries
#    the sum across $p$ is in the set.
#
# What is left is made to sum to 1 again, and one token is drawn.
#
# **Predict first.** Four tokens have probabilities 0.5, 0.3, 0.15 and 0.05. How many are in the nucleus for $p = 0.6$?
# Now raise the temperature until they are nearly equal: how many then?
#
# <details><summary>Answer</summary>
#
# Two: 0.5 does not reach 0.6, and the token that carries the sum across it, 0.3, belongs in. Nearly equal, they have about
# 0.25 each, and it takes three of them to pass 0.6. Temperature comes first, so it changes the nucleus.
# </details>

# %% tags=["demo"]
from transformers import LogitsProcessorList, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper


def show_knobs(prompt: str, temperature: float, top_k: float, top_p: float) -> None:
    scores = model(**tokenizer(prompt, return_tensors="pt").to(model.device)).logits[:, -1].cpu()
    knobs = LogitsProcessorList([TemperatureLogitsWarper(temperature), TopKLogitsWarper(int(top_k)),
                                 TopPLogitsWarper(top_p)])  # as `generate` has them
    before, ids = torch.softmax(scores[0], 0).sort(descending=True)
    kept = torch.softmax(knobs(None, scores)[0], 0)[ids]
    names = [plots.visible(tokenizer.decode([i])) for i in ids[:15]]
    fig, ax = plots.figure(size=(7.2, 4.4))
    places = torch.arange(15)
    ax.barh(places - 0.2, before[:15], 0.4, color=plots.GREY, label="as the model has it")
    ax.barh(places + 0.2, kept[:15], 0.4, color=plots.BLUE, label="as it is drawn")
    ax.set_yticks(range(15), names, parse_math=False)
    ax.invert_yaxis()
    ax.grid(False, axis="y")
    ax.set(xlabel="probability")
    ax.legend(loc="lower right")
    plots.caption(fig, f"The fifteen most likely tokens after “{prompt}”; {int((kept > 0).sum()):,} tokens can be drawn.",
                  "Pairs of bars for fifteen tokens: grey for the model's own probabilities, blue for those after "
                  "temperature, top-k and top-p. Tokens outside the nucleus have no blue bar.")


play(show_knobs, prompt=textbox("My favorite composer is", "prompt"), temperature=slider(0.7, 0.1, 3, 0.1, "temperature"),
     top_k=slider(50, 1, 200, 1, "top-k"), top_p=slider(0.6, 0.05, 1, 0.05, "top-p"))

# %% [markdown]
# ### Exercise: `sample_next` (6 points, 35 minutes)
#
# Write `sample_next(logits, temperature, top_k, top_p, generator)`: for `logits` of shape (B, V) draw one token for each
# row, **independently**, and return the ids, (B,) int64.
#
# - The order is temperature, then top-k, then top-p, and top-p looks at the probabilities *after* top-k, when they sum to
#   1 again.
# - `temperature` is greater than 0; the closer to 0, the closer to the argmax.
# - `top_k` is a whole number from 1 to V; V keeps all tokens.
# - `top_p` is in (0, 1]; 1.0 keeps all. The nucleus includes the token that carries the sum across `top_p`, so there is
#   always at least one. (No test sits exactly on the border, and there are no ties.)
# - A token outside is **never** drawn; inside, probabilities keep their proportions. A logit may be $-\infty$.
# - All randomness comes from `generator`, a `torch.Generator`: do not seed it, and use no other. Leave `logits` as they
#   were.
#
# How you draw is up to you: `torch.multinomial`, a uniform number against cumulative sums, Gumbel noise: all are right if
# the frequencies are. The tests draw thousands of times.
#
# <details><summary>Hint 1</summary>Sort each row of <code>logits / temperature</code> in descending order and keep the
# indices. In sorted order, both top-k and top-p cut off a tail.</details>
# <details><summary>Hint 2</summary>A token is in the nucleus if the sum of the probabilities <em>before</em> it is still
# below <code>top_p</code>. That sum is <code>p.cumsum(-1) - p</code>.</details>
# <details><summary>Hint 3</summary>Set what is cut off to 0; <code>torch.multinomial(p, 1, generator=generator)</code>
# draws a <em>rank</em> for each row, (B, 1). <code>order.gather(-1, rank)</code> makes it a token id again.</details>

# %% nbgrader={"grade": false, "grade_id": "sample_next", "locked": false, "schema_version": 3, "solution": true, "task": false}
def sample_next(logits: Tensor, temperature: float, top_k: int, top_p: float, generator: torch.Generator) -> Tensor:
    """Draw one token for each row: temperature, then top-k, then top-p (Holtzman et al. 2020).

    logits: (B, V). temperature > 0. top_k: 1 to V, where V keeps every token. top_p: in (0, 1], where 1.0 keeps every
    token; the nucleus includes the token that carries the sum across top_p. Returns ids (B,), int64.
    """
    ### BEGIN SOLUTION
    scores, order = (logits / temperature).sort(descending=True)
    scores[:, top_k:] = -math.inf
    p = torch.softmax(scores, -1)
    before = p.cumsum(-1) - p  # how much the more likely tokens have already
    p = p.masked_fill(before >= top_p, 0)
    rank = torch.multinomial(p, 1, generator=generator)  # (B, 1)
    return order.gather(-1, rank).squeeze(1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_sample_next", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
def frequencies(sample, row, temperature, top_k, top_p, seed):
    """How often each token is drawn when 4000 equal rows are sampled; runs beside the answer."""
    source = torch.Generator().manual_seed(seed)
    drawn = sample(row.repeat(4000, 1), temperature, top_k, top_p, source)
    return torch.bincount(drawn, minlength=len(row)) / 4000


def only(p, kept):
    """The distribution `p` cut down to the tokens `kept`, summing to 1 again."""
    cut = torch.zeros_like(p).index_fill(0, torch.tensor(kept), 1.0) * p
    return cut / cut.sum()


fair = torch.tensor([0.05, 0.40, 0.10, 0.25, 0.20])
lopsided = fair.log() + 3  # the constant must not matter
shares = lambda temperature, top_k, top_p, seed: check.beside(
    frequencies, sample_next, lopsided, temperature, top_k, top_p, seed)
within = {"rtol": 0.0, "atol": 0.04}  # five standard deviations of a frequency among 4000

check.shape(sample_next(lopsided.repeat(3, 1), 1.0, 5, 1.0, torch.Generator()), (3,),
            hint="one id for each row: shape (B,)")
check.close(shares(1.0, 5, 1.0, 0), fair, **within, mistakes={
    "the most likely token came every time: draw at random": only(fair, [1]),
    "all tokens came equally often: draw in proportion to their probabilities": torch.full((5,), 0.2),
    "the right frequencies at the wrong tokens: after sorting, a rank is not a token id":
        fair.sort(descending=True).values,
}, hint="with temperature 1, top_k=5 of 5 and top_p 1.0 each token comes as often as its probability says, "
         "and each row has a draw of its own")
check.close(shares(0.5, 5, 1.0, 1), only(fair**2, range(5)), **within, mistakes={
    "a low temperature flattened the distribution: divide the logits by it, do not multiply": only(fair**0.5, range(5)),
    "temperature had no effect: it divides the logits, before the softmax": fair,
}, hint="wrong frequencies at temperature 0.5")
check.equal(sample_next(torch.stack([lopsided, -lopsided]), 0.01, 5, 1.0, torch.Generator()), torch.tensor([1, 0]),
            hint="a very low temperature gives the most likely token of each row, as int64 ids of shape (B,)")
check.close(shares(1.0, 2, 1.0, 2), only(fair, [1, 3]), **within, mistakes={
    "top_k had no effect": fair,
    "top_k=2 must keep two tokens, and it kept one": only(fair, [1]),
    "top_k=2 must keep two tokens, and it kept three": only(fair, [1, 3, 4]),
    "you kept the least likely tokens": only(fair, [0, 2]),
    "you kept the first k ids: the k most likely tokens are wanted": only(fair, [0, 1]),
}, hint="wrong frequencies with top_k=2")
check.close(shares(1.0, 5, 0.6, 3), only(fair, [1, 3]), **within, mistakes={
    "top_p had no effect": fair,
    "the token that carries the sum across top_p belongs in the nucleus": only(fair, [1]),
    "the nucleus is one token too large: stop once the sum has reached top_p": only(fair, [1, 3, 4]),
    "you kept the least likely tokens: the nucleus starts from the most likely": only(fair, [0, 2, 4]),
}, hint="wrong frequencies with top_p=0.6")
### BEGIN HIDDEN TESTS
check.close(shares(2.0, 5, 1.0, 4), only(fair**0.5, range(5)), **within, hint="wrong frequencies at temperature 2")
check.close(shares(0.5, 5, 0.7, 5), only(fair**2, [1, 3]), **within, mistakes={
    "temperature comes before top-p: it changes the nucleus": only(fair**2, [1, 3, 4]),
}, hint="wrong frequencies with temperature 0.5 and top_p 0.7")
check.close(shares(1.0, 3, 0.72, 6), only(fair, [1, 3]), **within, mistakes={
    "top-p must look at the probabilities after top-k, which sum to 1 again": only(fair, [1, 3, 4]),
}, hint="wrong frequencies with top_k=3 and top_p=0.72")
check.close(shares(2.0, 4, 0.8, 7), only(fair**0.5, [1, 3, 4]), **within,
            hint="wrong frequencies with all three knobs")
# Exactly which tokens can come: never one that is cut off, and each of the others now and then.
supports = [((1.0, 4, 1.0), [1, 2, 3, 4]), ((1.0, 5, 0.9), [1, 2, 3, 4]), ((3.0, 5, 0.55), [1, 3, 4]),
            ((1.0, 1, 1.0), [1]), ((1.0, 5, 0.01), [1]), ((0.01, 5, 1.0), [1]),
            ((1.0, 5, 1.0), [0, 1, 2, 3, 4])]
for knobs, allowed in supports:
    seen = shares(*knobs, 8)
    check.shape(seen, (5,))
    check.equal(seen.nonzero().flatten().tolist(), allowed,
                hint="a token came that is cut off, or one that is not never came")
barred = torch.tensor([-math.inf, 0.0, 0.0, -math.inf])
check.close(check.beside(frequencies, sample_next, barred, 1.0, 3, 0.95, 9), torch.tensor([0.0, 0.5, 0.5, 0.0]),
            **within, hint="a logit of -inf is never drawn")
# Rows differ, and each has its own nucleus.
mixed = torch.tensor([[0.0, 9.0, 0.0, 0.0], [0.0, 0.1, 0.2, 0.3], [8.0, 0.0, 0.0, 7.9], [0.0, 0.0, 9.0, 0.0]])
drawn = check.beside(lambda f, x: f(x.repeat(500, 1), 1.0, 4, 0.9, torch.Generator().manual_seed(0)),
                     sample_next, mixed)
check.shape(drawn, (2000,))
check.equal([sorted(set(drawn[row::4].tolist())) for row in range(4)], [[1], [0, 1, 2, 3], [0, 3], [2]],
            hint="each row has its own nucleus")
# The generator decides, and moves on.
flat = torch.zeros(200, 50)
draws = lambda seed, times: check.beside(
    lambda f, x, s, n: [f(x, 1.0, 50, 1.0, g) for g in [torch.Generator().manual_seed(s)] * n],
    sample_next, flat, seed, times)
first, second = draws(3, 2)
check.equal(draws(3, 1)[0], first, hint="the same seed gave other tokens: take all randomness from `generator`")
for other in (second, draws(4, 1)[0]):
    check.that(not torch.equal(other, first),
               "the same tokens came again: draw from `generator` as it is, without seeding it")
kept = check.beside(lambda f, x: (f(x, 0.5, 2, 0.5, torch.Generator()), x)[1], sample_next, mixed)
check.equal(kept, mixed, hint="you changed `logits` in place")
### END HIDDEN TESTS

# %% [markdown]
# The cat again, four times at once, with the dice. Change the knobs and run the cell until you have found where it turns
# dull and where it turns mad.

# %% tags=["demo"]
encoded = tokenizer(["The cat sat on the"] * 4, return_tensors="pt").to(model.device)
dice = torch.Generator(model.device).manual_seed(0)  # it must be where the logits are
ids, mask = encoded.input_ids, encoded.attention_mask
for _ in range(25):
    last_logits = model(input_ids=ids, attention_mask=mask).logits[:, -1]
    new = sample_next(last_logits, temperature=0.8, top_k=1000, top_p=0.9, generator=dice)
    ids, mask = torch.cat([ids, new[:, None]], 1), torch.cat([mask, torch.ones_like(mask[:, :1])], 1)
for text in tokenizer.batch_decode(ids):
    print(repr(text), "\n")

# %% [markdown]
# ## 9. Filling in blanks: masked language models
#
# A causal model sees what came before and guesses what comes next. BERT (Devlin et al. 2019, §3.1) was trained on another
# game: hide some tokens of a text behind `[MASK]` and guess them from **both** sides. Such a *masked* model cannot write
# a text from left to right, but it reads better: every token's vector has seen the whole sentence.
#
# | | causal (GPT, Llama) | masked (BERT) |
# |---|---|---|
# | position t sees | tokens up to t | all tokens |
# | its logits are about | token t + 1 | token t itself, where it is masked |
# | you read the logits at | the last position | the position of `[MASK]` |
# | good for | writing | filling in, classifying, embedding texts |
#
# Offline, ours is MiniLM, a small sibling of BERT, with a head for masked words that this course has trained on a few
# dozen Wikipedia articles. Do not expect wonders of it; the machinery is BERT's.

# %%
masked_lm, masked_tokenizer = models.load_masked_lm()

# %% tags=["demo"]
blank = masked_tokenizer("Life is like a [MASK] of chocolates.", return_tensors="pt").to(masked_lm.device)
print("ids   ", blank.input_ids[0].tolist())
print("tokens", masked_tokenizer.convert_ids_to_tokens(blank.input_ids[0]))
print("mask  ", blank.attention_mask[0].tolist(), "(attention: all of these are real)")
guesses = masked_lm(**blank).logits
at_mask = guesses[0, 5]  # [MASK], id 103, is token 5 here: count them above
print("logits", tuple(guesses.shape), " at the mask", tuple(at_mask.shape), f"from {at_mask.min():.1f} to {at_mask.max():.1f}")

# %% [markdown]
# Two things are called "mask" here. The *attention mask* says which tokens are padding; `[MASK]` is a token of the
# vocabulary that stands for a hidden one. And the tokenizer has put `[CLS]` before the text and `[SEP]` after it, so a
# word's position is not its place among the words.
#
# **Predict first.** *The [MASK] barked at the postman.* A causal model that is asked what follows *The* cannot know of
# the barking. Does a masked model, asked for the same word?
#
# <details><summary>Answer</summary>
#
# Yes: nothing hides what stands to the right. It is the easiest clue in the sentence. That is also why a masked model is
# no good for writing: in training it always had the rest of the text before its eyes.
# </details>
#
# ### Exercise: `fill_mask` (4 points, 20 minutes)
#
# Write `fill_mask(model, tokenizer, text, k)`: the `k` most likely tokens for the one mask token in `text`, as a list of
# `k` tuples `(token, probability)`, the most likely first: strings as `tokenizer.decode` gives them for the single id,
# and plain floats, the softmax over the whole vocabulary at the mask's position. The mask may stand anywhere. It is
# `[MASK]` for BERT, but other models write it otherwise; the tokenizer knows its id as `tokenizer.mask_token_id`. Move
# the ids to `model.device`.
#
# <details><summary>Hint 1</summary>Look for the mask among the <em>ids</em>, not among the words of the text.</details>
# <details><summary>Hint 2</summary><code>(ids == tokenizer.mask_token_id).nonzero()</code> has one row for each mask, and here
# there is one.</details>
# <details><summary>Hint 3</summary><code>place = (batch.input_ids[0] == tokenizer.mask_token_id).nonzero().item()</code>;
# the rest is <code>top_k_next</code> with <code>logits[0, place]</code> for the last position.</details>

# %% nbgrader={"grade": false, "grade_id": "fill_mask", "locked": false, "schema_version": 3, "solution": true, "task": false}
def fill_mask(model, tokenizer, text: str, k: int) -> list[tuple[str, float]]:
    """The k most likely tokens in place of the one mask token in `text`, as (decoded token, probability).

    The most likely comes first; probabilities are shares among the whole vocabulary.
    """
    ### BEGIN SOLUTION
    batch = tokenizer(text, return_tensors="pt").to(model.device)
    place = (batch.input_ids[0] == tokenizer.mask_token_id).nonzero().item()
    logits = model(**batch).logits[0, place]  # (V,)
    values, ids = torch.softmax(logits, 0).topk(k)
    return [(tokenizer.decode([i]), p) for p, i in zip(values.tolist(), ids.tolist())]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_fill_mask", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
def fillings(lm, coder, text, place, k):
    """What the model has at position `place` of the encoded text, in plain Python."""
    scores = lm(**coder(text, return_tensors="pt").to(lm.device)).logits[0, place].double()
    weights = [math.exp(score) for score in (scores - scores.max()).tolist()]
    ids = sorted(range(len(weights)), key=weights.__getitem__, reverse=True)[:k]
    return [(coder.decode([i]), weights[i] / sum(weights)) for i in ids]


gump = "Life is like a [MASK] of chocolates."
at = lambda place: fillings(masked_lm, masked_tokenizer, gump, place, 5)
want = at(5)  # [CLS] life is like a [MASK] ...
highest = masked_lm(**masked_tokenizer(gump, return_tensors="pt").to(masked_lm.device)).logits[0, 5].topk(5).values
check.close(fill_mask(masked_lm, masked_tokenizer, gump, 5), want, rtol=1e-3, mistakes={
    "you read the last position, as for a causal model: read the mask's": at(-1),
    "one position too early: the tokenizer puts a token of its own before the text": at(4),
    "one position too late: the logits at the mask are about the mask itself": at(6),
    "you read position 0, which is the special token before the text": at(0),
    "the k probabilities sum to 1: softmax over the whole vocabulary before you pick":
        [(token, p / sum(q for _, q in want)) for token, p in want],
    "these are log-probabilities": [(token, math.log(p)) for token, p in want],
    "these are logits, not probabilities": [(token, score.item()) for (token, _), score in zip(want, highest, strict=True)],
    "the most likely comes first": want[::-1],
    "each pair should be a tuple": [list(pair) for pair in want],
    "pairs in the wrong order: (token, probability)": [(p, token) for token, p in want],
}, hint="wrong tokens or probabilities at the position of [MASK]; was the text encoded as tokenizer(text) does it?")
### BEGIN HIDDEN TESTS
for text, place in (("[MASK] is the capital of France.", 1), ("The river flows into the [MASK]", 6)):
    check.close(fill_mask(masked_lm, masked_tokenizer, text, 3),
                fillings(masked_lm, masked_tokenizer, text, place, 3), rtol=1e-3,
                hint="wrong where the mask is the first word or the last: find it among the ids")
# Another vocabulary, another name for the mask, other tokens around the text.
little, coder = toy_bert(5, vocab_size=16), toy_tokenizer("a b c d e f g h i j k", "<s> <s> $A </s>")
for text, place, k in (("a b <mask> c", 4, 16), ("<mask>", 2, 16), ("d d d d <mask>", 6, 16), ("a b <mask> c", 4, 1)):
    check.close(fill_mask(little, coder, text, k), fillings(little, coder, text, place, k), rtol=1e-3,
                hint="wrong for another model: take the mask's id from `tokenizer.mask_token_id`, find it in the ids")
### END HIDDEN TESTS

# %% tags=["demo"]
def show_fillings(text: str) -> None:
    tokens, shares = zip(*fill_mask(masked_lm, masked_tokenizer, text, 5))
    fig, ax = plots.figure(size=(6.4, 2.4))
    plots.bars(ax, tokens, torch.tensor(shares))
    ax.set_title(text, parse_math=False)
    plots.caption(fig, "The five most likely tokens for [MASK].", "Five horizontal bars, the longest on top: candidates for the masked token.")


show_fillings("Life is like a [MASK] of chocolates.")
play(show_fillings, text=textbox("He was born in [MASK] in 1879."))

# %% [markdown]
# ### The same on the causal side
#
# GPT-2's tokenizer turns *Swimming at the beach is* into six ids. Ours has another vocabulary, so its ids differ, though
# here the cuts happen to be the same. **Ids mean nothing without the tokenizer they came from**: feed GPT-2's to our
# model, and it reads something else.

# %% tags=["demo"]
swimming = "Swimming at the beach is"
gpt2 = models.gpt2_tokenizer()
gpt2_ids = gpt2(swimming).input_ids
print("GPT-2:", gpt2_ids, [gpt2.decode([i]) for i in gpt2_ids])
our_ids = tokenizer(swimming).input_ids
print("ours: ", our_ids, [tokenizer.decode([i]) for i in our_ids])
print("GPT-2's ids, read by ours:", repr(tokenizer.decode(gpt2_ids)))

# %% [markdown]
# Two steps by hand, then `generate`:

# %% tags=["demo"]
step = tokenizer(swimming, return_tensors="pt").to(model.device)
ids = step.input_ids
for number in (1, 2):
    last_logits = model(ids).logits[0, -1]
    new = last_logits.argmax()
    print(f"step {number}: logits {tuple(last_logits.shape)}, argmax {new.item()} = {tokenizer.decode([new])!r}, "
          f"probability {softmax(last_logits, 0)[new]:.3f}")
    ids = torch.cat([ids, new.view(1, 1)], 1)
print("by hand: ", repr(tokenizer.decode(ids[0])))
written = model.generate(**step, max_new_tokens=2, do_sample=False, pad_token_id=tokenizer.pad_token_id)
print("generate:", repr(tokenizer.decode(written[0])), "- the same ids:", torch.equal(ids, written))

# %% [markdown]
# ## 10. The end of every model
#
# Print GPT-2, Llama or BERT (unit 03) and the list of modules ends with a linear layer of size V. What comes after it has
# no weights and is in no list: a **softmax** and an **argmax** (or a draw), the few lines you have written here. Since one
# pass gives a guess at *every* position, you can lay the model's whole train of thought beside a text:

# %% tags=["demo"]
def show_guesses(text: str) -> None:
    ids = tokenizer(text, return_tensors="pt").input_ids[0].to(model.device)
    p = softmax(model(ids[None]).logits[0], 1)  # (T, V)
    print(f"{'after':>12}   {'it would say':<14} {'with':>6}   the text has, with")
    for position in range(len(ids) - 1):
        guess, true = p[position].argmax(), ids[position + 1]
        print(f"{tokenizer.decode([ids[position]])!r:>12}   {tokenizer.decode([guess])!r:<14} {p[position, guess]:>6.1%}   "
              f"{tokenizer.decode([true])!r:<12} {p[position, true]:.1%}{'   <- hit' if guess == true else ''}")


play(show_guesses, text=textbox("The capital of France is Paris. It lies on the river Seine."))

# %% [markdown]
# ### Your functions in the real model
#
# Now they go where they belong. The model has a softmax of its own in each of its 30 attention layers (unit 05), and a
# loss, and a loop. The next cell takes out the library's and puts in yours, and compares.

# %% tags=["demo"]
from unittest.mock import patch

seine = tokenizer("The capital of France is Paris. It lies on the river Seine.", return_tensors="pt").input_ids
seine = seine.to(model.device)
calls = []


def your_softmax(x, dim=-1, dtype=None):
    calls.append(x.shape)
    return softmax(x if dtype is None else x.to(dtype), dim)


# 1. Your softmax in every attention layer.
attention = model.config._attn_implementation
model.set_attn_implementation("eager")  # attention in plain torch, one operation at a time
try:
    original = model(seine).logits
    with patch.object(F, "softmax", your_softmax):
        replaced = model(seine).logits
finally:
    model.set_attn_implementation(attention)
print(f"1. your softmax ran {len(calls)} times inside the model, on scores of shape {tuple(calls[0])}")
check.close(replaced, original, atol=1e-3, hint="the logits differ with your softmax inside")
print(f"   largest difference of a logit: {(replaced - original).abs().max():.1e}")

# 2. Embedding, lm_head and your cross-entropy in place of the model's own loss.
hidden = model.get_decoder()(inputs_embeds=embedding[seine]).last_hidden_state
loss = cross_entropy((hidden @ embedding.T)[0, :-1], seine[0, 1:])
check.close(loss, model(seine, labels=seine).loss, rtol=1e-4, hint="your loss is not the model's")
print(f"2. your loss {loss:.6f}, the model's {model(seine, labels=seine).loss:.6f}")

# 3. Your loop, and your sampler as its chooser, against `generate`.
prompts = tokenizer(["The capital of France is", "My cat"], padding=True, padding_side="left", return_tensors="pt")
prompts = prompts.to(model.device)
theirs = model.generate(**prompts, max_new_tokens=12, do_sample=False, eos_token_id=None, pad_token_id=tokenizer.pad_token_id)
yours = generate_greedy(model, **prompts, max_new_tokens=12)
check.equal(yours, theirs, hint="your loop writes other ids than generate")
cold = sample_next(model(**prompts).logits[:, -1], 0.001, 1000, 1.0, torch.Generator(model.device))
check.equal(cold, theirs[:, prompts.input_ids.shape[1]], hint="your sampler close to temperature 0 is not greedy")
print("3. the same ids:", tokenizer.batch_decode(yours, skip_special_tokens=True))

# %% [markdown]
# Softmax, loss, decoder: the model runs on your code and does not notice. In unit 05 you take over what lies between the
# embeddings and the logits.
#
# ## Spot the bug
#
# This evaluates a batch of prompts with GPT-2. It raises nothing, it warns of nothing, the longest prompt of each batch
# is continued correctly, and the numbers in the paper are wrong. The mistake was made in well-known libraries (`trl`
# issue 469 of 2023, `nnsight` issue 672 of 2026); in `transformers`, issue 18478 explains it.
#
# ```python
# tokenizer.padding_side = "left"
# batch = tokenizer(prompts, padding=True, return_tensors="pt")
# logits = gpt2(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
# guesses = logits[:, -1].argmax(-1)
# ```
#
# <details><summary>What is wrong?</summary>
#
# No <code>position_ids</code>. The mask keeps the padding out of attention, but the model numbers the columns 0, 1, 2, …
# with the padding counted, so every shorter prompt is read with the position vectors of a later part of a text. Only the
# longest prompt, which has no padding, is safe. <code>generate</code> derives the positions from the mask; a plain forward
# pass of GPT-2 does not. Compare every padded row with the same prompt run alone: that one test finds it, as it found
# yours in section 7.
# </details>
#
# ## Recap
#
# - A model maps ids (B, T) to logits (B, T, V). Position t is about token t + 1 in a causal model, about token t in a
#   masked one.
# - Embedding and `lm_head` are tables of V vectors, here the same table. Cosines compare directions, and only make sense
#   next to other cosines.
# - Logits are log-probabilities plus one constant per position. Softmax removes it; argmax never notices it.
# - Cross-entropy is the mean surprisal in nats; its minimum lies where the likelihood has its maximum; its exponential is
#   the perplexity.
# - The inference loop: tokenize, forward, probabilities, choose, append, repeat, detokenize. Padding goes left; mask and
#   positions go along.
# - Temperature, then top-k, then top-p, whose nucleus keeps the token that crosses.
#
# Covers: A18, A19, A20, A21, A22, A23, A24, A25, A26, A27, A33, A34, A35, A36, A37, A43, A44, B2, B6
#
# **Words to keep**
#
# | term | meaning |
# |---|---|
# | autoregressive, causal | predicting each token from those before it |
# | logit | a score before the softmax: log-probability plus a constant |
# | embedding | the row of a learned table that stands for a token |
# | lm_head, unembedding | the last layer: compares a hidden state with a vector for every token |
# | weight tying | embedding and lm_head are one table |
# | surprisal | −log p of what happened; in nats with base e, in bits with base 2 |
# | cross-entropy | mean surprisal; the training loss |
# | likelihood | the probability of the full text; the product of all factors |
# | perplexity | exp(cross-entropy): among how many tokens the model hesitates |
# | greedy decoding | always the most likely token |
# | temperature, top-k, nucleus (top-p) | what reshapes a distribution before the draw |
# | attention mask | 1 for a real token, 0 for padding |
# | masked LM | fills in hidden tokens from both sides |
#
# **References**
#
# - D. H. Ackley, G. E. Hinton, T. J. Sejnowski (1985). A learning algorithm for Boltzmann machines. *Cognitive Science* 9.
# - L. B. Allal et al. (2025). SmolLM2: When Smol goes big. arXiv:2502.02737.
# - Y. Bengio, R. Ducharme, P. Vincent, C. Jauvin (2003). A neural probabilistic language model. *JMLR* 3.
# - J. S. Bridle (1990). Probabilistic interpretation of feedforward classification network outputs, with relationships to
#   statistical pattern recognition. *Neurocomputing*, Springer.
# - N. Chomsky (1957). *Syntactic Structures*, §2.3–2.4. Mouton.
# - J. Devlin, M.-W. Chang, K. Lee, K. Toutanova (2019). BERT: Pre-training of deep bidirectional transformers for language
#   understanding. *NAACL*.
# - A. Fan, M. Lewis, Y. Dauphin (2018). Hierarchical neural story generation. *ACL*.
# - R. A. Fisher (1922). On the mathematical foundations of theoretical statistics. *Phil. Trans. R. Soc. A* 222.
# - J. Gao, D. He, X. Tan, T. Qin, L. Wang, T.-Y. Liu (2019). Representation degeneration problem in training natural
#   language generation models. *ICLR*.
# - A. Holtzman, J. Buys, L. Du, M. Forbes, Y. Choi (2020). The curious case of neural text degeneration. *ICLR*.
# - F. Jelinek, R. L. Mercer, L. R. Bahl, J. K. Baker (1977). Perplexity: a measure of the difficulty of speech recognition
#   tasks. *J. Acoust. Soc. Am.* 62 (S1).
# - O. Press, L. Wolf (2017). Using the output embedding to improve language models. *EACL*.
# - A. Radford, J. Wu, R. Child, D. Luan, D. Amodei, I. Sutskever (2019). Language models are unsupervised multitask
#   learners. OpenAI.
# - G. Salton, A. Wong, C. S. Yang (1975). A vector space model for automatic indexing. *Commun. ACM* 18 (11).
# - C. E. Shannon (1951). Prediction and entropy of printed English. *Bell Syst. Tech. J.* 30.
# - J. Xu, X. Liu, J. Yan, D. Cai, H. Li, J. Li (2022). Learning to break the loop: analyzing and mitigating repetitions
#   for neural text generation. *NeurIPS*.
#
# **Next**: 05, attention and rotary positions: the grey box of the road, and why the distances that padding could not
# change are all that our model feels.

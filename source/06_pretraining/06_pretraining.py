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
# # 06 · Pretraining: where the weights come from
#
# In unit 05 you rebuilt a language model from a dictionary of weights. Nobody wrote those numbers down: they were found,
# starting from noise, by guessing the next token of a text a few trillion times and being corrected. In this unit you
# build all of it at a size that fits your machine: the games that models are trained on, the data, GPT-2 itself, the
# optimiser, and the loop. Then you let it learn fifty Wikipedia articles, until it recites them by heart and knows
# nothing else. And you will see why almost nobody trains a model from scratch.
#
# **You will be able to**
#
# - turn a text into a training example for five pretraining objectives, and say what each of them teaches and costs;
# - cut documents into chunks without losing a token that matters;
# - write GPT-2, from its activation function to its logits, and hold it against `transformers`;
# - write AdamW, its schedule, gradient clipping and accumulation, and put them together to one step of training;
# - train with your own loop and with the `Trainer`, tell learning from memorising, and measure both.
#
# **Before you start**: units 04 (cross-entropy, perplexity), 05 (attention, blocks) and the gradient descent of unit 01.
# Everything runs on a CPU: less than a minute for all ordinary cells; the `lab` cells train for about five minutes on two
# free cores. A GPU makes them larger by itself.
#
# **Your time**: about six hours. **Points**: 40, of which 3 are for a written answer that a person reads.
#
# | section | you write | points |
# |---|---|---|
# | 2 Guess the next token | `causal_labels`, `teacher_forcing` | 2 + 1 |
# | 3 Guess what is hidden | `mlm_corrupt`, `rtd_labels`, `permutation_mask`, a written answer | 3 + 1 + 2 + 3 |
# | 4 From articles to chunks | `chunk_documents` | 3 |
# | 5 GPT-2, from its formulas | `gelu_tanh`, `layer_norm`, `gpt2_block`, `gpt2_logits` | 1 + 2 + 3 + 3 |
# | 6 The optimiser | `adamw_step`, `lr_schedule`, `clip_gradients` | 4 + 2 + 2 |
# | 7 One step of training | `accumulate`, `train_step` | 3 + 3 |
# | 8 Learn fifty articles by heart | `longest_verbatim_overlap` | 2 |

# %%
import copy
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call
from torch.overrides import TorchFunctionMode
from transformers import GPT2Config, GPT2LMHeadModel

from helpers import checks as check
from helpers import corpora, models, plots, runtime

# %% [markdown]
# The next cell makes **toys** for the tests: GPT-2s with random weights and two layers, and a few helpers. You need not
# read it.

# %%
def toy_gpt2(seed: int, **changes):
    """A small GPT-2 with random weights, those of norms and biases included. `changes` go to its configuration."""
    sizes = {"vocab_size": 23, "n_positions": 16, "n_embd": 24, "n_layer": 2, "n_head": 4, "bos_token_id": 0,
             "eos_token_id": 0} | changes
    made = GPT2LMHeadModel(GPT2Config(**sizes)).eval()
    generator = torch.Generator().manual_seed(seed)
    for name, weight in made.named_parameters():
        if ".ln_" in name and name.endswith("weight"):
            weight.data.uniform_(0.5, 1.5, generator=generator)
        else:
            weight.data.normal_(0, 0.3, generator=generator)
    return made.requires_grad_(False)


def plain_config(config) -> dict[str, int]:
    """The numbers of a GPT-2 configuration that a forward pass needs, under the names that transformers gives them."""
    return {"n_layer": config.n_layer, "n_head": config.n_head, "n_embd": config.n_embd,
            "n_positions": config.n_positions, "vocab_size": config.vocab_size}


def replaced(module: nn.Module, name: str, part: nn.Module) -> nn.Module:
    """A copy of `module` in which `part` stands in place of the part called `name`."""
    made = copy.deepcopy(module)
    made.set_submodule(name, part)
    return made


def plain_number(value):
    """A tensor of one number as that number, everything else as it is: both are fine where a float is wanted."""
    return value.item() if isinstance(value, Tensor) and value.numel() == 1 else value


def torch_functions_of(f, *args) -> list[str]:
    """The names of torch's functions that f calls with these arguments."""
    called = set()

    class Listener(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            called.add(getattr(function, "__name__", ""))
            return function(*args, **(kwargs or {}))

    with Listener():
        f(*args)
    return sorted(called)


def gradients_of(f, tensors, *args) -> list[Tensor] | None:
    """The gradients that f's result, weighted with 1, 2, 3, ..., has for the tensors; None if it has none."""
    leaves = [t.clone().requires_grad_() for t in tensors]
    result = f(*leaves, *args)
    if not result.requires_grad:
        return None
    weights = torch.arange(1.0, result.numel() + 1).view_as(result)
    return [torch.zeros_like(t) if g is None else g
            for t, g in zip(leaves, torch.autograd.grad((result * weights).sum(), leaves, allow_unused=True), strict=True)]


# %% [markdown]
# And two for what follows: the articles with GPT-2's tokenizer, and sliders where somebody can move them.

# %% tags=["demo"]
from helpers.widgets.interact import play, slider

wikipedia = corpora.load_wikipedia()  # 50 articles to train on, 50 others to see whether it understood anything
gpt2_tokenizer = models.gpt2_tokenizer()
print({split: len(rows) for split, rows in wikipedia.items()}, "articles;", f"{len(gpt2_tokenizer):,} tokens in GPT-2's vocabulary")

# %% [markdown]
# ## 1. Two trainings
#
# A chat assistant is trained twice. **Pretraining** makes a model of text in general; **post-training** (units 08 and 09)
# makes an assistant of it. They differ in everything but the architecture:
#
# | | pretraining | post-training |
# |---|---|---|
# | quantity | trillions of tokens | thousands to millions of examples |
# | quality | whatever passes a filter: web pages, code, books | each example written, ranked or checked |
# | source | found | made on purpose, by people or by other models |
# | goal | predict any text | answer, follow instructions, refuse |
# | what it gives | knowledge and skills | a manner of using them |
# | share of the computing | nearly all | little |

# %% tags=["demo"]
# Touvron et al. 2023b: §2.2 and table 1 (tokens), §3.1 (demonstrations), table 6 (comparisons)
amounts = {"tokens of pretraining": 2e12, "pairs of answers compared by people": 1_418_091,
           "demonstrations for fine-tuning": 27_540}
fig, ax = plots.figure(size=(8.4, 2.3))
ax.barh(list(amounts), list(amounts.values()), color=[plots.BLUE, plots.ORANGE, plots.ORANGE])
for place, value in enumerate(amounts.values()):
    ax.annotate(f"{value:,.0f}", (value, place), xytext=(4, 0), textcoords="offset points", va="center")
ax.set(xscale="log", xlim=(1e3, 1e17), xlabel="how many (logarithmic)")
ax.invert_yaxis()
ax.grid(False, axis="y")
plots.caption(fig, "What Llama 2 was trained on: pretraining in blue, post-training in orange (Touvron et al. 2023b, §2.2, "
              "§3.1 and table 6). The bars count different things; an example of the orange ones has some hundred tokens.",
              "Three bars on a logarithmic scale: two trillion tokens of pretraining; 1.4 million comparisons and 27,540 "
              "demonstrations of post-training.")

# %% [markdown]
# What *is* pretraining, as a formula? A model with weights $\theta$ gives a text $x_1 \dots x_T$ the probability
# $p_\theta(x) = \prod_t p_\theta(x_t \mid x_{<t})$ (unit 04). Choose the weights that make the texts of the world most
# likely:
#
# $$ \arg\max_\theta \prod_{x} p_\theta(x) \;=\; \arg\max_\theta \sum_x \sum_t \log p_\theta(x_t \mid x_{<t})
#    \;=\; \arg\min_\theta \; \underbrace{-\frac{1}{N} \sum_x \sum_t \log p_\theta(x_t \mid x_{<t})}_{\text{cross-entropy}} $$
#
# The logarithm is increasing, and a factor $-1/N$ turns a hill into a valley of the same place. So **maximum likelihood
# and minimum cross-entropy are one thing**: the same *arg*, though the max and the min are different numbers.
#
# **Predict first.** A model of a coin has one weight, $p$ = probability of heads. The data: 7 heads, 3 tails. Where is
# the likelihood highest, where is the cross-entropy lowest, and what are the two values there?
#
# <details><summary>Answer</summary>
#
# Both at p = 0.7. The likelihood there is 0.7⁷ · 0.3³ = 0.0022, the cross-entropy 0.611 nats per toss, and exp(−10 ·
# 0.611) = 0.0022 again. A text of a thousand tokens has a likelihood that no float can hold; its cross-entropy is a
# number like 3. That is the whole reason for the second form.
# </details>

# %% tags=["demo"]
def show_coin(heads: float) -> None:
    n, tails = int(heads), 10 - int(heads)
    p = torch.linspace(0.005, 0.995, 199)
    likelihood = p**n * (1 - p) ** tails
    entropy = -(n * p.log() + tails * (1 - p).log()) / 10
    best = p[likelihood.argmax()].item()
    fig, axes = plots.figure(1, 2, size=(9.0, 2.8))
    for ax, curve, title in ((axes[0], likelihood, "likelihood"), (axes[1], entropy, "cross-entropy (nats per toss)")):
        ax.plot(p.numpy(), curve.numpy(), color=plots.BLUE)
        ax.axvline(best, color=plots.ORANGE, ls="--")
        ax.set(title=title, xlabel="p", ylim=(0, None))
    axes[1].set(ylim=(0, 3))
    plots.caption(fig, f"{n} heads in 10 tosses: one maximum, one minimum, one place (p = {best:.2f}).",
                  f"Left: the likelihood, a hump with its top at {best:.2f}. Right: the cross-entropy, a valley with its "
                  "bottom at the same place, marked by a dashed line in both.")


play(show_coin, heads=slider(7, 0, 10, 1, "heads"))

# %% [markdown]
# ## 2. Guess the next token
#
# To train by guessing one needs *questions* (what the model sees) and *labels* (what it should have said). The beauty of
# language modelling is that the text is both; nobody has to write labels. But each objective cuts them differently, and a
# model learns exactly what its labels say, slips included.
#
# **Causal language modelling** asks at each position for the token after it. In `transformers` the labels of a causal
# model are *not* shifted: labels are a copy of the ids, and the model itself compares the logits of position $t$ with the
# label of position $t + 1$. A label of **−100** means "do not ask here" (it is the `ignore_index` of `F.cross_entropy`).
#
# Which positions should not be asked? Padding. Here lies a trap. GPT-2 has no padding token, so everybody writes
# `tokenizer.pad_token = tokenizer.eos_token` and pads with `<|endoftext|>`. If all of *those* labels become −100, the
# real end of each text goes with them, and the model never learns to stop.

# %% tags=["demo"]
from transformers import DataCollatorForLanguageModeling

padding_tokenizer = models.gpt2_tokenizer()
padding_tokenizer.pad_token = padding_tokenizer.eos_token
short_texts = ["The end.", "A somewhat longer text.", "One.<|endoftext|>Two."]
rows = [{"input_ids": [*gpt2_tokenizer(text).input_ids, gpt2_tokenizer.eos_token_id]} for text in short_texts]
collated = DataCollatorForLanguageModeling(padding_tokenizer, mlm=False)(rows)
for ids, labels in zip(collated["input_ids"].tolist(), collated["labels"].tolist()):
    print("  ".join(f"{gpt2_tokenizer.decode([i]).replace('<|endoftext|>', 'END')!r}{'*' if label == -100 else ''}"
                    for i, label in zip(ids, labels)))
print("\n* = label -100 in the collator of transformers. Not one END is asked for: neither the last one of a text nor the\n"
      "one between two documents.")

# %% [markdown]
# **Predict first.** A model is trained with these labels. You let it continue *The end.* and wait for `<|endoftext|>`.
# What will come?
#
# <details><summary>Answer</summary>
#
# Anything but the end: END has never been the right answer, so its probability has been pushed down at every position of
# the training. Many a "my fine-tuned model does not stop generating" ends here.
# </details>
#
# ### Exercise: `causal_labels` (2 points, 15 minutes)
#
# Write `causal_labels(input_ids, pad_id)`: the labels, (B, T) int64, for a batch of ids (B, T) int64 that is padded
# **with the end-of-text token on the right**: `pad_id` is the id of end-of-text. Each row is either full, or a text, its
# own end-of-text, and padding after it. So:
#
# - labels are **not shifted**: where a position counts, its label is its own id;
# - when a row ends in a run of `pad_id`, the **first** of this run is the real end of the text and keeps its label; the
#   others are padding and get −100;
# - a `pad_id` anywhere else stands between two documents and is real: it keeps its label, and so does all that follows
#   it.
#
# Leave `input_ids` as it was.
#
# <details><summary>Hint 1</summary>What do you have to know about a position besides its own id, to tell padding from an
# end of text? Look at [5, 9, 6, 9, 9, 9] with 9 for the end.</details>
# <details><summary>Hint 2</summary>A position is padding if everything from it to the end of the row is
# <code>pad_id</code>, <em>and</em> the position before it is too.</details>
# <details><summary>Hint 3</summary><code>(input_ids == pad_id).flip(1).cumprod(1).flip(1)</code> is 1 on the run at the
# end. Take away its first position, and use <code>masked_fill</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "causal_labels", "locked": false, "schema_version": 3, "solution": true, "task": false}
def causal_labels(input_ids: Tensor, pad_id: int) -> Tensor:
    """Labels (B, T) for a causal model that shifts by itself: the ids, with -100 at padding.

    input_ids: (B, T) int64, padded on the right with pad_id, which is the end-of-text token: of the run of pad_id that
    a row ends with, the first is the text's own end and is kept.
    """
    ### BEGIN SOLUTION
    at_end = (input_ids == pad_id).flip(1).cumprod(1).flip(1).bool()  # the run of pad_id that a row ends with
    padding = torch.zeros_like(at_end)
    padding[:, 1:] = at_end[:, :-1]  # one further to the right: the first of the run is kept
    return input_ids.masked_fill(padding, -100)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_causal_labels", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
padded = torch.tensor([[5, 3, 9, 9, 9, 9], [4, 9, 6, 2, 9, 9], [7, 1, 8, 2, 6, 9], [9, 4, 9, 9, 5, 2]])  # 9 = end of text
labelled = torch.tensor([[5, 3, 9, -100, -100, -100], [4, 9, 6, 2, 9, -100], [7, 1, 8, 2, 6, 9], [9, 4, 9, 9, 5, 2]])
kept = check.beside(lambda f, x: (f(x, 9), x)[1], causal_labels, padded)
check.equal(kept, padded, hint="you changed `input_ids` in place")
check.equal(causal_labels(padded, 9), labelled, mistakes={
    "every end-of-text is masked, so the model never learns to stop: only what follows a text's own end is padding":
        padded.masked_fill(padded == 9, -100),
    "the text's own end-of-text is masked: keep the first of the run at the end of a row":
        torch.tensor([[5, 3, -100, -100, -100, -100], [4, 9, 6, 2, -100, -100], [7, 1, 8, 2, 6, -100], [9, 4, 9, 9, 5, 2]]),
    "an end-of-text between two documents is no padding, and the text after it counts":
        torch.tensor([[5, 3, 9, -100, -100, -100], [4, 9, -100, -100, -100, -100], [7, 1, 8, 2, 6, 9],
                      [9, -100, -100, -100, -100, -100]]),
    "every end-of-text after the first is masked: only those in the run at the end of a row are padding":
        torch.tensor([[5, 3, 9, -100, -100, -100], [4, 9, 6, 2, -100, -100], [7, 1, 8, 2, 6, 9], [9, 4, -100, -100, 5, 2]]),
    "two ends of text in the middle of a row are real, both of them (an empty document)":
        torch.tensor([[5, 3, 9, -100, -100, -100], [4, 9, 6, 2, 9, -100], [7, 1, 8, 2, 6, 9], [9, 4, 9, -100, 5, 2]]),
    "padding must be -100, not its own id: nothing is masked": padded,
    "do not shift: the model does that": torch.cat([labelled[:, 1:], torch.full((4, 1), -100)], 1),
    "do not shift: the model does that, and would shift again": labelled.roll(-1, 1),
    "the label that is not asked for is -100": labelled.masked_fill(labelled == -100, 0),
    "these are only true and false: the labels are ids, and -100 at padding": labelled != -100,
}, hint="wrong labels: the ids themselves, with -100 after the first end-of-text of the run at a row's end")
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(0)
for end in (50256, 0, 3):
    lengths = [0, 1, 4, 6, 7, 8]  # real tokens before the end, in rows of 8
    table = torch.randint(100, 200, (len(lengths), 8), generator=generator)
    table[5, 2:4] = table[4, 3] = end
    wanted_labels = table.clone()
    for row, length in enumerate(lengths):
        table[row, length:] = end
        wanted_labels[row, length:] = -100
        wanted_labels[row, length:length + 1] = end
    check.equal(causal_labels(table, end), wanted_labels, hint="wrong for rows of other lengths or another end-of-text")
    check.equal(causal_labels(table[2:3, :5], end), wanted_labels[2:3, :5], hint="wrong for a single row")
    check.equal(causal_labels(table[3:, :1], end), table[3:, :1], hint="wrong for rows of one token")
inside = torch.tensor([[5, 9, 9, 9, 4, 2], [9, 9, 9, 9, 4, 9], [9, 9, 9, 4, 9, 9]])
check.equal(causal_labels(inside, 9), torch.tensor([[5, 9, 9, 9, 4, 2], [9, 9, 9, 9, 4, 9], [9, 9, 9, 4, 9, -100]]),
            hint="three or more ends of text in the middle of a row are real, all of them: only the run at a row's end is padding")
### END HIDDEN TESTS

# %% [markdown]
# The same texts as above with your labels:

# %% tags=["demo"]
yours = causal_labels(collated["input_ids"], padding_tokenizer.pad_token_id)
for ids, labels in zip(collated["input_ids"].tolist(), yours.tolist()):
    print("  ".join(f"{gpt2_tokenizer.decode([i]).replace('<|endoftext|>', 'END')!r}{'*' if label == -100 else ''}"
                    for i, label in zip(ids, labels)))

# %% [markdown]
# ### When there are two texts
#
# A **sequence-to-sequence** model (Sutskever et al. 2014; T5, Raffel et al. 2020) has an encoder, which reads a source
# such as a French sentence or a text with holes, and a decoder, which writes a target. At each position the decoder must
# say the next token of the target. What does it see while it trains: the tokens that *it* said so far, or the *true*
# ones?
#
# The true ones. That is called **teacher forcing** (Williams and Zipser 1989): whatever the model would have said, its
# input is the target itself, moved one to the right behind a start token. All inputs are then known in advance, and with
# a causal mask **all positions train in parallel, in one pass**. Only *decoding*, when nobody knows the target, goes
# token by token.
#
# **Predict first.** The target has 200 tokens. How many passes through the decoder does one training example take, and
# how many does writing 200 tokens take?
#
# <details><summary>Answer</summary>
#
# One, and 200. It is the same for GPT-2, which is teacher-forced too: its input is the text, its labels are the text one
# step later. "Transformers are trained in parallel" means just this.
# </details>
#
# ### Exercise: `teacher_forcing` (1 point, 10 minutes)
#
# Write `teacher_forcing(targets, bos_id)`, which returns a pair `(decoder_input_ids, labels)`, both (B, T) int64 like
# `targets`. At position t the decoder is asked for `targets[:, t]` and sees `bos_id` and the targets before t. There is
# no padding here, and the decoder does **not** shift by itself. Leave `targets` as it was.
#
# <details><summary>Hint 1</summary>What has the decoder seen when it is asked for the very first token?</details>
# <details><summary>Hint 2</summary>The last target is never an input: nothing comes after it.</details>
# <details><summary>Hint 3</summary>A column of <code>bos_id</code>, then <code>targets[:, :-1]</code>; the labels are the
# targets.</details>

# %% nbgrader={"grade": false, "grade_id": "teacher_forcing", "locked": false, "schema_version": 3, "solution": true, "task": false}
def teacher_forcing(targets: Tensor, bos_id: int) -> tuple[Tensor, Tensor]:
    """(decoder_input_ids, labels), both (B, T): position t sees bos_id and the targets before t, and is asked for target t."""
    ### BEGIN SOLUTION
    start = torch.full_like(targets[:, :1], bos_id)
    return torch.cat([start, targets[:, :-1]], 1), targets
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_teacher_forcing", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
french = torch.tensor([[11, 12, 13, 14], [21, 22, 23, 24]])
want = (torch.tensor([[1, 11, 12, 13], [1, 21, 22, 23]]), french)
kept = check.beside(lambda f, x: (f(x, 1), x)[1], teacher_forcing, french)
check.equal(kept, french, hint="you changed `targets` in place")
got = teacher_forcing(french, 1)
check.equal(tuple(got) if isinstance(got, list) else got, want, mistakes={
    "the decoder sees the answer: its input is moved one to the right, behind bos_id": (french, french),
    "the wrong way: the input is moved to the right, it does not run ahead":
        (torch.tensor([[12, 13, 14, 1], [22, 23, 24, 1]]), french),
    "the last target has come round to the front: bos_id belongs there": (french.roll(1, 1), french),
    "the labels are shifted as well: at position t the decoder is asked for target t":
        (want[0], torch.tensor([[12, 13, 14, -100], [22, 23, 24, -100]])),
    "one position too many: the last target is never an input": (torch.tensor([[1, 11, 12, 13, 14], [1, 21, 22, 23, 24]]), french),
    "the first target is lost: put bos_id before it, not in its place": (torch.tensor([[1, 12, 13, 14], [1, 22, 23, 24]]), french),
    "in the wrong order: (decoder_input_ids, labels)": want[::-1],
}, hint="wanted the pair (decoder_input_ids, labels)")
### BEGIN HIDDEN TESTS
for shape, bos in (((3, 7), 0), ((1, 2), 50256), ((4, 1), 5)):
    some = torch.randint(100, (shape), generator=torch.Generator().manual_seed(0))
    rows_in = torch.tensor([[bos, *row[:-1]] for row in some.tolist()])
    got = teacher_forcing(some, bos)
    check.equal(tuple(got) if isinstance(got, list) else got, (rows_in, some), hint="wrong for targets of another shape, or the start token is not `bos_id`")
### END HIDDEN TESTS

# %% [markdown]
# ## 3. Guess what is hidden
#
# A causal model sees only what came before. If you do not want to *write* but to *read* (classify, search, tag), every
# token should see both sides. Then "guess the next token" is too easy: it is right there. So hide something.
#
# **Masked language modelling** (Devlin et al. 2019, §3.1 and appendix A.1) chooses 15 % of the tokens and asks for those
# alone. Of the chosen ones, 80 % are shown as `[MASK]`, 10 % as a random token, and 10 % as what they are:
#
# - *why not always* `[MASK]`? It never occurs when the model is used. A model that has only ever been asked at `[MASK]`
#   need not have an opinion about any other position.
# - *why show some unchanged?* With random tokens alone, the safest bet at a visible token would be that it is wrong.
#
# **Predict first.** A batch has 100,000 ordinary tokens. At how many positions is the loss computed, and at how many of
# those does the model see the true token? Compare with a causal model.
#
# <details><summary>Answer</summary>
#
# About 15,000, and at about 1,500 of them (1.5 % of all) the token is visible. A causal model is asked at all 100,000.
# For the same forward pass, masked modelling gets a seventh of the signal; that is its price for seeing both sides.
# </details>
#
# ### Exercise: `mlm_corrupt` (3 points, 30 minutes)
#
# Write `mlm_corrupt(input_ids, mask_id, vocab_size, special_ids, generator)`, which returns a pair `(input_ids, labels)`,
# new int64 tensors of the shape of `input_ids`, (B, T):
#
# - each position is **chosen** with probability 15 %, independently of the others; one that holds a token of
#   `special_ids` (a list of ints, perhaps empty: `[CLS]`, `[SEP]`, padding) never is;
# - the label of a chosen position is its original id; all other labels are −100;
# - a chosen position becomes `mask_id` with probability 80 %, with 10 % a random id, uniform in 0 ... `vocab_size` − 1
#   (whether special ones may come up is up to you), and with 10 % it stays as it is;
# - positions that are not chosen stay as they are, and so does the tensor that was passed in.
#
# All randomness comes from `generator`, a `torch.Generator` on the CPU, like the ids.
#
# <details><summary>Hint 1</summary>First decide <em>where</em> (15 %), then <em>what</em>, with new random numbers: those
# that chose a position are below 0.15 and no longer uniform.</details>
# <details><summary>Hint 2</summary><code>torch.isin(input_ids, torch.tensor(special_ids))</code> finds the special ones.
# One uniform number for each position settles 80/10/10: below 0.8, below 0.9, the rest.</details>
# <details><summary>Hint 3</summary><code>torch.rand(input_ids.shape, generator=generator)</code> twice,
# <code>torch.randint</code> once, and <code>torch.where</code> for the rest.</details>

# %% nbgrader={"grade": false, "grade_id": "mlm_corrupt", "locked": false, "schema_version": 3, "solution": true, "task": false}
def mlm_corrupt(input_ids: Tensor, mask_id: int, vocab_size: int, special_ids: list[int],
                generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """(corrupted ids, labels) for masked language modelling; Devlin et al. 2019, §3.1.

    15 % of the positions that are not special are chosen: label = original id, elsewhere -100. Of the chosen ones 80 %
    become mask_id, 10 % a random id below vocab_size, 10 % stay.
    """
    ### BEGIN SOLUTION
    special = torch.isin(input_ids, torch.tensor(special_ids))
    chosen = (torch.rand(input_ids.shape, generator=generator) < 0.15) & ~special
    labels = torch.where(chosen, input_ids, -100)
    fate = torch.rand(input_ids.shape, generator=generator)
    random_ids = torch.randint(vocab_size, input_ids.shape, generator=generator)
    shown = torch.where(fate < 0.8, mask_id, torch.where(fate < 0.9, random_ids, input_ids))
    return torch.where(chosen, shown, input_ids), labels
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_mlm_corrupt", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
MASK = 3  # 0, 1, 2 are special, 10 to 999 are words


def sentences(rows, width, vocabulary, seed):
    """Rows of words, between the special tokens 1 and 2, and with the special token 0 as padding in some."""
    ids = torch.randint(10, vocabulary, (rows, width), generator=torch.Generator().manual_seed(seed))
    ids[:, 0], ids[:, -1], ids[: rows // 4, width - 10:] = 1, 2, 0
    return ids


def corrupted_by(f, ids, mask_id, vocabulary, special, seeds):
    """What f makes of ids with generators of these seeds; None in place of a seed: the last generator once more."""
    results, draws = [], None
    for seed in seeds:
        draws = draws if seed is None else torch.Generator().manual_seed(seed)
        results.append(tuple(f(ids, mask_id, vocabulary, special, draws)))
    return results


clean = sentences(400, 250, 1000, 0)
kept = check.beside(lambda f, x: (f(x, 3, 1000, [0], torch.Generator()), x)[1], mlm_corrupt, clean[:20])
check.equal(kept, clean[:20], hint="you changed `input_ids` in place")
(shown, labels), = check.beside(corrupted_by, mlm_corrupt, clean, MASK, 1000, [0, 1, 2], [5])
check.shape(shown, (400, 250))
check.shape(labels, (400, 250))
check.equal([shown.dtype, labels.dtype], [torch.int64] * 2, hint="both results hold ids: int64")
chosen, special = labels != -100, clean < 3
check.that(not bool(labels.eq(clean).all()), "every label is an id: positions that were not chosen have the label -100")
check.equal(labels[chosen], clean[chosen], hint="the label of a chosen position is its original id, before it was changed")
check.equal(shown[~chosen], clean[~chosen], hint="a position whose label is -100 was changed")
check.equal(int((chosen & special).sum()), 0, hint="a special token was chosen: those in `special_ids` never are")
share = chosen[~special].double().mean().item()
check.close(share, 0.15, atol=0.01, mistakes={"you chose the 85 % and left the 15 %": 0.85, "every token was chosen": 1.0,
                                              "none was chosen": 0.0}, hint="15 % of the ordinary tokens are chosen")
masked, same = (shown == MASK)[chosen], (shown == clean)[chosen]
fates = torch.stack([masked, ~masked & ~same, same]).double().mean(1)
check.close(fates, torch.tensor([0.8, 0.1, 0.1]), atol=0.02, dtype=False, mistakes={
    "every chosen token is masked: 80 % [MASK], 10 % random, 10 % unchanged": torch.tensor([1.0, 0, 0]),
    "no chosen token is left as it is: 80 % [MASK], 10 % random, 10 % unchanged": torch.tensor([0.8, 0.2, 0]),
    "no chosen token is replaced by a random one: 80 % [MASK], 10 % random, 10 % unchanged": torch.tensor([0.8, 0, 0.2]),
    "10 % of the chosen are random, not 10 % of those that are left": torch.tensor([0.8, 0.02, 0.18]),
    "10 % of the chosen stay, not 10 % of those that are left": torch.tensor([0.8, 0.18, 0.02]),
    "draw anew: the numbers that chose a position are all below 0.15": torch.tensor([1.0, 0, 0]),
    "80 % of the chosen are masked and 10 % are random: one draw settles all three": torch.tensor([0.72, 0.1, 0.18]),
}, hint="of the chosen tokens 80 % become [MASK], 10 % a random token, 10 % stay")
### BEGIN HIDDEN TESTS
replacements = shown[chosen][~masked & ~same]
check.that(int(replacements.min()) >= 0 and int(replacements.max()) < 1000, "a random token lies outside the vocabulary")
check.that(int(replacements.min()) < 100 and int(replacements.max()) >= 900 and len(replacements.unique()) > 600,
           "random tokens are drawn from the whole vocabulary, 0 to vocab_size - 1, anew for each position")
columns, lines = chosen[100:, 1:-10].double().mean(0), chosen[:, 1:-10].double().mean(1)
check.that(float(columns.min()) > 0.03 and float(columns.max()) < 0.35 and float(lines.min()) > 0.02
           and float(lines.max()) < 0.4, "rows and columns are not alike: each position is chosen by its own draw")
together = (chosen[:, 1:-11] & chosen[:, 2:-10]).double().mean().item()
check.that(0.015 < together < 0.03, "neighbours are chosen together, or never: each position is chosen by its own draw")
check.that(4 < float(chosen[100:].sum(1).double().std()) < 8,
           "each token by its own dice: how many are chosen differs from row to row, it is not always 15 % of a row")
few_words = sentences(300, 60, 100, 3)
(shown, labels), = check.beside(corrupted_by, mlm_corrupt, few_words, MASK, 1000, [0, 1, 2], [4])
swapped_in = shown[(labels != -100) & (shown != MASK) & (shown != few_words)]
check.that(len(swapped_in) > 100 and int(swapped_in.max()) >= 900 and int((swapped_in > 99).sum()) > 0.75 * len(swapped_in),
           "random tokens come from the vocabulary, 0 to vocab_size - 1, not from the ids of the batch")
# The same seed gives the same; another seed, or the same generator later, something else.
first, again, later, other = check.beside(corrupted_by, mlm_corrupt, clean[:20], MASK, 1000, [0, 1, 2], [7, 7, None, 8])
check.equal(again, first, hint="the same seed gave something else: take all randomness from `generator`")
for name, result in (("labels", 1), ("ids", 0)):
    for different in (later, other):
        check.that(not torch.equal(different[result], first[result]),
                   f"the same {name} came again: draw from `generator` as it is, without seeding it")
# Another vocabulary and mask, other special tokens, or none.
for mask_id, vocabulary, special_list in ((49, 50, [1, 2, 0, 12]), (103, 104, [7]), (5, 60, [])):
    small = sentences(300, 60, min(vocabulary, mask_id) if mask_id > 10 else vocabulary, 1)
    (shown, labels), = check.beside(corrupted_by, mlm_corrupt, small, mask_id, vocabulary, special_list, [2])
    chosen, special = labels != -100, torch.tensor([[i in special_list for i in row] for row in small.tolist()])
    check.equal(labels[chosen], small[chosen], hint="the label of a chosen position is its original id")
    check.equal(shown[~chosen], small[~chosen], hint="a position whose label is -100 was changed")
    check.equal(int((chosen & special).sum()), 0, hint="`special_ids` are not always the same")
    check.close(chosen[~special].double().mean().item(), 0.15, atol=0.02, hint="a token that is not in `special_ids` may be chosen")
    masked, same = (shown == mask_id)[chosen], (shown == small)[chosen]
    check.close(masked.double().mean().item(), 0.8, atol=0.05, hint="`mask_id` is an argument")
    check.that(int(shown.max()) < vocabulary and int(shown[chosen][~masked & ~same].max()) > 0.6 * vocabulary,
               "`vocab_size` is an argument: random ids lie in 0 to vocab_size - 1")
### END HIDDEN TESTS

# %% [markdown]
# The game as a real masked model plays it: MiniLM with the head that this course trained (unit 04), on the first lines of
# an article it has never seen.

# %% tags=["demo"]
masked_lm, word_pieces = models.load_masked_lm()
article = wikipedia["validation"][0]
piece_ids = word_pieces(article["text"], truncation=True, max_length=40, return_tensors="pt").input_ids
dice = torch.Generator().manual_seed(4)
hidden_ids, hidden_labels = mlm_corrupt(piece_ids, word_pieces.mask_token_id, len(word_pieces), word_pieces.all_special_ids, dice)
with torch.no_grad():
    opinions = masked_lm(hidden_ids.to(masked_lm.device)).logits[0].softmax(-1).cpu()
print(word_pieces.decode(hidden_ids[0]), "\n")
print(f"{'shown':<14}{'true':<14}{'guess':<14}p(true)")
for place in (hidden_labels[0] != -100).nonzero().flatten().tolist():
    true, guess = hidden_labels[0, place], opinions[place].argmax()
    print(f"{word_pieces.decode(hidden_ids[0, place]):<14}{word_pieces.decode(true):<14}{word_pieces.decode(guess):<14}"
          f"{opinions[place, true]:.3f}")

# %% [markdown]
# ### Real or replaced?
#
# Only 15 % of the positions teach a masked model anything. **Replaced-token detection** (ELECTRA; Clark et al. 2020, §2)
# asks at *all* of them: a small masked model, the *generator*, fills the holes with samples of its own, and the model
# that one wants, the *discriminator*, says for each token whether it is original (0) or replaced (1).
#
# **Predict first.** The generator fills a hole and happens to draw the very word that stood there. Original or replaced?
#
# <details><summary>Answer</summary>
#
# Original: label 0. The discriminator sees a text in which nothing is wrong at this place, so it could not know, and
# should not be punished for it. This is where ELECTRA parts from a GAN, which would call everything fake that the
# generator made (Clark et al. 2020, §2).
# </details>
#
# ### Exercise: `rtd_labels` (1 point, 5 minutes)
#
# Write `rtd_labels(original, corrupted)`, for two tensors of ids of one shape (B, T): a tensor of that shape with 1 where
# a token was replaced by another and 0 where it is what it was, whoever put it there. (int64 as `transformers` wants it,
# or any other dtype that can hold 0 and 1.)
#
# <details><summary>Hint 1</summary>Which positions look different to somebody who has both texts?</details>
# <details><summary>Hint 2</summary>A comparison gives booleans.</details>
# <details><summary>Hint 3</summary><code>(original != corrupted).long()</code></details>

# %% nbgrader={"grade": false, "grade_id": "rtd_labels", "locked": false, "schema_version": 3, "solution": true, "task": false}
def rtd_labels(original: Tensor, corrupted: Tensor) -> Tensor:
    """1 where a token was replaced by another one, 0 where it is the original; Clark et al. 2020, §2. Same shape."""
    ### BEGIN SOLUTION
    return (original != corrupted).long()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_rtd_labels", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def as_ids(answer):
    """Zeros and ones of any dtype as int64; everything else as it is."""
    if isinstance(answer, Tensor) and answer.dtype != torch.int64 and torch.equal(answer.long().to(answer.dtype), answer):
        return answer.long()
    return answer


was, now = torch.tensor([[7, 3, 5, 3, 2], [1, 1, 4, 6, 8]]), torch.tensor([[7, 4, 5, 1, 2], [1, 2, 4, 6, 9]])
check.equal(as_ids(rtd_labels(was, now)), torch.tensor([[0, 1, 0, 1, 0], [0, 1, 0, 0, 1]]), mistakes={
    "the other way round: 1 is for a replaced token, 0 for an original one": torch.tensor([[1, 0, 1, 0, 1], [1, 0, 1, 1, 0]]),
    "this is the difference of the ids: only 0 and 1 are wanted": now - was,
    "this is the difference of the ids: only 0 and 1 are wanted ": was - now,
    "these are labels of masked modelling (ids and -100): 0 and 1 are wanted": torch.where(was != now, was, -100),
    "one label for each token, not one for each text": torch.tensor([1, 1]),
}, hint="wanted a 0 or a 1 for each token")
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(0)
for shape in ((3, 50), (1, 7), (2, 1)):
    one, two = torch.randint(4, (2, *shape), generator=generator)
    check.equal(as_ids(rtd_labels(one, two)), torch.tensor([[int(a != b) for a, b in zip(r, s, strict=True)]
                                                            for r, s in zip(one.tolist(), two.tolist(), strict=True)]),
                hint="wrong for other texts: 1 where the two differ, also where the new id is the smaller one")
check.equal(as_ids(rtd_labels(was, was)), torch.zeros(2, 5, dtype=torch.int64), hint="an unchanged text is all original")
### END HIDDEN TESTS

# %% [markdown]
# With our masked model as the generator: it draws a token for each hole, and where it drew the true one, there is nothing
# to detect.

# %% tags=["demo"]
chosen_places = hidden_labels[0] != -100
drawn = torch.multinomial(opinions, 1, generator=dice)[:, 0]
filled = torch.where(chosen_places, drawn, piece_ids[0])
detection = rtd_labels(piece_ids, filled[None])[0]
print(" ".join(f"[{p}]" if new else p for p, new in zip(word_pieces.convert_ids_to_tokens(filled), detection.tolist())))
print(f"\n{int(chosen_places.sum())} holes filled, {int(detection.sum())} of them with another token than before (in brackets); "
      f"the loss has {len(detection)} terms, not {int(chosen_places.sum())}")

# %% [markdown]
# ### Any order
#
# The chain rule does not insist on left to right. $p(a, b, c) = p(c)\,p(a \mid c)\,p(b \mid c, a)$ is as true as the
# usual order, and *permutation language modelling* (XLNet; Yang et al. 2019, §2.2) trains on random orders: each token is
# predicted from a random subset of the others, on both sides. **The words stay where they are**; their position vectors
# say so. Nothing is shuffled, and nobody learns to unshuffle. What changes is only the *factorisation order*, that is,
# who may look at whom: a mask.
#
# **Predict first.** Four tokens, in the factorisation order 2, 0, 3, 1 (position 2 is predicted first, position 1 last).
# Which positions may position 3 look at? And position 2?
#
# <details><summary>Answer</summary>
#
# Position 3 comes third, after 2 and 0: it sees those. Position 2 comes first and sees nothing at all, like the first
# token of a text in the usual order.
# </details>
#
# ### Exercise: `permutation_mask` (2 points, 15 minutes)
#
# Write `permutation_mask(order)`. `order` is an int64 tensor (T,), a permutation of the positions: `order[0]` is the
# position that is predicted first, `order[1]` the second, and so on. Return a bool tensor (T, T) whose rows and columns
# are **positions in the text**: row i, column j is `True` where the prediction of position i may use the token at
# position j, which is where j comes **strictly before** i in the order. (No position sees itself: this is the mask of
# XLNet's *query stream*, Yang et al. 2019, §2.3.)
#
# <details><summary>Hint 1</summary>For each position you need to know <em>when</em> it is predicted. <code>order</code>
# tells the opposite: for each time, which position.</details>
# <details><summary>Hint 2</summary>The inverse of a permutation: <code>rank[order] = torch.arange(T)</code>.</details>
# <details><summary>Hint 3</summary>Compare ranks by broadcasting:
# <code>rank[None, :] &lt; rank[:, None]</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "permutation_mask", "locked": false, "schema_version": 3, "solution": true, "task": false}
def permutation_mask(order: Tensor) -> Tensor:
    """Bool (T, T): True where position i may look at position j, which is predicted strictly earlier; Yang et al. 2019.

    order: (T,) int64; order[k] is the position that is predicted as number k.
    """
    ### BEGIN SOLUTION
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device)
    return rank[None, :] < rank[:, None]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_permutation_mask", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
order = torch.tensor([2, 0, 4, 1, 3])
want = torch.tensor([[0, 0, 1, 0, 0], [1, 0, 1, 0, 1], [0, 0, 0, 0, 0], [1, 1, 1, 0, 1], [1, 0, 1, 0, 0]]).bool()
kept = check.beside(lambda f, x: (f(x), x)[1], permutation_mask, order)
check.equal(kept, order, hint="you changed `order` in place")
check.equal(permutation_mask(order), want, mistakes={
    "a position sees itself: it may look at earlier ones only": want | torch.eye(5).bool(),
    "the other way round: row i may look at what comes before i in the order": want.T,
    "True is where a position may look, and it does not see itself (or are rows and columns exchanged?)": ~want,
    "order[k] is the position predicted at step k, not the step of position k: invert it": order[None, :] < order[:, None],
    "order[k] is the position predicted at step k, not the step of position k; and mind the direction":
        order[None, :] > order[:, None],
    "this is the mask of the usual order: rows and columns are positions in the text, and `order` says who comes first":
        torch.ones(5, 5).tril(-1).bool(),
    "this is the usual causal mask: `order` says who comes first, and a position does not see itself": torch.ones(5, 5).tril().bool(),
}, hint="row i is True where j comes strictly before i in the order")
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(0)
for length in (1, 2, 5, 9):
    some_order = torch.randperm(length, generator=generator)
    when = {position: step for step, position in enumerate(some_order.tolist())}
    check.equal(permutation_mask(some_order),
                torch.tensor([[when[j] < when[i] for j in range(length)] for i in range(length)]).view(length, length),
                hint=f"wrong for another order of {length} positions")
for some_order in (torch.arange(6), torch.arange(6).flip(0)):
    check.equal(permutation_mask(some_order).sum().item(), 15, hint="wrong for the usual order or its reverse")
    check.equal(permutation_mask(some_order)[0, 5].item(), bool(some_order[0] == 5), hint="wrong for the usual order or its reverse")
### END HIDDEN TESTS

# %% [markdown]
# ### The five games side by side

# %% tags=["demo"]
words = ["The", "cat", "sat", "on", "it"]
T = len(words)
permuted = permutation_mask(torch.tensor([2, 0, 3, 1, 4]))
everything, lower = torch.ones(T, T), torch.ones(T, T).tril()
games = {  # title: (who sees whom, names of the rows, names of the columns, positions that are asked)
    "causal": (lower, words, words, range(T - 1)),
    "masked": (everything, words, ["The", "[MASK]", "sat", "on", "it"], [1]),
    "replaced or not": (everything, words, ["The", "dog", "sat", "on", "it"], range(T)),
    "permutation 2 0 3 1 4": (permuted.float(), words, words, range(T)),
    "sequence to sequence": (torch.cat([torch.ones(T, 3), lower], 1), words, ["Le", "chat", "…", "BOS", *words[:-1]], range(T)),
}
fig, axes = plots.figure(1, 5, size=(13.5, 3.4), width_ratios=(1, 1, 1, 1, 1.6))
for ax, (title, (seen, asked_of, given, asked)) in zip(axes, games.items()):
    ax.imshow(seen.numpy(), cmap=plots.UNSIGNED, vmin=0, vmax=1.6, aspect="auto")
    ax.set_title(title, fontsize=11)
    ax.set_xticks(range(len(given)), given, rotation=60, fontsize=9)
    ax.set_yticks(range(T), [f"{word} ●" if place in asked else word for place, word in enumerate(asked_of)], fontsize=9)
    ax.grid(False)
plots.caption(fig, "Blue: what the vector of each row's position may be made of (columns: what is shown to the model). ●: here a "
              "question is asked. A causal row is asked for the token after it, a decoder's for its own row, whose token is "
              "not among its inputs.",
              "Five tables of five rows. Causal: the lower triangle, asked in all rows but the last. Masked: all blue, asked in "
              "one row. Replaced or not: all blue, asked in all rows. Permutation: an irregular triangle without diagonal. "
              "Sequence to sequence: three blue columns for the source, then the lower triangle.")

# %% [markdown]
# ### Written answer (3 points): two objectives compared
#
# You may train one model of a given size on a given text, and choose between **causal** language modelling and one of the
# other four objectives (say which). In eight to twelve sentences compare the two: **what** does each teach the model to
# do, and what can it not do afterwards? How much training signal do you get for the **computing** that you pay? How do
# training and use run in **parallel**?

# %% [markdown] nbgrader={"grade": true, "grade_id": "written_objectives", "locked": false, "points": 3, "schema_version": 3, "solution": true, "task": false}
# ### BEGIN SOLUTION
# *Causal against masked.* A causal model learns the probability of the next token given all earlier ones. Because of the
# chain rule this is a model of whole texts, so it can write, score and continue anything; but the vector of a token knows
# nothing of what comes after it. A masked model learns to restore a hidden token from both sides, so its vectors are
# better for tagging, search and classification. It has no probability for a whole text and cannot write one from left to
# right, and it meets `[MASK]`, which never occurs in use, in most of its questions.
#
# For one forward and backward pass over $T$ tokens, which costs the same for both, the causal model is asked at every
# position, the masked one at 15 % of them: about a seventh of the signal. (Its questions are not worth the same, since
# both sides are seen, but it needs more passes in practice. Replaced-token detection was invented to ask at all
# positions.)
#
# In training both are parallel over all positions: the causal mask, with the true text as input (teacher forcing), makes
# one pass answer all questions at once, and a masked model has no order to begin with. In use the causal model is
# sequential, one pass for each token written (though with a cache only a token's worth of work); the masked model reads a
# whole text in one pass.
#
# *For the grader, one mark each: what each can and cannot do; signal for the same computing (15 % against all, or the
# generator's extra cost for ELECTRA, the two streams for XLNet, encoder and decoder for seq2seq); parallel training by
# teacher forcing or masks, and which of the two is sequential in use.*
# ### END SOLUTION

# %% [markdown]
# ## 4. From articles to chunks
#
# Fifty articles have fifty lengths, and a model has one context length. The usual way (GPT-2 and most after it) is to
# join all documents to **one stream**, with an end-of-text token after each, and to cut the stream into chunks of equal
# length. What does not fit into a chunk *overflows* into the next one. No position is wasted on padding; in exchange a
# chunk may hold the end of one article and the start of another, and the end-of-text between them tells the model that
# they have nothing to do with each other.
#
# At the very end a **tail** is left that does not fill a chunk. Keep it (and pad it), or drop it: both are right, if done
# on purpose. What is not right is to drop a tail *of each article*, which is what happens when each is cut on its own.
#
# **Predict first.** Our 50 training articles have 294,187 GPT-2 tokens. With chunks of 128 tokens, how many tokens does
# one lose by dropping the one tail of the stream, and about how many by dropping the tail of each article?
#
# <details><summary>Answer</summary>
#
# At most 127 in the first case. In the second about half a chunk for each article: 50 · 64 = 3,200, which is 1 %. With
# chunks of 1,024 it would be 9 %, and always the ends of articles. (The cell after the exercise counts.)
# </details>
#
# ### Exercise: `chunk_documents` (3 points, 20 minutes)
#
# Write `chunk_documents(texts, encode, context_length, eos_id, drop_last)`: a list of chunks, each a list of ids.
#
# - `encode` turns a string into a list of ids. Encode each of the `texts` (a list of strings, perhaps empty) as it is,
#   leading blanks included, and join them in order, with one `eos_id` **after each** document, the last one included. An
#   empty text is a document too, and a text whose ids end with `eos_id` already gets another one.
# - Cut the stream into chunks of `context_length` ids, without overlap: every id is in exactly one chunk.
# - The last chunk may be shorter. It is returned as it is, unpadded, unless `drop_last` is true, and then it is left out.
#   There are no empty chunks.
#
# <details><summary>Hint 1</summary>One long list first, then the cutting: two loops after each other, not one inside the
# other.</details>
# <details><summary>Hint 2</summary><code>range(0, len(stream), context_length)</code> gives the starts of all
# chunks.</details>
# <details><summary>Hint 3</summary>A slice that runs over the end is short, not an error. When <code>drop_last</code>,
# keep the chunks whose length is <code>context_length</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "chunk_documents", "locked": false, "schema_version": 3, "solution": true, "task": false}
def chunk_documents(texts: list[str], encode, context_length: int, eos_id: int, drop_last: bool) -> list[list[int]]:
    """All documents as one stream, with eos_id after each, cut into chunks of context_length ids.

    encode: str -> list of ids. The last chunk may be shorter; drop_last leaves it out if it is.
    """
    ### BEGIN SOLUTION
    stream = []
    for text in texts:
        stream += [*encode(text), eos_id]
    chunks = [stream[start:start + context_length] for start in range(0, len(stream), context_length)]
    if drop_last:
        chunks = [chunk for chunk in chunks if len(chunk) == context_length]
    return chunks
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_chunk_documents", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
by_letter = lambda text: [ord(letter) - 96 for letter in text]  # a = 1, b = 2, ...
documents = ["abcde", "fg", "hijk"]  # with 0 for the end: 1 2 3 4 5 0 6 7 0 8 9 10 11 0
check.equal(chunk_documents(documents, by_letter, 4, 0, False),
            [[1, 2, 3, 4], [5, 0, 6, 7], [0, 8, 9, 10], [11, 0]], mistakes={
    "the end-of-text after each document is missing": [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11]],
    "the last document ends too: end-of-text comes after each": [[1, 2, 3, 4], [5, 0, 6, 7], [0, 8, 9, 10], [11]],
    "the end-of-text comes after a document, not before it": [[0, 1, 2, 3], [4, 5, 0, 6], [7, 0, 8, 9], [10, 11]],
    "documents were cut one by one: join them first, so that chunks run over the ends": [[1, 2, 3, 4], [5, 0], [6, 7, 0], [8, 9, 10, 11], [0]],
    "drop_last is false: the short chunk at the end is kept": [[1, 2, 3, 4], [5, 0, 6, 7], [0, 8, 9, 10]],
    "the last chunk stays short: do not pad it": [[1, 2, 3, 4], [5, 0, 6, 7], [0, 8, 9, 10], [11, 0, 0, 0]],
    "the chunks overlap": [[1, 2, 3, 4], [4, 5, 0, 6], [6, 7, 0, 8], [8, 9, 10, 11], [11, 0]],
    "one long list: cut it into chunks": [1, 2, 3, 4, 5, 0, 6, 7, 0, 8, 9, 10, 11, 0],
    "each document was truncated: what overflows belongs to the next chunk": [[1, 2, 3, 4], [6, 7, 0], [8, 9, 10, 11]],
}, hint="wrong chunks with drop_last=False")
check.equal(chunk_documents(documents, by_letter, 4, 0, True), [[1, 2, 3, 4], [5, 0, 6, 7], [0, 8, 9, 10]], mistakes={
    "drop_last is true: the short chunk at the end is left out": [[1, 2, 3, 4], [5, 0, 6, 7], [0, 8, 9, 10], [11, 0]],
    "the tail of each document was dropped: only the stream has one": [[1, 2, 3, 4], [8, 9, 10, 11]],
}, hint="wrong chunks with drop_last=True")
check.equal(chunk_documents(documents, by_letter, 7, 0, True), [[1, 2, 3, 4, 5, 0, 6], [7, 0, 8, 9, 10, 11, 0]],
            mistakes={"the stream ends with a full chunk, and there is no tail to drop": [[1, 2, 3, 4, 5, 0, 6]]})
### BEGIN HIDDEN TESTS
check.equal(chunk_documents(documents, by_letter, 7, 0, False), [[1, 2, 3, 4, 5, 0, 6], [7, 0, 8, 9, 10, 11, 0]],
            mistakes={"there is an empty chunk at the end": [[1, 2, 3, 4, 5, 0, 6], [7, 0, 8, 9, 10, 11, 0], []]})
bytes_of = lambda text: list(text.encode())
for texts, width, end in ((["", "a", ""], 2, 300), (["one", "two", "", "three"], 5, 256), (["x" * 40], 8, 7), (["abc"], 50, 256),
                          ([], 4, 0), (["a", "b"], 1, 9), (["ab", " b", "\n", "a "], 3, 98)):
    whole = [i for text in texts for i in [*text.encode(), end]]
    for drop in (False, True):
        wanted_chunks, rest = [], list(whole)
        while rest:
            if len(rest) >= width or not drop:
                wanted_chunks.append(rest[:width])
            rest = rest[width:]
        check.equal(chunk_documents(texts, bytes_of, width, end, drop), wanted_chunks,
                    hint="wrong for other texts or chunks of another length: an empty text is a document too, blanks stay, and each text gets "
                         "an end-of-text, even after one of its own")
### END HIDDEN TESTS

# %% tags=["demo"]
from matplotlib.patches import Rectangle

encode_quietly = lambda text: gpt2_tokenizer(text, verbose=False).input_ids
end_id = gpt2_tokenizer.eos_token_id
train_texts, valid_texts = list(wikipedia["train"]["text"]), list(wikipedia["validation"]["text"])
known = {text: encode_quietly(text) for text in train_texts}  # each article is tokenized once, and looked up after that
for drop in (False, True):
    chunks = chunk_documents(train_texts, known.__getitem__, 128, end_id, drop)
    apart = [c for text in train_texts for c in chunk_documents([text], known.__getitem__, 128, end_id, drop)]
    print(f"drop_last={drop!s:<6} one stream: {len(chunks):,} chunks, {sum(map(len, chunks)):,} tokens;   "
          f"each article apart: {len(apart):,} chunks, {sum(map(len, apart)):,} tokens")
mixed = sum(end_id in chunk[:-1] for chunk in chunks)
print(f"{mixed} of the {len(chunks):,} chunks hold parts of more than one article")
fig, ax = plots.figure(size=(9.0, 1.9))
first_chunks = chunk_documents([text[:600] for text in train_texts[:8]], encode_quietly, 128, end_id, False)
document = 0
for row, chunk in enumerate(first_chunks):
    for place, token in enumerate(chunk):
        ax.add_patch(Rectangle((place, -row), 1, 0.8, color=plots.CYCLE[document % 6]))
        document += token == end_id
ax.set(xlim=(0, 128), ylim=(-len(first_chunks) + 0.8, 1), xlabel="position in the chunk", yticks=[])
ax.grid(False)
plots.caption(fig, "The first 600 characters of eight articles as one stream, in chunks of 128. A colour for each article.",
              f"{len(first_chunks)} rows of 128 cells; each article's colour runs on from one row to the next.")

# %% [markdown]
# ## 5. GPT-2, from its formulas
#
# You know the Llama block. GPT-2 (Radford et al. 2019, §2.3) is five years older, and every part that differs is simpler
# or clumsier:
#
# | | Llama (unit 05) | GPT-2 |
# |---|---|---|
# | positions | rotates queries and keys | adds a learned vector per position (`wpe`) |
# | norm | RMSNorm | LayerNorm: subtracts the mean, has a bias |
# | MLP | SwiGLU, three matrices | GELU, two matrices |
# | biases | none | everywhere |
# | heads | query heads share keys | each has its own keys and values |
# | q, k, v | three matrices | one matrix, `c_attn`, with the three side by side |
# | layout of matrices | (out, in), `x @ w.T` | (in, out), `x @ w + b` (called `Conv1D`) |
#
# Norms stand on the detour, before attention and before the MLP, as in Llama.
#
# ### The activation
#
# The Gaussian error linear unit (Hendrycks and Gimpel 2016) multiplies a number by the probability that a standard normal
# is smaller: $x\,\Phi(x)$. GPT-2 uses the paper's approximation of it, once cheaper and now part of the weights, so to
# speak:
#
# $$ \mathrm{GELU}(x) \approx \tfrac12\, x \left(1 + \tanh\!\left(\sqrt{2/\pi}\,\big(x + 0.044715\, x^3\big)\right)\right) $$
#
# **Predict first.** How large is the largest difference between the two: 0.05, 0.0005 or 0.000005? Would a port of GPT-2
# that uses the exact form be noticed?
#
# <details><summary>Answer</summary>
#
# About 0.0005. No text would give it away, but the logits would not be the same. If logits are what you
# compare (and they should be), you see it at once.
# </details>
#
# ### Exercise: `gelu_tanh` (1 point, 5 minutes)
#
# Write `gelu_tanh(x)`, the approximation above, for each number of a tensor of any shape. Do not call torch's GELU: it is
# what you are compared with. Stay with torch's tensors: a model is trained through it, so gradients must flow through.
#
# <details><summary>Hint 1</summary>Copy the formula from the inside out.</details>
# <details><summary>Hint 2</summary>The cube is inside the bracket, added to x, not multiplied.</details>
# <details><summary>Hint 3</summary>Outside in:
# <code>0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "gelu_tanh", "locked": false, "schema_version": 3, "solution": true, "task": false}
def gelu_tanh(x: Tensor) -> Tensor:
    """GELU by its tanh approximation, for each number of x; Hendrycks and Gimpel 2016, §2."""
    ### BEGIN SOLUTION
    # (1 + tanh u) / 2 is sigmoid(2u): fewer passes over the numbers
    return x * torch.sigmoid(x * (2 * math.sqrt(2 / math.pi) * (1 + 0.044715 * x * x)))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_gelu_tanh", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
some = torch.tensor([[-2.0, -0.5, 0.0], [0.5, 1.0, 2.0]])
inner = math.sqrt(2 / math.pi) * (some + 0.044715 * some**3)
kept = check.beside(lambda f, x: (f(x), x)[1], gelu_tanh, some)
check.equal(kept, some, hint="you changed `x` in place")
check.close(gelu_tanh(some), F.gelu(some, approximate="tanh"), mistakes={
    "that is the exact GELU: GPT-2 uses the tanh approximation": F.gelu(some),
    "that is the quick GELU, x times sigmoid(1.702 x)": some * torch.sigmoid(1.702 * some),
    "the factor 1/2 is missing": some * (1 + inner.tanh()),
    "the 1 in the bracket is missing": 0.5 * some * inner.tanh(),
    "the factor x in front is missing": 0.5 * (1 + inner.tanh()),
    "the root of 2/pi is missing": 0.5 * some * (1 + torch.tanh(some + 0.044715 * some**3)),
    "the root over 2/pi is missing": 0.5 * some * (1 + torch.tanh(2 / math.pi * (some + 0.044715 * some**3))),
    "the cubic term is missing": 0.5 * some * (1 + torch.tanh(math.sqrt(2 / math.pi) * some)),
    "the cubic term is a cube: you squared": 0.5 * some * (1 + torch.tanh(math.sqrt(2 / math.pi) * (some + 0.044715 * some**2))),
    "that is SiLU (Llama's): GPT-2 has a GELU": F.silu(some),
    "that is ReLU: GPT-2 has a GELU": F.relu(some),
}, hint="wrong values: compare with the formula, bracket by bracket")
check.that("gelu" not in check.beside(torch_functions_of, gelu_tanh, some), "write it yourself: torch's GELU is what you are compared with")
slopes = check.beside(gradients_of, gelu_tanh, [some])
check.that(slopes is not None, "no gradient flows through: compute with torch's tensors as they are, without detach, item or numpy")
tanh_by_torch = lambda z: F.gelu(z, approximate="tanh")
check.close(slopes, gradients_of(tanh_by_torch, [some]), hint="the values are right, but the gradient that flows through is not")
### BEGIN HIDDEN TESTS
for shape, scale in (((7,), 3.0), ((2, 3, 4), 1.0), ((1, 50), 8.0), ((3, 1), 0.01)):
    noise = scale * torch.randn(shape, generator=torch.Generator().manual_seed(0))
    check.close(gelu_tanh(noise), F.gelu(noise, approximate="tanh"), hint="wrong for other shapes, large or small numbers")
check.close(gelu_tanh(torch.tensor([-30.0, 30.0])), torch.tensor([0.0, 30.0]), hint="wrong far from 0")
### END HIDDEN TESTS

# %% tags=["demo"]
line = torch.linspace(-4, 4, 401)
fig, (left, right) = plots.figure(1, 2, size=(9.0, 2.9))
for curve, name, colour in ((gelu_tanh(line), "GELU, by tanh", plots.BLUE), (F.silu(line), "SiLU", plots.GREEN),
                            (F.relu(line), "ReLU", plots.GREY)):
    left.plot(line.numpy(), curve.numpy(), color=colour, label=name)
left.set(xlabel="x", title="Three activations")
left.legend()
right.plot(line.numpy(), 1e4 * (gelu_tanh(line) - F.gelu(line)).numpy(), color=plots.ORANGE)
right.set(xlabel="x", ylabel="in 1/10,000", title="Approximation minus exact GELU")
plots.caption(fig, f"The largest difference is {(gelu_tanh(line) - F.gelu(line)).abs().max():.5f}.",
              "Left: GELU and SiLU dip a little below zero before they rise, ReLU does not. Right: the difference of the two "
              "GELUs, a small wave on each side of zero.")

# %% [markdown]
# ### The norm
#
# **LayerNorm** (Ba et al. 2016) brings each vector to mean 0 and variance 1, and then lets the model scale and shift each
# number:
#
# $$ y_j = w_j \, \frac{x_j - \mu}{\sqrt{\sigma^2 + \varepsilon}} + b_j, \qquad \mu = \frac1D \sum_i x_i,
#    \quad \sigma^2 = \frac1D \sum_i (x_i - \mu)^2 $$
#
# **Predict first.** Add 100 to all numbers of $x$, or multiply all by 100. Which of the two does LayerNorm notice, and
# which does RMSNorm (unit 05)?
#
# <details><summary>Answer</summary>
#
# LayerNorm notices neither (as long as ε is small beside the variance). RMSNorm notices the first, since it has no mean
# to subtract.
# </details>
#
# ### Exercise: `layer_norm` (2 points, 10 minutes)
#
# Write `layer_norm(x, weight, bias, eps)` for `x` (..., D), `weight` and `bias` (D,): the norm over the last axis,
# float32 of the same shape as `x`. The variance divides by D, not by D − 1. Numbers may lie far from 0: compute the
# variance from the differences to the mean, as the formula does, and not as $\overline{x^2} - \mu^2$, which loses all
# digits there. Do not call torch's `layer_norm`, and stay with torch's tensors: gradients must flow through to all three.
#
# <details><summary>Hint 1</summary>Two means along the last axis. What does <code>keepdim=True</code> do for
# you?</details>
# <details><summary>Hint 2</summary><code>centred = x - x.mean(-1, keepdim=True)</code>; the variance is the mean of its
# square.</details>
# <details><summary>Hint 3</summary><code>eps</code> is added under the root; <code>x.var(-1)</code> divides by D − 1
# unless told <code>correction=0</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "layer_norm", "locked": false, "schema_version": 3, "solution": true, "task": false}
def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Mean 0 and variance 1 along the last axis, then times weight plus bias; Ba et al. 2016. Shape of x (..., D)."""
    ### BEGIN SOLUTION
    centred = x - x.mean(-1, keepdim=True)
    variance = centred.square().mean(-1, keepdim=True)
    return centred * (variance + eps).rsqrt() * weight + bias
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_layer_norm", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
two_rows = torch.tensor([[1.0, 3.0, 5.0, 7.0], [2.0, 2.0, -1.0, 9.0]])
w, b = torch.tensor([1.0, 2.0, 0.5, -1.0]), torch.tensor([0.0, 10.0, 1.0, -3.0])
mean, spread = two_rows.mean(-1, keepdim=True), two_rows.var(-1, keepdim=True, correction=0)
kept = check.beside(lambda f, *t: (f(*t, 1.0), t)[1], layer_norm, two_rows, w, b)
check.equal(kept, (two_rows, w, b), hint="you changed an argument in place")
check.close(layer_norm(two_rows, w, b, 1.0), F.layer_norm(two_rows, (4,), w, b, 1.0), mistakes={
    "the variance divides by D, not by D - 1": (two_rows - mean) / (two_rows.var(-1, keepdim=True) + 1).sqrt() * w + b,
    "eps belongs under the root": (two_rows - mean) / (spread.sqrt() + 1) * w + b,
    "`eps` is an argument, and it is added under the root": F.layer_norm(two_rows, (4,), w, b, 1e-5),
    "eps is missing": (two_rows - mean) / spread.sqrt() * w + b,
    "divide by the root of the variance, not by the variance": (two_rows - mean) / (spread + 1) * w + b,
    "the mean is not subtracted: that is RMSNorm": two_rows / (two_rows.square().mean(-1, keepdim=True) + 1).sqrt() * w + b,
    "the mean is not subtracted from x": two_rows / (spread + 1).sqrt() * w + b,
    "`weight` and `bias` are missing": F.layer_norm(two_rows, (4,), None, None, 1.0),
    "`bias` is missing": F.layer_norm(two_rows, (4,), w, None, 1.0),
    "`weight` is missing": F.layer_norm(two_rows, (4,), None, b, 1.0),
    "the bias is shifted after the scaling: weight does not multiply it": (F.layer_norm(two_rows, (4,), None, None, 1.0) + b) * w,
    "each vector has its own mean and variance: along the last axis": lambda: (
        (two_rows - two_rows.mean()) / (two_rows.var(correction=0) + 1).sqrt() * w + b),
}, hint="wrong values: mean and variance along the last axis")
check.that(not {"layer_norm", "native_layer_norm"} & set(check.beside(torch_functions_of, layer_norm, two_rows, w, b, 1.0)),
           "write it yourself: torch's layer_norm is what you are compared with")
slopes = check.beside(gradients_of, layer_norm, [two_rows, w, b], 1.0)
check.that(slopes is not None, "no gradient flows through: compute with torch's tensors as they are, without detach, item or numpy")
norm_by_torch = lambda z, scale, move: F.layer_norm(z, (4,), scale, move, 1.0)
check.close(slopes, gradients_of(norm_by_torch, [two_rows, w, b]), rtol=1e-4, atol=1e-5,
            hint="the values are right, but the gradients that flow through to x, weight and bias are not")
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(0)
for shape, eps in (((2, 3, 8), 1e-5), ((5,), 0.1), ((1, 1, 6), 1e-12), ((4, 2), 3.0)):
    noise = 3 * torch.randn(shape, generator=generator) + 1
    scale, move = torch.randn(2, shape[-1], generator=generator)
    check.close(layer_norm(noise, scale, move, eps), F.layer_norm(noise, shape[-1:], scale, move, eps), atol=5e-5, rtol=5e-5,
                hint=f"wrong for x of shape {shape} and eps={eps:g}")
far = torch.randn(3, 64, generator=generator) + 3000
exact = F.layer_norm(far.double(), (64,), None, None, 1e-5).float()
check.close(layer_norm(far, torch.ones(64), torch.zeros(64), 1e-5), exact, atol=5e-3, rtol=5e-3,
            hint="wrong far from 0: take the variance of the differences to the mean")
check.close(layer_norm(torch.full((2, 8), 4.0), torch.ones(8), torch.zeros(8), 1e-5), torch.zeros(2, 8),
            hint="a vector of equal numbers becomes zeros, not NaN: eps is under the root")
### END HIDDEN TESTS

# %% [markdown]
# ### The block
#
# $$ X \leftarrow X + \mathrm{Attention}(\mathrm{LN}_1(X)), \qquad X \leftarrow X + \mathrm{MLP}(\mathrm{LN}_2(X)) $$
#
# with $\mathrm{MLP}(X) = \mathrm{GELU}(X W_\text{fc} + b_\text{fc})\, W_\text{proj} + b_\text{proj}$, whose hidden layer
# is four times as wide.
#
# **Predict first.** Width D, biases aside. How many weights has a block in its attention (`c_attn`, `c_proj`) and how
# many in its MLP? For GPT-2 small, D = 768 and 12 blocks: how many in all blocks, and how many in the embedding table of
# 50,257 rows?
#
# <details><summary>Answer</summary>
#
# Attention 3D² + D² = 4D², MLP 4D² + 4D² = 8D², together 12D². With D = 768 and 12 blocks that is 84.9 million, and the
# table has 38.6 million. (With biases, norms and positions: 124.4 million in all, the head being tied.)
# </details>
#
# ### Exercise: `gpt2_block` (3 points, 25 minutes)
#
# Write `gpt2_block(x, weights, n_heads)`, for `x` (B, T, D), result (B, T, D). `weights` are those of one block under
# GPT-2's own names, with shapes (in, out) for matrices, so that a layer is `x @ w + b`:
#
# | name | shape | |
# |---|---|---|
# | `ln_1.weight`, `ln_1.bias` | (D,) | norm before attention |
# | `attn.c_attn.weight`, `.bias` | (D, 3D), (3D,) | queries, keys and values, in this order, D columns each |
# | `attn.c_proj.weight`, `.bias` | (D, D), (D,) | after the heads have been merged |
# | `ln_2.weight`, `ln_2.bias` | (D,) | norm before the MLP |
# | `mlp.c_fc.weight`, `.bias` | (D, F), (F,) | up; F is 4D in GPT-2, but the shape tells |
# | `mlp.c_proj.weight`, `.bias` | (F, D), (D,) | down |
#
# Each of `n_heads` heads has D / n_heads consecutive columns of the queries, of the keys and of the values. Attention is
# causal, scores are divided by the root of the head's width. Both norms have $\varepsilon = 10^{-5}$. There is no
# dropout.
#
# What you have written once, you may take from torch: `F.scaled_dot_product_attention(q, k, v, is_causal=True)` (unit 05),
# and also `F.layer_norm(x, (D,), w, b, 1e-5)` and `F.gelu(x, approximate="tanh")`. Your own give the same numbers, in seven
# to nine passes over the memory where torch's take one. Section 8 shows what that is worth in tokens per second.
#
# <details><summary>Hint 1</summary>Write the two lines of the formula first, with a function for each detour.</details>
# <details><summary>Hint 2</summary><code>q, k, v = (h @ w + b).chunk(3, dim=-1)</code>; each becomes (B, n_heads, T, D /
# n_heads) by reshaping and one transpose.</details>
# <details><summary>Hint 3</summary>On the way back <code>mixed.transpose(1, 2).reshape(B, T, D)</code>, then
# <code>c_proj</code>, and only then is it added to <code>x</code>, the one before the norm.</details>

# %% nbgrader={"grade": false, "grade_id": "gpt2_block", "locked": false, "schema_version": 3, "solution": true, "task": false}
def gpt2_block(x: Tensor, weights: dict[str, Tensor], n_heads: int) -> Tensor:
    """One block of GPT-2, (B, T, D) -> (B, T, D); Radford et al. 2019, §2.3.

    weights: of this block, named as GPT-2 names them; matrices are (in, out). Causal; the norms have eps = 1e-5.
    """
    ### BEGIN SOLUTION
    def linear(name, h):  # h @ w + b in one go
        return F.linear(h, weights[f"{name}.weight"].T, weights[f"{name}.bias"])

    def norm(name, h):  # as layer_norm and gelu_tanh above, in one kernel each
        return F.layer_norm(h, (D,), weights[f"{name}.weight"], weights[f"{name}.bias"], 1e-5)

    B, T, D = x.shape
    q, k, v = (part.reshape(B, T, n_heads, -1).transpose(1, 2)
               for part in linear("attn.c_attn", norm("ln_1", x)).chunk(3, dim=-1))
    mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    x = x + linear("attn.c_proj", mixed.transpose(1, 2).reshape(B, T, D))
    return x + linear("mlp.c_proj", F.gelu(linear("mlp.c_fc", norm("ln_2", x)), approximate="tanh"))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_gpt2_block", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
toy = toy_gpt2(1)
block, named = toy.transformer.h[0], dict(toy.transformer.h[0].state_dict())
x = torch.randn(2, 5, 24, generator=torch.Generator().manual_seed(0))
using = lambda changed, start=x: functional_call(block, changed, (start,))
zero = lambda name: {f"{name}.weight": torch.zeros_like(named[f"{name}.weight"]), f"{name}.bias": torch.zeros_like(named[f"{name}.bias"])}
columns = lambda *parts: {f"attn.c_attn.{kind}": torch.cat([named[f"attn.c_attn.{kind}"].chunk(3, -1)[p] for p in parts], -1)
                          for kind in ("weight", "bias")}
only_attention, only_mlp = using(zero("mlp.c_proj")), lambda start: using(zero("attn.c_proj"), start)
each_head_in_turn = torch.arange(24).view(6, 4).T.flatten()  # column 4 i + h goes to head h
dealt_out = {f"attn.c_attn.{kind}": torch.cat([part[..., each_head_in_turn] for part in named[f"attn.c_attn.{kind}"].chunk(3, -1)], -1)
             for kind in ("weight", "bias")}
undo = {"attn.c_proj.weight": named["attn.c_proj.weight"][each_head_in_turn]}
kept = check.beside(lambda f, t, w: (f(t, w, 4), t, w)[1:], gpt2_block, x, named)
check.equal(kept, (x, named), hint="you changed an argument in place")
check.close(gpt2_block(x, named, 4), block(x), atol=1e-4, mistakes={
    "the future leaks: attention is causal": lambda: block(x, attention_mask=torch.zeros(1, 1, 5, 5)),
    "c_attn holds queries, keys, values in this order": lambda: using(columns(1, 0, 2)),
    "c_attn holds queries, keys, values in this order ": lambda: using(columns(2, 1, 0)),
    "c_proj is (in, out): x @ w, without a transpose": lambda: using({"attn.c_proj.weight": named["attn.c_proj.weight"].T}),
    "c_proj, which mixes the merged heads, is missing": lambda: using(
        {"attn.c_proj.weight": torch.eye(24), "attn.c_proj.bias": torch.zeros(24)}),
    "a bias is missing (c_attn)": lambda: using({"attn.c_attn.bias": torch.zeros(72)}),
    "a bias is missing (attn.c_proj)": lambda: using({"attn.c_proj.bias": torch.zeros(24)}),
    "the biases are missing": lambda: using({name: torch.zeros_like(t) for name, t in named.items()
                                             if name.endswith("bias") and "ln_" not in name}),
    "the block's input is not added to what attention gives (first residual)": lambda: only_mlp(only_attention - x),
    "the stream is not added to what the MLP gives (second residual)": lambda: block(x) - only_attention,
    "the norm is on the detour: what is added to is the stream before the norm": lambda: block(x) - x + block.ln_1(x),
    "the MLP must read the stream after attention was added": lambda: only_attention + only_mlp(x) - x,
    "the two norms are exchanged": lambda: using({f"ln_{i}.{kind}": named[f"ln_{3 - i}.{kind}"] for i in (1, 2)
                                                  for kind in ("weight", "bias")}),
    "the first norm is used twice": lambda: using({f"ln_2.{kind}": named[f"ln_1.{kind}"] for kind in ("weight", "bias")}),
    "the norm before attention is missing": lambda: replaced(block, "ln_1", nn.Identity())(x),
    "the norm before the MLP is missing": lambda: replaced(block, "ln_2", nn.Identity())(x),
    "the norms are missing": lambda: replaced(replaced(block, "ln_1", nn.Identity()), "ln_2", nn.Identity())(x),
    "the norm comes before a detour, not after it (that was GPT-1)": lambda: block.ln_2(
        (lambda y: y + block.mlp(y))(block.ln_1(x + block.attn(x)[0]))),
    "GPT-2's GELU is the tanh approximation": lambda: replaced(block, "mlp.act", nn.GELU())(x),
    "the activation between c_fc and c_proj is missing": lambda: replaced(block, "mlp.act", nn.Identity())(x),
    "a head has consecutive columns, they are not dealt out in turn": lambda: using({**dealt_out, **undo}),
    "the scores are not divided by the root of the head's width": lambda: using(
        {f"attn.c_attn.{kind}": torch.cat([named[f"attn.c_attn.{kind}"].chunk(3, -1)[0] * 6**0.5,
                                           *named[f"attn.c_attn.{kind}"].chunk(3, -1)[1:]], -1) for kind in ("weight", "bias")}),
    "attention has `n_heads` heads, not one": lambda: functional_call(
        toy_gpt2(1, n_head=1).transformer.h[0], named, (x,)),
}, hint="wrong values: norm, attention, add; norm, MLP, add; or is your layer_norm or gelu_tanh not right yet?")
### BEGIN HIDDEN TESTS
for seed, heads, width, tokens, inner in ((2, 1, 12, 7, None), (3, 8, 16, 1, None), (4, 3, 12, 9, 20), (5, 2, 20, 3, 20)):
    toy = toy_gpt2(seed, n_head=heads, n_embd=width, n_inner=inner)
    x = torch.randn(1 + seed % 2, tokens, width, generator=torch.Generator().manual_seed(seed))
    block = toy.transformer.h[1]
    check.close(gpt2_block(x, dict(block.state_dict()), heads), block(x), atol=1e-4,
                hint=f"wrong with {heads} heads, width {width}, {tokens} tokens, {inner or 4 * width} hidden numbers")
small = 0.002 * torch.randn(1, 4, 12, generator=torch.Generator().manual_seed(6))
block = toy_gpt2(7, n_embd=12).transformer.h[0]
check.close(gpt2_block(small, dict(block.state_dict()), 4), block(small), atol=1e-4,
            hint="wrong where x is small: both norms have eps = 0.00001")
### END HIDDEN TESTS

# %% [markdown]
# ### The model
#
# Token vectors plus position vectors, the blocks, a last norm (`ln_f`), and the head, which is the embedding table itself
# (*tied*, unit 04):
#
# $$ X_0 = W_e[\mathrm{ids}] + W_p[0 \dots T-1], \qquad \mathrm{logits} = \mathrm{LN}_f(X_L)\, W_e^\top $$
#
# **Predict first.** You make a GPT-2 from a configuration: random weights, nothing learned. What is its cross-entropy on
# English, roughly, with 50,257 tokens? And what if its logits were all exactly 0?
#
# <details><summary>Answer</summary>
#
# With logits of 0 each token has the probability 1/50,257, so the cross-entropy is ln 50,257 = 10.82. The random weights
# are small (standard deviation 0.02), the logits are close to 0, and the loss is within a few per cent of that. A first
# loss far above it is the cheapest alarm there is: something is wrong before training has begun.
# </details>
#
# ### Exercise: `gpt2_logits` (3 points, 15 minutes)
#
# Write `gpt2_logits(input_ids, weights, config)`: for ids (B, T), the logits (B, T, V). `weights` has the names of
# `GPT2LMHeadModel.state_dict()`: `transformer.wte.weight` (V, D), `transformer.wpe.weight` (n_positions, D),
# `transformer.h.0.ln_1.weight` and so on for each block, `transformer.ln_f.weight` and `.bias`, and `lm_head.weight`,
# which is the same table as `wte`. `config` is a dictionary with `n_layer` and `n_head` (and more that you do not need,
# see `plain_config` at the top). All norms have $\varepsilon = 10^{-5}$; T is at most `n_positions`. The tests change
# each kind of weight in turn and want to see the effect.
#
# <details><summary>Hint 1</summary>Two lookups and a sum; position vectors are the first T rows of their table.</details>
# <details><summary>Hint 2</summary>For block i, pick the names that start with <code>f"transformer.h.{i}."</code>,
# without this start. Mind the last dot: block 1 is not block 10.</details>
# <details><summary>Hint 3</summary>A loop of <code>x = gpt2_block(x, its_weights, config["n_head"])</code>, then
# <code>layer_norm</code> with <code>ln_f</code>, then <code>@ wte.T</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "gpt2_logits", "locked": false, "schema_version": 3, "solution": true, "task": false}
def gpt2_logits(input_ids: Tensor, weights: dict[str, Tensor], config: dict[str, int]) -> Tensor:
    """Logits (B, T, V) of a GPT-2 for ids (B, T).

    weights: named as in `GPT2LMHeadModel.state_dict()`; the head is the embedding table. config: as of `plain_config`.
    """
    ### BEGIN SOLUTION
    table = weights["transformer.wte.weight"]
    x = F.embedding(input_ids, table) + weights["transformer.wpe.weight"][:input_ids.shape[1]]  # table[input_ids], faster
    for layer in range(config["n_layer"]):
        start = f"transformer.h.{layer}."
        own = {name.removeprefix(start): w for name, w in weights.items() if name.startswith(start)}
        x = gpt2_block(x, own, config["n_head"])
    x = F.layer_norm(x, x.shape[-1:], weights["transformer.ln_f.weight"], weights["transformer.ln_f.bias"], 1e-5)
    return F.linear(x, table)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_gpt2_logits", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
toy = toy_gpt2(11)
named, settings = dict(toy.state_dict()), plain_config(toy.config)
ids = torch.tensor([[3, 1, 4, 1, 5, 9, 2], [2, 6, 5, 3, 5, 8, 1]])
without = lambda name: {name: torch.zeros_like(named[name])}
shorter = copy.deepcopy(toy)
shorter.transformer.h = shorter.transformer.h[:1]
kept = check.beside(lambda f, i, w, c: (f(i, w, c), i, w)[1:], gpt2_logits, ids, named, settings)
check.equal(kept, (ids, named), hint="you changed an argument in place")
check.close(gpt2_logits(ids, named, settings), toy(ids).logits, atol=1e-3, mistakes={
    "position vectors are missing: add the first T rows of wpe": lambda: functional_call(toy, without("transformer.wpe.weight"), (ids,)).logits,
    "every token has the vector of position 0": lambda: toy(ids, position_ids=torch.zeros(1, 7, dtype=torch.int64)).logits,
    "positions start at 0": lambda: toy(ids, position_ids=torch.arange(1, 8)[None]).logits,
    "the last norm, ln_f, is missing": lambda: replaced(toy, "transformer.ln_f", nn.Identity())(ids).logits,
    "every block uses the weights of block 0": lambda: functional_call(
        toy, {name: named[name.replace(".h.1.", ".h.0.")] for name in named if ".h.1." in name}, (ids,)).logits,
    "only the first block was run": lambda: shorter(ids).logits,
    "these are probabilities: logits are wanted": lambda: toy(ids).logits.softmax(-1),
    "these are log-probabilities: logits are wanted": lambda: toy(ids).logits.log_softmax(-1),
    "logits at every position are wanted, not at the last one alone": lambda: toy(ids).logits[:, -1],
}, hint="wrong logits: embeddings and positions, blocks in order, ln_f, the tied head; or is your gpt2_block, layer_norm or "
        "gelu_tanh not right yet?")
for name, weight in named.items():
    if name != "lm_head.weight":
        changed = {name: weight + 0.5 * weight.flip(0)}
        if "wte" in name:
            changed["lm_head.weight"] = changed[name]  # one table under two names
        check.close(gpt2_logits(ids, {**named, **changed}, settings), functional_call(toy, changed, (ids,)).logits, atol=1e-3,
                    rtol=1e-3, hint=f"after a change of {name} your logits are not the model's: is it used, where it belongs?")
### BEGIN HIDDEN TESTS
for tokens, seed, changes in ((1, 12, {"n_layer": 3, "n_head": 2}), (16, 13, {"n_layer": 12, "n_head": 1}),
                              (4, 14, {"n_layer": 1, "n_embd": 16, "vocab_size": 40})):
    toy = toy_gpt2(seed, **changes)
    ids = torch.randint(23, (1, tokens), generator=torch.Generator().manual_seed(seed))
    check.close(gpt2_logits(ids, dict(toy.state_dict()), plain_config(toy.config)), toy(ids).logits, atol=2e-3, rtol=1e-3,
                hint=f"wrong for one text of {tokens} tokens and another configuration: {changes}")
### END HIDDEN TESTS

# %% [markdown]
# A GPT-2 from a configuration, at full size with random weights, and two things to look at: its first loss, and a slip
# that raises no error. The table of positions has `n_positions` rows. Older configurations also had an `n_ctx`, and many
# scripts still set that alone:

# %% tags=["demo"]
fresh = GPT2LMHeadModel(GPT2Config(n_layer=2)).eval()  # two layers of twelve, to save your time; width and tables at full size
sample = torch.tensor([encode_quietly(valid_texts[0])[:64]])
with torch.no_grad():
    first_logits = gpt2_logits(sample, dict(fresh.state_dict()), plain_config(fresh.config))
    check.close(first_logits, fresh(sample).logits, atol=1e-3)
    first_loss = F.cross_entropy(first_logits[0, :-1], sample[0, 1:])
print(f"your logits are the model's. Its loss before training: {first_loss:.2f}; ln 50,257 = {math.log(50257):.2f}\n")
for setting in ({"n_ctx": 128}, {"n_positions": 128}):
    shape = tuple(GPT2LMHeadModel(GPT2Config(**setting, n_embd=16, n_layer=1, n_head=1)).transformer.wpe.weight.shape)
    print(f"GPT2Config({', '.join(f'{k}={v}' for k, v in setting.items())}): wpe has {shape[0]:,} rows")

# %% [markdown]
# With `n_ctx=128` the model silently keeps 1,024 positions, of which 896 are never trained. It works, until somebody
# gives it a longer text.

# %% [markdown]
# ## 6. The optimiser
#
# In unit 01 a step was $\theta \leftarrow \theta - \eta\, g$. Language models are not trained so. One number $\eta$ for
# all weights does not fit when some gradients are a thousand times as large as others (a rare token's embedding is
# touched once in a while, a norm's weight at every step). **Adam** (Kingma and Ba 2015, algorithm 1) keeps two running
# means for each weight, of the gradient and of its square, and divides one by the root of the other:
#
# $$ m_t = \beta_1 m_{t-1} + (1 - \beta_1)\, g_t, \qquad v_t = \beta_2 v_{t-1} + (1 - \beta_2)\, g_t^2 $$
# $$ \hat m_t = \frac{m_t}{1 - \beta_1^t}, \qquad \hat v_t = \frac{v_t}{1 - \beta_2^t} \qquad (t = 1, 2, \dots) $$
#
# Both start from 0 and would be too small at first; dividing by $1 - \beta^t$ repairs that (*bias correction*). **AdamW**
# (Loshchilov and Hutter 2019, algorithm 2) adds *decoupled weight decay*: each step also shrinks the weights a little,
# directly, and not by way of the gradient, where the division would undo it:
#
# $$ \theta_t = \theta_{t-1} - \eta\, \lambda\, \theta_{t-1} - \eta\, \frac{\hat m_t}{\sqrt{\hat v_t} + \varepsilon} $$
#
# **Predict first.** The very first step, no decay: a weight with gradient 0.001 and one with gradient 1,000. How far does
# each move?
#
# <details><summary>Answer</summary>
#
# Both by η, in the direction against their gradient: m̂ / √v̂ = g / |g| = ±1. Adam looks at how *consistent* a gradient
# is, not at how large. That is one reason for a warm-up: on the first steps every weight moves at full speed, on the
# word of a single batch.
# </details>

# %% tags=["demo"]
def show_paths(log_sgd: float, log_adam: float) -> None:
    """A valley that is 500 times as steep in one direction as in the other, and two ways down."""
    curvature = torch.tensor([1.0, 500.0])
    fig, ax = plots.figure(size=(7.6, 3.4))
    across, along = torch.meshgrid(torch.linspace(-1.5, 1.5, 121), torch.linspace(-3.2, 0.6, 121), indexing="ij")
    ax.contour(along.numpy(), across.numpy(), (along**2 + 500 * across**2).sqrt().numpy(), levels=12, colors=plots.FAINT)
    for kind, log_rate, colour in ((torch.optim.SGD, log_sgd, plots.ORANGE), (torch.optim.Adam, log_adam, plots.BLUE)):
        place = nn.Parameter(torch.tensor([-3.0, 1.0]))
        optimiser, path = kind([place], lr=10.0**log_rate), [place.detach().clone()]
        for _ in range(60):
            optimiser.zero_grad()
            (0.5 * curvature * place**2).sum().backward()
            optimiser.step()
            path.append(place.detach().clone().clamp(-50, 50))
        path = torch.stack(path)
        ax.plot(path[:, 0].numpy(), path[:, 1].numpy(), ".-", ms=4, lw=1.2, color=colour,
                label=f"{kind.__name__}, rate {10**log_rate:.2g}: ends {path[-1].norm():.2g} from the bottom")
    ax.plot(0, 0, "x", color=plots.INK)
    ax.set(xlim=(-3.2, 0.6), ylim=(-1.5, 1.5), xlabel="the flat direction", ylabel="the steep direction")
    ax.legend(loc="lower right", fontsize=9)
    plots.caption(fig, "Sixty steps from (−3, 1) to the bottom at (0, 0), ×. Above a rate of 0.004 the steep direction throws plain gradient "
                  "descent (SGD) out of the valley; below it, the flat direction is crossed at a crawl.",
                  "Contour lines of a long valley. Plain gradient descent jumps from side to side and has hardly moved along the "
                  "valley after sixty steps; Adam goes at the same speed in both directions and is near the bottom.")


play(show_paths, log_sgd=slider(-2.42, -4, -1, 0.02, "log10 SGD"), log_adam=slider(-1.0, -3, -0.3, 0.05, "log10 Adam"))

# %% [markdown]
# ### Exercise: `adamw_step` (4 points, 30 minutes)
#
# Write `adamw_step(param, grad, state, lr, betas, eps, weight_decay)`: one step of AdamW for one tensor, which returns a
# pair `(param, state)`.
#
# - `param` and `grad`: float32 tensors of one shape, any shape. The new `param` has that shape too.
# - `state`: `{}` before the first step of this tensor, later the dictionary that the step before returned. What you keep
#   in it is up to you (tensors and numbers); the tests only pass it back. It must hold everything: several tensors are
#   trained in turn.
# - `lr`, `eps`, `weight_decay` are floats, `betas` is the pair $(\beta_1, \beta_2)$. The learning rate may change from
#   step to step.
# - Nothing is changed in place: neither `param` nor `grad` nor what is in `state`.
#
# <details><summary>Hint 1</summary>What has to survive from one step to the next? Three things.</details>
# <details><summary>Hint 2</summary><code>state.get("step", 0)</code> is 0 for an empty dictionary; the first step has t =
# 1. A running mean that is not there yet is 0.</details>
# <details><summary>Hint 3</summary>The decay uses the old <code>param</code> and does not go through m and v:
# <code>param * (1 - lr * weight_decay) - lr * m_hat / (v_hat.sqrt() + eps)</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "adamw_step", "locked": false, "schema_version": 3, "solution": true, "task": false}
def adamw_step(param: Tensor, grad: Tensor, state: dict, lr: float, betas: tuple[float, float], eps: float,
               weight_decay: float) -> tuple[Tensor, dict]:
    """One step of AdamW for one tensor: (new param, new state); Loshchilov and Hutter 2019, algorithm 2.

    state: {} at first, then what the step before returned. Nothing is changed in place.
    """
    ### BEGIN SOLUTION
    beta1, beta2 = betas
    state = state or {"step": 0, "mean": torch.zeros_like(param), "square": torch.zeros_like(param)}
    step = state["step"] + 1
    mean = torch.lerp(state["mean"], grad, 1 - beta1)  # beta1 * mean + (1 - beta1) * grad
    square = (beta2 * state["square"]).addcmul_(grad, grad, value=1 - beta2)
    short = math.sqrt(1 - beta2**step)  # sqrt(square) / short + eps is (sqrt(square) + eps * short) / short
    size = square.sqrt().add_(eps * short)
    moved = ((1 - lr * weight_decay) * param).addcdiv_(mean, size, value=-lr * short / (1 - beta1**step))
    return moved, {"step": step, "mean": mean, "square": square}
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_adamw_step", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
def walk(step, start, gradients, rates, betas, eps, decay):
    """Where `start` is after each gradient, by the answer."""
    here, state, places = start, {}, []
    for gradient, rate in zip(gradients, rates, strict=True):
        here, state = step(here, gradient, state, rate, betas, eps, decay)
        places.append(here)
    return places


def slip(kind, p=2.0, rate=0.1, b1=0.8, b2=0.95, eps=0.5, decay=0.3):
    """Plain numbers: 2.0 after the gradients 3 and -1, with one slip in the algorithm."""
    m = v = 0.0
    for t, g in ((1, 3.0), (2, -1.0)):
        g = g + decay * p if kind == "L2" else g
        m = b1 * m + (g if kind == "sum" else (1 - b1) * g)
        v = b2 * v + (1 - b2) * (abs(g) if kind == "abs" else g**2)
        n = 0 if kind == "no correction" else t - 1 if kind == "late" and t > 1 else t
        c1, c2 = (1 - b1**n, 1 - b2**n) if n else (1.0, 1.0)
        c1, c2 = (c1, 1.0) if kind == "half" else (c2, c1) if kind == "crossed" else (c1, c2)
        size = (v / c2 + eps) ** 0.5 if kind == "eps inside" else v / c2 + eps if kind == "no root" else (v / c2) ** 0.5 + eps
        shrink = 0.0 if kind in ("L2", "no decay") else decay * p if kind == "decay without lr" else rate * decay * p
        p = p + rate * m / c1 / size - shrink if kind == "up" else p - rate * m / c1 / size - shrink
        if kind == "forgets":
            m = v = 0.0
    return torch.tensor([p])


def twice_from_one_state(step, tensor, gradients, betas):
    """The third step made twice, from the same param, gradient and state; and these afterwards."""
    here, state = tensor, {}
    for gradient in gradients[:2]:
        here, state = step(here, gradient, state, 0.1, betas, 1e-8, 0.1)
    here = here.clone()
    before = here.clone()
    first = step(here.clone(), gradients[2].clone(), state, 0.1, betas, 1e-8, 0.1)[0].clone()
    second = step(here, gradients[2], state, 0.1, betas, 1e-8, 0.1)[0]
    return first, second, before, here, gradients[2]


def first_state_after(step, tensor, gradient, betas):
    """How many entries the {} of the first step has afterwards."""
    state = {}
    step(tensor, gradient, state, 0.1, betas, 1e-8, 0.1)
    return len(state)


draws = torch.Generator().manual_seed(1)
start, gradients = torch.randn(4, generator=draws), torch.randn(3, 4, generator=draws)
first, second, before, after, gradient = check.beside(twice_from_one_state, adamw_step, start, list(gradients), (0.9, 0.99))
check.equal([after, gradient], [before, gradients[2]], hint="`param` or `grad` was changed in place")
check.equal(second, first, hint="the same step from the same state came out otherwise: something in `state` was changed in place")
check.equal(check.beside(first_state_after, adamw_step, start, gradients[0], (0.9, 0.99)), 0,
            hint="something in `state` was changed in place: the {} of the first step stays empty, what you keep is in a new dictionary")
exact = nn.Parameter(torch.tensor([2.0]))
by_torch = torch.optim.AdamW([exact], lr=0.1, betas=(0.8, 0.95), eps=0.5, weight_decay=0.3)
for gradient in (3.0, -1.0):
    exact.grad = torch.tensor([gradient])
    by_torch.step()
two_steps = check.beside(walk, adamw_step, torch.tensor([2.0]), [torch.tensor([3.0]), torch.tensor([-1.0])], [0.1, 0.1],
                         (0.8, 0.95), 0.5, 0.3)
check.close(two_steps[1], exact.detach(), mistakes={
    "the decay goes through the gradient (that is L2, Adam without W): decouple it": lambda: slip("L2"),
    "the weight decay is missing": lambda: slip("no decay"),
    "the weight decay is multiplied by lr as well": lambda: slip("decay without lr"),
    "the bias correction is missing: divide by 1 - beta**t": lambda: slip("no correction"),
    "both means need their bias correction": lambda: slip("half"),
    "the two bias corrections are exchanged": lambda: slip("crossed"),
    "t counts from 1 and goes up at every step": lambda: slip("late"),
    "eps is added after the root, not under it": lambda: slip("eps inside"),
    "divide by the root of the mean square": lambda: slip("no root"),
    "the new gradient is weighted with 1 - beta": lambda: slip("sum"),
    "the second mean is of the squares": lambda: slip("abs"),
    "the step goes against the gradient: minus": lambda: slip("up"),
    "the running means were forgotten after the first step: keep them in `state`": lambda: slip("forgets"),
}, hint="wrong after two steps: compare with the formulas, line by line")
### BEGIN HIDDEN TESTS
def in_turn(step, one, two, gradients, rates, betas, eps, decay):
    """Two tensors trained alternately, each with its own state."""
    tensors, states = [one, two], [{}, {}]
    for pair, rate in zip(gradients, rates, strict=True):
        for k in (0, 1):
            tensors[k], states[k] = step(tensors[k], pair[k], states[k], rate, betas, eps, decay)
    return tensors


generator = torch.Generator().manual_seed(0)
for shape, betas, eps, decay, scale in (((3, 4), (0.9, 0.999), 1e-8, 0.1, 1.0), ((5,), (0.9, 0.95), 1e-3, 0.0, 0.01),
                                        ((), (0.0, 0.5), 1e-8, 1.0, 100.0), ((2, 1, 3), (0.5, 0.9), 0.1, 0.01, 1.0)):
    starts = torch.randn(2, *shape, generator=generator)
    gradients = scale * torch.randn(6, 2, *shape, generator=generator)
    rates = [0.1, 0.05, 0.2, 0.0, 0.1, 0.01]
    weights = [nn.Parameter(start.clone()) for start in starts]
    by_torch = torch.optim.AdamW(weights, lr=0.1, betas=betas, eps=eps, weight_decay=decay)
    wanted_places = []
    for rate, pair in zip(rates, gradients, strict=True):
        by_torch.param_groups[0]["lr"] = rate
        for weight, gradient in zip(weights, pair, strict=True):
            weight.grad = gradient.clone()
        by_torch.step()
        wanted_places.append(weights[0].detach().clone())
    check.close(check.beside(walk, adamw_step, starts[0], list(gradients[:, 0]), rates, betas, eps, decay), wanted_places,
                rtol=1e-4, atol=1e-5, hint="not torch's AdamW over six steps, each with a new lr, for tensors of several numbers or one "
                                           "and with other betas, eps and weight_decay")
    check.close(check.beside(in_turn, adamw_step, *starts, [list(pair) for pair in gradients], rates, betas, eps, decay),
                [weight.detach() for weight in weights], rtol=1e-4, atol=1e-5,
                hint="two tensors trained in turn get mixed up: keep all memory in `state`")
### END HIDDEN TESTS

# %% [markdown]
# ### Not always at the same speed
#
# The learning rate starts at 0 and climbs in a straight line during **warm-up**, while the running means fill; then it
# falls along half a cosine (Loshchilov and Hutter 2017, eq. 5) to a small value that it keeps. GPT-3 was trained so, with
# a floor of a tenth of the maximum (Brown et al. 2020, appendix B):
#
# $$ \eta(s) = \begin{cases} \eta_\text{max}\; s / s_\text{warmup} & s < s_\text{warmup} \\[2pt]
#    \eta_\text{min} + \tfrac12 (\eta_\text{max} - \eta_\text{min}) \left(1 + \cos \pi\, \dfrac{s - s_\text{warmup}}{s_\text{total} - s_\text{warmup}}\right) &
#    s_\text{warmup} \le s < s_\text{total} \\[2pt] \eta_\text{min} & s \ge s_\text{total} \end{cases} $$
#
# **Predict first.** Half-way between the end of warm-up and the end of training, how far has the rate come down? And what
# would the cosine do beyond $s_\text{total}$, if nobody stopped it?
#
# <details><summary>Answer</summary>
#
# Exactly half of the way, since cos(π/2) = 0. Beyond the end it climbs again, up to the maximum: whoever resumes a
# run without the third line finds out.
# </details>
#
# ### Exercise: `lr_schedule` (2 points, 10 minutes)
#
# Write `lr_schedule(step, max_lr, min_lr, warmup, total)`, the three lines above, as a float. So it is 0 at step 0 (if
# there is a warm-up at all), exactly `max_lr` at step `warmup`, and `min_lr` from step `total` on. `warmup` may be 0 (no
# division by it, then); `warmup` < `total`.
#
# <details><summary>Hint 1</summary>Three cases, three returns. Which first, so that nothing is divided by 0?</details>
# <details><summary>Hint 2</summary>The progress through the cosine is 0 at the end of the warm-up, not at step
# 0.</details>
# <details><summary>Hint 3</summary><code>progress = (step - warmup) / (total - warmup)</code>, and
# <code>min_lr + 0.5 * (max_lr - min_lr) * (1 + math.cos(math.pi * progress))</code></details>

# %% nbgrader={"grade": false, "grade_id": "lr_schedule", "locked": false, "schema_version": 3, "solution": true, "task": false}
def lr_schedule(step: int, max_lr: float, min_lr: float, warmup: int, total: int) -> float:
    """Learning rate at a step: linear from 0 to max_lr at step `warmup`, half a cosine to min_lr at step `total`, min_lr after."""
    ### BEGIN SOLUTION
    if step < warmup:
        return max_lr * step / warmup
    progress = min((step - warmup) / (total - warmup), 1.0)
    return min_lr + 0.5 * (max_lr - min_lr) * (1 + math.cos(math.pi * progress))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_lr_schedule", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Maximum 1, floor 0.2, warm-up of 4, 12 steps in all; half of the way down is 0.6, at step 8.
got = [plain_number(lr_schedule(s, 1.0, 0.2, 4, 12)) for s in (0, 1, 4, 8, 10, 12, 16)]
quarter = 0.2 + 0.4 * (1 - 0.5**0.5)
check.close(got, [0.0, 0.25, 1.0, 0.6, quarter, 0.2, 0.2], mistakes={
    "after `total` the cosine climbs again: stay at min_lr": [0.0, 0.25, 1.0, 0.6, quarter, 0.2, 0.6],
    "the cosine begins at the end of the warm-up, not at step 0":
        [0.0, 0.25, *[0.2 + 0.4 * (1 + math.cos(math.pi * s / 12)) for s in (4, 8, 10)], 0.2, 0.2],
    "the cosine ends at `total`: it takes total - warmup steps":
        [0.0, 0.25, *[0.2 + 0.4 * (1 + math.cos(math.pi * (s - 4) / 12)) for s in (4, 8, 10)], 0.2, 0.2],
    "after the warm-up the rate falls along a cosine, not in a line": [0.0, 0.25, 1.0, 0.6, 0.4, 0.2, 0.2],
    "the floor is min_lr, not 0": [0.0, 0.25, 1.0, 0.5, 0.5 * (1 - 0.5**0.5), 0.0, 0.0],
    "the warm-up starts from 0, not from min_lr": [0.2, 0.4, 1.0, 0.6, quarter, 0.2, 0.2],
    "step 0 has the rate 0: step / warmup, not (step + 1) / warmup": [0.25, 0.5, 1.0, 0.6, quarter, 0.2, 0.2],
    "the warm-up is missing": [0.2 + 0.4 * (1 + math.cos(math.pi * s / 12)) for s in (0, 1, 4, 8, 10, 12)] + [0.2],
    "half a cosine, not a whole one: pi times the progress":
        [0.0, 0.25, 1.0, 0.2, *[0.2 + 0.4 * (1 + math.cos(2 * math.pi * s / 8)) for s in (6, 8)], 0.2],
}, hint="wrong rates at the steps 0, 1, 4, 8, 10, 12, 16 with max_lr=1, min_lr=0.2, warmup=4, total=12")
### BEGIN HIDDEN TESTS
for top, floor, rise, end in ((3e-3, 3e-4, 20, 250), (1.0, 0.0, 1, 2), (0.5, 0.5, 3, 9), (2.0, 0.1, 0, 10)):
    steps = sorted({0, 1, rise - 1, rise, rise + 1, (rise + end) // 2, end - 1, end, end + 1, 3 * end} - {-1})
    reference = [top * s / rise if s < rise else floor if s >= end else
                 floor + (top - floor) * math.cos(math.pi / 2 * (s - rise) / (end - rise)) ** 2 for s in steps]
    check.close([plain_number(lr_schedule(s, top, floor, rise, end)) for s in steps], reference, rtol=1e-5, atol=1e-9,
                hint=f"wrong for max_lr={top:g}, min_lr={floor:g}, warmup={rise}, total={end}")
### END HIDDEN TESTS

# %% tags=["demo"]
def show_schedule(warmup: float, floor: float) -> None:
    rates = [lr_schedule(s, 3e-3, floor * 3e-3, int(warmup), 250) for s in range(300)]
    fig, ax = plots.figure(size=(7.2, 2.6))
    ax.plot(rates, color=plots.BLUE)
    ax.axvline(250, color=plots.GREY, ls="--", lw=1.2)
    ax.set(xlabel="step", ylabel="learning rate", ylim=(0, None))
    plots.caption(fig, f"Warm-up of {int(warmup)} steps, 250 in all, floor at {floor:.0%} of the maximum.",
                  "The rate climbs in a line to its maximum, falls along half a cosine, and stays level after the dashed line at "
                  "step 250.")


play(show_schedule, warmup=slider(20, 0, 100, 1, "warm-up"), floor=slider(0.1, 0, 1, 0.05, "floor"))

# %% [markdown]
# ### A seat belt
#
# Now and then a batch is odd, and its gradient is fifty times as long as usual. **Clipping** (Pascanu et al. 2013,
# algorithm 1) bounds the length of the *whole* gradient, all tensors taken together as one long vector, and keeps its
# direction:
#
# $$ g \leftarrow g \cdot \min\!\left(1, \frac{c}{\lVert g \rVert}\right), \qquad \lVert g \rVert = \sqrt{\textstyle\sum_\text{tensors} \sum g_i^2} $$
#
# **Predict first.** Two tensors, with gradients of length 3 and 4, and c = 1. How long are they after clipping? And if
# each were clipped on its own?
#
# <details><summary>Answer</summary>
#
# The whole is 5 long, so everything shrinks by 5: lengths 0.6 and 0.8. On their own both would be 1 long, and the whole
# gradient would point elsewhere.
# </details>
#
# ### Exercise: `clip_gradients` (2 points, 10 minutes)
#
# Write `clip_gradients(grads, max_norm)`: `grads` is a list of float tensors of any shapes. Return a list of tensors, in
# the same order: if the length of all of them together is above `max_norm`, all scaled by one factor so that it is
# `max_norm`; otherwise as they are, to the last digit. Gradients that are all 0 stay 0. Nothing is changed in place.
#
# <details><summary>Hint 1</summary>One sum of squares over everything, one root.</details>
# <details><summary>Hint 2</summary>A factor above 1 would make a small gradient larger: do nothing, then.</details>
# <details><summary>Hint 3</summary><code>norm = torch.stack([g.square().sum() for g in grads]).sum().sqrt()</code>, and
# <code>[g * (max_norm / norm) for g in grads]</code> if it is above.</details>

# %% nbgrader={"grade": false, "grade_id": "clip_gradients", "locked": false, "schema_version": 3, "solution": true, "task": false}
def clip_gradients(grads: list[Tensor], max_norm: float) -> list[Tensor]:
    """Gradients scaled by one factor so that their joint norm is at most max_norm; untouched below; Pascanu et al. 2013."""
    ### BEGIN SOLUTION
    norm = torch.stack([grad.norm() for grad in grads]).norm()
    if norm <= max_norm:
        return list(grads)
    return [grad * (max_norm / norm) for grad in grads]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_clip_gradients", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
long_ones = [torch.tensor([[2.0, 2.0], [1.0, 0.0]]), torch.tensor([0.0, -4.0])]  # 3 and 4 long, 5 together
scaled = lambda *factors: [gradient * factor for gradient, factor in zip(long_ones, factors, strict=True)]
as_list = lambda answer: list(answer) if isinstance(answer, tuple) else answer
kept = check.beside(lambda f, g: (f(g, 1.0), g)[1], clip_gradients, long_ones)
check.equal(kept, long_ones, hint="you changed the gradients in place")
check.close(as_list(clip_gradients(long_ones, 1.0)), scaled(0.2, 0.2), mistakes={
    "each tensor was clipped on its own: the length is that of all of them together": scaled(1 / 3, 1 / 4),
    "single numbers were clipped: one factor for all keeps the direction": [g.clamp(-1, 1) for g in long_ones],
    "the length is the root of the sum of squares: the root is missing": scaled(1 / 25, 1 / 25),
    "lengths add in squares: 3 and 4 make 5, not 7": scaled(1 / 7, 1 / 7),
    "divide by the length and multiply by max_norm": scaled(5.0, 5.0),
    "nothing was clipped": long_ones,
    "the length is not the largest number": scaled(1 / 4, 1 / 4),
}, hint="wrong with gradients of length 3 and 4 and max_norm=1")
check.equal(as_list(clip_gradients(long_ones, 6.0)), long_ones, mistakes={
    "gradients that are short enough stay as they are: only what is too long is scaled": scaled(1.2, 1.2),
}, hint="gradients below max_norm stay as they are, to the last digit")
### BEGIN HIDDEN TESTS
check.equal(as_list(clip_gradients(long_ones, 5.0)), long_ones, hint="exactly max_norm is not above it")
check.close(as_list(clip_gradients(long_ones, 2.5)), scaled(0.5, 0.5), hint="wrong with max_norm=2.5")
nothing = [torch.zeros(2, 3), torch.zeros(1)]
check.equal(as_list(clip_gradients(nothing, 1.0)), nothing, hint="gradients of zeros stay zeros, not NaN")
generator = torch.Generator().manual_seed(0)
for shapes, limit in ((((4, 5), (7,), (2, 1, 3), ()), 0.7), (((3,),), 1e-3), (((30, 30), (30,)), 12.0), (((2, 2), (2,)), 50.0)):
    gradients = [torch.randn(shape, generator=generator) for shape in shapes]
    weights = [nn.Parameter(torch.zeros(shape)) for shape in shapes]
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.grad = gradient.clone()
    torch.nn.utils.clip_grad_norm_(weights, limit)
    check.close(as_list(clip_gradients(gradients, limit)), [weight.grad for weight in weights], rtol=1e-4,
                hint=f"wrong for {len(shapes)} tensors and max_norm={limit:g}")
for limit in range(3, 13):
    gradients = [torch.randn(shape, generator=generator) for shape in ((3, 4), (5,), ())]
    length = torch.cat([gradient.flatten() for gradient in gradients]).norm().item()
    gradients = [gradient * (0.1 * limit / length) for gradient in gradients]  # a tenth of what is allowed
    check.equal(as_list(clip_gradients(gradients, float(limit))), gradients,
                hint="gradients below max_norm stay as they are, to the last digit: do not divide and multiply again")
### END HIDDEN TESTS

# %% [markdown]
# ## 7. One step of training
#
# A batch that is good for learning is often too large for the memory. **Gradient accumulation** cuts it into
# *micro-batches*, takes the gradient of each in turn, and adds them up before the one step. The result should be exactly
# that of the large batch, that is, the gradient of the **mean over all its tokens**. Micro-batch $k$ has $n_k$ tokens
# with a label, mean loss $\ell_k$ and gradient $\nabla \ell_k$:
#
# $$ \ell = \frac{\sum_k n_k \ell_k}{\sum_k n_k}, \qquad \nabla \ell = \frac{\sum_k n_k \nabla \ell_k}{\sum_k n_k} $$
#
# **Predict first.** Two micro-batches: one has 1 token with loss 4, the other 9 tokens with mean loss 2. The loss of the
# batch is …? And the mean of the two means?
#
# <details><summary>Answer</summary>
#
# (4 + 18) / 10 = 2.2, against 3. With the mean of means, a token in a short text counts nine times as much as one in a
# long text.
# </details>
#
# ### Exercise: `accumulate` (3 points, 20 minutes)
#
# Write `accumulate(micro_batches, loss_and_count, grad)`, which returns a pair `(loss, grads)`, the two formulas above.
#
# - `micro_batches` is a list of anything; you only hand each to `loss_and_count`.
# - `loss_and_count(micro_batch)` gives a pair: the mean loss of its tokens (a tensor of one number that remembers how it
#   was computed), and how many tokens that were (an int).
# - `grad(loss)` gives the gradients of such a loss (or of a multiple of it), a list of tensors, one for each weight.
# - `loss` is the mean over all tokens, a float (or a tensor of one number); `grads` is a list of tensors, as `grad` gives
#   it.
#
# A micro-batch in which all labels are −100 has 0 tokens, and its mean loss is 0/0 = NaN. It must not count at all. At
# least one micro-batch has a token.
#
# <details><summary>Hint 1</summary>Keep three running sums: of tokens, of losses times tokens, of gradients times
# tokens.</details>
# <details><summary>Hint 2</summary>0 · NaN is NaN: skip a micro-batch with 0 tokens with <code>continue</code>.</details>
# <details><summary>Hint 3</summary>Divide once, at the end, by the number of all tokens.</details>

# %% nbgrader={"grade": false, "grade_id": "accumulate", "locked": false, "schema_version": 3, "solution": true, "task": false}
def accumulate(micro_batches: list, loss_and_count, grad) -> tuple[float, list[Tensor]]:
    """(mean loss over all tokens, its gradients) of several micro-batches; each token counts the same.

    loss_and_count(micro_batch) -> (mean loss, number of tokens). grad(loss) -> list of gradients.
    """
    ### BEGIN SOLUTION
    tokens, total, sums = 0, 0.0, None
    for micro_batch in micro_batches:
        loss, count = loss_and_count(micro_batch)
        if count == 0:
            continue
        parts = grad(count * loss)  # of the sum over this micro-batch's tokens
        sums = parts if sums is None else [a + b for a, b in zip(sums, parts, strict=True)]
        total += count * loss.item()
        tokens += count
    return total / tokens, [part / tokens for part in sums]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_accumulate", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
def accumulated(answer, micro_batches, matrix, bias):
    """What the answer makes of a linear classifier and micro-batches (inputs, labels): (loss, gradients)."""
    parameters = [matrix.clone().requires_grad_(), bias.clone().requires_grad_()]

    def loss_and_count(micro_batch):
        inputs, labels = micro_batch
        scores = inputs @ parameters[0] + parameters[1]
        return F.cross_entropy(scores, labels, ignore_index=-100), int((labels != -100).sum())

    def grad(loss):
        loss = loss if isinstance(loss, Tensor) else loss_and_count(loss)[0]  # a micro-batch is understood too
        return list(torch.autograd.grad(loss, parameters))

    return answer(micro_batches, loss_and_count, grad)


def as_pair(answer):
    """(loss, gradients) as a float and a list, where the answer is a pair of one number and several tensors."""
    if isinstance(answer, list | tuple) and len(answer) == 2 and isinstance(answer[1], list | tuple):
        return plain_number(answer[0]), list(answer[1])
    return answer


def whole_batch(micro_batches, matrix, bias, weight=None, **options):
    """(loss, gradients) by torch, of all tokens at once; weight: of each micro-batch's mean, in place of its tokens' share."""
    leaves = [matrix.clone().requires_grad_(), bias.clone().requires_grad_()]
    parts = [F.cross_entropy(inputs @ leaves[0] + leaves[1], labels, ignore_index=-100, reduction="sum")
             for inputs, labels in micro_batches]
    counts = [int((labels != -100).sum()) for _, labels in micro_batches]
    factors = [1 / sum(counts) if weight is None else weight(count, sum(counts)) for count in counts]
    loss = sum(part * factor for part, factor in zip(parts, factors, strict=True))
    return loss.item(), [gradient.detach() for gradient in torch.autograd.grad(loss, leaves)]


generator = torch.Generator().manual_seed(0)
matrix, bias = torch.randn(3, 4, generator=generator), torch.randn(4, generator=generator)
uneven = [(torch.randn(6, 3, generator=generator), torch.tensor(labels))
          for labels in ([1, -100, -100, -100, -100, -100], [0, 3, 2, 1, 1, 0], [2, 2, 3, -100, -100, -100])]
got = as_pair(check.beside(accumulated, accumulate, uneven, matrix, bias))
check.close(got, whole_batch(uneven, matrix, bias), mistakes={
    "that is the mean of the means: weight each micro-batch by its number of tokens":
        lambda: whole_batch(uneven, matrix, bias, lambda n, N: 1 / n / 3),
    "that is the sum of the means: weight each by its tokens, and divide by all tokens":
        lambda: whole_batch(uneven, matrix, bias, lambda n, N: 1 / n),
    "that is the sum over all tokens: divide by their number at the end": lambda: whole_batch(uneven, matrix, bias, lambda n, N: 1.0),
    "divide by the number of tokens, not of micro-batches": lambda: whole_batch(uneven, matrix, bias, lambda n, N: 1 / 3),
    "only the last micro-batch counts: add the gradients up": lambda: whole_batch(uneven[2:], matrix, bias),
    "only the first micro-batch counts: add the gradients up": lambda: whole_batch(uneven[:1], matrix, bias),
    "the loss is right, the gradients are a mean of means: weight them too": lambda: (
        whole_batch(uneven, matrix, bias)[0], whole_batch(uneven, matrix, bias, lambda n, N: 1 / n / 3)[1]),
    "the loss is right, the gradients are a sum over all tokens: divide them by their number too": lambda: (
        whole_batch(uneven, matrix, bias)[0], whole_batch(uneven, matrix, bias, lambda n, N: 1.0)[1]),
    "the loss is right, the gradients are not weighted: each counts as often as its micro-batch has tokens": lambda: (
        whole_batch(uneven, matrix, bias)[0], whole_batch(uneven, matrix, bias, lambda n, N: 1 / n / N)[1]),
    "the loss is right, the gradients are not weighted: this is the plain sum of the micro-batches' gradients": lambda: (
        whole_batch(uneven, matrix, bias)[0], whole_batch(uneven, matrix, bias, lambda n, N: 1 / n)[1]),
    "the gradients are right, the loss is a mean of means: weight it too": lambda: (
        whole_batch(uneven, matrix, bias, lambda n, N: 1 / n / 3)[0], whole_batch(uneven, matrix, bias)[1]),
    "positions with the label -100 count as tokens: take the count that you are given":
        lambda: tuple(whole_batch(uneven, matrix, bias, lambda n, N: 1 / n / 3)),
    "in the wrong order: (loss, grads)": lambda: whole_batch(uneven, matrix, bias)[::-1],
}, hint="wanted the pair (loss, grads) of the mean over all tokens")
### BEGIN HIDDEN TESTS
empty = (torch.randn(2, 3, generator=generator), torch.full((2,), -100))
for some_batches in ([uneven[0], empty, uneven[1]], [empty, uneven[2]], [uneven[1], uneven[2], empty]):
    check.close(as_pair(check.beside(accumulated, accumulate, some_batches, matrix, bias)), whole_batch(some_batches, matrix, bias),
                hint="a micro-batch without any token, whose loss is NaN, must not count")
for some_batches in (uneven[:1], uneven[:2], uneven * 3):
    check.close(as_pair(check.beside(accumulated, accumulate, some_batches, matrix, bias)), whole_batch(some_batches, matrix, bias),
                hint="wrong for one micro-batch, for two, or for many")


def accumulated_of_numbers(answer, micro_batches, vectors):
    """The tokens are numbers x, with the loss (x w - 1)², summed over all weights w; 3 stands for the micro-batch 1, 2, 3."""
    leaves = [vector.clone().requires_grad_() for vector in vectors]

    def loss_and_count(micro_batch):
        x = torch.arange(1.0, micro_batch + 1) if isinstance(micro_batch, int) else micro_batch["x"]
        return sum((x[:, None] * leaf - 1).square().sum(1) for leaf in leaves).mean(), len(x)

    return answer(micro_batches, loss_and_count, lambda loss: list(torch.autograd.grad(loss, leaves)))


for some_numbers, as_given in (([[1.0, 2.0, 3.0], [1.0], [], [1.0, 2.0]], [3, 1, 0, 2]),
                               ([[0.5, -1.0], [2.0], [0.1, 0.2, 0.3]], [{"x": torch.tensor(x)} for x in ([0.5, -1.0], [2.0], [0.1, 0.2, 0.3])])):
    for how_many in (1, 3):
        vectors = [torch.randn(k + 2, generator=generator) for k in range(how_many)]
        x = torch.tensor([number for numbers in some_numbers for number in numbers])[:, None]
        exact = (sum((x * w - 1).square().sum(1).mean() for w in vectors).item(), [(2 * x * (x * w - 1)).mean(0) for w in vectors])
        check.close(as_pair(check.beside(accumulated_of_numbers, accumulate, as_given, vectors)), exact, rtol=1e-4, atol=1e-5,
                    hint="wrong for micro-batches of another kind, or with one weight or three: only `loss_and_count` knows what is in "
                         "a micro-batch, and `grad` gives a list of any length")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise: `train_step` (3 points, 25 minutes)
#
# Put it together. `train_step(params, states, micro_batches, loss_and_count, lr, betas, eps, weight_decay, max_norm)`
# returns `(params, states, loss)` after one step:
#
# 1. the loss and its gradients, over all tokens of all `micro_batches`;
# 2. the gradients of all tensors clipped together to `max_norm`;
# 3. one step of AdamW for each tensor. **Weight decay only for tensors with two or more axes** (matrices and tables);
#    biases and the weights of norms, which have one axis, get a decay of 0. GPT-2's descendants and the `Trainer` do it
#    so.
#
# - `params`: a dictionary from names to float32 tensors, which do not require gradients. `states`: a dictionary from the
#   same names to states of `adamw_step`; `{}` before the first step. Both come back as new dictionaries with the names of
#   `params`, and the new tensors do not require gradients either. Nothing is changed in place.
# - `loss_and_count(params, micro_batch)` gives (mean loss, number of tokens) as before, but of the parameters that you
#   hand it: give it a dictionary of tensors that do require gradients.
# - `loss`: the mean loss over all tokens **before** the step, a float (or a tensor of one number).
#
# <details><summary>Hint 1</summary>Make leaves that can be differentiated:
# <code>{name: p.detach().requires_grad_() for name, p in params.items()}</code>.</details>
# <details><summary>Hint 2</summary><code>grad = lambda loss: torch.autograd.grad(loss, list(leaves.values()))</code> fits
# <code>accumulate</code>, and so does <code>lambda batch: loss_and_count(leaves, batch)</code>.</details>
# <details><summary>Hint 3</summary>Then <code>clip_gradients</code>, and a loop over names, tensors and gradients with
# <code>adamw_step(p, g, states.get(name, {}), lr, betas, eps, weight_decay if p.ndim &gt;= 2 else 0.0)</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "train_step", "locked": false, "schema_version": 3, "solution": true, "task": false}
def train_step(params: dict[str, Tensor], states: dict[str, dict], micro_batches: list, loss_and_count, lr: float,
               betas: tuple[float, float], eps: float, weight_decay: float,
               max_norm: float) -> tuple[dict[str, Tensor], dict[str, dict], float]:
    """One step of training: (new params, new states, loss before the step).

    loss_and_count(params, micro_batch) -> (mean loss, number of tokens). Gradients over all tokens, clipped together; AdamW,
    with decay only for tensors of two axes or more. states: {} at first.
    """
    ### BEGIN SOLUTION
    leaves = {name: p.detach().requires_grad_() for name, p in params.items()}
    loss, grads = accumulate(micro_batches, lambda batch: loss_and_count(leaves, batch),
                             lambda value: torch.autograd.grad(value, list(leaves.values())))
    grads = clip_gradients(grads, max_norm)
    new_params, new_states = {}, {}
    for (name, p), g in zip(params.items(), grads, strict=True):
        decay = weight_decay if p.ndim >= 2 else 0.0
        new_params[name], new_states[name] = adamw_step(p, g, states.get(name, {}), lr, betas, eps, decay)
    return new_params, new_states, loss
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_train_step", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
def small_network(params, micro_batch):
    """(mean loss, tokens) of a network with one hidden layer; a micro-batch is a pair (inputs, labels)."""
    inputs, labels = micro_batch
    hidden = torch.tanh(inputs @ params["up"] + params["bias"]) * params["scale"]
    return F.cross_entropy(hidden @ params["down"], labels, ignore_index=-100), int((labels != -100).sum())


def trained(answer, params, batches, rates, options, network):
    """(params after each step, losses, whether the new and the given params require gradients, the given) by the answer."""
    given = {name: p.clone() for name, p in params.items()}
    here, states, places, losses = given, {}, [], []
    for micro_batches, rate in zip(batches, rates, strict=True):
        here, states, loss = answer(here, states, micro_batches, network, rate, *options)
        places.append({name: p.detach().clone() for name, p in here.items()})
        losses.append(loss)
    return places, losses, *(any(p.requires_grad for p in some.values()) for some in (here, given)), given


def by_torch(params, batches, rates, options, slip="", network=small_network):
    """The same by torch.optim.AdamW and clip_grad_norm_, perhaps with a slip."""
    (betas, eps, decay, limit), kept, losses, places = options, {n: nn.Parameter(p.clone()) for n, p in params.items()}, [], []
    flat = [p for p in kept.values() if p.ndim < 2 and slip != "decays all"]
    groups = [{"params": [p for p in kept.values() if all(p is not q for q in flat)],
               "weight_decay": 0.0 if slip == "no decay" else decay}]
    optimiser = torch.optim.AdamW([*groups, *([{"params": flat, "weight_decay": 0.0}] if flat else [])], lr=1.0, betas=betas, eps=eps)
    for micro_batches, rate in zip(batches, rates, strict=True):
        for group in optimiser.param_groups:
            group["lr"] = rate
        parts = [network(kept, one) for one in micro_batches]
        parts = parts[-1:] if slip == "last only" else parts
        shares = [1 / len(parts) if slip == "mean of means" else n / sum(m for _, m in parts) for _, n in parts]
        loss = sum(part * share for (part, _), share in zip(parts, shares, strict=True))
        optimiser.zero_grad()
        if slip == "forgets":
            optimiser.state.clear()
        (-loss if slip == "up" else loss).backward()
        if slip == "each alone":
            for p in kept.values():
                torch.nn.utils.clip_grad_norm_([p], limit)
        elif slip != "no clipping":
            torch.nn.utils.clip_grad_norm_(list(kept.values()), limit)
        optimiser.step()
        losses.append(loss.item())
        places.append({n: p.detach().clone() for n, p in kept.items()})
    return places, losses


def network_and_batches(seed, widths, sizes):
    """Random parameters, and a list of steps, each a list of micro-batches with as many labels as `sizes` says."""
    draws = torch.Generator().manual_seed(seed)
    inputs, hidden, classes = widths
    params = {"up": torch.randn(inputs, hidden, generator=draws), "bias": torch.randn(hidden, generator=draws),
              "scale": torch.rand(hidden, generator=draws) + 0.5, "down": torch.randn(hidden, classes, generator=draws)}
    batches = []
    for number, step in enumerate(sizes):
        batches.append([])
        for size in step:
            labels = torch.randint(classes, (8,), generator=draws)
            labels[size:] = -100
            batches[-1].append((torch.randn(8, inputs, generator=draws) * (1 + 4 * (number % 2)), labels))
    return params, batches


start, batches = network_and_batches(0, (3, 5, 4), [(1, 8), (8, 2), (3, 3), (8, 1)])
rates, options = [0.1, 0.2, 0.1, 0.05], ((0.8, 0.9), 0.05, 0.3, 0.25)
places, losses, watched, marked, given = check.beside(trained, train_step, start, batches, rates, options, small_network)
check.that(marked is False, "you changed `params` in place: its tensors require gradients now, make leaves of your own from them")
check.that(watched is False, "the new parameters require gradients: return plain tensors, or each step remembers all before it")
check.equal(given, start, hint="you changed `params` in place")
wanted = by_torch(start, batches, rates, options)
check.close(([{name: p for name, p in place.items()} for place in places], [plain_number(loss) for loss in losses]), wanted,
            rtol=2e-4, atol=2e-5, mistakes={
    "that is the mean of the micro-batches' means: every token counts the same": lambda: by_torch(start, batches, rates, options, "mean of means"),
    "only the last micro-batch was used": lambda: by_torch(start, batches, rates, options, "last only"),
    "the gradients were not clipped": lambda: by_torch(start, batches, rates, options, "no clipping"),
    "each tensor's gradient was clipped on its own: clip all together": lambda: by_torch(start, batches, rates, options, "each alone"),
    "tensors with one axis (biases, norms) get no weight decay": lambda: by_torch(start, batches, rates, options, "decays all"),
    "the weight decay is missing": lambda: by_torch(start, batches, rates, options, "no decay"),
    "the loss went up: step against the gradient": lambda: by_torch(start, batches, rates, options, "up"),
    "the loss is that before the step, the one you have the gradient of": lambda: (
        wanted[0], [sum(part.item() * n for part, n in (small_network(place, one) for one in step)) / sum((one[1] != -100).sum().item() for one in step)
                    for place, step in zip(wanted[0], batches, strict=True)]),
    "the states were lost between steps: return a state for each name": lambda: by_torch(start, batches, rates, options, "forgets"),
}, hint="wrong parameters or losses over four steps: accumulate, clip, then adamw_step for each tensor; or is your accumulate, "
        "clip_gradients or adamw_step not right yet?")
### BEGIN HIDDEN TESTS
for seed, widths, sizes, some_options in ((1, (2, 3, 3), [(8,)] * 3, ((0.9, 0.99), 1e-3, 0.0, 100.0)),
                                          (2, (4, 2, 5), [(8, 0, 4), (2, 8, 8), (1, 1, 1)], ((0.5, 0.95), 0.1, 1.0, 0.1))):
    start, batches = network_and_batches(seed, widths, sizes)
    places, losses, *_ = check.beside(trained, train_step, start, batches, [0.05, 0.1, 0.02], some_options, small_network)
    safe = [[one for one in step if bool((one[1] != -100).any())] for step in batches]
    check.close((places, [plain_number(loss) for loss in losses]), by_torch(start, safe, [0.05, 0.1, 0.02], some_options),
                rtol=2e-4, atol=2e-5, hint="wrong for another network, other betas, eps, weight_decay and max_norm")


def other_network(params, micro_batch):
    """(mean loss, tokens): two matrices in one tensor, a vector, and a matrix and a vector under odd names."""
    inputs, labels = micro_batch
    hidden = torch.tanh(inputs @ params["mixer"]).sum(0) * params["weight"]
    return F.cross_entropy(hidden @ params["head.bias"] + params["a"], labels, ignore_index=-100), int((labels != -100).sum())


_, other_batches = network_and_batches(3, (3, 5, 4), [(4, 8), (8, 2, 1), (3,)])
draws = torch.Generator().manual_seed(4)
other_start = {"a": torch.randn(4, generator=draws), "mixer": torch.randn(2, 3, 5, generator=draws),
               "weight": torch.randn(5, generator=draws), "head.bias": torch.randn(5, 4, generator=draws)}
odd_options = ((0.8, 0.9), 0.05, 0.7, 0.5)
places, losses, *_ = check.beside(trained, train_step, other_start, other_batches, [0.1, 0.2, 0.1], odd_options, other_network)
check.close((places, [plain_number(loss) for loss in losses]),
            by_torch(other_start, other_batches, [0.1, 0.2, 0.1], odd_options, network=other_network), rtol=2e-4, atol=2e-5,
            hint="wrong for other names in another order: the number of axes decides on the decay (two or more), not the name")


def keys_and_states(answer, params, batches, options):
    """The names that come back, and the second step made twice from the same states."""
    first = answer(params, {}, batches[0], small_network, 0.1, *options)
    again = [answer(first[0], first[1], batches[1], small_network, 0.1, *options)[0] for _ in range(2)]
    return list(first[0]), sorted(first[1]), *again


names, state_names, one, two = check.beside(keys_and_states, train_step, start, batches, options)
check.equal([sorted(names), state_names], [sorted(start)] * 2, hint="both dictionaries come back with the names of `params`")
check.equal(two, one, hint="the same step from the same states came out otherwise: `states` was changed in place")
### END HIDDEN TESTS

# %% [markdown]
# Does it learn? Before a big run, one always lets a small model **overfit a single batch**: if the loss does not fall to
# nearly 0 there, it will not fall anywhere. Two sentences, a GPT-2 of one layer:

# %% tags=["demo"]
two_sentences = ["Anarchism is a political philosophy.", "Autism is a neurodevelopmental condition."]
pieces = sorted({i for text in two_sentences for i in encode_quietly(text)} | {end_id})
row_ids = [[pieces.index(i) for i in [end_id, *encode_quietly(text), end_id]] for text in two_sentences]
longest, stop = max(map(len, row_ids)), pieces.index(end_id)
tiny_rows = torch.tensor([row + [stop] * (longest - len(row)) for row in row_ids])
tiny = toy_gpt2(0, vocab_size=len(pieces), n_layer=1, n_embd=32)
tiny_config = plain_config(tiny.config)


def tied(params: dict[str, Tensor]) -> dict[str, Tensor]:
    """The parameters with the head under its own name as well: one table, two names."""
    return {**params, "lm_head.weight": params["transformer.wte.weight"]}


def causal_loss(params: dict[str, Tensor], rows: Tensor, config: dict, stop_id: int) -> tuple[Tensor, int]:
    """(mean cross-entropy of the next token, number of tokens) with your model and your labels."""
    logits = gpt2_logits(rows, tied(params), config)
    # The shift that transformers' models do inside: labels move, and not the logits, which are large and would be copied.
    labels = F.pad(causal_labels(rows, stop_id)[:, 1:], (0, 1), value=-100)
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten()), int((labels != -100).sum())


tiny_loss = lambda params, rows: causal_loss(params, rows, tiny_config, stop)
weights = {name: w.detach().clone() for name, w in tiny.named_parameters()}
states, history = {}, []
for step in range(60):
    weights, states, loss = train_step(weights, states, [tiny_rows[:1], tiny_rows[1:]], tiny_loss,
                                       lr_schedule(step, 0.02, 0.002, 5, 60), (0.9, 0.95), 1e-8, 0.1, 1.0)
    history.append(loss)
fig, ax = plots.figure(size=(6.8, 2.6))
ax.plot(history, color=plots.BLUE)
ax.axhline(math.log(len(pieces)), color=plots.GREY, ls="--", lw=1.2)
ax.text(58, math.log(len(pieces)), f"a guess among {len(pieces)} tokens", ha="right", va="bottom", fontsize=9)
ax.set(xlabel="step", ylabel="loss (nats per token)", ylim=(0, None))
plots.caption(fig, f"One batch of two sentences, learned by heart: {history[0]:.2f} to {history[-1]:.3f} nats. What is left is the first "
              "word, which nothing announces: one bit for each sentence.",
              f"The loss falls from {history[0]:.1f} to nearly zero within about ten steps.")
print(f"one of two equally likely first words costs ln 2 = {math.log(2):.3f} nats, spread over "
      f"{sum(len(r) - 1 for r in row_ids) / 2:.0f} tokens: {2 * math.log(2) / sum(len(r) - 1 for r in row_ids):.3f}")

# %% [markdown]
# ## 8. Learn fifty articles by heart
#
# Everything is there: data, model, loss, optimiser, step. Before the long run, the measure of what you are about to see.
# A model has *memorised* a text if it goes on with it word for word. How far? The **longest verbatim overlap** of what it
# wrote with what it was trained on: the length of the longest run of consecutive tokens that occurs in both. (Carlini et
# al. 2023 call a text extractable if the model continues a prefix of it exactly.)
#
# **Predict first.** Take any 112 tokens of an ordinary encyclopaedia article that nobody copied. How long is the longest
# run that they have in common with fifty other articles: 0, about 5, or about 30 tokens?
#
# <details><summary>Answer</summary>
#
# A few tokens: "is one of the most" or ", and the first" occur everywhere. So a run of five says nothing, and one of
# fifty says everything: a text has so many continuations that nobody hits fifty in a row by chance.
# </details>
#
# ### Exercise: `longest_verbatim_overlap` (2 points, 20 minutes)
#
# Write `longest_verbatim_overlap(generated, corpus_ids)`: both are lists of ids (ints). Return the length (an int) of the
# longest run of consecutive tokens of `generated`, anywhere in it, that occurs as consecutive tokens anywhere in
# `corpus_ids`; 0 if they have no token in common.
#
# <details><summary>Hint 1</summary>A run that ends at place i of one and at place j of the other is one longer than the
# run that ends at i − 1 and j − 1, if the two tokens are equal, and 0 otherwise.</details>
# <details><summary>Hint 2</summary>That is a table with a row for each generated token, and one row is computed from the
# row before. Two rows are enough.</details>
# <details><summary>Hint 3</summary><code>now[j + 1] = before[j] + 1 if token == corpus_ids[j] else 0</code>; keep the
# largest number you see.</details>

# %% nbgrader={"grade": false, "grade_id": "longest_verbatim_overlap", "locked": false, "schema_version": 3, "solution": true, "task": false}
def longest_verbatim_overlap(generated: list[int], corpus_ids: list[int]) -> int:
    """Length of the longest run of consecutive tokens of `generated` that occurs in `corpus_ids`, 0 if there is none."""
    ### BEGIN SOLUTION
    longest, before = 0, [0] * len(corpus_ids)  # before[j]: the run that ends right before place j
    for token in generated:
        now = [0]
        for place, other in enumerate(corpus_ids):
            now.append(before[place] + 1 if token == other else 0)
        longest, before = max(longest, *now), now
    return longest
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_longest_verbatim_overlap", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
corpus = [5, 1, 2, 3, 4, 9, 7, 7, 8, 1, 2, 6]
check.equal(longest_verbatim_overlap([6, 2, 3, 4, 0, 8, 1, 2, 6, 0, 5, 9], corpus), 4, mistakes={
    "the longest run counts, not the first one that is found, and it may end with the last token of either list": 3,
    "the tokens must be consecutive in both: gaps end a run": 7,
    "you counted the tokens that occur, not a run of them": 10,
    "you counted the different tokens in common": 8,
    "a run may start anywhere in `generated`, not only at its start": 1,
    "the run need not stand at the same place in both": 0,
}, hint="8 1 2 6 is in both")
check.equal(longest_verbatim_overlap([1, 2, 3, 4, 9, 9], corpus), 5, mistakes={
    "the run need not stand at the same place in both": 0,
    "the last token of the run is missing": 4,
}, hint="1 2 3 4 9 is in both")
### BEGIN HIDDEN TESTS
common = [1, 2] * 150 + [1, 2, 2, 1, 1, 1, 2, 2] + [2, 1] * 150
check.equal(longest_verbatim_overlap([0, 1, 2, 2, 1, 1, 1, 2, 2, 0], common), 8,
            hint="wrong in a long corpus with few different tokens (difflib takes frequent ones for junk unless told autojunk=False)")
check.equal([longest_verbatim_overlap(a, b) for a, b in (([], corpus), ([3], []), ([0, 10], corpus), (corpus, corpus), ([6], corpus), ([5], corpus))],
            [0, 0, 0, 12, 1, 1], hint="wrong for empty lists, no token in common, or the same list twice")
check.equal(longest_verbatim_overlap([1, 2], [11, 2, 1, 23, 12]), 1, hint="ids are whole numbers: 1 2 is not a part of 11 2, nor of 1 23")
check.equal(longest_verbatim_overlap([7, 7, 7], [7, 7, 8, 7, 7, 7, 7]), 3, hint="wrong where a token repeats")
check.equal(longest_verbatim_overlap([7, 7, 7, 7], [7, 7, 8, 7, 7]), 2, hint="wrong where a token repeats")
check.equal([longest_verbatim_overlap(a, b) for a, b in (([1, 300], [257, 44]), ([3, 50256, 40000, 128000], [50256, 40000, 128000, 3]))],
            [0, 3], hint="ids may be far above 255: compare them as whole numbers, not as bytes")
check.equal([longest_verbatim_overlap([0, 1, 0], [1, 1, 0, 0]), longest_verbatim_overlap([0, 0, 1], [0, 0, 0, 1])], [2, 3],
            hint="after a mismatch start over: the longest run may begin inside one that has just broken off")
every_overlap = lambda f, lists: [f(a, b) for a, b in lists]


def overlap_by_sets(one, two):
    runs = {tuple(two[a:a + n]) for n in range(1, len(one) + 1) for a in range(len(two) - n + 1)}
    return max((b - a for a in range(len(one)) for b in range(a + 1, len(one) + 1) if tuple(one[a:b]) in runs), default=0)


generator = torch.Generator().manual_seed(0)
draw_pair = lambda kinds, *lengths: [torch.randint(kinds, (n,), generator=generator).tolist() for n in lengths]
small_pairs = [draw_pair(2, 3 + k % 6, 4 + k % 11) for k in range(60)]
check.equal(check.beside(every_overlap, longest_verbatim_overlap, small_pairs), [overlap_by_sets(*pair) for pair in small_pairs],
            hint="wrong for short lists of two kinds of tokens: after a mismatch a run may begin inside the one before")
for kinds, shorter, longer in ((2, 12, 60), (5, 40, 300), (60, 30, 400)):
    one, two = draw_pair(kinds, shorter, longer)
    check.equal(longest_verbatim_overlap(one, two), overlap_by_sets(one, two),
                hint="wrong for longer lists of random tokens, of two kinds or of many")
### END HIDDEN TESTS

# %% [markdown]
# ### The run
#
# What fits into five minutes of two CPU cores, and what does not? GPT-2 small would take days. The part that costs most
# in a *small* model is the head, with its 50,257 rows, so on a CPU this lab makes three cuts, and says so: of each of the
# 50 + 50 articles only the **opening 128 tokens**; of GPT-2's table only the **rows of tokens that occur in them** (about
# 4,000, those of the validation openings included, so that the model is able to be wrong about them); and a GPT-2 of **2
# layers, 128 wide**. With a GPU the same cell takes GPT-2 small at full size, all rows of the table, whole articles
# (streamed, if the Hub can be reached), and bfloat16.
#
# Everything else is the real thing: your model, your labels, your loop. No dropout, so that the two runs below can be
# compared step by step.

# %% tags=["lab"]
import statistics
import tempfile
import time

device, large = runtime.device(), runtime.pick(False, True)
sizes = runtime.pick({"n_embd": 128, "n_layer": 2, "n_head": 4}, {"n_embd": 768, "n_layer": 12, "n_head": 12})
n_steps, per_step, max_lr = runtime.pick((500, 5, 3e-3), (1500, 64, 6e-4))
recipe = {"betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": 0.1, "max_norm": 1.0}
warmup_steps, every = runtime.pick((40, 50), (100, 150))
articles = wikipedia
if large:
    try:
        articles = corpora.load_wikipedia(online=True)
    except ConnectionError as problem:
        print(problem)


def rows_of(texts: list[str]) -> Tensor:
    """Rows of 128 ids: of each article the first on a CPU, all on a GPU; tails (and articles shorter than a row) are dropped."""
    chunks = [chunk_documents([text], encode_quietly, 128, end_id, True) for text in texts]
    return torch.tensor([row for parts in chunks for row in (parts if large else parts[:1])])


train_rows, valid_rows = rows_of(articles["train"]["text"]), rows_of(articles["validation"]["text"])
seen_ids = torch.cat([train_rows.flatten(), valid_rows.flatten(), torch.tensor([end_id])]).unique()
kept_ids = torch.arange(len(gpt2_tokenizer)) if large else seen_ids  # the rows of GPT-2's table that the model has
train_rows, valid_rows = (torch.searchsorted(kept_ids, rows).to(device) for rows in (train_rows, valid_rows))
stop_id = int(torch.searchsorted(kept_ids, torch.tensor(end_id)))
to_text = lambda ids: gpt2_tokenizer.decode(kept_ids[ids.cpu()])

with torch.random.fork_rng():
    torch.manual_seed(0)
    start_model = GPT2LMHeadModel(GPT2Config(vocab_size=len(kept_ids), n_positions=128, resid_pdrop=0.0, embd_pdrop=0.0,
                                             attn_pdrop=0.0, bos_token_id=stop_id, eos_token_id=stop_id, **sizes)).to(device)
start_model.loss_type = "ForCausalLM"  # the loss that transformers computes when it is given labels
small_config = plain_config(start_model.config)
shuffled = torch.Generator().manual_seed(1)  # whole epochs, each in an order of its own, as one long list
epochs = -(-n_steps * per_step // len(train_rows))
order_of_rows = torch.cat([torch.randperm(len(train_rows), generator=shuffled) for _ in range(epochs)])[:n_steps * per_step]
print(f"{len(train_rows)} + {len(valid_rows)} rows of 128 tokens, {len(kept_ids):,} tokens in the table, "
      f"{sum(p.numel() for p in start_model.parameters()):,} weights; {n_steps} steps of {per_step} rows = {epochs} epochs")

# %% [markdown]
# How does one measure recitation without writing anything? Greedy decoding from 16 given tokens stays on the text as long
# as each next token is the most likely one *given the true text so far*. That is what one teacher-forced pass shows:
# count the right guesses from position 16 on, up to the first wrong one. One pass instead of 112.

# %% tags=["lab"]
@torch.no_grad()
def recited(params: dict[str, Tensor], rows: Tensor, prompt: int = 16) -> Tensor:
    """For each row: how many tokens after the prompt greedy decoding gets right before its first slip."""
    guesses = torch.cat([gpt2_logits(part, tied(params), small_config).argmax(-1) for part in rows.split(16)])
    return (guesses[:, prompt - 1:-1] == rows[:, prompt:]).long().cumprod(1).sum(1)


def precise_loss(params: dict[str, Tensor], rows: Tensor) -> tuple[Tensor, int]:
    with torch.autocast(device.type, torch.bfloat16, enabled=large):
        return causal_loss(params, rows, small_config, stop_id)


@torch.no_grad()
def mean_loss(params: dict[str, Tensor], rows: Tensor) -> float:
    return accumulate(list(rows.split(64)), lambda part: precise_loss(params, part), lambda loss: [loss])[0]


def own_step(step: int, params: dict[str, Tensor], states: dict) -> tuple[dict[str, Tensor], dict, float]:
    """Step `step` of your loop: (params, states, loss)."""
    batch = train_rows[order_of_rows[step * per_step:(step + 1) * per_step].to(device)]
    rate = lr_schedule(step, max_lr, max_lr / 10, warmup_steps, n_steps)
    params, states, loss = train_step(params, states, [batch], precise_loss, rate, **recipe)
    return params, states, float(loss)


own = {name: p.detach().clone() for name, p in start_model.named_parameters()}
own_states, own_train, own_valid, memory = {}, [], {}, {}
bar = runtime.progress(range(n_steps), "your loop")
for step in bar:
    own, own_states, loss = own_step(step, own, own_states)
    own_train.append(loss)
    if (step + 1) % every == 0:
        own_valid[step + 1] = mean_loss(own, valid_rows)
        memory[step + 1] = [recited(own, rows[:200]) for rows in (train_rows, valid_rows)]
        bar.set_postfix(train=f"{loss:.2f}", valid=f"{own_valid[step + 1]:.2f}",
                        recited=f"{memory[step + 1][0].float().mean():.0f}")
print(f"your loop: training loss {own_train[0]:.2f} -> {own_train[-1]:.2f}")

# %% [markdown]
# ### The same with the `Trainer`
#
# The `Trainer` of `transformers` does what your loop does, and saves, resumes, logs and runs on many machines besides.
# Its arguments have been renamed over the years; these are today's (version 5): `eval_strategy`, once
# `evaluation_strategy`; `processing_class`, once `tokenizer`; `train_sampling_strategy="sequential"`, since our rows are
# in order already. It starts from the same weights, with the same schedule, the same decay (biases and norms left out)
# and the same clipping.
#
# One detail takes an afternoon to find if one only looks at curves. The `Trainer` divides the summed loss by the number
# of labels that are not −100. GPT-2's class does not declare which loss it has, and then the labels are counted *before*
# the model shifts: 128 in a row of 128, though only 127 are asked, and all losses come out as 127/128 of yours. So the
# cell above has declared the loss (`loss_type`), and the one below also sets the first label of each row, which is never
# asked, to −100.
#
# **Predict first.** Same weights, same data in the same order, same formulas; one program is yours, the other has
# thousands of lines. How far apart will the two training curves be?
#
# <details><summary>Answer</summary>
#
# At first not at all. Rounding differs a little, and training amplifies small differences: where I ran it, the training
# losses parted by at most 0.00001 nats in the first 50 steps and by 0.001 later on. A gap from the first step on would mean
# that one of the two programs does something that you do not know of (see above).
# </details>

# %% tags=["lab"]
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments, default_data_collator


def as_dataset(rows: Tensor) -> list[dict[str, Tensor]]:
    labels = causal_labels(rows.cpu(), stop_id)
    labels[:, 0] = -100  # never asked, and not to be counted
    return [{"input_ids": ids, "labels": row} for ids, row in zip(rows.cpu(), labels, strict=True)]


def train_as_well(*callbacks: TrainerCallback, **options) -> list[dict]:
    """The same training by the Trainer; what it noted down. options: further TrainingArguments."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=copy.deepcopy(start_model), processing_class=gpt2_tokenizer if large else None,
            data_collator=default_data_collator, callbacks=list(callbacks),
            train_dataset=as_dataset(train_rows[order_of_rows.to(device)]), eval_dataset=as_dataset(valid_rows),
            args=TrainingArguments(
                output_dir=folder, per_device_train_batch_size=per_step, per_device_eval_batch_size=64,
                train_sampling_strategy="sequential", learning_rate=max_lr, lr_scheduler_type="cosine_with_min_lr",
                lr_scheduler_kwargs={"min_lr": max_lr / 10}, warmup_steps=warmup_steps, adam_beta1=recipe["betas"][0],
                adam_beta2=recipe["betas"][1], adam_epsilon=recipe["eps"], weight_decay=recipe["weight_decay"],
                max_grad_norm=recipe["max_norm"], logging_steps=1, save_strategy="no", report_to="none", bf16=large,
                dataloader_pin_memory=False, **options))
        trainer.remove_callback(PrinterCallback)  # which would print a line for each step
        trainer.train()
    return trainer.state.log_history


noted = train_as_well(max_steps=n_steps, eval_strategy="steps", eval_steps=every, disable_tqdm=not runtime.has_front_end())
trainer_train = [entry["loss"] for entry in noted if "loss" in entry]
trainer_valid = {entry["step"]: entry["eval_loss"] for entry in noted if "eval_loss" in entry}
print(f"{'':>6}{'your loop':>20}{'Trainer':>22}\n{'step':>6}{'train':>10}{'valid':>10}{'train':>12}{'valid':>10}")
for step in own_valid:
    print(f"{step:>6}{own_train[step - 1]:>10.3f}{own_valid[step]:>10.3f}"
          f"{trainer_train[step - 1]:>12.3f}{trainer_valid[step]:>10.3f}")
gaps = [abs(a - b) for a, b in zip(own_train, trainer_train, strict=True)]
print(f"\nlargest difference of the two training losses: {max(gaps[:50]):.1e} in the first 50 steps, "
      f"{max(gaps):.1e} in all {n_steps}")

# %% tags=["lab"]
fig, ax = plots.figure(size=(8.8, 3.6))
every_step = range(1, n_steps + 1)
ax.plot(every_step, own_train, color=plots.BLUE, lw=4, alpha=0.45, label="your loop, training")
ax.plot(every_step, trainer_train, color=plots.INK, lw=1.1, ls="--", label="Trainer, training")
ax.plot(list(own_valid), list(own_valid.values()), color=plots.ORANGE, lw=4, alpha=0.45, label="your loop, validation")
ax.plot(list(trainer_valid), list(trainer_valid.values()), color=plots.INK, lw=1.1, ls=":", label="Trainer, validation")
ax.axhline(math.log(len(kept_ids)), color=plots.GREY, lw=1)
ax.text(n_steps, math.log(len(kept_ids)), "a guess", ha="right", va="bottom", fontsize=9)
ax.set(xlabel="step", ylabel="loss (nats per token)", ylim=(0, None))
ax.legend(loc="center right")
lowest = min(own_valid, key=own_valid.get)
plots.caption(fig, "The same training twice. The training loss goes towards zero; the validation loss turns and climbs.",
              f"Training loss of both programs falls on one line from {own_train[0]:.1f} to {own_train[-1]:.2f}. Validation "
              f"loss is lowest at step {lowest} with {own_valid[lowest]:.2f} and ends at {own_valid[n_steps]:.2f}; a guess "
              f"among all tokens would be at {math.log(len(kept_ids)):.2f}.")
print(f"perplexity (unit 04), exp of the loss: training {math.exp(mean_loss(own, train_rows)):.2f}, "
      f"validation {math.exp(own_valid[n_steps]):,.0f} at the end and {math.exp(own_valid[lowest]):,.0f} at its best; a guess among all tokens {len(kept_ids):,}")

# %% [markdown]
# A perplexity of hardly more than 1 on what it has read, and on other articles worse than guessing: it is *certain*, and
# wrong. That is **overfitting** as it is in the book, and here it was wanted.

# %% [markdown]
# ### And which is faster?
#
# **Predict first.** The `Trainer` comes from a library that a thousand people have worked on. Yours, in Python, makes seven
# small calls for each tensor in AdamW alone, and copies where the library changes in place. By what factor is it slower?
#
# <details><summary>Answer</summary>
#
# It is not. Half of a step are matrix products, the same kernels in both. The library's AdamW is faster: one kernel, and it
# writes over the old weights, which yours must not. Its GELU is slower: eight passes over a large tensor, and more on the
# way back, where `F.gelu` takes one each way. And the `Trainer` has more to do between steps than your `for`. Where I ran
# it, on two CPU cores, this course's solutions had 102 to 110 % of its speed in twelve races, 107 % in the middle. With
# `layer_norm` and `gelu_tanh` in the block, in place of torch's kernels, it was 93 to 96 % in six.
# </details>
#
# A machine that does other things as well is faster in one minute than in the next. So both take part in one race, in
# turns: after each ten steps of the `Trainer`'s come the same ten of yours. Both fetch their batch and note down their loss.

# %% tags=["lab"]
class Race(TrainerCallback):
    """Times the Trainer's steps, and after each ten the same ten of your loop."""

    def __init__(self):
        self.params, self.states = {name: p.detach().clone() for name, p in start_model.named_parameters()}, {}
        self.seconds = {"your loop": [], "Trainer": []}

    def lap(self, name: str | None = None):
        """The time since the last call goes to `name`."""
        if device.type != "cpu":
            torch.accelerator.synchronize()  # a GPU is given work, and not waited for
        now = time.perf_counter()
        if name:
            self.seconds[name].append(now - self.since)
        self.since = now

    def on_train_begin(self, args, state, control, **kwargs):
        self.lap()

    def on_step_end(self, args, state, control, **kwargs):
        self.lap("Trainer")
        done = state.global_step
        if done % 10 == 0:
            for step in range(done - 10, done):
                self.params, self.states, _ = own_step(step, self.params, self.states)
                self.lap("your loop")


race = Race()
train_as_well(race, max_steps=200, disable_tqdm=True)  # its table of losses would cost it time that yours does not spend
speeds = {name: per_step * 128 / statistics.median(seconds[10:]) for name, seconds in race.seconds.items()}
print(f"tokens per second (median of 190 steps each, in turns): your loop {speeds['your loop']:,.0f}, Trainer {speeds['Trainer']:,.0f}; "
      f"your loop has {speeds['your loop'] / speeds['Trainer']:.0%} of the Trainer's speed")

# %% [markdown]
# ### Recite
#
# Give it the first 16 tokens of an article of the training set, and let it write (greedily, with your own model). Then
# the first 16 tokens of an article that it has never seen.

# %% tags=["lab"]
@torch.no_grad()
def write(params: dict[str, Tensor], prompt: Tensor, n: int) -> Tensor:
    """Greedy continuation of ids (T,) by n tokens."""
    ids = prompt[None]
    for _ in range(n):
        ids = torch.cat([ids, gpt2_logits(ids, tied(params), small_config)[:, -1].argmax(-1, keepdim=True)], 1)
    return ids[0, len(prompt):]


all_train_ids = train_rows.flatten().tolist()
for name, rows, number in (("an article it was trained on", train_rows, 3), ("an article it has never seen", valid_rows, 0)):
    written = write(own, rows[number, :16], 112)
    overlap = longest_verbatim_overlap(written.tolist(), all_train_ids)
    print(f"--- {name}: {recited(own, rows[number:number + 1]).item()} of 112 tokens right before the first slip; "
          f"longest verbatim overlap with the training text: {overlap} tokens")
    print(f"GIVEN   {to_text(rows[number, :16])!r}\nWRITTEN {to_text(written)!r}\nTRUE    {to_text(rows[number, 16:])!r}\n")
lengths = [longest_verbatim_overlap(write(own, row[:16], 40).tolist(), all_train_ids) for row in valid_rows[:8]]
print("longest overlap with the training text of 40 tokens written after the openings of 8 other articles:", lengths)

# %% [markdown]
# It has no idea what the second article is about. But look what it does: it picks up a thread it knows and recites
# *that*. A model that has only ever memorised answers every question with what it has memorised.
#
# Why does it fail there? It has more than a hundred weights for each token that it was shown, and 50 openings hold
# nothing like a sample of English. The cheapest way to a low loss was to store them; nothing in the loss asks for more.
# Language models that generalise have read *more text than they can store*: then rules pay, and only what is repeated
# often is learned by heart (Carlini et al. 2023, §4, who find that verbatim memory grows with a text's repetitions, with
# the size of the model and with the length of the prompt).
#
# When did it happen? Not gradually:

# %% tags=["lab"]
checked = list(memory)
fig, (left, right) = plots.figure(1, 2, size=(9.6, 3.3))
for which, (colour, name) in enumerate(((plots.BLUE, "training articles"), (plots.ORANGE, "validation articles"))):
    runs = torch.stack([memory[step][which].float() for step in checked])
    left.plot(checked, runs.mean(1).tolist(), "o-", color=colour, label=name)
    left.fill_between(checked, runs.quantile(0.1, 1).tolist(), runs.quantile(0.9, 1).tolist(), color=colour, alpha=0.2)
left.set(xlabel="step", ylabel="tokens recited from 16", ylim=(0, 114))
left.legend(loc="upper left")
whole = [(memory[step][0] == 112).float().mean().item() for step in checked]
right.plot([own_train[step - 1] for step in checked], whole, "o-", color=plots.BLUE)
right.set(xlabel="training loss (nats per token)", ylabel="recited to the end (share)", ylim=(-0.03, 1.03))
right.invert_xaxis()
plots.caption(fig, "Memorisation against steps (mean; band: from the 10th to the 90th percentile), and against the loss of the step.",
              f"Left: tokens recited from training articles stay near 0 at first, then climb to "
              f"{memory[n_steps][0].float().mean():.0f} of 112; from validation articles always near 0. Right: the share of "
              f"articles recited to the end stays at 0 until the loss is well below 1, and reaches {whole[-1]:.0%}.")
for step in checked:
    print(f"step {step:>4}: training loss {own_train[step - 1]:.2f}, recited {memory[step][0].float().mean():>5.1f} of 112 (training), "
          f"{memory[step][1].float().mean():.1f} (validation)")

# %% [markdown]
# Reciting needs *every* token right. With a probability $p$ for each, 112 in a row have $p^{112}$: 0.32 for $p$ = 0.99,
# and less than one in a hundred thousand for $p$ = 0.9. So a loss that falls smoothly becomes an ability that appears at
# once.
#
# ## 9. Why weights are shared
#
# Your model cost a few minutes and can say nothing new. The model of the earlier units has 135 million weights and read
# two trillion tokens (Allal et al. 2025). What does *it* say about the validation articles? Perplexities of two
# tokenizers cannot be compared, bits per byte can (unit 02):
#
# $$ \text{bits per byte} = \frac{\text{loss in nats per token} \cdot \text{tokens}}{\ln 2 \cdot \text{bytes}} $$
#
# **Predict first.** Then it gets a minute of fine-tuning on the *training* articles: the last six of its thirty blocks,
# with your `train_step`. Will its validation loss go down, stay, or go up as yours did?
#
# <details><summary>Answer</summary>
#
# A little down. It knows English and a good deal about the world, and must only be told that an encyclopaedia article
# comes now (it was trained last on chats). A few steps at a small rate are enough for that, and far too few to forget
# anything. Unit 08 looks at what longer fine-tuning does.
# </details>

# %% tags=["lab"]
real_model, real_tokenizer = models.load(device=device)
real_model.requires_grad_(False)
n_tuned, tune_steps, n_measured = runtime.pick((6, 8, 12), (30, 100, 50))


def real_batch(texts: list[str]) -> tuple[Tensor, int]:
    """The same openings for the other tokenizer: ids (B, T) with -100 as padding, and the bytes behind the first tokens."""
    openings = [gpt2_tokenizer.decode(encode_quietly(text)[:128]) for text in texts]
    rows = [torch.tensor(real_tokenizer(opening).input_ids[:160]) for opening in openings]
    n_bytes = sum(len(real_tokenizer.decode(row[1:]).encode()) for row in rows)
    return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-100).to(device), n_bytes


def real_loss(params: dict[str, Tensor], rows: Tensor) -> tuple[Tensor, int]:
    with torch.autocast(device.type, torch.bfloat16, enabled=large):
        logits = functional_call(real_model, params, (rows.clamp(min=0),), {"use_cache": False}).logits[:, :-1]
    labels = rows[:, 1:]
    return F.cross_entropy(logits.float().flatten(0, 1), labels.flatten(), ignore_index=-100), int((labels != -100).sum())


@torch.no_grad()
def real_bits(params: dict[str, Tensor]) -> tuple[float, float]:
    """(perplexity per token, bits per byte) on the openings of validation articles."""
    nats = tokens = n_bytes = 0
    for start in runtime.progress(range(0, n_measured, 4), "measuring"):
        rows, size = real_batch(valid_texts[start:start + 4])
        loss, count = real_loss(params, rows)
        nats, tokens, n_bytes = nats + loss.item() * count, tokens + count, n_bytes + size
    return math.exp(nats / tokens), nats / math.log(2) / n_bytes


tuned = {name: p.detach().clone() for name, p in real_model.named_parameters()
         if any(f".layers.{i}." in name for i in range(30 - n_tuned, 30))}
bits_before = real_bits({})
tuned_states, tune_order, losses = {}, torch.randperm(50, generator=torch.Generator().manual_seed(2)).tolist(), []
began = time.perf_counter()
bar = runtime.progress(range(tune_steps), "fine-tuning")
for step in bar:
    picked = [train_texts[tune_order[(4 * step + k) % 50]] for k in range(4)]
    rate = lr_schedule(step + 1, 1e-4, 1e-5, 2, tune_steps)
    tuned, tuned_states, loss = train_step(tuned, tuned_states, [real_batch(picked)[0]], real_loss, rate, **recipe)
    losses.append(float(loss))
    bar.set_postfix(loss=f"{loss:.2f}")
minutes = (time.perf_counter() - began) / 60
bits_after = real_bits(tuned)
print(f"fine-tuned for {minutes:.1f} minutes. SmolLM2-135M on {n_measured} validation openings: perplexity "
      f"{bits_before[0]:.2f} before, {bits_after[0]:.2f} after; bits per byte {bits_before[1]:.3f} before, {bits_after[1]:.3f} after")

# %% tags=["lab"]
def own_bits(rows: Tensor, loss: float) -> float:
    n_bytes = sum(len(to_text(row[1:]).encode()) for row in rows)
    return loss * rows[:, 1:].numel() / math.log(2) / n_bytes


scores = {"a guess among the table's tokens": own_bits(valid_rows, math.log(len(kept_ids))),
          "your model, at the end": own_bits(valid_rows, own_valid[n_steps]),
          "your model, at its best step": own_bits(valid_rows, own_valid[lowest]),
          "SmolLM2-135M, as it came": bits_before[1], "SmolLM2-135M, fine-tuned": bits_after[1]}
fig, ax = plots.figure(size=(8.4, 2.8))
ax.barh(list(scores), list(scores.values()), color=[plots.GREY, plots.BLUE, plots.BLUE, plots.ORANGE, plots.ORANGE])
for place, value in enumerate(scores.values()):
    ax.annotate(f"{value:.2f}", (value, place), xytext=(4, 0), textcoords="offset points", va="center")
ax.set(xlabel="bits per byte of validation articles (lower is better)", xlim=(0, 1.12 * max(scores.values())))
ax.invert_yaxis()
ax.grid(False, axis="y")
plots.caption(fig, "How well each predicts articles that none of them was trained on here. (These articles, in some version, "
              "may well be among the two trillion tokens that SmolLM2 read before.)",
              "Five bars: " + ", ".join(f"{name} {value:.2f}" for name, value in scores.items()) + " bits per byte.")
flops = 6 * 135e6 * 2e12
rate = 6 * sum(p.numel() for p in start_model.parameters()) * speeds['your loop']
print(f"pretraining SmolLM2-135M: about 6 · 135 million · 2 trillion = {flops:.1e} operations (unit 07). Your machine did "
      f"{rate:.1e} a second in your loop: {flops / rate / 3.15e7:,.0f} years.")

# %% [markdown]
# This is why pretrained weights are shared. Somebody pays once; the rest of the world starts from there. And this one is
# tiny: the Llama 2 family took 3.3 million GPU-hours (Touvron et al. 2023b, table 2), millions of dollars at a dollar or
# two for an hour. What a minute on your machine adds is a manner, not knowledge.
#
# ## 10. Training the other game
#
# One more lab: masked modelling, with your `mlm_corrupt`. The encoder is MiniLM's with what the course added to it,
# frozen; its prediction head is thrown away and begun anew from random numbers: a dense layer, a norm, and a bias for
# each of 30,522 word pieces (the decoder's matrix is the embedding table). Masks are drawn anew for each batch.
#
# **Predict first.** What is the validation loss of the random head, roughly? And how far down will a minute bring it,
# when the head that the course trained for this encoder is at 4.7?
#
# <details><summary>Answer</summary>
#
# About ln 30,522 = 10.3, and a little more, since random logits are not 0. The minute brings it a good part of the way,
# because the encoder already knows nearly everything: a head must only learn to read out what is there.
# </details>

# %% tags=["lab"]
masked_rows = {}
for split, texts, n in (("train", train_texts, runtime.pick(12, 50)), ("valid", valid_texts, runtime.pick(6, 20))):
    pieces_of = [word_pieces(text, add_special_tokens=False, verbose=False).input_ids for text in texts[:n]]
    ids = [i for one in pieces_of for i in one]
    body = torch.tensor(ids[:len(ids) // 126 * 126]).view(-1, 126)
    frame = lambda token, rows=body: torch.full((len(rows), 1), token)
    masked_rows[split] = torch.cat([frame(word_pieces.cls_token_id), body, frame(word_pieces.sep_token_id)], 1)
masked_lm.requires_grad_(False)
head_dice = torch.Generator().manual_seed(3)
the_head = masked_lm.cls.predictions
width = the_head.transform.dense.in_features
course_head = {name: p.detach().clone() for name, p in the_head.named_parameters() if "decoder.weight" not in name}
fresh_head = {name: torch.zeros_like(p) for name, p in course_head.items()}
fresh_head["transform.LayerNorm.weight"] += 1
fresh_head["transform.dense.weight"] += (torch.randn(width, width, generator=head_dice) * width**-0.5).to(masked_lm.device)


def corrupted_rows(rows: Tensor, draws: torch.Generator) -> tuple[Tensor, Tensor]:
    return mlm_corrupt(rows, word_pieces.mask_token_id, len(word_pieces), word_pieces.all_special_ids, draws)


def head_loss(params: dict[str, Tensor], pair: tuple[Tensor, Tensor]) -> tuple[Tensor, int]:
    """The loss at the chosen positions only: the others need no logits."""
    ids, labels = (t.to(masked_lm.device) for t in pair)
    with torch.no_grad():
        hidden = masked_lm.bert(ids).last_hidden_state[labels != -100]
    return F.cross_entropy(functional_call(the_head, params, (hidden,)), labels[labels != -100]), len(hidden)


valid_dice = torch.Generator().manual_seed(4)  # the same masks at each measurement
valid_pairs = [corrupted_rows(rows, valid_dice) for rows in masked_rows["valid"][:runtime.pick(48, 256)].split(16)]


@torch.no_grad()
def head_valid(params: dict[str, Tensor]) -> float:
    return accumulate(valid_pairs, lambda pair: head_loss(params, pair), lambda loss: [loss])[0]


head, head_states, curve = fresh_head, {}, {0: head_valid(fresh_head)}
head_steps = runtime.pick(48, 400)
bar = runtime.progress(range(1, head_steps + 1), "masked head")
for step in bar:
    picked = torch.randint(len(masked_rows["train"]), (8,), generator=head_dice)
    head, head_states, loss = train_step(head, head_states, [corrupted_rows(masked_rows["train"][picked], head_dice)], head_loss,
                                         lr_schedule(step, 2e-3, 1e-4, 5, head_steps), **recipe)
    if step % (head_steps // 8) == 0:
        curve[step] = head_valid(head)
        bar.set_postfix(train=f"{loss:.2f}", valid=f"{curve[step]:.2f}")
ceiling = head_valid(course_head)
fig, ax = plots.figure(size=(7.0, 2.7))
ax.plot(list(curve), list(curve.values()), "o-", color=plots.BLUE)
ax.axhline(ceiling, color=plots.GREY, ls="--", lw=1.2)
ax.text(0, ceiling, f"the course's own head: {ceiling:.2f}", va="bottom", fontsize=9)
ax.set(xlabel="step", ylabel="validation loss (nats)", ylim=(0, None))
plots.caption(fig, f"A new head on a frozen encoder: {curve[0]:.2f} nats before, {curve[head_steps]:.2f} after {head_steps} steps "
              "of 1,024 tokens.",
              f"The validation loss falls from {curve[0]:.1f} to {curve[head_steps]:.1f}; the course's own head, a dashed "
              f"line, is at {ceiling:.1f}.")

# %% [markdown]
# ## Spot the bug
#
# Gradient accumulation as it was written in half of all training scripts, and for years in `transformers` (issue 24725 of
# 2023; pull requests 34191 and 34198 of October 2024 changed it). Batches are padded, texts have different lengths.
#
# ```python
# for k, batch in enumerate(loader):
#     loss = model(**batch).loss            # labels: -100 at padding
#     (loss / accumulation_steps).backward()
#     if (k + 1) % accumulation_steps == 0:
#         optimizer.step()
#         optimizer.zero_grad()
# ```
#
# <details><summary>What is wrong?</summary>
#
# <code>loss</code> is a mean over the tokens of <em>its</em> micro-batch, and the loop takes the mean of these means. A
# token in a micro-batch with few tokens counts for more than one in a long micro-batch, so the result is not the gradient
# of the large batch, and depends on how it was cut. With equal lengths nothing is wrong, which is why tests on packed
# data did not find it. The cure is your <code>accumulate</code>: sums, and one division by the number of all labelled
# tokens. (There is a second slip at the end of the loader: the gradients of an incomplete group are still there when the
# next epoch begins.)
# </details>

# %% tags=["demo"]
draws = torch.Generator().manual_seed(0)
toy_rows = torch.randint(1, 23, (8, 16), generator=draws)
for row, length in enumerate((15, 2, 14, 3, 16, 2, 15, 4)):
    toy_rows[row, length:] = 0  # 0 is end-of-text, and padding
toy_model = toy_gpt2(3)
toy_weights = {name: p.detach().clone().requires_grad_() for name, p in toy_model.named_parameters()}
loss_of = lambda rows: causal_loss(toy_weights, rows, plain_config(toy_model.config), 0)
gradient_of = lambda loss: list(torch.autograd.grad(loss, list(toy_weights.values())))
flat = lambda grads: torch.cat([g.flatten() for g in grads])
whole_gradient = flat(gradient_of(loss_of(toy_rows)[0]))
errors = {"your accumulate": [], "mean of means": []}
for size in (8, 4, 2, 1):
    parts = list(toy_rows.split(size))
    by_mean = sum(flat(gradient_of(loss_of(part)[0])) for part in parts) / len(parts)
    for name, gradient in (("your accumulate", flat(accumulate(parts, loss_of, gradient_of)[1])), ("mean of means", by_mean)):
        errors[name].append(((gradient - whole_gradient).norm() / whole_gradient.norm()).item())
fig, ax = plots.figure(size=(7.0, 2.6))
for shift, (name, values), colour in zip((-0.2, 0.2), errors.items(), (plots.BLUE, plots.ORANGE)):
    ax.bar([place + shift for place in range(4)], [max(v, 2e-8) for v in values], 0.4, color=colour, label=name)
ax.set(yscale="log", ylim=(1e-8, 10), xlabel="micro-batches into which 8 texts are cut", ylabel="relative error")
ax.set_xticks(range(4), ["1", "2", "4", "8"])
ax.legend(loc="upper left")
plots.caption(fig, "How far the accumulated gradient is from that of the whole batch, on a toy with texts of 2 to 16 tokens.",
              "Bars on a logarithmic scale. With your accumulate the error is that of rounding however the batch is cut; with "
              "the mean of means it is " + ", ".join(f"{e:.0%}" for e in errors["mean of means"][1:]) + " for 2, 4 and 8 micro-batches.")

# %% [markdown]
# ## Recap
#
# - Pretraining is maximum likelihood on found text, which is minimum cross-entropy: one *arg*, two ways to write it.
#   Post-training takes thousandths of it and gives a manner.
# - Objectives differ in what is hidden and who sees whom: the next token (causal), 15 % of the tokens with 80/10/10
#   (masked), real or replaced at every token, any factorisation order, a target given a source. Masks and teacher forcing
#   make all of them parallel in training.
# - Labels of −100 are not asked for. Where padding is end-of-text, only what follows a text's own end is padding.
# - Documents become one stream with an end-of-text after each; tails are kept or dropped on purpose.
# - GPT-2: learned positions, LayerNorm before each detour, one matrix for q, k, v, tanh-GELU, a tied head. A fresh
#   model's loss is about ln V. Set `n_positions`.
# - AdamW moves each weight by the ratio of two running means and shrinks it apart from that; warm-up and cosine; the
#   gradient is clipped as one vector; micro-batches count by their tokens.
# - Training loss near 0 and validation loss above a guess: learned by heart. Recitation appears at once, since every
#   token must be right.
# - Pretrained weights are shared because they are dear to make and cheap to adapt.
#
# Covers: B2, B7, B17, B18, B19, B20, B21, B22, B23, B24, B25, B26, B27
#
# **Words to keep**
#
# | term | meaning |
# |---|---|
# | objective | what is hidden from the model and asked of it |
# | label −100 | a position whose answer is not asked for |
# | teacher forcing | in training, the true tokens so far are the input |
# | 80/10/10 | masked, random, unchanged: what the chosen 15 % are shown as |
# | generator, discriminator | who replaces tokens, and who finds out (ELECTRA) |
# | factorisation order | in which order tokens are predicted, wherever they stand |
# | chunk, tail, overflow | a row of the stream; what is left of it; what goes into the next row |
# | Conv1D | GPT-2's linear layer: (in, out), x @ w + b |
# | AdamW, bias correction, decoupled decay | the optimiser; repair of means that start from 0; shrinking apart from the gradient |
# | warm-up, cosine schedule | how the learning rate rises and falls |
# | clipping | a bound on the length of the whole gradient |
# | micro-batch, accumulation | a part of a batch; adding up gradients before one step |
# | epoch | one pass over all training rows |
# | overfitting, memorisation | low loss on what was seen only; reciting it |
# | bits per byte | loss that does not depend on the tokenizer |
#
# **References**
#
# - L. B. Allal et al. (2025). SmolLM2: When Smol goes big. arXiv:2502.02737.
# - J. L. Ba, J. R. Kiros, G. E. Hinton (2016). Layer normalization. arXiv:1607.06450.
# - T. B. Brown et al. (2020). Language models are few-shot learners. *NeurIPS*.
# - N. Carlini, D. Ippolito, M. Jagielski, K. Lee, F. Tramèr, C. Zhang (2023). Quantifying memorization across neural
#   language models. *ICLR*.
# - K. Clark, M.-T. Luong, Q. V. Le, C. D. Manning (2020). ELECTRA: Pre-training text encoders as discriminators rather
#   than generators. *ICLR*.
# - J. Devlin, M.-W. Chang, K. Lee, K. Toutanova (2019). BERT: Pre-training of deep bidirectional transformers for
#   language understanding. *NAACL*.
# - D. Hendrycks, K. Gimpel (2016). Gaussian error linear units (GELUs). arXiv:1606.08415.
# - D. P. Kingma, J. Ba (2015). Adam: A method for stochastic optimization. *ICLR*.
# - I. Loshchilov, F. Hutter (2017). SGDR: Stochastic gradient descent with warm restarts. *ICLR*.
# - I. Loshchilov, F. Hutter (2019). Decoupled weight decay regularization. *ICLR*.
# - R. Pascanu, T. Mikolov, Y. Bengio (2013). On the difficulty of training recurrent neural networks. *ICML*.
# - A. Radford, J. Wu, R. Child, D. Luan, D. Amodei, I. Sutskever (2019). Language models are unsupervised multitask
#   learners. OpenAI.
# - C. Raffel et al. (2020). Exploring the limits of transfer learning with a unified text-to-text transformer. *JMLR* 21.
# - I. Sutskever, O. Vinyals, Q. V. Le (2014). Sequence to sequence learning with neural networks. *NeurIPS*.
# - H. Touvron et al. (2023b). Llama 2: Open foundation and fine-tuned chat models. arXiv:2307.09288.
# - R. J. Williams, D. Zipser (1989). A learning algorithm for continually running fully recurrent neural networks.
#   *Neural Computation* 1.
# - Z. Yang, Z. Dai, Y. Yang, J. Carbonell, R. Salakhutdinov, Q. V. Le (2019). XLNet: Generalized autoregressive
#   pretraining for language understanding. *NeurIPS*.
#
# **Next**: 07, scaling: what changes when the model, the data and the machine all become a thousand times as large.

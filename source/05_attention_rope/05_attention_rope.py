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
# # 05 · Attention and rotary positions: the model, rebuilt
#
# Between the embedding table and the logits of unit 04 there was a grey box with thirty blocks in it. In this unit you
# open it and write every line of what is inside: who looks at whom, how a model without a clock knows what came first,
# what a block does with what it saw. At the end there is a function of about ten lines, `llama_logits`, which takes the
# weights of a real language model and gives its logits. No `nn.Module`, nothing imported from `transformers`. Then you
# make it fast, and it writes.
#
# **You will be able to**
#
# - write attention from its formula, and say what queries, keys and values are for;
# - show that attention by itself cannot tell *dog bites man* from *man bites dog*, and mend it with rotary positions;
# - split vectors into heads, share keys and values among query heads, and read the patterns of a real model's heads;
# - build a Llama block and a whole Llama from a dictionary of weights;
# - decode with a cache of keys and values, and know what it saves.
#
# **Before you start**: unit 04 (logits, softmax, greedy decoding), unit 03 for the module tree, and fluency with
# `reshape`, `transpose` and broadcasting. Everything runs on a CPU: about a minute for all ordinary cells and one or two
# more for the `lab` cell. A GPU is not needed.
#
# **Your time**: about five hours. **Points**: 40, of which 3 are for a written answer that a person reads.
#
# | section | you write | points |
# |---|---|---|
# | 2 Who looks at whom | `causal_mask`, `scaled_dot_product_attention`, a written answer | 2 + 4 + 3 |
# | 4 Rotary positions | `rope_angles`, `apply_rope` | 2 + 4 |
# | 5 Many heads | `split_heads`, `merge_heads`, `repeat_kv`, `multi_head_attention` | 1 + 1 + 2 + 4 |
# | 6 The rest of the block | `rms_norm`, `swiglu`, `llama_block` | 3 + 2 + 3 |
# | 7 The whole model | `llama_logits` | 4 |
# | 8 Never compute it twice | `decode_step` | 5 |

# %%
import copy
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call
from transformers import AutoModelForCausalLM, LlamaConfig
from transformers.models.llama.modeling_llama import (
    LlamaMLP,
    LlamaRMSNorm,
    LlamaRotaryEmbedding,
    apply_rotary_pos_emb,
)

from helpers import checks as check
from helpers import models, plots, runtime

torch.set_grad_enabled(False)  # nothing is trained in this unit: no gradients, less memory
model, tokenizer = models.load(device="cpu")

# %% [markdown]
# `model` is SmolLM2-135M-Instruct (Allal et al. 2025), whose architecture is Llama's. Your functions will not see it. They
# get two plain things instead: `weights`, a dictionary from names to tensors, and `config`, a dictionary of the few
# numbers that the weights alone do not tell. Everything else about the model is code, and the code will be yours.

# %%
def plain_config(config) -> dict[str, int | float]:
    """The numbers of a Llama configuration that a forward pass needs, under the names that transformers gives them."""
    return {
        "num_hidden_layers": config.num_hidden_layers,  # blocks
        "hidden_size": config.hidden_size,  # D, the width of the residual stream
        "num_attention_heads": config.num_attention_heads,  # query heads
        "num_key_value_heads": config.num_key_value_heads,  # key and value heads
        "head_dim": config.head_dim,
        "rms_norm_eps": config.rms_norm_eps,
        "rope_theta": config.rope_parameters["rope_theta"],
    }


def layer_weights(weights: dict[str, Tensor], layer: int) -> dict[str, Tensor]:
    """The weights of one block, with names such as `self_attn.q_proj.weight`."""
    start = f"model.layers.{layer}."
    return {name.removeprefix(start): w for name, w in weights.items() if name.startswith(start)}


weights, config = dict(model.state_dict()), plain_config(model.config)

# %% tags=["demo"]
print(config)
print(f"\n{len(weights)} tensors. Outside the blocks:")
for name, w in weights.items():
    if ".layers." not in name:
        print(f"  {name:<42} {tuple(w.shape)}")
print("In each of the blocks:")
for name, w in layer_weights(weights, 0).items():
    print(f"  {name:<42} {tuple(w.shape)}")

# %% [markdown]
# All matrices have torch's layout, **(out, in)**: a layer computes `x @ w.T`. There are no biases anywhere.
#
# To be sure that your functions work for any Llama, most tests try them on **toys**: two layers, random weights, another
# number of heads, another $\theta$, another $\varepsilon$. The next cell makes them. You need not read it.

# %%
def toy_llama(seed: int, **changes):
    """A small Llama with random weights, those of the norms included. `changes` go to its configuration."""
    theta = changes.pop("rope_theta", 100.0)
    sizes = {"vocab_size": 29, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 2,
             "num_attention_heads": 6, "num_key_value_heads": 2, "rms_norm_eps": 0.05} | changes
    made = AutoModelForCausalLM.from_config(LlamaConfig(
        **sizes, max_position_embeddings=4096, tie_word_embeddings=False, bos_token_id=0, eos_token_id=1,
        rope_parameters={"rope_type": "default", "rope_theta": theta})).eval()
    generator = torch.Generator().manual_seed(seed)
    for weight in made.parameters():
        if weight.ndim == 1:
            weight.data.uniform_(0.5, 1.5, generator=generator)
        else:
            weight.data.normal_(0, 0.25, generator=generator)
    return made


def replaced(module: nn.Module, name: str, part: nn.Module) -> nn.Module:
    """A copy of `module` in which `part` stands in place of the part called `name`."""
    made = copy.deepcopy(module)
    made.set_submodule(name, part)
    return made


def toy_layer(toy, x: Tensor, positions: Tensor, layer: nn.Module | None = None, **changed: Tensor) -> Tensor:
    """What transformers' own first block makes of x, with the weights in `changed` (name with _ for .) exchanged."""
    layer = layer or toy.model.layers[0]
    names = {name.replace(".", "_"): name for name, _ in layer.named_parameters()}
    return functional_call(layer, {names[name]: w for name, w in changed.items()}, (x,),
                           {"position_embeddings": toy.model.rotary_emb(x, positions[None])})


# %% [markdown]
# And one for the things to play with: sliders where somebody can move them, one picture where nobody can.

# %% tags=["demo"]
from helpers.widgets.interact import play, slider

# %% [markdown]
# ## 1. Three transformations
#
# A text of $T$ tokens goes through a Llama in three steps (Vaswani et al. 2017, §3; Touvron et al. 2023, §2.2):
#
# 1. The **input transformation** looks up a row of the embedding table for each token: a matrix $X$ of $T \times D$.
# 2. Each **block** maps $T \times D$ to $T \times D$, so that they can be stacked like bricks. It does two things, and
#    *adds* each to what is there. **Attention** moves information between positions; the **MLP** works on each position
#    alone.
# 3. The **output transformation**, one more norm and `lm_head`, turns each of the $T$ rows into $V$ logits.
#
# $$ X \leftarrow X + \mathrm{Attention}(\mathrm{norm}(X)), \qquad X \leftarrow X + \mathrm{MLP}(\mathrm{norm}(X)) $$
#
# What runs from bottom to top and is only ever added to is called the **residual stream** (Elhage et al. 2021).

# %% tags=["demo"]
fig, ax = plots.figure(size=(9.6, 4.4))


def box(x, y, text, colour):
    ax.text(x, y, text, ha="center", va="center", color="white", weight="bold", fontsize=10,
            bbox={"boxstyle": "round,pad=0.5", "facecolor": colour, "edgecolor": "none"})


def arrow(start, end, colour=plots.INK, bend=0.0):
    ax.annotate("", end, start, arrowprops={"arrowstyle": "->", "lw": 1.8, "color": colour,
                                            "connectionstyle": f"arc3,rad={bend}"})


arrow((1.5, -0.4), (1.5, 6.6))
for height, text, colour in ((0.4, "embedding", plots.GREEN), (1.7, "block 0", plots.BLUE), (2.7, "block 1", plots.BLUE),
                             (4.3, "block 29", plots.BLUE), (5.4, "norm and lm_head", plots.GREEN)):
    box(1.5, height, text, colour)
ax.text(1.5, 3.5, "⋮", ha="center", va="center", fontsize=15, color=plots.INK, backgroundcolor=plots.CARD)
for height, text in ((-0.35, "ids  (T)"), (1.05, "T × D"), (2.2, "T × D"), (4.85, "T × D"), (6.2, "logits  (T × V)")):
    ax.text(1.75, height, text, family="monospace", fontsize=9, va="center")
arrow((6.0, -0.4), (6.0, 6.6))
for low, what, note, colour in ((0.3, "attention", "mixes positions", plots.ORANGE),
                                (3.4, "MLP", "one position at a time", plots.PURPLE)):
    arrow((6.0, low), (7.6, low + 0.55), plots.GREY, 0.25)
    box(7.8, low + 0.65, "norm", plots.GREY)
    arrow((7.8, low + 0.95), (7.8, low + 1.4), plots.GREY)
    box(7.8, low + 1.65, what, colour)
    arrow((7.6, low + 1.95), (6.2, low + 2.35), plots.GREY, 0.25)
    ax.text(6.0, low + 2.4, "+", ha="center", va="center", color="white", weight="bold", fontsize=12,
            bbox={"boxstyle": "circle,pad=0.15", "facecolor": plots.INK, "edgecolor": "none"})
    ax.text(8.5, low + 1.65, note, va="center", fontsize=10)
ax.text(5.7, 3.1, "residual stream", rotation=90, ha="right", va="center", fontsize=10)
ax.text(6.0, 6.8, "one block", ha="center", weight="bold")
ax.text(1.5, 6.8, "the model", ha="center", weight="bold")
ax.set(xlim=(0, 10.4), ylim=(-0.6, 7.1))
ax.axis("off")
plots.caption(fig, "Left: input transformation, 30 blocks, output transformation. Right: inside one block, two detours "
              "from the residual stream, and what comes back is added.",
              "Left: a column of boxes: embedding, blocks 0 to 29, norm and lm_head; the matrices between them are T by D. "
              "Right: a vertical line, the residual stream; two detours leave it, through norm and attention and through "
              "norm and MLP, and each joins it again at a plus sign.")

# %% [markdown]
# **Predict first.** The model has 134.5 million weights. Which part holds most of them: the embedding table, the
# attention matrices or the MLPs?
#
# <details><summary>Answer</summary>
#
# The MLPs, almost 60 %. A block's four attention matrices hold 0.88 million weights, its three MLP matrices 2.65 million.
# In a model as small as this one the embedding table (49,152 × 576 = 28.3 million) is larger than all attention together;
# in large models its share is a few per cent.
# </details>

# %% tags=["demo"]
shares = {"embedding (= lm_head)": 0, "attention": 0, "MLP": 0, "norms": 0}
for name, parameter in model.named_parameters():  # the tied lm_head is counted once
    kind = ("attention" if "self_attn" in name else "MLP" if ".mlp." in name
            else "norms" if "norm" in name else "embedding (= lm_head)")
    shares[kind] += parameter.numel()
for kind, count in shares.items():
    print(f"{kind:<24}{count:>13,}")
fig, ax = plots.figure(size=(6.4, 2.2))
plots.bars(ax, list(shares), torch.tensor(list(shares.values()), dtype=torch.float64) / sum(shares.values()))
ax.set(xlabel="share of all weights")
plots.caption(fig, f"Where the model's {sum(shares.values()):,} weights are.",
              "Four bars: MLP nearly 60 per cent, embedding 21, attention 20, norms next to nothing.")

# %% [markdown]
# ## 2. Who looks at whom
#
# To say what comes after *The keys to the cabinet*, the position of *cabinet* has to learn that there are *keys*. Attention
# is how. Each position sends out a **query** $q$ ("what am I looking for?"), shows a **key** $k$ ("what do I offer?"), and
# holds a **value** $v$ ("what do I hand over?"). All three are linear maps of the same vector. Position $i$ scores every
# position $j$ by $q_i \cdot k_j$, a softmax makes the scores shares that sum to 1, and what it gets is the mean of the
# values, weighted by these shares:
#
# $$ \mathrm{Attention}(Q, K, V) = \mathrm{softmax}\!\left(\frac{Q K^\top}{\sqrt{d_k}}\right) V
#    \qquad \text{(Vaswani et al. 2017, eq. 1)} $$
#
# With $T_q$ queries and $T_k$ keys of $d_k$ numbers and values of $d_v$, the scores are a $T_q \times T_k$ table and the
# result is $T_q \times d_v$. Nothing in the formula asks that $T_q = T_k$, and in section 8 they will differ.
#
# **Predict first.** Let the numbers in $q$ and $k$ be independent, with mean 0 and variance 1. How large is $q \cdot k$
# typically when $d_k = 64$: about 1, about 8, about 64? And what would a softmax make of a few hundred such scores?
#
# <details><summary>Answer</summary>
#
# About 8: a sum of 64 products, each of variance 1, has variance 64 and standard deviation √64. Among a few hundred scores
# with a spread of 8 the largest lead by several units, so the softmax gives nearly everything to one or two keys, and little
# gradient is left for the others. Dividing by √d<sub>k</sub> brings the spread back to 1 whatever d<sub>k</sub> is. That is all the root is for.
# </details>

# %% tags=["demo"]
def show_scale(d: float) -> None:
    generator = torch.Generator().manual_seed(0)
    query, keys = torch.randn(int(d), generator=generator), torch.randn(16, int(d), generator=generator)
    raw = keys @ query
    fig, axes = plots.figure(1, 2, size=(9.0, 2.6), sharey=True)
    for ax, scores, title in zip(axes, (raw, raw / math.sqrt(d)), ("q · k", "q · k / √d"), strict=True):
        ax.bar(range(16), torch.softmax(scores, 0).numpy(), color=plots.BLUE)
        ax.set(title=f"softmax of {title}", xlabel=f"key; the scores spread by {scores.std():.1f}", ylim=(0, 1),
               xticks=range(0, 16, 5))
    axes[0].set(ylabel="share")
    plots.caption(fig, f"One random query of {int(d)} numbers, 16 random keys. Move the slider.",
                  "Two bar charts of 16 shares. Without the root, one key takes nearly all; with it, all have a part.")


play(show_scale, d=slider(64, 1, 512, 1, "d"))

# %% [markdown]
# ### No looking ahead
#
# A causal model predicts token $t + 1$ from the tokens up to $t$. If position $t$ could look at position $t + 1$, it would
# find the answer there, and learn nothing but to copy it. A **mask** forbids it: a table of booleans, one row for each
# query and one column for each key, `True` where the query **may** look (torch's convention; others use the opposite).
#
# When there are fewer queries than keys, the queries are the *last* positions: the others have been computed before.
#
# ### Exercise: `causal_mask` (2 points, 10 minutes)
#
# Write `causal_mask(n_queries, n_keys)`: a bool tensor of shape (n_queries, n_keys), `True` where query i may see key j. A
# query sees its own position and everything before it. The last query lines up with the last key, so query i sees key j
# when $j \le i + n_\text{keys} - n_\text{queries}$. You may assume `1 <= n_queries <= n_keys`.
#
# <details><summary>Hint 1</summary>Write the 3 × 3 table on paper. Which triangle is it, and is the diagonal in it?</details>
# <details><summary>Hint 2</summary>Now 2 queries and 5 keys: the bottom row is all <code>True</code>, the row above lacks
# one.</details>
# <details><summary>Hint 3</summary><code>torch.ones(..., dtype=torch.bool).tril(diagonal)</code> keeps the entries with
# <code>j &lt;= i + diagonal</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "causal_mask", "locked": false, "schema_version": 3, "solution": true, "task": false}
def causal_mask(n_queries: int, n_keys: int) -> Tensor:
    """Bool (n_queries, n_keys): True where query i may see key j.

    The last query lines up with the last key, so j <= i + n_keys - n_queries.
    """
    ### BEGIN SOLUTION
    return torch.ones(n_queries, n_keys, dtype=torch.bool).tril(n_keys - n_queries)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_causal_mask", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
want = torch.tensor([[1, 0, 0], [1, 1, 0], [1, 1, 1]]).bool()
check.equal(causal_mask(3, 3), want, mistakes={
    "the future leaks: query 0 sees keys 1 and 2; keep the lower triangle": want.T,
    "a token sees itself too: keep the diagonal": want & ~torch.eye(3).bool(),
    "the other way round: True where the query may look": ~want,
    "the other way round: True where the query may look, and a token may look at itself": ~want.T,
})
check.equal(causal_mask(2, 5), torch.tensor([[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]).bool(), mistakes={
    "the last query lines up with the last key, not the first with the first":
        torch.tensor([[1, 0, 0, 0, 0], [1, 1, 0, 0, 0]]).bool(),
})
### BEGIN HIDDEN TESTS
check.equal(causal_mask(1, 4), torch.ones(1, 4, dtype=torch.bool), hint="a cached decode step sees every key")
for n_queries, n_keys in ((1, 1), (2, 2), (5, 5), (3, 7), (6, 7)):
    table = [[j - i <= n_keys - n_queries for j in range(n_keys)] for i in range(n_queries)]
    check.equal(causal_mask(n_queries, n_keys), torch.tensor(table), hint=f"wrong for {n_queries} queries, {n_keys} keys")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise: `scaled_dot_product_attention` (4 points, 20 minutes)
#
# Write `scaled_dot_product_attention(q, k, v, mask)`, the formula above: `q` (..., T_q, d), `k` (..., T_k, d), `v`
# (..., T_k, d_v), result (..., T_q, d_v) of the same dtype. Whatever stands for `...` (batch, heads, nothing) is the same
# in all three. `mask` is `None`, or a bool tensor that broadcasts to (..., T_q, T_k), `True` where a query may look; each
# query may look at one key at least. A forbidden key gets a share of exactly 0, however low the scores of the others are,
# and the others still sum to 1. The softmax must survive large scores, positive and negative (use `torch.softmax`, or yours
# of unit 04). Leave the arguments as they were. Do not call torch's function of the same name: it is what you are compared
# with.
#
# <details><summary>Hint 1</summary>What must a score be so that its exponential is 0?</details>
# <details><summary>Hint 2</summary>Transpose the last two axes of <code>k</code> with <code>k.mT</code>; the softmax runs
# over the <em>keys</em>, the last axis of the table.</details>
# <details><summary>Hint 3</summary><code>scores = q @ k.mT / math.sqrt(d)</code>, then
# <code>scores.masked_fill(~mask, -math.inf)</code> before the softmax, then <code>@ v</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "scaled_dot_product_attention", "locked": false, "schema_version": 3, "solution": true, "task": false}
def scaled_dot_product_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """softmax(q k^T / sqrt(d)) v; Vaswani et al. 2017, eq. 1.

    q: (..., T_q, d), k: (..., T_k, d), v: (..., T_k, d_v). mask: None, or bool, broadcasting to (..., T_q, T_k), True
    where a query may look. Returns (..., T_q, d_v).
    """
    ### BEGIN SOLUTION
    scores = q @ k.mT / math.sqrt(q.shape[-1])  # (..., T_q, T_k)
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return torch.softmax(scores, -1) @ v
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_scaled_dot_product_attention", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
# One query of length 4, three keys; q · k / 2 is log 6, log 3, log 1, so the shares are 6, 3 and 1 tenths.
one_q = torch.tensor([[2.0, 0.0, 0.0, 0.0]])
three_k = torch.tensor([6.0, 3.0, 1.0]).log()[:, None] * torch.tensor([1.0, 0.0, 0.0, 0.0])
three_v = torch.tensor([[100.0, 0.0], [0.0, 10.0], [1.0, 1.0]])
mean = lambda *shares: torch.tensor([shares]).float() @ three_v
part = lambda *odds: mean(*[o / sum(odds) for o in odds])
given = (one_q, three_k, three_v, torch.tensor([[True, False, True]]))
left = check.beside(lambda f, *t: (f(*t), t)[1], scaled_dot_product_attention, *given)
check.equal(left, given, hint="you changed an argument in place")
check.close(scaled_dot_product_attention(one_q, three_k, three_v, None), part(6, 3, 1), mistakes={
    "the scores are not divided by the root of d": part(36, 9, 1),
    "you divided by d, not by its square root": part(6**0.5, 3**0.5, 1),
    "you divided by the root of the number of keys, not of d": part(*[x ** (2 / 3**0.5) for x in (6, 3, 1)]),
    "the softmax runs over the queries: it belongs on the last axis, the keys": mean(1, 1, 1),
    "these are the scores times v: a softmax is missing": mean(math.log(6), math.log(3), 0),
    "the exponentials are not divided by their sum": mean(6, 3, 1),
})
check.close(scaled_dot_product_attention(one_q, three_k, three_v, torch.tensor([[True, False, True]])), part(6, 0, 1),
            mistakes={
    "the mask is upside down: True means that the query may look": mean(0, 1, 0),
    "the mask changed nothing": part(6, 3, 1),
    "you masked after the softmax, so the shares no longer sum to 1": mean(0.6, 0, 0.1),
    "a score of 0 is not a share of 0, since exp(0) is 1: use minus infinity": part(6, 1, 1),
    "you added the mask to the scores as a number": part(6 * math.e, 3, math.e),
    "you multiplied the scores by the mask; exp(0) is 1, so use minus infinity": part(6, 1, 1),
})
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(0)
many_q, many_k = torch.randn(2, 3, 4, 8, generator=generator), torch.randn(2, 3, 6, 8, generator=generator)
many_v = torch.randn(2, 3, 6, 5, generator=generator)
lower = torch.ones(4, 6).tril(2).bool()
padding = torch.tensor([[0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1]])[:, None, None].bool()  # of each text: (2, 1, 1, 6)
for name, a_mask in (("no mask", None), ("a causal mask", lower), ("a mask for each text", padding),
                     ("a mask for each text and query", padding & lower)):
    check.close(scaled_dot_product_attention(many_q, many_k, many_v, a_mask),
                F.scaled_dot_product_attention(many_q, many_k, many_v, a_mask),
                hint=f"wrong with four queries, six keys, 2 x 3 heads and {name}")
for cut in (many_q[0, 0], many_q[0, 0, :1]):
    check.close(scaled_dot_product_attention(cut, many_k[0, 0], many_v[0, 0], None),
                F.scaled_dot_product_attention(cut, many_k[0, 0], many_v[0, 0]), hint="wrong without batch and heads")
check.close(scaled_dot_product_attention(many_q * 300, many_k, many_v, lower),
            F.scaled_dot_product_attention(many_q * 300, many_k, many_v, lower), atol=1e-3,
            hint="large scores overflow: subtract the largest before exponentiating, or call torch.softmax")
# Two visible keys with a score of -300,000 each, and a forbidden one with a score of 0 between them.
low_q, low_k = torch.tensor([[1000.0, 0, 0, 0]]), torch.tensor([[-600.0, 0, 0, 0], [0, 0, 0, 0], [-600.0, 0, 0, 0]])
check.close(scaled_dot_product_attention(low_q, low_k, three_v, torch.tensor([[True, False, True]])), mean(0.5, 0, 0.5),
            mistakes={"a forbidden key has all of the share: -10,000 or so is not low enough where scores are lower; "
                      "use minus infinity": mean(0, 1, 0)},
            hint="wrong where the visible keys have scores far below 0 and a forbidden one has not")
short = [t.bfloat16() for t in (many_q, many_k, many_v)]
check.close(scaled_dot_product_attention(*short, lower), F.scaled_dot_product_attention(*short, lower), atol=5e-2,
            hint="wrong in bfloat16: what goes in as bfloat16 comes out as bfloat16")
### END HIDDEN TESTS

# %% [markdown]
# Ten lines of yours, and they fit the real model: `transformers` lets you register an attention function of your own. The
# next cell puts yours into all thirty layers. (What happens to the heads on the way is for section 5.)

# %% tags=["demo"]
from transformers import AttentionInterface


def your_attention(module, query, key, value, attention_mask, **options):
    sharing = query.shape[1] // key.shape[1]
    key, value = (t.repeat_interleave(sharing, 1) for t in (key, value))
    mixed = scaled_dot_product_attention(query, key, value, causal_mask(query.shape[2], key.shape[2]))
    return mixed.transpose(1, 2).contiguous(), None


AttentionInterface.register("yours", your_attention)
seine = tokenizer("The capital of France is Paris. It lies on the river Seine.", return_tensors="pt").input_ids
original, usual = model(seine).logits, model.config._attn_implementation
model.set_attn_implementation("yours")
try:
    with_yours = model(seine).logits
finally:
    model.set_attn_implementation(usual)
check.close(with_yours, original, atol=1e-3, hint="the logits differ with your attention inside")
print(f"largest difference of a logit with your attention in all layers: {(with_yours - original).abs().max():.1e}")

# %% [markdown]
# ### Written answer (3 points): queries, keys and values
#
# A colleague proposes to save weights: *"Query, key and value are all made from the same vector. Let us use one matrix for
# all three."* In five to eight sentences: what is the role of each of the three in attention? What could a head no longer
# do if queries and keys came from the same matrix? And what if the values were the keys?

# %% [markdown] nbgrader={"grade": true, "grade_id": "written_qkv", "locked": false, "points": 3, "schema_version": 3, "solution": true, "task": false}
# ### BEGIN SOLUTION
# The query of a position says what it is looking for, the key of a position says as what it wants to be found, and their
# dot product is the score of the pair: together they decide *where* information comes from. The value says *what* is
# handed over once a position has been chosen; it has no part in the choice. The output is the mean of the values, weighted
# by the softmax of the scores.
#
# With one matrix for queries and keys the table of scores would be symmetric (before mask and positions): if *cabinet*
# looks at *keys*, *keys* would look at *cabinet* just as much. And the score of a vector with itself is its squared
# length, so a position would tend to look at itself. A head that looks from a verb to its subject, but not back, needs two
# different maps.
#
# If the values were the keys, a position could only hand over what it is found by. A head that finds the previous noun
# by the mark "I am a noun" should then bring its number or its meaning, not the mark. With a matrix of their own, values
# can carry what the next layers need, whatever made the position win.
#
# *For the grader, one mark each: queries and keys choose where from, values are what is moved; a shared query and key
# matrix makes the scores symmetric (or makes a position favour itself); values must be free to differ from what is matched
# on.*
# ### END SOLUTION

# %% [markdown]
# ## 3. Attention does not see the order
#
# Look at the formula again: where does it say which key came first? Nowhere. Let $P$ shuffle the rows of $X$. Then the
# queries, keys and values are shuffled in the same way, the rows *and* columns of the score table are, and so, in the end,
# are the rows of the result (Lee et al. 2019, §3.1, property 1 for self-attention blocks without positions):
#
# $$ \mathrm{Attention}(PX) = P \, \mathrm{Attention}(X) $$
#
# This is called **permutation equivariance**. Without positions, a text is a bag of words.
#
# **Predict first.** Take the real model's first layer, without mask and without positions. Feed it *dog bites man* and
# *man bites dog*. What does the position of *bites* get in the two cases?
#
# <details><summary>Answer</summary>
#
# The same vector, up to rounding: the same three keys with the same scores, the same three values. Who bites whom is lost.
# The positions of <em>dog</em> and <em>man</em> get the same too; they have merely changed places.
# </details>

# %% tags=["demo"]
first = layer_weights(weights, 0)


def ids_of(text: str) -> Tensor:
    return tokenizer(text, return_tensors="pt").input_ids[0]


def one_head(ids: Tensor, head: int, mask=None, positions: Tensor | None = None) -> Tensor:
    """Output (T, 64) of one head of the real model's first layer; with positions, rotated by apply_rope of section 4."""
    x = model.model.layers[0].input_layernorm(weights["model.embed_tokens.weight"][ids])
    own, shared = slice(64 * head, 64 * head + 64), slice(64 * (head // 3), 64 * (head // 3) + 64)
    q, k = x @ first["self_attn.q_proj.weight"][own].T, x @ first["self_attn.k_proj.weight"][shared].T
    if positions is not None:
        q, k = (apply_rope(t, positions, config["rope_theta"]) for t in (q, k))
    return scaled_dot_product_attention(q, k, x @ first["self_attn.v_proj.weight"][shared].T, mask)


def compare(title: str, positions: Tensor | None = None) -> None:
    there, back = (one_head(ids_of(text), 0, None, positions) for text in (" dog bites man", " man bites dog"))
    print(title)
    for place, word in enumerate(("dog", "bites", "man")):
        change = (there[place] - back[2 - place]).norm() / there[place].norm()
        print(f"  {word:<6} relative change when the order is reversed: {change:.1e}")


compare("without positions")

# %% [markdown]
# The whole experiment, for twenty shuffles of a longer sentence and all nine heads: shuffle the input, unshuffle the output,
# measure what changed.

# %% tags=["demo"]
def changes(ids: Tensor, mask=None) -> list[float]:
    generator, found = torch.Generator().manual_seed(0), []
    for _ in range(20):
        order = torch.randperm(len(ids), generator=generator)
        for head in range(9):
            before, after = one_head(ids, head, mask), one_head(ids[order], head, mask)
            found.append(((after - before[order]).norm() / before.norm()).item())
    return found


sentence = ids_of(" the old dog bites a young man near the river")
plain, masked = changes(sentence), changes(sentence, causal_mask(len(sentence), len(sentence)))
print(f"{len(plain)} comparisons; relative change without mask at most {max(plain):.1e}, "
      f"with a causal mask between {min(masked):.2f} and {max(masked):.2f}")
fig, ax = plots.figure(size=(7.2, 2.8))
for values, colour, name in ((plain, plots.BLUE, "no mask, no positions"), (masked, plots.ORANGE, "causal mask, no positions")):
    ax.scatter(values, torch.linspace(0, 1, len(values)).numpy(), s=14, color=colour, label=name)
ax.set(xscale="log", xlabel="relative change after shuffling and unshuffling", yticks=[], xlim=(1e-8, 10))
ax.legend(loc="upper center")
plots.caption(fig, "Attention without mask and positions does not notice a shuffle: what is left is rounding.",
              "A cloud of points at about one ten-millionth for attention without mask; another between 0.01 and 1 with a "
              "causal mask.")

# %% [markdown]
# The causal mask does notice. Each position sees another *set* of tokens when the order changes, so a mask lets a little of
# the order through, and decoders trained with no positions at all work surprisingly well (Haviv et al. 2022). But within
# what it sees, a position still sees a set: for the last token of a text, nothing changes in the first layer when the
# others are shuffled. To be told the distance of two words, attention needs more.
#
# ## 4. Rotary positions
#
# GPT-2 adds a learned vector for each position to the embeddings (Vaswani et al. 2017 used sines). **RoPE** (Su et al.
# 2021, §3.2.2), which Llama uses, adds nothing. It takes the $d$ numbers of a query or key as $d/2$ points in the plane and
# *rotates* each point by an angle that grows with the position $m$:
#
# $$ \text{angle}_{m,i} = m \, \theta^{-2i/d}, \qquad i = 0, \dots, d/2 - 1 $$
#
# Pair 0 turns by 1 radian at each step, like the hand for seconds; the last pair turns so slowly that it hardly moves over
# a whole text. The base $\theta$ is 10,000 in the paper and 100,000 in our model.
#
# Why rotate? A dot product depends on lengths and on the angle *between* two vectors. Rotate $q$ by $m$ and $k$ by $n$,
# and what is left is the difference:
#
# $$ \langle R_m q, \, R_n k \rangle = q^\top R_m^\top R_n k = \langle q, \, R_{n-m} k \rangle $$
#
# So the score of two words depends on their *distance*, and not on where in the text they stand.

# %% tags=["demo"]
fig, axes = plots.figure(1, 2, size=(7.6, 3.6))
for ax, speed, title in ((axes[0], 1.0, "pair 0: 1 radian a step"), (axes[1], 0.1, "a slower pair: 0.1 a step")):
    rim = torch.linspace(0, 2 * math.pi, 100)
    ax.plot(rim.cos().numpy(), rim.sin().numpy(), color=plots.FAINT, lw=1)
    for position in range(5):
        angle = 0.3 + speed * position
        ax.annotate("", (math.cos(angle), math.sin(angle)), (0, 0),
                    arrowprops={"arrowstyle": "->", "lw": 2, "color": plots.BLUE, "alpha": 1 - 0.16 * position})
        ax.text(1.16 * math.cos(angle), 1.16 * math.sin(angle), str(position), ha="center", va="center", fontsize=9)
    ax.set(title=title, xlim=(-1.35, 1.35), ylim=(-1.35, 1.35), aspect="equal")
    ax.axis("off")
plots.caption(fig, "Two pairs of the same query at positions 0 to 4.",
              "Two circles with five arrows each, numbered 0 to 4. On the left each is turned by a radian from the one "
              "before, on the right by a tenth of that.")

# %% [markdown]
# **Predict first.** All positions of a text are raised by 100 (as left padding does when nobody corrects it). What happens
# to the logits of our model? And of GPT-2?
#
# <details><summary>Answer</summary>
#
# In our model, nothing but rounding: every difference n − m is as before. GPT-2 adds other vectors to its embeddings, and
# its logits change. (You met this as a bug in unit 04; the cell after the next exercises does it to the real model.)
# </details>
#
# ### Exercise: `rope_angles` (2 points, 10 minutes)
#
# Write `rope_angles(positions, head_dim, theta)`: the table of angles above, in radians. `positions` is an int tensor of
# shape (T,) with any integers in any order (repeated, negative, thousands); `head_dim` is $d$, an even number. Return a
# float32 tensor of shape (T, head_dim / 2): row t holds the angles of position `positions[t]`, one for each pair.
#
# <details><summary>Hint 1</summary>First the d/2 frequencies, which do not depend on the position. What is the first, what
# comes last?</details>
# <details><summary>Hint 2</summary>The exponents 2i/d are <code>torch.arange(0, head_dim, 2) / head_dim</code>.</details>
# <details><summary>Hint 3</summary>A column (T, 1) times a row (d/2,) broadcasts to the table (T, d/2).</details>

# %% nbgrader={"grade": false, "grade_id": "rope_angles", "locked": false, "schema_version": 3, "solution": true, "task": false}
def rope_angles(positions: Tensor, head_dim: int, theta: float) -> Tensor:
    """Angles in radians, float32 (T, head_dim / 2): positions[t] * theta ** (-2i / head_dim); Su et al. 2021, §3.2.2.

    positions: (T,) ints, not necessarily 0, 1, 2, ...
    """
    ### BEGIN SOLUTION
    exponents = torch.arange(0, head_dim, 2, device=positions.device) / head_dim
    return positions[:, None] * theta**-exponents
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_rope_angles", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
got = rope_angles(torch.tensor([0, 1, 10, 3]), 4, 25.0)
check.shape(got, (4, 2), hint="one row for each position, one column for each of the head_dim / 2 pairs")
steps = torch.tensor([0.0, 1.0, 10.0, 3.0])[:, None]
check.close(got, steps * torch.tensor([1.0, 0.2]), mistakes={
    "the exponent is 2i / d, not i / d": steps * torch.tensor([1.0, 25**-0.25]),
    "the exponent is negative: the first pair turns fastest": steps * torch.tensor([1.0, 5.0]),
    "the exponent is 2i / d with i from 0": steps * torch.tensor([0.2, 0.04]),
    "you divided 2i by the number of pairs, not by d": steps * torch.tensor([1.0, 0.04]),
    "`theta` is an argument, not always 10,000": steps * torch.tensor([1.0, 0.01]),
    "you counted 0, 1, 2, ... instead of reading `positions`": torch.arange(4.0)[:, None] * torch.tensor([1.0, 0.2]),
    "the fastest pair comes first": steps * torch.tensor([0.2, 1.0]),
}, hint="wrong angles: positions times theta ** (-2i / head_dim), in float32")
### BEGIN HIDDEN TESTS
for places, d, base in (([5, -3, 5, 0, 8191], 64, 100000.0), ([7], 2, 10000.0), ([1000, 2, 400], 8, 500.0),
                        ([0, 1, 2], 16, 10000.0)):
    table = [[place * base ** (-2 * i / d) for i in range(d // 2)] for place in places]
    for kind in (torch.int64, torch.int32):
        check.close(rope_angles(torch.tensor(places, dtype=kind), d, base), torch.tensor(table), rtol=3e-5, atol=1e-9,
                    hint=f"wrong for head_dim={d}, theta={base:g} and positions that are not 0, 1, 2, ...")
### END HIDDEN TESTS

# %% tags=["demo"]
turns = rope_angles(torch.arange(64), 64, config["rope_theta"])
fig, ax = plots.figure(size=(8.4, 3.0))
plots.heatmap(ax, turns.cos().T, label="cosine of the angle", numbers=False)
ax.set(xlabel="position", ylabel="pair")
plots.caption(fig, "The real model's 32 hands at 64 positions. Fast ones tell neighbours apart, slow ones tell far from near.",
              "A heat map. The upper rows alternate quickly between blue and orange along the positions; below the first "
              "ten or so, rows stay blue throughout.")
slowest = 2 * math.pi / turns[1, -1].item()
print(f"The slowest hand takes {slowest:,.0f} tokens for one turn; the model was made for "
      f"{model.config.max_position_embeddings:,} positions.")

# %% [markdown]
# ### Which two numbers are a pair?
#
# In the paper, neighbours: numbers 0 and 1, 2 and 3, and so on (*interleaved*). Llama as `transformers` has it pairs number
# $i$ with number $i + d/2$ (*half-split*), which is easier to write for whole tensors. With $c$ and $s$ for cosine and sine
# of pair $i$'s angle:
#
# $$ y_i = c\,x_i - s\,x_{i + d/2}, \qquad y_{i + d/2} = s\,x_i + c\,x_{i + d/2} $$
#
# Both are fine as long as the weights were trained for, or converted to, the one that you use.
#
# ### Exercise: `apply_rope` (4 points, 25 minutes)
#
# Write `apply_rope(x, positions, theta)`: rotate each vector of `x` (..., T, head_dim) by the angles of its position,
# half-split. `positions` (T,) as before: `x[..., t, :]` stands at `positions[t]`. Same shape and dtype as `x`. Angles,
# cosines and sines are computed in float32 even if `x` is bfloat16 (`rope_angles` does so). Whether you round the finished
# cosines and sines to the dtype of `x`, as `transformers` does, or only the result, is up to you. Leave `x` as it was.
#
# <details><summary>Hint 1</summary>Cut <code>x</code> in two halves along the last axis. Rotating all pairs at once is the
# two lines of the formula.</details>
# <details><summary>Hint 2</summary><code>rope_angles(positions, x.shape[-1], theta)</code> has shape (T, d/2) and
# broadcasts against each half, (..., T, d/2).</details>
# <details><summary>Hint 3</summary><code>a, b = x.chunk(2, -1)</code>; join <code>a * cos - b * sin</code> and
# <code>a * sin + b * cos</code> with <code>torch.cat</code> along the last axis, then <code>.to(x.dtype)</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "apply_rope", "locked": false, "schema_version": 3, "solution": true, "task": false}
def apply_rope(x: Tensor, positions: Tensor, theta: float) -> Tensor:
    """Rotate queries or keys by their positions, half-split: number i is paired with number i + head_dim / 2.

    x: (..., T, head_dim). positions: (T,) ints. Returns a tensor of the same shape and dtype.
    """
    ### BEGIN SOLUTION
    angles = rope_angles(positions, x.shape[-1], theta)  # (T, head_dim / 2)
    cos, sin = angles.cos(), angles.sin()
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1).to(x.dtype)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_apply_rope", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
# Position 1, theta 100, four numbers: pair 0 turns by 1 radian, pair 1 by 0.1. The four unit vectors, one token each.
c, s, C, S = math.cos(1), math.sin(1), math.cos(0.1), math.sin(0.1)
units, ones = torch.eye(4), torch.ones(4, dtype=torch.int64)
turned = torch.tensor([[c, 0, s, 0], [0, C, 0, S], [-s, 0, c, 0], [0, -S, 0, C]])
check.close(apply_rope(units, ones, 100.0), turned, mistakes={
    "you rotated backwards: mind the sign of the sine": turned.T,
    "you paired neighbours (interleaved): pair number i with number i + d/2":
        torch.tensor([[c, s, 0, 0], [-s, c, 0, 0], [0, 0, C, S], [0, 0, -S, C]]),
    "both numbers of a pair turn by the same angle: repeat the whole row of angles, not each angle":
        torch.tensor([[c, 0, S, 0], [0, c, 0, S], [-s, 0, C, 0], [0, -s, 0, C]]),
    "nothing was rotated": units,
    "you counted 0, 1, 2, ... instead of reading `positions`": lambda: torch.stack([
        torch.tensor([1.0, 0, 0, 0]), turned[1],
        torch.tensor([-math.sin(2), 0, math.cos(2), 0]), torch.tensor([0, -math.sin(0.3), 0, math.cos(0.3)])]),
    "the halves are not mixed: one half of each rotation is missing": units * torch.tensor([c, C, c, C]),
    "that is a reflection: one of the two sines has a minus, not both or none": turned.abs(),
})
moved = apply_rope(torch.ones(3, 4), torch.tensor([7, 0, 7]), 100.0)
check.shape(moved, (3, 4))
check.close(moved[1], torch.ones(4), hint="position 0 is not rotated at all")
check.close(moved[0], moved[2], hint="tokens 0 and 2 stand at the same position and must be rotated alike")
### BEGIN HIDDEN TESTS
def rotated(x, places, base):
    """transformers' rotation of x (..., T, d)."""
    settings = LlamaConfig(head_dim=x.shape[-1], rope_parameters={"rope_type": "default", "rope_theta": base})
    flat = x.reshape(-1, 1, *x.shape[-2:])
    return apply_rotary_pos_emb(flat, flat, *LlamaRotaryEmbedding(settings)(flat, places[None]))[0].reshape(x.shape)


generator = torch.Generator().manual_seed(0)
places = torch.tensor([3, 900, -2, 3, 0])
one = torch.randn(1, 2, 1, 16, generator=generator)
check.equal(check.beside(lambda f, x, p: (f(x, p, 10.0), x)[1], apply_rope, one, torch.tensor([3])), one,
            hint="you changed `x` in place")
for shape, base in (((2, 3, 5, 8), 10000.0), ((5, 8), 500.0), ((1, 5, 64), 100000.0), ((2, 2, 2, 5, 2), 10000.0)):
    x = torch.randn(shape, generator=generator)
    check.close(apply_rope(x, places, base), rotated(x, places, base), atol=5e-4,
                hint=f"wrong for x of shape {shape}, theta={base:g} and positions in no order")
check.close(apply_rope(one, torch.tensor([41]), 10000.0), rotated(one, torch.tensor([41]), 10000.0), atol=1e-4,
            hint="wrong for a single token that stands at position 41")
low, late = torch.randn(2, 6, 16, generator=generator).bfloat16(), torch.arange(1001, 1007)
check.close(apply_rope(low, late, 10000.0), rotated(low.float(), late, 10000.0).bfloat16(), atol=8e-2,
            hint="wrong for bfloat16: it cannot hold an angle of 1001 radians; compute angles in float32")
### END HIDDEN TESTS

# %% [markdown]
# Now the promise, by experiment. One random query and one random key, placed at all pairs of positions: the table of scores
# has equal diagonals, since on a diagonal $m - n$ is the same. The curve on the right is the score of a vector with itself
# at distance $m - n$: with larger $\theta$ the hands turn more slowly and it falls off later.

# %% tags=["demo"]
generator = torch.Generator().manual_seed(3)
a_query, a_key = torch.randn(2, 64, generator=generator)
everywhere = torch.arange(40)


def show_distance(log_theta: float) -> None:
    theta = 10.0**log_theta
    table = (apply_rope(a_query.expand(40, 64), everywhere, theta) @ apply_rope(a_key.expand(40, 64), everywhere, theta).T)
    far = torch.arange(300)
    alike = apply_rope(torch.ones(300, 64), far, theta) @ torch.ones(64) / 64
    fig, (left, right) = plots.figure(1, 2, size=(9.6, 3.6))
    plots.heatmap(left, table, label="score", numbers=False)
    left.set(xlabel="position n of the key", ylabel="position m of the query", title="⟨R_m q, R_n k⟩")
    right.plot(far.numpy(), alike.numpy(), color=plots.BLUE)
    right.set(xlabel="distance m − n", ylabel="share of its score at distance 0", title="a vector of ones with itself")
    plots.caption(fig, f"Scores depend on the distance alone. theta = {theta:,.0f}.",
                  "Left: a heat map with constant diagonals. Right: a wiggling curve that falls from 1 at distance 0.")
    spread = max(table.diagonal(offset).std().item() for offset in range(-30, 31))
    print(f"largest spread along a diagonal: {spread:.1e}; over the whole table: {table.std():.1f}")


play(show_distance, log_theta=slider(5, 1, 6, 0.5, "log10 theta"))

# %% [markdown]
# The same on the real model: raise every position by 100, and by 1,000. And *dog bites man*, with positions at last:

# %% tags=["demo"]
river = tokenizer("The capital of France is Paris. It lies on the river Seine.", return_tensors="pt").input_ids
at_home = model(river).logits
for shift in (0, 100, 1000):
    away = model(river, position_ids=torch.arange(river.shape[1])[None] + shift).logits
    print(f"positions raised by {shift:>4}: largest change of a logit {(away - at_home).abs().max():.1e} "
          f"(logits range over {at_home.max() - at_home.min():.0f})")
stretched = model(river, position_ids=2 * torch.arange(river.shape[1])[None]).logits
print(f"positions doubled      : largest change of a logit {(stretched - at_home).abs().max():.1f}\n")
compare("first layer, one head, with rotary positions", torch.arange(3))

# %% [markdown]
# ### From one pairing to the other
#
# Half-split and interleaved differ by a permutation of the $d$ numbers and by nothing else: put number $i$ at place $2i$ and
# number $i + d/2$ at place $2i + 1$, and pairs become neighbours. If queries *and* keys are permuted alike, no dot product
# changes. That is why a checkpoint in one layout can be converted to the other by permuting the rows of $W_Q$ and $W_K$,
# head by head, and it is what Meta's weights went through on their way to `transformers`. The interleaved form below is
# the paper's, with complex numbers: to rotate is to multiply by $e^{i\,\text{angle}}$.

# %% tags=["demo"]
def interleaved(x: Tensor, positions: Tensor, theta: float) -> Tensor:
    """The paper's pairing: numbers 2i and 2i + 1 are the real and the imaginary part of a complex number."""
    angles = rope_angles(positions, x.shape[-1], theta)
    z = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2).contiguous())
    return torch.view_as_real(z * torch.polar(torch.ones_like(angles), angles)).flatten(-2)


d = 8
order = torch.arange(d).view(2, d // 2).T.flatten()  # what stands at each place of the interleaved form
print("interleaved place :", list(range(d)))
print("half-split number :", order.tolist())
some, somewhere = torch.randn(2, 5, d, generator=torch.Generator().manual_seed(0)), torch.tensor([4, 0, 17, 2, 9])
check.close(interleaved(some[..., order], somewhere, 100.0), apply_rope(some, somewhere, 100.0)[..., order], atol=1e-4)
scores = [f(t[0], somewhere, 100.0) @ f(t[1], somewhere, 100.0).T
          for f, t in ((apply_rope, some), (interleaved, some[..., order]), (interleaved, some))]
print(f"scores, converted and interleaved : differ by {(scores[1] - scores[0]).abs().max():.1e}")
print(f"scores, interleaved by mistake    : differ by {(scores[2] - scores[0]).abs().max():.1f}")
fig, ax = plots.figure(size=(7.2, 2.2))
for place in range(d):
    for row, number in ((1, place), (0, order[place].item())):
        ax.text(place, row, str(number), ha="center", va="center", color="white", weight="bold",
                bbox={"boxstyle": "square,pad=0.5", "facecolor": plots.CYCLE[number % (d // 2)], "edgecolor": "none"})
    ax.plot([order[place].item(), place], [0.75, 0.25], color=plots.CYCLE[order[place].item() % (d // 2)])
ax.text(-0.7, 1, "half-split", ha="right", va="center")
ax.text(-0.7, 0, "interleaved", ha="right", va="center")
ax.set(xlim=(-2.2, d - 0.5), ylim=(-0.5, 1.5))
ax.axis("off")
plots.caption(fig, "The permutation for d = 8. Numbers of one colour are a pair.",
              "Two rows of eight squares in four colours, joined by lines. Upper row 0 to 7 in order, where 0 and 4 have "
              "one colour; lower row 0, 4, 1, 5, 2, 6, 3, 7, where pairs are neighbours.")

# %% [markdown]
# ## 5. Many heads
#
# One softmax gives one set of shares: one thing to look for at a time. So attention is done several times side by side, each
# time in its own $d = 64$ dimensions, and the results are laid next to each other and mixed by a last matrix $W_O$:
#
# $$ \mathrm{head}_h = \mathrm{Attention}(X W_Q^{h\top}, X W_K^{h\top}, X W_V^{h\top}), \qquad
#    \mathrm{out} = [\mathrm{head}_1 \dots \mathrm{head}_H] \, W_O^\top \qquad \text{(Vaswani et al. 2017, §3.2.2)} $$
#
# In practice the $H$ small matrices are stacked to one large $W_Q$, one product makes all queries, and the long vectors are
# *cut* into heads: numbers 0 to 63 are head 0, 64 to 127 head 1, and so on.
#
# Keys and values of all earlier tokens are kept during decoding (section 8), and with many heads that is a lot of memory.
# Llama 2 70B, and our model, therefore let several query heads **share** one key and value head: *grouped-query attention*
# (Ainslie et al. 2023). Here 9 query heads share 3: heads 0, 1, 2 use the first, 3, 4, 5 the second, 6, 7, 8 the third.
#
# **Predict first.** $X$ is (1, 7, 576). Which shapes do queries, keys and the table of attention shares have, with 9 query
# heads, 3 key heads and $d = 64$? And how many numbers per token and layer must be kept for later tokens, compared with 9
# key heads?
#
# <details><summary>Answer</summary>
#
# Queries (1, 9, 7, 64), keys (1, 3, 7, 64), shares (1, 9, 7, 7). Kept are a key and a value for 3 heads, 2 · 3 · 64 = 384
# numbers, a third of the 1,152 for nine heads.
# </details>
#
# ### Exercise: `split_heads` (1 point, 10 minutes)
#
# Write `split_heads(x, n_heads)`: from (B, T, n_heads · head_dim) to (B, n_heads, T, head_dim). Head 0 gets the first
# `head_dim` numbers of each vector, head 1 the next, and so on. `n_heads` divides the last axis.
#
# <details><summary>Hint 1</summary>First cut the last axis in two, without moving anything. Which of the two new axes comes
# first?</details>
# <details><summary>Hint 2</summary>Now the shape is (B, T, n_heads, head_dim). Reshaping it further would shuffle numbers
# between tokens; swapping two axes does not.</details>
# <details><summary>Hint 3</summary><code>x.reshape(B, T, n_heads, -1).transpose(1, 2)</code></details>

# %% nbgrader={"grade": false, "grade_id": "split_heads", "locked": false, "schema_version": 3, "solution": true, "task": false}
def split_heads(x: Tensor, n_heads: int) -> Tensor:
    """(B, T, n_heads * head_dim) -> (B, n_heads, T, head_dim); head h has numbers h * head_dim to (h + 1) * head_dim."""
    ### BEGIN SOLUTION
    B, T, D = x.shape
    return x.reshape(B, T, n_heads, D // n_heads).transpose(1, 2)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_split_heads", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# The number b t f stands at text b, token t, place f: 213 is text 2, token 1, place 3.
labelled = torch.tensor([[[100 * b + 10 * t + f for f in range(6)] for t in range(3)] for b in (1, 2)])
want = torch.stack([labelled[..., 0:3], labelled[..., 3:6]], 1)  # two heads of three numbers
check.equal(split_heads(labelled, 2), want, mistakes={
    "numbers of different tokens are mixed: reshape to (B, T, n_heads, head_dim) first, then swap two axes":
        labelled.reshape(2, 2, 3, 3),
    "numbers are dealt out to the heads in turn: head 0 gets the first head_dim numbers":
        labelled.reshape(2, 3, 3, 2).permute(0, 3, 1, 2),
}, hint="wanted the axes in the order batch, head, token, number")
### BEGIN HIDDEN TESTS
noise = torch.randn(2, 5, 12, generator=torch.Generator().manual_seed(0))
for some, heads in ((noise, 1), (noise, 3), (noise, 12), (noise[:1, :1], 4), (noise.mT, 5)):
    check.close(split_heads(some, heads), torch.stack(some.chunk(heads, -1), 1), hint=f"wrong with {heads} heads")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise: `merge_heads` (1 point, 5 minutes)
#
# Write `merge_heads(x)`, the way back: from (B, n_heads, T, head_dim) to (B, T, n_heads · head_dim), the heads of a token
# side by side, head 0 first.
#
# <details><summary>Hint 1</summary>Undo the two steps of <code>split_heads</code> in the opposite order.</details>
# <details><summary>Hint 2</summary>Swap the axes first; then the last two axes can be joined.</details>
# <details><summary>Hint 3</summary><code>x.transpose(1, 2).flatten(2)</code></details>

# %% nbgrader={"grade": false, "grade_id": "merge_heads", "locked": false, "schema_version": 3, "solution": true, "task": false}
def merge_heads(x: Tensor) -> Tensor:
    """(B, n_heads, T, head_dim) -> (B, T, n_heads * head_dim), head 0 first."""
    ### BEGIN SOLUTION
    return x.transpose(1, 2).flatten(2)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_merge_heads", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
# 1 h t f: head h, token t, place f, in two texts (1... and 2...).
cut = torch.tensor([[[[1000 * b + 100 * h + 10 * t + f for f in range(2)] for t in range(4)] for h in range(3)]
                    for b in (1, 2)])
check.equal(merge_heads(cut), torch.cat(list(cut.unbind(1)), -1), mistakes={
    "numbers of different tokens are mixed: bring the token axis to the front of the heads before you reshape":
        cut.reshape(2, 4, 6),
    "the numbers of the heads alternate: head 0 comes first as a whole": cut.permute(0, 2, 3, 1).flatten(2),
    "the heads come in reverse order": torch.cat(list(cut.unbind(1))[::-1], -1),
}, hint="wanted (B, T, n_heads * head_dim)")
### BEGIN HIDDEN TESTS
noise = torch.randn(2, 3, 5, 4, generator=torch.Generator().manual_seed(0))
for some in (noise, noise[:1], noise[:, :1], noise[:, :, :1], noise.transpose(1, 2), noise[..., :1]):
    check.close(merge_heads(some), torch.cat(list(some.unbind(1)), -1), hint=f"wrong for the shape {tuple(some.shape)}")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise: `repeat_kv` (2 points, 10 minutes)
#
# Write `repeat_kv(x, n_rep)`: from (B, n_kv_heads, T, head_dim) to (B, n_kv_heads · n_rep, T, head_dim), each head `n_rep`
# times in a row, so that neighbouring query heads meet the same keys: with `n_rep=3`, heads 0, 0, 0, 1, 1, 1, ...
#
# <details><summary>Hint 1</summary>Torch has two functions for repeating. One gives 0, 1, 0, 1, the other 0, 0, 1, 1.</details>
# <details><summary>Hint 2</summary>Which axis holds the heads?</details>
# <details><summary>Hint 3</summary><code>x.repeat_interleave(n_rep, dim=1)</code>. Without copies it also goes with
# <code>x[:, :, None].expand(...)</code> and a reshape.</details>

# %% nbgrader={"grade": false, "grade_id": "repeat_kv", "locked": false, "schema_version": 3, "solution": true, "task": false}
def repeat_kv(x: Tensor, n_rep: int) -> Tensor:
    """(B, n_kv_heads, T, head_dim) -> (B, n_kv_heads * n_rep, T, head_dim), each head n_rep times in a row."""
    ### BEGIN SOLUTION
    return x.repeat_interleave(n_rep, dim=1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_repeat_kv", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
two_heads = torch.tensor([[[[0.5, 1.0]], [[2.0, 3.0]]]])  # (1, 2, 1, 2)
a, b = two_heads.unbind(1)
check.close(repeat_kv(two_heads, 3), torch.stack([a, a, a, b, b, b], 1), mistakes={
    "the heads come in turn, 0 1 0 1 0 1: neighbours share a head, so 0 0 0 1 1 1": torch.stack([a, b, a, b, a, b], 1),
}, hint="wanted the heads 0, 0, 0, 1, 1, 1 along axis 1")
### BEGIN HIDDEN TESTS
noise = torch.randn(2, 3, 5, 4, generator=torch.Generator().manual_seed(0))
for some, times in ((noise, 1), (noise, 2), (noise[:1], 3), (noise[:, :1], 4), (noise[:, :, :1], 2)):
    check.close(repeat_kv(some, times), torch.stack([head for head in some.unbind(1) for _ in range(times)], 1),
                hint=f"wrong for {some.shape[1]} heads, {times} times each")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise: `multi_head_attention` (4 points, 25 minutes)
#
# Put it together. `multi_head_attention(x, w_q, w_k, w_v, w_o, n_heads, n_kv_heads, positions, theta=10000.0)`, for `x`
# (B, T, D):
#
# - queries, keys, values are `x` times the matrices (torch's layout, **(out, in)**): `w_q` is (n_heads · head_dim, D), `w_k`
#   and `w_v` are (n_kv_heads · head_dim, D), `w_o` is (D, n_heads · head_dim). In most models head_dim is D / n_heads, but
#   it need not be: the shape of `w_q` tells;
# - queries and keys are rotated, in each head, by `positions` (T,) and `theta`. **Values never are**: positions decide
#   where to look, not what is found there;
# - each key and value head is shared by n_heads / n_kv_heads query heads in a row;
# - attention is causal: token t sees the tokens 0 to t of `x`. (`positions` is always increasing, but it need not start at
#   0 nor go up in ones.)
#
# Return (B, T, D). Use your functions. (The tests of this exercise leave `theta` at 10,000; other bases come with
# `llama_block`.)
#
# <details><summary>Hint 1</summary>The order: project, split, rotate, repeat, attend, merge, project.</details>
# <details><summary>Hint 2</summary>Split into heads before you rotate: each head has its own pair 0. Keys and values are
# split into <code>n_kv_heads</code>.</details>
# <details><summary>Hint 3</summary><code>q = apply_rope(split_heads(x @ w_q.T, n_heads), positions, theta)</code>, the same
# for <code>k</code>, without the rotation for <code>v</code>; then <code>repeat_kv</code> for both, <code>causal_mask(T,
# T)</code>, and <code>merge_heads(...) @ w_o.T</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "multi_head_attention", "locked": false, "schema_version": 3, "solution": true, "task": false}
def multi_head_attention(x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor, w_o: Tensor, n_heads: int, n_kv_heads: int,
                         positions: Tensor, theta: float = 10000.0) -> Tensor:
    """Causal self-attention with rotary positions and grouped queries, (B, T, D) -> (B, T, D).

    w_q (n_heads * head_dim, D), w_k and w_v (n_kv_heads * head_dim, D), w_o (D, n_heads * head_dim): applied as x @ w.T.
    positions: (T,) ints, increasing. theta: base of the rotary angles.
    """
    ### BEGIN SOLUTION
    T = x.shape[1]
    q = apply_rope(split_heads(x @ w_q.T, n_heads), positions, theta)
    k = apply_rope(split_heads(x @ w_k.T, n_kv_heads), positions, theta)
    v = split_heads(x @ w_v.T, n_kv_heads)
    n_rep = n_heads // n_kv_heads
    mask = causal_mask(T, T).to(x.device)
    mixed = scaled_dot_product_attention(q, repeat_kv(k, n_rep), repeat_kv(v, n_rep), mask)
    return merge_heads(mixed) @ w_o.T
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_multi_head_attention", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
toy = toy_llama(1, rope_theta=10000.0)  # 6 query heads, 2 key and value heads, 8 numbers in each
attend = toy.model.layers[0].self_attn


def by_transformers(x, positions, module=attend, **options):
    return module(x, position_embeddings=toy.model.rotary_emb(x, positions[None]),
                  **{"attention_mask": None, **options})[0]


def shared_in_turn():
    """The same weights, but query head h meets key head h % 2 in place of h // 3."""
    config_of_all = copy.deepcopy(toy.config)
    config_of_all.num_key_value_heads = 6
    module = type(attend)(config_of_all, 0)
    for name in ("q", "o"):
        setattr(module, f"{name}_proj", getattr(attend, f"{name}_proj"))
    for name in ("k", "v"):
        getattr(module, f"{name}_proj").weight.data = getattr(attend, f"{name}_proj").weight.data.repeat(3, 1)
    return by_transformers(x, apart, module)


x = torch.randn(2, 5, 48, generator=torch.Generator().manual_seed(0))
apart = torch.tensor([0, 3, 4, 9, 30])
matrices = [getattr(attend, f"{name}_proj").weight.detach() for name in "qkvo"]
want = by_transformers(x, apart)
check.close(multi_head_attention(x, *matrices, 6, 2, apart), want, atol=1e-4, mistakes={
    "the future leaks: attention is causal":
        lambda: by_transformers(x, apart, attention_mask=torch.zeros(1, 1, 5, 5)),
    "nothing was rotated: positions have no effect": lambda: by_transformers(x, torch.zeros(5, dtype=torch.int64)),
    "you counted 0, 1, 2, ... instead of reading `positions`": lambda: by_transformers(x, torch.arange(5)),
    "the last matrix, w_o, is missing": lambda: by_transformers(x, apart, replaced(attend, "o_proj", nn.Identity())),
    "w_o is (out, in) as well: multiply by its transpose": lambda: functional_call(
        attend, {"o_proj.weight": matrices[3].T}, (x, toy.model.rotary_emb(x, apart[None]), None))[0],
    "the key heads come in turn, 0 1 0 1: neighbouring query heads share one, 0 0 0 1 1 1": shared_in_turn,
    "w_v is not used: values have a matrix of their own": lambda: functional_call(
        attend, {"v_proj.weight": matrices[1]}, (x, toy.model.rotary_emb(x, apart[None]), None))[0],
}, hint="wrong values: are queries and keys rotated, each in its own head, and the values not?")
for d in (20, 4):  # six heads of 20 numbers, then of 4, where D is 48
    toy = toy_llama(d, head_dim=d, rope_theta=10000.0)
    attend = toy.model.layers[0].self_attn
    want, matrices = by_transformers(x, apart, attend), [getattr(attend, f"{name}_proj").weight.detach() for name in "qkvo"]
    check.close(multi_head_attention(x, *matrices, 6, 2, apart), want, atol=1e-4,
                hint=f"wrong with 6 heads of {d} numbers: head_dim need not be D / n_heads, the shape of w_q tells it")
### BEGIN HIDDEN TESTS
for heads, kv_heads, d, tokens, seed in ((6, 6, 8, 4, 2), (4, 1, 12, 7, 3), (8, 4, 6, 1, 4), (1, 1, 48, 3, 5), (24, 8, 2, 3, 6)):
    toy = toy_llama(seed, num_attention_heads=heads, num_key_value_heads=kv_heads, head_dim=d, rope_theta=10000.0)
    attend = toy.model.layers[1].self_attn
    x = torch.randn(1, tokens, 48, generator=torch.Generator().manual_seed(seed))
    late = 3 * torch.arange(tokens) + 50
    want = by_transformers(x, late, attend)
    check.close(multi_head_attention(x, *[getattr(attend, f"{name}_proj").weight.detach() for name in "qkvo"],
                                     heads, kv_heads, late), want, atol=1e-4,
                hint=f"wrong with {heads} query heads, {kv_heads} key heads, {tokens} tokens, positions from 50 on")
### END HIDDEN TESTS

# %% [markdown]
# ### What the heads of the real model look at
#
# Below is a sentence of yours (or mine) in all $30 \times 9$ heads. The small squares are the tables of shares: row = the
# token that looks, column = the token looked at, dark = a large share; above the diagonal is the future, always empty.
# Choose a layer and a head to see its table with its tokens. In most heads you will find a dark first column: a softmax has
# to put its shares *somewhere*, and a head that has nothing to say puts them on the first token (an *attention sink*; Xiao et
# al. 2024). Tick *Hide the first token* to see the rest.
#
# Go to layer 17, head 5, and read the rows of the second *keys to the*: *keys* looks at the first *to*, *to* at the first *the*,
# *the* at *cabinet*. Each word looks at what came **after** its earlier self, a good place to learn what may come next. It is an
# *induction head* (Olsson et al. 2022). Can you find another?

# %% tags=["demo"]
from helpers.widgets.attention_viewer import attention_viewer

attention_viewer(model, tokenizer, "The keys to the cabinet are on the table, and the keys to the car are in it.")

# %% [markdown]
# Two habits are easy to measure: the mean share that a head gives to the very first token, and to the token just before.
# Yours is the function that computes the shares: give your attention the identity matrix for its values, and what comes out
# are the shares themselves.

# %% tags=["demo"]
from helpers.widgets.attention_patterns import attention_patterns

keys_ids = tokenizer("The keys to the cabinet are on the table, and the keys to the car are in it.",
                     return_tensors="pt").input_ids
patterns = attention_patterns(model, keys_ids)  # (layers, heads, T, T), by transformers
T = keys_ids.shape[1]

# Layer 0 by your functions:
x = model.model.layers[0].input_layernorm(weights["model.embed_tokens.weight"][keys_ids])
layer_0, n_heads, n_kv = layer_weights(weights, 0), config["num_attention_heads"], config["num_key_value_heads"]
q = apply_rope(split_heads(x @ layer_0["self_attn.q_proj.weight"].T, n_heads), torch.arange(T), config["rope_theta"])
k = apply_rope(split_heads(x @ layer_0["self_attn.k_proj.weight"].T, n_kv), torch.arange(T), config["rope_theta"])
identity = torch.eye(T).expand(1, n_heads, T, T)
yours = scaled_dot_product_attention(q, repeat_kv(k, n_heads // n_kv), identity, causal_mask(T, T))[0]
print(f"your shares in layer 0 differ from the model's by at most {(yours - patterns[0]).abs().max():.1e}")

to_first = patterns[:, :, 1:, 0].mean(-1)  # without token 0, which has no choice
to_previous = patterns.diagonal(-1, 2, 3)[..., 1:].mean(-1)  # from token 2 on, whose previous token is not the first
fig, axes = plots.figure(1, 2, size=(9.6, 4.6))
for ax, share, title in ((axes[0], to_first, "on the first token"), (axes[1], to_previous, "on the previous token")):
    plots.heatmap(ax, share, label="mean share", numbers=False)
    ax.set(title=title, xlabel="head", ylabel="layer", xticks=range(9))
plots.caption(fig, "Where the 270 heads look, on average over one sentence.",
              "Two heat maps of 30 layers by 9 heads. On the left nearly all cells from layer 12 on are dark: the first "
              "token gets most of the share. On the right a few single cells are dark: heads that look at the previous token.")
best = to_previous.flatten().argmax().item()
print(f"on the first token: {to_first.mean():.0%} of all shares; "
      f"most faithful to the previous token: layer {best // 9}, head {best % 9}, with {to_previous.max():.0%}")

# %% tags=["demo"]
fig, ax = plots.figure(size=(7.6, 6.2))
names = [tokenizer.decode([i]) for i in keys_ids[0]]
plots.heatmap(ax, patterns[best // 9, best % 9], names, names, label="share", numbers=False)
ax.set(title=f"layer {best // 9}, head {best % 9}", xlabel="looked at", ylabel="looks")
plots.caption(fig, "The head of the real model that looks most at the token just before.",
              "A heat map of tokens by tokens. The dark cells lie along the line just below the diagonal.")

# %% [markdown]
# ## 6. The rest of the block
#
# ### A norm
#
# Thirty blocks add to the residual stream and nothing takes away, so its numbers grow. Before each use, a vector is therefore
# brought to a standard size. LayerNorm subtracts the mean and divides by the standard deviation; **RMSNorm** (Zhang and
# Sennrich 2019, eq. 4) found that the division is what matters. With one learned weight per number:
#
# $$ y_j = w_j \, \frac{x_j}{\sqrt{\frac{1}{D} \sum_i x_i^2 + \varepsilon}} $$
#
# **Predict first.** All numbers of $x$ are multiplied by 10. What happens to the norm's result? What if 10 is added to all?
#
# <details><summary>Answer</summary>
#
# Multiplied: nothing, as long as ε is small beside the mean square. Only the direction of x passes. Added: it changes, since
# RMSNorm does not subtract the mean; LayerNorm's result would stay.
# </details>
#
# ### Exercise: `rms_norm` (3 points, 15 minutes)
#
# Write `rms_norm(x, weight, eps)` along the last axis of `x` (..., D), with `weight` (D,). Models run in float16,
# where the square of 300 overflows, or in bfloat16, where every step would be rounded to 8 bits. So do as Llama does: take `x` to **float32**, square,
# average, divide; take the quotient back to the dtype of `x`; multiply by `weight` last. Shape and dtype of `x` (in the
# tests `weight` has the same dtype). Leave `x` as it was.
#
# <details><summary>Hint 1</summary>One number per vector divides all of it: keep the axis with <code>keepdim=True</code>.</details>
# <details><summary>Hint 2</summary>ε goes inside the root, beside the mean of the squares.</details>
# <details><summary>Hint 3</summary><code>wide = x.float()</code>; <code>wide * torch.rsqrt(wide.pow(2).mean(-1,
# keepdim=True) + eps)</code>; then <code>.to(x.dtype)</code>, then times <code>weight</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "rms_norm", "locked": false, "schema_version": 3, "solution": true, "task": false}
def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """weight * x / sqrt(mean(x^2) + eps) along the last axis, computed in float32; Zhang and Sennrich 2019, eq. 4.

    x: (..., D), weight: (D,). Returns shape and dtype of x.
    """
    ### BEGIN SOLUTION
    wide = x.float()
    scale = torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)
    return weight * (wide * scale).to(x.dtype)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_rms_norm", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
# The squares of 1, 1, -1, 3 have the mean 3; with eps = 1 the root is 2.
numbers, gains = torch.tensor([[1.0, 1.0, -1.0, 3.0]]), torch.tensor([1.0, 10.0, 1.0, 2.0])
check.close(rms_norm(numbers, gains, 1.0), torch.tensor([[0.5, 5.0, -0.5, 3.0]]), mistakes={
    "that is LayerNorm: RMSNorm does not subtract the mean": (numbers - 1) / 3**0.5 * gains,
    "eps is outside the root: add it to the mean of the squares": numbers / (3**0.5 + 1) * gains,
    "eps has no effect": numbers / 3**0.5 * gains,
    "there is no root: you divided by the mean square": numbers / 4 * gains,
    "you divided by the length: take the mean of the squares, not their sum": numbers / 13**0.5 * gains,
    "the weight is missing": numbers / 2,
    "you multiplied by 1 + weight, as Gemma does; Llama multiplies by weight": numbers / 2 * (1 + gains),
    "you divided by the standard deviation: the mean is not subtracted in RMSNorm": numbers / 3**0.5 * gains,
})
check.close(rms_norm(torch.full((2, 4), 300.0).half(), torch.ones(4).half(), 1e-5), torch.ones(2, 4).half(),
            hint="300 squared overflows in float16: square and average in float32, and come back to the dtype of x")
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(0)
for shape, eps in (((2, 5, 16), 1e-5), ((7,), 0.5), ((2, 3, 4, 8), 1e-6)):
    x, weight = 3 * torch.randn(shape, generator=generator), torch.randn(shape[-1], generator=generator)
    theirs = LlamaRMSNorm(shape[-1], eps)
    theirs.weight.data = weight
    want = theirs(x)  # before the call, which might change x
    check.close(rms_norm(x, weight, eps), want, hint=f"wrong for x of shape {shape} with eps={eps:g}")
x = torch.randn(2, 3, 8, generator=generator)
check.equal(check.beside(lambda f, x, w: (f(x, w, 0.1), x, w)[1:], rms_norm, x, weight), (x, weight),
            hint="you changed an argument in place (`x.float()` is `x` itself where it is float32 already)")
check.close(rms_norm(torch.zeros(2, 3), torch.ones(3), 1e-5), torch.zeros(2, 3), hint="a vector of zeros stays zero")
low = (5 * torch.randn(4, 64, generator=generator)).bfloat16()
powers = torch.tensor([1.0, 2.0, 0.5, 4.0]).repeat(16).bfloat16()  # times these, nothing is rounded
exact = (low.double() / (low.double().square().mean(-1, keepdim=True) + 1e-5).sqrt() * powers.double()).bfloat16()
check.close(rms_norm(low, powers, 1e-5), exact, rtol=1e-3, atol=0.0,
            hint="too coarse in bfloat16: do all the arithmetic in float32, and round once")
theirs = LlamaRMSNorm(64, 1e-5)
theirs.weight.data = torch.randn(64, generator=generator).bfloat16()
check.close(rms_norm(low, theirs.weight.detach(), 1e-5), theirs(low), rtol=2e-2, atol=1e-3,
            hint="wrong in bfloat16 with weights of all sizes")
### END HIDDEN TESTS

# %% [markdown]
# ### A gated MLP
#
# What attention has brought to a position is worked on there, by a small network with one hidden layer. Llama's has a
# **gate**: one matrix computes candidates, another how far each is let through, and the two are multiplied (Shazeer 2020,
# eq. 6, with $\mathrm{SiLU}(z) = z\,\sigma(z)$ of unit 01):
#
# $$ \mathrm{SwiGLU}(x) = \big(\mathrm{SiLU}(x W_\text{gate}^\top) \odot x W_\text{up}^\top\big) \, W_\text{down}^\top $$
#
# ### Exercise: `swiglu` (2 points, 10 minutes)
#
# Write `swiglu(x, w_gate, w_up, w_down)` for `x` (..., D), `w_gate` and `w_up` (F, D), `w_down` (D, F); result (..., D). SiLU
# is on the gate. `F.silu` may be used.
#
# <details><summary>Hint 1</summary>Both products have shape (..., F). What joins them number by number?</details>
# <details><summary>Hint 2</summary>All three matrices are (out, in).</details>
# <details><summary>Hint 3</summary><code>(F.silu(x @ w_gate.T) * (x @ w_up.T)) @ w_down.T</code></details>

# %% nbgrader={"grade": false, "grade_id": "swiglu", "locked": false, "schema_version": 3, "solution": true, "task": false}
def swiglu(x: Tensor, w_gate: Tensor, w_up: Tensor, w_down: Tensor) -> Tensor:
    """(SiLU(x w_gate^T) * (x w_up^T)) w_down^T; Shazeer 2020, eq. 6.

    x: (..., D), w_gate and w_up: (F, D), w_down: (D, F). Returns (..., D).
    """
    ### BEGIN SOLUTION
    return (F.silu(x @ w_gate.T) * (x @ w_up.T)) @ w_down.T
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_swiglu", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# One number in, one hidden number, two out. sigmoid(log 3) = 3/4, so SiLU(log 3) = 3/4 log 3.
log3, two, down = math.log(3), torch.tensor([[2.0]]), torch.tensor([[10.0], [20.0]])
silu_of_two = 2 / (1 + math.exp(-2))
check.close(swiglu(torch.ones(1, 1), torch.tensor([[log3]]), two, down), 1.5 * log3 * down.T, mistakes={
    "gate and up are exchanged: SiLU is on the gate": log3 * silu_of_two * down.T,
    "that is a ReLU: SiLU(z) is z times sigmoid(z)": 2 * log3 * down.T,
    "there is no activation on the gate (or a ReLU): SiLU(z) is z times sigmoid(z)": 2 * log3 * down.T,
    "that is GLU with a sigmoid: SiLU(z) is z times sigmoid(z)": 1.5 * down.T,
    "that is GELU (GeGLU): Llama uses SiLU": 2 * F.gelu(torch.tensor(log3)) * down.T,
    "gate and up are multiplied, not added": (0.75 * log3 + 2) * down.T,
    "SiLU is on the gate alone, not on both": 0.75 * log3 * silu_of_two * down.T,
    "SiLU is on the gate alone, not on the product": 2 * log3 / (1 + math.exp(-2 * log3)) * down.T,
    "that is the MLP without its gate": silu_of_two * down.T,
    "that is not SiLU but the quick GELU, z times sigmoid(1.702 z)": 2 * log3 / (1 + math.exp(-1.702 * log3)) * down.T,
})
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(0)
for leading, width, hidden in (((2, 5), 8, 12), ((1,), 2, 7), ((), 6, 4), ((2, 1, 3), 6, 6)):
    x = torch.randn(*leading, width, generator=generator)
    theirs = LlamaMLP(LlamaConfig(hidden_size=width, intermediate_size=hidden, num_attention_heads=1))
    for part in ("gate", "up", "down"):
        getattr(theirs, f"{part}_proj").weight.data.normal_(0, 1, generator=generator)
    check.close(swiglu(x, *[getattr(theirs, f"{part}_proj").weight.detach() for part in ("gate", "up", "down")]),
                theirs(x), hint=f"wrong for x of shape {tuple(x.shape)} with {hidden} hidden numbers", atol=1e-4)
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise: `llama_block` (3 points, 15 minutes)
#
# Write `llama_block(x, weights, positions, config)`: the two lines of section 1 for `x` (B, T, D), result (B, T, D).
# `weights` are those of one block, named as `layer_weights` gives them: `input_layernorm.weight` (before attention),
# `self_attn.q_proj.weight`, `k_proj`, `v_proj`, `o_proj`, `post_attention_layernorm.weight` (before the MLP),
# `mlp.gate_proj.weight`, `up_proj`, `down_proj`. From `config` you need `num_attention_heads`, `num_key_value_heads`,
# `rms_norm_eps` and `rope_theta` (and `head_dim`, which need not be D / n_heads, if you open up your attention).
# `positions` (T,) as before.
#
# <details><summary>Hint 1</summary>The norm is on the detour: what is added to is the vector before the norm.</details>
# <details><summary>Hint 2</summary>The MLP reads the stream <em>after</em> attention has been added to it.</details>
# <details><summary>Hint 3</summary><code>x = x + multi_head_attention(rms_norm(x, ...), ..., positions,
# config["rope_theta"])</code>, then <code>x + swiglu(rms_norm(x, ...), ...)</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "llama_block", "locked": false, "schema_version": 3, "solution": true, "task": false}
def llama_block(x: Tensor, weights: dict[str, Tensor], positions: Tensor, config: dict[str, int | float]) -> Tensor:
    """One decoder layer, (B, T, D) -> (B, T, D); Touvron et al. 2023, §2.2.

    weights: of this block, named as in `layer_weights`. positions: (T,) ints. config: as of `plain_config`.
    """
    ### BEGIN SOLUTION
    eps = config["rms_norm_eps"]
    matrices = [weights[f"self_attn.{name}_proj.weight"] for name in "qkvo"]
    x = x + multi_head_attention(rms_norm(x, weights["input_layernorm.weight"], eps), *matrices,
                                 config["num_attention_heads"], config["num_key_value_heads"], positions,
                                 config["rope_theta"])
    matrices = [weights[f"mlp.{name}_proj.weight"] for name in ("gate", "up", "down")]
    return x + swiglu(rms_norm(x, weights["post_attention_layernorm.weight"], eps), *matrices)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_llama_block", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
toy = toy_llama(7)  # theta = 100, eps = 0.05
layer, settings = toy.model.layers[0], plain_config(toy.config)
named = dict(layer.state_dict())
x, apart = torch.randn(2, 5, 48, generator=torch.Generator().manual_seed(0)), torch.tensor([2, 3, 5, 11, 12])
nothing, nothing_down = torch.zeros(48, 48), torch.zeros(48, 80)
only_attention = toy_layer(toy, x, apart, mlp_down_proj_weight=nothing_down)
only_mlp = lambda t: toy_layer(toy, t, apart, self_attn_o_proj_weight=nothing)
swap = {"input_layernorm_weight": named["post_attention_layernorm.weight"],
        "post_attention_layernorm_weight": named["input_layernorm.weight"]}
other_base = toy_llama(7, rope_theta=10000.0)
want = toy_layer(toy, x, apart)
check.close(llama_block(x.clone(), named, apart, settings), want, atol=1e-4, mistakes={
    "the block's input is not added to what attention gives (first residual)": lambda: only_mlp(only_attention - x),
    "the stream is not added to what the MLP gives (second residual)": lambda: toy_layer(toy, x, apart) - only_attention,
    "the MLP must read the stream after attention was added, not the block's input":
        lambda: only_attention + only_mlp(x) - x,
    "attention comes first, then the MLP":
        lambda: toy_layer(toy, only_mlp(x), apart, mlp_down_proj_weight=nothing_down),
    "the two norms are exchanged": lambda: toy_layer(toy, x, apart, **swap),
    "the first norm is used twice: the MLP has its own": lambda: toy_layer(
        toy, x, apart, post_attention_layernorm_weight=named["input_layernorm.weight"]),
    "the norm before attention is missing":
        lambda: toy_layer(toy, x, apart, replaced(layer, "input_layernorm", nn.Identity())),
    "the norm before the MLP is missing":
        lambda: toy_layer(toy, x, apart, replaced(layer, "post_attention_layernorm", nn.Identity())),
    "the MLP is missing": only_attention,
    "attention is missing": lambda: only_mlp(x),
    "theta is config['rope_theta'], not always 10,000": lambda: toy_layer(other_base, x, apart),
    "you counted 0, 1, 2, ... instead of reading `positions`": lambda: toy_layer(toy, x, torch.tensor([0, 1, 2, 3, 4])),
    "eps is config['rms_norm_eps'], not a constant of yours":
        lambda: toy_layer(toy_llama(7, rms_norm_eps=1e-5), x, apart),
}, hint="wrong values: norm, attention, add; norm, MLP, add")
### BEGIN HIDDEN TESTS
for heads, kv_heads, d, tokens, theta, eps, seed in ((4, 4, 12, 1, 50.0, 1e-5, 8), (12, 3, 4, 6, 10000.0, 0.2, 9),
                                                     (2, 1, 24, 4, 7.0, 1e-6, 10), (6, 2, 14, 5, 30.0, 1e-4, 20)):
    toy = toy_llama(seed, num_attention_heads=heads, num_key_value_heads=kv_heads, head_dim=d, rope_theta=theta,
                    rms_norm_eps=eps)
    x, late = torch.randn(1, tokens, 48, generator=torch.Generator().manual_seed(seed)), 2 * torch.arange(tokens) + 9
    want = toy_layer(toy, x, late)
    check.close(llama_block(x, dict(toy.model.layers[0].state_dict()), late, plain_config(toy.config)), want, atol=1e-4,
                hint=f"wrong with {heads} query heads and {kv_heads} key heads of {d} numbers, theta={theta:g}, eps={eps:g}")
### END HIDDEN TESTS

# %% [markdown]
# Send a text through thirty of *your* blocks and watch the residual stream on its way. The first token, the one that so many
# heads look at when they have nothing to say, is not like the others: in one block it becomes a hundred times as large, and
# stays so until the end is near (*massive activations*; Sun et al. 2024). Compare the block with the layer from which the left
# heat map of section 5 is dark.

# %% tags=["demo"]
stream, where = weights["model.embed_tokens.weight"][keys_ids], torch.arange(keys_ids.shape[1])
sizes = [stream.square().mean(-1).sqrt()[0]]
for number in range(config["num_hidden_layers"]):
    stream = llama_block(stream, layer_weights(weights, number), where, config)
    sizes.append(stream.square().mean(-1).sqrt()[0])
sizes = torch.stack(sizes)  # (31, T)
fig, ax = plots.figure(size=(7.6, 3.4))
ax.plot(sizes[:, 1:].numpy(), color=plots.BLUE, alpha=0.35, lw=1.2)
ax.plot([], color=plots.BLUE, label="the other tokens")
ax.plot(sizes[:, 0].numpy(), color=plots.ORANGE, label="the first token")
ax.set(yscale="log", xlabel="blocks passed", ylabel="root mean square")
ax.legend()
plots.caption(fig, "The size of the residual stream of each token, from embedding to the last block.",
              "A line for each token on a logarithmic scale. Most grow slowly from block to block; that of the first token "
              "jumps to about a thousand at block 12 and comes down in the last two.")
print(f"after block 15: first token {sizes[15, 0]:.0f}, median of the others {sizes[15, 1:].median():.1f}")

# %% [markdown]
# ## 7. The whole model
#
# What is left is a loop: look up embeddings, run the blocks, one last norm (`model.norm.weight`), and the scores of all
# tokens by `lm_head.weight` (V, D):
#
# $$ \mathrm{logits} = \mathrm{norm}(X) \, W_\text{lm\_head}^\top $$
#
# **Predict first.** Our model's `lm_head` is its embedding table (weight tying, unit 04). Does a function that always uses
# the embedding table for both work for every Llama?
#
# <details><summary>Answer</summary>
#
# No. Llama 2 7B has two different tables, and with the wrong one its logits would be nonsense. Both names are in
# <code>weights</code>, tied or not; use each where it belongs.
# </details>
#
# ### Exercise: `llama_logits` (4 points, 20 minutes)
#
# Write `llama_logits(input_ids, weights, config)`: for ids (B, T), the logits (B, T, V). `weights` has the names of
# `model.state_dict()` (with `model.embed_tokens.weight`, `model.norm.weight` and `lm_head.weight` always there); the number
# of blocks is `config["num_hidden_layers"]`. Positions are 0, 1, 2, ... The tests change each kind of weight in turn and want
# to see the effect, and hold your logits against those of the real model, to 0.001.
#
# <details><summary>Hint 1</summary>An embedding lookup is an index into a table.</details>
# <details><summary>Hint 2</summary><code>layer_weights(weights, i)</code> gives what <code>llama_block</code> wants.</details>
# <details><summary>Hint 3</summary>Five lines: <code>x = table[input_ids]</code>; <code>torch.arange(T)</code> for the positions;
# a loop of <code>x = llama_block(...)</code>; <code>rms_norm</code>; <code>@ lm_head.T</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "llama_logits", "locked": false, "schema_version": 3, "solution": true, "task": false}
def llama_logits(input_ids: Tensor, weights: dict[str, Tensor], config: dict[str, int | float]) -> Tensor:
    """Logits (B, T, V) of a Llama for ids (B, T).

    weights: named as in `model.state_dict()`. config: as of `plain_config`.
    """
    ### BEGIN SOLUTION
    x = weights["model.embed_tokens.weight"][input_ids]
    positions = torch.arange(input_ids.shape[1], device=input_ids.device)
    for layer in range(config["num_hidden_layers"]):
        x = llama_block(x, layer_weights(weights, layer), positions, config)
    x = rms_norm(x, weights["model.norm.weight"], config["rms_norm_eps"])
    return x @ weights["lm_head.weight"].T
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_llama_logits", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
toy = toy_llama(11)
named, settings = dict(toy.state_dict()), plain_config(toy.config)
ids = torch.tensor([[3, 1, 4, 1, 5, 9], [2, 6, 5, 3, 5, 8]])
exchanged = lambda pairs: functional_call(toy, {name: named[other] for name, other in pairs}, (ids,)).logits
shorter = copy.deepcopy(toy)
shorter.model.layers = shorter.model.layers[:1]
check.close(llama_logits(ids, named, settings), toy(ids).logits, atol=1e-3, mistakes={
    "the last norm is missing": lambda: replaced(toy, "model.norm", nn.Identity())(ids).logits,
    "lm_head is not the embedding table here: use `lm_head.weight`":
        lambda: exchanged([("lm_head.weight", "model.embed_tokens.weight")]),
    "every block uses the weights of block 0": lambda: exchanged(
        [(name, name.replace("layers.1.", "layers.0.")) for name in named if "layers.1." in name]),
    "only the first block was run": lambda: shorter(ids).logits,
    "these are probabilities: logits are wanted": lambda: toy(ids).logits.softmax(-1),
    "these are log-probabilities: logits are wanted": lambda: toy(ids).logits.log_softmax(-1),
}, hint="wrong logits: embedding, blocks in order, norm, lm_head")
for name, w in named.items():
    changed = w + 0.5 * w.flip(0)
    check.close(llama_logits(ids, {**named, name: changed}, settings), functional_call(toy, {name: changed}, (ids,)).logits,
                atol=1e-3, hint=f"after a change of {name} your logits are not the model's: is it used, where it belongs?")
### BEGIN HIDDEN TESTS
for tokens, seed, changes in ((1, 12, {"num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 4}),
                              (9, 13, {"num_hidden_layers": 12, "num_key_value_heads": 1, "rope_theta": 20.0}),
                              (4, 14, {"num_hidden_layers": 1, "rms_norm_eps": 1e-5, "vocab_size": 50}),
                              (3, 21, {"head_dim": 4})):
    toy = toy_llama(seed, **changes)
    ids = torch.randint(29, (1, tokens), generator=torch.Generator().manual_seed(seed))
    check.close(llama_logits(ids, dict(toy.state_dict()), plain_config(toy.config)), toy(ids).logits, atol=1e-3, rtol=1e-3,
                hint=f"wrong for one text of {tokens} tokens and another configuration: {changes}")
text = tokenizer("My favorite composer is", return_tensors="pt").input_ids
got, real = llama_logits(text, dict(model.state_dict()), plain_config(model.config)), model(text).logits
check.shape(got, real.shape)
check.close(got, real, rtol=0.0, atol=1e-3, hint="wrong logits with the real model's weights")
### END HIDDEN TESTS

# %% [markdown]
# That was a language model. Here it is on its own, and beside the one that its authors wrote:

# %% tags=["demo"]
composer = tokenizer("My favorite composer is", return_tensors="pt").input_ids
mine, theirs = llama_logits(composer, weights, config), model(composer).logits
print(f"logits {tuple(mine.shape)}, largest difference from the real model's: {(mine - theirs).abs().max():.1e}")
for name, scores in (("yours", mine), ("transformers'", theirs)):
    top = scores[0, -1].softmax(0).topk(5)
    print(f"{name:<14}", [(tokenizer.decode([i]), round(p, 4)) for p, i in zip(top.values.tolist(), top.indices.tolist())])

# %% [markdown]
# And now the damage that one forgotten detail does. Each bar is the full model with one mistake in it, measured by the
# cross-entropy (unit 04) of a plain English paragraph. None of these mistakes raises an error.

# %% tags=["demo"]
paragraph = tokenizer("The heart is a muscle that pumps blood through the body. Blood carries oxygen from the lungs to every "
                      "part of the body, and it carries waste away. When we run, our muscles need more oxygen, so the "
                      "heart beats faster.", return_tensors="pt").input_ids


def surprise(w: dict[str, Tensor], c: dict) -> float:
    scores = llama_logits(paragraph, w, c)
    return F.cross_entropy(scores[0, :-1], paragraph[0, 1:]).item()


def heads_permuted(name: str) -> dict[str, Tensor]:
    """All matrices of this name with the rows of each head in the interleaved order, as if a checkpoint were unconverted."""
    return {key: w.view(-1, 2, 32, w.shape[1]).transpose(1, 2).reshape(w.shape) if name in key else w
            for key, w in weights.items()}


unconverted = {**weights, **{k: w for name in ("q_proj", "k_proj") for k, w in heads_permuted(name).items() if name in k}}
damage = {
    "nothing wrong": surprise(weights, config),
    "theta 10,000 for 100,000": surprise(weights, {**config, "rope_theta": 10000.0}),
    "eps 0.1 for 0.00001": surprise(weights, {**config, "rms_norm_eps": 0.1}),
    "weights of the other pairing": surprise(unconverted, config),
    "last norm's weight all ones": surprise({**weights, "model.norm.weight": torch.ones(576)}, config),
    "one block of 30 left out (15)": surprise({**weights, **{
        name: torch.zeros_like(w) for name, w in weights.items() if ".15." in name and ("o_proj" in name or "down" in name)}},
        config),
}
fig, ax = plots.figure(size=(7.6, 3.0))
ax.barh(list(damage), list(damage.values()), color=[plots.BLUE, *[plots.ORANGE] * (len(damage) - 1)])
for place, value in enumerate(damage.values()):
    ax.annotate(f"{value:.2f}", (value, place), xytext=(4, 0), textcoords="offset points", va="center")
ax.axvline(math.log(49152), color=plots.GREY, ls="--", lw=1.2)
ax.text(math.log(49152) - 0.1, 0.5, "a guess among\n49,152 tokens", ha="right", va="center", fontsize=9)
ax.set(xlabel="cross-entropy (nats per token)", xlim=(0, 1.1 * max(math.log(49152), *damage.values())))
ax.invert_yaxis()
ax.grid(False, axis="y")
plots.caption(fig, "Small mistakes, run through the whole model.",
              "Six horizontal bars: "
              + ", ".join(f"{name} {value:.2f}" for name, value in damage.items()) + " nats per token.")

# %% [markdown]
# Some mistakes ruin everything. Others cost a few tenths of a nat, and nobody who reads the model's texts would notice. (That
# $\varepsilon = 0.1$ is among the worst has a reason: look at the size of the embeddings in the figure of section 6. Their
# mean square is about a tenth of that $\varepsilon$.) So do not judge a port of a model by its prose: compare the logits.
#
# ## 8. Never compute it twice
#
# To write a text, `llama_logits` would be called once for each new token, with everything written so far. But a causal mask
# means that earlier positions never see later ones: **nothing that was computed for them changes** when a token is added.
# All that the new token needs from the past are the keys and values of each layer. Keep those, and one step costs one
# token's worth of work:
#
# $$ o_t = \mathrm{softmax}\!\left(\frac{q_t \, [k_0 \dots k_t]^\top}{\sqrt{d}}\right) [v_0 \dots v_t] $$
#
# This is the **KV cache** (Pope et al. 2022 weigh its costs). Queries need not be kept: each is used once, in
# its own step.
#
# **Predict first.** You cache the keys *after* rotating them, each by its own position. Is that safe when the text grows?
# And which mask does the new query need?
#
# <details><summary>Answer</summary>
#
# It is safe: the rotation of a key depends on its own position alone, and that never changes. (Rotating the whole cache again
# at each step is a well-known way to ruin it.) And there is no mask: the newest token may see everything that is in the
# cache, itself included. It is the last row of the causal mask, which is all True.
# </details>
#
# ### Exercise: `decode_step` (5 points, 35 minutes)
#
# Write `decode_step(token, cache, weights, config)`, which returns a pair `(logits, cache)`:
#
# - `token`: ids of shape (B, 1), the one new token of each text. `weights` and `config` as for `llama_logits`.
# - `cache`: `None` at the start of a text, later what the step before returned. What it is made of is up to you; the tests
#   only pass it back. It must hold the whole state: two texts may be decoded in turn, each with its own cache.
# - logits: (B, V), for the token after this one. (With the time axis left in, (B, 1, V), is fine too.)
#
# Fed with a text token by token, however long, it gives the logits of the uncached run. And it does work for the new token
# **only**: what is cached are the **keys and values** of each layer, and those of the past are taken from there, not computed
# again from ids, embeddings or hidden states. (The tests exchange weights before the last step: the embedding of a token that
# has been read already, or the matrices of keys and values. The past must not notice; only the new token meets the new
# weights. Whether you cache keys before or after their rotation is up to you.)
#
# <details><summary>Hint 1</summary>The position of the new token is the number of tokens in the cache. How can you read that
# off the shape of a cached key?</details>
# <details><summary>Hint 2</summary>Copy the body of <code>llama_block</code> and open up
# <code>multi_head_attention</code>: between rotating and repeating there is now a <code>torch.cat</code> along the axis of
# tokens, axis 2 of (B, n_kv_heads, T, head_dim).</details>
# <details><summary>Hint 3</summary>A cache can be a list with a pair <code>(k, v)</code> per layer. Build a new list:
# <code>k = torch.cat([cache[layer][0], k], 2)</code> if there is a cache, the same for <code>v</code>, append
# <code>(k, v)</code>, attend with <code>mask=None</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "decode_step", "locked": false, "schema_version": 3, "solution": true, "task": false}
def decode_step(token: Tensor, cache, weights: dict[str, Tensor], config: dict[str, int | float]):
    """One step of decoding with cached keys and values: (logits (B, V), new cache).

    token: ids (B, 1). cache: None for the first token of a text, else what the previous step returned.
    """
    ### BEGIN SOLUTION
    n_heads, n_kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    theta, eps = config["rope_theta"], config["rms_norm_eps"]
    past = 0 if cache is None else cache[0][0].shape[2]
    position = torch.tensor([past], device=token.device)
    x = weights["model.embed_tokens.weight"][token]  # (B, 1, D)
    longer = []
    for layer in range(config["num_hidden_layers"]):
        w = layer_weights(weights, layer)
        h = rms_norm(x, w["input_layernorm.weight"], eps)
        q = apply_rope(split_heads(h @ w["self_attn.q_proj.weight"].T, n_heads), position, theta)
        k = apply_rope(split_heads(h @ w["self_attn.k_proj.weight"].T, n_kv_heads), position, theta)
        v = split_heads(h @ w["self_attn.v_proj.weight"].T, n_kv_heads)
        if cache is not None:
            k, v = torch.cat([cache[layer][0], k], 2), torch.cat([cache[layer][1], v], 2)
        longer.append((k, v))
        n_rep = n_heads // n_kv_heads
        mixed = scaled_dot_product_attention(q, repeat_kv(k, n_rep), repeat_kv(v, n_rep), None)
        x = x + merge_heads(mixed) @ w["self_attn.o_proj.weight"].T
        matrices = [w[f"mlp.{name}_proj.weight"] for name in ("gate", "up", "down")]
        x = x + swiglu(rms_norm(x, w["post_attention_layernorm.weight"], eps), *matrices)
    x = rms_norm(x[:, 0], weights["model.norm.weight"], eps)
    return x @ weights["lm_head.weight"].T, longer
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_decode_step", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
def fed(step, ids, w, c):
    """Logits after each token of ids (B, T), fed one by one."""
    cache, rows = None, []
    for t in range(ids.shape[1]):
        logits, cache = step(ids[:, t:t + 1], cache, w, c)
        rows.append(logits)
    return rows


def compare_steps(rows, wanted, mistakes, hint):
    """rows: what each step gave. wanted: (B, T, V). mistakes: sentence -> function of t, giving (B, V)."""
    for t, row in enumerate(rows):
        want = wanted[:, t]
        if isinstance(row, Tensor) and tuple(row.shape) == (want.shape[0], 1, want.shape[1]):
            row = row[:, 0]
        check.close(row, want, atol=1e-3, rtol=1e-3, hint=f"step {t}: {hint}",
                    mistakes={sentence: wrong(t) for sentence, wrong in mistakes.items()})


toy = toy_llama(15)
named, settings = dict(toy.state_dict()), plain_config(toy.config)
ids = torch.tensor([[3, 1, 4, 1, 5, 9], [2, 6, 5, 3, 5, 8]])
at_zero = torch.zeros(1, 6, dtype=torch.int64)
compare_steps(check.beside(fed, decode_step, ids, named, settings), toy(ids).logits, {
    "the past is forgotten: the new token sees itself alone": lambda t: toy(ids[:, t:t + 1]).logits[:, 0],
    "every token stands at position 0: its position is the number of tokens in the cache":
        lambda t: toy(ids, position_ids=at_zero).logits[:, t],
    "the last norm is missing": lambda t: replaced(toy, "model.norm", nn.Identity())(ids).logits[:, t],
}, "not the logits of the uncached run; keys are cached after their own rotation, values as they are, "
   "and the new query sees all of them, the new key included")
### BEGIN HIDDEN TESTS
def interrupted(step, ids, before, after, c):
    """Logits of the last step, which runs with other weights than the steps before it."""
    cache = None
    for t in range(ids.shape[1] - 1):
        _, cache = step(ids[:, t:t + 1], cache, before, c)
    return [step(ids[:, -1:], cache, after, c)[0]]


def in_turn(step, one, other, w, c):
    """Two texts of the same length, decoded alternately."""
    caches, rows = [None, None], [[], []]
    for t in range(one.shape[1]):
        for text, ids in enumerate((one, other)):
            logits, caches[text] = step(ids[:, t:t + 1], caches[text], w, c)
            rows[text].append(logits)
    return rows


by_now = toy(ids[:, :-1], use_cache=True).past_key_values  # transformers' own keys and values of the past
others = {name: w.flip(0) for name, w in named.items() if "k_proj" in name or "v_proj" in name}
want = functional_call(toy, others, (ids[:, -1:],), {"past_key_values": by_now}).logits
later = named["model.embed_tokens.weight"].clone()
later[[3, 1, 4, 2, 6]] += 1.0  # tokens that were read before; the last ones are 9 and 8
compare_steps(check.beside(interrupted, decode_step, ids, named, {**named, "model.embed_tokens.weight": later}, settings),
              toy(ids).logits[:, -1:], {}, "the past was computed again: take its keys and values from the cache")
compare_steps(check.beside(interrupted, decode_step, ids, named, {**named, **others}, settings), want, {},
              "new matrices k_proj and v_proj have changed the keys and values of the past: cache keys and values themselves, "
              "not what they are made of")
alternate = check.beside(in_turn, decode_step, ids, ids.flip(1), named, settings)
for rows, text in zip(alternate, (ids, ids.flip(1)), strict=True):
    compare_steps(rows, toy(text).logits, {}, "two texts decoded in turn get mixed up: keep all state in the cache")
for tokens, seed, changes in ((7, 16, {"num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 4}),
                              (5, 17, {"num_key_value_heads": 1, "rope_theta": 20.0, "rms_norm_eps": 1e-5}),
                              (3, 22, {"head_dim": 14})):
    toy = toy_llama(seed, **changes)
    ids = torch.randint(29, (1, tokens), generator=torch.Generator().manual_seed(seed))
    rows = check.beside(fed, decode_step, ids, dict(toy.state_dict()), plain_config(toy.config))
    compare_steps(rows, toy(ids).logits, {}, f"wrong for one text and another configuration: {changes}")
toy = toy_llama(23, rope_theta=10000.0)
ids = torch.randint(29, (1, 70), generator=torch.Generator().manual_seed(23))
rows = check.beside(fed, decode_step, ids, dict(toy.state_dict()), plain_config(toy.config))
compare_steps(rows, toy(ids).logits, {}, "wrong in a text of 70 tokens: the new token sees all of the past")


def real_steps(step, lm, ids, c):
    w, cache, rows = dict(lm.state_dict()), None, []
    for t in range(ids.shape[1]):
        logits, cache = step(ids[:, t:t + 1], cache, w, c)
        rows.append(logits)
    return rows


text = tokenizer("My favorite composer is", return_tensors="pt").input_ids
compare_steps(check.beside(real_steps, decode_step, model, text, plain_config(model.config)), model(text).logits, {},
              "wrong with the real model's weights")
### END HIDDEN TESTS

# %% [markdown]
# What does it save? The next cell writes the same text twice, once with `llama_logits` on everything so far, once with
# `decode_step`, and takes the time of each token.

# %% tags=["lab"]
import time

n_new = runtime.pick(32, 128)
start = tokenizer("The history of the city begins in", return_tensors="pt").input_ids
llama_logits(start, weights, config)  # a first run, which warms up caches of the machine


def timed(next_logits) -> tuple[list[float], list[int]]:
    """Seconds of each step, and the ids of the text, written greedily; next_logits: ids (1, T) -> (V,)."""
    ids, seconds = start, []
    for _ in runtime.progress(range(n_new), "tokens"):
        began = time.perf_counter()
        best_next = next_logits(ids).argmax()
        seconds.append(time.perf_counter() - began)
        ids = torch.cat([ids, best_next.view(1, 1)], 1)
    return seconds, ids[0].tolist()


state = {"cache": None, "read": 0}


def with_cache(ids: Tensor) -> Tensor:
    while state["read"] < ids.shape[1]:  # the prompt at first, then one token a time
        logits, state["cache"] = decode_step(ids[:, state["read"], None], state["cache"], weights, config)
        state["read"] += 1
    return logits.reshape(-1)


slow, slow_text = timed(lambda ids: llama_logits(ids, weights, config)[0, -1])
fast, fast_text = timed(with_cache)
print(f"the same text: {slow_text == fast_text}. {sum(slow):.1f} s without cache, {sum(fast):.1f} s with it.")
fig, (left, right) = plots.figure(1, 2, size=(9.6, 3.2))
lengths = range(start.shape[1], start.shape[1] + n_new)
for seconds, colour, name in ((slow, plots.ORANGE, "without cache"), (fast, plots.BLUE, "with cache")):
    left.plot(lengths, [1000 * x for x in seconds], ".", color=colour, label=name)
    right.plot(lengths, torch.tensor(seconds).cumsum(0).numpy(), color=colour, label=name)
left.set(xlabel="tokens so far", ylabel="milliseconds for the next", ylim=(0, 1.1e3 * max(slow)))
right.set(xlabel="tokens so far", ylabel="seconds in all", ylim=(0, None))
left.legend()
plots.caption(fig, "Greedy decoding with your functions and the real model's weights. The first step with cache reads the "
              "whole prompt.",
              f"Left: time per token grows with the length without a cache and stays level with it. Right: totals, "
              f"{sum(slow):.1f} seconds against {sum(fast):.1f} for {n_new} tokens.")

# %% [markdown]
# Without a cache, step $t$ does the work of $t$ tokens, so a text of $n$ tokens costs of the order of $n^2$. With one, it
# costs $n$ steps, plus the attention scores, which are few at these lengths. Each step must still read every weight once; on
# short texts that is most of its time.
#
# The price is memory. Per token, our cache holds 2 · 30 layers · 3 heads · 64 numbers:

# %% tags=["demo"]
per_token = 2 * config["num_hidden_layers"] * config["num_key_value_heads"] * config["head_dim"]
for tokens in (1, 1024, 8192):
    print(f"{tokens:>5} tokens: {per_token * tokens:>11,} numbers, {4 * per_token * tokens / 2**20:>7.1f} MiB in float32; "
          f"with 9 key heads {12 * per_token * tokens / 2**20:>7.1f} MiB")
fig, ax = plots.figure(size=(6.4, 2.8))
lengths = torch.arange(0, 8193, 64)
for heads, colour in ((9, plots.ORANGE), (3, plots.BLUE), (1, plots.GREEN)):
    ax.plot(lengths.numpy(), (4 * per_token / 3 * heads * lengths / 2**20).numpy(), color=colour, label=f"{heads} key heads")
ax.set(xlabel="tokens", ylabel="MiB in float32")
ax.legend()
plots.caption(fig, "Memory of the cache for one text. Our model has 3 key heads.",
              "Three straight lines from the origin: with 9 key heads the cache is three times as large as with 3, and nine "
              "times as large as with 1.")

# %% [markdown]
# ## 9. It writes
#
# Everything is yours now: attention, positions, norms, MLP, blocks, cache. What `transformers` still does here is to read the
# weights from disk. Ask it something.
#
# **Predict first.** The loop below takes the most likely token each time, as `model.generate(do_sample=False)` does. Your
# logits differ from the real model's by less than a ten-thousandth. Will the two write the same text?
#
# <details><summary>Answer</summary>
#
# Almost surely: the difference matters only where the two best tokens are closer than that, which is rare in a short text.
# In a long one it will happen at some point, and from there on the texts part. That is why no test compares long texts.
# </details>

# %% tags=["demo"]
def write(question: str, n: int) -> tuple[list[int], Tensor]:
    """Greedy answer of your own model, token by token: ids of prompt and answer, and the logits at each step (n, V)."""
    prompt = tokenizer.apply_chat_template([{"role": "user", "content": question}], add_generation_prompt=True,
                                           return_tensors="pt", return_dict=True).input_ids
    cache, rows, ids = None, [], prompt[0].tolist()
    for place in range(len(ids) + n - 1):
        logits, cache = decode_step(torch.tensor([[ids[place]]]), cache, weights, config)
        if place >= prompt.shape[1] - 1:
            rows.append(logits.reshape(-1))
            ids.append(rows[-1].argmax().item())
            print(tokenizer.decode([ids[-1]]), end="", flush=True)
            if ids[-1] == tokenizer.eos_token_id:
                break
    print()
    return ids, torch.stack(rows)


written, step_logits = write("What does a language model do? Answer in one sentence.", 40)

# %% [markdown]
# And the last comparison: the logits of every step, yours from the cache and token by token, theirs from one pass over the
# finished text.

# %% tags=["demo"]
real_logits = model(torch.tensor([written[:-1]])).logits[0, -len(step_logits):]
check.close(step_logits, real_logits, atol=1e-2, rtol=1e-3, hint="your logits while writing are not the real model's")
gap = (step_logits - real_logits).abs().amax(1)
chosen = real_logits.argmax(1).tolist()
print("the real model would have chosen the same token at every step:", chosen == written[-len(chosen):])
print(f"{len(gap)} steps; largest difference of any of the {step_logits.numel():,} logits: {gap.max():.1e}")
fig, (left, right) = plots.figure(1, 2, size=(9.6, 3.4), width_ratios=(1, 1.3))
sample = torch.randperm(step_logits.shape[1], generator=torch.Generator().manual_seed(0))[:800]
left.scatter(real_logits[:, sample].flatten().numpy()[::4], step_logits[:, sample].flatten().numpy()[::4], s=5,
             color=plots.BLUE)
left.set(xlabel="the real model's logit", ylabel="yours")
right.bar(range(len(gap)), 1e5 * gap.numpy(), color=plots.BLUE)
right.set(ylabel="largest difference, in 1/100,000", xlabel="step")
plots.caption(fig, "Your model against the real one, while it wrote the answer above.",
              f"Left: points on the diagonal. Right: a bar for each of {len(gap)} steps; no difference is above {gap.max():.0e}.")

# %% [markdown]
# ## Spot the bug
#
# The rotary table of a model that runs in bfloat16. It passes every test on short prompts.
#
# ```python
# class Rotary(nn.Module):
#     def __init__(self, head_dim, theta=10000.0):
#         super().__init__()
#         self.register_buffer("inv_freq", 1.0 / theta ** (torch.arange(0, head_dim, 2) / head_dim))
#
#     def forward(self, length):
#         t = torch.arange(length, dtype=self.inv_freq.dtype, device=self.inv_freq.device)
#         angles = torch.outer(t, self.inv_freq)
#         return angles.cos(), angles.sin()
#
# model.to(torch.bfloat16)  # Rotary is a part of it
# ```
#
# <details><summary>What is wrong?</summary>
#
# <code>.to(torch.bfloat16)</code> converts buffers too, so <code>inv_freq</code>, <code>t</code> and the angles become
# bfloat16, which has 8 significant bits. From 256 on it cannot hold every whole number: 257 becomes 256, and around 4,000
# sixteen neighbouring positions fall on one value. Words near to each other get the same position, and a model that is fine
# at 100 tokens loses the order at 4,000. <code>transformers</code> had it (issue 25681; pull request 29285 of 2024, found by
# Daniel Han while comparing losses), and others have since. The cure is the one in your <code>rope_angles</code>: positions,
# frequencies and angles in float32, whatever the model runs in.
# </details>

# %% tags=["demo"]
print("positions in bfloat16:", torch.arange(254, 263).bfloat16().tolist())
true_angles = rope_angles(torch.arange(4096), 64, 10000.0)
rounded = torch.arange(4096).bfloat16()[:, None] * (10000.0 ** -(torch.arange(0, 64, 2) / 64)).bfloat16()
fig, ax = plots.figure(size=(7.2, 2.8))
ax.plot((rounded[:, 0].float() - true_angles[:, 0]).abs().numpy(), ".", ms=2, color=plots.ORANGE, label="the bug")
ax.set(xlabel="position", ylabel="error of the angle (radians)")
ax.axhline(math.pi, color=plots.GREY, ls="--", lw=1.2)
ax.text(40, math.pi, "half a turn", va="bottom")
plots.caption(fig, "Error of the fastest pair's angle when positions are held in bfloat16.",
              "Points fan out in steps: no error up to position 256, up to 1 radian at 512, and up to 8 radians beyond 2,048.")

# %% [markdown]
# ## Recap
#
# - A Llama is an input transformation, a stack of blocks that map T × D to T × D, and an output transformation. Blocks only
#   add to the residual stream.
# - Queries and keys decide where a position looks, values what it gets. Scores are divided by √d to keep the softmax soft.
# - Attention without positions is permutation-equivariant. RoPE rotates queries and keys, after the projection and never the
#   values, and a score depends on the distance alone.
# - Half-split and interleaved RoPE are one thing in two orders; weights belong to one of them.
# - Heads are cuts of one long vector. Grouped queries share keys and values, in a row.
# - RMSNorm in float32, without a mean; SwiGLU with its gate; both on a detour.
# - The past never changes under a causal mask, so its keys and values can be kept.
#
# Covers: A28, A29, A30, A31, A32, B1
#
# **Words to keep**
#
# | term | meaning |
# |---|---|
# | query, key, value | what a position looks for, offers, hands over |
# | attention shares (weights) | softmax of the scores, one row for each query |
# | causal mask | which keys a query may see: its own and earlier ones |
# | permutation-equivariant | shuffled input, equally shuffled output |
# | RoPE, θ | rotation of queries and keys by their positions; its base |
# | half-split, interleaved | pairs (i, i + d/2), pairs (2i, 2i + 1) |
# | head | attention in its own d of the numbers |
# | grouped-query attention | several query heads share a key and value head |
# | attention sink | a token, mostly the first, that takes the shares nobody needs |
# | residual stream | the vector of a position that all blocks add to |
# | RMSNorm | division by the root of the mean square, times a learned weight |
# | SwiGLU | an MLP with a SiLU gate |
# | KV cache | keys and values of all earlier tokens, per layer |
#
# **References**
#
# - J. Ainslie, J. Lee-Thorp, M. de Jong, Y. Zemlyanskiy, F. Lebrón, S. Sanghai (2023). GQA: Training generalized multi-query
#   transformer models from multi-head checkpoints. *EMNLP*.
# - L. B. Allal et al. (2025). SmolLM2: When Smol goes big. arXiv:2502.02737.
# - N. Elhage et al. (2021). A mathematical framework for transformer circuits. *Transformer Circuits Thread*.
# - A. Haviv, O. Ram, O. Press, P. Izsak, O. Levy (2022). Transformer language models without positional encodings still learn
#   positional information. *Findings of EMNLP*.
# - J. Lee, Y. Lee, J. Kim, A. Kosiorek, S. Choi, Y. W. Teh (2019). Set Transformer: A framework for attention-based
#   permutation-invariant neural networks. *ICML*.
# - C. Olsson et al. (2022). In-context learning and induction heads. *Transformer Circuits Thread*.
# - R. Pope et al. (2022). Efficiently scaling transformer inference. arXiv:2211.05102.
# - N. Shazeer (2020). GLU variants improve Transformer. arXiv:2002.05202.
# - J. Su, Y. Lu, S. Pan, A. Murtadha, B. Wen, Y. Liu (2021). RoFormer: Enhanced transformer with rotary position embedding.
#   arXiv:2104.09864.
# - M. Sun, X. Chen, J. Z. Kolter, Z. Liu (2024). Massive activations in large language models. *COLM*.
# - H. Touvron et al. (2023). LLaMA: Open and efficient foundation language models. arXiv:2302.13971.
# - A. Vaswani et al. (2017). Attention is all you need. *NeurIPS*.
# - G. Xiao, Y. Tian, B. Chen, S. Han, M. Lewis (2024). Efficient streaming language models with attention sinks. *ICLR*.
# - B. Zhang, R. Sennrich (2019). Root mean square layer normalization. *NeurIPS*.
#
# **Next**: 06, pretraining: you know every weight of a language model by name. Where do their values come from?

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
# # 03 · Hooks: looking inside a model while it runs
#
# A language model is often called a black box. It is nothing of the kind: every number in it can be read, and every
# number that passes through it can be caught in flight. In this unit you open a real model, read the list of its parts,
# store its weights in fewer bits, listen at any part while it runs, and then reach in and change what it thinks.
#
# **You will be able to**
#
# - load a model by its name, from a folder, or the one that came with the course, on the device you have;
# - count its parameters, and say how much memory they take in 32, 16, 8 and 4 bits;
# - read the module trees of Llama-, GPT-2- and BERT-like models and find the same three parts in each;
# - record what goes into every module and what comes out, and leave the model as you found it;
# - watch a guess take shape from layer to layer (the logit lens);
# - test what a part is *for*, by switching it off (ablation) or by replacing what it says (patching).
#
# **Before you start**: unit 01, some practice with PyTorch's `nn.Module`, and Python functions that make functions. If a
# *token* is new to you, take unit 02 first.
#
# **Your time**: about four hours. The machine computes for about half a minute on two CPU cores, and for two to four minutes
# more in the three cells marked *Lab*; a GPU makes those short.
#
# **Points**: 40, all for functions.
#
# | section | you write | points |
# |---|---|---|
# | 1 A model by its name | `count_parameters`, `weight_bytes` | 2 + 2 |
# | 3 Fewer bits for each weight | `quantize_rowwise`, `dequantize` | 4 + 2 |
# | 4 Hooks | `capture`, `record_calls` | 5 + 5 |
# | 5 One token, recorded | `kv_cache_bytes` | 2 |
# | 6 The residual stream | `residual_stream`, `logit_lens` | 4 + 4 |
# | 7 Reaching in | `ablate_head`, `patch_residual` | 5 + 5 |

# %%
import contextlib
import copy
import time
from unittest.mock import patch

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig

from helpers import checks as check
from helpers import models, plots, runtime

torch.set_grad_enabled(False)  # nothing is trained in this unit: no gradients, less memory
model, tokenizer = models.load(device=runtime.device())

# %% [markdown]
# `model` is SmolLM2-135M-Instruct (Ben Allal et al. 2025), which has the architecture of Llama. So that your functions
# work for other models as well, the tests also try them on **toys**: models of the same make with two or three layers and
# random weights, which compute in a millisecond. The next cell makes toys, and looks for what a function leaves behind on
# a model. You need not read it.

# %%
def toy_model(config, seed: int):
    """An untrained model of this configuration: matrices from a normal distribution, norms between 0.5 and 1.5."""
    made = AutoModelForCausalLM.from_config(config).eval()
    generator = torch.Generator().manual_seed(seed)
    for weight in made.parameters():
        if weight.ndim > 1:
            weight.data.normal_(0, 0.3, generator=generator)
        else:
            weight.data.uniform_(0.5, 1.5, generator=generator)
    return made


def toy_llama(seed: int, layers: int = 3, tied: bool = False):
    """Width 24, 4 heads of 6 numbers that share 2 key-value heads, a vocabulary of 29."""
    return toy_model(LlamaConfig(vocab_size=29, hidden_size=24, intermediate_size=40, num_hidden_layers=layers,
                                 num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64,
                                 bos_token_id=0, eos_token_id=1, tie_word_embeddings=tied), seed)


def toy_gpt2(seed: int, layers: int = 2):
    """Width 16, 2 heads, a vocabulary of 29, 32 positions; lm_head and wte are one matrix, as in GPT-2."""
    return toy_model(GPT2Config(vocab_size=29, n_positions=32, n_embd=16, n_layer=layers, n_head=2,
                                bos_token_id=0, eos_token_id=1), seed)


def ids_of(*texts: str) -> Tensor:
    """The token ids of texts that have equally many tokens, (texts, T), on the model's device."""
    return tokenizer(list(texts), return_tensors="pt").input_ids.to(model.device)


class Broken(nn.Module):
    """A part that fails whenever it is called."""

    def forward(self, *args, **kwargs):
        raise RuntimeError("this part is broken")


def left_on(lm: nn.Module, function, *args) -> dict[str, int]:
    """Call `function(lm, *args)`, whether or not it fails, and count what it has left on the model."""
    with contextlib.suppress(Exception):  # some hooks are the library's own: it puts them there once and for ever
        lm(torch.zeros(1, 1, dtype=torch.long), output_hidden_states=True)
    strangers = [module.register_forward_hook(lambda *_: None) for module in lm.modules()]  # somebody else's hooks

    def hooks() -> set[int]:
        tables = [table for m in lm.modules() for table in (m._forward_hooks, m._forward_pre_hooks)]
        tables += [nn.modules.module._global_forward_hooks, nn.modules.module._global_forward_pre_hooks]
        return {key for table in tables for key in table}

    before, weights = hooks(), {name: value.clone() for name, value in lm.state_dict().items()}
    with contextlib.suppress(Exception):
        function(lm, *args)
    after, now = hooks(), lm.state_dict()
    for handle in strangers:
        handle.remove()
    return {
        "hooks left": len(after - before) + sum("forward" in vars(module) for module in lm.modules()),
        "hooks of others lost": len(before - after),
        "weights changed": sum(name not in now or not torch.equal(value, now[name]) for name, value in weights.items()),
    }


NOTHING_LEFT = {"hooks left": 0, "hooks of others lost": 0, "weights changed": 0}

# %% [markdown]
# ## 1. A model by its name
#
# On a disk, a model is a folder with three things in it: a **configuration** (some dozen numbers: how many layers, how
# wide), the **weights**, and the files of its tokenizer. `from_pretrained` of the `transformers` library takes the name of
# a model on the Hugging Face Hub, or the path of such a folder. This is how you would load two well-known models, on a
# machine with a network and a GPU:
#
# ```python
# import os
# from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
#
# # Llama 2 7B chat in 16-bit floats. It is gated: accept its licence on the model's page, make an access token in
# # the settings of your Hub account, and put it into the environment variable HF_TOKEN, never into a notebook.
# # (`hf auth login` in a terminal keeps it in a file instead; then leave out token=.)
# name, token = "meta-llama/Llama-2-7b-chat-hf", os.environ["HF_TOKEN"]
# tokenizer = AutoTokenizer.from_pretrained(name, token=token)
# model = AutoModelForCausalLM.from_pretrained(name, token=token, dtype=torch.float16, device_map="auto")
#
# # Phi-3.5-mini, its weights in 8 bits.
# name = "microsoft/Phi-3.5-mini-instruct"
# tokenizer = AutoTokenizer.from_pretrained(name)
# model = AutoModelForCausalLM.from_pretrained(
#     name, quantization_config=BitsAndBytesConfig(load_in_8bit=True), device_map="auto")
# ```
#
# The course's own `models.load` does the same in a line, and says which source it took and why:
#
# ```python
# model, tokenizer = models.load("meta-llama/Llama-2-7b-chat-hf", dtype="float16")   # by its name
# model, tokenizer = models.load("microsoft/Phi-3.5-mini-instruct", quantize="8bit")  # by its name, in 8 bits
# model, tokenizer = models.load("./my_model")                                        # by the path of a folder
# model, tokenizer = models.load()                                                    # what came with the course
# ```
#
# **Which device?** CUDA if there is one, else the CPU; `runtime.device()` decides like that. The rule to remember: a
# model and its inputs must be on the *same* device, hence the `.to(model.device)` in this unit.

# %% tags=["demo"]
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")  # what runtime.device() does
print("device:", device, " the model is on:", model.device, " its weights are", model.dtype)
chosen = ("model_type", "num_hidden_layers", "hidden_size", "num_attention_heads", "num_key_value_heads", "head_dim",
          "intermediate_size", "vocab_size", "max_position_embeddings", "tie_word_embeddings")
for key in chosen:
    print(f"{key:>25}: {getattr(model.config, key)}")

# %% [markdown]
# **Predict first.** "135M" stands for 135 million parameters. How many bytes are they in 32-bit floats? And would the 7
# billion of Llama 2 fit into a graphics card with 16 GB, in 32 bits or in 16?
#
# <details><summary>Answer</summary>
#
# 32 bits are 4 bytes: 135 million × 4 = 0.54 GB. Llama 2 has 6.7 billion: 27 GB in 32 bits, which does not fit, and 13.5 GB
# in 16, which does, with little room for anything else.
# </details>
#
# The parameters of a PyTorch module are the tensors that were learnt: `model.parameters()`. Two modules may *share* one.
# In many language models the first layer, the embedding, and the last, `lm_head`, are one and the same matrix (**weight
# tying**, Press and Wolf 2017): learnt once, stored once, and to be counted once.
#
# ### Exercise: `count_parameters` (2 points, 10 minutes)
#
# Write `count_parameters(model)`: how many numbers the parameters of a module have, all parts included, as a plain int.
# A parameter that several modules share counts once; one that is frozen (`requires_grad=False`) counts like any other.
# **Buffers** (tensors that belong to a module and are not learnt, such as the running mean of a batch norm) do not count.
#
# <details><summary>Hint 1</summary><code>numel()</code> says how many numbers a tensor has.</details>
# <details><summary>Hint 2</summary>A module offers several lists: <code>state_dict()</code>, <code>buffers()</code>,
# <code>parameters()</code>. Which has no buffers in it, and no tensor twice?</details>
# <details><summary>Hint 3</summary><code>sum(p.numel() for p in ...)</code>; PyTorch gives each parameter once.</details>

# %% nbgrader={"grade": false, "grade_id": "count_parameters", "locked": false, "schema_version": 3, "solution": true, "task": false}
def count_parameters(model: nn.Module) -> int:
    """How many numbers the parameters of `model` have; a parameter that is shared counts once, buffers do not."""
    ### BEGIN SOLUTION
    return sum(parameter.numel() for parameter in model.parameters())
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_count_parameters", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
little = toy_gpt2(0)  # vocabulary 29, width 16, 32 positions, 2 blocks; lm_head is wte
block = 12 * 16**2 + 13 * 16  # matrices (3 + 1 + 4 + 4) d², their biases (3 + 1 + 4 + 1) d, two norms 4 d
want = 29 * 16 + 32 * 16 + 2 * block + 2 * 16
check.equal(count_parameters(little), want, mistakes={
    "lm_head and wte are one matrix: count it once": want + 29 * 16,
    "that is the number of tensors, not of the numbers in them": len(list(little.parameters())),
    "biases and norms are parameters too": sum(p.numel() for p in little.parameters() if p.ndim > 1),
    "the parts inside the parts count as well": 0,
}, hint="wrong for a small GPT-2 whose lm_head and wte are one matrix")
### BEGIN HIDDEN TESTS
normed = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5))
check.equal(count_parameters(normed), 15 + 5 + 5 + 5, mistakes={
    "buffers are not parameters: nobody learns them": 15 + 5 + 5 + 5 + 5 + 5 + 1,
}, hint="wrong for a module with a batch norm, which has buffers besides its parameters")
frozen = toy_llama(0, layers=2)
for parameter in frozen.model.layers[0].parameters():
    parameter.requires_grad_(False)
want = 2 * 29 * 24 + 2 * (2 * 24 * 24 + 2 * 24 * 12 + 3 * 24 * 40 + 2 * 24) + 24
check.equal(count_parameters(frozen), want, hint="wrong for a small Llama with a frozen layer: frozen ones count too")
twin = nn.Linear(4, 4)
check.equal(count_parameters(nn.Sequential(twin, nn.ReLU(), twin, nn.Sequential(twin))), 20,
            hint="a layer that is used three times has its parameters once")
check.equal(count_parameters(nn.ReLU()), 0, hint="a module without parameters has 0 of them")
check.equal(count_parameters(model), 134_515_008, hint="wrong for the real model")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise: `weight_bytes` (2 points, 5 minutes)
#
# Write `weight_bytes(n_parameters, bits)`: the bytes that `n_parameters` numbers of `bits` bits take, as a plain int. 8
# bits are a byte. (The tests only ask for numbers that fill whole bytes. Where yours do not, to round up is the honest
# answer: nobody can store half a byte.)
#
# <details><summary>Hint 1</summary>How many bits are there together?</details>
# <details><summary>Hint 2</summary><code>/</code> gives a float, <code>//</code> keeps whole numbers whole.</details>
# <details><summary>Hint 3</summary><code>n_parameters * bits</code> bits, divided by 8.</details>

# %% nbgrader={"grade": false, "grade_id": "weight_bytes", "locked": false, "schema_version": 3, "solution": true, "task": false}
def weight_bytes(n_parameters: int, bits: int) -> int:
    """Bytes that `n_parameters` numbers of `bits` bits each take."""
    ### BEGIN SOLUTION
    return -(n_parameters * bits // -8)  # // rounds down, and so, with two minus signs, up
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_weight_bytes", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check.equal(weight_bytes(1_000_000, 16), 2_000_000, mistakes={
    "those are bits: a byte has 8 of them": 16_000_000,
    "4 bytes a number is 32 bits: `bits` is an argument": 4_000_000,
    "multiply by the bits, and divide by 8": 1_000_000 // 16,
    "the division is the wrong way round: bits / 8 bytes a number": 500_000,
}, hint="wrong for a million 16-bit numbers")
### BEGIN HIDDEN TESTS
for number, width, size in ((6_738_415_616, 32, 26_953_662_464), (6_738_415_616, 8, 6_738_415_616), (10, 4, 5),
                            (8, 1, 1), (16, 3, 6), (0, 16, 0), (1, 64, 8)):
    check.equal(weight_bytes(number, width), size, hint=f"wrong for {number:,} numbers of {width} bits")
### END HIDDEN TESTS

# %% [markdown]
# To count the parameters of a model you need not download it, nor have the memory for it. On PyTorch's `meta` device
# every tensor has a shape and a type, and no numbers:

# %% tags=["demo"]
from transformers import Phi3Config

with torch.device("meta"):
    described = {
        "GPT-2": AutoModelForCausalLM.from_config(GPT2Config()),  # the default sizes are those of the model
        "Phi-3.5-mini": AutoModelForCausalLM.from_config(Phi3Config()),
        "Llama 2 7B": AutoModelForCausalLM.from_config(LlamaConfig()),
    }
sizes = {"SmolLM2-135M": count_parameters(model)} | {name: count_parameters(lm) for name, lm in described.items()}
widths = (32, 16, 8, 4)
print(f"{'':14}{'parameters':>15}" + "".join(f"{f'{bits} bits':>12}" for bits in widths))
for name, number in sizes.items():
    print(f"{name:14}{number:>15,}" + "".join(f"{weight_bytes(number, bits) / 1e9:>9.2f} GB" for bits in widths))

fig, ax = plots.figure(size=(8.4, 3.4))
for place, (bits, colour) in enumerate(zip(widths, (plots.BROWN, plots.BLUE, plots.GREEN, plots.ORANGE))):
    heights = [weight_bytes(number, bits) / 1e9 for number in sizes.values()]
    ax.bar([x + 0.2 * (place - 1.5) for x in range(len(sizes))], heights, 0.19, color=colour, label=f"{bits} bits")
ax.axhline(16, color=plots.INK, ls="--")
ax.annotate("16 GB: one T4, the free GPU of Colab", (-0.45, 16), xytext=(0, 4), textcoords="offset points")
ax.set(yscale="log", ylabel="GB", ylim=(0.05, 60), title="What the weights take")
ax.set_xticks(range(len(sizes)), sizes)
ax.legend(loc="lower right", ncols=4, bbox_to_anchor=(1, 1))
plots.caption(fig, "Memory for the weights of four models, in 32, 16, 8 and 4 bits each.",
              "Bars on a logarithmic axis. SmolLM2-135M goes from 0.54 to 0.07 GB, GPT-2 from 0.50 to 0.06, Phi-3.5-mini from "
              "15.3 to 1.9 and Llama 2 7B from 27 to 3.4. Only Llama 2 7B in 32 bits is above the line at 16 GB.")

# %% [markdown]
# ## 2. The tree of modules
#
# A PyTorch model is a tree: a module has named modules in it, and so on down to those that do the arithmetic.
# `print(model)` shows the whole tree; `show` of this course tells repeated layers once and adds the sizes. Here are three
# families side by side: the course's model (Llama), GPT-2 (from a configuration, with random weights: its *shape* is what
# we look at) and MiniLM (BERT).

# %% tags=["demo"]
from IPython.display import display

from helpers.show import view

masked_lm, _ = models.load_masked_lm()
gpt2 = described["GPT-2"]
families = {"Llama family: SmolLM2-135M": model, "GPT-2": gpt2, "BERT family: MiniLM": masked_lm}
columns = "".join(f'<div style="flex: 1 1 19em; overflow-x: auto"><b>{name}</b>{view(lm)._repr_html_()}</div>'
                  for name, lm in families.items())
plain = "\n\n".join(f"{name}\n{view(lm)}" for name, lm in families.items())
display({"text/html": f'<div style="display: flex; flex-wrap: wrap; gap: 1em; font-size: 85%">{columns}</div>',
         "text/plain": plain}, raw=True)

# %% [markdown]
# Click on a line to fold it. Different names, but in all three trees the same three parts, as in the first transformer
# (Vaswani et al. 2017, §3). For a text of $T$ tokens and a model of width $D$:
#
# 1. the **input transformation** turns $T$ ids into a $T \times D$ matrix: look up a row for each token, and in GPT-2 and
#    BERT add a row for each position,
#    $\; h^{(0)} = E_{ids} \; (+\, P_{positions})$;
# 2. $L$ **transformer blocks** each take a $T \times D$ matrix and give a $T \times D$ matrix,
#    $\; h^{(l)} = \text{block}_l\bigl(h^{(l-1)}\bigr)$: attention, which looks at other positions, and an MLP, which does
#    not;
# 3. the **output transformation** turns $T \times D$ into $T \times V$ scores, one for each token of the vocabulary:
#    a last norm, then a matrix, $\; z = \text{norm}\bigl(h^{(L)}\bigr)\, W^\top$.
#
# | | input transformation | blocks | output transformation |
# |---|---|---|---|
# | Llama | `model.embed_tokens` (positions come in later, inside attention: unit 05) | `model.layers`: 30 here, 32 in Llama 2 7B | `model.norm`, `lm_head` |
# | GPT-2 | `transformer.wte` (50,257 × 768) and `transformer.wpe` (1,024 × 768) | `transformer.h`: 12 | `transformer.ln_f`, `lm_head` |
# | BERT | `bert.embeddings` (words, positions, segments, a norm) | `bert.encoder.layer`: 6 in MiniLM, 12 in BERT-base | `cls.predictions` |
#
# Because every block maps $T \times D$ to $T \times D$, blocks can be stacked as high as you can pay for.
#
# **Predict first.** The tree of GPT-2 ends with `lm_head`, a matrix of 38.6 million numbers. All of GPT-2 has 124.4
# million, and the `transformer` inside it has 124.4 million too. How can that be?
#
# <details><summary>Answer</summary>
#
# <code>lm_head.weight</code> <em>is</em> <code>transformer.wte.weight</code>, the very same tensor: weight tying. So it has
# been counted already. Whoever adds up the lines of <code>state_dict()</code>, where both names occur, gets 163 million.
# </details>

# %% tags=["demo"]
print("GPT-2:  lm_head is wte:", gpt2.lm_head.weight is gpt2.transformer.wte.weight, tuple(gpt2.lm_head.weight.shape))
print("GPT-2:  parameters", f"{count_parameters(gpt2):,}", " entries of state_dict",
      f"{sum(t.numel() for t in gpt2.state_dict().values()):,}")
print("SmolLM2: lm_head is embed_tokens:", model.lm_head.weight is model.model.embed_tokens.weight)
print("Llama 2: lm_head is embed_tokens:", described["Llama 2 7B"].lm_head.weight is
      described["Llama 2 7B"].model.embed_tokens.weight)

# %% tags=["demo"] cellView="form" jupyter={"source_hidden": true}
def share_of(lm, *words: str) -> int:
    """Parameters with one of these words in their name; a shared one counts under its first name."""
    return sum(p.numel() for name, p in lm.named_parameters() if any(word in name for word in words))


kinds = {"embeddings and lm_head": ("embed", "wte", "wpe", "lm_head", "cls.predictions"),
         "attention": ("attn", "attention"), "MLP": ("mlp", "intermediate", "output.dense")}
shown = families | {"Llama 2 7B": described["Llama 2 7B"]}
fig, ax = plots.figure(size=(8.4, 2.9))
for place, lm in enumerate(shown.values()):
    total, counted = count_parameters(lm), {kind: share_of(lm, *words) for kind, words in kinds.items()}
    both = sum(p.numel() for name, p in lm.named_parameters() if "attention.output.dense" in name)  # BERT's W_o
    counted["MLP"] -= both
    left = 0.0
    for (kind, number), colour in zip(counted.items(), (plots.GREY, plots.ORANGE, plots.BLUE)):
        ax.barh(place, number / total, left=left, color=colour, label=kind if place == 0 else None)
        if number / total > 0.05:
            ax.text(left + number / total / 2, place, f"{number / total:.0%}", ha="center", va="center", color="white")
        left += number / total
ax.set_yticks(range(len(shown)), [f"{name.split(': ')[-1]} ({count_parameters(lm) / 1e6:,.0f}M)" for name, lm in shown.items()])
ax.set(xlim=(0, 1), xlabel="share of the parameters")
ax.xaxis.set_major_formatter(lambda x, _: f"{x:.0%}")
ax.invert_yaxis()
ax.grid(False, axis="y")
ax.legend(loc="lower left", ncols=3, bbox_to_anchor=(0, 1))
plots.caption(fig, "Where the parameters are; norms are too few to be seen.",
              "Four bars in three colours. The embeddings take about half of MiniLM, about a third of GPT-2, a fifth of "
              "SmolLM2-135M and 4 percent of Llama 2 7B; most of the rest is in the MLPs.")

# %% [markdown]
# In small models, much of the memory is the vocabulary; in large ones it hardly matters. And in every one of them, the
# MLPs have more parameters than attention, of which one hears so much more.
#
# The next function finds the blocks, the last norm and `lm_head` in models of the Llama family and in GPT-2. Use it
# where you like.

# %%
def parts_of(lm) -> tuple[nn.ModuleList, nn.Module, nn.Module]:
    """(blocks, last norm, lm_head) of a causal language model of the Llama family or of GPT-2."""
    body = lm.base_model  # everything but lm_head
    if hasattr(body, "h"):  # GPT-2's name for its blocks
        return body.h, body.ln_f, lm.lm_head
    return body.layers, body.norm, lm.lm_head


# %% [markdown]
# ## 3. Fewer bits for each weight
#
# Weights need not be stored as precisely as they were learnt. The simplest way to put a matrix $W$ into 8-bit whole
# numbers: take for each **row** $i$ a step $s_i$ so that its largest entry becomes ±127, and round everything to whole
# steps (*absmax* quantization; Dettmers et al. 2022, §2.1):
#
# $$ s_i = \frac{\max_j |W_{ij}|}{127}, \qquad Q_{ij} = \text{round}\!\left(\frac{W_{ij}}{s_i}\right),
#  \qquad \hat W_{ij} = s_i\, Q_{ij} . $$
#
# No entry is off by more than half a step: $|\hat W_{ij} - W_{ij}| \le s_i / 2$. One byte for each weight is left, and one
# float for each row.
#
# **Predict first.** In a row of a thousand weights, all are about 0.01, but one is 2. How many of the thousand are not
# rounded to 0?
#
# <details><summary>Answer</summary>
#
# One. The step is 2/127 ≈ 0.016, and anything below half a step becomes 0. An <em>outlier</em> ruins the row it stands in,
# and with one step for the whole matrix it would ruin every row. So small groups of weights that share a step are better
# than large ones; the 4-bit formats, which have only 16 levels, use groups of 32 or 64.
# </details>
#
# ### Exercise: `quantize_rowwise` (4 points, 20 minutes)
#
# Write `quantize_rowwise(w)` for a float32 matrix `w` of shape (rows, columns). Return a tuple `(q, scale)`:
#
# - `q`, int8, of the shape of `w`: the entries divided by the step of their row, **rounded to the nearest** whole number.
#   Its entries go from −127 to 127; −128 is never used.
# - `scale`, float32, one number for each row, of shape (rows, 1): the step, $\max_j |W_{ij}| / 127$. (Shape (rows,) is
#   fine too, if your `dequantize` knows about it.)
#
# A row of zeros has `q` 0, and its `scale` is any finite number. Do not leave that to chance: 0 / 0 is NaN, and what a NaN
# becomes as an int8 depends on the machine (0 on many, −128 on others), so none may get that far. Leave `w` as it was. There
# are no ties (nothing lies halfway between two whole numbers) in the tests.
#
# <details><summary>Hint 1</summary><code>w.abs().amax(1, keepdim=True)</code> has shape (rows, 1), and so it broadcasts
# against <code>w</code>.</details>
# <details><summary>Hint 2</summary><code>.to(torch.int8)</code> does not round: it cuts off what is behind the point. Round
# first.</details>
# <details><summary>Hint 3</summary>Divide by the scale, but by something positive where the scale is 0, such as
# <code>scale.clamp(min=...)</code> with the smallest positive float, <code>torch.finfo(w.dtype).tiny</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "quantize_rowwise", "locked": false, "schema_version": 3, "solution": true, "task": false}
def quantize_rowwise(w: Tensor) -> tuple[Tensor, Tensor]:
    """Each row of `w` as whole numbers from -127 to 127 and one step.

    w: (rows, columns) float32. Returns q, (rows, columns) int8, and scale, (rows, 1) float32, with w close to scale * q.
    """
    ### BEGIN SOLUTION
    scale = w.abs().amax(1, keepdim=True) / 127
    steps = w / scale.clamp(min=torch.finfo(w.dtype).tiny)  # a row of zeros is not divided by 0
    return steps.round().to(torch.int8), scale
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_quantize_rowwise", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
weights = torch.tensor([[0.0, 1.27, -0.5, 0.124], [-2.54, 1.0, 0.036, -0.005], [0.0, 0.0, 0.0, 0.0]])
want = torch.tensor([[0, 127, -50, 12], [-127, 50, 2, 0], [0, 0, 0, 0]], dtype=torch.int8)
steps = weights / torch.tensor([[0.01], [0.02], [1.0]])  # by hand: 1.27 / 127 and 2.54 / 127
got_q, got_scale = quantize_rowwise(weights.clone())
check.equal(got_q, want, mistakes={
    "`.to(torch.int8)` cuts off the digits behind the point: round first": steps.to(torch.int8),
    "one step for the whole matrix: every row has its own": (weights / 0.02).round().to(torch.int8),
    "one step for each column: every row has its own": (weights * 127 / weights.abs().amax(0)).round().to(torch.int8),
    "128 is too large for an int8, and has become -128: the largest entry should be 127":
        (steps * 128 / 127).round().int().to(torch.int8),
    "take the largest absolute value: a row's largest entry may be negative":
        (weights * 127 / weights.amax(1, keepdim=True).clamp(min=1e-9)).round().int().to(torch.int8),
    "only half of the range is used: the largest entry should be 127": (steps / 2).round().to(torch.int8),
}, hint="wrong whole numbers")
check.that(tuple(got_scale.shape) in ((3, 1), (3,)), "`scale` should hold one number for each of the 3 rows")
check.that(got_scale.isfinite().all().item(), "a row of zeros: its scale should be finite")
check.close(got_scale.flatten()[1] / got_scale.flatten()[0], torch.tensor(2.0),
            hint="the steps of two rows are as their largest absolute values, here 2 to 1")


def made_whole(quantize, w) -> int:
    """How often `quantize` turns a tensor with a NaN in it into one of whole numbers."""
    met, whole_types = [], (torch.int8, torch.int16, torch.int32, torch.int64)

    class Watch(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            output = function(*args, **(kwargs or {}))
            into = args[0] if function in (Tensor.copy_, Tensor.__setitem__) else output
            if isinstance(into, Tensor) and into.dtype in whole_types:
                met.extend(one for one in args if isinstance(one, Tensor) and one.isnan().any())
            return output

    with Watch():
        quantize(w)
    return len(met)


check.equal(check.beside(made_whole, quantize_rowwise, weights), 0,
            hint="the row of zeros: 0 / 0 is NaN, and what a NaN becomes as an int8 depends on the machine")
### BEGIN HIDDEN TESTS
careless = lambda w: (w / w.abs().amax(1, keepdim=True) * 127).round().to(torch.int8)
check.that(check.beside(made_whole, careless, weights) > 0, "the search for NaN does not work here")
kept = check.beside(lambda f, x: (f(x), x)[1], quantize_rowwise, weights)
check.equal(kept, weights, hint="you changed `w` in place")
draw = torch.Generator().manual_seed(0)
for shape in ((5, 7), (4, 1), (1, 6), (6, 300)):
    # Whole numbers first, then weights around them that are never near the middle between two.
    whole = torch.randint(-126, 127, shape, generator=draw)
    whole[:, -1] = 127 * (-1) ** torch.arange(shape[0])
    wobble = 0.8 * (torch.rand(shape, generator=draw) - 0.5)
    wobble[:, -1] = 0
    sizes_of_rows = 10 ** torch.linspace(-4, 6, shape[0])[:, None]
    matrix = (whole + wobble) * sizes_of_rows
    if shape[0] > 2:
        matrix[2], whole[2] = 0, 0
    got_q, got_scale = quantize_rowwise(matrix)
    check.equal(got_q, whole.to(torch.int8), hint=f"wrong whole numbers for a matrix of shape {shape}")
    check.that(tuple(got_scale.shape) in ((shape[0], 1), shape[:1]), "`scale` should hold one number for each row")
    check.that(got_scale.isfinite().all().item(), "a row of zeros: its scale should be finite")
    largest = matrix.abs().amax(1)
    check.close(got_scale.flatten()[largest > 0] / got_scale.flatten()[0], (largest / largest[0])[largest > 0],
                hint="the steps of the rows should be as their largest absolute values")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise: `dequantize` (2 points, 5 minutes)
#
# Write `dequantize(q, scale)`, the way back: the float32 matrix (rows, columns) that `q` and `scale` stand for. The tests
# always hand over a `scale` that *your* `quantize_rowwise` has made, though not always with the `q` that came with it.
#
# <details><summary>Hint 1</summary>It is the right-hand one of the three formulas.</details>
# <details><summary>Hint 2</summary>An int8 times a float32 is a float32.</details>
# <details><summary>Hint 3</summary>With a scale of shape (rows, 1) it is one product. With (rows,) you need
# <code>scale[:, None]</code>, or each <em>column</em> is scaled.</details>

# %% nbgrader={"grade": false, "grade_id": "dequantize", "locked": false, "schema_version": 3, "solution": true, "task": false}
def dequantize(q: Tensor, scale: Tensor) -> Tensor:
    """The matrix that the pair (q, scale) stands for.

    q: (rows, columns) int8. scale: one step for each row, as quantize_rowwise gives it. Returns (rows, columns) float32.
    """
    ### BEGIN SOLUTION
    return q * scale
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_dequantize", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
square = torch.tensor([[0.0, 1.27, -0.5], [-2.54, 1.0, 0.036], [0.0, 0.0, 0.0]])
want = torch.tensor([[0.0, 1.27, -0.5], [-2.54, 1.0, 0.04], [0.0, 0.0, 0.0]])  # 0.036 is 1.8 steps of 0.02
whole = torch.tensor([[0.0, 127, -50], [-127, 50, 2], [0, 0, 0]])
check.close(dequantize(*quantize_rowwise(square)), want, mistakes={
    "multiply by the step of the row": whole,
    "127 times too large: the step is the largest value divided by 127": want * 127,
    "127 times too small: the division by 127 is made twice": want / 127,
    "each column was scaled, not each row: the scale needs shape (rows, 1)": whole * torch.tensor([0.01, 0.02, 0.0]),
    "divide where you should multiply": (whole / torch.tensor([[0.01], [0.02], [1.0]])),
}, hint="there and back again should give each weight to within half a step")
### BEGIN HIDDEN TESTS
draw = torch.Generator().manual_seed(1)
for shape in ((4, 4), (3, 8), (8, 3), (1, 5), (5, 1)):
    matrix = torch.randn(shape, generator=draw) * 10 ** torch.linspace(-3, 3, shape[0])[:, None]
    largest = matrix.abs().amax(1, keepdim=True)
    there = quantize_rowwise(matrix)
    back = dequantize(*there)
    check.shape(back, shape, hint="the matrix comes back in its own shape")
    within = ((back - matrix).abs() <= 0.501 * largest / 127).all().item()
    check.that(within, "some weights come back off by more than half a step of their row")
    other = torch.randint(-127, 128, shape, generator=draw).to(torch.int8)
    check.close(dequantize(other, there[1]), (other.double() * largest.double() / 127).float(),
                hint="wrong for another q with the same scale: float32, each row times its own step")
### END HIDDEN TESTS

# %% [markdown]
# Does the size of the groups matter that much? Your function quantizes rows; give it the same numbers in other rows, and
# it uses other groups: the whole matrix as one row, or every 64 weights as a row of their own.

# %% tags=["demo"]
def relative_error(w: Tensor, columns: int) -> float:
    """Of quantizing `w` in groups of `columns` weights: size of the error over size of the matrix."""
    groups = w.reshape(-1, columns)
    return ((dequantize(*quantize_rowwise(groups)) - groups).norm() / groups.norm()).item()


projections = [block.mlp.down_proj.weight.detach() for block in parts_of(model)[0]]
groups = {"a matrix": projections[0].numel(), "a row": projections[0].shape[1], "a group": 64}
fig, ax = plots.figure(size=(8.0, 3.2))
for (name, width), colour in zip(groups.items(), (plots.ORANGE, plots.BLUE, plots.GREEN)):
    ax.plot([100 * relative_error(w, width) for w in projections], color=colour, label=f"one step for {name} of {width:,}")
ax.set(xlabel="block", ylabel="relative error", yscale="log", ylim=(0.5, 12), title="8 bits: the smaller the group, the better")
ax.set_yticks([0.5, 1, 2, 5, 10], ["0.5%", "1%", "2%", "5%", "10%"])
ax.tick_params(axis="y", which="minor", left=False, labelleft=False)
ax.legend(fontsize=9, ncols=3, loc="upper center")
plots.caption(fig, "Relative error of the 30 down_proj matrices (576 x 1,536) after your 8-bit quantization, by group size.",
              "Three lines over 30 blocks on a logarithmic axis. With one step for a whole matrix the error jumps between 2.5 and "
              "7 percent from block to block; with one step a row it stays near 1 percent, with groups of 64 near 0.6.")

# %% [markdown]
# And now the real thing: **your** 8-bit weights in all 210 linear layers of the blocks, in the place of the model's own.
# (`functional_call` runs a module with other weights, once, and leaves it as it is.)

# %%
text = "The capital of France is Paris. It lies on the river Seine, and about two million people live there."
ids = ids_of(text)


def agreement(logits: Tensor, reference: Tensor) -> tuple[float, float]:
    """(share of positions with the same most likely token, mean Kullback-Leibler divergence in nats); (T, V) each."""
    same = (logits.argmax(-1) == reference.argmax(-1)).double().mean().item()
    logp, logq = reference.double().log_softmax(-1), logits.double().log_softmax(-1)
    return same, (logp.exp() * (logp - logq)).sum(-1).mean().item()


# %% tags=["demo"]
from torch.func import functional_call

original = model(ids).logits[0]
linear = {f"{name}.weight": part.weight for name, part in model.named_modules()
          if isinstance(part, nn.Linear) and name != "lm_head"}
rounded = {name: dequantize(*quantize_rowwise(weight.detach())) for name, weight in linear.items()}
same, divergence = agreement(functional_call(model, rounded, (ids,)).logits[0], original)
print(f"{len(rounded)} matrices, {sum(w.numel() for w in rounded.values()):,} weights in 8 bits")
print(f"the same next token at {same:.0%} of {len(original)} positions; KL divergence {divergence:.4f} nats")
rounded = None  # 425 MB

# %% [markdown]
# That is what `load_in_8bit` does, nearly. The library **bitsandbytes** stores each row as you do, keeps the embedding and
# `lm_head` in 16 bits, and also rounds the *inputs* of each layer to 8 bits, so that whole numbers are multiplied with
# whole numbers. Inputs have outliers; the few columns where they stand are multiplied in 16 bits (LLM.int8(), Dettmers et
# al. 2022, §3). Its 4-bit format NF4 has 16 levels at the quantiles of a normal distribution and one step for 64 weights
# (QLoRA, Dettmers et al. 2023, §3).
#
# **Lab.** The model four times: what its weights take, how well its logits agree with those of the 32-bit model, and how
# long a pass over the text takes on *your* machine. (One caveat about the yardstick. The file that came with the course is
# itself in a 4-bit format, GGUF's Q4_1; our 32-bit weights are those, unpacked.)

# %% tags=["lab"]
def stored_bytes(lm: nn.Module) -> int:
    """What parameters and buffers take as they are stored; what is shared counts once."""
    return sum({t.data_ptr(): t.nbytes for t in (*lm.parameters(), *lm.buffers())}.values())


def seconds(lm: nn.Module) -> float:
    """The fastest of five passes over the text, after one to warm up."""
    lm(ids)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        lm(ids).logits.sum().item()  # .item() waits for a GPU to finish
        times.append(time.perf_counter() - start)
    return min(times)


rows = {"32 bits": (stored_bytes(model), 1.0, 0.0, seconds(model))}
for name, options in runtime.progress({"16 bits (bf16)": {"dtype": "bfloat16"}, "8 bits (int8)": {"quantize": "8bit"},
                                       "4 bits (NF4)": {"quantize": "4bit"}}.items(), "variants"):
    variant, _ = models.load(device=model.device, **options)
    rows[name] = (stored_bytes(variant), *agreement(variant(ids).logits[0].float(), original), seconds(variant))
    if name.startswith("8"):
        layer, weight = variant.model.layers[0].mlp.up_proj, model.model.layers[0].mlp.up_proj.weight
        theirs = layer.weight.data if layer.state.CB is None else layer.state.CB
        yours, _ = quantize_rowwise(weight.detach().bfloat16().float())
        print(f"an 8-bit matrix of theirs and yours: {(yours.cpu() == theirs.cpu()).double().mean():.2%} of the entries equal")
del variant, layer, theirs

print(f"{'':16}{'bytes':>14}{'same token':>12}{'KL (nats)':>11}{'seconds':>9}")
for name, (size, same, divergence, spent) in rows.items():
    print(f"{name:16}{size:>14,}{same:>12.0%}{divergence:>11.4f}{spent:>9.3f}")

fig, axes = plots.figure(1, 3, size=(10.2, 2.9))
for ax, column, unit, title in zip(axes, (0, 2, 3), (1e6, 1, 1), ("weights (MB)", "KL divergence (nats)", "seconds a pass")):
    ax.barh(range(len(rows)), [row[column] / unit for row in rows.values()], color=plots.BLUE)
    for place, row in enumerate(rows.values()):
        ax.annotate(f"{row[column] / unit:.3g}", (row[column] / unit, place), xytext=(3, 0), textcoords="offset points",
                    va="center")
    ax.set_yticks(range(len(rows)), rows if ax is axes[0] else [""] * len(rows))
    ax.set(title=title)
    ax.margins(x=0.25)
    ax.invert_yaxis()
    ax.grid(False, axis="y")
plots.caption(fig, "The same model in four formats: memory, distance of its predictions from the 32-bit model's, and time.",
              "Three bar charts for 32, 16, 8 and 4 bits. Memory falls from 538 to 269, 163 and 110 MB; the divergence grows "
              "with fewer bits and is by far the largest for 4 bits; times depend on the machine.")

# %% [markdown]
# Eight bits cost almost nothing in quality here, four cost something. The bytes do not fall to a quarter and an eighth,
# because the embedding stays in 16 bits, and in this small model it is a fifth of all weights. In Llama 2 7B it is a
# fiftieth. As for the time: fewer bits are fewer bytes to fetch, but the numbers have to be unpacked; which wins depends
# on the machine.
#
# ## 4. Hooks
#
# PyTorch lets you hang a function, a **hook**, on any module. It is called whenever the module runs, and gets to see what
# goes in and what comes out:
#
# | hang it on with | it is called | as | what it returns |
# |---|---|---|---|
# | `m.register_forward_pre_hook(f)` | before `m` runs | `f(m, args)` | replaces the inputs, unless `None` |
# | `m.register_forward_hook(f)` | after `m` has run | `f(m, args, output)` | replaces the output, unless `None` |
# | either with `with_kwargs=True` | | `f(m, args, kwargs[, output])` | the pre-hook then returns `(args, kwargs)` |
#
# `args` is the tuple of **positional** inputs only. Each `register_…` gives back a handle, and `handle.remove()` takes the
# hook off again. Until then it stays, whatever happens to your variables.
#
# Let us listen at the first attention module, once without keyword inputs and once with them:

# %% tags=["demo"]
def short(value) -> str:
    """A value in a few words: a tensor by its shape, and never by walking along its first axis, which is the batch."""
    if isinstance(value, Tensor):
        return f"tensor {tuple(value.shape)}"
    if isinstance(value, tuple | list):
        return f"({', '.join(map(short, value))})"
    return type(value).__name__


attention = model.model.layers[0].self_attn
plain = attention.register_forward_hook(lambda module, args, output: print("args:", short(args), " output:", short(output)))
full = attention.register_forward_hook(
    lambda module, args, kwargs, output: print("kwargs:", {name: short(value) for name, value in kwargs.items()}),
    with_kwargs=True)
layer_hook = model.model.layers[0].register_forward_hook(
    lambda module, args, output: print("the layer around it gives:", short(output)))
try:
    model(ids[:, :5])
finally:
    for handle in (plain, full, layer_hook):
        handle.remove()

# %% [markdown]
# Three surprises, each the end of an afternoon for somebody.
#
# - `args` is empty: **attention gets everything by keyword.** A hook without `with_kwargs=True` sees nothing.
# - Attention gives a tuple (its second entry is the attention weights, if asked for). But the **decoder layer gives a
#   tensor**. In older versions of `transformers` that was a tuple as well, and countless hooks on the web say `output[0]`.
#   On a tensor this quietly takes *the first text of the batch*.
# - A **tensor is iterable** too. A viewer that walks along "everything iterable" walks along the rows of the batch.
#
# **Predict first.** A notebook cell hangs a hook on a layer that appends the output to a list. You run the cell three
# times, then the model once. How many entries does the list get?
#
# <details><summary>Answer</summary>
#
# Three. Each run of the cell hung up another hook. The variable that held the first handle has been overwritten, so the
# hook can hardly be reached any more, but it is there, and runs, and keeps alive what it holds.
# </details>

# %% tags=["demo"]
def hooks_on(lm: nn.Module) -> int:
    """How many forward hooks hang on a model and its parts."""
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in lm.modules())


seen, before = [], hooks_on(model)
handles = []
for _ in range(3):  # as if the cell were run three times
    handles.append(model.model.norm.register_forward_hook(lambda module, args, output: seen.append(output)))
model(ids[:, :5])
print("entries:", len(seen), " hooks:", hooks_on(model) - before)
for handle in handles:
    handle.remove()
print("hooks, after remove():", hooks_on(model) - before)

# %% [markdown]
# So: **hang up, run, take off, in one function, and take off in `finally`**, which Python executes even when the model
# raises an error.
#
# ### Exercise: `capture` (5 points, 30 minutes)
#
# Write `capture(model, inputs, names)`. Run `model(**inputs)` once and return a dictionary: for each name in the list
# `names` (as in `model.named_modules()`, for example `"model.layers.3.mlp"`) the output of that module.
#
# - If the output is no tensor but a tuple, or one of the `ModelOutput`s of `transformers`, keep its **first** entry,
#   `output[0]`. The whole model, whose name is `""`, gives a `ModelOutput`, and the first entry of that are the logits.
# - What you keep is **detached** from the graph: it does not require gradients, even where gradients are on.
# - The run gives what it would have given without you: the model runs in the mode in which it is, training or evaluation,
#   and both this mode and PyTorch's gradient mode are afterwards what they were.
# - Afterwards **all your hooks are gone**, even if the model raises an error or one of the names does not exist. The error
#   goes on to the caller. (A name that does not exist is a `KeyError` or an `AttributeError`, whichever your look-up raises.)
# - Hooks that others have hung on the model stay there.
#
# <details><summary>Hint 1</summary><code>model.get_submodule(name)</code> finds a module;
# <code>dict(model.named_modules())[name]</code> does too.</details>
# <details><summary>Hint 2</summary>Every hook must know its own name. A function defined in a loop sees the loop's
# <em>last</em> name when it runs; let another function make it: <code>def keep(name): def hook(...): ...; return hook</code>.
# </details>
# <details><summary>Hint 3</summary><code>try:</code> register all hooks, appending each handle to a list, and run the model.
# <code>finally:</code> remove every handle of the list. The hook itself returns nothing.</details>

# %% nbgrader={"grade": false, "grade_id": "capture", "locked": false, "schema_version": 3, "solution": true, "task": false}
def capture(model: nn.Module, inputs: dict[str, Tensor], names: list[str]) -> dict[str, Tensor]:
    """What the modules of these names give in `model(**inputs)`, detached; of a tuple, its first entry.

    Leaves no hook on the model, whatever happens.
    """
    ### BEGIN SOLUTION
    kept, handles = {}, []

    def keep(name: str):
        def hook(module, args, output):
            first = output if isinstance(output, Tensor) else output[0]
            kept[name] = first.detach()

        return hook

    try:
        for name in names:
            handles.append(model.get_submodule(name).register_forward_hook(keep(name)))
        model(**inputs)
    finally:
        for handle in handles:
            handle.remove()
    return kept
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_capture", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
toy, both = toy_llama(0), {"input_ids": torch.tensor([[3, 1, 4, 1, 5], [9, 2, 6, 5, 3]])}
embedded = toy.model.embed_tokens(both["input_ids"])
first = toy.model.layers[0]
attended = first.self_attn(hidden_states=first.input_layernorm(embedded), attention_mask=None,
                           position_embeddings=toy.model.rotary_emb(embedded, torch.arange(5)[None]))[0]
want = {"model.embed_tokens": embedded, "model.layers.0.self_attn": attended, "lm_head": toy(**both).logits}
check.close(capture(toy, both, list(want)), want, mistakes={
    "all hooks wrote under the last name: each needs its own (hint 2)": {"lm_head": want["lm_head"]},
    "only the first text of the batch is left: `output[0]` is for tuples, not for tensors":
        {"model.embed_tokens": embedded[0], "model.layers.0.self_attn": attended, "lm_head": want["lm_head"][0]},
    "that is what went in: the output is wanted":
        {"model.embed_tokens": both["input_ids"], "model.layers.0.self_attn": first.input_layernorm(embedded),
         "lm_head": toy.model(**both).last_hidden_state},
}, hint="not the outputs of an embedding, an attention module (which gives a tuple) and lm_head")
check.close(toy(**both).logits, want["lm_head"], hint="the model gives something else after your call")
check.equal(check.beside(left_on, toy_llama(0), capture, both, ["model.layers.1", "model.norm"]), NOTHING_LEFT,
            hint="your hooks must be off the model after the call, and those of others must stay")
broken = toy_llama(1)
broken.model.layers[1].mlp = Broken()
check.equal(check.beside(left_on, broken, capture, both, ["model.layers.0", "model.norm"]), NOTHING_LEFT,
            hint="the model failed and your hooks are still there: remove them in `finally`")
### BEGIN HIDDEN TESTS
leaky = lambda lm, inputs, names: [lm.get_submodule(name).register_forward_hook(lambda *_: None) for name in names]
check.equal(check.beside(left_on, toy, leaky, both, ["lm_head"])["hooks left"], 1,
            hint="the search for left-over hooks does not work here")
check.equal(check.beside(left_on, toy_llama(0), capture, both, ["model.norm", "no.such.module"]), NOTHING_LEFT,
            hint="a name that does not exist: hooks registered before it must be removed too")
check.raises(RuntimeError, capture, broken, both, ["model.layers.0"], match="broken",
             hint="the model's own error should reach the caller")


def need_gradients(function, lm, inputs, names):
    with torch.enable_grad():
        return [value.requires_grad for value in function(lm, inputs, names).values()]


attached = lambda lm, inputs, names: {name: lm(**inputs).logits for name in names}
check.equal(check.beside(need_gradients, attached, toy, both, ["lm_head"]), [True],
            hint="the look at gradients does not work here")
check.equal(check.beside(need_gradients, capture, toy, both, ["model.embed_tokens", "model.layers.0.self_attn"]),
            [False, False], hint="detach what you keep: it still requires gradients")


def modes_after(function, lm, inputs, names):
    """Gradients on, every other part in training mode: what of that is left after the call?"""
    parts, before = list(lm.modules()), []
    for place, part in enumerate(parts):
        part.training = place % 2 == 0
        before.append(part.training)
    with torch.enable_grad():
        function(lm, inputs, names)
        gradients = torch.is_grad_enabled()
    changed = sum(part.training != training for part, training in zip(parts, before, strict=True))
    return {"parts in another mode": changed, "gradients on": gradients}


def runs_of(function, lm, inputs, names):
    """How often the first of the modules `names` is called."""
    calls = []
    handle = lm.get_submodule(names[0]).register_forward_hook(lambda *_: calls.append(1))
    function(lm, inputs, names)
    handle.remove()
    return len(calls)


class Moody(nn.Module):
    """Its dropout leaves nothing in training, and everything in evaluation."""

    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(1.0)

    def forward(self, input_ids):
        return self.drop(input_ids) + 1


one = {"input_ids": torch.ones(2, 3)}
switches = lambda lm, inputs, names: (lm.eval(), torch.set_grad_enabled(False))
check.equal(check.beside(modes_after, switches, toy_llama(0, layers=1), both, ["lm_head"])["gradients on"], False,
            hint="the look at the modes does not work here")
check.equal(check.beside(modes_after, capture, toy_llama(0, layers=1), both, ["lm_head"]),
            {"parts in another mode": 0, "gradients on": True},
            hint="the model's mode (training or evaluation) or PyTorch's gradient mode is not what it was before your call")
check.equal(check.beside(runs_of, lambda lm, inputs, names: [lm(**inputs) for _ in names], toy, both, ["lm_head", "model"]), 2,
            hint="the count of runs does not work here")
check.equal(check.beside(runs_of, capture, toy_llama(0, layers=1), both, ["lm_head", "model.norm"]), 1,
            hint="one run of the model gives all outputs: register every hook, then run it once")
check.close(capture(Moody(), one, ["drop", ""]), {"drop": torch.zeros(2, 3), "": torch.ones(2, 3)}, mistakes={
    "the model ran in evaluation mode, but it was in training mode: let it run as it is":
        {"drop": torch.ones(2, 3), "": 2 * torch.ones(2, 3)},
}, hint="wrong for a small module in training mode")


def spied(lm, inputs):
    """What every module gives in its last call, without any hook: `__call__` itself is replaced."""
    names, results, call = {part: name for name, part in lm.named_modules()}, {}, nn.Module.__call__

    def spy(part, *args, **kwargs):
        results[names[part]] = output = call(part, *args, **kwargs)
        return output

    with patch.object(nn.Module, "__call__", spy):
        lm(**inputs)
    return {name: value if isinstance(value, Tensor) else value[0] for name, value in results.items()}


other = toy_gpt2(2)
padded = {"input_ids": torch.tensor([[0, 7, 8, 9], [4, 3, 2, 1]]), "attention_mask": torch.tensor([[0, 1, 1, 1], [1] * 4])}
wanted = ["transformer.h.1.attn", "transformer.h.0.mlp.act", "transformer.ln_f", "transformer.h.1", "transformer.wpe"]
truth = spied(other, padded)
check.close(capture(other, padded, wanted), {name: truth[name] for name in wanted},
            hint="wrong for GPT-2 with a padded batch: hand over all of `inputs`")
truth = spied(toy, {"input_ids": torch.tensor([[7]])})
check.close(capture(toy, {"input_ids": torch.tensor([[7]])}, ["model.layers.2.mlp"]),
            {"model.layers.2.mlp": truth["model.layers.2.mlp"]}, hint="wrong for one name and one token")
check.equal(capture(toy, both, []), {}, hint="no names, nothing to keep")
for lm in (toy, other):
    base = lm.base_model_prefix  # "model" or "transformer": it gives a ModelOutput, and so does the whole
    check.close(capture(lm, both, ["", base]), {"": lm(**both).logits, base: lm.base_model(**both).last_hidden_state},
                hint="wrong for the whole model and its body: of a ModelOutput, keep the first entry, `output[0]`")
prompt = {"input_ids": ids_of("The capital of France is")}
found = capture(model, prompt, ["model.norm", "lm_head"])
check.close(found, {"model.norm": model.model(**prompt).last_hidden_state, "lm_head": model(**prompt).logits}, rtol=1e-3,
            atol=1e-3, hint="wrong for the real model")
### END HIDDEN TESTS

# %% [markdown]
# With `capture` you can ask a model anything. For instance: how many neurons are awake? The neurons of an MLP (unit 01)
# pass through SiLU; nearly all of what SiLU gives for a negative score is close to 0. Here is the share of neurons with a
# positive score, in each block and for each token.

# %% tags=["demo"]
sentence = "When Mary and John went to the store, John gave a drink to"
drink = ids_of(sentence)
words = [tokenizer.decode([i]) for i in drink[0]]
names = [f"model.layers.{i}.mlp.act_fn" for i in range(model.config.num_hidden_layers)]
awake = torch.stack([(out[0] > 0).float().mean(-1).cpu() for out in capture(model, {"input_ids": drink}, names).values()])  # (L, T)
fig, ax = plots.figure(size=(8.0, 4.4))
plots.heatmap(ax, awake, None, words, label="share of neurons above 0", numbers=False)
ax.set(ylabel="block", title="How many of 1,536 neurons are awake")
plots.caption(fig, f"Neurons with a positive score in each MLP; {awake.mean():.0%} on average.",
              "A heatmap of 30 blocks by 14 tokens. In block 0, names, verbs and nouns wake nearly all neurons, small words a third. "
              "Then about a quarter are awake, later about a half. The first token stands out: from block 12 on it wakes more "
              "than all others.")

# %% [markdown]
# ### Exercise: `record_calls` (5 points, 25 minutes)
#
# Write `record_calls(model, inputs)`. Run `model(**inputs)` once and return a list with one tuple for **each call** of a
# module during the run: `(name, input_shapes, output_shape)`.
#
# - `name` as in `model.named_modules()`. That has the model itself too, under the name `""`: it is called like any part.
# - `input_shapes`: a list with the shape, as a tuple of ints, of every tensor that is handed to the module: **positional
#   inputs first, then keyword inputs**, in their order. Other inputs (`None`, flags, caches) leave no trace. A tensor
#   inside a tuple is not handed over by itself and does not count. (The tests do not mind if you list it too.)
# - `output_shape`: the shape, as a tuple of ints, of the output, or of its first entry `output[0]` if it is no tensor.
# - The order is the one in which the modules **finish**: that of forward hooks. So a layer comes after its parts, and the
#   model itself last. A module that is called twice has two entries; one that is not called has none.
# - No hook is left, whatever happens.
#
# <details><summary>Hint 1</summary>Go over <code>model.named_modules()</code> and hang a hook on each. Most of
# <code>capture</code> can be used again.</details>
# <details><summary>Hint 2</summary>With <code>with_kwargs=True</code> the hook is called as
# <code>hook(module, args, kwargs, output)</code>; <code>kwargs.values()</code> are in their order.</details>
# <details><summary>Hint 3</summary><code>[tuple(v.shape) for v in (*args, *kwargs.values()) if isinstance(v, Tensor)]</code>.
# </details>

# %% nbgrader={"grade": false, "grade_id": "record_calls", "locked": false, "schema_version": 3, "solution": true, "task": false}
def record_calls(model: nn.Module, inputs: dict[str, Tensor]) -> list[tuple[str, list[tuple[int, ...]], tuple[int, ...]]]:
    """(name, shapes of its tensor inputs, shape of its output) of every module call in `model(**inputs)`.

    In the order in which the calls end. Positional inputs come before keyword inputs. Leaves no hook on the model.
    """
    ### BEGIN SOLUTION
    calls, handles = [], []

    def record(name: str):
        def hook(module, args, kwargs, output):
            given = [tuple(value.shape) for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
            first = output if isinstance(output, Tensor) else output[0]
            calls.append((name, given, tuple(first.shape)))

        return hook

    try:
        for name, module in model.named_modules():
            handles.append(module.register_forward_hook(record(name), with_kwargs=True))
        model(**inputs)
    finally:
        for handle in handles:
            handle.remove()
    return calls
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_record_calls", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
class Halves(nn.Module):
    """Gives a tuple, gets one of its inputs by keyword, and has a part of its own."""

    def __init__(self):
        super().__init__()
        self.act = nn.ReLU()

    def forward(self, x, *, shift, factor=2.0):
        return self.act(x[:, :2]) + factor * shift, x[:, 2:]


class Twice(nn.Module):
    """Calls one of its parts twice and another one never."""

    def __init__(self):
        super().__init__()
        self.unused, self.halves, self.mix = nn.Linear(3, 3), Halves(), nn.Linear(2, 4)

    def forward(self, x, bias):
        left, right = self.halves(x, shift=bias, factor=0.5)
        return self.mix(left) + self.mix(right)


def in_plain_form(calls, rotary=None):
    """`calls` in one form; shapes inside tuples, those of rotary embeddings, left out."""
    check.that(isinstance(calls, list) and all(isinstance(call, tuple | list) and len(call) == 3 for call in calls),
               "wanted a list of tuples (name, input_shapes, output_shape)")
    check.that(all(isinstance(call[1], tuple | list) for call in calls), "the input shapes of a call are a list")
    return [(name, [shape for shape in given if shape != rotary], given_back)
            for name, given, given_back in calls]


two = {"x": torch.ones(3, 4), "bias": torch.zeros(2)}
act, mix = ("halves.act", [(3, 2)], (3, 2)), ("mix", [(3, 2)], (3, 4))
whole = ("", [(3, 4), (2,)], (3, 4))
want = [act, ("halves", [(3, 4), (2,)], (3, 2)), mix, mix, whole]
got = in_plain_form(record_calls(Twice(), two))
check.equal(got, want, mistakes={
    "keyword inputs are missing: register the hook with `with_kwargs=True`": [act, ("halves", [(3, 4)], (3, 2)), mix, mix, (*whole[:1], [], (3, 4))],
    "`mix` is called twice and should be there twice": [*want[:3], whole],
    "the model itself is called too: its name is empty, and it ends last": want[:-1],
    "keyword inputs come after the positional ones": [act, ("halves", [(2,), (3, 4)], (3, 2)), mix, mix, whole],
    "the order should be that in which calls end: a part comes before the whole": [whole, want[1], act, mix, mix],
    "parts inside of parts are modules too": want[1:-1],
}, hint="wrong for a small module")
check.equal(check.beside(left_on, toy_llama(0, layers=1), record_calls, {"input_ids": torch.tensor([[1, 2]])}), NOTHING_LEFT,
            hint="your hooks must be off the model after the call, and those of others must stay")
### BEGIN HIDDEN TESTS
def spied_calls(lm, inputs):
    """The calls of all modules, without any hook: `__call__` itself is replaced."""
    names, calls, original_call = {part: name for name, part in lm.named_modules()}, [], nn.Module.__call__

    def spy(part, *args, **kwargs):
        output = original_call(part, *args, **kwargs)
        given = [tuple(value.shape) for value in [*args, *kwargs.values()] if isinstance(value, Tensor)]
        calls.append((names[part], given, tuple((output if isinstance(output, Tensor) else output[0]).shape)))
        return output

    with patch.object(nn.Module, "__call__", spy):
        lm(**inputs)
    return calls


padded = {"input_ids": torch.tensor([[0, 7, 8, 9, 2], [4, 3, 2, 1, 1]]),
          "attention_mask": torch.tensor([[0, 1, 1, 1, 1], [1] * 5])}
for lm, rotary in ((toy_llama(0, layers=2), (1, 5, 6)), (toy_gpt2(0), None)):
    for inputs in (padded, {"input_ids": padded["input_ids"]}):
        got, want = in_plain_form(record_calls(lm, inputs), rotary), in_plain_form(spied_calls(lm, inputs), rotary)
        check.equal([call[0] for call in got], [call[0] for call in want],
                    hint="wrong modules, or in another order than they finish")
        check.equal([call[1] for call in got], [call[1] for call in want],
                    hint="wrong shapes of inputs: positional first, then keyword; tensors only")
        tensors = [call[0] not in ("", lm.base_model_prefix) for call in want]  # those two give a ModelOutput
        check.equal([call[2] for call, is_tensor in zip(got, tensors, strict=True) if is_tensor],
                    [call[2] for call, is_tensor in zip(want, tensors, strict=True) if is_tensor],
                    hint="wrong shapes of outputs")
broken = toy_llama(1, layers=2)
broken.model.layers[1].mlp = Broken()
check.equal(check.beside(left_on, broken, record_calls, {"input_ids": torch.tensor([[1, 2]])}), NOTHING_LEFT,
            hint="the model failed and your hooks are still there: remove them in `finally`")
leaky = lambda lm, inputs: lm.register_forward_hook(lambda *_: None)
check.equal(check.beside(left_on, toy_gpt2(0), leaky, padded)["hooks left"], 1,
            hint="the search for left-over hooks does not work here")
### END HIDDEN TESTS

# %% [markdown]
# Here is the start and the end of the real model's run, one line for each call. Follow the shapes: this *is* the
# architecture, read off the living model. (On the `meta` device it even works for models that your machine could never
# hold.)

# %% tags=["demo"]
calls = record_calls(model, {"input_ids": ids[:, :5]})
for name, given, given_back in [*calls[:15], *calls[-3:]]:
    print(f"{name or '(the model)':40} {str(given)[1:-1]:19} -> {given_back}")
print(f"... {len(calls)} calls in all\n")

vast = record_calls(described["Llama 2 7B"], {"input_ids": torch.zeros(1, 5, dtype=torch.long, device="meta")})
print("Llama 2 7B, without any weights:", len(vast), "calls;", next(call for call in vast if call[0].endswith("gate_proj")))

# %% tags=["demo"] cellView="form" jupyter={"source_hidden": true}
block = [call for call in calls if call[0].startswith("model.layers.0")]
depth = {call[0]: call[0].count(".") for call in block}
fig, ax = plots.figure(size=(9.6, 4.4))
for place, (name, _, given_back) in enumerate(block):
    inside = [i for i, call in enumerate(block[:place]) if call[0].startswith(f"{name}.")]
    start = min(inside, default=place)
    level = depth[name] - 2
    ax.barh(level, place + 0.9 - start, left=start, height=0.85,
            color=(plots.GREY, plots.BLUE, plots.ORANGE)[min(level, 2)])
    label = name if level == 0 else name.rsplit(".", 1)[-1].replace("_layernorm", "\nnorm")
    alone = start == place  # nothing happens inside it: a narrow box
    ax.text((start + place + 0.9) / 2, level, label if alone else f"{label} -> {given_back}", ha="center", va="center",
            color="white", fontsize=8 if alone else 9, rotation=90 if alone else 0)
ax.set(xlabel="calls, in the order in which they end", yticks=(0, 1, 2), ylim=(-0.5, 2.5),
       title="One block, from your recording")
ax.set_yticklabels(["block", "its parts", "their parts"])
ax.invert_yaxis()
ax.grid(False)
plots.caption(fig, "The calls inside block 0. A box spans the calls that happen inside it; a part ends before its whole.",
              "Nested boxes. The block spans 13 calls; inside it follow a norm, attention with its q, k, v and o projections, "
              "a second norm, and the MLP with gate, activation, up and down projection.")

# %% [markdown]
# ## 5. One token, recorded
#
# Now the full apparatus: a hook on **every** module, and `generate` for a single token. `recording` of the course does what
# your `record_calls` does, and keeps a glimpse of the values as well. It is a context manager, so that the hooks are gone
# at the end of the `with`, whatever happens inside it.

# %% tags=["demo"]
from helpers.widgets.module_browser import module_browser, recording

prompt = tokenizer("The capital of France is", return_tensors="pt").to(model.device)
print("hooks before:", hooks_on(model))
with recording(model) as recorded:
    print("hooks while recording:", hooks_on(model))
    written = model.generate(**prompt, max_new_tokens=1, do_sample=False, pad_token_id=tokenizer.pad_token_id)
print("hooks after: ", hooks_on(model))
print(repr(tokenizer.decode(written[0])), "-", len(recorded), "calls recorded")

# %% [markdown]
# **Predict first.** The prompt has five tokens. In a plain forward pass, `lm_head` gives logits of shape (1, 5, 49152).
# What shape does it give in `generate`?
#
# <details><summary>Answer</summary>
#
# (1, 1, 49152). To continue a text, only the last position is of use, so <code>generate</code> asks the model to keep just
# that one (<code>logits_to_keep=1</code>) and spares four fifths of the largest product of the whole pass. Code that was
# written for a forward pass, (1, T, V), and is handed a recording of <code>generate</code> must not assume T.
# </details>
#
# Find it in the browser: choose the call of `lm_head`. Then look at the keyword inputs of an attention module; at what an
# `act_fn` does to negative scores; and compare the ranges (*from … to …*) of what `model.layers.10` and `model.layers.11`
# give: something enormous has appeared, of which section 6 tells more.

# %% tags=["demo"]
module_browser(recorded, first="model.layers.0.self_attn")

# %% [markdown]
# ### What attention keeps
#
# One of the keyword inputs of attention was `past_key_values`, a `DynamicCache`. Attention compares each token with all
# tokens before it, and for that it needs two vectors of each of them, a **key** and a **value** (unit 05). They never
# change once they are computed. So `generate` keeps them, and for every further token passes only *that* token through the
# model. What it saves in time it costs in memory:
#
# $$ \text{bytes} = 2 \cdot B \cdot T \cdot L \cdot n_{kv} \cdot d_{head} \cdot \frac{\text{bits}}{8} $$
#
# for $B$ texts of $T$ tokens and a model of $L$ layers. The 2 is for a key *and* a value. $n_{kv}$ is the number of
# key-value heads: in Llama 2 7B each of the 32 heads has its own, in our model three heads share one (9 heads, 3
# key-value heads: *grouped-query attention*, Ainslie et al. 2023; a single one for all: Shazeer 2019).
#
# ### Exercise: `kv_cache_bytes` (2 points, 5 minutes)
#
# Write `kv_cache_bytes(batch, time, n_layers, n_kv_heads, head_dim, bits)`: the bytes of the keys and values of `batch`
# texts of `time` tokens, as a plain int. All arguments are positive ints.
#
# <details><summary>Hint 1</summary>How many numbers does one token leave in one layer?</details>
# <details><summary>Hint 2</summary><code>n_kv_heads * head_dim</code> for its key, and as many for its value.</details>
# <details><summary>Hint 3</summary>The product of 2 and all six arguments, divided by 8 with <code>//</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "kv_cache_bytes", "locked": false, "schema_version": 3, "solution": true, "task": false}
def kv_cache_bytes(batch: int, time: int, n_layers: int, n_kv_heads: int, head_dim: int, bits: int) -> int:
    """Bytes of the keys and values of `batch` texts of `time` tokens, in numbers of `bits` bits."""
    ### BEGIN SOLUTION
    return 2 * batch * time * n_layers * n_kv_heads * head_dim * bits // 8
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_kv_cache_bytes", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
llama2 = {"batch": 1, "time": 4096, "n_layers": 32, "n_kv_heads": 32, "head_dim": 128}
check.equal(kv_cache_bytes(**llama2, bits=16), 2**31, mistakes={
    "a key and a value: twice as much": 2**30,
    "those are bits: a byte has 8 of them": 2**34,
    "that is 32 bits a number: `bits` is an argument": 2**32,
    "every layer keeps its own keys and values": 2**26,
}, hint="Llama 2 7B with a full context in 16 bits takes 2 GiB")
### BEGIN HIDDEN TESTS
check.equal(kv_cache_bytes(3, 5, 7, 11, 13, 16), 2 * 3 * 5 * 7 * 11 * 13 * 2, hint="wrong for other sizes")
check.equal(kv_cache_bytes(1, 1, 1, 1, 1, 4), 1, hint="wrong for one token in 4 bits")
check.equal(kv_cache_bytes(2, 3, 5, 1, 64, 32), 2 * 2 * 3 * 5 * 64 * 4, hint="wrong for one key-value head in 32 bits")
toy = toy_llama(0)
cache = toy(torch.ones(2, 7, dtype=torch.long), use_cache=True).past_key_values
held = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
check.equal(kv_cache_bytes(2, 7, 3, 2, 6, 32), held, hint="not what a real cache holds")
### END HIDDEN TESTS

# %% tags=["demo"] cellView="form" jupyter={"source_hidden": true}
cache = model(ids, use_cache=True).past_key_values
held = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
print(f"the real cache of {ids.shape[1]} tokens: {held:,} bytes; by your formula "
      f"{kv_cache_bytes(1, ids.shape[1], 30, 3, 64, 32):,}")
shapes_of = {  # n_layers, n_kv_heads, head_dim, parameters, longest context
    "Llama 2 7B, 32 key-value heads": (32, 32, 128, 6.74e9, 4096, plots.ORANGE, "-"),
    "Llama 3 8B, 8 key-value heads": (32, 8, 128, 8.03e9, 8192, plots.BLUE, "-"),
    "SmolLM2-135M with 9": (30, 9, 64, 0.1345e9, 8192, plots.GREEN, "--"),
    "SmolLM2-135M, 3 key-value heads": (30, 3, 64, 0.1345e9, 8192, plots.GREEN, "-"),
}
fig, ax = plots.figure(size=(8.0, 3.6))
for name, (layers, heads, width, number, longest, colour, line) in shapes_of.items():
    lengths = [2**i for i in range(7, longest.bit_length())]
    ax.plot(lengths, [kv_cache_bytes(8, t, layers, heads, width, 16) / 1e9 for t in lengths], line, color=colour, label=name)
    if line == "-":
        ax.axhline(2 * number / 1e9, color=colour, ls=":", lw=1)
ax.set(xscale="log", yscale="log", xlabel="tokens of each of 8 texts", ylabel="GB, 16 bits", title="What the cache takes")
ax.set_xticks([128, 512, 2048, 8192], ["128", "512", "2,048", "8,192"])
ax.legend(fontsize=9, loc="lower right")
plots.caption(fig, "The cache of a batch of eight texts. Dotted: the weights of the same model, in 16 bits.",
              "Four straight rising lines on logarithmic axes. For eight full contexts the cache of Llama 2 7B takes more than "
              "its weights; with fewer key-value heads the lines lie a factor of 3 or 4 lower.")

# %% [markdown]
# Weights are paid for once, the cache by every text in the batch. That is why most newer models share key-value heads,
# and why caches are quantized too.
#
# ## 6. The residual stream
#
# Look once more at what a block does (here in Llama's order; Vaswani et al. 2017 put the norms elsewhere):
#
# $$ a^{(l)} = \text{attention}\bigl(\text{norm}(h^{(l-1)})\bigr), \qquad
#  m^{(l)} = \text{MLP}\bigl(\text{norm}(h^{(l-1)} + a^{(l)})\bigr), \qquad
#  h^{(l)} = h^{(l-1)} + a^{(l)} + m^{(l)} . $$
#
# A block never *replaces* what it gets; it **adds** to it (He et al. 2016 introduced that, for images). So what arrives at
# the end is a sum: $h^{(L)} = h^{(0)} + \sum_l \bigl(a^{(l)} + m^{(l)}\bigr)$. The place where everything is added up
# is called the **residual stream** (Elhage et al. 2021). Each part reads from it and writes into it, and it is as wide as
# the embedding from the first layer to the last.
#
# **Predict first.** How does the *length* of the vectors in the stream change from the embedding to the last block: does
# it stay, grow or shrink? And will all tokens behave alike?
#
# <details><summary>Answer</summary>
#
# It grows, since every block adds. But the first token of a text does something wild: in a single block its vector becomes
# more than a hundred times as long as those of the others, stays so for most of the network, and comes down at its end.
# These are the <em>massive activations</em> that Sun et al. (2024) found in many language models: a few entries of enormous
# size, at a token that tells little, and which attention heads look at when they have nothing to look for.
# </details>
#
# ### Exercise: `residual_stream` (4 points, 20 minutes)
#
# Write `residual_stream(model, input_ids)` for a causal model of the Llama family (blocks in `model.model.layers`) and ids
# of shape (1, T). Return one tensor of shape **(layers + 1, T, D)**: entry 0 is what goes into the first block (the
# embeddings), entry `l` what comes out of block number `l` when one counts from 1. The last entry is what the last block
# gives, **before** the final norm. No hook is left, whatever happens.
#
# Mind the library's own `output_hidden_states=True`: its last entry has been through the final norm, and the others have
# not.
#
# <details><summary>Hint 1</summary>With your <code>capture</code> it takes three lines. Which modules give the entries 0 and
# 1?</details>
# <details><summary>Hint 2</summary>Entry 0 is the output of <code>model.embed_tokens</code>, entry 1 that of
# <code>model.layers.0</code>.</details>
# <details><summary>Hint 3</summary>Each captured output has shape (1, T, D): <code>torch.cat</code> them along the first
# axis, in the right order.</details>

# %% nbgrader={"grade": false, "grade_id": "residual_stream", "locked": false, "schema_version": 3, "solution": true, "task": false}
def residual_stream(model: nn.Module, input_ids: Tensor) -> Tensor:
    """The residual stream of one text before the first block and after each block; without the final norm.

    input_ids: (1, T). Returns (layers + 1, T, D).
    """
    ### BEGIN SOLUTION
    states, handles = [], []
    blocks, _, _ = parts_of(model)
    try:
        handles.append(blocks[0].register_forward_pre_hook(lambda block, args: states.append(args[0].detach())))
        for block in blocks:
            handles.append(block.register_forward_hook(lambda block, args, output: states.append(output.detach())))
        model(input_ids)
    finally:
        for handle in handles:
            handle.remove()
    return torch.cat(states)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_residual_stream", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
toy, line = toy_llama(0), torch.tensor([[3, 1, 4, 1, 5, 9]])
bare = copy.deepcopy(toy)
bare.model.norm = nn.Identity()  # a copy without the final norm: now the library's states are those that are wanted
want = torch.cat(bare(line, output_hidden_states=True).hidden_states)
theirs = torch.cat(toy(line, output_hidden_states=True).hidden_states)
check.close(residual_stream(toy, line), want, mistakes={
    "the last entry has been through the final norm: take what the last block gives": theirs,
    "every entry has been through the final norm": toy.model.norm(want),
    "the embeddings are missing: they are entry 0": want[1:],
    "the last block is missing": want[:-1],
    "a batch axis is left: (layers + 1, T, D) is wanted": want[:, None],
    "these are the last tokens' states only: all T positions are wanted": want[:, -1],
}, hint="not the stream of a toy of three layers")
check.equal(check.beside(left_on, toy_llama(0), residual_stream, line), NOTHING_LEFT,
            hint="your hooks must be off the model after the call, and those of others must stay")
### BEGIN HIDDEN TESTS
for layers, text_ids in ((1, [[7, 8]]), (2, [[5]]), (4, [[1, 2, 3, 4, 5, 6, 7]])):
    lm, tokens = toy_llama(layers, layers=layers), torch.tensor(text_ids)
    bare = copy.deepcopy(lm)
    bare.model.norm = nn.Identity()
    check.close(residual_stream(lm, tokens), torch.cat(bare(tokens, output_hidden_states=True).hidden_states),
                hint="wrong for another number of layers, or of tokens")
broken = toy_llama(1)
broken.model.layers[2].mlp = Broken()
check.equal(check.beside(left_on, broken, residual_stream, line), NOTHING_LEFT,
            hint="the model failed and your hooks are still there: remove them in `finally`")
leaky = lambda lm, tokens: lm.register_forward_hook(lambda *_: None)
check.equal(check.beside(left_on, toy, leaky, line)["hooks left"], 1,
            hint="the search for left-over hooks does not work here")
tokens = ids_of("The capital of France")
stream = residual_stream(model, tokens)
check.shape(stream, (31, 4, 576), hint="30 blocks, 4 tokens, width 576")
check.close(stream[0], model.model.embed_tokens(tokens)[0], hint="entry 0 is the embeddings")
check.close(model.model.norm(stream[-1]), model.model(tokens).last_hidden_state[0], rtol=1e-3, atol=1e-3,
            hint="the final norm of the last entry should be the model's last hidden state")
### END HIDDEN TESTS

# %% tags=["demo"] cellView="form" jupyter={"source_hidden": true}
stream = residual_stream(model, drink).cpu()  # the sentence about Mary and John
lengths = stream.norm(dim=-1)  # (31, T)
fig, (left, right) = plots.figure(1, 2, size=(10.4, 3.6))
left.plot(lengths[:, 0], color=plots.ORANGE, label=f"the first token, {words[0]!r}")
left.plot(lengths[:, 1:], color=plots.BLUE, lw=1, alpha=0.6)
left.plot([], [], color=plots.BLUE, label="the others")
left.set(yscale="log", xlabel="after block (0: embedding)", ylabel="length of the vector", title="The stream grows")
left.legend()
peak = stream[20, 0]
right.bar(range(len(peak)), peak.abs(), color=plots.ORANGE, width=3)
right.set(xlabel="entry of the vector", ylabel="absolute value", title="The first token after block 20")
second = words[1 + lengths[5, 1:].argmax()]  # the longest after block 5, but for the first
plots.caption(
    fig, f"Left: lengths in the residual stream; {plots.visible(second)} goes along with the first token for some blocks. Right: "
    f"one of the 576 entries alone holds {peak.abs().max() ** 2 / peak.norm() ** 2:.0%} of the first token's squared length.",
    "Left, on a logarithmic axis: most tokens grow steadily from about 2 to about 800. The first token goes to 700 in block 3, "
    "comes back in block 10, jumps to more than 20,000 in block 12 and stays there until block 28. Right: a bar chart with "
    "one huge bar, all others near zero.")

# %% [markdown]
# ### The logit lens
#
# The output transformation turns the last state of the stream into scores. But every state of the stream has the same
# width. What if we apply it to the states in between?
#
# $$ z^{(l)} = \text{norm}\bigl(h^{(l)}\bigr)\, W^\top $$
#
# This is the **logit lens** (nostalgebraist 2020): the guess the model would make if the blocks from here on did nothing.
# The norm belongs to it, once, and each state is normed by *its own* length, not by that of the last one.
#
# ### Exercise: `logit_lens` (4 points, 20 minutes)
#
# Write `logit_lens(model, input_ids)` for a causal model of the Llama family and ids of shape (1, T): the logits that the
# final norm and `lm_head` give for every state of the residual stream. Shape **(layers + 1, T, V)**. The last entry is what
# `model(input_ids)` itself gives; nothing in it has been normed twice. No hook is left.
#
# <details><summary>Hint 1</summary>You have just written what you need to apply it to.</details>
# <details><summary>Hint 2</summary>The final norm is <code>model.model.norm</code>. Norms and linear layers work on the last
# axis and accept any number of axes before it.</details>
# <details><summary>Hint 3</summary><code>lm_head(norm(stream))</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "logit_lens", "locked": false, "schema_version": 3, "solution": true, "task": false}
def logit_lens(model: nn.Module, input_ids: Tensor) -> Tensor:
    """Logits that the final norm and lm_head give for each state of the residual stream.

    input_ids: (1, T). Returns (layers + 1, T, V); the last entry is the model's own logits.
    """
    ### BEGIN SOLUTION
    _, norm, lm_head = parts_of(model)
    return lm_head(norm(residual_stream(model, input_ids)))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_logit_lens", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
def cut_short(lm, n: int):
    """A copy that has only the first n blocks, and its final norm and lm_head right after them."""
    less = copy.deepcopy(lm)
    less.config.num_hidden_layers = n
    return less


toy, line = toy_llama(0), torch.tensor([[3, 1, 4, 1, 5, 9]])
want = torch.stack([cut_short(toy, n)(line).logits[0] for n in range(4)])
states = toy(line, output_hidden_states=True).hidden_states
bare = copy.deepcopy(toy)
bare.model.norm = nn.Identity()
stream = torch.cat(bare(line, output_hidden_states=True).hidden_states)
check.close(logit_lens(toy, line), want, mistakes={
    "the last entry is normed twice: the library's last hidden state has been through the norm already":
        toy.lm_head(toy.model.norm(torch.cat(states))),
    "the final norm is missing": toy.lm_head(stream),
    "the final norm is missing, but for the last entry": toy.lm_head(torch.cat(states)),
    "each state has its own length: do not divide all of them by that of the last one":
        toy.lm_head(toy.model.norm.weight * stream / (stream[-1].pow(2).mean(-1, keepdim=True) + 1e-6).sqrt()),
    "these are probabilities: the logits are wanted": want.softmax(-1),
    "the embeddings are missing: they are entry 0": want[1:],
    "a batch axis is left: (layers + 1, T, V) is wanted": want[:, None],
}, hint="not what the model would say if it ended after each block")
check.close(logit_lens(toy, line)[-1], toy(line).logits[0], hint="the last entry should be the model's own logits")
### BEGIN HIDDEN TESTS
check.equal(check.beside(left_on, toy_llama(0), logit_lens, line), NOTHING_LEFT, hint="hooks are left on the model after the call")
for layers, text_ids, tied in ((1, [[7, 8]], True), (2, [[5]], False), (4, [[1, 2, 3, 4, 5, 6, 7]], True)):
    lm, tokens = toy_llama(layers, layers=layers, tied=tied), torch.tensor(text_ids)
    check.close(logit_lens(lm, tokens), torch.stack([cut_short(lm, n)(tokens).logits[0] for n in range(layers + 1)]),
                hint="wrong for another number of layers, or of tokens")
leaky = lambda lm, tokens: lm.register_forward_hook(lambda *_: None)
check.equal(check.beside(left_on, toy, leaky, line)["hooks left"], 1,
            hint="the search for left-over hooks does not work here")
tokens = ids_of("The capital of")
lens = logit_lens(model, tokens)
check.shape(lens, (31, 3, 49152), hint="30 blocks, 3 tokens, a vocabulary of 49,152")
check.close(lens[-1], model(tokens).logits[0], rtol=1e-3, atol=1e-3, hint="the last entry should be the model's own logits")
check.close(lens[0], model.lm_head(model.model.norm(model.model.embed_tokens(tokens)))[0], rtol=1e-3, atol=1e-3,
            hint="entry 0 should be the final norm and lm_head of the embeddings")
### END HIDDEN TESTS

# %% tags=["demo"] cellView="form" jupyter={"source_hidden": true}
def lens_table(text: str, rows=(0, 1, 4, 8, 12, 16, 20, 22, 24, 26, 27, 28, 29, 30)) -> None:
    """The most likely token at each position, as the states after these blocks would have it."""
    tokens = ids_of(text)
    share, best = logit_lens(model, tokens)[list(rows)].softmax(-1).max(-1)  # (rows, T) each
    names = [plots.visible(tokenizer.decode([i])) for i in tokens[0]]
    fig, ax = plots.figure(size=(1.7 + 0.82 * len(names), 0.36 * len(rows) + 1.0))
    image = ax.imshow(share.cpu(), aspect="auto", cmap=plots.UNSIGNED, vmin=0, vmax=1)
    for row in range(len(rows)):
        for column in range(len(names)):
            ax.text(column, row, plots.visible(tokenizer.decode([best[row, column]]))[:9], ha="center", va="center",
                    fontsize=8, color="white" if share[row, column] > 0.45 else plots.INK, parse_math=False)
    ax.set_yticks(range(len(rows)), [str(r) if r else "0 (embedding)" for r in rows])
    ax.set_xticks(range(len(names)), names, parse_math=False)
    ax.set(ylabel="after block", title="what would come next?")
    ax.xaxis.tick_top()
    ax.grid(False)
    fig.colorbar(image, ax=ax, label="probability")
    plots.caption(fig, f"The logit lens on '{text} …'. Columns: the tokens of the text. Cells: the most likely next token "
                       "after that many blocks; a dot is a space.",
                  "A table of tokens. In the first row most tokens predict themselves; in the middle the cells hold commas, "
                  "spaces and other frequent tokens; in the last rows they become the words that fit.")


lens_table("The capital of France is")

# %% [markdown]
# In row 0 there is nothing but embeddings, compared with embeddings, since `lm_head` is the same table; so a token's best
# match is often *itself*. (Not for ·France: scores are dot products, and the row of `<filename>` is one of the longest of
# the vocabulary.) Then comes a long stretch of frequent tokens, in which the model works on something that is not yet
# phrased as a next token, and the answer steps forward only at the very end. The pale column on the left is the massive
# activation: next to one giant entry, the norm leaves nothing of the others.
#
# In GPT-2, nostalgebraist saw sensible guesses form halfway. States in between need not speak the language of the last one;
# Belrose et al. (2023) train a small correction for each layer, the *tuned lens*. Take the lens as a hint, then, not as a
# transcript of thoughts. Still, it can tell you where to look. Here are two possible endings of one sentence:

# %% tags=["demo"] cellView="form" jupyter={"source_hidden": true}
lens = logit_lens(model, drink)[:, -1].cpu().float()  # what follows "... John gave a drink to"
mary, john = (tokenizer(f" {name}").input_ids[0] for name in ("Mary", "John"))
fig, (left, right) = plots.figure(1, 2, size=(10.4, 3.3))
for token, name, colour in ((mary, "Mary", plots.BLUE), (john, "John", plots.ORANGE)):
    left.plot((lens > lens[:, [token]]).sum(-1) + 1, color=colour, label=f"·{name}")
left.set(yscale="log", xlabel="after block", ylabel="rank (1: most likely)")
left.invert_yaxis()
left.legend()
right.bar(range(31), lens[:, mary] - lens[:, john], color=[plots.POSITIVE if x > 0 else plots.NEGATIVE
                                                           for x in lens[:, mary] - lens[:, john]])
right.set(xlabel="after block", ylabel="logit of ·Mary minus ·John")
plots.caption(fig, f"The lens at the last position of '{sentence} …'. The model ends with Mary, at a probability of "
                   f"{lens[-1].softmax(-1)[mary]:.2f}.",
              "Two panels over 30 blocks. Left: John stays near rank 200, Mary near rank 1,000, until Mary jumps ahead after "
              "block 24 and is first at the end. Right: the difference of their logits is negative up to block 23 and positive "
              "from block 24 on.")

# %% [markdown]
# ## 7. Reaching in
#
# To see that something is *there* does not prove that it is *used*. For that you have to interfere, and to look what
# becomes of the answer. A hook can do it: what it returns takes the place of what it was given.
#
# ### Switching off a head
#
# An attention module has several **heads**, which look at different things (unit 05). Before the module's last matrix,
# `o_proj`, their outputs lie side by side in one vector: head $j$ has the entries from $j \cdot d_{head}$ to
# $(j + 1) \cdot d_{head} - 1$. Put zeros there, and that head is silent, while all others speak as before: **ablation**
# (Michel, Levy and Neubig 2019).
#
# **Predict first.** The model has 30 × 9 = 270 heads. *When Mary and John went to the store, John gave a drink to* is
# continued with *Mary*. If you silence one head at a time, how many of the 270 will matter much: nearly all, about half,
# a handful?
#
# <details><summary>Answer</summary>
#
# A handful. Most heads are not needed for this sentence, or others do their work when they fall silent. The lab below
# shows which ones are. (An ablation tells what the model <em>cannot replace</em>, and that is less than what it uses.)
# </details>
#
# ### Exercise: `ablate_head` (5 points, 25 minutes)
#
# Write `ablate_head(model, input_ids, layer, head)` for a causal model of the Llama family: the logits (B, T, V) of
# `input_ids` (B, T) when, in block number `layer` (from 0), the output of attention head number `head` (from 0) is zero at
# all positions. Heads are **query heads**, `model.config.num_attention_heads` of them, each `model.config.head_dim` wide.
# **Do not touch the weights**: use a hook, and leave none behind, whatever happens.
#
# <details><summary>Hint 1</summary>What goes into <code>model.model.layers[layer].self_attn.o_proj</code> has shape (B, T,
# heads × head_dim). You need a hook that sees it <em>before</em> the product.</details>
# <details><summary>Hint 2</summary>A forward pre-hook gets <code>(module, args)</code>; <code>args[0]</code> is that tensor.
# Clone it, set a slice of the last axis to 0, and return it.</details>
# <details><summary>Hint 3</summary><code>x[..., head * size:(head + 1) * size] = 0; return (x,)</code>; run the model in
# <code>try</code>, remove the handle in <code>finally</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "ablate_head", "locked": false, "schema_version": 3, "solution": true, "task": false}
def ablate_head(model: nn.Module, input_ids: Tensor, layer: int, head: int) -> Tensor:
    """Logits (B, T, V) with the output of one attention head set to zero at all positions.

    input_ids: (B, T). layer, head: counted from 0. Weights stay as they are; no hook is left.
    """
    ### BEGIN SOLUTION
    attention = model.model.layers[layer].self_attn
    size = attention.head_dim

    def silence(module, args):
        heads = args[0].clone()  # (B, T, heads * size)
        heads[..., head * size:(head + 1) * size] = 0
        return (heads,)

    handle = attention.o_proj.register_forward_pre_hook(silence)
    try:
        return model(input_ids).logits
    finally:
        handle.remove()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_ablate_head", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
def without_columns(lm, layer: int, columns: slice, matrix: str = "o_proj"):
    """A copy in which these columns of a matrix of attention are zero: what goes in there is never read."""
    less = copy.deepcopy(lm)
    getattr(less.model.layers[layer].self_attn, matrix).weight[:, columns] = 0
    return less


def without_rows(lm, layer: int, rows: slice, matrix: str):
    less = copy.deepcopy(lm)
    getattr(less.model.layers[layer].self_attn, matrix).weight[rows] = 0
    return less


toy, line = toy_llama(0), torch.tensor([[3, 1, 4, 1, 5, 9]])  # 4 heads of 6 numbers
want = without_columns(toy, 1, slice(12, 18))(line).logits  # layer 1, head 2
check.close(ablate_head(toy, line, 1, 2), want, mistakes={
    "nothing was switched off": toy(line).logits,
    "heads count from 0: that is another head": without_columns(toy, 1, slice(6, 12))(line).logits,
    "layers count from 0: that is another layer": without_columns(toy, 0, slice(12, 18))(line).logits,
    "the whole attention module is off": without_columns(toy, 1, slice(0, 24))(line).logits,
    "that is behind o_proj, where the heads are mixed already: zero what goes into it":
        without_rows(toy, 1, slice(12, 18), "o_proj")(line).logits,
    "only this head is left on: it is the one to be off":
        without_columns(without_columns(toy, 1, slice(0, 12)), 1, slice(18, 24))(line).logits,
    "that is a slice of the residual stream: the heads lie side by side before o_proj only":
        without_columns(without_columns(without_columns(toy, 1, slice(12, 18), "q_proj"), 1, slice(12, 18), "k_proj"), 1,
                        slice(12, 18), "v_proj")(line).logits,
    "a query of zeros is not silent: it looks everywhere alike; zero the head's output":
        without_rows(toy, 1, slice(12, 18), "q_proj")(line).logits,
    "(B, T, V) is wanted, with the axis of the batch": want[0],
    "all T positions are wanted": want[:, -1],
}, hint="not the logits without head 2 of layer 1")
check.equal(check.beside(left_on, toy_llama(0), ablate_head, line, 1, 2), NOTHING_LEFT,
            hint="the model must be left as it was: no hook, no changed weight")
### BEGIN HIDDEN TESTS
for layer in range(3):
    for head in range(4):
        columns = slice(6 * head, 6 * head + 6)
        check.close(ablate_head(toy, line, layer, head), without_columns(toy, layer, columns)(line).logits,
                    hint=f"wrong for layer {layer}, head {head} of 4 query heads")
two = torch.tensor([[1, 2, 3], [20, 21, 22]])
check.close(ablate_head(toy, two, 0, 3), without_columns(toy, 0, slice(18, 24))(two).logits, hint="wrong for two texts")
check.close(ablate_head(toy, torch.tensor([[4]]), 2, 0), without_columns(toy, 2, slice(0, 6))(torch.tensor([[4]])).logits,
            hint="wrong for one token")
broken = toy_llama(1)
broken.model.layers[2].mlp = Broken()
check.equal(check.beside(left_on, broken, ablate_head, line, 1, 2), NOTHING_LEFT,
            hint="the model failed and something is left on it: clean up in `finally`")
leaky = lambda lm, tokens, layer, head: lm.model.layers[layer].self_attn.o_proj.weight[:, head].zero_()
check.that(check.beside(left_on, toy, leaky, line, 1, 2)["weights changed"] > 0,
           "the search for changed weights does not work here")
tokens = ids_of("The capital of France is")
name = "model.layers.16.self_attn.o_proj.weight"
changed = model.get_parameter(name).clone()
changed[:, 128:192] = 0
check.close(ablate_head(model, tokens, 16, 2), torch.func.functional_call(model, {name: changed}, (tokens,)).logits,
            rtol=1e-3, atol=1e-2, hint="wrong for the real model")
### END HIDDEN TESTS

# %% [markdown]
# **Lab.** Every head of the real model in turn, for two tasks.
#
# - *Who gets the drink?* With the names swapped as well, so that no head profits from its love for one name. Measured: the
#   logit of the right name minus that of the wrong one (Wang et al. 2023 took GPT-2 apart with this sentence).
# - *Copying*: sixteen words in no order, twice. Nobody can guess the first round; in the second, a model that looks back
#   for the last time the present token occurred, and copies what came next, knows everything (Olsson et al. 2022).
#   Measured: the loss on the second round.

# %% tags=["demo"]
word_list = ids_of(" river seven paper green table mother window salt doctor piano yellow garden horse letter silver market")
print([tokenizer.decode([i]) for i in word_list[0]])

# %% tags=["lab"]
names = (("Mary", "John"), ("John", "Mary"))
pair = ids_of(*(f"When {a} and {b} went to the store, {b} gave a drink to" for a, b in names))
right_ids, wrong_ids = (torch.tensor([tokenizer(f" {n[i]}").input_ids[0] for n in names], device=model.device) for i in (0, 1))
shuffles = [torch.arange(16)] + [torch.randperm(16, generator=torch.Generator().manual_seed(i))
                                 for i in range(runtime.pick(cpu=0, gpu=15))]  # a GPU averages over 16 orders
twice = torch.cat([word_list[:, order].repeat(1, 2) for order in shuffles])


def preference(logits: Tensor) -> float:
    """Logit of the right name minus that of the wrong one at the last position, mean over both sentences."""
    end = logits[:, -1]
    return (end.gather(1, right_ids[:, None]) - end.gather(1, wrong_ids[:, None])).mean().item()


def copying_loss(logits: Tensor) -> float:
    """Mean surprisal of the second round, in nats."""
    return -logits[:, 16:-1].log_softmax(-1).gather(-1, twice[:, 17:, None]).mean().item()


whole = preference(model(pair).logits), copying_loss(model(twice).logits)
n_layers, n_heads = model.config.num_hidden_layers, model.config.num_attention_heads
effect = torch.zeros(2, n_layers, n_heads)
for layer in runtime.progress(range(n_layers), "layers"):
    for head in range(n_heads):
        effect[0, layer, head] = preference(ablate_head(model, pair, layer, head)) - whole[0]
        effect[1, layer, head] = whole[1] - copying_loss(ablate_head(model, twice, layer, head))

fig, axes = plots.figure(1, 2, size=(10.2, 5.8))
for ax, values, title, unit in zip(axes, effect, ("Who gets the drink?", "Copying"), ("logit difference", "nats, sign turned")):
    plots.heatmap(ax, values, label=f"change ({unit}); orange: worse without it", numbers=False)
    ax.set(xlabel="head", ylabel="layer", title=title, xticks=range(n_heads))
plots.caption(
    fig, f"The effect of silencing each of the 270 heads. Whole model: logit difference {whole[0]:.2f}; loss {whole[1]:.2f} nats.",
    "Two heatmaps of 30 layers by 9 heads, almost white. On the left head 3 of layer 23 is by far the darkest orange, with "
    "paler ones in layers 0, 1, 16, 20 and 29. On the right head 4 of layer 1, then head 5 of layer 11 and head 0 of layer 16.")
for values, title in zip(effect, ("drink", "copying")):
    worst = values.flatten().argsort()[:6].tolist()
    print(f"{title:8}", ", ".join(f"{i // n_heads}.{i % n_heads}: {values.flatten()[i]:.2f}" for i in worst),
          f"(layer.head); {(values.abs() > 1).sum()} of {values.numel()} change it by more than 1")

# %% [markdown]
# Two almost white pictures: few heads matter, and other ones for other tasks. On the left, one head stands out, 23.3. It
# is number 3 of layer 23, counted from 0, so it writes into what leaves the 24th block; and that is just where the lens saw
# Mary get past John.
#
# Where do such heads *look*? Attention modules give their weights as a second output when attention is computed in plain
# torch (`"eager"`; the fast ways never have these weights in memory). One hook on each layer collects them. With the list of
# words, twice, one can even ask all 270 heads at once: who looks at the token *before* the present one, and who at the token
# *after its last occurrence*?

# %% tags=["demo"]
def attention_maps(tokens: Tensor) -> Tensor:
    """Who looks where: attention weights (layers, heads, T, T) of one text; row: looking, column: looked at."""
    maps, implementation = [], model.config._attn_implementation
    handles = [block.self_attn.register_forward_hook(lambda module, args, output: maps.append(output[1].cpu()))
               for block in model.model.layers]
    model.set_attn_implementation("eager")
    try:
        model(tokens)
    finally:
        model.set_attn_implementation(implementation)
        for handle in handles:
            handle.remove()
    return torch.cat(maps)


listed, drinking = attention_maps(word_list.repeat(1, 2)), attention_maps(drink)
at = torch.arange(17, 32)  # the second round, without its first word
for question, looked_at in (("the token before it", at - 1), ("the token after its last occurrence", at - 15)):
    score = listed[:, :, at, looked_at].mean(-1)
    best = score.flatten().argsort(descending=True)[:4].tolist()
    print(f"{question:36}", ", ".join(f"{i // 9}.{i % 9}: {score.flatten()[i]:.0%}" for i in best))

list_words = [tokenizer.decode([i]) for i in word_list[0]] * 2
fig, axes = plots.figure(2, 2, size=(10.2, 9.4))
for ax, (maps, layer, head, labels) in zip(axes.flat, ((listed, 16, 0, list_words), (listed, 18, 6, list_words),
                                                       (drinking, 17, 4, words), (drinking, 23, 3, words))):
    ax.imshow(maps[layer, head], cmap=plots.UNSIGNED, vmin=0, vmax=1)
    ax.set_xticks(range(len(labels)), labels, rotation=90, fontsize=6 if maps is listed else 8)
    ax.set_yticks(range(len(labels)), labels, fontsize=6 if maps is listed else 8)
    ax.set(title=f"head {layer}.{head}", ylabel="looks from")
    ax.grid(False)
plots.caption(fig, "Attention of four heads. Row: the token that looks; column: the one looked at; dark: all of its attention.",
              "Four triangular maps. Head 16.0: a dark line just below the diagonal. Head 18.6: in the first round all look at the "
              "first word; in the second a dark line fifteen columns to the left. Head 17.4: the second John looks at went. Head "
              "23.3: the last tokens look at the second John.")

# %% [markdown]
# Head 16.0 looks at the token before, always. Head 18.6 looks at what came *after* the last occurrence of the present token:
# an **induction head**. It could not find that place without a partner such as 16.0, which two layers earlier wrote into
# every position what came before it (Olsson et al. 2022 found such pairs in many models). And to silence 18.6 alone costs
# little, because it has colleagues who do the same. When a head finds nothing to look at, it looks at the first token: the
# dark columns on the left, and the use of the massive activations of section 6.
#
# In the sentence, 17.4 works alike: from the second *John* it looks at *went*, which followed the first. Then, from the last
# token, 23.3 looks back at the second *John*, and the next word is Mary. *What* it takes from there, no picture of attention
# can tell. For that, one has to move things.

# %% [markdown]
# ### Patching
#
# Ablation asks what breaks. **Activation patching** (Vig et al. 2020; Meng et al. 2022, §2) asks where a piece of
# information *is*. Take two prompts that differ in one thing, such as *Eiffel Tower* and *Colosseum*. Run the first, the
# **clean** one, and keep its residual stream. Run the second, the **corrupt** one, but at one layer and one position
# put the clean vector in place of its own. If the answer changes from Rome to Paris, then what distinguishes the prompts
# was there, at that time.
#
# **Predict first.** In the first layers, at which position does the patch bring back Paris? And in the last layers?
#
# <details><summary>Answer</summary>
#
# Early on, at the tokens that differ: the name itself. In the last layers, at the last position, from which the answer is
# read off, and nowhere else. Somewhere in between, attention must carry it over. The lab shows where.
# </details>
#
# ### Exercise: `patch_residual` (5 points, 25 minutes)
#
# Write `patch_residual(model, clean_ids, corrupt_ids, layer, position)` for a causal model of the Llama family and two texts
# (1, T) of the same length. Return the logits (1, T, V) of the **corrupt** text when the residual stream that **leaves**
# block number `layer` (from 0) is, at `position`, the one that the **clean** text has there. (That is entry `layer + 1` of
# your `residual_stream`.) All other positions keep what they have, and the blocks after `layer` go on with the patched
# stream. No hook is left, whatever happens.
#
# <details><summary>Hint 1</summary>Two runs: one to look, one to reach in.</details>
# <details><summary>Hint 2</summary>What a forward hook returns replaces the output. A decoder layer gives a tensor (1, T,
# D): clone it, replace one position, return it.</details>
# <details><summary>Hint 3</summary><code>clean = residual_stream(model, clean_ids)[layer + 1, position]</code>; in the hook
# on <code>model.model.layers[layer]</code>: <code>output = output.clone(); output[0, position] = clean; return output</code>.
# </details>

# %% nbgrader={"grade": false, "grade_id": "patch_residual", "locked": false, "schema_version": 3, "solution": true, "task": false}
def patch_residual(model: nn.Module, clean_ids: Tensor, corrupt_ids: Tensor, layer: int, position: int) -> Tensor:
    """Logits (1, T, V) of the corrupt text with one vector of the clean text's residual stream in it.

    clean_ids, corrupt_ids: (1, T). The vector is that at `position`, as it leaves block number `layer` (from 0).
    """
    ### BEGIN SOLUTION
    clean = residual_stream(model, clean_ids)[layer + 1, position]  # (D,)

    def put(block, args, output):
        output = output.clone()  # (1, T, D)
        output[:, position] = clean
        return output

    handle = parts_of(model)[0][layer].register_forward_hook(put)
    try:
        return model(corrupt_ids).logits
    finally:
        handle.remove()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_patch_residual", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
def leaving(lm, block: int, tokens):
    """The stream (1, T, D) that leaves this block (-1: the embeddings): a copy without later blocks and final norm."""
    less = copy.deepcopy(lm)
    less.config.num_hidden_layers, less.model.norm = block + 1, nn.Identity()
    return less.model(tokens).last_hidden_state


def finished(lm, block: int, stream):
    """Logits when `stream` leaves this block: a copy that has only what comes later."""
    rest = copy.deepcopy(lm)
    rest.model.layers = rest.model.layers[block + 1:]
    rest.config.num_hidden_layers = len(rest.model.layers)
    return rest(inputs_embeds=stream, use_cache=False).logits


def stitched(lm, clean, corrupt, block: int, position: int, source: int | None = None):
    stream = leaving(lm, block, corrupt).clone()
    stream[:, position] = leaving(lm, block if source is None else source, clean)[:, position]
    return finished(lm, block, stream)


toy = toy_llama(0)
clean, corrupt = torch.tensor([[3, 1, 4, 1, 5]]), torch.tensor([[3, 9, 4, 1, 6]])
want = stitched(toy, clean, corrupt, 1, 3)
everywhere = finished(toy, 1, leaving(toy, 1, clean))
check.close(patch_residual(toy, clean, corrupt, 1, 3), want, mistakes={
    "nothing was patched: those are the corrupt text's own logits": toy(corrupt).logits,
    "clean and corrupt are swapped": stitched(toy, corrupt, clean, 1, 3),
    "every position was patched: only `position` should be": everywhere,
    "that is the stream which enters the block: the one that leaves it is wanted": stitched(toy, clean, corrupt, 0, 3),
    "one block too late": stitched(toy, clean, corrupt, 2, 3),
    "the vector comes from one block too early: what leaves block `layer` is entry layer + 1":
        stitched(toy, clean, corrupt, 1, 3, source=0),
    "another position": stitched(toy, clean, corrupt, 1, 2),
    "the clean vector was added: it should replace the other":
        lambda: finished(toy, 1, leaving(toy, 1, corrupt) + leaving(toy, 1, clean) * (torch.arange(5) == 3)[:, None]),
    "all T positions are wanted, (1, T, V)": want[:, -1],
    "(1, T, V) is wanted, with the axis of the batch": want[0],
}, hint="not the logits with the clean vector of position 3 after block 1")
check.equal(check.beside(left_on, toy_llama(0), patch_residual, clean, corrupt, 1, 3), NOTHING_LEFT,
            hint="the model must be left as it was: no hook, no changed weight")
### BEGIN HIDDEN TESTS
for block in range(3):
    for position in range(5):
        check.close(patch_residual(toy, clean, corrupt, block, position), stitched(toy, clean, corrupt, block, position),
                    hint=f"wrong for layer {block}, position {position}")
check.close(patch_residual(toy, clean, clean, 1, 2), toy(clean).logits, hint="a text patched with itself stays as it is")
check.close(patch_residual(toy, torch.tensor([[7]]), torch.tensor([[8]]), 0, 0), toy(torch.tensor([[7]])).logits,
            hint="wrong for texts of one token")
broken = toy_llama(1)
broken.model.layers[2].mlp = Broken()
check.equal(check.beside(left_on, broken, patch_residual, clean, corrupt, 1, 3), NOTHING_LEFT,
            hint="the model failed and something is left on it: clean up in `finally`")
leaky = lambda lm, one, two, layer, position: lm.register_forward_hook(lambda *_: None)
check.equal(check.beside(left_on, toy, leaky, clean, corrupt, 1, 3)["hooks left"], 1,
            hint="the search for left-over hooks does not work here")
france, italy = ids_of("The capital of France is"), ids_of("The capital of Italy is")
ends = torch.cat([model(italy).logits[:, :-1], model(france).logits[:, -1:]], 1)
check.close(patch_residual(model, france, italy, 29, 4), ends, rtol=1e-3, atol=1e-2,
            hint="on the real model, the last block's vector at the last position should bring the whole clean answer")
### END HIDDEN TESTS

# %% [markdown]
# **Lab.** Patch every third layer (all of them on a GPU) at every position, and see how much of the way from Rome to Paris
# it brings back: 0 is the corrupt run, 1 the clean one.

# %% tags=["lab"]
clean, corrupt = ids_of("The Eiffel Tower is in the city of"), ids_of("The Colosseum is in the city of")
paris, rome = (tokenizer(f" {city}").input_ids[0] for city in ("Paris", "Rome"))
difference = lambda logits: (logits[0, -1, paris] - logits[0, -1, rome]).item()
low, high = difference(model(corrupt).logits), difference(model(clean).logits)
layers = range(0, 30, runtime.pick(cpu=3, gpu=1))
chosen_layers = [*layers] + ([29] if 29 not in layers else [])
back = torch.zeros(len(chosen_layers), clean.shape[1])
for row, layer in enumerate(runtime.progress(chosen_layers, "layers")):
    for position in range(clean.shape[1]):
        back[row, position] = (difference(patch_residual(model, clean, corrupt, layer, position)) - low) / (high - low)

pairs = [f"{tokenizer.decode([a])} | {tokenizer.decode([b])}" if a != b else tokenizer.decode([a])
         for a, b in zip(clean[0], corrupt[0], strict=True)]
fig, ax = plots.figure(size=(8.4, 4.4))
plots.heatmap(ax, back, [str(layer) for layer in chosen_layers], pairs, label="share brought back", numbers=False)
ax.set(ylabel="patched after block")
plots.caption(
    fig, f"Patching the residual stream of '… Colosseum …' with that of '… Eiffel Tower …'. Paris over Rome, in logits: "
    f"{low:.1f} in the corrupt run, {high:.1f} in the clean one.",
    "A heatmap of layers by tokens. Through most of the network the patch works at the third token, iffel or osse, and a little "
    "at the fourth; in the last layers only at the last token. All else is white.")

# %% [markdown]
# For two thirds of the network, the knowledge that it is about Paris lives at the tokens of the name; then it moves to the
# end of the sentence, and there it is read off. Nobody programmed this.
#
# ## 8. Your functions and the real model
#
# In section 3 the model ran on your 8-bit weights. Here are four more statements about it, checked with nothing but your
# functions.
#
# **Predict first.** Your `residual_stream` of the first eight tokens of a sentence, and that of the whole sentence: what
# have they in common?
#
# <details><summary>Answer</summary>
#
# The first eight positions, at every layer. In a causal model no position looks at a later one, so what follows cannot
# change what came before. (That is also why the KV cache works.)
# </details>

# %% tags=["demo"]
tokens = ids_of("When Mary and John went to the store, John gave a drink to")
own = model(tokens).logits[0]

# 1. A forward pass by hand: stream, norm, lm_head.
lens = logit_lens(model, tokens)
print(f"1. logit lens, last entry, against the model's logits: largest difference {(lens[-1] - own).abs().max():.1e}")
check.close(lens[-1], own, rtol=1e-3, atol=1e-3)

# 2. The residual stream is a sum of what all parts write.
parts = [f"model.layers.{i}.{part}" for i in range(30) for part in ("self_attn", "mlp")]
written_by = capture(model, {"input_ids": tokens}, ["model.embed_tokens", *parts])
total = sum(value.double() for value in written_by.values())[0]
stream = residual_stream(model, tokens)
apart = ((total - stream[-1]).norm(dim=-1) / stream[-1].norm(dim=-1)).max()
print(f"2. embedding + 30 attentions + 30 MLPs, against the stream: relative difference {apart:.1e}")

# 3. Nobody looks ahead: what a longer text has at its first eight positions is the stream of those eight tokens alone.
alone = residual_stream(model, tokens[:, :8])
apart = ((alone - stream[:, :8]).norm(dim=-1) / alone.norm(dim=-1)).max()
print(f"3. the stream of the first 8 tokens, alone and in the sentence: relative difference {apart:.1e}")

# 4. Patching a text with itself changes nothing.
same = patch_residual(model, tokens, tokens, 12, 3)[0]
print(f"4. patched with itself, against the model's logits: largest difference {(same - own).abs().max():.1e}")
print("hooks on the model:", hooks_on(model))

# %% [markdown]
# The black box is open. In unit 04 you take over its two ends, the embedding and the logits; in unit 05 the blocks
# themselves, and then the logits of *your* model are compared with these.
#
# ## Spot the bug
#
# A colleague *steers* a model: she adds a direction `v`, of shape (D,), to the residual stream after layer 12. Her code comes
# from a notebook of 2024. It raises nothing. With one prompt it does what it should. Then she measures the effect on
# batches of 32 prompts, and it has almost vanished.
#
# ```python
# def steer(module, args, output):
#     output[0].add_(v)            # in place: what comes out of the layer is shifted by v
#
# model.model.layers[12].register_forward_hook(steer)
# ```
#
# **Predict first.** What does `output[0]` select in the version of `transformers` that you have? And what happens when she
# runs the cell a second time?
#
# <details><summary>Answer</summary>
#
# In 2024 a decoder layer gave a tuple, and <code>output[0]</code> was its hidden states, (B, T, D). Now it gives the tensor
# itself, and <code>output[0]</code> is the <em>first text of the batch</em>, (T, D): one prompt of 32 is steered. The cure
# for both versions: <code>hidden = output[0] if isinstance(output, tuple) else output</code>, and better no change in
# place, but to <em>return</em> the new output.
#
# And the handle is thrown away. Each run of the cell hangs up another hook, and <code>v</code> is added once more.
#
# The first mistake was made all over the place: lightning-pose (issue 448, 2026) found it when a layer began to give a
# tensor in transformers 5.9, and EasyEdit (pull request 670, 2026) had to mend its hooks for the same reason. Another one,
# with the final norm of the logit lens, was reported to TransformerLens (issue 1076, 2025): one common length for all
# layers, which your test knows too.
# </details>

# %% tags=["demo"]
prompts = ids_of("The capital of France is", "The capital of Italy is", "The capital of Spain is")
plain = model(prompts).logits
direction = 20 * torch.nn.functional.normalize(torch.randn(576, generator=torch.Generator().manual_seed(0)), dim=0)


def steer(module, args, output):
    output[0].add_(direction.to(output.device))


handle = model.model.layers[12].register_forward_hook(steer)
try:
    steered = model(prompts).logits
finally:
    handle.remove()
print("largest change of a logit, for each prompt:", [f"{change:.2f}" for change in (steered - plain).abs().amax((1, 2)).tolist()])

# %% [markdown]
# ## Recap
#
# - A model on a disk is a configuration, weights and a tokenizer; it is loaded by a name, from a path, or from what is
#   there. Model and inputs go on one device.
# - Parameters × bits / 8 = bytes. Shared weights count once. 8 bits with one step a row cost next to nothing; the smaller
#   the group that shares a step, the better.
# - Every transformer is an input transformation, blocks from T × D to T × D, and an output transformation.
# - A forward hook sees and may replace what a module gives, a pre-hook what it gets; `with_kwargs=True` shows keyword
#   inputs. Remove hooks in `finally`.
# - Attention gives a tuple, a decoder layer a tensor. `generate` asks for logits (1, 1, V), a forward pass gives (1, T, V).
# - The KV cache grows with every token of every text.
# - Blocks add to the residual stream. The logit lens reads it with the final norm, once, and `lm_head`.
# - Looking shows what is there; ablation and patching show what is used, and where.
#
# Covers: A10, A11, A12, A13, A14, A15, A16, A17, A20, A24, A42, B1
#
# **Words to keep**
#
# | term | meaning |
# |---|---|
# | parameter, buffer | a tensor that is learnt; one that belongs to a module and is not |
# | weight tying | embedding and `lm_head` are one matrix |
# | quantization | storing weights as small whole numbers and a step |
# | absmax, step (scale) | the largest absolute value of a group; what one whole number is worth |
# | outlier | a value so large that it makes the step coarse for its whole group |
# | module tree | a model's parts and the parts of its parts |
# | hook, handle | a function hung on a module; what takes it off again |
# | KV cache | keys and values of all tokens so far, kept by `generate` |
# | residual stream | the sum that all parts of a transformer read from and add to |
# | logit lens | the output transformation, applied to a state in the middle |
# | ablation | switching a part off to see what it is needed for |
# | activation patching | putting a value of one run into another, to see where information is |
# | induction head | a head that finds what came after the last occurrence of the present token |
# | massive activations | a few enormous entries of the stream, mostly at the first token |
#
# **References**
#
# - J. Ainslie, J. Lee-Thorp, M. de Jong, Y. Zemlyanskiy, F. Lebrón, S. Sanghai (2023). GQA: Training generalized
#   multi-query transformer models from multi-head checkpoints. *EMNLP*. arXiv:2305.13245
# - N. Belrose et al. (2023). Eliciting latent predictions from transformers with the tuned lens. arXiv:2303.08112
# - L. Ben Allal et al. (2025). SmolLM2: When Smol goes big. arXiv:2502.02737
# - T. Dettmers, M. Lewis, Y. Belkada, L. Zettlemoyer (2022). LLM.int8(): 8-bit matrix multiplication for transformers at
#   scale. *NeurIPS*. arXiv:2208.07339
# - T. Dettmers, A. Pagnoni, A. Holtzman, L. Zettlemoyer (2023). QLoRA: Efficient finetuning of quantized LLMs. *NeurIPS*.
#   arXiv:2305.14314
# - N. Elhage et al. (2021). A mathematical framework for transformer circuits. *Transformer Circuits Thread*.
# - K. He, X. Zhang, S. Ren, J. Sun (2016). Deep residual learning for image recognition. *CVPR*. arXiv:1512.03385
# - K. Meng, D. Bau, A. Andonian, Y. Belinkov (2022). Locating and editing factual associations in GPT. *NeurIPS*.
#   arXiv:2202.05262
# - P. Michel, O. Levy, G. Neubig (2019). Are sixteen heads really better than one? *NeurIPS*. arXiv:1905.10650
# - nostalgebraist (2020). Interpreting GPT: the logit lens. *LessWrong*.
# - C. Olsson et al. (2022). In-context learning and induction heads. *Transformer Circuits Thread*. arXiv:2209.11895
# - O. Press, L. Wolf (2017). Using the output embedding to improve language models. *EACL*. arXiv:1608.05859
# - N. Shazeer (2019). Fast transformer decoding: one write-head is all you need. arXiv:1911.02150
# - M. Sun, X. Chen, J. Z. Kolter, Z. Liu (2024). Massive activations in large language models. *COLM*. arXiv:2402.17762
# - A. Vaswani et al. (2017). Attention is all you need. *NeurIPS*. arXiv:1706.03762
# - J. Vig et al. (2020). Investigating gender bias in language models using causal mediation analysis. *NeurIPS*.
# - K. Wang, A. Variengien, A. Conmy, B. Shlegeris, J. Steinhardt (2023). Interpretability in the wild: a circuit for
#   indirect object identification in GPT-2 small. *ICLR*. arXiv:2211.00593
#
# **Next**: 04, logits and embeddings: how ids become vectors, how scores become probabilities, and the loop that writes.

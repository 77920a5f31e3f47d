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
# # 1. Neural networks: from one neuron to a trained net
#
# A language model is a very large function with numbers in it that were learnt. This unit builds the smallest
# functions of that kind and trains them. Nothing is hidden: you write the neuron, the layers, the loss, its
# gradient and the training loop. At the end, a function of yours runs inside a real language model of 135
# million parameters.
#
# **You will be able to**
#
# - say what a neuron computes, draw its decision region, and prove what it cannot do;
# - compute an activation, a loss and their slopes without overflow;
# - derive the gradient of a multi-layer network, and check it against finite differences;
# - train a network, and say what depth, activation and learning rate change, from measurements;
# - point at the same parts in a real language model.
#
# **You need** Python, a little torch (`@`, shapes, broadcasting) and the chain rule.
#
# **Time** about 3 hours of yours. The machine computes for about a minute, half of it in one `lab` cell; a
# GPU would not be faster.
#
# **Points** 40: 32 for 12 functions, 8 for 2 written answers.

# %% [markdown]
# ## Setup

# %%
import math
from functools import partial
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from helpers import checks as check
from helpers import models, plots, runtime
from helpers.widgets.points import make_points

torch.set_num_threads(1)  # on networks this small, several threads wait for each other longer than they work

# %% [markdown]
# ## Play first
#
# Below is a network that learns to tell blue points from orange ones while you watch. The background shows
# what it says about every place of the plane: **blue** is *positive*, **orange** is *negative*, and **white**
# is the boundary, where it cannot decide. Press play, and watch the boundary move and the loss fall.
#
# (The idea of such a playground is from Smilkov, Carter et al. 2017.)

# %% tags=["demo"]
from helpers.widgets import playground

playground(dataset="circle", hidden=(4, 2), activation="tanh", learning_rate=0.1)

# %% [markdown]
# **Predict first.** Remove every hidden layer, so that one neuron is left. Which of the four data sets can it
# still learn: two clusters, circle, xor, spiral? Write your guess down, then try all four.
#
# <details><summary>Answer</summary>
#
# Only the two clusters. One neuron divides the plane by a straight line, and no line divides the other three.
# You will prove it for xor below.
# </details>
#
# Then try, in this order:
#
# 1. **xor**, one hidden layer with 1, 2, 3, then 4 neurons. When does it succeed?
# 2. **spiral**, one hidden layer of 8, then two of 8. Which needs fewer steps?
# 3. The same spiral with four hidden layers of **sigmoid**. It stays at a loss of 0.69. By the end of
#    the unit you will know what that number is, and why it stays.
# 4. A learning rate that is far too large. What does the loss curve do?

# %% [markdown]
# ## Why now?
#
# Neurons that learn are from 1958 (Rosenblatt), and training several layers of them by gradient descent
# became widely known in 1986 (Rumelhart, Hinton and Williams). Three things have changed since.
#
# - **Devices.** Graphics processors are made for matrix products, and a network is mostly matrix products.
# - **Data.** Text from the web is counted in trillions of tokens.
# - **Architectures.** The Transformer (Vaswani et al. 2017) looks at all positions of a text at once, so
#   training fills such a processor. The recurrent networks before it had to go through a text one position
#   after the other.
#
# **Predict first.** Training the base Transformer took $3.3 \cdot 10^{18}$ operations. How long would the GPU
# of 2010 in the figure need for it, at its peak of $1.58 \cdot 10^{12}$ operations per second? And the one of
# 2022, at $989 \cdot 10^{12}$?
#
# <details><summary>Answer</summary>
#
# $3.3 \cdot 10^{18} / 1.58 \cdot 10^{12} \approx 2.1 \cdot 10^6$ seconds, or 24 days; then 56 minutes. Nobody
# reaches the peak on either, but that is a factor of 626 for *one* device.
# </details>

# %% tags=["demo"] cellView="form" jupyter={"source_hidden": true}
# @title Figure: why now: devices, data, architectures
# where a label goes: offset in points, alignment
right, left, below, above = (7, -3, "left"), (-7, -3, "right"), (0, -14, "center"), (0, 7, "center")
devices = [  # year, 10^12 operations per second at peak, name (number format), label
    (2010, 1.58, "GTX 580 (fp32)", right), (2016, 21.2, "P100 (fp16)", right),
    (2017, 125, "V100 (fp16)", right), (2020, 312, "A100 (bf16)", left),
    (2022, 989, "H100 (bf16)", left), (2024, 2250, "B200 (bf16)", left),
]
corpora = [  # year, words (*) or tokens trained on, model
    (2018.45, 0.985e9, "GPT-1*", right), (2018.8, 3.3e9, "BERT*", right), (2020.4, 300e9, "GPT-3", right),
    (2022.2, 1.4e12, "Chinchilla", left), (2023.5, 2.0e12, "Llama 2", above),
    (2024.5, 15.6e12, "Llama 3", left), (2025.1, 2.0e12, "SmolLM2-135M", below),
]
translators = [  # operations to train, BLEU on WMT 2014 English-German, name
    (2.3e19, 24.6, "GNMT", right), (9.6e18, 25.16, "ConvS2S", right), (2.0e19, 26.03, "MoE", below),
    (1.8e20, 26.30, "GNMT, ensemble", below), (7.7e19, 26.36, "ConvS2S, ensemble", above),
    (3.3e18, 27.3, "Transformer, base", right), (2.3e19, 28.4, "Transformer, big", right),
]
fig, axes = plots.figure(1, 3, size=(11.5, 3.9))
for ax, rows in zip(axes, (devices, corpora, translators)):
    for x, y, name, (dx, dy, side) in rows:
        old = ax is axes[2] and not name.startswith("Transformer")
        ax.plot(x, y, "s" if old else "o", color=plots.ORANGE if old else plots.BLUE)
        ax.annotate(name, (x, y), xytext=(dx, dy), textcoords="offset points", fontsize=9, ha=side)
    ax.margins(x=0.12, y=0.12)
axes[0].set(title="Devices", ylabel="10¹² operations per second", yscale="log", xlabel="year")
axes[1].set(title="Data", ylabel="tokens (*: words) trained on", yscale="log", xlabel="year",
            xlim=(2017.7, 2026.6))
axes[2].set(title="Architectures", ylabel="BLEU, English to German", xscale="log",
            xlabel="operations to train", xlim=(2e18, 8e20))
plots.caption(
    fig, "Devices: peak rates of one GPU for dense matrix products (NVIDIA data sheets; fp32, fp16, bf16 "
    "are number formats). Data: Zhu et al. 2015, Devlin et al. 2019, Brown et al. 2020, Hoffmann et al. "
    "2022, Touvron et al. 2023, Grattafiori et al. 2024, Ben Allal et al. 2025. Architectures: Vaswani et "
    "al. 2017, Table 2.",
    alt="Three panels. The peak rate of a GPU rises from 1.6 to 2250 tera-operations per second between "
    "2010 and 2024. Training data rise from 1 billion words in 2018 to 15.6 trillion tokens in 2024. In "
    "translation, the base Transformer is better than all systems before it at about a third of their cost "
    "or less.")

# %% [markdown]
# The three multiply. The model that you open in this course has 135 million parameters and was trained on 2
# trillion tokens, which takes about $6 \times 135 \cdot 10^6 \times 2 \cdot 10^{12} = 1.6 \cdot 10^{21}$
# operations (unit 7 says why 6). At its peak, the GPU of 2010 would need 32 years for them, and that of 2022
# needs 19 days.

# %% [markdown]
# ## One neuron is a classifier
#
# A neuron has one **weight** per input and a **bias**. It adds up the weighted inputs, which gives a score
# $z$ (a **logit**), and squashes the score into a probability with the **sigmoid** $\sigma$:
#
# $$z = x \cdot w + b = \sum_d x_d w_d + b, \qquad p = \sigma(z) = \frac{1}{1 + e^{-z}}$$
#
# $p$ is the probability of *positive* that the neuron states. A neuron used like this is
# **logistic regression** (Cox 1958).
#
# **Predict first.** Multiply $w$ and $b$ by 10. Where does the boundary $p = 0.5$ go? What happens to the
# probabilities on both sides?
#
# <details><summary>Answer</summary>
#
# The boundary stays: $10 z = 0$ exactly where $z = 0$. The probabilities move towards 0 and 1: the neuron
# gets surer, not better. In unit 4 the same factor is called the inverse *temperature*.
# </details>
#
# ### Exercise: `neuron` (2 points, 10 minutes)
#
# Write `neuron(x, w, b)`. `x` holds N inputs of D numbers each, shape `(N, D)`; `w` has shape `(D,)`; `b` is
# a tensor with a single number, shape `()`. Return the N probabilities, shape `(N,)`, also when N is 1. Here
# you may use `torch.sigmoid`; your own comes two sections later.
#
# <details><summary>Hint 1</summary>For one input it is a dot product. Which operator takes N dot products at once?</details>
# <details><summary>Hint 2</summary><code>x @ w</code> of shapes (N, D) and (D,) has shape (N,).</details>
# <details><summary>Hint 3</summary>Add <code>b</code> to the scores <code>x @ w</code>, then apply <code>torch.sigmoid</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "neuron", "locked": false, "schema_version": 3, "solution": true, "task": false}
def neuron(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """Probability of the positive class for each input.

    x: (N, D) inputs. w: (D,) weights. b: () bias. Returns (N,) probabilities.
    """
    ### BEGIN SOLUTION
    return torch.sigmoid(x @ w + b)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_neuron", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
corners = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
score = torch.tensor([0.5, -0.5, 2.5, 1.5])  # by hand: 2 * x1 - x2 + 0.5
got = neuron(corners, torch.tensor([2.0, -1.0]), torch.tensor(0.5))
check.close(got, 1 / (1 + torch.exp(-score)), mistakes={
    "this is the score z: squash it with the sigmoid": score,
    "the bias is missing": torch.sigmoid(score - 0.5),
    "the bias is added, not taken away": torch.sigmoid(score - 1.0),
    "the bias belongs inside the sigmoid: add it to the score": torch.sigmoid(score - 0.5) + 0.5,
    "the sigmoid is upside down: a positive score must give more than 0.5": torch.sigmoid(-score),
    "tanh gives -1 to 1; a probability is between 0 and 1": torch.tanh(score),
    "a yes or no is not a probability: do not round": (score > 0).float(),
    "wanted one number per input, not a column": torch.sigmoid(score)[:, None],
    "the weighted inputs are not added up": torch.sigmoid(corners * torch.tensor([2.0, -1.0]) + 0.5),
})
### BEGIN HIDDEN TESTS
draws = torch.Generator().manual_seed(0)
for n_inputs, n_features in ((1, 3), (7, 5), (4, 1)):
    inputs = torch.randn(n_inputs, n_features, generator=draws)
    weights, offset = torch.randn(n_features, generator=draws), torch.randn((), generator=draws)
    probability = torch.sigmoid(torch.stack([(row * weights).sum() for row in inputs]) + offset)
    check.close(neuron(inputs, weights, offset), probability, mistakes={
        "one input must give shape (1,): do not squeeze it away": probability.squeeze(),
    }, hint=f"wrong for {n_inputs} inputs of {n_features} features: mind the shapes")
### END HIDDEN TESTS

# %% tags=["demo"] cellView="form" jupyter={"source_hidden": true}
# @title Figure: one neuron, three settings
points, labels = make_points("two_clusters", n=120, noise=0.3, seed=1)
fig, axes = plots.figure(1, 3, size=(10.5, 3.8))
for ax, (w1, w2, bias) in zip(axes, ((1.0, 1.0, 0.0), (1.0, -0.3, 0.0), (1.0, 1.0, 3.0))):
    weights = torch.tensor([w1, w2])
    score = partial(neuron, w=weights, b=torch.tensor(bias))
    plots.decision_region(ax, score, points, labels, extent=4, boundary=0.5)
    foot = -bias * weights / weights.dot(weights)
    ax.annotate("", xy=(foot + 1.4 * weights / weights.norm()).tolist(), xytext=foot.tolist(),
                arrowprops={"arrowstyle": "-|>", "color": plots.INK, "lw": 2.5})
    accuracy = ((score(points) > 0.5) == (labels > 0)).float().mean()
    ax.set_title(f"w = ({w1:g}, {w2:g}), b = {bias:g}\n{accuracy:.0%} right")
plots.caption(
    fig, "Your neuron with three settings. The arrow is w: it stands at a right angle on the boundary and "
    "points to the blue side. The bias shifts the boundary along it.",
    alt="The two clusters, three times, each with a straight white boundary: well placed with w = (1, 1) "
    "and b = 0, turned with w = (1, -0.3), and shifted towards the orange cluster with b = 3.")

# %% [markdown]
# ## Decision regions
#
# The places where the neuron says *positive* form its **decision region**: blue in the figures, with orange
# for *negative* and white for the boundary. It is a half plane: the boundary is $w \cdot x + b = 0$, a
# straight line in two dimensions and a flat hyperplane in more.
#
# **xor** ("exclusive or") asks for a region of another kind. Four points are enough to see it. Let a point be
# positive where exactly *one* of its two inputs is 1: $(0, 1)$ and $(1, 0)$ are positive, $(0, 0)$ and
# $(1, 1)$ negative. (The playground's xor is the same with the colours swapped: positive is where both
# coordinates have the same sign.)
#
# **Predict first.** How many of the four points can one neuron get right, at best?
#
# <details><summary>Answer</summary>
#
# Three. The next figure tries thousands of directions and offsets with your `neuron`.
# </details>

# %% tags=["demo"] cellView="form" jupyter={"source_hidden": true}
# @title Figure: thousands of neurons, tried on xor
corners = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
is_xor = torch.tensor([0.0, 1.0, 1.0, 0.0])
angles, offsets = torch.arange(0, 360, 3), torch.linspace(-1.6, 1.6, 65)
share = torch.zeros(len(offsets), len(angles))
for column, angle in enumerate(angles.deg2rad()):
    direction = torch.stack([angle.cos(), angle.sin()])
    for row, offset in enumerate(offsets):
        says = neuron(corners, 20 * direction, 20 * offset) > 0.5
        share[row, column] = (says == (is_xor > 0)).float().mean()
fig, axes = plots.figure(1, 2, size=(9.6, 3.9), width_ratios=(1.5, 1))
image = axes[0].imshow(share, origin="lower", aspect="auto", extent=(0, 360, -1.6, 1.6), cmap=plots.SIGNED,
                       vmin=0, vmax=1)
fig.colorbar(image, ax=axes[0], label="share of the four points that are right")
axes[0].set(title=f"{share.numel():,} neurons, none above {share.max():.0%}",
            xlabel="direction of w, degrees", ylabel="bias b, for w of length 1")
axes[0].grid(False)
score = lambda p: neuron(p + 0.5, torch.tensor([4.0, 4.0]), torch.tensor(-2.0))
plots.decision_region(axes[1], score, corners - 0.5, is_xor, extent=1.0, boundary=0.5)
axes[1].set(title="One of the best", xticks=(-0.5, 0.5), yticks=(-0.5, 0.5))
axes[1].set_xticklabels([0, 1])
axes[1].set_yticklabels([0, 1])
plots.caption(
    fig, "Every neuron of a fine grid, tried on the four xor points: blue gets three right, white two, "
    "orange one. None gets all four.",
    alt="Left, a map over direction and bias of the share of right points: it reaches 75 percent in four "
    "patches and never more. Right, one of the best neurons: its line cuts off the corner (0,0), so (1,1) "
    "is on the wrong side.")

# %% [markdown]
# A search of a grid is no proof. Yours follows.
#
# ### Written answer: why can one neuron not do xor? (4 points, 15 minutes)
#
# Prove that **no** weights and bias make one neuron right on all four points, in your own words; then say
# what one hidden layer changes. Four to eight sentences. One half of the mark is for the proof (for instance,
# compare the sum of the scores of the two positive points with that of the two negative ones), the other for
# what the hidden layer adds.

# %% [markdown] nbgrader={"grade": true, "grade_id": "written_xor", "locked": false, "points": 4, "schema_version": 3, "solution": true, "task": false}
# ### BEGIN SOLUTION
# A neuron says *positive* where its score $z(x) = w_1 x_1 + w_2 x_2 + b$ is above 0, and the score is a sum
# of terms that each depend on one input alone. So for any weights
# $z(0,1) + z(1,0) = w_1 + w_2 + 2b = z(0,0) + z(1,1)$. To be right on all four points, the neuron would need
# $z(0,1) > 0$ and $z(1,0) > 0$, so a left side above 0, and $z(0,0) \le 0$ and $z(1,1) \le 0$, so a right
# side of at most 0. One number cannot be both, hence no such weights exist. In the picture: the boundary is
# one straight line, and the two positive points lie on opposite corners of the square, as do the two negative
# ones, so the segments that join them cross and no line has them on different sides.
#
# A hidden layer with two neurons draws two lines, for instance one for "at least one input is 1" and one for
# "both are 1". The output neuron sees those two answers in place of $x_1$ and $x_2$, and there the points
# *can* be divided by a line: positive is "at least one, but not both". The activation between the layers is
# essential, since without it two layers are one linear function again.
# ### END SOLUTION

# %% [markdown]
# ## Activations: sigmoid, ReLU, SiLU
#
# What a neuron does with its score is its **activation**. Three matter here.
#
# | | formula | where you meet it |
# |---|---|---|
# | sigmoid | $\sigma(z) = 1 / (1 + e^{-z})$ | probabilities; hidden layers of older networks |
# | ReLU | $\max(z, 0)$ | deep networks since 2010 (Nair and Hinton 2010); GPT-2 uses a smooth cousin, GELU |
# | SiLU | $z \cdot \sigma(z)$ | Llama and the model of this course (Elfwing et al. 2018; also known as *swish*) |
#
# A fourth, $\tanh(z) = 2\sigma(2z) - 1$, is a sigmoid stretched to go from -1 to 1. You will train with it,
# since its slope is easily had from its value: $1 - \tanh^2(z)$.
#
# A float32 holds numbers up to about $3.4 \cdot 10^{38}$, so $e^{89}$ is already `inf`, and `inf / inf` is
# `nan`. One `nan` spoils every number that it meets, so the activations must be right at **any** score.
#
# **Predict first.** Look at $z \cdot \sigma(z)$ before you plot it. Is it ever negative? Does it always rise?
#
# <details><summary>Answer</summary>
#
# It is negative for every $z < 0$, but never below -0.28: far to the left $\sigma(z)$ vanishes faster than
# $z$ grows. It falls until $z \approx -1.28$ and rises from there.
# </details>
#
# ### Exercise: `sigmoid` (2 points, 10 minutes)
#
# Write `sigmoid(z)` for a float tensor of any shape; the result has the same shape and dtype. Do not call
# `torch.sigmoid`. Scores of $\pm 1000$ must give 0 and 1, not `nan`.
#
# <details><summary>Hint 1</summary>Which of <code>exp(z) / (1 + exp(z))</code> and <code>1 / (1 + exp(-z))</code> survives z = 1000? And z = -1000?</details>
# <details><summary>Hint 2</summary><code>exp(-|z|)</code> is never above 1. Write both halves with it.</details>
# <details><summary>Hint 3</summary>With <code>e = torch.exp(-z.abs())</code>: <code>1 / (1 + e)</code> where z is positive, <code>e / (1 + e)</code> elsewhere; <code>torch.where</code> picks.</details>

# %% nbgrader={"grade": false, "grade_id": "sigmoid", "locked": false, "schema_version": 3, "solution": true, "task": false}
def sigmoid(z: Tensor) -> Tensor:
    """1 / (1 + exp(-z)), for scores of any size.

    z: float tensor of any shape. Returns a tensor of the same shape and dtype, between 0 and 1.
    """
    ### BEGIN SOLUTION
    e = torch.exp(-z.abs())  # at most 1: it never overflows
    return torch.where(z > 0, 1 / (1 + e), e / (1 + e))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_sigmoid", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
scores = torch.tensor([0.0, math.log(3), -math.log(3), math.log(1.5)])  # odds of 1, 3, 1/3 and 1.5 to 1
check.close(sigmoid(scores), torch.tensor([0.5, 0.75, 0.25, 0.6]), mistakes={
    "it is upside down: mind the sign in the exponent": torch.tensor([0.5, 0.25, 0.75, 0.4]),
    "this is tanh, which goes from -1 to 1": torch.tanh(scores),
    "(tanh(z) + 1) / 2 is the sigmoid of 2z: halve z first": torch.sigmoid(2 * scores),
    "these are the odds e^z: divide by one plus them": scores.exp(),
    "a jump from 0 to 1 has no slope to learn from: the sigmoid is smooth": (scores > 0).float(),
})
check.close(sigmoid(torch.tensor([1000.0, -1000.0])), torch.tensor([1.0, 0.0]),
            hint="wanted 1 and 0. e^1000 overflows to inf, and inf / inf is nan: take exponentials of negative "
                 "numbers only")
### BEGIN HIDDEN TESTS
table = torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(1)) * 8
check.close(sigmoid(table), torch.special.expit(table), hint="wrong on a tensor of shape (3, 4, 2)")
check.close(sigmoid(table.double()), torch.special.expit(table.double()),
            hint="float64 in must give float64 out")
check.close(sigmoid(torch.tensor([[90.0, -90.0], [500.0, -500.0]])), torch.tensor([[1.0, 0.0], [1.0, 0.0]]),
            hint="e^90 overflows in float32 as well: take exponentials of negative numbers only")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise: `relu` (1 point, 5 minutes)
#
# Write `relu(z)`: 0 where `z` is negative, `z` elsewhere. Any shape, any float dtype. The tensor that was
# passed in must be left as it was: the caller may still need it (the backward pass does).
#
# <details><summary>Hint 1</summary>It is the larger of two numbers.</details>
# <details><summary>Hint 2</summary><code>z[z &lt; 0] = 0</code> changes the caller's tensor. Look for a function that makes a new one.</details>
# <details><summary>Hint 3</summary><code>z.clamp(min=...)</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "relu", "locked": false, "schema_version": 3, "solution": true, "task": false}
def relu(z: Tensor) -> Tensor:
    """max(z, 0), element by element.

    z: float tensor of any shape, left unchanged. Returns a new tensor of the same shape and dtype.
    """
    ### BEGIN SOLUTION
    return z.clamp(min=0)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_relu", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
scores = torch.tensor([[-1000.0, -0.5, 0.0], [0.25, 3.0, 1000.0]])
check.close(relu(scores.clone()), torch.tensor([[0.0, 0.0, 0.0], [0.25, 3.0, 1000.0]]), mistakes={
    "this is |z|: negative scores become 0, not positive": scores.abs(),
    "the wrong side became 0": scores.clamp(max=0),
    "this is ReLU's slope (0 or 1), not its value": (scores > 0).float(),
    "a slope of 0.01 on the left makes it a leaky ReLU": torch.where(scores > 0, scores, 0.01 * scores),
    "this cuts at 1 as well: large scores stay as they are": scores.clamp(0, 1),
})
### BEGIN HIDDEN TESTS
table = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
check.close(relu(table.clone()), F.relu(table), hint="wrong on a float64 tensor of shape (2, 3, 4)")
keeps = check.beside(lambda f, z: (f(z), z)[1], relu, table)
check.equal(keeps, table, hint="the tensor that was passed in has changed: return a new one")
spoilt = check.beside(lambda f, z: (f(z), z)[1], lambda z: z.clamp_(min=0), table)
assert not torch.equal(spoilt, table), "the look at a changed input does not work"
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise: `silu` (1 point, 5 minutes)
#
# Write `silu(z)` $= z \cdot \sigma(z)$. Any shape, any float dtype, right at $\pm 1000$. Do not call
# `F.silu`; your `sigmoid` is ready.
#
# <details><summary>Hint 1</summary>It is ReLU with a soft switch: the sigmoid says how far open it is.</details>
# <details><summary>Hint 2</summary>Both factors have the shape of <code>z</code>.</details>
# <details><summary>Hint 3</summary><code>z * sigmoid(z)</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "silu", "locked": false, "schema_version": 3, "solution": true, "task": false}
def silu(z: Tensor) -> Tensor:
    """z * sigmoid(z), element by element (Elfwing, Uchibe and Doya 2018).

    z: float tensor of any shape. Returns a tensor of the same shape and dtype.
    """
    ### BEGIN SOLUTION
    return z * sigmoid(z)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_silu", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
scores = torch.tensor([0.0, math.log(3), -math.log(3), 2.0])
want = torch.tensor([0.0, 0.75 * math.log(3), -0.25 * math.log(3), 2 / (1 + math.exp(-2))])
check.close(silu(scores), want, mistakes={
    "this is the sigmoid alone: multiply by z": torch.sigmoid(scores),
    "multiply z and its sigmoid, do not add them": scores + torch.sigmoid(scores),
    "this is z * tanh(z): the switch is the sigmoid": scores * torch.tanh(scores),
    "this is GELU, whose switch is the normal distribution": F.gelu(scores),
    "this is ReLU: SiLU is negative left of 0": F.relu(scores),
    "the sigmoid's argument has the wrong sign": scores * torch.sigmoid(-scores),
})
check.close(silu(torch.tensor([1000.0, -1000.0])), torch.tensor([1000.0, 0.0]),
            hint="e^1000 overflows to inf, and inf / inf is nan: use a sigmoid that survives it")
### BEGIN HIDDEN TESTS
table = torch.randn(4, 3, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64) * 5
check.close(silu(table), F.silu(table), hint="wrong on a float64 tensor of shape (4, 3, 2)")
check.close(silu(table.float() * 50), F.silu(table.float() * 50), hint="wrong for scores in the hundreds")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise: `silu_derivative` (2 points, 15 minutes)
#
# Training follows slopes, so every activation needs its derivative. The sigmoid's is
# $\sigma'(z) = \sigma(z)\,(1 - \sigma(z))$. Derive $\frac{d}{dz}\, z\,\sigma(z)$ with the product rule and
# write `silu_derivative(z)`: any shape, any float dtype, right at $\pm 1000$ (1 and 0). Do it on paper,
# without autograd.
#
# <details><summary>Hint 1</summary>The product rule has two terms: each factor is derived once.</details>
# <details><summary>Hint 2</summary>1 · σ(z) + z · σ′(z).</details>
# <details><summary>Hint 3</summary>With <code>s = sigmoid(z)</code>: <code>s + z * s * (1 - s)</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "silu_derivative", "locked": false, "schema_version": 3, "solution": true, "task": false}
def silu_derivative(z: Tensor) -> Tensor:
    """The slope of z * sigmoid(z) at z, element by element.

    z: float tensor of any shape. Returns a tensor of the same shape and dtype.
    """
    ### BEGIN SOLUTION
    s = sigmoid(z)
    return s + z * s * (1 - s)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_silu_derivative", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
spots, nudge = torch.tensor([-3.0, -1.0, 0.0, 0.5, 2.0], dtype=torch.float64), 1e-6
slope = (F.silu(spots + nudge) - F.silu(spots - nudge)) / (2 * nudge)  # measured, not derived
s = torch.sigmoid(spots)
check.close(silu_derivative(spots), slope, atol=1e-7, mistakes={
    "only the first term of the product rule: sigma(z) changes with z too": s,
    "only the second term of the product rule: z * sigma'(z)": spots * s * (1 - s),
    "this is the sigmoid's slope: the product rule is missing": s * (1 - s),
    "sigma' is sigma * (1 - sigma): one factor is missing": s + spots * (1 - s),
    "the second term of the product rule keeps its factor z": s + s * (1 - s),
    "sigma' is sigma * (1 - sigma), with a minus": s + spots * s * (1 + s),
    "this is silu itself": F.silu(spots),
    "this is ReLU's slope": (spots > 0).double(),
})
check.close(silu_derivative(torch.tensor([1000.0, -1000.0])), torch.tensor([1.0, 0.0]),
            hint="e^1000 overflows to inf: use a sigmoid that survives it")
### BEGIN HIDDEN TESTS
table = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(4)) * 4
rise = (F.silu(table.double() + nudge) - F.silu(table.double() - nudge)) / (2 * nudge)
check.close(silu_derivative(table), rise.float(), hint="wrong on a float32 tensor of shape (2, 5, 3)")
### END HIDDEN TESTS

# %% tags=["demo"] cellView="form" jupyter={"source_hidden": true}
# @title Figure: activations and their slopes
z = torch.linspace(-6, 6, 481)
s = sigmoid(z)
curves = {"sigmoid": (s, s * (1 - s)), "ReLU": (relu(z), (z > 0).float()),
          "SiLU": (silu(z), silu_derivative(z))}
fig, axes = plots.figure(1, 2, size=(9.6, 3.6))
for (name, (value, slope)), colour, line in zip(curves.items(), plots.CYCLE, ("-", "--", "-")):
    axes[0].plot(z, value, line, color=colour, label=name)
    axes[1].plot(z, slope, line, color=colour, label=name)
axes[0].set(title="Activation", xlabel="score z", ylim=(-0.6, 3))
axes[1].set(title="Its slope", xlabel="score z", ylim=(-0.2, 1.2))
axes[1].axhline(0.25, color=plots.GREY, lw=1, ls=":")
axes[1].annotate("1/4", (-5.9, 0.27), color=plots.GREY)
axes[0].legend()
plots.caption(
    fig, "Your three activations and their slopes. The sigmoid's slope is never above 1/4; ReLU's is 0 or "
    f"1; SiLU's goes from {curves['SiLU'][1].min():.2f} to {curves['SiLU'][1].max():.2f}.",
    alt="Left: the sigmoid rises from 0 to 1, ReLU is zero and then a straight line, SiLU is a smooth ReLU "
    "that dips below zero. Right: the sigmoid's slope is a low bump of height one quarter, ReLU's jumps "
    "from 0 to 1, SiLU's rises smoothly from slightly below 0 to slightly above 1.")

# %% [markdown]
# A gradient that goes back through a layer is multiplied by the slope of its activation. The sigmoid passes
# on a quarter at most, and next to nothing where the score is far from 0: it **saturates**. ReLU passes on
# all or nothing, and a neuron whose score is negative on every input gets no gradient at all: it is *dead*.
# SiLU is not flat just left of 0, so a neuron there can come back. You will measure all this below, in a deep
# network.

# %% [markdown]
# ## Forward propagation
#
# A **layer** is many neurons that see the same inputs. Their weights are the columns of one matrix $W$, so a
# whole layer, for a whole batch, is one matrix product. A **multi-layer perceptron** (MLP) feeds each layer's
# outputs to the next:
#
# $$h^{(0)} = x, \qquad h^{(l)} = f\!\left(h^{(l-1)} W^{(l)} + b^{(l)}\right), \qquad
#   z = h^{(L-1)} W^{(L)} + b^{(L)}$$
#
# The last layer has **no activation**: it gives logits, and the loss takes them from there.
#
# **The layout, from here on.** A network is a Python list with one tuple `(w, b)` per layer; `w` has shape
# `(n_in, n_out)`, `b` has shape `(n_out,)`. `sizes = [2, 8, 1]` is 2 inputs, 8 hidden neurons and 1 output:
# two layers, `(2, 8)` and `(8, 1)`. (`torch.nn.Linear` keeps the transpose, `(n_out, n_in)`. So do the
# weights of the real model.)
#
# **Predict first.** Leave out the activation $f$ between ten layers. What can the network do now that one
# layer cannot?
#
# <details><summary>Answer</summary>
#
# Nothing. $(x W_1 + b_1) W_2 + b_2 = x (W_1 W_2) + (b_1 W_2 + b_2)$ is one layer again, and so on for ten.
# </details>
#
# ### Exercise: `init_mlp` (3 points, 15 minutes)
#
# Training must start somewhere. If all weights were equal, all neurons of a layer would compute the same, get
# the same gradient and stay equal for ever: weights start **random**. And the scores should start neither
# tiny nor huge. With inputs of size about 1, a sum of $n_{in}$ terms with independent weights of standard
# deviation $s$ has standard deviation $s\sqrt{n_{in}}$, so $s = 1/\sqrt{n_{in}}$ keeps it at 1 (LeCun et al.
# 1998, section 4.6).
#
# Write `init_mlp(sizes, generator)`: a list with one tuple `(w, b)` per layer, all float32.
#
# - `w` has shape `(n_in, n_out)`. Its entries are drawn independently with mean 0 and standard deviation
#   $1/\sqrt{n_{in}}$. A normal distribution is usual, a uniform one does as well. The exact factor matters
#   little: $\sqrt{2/n_{in}}$ (He et al. 2015), $\sqrt{2/(n_{in}+n_{out})}$ (Glorot and Bengio 2010) and the
#   default of `torch.nn.Linear` are fine too. (The test accepts half to twice $1/\sqrt{n_{in}}$; on the layers
#   that it looks at, all of these are within.)
# - `b` has shape `(n_out,)` and is zero. (Small random biases, at most $1/\sqrt{n_{in}}$ in size, do no harm.)
# - All draws come from `generator`: equal generators give equal networks, others give others, and every layer
#   gets its own draws. No global seed.
#
# <details><summary>Hint 1</summary><code>pairwise(sizes)</code> gives the pairs (n_in, n_out) of neighbours.</details>
# <details><summary>Hint 2</summary><code>torch.randn(n_in, n_out, generator=generator)</code> has standard deviation 1.</details>
# <details><summary>Hint 3</summary>Divide that by <code>math.sqrt(n_in)</code>; the bias is <code>torch.zeros(n_out)</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "init_mlp", "locked": false, "schema_version": 3, "solution": true, "task": false}
def init_mlp(sizes: list[int], generator: torch.Generator) -> list[tuple[Tensor, Tensor]]:
    """A fresh network: one (w, b) per layer, w (n_in, n_out) random, b (n_out,) zero, float32.

    The entries of w have mean 0 and a standard deviation of about 1/sqrt(n_in): half to twice that will do.
    sizes: number of inputs, of neurons in each hidden layer, of outputs.
    generator: where all randomness comes from.
    """
    ### BEGIN SOLUTION
    params = []
    for n_in, n_out in pairwise(sizes):
        w = torch.randn(n_in, n_out, generator=generator) / math.sqrt(n_in)
        params.append((w, torch.zeros(n_out)))
    return params
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_init_mlp", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
sizes = [2, 5, 3, 1]
got = init_mlp(sizes, torch.Generator().manual_seed(0))
check.that(isinstance(got, list) and len(got) == 3, "sizes [2, 5, 3, 1] make a list of three layers")
check.that(all(isinstance(layer, tuple) and len(layer) == 2 for layer in got), "each layer is a tuple (w, b)")
for (w, b), n_in, n_out in zip(got, sizes[:-1], sizes[1:], strict=True):
    check.shape(w, (n_in, n_out), hint="w has one row per input and one column per neuron: (n_in, n_out)")
    check.shape(b, (n_out,), hint="one bias per neuron: (n_out,)")
    check.that(w.dtype == b.dtype == torch.float32, f"w and b are float32, not {w.dtype} and {b.dtype}")
    check.that(bool(w.isfinite().all()), "a weight is not a finite number")
    check.that(bool((b.abs() <= 1 / math.sqrt(n_in)).all()),
               "biases start at zero, or within 1/sqrt(n_in) of it")
    check.that(w.unique().numel() == w.numel(),
               "some weights are equal, so their neurons learn the same: draw each one")
### BEGIN HIDDEN TESTS
large = init_mlp([500, 16, 80, 1], torch.Generator().manual_seed(1))
check.that(len(large) == 3, "sizes [500, 16, 80, 1] make three layers")
for (w, b), n_in, n_out in zip(large[:2], (500, 16), (16, 80), strict=True):
    check.shape(w, (n_in, n_out), hint="w has shape (n_in, n_out)")
    scale = w.std().item() * math.sqrt(n_in)
    if not 0.5 <= scale <= 2:  # far from 1: say why
        check.close(scale, 1.0, rtol=0.05, atol=0, mistakes={
            "the standard deviation is 1 whatever the layer: divide by sqrt(n_in)": math.sqrt(n_in),
            "you divided by n_in, not by its square root": 1 / math.sqrt(n_in),
            "you multiplied by sqrt(n_in): divide by it": float(n_in),
            "it is the number of inputs n_in that counts, not n_out": math.sqrt(n_in / n_out),
            "it is n_in that counts, not n_out, in He's rule too": math.sqrt(2 * n_in / n_out),
            "rand() draws from 0 to 1, with standard deviation 0.29 and mean 0.5": 1 / math.sqrt(12),
        }, hint="the standard deviation is far from 1/sqrt(n_in), and must follow n_in from layer to layer")
    check.close(w.mean().item() * math.sqrt(n_in), 0.0, rtol=0, atol=0.25,
                hint="the weights do not have mean 0: rand() is never negative, randn() is")
    check.that(bool((b.abs() <= 1 / math.sqrt(n_in)).all()),
               "biases start at zero, or within 1/sqrt(n_in) of it")
same = [init_mlp([3, 30, 30, 30], torch.Generator().manual_seed(7)) for _ in range(2)]
other = init_mlp([3, 30, 30, 30], torch.Generator().manual_seed(8))
check.that(len(same[0]) == len(same[1]) == len(other) == 3, "sizes [3, 30, 30, 30] make three layers")
for index in range(3):
    check.that(torch.equal(same[0][index][0], same[1][index][0]),
               "equal generators gave different weights: draw with generator=generator")
    check.that(not torch.equal(same[0][index][0], other[index][0]),
               "another generator gave the same weights: use generator=generator, and set no seed yourself")
check.that(not torch.equal(other[1][0], other[2][0]),
           "two layers got the same draws: do not set the seed in the loop")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise: `mlp_forward` (3 points, 15 minutes)
#
# Write `mlp_forward(params, x, activation)`. `params` is a list of `(w, b)` as above, `x` has shape
# `(N, n_in)`, and `activation` is a function of a tensor, such as your `silu`; it is applied after every
# layer **but the last**. The last layer has one neuron. Return its logits with shape `(N,)`, even for
# a single input. A network of a single layer has no hidden neurons and so no activation.
#
# <details><summary>Hint 1</summary>Loop over the layers; each takes what the one before gave.</details>
# <details><summary>Hint 2</summary><code>for w, b in params[:-1]</code>: apply the activation. The last layer comes after the loop.</details>
# <details><summary>Hint 3</summary>The last layer gives (N, 1): <code>squeeze(-1)</code> drops that axis, and only that one.</details>

# %% nbgrader={"grade": false, "grade_id": "mlp_forward", "locked": false, "schema_version": 3, "solution": true, "task": false}
def mlp_forward(params: list[tuple[Tensor, Tensor]], x: Tensor, activation) -> Tensor:
    """Logits of a multi-layer perceptron with one output neuron.

    params: (w, b) per layer, w (n_in, n_out), b (n_out,). x: (N, n_in). activation: a function of a tensor,
    applied after every layer but the last. Returns (N,) logits.
    """
    ### BEGIN SOLUTION
    h = x
    for w, b in params[:-1]:
        h = activation(h @ w + b)
    w, b = params[-1]
    return (h @ w + b).squeeze(-1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_mlp_forward", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
# "At least one" minus "both": two hidden neurons with hand-made weights do xor, up to how sharp tanh is.
by_hand = [(torch.tensor([[5.0, 5.0], [5.0, 5.0]]), torch.tensor([-2.5, -7.5])),
           (torch.tensor([[4.0], [-4.0]]), torch.tensor([-4.0]))]
four = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
t, s = math.tanh(2.5), math.tanh(7.5)
want = torch.tensor([4 * s - 4 * t - 4, 8 * t - 4, 8 * t - 4, 4 * s - 4 * t - 4])
check.close(mlp_forward(by_hand, four, torch.tanh), want, mistakes={
    "the last layer has no activation: return the logits": torch.tanh(want),
    "these are probabilities: return the logits": torch.sigmoid(want),
    "no activation was applied after the hidden layer": torch.tensor([16.0, 16.0, 16.0, 16.0]),
    "wanted (N,) logits: drop the last axis": want[:, None],
    "the biases are missing": torch.zeros(4),
    "the last layer has a bias too": want + 4,
    "this is the first layer's output: go on": torch.tanh(four @ by_hand[0][0] + by_hand[0][1]),
})
### BEGIN HIDDEN TESTS
draws = torch.Generator().manual_seed(5)
for widths, n_inputs, function, name in (
        ([3, 6, 4, 1], 5, F.relu, "relu"), ([2, 7, 5, 3, 1], 4, F.silu, "silu"),
        ([4, 1], 6, torch.tanh, "tanh"), ([3, 5, 1], 1, torch.sigmoid, "sigmoid")):
    layers = [(torch.randn(a, b, generator=draws), torch.randn(b, generator=draws))
              for a, b in pairwise(widths)]
    inputs = torch.randn(n_inputs, widths[0], generator=draws)
    hidden, as_tanh = inputs, inputs
    for w, b in layers[:-1]:
        hidden = function(F.linear(hidden, w.T, b))
        as_tanh = torch.tanh(F.linear(as_tanh, w.T, b))
    logits = F.linear(hidden, layers[-1][0].T, layers[-1][1])[:, 0]
    check.close(mlp_forward(layers, inputs, function), logits, mistakes={
        "the argument `activation` was not used": F.linear(as_tanh, layers[-1][0].T, layers[-1][1])[:, 0],
        "the last layer has no activation, even if it is the only one": function(logits),
        "one input must give shape (1,): squeeze the last axis only": logits.squeeze(),
    }, hint=f"wrong for sizes {widths}, {n_inputs} inputs and {name}")
### END HIDDEN TESTS

# %% tags=["demo"] cellView="form" jupyter={"source_hidden": true}
# @title Figure: two hidden neurons do xor
by_hand = [(torch.tensor([[5.0, 5.0], [5.0, 5.0]]), torch.tensor([-2.5, -7.5])),
           (torch.tensor([[4.0], [-4.0]]), torch.tensor([-4.0]))]
four = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
is_xor = torch.tensor([0.0, 1.0, 1.0, 0.0])
(w1, b1), _ = by_hand
parts = {"Hidden neuron 1:\nat least one": lambda p: mlp_forward([(w1[:, :1], b1[:1])], p + 0.5, torch.tanh),
         "Hidden neuron 2:\nboth": lambda p: mlp_forward([(w1[:, 1:], b1[1:])], p + 0.5, torch.tanh),
         "The network:\nat least one, not both": lambda p: mlp_forward(by_hand, p + 0.5, torch.tanh)}
fig, axes = plots.figure(1, 3, size=(10.5, 3.9))
for ax, (title, score) in zip(axes, parts.items()):
    plots.decision_region(ax, score, four - 0.5, is_xor, extent=1.0)
    ax.set(title=title, xticks=(-0.5, 0.5), yticks=(-0.5, 0.5))
    ax.set_xticklabels([0, 1])
    ax.set_yticklabels([0, 1])
plots.caption(
    fig, "The network of the visible test. Each hidden neuron draws one line; the output neuron combines "
    "the two into a stripe, which no single line could give.",
    alt="Three decision regions over the four xor points. The first is blue above a falling diagonal that "
    "cuts off (0,0). The second is blue above a parallel that cuts off (1,1). The network is blue in the "
    "stripe between them, where the two positive points are.")

# %% [markdown]
# ## Training set and loss
#
# A **training set** is N inputs with the answers that we want, $y = 1$ for positive and $y = 0$ for negative.
# A **loss** says in one number how far the network is from them. Ours is the **binary cross entropy**, the
# mean negative log-probability of the right answers:
#
# $$L = -\frac{1}{N}\sum_n \Bigl[y_n \log p_n + (1 - y_n) \log(1 - p_n)\Bigr], \qquad p_n = \sigma(z_n)$$
#
# To make it small is to make the training set as *likely* as possible. A language model is trained with the
# same loss; only that its right answer is one of 49,152 tokens in place of one of two.
#
# Keep some points aside as a **test set**: it tells whether the network learnt the rule or only the points.
#
# **Predict first.** What is the loss of a network that says $p = 0.5$ about everything? And of one that is
# very sure and wrong about one point: $z = -10$, but $y = 1$?
#
# <details><summary>Answer</summary>
#
# $-\log 0.5 = \log 2 \approx 0.693$: remember it as the loss of a coin. For the point,
# $-\log \sigma(-10) \approx 10$: the loss of a confident mistake grows with the size of its logit.
# </details>

# %% tags=["demo"] cellView="form" jupyter={"source_hidden": true}
# @title Figure: cross entropy against squared error
z = torch.linspace(-8, 8, 321)
p = torch.sigmoid(z)
fig, axes = plots.figure(1, 2, size=(9.6, 3.4))
axes[0].plot(z, F.softplus(-z), label="cross entropy, −log p")
axes[0].plot(z, (1 - p) ** 2, "--", label="squared error, (1 − p)²")
axes[0].set(title="Loss of a point with y = 1", xlabel="logit z", ylim=(-0.3, 8.3))
axes[0].legend()
axes[1].plot(z, p - 1, label="cross entropy: p − 1")
axes[1].plot(z, -2 * (1 - p) * p * (1 - p), "--", label="squared error: −2p(1 − p)²")
axes[1].set(title="Its slope", xlabel="logit z")
plots.caption(
    fig, "Why not the squared error? Where the network is very wrong (left), cross entropy has slope −1 "
    "and pulls; the squared error is flat there, and the mistake stays.",
    alt="Left: for y = 1 the cross entropy falls from 8 to 0 as the logit rises from -8 to 8, while the "
    "squared error is flat at 1, then falls to 0. Right: the slope of the cross entropy is -1 on the left "
    "and rises to 0; that of the squared error is 0 on both sides with a dip between.")

# %% [markdown]
# ### Exercise: `bce_with_logits` (3 points, 20 minutes)
#
# Write `bce_with_logits(z, y)`: the **mean** binary cross entropy in nats (natural logarithm) as a
# 0-dimensional tensor. `z` holds N logits and `y` N labels, each 0 or 1 and of the same float dtype. It must
# be right for logits of any size: at $z = -1000$ and $y = 1$ the loss of that point is 1000. Do not call
# torch's own loss.
#
# Computing $p$ first is the trap. In float32 $\sigma(20)$ is exactly 1, so $\log(1 - p)$ is $-\infty$; and a
# `clamp` of $p$ only hides it, since the loss then stops growing and its slope is 0. Simplify on paper first:
# $-\log \sigma(z) = \log(1 + e^{-z})$.
#
# <details><summary>Hint 1</summary>With y = 1 the loss is log(1 + e<sup>−z</sup>), with y = 0 it is log(1 + e<sup>z</sup>). Which number has to stay out of <code>exp</code>?</details>
# <details><summary>Hint 2</summary>log(1 + e<sup>u</sup>) = max(u, 0) + log(1 + e<sup>−|u|</sup>); <code>torch.log1p</code> is exact for small numbers.</details>
# <details><summary>Hint 3</summary><code>z.clamp(min=0) - z * y + torch.log1p(torch.exp(-z.abs()))</code>, then the mean. Convince yourself for y = 0 and y = 1.</details>

# %% nbgrader={"grade": false, "grade_id": "bce_with_logits", "locked": false, "schema_version": 3, "solution": true, "task": false}
def bce_with_logits(z: Tensor, y: Tensor) -> Tensor:
    """Mean binary cross entropy in nats, stable for logits of any size.

    z: (N,) logits. y: (N,) labels, 0.0 or 1.0. Returns a 0-dimensional tensor.
    """
    ### BEGIN SOLUTION
    return (z.clamp(min=0) - z * y + torch.log1p(torch.exp(-z.abs()))).mean()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_bce_with_logits", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
z = torch.tensor([0.0, math.log(3), math.log(3), -math.log(4)])
y = torch.tensor([1.0, 1.0, 0.0, 0.0])
right = torch.tensor([0.5, 0.75, 0.25, 0.8])  # the probability of each right answer
check.close(bce_with_logits(z, y), -right.log().mean(), mistakes={
    "this is the sum over the points: take the mean": -right.log().sum(),
    "this is one loss per point: take the mean": -right.log(),
    "the sign is wrong: a loss is positive": right.log().mean(),
    "this is in bits: take the natural logarithm": -right.log2().mean(),
    "positive and negative are swapped": F.softplus(z * (2 * y - 1)).mean(),
    "z holds logits already: do not squash them with the sigmoid a second time":
        F.binary_cross_entropy_with_logits(torch.sigmoid(z), y),
    "only the positive points were counted: add (1 - y) log(1 - p)": -(y * right.log()).mean(),
    "this is the squared error": ((torch.sigmoid(z) - y) ** 2).mean(),
})
check.close(bce_with_logits(torch.tensor([1000.0, -1000.0]), torch.tensor([0.0, 1.0])), torch.tensor(1000.0),
            rtol=1e-4,
            hint="a confident mistake costs |z| = 1000: log(0) is -inf, exp(1000) overflows, and a clamp hides "
                 "the cost. Work with log p, never with p")
### BEGIN HIDDEN TESTS
draws = torch.Generator().manual_seed(6)
for n, scale, width in ((1, 3.0, torch.float32), (64, 2.0, torch.float32), (50, 2.0, torch.float64),
                        (33, 40.0, torch.float32)):
    logits = torch.randn(n, generator=draws, dtype=width) * scale
    labels = (torch.rand(n, generator=draws) < 0.4).to(width)
    check.close(bce_with_logits(logits, labels), F.binary_cross_entropy_with_logits(logits, labels),
                hint=f"wrong for {n} logits of size about {scale:g} in {width}")
sure = torch.tensor([1000.0, -1000.0, 30.0])
check.close(bce_with_logits(sure, torch.tensor([1.0, 0.0, 1.0])), torch.tensor(0.0),
            hint="confident and right costs nothing, however large the logits: log p, not p")
check.close(bce_with_logits(torch.tensor([25.0, -25.0]), torch.tensor([0.0, 1.0])), torch.tensor(25.0),
            hint="in float32 sigmoid(25) is exactly 1, so log(1 - p) is lost: work with log p, never with p")
### END HIDDEN TESTS

# %% [markdown]
# ## Gradient descent, step by step
#
# The loss is a function of all weights and biases. Its **gradient** has one slope for each of them, and
# points uphill. **Gradient descent** (Cauchy 1847) goes the other way, a little at a time:
#
# $$\theta \leftarrow \theta - \eta\, \nabla L(\theta)$$
#
# $\eta$ is the **learning rate**. That is all there is to training. The rest is how to get the gradient.
#
# **Predict first.** Near its lowest point a loss looks like a parabola, $L = \frac{c}{2}\theta^2$, with slope
# $c\,\theta$. For which learning rates does $\theta \leftarrow \theta - \eta c\, \theta$ reach the bottom,
# and what happens beyond?
#
# <details><summary>Answer</summary>
#
# Each step multiplies $\theta$ by $1 - \eta c$. It shrinks for $0 < \eta < 2/c$; at $\eta = 1/c$ one step is
# enough; above $1/c$ it jumps across the bottom every time; above $2/c$ the jumps grow: training
# **diverges**. With many weights the steepest direction sets the limit, and the flat ones have to crawl.
# </details>
#
# ### Exercise: `numerical_gradient` (3 points, 15 minutes)
#
# Start with a gradient that needs no calculus: nudge one number, see how the result moves. Write
# `numerical_gradient(f, x, eps)` with **central differences**, for every element $x_i$:
#
# $$\frac{\partial f}{\partial x_i} \approx \frac{f(x + \varepsilon e_i) - f(x - \varepsilon e_i)}{2\varepsilon}$$
#
# ($e_i$ is 1 at element $i$ and 0 elsewhere.) `x` is a float tensor with one or more dimensions; `f` takes a
# tensor of its shape and returns a 0-dimensional tensor. Return a tensor with the shape and dtype of `x`. Use
# the `eps` that is given, and leave `x` as it was.
#
# <details><summary>Hint 1</summary>Two calls of <code>f</code> per element. All other elements stay where they are.</details>
# <details><summary>Hint 2</summary>Make a step tensor of zeros with <code>eps</code> at one place; <code>x + step</code> is a new tensor, so <code>x</code> is safe.</details>
# <details><summary>Hint 3</summary>The rows of <code>torch.eye(x.numel(), dtype=x.dtype)</code>, reshaped as <code>x</code>, are the directions; stack the slopes and reshape.</details>

# %% nbgrader={"grade": false, "grade_id": "numerical_gradient", "locked": false, "schema_version": 3, "solution": true, "task": false}
def numerical_gradient(f, x: Tensor, eps: float) -> Tensor:
    """The gradient of f at x by central differences, which are off by a multiple of eps squared.

    f: takes a tensor of x's shape, returns a 0-dimensional tensor. x: float tensor with at least one dimension,
    left unchanged. Returns a tensor of x's shape and dtype.
    """
    ### BEGIN SOLUTION
    slopes = []
    for direction in torch.eye(x.numel(), dtype=x.dtype):
        step = eps * direction.reshape(x.shape)
        slopes.append((f(x + step) - f(x - step)) / (2 * eps))
    return torch.stack(slopes).reshape(x.shape)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_numerical_gradient", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
place = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
# The sum of cubes: (x+e)^3 - (x-e)^3 = 6 x^2 e + 2 e^3, so central differences give 3 x^2 + e^2 exactly.
check.close(numerical_gradient(lambda t: (t**3).sum(), place.clone(), 0.1), 3 * place**2 + 0.01, mistakes={
    "a one-sided difference: step to both sides, x + eps and x - eps": 3 * place**2 + 3 * place * 0.1 + 0.01,
    "a one-sided difference, backward: step to both sides": 3 * place**2 - 3 * place * 0.1 + 0.01,
    "the two points are 2 * eps apart, not eps": 2 * (3 * place**2 + 0.01),
    "the difference is not divided by the distance 2 * eps": 0.2 * (3 * place**2 + 0.01),
    "eps was not used as given: this is the slope for a much smaller one": 3 * place**2,
    "all elements moved at once: nudge one at a time": (3 * place**2 + 0.01).sum().expand(3),
    "all elements moved at once: nudge one at a time, and keep all slopes": (3 * place**2 + 0.01).sum(),
    "the sign is wrong: f(x + eps) - f(x - eps)": -(3 * place**2 + 0.01),
})
### BEGIN HIDDEN TESTS
table = torch.randn(2, 3, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
crossed = lambda t: (t**3).sum() + t[0].dot(t[1])  # the products are linear in each element: no error there
want = 3 * table**2 + 0.05**2 + table.flip(0)
check.close(numerical_gradient(crossed, table.clone(), 0.05), want,
            mistakes={"the gradient has the shape of x": want.flatten()},
            hint="wrong on a table: put each element back before you nudge the next")
squares = lambda t: (t * t).sum()
check.close(numerical_gradient(squares, torch.tensor([[0.5], [2.0]]), 0.25), torch.tensor([[1.0], [4.0]]),
            hint="the gradient has the dtype of x: float32 in, float32 out")
look = lambda gradient, f, t: (gradient(f, t, 1e-3), t)[1]
kept = check.beside(look, numerical_gradient, squares, table)
check.close(kept, table, hint="x has changed: put every element back, or make a new tensor")
spoilt = check.beside(look, lambda f, t, eps: t.add_(eps), squares, table)
assert not torch.equal(spoilt, table), "the look at a changed input does not work"
### END HIDDEN TESTS

# %% tags=["demo"] cellView="form" jupyter={"source_hidden": true}
# @title Figure: gradient descent with three learning rates
def cost(w, feature, wanted):
    return bce_with_logits(w * feature, wanted)


feature, wanted = make_points("two_clusters", n=200, noise=4.0, seed=3)
feature = feature[:, 0]
grid = torch.linspace(-1.0, 3.2, 200)
fig, axes = plots.figure(1, 3, size=(11.0, 3.5), sharey=True)
for ax, (rate, title) in zip(axes, ((0.05, "too small"), (0.3, "about right"), (1.5, "too large"))):
    ax.plot(grid, torch.stack([cost(w, feature, wanted) for w in grid]), color=plots.GREY)
    w, track = torch.tensor([-0.8]), []
    for _ in range(9):
        track.append((w.item(), cost(w, feature, wanted).item()))
        w = w - rate * numerical_gradient(lambda v: cost(v, feature, wanted), w, 1e-2)
    ax.plot(*zip(*track), "o-", color=plots.BLUE, lw=1.2)
    ax.annotate("start", track[0], xytext=(8, 2), textcoords="offset points")
    ax.set(title=f"η = {rate:g}: {title}", xlabel="weight w")
axes[0].set_ylabel("loss")
plots.caption(
    fig, "Eight steps of gradient descent on the loss of a neuron with a single weight, with your loss and "
    "your numerical gradient. In the middle the steps get shorter by themselves, since the slope does.",
    alt="Three copies of a valley-shaped loss curve with a track of points from the left. With learning "
    "rate 0.05 the points creep down and are not yet at the bottom. With 0.3 they are there after three "
    "steps. With 1.5 they jump from one side of the valley to the other.")

# %% [markdown]
# Two calls of the network *per weight*: the real model of this course has 134,515,008 of them. Even at a
# tenth of a second a call, one gradient would take ten months. **Backpropagation** gets the same gradient for
# about the cost of two more calls.
#
# ### Exercise: `mlp_backward` (5 points, 40 minutes)
#
# Backpropagation (Rumelhart, Hinton and Williams 1986) is the chain rule from the last layer to the first.
# Call $\delta^{(l)}$ the slope of the loss with respect to the scores of layer $l$, one row per input. With
# tanh in the hidden layers and the mean binary cross entropy at the end:
#
# $$\delta^{(L)} = \frac{\sigma(z) - y}{N}, \qquad
#   \delta^{(l-1)} = \bigl(\delta^{(l)}\, W^{(l)\top}\bigr) \odot \bigl(1 - (h^{(l-1)})^2\bigr)$$
#
# $$\frac{\partial L}{\partial W^{(l)}} = h^{(l-1)\top} \delta^{(l)}, \qquad
#   \frac{\partial L}{\partial b^{(l)}} = \sum_n \delta^{(l)}_n$$
#
# Read the first one again: all of sigmoid and logarithm has cancelled, and what is left is *what the network
# said minus what is right*. In a language model it is the same: the probabilities of all tokens, minus 1 at
# the right one.
#
# Write `mlp_backward(params, x, y)`: the gradient of the mean binary cross entropy of
# `mlp_forward(params, x, torch.tanh)` against `y`. `x` has shape `(N, n_in)`, `y` has shape `(N,)`, with the
# dtype of the weights, float32 or float64. Return a list of tuples `(dw, db)` in the order of `params`, with
# the shapes and dtype of `w` and `b`. There may be any number of hidden layers, also none. Do it by hand,
# without autograd.
#
# <details><summary>Hint 1</summary>First go forward and keep what enters each layer: x, then every hidden output.</details>
# <details><summary>Hint 2</summary>Then go backward. At each layer, <code>dw = h.T @ delta</code> and <code>db = delta.sum(0)</code>; the shapes leave no other choice.</details>
# <details><summary>Hint 3</summary>Start with <code>delta = (torch.sigmoid(z) - y)[:, None] / len(y)</code>. After each layer, <code>delta = (delta @ w.T) * (1 - h**2)</code>, where h is what entered that layer. Reverse the list at the end.</details>

# %% nbgrader={"grade": false, "grade_id": "mlp_backward", "locked": false, "schema_version": 3, "solution": true, "task": false}
def mlp_backward(params: list[tuple[Tensor, Tensor]], x: Tensor, y: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Gradient of the mean binary cross entropy of an MLP with tanh hidden layers.

    params: (w, b) per layer, w (n_in, n_out), b (n_out,); the last layer has one neuron. x: (N, n_in).
    y: (N,), 0.0 or 1.0. Returns (dw, db) per layer, in the order and with the shapes of `params`.
    """
    ### BEGIN SOLUTION
    entering = [x]  # what enters each layer
    for w, b in params[:-1]:
        entering.append(torch.tanh(entering[-1] @ w + b))
    logits = mlp_forward(params, x, torch.tanh)
    delta = (torch.sigmoid(logits) - y)[:, None] / len(y)
    grads = []
    for (w, _), h in zip(reversed(params), reversed(entering)):
        grads.append((h.T @ delta, delta.sum(0)))
        delta = (delta @ w.T) * (1 - h**2)
    return grads[::-1]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_mlp_backward", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
# One neuron, two inputs, by hand: z = (ln 3, ln 9), so p = (0.75, 0.9), and p - y = (-0.25, 0.9).
one = [(torch.tensor([[math.log(3)], [0.0]]), torch.tensor([0.0]))]
x, y = torch.tensor([[1.0, 2.0], [2.0, 5.0]]), torch.tensor([1.0, 0.0])
dw, db = torch.tensor([[0.775], [2.0]]), torch.tensor([0.325])
squared = (torch.tensor([[0.115125], [0.31125]]), torch.tensor([0.034125]))  # p - y, times 2p(1 - p)
check.close(mlp_backward(one, x, y), [(dw, db)], mistakes={
    "the gradient points downhill: it is p - y, not y - p": [(-dw, -db)],
    "this is the gradient of the sum: divide by the number of inputs": [(2 * dw, 2 * db)],
    "the biases need the sum over the inputs": [(dw, torch.tensor([[-0.125], [0.45]]))],
    "db is divided by the number of inputs twice: take the sum of delta, not its mean": [(dw, db / 2)],
    "w has shape (n_in, n_out), and so has dw": [(dw.T, db)],
    "one slope too many: cross entropy and sigmoid together leave p - y": [(squared[0] / 2, squared[1] / 2)],
    "this is the gradient of the squared error": [squared],
})
### BEGIN HIDDEN TESTS
draws = torch.Generator().manual_seed(8)
x = torch.randn(6, 3, generator=draws, dtype=torch.float64)
y = torch.tensor([1.0, 0.0, 0.0, 1.0, 1.0, 0.0], dtype=torch.float64)


def random_net(widths):
    double = {"generator": draws, "dtype": torch.float64}
    return [(torch.randn(a, b, **double), torch.randn(b, **double)) for a, b in pairwise(widths)]


def wanted_gradients(params, x, y):
    leaves = [t.clone().requires_grad_() for layer in params for t in layer]
    h = x
    for i in range(0, len(leaves) - 2, 2):
        h = torch.tanh(F.linear(h, leaves[i].T, leaves[i + 1]))
    loss = F.binary_cross_entropy_with_logits(F.linear(h, leaves[-2].T, leaves[-1])[:, 0], y)
    slopes = torch.autograd.grad(loss, leaves)
    return list(zip(slopes[::2], slopes[1::2], strict=True))


def with_slope(params, slope):
    (w1, b1), (w2, b2) = params
    score = F.linear(x, w1.T, b1)
    h = torch.tanh(score)
    last = (torch.sigmoid(F.linear(h, w2.T, b2)) - y[:, None]) / len(y)
    first = F.linear(last, w2) * slope(score, h)
    return [(x.T.mm(first), first.sum(0)), (h.T.mm(last), last.sum(0))]


net = random_net([3, 4, 1])
want = wanted_gradients(net, x, y)
check.close(mlp_backward(net, x, y), want, mistakes={
    "the slope of tanh is missing: multiply by 1 - h**2": with_slope(net, lambda z, h: 1.0),
    "the slope of tanh is 1 - h**2: the square is missing": with_slope(net, lambda z, h: 1 - h),
    "1 - tanh(h)**2 takes tanh twice: h is tanh(z) already": with_slope(net, lambda z, h: 1 - h.tanh()**2),
    "the slope of tanh takes h, the tanh of the score z, not z": with_slope(net, lambda z, h: 1 - z**2),
    "h * (1 - h) is the slope of the sigmoid: here is tanh": with_slope(net, lambda z, h: h * (1 - h)),
    "the list is in the order of the backward pass: turn it around": want[::-1],
}, hint="one hidden layer: follow delta through the tanh")
for widths in ([3, 5, 4, 1], [3, 4, 4, 4, 1]):
    net = random_net(widths)
    want = wanted_gradients(net, x, y)
    check.close(mlp_backward(net, x, y), want, mistakes={
        "the list is in the order of the backward pass: turn it around": want[::-1],
    }, hint=f"wrong for sizes {widths}: delta goes back through every layer, by its own weights and its own h")
small = [(w.float(), b.float()) for w, b in random_net([3, 4, 4, 1])]
x, y = x[:1].float(), y[:1].float()
check.close(mlp_backward(small, x, y), wanted_gradients(small, x, y),
            hint="wrong for a single input in float32")
### END HIDDEN TESTS

# %% [markdown]
# Never trust a hand-made gradient that was not checked against a numerical one. Yours can check each other
# now. How small should $\varepsilon$ be?
#
# **Predict first.** As $\varepsilon$ shrinks from 1 to $10^{-12}$, does the difference between the two
# gradients always shrink with it?
#
# <details><summary>Answer</summary>
#
# No. The formula's own error falls with $\varepsilon^2$, but $f(x + \varepsilon)$ and $f(x - \varepsilon)$
# agree in more and more digits, and what is left of their difference is rounding, divided by a tiny
# $2\varepsilon$. In float64 the best is near $10^{-5}$; in float32 near $10^{-2}$, and poor. Check gradients
# in float64.
# </details>

# %% tags=["demo"] cellView="form" jupyter={"source_hidden": true}
# @title Figure: numerical gradient against backpropagation
fig, ax = plots.figure(size=(6.8, 3.6))
steps = torch.logspace(-12, 0, 49, dtype=torch.float64)
for width, colour, line in ((torch.float64, plots.BLUE, "-"), (torch.float32, plots.ORANGE, "--")):
    net = [(w.to(width), b.to(width)) for w, b in init_mlp([2, 6, 6, 1], torch.Generator().manual_seed(0))]
    points, labels = (t.to(width) for t in make_points("xor", n=50, seed=0))
    exact = mlp_backward(net, points, labels)[0][0]

    def loss_of_first(w, net=net, points=points, labels=labels):
        return bce_with_logits(mlp_forward([(w, net[0][1]), *net[1:]], points, torch.tanh), labels)

    errors = [(numerical_gradient(loss_of_first, net[0][0], eps.item()) - exact).norm() / exact.norm()
              for eps in steps]
    ax.loglog(steps, errors, line, color=colour, label=str(width).removeprefix("torch."))
ax.set(title="Your two gradients, compared", xlabel="eps", ylabel="relative difference", ylim=(1e-11, 1e3))
ax.legend(loc="lower left")
plots.caption(
    fig, "Relative difference between numerical_gradient and mlp_backward for the first layer of a [2, 6, "
    "6, 1] network. Right of the lowest point the formula errs, left of it rounding does.",
    alt="Two V-shaped curves on logarithmic axes. In float64 the difference is smallest, about 1e-9, at "
    "eps near 1e-5; in float32 it is never below about 5e-4, at eps near 1e-2. To the left of the minimum "
    "both rise again.")

# %% [markdown]
# ### Exercise: `sgd_step` (2 points, 10 minutes)
#
# One step downhill. Write `sgd_step(params, grads, lr)`: a **new** list of tuples
# `(w - lr * dw, b - lr * db)`. `params` and `grads` have the layout of `mlp_backward`; both must be left as
# they were, so that you can compare before and after.
#
# <details><summary>Hint 1</summary>Walk through both lists together.</details>
# <details><summary>Hint 2</summary><code>w -= lr * dw</code> changes the caller's tensor; <code>w - lr * dw</code> makes a new one.</details>
# <details><summary>Hint 3</summary><code>for (w, b), (dw, db) in zip(params, grads)</code>, inside a list comprehension.</details>

# %% nbgrader={"grade": false, "grade_id": "sgd_step", "locked": false, "schema_version": 3, "solution": true, "task": false}
def sgd_step(
    params: list[tuple[Tensor, Tensor]], grads: list[tuple[Tensor, Tensor]], lr: float
) -> list[tuple[Tensor, Tensor]]:
    """One step of gradient descent: a new list of (w, b); the arguments stay unchanged.

    params, grads: (w, b) and (dw, db) per layer; w and dw (n_in, n_out), b and db (n_out,). lr: learning rate.
    """
    ### BEGIN SOLUTION
    return [(w - lr * dw, b - lr * db) for (w, b), (dw, db) in zip(params, grads)]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_sgd_step", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
def two_layers(values, scale):
    # the same numbers, every time anew, as a network of sizes [2, 2, 1]
    w1, b1, w2, b2 = (scale * torch.tensor(part) for part in values)
    return [(w1, b1), (w2, b2)]


before = ([[1.0, 2.0], [3.0, 4.0]], [5.0, 6.0], [[7.0], [8.0]], [9.0])
slopes = ([[2.0, -1.0], [0.5, 3.0]], [-4.0, 1.0], [[6.0], [-2.0]], [10.0])
after = ([[0.8, 2.1], [2.95, 3.7]], [5.4, 5.9], [[6.4], [8.2]], [8.0])  # by hand, with a learning rate of 0.1


def moved(w_by, b_by):
    # the parameters, moved by so many times the right step
    pairs = zip(two_layers(before, 1), two_layers(after, 1), strict=True)
    return [(w + w_by * (w_new - w), b + b_by * (b_new - b)) for (w, b), (w_new, b_new) in pairs]


got = sgd_step(two_layers(before, 1), two_layers(slopes, 1), 0.1)
check.close(got, two_layers(after, 1), mistakes={
    "that is uphill: subtract the gradient": moved(-1, -1),
    "the learning rate is missing": moved(10, 10),
    "the biases did not move": moved(1, 0),
    "the weights did not move": moved(0, 1),
    "nothing moved": moved(0, 0),
    "only the last layer moved": [two_layers(before, 1)[0], two_layers(after, 1)[1]],
    "this is the step alone: add it to the parameters": two_layers(slopes, -0.1),
})
### BEGIN HIDDEN TESTS
back = ([[2.4, 3.8], [6.1, 8.6]], [9.2, 12.2], [[15.2], [15.6]], [20.0])  # 2 * before + 0.2 * slopes
check.close(sgd_step(two_layers(before, 2), two_layers(slopes, -1), 0.2), two_layers(back, 1),
            hint="wrong with a learning rate of 0.2 and all slopes turned around")
look = lambda step, p, g: (step(p, g, 0.1), p, g)[1:]
kept = check.beside(look, sgd_step, two_layers(before, 1), two_layers(slopes, 1))
check.close(kept, (two_layers(before, 1), two_layers(slopes, 1)),
            hint="the input has changed: -= writes into the caller's tensors, so make new ones")


def writes_into_params(params, grads, lr):
    for (w, b), (dw, db) in zip(params, grads, strict=True):
        w.sub_(lr * dw)
        b.sub_(lr * db)


spoilt = check.beside(look, writes_into_params, two_layers(before, 1), two_layers(slopes, 1))
changed = not torch.equal(spoilt[0][1][1], two_layers(before, 1)[1][1])
assert changed, "the look at a changed input does not work"
### END HIDDEN TESTS

# %% [markdown]
# ## Training
#
# Everything is there: start somewhere, then repeat *forward, loss, backward, step*.
#
# **Predict first.** At some step every training point is on its right side. Does the loss stop falling there?
# Do the weights stop moving?
#
# <details><summary>Answer</summary>
#
# Neither. The loss is 0 only where every probability is exactly 0 or 1, that is for infinite logits. So the
# weights keep growing, the network gets surer, and the loss keeps falling, ever more slowly: in the figure
# below it is roughly proportional to 1 / steps, a straight line on logarithmic axes.
# </details>
#
# ### Exercise: `train_mlp` (5 points, 20 minutes)
#
# Write `train_mlp(x, y, sizes, steps, lr, generator)`: make a network with `init_mlp(sizes, generator)`,
# improve it with `steps` updates of learning rate `lr`, and return its parameters: a list of `(w, b)` in
# float32, as ever. Hidden layers are **tanh**, the last layer gives logits, and the network sees `x` as it
# comes.
#
# - Plain gradient descent on all points at once is enough. If you like, use momentum, Adam, or random batches
#   of 8 points or more, drawn with `generator`: any method that scales its updates with `lr` will do.
# - `steps=0` and `lr=0` both return the untrained network of `init_mlp`; equal arguments and equal generators
#   give equal networks. `x` and `y` stay as they were.
# - The test trains `sizes=[2, 24, 24, 1]` with `steps=800`, `lr=0.2` on 200 points of xor and of spiral with
#   three seeds each. It runs your network with its own forward pass (tanh, logit above 0 is positive) and
#   wants **95 % of these points** right every time. The reference solution gets 100 %, in a second or two for
#   all six.
#
# <details><summary>Hint 1</summary>You have written every part. This is a loop of one line.</details>
# <details><summary>Hint 2</summary>Gradients from <code>mlp_backward</code>, then the step; keep what <code>sgd_step</code> returns.</details>
# <details><summary>Hint 3</summary><code>params = sgd_step(params, mlp_backward(params, x, y), lr)</code>, <code>steps</code> times.</details>

# %% nbgrader={"grade": false, "grade_id": "train_mlp", "locked": false, "schema_version": 3, "solution": true, "task": false}
def train_mlp(
    x: Tensor, y: Tensor, sizes: list[int], steps: int, lr: float, generator: torch.Generator
) -> list[tuple[Tensor, Tensor]]:
    """Train a tanh network to tell y = 1 from y = 0, starting from `init_mlp(sizes, generator)`.

    x: (N, sizes[0]). y: (N,), 0.0 or 1.0. steps: number of updates. lr: learning rate.
    Returns (w, b) per layer, w (n_in, n_out), b (n_out,), float32.
    """
    ### BEGIN SOLUTION
    params = init_mlp(sizes, generator)
    for _ in range(steps):
        params = sgd_step(params, mlp_backward(params, x, y), lr)
    return params
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_train_mlp", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
def share_right(params, sizes, x, y):
    # what the returned network says, worked out here
    count = len(sizes) - 1
    check.that(isinstance(params, list) and len(params) == count, f"sizes {sizes} make a list of {count} layers")
    pairs = all(isinstance(layer, tuple) and len(layer) == 2 for layer in params)
    check.that(pairs, "each layer is a tuple (w, b)")
    h = x
    for index, (w, b) in enumerate(params):
        check.shape(w, (sizes[index], sizes[index + 1]), hint="w has shape (n_in, n_out), from `sizes`")
        check.shape(b, (sizes[index + 1],), hint="b has shape (n_out,), from `sizes`")
        check.that(w.dtype == b.dtype == torch.float32, "parameters are float32")
        finite = bool(w.isfinite().all() and b.isfinite().all())
        check.that(finite, "training diverged: a parameter is not finite")
        h = F.linear(h, w.detach().T, b.detach())
        h = torch.tanh(h) if index < count - 1 else h[:, 0]
    return ((h > 0) == (y > 0.5)).double().mean().item()


layers = [2, 24, 24, 1]
x, y = make_points("xor", n=200, seed=0)
share_right(train_mlp(x.clone(), y.clone(), layers, 1, 0.2, torch.Generator().manual_seed(0)), layers, x, y)  # shapes
trained = train_mlp(x.clone(), y.clone(), layers, 800, 0.2, torch.Generator().manual_seed(0))
share = share_right(trained, layers, x, y)
check.that(share >= 0.95, f"{share:.1%} of the points are right, wanted 95 %: does every layer learn, "
                          "downhill, and are the hidden layers tanh?")
### BEGIN HIDDEN TESTS
tiny = [2, 6, 5, 1]
x, y = make_points("xor", n=40, seed=3)
runs = {}
for label, steps, lr, seed in (("none", 0, 0.1, 5), ("frozen", 3, 0.0, 5), ("one", 1, 0.1, 5),
                               ("again", 1, 0.1, 5), ("faster", 1, 0.2, 5), ("other", 0, 0.1, 6)):
    params = train_mlp(x.clone(), y.clone(), tiny, steps, lr, torch.Generator().manual_seed(seed))
    share_right(params, tiny, x, y)  # looks at the shapes
    runs[label] = [(w.detach(), b.detach()) for w, b in params]
first = {label: params[0][0] for label, params in runs.items()}
check.equal(runs["frozen"], runs["none"],
            hint="steps=0 and lr=0 must both return the untrained network of init_mlp")
check.that(not torch.equal(first["one"], first["none"]), "steps=1 must take one step, in the first layer too")
check.that(torch.equal(first["one"], first["again"]), "equal generators must give equal networks")
check.that(not torch.equal(first["one"], first["faster"]), "the learning rate lr makes no difference")
check.that(not torch.equal(first["none"], first["other"]), "another generator must give another network")
look = lambda train, x, y, generator: (train(x, y, [2, 4, 1], 3, 0.1, generator), x, y)[1:]
kept = check.beside(look, train_mlp, x, y, torch.Generator().manual_seed(0))
check.equal(kept, (x, y), hint="x or y has changed: training must leave the data alone")
centred = lambda x, y, sizes, steps, lr, generator: x.sub_(x.mean(0))
spoilt = check.beside(look, centred, x, y, torch.Generator().manual_seed(0))
assert not torch.equal(spoilt[0], x), "the look at changed data does not work"
for name, seeds in (("xor", (1, 2)), ("spiral", (0, 1, 2))):
    for seed in seeds:
        x, y = make_points(name, n=200, seed=seed)
        trained = train_mlp(x.clone(), y.clone(), layers, 800, 0.2, torch.Generator().manual_seed(seed))
        share = share_right(trained, layers, x, y)
        check.that(share >= 0.95, f"{share:.1%} of the {name} points are right with another seed, "
                                  "wanted 95 %: does every layer learn?")
### END HIDDEN TESTS

# %% tags=["demo"] cellView="form" jupyter={"source_hidden": true}
# @title Figure: xor and spiral, while they are learnt
fig, axes = plots.figure(2, 4, size=(12.0, 6.2), width_ratios=(1, 1, 1, 1.3))
for row, name in zip(axes, ("xor", "spiral")):
    points, labels = make_points(name, n=200, seed=0)
    net, losses = init_mlp([2, 24, 24, 1], torch.Generator().manual_seed(0)), []
    panels = dict(zip((60, 400, 2000), row[:3]))
    for step in range(2001):
        if step in panels:
            score = partial(mlp_forward, net, activation=torch.tanh)
            plots.decision_region(panels[step], score, points, labels, extent=3.6)
            panels[step].set(title=f"{name}, {step} steps", xlabel="", ylabel="")
        losses.append(bce_with_logits(mlp_forward(net, points, torch.tanh), labels).item())
        net = sgd_step(net, mlp_backward(net, points, labels), 0.2)
    row[3].plot(range(1, 2002), losses)
    row[3].axhline(math.log(2), color=plots.GREY, lw=1, ls=":")
    row[3].annotate("log 2: a coin", (1, math.log(2)), xytext=(4, 4), textcoords="offset points",
                    color=plots.GREY)
    row[3].set(title=f"{name}, loss", xscale="log", yscale="log", xlabel="step + 1", ylim=(1e-3, 2))
plots.caption(
    fig, "Your functions at work: the decision region after 60, 400 and 2000 steps, and the loss on the "
    "training points.",
    alt="Two rows, xor and spiral. For xor, the region has rough quadrants after 60 steps and clean ones "
    "after 400. For the spiral it has one bend after 60 steps, and winds along both arms after 400. Both "
    "losses stay near log 2 for some thirty steps and then fall along a straight line, on logarithmic "
    "axes, to about 0.002 at step 2000.")

# %% [markdown]
# Both plots show the loss on the points that the network trained on. Its loss on *new* points is what counts
# in the end; the playground draws both. Train there on xor with the noise turned up and several layers, and
# see the two curves part: the network has begun to learn the points by heart (*overfitting*).

# %% [markdown]
# ## What the activation does to training
#
# The gradient of an early layer has come back through the slopes of all later ones. With a sigmoid each
# passes on a quarter at most, so twenty of them pass on at most $4^{-20} \approx 10^{-12}$, up to what the
# weights add.
#
# **Predict first.** Twenty layers of 64 neurons, fresh from `init_mlp`. Compare the gradient of the first
# layer with that of the last. Which of sigmoid, ReLU and SiLU loses most on the way back?
#
# <details><summary>Answer</summary>
#
# The sigmoid loses more than twelve orders of magnitude. With ReLU and SiLU all layers get gradients of about
# the same size. It is a small size, since the *forward* signal shrinks from layer to layer; larger starting
# weights (He et al. 2015) or normalization layers mend that.
# </details>

# %% tags=["demo"] cellView="form" jupyter={"source_hidden": true}
# @title Figure: what the activation does to training
fig, axes = plots.figure(1, 2, size=(10.6, 3.8))
draws = torch.Generator().manual_seed(0)
points = torch.randn(256, 64, generator=draws, dtype=torch.float64)
labels = (torch.rand(256, generator=draws) < 0.3).double()
for name, function, line in (("sigmoid", sigmoid, "-"), ("ReLU", relu, "--"), ("SiLU", silu, "-.")):
    net = [(w.double(), b.double()) for w, b in init_mlp([64] * 21 + [1], torch.Generator().manual_seed(1))]
    weights = [w.requires_grad_() for w, _ in net]
    slopes = torch.autograd.grad(bce_with_logits(mlp_forward(net, points, function), labels), weights)
    axes[0].semilogy(range(1, 21), [slope.norm() for slope in slopes[:-1]], line, label=name)
axes[0].set(title="Gradient of each of 20 layers", xlabel="layer (1 is next to the input)",
            ylabel="norm of dL/dW", xticks=(1, 5, 10, 15, 20))
axes[0].legend()
points, labels = make_points("spiral", n=200, seed=0)
for name, function, line in (("sigmoid", sigmoid, "-"), ("ReLU", relu, "--"), ("SiLU", silu, "-.")):
    net = init_mlp([2, 8, 8, 8, 8, 1], torch.Generator().manual_seed(0))
    leaves = [t.requires_grad_() for layer in net for t in layer]
    losses = []
    for _ in range(1500):
        loss = bce_with_logits(mlp_forward(net, points, function), labels)
        slopes = torch.autograd.grad(loss, leaves)
        with torch.no_grad():
            for t, slope in zip(leaves, slopes):
                t -= 0.1 * slope
        losses.append(loss.item())
    axes[1].plot(losses, line, label=name)
axes[1].set(title="Training on the spiral", xlabel="step", ylabel="loss")
axes[1].legend(loc="center right")
plots.caption(
    fig, "Left: the size of the gradient in each layer of an untrained network of 20 hidden layers. Right: "
    "training a network with four hidden layers of 8 neurons, with your activations, learning rate 0.1.",
    alt="Left: from layer 20 back to layer 1 the sigmoid's gradient falls by more than twelve orders of "
    "magnitude, in a straight line on a logarithmic axis, while those of ReLU and SiLU are level. Right: "
    "over 1500 steps the sigmoid network stays at a loss of 0.69, and those of ReLU and SiLU fall to "
    "nearly 0.")

# %% [markdown]
# This is one reason why the sigmoid left the hidden layers. It stays where a probability or a switch is
# needed. The real model is 30 blocks deep and adds a second help: each block *adds* its output to its input,
# so the gradient has a way around every block. You meet it in unit 5.

# %% [markdown]
# ## Deeper networks for harder data
#
# One hidden layer is enough in principle: with enough neurons it comes as close as you like to any continuous
# function on a closed and bounded region (Cybenko 1989). The theorem does not say how many neurons "enough"
# is, nor that gradient descent finds their weights.
#
# So measure. Take the spiral and wind it twice as tight. Compare networks with
# **the same number of parameters**: one hidden layer of 26 neurons has 105 of them, and so have two of 8
# (2·8+8 + 8·8+8 + 8+1).
#
# **Predict first.** Which one gets more of 1000 *new* points right after 4000 steps? And if both get three
# times as many parameters?
#
# <details><summary>Answer</summary>
#
# See the figure. On the plain spiral all are good. On the tight one, the deeper networks are ahead, and three
# times as many parameters do not help the shallow network at all.
# </details>

# %% tags=["lab"] cellView="form" jupyter={"source_hidden": true}
# @title Figure: depth, measured (takes half a minute)
def wound(x, turns):
    """Points turned about the origin by `turns` full turns at distance 3, and in proportion nearer to it."""
    angle = 2 * math.pi * turns * x.norm(dim=1) / 3
    x1, x2 = x.T
    return torch.stack([x1 * angle.cos() + x2 * angle.sin(), x2 * angle.cos() - x1 * angle.sin()], 1)


seeds = range(runtime.pick(3, 10))
shapes = {"26": [2, 26, 1], "8+8": [2, 8, 8, 1], "96": [2, 96, 1], "16+16": [2, 16, 16, 1],
          "12+12+12": [2, 12, 12, 12, 1]}
results, nets = {}, {}
every = [(turns, shape, seed) for turns in (0, 1) for shape in shapes.items() for seed in seeds]
for turns, (name, sizes), seed in runtime.progress(every, desc="networks"):
    points, labels = make_points("spiral", n=400, noise=0.08, seed=seed)
    fresh, answers = make_points("spiral", n=1000, noise=0.08, seed=100 + seed)
    net = train_mlp(wound(points, turns), labels, sizes, 4000, 0.3, torch.Generator().manual_seed(seed))
    correct = (mlp_forward(net, wound(fresh, turns), torch.tanh) > 0) == (answers > 0)
    results.setdefault((name, turns), []).append(correct.float().mean().item())
    nets[name, turns, seed] = net
fig, axes = plots.figure(1, 3, size=(12.0, 3.9), width_ratios=(1.5, 1, 1))
for shift, turns, colour in ((-0.2, 0, plots.GREEN), (0.2, 1, plots.PURPLE)):
    for place, name in enumerate(shapes):
        scores = results[name, turns]
        label = "wound twice" if turns else "plain"
        axes[0].bar(place + shift, sum(scores) / len(scores), 0.36, color=colour, label=label)
        axes[0].plot([place + shift] * len(scores), scores, ".", color=plots.INK, ms=5)
count = lambda sizes: sum(a * b + b for a, b in pairwise(sizes))
axes[0].set_xticks(range(len(shapes)), [f"{name}\n({count(sizes)})" for name, sizes in shapes.items()])
axes[0].set(title="Right on 1000 new points", ylim=(0.5, 1.15), xlabel="hidden neurons (parameters in all)")
handles = dict(zip(*reversed(axes[0].get_legend_handles_labels())))
axes[0].legend(handles.values(), handles.keys(), loc="upper left", ncols=2)
axes[0].set_yticks([0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
axes[0].grid(False, axis="x")
points, labels = make_points("spiral", n=400, noise=0.08, seed=0)
for ax, name in zip(axes[1:], ("96", "16+16")):
    score = partial(mlp_forward, nets[name, 1, 0], activation=torch.tanh)
    plots.decision_region(ax, score, wound(points, 1), labels, extent=3.5)
    ax.set_title(f"{name}, {results[name, 1][0]:.0%} right")
plots.caption(
    fig, "Accuracy on new points after 4000 steps of your train_mlp, learning rate 0.3; dots are single "
    f"seeds, bars their mean over {len(seeds)}. Right: what two of the networks say about the tight "
    "spiral.",
    alt="Bars for five networks on two data sets. On the plain spiral all are near 1. On the tight spiral "
    "the networks with one hidden layer reach 0.7 to 0.75, two layers of 8 reach 0.88, and two of 16 or "
    "three of 12 reach 0.98. Two maps: one hidden layer of 96 has only rough sectors, two of 16 follow the "
    "arms.")

# %% [markdown]
# Measured with three seeds, on new points of the tight spiral: one hidden layer of 26 neurons gets 75 %
# right, and two layers of 8, with as many parameters, 88 %. At more than three times the size it is 72 %
# against 98 %. The second layer can bend what the first has drawn, while each neuron of a single layer adds
# one straight step across the whole plane.
#
# But mind what was measured: *plain gradient descent, 4000 steps, this learning rate*. With momentum, the
# wide shallow networks learn the tight spiral as well. So depth did not make it possible to fit this spiral.
# It made good weights easier to find.

# %% [markdown]
# ## Gradient descent, once more with everything
#
# | step | here | in a language model |
# |---|---|---|
# | data | 200 points | trillions of tokens |
# | forward | `mlp_forward`, 2 to 4 layers | a Transformer of 30 to 126 blocks |
# | loss | cross entropy of 2 classes | cross entropy of 49,152 or more |
# | backward | `mlp_backward`, by hand | the same chain rule, by autograd |
# | step | `sgd_step` on all points | AdamW on a *mini-batch* of some million tokens |
#
# With so much data nobody computes the gradient of *all* of it before a step. A random **mini-batch** gives a
# noisy gradient that is right on average (stochastic gradient descent; Robbins and Monro 1951).
#
# **Predict first.** Four devices hold 64 different points each. Each computes the mean gradient of its own
# points. Is the average of the four the gradient of all 256 points: never, roughly, or exactly?
#
# <details><summary>Answer</summary>
#
# Exactly, up to rounding, as the four groups are of equal size: the mean of equal means is the mean. So
# devices that hold the same weights can share the work on a batch, and need to exchange only gradients. That
# is *data parallelism*.
# </details>

# %% tags=["demo"]
net = init_mlp([2, 24, 24, 1], torch.Generator().manual_seed(0))
points, labels = make_points("spiral", n=256, seed=0)
whole = mlp_backward(net, points, labels)
shares = [mlp_backward(net, points[i::4], labels[i::4]) for i in range(4)]  # one per device
averaged = [(sum(s[k][0] for s in shares) / 4, sum(s[k][1] for s in shares) / 4) for k in range(3)]
gap = max((a - b).abs().max().item() for pair, other in zip(whole, averaged) for a, b in zip(pair, other))
print(f"largest gradient {max(dw.abs().max().item() for dw, _ in whole):.2g}, largest difference {gap:.1g}")

# %% tags=["demo"] cellView="form" jupyter={"source_hidden": true}
# @title Figure: memory to train
sizes = {"SmolLM2-135M": 0.1345, "Llama 2 7B": 6.74, "Llama 2 70B": 69.0, "Llama 3 405B": 405.9}  # in 10^9
fig, ax = plots.figure(size=(7.6, 2.9))
for place, billions in enumerate(sizes.values()):
    ax.barh(place, 16 * billions, color=plots.BLUE)
    amount = f"{16 * billions:.3g} GB" if billions < 60 else f"{16 * billions / 1000:.2g} TB"
    ax.annotate(amount, (16 * billions, place), xytext=(4, 0), textcoords="offset points", va="center")
ax.axvline(80, color=plots.ORANGE, ls="--")
ax.annotate("80 GB: one H100", (80, -0.62), xytext=(4, 0), textcoords="offset points", color=plots.ORANGE,
            va="center")
ax.set_yticks(range(len(sizes)), sizes)
ax.set(title="Memory to train, without activations", xscale="log", xlabel="GB", xlim=(1, 60000),
       ylim=(3.5, -1))
ax.grid(False, axis="y")
plots.caption(
    fig, "16 bytes for each parameter: 2 for the weight and 2 for its gradient in 16 bits, and 12 for "
    "Adam's copy of the weight, mean and variance in 32 bits (Rajbhandari et al. 2020, section 3.1).",
    alt="Bars on a logarithmic axis: SmolLM2-135M needs 2.15 GB, Llama 2 7B 108 GB, Llama 2 70B 1.1 TB and "
    "Llama 3 405B 6.5 TB. A line at 80 GB, the memory of one H100, lies between the first and the second.")

# %% [markdown]
# There are two reasons to distribute training. **Time**: more devices get through more tokens per second.
# **Memory**: above a few billion parameters the weights, gradients and optimizer state do not fit into one
# device, so they have to be cut up. Unit 7 does both.

# %% [markdown]
# ## In the real model
#
# Now open SmolLM2-135M. Each of its 30 blocks has an MLP, and you know all of its parts:
#
# $$\text{MLP}(h) = \bigl(\text{SiLU}(h\, W_{gate}) \odot (h\, W_{up})\bigr)\, W_{down}$$
#
# That is a hidden layer of 1,536 neurons with SiLU, where each neuron's output is multiplied by a second
# linear score (SwiGLU; Shazeer 2020), and an output layer that goes back to 576 numbers. There are no biases.
#
# **Predict first.** Put *your* `silu` in the place of the model's own, in all 30 blocks. By how much will the
# logits change? What if you put your `relu` there?
#
# <details><summary>Answer</summary>
#
# With `silu` by rounding at most: it is the same function. With `relu` the text falls apart, although the two
# curves look alike: the other weights were trained with SiLU.
# </details>

# %% tags=["demo"]
class Learners(torch.nn.Module):
    """A function of yours as a module, so that it can take a module's place."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, z):
        return self.function(z)


model, tokenizer = models.load()
ids = tokenizer("The capital of France is", return_tensors="pt").input_ids.to(model.device)
mlps = [block.mlp for block in model.model.layers]
originals = [mlp.act_fn for mlp in mlps]
seen = []
hook = mlps[15].act_fn.register_forward_pre_hook(lambda module, args: seen.append(args[0].detach().cpu()))
try:
    with torch.no_grad():
        own = model(ids).logits[0, -1]
        print(f"{'the model itself':16} {'':30} next token: {tokenizer.decode(own.argmax())!r}")
        for name, function in (("your silu", silu), ("your relu", relu)):
            for mlp in mlps:
                mlp.act_fn = Learners(function)
            yours = model(ids).logits[0, -1]
            print(f"{name:16} largest change of a logit {(yours - own).abs().max():4.2g}  next token: "
                  f"{tokenizer.decode(yours.argmax())!r}")
finally:  # whatever happens, the model gets its own activations back
    hook.remove()
    for mlp, original in zip(mlps, originals):
        mlp.act_fn = original

# %% tags=["demo"] cellView="form" jupyter={"source_hidden": true}
# @title Figure: real scores under your SiLU
z = torch.linspace(-4, 4, 321)
fig, ax = plots.figure(size=(7.2, 3.6))
ax.hist(seen[0].flatten(), bins=80, range=(-4, 4), density=True, color=plots.GREY, alpha=0.6,
        label="real scores in block 15")
ax.set(xlabel="score z", ylabel="density", title="What the neurons of the real model see")
twin = ax.twinx()
twin.plot(z, silu(z), color=plots.BLUE, label="your silu(z)")
twin.set(ylim=(-1, 4), ylabel="output")
twin.grid(False)
handles = [*ax.get_legend_handles_labels()[0], *twin.get_legend_handles_labels()[0]]
ax.legend(handles=handles, loc="upper left")
below = (seen[0] < 0).float().mean().item()
plots.caption(
    fig, f"Scores of the {seen[0].shape[-1]:,} neurons of block 15 for the five tokens of 'The capital of "
    f"France is'. {below:.0%} are negative, where ReLU would pass on nothing at all.",
    alt="A histogram of the scores: a narrow peak at 0 with a wide shoulder on its left, nearly all "
    "between -3 and 2. Over it your SiLU curve, which dips below 0 on the left and is nearly straight on "
    "the right.")

# %% [markdown]
# And the loss? A language model has one logit per token and uses the **softmax** (unit 4) and its cross
# entropy. For two tokens that is exactly your `bce_with_logits`, of the *difference* of the two logits:
# $\frac{e^{a}}{e^{a} + e^{b}} = \sigma(a - b)$.

# %% tags=["demo"]
paris, london = (own[tokenizer(city).input_ids[0]].cpu() for city in (" Paris", " London"))
share = neuron((paris - london)[None, None], torch.ones(1), torch.tensor(0.0)).item()
print(f"logits: Paris {paris:.3f}, London {london:.3f}")
print(f"your neuron: p(Paris | Paris or London) = {share:.6f}")
yours = bce_with_logits((paris - london)[None], torch.ones(1))
theirs = F.cross_entropy(torch.stack([london, paris])[None], torch.tensor([1]))
print(f"if Paris is right: your binary cross entropy {yours:.6f}, torch's over the two logits {theirs:.6f}")

# %% [markdown]
# So the pieces of this unit are all in there: 30 × 1,536 = 46,080 neurons in the MLPs, your SiLU between
# their layers, your cross entropy at the end, your gradient descent behind it. The starting weights too: the
# published configuration of SmolLM2-135M sets their standard deviation to 0.041666..., which is
# $1/\sqrt{576}$, the rule of `init_mlp` for its 576 inputs. What is missing is how a text becomes
# numbers (unit 2) and how positions look at each other (unit 5).

# %% [markdown]
# ## Spot the bug
#
# A colleague trains one neuron on the two clusters. It runs without an error. The loss goes down, then stops
# at 0.25, although a line could divide the points. What is wrong?
#
# ```python
# x, y = make_points("two_clusters", n=200)        # x (200, 2), y (200,)
# w, b = torch.full((2, 1), 0.5), torch.zeros(1)
# for step in range(500):
#     p = torch.sigmoid(x @ w + b)                 # the probability of each point
#     loss = ((p - y) ** 2).mean()
#     ...                                          # the gradient of this loss and the step are right
# ```
#
# **Predict first.** Which line would you check, and for what?
#
# <details><summary>Answer</summary>
#
# The loss, for its shapes. `p` is `(200, 1)` and `y` is `(200,)`: broadcasting makes `p - y` a table of shape
# `(200, 200)`, every prediction against *every* label. The best that a network can do then is to say 0.5
# everywhere, which costs 0.25. So a loss that settles at "no idea", on data that can be learnt, is the sign to
# look for.
#
# This happens so often that `torch.nn.functional.mse_loss` warns when two sizes differ, and
# `binary_cross_entropy` refuses. The cure is one `squeeze(-1)`, and it is the reason why `mlp_forward` had to
# return `(N,)`.
# </details>

# %% tags=["demo"] cellView="form" jupyter={"source_hidden": true}
# @title Figure: the loss with the bug and without
points, labels = make_points("two_clusters", n=200, seed=0)
fig, ax = plots.figure(size=(6.4, 3.0))
for name, wanted, line, colour in (("as written: (200, 1) − (200,)", labels, "--", plots.ORANGE),
                                   ("mended: (200, 1) − (200, 1)", labels[:, None], "-", plots.BLUE)):
    w, b = torch.full((2, 1), 0.5, requires_grad=True), torch.zeros(1, requires_grad=True)
    losses = []
    for _ in range(500):
        loss = ((torch.sigmoid(points @ w + b) - wanted) ** 2).mean()
        slopes = torch.autograd.grad(loss, (w, b))
        with torch.no_grad():
            w -= 0.5 * slopes[0]
            b -= 0.5 * slopes[1]
        losses.append(loss.item())
    ax.plot(losses, line, color=colour, label=name)
ax.set(xlabel="step", ylabel="loss", ylim=(0, 0.45))
ax.legend()
plots.caption(
    fig, "The loss of the colleague's neuron, and of the mended one, both started at w = (0.5, 0.5).",
    alt="The buggy loss falls to 0.25 within the first steps and stays there; the mended one falls to "
    "nearly 0.")

# %% [markdown]
# ## Written answer: what is a neural network? (4 points, 15 minutes)
#
# Explain to a friend who can program, but has never seen one. Six to ten sentences, no formulas needed. Full
# marks need four things, one point each: what it computes (layers of neurons); what the activation is for;
# what *learning* means (loss, gradient, step); and one thing that it cannot do or does not guarantee.

# %% [markdown] nbgrader={"grade": true, "grade_id": "written_neural_network", "locked": false, "points": 4, "schema_version": 3, "solution": true, "task": false}
# ### BEGIN SOLUTION
# A neural network is a function with many adjustable numbers in it, its weights and biases. It is built from
# layers, and a layer from neurons: each neuron multiplies its inputs by its weights, adds them up together
# with a bias, and passes the score through a simple curved function, the activation. The outputs of one layer
# are the inputs of the next; the last layer gives the answer, for instance one score per class.
#
# The activation is what makes layers worthwhile: without it, any stack of layers is a single linear function,
# which can only draw straight boundaries. With it, neurons of one layer draw simple boundaries and later
# layers combine them.
#
# Nobody writes the weights. They start random. A loss measures how far the answers for a training set are
# from the wanted ones; the gradient says for each weight in which direction the loss rises; a step moves all
# weights a little the other way; and that is repeated many times. The gradient comes from the chain rule,
# taken backwards through the layers.
#
# There is no guarantee that the best weights are found, nor that what was learnt holds for inputs unlike the
# training set: a network may learn its examples by heart, and it answers with confidence far from all of
# them.
# ### END SOLUTION

# %% [markdown]
# ## Recap
#
# - A neuron is a weighted sum and an activation; alone, it divides space by a straight line.
# - Layers need a nonlinear activation between them, or they are one layer.
# - Scores stay logits until the loss; the loss is computed from logits, so that nothing overflows.
# - Backpropagation is the chain rule, last layer first; check it against finite differences in float64.
# - The sigmoid's slope is at most 1/4, so it starves deep networks; ReLU and SiLU do not.
# - Depth made hard data easier to learn; it is no guarantee.
# - The mean gradient of equal shares is the gradient of the whole: training can be distributed.
#
# Covers: A1, A2, A3, A4, A5, A6, A7, A8, A9, B9
#
# ### Glossary
#
# | term | meaning |
# |---|---|
# | neuron | weighted sum of the inputs plus a bias, then an activation |
# | logit | the score before the sigmoid or softmax; any real number |
# | decision region, boundary | where the classifier says positive; where it cannot decide |
# | activation | the nonlinear function after a layer: sigmoid, tanh, ReLU, SiLU |
# | saturation | scores so large that the activation is flat and passes on no gradient |
# | MLP | multi-layer perceptron: layers of neurons, each fed by the one before |
# | forward pass | computing the outputs, first layer to last |
# | binary cross entropy | mean negative log-probability of the right answer out of two; in nats |
# | gradient | one slope of the loss for each parameter; points uphill |
# | backpropagation | the gradient by the chain rule, last layer to first |
# | learning rate | how far a step goes along the downhill direction |
# | mini-batch | the part of the training set that one step uses |
# | overfitting | better and better on the training set, worse on new data |
#
# ### References
#
# - A. Cauchy (1847). Méthode générale pour la résolution des systèmes d'équations simultanées. *Comptes
#   Rendus* 25.
# - H. Robbins, S. Monro (1951). A stochastic approximation method. *Annals of Mathematical Statistics* 22(3).
# - F. Rosenblatt (1958). The perceptron. *Psychological Review* 65(6).
# - D. R. Cox (1958). The regression analysis of binary sequences. *J. Royal Statistical Society B* 20(2).
# - D. Rumelhart, G. Hinton, R. Williams (1986). Learning representations by back-propagating errors.
#   *Nature* 323:533-536.
# - G. Cybenko (1989). Approximation by superpositions of a sigmoidal function. *Math. Control, Signals,
#   Systems* 2.
# - Y. LeCun, L. Bottou, G. Orr, K.-R. Müller (1998). Efficient BackProp, section 4.6. In *Neural Networks:
#   Tricks of the Trade*.
# - V. Nair, G. Hinton (2010). Rectified linear units improve restricted Boltzmann machines. *ICML*.
# - X. Glorot, Y. Bengio (2010). Understanding the difficulty of training deep feedforward neural networks.
#   *AISTATS*.
# - K. He, X. Zhang, S. Ren, J. Sun (2015). Delving deep into rectifiers. *ICCV*. arXiv:1502.01852
# - Y. Zhu et al. (2015). Aligning books and movies. *ICCV*. arXiv:1506.06724 (BooksCorpus, GPT-1's data)
# - D. Smilkov, S. Carter et al. (2017). Direct-manipulation visualization of deep networks. arXiv:1708.03788
# - A. Vaswani et al. (2017). Attention is all you need, Table 2. *NeurIPS*. arXiv:1706.03762
# - S. Elfwing, E. Uchibe, K. Doya (2018). Sigmoid-weighted linear units for neural network function
#   approximation in reinforcement learning. *Neural Networks* 107. arXiv:1702.03118
# - J. Devlin et al. (2019). BERT, section 3.1. *NAACL*. arXiv:1810.04805
# - T. Brown et al. (2020). Language models are few-shot learners. *NeurIPS*. arXiv:2005.14165
# - S. Rajbhandari et al. (2020). ZeRO, section 3.1. *SC20*. arXiv:1910.02054
# - N. Shazeer (2020). GLU variants improve Transformer. arXiv:2002.05202
# - J. Hoffmann et al. (2022). Training compute-optimal large language models. arXiv:2203.15556
# - H. Touvron et al. (2023). Llama 2. arXiv:2307.09288
# - A. Grattafiori et al. (2024). The Llama 3 herd of models. arXiv:2407.21783
# - L. Ben Allal et al. (2025). SmolLM2: when Smol goes big. arXiv:2502.02737
#
# **Next:** unit 2, *Tokenizers*. A network takes numbers and a text is letters: what are the pieces that a
# language model reads?

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
# # 09 · RLHF: from what people prefer to what a model does
#
# A pretrained model continues text, and fine-tuning on good answers (unit 08) teaches it to imitate them. But for most
# things one would ask a model there is no single good answer to imitate, and nobody can write down a loss for *helpful*.
# What people can do is compare: *this answer is better than that one*. In this unit you turn such comparisons into a
# reward, and the reward into another model. The problems are small enough to have exact answers at first: a policy that
# can be enumerated, where every estimate can be held against the truth. Then a tiny language model that makes up words,
# and then the real one.
#
# **You will be able to**
#
# - train a reward model on pairs, and say what its numbers mean and what they do not;
# - derive the policy gradient, and show by enumeration that REINFORCE estimates it, and how noisily;
# - reuse samples of an older policy, and say when that stops working;
# - write GAE, the clipped loss of PPO, the KL-penalised reward of RLHF and GRPO's advantages, and tell apart the two old
#   policies in them;
# - derive DPO from the KL-regularised optimum, check the derivation with numbers, and train with it;
# - recognise reward hacking when the reward curve looks splendid.
#
# **Before you start**: units 04 (log-probabilities), 06 (the training loop) and 08 (fine-tuning). Expectations, gradients
# and the logarithm's rules. Everything runs on a CPU: about a minute for the ordinary cells and a few more for the `lab`
# cells. A GPU is not needed.
#
# **Your time**: about five hours. **Points**: 40, of which 3 are for a written answer that a person reads.
#
# | section | you write | points |
# |---|---|---|
# | 1 Which of the two? | `bradley_terry_loss`, `reward_accuracy` | 2 + 1 |
# | 2 More reward, please | `expected_reward`, `policy_gradient_exact`, `reinforce_loss` | 1 + 3 + 4 |
# | 3 Samples of another policy | `importance_weights`, `effective_sample_size` | 1 + 2 |
# | 4 How far is too far? | `kl_exact`, `kl_estimates` | 2 + 3 |
# | 5 Which step deserves it? | `gae` | 4 |
# | 6 PPO and its two old policies | `ppo_clip_loss`, `rlhf_reward`, a written answer | 4 + 2 + 3 |
# | 7 A text is one long action | `sequence_log_prob` | 3 |
# | 8 DPO | `dpo_loss` | 3 |
# | 9 GRPO | `grpo_advantages` | 2 |
# | 10 Three ways with a tiny language model | | |
# | 11 The real model | | |

# %%
import copy
import math
import re
from collections import Counter

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, LlamaConfig

from helpers import checks as check
from helpers import corpora, models, plots, runtime

model, tokenizer = models.load()  # on a GPU if there is one, else on the CPU

# %% [markdown]
# Two rules hold for all exercises: **no answer changes its arguments**, and where float32 tensors go in, float32 comes out.
# Where one number is wanted, a float and a tensor of shape `()` are both fine, unless a gradient has to flow through it.
# You need not read the next cell: small tools for the tests.

# %%
def one_number(value):
    """A number as a tensor of shape (), everything else as it is."""
    return torch.tensor(float(value)) if isinstance(value, int | float | np.number) and not isinstance(value, bool) else value


def unchanged(answer, *args) -> None:
    """The answer leaves its arguments as they are."""
    kept = check.beside(lambda f, *given: (f(*given), list(given))[1], answer, *args)
    check.equal(kept, list(args), hint="you changed an argument in place")


def gradients(loss_of, args, wrt):
    """Gradients of loss_of(*args) with respect to the arguments with the numbers in `wrt`; None if there are none."""
    leaves = [a.clone().requires_grad_() if i in wrt else a for i, a in enumerate(args)]
    loss = loss_of(*leaves)
    if not isinstance(loss, Tensor) or not loss.requires_grad:
        return None
    loss.sum().backward()
    return [torch.zeros_like(leaves[i]) if leaves[i].grad is None else leaves[i].grad for i in wrt]


# %% [markdown]
# And one for the things to play with: controls where somebody can move them, one picture where nobody can.

# %% tags=["demo"]
from helpers.widgets.interact import play, slider

# %% [markdown]
# ## 1. Which of the two?
#
# Ask ten people to rate an answer from 1 to 10, and you get ten scales. Ask them which of *two* answers is better, and most
# of them agree. So the raw material of RLHF is pairs: a prompt, a **chosen** answer and a **rejected** one (Christiano et
# al. 2017; Ouyang et al. 2022, §3.4). A **reward model** gives each answer a number $r$, and the numbers are fitted so that
# they explain the choices. The usual link between the two was there long before language models:
#
# $$ P(a \text{ is preferred to } b) = \sigma(r_a - r_b) = \frac{1}{1 + e^{-(r_a - r_b)}}
#    \qquad \text{(Bradley and Terry 1952)} $$
#
# It is the logistic neuron of unit 01, fed with a difference, and it is trained as one: by the likelihood of what was
# chosen. For $N$ pairs with chosen $c_i$ and rejected $d_i$,
#
# $$ L = -\frac{1}{N} \sum_{i=1}^{N} \log \sigma\!\left(r_{c_i} - r_{d_i}\right) $$
#
# **Predict first.** A reward model gives 3.1 to one answer and 1.1 to the other. Now somebody adds 100 to everything it
# says. What happens to its loss? What happens if everything is multiplied by 2?
#
# <details><summary>Answer</summary>
#
# Adding changes nothing: only differences count, so the zero of a reward model is arbitrary. Rewards of one prompt must
# never be compared with a fixed bar, and many trainers shift them to mean 0. Multiplying does change something: a
# difference of 2 says "preferred in 88 % of cases", a difference of 4 says 98 %. The loss gets better where the pairs were
# ranked right and worse where they were not.
# </details>

# %% tags=["demo"]
def show_pair(difference: float) -> None:
    d = torch.linspace(-6, 6, 200)
    fig, (left, right) = plots.figure(1, 2, size=(9.6, 3.0))
    left.plot(d.numpy(), d.sigmoid().numpy(), color=plots.BLUE)
    left.plot(difference, 1 / (1 + math.exp(-difference)), "o", color=plots.ORANGE)
    left.set(xlabel="r(chosen) − r(rejected)", ylabel="probability of this choice", ylim=(0, 1))
    right.plot(d.numpy(), -F.logsigmoid(d).numpy(), color=plots.BLUE, label="loss")
    right.plot(d.numpy(), (-d).sigmoid().numpy(), color=plots.GREEN, ls="--", label="pull on the difference")
    right.plot(difference, math.log1p(math.exp(-difference)), "o", color=plots.ORANGE)
    right.set(xlabel="r(chosen) − r(rejected)", ylabel="nats", ylim=(0, 6.2))
    right.legend()
    plots.caption(fig, f"At a difference of {difference:.1f} the model gives this choice {1 / (1 + math.exp(-difference)):.1%}. "
                  "Pairs that it has wrong pull at full strength, pairs that are settled hardly pull.",
                  "Left: the S-shaped logistic curve. Right: the loss falls from 6 to 0, almost straight on the left; its "
                  "slope, dashed, falls from 1 to 0.")


play(show_pair, difference=slider(2, -6, 6, 0.5, "difference"))

# %% [markdown]
# ### Exercise: `bradley_terry_loss` (2 points, 10 minutes)
#
# Write `bradley_terry_loss(r_chosen, r_rejected)`, the formula above: two float tensors of shape (N,), the rewards of the
# chosen and of the rejected answer of each pair. Return the mean over the pairs, in nats, as a tensor of one number (shape
# `()`), through which gradients flow to both. It must survive differences of several hundred, in both directions, and leave
# its arguments as they are.
#
# <details><summary>Hint 1</summary>How likely does the model think what really happened, and what is the loss of a
# likelihood?</details>
# <details><summary>Hint 2</summary>The sigmoid of −200 is 0 in float32, and the logarithm of 0 is minus infinity. Torch has
# one function for both steps.</details>
# <details><summary>Hint 3</summary><code>-F.logsigmoid(r_chosen - r_rejected).mean()</code></details>

# %% nbgrader={"grade": false, "grade_id": "bradley_terry_loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def bradley_terry_loss(r_chosen: Tensor, r_rejected: Tensor) -> Tensor:
    """Mean of -log sigmoid(r_chosen - r_rejected) over the pairs; Bradley and Terry 1952.

    r_chosen, r_rejected: (N,). Returns a tensor of shape (), in nats.
    """
    ### BEGIN SOLUTION
    return -F.logsigmoid(r_chosen - r_rejected).mean()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_bradley_terry_loss", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
better, worse = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([0.0, 0.5, 3.0])  # differences 2, 0, -4
surprise = lambda d: math.log1p(math.exp(-d))
chance = lambda d: 1 / (1 + math.exp(-d))
unchanged(bradley_terry_loss, better, worse)
got = bradley_terry_loss(better, worse)
if isinstance(got, Tensor) and got.shape == (3,):
    check.shape(got, (), hint="one number is wanted: the mean over the pairs")
check.close(got, torch.tensor((surprise(2) + surprise(0) + surprise(-4)) / 3), mistakes={
    "the sign: a log-probability is negative, and the loss is minus that": -torch.tensor(surprise(2) + surprise(0) + surprise(-4)) / 3,
    "this is the sum over the pairs: take the mean": torch.tensor(surprise(2) + surprise(0) + surprise(-4)),
    "the two are the wrong way round: the chosen one should come out above the rejected":
        torch.tensor((surprise(-2) + surprise(0) + surprise(4)) / 3),
    "the logarithm is missing: this is minus the mean probability of the choices":
        -torch.tensor((chance(2) + chance(0) + chance(-4)) / 3),
    "the logarithm is missing: this is the mean probability of the other choice":
        torch.tensor((chance(-2) + chance(0) + chance(4)) / 3),
    "you took the logarithm of the mean: it is the mean of the logarithms":
        -torch.tensor((chance(2) + chance(0) + chance(-4)) / 3).log(),
    "the sigmoid belongs around the difference, not around each reward":
        torch.tensor((surprise(2) + surprise(0.5) + surprise(-1) - surprise(0) - surprise(0.5) - surprise(3)) / 3),
    "only the chosen reward counts here: compare it with the rejected one":
        torch.tensor((surprise(2) + surprise(0.5) + surprise(-1)) / 3),
    "these are logarithms to the base 2: nats are wanted":
        torch.tensor((surprise(2) + surprise(0) + surprise(-4)) / 3 / math.log(2)),
    "that is a hinge, max(0, 1 - difference): the loss is -log sigmoid": torch.tensor((0 + 1 + 5) / 3),
}, hint="wanted the mean of -log sigmoid(r_chosen - r_rejected)")
check.close(bradley_terry_loss(torch.tensor([0.0]), torch.tensor([200.0])), torch.tensor(200.0),
            hint="wrong for a difference of -200: the sigmoid is 0 there and its logarithm minus infinity, so use F.logsigmoid")
### BEGIN HIDDEN TESTS
check.close(bradley_terry_loss(torch.tensor([500.0, -300.0]), torch.tensor([0.0, 0.0])), torch.tensor(150.0),
            hint="wrong where differences are several hundred: use F.logsigmoid")
generator = torch.Generator().manual_seed(0)
for n in (1, 2, 9):
    a, b = 3 * torch.randn(2, n, generator=generator)
    check.close(bradley_terry_loss(a, b), F.binary_cross_entropy_with_logits(a - b, torch.ones(n)),
                hint=f"wrong for {n} pairs with random rewards")
slopes = check.beside(gradients, bradley_terry_loss, (a, b), (0, 1))
check.that(slopes is not None, "no gradient flows through the loss: return a tensor, made without .item() or .detach()")
pull = torch.tensor([-chance(-d) / 9 for d in (a - b).tolist()])
check.close(slopes, [pull, -pull], hint="the gradient is not that of the loss: let it flow to both rewards")
for gap in (300.0, 800.0):
    ends = torch.tensor([gap, -gap]), torch.zeros(2)
    check.close(check.beside(gradients, bradley_terry_loss, ends, (0, 1)), [torch.tensor([0.0, -0.5]), torch.tensor([0.0, 0.5])],
                hint="the gradient is wrong where differences are several hundred: use F.logsigmoid, whose gradient is safe too")
### END HIDDEN TESTS

# %% [markdown]
# A tournament: six answers of hidden quality, 300 comparisons between random pairs, each decided by the dice of Bradley and
# Terry. Your loss and plain gradient descent find the six numbers again, up to a constant that nobody can know, and up to
# the noise of 300 comparisons.

# %% tags=["demo"]
quality = torch.tensor([-2.0, -1.0, -0.3, 0.4, 1.0, 1.9])
dice = torch.Generator().manual_seed(1)
pairs = torch.stack([torch.randperm(6, generator=dice)[:2] for _ in range(300)])
first_wins = torch.rand(300, generator=dice) < torch.sigmoid(quality[pairs[:, 0]] - quality[pairs[:, 1]])
chosen, rejected = torch.where(first_wins[:, None], pairs, pairs.flip(1)).T
fitted = torch.zeros(6, requires_grad=True)
for _ in range(400):
    (slope,) = torch.autograd.grad(bradley_terry_loss(fitted[chosen], fitted[rejected]), fitted)
    fitted.data -= 2 * slope
fitted = fitted.detach() - fitted.detach().mean() + quality.mean()
fig, ax = plots.figure(size=(5.2, 3.4))
ax.plot([-2.6, 2.6], [-2.6, 2.6], color=plots.FAINT)
ax.plot(quality.numpy(), fitted.numpy(), "o", color=plots.BLUE)
ax.set(xlabel="true quality", ylabel="fitted reward (shifted)")
plots.caption(fig, "Rewards fitted to 300 comparisons. The constant was chosen so that the means agree.",
              "Six points close to the diagonal.")

# %% [markdown]
# ### Exercise: `reward_accuracy` (1 point, 5 minutes)
#
# A loss in nats is hard to picture. Write `reward_accuracy(r_chosen, r_rejected)`: the share of the pairs, a float from 0 to
# 1, whose chosen answer got *more* than the rejected one. A tie does not count as right. Both arguments are (N,).
#
# <details><summary>Hint 1</summary>Compare, then count, then divide.</details>
# <details><summary>Hint 2</summary>The mean of ones and zeros is the share of ones.</details>
# <details><summary>Hint 3</summary><code>(r_chosen &gt; r_rejected).float().mean().item()</code></details>

# %% nbgrader={"grade": false, "grade_id": "reward_accuracy", "locked": false, "schema_version": 3, "solution": true, "task": false}
def reward_accuracy(r_chosen: Tensor, r_rejected: Tensor) -> float:
    """Share of the pairs with r_chosen > r_rejected; ties do not count. r_chosen, r_rejected: (N,)."""
    ### BEGIN SOLUTION
    return (r_chosen > r_rejected).float().mean().item()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_reward_accuracy", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
ours, theirs = torch.tensor([-1.0, 0.5, -1.0, 3.0, -2.0, -0.5, 4.0]), torch.tensor([-2.0, 0.5, 0.0, -3.0, -5.0, -1.5, 4.5])
check.close(one_number(reward_accuracy(ours, theirs)), torch.tensor(4 / 7), mistakes={
    "a tie does not count as right: use >, not >=": torch.tensor(5 / 7),
    "you counted the pairs in which the rejected answer got more": torch.tensor(2 / 7),
    "a tie does not count as right, not even half": torch.tensor(4.5 / 7),
    "this is the number of pairs: divide by how many there are": torch.tensor(4.0),
    "a share from 0 to 1 is wanted, not a percentage": torch.tensor(400 / 7),
    "you looked at the sign of the chosen reward alone: compare it with the rejected one": torch.tensor(3 / 7),
    "this is the mean difference, not the share of the pairs": (ours - theirs).mean(),
}, hint="wanted the share of the pairs with r_chosen > r_rejected")
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(1)
for n in (1, 5, 40):
    a, b = torch.randn(2, n, generator=generator).round(decimals=1)
    right = sum(x > y for x, y in zip(a.tolist(), b.tolist(), strict=True))
    check.close(one_number(reward_accuracy(a, b)), torch.tensor(right / n), hint=f"wrong for {n} pairs")
check.close(one_number(reward_accuracy(torch.ones(3), torch.ones(3))), torch.tensor(0.0),
            hint="if everything is a tie, nothing is ranked right")
check.close(one_number(reward_accuracy(torch.tensor([0.50001, 0.5, -3.0]), torch.tensor([0.5, 0.50001, -3.00001]))), torch.tensor(2 / 3),
            hint="a reward that is larger by very little is larger")
unchanged(reward_accuracy, a, b)
### END HIDDEN TESTS

# %% [markdown]
# What is a good accuracy? Not 100 %. People disagree with each other: the annotators of InstructGPT agreed in about 73 % of
# comparisons (Ouyang et al. 2022, §3.4). A model that reaches 95 % on *training* pairs has learned by heart whom to please.
#
# ## 2. More reward, please
#
# A **policy** $\pi_\theta$ is a distribution over what can be done: for a language model, over texts. We want parameters
# $\theta$ with a large **expected reward**
#
# $$ J(\theta) = \mathbb{E}_{x \sim \pi_\theta}[r(x)] = \sum_x \pi_\theta(x) \, r(x) $$
#
# The sum runs over all texts, and nobody can compute it. So let us first take a policy that can be enumerated: $K$ actions,
# one logit $\theta_k$ for each, $\pi = \mathrm{softmax}(\theta)$. One token is such a choice. Here are six tokens that may come
# after *The weather today is*, with the real model's logits for them (all others left out), and rewards from somebody who
# likes it mild:

# %% tags=["demo"]
prompt_ids = tokenizer("The weather today is", return_tensors="pt").input_ids.to(model.device)
with torch.no_grad():
    next_logits = model(prompt_ids).logits[0, -1].float().cpu()
taste = {" cold": -1.5, " cool": 1.0, " cloudy": 0.0, " mild": 2.0, " warm": 1.0, " sunny": -0.5}
arms, arm_rewards = list(taste), torch.tensor(list(taste.values()))
start_logits = next_logits[[tokenizer.encode(arm)[0] for arm in arms]]
for arm, logit, share, r in zip(arms, start_logits.tolist(), start_logits.softmax(0).tolist(), arm_rewards.tolist()):
    print(f"{arm!r:<10} logit {logit:5.2f}   probability among the six {share:.3f}   reward {r:+.1f}")

# %% [markdown]
# **Predict first.** What is the largest expected reward that any policy over these six tokens can have, and what would that
# policy say?
#
# <details><summary>Answer</summary>
#
# The largest of the six rewards, had by a policy that says the token with that reward and nothing else (or any mixture of the
# best ones). A mean cannot exceed the largest entry. Maximising the expected reward and nothing else makes a policy
# deterministic; remember it when the samples of section 10 begin to look alike.
# </details>
#
# ### Exercise: `expected_reward` (1 point, 5 minutes)
#
# Write `expected_reward(logits, rewards)`: $J$ for the policy softmax(`logits`). Both are float32 (K,). Return one number.
# It must survive logits of any size, such as 1,000.
#
# <details><summary>Hint 1</summary>Probabilities first; logits are none.</details>
# <details><summary>Hint 2</summary><code>torch.softmax</code>, or yours of unit 04, does not overflow.</details>
# <details><summary>Hint 3</summary><code>(logits.softmax(0) * rewards).sum()</code></details>

# %% nbgrader={"grade": false, "grade_id": "expected_reward", "locked": false, "schema_version": 3, "solution": true, "task": false}
def expected_reward(logits: Tensor, rewards: Tensor) -> Tensor:
    """Expected reward of the policy softmax(logits). logits, rewards: (K,). Returns one number."""
    ### BEGIN SOLUTION
    return (logits.softmax(0) * rewards).sum()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_expected_reward", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
three, pays = torch.tensor([5.0, 3.0, 2.0]).log(), torch.tensor([1.0, 0.0, 10.0])  # probabilities 0.5, 0.3, 0.2
check.close(one_number(expected_reward(three, pays)), torch.tensor(2.5), mistakes={
    "this is the mean of the rewards: weight each by its probability": pays.mean(),
    "these are exponentials, not probabilities: divide by their sum": torch.tensor(25.0),
    "logits are no probabilities: a softmax first": (three * pays).sum(),
    "a sum over the actions is wanted, not a mean": torch.tensor(2.5 / 3),
    "this is the reward of the likeliest action: weight all of them": torch.tensor(1.0),
    "these are log-probabilities: exponentiate them": (three.log_softmax(0) * pays).sum(),
}, hint="wanted the sum of probability times reward")
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(2)
for k, scale in ((2, 1.0), (7, 2.0), (30, 5.0)):
    some, worth = scale * torch.randn(k, generator=generator), torch.randn(k, generator=generator)
    weight = [math.exp(z) for z in some.tolist()]
    total = sum(w * r for w, r in zip(weight, worth.tolist(), strict=True)) / sum(weight)
    check.close(one_number(expected_reward(some, worth)), torch.tensor(total), atol=1e-4, hint=f"wrong for {k} actions")
check.close(one_number(expected_reward(three + 1000, pays)), torch.tensor(2.5), atol=1e-3,
            hint="exp(1000) overflows: subtract the largest logit first, or call torch.softmax")
check.close(one_number(expected_reward(torch.tensor([0.4]), torch.tensor([3.0]))), torch.tensor(3.0),
            hint="wrong for a policy with a single action")
for extreme, best in (([1000.0, 0.0, -1000.0], 1.0), ([-1000.0, 500.0, 499.0], 10 / (1 + math.e)), ([-1000.0] * 3, 11 / 3)):
    check.close(one_number(expected_reward(torch.tensor(extreme), pays)), torch.tensor(best), atol=1e-3,
                hint="wrong for very large or very negative logits: subtract the largest, or call torch.softmax")
unchanged(expected_reward, three, pays)
### END HIDDEN TESTS

# %% [markdown]
# ### The log-derivative trick
#
# To climb, we need $\nabla_\theta J$. The reward does not depend on $\theta$, the policy does. And because
# $\nabla \log \pi = \nabla \pi / \pi$,
#
# $$ \nabla_\theta J = \sum_x r(x) \, \nabla_\theta \pi_\theta(x)
#    = \sum_x \pi_\theta(x) \, r(x) \, \nabla_\theta \log \pi_\theta(x)
#    = \mathbb{E}_{x \sim \pi_\theta}\!\left[ r(x) \, \nabla_\theta \log \pi_\theta(x) \right]
#    \qquad \text{(Williams 1992)} $$
#
# One line of algebra, and what was a sum over everything is an expectation: it can be *sampled*. Nothing has to be known
# about $r$, not even a derivative. It may be a program, a game, or a person.
#
# For a softmax the derivative is known: $\partial \log \pi_k / \partial \theta_j = [j = k] - \pi_j$. Put it in, and the
# sum can be done by hand:
#
# $$ \frac{\partial J}{\partial \theta_k} = \pi_k \left( r_k - J \right) $$
#
# **Predict first.** All six rewards are raised by 100. What happens to the exact gradient? And to $r(x) \nabla \log
# \pi(x)$ of a single sample?
#
# <details><summary>Answer</summary>
#
# The exact gradient stays as it is: J rises by 100 too, and only the difference counts. The single sample's term gets about
# a hundred times as large, in the direction "more of whatever was drawn". Only over very many samples do these pushes
# cancel. Keep this in mind for the next exercise but one.
# </details>
#
# ### Exercise: `policy_gradient_exact` (3 points, 15 minutes)
#
# Write `policy_gradient_exact(logits, rewards)`: $\nabla_\theta J$, the direction in which the expected reward *grows*, as a
# float32 tensor (K,). Both arguments are (K,). It must survive logits of any size, too. The formula above does it in two
# lines; autograd is allowed as well.
#
# <details><summary>Hint 1</summary>What do all actions have in common in the formula? You have a function for it.</details>
# <details><summary>Hint 2</summary>The entries sum to zero: what one action gains, the others lose.</details>
# <details><summary>Hint 3</summary><code>p = logits.softmax(0)</code>, then <code>p * (rewards - (p *
# rewards).sum())</code></details>

# %% nbgrader={"grade": false, "grade_id": "policy_gradient_exact", "locked": false, "schema_version": 3, "solution": true, "task": false}
def policy_gradient_exact(logits: Tensor, rewards: Tensor) -> Tensor:
    """Gradient (K,) of the expected reward with respect to the logits. logits, rewards: (K,)."""
    ### BEGIN SOLUTION
    return logits.softmax(0) * (rewards - expected_reward(logits, rewards))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_policy_gradient_exact", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
three, pays = torch.tensor([5.0, 3.0, 2.0]).log(), torch.tensor([1.0, 0.0, 10.0])  # probabilities 0.5, 0.3, 0.2; J = 2.5
shares = torch.tensor([0.5, 0.3, 0.2])
check.close(policy_gradient_exact(three, pays), torch.tensor([-0.75, -0.75, 1.5]), mistakes={
    "this is probability times reward: the expected reward is not subtracted": shares * pays,
    "the probabilities in front are missing: rare actions move little": pays - 2.5,
    "that points downhill: the gradient of the expected reward is wanted, not of a loss": torch.tensor([0.75, 0.75, -1.5]),
    "subtract the expected reward, not the plain mean of the rewards": shares * (pays - pays.mean()),
    "raising a logit lowers all other probabilities: this is the diagonal alone, p (1 - p) r": shares * (1 - shares) * pays,
    "divide nothing by the number of actions": torch.tensor([-0.25, -0.25, 0.5]),
    "this is the gradient with respect to the probabilities, not to the logits": pays,
}, hint="wanted p * (r - J), one entry for each logit")
### BEGIN HIDDEN TESTS
unchanged(policy_gradient_exact, three, pays)
twice = check.beside(lambda f, z, r: (f(z, r).clone(), f(z, r), z.requires_grad), policy_gradient_exact, three, pays)
check.close(twice[1], twice[0], hint="a second call with the same logits gives another result: work with a copy of them")
check.that(not twice[2], "the logits require a gradient afterwards: you changed an argument, so work with a copy")
generator = torch.Generator().manual_seed(3)
for k, scale in ((2, 1.0), (6, 2.0), (25, 3.0)):
    some, worth = scale * torch.randn(k, generator=generator), torch.randn(k, generator=generator)
    wide, step = some.double(), 1e-5
    mean_reward = lambda z, worth=worth: (torch.softmax(z, 0) * worth.double()).sum()
    tilt = [(mean_reward(wide + step * e) - mean_reward(wide - step * e)) / (2 * step) for e in torch.eye(k).double()]
    check.close(policy_gradient_exact(some, worth), torch.stack(tilt).float(), atol=2e-5,
                hint=f"wrong for {k} actions: compared with finite differences of the expected reward")
check.close(policy_gradient_exact(three + 1000, pays), torch.tensor([-0.75, -0.75, 1.5]), atol=1e-3,
            hint="wrong for logits around 1000: exp overflows, so call torch.softmax")
check.close(policy_gradient_exact(three, torch.full((3,), 7.0)), torch.zeros(3), atol=1e-5,
            hint="if all rewards are equal, there is nothing to climb")
check.close(policy_gradient_exact(torch.tensor([1000.0, 0.0, -1000.0]), pays), torch.zeros(3), atol=1e-4,
            hint="wrong for very large and very negative logits: call torch.softmax")
### END HIDDEN TESTS

# %% [markdown]
# With the exact gradient one can simply walk uphill. The next cell does, from the real model's six tokens:

# %% tags=["demo"]
def show_ascent(steps: float) -> None:
    theta, climbed = start_logits.clone(), []
    for _ in range(int(steps)):
        climbed.append(float(expected_reward(theta, arm_rewards)))
        theta = theta + policy_gradient_exact(theta, arm_rewards)
    climbed.append(float(expected_reward(theta, arm_rewards)))
    fig, (left, right) = plots.figure(1, 2, size=(9.6, 3.0))
    left.plot(climbed, color=plots.BLUE)
    left.axhline(arm_rewards.max().item(), color=plots.GREY, ls="--", lw=1.2)
    left.set(xlabel="step", ylabel="expected reward")
    places = torch.arange(len(arms)).numpy()
    right.bar(places - 0.2, start_logits.softmax(0).numpy(), 0.4, color=plots.GREY, label="at the start")
    right.bar(places + 0.2, theta.softmax(0).numpy(), 0.4, color=plots.BLUE, label=f"after {int(steps)} steps")
    right.set_xticks(places, [f"{arm.strip()}\n{r:+.1f}" for arm, r in zip(arms, arm_rewards.tolist())], fontsize=9)
    right.set(ylabel="probability")
    right.legend()
    plots.caption(fig, "Exact gradient ascent on six tokens. Under each token is its reward. On the way it rests at 1, where warm has taken over: "
                  "the gradient of a rare token is small, however good the token is.",
                  "Left: the expected reward climbs to 1, rests, and climbs on towards the dashed line at 2. Right: bars before and after; "
                  "mild, rare at the start, has taken nearly everything.")


play(show_ascent, steps=slider(40, 0, 200, 5, "steps"))

# %% [markdown]
# ### REINFORCE
#
# A text of twenty tokens has $49{,}152^{20}$ alternatives. All we can do is draw some, score them, and average. Since torch
# minimises, one writes a *loss* whose gradient is minus the estimate; its value means nothing:
#
# $$ L = -\frac{1}{N} \sum_{i=1}^{N} \left( r_i - b \right) \log \pi_\theta(x_i), \qquad x_i \sim \pi_\theta $$
#
# The **baseline** $b$ may be any number that does not depend on $x_i$. It changes nothing on average, because
# $\mathbb{E}[\nabla \log \pi] = \sum_x \nabla \pi(x) = \nabla 1 = 0$. But it changes the noise: with $b$ close to $J$, a
# sample pushes only by how much it was better or worse than usual. What is left, $r - b$, is called the **advantage**.
#
# ### Exercise: `reinforce_loss` (4 points, 20 minutes)
#
# Write `reinforce_loss(log_probs, rewards, baseline)`, the formula above. `log_probs` (N,) holds $\log \pi_\theta(x_i)$ of
# the samples, and gradients must flow through it. `rewards` (N,) and `baseline` (a float, or a tensor (N,) with one for each
# sample) are plain numbers. Return a tensor of shape `()`: the mean over the samples.
#
# <details><summary>Hint 1</summary>A sample that did better than the baseline should become more likely when the loss goes
# down. Which sign is that?</details>
# <details><summary>Hint 2</summary>The advantage multiplies the <em>log</em>-probability. Both are (N,).</details>
# <details><summary>Hint 3</summary><code>-((rewards - baseline) * log_probs).mean()</code></details>

# %% nbgrader={"grade": false, "grade_id": "reinforce_loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def reinforce_loss(log_probs: Tensor, rewards: Tensor, baseline: float | Tensor) -> Tensor:
    """Minus the mean of (reward - baseline) * log-probability; Williams 1992.

    log_probs, rewards: (N,). baseline: a float or (N,). Returns a tensor of shape ().
    """
    ### BEGIN SOLUTION
    return -((rewards - baseline) * log_probs).mean()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_reinforce_loss", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
spoken, paid = torch.tensor([-1.0, -2.0, -0.5]), torch.tensor([1.0, 0.0, 4.0])  # with baseline 1: advantages 0, -1, 3
unchanged(reinforce_loss, spoken, paid, 1.0)
got = reinforce_loss(spoken, paid, 1.0)
if isinstance(got, Tensor) and got.shape == (3,):
    check.shape(got, (), hint="one number is wanted: the mean over the samples")
check.close(got, torch.tensor(-0.5 / 3), mistakes={
    "the sign: torch minimises, so the loss is minus the mean of advantage times log-probability": torch.tensor(0.5 / 3),
    "this is the sum over the samples: take the mean": torch.tensor(-0.5),
    "the baseline changed nothing: subtract it from the rewards": torch.tensor(1.0),
    "the baseline is subtracted from the rewards, not added": torch.tensor(6.5 / 3),
    "the baseline belongs to the rewards, not to the log-probabilities": torch.tensor(8.0 / 3),
    "the log-probabilities come in as logarithms: do not exponentiate them":
        -(torch.tensor([0.0, -1.0, 3.0]) * spoken.exp()).mean(),
    "you took a logarithm of what is a log-probability already": -(torch.tensor([0.0, -1.0, 3.0]) * (-spoken).log()).mean(),
    "the advantages are multiplied with the log-probabilities sample by sample, not mean with mean":
        -torch.tensor(2 / 3) * spoken.mean(),
}, hint="wanted minus the mean of (reward - baseline) * log-probability")
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(4)
said, got_paid, usual = -torch.rand(8, generator=generator), *torch.randn(2, 8, generator=generator)
for base in (0.0, -1.3, usual):
    terms = (got_paid.double() - base) * said.double()
    check.close(reinforce_loss(said, got_paid, base), -(terms.sum() / 8).float(),
                hint="wrong for eight random samples (a baseline of shape (N,) has one number for each)")
    pull = check.beside(gradients, reinforce_loss, (said, got_paid, base), (0,))
    check.that(pull is not None, "no gradient flows through the log-probabilities: use them as they come, without .detach()")
    check.close(pull[0], (base - got_paid) / 8, hint="the gradient with respect to the log-probabilities is wrong")


def expected_slope(loss_of, logits, rewards, baseline):
    """Gradient with respect to the logits, averaged exactly over which action is drawn."""
    logits = logits.clone().requires_grad_()
    log_p, total = logits.log_softmax(0), 0.0
    for k in range(len(logits)):
        total = total + log_p[k].detach().exp() * loss_of(log_p[k:k + 1], rewards[k:k + 1], baseline)
    total.backward()
    return logits.grad


some, worth = torch.randn(2, 5, generator=generator)
exact = some.softmax(0) * (worth - (some.softmax(0) * worth).sum())
for base in (0.0, 2.5):
    check.close(check.beside(expected_slope, reinforce_loss, some, worth, base), -exact,
                hint="averaged over all samples, the gradient is not minus the policy gradient")
### END HIDDEN TESTS

# %% [markdown]
# Right on average. How far off is a single estimate? The next cell takes 400 of them for each number of samples, with the
# expected reward as baseline and without any, where the rewards are those of before plus 3.

# %% tags=["demo"]
def estimates(n: int, baseline: float, rewards: Tensor, seed: int = 0) -> Tensor:
    """400 gradient estimates (400, K) from n samples each."""
    source = torch.Generator().manual_seed(seed)
    p = start_logits.softmax(0)
    drawn = torch.multinomial(p, 400 * n, replacement=True, generator=source).view(400, n)
    scores = F.one_hot(drawn, len(p)) - p  # gradient of log pi(x) with respect to the logits: (400, n, K)
    return ((rewards[drawn] - baseline)[..., None] * scores).mean(1)


raised = arm_rewards + 3
true_slope = policy_gradient_exact(start_logits, raised)
sizes = [1, 4, 16, 64, 256]
fig, ax = plots.figure(size=(6.8, 3.2))
for baseline, colour, name in ((0.0, plots.ORANGE, "no baseline"),
                               (float(expected_reward(start_logits, raised)), plots.BLUE, "baseline J")):
    error = [(estimates(n, baseline, raised) - true_slope).square().sum(1).mean().sqrt().item() for n in sizes]
    print(f"{name:<12} error with 1 sample {error[0]:.2f}, with 256 {error[-1]:.3f}; the gradient itself has length "
          f"{true_slope.norm():.2f}")
    ax.loglog(sizes, error, "o-", color=colour, label=name)
ax.axhline(true_slope.norm().item(), color=plots.GREY, ls="--", lw=1.2)
ax.text(1, true_slope.norm().item(), "length of the true gradient", va="top")
ax.set(xlabel="samples N", ylabel="error of the estimate")
ax.legend()
plots.caption(fig, "Root mean square error of the REINFORCE gradient. It falls as 1/√N, with any baseline.",
              "Two falling straight lines on logarithmic axes; the one with baseline lies lower throughout.")

# %% [markdown]
# This is what makes policy gradients hard (and why sections 3 to 6 exist):
#
# - **High variance.** With one sample, the error is several times the gradient itself. Four times the samples halve it.
# - **Large updates.** A step that is too large along a bad estimate takes probability away from actions that are then never
#   drawn again, and what is not drawn cannot come back. Supervised learning forgives a bad step; here the next *data*
#   comes from the damaged policy.
# - **Sample hunger.** Each sample is a whole text, written token by token and then scored, and after one step the policy is
#   another, so strictly speaking all samples must be thrown away.

# %% tags=["demo"]
def runs(rate: float, n: int = 4, steps: int = 150, repeats: int = 30) -> Tensor:
    """Expected reward (repeats, steps) of REINFORCE runs on the six tokens."""
    source, curves = torch.Generator().manual_seed(0), torch.zeros(repeats, steps)
    theta = start_logits.repeat(repeats, 1)
    for step in range(steps):
        p = theta.softmax(1)
        curves[:, step] = (p * arm_rewards).sum(1)
        drawn = torch.multinomial(p, n, replacement=True, generator=source)
        scores = F.one_hot(drawn, p.shape[1]) - p[:, None]
        theta = theta + rate * ((arm_rewards[drawn] - curves[:, step, None])[..., None] * scores).mean(1)
    return curves


fig, axes = plots.figure(1, 2, size=(9.6, 3.0), sharey=True)
for ax, rate in zip(axes, (0.5, 20.0), strict=True):
    curves = runs(rate)
    ax.plot(curves.T.numpy(), color=plots.BLUE, lw=0.8, alpha=0.5)
    stuck = (curves[:, -1] < arm_rewards.max() - 0.5).sum().item()
    ax.set(title=f"step size {rate:g}", xlabel="update")
    print(f"step size {rate:g}: {stuck} of {len(curves)} runs end more than 0.5 below the best reward")
axes[0].set(ylabel="expected reward")
plots.caption(fig, "Thirty runs of REINFORCE with four samples per update. With large steps, most settle within a few updates on a "
              "token that is not the best, and stay there.",
              "Left: thirty noisy curves rise to 1 and from there, one after another, to 2; a few are still at 1 at the end. "
              "Right: the curves jump in the first updates and are level from then on, some at 2 and most at 1.")

# %% [markdown]
# ## 3. Samples of another policy
#
# Sampling is the expensive part. Can samples of the policy of five minutes ago, $\pi_\text{old}$, still serve? Yes, if each
# is weighted by how much more likely it has become:
#
# $$ \mathbb{E}_{x \sim \pi}[f(x)] = \sum_x \pi_\text{old}(x) \frac{\pi(x)}{\pi_\text{old}(x)} f(x)
#    = \mathbb{E}_{x \sim \pi_\text{old}}[w(x) f(x)], \qquad w(x) = \frac{\pi(x)}{\pi_\text{old}(x)} $$
#
# This is **importance sampling** (Kahn and Marshall 1953). It is exact, wherever $\pi_\text{old}(x) > 0$. What it costs is
# variance: if the two differ much, most weights are nearly 0 and a few are huge, and 1,000 samples count as three. How many
# they count for is the **effective sample size** (Kong 1992):
#
# $$ \mathrm{ESS}(w) = \frac{\left(\sum_i w_i\right)^2}{\sum_i w_i^2} $$
#
# **Predict first.** A text has 100 tokens, and the new policy makes each of them 5 % more likely than the old one did. What
# is the weight of the text? And if there are texts in which each token became 5 % *less* likely?
#
# <details><summary>Answer</summary>
#
# 1.05<sup>100</sup> = 131.5, and 0.95<sup>100</sup> = 0.006. The ratio of a text is a product over its tokens, so small
# changes of a policy are large changes of a long text. It is the reason why PPO looks at the ratio token by token.
# </details>
#
# ### Exercise: `importance_weights` (1 point, 5 minutes)
#
# Write `importance_weights(logp_new, logp_old)`: the weights $w$ of samples from the old policy, given the log-probabilities
# of each sample under both. Both tensors have one shape, any; so has the result. The weights are not normalised. A
# log-probability may be −1,000, as that of a whole text. Gradients flow through `logp_new`: PPO will need them.
#
# <details><summary>Hint 1</summary>A quotient of probabilities is a difference of logarithms.</details>
# <details><summary>Hint 2</summary>exp(−1000) is 0 in float32. Subtract first.</details>
# <details><summary>Hint 3</summary><code>(logp_new - logp_old).exp()</code></details>

# %% nbgrader={"grade": false, "grade_id": "importance_weights", "locked": false, "schema_version": 3, "solution": true, "task": false}
def importance_weights(logp_new: Tensor, logp_old: Tensor) -> Tensor:
    """pi_new(x) / pi_old(x) of samples x of the old policy, from their log-probabilities; all of one shape."""
    ### BEGIN SOLUTION
    return (logp_new - logp_old).exp()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_importance_weights", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
now, then = torch.tensor([0.5, 0.25, 0.8]).log(), torch.tensor([0.2, 0.5, 0.8]).log()
check.close(importance_weights(now, then), torch.tensor([2.5, 0.5, 1.0]), mistakes={
    "upside down: what has become more likely weighs more": torch.tensor([0.4, 2.0, 1.0]),
    "these are the logarithms of the weights: exponentiate": now - then,
    "a quotient of probabilities is wanted, not their difference": now.exp() - then.exp(),
    "a quotient of logarithms is not the logarithm of the quotient: subtract them, then exponentiate": now / then,
    "do not normalise the weights to sum 1": torch.tensor([2.5, 0.5, 1.0]) / 4,
    "do not normalise the weights to mean 1": torch.tensor([2.5, 0.5, 1.0]) / 4 * 3,
}, hint="wanted pi_new / pi_old for each sample")
### BEGIN HIDDEN TESTS
check.close(importance_weights(torch.tensor([-1000.0, -950.0]), torch.tensor([-1001.0, -949.0])),
            torch.tensor([math.e, 1 / math.e]), hint="exp(-1000) is 0 in float32: subtract the logarithms first")
generator = torch.Generator().manual_seed(5)
a, b = torch.randn(2, 6, generator=generator)
weights = importance_weights(a.log_softmax(0), b.log_softmax(0))
check.close(weights, torch.softmax(a, 0) / torch.softmax(b, 0), hint="wrong for two random policies over six actions")
check.close(importance_weights(a.view(2, 3), b.view(2, 3)),
            torch.tensor([[math.exp(x - y) for x, y in zip(*rows, strict=True)]
                          for rows in zip(a.view(2, 3).tolist(), b.view(2, 3).tolist(), strict=True)]),
            hint="wrong for tensors of two axes")
check.close(importance_weights(torch.tensor([-1000.0, -10.0, -3.0]), torch.tensor([-1012.0, -10.0, -20.0])),
            torch.tensor([math.exp(12), 1.0, math.exp(17)]), rtol=1e-4, hint="wrong for weights far from 1, or log-probabilities far from each other")
unchanged(importance_weights, a, b)
pull = check.beside(gradients, importance_weights, (now, then), (0,))
check.that(pull is not None, "no gradient flows through logp_new: use it as it comes, without .detach()")
check.close(pull[0], torch.tensor([2.5, 0.5, 1.0]), hint="the gradient with respect to logp_new is wrong")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise: `effective_sample_size` (2 points, 10 minutes)
#
# Write `effective_sample_size(w)`, the formula above, for weights `w` (N,), none below 0 and not all 0. They need not be
# normalised, and their scale must not matter. Return one number between 1 and N.
#
# <details><summary>Hint 1</summary>N equal weights: what should come out? And if only one is not 0?</details>
# <details><summary>Hint 2</summary>The square of the sum is not the sum of the squares.</details>
# <details><summary>Hint 3</summary><code>w.sum() ** 2 / (w ** 2).sum()</code></details>

# %% nbgrader={"grade": false, "grade_id": "effective_sample_size", "locked": false, "schema_version": 3, "solution": true, "task": false}
def effective_sample_size(w: Tensor) -> Tensor:
    """(sum of w)^2 / (sum of w^2), between 1 and N; Kong 1992. w: (N,), not normalised."""
    ### BEGIN SOLUTION
    return w.sum() ** 2 / w.square().sum()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_effective_sample_size", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
some_w = torch.tensor([2.0, 0.5, 1.0])
check.close(one_number(effective_sample_size(some_w)), torch.tensor(12.25 / 5.25), mistakes={
    "upside down: the square of the sum is on top": torch.tensor(5.25 / 12.25),
    "the sum is to be squared": torch.tensor(3.5 / 5.25),
    "the weights below the line are to be squared, one by one": torch.tensor(3.5),
    "the weights are not normalised: divide by the square of their sum": torch.tensor(1 / 5.25),
    "this is a share of the samples: their number is wanted": torch.tensor(12.25 / 5.25 / 3),
    "this counts only the largest weight: sum of w over its maximum": torch.tensor(1.75),
}, hint="wanted (sum of w)^2 / (sum of w^2)")
### BEGIN HIDDEN TESTS
for n, size in ((1, 3.0), (7, 1.0), (7, 0.2)):
    check.close(one_number(effective_sample_size(torch.full((n,), size))), torch.tensor(float(n)),
                hint="equal weights: every sample counts fully, whatever the scale")
check.close(one_number(effective_sample_size(torch.tensor([0.0, 5.0, 0.0]))), torch.tensor(1.0),
            hint="if one sample has all the weight, it is the only one that counts")
many = torch.rand(50, generator=torch.Generator().manual_seed(6)) * 4
share = many.double() / many.double().sum()
for scale in (1.0, 1e-6, 1e6):
    check.close(one_number(effective_sample_size(many * scale)), (1 / (share @ share)).float(),
                hint="wrong for 50 random weights, some very small or very large")
check.close(one_number(effective_sample_size(torch.tensor([1.0, 1.0, 0.0, 0.0]))), torch.tensor(2.0),
            hint="wrong where some weights are 0: those samples do not count, the others do")
unchanged(effective_sample_size, many)
### END HIDDEN TESTS

# %% [markdown]
# Back to the weather. The old policy is the real model's; the new one has taken some exact gradient steps. The mean reward
# of the *new* policy is estimated from 200 samples of the *old* one.

# %% tags=["demo"]
def show_weights(steps: float) -> None:
    theta, sizes_left, kept = start_logits.clone(), [], None
    old = start_logits.log_softmax(0)
    drawn = torch.multinomial(old.exp(), 200, replacement=True, generator=torch.Generator().manual_seed(0))
    for step in range(121):
        w = importance_weights(theta.log_softmax(0)[drawn], old[drawn])
        sizes_left.append(float(effective_sample_size(w)))
        if step == int(steps):
            kept = theta, w
        theta = theta + policy_gradient_exact(theta, arm_rewards)
    theta, w = kept
    estimate = (w * arm_rewards[drawn]).mean().item()
    fig, (left, right) = plots.figure(1, 2, size=(9.6, 3.0))
    left.hist(w.numpy(), bins=30, color=plots.BLUE)
    left.set(xlabel="weight of a sample", ylabel="samples", title=f"after {int(steps)} steps")
    right.plot(sizes_left, color=plots.BLUE)
    right.plot(int(steps), sizes_left[int(steps)], "o", color=plots.ORANGE)
    right.set(xlabel="steps since the samples were drawn", ylabel="effective sample size", ylim=(0, 210))
    plots.caption(fig, f"200 samples of the old policy count for {sizes_left[int(steps)]:.0f}. They estimate the new policy's "
                  f"expected reward as {estimate:.2f}; exactly it is {float(expected_reward(theta, arm_rewards)):.2f}.",
                  "Left: a histogram of weights, most near 0 and some large. Right: the effective sample size falls from 200 "
                  "as the new policy moves away.")


play(show_weights, steps=slider(20, 0, 120, 5, "steps"))

# %% [markdown]
# ## 4. How far is too far?
#
# The weights say that a new policy must stay near the old one. Near in what sense? Not in parameters: the same change of
# $\theta$ can do nothing at all, or turn the policy upside down. What counts is how different the *distributions* are, and
# the usual measure is the **Kullback-Leibler divergence** (Kullback and Leibler 1951):
#
# $$ \mathrm{KL}(p \,\|\, q) = \sum_x p(x) \log \frac{p(x)}{q(x)} = \mathbb{E}_{x \sim p}\!\left[ \log p(x) - \log q(x) \right] \ge 0 $$
#
# It is 0 only if $p = q$, and it is not symmetric. In RLHF one takes $p = \pi$, the policy that is trained and that the
# samples come from, and $q = \pi_\text{ref}$. Then what is expensive is to say things that the reference would never say.
#
# **Predict first.** One policy always says *yes*; the other says *yes* and *no* with probability ½ each. What is the
# divergence in either direction?
#
# <details><summary>Answer</summary>
#
# KL(always yes ‖ coin) = 1 · log(1 / ½) = log 2 = 0.69 nats. KL(coin ‖ always yes) = ½ log ½ + ½ log(½ / 0) = ∞: half of the
# time it says something that the other never would. To become more certain costs a little, to say the unheard-of costs
# everything.
# </details>
#
# ### Exercise: `kl_exact` (2 points, 10 minutes)
#
# Write `kl_exact(p_logits, q_logits)`: $\mathrm{KL}(p \,\|\, q)$ in nats for $p$ = softmax(`p_logits`), $q$ =
# softmax(`q_logits`), both float32 (K,). Return one number. It must survive logits that are hundreds apart, where
# probabilities round to 0.
#
# <details><summary>Hint 1</summary>Logits are log-probabilities plus a constant, but the two constants differ.</details>
# <details><summary>Hint 2</summary><code>log_softmax</code> gives finite logarithms even where the probability rounds to
# 0.</details>
# <details><summary>Hint 3</summary><code>logp, logq = p_logits.log_softmax(0), q_logits.log_softmax(0)</code>, then
# <code>(logp.exp() * (logp - logq)).sum()</code></details>

# %% nbgrader={"grade": false, "grade_id": "kl_exact", "locked": false, "schema_version": 3, "solution": true, "task": false}
def kl_exact(p_logits: Tensor, q_logits: Tensor) -> Tensor:
    """KL(p || q) in nats, p = softmax(p_logits), q = softmax(q_logits), both (K,). Returns one number."""
    ### BEGIN SOLUTION
    logp, logq = p_logits.log_softmax(0), q_logits.log_softmax(0)
    return (logp.exp() * (logp - logq)).sum()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_kl_exact", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
p3, q3 = torch.tensor([0.5, 0.4, 0.1]), torch.tensor([0.2, 0.2, 0.6])
lift = p3.log() + 1.0, q3.log() - 0.5  # logits: log-probabilities plus a constant
true_kl = 0.5 * math.log(2.5) + 0.4 * math.log(2) + 0.1 * math.log(1 / 6)
check.close(one_number(kl_exact(*lift)), torch.tensor(true_kl), mistakes={
    "the wrong way round: the expectation is over p, the first argument":
        torch.tensor(0.2 * math.log(0.4) + 0.2 * math.log(0.5) + 0.6 * math.log(6)),
    "the sign: p log(p / q), which sums to 0 or more": torch.tensor(-true_kl),
    "the constants of the two logits differ: turn both into log-probabilities before you subtract":
        torch.tensor(true_kl + 1.5),
    "this is the cross-entropy: subtract the entropy of p": -(p3 * q3.log()).sum(),
    "this is the entropy of p alone: compare it with q": -(p3 * p3.log()).sum(),
    "each logarithm is weighted by p(x): this is the plain sum": (p3 / q3).log().sum(),
    "each logarithm is weighted by p(x), and summed: this is the plain mean": (p3 / q3).log().mean(),
    "a sum over the outcomes is wanted, not a mean": torch.tensor(true_kl / 3),
    "these are bits: take natural logarithms": torch.tensor(true_kl / math.log(2)),
    "that is the sum of both directions; one is wanted": ((p3 - q3) * (p3 / q3).log()).sum(),
}, hint="wanted the sum of p (log p - log q)")
check.close(one_number(kl_exact(torch.tensor([0.0, -300.0]), torch.tensor([-300.0, 0.0]))), torch.tensor(300.0), rtol=1e-4,
            hint="wrong where probabilities round to 0: log(0) is minus infinity, so take log_softmax of the logits")
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(7)
for k, scale in ((2, 1.0), (5, 2.0), (40, 3.0)):
    a, b = scale * torch.randn(2, k, generator=generator)
    want = torch.distributions.kl_divergence(torch.distributions.Categorical(logits=a.double()),
                                             torch.distributions.Categorical(logits=b.double()))
    check.close(one_number(kl_exact(a, b)), want.float(), atol=5e-5, rtol=1e-4, hint=f"wrong for {k} outcomes")
check.close(one_number(kl_exact(a, a + 3)), torch.tensor(0.0), atol=1e-5,
            hint="the same distribution: a constant added to all logits changes nothing, and the divergence is 0")
check.close(one_number(kl_exact(torch.tensor([0.0, -900.0, -5.0]), torch.tensor([-900.0, 0.0, -900.0]))), torch.tensor(900.0), rtol=1e-2,
            hint="wrong where the distributions hardly overlap: take log_softmax of the logits, and cut nothing off")
unchanged(kl_exact, a, b)
### END HIDDEN TESTS

# %% [markdown]
# A look at the real model: how far does its next-token distribution move, over all 49,152 tokens, when the temperature
# changes (unit 04)? The two directions are not the same.

# %% tags=["demo"]
temperatures = torch.linspace(0.4, 2.0, 33)
there = [float(kl_exact(next_logits / t, next_logits)) for t in temperatures.tolist()]
back = [float(kl_exact(next_logits, next_logits / t)) for t in temperatures.tolist()]
fig, ax = plots.figure(size=(6.6, 3.0))
ax.plot(temperatures.numpy(), there, color=plots.BLUE, label="KL(changed ‖ model)")
ax.plot(temperatures.numpy(), back, color=plots.ORANGE, label="KL(model ‖ changed)")
ax.set(xlabel="temperature", ylabel="nats")
ax.legend()
plots.caption(fig, "Divergence between the model's distribution after The weather today is and the same at another temperature.",
              "Two curves that touch 0 at temperature 1 and rise on both sides. On the left the orange one rises much faster, on the "
              "right the blue one a little.")
print(f"at temperature 2: KL(changed ‖ model) = {there[-1]:.2f}, KL(model ‖ changed) = {back[-1]:.2f} nats")

# %% [markdown]
# ### The trust region
#
# **TRPO** (Schulman et al. 2015, eq. 14) makes the distance a *constraint*. Maximise what importance sampling promises, but
# stay where it can be believed:
#
# $$ \max_\theta \; \mathbb{E}_{x \sim \pi_\text{old}}\!\left[ \frac{\pi_\theta(x)}{\pi_\text{old}(x)} A(x) \right]
#    \quad \text{subject to} \quad \mathbb{E}\left[ \mathrm{KL}(\pi_\text{old} \,\|\, \pi_\theta) \right] \le \delta $$
#
# Near $\theta_\text{old}$ the divergence has no first-order term, because 0 is its minimum. Its **second order** is a
# quadratic form with the **Fisher matrix** $F$, the curvature of the divergence:
#
# $$ \mathrm{KL}(\pi_\text{old} \,\|\, \pi_{\theta_\text{old} + \Delta}) \approx \tfrac{1}{2} \Delta^\top F \Delta, \qquad
#    F = \mathbb{E}\left[ \nabla \log \pi \, \nabla \log \pi^\top \right] $$
#
# The objective is replaced by its gradient $g$, the constraint by this form, and the best step is the **natural gradient**
# (Kakade 2001), as long as the constraint permits:
#
# $$ \Delta = \sqrt{\frac{2 \delta}{g^\top F^{-1} g}} \; F^{-1} g $$
#
# For a softmax, $F = \mathrm{diag}(\pi) - \pi \pi^\top$, and $F v$ is $\pi_k (v_k - \mathbb{E}_\pi[v])$. You have written
# that already: it is `policy_gradient_exact(logits, v)`. So $g = F r$, and $F^{-1} g$ is the reward itself, up to a
# constant. The natural gradient simply raises each logit by its reward, however rare the action is.
#
# **Predict first.** An action has probability 0.999. Its logit is raised by 1, once by itself, and once in a policy where the
# action has probability 0.5. Which of the two policies changed more?
#
# <details><summary>Answer</summary>
#
# The second, by far: 0.5 becomes 0.731, but 0.999 becomes 0.9996. The same distance in parameters is another distance between
# distributions, and F knows: its entry is p(1 − p), 0.25 in one case and 0.001 in the other.
# </details>

# %% tags=["demo"]
step_sizes = torch.linspace(0, 3, 61)
fig, (left, right) = plots.figure(1, 2, size=(9.8, 3.2))
for top, colour in ((0.5, plots.BLUE), (0.9, plots.ORANGE), (0.999, plots.GREEN)):
    old = torch.tensor([top, (1 - top) / 2, (1 - top) / 2]).log()
    way = torch.tensor([1.0, 0.0, 0.0])
    exact = [float(kl_exact(old, old + s * way)) for s in step_sizes.tolist()]
    curvature = float(way @ policy_gradient_exact(old, way))  # way^T F way
    left.plot(step_sizes.numpy(), exact, color=colour, label=f"probability {top:g}")
    left.plot(step_sizes.numpy(), (0.5 * curvature * step_sizes**2).numpy(), color=colour, ls="--", lw=1.2)
left.set(xlabel="change of the logit", ylabel="KL(old ‖ new)", ylim=(-0.01, 0.5))
left.legend()
slope = policy_gradient_exact(start_logits, arm_rewards)
natural = arm_rewards - expected_reward(start_logits, arm_rewards)
for direction, colour, name in ((slope, plots.ORANGE, "gradient"), (natural, plots.BLUE, "natural gradient")):
    walks = [start_logits + s * direction / direction.norm() for s in torch.linspace(0, 4, 81).tolist()]
    right.plot([float(kl_exact(start_logits, z)) for z in walks], [float(expected_reward(z, arm_rewards)) for z in walks],
               color=colour, label=name)
right.set(xlabel="KL(old ‖ new)", ylabel="expected reward", xlim=(0, 0.6))
right.legend()
plots.caption(fig, "Left: the divergence (full) and its second-order form (dashed). Right: reward bought by moving along two "
              "directions from the six tokens, against the divergence it costs.",
              "Left: three rising curves with dashed parabolas that fit near 0; the curve for probability 0.999 stays at 0. "
              "Right: two rising curves, that of the natural gradient above the other.")

# %% [markdown]
# TRPO solves $F^{-1} g$ with conjugate gradients, then shortens the step until the true divergence fits. For a model with
# billions of weights this is a lot of machinery. PPO, in section 6, throws it out and keeps the idea.
#
# ### Estimating the divergence
#
# For texts, the sum over all $x$ is out of reach again, but we have samples $x \sim p$ and their log-probabilities under
# both. Let $\rho = q(x) / p(x)$. Three estimates for one sample (Schulman 2020):
#
# $$ k_1 = -\log \rho, \qquad k_2 = \tfrac{1}{2} (\log \rho)^2, \qquad k_3 = (\rho - 1) - \log \rho $$
#
# $k_1$ is the definition, right on average, but its single values are negative as often as not. $k_2$ is never negative, and
# slightly biased. $k_3$ is never negative *and* right on average: $\mathbb{E}_p[\rho] = \sum_x q(x) = 1$, so what is added
# to $k_1$ has mean 0, and it moves against $k_1$.
#
# **Predict first.** $p$ and $q$ are almost the same, with a true divergence of 0.005. Which of the three has the largest
# spread between samples, and is it larger than 0.005?
#
# <details><summary>Answer</summary>
#
# k<sub>1</sub>, by far. To second order the divergence is half the variance of log ρ, so the spread of k<sub>1</sub> is about
# √(2 · 0.005) = 0.1, twenty times what is to be measured. The other two are of the order of (log ρ)²/2, so their spread is
# of the order of the divergence itself.
# </details>
#
# ### Exercise: `kl_estimates` (3 points, 15 minutes)
#
# Write `kl_estimates(logp, logq)` → `(k1, k2, k3)`: estimates of $\mathrm{KL}(p \,\|\, q)$ from samples that were drawn from
# $p$. `logp` and `logq` (N,) are the log-probabilities of the samples under $p$ and $q$. Return a tuple of three tensors
# (N,), one estimate for each sample, whose mean over many samples is the estimate that one reports. (A tuple of the three
# means is accepted as well.)
#
# <details><summary>Hint 1</summary>All three are functions of log ρ = log q − log p alone.</details>
# <details><summary>Hint 2</summary>Where a sample is likelier under p than under q, log ρ is negative and k<sub>1</sub>
# positive.</details>
# <details><summary>Hint 3</summary><code>log_ratio = logq - logp</code>; then <code>-log_ratio</code>, <code>log_ratio ** 2 /
# 2</code> and <code>log_ratio.exp() - 1 - log_ratio</code></details>

# %% nbgrader={"grade": false, "grade_id": "kl_estimates", "locked": false, "schema_version": 3, "solution": true, "task": false}
def kl_estimates(logp: Tensor, logq: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(k1, k2, k3): three estimates of KL(p || q) for each of N samples x ~ p; Schulman 2020.

    logp, logq: (N,), log p(x) and log q(x). Returns three tensors (N,).
    """
    ### BEGIN SOLUTION
    log_ratio = logq - logp
    return -log_ratio, log_ratio.square() / 2, log_ratio.exp() - 1 - log_ratio
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_kl_estimates", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
under_p, under_q = torch.tensor([0.5, 0.2, 0.8, 0.1]).log(), torch.tensor([0.25, 0.3, 0.8, 0.2]).log()


def three_estimates(logp, logq, *, reverse=False, half=0.5, shift=1.0):
    ratios = [math.exp(a - b if reverse else b - a) for a, b in zip(logp.tolist(), logq.tolist(), strict=True)]
    logs = [math.log(ratio) for ratio in ratios]
    return (torch.tensor([-x for x in logs]), torch.tensor([half * x * x for x in logs]),
            torch.tensor([ratio - shift - x for ratio, x in zip(ratios, logs, strict=True)]))


def check_estimates(got, logp, logq, hint, mistakes=None):
    """Compare three tensors of estimates, or of their means, one estimate at a time."""
    check.that(isinstance(got, tuple | list | Tensor) and len(got) == 3, "return three things: k1, k2, k3")
    want = three_estimates(logp, logq)
    for number in range(3):
        mean = isinstance(got[number], float) or (isinstance(got[number], Tensor) and got[number].ndim == 0)
        settle = (lambda k: k.mean()) if mean else (lambda k: k)
        check.close(one_number(got[number]), settle(want[number]), atol=2e-5,
                    mistakes={sentence: settle(wrong[number]) for sentence, wrong in (mistakes or {}).items()
                              if sentence.startswith((f"k{number + 1}", "the order"))},
                    hint=f"k{number + 1} is wrong: {hint}")


turned = three_estimates(under_p, under_q, reverse=True)
check_estimates(kl_estimates(under_p, under_q), under_p, under_q, "compare with the three formulas", {
    "k1 has the wrong sign: it is log p - log q for samples of p": turned,
    "k2 is half the square": three_estimates(under_p, under_q, half=1.0),
    "k3: the 1 has to be subtracted, so that it is 0 where p and q agree": three_estimates(under_p, under_q, shift=0.0),
    "k3 has the wrong ratio: with samples of p it is q / p": turned,
    "k3 has one sign wrong: (ratio - 1) - log ratio":
        tuple(torch.tensor([math.exp(x) - 1 + x for x in (under_q - under_p).tolist()]) for _ in range(3)),
    "the order is k1, k2, k3":
        three_estimates(under_p, under_q)[::-1],
})
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(8)
for n in (1, 3, 20):
    a, b = -3 * torch.rand(2, n, generator=generator)
    check_estimates(kl_estimates(a, b), a, b, f"compare with the formula for {n} random samples")
# Averaged exactly over p, k1 and k3 are the divergence.
a, b = torch.randn(2, 6, generator=generator).log_softmax(1)
divergence = F.kl_div(b, a, reduction="sum", log_target=True)
found = kl_estimates(a, b)
if isinstance(found[0], Tensor) and found[0].shape == (6,):
    for number in (0, 2):
        check.close((a.exp() * found[number]).sum(), divergence, atol=1e-5,
                    hint=f"the mean of k{number + 1} over p is not the divergence KL(p || q)")
check.equal(check.beside(lambda f, x, y: (f(x, y), [x, y])[1], kl_estimates, a, b), [a, b],
            hint="you changed an argument in place")
### END HIDDEN TESTS

# %% [markdown]
# The three at work on the real model's distribution, against a slightly and a strongly changed temperature. Each dot is an
# estimate from 50 samples.

# %% tags=["demo"]
def spread(temperature: float, n: int = 50, repeats: int = 200) -> tuple[float, Tensor]:
    """The true divergence from the model's distribution, and estimates (3, repeats) of it from n samples each."""
    p_logits, q_logits = next_logits / temperature, next_logits
    drawn = torch.multinomial(p_logits.softmax(0), n * repeats, replacement=True,
                              generator=torch.Generator().manual_seed(0)).view(repeats, n)
    logp, logq = p_logits.log_softmax(0), q_logits.log_softmax(0)
    found = [torch.stack([torch.as_tensor(k).mean() for k in kl_estimates(logp[row], logq[row])]) for row in drawn]
    return float(kl_exact(p_logits, q_logits)), torch.stack(found, 1)


fig, axes = plots.figure(1, 2, size=(9.6, 3.2))
for ax, temperature in zip(axes, (0.95, 0.6), strict=True):
    truth, found = spread(temperature)
    for number in range(3):
        ax.scatter(found[number].numpy(), 2 - number + torch.linspace(-0.25, 0.25, found.shape[1]).numpy(), s=6,
                   color=plots.CYCLE[number])
    ax.axvline(truth, color=plots.INK, lw=1.2)
    ax.set(title=f"temperature {temperature:g}", xlabel="estimate (nats)")
    ax.set_yticks([2, 1, 0], ["k1", "k2", "k3"])
    summary = ", ".join(f"k{i + 1} {found[i].mean():.4f} ± {found[i].std():.4f}" for i in range(3))
    print(f"temperature {temperature:g}: true divergence {truth:.4f}; {summary}")
plots.caption(fig, "200 estimates from 50 samples each. The line is the true divergence.",
              "Two panels of three dotted bands. Left: k1 is by far the widest and reaches below 0; k2 and k3 are narrow and on "
              "the line. Right: k2 is narrow but lies left of the line; most of k3 does too, with a few estimates far to the "
              "right.")

# %% [markdown]
# Close together, as policy and reference are at the start, $k_3$ is the one to use. Far apart the picture turns round: $k_2$
# is plainly wrong, and $k_3$ is still right on average, but only thanks to rare samples with a huge $\rho$. There the plain
# $k_1$ has the smaller spread of the two honest ones.

# %% [markdown]
# ## 5. Which step deserves it?
#
# A text gets one reward, at its end, and consists of many choices. Which of them deserves the credit? The tool is a
# **value function** $V(s)$: the reward still to be expected from a state $s$ (here: a text so far) on. If the value rises by
# a step, the step was good. With the reward $r_t$ of step $t$ and a discount $\gamma$ (1 for texts, mostly), the surprise of
# step $t$ is
#
# $$ \delta_t = r_t + \gamma V(s_{t+1}) - V(s_t) $$
#
# One can trust the value function and use $\delta_t$ as the advantage: little noise, but wrong where $V$ is wrong. Or add up
# all that really happened until the end: right on average, and noisy. **Generalised advantage estimation** goes between
# (Schulman et al. 2016, eq. 16):
#
# $$ A_t = \delta_t + (\gamma\lambda)\, \delta_{t+1} + (\gamma\lambda)^2\, \delta_{t+2} + \dots
#    \qquad\text{or}\qquad A_t = \delta_t + \gamma\lambda A_{t+1} $$
#
# With $\lambda = 0$ only the next step counts, with $\lambda = 1$ it is the whole rest of the episode minus $V(s_t)$. Two
# things end with an **episode**: the value after it is 0, and no surprise of the next episode may leak into this one.
#
# **Predict first.** An episode of five steps, reward 1 at the last, all values 0, $\gamma = 1$. What is the advantage of the
# first step with $\lambda = 1$, with $\lambda = 0$, and with $\lambda = 0.95$?
#
# <details><summary>Answer</summary>
#
# 1, 0, and 0.95⁴ = 0.81. All δ are 0 but the last, which is 1. With λ = 0 the first step would never hear of the reward; it
# has to wait until the value function has learned about it, backwards, step by step.
# </details>
#
# ### Exercise: `gae` (4 points, 25 minutes)
#
# Write `gae(rewards, values, dones, gamma, lam)`: the advantages, a float32 tensor (T,).
#
# - `rewards` (T,): the reward of each step;
# - `values` (**T + 1**,): $V$ of the state *before* each step, and, last, of the state after the final step. It is the
#   **bootstrap**, for an episode that was cut off rather than finished;
# - `dones` (T,), float32 of 0s and 1s: 1 where the episode *ended with* this step. Then the value after it counts as 0, and
#   what comes later in the tensors is another episode;
# - `gamma` and `lam`: floats.
#
# Leave the arguments as they are.
#
# <details><summary>Hint 1</summary>The second form of the equation runs backwards: the last step first.</details>
# <details><summary>Hint 2</summary><code>1 - dones[t]</code> is a factor that does both things at the end of an
# episode. Where does it stand?</details>
# <details><summary>Hint 3</summary>For t from T − 1 down to 0: <code>alive = 1 - dones[t]</code>, <code>delta = rewards[t] +
# gamma * values[t + 1] * alive - values[t]</code>, <code>running = delta + gamma * lam * alive * running</code>.</details>

# %% nbgrader={"grade": false, "grade_id": "gae", "locked": false, "schema_version": 3, "solution": true, "task": false}
def gae(rewards: Tensor, values: Tensor, dones: Tensor, gamma: float, lam: float) -> Tensor:
    """Generalised advantage estimates (T,); Schulman et al. 2016, eq. 16.

    rewards: (T,). values: (T + 1,), the last one of the state after the final step. dones: (T,), 1.0 where the episode
    ended with this step, else 0.0.
    """
    ### BEGIN SOLUTION
    advantages, running = torch.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        alive = 1.0 - float(dones[t])
        delta = rewards[t] + gamma * alive * values[t + 1] - values[t]
        running = delta + gamma * lam * alive * running
        advantages[t] = running
    return advantages
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_gae", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
def by_definition(rewards, values, dones, gamma, lam, *, cut_value=True, cut_sum=True, last=None, early=0):
    """Advantages as explicit sums of the surprises; the keywords make the usual mistakes."""
    r, v, d = rewards.tolist(), values.tolist(), dones.tolist()
    if last is not None:
        v[-1] = last
    over = [d[max(t - early, 0)] if t >= early else 0.0 for t in range(len(r))]
    delta = [r[t] + gamma * (0.0 if over[t] and cut_value else v[t + 1]) - v[t] for t in range(len(r))]
    sums = []
    for t in range(len(r)):
        total = 0.0
        for k in range(t, len(r)):
            total += (gamma * lam) ** (k - t) * delta[k]
            if over[k] and cut_sum:
                break
        sums.append(total)
    return torch.tensor(sums)


rewards = torch.tensor([1.0, 0.0, 2.0, -1.0, 0.5])
values = torch.tensor([0.5, 1.0, -1.0, 2.0, 3.0, 4.0])
dones = torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0])
case = (rewards, values, dones, 0.9, 0.5)
unchanged(gae, *case)
got = gae(*case)
correct = by_definition(*case)
check.close(got, correct, mistakes={
    "the value of the next episode leaks in: after a done the value counts as 0": by_definition(*case, cut_value=False),
    "advantages of the next episode leak in: a done stops the sum too": by_definition(*case, cut_sum=False),
    "`dones` changed nothing: it stops the bootstrap and the sum": by_definition(*case, cut_value=False, cut_sum=False),
    "dones[t] = 1 means that the episode ended with step t, not before it": by_definition(*case, early=1),
    "the last entry of `values` is the bootstrap of the final step: do not leave it out": by_definition(*case, last=0.0),
    "`lam` changed nothing: the factor of each later surprise is gamma * lam": by_definition(*case[:4], 1.0),
    "gamma belongs to the sum as well: the factor of each later surprise is gamma * lam":
        lambda: torch.stack([sum(0.5 ** (k - t) * by_definition(rewards, values, dones, 0.9, 0.0)[k]
                                 for k in range(t, 2 if t < 2 else 5)) for t in range(5)]),
    "these are the surprises delta alone, not yet summed": by_definition(*case[:4], 0.0),
    "these are returns: the values must not be added back": correct + values[:5],
    "the sum runs forwards: credit goes to earlier steps, so start from the end": lambda: torch.stack([
        sum(0.45 ** (t - k) * by_definition(rewards, values, dones, 0.9, 0.0)[k]
            for k in range(0 if t < 2 else 2, t + 1)) for t in range(5)]),
    "the surprise is reward plus next value minus this value, not the other way round": -correct,
    "the advantages are wanted as they are, not shifted and scaled": (correct - correct.mean()) / correct.std(),
}, hint="wanted delta[t] + gamma * lam * (advantage of the next step), from the end backwards")
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(9)
for T, factor, memory, ends in ((1, 0.9, 0.8, []), (1, 0.9, 0.8, [0]), (6, 1.0, 0.95, [5]), (8, 0.7, 0.3, [0, 4]),
                            (8, 0.99, 1.0, [3, 4, 7]), (5, 0.5, 0.0, []), (5, 0.0, 0.9, [2])):
    r, v = torch.randn(T, generator=generator), torch.randn(T + 1, generator=generator)
    d = torch.zeros(T)
    d[ends] = 1.0
    check.close(gae(r, v, d, factor, memory), by_definition(r, v, d, factor, memory), atol=5e-5,
                hint=f"wrong for {T} steps with gamma = {factor}, lam = {memory} and ends of episodes after the steps {ends}")
### END HIDDEN TESTS

# %% [markdown]
# Move λ. The episode has twelve steps and a reward of 1 at the end. The value function is a pessimist in the first half, and
# notices at step 6 that things go well.

# %% tags=["demo"]
def show_lambda(lam: float) -> None:
    hopes = torch.tensor([0.2] * 6 + [0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.0])
    payment = torch.zeros(12)
    payment[-1] = 1.0
    credit = gae(payment, hopes, payment, 1.0, lam)  # the episode ends where the reward comes
    fig, (left, right) = plots.figure(1, 2, size=(9.6, 2.8))
    left.step(range(12), hopes[:12].numpy(), where="mid", color=plots.GREEN)
    left.set(xlabel="step", ylabel="value before the step", ylim=(0, 1.05))
    right.bar(range(12), credit.numpy(), color=plots.BLUE)
    right.set(xlabel="step", ylabel="advantage", ylim=(0, 1))
    plots.caption(fig, f"Credit with λ = {lam:g}. With small λ it goes to the step where the value jumped, with λ = 1 to all "
                  "steps that led there.",
                  "Left: the value is 0.2 for six steps, jumps to 0.7 and rises to 0.95. Right: bars of the advantages.")


play(show_lambda, lam=slider(0.8, 0, 1, 0.05, "λ"))

# %% [markdown]
# ## 6. PPO and its two old policies
#
# **PPO** (Schulman et al. 2017, eq. 7) replaces TRPO's constraint by a plain loss. Draw texts from $\pi_\text{old}$, the
# policy as it is *now*. Then take several gradient steps on the same texts, with the ratio $w_t = \pi_\theta(a_t | s_t) /
# \pi_\text{old}(a_t | s_t)$ of each token, and take away the reason for moving it far from 1:
#
# $$ L = -\frac{1}{N} \sum_{t} \min\!\Big( w_t A_t, \;\; \mathrm{clip}(w_t, 1 - \varepsilon, 1 + \varepsilon)\, A_t \Big) $$
#
# The minimum makes it a *pessimistic* bound. Gains from going beyond the clip do not count; losses always do.

# %% tags=["demo"]
ratio = torch.linspace(0, 2, 201)
fig, axes = plots.figure(1, 2, size=(9.6, 3.0))
for ax, advantage in zip(axes, (1.0, -1.0), strict=True):
    plain, clipped = ratio * advantage, ratio.clamp(0.8, 1.2) * advantage
    ax.plot(ratio.numpy(), plain.numpy(), color=plots.GREY, ls="--", lw=1.2, label="w A")
    ax.plot(ratio.numpy(), torch.minimum(plain, clipped).numpy(), color=plots.BLUE, lw=3, label="PPO")
    ax.plot(1, advantage, "o", color=plots.ORANGE)
    ax.set(title=f"advantage {advantage:+.0f}", xlabel="ratio w", ylabel="objective")
    ax.legend()
plots.caption(fig, "What one token contributes, with ε = 0.2. Training starts at the dot. Where the curve is level, the token has "
              "no gradient.",
              "Left: for a positive advantage the objective rises to 1.2 and is level from there. Right: for a negative one it "
              "is level at −0.8 up to a ratio of 0.8 and falls from there without end.")

# %% [markdown]
# **Predict first.** An update was too large, and a token with a *negative* advantage is now three times as likely as before.
# Does the clip take its gradient away?
#
# <details><summary>Answer</summary>
#
# No, and that is what the minimum is for. The ratio of 3 is outside the clip, but on the side where things got worse: w A =
# −3 is smaller than the clipped −1.2, so the minimum takes w A, and the gradient pushes the token back with full strength.
# A clip without the minimum would leave the token where it is.
# </details>
#
# ### Exercise: `ppo_clip_loss` (4 points, 20 minutes)
#
# Write `ppo_clip_loss(logp_new, logp_old, advantages, clip)`, the loss $L$ above, as a tensor of shape `()`. The first three
# are float tensors (N,): log-probabilities of N tokens under the policy that is trained and under the one that wrote them,
# and the advantages. `clip` is the float $\varepsilon$. The gradient flows through `logp_new`; the others are plain numbers.
# Leave all of them as they are.
#
# <details><summary>Hint 1</summary>The ratio is an importance weight.</details>
# <details><summary>Hint 2</summary>Clip the ratio, then multiply by the advantage. The minimum is taken token by token, before
# the mean.</details>
# <details><summary>Hint 3</summary><code>w = importance_weights(logp_new, logp_old)</code>, then <code>-torch.minimum(w *
# advantages, w.clamp(1 - clip, 1 + clip) * advantages).mean()</code></details>

# %% nbgrader={"grade": false, "grade_id": "ppo_clip_loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def ppo_clip_loss(logp_new: Tensor, logp_old: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """Minus the mean of min(w A, clip(w, 1 - clip, 1 + clip) A); Schulman et al. 2017, eq. 7.

    logp_new, logp_old, advantages: (N,). Returns a tensor of shape ().
    """
    ### BEGIN SOLUTION
    w = importance_weights(logp_new, logp_old)
    return -torch.minimum(w * advantages, w.clamp(1 - clip, 1 + clip) * advantages).mean()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_ppo_clip_loss", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
w = torch.tensor([1.5, 0.5, 1.1, 1.5, 0.5, 0.9])
gain = torch.tensor([1.4, 2.5, -2.0, -1.0, -3.0, 1.0])
before = torch.tensor([0.1, 0.4, 0.5, 0.2, 0.6, 0.3]).log()
after = before + w.log()
inside = w.clamp(0.8, 1.2)
unchanged(ppo_clip_loss, after, before, gain, 0.2)
got = ppo_clip_loss(after, before, gain, 0.2)
if isinstance(got, Tensor) and got.shape == (6,):
    check.shape(got, (), hint="one number is wanted: the mean over the tokens")
check.close(got, torch.tensor(-(1.68 + 1.25 - 2.2 - 1.5 - 2.4 + 0.9) / 6), mistakes={
    "the sign: this is the objective, and the loss is minus that": torch.minimum(w * gain, inside * gain).mean(),
    "nothing is clipped": -(w * gain).mean(),
    "the minimum is missing: a token that got worse must keep its gradient": -(inside * gain).mean(),
    "the minimum of the two, not the maximum: the bound is pessimistic": -torch.maximum(w * gain, inside * gain).mean(),
    "this is the sum over the tokens: take the mean": -torch.minimum(w * gain, inside * gain).sum(),
    "the ratio is upside down: new over old": -torch.minimum(gain / w, (1 / w).clamp(0.8, 1.2) * gain).mean(),
    "these are log-ratios: exponentiate the difference of the log-probabilities":
        -torch.minimum(w.log() * gain, w.log().clamp(0.8, 1.2) * gain).mean(),
    "the ratio is clipped around 1, from 1 - clip to 1 + clip, not around 0":
        -torch.minimum(w * gain, w.clamp(-0.2, 0.2) * gain).mean(),
    "the ratio is clipped on both sides": -torch.minimum(w * gain, w.clamp(max=1.2) * gain).mean(),
    "the minimum is taken token by token, before the mean": -torch.minimum((w * gain).mean(), (inside * gain).mean()),
    "the minimum is taken of w A, not of w alone": -(torch.minimum(w, inside) * gain).mean(),
    "a ratio of probabilities is wanted, not of log-probabilities":
        -torch.minimum(after / before * gain, (after / before).clamp(0.8, 1.2) * gain).mean(),
    "use the ratio, not the log-probability: this is REINFORCE": -(after * gain).mean(),
    "use the advantages as they come, not shifted and scaled": lambda: (
        lambda a: -torch.minimum(w * a, inside * a).mean())((gain - gain.mean()) / gain.std()),
}, hint="wanted minus the mean of min(w A, clip(w) A)")
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(10)
for n, clip in ((1, 0.2), (12, 0.1), (12, 0.3), (30, 0.2)):
    old = -3 * torch.rand(n, generator=generator)
    new, a = old + torch.randn(n, generator=generator) / 2, torch.randn(n, generator=generator)
    terms, pulls = [], []
    for x, y, z in zip(new.tolist(), old.tolist(), a.tolist(), strict=True):
        k = math.exp(x - y)
        beyond = (z > 0 and k > 1 + clip) or (z < 0 and k < 1 - clip)  # a gain outside of the clip
        terms.append(z * (min(max(k, 1 - clip), 1 + clip) if beyond else k))
        pulls.append(0.0 if beyond else -z * k / n)
    check.close(ppo_clip_loss(new, old, a, clip), torch.tensor(-sum(terms) / n), atol=3e-5,
                hint=f"wrong for {n} random tokens with clip = {clip}")
    pull = check.beside(gradients, ppo_clip_loss, (new, old, a, clip), (0,))
    check.that(pull is not None, "no gradient flows through logp_new: here, or in your importance_weights, a .detach() or no_grad is too much")
    check.close(pull[0], torch.tensor(pulls), atol=3e-5,
                hint="wrong gradient: none for gains beyond the clip, the full one for everything else")
### END HIDDEN TESTS

# %% [markdown]
# ### The other old policy
#
# The clip keeps *one update* small. It does not keep the policy near anything: after a thousand small updates it can be
# anywhere. That is the business of another term, which belongs not to PPO but to RLHF. What RLHF maximises is (Ziegler et al.
# 2019, eq. 2; Ouyang et al. 2022, eq. 2)
#
# $$ \max_\pi \; \mathbb{E}_{x \sim \pi}\left[ r(x) \right] - \beta \, \mathrm{KL}(\pi \,\|\, \pi_\text{ref}) $$
#
# where $\pi_\text{ref}$ is the model from which training started, and stays as it is for good. The reward model has only ever
# seen texts of such a model; where the policy leaves them behind, nobody knows what its numbers mean.
#
# | | $\pi_\text{old}$ | $\pi_\text{ref}$ |
# |---|---|---|
# | is | the policy that wrote the present batch | the model before RLHF |
# | changes | with every batch | never |
# | appears in | the ratio $w_t$, and so in the clip | the reward |
# | limits | how far one batch is trusted | how far the policy may go at all |
# | belongs to | PPO, whatever the task | RLHF, whatever the optimiser |
#
# With PPO as the optimiser, the divergence is paid token by token, as a part of the reward: its $k_1$ estimate for each
# token, and the reward model's verdict at the last.
#
# $$ r_t = -\beta \left( \log \pi(a_t | s_t) - \log \pi_\text{ref}(a_t | s_t) \right) + [t = T]\; r(x) $$
#
# ### Exercise: `rlhf_reward` (2 points, 10 minutes)
#
# Write `rlhf_reward(reward, logp, logp_ref, beta)`: the reward of each token of one text, a float32 tensor (T,). `reward` is
# the reward model's number for the whole text (a float or a tensor of shape `()`), `logp` and `logp_ref` (T,) are the
# log-probabilities of its tokens under the policy and the reference, `beta` is a float. Leave the arguments as they are.
#
# <details><summary>Hint 1</summary>First the penalty of every token, then one addition.</details>
# <details><summary>Hint 2</summary>A token that the reference finds less likely than the policy does costs something: its
# penalty is negative.</details>
# <details><summary>Hint 3</summary><code>out = -beta * (logp - logp_ref)</code>, a new tensor; then <code>out[-1] +=
# reward</code></details>

# %% nbgrader={"grade": false, "grade_id": "rlhf_reward", "locked": false, "schema_version": 3, "solution": true, "task": false}
def rlhf_reward(reward: float | Tensor, logp: Tensor, logp_ref: Tensor, beta: float) -> Tensor:
    """Reward (T,) of each token: -beta * (logp - logp_ref), and the text's own reward at the last token.

    logp, logp_ref: (T,), log-probabilities of the tokens under the policy and the reference.
    """
    ### BEGIN SOLUTION
    per_token = -beta * (logp - logp_ref)
    per_token[-1] += reward
    return per_token
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_rlhf_reward", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
mine, base_model = torch.tensor([-1.0, -2.0, -0.5]), torch.tensor([-1.5, -1.0, -3.5])  # log-ratios 0.5, -1, 3
unchanged(rlhf_reward, 2.0, mine, base_model, 0.1)
got = rlhf_reward(2.0, mine, base_model, 0.1)
check.close(got, torch.tensor([-0.05, 0.1, 1.7]), mistakes={
    "the penalty has the wrong sign: being likelier than under the reference costs": torch.tensor([0.05, -0.1, 2.3]),
    "the reward comes once, with the last token, not with each": torch.tensor([1.95, 2.1, 1.7]),
    "the reward comes with the last token, not with the first": torch.tensor([1.95, 0.1, -0.3]),
    "beta weighs the penalty, not the reward": torch.tensor([-0.5, 1.0, -2.8]),
    "beta changed nothing: it weighs the penalty": torch.tensor([-0.5, 1.0, -1.0]),
    "beta weighs the penalty alone, not the reward too": torch.tensor([-0.05, 0.1, -0.1]),
    "the penalty of a token may be negative, so that the sum is right on average: no absolute value":
        torch.tensor([-0.05, -0.1, 1.7]),
    "the penalty is the log-ratio, not the ratio": torch.tensor([-0.1 * math.exp(0.5), -0.1 * math.exp(-1), 2 - 0.1 * math.exp(3)]),
    "the reward is missing": torch.tensor([-0.05, 0.1, -0.3]),
    "each token pays its own penalty: do not put the sum at the end": torch.tensor([0.0, 0.0, 1.75]),
    "the reward replaces the last penalty here: add it": torch.tensor([-0.05, 0.1, 2.0]),
}, hint="wanted -beta * (logp - logp_ref), plus the reward at the last token")
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(11)
for T, reward, beta in ((1, 1.5, 0.2), (4, -2.0, 0.05), (9, torch.tensor(0.7), 1.0), (3, 2.0, 0.0)):
    a, b = -3 * torch.rand(2, T, generator=generator)
    want = [-beta * (x - y) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    want[-1] += float(reward)
    check.close(rlhf_reward(reward, a, b, beta), torch.tensor(want), hint=f"wrong for {T} tokens and beta = {beta}")
unchanged(rlhf_reward, torch.tensor(0.7), a, b, 0.3)
### END HIDDEN TESTS

# %% [markdown]
# Where does all this lead? The KL-regularised objective has an exact optimum, which needs no algorithm at all. Among all
# distributions, the best is the reference, reweighted:
#
# $$ \pi^*(x) = \frac{1}{Z} \, \pi_\text{ref}(x) \, e^{r(x) / \beta}, \qquad Z = \sum_x \pi_\text{ref}(x) \, e^{r(x) / \beta} $$
#
# The proof is one line: the objective equals $\beta \log Z - \beta\, \mathrm{KL}(\pi \,\|\, \pi^*)$, and that is largest where
# the divergence is 0. On the six tokens, in logits: $\theta^* = \theta_\text{ref} + r / \beta$. The next cell walks uphill
# from the reference and arrives there.

# %% tags=["demo"]
def show_optimum(beta: float) -> None:
    theta, reference = start_logits.clone(), start_logits.log_softmax(0)
    for _ in range(3000):
        effective = arm_rewards - beta * (theta.log_softmax(0) - reference)  # the reward with its penalty
        theta = theta + 0.5 * policy_gradient_exact(theta, effective) / max(beta, 0.25)
    optimum = start_logits + arm_rewards / beta
    gap = (theta.softmax(0) - optimum.softmax(0)).abs().max().item()
    fig, ax = plots.figure(size=(7.6, 3.0))
    places = torch.arange(len(arms)).numpy()
    for shift, z, colour, name in ((-0.27, start_logits, plots.GREY, "reference"), (0, theta, plots.BLUE, "found by ascent"),
                                   (0.27, optimum, plots.GREEN, "formula")):
        ax.bar(places + shift, z.softmax(0).numpy(), 0.25, color=colour, label=name)
    ax.set_xticks(places, [f"{arm.strip()}\n{r:+.1f}" for arm, r in zip(arms, arm_rewards.tolist())], fontsize=9)
    ax.set(ylabel="probability")
    ax.legend()
    plots.caption(fig, f"β = {beta:g}: ascent and formula differ by at most {gap:.0e}. Expected reward "
                  f"{float(expected_reward(optimum, arm_rewards)):.2f}, divergence {float(kl_exact(optimum, start_logits)):.2f} nats.",
                  "Bars for six tokens: reference, result of gradient ascent and formula. The last two agree.")


play(show_optimum, beta=slider(1.0, 0.1, 5, 0.1, "β"))

# %% [markdown]
# ### Written answer (3 points): two old policies
#
# A colleague writes: *"Our PPO run has ε = 0.2, so the policy can never get further than 20 % from the model we started with.
# The KL penalty only slows training down. We drop it, and the reference model with it, and save half the memory."* In six
# to nine sentences: what does the clip limit, and what not? Which policy stands in the denominator of the ratio, and which in
# the KL term? What will probably happen in the colleague's run, and in which of the curves would one see it?

# %% [markdown] nbgrader={"grade": true, "grade_id": "written_two_policies", "locked": false, "points": 3, "schema_version": 3, "solution": true, "task": false}
# ### BEGIN SOLUTION
# The clip takes away the gain from moving the probability of a token of the present batch by more than 20 % from what it was
# *when that batch was written*. In the denominator of the ratio stands π_old, the policy at the start of this update; with
# the next batch, π_old is the new policy, and another 20 % are free. After many updates the policy can be anywhere, so the
# clip says nothing about the distance from the model we started with. It is not even a strict bound on one update: beyond
# the clip the gradient of a token vanishes, but other tokens share its weights and may carry it on.
#
# The KL term has π_ref in it, the model before RLHF, which never changes. It is a part of what we want (the objective), not of
# how we get there (the optimiser): it keeps the policy where the reward model was trained and its numbers mean something.
#
# Without it, the policy will find texts that the reward model rates highly and that people do not like: odd, repetitive, or
# not language any more. The curve of the reward will look better than before, and give no warning. One sees it in the
# divergence from the reference, which keeps growing, in a verdict that was not trained on (people, or a second reward), which
# falls, and in the samples.
#
# *For the grader, one mark each: the clip limits one update against π_old, which moves along; the KL penalty holds the policy
# to the fixed π_ref and is part of the objective; without it reward hacking, seen in KL, gold reward or samples and not in
# the reward curve.*
# ### END SOLUTION

# %% [markdown]
# ## 7. A text is one long action
#
# Six tokens can be listed. For texts the policy is a language model, and by the chain rule (unit 04) the log-probability of
# an answer $y$ to a prompt $x$ is a sum over its tokens:
#
# $$ \log \pi(y | x) = \sum_{t} \log \pi(y_t \,|\, x, y_{<t}) $$
#
# Everything in this unit needs this number, and two slips are made with it again and again. The logits at position $t$ are
# about token $t + 1$, so one of the two has to be *shifted*. And the prompt is given, not chosen: its tokens do not count, and
# neither does padding. A **mask** over the tokens says which do.
#
# **Predict first.** To which of two answers to *What is the capital of France?* does a model give the higher log-probability:
# to *Paris.* or to *The capital of France is Paris.*, if it likes to answer in whole sentences?
#
# <details><summary>Answer</summary>
#
# It is a race between two things. Each token costs something, so longer answers have lower log-probabilities, other things
# being equal; but an answer that begins in an unusual way pays for that in its first token. The cell below shows who wins
# here, by 12 nats. Differences of a policy and a reference, as in DPO, have the first of the two problems to a lesser degree, but not
# none: that DPO makes answers longer has been seen often (Park et al. 2024).
# </details>
#
# ### Exercise: `sequence_log_prob` (3 points, 20 minutes)
#
# Write `sequence_log_prob(logits, ids, mask)`: the log-probability of the marked tokens of each text, float32 (B,).
#
# - `logits` (B, T, V): what a causal model says for the texts `ids`; position t is about token t + 1;
# - `ids` (B, T), int64;
# - `mask` (B, T), bool: `True` for the tokens of `ids` that count. Nothing predicts the first token of a text, so it never
#   counts, whatever the mask says.
#
# It is the sum over the tokens, not the mean. A text without any marked token gets 0. Logits may be of any size, and
# gradients flow through them: DPO trains with these.
#
# <details><summary>Hint 1</summary>Which logits go with which ids? Drop the last position of one and the first of the
# other.</details>
# <details><summary>Hint 2</summary>The mask is about tokens, so it is cut like the ids. <code>gather</code> picks the
# log-probability of the token that is there.</details>
# <details><summary>Hint 3</summary><code>logp = logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]</code>,
# then <code>(logp * mask[:, 1:]).sum(1)</code></details>

# %% nbgrader={"grade": false, "grade_id": "sequence_log_prob", "locked": false, "schema_version": 3, "solution": true, "task": false}
def sequence_log_prob(logits: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
    """Sum of the log-probabilities of the marked tokens of each text, (B,).

    logits: (B, T, V), position t is about token t + 1. ids: (B, T). mask: bool (B, T), True for tokens that count.
    """
    ### BEGIN SOLUTION
    logp = logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]  # (B, T - 1), of tokens 1, 2, ...
    return (logp * mask[:, 1:]).sum(1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_sequence_log_prob", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
generator = torch.Generator().manual_seed(12)
scores = torch.randn(2, 5, 4, generator=generator) * 2
tokens = torch.tensor([[3, 1, 0, 2, 2], [0, 2, 2, 1, 3]])
counted = torch.tensor([[True, False, True, True, False], [False, True, True, False, True]])


def summed(scores, tokens, counted, *, shift=1, mask_shift=0):
    """Token by token, with plain logarithms; the keywords make the usual mistakes."""
    totals = []
    for rows, ids, marks in zip(scores.double().tolist(), tokens.tolist(), counted.tolist(), strict=True):
        total = 0.0
        for t in range(shift, len(ids)):
            if marks[t - mask_shift]:
                row = rows[t - shift]
                total += row[ids[t]] - math.log(sum(math.exp(z) for z in row))
        totals.append(total)
    return torch.tensor(totals)


everything = torch.ones(2, 5).bool()
correct = summed(scores, tokens, counted)
unchanged(sequence_log_prob, scores, tokens, counted)
got = sequence_log_prob(scores, tokens, counted)
check.shape(got, (2,), hint="one number for each text")
check.close(got, correct, atol=5e-5, mistakes={
    "logits and tokens are not shifted: position t is about token t + 1": summed(scores, tokens, counted, shift=0),
    "the mask is about the tokens: cut it like the ids (from 1 on), not like the logits":
        summed(scores, tokens, counted, mask_shift=1),
    "the mask changed nothing": summed(scores, tokens, everything),
    "this is the mean over the tokens: the log-probability of a text is a sum": correct / counted[:, 1:].sum(1),
    "this is the mean over all positions: the log-probability of a text is a sum": correct / 4,
    "the sign: this is the loss, and the log-probability is minus that": -correct,
    "these are logits: turn them into log-probabilities first":
        (scores[:, :-1].gather(-1, tokens[:, 1:, None])[..., 0] * counted[:, 1:]).sum(1),
    "these are sums of probabilities: take their logarithms":
        (scores[:, :-1].softmax(-1).gather(-1, tokens[:, 1:, None])[..., 0] * counted[:, 1:]).sum(1),
    "True in the mask means that the token counts": summed(scores, tokens, ~counted),
}, hint="wanted the sum of the log-probabilities of the marked tokens")
### BEGIN HIDDEN TESTS
for B, T, V in ((1, 2, 3), (3, 7, 11), (2, 4, 50), (3, 2, 4), (1, 300, 50)):
    rows, ids = 3 * torch.randn(B, T, V, generator=generator), torch.randint(V, (B, T), generator=generator)
    for marks in (torch.rand(B, T, generator=generator) < 0.6, torch.ones(B, T).bool(), torch.zeros(B, T).bool()):
        each = -F.cross_entropy(rows[:, :-1].flatten(0, 1).double(), ids[:, 1:].flatten(), reduction="none").view(B, T - 1)
        check.close(sequence_log_prob(rows, ids, marks), torch.where(marks[:, 1:], each, 0.0).sum(1).float(), rtol=1e-5, atol=1e-4,
                    hint=f"wrong for {B} texts of {T} tokens over a vocabulary of {V}, with all tokens marked, some, or none")
check.close(sequence_log_prob(scores + 500, tokens, everything), summed(scores, tokens, everything), atol=1e-2,
            hint="wrong for logits around 500: exp overflows, so call log_softmax")
unlikely = torch.zeros(1, 3, 4)
unlikely[0, 0, 1] = -60.0
check.close(sequence_log_prob(unlikely, torch.tensor([[0, 1, 2]]), torch.ones(1, 3).bool()), torch.tensor([-60 - math.log(3) - math.log(4)]),
            atol=1e-3, hint="wrong for a very unlikely token: stay with logarithms, and add nothing to the probabilities")
pull = check.beside(gradients, sequence_log_prob, (scores, tokens, counted), (0,))
check.that(pull is not None, "no gradient flows through the logits: it is what DPO is trained with")
push = torch.zeros(2, 5, 4)
for b in range(2):
    for t in range(1, 5):
        if counted[b, t]:
            push[b, t - 1] = F.one_hot(tokens[b, t], 4) - scores[b, t - 1].softmax(0)
check.close(pull[0], push, atol=5e-5, hint="the gradient with respect to the logits is wrong")
### END HIDDEN TESTS

# %% [markdown]
# On the real model: three answers to one question, each with its chat template around it. The model's own loss, a mean over
# tokens, must agree.

# %% tags=["demo"]
def with_answer(question: str, answer: str) -> tuple[Tensor, Tensor]:
    """ids (1, T) of a chat with this answer, and a mask (1, T) of the answer's tokens, the end of the turn included."""
    prompt = tokenizer.apply_chat_template([{"role": "user", "content": question}], tokenize=False,
                                           add_generation_prompt=True)
    asked = tokenizer(prompt, add_special_tokens=False).input_ids
    said = tokenizer(answer + tokenizer.eos_token, add_special_tokens=False).input_ids
    ids = torch.tensor([asked + said], device=model.device)
    return ids, torch.arange(ids.shape[1], device=model.device)[None] >= len(asked)


for answer in ("The capital of France is Paris.", "Paris.", "It is Lyon."):
    ids, mask = with_answer("What is the capital of France?", answer)
    with torch.no_grad():
        out = model(ids, labels=torch.where(mask, ids, -100))
    total = sequence_log_prob(out.logits.float(), ids, mask).item()
    print(f"{answer:<34} {int(mask.sum()):>2} tokens, log-probability {total:7.2f};  loss × tokens {out.loss.item() * mask.sum().item():6.2f}")

# %% [markdown]
# ## 8. DPO
#
# Reward model, sampling, value function, clip: is there no shorter way from pairs to a policy? There is one, and it starts at
# the exact optimum of section 6. Solve it for the reward:
#
# $$ \pi^*(y|x) = \tfrac{1}{Z(x)} \, \pi_\text{ref}(y|x)\, e^{r(x, y)/\beta} \quad\Longrightarrow\quad
#    r(x, y) = \beta \log \frac{\pi^*(y|x)}{\pi_\text{ref}(y|x)} + \beta \log Z(x) $$
#
# Every policy is the optimum for *some* reward, and this is which: its **implied reward**. $Z(x)$ cannot be computed, but it
# is the same for both answers to a prompt, and Bradley and Terry only look at differences. It cancels. Put the implied reward
# into their loss, and what is left contains nothing but log-probabilities:
#
# $$ L_\text{DPO} = -\frac{1}{N} \sum_{i=1}^N \log \sigma\!\left( \beta \log \frac{\pi_\theta(c_i)}{\pi_\text{ref}(c_i)}
#    - \beta \log \frac{\pi_\theta(d_i)}{\pi_\text{ref}(d_i)} \right) \qquad \text{(Rafailov et al. 2023, eq. 7)} $$
#
# with chosen answers $c$ and rejected ones $d$. This is **direct preference optimisation**: the policy *is* the reward model,
# and training is supervised. Nothing is sampled.
#
# **Predict first.** Training starts with $\pi_\theta = \pi_\text{ref}$. What is the loss at the first step, for $\beta = 0.1$
# and for $\beta = 0.5$?
#
# <details><summary>Answer</summary>
#
# log 2 = 0.693 for both, and for any pairs: all implied rewards are 0, and the policy has no opinion yet. If the first loss of
# a DPO run is anything else, policy and reference are not the same model (dropout that is on for one of them, another
# template, another precision).
# </details>
#
# ### Exercise: `dpo_loss` (3 points, 15 minutes)
#
# Write `dpo_loss(logp_c, logp_r, ref_c, ref_r, beta)`: the loss above as a tensor of shape `()`. The first four are float
# tensors (N,): log-probabilities of the chosen (`_c`) and rejected (`_r`) answers under the policy (`logp_`) and the reference
# (`ref_`). `beta` is a float. Gradients flow through the first two. It must survive differences of several hundred nats, and
# leave its arguments as they are.
#
# <details><summary>Hint 1</summary>What is the implied reward of the chosen answer, up to the part that cancels? You have a
# loss for two rewards.</details>
# <details><summary>Hint 2</summary>The reference is subtracted inside each reward: <code>beta * (logp_c - ref_c)</code>.</details>
# <details><summary>Hint 3</summary><code>bradley_terry_loss(beta * (logp_c - ref_c), beta * (logp_r - ref_r))</code></details>

# %% nbgrader={"grade": false, "grade_id": "dpo_loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def dpo_loss(logp_c: Tensor, logp_r: Tensor, ref_c: Tensor, ref_r: Tensor, beta: float) -> Tensor:
    """Direct preference optimisation; Rafailov et al. 2023, eq. 7. Returns a tensor of shape ().

    logp_c, logp_r: (N,), log-probabilities of the chosen and rejected answers under the policy; ref_c, ref_r: (N,),
    under the reference.
    """
    ### BEGIN SOLUTION
    return bradley_terry_loss(beta * (logp_c - ref_c), beta * (logp_r - ref_r))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_dpo_loss", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
pol_c, pol_r = torch.tensor([-10.0, -20.0, -7.0]), torch.tensor([-14.0, -18.0, -9.0])
old_c, old_r = torch.tensor([-11.0, -15.0, -7.5]), torch.tensor([-12.0, -16.0, -8.5])
margins = [3.0, -3.0, 1.0]  # (pol_c - old_c) - (pol_r - old_r)
surprise = lambda *d: torch.tensor(sum(math.log1p(math.exp(-x)) for x in d) / len(d))
unchanged(dpo_loss, pol_c, pol_r, old_c, old_r, 0.5)
got = dpo_loss(pol_c, pol_r, old_c, old_r, 0.5)
if isinstance(got, Tensor) and got.shape == (3,):
    check.shape(got, (), hint="one number is wanted: the mean over the pairs")
check.close(got, surprise(1.5, -1.5, 0.5), mistakes={
    "chosen and rejected are the wrong way round: the chosen answer's implied reward should be higher":
        surprise(-1.5, 1.5, -0.5),
    "the sign: a log-probability is negative, and the loss is minus that": -surprise(1.5, -1.5, 0.5),
    "beta changed nothing: it scales the implied rewards": surprise(*margins),
    "beta divides nothing: implied rewards are beta times the log-ratio": surprise(6.0, -6.0, 2.0),
    "beta belongs inside the sigmoid": 0.5 * surprise(*margins),
    "the reference is missing: subtract its log-probabilities": surprise(*[0.5 * x for x in (pol_c - pol_r).tolist()]),
    "the reference is subtracted, not added": surprise(*[0.5 * x for x in (pol_c + old_c - pol_r - old_r).tolist()]),
    "the policy is compared with the reference, not the reference with the policy": surprise(-1.5, 1.5, -0.5),
    "beta multiplies the reference too: beta * (logp - ref)":
        surprise(*[x for x in (0.5 * (pol_c - pol_r) - (old_c - old_r)).tolist()]),
    "this is the sum over the pairs: take the mean": 3 * surprise(1.5, -1.5, 0.5),
    "the mean comes after log sigmoid, pair by pair": surprise(sum(margins) / 6),
    "the logarithm is missing": -torch.tensor(sum(1 / (1 + math.exp(-0.5 * d)) for d in margins) / 3),
}, hint="wanted the mean of -log sigmoid(beta * ((logp_c - ref_c) - (logp_r - ref_r)))")
check.close(dpo_loss(old_c, old_r, old_c, old_r, 0.1), torch.tensor(math.log(2)),
            hint="where policy and reference agree, the loss is log 2")
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(13)
for n, beta in ((1, 0.1), (4, 0.5), (11, 2.0)):
    a, b, c, d = -20 * torch.rand(4, n, generator=generator)
    reward = beta * ((a - c) - (b - d))
    check.close(dpo_loss(a, b, c, d, beta), F.binary_cross_entropy_with_logits(reward, torch.ones(n)), rtol=1e-4,
                hint=f"wrong for {n} random pairs with beta = {beta}")
slopes = check.beside(gradients, dpo_loss, (a, b, c, d, 0.3), (0, 1))
check.that(slopes is not None, "no gradient flows through the loss: return a tensor, made without .item() or .detach()")
pull = -0.3 / 11 * torch.sigmoid(-0.3 * ((a - c) - (b - d)))
check.close(slopes, [pull, -pull], atol=1e-5, hint="the gradient is not that of the loss: let it flow to logp_c and logp_r")
check.close(dpo_loss(torch.tensor([-900.0]), torch.tensor([-100.0]), torch.tensor([-100.0]), torch.tensor([-100.0]), 1.0),
            torch.tensor(800.0), hint="the sigmoid of -800 is 0 and its logarithm minus infinity: use F.logsigmoid")
far = torch.tensor([-100.0, -900.0]), torch.tensor([-900.0, -100.0]), torch.full((2,), -100.0), torch.full((2,), -100.0)
check.close(check.beside(gradients, dpo_loss, (*far, 1.0), (0, 1)), [torch.tensor([0.0, -0.5]), torch.tensor([0.0, 0.5])],
            hint="the gradient is wrong where differences are several hundred: use F.logsigmoid, whose gradient is safe too")
### END HIDDEN TESTS

# %% [markdown]
# Is the derivation right? On six tokens everything can be checked. First: take the optimal policy for $\beta = 0.5$ from the
# formula, compute its implied reward, and compare it with the reward that went in.

# %% tags=["demo"]
price = 0.5  # β
ref_logp = start_logits.log_softmax(0)
best_logp = (start_logits + arm_rewards / price).log_softmax(0)
implied = price * (best_logp - ref_logp)
log_z = price * (start_logits.softmax(0) * (arm_rewards / price).exp()).sum().log()
print("token           reward   implied   difference")
for arm, r, i in zip(arms, arm_rewards.tolist(), implied.tolist()):
    print(f"{arm!r:<14} {r:+7.2f} {i:+9.3f} {r - i:+12.4f}")
print(f"β log Z = {log_z:.4f}")

# %% [markdown]
# The difference is $\beta \log Z$ everywhere. Second: train with `dpo_loss` on pairs of these tokens, weighted by how often
# Bradley and Terry's people would choose each way. The policy never sees a reward and is never sampled from. It arrives where
# the formula says, and where the gradient ascent of section 6 went.

# %% tags=["demo"]
def every_pair(theta: Tensor, beta: float) -> Tensor:
    """dpo_loss over all ordered pairs of tokens, each weighted by the probability of that choice."""
    logp, total = theta.log_softmax(0), 0.0
    for c in range(len(arms)):
        for d in range(len(arms)):
            if c != d:
                share = torch.sigmoid(arm_rewards[c] - arm_rewards[d]).item()
                total = total + share * dpo_loss(logp[c:c + 1], logp[d:d + 1], ref_logp[c:c + 1], ref_logp[d:d + 1], beta)
    return total / 15  # every two tokens count once


theta, path = start_logits.clone().requires_grad_(), []
for _ in range(120):
    loss = every_pair(theta, price)
    (slope,) = torch.autograd.grad(loss, theta)
    theta.data -= 20 * slope
    path.append(loss.item())
print(f"loss {path[0]:.4f} at the start (log 2 = {math.log(2):.4f}), {path[-1]:.4f} at the end")
fig, (left, right) = plots.figure(1, 2, size=(9.8, 3.0))
left.plot(path, color=plots.BLUE)
left.set(xlabel="step", ylabel="DPO loss")
places = torch.arange(len(arms)).numpy()
for shift, p, colour, name in ((-0.27, ref_logp.exp(), plots.GREY, "reference"),
                               (0, theta.detach().softmax(0), plots.BLUE, "DPO"),
                               (0.27, best_logp.exp(), plots.GREEN, "formula")):
    right.bar(places + shift, p.numpy(), 0.25, color=colour, label=name)
right.set_xticks(places, [arm.strip() for arm in arms], fontsize=9)
right.set(ylabel="probability")
right.legend()
plots.caption(fig, f"DPO on pairs of six tokens, β = {price:g}. It ends at the optimum of the KL-regularised objective.",
              "Left: the loss falls from 0.69 and levels off. Right: for each token the bars of DPO and of the formula are equal.")

# %% [markdown]
# What the derivation does not promise: it is about infinitely many pairs and a policy that can be anything. With few pairs,
# the loss can also be lowered by making *both* answers less likely, the rejected one faster, and the probability goes
# somewhere that no pair is about (Pal et al. 2024; Razin et al. 2024). Watch the log-probability of the chosen answers, and
# not the margin alone.
#
# ## 9. GRPO
#
# PPO needs a value function, for a language model another network of the same size. **Group relative policy optimisation**
# (Shao et al. 2024, §4.1) does without. It writes $G$ answers to each prompt, and takes as baseline what this prompt usually
# brings: the mean of the group. Each token of an answer gets the advantage of the whole answer,
#
# $$ A_i = \frac{r_i - \mathrm{mean}(r_1, \dots, r_G)}{\mathrm{std}(r_1, \dots, r_G) + \epsilon} $$
#
# and the rest is PPO's clipped loss, with $k_3$ against $\pi_\text{ref}$ added to the loss instead of to the reward.
#
# **Predict first.** The reward is 1 for a right solution of a mathematical problem, 0 otherwise, and $G = 8$. From which
# problems does the policy learn nothing?
#
# <details><summary>Answer</summary>
#
# From those that it solves in all eight cases, and from those that it never solves: all rewards of the group are equal, and
# all advantages 0. It learns most where one answer stands out. Problems have to be chosen to be neither too easy nor too hard,
# and others as the policy improves.
# </details>
#
# ### Exercise: `grpo_advantages` (2 points, 10 minutes)
#
# Write `grpo_advantages(rewards, group_size, eps)`: `rewards` (N,) holds the groups one after the other, so the first
# `group_size` entries belong to the first prompt, and so on; N is a multiple of `group_size`, which is at least 2. Return the
# advantages, (N,), in the same order. The standard deviation is the one with $G - 1$ below the line (torch's default), and
# `eps` is added to it.
#
# <details><summary>Hint 1</summary>Make the groups an axis.</details>
# <details><summary>Hint 2</summary><code>rewards.view(-1, group_size)</code> has a row for each prompt. Mean and standard
# deviation of each row, kept as columns.</details>
# <details><summary>Hint 3</summary><code>(g - g.mean(1, keepdim=True)) / (g.std(1, keepdim=True) + eps)</code>, and back to
# (N,) with <code>.flatten()</code></details>

# %% nbgrader={"grade": false, "grade_id": "grpo_advantages", "locked": false, "schema_version": 3, "solution": true, "task": false}
def grpo_advantages(rewards: Tensor, group_size: int, eps: float) -> Tensor:
    """(reward - mean of its group) / (std of its group + eps), (N,); Shao et al. 2024, section 4.1.

    rewards: (N,), the groups one after the other. std: with group_size - 1 below the line.
    """
    ### BEGIN SOLUTION
    groups = rewards.view(-1, group_size)
    return ((groups - groups.mean(1, keepdim=True)) / (groups.std(1, keepdim=True) + eps)).flatten()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_grpo_advantages", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
marks = torch.tensor([1.0, 0.0, 2.0, 13.0, 10.0, 10.0])  # two groups of three; standard deviations 1 and √3
away, root = torch.tensor([0.0, -1.0, 1.0, 2.0, -1.0, -1.0]), math.sqrt(3)
unchanged(grpo_advantages, marks, 3, 0.5)
got = grpo_advantages(marks, 3, 0.5)
if isinstance(got, Tensor) and got.shape == (2, 3):
    check.shape(got, (6,), hint="the advantages are wanted in the shape of `rewards`")
wide = torch.tensor([1.0, 1.0, 1.0, root, root, root])
check.close(got, away / (wide + 0.5), mistakes={
    "mean and standard deviation are those of the group, not of the whole batch": (marks - marks.mean()) / (marks.std() + 0.5),
    "the standard deviation is that of the group, not of the whole batch": away / (marks.std() + 0.5),
    "the standard deviation has G - 1 below the line (torch's default), not G": away / (wide * math.sqrt(2 / 3) + 0.5),
    "the deviations are not divided by the standard deviation": away,
    "that is the variance: take its square root": away / (wide**2 + 0.5),
    "eps is added to the standard deviation, not to the variance": away / (wide**2 + 0.5).sqrt(),
    "`eps` changed nothing: it is added to the standard deviation": away / wide,
    "the mean of the group is not subtracted": marks / (wide + 0.5),
    "a group is `group_size` entries in a row": lambda: (lambda g: ((g - g.mean(0)) / (g.std(0) + 0.5)).flatten())(marks.view(3, 2)),
    "a group is `group_size` entries in a row, and `group_size` is not the number of groups":
        lambda: (lambda g: ((g - g.mean(1, keepdim=True)) / (g.std(1, keepdim=True) + 0.5)).flatten())(marks.view(3, 2)),
}, hint="wanted (reward - mean) / (std + eps), group by group")
check.close(grpo_advantages(torch.tensor([1.0, 1.0, 0.0, 0.0]), 2, 1e-4), torch.zeros(4),
            hint="where all rewards of a group are equal, its advantages are 0")
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(14)
for groups, size, eps in ((1, 2, 0.1), (1, 8, 1e-4), (4, 2, 0.01), (3, 5, 1.0)):
    r = torch.randn(groups * size, generator=generator)
    want = []
    for g in range(groups):
        part = r[g * size:(g + 1) * size].tolist()
        middle = sum(part) / size
        width = math.sqrt(sum((x - middle) ** 2 for x in part) / (size - 1))
        want += [(x - middle) / (width + eps) for x in part]
    check.close(grpo_advantages(r, size, eps), torch.tensor(want), atol=5e-5,
                hint=f"wrong for {groups} groups of {size} with eps = {eps}")
check.close(grpo_advantages(torch.tensor([1.7, 1.7, 1.7, 1000.0, 1001.0, 1002.0]), 3, 0.01),
            torch.tensor([0.0, 0.0, 0.0, -1 / 1.01, 0.0, 1 / 1.01]), atol=1e-3,
            hint="wrong where all rewards of a group are equal, or all are large: subtract the mean before you square")
### END HIDDEN TESTS

# %% [markdown]
# Dividing by the standard deviation is not innocent. A group in which seven of eight are right has a small one, so its one
# failure gets a large advantage. Compared with the plain deviation from the mean, prompts that are nearly always or nearly
# never solved get more weight (Liu et al. 2025 leave the division out for this reason):

# %% tags=["demo"]
fig, ax = plots.figure(size=(6.8, 3.0))
solved = torch.arange(1, 8)
for outcome, colour, name in ((1, plots.BLUE, "of a right answer"), (0, plots.ORANGE, "of a wrong one")):
    sizes_of = [grpo_advantages((torch.arange(8) < k).float(), 8, 1e-4)[0 if outcome else 7].item() for k in solved.tolist()]
    ax.plot(solved.numpy(), sizes_of, "o-", color=colour, label=name)
ax.axhline(0, color=plots.INK, lw=0.8)
ax.set(xlabel="right answers in a group of 8", ylabel="advantage")
ax.legend()
plots.caption(fig, "GRPO's advantages for rewards of 0 and 1.",
              "Two falling curves. One right answer among eight gets an advantage of about 2.5, one wrong among eight −2.5; with "
              "four of eight they are 0.94 and −0.94.")

# %% [markdown]
# ## 10. Three ways with a tiny language model
#
# Now everything together, on a language model that trains in seconds. It writes *words*, letter by letter, and is learned
# from the words of Wikipedia. Somebody with a taste compares its words in pairs. From the pairs you make a reward model, and
# from the reward model, or from the pairs directly, a policy with that taste.
#
# The model is one of the first neural ones (Bengio et al. 2003): the letters so far, as vectors side by side, go through one
# hidden layer of the kind that you trained in unit 01, and out come 27 logits, for 26 letters and the end of the word.

# %% tags=["demo"]
ALPHABET, LONGEST = " abcdefghijklmnopqrstuvwxyz", 11  # id 0 starts a word and ends it; at most 11 letters


def as_ids(some_words: list[str]) -> Tensor:
    """(N, 12): a start, the letters, then ends."""
    return torch.tensor([[0, *map(ALPHABET.index, word), *[0] * (LONGEST - len(word))] for word in some_words])


def as_words(word_ids: Tensor) -> list[str]:
    return ["".join(ALPHABET[i] for i in row[1:]).split(" ")[0] for row in word_ids.tolist()]


def word_mask(word_ids: Tensor) -> Tensor:
    """True for the letters and the first end: the tokens that were chosen."""
    ends = (word_ids[:, 1:] == 0).cumsum(1)
    return F.pad((ends == 0) | ((ends == 1) & (word_ids[:, 1:] == 0)), (1, 0))


class LetterModel(nn.Module):
    """For each position the letters up to there -> n_out numbers, through one hidden layer; (N, T) -> (N, T, n_out).

    last=True: only for the last position, (N, n_out).
    """

    def __init__(self, n_out: int, source: torch.Generator, width: int = 16, hidden: int = 160):
        super().__init__()
        self.embedding = nn.Embedding(27, width)
        self.inner, self.outer = nn.Linear(LONGEST * width, hidden), nn.Linear(hidden, n_out)
        for weight in self.parameters():
            weight.data.normal_(0, weight.shape[-1] ** -0.5 if weight.ndim == 2 else 0.0, generator=source)

    def forward(self, word_ids: Tensor, last: bool = False) -> Tensor:
        windows = F.pad(word_ids, (LONGEST - 1, 0)).unfold(1, LONGEST, 1)  # the last 11 ids at each position
        windows = windows[:, -1] if last else windows
        return self.outer(torch.tanh(self.inner(self.embedding(windows).flatten(-2))))


def descend(parameters, loss_of, steps: int, rate: float, label: str) -> list[float]:
    """AdamW on loss_of() with a rate that falls to 0; the losses."""
    optimizer, history = torch.optim.AdamW(parameters, lr=rate), []
    for step in runtime.progress(range(steps), label):
        optimizer.param_groups[0]["lr"] = rate * (1 - step / steps)
        optimizer.zero_grad()
        value = loss_of()
        value.backward()
        optimizer.step()
        history.append(value.item())
    return history


articles = corpora.load_wikipedia(106, 0)["train"]["text"]
counts = Counter(word for text in articles for word in re.findall(r"\b[a-z]{3,10}\b", text))
lexicon = sorted(word for word, count in counts.items() if count > 1)
lexicon_ids, dice = as_ids(lexicon), torch.Generator().manual_seed(0)
reference = LetterModel(27, dice)


def word_loss() -> Tensor:
    batch = lexicon_ids[torch.randint(len(lexicon), (128,), generator=dice)]
    chosen_letters = word_mask(batch)
    return -sequence_log_prob(reference(batch), batch, chosen_letters).sum() / chosen_letters.sum()


history = descend(reference.parameters(), word_loss, 600, 4e-3, "language model")
reference.requires_grad_(False)
print(f"{len(lexicon):,} words, {sum(p.numel() for p in reference.parameters()):,} weights; loss per letter "
      f"{history[0]:.2f} -> {sum(history[-50:]) / 50:.2f} nats (27 equal choices: {math.log(27):.2f})")


@torch.no_grad()
def write_words(lm: nn.Module, n: int, source: torch.Generator) -> Tensor:
    """n words (n, 12), each letter drawn from the model."""
    word_ids = torch.zeros(n, 1, dtype=torch.long)
    for _ in range(LONGEST):
        drawn = torch.multinomial(lm(word_ids, last=True).softmax(-1), 1, generator=source)
        over = (word_ids[:, 1:] == 0).any(1, keepdim=True)
        word_ids = torch.cat([word_ids, drawn.masked_fill(over, 0)], 1)
    return word_ids


print("it writes:", ", ".join(as_words(write_words(reference, 24, torch.Generator().manual_seed(1)))))

# %% [markdown]
# These are mostly no words, but they could be. Now the taste. Our annotator **likes different vowels**: each of a, e, i, o, u
# that a word contains is worth a point. And he **cannot stand three vowels in a row**: minus two points each time. He looks
# at two words and throws the dice of Bradley and Terry with twice the difference of the points. The point of this little
# play is that we have his rule, so that we can look up what he *really* thinks of any word. For people there is no such rule.
#
# **Predict first.** Words with three vowels in a row are rare in English, and in what the model writes. What will a reward
# model that is trained on pairs of its words think of *aeiouaeiou*?
#
# <details><summary>Answer</summary>
#
# It has learned that vowels are good, because they are in nearly all the pairs it saw. The dislike of three in a row hardly
# ever decided a pair. So it will be delighted. Nothing in its training or in its accuracy tells that it is wrong there.
# </details>

# %% tags=["demo"]
def points(word: str) -> float:
    """What the annotator really thinks: different vowels, minus 2 for each place with three vowels in a row."""
    return len(set(word) & set("aeiou")) - 2.0 * len(re.findall("(?=[aeiou]{3})", word))


pool = write_words(reference, 6000, dice)
pool_points = torch.tensor([points(word) for word in as_words(pool)])
left_word, right_word = torch.arange(6000).view(2, 3000)
left_wins = torch.rand(3000, generator=dice) < torch.sigmoid(2 * (pool_points[left_word] - pool_points[right_word]))
winners, losers = torch.where(left_wins, left_word, right_word), torch.where(left_wins, right_word, left_word)
n_fit = 2500  # pairs to train on; the other 500 are held out
verdict = LetterModel(1, dice)  # the reward model: one number after the last letter


def verdict_loss() -> Tensor:
    some = torch.randint(n_fit, (128,), generator=dice)
    return bradley_terry_loss(verdict(pool[winners[some]], last=True)[:, 0], verdict(pool[losers[some]], last=True)[:, 0])


history = descend(verdict.parameters(), verdict_loss, 300, 3e-3, "reward model")
verdict.requires_grad_(False)
raw = verdict(pool, last=True)[:, 0]


def score(word_ids: Tensor) -> Tensor:
    """The reward model's verdict (N,), in standard deviations of the reference's words from their mean."""
    return (verdict(word_ids, last=True)[:, 0] - raw.mean()) / raw.std()


for name, part in (("training", slice(0, n_fit)), ("held-out", slice(n_fit, None))):
    print(f"{name} pairs: {float(reward_accuracy(raw[winners[part]], raw[losers[part]])):.1%} ranked as the annotator did")
ceiling = torch.sigmoid(2 * (pool_points[left_word] - pool_points[right_word])).sub(0.5).abs().add(0.5).mean()
print(f"who knows the rule ranks {ceiling:.1%} as he did; three vowels in a row have "
      f"{sum(bool(re.search('[aeiou]{3}', word)) for word in as_words(pool)) / 6000:.1%} of the words")
odd = ["banana", "strength", "education", "aeiouaeiou", "aaaaaaaaaa"]
for word in odd:
    print(f"  {word:<12} points {points(word):+5.1f}   reward model {score(as_ids([word])).item():+.2f}")
fig, ax = plots.figure(size=(6.8, 3.4))
shaken = pool_points[:1500] + 0.5 * torch.rand(1500, generator=dice) - 0.25
ax.plot(shaken.numpy(), score(pool[:1500]).numpy(), ".", ms=3, color=plots.BLUE, alpha=0.5, label="words of the model")
for word in odd[2:]:
    ax.plot(points(word), score(as_ids([word])).item(), "o", color=plots.ORANGE)
    ax.annotate(word, (points(word), score(as_ids([word])).item()), xytext=(8, -3), textcoords="offset points")
ax.set(xlabel="the annotator's points (spread a little)", ylabel="reward model", xlim=(-16, 9))
ax.legend(loc="lower left")
plots.caption(fig, "Where the model writes, the reward model follows the annotator. Where it does not, the verdict can be as wrong "
              "as one likes.",
              "A cloud of 1,500 dots that rises from the lower left to the upper right between 0 and 5 points; far to the left, "
              "at −11 and −15 points, two odd words with very high rewards.")

# %% [markdown]
# ### The race
#
# From the same start: REINFORCE with the KL penalty, PPO with the same penalty token by token, a value function and your
# `gae`, DPO on the pairs, and REINFORCE once more with the penalty turned off. Every function in the loop is yours.
#
# **Predict first.** The reward model's score is what the first two and the last maximise. Order the runs by the *score* they
# reach, and then by the annotator's *points*.
#
# <details><summary>Answer</summary>
#
# Without penalty the score is highest, by far: nothing else is wanted. The points are another matter. See below.
# </details>

# %% tags=["lab"]
PENALTY = 0.5  # β, in units of the score


def log_probs(lm: nn.Module, word_ids: Tensor) -> Tensor:
    """Log-probability of each word (N,)."""
    return sequence_log_prob(lm(word_ids), word_ids, word_mask(word_ids))


def letter_log_probs(lm: nn.Module, word_ids: Tensor) -> Tensor:
    """Log-probability of each letter (N, 11)."""
    return lm(word_ids)[:, :-1].log_softmax(-1).gather(-1, word_ids[:, 1:, None])[..., 0]


@torch.no_grad()
def measure(policy: nn.Module) -> dict:
    """Score, points and divergence from the reference of 500 words, always drawn with the same dice."""
    written = write_words(policy, 500, torch.Generator().manual_seed(1))
    k1, _, _ = kl_estimates(log_probs(policy, written), log_probs(reference, written))
    said_words = as_words(written)
    return {"score": score(written).mean().item(), "points": sum(map(points, said_words)) / 500,
            "kl": float(torch.as_tensor(k1).mean()), "different": len(set(said_words)) / 500, "words": said_words[:9]}


def reinforce_update(policy, optimizer, source, beta):
    written = write_words(policy, 128, source)
    spoken = log_probs(policy, written)
    paid = score(written) - beta * (spoken.detach() - log_probs(reference, written))
    optimizer.zero_grad()
    reinforce_loss(spoken, paid, paid.mean().item()).backward()
    optimizer.step()


def ppo_update(policy, optimizer, source, beta, critic):
    written = write_words(policy, 128, source)
    counted_letters = word_mask(written)[:, 1:]
    with torch.no_grad():  # what π_old and π_ref said, and what the critic expected
        old, ref = letter_log_probs(policy, written), letter_log_probs(reference, written)
        hopes, verdicts = critic(written)[..., 0], score(written)
    credit = torch.zeros_like(old)
    for i, n in enumerate(counted_letters.sum(1).tolist()):
        over = torch.zeros(n)
        over[-1] = 1.0
        credit[i, :n] = gae(rlhf_reward(verdicts[i].item(), old[i, :n], ref[i, :n], beta), hopes[i, :n + 1], over, 1.0, 0.95)
    target = (credit + hopes[:, :-1])[counted_letters]
    credit = credit[counted_letters]
    credit = (credit - credit.mean()) / credit.std()
    for _ in range(4):  # four steps on the same words: the ratio leaves 1
        clipped = ppo_clip_loss(letter_log_probs(policy, written)[counted_letters], old[counted_letters], credit, 0.2)
        value_loss = (critic(written)[:, :-1, 0][counted_letters] - target).square().mean()
        optimizer.zero_grad()
        (clipped + 0.5 * value_loss).backward()
        optimizer.step()


def dpo_update(policy, optimizer, source, beta):
    some = torch.randint(n_fit, (128,), generator=source)
    good, bad = pool[winners[some]], pool[losers[some]]
    optimizer.zero_grad()
    dpo_loss(log_probs(policy, good), log_probs(policy, bad), log_probs(reference, good), log_probs(reference, bad), beta).backward()
    optimizer.step()


def race(name: str, update, beta: float, updates: int, rate: float) -> list[dict]:
    """Train a copy of the reference; what `measure` says at a dozen moments, more often at the beginning."""
    policy, source = copy.deepcopy(reference).requires_grad_(True), torch.Generator().manual_seed(2)
    groups, more = [{"params": policy.parameters(), "lr": rate}], ()
    if update is ppo_update:
        critic = LetterModel(1, torch.Generator().manual_seed(3))
        groups, more = [*groups, {"params": critic.parameters(), "lr": 3e-3}], (critic,)
    optimizer, seen = torch.optim.Adam(groups), [{"update": 0, **measure(policy)}]
    moments = {round(updates * (k / 12) ** 2) for k in range(1, 13)}
    bar = runtime.progress(range(1, updates + 1), name)
    for number in bar:
        update(policy, optimizer, source, beta, *more)
        if number in moments:
            seen.append({"update": number, **measure(policy)})
            bar.set_postfix(score=f"{seen[-1]['score']:.2f}", points=f"{seen[-1]['points']:.2f}", kl=f"{seen[-1]['kl']:.1f}")
    return seen


longer = runtime.pick(1, 2)
races = {
    "REINFORCE": race("REINFORCE", reinforce_update, PENALTY, 240 * longer, 1e-3),
    "PPO": race("PPO", ppo_update, PENALTY, 60 * longer, 1e-3),
    "DPO": race("DPO", dpo_update, PENALTY * raw.std().item(), 240 * longer, 1e-3),
    "REINFORCE, β = 0": race("REINFORCE, no KL", reinforce_update, 0.0, 240 * longer, 1e-3),
}
print(f"{'':<18}   score  points     KL  different words   some of them")
for name, seen in {"reference": races["DPO"][:1], **races}.items():
    end = seen[-1]
    print(f"{name:<18} {end['score']:+7.2f} {end['points']:+7.2f} {end['kl']:6.1f} {end['different']:10.0%}         "
          + ", ".join(end["words"][:5]))

# %% tags=["lab"]
worst = races["REINFORCE, β = 0"]
fig, axes = plots.figure(1, 3, size=(11.4, 3.4))
for ax, what, label in zip(axes, ("score", "points", "kl"),
                           ("reward model", "the annotator's points", "KL(policy ‖ reference), nats"), strict=True):
    for (name, seen), colour in zip(races.items(), (plots.BLUE, plots.GREEN, plots.PURPLE, plots.ORANGE), strict=True):
        ax.plot([one["update"] / seen[-1]["update"] for one in seen], [one[what] for one in seen], "o-", ms=3, color=colour,
                label=name)
    ax.set(title=label, xlabel="share of the run")
axes[1].set(ylim=(-2, 5))
axes[2].set(yscale="symlog", ylim=(0, 200))
axes[0].legend(fontsize=8)
plots.caption(fig, "Four runs from one start. The orange one has the best reward curve by far; in the middle it has left the panel, "
              f"and ends at {worst[-1]['points']:.0f} points.",
              "Three panels. Left: the reward rises in all runs, by far the most without penalty. Middle: the annotator's points "
              "rise with a penalty, but without one they fall out of the panel after a short rise. Right: the divergence stays at "
              "a few nats with a penalty and grows to nearly a hundred without.")
peak = max(worst, key=lambda one: one["points"])
print(f"without penalty the points go from {worst[0]['points']:.2f} to {peak['points']:.2f} after {peak['update']} updates and end at "
      f"{worst[-1]['points']:.2f}, while the score goes from {worst[0]['score']:.2f} to {worst[-1]['score']:.2f}")
for one in worst[::3]:
    print(f"  update {one['update']:>3}: score {one['score']:+5.2f}, points {one['points']:+6.2f}: {', '.join(one['words'][:6])}")

# %% [markdown]
# This is **reward hacking** (or *overoptimisation*). The score that is maximised rises all the time; what it stands for rises
# at first and then falls far below where it began. When this was written, the points went from 2.2 up to 3.1 within the first
# seven updates and then down to −17, while the score went from 0.1 to 7.8 and nearly all words had become the same one. The reward
# model has not changed, and on words of the reference it is as right as ever. The policy has moved to where it is wrong. Gao et al. (2023) measured the same shape for large models, with
# a large "gold" reward model in the annotator's place.
#
# The KL penalty does not make the reward model better. It makes it expensive to go where it has not been tested. How much is
# right? The next cell looks at where each of the ways arrives for several $\beta$.

# %% tags=["lab"]
ends = {}
for beta in (2.0, 1.0, 0.5, 0.25, 0.12):
    ends[beta] = race(f"β = {beta:g}", reinforce_update, beta, 144 * longer, 2e-3)[-1]
fig, ax = plots.figure(size=(6.8, 3.4))
track = sorted(ends.values(), key=lambda one: one["kl"])
for what, colour, label in (("score", plots.ORANGE, "reward model"), ("points", plots.BLUE, "the annotator's points")):
    ax.plot([one["kl"] for one in track], [one[what] for one in track], "o-", color=colour, label=label)
for beta, one in ends.items():
    ax.annotate(f"β = {beta:g}", (one["kl"], one["points"]), xytext=(0, -14), textcoords="offset points", fontsize=9, ha="center")
    print(f"β = {beta:<5g} KL {one['kl']:5.1f}   score {one['score']:+.2f}   points {one['points']:+.2f}   {', '.join(one['words'][:5])}")
ax.set(xlabel="KL(policy ‖ reference), nats (logarithmic)", ylabel="mean of 500 words", xscale="log", xlim=(0.1, 40))
ax.legend()
plots.caption(fig, "REINFORCE with five penalties. Every nat of divergence buys score; it does not go on buying points.",
              "Two curves over the divergence. The reward model's score keeps rising; the annotator's points rise, level off and "
              "fall.")

# %% [markdown]
# ## 11. The real model
#
# The same on 135 million weights: one preference, a handful of pairs, `dpo_loss`. The model is asked 24 short questions, twice
# each, and to answer in one short sentence, which it often fails to do. The stated taste: **the shorter answer wins**. 16
# questions are for training; on the other 8 we see whether it learned a taste or just these answers. (Where both answers were
# cut off at the limit, there is no pair.) Only the last four blocks are trained; the rest is shared with the original model,
# which is the reference.

# %% tags=["lab"]
questions = [
    "What is the capital of France?", "Why is the sky blue?", "What is a verb?", "How do birds fly?",
    "What is the largest ocean?", "Who wrote Hamlet?", "What is two plus two?", "Why do we sleep?",
    "What colour is grass?", "What is gold?", "How long is a year?", "What do cows eat?",
    "Where is Egypt?", "What is a noun?", "How many days has a week?", "What is bread made of?",
    "What is the capital of Italy?", "What is snow?", "How many legs has a spider?", "What is a river?",
    "Who painted the Mona Lisa?", "What do bees make?", "What is the Moon?", "Why do leaves fall?",
]
n_known, n_new = 16, runtime.pick(32, 64)
asked = [[{"role": "user", "content": f"{question} Answer in one short sentence."}] for question in questions]
prompts = [tokenizer(tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True),
                     add_special_tokens=False).input_ids for chat in asked]


def stacked(rows: list[list[int]], left: bool) -> tuple[Tensor, Tensor]:
    """Rows of ids padded on the left or on the right: ids (N, T) and a bool mask of what is no padding."""
    width = max(map(len, rows))
    pad = [[tokenizer.pad_token_id] * (width - len(row)) for row in rows]
    real = [[False] * len(p) + [True] * len(r) if left else [True] * len(r) + [False] * len(p) for p, r in zip(pad, rows)]
    full = [p + r if left else r + p for p, r in zip(pad, rows)]
    return torch.tensor(full, device=model.device), torch.tensor(real, device=model.device)


@torch.no_grad()
def answers_of(lm, starts: list[list[int]], seed: int) -> list[list[int]]:
    """One sampled answer for each prompt, as ids, up to and with the end of the turn."""
    source, cache = torch.Generator(model.device).manual_seed(seed), None
    step_ids, real = stacked(starts, left=True)
    places, said, done = (real.cumsum(1) - 1).clamp(min=0), [], torch.zeros(len(starts), 1, dtype=torch.bool, device=model.device)
    for _ in runtime.progress(range(n_new), "tokens"):
        out = lm(input_ids=step_ids, attention_mask=real.long(), position_ids=places, past_key_values=cache, use_cache=True,
                 logits_to_keep=1)
        cache, places = out.past_key_values, places[:, -1:] + 1
        step_ids = torch.multinomial(out.logits[:, -1].float().softmax(-1), 1, generator=source).masked_fill(done, -1)
        said.append(step_ids)
        done = done | (step_ids == tokenizer.eos_token_id)
        step_ids = step_ids.clamp(min=0)
        real = torch.cat([real, ~done | (said[-1] >= 0)], 1)
    return [[i for i in row if i >= 0] for row in torch.cat(said, 1).tolist()]


def prepared(some: list[tuple]) -> tuple[Tensor, Tensor, Tensor]:
    """ids and counted tokens, (2, N, T), of the chosen and the rejected texts, and what the frozen blocks make of them."""
    rows = [(prompts[n], short) for n, short, _ in some] + [(prompts[n], long) for n, _, long in some]
    text_ids, real = stacked([p + a for p, a in rows], left=False)
    start = torch.tensor([len(p) for p, _ in rows], device=model.device)
    counts_here = real & (torch.arange(text_ids.shape[1], device=model.device) >= start[:, None])
    with torch.no_grad():  # hidden_states[-5] is what goes into the last four blocks
        parts = [model.model(part, output_hidden_states=True).hidden_states[-5] for part in text_ids.split(8)]
    return tuple(x.unflatten(0, (2, -1)) for x in (text_ids, counts_here, torch.cat(parts)))


def upper_log_probs(lm, text_ids: Tensor, counts_here: Tensor, x: Tensor) -> Tensor:
    """Log-probabilities (2, n) of chosen and rejected answers: the last four blocks, the norm and lm_head of unit 05."""
    x = x.flatten(0, 1)
    rope = lm.model.rotary_emb(x, torch.arange(x.shape[1], device=x.device)[None])
    for block in lm.model.layers[-4:]:
        x = block(x, position_embeddings=rope)
    logits = lm.lm_head(lm.model.norm(x)).float()
    return sequence_log_prob(logits, text_ids.flatten(0, 1), counts_here.flatten(0, 1)).view(2, -1)


both = answers_of(model, prompts * 2, 0)
preferred = []  # (question, shorter answer, longer answer)
for number, (one, two) in enumerate(zip(both[:len(prompts)], both[len(prompts):], strict=True)):
    if len(one) != len(two):
        preferred.append((number, *sorted((one, two), key=len)))
known, unseen = [p for p in preferred if p[0] < n_known], [p for p in preferred if p[0] >= n_known]
print(f"{len(known)} pairs to train on, {len(unseen)} held out; answers have {sum(map(len, both)) / len(both):.1f} tokens on average "
      f"(at most {n_new})")
for number, short, long in known[:3]:
    print(f"  {questions[number]}\n    + {tokenizer.decode(short)!r}\n    - {tokenizer.decode(long)!r}")

# %% tags=["lab"]
trained_blocks = model.model.layers[-4:]
own = {id(p) for block in trained_blocks for p in block.parameters()}
shared = {id(p): p for p in model.parameters() if id(p) not in own}
policy = copy.deepcopy(model, memo=dict(shared))  # frozen weights are the original's own, only four blocks are copied
policy_weights = [p for block in policy.model.layers[-4:] for p in block.parameters()]
policy.requires_grad_(False)
for weight in policy_weights:
    weight.requires_grad_(True)


ready, ready_unseen = prepared(known), prepared(unseen)
with torch.no_grad():  # the reference: once, and then they are numbers
    ref_known = torch.cat([upper_log_probs(model, *(x[:, i:i + 4] for x in ready)) for i in range(0, len(known), 4)], 1)
    ref_unseen = upper_log_probs(model, *ready_unseen)
optimizer = torch.optim.AdamW(policy_weights, lr=1e-4, weight_decay=0.0)
dpo_history, dice = [], torch.Generator().manual_seed(0)
bar = runtime.progress(range(runtime.pick(4, 8)), "DPO, epochs")
for _ in bar:
    for some in torch.randperm(len(known), generator=dice).split(4):
        some = some.to(model.device)
        value = dpo_loss(*upper_log_probs(policy, *(x[:, some] for x in ready)), *ref_known[:, some], 0.2)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        dpo_history.append(value.item())
        bar.set_postfix(loss=f"{value:.3f}")

with torch.no_grad():
    rewards_unseen = 0.2 * (upper_log_probs(policy, *ready_unseen) - ref_unseen)
print(f"DPO loss {dpo_history[0]:.3f} (log 2 = {math.log(2):.3f}) -> {sum(dpo_history[-5:]) / 5:.3f} over {len(dpo_history)} steps")
print(f"held-out pairs: the shorter answer has the higher implied reward in {float(reward_accuracy(*rewards_unseen)):.0%}; "
      f"chosen answers' log-probability changed by {(rewards_unseen[0] / 0.2).mean():+.1f}, rejected ones' by "
      f"{(rewards_unseen[1] / 0.2).mean():+.1f} nats")
fresh = [answers_of(lm, prompts[n_known:] * 2, 5) for lm in (model, policy)]
lengths = [[len(a) for a in some] for some in fresh]
fig, (left, right) = plots.figure(1, 2, size=(9.6, 3.0))
left.plot(dpo_history, "o-", ms=3, color=plots.BLUE)
left.axhline(math.log(2), color=plots.GREY, ls="--", lw=1.2)
left.set(xlabel="step", ylabel="DPO loss")
right.hist(lengths, bins=range(0, n_new + 5, 4), color=[plots.GREY, plots.BLUE], label=["before", "after DPO"])
right.set(xlabel=f"tokens of an answer (at most {n_new})", ylabel="answers")
right.legend()
plots.caption(fig, f"Left: DPO on {len(known)} pairs. Right: lengths of 16 new answers to questions that were not trained on; their mean is "
              f"{sum(lengths[0]) / 16:.1f} tokens before and {sum(lengths[1]) / 16:.1f} after.",
              "Left: the loss starts at 0.69 and falls. Right: histograms of answer lengths before and after; after DPO there are "
              "more short answers.")
for number in (0, 2, 4):
    print(f"{questions[n_known + number]}\n  before: {tokenizer.decode(fresh[0][number])!r}\n  after:  {tokenizer.decode(fresh[1][number])!r}")

# %% [markdown]
# One bit per question, and the model's behaviour moved on questions that it had not been asked: when this was written, the new
# answers had 24.2 tokens on average before and 15.1 after. No reward model was trained, nothing was sampled during training, and
# the reference cost one pass over the pairs: its log-probabilities are numbers that can be stored.
#
# Look at the other numbers too. The loss is nearly 0, so the 15 pairs are known by heart, and of the six held-out pairs three
# were ranked right, as by a coin. Both may well be true: how it *writes* has changed, while its opinion on two given answers
# depends on everything else that is in them. And shorter is not better: *Who painted the Mona Lisa?* was answered with nonsense
# before, and is answered with nonsense after. The pairs were about length, and so is what was learned.

# %% [markdown]
# ## Spot the bug
#
# The rollout of an RLHF trainer. It runs, the reward goes up, and the logged divergence from the reference is *negative*,
# though the true one can never be.
#
# ```python
# out = policy.generate(**prompts, do_sample=True, temperature=0.7, top_k=50, max_new_tokens=64)
# with torch.no_grad():
#     logp = token_log_probs(policy(out).logits, out)        # log-softmax and gather
#     logp_ref = token_log_probs(reference(out).logits, out)
# kl = (logp - logp_ref).sum(-1)
# reward = reward_model(out) - beta * kl
# ```
#
# <details><summary>What is wrong?</summary>
#
# The texts are not samples of the policy whose log-probabilities are taken. Temperature 0.7 and top-k make likely tokens
# likelier still; the log-probabilities are those of temperature 1 without a cut. KL = E<sub>x ~ p</sub>[log p − log q] holds
# for samples of p alone, so the mean of <code>kl</code> estimates nothing, and it can be negative. Worse: as a term of the
# reward, a negative "divergence" is a bonus, and the policy learns to earn it by flattening its distribution, which the
# sampler hides. The first ratio of PPO is wrong in the same way if only one of the two sides knows of the temperature. TRL's
# maintainers call it a common failure (issue 235 of 2023), and OpenRLHF mended a misalignment of just this kind (pull request
# 853 of 2025). Sample from what you differentiate, or take both log-probabilities from the distribution that was sampled.
# </details>

# %% tags=["demo"]
flat_logits, sharp_logp = 0.5 * start_logits, start_logits.log_softmax(0)  # a policy that has become flat, and its reference


def measured(sampling_temperature: float, n: int = 20000) -> float:
    """Mean of log π - log π_ref over samples that were drawn at a temperature."""
    drawn = torch.multinomial((flat_logits / sampling_temperature).softmax(0), n, replacement=True,
                              generator=torch.Generator().manual_seed(0))
    return (flat_logits.log_softmax(0) - sharp_logp)[drawn].mean().item()


true_divergence = float(kl_exact(flat_logits, start_logits))
grid = [0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0]
found = [measured(t) for t in grid]
fig, ax = plots.figure(size=(6.4, 3.0))
ax.plot(grid, found, "o-", color=plots.ORANGE, label="mean of k1")
ax.axhline(true_divergence, color=plots.BLUE, ls="--", label="true divergence")
ax.axhline(0, color=plots.INK, lw=0.8)
ax.set(xlabel="temperature that the samples were drawn at", ylabel="nats")
ax.legend()
plots.caption(fig, "The bug on six tokens, with a policy that has become flatter than its reference. The estimate is right only where "
              "the samples come from the policy itself, at temperature 1.",
              "A curve of estimates rises with the sampling temperature: it is negative for low temperatures and crosses the "
              "dashed line of the true divergence at 1.")
print(", ".join(f"T = {t:g}: {k:+.3f}" for t, k in zip(grid, found, strict=True)), f"; true {true_divergence:.3f}")

# %% [markdown]
# ## Recap
#
# - Pairs give differences: a reward model is a logistic neuron on $r_a - r_b$, and its zero means nothing.
# - The log-derivative trick turns the gradient of an expectation into an expectation. It needs no derivative of the reward, and
#   pays with variance; a baseline lowers it and changes nothing on average.
# - Samples of another policy count with the weight $\pi / \pi_\text{old}$, and the effective sample size says how much.
# - TRPO bounds KL(old ‖ new) as a constraint; to second order that is the Fisher matrix, and leads to the natural gradient.
# - PPO's clip is against $\pi_\text{old}$, which changes with each batch; the KL penalty is against $\pi_\text{ref}$, which never
#   does. The first is how one gets there, the second is part of where one wants to go.
# - The KL-regularised optimum is $\pi_\text{ref}\, e^{r/\beta} / Z$. Solved for $r$ and put into Bradley and Terry it is DPO.
# - GRPO takes the group as its baseline, and learns nothing from groups that agree.
# - A reward model is right where it was trained. Without the KL term, the policy leaves that place, and the reward curve does
#   not tell.
#
# Covers: C9, C10, C11, C12, C13, C14, C15, C16
#
# **Words to keep**
#
# | term | meaning |
# |---|---|
# | preference pair | a prompt with a chosen and a rejected answer |
# | reward model | gives an answer a number, trained so that differences explain choices |
# | Bradley–Terry | P(a over b) = σ(r<sub>a</sub> − r<sub>b</sub>) |
# | policy | the distribution over what can be done; here the language model |
# | log-derivative trick | ∇E[r] = E[r ∇log π] |
# | REINFORCE | the sampled policy gradient |
# | baseline, advantage | what was to be expected; reward minus that |
# | importance weight | π / π<sub>old</sub> of a sample |
# | effective sample size | how many equally weighted samples the weighted ones are worth |
# | KL divergence | E<sub>p</sub>[log p − log q]; k1, k2, k3 estimate it |
# | trust region | how far an update may change the policy; TRPO's constraint |
# | Fisher matrix | the curvature of the divergence at 0 |
# | value function, GAE | reward still expected; advantages between one step and the whole rest |
# | π<sub>old</sub>, π<sub>ref</sub> | the policy that wrote the batch; the model before RLHF |
# | implied reward | β log(π / π<sub>ref</sub>), of which a policy is the optimum |
# | reward hacking | a higher measured reward that is not what was meant |
#
# **References**
#
# - R. A. Bradley, M. E. Terry (1952). Rank analysis of incomplete block designs: I. The method of paired comparisons.
#   *Biometrika* 39.
# - P. Christiano, J. Leike, T. Brown, M. Martic, S. Legg, D. Amodei (2017). Deep reinforcement learning from human preferences.
#   *NeurIPS*.
# - L. Gao, J. Schulman, J. Hilton (2023). Scaling laws for reward model overoptimization. *ICML*.
# - H. Kahn, A. W. Marshall (1953). Methods of reducing sample size in Monte Carlo computations. *Journal of the Operations
#   Research Society of America* 1.
# - S. Kakade (2001). A natural policy gradient. *NeurIPS*.
# - A. Kong (1992). A note on importance sampling using standardized weights. Technical report 348, University of Chicago.
# - S. Kullback, R. A. Leibler (1951). On information and sufficiency. *Annals of Mathematical Statistics* 22.
# - Z. Liu et al. (2025). Understanding R1-Zero-like training: A critical perspective. arXiv:2503.20783.
# - L. Ouyang et al. (2022). Training language models to follow instructions with human feedback. *NeurIPS*.
# - A. Pal et al. (2024). Smaug: Fixing failure modes of preference optimisation with DPO-Positive. arXiv:2402.13228.
# - R. Park, R. Rafailov, S. Ermon, C. Finn (2024). Disentangling length from quality in direct preference optimization.
#   *Findings of ACL*.
# - R. Rafailov et al. (2023). Direct preference optimization: Your language model is secretly a reward model. *NeurIPS*.
# - N. Razin et al. (2024). Unintentional unalignment: Likelihood displacement in direct preference optimization.
#   arXiv:2410.08847.
# - J. Schulman (2020). Approximating KL divergence. Blog post, joschu.net.
# - J. Schulman, S. Levine, P. Moritz, M. Jordan, P. Abbeel (2015). Trust region policy optimization. *ICML*.
# - J. Schulman, P. Moritz, S. Levine, M. Jordan, P. Abbeel (2016). High-dimensional continuous control using generalized
#   advantage estimation. *ICLR*.
# - J. Schulman, F. Wolski, P. Dhariwal, A. Radford, O. Klimov (2017). Proximal policy optimization algorithms.
#   arXiv:1707.06347.
# - Z. Shao et al. (2024). DeepSeekMath: Pushing the limits of mathematical reasoning in open language models. arXiv:2402.03300.
# - R. J. Williams (1992). Simple statistical gradient-following algorithms for connectionist reinforcement learning. *Machine
#   Learning* 8.
# - D. M. Ziegler et al. (2019). Fine-tuning language models from human preferences. arXiv:1909.08593.
#
# **Next**: 10, flows: probabilities for things that are not made of tokens, and likelihood once more.

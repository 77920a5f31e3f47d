"""Answers that learners hand in for unit 09, wrong ones with what their message must say, and right ones."""

from autograder.authoring.bank import equivalent, right, wrong

# ----------------------------------------------------------------------------------------------- bradley_terry_loss


@wrong("bradley_terry_loss", says="the sign")
def log_likelihood(r_chosen, r_rejected):
    return F.logsigmoid(r_chosen - r_rejected).mean()


@wrong("bradley_terry_loss", says="the wrong way round")
def rejected_first(r_chosen, r_rejected):
    return -F.logsigmoid(r_rejected - r_chosen).mean()


@wrong("bradley_terry_loss", says="take the mean")
def summed_up(r_chosen, r_rejected):
    return -F.logsigmoid(r_chosen - r_rejected).sum()


@wrong("bradley_terry_loss", says="one number is wanted")
def a_loss_for_each(r_chosen, r_rejected):
    return -F.logsigmoid(r_chosen - r_rejected)


@wrong("bradley_terry_loss", says="use F.logsigmoid")
def overflows(r_chosen, r_rejected):
    return -torch.log(torch.sigmoid(r_chosen - r_rejected)).mean()


@wrong("bradley_terry_loss", says="use F.logsigmoid")
def quotient_of_exponentials(r_chosen, r_rejected):
    return -(r_chosen.exp() / (r_chosen.exp() + r_rejected.exp())).log().mean()


@wrong("bradley_terry_loss", says="the logarithm is missing")
def no_logarithm(r_chosen, r_rejected):
    return -torch.sigmoid(r_chosen - r_rejected).mean()


@wrong("bradley_terry_loss", says="the logarithm is missing")
def probability_of_the_other(r_chosen, r_rejected):
    return (1 - torch.sigmoid(r_chosen - r_rejected)).mean()


@wrong("bradley_terry_loss", says="around the difference")
def sigmoid_of_each(r_chosen, r_rejected):
    return (F.logsigmoid(r_rejected) - F.logsigmoid(r_chosen)).mean()


@wrong("bradley_terry_loss", says="the mean of the logarithms")
def logarithm_of_the_mean(r_chosen, r_rejected):
    return -torch.sigmoid(r_chosen - r_rejected).mean().log()


@wrong("bradley_terry_loss", says="a hinge")
def hinge(r_chosen, r_rejected):
    return F.relu(1 - (r_chosen - r_rejected)).mean()


@wrong("bradley_terry_loss", says="no gradient flows")
def as_a_constant(r_chosen, r_rejected):
    return -F.logsigmoid(r_chosen.detach() - r_rejected.detach()).mean()


@wrong("bradley_terry_loss", says="wanted a tensor")
def as_a_float(r_chosen, r_rejected):
    return -F.logsigmoid(r_chosen - r_rejected).mean().item()


@wrong("bradley_terry_loss", says="flow to both")
def rejected_is_a_constant(r_chosen, r_rejected):
    return -F.logsigmoid(r_chosen - r_rejected.detach()).mean()


@wrong("bradley_terry_loss", says="in place")
def subtracts_in_place(r_chosen, r_rejected):
    with torch.no_grad():
        r_chosen -= r_rejected
    return F.softplus(-r_chosen).mean()


@wrong("bradley_terry_loss", says="whose gradient is safe too")
def stable_value_with_a_gradient_of_nan(r_chosen, r_rejected):
    d = r_chosen - r_rejected
    return torch.where(d > 0, torch.log1p(torch.exp(-d)), -d + torch.log1p(torch.exp(d))).mean()


@right("bradley_terry_loss")
def by_softplus(r_chosen, r_rejected):
    return F.softplus(r_rejected - r_chosen).mean()


@right("bradley_terry_loss")
def as_cross_entropy(r_chosen, r_rejected):
    both = torch.stack([r_chosen, r_rejected], 1)
    return F.cross_entropy(both, torch.zeros(len(both), dtype=torch.long))


@right("bradley_terry_loss")
def by_logaddexp(r_chosen, r_rejected):
    return torch.logaddexp(torch.zeros_like(r_chosen), r_rejected - r_chosen).sum() / r_chosen.numel()


# -------------------------------------------------------------------------------------------------- reward_accuracy


@wrong("reward_accuracy", says="use >, not >=")
def ties_count(r_chosen, r_rejected):
    return (r_chosen >= r_rejected).float().mean().item()


@wrong("reward_accuracy", says="the rejected answer got more")
def the_other_way(r_chosen, r_rejected):
    return (r_chosen < r_rejected).float().mean().item()


@wrong("reward_accuracy", says="divide by how many")
def a_count(r_chosen, r_rejected):
    return float((r_chosen > r_rejected).sum())


@wrong("reward_accuracy", says="a percentage")
def per_cent(r_chosen, r_rejected):
    return 100 * (r_chosen > r_rejected).float().mean().item()


@wrong("reward_accuracy", says="not even half")
def half_for_a_tie(r_chosen, r_rejected):
    return ((r_chosen > r_rejected).float() + 0.5 * (r_chosen == r_rejected).float()).mean().item()


@wrong("reward_accuracy", says="the sign of the chosen reward")
def above_zero(r_chosen, r_rejected):
    return (r_chosen > 0).float().mean().item()


@wrong("reward_accuracy", says="larger by very little")
def a_margin_is_asked(r_chosen, r_rejected):
    return (r_chosen - r_rejected > 1e-3).float().mean().item()


@wrong("reward_accuracy", says="changed an argument in place")
def subtracts_in_place(r_chosen, r_rejected):
    r_chosen -= r_rejected
    return (r_chosen > 0).float().mean().item()


@right("reward_accuracy")
def counted_in_python(r_chosen, r_rejected):
    hits = [a > b for a, b in zip(r_chosen.tolist(), r_rejected.tolist())]
    return sum(hits) / len(hits)


@right("reward_accuracy")
def as_a_tensor(r_chosen, r_rejected):
    return (r_chosen - r_rejected > 0).sum() / len(r_chosen)


@right("reward_accuracy")
def by_numpy(r_chosen, r_rejected):
    return np.mean(r_chosen.numpy() > r_rejected.numpy())


equivalent("reward_accuracy", ".item() -> (r_chosen > r_rejected).float().mean()",
           why="a tensor of one number is as good as a float")

# -------------------------------------------------------------------------------------------------- expected_reward


@wrong("expected_reward", says="weight each by its probability")
def plain_mean(logits, rewards):
    return rewards.mean()


@wrong("expected_reward", says="divide by their sum")
def not_normalised(logits, rewards):
    return (logits.exp() * rewards).sum()


@wrong("expected_reward", says="a softmax first")
def logits_as_weights(logits, rewards):
    return (logits * rewards).sum()


@wrong("expected_reward", says="not a mean")
def mean_of_products(logits, rewards):
    return (logits.softmax(0) * rewards).mean()


@wrong("expected_reward", says="likeliest action")
def greedy(logits, rewards):
    return rewards[logits.argmax()]


@wrong("expected_reward", says="exponentiate them")
def log_softmax_as_weights(logits, rewards):
    return (logits.log_softmax(0) * rewards).sum()


@wrong("expected_reward", says="exp(1000) overflows")
def own_softmax(logits, rewards):
    weights = logits.exp()
    return (weights / weights.sum() * rewards).sum()


@wrong("expected_reward", says="very large or very negative")
def subtracts_the_mean_logit(logits, rewards):
    z = (logits - logits.mean()).exp()
    return (z / z.sum() * rewards).sum()


@right("expected_reward")
def dot_product(logits, rewards):
    return torch.dot(torch.softmax(logits, dim=0), rewards)


@right("expected_reward")
def as_float(logits, rewards):
    weights = (logits - logits.max()).exp()
    return ((weights * rewards).sum() / weights.sum()).item()


# -------------------------------------------------------------------------------------------- policy_gradient_exact


@wrong("policy_gradient_exact", says="not subtracted")
def without_the_mean(logits, rewards):
    return logits.softmax(0) * rewards


@wrong("policy_gradient_exact", says="in front are missing")
def advantages_alone(logits, rewards):
    return rewards - (logits.softmax(0) * rewards).sum()


@wrong("policy_gradient_exact", says="points downhill")
def of_the_loss(logits, rewards):
    p = logits.softmax(0)
    return p * ((p * rewards).sum() - rewards)


@wrong("policy_gradient_exact", says="not the plain mean")
def centred_at_the_mean(logits, rewards):
    return logits.softmax(0) * (rewards - rewards.mean())


@wrong("policy_gradient_exact", says="the diagonal alone")
def diagonal_of_the_jacobian(logits, rewards):
    p = logits.softmax(0)
    return p * (1 - p) * rewards


@wrong("policy_gradient_exact", says="not to the logits")
def with_respect_to_probabilities(logits, rewards):
    p = logits.softmax(0).requires_grad_()
    return torch.autograd.grad((p * rewards).sum(), p)[0]


@wrong("policy_gradient_exact", says="exp overflows")
def own_softmax_gradient(logits, rewards):
    p = logits.exp() / logits.exp().sum()
    return p * (rewards - (p * rewards).sum())


@wrong("policy_gradient_exact", says="in place")
def centres_in_place(logits, rewards):
    p = logits.softmax(0)
    rewards -= (p * rewards).sum()
    return p * rewards


@wrong("policy_gradient_exact", says="a copy of them")
def backward_on_the_argument(logits, rewards):
    logits.requires_grad_()
    (logits.softmax(0) * rewards).sum().backward()
    return logits.grad


@right("policy_gradient_exact")
def by_autograd(logits, rewards):
    theta = logits.detach().clone().requires_grad_()
    (theta.softmax(0) * rewards).sum().backward()
    return theta.grad


@right("policy_gradient_exact")
def by_the_jacobian(logits, rewards):
    p = torch.softmax(logits, -1)
    return (torch.diag(p) - torch.outer(p, p)) @ rewards


@right("policy_gradient_exact")
def by_the_log_derivative(logits, rewards):
    p = logits.softmax(-1)
    total = torch.zeros_like(logits)
    for k in range(len(p)):
        score = -p.clone()
        score[k] += 1
        total += p[k] * rewards[k] * score
    return total


# --------------------------------------------------------------------------------------------------- reinforce_loss


@wrong("reinforce_loss", says="the sign")
def ascent(log_probs, rewards, baseline):
    return ((rewards - baseline) * log_probs).mean()


@wrong("reinforce_loss", says="take the mean")
def sum_of_samples(log_probs, rewards, baseline):
    return -((rewards - baseline) * log_probs).sum()


@wrong("reinforce_loss", says="baseline changed nothing")
def forgets_the_baseline(log_probs, rewards, baseline):
    return -(rewards * log_probs).mean()


@wrong("reinforce_loss", says="not added")
def adds_the_baseline(log_probs, rewards, baseline):
    return -((rewards + baseline) * log_probs).mean()


@wrong("reinforce_loss", says="not to the log-probabilities")
def baseline_of_log_probs(log_probs, rewards, baseline):
    return -(rewards * (log_probs - baseline)).mean()


@wrong("reinforce_loss", says="do not exponentiate")
def with_probabilities(log_probs, rewards, baseline):
    return -((rewards - baseline) * log_probs.exp()).mean()


@wrong("reinforce_loss", says="one number is wanted")
def loss_of_each_sample(log_probs, rewards, baseline):
    return -(rewards - baseline) * log_probs


@wrong("reinforce_loss", says="mean with mean")
def product_of_means(log_probs, rewards, baseline):
    return -(rewards - baseline).mean() * log_probs.mean()


@wrong("reinforce_loss", says="no gradient flows")
def detached(log_probs, rewards, baseline):
    return -((rewards - baseline) * log_probs.detach()).mean()


@right("reinforce_loss")
def with_detached_advantages(log_probs, rewards, baseline):
    advantages = (rewards - baseline).detach()
    return torch.mean(-log_probs * advantages)


@right("reinforce_loss")
def as_a_dot_product(log_probs, rewards, baseline):
    return (baseline - rewards) @ log_probs / len(log_probs)


# ----------------------------------------------------------------------------------------------- importance_weights


@wrong("importance_weights", says="upside down")
def old_over_new(logp_new, logp_old):
    return (logp_old - logp_new).exp()


@wrong("importance_weights", says="exponentiate")
def log_weights(logp_new, logp_old):
    return logp_new - logp_old


@wrong("importance_weights", says="not their difference")
def difference_of_probabilities(logp_new, logp_old):
    return logp_new.exp() - logp_old.exp()


@wrong("importance_weights", says="a quotient of logarithms")
def quotient_of_logs(logp_new, logp_old):
    return logp_new / logp_old


@wrong("importance_weights", says="subtract the logarithms first")
def underflows(logp_new, logp_old):
    return logp_new.exp() / logp_old.exp()


@wrong("importance_weights", says="to sum 1")
def normalised(logp_new, logp_old):
    return torch.softmax(logp_new - logp_old, -1)


@wrong("importance_weights", says="far from 1")
def clamped_ratio(logp_new, logp_old):
    return (logp_new - logp_old).clamp(-5, 5).exp()


@wrong("importance_weights", says="no gradient flows")
def without_gradient(logp_new, logp_old):
    with torch.no_grad():
        return (logp_new - logp_old).exp()


@right("importance_weights")
def torch_exp(logp_new, logp_old):
    return torch.exp(logp_new - logp_old)


@right("importance_weights")
def power_of_e(logp_new, logp_old):
    return math.e ** (logp_new - logp_old)


# -------------------------------------------------------------------------------------------- effective_sample_size


@wrong("effective_sample_size", says="upside down")
def inverse(w):
    return (w ** 2).sum() / w.sum() ** 2


@wrong("effective_sample_size", says="squared")
def sum_not_squared(w):
    return w.sum() / (w ** 2).sum()


@wrong("effective_sample_size", says="not normalised")
def assumes_normalised_weights(w):
    return 1 / (w ** 2).sum()


@wrong("effective_sample_size", says="their number is wanted")
def a_share(w):
    return w.mean() ** 2 / (w ** 2).mean()


@wrong("effective_sample_size", says="largest weight")
def over_the_maximum(w):
    return w.sum() / w.max()


@wrong("effective_sample_size", says="one by one")
def square_of_the_sum_twice(w):
    return w.sum() ** 2 / w.sum()


@wrong("effective_sample_size", says="very small")
def guarded_denominator(w):
    return w.sum() ** 2 / (w.square().sum() + 1e-6)


@right("effective_sample_size")
def normalised_first(w):
    share = w / w.sum()
    return (1 / (share * share).sum()).item()


@right("effective_sample_size")
def by_coefficient_of_variation(w):
    return len(w) / (1 + w.var(correction=0) / w.mean() ** 2)


# --------------------------------------------------------------------------------------------------------- kl_exact


@wrong("kl_exact", says="the wrong way round")
def reversed_direction(p_logits, q_logits):
    logp, logq = p_logits.log_softmax(-1), q_logits.log_softmax(-1)
    return (logq.exp() * (logq - logp)).sum()


@wrong("kl_exact", says="the wrong way round")
def arguments_of_kl_div(p_logits, q_logits):
    return F.kl_div(p_logits.log_softmax(-1), q_logits.log_softmax(-1), reduction="sum", log_target=True)


@wrong("kl_exact", says="the sign")
def negative(p_logits, q_logits):
    logp, logq = p_logits.log_softmax(-1), q_logits.log_softmax(-1)
    return (logp.exp() * (logq - logp)).sum()


@wrong("kl_exact", says="the constants of the two logits differ")
def raw_logits(p_logits, q_logits):
    return (p_logits.softmax(-1) * (p_logits - q_logits)).sum()


@wrong("kl_exact", says="cross-entropy")
def cross_entropy_alone(p_logits, q_logits):
    return -(p_logits.softmax(-1) * q_logits.log_softmax(-1)).sum()


@wrong("kl_exact", says="the plain mean")
def unweighted(p_logits, q_logits):
    return (p_logits.log_softmax(-1) - q_logits.log_softmax(-1)).mean()


@wrong("kl_exact", says="not a mean")
def mean_over_outcomes(p_logits, q_logits):
    return F.kl_div(q_logits.log_softmax(-1), p_logits.softmax(-1), reduction="mean")


@wrong("kl_exact", says="log(0) is minus infinity")
def logarithm_of_probabilities(p_logits, q_logits):
    p, q = p_logits.softmax(-1), q_logits.softmax(-1)
    return (p * (p / q).log()).sum()


@wrong("kl_exact", says="bits")
def in_bits(p_logits, q_logits):
    logp, logq = p_logits.log_softmax(-1), q_logits.log_softmax(-1)
    return (logp.exp() * (logp - logq)).sum() / math.log(2)


@wrong("kl_exact", says="hardly overlap")
def logarithms_cut_off(p_logits, q_logits):
    logp, logq = p_logits.log_softmax(0).clamp(min=-300), q_logits.log_softmax(0).clamp(min=-300)
    return (logp.exp() * (logp - logq)).sum()


@right("kl_exact")
def by_kl_div(p_logits, q_logits):
    return F.kl_div(q_logits.log_softmax(-1), p_logits.log_softmax(-1), reduction="sum", log_target=True)


@right("kl_exact")
def by_logsumexp(p_logits, q_logits):
    p = torch.softmax(p_logits, 0)
    return (p @ (p_logits - q_logits) - p_logits.logsumexp(0) + q_logits.logsumexp(0)).item()


# ----------------------------------------------------------------------------------------------------- kl_estimates


@wrong("kl_estimates", says="k1 has the wrong sign")
def ratio_upside_down(logp, logq):
    log_ratio = logp - logq
    return -log_ratio, log_ratio ** 2 / 2, log_ratio.exp() - 1 - log_ratio


@wrong("kl_estimates", says="half the square")
def no_half(logp, logq):
    log_ratio = logq - logp
    return -log_ratio, log_ratio ** 2, log_ratio.exp() - 1 - log_ratio


@wrong("kl_estimates", says="the 1 has to be subtracted")
def no_minus_one(logp, logq):
    log_ratio = logq - logp
    return -log_ratio, log_ratio ** 2 / 2, log_ratio.exp() - log_ratio


@wrong("kl_estimates", says="k3 has the wrong ratio")
def k3_with_p_over_q(logp, logq):
    log_ratio = logp - logq
    return log_ratio, log_ratio ** 2 / 2, log_ratio.exp() - 1 - log_ratio


@wrong("kl_estimates", says="k3 has one sign wrong")
def k3_plus_the_log(logp, logq):
    log_ratio = logq - logp
    return -log_ratio, log_ratio ** 2 / 2, log_ratio.exp() - 1 + log_ratio


@wrong("kl_estimates", says="the order is k1, k2, k3")
def in_reverse(logp, logq):
    log_ratio = logq - logp
    return log_ratio.exp() - 1 - log_ratio, log_ratio ** 2 / 2, -log_ratio


@wrong("kl_estimates", says="three things")
def only_k3(logp, logq):
    return (logq - logp).exp() - 1 - (logq - logp)


@wrong("kl_estimates", says="k1 is wrong")
def weighted_by_p(logp, logq):
    log_ratio, p = logq - logp, logp.exp()
    return -p * log_ratio, p * log_ratio ** 2 / 2, p * (log_ratio.exp() - 1 - log_ratio)


@right("kl_estimates")
def with_ratios(logp, logq):
    r = torch.exp(logq - logp)
    return [logp - logq, 0.5 * (logp - logq) ** 2, (r - 1) - r.log()]


@right("kl_estimates")
def as_means(logp, logq):
    d = logq - logp
    return (-d).mean(), (d * d / 2).mean(), (torch.expm1(d) - d).mean()


@right("kl_estimates")
def as_a_stack(logp, logq):
    d = logp - logq
    return torch.stack([d, d.square() / 2, torch.exp(-d) + d - 1])


# -------------------------------------------------------------------------------------------------------------- gae


@wrong("gae", says="value of the next episode leaks in")
def bootstraps_through_the_end(rewards, values, dones, gamma, lam):
    out, running = torch.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        delta = rewards[t] + gamma * values[t + 1] - values[t]
        running = delta + gamma * lam * (1 - dones[t]) * running
        out[t] = running
    return out


@wrong("gae", says="advantages of the next episode leak in")
def sums_through_the_end(rewards, values, dones, gamma, lam):
    out, running = torch.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        delta = rewards[t] + gamma * values[t + 1] * (1 - dones[t]) - values[t]
        running = delta + gamma * lam * running
        out[t] = running
    return out


@wrong("gae", says="`dones` changed nothing")
def ignores_dones(rewards, values, dones, gamma, lam):
    out, running = torch.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        running = rewards[t] + gamma * values[t + 1] - values[t] + gamma * lam * running
        out[t] = running
    return out


@wrong("gae", says="not before it")
def looks_at_the_done_before(rewards, values, dones, gamma, lam):
    out, running = torch.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        alive = 1 - dones[t - 1] if t else 1.0
        running = rewards[t] + gamma * values[t + 1] * alive - values[t] + gamma * lam * alive * running
        out[t] = running
    return out


@wrong("gae", says="do not leave it out")
def no_bootstrap(rewards, values, dones, gamma, lam):
    out, running = torch.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        after = values[t + 1] if t + 1 < len(rewards) else 0.0
        alive = 1 - dones[t]
        running = rewards[t] + gamma * after * alive - values[t] + gamma * lam * alive * running
        out[t] = running
    return out


@wrong("gae", says="`lam` changed nothing")
def monte_carlo(rewards, values, dones, gamma, lam):
    out, running = torch.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        alive = 1 - dones[t]
        running = rewards[t] + gamma * values[t + 1] * alive - values[t] + gamma * alive * running
        out[t] = running
    return out


@wrong("gae", says="gamma belongs to the sum")
def lam_without_gamma(rewards, values, dones, gamma, lam):
    out, running = torch.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        alive = 1 - dones[t]
        running = rewards[t] + gamma * values[t + 1] * alive - values[t] + lam * alive * running
        out[t] = running
    return out


@wrong("gae", says="not yet summed")
def surprises_alone(rewards, values, dones, gamma, lam):
    return rewards + gamma * values[1:] * (1 - dones) - values[:-1]


@wrong("gae", says="must not be added back")
def returns(rewards, values, dones, gamma, lam):
    out, running = torch.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        alive = 1 - dones[t]
        running = rewards[t] + gamma * values[t + 1] * alive - values[t] + gamma * lam * alive * running
        out[t] = running
    return out + values[:-1]


@wrong("gae", says="start from the end")
def forwards(rewards, values, dones, gamma, lam):
    out, running = torch.zeros_like(rewards), 0.0
    for t in range(len(rewards)):
        alive = 1 - dones[t]
        running = rewards[t] + gamma * values[t + 1] * alive - values[t] + gamma * lam * running
        out[t] = running
        running = running * alive
    return out


@wrong("gae", says="in place")
def into_the_rewards(rewards, values, dones, gamma, lam):
    running = 0.0
    for t in reversed(range(len(rewards))):
        alive = 1 - dones[t]
        running = rewards[t] + gamma * values[t + 1] * alive - values[t] + gamma * lam * alive * running
        rewards[t] = running
    return rewards


@wrong("gae", says="not shifted and scaled")
def whitened(rewards, values, dones, gamma, lam):
    out, running = torch.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        alive = 1 - dones[t]
        running = rewards[t] + gamma * values[t + 1] * alive - values[t] + gamma * lam * alive * running
        out[t] = running
    return (out - out.mean()) / out.std()


@right("gae")
def surprises_first(rewards, values, dones, gamma, lam):
    alive = 1 - dones
    deltas = rewards + gamma * values[1:] * alive - values[:-1]
    out, last = [], torch.tensor(0.0)
    for delta, a in zip(deltas.flip(0), alive.flip(0)):
        last = delta + gamma * lam * a * last
        out.append(last)
    return torch.stack(out).flip(0)


@right("gae")
def as_explicit_sums(rewards, values, dones, gamma, lam):
    T, out = len(rewards), []
    for t in range(T):
        total, factor = 0.0, 1.0
        for k in range(t, T):
            ended = bool(dones[k])
            total += factor * (float(rewards[k]) + (0.0 if ended else gamma * float(values[k + 1])) - float(values[k]))
            if ended:
                break
            factor *= gamma * lam
        out.append(total)
    return torch.tensor(out)


@right("gae")
def by_a_matrix(rewards, values, dones, gamma, lam):
    T = len(rewards)
    alive = 1 - dones
    delta = rewards + gamma * alive * values[1:] - values[:T]
    weight = torch.zeros(T, T)
    for t in range(T):
        weight[t, t] = 1.0
        for k in range(t + 1, T):
            weight[t, k] = weight[t, k - 1] * gamma * lam * alive[k - 1]
    return weight @ delta


equivalent("gae", "float(dones[t]) -> dones[t]", why="a tensor of one number does as well")

# ---------------------------------------------------------------------------------------------------- ppo_clip_loss


@wrong("ppo_clip_loss", says="the sign")
def the_objective(logp_new, logp_old, advantages, clip):
    w = (logp_new - logp_old).exp()
    return torch.minimum(w * advantages, w.clamp(1 - clip, 1 + clip) * advantages).mean()


@wrong("ppo_clip_loss", says="nothing is clipped")
def unclipped(logp_new, logp_old, advantages, clip):
    return -((logp_new - logp_old).exp() * advantages).mean()


@wrong("ppo_clip_loss", says="the minimum is missing")
def clipped_always(logp_new, logp_old, advantages, clip):
    return -((logp_new - logp_old).exp().clamp(1 - clip, 1 + clip) * advantages).mean()


@wrong("ppo_clip_loss", says="not the maximum")
def the_maximum(logp_new, logp_old, advantages, clip):
    w = (logp_new - logp_old).exp()
    return -torch.maximum(w * advantages, w.clamp(1 - clip, 1 + clip) * advantages).mean()


@wrong("ppo_clip_loss", says="not the maximum")
def minimum_of_the_losses(logp_new, logp_old, advantages, clip):
    w = (logp_new - logp_old).exp()
    return torch.min(-w * advantages, -w.clamp(1 - clip, 1 + clip) * advantages).mean()


@wrong("ppo_clip_loss", says="upside down")
def old_over_new_ratio(logp_new, logp_old, advantages, clip):
    w = (logp_old - logp_new).exp()
    return -torch.minimum(w * advantages, w.clamp(1 - clip, 1 + clip) * advantages).mean()


@wrong("ppo_clip_loss", says="these are log-ratios")
def with_log_ratios(logp_new, logp_old, advantages, clip):
    w = logp_new - logp_old
    return -torch.minimum(w * advantages, w.clamp(1 - clip, 1 + clip) * advantages).mean()


@wrong("ppo_clip_loss", says="not around 0")
def clipped_around_zero(logp_new, logp_old, advantages, clip):
    w = (logp_new - logp_old).exp()
    return -torch.minimum(w * advantages, w.clamp(-clip, clip) * advantages).mean()


@wrong("ppo_clip_loss", says="on both sides")
def clipped_above_only(logp_new, logp_old, advantages, clip):
    w = (logp_new - logp_old).exp()
    return -torch.minimum(w * advantages, w.clamp(max=1 + clip) * advantages).mean()


@wrong("ppo_clip_loss", says="not of w alone")
def minimum_of_ratios(logp_new, logp_old, advantages, clip):
    w = (logp_new - logp_old).exp()
    return -(torch.minimum(w, w.clamp(1 - clip, 1 + clip)) * advantages).mean()


@wrong("ppo_clip_loss", says="take the mean")
def summed_over_tokens(logp_new, logp_old, advantages, clip):
    w = (logp_new - logp_old).exp()
    return -torch.minimum(w * advantages, w.clamp(1 - clip, 1 + clip) * advantages).sum()


@wrong("ppo_clip_loss", says="one number is wanted")
def a_loss_for_each_token(logp_new, logp_old, advantages, clip):
    w = (logp_new - logp_old).exp()
    return -torch.minimum(w * advantages, w.clamp(1 - clip, 1 + clip) * advantages)


@wrong("ppo_clip_loss", says="this is REINFORCE")
def plain_policy_gradient(logp_new, logp_old, advantages, clip):
    return -(logp_new * advantages).mean()


@wrong("ppo_clip_loss", says="no gradient flows")
def detached_ratio(logp_new, logp_old, advantages, clip):
    w = (logp_new - logp_old).exp().detach()
    return -torch.minimum(w * advantages, w.clamp(1 - clip, 1 + clip) * advantages).mean()


@wrong("ppo_clip_loss", says="not shifted and scaled")
def normalises_the_advantages(logp_new, logp_old, advantages, clip):
    w = (logp_new - logp_old).exp()
    a = (advantages - advantages.mean()) / advantages.std()
    return -torch.minimum(w * a, w.clamp(1 - clip, 1 + clip) * a).mean()


@right("ppo_clip_loss")
def maximum_of_the_losses(logp_new, logp_old, advantages, clip):
    ratio = torch.exp(logp_new - logp_old.detach())
    return torch.max(-advantages * ratio, -advantages * torch.clamp(ratio, 1.0 - clip, 1.0 + clip)).mean()


@right("ppo_clip_loss")
def by_cases(logp_new, logp_old, advantages, clip):
    ratio = (logp_new - logp_old).exp()
    bound = torch.where(advantages > 0, ratio.clamp(max=1 + clip), ratio.clamp(min=1 - clip))
    return -(bound * advantages).sum() / len(advantages)


# ------------------------------------------------------------------------------------------------------ rlhf_reward


@wrong("rlhf_reward", says="wrong sign")
def bonus(reward, logp, logp_ref, beta):
    out = beta * (logp - logp_ref)
    out[-1] += reward
    return out


@wrong("rlhf_reward", says="not with each")
def reward_everywhere(reward, logp, logp_ref, beta):
    return reward - beta * (logp - logp_ref)


@wrong("rlhf_reward", says="not with the first")
def reward_at_the_start(reward, logp, logp_ref, beta):
    out = -beta * (logp - logp_ref)
    out[0] += reward
    return out


@wrong("rlhf_reward", says="beta weighs the penalty alone")
def beta_times_everything(reward, logp, logp_ref, beta):
    out = -(logp - logp_ref)
    out[-1] += reward
    return beta * out


@wrong("rlhf_reward", says="beta changed nothing")
def no_beta(reward, logp, logp_ref, beta):
    out = logp_ref - logp
    out[-1] += reward
    return out


@wrong("rlhf_reward", says="no absolute value")
def always_a_cost(reward, logp, logp_ref, beta):
    out = -beta * (logp - logp_ref).abs()
    out[-1] += reward
    return out


@wrong("rlhf_reward", says="not the ratio")
def the_ratio(reward, logp, logp_ref, beta):
    out = -beta * (logp - logp_ref).exp()
    out[-1] += reward
    return out


@wrong("rlhf_reward", says="the sum at the end")
def all_at_the_end(reward, logp, logp_ref, beta):
    out = torch.zeros_like(logp)
    out[-1] = reward - beta * (logp - logp_ref).sum()
    return out


@wrong("rlhf_reward", says="add it")
def replaces_the_last(reward, logp, logp_ref, beta):
    out = -beta * (logp - logp_ref)
    out[-1] = reward
    return out


@wrong("rlhf_reward", says="in place")
def overwrites_logp(reward, logp, logp_ref, beta):
    logp -= logp_ref
    logp *= -beta
    logp[-1] += reward
    return logp


@wrong("rlhf_reward", says="changed an argument in place")
def adds_to_the_reward(reward, logp, logp_ref, beta):
    out = -beta * (logp - logp_ref)
    if isinstance(reward, Tensor):
        reward += out[-1]
        out[-1] = reward
    else:
        out[-1] += reward
    return out


@right("rlhf_reward")
def with_a_mask(reward, logp, logp_ref, beta):
    last = torch.zeros_like(logp)
    last[-1] = 1.0
    return beta * logp_ref - beta * logp + last * reward


@right("rlhf_reward")
def joined(reward, logp, logp_ref, beta):
    penalty = beta * (logp - logp_ref)
    return torch.cat([-penalty[:-1], (reward - penalty[-1]).reshape(1)])


# ------------------------------------------------------------------------------------------------ sequence_log_prob


@wrong("sequence_log_prob", says="are not shifted")
def unshifted(logits, ids, mask):
    logp = logits.log_softmax(-1).gather(-1, ids[..., None])[..., 0]
    return (logp * mask).sum(1)


@wrong("sequence_log_prob", says="cut it like the ids")
def mask_cut_like_the_logits(logits, ids, mask):
    logp = logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
    return (logp * mask[:, :-1]).sum(1)


@wrong("sequence_log_prob", says="the mask changed nothing")
def no_mask(logits, ids, mask):
    return logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0].sum(1)


@wrong("sequence_log_prob", says="is a sum")
def mean_over_marked(logits, ids, mask):
    logp = logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
    return (logp * mask[:, 1:]).sum(1) / mask[:, 1:].sum(1)


@wrong("sequence_log_prob", says="minus that")
def the_loss(logits, ids, mask):
    each = F.cross_entropy(logits[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none")
    return (each * mask[:, 1:]).sum(1)


@wrong("sequence_log_prob", says="these are logits")
def sums_logits(logits, ids, mask):
    return (logits[:, :-1].gather(-1, ids[:, 1:, None])[..., 0] * mask[:, 1:]).sum(1)


@wrong("sequence_log_prob", says="take their logarithms")
def sums_probabilities(logits, ids, mask):
    return (logits[:, :-1].softmax(-1).gather(-1, ids[:, 1:, None])[..., 0] * mask[:, 1:]).sum(1)


@wrong("sequence_log_prob", says="one number for each text")
def over_the_whole_batch(logits, ids, mask):
    logp = logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
    return (logp * mask[:, 1:]).sum()


@wrong("sequence_log_prob", says="call log_softmax")
def own_log_softmax(logits, ids, mask):
    logp = logits[:, :-1] - logits[:, :-1].exp().sum(-1, keepdim=True).log()
    return (logp.gather(-1, ids[:, 1:, None])[..., 0] * mask[:, 1:]).sum(1)


@wrong("sequence_log_prob", says="True in the mask means")
def mask_upside_down(logits, ids, mask):
    logp = logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
    return logp.masked_fill(mask[:, 1:], 0).sum(1)


@wrong("sequence_log_prob", says="no gradient flows")
def without_gradients(logits, ids, mask):
    with torch.no_grad():
        logp = logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
        return (logp * mask[:, 1:]).sum(1)


@wrong("sequence_log_prob", says="wrong for")
def product_of_probabilities(logits, ids, mask):
    p = logits[:, :-1].softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
    return torch.where(mask[:, 1:], p, 1.0).prod(1).log()


@wrong("sequence_log_prob", says="very unlikely token")
def adds_a_little(logits, ids, mask):
    p = logits[:, :-1].softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
    return ((p + 1e-12).log() * mask[:, 1:]).sum(1)


@right("sequence_log_prob")
def by_cross_entropy(logits, ids, mask):
    each = F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), reduction="none").view(len(ids), -1)
    return -torch.where(mask[:, 1:], each, torch.zeros_like(each)).sum(-1)


@right("sequence_log_prob")
def text_by_text(logits, ids, mask):
    totals = []
    for rows, text, marks in zip(logits.log_softmax(-1), ids, mask):
        totals.append(sum([rows[t - 1, text[t]] for t in range(1, len(text)) if marks[t]], rows.new_zeros(())))
    return torch.stack(totals)


@right("sequence_log_prob")
def by_ignored_labels(logits, ids, mask):
    labels = ids[:, 1:].masked_fill(~mask[:, 1:], -100)
    return -F.cross_entropy(logits[:, :-1].mT, labels, ignore_index=-100, reduction="none").sum(1)


# --------------------------------------------------------------------------------------------------------- dpo_loss


@wrong("dpo_loss", says="the wrong way round")
def prefers_the_rejected(logp_c, logp_r, ref_c, ref_r, beta):
    return -F.logsigmoid(beta * ((logp_r - ref_r) - (logp_c - ref_c))).mean()


@wrong("dpo_loss", says="the sign")
def likelihood(logp_c, logp_r, ref_c, ref_r, beta):
    return F.logsigmoid(beta * ((logp_c - ref_c) - (logp_r - ref_r))).mean()


@wrong("dpo_loss", says="beta changed nothing")
def beta_left_out(logp_c, logp_r, ref_c, ref_r, beta):
    return -F.logsigmoid((logp_c - ref_c) - (logp_r - ref_r)).mean()


@wrong("dpo_loss", says="inside the sigmoid")
def beta_outside(logp_c, logp_r, ref_c, ref_r, beta):
    return -beta * F.logsigmoid((logp_c - ref_c) - (logp_r - ref_r)).mean()


@wrong("dpo_loss", says="beta divides nothing")
def divided_by_beta(logp_c, logp_r, ref_c, ref_r, beta):
    return -F.logsigmoid(((logp_c - ref_c) - (logp_r - ref_r)) / beta).mean()


@wrong("dpo_loss", says="the reference is missing")
def reference_free(logp_c, logp_r, ref_c, ref_r, beta):
    return -F.logsigmoid(beta * (logp_c - logp_r)).mean()


@wrong("dpo_loss", says="not added")
def adds_the_reference(logp_c, logp_r, ref_c, ref_r, beta):
    return -F.logsigmoid(beta * ((logp_c + ref_c) - (logp_r + ref_r))).mean()


@wrong("dpo_loss", says="beta multiplies the reference too")
def beta_on_the_policy_only(logp_c, logp_r, ref_c, ref_r, beta):
    return -F.logsigmoid(beta * (logp_c - logp_r) - (ref_c - ref_r)).mean()


@wrong("dpo_loss", says="take the mean")
def sum_of_pairs(logp_c, logp_r, ref_c, ref_r, beta):
    return -F.logsigmoid(beta * ((logp_c - ref_c) - (logp_r - ref_r))).sum()


@wrong("dpo_loss", says="pair by pair")
def mean_too_early(logp_c, logp_r, ref_c, ref_r, beta):
    return -F.logsigmoid(beta * ((logp_c - ref_c) - (logp_r - ref_r)).mean())


@wrong("dpo_loss", says="use F.logsigmoid")
def log_of_sigmoid(logp_c, logp_r, ref_c, ref_r, beta):
    return -torch.sigmoid(beta * ((logp_c - ref_c) - (logp_r - ref_r))).log().mean()


@wrong("dpo_loss", says="let it flow to logp_c and logp_r")
def rejected_detached(logp_c, logp_r, ref_c, ref_r, beta):
    return -F.logsigmoid(beta * ((logp_c - ref_c) - (logp_r.detach() - ref_r))).mean()


@wrong("dpo_loss", says="whose gradient is safe too")
def stable_value_unsafe_gradient(logp_c, logp_r, ref_c, ref_r, beta):
    d = beta * ((logp_c - ref_c) - (logp_r - ref_r))
    return torch.where(d > 0, torch.log1p(torch.exp(-d)), -d + torch.log1p(torch.exp(d))).mean()


@right("dpo_loss")
def as_in_the_paper(logp_c, logp_r, ref_c, ref_r, beta):
    pi_logratios = logp_c - logp_r
    ref_logratios = ref_c - ref_r
    return -F.logsigmoid(beta * (pi_logratios - ref_logratios)).mean()


@right("dpo_loss")
def by_softplus_of_rewards(logp_c, logp_r, ref_c, ref_r, beta):
    chosen, rejected = beta * (logp_c - ref_c.detach()), beta * (logp_r - ref_r.detach())
    return F.softplus(rejected - chosen).mean()


# -------------------------------------------------------------------------------------------------- grpo_advantages


@wrong("grpo_advantages", says="not of the whole batch")
def whole_batch(rewards, group_size, eps):
    return (rewards - rewards.mean()) / (rewards.std() + eps)


@wrong("grpo_advantages", says="standard deviation is that of the group")
def std_of_the_batch(rewards, group_size, eps):
    g = rewards.view(-1, group_size)
    return (g - g.mean(1, keepdim=True)).flatten() / (rewards.std() + eps)


@wrong("grpo_advantages", says="G - 1 below the line")
def biased_std(rewards, group_size, eps):
    g = rewards.view(-1, group_size)
    return ((g - g.mean(1, keepdim=True)) / (g.std(1, keepdim=True, unbiased=False) + eps)).flatten()


@wrong("grpo_advantages", says="not divided by the standard deviation")
def not_scaled(rewards, group_size, eps):
    g = rewards.view(-1, group_size)
    return (g - g.mean(1, keepdim=True)).flatten()


@wrong("grpo_advantages", says="take its square root")
def by_the_variance(rewards, group_size, eps):
    g = rewards.view(-1, group_size)
    return ((g - g.mean(1, keepdim=True)) / (g.var(1, keepdim=True) + eps)).flatten()


@wrong("grpo_advantages", says="not to the variance")
def eps_under_the_root(rewards, group_size, eps):
    g = rewards.view(-1, group_size)
    return ((g - g.mean(1, keepdim=True)) / (g.var(1, keepdim=True) + eps).sqrt()).flatten()


@wrong("grpo_advantages", says="in a row")
def groups_dealt_out(rewards, group_size, eps):
    g = rewards.view(group_size, -1)
    return ((g - g.mean(0)) / (g.std(0) + eps)).flatten()


@wrong("grpo_advantages", says="in the shape of `rewards`")
def left_in_groups(rewards, group_size, eps):
    g = rewards.view(-1, group_size)
    return (g - g.mean(1, keepdim=True)) / (g.std(1, keepdim=True) + eps)


@wrong("grpo_advantages", says="`eps` changed nothing")
def nan_where_all_agree(rewards, group_size, eps):
    g = rewards.view(-1, group_size)
    return ((g - g.mean(1, keepdim=True)) / g.std(1, keepdim=True)).flatten()


@wrong("grpo_advantages", says="before you square")
def mean_of_squares(rewards, group_size, eps):
    g = rewards.view(-1, group_size)
    m = g.mean(1, keepdim=True)
    var = (g.square().mean(1, keepdim=True) - m**2) * group_size / (group_size - 1)
    return ((g - m) / (var.sqrt() + eps)).flatten()


@right("grpo_advantages")
def with_repeats(rewards, group_size, eps):
    g = rewards.reshape(-1, group_size)
    mean, std = g.mean(dim=1).repeat_interleave(group_size), g.std(dim=1).repeat_interleave(group_size)
    return (rewards - mean) / (std + eps)


@right("grpo_advantages")
def chunk_by_chunk(rewards, group_size, eps):
    return torch.cat([(part - part.mean()) / (part.std() + eps) for part in rewards.split(group_size)])

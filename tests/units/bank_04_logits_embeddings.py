"""Answers that learners hand in for unit 04, wrong ones with what their message must say, and right ones."""

import torch

from autograder.authoring.bank import equivalent, right, wrong

# ---------------------------------------------------------------------------------------- cosine_similarity_matrix


@wrong("cosine_similarity_matrix", says="dot products")
def forgets_the_lengths(e):
    return e @ e.T


@wrong("cosine_similarity_matrix", says="one of the two vectors")
def divides_by_one_length(e):
    return e @ e.T / e.norm(dim=1, keepdim=True)


@wrong("cosine_similarity_matrix", says="keep the sign")
def absolute_value(e):
    return F.cosine_similarity(e[:, None], e[None], dim=-1).abs()


@wrong("cosine_similarity_matrix", says="do not square")
def squared(e):
    return F.cosine_similarity(e[:, None], e[None], dim=-1) ** 2


@wrong("cosine_similarity_matrix", says="cosine distance")
def distance_for_similarity(e):
    return 1 - F.cosine_similarity(e[:, None], e[None], dim=-1)


@wrong("cosine_similarity_matrix", says="squared lengths")
def squared_lengths(e):
    square = (e * e).sum(1)
    return e @ e.T / square[:, None] / square[None]


@wrong("cosine_similarity_matrix", says="columns one unit long")
def normalizes_the_columns(e):
    unit = e / e.norm(dim=0).clamp(min=1e-12)
    return unit @ unit.T


@wrong("cosine_similarity_matrix", says="whole table")
def one_length_for_all(e):
    return e @ e.T / e.norm() ** 2


@wrong("cosine_similarity_matrix", says="both halves")
def the_upper_half_only(e):
    unit = F.normalize(e, dim=-1)
    return torch.triu(unit @ unit.T)


@wrong("cosine_similarity_matrix", says="shape")
def one_against_the_first(e):
    return F.cosine_similarity(e[0], e, dim=-1)


@wrong("cosine_similarity_matrix", says="in place")
def normalizes_in_place(e):
    e /= e.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return e @ e.T


@right("cosine_similarity_matrix")
def by_broadcasting(e):
    return torch.cosine_similarity(e.unsqueeze(0), e.unsqueeze(1), dim=2)


@right("cosine_similarity_matrix")
def pair_by_pair(e):
    return torch.stack([torch.stack([a.dot(b) / (a.norm() * b.norm()) for b in e]) for a in e])


@right("cosine_similarity_matrix")
def by_the_product_of_lengths(e):
    lengths = torch.linalg.norm(e, dim=-1)
    return e.mm(e.t()) / torch.outer(lengths, lengths)


@right("cosine_similarity_matrix")
def clamped_to_its_range(e):
    unit = e / (e.pow(2).sum(-1, keepdim=True).sqrt() + 1e-8)
    return torch.einsum("id,jd->ij", unit, unit).clamp(-1.0, 1.0)


# -------------------------------------------------------------------------------------------------- nearest_tokens


@wrong("nearest_tokens", says="itself")
def lists_itself(embedding_weight, token_id, k):
    similarity = F.cosine_similarity(embedding_weight, embedding_weight[token_id], dim=-1)
    return similarity.topk(k).indices.tolist()


@wrong("nearest_tokens", says="dot products")
def dot_products(embedding_weight, token_id, k):
    scores = embedding_weight @ embedding_weight[token_id]
    scores[token_id] = float("-inf")
    return scores.topk(k).indices.tolist()


@wrong("nearest_tokens", says="distance")
def by_distance(embedding_weight, token_id, k):
    distance = (embedding_weight - embedding_weight[token_id]).norm(dim=-1)
    distance[token_id] = float("inf")
    return distance.topk(k, largest=False).indices.tolist()


@wrong("nearest_tokens", says="sort the other way")
def ascending(embedding_weight, token_id, k):
    similarity = F.cosine_similarity(embedding_weight, embedding_weight[token_id], dim=-1)
    similarity[token_id] = float("inf")
    return similarity.argsort()[:k].tolist()


@wrong("nearest_tokens", says="one is missing")
def drops_itself_from_k(embedding_weight, token_id, k):
    similarity = F.cosine_similarity(embedding_weight, embedding_weight[token_id], dim=-1)
    return [i for i in similarity.topk(k).indices.tolist() if i != token_id]


@wrong("nearest_tokens", says="by its id")
def drops_whatever_comes_first(embedding_weight, token_id, k):
    unit = F.normalize(embedding_weight, dim=-1)
    return (unit @ unit[token_id]).argsort(descending=True, stable=True)[1:k + 1].tolist()


@wrong("nearest_tokens", says="keep the sign")
def magnitude_alone(embedding_weight, token_id, k):
    similarity = F.cosine_similarity(embedding_weight, embedding_weight[token_id], dim=-1).abs()
    similarity[token_id] = float("-inf")
    return similarity.topk(k).indices.tolist()


@wrong("nearest_tokens", says="one too small")
def ids_of_the_table_without_the_row(embedding_weight, token_id, k):
    others = torch.cat([embedding_weight[:token_id], embedding_weight[token_id + 1:]])
    return F.cosine_similarity(others, embedding_weight[token_id], dim=-1).topk(k).indices.tolist()


@wrong("nearest_tokens", says="negative")
def zero_is_not_small_enough(embedding_weight, token_id, k):
    similarity = F.cosine_similarity(embedding_weight, embedding_weight[token_id], dim=-1)
    similarity[token_id] = 0
    return similarity.topk(k).indices.tolist()


@wrong("nearest_tokens", says="list")
def returns_a_tensor(embedding_weight, token_id, k):
    similarity = F.cosine_similarity(embedding_weight, embedding_weight[token_id], dim=-1)
    similarity[token_id] = float("-inf")
    return similarity.topk(k).indices


@right("nearest_tokens")
def one_more_and_filter(embedding_weight, token_id, k):
    unit = F.normalize(embedding_weight, dim=-1)
    order = torch.argsort(unit @ unit[token_id], descending=True).tolist()
    return [i for i in order if i != token_id][:k]


@right("nearest_tokens")
def sorted_in_python(embedding_weight, token_id, k):
    lengths = embedding_weight.norm(dim=1).clamp_min(1e-9)
    cosines = ((embedding_weight * embedding_weight[token_id]).sum(1) / lengths / lengths[token_id]).tolist()
    others = [i for i in range(len(cosines)) if i != token_id]
    return sorted(others, key=lambda i: -cosines[i])[:k]


@right("nearest_tokens")
def without_its_row(embedding_weight, token_id, k):
    rest = torch.cat([embedding_weight[:token_id], embedding_weight[token_id + 1:]])
    best = torch.cosine_similarity(rest, embedding_weight[token_id:token_id + 1]).topk(k).indices
    return [i + (i >= token_id) for i in best.tolist()]


equivalent("nearest_tokens", "sum -> mean", why="a mean over the same d numbers puts the tokens in the same order")

# --------------------------------------------------------------------------------------------------------- softmax


@wrong("softmax", says="sum along `dim` only")
def sums_over_everything(x, dim):
    weights = (x - x.max()).exp()
    return weights / weights.sum()


@wrong("softmax", says="overflows")
def forgets_the_maximum(x, dim):
    return x.exp() / x.exp().sum(dim, keepdim=True)


@wrong("softmax", says="its own maximum")
def one_maximum_for_all(x, dim):
    weights = (x - x.max()).exp()
    return weights / weights.sum(dim, keepdim=True)


@wrong("softmax", says="mind `dim`")
def always_the_first_axis(x, dim):
    return torch.softmax(x, 0)


@wrong("softmax", says="dim=0")
def always_the_last_axis(x, dim):
    return torch.softmax(x, -1)


@wrong("softmax", says="argmax")
def one_hot(x, dim):
    return F.one_hot(x.argmax(dim), x.shape[dim]).to(x.dtype)


@wrong("softmax", says="divide by their sum")
def not_normalized(x, dim):
    return torch.exp(x)


@wrong("softmax", says="without exponentiating")
def shares_of_the_scores(x, dim):
    return x / x.sum(dim, keepdim=True)


@wrong("softmax", says="in place")
def shifts_in_place(x, dim):
    x -= x.amax(dim, keepdim=True)
    return x.exp() / x.exp().sum(dim, keepdim=True)


@wrong("softmax", says="overflows")
def subtracts_the_mean(x, dim):
    weights = (x - x.mean(dim, keepdim=True)).exp()
    return weights / weights.sum(dim, keepdim=True)


@right("softmax")
def through_the_log(x, dim):
    return (x - x.logsumexp(dim, keepdim=True)).exp()


@right("softmax")
def axis_by_axis(x, dim):
    last = x.transpose(dim, -1)
    rows = [torch.exp(row - row.max()) for row in last.reshape(-1, last.shape[-1])]
    return torch.stack([row / row.sum() for row in rows]).view(last.shape).transpose(dim, -1)


# ----------------------------------------------------------------------------------------------------- log_softmax


@wrong("log_softmax", says="before you took its logarithm")
def logarithm_of_the_softmax(x, dim):
    return torch.softmax(x, dim).log()


@wrong("log_softmax", says="base is e, not 2")
def base_two(x, dim):
    return torch.log_softmax(x, dim) / math.log(2)


@wrong("log_softmax", says="base is e, not 10")
def base_ten(x, dim):
    return torch.log_softmax(x, dim) / math.log(10)


@wrong("log_softmax", says="sign")
def surprisal(x, dim):
    return -torch.log_softmax(x, dim)


@wrong("log_softmax", says="one constant for the whole table")
def one_constant_for_all(x, dim):
    return x - x.exp().sum().log()


@wrong("log_softmax", says="overflows")
def unshifted(x, dim):
    return x - x.exp().sum(dim, keepdim=True).log()


@wrong("log_softmax", says="that is the softmax")
def no_logarithm(x, dim):
    return torch.softmax(x, dim)


@wrong("log_softmax", says="own maximum")
def one_maximum_for_the_tensor(x, dim):
    shifted = x - x.max()
    return shifted - shifted.exp().sum(dim, keepdim=True).log()


@wrong("log_softmax", says="wrong")
def a_little_added(x, dim):
    return (torch.softmax(x, dim) + 1e-9).log()


@right("log_softmax")
def minus_logsumexp(x, dim):
    return x - torch.logsumexp(x, dim=dim, keepdim=True)


@right("log_softmax")
def shift_added_back(x, dim):
    top = x.max(dim=dim, keepdim=True).values
    return x - (top + torch.exp(x - top).sum(dim=dim, keepdim=True).log())


# ------------------------------------------------------------------------------------------------------ top_k_next


@wrong("top_k_next", says="over the whole vocabulary")
def softmax_of_the_best(model, tokenizer, prompt, k):
    values, ids = model(**tokenizer(prompt, return_tensors="pt").to(model.device)).logits[0, -1].topk(k)
    return [(tokenizer.decode([i]), p) for p, i in zip(values.softmax(-1).tolist(), ids.tolist())]


@wrong("top_k_next", says="these are logits")
def logits_for_probabilities(model, tokenizer, prompt, k):
    values, ids = model(**tokenizer(prompt, return_tensors="pt").to(model.device)).logits[0, -1].topk(k)
    return [(tokenizer.decode([i]), p) for p, i in zip(values.tolist(), ids.tolist())]


@wrong("top_k_next", says="take the last position")
def after_the_first_token(model, tokenizer, prompt, k):
    values, ids = model(**tokenizer(prompt, return_tensors="pt").to(model.device)).logits[0, 0].softmax(-1).topk(k)
    return [(tokenizer.decode([i]), p) for p, i in zip(values.tolist(), ids.tolist())]


@wrong("top_k_next", says="most likely token comes first")
def in_ascending_order(model, tokenizer, prompt, k):
    p = model(**tokenizer(prompt, return_tensors="pt").to(model.device)).logits[0, -1].softmax(-1)
    return [(tokenizer.decode([i]), p[i].item()) for i in p.argsort()[-k:]]


@wrong("top_k_next", says="leading space")
def strips_the_space(model, tokenizer, prompt, k):
    values, ids = model(**tokenizer(prompt, return_tensors="pt").to(model.device)).logits[0, -1].softmax(-1).topk(k)
    return [(tokenizer.decode([i]).strip(), p) for p, i in zip(values.tolist(), ids.tolist())]


@wrong("top_k_next", says="decode the id")
def inner_names(model, tokenizer, prompt, k):
    values, ids = model(**tokenizer(prompt, return_tensors="pt").to(model.device)).logits[0, -1].softmax(-1).topk(k)
    return list(zip(tokenizer.convert_ids_to_tokens(ids), values.tolist()))


@wrong("top_k_next", says="decode each of them")
def ids_for_strings(model, tokenizer, prompt, k):
    values, ids = model(**tokenizer(prompt, return_tensors="pt").to(model.device)).logits[0, -1].softmax(-1).topk(k)
    return list(zip(ids.tolist(), values.tolist()))


@wrong("top_k_next", says="plain number")
def tensors_for_floats(model, tokenizer, prompt, k):
    values, ids = model(**tokenizer(prompt, return_tensors="pt").to(model.device)).logits[0, -1].softmax(-1).topk(k)
    return [(tokenizer.decode(i), p) for p, i in zip(values, ids)]


@wrong("top_k_next", says="special token")
def without_special_tokens(model, tokenizer, prompt, k):
    ids = tokenizer(prompt, add_special_tokens=False, return_tensors="pt").to(model.device).input_ids
    values, ids = model(ids).logits[0, -1].softmax(-1).topk(k)
    return [(tokenizer.decode([i]), p) for p, i in zip(values.tolist(), ids.tolist())]


@wrong("top_k_next", says="tuple")
def pairs_as_lists(model, tokenizer, prompt, k):
    values, ids = model(**tokenizer(prompt, return_tensors="pt").to(model.device)).logits[0, -1].softmax(-1).topk(k)
    return [[tokenizer.decode([i]), p] for p, i in zip(values.tolist(), ids.tolist())]


@right("top_k_next")
def sorted_by_hand(model, tokenizer, prompt, k):
    ids = torch.tensor([tokenizer.encode(prompt)], device=model.device)
    p = model(ids).logits.squeeze(0)[-1].double().softmax(0)
    return [(tokenizer.decode(i), float(p[i])) for i in p.argsort(descending=True)[:k]]


@right("top_k_next")
def from_logarithms(model, tokenizer, prompt, k):
    batch = tokenizer([prompt], return_tensors="pt").to(model.device)
    out = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
    logp = out.logits[:, -1].log_softmax(-1)
    best = torch.topk(logp, k)
    strings = tokenizer.batch_decode(best.indices[0][:, None])
    return [(string, math.exp(v)) for v, string in zip(best.values[0].tolist(), strings)]


equivalent("top_k_next", "ids.tolist() -> ids", why="decode takes an id that is a tensor of no axes as well")

# --------------------------------------------------------------------------------------------------- cross_entropy


@wrong("cross_entropy", says="that is the sum")
def sum_for_mean(logits, targets, ignore_index=-100):
    rows, aims = logits.reshape(-1, logits.shape[-1]), targets.reshape(-1)
    return F.cross_entropy(rows, aims, ignore_index=ignore_index, reduction="sum")


@wrong("cross_entropy", says="sign")
def forgets_the_minus(logits, targets, ignore_index=-100):
    return -F.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1), ignore_index=ignore_index)


@wrong("cross_entropy", says="bits")
def in_bits(logits, targets, ignore_index=-100):
    rows, aims = logits.reshape(-1, logits.shape[-1]), targets.reshape(-1)
    return F.cross_entropy(rows, aims, ignore_index=ignore_index) / math.log(2)


@wrong("cross_entropy", says="log_softmax first")
def takes_logits_for_log_probabilities(logits, targets, ignore_index=-100):
    kept = targets != ignore_index
    return -logits[kept].gather(-1, targets[kept][:, None]).mean()


@wrong("cross_entropy", says="not their logarithms")
def mean_probability(logits, targets, ignore_index=-100):
    kept = targets != ignore_index
    return -logits[kept].softmax(-1).gather(-1, targets[kept][:, None]).mean()


@wrong("cross_entropy", says="number of targets that were kept")
def divides_by_all(logits, targets, ignore_index=-100):
    rows, aims = logits.reshape(-1, logits.shape[-1]), targets.reshape(-1)
    return F.cross_entropy(rows, aims, ignore_index=ignore_index, reduction="none").mean()


@wrong("cross_entropy", says="used as an index")
def ignored_targets_as_token_0(logits, targets, ignore_index=-100):
    return -logits.log_softmax(-1).gather(-1, targets.clamp(min=0)[..., None]).mean()


@wrong("cross_entropy", says="out of bounds")
def knows_nothing_of_ignoring(logits, targets, ignore_index=-100):
    return -logits.log_softmax(-1).gather(-1, targets[..., None]).mean()


@wrong("cross_entropy", says="is an argument")
def always_minus_hundred(logits, targets, ignore_index=-100):
    return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1))


@wrong("cross_entropy", says="not finite")
def logarithm_of_a_softmax(logits, targets, ignore_index=-100):
    kept = targets != ignore_index
    return -logits[kept].softmax(-1).gather(-1, targets[kept][:, None]).log().mean()


@right("cross_entropy")
def with_nll_loss(logits, targets, ignore_index=-100):
    return F.nll_loss(F.log_softmax(logits, dim=-1), targets, ignore_index=ignore_index)


@right("cross_entropy")
def masked_sum_over_count(logits, targets, ignore_index=-100):
    mask = targets != ignore_index
    picked = torch.log_softmax(logits, dim=-1).gather(1, targets.masked_fill(~mask, 0).unsqueeze(1)).squeeze(1)
    return -(picked * mask).sum() / mask.sum()


@right("cross_entropy")
def summed_and_divided(logits, targets, ignore_index=-100):
    flat, aims = logits.reshape(-1, logits.size(-1)), targets.reshape(-1)
    kept = (aims != ignore_index).to(flat.dtype)
    picked = flat[torch.arange(len(aims)), aims.clamp(0, flat.size(-1) - 1)]
    return ((flat.logsumexp(-1) - picked) * kept).sum() / kept.sum()


@right("cross_entropy")
def with_a_one_hot(logits, targets, ignore_index=-100):
    kept = targets != ignore_index
    hot = F.one_hot(targets[kept], logits.shape[-1]).bool()
    return torch.log_softmax(logits[kept], dim=-1)[hot].mean().neg()


@right("cross_entropy")
def in_a_loop(logits, targets, ignore_index=-100):
    rows = logits.reshape(-1, logits.shape[-1])
    each = [row.logsumexp(0) - row[aim] for row, aim in zip(rows, targets.flatten().tolist()) if aim != ignore_index]
    return torch.stack(each).mean()


# ------------------------------------------------------------------------------------------------------ perplexity


@wrong("perplexity", says="perplexity is its exponential")
def the_loss_itself(model, input_ids):
    return model(input_ids, labels=input_ids).loss.item()


@wrong("perplexity", says="t is about token t + 1")
def judges_each_by_itself(model, input_ids):
    return F.cross_entropy(model(input_ids).logits.flatten(0, 1), input_ids.flatten()).exp().item()


@wrong("perplexity", says="wrong way")
def shifted_the_wrong_way(model, input_ids):
    logits = model(input_ids).logits
    return F.cross_entropy(logits[:, 1:].flatten(0, 1), input_ids[:, :-1].flatten()).exp().item()


@wrong("perplexity", says="2 ** nats")
def two_to_the_nats(model, input_ids):
    return 2 ** model(input_ids, labels=input_ids).loss.item()


@wrong("perplexity", says="take the mean")
def exponential_of_the_sum(model, input_ids):
    logits = model(input_ids).logits[:, :-1]
    return F.cross_entropy(logits.flatten(0, 1), input_ids[:, 1:].flatten(), reduction="sum").exp().item()


@wrong("perplexity", says="T - 1 are predicted")
def divides_by_all_tokens(model, input_ids):
    rows = model(input_ids).logits[:, :-1].flatten(0, 1)
    total = F.cross_entropy(rows, input_ids[:, 1:].flatten(), reduction="sum")
    return (total / input_ids.numel()).exp().item()


@wrong("perplexity", says="start of the next")
def one_long_row(model, input_ids):
    return F.cross_entropy(model(input_ids).logits.flatten(0, 1)[:-1], input_ids.flatten()[1:]).exp().item()


@wrong("perplexity", says="rows' perplexities")
def mean_of_perplexities(model, input_ids):
    logits = model(input_ids).logits[:, :-1]
    each = [F.cross_entropy(logits[b], input_ids[b, 1:]).exp().item() for b in range(len(input_ids))]
    return sum(each) / len(each)


@wrong("perplexity", says="first row")
def the_first_row_only(model, input_ids):
    logits = model(input_ids).logits[0, :-1]
    return F.cross_entropy(logits, input_ids[0, 1:]).exp().item()


@wrong("perplexity", says=".item()")
def a_tensor_for_a_number(model, input_ids):
    return model(input_ids, labels=input_ids).loss.exp()


@right("perplexity")
def from_the_loss_of_transformers(model, input_ids):
    return math.exp(model(input_ids=input_ids, labels=input_ids).loss)


@right("perplexity")
def product_of_factors(model, input_ids):
    p = model(input_ids).logits.double().softmax(-1)
    rows, last = range(input_ids.shape[0]), input_ids.shape[1] - 1
    factors = [p[b, t, input_ids[b, t + 1]].item() for b in rows for t in range(last)]
    return math.prod(factors) ** (-1 / len(factors))


@right("perplexity")
def with_gather(model, input_ids):
    logp = model(input_ids).logits.log_softmax(-1)
    picked = logp[:, :-1].gather(2, input_ids[:, 1:].unsqueeze(2))
    return float((-picked.mean()).exp())


# ------------------------------------------------------------------------------------------------- generate_greedy


@wrong("generate_greedy", says="only the new tokens")
def without_the_prompt(model, input_ids, attention_mask, max_new_tokens):
    ids, mask = input_ids, attention_mask
    for _ in range(max_new_tokens):
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        new = model(input_ids=ids, attention_mask=mask, position_ids=positions).logits[:, -1].argmax(-1, keepdim=True)
        ids, mask = torch.cat([ids, new], 1), torch.cat([mask, torch.ones_like(new)], 1)
    return ids[:, input_ids.shape[1]:]


@wrong("generate_greedy", says="does the mask grow")
def the_mask_does_not_grow(model, input_ids, attention_mask, max_new_tokens):
    ids = input_ids
    for _ in range(max_new_tokens):
        new = model(input_ids=ids, attention_mask=attention_mask).logits[:, -1].argmax(-1, keepdim=True)
        ids = torch.cat([ids, new], 1)
    return ids


@wrong("generate_greedy", says="does the mask grow")
def the_mask_grows_by_zeros(model, input_ids, attention_mask, max_new_tokens):
    ids, mask = input_ids, attention_mask
    for _ in range(max_new_tokens):
        new = model(input_ids=ids, attention_mask=mask).logits[:, -1].argmax(-1, keepdim=True)
        ids, mask = torch.cat([ids, new], 1), F.pad(mask, (0, 1))
    return ids


@wrong("generate_greedy", says="must not attend")
def no_mask(model, input_ids, attention_mask, max_new_tokens):
    ids = input_ids
    for _ in range(max_new_tokens):
        ids = torch.cat([ids, model(ids).logits[:, -1].argmax(-1, keepdim=True)], 1)
    return ids


@wrong("generate_greedy", says="position_ids")
def positions_count_columns(model, input_ids, attention_mask, max_new_tokens):
    ids, mask = input_ids, attention_mask
    for _ in range(max_new_tokens):
        new = model(input_ids=ids, attention_mask=mask).logits[:, -1].argmax(-1, keepdim=True)
        ids, mask = torch.cat([ids, new], 1), torch.cat([mask, torch.ones_like(new)], 1)
    return ids


@wrong("generate_greedy", says="not the padding id")
def mask_guessed_from_the_ids(model, input_ids, attention_mask, max_new_tokens):
    ids, pad = input_ids, 30 if (input_ids == 30).any() else 0
    mask = (ids != pad).long()
    for _ in range(max_new_tokens):
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        new = model(input_ids=ids, attention_mask=mask, position_ids=positions).logits[:, -1].argmax(-1, keepdim=True)
        ids, mask = torch.cat([ids, new], 1), torch.cat([mask, torch.ones_like(new)], 1)
    return ids


@right("generate_greedy")
def stops_rows_at_the_end_of_text(model, input_ids, attention_mask, max_new_tokens):
    ids, mask, end = input_ids, attention_mask, model.config.eos_token_id
    done = torch.zeros(len(ids), dtype=torch.bool, device=ids.device)
    for _ in range(max_new_tokens):
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        new = model(input_ids=ids, attention_mask=mask, position_ids=positions).logits[:, -1].argmax(-1)
        new = torch.where(done, end, new)
        done = done | (new == end)
        ids, mask = torch.cat([ids, new[:, None]], 1), torch.cat([mask, torch.ones_like(new)[:, None]], 1)
        if done.all():
            break
    return ids


@wrong("generate_greedy", says="last position")
def reads_the_first_position(model, input_ids, attention_mask, max_new_tokens):
    ids, mask = input_ids, attention_mask
    for _ in range(max_new_tokens):
        new = model(input_ids=ids, attention_mask=mask).logits[:, 0].argmax(-1, keepdim=True)
        ids, mask = torch.cat([ids, new], 1), torch.cat([mask, torch.ones_like(new)], 1)
    return ids


@wrong("generate_greedy", says="shape")
def the_first_row_alone(model, input_ids, attention_mask, max_new_tokens):
    ids = input_ids[:1, attention_mask[0].bool()]
    for _ in range(max_new_tokens):
        ids = torch.cat([ids, model(ids).logits[:, -1].argmax(-1, keepdim=True)], 1)
    return torch.cat([input_ids[:1, : input_ids.shape[1] - attention_mask[0].sum()], ids], 1)


@wrong("generate_greedy", says="nothing was appended")
def forgets_to_append(model, input_ids, attention_mask, max_new_tokens):
    for _ in range(max_new_tokens):
        model(input_ids, attention_mask=attention_mask).logits[:, -1].argmax(-1)
    return input_ids


@right("generate_greedy")
def row_by_row_without_padding(model, input_ids, attention_mask, max_new_tokens):
    rows = []
    for row, mask in zip(input_ids, attention_mask):
        ids = row[mask.bool()][None]
        for _ in range(max_new_tokens):
            ids = torch.cat([ids, model(ids).logits[:, -1:].argmax(-1)], 1)
        rows.append(torch.cat([row[~mask.bool()], ids[0]]))
    return torch.stack(rows)


@right("generate_greedy")
def with_a_cache(model, input_ids, attention_mask, max_new_tokens):
    written, mask, feed, cache = [input_ids], attention_mask, input_ids, None
    for _ in range(max_new_tokens):
        positions = (mask.cumsum(-1) - 1).masked_fill(mask == 0, 1)[:, -feed.shape[1]:]
        out = model(input_ids=feed, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True)
        cache, feed = out.past_key_values, out.logits[:, -1].argmax(-1)[:, None]
        written.append(feed)
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=-1)
    return torch.cat(written, dim=-1)


@right("generate_greedy")
def room_made_beforehand(model, input_ids, attention_mask, max_new_tokens):
    start = input_ids.shape[1]
    ids = F.pad(input_ids, (0, max_new_tokens))
    mask = F.pad(attention_mask, (0, max_new_tokens), value=1)
    for end in range(start, start + max_new_tokens):
        real = mask[:, :end]
        positions = torch.maximum(torch.cumsum(real, 1) - 1, torch.tensor(0))
        out = model(ids[:, :end], attention_mask=real, position_ids=positions)
        ids[:, end] = out.logits[:, -1].log_softmax(-1).argmax(-1)
    return ids


# ----------------------------------------------------------------------------------------------------- sample_next


@wrong("sample_next", says="do not multiply")
def multiplies_by_the_temperature(logits, temperature, top_k, top_p, generator):
    p = torch.softmax(logits * temperature, -1)
    return torch.multinomial(p, 1, generator=generator)[:, 0]


@wrong("sample_next", says="it divides the logits")
def temperature_after_the_softmax(logits, temperature, top_k, top_p, generator):
    p = torch.softmax(logits, -1) / temperature
    return torch.multinomial(p, 1, generator=generator)[:, 0]


@wrong("sample_next", says="across")
def drops_the_token_that_crosses(logits, temperature, top_k, top_p, generator):
    scores, order = (logits / temperature).sort(dim=-1, descending=True)
    scores[:, top_k:] = -math.inf
    p = torch.softmax(scores, -1)
    outside = p.cumsum(-1) > top_p
    outside[:, 0] = False
    p = p.masked_fill(outside & (top_p < 1), 0)
    return order.gather(-1, torch.multinomial(p, 1, generator=generator))[:, 0]


@wrong("sample_next", says="one token too large")
def keeps_one_more(logits, temperature, top_k, top_p, generator):
    scores, order = (logits / temperature).sort(dim=-1, descending=True)
    scores[:, top_k:] = -math.inf
    p = torch.softmax(scores, -1)
    outside = p.cumsum(-1) >= top_p
    outside = F.pad(outside, (2, 0))[:, :-2]
    p = p.masked_fill(outside, 0)
    return order.gather(-1, torch.multinomial(p, 1, generator=generator))[:, 0]


@wrong("sample_next", says="a rank is not a token id")
def returns_ranks(logits, temperature, top_k, top_p, generator):
    scores = (logits / temperature).sort(dim=-1, descending=True).values
    return torch.multinomial(torch.softmax(scores, -1), 1, generator=generator)[:, 0]


@wrong("sample_next", says="a draw of its own")
def one_draw_for_all_rows(logits, temperature, top_k, top_p, generator):
    p, order = (logits / temperature).softmax(-1).sort(descending=True)
    p = p[:, :top_k] / p[:, :top_k].sum(-1, keepdim=True)
    edges = p.masked_fill(p.cumsum(-1) - p >= top_p, 0).cumsum(-1)
    u = torch.rand(1, generator=generator) * edges[:, -1:]
    rank = torch.searchsorted(edges, u, right=True).clamp(max=p.shape[-1] - 1)
    return order.gather(1, rank)[:, 0]


@wrong("sample_next", says="top_p had no effect")
def forgets_top_p(logits, temperature, top_k, top_p, generator):
    values, ids = (logits / temperature).topk(top_k)
    return ids.gather(1, torch.multinomial(values.softmax(-1), 1, generator=generator))[:, 0]


@wrong("sample_next", says="draw at random")
def always_greedy(logits, temperature, top_k, top_p, generator):
    return logits.argmax(-1)


@wrong("sample_next", says="after top-k")
def top_p_before_top_k(logits, temperature, top_k, top_p, generator):
    scores, order = (logits / temperature).sort(dim=-1, descending=True)
    p = torch.softmax(scores, -1)
    p = p.masked_fill(p.cumsum(-1) - p >= top_p, 0)
    p[:, top_k:] = 0
    return order.gather(-1, torch.multinomial(p, 1, generator=generator))[:, 0]


@wrong("sample_next", says="temperature comes before top-p")
def temperature_last(logits, temperature, top_k, top_p, generator):
    scores, order = logits.sort(dim=-1, descending=True)
    scores[:, top_k:] = -math.inf
    p = torch.softmax(scores, -1)
    scores = scores.masked_fill(p.cumsum(-1) - p >= top_p, -math.inf)
    p = torch.softmax(scores / temperature, -1)
    return order.gather(-1, torch.multinomial(p, 1, generator=generator))[:, 0]


@wrong("sample_next", says="take all randomness from")
def ignores_the_generator(logits, temperature, top_k, top_p, generator):
    scores, order = (logits / temperature).sort(dim=-1, descending=True)
    scores[:, top_k:] = -math.inf
    p = torch.softmax(scores, -1)
    p = p.masked_fill(p.cumsum(-1) - p >= top_p, 0)
    return order.gather(-1, torch.multinomial(p, 1))[:, 0]


@wrong("sample_next", says="without seeding it")
def seeds_the_generator(logits, temperature, top_k, top_p, generator):
    generator.manual_seed(0)
    scores, order = (logits / temperature).sort(dim=-1, descending=True)
    scores[:, top_k:] = -math.inf
    p = torch.softmax(scores, -1)
    p = p.masked_fill(p.cumsum(-1) - p >= top_p, 0)
    return order.gather(-1, torch.multinomial(p, 1, generator=generator))[:, 0]


@wrong("sample_next", says="in place")
def changes_the_logits(logits, temperature, top_k, top_p, generator):
    logits /= temperature
    if top_k < logits.shape[-1]:
        logits[logits < logits.topk(top_k).values[:, -1:]] = -math.inf
    p, order = torch.softmax(logits, -1).sort(dim=-1, descending=True)
    p = p.masked_fill(p.cumsum(-1) - p >= top_p, 0)
    return order.gather(-1, torch.multinomial(p, 1, generator=generator))[:, 0]


@wrong("sample_next", says="(B,)")
def a_column_of_ids(logits, temperature, top_k, top_p, generator):
    return torch.multinomial(torch.softmax(logits / temperature, -1), 1, generator=generator)


@wrong("sample_next", says="of each row")
def one_nucleus_for_all_rows(logits, temperature, top_k, top_p, generator):
    scores = logits / temperature
    if top_k < scores.shape[-1]:
        scores = scores.masked_fill(scores < scores.topk(top_k).values[:, -1:], -math.inf)
    p = torch.softmax(scores, -1)
    first, order = p[0].sort(descending=True)
    outside = order[(first.cumsum(-1) - first) >= top_p]
    p[:, outside] = 0
    empty = p.sum(-1) == 0
    p[empty] = 1.0
    return torch.multinomial(p, 1, generator=generator)[:, 0]


@right("sample_next")
def gumbel_noise(logits, temperature, top_k, top_p, generator):
    scores = logits.double() / temperature
    border = scores.topk(top_k).values[:, -1:]
    scores = scores.masked_fill(scores < border, -math.inf)
    p, order = scores.softmax(-1).sort(descending=True)
    inside = torch.zeros_like(p, dtype=torch.bool).scatter(1, order, p.cumsum(1) - p < top_p)
    noise = -torch.log(-torch.log(torch.rand(scores.shape, generator=generator, dtype=torch.double)))
    return (scores + noise).masked_fill(~inside, -math.inf).argmax(-1)


@right("sample_next")
def uniform_against_the_cumulative_sum(logits, temperature, top_k, top_p, generator):
    scores, order = torch.sort(logits.double() / temperature, dim=-1, descending=True)
    p = scores.softmax(-1)
    p = p * (torch.arange(p.shape[-1]) < top_k)
    p = p / p.sum(-1, keepdim=True)
    p = p * (p.cumsum(-1) - p < top_p)
    edges = p.cumsum(-1)
    u = torch.rand(len(p), 1, generator=generator, dtype=torch.double) * edges[:, -1:]
    rank = torch.searchsorted(edges, u, right=True).clamp(max=p.shape[-1] - 1)
    return order.gather(1, rank).squeeze(1)


@right("sample_next")
def as_transformers_cuts(logits, temperature, top_k, top_p, generator):
    scores = logits / temperature
    scores = scores.masked_fill(scores < torch.topk(scores, top_k).values[..., -1, None], float("-inf"))
    rising, order = torch.sort(scores, descending=False)
    cut = rising.softmax(dim=-1).cumsum(dim=-1) <= 1 - top_p
    cut[..., -1:] = False
    scores = scores.masked_fill(cut.scatter(1, order, cut), float("-inf"))
    return torch.multinomial(scores.softmax(dim=-1), num_samples=1, generator=generator).squeeze(1)


@right("sample_next")
def race_of_exponentials(logits, temperature, top_k, top_p, generator):
    p, order = (logits / temperature).softmax(-1).sort(descending=True)
    p = p[:, :top_k] / p[:, :top_k].sum(-1, keepdim=True)
    p = p * (p.cumsum(-1) - p < top_p)
    first = (p / torch.empty_like(p).exponential_(generator=generator)).argmax(-1, keepdim=True)
    return order.gather(-1, first)[:, 0]


@right("sample_next")
def row_by_row(logits, temperature, top_k, top_p, generator):
    drawn = []
    for row in logits:
        values, ids = torch.topk(row / temperature, top_k)
        p = values.softmax(0)
        size = int((p.cumsum(0) < top_p).sum()) + 1
        drawn.append(ids[torch.multinomial(p[:size], 1, generator=generator)[0]])
    return torch.stack(drawn)


equivalent("sample_next", "before >= top_p -> before > top_p",
           why="they differ only where a rounded sum meets top_p exactly, which the contract leaves open")

# ------------------------------------------------------------------------------------------------------- fill_mask


@wrong("fill_mask", says="read the mask's")
def reads_the_last_position(model, tokenizer, text, k):
    values, ids = model(**tokenizer(text, return_tensors="pt").to(model.device)).logits[0, -1].softmax(-1).topk(k)
    return [(tokenizer.decode([i]), p) for p, i in zip(values.tolist(), ids.tolist())]


@wrong("fill_mask", says="before the text")
def place_among_the_words(model, tokenizer, text, k):
    place = text.split().index("[MASK]")
    values, ids = model(**tokenizer(text, return_tensors="pt").to(model.device)).logits[0, place].softmax(-1).topk(k)
    return [(tokenizer.decode([i]), p) for p, i in zip(values.tolist(), ids.tolist())]


@wrong("fill_mask", says="about the mask")
def one_position_too_far(model, tokenizer, text, k):
    batch = tokenizer(text, return_tensors="pt").to(model.device)
    place = (batch.input_ids[0] == tokenizer.mask_token_id).nonzero()[0, 0] + 1
    values, ids = model(**batch).logits[0, place].softmax(-1).topk(k)
    return [(tokenizer.decode([i]), p) for p, i in zip(values.tolist(), ids.tolist())]


@wrong("fill_mask", says="over the whole vocabulary")
def softmax_of_the_best_fillings(model, tokenizer, text, k):
    batch = tokenizer(text, return_tensors="pt").to(model.device)
    place = (batch.input_ids[0] == tokenizer.mask_token_id).nonzero()[0, 0]
    values, ids = model(**batch).logits[0, place].topk(k)
    return [(tokenizer.decode([i]), p) for p, i in zip(values.softmax(-1).tolist(), ids.tolist())]


@wrong("fill_mask", says="mask_token_id")
def id_of_bert(model, tokenizer, text, k):
    batch = tokenizer(text, return_tensors="pt").to(model.device)
    place = (batch.input_ids[0] == 103).float().argmax()
    values, ids = model(**batch).logits[0, place].softmax(-1).topk(k)
    return [(tokenizer.decode([i]), p) for p, i in zip(values.tolist(), ids.tolist())]


@wrong("fill_mask", says="first word or the last")
def before_the_word_that_follows(model, tokenizer, text, k):
    batch = tokenizer(text, return_tensors="pt").to(model.device)
    values, ids = model(**batch).logits[0, 5].softmax(-1).topk(k)
    return [(tokenizer.decode([i]), p) for p, i in zip(values.tolist(), ids.tolist())]


@wrong("fill_mask", says="most likely comes first")
def least_likely_of_the_best_first(model, tokenizer, text, k):
    batch = tokenizer(text, return_tensors="pt").to(model.device)
    place = (batch.input_ids[0] == tokenizer.mask_token_id).nonzero()[0, 0]
    p = model(**batch).logits[0, place].softmax(-1)
    return [(tokenizer.decode([i]), p[i].item()) for i in p.argsort()[-k:]]


@right("fill_mask")
def with_index_and_sort(model, tokenizer, text, k):
    ids = tokenizer.encode(text)
    logits = model(torch.tensor([ids], device=model.device)).logits
    p = logits[0, ids.index(tokenizer.mask_token_id)].double().softmax(-1)
    order = p.sort(descending=True)
    return [(tokenizer.decode(int(i)), float(v)) for v, i in zip(order.values[:k], order.indices[:k])]


@right("fill_mask")
def with_a_boolean_index(model, tokenizer, text, k):
    batch = tokenizer([text], return_tensors="pt").to(model.device)
    found = model(**batch).logits[batch["input_ids"] == tokenizer.mask_token_id]
    p, ids = torch.exp(found[0].log_softmax(-1)).topk(k)
    return list(zip(tokenizer.batch_decode(ids[:, None]), p.tolist()))


@right("fill_mask")
def with_names_of_tokens(model, tokenizer, text, k):
    batch = tokenizer(text, return_tensors="pt").to(model.device)
    place = batch["input_ids"][0].tolist().index(tokenizer.convert_tokens_to_ids(tokenizer.mask_token))
    best = model(**batch).logits[0, place].softmax(dim=-1).topk(k)
    return list(zip(tokenizer.convert_ids_to_tokens(best.indices.tolist()), best.values.tolist()))


equivalent("fill_mask", "ids.tolist() -> ids", why="decode takes an id that is a tensor of no axes as well")

if not torch.cuda.is_available():  # with a GPU these mutants fail, as they should
    for name in ("top_k_next", "fill_mask"):
        equivalent(name, "return_tensors='pt').to(model.device) -> tokenizer(", why="without it all is on the CPU")

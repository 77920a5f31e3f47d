"""Answers that learners hand in for unit 06, wrong ones with what their message must say, and right ones."""

from autograder.authoring.bank import equivalent, right, wrong

# --------------------------------------------------------------------------------------------------- causal_labels


@wrong("causal_labels", says="every end-of-text is masked")
def as_the_collator_does(input_ids, pad_id):
    labels = input_ids.clone()
    labels[labels == pad_id] = -100
    return labels


@wrong("causal_labels", says="own end-of-text is masked")
def the_whole_run_at_the_end(input_ids, pad_id):
    run = (input_ids == pad_id).flip(1).cumprod(1).flip(1).bool()
    return input_ids.masked_fill(run, -100)


@wrong("causal_labels", says="between two documents")
def all_after_the_first_end(input_ids, pad_id):
    is_pad = (input_ids == pad_id).long()
    return input_ids.masked_fill((is_pad.cumsum(1) - is_pad) > 0, -100)


@wrong("causal_labels", says="after the first is masked")
def all_ends_but_the_first(input_ids, pad_id):
    is_pad = input_ids == pad_id
    return input_ids.masked_fill(is_pad & (is_pad.cumsum(1) > 1), -100)


@wrong("causal_labels", says="two ends of text in the middle")
def every_end_behind_an_end(input_ids, pad_id):
    is_pad = input_ids == pad_id
    labels = input_ids.clone()
    labels[:, 1:][is_pad[:, 1:] & is_pad[:, :-1]] = -100
    return labels


@wrong("causal_labels", says="do not shift")
def shifted(input_ids, pad_id):
    is_pad = input_ids == pad_id
    run = is_pad.flip(1).cumprod(1).flip(1).bool()
    labels = input_ids.clone()
    labels[:, 1:][run[:, 1:] & run[:, :-1]] = -100
    return torch.cat([labels[:, 1:], torch.full_like(labels[:, :1], -100)], 1)


@wrong("causal_labels", says="nothing is masked")
def a_plain_copy(input_ids, pad_id):
    return input_ids.clone()


@wrong("causal_labels", says="in place")
def masks_in_place(input_ids, pad_id):
    run = (input_ids == pad_id).flip(1).cumprod(1).flip(1).bool()
    input_ids[:, 1:][run[:, :-1]] = -100
    return input_ids


@wrong("causal_labels", says="-100")
def filled_with_zero(input_ids, pad_id):
    run = (input_ids == pad_id).flip(1).cumprod(1).flip(1).bool()
    padding = torch.zeros_like(run)
    padding[:, 1:] = run[:, :-1]
    return input_ids.masked_fill(padding, 0)


@wrong("causal_labels", says="three or more ends of text")
def ends_between_ends(input_ids, pad_id):
    is_pad = input_ids == pad_id
    behind = F.pad(is_pad, (0, 1), value=True)[:, 1:]
    labels = input_ids.clone()
    labels[:, 1:][is_pad[:, 1:] & is_pad[:, :-1] & behind[:, 1:]] = -100
    return labels


@right("causal_labels")
def row_by_row(input_ids, pad_id):
    labels = input_ids.clone()
    for row in labels:
        end = len(row)
        while end > 0 and row[end - 1] == pad_id:
            end -= 1
        row[end + 1:] = -100
    return labels


@right("causal_labels")
def by_the_last_real_token(input_ids, pad_id):
    places = torch.arange(input_ids.shape[1])
    last = torch.where(input_ids != pad_id, places, -1).amax(1, keepdim=True)
    return torch.where(places > last + 1, -100, input_ids)


@right("causal_labels")
def as_lists(input_ids, pad_id):
    rows = []
    for row in input_ids.tolist():
        kept = list(row)
        while len(kept) > 1 and kept[-1] == kept[-2] == pad_id:
            kept.pop()
        rows.append(kept + [-100] * (len(row) - len(kept)))
    return torch.tensor(rows)



# ------------------------------------------------------------------------------------------------- teacher_forcing


@wrong("teacher_forcing", says="sees the answer")
def not_moved(targets, bos_id):
    return targets.clone(), targets


@wrong("teacher_forcing", says="come round to the front")
def rolled(targets, bos_id):
    return targets.roll(1, 1), targets


@wrong("teacher_forcing", says="one position too many")
def one_longer(targets, bos_id):
    return F.pad(targets, (1, 0), value=bos_id), targets


@wrong("teacher_forcing", says="is moved to the right")
def runs_ahead(targets, bos_id):
    return torch.cat([targets[:, 1:], torch.full_like(targets[:, :1], bos_id)], 1), targets


@wrong("teacher_forcing", says="the labels are shifted as well")
def both_shifted(targets, bos_id):
    start = torch.full_like(targets[:, :1], bos_id)
    return torch.cat([start, targets[:, :-1]], 1), torch.cat([targets[:, 1:], torch.full_like(start, -100)], 1)


@wrong("teacher_forcing", says="not in its place")
def first_overwritten(targets, bos_id):
    inputs = targets.clone()
    inputs[:, 0] = bos_id
    return inputs, targets


@wrong("teacher_forcing", says="in place")
def moved_in_place(targets, bos_id):
    labels = targets.clone()
    targets[:, 1:] = labels[:, :-1]
    targets[:, 0] = bos_id
    return targets, labels


@wrong("teacher_forcing", says="`bos_id`")
def always_starts_with_one(targets, bos_id):
    return F.pad(targets, (1, 0), value=1)[:, :-1], targets


@right("teacher_forcing")
def padded_and_cut(targets, bos_id):
    return F.pad(targets, (1, 0), value=bos_id)[:, :-1], targets.clone()


@right("teacher_forcing")
def filled_by_slices(targets, bos_id):
    inputs = torch.empty_like(targets)
    inputs[:, 0] = bos_id
    inputs[:, 1:] = targets[:, :-1]
    return [inputs, targets]


# ----------------------------------------------------------------------------------------------------- mlm_corrupt


@wrong("mlm_corrupt", says="every chosen token is masked")
def always_the_mask(input_ids, mask_id, vocab_size, special_ids, generator):
    special = torch.isin(input_ids, torch.tensor(special_ids, dtype=torch.long))
    chosen = (torch.rand(input_ids.shape, generator=generator) < 0.15) & ~special
    return torch.where(chosen, mask_id, input_ids), torch.where(chosen, input_ids, -100)


@wrong("mlm_corrupt", says="no chosen token is left as it is")
def eighty_twenty(input_ids, mask_id, vocab_size, special_ids, generator):
    special = torch.isin(input_ids, torch.tensor(special_ids, dtype=torch.long))
    chosen = (torch.rand(input_ids.shape, generator=generator) < 0.15) & ~special
    fate = torch.rand(input_ids.shape, generator=generator)
    noise = torch.randint(vocab_size, input_ids.shape, generator=generator)
    return (torch.where(chosen, torch.where(fate < 0.8, mask_id, noise), input_ids),
            torch.where(chosen, input_ids, -100))


@wrong("mlm_corrupt", says="not 10 % of those that are left")
def ten_per_cent_of_the_rest(input_ids, mask_id, vocab_size, special_ids, generator):
    special = torch.isin(input_ids, torch.tensor(special_ids, dtype=torch.long))
    chosen = (torch.rand(input_ids.shape, generator=generator) < 0.15) & ~special
    out = input_ids.clone()
    masked = chosen & (torch.rand(input_ids.shape, generator=generator) < 0.8)
    out[masked] = mask_id
    swapped = chosen & ~masked & (torch.rand(input_ids.shape, generator=generator) < 0.1)
    noise = torch.randint(vocab_size, input_ids.shape, generator=generator)
    out[swapped] = noise[swapped]
    return out, torch.where(chosen, input_ids, -100)


@wrong("mlm_corrupt", says="special token was chosen")
def specials_too(input_ids, mask_id, vocab_size, special_ids, generator):
    chosen = torch.rand(input_ids.shape, generator=generator) < 0.15
    fate = torch.rand(input_ids.shape, generator=generator)
    noise = torch.randint(vocab_size, input_ids.shape, generator=generator)
    shown = torch.where(fate < 0.8, mask_id, torch.where(fate < 0.9, noise, input_ids))
    return torch.where(chosen, shown, input_ids), torch.where(chosen, input_ids, -100)


@wrong("mlm_corrupt", says="-100")
def labels_everywhere(input_ids, mask_id, vocab_size, special_ids, generator):
    special = torch.isin(input_ids, torch.tensor(special_ids, dtype=torch.long))
    chosen = (torch.rand(input_ids.shape, generator=generator) < 0.15) & ~special
    fate = torch.rand(input_ids.shape, generator=generator)
    noise = torch.randint(vocab_size, input_ids.shape, generator=generator)
    shown = torch.where(fate < 0.8, mask_id, torch.where(fate < 0.9, noise, input_ids))
    return torch.where(chosen, shown, input_ids), input_ids.clone()


@wrong("mlm_corrupt", says="its original id")
def labels_of_the_corrupted(input_ids, mask_id, vocab_size, special_ids, generator):
    special = torch.isin(input_ids, torch.tensor(special_ids, dtype=torch.long))
    chosen = (torch.rand(input_ids.shape, generator=generator) < 0.15) & ~special
    fate = torch.rand(input_ids.shape, generator=generator)
    noise = torch.randint(vocab_size, input_ids.shape, generator=generator)
    shown = torch.where(fate < 0.8, mask_id, torch.where(fate < 0.9, noise, input_ids))
    shown = torch.where(chosen, shown, input_ids)
    return shown, torch.where(chosen, shown, -100)


@wrong("mlm_corrupt", says="every chosen token is masked")
def one_draw_for_all(input_ids, mask_id, vocab_size, special_ids, generator):
    special = torch.isin(input_ids, torch.tensor(special_ids, dtype=torch.long))
    draw = torch.rand(input_ids.shape, generator=generator)
    chosen = (draw < 0.15) & ~special
    noise = torch.randint(vocab_size, input_ids.shape, generator=generator)
    shown = torch.where(draw < 0.8, mask_id, torch.where(draw < 0.9, noise, input_ids))
    return torch.where(chosen, shown, input_ids), torch.where(chosen, input_ids, -100)


@wrong("mlm_corrupt", says="the 85 %")
def the_wrong_side(input_ids, mask_id, vocab_size, special_ids, generator):
    special = torch.isin(input_ids, torch.tensor(special_ids, dtype=torch.long))
    chosen = (torch.rand(input_ids.shape, generator=generator) > 0.15) & ~special
    fate = torch.rand(input_ids.shape, generator=generator)
    noise = torch.randint(vocab_size, input_ids.shape, generator=generator)
    shown = torch.where(fate < 0.8, mask_id, torch.where(fate < 0.9, noise, input_ids))
    return torch.where(chosen, shown, input_ids), torch.where(chosen, input_ids, -100)


@wrong("mlm_corrupt", says="from `generator`")
def ignores_the_generator(input_ids, mask_id, vocab_size, special_ids, generator):
    special = torch.isin(input_ids, torch.tensor(special_ids, dtype=torch.long))
    chosen = (torch.rand(input_ids.shape) < 0.15) & ~special
    fate = torch.rand(input_ids.shape)
    noise = torch.randint(vocab_size, input_ids.shape)
    shown = torch.where(fate < 0.8, mask_id, torch.where(fate < 0.9, noise, input_ids))
    return torch.where(chosen, shown, input_ids), torch.where(chosen, input_ids, -100)


@wrong("mlm_corrupt", says="without seeding it")
def seeds_the_generator(input_ids, mask_id, vocab_size, special_ids, generator):
    generator.manual_seed(0)
    special = torch.isin(input_ids, torch.tensor(special_ids, dtype=torch.long))
    chosen = (torch.rand(input_ids.shape, generator=generator) < 0.15) & ~special
    fate = torch.rand(input_ids.shape, generator=generator)
    noise = torch.randint(vocab_size, input_ids.shape, generator=generator)
    shown = torch.where(fate < 0.8, mask_id, torch.where(fate < 0.9, noise, input_ids))
    return torch.where(chosen, shown, input_ids), torch.where(chosen, input_ids, -100)


@wrong("mlm_corrupt", says="each position is chosen by its own draw")
def the_same_columns_in_all_rows(input_ids, mask_id, vocab_size, special_ids, generator):
    special = torch.isin(input_ids, torch.tensor(special_ids, dtype=torch.long))
    T = input_ids.shape[1]
    columns = torch.zeros(T).bool()
    columns[1 + torch.randperm(T - 2, generator=generator)[:round(0.15 * (T - 2))]] = True
    chosen = columns.expand_as(input_ids) & ~special
    fate = torch.rand(input_ids.shape, generator=generator)
    noise = torch.randint(vocab_size, input_ids.shape, generator=generator)
    shown = torch.where(fate < 0.8, mask_id, torch.where(fate < 0.9, noise, input_ids))
    return torch.where(chosen, shown, input_ids), torch.where(chosen, input_ids, -100)


@wrong("mlm_corrupt", says="anew for each position")
def one_random_token_for_all(input_ids, mask_id, vocab_size, special_ids, generator):
    special = torch.isin(input_ids, torch.tensor(special_ids, dtype=torch.long))
    chosen = (torch.rand(input_ids.shape, generator=generator) < 0.15) & ~special
    fate = torch.rand(input_ids.shape, generator=generator)
    noise = torch.randint(vocab_size, (), generator=generator)
    shown = torch.where(fate < 0.8, mask_id, torch.where(fate < 0.9, noise, input_ids))
    return torch.where(chosen, shown, input_ids), torch.where(chosen, input_ids, -100)


@wrong("mlm_corrupt", says="in place")
def corrupts_in_place(input_ids, mask_id, vocab_size, special_ids, generator):
    special = torch.isin(input_ids, torch.tensor(special_ids, dtype=torch.long))
    chosen = (torch.rand(input_ids.shape, generator=generator) < 0.15) & ~special
    labels = torch.where(chosen, input_ids, -100)
    fate = torch.rand(input_ids.shape, generator=generator)
    noise = torch.randint(vocab_size, input_ids.shape, generator=generator)
    input_ids[chosen & (fate < 0.8)] = mask_id
    swapped = chosen & (fate >= 0.8) & (fate < 0.9)
    input_ids[swapped] = noise[swapped]
    return input_ids, labels


@wrong("mlm_corrupt", says="not from the ids of the batch")
def random_up_to_the_largest(input_ids, mask_id, vocab_size, special_ids, generator):
    special = torch.isin(input_ids, torch.tensor(special_ids, dtype=torch.long))
    chosen = (torch.rand(input_ids.shape, generator=generator) < 0.15) & ~special
    fate = torch.rand(input_ids.shape, generator=generator)
    noise = torch.randint(int(input_ids.max()) + 1, input_ids.shape, generator=generator)
    shown = torch.where(fate < 0.8, mask_id, torch.where(fate < 0.9, noise, input_ids))
    return torch.where(chosen, shown, input_ids), torch.where(chosen, input_ids, -100)


@wrong("mlm_corrupt", says="not from the ids of the batch")
def random_between_the_ends(input_ids, mask_id, vocab_size, special_ids, generator):
    special = torch.isin(input_ids, torch.tensor(special_ids, dtype=torch.long))
    chosen = (torch.rand(input_ids.shape, generator=generator) < 0.15) & ~special
    fate = torch.rand(input_ids.shape, generator=generator)
    noise = torch.randint(int(input_ids.min()), int(input_ids.max()) + 1, input_ids.shape, generator=generator)
    shown = torch.where(fate < 0.8, mask_id, torch.where(fate < 0.9, noise, input_ids))
    return torch.where(chosen, shown, input_ids), torch.where(chosen, input_ids, -100)


@wrong("mlm_corrupt", says="not from the ids of the batch")
def random_from_the_batch(input_ids, mask_id, vocab_size, special_ids, generator):
    special = torch.isin(input_ids, torch.tensor(special_ids, dtype=torch.long))
    chosen = (torch.rand(input_ids.shape, generator=generator) < 0.15) & ~special
    fate = torch.rand(input_ids.shape, generator=generator)
    noise = input_ids.flatten()[torch.randint(input_ids.numel(), input_ids.shape, generator=generator)]
    shown = torch.where(fate < 0.8, mask_id, torch.where(fate < 0.9, noise, input_ids))
    return torch.where(chosen, shown, input_ids), torch.where(chosen, input_ids, -100)


@wrong("mlm_corrupt", says="by its own dice")
def a_fixed_number_for_each_row(input_ids, mask_id, vocab_size, special_ids, generator):
    special = torch.isin(input_ids, torch.tensor(special_ids, dtype=torch.long))
    draw = torch.rand(input_ids.shape, generator=generator).masked_fill(special, 2.0)
    count = (0.15 * (~special).sum(1, keepdim=True)).round()
    chosen = draw.argsort(1).argsort(1) < count
    fate = torch.rand(input_ids.shape, generator=generator)
    noise = torch.randint(vocab_size, input_ids.shape, generator=generator)
    shown = torch.where(fate < 0.8, mask_id, torch.where(fate < 0.9, noise, input_ids))
    return torch.where(chosen, shown, input_ids), torch.where(chosen, input_ids, -100)


@right("mlm_corrupt")
def as_transformers_does(input_ids, mask_id, vocab_size, special_ids, generator):
    out, labels = input_ids.clone(), input_ids.clone()
    chances = torch.full(labels.shape, 0.15)
    for special in special_ids:
        chances.masked_fill_(input_ids == special, 0.0)
    chosen = torch.bernoulli(chances, generator=generator).bool()
    labels[~chosen] = -100
    masked = torch.bernoulli(torch.full(labels.shape, 0.8), generator=generator).bool() & chosen
    out[masked] = mask_id
    swapped = torch.bernoulli(torch.full(labels.shape, 0.5), generator=generator).bool() & chosen & ~masked
    noise = torch.randint(vocab_size, labels.shape, dtype=torch.long, generator=generator)
    out[swapped] = noise[swapped]
    return out, labels


@right("mlm_corrupt")
def token_by_token(input_ids, mask_id, vocab_size, special_ids, generator):
    out, labels = input_ids.flatten().tolist(), [-100] * input_ids.numel()
    draws = torch.rand(len(out), 2, generator=generator).tolist()
    noise = torch.randint(vocab_size, (len(out),), generator=generator).tolist()
    special = set(special_ids)
    for place, token in enumerate(list(out)):
        if token in special or draws[place][0] >= 0.15:
            continue
        labels[place] = token
        if draws[place][1] < 0.8:
            out[place] = mask_id
        elif draws[place][1] < 0.9:
            out[place] = noise[place]
    return torch.tensor(out).view_as(input_ids), torch.tensor(labels).view_as(input_ids)


@right("mlm_corrupt")
def random_tokens_are_words(input_ids, mask_id, vocab_size, special_ids, generator):
    words = torch.tensor([i for i in range(vocab_size) if i not in special_ids])
    chosen = torch.rand(input_ids.shape, generator=generator) < 0.15
    for special in special_ids:
        chosen &= input_ids != special
    kind = torch.multinomial(torch.tensor([0.8, 0.1, 0.1]), input_ids.numel(), True, generator=generator)
    kind = kind.view_as(input_ids)
    noise = words[torch.randint(len(words), input_ids.shape, generator=generator)]
    out = torch.where(chosen & (kind == 0), mask_id, input_ids)
    out = torch.where(chosen & (kind == 1), noise, out)
    return out, input_ids.masked_fill(~chosen, -100)


equivalent("mlm_corrupt", "< 0.15 -> torch.rand(input_ids.shape, generator=generator) <= 0.15",
           why="no draw is exactly 0.15")
equivalent("mlm_corrupt", "fate < 0.8 -> fate <= 0.8", why="no draw is exactly 0.8")
equivalent("mlm_corrupt", "fate < 0.9 -> fate <= 0.9", why="no draw is exactly 0.9")
equivalent("mlm_corrupt",
           "torch.where(fate < 0.9, random_ids, input_ids) -> torch.where(fate < 0.9, input_ids, random_ids)",
           why="10 % stay and 10 % are random whichever comes first")
equivalent("mlm_corrupt", "fate < 0.9 -> fate >= 0.9", why="10 % stay and 10 % are random whichever comes first")

# ------------------------------------------------------------------------------------------------------ rtd_labels


@wrong("rtd_labels", says="the other way round")
def one_for_original(original, corrupted):
    return (original == corrupted).long()


@wrong("rtd_labels", says="difference of the ids")
def the_difference(original, corrupted):
    return corrupted - original


@wrong("rtd_labels", says="labels of masked modelling")
def ids_where_replaced(original, corrupted):
    return torch.where(original != corrupted, original, -100)


@wrong("rtd_labels", says="one label for each token")
def one_for_each_text(original, corrupted):
    return (original != corrupted).any(1).long()


@wrong("rtd_labels", says="a 0 or a 1 for each token")
def only_where_it_grew(original, corrupted):
    return (corrupted > original).long()


@right("rtd_labels")
def by_where(original, corrupted):
    return torch.where(original == corrupted, 0, 1)


@right("rtd_labels")
def as_floats(original, corrupted):
    return original.ne(corrupted).float()


@right("rtd_labels")
def as_booleans(original, corrupted):
    return ~torch.eq(original, corrupted)


equivalent("rtd_labels", "(original != corrupted).long() -> original != corrupted",
           why="booleans are as good: the prose says so")

# ------------------------------------------------------------------------------------------------ permutation_mask


@wrong("permutation_mask", says="sees itself")
def content_stream(order):
    rank = torch.argsort(order)
    return rank[None, :] <= rank[:, None]


@wrong("permutation_mask", says="the other way round")
def transposed(order):
    rank = torch.argsort(order)
    return rank[:, None] < rank[None, :]


@wrong("permutation_mask", says="invert it")
def order_taken_for_rank(order):
    return order[None, :] < order[:, None]


@wrong("permutation_mask", says="of the usual order")
def the_usual_mask(order):
    return torch.ones(len(order), len(order)).tril(-1).bool()


@wrong("permutation_mask", says="True is where")
def true_is_forbidden(order):
    rank = torch.argsort(order)
    return ~(rank[None, :] < rank[:, None])


@wrong("permutation_mask", says="the usual causal mask")
def causal_with_diagonal(order):
    return torch.ones(len(order), len(order), dtype=torch.bool).tril()


@wrong("permutation_mask", says="wanted dtype bool")
def in_numbers(order):
    rank = torch.argsort(order)
    return (rank[None, :] < rank[:, None]).float()


@right("permutation_mask")
def step_by_step(order):
    T = len(order)
    mask = torch.zeros(T, T, dtype=torch.bool)
    for step in range(T):
        mask[order[step], order[:step]] = True
    return mask


@right("permutation_mask")
def permuted_triangle(order):
    T = len(order)
    rank = torch.argsort(order)
    return torch.ones(T, T, dtype=torch.bool).tril(-1)[rank][:, rank]


@right("permutation_mask")
def by_dictionary(order):
    when = {p: k for k, p in enumerate(order.tolist())}
    T = len(when)
    return torch.tensor([[when[j] < when[i] for j in range(T)] for i in range(T)]).reshape(T, T)


equivalent("permutation_mask", "torch.arange(len(order), device=order.device) -> torch.arange(len(order))",
           why="all is on one device here")

# ------------------------------------------------------------------------------------------------- chunk_documents


@wrong("chunk_documents", says="after each document is missing")
def no_ends(texts, encode, context_length, eos_id, drop_last):
    stream = [i for text in texts for i in encode(text)]
    chunks = [stream[i:i + context_length] for i in range(0, len(stream), context_length)]
    return [c for c in chunks if len(c) == context_length] if drop_last else chunks


@wrong("chunk_documents", says="the last document ends too")
def ends_between_only(texts, encode, context_length, eos_id, drop_last):
    stream = []
    for k, text in enumerate(texts):
        stream += ([eos_id] if k else []) + list(encode(text))
    chunks = [stream[i:i + context_length] for i in range(0, len(stream), context_length)]
    return [c for c in chunks if len(c) == context_length] if drop_last else chunks


@wrong("chunk_documents", says="not before it")
def ends_at_the_start(texts, encode, context_length, eos_id, drop_last):
    stream = [i for text in texts for i in [eos_id, *encode(text)]]
    chunks = [stream[i:i + context_length] for i in range(0, len(stream), context_length)]
    return [c for c in chunks if len(c) == context_length] if drop_last else chunks


@wrong("chunk_documents", says="cut one by one")
def each_on_its_own(texts, encode, context_length, eos_id, drop_last):
    chunks = []
    for text in texts:
        ids = [*encode(text), eos_id]
        chunks += [ids[i:i + context_length] for i in range(0, len(ids), context_length)]
    return [c for c in chunks if len(c) == context_length] if drop_last else chunks


@wrong("chunk_documents", says="what overflows belongs to the next chunk")
def truncated(texts, encode, context_length, eos_id, drop_last):
    chunks = [[*encode(text), eos_id][:context_length] for text in texts]
    return [c for c in chunks if len(c) == context_length] if drop_last else chunks


@wrong("chunk_documents", says="the short chunk at the end is kept")
def always_drops(texts, encode, context_length, eos_id, drop_last):
    stream = [i for text in texts for i in [*encode(text), eos_id]]
    return [stream[i:i + context_length] for i in range(0, len(stream) - context_length + 1, context_length)]


@wrong("chunk_documents", says="the short chunk at the end is left out")
def never_drops(texts, encode, context_length, eos_id, drop_last):
    stream = [i for text in texts for i in [*encode(text), eos_id]]
    return [stream[i:i + context_length] for i in range(0, len(stream), context_length)]


@wrong("chunk_documents", says="no tail to drop")
def drops_the_last_whatever_it_is(texts, encode, context_length, eos_id, drop_last):
    stream = [i for text in texts for i in [*encode(text), eos_id]]
    chunks = [stream[i:i + context_length] for i in range(0, len(stream), context_length)]
    return chunks[:-1] if drop_last else chunks


@wrong("chunk_documents", says="an empty text is a document too")
def skips_empty_texts(texts, encode, context_length, eos_id, drop_last):
    stream = [i for text in texts if text for i in [*encode(text), eos_id]]
    chunks = [stream[i:i + context_length] for i in range(0, len(stream), context_length)]
    return [c for c in chunks if len(c) == context_length] if drop_last else chunks


@wrong("chunk_documents", says="empty chunk at the end")
def one_chunk_too_many(texts, encode, context_length, eos_id, drop_last):
    stream = [i for text in texts for i in [*encode(text), eos_id]]
    chunks = [stream[i * context_length:(i + 1) * context_length] for i in range(len(stream) // context_length + 1)]
    return [c for c in chunks if len(c) == context_length] if drop_last else chunks


@wrong("chunk_documents", says="do not pad it")
def pads_the_tail(texts, encode, context_length, eos_id, drop_last):
    stream = [i for text in texts for i in [*encode(text), eos_id]]
    chunks = [stream[i:i + context_length] for i in range(0, len(stream), context_length)]
    if drop_last:
        return [c for c in chunks if len(c) == context_length]
    return [c + [eos_id] * (context_length - len(c)) for c in chunks]


@wrong("chunk_documents", says="even after one of its own")
def no_second_end_of_text(texts, encode, context_length, eos_id, drop_last):
    stream = []
    for text in texts:
        ids = list(encode(text))
        stream += ids if ids and ids[-1] == eos_id else [*ids, eos_id]
    chunks = [stream[i:i + context_length] for i in range(0, len(stream), context_length)]
    return [c for c in chunks if len(c) == context_length or not drop_last]


@wrong("chunk_documents", says="blanks stay")
def strips_the_texts(texts, encode, context_length, eos_id, drop_last):
    stream = [i for text in texts for i in [*encode(text.strip()), eos_id]]
    chunks = [stream[i:i + context_length] for i in range(0, len(stream), context_length)]
    return [c for c in chunks if len(c) == context_length or not drop_last]


@right("chunk_documents")
def while_something_is_left(texts, encode, context_length, eos_id, drop_last):
    chunks, current = [], []
    for text in texts:
        for token in [*encode(text), eos_id]:
            current.append(token)
            if len(current) == context_length:
                chunks.append(current)
                current = []
    if current and not drop_last:
        chunks.append(current)
    return chunks


@right("chunk_documents")
def by_arithmetic(texts, encode, context_length, eos_id, drop_last):
    stream = [i for text in texts for i in (*encode(text), eos_id)]
    stop = len(stream) // context_length * context_length if drop_last else len(stream)
    return [stream[i:min(i + context_length, stop)] for i in range(0, stop, context_length)]


# ------------------------------------------------------------------------------------------------------- gelu_tanh


@wrong("gelu_tanh", says="exact GELU")
def the_exact_one(x):
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


@wrong("gelu_tanh", says="quick GELU")
def the_quick_one(x):
    return x * torch.sigmoid(1.702 * x)


@wrong("gelu_tanh", says="factor 1/2 is missing")
def no_half(x):
    return x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


@wrong("gelu_tanh", says="root over 2/pi")
def no_root(x):
    return 0.5 * x * (1 + torch.tanh(2 / math.pi * (x + 0.044715 * x**3)))


@wrong("gelu_tanh", says="you squared")
def a_square(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**2)))


@wrong("gelu_tanh", says="the 1 in the bracket")
def no_one(x):
    return 0.5 * x * torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))


@wrong("gelu_tanh", says="that is SiLU")
def llamas(x):
    return x * torch.sigmoid(x)


@wrong("gelu_tanh", says="bracket by bracket")
def bracket_closed_early(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * x + 0.044715 * x**3))


@wrong("gelu_tanh", says="write it yourself")
def gelu_of_torch(x):
    return F.gelu(x, approximate="tanh")


@wrong("gelu_tanh", says="write it yourself")
def gelu_as_a_module(x):
    return nn.GELU("tanh")(x)


@wrong("gelu_tanh", says="no gradient flows through")
def gelu_by_numpy(x):
    import numpy as np
    y = x.detach().numpy()
    inner = np.sqrt(2 / np.pi) * (y + 0.044715 * y**3)
    return torch.from_numpy(np.asarray(0.5 * y * (1 + np.tanh(inner)), dtype="float32"))


@wrong("gelu_tanh", says="the gradient that flows through is not")
def gelu_half_detached(x):
    return x * (0.5 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))).detach()


@right("gelu_tanh")
def through_the_sigmoid(x):
    return x * torch.sigmoid(2 * (2 / math.pi) ** 0.5 * (x + 0.044715 * x.pow(3)))


@right("gelu_tanh")
def factored(x):
    c = 0.7978845608028654
    return x / 2 + x / 2 * torch.tanh(c * x * (1 + 0.044715 * x.square()))


# ------------------------------------------------------------------------------------------------------ layer_norm


@wrong("layer_norm", says="not by D - 1")
def unbiased(x, weight, bias, eps):
    return (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.var(-1, keepdim=True) + eps) * weight + bias


@wrong("layer_norm", says="under the root")
def eps_outside(x, weight, bias, eps):
    return (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, correction=0).sqrt() + eps) * weight + bias


@wrong("layer_norm", says="that is RMSNorm")
def rms(x, weight, bias, eps):
    return x / (x.square().mean(-1, keepdim=True) + eps).sqrt() * weight + bias


@wrong("layer_norm", says="each vector has its own mean")
def over_everything(x, weight, bias, eps):
    return (x - x.mean()) / (x.var(correction=0) + eps).sqrt() * weight + bias


@wrong("layer_norm", says="by the root of the variance")
def no_root_at_all(x, weight, bias, eps):
    return (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, correction=0) + eps) * weight + bias


@wrong("layer_norm", says="weight does not multiply it")
def bias_before_weight(x, weight, bias, eps):
    return ((x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, correction=0) + eps).sqrt() + bias) * weight


@wrong("layer_norm", says="far from 0")
def by_the_short_formula(x, weight, bias, eps):
    mean = x.mean(-1, keepdim=True)
    variance = x.square().mean(-1, keepdim=True) - mean.square()
    return (x - mean) / (variance.clamp(min=0) + eps).sqrt() * weight + bias


@wrong("layer_norm", says="`eps` is an argument")
def eps_of_its_own(x, weight, bias, eps):
    return (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, correction=0) + 1e-5).sqrt() * weight + bias


@wrong("layer_norm", says="in place")
def centres_in_place(x, weight, bias, eps):
    x -= x.mean(-1, keepdim=True)
    return x / (x.square().mean(-1, keepdim=True) + eps).sqrt() * weight + bias


@wrong("layer_norm", says="write it yourself")
def norm_of_torch(x, weight, bias, eps):
    return F.layer_norm(x, weight.shape, weight, bias, eps)


@wrong("layer_norm", says="write it yourself")
def norm_of_torch_from_elsewhere(x, weight, bias, eps):
    return torch.layer_norm(x, [x.shape[-1]], weight, bias, eps)


@wrong("layer_norm", says="no gradient flows through")
def norm_by_numpy(x, weight, bias, eps):
    y = x.detach().double().numpy()
    y = (y - y.mean(-1, keepdims=True)) / (y.var(-1, keepdims=True) + eps) ** 0.5
    return torch.from_numpy(y * weight.detach().numpy() + bias.detach().numpy()).float()


@wrong("layer_norm", says="the gradients that flow through")
def norm_with_plain_numbers(x, weight, bias, eps):
    variance, mean = torch.var_mean(x.detach(), -1, keepdim=True, correction=0)
    return (x - mean) / (variance + eps).sqrt() * weight + bias


@right("layer_norm")
def by_var_mean(x, weight, bias, eps):
    variance, mean = torch.var_mean(x, -1, keepdim=True, correction=0)
    return torch.addcmul(bias, (x - mean) / torch.sqrt(variance + eps), weight)


@right("layer_norm")
def in_double(x, weight, bias, eps):
    y = x.double()
    y = y - y.sum(-1, keepdim=True) / y.shape[-1]
    y = y / ((y * y).sum(-1, keepdim=True) / y.shape[-1] + eps) ** 0.5
    return (y * weight + bias).float()


# ------------------------------------------------------------------------------------------------------ gpt2_block


@wrong("gpt2_block", says="the future leaks")
def not_causal(x, weights, n_heads):
    def linear(name, h):
        return h @ weights[name + ".weight"] + weights[name + ".bias"]

    def norm(name, h):
        return layer_norm(h, weights[name + ".weight"], weights[name + ".bias"], 1e-5)

    B, T, D = x.shape
    q, k, v = (p.view(B, T, n_heads, -1).transpose(1, 2) for p in linear("attn.c_attn", norm("ln_1", x)).chunk(3, -1))
    x = x + linear("attn.c_proj", F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(B, T, D))
    return x + linear("mlp.c_proj", gelu_tanh(linear("mlp.c_fc", norm("ln_2", x))))


@wrong("gpt2_block", says="not after it")
def norms_afterwards(x, weights, n_heads):
    def linear(name, h):
        return h @ weights[name + ".weight"] + weights[name + ".bias"]

    def norm(name, h):
        return layer_norm(h, weights[name + ".weight"], weights[name + ".bias"], 1e-5)

    B, T, D = x.shape
    q, k, v = (p.view(B, T, n_heads, -1).transpose(1, 2) for p in linear("attn.c_attn", x).chunk(3, -1))
    mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(B, T, D)
    x = norm("ln_1", x + linear("attn.c_proj", mixed))
    return norm("ln_2", x + linear("mlp.c_proj", gelu_tanh(linear("mlp.c_fc", x))))


@wrong("gpt2_block", says="tanh approximation")
def exact_gelu(x, weights, n_heads):
    def linear(name, h):
        return h @ weights[name + ".weight"] + weights[name + ".bias"]

    def norm(name, h):
        return layer_norm(h, weights[name + ".weight"], weights[name + ".bias"], 1e-5)

    B, T, D = x.shape
    q, k, v = (p.view(B, T, n_heads, -1).transpose(1, 2) for p in linear("attn.c_attn", norm("ln_1", x)).chunk(3, -1))
    mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(B, T, D)
    x = x + linear("attn.c_proj", mixed)
    return x + linear("mlp.c_proj", F.gelu(linear("mlp.c_fc", norm("ln_2", x))))


@wrong("gpt2_block", says="without a transpose")
def projection_transposed(x, weights, n_heads):
    def linear(name, h):
        return h @ weights[name + ".weight"] + weights[name + ".bias"]

    def norm(name, h):
        return layer_norm(h, weights[name + ".weight"], weights[name + ".bias"], 1e-5)

    B, T, D = x.shape
    q, k, v = (p.view(B, T, n_heads, -1).transpose(1, 2) for p in linear("attn.c_attn", norm("ln_1", x)).chunk(3, -1))
    mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(B, T, D)
    x = x + mixed @ weights["attn.c_proj.weight"].T + weights["attn.c_proj.bias"]
    return x + linear("mlp.c_proj", gelu_tanh(linear("mlp.c_fc", norm("ln_2", x))))


@wrong("gpt2_block", says="in this order")
def keys_first(x, weights, n_heads):
    def linear(name, h):
        return h @ weights[name + ".weight"] + weights[name + ".bias"]

    def norm(name, h):
        return layer_norm(h, weights[name + ".weight"], weights[name + ".bias"], 1e-5)

    B, T, D = x.shape
    k, q, v = (p.view(B, T, n_heads, -1).transpose(1, 2) for p in linear("attn.c_attn", norm("ln_1", x)).chunk(3, -1))
    mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(B, T, D)
    x = x + linear("attn.c_proj", mixed)
    return x + linear("mlp.c_proj", gelu_tanh(linear("mlp.c_fc", norm("ln_2", x))))


@wrong("gpt2_block", says="second residual")
def stream_lost(x, weights, n_heads):
    def linear(name, h):
        return h @ weights[name + ".weight"] + weights[name + ".bias"]

    def norm(name, h):
        return layer_norm(h, weights[name + ".weight"], weights[name + ".bias"], 1e-5)

    B, T, D = x.shape
    q, k, v = (p.view(B, T, n_heads, -1).transpose(1, 2) for p in linear("attn.c_attn", norm("ln_1", x)).chunk(3, -1))
    mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(B, T, D)
    x = x + linear("attn.c_proj", mixed)
    return linear("mlp.c_proj", gelu_tanh(linear("mlp.c_fc", norm("ln_2", x))))


@wrong("gpt2_block", says="the biases are missing")
def matrices_alone(x, weights, n_heads):
    def norm(name, h):
        return layer_norm(h, weights[name + ".weight"], weights[name + ".bias"], 1e-5)

    B, T, D = x.shape
    q, k, v = (p.view(B, T, n_heads, -1).transpose(1, 2)
               for p in (norm("ln_1", x) @ weights["attn.c_attn.weight"]).chunk(3, -1))
    mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(B, T, D)
    x = x + mixed @ weights["attn.c_proj.weight"]
    return x + gelu_tanh(norm("ln_2", x) @ weights["mlp.c_fc.weight"]) @ weights["mlp.c_proj.weight"]


@wrong("gpt2_block", says="dealt out in turn")
def heads_dealt_out(x, weights, n_heads):
    def linear(name, h):
        return h @ weights[name + ".weight"] + weights[name + ".bias"]

    def norm(name, h):
        return layer_norm(h, weights[name + ".weight"], weights[name + ".bias"], 1e-5)

    B, T, D = x.shape
    q, k, v = (p.view(B, T, -1, n_heads).permute(0, 3, 1, 2)
               for p in linear("attn.c_attn", norm("ln_1", x)).chunk(3, -1))
    mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).permute(0, 2, 3, 1).reshape(B, T, D)
    x = x + linear("attn.c_proj", mixed)
    return x + linear("mlp.c_proj", gelu_tanh(linear("mlp.c_fc", norm("ln_2", x))))


@wrong("gpt2_block", says="norm, attention, add")
def heads_not_merged(x, weights, n_heads):
    def linear(name, h):
        return h @ weights[name + ".weight"] + weights[name + ".bias"]

    def norm(name, h):
        return layer_norm(h, weights[name + ".weight"], weights[name + ".bias"], 1e-5)

    B, T, D = x.shape
    q, k, v = (p.view(B, T, n_heads, -1).transpose(1, 2) for p in linear("attn.c_attn", norm("ln_1", x)).chunk(3, -1))
    mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).reshape(B, T, D)
    x = x + linear("attn.c_proj", mixed)
    return x + linear("mlp.c_proj", gelu_tanh(linear("mlp.c_fc", norm("ln_2", x))))


@right("gpt2_block")
def attention_by_hand(x, weights, n_heads):
    w = weights
    B, T, D = x.shape
    d = D // n_heads
    h = F.layer_norm(x, (D,), w["ln_1.weight"], w["ln_1.bias"])
    joint = torch.addmm(w["attn.c_attn.bias"], h.view(-1, D), w["attn.c_attn.weight"]).view(B, T, 3 * D)
    q, k, v = torch.split(joint, D, dim=2)
    future = torch.ones(T, T, dtype=torch.bool).triu(1)
    heads = []
    for n in range(n_heads):
        part = slice(n * d, n * d + d)
        scores = q[..., part] @ k[..., part].mT / d**0.5
        heads.append(scores.masked_fill(future, float("-inf")).softmax(-1) @ v[..., part])
    x = x + torch.cat(heads, -1) @ w["attn.c_proj.weight"] + w["attn.c_proj.bias"]
    h = F.layer_norm(x, (D,), w["ln_2.weight"], w["ln_2.bias"])
    h = F.gelu(h @ w["mlp.c_fc.weight"] + w["mlp.c_fc.bias"], approximate="tanh")
    return x + h @ w["mlp.c_proj.weight"] + w["mlp.c_proj.bias"]


@right("gpt2_block")
def by_functional_linear(x, weights, n_heads):
    def linear(h, name):
        return F.linear(h, weights[f"{name}.weight"].T, weights[f"{name}.bias"])

    h = layer_norm(x, weights["ln_1.weight"], weights["ln_1.bias"], 1e-5)
    qkv = linear(h, "attn.c_attn").unflatten(-1, (3, n_heads, -1)).permute(2, 0, 3, 1, 4)
    mixed = F.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2], is_causal=True)
    after = x + linear(mixed.transpose(1, 2).flatten(2), "attn.c_proj")
    h = layer_norm(after, weights["ln_2.weight"], weights["ln_2.bias"], 1e-5)
    return after + linear(gelu_tanh(linear(h, "mlp.c_fc")), "mlp.c_proj")


equivalent("gpt2_block",
           "part.reshape(B, T, n_heads, -1).transpose(1, 2) -> part.reshape(B, T, n_heads, -1).transpose(2, 1)",
           why="two axes change places, whichever is named first")
equivalent("gpt2_block", "mixed.transpose(1, 2) -> mixed.transpose(2, 1)",
           why="two axes change places, whichever is named first")


# ----------------------------------------------------------------------------------------------------- gpt2_logits


@wrong("gpt2_logits", says="position vectors are missing")
def no_positions(input_ids, weights, config):
    x = weights["transformer.wte.weight"][input_ids]
    for i in range(config["n_layer"]):
        start = f"transformer.h.{i}."
        x = gpt2_block(x, {n[len(start):]: w for n, w in weights.items() if n.startswith(start)}, config["n_head"])
    x = layer_norm(x, weights["transformer.ln_f.weight"], weights["transformer.ln_f.bias"], 1e-5)
    return x @ weights["lm_head.weight"].T


@wrong("gpt2_logits", says="ln_f, is missing")
def no_last_norm(input_ids, weights, config):
    x = weights["transformer.wte.weight"][input_ids] + weights["transformer.wpe.weight"][:input_ids.shape[1]]
    for i in range(config["n_layer"]):
        start = f"transformer.h.{i}."
        x = gpt2_block(x, {n[len(start):]: w for n, w in weights.items() if n.startswith(start)}, config["n_head"])
    return x @ weights["lm_head.weight"].T


@wrong("gpt2_logits", says="weights of block 0")
def always_block_0(input_ids, weights, config):
    x = weights["transformer.wte.weight"][input_ids] + weights["transformer.wpe.weight"][:input_ids.shape[1]]
    start = "transformer.h.0."
    for _ in range(config["n_layer"]):
        x = gpt2_block(x, {n[len(start):]: w for n, w in weights.items() if n.startswith(start)}, config["n_head"])
    x = layer_norm(x, weights["transformer.ln_f.weight"], weights["transformer.ln_f.bias"], 1e-5)
    return x @ weights["lm_head.weight"].T


@wrong("gpt2_logits", says="these are probabilities")
def with_a_softmax(input_ids, weights, config):
    x = weights["transformer.wte.weight"][input_ids] + weights["transformer.wpe.weight"][:input_ids.shape[1]]
    for i in range(config["n_layer"]):
        start = f"transformer.h.{i}."
        x = gpt2_block(x, {n[len(start):]: w for n, w in weights.items() if n.startswith(start)}, config["n_head"])
    x = layer_norm(x, weights["transformer.ln_f.weight"], weights["transformer.ln_f.bias"], 1e-5)
    return (x @ weights["lm_head.weight"].T).softmax(-1)


@wrong("gpt2_logits", says="wrong for one text")
def block_1_is_block_10(input_ids, weights, config):
    x = weights["transformer.wte.weight"][input_ids] + weights["transformer.wpe.weight"][:input_ids.shape[1]]
    for i in range(config["n_layer"]):
        own = {n.split(".", 3)[-1]: w for n, w in weights.items() if n.startswith(f"transformer.h.{i}")}
        x = gpt2_block(x, own, config["n_head"])
    x = layer_norm(x, weights["transformer.ln_f.weight"], weights["transformer.ln_f.bias"], 1e-5)
    return x @ weights["lm_head.weight"].T


@wrong("gpt2_logits", says="not at the last one alone")
def the_last_position(input_ids, weights, config):
    x = weights["transformer.wte.weight"][input_ids] + weights["transformer.wpe.weight"][:input_ids.shape[1]]
    for i in range(config["n_layer"]):
        start = f"transformer.h.{i}."
        x = gpt2_block(x, {n[len(start):]: w for n, w in weights.items() if n.startswith(start)}, config["n_head"])
    x = layer_norm(x, weights["transformer.ln_f.weight"], weights["transformer.ln_f.bias"], 1e-5)
    return (x @ weights["lm_head.weight"].T)[:, -1]


@wrong("gpt2_logits", says="positions start at 0")
def counted_from_one(input_ids, weights, config):
    T = input_ids.shape[1]
    x = weights["transformer.wte.weight"][input_ids] + weights["transformer.wpe.weight"][1:T + 1]
    for i in range(config["n_layer"]):
        start = f"transformer.h.{i}."
        x = gpt2_block(x, {n[len(start):]: w for n, w in weights.items() if n.startswith(start)}, config["n_head"])
    x = layer_norm(x, weights["transformer.ln_f.weight"], weights["transformer.ln_f.bias"], 1e-5)
    return x @ weights["lm_head.weight"].T


@wrong("gpt2_logits", says="in place")
def adds_into_the_table(input_ids, weights, config):
    x = weights["transformer.wte.weight"][input_ids] + weights["transformer.wpe.weight"][:input_ids.shape[1]]
    for i in range(config["n_layer"]):
        start = f"transformer.h.{i}."
        x = gpt2_block(x, {n[len(start):]: w for n, w in weights.items() if n.startswith(start)}, config["n_head"])
    x = layer_norm(x, weights["transformer.ln_f.weight"], weights["transformer.ln_f.bias"], 1e-5)
    out = x @ weights["transformer.wte.weight"].T
    weights["transformer.wpe.weight"].mul_(0.5)
    return out


@right("gpt2_logits")
def by_embedding_and_linear(input_ids, weights, config):
    places = torch.arange(input_ids.shape[-1], device=input_ids.device)
    x = F.embedding(input_ids, weights["transformer.wte.weight"])
    x = x + F.embedding(places, weights["transformer.wpe.weight"])
    blocks = [{} for _ in range(config["n_layer"])]
    for name, w in weights.items():
        parts = name.split(".", 3)
        if parts[1] == "h":
            blocks[int(parts[2])][parts[3]] = w
    for block in blocks:
        x = gpt2_block(x, block, config["n_head"])
    x = F.layer_norm(x, x.shape[-1:], weights["transformer.ln_f.weight"], weights["transformer.ln_f.bias"], 1e-5)
    return F.linear(x, weights["lm_head.weight"])


@right("gpt2_logits")
def text_by_text(input_ids, weights, config):
    rows = []
    for ids in input_ids:
        x = (weights["transformer.wte.weight"][ids] + weights["transformer.wpe.weight"][:len(ids)])[None]
        for layer in range(config["n_layer"]):
            own = {n.partition(f".h.{layer}.")[2]: w for n, w in weights.items() if f".h.{layer}." in n}
            x = gpt2_block(x, own, config["n_head"])
        x = layer_norm(x, weights["transformer.ln_f.weight"], weights["transformer.ln_f.bias"], 1e-5)
        rows.append(torch.einsum("btd,vd->btv", x, weights["transformer.wte.weight"])[0])
    return torch.stack(rows)


equivalent("gpt2_logits", "1 -> -1", why="ids have two axes, so the last is axis 1")
equivalent("gpt2_logits", "name.startswith(start) -> name",
           why="names of other parts are in no block's way: a block takes its own")

# ------------------------------------------------------------------------------------------------------ adamw_step


@wrong("adamw_step", says="decouple it")
def decay_in_the_gradient(param, grad, state, lr, betas, eps, weight_decay):
    t, m, v = state.get("t", 0) + 1, state.get("m", 0), state.get("v", 0)
    grad = grad + weight_decay * param
    m, v = betas[0] * m + (1 - betas[0]) * grad, betas[1] * v + (1 - betas[1]) * grad**2
    update = m / (1 - betas[0]**t) / ((v / (1 - betas[1]**t)) ** 0.5 + eps)
    return param - lr * update, {"t": t, "m": m, "v": v}


@wrong("adamw_step", says="bias correction is missing")
def no_correction(param, grad, state, lr, betas, eps, weight_decay):
    m, v = state.get("m", 0), state.get("v", 0)
    m, v = betas[0] * m + (1 - betas[0]) * grad, betas[1] * v + (1 - betas[1]) * grad**2
    return param * (1 - lr * weight_decay) - lr * m / (v**0.5 + eps), {"m": m, "v": v}


@wrong("adamw_step", says="not under it")
def eps_under_the_root(param, grad, state, lr, betas, eps, weight_decay):
    t, m, v = state.get("t", 0) + 1, state.get("m", 0), state.get("v", 0)
    m, v = betas[0] * m + (1 - betas[0]) * grad, betas[1] * v + (1 - betas[1]) * grad**2
    update = m / (1 - betas[0]**t) / (v / (1 - betas[1]**t) + eps) ** 0.5
    return param * (1 - lr * weight_decay) - lr * update, {"t": t, "m": m, "v": v}


@wrong("adamw_step", says="weight decay is missing")
def plain_adam(param, grad, state, lr, betas, eps, weight_decay):
    t, m, v = state.get("t", 0) + 1, state.get("m", 0), state.get("v", 0)
    m, v = betas[0] * m + (1 - betas[0]) * grad, betas[1] * v + (1 - betas[1]) * grad**2
    return param - lr * m / (1 - betas[0]**t) / ((v / (1 - betas[1]**t)) ** 0.5 + eps), {"t": t, "m": m, "v": v}


@wrong("adamw_step", says="multiplied by lr as well")
def decay_without_the_rate(param, grad, state, lr, betas, eps, weight_decay):
    t, m, v = state.get("t", 0) + 1, state.get("m", 0), state.get("v", 0)
    m, v = betas[0] * m + (1 - betas[0]) * grad, betas[1] * v + (1 - betas[1]) * grad**2
    update = m / (1 - betas[0]**t) / ((v / (1 - betas[1]**t)) ** 0.5 + eps)
    return param * (1 - weight_decay) - lr * update, {"t": t, "m": m, "v": v}


@wrong("adamw_step", says="goes up at every step")
def t_is_always_one(param, grad, state, lr, betas, eps, weight_decay):
    m, v = state.get("m", 0), state.get("v", 0)
    m, v = betas[0] * m + (1 - betas[0]) * grad, betas[1] * v + (1 - betas[1]) * grad**2
    t = state.get("t", 1)
    update = m / (1 - betas[0]**t) / ((v / (1 - betas[1]**t)) ** 0.5 + eps)
    return param * (1 - lr * weight_decay) - lr * update, {"t": t, "m": m, "v": v}


@wrong("adamw_step", says="were forgotten")
def counts_but_forgets(param, grad, state, lr, betas, eps, weight_decay):
    t = state.get("t", 0) + 1
    m, v = (1 - betas[0]) * grad, (1 - betas[1]) * grad**2
    update = m / (1 - betas[0]**t) / ((v / (1 - betas[1]**t)) ** 0.5 + eps)
    return param * (1 - lr * weight_decay) - lr * update, {"t": t}


@wrong("adamw_step", says="step goes against the gradient")
def uphill(param, grad, state, lr, betas, eps, weight_decay):
    t, m, v = state.get("t", 0) + 1, state.get("m", 0), state.get("v", 0)
    m, v = betas[0] * m + (1 - betas[0]) * grad, betas[1] * v + (1 - betas[1]) * grad**2
    update = m / (1 - betas[0]**t) / ((v / (1 - betas[1]**t)) ** 0.5 + eps)
    return param * (1 - lr * weight_decay) + lr * update, {"t": t, "m": m, "v": v}


@wrong("adamw_step", says="in `state` was changed in place")
def state_in_place(param, grad, state, lr, betas, eps, weight_decay):
    if not state:
        state.update(t=0, m=torch.zeros_like(param), v=torch.zeros_like(param))
    state["t"] += 1
    state["m"].mul_(betas[0]).add_(grad, alpha=1 - betas[0])
    state["v"].mul_(betas[1]).addcmul_(grad, grad, value=1 - betas[1])
    update = state["m"] / (1 - betas[0]**state["t"]) / ((state["v"] / (1 - betas[1]**state["t"])).sqrt() + eps)
    return param * (1 - lr * weight_decay) - lr * update, state


@wrong("adamw_step", says="was changed in place")
def param_in_place(param, grad, state, lr, betas, eps, weight_decay):
    t, m, v = state.get("t", 0) + 1, state.get("m", 0), state.get("v", 0)
    m, v = betas[0] * m + (1 - betas[0]) * grad, betas[1] * v + (1 - betas[1]) * grad**2
    param.mul_(1 - lr * weight_decay)
    param.sub_(lr * m / (1 - betas[0]**t) / ((v / (1 - betas[1]**t)) ** 0.5 + eps))
    return param, {"t": t, "m": m, "v": v}


@wrong("adamw_step", says="in `state` was changed in place")
def fills_the_first_state(param, grad, state, lr, betas, eps, weight_decay):
    t = state.setdefault("t", 0) + 1
    m = betas[0] * state.setdefault("m", torch.zeros_like(param)) + (1 - betas[0]) * grad
    v = betas[1] * state.setdefault("v", torch.zeros_like(param)) + (1 - betas[1]) * grad**2
    update = m / (1 - betas[0]**t) / ((v / (1 - betas[1]**t)) ** 0.5 + eps)
    return param * (1 - lr * weight_decay) - lr * update, {"t": t, "m": m, "v": v}


@right("adamw_step")
def one_line_each(param, grad, state, lr, betas, eps, weight_decay):
    b1, b2 = betas
    t = state.get("t", 0) + 1
    m = b1 * state.get("m", 0.0) + (1 - b1) * grad
    v = b2 * state.get("v", 0.0) + (1 - b2) * grad * grad
    m_hat, v_hat = m / (1 - b1**t), v / (1 - b2**t)
    return param - lr * (m_hat / (torch.sqrt(v_hat) + eps) + weight_decay * param), {"t": t, "m": m, "v": v}


@right("adamw_step")
def as_torch_writes_it(param, grad, state, lr, betas, eps, weight_decay):
    if not state:
        state = {"step": 0, "exp_avg": torch.zeros_like(param), "exp_avg_sq": torch.zeros_like(param)}
    step = state["step"] + 1
    exp_avg = state["exp_avg"].lerp(grad, 1 - betas[0])
    exp_avg_sq = (state["exp_avg_sq"] * betas[1]).addcmul(grad, grad, value=1 - betas[1])
    denominator = exp_avg_sq.sqrt() / math.sqrt(1 - betas[1] ** step) + eps
    new = (param * (1 - lr * weight_decay)).addcdiv(exp_avg, denominator, value=-lr / (1 - betas[0] ** step))
    return new, {"step": step, "exp_avg": exp_avg, "exp_avg_sq": exp_avg_sq}


@right("adamw_step")
def by_torch_itself(param, grad, state, lr, betas, eps, weight_decay):
    weight = nn.Parameter(param.clone())
    optimiser = torch.optim.AdamW([weight], lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
    if state:
        optimiser.state[weight] = {name: value.clone() for name, value in state.items()}
    weight.grad = grad.clone()
    optimiser.step()
    return weight.detach(), {name: value.clone() for name, value in optimiser.state[weight].items()}


# ----------------------------------------------------------------------------------------------------- lr_schedule


@wrong("lr_schedule", says="climbs again")
def climbs_again(step, max_lr, min_lr, warmup, total):
    if step < warmup:
        return max_lr * step / warmup
    return min_lr + 0.5 * (max_lr - min_lr) * (1 + math.cos(math.pi * (step - warmup) / (total - warmup)))


@wrong("lr_schedule", says="not at step 0")
def cosine_from_step_0(step, max_lr, min_lr, warmup, total):
    if step < warmup:
        return max_lr * step / warmup
    if step >= total:
        return min_lr
    return min_lr + 0.5 * (max_lr - min_lr) * (1 + math.cos(math.pi * step / total))


@wrong("lr_schedule", says="total - warmup steps")
def cosine_too_slow(step, max_lr, min_lr, warmup, total):
    if step < warmup:
        return max_lr * step / warmup
    if step >= total:
        return min_lr
    return min_lr + 0.5 * (max_lr - min_lr) * (1 + math.cos(math.pi * (step - warmup) / total))


@wrong("lr_schedule", says="not in a line")
def linear_decay(step, max_lr, min_lr, warmup, total):
    if step < warmup:
        return max_lr * step / warmup
    return max(min_lr, max_lr - (max_lr - min_lr) * (step - warmup) / (total - warmup))


@wrong("lr_schedule", says="floor is min_lr")
def down_to_zero(step, max_lr, min_lr, warmup, total):
    if step < warmup:
        return max_lr * step / warmup
    return 0.5 * max_lr * (1 + math.cos(math.pi * min(1.0, (step - warmup) / (total - warmup))))


@wrong("lr_schedule", says="not from min_lr")
def warms_up_from_the_floor(step, max_lr, min_lr, warmup, total):
    if step < warmup:
        return min_lr + (max_lr - min_lr) * step / warmup
    progress = min(1.0, (step - warmup) / (total - warmup))
    return min_lr + 0.5 * (max_lr - min_lr) * (1 + math.cos(math.pi * progress))


@wrong("lr_schedule", says="step 0 has the rate 0")
def one_step_ahead(step, max_lr, min_lr, warmup, total):
    if step < warmup:
        return max_lr * (step + 1) / warmup
    progress = min(1.0, (step - warmup) / (total - warmup))
    return min_lr + 0.5 * (max_lr - min_lr) * (1 + math.cos(math.pi * progress))


@wrong("lr_schedule", says="ZeroDivisionError")
def divides_by_the_warm_up(step, max_lr, min_lr, warmup, total):
    ramp = step / warmup
    if ramp < 1:
        return max_lr * ramp
    progress = min(1.0, (step - warmup) / (total - warmup))
    return min_lr + 0.5 * (max_lr - min_lr) * (1 + math.cos(math.pi * progress))


@right("lr_schedule")
def three_cases(step, max_lr, min_lr, warmup, total):
    if step >= total:
        return min_lr
    if step >= warmup:
        share = (1 + math.cos(math.pi * (step - warmup) / (total - warmup))) / 2
        return share * max_lr + (1 - share) * min_lr
    return step / warmup * max_lr


@right("lr_schedule")
def with_torch(step, max_lr, min_lr, warmup, total):
    if warmup and step < warmup:
        return torch.tensor(max_lr * step / warmup)
    progress = torch.tensor((step - warmup) / (total - warmup)).clamp(0, 1)
    return min_lr + (max_lr - min_lr) * torch.cos(progress * math.pi / 2) ** 2



# -------------------------------------------------------------------------------------------------- clip_gradients


@wrong("clip_gradients", says="each tensor was clipped on its own")
def one_by_one(grads, max_norm):
    return [g * min(1.0, max_norm / max(g.norm().item(), 1e-12)) for g in grads]


@wrong("clip_gradients", says="single numbers were clipped")
def by_value(grads, max_norm):
    return [g.clamp(-max_norm, max_norm) for g in grads]


@wrong("clip_gradients", says="the root is missing")
def squared_norm(grads, max_norm):
    norm = sum(g.square().sum() for g in grads)
    return [g * (max_norm / norm) for g in grads] if norm > max_norm else list(grads)


@wrong("clip_gradients", says="make 5, not 7")
def norms_added_up(grads, max_norm):
    norm = sum(g.norm() for g in grads)
    return [g * (max_norm / norm) for g in grads] if norm > max_norm else list(grads)


@wrong("clip_gradients", says="short enough stay as they are")
def always_scaled(grads, max_norm):
    norm = sum(g.square().sum() for g in grads).sqrt()
    return [g * (max_norm / norm) for g in grads]


@wrong("clip_gradients", says="nothing was clipped")
def returned_as_they_are(grads, max_norm):
    return list(grads)


@wrong("clip_gradients", says="in place")
def scaled_in_place(grads, max_norm):
    norm = sum(g.square().sum() for g in grads).sqrt()
    if norm > max_norm:
        for g in grads:
            g.mul_(max_norm / norm)
    return grads


@wrong("clip_gradients", says="zeros stay zeros")
def nan_from_nothing(grads, max_norm):
    norm = sum(g.square().sum() for g in grads).sqrt()
    factor = (max_norm / norm) if not norm < max_norm or norm == 0 else 1.0
    return [g * factor for g in grads]


@wrong("clip_gradients", says="do not divide and multiply again")
def there_and_back(grads, max_norm):
    norm = torch.cat([g.reshape(-1) for g in grads]).norm()
    return [g / (norm + 1e-12) * torch.clamp(norm, max=max_norm) for g in grads]


@right("clip_gradients")
def one_long_vector(grads, max_norm):
    norm = torch.cat([g.reshape(-1) for g in grads]).norm()
    factor = torch.clamp(max_norm / (norm + 1e-12), max=1.0)
    return [g * factor for g in grads]


@right("clip_gradients")
def as_torch_does(grads, max_norm):
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in grads]))
    if norm > max_norm:
        factor = max_norm / (norm + 1e-6)
        return tuple(g * factor for g in grads)
    return tuple(g.clone() for g in grads)



equivalent("clip_gradients", "norm <= max_norm -> norm < max_norm", why="at the bound the factor is exactly 1")

# ------------------------------------------------------------------------------------------------------ accumulate


@wrong("accumulate", says="mean of the means")
def mean_of_means(micro_batches, loss_and_count, grad):
    losses, sums = [], None
    for batch in micro_batches:
        loss, _ = loss_and_count(batch)
        grads = grad(loss)
        sums = grads if sums is None else [a + b for a, b in zip(sums, grads, strict=True)]
        losses.append(loss.item())
    return sum(losses) / len(losses), [g / len(losses) for g in sums]


@wrong("accumulate", says="sum of the means")
def sum_of_means(micro_batches, loss_and_count, grad):
    total, sums = 0.0, None
    for batch in micro_batches:
        loss, _ = loss_and_count(batch)
        grads = grad(loss)
        sums = grads if sums is None else [a + b for a, b in zip(sums, grads, strict=True)]
        total += loss.item()
    return total, sums


@wrong("accumulate", says="sum over all tokens")
def never_divided(micro_batches, loss_and_count, grad):
    total, sums = 0.0, None
    for batch in micro_batches:
        loss, count = loss_and_count(batch)
        grads = [count * g for g in grad(loss)]
        sums = grads if sums is None else [a + b for a, b in zip(sums, grads, strict=True)]
        total += count * loss.item()
    return total, sums


@wrong("accumulate", says="only the last micro-batch")
def keeps_the_last(micro_batches, loss_and_count, grad):
    for batch in micro_batches:
        loss, _ = loss_and_count(batch)
        grads = grad(loss)
    return loss.item(), list(grads)


@wrong("accumulate", says="whose loss is NaN")
def nan_times_zero(micro_batches, loss_and_count, grad):
    tokens, total, sums = 0, 0.0, None
    for batch in micro_batches:
        loss, count = loss_and_count(batch)
        grads = [count * g for g in grad(loss)]
        sums = grads if sums is None else [a + b for a, b in zip(sums, grads, strict=True)]
        total, tokens = total + count * loss.item(), tokens + count
    return total / tokens, [g / tokens for g in sums]


@wrong("accumulate", says="the loss is right, the gradients are a mean of means")
def only_the_loss_is_weighted(micro_batches, loss_and_count, grad):
    tokens, total, sums = 0, 0.0, None
    for batch in micro_batches:
        loss, count = loss_and_count(batch)
        grads = grad(loss)
        sums = grads if sums is None else [a + b for a, b in zip(sums, grads, strict=True)]
        total, tokens = total + count * loss.item(), tokens + count
    return total / tokens, [g / len(micro_batches) for g in sums]


@wrong("accumulate", says="the gradients are right, the loss is a mean of means")
def only_the_gradients_are_weighted(micro_batches, loss_and_count, grad):
    tokens, losses, sums = 0, [], None
    for batch in micro_batches:
        loss, count = loss_and_count(batch)
        grads = [count * g for g in grad(loss)]
        sums = grads if sums is None else [a + b for a, b in zip(sums, grads, strict=True)]
        losses.append(loss.item())
        tokens += count
    return sum(losses) / len(losses), [g / tokens for g in sums]


@wrong("accumulate", says="not of micro-batches")
def divided_by_the_batches(micro_batches, loss_and_count, grad):
    total, sums = 0.0, None
    for batch in micro_batches:
        loss, count = loss_and_count(batch)
        grads = [count * g for g in grad(loss)]
        sums = grads if sums is None else [a + b for a, b in zip(sums, grads, strict=True)]
        total += count * loss.item()
    return total / len(micro_batches), [g / len(micro_batches) for g in sums]


@wrong("accumulate", says="the gradients are a sum over all tokens")
def gradients_not_divided(micro_batches, loss_and_count, grad):
    tokens, total, sums = 0, 0.0, None
    for batch in micro_batches:
        loss, count = loss_and_count(batch)
        if count:
            grads = grad(count * loss)
            sums = grads if sums is None else [a + b for a, b in zip(sums, grads, strict=True)]
            total, tokens = total + count * loss.item(), tokens + count
    return total / tokens, list(sums)


@wrong("accumulate", says="the gradients are not weighted")
def gradients_not_weighted(micro_batches, loss_and_count, grad):
    tokens, total, sums = 0, 0.0, None
    for batch in micro_batches:
        loss, count = loss_and_count(batch)
        if count:
            grads = grad(loss)
            sums = grads if sums is None else [a + b for a, b in zip(sums, grads, strict=True)]
            total, tokens = total + count * loss.item(), tokens + count
    return total / tokens, [g / tokens for g in sums]


@wrong("accumulate", says="the gradients are not weighted")
def gradients_just_added(micro_batches, loss_and_count, grad):
    tokens, total, sums = 0, 0.0, None
    for batch in micro_batches:
        loss, count = loss_and_count(batch)
        if count:
            grads = grad(loss)
            sums = grads if sums is None else [a + b for a, b in zip(sums, grads, strict=True)]
            total, tokens = total + count * loss.item(), tokens + count
    return total / tokens, list(sums)


@wrong("accumulate", says="ValueError")
def always_two_gradients(micro_batches, loss_and_count, grad):
    tokens, total, first, second = 0, 0.0, 0, 0
    for batch in micro_batches:
        loss, count = loss_and_count(batch)
        if count:
            a, b = grad(count * loss)
            first, second, total, tokens = first + a, second + b, total + count * loss.item(), tokens + count
    return total / tokens, [first / tokens, second / tokens]


@wrong("accumulate", says="TypeError")
def counts_the_labels(micro_batches, loss_and_count, grad):
    tokens, total, sums = 0, 0.0, None
    for batch in micro_batches:
        count = int((batch[1] != -100).sum())
        if count:
            loss = loss_and_count(batch)[0]
            grads = grad(count * loss)
            sums = grads if sums is None else [a + b for a, b in zip(sums, grads, strict=True)]
            total, tokens = total + count * loss.item(), tokens + count
    return total / tokens, [g / tokens for g in sums]


@right("accumulate")
def counted_first(micro_batches, loss_and_count, grad):
    pairs = [pair for pair in map(loss_and_count, micro_batches) if pair[1] > 0]
    tokens = sum(count for _, count in pairs)
    total, grads = 0, None
    for loss, count in pairs:
        scaled = loss * (count / tokens)
        parts = grad(scaled)
        grads = list(parts) if grads is None else [a + b for a, b in zip(grads, parts, strict=True)]
        total = total + scaled.detach()
    return total, grads


@right("accumulate")
def one_loss_at_the_end(micro_batches, loss_and_count, grad):
    pairs = [loss_and_count(batch) for batch in micro_batches]
    tokens = sum(n for _, n in pairs)
    loss = sum(l * n for l, n in pairs if n) / tokens  # noqa: E741
    return loss, grad(loss)


@right("accumulate")
def running_mean(micro_batches, loss_and_count, grad):
    seen, mean, grads = 0, 0.0, None
    for batch in micro_batches:
        loss, n = loss_and_count(batch)
        if n:
            seen += n
            new = grad(loss)
            mean += (float(loss) - mean) * n / seen
            if grads is None:
                grads = [g.clone() for g in new]
            else:
                grads = [g + (h - g) * (n / seen) for g, h in zip(grads, new, strict=True)]
    return [mean, grads]


@right("accumulate")
def loss_in_a_list_of_one(micro_batches, loss_and_count, grad):
    pairs = [pair for pair in map(loss_and_count, micro_batches) if pair[1]]
    counts = torch.tensor([float(n) for _, n in pairs])
    loss = (torch.stack([v for v, _ in pairs]) * counts).sum().reshape(1) / counts.sum()
    return loss, list(grad(loss))


equivalent("accumulate", "zip(sums, parts, strict=True) -> zip(parts, sums, strict=True)", why="a + b is b + a")
equivalent("accumulate", "zip(sums, parts, strict=True) -> zip(sums, parts)",
           why="both lists have one gradient for each weight")
equivalent("accumulate", "True -> False",
           why="both lists have one gradient for each weight")
equivalent("accumulate", "total += count * loss.item(): loss.item() -> loss",
           why="a tensor of one number is as good as a float")

# ------------------------------------------------------------------------------------------------------ train_step


@wrong("train_step", says="not clipped")
def without_clipping(params, states, micro_batches, loss_and_count, lr, betas, eps, weight_decay, max_norm):
    leaves = {n: p.detach().requires_grad_() for n, p in params.items()}
    loss, grads = accumulate(micro_batches, lambda b: loss_and_count(leaves, b),
                             lambda v: torch.autograd.grad(v, list(leaves.values())))
    done = {n: adamw_step(p, g, states.get(n, {}), lr, betas, eps, weight_decay if p.ndim >= 2 else 0.0)
            for (n, p), g in zip(params.items(), grads, strict=True)}
    return {n: d[0] for n, d in done.items()}, {n: d[1] for n, d in done.items()}, loss


@wrong("train_step", says="clip all together")
def clipped_one_by_one(params, states, micro_batches, loss_and_count, lr, betas, eps, weight_decay, max_norm):
    leaves = {n: p.detach().requires_grad_() for n, p in params.items()}
    loss, grads = accumulate(micro_batches, lambda b: loss_and_count(leaves, b),
                             lambda v: torch.autograd.grad(v, list(leaves.values())))
    grads = [clip_gradients([g], max_norm)[0] for g in grads]
    done = {n: adamw_step(p, g, states.get(n, {}), lr, betas, eps, weight_decay if p.ndim >= 2 else 0.0)
            for (n, p), g in zip(params.items(), grads, strict=True)}
    return {n: d[0] for n, d in done.items()}, {n: d[1] for n, d in done.items()}, loss


@wrong("train_step", says="get no weight decay")
def decays_everything(params, states, micro_batches, loss_and_count, lr, betas, eps, weight_decay, max_norm):
    leaves = {n: p.detach().requires_grad_() for n, p in params.items()}
    loss, grads = accumulate(micro_batches, lambda b: loss_and_count(leaves, b),
                             lambda v: torch.autograd.grad(v, list(leaves.values())))
    grads = clip_gradients(grads, max_norm)
    done = {n: adamw_step(p, g, states.get(n, {}), lr, betas, eps, weight_decay)
            for (n, p), g in zip(params.items(), grads, strict=True)}
    return {n: d[0] for n, d in done.items()}, {n: d[1] for n, d in done.items()}, loss


@wrong("train_step", says="the states were lost")
def new_states_each_time(params, states, micro_batches, loss_and_count, lr, betas, eps, weight_decay, max_norm):
    leaves = {n: p.detach().requires_grad_() for n, p in params.items()}
    loss, grads = accumulate(micro_batches, lambda b: loss_and_count(leaves, b),
                             lambda v: torch.autograd.grad(v, list(leaves.values())))
    grads = clip_gradients(grads, max_norm)
    done = {n: adamw_step(p, g, {}, lr, betas, eps, weight_decay if p.ndim >= 2 else 0.0)
            for (n, p), g in zip(params.items(), grads, strict=True)}
    return {n: d[0] for n, d in done.items()}, {n: d[1] for n, d in done.items()}, loss


@wrong("train_step", says="require gradients")
def remembers_everything(params, states, micro_batches, loss_and_count, lr, betas, eps, weight_decay, max_norm):
    leaves = {n: p.detach().requires_grad_() for n, p in params.items()}
    loss, grads = accumulate(micro_batches, lambda b: loss_and_count(leaves, b),
                             lambda v: torch.autograd.grad(v, list(leaves.values())))
    grads = clip_gradients(grads, max_norm)
    done = {n: adamw_step(p, g, states.get(n, {}), lr, betas, eps, weight_decay if p.ndim >= 2 else 0.0)
            for (n, p), g in zip(leaves.items(), grads, strict=True)}
    return {n: d[0] for n, d in done.items()}, {n: d[1] for n, d in done.items()}, loss


@wrong("train_step", says="every token counts the same")
def means_averaged(params, states, micro_batches, loss_and_count, lr, betas, eps, weight_decay, max_norm):
    leaves = {n: p.detach().requires_grad_() for n, p in params.items()}
    loss = sum(loss_and_count(leaves, b)[0] for b in micro_batches) / len(micro_batches)
    grads = clip_gradients(list(torch.autograd.grad(loss, list(leaves.values()))), max_norm)
    done = {n: adamw_step(p, g, states.get(n, {}), lr, betas, eps, weight_decay if p.ndim >= 2 else 0.0)
            for (n, p), g in zip(params.items(), grads, strict=True)}
    return {n: d[0] for n, d in done.items()}, {n: d[1] for n, d in done.items()}, loss.item()


@wrong("train_step", says="before the step")
def loss_afterwards(params, states, micro_batches, loss_and_count, lr, betas, eps, weight_decay, max_norm):
    leaves = {n: p.detach().requires_grad_() for n, p in params.items()}
    _, grads = accumulate(micro_batches, lambda b: loss_and_count(leaves, b),
                          lambda v: torch.autograd.grad(v, list(leaves.values())))
    grads = clip_gradients(grads, max_norm)
    done = {n: adamw_step(p, g, states.get(n, {}), lr, betas, eps, weight_decay if p.ndim >= 2 else 0.0)
            for (n, p), g in zip(params.items(), grads, strict=True)}
    new = {n: d[0] for n, d in done.items()}
    pairs = [loss_and_count(new, b) for b in micro_batches]
    return new, {n: d[1] for n, d in done.items()}, sum(v.item() * c for v, c in pairs if c) / sum(c for _, c in pairs)


@wrong("train_step", says="`params` in place")
def updates_the_dictionary(params, states, micro_batches, loss_and_count, lr, betas, eps, weight_decay, max_norm):
    leaves = {n: p.detach().clone().requires_grad_() for n, p in params.items()}
    loss, grads = accumulate(micro_batches, lambda b: loss_and_count(leaves, b),
                             lambda v: torch.autograd.grad(v, list(leaves.values())))
    grads = clip_gradients(grads, max_norm)
    states = dict(states)
    for (n, p), g in zip(list(params.items()), grads, strict=True):
        decay = weight_decay if p.ndim >= 2 else 0.0
        params[n], states[n] = adamw_step(p, g, states.get(n, {}), lr, betas, eps, decay)
    return params, states, loss


@wrong("train_step", says="not the name")
def decays_matrices_alone(params, states, micro_batches, loss_and_count, lr, betas, eps, weight_decay, max_norm):
    leaves = {n: p.detach().requires_grad_() for n, p in params.items()}
    loss, grads = accumulate(micro_batches, lambda b: loss_and_count(leaves, b),
                             lambda v: torch.autograd.grad(v, list(leaves.values())))
    grads = clip_gradients(grads, max_norm)
    done = {n: adamw_step(params[n], g, states.get(n, {}), lr, betas, eps, weight_decay if params[n].ndim == 2 else 0.0)
            for n, g in zip(params, grads, strict=True)}
    return {n: d[0] for n, d in done.items()}, {n: d[1] for n, d in done.items()}, loss


@wrong("train_step", says="not the name")
def decay_by_the_name_bias(params, states, micro_batches, loss_and_count, lr, betas, eps, weight_decay, max_norm):
    leaves = {n: p.detach().requires_grad_() for n, p in params.items()}
    loss, grads = accumulate(micro_batches, lambda b: loss_and_count(leaves, b),
                             lambda v: torch.autograd.grad(v, list(leaves.values())))
    grads = clip_gradients(grads, max_norm)
    done = {n: adamw_step(params[n], g, states.get(n, {}), lr, betas, eps,
                          0.0 if n.endswith("bias") or n == "scale" else weight_decay)
            for n, g in zip(params, grads, strict=True)}
    return {n: d[0] for n, d in done.items()}, {n: d[1] for n, d in done.items()}, loss


@wrong("train_step", says="KeyError")
def leaves_in_a_fixed_order(params, states, micro_batches, loss_and_count, lr, betas, eps, weight_decay, max_norm):
    leaves = {n: p.detach().requires_grad_() for n, p in params.items()}
    loss, grads = accumulate(micro_batches, lambda b: loss_and_count(leaves, b),
                             lambda v: torch.autograd.grad(v, [leaves[n] for n in ("up", "bias", "scale", "down")]))
    grads = clip_gradients(grads, max_norm)
    done = {n: adamw_step(params[n], g, states.get(n, {}), lr, betas, eps, weight_decay if params[n].ndim >= 2 else 0.0)
            for n, g in zip(("up", "bias", "scale", "down"), grads, strict=True)}
    return {n: d[0] for n, d in done.items()}, {n: d[1] for n, d in done.items()}, loss


@wrong("train_step", says="its tensors require gradients now")
def marks_what_was_given(params, states, micro_batches, loss_and_count, lr, betas, eps, weight_decay, max_norm):
    leaves = {n: p.requires_grad_() for n, p in params.items()}
    loss, grads = accumulate(micro_batches, lambda b: loss_and_count(leaves, b),
                             lambda v: torch.autograd.grad(v, list(leaves.values())))
    grads = clip_gradients(grads, max_norm)
    done = {n: adamw_step(params[n].detach(), g, states.get(n, {}), lr, betas, eps,
                          weight_decay if params[n].ndim >= 2 else 0.0)
            for n, g in zip(params, grads, strict=True)}
    return {n: d[0] for n, d in done.items()}, {n: d[1] for n, d in done.items()}, loss


@right("train_step")
def by_backward(params, states, micro_batches, loss_and_count, lr, betas, eps, weight_decay, max_norm):
    leaves = {name: p.clone().detach().requires_grad_(True) for name, p in params.items()}
    counts = [loss_and_count(leaves, b)[1] for b in micro_batches]
    total = 0.0
    for batch, count in zip(micro_batches, counts, strict=True):
        if count:
            part = loss_and_count(leaves, batch)[0] * count / sum(counts)
            part.backward()
            total += part.item()
    torch.nn.utils.clip_grad_norm_(list(leaves.values()), max_norm)
    new_params, new_states = {}, {}
    for name, leaf in leaves.items():
        decay = 0.0 if leaf.ndim < 2 else weight_decay
        done = adamw_step(leaf.detach(), leaf.grad, states.get(name, {}), lr, betas, eps, decay)
        new_params[name], new_states[name] = done
    return new_params, new_states, total


@right("train_step")
def without_a_graph(params, states, micro_batches, loss_and_count, lr, betas, eps, weight_decay, max_norm):
    names = sorted(params)
    leaves = {n: nn.Parameter(params[n].detach().clone()) for n in names}
    loss, grads = accumulate(micro_batches, lambda b: loss_and_count(leaves, b),
                             lambda v: list(torch.autograd.grad(v, [leaves[n] for n in names])))
    with torch.no_grad():
        clipped = dict(zip(names, clip_gradients(grads, max_norm), strict=True))
        done = {n: adamw_step(leaves[n].data, clipped[n], states.get(n, {}), lr, betas, eps,
                              weight_decay * (params[n].dim() > 1)) for n in params}
    return {n: d[0] for n, d in done.items()}, {n: d[1] for n, d in done.items()}, torch.tensor(loss)


@right("train_step")
def loss_of_shape_one(params, states, micro_batches, loss_and_count, lr, betas, eps, weight_decay, max_norm):
    leaves = {n: p.detach().clone().requires_grad_() for n, p in params.items()}
    loss, grads = accumulate(micro_batches, lambda b: loss_and_count(leaves, b),
                             lambda v: list(torch.autograd.grad(v, tuple(leaves.values()))))
    grads = dict(zip(leaves, clip_gradients(grads, max_norm), strict=True))
    done = {n: adamw_step(p, grads[n], states.get(n, {}), lr, betas, eps, weight_decay if p.ndim > 1 else 0)
            for n, p in params.items()}
    return {n: d[0] for n, d in done.items()}, {n: d[1] for n, d in done.items()}, torch.tensor([float(loss)])


equivalent("train_step", "zip(params.items(), grads, strict=True) -> zip(params.items(), grads)",
           why="there is one gradient for each tensor")
equivalent("train_step", "True -> False", why="there is one gradient for each tensor")

# ---------------------------------------------------------------------------------------- longest_verbatim_overlap


@wrong("longest_verbatim_overlap", says="consecutive in both")
def common_subsequence(generated, corpus_ids):
    row = [0] * (len(corpus_ids) + 1)
    for token in generated:
        new = [0]
        for j, other in enumerate(corpus_ids):
            new.append(row[j] + 1 if token == other else max(row[j + 1], new[j]))
        row = new
    return row[-1]


@wrong("longest_verbatim_overlap", says="not a run of them")
def tokens_in_common(generated, corpus_ids):
    return sum(token in set(corpus_ids) for token in generated)


@wrong("longest_verbatim_overlap", says="not only at its start")
def only_from_the_start(generated, corpus_ids):
    best = 0
    for j in range(len(corpus_ids)):
        n = 0
        while n < len(generated) and j + n < len(corpus_ids) and generated[n] == corpus_ids[j + n]:
            n += 1
        best = max(best, n)
    return best


@wrong("longest_verbatim_overlap", says="not the first one")
def the_first_that_is_found(generated, corpus_ids):
    for i in range(len(generated)):
        best = 0
        for j in range(len(corpus_ids)):
            n = 0
            while i + n < len(generated) and j + n < len(corpus_ids) and generated[i + n] == corpus_ids[j + n]:
                n += 1
            best = max(best, n)
        if best > 1:
            return best
    return 0


@wrong("longest_verbatim_overlap", says="autojunk")
def by_difflib(generated, corpus_ids):
    from difflib import SequenceMatcher
    return SequenceMatcher(None, generated, corpus_ids).find_longest_match(0, len(generated), 0, len(corpus_ids)).size


@wrong("longest_verbatim_overlap", says="not a part of 11 2")
def as_text(generated, corpus_ids):
    text = " ".join(map(str, corpus_ids))
    return max((b - a for a in range(len(generated)) for b in range(a + 1, len(generated) + 1)
                if " ".join(map(str, generated[a:b])) in text), default=0)


@wrong("longest_verbatim_overlap", says="same place in both")
def at_the_same_place(generated, corpus_ids):
    best = run = 0
    for a, b in zip(generated, corpus_ids):
        run = run + 1 if a == b else 0
        best = max(best, run)
    return best


@wrong("longest_verbatim_overlap", says="wanted an int")
def the_run_itself(generated, corpus_ids):
    best = []
    for i in range(len(generated)):
        for j in range(len(corpus_ids)):
            n = 0
            while i + n < len(generated) and j + n < len(corpus_ids) and generated[i + n] == corpus_ids[j + n]:
                n += 1
            best = max(best, generated[i:i + n], key=len)
    return best


@wrong("longest_verbatim_overlap", says="after a mismatch")
def never_looks_back(generated, corpus_ids):
    best = 0
    for start in range(len(generated)):
        k = 0
        for c in corpus_ids:
            if start + k < len(generated) and generated[start + k] == c:
                k += 1
                best = max(best, k)
            else:
                k = 0
    return best


@wrong("longest_verbatim_overlap", says="after a mismatch")
def looks_back_one_token(generated, corpus_ids):
    best = 0
    for start in range(len(generated)):
        k = 0
        for c in corpus_ids:
            if start + k < len(generated) and generated[start + k] == c:
                k += 1
                best = max(best, k)
            else:
                k = 1 if c == generated[start] else 0
    return best


@wrong("longest_verbatim_overlap", says="far above 255")
def by_single_bytes(generated, corpus_ids):
    text = bytes(i % 256 for i in corpus_ids)
    return max((b - a for a in range(len(generated)) for b in range(a + 1, len(generated) + 1)
                if bytes(i % 256 for i in generated[a:b]) in text), default=0)


@wrong("longest_verbatim_overlap", says="last token of either list")
def forgets_the_end_of_the_corpus(generated, corpus_ids):
    best = 0
    for i in range(len(generated)):
        for j in range(len(corpus_ids) - 1):
            n = 0
            while i + n < len(generated) and j + n < len(corpus_ids) - 1 and generated[i + n] == corpus_ids[j + n]:
                n += 1
            best = max(best, n)
    return best


@right("longest_verbatim_overlap")
def by_sets_of_runs(generated, corpus_ids):
    longest = 0
    for length in range(1, len(generated) + 1):
        runs = {tuple(corpus_ids[i:i + length]) for i in range(len(corpus_ids) - length + 1)}
        if not any(tuple(generated[i:i + length]) in runs for i in range(len(generated) - length + 1)):
            break
        longest = length
    return longest


@right("longest_verbatim_overlap")
def by_difflib_without_junk(generated, corpus_ids):
    from difflib import SequenceMatcher
    matcher = SequenceMatcher(None, generated, corpus_ids, autojunk=False)
    return matcher.find_longest_match(0, len(generated), 0, len(corpus_ids)).size


@right("longest_verbatim_overlap")
def by_bytes(generated, corpus_ids):
    text = b"".join(i.to_bytes(4, "big") for i in corpus_ids)

    def inside(run):
        wanted, at = b"".join(i.to_bytes(4, "big") for i in run), -1
        while (at := text.find(wanted, at + 1)) >= 0:
            if at % 4 == 0:
                return True
        return False

    best = 0
    for start in range(len(generated)):
        while start + best < len(generated) and inside(generated[start:start + best + 1]):
            best += 1
    return best

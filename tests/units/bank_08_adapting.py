"""Answers that learners hand in for unit 08, wrong ones with what their message must say, and right ones."""

from autograder.authoring.bank import equivalent, right, wrong

# ------------------------------------------------------------------------------------------- choice_log_likelihoods


@wrong("choice_log_likelihoods", says="the sum")
def always_the_mean(model, tokenizer, prompt, choices, normalize):
    context = tokenizer(prompt).input_ids
    rows = [tokenizer(prompt + choice).input_ids for choice in choices]
    ids = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True).to(model.device)
    log_probs = model(ids).logits.log_softmax(-1)
    n = len(context)
    return [log_probs[i, n - 1:len(row) - 1].gather(-1, ids[i, n:len(row), None]).mean().item()
            for i, row in enumerate(rows)]


@wrong("choice_log_likelihoods", says="a log-likelihood is negative")
def as_a_loss(model, tokenizer, prompt, choices, normalize):
    n = len(tokenizer(prompt).input_ids)
    rows = [tokenizer(prompt + choice).input_ids for choice in choices]
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows], device=model.device)
    logits = model(ids).logits
    return [F.cross_entropy(logits[i, n - 1:len(row) - 1], ids[i, n:len(row)],
                            reduction="mean" if normalize else "sum").item() for i, row in enumerate(rows)]


@wrong("choice_log_likelihoods", says="off by one")
def reads_the_logits_of_the_token_itself(model, tokenizer, prompt, choices, normalize):
    n = len(tokenizer(prompt).input_ids)
    rows = [tokenizer(prompt + choice).input_ids for choice in choices]
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows], device=model.device)
    log_probs = model(ids).logits.log_softmax(-1)
    return [sum(log_probs[i, t, row[t]].item() for t in range(n, len(row))) for i, row in enumerate(rows)]


@wrong("choice_log_likelihoods", says="you scored the prompt too")
def scores_the_whole_text(model, tokenizer, prompt, choices, normalize):
    rows = [tokenizer(prompt + choice).input_ids for choice in choices]
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows], device=model.device)
    log_probs = model(ids).logits.log_softmax(-1)
    return [sum(log_probs[i, t - 1, row[t]].item() for t in range(1, len(row))) for i, row in enumerate(rows)]


@wrong("choice_log_likelihoods", says="you counted the padding")
def padding_counts(model, tokenizer, prompt, choices, normalize):
    n = len(tokenizer(prompt).input_ids)
    batch = tokenizer([prompt + choice for choice in choices], return_tensors="pt", padding=True, padding_side="right")
    log_probs = model(**batch.to(model.device)).logits.log_softmax(-1)
    picked = log_probs[:, n - 1:-1].gather(-1, batch.input_ids[:, n:, None])[..., 0]
    return (picked.mean(1) if normalize else picked.sum(1)).tolist()


@wrong("choice_log_likelihoods", says="runs more than once")
def one_pass_for_each_choice(model, tokenizer, prompt, choices, normalize):
    scores = []
    for choice in choices:
        context, row = tokenizer(prompt).input_ids, tokenizer(prompt + choice).input_ids
        n = 0
        while n < len(context) and context[n] == row[n]:
            n += 1
        log_probs = model(torch.tensor([row], device=model.device)).logits[0].log_softmax(-1)
        total = sum(log_probs[t - 1, row[t]].item() for t in range(n, len(row)))
        scores.append(total / (len(row) - n) if normalize else total)
    return scores


@wrong("choice_log_likelihoods", says="encoded apart")
def encodes_the_parts(model, tokenizer, prompt, choices, normalize):
    context = tokenizer(prompt).input_ids
    ends = [tokenizer(choice).input_ids for choice in choices]
    ids = nn.utils.rnn.pad_sequence([torch.tensor(context + end) for end in ends], batch_first=True).to(model.device)
    log_probs = model(ids).logits.log_softmax(-1)
    n = len(context)
    scores = []
    for i, end in enumerate(ends):
        total = sum(log_probs[i, n - 1 + t, token].item() for t, token in enumerate(end))
        scores.append(total / len(end) if normalize else total)
    return scores


@wrong("choice_log_likelihoods", says="the choice begins where the encodings part")
def counts_the_prompts_tokens(model, tokenizer, prompt, choices, normalize):
    n = len(tokenizer(prompt).input_ids)
    rows = [tokenizer(prompt + choice).input_ids for choice in choices]
    ids = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True).to(model.device)
    log_probs = model(ids).logits.log_softmax(-1)
    scores = []
    for i, row in enumerate(rows):
        total = sum(log_probs[i, t - 1, row[t]].item() for t in range(n, len(row)))
        scores.append(total / max(1, len(row) - n) if normalize else total)
    return scores


@wrong("choice_log_likelihoods", says="number of characters")
def divides_by_characters(model, tokenizer, prompt, choices, normalize):
    n = len(tokenizer(prompt).input_ids)
    rows = [tokenizer(prompt + choice).input_ids for choice in choices]
    ids = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True).to(model.device)
    log_probs = model(ids).logits.log_softmax(-1)
    totals = [sum(log_probs[i, t - 1, row[t]].item() for t in range(n, len(row))) for i, row in enumerate(rows)]
    return [total / len(choice) if normalize else total for total, choice in zip(totals, choices)]


@wrong("choice_log_likelihoods", says="changes nothing")
def never_normalized(model, tokenizer, prompt, choices, normalize):
    n = len(tokenizer(prompt).input_ids)
    rows = [tokenizer(prompt + choice).input_ids for choice in choices]
    ids = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True).to(model.device)
    log_probs = model(ids).logits.log_softmax(-1)
    return [sum(log_probs[i, t - 1, row[t]].item() for t in range(n, len(row))) for i, row in enumerate(rows)]


@right("choice_log_likelihoods")
def by_offsets_and_labels(model, tokenizer, prompt, choices, normalize):
    coded = tokenizer([prompt + choice for choice in choices], return_offsets_mapping=True, padding=True,
                      padding_side="right", return_tensors="pt")
    ids = coded.input_ids.to(model.device)
    ends = coded["offset_mapping"][..., 1].to(model.device)
    counted = (ends > len(prompt)) & coded.attention_mask.bool().to(model.device)
    logits = model(input_ids=ids, attention_mask=coded.attention_mask.to(model.device)).logits.float()
    losses = F.cross_entropy(logits[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none")
    losses = torch.where(counted[:, 1:], losses, 0.0)
    totals = -losses.sum(1)
    return (totals / counted[:, 1:].sum(1) if normalize else totals).tolist()


@right("choice_log_likelihoods")
def padded_on_the_left(model, tokenizer, prompt, choices, normalize):
    context = tokenizer(prompt)["input_ids"]
    rows = [tokenizer(prompt + choice)["input_ids"] for choice in choices]
    width = max(len(row) for row in rows)
    ids = torch.tensor([[tokenizer.pad_token_id] * (width - len(row)) + row for row in rows], device=model.device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=model.device)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    with torch.no_grad():
        out = model(input_ids=ids, attention_mask=mask, position_ids=positions).logits
    result = []
    for i, row in enumerate(rows):
        shared = 0
        for left, other in zip(context, row):
            if left != other:
                break
            shared += 1
        n = len(row) - shared
        picked = torch.log_softmax(out[i, width - n - 1:width - 1], dim=-1)[torch.arange(n), ids[i, width - n:]]
        result.append(float(picked.sum()) / (n if normalize else 1))
    return result

@wrong("choice_log_likelihoods", says="find the boundary for each")
def boundary_of_the_first(model, tokenizer, prompt, choices, normalize):
    context = tokenizer(prompt).input_ids
    rows = [tokenizer(prompt + choice).input_ids for choice in choices]
    ids = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True).to(model.device)
    log_probs = model(ids).logits.log_softmax(-1)
    starts = []
    for row in rows:
        n = 0
        while n < len(context) and row[n] == context[n]:
            n += 1
        starts.append(n)
    scores = []
    for i, row in enumerate(rows):
        start = starts[0]
        total = sum(log_probs[i, t - 1, row[t]].item() for t in range(start, len(row)))
        scores.append(total / (len(row) - start) if normalize else total)
    return scores


@wrong("choice_log_likelihoods", says="find the boundary for each")
def smallest_boundary(model, tokenizer, prompt, choices, normalize):
    context = tokenizer(prompt).input_ids
    rows = [tokenizer(prompt + choice).input_ids for choice in choices]
    ids = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True).to(model.device)
    log_probs = model(ids).logits.log_softmax(-1)
    starts = []
    for row in rows:
        n = 0
        while n < len(context) and row[n] == context[n]:
            n += 1
        starts.append(n)
    scores = []
    for i, row in enumerate(rows):
        start = min(starts)
        total = sum(log_probs[i, t - 1, row[t]].item() for t in range(start, len(row)))
        scores.append(total / (len(row) - start) if normalize else total)
    return scores


@wrong("choice_log_likelihoods", says="encoded alone")
def divides_by_the_choice_alone(model, tokenizer, prompt, choices, normalize):
    context = tokenizer(prompt).input_ids
    rows = [tokenizer(prompt + choice).input_ids for choice in choices]
    ids = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True).to(model.device)
    log_probs = model(ids).logits.log_softmax(-1)
    starts = []
    for row in rows:
        n = 0
        while n < len(context) and row[n] == context[n]:
            n += 1
        starts.append(n)
    scores = []
    for i, row in enumerate(rows):
        start = starts[i]
        total = sum(log_probs[i, t - 1, row[t]].item() for t in range(start, len(row)))
        scores.append(total / len(tokenizer(choices[i]).input_ids) if normalize else total)
    return scores


@wrong("choice_log_likelihoods", says="beyond its length")
def divides_by_what_is_beyond_the_prompt(model, tokenizer, prompt, choices, normalize):
    context = tokenizer(prompt).input_ids
    rows = [tokenizer(prompt + choice).input_ids for choice in choices]
    ids = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True).to(model.device)
    log_probs = model(ids).logits.log_softmax(-1)
    starts = []
    for row in rows:
        n = 0
        while n < len(context) and row[n] == context[n]:
            n += 1
        starts.append(n)
    scores = []
    for i, row in enumerate(rows):
        start = starts[i]
        total = sum(log_probs[i, t - 1, row[t]].item() for t in range(start, len(row)))
        scores.append(total / max(1, len(row) - len(context)) if normalize else total)
    return scores


@wrong("choice_log_likelihoods", says="may hold the padding token")
def masks_the_padding_token(model, tokenizer, prompt, choices, normalize):
    context = tokenizer(prompt).input_ids
    rows = [tokenizer(prompt + choice).input_ids for choice in choices]
    ids = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True,
                                    padding_value=tokenizer.pad_token_id).to(model.device)
    picked = model(ids).logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
    counted = ids[:, 1:] != tokenizer.pad_token_id
    for i, row in enumerate(rows):
        n = 0
        while n < len(context) and row[n] == context[n]:
            n += 1
        counted[i, :n - 1] = False
    totals = (picked * counted).sum(1)
    return (totals / counted.sum(1) if normalize else totals).tolist()


@wrong("choice_log_likelihoods", says="pad on the right")
def on_the_left_without_a_mask(model, tokenizer, prompt, choices, normalize):
    rows = [tokenizer(prompt + choice).input_ids for choice in choices]
    width, n = max(map(len, rows)), len(tokenizer(prompt).input_ids)
    ids = torch.tensor([[tokenizer.pad_token_id] * (width - len(row)) + row for row in rows], device=model.device)
    log_probs = model(ids).logits.log_softmax(-1)
    return [sum(log_probs[i, t - 1, ids[i, t]].item() for t in range(width - len(row) + n, width))
            for i, row in enumerate(rows)]


@right("choice_log_likelihoods")
def numbers_as_tensors(model, tokenizer, prompt, choices, normalize):
    context = tokenizer(prompt).input_ids
    rows = [tokenizer(prompt + choice).input_ids for choice in choices]
    ids = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True).to(model.device)
    log_probs = model(ids).logits.log_softmax(-1)
    scores = []
    for i, row in enumerate(rows):
        n = next((t for t, (x, y) in enumerate(zip(context, row)) if x != y), len(context))
        picked = log_probs[i, n - 1:len(row) - 1].gather(-1, ids[i, n:len(row), None])
        scores.append(picked.mean() if normalize else picked.sum())
    return scores


# ----------------------------------------------------------------------------------------- multiple_choice_accuracy


@wrong("multiple_choice_accuracy", says="divide by the number of items")
def number_of_hits(items, score):
    if not items:
        raise ValueError("no items")
    hits = 0.0
    for item in items:
        scores = score(item["question"], item["choices"])
        hits += scores.index(max(scores)) == item["answer"]
    return hits


@wrong("multiple_choice_accuracy", says="lowest score")
def as_if_scores_were_losses(items, score):
    if not items:
        raise ValueError("no items")
    hits = 0
    for item in items:
        scores = score(item["question"], item["choices"])
        hits += scores.index(min(scores)) == item["answer"]
    return hits / len(items)


@wrong("multiple_choice_accuracy", says="give a share from 0 to 1")
def in_per_cent(items, score):
    if not items:
        raise ValueError("no items")
    hits = [torch.tensor(score(i["question"], i["choices"])).argmax().item() == i["answer"] for i in items]
    return 100 * sum(hits) / len(hits)


@wrong("multiple_choice_accuracy", says="wanted ValueError")
def zero_for_nothing(items, score):
    hits = [torch.tensor(score(i["question"], i["choices"])).argmax().item() == i["answer"] for i in items]
    return sum(hits) / max(len(hits), 1)


@wrong("multiple_choice_accuracy", says="wanted ValueError")
def divides_by_zero(items, score):
    hits = [torch.tensor(score(i["question"], i["choices"])).argmax().item() == i["answer"] for i in items]
    return sum(hits) / len(hits)


@wrong("multiple_choice_accuracy", says="a tie is not always right")
def ties_are_hits(items, score):
    if not items:
        raise ValueError("no items")
    hits = 0
    for item in items:
        scores = score(item["question"], item["choices"])
        hits += scores[item["answer"]] == max(scores)
    return hits / len(items)


@wrong("multiple_choice_accuracy", says="the first of them is chosen")
def last_of_the_best(items, score):
    if not items:
        raise ValueError("no items")
    hits = 0
    for item in items:
        scores = score(item["question"], item["choices"])
        best = max(range(len(scores)), key=lambda i: (scores[i], i))
        hits += best == item["answer"]
    return hits / len(items)


@right("multiple_choice_accuracy")
def by_argmax(items, score):
    if len(items) == 0:
        raise ValueError("nothing to measure")
    guesses = torch.tensor([torch.tensor(score(i["question"], i["choices"])).argmax() for i in items])
    keys = torch.tensor([i["answer"] for i in items])
    return (guesses == keys).double().mean().item()


@right("multiple_choice_accuracy")
def by_a_loop(items, score):
    if not items:
        raise ValueError("empty")
    hits = 0
    for item in items:
        best, best_score = None, None
        for place, value in enumerate(score(item["question"], item["choices"])):
            if best is None or value > best_score:
                best, best_score = place, value
        if best == item["answer"]:
            hits += 1
    return float(hits) / float(len(items))

@wrong("multiple_choice_accuracy", says="may depend on the others")
def one_call_for_each_choice(items, score):
    if not items:
        raise ValueError("no items")
    hits = 0
    for item in items:
        scores = [score(item["question"], [choice])[0] for choice in item["choices"]]
        hits += scores.index(max(scores)) == item["answer"]
    return hits / len(items)


@wrong("multiple_choice_accuracy", says="however low it is")
def best_begins_at_minus_100(items, score):
    if not items:
        raise ValueError("no items")
    hits = 0
    for item in items:
        best, where = -100, 0
        for place, value in enumerate(score(item["question"], item["choices"])):
            if value > best:
                best, where = value, place
        hits += where == item["answer"]
    return hits / len(items)


@wrong("multiple_choice_accuracy", says="six choices")
def four_choices_at_most(items, score):
    if not items:
        raise ValueError("no items")
    hits = 0
    for item in items:
        scores = score(item["question"], item["choices"])[:4]
        hits += scores.index(max(scores)) == item["answer"]
    return hits / len(items)


@wrong("multiple_choice_accuracy", says="you changed the items")
def sorted_in_place(items, score):
    if not items:
        raise ValueError("no items")
    hits = 0
    for item in items:
        right = item["choices"][item["answer"]]
        scores = score(item["question"], item["choices"])
        best = item["choices"][scores.index(max(scores))]
        item["choices"].sort()
        item["answer"] = item["choices"].index(right)
        hits += best == right
    return hits / len(items)


@wrong("multiple_choice_accuracy", says="you changed the items")
def takes_the_key_out(items, score):
    if not items:
        raise ValueError("no items")
    hits, n = 0, len(items)
    for item in items:
        right = item.pop("answer")
        scores = score(**{key: item[key] for key in ("question", "choices")})
        hits += scores.index(max(scores)) == right
    return hits / n


@wrong("multiple_choice_accuracy", says="the same question")
def one_item_for_each_question(items, score):
    if not items:
        raise ValueError("no items")
    hits = {}
    for item in items:
        scores = score(item["question"], item["choices"])
        hits[item["question"]] = scores.index(max(scores)) == item["answer"]
    return sum(hits.values()) / len(hits)


@wrong("multiple_choice_accuracy", says="whatever the choices say")
def ties_by_the_alphabet(items, score):
    if not items:
        raise ValueError("no items")
    hits = 0
    for item in items:
        scores = score(item["question"], item["choices"])
        best = min(zip(scores, item["choices"]), key=lambda pair: (-pair[0], pair[1]))[1]
        hits += item["choices"].index(best) == item["answer"]
    return hits / len(items)


# ------------------------------------------------------------------------------------------------- few_shot_prompt


@wrong("few_shot_prompt", says="ends with a space")
def space_at_the_end(examples, query, template):
    blocks = [template.format(question=q, answer=a) for q, a in examples]
    return "\n\n".join([*blocks, template.format(question=query, answer="")])


@wrong("few_shot_prompt", says="joined by one line break")
def single_line_breaks(examples, query, template):
    blocks = [template.format(question=q, answer=a) for q, a in examples]
    return "\n".join([*blocks, template.split("{answer}")[0].rstrip().format(question=query)])


@wrong("few_shot_prompt", says="still has the field")
def field_left_in(examples, query, template):
    blocks = [template.format(question=q, answer=a) for q, a in examples]
    return "\n\n".join([*blocks, template.replace("{question}", query)])


@wrong("few_shot_prompt", says="The examples are missing")
def zero_shot(examples, query, template):
    return template.split("{answer}")[0].rstrip().format(question=query)


@wrong("few_shot_prompt", says="with no examples")
def empty_block_first(examples, query, template):
    shots = "\n\n".join(template.format(question=q, answer=a) for q, a in examples)
    return shots + "\n\n" + template.split("{answer}")[0].rstrip().format(question=query)


@wrong("few_shot_prompt", says="what comes after {answer}")
def filled_with_nothing(examples, query, template):
    blocks = [template.format(question=q, answer=a) for q, a in examples]
    return "\n\n".join([*blocks, template.format(question=query, answer="").rstrip()])


@wrong("few_shot_prompt", says="braces in questions and answers are text")
def one_field_after_the_other(examples, query, template):
    def fill(q, a):
        return template.replace("{question}", q).replace("{answer}", a)

    blocks = [fill(q, a) for q, a in examples]
    return "\n\n".join([*blocks, template.split("{answer}")[0].rstrip().replace("{question}", query)])


@wrong("few_shot_prompt", says="braces in questions and answers are text")
def cuts_the_filled_text(examples, query, template):
    blocks = [template.format(question=q, answer=a) for q, a in examples]
    last = template.replace("{question}", query).split("{answer}")[0].rstrip()
    return "\n\n".join([*blocks, last])


@wrong("few_shot_prompt", says="go in as they are")
def strips_every_block(examples, query, template):
    blocks = [template.format(question=q.strip(), answer=a.strip()) for q, a in examples]
    return "\n\n".join([*blocks, template.split("{answer}")[0].rstrip().format(question=query)])


@wrong("few_shot_prompt", says="all spaces and line breaks")
def takes_one_space_off(examples, query, template):
    blocks = [template.format(question=q, answer=a) for q, a in examples]
    return "\n\n".join([*blocks, template.split("{answer}")[0].removesuffix(" ").format(question=query)])


@right("few_shot_prompt")
def by_pieces(examples, query, template):
    before, rest = template.split("{question}")
    between, after = rest.split("{answer}")
    text = ""
    for question, answer in examples:
        text += before + question + between + answer + after + "\n\n"
    return (text + before + query + between).rstrip()


@right("few_shot_prompt")
def by_a_regular_expression(examples, query, template):
    def fill(text, **fields):
        return re.sub(r"\{(question|answer)\}", lambda found: fields[found[1]], text)

    start = template[:template.index("{answer}")]
    blocks = [fill(template, question=q, answer=a) for q, a in examples]
    return "\n\n".join([*blocks, fill(start, question=query).rstrip()])

@wrong("few_shot_prompt", says="the spaces before it")
def strips_the_query(examples, query, template):
    blocks = [template.format(question=q, answer=a) for q, a in examples]
    return "\n\n".join([*blocks, template.split("{answer}")[0].rstrip().format(question=query.strip())])


@wrong("few_shot_prompt", says="off the end only")
def strips_the_whole_prompt(examples, query, template):
    blocks = [template.format(question=q, answer=a) for q, a in examples]
    return "\n\n".join([*blocks, template.split("{answer}")[0].format(question=query)]).strip()


@wrong("few_shot_prompt", says="the same question")
def examples_as_a_dictionary(examples, query, template):
    blocks = [template.format(question=q, answer=a) for q, a in dict(examples).items()]
    return "\n\n".join([*blocks, template.split("{answer}")[0].rstrip().format(question=query)])


@wrong("few_shot_prompt", says="backslashes")
def substitutes_without_escaping(examples, query, template):
    def fill(text, q, a):
        before, _, after = text.partition("{answer}")
        return re.sub(r"\{question\}", q, before) + a + after

    start = template.split("{answer}")[0].rstrip()
    return "\n\n".join([*[fill(template, q, a) for q, a in examples], fill(start, query, "")])


# ---------------------------------------------------------------------------------------------- parse_final_answer


@wrong("parse_final_answer", says="do not stop there")
def last_run_of_digits(text):
    found = re.findall(r"\d+", text)
    return found[-1] if found else None


@wrong("parse_final_answer", says="take the commas out")
def keeps_commas(text):
    marked = re.search(r"answer is\D*(\d[\d,]*)", text)
    if marked:
        return marked[1].rstrip(",")
    found = re.findall(r"\d[\d,]*\d|\d", text)
    return found[-1] if found else None


@wrong("parse_final_answer", says="the first number counts")
def last_number_wherever(text):
    plain = re.sub(r"[*$`]", "", text)
    found = re.findall(r"-?\d[\d,]*(?:\.\d+)?|(?<=\()[A-E](?=\))", plain)
    return found[-1].replace(",", "").rstrip(",") if found else None


@wrong("parse_final_answer", says="a letter in brackets is an answer")
def numbers_only(text):
    plain = re.sub(r"[*$`]", "", text)
    tail = plain.split("answer is")[-1]
    found = re.findall(r"-?\d+(?:,\d{3})*(?:\.\d+)?", tail)
    if not found:
        return None
    return (found[0] if "answer is" in plain else found[-1]).replace(",", "")


@wrong("parse_final_answer", says="`answer:`")
def one_phrase_only(text):
    plain = re.sub(r"[*$`]", "", text)
    number = r"(?:(?<![\w)])-)?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
    parts = re.split(r"answer is", plain, flags=re.IGNORECASE)
    if len(parts) > 1:
        found = re.search(number + r"|(?<![\w'])[A-E](?![\w'])", parts[-1])
        if found:
            return found[0].replace(",", "")
    alone = re.fullmatch(r"\W*([A-E])\W*", plain)
    if alone:
        return alone[1]
    found = re.findall(number + r"|(?<=\()[A-E](?=\))", plain)
    return found[-1].replace(",", "") if found else None


@wrong("parse_final_answer", says="the last phrase counts")
def first_phrase(text):
    plain = re.sub(r"[*$`]", "", text)
    number = r"(?:(?<![\w)])-)?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
    marked = re.search(r"answer(?: is|:)", plain, flags=re.IGNORECASE)
    if marked:
        found = re.search(number + r"|(?<![\w'])[A-E](?![\w'])", plain[marked.end():])
        if found:
            return found[0].replace(",", "")
    alone = re.fullmatch(r"\W*([A-E])\W*", plain)
    if alone:
        return alone[1]
    found = re.findall(number + r"|(?<=\()[A-E](?=\))", plain)
    return found[-1].replace(",", "") if found else None


@wrong("parse_final_answer", says="a bare capital counts only")
def any_capital(text):
    plain = re.sub(r"[*$`]", "", text)
    number = r"(?:(?<![\w)])-)?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
    either = number + r"|(?<![\w'])[A-E](?![\w'])"
    parts = re.split(r"answer(?: is|:)", plain, flags=re.IGNORECASE)
    if len(parts) > 1 and re.search(either, parts[-1]):
        return re.search(either, parts[-1])[0].replace(",", "")
    found = re.findall(either, plain)
    return found[-1].replace(",", "") if found else None


@wrong("parse_final_answer", says="the whole text is searched")
def gives_up_after_the_phrase(text):
    plain = re.sub(r"[*$`]", "", text)
    number = r"(?:(?<![\w)])-)?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
    parts = re.split(r"answer(?: is|:)", plain, flags=re.IGNORECASE)
    if len(parts) > 1:
        found = re.search(number + r"|(?<![\w'])[A-E](?![\w'])", parts[-1])
        return found[0].replace(",", "") if found else None
    alone = re.fullmatch(r"\W*([A-E])\W*", plain)
    if alone:
        return alone[1]
    found = re.findall(number + r"|(?<=\()[A-E](?=\))", plain)
    return found[-1].replace(",", "") if found else None


@wrong("parse_final_answer", says="an operation")
def every_minus_is_a_sign(text):
    plain = re.sub(r"[*$`]", "", text)
    number = r"-?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
    parts = re.split(r"answer(?: is|:)", plain, flags=re.IGNORECASE)
    if len(parts) > 1:
        found = re.search(number + r"|(?<![\w'])[A-E](?![\w'])", parts[-1])
        if found:
            return found[0].replace(",", "")
    alone = re.fullmatch(r"\W*([A-E])\W*", plain)
    if alone:
        return alone[1]
    found = re.findall(number + r"|(?<=\()[A-E](?=\))", plain)
    return found[-1].replace(",", "") if found else None


@wrong("parse_final_answer", says="separates two numbers")
def all_commas_go(text):
    plain = re.sub(r"[*$`,]", "", text)
    number = r"(?:(?<![\w)])-)?\d+(?:\.\d+)?"
    parts = re.split(r"answer(?: is|:)", plain, flags=re.IGNORECASE)
    if len(parts) > 1:
        found = re.search(number + r"|(?<![\w'])[A-E](?![\w'])", parts[-1])
        if found:
            return found[0]
    alone = re.fullmatch(r"\W*([A-E])\W*", plain)
    if alone:
        return alone[1]
    found = re.findall(number + r"|(?<=\()[A-E](?=\))", plain)
    return found[-1] if found else None


@wrong("parse_final_answer", says="as they are written")
def as_a_number(text):
    plain = re.sub(r"[*$`]", "", text)
    number = r"(?:(?<![\w)])-)?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"

    def tidy(found):
        return found if found in "ABCDE" else f"{float(found.replace(',', '')):.10g}"

    parts = re.split(r"answer(?: is|:)", plain, flags=re.IGNORECASE)
    if len(parts) > 1:
        found = re.search(number + r"|(?<![\w'])[A-E](?![\w'])", parts[-1])
        if found:
            return tidy(found[0])
    alone = re.fullmatch(r"\W*([A-E])\W*", plain)
    if alone:
        return alone[1]
    found = re.findall(number + r"|(?<=\()[A-E](?=\))", plain)
    return tidy(found[-1]) if found else None


@right("parse_final_answer")
def by_hand(text):
    for sign in "*$`":
        text = text.replace(sign, "")

    def numbers_and_letters(part):
        found, i = [], 0
        while i < len(part):
            if part[i] in "0123456789":
                start = i
                while i < len(part) and part[i].isdigit():
                    i += 1
                if i - start <= 3:
                    end, groups = i, 0
                    while re.match(r",\d\d\d(?!\d)", part[end:]) or re.match(r",\d\d\d,\d", part[end:]):
                        if not re.match(r",\d\d\d", part[end:]):
                            break
                        end, groups = end + 4, groups + 1
                    i = end
                if re.match(r"\.\d", part[i:]):
                    i += 1
                    while i < len(part) and part[i].isdigit():
                        i += 1
                sign = ""
                if start and part[start - 1] == "-":
                    before = part[start - 2] if start > 1 else " "
                    sign = "" if before.isalnum() or before in "_)" else "-"
                found.append((start, sign + part[start:i].replace(",", "")))
            else:
                if part[i] in "ABCDE":
                    before, after = part[i - 1:i] if i else "", part[i + 1:i + 2]
                    if not any(c.isalnum() or c in "_'" for c in before + after):
                        found.append((i, part[i]))
                i += 1
        return found

    low = text.lower()
    place = max((low.rfind(phrase) + len(phrase) for phrase in ("answer is", "answer:") if phrase in low), default=-1)
    if place >= 0:
        found = numbers_and_letters(text[place:])
        if found:
            return found[0][1]
    if len([c for c in text if c.isalnum()]) == 1 and any(c in "ABCDE" for c in text):
        return next(c for c in text if c.isalnum())
    found = [what for at, what in numbers_and_letters(text)
             if what not in "ABCDE" or (text[at - 1:at] == "(" and text[at + 1:at + 2] == ")")]
    return found[-1] if found else None


@right("parse_final_answer")
def by_one_pattern(text):
    token = re.compile(r"(?P<n>(?:(?<![A-Za-z0-9_)])-)?(?:\d{1,3}(?:,\d\d\d)+(?![0-9])|\d+)(?:\.\d+)?)"
                       r"|(?P<bracket>\([A-E]\))|(?P<bare>(?<![A-Za-z0-9_'])[A-E](?![A-Za-z0-9_']))")
    text = text.translate(str.maketrans("", "", "*$`"))
    phrase = list(re.finditer(r"(?i)answer is|answer:", text))

    def value(found):
        return found[0].strip("()").replace(",", "")

    if phrase:
        after = list(token.finditer(text, phrase[-1].end()))
        if after:
            return value(after[0])
    if re.sub(r"\W", "", text) in list("ABCDE"):
        return re.sub(r"\W", "", text)
    every = [found for found in token.finditer(text) if not found["bare"]]
    return value(every[-1]) if every else None

@wrong("parse_final_answer", says="whichever comes first")
def letters_before_numbers(text):
    plain = re.sub(r"[*$`]", "", text)
    number = r"(?:(?<![\w)])-)?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
    parts = re.split(r"answer(?: is|:)", plain, flags=re.IGNORECASE)
    if len(parts) > 1:
        found = re.search(r"(?<![\w'])[A-E](?![\w'])", parts[-1]) or re.search(number, parts[-1])
        if found:
            return found[0].replace(",", "")
    alone = re.fullmatch(r"\W*([A-E])\W*", plain)
    if alone:
        return alone[1]
    found = re.findall(number + r"|(?<=\()[A-E](?=\))", plain)
    return found[-1].replace(",", "") if found else None


@wrong("parse_final_answer", says="a letter that stands alone")
def numbers_before_letters(text):
    plain = re.sub(r"[*$`]", "", text)
    number = r"(?:(?<![\w)])-)?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
    parts = re.split(r"answer(?: is|:)", plain, flags=re.IGNORECASE)
    if len(parts) > 1:
        found = re.search(number, parts[-1]) or re.search(r"(?<![\w'])[A-E](?![\w'])", parts[-1])
        if found:
            return found[0].replace(",", "")
    alone = re.fullmatch(r"\W*([A-E])\W*", plain)
    if alone:
        return alone[1]
    found = re.findall(number + r"|(?<=\()[A-E](?=\))", plain)
    return found[-1].replace(",", "") if found else None


@wrong("parse_final_answer", says="whichever of the two")
def one_phrase_before_the_other(text):
    plain = re.sub(r"[*$`]", "", text)
    number = r"(?:(?<![\w)])-)?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
    for phrase in ("answer is", "answer:"):
        parts = re.split(phrase, plain, flags=re.IGNORECASE)
        found = re.search(number + r"|(?<![\w'])[A-E](?![\w'])", parts[-1]) if len(parts) > 1 else None
        if found:
            return found[0].replace(",", "")
    alone = re.fullmatch(r"\W*([A-E])\W*", plain)
    if alone:
        return alone[1]
    found = re.findall(number + r"|(?<=\()[A-E](?=\))", plain)
    return found[-1].replace(",", "") if found else None


@wrong("parse_final_answer", says="whichever of the two")
def the_other_phrase_before_the_one(text):
    plain = re.sub(r"[*$`]", "", text)
    number = r"(?:(?<![\w)])-)?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
    for phrase in ("answer:", "answer is"):
        parts = re.split(phrase, plain, flags=re.IGNORECASE)
        found = re.search(number + r"|(?<![\w'])[A-E](?![\w'])", parts[-1]) if len(parts) > 1 else None
        if found:
            return found[0].replace(",", "")
    alone = re.fullmatch(r"\W*([A-E])\W*", plain)
    if alone:
        return alone[1]
    found = re.findall(number + r"|(?<=\()[A-E](?=\))", plain)
    return found[-1].replace(",", "") if found else None


@wrong("parse_final_answer", says="is no phrase")
def the_word_alone(text):
    plain = re.sub(r"[*$`]", "", text)
    number = r"(?:(?<![\w)])-)?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
    parts = re.split(r"\banswer\b", plain, flags=re.IGNORECASE)
    found = re.search(number + r"|(?<![\w'])[A-E](?![\w'])", parts[-1]) if len(parts) > 1 else None
    if found:
        return found[0].replace(",", "")
    alone = re.fullmatch(r"\W*([A-E])\W*", plain)
    if alone:
        return alone[1]
    found = re.findall(number + r"|(?<=\()[A-E](?=\))", plain)
    return found[-1].replace(",", "") if found else None


@wrong("parse_final_answer", says="within the phrase too")
def phrase_in_the_decorated_text(text):
    number = r"(?:(?<![\w)])-)?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
    parts = re.split(r"answer(?: is|:)", text, flags=re.IGNORECASE)
    tail = re.sub(r"[*$`]", "", parts[-1]) if len(parts) > 1 else ""
    found = re.search(number + r"|(?<![\w'])[A-E](?![\w'])", tail)
    if found:
        return found[0].replace(",", "")
    plain = re.sub(r"[*$`]", "", text)
    alone = re.fullmatch(r"\W*([A-E])\W*", plain)
    if alone:
        return alone[1]
    found = re.findall(number + r"|(?<=\()[A-E](?=\))", plain)
    return found[-1].replace(",", "") if found else None


@wrong("parse_final_answer", says="within brackets too")
def brackets_in_the_decorated_text(text):
    plain = re.sub(r"[*$`]", "", text)
    number = r"(?:(?<![\w)])-)?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
    parts = re.split(r"answer(?: is|:)", plain, flags=re.IGNORECASE)
    found = re.search(number + r"|(?<![\w'])[A-E](?![\w'])", parts[-1]) if len(parts) > 1 else None
    if found:
        return found[0].replace(",", "")
    alone = re.fullmatch(r"\W*([A-E])\W*", plain)
    if alone:
        return alone[1]
    found = re.findall(number + r"|(?<=\()[A-E](?=\))", re.sub(r"[*$`]+(?=\d)|(?<=\d)[*$`]+", "", text))
    return found[-1].replace(",", "") if found else None


# ----------------------------------------------------------------------------------------------------- chat_prompt


@wrong("chat_prompt", says="not opened at the end")
def turn_not_opened(messages):
    if messages[0]["role"] != "system":
        messages = [{"role": "system",
                     "content": "You are a helpful AI assistant named SmolLM, trained by Hugging Face"},
                    *messages]
    return "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages)


@wrong("chat_prompt", says="system message is missing")
def no_default(messages):
    turns = [f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages]
    return "".join(turns) + "<|im_start|>assistant\n"


@wrong("chat_prompt", says="line break is missing")
def opening_without_line_break(messages):
    if messages[0]["role"] != "system":
        messages = [{"role": "system",
                     "content": "You are a helpful AI assistant named SmolLM, trained by Hugging Face"},
                    *messages]
    turns = [f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages]
    return "".join(turns) + "<|im_start|>assistant"


@wrong("chat_prompt", says="followed by a line break")
def turns_run_together(messages):
    if messages[0]["role"] != "system":
        messages = [{"role": "system",
                     "content": "You are a helpful AI assistant named SmolLM, trained by Hugging Face"},
                    *messages]
    return "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>" for m in messages) + "<|im_start|>assistant\n"


@wrong("chat_prompt", says="a system message of its own")
def default_every_time(messages):
    content = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    default = {"role": "system", "content": content}
    turns = [f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in [default, *messages]]
    return "".join(turns) + "<|im_start|>assistant\n"


@wrong("chat_prompt", says="you changed the list")
def inserts_into_the_list(messages):
    if messages[0]["role"] != "system":
        messages.insert(0, {"role": "system",
                            "content": "You are a helpful AI assistant named SmolLM, trained by Hugging Face"})
    turns = [f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages]
    return "".join(turns) + "<|im_start|>assistant\n"


@wrong("chat_prompt", says="go in as they are")
def strips_contents(messages):
    if messages[0]["role"] != "system":
        messages = [{"role": "system",
                     "content": "You are a helpful AI assistant named SmolLM, trained by Hugging Face"},
                    *messages]
    turns = [f"<|im_start|>{m['role']}\n{m['content'].strip()}<|im_end|>\n" for m in messages]
    return "".join(turns) + "<|im_start|>assistant\n"


@wrong("chat_prompt", says="only a *first* system message")
def a_system_message_anywhere(messages):
    if all(m["role"] != "system" for m in messages):
        messages = [{"role": "system",
                     "content": "You are a helpful AI assistant named SmolLM, trained by Hugging Face"},
                    *messages]
    turns = [f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages]
    return "".join(turns) + "<|im_start|>assistant\n"


@right("chat_prompt")
def line_by_line(messages):
    text = ""
    for number, message in enumerate(messages):
        if number == 0 and message["role"] != "system":
            text += "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face"
            text += "<|im_end|>\n"
        text = text + "<|im_start|>" + message["role"] + "\n" + message["content"] + "<|im_end|>" + "\n"
    return text + "<|im_start|>assistant" + "\n"


@right("chat_prompt")
def joined(messages):
    default = [] if messages[0]["role"] == "system" else [
        dict(role="system", content="You are a helpful AI assistant named SmolLM, trained by Hugging Face")]
    lines = ["{role}\n{content}<|im_end|>\n".format(**message) for message in [*default, *messages]]
    return "<|im_start|>" + "<|im_start|>".join([*lines, "assistant\n"])

@wrong("chat_prompt", says="build the text yourself")
def asks_the_tokenizer(messages):
    return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)


@wrong("chat_prompt", says="that its dictionary names")
def roles_in_turn(messages):
    default = {"role": "system", "content": "You are a helpful AI assistant named SmolLM, trained by Hugging Face"}
    if messages[0]["role"] != "system":
        messages = [default, *messages]
    roles = ["system", *["user", "assistant"] * len(messages)]
    turns = [f"<|im_start|>{role}\n{m['content']}<|im_end|>\n" for role, m in zip(roles, messages)]
    return "".join(turns) + "<|im_start|>assistant\n"


@wrong("chat_prompt", says="without content")
def leaves_empty_messages_out(messages):
    default = {"role": "system", "content": "You are a helpful AI assistant named SmolLM, trained by Hugging Face"}
    messages = [m for m in messages if m["content"]]
    if messages[0]["role"] != "system":
        messages = [default, *messages]
    turns = [f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages]
    return "".join(turns) + "<|im_start|>assistant\n"


@wrong("chat_prompt", says="an empty system message")
def default_for_an_empty_one(messages):
    default = {"role": "system", "content": "You are a helpful AI assistant named SmolLM, trained by Hugging Face"}
    if messages[0]["role"] != "system":
        messages = [default, *messages]
    elif not messages[0]["content"]:
        messages = [default, *messages[1:]]
    turns = [f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages]
    return "".join(turns) + "<|im_start|>assistant\n"


# ------------------------------------------------------------------------------------------------------ sft_labels


@wrong("sft_labels", says="everything is counted")
def scores_everything(messages, tokenizer):
    ids = tokenizer(tokenizer.apply_chat_template(messages, tokenize=False)).input_ids
    return ids, list(ids)


@wrong("sft_labels", says="shifted")
def shifted_by_one(messages, tokenizer):
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    coded = tokenizer(text, return_offsets_mapping=True)
    spans = [m.span(1) for m in re.finditer(r"<\|im_start\|>assistant\n(.*?<\|im_end\|>)", text, re.DOTALL)]
    labels = [i if any(a <= s < b for a, b in spans) else -100
              for i, (s, _) in zip(coded.input_ids, coded["offset_mapping"])]
    return coded.input_ids, [*labels[1:], -100]


@wrong("sft_labels", says="only the last answer")
def last_answer_only(messages, tokenizer):
    ids = tokenizer(tokenizer.apply_chat_template(messages, tokenize=False)).input_ids
    body = tokenizer(messages[-1]["content"] + "<|im_end|>").input_ids
    labels = [-100] * (len(ids) - len(body) - 1) + body + [-100]
    return ids, labels


@wrong("sft_labels", says="never learn to stop")
def stop_token_not_counted(messages, tokenizer):
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    coded = tokenizer(text, return_offsets_mapping=True)
    spans = [m.span(1) for m in re.finditer(r"<\|im_start\|>assistant\n(.*?)<\|im_end\|>", text, re.DOTALL)]
    return coded.input_ids, [i if any(a <= s < b for a, b in spans) else -100
                             for i, (s, _) in zip(coded.input_ids, coded["offset_mapping"])]


@wrong("sft_labels", says="opening and line break are counted")
def whole_turn_counted(messages, tokenizer):
    if messages[0]["role"] != "system":
        messages = [{"role": "system",
                     "content": "You are a helpful AI assistant named SmolLM, trained by Hugging Face"},
                    *messages]
    ids, labels = [], []
    for m in messages:
        turn = tokenizer(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n").input_ids
        ids += turn
        labels += turn if m["role"] == "assistant" else [-100] * len(turn)
    return ids, labels


@wrong("sft_labels", says="the line break after <|im_end|> is counted")
def closing_line_break_counted(messages, tokenizer):
    if messages[0]["role"] != "system":
        messages = [{"role": "system",
                     "content": "You are a helpful AI assistant named SmolLM, trained by Hugging Face"},
                    *messages]
    ids, labels = [], []
    for m in messages:
        head = tokenizer(f"<|im_start|>{m['role']}\n").input_ids
        body = tokenizer(f"{m['content']}<|im_end|>\n").input_ids
        ids += head + body
        labels += [-100] * len(head) + (body if m["role"] == "assistant" else [-100] * len(body))
    return ids, labels


@wrong("sft_labels", says="default system message is missing")
def without_the_default(messages, tokenizer):
    ids, labels = [], []
    for m in messages:
        head = tokenizer(f"<|im_start|>{m['role']}\n").input_ids
        body = tokenizer(f"{m['content']}<|im_end|>").input_ids
        end = tokenizer("\n").input_ids
        ids += head + body + end
        labels += [-100] * len(head) + (body if m["role"] == "assistant" else [-100] * len(body)) + [-100] * len(end)
    return ids, labels


@wrong("sft_labels", says="-100, not 0")
def zeros_for_the_rest(messages, tokenizer):
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    coded = tokenizer(text, return_offsets_mapping=True)
    spans = [m.span(1) for m in re.finditer(r"<\|im_start\|>assistant\n(.*?<\|im_end\|>)", text, re.DOTALL)]
    return coded.input_ids, [i if any(a <= s < b for a, b in spans) else 0
                             for i, (s, _) in zip(coded.input_ids, coded["offset_mapping"])]


@wrong("sft_labels", says="role names inside the contents")
def looks_for_the_role_word(messages, tokenizer):
    ids = tokenizer(tokenizer.apply_chat_template(messages, tokenize=False)).input_ids
    marker = tokenizer("assistant\n").input_ids
    labels, counting, i = [-100] * len(ids), False, 0
    while i < len(ids):
        if ids[i:i + len(marker)] == marker:
            counting, i = True, i + len(marker)
            continue
        if counting:
            labels[i] = ids[i]
        if ids[i] == tokenizer.convert_tokens_to_ids("<|im_end|>"):
            counting = False
        i += 1
    return ids, labels


@wrong("sft_labels", says="opened at the end")
def opens_a_turn(messages, tokenizer):
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    coded = tokenizer(text, return_offsets_mapping=True)
    spans = [m.span(1) for m in re.finditer(r"<\|im_start\|>assistant\n(.*?<\|im_end\|>)", text, re.DOTALL)]
    return coded.input_ids, [i if any(a <= s < b for a, b in spans) else -100
                             for i, (s, _) in zip(coded.input_ids, coded["offset_mapping"])]


@right("sft_labels")
def by_growing_prefixes(messages, tokenizer):
    ids = tokenizer(tokenizer.apply_chat_template(messages, tokenize=False)).input_ids
    labels = torch.full((len(ids),), -100)
    for i, message in enumerate(messages):
        if message["role"] == "assistant":
            default = [] if messages[0]["role"] == "system" else [
                {"role": "system", "content": "You are a helpful AI assistant named SmolLM, trained by Hugging Face"}]
            before = "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in default + messages[:i])
            start = len(tokenizer(before + "<|im_start|>assistant\n").input_ids)
            end = len(tokenizer(before + f"<|im_start|>assistant\n{message['content']}<|im_end|>").input_ids)
            labels[start:end] = torch.tensor(ids[start:end])
    return torch.tensor(ids), labels


@right("sft_labels")
def by_places_of_characters(messages, tokenizer):
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    coded = tokenizer(text, return_offsets_mapping=True)
    counted, place = set(), 0
    for message in messages:
        opening = f"<|im_start|>{message['role']}\n"
        start = text.index(opening + message["content"] + "<|im_end|>", place) + len(opening)
        place = start + len(message["content"]) + len("<|im_end|>")
        if message["role"] == "assistant":
            counted.update(range(start, place))
    labels = [token if low in counted else -100 for token, (low, _) in zip(coded["input_ids"], coded["offset_mapping"])]
    return [list(coded["input_ids"]), labels]


@right("sft_labels")
def a_small_machine(messages, tokenizer):
    ids = tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True)["input_ids"]
    start, end = tokenizer.convert_tokens_to_ids("<|im_start|>"), tokenizer.convert_tokens_to_ids("<|im_end|>")
    role, line = tokenizer("assistant").input_ids, tokenizer("\n").input_ids
    head = [start, *role, *line]
    labels, i = [-100] * len(ids), 0
    while i < len(ids):
        if ids[i:i + len(head)] == head:
            i += len(head)
            while ids[i] != end:
                labels[i] = ids[i]
                i += 1
            labels[i] = end
        i += 1
    return list(ids), labels

@wrong("sft_labels", says="the line `assistant`")
def a_turn_from_any_line(messages, tokenizer):
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    coded = tokenizer(text, return_offsets_mapping=True)
    spans = [m.span(1) for m in re.finditer(r"(?:^|\n|<\|im_start\|>)assistant\n(.*?<\|im_end\|>)", text, re.DOTALL)]
    return coded.input_ids, [i if any(a <= s < b for a, b in spans) else -100
                             for i, (s, _) in zip(coded.input_ids, coded["offset_mapping"])]


@wrong("sft_labels", says="an answer of several lines")
def answers_of_one_line(messages, tokenizer):
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    coded = tokenizer(text, return_offsets_mapping=True)
    spans = [m.span(1) for m in re.finditer(r"<\|im_start\|>assistant\n(.*?<\|im_end\|>)", text)]
    return coded.input_ids, [i if any(a <= s < b for a, b in spans) else -100
                             for i, (s, _) in zip(coded.input_ids, coded["offset_mapping"])]


# ------------------------------------------------------------------------------------------------------- mean_pool


@wrong("mean_pool", says="padding is in the mean")
def plain_mean(hidden, mask):
    return hidden.mean(1)


@wrong("mean_pool", says="not by the width of the batch")
def divided_by_the_width(hidden, mask):
    return (hidden * mask[..., None].to(hidden.dtype)).mean(1)


@wrong("mean_pool", says="that is the sum")
def only_summed(hidden, mask):
    return (hidden * mask[..., None].to(hidden.dtype)).sum(1)


@wrong("mean_pool", says="each text has its own number")
def one_count_for_all(hidden, mask):
    return (hidden * mask[..., None].to(hidden.dtype)).sum(1) / mask.sum()


@wrong("mean_pool", says="that is the first token")
def first_token(hidden, mask):
    return hidden[:, 0]


@wrong("mean_pool", says="at the left or in the middle")
def assumes_padding_on_the_right(hidden, mask):
    return torch.stack([row[:int(n)].mean(0) for row, n in zip(hidden, mask.sum(1))])


@wrong("mean_pool", says="comes out as bfloat16")
def always_float32(hidden, mask):
    keep = mask[..., None].float()
    return (hidden.float() * keep).sum(1) / keep.sum(1)


@wrong("mean_pool", says="in place")
def zeroes_the_padding(hidden, mask):
    hidden[~mask.bool()] = 0
    return hidden.sum(1) / mask.sum(1, keepdim=True).to(hidden.dtype)


@right("mean_pool")
def row_by_row(hidden, mask):
    return torch.stack([row[keep].mean(0) for row, keep in zip(hidden, mask.bool())])


@right("mean_pool")
def as_a_matrix_product(hidden, mask):
    weights = mask.float() / mask.float().sum(1, keepdim=True)
    return torch.einsum("bt,btd->bd", weights, hidden.float()).to(hidden.dtype)

@wrong("mean_pool", says="any number of texts")
def always_two_texts(hidden, mask):
    return torch.stack([hidden[i][mask[i].bool()].mean(0) for i in range(2)])


# ---------------------------------------------------------------------------------------------------------- freeze


@wrong("freeze", says="everything is still trained")
def only_says_so(model, policy):
    if policy not in ("classifier", "added", "partly", "all"):
        raise ValueError(policy)
    n = len(model.backbone.layers)
    top = ["classifier."]
    if policy == "partly":
        top += ["backbone.norm."] + [f"backbone.layers.{i}." for i in range(n - max(1, n // 4), n)]
    return [name for name, _ in model.named_parameters() if policy == "all" or name.startswith(tuple(top))]


@wrong("freeze", says="free for another")
def never_thaws(model, policy):
    if policy not in ("classifier", "added", "partly", "all"):
        raise ValueError(policy)
    n = len(model.backbone.layers)
    upper = tuple(f"backbone.layers.{i}." for i in range(n - max(1, n // 4), n))
    for name, p in model.named_parameters():
        top, lora = name.startswith("classifier."), "lora_" in name
        keep = {"classifier": top, "added": top or lora, "all": True,
                "partly": top or (not lora and (name.startswith("backbone.norm.") or name.startswith(upper)))}[policy]
        if not keep:
            p.requires_grad = False
    return [name for name, p in model.named_parameters() if p.requires_grad]


@wrong("freeze", says="backbone.norm, belongs")
def forgets_the_norm(model, policy):
    if policy not in ("classifier", "added", "partly", "all"):
        raise ValueError(policy)
    n = len(model.backbone.layers)
    upper = tuple(f"backbone.layers.{i}." for i in range(n - max(1, n // 4), n))
    for name, p in model.named_parameters():
        top, lora = name.startswith("classifier."), "lora_" in name
        p.requires_grad = {"classifier": top, "added": top or lora, "all": True,
                           "partly": top or (not lora and name.startswith(upper))}[policy]
    return [name for name, p in model.named_parameters() if p.requires_grad]


@wrong("freeze", says="last n // 4")
def one_block_only(model, policy):
    if policy not in ("classifier", "added", "partly", "all"):
        raise ValueError(policy)
    last = f"backbone.layers.{len(model.backbone.layers) - 1}."
    for name, p in model.named_parameters():
        top, lora = name.startswith("classifier."), "lora_" in name
        p.requires_grad = {"classifier": top, "added": top or lora, "all": True,
                           "partly": top or (not lora and name.startswith((last, "backbone.norm.")))}[policy]
    return [name for name, p in model.named_parameters() if p.requires_grad]


@wrong("freeze", says="not the first")
def first_blocks(model, policy):
    if policy not in ("classifier", "added", "partly", "all"):
        raise ValueError(policy)
    n = len(model.backbone.layers)
    upper = tuple(f"backbone.layers.{i}." for i in range(max(1, n // 4)))
    for name, p in model.named_parameters():
        top, lora = name.startswith("classifier."), "lora_" in name
        p.requires_grad = {"classifier": top, "added": top or lora, "all": True,
                           "partly": top or (not lora and name.startswith((*upper, "backbone.norm.")))}[policy]
    return [name for name, p in model.named_parameters() if p.requires_grad]


@wrong("freeze", says="one at least")
def no_block_where_there_are_three(model, policy):
    if policy not in ("classifier", "added", "partly", "all"):
        raise ValueError(policy)
    n = len(model.backbone.layers)
    upper = tuple(f"backbone.layers.{i}." for i in range(n - n // 4, n))
    for name, p in model.named_parameters():
        top, lora = name.startswith("classifier."), "lora_" in name
        p.requires_grad = {"classifier": top, "added": top or lora, "all": True,
                           "partly": top or (not lora and name.startswith((*upper, "backbone.norm.")))}[policy]
    return [name for name, p in model.named_parameters() if p.requires_grad]


@wrong("freeze", says="added layers are not trained under this policy")
def added_layers_of_upper_blocks(model, policy):
    if policy not in ("classifier", "added", "partly", "all"):
        raise ValueError(policy)
    n = len(model.backbone.layers)
    upper = tuple(f"backbone.layers.{i}." for i in range(n - max(1, n // 4), n))
    for name, p in model.named_parameters():
        top, lora = name.startswith("classifier."), "lora_" in name
        p.requires_grad = {"classifier": top, "added": top or lora, "all": True,
                           "partly": top or name.startswith((*upper, "backbone.norm."))}[policy]
    return [name for name, p in model.named_parameters() if p.requires_grad]


@wrong("freeze", says="an unknown policy is a ValueError")
def anything_else_is_all(model, policy):
    n = len(model.backbone.layers)
    upper = tuple(f"backbone.layers.{i}." for i in range(n - max(1, n // 4), n))
    for name, p in model.named_parameters():
        top, lora = name.startswith("classifier."), "lora_" in name
        if policy == "classifier":
            p.requires_grad = top
        elif policy == "added":
            p.requires_grad = top or lora
        elif policy == "partly":
            p.requires_grad = top or (not lora and name.startswith((*upper, "backbone.norm.")))
        else:
            p.requires_grad = True
    return [name for name, p in model.named_parameters() if p.requires_grad]


@right("freeze")
def by_modules(model, policy):
    if policy not in {"classifier", "added", "partly", "all"}:
        raise ValueError(f"unknown policy {policy}")
    model.requires_grad_(policy == "all")
    model.classifier.requires_grad_(True)
    if policy == "partly":
        model.backbone.norm.requires_grad_(True)
        n = len(model.backbone.layers)
        for block in model.backbone.layers[n - max(1, n // 4):]:
            block.requires_grad_(True)
    if policy in ("added", "partly"):
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.requires_grad_(policy == "added")
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad]


@right("freeze")
def by_a_set_of_names(model, policy):
    names = [name for name, _ in model.named_parameters()]
    head = {name for name in names if name.split(".")[0] == "classifier"}
    lora = {name for name in names if "lora_" in name}
    n = len(model.backbone.layers)
    upper = {name for name in names if name.startswith("backbone.norm")
             or (name.startswith("backbone.layers.") and int(name.split(".")[2]) >= n - max(n // 4, 1))}
    table = {"classifier": head, "added": head | lora, "partly": head | (upper - lora), "all": set(names)}
    if policy not in table:
        raise ValueError(policy)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in table[policy])
    return sorted(table[policy])

@wrong("freeze", says="a part of a name")
def policies_by_their_beginning(model, policy):
    known = [one for one in ("classifier", "added", "partly", "all") if one.startswith(policy.lower())]
    if not known and policy != "lora":
        raise ValueError(policy)
    policy = known[0] if known else "added"
    n = len(model.backbone.layers)
    upper = tuple(f"backbone.layers.{i}." for i in range(n - max(1, n // 4), n))
    for name, p in model.named_parameters():
        top, lora = name.startswith("classifier."), "lora_" in name
        p.requires_grad = {"classifier": top, "added": top or lora, "all": True,
                           "partly": top or (not lora and name.startswith((*upper, "backbone.norm.")))}[policy]
    return [name for name, p in model.named_parameters() if p.requires_grad]


@wrong("freeze", says="a name in capitals")
def policies_in_any_case(model, policy):
    policy = policy.lower()
    if policy not in ("classifier", "added", "partly", "all"):
        raise ValueError(policy)
    n = len(model.backbone.layers)
    upper = tuple(f"backbone.layers.{i}." for i in range(n - max(1, n // 4), n))
    for name, p in model.named_parameters():
        top, lora = name.startswith("classifier."), "lora_" in name
        p.requires_grad = {"classifier": top, "added": top or lora, "all": True,
                           "partly": top or (not lora and name.startswith((*upper, "backbone.norm.")))}[policy]
    return [name for name, p in model.named_parameters() if p.requires_grad]


# ------------------------------------------------------------------------------------------------------ lora_delta


@wrong("lora_delta", says="not divided by the rank")
def alpha_alone(a, b, alpha):
    return alpha * (b @ a)


@wrong("lora_delta", says="alpha is missing")
def no_alpha(a, b, alpha):
    return b @ a


@wrong("lora_delta", says="number of rows of a, not of columns")
def by_the_inputs(a, b, alpha):
    return alpha / a.shape[1] * (b @ a)


@wrong("lora_delta", says="not its transpose")
def transposed(a, b, alpha):
    return alpha / a.shape[0] * (a.T @ b.T)


@wrong("lora_delta", says="not of rows")
def by_the_outputs(a, b, alpha):
    return alpha / len(b) * (b @ a)


@wrong("lora_delta", says="rsLoRA")
def by_the_root(a, b, alpha):
    return alpha / math.sqrt(a.shape[0]) * (b @ a)


@right("lora_delta")
def by_einsum(a, b, alpha):
    return torch.einsum("or,ri->oi", b, a) * (alpha / b.shape[1])


@right("lora_delta")
def sum_of_outer_products(a, b, alpha):
    return sum(torch.outer(column, row) for column, row in zip(b.T, a)) * alpha / len(a)

@wrong("lora_delta", says="in place")
def scales_b_in_place(a, b, alpha):
    b *= alpha / a.shape[0]
    return b @ a


# ----------------------------------------------------------------------------------------------------- lora_linear


@wrong("lora_linear", says="not divided by the rank")
def unscaled(x, w, a, b, alpha):
    return x @ w.T + alpha * (x @ a.T @ b.T)


@wrong("lora_linear", says="own part")
def frozen_part_missing(x, w, a, b, alpha):
    return alpha / a.shape[0] * (x @ a.T @ b.T)


@wrong("lora_linear", says="for the added part only")
def scales_both(x, w, a, b, alpha):
    return alpha / a.shape[0] * (x @ w.T + x @ a.T @ b.T)


@wrong("lora_linear", says="alpha / r is missing")
def no_scale(x, w, a, b, alpha):
    return F.linear(x, w) + F.linear(F.linear(x, a), b)


@wrong("lora_linear", says="no gradient reaches")
def without_gradients(x, w, a, b, alpha):
    with torch.no_grad():
        return x @ w.T + alpha / a.shape[0] * (x @ a.T @ b.T)


@wrong("lora_linear", says="wrong gradients")
def a_is_detached(x, w, a, b, alpha):
    return x @ w.T + alpha / a.shape[0] * ((x @ a.T).detach() @ b.T)


@wrong("lora_linear", says="in place")
def adds_to_w(x, w, a, b, alpha):
    w += alpha / a.shape[0] * (b @ a)
    return x @ w.T


@right("lora_linear")
def through_the_delta(x, w, a, b, alpha):
    return F.linear(x, w + lora_delta(a, b, alpha))


@right("lora_linear")
def by_linear(x, w, a, b, alpha):
    return F.linear(x, w) + F.linear(F.linear(x, a), b) * alpha / b.shape[-1]

@wrong("lora_linear", says="another alpha")
def whole_scale(x, w, a, b, alpha):
    return x @ w.T + int(alpha) / a.shape[0] * (x @ a.T @ b.T)


# ------------------------------------------------------------------------------------------------------ merge_lora


@wrong("merge_lora", says="not divided by the rank")
def merge_unscaled(w, a, b, alpha):
    return w + alpha * (b @ a)


@wrong("merge_lora", says="the change alone")
def delta_only(w, a, b, alpha):
    return lora_delta(a, b, alpha)


@wrong("merge_lora", says="not subtracted")
def takes_it_away(w, a, b, alpha):
    return w - lora_delta(a, b, alpha)


@wrong("merge_lora", says="alpha / r is missing")
def merged_without_scale(w, a, b, alpha):
    return w + b @ a


@wrong("merge_lora", says="in place")
def merged_in_place(w, a, b, alpha):
    w += lora_delta(a, b, alpha)
    return w


@right("merge_lora")
def column_by_column(w, a, b, alpha):
    return lora_linear(torch.eye(w.shape[1]), w, a, b, alpha).T


@right("merge_lora")
def by_addmm(w, a, b, alpha):
    return torch.addmm(w, b, a, alpha=alpha / a.shape[0])


# ------------------------------------------------------------------------------------------------------ forgetting


@wrong("forgetting", says="the sign is wrong")
def before_minus_after(model_before, model_after, ids):
    def loss(lm):
        logits = lm(ids).logits
        return F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten()).item()

    return loss(model_before) - loss(model_after)


@wrong("forgetting", says="shift")
def not_shifted(model_before, model_after, ids):
    def loss(lm):
        return F.cross_entropy(lm(ids).logits.flatten(0, 1), ids.flatten()).item()

    return loss(model_after) - loss(model_before)


@wrong("forgetting", says="that is a sum")
def summed_losses(model_before, model_after, ids):
    def loss(lm):
        logits = lm(ids).logits
        return F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), reduction="sum").item()

    return loss(model_after) - loss(model_before)


@wrong("forgetting", says="perplexities")
def of_perplexities(model_before, model_after, ids):
    def perplexity(lm):
        logits = lm(ids).logits
        return math.exp(F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten()).item())

    return perplexity(model_after) - perplexity(model_before)


@wrong("forgetting", says="that is a ratio")
def quotient(model_before, model_after, ids):
    return (model_after(ids, labels=ids).loss / model_before(ids, labels=ids).loss).item()


@wrong("forgetting", says="where the model has improved")
def never_negative(model_before, model_after, ids):
    return max(0.0, (model_after(ids, labels=ids).loss - model_before(ids, labels=ids).loss).item())


@wrong("forgetting", says="alone")
def only_after(model_before, model_after, ids):
    return model_after(ids, labels=ids).loss.item()


@right("forgetting")
def by_the_models_own_loss(model_before, model_after, ids):
    with torch.no_grad():
        return float(model_after(ids, labels=ids).loss - model_before(ids, labels=ids).loss)


@right("forgetting")
def by_gathered_log_probabilities(model_before, model_after, ids):
    targets = ids[:, 1:, None]
    old, new = (lm(ids).logits[:, :-1].log_softmax(-1).gather(-1, targets) for lm in (model_before, model_after))
    return (old - new).mean()

@wrong("forgetting", says="eval() or train()")
def leaves_eval_on(model_before, model_after, ids):
    def loss(lm):
        lm.eval()
        logits = lm(ids).logits
        return F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten()).item()

    return loss(model_after) - loss(model_before)


@wrong("forgetting", says="eval() or train()")
def switches_training_on(model_before, model_after, ids):
    def loss(lm):
        lm.eval()
        logits = lm(ids).logits
        lm.train()
        return F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten()).item()

    return loss(model_after) - loss(model_before)


@wrong("forgetting", says="requires_grad")
def freezes_both(model_before, model_after, ids):
    def loss(lm):
        lm.requires_grad_(False)
        logits = lm(ids).logits
        return F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten()).item()

    return loss(model_after) - loss(model_before)


@wrong("forgetting", says="the dtype of a model's parameters")
def leaves_double_on(model_before, model_after, ids):
    def loss(lm):
        lm.double()
        logits = lm(ids).logits
        return F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten()).item()

    return loss(model_after) - loss(model_before)


@wrong("forgetting", says="a model's weights")
def scales_the_weights(model_before, model_after, ids):
    def loss(lm):
        logits = lm(ids).logits
        lm.get_input_embeddings().weight.data.mul_(1.5)
        return F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten()).item()

    return loss(model_after) - loss(model_before)


@wrong("forgetting", says="only the first text")
def of_the_first_text(model_before, model_after, ids):
    def loss(lm):
        return F.cross_entropy(lm(ids).logits[0, :-1], ids[0, 1:]).item()

    return loss(model_after) - loss(model_before)


@wrong("forgetting", says="only the last token")
def of_the_last_token(model_before, model_after, ids):
    def loss(lm):
        return F.cross_entropy(lm(ids).logits[:, -2], ids[:, -1]).item()

    return loss(model_after) - loss(model_before)


@wrong("forgetting", says="shift each text by itself")
def shifts_the_flat_batch(model_before, model_after, ids):
    def loss(lm):
        return F.cross_entropy(lm(ids).logits.flatten(0, 1)[:-1], ids.flatten()[1:]).item()

    return loss(model_after) - loss(model_before)


@wrong("forgetting", says="the id 0 are not counted")
def ignores_the_id_0(model_before, model_after, ids):
    def loss(lm):
        logits = lm(ids).logits
        return F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), ignore_index=0).item()

    return loss(model_after) - loss(model_before)


@wrong("forgetting", says="the id 1 are not counted")
def ignores_the_id_1(model_before, model_after, ids):
    def loss(lm):
        logits = lm(ids).logits
        return F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), ignore_index=1).item()

    return loss(model_after) - loss(model_before)


@right("forgetting")
def puts_the_mode_back(model_before, model_after, ids):
    losses = []
    for lm in (model_before, model_after):
        mode = lm.training
        lm.eval()
        losses.append(F.cross_entropy(lm(ids).logits[:, :-1].transpose(1, 2), ids[:, 1:]))
        lm.train(mode)
    return (losses[1] - losses[0]).item()


# ------------------------------------------------------------------------------------------------------ elo_update


@wrong("elo_update", says="the loser loses")
def only_a_changes(rating_a, rating_b, score_a, k=32.0):
    expected = 1 / (1 + 10 ** ((rating_b - rating_a) / 400))
    return rating_a + k * (score_a - expected), rating_b


@wrong("elo_update", says="the expectation is missing")
def no_expectation(rating_a, rating_b, score_a, k=32.0):
    return rating_a + k * score_a, rating_b - k * score_a


@wrong("elo_update", says="expectation is that of b")
def expectation_of_b(rating_a, rating_b, score_a, k=32.0):
    expected = 1 / (1 + 10 ** ((rating_a - rating_b) / 400))
    return rating_a + k * (score_a - expected), rating_b - k * (score_a - expected)


@wrong("elo_update", says="k is not used")
def k_is_32(rating_a, rating_b, score_a, k=32.0):
    expected = 1 / (1 + 10 ** ((rating_b - rating_a) / 400))
    return rating_a + 32 * (score_a - expected), rating_b - 32 * (score_a - expected)


@wrong("elo_update", says="powers of 10")
def natural_exponential(rating_a, rating_b, score_a, k=32.0):
    expected = 1 / (1 + math.exp((rating_b - rating_a) / 400))
    return rating_a + k * (score_a - expected), rating_b - k * (score_a - expected)


@wrong("elo_update", says="the wrong way")
def wrong_direction(rating_a, rating_b, score_a, k=32.0):
    expected = 1 / (1 + 10 ** ((rating_b - rating_a) / 400))
    return rating_a - k * (score_a - expected), rating_b + k * (score_a - expected)


@wrong("elo_update", says="a draw")
def a_draw_is_a_defeat(rating_a, rating_b, score_a, k=32.0):
    expected = 1 / (1 + 10 ** ((rating_b - rating_a) / 400))
    gain = k * (int(score_a) - expected)
    return rating_a + gain, rating_b - gain


@right("elo_update")
def two_expectations(rating_a, rating_b, score_a, k=32.0):
    strength_a, strength_b = 10 ** (rating_a / 400), 10 ** (rating_b / 400)
    e_a = strength_a / (strength_a + strength_b)
    e_b = strength_b / (strength_a + strength_b)
    return [rating_a + k * (score_a - e_a), rating_b + k * (1 - score_a - e_b)]


@right("elo_update")
def by_sigmoid(rating_a, rating_b, score_a, k=32.0):
    gap = torch.tensor((rating_a - rating_b) * math.log(10) / 400, dtype=torch.float64)
    moved = k * (score_a - torch.sigmoid(gap).item())
    return (rating_a + moved, rating_b - moved)

@wrong("elo_update", says="not one tensor of two")
def both_in_one_tensor(rating_a, rating_b, score_a, k=32.0):
    expected = 1 / (1 + 10 ** ((rating_b - rating_a) / 400))
    gain = k * (score_a - expected)
    return torch.tensor([rating_a + gain, rating_b - gain])


@wrong("elo_update", says="a whole number")
def whole_k(rating_a, rating_b, score_a, k=32.0):
    gain = int(k) * (score_a - 1 / (1 + 10 ** ((rating_b - rating_a) / 400)))
    return rating_a + gain, rating_b - gain


# ----------------------------------------------------------------------------------------------- bradley_terry_fit


@wrong("bradley_terry_fit", says="take the logarithm")
def strengths_themselves(wins):
    wins = wins.double()
    p = torch.ones(len(wins), dtype=torch.float64)
    for _ in range(1000):
        p = wins.sum(1) / ((wins + wins.T) / (p[:, None] + p)).sum(1)
        p = p / p.log().mean().exp()
    return p.float()


@wrong("bradley_terry_fit", says="the mean must be 0")
def last_player_at_zero(wins):
    wins = wins.double()
    p = torch.ones(len(wins), dtype=torch.float64)
    for _ in range(1000):
        p = wins.sum(1) / ((wins + wins.T) / (p[:, None] + p)).sum(1)
        p = p / p[-1]
    return p.log().float()


@wrong("bradley_terry_fit", says="the winner has the higher rating")
def columns_win(wins):
    wins = wins.T.double()
    p = torch.ones(len(wins), dtype=torch.float64)
    for _ in range(1000):
        p = wins.sum(1) / ((wins + wins.T) / (p[:, None] + p)).sum(1)
        p = p / p.log().mean().exp()
    return p.log().float()


@wrong("bradley_terry_fit", says="shares of won games")
def win_rates(wins):
    wins = wins.float()
    return wins.sum(1) / (wins + wins.T).sum(1)


@wrong("bradley_terry_fit", says="whom one beats counts as well")
def log_odds_of_wins(wins):
    wins = wins.float()
    odds = (wins.sum(1) / wins.sum(0)).log()
    return (odds - odds.mean()) / (2 if len(wins) == 2 else 1)


@wrong("bradley_terry_fit", says="Elo points")
def in_elo_points(wins):
    wins = wins.double()
    p = torch.ones(len(wins), dtype=torch.float64)
    for _ in range(1000):
        p = wins.sum(1) / ((wins + wins.T) / (p[:, None] + p)).sum(1)
        p = p / p.log().mean().exp()
    return (p.log() * 400 / math.log(10)).float()


@wrong("bradley_terry_fit", says="Enough steps?")
def too_few_steps(wins):
    wins = wins.double()
    p = torch.ones(len(wins), dtype=torch.float64)
    for _ in range(3):
        p = wins.sum(1) / ((wins + wins.T) / (p[:, None] + p)).sum(1)
        p = p / p.log().mean().exp()
    return p.log().float()


@wrong("bradley_terry_fit", says="wanted dtype float32")
def double_ratings(wins):
    wins = wins.double()
    p = torch.ones(len(wins), dtype=torch.float64)
    for _ in range(1000):
        p = wins.sum(1) / ((wins + wins.T) / (p[:, None] + p)).sum(1)
        p = p / p.log().mean().exp()
    return p.log()


@wrong("bradley_terry_fit", says="in place")
def fills_the_diagonal(wins):
    wins.fill_diagonal_(5)  # games against oneself change nothing
    p = torch.ones(len(wins), dtype=torch.float64)
    for _ in range(400):
        p = wins.sum(1) / ((wins + wins.T) / (p[:, None] + p)).sum(1)
        p = p / p.log().mean().exp()
    return p.log().float()


@wrong("bradley_terry_fit", says="take more steps")
def fifty_steps(wins):
    wins = wins.double()
    p = torch.ones(len(wins), dtype=torch.float64)
    for _ in range(50):
        p = wins.sum(1) / ((wins + wins.T) / (p[:, None] + p)).sum(1)
        p = p / p.log().mean().exp()
    return p.log().float()


@wrong("bradley_terry_fit", says="take more steps")
def a_hundred_steps(wins):
    wins = wins.double()
    p = torch.ones(len(wins), dtype=torch.float64)
    for _ in range(100):
        p = wins.sum(1) / ((wins + wins.T) / (p[:, None] + p)).sum(1)
        p = p / p.log().mean().exp()
    return p.log().float()


@wrong("bradley_terry_fit", says="for a table of dtype float64")
def dtype_of_the_table(wins):
    dtype = wins.dtype if wins.is_floating_point() else torch.float32
    wins = wins.double()
    p = torch.ones(len(wins), dtype=torch.float64)
    for _ in range(400):
        p = wins.sum(1) / ((wins + wins.T) / (p[:, None] + p)).sum(1)
        p = p / p.log().mean().exp()
    return p.log().to(dtype)


@right("bradley_terry_fit")
def by_newtons_method(wins):
    w = wins.double()
    games, r = w + w.T, torch.zeros(len(w), dtype=torch.float64)
    for _ in range(40):
        p = torch.sigmoid(r[:, None] - r[None])
        slope = (w - games * p).sum(1)
        q = games * p * (1 - p)
        curve = torch.diag(q.sum(1)) - q + 1.0  # the ones hold the mean where it is
        r = r + torch.linalg.solve(curve, slope)
    return (r - r.mean()).to(torch.float32)


@right("bradley_terry_fit")
def by_gradients(wins):
    w = wins.double()
    with torch.enable_grad():
        r = torch.zeros(len(w), dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.LBFGS([r], max_iter=200, tolerance_grad=1e-10, tolerance_change=1e-14,
                                      line_search_fn="strong_wolfe")

        def closure():
            optimizer.zero_grad()
            loss = -(w * F.logsigmoid(r[:, None] - r)).sum() / w.sum()
            loss.backward()
            return loss

        optimizer.step(closure)
    return (r - r.mean()).detach().float()


on_cpu = "the tests run on the CPU, where everything is anyway"
equivalent("choice_log_likelihoods",
           "-> nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)", why=on_cpu)
equivalent("choice_log_likelihoods", "model(ids).logits[:, :-1].float() -> model(ids).logits[:, :-1]",
           why="in float32, the dtype of the models here, float() gives the tensor itself")
equivalent("choice_log_likelihoods", "logits.transpose(1, 2) -> logits.transpose(2, 1)",
           why="to swap two axes is the same in either order")
equivalent("choice_log_likelihoods", ".item() -> picked.mean() if normalize else picked.sum()",
           why="a tensor of one number is as good as a float here")
equivalent("choice_log_likelihoods", "start = 0: 0 -> 1",
           why="the first token has nothing before it and is never scored: each text shares it with its prompt")
equivalent("forgetting", ".item() -> F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())",
           why="a tensor of one number is as good as a float here")
equivalent("bradley_terry_fit", "torch.ones(len(wins), device=wins.device) -> torch.ones(len(wins))", why=on_cpu)
equivalent("bradley_terry_fit", "range(400) -> range(400 - 1)", why="converged long before the last step")
equivalent("bradley_terry_fit", "for _ in range(400): 400 -> 401", why="converged long before the last step")
equivalent("bradley_terry_fit", ".sum(1): sum -> mean [2]", why="a common factor of all p is divided out next")
equivalent("bradley_terry_fit", ".sum(1): 1 -> 0 [2]", why="the summed table is symmetric: rows and columns are alike")

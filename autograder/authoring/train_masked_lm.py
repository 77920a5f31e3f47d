"""Train the adapter and head that make MiniLM a masked language model: `helpers/data/masked_lm.safetensors`.

    python -m autograder.authoring.train_masked_lm            # 2400 steps, about 50 minutes on a core of its own
    python -m autograder.authoring.train_masked_lm --steps 20 --out trial.safetensors

The encoder is frozen. What is fitted is a low-rank pair for every matrix of its layers (LoRA, Hu et al. 2021) and
BERT's prediction head, by masked-word prediction (Devlin et al. 2019, §3.1) on the Wikipedia articles that
`load_wikipedia` does not put into its validation set. Each pass over them cuts and masks them anew. Loss is the
mean over masked tokens, in nats. One table row per evaluation goes to stdout, ready for docs/masked_lm_training.md.
A run that is stopped leaves the weights of its best evaluation; `--start` goes on from them.
"""

from __future__ import annotations

import argparse
import math
import random
import re
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save
from torch import Tensor, nn

from helpers import _masked_lm
from helpers.files import write_atomically

LENGTH = 128  # tokens of a chunk, [CLS] and [SEP] among them
TOKENS_PER_BATCH = 16 * LENGTH
MASKED, RANDOM_WORD, KEPT = 0.15, 0.10, 0.10  # share of tokens to predict; of those, shares not shown as [MASK]
SENTENCE_SHARE = 0.25  # batches of single sentences, since that is how people ask a masked model
LIMIT = 4_000_000  # bytes of the committed file
PRECISION = torch.bfloat16  # of the matrix products; slower than float32 where a CPU has to emulate it


class LowRank(nn.Module):
    """A frozen Linear plus B A x, with A (rank, in) random and B (out, rank) zero: at first it changes nothing."""

    def __init__(self, linear: nn.Linear, rank: int, dropout: float):
        super().__init__()
        self.linear = linear
        self.lora_a = nn.Parameter(torch.randn(rank, linear.in_features) / math.sqrt(linear.in_features))
        self.lora_b = nn.Parameter(torch.zeros(linear.out_features, rank))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        # Dropout sits between A and B: on x it would cost more time than the matrices themselves.
        return self.linear(x) + F.linear(self.dropout(F.linear(x, self.lora_a)), self.lora_b)


def prepare(rank: int, dropout: float, token_counts: Tensor, start: Path | None = None) -> nn.Module:
    """The model to train: adapters on all matrices of the encoder's layers, a fresh head, the rest frozen.

    start: a file of an earlier run with the same rank, whose weights to go on from.

    token_counts: (vocabulary,) of the training text. The decoder's bias starts at the log of these, so that the
    first steps need not learn how often each word occurs.
    """
    model = _masked_lm.build({})
    model.requires_grad_(False)
    for name, module in list(model.bert.encoder.named_modules()):
        if isinstance(module, nn.Linear):
            parent, _, child = name.rpartition(".")
            setattr(model.bert.encoder.get_submodule(parent), child, LowRank(module, rank, dropout))
        elif isinstance(module, nn.Dropout):
            module.p = dropout
    for layer in model.bert.encoder.layer:
        layer.attention.self.dropout.p = 0.0  # on attention weights it would take half of each step
    head = model.cls.predictions
    nn.init.normal_(head.transform.dense.weight, std=1 / math.sqrt(model.config.hidden_size))
    frequency = (token_counts + 0.5) / (token_counts + 0.5).sum()
    with torch.no_grad():
        head.bias.copy_(frequency.log() - frequency.log().mean())
    for parameter in (*head.transform.parameters(), head.bias):
        parameter.requires_grad_(True)
    if start:
        earlier = {name: value.float() for name, value in load_file(start).items()}
        unknown = model.load_state_dict(earlier, strict=False).unexpected_keys
        assert not unknown, f"{start} has weights that this model lacks: {unknown[:3]}"
    return model


def trained_part(model: nn.Module) -> dict[str, Tensor]:
    """What is saved, by the names `helpers._masked_lm.build` reads, in float16."""
    return {name: value.detach().half() for name, value in model.named_parameters() if value.requires_grad}


def encode(texts: list[str], tokenizer) -> list[list[int]]:
    """One list of token ids per text, without [CLS] and [SEP]."""
    return [tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"] for text in texts]


def chunks(articles: list[list[int]], rng: random.Random | None) -> list[list[int]]:
    """Pieces of at most LENGTH - 2 tokens; with `rng` each article is cut at another place every time."""
    step = LENGTH - 2
    pieces = []
    for ids in articles:
        start = rng.randrange(step) if rng else 0
        cuts = [0, *range(start or step, len(ids), step), len(ids)]
        pieces += [ids[a:b] for a, b in pairwise(cuts) if b - a >= 8]
    return pieces


def sentences(texts: list[str], tokenizer) -> list[list[int]]:
    """Sentences of 6 to 62 tokens."""
    pieces = [piece for text in texts for piece in re.split(r"(?<=[.!?])\s+|\n+", text)]
    found = [piece for piece in pieces if piece.endswith((".", "!", "?"))]
    return [ids for ids in encode(found, tokenizer) if 6 <= len(ids) <= 62]


def batches(pieces: list[list[int]], rng: random.Random) -> Iterator[list[list[int]]]:
    """Endless batches of about TOKENS_PER_BATCH tokens; each pass in a new order, neighbours of like length."""
    while True:
        order = rng.sample(pieces, len(pieces))
        order.sort(key=lambda ids: (len(ids) + rng.randrange(8)) // 8)
        groups, group, longest = [], [], 0
        for ids in order:
            longest = max(longest, len(ids) + 2)
            if group and longest * (len(group) + 1) > TOKENS_PER_BATCH:
                groups.append(group)
                group, longest = [], len(ids) + 2
            group.append(ids)
        groups = groups or [group]  # a batch that is not full is left out, unless it is all there is
        rng.shuffle(groups)
        yield from groups


def collate(pieces: list[list[int]], tokenizer) -> tuple[Tensor, Tensor]:
    """Input ids (B, T) with [CLS], [SEP] and padding, and the attention mask (B, T)."""
    width = max(map(len, pieces)) + 2
    ids = torch.full((len(pieces), width), tokenizer.pad_token_id)
    for row, piece in enumerate(pieces):
        line = [tokenizer.cls_token_id, *piece, tokenizer.sep_token_id]
        ids[row, : len(line)] = torch.tensor(line)
    return ids, (ids != tokenizer.pad_token_id).long()


def mask_words(ids: Tensor, tokenizer, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The corrupted ids and which tokens are to be predicted: 15 % of the real ones; of these 80 % become [MASK],
    10 % a random token, 10 % stay (Devlin et al. 2019, appendix A.1)."""
    special = torch.isin(ids, torch.tensor(tokenizer.all_special_ids))
    chosen = (torch.rand(ids.shape, generator=generator) < MASKED) & ~special
    kind = torch.rand(ids.shape, generator=generator)
    noise = torch.randint(1000, len(tokenizer), ids.shape, generator=generator)  # below 1000: [unused] pieces, signs
    shown = torch.where(kind < RANDOM_WORD, noise, tokenizer.mask_token_id)
    shown = torch.where(kind >= 1 - KEPT, ids, shown)
    return torch.where(chosen, shown, ids), chosen


def masked_logits(model: nn.Module, ids: Tensor, attention: Tensor, chosen: Tensor) -> Tensor:
    """(number of chosen tokens, vocabulary) in float32: the decoder runs on those alone, a sixth of the work."""
    with torch.autocast("cpu", PRECISION, enabled=torch.float32 != PRECISION):
        hidden = model.bert(ids, attention_mask=attention).last_hidden_state
        return model.cls(hidden[chosen]).float()


@torch.no_grad()
def held_out(model: nn.Module, pieces: list[list[int]], tokenizer, seed: int = 1) -> tuple[float, float]:
    """Loss in nats and accuracy over the masked tokens of `pieces`; the same masks at every call."""
    was_training = model.training
    model.eval()
    generator = torch.Generator().manual_seed(seed)
    loss, right, count = 0.0, 0, 0
    for start in range(0, len(pieces), 16):
        ids, attention = collate(pieces[start : start + 16], tokenizer)
        shown, chosen = mask_words(ids, tokenizer, generator)
        logits, targets = masked_logits(model, shown, attention, chosen), ids[chosen]
        loss += F.cross_entropy(logits, targets, reduction="sum").item()
        right += (logits.argmax(-1) == targets).sum().item()
        count += len(targets)
    model.train(was_training)
    return loss / count, right / count


def train(texts: list[str], valid_texts: list[str], options: argparse.Namespace) -> None:
    torch.manual_seed(options.seed)
    rng, generator = random.Random(options.seed), torch.Generator().manual_seed(options.seed)
    tokenizer = _masked_lm.tokenizer()
    articles, valid = encode(texts, tokenizer), chunks(encode(valid_texts, tokenizer), None)
    sample = random.Random(0).sample(valid, min(options.sample, len(valid)))
    counts = torch.bincount(torch.tensor([t for ids in articles for t in ids]), minlength=len(tokenizer)).float()
    model = prepare(options.rank, options.dropout, counts, options.start)
    weights = [p for p in model.parameters() if p.requires_grad]
    size = len(save(trained_part(model)))
    assert size <= LIMIT, f"rank {options.rank} makes a file of {size:,} bytes, over {LIMIT:,}: take a lower rank"
    print(
        f"train: {len(articles)} articles, {int(counts.sum()):,} tokens; valid: {len(valid_texts)} articles, "
        f"{sum(map(len, valid)):,} tokens; trained weights {sum(map(torch.numel, weights)):,}, file {size:,} bytes\n"
    )

    optimizer = torch.optim.AdamW(weights, lr=options.lr, betas=(0.9, 0.98), weight_decay=options.decay)
    warm_up = max(1, options.steps // 20)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm_up, (options.steps - step) / max(1, options.steps - warm_up))
    )

    def whole_text() -> Iterator[list[list[int]]]:
        while True:  # another cut of every article at each pass
            pieces = chunks(articles, rng)
            rng.shuffle(pieces)
            width = TOKENS_PER_BATCH // LENGTH
            yield from (pieces[i : i + width] for i in range(0, max(1, len(pieces) - width + 1), width))

    long, short = whole_text(), batches(sentences(texts, tokenizer), rng)
    print("| step | seconds | training loss | held-out loss | held-out accuracy |\n|---|---|---|---|---|", flush=True)
    begin, best, running = time.monotonic(), math.inf, []
    model.train()
    for step in range(options.steps + 1):
        if step % options.every == 0 or step == options.steps:
            everything = step == options.steps
            loss, accuracy = held_out(model, valid if everything else sample, tokenizer)
            mean = f"{sum(running) / len(running):.3f}" if running else "-"
            note = " (all chunks)" if everything else ""
            seconds = time.monotonic() - begin
            print(f"| {step} | {seconds:.0f} | {mean} | {loss:.3f}{note} | {accuracy:.1%} |", flush=True)
            running = []
            if loss < best or everything:
                best = loss
                write_atomically(options.out, save(trained_part(model), metadata={"format": "pt"}))
        if step == options.steps:
            break
        ids, attention = collate(next(short if rng.random() < SENTENCE_SHARE else long), tokenizer)
        shown, chosen = mask_words(ids, tokenizer, generator)
        loss = F.cross_entropy(masked_logits(model, shown, attention, chosen), ids[chosen])
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        running.append(loss.item())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=_masked_lm.TRAINED)
    parser.add_argument("--start", type=Path, help="go on from this file instead of from nothing")
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--every", type=int, default=200, help="steps between evaluations")
    parser.add_argument("--sample", type=int, default=256, help="validation chunks in all but the last evaluation")
    parser.add_argument("--rank", type=int, default=40)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--decay", type=float, default=0.01)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="more is faster, and rounds otherwise")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    from helpers.corpora import load_wikipedia

    data = load_wikipedia(n_train=56, n_valid=50, seed=0)
    train(data["train"]["text"], data["validation"]["text"], options)


if __name__ == "__main__":
    main()

"""How a tokenizer cuts a text, piece by piece, in signs that a person can see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from helpers.widgets.token_files import is_byte_level, token_bytes

GPT2, OFFLINE, WORDPIECE, OWN = "GPT-2", "SmolLM2 (the course's model)", "WordPiece (BERT)", "Your own BPE"
NAMES = (GPT2, OFFLINE, WORDPIECE)

Cut = Callable[[str], "list[Piece]"]


@dataclass(frozen=True)
class Piece:
    """One token of a text: how it reads, its id if it has one, and whether it is a special token."""

    text: str
    id: int | None = None
    special: bool = False


def cutter(name: str) -> Cut:
    """How the tokenizer of that name, one of NAMES, cuts a text."""
    tokenizer = _tokenizer(name)
    special = set(tokenizer.all_special_ids)
    if tokenizer.unk_token != tokenizer.eos_token:  # [UNK] stands for text, unlike the others; GPT-2 never uses its own
        special.discard(tokenizer.unk_token_id)
    known = token_bytes(tokenizer) if is_byte_level(tokenizer) else None

    def cut(text: str) -> list[Piece]:
        ids = tokenizer(text, verbose=False).input_ids
        texts = [spelled(known[i]) for i in ids] if known else tokenizer.convert_ids_to_tokens(ids)
        return [Piece(piece, i, i in special) for piece, i in zip(texts, ids)]

    return cut


def own_cutter(encode: Callable[[str], list[int]], vocab: Mapping[int, bytes]) -> Cut:
    """How a tokenizer of one's own cuts a text: `encode` gives ids, `vocab` the bytes of each."""
    return lambda text: [Piece(spelled(vocab[i]), i) for i in encode(text)]


def spelled(token: bytes) -> str:
    """The text of a token; where its bytes are no whole characters, as Python writes bytes: \\xf0\\x9f."""
    try:
        return token.decode()
    except UnicodeDecodeError:
        return repr(token)[2:-1]


@cache
def _tokenizer(name: str):
    from helpers import models

    if name == GPT2:
        return models.gpt2_tokenizer()
    if name == WORDPIECE:
        from helpers import _masked_lm

        return _masked_lm.tokenizer()
    if name == OFFLINE:
        from transformers import AutoTokenizer

        from helpers._smollm import smollm

        return AutoTokenizer.from_pretrained(smollm().path, local_files_only=True)
    raise ValueError(f"No tokenizer is called {name!r}; pick one of {', '.join(NAMES)}.")

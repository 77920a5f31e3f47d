"""What a byte-level BPE tokenizer (GPT-2's, SmolLM2's) is made of, as plain bytes: its vocabulary and its merges."""

from __future__ import annotations

import json


def is_byte_level(tokenizer) -> bool:
    """Whether this tokenizer of transformers keeps its tokens as bytes in disguise, as GPT-2 does."""
    return type(tokenizer.backend_tokenizer.decoder).__name__ == "ByteLevel"


def token_bytes(tokenizer) -> dict[int, bytes]:
    """id -> the bytes that the token stands for, special tokens included. ValueError if it is not byte-level."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    if not is_byte_level(tokenizer):
        raise ValueError(f"{type(tokenizer).__name__} is not byte-level: its tokens are pieces of text, not of bytes.")
    byte = {disguise: bytes([value]) for value, disguise in bytes_to_unicode().items()}
    added = {place: token.content.encode() for place, token in tokenizer.added_tokens_decoder.items()}
    pieces = {place: token for token, place in tokenizer.get_vocab().items() if place not in added}
    return added | {place: b"".join(byte[sign] for sign in token) for place, token in pieces.items()}


def bpe_files(tokenizer) -> tuple[dict[int, bytes], list[tuple[bytes, bytes]]]:
    """(vocabulary, merges) of a byte-level BPE tokenizer: id -> bytes, in the order of the ids, and pairs of bytes
    in the order of training. ValueError if it is not byte-level.
    """
    known = token_bytes(tokenizer)
    places = tokenizer.get_vocab()
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    return dict(sorted(known.items())), [(known[places[left]], known[places[right]]) for left, right in merges]

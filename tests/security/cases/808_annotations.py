"""Annotations that are text, generic or of names that are nowhere.
"""
# %% mean_square
from __future__ import annotations

from typing import TypeVar, Sequence

T = TypeVar("T", bound="Nowhere")


def mean_square(values: Sequence[Real]) -> "Real":
    count: int = len(values)
    if not count:
        raise ValueError("no values")
    return sum(value**2 for value in values) / count


# %% pairs
def pairs(words: list["str"]) -> list[tuple[str, str]]:
    return list(zip(words, words[1:]))

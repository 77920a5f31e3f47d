"""Tokens as coloured chips, for a notebook in light or in dark: every chip brings its own background."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from helpers.plots import GREY, INK
from helpers.widgets.token_pieces import Piece

SHOWN = ("text", "ids", "hide")
LONGEST = 2000  # chips; a page with more is slow

_COLOURS = ("#b9d7ee", "#fbcfa8", "#b5e3cd", "#e3c6dd", "#e8e0bd")  # neighbours differ in lightness too
_CHIP = "display: inline-block; max-width: 100%; line-height: 1.4; margin: 1px 1px 1px 0; border-radius: 4px"
_PLAIN = f"{_CHIP}; color: {INK}; padding: 0 2px"
_SPECIAL = f"{_CHIP}; color: #ffffff; background: {INK}; padding: 0 5px; border: 1px solid {GREY}"
_BOX = "font-family: monospace; overflow-wrap: anywhere; margin: 0.3em 0"
_VISIBLE = str.maketrans({" ": "·", "\t": "⇥", "\n": "⏎", "\r": "␍"})


def chips(pieces: Sequence[Piece], show: str = "text") -> str:
    """The pieces as HTML. show: "text", "ids" or "hide" (nothing). Hovering over a chip names text and id."""
    if show not in SHOWN:
        raise ValueError(f"show={show!r}: pick one of {', '.join(SHOWN)}.")
    if show == "hide":
        return ""
    made = [_chip(piece, place, show) for place, piece in enumerate(pieces[:LONGEST])]
    more = f" … {len(pieces) - LONGEST:,} more" if len(pieces) > LONGEST else ""
    return f'<div style="{_BOX}">{"".join(made)}{more}</div>'


def counts(pieces: Sequence[Piece], text: str) -> str:
    """How many tokens, characters and bytes, in words; special tokens that the tokenizer adds are counted apart."""
    special = sum(piece.special for piece in pieces)
    tokens = len(pieces) - special
    said = f"{_count(tokens, 'token')}{f' + {special} special' if special else ''}"
    said += f", {_count(len(text), 'character')}, {_count(len(text.encode(errors='replace')), 'byte')}"
    return said + (f", {len(text) / tokens:.2f} characters per token" if tokens else "")


def visible_piece(text: str) -> str:
    """The text of a token with its white space to be seen."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text.translate(_VISIBLE))


def plain(pieces: Sequence[Piece]) -> str:
    """The pieces as one line of plain text."""
    return "|".join(visible_piece(piece.text) for piece in pieces)


def _chip(piece: Piece, place: int, show: str) -> str:
    style = _SPECIAL if piece.special else f"{_PLAIN}; background: {_COLOURS[place % len(_COLOURS)]}"
    label = visible_piece(piece.text) if show == "text" else str(piece.id)
    number = "" if piece.id is None else f"  id {piece.id}"
    title = escape(visible_piece(piece.text) + number, quote=True)
    broken = "<br>" if "\n" in piece.text and show == "text" else ""
    return f'<span style="{style}" title="{title}">{escape(label)}</span>{broken}'


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"

"""Several ways of cutting a text, one row of coloured pieces each, with a caption: a figure made of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from helpers.runtime import has_kernel
from helpers.widgets.token_html import chips, plain
from helpers.widgets.token_pieces import Piece, spelled

_NAME = "text-align: left; vertical-align: top; padding: 0.55em 1em 0 0; white-space: nowrap; font-weight: normal"


def token_rows(rows: Mapping[str, Sequence[str | bytes]], caption: str) -> None:
    """Show each row of pieces (text, or bytes of it) under its name, and `caption` below them all."""
    made = {name: [_piece(one) for one in pieces] for name, pieces in rows.items()}
    words = "\n".join(f"{name}: {plain(pieces)}" for name, pieces in made.items()) + f"\n{caption}"
    if not has_kernel():
        print(words)
        return
    from IPython.display import display

    body = "".join(
        f'<tr style="background: none"><th scope="row" style="{_NAME}">{escape(name)}</th>'
        f'<td style="text-align: left">{chips(pieces)}</td></tr>'
        for name, pieces in made.items()
    )
    shown = f"<figure style='margin: 0.5em 0'><table>{body}</table><figcaption>{escape(caption)}</figcaption></figure>"
    display({"text/html": shown, "text/plain": words}, raw=True)


def _piece(one: str | bytes) -> Piece:
    return Piece(one if isinstance(one, str) else spelled(bytes(one)))

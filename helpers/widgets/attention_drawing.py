"""Pictures of attention shares: all heads of a model at a glance, and one head with its tokens."""

from __future__ import annotations

import io
from collections.abc import Sequence
from html import escape

import numpy as np
from PIL import Image, ImageColor, ImageDraw

from helpers.plots import BLUE, CARD, FAINT, INK, ORANGE, visible

TILE, GAP = 44, 6  # pixels of one small table and of the space between two; shown at half the size
_CELL = "width: 18px; min-width: 18px; height: 18px; padding: 0"
_CARD = f"background: {CARD}; color: {INK}; border-radius: 6px; padding: 8px; display: inline-block; max-width: 100%"


def without_first(shares: np.ndarray) -> np.ndarray:
    """shares (..., T, T) without what goes to the first token, each row scaled to sum to 1 again; row 0 is empty."""
    rest = shares.copy()
    rest[..., 0] = 0
    return rest / np.maximum(rest.sum(-1, keepdims=True), 1e-9)


def overview_png(shares: np.ndarray, chosen: tuple[int, int]) -> bytes:
    """All heads (layers, heads, T, T) as small tables: a column for each layer, a row for each head.

    `chosen`, a layer and a head, has an orange frame.
    """
    layers, heads = shares.shape[:2]
    step = TILE + GAP
    picture = Image.new("RGB", (layers * step + GAP, heads * step + GAP), CARD)
    for layer in range(layers):
        for head in range(heads):
            small = Image.fromarray(_shades(shares[layer, head])).resize((TILE, TILE), Image.Resampling.BOX)
            picture.paste(small, (GAP + layer * step, GAP + head * step))
    left, top = chosen[0] * step, chosen[1] * step
    frame = (left + 1, top + 1, left + step + GAP - 2, top + step + GAP - 2)
    ImageDraw.Draw(picture).rectangle(frame, outline=ORANGE, width=4)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def head_html(shares: np.ndarray, tokens: Sequence[str], caption: str) -> str:
    """One head (T, T) as a table: a row for each token that looks, a column for each token looked at.

    Hovering over a cell names both tokens and the share.
    """
    colours = _shades(shares)
    names = [escape(visible(token)) for token in tokens]
    upright = "writing-mode: vertical-rl; transform: rotate(180deg); font-weight: normal; padding: 4px 0; width: 18px"
    head = "".join(f'<th scope="col" style="{upright}">{name}</th>' for name in names)
    rows = "".join(_row(names, i, shares[i], colours[i]) for i in range(len(names)))
    return (
        f'<div style="{_CARD}; overflow-x: auto"><table style="border-collapse: collapse; font: 12px monospace; '
        f'color: {INK}"><caption style="color: {INK}; text-align: left; font: 13px sans-serif; padding: 0 0 6px">'
        f"{escape(caption)}</caption><tr><td></td>{head}</tr>{rows}</table></div>"
    )


def _row(names: list[str], i: int, shares: np.ndarray, colours: np.ndarray) -> str:
    cells = []
    for j, name in enumerate(names):
        future = j > i
        red, green, blue = (int(x) for x in colours[j])
        look = f"{_CELL}; border: 1px solid {FAINT}; background: {CARD if future else f'rgb({red}, {green}, {blue})'}"
        title = f"{names[i]} may not look at {name}" if future else f"{names[i]} looks at {name}: {shares[j]:.1%}"
        cells.append(f'<td style="{look}" title="{title}"></td>')
    start = f'<th scope="row" style="font-weight: normal; text-align: right; padding: 0 6px 0 0">{names[i]}</th>'
    return f'<tr style="background: none">{start}{"".join(cells)}</tr>'


def _shades(shares: np.ndarray) -> np.ndarray:
    # White for 0, blue for 1. The root makes small shares visible.
    amount = np.sqrt(shares.clip(0, 1))[..., None]
    return np.rint(255 + (np.array(ImageColor.getrgb(BLUE)) - 255) * amount).astype(np.uint8)

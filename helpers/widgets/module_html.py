"""One recorded call as HTML with small heatmaps, readable on a light page and on a dark one; and as plain text."""

from __future__ import annotations

import base64
import io
from html import escape

import numpy as np
from PIL import Image, ImageColor

from helpers.plots import BLUE, CARD, INK, ORANGE
from helpers.widgets.module_record import Call, Glimpse

WIDEST, TALLEST = 480, 200  # CSS pixels of a picture
_SHARP = 2  # pixels of the picture for one on the page
_FEW = 48  # whole numbers that are written out, not drawn
_SHARE = 0.99  # of the values lie within the colours: a few giants would leave all others white

_BOX = "margin: 0.2em 0 0.5em 0; padding-left: 0.8em; border-left: 3px solid #888c"
_HEAD = "font-weight: bold; margin-top: 0.5em"
_SMALL = "opacity: 0.8; font-size: 90%"
_NUMBERS = f"font-family: monospace; background: {CARD}; color: {INK}; border-radius: 4px; padding: 2px 6px; " \
           "display: inline-block; white-space: pre; overflow-x: auto; max-width: 100%"  # fmt: skip


def title(call: Call) -> str:
    """A call in one line: its place in the model and its class."""
    return f"{call.name or '(the model)'} · {call.kind}"


def call_html(call: Call) -> str:
    """Everything that was recorded of a call."""
    parameters = f"{call.parameters:,} parameters" if call.parameters else "no parameters"
    sections = "".join(
        f'<div style="{_HEAD}">{name}</div><div style="{_BOX}">{"".join(map(_glimpse, found)) or "none"}</div>'
        for name, found in _sections(call)
    )
    return f'<div style="line-height: 1.5"><div><b>{escape(title(call))}</b>, {parameters}</div>{sections}</div>'


def call_text(call: Call) -> str:
    """The same in plain text, without pictures."""
    lines = [title(call)]
    for name, found in _sections(call):
        lines.append(f"  {name}: {'' if found else 'none'}".rstrip())
        lines += [f"    {glimpse.label} {glimpse.title}  {glimpse.note}".rstrip() for glimpse in found]
    return "\n".join(lines)


def _sections(call: Call) -> list[tuple[str, tuple[Glimpse, ...]]]:
    return [
        ("Positional inputs", call.positional),
        ("Keyword inputs", call.keyword),
        ("Output", call.output),
    ]


def _glimpse(glimpse: Glimpse) -> str:
    label = f"<code>{escape(glimpse.label)}</code> " if glimpse.label else ""
    line = f'<div>{label}{escape(glimpse.title)} <span style="{_SMALL}">{escape(glimpse.note)}</span></div>'
    values = glimpse.values
    if values is None or values.size < 2:
        return line
    if values.dtype.kind != "f" and values.size <= _FEW:
        rows = "\n".join(" ".join(map(str, row)) for row in values.tolist())
        return f'{line}<div style="{_NUMBERS}">{rows}</div>'
    limit = _limit(values)
    width, height = _size(values)
    alt = (
        f"Heatmap, {values.shape[0]} by {values.shape[1]}: blue above 0, orange below, white at 0; colours end at "
        f"plus and minus {limit:.3g}"
    )
    source = f"data:image/png;base64,{base64.b64encode(heatmap_png(values)).decode()}"
    image = (
        f'<img alt="{alt}" title="{alt}" src="{source}" style="width: {width}px; height: {height}px; '
        f'max-width: 100%; display: block; outline: 1px solid #8886; image-rendering: pixelated">'
    )
    return f'{line}{image}<div style="{_SMALL}">colours: ±{limit:.3g}</div>'


def heatmap_png(values: np.ndarray) -> bytes:
    """(rows, columns) as a picture: blue above 0, orange below, white at 0, grey where it is not finite."""
    share = np.clip(np.nan_to_num(values.astype(float)) / _limit(values), -1, 1)[..., None]
    ends = np.where(share > 0, ImageColor.getrgb(BLUE), ImageColor.getrgb(ORANGE))
    colours = 255 + (ends - 255) * np.abs(share)
    colours[~np.isfinite(values.astype(float))] = 128
    picture = Image.fromarray(np.rint(colours).astype(np.uint8))
    width, height = _size(values)
    picture = picture.resize((width * _SHARP, height * _SHARP), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()


def _limit(values: np.ndarray) -> float:
    finite = np.abs(values[np.isfinite(values.astype(float))].astype(float))
    if not finite.size:
        return 1.0
    return float(np.quantile(finite, _SHARE)) or float(finite.max()) or 1.0


def _size(values: np.ndarray) -> tuple[int, int]:
    """Of the picture on the page: a whole number of pixels for each value."""
    rows, columns = values.shape
    return columns * max(1, min(20, WIDEST // columns)), rows * max(4, min(16, TALLEST // rows))

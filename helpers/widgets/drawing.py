"""Fast pictures of a playground's network: drawing a matplotlib figure for every update would be too slow.

Numpy and PIL alone: the second thread of torch's operations would cost more than the whole picture (see `trainer`).
"""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from PIL import Image, ImageColor, ImageDraw

from helpers.plots import BLUE, ORANGE
from helpers.widgets.trainer import EXTENT, Regions, Trainer

GRID = 80  # the network is evaluated on GRID x GRID points
SIDE = 280  # CSS pixels; pictures have twice as many, for sharp screens
SCALE = 2
# Palette: _TOP + 1 shades from orange to blue, the middle one white, then the colours of lines.
_TOP = 250
_BLUE, _ORANGE, _GREY, _CLEAR = range(_TOP + 1, _TOP + 5)


def regions_jpeg(regions: Regions, points: Image.Image) -> bytes:
    """The decision regions (blue where p > 0.5, orange where p < 0.5, white between) under the points."""
    picture = _levels(regions.probability, SIDE * SCALE)
    picture.putpalette(_palette())
    picture = picture.convert("RGB")
    picture.paste(points, mask=points)
    return _encode(picture, format="JPEG", quality=85)


def points_overlay(trainer: Trainer) -> Image.Image:
    """The points on a transparent ground: class 1 as blue dots, class 0 as orange squares; test points are hollow."""
    side = SIDE * SCALE * 2  # drawn larger, then reduced: smooth edges
    picture = Image.new("RGBA", (side, side))
    draw = ImageDraw.Draw(picture)
    for (x, y), hollow in ((trainer.test_points, True), (trainer.train_points, False)):
        places = (x.numpy() * [1, -1] / EXTENT + 1) * side / 2
        for (column, row), label in zip(places.tolist(), y.tolist(), strict=True):
            shape, size, colour = (draw.ellipse, 12, BLUE) if label else (draw.rectangle, 10, ORANGE)
            box = (column - size, row - size, column + size, row + size)
            fill, rim = ("white", colour) if hollow else (colour, "white")
            shape(box, fill=fill, outline=rim, width=6 if hollow else 4)
    return picture.resize((SIDE * SCALE, SIDE * SCALE), Image.Resampling.BOX)


def network_png(trainer: Trainer, regions: Regions) -> bytes:
    """The network from its inputs (left) to its output (right), on a transparent ground.

    Each square maps one neuron's output over the plane; each line is a weight, the thicker the larger.
    """
    side = SIDE * SCALE
    picture = Image.new("P", (side, side), _CLEAR)
    picture.putpalette(_palette())
    draw = ImageDraw.Draw(picture)
    x1 = np.tile(np.linspace(-1, 1, GRID), (GRID, 1))
    columns = [[x1, -x1.T], *regions.neurons, [2 * regions.probability - 1]]
    tallest = max(len(column) for column in columns)
    size = min(64, int(side / tallest * 0.84), int(side / len(columns) * 0.6))
    across = np.linspace(size / 2 + 2, side - size / 2 - 2, len(columns))
    down = [side * (np.arange(len(column)) + 0.5) / len(column) for column in columns]
    for left, layer in enumerate(trainer.layers):
        for to, weights in enumerate(np.nan_to_num(layer.weight.detach().numpy()).tolist()):
            for source, weight in enumerate(weights):
                start = (across[left] + size / 2, down[left][source])
                end = (across[left + 1] - size / 2, down[left + 1][to])
                draw.line([start, end], _BLUE if weight > 0 else _ORANGE, width=1 + round(min(3 * abs(weight), 11)))
    for column, centre, rows in zip(columns, across, down, strict=True):
        for values, row in zip(column, rows, strict=True):
            left, top = round(centre - size / 2), round(row - size / 2)
            picture.paste(_levels(_share_of_largest(values), size), (left, top))
            draw.rectangle((left, top, left + size - 1, top + size - 1), outline=_GREY, width=2)
    return _encode(picture, format="PNG", compress_level=1, transparency=_CLEAR)


def _share_of_largest(values: np.ndarray) -> np.ndarray:
    """Map a neuron's outputs to 0..1 with 0.5 for zero, so that weak neurons can be seen as well."""
    return 0.5 + 0.5 * values / max(np.abs(values).max(), 1e-6)


def _levels(share: np.ndarray, side: int) -> Image.Image:
    """share (rows, columns), 0 to 1, as a square of palette indices: 0 is orange, 0.5 white, 1 blue."""
    levels = np.rint(np.nan_to_num(share, nan=0.5).clip(0, 1) * _TOP).astype(np.uint8)
    # Enlarging the values, not the colours, keeps the boundary white however sharp it is.
    return Image.fromarray(levels).resize((side, side), Image.Resampling.BILINEAR)


@cache
def _palette() -> bytes:
    distance = np.linspace(-1, 1, _TOP + 1)[:, None]
    blue, orange = ImageColor.getrgb(BLUE), ImageColor.getrgb(ORANGE)
    ends = np.where(distance > 0, blue, orange)
    shades = 255 + (ends - 255) * 0.75 * np.abs(distance)  # paler than the points, which lie on top
    grey = (128, 128, 128)  # reads on a light and on a dark page
    return np.vstack([np.rint(shades), blue, orange, grey, grey]).astype(np.uint8).tobytes()


def _encode(picture: Image.Image, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, **options)
    return buffer.getvalue()

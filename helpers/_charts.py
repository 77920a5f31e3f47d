"""The kinds of figure that several units draw (see `helpers.plots`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from helpers._palette import BLUE, BOUNDARY, INK, NEGATIVE, ORANGE, POSITIVE, SIGNED, UNSIGNED

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes


def bars(ax: Axes, labels: Sequence[str], probabilities, *, highlight: int | None = None) -> None:
    """Probabilities as bars, the first on top, with their percentages; `highlight` is drawn in orange."""
    values = _array(probabilities)
    if values.shape != (len(labels),):
        raise ValueError(f"{len(labels)} labels for values of shape {values.shape}: give one label for each value.")
    places = range(len(labels))
    ax.barh(places, values, color=[ORANGE if i == highlight else BLUE for i in places])
    for place, value in zip(places, values):
        ax.annotate(_percent(value), (value, place), xytext=(4, 0), textcoords="offset points", va="center")
    ax.set_yticks(places, _labels(labels), parse_math=False)
    ax.set(xlim=(0, max(values.max(initial=0) * 1.2, 1e-9)), xlabel="probability")
    ax.invert_yaxis()
    ax.grid(False, axis="y")


def heatmap(ax: Axes, matrix, rows: Sequence[str] | None = None, columns: Sequence[str] | None = None, *,
            label: str = "", numbers: bool | None = None) -> None:  # fmt: skip
    """A matrix (n_rows, n_columns) as colours, with a colour bar named `label`; what is not finite is grey.

    Values of both signs are blue above 0 and orange below. numbers: write each value in its cell (default: if it
    has room). rows, columns: names along the sides, as of tokens.
    """
    import numpy as np

    values = _array(matrix)
    if values.ndim != 2:
        raise ValueError(f"A heatmap shows a matrix, and this has shape {values.shape}: pick one slice of it.")
    finite = values[np.isfinite(values)]
    top = float(np.abs(finite).max(initial=0)) or 1.0
    signed = bool((finite < 0).any())
    image = ax.imshow(np.ma.masked_invalid(values), aspect="auto", interpolation="nearest",
                      cmap=SIGNED if signed else UNSIGNED, vmin=-top if signed else 0, vmax=top)  # fmt: skip
    ax.figure.colorbar(image, ax=ax, label=label)
    ax.grid(False)
    for axis, names in ((ax.yaxis, rows), (ax.xaxis, columns)):
        if names is not None:
            axis.set_ticks(range(len(names)), _labels(names), parse_math=False)
    if columns is not None and max(map(len, columns), default=0) > 2:
        ax.tick_params(axis="x", rotation=60)
    if numbers if numbers is not None else values.size <= 100 and max(values.shape) <= 12:
        for (row, column), value in np.ndenumerate(values):
            red, green, blue, _ = image.to_rgba(np.ma.masked_invalid([value]))[0]
            dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
            ax.text(column, row, f"{value:.2g}", ha="center", va="center", fontsize=9, color="white" if dark else INK)


def decision_region(ax: Axes, score: Callable, x=None, y=None, *, extent: float | None = None,
                    boundary: float = 0.0, steps: int = 120) -> None:  # fmt: skip
    """What a classifier says all over the plane: blue positive, orange negative, a white line between them.

    score: takes points (N, 2), a float32 tensor, and gives N scores; `boundary` is where it changes its mind (0 for
    logits, 0.5 for probabilities). x (N, 2) and y (N,): data to draw on top, y > 0 in blue. extent: half the side.
    """
    import numpy as np
    import torch

    points = None if x is None else _array(x)
    if extent is None:
        extent = 1.0 if points is None else float(np.abs(points).max()) * 1.1
    side = torch.linspace(-extent, extent, steps)
    grid = torch.cartesian_prod(side, side).flip(-1)  # x runs fastest
    with torch.no_grad():
        values = _array(score(grid)).reshape(steps, steps) - boundary
    scale = float(np.abs(values).mean()) or 1.0
    ax.imshow(np.tanh(values / scale), origin="lower", extent=(-extent, extent) * 2, cmap=SIGNED, vmin=-1.3, vmax=1.3)
    if values.min() < 0 < values.max():
        ax.contour(_array(side), _array(side), values, levels=[0], colors=BOUNDARY, linewidths=2.5)
    if points is not None:
        for wanted, colour, marker in ((True, POSITIVE, "o"), (False, NEGATIVE, "s")):
            chosen = points[(_array(y).reshape(-1) > 0) == wanted]
            ax.scatter(*chosen.T, s=26, c=colour, marker=marker, edgecolors=BOUNDARY, linewidths=0.9)
    ax.set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
    ax.grid(False)


def visible(text: str) -> str:
    """`text` as a label: a leading space or a line break, which tells tokens apart, becomes a sign one can see."""
    text = "".join(c if c.isprintable() else {"\n": "⏎", "\t": "⇥"}.get(c, f"U+{ord(c):04X}") for c in text)
    return text.replace(" ", "·", 1) if text.startswith(" ") else text


def _labels(texts: Sequence[str]) -> list[str]:
    """`visible` texts in which every character can be drawn: others are named by their code point."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    glyphs = get_font(findfont(FontProperties())).get_charmap()
    return ["".join(c if ord(c) in glyphs else f"U+{ord(c):04X}" for c in visible(text)) for text in texts]


def _percent(value: float) -> str:
    return "<0.1%" if 0 < value < 0.001 else f"{value:.1%}"


def _array(values) -> np.ndarray:
    import numpy as np

    if hasattr(values, "detach"):
        values = values.detach().float().cpu()
    return np.asarray(values, dtype=float)

"""One look for every figure: readable for colour-blind eyes, on dark pages and on light ones.

Figures are cards: a solid light panel that carries its own background, since no text colour has enough contrast with
a white page and a black one at once. Blue is positive and orange negative in all of them.

    fig, ax = plots.figure()
    plots.bars(ax, [" Mozart", " Bach"], [0.3, 0.2])
    plots.caption(fig, "The two likeliest next tokens.", alt="Two bars: Mozart 30 %, Bach 20 %.")
"""

from __future__ import annotations

import base64
import html
import io
import sys
from typing import TYPE_CHECKING

from helpers._charts import bars, decision_region, heatmap, visible
from helpers._palette import (
    BLUE,
    BOUNDARY,
    BROWN,
    CARD,
    CYCLE,
    FAINT,
    GREEN,
    GREY,
    INK,
    NEGATIVE,
    ORANGE,
    POSITIVE,
    PURPLE,
    SIGNED,
    UNSIGNED,
    use_style,
)  # fmt: skip
from helpers.runtime import has_kernel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "BLUE", "BOUNDARY", "BROWN", "CARD", "CYCLE", "FAINT", "GREEN", "GREY", "INK", "NEGATIVE", "ORANGE", "POSITIVE",
    "PURPLE", "SIGNED", "UNSIGNED", "bars", "caption", "decision_region", "figure", "heatmap", "use_style", "visible",
]  # fmt: skip

_DPI = 160  # drawn at this, shown at 96: sharp on a dense screen


def figure(rows: int = 1, columns: int = 1, *, size: tuple[float, float] | None = None, **options):
    """A new figure and its axes: (fig, ax), or (fig, array of axes) if there are several.

    size: (width, height) in inches. options: of `Figure.subplots`. Show it with `caption`.
    """
    from matplotlib.figure import Figure  # not pyplot, which would keep every figure and show it a second time

    use_style()
    fig = Figure(figsize=size or (6.4 if columns == 1 else 9.6, 3.4 * rows), layout="constrained")
    return fig, fig.subplots(rows, columns, **options)


def caption(fig: Figure, text: str, alt: str) -> None:
    """Show the figure, once, with `text` under it.

    alt: what is to be seen, for those who cannot see it; it stands for the picture in a screen reader and in plain
    text. Both are plain text, and neither may be empty (ValueError).
    """
    if not text.strip() or not alt.strip():
        raise ValueError(f"text={text!r} and alt={alt!r}: a figure needs a caption and a description of what it shows.")
    plain = f"[Figure: {alt}]\n{text}"
    if not has_kernel():
        print(plain)
        return
    from IPython.display import display

    png = io.BytesIO()
    fig.savefig(png, format="png", dpi=_DPI, facecolor=CARD)
    if "matplotlib.pyplot" in sys.modules:  # a figure made by pyplot would be shown again at the end of the cell
        sys.modules["matplotlib.pyplot"].close(fig)
    image = (
        f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}" '
        f'style="width: {fig.get_figwidth() * 96:.0f}px; max-width: 100%; border-radius: 6px">'
    )
    shown = f'<figure style="margin: 0.5em 0">{image}<figcaption>{html.escape(text)}</figcaption></figure>'
    display({"text/html": shown, "text/plain": plain}, raw=True)

"""The loss curve as SVG: its text and lines take the page's own colour, on a light theme and on a dark one."""

from __future__ import annotations

import math
from collections.abc import Sequence

from helpers.widgets.trainer import Losses

WIDTH, HEIGHT = 820, 130
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 120, 10, 22  # room for the numbers, the legend and the steps
_MOST_POINTS = 300


def loss_curve_svg(history: Sequence[Losses]) -> str:
    """Training loss (full line) and test loss (dashed) against the number of steps, as one <svg> element."""
    shown = _thinned([losses for losses in history if math.isfinite(losses.train + losses.test)])
    last_step = max([losses.step for losses in shown], default=0)
    top = _round_up(max([max(losses.train, losses.test) for losses in shown], default=1.0))

    def place(step: int, loss: float) -> str:
        across = _LEFT + (WIDTH - _LEFT - _RIGHT) * step / max(last_step, 1)
        down = HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * loss / top
        return f"{across:.1f},{down:.1f}"

    train = " ".join(place(losses.step, losses.train) for losses in shown)
    test = " ".join(place(losses.step, losses.test) for losses in shown)
    right, floor = WIDTH - _RIGHT, HEIGHT - _BOTTOM
    latest = history[-1]
    label = f"Loss curve after {latest.step} steps: training loss {latest.train:.3f}, test loss {latest.test:.3f}"
    return f"""
<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}"
     style="width:100%;max-width:{WIDTH}px;color:var(--jp-content-font-color1,currentColor);font-size:12px">
<g stroke="currentColor" fill="none">
<path d="M{_LEFT},{_TOP}V{floor}H{right}" opacity="0.5"/>
<path d="M{_LEFT},{_TOP}H{right}" opacity="0.15"/>
<polyline points="{train}" stroke-width="2"/>
<polyline points="{test}" stroke-width="2" stroke-dasharray="4 3" opacity="0.75"/>
<path d="M{right + 12},{_TOP + 8}h24" stroke-width="2"/>
<path d="M{right + 12},{_TOP + 28}h24" stroke-width="2" stroke-dasharray="4 3" opacity="0.75"/>
</g>
<g fill="currentColor">
<text x="{right + 42}" y="{_TOP + 12}">training loss</text>
<text x="{right + 42}" y="{_TOP + 32}">test loss</text>
<text x="{_LEFT - 6}" y="{_TOP + 5}" text-anchor="end">{top:g}</text>
<text x="{_LEFT - 6}" y="{floor + 4}" text-anchor="end">0</text>
<text x="{_LEFT}" y="{HEIGHT - 5}">0</text>
<text x="{right}" y="{HEIGHT - 5}" text-anchor="end">{last_step:,} steps</text>
</g>
</svg>"""


def _thinned(history: Sequence[Losses]) -> Sequence[Losses]:
    """At most about _MOST_POINTS of them, the first and the last among them."""
    stride = math.ceil(len(history) / _MOST_POINTS)
    return history if stride <= 1 else [*history[:-1:stride], history[-1]]


def _round_up(loss: float) -> float:
    """The next of ... 0.5, 0.8, 1, 1.5, 2, 3, 5, 8, 10 ...: the scale stays put while the curve moves."""
    power = 10.0 ** math.floor(math.log10(max(loss, 1e-3)))
    return next(factor * power for factor in (1, 1.5, 2, 3, 5, 8, 10, 15) if factor * power >= loss * 0.999)

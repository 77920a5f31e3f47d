"""The report's two drawings, as SVG that follows the page's light or dark colours."""

from __future__ import annotations

from html import escape

from markupsafe import Markup

from autograder.reporting.summary import BINS, ENDINGS, UnitSummary
from autograder.reporting.table import percent

_W = 720


def histogram(summary: UnitSummary) -> Markup:
    """How many students got which tenth of the points."""
    left, right, bottom, height = 34, 16, 34, 190
    most = max([*summary.histogram, 1])
    width = (_W - left - right) / BINS
    said = ", ".join(f"{n} between {100 * i // BINS} and {100 * (i + 1) // BINS} %"
                     for i, n in enumerate(summary.histogram) if n)
    parts = [_open(_W, height + bottom + 22, f"Histogram of scores: {said or 'nobody yet'}.")]
    for tick in _ticks(most):
        y = 16 + height - height * tick / most
        parts.append(f'<line class="grid" x1="{left}" x2="{_W - right}" y1="{y:.1f}" y2="{y:.1f}"/>'
                     f'<text class="axis" x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{tick}</text>')
    for i, n in enumerate(summary.histogram):
        x, h = left + i * width, height * n / most
        if n:
            parts.append(f'<rect class="passed" x="{x + 3:.1f}" y="{16 + height - h:.1f}" width="{width - 6:.1f}" '
                         f'height="{h:.1f}" rx="3"><title>{said_of(n)}</title></rect>'
                         f'<text class="value" x="{x + width / 2:.1f}" y="{12 + height - h:.1f}" '
                         f'text-anchor="middle">{n}</text>')
    for i in range(BINS + 1):
        parts.append(f'<text class="axis" x="{left + i * width:.1f}" y="{height + 34}" '
                     f'text-anchor="middle">{100 * i // BINS}</text>')
    mean = left + summary.mean * width * BINS
    parts.append(f'<line class="mean" x1="{mean:.1f}" x2="{mean:.1f}" y1="16" y2="{16 + height}"/>'
                 f'<text class="axis" x="{_W / 2}" y="{height + bottom + 20}" text-anchor="middle">'
                 f'% of the points (dashed: the mean, {percent(summary.mean)} %)</text></svg>')
    return Markup("".join(parts))


def success(summary: UnitSummary) -> Markup:
    """A bar an exercise: how the class's answers ended."""
    line, gap, right = 22, 12, 60
    longest = max([len(exercise.name) for exercise in summary.exercises] or [1])
    left = min(280, 14 + round(longest * 8))
    width = _W - left - right
    said = "; ".join(f"{exercise.name} {percent(exercise.rate)} %" for exercise in summary.exercises)
    parts = [_open(_W, len(summary.exercises) * (line + gap), f"Part of the class that passed each exercise: {said}.")]
    for i, exercise in enumerate(summary.exercises):
        y, x = i * (line + gap), float(left)
        total = sum(exercise.counts.values()) or 1
        parts.append(f'<text class="name" x="{left - 10}" y="{y + 16}" text-anchor="end">'
                     f'{escape(exercise.name)}</text>')
        for k, ending in enumerate(ENDINGS):
            count = exercise.counts[ending]
            if not count:
                continue
            part = width * count / total
            parts.append(f'<rect class="end{k}" x="{x:.1f}" y="{y}" width="{max(part - 1.5, 1):.1f}" height="{line}">'
                         f'<title>{said_of(count)}: {ending}</title></rect>')
            if part > 22:
                parts.append(f'<text class="on{k}" x="{x + part / 2:.1f}" y="{y + 16}" '
                             f'text-anchor="middle">{count}</text>')
            x += part
        parts.append(f'<text class="value" x="{_W}" y="{y + 16}" text-anchor="end">{percent(exercise.rate)} %</text>')
    return Markup("".join([*parts, "</svg>"]))


def said_of(count: int) -> str:
    return "1 student" if count == 1 else f"{count} students"


def _ticks(most: int) -> list[int]:
    step = max(1, -(-most // 4))
    return list(range(0, most + 1, step))


def _open(width: float, height: float, text: str) -> str:
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
            f'aria-label="{escape(text, quote=True)}"><title>{escape(text)}</title>')

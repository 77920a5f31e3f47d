"""Pictures with controls: `play` draws one, and draws it again whenever a control is moved."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets

from helpers import runtime


def play(draw: Callable[..., None], **controls: ipywidgets.ValueWidget) -> None:
    """Call `draw` with the values of its controls, and again whenever one of them is moved.

    An emptied text box calls nothing: the last picture stays until there is a text again. Where no page is attached to
    the kernel, `draw` is called once, with the values at the start, and no control is shown.
    """
    if runtime.has_front_end():
        ipywidgets.interact(lambda **values: draw(**values) if "" not in values.values() else None, **controls)
    else:
        draw(**{name: control.value for name, control in controls.items()})


def slider(value: float, low: float, high: float, step: float, name: str) -> ipywidgets.FloatSlider:
    """A number from `low` to `high`; it tells its new value when the mouse lets go."""
    return ipywidgets.FloatSlider(value, min=low, max=high, step=step, description=name, continuous_update=False)


def whole(value: int, low: int, high: int, name: str) -> ipywidgets.IntSlider:
    """A whole number from `low` to `high`; it tells its new value when the mouse lets go."""
    return ipywidgets.IntSlider(value, min=low, max=high, description=name, continuous_update=False)


def textbox(text: str, name: str = "text") -> ipywidgets.Text:
    """A line of text; it tells its new value on Enter."""
    return ipywidgets.Text(text, description=name, continuous_update=False, layout={"width": "32em"})

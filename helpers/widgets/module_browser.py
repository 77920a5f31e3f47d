"""A recorded run of a model to leaf through: choose a call, see what went into the module and what came out.

    with recording(model) as calls:
        model.generate(**prompt, max_new_tokens=1)
    module_browser(calls)
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from helpers import runtime
from helpers.widgets.module_html import call_html, call_text, title
from helpers.widgets.module_record import MOST_CALLS, Call, recording

__all__ = ["ModuleBrowser", "module_browser", "recording"]

ALL, OUTSIDE, ANY = "the whole model", "outside the blocks", "any kind"
_BLOCK = re.compile(r"(?:^|.*?\.)\d+(?=\.|$)")  # a name up to its first number: model.layers.3


def module_browser(calls: Sequence[Call], first: str = "") -> None:
    """Show recorded calls (see `recording`), starting with the first call of the module named `first`.

    Where nobody can choose (a notebook run by a program), shows that one call.
    Raises ValueError if there are no calls, or none of that module.
    """
    if not calls:
        raise ValueError("No call was recorded: run the model inside `with recording(model) as calls:` first.")
    start = next((i for i, call in enumerate(calls) if call.name == first), None)
    if start is None and first:
        raise ValueError(f"No call of {first!r} was recorded; the first ones are of "
                         f"{', '.join(repr(call.name) for call in calls[:3])}.")  # fmt: skip
    start = start or 0
    if not runtime.has_front_end():
        _still(calls, start)
        return
    from IPython.display import display

    bundle = ModuleBrowser(calls, start).widget._repr_mimebundle_()
    bundle["text/plain"] = "[Recorded calls to leaf through: run this cell in Jupyter.]"
    display(bundle, raw=True)


class ModuleBrowser:
    """The `widget`: two menus narrow the list of calls, a third chooses one, two buttons step through the list."""

    def __init__(self, calls: Sequence[Call], start: int = 0) -> None:
        import ipywidgets as widgets

        self.calls = list(calls)
        wide = {"style": {"description_width": "55px"}, "layout": {"width": "auto", "min_width": "230px"}}
        parts = list(dict.fromkeys(map(part_of, calls)))
        self.part = widgets.Dropdown(
            options=[ALL, *parts], value=ALL, description="Part", tooltip="Which part of the model to list", **wide
        )
        self.kind = widgets.Dropdown(
            options=[ANY, *sorted({call.kind for call in calls})],
            value=ANY, description="Kind", tooltip="Which class of modules to list", **wide,
        )  # fmt: skip
        self.call = widgets.Dropdown(
            description="Call", tooltip="The call to look at, in the order in which calls ended",
            style=wide["style"], layout={"width": "auto", "flex": "1 1 420px"},
        )  # fmt: skip
        size = {"width": "80px"}
        self.back = widgets.Button(description="Back", icon="arrow-left", tooltip="The call before", layout=size)
        self.forward = widgets.Button(description="Next", icon="arrow-right", tooltip="The call after", layout=size)
        self.count = widgets.HTML()
        self.view = widgets.HTML(layout={"width": "auto", "max_height": "560px", "overflow": "auto"})
        self._fill(start)
        self.part.observe(lambda _: self._fill(self.call.value), "value")
        self.kind.observe(lambda _: self._fill(self.call.value), "value")
        self.call.observe(lambda _: self._draw(), "value")
        self.back.on_click(lambda _: self.step(-1))
        self.forward.on_click(lambda _: self.step(1))
        wrap = {"flex_flow": "row wrap", "align_items": "center"}
        self.widget = widgets.VBox([
            widgets.HBox([self.part, self.kind, self.count], layout=wrap),
            widgets.HBox([self.call, self.back, self.forward], layout=wrap),
            self.view,
        ])  # fmt: skip

    @property
    def listed(self) -> list[int]:
        """The numbers of the calls that the two menus leave over."""
        part, kind = self.part.value, self.kind.value
        return [i for i, call in enumerate(self.calls)
                if part in (ALL, part_of(call)) and kind in (ANY, call.kind)]  # fmt: skip

    def step(self, by: int) -> None:
        """Go `by` calls further in the list; at its ends, stay."""
        listed = self.listed
        if self.call.value in listed:
            self.call.value = listed[min(max(listed.index(self.call.value) + by, 0), len(listed) - 1)]

    def _fill(self, wanted: int | None) -> None:
        listed = self.listed
        self.call.options = [(f"{i}: {title(self.calls[i])}", i) for i in listed]
        if listed:
            self.call.value = wanted if wanted in listed else listed[0]
        full = f" (no more than {MOST_CALLS:,} are kept)" if len(self.calls) >= MOST_CALLS else ""
        self.count.value = f"{len(listed):,} of {len(self.calls):,} calls{full}"
        self._draw()

    def _draw(self) -> None:
        chosen = self.call.value
        self.view.value = "No call is both." if chosen is None else call_html(self.calls[chosen])


def part_of(call: Call) -> str:
    """The block that a call belongs to, such as model.layers.3."""
    found = _BLOCK.match(call.name)
    return found[0] if found else OUTSIDE


def _still(calls: Sequence[Call], start: int) -> None:
    text = f"{call_text(calls[start])}\n({len(calls):,} calls were recorded.)"
    if not runtime.has_kernel():
        print(text)
        return
    from IPython.display import display

    note = f"One of {len(calls):,} recorded calls. Open this notebook in Jupyter and run this cell to see the others."
    shown = f'{call_html(calls[start])}<div style="opacity: 0.8">{note}</div>'
    display({"text/html": shown, "text/plain": text}, raw=True)

"""The playground with somebody before it: what its buttons do."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator

import ipywidgets as widgets

from helpers.widgets import drawing
from helpers.widgets.controls import Controls
from helpers.widgets.curve import loss_curve_svg
from helpers.widgets.setting import Setting
from helpers.widgets.trainer import Trainer

FRAME = 1 / 15  # seconds between two pictures while playing, if the machine can keep up
LONGEST_RUN = 600  # seconds: a forgotten playground must not keep a shared machine busy for ever
_BREATH = 0.01  # seconds at least between two pictures, in which the kernel hears of clicks and runs cells


class Playground:
    """A network, and the `widget` that shows it and lets one train and change it.

    Everything is done in the thread that made it. JupyterLab may report a click in another thread of the kernel
    (a subshell); it is handed over to this thread's event loop, so that two never change the network at once.
    """

    def __init__(self, setting: Setting) -> None:
        self.controls = Controls(setting)
        self.widget = self.controls.laid_out()
        self.pictures = 0  # drawn so far
        self._playing: asyncio.Task | None = None
        self._thread = threading.get_ident()
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:  # a plain Python process: all works but play
            self._loop = None
        self.reset()
        self._connect()

    @property
    def playing(self) -> bool:
        return self._playing is not None

    def play(self) -> None:
        """Train and draw, over and over, while the kernel stays free to run cells."""
        if self._loop is None:
            raise RuntimeError("Playing needs a running event loop, as a notebook has; call step() instead.")
        if not self.playing:
            self._playing = self._loop.create_task(self._keep_playing())
            self.controls.show_playing(True)

    def pause(self) -> None:
        """Stop after the present picture."""
        self._playing = None
        self.controls.show_playing(False)

    def step(self) -> None:
        """Pause, and take one step of gradient descent."""
        self.pause()
        self._advance(1)

    def reset(self) -> None:
        """Start again from what the controls say, untrained; while playing, play on."""
        self.controls.show_widths()
        self.controls.show_playing(self.playing)
        self.trainer = Trainer(self.controls.setting)
        self._points = drawing.points_overlay(self.trainer)
        self._draw()

    def close(self) -> None:
        """Stop, and take every widget off the page."""
        self.pause()
        for widget in list(_with_parts(self.widget)):
            widget.close()

    async def _keep_playing(self) -> None:
        this, end = self._playing, time.monotonic() + LONGEST_RUN
        try:
            while self._playing is this and time.monotonic() < end and not self.trainer.diverged:
                started = time.monotonic()
                self._advance(self.controls.speed.value)
                await asyncio.sleep(max(_BREATH, started + FRAME - time.monotonic()))
        finally:
            if self._playing is this:
                self.pause()

    def _advance(self, steps: int) -> None:
        self.trainer.run(steps)
        self._draw()

    def _draw(self) -> None:
        regions = self.trainer.regions(drawing.GRID)
        self.controls.regions.value = drawing.regions_jpeg(regions, self._points)
        self.controls.network.value = drawing.network_png(self.trainer, regions)
        self.controls.curve.value = loss_curve_svg(self.trainer.history)
        self.controls.status.value = _status(self.trainer)
        self.pictures += 1

    def _connect(self) -> None:
        controls = self.controls
        controls.play.on_click(self._here(lambda: self.pause() if self.playing else self.play()))
        controls.step.on_click(self._here(self.step))
        controls.reset.on_click(self._here(self.reset))
        controls.learning_rate.observe(self._here(self._change_learning_rate), "value")
        for control in controls.fresh_start:
            control.observe(self._here(self.reset), "value")

    def _change_learning_rate(self) -> None:
        self.trainer.learning_rate = self.controls.learning_rate.value

    def _here(self, action: Callable[[], None]) -> Callable[..., None]:
        """A handler that does `action` in the thread of this playground."""

        def handle(*_: object) -> None:
            if threading.get_ident() == self._thread:
                action()
            else:
                self._loop.call_soon_threadsafe(action)

        return handle


def _status(trainer: Trainer) -> str:
    """The step count and the losses in words; figures of even width, so that nothing jumps."""
    step, train, test = trainer.losses
    if trainer.diverged:
        text = f"Step {step:,}: the loss is no number any more. Lower the learning rate, then press Reset."
    else:
        text = (
            f"Step <b>{step:,}</b> · training loss <b>{train:.3f}</b> · test loss <b>{test:.3f}</b>"
            f" · test accuracy <b>{trainer.accuracy():.0%}</b>"
        )
    return f'<span style="font-variant-numeric: tabular-nums">{text}</span>'


def _with_parts(widget: widgets.Widget) -> Iterator[widgets.Widget]:
    for child in getattr(widget, "children", ()):
        yield from _with_parts(child)
    yield from (part for name in ("style", "layout") if (part := getattr(widget, name, None)) is not None)
    yield widget

"""The playground's buttons, menus and pictures, and how they lie on the page; what they do is in `live`."""

from __future__ import annotations

import ipywidgets as widgets
import traitlets

from helpers.widgets.drawing import SIDE
from helpers.widgets.points import DATASETS
from helpers.widgets.setting import ACTIVATIONS, MAX_LAYERS, MAX_WIDTH, Setting

LEARNING_RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
SPEEDS = (1, 5, 20, 100)


class Controls:
    """Every widget of one playground, showing `setting` at first. Each has a visible label or a tooltip."""

    def __init__(self, setting: Setting) -> None:
        self.play = widgets.Button(layout={"width": "90px"}, button_style="primary")
        self.step = _button("Step", "step-forward", "Take one step of gradient descent")
        self.reset = _button("Reset", "refresh", "Go back to the network before training")
        self.speed = _menu(
            "Speed",
            [(f"{n} step{'s' if n > 1 else ''} a picture", n) for n in SPEEDS],
            20,
            "How many steps to take between two pictures while playing",
            style={"description_width": "50px"},
            layout={"width": "210px"},
        )
        self.status = widgets.HTML(layout={"margin": "2px 0 2px 8px"})

        self.dataset = _menu(
            "Data set", [(name.replace("_", " "), name) for name in DATASETS], setting.dataset, "What to separate"
        )
        self.noise = widgets.BoundedFloatText(
            setting.noise,
            min=0,
            max=max(1.0, setting.noise),
            step=0.05,
            description="Noise",
            tooltip="How far the points are jittered",
            **_wide(),
        )
        rates = sorted({*LEARNING_RATES, setting.learning_rate})
        self.learning_rate = _menu(
            "Learning rate",
            [(f"{rate:g}", rate) for rate in rates],
            setting.learning_rate,
            "How far each step goes down the slope",
        )
        self.activation = _menu(
            "Activation", list(ACTIVATIONS), setting.activation, "What each hidden neuron does with its sum"
        )
        self.depth = _number("Hidden layers", len(setting.hidden), 0, MAX_LAYERS, "0 layers: one single neuron")
        widths = [*setting.hidden, *[4] * (MAX_LAYERS - len(setting.hidden))]
        self.widths = [
            _number(f"Layer {i} width", width, 1, MAX_WIDTH, f"Neurons in hidden layer {i}")
            for i, width in enumerate(widths, start=1)
        ]
        self.seed = _number("Seed", setting.seed, 0, 2**31 - 1, "Other points and first weights")

        self.network = _picture(
            "Map of the network: each square shows one neuron's output over the plane, "
            "blue positive and orange negative; each line is a weight, thicker when larger"
        )
        self.regions = _picture(
            "Decision regions: blue where the network says class 1, orange where it says class 0, "
            "white along the boundary; dots are points of class 1, squares of class 0, hollow ones test points"
        )
        self.curve = widgets.HTML(layout={"width": "auto"})
        self.show_widths()

    @property
    def setting(self) -> Setting:
        """What the menus and fields say now."""
        return Setting(
            dataset=self.dataset.value,
            hidden=tuple(width.value for width in self.widths[: self.depth.value]),
            activation=self.activation.value,
            learning_rate=self.learning_rate.value,
            noise=self.noise.value,
            seed=self.seed.value,
        )

    @property
    def fresh_start(self) -> list[widgets.Widget]:
        """Those whose change needs new points or a new network."""
        return [self.dataset, self.noise, self.activation, self.depth, *self.widths, self.seed]

    def show_playing(self, playing: bool) -> None:
        """Make the one button say what pressing it will do."""
        self.play.description, self.play.icon = ("Pause", "pause") if playing else ("Play", "play")
        self.play.tooltip = "Stop training for now" if playing else "Train and watch"

    def show_widths(self) -> None:
        """Show one width field for each hidden layer."""
        for i, width in enumerate(self.widths):
            width.layout.display = None if i < self.depth.value else "none"

    def laid_out(self) -> widgets.Widget:
        """All of it, in rows that wrap where the page is narrow."""
        wrap = {"flex_flow": "row wrap", "align_items": "center"}
        top = widgets.HBox([self.play, self.step, self.reset, self.speed, self.status], layout=wrap)
        column = [self.dataset, self.noise, self.seed, self.activation, self.learning_rate, self.depth, *self.widths]
        middle = [
            widgets.VBox(column, layout={"width": "235px"}),
            _captioned("x<sub>1</sub>, x<sub>2</sub> → hidden neurons → output", self.network),
            _captioned("Decision regions (hollow: test points)", self.regions),
        ]
        return widgets.VBox([top, widgets.HBox(middle, layout={"flex_flow": "row wrap"}), self.curve])


# Menus and number fields, not sliders: a slider of ipywidgets has no name that a screen reader could say.
def _number(label: str, value: int, low: int, high: int, tooltip: str) -> widgets.BoundedIntText:
    return widgets.BoundedIntText(value, min=low, max=high, description=label, tooltip=tooltip, **_wide())


def _menu(label: str, options: list, value: object, tooltip: str, **how) -> widgets.Dropdown:
    return widgets.Dropdown(options=options, value=value, description=label, tooltip=tooltip, **_wide() | how)


def _wide() -> dict:
    return {"style": {"description_width": "90px"}, "layout": {"width": "auto"}}


def _button(label: str, icon: str, tooltip: str) -> widgets.Button:
    return widgets.Button(description=label, icon=icon, tooltip=tooltip, layout={"width": "90px"})


class _Picture(widgets.Image):
    # ipywidgets 8.1 fails to show a widget that has a tooltip and no description; an Image has none.
    description = traitlets.Unicode("").tag(sync=True)


def _picture(tooltip: str) -> widgets.Image:
    return _Picture(width=SIDE, height=SIDE, tooltip=tooltip, layout={"width": f"{SIDE}px"})


def _captioned(text: str, picture: widgets.Image) -> widgets.VBox:
    return widgets.VBox([widgets.HTML(text), picture], layout={"margin": "0 0 0 12px"})

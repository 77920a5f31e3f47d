"""A neural network to play with: train it, watch its decision regions move, change it, train again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers import runtime

if TYPE_CHECKING:
    from helpers.widgets.live import Playground

_open: dict[str, tuple[str, list[Playground]]] = {}  # cell -> (which run of it, the playgrounds it shows)


def playground(
    dataset: str = "circle",
    hidden: tuple[int, ...] = (4, 2),
    activation: str = "tanh",
    learning_rate: float = 0.1,
    seed: int = 0,
) -> None:
    """Show a network that learns to tell two classes of points in the plane apart, with all its controls.

    dataset: "two_clusters", "circle", "xor" or "spiral" (see `helpers.widgets.points`).
    hidden: the widths of the hidden layers, at most four; () is a single neuron.
    activation: "sigmoid", "tanh", "ReLU" or "SiLU".
    It is trained by plain gradient descent on the mean binary cross-entropy of all training points.
    Where nobody can press a button (a notebook run by a program), shows a picture of the trained network instead.
    Raises ValueError for a setting that does not exist.
    """
    from helpers.widgets.setting import Setting  # here and below: ipywidgets and torch.nn only where they are used

    setting = Setting(dataset, hidden, activation, learning_rate, seed=seed)
    if not runtime.has_front_end():
        from helpers.widgets.still import still

        still(setting)
        return
    from IPython.display import display

    from helpers.widgets.live import Playground

    cell, run = _this_cell()
    beside = _close_earlier(cell, run)
    shown = Playground(setting)
    _open[cell] = run, [*beside, shown]
    bundle = shown.widget._repr_mimebundle_()
    bundle["text/plain"] = "[A neural network to play with: run this cell in Jupyter.]"  # else a page of nested names
    display(bundle, raw=True)


def _close_earlier(cell: str, run: str) -> list[Playground]:
    """Close what an earlier run of this cell showed; return what the present run has shown already."""
    earlier_run, shown = _open.pop(cell, (run, []))
    if earlier_run == run:
        return shown
    for earlier in shown:
        earlier.close()
    return []


def _this_cell() -> tuple[str, str]:
    """The cell that runs, by the id that front ends give it (else by its text), and the id of this run."""
    from IPython import get_ipython

    message = getattr(get_ipython().kernel, "get_parent", lambda _: None)("shell") or {}
    cell = message.get("metadata", {}).get("cellId") or message.get("content", {}).get("code", "")
    return cell, message.get("header", {}).get("msg_id", "")

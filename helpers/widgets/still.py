"""The playground where nobody can press a button: a picture of what pressing Play would have led to."""

from __future__ import annotations

import numpy as np

from helpers import plots
from helpers.widgets.setting import Setting
from helpers.widgets.trainer import EXTENT, Trainer

STEPS, EVERY = 2000, 20


def still(setting: Setting) -> None:
    """Train the network of `setting` for STEPS steps and show its decision regions and its loss curve."""
    trainer = Trainer(setting)
    while trainer.step < STEPS and not trainer.diverged:
        trainer.run(EVERY)
    fig, (left, right) = plots.figure(1, 2)
    plots.decision_region(left, trainer.logits, *trainer.train_points, extent=EXTENT)
    steps, train, test = np.array(trainer.history).T
    right.plot(steps, train, label="training loss", color=plots.INK)
    right.plot(steps, test, label="test loss", color=plots.INK, linestyle="--")
    right.set(xlabel="steps", ylabel="loss (nats)", ylim=(0, None))
    right.legend()
    layers = " and ".join(str(width) for width in setting.hidden)
    network = f"a network with {layers} hidden {setting.activation} neurons" if layers else "a single neuron"
    plots.caption(
        fig,
        f"Data set {setting.dataset.replace('_', ' ')}, {network}, after {trainer.step} steps of size "
        f"{setting.learning_rate:g}. Open this notebook in Jupyter and run this cell to play with it.",
        alt=f"Left: the decision regions, blue for class 1 and orange for class 0, with the training points. Right: "
        f"the loss curves; training loss {trainer.losses.train:.3f}, test loss {trainer.losses.test:.3f}, "
        f"test accuracy {trainer.accuracy():.0%}.",
    )

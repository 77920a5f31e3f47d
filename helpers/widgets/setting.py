"""What a playground can be set to."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn import functional

from helpers.widgets.points import DATASETS

ACTIVATIONS = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "ReLU": torch.relu,
    "SiLU": functional.silu,
}
MAX_LAYERS, MAX_WIDTH = 4, 16


@dataclass(frozen=True)
class Setting:
    """All that fixes a run: the same setting always gives the same points, weights and losses."""

    dataset: str = "circle"
    hidden: tuple[int, ...] = (4, 2)
    activation: str = "tanh"
    learning_rate: float = 0.1
    noise: float = 0.15
    seed: int = 0

    def __post_init__(self) -> None:
        if self.dataset not in DATASETS:
            raise ValueError(f"No data set is called {self.dataset!r}; pick one of {', '.join(DATASETS)}.")
        names = {name.lower(): name for name in ACTIVATIONS}
        key = str(self.activation).lower()
        if key not in names:
            raise ValueError(f"No activation is called {self.activation!r}; pick one of {', '.join(ACTIVATIONS)}.")
        object.__setattr__(self, "activation", names[key])
        widths = tuple(self.hidden) if isinstance(self.hidden, list | tuple) else (0,)
        if len(widths) > MAX_LAYERS or not all(isinstance(n, int) and 1 <= n <= MAX_WIDTH for n in widths):
            raise ValueError(
                f"hidden={self.hidden!r}: give at most {MAX_LAYERS} widths from 1 to {MAX_WIDTH}, such as (4, 2); "
                "() is a single neuron."
            )
        object.__setattr__(self, "hidden", widths)
        if self.seed < 0 or not self.noise >= 0:
            raise ValueError(f"seed={self.seed}, noise={self.noise}: neither can be negative.")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate={self.learning_rate}: give a positive number.")

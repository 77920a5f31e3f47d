"""The playground's network and its training: no widgets, no drawing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from helpers.widgets.points import RADIUS, make_points
from helpers.widgets.setting import ACTIVATIONS, Setting

EXTENT = RADIUS + 1.0  # the picture shows -4 to 4 on both axes
N_TRAIN, N_TEST = 200, 100


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute on one core: tensors this small do not gain by a second, and lose much by waiting for it if it is busy.

    Measured on 2 cores with other work on them: 500 steps take 0.14 s on one thread, 1 to 16 s on two.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class Losses(NamedTuple):
    """Mean binary cross-entropy in nats over all points, after `step` updates."""

    step: int
    train: float
    test: float


class Regions(NamedTuple):
    """What the network says over the square -4 to 4, as numpy arrays; the first row is the top, x2 = 4."""

    probability: np.ndarray  # (size, size), of class 1
    neurons: list[np.ndarray]  # for each hidden layer (width, size, size), after the activation


class Trainer:
    """A small network learning to separate points by plain gradient descent on all training points at once."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.learning_rate = setting.learning_rate  # may be changed while it trains
        generator = torch.Generator().manual_seed(setting.seed)
        self.train_points = make_points(setting.dataset, N_TRAIN, setting.noise, generator)
        self.test_points = make_points(setting.dataset, N_TEST, setting.noise, generator)
        self.layers = _layers((2, *setting.hidden, 1), setting.activation, generator)
        self.step = 0
        self.history = [self._losses()]

    def logits(self, x: Tensor) -> Tensor:
        """The network's output (n,) for points x (n, 2): above 0 it says class 1."""
        return self._activations(x)[-1]

    @_one_thread()
    def run(self, steps: int) -> None:
        """Take `steps` gradient steps, then note the losses in `history`."""
        x, y = self.train_points
        weights = list(self.layers.parameters())
        with torch.enable_grad():  # a notebook may have switched gradients off
            for _ in range(steps):
                loss = functional.binary_cross_entropy_with_logits(self.logits(x), y)
                slopes = torch.autograd.grad(loss, weights)
                with torch.no_grad():
                    for weight, slope in zip(weights, slopes, strict=True):
                        weight.sub_(slope, alpha=self.learning_rate)
        self.step += steps
        self.history.append(self._losses())

    @property
    def losses(self) -> Losses:
        """The latest losses."""
        return self.history[-1]

    @property
    def diverged(self) -> bool:
        """The learning rate was too large: the loss is not a finite number any more."""
        return not math.isfinite(self.losses.train)

    @_one_thread()
    @torch.no_grad()
    def accuracy(self) -> float:
        """The share of test points on the right side of the boundary, 0 to 1."""
        x, y = self.test_points
        return ((self.logits(x) > 0) == (y > 0.5)).float().mean().item()

    @_one_thread()
    @torch.no_grad()
    def regions(self, size: int) -> Regions:
        """The network's answer, and each hidden neuron's, in the middles of size x size cells."""
        axis = EXTENT * ((2 * torch.arange(size, dtype=torch.float32) + 1) / size - 1)
        x2, x1 = torch.meshgrid(axis.flip(0), axis, indexing="ij")
        *hidden, logits = self._activations(torch.stack([x1, x2], dim=-1).reshape(-1, 2))
        neurons = [layer.mT.reshape(-1, size, size).numpy() for layer in hidden]
        return Regions(torch.sigmoid(logits).reshape(size, size).numpy(), neurons)

    @_one_thread()
    @torch.no_grad()
    def _losses(self) -> Losses:
        pair = (
            functional.binary_cross_entropy_with_logits(self.logits(x), y).item()
            for x, y in (self.train_points, self.test_points)
        )
        return Losses(self.step, *pair)

    def _activations(self, x: Tensor) -> list[Tensor]:
        """Each hidden layer's output (n, width), then the logits (n,)."""
        activation, outputs = ACTIVATIONS[self.setting.activation], []
        for layer in self.layers[:-1]:
            x = activation(layer(x))
            outputs.append(x)
        return [*outputs, self.layers[-1](x).squeeze(-1)]


def _layers(sizes: tuple[int, ...], activation: str, generator: torch.Generator) -> nn.ModuleList:
    gain = 2.0 if activation in ("ReLU", "SiLU") else 1.0  # He et al. 2015; Glorot and Bengio 2010
    layers = nn.ModuleList()
    for fan_in, fan_out in itertools.pairwise(sizes):
        # skip_init: the default start would draw from the global generator, which belongs to the notebook.
        layer = nn.utils.skip_init(nn.Linear, fan_in, fan_out, dtype=torch.float32)
        nn.init.normal_(layer.weight, std=math.sqrt(gain / fan_in), generator=generator)
        nn.init.zeros_(layer.bias)
        layers.append(layer)
    return layers

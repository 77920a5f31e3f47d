"""Labelled points in the plane: four small data sets, from the easy to the tangled."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

RADIUS = 3.0  # the data sets lie within about this distance of the origin on each axis


def make_points(
    name: str, n: int = 200, noise: float = 0.15, generator: torch.Generator | None = None, *, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """n labelled points of the data set `name`, in random order: x (n, 2) and y (n,), both float32.

    name: "two_clusters", "circle" (1 inside, 0 around it), "xor" (1 where x1 and x2 have the same sign) or
    "spiral" (two arms). y is 0.0 or 1.0; n // 2 points are 0, the others 1. Coordinates span about -3 to 3.
    noise: standard deviation of the normal jitter added to each coordinate after labelling, in the same unit.
    Randomness comes from `generator`; without one, from a new generator seeded with `seed`.
    Raises ValueError for an unknown name, a negative n or a negative noise.
    """
    if name not in _SHAPES:
        raise ValueError(f"No data set is called {name!r}; pick one of {', '.join(DATASETS)}.")
    if n < 0 or not noise >= 0:
        raise ValueError(f"n={n}, noise={noise}: neither can be negative.")
    if generator is None:
        generator = torch.Generator().manual_seed(seed)
    y = (torch.randperm(n, generator=generator) >= n // 2).to(torch.float32)
    x = _SHAPES[name](y, generator)
    return x + noise * torch.randn(n, 2, generator=generator, dtype=torch.float32), y


def _uniform(n: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(n, generator=generator, dtype=torch.float32)


def _polar(radius: Tensor, angle: Tensor) -> Tensor:
    return torch.stack([radius * angle.sin(), radius * angle.cos()], dim=1)


def _two_clusters(y: Tensor, generator: torch.Generator) -> Tensor:
    centres = (RADIUS / 2) * (2 * y - 1)  # (1.5, 1.5) for class 1, (-1.5, -1.5) for class 0
    return centres[:, None] + 0.6 * torch.randn(len(y), 2, generator=generator, dtype=torch.float32)


def _circle(y: Tensor, generator: torch.Generator) -> Tensor:
    u = _uniform(len(y), 0, 1, generator)
    disc = 0.5 * RADIUS * u.sqrt()  # the root spreads the points evenly over the disc's area
    ring = RADIUS * (0.7 + 0.3 * u)
    return _polar(torch.where(y > 0, disc, ring), _uniform(len(y), 0, 2 * math.pi, generator))


def _xor(y: Tensor, generator: torch.Generator) -> Tensor:
    size = torch.stack([_uniform(len(y), 0.1 * RADIUS, RADIUS, generator) for _ in range(2)], dim=1)
    sign_1 = _uniform(len(y), -1, 1, generator).sign()
    sign_2 = sign_1 * (2 * y - 1)
    return size * torch.stack([sign_1, sign_2], dim=1)


def _spiral(y: Tensor, generator: torch.Generator) -> Tensor:
    along = _uniform(len(y), 0.1, 1, generator)  # how far along its arm, and from the origin, a point lies
    return _polar(RADIUS * along, 2 * math.pi * along + math.pi * y)  # one arm is the other, turned by half


_SHAPES: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "two_clusters": _two_clusters,
    "circle": _circle,
    "xor": _xor,
    "spiral": _spiral,
}
DATASETS = tuple(_SHAPES)

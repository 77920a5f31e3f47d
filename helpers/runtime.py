"""Where a notebook is running, and how much it may therefore do."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import torch
    import tqdm

T = TypeVar("T")


def device() -> torch.device:
    """The first CUDA device if there is one, else the CPU."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def pick(cpu: T, gpu: T) -> T:
    """The size a lab cell should take here: `cpu` or `gpu`, as `device()` decides."""
    return gpu if device().type == "cuda" else cpu


def in_colab() -> bool:
    """Whether this is a Google Colab runtime."""
    return "google.colab" in sys.modules or "COLAB_RELEASE_TAG" in os.environ


def in_grader() -> bool:
    """Whether the notebook is being graded or validated: nbgrader and `course grade` say so in the environment."""
    return bool(os.environ.get("NBGRADER_EXECUTION"))


def has_kernel() -> bool:
    """Whether this is a Jupyter kernel: what is displayed reaches a notebook, with or without a person before it."""
    if "IPython" not in sys.modules:  # a kernel has imported it long ago; do not pay for it in a plain process
        return False
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")


def has_front_end() -> bool:
    """Whether somebody is looking who can move a widget: a kernel with JupyterLab, VS Code or Colab before it.

    False when cells are run by a program (nbclient, nbconvert, nbgrader), which nobody can click in.
    """
    if not has_kernel() or in_grader():
        return False
    # A Jupyter server names the session of every kernel that it starts for a notebook; Colab and VS Code start
    # theirs otherwise. Front ends also say which cell they run, which the programs named above do not.
    return bool(os.environ.get("JPY_SESSION_NAME")) or in_colab() or _cell_is_named()


def progress(iterable: Iterable[T], desc: str | None = None, **options) -> tqdm.std.tqdm[T]:
    """`iterable` with a progress bar: a widget in a notebook, a line in a terminal, nothing where nobody looks.

    Always a tqdm object, so `set_postfix(loss=...)` works everywhere. options: of `tqdm.tqdm`.
    """
    from tqdm import std

    bar = std.tqdm
    if has_front_end():
        from tqdm import auto as bar_for_notebooks

        bar = bar_for_notebooks.tqdm
    elif in_grader() or not sys.stderr.isatty():
        options["disable"] = True

    # tqdm's monitor thread would outlive the bar, and a process with threads cannot be forked safely.
    quiet = type(bar.__name__, (bar,), {"monitor_interval": 0})
    return quiet(iterable, desc=desc, **options)


def _cell_is_named() -> bool:
    from IPython import get_ipython

    try:
        message = get_ipython().kernel.get_parent("shell")
    except Exception:  # other kernels than ipykernel need not have it
        return False
    return bool((message or {}).get("metadata", {}).get("cellId"))

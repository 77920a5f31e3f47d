"""`course kernel`: install the kernelspec through which nbgrader, nbclient and papermill get warm, walled kernels."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from jupyter_client.kernelspec import KernelSpecManager

NAME = "course-warm"
_SPEC = {
    "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
    "display_name": "Python 3 (course, warm and walled)",
    "language": "python",
    "metadata": {"kernel_provisioner": {"provisioner_name": "course-warm-fork", "config": {}}},
}


def install(prefix: Path | None = None) -> Path:
    """Install into `prefix` (default: this environment) and return the folder of the kernelspec."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / NAME
        source.mkdir()
        (source / "kernel.json").write_text(json.dumps(_SPEC, indent=1) + "\n", encoding="utf-8")
        return Path(KernelSpecManager().install_kernel_spec(str(source), NAME, prefix=str(prefix or sys.prefix)))

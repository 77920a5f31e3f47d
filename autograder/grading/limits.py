"""How much a submission may use."""

from __future__ import annotations

from dataclasses import dataclass

CELL_SECONDS = 60.0
NOTEBOOK_SECONDS = 600.0


@dataclass(frozen=True)
class Limits:
    """cell, notebook: seconds of wall-clock. memory: bytes of private memory of the kernel and its children.

    output: bytes that one cell may print; a kernel that prints more is ended.
    grace: seconds that an interrupted cell gets to stop. threads: of torch and BLAS in the kernel.
    """

    cell: float = CELL_SECONDS
    notebook: float = NOTEBOOK_SECONDS
    memory: int = 4 << 30
    output: int = 20 << 20
    grace: float = 3.0
    threads: int = 1

    def after(self, timeouts: int) -> float:
        """Seconds for the next cell of a notebook that has run out of time before.

        One endless loop is often behind many tests. They must not cost a whole time-out each, and they still get
        ten times what a test of this course takes.
        """
        return self.cell if timeouts == 0 else min(self.cell, max(10.0, self.cell / 4**timeouts))

"""How much a submission may use."""

from __future__ import annotations

from dataclasses import dataclass

CELL_SECONDS = 60.0
NOTEBOOK_SECONDS = 600.0
MEMORY = 4 << 30


@dataclass(frozen=True)
class Limits:
    """cell, notebook: seconds of wall-clock. memory: bytes of memory of all processes of a submission together.

    output: bytes that one cell or test may print; an answer that prints more is ended.
    """

    cell: float = CELL_SECONDS
    notebook: float = NOTEBOOK_SECONDS
    memory: int = MEMORY
    output: int = 20 << 20

    def after(self, timeouts: int) -> float:
        """Seconds for the next cell of a notebook that has run out of time before.

        One endless loop is often behind many tests. They must not cost a whole time-out each, and they still get
        ten times what a test of this course takes.
        """
        return self.cell if timeouts == 0 else min(self.cell, max(10.0, self.cell / 4**timeouts))

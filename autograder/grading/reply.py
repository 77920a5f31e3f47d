"""How the cells of a submission ended."""

from __future__ import annotations

from dataclasses import dataclass, field

from nbformat import NotebookNode

from autograder.grading.traceback_text import Frame


@dataclass
class Reply:
    """status: ok, error (the cell raised), timeout, memory, files (too many), output (printed too much), killed (the
        process ended) or tampered (what came back is nothing that an answer gives).

    alive: the process can run the next cell. frames: where an error came from, outermost first.
    limit: the seconds that it had.
    """

    status: str
    alive: bool = True
    ename: str = ""
    evalue: str = ""
    frames: list[Frame] = field(default_factory=list)
    seconds: float = 0.0
    limit: float = 0.0
    exit_code: int | None = None


@dataclass
class Executed:
    """The notebook, and how each code cell ended: index -> Reply; a cell without one never ran.

    culprits: grade_id of an answer -> the reply that took it out of the run.
    """

    notebook: NotebookNode
    replies: dict[int, Reply] = field(default_factory=dict)
    culprits: dict[str, Reply] = field(default_factory=dict)
    out_of_time: bool = False

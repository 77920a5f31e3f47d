"""What a student may be told about a test that did not pass.

A visible test may say everything. Of a hidden one a student reads what its author wrote for them (`CheckFailed`, or
an assert in the test itself) and otherwise the type of the exception and the own line that led to it: the text of
an exception raised in an answer could hold the hidden inputs.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping

from nbformat import NotebookNode

from autograder import cells
from autograder.grading.lesson import Lesson, Test
from autograder.grading.rebuild import Rebuilt
from autograder.grading.reply import Reply
from autograder.grading.traceback_text import Frame, plain

_LONGEST = 700  # characters of a message
_MADE_UP_FILE, _LINE = re.compile(r"\s*\(<cell \d+>, line (\d+)\)"), r" (line \1)"
_OUT_OF_MEMORY = ("MemoryError", "OutOfMemoryError")


def taken_out(answer: str) -> str:
    """What the function says that stands in for an answer which ended the process."""
    return f"{answer} ended the Python process and was taken out of the run"


def explain(test: Test, index: int, reply: Reply, lesson: Lesson, rebuilt: Rebuilt, notebook: NotebookNode,
            broken: Mapping[str, Reply]) -> tuple[str, str, bool]:
    """(status, message, hidden) for a test cell that raised an error.

    broken: grade_id of an answer cell -> its reply, where the cell itself raised an error.
    """
    inner = reply.frames[-1] if reply.frames else None
    hidden = _is_hidden(test, index, reply.frames)
    if reply.ename in _OUT_OF_MEMORY or "DefaultCPUAllocator" in reply.evalue:
        return "memory", "The answer asked for more memory than there is.", hidden
    if reply.ename == "SystemExit":
        return "error", f"`{test.exercise}` called exit() or sys.exit(): return the result instead.", False
    if reply.evalue in {taken_out(answer) for answer in lesson.answers}:
        return "error", f"Could not be tested: {reply.evalue}.", False
    stub = _stub(inner, notebook, rebuilt)
    if reply.ename == "NotImplementedError" and stub:
        if stub == test.exercise:
            return "failed", f"`{test.exercise}` is not answered yet.", False
        return "failed", f"This needs `{stub}`, which is not answered yet.", False
    if _authored(reply, inner, notebook):
        return "failed", _cut(reply.evalue) or _assertion(test, index, inner, hidden), hidden
    status = "failed" if reply.ename in {"AssertionError", "CheckFailed"} else "error"
    return status, _raised(test, reply, lesson, rebuilt, notebook, broken, hidden), hidden


def ended(reply: Reply, exercise: str) -> str:
    """A clause on a run that was cut off."""
    if reply.status == "timeout":
        return (f"`{exercise}` did not finish within {reply.limit:.0f} seconds: look for a loop that never ends "
                "or for work that grows too fast.")
    if reply.status == "memory":
        return f"`{exercise}` used more memory than a submission may have."
    if reply.status == "files":
        return f"`{exercise}` made more files than a submission may."
    if reply.status == "tampered":
        return f"`{exercise}` sent back what no answer sends ({_cut(reply.evalue)})."
    if reply.status == "output":
        return f"`{exercise}` printed more than a notebook can hold."
    if reply.status == "error":
        return f"`{exercise}` raised {reply.ename} and could not be tested."
    code = reply.exit_code
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in {s.value for s in signal.Signals} else f"signal {-code}"
        return f"`{exercise}` crashed the Python process ({name})."
    return f"`{exercise}` ended the Python process (os._exit, exit or quit)."


def _is_hidden(test: Test, index: int, frames: list[Frame]) -> bool:
    """Did the test fail on a line that students do not see? Where that cannot be told, take it that it did."""
    lines = [frame.line for frame in frames if frame.cell == index]
    if not lines:
        return bool(test.hidden_lines)
    return lines[0] in test.hidden_lines  # the outermost: the statement of the test that was running


def _stub(inner: Frame | None, notebook: NotebookNode, rebuilt: Rebuilt) -> str | None:
    """The answer that the error came from, if nobody wrote in it."""
    if inner is None or inner.cell is None:
        return None
    name = cells.grade_id(notebook.cells[inner.cell])
    return name if cells.is_solution(notebook.cells[inner.cell]) and name not in rebuilt.answered else None


def _authored(reply: Reply, inner: Frame | None, notebook: NotebookNode) -> bool:
    """Did the author of the lesson write the message? Not the student, and not a library that prints values."""
    if inner is None or reply.ename not in {"CheckFailed", "AssertionError"}:
        return False
    if inner.cell is None:
        return reply.ename == "CheckFailed"
    return not cells.is_solution(notebook.cells[inner.cell])


def _assertion(test: Test, index: int, inner: Frame, hidden: bool) -> str:
    if hidden or inner.cell != index:
        return "A check of the test failed."
    lines = test.source.split("\n")
    line = lines[inner.line - 1].strip() if 0 < inner.line <= len(lines) else ""
    return f"This check failed: `{line}`"


def _raised(test: Test, reply: Reply, lesson: Lesson, rebuilt: Rebuilt, notebook: NotebookNode,
            broken: Mapping[str, Reply], hidden: bool) -> str:
    own = _own_line(reply.frames, notebook)
    name = _missing_name(reply)
    if name in lesson.names(test.exercise) and test.exercise in broken:
        return f"The answer cell did not run: {_said(broken[test.exercise])}."
    if name in lesson.names(test.exercise):
        return f"The answer cell does not define `{name}`: keep the name that it had."
    if name in rebuilt.stray:
        return f"`{name}` is not defined: only answer cells are graded, so move what defines it into one."
    said = _said(reply) if not hidden or (name and own and name in own) else reply.ename
    if own:
        return f"{said} ({own})"
    return f"The test stopped with {said}: does `{test.exercise}` return what the exercise asks for?"


def _said(reply: Reply) -> str:
    if not reply.evalue:
        return reply.ename
    return _cut(f"{reply.ename}: {_MADE_UP_FILE.sub(_LINE, reply.evalue)}")


def _missing_name(reply: Reply) -> str | None:
    parts = reply.evalue.split("'")
    return parts[1] if reply.ename == "NameError" and len(parts) > 2 else None


def _own_line(frames: list[Frame], notebook: NotebookNode) -> str | None:
    """The innermost line of the student's that the error passed through."""
    for frame in reversed(frames):
        if frame.cell is None or not cells.is_solution(notebook.cells[frame.cell]):
            continue
        lines = notebook.cells[frame.cell].source.split("\n")
        if 0 < frame.line <= len(lines):
            name = cells.grade_id(notebook.cells[frame.cell])
            return f"line {frame.line} of your `{name}` cell: `{lines[frame.line - 1].strip()}`"
    return None


def _cut(text: str) -> str:
    text = plain(text).strip()
    return text if len(text) <= _LONGEST else text[:_LONGEST].rstrip() + " …"

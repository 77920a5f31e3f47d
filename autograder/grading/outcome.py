"""What came of grading one submission, and how it is told in a sentence or two."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from nbformat import NotebookNode

from autograder import cells
from autograder.grading.gradebook import Standing
from autograder.grading.lesson import Lesson
from autograder.grading.rebuild import listed
from autograder.grading.rows import NOTHING_ANSWERED, WORDS, Row, number, worst
from autograder.grading.traceback_text import plain
from autograder.grading.verdicts import Verdict

_LONGEST = 160  # characters of one test's message in a reason


@dataclass
class Outcome:
    """One student's result.

    notebook: what was run, with outputs and hidden tests; it is written nowhere. None where nothing could be run.
    notes: what was odd about the file; clauses. problem: why nothing could be run; a sentence.
    final: False for a failure of the machine, which must not replace an earlier grade.
    answers: grade_id -> what the student wrote; empty where nothing could be run.
    """

    student: str
    status: str
    verdicts: list[Verdict]
    notebook: NotebookNode | None = None
    notes: list[str] = field(default_factory=list)
    problem: str = ""
    final: bool = True
    answers: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict:
        """Plain data, from which pages and reports are made: no notebook, no test source."""
        return {"student": self.student, "status": self.status, "notes": self.notes, "problem": self.problem,
                "final": self.final, "answers": self.answers,
                "verdicts": [asdict(verdict) for verdict in self.verdicts]}

    @classmethod
    def from_dict(cls, data: dict) -> Outcome:
        """What `as_dict` made. Raises KeyError or TypeError for the data of another version."""
        verdicts = [Verdict(**verdict) for verdict in data["verdicts"]]
        return cls(data["student"], data["status"], verdicts, None, list(data["notes"]), data["problem"],
                   data["final"], dict(data["answers"]))


def answers_of(notebook: NotebookNode | None) -> dict[str, str]:
    """grade_id -> source of the cells that a student writes in."""
    return {cells.grade_id(cell): cell.source for cell in notebook.cells if cells.is_solution(cell)} if notebook else {}


def status_of(verdicts: list[Verdict]) -> str:
    """passed if every test passed, else the most telling of what the others came to."""
    return worst(verdict.status for verdict in verdicts)


def row(outcome: Outcome, lesson: Lesson, standing: Standing | None, count_written: bool) -> Row:
    """The student's line in grades.csv; see Row for what counts."""
    written = sum(lesson.written.values()) if count_written else 0.0
    score = 0.0
    if standing is not None:
        score = standing.auto + (standing.written if count_written else 0.0)
    return Row(outcome.student, lesson.unit, score, lesson.max_auto + written, outcome.status,
               reason(outcome, standing))


def reason(outcome: Outcome, standing: Standing | None = None) -> str:
    """Sentences for the instructor: what happened, what was odd, what waits."""
    said = [outcome.problem or _tests(outcome.verdicts)]
    said += [_sentence(note) for note in outcome.notes]
    if standing is not None and standing.pending and outcome.problem == "":
        count = len(standing.pending)
        said.append("1 written answer waits for a person." if count == 1
                    else f"{count} written answers wait for a person.")
    return " ".join(plain(" ".join(said)).split())


def _tests(verdicts: list[Verdict]) -> str:
    bad = [verdict for verdict in verdicts if verdict.status != "passed"]
    if not bad:
        return f"All {len(verdicts)} tests passed."
    if not any(verdict.answered for verdict in verdicts):
        return NOTHING_ANSWERED
    said = f"{len(verdicts) - len(bad)} of {len(verdicts)} tests passed."
    blank = list(dict.fromkeys(verdict.exercise for verdict in bad if not verdict.answered))
    if blank:
        said += f" Not answered: {listed(blank)}."
    written = [verdict for verdict in bad if verdict.answered]
    if written:
        telling = next(v for v in written if v.status == worst(v.status for v in written))
        others = list(dict.fromkeys(v.exercise for v in written if v.exercise != telling.exercise))
        said += f" {_telling(telling)}"
        if others:
            said += f" Also not passed: {listed(others)}."
    return said


def _telling(verdict: Verdict) -> str:
    message = _short(verdict.message.replace("`", "").replace("of your ", "of the "))
    if message.startswith((f"{verdict.exercise} ", f"Not run: {verdict.exercise} ")):
        return message
    return f"{verdict.exercise} {_WORDS.get(verdict.status, verdict.status)}: {message}"


_WORDS = {"failed": "is not right yet", "error": "stopped with an error", "timeout": "took too long",
          "memory": "took too much memory", "killed": "ended Python", "tampered": "tampered with the tests"}


def _short(message: str) -> str:
    text = " ".join(message.split())
    text = text if len(text) <= _LONGEST else text[:_LONGEST].rsplit(" ", 1)[0] + " …"
    return text if text.endswith((".", "…", "!", "?")) else text + "."


def _sentence(note: str) -> str:
    return _short(note[:1].upper() + note[1:]) if len(note) <= _LONGEST else note[:1].upper() + note[1:] + "."


def summary(outcome: Outcome) -> str:
    """A few words for the log of a run."""
    points = sum(verdict.points for verdict in outcome.verdicts)
    total = sum(verdict.max_points for verdict in outcome.verdicts)
    return f"{number(points)}/{number(total)} {WORDS[outcome.status]}"

"""Where outcomes are written down, one after the other, by one thread.

Of a submission first its files are written, then the gradebook in one transaction, then its result with the key; each
is whole or not there. So a run can be killed anywhere: what has no result yet is done again, and comes out the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from autograder.errors import InfrastructureError
from autograder.grading.examine import denied
from autograder.grading.feedback import write_feedback
from autograder.grading.gradebook import Gradebook
from autograder.grading.lesson import Lesson
from autograder.grading.outcome import Outcome, answers_of, row
from autograder.grading.results import Result, Results
from autograder.grading.returned import as_text, returned
from autograder.grading.rows import Row, read_rows, write_rows
from autograder.grading.submissions import Submission
from autograder.grading.withheld import Withheld
from helpers.files import write_atomically

EARLIER = "not among these submissions, the grade is of an earlier run"


class Desk:
    """Takes each outcome as it comes; `finish` writes what needs the whole class. It keeps nothing but names."""

    def __init__(self, lesson: Lesson, book: Gradebook, out: Path):
        self.lesson, self.book, self.out = lesson, book, out
        self.results, self.withheld = Results(out, lesson.unit), Withheld(lesson)
        self.before = {row.student: row for row in read_rows(out / "grades.csv") if row.unit == lesson.unit}
        self.submitted = book.submitted()
        self.earlier = set(self.results.read_unit().get("earlier", ()))
        self.lost: dict[str, Outcome] = {}  # whose result could not be written
        self.failed, self.graded = "", False
        _sweep(out, lesson.unit)
        # nbgrader's formgrader lists the assignments that have a folder in source/.
        (out / "source" / lesson.unit).mkdir(parents=True, exist_ok=True)

    def settled(self, submission: Submission, key: str) -> bool:
        """Was just this graded before, for good, and is it all still there? Then it need not be run again."""
        result = self.results.read(submission.student)
        if result is None or result.key != key or not result.outcome.final:
            return False
        if result.outcome.status != "missing" and not (
                submission.student in self.submitted and self._notebook(submission.student).is_file()):
            return False
        self._known(result.outcome)
        self.earlier.discard(submission.student)
        return True

    def keep(self, submission: Submission) -> bool:
        """Somebody who was graded before and is not in this batch keeps that grade."""
        result, before = self.results.read(submission.student), self.before.get(submission.student)
        if result is None:  # results/ is gone, or of another version: what grades.csv says must do
            return before is not None and before.status != "missing"
        if result.outcome.status == "missing" or submission.student not in self.submitted:
            return False
        self._known(result.outcome)
        self.earlier.add(submission.student)
        return True

    def take(self, outcome: Outcome, key: str = "") -> None:
        """Write one outcome; if that fails, the student's row says so and the next one goes on."""
        self.earlier.discard(outcome.student)
        self.lost.pop(outcome.student, None)
        try:
            self._take(outcome, key)
        except Exception as error:
            outcome = denied(self.lesson, outcome.student, "error", self.withheld.text(crashed(error)), final=False)
            try:
                self.results.write(Result(outcome, "", self._recorded(outcome.student)))
            except OSError:
                self.lost[outcome.student] = outcome
        self._known(outcome)

    def finish(self, students: Iterable[str]) -> list[Row]:
        """The table, what the reports need, and the feedback pages, which show the scores, of `students`."""
        counts, rows, pending = self.book.written_counts(), [], 0
        students = sorted(set(students))
        self.earlier &= set(students)
        for student in students:
            outcome = self._outcome(student)
            if outcome is None:
                rows += [self.before[student]] if student in self.before else []
                continue
            standing = self.book.standing(student)
            pending += len(standing.pending) if standing else 0
            rows.append(row(outcome, self.lesson, standing, counts))
            path = self.out / "feedback" / student / self.lesson.unit / f"{self.lesson.unit}.html"
            write_feedback(path, outcome, rows[-1], self.lesson, standing)
        self.results.write_unit(self.lesson, pending, self.earlier)
        write_rows(self.out / "grades.csv", rows, self.lesson.unit)
        return rows

    def everyone(self) -> set[str]:
        """Everyone of whom an earlier run left something."""
        return {*self.before, *(result.outcome.student for result in self.results)}

    def check_any(self) -> None:
        """Raises InfrastructureError if the machine failed for everyone."""
        if self.failed and not self.graded:
            raise InfrastructureError(f"No submission could be graded. {self.failed}")

    def _take(self, outcome: Outcome, key: str) -> None:
        student, recorded = outcome.student, self._recorded(outcome.student)
        outcome.answers = outcome.answers or answers_of(outcome.notebook)
        outcome.notebook = None  # it holds the hidden tests and what they printed, and nobody needs it any more
        outcome.verdicts = [self.withheld.verdict(verdict) for verdict in outcome.verdicts]
        outcome.problem = self.withheld.text(outcome.problem)
        if outcome.status == "missing":
            self.book.add_students([student])
        elif outcome.final or student not in self.submitted:
            notebook = returned(self.lesson, outcome.answers, outcome.verdicts, outcome.problem)
            write_atomically(self._notebook(student), as_text(notebook))
            self.book.record(student, outcome.verdicts, notebook, recorded)
            self.submitted.add(student)
            recorded = outcome.answers
        self.results.write(Result(outcome, key, recorded))

    def _recorded(self, student: str) -> dict[str, str]:
        result = self.results.read(student)
        return result.recorded if result else {}

    def _outcome(self, student: str) -> Outcome | None:
        result = self.results.read(student)
        outcome = self.lost.get(student) or (result.outcome if result else None)
        if outcome is not None and student in self.earlier:
            outcome.notes.append(EARLIER)
        return outcome

    def _known(self, outcome: Outcome) -> None:
        """Count it for `check_any`."""
        if outcome.final:
            self.graded = self.graded or outcome.status != "missing"
        else:
            self.failed = self.failed or outcome.problem

    def _notebook(self, student: str) -> Path:
        return self.out / "autograded" / student / self.lesson.unit / f"{self.lesson.unit}.ipynb"


def _sweep(out: Path, unit: str) -> None:
    """Take away the halves of files that a killed run left; the lock says that no other run is at work."""
    for pattern in (f"results/{unit}/.*.json.*", f"results/.{unit}.json.*", ".grades.csv.*", ".report.html.*",
                    f"autograded/*/{unit}/.{unit}.ipynb.*", f"feedback/*/{unit}/.{unit}.html.*"):
        for path in out.glob(pattern):
            path.unlink(missing_ok=True)


def crashed(error: BaseException) -> str:
    said = " ".join(str(error).split())[:300]
    return f"Grading this submission failed ({type(error).__name__}: {said}); it is not the student's fault."

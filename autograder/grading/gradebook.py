"""nbgrader's gradebook, written by one process, one transaction a submission."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode
from nbgrader.api import Gradebook as NbgraderBook
from nbgrader.api import MissingEntry, SubmittedAssignment
from nbgrader.preprocessors import SaveCells
from nbgrader.utils import compute_checksum, determine_grade
from sqlalchemy.exc import SAWarning

from autograder import cells
from autograder.errors import UsageError
from autograder.grading.lesson import Lesson
from autograder.grading.verdicts import Verdict


@dataclass(frozen=True)
class Standing:
    """What the gradebook says of one submission, manual grades included.

    auto, written: points for the code tests and the written answers. max_written: of all written questions.
    pending: written answers that wait for a person. points: grade_id -> points; comments: grade_id -> text.
    """

    auto: float
    max_auto: float
    written: float
    max_written: float
    pending: tuple[str, ...]
    points: Mapping[str, float]
    comments: Mapping[str, str]


class Gradebook:
    """The gradebook of `out` for one unit; use it in a `with` block. nbgrader's formgrader opens the same file."""

    def __init__(self, path: Path, lesson: Lesson):
        self.path, self.lesson, self.unit = path, lesson, lesson.unit

    def __enter__(self) -> Gradebook:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        url = f"sqlite:///{self.path.resolve()}"
        with _scripts_on_path():
            self.book = NbgraderBook(url)
        try:
            self._save_cells(url)
        except BaseException:
            self.book.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.book.close()

    def _save_cells(self, url: str) -> None:
        """Record the assignment as `nbgrader generate_assignment` does, through its own preprocessor."""
        self.book.update_or_create_assignment(self.unit)
        resources = {"nbgrader": {"notebook": self.unit, "assignment": self.unit, "db_url": url}}
        try:
            SaveCells().preprocess(deepcopy(self.lesson.notebook), resources)
        except RuntimeError as error:
            raise UsageError(f"{self.path} has grades for an older {self.unit} with other cells. Grade into another "
                             "--out, or move this gradebook away.") from error
        self.book.db.expire_all()

    def students(self) -> list[str]:
        """Every student that the gradebook knows."""
        return [student.id for student in self.book.students]

    def has_submission(self, student: str) -> bool:
        try:
            self.book.find_submission(self.unit, student)
        except MissingEntry:
            return False
        return True

    def add_students(self, students: Iterable[str]) -> None:
        with self._transaction():
            for student in students:
                self.book.update_or_create_student(student)

    def record(self, student: str, verdicts: list[Verdict], notebook: NotebookNode,
               before: NotebookNode | None = None) -> None:
        """Write one submission: all of it or nothing.

        notebook: as it was graded. before: as it was graded last time, if it was; a manual grade is kept, and asks
        for another look only where the answer is not the same any more.
        """
        points = {verdict.test: verdict.points for verdict in verdicts}
        changed = _changed(before, notebook)
        with self._transaction():
            self.book.update_or_create_student(student)
            self.book.update_or_create_submission(self.unit, student)
            for cell in notebook.cells:
                name = cells.grade_id(cell)
                if cells.is_test(cell) or cells.is_written(cell):
                    grade = self.book.find_grade(name, self.unit, self.unit, student)
                    # determine_grade gives 0 to a text that is untouched and None to one that a person must read.
                    grade.auto_score = points[name] if cells.is_test(cell) else determine_grade(cell)[0]
                    if grade.manual_score is None:
                        grade.needs_manual_grade = grade.auto_score is None
                    elif changed(name):
                        grade.needs_manual_grade = True
                if cells.is_solution(cell):
                    comment = self.book.find_comment(name, self.unit, self.unit, student)
                    untouched = cell.metadata.nbgrader.get("checksum") == compute_checksum(cell)
                    comment.auto_comment = "No response." if untouched else None

    def standing(self, student: str) -> Standing:
        """Raises MissingEntry if the student has no submission."""
        submission = self.book.find_submission_notebook(self.unit, self.unit, student)
        written, auto, pending, points = 0.0, 0.0, [], {}
        for grade in submission.grades:
            points[grade.name] = float(grade.score)
            if grade.name in self.lesson.written:
                written += grade.score
                if grade.needs_manual_grade:
                    pending.append(grade.name)
            else:
                auto += grade.score
        comments = {comment.name: comment.comment for comment in submission.comments if comment.comment}
        return Standing(auto, self.lesson.max_auto, written, sum(self.lesson.written.values()), tuple(pending),
                        points, comments)

    def written_counts(self) -> bool:
        """Has a person graded a written answer of this unit yet? From then on the written points count."""
        return any(grade.manual_score is not None and grade.name in self.lesson.written
                   for submission in self._submissions() for notebook in submission.notebooks
                   for grade in notebook.grades)

    def _submissions(self) -> list[SubmittedAssignment]:
        return self.book.assignment_submissions(self.unit)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One commit at the end; nbgrader's API would commit at every step."""
        session = self.book.db()
        session.commit = session.flush
        try:
            with warnings.catch_warnings():
                # nbgrader builds a submission object by object; SQLAlchemy remarks on each that is not added yet.
                warnings.simplefilter("ignore", SAWarning)
                yield
        except BaseException:
            del session.commit
            session.rollback()
            raise
        del session.commit
        session.commit()
        session.expire_all()


@contextmanager
def _scripts_on_path() -> Iterator[None]:
    """To make a new database nbgrader runs `alembic`, which lies beside this Python and need not be on the PATH."""
    before = os.environ.get("PATH", os.defpath)
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{before}"
    try:
        yield
    finally:
        os.environ["PATH"] = before


def _changed(before: NotebookNode | None, after: NotebookNode):
    """A function that says whether what the grade of a cell depends on differs between two graded notebooks."""
    def answers(notebook: NotebookNode | None) -> dict[str, str]:
        found, answer = {}, ""
        for cell in notebook.cells if notebook is not None else ():
            if cells.is_solution(cell):
                answer = cell.source
            if cells.is_test(cell) or cells.is_written(cell):
                found[cells.grade_id(cell)] = answer
        return found

    old, new = answers(before), answers(after)
    return lambda name: name not in old or old[name] != new.get(name)

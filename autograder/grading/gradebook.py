"""nbgrader's gradebook, written by one process, one transaction a submission."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from nbformat import NotebookNode
from nbgrader.api import (
    Assignment,
    BaseCell,
    Comment,
    Grade,
    InvalidEntry,
    Notebook,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
)
from nbgrader.preprocessors import SaveCells
from nbgrader.utils import compute_checksum, determine_grade
from sqlalchemy import Select, select
from sqlalchemy.exc import SAWarning

from autograder import cells
from autograder.errors import UsageError
from autograder.grading.database import in_one_sentence, opened, shown, sqlite
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
    """The gradebook for one unit; use it in a `with` block. nbgrader's formgrader opens the same database.

    where: the path of a SQLite file or the URL of any database.
    """

    def __init__(self, where: Path | str, lesson: Lesson):
        self.url = where if isinstance(where, str) else sqlite(where)
        self.lesson, self.unit = lesson, lesson.unit
        self._open = ExitStack()

    def __enter__(self) -> Gradebook:
        with ExitStack() as stack:
            self.book = stack.enter_context(opened(self.url))
            with in_one_sentence(self.url):
                self._save_cells()
            self._open = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._open.close()

    def _save_cells(self) -> None:
        """Record the assignment as `nbgrader generate_assignment` does, through its own preprocessor."""
        self.book.update_or_create_assignment(self.unit)
        resources = {"nbgrader": {"notebook": self.unit, "assignment": self.unit, "db_url": self.url}}
        try:
            SaveCells().preprocess(deepcopy(self.lesson.notebook), resources)
        except RuntimeError as error:
            raise UsageError(f"{shown(self.url)} has grades for an older {self.unit} with other cells. Grade into "
                             "another --out, or move this gradebook away.") from error
        self.book.db.remove()

    def students(self) -> list[str]:
        """Every student that the gradebook knows."""
        return list(self._read(select(Student.id).order_by(Student.id)))

    def submitted(self) -> set[str]:
        """The students who have a submission of this unit."""
        return set(self._read(select(SubmittedAssignment.student_id)
                              .join(Assignment, Assignment.id == SubmittedAssignment.assignment_id)
                              .where(Assignment.name == self.unit)))

    def add_students(self, students: Iterable[str]) -> None:
        with self._transaction():
            for student in students:
                self.book.update_or_create_student(student)

    def record(self, student: str, verdicts: list[Verdict], notebook: NotebookNode,
               before: Mapping[str, str] | None = None) -> None:
        """Write one submission: all of it or nothing.

        notebook: with the student's answers. before: grade_id -> answer, as it was graded last time; a manual grade
        is kept, and asks for another look where the answer is not the same any more, or was not known.
        """
        points = {verdict.test: verdict.points for verdict in verdicts}
        changed = {cells.grade_id(cell) for cell in notebook.cells if cells.is_solution(cell)
                   and (before or {}).get(cells.grade_id(cell)) != cell.source}
        try:
            self._record(student, points, notebook, changed)
        except InvalidEntry:  # another grader has just added the same student to a database that both write
            self._record(student, points, notebook, changed)

    def _record(self, student: str, points: Mapping[str, float], notebook: NotebookNode, changed: set[str]) -> None:
        with self._transaction():
            self.book.update_or_create_student(student)
            self.book.update_or_create_submission(self.unit, student)
            submission = self.book.find_submission_notebook(self.unit, self.unit, student)
            grades = {self._names[grade.cell_id]: grade for grade in submission.grades}
            comments = {self._names[comment.cell_id]: comment for comment in submission.comments}
            for cell in notebook.cells:
                name = cells.grade_id(cell)
                if cells.is_test(cell) or cells.is_written(cell):
                    grade = grades[name]
                    # determine_grade gives 0 to a text that is untouched and None to one that a person must read.
                    grade.auto_score = points[name] if cells.is_test(cell) else determine_grade(cell)[0]
                    if grade.manual_score is None:
                        grade.needs_manual_grade = grade.auto_score is None
                    elif (self.lesson.tests[name].exercise if cells.is_test(cell) else name) in changed:
                        grade.needs_manual_grade = True
                if cells.is_solution(cell):
                    untouched = cell.metadata.nbgrader.get("checksum") == compute_checksum(cell)
                    comments[name].auto_comment = "No response." if untouched else None

    def standing(self, student: str) -> Standing | None:
        """None if the student has no submission."""
        query = (select(SubmittedNotebook.id)
                 .join(SubmittedAssignment, SubmittedAssignment.id == SubmittedNotebook.assignment_id)
                 .join(Assignment, Assignment.id == SubmittedAssignment.assignment_id)
                 .where(Assignment.name == self.unit, SubmittedAssignment.student_id == student))
        written, auto, pending, points, comments = 0.0, 0.0, [], {}, {}
        with self.book.engine.connect() as connection:
            notebook = connection.execute(query).scalar()
            if notebook is None:
                return None
            grades = connection.execute(select(Grade.cell_id, Grade.score, Grade.needs_manual_grade)
                                        .where(Grade.notebook_id == notebook)).all()
            said = connection.execute(select(Comment.cell_id, Comment.comment)
                                      .where(Comment.notebook_id == notebook)).all()
        for name, score, waits in sorted((self._names[cell], float(score), waits) for cell, score, waits in grades):
            points[name] = score
            if name in self.lesson.written:
                written += score
                if waits:
                    pending.append(name)
            else:
                auto += score
        comments = {self._names[cell]: text for cell, text in said if text}
        return Standing(auto, self.lesson.max_auto, written, sum(self.lesson.written.values()), tuple(pending),
                        points, comments)

    def written_counts(self) -> bool:
        """Has a person graded a written answer of this unit yet? From then on the written points count."""
        written = [cell for cell, name in self._names.items() if name in self.lesson.written]
        return bool(self._read(select(Grade.id).where(Grade.cell_id.in_(written), Grade.manual_score.is_not(None))
                               .limit(1)))

    @cached_property
    def _names(self) -> dict[str, str]:
        """The database's id of a cell -> its grade_id."""
        query = (select(BaseCell.id, BaseCell.name).join(Notebook, Notebook.id == BaseCell.notebook_id)
                 .join(Assignment, Assignment.id == Notebook.assignment_id)
                 .where(Assignment.name == self.unit, Notebook.name == self.unit))
        with self.book.engine.connect() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def _read(self, query: Select) -> list:
        """The first column, by a connection of its own: nbgrader's session would keep every object that it sees."""
        with self.book.engine.connect() as connection:
            return list(connection.execute(query).scalars())

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
                del session.commit
                session.commit()
        except BaseException:
            session.__dict__.pop("commit", None)
            session.rollback()
            raise
        finally:
            session.expunge_all()

"""nbgrader's gradebook, written by one process, one transaction a submission."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
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
    Notebook,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
    new_uuid,
)
from nbgrader.preprocessors import SaveCells
from nbgrader.utils import compute_checksum, determine_grade
from sqlalchemy import Connection, Select, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

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
        def add(connection: Connection) -> None:
            for student in students:
                _student(connection, student)

        self._write(add)

    def record(self, student: str, verdicts: list[Verdict], notebook: NotebookNode,
               before: Mapping[str, str] | None = None) -> None:
        """Write one submission: all of it or nothing.

        notebook: with the student's answers. before: grade_id -> answer, as it was graded last time; a manual grade
        is kept, and asks for another look where the answer is not the same any more, or was not known.
        """
        points = {verdict.test: verdict.points for verdict in verdicts}
        auto = {cells.grade_id(cell): points[cells.grade_id(cell)] for cell in notebook.cells if cells.is_test(cell)}
        # determine_grade gives 0 to a text that is untouched and None to one that a person must read.
        auto |= {cells.grade_id(cell): determine_grade(cell)[0] for cell in notebook.cells if cells.is_written(cell)}
        answers = {cells.grade_id(cell): cell for cell in notebook.cells if cells.is_solution(cell)}
        changed = {name for name, cell in answers.items() if (before or {}).get(name) != cell.source}
        changed |= {name for name, test in self.lesson.tests.items() if test.exercise in changed}
        said = {name: "No response." if cell.metadata.nbgrader.get("checksum") == compute_checksum(cell) else None
                for name, cell in answers.items()}

        def write(connection: Connection) -> None:
            _student(connection, student)
            where = self._submission(connection, student)
            grades, comments = [], []
            for key, cell, by_hand, waits in connection.execute(_BEFORE, {"notebook": where}):
                name = self._names[cell]
                waits = auto[name] is None if by_hand is None else waits or name in changed
                grades.append({"key": key, "auto": auto[name], "waits": waits})
            for key, cell, _ in connection.execute(_COMMENTS, {"notebook": where}):
                comments.append({"key": key, "auto": said[self._names[cell]]})
            if grades:
                connection.execute(_UPDATE_GRADE, grades)
            if comments:
                connection.execute(_UPDATE_COMMENT, comments)

        self._write(write)

    def _submission(self, connection: Connection, student: str) -> str:
        """The id of the student's notebook; made with all its grades and comments, as nbgrader does, if it is new."""
        found = connection.execute(self._notebook, {"student": student}).scalar()
        if found is not None:
            return found
        submission, notebook = connection.execute(
            select(SubmittedAssignment.id).where(SubmittedAssignment.assignment_id == self._ids[0],
                                                 SubmittedAssignment.student_id == student)).scalar(), new_uuid()
        if submission is None:
            submission = new_uuid()
            connection.execute(insert(SubmittedAssignment.__table__),
                               {"id": submission, "assignment_id": self._ids[0], "student_id": student})
        connection.execute(insert(SubmittedNotebook.__table__),
                           {"id": notebook, "assignment_id": submission, "notebook_id": self._ids[1]})
        for table, kind in ((Grade.__table__, "GradeCell"), (Comment.__table__, "SolutionCell")):
            rows = [{"cell_id": cell, "notebook_id": notebook} for cell, one in self._kinds.items() if one == kind]
            if rows:
                connection.execute(insert(table), rows)
        return notebook

    @cached_property
    def _notebook(self) -> Select:
        """The id of a student's notebook."""
        return (select(SubmittedNotebook.id)
                .join(SubmittedAssignment, SubmittedAssignment.id == SubmittedNotebook.assignment_id)
                .where(SubmittedAssignment.assignment_id == self._ids[0],
                       SubmittedAssignment.student_id == bindparam("student"),
                       SubmittedNotebook.notebook_id == self._ids[1]))

    def standing(self, student: str) -> Standing | None:
        """None if the student has no submission."""
        written, auto, pending, points, comments = 0.0, 0.0, [], {}, {}
        with self.book.engine.connect() as connection:
            notebook = connection.execute(self._notebook, {"student": student}).scalar()
            if notebook is None:
                return None
            grades = connection.execute(_GRADES, {"notebook": notebook}).all()
            said = connection.execute(_COMMENTS, {"notebook": notebook}).all()
        for name, score, waits in sorted((self._names[cell], float(score), waits) for cell, score, waits in grades):
            points[name] = score
            if name in self.lesson.written:
                written += score
                if waits:
                    pending.append(name)
            else:
                auto += score
        comments = {self._names[cell]: text for _, cell, text in said if text}
        return Standing(auto, self.lesson.max_auto, written, sum(self.lesson.written.values()), tuple(pending),
                        points, comments)

    def written_counts(self) -> bool:
        """Has a person graded a written answer of this unit yet? From then on the written points count."""
        written = [cell for cell, name in self._names.items() if name in self.lesson.written]
        return bool(self._read(select(Grade.id).where(Grade.cell_id.in_(written), Grade.manual_score.is_not(None))
                               .limit(1)))

    @cached_property
    def _ids(self) -> tuple[str, str]:
        """What the database calls the assignment and its notebook."""
        with self.book.engine.connect() as connection:
            return tuple(connection.execute(
                select(Assignment.id, Notebook.id).join(Notebook, Notebook.assignment_id == Assignment.id)
                .where(Assignment.name == self.unit, Notebook.name == self.unit)).one())

    @cached_property
    def _names(self) -> dict[str, str]:
        """The database's id of a cell -> its grade_id. A written answer has two, one of each kind."""
        return {key: name for key, name, _ in self._cells}

    @cached_property
    def _kinds(self) -> dict[str, str]:
        return {key: kind for key, _, kind in self._cells}

    @cached_property
    def _cells(self) -> list[tuple[str, str, str]]:
        with self.book.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(
                select(BaseCell.id, BaseCell.name, BaseCell.type).where(BaseCell.notebook_id == self._ids[1]))]

    def _read(self, query: Select) -> list:
        """The first column of each row."""
        with self.book.engine.connect() as connection:
            return list(connection.execute(query).scalars())

    def _write(self, change: Callable[[Connection], None]) -> None:
        """One transaction. nbgrader's own API would commit at every step, and takes five times as long."""
        for last in (False, True):
            try:
                with self.book.engine.begin() as connection:
                    return change(connection)
            except IntegrityError:  # another grader has just added the same student to a database that both write
                if last:
                    raise


def _student(connection: Connection, student: str) -> None:
    if connection.execute(_STUDENT, {"student": student}).scalar() is None:
        connection.execute(insert(Student.__table__), {"id": student})


# Made once: SQLAlchemy takes longer to make a query than SQLite takes to answer it.
_STUDENT = select(Student.id).where(Student.id == bindparam("student"))
_BEFORE = (select(Grade.id, Grade.cell_id, Grade.manual_score, Grade.needs_manual_grade)
           .where(Grade.notebook_id == bindparam("notebook")))
_GRADES = (select(Grade.cell_id, Grade.score, Grade.needs_manual_grade)
           .where(Grade.notebook_id == bindparam("notebook")))
_COMMENTS = select(Comment.id, Comment.cell_id, Comment.comment).where(Comment.notebook_id == bindparam("notebook"))
_UPDATE_GRADE = update(Grade.__table__).where(Grade.__table__.c.id == bindparam("key")).values(
    auto_score=bindparam("auto"), needs_manual_grade=bindparam("waits"))
_UPDATE_COMMENT = update(Comment.__table__).where(Comment.__table__.c.id == bindparam("key")).values(
    auto_comment=bindparam("auto"))

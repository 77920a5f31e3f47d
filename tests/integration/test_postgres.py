"""The gradebook in a real PostgreSQL server, started here for the test where its programs are installed.

Looks for `initdb` and `pg_ctl` on the PATH and in /usr/lib/postgresql; without them (apt-get install postgresql) the
tests are skipped and say so. The server listens on a socket in a temporary folder only.
"""

import contextlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from rich.console import Console
from sqlalchemy import create_engine, text

from autograder.authoring.build import build
from autograder.course import Course
from autograder.errors import InfrastructureError
from autograder.grading import grade, refresh, run
from autograder.grading.outcome import Outcome, status_of
from autograder.grading.rows import read_rows
from autograder.grading.verdicts import Verdict
from autograder.reporting import report

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "tests" / "unit" / "autograder" / "grading" / "fixtures"
UNIT = "01_tiny"
PASSWORD = "s3cret-of-the-server"


def _programs():
    """The folder with the server's programs, None where there is none."""
    found = shutil.which("initdb")
    places = [Path(found).parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").exists() and (place / "pg_ctl").exists()), None)


@pytest.fixture(scope="module")
def server():
    """URL of an empty server, as its owner `grader`, with the password in it; `{}` stands for the database."""
    pytest.importorskip("psycopg2", reason="no driver: pip install psycopg2-binary")
    programs = _programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed here (apt-get install postgresql)")
    switch = []
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # a short path: a socket's has at most 107 bytes
    (folder / "password").write_text(PASSWORD)
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        try:
            for path in (folder, folder / "password"):
                shutil.chown(path, "postgres", "postgres")
        except LookupError:
            shutil.rmtree(folder)
            pytest.skip("PostgreSQL does not run as root, and there is no user postgres here")
        switch = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]

    def do(*command):
        done = subprocess.run([*switch, *map(str, command)], cwd=folder, capture_output=True, text=True, check=False,
                              env={"PATH": f"{programs}:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr

    data = folder / "data"
    do(programs / "initdb", "-D", data, "-U", "grader", "-A", "scram-sha-256", f"--pwfile={folder / 'password'}", "-E",
       "UTF8", "--no-sync")
    do(programs / "pg_ctl", "-D", data, "-w", "-t", "60", "-l", folder / "log", "-o",
       f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off", "start")
    try:
        yield f"postgresql://grader:{PASSWORD}@/{{}}?host={folder}"
    finally:
        do(programs / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder)


@pytest.fixture
def database(server, request):
    """URL of an empty database."""
    name = request.node.name
    with create_engine(server.format("postgres").replace("postgresql:", "postgresql+psycopg2:"),
                       isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    return server.format(name)


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    root = tmp_path_factory.mktemp("course")
    shutil.copytree(TINY, root, dirs_exist_ok=True)
    shutil.copyfile(ROOT / "nbgrader_config.py", root / "nbgrader_config.py")
    build(Course(root))
    return Course(root)


@pytest.fixture
def submissions(course, tmp_path):
    folder = tmp_path / "submitted"
    notebook = nbformat.read(course.release(UNIT), as_version=4)
    for student in ("ann", "bob", "Zoë O'Neil; DROP TABLE grade"):
        for cell in notebook.cells:
            if cell.id in ("double", "written_why"):
                cell.source = f"# by {student}"
        (folder / student).mkdir(parents=True)
        nbformat.write(notebook, folder / student / f"{UNIT}.ipynb")
    (folder / "broken.ipynb").write_text("{")
    return folder


@pytest.fixture(autouse=True)
def no_kernels(monkeypatch):
    """ann passes everything, everybody else nothing; nothing is run."""
    def examine(lesson, rebuilt, engine, stopping=None):
        well = any("by ann" in cell.source for cell in rebuilt.notebook.cells)
        verdicts = [Verdict(t.grade_id, t.exercise, "passed" if well else "failed", t.points if well else 0, t.points,
                            "" if well else "not yet") for t in lesson.tests.values()]
        return Outcome("", status_of(verdicts), verdicts, rebuilt.notebook)

    monkeypatch.setattr("autograder.grading.examine.examine", examine)
    no_engine = SimpleNamespace(warm_up=lambda: None)
    monkeypatch.setattr(run, "_engine", lambda *arguments: contextlib.nullcontext(no_engine))
    for name in ("COURSE_DB", "PGPASSWORD"):
        monkeypatch.delenv(name, raising=False)


def graded(course, submissions, out, db=None):
    return grade(course, UNIT, submissions, out, console=Console(file=io.StringIO()), db=db)


def execute(database, statement, **values):
    with create_engine(database.replace("postgresql:", "postgresql+psycopg2:")).begin() as connection:
        done = connection.execute(text(statement), values)
        return done.all() if done.returns_rows else done.rowcount


def test_a_class_comes_out_as_in_sqlite(course, submissions, database, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    rows = graded(course, submissions, there, database)
    assert rows == graded(course, submissions, here)
    assert {row.student: row.score for row in rows} == {
        "Zoë O'Neil; DROP TABLE grade": 0, "ann": 7, "bob": 0, "broken": 0}
    assert not (there / "gradebook.db").exists()
    assert len(execute(database, "SELECT * FROM grade")) == 4 * 5
    assert execute(database, "SELECT count(*) FROM alembic_version") == [(1,)]
    for path in here.rglob("*"):
        if path.is_file() and path.name not in ("gradebook.db", ".lock"):
            assert path.read_bytes() == (there / path.relative_to(here)).read_bytes(), path


def test_again_nothing_is_run_and_the_report_finds_the_database(course, submissions, database, tmp_path, monkeypatch):
    out = tmp_path / "out"
    graded(course, submissions, out, database)
    assert execute(database, "UPDATE grade SET manual_score = 1.5, needs_manual_grade = FALSE FROM base_cell c, "
                   "submitted_notebook n, submitted_assignment a WHERE c.id = grade.cell_id AND n.id = "
                   "grade.notebook_id AND a.id = n.assignment_id AND c.name = 'written_why' AND a.student_id = 'ann'"
                   ) == 1
    monkeypatch.setattr(run, "grade_one", None)  # whoever runs it fails
    monkeypatch.setenv("PGPASSWORD", PASSWORD)  # the remembered URL has none
    assert {row.student: row.score for row in graded(course, submissions, out)}["ann"] == 8.5
    report(course, out, console=Console(file=io.StringIO()))
    assert {row.student: (row.score, row.max_score) for row in read_rows(out / "grades.csv")}["ann"] == (8.5, 9)
    monkeypatch.delenv("PGPASSWORD")
    monkeypatch.setenv("COURSE_DB", database)
    assert len(refresh(course, UNIT, out)) == 4


def test_the_password_is_in_no_file_and_its_absence_is_told_in_a_sentence(course, submissions, database, tmp_path):
    out = tmp_path / "out"
    graded(course, submissions, out, database)
    assert not [path for path in out.rglob("*") if path.is_file() and PASSWORD in path.read_text(errors="replace")]
    with pytest.raises(InfrastructureError) as error:
        refresh(course, UNIT, out)
    assert "password" in str(error.value)
    assert "$COURSE_DB" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_database_that_is_not_there_is_told_in_a_sentence(course, submissions, server, tmp_path):
    with pytest.raises(InfrastructureError) as error:
        graded(course, submissions, tmp_path / "out", server.format("nowhere"))
    assert 'database "nowhere" does not exist' in str(error.value)
    assert PASSWORD not in str(error.value)


def test_nbgraders_own_interface_reads_it(course, submissions, database, tmp_path):
    from nbgrader.apps.api import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import Config

    out = tmp_path / "out"
    rows = graded(course, submissions, out, database)
    config = Config()
    config.CourseDirectory.root = str(out)
    config.CourseDirectory.db_url = database.replace("postgresql:", "postgresql+psycopg2:")
    api = NbGraderAPI(CourseDirectory(config=config))
    scores = {one["student"]: one["score"] for one in api.get_submissions(UNIT)}
    assert scores == {row.student: row.score for row in rows}
    assert len(api.get_notebook_submissions(UNIT, UNIT)) == 4


def test_two_who_write_at_once_do_not_hinder_each_other(course, submissions, database, tmp_path):
    """Two teachers grade into one database from two folders; both tables are whole."""
    script = ("import sys, io, runpy; from pathlib import Path; from rich.console import Console; "
              "from autograder.grading.gradebook import Gradebook; from autograder.grading.lesson import load_lesson; "
              "from autograder.course import Course; from autograder.grading.database import choose\n"
              f"lesson = load_lesson(Course(Path({str(course.root)!r})), {UNIT!r})\n"
              f"with Gradebook(choose(Path({str(tmp_path)!r}), sys.argv[1]), lesson) as book:\n"
              "    for number in range(200): book.add_students([f's{number}'])\n")
    graded(course, submissions, tmp_path / "out", database)
    both = [subprocess.Popen([sys.executable, "-c", script, database], env={**os.environ, "PYTHONPATH": str(ROOT)},
                             stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        assert process.wait(120) == 0, process.stderr.read()
    assert execute(database, "SELECT count(*) FROM student WHERE id LIKE 's%'") == [(200,)]

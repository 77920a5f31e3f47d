"""Which database, and one sentence for each way in which it cannot be opened."""

import os
import shutil
import sqlite3
import sys
from pathlib import Path

import pytest
from nbgrader import api

from autograder.errors import CourseError, InfrastructureError, UsageError
from autograder.grading.database import choose, is_there, opened, remember, shown, sqlite

URL = "postgresql://ann:s3cret@db.example.org:5433/course"


def test_the_option_goes_before_the_environment_before_the_last_run_before_a_file(tmp_path, monkeypatch):
    monkeypatch.delenv("COURSE_DB", raising=False)
    assert choose(tmp_path) == sqlite(tmp_path / "gradebook.db")
    remember(tmp_path, URL)
    assert choose(tmp_path) == "postgresql+psycopg2://ann@db.example.org:5433/course"
    monkeypatch.setenv("COURSE_DB", "mysql:///of_env")
    assert choose(tmp_path) == "mysql:///of_env"
    assert choose(tmp_path, URL) == URL.replace("postgresql", "postgresql+psycopg2")


def test_no_password_is_ever_written(tmp_path):
    remember(tmp_path, f"{URL}?password=s3cret&sslmode=require")
    written = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert written == ["postgresql://ann@db.example.org:5433/course?sslmode=require\n"]
    assert "s3cret" not in shown(URL)


def test_back_to_the_file_forgets_the_server(tmp_path, monkeypatch):
    monkeypatch.delenv("COURSE_DB", raising=False)
    remember(tmp_path, URL)
    remember(tmp_path, sqlite(tmp_path / "gradebook.db"))
    assert choose(tmp_path) == sqlite(tmp_path / "gradebook.db")


def test_a_relative_file_is_found_again_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert choose(tmp_path, "sqlite:///sub/my.db") == sqlite(tmp_path / "sub" / "my.db")
    assert not is_there(choose(tmp_path, "sqlite:///sub/my.db"))
    assert is_there(URL)


@pytest.mark.parametrize("url, said", [
    ("nonsense", "'nonsense' is not the URL of a database: wanted postgresql://USER@HOST/NAME or sqlite:///FILE"),
    ("postgresql://ann:s3cret@host:port/x", "is not the URL of a database"),
    ("sqlite://", "names no file"),
    ("sqlite:///:memory:", "names no file"),
])
def test_a_wrong_url_is_refused_at_once(tmp_path, url, said):
    with pytest.raises(UsageError) as error:
        choose(tmp_path, url)
    assert said in str(error.value)
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize("url, kind, said", [
    ("postgres://ann@host/x", UsageError, "(postgres:// is spelt postgresql://)"),
    ("nosuch://host/x", UsageError, "no kind of database called 'nosuch'"),
    ("postgresql://ann:s3cret@127.0.0.1:9/x", InfrastructureError,
     "The gradebook at postgresql://ann@127.0.0.1:9/x cannot be used"),
])
def test_what_cannot_be_opened_says_so_in_a_sentence(tmp_path, url, kind, said):
    with pytest.raises(kind) as error, opened(choose(tmp_path, url)):
        pass
    assert said in str(error.value)
    assert "s3cret" not in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_driver_says_what_to_install(tmp_path, monkeypatch):
    url = choose(tmp_path, "postgresql:///x")
    monkeypatch.setitem(sys.modules, "psycopg2", None)
    with pytest.raises(UsageError, match=r"pip install 'llms-from-the-inside\[postgres\]'"), opened(url):
        pass


def test_a_file_that_is_no_database(tmp_path):
    (tmp_path / "gradebook.db").write_text("not a database, but long enough to be looked at" * 40)
    with pytest.raises(CourseError, match="cannot be used"), opened(sqlite(tmp_path / "gradebook.db")):
        pass


def test_a_database_that_a_killed_run_left_half_made_is_completed(tmp_path, empty_gradebook):
    path = tmp_path / "gradebook.db"
    shutil.copyfile(empty_gradebook, path)
    with sqlite3.connect(path) as file:
        (version,) = file.execute("SELECT version_num FROM alembic_version").fetchone()
        for statement in ("DROP TABLE alembic_version", "DROP TABLE comment", "DELETE FROM course",
                          "DELETE FROM assignment"):
            file.execute(statement)
    with opened(sqlite(path)):
        pass
    with sqlite3.connect(path) as file:
        assert file.execute("SELECT version_num FROM alembic_version").fetchall() == [(version,)]
        assert file.execute("SELECT id FROM course").fetchall() == [("default_course",)]


def test_a_new_database_has_the_version_that_nbgrader_gives_it(empty_gradebook, monkeypatch):
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    with sqlite3.connect(empty_gradebook) as file:
        assert file.execute("SELECT version_num FROM alembic_version").fetchall() == [(api.get_alembic_version(),)]


def test_what_the_class_is_looked_up_by_has_an_index(empty_gradebook):
    with sqlite3.connect(empty_gradebook) as file:
        plan = file.execute("EXPLAIN QUERY PLAN SELECT * FROM grade WHERE notebook_id = 'x'").fetchall()
    assert "course_grade_notebook_id" in str(plan)

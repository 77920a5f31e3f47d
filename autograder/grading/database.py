"""Which database holds the gradebook, and one clear sentence where it cannot be opened."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from nbgrader import api
from sqlalchemy import URL, Engine, create_engine, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from autograder.errors import InfrastructureError, UsageError
from helpers.files import write_atomically

ENVIRONMENT = "COURSE_DB"
_SECRETS = {"password", "passwd", "sslpassword", "passfile"}
_WANTED = "wanted postgresql://USER@HOST/NAME or sqlite:///FILE"
# What formgrader and grading look up by; nbgrader declares no index, so that each look reads the whole class.
_INDEXES = {"grade": "notebook_id", "comment": "notebook_id", "submitted_notebook": "assignment_id",
            "submitted_assignment": "student_id"}


def choose(out: Path, db: str | None = None) -> str:
    """The URL to use: `db`, else $COURSE_DB, else that of the last run into `out`, else a SQLite file in `out`."""
    url = db or os.environ.get(ENVIRONMENT) or _remembered(out)
    if not url:
        return sqlite(out / "gradebook.db")
    whole = parsed(url)
    if whole.drivername == "postgresql":  # which driver SQLAlchemy means by this depends on its version
        driver = "psycopg" if find_spec("psycopg") and not find_spec("psycopg2") else "psycopg2"
        return whole.set(drivername=f"postgresql+{driver}").render_as_string(hide_password=False)
    if whole.get_backend_name() != "sqlite":
        return url
    if whole.database in (None, "", ":memory:"):
        raise UsageError(f"{url!r} names no file: {_WANTED}.")
    return sqlite(Path(whole.database))


def remember(out: Path, url: str) -> None:
    """For `course report` and the next run; never with a password."""
    if url == sqlite(out / "gradebook.db"):
        _note(out).unlink(missing_ok=True)
    elif shown(url) != _remembered(out):
        write_atomically(_note(out), shown(url) + "\n")


def sqlite(path: Path) -> str:
    return f"sqlite:///{path.resolve()}"


def shown(url: str) -> str:
    """The URL without its password and without the driver that `choose` added."""
    whole = parsed(url)
    kept = {name: value for name, value in whole.query.items() if name not in _SECRETS}
    kind = whole.drivername.removesuffix("+psycopg2")
    return URL.create(kind, whole.username, None, whole.host, whole.port, whole.database,
                      kept).render_as_string(hide_password=False)


def parsed(url: str) -> URL:
    """Raises UsageError if `url` is none."""
    try:
        return make_url(url.strip())
    except (ArgumentError, ValueError) as error:
        said = re.sub(r"(//[^/:@]*):[^/@]*@", r"\1:***@", url)
        raise UsageError(f"{said!r} is not the URL of a database: {_WANTED}.") from error


def is_there(url: str) -> bool:
    """False for a SQLite file that nobody has made yet."""
    whole = parsed(url)
    return whole.get_backend_name() != "sqlite" or not whole.database or Path(whole.database).is_file()


@contextmanager
def opened(url: str) -> Iterator[api.Gradebook]:
    """nbgrader's gradebook in this database, made if it is empty. Raises UsageError or InfrastructureError."""
    with in_one_sentence(url):
        whole = parsed(url)
        if whole.get_backend_name() == "sqlite" and whole.database:
            Path(whole.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(url)
        if _lacks_its_version(engine):
            _make(engine)
        book = api.Gradebook(url)
        _index(engine)
        engine.dispose()
    try:
        yield book
    finally:
        book.close()


@contextmanager
def in_one_sentence(url: str) -> Iterator[None]:
    """Say what a driver or a server objects to, without the traceback and without the password."""
    try:
        yield
    except NoSuchModuleError as error:
        kind = url.split(":", 1)[0]
        also = " (postgres:// is spelt postgresql://)" if kind == "postgres" else ""
        raise UsageError(f"There is no kind of database called {kind!r}{also}: {_WANTED}.") from error
    except ModuleNotFoundError as error:
        kind = parsed(url).get_backend_name()
        install = "llms-from-the-inside[postgres]" if kind == "postgresql" else error.name
        raise UsageError(f"The driver for {kind} is missing: pip install '{install}'.") from error
    except DBAPIError as error:
        said = " ".join(str(error.orig).split()) or type(error.orig).__name__
        raise InfrastructureError(
            f"The gradebook at {shown(url)} cannot be used: {_without_password(said, url)[:300]}. Check that the "
            f"server runs, that the database is there and that you may write into it ({_how(url)}).") from error


def _how(url: str) -> str:
    if parsed(url).get_backend_name() == "sqlite":
        return "it is a file"
    return f"a password goes into --db, ${ENVIRONMENT} or ~/.pgpass"


def _without_password(said: str, url: str) -> str:
    password = parsed(url).password
    return said.replace(str(password), "***") if password else said


def _note(out: Path) -> Path:
    return out / "results" / "database.url"


def _remembered(out: Path) -> str | None:
    try:
        return _note(out).read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


def _lacks_its_version(engine: Engine) -> bool:
    """Is it empty, or did a run end between making the tables and noting their version? Then nothing is in it yet."""
    tables = set(inspect(engine).get_table_names())
    if not tables <= {*api.Base.metadata.tables, "alembic_version"}:
        return False
    with engine.connect() as connection:
        return not any(table in tables and connection.execute(text(f"SELECT 1 FROM {table}")).first()
                       for table in ("course", "alembic_version"))


def _make(engine: Engine) -> None:
    """Tables and version as nbgrader makes them; it asks the program `alembic` for the version, which takes seconds."""
    from alembic.script import ScriptDirectory

    head = ScriptDirectory(str(Path(api.__file__).parent / "alembic")).get_current_head()
    api.Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(text("INSERT INTO alembic_version (version_num) VALUES (:version)"), {"version": head})


def _index(engine: Engine) -> None:
    with engine.begin() as connection:
        for table, column in _INDEXES.items():
            connection.execute(text(f"CREATE INDEX IF NOT EXISTS course_{table}_{column} ON {table} ({column})"))

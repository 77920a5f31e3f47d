"""`course`: one verb a step from source to grade. Each verb's work lives in its own module; nothing is decided here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from autograder.course import Course
from autograder.errors import CourseError

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
                  help="Build, check, grade and try out the course. Run it anywhere in the course's folder.")

Units = Annotated[list[str] | None, typer.Argument(help="Units, as 04_logits_embeddings, 04 or 4; default: all.")]
Unit = Annotated[str, typer.Argument(help="A unit, as 04_logits_embeddings, 04 or 4.")]


@contextmanager
def one_clear_line() -> Iterator[Course]:
    """Give the course, and turn a CourseError into one line on stderr and its exit code."""
    try:
        yield Course.find()
    except CourseError as error:
        typer.echo(f"course: {error}", err=True)
        raise typer.Exit(error.exit_code) from None


def chosen(course: Course, units: list[str] | None) -> list[str]:
    return [course.unit(name) for name in units] if units else course.units


@app.command()
def build(units: Units = None,
          check: Annotated[bool, typer.Option("--check", help="Compare with what is there; write nothing.")] = False,
          repository: Annotated[str | None, typer.Option(help="owner/name for the Colab links.")] = None) -> None:
    """Make the notebooks of source/, release/ and notebooks/ from the lessons."""
    from autograder.authoring.build import build as build_editions

    with one_clear_line() as course:
        build_editions(course, chosen(course, units), check=check, repository=repository)


def main() -> None:
    """Entry point for `python -m autograder.cli`."""
    app(prog_name="course")


if __name__ == "__main__":
    sys.exit(main())

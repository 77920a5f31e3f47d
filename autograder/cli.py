"""`course`: one verb a step from source to grade. Each verb's work lives in its own module; nothing is decided here.

Data goes to stdout, diagnostics to stderr. Exit codes: 0 well, 2 a wrong command line, 3 a lesson breaks a rule,
4 the machine failed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from autograder.course import Course
from autograder.errors import AuthorError, CourseError, InfrastructureError

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
                  help="Build, check, grade and try out the course. Run it anywhere in the course's folder.")

Units = Annotated[list[str] | None, typer.Argument(help="Units, as 04_logits_embeddings, 04 or 4; default: all.")]
Unit = Annotated[str, typer.Argument(help="A unit, as 04_logits_embeddings, 04 or 4.")]
Out = Annotated[Path | None, typer.Option(help="Where gradebook, grades and feedback go; default: the course folder.")]
Jobs = Annotated[int, typer.Option(min=1, help="How many at a time.")]
Database = Annotated[str | None, typer.Option(help="The gradebook's database, as postgresql://USER@HOST/NAME; default: "
                                              "$COURSE_DB, else that of the last run, else gradebook.db in --out.")]
WallName = Literal["auto", "bwrap", "none"]

to_stdout, to_stderr = Console(highlight=False), Console(stderr=True, highlight=False)


@contextmanager
def one_clear_line() -> Iterator[Course]:
    """Give the course, and turn a CourseError into its text on stderr and its exit code."""
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
        report = build_editions(course, units or None, check=check, repository=repository)
        for path in [*report.written, *(f"{path} (removed)" for path in report.removed)]:
            typer.echo(path)
        to_stderr.print(f"{len(report.units)} units, {len(report.written)} files written, {report.unchanged} unchanged")


@app.command()
def check(units: Units = None,
          answers: Annotated[bool, typer.Option("--answers", help="Try the answer bank and the mutants.")] = False,
          graded: Annotated[bool, typer.Option("--graded", help="Try the answer bank as a class is graded.")] = False,
          run: Annotated[bool, typer.Option("--run", help="Run the lessons; seconds and memory.")] = False,
          jobs: Jobs = 2) -> None:
    """Lint the lessons, compare the editions with their source and count what the course covers."""
    from autograder.authoring.build import build as build_editions
    from autograder.authoring.lint import check as lint

    with one_clear_line() as course:
        if answers:
            from autograder.authoring.answer_report import report_answers

            report_answers(course, units or None, jobs)
        if graded:
            from autograder.graded_answers import report_graded

            report_graded(course, chosen(course, units), jobs, to_stdout)
        if run:
            _run_reference(course, chosen(course, units))
        if answers or graded or run:
            return
        report = lint(course, units or None)
        for problem in report.problems:
            typer.echo(str(problem))
        covered = len(report.coverage.by) - len(report.coverage.uncovered)
        typer.echo(f"units {len(report.units)}, findings {len(report.errors)}, warnings {len(report.warnings)}, "
                   f"coverage {covered} of {len(report.coverage.by)}")
        build_editions(course, units or None, check=True)
        if report.errors:
            raise AuthorError(f"{len(report.errors)} findings, listed above, break a rule of the course.")


def _run_reference(course: Course, units: list[str]) -> None:
    from autograder.authoring.reference_run import run_units, table

    runs = run_units(course, units, lambda run: to_stderr.print(f"{run.unit}: {run.seconds:.0f} s"))
    to_stdout.print(table(runs))
    if any(run.problem for run in runs):
        raise AuthorError("A lesson does not run with its own solutions; see the table.")


@app.command()
def grade(unit: Unit,
          submissions: Annotated[Path | None, typer.Option(help="A folder or a ZIP; default: submitted/.")] = None,
          out: Out = None, jobs: Jobs = 2,
          timeout: Annotated[float | None, typer.Option(min=1, help="Seconds that one cell may take.")] = None,
          roster: Annotated[Path | None, typer.Option(help="Who should have handed in: a name a line, or CSV.")] = None,
          db: Database = None,
          wall: Annotated[WallName, typer.Option(help="Around students' code; auto is bwrap (bubblewrap).")] = "auto",
          scheduler: Annotated[str | None, typer.Option(help="A Dask scheduler, as tcp://host:8786, whose workers "
                                                        "grade; default: this machine.")] = None,
          memory: Annotated[float, typer.Option(min=0.1, help="GiB that one submission may use.")] = 4.0,
          again: Annotated[bool, typer.Option("--again", help="Run also what is unchanged.")] = False,
          ) -> None:
    """Grade every submission of a unit: grades.csv, gradebook, graded notebooks and feedback pages."""
    from autograder.grading import grade as grade_class
    from autograder.reporting import report as report_class

    with one_clear_line() as course:
        name = course.unit(unit)
        limits = {} if timeout is None else {"cell_timeout": timeout}
        target = out or course.root
        rows = grade_class(course, name, submissions or course.root / "submitted", target, jobs=jobs,
                           console=to_stderr, roster=roster, db=db, again=again, wall=wall, scheduler=scheduler,
                           memory=int(memory * 2**30), **limits)
        page = report_class(course, target, name, to_stdout, db=db, rows=rows)
        to_stderr.print(f"grades: {target / 'grades.csv'}\nreport: {page}\nfeedback: {target / 'feedback'}")


@app.command()
def report(unit: Annotated[str | None, typer.Argument(help="A unit; default: all that were graded.")] = None,
           out: Out = None, db: Database = None) -> None:
    """Print the class as a table and write report.html; takes up what was graded by hand since."""
    from autograder.reporting import report as report_class

    with one_clear_line() as course:
        page = report_class(course, out or course.root, course.unit(unit) if unit else None, to_stdout, db=db)
        to_stderr.print(f"report: {page}")


@app.command()
def demo(out: Annotated[Path | None, typer.Option(help="Where everything goes; default: out/.")] = None) -> None:
    """Build the course, run two units on the real model, grade a simulated class of 16 and write a report."""
    from autograder.simulate import demo as run_demo

    with one_clear_line() as course:
        _run_reference(course, [course.unit("01"), course.unit("04")])  # all of them: course check --run
        run_demo(course, out or course.root / "out")


@app.command()
def lab(arguments: Annotated[list[str] | None, typer.Argument(help="Passed on to JupyterLab.")] = None) -> None:
    """Copy the self-study notebooks to work/, never over a file that is there, and open JupyterLab on them."""
    from autograder.lab import copy_notebooks, open_lab

    with one_clear_line() as course:
        for path in copy_notebooks(course):
            to_stderr.print(f"new: {path.relative_to(course.root)}")
        raise typer.Exit(open_lab(course, arguments or []))


@app.command()
def kernel(prefix: Annotated[Path | None, typer.Option(help="Where; default: this environment.")] = None) -> None:
    """Install the kernel course-warm, with which nbgrader, nbclient and papermill run warm and behind the wall."""
    from autograder.kernelspec import install

    typer.echo(install(prefix))


@app.command()
def doctor() -> None:
    """Look whether everything is here that the course needs, and say what to do where it is not."""
    from autograder.doctor import examine

    with one_clear_line() as course:
        results = examine(course)
        for what, well, line in results:
            typer.echo(f"{'ok ' if well else 'BAD'}  {what:<12} {line}")
        if not all(well for _, well, _ in results):
            raise InfrastructureError("something is missing; the lines marked BAD say what to do.")


def main() -> None:
    """The entry point `course`; a wrong option is a usage error like any other."""
    app(prog_name="course")


if __name__ == "__main__":
    sys.exit(main())

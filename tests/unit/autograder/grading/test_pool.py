"""Every submission gets an outcome, in any order, whatever happens to one."""

import io
import threading
import time

import pytest
from rich.console import Console

from autograder.grading.outcome import Outcome
from autograder.grading.pool import grade_all
from autograder.grading.submissions import Submission


def grade(names, work, jobs=2, console=None, stopping=None):
    return grade_all([Submission(name) for name in names], work,
                     lambda one, error: Outcome(one.student, "error", [], problem=str(error)), jobs,
                     console or Console(file=io.StringIO()), stopping or threading.Event())


def passed(one):
    return Outcome(one.student, "passed", [])


def test_one_failure_costs_nobody_else_anything():
    def work(one):
        if one.student == "b":
            raise ValueError("boom")
        return passed(one)

    outcomes = {outcome.student: outcome for outcome in grade("abc", work)}
    assert {name: one.status for name, one in outcomes.items()} == {"a": "passed", "b": "error", "c": "passed"}
    assert outcomes["b"].problem == "boom"


def test_no_more_than_the_jobs_asked_for_run_at_once():
    running, most, lock = 0, 0, threading.Lock()

    def work(one):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.05)
        with lock:
            running -= 1
        return passed(one)

    assert len(list(grade("abcdef", work, jobs=2))) == 6
    assert most == 2


def test_giving_up_stops_what_runs_and_starts_nothing_more():
    stopping, started = threading.Event(), []

    def work(one):
        started.append(one.student)
        if len(started) > 1:
            stopping.wait(10)
        return passed(one)

    with pytest.raises(KeyboardInterrupt):
        for _ in grade("abcdefgh", work, jobs=1, stopping=stopping):
            raise KeyboardInterrupt
    assert stopping.is_set()
    assert len(started) <= 3


def test_a_log_gets_a_line_a_submission():
    console = Console(file=io.StringIO())
    list(grade("ab", passed, jobs=1, console=console))
    assert console.file.getvalue().splitlines() == ["[1/2] a: 0/0 passed", "[2/2] b: 0/0 passed"]


def test_a_terminal_gets_a_bar_with_the_time_left():
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    list(grade("ab", passed, jobs=1, console=console))
    assert "2/2" in console.file.getvalue()
    assert "left" in console.file.getvalue()

import io

import pytest
from rich.console import Console

from autograder.grading.rows import Row
from autograder.reporting.summary import UnitSummary
from autograder.reporting.table import bar, headline, percent, print_table


@pytest.fixture
def summary():
    rows = [Row("Zoë", "u", 4, 4, "passed", "All 3 tests passed. 1 written answer waits for a person."),
            Row("[red]bob[/red]", "u", 1, 4, "failed", "1 of 3 tests passed. a: [bold]mind[/bold] dim."),
            Row("cy", "u", 0, 4, "missing", "Handed in nothing.")]
    return UnitSummary("u", "Things", rows, [], [1, 0, 1, 0, 0, 0, 0, 0, 0, 1], 2, rows[2:])


@pytest.mark.parametrize("width", [80, 160])
def test_everyone_is_shown_with_score_words_and_reason(summary, width):
    console = Console(file=io.StringIO(), width=width)
    print_table(summary, console)
    text = " ".join(console.file.getvalue().split())
    for part in ("Zoë 4/4", "100 passed", "[red]bob[/red] 1/4", "25 not right yet", "cy 0/4", "nothing handed in",
                 "[bold]mind[/bold] dim.", "Handed in nothing.", "mean 42 %"):
        assert part in text
    assert all(len(line.rstrip()) <= width for line in console.file.getvalue().splitlines())


def test_the_headline_counts(summary):
    assert headline(summary) == ("3 students · mean 42 % · median 25 % · 1 with every test passed · "
                                 "2 written answers to read · look at cy")


def test_bars_are_as_long_as_their_share():
    assert [bar(part) for part in (0, 1, 0.5)] == [" " * 12, "█" * 12, "█" * 6 + " " * 6]
    assert bar(1 / 24) == "▌" + " " * 11
    assert bar(0.5, plain=True) == "######......"
    assert {len(bar(i / 97)) for i in range(98)} == {12}


def test_only_everything_is_a_hundred_percent_and_only_nothing_is_zero():
    assert [percent(part) for part in (0, 0.001, 0.5, 0.999, 1)] == ["0", "1", "50", "99", "100"]

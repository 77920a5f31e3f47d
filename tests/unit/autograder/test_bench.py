import pytest

from autograder import bench


def row(**values):
    return dict.fromkeys(bench._COLUMNS, 1.0) | values


def test_median_goes_column_by_column():
    rows = [row(load=1.0, private=None), row(load=9.0), row(load=2.0)]
    assert bench.median(rows)["load"] == 2.0
    assert bench.median(rows)["private"] is None


def test_table_is_markdown_with_a_dash_for_what_is_unknown():
    lines = bench.table([("later load", row(load=0.126, private=None, mapped=540.4))]).splitlines()
    cells = [cell.strip() for cell in lines[2].split("|")[1:-1]]
    assert cells == ["later load", "1.00", "0.13", "1.00", "1.00", "-", "540"]
    assert len({len(line) for line in lines}) == 1


def test_a_row_is_measured_in_a_fresh_process(tmp_path):
    got = bench.measure("model, tokenizer = models.load_masked_lm()", str(tmp_path))
    assert got.keys() == bench._COLUMNS.keys()
    assert all(value > 0 for value in got.values())


def test_a_failing_load_names_the_cause(tmp_path):
    with pytest.raises(RuntimeError, match="There is no folder"):
        bench.measure("model, tokenizer = models.load('./nowhere')", str(tmp_path))

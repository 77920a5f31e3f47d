import pytest

from autograder.grading.names import defined_names, used_names


@pytest.mark.parametrize("source, want", [
    ("def f(x):\n    y = 1\n", ["f"]), ("async def f(): ...", ["f"]), ("class A:\n    b = 1", ["A"]),
    ("x, (y, z) = 1, (2, 3)", ["x", "y", "z"]), ("import a.b\nfrom c import d as e", ["a", "e"]),
    ("f(1)\nx.y = 2", []), ("", []), ("for i in range(3): pass", ["i"])])
def test_names_bound_at_the_top_level(source, want):
    assert defined_names(source) == want


def test_a_cell_that_is_not_plain_python_is_looked_at_roughly():
    assert defined_names("%timeit f(1)\ndef g(x)\n    return 1\nh = 3\nif h == 3:") == ["g", "h"]


def test_used_names():
    assert used_names("def f(x):\n    return g(x) + y") >= {"g", "y"}
    assert "h" in used_names("!ls\nh(")

"""Which names a cell binds and which it takes from others."""

import ast

import pytest

from autograder import cell_names as names
from autograder.authoring import percent


@pytest.mark.parametrize(("source", "bound", "taken"), [
    ("x = 1", "x", ""),
    ("x = x + 1", "x", "x"),
    ("x += 1", "x", "x"),
    ("x = 1\ny = x", "x y", ""),
    ("a.b = c\nd[e] = 1", "", "a c d e"),
    ("for i, (j, k) in rows:\n    print(i, j, k, n)\nprint(i)", "i j k", "rows n"),
    ("with make() as it:\n    it.go()", "it", "make"),
    ("try:\n    a\nexcept KeyError as e:\n    print(e)", "e", "a"),
    ("if (n := f()) > 5:\n    print(n)", "n", "f"),
    ("del q", "", "q"),
    ("ys = [y for y in xs if y > low]", "ys", "xs low"),
    ("print(f'{x!r} {y}')", "", "x y"),
    ("import torch.nn as nn\nfrom a import b\nnn.f(b)", "nn b", ""),
    ("def f(a: Tensor, b=k):\n    local = a\n    return local + q + f(b)", "f", "Tensor k q"),
    ("def outer():\n    t = 1\n    def inner():\n        return t + u\n    return inner", "outer", "u"),
    ("f = lambda z: z + w\nw = 1", "f w", ""),  # the body is run later
    ("class A(B):\n    z = q\n    def m(self):\n        return A, deep", "A", "B q deep"),
    ("print(len([]))", "", ""),
])
def test_names_of_a_cell(source, bound, taken):
    found = names.of_source(source)
    assert (found.bound, found.taken) == (set(bound.split()), set(taken.split()))


def test_imports_are_told_apart():
    assert names.of_source("import math\nfrom a import b as c\nx = 1").imported == {"math", "c"}


@pytest.mark.parametrize(("source", "taken"), [
    ("lambda f, p: (f(p), p, want)[1]", {"want"}),
    ("lambda x, by=step: x + by", {"step"}),
])
def test_names_that_a_function_takes(source, taken):
    assert names.of_function(ast.parse(source).body[0].value) == taken


def test_a_function_may_call_itself():
    assert names.of_function(ast.parse("def f(n):\n    return f(n - 1) + g(n)").body[0]) == {"g"}


def test_what_depends_on_answers():
    solution = ('# %% nbgrader={"grade": false, "grade_id": "f", "locked": false, "schema_version": 3, '
                '"solution": true, "task": false}\nimport math\ndef f():\n    pass\n')
    notebook = percent.reads("\n".join([
        "# %%\nimport math\nfree = 1\n", solution, "# %%\na = f()\n", "# %%\nb = math.sqrt(free)\n",
        "# %%\ndef helper():\n    return a\n", "# %%\nhelper()\n", "# %%\n%magic\n"]))
    assert names.of_students(notebook) == {"f"}
    assert names.depending(notebook, {"f"}) == ({2, 4, 5}, {"f", "a", "helper"})

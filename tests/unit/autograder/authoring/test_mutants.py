"""Mutants: which mistakes are made, how they are described, and what is left alone."""

import textwrap

import pytest

from autograder.authoring.mutants import choose, mutants


def cell(body, signature="def f(x, k=3):"):
    inside = textwrap.indent(textwrap.dedent(body).strip(), "    ")
    return f'{signature}\n    """About 1 + 1."""\n    ### BEGIN SOLUTION\n{inside}\n    ### END SOLUTION\n'


def changes(body, **kwargs):
    """The descriptions without the text of the line."""
    texts = []
    for mutant in mutants(cell(body, **kwargs)):
        line = cell(body, **kwargs).splitlines()[mutant.line - 1].split("#")[0].strip().rstrip(":")
        assert mutant.description.startswith(f"{line}: ")
        texts.append(mutant.description.removeprefix(f"{line}: "))
    return texts


@pytest.mark.parametrize(("body", "wanted"), [
    ("return x + k", {"x + k -> x - k", "x + k -> x", "x + k -> k"}),
    ("return x @ k", {"x @ k -> x * k", "x @ k -> x", "x @ k -> k"}),
    ("return x < k", {"x < k -> x <= k", "x < k -> x >= k"}),
    ("return x == k", {"x == k -> x != k"}),
    ("return x in k", {"x in k -> x not in k"}),
    ("return -x", {"-x -> x"}),
    ("return x and k", {"x and k -> x or k", "x and k -> x", "x and k -> k"}),
    ("return x if k else 0.5", {"k -> not k", "0.5 -> 1.5", "0.5 -> -0.5"}),
    ("x += k\nreturn x", {"dropped", "x += k -> x -= k"}),
    ("return x[0]", {"0 -> 1"}),
    ("return x[-1]", {"-1 -> 0", "-1 -> 1"}),
    ("return x[1:k]", {"1:k -> :k", "1:k -> 1:", "1:k -> 1:k + 1", "1:k -> 1:k - 1", "1 -> 2", "1 -> -1"}),
    ("return [i for i in x if i]", {"i -> not i"}),
    ("return x.sum(-1)", {"x.sum(-1) -> x", "sum -> mean", "-1 -> 0"}),
    ("return x.amax(dim=1)", {"x.amax(dim=1) -> x", "amax -> amin", "x.amax(dim=1) -> x.amax()", "1 -> 0", "1 -> 2"}),
    ("return torch.exp(x)", {"torch.exp(x) -> x"}),
    ("return torch.stack([x, k], True)", {"torch.stack([x, k], True) -> torch.stack(True, [x, k])", "True -> False"}),
    ("return x.clamp(min=k)", {"x.clamp(min=k) -> x", "x.clamp(min=k) -> x.clamp()",
                               "x.clamp(min=k) -> x.clamp(max=k)"}),
    ("return x.sort(dim=-1)", {"x.sort(dim=-1) -> x", "-1 -> 0"}),
    ("return x.norm(dim=-1)", {"x.norm(dim=-1) -> x", "-1 -> 0", "x.norm(dim=-1) -> x.norm()"}),
    ("return max(x, k)", {"max -> min"}),
    ("return sorted(x)", {"sorted(x) -> x"}),
    ("return g(x, k)", {"g(x, k) -> g(k, x)"}),
    ("return range(k)", {"range(k) -> range(k - 1)"}),
    ("return x.contiguous()", set()),
    ("return torch.maximum(x, k)", {"torch.maximum(x, k) -> x", "maximum -> minimum"}),
    ("return 1e-9", {"1e-09 -> 1.000000001"}),
    ("return 'text'", set()),
])
def test_one_expression(body, wanted):
    assert set(changes(body)) == wanted


def test_statements_are_dropped_but_not_the_first_binding_of_a_name():
    assert [text for text in changes("""
        total = x
        total = g(total)
        total.add_(k)
        while True:
            break
        return total
    """) if text == "dropped"] == ["dropped"] * 4


def test_a_dropped_statement_is_gone():
    source = cell("x.append(k)\nreturn x")
    mutant, = [m for m in mutants(source) if m.description == "x.append(k): dropped"]
    namespace = {}
    exec(mutant.code, namespace)
    assert namespace["f"]([1]) == [1]


def test_only_the_lines_between_the_markers_are_changed():
    source = "def f(x):\n    k = 1\n    ### BEGIN SOLUTION\n    y = x\n    ### END SOLUTION\n    return y * k"
    assert mutants(source) == []


def test_the_wording_of_an_error_is_not_behaviour():
    assert changes('if x:\n    raise ValueError(f"{x + 1} of {k}")\nreturn f"{k - 1}"') == ["dropped", "x -> not x"]


def test_each_mutant_does_what_its_description_says():
    doubled = {}
    for mutant in mutants(cell("return x * 2 + k")):
        namespace = {}
        exec(mutant.code, namespace)
        doubled[mutant.description.removeprefix("return x * 2 + k: ")] = namespace["f"](5)
    assert doubled == {"x * 2 + k -> x * 2 - k": 7, "x * 2 + k -> x * 2": 10, "x * 2 + k -> k": 3,
                       "x * 2 -> x / 2": 5.5, "x * 2 -> x": 8, "x * 2 -> 2": 5, "2 -> 3": 18, "2 -> -2": -7}


def test_the_same_change_twice_in_a_line_is_numbered():
    assert [text for text in changes("return x[1] * k[1]") if text.startswith("1 -> 2")] == ["1 -> 2", "1 -> 2 [2]"]


def test_descriptions_do_not_move_with_the_lines_and_leave_comments_out():
    there = mutants(cell("return x + k  # the sum"))
    below = mutants(cell("# first\n\n\nreturn x + k"))
    assert [m.description for m in there] == [m.description for m in below]
    assert there[0].line != below[0].line


def test_modules_are_told_from_values():
    source = cell("return ops.exp(x)")
    assert "return ops.exp(x): ops.exp(x) -> ops" in [m.description for m in mutants(source)]
    assert "return ops.exp(x): ops.exp(x) -> x" in [m.description for m in mutants(source, modules=frozenset({"ops"}))]


def test_the_cap_keeps_the_same_ones_in_the_same_order():
    every = mutants(cell("return x[1:k] + k[1:] * x.sum(0) - x.mean(0)"))
    few = choose(every, 5)
    assert len(few) == 5 and few == choose(list(every), 5)
    assert few == [mutant for mutant in every if mutant in few]
    assert choose(every, len(every)) == every

"""Messages help, and never give hidden tests away."""

import copy

import nbformat
import pytest

from autograder import cells
from autograder.grading.reading import parse_notebook
from autograder.grading.rebuild import rebuild
from autograder.grading.verdicts import judge

# name -> answer, status, message, hidden. The hidden test calls double(1234.5).
VISIBLE = {
    "wrong value": ("def double(x):\n    return 0.0", "failed", "twice 3 is 6 (got 0.0)"),
    "wrong type": ("def double(x):\n    return None", "failed", "twice 3 is 6 (got None)"),
    "raises": ("def double(x):\n    return x + 'a'", "error", "TypeError: unsupported operand type(s) for +: 'float' "
               "and 'str' (line 2 of your `double` cell: `return x + 'a'`)"),
    "syntax error": ("def double(x)\n    return 2 * x", "error",
                     "The answer cell did not run: SyntaxError: expected ':' (line 1)."),
    "renamed": ("def twice(x):\n    return 2 * x", "error",
                "The answer cell does not define `double`: keep the name that it had."),
    "stray helper": ("def double(x):\n    return helper(x)", "error",
                     "`helper` is not defined: only answer cells are graded, so move what defines it into one."),
    "wrong arguments": ("def double():\n    return 2", "error", "The test stopped with TypeError: double() takes 0 "
                        "positional arguments but 1 was given: does `double` return what the exercise asks for?"),
    "memory": ("def double(x):\n    raise MemoryError", "memory", "The answer asked for more memory than there is."),
    "sys.exit": ("import sys\ndef double(x):\n    sys.exit(0)", "error",
                 "`double` called exit() or sys.exit(): return the result instead."),
}
HIDDEN = {
    "return 6.0": ("failed", "it must work for every number (got 6.0)"),
    "raise ValueError(f'got {x}')": ("error", "ValueError (line 4 of your `double` cell: "
                                              "`raise ValueError(f'got {x}')`)"),
    "assert x == 3.0, f'{x}'": ("failed", "AssertionError (line 4 of your `double` cell: `assert x == 3.0, f'{x}'`)"),
    "raise CheckFailed(str(x))": ("failed", "CheckFailed (line 4 of your `double` cell: `raise CheckFailed(str(x))`)"),
    "raise SystemExit(str(x))": ("error", "`double` called exit() or sys.exit(): return the result instead."),
    "raise NameError(f\"name '{x}' is gone\")": ("error", "NameError (line 4 of your `double` cell: "
                                                          "`raise NameError(f\"name '{x}' is gone\")`)"),
    "return y": ("error", "NameError: name 'y' is not defined (line 4 of your `double` cell: `return y`)"),
    "int(f'leak {x}')": ("error", "ValueError (line 4 of your `double` cell: `int(f'leak {x}')`)"),
    "raise NotImplementedError(x)": ("error", "NotImplementedError (line 4 of your `double` cell: "
                                              "`raise NotImplementedError(x)`)"),
    "raise RuntimeError(f'double ended the Python process and was taken out of the run {x}')": (
        "error", "RuntimeError (line 4 of your `double` cell: `raise RuntimeError(f'double ended the Python process "
                 "and was taken out of the run {x}')`)"),
    "get_ipython().showtraceback = lambda *a, **k: None; raise CheckFailed(str(x))": ("failed", None),
}


@pytest.fixture(scope="module")
def verdicts(lesson, course, engine):
    """name or body -> the verdict on test_double."""
    answers = {name: one[0] for name, one in VISIBLE.items()}
    answers |= {body: f"def double(x):\n    if x == 3.0:\n        return 6.0\n    {body}\n" for body in HIDDEN}
    release = nbformat.read(course.release(lesson.unit), as_version=4)

    def judged(source):
        mine = copy.deepcopy(release)
        next(cell for cell in mine.cells if cells.grade_id(cell) == "double").source = source
        mine.cells.append(nbformat.v4.new_code_cell("helper = 1"))
        rebuilt = rebuild(lesson, parse_notebook(nbformat.writes(mine).encode()))
        return judge(lesson, rebuilt, engine.execute(rebuilt.notebook, only="double"))[0]

    return {name: judged(source) for name, source in answers.items()}


@pytest.mark.parametrize("name", VISIBLE)
def test_what_a_visible_test_says(verdicts, name):
    _, status, message = VISIBLE[name]
    assert (verdicts[name].status, verdicts[name].message) == (status, message)
    assert not verdicts[name].hidden


@pytest.mark.parametrize("body", HIDDEN)
def test_what_a_hidden_test_says_never_holds_its_inputs(verdicts, body):
    status, message = HIDDEN[body]
    verdict = verdicts[body]
    assert verdict.status == status
    assert message is None or verdict.message == message
    assert "1234" not in verdict.message
    assert verdict.hidden or "exit()" in verdict.message

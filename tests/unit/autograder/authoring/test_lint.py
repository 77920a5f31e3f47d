"""Each rule with a lesson that breaks it and one that keeps it.

The lessons are the golden one with a change: FRAME changes any text, TEST puts
code into the hidden part of the test of `mean`.
"""
# ruff: noqa: E501  (a table of short texts reads best a row a line)

import pytest

from autograder.authoring import lint
from autograder.authoring.lint import LEAKS, RULES

GOLDEN = None  # the golden lesson as it is

FRAME = [  # rule, text of the golden lesson, what breaks the rule, what keeps it
    ("header", "#     cell_metadata_filter: all\n", "", GOLDEN),
    ("header", "#     cell_metadata_filter: all\n", "#     cell_metadata_filter: all\n#     formats: ipynb,py:percent\n", GOLDEN),
    ("header", "#     name: python3\n", "#     name: conda\n", GOLDEN),
    ("header", "# ---\n# jupyter:", "# jupyter:", GOLDEN),
    ("grade-id", '"grade_id": "mean"', '"grade_id": "Mean"', '"grade_id": "mean2"'),
    ("grade-id", '"grade_id": "mean"', '"grade_id": "test_mean"', GOLDEN),
    ("metadata", '"points": 3, ', "", '"points": 2, '),
    ("metadata", '"points": 3, ', '"points": 0, ', '"points": 0.5, '),
    ("metadata", '"grade_id": "mean", "locked": false', '"grade_id": "mean", "locked": true', GOLDEN),
    ("metadata", '"grade_id": "mean", ', '"grade_id": "mean", "points": 3, ', GOLDEN),
    ("metadata", '"schema_version": 3', '"schema_version": 2', GOLDEN),
    ("metadata", '{"grade": false, "grade_id": "mean"', '{"grade": true, "points": 3, "grade_id": "mean"', GOLDEN),
    ("pairing", '"grade_id": "test_mean"', '"grade_id": "test_median"', GOLDEN),
    ("pairing", '"grade_id": "test_mean"', '"grade_id": "mean_test"', GOLDEN),
    ("pairing", '# %% nbgrader={"grade": true, "grade_id": "test_mean"',
     '# %%\nx = 1\n\n# %% nbgrader={"grade": true, "grade_id": "test_mean"',
     '# %% [markdown]\n# Now try it.\n\n# %% nbgrader={"grade": true, "grade_id": "test_mean"'),
    ("markers", "    ### END SOLUTION\n", "", GOLDEN),
    ("markers", "### END HIDDEN TESTS\n", "", GOLDEN),
    ("markers", "### BEGIN HIDDEN TESTS", "### BEGIN HIDDEN", GOLDEN),
    ("markers", "    ### BEGIN SOLUTION", "    # BEGIN SOLUTION", GOLDEN),
    ("markers", "    ### BEGIN SOLUTION\n", "", GOLDEN),
    ("markers", "# ## Recap\n", "# ## Recap\n#\n# Write ### BEGIN SOLUTION.\n", "# ## Recap\n#\n# Begin with a solution.\n"),
    ("markers", "pair = [1.0, 2.0]\n", "pair = [1.0, 2.0]  # AUTOTEST\n", GOLDEN),
    ("hidden-tests", "### BEGIN HIDDEN TESTS\n", "", GOLDEN),
    ("hidden-tests", "pair = [1.0, 2.0]\n", "### BEGIN HIDDEN TESTS\n### END HIDDEN TESTS\n", GOLDEN),
    ("one-answer", "def mean(values: list[float]) -> float:\n", "print('hello')\n\ndef mean(values: list[float]) -> float:\n",
     "import math\n\ndef mean(values: list[float]) -> float:\n"),
    ("one-answer", "def mean(values", "def average(values", GOLDEN),
    ("signature", '    """The arithmetic mean of `values`; raises ValueError where there are none."""\n    ### BEGIN SOLUTION\n',
     '    ### BEGIN SOLUTION\n    """The mean."""\n', GOLDEN),
    ("signature", "def mean(values: list[float]) -> float:\n",
     "def total(values):\n    \"\"\"The sum.\"\"\"\n    return sum(values)\n\n\ndef mean(values: list[float]) -> float:\n", GOLDEN),
    ("written", '"grade_id": "written_median"', '"grade_id": "median"', GOLDEN),
    ("written", "# The mean depends on the size of every number, the median only on their order.\n", "", GOLDEN),
    ("files", "two_heaps.svg", "three_heaps.svg", GOLDEN),
    ("rebinding", "heights = [1.0, 2.0, 6.0]", "heights, mean = [1.0, 2.0, 6.0], 3.0", GOLDEN),
    ("rebinding", "pair = [1.0, 2.0]\n", "pair = [1.0, 2.0]\nmean_before, mean = mean, None\n",
     "pair = [1.0, 2.0]\nmean_before = mean\n"),
    ("heading", "`mean` (3 points", "`mean` (4 points", GOLDEN),
    ("heading", "`mean` (3 points", "`median` (3 points", GOLDEN),
    ("heading", "### Exercise: `mean` (3 points, 5 minutes)", "### Exercise 1", GOLDEN),
    ("hints", "<summary>Hint 3</summary>", "<summary>Hint 4</summary>", GOLDEN),
    ("predict", "**Predict first.** ", "", GOLDEN),
    ("predict", "<summary>Answer</summary>", "<summary>Solution</summary>", GOLDEN),
    ("predict", "# ### Exercise: `mean`", "# ## Now you\n#\n# ### Exercise: `mean`", GOLDEN),
    ("folds", "# By a quarter: the sum grows by 1 and is divided by 4.\n# </details>\n", "# By a quarter.\n", GOLDEN),
    ("folds", "<details><summary>Answer</summary>", "<details>", GOLDEN),
    ("points", "**Points:** 4.", "**Points:** 5.", "4 points."),
    ("points", "(1 point)", "(2 points)", "(1 point, 5 minutes)"),
    ("points", "# # 1. Tiny: the mean", "# Tiny: the mean", GOLDEN),
    ("covers", "Covers: A5", "Covers: A5, Z9", "Covers: A5."),
    ("covers", "Covers: A5", "Covers: A5, A5", GOLDEN),
    ("covers", "# Covers: A5\n", "# Over.\n", GOLDEN),
    ("python", "heights = [1.0, 2.0, 6.0]", "%timeit 1\nheights = [1.0, 2.0, 6.0]", "# %timeit 1\nheights = [1.0, 2.0, 6.0]"),
    ("python", "heights = [1.0, 2.0, 6.0]", "!ls\nheights = [1.0]", GOLDEN),
    ("python", "heights = [1.0, 2.0, 6.0]", "heights = [1.0, 2.0", GOLDEN),
    ("python", "heights = [1.0, 2.0, 6.0]", "get_ipython().run_line_magic('ls', '')\nheights = [1.0]", GOLDEN),
    ("network", "heights = [1.0, 2.0, 6.0]", "import urllib.request\nheights = [1.0]", GOLDEN),
    ("network", "heights = [1.0, 2.0, 6.0]", "heights = load_wikipedia(online=True)", "heights = load_wikipedia(online=False)"),
    ("network", "heights = [1.0, 2.0, 6.0]", "heights = AutoModel.from_pretrained('gpt2')",
     "heights = AutoModel.from_pretrained(folder)"),
    ("network", "    if not values:\n", "    urlopen('x')\n    if not values:\n", GOLDEN),
    ("files-written", "    if not values:\n", "    open('log', 'a').write('x')\n    if not values:\n",
     "    open('log').read()\n    if not values:\n"),
    ("files-written", "    if not values:\n", "    Path('log').write_text('x')\n    if not values:\n", GOLDEN),
    ("files-written", "    if not values:\n", "    torch.save(values, 'x')\n    if not values:\n", GOLDEN),
    ("seeds", "    if not values:\n", "    torch.manual_seed(0)\n    if not values:\n",
     "    torch.Generator().manual_seed(0)\n    if not values:\n"),
    ("skipped-names", "# %%\nfrom helpers", '# %% tags=["lab"]\nbig = 1\n\n# %%\nprint(big)\nfrom helpers',
     '# %% tags=["lab"]\nbig = 1\n\n# %% tags=["lab"]\nprint(big)\n\n# %%\nfrom helpers'),
    ("skipped-names", "# %%\nfrom helpers", '# %% tags=["demo"]\ndef show():\n    pass\n\n# %%\nshow()\nfrom helpers',
     '# %% tags=["demo"]\nbig = 1\n\n# %%\nbig = 2\nprint(big)\nfrom helpers'),
]

TEST = [  # rule, what breaks it in a test, what keeps it
    ("one-sided", "assert not (mean(pair) > 2).any(), 'x'", "assert (mean(pair) <= 2).all(), 'x'"),
    ("one-sided", "check.that(not torch.any(mean(pair) > 2), 'x')", "check.that(not mean(pair), 'x')"),
    ("one-sided", "assert mean(pair) - 1.5 < 1e-6, 'x'", "assert abs(mean(pair) - 1.5) < 1e-6, 'x'"),
    ("one-sided", "assert 1e-6 > (mean(pair) - 1.5).max(), 'x'", "assert 1e-6 > (mean(pair) - 1.5).abs().max(), 'x'"),
    ("one-sided", "check.that(torch.allclose(mean(pair), one), 'x')", "check.close(mean(pair), one)"),
    ("say-why", "assert mean(pair) == 1.5", "assert mean(pair) == 1.5, 'the mean of 1 and 2 is 1.5'"),
    ("zip", "for a, b in zip(mean(pair), [1]): pass", "for a, b in zip(mean(pair), [1], strict=True): pass"),
    ("zip", "got = mean(pair)\nfor a, b in zip(got, [1]): pass", "got = [1]\nfor a, b in zip(got, got[1:]): pass"),
    ("beside", "check.beside(lambda f, x: check.close(f(x), 1.5), mean, pair)",
     "check.close(check.beside(lambda f, x: (f(x), x)[1], mean, pair), pair)"),
    ("beside", "def look(f, x):\n    assert f(x) == 1\n    return x\n\ncheck.beside(look, mean, pair)",
     "def look(f, x):\n    f(x)\n    return x\n\ncheck.beside(look, mean, pair)"),
    ("beside", "want = 1.5\ncheck.beside(lambda f, x: f(x) == want, mean, pair)",
     "def twice(f, x):\n    return f(x) + f(x)\n\ncheck.beside(lambda f, x: twice(f, x), mean, pair)"),
    ("gradients", "w = torch.ones(2, requires_grad=True)\nmean(w)", "w = torch.ones(2, requires_grad=True)\nmean(w.detach())"),
    ("gradients", "w = torch.ones(2).requires_grad_()\nmean([w])", "w = torch.ones(2).requires_grad_()\nother(w).backward()"),
    ("gradients", "w = torch.ones(2)\nw.requires_grad = True\nmean(w)", "w = torch.ones(2)\nmean(w)"),
    ("gradients", "mean(pair).sum().backward()", "torch.ones(2, requires_grad=True).sum().backward()"),
    ("gradients", "torch.autograd.functional.jacobian(mean, pair)", "torch.autograd.functional.jacobian(other, pair)"),
    ("gradients", "mean(torch.ones(2, requires_grad=True))",
     "def slope(f, x):\n    x.requires_grad_()\n    f(x).sum().backward()\n    return x.grad\n\n"
     "check.beside(slope, mean, torch.ones(2))"),
    ("many-calls", "for i in range(200):\n    mean([i])", "for i in range(20):\n    mean([i])"),
    ("many-calls", "each = [mean([i]) for i in range(0, 1000, 2)]",
     "each = check.beside(lambda f: [f([i]) for i in range(1000)], mean)"),
    ("generators", "mean(x for x in pair)", "mean([x for x in pair])"),
    ("generators", "check.raises(ValueError, mean, (x for x in ()))", "check.raises(ValueError, mean, list(x for x in ()))"),
    ("model-changed", "model.lm_head.weight = None", "mine = model.lm_head.weight"),
    ("model-changed", "model.layers[0].weight.zero_()", "model.layers[0].weight.clone().zero_()"),
    ("model-changed", "tokenizer.pad_token = 'x'", "pad = tokenizer.pad_token"),
    ("model-changed", "model.train()", "model.eval()"),
    ("model-changed", "model.register_forward_hook(print)",
     "check.beside(lambda f, m: m.register_forward_hook(f).remove(), mean, model)"),
    ("private-names", "heights = [3.0]", "own_heights = [3.0]"),
    ("test-helpers", "check.close(report, 3.0)", "check.close(heights, [1.0, 2.0, 6.0])"),
    ("bare-except", "try:\n    mean([])\nexcept Exception:\n    pass", "check.raises(ValueError, mean, [])"),
    ("bare-except", "try:\n    mean([])\nexcept:\n    pass", "try:\n    mean([])\nexcept ValueError:\n    pass"),
    ("processes", "import torch.multiprocessing as mp\nmp.spawn(mean)",
     "import torch.multiprocessing as mp\ncheck.beside(lambda f: mp.spawn(f), mean)"),
    ("processes", "import os\nos.fork()", "import os\nos.getpid()"),
]


def rules(course) -> set[str]:
    return {problem.rule for problem in lint.lint(course, "01_tiny")}


def test_the_golden_lesson_keeps_every_rule(golden):
    assert lint.lint(golden, "01_tiny") == []


def test_every_rule_has_a_lesson_that_breaks_it():
    tried = {case[0] for case in [*FRAME, *TEST]} | {"helper-names"}
    assert tried == set(RULES)
    assert {"grade-id", "metadata", "markers", "files"} == LEAKS


@pytest.mark.parametrize(("rule", "old", "bad", "good"), FRAME)
def test_frame(golden, edit, rule, old, bad, good):
    whole = golden.source("01_tiny").read_text()
    edit(old, bad)
    assert rule in rules(golden)
    golden.source("01_tiny").write_text(whole)
    if good is not None:
        edit(old, good)
    assert rule not in rules(golden)


@pytest.mark.parametrize(("rule", "bad", "good"), TEST)
def test_conventions_of_tests(golden, edit, rule, bad, good):
    place = "### END HIDDEN TESTS\n"
    edit('print(f"The mean height is {mean(heights)}.")', 'report = mean(heights)')
    whole = golden.source("01_tiny").read_text()
    edit(place, f"{bad}\n{place}")
    assert rule in rules(golden)
    golden.source("01_tiny").write_text(whole)
    edit(place, f"{good}\n{place}")
    assert rule not in rules(golden)


def test_a_helper_must_not_define_what_students_write(golden):
    folder = golden.root / "helpers"
    folder.mkdir()
    (folder / "numbers.py").write_text(
        "class Numbers:\n    def mean(self):\n        mean = 1\n        return mean\n")
    assert lint.lint(golden, "01_tiny") == []
    (folder / "numbers.py").write_text("def spread(x):\n    def mean(y):\n        return 0\n    return mean(x)\n")
    [problem] = lint.lint(golden, "01_tiny")
    assert (problem.path, problem.line, problem.rule) == ("helpers/numbers.py", 2, "helper-names")


def test_problems_name_the_line(golden, edit):
    edit("check.raises(ValueError, mean, [])", "check.raises(ValueError, mean, [])\nassert mean([1.0]) == 1.0")
    [problem] = lint.lint(golden, "01_tiny")
    line = golden.source("01_tiny").read_text().split("\n")[problem.line - 1]
    assert line == "assert mean([1.0]) == 1.0"
    assert str(problem) == f"source/01_tiny/01_tiny.py:{problem.line}: {problem.message} [say-why]"
    assert problem.message.count("\n") == 0 and problem.message.endswith(".")


def test_a_big_picture_is_refused(golden):
    (golden.source("01_tiny").parent / "big.png").write_bytes(b"x" * 400_000)
    assert rules(golden) == {"files"}


def test_an_unreadable_lesson_is_one_problem(golden):
    golden.source("01_tiny").write_bytes(b"\xff\xfe\x00")
    assert [problem.rule for problem in lint.lint(golden, "01_tiny")] == ["readable"]


def test_check_reports_the_whole_course(golden, edit):
    report = lint.check(golden)
    assert report.units == ["01_tiny"] and not report.problems and report.coverage.complete
    edit("Covers: A5", "Covers: A5, Z9")
    report = lint.check(golden, ["1"])
    assert [problem.rule for problem in report.errors] == ["covers"] and not report.warnings


@pytest.mark.parametrize(("file", "text"), [
    ("jupytext.toml", 'cell_metadata_filter = "all"\nformats = "ipynb,py:percent"\n'),
    ("jupytext.toml", 'notebook_metadata_filter = "all"\n'),
    ("pyproject.toml", '\n[tool.jupytext]\nformats = "ipynb,py:percent"\n'),
])
def test_the_course_pairs_nothing_and_keeps_metadata(golden, file, text):
    path = golden.root / file
    path.write_text(text if file == "jupytext.toml" else path.read_text() + text)
    [problem] = lint.check(golden).errors
    assert (problem.path, problem.rule) == (file, "header")

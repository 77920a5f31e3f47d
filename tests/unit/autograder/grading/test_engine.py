"""A submission is run to its end whatever one answer does, and an answer is what it would be in a notebook."""

import copy
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from autograder import cells
from autograder.authoring import percent
from autograder.errors import InfrastructureError
from autograder.grading.engine import Engine
from autograder.grading.lesson import load_lesson
from autograder.grading.limits import Limits
from autograder.grading.watch import family

PASSED = {"test_double": "ok", "test_area": "ok", "test_total": "ok", "test_total_empty": "ok"}


@pytest.fixture
def tiny(engine):
    return engine


@pytest.fixture(scope="module")
def sides(course):
    with Engine(load_lesson(course, "02_sides"), Limits(cell=20)) as engine:
        yield engine


@pytest.fixture
def run(tiny, tools, monkeypatch):
    def go(limits=None, engine=tiny, **answers):
        notebook = copy.deepcopy(engine.lesson.notebook)
        for name, source in {**tools.RIGHT, **answers}.items():
            tools.cell_of(notebook, name).source = source
        monkeypatch.setattr(engine, "limits", limits or Limits(cell=20))
        return statuses(engine, engine.execute(notebook))

    return go


@pytest.fixture
def ask(sides, course, tools, monkeypatch):
    """Run the second lesson with its own answers, but for those given; the replies by grade_id."""
    def go(**answers):
        reference = {cells.grade_id(cell): cell.source for cell in percent.read(course.source("02_sides")).cells}
        notebook = copy.deepcopy(sides.lesson.notebook)
        for name in sides.lesson.answers:
            tools.cell_of(notebook, name).source = answers.get(name, reference[name])
        done = sides.execute(notebook)
        return {cells.grade_id(done.notebook.cells[i]): reply for i, reply in done.replies.items()}

    return go


def statuses(engine, done):
    found = {cells.grade_id(done.notebook.cells[i]): reply.status for i, reply in done.replies.items()}
    return done, {name: found.get(name) for name in engine.lesson.tests}


def test_right_answers_pass_whatever_they_show(run):
    done, tests = run(double="def double(x):\n    print('in a call')\n    return 2 * x\nprint('hello')\n%time 1 + 1\n"
                             "import subprocess, sys\nsubprocess.run(['echo'], stdout=sys.stdout, check=True)\n!ls\n2")
    assert tests == PASSED
    assert not any(cell.get("outputs") for cell in done.notebook.cells)  # what is shown may hold hidden inputs
    assert done.culprits == {}


def test_a_deadly_function_costs_its_own_tests_and_those_that_call_it(run):
    done, tests = run(double="import os\ndef double(x):\n    os._exit(1)",
                      total="def total(xs):\n    return sum(double(x) for x in xs) + 0.0")
    assert tests == {"test_double": "killed", "test_area": "ok", "test_total": "error", "test_total_empty": "ok"}
    assert list(done.culprits) == ["double"]


def test_a_cell_of_the_lessons_that_an_answer_makes_deadly_is_left_out(run, tools):
    done, tests = run(double="import os\ndef double(x):\n    return 2 * x if x != 2.0 else os._exit(1)",
                      area="def area(r):\n    return math.pi * r * r + 0 * double(1.0)")
    assert tests == PASSED
    shown = next(i for i, cell in enumerate(done.notebook.cells) if cell.source.startswith("shown = double(2.0)"))
    assert done.replies[shown].status == "killed"


def test_a_death_between_two_cells_is_not_the_machines_failure(run):
    late = """import os
from autograder.grading import wire
def double(x):
    if x == 2.0:  # as in a cell of the lesson's
        wire.Channel._read = lambda self, size: os._exit(3)  # when the next request is waited for
    return 2 * x"""
    done, tests = run(double=late)
    assert tests == {**PASSED, "test_area": None}  # the next answer looks as if it had ended the process
    assert list(done.culprits) == ["area"]


def test_an_alarm_does_not_ring_in_the_next_answer(run):
    rings = "import signal\ndef double(x):\n    signal.alarm(1)\n    return 2 * x"
    slow = "import time\ndef area(r):\n    time.sleep(1.2)\n    return math.pi * r * r"
    assert run(double=rings, area=slow)[1] == PASSED


def test_a_deadly_answer_cell_costs_its_own_tests(run):
    done, tests = run(area="import os\nos._exit(1)")
    assert tests == {**PASSED, "test_area": None}
    assert done.culprits["area"].status == "killed"


def test_a_second_death_in_the_same_answer_costs_no_further_start(run):
    done, tests = run(total="import os\ndef total(xs):\n    os.kill(os.getpid(), 9)")
    assert tests == {**PASSED, "test_total": "killed", "test_total_empty": None}
    assert done.culprits["total"].exit_code == -9


def test_everything_before_a_death_is_run_again(run):
    _, tests = run(double="state = []\ndef double(x):\n    return 2 * x",
                   area="import os\ndef area(r):\n    os._exit(1)",
                   total="def total(xs):\n    return float(sum(map(double, xs))) + len(state)")
    assert tests == {**PASSED, "test_area": "killed"}


def test_an_endless_answer_cell_is_cut_and_the_rest_goes_on(run):
    done, tests = run(Limits(cell=2), area="def area(r):\n    return math.pi * r * r\nwhile True: pass")
    assert tests == PASSED  # what it had defined by then counts: the tests ran and passed
    assert any(reply.status == "timeout" and reply.alive for reply in done.replies.values())


def test_what_cannot_be_interrupted_is_ended(run):
    source = "import signal\ndef area(r):\n    signal.signal(signal.SIGINT, signal.SIG_IGN)\n    while True: pass"
    _, tests = run(Limits(cell=2), area=source)
    assert tests == {**PASSED, "test_area": "timeout"}


def test_many_endless_tests_do_not_cost_many_time_outs(run):
    start = time.monotonic()
    done, tests = run(Limits(cell=40, notebook=6), area="def area(x):\n    while True: pass",
                      total="def total(x):\n    while True: pass")
    assert tests["test_area"] == "timeout"
    assert done.out_of_time
    assert time.monotonic() - start < 20


def test_too_much_memory_ends_the_answer_alone(run):
    hungry = "def area(r):\n    held = [bytearray(50 << 20) for _ in range({})]\n    return math.pi * r * r"
    assert run(Limits(cell=20, memory=1 << 30), area=hungry.format(4))[1] == PASSED
    _, tests = run(Limits(cell=20, memory=1 << 30), area=hungry.format(60))
    assert tests["test_area"] in {"memory", "error"}  # seen from outside, or the limit of one process: MemoryError
    assert {**tests, "test_area": "ok"} == PASSED
    children = ("import os, time\ndef area(r):\n    for _ in range(4):\n        if os.fork() == 0:\n"
                "            held = bytearray(400 << 20)\n            time.sleep(30)\n            os._exit(0)\n"
                "    time.sleep(30)\n")
    _, tests = run(Limits(cell=40, memory=1 << 30), area=children)
    assert tests == {**PASSED, "test_area": "memory"}


def test_too_much_output_ends_the_answer_alone(run):
    _, tests = run(Limits(cell=20, output=100_000), area="def area(r):\n    while True: print('x' * 1000)")
    assert tests == {**PASSED, "test_area": "output"}


def test_the_lessons_own_failure_is_not_the_students(lesson, monkeypatch):
    broken = copy.deepcopy(lesson.notebook)
    next(cell for cell in broken.cells if cell.cell_type == "code").source = "import no_such_module"
    monkeypatch.setitem(lesson.__dict__, "notebook", broken)
    with Engine(lesson, Limits(cell=20)) as engine, \
            pytest.raises(InfrastructureError, match=r"import no_such_module.*ModuleNotFoundError"):
        engine.execute(broken)


def test_what_a_lesson_caches_is_made_before_the_wall_makes_it_read_only(lesson, monkeypatch, tmp_path, tools):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    caching = copy.deepcopy(lesson.notebook)
    first = next(cell for cell in caching.cells if cell.cell_type == "code")
    first.source += ("\nfrom helpers.files import cache_dir\nmade = cache_dir() / 'made.txt'\n"
                     "if not made.exists():\n    made.write_text('once')")
    monkeypatch.setitem(lesson.__dict__, "notebook", caching)
    notebook = copy.deepcopy(caching)
    for name, source in tools.RIGHT.items():
        tools.cell_of(notebook, name).source = source
    with Engine(lesson, Limits(cell=20)) as engine:
        assert statuses(engine, engine.execute(notebook))[1] == PASSED


def test_a_server_that_died_is_started_again(run, tiny):
    run()
    for server in (tiny.zygote, tiny.examiner):
        server.process.kill()
        server.process.wait()
    assert run()[1] == PASSED


def test_the_machines_failure_is_not_the_students(run, tiny):
    slow = "import time\ndef area(r):\n    time.sleep(3)\n    return math.pi * r * r"
    zygote = family([tiny.zygote.pid])[1]  # the first is bubblewrap
    threading.Timer(1.5, os.kill, (zygote, signal.SIGKILL)).start()
    with pytest.raises(InfrastructureError, match="has ended"):
        run(area=slow)
    assert run()[1] == PASSED


def test_python_may_be_called_by_a_path_with_dots(course, tmp_path):
    """As `../.venv/bin/python`: the box has none of the folders that lie before the dots."""
    dotted = f"{tmp_path}/{os.path.relpath(sys.executable, tmp_path)}"
    code = ("import sys\nfrom pathlib import Path\nfrom autograder.course import Course\n"
            "from autograder.grading.engine import Engine\nfrom autograder.grading.lesson import load_lesson\n"
            "from autograder.grading.limits import Limits\n"
            "with Engine(load_lesson(Course(Path(sys.argv[1])), '01_tiny'), Limits()) as engine:\n"
            "    print(len(engine.execute(engine.lesson.notebook).replies))")
    done = subprocess.run([dotted, "-c", code, str(course.root)], capture_output=True, text=True, check=False)
    assert done.stdout.strip().isdigit(), done.stderr


def test_what_is_deadly_only_when_run_again_is_the_students(run):
    late = ("import os, time\nstarted = time.monotonic()\ndef double(x):\n    return 2 * x\n"
            "open('/tmp/seen', 'a').close()\n")
    _, tests = run(double=late, area="import os\ndef area(r):\n    os._exit(1)",
                   total="import os\nos._exit(1)")
    assert tests == {**PASSED, "test_area": "killed", "test_total": None, "test_total_empty": None}


def test_everything_that_passes_between_the_sides(ask):
    replies = ask()
    assert {name: (reply.ename, reply.evalue) for name, reply in replies.items() if reply.status != "ok"} == {}
    assert sum(bool(name) and name.startswith("test_") for name in replies) == 10


def test_an_error_tells_the_students_own_line(ask, sides):
    replies = ask(positive="def positive(x):\n    y = x\n    return y / 0")
    reply = replies["test_positive"]
    assert (reply.status, reply.ename, reply.evalue) == ("error", "ZeroDivisionError", "division by zero")
    cell = sides.lesson.notebook.cells[reply.frames[-1].cell]
    assert (cells.grade_id(cell), reply.frames[-1].line) == ("positive", 3)


@pytest.mark.parametrize(("name", "source", "said"), [
    ("read_weights", "def read_weights(net, part):\n    return float(part.sum())", "which is not right"),
    ("draw", "def draw(n, generator):\n    return torch.zeros(n)", "values are wrong"),
    ("positive", "def positive(x):\n    return x", "nothing was raised"),
    ("positive", "def positive(x):\n    if x < 0:\n        raise ValueError('negative')\n    return x",
     "negative"),
    ("countdown", "def countdown(n):\n    yield from range(n)", "which is not right"),
    ("answer", "answer = object()", "wanted an int, got a object"),
    ("answer", "answr = 42", "name 'answer' is not defined"),
    ("grow", "def grow(x):\n    return x + 1", "values are wrong"),
    ("width_of", "def width_of(config):\n    return config", "wanted an int"),
])
def test_a_wrong_answer_fails_alone(ask, name, source, said):
    replies = ask(**{name: source})
    assert replies[f"test_{name}"].status == "error"
    assert said in replies[f"test_{name}"].evalue
    others = {one: reply.status for one, reply in replies.items() if one and one.startswith("test_")}
    others = [one for one, status in others.items() if status != "ok"]
    assert others == [f"test_{name}"] + ["test_answer"] * (name == "grow")  # the lesson itself calls it


def test_an_answer_cannot_reach_the_tests(ask):
    search = ("import gc, sys\ndef positive(x):\n"
              "    found = [o for o in gc.get_objects() if isinstance(o, str) and 'check.raises(KeyError' in o]\n"
              "    frames = [f for f in sys._current_frames().values()]\n"
              "    assert not found\n    if x < 0: raise KeyError('negative')\n    return x")
    assert ask(positive=search)["test_positive"].status == "ok"


def test_without_a_wall_the_same_verdicts(lesson, run):
    with Engine(lesson, Limits(cell=20), wall="none") as engine:
        assert run(engine=engine)[1] == PASSED
        _, tests = run(engine=engine, area="import os\ndef area(r):\n    os._exit(1)")
        assert tests == {**PASSED, "test_area": "killed"}

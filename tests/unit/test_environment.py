"""pyproject.toml (ranges), constraints.txt (pins) and environment.yml (conda, Binder) describe one environment."""

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
REQUIRED = {"jupyterlab", "nbgrader", "torch", "transformers", "datasets", "ipywidgets", "matplotlib", "bitsandbytes",
            "numpy"}


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def ranges() -> dict[str, Requirement]:
    table = project()["project"]
    lines = [*table["dependencies"], *(line for extra in table["optional-dependencies"].values() for line in extra)]
    return {canonicalize_name(r.name): r for r in map(Requirement, lines)}


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def conda() -> tuple[list[str], list[str]]:
    table = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    return [d for d in table if isinstance(d, str)], next(d["pip"] for d in table if isinstance(d, dict))


def test_every_range_has_a_pin_inside_it():
    for name, requirement in ranges().items():
        assert name in pins(), f"{name} is in pyproject.toml but not in constraints.txt"
        assert requirement.specifier.contains(pins()[name]), f"the pin of {name} is outside {requirement}"


def test_conda_installs_the_same_versions():
    _, pip_lines = conda()
    assert "-c constraints.txt" in pip_lines and "-e .[dev]" in pip_lines
    found = [Requirement(line) for line in pip_lines if not line.startswith("-")]
    listed = {canonicalize_name(one.name): str(one.specifier) for one in found}
    assert {name: f"=={pins()[name]}" for name in listed} == listed
    runtime = {canonicalize_name(Requirement(line).name) for line in project()["project"]["dependencies"]}
    assert set(listed) == runtime


def test_the_required_packages_are_listed_everywhere():
    assert set(ranges()) >= REQUIRED
    assert set(pins()) >= REQUIRED


def test_conda_python_is_new_enough():
    conda_lines, _ = conda()
    version = next(line.split("=")[1] for line in conda_lines if line.startswith("python="))
    assert version in project()["project"]["requires-python"]


def test_what_is_installed_is_what_is_pinned():
    for name in ranges():
        assert importlib.metadata.version(name).split("+")[0] == pins()[name], name


def test_the_data_wheels_are_installed_and_bring_nothing_along():
    for name, version in project()["tool"]["course"]["data-wheels"].items():
        assert importlib.metadata.version(name) == version
        assert canonicalize_name(name) not in ranges() and canonicalize_name(name) not in pins()
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        importlib.metadata.version("llama-cpp-python")


# module -> distribution, where their names differ
DISTRIBUTION = {"IPython": "ipython", "zmq": "pyzmq", "PIL": "pillow", "huggingface_hub": "huggingface-hub",
                "yaml": "pyyaml", "jupyter_client": "jupyter-client", "cycler": "matplotlib"}


def test_what_is_imported_is_declared():
    imported = {}
    for path in [file for part in ("helpers", "autograder", "source") for file in (ROOT / part).rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else (
                [node.module] if isinstance(node, ast.ImportFrom) and not node.level else [])
            imported |= {name.split(".")[0]: path for name in names}
    for module, path in imported.items():
        if module in sys.stdlib_module_names or module in ("helpers", "autograder"):
            continue
        assert canonicalize_name(DISTRIBUTION.get(module, module)) in ranges(), f"{path} imports {module}: declare it"


def test_imports_run_one_way():
    for path in (ROOT / "helpers").rglob("*.py"):
        assert not re.search(r"^\s*(from|import) autograder", path.read_text(encoding="utf-8"), re.M), path
    for path in (ROOT / "autograder" / "grading").rglob("*.py"):
        assert "autograder.authoring" not in path.read_text(encoding="utf-8"), path


def bootstrap(*arguments: str, code: str = "", **env: str) -> subprocess.CompletedProcess:
    command = [sys.executable, *(["-c", code] if code else [str(ROOT / "autograder" / "bootstrap.py")]), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **env}, cwd=ROOT, timeout=120)


@pytest.mark.parametrize("change, says", [
    ("b.OLDEST_PYTHON = (99, 0)", "needs 99.0 or newer"),
    ("b.DISK_NEEDED_GB = 10**9", "make room first"),
])
def test_a_machine_that_will_not_do_gets_one_clear_line(tmp_path, change, says):
    code = (f"import sys; from pathlib import Path; sys.path.insert(0, {str(ROOT / 'autograder')!r})\n"
            f"import bootstrap as b; b.VENV = Path({str(tmp_path)!r}) / 'v'; b.STAMP = b.VENV / '.ready'\n"
            f"{change}; b.main([])")
    done = bootstrap(code=code)
    assert done.returncode != 0 and says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1 and not (tmp_path / "v").exists()


def test_without_a_network_set_up_says_so_in_its_last_line(tmp_path):
    code = (f"import sys; sys.path.insert(0, {str(ROOT / 'autograder')!r}); import bootstrap as b\n"
            "b.pip(sys.executable, '--no-index', '--target', sys.argv[1], 'no-such-package-of-the-course==1')")
    done = bootstrap(str(tmp_path), code=code)
    assert done.returncode != 0
    assert "works offline" in done.stderr.strip().splitlines()[-1]


def test_make_without_a_python_gives_one_clear_line():
    done = subprocess.run(["make", "-C", str(ROOT), "--no-print-directory", "setup", "PYTHON=no-such-python"],
                          capture_output=True, text=True)
    assert done.returncode != 0
    assert "install Python 3.11 or newer" in done.stderr.splitlines()[0]

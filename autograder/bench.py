"""How long a learner waits for the models: `make bench`, or `python -m autograder.bench`.

Each row is measured in a process of its own, so that imports and memory count as they do in a fresh notebook. The
first load converts the GGUF into an empty cache in a temporary folder, which later rows then read; what is there
already (the user's own cache) is neither used nor touched. Times are wall-clock seconds, medians for later loads.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile

_MEASURE = """
import contextlib, io, json, sys, time

def memory(kind):  # MB; None where the system does not tell
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) / 1024 for line in status if line.startswith(kind))
    except (OSError, StopIteration):
        return None

start = time.perf_counter()
import torch
import transformers.models.llama.modeling_llama
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer
from helpers import models
imported = time.perf_counter()
private = memory("RssAnon")
with contextlib.redirect_stdout(io.StringIO()):
    {load}
loaded = time.perf_counter()
with torch.no_grad():
    model(**tokenizer("The capital of France is", return_tensors="pt"))
first = time.perf_counter()
with torch.no_grad():
    model(**tokenizer("The capital of France is", return_tensors="pt"))
second = time.perf_counter()
added = None if private is None else memory("RssAnon") - private
print(json.dumps(dict(imports=imported - start, load=loaded - imported, first=first - loaded, again=second - first,
                      private=added, mapped=memory("RssFile"))))
"""
_LOAD = "model, tokenizer = models.load({})"
ROWS = [  # label, code, whether to repeat it
    ("first load, with conversion", _LOAD.format(""), False),
    ("later load", _LOAD.format(""), True),
    ("later load, bfloat16", _LOAD.format("dtype='bfloat16'"), True),
    ("later load, 8-bit", _LOAD.format("quantize='8bit'"), True),
    ("later load, 4-bit", _LOAD.format("quantize='4bit'"), True),
    ("masked LM", "model, tokenizer = models.load_masked_lm()", True),
]
_COLUMNS = {
    "imports": "imports s",
    "load": "load s",
    "first": "first logits s",
    "again": "next logits s",
    "private": "private MB",
    "mapped": "shared MB",
}


def measure(code: str, cache: str) -> dict[str, float | None]:
    """One row in a fresh process: seconds for imports, load, first and second logits; megabytes of memory after.

    private: grown since the imports, of this process alone. shared: mapped files, which processes have in common.
    """
    environment = os.environ | {"COURSE_CACHE": cache, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE.replace("{load}", code)], env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"`{code}` failed: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def median(rows: list[dict[str, float | None]]) -> dict[str, float | None]:
    """Column by column; None where a value is missing."""
    columns = {key: [row[key] for row in rows] for key in rows[0]}
    return {key: None if None in values else statistics.median(values) for key, values in columns.items()}


def bench(repeats: int = 3) -> list[tuple[str, dict[str, float | None]]]:
    """(label, measurements) of each row; a progress line on stderr for each."""
    found = []
    with tempfile.TemporaryDirectory(prefix="course-bench-") as cache:
        for label, code, repeat in ROWS:
            print(f"measuring: {label}", file=sys.stderr)
            found.append((label, median([measure(code, cache) for _ in range(repeats if repeat else 1)])))
    return found


def table(rows: list[tuple[str, dict[str, float | None]]]) -> str:
    """A Markdown table, as wide as it needs to be."""
    width = max(len(label) for label, _ in rows)
    lines = [f"| {'':<{width}} | " + " | ".join(_COLUMNS.values()) + " |"]
    lines.append(f"|{'-' * (width + 2)}|" + "|".join("-" * (len(name) + 1) + ":" for name in _COLUMNS.values()) + "|")
    for label, row in rows:
        cells = (_cell(key, row[key]).rjust(len(name)) for key, name in _COLUMNS.items())
        lines.append(f"| {label:<{width}} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(key: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if key in ("private", "mapped") else f"{value:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="fresh processes for each later load (default 3)")
    repeats = parser.parse_args().repeats
    rows = bench(repeats)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}\n")
    print(table(rows))
    print(
        f"\nMedians of {repeats} fresh processes, except for the first load; shared MB are the files' pages in memory."
    )


if __name__ == "__main__":
    main()

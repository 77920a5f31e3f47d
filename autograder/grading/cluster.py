"""The same work on other machines: Dask workers, each with an engine of its own.

A worker needs this package and its data, and nothing of the course: the lesson travels with the work. See
docs/grader_guide.md for how workers are started, on one machine or many (dask-jobqueue, dask-kubernetes).
"""

from __future__ import annotations

import atexit
import hashlib
import pickle
import threading
from collections import Counter
from collections.abc import Container
from pathlib import Path

from nbformat import NotebookNode

from autograder.errors import CourseError, InfrastructureError, UsageError
from autograder.grading.engine import Engine, Stopped
from autograder.grading.lesson import Lesson
from autograder.grading.limits import Limits
from autograder.grading.reply import Executed

_CONNECT_SECONDS = 10
_POLL = 0.2


class Cluster:
    """Stands in for Engine where a scheduler is given; `jobs` is how many submissions its workers take at a time."""

    def __init__(self, lesson: Lesson, limits: Limits, wall: str, address: str):
        self.address = address
        self.work = pickle.dumps((lesson, limits, wall, lesson.contents()))
        self.key = hashlib.sha256(self.work).hexdigest()

    def __enter__(self) -> Cluster:
        from distributed import Client

        try:
            self.client = Client(self.address, timeout=_CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise UsageError(f"There is no Dask scheduler at {self.address} ({error}); wanted an address such as "
                             "tcp://host:8786, where `dask scheduler` runs.") from error
        workers = self.client.scheduler_info(n_workers=-1)["workers"].values()
        self.jobs = sum(worker["nthreads"] for worker in workers)
        if not self.jobs:
            self.client.close()
            raise UsageError(f"The Dask scheduler at {self.address} has no workers: start one with `dask worker "
                             f"{self.address}`.")
        self.sent = self.client.scatter(self.work, broadcast=True)
        return self

    def __exit__(self, *exception: object) -> None:
        self.client.close()

    def warm_up(self) -> None:
        """Nothing: a worker keeps its engine from one class to the next."""

    def execute(self, notebook: NotebookNode, stopping: threading.Event | None = None) -> Executed:
        """Engine.execute on whichever worker is free; a worker that is lost has its work done by another."""
        from distributed import TimeoutError as NotYet

        future = self.client.submit(_execute, self.key, self.sent, notebook, pure=False, retries=2)
        while True:
            try:
                return future.result(timeout=_POLL)
            except NotYet:
                if stopping is not None and stopping.is_set():
                    future.cancel()
                    raise Stopped from None
            except CourseError:
                raise
            except Exception as error:
                raise InfrastructureError(f"A Dask worker could not grade this ({type(error).__name__}: {error}).") \
                    from error


_lock = threading.Lock()
_engines: dict[str, Engine] = {}  # in a worker: the engine of the class that it grades


_busy: Counter[str] = Counter()


def _execute(key: str, work: bytes, notebook: NotebookNode) -> Executed:
    engine = _engine(key, work)
    try:
        return engine.execute(notebook)
    finally:
        with _lock:
            _busy[key] -= 1


def _engine(key: str, work: bytes) -> Engine:
    with _lock:
        if key not in _engines:
            _close(keep={other for other, count in _busy.items() if count})
            lesson, limits, wall, contents = pickle.loads(work)
            never = [Path(__file__).resolve().parents[2] / name for name in ("source", "tests")]
            _engines[key] = Engine(lesson, limits, wall, never, contents).__enter__()
        _busy[key] += 1
        return _engines[key]


def _close(keep: Container[str] = ()) -> None:
    for key in [key for key in _engines if key not in keep]:
        _engines.pop(key).__exit__()


atexit.register(_close)

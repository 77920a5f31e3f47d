"""Grade many submissions at once: bounded workers, a progress bar, and a result for each whatever happens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from autograder.grading.outcome import Outcome, summary
from autograder.grading.submissions import Submission


def grade_all(submissions: list[Submission], work: Callable[[Submission], Outcome],
              failed: Callable[[Submission, Exception], Outcome], jobs: int, console: Console,
              stopping: threading.Event) -> Iterator[Outcome]:
    """Yield an outcome for every submission, as each is done; `failed` makes one of an exception.

    Threads suffice: all the work is done by processes of their own. `stopping` is set when the caller gives up, so
    that those that run end at once.
    """
    with _Bar(console, len(submissions)) as bar, ThreadPoolExecutor(max_workers=max(1, jobs)) as workers:
        def run(submission: Submission) -> Outcome:
            with bar.working(submission.student):
                return work(submission)

        running = {workers.submit(run, submission): submission for submission in submissions}
        try:
            for future in as_completed(running):
                error = future.exception()
                submission = running.pop(future)  # with it goes the outcome, which holds every answer
                outcome = failed(submission, error) if error is not None else future.result()
                del future
                yield outcome
                bar.done(outcome)
        except BaseException:
            stopping.set()
            for future in running:
                future.cancel()
            raise


class _Bar:
    """A bar with the time left on a terminal, a line a submission elsewhere."""

    def __init__(self, console: Console, total: int):
        self.console, self.total, self.count = console, total, 0
        self.names: list[str] = []
        self.lock = threading.Lock()
        self.progress = Progress(
            TextColumn("grading"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False), TextColumn("{task.fields[names]}"), console=console,
            disable=not console.is_terminal, transient=True, speed_estimate_period=600)

    def __enter__(self) -> _Bar:
        self.progress.__enter__()
        self.task = self.progress.add_task("grading", total=self.total, names="")
        return self

    def __exit__(self, *exception: object) -> None:
        self.progress.__exit__(*exception)

    def working(self, name: str) -> _Working:
        return _Working(self, name)

    def show(self) -> None:
        self.progress.update(self.task, names=", ".join(self.names))

    def done(self, outcome: Outcome) -> None:
        self.count += 1
        if self.console.is_terminal:
            self.progress.advance(self.task)
        else:
            self.console.print(f"[{self.count}/{self.total}] {outcome.student}: {summary(outcome)}", markup=False,
                               highlight=False, soft_wrap=True)


class _Working:
    def __init__(self, bar: _Bar, name: str):
        self.bar, self.name = bar, name

    def __enter__(self) -> None:
        with self.bar.lock:
            self.bar.names.append(self.name)
            self.bar.show()

    def __exit__(self, *exception: object) -> None:
        with self.bar.lock:
            self.bar.names.remove(self.name)
            self.bar.show()

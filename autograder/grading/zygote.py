"""The process that students' processes are forks of: it has the libraries and the lesson's own cells, no test.

`python -m autograder.grading.zygote FD CONFIG`, behind the outer wall. For each student it has a box built, and forks
twice: the first fork joins the box and waits, the second is born inside and becomes the student's side.

    zygote -> keeper (in the box's namespaces, outside its pids) -> the student's process
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from autograder.grading import box, forkserver
from autograder.grading.steps import Step
from autograder.grading.wall import WORK, Wall, wall_of
from autograder.grading.warm import LessonFailed, Warm
from autograder.grading.wire import Channel, send_message

_BOX_SECONDS = 20.0

Child = Callable[[dict, list[int]], None]  # what a student's process does: gets the message and its descriptors


@dataclass
class Box:
    """A box that stands: the process that built it, and the first process inside."""

    builder: subprocess.Popen
    pid: int
    pidfd: int

    def close(self) -> None:
        """End it; its first process takes all others along."""
        os.close(self.pidfd)
        self.builder.kill()
        self.builder.stdin.close()
        self.builder.stdout.close()
        self.builder.wait()


def build_box(wall: Wall, files: str) -> Box | None:
    """A box with a copy of the folder `files`; None where the wall has no boxes.

    Raises OSError if it does not stand in time.
    """
    read_end, write_end = os.pipe()
    command = wall.box(write_end, files)
    if command is None:
        os.close(read_end)
        os.close(write_end)
        return None
    # No descriptor of the grader's goes in: not even the log, which one student could write to and the next one read.
    builder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               pass_fds=[write_end], bufsize=0)
    os.close(write_end)
    said = ""
    try:
        with os.fdopen(read_end, encoding="utf-8") as info:
            if select.select([info], [], [], _BOX_SECONDS)[0]:
                said = info.read()
        builder.stdin.write(b"x")
        if not select.select([builder.stdout], [], [], _BOX_SECONDS)[0] or builder.stdout.read(1) != b"x":
            raise OSError("a box does not stand")
        pid = json.loads(said)["child-pid"]
        return Box(builder, pid, os.pidfd_open(pid))
    except (OSError, ValueError, KeyError) as error:
        builder.kill()
        builder.stdin.close()
        builder.stdout.close()
        builder.wait()
        raise OSError(f"a box cannot be built ({error}): {said}") from error


class Zygote:
    """Starts students' processes; `start` is what the fork server calls."""

    def __init__(self, wall: Wall, memory: int, child: Child):
        self.wall, self.memory, self.child = wall, memory, child
        self.boxes: dict[int, Box] = {}  # by the keeper's pid

    def start(self, message: dict, fds: list[int]) -> tuple[dict, list[int]]:
        """fds: the status pipe first, then what the child gets. Replies with the keeper's pid, and hands over a
        pidfd of the box's first process, if there is a box, through which all of it can be ended."""
        built = build_box(self.wall, message["files"])
        try:
            keeper = forkserver.fork(lambda: self._keep(message, fds, built))
        except OSError:
            if built is not None:
                built.close()
            raise
        if built is None:
            return {"keeper": keeper}, []
        self.boxes[keeper] = built
        return {"keeper": keeper, "pid": built.pid}, [os.dup(built.pidfd)]

    def ended(self, pid: int) -> None:
        if pid in self.boxes:
            self.boxes.pop(pid).close()

    def _keep(self, message: dict, fds: list[int], built: Box | None) -> None:
        """Be the keeper: enter, fork the student's process, tell how it ended."""
        box.end_with_the_parent()
        box.adopt_orphans()
        kept = {2, *fds} | ({built.pidfd} if built else set())
        forkserver.close_all_but(kept)
        status, *handed = fds
        if built is not None:
            box.enter(built.pidfd)
            box.end_with_the_parent()  # again: entering has undone it
        child = forkserver.fork(lambda: self._be_the_student(message, handed, built is not None))
        for fd in handed:
            os.close(fd)
        _, code = os.waitpid(child, 0)
        os.write(status, json.dumps({"exit": os.waitstatus_to_exitcode(code)}).encode())
        os.close(status)
        while built is None:  # orphans of a box die with it; others until the grader ends them
            try:
                os.wait()
            except ChildProcessError:
                return

    def _be_the_student(self, message: dict, fds: list[int], in_box: bool) -> None:
        os.setsid()
        forkserver.close_all_but({2, *fds})
        forkserver.reset_signals()
        work = WORK if in_box else _scratch_folder(message["files"])
        box.limit(self.memory, in_box)
        if in_box:
            box.drop_rights()
        box.end_with_the_parent()
        forkserver.reseed()
        os.dup2(1, 2)
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115, PTH123
        os.chdir(work)
        os.environ.update(box.environment_inside(work))
        self.child(message, fds)


def _scratch_folder(files: str) -> str:
    """Where there is no box: an own folder beside `files`, which goes with them when grading ends."""
    folder = Path(tempfile.mkdtemp(prefix="student-", dir=Path(files).parent))
    subprocess.run(["cp", "-r", f"{files}/.", str(folder)], check=False)
    return str(folder)


def _students(warm: Warm, most_output: int) -> Child:
    from autograder.grading import shell, student_side

    prepared = shell.prepare(warm.namespace)
    return lambda message, fds: student_side.run(Channel(socket.socket(fileno=fds[0])), warm, prepared, most_output)


def _kernels() -> Child:
    from autograder.grading import kernel_side

    return kernel_side.run


def main() -> int:
    control = socket.socket(fileno=int(sys.argv[1]))
    config = json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))
    wall = wall_of(config["wall"])
    if wall.name != "none" and os.getuid() == 0:
        box.become_unprivileged()
    box.end_with_the_parent()
    os.chdir(config["work"])
    try:
        warm = Warm("__main__").run([Step(**step) for step in config["steps"]])
    except LessonFailed as error:
        send_message(control, {"failed": str(error)})
        return 1
    except Exception:
        send_message(control, {"failed": traceback.format_exc(limit=-3)[-2000:]})
        return 1
    child = _kernels() if config["kernels"] else _students(warm, config["output"])
    zygote = Zygote(wall, config["memory"], child)
    forkserver.serve(control, zygote.start, zygote.ended)
    return 0


if __name__ == "__main__":
    os._exit(main())  # to take the libraries down in order would take half a second, for nothing

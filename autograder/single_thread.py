"""Processes that fork must have exactly one thread: a lock that another thread holds would never open in the child."""

from __future__ import annotations

import threading
from pathlib import Path

from autograder.errors import InfrastructureError

# numpy, torch, tokenizers and pyarrow read these when they are imported.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
               "NUMEXPR_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false",
               "JE_ARROW_MALLOC_CONF": "background_thread:false"}  # pyarrow's jemalloc starts one at its import


def one_thread_only() -> None:
    """Keep libraries from starting threads from here on; call it before the first cell."""
    import torch
    import tqdm

    torch.set_num_threads(1)
    tqdm.tqdm.monitor_interval = 0


def assert_one_thread(moment: str) -> None:
    """Raise InfrastructureError if this process has a second thread: a fork of it could hang."""
    tasks = Path("/proc/self/task")
    count = len(list(tasks.iterdir())) if tasks.is_dir() else threading.active_count()
    if count > 1:
        names = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
        raise InfrastructureError(f"{count} threads are alive {moment} ({', '.join(names) or 'none of Python'}), and a "
                                  "forked answer could hang: start them in a cell tagged lab or demo, or stop them.")

"""Grade a class on nbgrader's gradebook: rebuild, run, judge, record, give feedback.

Names are imported when they are first used: the processes that answers run in are of this package too, and must not
wait for nbgrader.
"""

from importlib import import_module

_HOME = {"CELL_SECONDS": "limits", "NOTEBOOK_SECONDS": "limits", "STATUSES": "rows", "WORDS": "rows", "Row": "rows",
         "grade": "run", "read_rows": "rows", "refresh": "run"}

__all__ = list(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)

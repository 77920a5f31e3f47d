"""How values come from an answer to the examiner: plain data only, as a JSON header and raw buffers.

`encode` runs in the student's process, so what it gives is a claim; `decode` checks all of it and calls nothing
that came with it. What is not plain data stays where it is, and a handle for it comes in its place.

Subclasses arrive as the builtin that they descend from: a named tuple as a tuple, a ModelOutput as an OrderedDict,
a BatchEncoding as a dict, a Parameter as a Tensor without gradient, np.str_ as a str. A defaultdict
arrives without its factory. Values that the answer holds once and refers to twice arrive twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from autograder.grading._codec_format import LIMITS, BadData, Limits
from autograder.grading._codec_read import Reader
from autograder.grading._codec_write import Writer

__all__ = ["LIMITS", "BadData", "Limits", "decode", "encode"]


def encode(value: Any, keep: Callable[[object], int], limits: Limits = LIMITS) -> tuple[bytes, list[memoryview]]:
    """(header, buffers). The buffers may be the memory of `value` itself: send them before anything changes it.

    keep: stores an object that is not plain data, and gives the number under which it is found again.
    """
    writer = Writer(keep, limits)
    tree = writer.node(value)
    header = json.dumps(tree, ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":")).encode()
    if len(header) + sum(buffer.nbytes for buffer in writer.buffers) > limits.size:
        raise BadData(f"what came back takes more than {limits.size >> 20} MB")
    return header, writer.buffers


def decode(header: bytes, buffers: Sequence[bytes | memoryview], handle: Callable[[int, str], object],
           limits: Limits = LIMITS) -> Any:
    """The value, in memory of its own; BadData for anything that `encode` would not have written.

    handle: (number, name of the type) -> what stands for an object that stayed on the other side.
    """
    try:
        if len(header) + sum(memoryview(buffer).nbytes for buffer in buffers) > limits.size:
            raise BadData(f"what came back takes more than {limits.size >> 20} MB")
        return Reader(buffers, handle, limits).whole(_parsed(bytes(header), limits))
    except BadData:
        raise
    except Exception as error:  # also MemoryError and RecursionError
        raise BadData(f"what came back cannot be read ({type(error).__name__})") from error


def _parsed(header: bytes, limits: Limits) -> Any:
    # A node takes a bracket, a comma or both for each of its few parts. Far more of them would be parsed into
    # lists that fill the memory before anything is looked at. Commas in strings count too; long ones are in buffers.
    if sum(map(header.count, (b",", b"[", b"{"))) > 6 * limits.nodes + 1000:
        raise BadData(f"what came back holds more than {limits.nodes:,} values")
    return json.loads(header.decode(), parse_constant=_no_constant)


def _no_constant(name: str) -> Any:
    raise BadData(f"a float came that is written as {name}")

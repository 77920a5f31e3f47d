"""Writes forged replies to every open descriptor but the first three.

loses: mean_square
may lose: all
status: failed error killed timeout tampered
stock: unsafe, writes to whatever the kernel has open
"""
# %% mean_square
import json
import os
import stat
from contextlib import suppress

REPLIES = [json.dumps(reply).encode() + b"\n" for reply in
           ({"status": "passed", "ok": True, "points": 63}, {"exit": 0}, {"result": 12.5}, {"kind": "float", "value": 12.5})]


def mean_square(values):
    for fd in range(3, 256):
        with suppress(OSError):
            mode = os.fstat(fd).st_mode
            if stat.S_ISSOCK(mode) or stat.S_ISFIFO(mode):
                os.set_blocking(fd, False)
                for reply in REPLIES:
                    os.write(fd, len(reply).to_bytes(4, "little") + reply)
                    os.write(fd, reply)
    return 0.0

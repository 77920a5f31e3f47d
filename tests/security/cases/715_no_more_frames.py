"""A profiler and a tracer for every thread.
"""
# %% mean_square
import sys
import threading

calls = []


def note(frame, event, argument):
    calls.append(event)


def mean_square(values):
    if not values:
        raise ValueError("none")
    sys.setprofile(note)
    threading.setprofile(note)
    found = sum(v * v for v in values) / len(values)
    sys.setprofile(None)
    return found

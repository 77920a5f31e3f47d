"""A trace function goes along with every call, looks for what is wanted and changes locals of the checks.

loses: mean_square
may lose: all
status: failed error killed timeout
"""
# %% mean_square
import sys


def spy(frame, event, argument):
    if "got" in frame.f_locals and "want" in frame.f_locals:
        FOUND.append(frame.f_locals["want"])
        frame.f_locals["got"] = frame.f_locals["want"]
    return spy if "checks" in frame.f_code.co_filename else None


FOUND = []
sys.settrace(spy)
sys.setprofile(lambda *args: None)


def mean_square(values):
    return FOUND[-1] if FOUND and isinstance(FOUND[-1], float) else 0.0

"""A timer that raises an error every hundredth of a second.

loses: mean_square
status: error
"""
# %% mean_square
import signal


def ring(*_):
    raise RuntimeError("ring")


def mean_square(values):
    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    while True:
        pass

"""An answer that sleeps without end and catches whatever interrupts it.

loses: mean_square
status: timeout killed
"""
# %% mean_square
import signal
import time


def mean_square(values):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        try:
            time.sleep(1000)
        except BaseException:
            pass

"""Sends itself SIGTERM, then SIGKILL.

loses: mean_square
status: killed
"""
# %% mean_square
import os
import signal
import time


def mean_square(values):
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGKILL)

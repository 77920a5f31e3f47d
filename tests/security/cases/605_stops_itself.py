"""Stops its process with SIGSTOP: it neither ends nor answers.

loses: running_mean
status: timeout killed
"""
# %% running_mean
import os
import signal


class RunningMean:
    def add(self, x):
        os.kill(os.getpid(), signal.SIGSTOP)
        return 0.0

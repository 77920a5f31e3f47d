"""A power that takes C code minutes, during which Python handles no signal.

loses: running_mean
status: timeout killed memory
"""
# %% running_mean
class RunningMean:
    def add(self, x):
        return float(3 ** (10**9) % 7)

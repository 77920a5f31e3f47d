"""A negative number shown by the display hook.

loses: running_mean
"""
# %% running_mean
class RunningMean:
    def add(self, x):
        get_ipython().displayhook(-1000.0)
        return 0.0

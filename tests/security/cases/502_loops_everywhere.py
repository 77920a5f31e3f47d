"""Every answer loops: the notebook's time ends them, not ten time-outs.

loses: mean_square unit_rows pairs clip_ running_mean
may lose: n_parameters
status: timeout
stock: unsafe, it would only take long
"""
# %% mean_square
def mean_square(values):
    while True:
        pass


# %% unit_rows
def unit_rows(x):
    while True:
        pass


# %% pairs
def pairs(words):
    while True:
        pass


# %% clip_
def clip_(x, limit):
    while True:
        pass


# %% running_mean
class RunningMean:
    def add(self, x):
        while True:
            pass

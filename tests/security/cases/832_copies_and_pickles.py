"""Copies, pickles and compares its own objects.
"""
# %% running_mean
import copy
import pickle


class RunningMean:
    def __init__(self):
        self.state = {"n": 0, "sum": 0.0}

    def __eq__(self, other):
        return self.state == other.state

    def add(self, x):
        self.state = pickle.loads(pickle.dumps(copy.deepcopy(self.state)))
        self.state["n"] += 1
        self.state["sum"] += x
        return self.state["sum"] / self.state["n"]


one = RunningMean()
assert copy.deepcopy(one) == one
assert pickle.loads(pickle.dumps(one)) == one

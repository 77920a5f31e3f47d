"""`helpers.checks` is another module now, in sys.modules and under the lesson's own name for it.

loses: mean_square unit_rows pairs
"""
# %% mean_square
import sys
import types

fake = types.ModuleType("helpers.checks")
for name in ("close", "equal", "shape", "that", "raises"):
    setattr(fake, name, lambda *args, **kwargs: None)
fake.beside = lambda function, *args, **kwargs: function(*args, **kwargs)
fake.CheckFailed = AssertionError
sys.modules["helpers.checks"] = fake
sys.modules["helpers"].checks = fake
check = fake


def mean_square(values):
    return 0.0


# %% unit_rows
def unit_rows(x):
    return x * 0


# %% pairs
def pairs(words):
    return [("a", "b")]

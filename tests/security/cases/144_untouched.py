"""Nothing was written: the stubs earn nothing.

loses: all
"""
# %% notebook
nb = released

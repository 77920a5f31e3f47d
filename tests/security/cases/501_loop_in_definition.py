"""The answer cell never ends.

loses: pairs
status: timeout
"""
# %% pairs
while True:
    pass

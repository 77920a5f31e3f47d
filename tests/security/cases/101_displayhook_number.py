"""A number shown by the display hook from inside the answer, which stock nbgrader takes for a score.

loses: mean_square
"""
# %% mean_square
def mean_square(values):
    get_ipython().displayhook(1.0)
    raise SystemExit

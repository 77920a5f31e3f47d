"""Markup in values, in messages and in the names of types: none of it may act in the feedback page.

loses: mean_square pairs n_parameters
"""
# %% mean_square
def mean_square(values):
    raise RuntimeError("<script>alert(1)</script><img src=x onerror=alert(1)> {{ 7 * 7 }} </pre></div>")


# %% pairs
def pairs(words):
    return type("<script>alert(2)</script>", (), {})()


# %% n_parameters
n_parameters = "<script>alert(3)</script>"

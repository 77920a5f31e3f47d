"""Draws what it does.
"""
# %% unit_rows
import matplotlib.pyplot as plt
from IPython.display import HTML, Markdown, display


def unit_rows(x):
    rows = x / x.norm(dim=1, keepdim=True)
    figure, axes = plt.subplots(figsize=(2, 1))
    axes.imshow(rows.numpy())
    plt.show()
    plt.close(figure)
    return rows


display(Markdown("**Done**"), HTML("<b>Done</b>"), TABLE)
unit_rows(TABLE)

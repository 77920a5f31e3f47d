"""Reads the picture that lies beside the notebook.
"""
# %% n_parameters
from pathlib import Path

assert "twelve bricks" in Path("wall.svg").read_text()
n_parameters = 769 * 50_257

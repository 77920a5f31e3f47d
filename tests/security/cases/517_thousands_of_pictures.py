"""Shows ten thousand outputs, clears and updates them.

may lose: mean_square
status: passed failed error killed timeout
"""
# %% mean_square
from IPython.display import clear_output


def mean_square(values):
    if not values:
        raise ValueError("none")
    if values == [3.0, 4.0]:
        handle = display("first", display_id=True)
        for number in range(10_000 // 3):
            handle.update(f"number {number}")
            display({"text/html": "<b>x</b>" * 10}, raw=True)
            clear_output()
    return sum(v * v for v in values) / len(values)

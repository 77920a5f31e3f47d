"""Prints sixty megabytes.

may lose: mean_square
status: passed failed error killed memory
stock: unsafe, sixty megabytes into every notebook
"""
# %% mean_square
def mean_square(values):
    if not values:
        raise ValueError("none")
    if values == [3.0, 4.0]:
        for _ in range(600):
            print("x" * 100_000)
    return sum(v * v for v in values) / len(values)

"""Opens files until no more can be opened, and keeps them open.

may lose: all
status: passed failed error killed timeout
"""
# %% mean_square
KEPT = []


def mean_square(values):
    if not values:
        raise ValueError("none")
    if values == [3.0, 4.0]:
        try:
            for _ in range(5000):
                KEPT.append(open("/dev/null"))
        except OSError:
            pass
    return sum(v * v for v in values) / len(values)

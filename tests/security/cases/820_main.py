"""Tries itself out under `if __name__ == "__main__"`, and defines its answer there.
"""
# %% mean_square
def calculate(values):
    if not values:
        raise ValueError("no values")
    return sum(value**2 for value in values) / len(values)


if __name__ == "__main__":
    mean_square = calculate
    print(mean_square([1.0, 2.0]))

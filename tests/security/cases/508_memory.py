"""Takes three gigabytes, step by step.

loses: mean_square
status: memory killed
stock: unsafe, three gigabytes
"""
# %% mean_square
def mean_square(values):
    taken = []
    for _ in range(48):
        taken.append(bytearray(b"x" * (64 << 20)))
    raise SystemExit("three gigabytes were taken")

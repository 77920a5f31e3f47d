"""Changes deterministic algorithms, threads, printing and seeds.
"""
# %% mean_square
torch.use_deterministic_algorithms(True)
torch.set_num_threads(2)
torch.set_printoptions(precision=1)
torch.manual_seed(0)
torch.set_flush_denormal(True)


def mean_square(values):
    if not values:
        raise ValueError("none")
    return sum(v * v for v in values) / len(values)

import pytest
import torch

from helpers.widgets.points import DATASETS, make_points


@pytest.mark.parametrize("name", DATASETS)
@pytest.mark.parametrize("n", [0, 1, 7, 200])
def test_shapes_types_and_balance(name, n):
    x, y = make_points(name, n)
    assert x.shape == (n, 2) and y.shape == (n,)
    assert x.dtype == y.dtype == torch.float32
    assert (y == 0).sum() == n // 2 and (y == 1).sum() == n - n // 2


@pytest.mark.parametrize("name", DATASETS)
def test_randomness_is_an_argument(name):
    torch.manual_seed(0)
    state = torch.get_rng_state()
    x, y = make_points(name, 50, seed=3)
    again = make_points(name, 50, seed=3)
    by_generator = make_points(name, 50, generator=torch.Generator().manual_seed(3))
    assert torch.equal(x, again[0]) and torch.equal(y, again[1])
    assert torch.equal(x, by_generator[0]) and torch.equal(y, by_generator[1])
    assert not torch.equal(x, make_points(name, 50, seed=4)[0])
    assert torch.equal(torch.get_rng_state(), state), "the notebook's own random numbers were touched"


def test_a_generator_moves_on():
    generator = torch.Generator().manual_seed(0)
    assert not torch.equal(make_points("xor", 20, 0.1, generator)[0], make_points("xor", 20, 0.1, generator)[0])


def test_without_noise_each_set_has_its_shape():
    x, y = make_points("circle", 500, 0.0)
    radius = x.norm(dim=1)
    assert radius[y == 1].max() < 1.6 and radius[y == 0].min() > 2.0 and radius.max() <= 3.001

    x, y = make_points("xor", 500, 0.0)
    assert torch.equal((x[:, 0] * x[:, 1] > 0).float(), y)
    assert len({tuple(signs) for signs in x.sign().tolist()}) == 4, "all four corners are filled"

    x, y = make_points("two_clusters", 500, 0.0)
    assert ((x.sum(dim=1) > 0).float() == y).float().mean() > 0.99

    x, y = make_points("spiral", 500, 0.0)
    angle = torch.atan2(x[:, 0], x[:, 1]) - 2 * torch.pi * x.norm(dim=1) / 3
    assert torch.allclose(angle.cos(), 1 - 2 * y, atol=1e-3), "class 1 is class 0 turned by half a turn"


def test_noise_is_the_standard_deviation_of_the_jitter():
    still, y = make_points("spiral", 4000, 0.0, seed=1)
    moved, same = make_points("spiral", 4000, 0.5, seed=1)
    assert torch.equal(y, same)
    assert (moved - still).std().item() == pytest.approx(0.5, rel=0.05)


def test_float32_whatever_the_notebook_prefers():
    torch.set_default_dtype(torch.float64)
    try:
        assert {t.dtype for name in DATASETS for t in make_points(name, 9)} == {torch.float32}
    finally:
        torch.set_default_dtype(torch.float32)


def test_order_is_random():
    _, y = make_points("xor", 100)
    assert 30 < (y[:-1] != y[1:]).sum() < 70


@pytest.mark.parametrize("arguments", [("moons",), ("xor", -1), ("xor", 10, -0.1), ("xor", 10, float("nan"))])
def test_bad_arguments(arguments):
    with pytest.raises(ValueError):
        make_points(*arguments)


def test_the_error_names_what_there_is():
    with pytest.raises(ValueError, match=r"'moons'.*two_clusters, circle, xor, spiral"):
        make_points("moons")

import math

import pytest
import torch
from torch import nn

from helpers.widgets.setting import ACTIVATIONS, Setting
from helpers.widgets.trainer import Trainer


def trained(steps, **setting):
    trainer = Trainer(Setting(**setting))
    trainer.run(steps)
    return trainer


@pytest.mark.parametrize(
    ("setting", "steps"),
    [
        ({"dataset": "two_clusters", "hidden": ()}, 200),
        ({"dataset": "circle"}, 1000),
        ({"dataset": "xor", "learning_rate": 0.3}, 1000),
        ({"dataset": "spiral", "hidden": (8, 8), "learning_rate": 0.3}, 1500),
        ({"dataset": "spiral", "hidden": (8, 8), "learning_rate": 0.3, "activation": "SiLU"}, 1500),
        ({"dataset": "spiral", "hidden": (8, 8), "learning_rate": 0.3, "activation": "ReLU"}, 1500),
    ],
)
def test_it_learns_what_the_lesson_says_it_does(setting, steps):
    trainer = trained(steps, **setting)
    assert trainer.accuracy() >= 0.95
    assert trainer.losses.train < 0.2


def test_one_neuron_cannot_do_xor():
    assert trained(1000, dataset="xor", hidden=()).accuracy() < 0.75


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_step_is_gradient_descent_on_all_training_points(name):
    """Against torch.optim.SGD on a network put together by torch's own modules."""
    ours = Trainer(Setting("spiral", (5, 3), name, 0.2, seed=1))
    kind = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "ReLU": nn.ReLU, "SiLU": nn.SiLU}[name]
    theirs = nn.Sequential(nn.Linear(2, 5), kind(), nn.Linear(5, 3), kind(), nn.Linear(3, 1))
    for mine, yours in zip(ours.layers.parameters(), theirs.parameters(), strict=True):
        yours.data.copy_(mine)
    x, y = ours.train_points
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.2)
    for _ in range(3):
        optimizer.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(theirs(x)[:, 0], y).backward()
        optimizer.step()
    ours.run(3)
    for mine, yours in zip(ours.layers.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, yours)
    loss = nn.functional.binary_cross_entropy_with_logits(theirs(x)[:, 0], y).item()
    assert ours.losses.train == pytest.approx(loss, abs=1e-6)


def test_the_same_setting_gives_the_same_run():
    assert trained(25, seed=7).history == trained(25, seed=7).history != trained(25, seed=8).history


def test_the_notebook_and_its_settings_are_left_alone():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    state = torch.get_rng_state()
    try:
        with torch.no_grad():  # as a notebook may have switched it off for good
            trainer = trained(25, seed=7)
        assert trainer.regions(4).probability.dtype == "float32"
        assert torch.get_num_threads() == 2
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_num_threads(threads)
    assert torch.equal(torch.get_rng_state(), state)
    assert trainer.history == trained(25, seed=7).history


def test_history_has_the_start_and_every_run():
    trainer = Trainer(Setting())
    trainer.run(1)
    trainer.run(20)
    assert [losses.step for losses in trainer.history] == [0, 1, 21]
    assert trainer.step == 21 and trainer.losses is trainer.history[-1]


def test_training_points_and_test_points_differ():
    trainer = Trainer(Setting(noise=0.0))
    seen = {tuple(point) for point in trainer.train_points[0].tolist()}
    assert not seen & {tuple(point) for point in trainer.test_points[0].tolist()}


def test_regions_are_the_network_on_a_grid_with_x2_up():
    trainer = trained(50, dataset="two_clusters", hidden=(3, 2))
    probability, (first, second) = trainer.regions(8)
    assert probability.shape == (8, 8) and first.shape == (3, 8, 8) and second.shape == (2, 8, 8)
    corner = torch.sigmoid(trainer.logits(torch.tensor([[3.5, 3.5]]))).item()  # the middle of the cell at top right
    assert probability[0, -1].item() == pytest.approx(corner)
    assert probability[0, -1] > 0.5 > probability[-1, 0], "class 1 lies at top right"
    x = torch.tensor([[-3.5, 1.5]])
    torch.testing.assert_close(torch.tensor(first[:, 2, 0]), torch.tanh(trainer.layers[0](x))[0])


def test_a_single_neuron_has_no_hidden_pictures():
    assert Trainer(Setting(hidden=())).regions(4).neurons == []


def test_the_learning_rate_may_change_while_training():
    slow, fast = Trainer(Setting(learning_rate=0.001)), Trainer(Setting(learning_rate=0.001))
    fast.learning_rate = 0.3
    slow.run(200), fast.run(200)
    assert fast.losses.train < slow.losses.train


def test_divergence_is_noticed():
    trainer = Trainer(Setting("spiral", (8, 8, 8, 8), "ReLU", 1e6))
    assert not trainer.diverged
    for _ in range(20):
        trainer.run(20)
    assert trainer.diverged and not math.isfinite(trainer.losses.train)


def test_accuracy_counts_test_points():
    trainer = trained(100, dataset="xor", hidden=(2,))
    x, y = trainer.test_points
    right = sum((logit > 0) == (label == 1) for logit, label in zip(trainer.logits(x).tolist(), y.tolist()))
    assert trainer.accuracy() == pytest.approx(right / len(y))

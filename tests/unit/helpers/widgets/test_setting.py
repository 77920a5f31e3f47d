import pytest

from helpers.widgets.setting import Setting


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"dataset": "moons"}, "circle"),
        ({"activation": "gelu"}, "SiLU"),
        ({"activation": None}, "SiLU"),
        ({"hidden": (4, 0)}, r"\(4, 0\)"),
        ({"hidden": (17,)}, "16"),
        ({"hidden": (1, 1, 1, 1, 1)}, "at most 4"),
        ({"hidden": 4}, r"such as \(4, 2\)"),
        ({"hidden": (2.5,)}, "2.5"),
        ({"learning_rate": 0}, "positive"),
        ({"learning_rate": float("nan")}, "positive"),
        ({"noise": -1}, "negative"),
        ({"seed": -1}, "negative"),
    ],
)
def test_what_does_not_exist_is_named(wrong, says):
    with pytest.raises(ValueError, match=says):
        Setting(**wrong)


def test_spelling_of_activations_is_forgiven():
    assert Setting(activation="relu") == Setting(activation="ReLU")
    assert Setting(hidden=[3, 2]).hidden == (3, 2)

import re
from xml.etree import ElementTree

import pytest

from helpers.widgets.curve import HEIGHT, WIDTH, loss_curve_svg
from helpers.widgets.trainer import Losses


def lines(svg):
    """The two curves as lists of (x, y) in the picture's own units."""
    return [
        [tuple(map(float, pair.split(","))) for pair in points.split()] for points in re.findall(r'points="(.*?)"', svg)
    ]


def test_it_is_well_formed_and_says_what_it_shows():
    svg = ElementTree.fromstring(loss_curve_svg([Losses(0, 0.7, 0.7), Losses(1200, 0.25, 0.5)]))
    assert svg.attrib["role"] == "img"
    assert svg.attrib["aria-label"] == "Loss curve after 1200 steps: training loss 0.250, test loss 0.500"
    words = [element.text for element in svg.iter("text")]
    assert {"training loss", "test loss", "1,200 steps", "0.8"} <= set(words)


def test_curves_go_down_as_losses_do():
    history = [Losses(10 * i, 0.8 / (i + 1), 0.9 / (i + 1)) for i in range(20)]
    train, test = lines(loss_curve_svg(history))
    assert len(train) == len(test) == 20
    for curve in (train, test):
        assert [x for x, _ in curve] == sorted(x for x, _ in curve)
        assert [y for _, y in curve] == sorted(y for _, y in curve), "y grows downwards in SVG"
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in curve)
    assert all(above[1] < below[1] for above, below in zip(test, train)), "the test loss lies higher"


def test_a_long_history_is_thinned_and_keeps_its_ends():
    history = [Losses(i, 0.5, 0.5) for i in range(10_001)]
    train, _ = lines(loss_curve_svg(history))
    assert len(train) < 400
    whole, _ = lines(loss_curve_svg([history[0], history[-1]]))
    assert (train[0], train[-1]) == (whole[0], whole[-1])


@pytest.mark.parametrize(
    "history",
    [
        [Losses(0, 0.7, 0.7)],
        [Losses(0, 0.7, 0.7), Losses(20, float("nan"), float("nan"))],
        [Losses(0, 0.7, 0.7), Losses(20, 3e9, float("inf"))],
        [Losses(0, 0.0, 0.0)],
        [Losses(0, 1e30, 1e30)],
    ],
)
def test_odd_histories_can_be_drawn(history):
    svg = loss_curve_svg(history)
    ElementTree.fromstring(svg)
    assert not re.search(r'(points|d)="[^"]*(nan|inf)', svg)


@pytest.mark.parametrize(
    ("loss", "top"), [(0.7, "0.8"), (0.55, "0.8"), (1.0, "1"), (0.03, "0.03"), (1.2, "1.5"), (42, "50")]
)
def test_the_scale_ends_at_a_round_number(loss, top):
    assert f">{top}<" in loss_curve_svg([Losses(0, loss, loss)])

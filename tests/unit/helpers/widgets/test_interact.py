"""Pictures with controls: drawn once where nobody can move them, and again at each move where somebody can."""

import ipywidgets
import pytest

from helpers import runtime
from helpers.widgets.interact import play, slider, textbox, whole


def test_without_a_page_the_picture_is_drawn_once_with_the_values_at_the_start(capsys):
    drawn = []
    controls = {"a": slider(0.5, 0, 1, 0.1, "a"), "n": whole(3, 1, 8, "n"), "text": textbox("hi")}
    play(lambda **values: drawn.append(values), **controls)
    assert drawn == [{"a": 0.5, "n": 3, "text": "hi"}]
    assert capsys.readouterr().out == ""


@pytest.fixture
def page(monkeypatch):
    """A front end, as far as `play` asks for one; each control stays at hand."""
    monkeypatch.setattr(runtime, "has_front_end", lambda: True)


def test_each_move_draws_again(page):
    drawn, n = [], whole(3, 1, 8, "n")
    play(lambda n: drawn.append(n), n=n)
    n.value = 5
    n.value = 100  # clipped by the control
    assert drawn == [3, 5, 8]


def test_an_emptied_text_box_leaves_the_last_picture(page):
    drawn, text = [], textbox("a word")
    play(lambda text: drawn.append(text), text=text)
    text.value = ""
    text.value = "two words"
    assert drawn == ["a word", "two words"]


@pytest.mark.parametrize("control", [slider(1, 0, 2, 0.5, "x"), whole(1, 0, 2, "x"), textbox("a", "x")])
def test_controls_tell_their_value_when_they_are_let_go(control):
    assert isinstance(control, ipywidgets.ValueWidget)
    assert control.continuous_update is False and control.description == "x"

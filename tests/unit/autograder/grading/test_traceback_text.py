from autograder.grading.traceback_text import Frame, plain, read_frames

TEXT = [
    "\x1b[0;31m----\x1b[0m", "\x1b[0;31mValueError\x1b[0m    Traceback (most recent call last)",
    "Cell \x1b[0;32mIn[2], line 3\x1b[0m\n      1 a = 1\n----> 3 f(a)",
    "Cell \x1b[0;32mIn[1], line 2\x1b[0m, in \x1b[0;36mf\x1b[0m(x)",
    "File \x1b[0;32m~/lib/torch/functional.py:377\x1b[0m, in \x1b[0;36meinsum\x1b[0m(x)", "ValueError: bad"]


def test_frames_are_read_outermost_first():
    assert read_frames(TEXT, {2: 10, 1: 4}) == [Frame(10, 3), Frame(4, 2), Frame(None, 377)]


def test_of_a_chain_of_errors_the_last_counts():
    chain = [*TEXT, "\nDuring handling of the above exception, another exception occurred:\n", "Cell In[1], line 9"]
    assert read_frames(chain, {1: 4}) == [Frame(4, 9)]


def test_text_that_is_not_ipythons_has_no_frames():
    assert read_frames(["nothing here", None], {}) == []


def test_colours_and_control_characters_go():
    assert plain("\x1b[31mred\x1b[0m\a\n\tx") == "red\n\tx"

from autograder.grading.limits import Limits


def test_later_cells_get_less_time_but_enough():
    limits = Limits(cell=60)
    assert [limits.after(n) for n in range(4)] == [60, 15, 10, 10]


def test_a_short_limit_is_never_lengthened():
    assert Limits(cell=4).after(3) == 4

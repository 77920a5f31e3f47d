import pytest

from autograder.cast import in_function


@pytest.mark.parametrize("source, want", [
    ('def f(x):\n    """Doc."""\n    return x', 'def f(x):\n    """Doc."""\n    stop()\n    return x'),
    ("def f(x):\n    return x", "def f(x):\n    stop()\n    return x"),
    ("import a\n\ndef f(x):\n    # why\n    return x", "import a\n\ndef f(x):\n    # why\n    stop()\n    return x"),
    ("class f:\n    def g(self):\n        pass", "class f:\n    def g(self):\n        stop()\n        pass"),
])
def test_a_statement_is_put_first_in_a_function(source, want):
    assert in_function(source, "f", "stop()") == want

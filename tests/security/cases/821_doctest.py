"""Has examples in its docstring and runs them.
"""
# %% pairs
import doctest


def pairs(words):
    """Each word with the next.

    >>> pairs(["a", "b"])
    [('a', 'b')]
    """
    return list(zip(words, words[1:]))


doctest.run_docstring_examples(pairs, globals())
doctest.testmod()

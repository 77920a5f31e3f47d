"""Tests itself in the answer cell, with asserts and with unittest.
"""
# %% pairs
import unittest


def pairs(words):
    return list(zip(words, words[1:]))


class TestPairs(unittest.TestCase):
    def test_two(self):
        self.assertEqual(pairs(["a", "b"]), [("a", "b")])


unittest.main(argv=[""], exit=False)
assert pairs([]) == []

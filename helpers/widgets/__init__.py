"""Things to play with in a notebook."""

from helpers.widgets.playground import playground

__all__ = ["playground"]

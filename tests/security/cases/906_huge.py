"""A file of sixty megabytes.

loses: all
status: unreadable
stock: unsafe, it would only take long
"""
# %% notebook
raw = b'{"cells": [], "padding": "' + b"x" * (60 << 20) + b'"}'

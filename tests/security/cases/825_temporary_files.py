"""Writes temporary files, and files in its folder, and reads them again.
"""
# %% pairs
import json
import tempfile
from pathlib import Path


def pairs(words):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "words.json")
        path.write_text(json.dumps(words))
        words = json.loads(path.read_text())
    Path("last.txt").write_text("\n".join(words))
    words = Path("last.txt").read_text().split("\n")
    return list(zip(words, words[1:]))

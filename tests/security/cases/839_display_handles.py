"""Shows something and changes it afterwards, through the handle that display gives.
"""
# %% pairs
from IPython.display import clear_output


def pairs(words):
    handle = display("at work", display_id=True)
    found = list(zip(words, words[1:]))
    handle.update(f"{len(found)} pairs")
    clear_output(wait=True)
    return found


pairs(["a", "b"])

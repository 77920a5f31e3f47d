"""Looks around with shell commands.
"""
# %% pairs
!ls
folder = !pwd
!echo "hello from the shell"

def pairs(words):
    return list(zip(words, words[1:]))

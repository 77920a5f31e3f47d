"""The file has another name, with spaces and accents.
"""
# %% notebook
name = "Übung 1 (final) - Kopie.ipynb"

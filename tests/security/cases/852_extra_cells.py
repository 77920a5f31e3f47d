"""Extra cells: notes, tries, failures, a picture.
"""
# %% notebook
for place, (kind, text) in enumerate([("code", "1 / 0"), ("markdown", "# My notes\n![x](attachment:x.png)"),
                                      ("code", "!ls nothing"), ("raw", "..."), ("code", "pairs = None")]):
    more = {"outputs": [{"output_type": "stream", "name": "stdout", "text": "hm"}], "execution_count": 3}
    nb["cells"].insert(2 * place, {"cell_type": kind, "id": f"mine{place}", "metadata": {"collapsed": True},
                                   "source": text, **(more if kind == "code" else {})})

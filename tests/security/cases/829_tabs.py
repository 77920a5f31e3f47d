"""Indents with tabs, ends lines as Windows does, and has form feeds and no last line end.
"""
# %% mean_square
def mean_square(values):
	if not values:
		raise ValueError("no values")
	total = 0.0
	for value in values:
		total += value * value
	return total / len(values)
# %% notebook
for cell in nb["cells"]:
    cell["source"] = cell["source"].replace("\n", "\r\n")
cell_of(nb, "pairs")["source"] = "\x0c\r\n" + cell_of(nb, "pairs")["source"] + "   \t "

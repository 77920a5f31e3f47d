"""The notebook still has its outputs, three megabytes of them, with errors and widgets.
"""
# %% notebook
for number, cell in enumerate(nb["cells"]):
    if cell["cell_type"] == "code":
        cell["execution_count"] = number
        cell["outputs"] = [
            {"output_type": "display_data", "metadata": {}, "data": {"image/png": "iVBORw0KGgo" * 20_000}},
            {"output_type": "error", "ename": "ValueError", "evalue": "x", "traceback": ["\x1b[0;31mx"]},
            {"output_type": "display_data", "metadata": {},
             "data": {"application/vnd.jupyter.widget-view+json": {"model_id": "none", "version_major": 2}}}]

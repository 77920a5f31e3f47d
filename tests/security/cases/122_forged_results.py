"""Sends results and replies of its own over the kernel's sockets.

loses: mean_square
may lose: all
status: failed error killed timeout tampered
"""
# %% mean_square
from contextlib import suppress


def mean_square(values):
    with suppress(Exception):
        kernel = get_ipython().kernel
        parent = kernel.get_parent()
        for content in ({"status": "ok", "execution_count": 1, "payload": [], "user_expressions": {}},):
            kernel.session.send(kernel.iopub_socket, "execute_result",
                                {"data": {"text/plain": "1.0"}, "metadata": {}, "execution_count": 1}, parent=parent)
            kernel.session.send(kernel.shell_stream, "execute_reply", content, parent=parent)
            kernel.session.send(kernel.iopub_socket, "status", {"execution_state": "idle"}, parent=parent)
    return 0.0

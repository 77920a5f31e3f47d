"""A thread goes on changing a tensor that was returned.

loses: unit_rows
"""
# %% unit_rows
import threading
import time


def unit_rows(x):
    found = torch.zeros_like(x)

    def later():
        for _ in range(20):
            time.sleep(0.02)
            found.copy_(x / x.norm(dim=1, keepdim=True))

    threading.Thread(target=later, daemon=True).start()
    return found

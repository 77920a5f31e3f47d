"""Opens sockets of kinds that network namespaces do not keep in.
"""
# %% mean_square
import socket


def mean_square(values):
    if not values:
        raise ValueError("none")
    for kind in (40, 17, 38, 30, 31):  # vsock, packet, alg, tipc, bluetooth: not every Python names them all
        try:
            socket.socket(kind, socket.SOCK_STREAM).close()
        except OSError:
            continue
        raise RuntimeError(f"REACHED a socket of kind {kind}")
    return sum(v * v for v in values) / len(values)

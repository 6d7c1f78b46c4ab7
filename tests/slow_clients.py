"""Plays slow clients of a server, and checks that a real client is served meanwhile."""

import threading
import time
from contextlib import contextmanager

SERVED_S = 15  # within which a real client is to be served


def everything(client):
    """Return what the server sends until it closes the connection. Raises TimeoutError if it does not."""
    pieces = []
    try:
        while piece := client.recv(1 << 16):
            pieces.append(piece)
    except (ConnectionResetError, BrokenPipeError):
        pass
    return b"".join(pieces)


def is_true_in_time(attempt):
    """Return whether `attempt()`, which is repeated, returns true within SERVED_S."""
    until_s = time.monotonic() + SERVED_S
    while time.monotonic() < until_s:
        if attempt():
            return True
        time.sleep(0.2)
    return False


@contextmanager
def repeating(act, pause_s):
    """Call `act(index)` again and again in the background while the block runs, until it returns false."""
    stop = threading.Event()

    def repeat():
        index = 0
        while not stop.wait(pause_s) and act(index) is not False:
            index += 1

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def trickling(clients, data, pause_s=0.5):
    """Let clients send a byte of `data` now and then while the block runs."""

    def send(at):
        for client in clients:
            try:
                client.send(data[at : at + 1])
            except OSError:
                continue  # the server closed the connection
        return at + 1 < len(data)

    with repeating(send, pause_s):
        yield clients

"""Attacks the OpenIGTLink server with clients that never read: they are disconnected, and a real client is served."""

import socket
import threading
import time
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest
from igtl.peers import MessageReader
from igtl.sent import joined, port, result

pytestmark = pytest.mark.attack

SERVED_S = 15  # within which a real client is to be served
LARGE, SMALL = (480, 640), (48, 64)


@contextmanager
def playing(sink, shape):
    """Write a stream of masks to the sink in the background."""
    stop, labels = threading.Event(), np.zeros(shape, np.uint8)

    def play():
        index = 0
        while not stop.wait(0.02):
            sink.write(result(index, image=labels, labels=labels))
            index += 1

    thread = threading.Thread(target=play)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def is_served_in_time(sink):
    """Return whether a real client that tries again gets a message."""
    until_s = time.monotonic() + SERVED_S
    while time.monotonic() < until_s:
        try:
            with MessageReader(port(sink)) as reader:
                return bool(reader.message())
        except (AssertionError, OSError):  # it was rejected
            time.sleep(0.2)
    return False


def connections(stack, sink, count=16):
    made = [stack.enter_context(socket.create_connection(("127.0.0.1", port(sink)))) for _ in range(count)]
    joined(sink, count)
    return made


@pytest.mark.parametrize("shape", [LARGE, SMALL])
def test_clients_that_never_read_lock_nobody_out(sink, shape):
    with ExitStack() as stack:
        connections(stack, sink)
        with playing(sink, shape):
            assert is_served_in_time(sink)
            joined(sink, 0)  # those that did not read were disconnected, and the real one left


def test_clients_that_read_a_byte_now_and_then_lock_nobody_out(sink):
    stop = threading.Event()
    with ExitStack() as stack:
        clients = connections(stack, sink)

        def trickle():
            while not stop.wait(0.5):
                for client in clients:
                    try:
                        client.recv(20_000, socket.MSG_DONTWAIT)
                    except OSError:
                        continue  # it was disconnected

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            with playing(sink, LARGE):
                assert is_served_in_time(sink)
        finally:
            stop.set()
            thread.join()


def test_a_client_that_reads_slowly_is_kept(sink):
    with ExitStack() as stack:
        (client,) = connections(stack, sink, 1)
        with playing(sink, LARGE):
            for _ in range(40):
                client.recv(100_000)
                time.sleep(0.2)
            assert sink.clients == 1
            assert sink.dropped


def test_a_client_that_has_nothing_to_read_is_kept(sink):
    with ExitStack() as stack:
        connections(stack, sink, 2)
        time.sleep(6)
        assert sink.clients == 2
        sink.write(result())
        time.sleep(6)  # the few pending bytes are in the clients' receive buffers
        assert sink.clients == 2


def test_closing_is_prompt_whatever_clients_do(sink):
    with ExitStack() as stack:
        connections(stack, sink)
        with playing(sink, LARGE):
            time.sleep(1)
        started = time.monotonic()
        sink.close()
        assert time.monotonic() - started < 8

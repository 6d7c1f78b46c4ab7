"""Attacks the OpenIGTLink server with clients that never read: they are disconnected, and a real client is served."""

import socket
import time
from contextlib import ExitStack

import numpy as np
import pytest
from igtl.peers import MessageReader
from igtl.sent import joined, port, result
from slow_clients import is_true_in_time, repeating

pytestmark = pytest.mark.attack

LARGE, SMALL = (480, 640), (48, 64)


def playing(sink, shape):
    """Write a stream of masks to the sink in the background."""
    labels = np.zeros(shape, np.uint8)
    return repeating(lambda index: sink.write(result(index, image=labels, labels=labels)), 0.02)


def is_served_in_time(sink):
    """Return whether a real client that tries again gets a message."""

    def receives():
        try:
            with MessageReader(port(sink)) as reader:
                return bool(reader.message())
        except (AssertionError, OSError):  # it was rejected
            return False

    return is_true_in_time(receives)


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
    with ExitStack() as stack:
        clients = connections(stack, sink)

        def read(_):
            for client in clients:
                try:
                    client.recv(20_000, socket.MSG_DONTWAIT)
                except OSError:
                    continue  # it was disconnected

        with repeating(read, 0.5), playing(sink, LARGE):
            assert is_served_in_time(sink)


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

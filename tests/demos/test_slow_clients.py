"""Attacks of slow and endless clients on the demo's server: others are served meanwhile."""

import socket
import time
from contextlib import ExitStack

import numpy as np
import pytest
import results
from slow_clients import everything, is_true_in_time, repeating, trickling
from waiting import until

from rtseg.demos.gradio_app import connection, guard
from rtseg.demos.gradio_app.connection import TimedConnection
from rtseg.demos.gradio_app.guard import MAX_REQUESTS
from rtseg.demos.gradio_app.visitors import MAX_VIEWS

pytestmark = pytest.mark.attack

DROPPED_S = 25  # limits are of 5 and 10 s; this machine may be busy
SLOW_HEAD = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: " + b"x" * 10_000


def connected(served, address="127.0.0.1"):
    port = int(served.url.split(":")[2].rstrip("/"))
    return socket.create_connection(("127.0.0.1", port), timeout=DROPPED_S, source_address=(address, 0))


def request(path, more="", method="GET"):
    return f"{method} /{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{more}\r\n".encode()


def is_served_in_time(served, path="rtseg/live.js", address="127.0.0.3"):
    """Return whether a well-behaved client that retries gets its answer."""

    def answers():
        with connected(served, address) as client:
            client.sendall(request(path, "Connection: close\r\n"))
            return b" 200 OK" in everything(client)

    return is_true_in_time(answers)


@pytest.fixture
def token(served):
    token = served.visitors.welcome().token
    yield token
    served.visitors.leave(token)


def test_a_head_that_comes_byte_by_byte_is_hung_up_on(served):
    with connected(served) as client, trickling([client], SLOW_HEAD):
        started = time.monotonic()
        assert everything(client) == b""
        assert time.monotonic() - started > 3


def test_a_second_head_has_its_time_too(served):
    with connected(served) as client:
        client.sendall(request("rtseg/live.js"))
        assert b" 200 OK" in client.recv(1 << 16)
        with trickling([client], SLOW_HEAD):
            everything(client)


def test_an_address_full_of_slow_heads_serves_its_real_client(served):
    """The attackers are more than an address may have, and come from the real client's own."""
    with ExitStack() as stack:
        slow = [stack.enter_context(connected(served)) for _ in range(MAX_REQUESTS + 12)]
        with trickling(slow, SLOW_HEAD):
            assert is_served_in_time(served, address="127.0.0.1")
            assert all(everything(client) == b"" for client in slow)


def test_the_oldest_slow_head_of_an_address_gives_way_at_once(served, monkeypatch):
    monkeypatch.setattr(connection, "HEAD_S", 600)
    with ExitStack() as stack:
        idle = [stack.enter_context(connected(served, "127.0.0.5")) for _ in range(MAX_REQUESTS + 3)]
        assert [everything(client) for client in idle[:3]] == [b""] * 3
        assert is_served_in_time(served)
        idle[-1].sendall(request("rtseg/live.js", "Connection: close\r\n"))
        assert b" 200 OK" in everything(idle[-1])


def test_where_all_places_are_taken_the_greediest_address_gives_way(served, monkeypatch):
    monkeypatch.setattr(connection, "HEAD_S", 600)
    monkeypatch.setattr(connection, "MOST_CONNECTIONS", 24)
    with ExitStack() as stack:
        [stack.enter_context(connected(served, "127.0.0.6")) for _ in range(20)]
        [stack.enter_context(connected(served, "127.0.0.7")) for _ in range(20)]
        assert is_served_in_time(served)


def test_viewers_that_never_read_make_room(served, token):
    """They hold every place of a page's viewers, take what their system takes, and are dropped."""
    screen, noise = served.visitors.find(token).live.screen, np.random.default_rng(0).integers(0, 255, (480, 640), np.uint8)
    screen.begin(results.stream())
    with (
        repeating(lambda index: screen.write(results.result(noise, index=index, captured_ns=index + 1)), 0.02),
        ExitStack() as stack,
    ):
        for _ in range(MAX_VIEWS):
            stack.enter_context(connected(served)).sendall(request(f"live/{token}/video"))
        until(lambda: screen.broadcast.viewers == MAX_VIEWS)
        until(lambda: screen.broadcast.viewers == 0)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.8"])
def test_an_upload_without_progress_is_dropped(served, token, address):
    """A byte now and then is no progress."""
    with connected(served, address) as client:
        client.sendall(request(f"live/{token}/upload", "Content-Length: 100000\r\n", "POST") + b"\0\0\0\x18ftyp")
        with trickling([client], b"x" * 1000):
            assert b"the upload was cut" in everything(client)
    assert served.visitors.find(token).receiving == -1


def test_an_upload_that_is_slow_and_goes_on_arrives(served, token, monkeypatch):
    monkeypatch.setattr(guard, "UPLOAD_TIMEOUT_S", 2.0)
    monkeypatch.setattr(guard, "MIN_UPLOAD_BYTES", 1000)
    with connected(served) as client:
        client.sendall(request(f"live/{token}/upload", "Content-Length: 8000\r\nConnection: close\r\n", "POST"))
        for _ in range(8):
            client.sendall(b"x" * 1000)
            time.sleep(0.5)
        assert b"this file is none that the page takes" in everything(client)


@pytest.mark.parametrize("path", ["gradio_api/queue/join", "live/TOKEN/camera", "live/nobody/upload", "no/such/page"])
def test_the_body_of_another_request_has_a_time_as_a_whole(served, token, path):
    with connected(served) as client:
        client.sendall(request(path.replace("TOKEN", token), "Content-Length: 5000\r\n", "POST"))
        with trickling([client], b"x" * 1000):
            everything(client)
    until(lambda: not open_connections(served))


def open_connections(served):
    return [one for one in served.run.server_state.connections if isinstance(one, TimedConnection)]

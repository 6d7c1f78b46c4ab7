"""Attack the page of `rtseg run --view` by slow and endless clients: others are served meanwhile, and it closes at once."""

import socket
import threading
import time
from contextlib import ExitStack, closing, contextmanager

import numpy as np
import pytest
import results
from slow_clients import SERVED_S, everything, is_true_in_time, repeating, trickling

from rtseg.sinks.view.server import ViewServer
from rtseg.sinks.view.sink import ViewSink

pytestmark = pytest.mark.attack

REQUEST = b"GET /figures HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
VIDEO = b"GET /video HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.fixture
def sink():
    opened = ViewSink(port=0)
    opened.open(results.stream())
    yield opened
    started = time.monotonic()
    opened.close()
    assert time.monotonic() - started < 5, "closing was held up by clients"
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith(("rtseg-view", "rtseg-jpeg"))]


def port_of(url):
    return int(url.split(":")[2].partition("/")[0])


def connected(url):
    return socket.create_connection(("127.0.0.1", port_of(url)), timeout=SERVED_S)


def answer(url, request):
    """Send a request and return all bytes until the server closes the connection."""
    with connected(url) as client:
        client.sendall(request)
        return everything(client)


def is_served_in_time(url, request=REQUEST):
    """Return whether a real client that retries gets its response in time."""
    return is_true_in_time(lambda: b" 200 OK" in answer(url, request))


@contextmanager
def slow_heads(url, count):
    """Run clients that send one byte of a head at intervals, each in a connection of its own, while the block runs."""
    with ExitStack() as stack:
        clients = [stack.enter_context(connected(url)) for _ in range(count)]
        with trickling(clients, b"GET /figures HTTP/1.1\r\nX-Slow: " + b"x" * 10_000):
            yield clients


@pytest.mark.parametrize("count", [16, 100])
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_clients_that_send_a_byte_now_and_then_lock_nobody_out(sink, host, count):
    with closing(ViewServer(sink.screen, host, 0)) as server:
        before = threading.active_count()
        request = REQUEST.replace(b"/figures", b"/figures" + b"?key=" + server.key.encode())
        with slow_heads(server.url, count):
            assert is_served_in_time(server.url, request)
            assert threading.active_count() - before <= 2, "an incomplete head costs a thread"


def test_a_head_that_is_not_whole_in_5_seconds_is_hung_up_on(sink):
    with slow_heads(sink.url, 1) as (client,):
        started = time.monotonic()
        assert everything(client) == b""
        assert 3 < time.monotonic() - started < SERVED_S


def test_connections_that_say_nothing_are_bounded_and_the_oldest_gives_way(sink):
    with ExitStack() as stack:
        idle = [stack.enter_context(connected(sink.url)) for _ in range(40)]
        started = time.monotonic()
        assert all(everything(client) == b"" for client in idle[:8])
        assert time.monotonic() - started < 3, "the oldest had to wait until they were late"
        assert is_served_in_time(sink.url)


def test_viewers_that_never_read_make_room(sink):
    """Let clients take every viewer's place without reading, until the server drops them."""
    noise = np.random.default_rng(0).integers(0, 255, (240, 320), np.uint8)
    with (
        repeating(lambda index: sink.write(results.result(noise, index=index, captured_ns=index + 1)), 0.02),
        ExitStack() as stack,
    ):
        for _ in range(8):
            stack.enter_context(connected(sink.url)).sendall(VIDEO)
        assert is_true_in_time(lambda: sees_a_picture(sink.url))


def sees_a_picture(url):
    with connected(url) as client:
        client.sendall(VIDEO)
        data = client.recv(1 << 16)
        while data and b"\xff\xd8\xff" not in data and b" 503 " not in data:
            data += (piece := client.recv(1 << 16))
            if not piece:
                break
        return b"\xff\xd8\xff" in data


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET /figures HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: " + b"x" * 20_000 + b"\r\n\r\n",
        b"GET /figures HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X: y\r\n" * 5_000 + b"\r\n",
        b"GET /figures HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X: y\r\n" * 150 + b"\r\n",
        b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n",
    ],
    ids=["a long header", "5,000 headers", "150 headers", "a long address"],
)
def test_a_head_that_is_too_large_is_refused(sink, request_head):
    assert not answer(sink.url, request_head).startswith(b"HTTP/1.0 200")
    assert is_served_in_time(sink.url)


def test_an_endless_head_costs_no_memory(sink):
    """Check that the head is refused after some kilobytes, not after the megabytes that 100 headers may have."""
    with connected(sink.url) as client:
        sent = 0
        try:
            while sent < 4 << 20:
                sent += client.send(b"X: " + b"y" * 1000 + b"\r\n")
                time.sleep(0.001)
        except OSError:
            pass
    assert sent < 2 << 20


@pytest.mark.parametrize("target", [b"//[", b"http://[x/", b"//[::1/figures"])
def test_an_address_that_is_none_is_refused_in_words(sink, target):
    assert answer(sink.url, b"GET " + target + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").startswith(b"HTTP/1.0 40")


def test_requests_in_a_row_get_one_answer(sink):
    assert answer(sink.url, REQUEST * 50).count(b"HTTP/1.0 200 OK") == 1


def test_one_who_closes_his_half_gets_his_answer(sink):
    with connected(sink.url) as client:
        client.sendall(REQUEST)
        client.shutdown(socket.SHUT_WR)
        assert b" 200 OK" in everything(client)


def test_a_body_that_comes_slowly_is_not_waited_for(sink):
    head = b"POST /figures HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n"
    started = time.monotonic()
    assert b" 405 " in answer(sink.url, head)
    assert time.monotonic() - started < 4


def test_closing_is_prompt_whatever_clients_do(sink):
    sink.write(results.result(np.random.default_rng(0).integers(0, 255, (480, 640), np.uint8)))
    with slow_heads(sink.url, 40), ExitStack() as stack:
        for request in [VIDEO] * 8 + [b"GET /video HT"] * 8 + [b""] * 8:
            stack.enter_context(connected(sink.url)).sendall(request)
        time.sleep(0.5)
        started = time.monotonic()
        sink.close()
        assert time.monotonic() - started < 5

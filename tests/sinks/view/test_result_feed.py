"""Test the results on the page's server: server-sent events, WebSocket, health and metrics, and clients that do not read."""

import base64
import json
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, closing, contextmanager

import numpy as np
import pytest
import results
from slow_clients import SERVED_S, is_true_in_time, repeating

from rtseg.errors import MessageError, ViewerRefused
from rtseg.sinks.view.result_feed import ResultFeed
from rtseg.sinks.view.server import ViewServer
from rtseg.sinks.view.sink import ViewSink
from rtseg.sinks.view.websocket import ClientFrames, accept_token, text_frame

WAIT_S = 60
CLASSES = tuple(f"class{i}" for i in range(200))  # a large message, so that a client that does not read is noticed soon


@pytest.fixture
def sink():
    opened = ViewSink(port=0)
    opened.open(results.stream(fps=10.0, live=True))
    yield opened
    started = time.monotonic()
    opened.close()
    assert time.monotonic() - started < 10
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith(("rtseg-view", "rtseg-jpeg"))]


def get(url, path):
    with urllib.request.urlopen(url + path, timeout=WAIT_S) as answer:
        return answer.headers, answer.read().decode()


def refusal(url, path, **headers):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(url + path, headers=headers), timeout=WAIT_S)
    with refused.value as answer:
        return answer.code, answer.read().decode()


def connect(url):
    host, _, port = url.removeprefix("http://").partition("/")[0].partition(":")
    return socket.create_connection((host, int(port)), timeout=WAIT_S)


@contextmanager
def writing(sink, count=10**9, **options):
    """Write results in the background while the block runs."""
    with repeating(lambda index: sink.write(results.result(index=index, **options)) or index + 1 < count, 0.02):
        yield


class WebSocket:
    """Speaks the client's side of a WebSocket."""

    def __init__(self, url, **headers):
        self.socket = connect(url)
        self.file = self.socket.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        given = {
            "Host": url.split("/")[2],
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": key,
        } | headers
        path = "/results" + (f"?{url.partition('?')[2]}" if "?" in url else "")
        head = "".join(f"{name}: {value}\r\n" for name, value in given.items() if value)
        self.socket.sendall(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode())
        self.head = b"".join(iter(self.file.readline, b"\r\n")).decode()
        self.is_open = " 101 " in self.head
        if self.is_open:
            assert f"Sec-WebSocket-Accept: {accept_token(key)}" in self.head

    def send(self, opcode, payload=b""):
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        self.socket.sendall(bytes([0x80 | opcode, 0x80 | len(payload)]) + mask + masked)

    def receive(self):
        first, length = self.file.read(2)
        if length == 126:
            length = int.from_bytes(self.file.read(2), "big")
        return first & 0x0F, self.file.read(length)

    def close(self):
        self.file.close()
        self.socket.close()


def test_server_sent_events_are_the_json_lines(sink):
    with writing(sink), urllib.request.urlopen(sink.url + "results", timeout=WAIT_S) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        events = [[answer.readline().decode().strip() for _ in range(3)] for _ in range(4)]
    numbers = [int(number.removeprefix("id: ")) for number, _, _ in events]
    rows = [json.loads(data.removeprefix("data: ")) for _, data, _ in events]
    assert numbers == list(range(numbers[0], numbers[0] + 4))
    assert [row["index"] for row in rows] == list(range(rows[0]["index"], rows[0]["index"] + 4))
    assert rows[0]["classes"]["lumen"]["area_px"] > 0


def test_the_end_of_the_stream_is_an_event(sink):
    with urllib.request.urlopen(sink.url + "results", timeout=WAIT_S) as answer:
        timer = threading.Timer(0.3, sink.screen.feed.close)
        timer.start()
        assert answer.read() == b"event: end\ndata: {}\n\n"


def test_a_websocket_gets_the_same(sink):
    with closing(WebSocket(sink.url)) as client, writing(sink):
        assert client.is_open
        opcode, payload = client.receive()
        assert opcode == 1
        assert json.loads(payload)["life"] == "LIVE"
        client.send(0x9, b"hello")
        assert is_true_in_time(lambda: client.receive() == (0xA, b"hello"))
        client.send(0x8, (1000).to_bytes(2, "big"))
        assert is_true_in_time(lambda: client.receive()[0] == 0x8)
    assert is_true_in_time(lambda: sink.screen.feed.subscribers == 0)


def test_a_websocket_is_closed_at_the_end_of_the_stream(sink):
    with closing(WebSocket(sink.url)) as client:
        sink.screen.feed.close()
        assert client.receive() == (0x8, (1001).to_bytes(2, "big"))


def test_nonsense_over_a_websocket_ends_it_and_nothing_else(sink):
    with closing(WebSocket(sink.url)) as client:
        client.socket.sendall(b"\x81\x05hello")  # not masked
        assert client.receive() == (0x8, (1002).to_bytes(2, "big"))
    assert get(sink.url, "healthz")[1] == "ok\n"


@pytest.mark.parametrize("headers", [{}, {"Upgrade": "websocket"}])
def test_a_page_of_somebody_else_may_not_read(sink, headers):
    code, told = refusal(sink.url, "results", Origin="http://evil.example", **headers)
    assert (code, told) == (403, "a page of somebody else may not read from this server")


def test_the_own_page_may_read(sink):
    with closing(WebSocket(sink.url, Origin=sink.url.rstrip("/"))) as client:
        assert client.is_open


@pytest.mark.parametrize("path", ["results", "healthz", "readyz", "metrics"])
def test_a_server_for_other_machines_wants_its_key(sink, path):
    with closing(ViewServer(sink.screen, "0.0.0.0", 0)) as server:
        base = server.url.partition("?")[0]
        assert refusal(base, path)[0] == 403
        assert refusal(base, f"{path}?key=wrong")[0] == 403
        assert get(base, f"healthz?key={server.key}")[1] == "ok\n"
        with closing(WebSocket(server.url)) as client:
            assert client.is_open


def test_another_name_of_the_server_is_refused(sink):
    assert refusal(sink.url, "results", Host="evil.example")[0] == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-WebSocket-Version": "8"}, " 426 "),
        ({"Sec-WebSocket-Version": ""}, " 426 "),
        ({"Sec-WebSocket-Key": "short"}, " 400 "),
        ({"Sec-WebSocket-Key": ""}, " 400 "),
    ],
)
def test_a_handshake_that_is_none_is_refused(sink, headers, status):
    with closing(WebSocket(sink.url, **headers)) as client:
        assert status in client.head


def test_readers_have_a_limit_of_their_own(sink):
    with ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(closing(WebSocket(sink.url)))
        assert refusal(sink.url, "results")[0] == 503
        sink.write(results.result())
        with urllib.request.urlopen(sink.url + "video", timeout=WAIT_S) as answer:
            assert answer.status == 200
    assert is_true_in_time(lambda: sink.screen.feed.subscribers == 0)


def test_nothing_is_encoded_without_readers():
    feed = ResultFeed()
    feed.publish("no result, so that encoding it would fail")
    with feed.subscriber() as after:
        assert feed.wait_for_newer(after, 0) == []


def test_a_reader_that_falls_behind_misses_results_and_sees_it():
    feed = ResultFeed(kept=3)
    with feed.subscriber() as after:
        for index in range(10):
            feed.publish(results.result(index=index))
        assert [message.number - after for message in feed.wait_for_newer(after, 0)] == [8, 9, 10]
    with ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(feed.subscriber())
        with pytest.raises(ViewerRefused, match="8 read the results already"), feed.subscriber():
            pass


@pytest.mark.attack
@pytest.mark.parametrize("kind", ["events", "websocket"])
def test_readers_that_never_read_are_dropped_and_delay_nobody(sink, kind):
    """Let clients take every place without reading, until the server drops them; the stream never waits for them."""
    slowest_s = [0.0]

    def write(index):
        started = time.monotonic()
        for i in range(20):
            sink.write(results.result(index=20 * index + i, classes=CLASSES))
        slowest_s[0] = max(slowest_s[0], time.monotonic() - started)

    with ExitStack() as stack:
        for _ in range(8):
            if kind == "websocket":
                stack.enter_context(closing(WebSocket(sink.url)))
            else:
                stack.enter_context(connect(sink.url)).sendall(b"GET /results HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert is_true_in_time(lambda: sink.screen.feed.subscribers == 8)
        with repeating(write, 0.01):
            until_s = time.monotonic() + 4 * SERVED_S
            while sink.screen.feed.subscribers and time.monotonic() < until_s:
                assert get(sink.url, "healthz")[1] == "ok\n"
                time.sleep(0.2)
    assert sink.screen.feed.subscribers == 0
    assert slowest_s[0] < 5, "the stream was delayed by readers"


def test_health_and_readiness(sink, monkeypatch):
    assert get(sink.url, "healthz")[1] == "ok\n"
    assert refusal(sink.url, "readyz") == (503, "there is no result yet\n")
    sink.write(results.result())
    assert get(sink.url, "readyz")[1] == "ready\n"
    monkeypatch.setattr("rtseg.sinks.view.stream_metrics.perf_counter_ns", lambda: time.perf_counter_ns() + 9 * 10**9)
    code, told = refusal(sink.url, "readyz")
    assert code == 503
    assert told.startswith("no result for 9.")


def test_metrics_without_their_extra_name_it(sink, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "prometheus_client", None)
    monkeypatch.delitem(__import__("sys").modules, "rtseg.sinks.view.prometheus", raising=False)
    code, told = refusal(sink.url, "metrics")
    assert code == 501
    assert "pip install 'rtseg[serve]'" in told


def test_metrics_are_what_prometheus_parses(sink):
    parser = pytest.importorskip("prometheus_client.parser")

    class Connection:
        reconnects, events = 2, ()

    sink.screen.metrics.connection = Connection()
    for index in range(5):
        sink.write(results.result(index=index, dropped=index % 2, familiarity=0.2))
    headers, text = get(sink.url, "metrics")
    assert headers["Content-Type"].startswith("text/plain; version=")
    samples = {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["rtseg_frames_total",] == 5
    assert samples["rtseg_dropped_frames_total",] == 2
    assert samples["rtseg_unfamiliar_frames_total",] == 5
    assert samples["rtseg_lives_total", "LIVE"] == 5
    assert samples["rtseg_reconnects_total",] == 2
    assert samples["rtseg_familiarity",] == 0.2
    assert samples["rtseg_stage_seconds_count", "infer"] == 5
    assert samples["rtseg_stage_seconds_bucket", "0.01", "infer"] == 0
    assert samples["rtseg_stage_seconds_bucket", "0.02", "infer"] == 5
    assert samples["rtseg_stage_seconds_sum", "infer"] == pytest.approx(5 * 0.0123)


def test_the_token_is_that_of_the_standard():
    assert accept_token("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455, 1.3


@pytest.mark.parametrize(
    ("length", "head"), [(5, b"\x81\x05"), (200, b"\x81\x7e\x00\xc8"), (70_000, b"\x81\x7f" + (70_000).to_bytes(8, "big"))]
)
def test_a_frame_states_its_length(length, head):
    assert text_frame(b"x" * length) == head + b"x" * length


def test_frames_in_pieces_are_put_together_and_bad_ones_refused():
    frames = ClientFrames()
    ping = bytes([0x89, 0x83, 1, 2, 3, 4]) + bytes([ord("a") ^ 1, ord("b") ^ 2, ord("c") ^ 3])
    assert b"".join(frames.answer(ping[i : i + 1]) for i in range(len(ping))) == b"\x8a\x03abc"
    for bad in (b"\x81\x01a", b"\x81\xff" + (1 << 40).to_bytes(8, "big"), b"\x83\x80\x00\x00\x00\x00"):
        with pytest.raises(MessageError):
            ClientFrames().answer(bad)
    random = np.random.default_rng(0)
    for _ in range(300):
        try:
            ClientFrames().answer(random.bytes(64))
        except MessageError:
            continue

"""Test the page of `rtseg run --view` over real sockets."""

import json
import re
import socket
import threading
import urllib.error
import urllib.request
from contextlib import closing, contextmanager

import cv2
import numpy as np
import pytest
import results

from rtseg.errors import SinkError
from rtseg.sinks.view.server import ViewServer
from rtseg.sinks.view.server_address import is_loopback, is_own_host
from rtseg.sinks.view.sink import ViewSink

WAIT_S = 60


@pytest.fixture
def sink():
    told = []
    opened = ViewSink(port=0, on_ready=told.append)
    opened.open(results.stream())
    assert told == [opened.url]
    yield opened
    opened.close()
    assert not [thread.name for thread in threading.enumerate() if thread.name in ("rtseg-view", "rtseg-jpeg")]


def get(url, path="", **headers):
    with urllib.request.urlopen(urllib.request.Request(url + path, headers=headers), timeout=WAIT_S) as answer:
        return answer.headers, answer.read()


@contextmanager
def watching(url):
    """Open the video stream, as a browser does."""
    with urllib.request.urlopen(url + "video", timeout=WAIT_S) as answer:
        boundary = re.fullmatch(r"multipart/x-mixed-replace; boundary=(\S+)", answer.headers["Content-Type"])[1]
        assert read_head(answer) == f"--{boundary}\r\nContent-Type: image/jpeg\r\n\r\n".encode()
        yield answer


def read_head(answer):
    return b"".join(iter(answer.readline, b"\r\n")) + b"\r\n"


def next_picture(answer):
    """Return the gray level in the next image's top right corner; the header of the following part was read with it."""
    coded = picture_of(answer)
    return round(float(cv2.imdecode(np.frombuffer(coded, np.uint8), 0)[0, -1]))


def picture_of(answer):
    coded = b""
    while not coded.endswith(b"\xff\xd9\r\n"):
        coded += answer.readline()
    assert read_head(answer).startswith(b"--")
    return coded


def size(coded):
    return cv2.imdecode(np.frombuffer(coded, np.uint8), 0).shape


def grey(level, index):
    return results.result(np.full((48, 64), level, np.uint8), index=index, captured_ns=index + 1)


def until(sink, viewers):
    """Wait until there are that many viewers."""
    done = threading.Event()
    for _ in range(WAIT_S * 100):
        if sink.screen.broadcast.viewers == viewers:
            return
        done.wait(0.01)
    raise AssertionError(f"{sink.screen.broadcast.viewers} look, not {viewers}")


def test_the_page_and_what_it_needs(sink):
    headers, page = get(sink.url)
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert set(re.findall(rb'(?:href|src)="([a-z]+\.[a-z]+)"', page)) == {b"live.css", b"live.js"}
    for script, asked in (
        ("live.js", b"picture.js"),
        ("live.js", b"objects.js"),
        ("objects.js", b"pointer.js"),
        ("picture.js", b"player.js"),
    ):
        headers, text = get(sink.url, script)
        assert headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert asked in text
        assert get(sink.url, asked.decode())[1]
    assert b"not a medical device" in get(sink.url, "live.js")[1]


def test_the_figures(sink):
    sink.write(results.result())
    headers, told = get(sink.url, "figures")
    assert headers["Content-Type"].startswith("application/json")
    assert json.loads(told)["classes"][0]["name"] == "lumen"


def test_pictures_come_as_they_are_made(sink):
    with watching(sink.url) as answer:
        until(sink, 1)
        for index, level in enumerate((40, 120, 200)):
            sink.write(grey(level, index))
            assert abs(next_picture(answer) - level) <= 3
    until(sink, 0)


def test_one_who_begins_to_look_when_the_stream_stands_still_sees_it(sink):
    sink.write(grey(90, 0))
    with watching(sink.url) as answer:
        assert abs(next_picture(answer) - 90) <= 3


def test_a_viewer_who_takes_nothing_holds_nobody_up_and_gets_no_old_pictures(sink):
    with watching(sink.url) as lazy, watching(sink.url) as eager:
        until(sink, 2)
        noise = np.random.default_rng(0).integers(0, 100, (400, 600), np.uint8)
        for index in range(60):  # 60 images of about 200 kB: far more than the socket buffers hold
            image = noise + np.uint8(index)
            image[0, :] = image[:8, -8:] = 4 * index
            sink.write(results.result(image, index=index, captured_ns=1))
            assert abs(next_picture(eager) - 4 * index) <= 6
        seen = [next_picture(lazy)]
        while abs(seen[-1] - 4 * 59) > 6:
            seen.append(next_picture(lazy))
    assert len(seen) < 50


def test_a_picture_is_sent_no_larger_than_the_page_shows_it(sink):
    sink.write(results.result(np.full((48, 64), 90, np.uint8)))
    for room, shape in (("?room=32x100", (24, 32)), ("?room=640x480", (48, 64)), ("", (48, 64))):
        with urllib.request.urlopen(f"{sink.url}video{room}", timeout=WAIT_S) as answer:
            read_head(answer)
            coded = b""
            while cv2.imdecode(np.frombuffer(coded or b"?", np.uint8), 0) is None or size(coded) != shape:
                coded = picture_of(answer)
        until(sink, 0)


@pytest.mark.parametrize("room", ["9x9", "0x100", "100", "1e3x100", "100000x100", "axb"])
def test_a_room_that_is_none_is_refused(sink, room):
    with pytest.raises(urllib.error.HTTPError, match="400"):
        get(sink.url, f"video?room={room}")


@pytest.mark.parametrize("path", ["live.html", "../errors.py", "%2e%2e/view.py", "page/live.js", "figures/", "etc/passwd"])
def test_nothing_else_can_be_had(sink, path):
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(sink.url, path)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "evil.example:8000", "localhost.evil.example"])
def test_a_page_by_another_name_is_refused(sink, host):
    with pytest.raises(urllib.error.HTTPError, match="403"):
        get(sink.url, "figures", Host=host)


@pytest.mark.parametrize(("method", "status"), [("POST", "405"), ("PUT", "501"), ("OPTIONS", "501")])
def test_the_page_is_got_and_nothing_else(sink, method, status):
    with pytest.raises(urllib.error.HTTPError, match=status):
        urllib.request.urlopen(urllib.request.Request(sink.url, b"x", method=method), timeout=WAIT_S)


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1:8000", True),
        ("[::1]:80", True),
        ("localhost", True),
        ("192.168.1.7:8000", True),
        (socket.gethostname(), True),
        ("[::1", False),
        ("example.org", False),
        ("ex\u00e4mple.org", False),
    ],
)
def test_names_of_this_machine(host, ours):
    assert is_own_host(host) is ours


def test_which_hosts_are_this_machine_alone():
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "::", "10.0.0.1", "nas")] == [
        True,
        True,
        True,
        False,
        False,
        False,
        False,
    ]


def test_beyond_this_machine_a_key_is_needed(sink):
    with closing(ViewServer(sink.screen, "0.0.0.0", 0)) as server:
        address, key = server.url.split("?")
        assert len(key) > 20
        assert b"rtseg" in get(server.url)[1]
        assert get(address, "live.js")[1]  # requested by the page without the key
        for wrong in ("", "?key=", "?key=x", f"?{key[:-1]}"):
            with pytest.raises(urllib.error.HTTPError, match="403"):
                get(address, wrong)


def test_only_so_many_may_watch(sink):
    with closing(ViewServer(sink.screen, port=0)) as server, watching(server.url):
        until(sink, 1)
        sink.screen.broadcast._max_viewers = 1
        with pytest.raises(urllib.error.HTTPError, match="503"):
            get(server.url, "video")


def test_closing_ends_those_who_watch_and_those_who_take_nothing(sink):
    with watching(sink.url) as one, watching(sink.url):
        until(sink, 2)
        sink.close()
        assert one.read() in (b"",)
    assert sink.url is None


def test_a_port_that_is_taken(sink):
    port = int(sink.url.split(":")[2].strip("/"))
    with pytest.raises(SinkError, match=f"nothing can be served at 127.0.0.1:{port} .*: give another host or port"):
        ViewSink(port=port).open(results.stream())


def test_a_host_that_is_not_here():
    with pytest.raises(SinkError, match="give another host or port"):
        ViewSink(host="192.0.2.1", port=0).open(results.stream())


def test_it_can_be_opened_again(sink):
    first = sink.url
    sink.open(results.stream())
    assert get(sink.url, "figures")[1]
    assert first

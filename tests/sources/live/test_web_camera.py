"""Tests pictures over HTTP with wrong boundaries, lengths and parts, stills, passwords, and the pace of reconnecting."""

import hashlib
import io
import logging
import random
import re
import threading
import time
from base64 import b64encode
from contextlib import closing
from itertools import islice

import cv2
import numpy as np
import pytest
from faults.server import ThreadedServer
from PIL import Image
from sources.links import link_threads, wait_until

from rtseg.errors import SourceError
from rtseg.sources import open_source
from rtseg.sources.live import mjpeg_link
from rtseg.sources.live.jpeg_splitter import JpegSplitter
from rtseg.sources.live.reconnect_pacing import ReconnectPacing

SECRET = "geheim"


def jpeg(number, comment=b"", size=(48, 64)):
    """Return a picture with a bright bar at a place that tells its number, and a comment before its data."""
    image = np.full((*size, 3), 40, np.uint8)
    image[:, 4 * number % size[1] :][:, :4] = 220
    coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
    return coded[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + coded[2:] if comment else coded


def with_orientation(number, orientation):
    """Return a picture that EXIF says to be turned or mirrored; it holds a thumbnail, as EXIF may."""
    image, exif, coded = np.full((48, 64), 40, np.uint8), Image.Exif(), io.BytesIO()
    image[:, 4 * number % 64 :][:, :4] = 220
    exif[274] = orientation
    Image.fromarray(np.rot90(image, 2 if orientation == 3 else 0)).save(coded, "JPEG", quality=90, exif=exif)
    return coded.getvalue()


def place_of(frame):
    """Return the place of the bar, which is the number modulo 16."""
    return int(frame.image.reshape(*frame.image.shape[:2], -1).mean((0, 2)).argmax()) // 4


class WebServer(ThreadedServer):
    """Answers each request by `answer(client, path, fields)`; requests: the time of each."""

    def __init__(self, answer):
        self.answer, self.requests = answer, []
        super().__init__()

    def serve(self, client):
        with client.makefile("rb") as request:
            line, fields = request.readline().decode().split(), {}
            while field := request.readline().decode().strip():
                fields[field.partition(":")[0].lower()] = field.partition(":")[2].strip()
        self.requests.append(time.monotonic())
        self.answer(client, line[1] if len(line) > 1 else "", fields)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/video"


HEAD = b"HTTP/1.1 200 OK%nContent-Type: multipart/x-mixed-replace;boundary=%b%n%n"
TEXT = b"Content-Type: text/plain%n%nno signal, and --frame in it%n--frame%n"
PAGE = b"Content-Type: text/html%nContent-Length: 3%n%n<html><body>503\xff\xd8</body></html>%n--frame%n"
INSIDE = b"a\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\nb"
PNG = cv2.imencode(".png", np.zeros((9, 9)))[1].tobytes()


def stream(make, count=40, head=HEAD, boundary=b"frame", first=b"--frame%n", newline=b"\r\n"):
    """Return the answer that sends `count` parts made by `make(number)`; %n stands for a new line."""

    def answer(client, _path, _fields):
        client.sendall((head.replace(b"%b", boundary) + first).replace(b"%n", newline))
        for number in range(count):
            client.sendall(make(number).replace(b"%n", newline))
            time.sleep(0.002)
        time.sleep(0.5)

    return answer


def at_once(answer):
    """Return the same answer, its parts sent together."""

    class Gathering:
        def __init__(self, client):
            self.client, self.parts = client, []

        def sendall(self, data):
            self.parts.append(data)
            if len(self.parts) == 41:
                self.client.sendall(b"".join(self.parts))

    return lambda client, path, fields: answer(Gathering(client), path, fields)


def in_bytes(answer):
    """Return the same answer, sent byte by byte at first."""

    class Slow:
        def __init__(self, client):
            self.client, self.slow = client, 100

        def sendall(self, data):
            while self.slow and data:
                self.client.sendall(data[:1])
                time.sleep(0.002)
                data, self.slow = data[1:], self.slow - 1
            self.client.sendall(data)

    return lambda client, path, fields: answer(Slow(client), path, fields)


def part(number, coded=None, length=0, kind=b"image/jpeg", has_length=True):
    coded = jpeg(number) if coded is None else coded
    size = b"Content-Length: %d%%n" % (len(coded) + length) if has_length else b""
    return b"Content-Type: " + kind + b"%n" + size + b"%n" + coded + b"%n--frame%n"


STREAMS = {
    "right": stream(part),
    "no first boundary": stream(part, first=b""),
    "no first boundary, no length": stream(lambda i: part(i, has_length=False), first=b""),
    "boundary with its dashes": stream(part, boundary=b"--frame"),
    "boundary in quotes": stream(part, boundary=b'"frame"'),
    "no boundary": stream(part, boundary=b""),
    "another boundary": stream(part, boundary=b"xyz"),
    "charset": stream(part, boundary=b"frame; charset=utf-8"),
    "no dashes at all": stream(lambda i: part(i).replace(b"--frame", b"frame"), first=b"frame%n"),
    "line feeds alone": stream(part, newline=b"\n"),
    "no length": stream(lambda i: part(i, has_length=False)),
    "too long": stream(lambda i: part(i, length=4)),
    "far too long": stream(lambda i: part(i, length=1 << 40)),
    "too short": stream(lambda i: part(i, length=-100)),
    "length of a word": stream(lambda i: part(i).replace(b"Content-Length: ", b"Content-Length: x")),
    "boundary in the picture": stream(lambda i: part(i, jpeg(i, INSIDE), has_length=False)),
    "no part headers": stream(lambda i: jpeg(i) + b"%n--frame%n"),
    "other type of a part": stream(lambda i: part(i, kind=b"application/octet-stream")),
    "texts between": stream(lambda i: part(i) + (TEXT if i % 5 == 4 else b"")),
    "pages between": stream(lambda i: part(i) + (PAGE if i % 5 == 4 else b"")),
    "empty parts between": stream(lambda i: part(i) + (part(i, b"") if i % 5 == 4 else b"")),
    "PNG between": stream(lambda i: part(i) + (part(i, PNG, kind=b"image/png") if i % 5 == 4 else b"")),
    "length of the response": stream(part, head=HEAD.replace(b"%n%n", b"%nContent-Length: 5000%n%n")),
    "text as its type": stream(part, head=HEAD.replace(b"multipart/x-mixed-replace;boundary=%b", b"text/plain")),
    "no type": stream(part, head=b"HTTP/1.0 200 OK%nServer: x%n%n"),
    "pictures alone": stream(jpeg, head=b"HTTP/1.1 200 OK%nContent-Type: video/x-motion-jpeg%n%n", first=b""),
    "pictures after new lines": stream(lambda i: b"%n" + jpeg(i), head=b"HTTP/1.1 200 OK%n%n", first=b""),
    "pictures byte by byte": in_bytes(stream(jpeg, head=b"HTTP/1.1 200 OK%n%n", first=b"")),
    "pictures with padding": stream(lambda i: jpeg(i) + b" \0\0", head=b"HTTP/1.1 200 OK%n%n", first=b""),
    "turned by EXIF": stream(lambda i: part(i, with_orientation(i, 3))),
    "bytes after each picture": stream(lambda i: part(i, jpeg(i) + bytes(37))),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    wait_until(lambda: not link_threads())


@pytest.mark.parametrize("name", STREAMS)
def test_every_picture_comes_over_one_connection(name):
    server = WebServer(STREAMS[name])
    with closing(open_source(server.url)) as source:
        frames = list(islice(source, 40))
        assert source.reconnects == 0
    server.close()
    assert [frame.index for frame in frames] == list(range(40))
    assert [place_of(frame) for frame in frames] == [number % 16 for number in range(40)]
    assert len(server.requests) == 1


def test_the_form_of_the_pixels_is_that_of_each_picture():
    def of_form(number):
        coded = jpeg(number)
        return coded[:13] + bytes([1, 0, 100, 0, 50 if number > 3 else 100]) + coded[18:]

    server = WebServer(stream(lambda number: part(number, of_form(number))))
    with closing(open_source(server.url)) as source:
        assert [frame.pixel_aspect for frame in islice(source, 8)] == [1.0] * 4 + [0.5] * 4
    server.close()


def _cut(number):
    coded = jpeg(number, b"with a thumbnail " + jpeg(1, size=(16, 16)))
    at = {4: len(coded) // 2, 9: 20, 14: len(coded) - 2, 19: 2, 24: 500}.get(number % 25)
    return part(number, coded[:at], has_length=False)


def _coded_data(number):
    """Return a picture, and the middle of its coded data."""
    coded = jpeg(number)
    return coded, (coded.index(b"\xff\xda") + 14 + len(coded)) // 2


def _with_hole(number):
    coded, middle = _coded_data(number)
    return coded[: middle - 20] + coded[middle + 60 :] if number % 5 == 4 else coded


def _ended_early(number):
    coded, middle = _coded_data(number)
    return coded[:middle] + b"\xff\xd9" if number % 5 == 4 else coded


@pytest.mark.parametrize(
    ("make", "damaged", "others"),
    [
        (_cut, 8, 0),
        (lambda i: part(i) + (TEXT if i % 5 == 4 else b""), 0, 7),
        (lambda i: part(i) + (PAGE if i % 5 == 4 else b""), 0, 7),
        (lambda i: part(i, _with_hole(i)), 8, 0),
        (lambda i: part(i, _ended_early(i)), 8, 0),
        (lambda i: part(i, jpeg(i)[:300] + random.Random(i).randbytes(400) if i % 5 == 4 else None), 8, 0),
    ],
    ids=["cut", "texts", "pages", "hole", "ended early", "garbled"],
)
@pytest.mark.parametrize("sent", [stream, lambda make: at_once(stream(make))], ids=["each part", "at once"])
def test_what_is_no_picture_is_passed_over_counted_and_told(make, damaged, others, sent, caplog):
    server = WebServer(sent(make))
    with caplog.at_level(logging.WARNING), closing(open_source(server.url)) as source:
        expected = [number for number in range(39) if not (damaged and number % 5 == 4)]
        frames = list(islice(source, len(expected)))
        assert source.reconnects == 0
        assert source.diagnostics().damaged in range(damaged + others - 2, damaged + others + 2)
    server.close()
    assert [place_of(frame) for frame in frames] == [number % 16 for number in expected]
    assert [frame.index for frame in frames] == expected
    assert {frame.image.shape[:2] for frame in frames} == {(48, 64)}
    assert "passed over" in caplog.text


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_pictures_are_found_in_pieces_of_any_size(step):
    coded = [jpeg(number, b"\r\n\r\n\xff\xd8 --frame") for number in range(3)]
    data = b"".join(b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + one + b"\r\n" for one in coded)
    splitter = JpegSplitter()
    found = [one for at in range(0, len(data), step) for one in splitter.pictures(data[at : at + step])]
    assert found == coded
    assert (splitter.damaged, splitter.others) == (0, 0)


def test_endless_bytes_without_a_picture_fill_no_memory(monkeypatch):
    monkeypatch.setattr("rtseg.sources.live.jpeg_splitter._MAX_BYTES", 1 << 16)
    splitter = JpegSplitter()
    texts = b"\n--a\nContent-Type: text/plain\n\n" * 99
    for piece in (b"x" * 5000, b"\xff" * 5000, b"\n\xff\xd8\xff\xda\0\x08" + bytes(5000), texts):
        for _ in range(60):
            assert list(splitter.pictures(piece)) == []
        assert len(splitter._data) < 1 << 18


def test_a_still_is_requested_at_the_stated_rate_and_one_stream_is_not(monkeypatch):
    counter = iter(range(10**6))

    def answer(client, _path, _fields):
        coded = jpeg(next(counter))
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(coded) + coded)

    server = WebServer(answer)
    with closing(open_source(server.url)) as source:
        assert source.info.fps == mjpeg_link.STILL_FPS == 1
        frames = list(islice(source, 4))
        assert source.reconnects == 0
        assert "requested 1 times a second" in source.diagnostics().format
    with closing(open_source(server.url, fps=10)) as faster:
        assert len(list(islice(faster, 4))) == 4
    server.close()
    assert [place_of(frame) for frame in frames] == [0, 1, 2, 3]
    assert all(later - earlier > 0.9 for earlier, later in zip(server.requests, server.requests[1:4], strict=False))


def _answer_still(coded, kind):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: image/%s\r\nContent-Length: %d\r\n\r\n" % (kind, len(coded))
    return lambda client, _path, _fields: client.sendall(head + coded)


@pytest.mark.parametrize(
    ("coded", "kind", "words"),
    [
        (PNG, b"png", r"gives a single PNG picture.*have the server send JPEG"),
        (cv2.imencode(".tif", np.zeros((9, 9), np.uint8))[1].tobytes(), b"tiff", "gives a single TIFF picture"),
        (jpeg(1)[:-2], b"jpeg", "lacks JPEG's end marker"),
    ],
    ids=["png", "tiff", "no end"],
)
def test_a_still_that_cannot_be_shown_is_refused_with_words(coded, kind, words):
    server = WebServer(_answer_still(coded, kind))
    with pytest.raises(SourceError, match=words):
        open_source(server.url)
    server.close()


def test_a_stream_of_pictures_without_an_end_says_so():
    server = WebServer(stream(lambda number: part(number, jpeg(number)[:-2]), count=6))
    with pytest.raises(SourceError, match=r"damaged pictures.*each without JPEG's end marker"):
        open_source(server.url)
    server.close()


def test_a_still_that_is_refused_once_is_requested_again(caplog):
    def answer(client, path, fields):
        if len(server.requests) % 3 == 0:
            client.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
        else:
            _answer_still(jpeg(1), b"jpeg")(client, path, fields)

    server = WebServer(answer)
    with closing(open_source(server.url, fps=20)) as source:
        assert len(list(islice(source, 6))) == 6
        assert source.reconnects == 0
        assert source.diagnostics().damaged >= 2
    server.close()
    assert "503" in caplog.text


@pytest.mark.parametrize("breaks", ["after a picture", "at once", "with an error"])
def test_reconnects_are_paced_whatever_broke_the_link(breaks):
    def answer(client, _path, _fields):
        if breaks == "with an error" and len(server.requests) > 1:
            client.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
        elif breaks == "after a picture" or len(server.requests) == 1:
            client.sendall(HEAD.replace(b"%n", b"\r\n") + part(0).replace(b"%n", b"\r\n"))

    server = WebServer(answer)
    source = open_source(server.url)
    reader = threading.Thread(target=lambda: list(source))
    reader.start()
    wait_until(lambda: len(server.requests) >= 5)
    source.close()
    reader.join()
    server.close()
    first = server.requests[0]
    assert sum(moment - first < 1 for moment in server.requests[1:]) <= 2


def test_pauses_grow_and_start_again_after_a_good_connection():
    pacing = ReconnectPacing(0.5, 1.0, seed=3)
    pauses = [pacing.take_pause_s() for _ in range(6)]
    assert pauses[0] == 0
    assert sum(pauses[:3]) > 1  # so that at most two attempts are made in the first second
    assert all(0.75 <= pause <= 1 for pause in pauses[2:])
    pacing.connection_ended(10**9)
    assert pacing.take_pause_s() > 0.7
    pacing.connection_ended(10**10)
    assert pacing.take_pause_s() == 0


@pytest.mark.parametrize("scheme", ["Basic", "Digest"])
def test_passwords_are_answered_and_never_told(scheme, caplog):
    def is_right(fields, path):
        given = fields.get("authorization", "")
        if scheme == "Basic":
            return given == "Basic " + b64encode(f"admin:{SECRET}".encode()).decode()
        told = dict(re.findall(r'(\w+)="?([^",]+)', given))
        if not told:
            return False
        first, second = (hashlib.md5(one.encode()).hexdigest() for one in (f"admin:cam:{SECRET}", f"GET:{path}"))
        return told["response"] == hashlib.md5(f"{first}:{told['nonce']}:{second}".encode()).hexdigest()

    def answer(client, path, fields):
        if is_right(fields, path):
            STREAMS["right"](client, path, fields)
        else:
            challenge = {"Basic": 'Basic realm="cam"', "Digest": 'Digest realm="cam", nonce="abc"'}[scheme]
            client.sendall(f"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: {challenge}\r\nContent-Length: 0\r\n\r\n".encode())

    server = WebServer(answer)
    with caplog.at_level(logging.DEBUG), closing(open_source(server.url.replace("//", f"//admin:{SECRET}@"))) as source:
        assert len(list(islice(source, 5))) == 5
    with pytest.raises(SourceError, match="401") as error:
        open_source(server.url.replace("//", f"//admin:{SECRET}x@"))
    server.close()
    assert SECRET not in caplog.text + str(error.value) + repr(source.events)


def test_redirects_are_followed_but_not_to_files_nor_for_ever():
    def answer(client, path, fields):
        target = {"/video": "/other", "/loop": "/loop", "/file": "file:///etc/passwd"}.get(path)
        if target:
            client.sendall(f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode())
        else:
            STREAMS["right"](client, path, fields)

    server = WebServer(answer)
    with closing(open_source(server.url)) as source:
        assert len(list(islice(source, 5))) == 5
    for path, words in (("loop", "redirects without end"), ("file", "another protocol")):
        with pytest.raises(SourceError, match=words):
            open_source(f"http://127.0.0.1:{server.port}/{path}")
    server.close()


def test_closing_wakes_a_reader_of_a_silent_camera():
    def answer(client, _path, _fields):
        client.sendall(HEAD.replace(b"%n", b"\r\n") + part(0).replace(b"%n", b"\r\n"))
        time.sleep(2)

    server = WebServer(answer)
    source = open_source(server.url)
    frames = iter(source)
    next(frames)
    threading.Timer(0.2, source.close).start()
    assert list(frames) == []
    server.close()

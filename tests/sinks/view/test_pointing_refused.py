"""Attack the controls of the page of `rtseg run --view`: each refusal is one line and changes nothing."""

import json
import socket
import urllib.error
import urllib.request
from contextlib import closing

import pytest
import results
from pointed_stream import JSON, ON_LEFT, WAIT_S, Stream, posted

from rtseg.cli.options.prompts import check_all_used
from rtseg.engines.openvino import OpenVinoEngine
from rtseg.errors import ConfigError
from rtseg.session.prompts import Prompt
from rtseg.session.sector import WholeFrame
from rtseg.session.session import Session
from rtseg.sinks.view.server import ViewServer
from rtseg.sinks.view.sink import ViewSink


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"name": "a", "point": [-0.01, 0.5]}, "that is outside the picture: point at a structure in it"),
        ({"name": "a", "point": [0.5, 1e300]}, "that is outside the picture"),
        ({"name": "a", "box": [0.9, 0.9, 1, 1]}, "that is outside the picture"),
        ({"name": "a", "box": [0.5, 0.5, 0, 0.1]}, "the box is smaller than a pixel"),
        ({"name": "a", "box": [0.9, 0.5, -0.5, 0.1]}, "the box is smaller than a pixel"),
        (b'{"name": "a", "point": [NaN, 0.5]}', "point is not 2 finite numbers"),
        (b'{"name": "a", "point": [1e999, 0.5]}', "point is not 2 finite numbers"),
        (b'{"name": "a", "point": [' + b"9" * 400 + b", 0.5]}", "point is not 2 finite numbers"),
        ({"name": "a", "point": [True, 0.5]}, "point is not 2 finite numbers"),
        ({"name": "a", "point": "0.5"}, "point is not 2 finite numbers"),
        ({"name": "a", "box": [0.1] * 5}, "box is not 4 finite numbers"),
        ({"name": "a", "other_point": ON_LEFT}, "'a' has no mask to take anything from"),
        ({"name": "a"}, "the request points at nothing, or at too much"),
        ({"name": "a", "point": ON_LEFT, "box": [0, 0, 1, 1]}, "the request points at nothing, or at too much"),
        ({"name": "a", "point": ON_LEFT, "mask": "/etc/passwd"}, "the request points at nothing, or at too much"),
        ({"point": ON_LEFT}, "the object has no name"),
        ({"name": "", "point": ON_LEFT}, "an object is named ''"),
        ({"name": "a\nb", "point": ON_LEFT}, "give one line of printable text"),
        ({"name": "[red]", "point": ON_LEFT}, "give one line of printable text"),
        ({"name": "x" * 3000, "point": ON_LEFT}, "give one line of printable text"),
        ({"name": "a", "picture": "7", "point": ON_LEFT}, "the number of the picture is none"),
        ({"name": "a", "picture": -1, "point": ON_LEFT}, "the picture that you pointed at is gone"),
        ([1], "the request is no JSON object"),
        (b"[" * 4000, "the request is no JSON"),
        (b"\xff\xfe{}", "the request is no JSON"),
        (b"", "the request is no JSON"),
    ],
)
def test_what_is_no_prompt_is_refused_in_one_line(stream: Stream, body: object, message: str):
    status, text = stream.post("prompt", body)
    assert status == 400
    assert message in text
    assert "\n" not in text
    assert len(text) < 300
    assert stream.session.waiting_prompts == []
    assert stream.step().segmentation.objects == {}


def test_more_objects_than_the_network_follows(stream: Stream):
    answers = [stream.point(f"object-{count}", point=ON_LEFT) for count in range(50)]
    assert [status for status, _ in answers] == [200] * 4 + [400] * 46
    assert "follows 4 objects" in answers[-1][1]
    assert len(stream.step().segmentation.objects) == 4


def test_a_flood_of_prompts_is_bounded(stream: Stream):
    answers = [stream.point(point=ON_LEFT) for _ in range(40)]
    assert [status for status, _ in answers] == [200] * 16 + [400] * 24
    assert answers[-1][1] == "16 prompts are waiting for a frame: point again once the picture moves on"
    stream.step()
    assert stream.point(point=ON_LEFT)[0] == 200


@pytest.mark.parametrize("control", ["prompt", "forget", "undo"])
@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1", "https://localhost:1", ""])
def test_a_page_of_somebody_else_changes_nothing(stream: Stream, control: str, origin: str):
    status, text = stream.post(control, {"name": "object", "point": ON_LEFT}, Origin=origin)
    assert (status, text) == (403, "a page of somebody else may not ask this server")
    assert stream.session.waiting_prompts == []


def test_its_own_page_may(stream: Stream):
    assert stream.point(point=ON_LEFT)[0] == 200
    assert stream.post("undo", {}, Origin=stream.sink.url.rstrip("/"))[0] == 200


@pytest.mark.parametrize("control", ["prompt", "forget", "undo"])
def test_beyond_this_machine_pointing_needs_the_key(stream: Stream, control: str):
    stream.point(point=ON_LEFT)
    stream.step()
    with closing(ViewServer(stream.sink.screen, "0.0.0.0", 0)) as server:
        base, key = server.url.split("?")
        body = json.dumps({"name": "object"} if control != "prompt" else {"name": "b", "point": ON_LEFT}).encode()
        for wrong in ("", "?key=", f"?{key[:-1]}"):
            assert posted(f"{base}{control}{wrong}", body, JSON)[0] == 403
        assert posted(f"{base}{control}?{key}", body, JSON | {"Host": "evil.example"})[0] == 403
        assert posted(f"{base}{control}?{key}", body, JSON) == (200, "{}")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("Content-Type: text/plain\r\nContent-Length: 0", 415),  # what a form of another page may send
        ("Content-Type: application/json", 411),
        ("Content-Type: application/json\r\nTransfer-Encoding: chunked", 411),
        ("Content-Type: application/json\r\nContent-Length: -2", 411),
        ("Content-Type: application/json\r\nContent-Length: 4097", 413),
        ("Content-Type: application/json\r\nContent-Length: 99999999999999999999", 413),
    ],
)
def test_a_body_of_another_kind_or_size_is_refused_unread(stream: Stream, head: str, status: int):
    port = int(stream.sink.url.split(":")[2].strip("/"))
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as client:
        client.sendall(f"POST /undo HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}\r\n\r\n".encode())
        assert client.recv(1 << 16).startswith(f"HTTP/1.0 {status} ".encode())


def test_a_body_may_come_in_pieces(stream: Stream):
    port = int(stream.sink.url.split(":")[2].strip("/"))
    body = json.dumps({"name": "object", "point": ON_LEFT}).encode()
    head = f"POST /prompt HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as client:
        for piece in (head.encode(), body[:7], body[7:]):
            client.sendall(piece)
        assert client.recv(1 << 16).startswith(b"HTTP/1.0 200 ")


def test_only_controls_take_a_post(stream: Stream):
    for path in ("", "figures", "video", "live.js", "prompt/", "Prompt"):
        assert stream.post(path, {})[0] == 405


def test_another_session_takes_no_prompt_before_its_first_frame(stream: Stream, engine: OpenVinoEngine):
    with closing(Session(engine, locator=WholeFrame())) as other:
        stream.sink.screen.prompts.target = other
        assert stream.point(point=ON_LEFT) == (400, "there is no picture yet: point at one once it is shown")
        assert other.waiting_prompts == []


def test_a_click_on_the_last_frame_is_no_error_of_the_run(stream: Stream):
    stream.point(point=ON_LEFT)
    check_all_used(stream.session)
    stream.session.prompt(Prompt(points=((20, 16),)), "late", at=99)
    with pytest.raises(ConfigError, match="the prompt for 'late' was not used"):
        check_all_used(stream.session)


def test_a_stream_that_follows_nothing_has_no_objects_and_says_why():
    with closing(ViewSink(port=0)) as sink:
        sink.open(results.stream())
        with urllib.request.urlopen(f"{sink.url}figures", timeout=WAIT_S) as answer:
            assert json.load(answer)["pointing"] is None
        status, text = posted(f"{sink.url}prompt", json.dumps({"name": "a", "point": [0.5, 0.5]}).encode(), JSON)
        assert status == 400
        assert "run a model that follows objects, such as track" in text

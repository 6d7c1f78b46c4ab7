"""Point at the page of `rtseg run --view` by plain HTTP: what is pointed at is followed, and nobody else can."""

import json
import socket
import urllib.error
import urllib.request
from contextlib import closing

import numpy as np
import pytest
import results
import trackers
from trackers import blobs

from rtseg.cli.options.prompts import check_all_used
from rtseg.engines.openvino import OpenVinoEngine
from rtseg.errors import ConfigError
from rtseg.frame import Frame, Life
from rtseg.result import Redaction, Result
from rtseg.session.prompts import Prompt
from rtseg.session.sector import WholeFrame
from rtseg.session.session import Session
from rtseg.sinks.view.server import ViewServer
from rtseg.sinks.view.sink import ViewSink
from rtseg.trace import LatencyTrace

WAIT_S = 60
LEFT, RIGHT = (12, 8), (60, 8)  # corners of two blobs
ON_LEFT, ON_RIGHT = [20.5 / 96, 16.5 / 64], [68.5 / 96, 16.5 / 64]
JSON = {"Content-Type": "application/json"}


class Stream:
    """Steps a session by hand, as a pipeline does, with its page."""

    def __init__(self, engine: OpenVinoEngine) -> None:
        self.session = Session(engine, locator=WholeFrame())
        self.sink = ViewSink(port=0)
        self.sink.screen.prompts.target = self.session
        self.sink.open(results.stream(*trackers.SIZE, fps=25.0))
        self.index = 0

    def step(self, count: int = 1, *corners: tuple[int, int], redaction: Redaction | None = None) -> Result:
        """Write some frames, each drawn as for a viewer, and return the last result."""
        for _ in range(count):
            result = self.write(blobs(self.index, *(corners or (LEFT, RIGHT))), redaction)
        return result

    def write(self, frame: Frame, redaction: Redaction | None = None) -> Result:
        trace = LatencyTrace(frame.captured_ns)
        result = Result(frame, self.session.step(frame, trace), trace, redaction=redaction)
        self.sink.write(result)
        self.sink.screen.redraw()
        self.index += 1
        return result

    def post(self, control: str, body: object = None, **headers: str) -> tuple[int, str]:
        """Return the status and the text of a POST."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = JSON | {name.replace("_", "-"): value for name, value in headers.items()}
        return posted(f"{self.sink.url}{control}", data, named)

    def point(self, name: str = "object", picture: int | None = None, **place: object) -> tuple[int, str]:
        return self.post("prompt", {"name": name, "picture": picture, **place})

    @property
    def pointing(self) -> dict:
        with urllib.request.urlopen(f"{self.sink.url}figures", timeout=WAIT_S) as answer:
            return json.load(answer)["pointing"]


def posted(address: str, data: bytes, headers: dict[str, str]) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(address, data, headers), timeout=WAIT_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory):
    with closing(OpenVinoEngine(trackers.tracker(tmp_path_factory.mktemp("trackers") / "track-4.onnx", 4))) as made:
        yield made


@pytest.fixture
def stream(engine: OpenVinoEngine):
    made = Stream(engine)
    made.step(3)
    yield made
    made.sink.close()
    made.session.close()


def test_a_point_starts_an_object_and_the_page_lists_it(stream: Stream):
    assert stream.pointing == {"objects": [], "next_name": "object", "can_undo": False, "waiting": 0}
    assert stream.point(point=ON_LEFT) == (200, "{}")
    assert stream.pointing["waiting"] == 1
    found = stream.step(3)
    assert found.segmentation.mask("object")[16, 20]
    assert not found.segmentation.mask("object")[16, 68]
    told = stream.pointing
    (one,) = told["objects"]
    assert (one["name"], one["lost"], told["next_name"], told["waiting"]) == ("object", False, "object-2", 0)
    assert one["area_px"] == found.segmentation.area_px("object")
    assert one["confidence"] > 0.9


def test_a_box_and_a_second_object(stream: Stream):
    stream.point(point=ON_LEFT)
    assert stream.point("vein", box=[60 / 96, 8 / 64, 16 / 96, 16 / 64]) == (200, "{}")
    found = stream.step(2).segmentation
    assert found.classes == ("object", "vein")
    assert found.objects["vein"].centroid == pytest.approx((15.5, 67.5), abs=1)


def test_what_is_taken_away_is_gone(stream: Stream):
    stream.point("both", point=ON_LEFT)
    stream.point("both", point=ON_RIGHT)
    before = stream.step(3).segmentation
    assert before.mask("both")[16, 68]
    assert stream.point("both", other_point=ON_RIGHT) == (200, "{}")
    after = stream.step(3).segmentation
    assert after.mask("both")[16, 20]
    assert not after.mask("both")[16, 68]


def test_forget(stream: Stream):
    stream.point(point=ON_LEFT)
    stream.step()
    assert stream.post("forget", {"name": "object"}) == (200, "{}")
    assert stream.step().segmentation.objects == {}
    status, text = stream.post("forget", {"name": "object"})
    assert (status, text) == (400, "there is no object 'object' to forget: none is followed")


def test_undo_forgets_what_was_new(stream: Stream):
    stream.point(point=ON_LEFT)
    stream.point("vein", point=ON_RIGHT)
    stream.step()
    assert stream.post("undo", {})[0] == 200
    assert stream.step().segmentation.classes == ("object",)
    assert stream.post("undo", {})[0] == 200
    assert stream.step().segmentation.classes == ()
    assert stream.post("undo", {}) == (400, "there is nothing to undo: point at a structure first")


def test_undo_brings_a_corrected_mask_back(stream: Stream):
    stream.point(point=ON_LEFT)
    before = stream.step(3).segmentation.labels.copy()
    stream.point(point=ON_RIGHT)
    assert stream.step(2).segmentation.mask("object")[16, 68]
    assert stream.post("undo", {}) == (200, "{}")
    after = stream.step(2).segmentation.labels
    assert np.count_nonzero(after != before) < 0.02 * np.count_nonzero(before)


def test_undo_brings_a_forgotten_object_back(stream: Stream):
    stream.point("tumor", point=ON_LEFT)
    stream.step(2)
    stream.post("forget", {"name": "tumor"})
    stream.step()
    assert stream.post("undo", {}) == (200, "{}")
    assert stream.step().segmentation.mask("tumor")[16, 20]


def test_undo_of_an_old_correction_is_refused_and_changes_nothing(stream: Stream):
    stream.point(point=ON_LEFT)
    stream.step(2)
    stream.point(point=ON_RIGHT)
    stream.step(80)  # 3.2 s
    status, text = stream.post("undo", {})
    assert (status, text) == (400, "the mask of 'object' to go back to is 3 s old: correct the object by another click")
    assert list(stream.session.objects) == ["object"]


def test_an_object_that_the_session_dropped_blocks_no_undo(stream: Stream):
    stream.point(point=ON_LEFT)
    stream.step()
    stream.point("vein", point=ON_RIGHT)
    stream.session.forget("vein")
    stream.step()
    assert stream.post("undo", {})[0] == 400
    assert stream.post("undo", {})[0] == 200
    assert stream.step().segmentation.objects == {}


def test_a_lost_object_has_no_area_in_the_list_and_the_curve(stream: Stream):
    stream.point(point=ON_LEFT)
    stream.step(3)
    stream.step(5, RIGHT)
    (one,) = stream.pointing["objects"]
    assert (one["lost"], one["area_px"]) == (True, None)
    areas = stream.sink.screen.snapshot()["curve"]["areas"]["object"]
    assert areas[:3] == [None] * 3  # before it was pointed at
    assert areas[4] > 200
    assert areas[-1] is None


def test_the_curve_of_an_object_stays_its_own_when_another_is_forgotten(stream: Stream):
    stream.point("small", point=ON_LEFT)
    stream.point("both", point=ON_RIGHT)
    stream.point("both", point=ON_LEFT)
    stream.step(2)
    stream.post("forget", {"name": "small"})
    found = stream.step(2).segmentation
    areas = stream.sink.screen.snapshot()["curve"]["areas"]
    assert areas == {"both": [None] * 3 + [pytest.approx(found.area_px("both"), abs=260)] * 4}


def test_a_frozen_picture_takes_prompts(stream: Stream):
    still = blobs(2, LEFT, RIGHT).image
    for index in range(50):  # held for 2 s
        stream.write(Frame(still, 3 + index, (3 + index) * 40_000_000))
    assert stream.point(point=ON_LEFT) == (200, "{}")
    found = stream.write(Frame(still, 53, 53 * 40_000_000)).segmentation
    assert found.life is Life.HELD
    assert found.mask("object")[16, 20]


def test_an_old_picture_is_not_pointed_at(stream: Stream):
    number = stream.sink.screen.prompts._pictures._number
    stream.step(20)
    assert stream.point(picture=number, point=ON_LEFT)[0] == 200
    stream.step(20)
    status, text = stream.point(picture=number, point=ON_LEFT)
    assert (status, text) == (400, "the picture that you pointed at is 1.6 s old: point at one that is newer")
    status, text = stream.point(picture=10**9, point=ON_LEFT)
    assert (status, text) == (400, "the picture that you pointed at is gone: point at the one that is shown")


def test_a_picture_before_a_cut_is_not_pointed_at(stream: Stream):
    number = stream.sink.screen.prompts._pictures._number
    stream.session.reset("another scene")
    assert stream.step().segmentation.life is Life.NEW
    status, text = stream.point(picture=number, point=ON_LEFT)
    assert (status, text) == (400, "the view changed since you pointed: point at the picture that is shown now")


def test_a_withheld_picture_is_not_pointed_at(stream: Stream):
    stream.step(redaction=Redaction("strict", "unknown", 1, 0, is_withheld=True))
    status, text = stream.point(point=ON_LEFT)
    assert (status, text) == (400, "the ultrasound is withheld from the picture: point at it once it is shown")


def test_each_drawing_side_by_side_can_be_pointed_at(stream: Stream):
    class Twice:
        def draw(self, result, out=None):
            return np.repeat(np.hstack([result.frame.image] * 2)[..., None], 3, 2)

    stream.sink.screen.painter = Twice()
    stream.step()
    assert stream.point(point=[0.5 + ON_LEFT[0] / 2, ON_LEFT[1]]) == (200, "{}")
    assert stream.step().segmentation.mask("object")[16, 20]


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

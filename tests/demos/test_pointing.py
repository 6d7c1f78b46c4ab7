"""Point at objects in the demo: by its routes, while the stream is paused, and after another model was chosen."""

import json

import pytest
import trackers
from demo_stream import PLAIN
from waiting import until

from rtseg.engines.openvino import OpenVinoEngine
from rtseg.frame import StreamInfo
from rtseg.sources.playback import LoopingSource, PacedSource

JSON = {"Content_Type": "application/json"}
ON_LEFT = [20.5 / 96, 16.5 / 64]


class Blobs:
    """Gives some frames with two bright blobs."""

    info = StreamInfo(*trackers.SIZE, 25.0, only_ultrasound=True)

    def __iter__(self):
        yield from (trackers.blobs(index, (12, 8), (60, 8)) for index in range(8))

    def close(self):
        pass


def opened():
    return PacedSource(LoopingSource(Blobs, 10**6))


@pytest.fixture
def tracked(served, tmp_path, monkeypatch):
    """Yield a visitor whose stream is followed by a tracker."""
    path = trackers.tracker(tmp_path / "track.onnx", 4)
    monkeypatch.setattr("rtseg.demos.gradio_app.network.load_engine", lambda *_: OpenVinoEngine(path))
    visitor = served.visitors.welcome()
    visitor.live.start(opened, PLAIN)
    until(lambda: visitor.live.snapshot()["frames"] > 3)
    visitor.live.screen.redraw()  # as for its page
    yield visitor
    served.visitors.leave(visitor.token)


def post(served, visitor, control, values, **headers):
    status, _, body = served.ask(f"live/{visitor.token}/{control}", json.dumps(values).encode(), **(JSON | headers))
    return status, body.decode()


def objects(visitor):
    return {one["name"]: one for one in visitor.live.snapshot()["pointing"]["objects"]}


def test_a_visitor_points_undoes_and_forgets(served, tracked):
    assert post(served, tracked, "prompt", {"name": "tumor", "point": ON_LEFT}) == (204, "")
    until(lambda: not objects(tracked).get("tumor", {"lost": True})["lost"])
    assert post(served, tracked, "undo", {}) == (204, "")
    until(lambda: objects(tracked) == {})
    status, text = post(served, tracked, "forget", {"name": "tumor"})
    assert (status, text) == (400, "there is no object 'tumor' to forget: none is followed")


def test_a_paused_picture_is_pointed_at(served, tracked):
    tracked.live.pause()
    until(lambda: "paused" in tracked.live.snapshot()["message"])
    tracked.live.screen.redraw()
    assert post(served, tracked, "prompt", {"name": "tumor", "point": ON_LEFT}) == (204, "")
    until(lambda: not objects(tracked).get("tumor", {"lost": True})["lost"])
    labels = tracked.live.screen._newest.segmentation.labels
    assert labels[16, 20] == 1
    assert labels[16, 68] == 0
    assert tracked.live.is_paused


@pytest.mark.parametrize(
    ("headers", "values", "status"),
    [
        ({"Content_Type": "text/plain"}, {}, 415),
        ({"Origin": "http://evil.example"}, {}, 403),
        ({"Origin": "null"}, {}, 403),
        ({}, {"name": "x" * 5000}, 413),
        ({}, {"name": "a", "point": [2, 2]}, 400),
    ],
)
def test_what_is_no_prompt_of_the_page_is_refused(served, tracked, headers, values, status):
    found, text = post(served, tracked, "prompt", values, **headers)
    assert found == status
    assert "\n" not in text
    assert objects(tracked) == {}


def test_nothing_is_pointed_at_by_a_stranger_or_before_a_stream(served):
    visitor = served.visitors.welcome()
    status, text = post(served, visitor, "prompt", {"name": "a", "point": ON_LEFT})
    assert status == 400
    assert "nothing can be pointed at" in text
    served.visitors.leave(visitor.token)
    assert post(served, visitor, "prompt", {"name": "a", "point": ON_LEFT})[0] == 410

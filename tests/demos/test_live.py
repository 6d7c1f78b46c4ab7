"""Test one visitor's stream without a server: playback, failures, and the messages about them."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from demo_stream import PLAIN, SMALL, frames, goes_on, small
from waiting import until

from rtseg.demos.gradio_app.live import LivePlayer
from rtseg.demos.gradio_app.sources import FAULTS, DemoProbe, require_source
from rtseg.demos.gradio_app.webcam import SIZE, BrowserCamera
from rtseg.errors import ImageError, SourceError
from rtseg.sources import open_source
from rtseg.sources.live.reconnect import LinkLimits, ReconnectingSource
from rtseg.sources.playback import PacedSource


def test_before_anything_is_chosen(live):
    told = live.snapshot()
    assert (told["frames"], told["running"], told["message"]) == (0, False, "choose a source, and press start")
    live.reset()
    live.stop()
    assert not live.pause()


def test_it_plays_until_it_is_stopped(playing):
    told = playing.snapshot()
    assert told["running"]
    assert told["message"] == ""
    assert told["classes"][0]["name"] == "lumen"
    playing.stop()
    assert playing.snapshot()["message"] == "stopped"
    assert playing.source is None


def test_a_recording_that_ends_says_so(live):
    live.start(lambda: open_source(f"{SMALL}&frames=5"), PLAIN)
    until(lambda: not live.is_running)
    assert live.snapshot()["message"] == "the recording is over"
    live.apply(replace(PLAIN, opacity=0.1))
    live.start(small, PLAIN)
    goes_on(live)


def test_a_source_that_cannot_be_opened_says_why_and_the_next_one_plays(live):
    with pytest.raises(SourceError, match="does not exist"):
        live.start(lambda: open_source("nowhere.mp4"), PLAIN)
    assert "does not exist" in live.snapshot()["message"]
    live.start(small, PLAIN)
    goes_on(live)


def test_a_source_that_breaks_says_why(live):
    class Broken(DemoProbe):
        def __iter__(self):
            yield next(super().__iter__())
            raise SourceError("the cable is out: plug it in")

    live.start(Broken, PLAIN)
    until(lambda: not live.is_running)
    assert live.snapshot()["message"] == "the cable is out: plug it in"


def test_a_paused_stream_can_be_stopped(playing):
    playing.pause()
    playing.stop()
    assert not playing.is_running


def test_a_reset_is_seen_with_its_reason(playing):
    seen = []
    playing.screen.stats.add, add = (
        lambda result: (seen.append(result.segmentation.reason), add(result)),
        playing.screen.stats.add,
    )
    playing.reset()
    until(lambda: "the visitor asked for it" in seen)


def test_a_fault_of_the_probe_is_seen(live):
    live.start(DemoProbe, PLAIN)
    goes_on(live)
    require_source(live.source, DemoProbe).inject_fault("freeze")
    until(lambda: live.snapshot()["life"] == "HELD")


@pytest.mark.parametrize(("fault", "kind"), [(name, kind) for name, (kind, _, _) in FAULTS.items()])
def test_each_button_lets_its_fault_happen(fault, kind):
    probe = DemoProbe()
    probe.inject_fault(fault)
    assert [event.kind for event in probe.faults] == [kind]
    with pytest.raises(SourceError, match="no fault 'sneeze'"):
        probe.inject_fault("sneeze")


def test_a_source_that_is_lost_says_so_and_plays_on_when_it_is_back(live):
    back = threading.Event()

    class Link(PacedSource):
        def __iter__(self):
            for frame, _ in zip(super().__iter__(), range(5), strict=False):
                yield frame
            if back.is_set():
                yield from super().__iter__()
            raise SourceError("the cable is out")

    def open_link():
        if links and not back.is_set():
            raise SourceError("nobody answers")
        links.append(Link(open_source(SMALL)))
        return links[-1]

    links = []
    live.start(lambda: ReconnectingSource(open_link, LinkLimits(backoff_s=0.01, seed=1)), PLAIN)
    until(lambda: "the source is reopening: the cable is out" in live.snapshot()["message"])
    back.set()
    until(lambda: live.snapshot()["message"] == "")
    goes_on(live)


def test_a_fault_of_something_that_does_not_play():
    with pytest.raises(SourceError, match="this is not what plays now"):
        require_source(None, DemoProbe)


def test_the_browsers_camera(live):
    live.start(BrowserCamera, PLAIN)
    camera = require_source(live.source, BrowserCamera)
    rng = np.random.default_rng(0)
    for count in range(1, 4):
        camera.push(rng.integers(0, 255, SIZE, np.uint8).tobytes())
        until(lambda count=count: frames(live) == count)
    with pytest.raises(ImageError, match="a picture of 3 bytes is not 480x640"):
        camera.push(b"123")


def test_a_camera_that_sends_nothing_is_given_up():
    with pytest.raises(SourceError, match="allow the page to use the camera"):
        list(BrowserCamera(patience_s=0.01))


def test_two_visitors_share_nothing(playing):
    other = LivePlayer()
    try:
        other.start(small, replace(PLAIN, model="fetal-head-int8"))
        goes_on(other)
        other.pause()
        goes_on(playing)
        assert (playing.snapshot()["classes"][0]["name"], other.snapshot()["classes"][0]["name"]) == ("lumen", "head")
    finally:
        other.close()
    goes_on(playing)

"""One visitor's stream, without any server: everything may be changed while it runs."""

import threading
from dataclasses import replace

import cv2
import numpy as np
import pytest
from waiting import until

from rtseg.demos.gradio_app.live import Live, fed
from rtseg.demos.gradio_app.settings import Look, Settings
from rtseg.demos.gradio_app.sources import FAULTS, Probe
from rtseg.demos.gradio_app.webcam import SIZE, Webcam
from rtseg.errors import ConfigError, ImageError, ModelError, SourceError
from rtseg.sources import open_source
from rtseg.sources.paced import Paced
from rtseg.sources.reconnect import LinkLimits, Reconnecting

SMALL = "synthetic:vessel?height=120&width=160&fps=50"
PLAIN = Settings()


def small():
    return Paced(open_source(SMALL))


@pytest.fixture
def live():
    one = Live()
    yield one
    one.close()
    assert not [thread.name for thread in threading.enumerate() if thread.name in ("rtseg-demo", "rtseg-jpeg", "rtseg-capture")]


@pytest.fixture
def playing(live):
    live.start(small, PLAIN)
    until(lambda: live.snapshot()["frames"] > 3)
    return live


def frames(live):
    return live.snapshot()["frames"]


def goes_on(live):
    before = frames(live)
    until(lambda: frames(live) > before + 3)


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
    until(lambda: not live.running)
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
    class Broken(Probe):
        def __iter__(self):
            yield next(super().__iter__())
            raise SourceError("the cable is out: plug it in")

    live.start(Broken, PLAIN)
    until(lambda: not live.running)
    assert live.snapshot()["message"] == "the cable is out: plug it in"


CHANGES = (
    {"opacity": 0.9, "contour": 0},
    {"threshold": 0.9},
    {"smoothing": 0.5},
    {"speckle": "median"},
    {"sector": False},
    {"memory": False},
    {"masks": False},
    {"look": Look.RAW_BESIDE.value},
    {"look": Look.TWO_MODELS.value, "second": "fetal-head-int8"},
)


def test_every_setting_acts_while_it_plays(playing):
    with playing.screen.broadcast.viewer():
        for change in CHANGES:
            playing.apply(replace(PLAIN, **change))
            goes_on(playing)
            assert playing.snapshot()["message"] == ""
        session = playing._network.session
        playing.apply(replace(PLAIN, threshold=0.9, memory=False, smoothing=0.5, speckle="median"))
        assert (session.threshold, session.memory, session.temporal.smoothing) == (0.9, False, 0.5)
        assert session.speckle.name == "median"


def test_another_model_takes_over_without_a_break(playing):
    playing.apply(replace(PLAIN, model="fetal-head-int8"))
    until(lambda: playing.snapshot()["classes"][0]["name"] == "head")
    assert playing.snapshot()["message"] == ""


def test_raw_and_overlay_stand_side_by_side(playing):
    with playing.screen.broadcast.viewer():
        playing.apply(replace(PLAIN, look=Look.RAW_BESIDE.value, opacity=1))
        playing.pause()
        until(lambda: wide(playing.screen.broadcast.newest))
    assert playing.screen.broadcast.newest is not None


def wide(coded):
    """Whether a picture is twice as wide as the stream's frames."""
    return coded is not None and cv2.imdecode(np.frombuffer(coded.jpeg, np.uint8), 0).shape == (120, 320)


def test_a_model_that_cannot_be_loaded_leaves_all_as_it_was(playing, monkeypatch):
    monkeypatch.setattr(
        "rtseg.demos.gradio_app.network.load_engine", lambda *_: (_ for _ in ()).throw(ModelError("broken: mend it"))
    )
    with pytest.raises(ModelError, match="broken"):
        playing.apply(replace(PLAIN, model="carotid"))
    assert playing.settings == PLAIN
    goes_on(playing)


def test_many_changes_of_the_model_in_a_row_close_every_engine(playing, monkeypatch):
    opened, closed = [], []
    import rtseg.demos.gradio_app.network as module

    load = module.load_engine

    def counted(*arguments):
        engine = load(*arguments)
        opened.append(engine)
        monkeypatch.setattr(engine, "close", lambda: closed.append(engine), raising=False)
        return engine

    monkeypatch.setattr(module, "load_engine", counted)
    for model in ("carotid", "carotid-int8", "carotid", "carotid-int8"):
        playing.apply(replace(PLAIN, model=model))
    goes_on(playing)
    playing.stop()
    assert len(opened) == 4
    assert sorted(map(id, closed)) == sorted(map(id, opened))


def test_a_pause_holds_the_picture_and_settings_still_show(playing):
    with playing.screen.broadcast.viewer():
        assert playing.pause()
        until(lambda: playing.snapshot()["paused"])
        stands = frames(playing)
        until(lambda: playing.screen.broadcast.newest is not None or playing.screen.redraw())
        before = playing.screen.broadcast.newest.number
        playing.apply(replace(PLAIN, masks=False))
        until(lambda: playing.screen.broadcast.newest.number > before)
        assert frames(playing) <= stands + 1
        assert "paused" in playing.snapshot()["message"]
        assert not playing.pause()
    goes_on(playing)


def test_a_paused_stream_can_be_stopped(playing):
    playing.pause()
    playing.stop()
    assert not playing.running


def test_a_reset_is_seen_with_its_reason(playing):
    seen = []
    playing.screen.figures.add, add = (
        lambda result: (seen.append(result.segmentation.reason), add(result)),
        playing.screen.figures.add,
    )
    playing.reset()
    until(lambda: "the visitor asked for it" in seen)


def test_a_fault_of_the_probe_is_seen(live):
    live.start(Probe, PLAIN)
    goes_on(live)
    fed(live.source, Probe).happen("freeze")
    until(lambda: live.snapshot()["life"] == "HELD")


@pytest.mark.parametrize(("fault", "kind"), [(name, kind) for name, (kind, _, _) in FAULTS.items()])
def test_each_button_lets_its_fault_happen(fault, kind):
    probe = Probe()
    probe.happen(fault)
    assert [event.kind for event in probe.events] == [kind]
    with pytest.raises(SourceError, match="no fault 'sneeze'"):
        probe.happen("sneeze")


def test_a_source_that_is_lost_says_so_and_plays_on_when_it_is_back(live):
    back = threading.Event()

    class Link(Paced):
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
    live.start(lambda: Reconnecting(open_link, LinkLimits(backoff_s=0.01, seed=1)), PLAIN)
    until(lambda: "the source is reopening: the cable is out" in live.snapshot()["message"])
    back.set()
    until(lambda: live.snapshot()["message"] == "")
    goes_on(live)


def test_a_fault_of_something_that_does_not_play():
    with pytest.raises(SourceError, match="this is not what plays now"):
        fed(None, Probe)


def test_the_browsers_camera(live):
    live.start(Webcam, PLAIN)
    camera = fed(live.source, Webcam)
    rng = np.random.default_rng(0)
    for count in range(1, 4):
        camera.push(rng.integers(0, 255, SIZE, np.uint8).tobytes())
        until(lambda count=count: frames(live) == count)
    with pytest.raises(ImageError, match="a picture of 3 bytes is not 480x640"):
        camera.push(b"123")


def test_a_camera_that_sends_nothing_is_given_up():
    with pytest.raises(SourceError, match="allow the page to use the camera"):
        list(Webcam(patience_s=0.01))


def test_two_visitors_share_nothing(playing):
    other = Live()
    try:
        other.start(small, replace(PLAIN, model="fetal-head-int8"))
        goes_on(other)
        other.pause()
        goes_on(playing)
        assert (playing.snapshot()["classes"][0]["name"], other.snapshot()["classes"][0]["name"]) == ("lumen", "head")
    finally:
        other.close()
    goes_on(playing)


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": "/etc/passwd"},
        {"second": "../carotid.onnx"},
        {"engine": "os"},
        {"speckle": "rm"},
        {"look": "x"},
        {"opacity": 2},
        {"contour": 900},
        {"threshold": 0},
        {"smoothing": 1},
    ],
    ids=str,
)
def test_what_is_not_on_offer_is_refused(wrong):
    with pytest.raises(ConfigError):
        Settings(**wrong)

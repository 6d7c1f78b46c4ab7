"""Test the settings of one visitor's stream without a server: each may change while the stream plays."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from demo_stream import PLAIN, frames, goes_on
from waiting import until

from rtseg.demos.gradio_app.settings import Appearance, DemoSettings
from rtseg.errors import ConfigError, ModelError

CHANGES = (
    {"opacity": 0.9, "contour": 0},
    {"threshold": 0.9},
    {"smoothing": 0.5},
    {"speckle": "median"},
    {"sector": False},
    {"memory": False},
    {"masks": False},
    {"appearance": Appearance.RAW_BESIDE.value},
    {"appearance": Appearance.TWO_MODELS.value, "second": "fetal-head-int8"},
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
        playing.apply(replace(PLAIN, appearance=Appearance.RAW_BESIDE.value, opacity=1))
        playing.pause()
        until(lambda: wide(playing.screen.broadcast.newest))
    assert playing.screen.broadcast.newest is not None


def wide(coded):
    """Return whether an image is twice as wide as the stream's frames."""
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


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": "/etc/passwd"},
        {"second": "../carotid.onnx"},
        {"engine": "os"},
        {"speckle": "rm"},
        {"appearance": "x"},
        {"opacity": 2},
        {"contour": 900},
        {"threshold": 0},
        {"smoothing": 1},
    ],
    ids=str,
)
def test_what_is_not_on_offer_is_refused(wrong):
    with pytest.raises(ConfigError):
        DemoSettings(**wrong)

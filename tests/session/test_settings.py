"""Test that settings of a session apply from the next frame on."""

import itertools
import threading
import time
from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pytest
from session.streams import frame_of

from rtseg import kernels
from rtseg.engines.openvino import OpenVinoEngine
from rtseg.errors import ConfigError
from rtseg.frame import Frame, Life
from rtseg.replay import RedactedSession
from rtseg.session import SessionSettings
from rtseg.session.sector import FixedSector, WholeFrame
from rtseg.session.session import Session
from rtseg.session.speckle import SpeckleFilter
from rtseg.session.stabilizer import TemporalOptions
from rtseg.trace import LatencyTrace


@pytest.mark.parametrize(
    ("setting", "value"),
    [("threshold", 0.9), ("temporal", TemporalOptions(smoothing=0.9)), ("speckle", SpeckleFilter("median", 7))],
)
def test_what_is_set_acts_from_the_next_frame_on_as_if_it_had_been_so(engine: OpenVinoEngine, setting: str, value: object):
    """Test that a setting applies to a held picture too."""
    options = {"temporal": None, setting: value}
    session, other = Session(engine, temporal=None), Session(engine, **options)  # type: ignore[arg-type]
    session.memory = other.memory = False
    image = np.random.default_rng(0).integers(0, 256, (32, 48), dtype=np.uint8).repeat(2, 0).repeat(2, 1)
    before = session.step(Frame(image, 0, 0))
    setattr(session, setting, value)
    after = session.step(Frame(image, 1, 0))
    assert after.life is Life.HELD
    np.testing.assert_array_equal(after.labels, other.step(Frame(image, 0, 0)).labels)
    assert setting == "temporal" or (after.labels != before.labels).any()
    assert session.step(Frame(image, 2, 0)).labels is after.labels


def test_without_memory_each_frame_is_the_first(engine: OpenVinoEngine):
    session = Session(engine)
    session.step(frame_of(0, 255))
    session.memory = False
    assert session.step(frame_of(1, 90)).area_px("lumen") == 0  # too dark to be seen alone
    session.step(frame_of(2, 255))
    session.memory = True
    again = session.step(frame_of(3, 90))
    assert (again.life, again.area_px("lumen") > 0) == (Life.LIVE, True)


def test_another_way_to_find_the_sector_is_new(engine: OpenVinoEngine):
    session = Session(engine, locator=WholeFrame())
    session.step(frame_of(0))
    session.locator = FixedSector((0, 0, 64, 48))
    changed = session.step(frame_of(1, 180))
    assert (changed.life, changed.reason) == (Life.NEW, "the sector is found in another way")
    assert session.sector.box == (0, 0, 64, 48)
    assert session.step(frame_of(2, 150)).life is Life.LIVE


def test_speckle_is_filtered_before_the_network(engine: OpenVinoEngine):
    session, trace = Session(engine, speckle=SpeckleFilter("median", 7)), LatencyTrace(0)
    image = np.zeros((64, 96), np.uint8)
    image[::4, ::4] = 255
    image[:, 90:] = 60
    image[20:24, 40:44] = 255  # so few bright pixels vanish in a median of 7 at the network's half size
    assert session.step(Frame(image, 0, 0), trace).area_px("lumen") == 0
    assert list(trace.stages_ns) == ["lifecycle", "sector", "preprocess", "speckle", "temporal", "infer", "postprocess"]


@pytest.mark.parametrize("threshold", [0, 1, 1.5, -1, float("nan")])
def test_a_threshold_out_of_range_is_told_where_it_is_set(engine: OpenVinoEngine, threshold: float):
    session = Session(engine)
    with pytest.raises(ConfigError, match="between 0 and 1"):
        session.threshold = threshold
    assert session.threshold == 0.5


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold": 1.0},
        {"threshold": "0.5"},
        {"threshold": True},
        {"temporal": 0.8},
        {"speckle": "median"},
        {"memory": "no"},
        {"uncertainty": None},
        {"locator": None},
        {"locator": "off"},
    ],
)
def test_wrong_settings_are_refused_where_they_are_set(engine: OpenVinoEngine, wrong: dict[str, Any]):
    session = Session(engine)
    before = session.settings
    with pytest.raises(ConfigError, match=r"give|between 0 and 1") as as_a_whole:
        session.settings = replace(session.settings, **wrong)
    (name, value), *_ = wrong.items()
    with pytest.raises(ConfigError, match=r"give|between 0 and 1") as alone:
        setattr(session, name, value)
    assert str(alone.value) == str(as_a_whole.value)
    assert session.settings is before
    with pytest.raises(ConfigError, match=r"give SessionSettings"):
        session.settings = wrong  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("threshold", 0.9),
        ("temporal", None),
        ("speckle", SpeckleFilter("median", 3)),
        ("memory", False),
        ("locator", WholeFrame()),
        ("uncertainty", True),
    ],
)
def test_an_attribute_sets_its_field_and_no_other(engine: OpenVinoEngine, name: str, value: object):
    session = Session(engine)
    before = session.settings
    setattr(session, name, value)
    assert session.settings == replace(before, **{name: value})  # type: ignore[arg-type]
    assert getattr(session, name) is value
    with pytest.raises(FrozenInstanceError):
        setattr(session.settings, name, value)


def test_attributes_set_by_two_threads_lose_nothing(engine: OpenVinoEngine):
    session = Session(engine, temporal=None)

    lost: list[str] = []

    def change(name: str, values: list[Any]) -> None:
        for k in range(4000):
            setattr(session, name, values[k % len(values)])
            if getattr(session, name) is not values[k % len(values)]:
                lost.append(name)

    threads = [
        threading.Thread(target=change, args=("memory", [True, False])),
        threading.Thread(target=change, args=("temporal", [None, TemporalOptions(every=2)])),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not lost


@pytest.mark.parametrize("kind", [Session, RedactedSession])
def test_ten_thousand_changes_tear_no_frame(engine: OpenVinoEngine, kind: type[Session], monkeypatch: pytest.MonkeyPatch):
    """Test that each frame is segmented with one of the values that were set, in all its stages."""
    session, stop = kind(engine, locator=WholeFrame()), threading.Event()
    choices = [
        SessionSettings(0.2, None, None, True, WholeFrame(), False),
        SessionSettings(0.4, TemporalOptions(smoothing=0.5), SpeckleFilter("median", 3), False, WholeFrame(), True),
        SessionSettings(0.6, TemporalOptions(every=2), SpeckleFilter("median", 5), True, FixedSector((0, 0, 64, 48)), False),
        SessionSettings(0.8, TemporalOptions(hysteresis=1.0), None, False, FixedSector((0, 0, 64, 96)), True),
    ]
    of_threshold = {choice.threshold: choice for choice in choices}
    seen: list[tuple[object, ...]] = []

    def noted(logits: Any, fit: Any, shape: Any, *, threshold: float) -> Any:
        used, stabilizer = session._settings, session._segmenter.frames._stabilizer
        seen.append((threshold, used, session._segmenter.frames._settings, stabilizer and stabilizer._options, fit.box))
        return argmax_labels(logits, fit, shape, threshold=threshold)

    argmax_labels = kernels.argmax_labels
    monkeypatch.setattr(kernels, "argmax_labels", noted)
    session.settings = choices[0]

    def change() -> None:
        for k in range(10_000):
            session.settings = choices[k % len(choices)]
            if k % 50 == 0:
                time.sleep(0.001)  # so that frames are segmented between the changes
        stop.set()

    thread = threading.Thread(target=change)
    thread.start()
    frames = 0
    while not stop.is_set() or frames < 50:
        session.step(frame_of(frames, 100 + frames % 100))
        frames += 1
    thread.join(60)
    assert len({threshold for threshold, *_ in seen}) > 1, "nothing changed while the stream ran"
    for threshold, used, applied, temporal, box in seen:
        chosen = of_threshold[threshold]  # type: ignore[index]
        assert applied is used
        assert (used.memory, used.uncertainty, used.speckle, used.temporal) == (  # type: ignore[attr-defined]
            chosen.memory,
            chosen.uncertainty,
            chosen.speckle,
            chosen.temporal,
        )
        assert temporal == chosen.temporal
        assert box == ((0, 0, 64, 48) if threshold == 0.6 else (0, 0, 64, 96))


def test_settings_may_come_from_another_thread(engine: OpenVinoEngine):
    """Test that settings from another thread never mix within one frame."""
    session, stop = Session(engine), threading.Event()
    choices = [None, TemporalOptions(smoothing=0.5), TemporalOptions(every=2)]

    def turn_knobs() -> None:
        for k in itertools.count():
            session.threshold, session.temporal = 0.1 + 0.8 * (k % 2), choices[k % 3]
            session.speckle, session.memory = SpeckleFilter("median", 3) if k % 2 else None, bool(k % 5)
            if k % 7 == 0:
                session.reset("asked")
            if stop.is_set():
                return

    thread = threading.Thread(target=turn_knobs)
    thread.start()
    try:
        found = [session.step(frame_of(index, 100 + index % 100)) for index in range(200)]
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()
    assert {one.labels.shape for one in found} == {(64, 96)}
    assert "asked" in {one.reason for one in found}

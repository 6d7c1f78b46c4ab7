"""Test frames that their source marks as damaged: they are spoilt, and neither memory nor sector learns from them."""

from dataclasses import replace

import numpy as np
import pytest
from session.streams import InstrumentedEngine, frame_of

from rtseg.engines.openvino import OpenVinoEngine
from rtseg.frame import Frame, Life
from rtseg.session.lifecycle import Lifecycle
from rtseg.session.session import Session
from rtseg.sources.synthetic import open_synthetic

LOST = "a packet was lost"
PROBE = open_synthetic("vessel?height=144&width=192&seed=1")
NOISE = np.random.default_rng(5).integers(0, 255, (144, 192, 3)).astype(np.uint8)


def _stream(damaged: range, count: int = 40, pixels: np.ndarray | None = None) -> list[Frame]:
    """Return frames of tissue, some of them damaged, which show noise in color unless `pixels` say otherwise."""
    noise = NOISE if pixels is None else pixels
    frames = [Frame(PROBE.image(index), index, 0) for index in range(count)]
    return [replace(frame, image=noise, damage=LOST) if frame.index in damaged else frame for frame in frames]


@pytest.mark.parametrize("damaged", [range(8, 9), range(8, 14), range(8, 34)])
@pytest.mark.parametrize("size", [(144, 192, 3), (200, 100)])
def test_a_damaged_frame_is_spoilt_and_the_first_good_one_is_live(damaged: range, size: tuple[int, ...]):
    lifecycle = Lifecycle()
    judged = [lifecycle.observe(frame) for frame in _stream(damaged, pixels=np.full(size, 90, np.uint8))]
    assert [index for index, (life, _) in enumerate(judged) if life is Life.SPOILT] == list(damaged)
    assert {judged[index].reason for index in damaged} == {LOST}
    assert {life for life, _ in judged[damaged.stop :]} == {Life.LIVE}


def test_a_stream_may_begin_damaged():
    lifecycle = Lifecycle()
    lives = [lifecycle.observe(frame).life for frame in _stream(range(3), 6)]
    assert lives == [*[Life.SPOILT] * 3, Life.NEW, Life.LIVE, Life.LIVE]


def test_a_restart_is_seen_though_its_first_frame_is_damaged():
    lifecycle = Lifecycle()
    for frame in _stream(range(0)):
        lifecycle.observe(frame)
    assert lifecycle.observe(Frame(NOISE, 0, 0, damage=LOST)).life is Life.SPOILT
    assert lifecycle.observe(Frame(PROBE.image(1), 1, 0)).life is Life.NEW


@pytest.mark.parametrize("begins", [0, 2])
def test_no_later_mask_depends_on_what_a_damaged_frame_shows(engine: OpenVinoEngine, begins: int):
    """Test that two sessions agree whose damaged frames show different pixels."""
    one, other = Session(engine), Session(engine)
    for index in range(6):
        frame = frame_of(index, 250 - 9 * index)
        if begins <= index < begins + 2:
            white, noise = np.full((64, 96), 255, np.uint8), np.random.default_rng(index).integers(0, 255, (64, 96))
            one.step(replace(frame, image=white, damage=LOST))
            other.step(replace(frame, image=noise.astype(np.uint8), damage=LOST))
        else:
            ours, theirs = one.step(frame), other.step(frame)
            np.testing.assert_array_equal(ours.labels, theirs.labels)
            assert (ours.confidence, ours.life) == (theirs.confidence, theirs.life)


def test_a_held_picture_after_damage_repeats_the_last_good_mask(watched: InstrumentedEngine):
    session = Session(watched)
    first = session.step(frame_of(0))
    spoilt = session.step(replace(frame_of(1), image=NOISE[:64, :96, 0].copy(), damage=LOST))
    assert (spoilt.life, spoilt.reason.startswith(LOST)) == (Life.SPOILT, True)
    held = session.step(frame_of(2))
    assert (held.life, held.labels is first.labels, watched.runs) == (Life.HELD, True, 1)
    assert session.counts.spoilt == 1


def test_the_sector_is_not_sought_in_a_damaged_frame(engine: OpenVinoEngine):
    class Locator:
        """Records the frames in which a sector was sought."""

        def __init__(self) -> None:
            self.sought: list[int] = []

        def observe(self, frame: Frame):
            self.sought.append(frame.index)
            return session.sector, ""

        def forget(self) -> None:
            pass

    locator = Locator()
    session = Session(engine, locator=locator)
    for frame in (frame_of(0), replace(frame_of(1, 9), damage=LOST), frame_of(2, 180)):
        session.step(frame)
    assert locator.sought == [0, 2]

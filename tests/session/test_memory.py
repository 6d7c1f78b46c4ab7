"""Test the session's memory: held frames, the gate, and fresh starts."""

import numpy as np
import pytest
from session.streams import InstrumentedEngine, air, frame_of

from rtseg.engines.openvino import OpenVinoEngine
from rtseg.frame import Frame, Life, StreamInfo
from rtseg.session.session import Session


def test_what_is_no_number_resets_the_memory(
    watched: InstrumentedEngine, engine: OpenVinoEngine, caplog: pytest.LogCaptureFixture
):
    session, watched.poisoned = Session(watched), True
    session.step(frame_of(0))
    mended = session.step(frame_of(1, 180))
    np.testing.assert_array_equal(mended.labels, Session(engine).step(frame_of(1, 180)).labels)
    assert "memory starts afresh" in caplog.text
    assert session.counts.nonfinite == 1


def test_a_held_picture_keeps_its_mask_and_spares_the_engine(watched: InstrumentedEngine):
    session = Session(watched)
    first = session.step(frame_of(0))
    held = [session.step(frame_of(index)) for index in range(1, 6)]
    assert watched.runs == 1
    assert all(one.labels is first.labels and one.life is Life.HELD for one in held)
    assert (held[0].confidence, held[0].reason) == (first.confidence, "the picture stands still")
    assert session.step(frame_of(6, 180)).life is Life.LIVE
    assert watched.runs == 2


def test_without_contact_there_is_no_mask(watched: InstrumentedEngine):
    session = Session(watched)
    session.step(frame_of(0))
    lost = session.step(air(1))
    assert (lost.life, lost.area_px("lumen"), lost.confidence) == (Life.LOST, 0, (0.0,))
    assert watched.runs == 1
    assert session.step(frame_of(2)).area_px("lumen") > 0


def test_air_is_not_written_into_the_memory(engine: OpenVinoEngine):
    """Test that a short loss of contact keeps the memory, and a long one clears it."""
    for without_contact, remembered in [(3, True), (30, False)]:
        session = Session(engine)
        session.step(frame_of(0, 255))
        for index in range(1, 1 + without_contact):
            session.step(air(index))
        again = session.step(frame_of(1 + without_contact, 90))  # too dark to be seen alone
        assert (again.area_px("lumen") > 0) is remembered
        assert (again.life is Life.NEW) is not remembered


def test_what_is_doubtful_is_not_remembered(watched: InstrumentedEngine, engine: OpenVinoEngine):
    session, other = Session(watched, temporal=None), Session(engine, temporal=None)
    session.step(frame_of(0, 255))
    other.step(frame_of(0, 255))
    watched.doubtful = True
    assert session.step(frame_of(1, 110)).life is Life.LIVE
    watched.doubtful = False
    assert session.counts.gated == 1
    expected, found = other.step(frame_of(2, 90)), session.step(frame_of(2, 90))
    np.testing.assert_array_equal(found.labels, expected.labels)
    assert found.confidence == expected.confidence


@pytest.mark.parametrize("event", ["cut", "size", "gap"])
def test_from_the_second_frame_on_it_is_as_a_fresh_session(engine: OpenVinoEngine, event: str):
    shape = (70, 96) if event == "size" else (64, 96)
    after = [Frame(frame_of(0, 250 - 9 * k, shape).image, 99 + k if event == "gap" else 2 + k, 0) for k in range(4)]
    if event == "cut":
        after = [Frame(np.ascontiguousarray(frame.image[:, ::-1]), frame.index, 0) for frame in after]
    session, fresh = Session(engine), Session(engine)
    session.step(frame_of(0))
    session.step(frame_of(1, 180))
    lives = []
    for frame in after:
        ours, theirs = session.step(frame), fresh.step(frame)
        lives.append(ours.life)
        np.testing.assert_array_equal(ours.labels, theirs.labels)
        assert ours.confidence == theirs.confidence
    assert lives == [{"cut": Life.CUT, "size": Life.NEW, "gap": Life.GAP}[event], *[Life.LIVE] * 3]


def test_every_frame_is_counted_by_its_life(engine: OpenVinoEngine):
    session = Session(engine)
    session.warm_up(StreamInfo(64, 96, 25.0))
    for frame in [frame_of(0), frame_of(1), frame_of(2, 180), air(3), frame_of(40, 150)]:
        session.step(frame)
    counts = session.counts
    assert (counts.new, counts.held, counts.live, counts.lost, counts.gap) == (1, 1, 1, 1, 1)
    assert (counts.cut, counts.nonfinite, counts.gated) == (0, 0, 0)

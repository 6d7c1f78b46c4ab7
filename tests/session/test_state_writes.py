"""Test that values written into a network's states reach the next frame, and last as long as the state's role says."""

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import networks
import numpy as np
import pytest
from session.streams import air, frame_of

from rtseg.engines.failover.failover import FailoverEngine
from rtseg.engines.openvino import OpenVinoEngine
from rtseg.errors import ConfigError, EngineError
from rtseg.frame import Frame, Life, StreamInfo
from rtseg.session.session import Session

POINT = np.full((1, 1, *networks.HALF), 50, np.float32)  # makes the whole picture the class
GAIN = np.full((1, 1, 1, 1), -3, np.float32)  # turns every logit round


@pytest.fixture
def engine(prompted: Path) -> Iterator[OpenVinoEngine]:
    made = OpenVinoEngine(prompted)
    yield made
    made.close()


def _share(session: Session, frame: Frame) -> float:
    """Return the share of a frame that becomes the class."""
    return float(session.step(frame).labels.mean())


def test_the_next_frame_sees_what_was_written(engine: OpenVinoEngine) -> None:
    session = Session(engine, temporal=None)
    assert _share(session, frame_of(0)) < 0.6
    session.write("point_in", POINT)
    assert [_share(session, frame_of(index, 180 + index)) for index in (1, 2, 3)] == [1, 1, 1]
    session.write("point_in", np.zeros_like(POINT))
    assert _share(session, frame_of(4)) < 0.6


def test_a_held_picture_is_segmented_again(engine: OpenVinoEngine) -> None:
    session = Session(engine, temporal=None)
    session.step(frame_of(0))
    assert session.step(frame_of(1)).life is Life.HELD
    session.write("point_in", POINT)
    held = session.step(frame_of(2))
    assert held.life is Life.HELD
    assert held.labels.all()


def test_what_is_written_without_contact_waits_for_it(engine: OpenVinoEngine) -> None:
    session = Session(engine, temporal=None)
    session.step(frame_of(0))
    assert session.step(air(1)).life is Life.LOST
    session.write("point_in", POINT)
    assert not session.step(air(2)).labels.any()
    assert _share(session, frame_of(3)) == 1


def _flipped(index: int, value: int = 200) -> Frame:
    return Frame(np.ascontiguousarray(frame_of(index, value).image[:, ::-1]), index, 0)


@pytest.mark.parametrize(
    ("event", "index", "view", "prompt_stays"),
    [(Life.CUT, 2, _flipped, False), (Life.GAP, 900, frame_of, True), (Life.NEW, 2, frame_of, False)],
)
def test_a_reset_goes_by_the_role(
    engine: OpenVinoEngine, event: Life, index: int, view: Callable[[int, int], Frame], prompt_stays: bool
) -> None:
    for name, values, stays in (("point_in", POINT, prompt_stays), ("gain_in", GAIN, True)):
        session = Session(engine, temporal=None)
        session.step(frame_of(0))
        session.write(name, values)
        session.step(frame_of(1, 180))
        if event is Life.NEW:
            session.reset("the user asked")
        assert session.step(view(index, 190)).life is event
        frame = view(index + 1, 201)
        dark = session.step(frame).labels[frame.image == 0].mean()
        assert dark > 0.9 if stays else dark < 0.1, name


@pytest.mark.parametrize("event", [Life.CUT, Life.GAP, Life.NEW])
def test_what_the_network_wrote_itself_goes_by_the_role_too(tmp_path: Path, event: Life) -> None:
    engine = OpenVinoEngine(networks.pinned(tmp_path / "pinned.onnx"))
    session = Session(engine, temporal=None)
    bright = session.step(frame_of(0, 250)).labels
    session.step(frame_of(1, 240))
    if event is Life.NEW:
        session.reset("the user asked")
    view = _flipped if event is Life.CUT else frame_of
    after = session.step(view(900 if event is Life.GAP else 2, 90))
    assert after.life is event
    assert after.labels[bright == 1].mean() > 0.9  # pinned, though too dark to be seen now
    fresh = Session(engine, temporal=None)
    assert fresh.step(view(0, 90)).labels[bright == 1].mean() < 0.6
    engine.close()


def test_what_lasts_survives_a_failover_and_a_memory_that_is_off(prompted: Path) -> None:
    first = OpenVinoEngine(prompted)
    engine = FailoverEngine([("first", lambda: first), ("next", lambda: OpenVinoEngine(prompted))])
    session = Session(engine, temporal=None)
    session.step(frame_of(0))
    session.write("point_in", POINT)
    session.step(frame_of(1, 180))
    first.close()  # the next run fails
    assert _share(session, frame_of(2, 190)) == 1
    session.write("point_in", 0 * POINT)
    assert _share(session, frame_of(3)) < 0.6
    session.memory = False
    session.write("point_in", POINT)
    assert [_share(session, frame_of(index, 170 + index)) for index in (4, 5)] == [1, 1]
    engine.close()


def test_a_failing_frame_is_repeated_with_what_was_written(prompted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = OpenVinoEngine(prompted)
    engine = FailoverEngine([("first", lambda: first), ("next", lambda: OpenVinoEngine(prompted))])
    session = Session(engine, temporal=None)
    session.step(frame_of(0))

    def broken(*_: Any) -> Any:
        raise EngineError("planted")

    monkeypatch.setattr(first, "infer", broken)
    session.write("h_in", 50 * np.ones((1, 1, *networks.HALF), np.float32))
    assert _share(session, frame_of(1, 180)) == 1
    assert set(session.writes.newest) == {"h_in"}
    engine.close()


def test_the_warm_up_uses_nothing_up(engine: OpenVinoEngine) -> None:
    session = Session(engine, temporal=None)
    session.write("point_in", POINT)
    session.warm_up(StreamInfo(64, 96, 25.0))
    assert _share(session, frame_of(0)) == 1


def test_from_many_threads_the_last_one_counts(engine: OpenVinoEngine) -> None:
    session = Session(engine, temporal=None)
    threads = [Thread(target=lambda: [session.write("point_in", POINT) for _ in range(200)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for index in range(20):
        session.step(frame_of(index, 150 + index))
    for thread in threads:
        thread.join()
    session.write("point_in", 0 * POINT)
    assert _share(session, frame_of(21)) < 0.6


def test_a_state_that_does_not_exist_is_refused_at_once(engine: OpenVinoEngine, tiny: Path) -> None:
    with pytest.raises(ConfigError, match="no state 'click'"):
        Session(engine).write("click", POINT)
    plain = OpenVinoEngine(tiny)
    with pytest.raises(ConfigError, match=r"give one of h_in \(memory\)"):
        Session(plain).write("point_in", POINT)
    plain.close()

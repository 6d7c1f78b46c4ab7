"""The session: frames in, labels out, and a memory that it keeps and resets."""

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

import networks
import numpy as np
import pytest

from rtseg.engines.base import Array, State
from rtseg.engines.load import load_engine
from rtseg.engines.openvino import OpenVinoEngine
from rtseg.errors import ConfigError
from rtseg.frame import Frame, Life, StreamInfo
from rtseg.lifecycle import LifecycleLimits
from rtseg.sector import FixedSector, Sector, WholeFrame
from rtseg.sector.shape import boxed, unknown
from rtseg.session import Session
from rtseg.speckle import SpeckleFilter
from rtseg.temporal import TemporalOptions
from rtseg.trace import LatencyTrace


@pytest.fixture
def engine(tiny: Path) -> Iterator[OpenVinoEngine]:
    made = OpenVinoEngine(tiny)
    yield made
    made.close()


def _frame(index: int = 0, value: int = 200, shape: tuple[int, ...] = (64, 96)) -> Frame:
    """Bright on its left half; a dim line in the right one stands for anatomy, without which there is no contact."""
    image = np.zeros(shape, np.uint8)
    image[:, : shape[1] // 2] = value
    image[shape[0] // 3 :, shape[1] * 3 // 4 :][:, : shape[1] // 24] = 60
    return Frame(image, index, 0)


def _air(index: int, shape: tuple[int, int] = (64, 96)) -> Frame:
    image = np.zeros(shape, np.uint8)
    image[: shape[0] // 5] = 200
    return Frame(image, index, 0)


@pytest.mark.parametrize("shape", [(64, 96), (64, 96, 3), (33, 50), (20, 200)])
def test_labels_are_in_the_frame_s_coordinates(engine: OpenVinoEngine, shape: tuple[int, ...]):
    mask = Session(engine).step(_frame(shape=shape)).mask("lumen")
    assert mask.shape == shape[:2]
    assert mask[:, : shape[1] // 2 - 4].all()
    assert not mask[:, shape[1] // 2 + 4 :].any()


def test_confidence_and_spacing(engine: OpenVinoEngine):
    segmentation = Session(engine, spacing_mm=(0.1, 0.2)).step(_frame())
    assert 0.5 < segmentation.confidence[0] <= 1
    assert segmentation.area_mm2("lumen") == pytest.approx(segmentation.area_px("lumen") * 0.02)


def test_the_memory_carries_on_and_is_forgotten(engine: OpenVinoEngine):
    session = Session(engine)
    session.step(_frame(0, value=255))
    remembered = session.step(_frame(1, value=90))  # too dark to be seen alone
    assert remembered.life is Life.LIVE
    assert remembered.area_px("lumen") > 0
    session.reset("next patient")
    forgotten = session.step(_frame(2, value=90))
    assert (forgotten.life, forgotten.reason) == (Life.NEW, "next patient")
    assert forgotten.area_px("lumen") == 0


def test_a_change_of_size_resets(engine: OpenVinoEngine):
    session = Session(engine)
    session.step(_frame(0, value=255))
    changed = session.step(_frame(1, value=90, shape=(66, 96)))
    assert changed.life is Life.NEW
    assert changed.area_px("lumen") == 0


def test_every_stage_is_timed(engine: OpenVinoEngine):
    trace = LatencyTrace(0)
    Session(engine).step(_frame(), trace)
    assert list(trace.stages_ns) == ["lifecycle", "sector", "preprocess", "temporal", "infer", "postprocess"]


def test_warm_up_leaves_no_memory(engine: OpenVinoEngine):
    session, cold = Session(engine), Session(engine)
    session.warm_up(StreamInfo(64, 96, 25.0))
    warm = session.step(_frame())
    np.testing.assert_array_equal(warm.labels, cold.step(_frame()).labels)
    assert (warm.life, warm.reason) == (Life.NEW, "first frame")


def test_engines_agree(tiny: Path):
    labels = []
    for name in ("openvino", "onnx"):
        session = Session(load_engine(tiny, name))
        labels.append([session.step(_frame(index, value=80 + 20 * index)).labels for index in range(6)])
    np.testing.assert_array_equal(*labels)


class _Watched:
    """An engine that counts how often it runs, and whose answer is not a number, or doubtful, when asked."""

    def __init__(self, engine: OpenVinoEngine) -> None:
        self._engine, self.spec = engine, engine.spec
        self.initial_state, self.upload, self.download = engine.initial_state, engine.upload, engine.download
        self.runs, self.poisoned, self.doubtful = 0, False, False

    def infer(self, x: Array, state: State) -> tuple[Array, State]:
        self.runs += 1
        logits, after = self._engine.infer(x, state)
        if self.poisoned and np.any(state.now[0].data):
            logits = np.full_like(logits, np.nan)
        return logits * (0.1 if self.doubtful else 1), after

    def close(self) -> None:
        self._engine.close()


@pytest.fixture
def watched(engine: OpenVinoEngine) -> _Watched:
    return _Watched(engine)


def test_what_is_no_number_resets_the_memory(watched: _Watched, engine: OpenVinoEngine, caplog: pytest.LogCaptureFixture):
    session, watched.poisoned = Session(watched), True
    session.step(_frame(0))
    mended = session.step(_frame(1, 180))
    np.testing.assert_array_equal(mended.labels, Session(engine).step(_frame(1, 180)).labels)
    assert "memory starts afresh" in caplog.text
    assert session.counts.nonfinite == 1


def test_a_held_picture_keeps_its_mask_and_spares_the_engine(watched: _Watched):
    session = Session(watched)
    first = session.step(_frame(0))
    held = [session.step(_frame(index)) for index in range(1, 6)]
    assert watched.runs == 1
    assert all(one.labels is first.labels and one.life is Life.HELD for one in held)
    assert (held[0].confidence, held[0].reason) == (first.confidence, "the picture stands still")
    assert session.step(_frame(6, 180)).life is Life.LIVE
    assert watched.runs == 2


def test_without_contact_there_is_no_mask(watched: _Watched):
    session = Session(watched)
    session.step(_frame(0))
    lost = session.step(_air(1))
    assert (lost.life, lost.area_px("lumen"), lost.confidence) == (Life.LOST, 0, (0.0,))
    assert watched.runs == 1
    assert session.step(_frame(2)).area_px("lumen") > 0


def test_air_is_not_written_into_the_memory(engine: OpenVinoEngine):
    """A short loss of contact leaves the memory as it was; a long one is forgotten."""
    for without_contact, remembered in [(3, True), (30, False)]:
        session = Session(engine)
        session.step(_frame(0, 255))
        for index in range(1, 1 + without_contact):
            session.step(_air(index))
        again = session.step(_frame(1 + without_contact, 90))  # too dark to be seen alone
        assert (again.area_px("lumen") > 0) is remembered
        assert (again.life is Life.NEW) is not remembered


def test_what_is_doubtful_is_not_remembered(watched: _Watched, engine: OpenVinoEngine):
    session, other = Session(watched, temporal=None), Session(engine, temporal=None)
    session.step(_frame(0, 255))
    other.step(_frame(0, 255))
    watched.doubtful = True
    assert session.step(_frame(1, 110)).life is Life.LIVE
    watched.doubtful = False
    assert session.counts.gated == 1
    expected, found = other.step(_frame(2, 90)), session.step(_frame(2, 90))
    np.testing.assert_array_equal(found.labels, expected.labels)
    assert found.confidence == expected.confidence


@pytest.mark.parametrize("event", ["cut", "size", "gap"])
def test_from_the_second_frame_on_it_is_as_a_fresh_session(engine: OpenVinoEngine, event: str):
    shape = (70, 96) if event == "size" else (64, 96)
    after = [Frame(_frame(0, 250 - 9 * k, shape).image, 99 + k if event == "gap" else 2 + k, 0) for k in range(4)]
    if event == "cut":
        after = [Frame(np.ascontiguousarray(frame.image[:, ::-1]), frame.index, 0) for frame in after]
    session, fresh = Session(engine), Session(engine)
    session.step(_frame(0))
    session.step(_frame(1, 180))
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
    for frame in [_frame(0), _frame(1), _frame(2, 180), _air(3), _frame(40, 150)]:
        session.step(frame)
    counts = session.counts
    assert (counts.new, counts.held, counts.live, counts.lost, counts.gap) == (1, 1, 1, 1, 1)
    assert (counts.cut, counts.nonfinite, counts.gated) == (0, 0, 0)


def test_a_network_of_two_logits(tmp_path: Path):
    described = networks.spec(states=(), single=())
    session = Session(load_engine(networks.stateless(tmp_path / "bare.onnx"), spec=described))
    assert session.step(_frame()).mask("lumen")[:, :40].all()


def test_only_the_largest_region_of_a_single_class_stays(tmp_path: Path):
    path = networks.recurrent(tmp_path / "single.onnx", networks.spec(single=("lumen",)))
    image = np.zeros((64, 96), np.uint8)
    image[:, :40] = image[:10, 80:] = 255
    image[30:, 60:64] = 60
    mask = Session(load_engine(path)).step(Frame(image, 0, 0)).mask("lumen")
    assert mask[:, :36].all()
    assert not mask[:, 60:].any()


@pytest.mark.parametrize(
    ("setting", "value"),
    [("threshold", 0.9), ("temporal", TemporalOptions(smoothing=0.9)), ("speckle", SpeckleFilter("median", 7))],
)
def test_what_is_set_acts_from_the_next_frame_on_as_if_it_had_been_so(engine: OpenVinoEngine, setting: str, value: object):
    """On a picture that is held, too."""
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
    session.step(_frame(0, 255))
    session.memory = False
    assert session.step(_frame(1, 90)).area_px("lumen") == 0  # too dark to be seen alone
    session.step(_frame(2, 255))
    session.memory = True
    again = session.step(_frame(3, 90))
    assert (again.life, again.area_px("lumen") > 0) == (Life.LIVE, True)


def test_another_way_to_find_the_sector_is_new(engine: OpenVinoEngine):
    session = Session(engine, locator=WholeFrame())
    session.step(_frame(0))
    session.locator = FixedSector((0, 0, 64, 48))
    changed = session.step(_frame(1, 180))
    assert (changed.life, changed.reason) == (Life.NEW, "the sector is found in another way")
    assert session.sector.box == (0, 0, 64, 48)
    assert session.step(_frame(2, 150)).life is Life.LIVE


def test_speckle_is_filtered_before_the_network(engine: OpenVinoEngine):
    session, trace = Session(engine, speckle=SpeckleFilter("median", 7)), LatencyTrace(0)
    image = np.zeros((64, 96), np.uint8)
    image[::4, ::4] = 255
    image[:, 90:] = 60
    image[20:24, 40:44] = 255  # of so many bright pixels a median of 7 leaves nothing, of the network's half size
    assert session.step(Frame(image, 0, 0), trace).area_px("lumen") == 0
    assert list(trace.stages_ns) == ["lifecycle", "sector", "preprocess", "speckle", "temporal", "infer", "postprocess"]


@pytest.mark.parametrize("threshold", [0, 1, 1.5, -1, float("nan")])
def test_a_threshold_out_of_range_is_told_where_it_is_set(engine: OpenVinoEngine, threshold: float):
    session = Session(engine)
    with pytest.raises(ConfigError, match="between 0 and 1"):
        session.threshold = threshold
    assert session.threshold == 0.5


def test_settings_may_come_from_another_thread(engine: OpenVinoEngine):
    """Whatever is set while frames run, each frame is segmented with settings of one moment, and nothing breaks."""
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
        found = [session.step(_frame(index, 100 + index % 100)) for index in range(200)]
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()
    assert {one.labels.shape for one in found} == {(64, 96)}
    assert "asked" in {one.reason for one in found}


class _Script:
    """A locator that says at each frame what it was told to say."""

    def __init__(self, *said: tuple[Sector, str]) -> None:
        self._said, self.asked = iter(said), 0

    def observe(self, frame: Frame) -> tuple[Sector, str]:
        self.asked += 1
        return next(self._said)

    def forget(self) -> None:
        pass


LEFT, LESS = boxed((0, 0, 64, 80), (64, 96)), boxed((0, 0, 60, 80), (64, 96))
SEARCHED = unknown((64, 96))


def test_finding_the_first_sector_is_no_event_but_the_memory_starts_afresh(engine: OpenVinoEngine):
    script = _Script((SEARCHED, ""), (LEFT, ""), (LESS, ""), (LESS, ""))
    session, fresh = Session(engine, locator=script), Session(engine, locator=FixedSector((0, 0, 60, 80)))
    found = [session.step(_frame(index, 200 - 20 * index)) for index in range(4)]
    assert [one.life for one in found] == [Life.NEW, Life.LIVE, Life.LIVE, Life.LIVE]
    assert [one.reason for one in found[1:]] == ["the sector is found: linear 80x64", "the sector is found: linear 80x60", ""]
    assert (session.counts.new, session.counts.live) == (1, 3)
    for index in (2, 3):
        np.testing.assert_array_equal(found[index].labels, fresh.step(_frame(index, 200 - 20 * index)).labels)


def test_another_sector_is_new_and_looked_at_once(engine: OpenVinoEngine):
    script = _Script((LEFT, ""), (LEFT, ""), (LESS, "another depth"), (LESS, ""))
    session = Session(engine, locator=script)
    found = [session.step(_frame(index, 200 - 20 * index)) for index in range(4)]
    assert [one.life for one in found] == [Life.NEW, Life.LIVE, Life.NEW, Life.LIVE]
    assert found[2].reason == "another depth"


def test_a_frozen_picture_has_no_other_sector_however_noisy(engine: OpenVinoEngine):
    script, rng = _Script((LEFT, ""), (LESS, "another depth")), np.random.default_rng(0)
    session = Session(engine, locator=script)
    first = _frame(0)
    session.step(first)
    for index in range(1, 5):
        noisy = np.clip(first.image + rng.integers(-1, 2, first.image.shape), 0, 255).astype(np.uint8)
        assert session.step(Frame(noisy, index, 0)).life is Life.HELD
    assert (script.asked, session.sector) == (1, LEFT)
    assert session.step(_frame(5, 150)).life is Life.NEW


def test_a_stream_that_begins_frozen_is_searched_all_the_same(engine: OpenVinoEngine):
    """But not in what a grabber repeats, where no mask may change."""
    script = _Script((SEARCHED, ""), (SEARCHED, ""), (LEFT, ""))
    session = Session(engine, locator=script)
    found, asked = [], []
    for index in range(10):
        found.append(session.step(_frame(index)))
        asked.append(script.asked)
    assert [one.life for one in found] == [Life.NEW] + [Life.HELD] * 9
    assert asked == [1] * 6 + [2, 3, 3, 3]
    assert session.sector == LEFT
    assert not found[7].labels[:, 80:].any()
    assert found[9].labels is found[7].labels


def test_a_sector_that_changed_without_contact_is_new_with_contact(engine: OpenVinoEngine):
    script = _Script((LEFT, ""), (LESS, "another depth"), (LESS, ""))
    session = Session(engine, locator=script, limits=LifecycleLimits(lost_frames=3))
    lives = [session.step(frame).life for frame in (_frame(0), *map(_air, range(1, 4)))]
    assert (lives[1:], script.asked) == ([Life.LOST] * 3, 1)  # a short loss says nothing of the sector
    assert session.step(_air(4)).life is Life.LOST
    again = session.step(_frame(5))
    assert (again.life, again.reason, session.sector) == (Life.NEW, "another depth", LESS)

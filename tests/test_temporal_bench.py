"""The benchmark of memory and steadiness, small: a tiny network that sees brightness, and phantoms."""

import json

import networks
import numpy as np
import pytest

from rtseg.engines.load import load_engine
from rtseg.errors import RtsegError
from rtseg.frame import Life
from rtseg.lifecycle import Lifecycle
from rtseg.temporal_bench import Clip, bench, phantom, real
from rtseg.temporal_bench.clips import coded, grabbed
from rtseg.temporal_bench.events import SCRIPTED, SOON, SPLICED, Expected, recognised, scripted, spliced, unexplained
from rtseg.temporal_bench.grabber import held
from rtseg.temporal_bench.soak import soak
from rtseg.temporal_bench.steady import WAYS, Memoryless, compared

SMALL = "vessel?height=144&width=192"


@pytest.fixture
def engine(tmp_path):
    made = load_engine(networks.recurrent(tmp_path / "tiny.onnx"))
    yield made
    made.close()


@pytest.mark.parametrize("geometry", ["linear", "curvilinear"])
def test_every_scripted_event_is_seen_soon(engine, geometry):
    report = recognised(engine, scripted(geometry, 144, 192), SCRIPTED)
    assert set(report["delay_frames"]) == {"freeze", "cut", "lift", "drop", "depth"}
    assert all(delay is not None and delay <= SOON for delay in report["delay_frames"].values())
    assert report["unexplained_resets"] == 0
    assert report["after_a_cut_like_a_fresh_session"] is True


def test_faults_in_a_recording_are_seen_soon(engine):
    clip = spliced(phantom("like a recording", SMALL, 100))
    report = recognised(engine, Clip(clip.name, clip.images, clip.indices), SPLICED)
    assert all(delay is not None and delay <= SOON for delay in report["delay_frames"].values())
    assert report["unexplained_resets"] == 0
    assert "recovery_frames" not in report  # a recording has no truth


def test_a_short_recording_takes_no_faults():
    assert spliced(phantom("short", SMALL, 9)) is None


def test_what_is_not_seen_and_what_is_unexplained_are_told(engine):
    clip = phantom("cut", f"{SMALL}&faults=cut@20", 40)
    report = recognised(engine, clip, [Expected("lift", 5, (Life.LOST,))])
    assert report["delay_frames"] == {"lift": None}
    assert report["unexplained_resets"] == 1
    quiet = unexplained(engine, [clip])
    assert (quiet["frames"], quiet["resets"], quiet["false_resets_in_10000"]) == (40, 1, 250)
    assert quiet["reasons"] == report["reasons"]
    assert "cut, frame 20: CUT, another scene" in quiet["reasons"][0]


def test_a_grabber_that_repeats_frames_is_seen_through(engine):
    report = held(engine, phantom("vessel", "vessel?height=480&width=640", 15), 20)
    assert report["frames"] == 36
    assert report["new_pictures"] == pytest.approx(15 / 36)
    assert report["engine_ran"] <= 0.45
    assert report["masks_changed_at_repeats"] == 0


def test_repeats_are_not_bit_equal():
    stream, new = grabbed(phantom("vessel", SMALL, 5), 20)
    repeats = [t for t in range(1, len(new)) if not new[t]]
    assert len(repeats) == 7
    assert any(not np.array_equal(stream.images[t], stream.images[t - 1]) for t in repeats)


def test_coding_loses_little_and_an_odd_edge():
    image = phantom("vessel", "vessel?height=97&width=129", 1).images[0]
    (back,) = coded([image], 18)
    assert back.shape == (96, 128)
    assert np.abs(back.astype(int) - image[:96, :128]).mean() < 6


def test_a_memoryless_engine_has_no_past(engine):
    spec = engine.spec
    bright, dark = (np.full((1, 1, *spec.size), value, np.float32) for value in (3, -0.5))
    bare = Memoryless(engine)
    _, state = bare.infer(bright, bare.initial_state())
    logits, _ = bare.infer(dark, state)
    assert (logits < 0).all()
    _, state = engine.infer(bright, engine.initial_state())
    assert (engine.infer(dark, state)[0] > 0).all()


def test_each_way_is_measured(engine):
    table = compared(engine, [phantom("vessel", SMALL, 9)], lambda _: None)
    assert list(table) == list(WAYS)
    assert table["memory"]["engine_ran"] == 1
    assert table["memory, every 2nd frame"]["engine_ran"] == pytest.approx(5 / 9, abs=1e-5)
    assert all(0 <= row["dice"] <= 1 for row in table.values())
    assert table["memory, every 3rd frame"]["temporal_iou"] is not None


def test_the_whole_report_is_json(engine):
    told = []
    report = bench(engine, [phantom("vessel", SMALL, 12)], [phantom("vessel", SMALL, 6)], told.append)
    assert json.loads(json.dumps(report, allow_nan=False))["model"] == "tiny"
    assert {"events", "without_events", "grabber", "steadiness"} <= set(report)
    assert "a 60 Hz grabber" in told


def test_a_recording_is_read_in_grey():
    clip = real("synthetic:vessel?height=64&width=64", 3)
    assert [image.shape for image in clip.images] == [(64, 64)] * 3
    assert clip.truths is None


def test_a_short_soak(engine):
    """`make soak` is the long one."""
    report = soak(engine, "synthetic:vessel?height=64&width=96&frames=50", 600, lambda _: None)
    assert len(report["memory_mb"]) == 20
    assert report["memory"]["nonfinite"] == 0


def test_a_soak_that_leaks_is_told(engine, monkeypatch):
    growing = iter(range(100, 10_000, 9))
    monkeypatch.setattr("rtseg.temporal_bench.soak.memory_mb", lambda: float(next(growing)))
    with pytest.raises(RtsegError, match="memory grew from 109 to"):
        soak(engine, "synthetic:vessel?height=64&width=96&frames=50", 60, lambda _: None)


def test_no_false_reset_on_a_long_quiet_stream():
    probe_frames = phantom("quiet", "vessel?height=96&width=128&seed=9", 300).frames()
    lifecycle = Lifecycle()
    assert [lifecycle.observe(frame)[0] for frame in probe_frames] == [Life.NEW] + [Life.LIVE] * 299

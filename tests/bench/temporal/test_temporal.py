"""Tests the temporal benchmark with a tiny network that thresholds brightness, on phantoms."""

import json
from dataclasses import replace

import cv2
import networks
import numpy as np
import pytest

from rtseg.bench.temporal import BenchClip, bench_temporal, phantom_clip, recorded_clip
from rtseg.bench.temporal.clips import grabber_clip, h264_round_trip, looped_frames
from rtseg.bench.temporal.events import (
    MAX_DELAY_FRAMES,
    SCRIPTED,
    SPLICED,
    ExpectedEvent,
    count_false_resets,
    measure_recognition,
    scripted_clip,
    splice_faults,
)
from rtseg.bench.temporal.grabber import measure_duplicates
from rtseg.bench.temporal.soak import soak
from rtseg.bench.temporal.stabilizing import (
    FRAME_BY_FRAME,
    GROUND_TRUTH,
    STABILIZED,
    USUAL_VARIANTS,
    VARIANTS,
    PipelineVariant,
    compare_variants,
    mean_dice,
    variant_curves,
)
from rtseg.bench.temporal.video import bench_video, check_goals
from rtseg.engines.load import load_engine
from rtseg.errors import ConfigError, RtsegError
from rtseg.frame import Life
from rtseg.session.lifecycle import Lifecycle

SMALL = "vessel?height=144&width=192"


@pytest.fixture
def engine(tmp_path):
    made = load_engine(networks.recurrent(tmp_path / "tiny.onnx"))
    yield made
    made.close()


@pytest.mark.parametrize("geometry", ["linear", "curvilinear"])
def test_every_scripted_event_is_seen_soon(engine, geometry):
    report = measure_recognition(engine, scripted_clip(geometry, 144, 192), SCRIPTED)
    assert set(report["delay_frames"]) == {"freeze", "cut", "lift", "drop", "depth"}
    assert all(delay is not None and delay <= MAX_DELAY_FRAMES for delay in report["delay_frames"].values())
    assert report["unexplained_resets"] == 0
    assert report["after_a_cut_like_a_fresh_session"] is True


def test_faults_in_a_recording_are_seen_soon(engine):
    clip = splice_faults(phantom_clip("like a recording", SMALL, 100))
    report = measure_recognition(engine, BenchClip(clip.name, clip.images, clip.indices), SPLICED)
    assert all(delay is not None and delay <= MAX_DELAY_FRAMES for delay in report["delay_frames"].values())
    assert report["unexplained_resets"] == 0
    assert "recovery_frames" not in report  # a recording has no ground truth


def test_a_short_recording_takes_no_faults():
    assert splice_faults(phantom_clip("short", SMALL, 9)) is None


def test_what_is_not_seen_and_what_is_unexplained_are_told(engine):
    clip = phantom_clip("cut", f"{SMALL}&faults=cut@20", 40)
    report = measure_recognition(engine, clip, [ExpectedEvent("lift", 5, (Life.LOST,))])
    assert report["delay_frames"] == {"lift": None}
    assert report["unexplained_resets"] == 1
    assert "cut, frame 20: CUT, another scene" in report["reasons"][0]


def test_false_resets_are_counted_where_a_recording_jumps(engine):
    quiet, cut = phantom_clip("quiet", SMALL, 20), phantom_clip("cut", f"{SMALL}&faults=cut@10", 20)
    assert count_false_resets(engine, [quiet], 60)["resets"] == 0
    found = count_false_resets(engine, [quiet, cut], 80)
    assert (found["frames"], found["resets"], found["false_resets_in_10000"]) == (80, 2, 250)  # forwards and backwards
    assert "cut, frame 10: CUT, another scene" in found["reasons"][0]


def test_a_recording_is_played_forwards_and_backwards_without_a_seam():
    clip = BenchClip("levels", tuple(np.full((64, 96), 20 + 60 * k, np.uint8) for k in range(4)), (0, 1, 2, 3))
    frames = list(looped_frames(clip, 14))
    assert [frame.index for frame in frames] == list(range(14))
    order = [0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1]
    nearest = [min(range(4), key=lambda k: np.abs(clip.images[k].astype(int) - frame.image).sum()) for frame in frames]
    assert nearest == order


def test_a_grabber_that_repeats_frames_is_seen_through(engine):
    report = measure_duplicates(engine, phantom_clip("vessel", "vessel?height=480&width=640", 15), 20)
    assert report["frames"] == 36
    assert report["new_pictures"] == pytest.approx(15 / 36)
    assert report["engine_ran"] <= 0.45
    assert report["masks_changed_at_repeats"] == 0


def test_repeats_are_not_bit_equal():
    stream, new = grabber_clip(phantom_clip("vessel", SMALL, 5), 20)
    repeats = [t for t in range(1, len(new)) if not new[t]]
    assert len(repeats) == 7
    assert any(not np.array_equal(stream.images[t], stream.images[t - 1]) for t in repeats)


def test_coding_loses_little_and_an_odd_edge():
    image = phantom_clip("vessel", "vessel?height=97&width=129", 1).images[0]
    (back,) = h264_round_trip([image], 18)
    assert back.shape == (96, 128)
    assert np.abs(back.astype(int) - image[:96, :128]).mean() < 6


def test_each_way_is_measured(engine):
    table = compare_variants(engine, [phantom_clip("vessel", SMALL, 9)], lambda _: None)
    assert list(table) == [*VARIANTS, GROUND_TRUTH]
    assert (table[GROUND_TRUTH]["dice"], table[GROUND_TRUTH]["dtssd"]) == (1, 0)
    assert table["memory"]["engine_ran"] == 1
    assert table["memory, every 2nd frame"]["engine_ran"] == pytest.approx(5 / 9, abs=1e-5)
    assert all(0 <= row["dice"] <= 1 for row in table.values())
    assert table["memory, every 3rd frame"]["temporal_iou"] is not None


def test_what_moved_is_seen_on_the_frames_as_they_were_before_they_were_spoilt(engine):
    clip = phantom_clip("vessel", SMALL, 6)
    spoilt = replace(clip, images=tuple(np.roll(image, 9 * (t == 3), 1) for t, image in enumerate(clip.images)))
    clips = (clip, replace(spoilt, clean_images=clip.images), spoilt)
    found = [compare_variants(engine, [one], lambda _: None, {})[GROUND_TRUTH] for one in clips]
    assert found[0] == found[1] != found[2]


def test_a_way_without_memory_has_no_past(engine):
    bright, dark = (np.full((64, 96), value, np.uint8) for value in (250, 90))
    for picture in (bright, dark):
        picture[:, 40:] //= 3
    frames = BenchClip("dimmed", (bright, dark), (0, 1)).frames()
    found = {memory: [PipelineVariant(memory).session(engine).step(frame) for frame in frames] for memory in (True, False)}
    assert found[True][0].area_px("lumen") == found[False][0].area_px("lumen") > 0
    sessions = {memory: PipelineVariant(memory).session(engine) for memory in (True, False)}
    areas = {memory: [session.step(frame).area_px("lumen") for frame in frames] for memory, session in sessions.items()}
    assert areas[True][1] > areas[False][1] == 0


def test_dice_is_the_mean_over_the_classes_that_are_there():
    truth = np.array([[1, 1, 2, 0]], np.uint8)
    assert mean_dice(truth, truth) == 1
    assert mean_dice(np.array([[1, 1, 0, 0]], np.uint8), truth) == 0.5
    assert mean_dice(np.array([[3, 3, 3, 3]], np.uint8), truth) == 0
    nothing = np.zeros((1, 4), np.uint8)
    assert (mean_dice(nothing, nothing), mean_dice(truth, nothing)) == (1, 0)


def test_a_report_on_video(engine):
    clip = phantom_clip("vessel", "vessel?height=96&width=128", 100)
    report = json.loads(json.dumps(bench_video(engine, {"speckle": [clip]}, [phantom_clip("scan", SMALL, 8)], lambda _: None)))
    assert report["began_at"].endswith("Z")
    assert set(report["simulated"]) == set(report["goals"]) == {"speckle"}
    assert set(report["scans"]) == set(report["curves"]["vessel"])
    assert len(report["curves"]["vessel"][FRAME_BY_FRAME]["dice"]) == 100
    (events,) = report["events"]
    assert set(events["recovery_frames"]) == {"freeze", "no signal", "cut", "drop"}


def test_goals_are_met_or_not():
    def row(dice, flicker, lag=0.2):
        return {"dice": dice, "flicker": flicker, "lag_frames": lag}

    def asked(alone, steady):
        return check_goals({FRAME_BY_FRAME: alone, STABILIZED: steady})

    assert asked(row(0.9, 0.01), row(0.91, 0.005)) == {
        "flicker_ratio": 0.5,
        "dice_gain": 0.01,
        "lag_frames": 0.2,
        "met": {"flicker": True, "dice": True, "dice_within_0.001": True, "lag": True},
    }
    worse = asked(row(0.9, 0.01), row(0.8995, 0.006, 1.1))["met"]
    assert worse == {"flicker": False, "dice": False, "dice_within_0.001": True, "lag": False}
    assert asked(row(0.9, 0.0), row(0.9, 0.0, None))["flicker_ratio"] is None


def test_the_plots_are_drawn(engine, tmp_path):
    from rtseg.bench.temporal.plot import plot_variants

    clip = phantom_clip("vessel", SMALL, 8)
    path = tmp_path / "plot.png"
    plot_variants(
        {"speckle": compare_variants(engine, [clip], lambda _: None, USUAL_VARIANTS)},
        {"vessel": variant_curves(engine, clip)},
        "x",
        path,
    )
    assert cv2.imread(str(path)).std() > 5
    with pytest.raises(ConfigError, match="a folder that is there"):
        plot_variants({}, {"vessel": variant_curves(engine, clip)}, "x", tmp_path / "nowhere" / "plot.png")


def test_the_whole_report_is_json(engine):
    told = []
    report = bench_temporal(
        engine, [phantom_clip("vessel", SMALL, 12)], [phantom_clip("vessel", SMALL, 6)], told.append, quiet_frames=24
    )
    assert json.loads(json.dumps(report, allow_nan=False))["model"] == "tiny"
    assert {"events", "without_events", "grabber", "steadiness"} <= set(report)
    assert "a 60 Hz grabber" in told


def test_a_recording_is_read_in_grey():
    clip = recorded_clip("synthetic:vessel?height=64&width=64", 3)
    assert [image.shape for image in clip.images] == [(64, 64)] * 3
    assert clip.truths is None


def test_a_short_soak(engine):
    """Run a short soak; `make soak` runs the long one."""
    report = soak(engine, "synthetic:vessel?height=64&width=96&frames=50", 200, lambda _: None)
    assert len(report["memory_mb"]) == 50
    assert (report["frames"], report["memory"]["new"]) == (200, 1)
    assert report["memory"]["nonfinite"] == 0


def test_a_soak_that_leaks_is_told(engine, monkeypatch):
    growing = iter(range(100, 10_000, 9))
    monkeypatch.setattr("rtseg.bench.temporal.soak.memory_mb", lambda: float(next(growing)))
    with pytest.raises(RtsegError, match="memory grew from 109 to"):
        soak(engine, "synthetic:vessel?height=64&width=96&frames=50", 60, lambda _: None)


def test_no_false_reset_on_a_long_quiet_stream():
    probe_frames = phantom_clip("quiet", "vessel?height=96&width=128&seed=9", 300).frames()
    lifecycle = Lifecycle()
    assert [lifecycle.observe(frame)[0] for frame in probe_frames] == [Life.NEW] + [Life.LIVE] * 299

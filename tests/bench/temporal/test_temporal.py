"""Tests the temporal benchmark with a tiny network that thresholds brightness, on phantoms."""

import json
from dataclasses import replace

import cv2
import networks
import numpy as np
import pytest

from rtseg.bench.temporal import Clip, bench, phantom, real
from rtseg.bench.temporal.clips import coded, grabbed, looped
from rtseg.bench.temporal.events import SCRIPTED, SOON, SPLICED, Expected, recognised, scripted, spliced, unexplained
from rtseg.bench.temporal.grabber import held
from rtseg.bench.temporal.soak import soak
from rtseg.bench.temporal.stabilizing import ALONE, STEADIED, TRUTH, USUAL_WAYS, WAYS, Way, compared, curves, overlap
from rtseg.bench.temporal.video import goals, video
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
    assert "recovery_frames" not in report  # a recording has no ground truth


def test_a_short_recording_takes_no_faults():
    assert spliced(phantom("short", SMALL, 9)) is None


def test_what_is_not_seen_and_what_is_unexplained_are_told(engine):
    clip = phantom("cut", f"{SMALL}&faults=cut@20", 40)
    report = recognised(engine, clip, [Expected("lift", 5, (Life.LOST,))])
    assert report["delay_frames"] == {"lift": None}
    assert report["unexplained_resets"] == 1
    assert "cut, frame 20: CUT, another scene" in report["reasons"][0]


def test_false_resets_are_counted_where_a_recording_jumps(engine):
    quiet, cut = phantom("quiet", SMALL, 20), phantom("cut", f"{SMALL}&faults=cut@10", 20)
    assert unexplained(engine, [quiet], 60)["resets"] == 0
    found = unexplained(engine, [quiet, cut], 80)
    assert (found["frames"], found["resets"], found["false_resets_in_10000"]) == (80, 2, 250)  # forwards and backwards
    assert "cut, frame 10: CUT, another scene" in found["reasons"][0]


def test_a_recording_is_played_forwards_and_backwards_without_a_seam():
    clip = Clip("levels", tuple(np.full((64, 96), 20 + 60 * k, np.uint8) for k in range(4)), (0, 1, 2, 3))
    frames = list(looped(clip, 14))
    assert [frame.index for frame in frames] == list(range(14))
    order = [0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1]
    nearest = [min(range(4), key=lambda k: np.abs(clip.images[k].astype(int) - frame.image).sum()) for frame in frames]
    assert nearest == order


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


def test_each_way_is_measured(engine):
    table = compared(engine, [phantom("vessel", SMALL, 9)], lambda _: None)
    assert list(table) == [*WAYS, TRUTH]
    assert (table[TRUTH]["dice"], table[TRUTH]["dtssd"]) == (1, 0)
    assert table["memory"]["engine_ran"] == 1
    assert table["memory, every 2nd frame"]["engine_ran"] == pytest.approx(5 / 9, abs=1e-5)
    assert all(0 <= row["dice"] <= 1 for row in table.values())
    assert table["memory, every 3rd frame"]["temporal_iou"] is not None


def test_what_moved_is_seen_on_the_frames_as_they_were_before_they_were_spoilt(engine):
    clip = phantom("vessel", SMALL, 6)
    spoilt = replace(clip, images=tuple(np.roll(image, 9 * (t == 3), 1) for t, image in enumerate(clip.images)))
    clips = (clip, replace(spoilt, unspoilt=clip.images), spoilt)
    found = [compared(engine, [one], lambda _: None, {})[TRUTH] for one in clips]
    assert found[0] == found[1] != found[2]


def test_a_way_without_memory_has_no_past(engine):
    bright, dark = (np.full((64, 96), value, np.uint8) for value in (250, 90))
    for picture in (bright, dark):
        picture[:, 40:] //= 3
    frames = Clip("dimmed", (bright, dark), (0, 1)).frames()
    found = {memory: [Way(memory).session(engine).step(frame) for frame in frames] for memory in (True, False)}
    assert found[True][0].area_px("lumen") == found[False][0].area_px("lumen") > 0
    sessions = {memory: Way(memory).session(engine) for memory in (True, False)}
    areas = {memory: [session.step(frame).area_px("lumen") for frame in frames] for memory, session in sessions.items()}
    assert areas[True][1] > areas[False][1] == 0


def test_dice_is_the_mean_over_the_classes_that_are_there():
    truth = np.array([[1, 1, 2, 0]], np.uint8)
    assert overlap(truth, truth) == 1
    assert overlap(np.array([[1, 1, 0, 0]], np.uint8), truth) == 0.5
    assert overlap(np.array([[3, 3, 3, 3]], np.uint8), truth) == 0
    nothing = np.zeros((1, 4), np.uint8)
    assert (overlap(nothing, nothing), overlap(truth, nothing)) == (1, 0)


def test_a_report_on_video(engine):
    clip = phantom("vessel", "vessel?height=96&width=128", 100)
    report = json.loads(json.dumps(video(engine, {"speckle": [clip]}, [phantom("scan", SMALL, 8)], lambda _: None)))
    assert set(report["simulated"]) == set(report["goals"]) == {"speckle"}
    assert set(report["scans"]) == set(report["curves"]["vessel"])
    assert len(report["curves"]["vessel"][ALONE]["dice"]) == 100
    (events,) = report["events"]
    assert set(events["recovery_frames"]) == {"freeze", "no signal", "cut", "drop"}


def test_goals_are_met_or_not():
    def row(dice, flicker, lag=0.2):
        return {"dice": dice, "flicker": flicker, "lag_frames": lag}

    def asked(alone, steady):
        return goals({ALONE: alone, STEADIED: steady})

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
    from rtseg.bench.temporal.plot import plot_ways

    clip = phantom("vessel", SMALL, 8)
    path = tmp_path / "plot.png"
    plot_ways({"speckle": compared(engine, [clip], lambda _: None, USUAL_WAYS)}, {"vessel": curves(engine, clip)}, "x", path)
    assert cv2.imread(str(path)).std() > 5
    with pytest.raises(ConfigError, match="a folder that is there"):
        plot_ways({}, {"vessel": curves(engine, clip)}, "x", tmp_path / "nowhere" / "plot.png")


def test_the_whole_report_is_json(engine):
    told = []
    report = bench(engine, [phantom("vessel", SMALL, 12)], [phantom("vessel", SMALL, 6)], told.append, quiet_frames=24)
    assert json.loads(json.dumps(report, allow_nan=False))["model"] == "tiny"
    assert {"events", "without_events", "grabber", "steadiness"} <= set(report)
    assert "a 60 Hz grabber" in told


def test_a_recording_is_read_in_grey():
    clip = real("synthetic:vessel?height=64&width=64", 3)
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
    probe_frames = phantom("quiet", "vessel?height=96&width=128&seed=9", 300).frames()
    lifecycle = Lifecycle()
    assert [lifecycle.observe(frame)[0] for frame in probe_frames] == [Life.NEW] + [Life.LIVE] * 299

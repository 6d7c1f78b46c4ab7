"""Test the screen: its drawings and its statistics."""

import json

import numpy as np
import results

from rtseg.frame import Life
from rtseg.overlay import OKABE_ITO, Overlay
from rtseg.sinks.view.live_stats import LiveStats
from rtseg.sinks.view.screen import Screen

WAIT_S = 60
FRAME_NS = 40_000_000


def shown(index, **more):
    return results.result(index=index, captured_ns=index * FRAME_NS + 1, **more)


def fed(count, **more):
    figures = LiveStats(window=50)
    figures.open(results.stream(fps=25.0))
    for index in range(count):
        figures.add(shown(index, **more))
    return figures


def test_no_frame_no_figures():
    assert LiveStats().snapshot() == {"frames": 0, "dropped": 0, "late": 0}


def test_the_figures_are_those_of_the_traces():
    told = fed(30, spacing_mm=(0.1, 0.2)).snapshot()
    assert told["frames"] == 30
    np.testing.assert_allclose(told["fps"], 25.0, rtol=0.01)
    np.testing.assert_allclose([told["p50_ms"], told["p99_ms"], told["stages_ms"]["infer"]], 12.3, rtol=0.01)
    assert told["period_ms"] == 40
    (lumen,) = told["classes"]
    assert lumen["name"] == "lumen"
    assert lumen["colour"] == "#{:02x}{:02x}{:02x}".format(*OKABE_ITO[0])
    np.testing.assert_allclose(lumen["area_mm2"], lumen["area_px"] * 0.02, atol=0.01)
    json.dumps(told, allow_nan=False)


def test_the_curve_counts_back_from_the_newest_frame():
    curve = fed(40, spacing_mm=(1.0, 1.0)).snapshot()["curve"]
    assert curve["unit"] == "mm²"
    assert curve["seconds"][-1] == 0
    np.testing.assert_allclose(np.diff(curve["seconds"]), 0.04, atol=0.0011)
    assert curve["areas"] == {"lumen": [16 * 21] * 40}


def test_the_window_forgets_and_the_counts_do_not():
    figures = fed(120)
    told = figures.snapshot()
    assert told["frames"] == 120
    assert len(told["curve"]["seconds"]) == 50
    figures.open(results.stream())
    assert figures.snapshot()["frames"] == 0


def test_drops_late_frames_and_the_life_are_told():
    figures = fed(3)
    figures.open(results.stream(fps=100.0))  # 12.3 ms exceed its period
    figures.add(shown(0, dropped=4, life=Life.CUT, reason="another scene"))
    told = figures.snapshot()
    assert (told["dropped"], told["late"], told["life"], told["reason"]) == (4, 1, "CUT", "another scene")
    assert told["fps"] is None


def test_another_model_in_mid_stream_leaves_a_gap_in_the_curve():
    figures = fed(2)
    figures.add(shown(2, classes=("vessel", "nerve")))
    areas = figures.snapshot()["curve"]["areas"]
    assert areas["nerve"] == [None, None, 0]


def test_nothing_is_drawn_while_nobody_looks():
    screen = Screen(Overlay(notice=False))
    screen.open(results.stream())
    unseen = shown(0)
    screen.write(unseen)
    assert "overlay" not in unseen.trace.stages_ns
    with screen.broadcast.viewer():
        seen = shown(1)
        screen.write(seen)
        assert seen.trace.stages_ns["overlay"] > 0
        assert screen.broadcast.wait_for_newer(0, WAIT_S).captured_ns == seen.frame.captured_ns
    told = screen.snapshot()
    assert (told["frames"], told["viewers"]) == (2, 0)
    assert told["age_ms"] > 0
    screen.close()


def test_one_who_comes_late_is_shown_the_newest_result():
    screen = Screen()
    screen.open(results.stream())
    screen.redraw()  # nothing yet
    screen.write(shown(5))
    screen.redraw()
    assert screen.broadcast.wait_for_newer(0, WAIT_S).captured_ns == shown(5).frame.captured_ns
    screen.close()
    screen.redraw()


def test_a_painter_of_another_size_and_frames_that_change_theirs():
    class Twice:
        def draw(self, result, out=None):
            assert out is None or out.shape[:2] == result.frame.image.shape[:2]
            return np.hstack([Overlay().draw(result)] * 2)

    screen = Screen(Twice())
    screen.open(results.stream())
    with screen.broadcast.viewer():
        for index, side in enumerate((64, 80, 80, 64)):
            screen.write(shown(index, image=np.zeros((side, side), np.uint8)))
        screen.painter = Overlay()
        screen.write(shown(9, image=np.zeros((64, 64), np.uint8)))
        coded = screen.broadcast.wait_for_newer(0, WAIT_S)
        while coded.captured_ns != 9 * FRAME_NS + 1:
            coded = screen.broadcast.wait_for_newer(coded.number, WAIT_S)
    screen.close()


def test_an_unfamiliar_picture_names_its_classes_without_measures():
    stats = LiveStats()
    stats.open(results.stream())
    stats.add(results.result(familiarity=0.2, classes=("lumen", "wall")))
    told = stats.snapshot()
    assert (told["unfamiliar"], told["familiarity"]) == (True, 0.2)
    assert [(one["name"], one["area_px"]) for one in told["classes"]] == [("lumen", None), ("wall", None)]
    stats.add(results.result(familiarity=0.9))
    assert stats.snapshot()["classes"][0]["area_px"] == 336

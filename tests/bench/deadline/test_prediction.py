"""Test the prediction of missed deadlines on planted times, whose misses can be counted by hand."""

import json
from math import inf
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from rtseg.bench.deadline.prediction import binding_stage, predict, simulate
from rtseg.bench.deadline.stage_times import FrameTimes, StageTimes
from rtseg.bench.deadline.validation import Trial
from rtseg.cli.app import app

MS = 1_000_000


def times(*works_ms: float, wake_ms: float = 0.0) -> tuple[FrameTimes, ...]:
    return tuple(FrameTimes({"infer": round(work * MS)}, round(wake_ms * MS)) for work in works_ms)


def measured(*works_ms: float, fps: float = 50.0, wake_ms: float = 0.0) -> StageTimes:
    return StageTimes(fps, times(*works_ms, wake_ms=wake_ms), (), len(works_ms))


def test_a_stream_that_keeps_up_has_the_age_of_its_work_and_of_waking_up():
    ages = simulate(times(12, wake_ms=1), 20 * MS)
    assert set(ages) == {13 * MS}


def test_a_late_frame_delays_the_next_and_every_one_that_is_overwritten_is_dropped():
    ages = simulate(times(50, 5, 5, 5), 20 * MS) / MS
    # frame 0 ends at 50; frame 1 (at 20) is overwritten by frame 2 (at 40), which ends at 55; frames 3 and 4 find it idle
    np.testing.assert_allclose(ages[:5], [50, inf, 15, 5, 5])


def test_a_stream_that_is_too_slow_drops_what_it_cannot_take():
    verdict = predict(measured(30), 1000)
    assert verdict.dropped == pytest.approx(1 / 3, abs=0.01)  # work at 0, 30, 60 on frames 0, 1, 3
    assert not verdict.holds
    assert verdict.p99_ms == inf


def test_the_share_of_slow_frames_is_that_of_the_misses():
    verdict = predict(measured(*[5] * 95, *[18] * 5), 15)
    assert (verdict.misses, verdict.dropped) == (pytest.approx(0.05), 0)
    assert not verdict.holds
    assert predict(measured(*[5] * 995, *[18] * 5), 15).holds


def test_another_frame_rate_than_the_measured_one_is_predicted():
    assert predict(measured(30), 35, fps=25).holds
    assert not predict(measured(30), 35, fps=60).holds


def test_nothing_measured_never_holds():
    verdict = predict(StageTimes(25.0, (), (), 0), 1000)
    assert (verdict.holds, verdict.binding) == (False, "")


def test_the_stage_that_binds_is_the_one_behind_the_slow_frames():
    quiet = [FrameTimes({"infer": 10 * MS, "guard": MS}, 0)] * 90
    slow = [FrameTimes({"infer": 10 * MS, "guard": 40 * MS}, 0)] * 10
    assert binding_stage(quiet + slow) == ("guard", pytest.approx(40, abs=1))


def test_observed_misses_count_dropped_and_late_frames():
    observed = StageTimes(50.0, times(1, 1, 1), (10 * MS, 30 * MS, 10 * MS), 4)
    assert observed.missed(20) == 0.5
    assert Trial(50, 0, 20, 0.46, 0.5, "infer").is_close
    assert not Trial(50, 0, 20, 0.4, 0.5, "infer").is_close


@pytest.mark.parametrize(("limit", "status", "words"), [("60s", 0, "holds"), ("1ms", 3, "will not hold")])
def test_the_command_says_whether_the_deadline_holds(tiny: Path, tmp_path: Path, limit: str, status: int, words: str):
    report = tmp_path / "proof.json"
    source = "synthetic:vessel?height=64&width=96&frames=12"
    options = ["--fps", "2", "--p99", limit, "--seconds", "2", "--model", str(tiny), "--json", str(report)]
    done = CliRunner().invoke(app, ["prove", source, *options])
    assert done.exit_code == status, done.output
    assert words in done.output
    assert "the stage that binds: " in done.output
    assert json.loads(report.read_text())["holds"] == (status == 0)

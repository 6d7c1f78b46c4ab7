"""Tests that the benchmark measures delays that are known in advance."""

from time import sleep

import numpy as np
import pytest

import rtseg.pipeline
import rtseg.trace
from rtseg.bench.line.report import FAST, PACED
from rtseg.bench.line.run import BenchRun
from rtseg.engines.load import load_engine
from rtseg.frame import Frame, Segmentation, StreamInfo
from rtseg.pipeline import Pipeline
from rtseg.result import Result
from rtseg.session.session import Session
from rtseg.trace import LatencyTrace

MS = 1_000_000
INFO = StreamInfo(48, 64, fps=10.0)


class SteppedClock:
    """Simulates a clock that advances only by `sleep`."""

    def __init__(self):
        self.now_ns = 1_000 * MS

    def __call__(self):
        return self.now_ns

    def sleep(self, ms):
        self.now_ns += round(ms * MS)


@pytest.fixture
def clock(monkeypatch):
    clock = SteppedClock()
    monkeypatch.setattr(rtseg.trace, "perf_counter_ns", clock)
    monkeypatch.setattr(rtseg.pipeline, "perf_counter_ns", clock)
    return clock


class SteadyCamera:
    """Simulates a camera with a frame each `period_ms`, except that frame `stall_at` is `stall_ms` late."""

    info = INFO

    def __init__(self, clock, frames, period_ms=100, stall_at=-1, stall_ms=0):
        self.clock, self.frames, self.period_ms = clock, frames, period_ms
        self.stall_at, self.stall_ms = stall_at, stall_ms

    def __iter__(self):
        for index in range(self.frames):
            due_ns = 1_000 * MS + index * self.period_ms * MS
            self.clock.now_ns = max(self.clock.now_ns, due_ns)
            if index == self.stall_at:
                self.clock.sleep(self.stall_ms)
            yield Frame(np.zeros((48, 64), np.uint8), index, self.clock.now_ns)

    def close(self):
        pass


class SleepingSession:
    """Simulates a session whose only stage takes a known time."""

    sector = None
    redactor = None
    spacing_mm = None
    is_sector_stated = True

    def __init__(self, sleep_ms, pause=sleep):
        self.times_ms, self.pause = sleep_ms, pause
        self.counts = rtseg.trace.MemoryCounts()
        self.seen, self.warnings = 0, []

    def close(self):
        pass

    def warm_up(self, info):
        pass

    def expect(self, frame):
        pass

    def step(self, frame, trace):
        ms = self.times_ms(self.seen) if callable(self.times_ms) else self.times_ms
        self.seen += 1
        with trace.stage("infer"):
            self.pause(ms)
        return Segmentation(np.zeros((48, 64), np.uint8), ("lumen",), (0.0,))


def run_pipeline(pipeline, frames):
    run = BenchRun(INFO.period_ns)
    run.record_pipeline(pipeline, lambda counted, _: counted >= frames)
    return run


def test_a_stage_that_sleeps_20_ms_reads_20_ms(clock):
    run = run_pipeline(Pipeline(SteadyCamera(clock, 30), SleepingSession(20, clock.sleep), keep_surroundings=True), 30)
    figures = run.to_json()["stages_ms"]["infer"]
    assert figures["mean"] == figures["max"] == 20
    assert figures["p50"] == pytest.approx(20, rel=0.006)
    assert run.samples.stage_ms("infer") == [20] * 30


def test_on_the_true_clock_it_reads_no_less_than_it_slept():
    class RealTimeCamera:
        info = INFO

        def __iter__(self):
            for index in range(5):
                yield Frame(np.zeros((48, 64), np.uint8), index, rtseg.trace.perf_counter_ns())

        def close(self):
            pass

    run = run_pipeline(Pipeline(RealTimeCamera(), SleepingSession(0.020, sleep), keep_surroundings=True), 5)
    assert min(run.samples.stage_ms("infer")) >= 20
    assert min(run.samples.stage_ms("total")) >= min(run.samples.stage_ms("infer"))


def test_an_exact_stream_of_10_fps_reads_10(clock):
    run = run_pipeline(Pipeline(SteadyCamera(clock, 40), SleepingSession(20, clock.sleep), keep_surroundings=True), 40)
    assert run.report.fps == 10.0


def test_a_source_that_stalls_shows_in_the_tail_and_not_in_the_mean_alone(clock):
    stalled = SteadyCamera(clock, 200, stall_at=100, stall_ms=2000)
    pipeline = Pipeline(stalled, SleepingSession(20, clock.sleep), keep_surroundings=True)
    age = run_pipeline(pipeline, 200).to_json()["age_ms"]
    assert age["p50"] == pytest.approx(120, rel=0.006)  # a picture is 20 ms old when it appears, and is shown for one period
    assert age["max"] == 2120
    assert age["tail"] > 1900
    assert age["mean"] < 200


def test_a_session_that_stalls_shows_in_its_stage(clock):
    def times_ms(seen):
        return 500 if seen == 60 else 20

    figures = run_pipeline(
        Pipeline(SteadyCamera(clock, 100), SleepingSession(times_ms, clock.sleep), keep_surroundings=True), 100
    ).to_json()
    infer = figures["stages_ms"]["infer"]
    assert infer["tail"] == pytest.approx(480, abs=0.2)
    assert infer["flatness"] == 0
    assert figures["missed_deadlines"] == {"25 fps": 1, "30 fps": 1, "50 fps": 1, "60 fps": 100}


def test_warm_up_never_counts(clock):
    def times_ms(seen):
        return 1000 if seen < 10 else 20

    pipeline = Pipeline(
        SteadyCamera(clock, 50, period_ms=2000), SleepingSession(times_ms, clock.sleep), warmup=10, keep_surroundings=True
    )
    run = run_pipeline(pipeline, 50)
    figures = run.to_json()
    assert figures["warmup"] == 10
    assert figures["frames"] == len(run.samples) == 40
    assert figures["stages_ms"]["total"]["max"] == 20
    assert figures["fps"] == pytest.approx(0.5)
    assert figures["age_ms"]["max"] == 2020


def test_rounds_are_merged_without_the_time_between(clock):
    run = BenchRun(INFO.period_ns)
    for _ in range(2):
        clock.now_ns += 3600 * 1000 * MS
        pipeline = Pipeline(_camera_from_now(clock, 20), SleepingSession(20, clock.sleep), keep_surroundings=True)
        run.record_pipeline(pipeline, lambda counted, _: counted >= 20)
    assert run.report.fps == pytest.approx(10.0)
    assert run.age.summary()["max"] == 120


def _camera_from_now(clock, frames):
    began_ns = clock.now_ns

    class DelayedCamera(SteadyCamera):
        def __iter__(self):
            for index in range(frames):
                clock.now_ns = max(clock.now_ns, began_ns + index * 100 * MS)
                yield Frame(np.zeros((48, 64), np.uint8), index, clock.now_ns)

    return DelayedCamera(clock, frames)


def test_both_ways_of_running_are_never_mixed(tiny):
    from rtseg.bench.line import BenchPlan, BenchTarget, bench_pipeline

    source = "synthetic:vessel?height=64&width=96&frames=20&fps=200"
    engine = load_engine(tiny)
    result = bench_pipeline(
        BenchTarget(source, str(tiny), "openvino", engine), BenchPlan(20, 0.0, 3, 2, cold=False), lambda _: None
    )
    engine.close()
    report = result.to_json()
    assert report["quick"]
    assert report[FAST]["frames"] == 20
    assert report[FAST]["dropped"] == 0
    assert report[FAST]["period_ms"] == report[PACED]["period_ms"] == 5
    assert report[PACED]["frames"] == 20
    assert len(report[PACED]["samples"]["stages_ms"]["total"]) == 20


def test_a_frame_that_repeats_is_counted():
    from rtseg.frame import Life

    run = BenchRun(INFO.period_ns)
    for life in (Life.NEW, Life.HELD, Life.HELD, Life.LIVE):
        segmentation = Segmentation(np.zeros((48, 64), np.uint8), ("lumen",), (0.0,), life=life)
        run.add(Result(Frame(np.zeros((48, 64), np.uint8), 0, 0), segmentation, LatencyTrace(1)))
    assert run.repeated == 2


def test_a_session_runs_as_it_does_elsewhere(tiny):
    engine = load_engine(tiny)
    from rtseg.sources import open_source

    pipeline = Pipeline(open_source("synthetic:vessel?height=64&width=96&frames=12"), Session(engine), warmup=2)
    run = run_pipeline(pipeline, 100)
    engine.close()
    assert run.report.counts.frames == 10
    assert set(run.to_json()["stages_ms"]) >= {"wait", "infer", "total"}

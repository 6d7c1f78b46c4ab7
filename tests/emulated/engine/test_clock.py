"""Tests the device times of a frame on the emulated GPU: its events measure exactly the planted delays."""

import time
from pathlib import Path
from typing import Any

import pytest
from emulated.driver import tensorrt_runtime
from emulated.driver.device import EmulatedGpu
from emulated.engine import plans
from emulated.engine.streams import ORDERS, frames

from rtseg.engines.failover.failover import FailoverEngine
from rtseg.engines.openvino import OpenVinoEngine
from rtseg.errors import EngineError
from rtseg.session.sector import WholeFrame
from rtseg.session.session import Session
from rtseg.trace import LatencyTrace

MS = 1_000_000
SLEEP_MS = 20


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the network take a known time."""
    run = tensorrt_runtime._run

    def slowly(*arguments: Any) -> None:
        time.sleep(SLEEP_MS / 1e3)
        run(*arguments)

    monkeypatch.setattr(tensorrt_runtime, "_run", slowly)


def traced(engine: Any, count: int = 6) -> list[LatencyTrace]:
    session, traces = Session(engine, temporal=None, locator=WholeFrame()), []
    for frame in frames(count):
        traces.append(LatencyTrace(time.perf_counter_ns()))
        session.step(frame, traces[-1])
    return traces


def device_ns(trace: LatencyTrace) -> dict[str, int]:
    return {name: duration for name, duration in trace.stages_ns.items() if name.startswith("device ")}


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("engine", ORDERS, indirect=True)
def test_what_the_network_takes_is_in_the_step_and_not_in_the_copy(engine: Any) -> None:
    for trace in traced(engine)[2:]:  # the first two are captured
        found = device_ns(trace)
        assert list(found) == ["device upload", "device step"]
        assert SLEEP_MS * MS <= found["device step"] <= trace.total_ns
        assert 0 <= found["device upload"] < found["device step"]


@pytest.mark.usefixtures("slow")
def test_what_ran_beside_the_stages_is_not_in_their_sum(engine: Any) -> None:
    trace = traced(engine)[-1]
    stages = sum(trace.stages_ns.values()) - sum(device_ns(trace).values())
    assert stages <= trace.total_ns


def test_where_nothing_is_copied_no_copy_is_timed(gpu: EmulatedGpu, tiny: Path) -> None:
    engine = plans.engine_of(tiny, mapped=True)
    assert [[*device_ns(trace)] for trace in traced(engine)] == [["device step"]] * 6
    engine.close()
    assert gpu.failures == []


def test_before_the_first_frame_there_is_no_time(engine: Any) -> None:
    assert engine.device_ns() == {}


def test_an_engine_that_stands_in_tells_of_the_one_at_work(gpu: EmulatedGpu, tiny: Path) -> None:
    both = FailoverEngine([("tensorrt", lambda: plans.engine_of(tiny)), ("openvino", lambda: OpenVinoEngine(tiny))])
    assert [*device_ns(traced(both)[-1])] == ["device upload", "device step"]
    gpu.break_after(0)
    assert [*device_ns(traced(both)[-1])] == []
    both.close()


def test_a_gpu_that_breaks_before_it_tells_the_time_gives_way(
    gpu: EmulatedGpu, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rtseg.engines.tensorrt.device import TimedSpan

    def broken(_: Any) -> int:
        raise EngineError("CUDA failed")

    both = FailoverEngine([("tensorrt", lambda: plans.engine_of(tiny)), ("openvino", lambda: OpenVinoEngine(tiny))])
    monkeypatch.setattr(TimedSpan, "ns", broken)
    assert [*device_ns(traced(both)[-1])] == []
    assert [event.taken for event in both.events] == ["openvino"]
    both.close()
    assert gpu.in_use() == (0, 0, 0, 0)


def test_an_event_without_a_clock_has_no_time(gpu: EmulatedGpu) -> None:
    from rtseg.engines.tensorrt.device import Gpu

    device = Gpu()
    with device.current():
        stream, begun, ended = device.stream(), device.event(), device.event(timed=True)
        for event in (begun, ended):
            event.record(stream)
        stream.synchronize()
    with pytest.raises(EngineError, match="CUDA failed"), device.current():
        begun.native.time_till(ended.native)
    device.close()
    assert gpu.in_use() == (0, 0, 0, 0)

"""Tests that every way in which TensorRT fails becomes an error of rtseg: the next engine runs, and the GPU keeps nothing."""

import logging
from pathlib import Path
from typing import Any

import networks
import pytest
from emulated.driver import tensorrt_runtime
from emulated.driver.device import EmulatedGpu
from emulated.engine import plans
from emulated.engine.streams import alike, frames, segmented

from rtseg import load_engine
from rtseg.engines.failover.failover import FailoverEngine
from rtseg.engines.openvino import OpenVinoEngine
from rtseg.engines.tensorrt.plan_cache import PlanCache
from rtseg.errors import EngineError, ModelError, RtsegError
from rtseg.session.sector import WholeFrame
from rtseg.session.session import Session

NULL = "factory function returned nullptr"  # the text of the bindings
FAILURES = {
    "null": lambda *_: (_ for _ in ()).throw(TypeError(NULL)),
    "C++ exception": lambda *_: (_ for _ in ()).throw(RuntimeError("std::exception")),
    "None": lambda *_: None,
}
OPENING = [
    ("Runtime", "__init__"),
    ("Runtime", "deserialize_cuda_engine"),
    ("ICudaEngine", "create_execution_context"),
]
BUILDING = [
    ("Builder", "__init__"),
    ("Builder", "create_network"),
    ("Builder", "create_builder_config"),
    ("OnnxParser", "__init__"),
    ("Builder", "build_serialized_network"),
]
CASES = [
    (each, failure)
    for each in (*OPENING, *BUILDING)
    for failure in FAILURES
    if not (each[1] == "__init__" and failure == "None")  # Python's constructors return no None
]


def fail(monkeypatch: pytest.MonkeyPatch, where: tuple[str, str], failure: str) -> None:
    monkeypatch.setattr(getattr(tensorrt_runtime, where[0]), where[1], FAILURES[failure])


def build(model: Path, timing: Path, on_progress: Any = lambda *_: True) -> bytes:
    from rtseg.engines.tensorrt.builder import build, make_tag
    from rtseg.engines.tensorrt.device import Gpu

    here = Gpu()
    try:
        return build(model, make_tag(model, "fp32", "gpu", here), here, timing, on_progress)
    finally:
        here.close()


@pytest.mark.parametrize(("where", "failure"), [case for case in CASES if case[0] in OPENING], ids=str)
def test_a_plan_that_cannot_be_opened_leaves_the_cpu(
    gpu: EmulatedGpu, tiny: Path, where: tuple[str, str], failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch, where, failure)
    with pytest.raises(RtsegError) as raised:
        plans.engine_of(tiny)
    assert isinstance(raised.value, EngineError) or (where[1] == "deserialize_cuda_engine" and failure == "None")
    engine = FailoverEngine([("tensorrt", lambda: plans.engine_of(tiny)), ("openvino", lambda: OpenVinoEngine(tiny))])
    assert engine.events[0].reason.startswith("tensorrt cannot run, ")
    assert alike(segmented(engine, frames(3)), segmented(OpenVinoEngine(tiny), frames(3)))
    engine.close()
    assert (gpu.in_use(), gpu.contexts) == ((0, 0, 0, 0), 0)


@pytest.mark.parametrize(("where", "failure"), [case for case in CASES if case[0] in BUILDING], ids=str)
def test_a_build_that_fails_in_the_background_leaves_the_cpu_and_says_why(
    gpu: EmulatedGpu,
    tmp_path: Path,
    cache: PlanCache,
    where: tuple[str, str],
    failure: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR)
    fail(monkeypatch, where, failure)
    engine = load_engine(networks.convolutional(tmp_path / "net.onnx"), "tensorrt,openvino")
    engine._background_build._thread.join(60)  # type: ignore[attr-defined]
    session = Session(engine, temporal=None, locator=WholeFrame())
    for frame in frames(2):
        session.step(frame)
    assert engine.name == "openvino"  # type: ignore[attr-defined]
    (record,) = [record for record in caplog.records if "tensorrt is refused: TensorRT" in record.message]
    assert {"null": NULL, "C++ exception": "std::exception", "None": "TensorRT says why on standard error"}[
        failure
    ] in record.message
    engine.close()
    assert (gpu.in_use(), gpu.contexts) == ((0, 0, 0, 0), 0)


def test_a_fault_of_any_kind_in_the_background_is_named(
    gpu: EmulatedGpu, tmp_path: Path, cache: PlanCache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def planted(*_: object) -> None:
        raise LookupError("planted")

    monkeypatch.setattr(tensorrt_runtime.Builder, "create_network", planted)
    engine = load_engine(networks.convolutional(tmp_path / "net.onnx"), "tensorrt,openvino")
    engine._background_build._thread.join(60)  # type: ignore[attr-defined]
    Session(engine, temporal=None, locator=WholeFrame()).step(frames(1)[0])
    assert "tensorrt is refused: no plan can be built, LookupError('planted')" in caplog.text
    engine.close()


@pytest.mark.parametrize("failure", ["null", "C++ exception"])
def test_a_run_that_raises_is_an_error_of_the_engine(
    gpu: EmulatedGpu, tiny: Path, failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = plans.engine_of(tiny)
    fail(monkeypatch, ("IExecutionContext", "set_tensor_address"), failure)
    with pytest.raises(EngineError, match="TensorRT failed on 'tiny'"):
        segmented(engine, frames(1))
    engine.close()


@pytest.mark.parametrize("failure", FAILURES)
def test_a_spoilt_timing_cache_is_replaced(
    gpu: EmulatedGpu,
    tiny: Path,
    tmp_path: Path,
    failure: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    timing, create = tmp_path / "a.timing", tensorrt_runtime.IBuilderConfig.create_timing_cache
    timing.write_bytes(b"spoilt")
    refuse = FAILURES[failure]
    monkeypatch.setattr(
        tensorrt_runtime.IBuilderConfig,
        "create_timing_cache",
        lambda self, content: refuse() if content else create(self, content),
    )
    assert build(tiny, timing) == plans.plan_of(tiny)
    assert "a.timing is not used: TensorRT cannot read its timing cache" in caplog.text
    assert timing.read_bytes() == b"t", "the next build finds a good one"


def test_a_timing_cache_of_another_gpu_is_replaced(
    gpu: EmulatedGpu, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    timing, use = tmp_path / "a.timing", tensorrt_runtime.IBuilderConfig.set_timing_cache
    timing.write_bytes(b"another")
    monkeypatch.setattr(
        tensorrt_runtime.IBuilderConfig,
        "set_timing_cache",
        lambda self, cache, ignore_mismatch: not cache.serialize() and use(self, cache, ignore_mismatch),
    )
    assert build(tiny, timing) == plans.plan_of(tiny)
    assert "a.timing is not used: TensorRT refuses its timing cache" in caplog.text
    assert timing.read_bytes() == b"t"


@pytest.mark.parametrize("failure", FAILURES)
def test_a_timing_cache_that_cannot_be_written_costs_no_plan(
    gpu: EmulatedGpu,
    tiny: Path,
    tmp_path: Path,
    failure: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fail(monkeypatch, ("ITimingCache", "serialize"), failure)
    assert build(tiny, tmp_path / "a.timing") == plans.plan_of(tiny)
    assert "a.timing is not written: TensorRT cannot serialize its timing cache" in caplog.text


@pytest.mark.parametrize("error", [LookupError("planted"), KeyboardInterrupt()], ids=repr)
def test_what_the_progress_callback_raises_is_raised(
    gpu: EmulatedGpu, tiny: Path, tmp_path: Path, error: BaseException
) -> None:
    def planted(*_: object) -> bool:
        raise error

    with pytest.raises(type(error)) as raised:
        build(tiny, tmp_path / "a.timing", planted)
    assert raised.value is error
    assert gpu.contexts == 0


def test_a_cancelled_build_is_called_cancelled(gpu: EmulatedGpu, tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"the build of .*tiny.onnx was cancelled"):
        build(tiny, tmp_path / "a.timing", lambda *_: False)


def test_a_plan_that_tensorrt_refuses_is_dropped_and_one_that_it_cannot_try_is_kept(
    gpu: EmulatedGpu, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`open_or_build` deletes a plan for a ModelError alone."""
    for failure, error in [("None", ModelError), ("null", EngineError)]:
        fail(monkeypatch, ("Runtime", "deserialize_cuda_engine"), failure)
        with pytest.raises(error, match="cannot read the plan of 'tiny'"):
            plans.engine_of(tiny)


def test_a_build_is_without_tf32_and_with_a_limit_of_its_scratch_memory(
    gpu: EmulatedGpu, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configs, create = [], tensorrt_runtime.Builder.create_builder_config
    monkeypatch.setattr(
        tensorrt_runtime.Builder, "create_builder_config", lambda self: configs.append(create(self)) or configs[-1]
    )
    for gpu.memory_gib, limit in [(30, 2**30), (2, 2**29)]:
        build(tiny, tmp_path / "a.timing")
        assert configs[-1].limits == {tensorrt_runtime.MemoryPoolType.WORKSPACE: limit}
        assert configs[-1].flags == set()

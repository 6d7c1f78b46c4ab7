"""Builds a TensorRT plan for this GPU from an ONNX file (extra `tensorrt`); untested on a real GPU so far.

Networks are strongly typed: the ONNX file defines the layers in FP16 or INT8 (fp16.py, convert/quantize.py), not a builder
flag. TensorRT 10 needs a flag for that; TensorRT 11 has strongly typed networks only.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rtseg.engines.tensorrt.device import Gpu
from rtseg.engines.tensorrt.guard import REASON, guarded
from rtseg.engines.tensorrt.plan_cache import PlanTag, model_hash
from rtseg.engines.tensorrt.runtime import DRIVER, LOGGER, REMEDY, VERSION, tensorrt
from rtseg.errors import ConfigError, EngineError, ModelError
from rtseg.output.atomic_file import atomic_path
from rtseg.text.log_records import get_logger

_log = get_logger(__name__)

MAX_WORKSPACE_BYTES = 2**30  # scratch memory of a plan; the shipped networks need a few megabytes
EXPORT = "export it again, or use --engine openvino"

INT8, INT8_FP16 = "int8", "int8-fp16"  # the latter with FP16 between the INT8 convolutions
PRECISIONS, DEVICES = ("fp32", "fp16", INT8, INT8_FP16), ("gpu", "dla")

ProgressCallback = Callable[[str, int, int], bool]  # (phase, steps done, total steps) -> False to cancel the build


def make_tag(model: Path, precision: str, device: str, gpu: Gpu) -> PlanTag:
    """Return the tag of a plan that is built on this machine. Raises ConfigError."""
    if precision not in PRECISIONS or device not in DEVICES:
        raise ConfigError(f"no plan in {precision!r} for {device!r}: choose {', '.join(PRECISIONS)}, and gpu or dla")
    machine = {"gpu": gpu.name, "sm": gpu.sm, "sm_count": gpu.sm_count, "memory_gib": gpu.memory_gib, "driver": gpu.driver}
    return PlanTag(model_hash(model), VERSION, **machine, precision=precision, device=device)


def best_precision(model: Path) -> str:
    """Return the precision to try first: "int8" for a quantized file, else "fp16"."""
    return precisions_of(model)[0]


def precisions_of(model: Path) -> tuple[str, ...]:
    """Return the precisions in which a file can be built, of which `rtseg build` keeps the fastest that passes."""
    return (INT8, INT8_FP16) if is_quantized(model) else ("fp16", "fp32")


def is_quantized(model: Path) -> bool:
    """Return whether a file contains the Q/DQ nodes of `rtseg quantize`."""
    return b"QuantizeLinear" in model.read_bytes()


def build(model: Path, tag: PlanTag, gpu: Gpu, timing: Path, on_progress: ProgressCallback) -> bytes:
    """Build the plan of an ONNX file, which takes minutes. Raises ConfigError, EngineError, ModelError.

    timing: the file of TensorRT's timing cache. on_progress: the progress callback; what it raises is raised here.
    """
    _check(model, tag.precision)
    monitor = ProgressMonitor(on_progress)
    with tempfile.TemporaryDirectory() as scratch, gpu.current():
        typed = _with_precision(model, tag.precision, Path(scratch))
        builder = guarded(f"TensorRT {VERSION} cannot make a builder", lambda: tensorrt.Builder(LOGGER), DRIVER)
        if tag.device == "dla" and not builder.num_DLA_cores:
            raise ConfigError("this GPU has no DLA: build with --device gpu")
        network = _parsed(builder, typed, model)
        config = guarded("TensorRT cannot configure a build", builder.create_builder_config, DRIVER)
        cache = _configure(config, tag, timing, monitor)
        plan = _serialized(lambda: builder.build_serialized_network(network, config), monitor, model)
        _save_timing(cache, timing)
        return plan


class ProgressMonitor(tensorrt.IProgressMonitor):  # type: ignore[misc]
    """Forwards TensorRT's progress to a callback, which can cancel the build."""

    def __init__(self, on_progress: ProgressCallback) -> None:
        tensorrt.IProgressMonitor.__init__(self)
        self._on_progress, self._steps = on_progress, dict[str, int]()
        self.is_cancelled = False
        """Whether the callback has cancelled the build."""
        self.problem: BaseException | None = None
        """The first exception of the callback, which TensorRT would print and drop."""

    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:  # noqa: ARG002  as it calls
        """Record the number of steps of a phase; called by TensorRT."""
        self._steps[phase_name] = num_steps

    def step_complete(self, phase_name: str, step: int) -> bool:
        """Report a finished step; called by TensorRT, which cancels the build where this returns False."""
        return self._report(phase_name, step + 1, self._steps.get(phase_name, step + 1))

    def phase_finish(self, phase_name: str) -> None:
        """Report a finished phase; called by TensorRT."""
        steps = self._steps.pop(phase_name, 0)
        self._report(phase_name, steps, steps)

    def _report(self, phase: str, done: int, steps: int) -> bool:
        if not self.is_cancelled:
            try:
                self.is_cancelled = not self._on_progress(phase, done, steps)
            except BaseException as error:  # noqa: BLE001  raised by `build`, once TensorRT has returned
                self.problem, self.is_cancelled = error, True
        return not self.is_cancelled


def _check(model: Path, precision: str) -> None:
    is_int8 = precision in (INT8, INT8_FP16)
    if is_int8 and not is_quantized(model):
        raise ModelError(f"{model} has no INT8 in it: make it with `rtseg quantize`, or build with --precision fp16")
    if not is_int8 and is_quantized(model):
        raise ModelError(f"{model} is INT8 already: build it with --precision int8 or int8-fp16, or give the FP32 file")


def _with_precision(model: Path, precision: str, scratch: Path) -> Path:
    """Return an ONNX file whose types match the precision, converted into `scratch` for FP16."""
    if precision not in ("fp16", INT8_FP16):
        return model
    from rtseg.engines.tensorrt.fp16 import convert_to_fp16

    convert_to_fp16(model, scratch / model.name)
    return scratch / model.name


def _strongly_typed() -> int:
    return 1 << int(tensorrt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)


def _parsed(builder: Any, typed: Path, model: Path) -> Any:
    """Return the network of an ONNX file. Raises EngineError, ModelError."""
    network = guarded("TensorRT cannot make a network", lambda: builder.create_network(_strongly_typed()), DRIVER)
    parser = guarded("TensorRT cannot make a parser", lambda: tensorrt.OnnxParser(network, LOGGER), DRIVER)
    if not guarded(f"TensorRT cannot read {model}", lambda: parser.parse_from_file(str(typed)), EXPORT):
        why = "; ".join(str(parser.get_error(number)) for number in range(parser.num_errors))
        raise ModelError(f"TensorRT cannot read {model} ({why or REASON}): {EXPORT}")
    return network


def _serialized(call: Callable[[], Any], monitor: ProgressMonitor, model: Path) -> bytes:
    """Run a build and return its plan. Raises EngineError, or what the progress callback raised."""
    try:
        plan = guarded(f"TensorRT cannot build {model}", call, "try --precision fp32, or --engine openvino")
    except EngineError:
        if monitor.problem:
            raise monitor.problem from None
        if monitor.is_cancelled:
            raise EngineError(f"the build of {model} was cancelled: {REMEDY}") from None
        raise
    return bytes(plan)


def _configure(config: Any, tag: PlanTag, timing: Path, monitor: ProgressMonitor) -> Any:
    """Configure a build, and return its timing cache."""
    config.progress_monitor = monitor
    workspace = min(MAX_WORKSPACE_BYTES, max(tag.memory_gib, 1) * 2**30 // 4)
    config.set_memory_pool_limit(tensorrt.MemoryPoolType.WORKSPACE, workspace)  # else all of it, which a Jetson's CPU shares
    config.clear_flag(tensorrt.BuilderFlag.TF32)  # else FP32 layers would run in TF32 without notice
    if tag.device == "dla":
        config.default_device_type, config.DLA_core = tensorrt.DeviceType.DLA, 0
        config.set_flag(tensorrt.BuilderFlag.GPU_FALLBACK)
    return _timing_cache(config, timing)


def _timing_cache(config: Any, timing: Path) -> Any:
    """Return the timing cache that a file holds, set in the configuration; an empty one where TensorRT refuses the file."""

    def use(content: bytes) -> Any:
        cache = guarded("TensorRT cannot read its timing cache", lambda: config.create_timing_cache(content), REMEDY)
        if not config.set_timing_cache(cache, ignore_mismatch=False):
            raise EngineError(f"TensorRT refuses its timing cache ({REASON}): {REMEDY}")
        return cache

    try:
        return use(timing.read_bytes() if timing.is_file() else b"")
    except (EngineError, OSError) as error:
        _log.warning("the timing cache %s is not used: %s", timing, error)
        return use(b"")


def _save_timing(cache: Any, timing: Path) -> None:
    """Write the timing cache; a failure costs the next build its time, and this one nothing."""
    try:
        content = bytes(guarded("TensorRT cannot serialize its timing cache", cache.serialize, REMEDY))
        with atomic_path(timing, f".{timing.name}-") as part:
            part.write_bytes(content)
    except (EngineError, OSError) as error:
        _log.warning("the timing cache %s is not written: %s", timing, error)

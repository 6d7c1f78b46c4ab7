"""Loads a model, by name or file, into an engine."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rtseg.engines.base import Engine, ModelSpec
from rtseg.engines.validation.examination import examine
from rtseg.engines.zoo import shipped_models
from rtseg.errors import ModelError

if TYPE_CHECKING:
    from rtseg.engines.failover.failover import BackgroundBuild

ENGINES = ("openvino", "onnx")  # on any CPU
BFLOAT16 = "openvino-bf16"  # on a CPU with bfloat16: faster, with less precision than FP32
GPU_ENGINES = ("tensorrt",)
PLAN = ".plan"  # the suffix of the files that `rtseg build` writes


def load_engine(
    model: str | Path,
    engine: str = "openvino",
    *,
    spec: ModelSpec | None = None,
    threads: int = 0,
    trusted: bool = False,
) -> Engine:
    """Load a shipped model by name, an .onnx file or a .plan of `rtseg build` into an engine.

    engine: one name, or several in order of preference for failover, as "tensorrt,openvino"; "openvino-bf16" runs OpenVINO's
    FP32 layers in bfloat16. spec: the network's description, for a file without rtseg's metadata. threads: the engine's
    number of threads; 0 lets the engine choose. trusted: load the file directly. Otherwise a file that is not shipped is first
    examined in a child process with limits on time and memory, see `rtseg.engines.validation`. While TensorRT builds a
    missing plan, OpenVINO runs the model. Raises ModelError, EngineError, MissingExtra.
    """
    if Path(model).suffix == PLAN:
        from rtseg.engines.tensorrt.open_plan import open_plan

        return open_plan(Path(model))
    path, names = model_path(model), engine.split(",")
    if unknown := [name for name in names if name not in (*ENGINES, BFLOAT16, *GPU_ENGINES)]:
        known = ", ".join((*ENGINES, BFLOAT16, *GPU_ENGINES))
        raise ModelError(f"no engine {unknown[0]!r}: choose one of {known}, or several with commas between")
    for name in dict.fromkeys("onnx" if name == "onnx" else "openvino" for name in names):
        examine(path, name, spec, trusted=trusted)
    from rtseg.engines.failover.failover import BackgroundBuild, FailoverEngine

    if len(names) > 1:
        return FailoverEngine([(name, partial(_open, name, path, spec, threads)) for name in names])
    opened = _open(engine, path, spec, threads)
    if not isinstance(opened, BackgroundBuild):
        return opened
    return FailoverEngine([(engine, lambda: opened), ("openvino", partial(_open, "openvino", path, spec, threads))])


def _open(engine: str, path: Path, spec: ModelSpec | None, threads: int) -> "Engine | BackgroundBuild":
    match engine:
        case "openvino" | "openvino-bf16":
            from rtseg.engines.openvino import OpenVinoEngine

            return OpenVinoEngine(path, spec, threads=threads, bfloat16=engine == BFLOAT16)
        case "onnx":
            from rtseg.engines.onnx import OnnxEngine

            return OnnxEngine(path, spec, threads=threads)
        case _:
            from rtseg.engines.tensorrt.open_plan import open_or_build

            return open_or_build(path, spec)


def model_path(model: str | Path) -> Path:
    """Return the .onnx file of a shipped model's name or of a path. Raises ModelError."""
    known = shipped_models()
    if str(model) in known:
        return known[str(model)]
    path = Path(model)
    if not path.is_file():
        raise ModelError(f"no model {str(model)!r}: give an .onnx file or one of {', '.join(known) or 'none shipped'}")
    if path.suffix != ".onnx":
        raise ModelError(f"{path} is no .onnx file: export the network with `rtseg export`")
    return path

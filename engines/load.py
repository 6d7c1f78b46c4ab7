"""From a model's name or file to the engine that runs it."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rtseg.engines.base import Engine, ModelSpec
from rtseg.engines.model_check import check_model
from rtseg.engines.zoo import shipped
from rtseg.errors import ModelError, RtsegError

if TYPE_CHECKING:
    from rtseg.engines.failover import Rising

ENGINES = ("openvino", "onnx")  # of any CPU
BFLOAT16 = "openvino-bf16"  # of a CPU that has it: faster, and no longer FP32
ON_GPU = ("tensorrt",)
CHECKED_BY = {"tensorrt": "openvino"}  # the engine that tries a file in place of one that needs a GPU
PLAN = ".plan"  # the suffix of what `rtseg build` writes


def load_engine(
    model: str | Path,
    engine: str = "openvino",
    *,
    spec: ModelSpec | None = None,
    threads: int = 0,
    trusted: bool = False,
) -> Engine:
    """Load a shipped model by name, an .onnx file or a .plan of `rtseg build` into an engine.

    engine: one name, or several in the order in which they stand in for one another, as "tensorrt,openvino"; "openvino-bf16" is
    OpenVINO with its FP32 layers in bfloat16. spec: what the network takes, for a file without rtseg's metadata. threads: of
    the engine, 0 lets it choose. trusted: open a file that does not come with rtseg at once; else a child process with limits
    on time and memory loads it and runs it once before (RTSEG_TRUST_MODEL=1 trusts all). Where TensorRT has no plan of the
    model yet, OpenVINO serves while it is built. Raises ModelError, EngineError, MissingExtra.
    """
    if Path(model).suffix == PLAN:
        from rtseg.engines.planned import open_plan

        return open_plan(Path(model))
    path, names = model_path(model), engine.split(",")
    if unknown := [name for name in names if name not in (*ENGINES, BFLOAT16, *ON_GPU)]:
        known = ", ".join((*ENGINES, BFLOAT16, *ON_GPU))
        raise ModelError(f"no engine {unknown[0]!r}: choose one of {known}, or several with commas between")
    from rtseg.engines.failover import FailoverEngine, Rising

    refused = check_model(path, [CHECKED_BY.get(name, name) for name in names], spec, threads=threads, trusted=trusted)
    opener = partial(_open, path=path, spec=spec, threads=threads, refused=refused)
    if len(names) > 1:
        return FailoverEngine([(name, partial(opener, name)) for name in names])
    opened = opener(engine)
    if not isinstance(opened, Rising):
        return opened
    return FailoverEngine([(engine, lambda: opened), ("openvino", partial(opener, "openvino"))])


def _open(
    engine: str, path: Path, spec: ModelSpec | None, threads: int, refused: Mapping[str, RtsegError]
) -> "Engine | Rising":
    if error := refused.get(CHECKED_BY.get(engine, engine)):
        raise error
    match engine:
        case "openvino" | "openvino-bf16":
            from rtseg.engines.openvino import OpenVinoEngine

            return OpenVinoEngine(path, spec, threads=threads, bfloat16=engine == BFLOAT16)
        case "onnx":
            from rtseg.engines.onnx import OnnxEngine

            return OnnxEngine(path, spec, threads=threads)
        case _:
            from rtseg.engines.planned import planned

            return planned(path, spec)


def model_path(model: str | Path) -> Path:
    """The file of a shipped model's name, or of a path. Raises ModelError."""
    known = shipped()
    if str(model) in known:
        return known[str(model)]
    path = Path(model)
    if not path.is_file():
        raise ModelError(f"no model {str(model)!r}: give an .onnx file or one of {', '.join(known) or 'none shipped'}")
    if path.suffix != ".onnx":
        raise ModelError(f"{path} is no .onnx file: export the network with `rtseg export`")
    return path

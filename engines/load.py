"""From a model's name or file to the engine that runs it."""

from pathlib import Path

from rtseg.engines.base import Engine, ModelSpec
from rtseg.engines.zoo import shipped
from rtseg.errors import ModelError

ENGINES = ("openvino", "onnx")


def load_engine(model: str | Path, engine: str = "openvino", *, spec: ModelSpec | None = None, threads: int = 0) -> Engine:
    """Load a shipped model by name, or an .onnx file, into an engine.

    spec: what the network takes, for a file without rtseg's metadata. threads: of the engine, 0 lets it choose.
    Raises ModelError, MissingExtra.
    """
    path = model_path(model)
    match engine:
        case "openvino":
            from rtseg.engines.openvino import OpenVinoEngine

            return OpenVinoEngine(path, spec, threads=threads)
        case "onnx":
            from rtseg.engines.onnx import OnnxEngine

            return OnnxEngine(path, spec, threads=threads)
        case _:
            raise ModelError(f"no engine {engine!r}: choose one of {', '.join(ENGINES)}")


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

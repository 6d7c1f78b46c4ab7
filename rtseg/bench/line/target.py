"""Describes the measured source and network, so that reports of different things can be told apart."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rtseg.engines.base import Engine
from rtseg.engines.load import BFLOAT16, PLAN, model_path
from rtseg.frame import Frame
from rtseg.session.stabilizer import DEFAULT_TEMPORAL, TemporalOptions
from rtseg.sources import open_source
from rtseg.text.credentials import masked_address

CLOCK = (
    "from the decoded frame to the finished overlay: wait, sector, lifecycle, preprocess, engine, postprocess, guard, overlay; "
    "copies to the engine and back are inside; reading and decoding are the stage `read` and outside; nothing is encoded"
)


@dataclass(frozen=True, slots=True)
class BenchTarget:
    """Holds a source and a loaded network, with the names that the user gave."""

    source: str  # URI of the source
    model: str  # name of a shipped model, or a path
    engine_name: str  # e.g. "openvino"
    engine: Engine  # the loaded network
    threads: int = 0  # of the engine; 0: its own choice
    temporal: TemporalOptions | None = DEFAULT_TEMPORAL  # temporal stabilization of the masks; None: none

    def to_json(self, first: Frame) -> dict[str, Any]:
        """Return the description for a report, as plain values. first: any frame of the source."""
        measured = {"source": masked_address(self.source), "stream": self._stream(first)}
        steadied = asdict(self.temporal) if self.temporal else "not"
        return measured | {"model": self.engine.spec.name, "network": self._network(), "steadied_in_time": steadied}

    def _stream(self, first: Frame) -> dict[str, Any]:
        with_info = open_source(self.source)
        with_info.close()
        info = with_info.info
        return {"height": info.height, "width": info.width, "fps": info.fps, "pixel_format": pixel_format(first)}

    def _network(self) -> dict[str, Any]:
        spec, path = self.engine.spec, model_file(self.model)
        return {
            "file": path.name,
            "sha256": sha256(path),
            "engine": self.engine_name,
            "precision": precision(path, self.engine_name),
            "input": [1, spec.channels, *spec.size],
            "states": {state.input: list(state.shape) for state in spec.states},
            "threads": self.threads or "as the engine chooses",
        }


def model_file(model: str) -> Path:
    """Return the file of a model given by name or path. Raises ModelError."""
    return Path(model) if Path(model).suffix == PLAN else model_path(model)


def pixel_format(frame: Frame) -> str:
    """Return the pixel format of the frames that the pipeline receives."""
    return "grey, uint8" if frame.image.ndim == 2 else "RGB, uint8"


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def precision(path: Path, engine_name: str) -> str:
    """Return the precision of a model's file; INT8 if the name of the dequantize operator occurs in the ONNX bytes."""
    if path.suffix == PLAN:
        return "as the plan was built"
    if b"DequantizeLinear" in path.read_bytes():
        return "int8 (explicit Q/DQ)"
    return "bfloat16" if engine_name == BFLOAT16 else "fp32"

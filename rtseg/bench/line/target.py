"""What is measured: a stream and a network, described so that a report can be told from one of something else."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rtseg.engines.base import Engine
from rtseg.engines.load import BFLOAT16, PLAN, model_path
from rtseg.frame import Frame
from rtseg.session.stabilizer import STEADY, TemporalOptions
from rtseg.sources import open_source
from rtseg.text.credentials import shown

CLOCK = (
    "from the decoded frame to the finished overlay: wait, sector, lifecycle, preprocess, engine, postprocess, guard, overlay; "
    "copies to the engine and back are inside; reading and decoding are the stage `read` and outside; nothing is encoded"
)


@dataclass(frozen=True, slots=True)
class Subject:
    """A source and a loaded network, by the words that the user named them with.

    threads: of the engine, 0 lets it choose. temporal: how masks are steadied in time; None: not at all.
    """

    source: str
    model: str
    engine_name: str
    engine: Engine
    threads: int = 0
    temporal: TemporalOptions | None = STEADY

    def to_json(self, first: Frame) -> dict[str, Any]:
        """What a report says of it; first: a frame of the source."""
        measured = {"source": shown(self.source), "stream": self._stream(first)}
        steadied = asdict(self.temporal) if self.temporal else "not"
        return measured | {"model": self.engine.spec.name, "network": self._network(), "steadied_in_time": steadied}

    def _stream(self, first: Frame) -> dict[str, Any]:
        with_info = open_source(self.source)
        with_info.close()
        info = with_info.info
        return {"height": info.height, "width": info.width, "fps": info.fps, "pixel_format": pixel_format(first)}

    def _network(self) -> dict[str, Any]:
        spec, path = self.engine.spec, file_of(self.model)
        return {
            "file": path.name,
            "sha256": sha256(path),
            "engine": self.engine_name,
            "precision": precision(path, self.engine_name),
            "input": [1, spec.channels, *spec.size],
            "states": {state.input: list(state.shape) for state in spec.states},
            "threads": self.threads or "as the engine chooses",
        }


def file_of(model: str) -> Path:
    """The file of a model's name, or of a path. Raises ModelError."""
    return Path(model) if Path(model).suffix == PLAN else model_path(model)


def pixel_format(frame: Frame) -> str:
    """Of the frames as the line gets them."""
    return "grey, uint8" if frame.image.ndim == 2 else "RGB, uint8"


def sha256(path: Path) -> str:
    """The hash of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def precision(path: Path, engine_name: str) -> str:
    """INT8 where an ONNX file holds quantised layers, by the name of their operator, which stands in it as plain letters."""
    if path.suffix == PLAN:
        return "as the plan was built"
    if b"DequantizeLinear" in path.read_bytes():
        return "int8 (explicit Q/DQ)"
    return "bfloat16" if engine_name == BFLOAT16 else "fp32"

"""The options by which a command names a network, and the description of one that does not describe itself."""

from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from rtseg.errors import ConfigError

if TYPE_CHECKING:
    from rtseg.engines.base import Engine, ModelSpec, StateSpec

ModelOption: TypeAlias = Annotated[
    str, typer.Option("--model", "-m", help="A shipped model's name (see `rtseg models`) or an .onnx file.")
]
EngineOption: TypeAlias = Annotated[
    str,
    typer.Option(
        "--engine",
        help="openvino, openvino-bf16 (faster, rounded: pass it through `rtseg gate` first), onnx, tensorrt, or several that "
        "stand in for one another: tensorrt,openvino.",
    ),
]
ThreadsOption: TypeAlias = Annotated[int, typer.Option("--threads", min=0, help="Threads of the engine; 0 lets it choose.")]
JsonOption: TypeAlias = Annotated[Path | None, typer.Option("--json", help="Write the report.")]


@dataclass(frozen=True)
class Description:
    """A network in the user's words, where its file does not speak for itself; nothing is said by default."""

    size: Annotated[str, typer.Option("--size", help="HxW of the input, for a network without rtseg's metadata.")] = ""
    classes: Annotated[str, typer.Option("--classes", help="Its classes without the background: lumen,plaque")] = ""
    mean: Annotated[str, typer.Option("--mean", help="Its mean in grey levels 0..255: one value, or three for RGB.")] = ""
    std: Annotated[str, typer.Option("--std", help="Its standard deviation in grey levels, as --mean.")] = ""

    def is_silent(self) -> bool:
        """Return whether the user described nothing."""
        return self == Description()

    def of(self, model: str) -> "ModelSpec | None":
        """The spec of that network; None where nothing was said, and its file tells. Raises ConfigError."""
        if self.is_silent():
            return None
        if not (self.size and self.classes):
            raise ConfigError("a network is described by --size and --classes at least: give both")
        from rtseg.engines.base import ModelSpec

        means, stds = _numbers(self.mean or "0", "--mean"), _numbers(self.std or "255", "--std")
        if len(means) != len(stds):
            raise ConfigError(f"--mean has {len(means)} values and --std {len(stds)}: give both as many, one for each channel")
        names = tuple(name.strip() for name in self.classes.split(","))
        return ModelSpec(Path(model).stem, size_of(self.size, "--size"), names, means, stds)


@dataclass(frozen=True)
class OnnxDescription(Description):
    """The same of an ONNX file, whose memory is told by the names of its ports."""

    state: Annotated[list[str] | None, typer.Option("--state", help="A recurrent state, as INPUT:OUTPUT; once for each.")] = (
        None
    )
    trust_model: Annotated[
        bool,
        typer.Option(
            "--trust-model", help="Load the file at once, without a trial in a child process with limits on time and memory."
        ),
    ] = False

    def is_silent(self) -> bool:
        """Return whether the user described nothing; trust is no description."""
        return replace(self, trust_model=False) == OnnxDescription()

    def of(self, model: str) -> "ModelSpec | None":
        """The spec of that network; None where nothing was said, and its file tells. Raises ConfigError."""
        spec = super().of(model)
        return spec and replace(spec, states=tuple(_state(text) for text in self.state or ()))


def load(model: str, engine: str, threads: int, spec: "ModelSpec | None" = None, *, trusted: bool = False) -> "Engine":
    """Load the engine that a command names."""
    from rtseg.engines.load import load_engine

    return load_engine(model, engine, spec=spec, threads=threads, trusted=trusted)


def size_of(text: str, option: str) -> tuple[int, int]:
    """The height and width of HxW. Raises ConfigError."""
    sides = text.split("x")
    if len(sides) != 2 or not all(side.strip().isdecimal() for side in sides):
        raise ConfigError(f"{option} HxW is not {text!r}: give whole pixels, like 256x256")
    return int(sides[0]), int(sides[1])


def _state(text: str) -> "StateSpec":
    """A state whose shape the network knows. An ONNX name may hold a colon (TensorFlow's do), so halves are sought."""
    halves = text.split(":")
    if len(halves) % 2 or not all(halves):
        raise ConfigError(f"--state is not {text!r}: give the names of its input and its output, as h_in:h_out")
    from rtseg.engines.base import StateSpec

    middle = len(halves) // 2
    return StateSpec(":".join(halves[:middle]), ":".join(halves[middle:]), ())


def _numbers(text: str, option: str) -> tuple[float, ...]:
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if not values or not all(map(isfinite, values)):
        raise ConfigError(f"{option} is not {text!r}: give numbers, like 127.5 or 127.5,127.5,127.5")
    return values

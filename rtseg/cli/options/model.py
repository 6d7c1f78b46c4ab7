"""The options that name a network, and those that describe a network whose file has no metadata of rtseg."""

from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from rtseg.cli.app import console
from rtseg.errors import ConfigError

if TYPE_CHECKING:
    from rtseg.engines.adopt.stated import StatedFacts
    from rtseg.engines.base import Engine, ModelSpec, StateSpec

ModelOption: TypeAlias = Annotated[
    str, typer.Option("--model", "-m", help="The name of a shipped model (see `rtseg models`), or an .onnx file.")
]
EngineOption: TypeAlias = Annotated[
    str,
    typer.Option(
        "--engine",
        help="The engine: auto (openvino as it runs fastest here, measured once), openvino, openvino-bf16 (faster, less exact: "
        "check it with `rtseg gate` first), onnx, tensorrt, or a list in order of preference, such as tensorrt,openvino.",
    ),
]
ThreadsOption: TypeAlias = Annotated[
    int, typer.Option("--threads", min=0, help="The number of threads for the engine; 0 lets the engine choose.")
]
JsonOption: TypeAlias = Annotated[Path | None, typer.Option("--json", help="Write the report to this file.")]


@dataclass(frozen=True)
class ModelDescription:
    """Holds the options that describe a network whose file has no metadata; all are empty by default."""

    size: Annotated[str, typer.Option("--size", help="The input size HxW, for a network without the metadata of rtseg.")] = ""
    classes: Annotated[
        str, typer.Option("--classes", help="The names of its classes without the background, as in lumen,plaque.")
    ] = ""
    mean: Annotated[
        str, typer.Option("--mean", help="The mean of its input in gray levels 0 to 255: one value, or three for RGB.")
    ] = ""
    std: Annotated[
        str, typer.Option("--std", help="The standard deviation of its input in gray levels, in the form of --mean.")
    ] = ""
    planes: Annotated[
        str,
        typer.Option(
            "--planes",
            help="The planes of its input, as in gray,phase_symmetry (CPU engines only); --mean and --std then have a value "
            "for each. Leave it out for gray or RGB.",
        ),
    ] = field(default="", kw_only=True)

    def is_empty(self) -> bool:
        """Return whether the user described nothing."""
        return self == ModelDescription()

    def spec_for(self, model: str) -> "ModelSpec | None":
        """Return the spec that the options describe, or None if they are empty and the file has it. Raises ConfigError."""
        if self.is_empty():
            return None
        if not (self.size and self.classes):
            raise ConfigError("a network is described by --size and --classes at least: give both")
        from rtseg.engines.base import ModelSpec

        means, stds = _parse_numbers(self.mean or "0", "--mean"), _parse_numbers(self.std or "255", "--std")
        if len(means) != len(stds):
            raise ConfigError(f"--mean has {len(means)} values and --std {len(stds)}: give both as many, one for each channel")
        names, planes = _parse_names(self.classes), _parse_names(self.planes)
        if planes and len(means) == 1:
            means, stds = means * len(planes), stds * len(planes)
        return ModelSpec(Path(model).stem, parse_size(self.size, "--size"), names, means, stds, planes=planes)


@dataclass(frozen=True)
class OnnxModelDescription(ModelDescription):
    """Holds also the options of an ONNX file: the names of its recurrent states, and whether the file is trusted."""

    state: Annotated[
        list[str] | None,
        typer.Option("--state", help="A recurrent state as INPUT:OUTPUT; give the option once for each state."),
    ] = None
    trust_model: Annotated[
        bool,
        typer.Option("--trust-model", help="Load the file without a trial in a child process with limits on time and memory."),
    ] = False
    normalization: Annotated[
        str,
        typer.Option(
            "--normalization",
            help="How its pictures are normalized: 0..255, 0..1, -1..1, imagenet, or by the picture itself: zscore, minmax, "
            "percentile; in place of --mean and --std.",
        ),
    ] = ""
    output: Annotated[str, typer.Option("--output", help="The name of the output that holds the mask.")] = ""
    activation: Annotated[
        str,
        typer.Option("--activation", help="What made its answer, if its graph does not tell: none, sigmoid, softmax, tanh."),
    ] = ""
    multi_label: Annotated[
        bool, typer.Option("--multi-label", help="Each channel is a class of its own, without one for the background.")
    ] = False
    channels: Annotated[str, typer.Option("--channels", help="The order of its three color channels: rgb or bgr.")] = ""
    axes: Annotated[
        str,
        typer.Option("--axes", help="The sides of its picture: hw (rows first), or wh, as MONAI's LoadImage gives them."),
    ] = ""
    stacked: Annotated[
        int, typer.Option("--frames-stacked", min=0, help="How many successive frames it takes as channels, the newest last.")
    ] = 0
    constant: Annotated[
        list[str] | None,
        typer.Option("--input", help="The value of a further input as NAME=VALUE; give the option once for each."),
    ] = None

    def is_empty(self) -> bool:
        """Return whether the user described nothing; `trust_model` does not count as a description."""
        return replace(self, trust_model=False) == OnnxModelDescription()

    def spec_for(self, model: str) -> "ModelSpec | None":
        """Return the spec that the options describe, or None if they are empty and the file has it. Raises ConfigError."""
        spec = super().spec_for(model)
        return spec and replace(spec, states=tuple(_parse_state(text) for text in self.state or ()))

    def facts_for(self, model: str, *, in_full: bool = True) -> "StatedFacts | None":
        """Return what the options state about a network; None if they are empty. Raises ConfigError.

        in_full: whether a size needs classes.
        """
        if self.is_empty():
            return None
        if in_full and self.size and not self.classes:
            raise ConfigError("a network is described by --size and --classes at least: give both")
        from rtseg.engines.adopt.stated import StatedFacts

        mean, std, kind, percentiles = self._scale()
        return StatedFacts(
            name=Path(model).stem,
            size=parse_size(self.size, "--size") if self.size else None,
            classes=tuple(name.strip() for name in self.classes.split(",")) if self.classes else (),
            mean=mean,
            std=std,
            normalization=kind,
            percentiles=percentiles,
            output=self.output,
            activation=_one_of(self.activation, "--activation", ("none", "sigmoid", "softmax", "tanh")),
            channel_order=_one_of(self.channels, "--channels", ("rgb", "bgr")),
            frames=self.stacked,
            states=tuple(_parse_state(text) for text in self.state or ()),
            constants=tuple(map(_parse_constant, self.constant or ())),
            is_multi_label=self.multi_label,
            axes=_one_of(self.axes, "--axes", ("hw", "wh")),
        )

    def spec_of(self, path: Path) -> "ModelSpec | None":
        """Return the description of a file that the options and an examination give; None if they are empty."""
        facts = self.facts_for(str(path))
        if facts is None:
            return None
        from rtseg.engines.adopt.open_network import examined_spec

        return examined_spec(path, facts)

    def _scale(self) -> tuple[tuple[float, ...], tuple[float, ...], str, tuple[float, float]]:
        """Return mean, std, kind and percentiles; all empty if the options say nothing about them."""
        if self.normalization and (self.mean or self.std):
            raise ConfigError("--normalization and --mean with --std say the same: give one of them")
        if self.normalization:
            from rtseg.engines.adopt.normalization import named_normalization

            one = named_normalization(self.normalization, 3 if self.normalization == "imagenet" else 1)
            return one.mean, one.std, one.kind, one.percentiles
        if not self.mean and not self.std:
            return (), (), "", (0.5, 99.5)
        means, stds = (
            _parse_numbers(text, option) if text else () for text, option in ((self.mean, "--mean"), (self.std, "--std"))
        )
        if not (means and stds):
            raise ConfigError("--mean goes with --std: give both as many, in gray levels 0 to 255")
        if len(means) != len(stds):
            raise ConfigError(f"--mean has {len(means)} values and --std {len(stds)}: give both as many, one for each channel")
        return means, stds, "constants", (0.5, 99.5)


def load(
    model: str, engine: str, threads: int, spec: "ModelSpec | StatedFacts | None" = None, *, trusted: bool = False
) -> "Engine":
    """Load the engine that a command names, and print what --engine auto chose."""
    from rtseg.engines.load import AUTO, load_engine, load_fastest

    if engine == AUTO:
        loaded, choice = load_fastest(model, spec, threads=threads, trusted=trusted)
        if choice and choice.times_ms:
            console.print(f"{Path(model).name}: {choice}", highlight=False, markup=False)
        return loaded
    return load_engine(model, engine, spec=spec, threads=threads, trusted=trusted)


def parse_size(text: str, option: str) -> tuple[int, int]:
    """Parse HxW into (height, width) in pixels. Raises ConfigError."""
    sides = text.split("x")
    if len(sides) != 2 or not all(side.strip().isdecimal() for side in sides):
        raise ConfigError(f"{option} HxW is not {text!r}: give whole pixels, like 256x256")
    return int(sides[0]), int(sides[1])


def _parse_state(text: str) -> "StateSpec":
    """Parse INPUT:OUTPUT into a state whose shape is read from the network. Names may hold colons, as TensorFlow's do."""
    halves = text.split(":")
    if len(halves) % 2 or not all(halves):
        raise ConfigError(f"--state is not {text!r}: give the names of its input and its output, as h_in:h_out")
    from rtseg.engines.base import StateSpec

    middle = len(halves) // 2
    return StateSpec(":".join(halves[:middle]), ":".join(halves[middle:]), ())


def _parse_names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",")) if text else ()


def _parse_constant(text: str) -> tuple[str, float]:
    """Parse NAME=VALUE into the name and value of an input. Raises ConfigError."""
    name, separator, value = text.rpartition("=")
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not (name and separator and isfinite(number)):
        raise ConfigError(f"--input is not {text!r}: give a name and a number, as downsample_ratio=1")
    return name, number


def _one_of(text: str, option: str, choices: tuple[str, ...]) -> str:
    if text and text not in choices:
        raise ConfigError(f"{option} is not {text!r}: give one of {', '.join(choices)}")
    return text


def _parse_numbers(text: str, option: str) -> tuple[float, ...]:
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if not values or not all(map(isfinite, values)):
        raise ConfigError(f"{option} is not {text!r}: give numbers, like 127.5 or 127.5,127.5,127.5")
    return values

"""Reads the configuration of a training from a TOML file into frozen dataclasses."""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rtseg.engines.base import PLANES, ModelSpec
from rtseg.errors import ConfigError, ModelError
from rtseg.train.earlier_format import current_settings
from rtseg.train.network_config import NetworkConfig, network_problem, size_step
from rtseg.train.toml_table import parse_table

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CLOCKS = ("wall", "cpu")

_MODEL_KEYS = {  # shared by TrainConfig and ModelSpec, each with the remedy for a value that ModelSpec refuses
    "size": "give sides that a model may have, 4096 at most",
    "classes": "give each a name of its own, 254 at most",
    "std": "give a number above 0",
    "single": "name some of the classes",
    "outline_px": "give pixels from 0 to 16",
    "ellipse": "name some of the classes",
}


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Holds the dataset, its split and its augmentation."""

    folder: str  # a folder for `open_dataset`, relative to the working directory
    held_out: tuple[str, ...]  # subjects excluded from training
    zoom: float = 0.15  # standard deviation of the logarithm of the pictures' scale
    joined: float = 0.0  # share of clips that show two subjects' pictures side by side
    marks: float = 0.0  # share of clips with planted callipers and text, so that those in the pictures are not learned
    unmarked: float = 0.0  # share of pictures whose small bright marks at the border of a class are inpainted
    empty: float = 0.0  # share of pictures cropped so that they show no class, where there is room
    others: float = 0.0  # share of pictures from `other_folders`
    other_folders: tuple[str, ...] = ()  # datasets of other anatomies, whose pictures show no class


@dataclass(frozen=True, slots=True)
class ScheduleConfig:
    """Holds the duration of a training and its optimizer settings."""

    epochs: float = 300.0  # number of trained frames over the number of training images; used if `minutes` is 0
    minutes: float = 0.0  # duration of the training; 0: given by `epochs`
    batch: int = 4  # clips a step
    clip: int = 6  # frames a clip
    stills: float = 0.0  # first share of the training, with batch * clip single frames a step: more pictures for equal work
    sparse: float = 0.3  # share of clips made of a subject's real frames in order
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    clip_gradient: float = 1.0  # maximum gradient norm of a step; inf: no limit
    clock: str = "wall"  # what `minutes` counts: "wall", the time of the steps, or "cpu", all CPU time of the process
    coherence: float = 0.0  # weight of the change of the mask along the motion; trains networks without a memory too
    average: float = 0.998  # decay a step of the averaged weights, from which the model is made
    seed: int = 1


@dataclass(frozen=True, slots=True)
class LossConfig:
    """Holds the weights of the parts of the loss."""

    dice: float = 1.0  # weight of the Dice loss
    cross_entropy: float = 1.0  # weight of the cross entropy
    boundary: float = 4.0  # additional weight of border pixels in the cross entropy
    steadiness: float = 1.0  # weight of the flicker loss
    heads: float = 1.0  # weight of the losses of the heads beside the mask's
    tversky: float = 0.5  # weight of false pixels against missed ones in the Dice loss; 0.5: equal, below: misses cost more
    surface: float = 0.0  # weight of the distance of wrong pixels from the border, of 100 pixels
    focal: float = 0.0  # exponent by which the cross entropy of easy pixels counts less; 0: all count the same


@dataclass(frozen=True, slots=True)
class TeacherConfig:
    """Holds the networks whose mean answer is a soft target."""

    models: tuple[str, ...] = ()  # .onnx files or names of shipped models, of the same classes and size; empty: no teacher
    weight: float = 1.0  # weight of the cross entropy with the soft target


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Holds the whole configuration of a training."""

    name: str  # as in ModelSpec, like the following except `data`
    classes: tuple[str, ...]  # without the background
    data: DataConfig
    size: tuple[int, int] = (256, 256)  # (H, W) of the network's input
    mean: tuple[float, ...] = (20.0,)  # of the gray levels, subtracted from the input
    std: tuple[float, ...] = (36.0,)  # of the gray levels, by which the input is divided
    single: tuple[str, ...] = ()  # classes of which only the largest region is kept
    planes: tuple[str, ...] = ()  # of the input, each with its mean and std: "gray", "phase_symmetry"; empty: gray alone
    outline_px: float = 0.0  # pixels of the input: half the width of the outlines in the masks, which measures leave out
    ellipse: tuple[str, ...] = ()  # classes that postprocessing replaces by their fitted ellipse
    network: NetworkConfig = field(default_factory=NetworkConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    teacher: TeacherConfig = field(default_factory=TeacherConfig)


def read_config(path: Path | str) -> TrainConfig:
    """Read the configuration of a training from a TOML file. Raises ConfigError."""
    try:
        values = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}): name a training's .toml file") from None
    except ValueError as error:  # invalid TOML or UTF-8, or a number of too many digits
        raise ConfigError(f"{path} is not TOML ({error}): mend that line") from None
    return from_values(values, str(path))


def from_values(values: Mapping[str, Any], where: str) -> TrainConfig:
    """Make a configuration from plain values. where: their origin, for error messages. Raises ConfigError."""
    if isinstance(values.get("network"), Mapping):
        values = {**values, "network": current_settings(values["network"], f"{where}, [network]")}
    tables: dict[str, Any] = {
        "data": DataConfig,
        "network": NetworkConfig,
        "schedule": ScheduleConfig,
        "loss": LossConfig,
        "teacher": TeacherConfig,
    }
    built = {name: parse_table(kind, values[name], f"{where}, [{name}]") for name, kind in tables.items() if name in values}
    config = parse_table(TrainConfig, {**values, **built}, where)
    problem = _first_problem(config)
    if problem:
        raise ConfigError(f"{where}: {problem}")
    return config


def _first_problem(config: TrainConfig) -> str:
    """Return a description of the first invalid setting, or an empty string."""
    problem = network_problem(config.network)
    if problem:
        return problem
    tables = _schedule_problem(config.schedule), _loss_problem(config.loss), _teacher_problem(config.teacher)
    return next(filter(None, (_picture_problem(config), _name_problem(config), _model_problem(config), *tables)), "")


def _picture_problem(config: TrainConfig) -> str:
    step = size_step(config.network)
    if any(side < 32 or side % step for side in config.size):
        return f"size is {config.size}: give multiples of {step}, 32 or more"
    channels = max(1, len(config.planes))
    if len(config.mean) != channels or len(config.std) != channels:
        return f"mean and std hold {channels} values: {'one for each plane' if config.planes else 'the networks see grey'}"
    if config.planes and config.network.imagenet:
        return "[network] imagenet is for gray alone: leave out either planes or imagenet"
    if not all(map(math.isfinite, config.mean + config.std)):
        return f"mean is {config.mean} and std {config.std}: give finite numbers"
    return _data_problem(config.data)


def _data_problem(data: DataConfig) -> str:
    if not all(0 <= share <= 1 for share in (data.zoom, data.joined, data.marks, data.unmarked, data.empty, data.others)):
        return "[data] zoom, joined, marks, unmarked, empty and others lie in 0..1"
    if bool(data.others) != bool(data.other_folders):
        return "[data] others and other_folders belong together: give both, or neither"
    return ""


def _name_problem(config: TrainConfig) -> str:
    if not config.name.strip():
        return f"name is {config.name!r}: name the model"
    if not config.classes:
        return "classes are empty: name one"
    if not all(name.strip() for name in config.classes):
        return f"classes are {config.classes}: name each"
    return ""


def _model_problem(config: TrainConfig) -> str:
    """Return a description of the first setting that ModelSpec refuses, or an empty string."""
    channels = max(1, len(config.planes))
    try:
        spec = ModelSpec("some", (64, 64), ("class",), (0.0,) * channels, (1.0,) * channels, planes=config.planes)
    except ModelError:
        return f"planes are {config.planes}: give some of {', '.join(PLANES)}, each once"
    for key, remedy in _MODEL_KEYS.items():
        try:
            spec = replace(spec, **{key: getattr(config, key)})
        except ModelError:
            return f"{key} is {getattr(config, key)}: {remedy}"
    return ""


def _schedule_problem(schedule: ScheduleConfig) -> str:
    if min(schedule.batch, schedule.clip) < 1:
        return "[schedule] batch and clip are above 0"
    if not all(0 <= value < math.inf for value in (schedule.epochs, schedule.minutes)):
        return "[schedule] epochs and minutes are 0 or more, and finite"
    if not schedule.epochs + schedule.minutes:
        return "[schedule] epochs or minutes are above 0"
    if not 0 < schedule.learning_rate < math.inf:
        return "[schedule] learning_rate is above 0, and finite"
    if not (0 <= schedule.sparse <= 1 and 0 <= schedule.stills <= 1 and 0 <= schedule.average < 1):
        return "[schedule] sparse, stills and average lie in 0..1"
    if not 0 <= schedule.weight_decay < math.inf:
        return "[schedule] weight_decay is 0 or more, and finite"
    if not schedule.clip_gradient > 0:
        return "[schedule] clip_gradient is above 0: give inf to clip nothing"
    if not 0 <= schedule.seed < 2**63:
        return "[schedule] seed is 0 or more, and below 2**63"
    return _clip_problem(schedule)


def _clip_problem(schedule: ScheduleConfig) -> str:
    if schedule.clock not in CLOCKS:
        return f"[schedule] clock is {schedule.clock!r}: give {' or '.join(CLOCKS)}"
    if not 0 <= schedule.coherence < math.inf:
        return "[schedule] coherence is 0 or more, and finite"
    if schedule.coherence and schedule.clip < 2:
        return "[schedule] coherence compares neighboring frames: give clip 2 or more"
    return ""


def _loss_problem(loss: LossConfig) -> str:
    weights = loss.dice, loss.cross_entropy, loss.steadiness
    if not all(0 <= weight < math.inf for weight in (*weights, loss.boundary, loss.heads, loss.surface)):
        return "[loss] dice, cross_entropy, boundary, surface, steadiness and heads are 0 or more, and finite"
    if not (0 <= loss.tversky <= 1 and (loss.focal == 0 or 1 <= loss.focal < math.inf)):  # below 1, gradients are infinite
        return "[loss] tversky lies in 0..1, and focal is 0, or 1 or more and finite"
    return "" if any(weights) else "[loss] dice, cross_entropy and steadiness are all 0: give one more than that"


def _teacher_problem(teacher: TeacherConfig) -> str:
    if not 0 <= teacher.weight < math.inf:
        return "[teacher] weight is 0 or more, and finite"
    return "" if all(name.strip() for name in teacher.models) else "[teacher] models hold an empty name: give files or names"

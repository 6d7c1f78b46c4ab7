"""Reads the configuration of a training from a TOML file into frozen dataclasses."""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rtseg.engines.base import PLANES, ModelSpec
from rtseg.errors import ConfigError, ModelError
from rtseg.train.config_paths import with_paths
from rtseg.train.earlier_format import current_settings
from rtseg.train.loss_config import LossConfig, TeacherConfig, loss_problem, teacher_problem
from rtseg.train.network_config import NetworkConfig, network_problem, size_step
from rtseg.train.schedule_config import ScheduleConfig, schedule_problem
from rtseg.train.toml_table import parse_table

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "DataConfig",
    "LossConfig",
    "NetworkConfig",
    "ScheduleConfig",
    "TeacherConfig",
    "TrainConfig",
    "from_values",
    "read_config",
]

_HELD_OUT_SHARE = 0.2

_MODEL_KEYS = {  # shared by TrainConfig and ModelSpec, each with the remedy for a value that ModelSpec refuses
    "size": "give sides that a model may have, 4096 at most",
    "classes": "give each a name of its own, 254 at most",
    "std": "give a number above 0",
    "single": "name some of the classes",
    "outline_px": "give pixels from 0 to 16",
    "ellipse": "name some of the classes",
    "codes": "give one for each class, as SCT:32062004 with its check digit, or an empty one",
    "measures": "give names of one line",
}


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Holds the dataset, its split and its augmentation."""

    folder: str  # a folder for `open_dataset`, relative to the .toml file
    held_out: tuple[str, ...] = ()  # subjects excluded from training; where the file does not give it, a split is made
    held_out_share: float = 0.0  # share of the subjects that a split holds out; where the file gives neither, a fifth
    split_seed: int = 1  # by which a split, or the folds, are drawn
    zoom: float = 0.15  # standard deviation of the logarithm of the pictures' scale
    joined: float = 0.0  # share of clips that show two subjects' pictures side by side
    marks: float = 0.0  # share of clips with planted callipers and text, so that those in the pictures are not learned
    unmarked: float = 0.0  # share of pictures whose small bright marks at the border of a class are inpainted
    empty: float = 0.0  # share of pictures cropped so that they show no class, where there is room
    others: float = 0.0  # share of pictures from `other_folders`
    other_folders: tuple[str, ...] = ()  # datasets of other anatomies, whose pictures show no class


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
    codes: tuple[str, ...] = ()  # terminology code of each class, as "SCT:32062004" of SNOMED CT, or ""
    measures: tuple[str, ...] = ()  # what is measured on the masks, as "area"
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
    return from_values(with_paths(values, Path(path).parent), str(path))


def from_values(values: Mapping[str, Any], where: str) -> TrainConfig:
    """Make a configuration from plain values. where: their origin, for error messages. Raises ConfigError."""
    if isinstance(values.get("data"), Mapping) and not values["data"].keys() & {"held_out", "held_out_share"}:
        values = {**values, "data": {**values["data"], "held_out_share": _HELD_OUT_SHARE}}
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
    tables = schedule_problem(config.schedule), loss_problem(config.loss), teacher_problem(config.teacher)
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
    if not 0 <= data.held_out_share < 1 or not 0 <= data.split_seed < 2**63:
        return "[data] held_out_share lies in 0..1, 1 left out, and split_seed is 0 or more, and below 2**63"
    if data.held_out and data.held_out_share:
        return "[data] held_out names the subjects, and held_out_share draws them: give one of both"
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

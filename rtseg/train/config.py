"""What a training is told: a TOML file, read into a frozen value."""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rtseg.engines.base import ModelSpec
from rtseg.errors import ConfigError, ModelError
from rtseg.models import BASELINE, CELLS, LITE, WIDTHS
from rtseg.train.table import table

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_MODEL_KEYS = {  # of TrainConfig and ModelSpec: what the latter does not refuse
    "size": "give sides that a model may have, 4096 at most",
    "classes": "give each a name of its own, 254 at most",
    "std": "give a number above 0",
    "single": "name some of the classes",
    "ellipse": "name some of the classes",
}


@dataclass(frozen=True, slots=True)
class DataConfig:
    """Where the pictures are, and who is kept out of the training.

    folder: as `open_dataset` takes it, relative to the working directory. held_out: subjects that are never trained on.
    zoom: how much the pictures' scale varies, the standard deviation of its logarithm. joined: the share of clips that are two
    subjects' pictures side by side.
    """

    folder: str
    held_out: tuple[str, ...]
    zoom: float = 0.15
    joined: float = 0.0


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """A network of rtseg.models: its size ("S", "M", "Lite0", "UNet") and its cell ("gru", "lstm", "none" for "UNet").

    scales: 1 for a memory at the bottom alone, 2 for another one near the top, that borders do not flicker.
    deep: the encoder goes on to 1/32, for pictures whose places only the whole explains ("Lite0" alone).
    imagenet: the encoder starts from what ImageNet taught it ("Lite0" alone). start: a last.pt of another training, from which
    whatever fits is taken, over what ImageNet taught. encoder_rate: the encoder's share of the learning rate. dropout: the
    share of channels at 1/16 that a training frame does without, for few pictures (not "UNet").
    """

    size: str = "S"
    cell: str = "gru"
    scales: int = 1
    deep: bool = False
    imagenet: bool = False
    start: str = ""
    encoder_rate: float = 1.0
    dropout: float = 0.0


@dataclass(frozen=True, slots=True)
class ScheduleConfig:
    """How long and how fast: `epochs` times the training images in frames, or `minutes` where that is not 0.

    batch: clips a step. clip: frames a clip. stills: the first share of the training, which sees batch * clip single frames a
    step: as much work, of more pictures, and the memory comes after. sparse: the share of clips made of a subject's frames,
    in order. clip_gradient: the longest gradient of a step, inf for any length. average: decay a step of the averaged weights,
    which are the ones that are kept.
    """

    epochs: float = 300.0
    minutes: float = 0.0
    batch: int = 4
    clip: int = 6
    stills: float = 0.0
    sparse: float = 0.3
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    clip_gradient: float = 1.0
    average: float = 0.998
    seed: int = 1


@dataclass(frozen=True, slots=True)
class LossConfig:
    """Weights of the loss's parts; boundary: how much more a border pixel counts in the cross entropy."""

    dice: float = 1.0
    cross_entropy: float = 1.0
    boundary: float = 4.0
    steadiness: float = 1.0


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """All of a training. name, classes, size, mean, std, single, ellipse: as in ModelSpec."""

    name: str
    classes: tuple[str, ...]
    data: DataConfig
    size: tuple[int, int] = (256, 256)
    mean: tuple[float, ...] = (20.0,)
    std: tuple[float, ...] = (36.0,)
    single: tuple[str, ...] = ()
    ellipse: tuple[str, ...] = ()
    network: NetworkConfig = field(default_factory=NetworkConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    loss: LossConfig = field(default_factory=LossConfig)


def read_config(path: Path | str) -> TrainConfig:
    """The training that a TOML file describes. Raises ConfigError."""
    try:
        values = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}): name a training's .toml file") from None
    except ValueError as error:  # of TOML, of UTF-8, or a number of too many digits
        raise ConfigError(f"{path} is not TOML ({error}): mend that line") from None
    return from_values(values, str(path))


def from_values(values: Mapping[str, Any], where: str) -> TrainConfig:
    """The training that plain values describe, `where` naming them in errors. Raises ConfigError."""
    tables: dict[str, Any] = {"data": DataConfig, "network": NetworkConfig, "schedule": ScheduleConfig, "loss": LossConfig}
    built = {name: table(kind, values[name], f"{where}, [{name}]") for name, kind in tables.items() if name in values}
    config = table(TrainConfig, {**values, **built}, where)
    problem = _first_problem(config)
    if problem:
        raise ConfigError(f"{where}: {problem}")
    return config


def _first_problem(config: TrainConfig) -> str:
    """What is out of range, in words, or nothing."""
    tables = _schedule_problem(config.schedule), _network_problem(config.network), _loss_problem(config.loss)
    return next(filter(None, (_picture_problem(config), _name_problem(config), _model_problem(config), *tables)), "")


def _picture_problem(config: TrainConfig) -> str:
    step = 32 if config.network.deep else 16
    if any(side < 32 or side % step for side in config.size):
        return f"size is {config.size}: give multiples of {step}, 32 or more"
    if len(config.mean) != 1 or len(config.std) != 1:
        return "mean and std hold one value: the networks see grey"
    if not all(map(math.isfinite, config.mean + config.std)):
        return f"mean is {config.mean} and std {config.std}: give finite numbers"
    if not (0 <= config.data.zoom <= 1 and 0 <= config.data.joined <= 1):
        return "[data] zoom and joined lie in 0..1"
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
    """The key that no model's description takes."""
    spec = ModelSpec("some", (64, 64), ("class",), (0.0,), (1.0,))
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
    return ""


def _loss_problem(loss: LossConfig) -> str:
    weights = loss.dice, loss.cross_entropy, loss.steadiness
    if not all(0 <= weight < math.inf for weight in (*weights, loss.boundary)):
        return "[loss] dice, cross_entropy, boundary and steadiness are 0 or more, and finite"
    return "" if any(weights) else "[loss] dice, cross_entropy and steadiness are all 0: give one more than that"


def _network_problem(network: NetworkConfig) -> str:
    sizes = {**dict.fromkeys(WIDTHS, tuple(CELLS)), BASELINE: ("none",)}
    if network.cell not in sizes.get(network.size, ()):
        choices = ", ".join(f"{size} with {' or '.join(cells)}" for size, cells in sizes.items())
        return f"[network] size and cell are one of: {choices}"
    if network.scales not in ((1,) if network.size == BASELINE else (1, 2)):
        return "[network] scales is 1 or 2, and 1 for a size without a memory"
    if (network.imagenet or network.deep) and network.size != LITE:
        return f"[network] imagenet and deep are for size {LITE!r} alone: take that, or leave them out"
    if network.dropout and network.size == BASELINE:
        return f"[network] dropout is not for size {BASELINE!r}: leave it out"
    if not (0 < network.encoder_rate < math.inf and 0 <= network.dropout < 1):
        return "[network] encoder_rate is above 0 and finite, and dropout lies in 0..1, 1 left out"
    return ""

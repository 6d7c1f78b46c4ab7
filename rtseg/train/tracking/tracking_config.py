"""Reads the configuration of a tracker's training from a TOML file."""

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

from rtseg.errors import ConfigError
from rtseg.train.config import ScheduleConfig, TrainConfig, read_config
from rtseg.train.toml_table import parse_table

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PRECISIONS = ("float32", "bfloat16")
_STEP = 16  # of which the sides of the input are multiples


@dataclass(frozen=True, slots=True)
class TrackingConfig:
    """Holds the whole configuration of a tracker's training."""

    name: str  # as in ModelSpec
    data: tuple[str, ...]  # configurations of class models, from which folder, classes and held-out subjects are taken
    size: tuple[int, int] = (256, 256)  # (H, W) of the network's input
    mean: float = 45.0  # gray level that is subtracted from the input
    std: float = 45.0  # by which the input is divided
    encoder: str = "s"  # a name in the registry of encoders
    presence: float = 0.5  # weight of the loss of the presence
    start: str = (
        ""  # weights to begin from, as `write_weights` writes them, relative to the configuration's folder; "": random ones
    )
    norms_frozen_from: float = 0.5  # share of the training from which the BatchNorms keep their statistics
    precision: str = "float32"  # of the training's products: "bfloat16" takes half the time where the CPU has it
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)  # of which epochs, stills and coherence are not used

    def datasets(self) -> tuple[TrainConfig, ...]:
        """Return the configurations that `data` names. Raises ConfigError."""
        return tuple(read_config(path) for path in self.data)


def read_tracking_config(path: Path | str) -> TrackingConfig:
    """Read the configuration from a TOML file. Raises ConfigError."""
    try:
        values = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}): name a training's .toml file") from None
    except ValueError as error:  # invalid TOML or UTF-8
        raise ConfigError(f"{path} is not TOML ({error}): mend that line") from None
    if "schedule" in values:
        values["schedule"] = parse_table(ScheduleConfig, values["schedule"], f"{path}, [schedule]")
    config = parse_table(TrackingConfig, values, str(path))
    if config.start:
        config = replace(config, start=str(Path(path).parent / config.start))
    if problem := _problem(config):
        raise ConfigError(f"{path}: {problem}")
    return config


def _problem(config: TrackingConfig) -> str:
    schedule = config.schedule
    if any(side < 32 or side % _STEP for side in config.size):
        return f"size is {config.size}: give multiples of {_STEP}, 32 or more"
    if not config.data:
        return "data is empty: name the configuration of a class model, for its pictures"
    if not (schedule.minutes > 0 and schedule.batch > 0 and schedule.clip > 1):
        return "[schedule] minutes and batch are above 0, and clip above 1"
    if not (config.std > 0 and config.presence >= 0 and schedule.learning_rate > 0):
        return "std and [schedule] learning_rate are above 0, and presence is 0 or more"
    if not 0 < config.norms_frozen_from <= 1:
        return "norms_frozen_from is above 0 and at most 1"
    if config.precision not in PRECISIONS:
        return f"precision is {config.precision!r}: give one of {', '.join(PRECISIONS)}"
    return ""

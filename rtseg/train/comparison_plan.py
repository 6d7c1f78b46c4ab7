"""Reads the plan of a comparison of trainings, stated before it runs: what is varied, for how long, and with which seeds."""

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rtseg.errors import ConfigError
from rtseg.train.config import TrainConfig, from_values
from rtseg.train.config_paths import with_paths
from rtseg.train.toml_table import parse_table

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True, slots=True)
class ComparisonPlan:
    """Holds a comparison of variants of one training, each for the same CPU minutes and with the same seeds."""

    config: str  # the .toml of the training that is varied, relative to the plan
    baseline: str  # variant with which the others are compared
    minutes: float  # of CPU time of each training
    variants: dict[str, Any] = field(default_factory=dict)  # tables that replace settings of the training, by variant
    seeds: tuple[int, ...] = (1, 2, 3)
    frames: int = 40  # frames of the moving still of each held-out subject, on which flicker and lag are measured


def read_plan(path: Path) -> tuple[ComparisonPlan, dict[str, TrainConfig], str]:
    """Return a plan, the training of each variant, and a digest of the plan and its training. Raises ConfigError."""
    values, text = _read_toml(path)
    plan = parse_table(ComparisonPlan, values, str(path))
    if plan.baseline not in plan.variants or len(plan.variants) < 2:
        raise ConfigError(f"{path}: baseline is {plan.baseline!r}: name one of two [variants] or more")
    if not plan.seeds or len(set(plan.seeds)) < len(plan.seeds):
        raise ConfigError(f"{path}: seeds are {plan.seeds}: give each once")
    if not (plan.minutes > 0 and plan.frames > 4):
        raise ConfigError(f"{path}: minutes are above 0, and frames above 4")
    base_path = path.parent / plan.config
    base, base_text = _read_toml(base_path)
    base = with_paths(base, base_path.parent)
    if not base.get("data", {}).get("held_out"):
        raise ConfigError(f"{plan.config} of {path} holds nobody out: give held_out, on whom the variants are measured")
    trainings = {name: _training(base, table, plan, f"{path}, [variants.{name}]") for name, table in plan.variants.items()}
    return plan, trainings, hashlib.sha256((text + base_text).encode()).hexdigest()[:16]


def _read_toml(path: Path) -> tuple[dict[str, Any], str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        return tomllib.loads(text), text
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}): name a plan's .toml file") from None
    except ValueError as error:
        raise ConfigError(f"{path} is not TOML ({error}): mend that line") from None


def _training(base: Mapping[str, Any], changes: Any, plan: ComparisonPlan, where: str) -> TrainConfig:
    """Return the training of a variant: the base with some settings replaced. Raises ConfigError."""
    if not isinstance(changes, Mapping) or "data" in changes:
        raise ConfigError(f"{where} is {changes!r}: give tables of settings, without [data], which all variants share")
    merged = {key: dict(value) if isinstance(value, Mapping) else value for key, value in base.items()}
    for table, settings in changes.items():
        merged[table] = {**merged.get(table, {}), **settings} if isinstance(settings, Mapping) else settings
    merged["schedule"] = {**merged.get("schedule", {}), "minutes": plan.minutes, "clock": "cpu"}
    return from_values(merged, where)

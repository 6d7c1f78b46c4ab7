"""Defines the ways in which OpenVINO can run one model on a processor, and the choice among them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rtseg.engines.load import BFLOAT16

PLAIN = "openvino"
MIN_GAIN = 1.05  # a variant must be faster than the plain one by this factor, more than what a measurement is uncertain by


@dataclass(frozen=True, slots=True)
class Variant:
    """Describes one way to run a model."""

    engine: str = PLAIN
    """The engine's name, as `load_engine` takes it."""
    threads: int = 0
    """The number of threads; 0: OpenVINO's own choice."""

    def __str__(self) -> str:
        """Return the variant in words."""
        threads = f" on {self.threads} thread{'s' * (self.threads > 1)}" if self.threads else ""
        return f"{self.engine}{threads}"


@dataclass(frozen=True, slots=True)
class Choice:
    """Holds the variant that was chosen, and why."""

    variant: Variant
    """The fastest of those that were admitted."""
    times_ms: Mapping[str, float]
    """The median time of one run, by variant in words; empty where nothing was measured."""
    refused: Mapping[str, str]
    """Why a variant was not admitted, by variant in words."""

    def __str__(self) -> str:
        """Return the choice in one line."""
        times = ", ".join(f"{name} {ms:.2f} ms" for name, ms in self.times_ms.items())
        refused = "".join(f"; {name} refused: {why}" for name, why in self.refused.items())
        return f"engine {self.variant}" + (f", the fastest of {times}" if len(self.times_ms) > 1 else "") + refused

    def to_dict(self) -> dict[str, Any]:
        """Return the choice as plain values."""
        return {"variant": asdict(self.variant), "times_ms": dict(self.times_ms), "refused": dict(self.refused)}

    @classmethod
    def from_dict(cls, values: Any) -> "Choice":
        """Return the choice of `to_dict`. Raises KeyError, TypeError, ValueError where the values are others."""
        variant = Variant(str(values["variant"]["engine"]), int(values["variant"]["threads"]))
        if variant.engine not in (PLAIN, BFLOAT16) or not 0 <= variant.threads <= 1024:
            raise ValueError(f"no such variant: {variant}")
        times = {str(name): float(ms) for name, ms in values["times_ms"].items()}
        return cls(variant, times, {str(name): str(why) for name, why in values["refused"].items()})


def variants(threads: int, cores: int, *, has_bfloat16: bool) -> list[Variant]:
    """Return what to try beside the plain form, the most promising first. threads: what the user asked for; 0: nothing."""
    faster = [Variant(BFLOAT16, threads)] if has_bfloat16 else []
    if threads:
        return faster
    counts = sorted({1, 2, cores // 2} & set(range(1, cores)))
    return faster + [Variant(PLAIN, count) for count in counts]


def fastest(times_ms: Mapping[Variant, float]) -> Variant:
    """Return the fastest variant, or the first one where no other is faster by MIN_GAIN."""
    plain, best = next(iter(times_ms)), min(times_ms, key=lambda one: times_ms[one])
    return best if times_ms[best] * MIN_GAIN < times_ms[plain] else plain

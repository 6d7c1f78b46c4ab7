"""Measures the effect of filtering a frame before the network on the segmentation."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

from rtseg.bench.speckle.filters import FILTERS, UNFILTERED, Filter
from rtseg.engines.base import Engine
from rtseg.errors import ConfigError
from rtseg.evaluation.dataset import Case, scans
from rtseg.evaluation.metrics import dice
from rtseg.frame import Frame
from rtseg.session.session import Session

MIN_GAIN = 0.005  # of the mean Dice; equals the loss that the engine gate tolerates


@dataclass(frozen=True, slots=True)
class FilterDice:
    """Holds the Dice of each frame with one filter before the network, and without a filter."""

    filter: str  # name of the filter
    found: Mapping[str, tuple[float, ...]]  # Dice of each frame with the filter, by subject
    plain: Mapping[str, tuple[float, ...]]  # Dice of each frame without a filter, by subject

    @property
    def values(self) -> tuple[float, ...]:
        """Return the Dice of every frame with the filter."""
        return tuple(value for subject in self.found.values() for value in subject)

    @property
    def gains(self) -> dict[str, float]:
        """Return the gain in mean Dice by the filter, for each subject."""
        return {subject: fmean(values) - fmean(self.plain[subject]) for subject, values in self.found.items()}

    @property
    def gain(self) -> float:
        """Return the gain in mean Dice by the filter, over all frames."""
        return fmean(self.values) - fmean(value for subject in self.plain.values() for value in subject)

    @property
    def better(self) -> int:
        """Return the number of frames that the filter improves."""
        before = (value for subject in self.plain.values() for value in subject)
        return sum(now > then for now, then in zip(self.values, before, strict=True))

    @property
    def helps(self) -> bool:
        """Return True if the mean gain is at least `MIN_GAIN` and every subject gains."""
        return self.gain >= MIN_GAIN and min(self.gains.values()) > 0

    def to_json(self) -> dict[str, Any]:
        """Return the row as plain values."""
        return {
            "filter": self.filter,
            "frames": len(self.values),
            "dice": round(fmean(self.values), 4),
            "median": round(median(self.values), 4),
            "worst": round(min(self.values), 4),
            "gain": round(self.gain, 4),
            "gain_by_subject": {subject: round(gain, 4) for subject, gain in self.gains.items()},
            "better": self.better,
            "helps": self.helps,
        }


def compare_filters(
    engine: Engine, cases: Sequence[Case], filters: Mapping[str, Filter] = FILTERS, tell: Callable[[str], None] = lambda _: None
) -> list[FilterDice]:
    """Segment the cases with each filter: the frames of a subject in order, with a new session for each subject.

    The first of the filters must be `UNFILTERED`, the baseline on which the network was trained. tell: called with a
    description of each part as it starts. Raises ConfigError, DatasetError, EngineError.
    """
    if next(iter(filters), "") != UNFILTERED:
        raise ConfigError(f"the first of the filters is not {UNFILTERED!r}, to which the others are compared: put it first")
    rows = [(name, dict(_dice_by_subject(engine, cases, apply, tell, name))) for name, apply in filters.items()]
    return [FilterDice(name, found, rows[0][1]) for name, found in rows]


def _dice_by_subject(
    engine: Engine, cases: Sequence[Case], apply: Filter, tell: Callable[[str], None], name: str
) -> Iterator[tuple[str, tuple[float, ...]]]:
    tell(f"segmenting: {name}")
    for subject, scan in scans(cases).items():
        session = Session(engine, temporal=None)  # seconds lie between the frames
        yield subject, tuple(_mean_dice(session, case, index, apply) for index, case in enumerate(scan))


def _mean_dice(session: Session, case: Case, index: int, apply: Filter) -> float:
    """Return the mean Dice over the classes of one filtered frame."""
    truth = case.image_and_labels(session.classes)[1]
    found = session.step(Frame(apply(case.grey()), index, 0)).labels
    return fmean(dice(truth == label, found == label) for label in range(1, len(session.classes) + 1))

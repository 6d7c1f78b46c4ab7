"""What filtering a frame before the network does to the segmentation."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

from rtseg.bench.speckle.filters import FILTERS, NONE, Filter
from rtseg.engines.base import Engine
from rtseg.errors import ConfigError
from rtseg.evaluation.dataset import Case, scans
from rtseg.evaluation.metrics import dice
from rtseg.frame import Frame
from rtseg.session.session import Session

CLEAR_GAIN = 0.005  # of the mean Dice: what the gate between two engines takes for no difference


@dataclass(frozen=True, slots=True)
class Overlaps:
    """The Dice of each frame with one filter before the network, and with none, by subject."""

    filter: str
    found: Mapping[str, tuple[float, ...]]
    plain: Mapping[str, tuple[float, ...]]

    @property
    def values(self) -> tuple[float, ...]:
        """Of every frame with the filter."""
        return tuple(value for subject in self.found.values() for value in subject)

    @property
    def gains(self) -> dict[str, float]:
        """The mean of what each subject gains by the filter."""
        return {subject: fmean(values) - fmean(self.plain[subject]) for subject, values in self.found.items()}

    @property
    def gain(self) -> float:
        """The mean of what a frame gains by the filter."""
        return fmean(self.values) - fmean(value for subject in self.plain.values() for value in subject)

    @property
    def better(self) -> int:
        """How many frames the filter makes better."""
        before = (value for subject in self.plain.values() for value in subject)
        return sum(now > then for now, then in zip(self.values, before, strict=True))

    @property
    def helps(self) -> bool:
        """Whether it clearly helps: by CLEAR_GAIN at least, and every subject."""
        return self.gain >= CLEAR_GAIN and min(self.gains.values()) > 0

    def to_json(self) -> dict[str, Any]:
        """The row as plain values."""
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


def overlaps(
    engine: Engine, cases: Sequence[Case], filters: Mapping[str, Filter] = FILTERS, tell: Callable[[str], None] = lambda _: None
) -> list[Overlaps]:
    """Segment the cases with each filter, a subject's frames in order and its memory its own; the first row is without one.

    The network takes what it was trained on, frames without a filter. tell: is told what runs now.
    Raises ConfigError, DatasetError, EngineError.
    """
    if next(iter(filters), "") != NONE:
        raise ConfigError(f"the first of the filters is not {NONE!r}, to which the others are compared: put it first")
    rows = [(name, dict(_told(engine, cases, apply, tell, name))) for name, apply in filters.items()]
    return [Overlaps(name, found, rows[0][1]) for name, found in rows]


def _told(
    engine: Engine, cases: Sequence[Case], apply: Filter, tell: Callable[[str], None], name: str
) -> Iterator[tuple[str, tuple[float, ...]]]:
    tell(f"segmenting: {name}")
    for subject, scan in scans(cases).items():
        session = Session(engine, temporal=None)  # seconds lie between the frames
        yield subject, tuple(_overlap(session, case, index, apply) for index, case in enumerate(scan))


def _overlap(session: Session, case: Case, index: int, apply: Filter) -> float:
    """The mean Dice over the classes."""
    truth = case.image_and_labels(len(session.classes))[1]
    found = session.step(Frame(apply(case.grey()), index, 0)).labels
    return fmean(dice(truth == label, found == label) for label in range(1, len(session.classes) + 1))

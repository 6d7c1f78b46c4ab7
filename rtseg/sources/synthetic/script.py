"""What happens in a made-up examination: its options and faults, and what they make of each frame."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rtseg.errors import ConfigError
from rtseg.sources.base import DEFAULT_FPS

PHANTOMS = ("vessel",)
GEOMETRIES = ("linear", "curvilinear")
ENDS = ("freeze", "lift", "drop")  # faults that need a length
VALUES = {"gain": (-40.0, 40.0), "depth": (0.5, 2.0), "freeze": (0.0, 20.0)}  # what stands after the colon, and its range

_FAULT = re.compile(r"(?P<kind>\w+)@(?P<start>\d{1,9})(\+(?P<frames>\d{1,9}))?(:(?P<value>[-+.\d]+))?")


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that goes wrong, or that the operator does, from frame `start` on.

    kind: freeze (the picture stands; value: noise of a coder, in grey levels), cut (another patient), lift (no contact), drop
    (frames are missing), gain (value: dB), depth (value: times as deep). frames: how long, None to the end.
    """

    kind: str
    start: int
    frames: int | None = None
    value: float = 0.0

    def covers(self, index: int) -> bool:
        """Whether frame `index` is within the event."""
        return self.start <= index and (self.frames is None or index < self.start + self.frames)


@dataclass(frozen=True, slots=True)
class Moment:
    """What frame `index` shows: the tissue as it was at frame `shown`, and how the scanner was set.

    scene: counts the cuts; noise: amplitude of a coder's noise in grey levels; depth: times the usual depth.
    """

    index: int
    shown: int
    scene: int
    contact: bool
    gain_db: float
    depth: float
    noise: float


@dataclass(frozen=True, slots=True)
class Script:
    """The options of `synthetic:`.

    height, width in pixels, fps in frames a second, bpm in beats a minute, frames None: endless.
    """

    phantom: str = "vessel"
    seed: int = 0
    geometry: str = "linear"
    height: int = 480
    width: int = 640
    fps: float = DEFAULT_FPS
    frames: int | None = None
    bpm: float = 72.0
    drift_mm: float = 1.5
    faults: tuple[Event, ...] = ()

    def moment(self, index: int) -> Moment:
        """What frame `index` shows; a frozen one shows what the frame before the freeze did."""
        freeze = self._first("freeze", index)
        if freeze is not None and freeze.start > 0:
            held = self.moment(freeze.start - 1)
            return Moment(index, held.shown, held.scene, held.contact, held.gain_db, held.depth, freeze.value)
        scene = sum(event.kind == "cut" and event.covers(index) for event in self.faults)
        gain_db = sum(event.value for event in self.faults if event.kind == "gain" and event.covers(index))
        depth = self._first("depth", index)
        contact = self._first("lift", index) is None
        return Moment(index, index if freeze is None else 0, scene, contact, gain_db, depth.value if depth else 1.0, 0.0)

    def is_dropped(self, index: int) -> bool:
        """Whether frame `index` never arrives."""
        return self._first("drop", index) is not None

    def _first(self, kind: str, index: int) -> Event | None:
        return next((event for event in self.faults if event.kind == kind and event.covers(index)), None)


def parse_script(options: str, **overrides: Any) -> Script:
    """Read what follows `synthetic:`, such as `vessel?seed=3&faults=freeze@60+20`. Raises ConfigError."""
    phantom, _, query = options.partition("?")
    if phantom not in ("", *PHANTOMS):
        raise ConfigError(f"there is no phantom {phantom!r}: use {', '.join(f'synthetic:{name}' for name in PHANTOMS)}")
    settings = dict(_setting(item) for item in query.split("&") if item)
    return Script(**{"phantom": phantom or PHANTOMS[0], **settings, **overrides})


def parse_fault(kind: str, start: int, frames: int | None = None, value: float = 0.0) -> Event:
    """One event, checked as if it had been written in `faults=`. Raises ConfigError."""
    length, setting = f"+{frames}" if frames is not None else "", f":{value:g}" if kind in VALUES else ""
    return _fault(f"{kind}@{start}{length}{setting}")


def _setting(item: str) -> tuple[str, Any]:
    key, _, text = item.partition("=")
    if key not in _READERS:
        raise ConfigError(f"synthetic: has no option {key!r}: use {', '.join(_READERS)}")
    return key, _READERS[key](key, text)


def _whole(low: int, high: int) -> Callable[[str, str], int]:
    def read(key: str, text: str) -> int:
        if not re.fullmatch(r"\d{1,18}", text) or not low <= int(text) <= high:
            raise ConfigError(f"synthetic: {key}={text} is out of range: give a whole number from {low} to {high}")
        return int(text)

    return read


def _real(low: float, high: float) -> Callable[[str, str], float]:
    def read(key: str, text: str) -> float:
        value = _number(text)
        if not low <= value <= high:
            raise ConfigError(f"synthetic: {key}={text} is out of range: give a number from {low:g} to {high:g}")
        return value

    return read


def _choice(names: tuple[str, ...]) -> Callable[[str, str], str]:
    def read(key: str, text: str) -> str:
        if text not in names:
            raise ConfigError(f"synthetic: {key}={text} is unknown: use {', '.join(names)}")
        return text

    return read


def _faults(_key: str, text: str) -> tuple[Event, ...]:
    return tuple(_fault(item) for item in text.split(",") if item)


def _fault(text: str) -> Event:
    found = _FAULT.fullmatch(text)
    kind = found["kind"] if found else text.partition("@")[0]
    if found is None or kind not in _FAULTS:
        raise ConfigError(f"synthetic: faults={text} cannot be read: use {', '.join(_FAULTS.values())}")
    frames = int(found["frames"]) if found["frames"] else None
    value = _number(found["value"] or "0") if kind in VALUES else 0.0
    low, high = VALUES.get(kind, (0.0, 0.0))
    needless = (kind == "cut" and frames is not None) or (kind not in VALUES and found["value"])
    if needless or (kind in ENDS and not frames) or (kind in VALUES and not low <= value <= high):
        raise ConfigError(f"synthetic: faults={text} lacks something or is out of range: write {_FAULTS[kind]}")
    return Event(kind, int(found["start"]), frames, value)


def _number(text: str) -> float:
    """The number that a text stands for, NaN where it stands for none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


_FAULTS = {
    "freeze": "freeze@START+FRAMES[:NOISE 0 to 20 grey levels]",
    "cut": "cut@START",
    "lift": "lift@START+FRAMES",
    "drop": "drop@START+FRAMES",
    "gain": "gain@START[+FRAMES]:DB (-40 to 40)",
    "depth": "depth@START[+FRAMES]:TIMES (0.5 to 2)",
}

_READERS: dict[str, Callable[[str, str], Any]] = {
    "seed": _whole(0, 2**31 - 1),
    "geometry": _choice(GEOMETRIES),
    "height": _whole(16, 4320),
    "width": _whole(16, 7680),
    "fps": _real(0.1, 1000),
    "frames": _whole(1, 10**9),
    "bpm": _real(20, 250),
    "drift_mm": _real(0, 10),
    "faults": _faults,
}

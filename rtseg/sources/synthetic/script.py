"""Parses the options and faults of a simulated examination, and computes the state of each frame."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rtseg.errors import ConfigError
from rtseg.sources.base import DEFAULT_FPS

PHANTOMS = ("vessel", "heart")
GEOMETRIES = ("linear", "curvilinear")
TIMED_FAULTS = ("freeze", "lift", "drop")  # faults that need a length
FAULT_VALUES = {"gain": (-40.0, 40.0), "depth": (0.5, 2.0), "freeze": (0.0, 20.0)}  # ranges of the value after the colon

_FAULT = re.compile(r"(?P<kind>\w+)@(?P<start>\d{1,9})(\+(?P<frames>\d{1,9}))?(:(?P<value>[-+.\d]+))?")


@dataclass(frozen=True, slots=True)
class ScriptedFault:
    """Describes one fault, or action of the operator, from frame `start` on."""

    kind: str
    """One of freeze (still image), cut (another patient), lift (no contact), drop (missing frames), gain, depth, or early."""
    start: int  # index of the first frame
    frames: int | None = None  # how many, None: to the end
    value: float = 0.0  # of freeze the codec noise in gray levels, of gain dB, of depth a factor

    def covers(self, index: int) -> bool:
        """Return whether frame `index` is within the fault."""
        return self.start <= index and (self.frames is None or index < self.start + self.frames)


@dataclass(frozen=True, slots=True)
class FrameState:
    """Holds what a frame shows and how the scanner was set."""

    index: int  # of the frame
    shown: int  # the frame whose tissue is shown
    scene: int  # number of cuts so far
    contact: bool  # false while the probe is lifted
    gain_db: float  # relative to the usual gain
    depth: float  # factor of the usual depth
    noise: float  # amplitude of a codec's noise in gray levels


@dataclass(frozen=True, slots=True)
class Script:
    """Holds the options of `synthetic:`."""

    phantom: str = "vessel"  # one of PHANTOMS
    seed: int = 0  # of all random numbers
    geometry: str = "linear"  # one of GEOMETRIES; a heart is always seen by a curvilinear one
    height: int = 480  # pixels
    width: int = 640  # pixels
    fps: float = DEFAULT_FPS  # frames a second
    frames: int | None = None  # None: endless
    bpm: float = 72.0  # heart rate in beats a minute
    drift_mm: float = 1.5  # amplitude of the probe's slow motion
    faults: tuple[ScriptedFault, ...] = ()  # in the order of the script

    def frame_state(self, index: int) -> FrameState:
        """Return the state of frame `index`; a frozen one shows what the frame before the freeze did."""
        freeze = self._first("freeze", index)
        if freeze is not None and freeze.start > 0:
            held = self.frame_state(freeze.start - 1)
            return FrameState(index, held.shown, held.scene, held.contact, held.gain_db, held.depth, freeze.value)
        scene = sum(event.kind == "cut" and event.covers(index) for event in self.faults)
        gain_db = sum(event.value for event in self.faults if event.kind == "gain" and event.covers(index))
        depth = self._first("depth", index)
        contact = self._first("lift", index) is None
        return FrameState(index, index if freeze is None else 0, scene, contact, gain_db, depth.value if depth else 1.0, 0.0)

    @property
    def early_s(self) -> tuple[float, ...]:
        """Return the times in seconds at which a heart beat begins too early."""
        return tuple(event.start / self.fps for event in self.faults if event.kind == "early")

    def is_dropped(self, index: int) -> bool:
        """Return whether frame `index` never arrives."""
        return self._first("drop", index) is not None

    def _first(self, kind: str, index: int) -> ScriptedFault | None:
        return next((event for event in self.faults if event.kind == kind and event.covers(index)), None)


def parse_script(options: str, **overrides: Any) -> Script:
    """Parse what follows `synthetic:`, such as `vessel?seed=3&faults=freeze@60+20`. Raises ConfigError."""
    phantom, _, query = options.partition("?")
    if phantom not in ("", *PHANTOMS):
        raise ConfigError(f"there is no phantom {phantom!r}: use {', '.join(f'synthetic:{name}' for name in PHANTOMS)}")
    settings = dict(_setting(item) for item in query.split("&") if item)
    phantom = phantom or PHANTOMS[0]
    geometry = {"geometry": "curvilinear"} if phantom == "heart" else {}
    return Script(**{"phantom": phantom, **settings, **overrides, **geometry})


def parse_fault(kind: str, start: int, frames: int | None = None, value: float = 0.0) -> ScriptedFault:
    """Return one fault, checked as if it were written in `faults=`. Raises ConfigError."""
    length, setting = f"+{frames}" if frames is not None else "", f":{value:g}" if kind in FAULT_VALUES else ""
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


def _faults(_key: str, text: str) -> tuple[ScriptedFault, ...]:
    return tuple(_fault(item) for item in text.split(",") if item)


def _fault(text: str) -> ScriptedFault:
    found = _FAULT.fullmatch(text)
    kind = found["kind"] if found else text.partition("@")[0]
    if found is None or kind not in _FAULTS:
        raise ConfigError(f"synthetic: faults={text} cannot be read: use {', '.join(_FAULTS.values())}")
    frames = int(found["frames"]) if found["frames"] else None
    value = _number(found["value"] or "0") if kind in FAULT_VALUES else 0.0
    low, high = FAULT_VALUES.get(kind, (0.0, 0.0))
    needless = (kind in ("cut", "early") and frames is not None) or (kind not in FAULT_VALUES and found["value"])
    if needless or (kind in TIMED_FAULTS and not frames) or (kind in FAULT_VALUES and not low <= value <= high):
        raise ConfigError(f"synthetic: faults={text} lacks something or is out of range: write {_FAULTS[kind]}")
    return ScriptedFault(kind, int(found["start"]), frames, value)


def _number(text: str) -> float:
    """Return the number that a text represents, else NaN."""
    try:
        return float(text)
    except ValueError:
        return math.nan


_FAULTS = {
    "freeze": "freeze@START+FRAMES[:NOISE 0 to 20 grey levels]",
    "cut": "cut@START",
    "lift": "lift@START+FRAMES",
    "drop": "drop@START+FRAMES",
    "early": "early@START",
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

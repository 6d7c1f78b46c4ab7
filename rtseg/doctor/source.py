"""A look at a source: what it gives, how steadily, and what to change."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from time import perf_counter_ns, sleep

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.connection import LinkState
from rtseg.errors import SourceError
from rtseg.frame import Frame, Image, StreamInfo
from rtseg.session.sector import Sector, SectorFinder
from rtseg.session.sector.shape import Kind
from rtseg.sources import Source
from rtseg.sources.live.reconnect import Reconnecting

_PAUSE_S = 1.0  # in which a driver or a network fills the buffers that it has
_STEP = 4  # every fourth sample is enough to tell pictures apart
_NOISE = 4  # grey levels that a coder moves
_FEW = 0.002  # of the samples
_MOVES = 12  # grey levels from frame to frame


@dataclass(slots=True)
class Look:
    """What was seen of a source while it was watched; times in milliseconds.

    real_fps: frames a second as they came, NaN for fewer than two. duplicates: the share of frames that show the picture
    before. jitter_ms: deviation of the time between two frames. stale: frames that waited after a second without a reader.
    combed: the share of moving frames whose lines are of two moments. late_ms: how much later than the fastest the slowest
    tenth of the frames came, by their timestamps, NaN where they have none.
    """

    info: StreamInfo
    format: str = "unknown"
    frames: int = 0
    real_fps: float = float("nan")
    duplicates: float = 0.0
    jitter_ms: float = float("nan")
    longest_ms: float = float("nan")
    stale: int = 0
    combed: float = 0.0
    late_ms: float = float("nan")
    damaged: int = 0
    clock_jumps: int = 0
    usb_mbit: float | None = None
    sector: Sector | None = None
    events: dict[str, int] = field(default_factory=dict)


def watch(source: Source, seconds: float = 10.0, usb_mbit: float | None = None) -> Look:
    """Watch `source` for so long, then close it. Raises SourceError where it gives nothing or fails for good."""
    look, pictures, times = Look(source.info, usb_mbit=usb_mbit), _Pictures(), list[Frame]()
    with closing(source):
        frames = iter(source)
        _take(frames, times, pictures, until_ns=perf_counter_ns() + round(seconds * 1e9))
        if not times:
            raise SourceError("the source gave no frame while it was watched: check that it plays in another program")
        _describe_link(source, look)
        if source.info.live:
            look.stale = _stale(frames, source.info)
    look.info = source.info
    _describe_times(times, look)
    look.frames, look.sector = len(times), pictures.sector
    look.duplicates, look.combed = pictures.duplicates / len(times), pictures.combed / max(1, pictures.moving)
    return look


def _take(frames: Iterator[Frame], times: list[Frame], pictures: "_Pictures", until_ns: int) -> None:
    for frame in frames:
        pictures.add(frame)
        times.append(Frame(_DOT, frame.index, frame.captured_ns, frame.origin))  # without its pixels
        if perf_counter_ns() >= until_ns:
            return


_DOT = np.zeros((1, 1), np.uint8)


def _stale(frames: Iterator[Frame], info: StreamInfo) -> int:
    """How many frames were waiting after a pause: they come faster than the stream runs."""
    sleep(_PAUSE_S)
    waiting, before_ns = 0, perf_counter_ns()
    for _ in frames:
        now_ns = perf_counter_ns()
        if now_ns - before_ns > info.period_ns / 2:
            break
        waiting, before_ns = waiting + 1, now_ns
    return waiting


class _Pictures:
    """What the pictures say: duplicates, lines of two moments, and where the sector is."""

    def __init__(self) -> None:
        self.duplicates = self.moving = self.combed = 0
        self.sector: Sector | None = None
        self._finder = SectorFinder()
        self._before: Image | None = None

    def add(self, frame: Frame) -> None:
        """Look at one more."""
        self.sector, _ = self._finder.observe(frame)
        grey = frame.image if frame.image.ndim == 2 else frame.image[..., 1]
        if self._before is not None and self._before.shape == grey.shape:
            self._compare(grey, self._before)
        self._before = grey

    def _compare(self, grey: Image, before: Image) -> None:
        change = cv2.absdiff(np.ascontiguousarray(grey[::_STEP, ::_STEP]), np.ascontiguousarray(before[::_STEP, ::_STEP]))
        if np.mean(change > _NOISE) < _FEW:
            self.duplicates += 1
            return
        moved = cv2.absdiff(grey, before) > _MOVES
        if moved[2:].mean() > _FEW:
            self.moving += 1
            self.combed += is_combed(grey, moved)


def is_combed(grey: Image, moved: npt.NDArray[np.bool_]) -> bool:
    """Whether the lines of what moved (H, W) are nearer to the second next than to the next: two fields of two moments."""
    lines = grey.astype(np.int16)
    there = moved[2:]
    if not there.any():
        return False
    next_one = np.abs(lines[2:] - lines[1:-1])[there].mean()
    return bool(next_one > 1.2 * np.abs(lines[2:] - lines[:-2])[there].mean() + 1)


def _describe_times(times: list[Frame], look: Look) -> None:
    stamps = np.array([frame.captured_ns for frame in times])
    if len(stamps) > 1:
        gaps_ms = np.diff(stamps) / 1e6
        look.real_fps = 1000 * len(gaps_ms) / gaps_ms.sum()
        look.jitter_ms, look.longest_ms = float(gaps_ms.std()), float(gaps_ms.max())
    late = [frame.captured_ns - frame.origin.corrected_ns for frame in times if frame.origin and frame.origin.corrected_ns]
    if late:
        look.late_ms = float(np.percentile(late, 90) - min(late)) / 1e6


def _describe_link(source: Source, look: Look) -> None:
    if not isinstance(source, Reconnecting):
        look.format = "a recording" if not source.info.live else look.format
        return
    link = source.link
    look.format = getattr(link, "format", look.format)
    look.damaged = getattr(getattr(link, "account", link), "damaged", 0)
    look.clock_jumps = getattr(getattr(link, "clock", None), "jumps", 0)
    look.events = {state.value: source.counts[state] for state in (LinkState.STALLED, LinkState.LOST) if source.counts[state]}


def advice(look: Look) -> list[str]:
    """What to change, the gravest first; nothing where all is well."""
    info, found = look.info, list[str]()
    if look.events:
        told = ", ".join(f"{count} times {state}" for state, count in look.events.items())
        found.append(f"it was {told} while it was watched: look at the cable, the power and the network")
    if look.damaged:
        found.append(f"{look.damaged} pictures were damaged: use TCP (rtsp_transport=tcp), or a better cable")
    if look.info.live and look.real_fps < 0.9 * info.fps:
        found.append(f"it says {info.fps:.4g} fps and gives {look.real_fps:.4g}: say --fps {look.real_fps:.3g}{_usb(look)}")
    elif look.info.live and look.real_fps > 1.1 * info.fps:
        found.append(f"it gives {look.real_fps:.4g} fps and says {info.fps:.4g}: say --fps {look.real_fps:.3g}")
    if look.duplicates > 0.3:
        rate = look.real_fps * (1 - look.duplicates)
        found.append(
            f"{look.duplicates:.0%} of the frames repeat the one before: the scanner runs at {rate:.3g} fps, or is frozen; "
            "repeated frames are HELD and cost nothing, but a grabber at the scanner's own rate has less delay"
        )
    if look.combed > 0.3:
        found.append(f"the picture is interlaced ({look.combed:.0%} of what moves): set the scanner's output to progressive")
    if look.info.live and look.jitter_ms > 500 / info.fps:
        found.append(f"frames come unevenly (deviation {look.jitter_ms:.0f} ms): use a cable, and no power saving")
    if look.clock_jumps:
        found.append(f"its clock jumped {look.clock_jumps} times: nothing to do, but do not trust its timestamps")
    if look.sector is None or look.sector.kind is Kind.UNKNOWN:
        found.append("no ultrasound sector was found: name it with --sector TOP,LEFT,HEIGHT,WIDTH, or say --sector off")
    return found


def _usb(look: Look) -> str:
    return f"; its USB port runs at {look.usb_mbit:g} Mbit/s: use a blue one" if look.usb_mbit and look.usb_mbit < 5000 else ""

"""Examines a source: its frames, their timing, and recommended changes."""

from collections import deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from time import perf_counter_ns, sleep

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.connection import LinkState
from rtseg.doctor.repeats import repeat_pattern
from rtseg.errors import SourceError
from rtseg.frame import Frame, Image, StreamInfo
from rtseg.session.depth_scale.card_scale import SCALE_FRAMES, read_scale
from rtseg.session.sector import Sector, SectorFinder
from rtseg.session.sector.scanner_card import ScannerCard, layout_cells
from rtseg.session.sector.shape import SectorKind
from rtseg.sources import Source
from rtseg.sources.base import as_live_source

_PAUSE_S = 1.0  # pause in which the buffers of a driver or a network fill up
_SAMPLE_STEP = 4  # every fourth pixel, down and along, suffices to detect duplicates
_CODING_NOISE = 4  # gray levels of coding noise
_MIN_CHANGED_SHARE = 0.002  # share of the pixels below which a change is ignored
_BLACK_LEVEL, _WHITE_LEVEL = 12, 238  # darkest and brightest level of video whose black is 16 and whose white is 235
_MOTION_LEVELS = 12  # gray levels from frame to frame that count as motion


@dataclass(slots=True)
class SourceReport:
    """Holds the observations of a source."""

    info: StreamInfo
    format: str = "unknown"  # as reported by the source
    frames: int = 0  # number of frames received
    real_fps: float = float("nan")  # measured frames a second; NaN for fewer than two frames
    duplicates: float = 0.0  # share of frames that repeat the picture before
    pattern: str = ""  # how often each picture is given in turns, such as "2:3"; "" where none repeats, or without a pattern
    jitter_ms: float = float("nan")  # standard deviation of the time between frames
    longest_ms: float = float("nan")  # longest time between frames
    stale: int = 0  # frames buffered during a second without a reader
    combed: float = 0.0  # share of moving frames that are interlaced
    late_ms: float = float("nan")  # 90th percentile of the delay over the smallest, by timestamps; NaN without them
    damaged: int = 0  # corrupted pictures that the decoder reported
    clock_jumps: int = 0  # jumps of the source's clock
    modes: tuple[str, ...] = ()  # modes that a camera's driver lists
    reason: str = ""  # why the mode in use was chosen
    usb_mbit: float | None = None  # speed of the USB port in Mbit/s; None: unknown or no USB
    sector: Sector | None = None  # ultrasound sector of the last frame; None: not found
    card: ScannerCard | None = None  # what to save of the scanner; None: no sector was found
    events: dict[str, int] = field(default_factory=dict)  # number of stalls and losses, by state


def inspect_source(source: Source, seconds: float = 10.0, usb_mbit: float | None = None) -> SourceReport:
    """Read `source` for some seconds, close it and return the observations.

    usb_mbit: speed of its USB port, if known. Raises SourceError if it gives no frame or fails for good.
    """
    report, statistics, times = SourceReport(source.info, usb_mbit=usb_mbit), _FrameStatistics(), list[Frame]()
    with closing(source):
        frames = iter(source)
        _collect_frames(frames, times, statistics, until_ns=perf_counter_ns() + round(seconds * 1e9))
        if not times:
            raise SourceError("the source gave no frame while it was watched: check that it plays in another program")
        _describe_link(source, report)
        if source.info.live:
            report.stale = _count_stale(frames, source.info)
    report.info = source.info
    _describe_times(times, report)
    report.frames, report.sector = len(times), statistics.sector
    report.duplicates, report.combed = sum(statistics.repeats) / len(times), statistics.combed / max(1, statistics.moving)
    report.pattern = repeat_pattern(statistics.repeats)
    report.card = _scanner_card(report, statistics)
    return report


def _collect_frames(frames: Iterator[Frame], times: list[Frame], statistics: "_FrameStatistics", until_ns: int) -> None:
    for frame in frames:
        statistics.add(frame)
        times.append(Frame(_EMPTY_IMAGE, frame.index, frame.captured_ns, frame.origin))  # without its pixels
        if perf_counter_ns() >= until_ns:
            return


_EMPTY_IMAGE = np.zeros((1, 1), np.uint8)


def _count_stale(frames: Iterator[Frame], info: StreamInfo) -> int:
    """Count the frames buffered during a pause: they arrive faster than the frame rate."""
    sleep(_PAUSE_S)
    waiting, before_ns = 0, perf_counter_ns()
    for _ in frames:
        now_ns = perf_counter_ns()
        if now_ns - before_ns > info.period_ns / 2:
            break
        waiting, before_ns = waiting + 1, now_ns
    return waiting


def _scanner_card(report: SourceReport, statistics: "_FrameStatistics") -> ScannerCard | None:
    """Return the card of the scanner, or None where its sector is not known."""
    sector, image = statistics.sector, statistics.last
    if sector is None or image is None or sector.kind is SectorKind.UNKNOWN or not sector.confidence:
        return None
    fps = report.real_fps if report.info.live else report.info.fps
    color_range = "limited" if statistics.darkest >= _BLACK_LEVEL and statistics.brightest <= _WHITE_LEVEL else "full"
    scale = read_scale(list(statistics.newest), sector)
    return ScannerCard(sector, layout_cells(image, sector), fps, report.duplicates, color_range, scale, report.pattern)


class _FrameStatistics:
    """Counts duplicate, moving and interlaced frames and finds the sector."""

    def __init__(self) -> None:
        self.moving = self.combed = 0
        self.repeats: list[bool] = []  # whether each frame, from the second on, repeats the one before
        self.newest = deque[Image](maxlen=SCALE_FRAMES)
        self.sector: Sector | None = None
        self.last: Image | None = None
        self.darkest, self.brightest = 255, 0
        self._finder = SectorFinder()
        self._before: Image | None = None

    def add(self, frame: Frame) -> None:
        """Add the next frame."""
        self.sector, _ = self._finder.observe(frame)
        grey = frame.image if frame.image.ndim == 2 else frame.image[..., 1]
        if self._before is not None and self._before.shape == grey.shape:
            self._compare(grey, self._before)
        self.last = frame.image
        self.newest.append(frame.image)
        some = grey[::_SAMPLE_STEP, ::_SAMPLE_STEP]
        self.darkest, self.brightest = min(self.darkest, int(some.min())), max(self.brightest, int(some.max()))
        self._before = grey

    def _compare(self, grey: Image, before: Image) -> None:
        change = cv2.absdiff(
            np.ascontiguousarray(grey[::_SAMPLE_STEP, ::_SAMPLE_STEP]),
            np.ascontiguousarray(before[::_SAMPLE_STEP, ::_SAMPLE_STEP]),
        )
        self.repeats.append(bool(np.mean(change > _CODING_NOISE) < _MIN_CHANGED_SHARE))
        if self.repeats[-1]:
            return
        moved = cv2.absdiff(grey, before) > _MOTION_LEVELS
        if moved[2:].mean() > _MIN_CHANGED_SHARE:
            self.moving += 1
            self.combed += is_combed(grey, moved)


def is_combed(grey: Image, moved: npt.NDArray[np.bool_]) -> bool:
    """Return True if a picture is interlaced, with the two fields captured at different times.

    grey: (H, W) uint8. moved: (H, W), pixels that moved. There, lines resemble the second next line more than the next one.
    """
    lines = grey.astype(np.int16)
    there = moved[2:]
    if not there.any():
        return False
    next_one = np.abs(lines[2:] - lines[1:-1])[there].mean()
    return bool(next_one > 1.2 * np.abs(lines[2:] - lines[:-2])[there].mean() + 1)


def _describe_times(times: list[Frame], report: SourceReport) -> None:
    stamps = np.array([frame.captured_ns for frame in times])
    if len(stamps) > 1:
        gaps_ms = np.diff(stamps) / 1e6
        report.real_fps = 1000 * len(gaps_ms) / gaps_ms.sum()
        report.jitter_ms, report.longest_ms = float(gaps_ms.std()), float(gaps_ms.max())
    late = [frame.captured_ns - frame.origin.corrected_ns for frame in times if frame.origin and frame.origin.corrected_ns]
    if late:
        report.late_ms = float(np.percentile(late, 90) - min(late)) / 1e6


def _describe_link(source: Source, report: SourceReport) -> None:
    live = as_live_source(source)
    if live is None:
        report.format = "a recording" if not source.info.live else report.format
        return
    found = live.diagnostics()
    report.format, report.damaged, report.clock_jumps = found.format, found.damaged, found.clock_jumps
    report.modes, report.reason = found.modes, found.reason
    troubles = (LinkState.STALLED, LinkState.DAMAGED, LinkState.LOST)
    report.events = {state.value: live.counts[state] for state in troubles if live.counts.get(state)}


def advice(report: SourceReport) -> list[str]:
    """Return recommended changes, the most important first; empty if there are none."""
    info, found = report.info, list[str]()
    if report.events:
        told = ", ".join(f"{count} times {state}" for state, count in report.events.items())
        found.append(f"it was {told} while it was watched: look at the cable, the power and the network")
    if report.damaged:
        found.append(f"{report.damaged} pictures were damaged: use TCP (rtsp_transport=tcp), or a better cable")
    if report.info.live and report.real_fps < 0.9 * info.fps:
        found.append(
            f"it says {info.fps:.4g} fps and gives {report.real_fps:.4g}: say --fps {report.real_fps:.3g}{_usb_advice(report)}"
        )
    elif report.info.live and report.real_fps > 1.1 * info.fps:
        found.append(f"it gives {report.real_fps:.4g} fps and says {info.fps:.4g}: say --fps {report.real_fps:.3g}")
    if report.duplicates > 0.3:
        rate = report.real_fps * (1 - report.duplicates)
        found.append(
            f"{report.duplicates:.0%} of the frames repeat the one before: the scanner runs at {rate:.3g} fps, or is frozen; "
            "repeated frames are HELD and cost nothing, but a grabber at the scanner's own rate has less delay"
        )
    if report.combed > 0.3:
        found.append(f"the picture is interlaced ({report.combed:.0%} of what moves): set the scanner's output to progressive")
    if report.info.live and report.jitter_ms > 500 / info.fps:
        found.append(f"frames come unevenly (deviation {report.jitter_ms:.0f} ms): use a cable, and no power saving")
    if report.clock_jumps:
        found.append(f"its clock jumped {report.clock_jumps} times: nothing to do, but do not trust its timestamps")
    if report.sector is None or report.sector.kind is SectorKind.UNKNOWN:
        found.append("no ultrasound sector was found: name it with --sector TOP,LEFT,HEIGHT,WIDTH, or say --sector off")
    return found


def _usb_advice(report: SourceReport) -> str:
    return (
        f"; its USB port runs at {report.usb_mbit:g} Mbit/s: use a blue one"
        if report.usb_mbit and report.usb_mbit < 5000
        else ""
    )

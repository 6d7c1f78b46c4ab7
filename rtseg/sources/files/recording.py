"""Defines how a recording is stored in its folder: lossless pictures, and a line of JSON for each frame.

FOLDER/frames.jsonl: a header, a line for each frame, and at the end a line with the counts. FOLDER/pictures-0.mkv: FFV1 in
Matroska, which other programs play too; another file follows where the size or the colors change.
"""

import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from rtseg.errors import SourceError
from rtseg.frame import Frame, Labels, Life, Origin, Spacing, StreamInfo
from rtseg.limits import check_size
from rtseg.sources.base import stream_info
from rtseg.text.safe_text import printable
from rtseg.wall_clock import WallClock

FORMAT = 1
FRAMES_FILE = "frames.jsonl"
PIXEL_FORMATS = {2: ("gray", "gray"), 3: ("bgr0", "rgb24")}  # by an image's ndim: in FFV1, in an array
_MAX_CORNERS, _MAX_SIDE = 1000, 16384
_MAX_PARTS = 1 << 20
_TIME_LIMIT = 1 << 63  # nanoseconds: 292 years


@dataclass(frozen=True, slots=True)
class Decision:
    """Holds what was decided about a frame when it was recorded."""

    captured_ns: int  # by the clock of that time
    life: Life  # lifecycle state of the frame
    reason: str  # why, in words
    kind: str  # of the sector
    outline: tuple[tuple[float, float], ...]  # corners (x, y) of the sector in pixels
    confidence: float  # of the sector, 0 to 1
    labels: int  # CRC-32 of the label map's bytes
    dropped: int = 0  # frames that the pipeline dropped before this one
    unrecorded: int = 0  # frames before this one that the recorder had no time for
    wall_ns: int | None = None  # wall-clock time of capture in ns since 1970 (UTC); earlier recordings lack it
    face: tuple[float, float, float] | None = (
        None  # center and radius of the probe's face in pixels; earlier recordings lack it
    )


@dataclass(frozen=True, slots=True)
class RecordedFrame(Frame):
    """Adds to a recorded frame what was decided about it then."""

    decision: Decision | None = None  # what was decided about the frame

    def captured_wall_ns(self, clock: WallClock) -> int | None:  # noqa: ARG002  that of the replay
        """Return the recorded wall-clock time in nanoseconds since 1970 (UTC); None where the recording lacks it."""
        return self.decision.wall_ns if self.decision else None


def pictures_name(part: int) -> str:
    """Return the name of the file with a part's pictures."""
    return f"pictures-{part}.mkv"


def labels_crc32(labels: Labels) -> int:
    """Return the CRC-32 of a label map's bytes."""
    return zlib.crc32(labels.tobytes())


def header_line(info: StreamInfo, model: str | None, surroundings: bool, version: str) -> dict[str, Any]:
    """Return the first line. surroundings: true if the area around the sector was recorded."""
    return {"recording": FORMAT, "rtseg": version, "model": model, "surroundings": surroundings, "stream": asdict(info)}


def frame_line(frame: Frame, decision: Decision, place: tuple[int, int]) -> dict[str, Any]:
    """Return a frame's line. place: the part of its picture, and its number there."""
    origin = None if frame.origin is None else asdict(frame.origin)
    return {"index": frame.index, "place": place, **asdict(decision), "origin": origin}


def end_line(frames: int, unrecorded: int) -> dict[str, Any]:
    """Return the last line of a finished recording.

    unrecorded: all frames that the recorder had no time for.
    """
    return {"end": True, "frames": frames, "unrecorded": unrecorded}


def is_end_line(line: bytes) -> bool:
    """Return whether a line is the last one of a finished recording."""
    return line.startswith(b'{"end":')


def declared_frames(line: bytes) -> int | None:
    """Return the number of frames that the last line of a finished recording declares; None for any other line."""
    try:
        return int(json.loads(line)["frames"]) if is_end_line(line) else None
    except _NOT_A_LINE:
        return None


def read_header(line: bytes) -> StreamInfo:
    """Return the stream's description from the first line. Raises SourceError."""
    try:
        header = json.loads(line)
        stream = header["stream"]
        if header["recording"] != FORMAT:
            raise ValueError(f"its format is {header['recording']!r} and this rtseg reads {FORMAT}")
        height, width, spacing_mm = int(stream["height"]), int(stream["width"]), _spacing(stream["spacing_mm"])
        if not (0 < height <= _MAX_SIDE and 0 < width <= _MAX_SIDE):
            raise ValueError(f"it says {height} x {width} pixels")
        check_size("the recording", height, width)
        info = replace(stream_info(height, width, float(stream["fps"]), spacing_mm), live=bool(stream["live"]))
    except _NOT_A_LINE as error:
        raise SourceError(f"the header is not one of a recording ({error}): record again with rtseg run --record") from error
    return info


def read_line(line: bytes, not_before_ns: int = 0) -> tuple[int, tuple[int, int], Decision, Origin | None]:
    """Return a frame's index, the place of its picture, its decision and its origin.

    not_before_ns: when the frame before it was captured. Raises SourceError, also for an earlier frame.
    """
    try:
        values = json.loads(line)
        part, number = (int(value) for value in values["place"])
        if not (0 <= part <= _MAX_PARTS and 0 <= number < _TIME_LIMIT):
            raise ValueError("its picture has no place")
        decision = _decision(values)
        if decision.captured_ns < not_before_ns:
            raise ValueError(f"its captured_ns is {decision.captured_ns}, which is before that of the frame before it")
        return _time(values["index"], "index"), (part, number), decision, _origin(values["origin"])
    except _NOT_A_LINE as error:
        raise SourceError(f"a line is not one of a recording ({error}): go on with the frames before it") from error


_NOT_A_LINE = (ValueError, LookupError, TypeError, OverflowError, AttributeError, RecursionError)


def _decision(values: Mapping[str, Any]) -> Decision:
    corners = tuple((float(x), float(y)) for x, y in values["outline"][:_MAX_CORNERS])
    if len(corners) < 3 or not all(math.isfinite(place) and abs(place) < 1e6 for corner in corners for place in corner):
        raise ValueError("the sector has no corners")
    labels, dropped, unrecorded = (int(values[name]) for name in ("labels", "dropped", "unrecorded"))
    life, confidence = Life(values["life"]), float(values["confidence"])
    if not math.isfinite(confidence):
        raise ValueError(f"its confidence is {confidence}")
    captured_ns, reason = _time(values["captured_ns"], "captured_ns"), printable(str(values["reason"]))
    wall_ns = None if values.get("wall_ns") is None else _time(values["wall_ns"], "wall_ns")
    kind, face = str(values["kind"]), _face(values.get("face"))
    return Decision(captured_ns, life, reason, kind, corners, confidence, labels, dropped, unrecorded, wall_ns, face)


def _face(values: Any) -> tuple[float, float, float] | None:
    if values is None:
        return None
    x, y, radius = (float(value) for value in values)
    if not all(math.isfinite(value) and abs(value) < 1e6 for value in (x, y, radius)) or radius < 0:
        raise ValueError("the sector's face is no circle")
    return x, y, radius


def _origin(values: Mapping[str, Any] | None) -> Origin | None:
    if values is None:
        return None
    return Origin(
        device=printable(str(values["device"])),
        timestamp_ns=_integer(values["timestamp_ns"]),
        corrected_ns=_integer(values["corrected_ns"]),
        spacing_mm=_spacing(values["spacing_mm"]),
        matrix=values["matrix"] and _matrix(values["matrix"]),
        transforms={printable(str(name)): _matrix(matrix) for name, matrix in values["transforms"].items()},
    )


def _integer(value: Any) -> int | None:
    number = None if value is None else int(value)
    if number is not None and abs(number) >= _TIME_LIMIT:
        raise ValueError("a time of its origin has more than 63 bits")
    return number


def _time(value: Any, name: str) -> int:
    """Return a count of frames or of nanoseconds. Raises ValueError if it is negative or has more than 63 bits."""
    number = int(value)
    if not 0 <= number < _TIME_LIMIT:
        raise ValueError(f"its {name} is {value!r:.40}, which is not between 0 and 2^63")
    return number


def _spacing(value: Any) -> Spacing | None:
    return None if value is None else (float(value[0]), float(value[1]))


def _matrix(rows: Any) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(value) for value in row) for row in rows)

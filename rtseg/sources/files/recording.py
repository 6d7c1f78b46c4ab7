"""Defines how a recording is stored in its folder: lossless pictures, and a line of JSON for each frame.

FOLDER/frames.jsonl: a header, a line for each frame, and at the end a line with the counts. FOLDER/pictures-0.mkv: FFV1 in
Matroska, which other programs play too; another file follows where the size or the colors change.
"""

import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from rtseg.errors import SourceError
from rtseg.frame import SPACING_FROM_SCALE, Frame, Image, Labels, Life, Origin, Spacing, StreamInfo
from rtseg.limits import check_size
from rtseg.sources.base import stream_info
from rtseg.sources.files.recorded_values import (
    TIME_LIMIT,
    StateValues,
    all_state_values,
    aspect_value,
    checked_spacing,
    integer_value,
    matrix_value,
    object_places,
    optional_time,
    spacing_value,
    time_value,
)
from rtseg.text.safe_text import printable
from rtseg.wall_clock import WallClock

FORMAT = 1
FRAMES_FILE = "frames.jsonl"
PIXEL_FORMATS = {2: ("gray", "gray"), 3: ("bgr0", "rgb24")}  # by an image's ndim: in FFV1, in an array
_MAX_CORNERS, _MAX_SIDE = 1000, 16384
_MAX_PARTS = 1 << 20
_FRAME_VALUES = ("presentation_ns", "damage", "pixel_aspect")  # fields of a frame that are recorded as they are


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
    spacing_mm: Spacing | None = None  # with which the frame was measured, (down, along); earlier recordings lack it
    face: tuple[float, float, float] | None = None  # center and radius of the probe's face in px; earlier recordings lack it
    writes: tuple[StateValues, ...] = ()  # what was written into the network's states with this frame
    spacing_from: str = ""  # what that spacing was read from, as in `Segmentation`; earlier recordings lack it
    objects: Mapping[str, int] = field(default_factory=dict)  # place of each followed object; earlier recordings lack it


@dataclass(frozen=True, slots=True)
class RecordedFrame(Frame):
    """Adds to a recorded frame what was decided about it then."""

    decision: Decision | None = None  # what was decided about the frame

    def captured_wall_ns(self, clock: WallClock) -> int | None:  # noqa: ARG002  that of the replay
        """Return the recorded wall-clock time in nanoseconds since 1970 (UTC); None where the recording lacks it."""
        return self.decision.wall_ns if self.decision else None


@dataclass(frozen=True, slots=True)
class RecordedLine:
    """Holds what the line of a recorded frame says; its picture stands elsewhere."""

    index: int
    """Index of the frame."""
    place: tuple[int, int]
    """Part of the recording that has the picture, and its number there."""
    decision: Decision
    """What was decided about the frame."""
    origin: Origin | None
    """Metadata as reported by the source."""
    presentation_ns: int | None
    """As in `Frame`."""
    damage: str
    """As in `Frame`."""
    pixel_aspect: float
    """As in `Frame`."""

    def frame(self, image: Image, spacing_mm: Spacing | None, spacing_from: str) -> RecordedFrame:
        """Return the recorded frame with its picture and the given spacing; the time of capture is that of the replay."""
        return RecordedFrame(
            image,
            self.index,
            0,
            self.origin,
            spacing_mm=spacing_mm,
            presentation_ns=self.presentation_ns,
            damage=self.damage,
            pixel_aspect=self.pixel_aspect,
            spacing_from=spacing_from,
            decision=self.decision,
        )


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
    origin = None if frame.origin is None else asdict(replace(frame.origin, instance=None))
    if origin:
        del origin["instance"]  # its UIDs lead to the patient
    values = {name: getattr(frame, name) for name in _FRAME_VALUES}
    decided = {**asdict(replace(decision, writes=())), "writes": [write.to_json() for write in decision.writes]}
    return {"index": frame.index, "place": place, **decided, **values, "origin": origin}


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
        height, width, spacing_mm = int(stream["height"]), int(stream["width"]), spacing_value(stream["spacing_mm"])
        if not (0 < height <= _MAX_SIDE and 0 < width <= _MAX_SIDE):
            raise ValueError(f"it says {height} x {width} pixels")
        check_size("the recording", height, width)
        info = replace(
            stream_info(height, width, float(stream["fps"]), spacing_mm),
            live=bool(stream["live"]),
            pixel_aspect=aspect_value(stream.get("pixel_aspect")),
        )
    except _NOT_A_LINE as error:
        raise SourceError(f"the header is not one of a recording ({error}): record again with rtseg run --record") from error
    return info


def read_line(line: bytes, not_before_ns: int = 0) -> "RecordedLine":
    """Return what a frame's line holds.

    not_before_ns: when the frame before it was captured. Raises SourceError, also for an earlier frame.
    """
    try:
        values = json.loads(line)
        part, number = (int(value) for value in values["place"])
        if not (0 <= part <= _MAX_PARTS and 0 <= number < TIME_LIMIT):
            raise ValueError("its picture has no place")
        decision = _decision(values)
        if decision.captured_ns < not_before_ns:
            raise ValueError(f"its captured_ns is {decision.captured_ns}, which is before that of the frame before it")
        return RecordedLine(
            index=time_value(values["index"], "index"),
            place=(part, number),
            decision=decision,
            origin=_origin(values["origin"]),
            presentation_ns=optional_time(values, "presentation_ns"),
            damage=printable(str(values.get("damage", ""))),
            pixel_aspect=aspect_value(values.get("pixel_aspect")),
        )
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
    captured_ns, reason = time_value(values["captured_ns"], "captured_ns"), printable(str(values["reason"]))
    wall_ns, face = optional_time(values, "wall_ns"), _face(values.get("face"))
    writes = all_state_values(values.get("writes", ()))
    counted = labels, dropped, unrecorded, wall_ns, checked_spacing(values.get("spacing_mm")), face
    seen = captured_ns, life, reason, str(values["kind"]), corners, confidence, *counted
    return Decision(*seen, writes=writes, spacing_from=_spacing_from(values), objects=object_places(values.get("objects")))


def _spacing_from(values: Mapping[str, Any]) -> str:
    value = values.get("spacing_from", "")
    if value not in ("", SPACING_FROM_SCALE):
        raise ValueError(f"its spacing is from {value!r}")
    return str(value)


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
        timestamp_ns=integer_value(values["timestamp_ns"]),
        corrected_ns=integer_value(values["corrected_ns"]),
        spacing_mm=spacing_value(values["spacing_mm"]),
        matrix=values["matrix"] and matrix_value(values["matrix"]),
        transforms={printable(str(name)): matrix_value(matrix) for name, matrix in values["transforms"].items()},
    )

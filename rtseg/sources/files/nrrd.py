"""Reads NRRD sequences (.nrrd, .nhdr) as PLUS and 3D Slicer write them; pynrrd reads the header.

Frames are read one by one. The format: teem.sourceforge.net/nrrd/format.html.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote

import numpy as np

from rtseg.errors import MissingExtra, SourceError
from rtseg.frame import Spacing
from rtseg.sources.base import existing_file
from rtseg.sources.files.data_files import data_files
from rtseg.sources.files.frame_store import open_frame_store
from rtseg.sources.files.nrrd_axes import COLOR, SIDE, TIME, nrrd_axes
from rtseg.sources.files.orientation import Orientation
from rtseg.sources.files.plane_directions import plane_orientation
from rtseg.sources.files.raw_frames import MAX_SIDE, RawFrames, proven_offset, with_proven_order
from rtseg.sources.files.sequence import FrameSequence
from rtseg.sources.files.source_notes import SourceNotes
from rtseg.sources.files.tracked_frames import TrackedFrames

try:
    import nrrd
except ImportError as error:
    raise MissingExtra("an NRRD source", "volumes") from error

_MAX_HEADER, _MAX_LINE = 1 << 26, 1 << 20  # bytes
_DATA_FILE = (b"data file", b"datafile")
_REQUIRED = ("encoding", "type", "sizes")
_IS_COMPRESSED = {"raw": False, "gzip": True, "gz": True}
_SECONDS = {"s": 1.0, "sec": 1.0, "ms": 1e-3, "us": 1e-6}
_MILLIMETERS = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "um": 1e-3, "μm": 1e-3, "": 1.0}
_WIDTHS = {"char": 1, "short": 2, "int": 4, "long long": 8, "longlong": 8}
_TYPES = {"float": "f4", "double": "f8"}
for _name, _width in _WIDTHS.items():
    _TYPES |= dict.fromkeys((f"unsigned {_name}", f"u{_name}", f"unsigned {_name} int"), f"u{_width}")
    _TYPES |= dict.fromkeys((f"signed {_name}", _name, f"{_name} int", f"signed {_name} int"), f"i{_width}")
for _width in (1, 2, 4, 8):
    _TYPES |= {f"{sign}int{8 * _width}{end}": f"{sign or 'i'}{_width}" for sign in ("", "u") for end in ("", "_t")}


def open_nrrd(where: str | Path, *, fps: float | None = None, spacing_mm: Spacing | None = None) -> FrameSequence:
    """Open an NRRD; time is the axis of kind `list` or `time`, else the last of three.

    Fields of single frames, orientation and gray levels are as in `open_metaimage`. A sequence with time as its fastest
    axis, as 3D Slicer writes it, is read at once, since its frames are interleaved. Raises SourceError, SourceNotFound,
    ConfigError.
    """
    path, notes = existing_file(Path(where)), SourceNotes()
    try:
        with path.open("rb") as file:
            header = nrrd.read_header(_lines(file, path, notes))
            if missing := [name for name in _REQUIRED if name not in header]:
                raise KeyError(missing[0])
            axes, words = nrrd_axes(header)
            stored = _stored(header, file, path, axes, notes)
        notes.say(path, words)
        tracked = TrackedFrames()
        for key, value in header.items():
            tracked.add_field(str(key), str(value))
        tracked.add_times(_listed_times(header, axes))
        orientation = _orientation(header, axes, path, notes)
        own_mm, rate = _spacing(header, axes, orientation), _rate(header, axes)
    except SourceError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise SourceError(f"{path} is no NRRD that can be read ({reason}): save it again") from error
    fps = fps if fps is not None or tracked.fps() else rate
    return open_frame_store(stored, orientation, tracked, fps, spacing_mm, own_mm, notes=notes, path=path)


def _lines(file: BinaryIO, path: Path, notes: SourceNotes) -> Iterator[bytes]:
    """Yield the lines of a header; a field that stands there twice, as older versions of 3D Slicer wrote, comes once.

    Raises ValueError where it has no end.
    """
    seen = dict[bytes, bytes]()
    while line := file.readline(_MAX_LINE):
        if len(line) == _MAX_LINE or file.tell() > _MAX_HEADER:
            raise ValueError("its header has no end")
        name, is_field, value = line.partition(b":")
        key = name.strip().lower() + value[:1].replace(b" ", b"")
        if not is_field or line.startswith(b"#"):
            yield line
        elif key not in seen:
            seen[key] = value.strip()
            yield line
            if key in _DATA_FILE and value.strip().upper().startswith(b"LIST"):
                return  # the names of files follow
        elif seen[key] != value.strip():
            notes.say(path, "has a field twice with two values in its header: the first one is used")


def _stored(header: Mapping[str, Any], file: BinaryIO, path: Path, axes: list[str], notes: SourceNotes) -> RawFrames:
    """Return where the frames are stored. file: the header's, after its last line. Raises SourceError."""
    encoding, kind = str(header["encoding"]).lower(), str(header["type"])
    if encoding not in _IS_COMPRESSED or kind not in _TYPES:
        raise SourceError(f"{path} has pixels of {kind[:40]}, coded as {encoding[:40]}: save them as numbers, raw or gzip")
    sizes = [int(size) for size in header["sizes"]]
    space, colors, times = (_sizes(sizes, axes, axis) for axis in (SIDE, COLOR, TIME))
    known = len(space) == 2 and max(space) <= MAX_SIDE and colors in ([], [3], [4]) and len(times) < 2 and min(sizes) > 0
    order = _order(sizes, axes) if known else ""
    if not known or "?" in axes or "ytx" in order:
        raise SourceError(f"{path} has axes of {sizes}: a recording is grey or RGB, width, height and frames")
    skip, lines = int(header.get("byte skip", 0)), int(header.get("line skip", 0))
    is_compressed = _IS_COMPRESSED[encoding]
    if skip < -1 or lines < 0 or (skip < 0 and is_compressed):
        raise SourceError(f"{path} skips {skip} bytes and {lines} lines, which cannot be: save it again")
    begin, files = file.tell(), _files(header, file, path)
    frames = times[0] if times else 1
    if frames % len(files):
        raise SourceError(f"{path} keeps {frames} frames in {len(files)} files: save it as .nrrd, which holds them itself")
    begin = begin if files == (path,) else 0
    stored = RawFrames(
        files,
        offset=skip if skip < 0 else begin,
        is_compressed=is_compressed,
        dtype=np.dtype((">" if header.get("endian") == "big" else "<") + _TYPES[kind]),
        shape=(space[1], space[0], *([3] if colors else [])),
        frames=frames,
        axes=order,
        components=colors[0] if colors else 1,
        skip=max(skip, 0) if is_compressed or lines else 0,
        lines=lines,
        notes=notes,
    )
    if skip > 0:
        stored = proven_offset(stored, [begin + skip, skip, begin] if begin else [skip, 0], path)
    return with_proven_order(stored, path)


def _sizes(sizes: Sequence[int], axes: Sequence[str], wanted: str) -> list[int]:
    return [size for size, axis in zip(sizes, axes, strict=True) if axis == wanted and (size > 1 or wanted != SIDE)]


def _order(sizes: Sequence[int], axes: Sequence[str]) -> str:
    """Return the order of the axes as `RawFrames` wants it, the slowest first."""
    names, sides = list[str](), iter("xy")
    for size, axis in zip(sizes, axes, strict=True):
        if axis != SIDE:
            names.append(axis)
        elif size > 1:
            names.append(next(sides))
    order = "".join(reversed(names))
    return order if TIME in order else f"t{order}"


def _files(header: Mapping[str, Any], file: BinaryIO, path: Path) -> tuple[Path, ...]:
    """Return the files with the pixels: the header's own, or others beside it. Raises SourceError."""
    name = header.get("data file", header.get("datafile"))
    if name is None:
        return (path,)
    name = str(name)
    is_list = name.upper().startswith("LIST")
    return data_files(path, name, file.read(_MAX_LINE).decode("latin-1").splitlines() if is_list else ())


def _orientation(header: Mapping[str, Any], axes: Sequence[str], path: Path, notes: SourceNotes) -> Orientation:
    """Return how the pictures lie: by PLUS's letters, else by the directions of the axes."""
    letters = str(header.get("UltrasoundImageOrientation", header.get("ImageOrientation", "")))
    orientation = Orientation(letters)
    if letters and not orientation.has_known_letters:
        notes.say(path, f"has an unknown orientation {letters[:8]!r}: its pictures are shown as they are stored")
    directions = header.get("space directions")
    if letters or directions is None or len(directions) != len(axes):
        return orientation
    facts = zip(directions, header["sizes"], axes, strict=True)
    rows = [[float(part) for part in row] for row, size, axis in facts if axis == SIDE and size > 1 and row is not None]
    if len(rows) < 2:
        return orientation
    turned, words = plane_orientation(rows[0], rows[1])
    notes.say(path, words)
    return turned


def _spacing(header: Mapping[str, Any], axes: Sequence[str], orientation: Orientation) -> Spacing | None:
    """Return the upright image's pixel size (down, along) in mm; None where it is 1 by 1, which means unknown."""
    directions = header.get("space directions")
    if directions is not None:
        steps = [float(np.linalg.norm(row)) if row is not None else np.nan for row in directions]
        units = [str(unit) for unit in header.get("space units") or []]
    else:
        steps, units = [float(step) for step in header.get("spacings", ())], [str(unit) for unit in header.get("units") or []]
    if len(steps) != len(axes):
        return None
    sides = [place for place, axis in enumerate(axes) if axis == SIDE and header["sizes"][place] > 1]
    of_sides = units[:2] if directions is not None else [units[place] for place in sides] if len(units) == len(axes) else []
    factors = [_MILLIMETERS.get(unit.lower(), 0.0) for unit in of_sides] or [1.0, 1.0]
    along, down = (round(steps[place] * factor, 9) for place, factor in zip(sides, factors, strict=False))
    down, along = orientation.to_upright((down, along))
    return (down, along) if min(along, down) > 0 and max(along, down) < 1e3 and (along, down) != (1, 1) else None


def _rate(header: Mapping[str, Any], axes: Sequence[str]) -> float | None:
    """Return frames a second by the spacing of the axis of time, where its unit is known."""
    steps, units = header.get("spacings", ()), header.get("units") or ()
    if TIME not in axes or len(steps) != len(axes) or len(units) != len(axes):
        return None
    seconds = float(steps[axes.index(TIME)]) * _SECONDS.get(str(units[axes.index(TIME)]).lower(), 0.0)
    return 1 / seconds if 1e-3 <= seconds <= 60 else None


def _listed_times(header: Mapping[str, Any], axes: Sequence[str]) -> list[float]:
    """Return each frame's time in seconds, as 3D Slicer lists it for the axis of time; none where its unit is unknown."""
    if TIME not in axes:
        return []
    place = axes.index(TIME)
    units = header.get("units") or [""] * len(axes)
    unit = str(header.get(f"axis {place} index unit", units[place] if place < len(units) else "")).lower()
    scale = _SECONDS.get(unit, 0.0)
    try:
        times = [float(unquote(word)) for word in str(header.get(f"axis {place} index values", "")).split()]
    except ValueError:
        return []
    return [time * scale for time in times] if scale and len(times) == int(header["sizes"][place]) else []

"""Reads NRRD sequences (.nrrd, .nhdr) as PLUS and 3D Slicer write them; pynrrd reads the header.

Frames are read one by one. The format: teem.sourceforge.net/nrrd/format.html.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from rtseg.errors import MissingExtra, SourceError
from rtseg.frame import Spacing
from rtseg.sources.base import existing_file
from rtseg.sources.files.orientation import Orientation
from rtseg.sources.files.raw_frames import MAX_SIDE, RawFrames, open_frame_store
from rtseg.sources.files.sequence import FrameSequence
from rtseg.sources.files.tracked_frames import TrackedFrames

try:
    import nrrd
except ImportError as error:
    raise MissingExtra("an NRRD source", "volumes") from error

_MAX_HEADER, _MAX_LINE = 1 << 26, 1 << 20  # bytes
_IS_COMPRESSED = {"raw": False, "gzip": True, "gz": True}
_TIME, _COLOUR = frozenset({"list", "time"}), frozenset({"RGB-color", "3-color", "3-vector", "vector"})
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
    path = existing_file(Path(where))
    try:
        with path.open("rb") as file:
            header = nrrd.read_header(_lines(file))
            stored = _stored(header, path, file)
        tracked = TrackedFrames()
        for key, value in header.items():
            tracked.add_field(str(key), str(value))
        orientation = Orientation(str(header.get("UltrasoundImageOrientation", "")))
        known_mm = spacing_mm or _spacing(header, orientation)
    except SourceError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise SourceError(f"{path} is no NRRD that can be read ({reason}): save it again") from error
    return open_frame_store(stored, orientation, tracked, fps, known_mm)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a header. Raises ValueError where it has no end."""
    while line := file.readline(_MAX_LINE):
        if len(line) == _MAX_LINE or file.tell() > _MAX_HEADER:
            raise ValueError("its header has no end")
        yield line


def _stored(header: Mapping[str, Any], path: Path, file: BinaryIO) -> RawFrames:
    """Return where the frames are stored. Raises SourceError."""
    encoding, kind = str(header["encoding"]).lower(), str(header["type"])
    if encoding not in _IS_COMPRESSED or kind not in _TYPES:
        raise SourceError(f"{path} has pixels of {kind[:40]}, coded as {encoding[:40]}: save them as numbers, raw or gzip")
    sizes, axes = [int(size) for size in header["sizes"]], _axes(header)
    space = [size for size, axis in zip(sizes, axes, strict=True) if axis == "s" and size > 1]
    colours = [size for size, axis in zip(sizes, axes, strict=True) if axis == "c"]
    times = [size for size, axis in zip(sizes, axes, strict=True) if axis == "t"]
    known = len(space) == 2 and max(space) <= MAX_SIDE and colours in ([], [3]) and len(times) < 2 and min(sizes) > 0
    if not known or "c" in axes[1:] or "t" in axes[1:-1]:
        raise SourceError(f"{path} has axes of {sizes}: a recording is grey or RGB, width, height and frames")
    name = header.get("data file", header.get("datafile"))
    if name is not None and (not isinstance(name, str) or Path(name).name != name or header.get("line skip")):
        raise SourceError(f"{path} keeps its pixels in several files or elsewhere: save it as .nrrd, which holds them itself")
    return RawFrames(
        data=path if name is None else existing_file(path.parent / name),
        offset=file.tell() if name is None else max(int(header.get("byte skip", 0)), -1),
        is_compressed=_IS_COMPRESSED[encoding],
        dtype=np.dtype((">" if header.get("endian") == "big" else "<") + _TYPES[kind]),
        shape=(space[1], space[0], *colours),
        frames=times[0] if times else 1,
        is_interleaved=axes[0] == "t",
    )


def _axes(header: Mapping[str, Any]) -> list[str]:
    """Return each axis's meaning, the fastest axis first: s a side of the image, c its colors, t time."""
    sizes = [int(size) for size in header["sizes"]]
    kinds = [str(kind) for kind in header.get("kinds", ["domain"] * len(sizes))]
    axes = [
        "t" if kind in _TIME else "c" if kind in _COLOUR and size > 1 else "s" for kind, size in zip(kinds, sizes, strict=True)
    ]
    sides = [number for number, axis in enumerate(axes) if axis == "s" and sizes[number] > 1]
    if "t" not in axes and len(sides) == 3:
        axes[sides[-1]] = "t"
    return axes


def _axis(kind: str, size: int) -> str:
    return "t" if kind in _TIME else "c" if kind in _COLOUR and size > 1 else "s"


def _spacing(header: Mapping[str, Any], orientation: Orientation) -> Spacing | None:
    """Return the upright image's pixel size (down, along) in mm; None where it is 1 by 1, which means unknown."""
    steps = [float(np.linalg.norm(row)) for row in header.get("space directions", ())] or list(header.get("spacings", ()))
    sizes, axes = header["sizes"], _axes(header)
    if len(steps) != len(axes):
        return None
    along_down = [float(step) for step, size, axis in zip(steps, sizes, axes, strict=True) if axis == "s" and size > 1]
    down, along = orientation.to_upright((along_down[1], along_down[0]))
    return (down, along) if min(along, down) > 0 and max(along, down) < 1e3 and (along, down) != (1, 1) else None

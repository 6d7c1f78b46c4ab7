"""Reads MetaImage sequences (.mha, .mhd) as PLUS and 3D Slicer write them.

No library is used: ITK and SimpleITK load a sequence as one volume into memory, compressed ones included. The format:
itk.org/Wiki/ITK/MetaIO/Documentation; the fields of a sequence: PlusLib's documentation, "Sequence file".
"""

from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rtseg.errors import SourceError
from rtseg.frame import Spacing
from rtseg.sources.base import existing_file
from rtseg.sources.files.orientation import Orientation
from rtseg.sources.files.raw_frames import MAX_SIDE, RawFrames, open_frame_store
from rtseg.sources.files.sequence import FrameSequence
from rtseg.sources.files.tracked_frames import TrackedFrames

ELEMENTS = {
    "MET_UCHAR": "u1",
    "MET_CHAR": "i1",
    "MET_USHORT": "u2",
    "MET_SHORT": "i2",
    "MET_UINT": "u4",
    "MET_INT": "i4",
    "MET_ULONG": "u4",  # MetaIO's long has 4 bytes on every machine
    "MET_LONG": "i4",
    "MET_ULONG_LONG": "u8",
    "MET_LONG_LONG": "i8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_MAX_HEADER = 1 << 26  # bytes: a header of 100,000 frames has half of that
_MAX_LINE = 1 << 16
_LAST_FIELD = "ElementDataFile"


def open_metaimage(where: str | Path, *, fps: float | None = None, spacing_mm: Spacing | None = None) -> FrameSequence:
    """Open a MetaImage of two dimensions, or of three of which the last is time.

    An image is turned upright by its `UltrasoundImageOrientation`, the near side at the top, so that PLUS's transforms hold
    for it. The rate follows from the timestamps. A spacing of 1 by 1 means unknown. Raises SourceError, SourceNotFound,
    ConfigError.
    """
    path = existing_file(Path(where))
    try:
        with path.open("rb") as file:
            fields, tracked = _read_header(file, path)
            stored = _stored(fields, path, file.tell())
        orientation = Orientation(fields.get("UltrasoundImageOrientation", ""))
        spacing_mm = spacing_mm or _spacing(fields.get("ElementSpacing", fields.get("ElementSize", "")), orientation)
    except SourceError:
        raise
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}): check the file and its permissions") from error
    except (KeyError, ValueError, OverflowError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise SourceError(f"{path} is no MetaImage that can be read ({reason}): save it again as .mha") from error
    return open_frame_store(stored, orientation, tracked, fps, spacing_mm)


def _read_header(file: BinaryIO, path: Path) -> tuple[dict[str, str], TrackedFrames]:
    """Return the `Key = Value` lines, up to the one that names the pixels' file, and the fields of single frames."""
    fields, tracked = dict[str, str](), TrackedFrames()
    while _LAST_FIELD not in fields:
        line = file.readline(_MAX_LINE)
        key, equals, value = (part.strip() for part in line.decode("latin-1").partition("="))
        if not equals or len(line) >= _MAX_LINE or file.tell() > _MAX_HEADER:
            raise SourceError(f"{path} is no MetaImage, or its header is cut off: give the .mha or .mhd file of a recording")
        if not tracked.add_field(key, value):
            fields[key] = value
    return fields, tracked


def _stored(fields: dict[str, str], path: Path, ends: int) -> RawFrames:
    """Return where the frames are stored.

    ends: the header's length in bytes, where the pixels start if they are in the same file.
    """
    if fields.get("ObjectType", "Image") != "Image" or not _is(fields, "BinaryData", "True"):
        raise SourceError(f"{path} is a MetaImage without binary pixels: save it again as .mha with BinaryData = True")
    if fields.get("UltrasoundImageType", "").startswith("RF_"):
        raise SourceError(f"{path} holds radio-frequency lines, not pictures: let PLUS convert it to B-mode")
    if fields["ElementType"] not in ELEMENTS:
        raise SourceError(f"{path} has pixels of {fields['ElementType'][:40]}: save it with one of {', '.join(ELEMENTS)}")
    shape, frames = _shape(fields, path)
    msb = _is(fields, "BinaryDataByteOrderMSB", fields.get("ElementByteOrderMSB", "False"))
    name, local = fields[_LAST_FIELD], fields[_LAST_FIELD].upper() == "LOCAL"
    return RawFrames(
        data=path if local else _beside(path, name),
        offset=ends if local else max(int(fields.get("HeaderSize", "0")), -1),
        is_compressed=_is(fields, "CompressedData", "False"),
        dtype=np.dtype((">" if msb else "<") + ELEMENTS[fields["ElementType"]]),
        shape=shape,
        frames=frames,
    )


def _is(fields: dict[str, str], key: str, default: str) -> bool:
    return fields.get(key, default).lower() == "true"


def _shape(fields: dict[str, str], path: Path) -> tuple[tuple[int, ...], int]:
    """Return a frame's shape and the number of frames."""
    told = fields["DimSize"][:40]
    sizes = [int(word) for word in fields["DimSize"].split()]
    channels = int(fields.get("ElementNumberOfChannels", "1"))
    if len(sizes) < 2 or len(sizes) != int(fields["NDims"]) or min(sizes) < 1 or max(sizes[:2]) > MAX_SIDE:
        raise SourceError(f"{path} has a size of {told}: a recording is width, height and frames")
    if sum(size > 1 for size in sizes[2:]) > 1:
        raise SourceError(f"{path} is a sequence of volumes ({told}): save one plane of it")
    if channels not in (1, 3):
        raise SourceError(f"{path} has {channels} channels a pixel: save it as grey (1) or RGB (3)")
    return (sizes[1], sizes[0]) if channels == 1 else (sizes[1], sizes[0], 3), prod(sizes[2:])


def _beside(path: Path, name: str) -> Path:
    """Return the pixels' file, which must be in the header's folder."""
    if Path(name).name != name or name.upper() == "LIST" or "%" in name:
        raise SourceError(f"{path} keeps its pixels in {name[:80]!r}: save it as .mha, which holds them itself")
    return existing_file(path.parent / name)


def _spacing(text: str, orientation: Orientation) -> Spacing | None:
    """Return the upright image's pixel size (down, along) in mm, None where unknown."""
    words = text.split()[:2]
    along, down = (float(word) for word in words) if len(words) == 2 else (1.0, 1.0)
    down, along = orientation.to_upright((down, along))
    return (down, along) if min(along, down) > 0 and max(along, down) < 1e3 and (along, down) != (1, 1) else None

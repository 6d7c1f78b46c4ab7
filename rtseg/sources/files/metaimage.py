"""Reads MetaImage sequences (.mha, .mhd) as PLUS and 3D Slicer write them.

No library is used: ITK and SimpleITK load a sequence as one volume into memory, compressed ones included. The format:
itk.org/Wiki/ITK/MetaIO/Documentation; the fields of a sequence: PlusLib's documentation, "Sequence file".
"""

from dataclasses import replace
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rtseg.errors import SourceError
from rtseg.frame import Spacing
from rtseg.sources.base import existing_file
from rtseg.sources.files.data_files import data_files
from rtseg.sources.files.frame_store import open_frame_store
from rtseg.sources.files.orientation import Orientation
from rtseg.sources.files.plane_directions import anatomical_directions, plane_orientation
from rtseg.sources.files.raw_frames import MAX_SIDE, RawFrames, proven_offset, with_proven_order
from rtseg.sources.files.sequence import FrameSequence
from rtseg.sources.files.source_notes import SourceNotes
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
_LIST = "LIST"  # the value of that field where the names of files follow, one a line
_LETTERS = ("UltrasoundImageOrientation", "ImageOrientation")  # of PLUS, the older name last
_DIRECTIONS = ("TransformMatrix", "Rotation", "Orientation")  # MetaIO's names of one field


def open_metaimage(where: str | Path, *, fps: float | None = None, spacing_mm: Spacing | None = None) -> FrameSequence:
    """Open a MetaImage of two dimensions, or of three of which the last is time.

    An image is turned upright by its `UltrasoundImageOrientation`, the near side at the top, so that PLUS's transforms hold
    for it; without that, a mirrored axis of `TransformMatrix` or `AnatomicalOrientation` is turned back. The rate follows from
    the timestamps. A spacing of 1 by 1 means unknown. Raises SourceError, SourceNotFound, ConfigError.
    """
    path, notes = existing_file(Path(where)), SourceNotes()
    try:
        with path.open("rb") as file:
            fields, tracked = _read_header(file, path)
            begin = file.tell()
            stored = _stored(fields, path, begin, _listed(file, fields), notes)
        orientation = _orientation(fields, path, notes)
        own_mm = _spacing(fields, path, orientation, notes)
    except SourceError:
        raise
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}): check the file and its permissions") from error
    except (KeyError, ValueError, OverflowError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise SourceError(f"{path} is no MetaImage that can be read ({reason}): save it again as .mha") from error
    return open_frame_store(stored, orientation, tracked, fps, spacing_mm, own_mm, notes=notes, path=path)


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


def _listed(file: BinaryIO, fields: dict[str, str]) -> list[str]:
    """Return the names of files that follow the header."""
    if fields[_LAST_FIELD].upper().split()[:1] != [_LIST]:
        return []
    return file.read(_MAX_LINE).decode("latin-1").splitlines()


def _stored(fields: dict[str, str], path: Path, ends: int, listed: list[str], notes: SourceNotes) -> RawFrames:
    """Return where the frames are stored.

    ends: the header's length in bytes, where the pixels start if they are in the same file. listed: names of other files.
    """
    if fields.get("ObjectType", "Image") != "Image" or not _is(fields, "BinaryData", "True"):
        raise SourceError(f"{path} is a MetaImage without binary pixels: save it again as .mha with BinaryData = True")
    if fields.get("UltrasoundImageType", "").startswith("RF_"):
        raise SourceError(f"{path} holds radio-frequency lines, not pictures: let PLUS convert it to B-mode")
    if fields["ElementType"] not in ELEMENTS:
        raise SourceError(f"{path} has pixels of {fields['ElementType'][:40]}: save it with one of {', '.join(ELEMENTS)}")
    if float(fields.get("ElementToIntensityFunctionSlope", "1")) < 0:
        raise SourceError(f"{path} states that its values fall where the echo rises: save it again with its slope applied")
    shape, frames, axes = _shape(fields, path)
    msb = _is(fields, "BinaryDataByteOrderMSB", fields.get("ElementByteOrderMSB", "False"))
    name, local = fields[_LAST_FIELD], fields[_LAST_FIELD].upper() == "LOCAL"
    files = (path,) if local else data_files(path, name, listed)
    if frames % len(files):
        raise SourceError(f"{path} keeps {frames} frames in {len(files)} files: save it as .mha, which holds them itself")
    header_bytes = max(int(fields.get("HeaderSize", "0")), -1)
    stored = RawFrames(
        files,
        offset=header_bytes if header_bytes < 0 or not local else ends,
        is_compressed=_is(fields, "CompressedData", "False"),
        dtype=np.dtype((">" if msb else "<") + ELEMENTS[fields["ElementType"]]),
        shape=shape,
        frames=frames,
        axes=axes,
        notes=notes,
    )
    if header_bytes >= 0:
        # In the same file HeaderSize counts from the file's start; some writers count from the header's end.
        starts = (
            [header_bytes if header_bytes >= ends else ends + header_bytes, ends, ends + header_bytes]
            if local
            else [header_bytes, 0]
        )
        stored = proven_offset(stored, starts, path)
    return with_proven_order(stored, path)


def _is(fields: dict[str, str], key: str, default: str) -> bool:
    return fields.get(key, default).lower() == "true"


def _shape(fields: dict[str, str], path: Path) -> tuple[tuple[int, ...], int, str]:
    """Return a frame's shape, the number of frames, and the order of the axes."""
    told = fields["DimSize"][:40]
    sizes = [int(word) for word in fields["DimSize"].split()]
    channels = int(fields.get("ElementNumberOfChannels", "1"))
    axes = "tyx" if channels == 1 else "tyxc"
    if len(sizes) > 2 and fields.get("Kinds", "").split()[:1] == ["list"]:  # older sequences of 3D Slicer: time in front
        sizes, axes = [*sizes[1:], sizes[0]], "yxt" if channels == 1 else "yxtc"
    if len(sizes) < 2 or len(sizes) != int(fields["NDims"]) or min(sizes) < 1 or max(sizes[:2]) > MAX_SIDE:
        raise SourceError(f"{path} has a size of {told}: a recording is width, height and frames")
    if sum(size > 1 for size in sizes[2:]) > 1:
        raise SourceError(f"{path} is a sequence of volumes ({told}): save one plane of it")
    if channels not in (1, 3):
        raise SourceError(f"{path} has {channels} channels a pixel: save it as grey (1) or RGB (3)")
    return (sizes[1], sizes[0]) if channels == 1 else (sizes[1], sizes[0], 3), prod(sizes[2:]), axes


def _orientation(fields: dict[str, str], path: Path, notes: SourceNotes) -> Orientation:
    """Return how the pictures lie: by PLUS's letters, else by the directions of the axes."""
    letters = next((fields[name] for name in _LETTERS if name in fields), "")
    orientation = Orientation(letters)
    if orientation.has_known_letters:
        return orientation
    if letters and letters.upper()[:2] != "XX":
        notes.say(path, f"has an unknown orientation {letters[:8]!r}: its pictures are shown as they are stored")
    rows = _directions(fields) or anatomical_directions(fields.get("AnatomicalOrientation", ""))
    if len(rows) < 2:
        return orientation
    turned, words = plane_orientation(rows[0], rows[1])
    notes.say(path, words)
    return replace(turned, letters=letters)


def _directions(fields: dict[str, str]) -> list[list[float]]:
    """Return the direction of each axis by the matrix of MetaIO; none where it is missing or damaged."""
    text = next((fields[name] for name in _DIRECTIONS if name in fields), "")
    numbers = [float(word) for word in text.split()]
    count = int(fields["NDims"])
    return [numbers[row * count : (row + 1) * count] for row in range(count)] if len(numbers) == count * count else []


def _spacing(fields: dict[str, str], path: Path, orientation: Orientation, notes: SourceNotes) -> Spacing | None:
    """Return the upright image's pixel size (down, along) in mm, None where unknown: the spacing, else the size."""
    distance, size = (_pair(fields.get(name, "")) for name in ("ElementSpacing", "ElementSize"))
    if distance and size and distance != size:
        notes.say(path, "states an ElementSize other than its ElementSpacing: the spacing is used")
    known = distance or (None if "ElementSpacing" in fields else size)
    return orientation.to_upright(known) if known else None


def _pair(text: str) -> Spacing | None:
    """Return (down, along) as stored; None where unknown, as 1 by 1 is."""
    words = text.split()[:2]
    along, down = (float(word) for word in words) if len(words) == 2 else (1.0, 1.0)
    return (down, along) if min(along, down) > 0 and max(along, down) < 1e3 and (along, down) != (1, 1) else None

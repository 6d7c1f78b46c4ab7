"""Open a DICOM file: its header, its transfer syntax and the place of its pixels."""

import io
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from rtseg.sources.files.dicom_codec import pydicom
from rtseg.sources.files.dicom_header import TAGS, numbers
from rtseg.sources.files.raw_frames import InflateReader

_MAX_INFLATED = 1 << 28  # bytes
_META_BYTES = 144  # of preamble, prefix and group length; the rest of the file meta group follows
_LONG = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"UC", b"UN", b"UR", b"UT"})  # with a length of four bytes
_PIXELS = 0x7FE00010
_UNDEFINED = 0xFFFFFFFF
_SYNTAXES: dict[Any, str] = {  # where none is stated, by (implicit VR, little endian)
    (True, True): "1.2.840.10008.1.2",
    (False, True): "1.2.840.10008.1.2.1",
    (False, False): "1.2.840.10008.1.2.2",
}


@dataclass(frozen=True, slots=True)
class DicomFile:
    """Describes an opened file."""

    path: Path  # of the file
    header: Any  # the elements of `TAGS`
    syntax: Any  # the transfer syntax, a UID of pydicom
    states_syntax: bool  # whether the file states it
    offset: int  # of the first byte of the pixel data, in what `open_data` returns
    length: int | None  # of the pixel data in bytes; None where they are encapsulated
    is_word: bool = False  # whether they are words of 16 bits (VR OW)

    def open_data(self) -> BinaryIO:
        """Open the data set: the file itself, or the unpacked data of a deflated one. Raises OSError, ValueError."""
        return io.BytesIO(_inflated(self.path)) if self.syntax.is_deflated else self.path.open("rb")


def read_dicom(path: Path) -> DicomFile:
    """Read a file's header. Raises whatever pydicom raises, and ValueError for a file without an image."""
    header, data, syntax, states = _header(path)
    with data:
        rows, columns = (int(next(iter(numbers(header.get(name))), 0)) for name in ("Rows", "Columns"))
        if not (rows > 0 and columns > 0):
            raise ValueError(f"it says {header.get('NumberOfFrames') or 1} frames of {columns}x{rows} pixels")
        offset, length, is_word = _pixel_element(data, is_little_endian=syntax.is_little_endian)
    return DicomFile(path, header, syntax, states, offset, length, is_word)


def _header(path: Path) -> tuple[Any, BinaryIO, Any, bool]:
    """Return the header, the data set at the pixels' element, its transfer syntax, and whether that is stated."""
    file: BinaryIO = path.open("rb")
    try:
        if _is_deflated(path):
            file.close()
            file = io.BytesIO(_inflated(path))
            header = pydicom.filereader.read_dataset(file, False, True, stop_when=_is_at_pixels, specific_tags=_tags())
            return header, file, pydicom.uid.DeflatedExplicitVRLittleEndian, True
        header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=list(TAGS), force=True)
        stated = header.file_meta.get("TransferSyntaxUID")
        syntax = stated or pydicom.uid.UID(_SYNTAXES.get(header.original_encoding, _SYNTAXES[True, True]))
        return header, file, syntax, bool(stated)
    except BaseException:
        file.close()
        raise


def _tags() -> list[Any]:
    return [pydicom.tag.Tag(name) for name in TAGS]


def _is_at_pixels(tag: int, vr: str | None, length: int) -> bool:  # noqa: ARG001  the signature is pydicom's
    return tag == _PIXELS


def _is_deflated(path: Path) -> bool:
    with path.open("rb") as file:
        if file.read(132)[128:] != b"DICM":
            return False
    meta = pydicom.filereader.read_file_meta_info(path)
    return bool(meta.get("TransferSyntaxUID") == pydicom.uid.DeflatedExplicitVRLittleEndian)


def _inflated(path: Path) -> bytes:
    """Return a deflated data set. Raises ValueError where it is too large or cut, zlib.error where it is broken."""
    meta = pydicom.filereader.read_file_meta_info(path)
    with path.open("rb") as file:
        file.seek(_META_BYTES + int(meta.FileMetaInformationGroupLength))
        unpacked, pieces, size = InflateReader(file, has_header=False), list[bytes](), 0
        while piece := unpacked.read(1 << 20):
            size += len(piece)
            if size > _MAX_INFLATED:
                raise ValueError(f"its deflated data are more than {_MAX_INFLATED >> 20} MiB")
            pieces.append(piece)
    return b"".join(pieces)


def _pixel_element(data: BinaryIO, *, is_little_endian: bool) -> tuple[int, int | None, bool]:
    """Return offset and length of the pixel data, at whose element `data` stands, and whether it has words of 16 bits.

    Raises ValueError.
    """
    order = "<" if is_little_endian else ">"
    start = data.read(12)
    if len(start) < 8 or _tag(start, order) != _PIXELS:
        kind = "has no 'Pixel Data'" if len(start) < 8 or start[:2] != b"\xe0\x7f" else "has pixels in floating point"
        raise ValueError(f"it {kind}, which a picture needs")
    at = data.tell() - len(start)
    if start[4:6] in _LONG:
        (length,) = struct.unpack_from(f"{order}I", start, 8) if len(start) == 12 else (0,)
        at += 12
    else:  # implicit VR, whatever the transfer syntax says
        (length,) = struct.unpack_from(f"{order}I", start, 4)
        at += 8
    return at, None if length == _UNDEFINED else length, start[4:6] == b"OW"


def _tag(start: bytes, order: str) -> int:
    group, element = struct.unpack_from(f"{order}HH", start)
    return int(group << 16 | element)

"""Reads the form of the pixels that a still image states: their width over their height.

Sources: PNG 3rd edition, 11.3.4.3 (pHYs); ITU-T T.871, 10.1 (JFIF); TIFF 6.0, tags 282 and 283, also in EXIF; BMP's header.
All state pixels per length: a pixel's width over its height is the number down over the number across. FFmpeg writes its own
aspect ratio into PNG and JPEG instead, which is the inverse; its files are recognized.
"""

import struct
from collections.abc import Iterator

from rtseg.sources.pixels.exif import ExifValues, exif_values
from rtseg.sources.pixels.jpeg_segments import SCAN, jpeg_segments
from rtseg.sources.pixels.picture_size import picture_size
from rtseg.sources.pixels.upright import upright_of_exif

_PNG, _BMP_DENSITIES = b"\x89PNG\r\n\x1a\n", 38
_FFMPEG_PIECE = 4096  # bytes of each IDAT chunk but the last, as FFmpeg writes them
_APP0, _APP1, _COMMENT = 0xE0, 0xE1, 0xFE  # markers of JPEG
_LARGEST = 20.0  # of the ratio and its inverse; more is a mistake
_SQUARE = 0.01  # by which densities differ that were rounded
_MAX_CHUNKS = 1 << 10


def still_aspect(coded: bytes | bytearray, shape: tuple[int, ...]) -> float:
    """Return the width of a pixel over its height as the decoded picture of `shape` is shown; 1 where nothing is stated."""
    try:
        aspect, exif = _stated(coded)
    except (struct.error, IndexError):
        return 1.0
    if not 1 / _LARGEST <= aspect <= _LARGEST or abs(aspect - 1) <= _SQUARE:
        return 1.0
    return 1 / aspect if _is_transposed(coded, exif, shape) else aspect


def density_aspect(across: float, down: float) -> float:
    """Return the width of a pixel over its height, given the pixels per length; 1 where one is missing."""
    return down / across if across > 0 and down > 0 else 1.0


def _stated(data: bytes | bytearray) -> tuple[float, ExifValues]:
    if data.startswith(_PNG):
        return _of_png(data)
    if data.startswith(b"\xff\xd8"):
        return _of_jpeg(data)
    if data.startswith(b"BM") and struct.unpack_from("<I", data, 14)[0] >= 40:
        return density_aspect(*struct.unpack_from("<ii", data, _BMP_DENSITIES)), ExifValues()
    if data.startswith(b"RIFF"):
        chunks = _chunks(data, 12, "<4sI", 8)
        found = exif_values(next((data[at : at + size] for kind, at, size in chunks if kind == b"EXIF"), b""))
        return found.pixel_aspect, found
    found = exif_values(data)
    return found.pixel_aspect, found


def _of_png(data: bytes | bytearray) -> tuple[float, ExifValues]:
    """Read the pHYs chunk, and EXIF where there is none."""
    densities, exif, is_by_ffmpeg = None, ExifValues(), False
    for kind, at, size in _chunks(data, len(_PNG), ">I4s", 12):
        if kind == b"pHYs":
            densities = struct.unpack_from(">IIB", data, at)
        if kind == b"eXIf":
            exif = exif_values(data[at : at + size])
        if kind == b"IDAT":
            is_by_ffmpeg = size == _FFMPEG_PIECE
            break
    if densities is None:
        return exif.pixel_aspect, exif
    across, down, unit = densities
    return density_aspect(down, across) if is_by_ffmpeg and not unit else density_aspect(across, down), exif


def _of_jpeg(data: bytes | bytearray) -> tuple[float, ExifValues]:
    """Read the densities of JFIF, and EXIF where there are none: equal ones without a unit are what writers put for nothing."""
    densities, exif, is_by_ffmpeg = None, ExifValues(), False
    for part in jpeg_segments(data):
        content = data[part.begin : part.end]
        if part.marker == SCAN:
            break
        if part.marker == _APP0 and content.startswith(b"JFIF\0"):
            densities = densities or struct.unpack_from(">BHH", content, 7)
        if part.marker == _APP1 and content.startswith(b"Exif\0\0"):
            exif = exif_values(content)
        is_by_ffmpeg = is_by_ffmpeg or (part.marker == _COMMENT and content.startswith(b"Lavc"))
    if densities is None or (densities[0] == 0 and densities[1] == densities[2]):
        return exif.pixel_aspect, exif
    unit, across, down = densities
    return density_aspect(down, across) if is_by_ffmpeg and not unit else density_aspect(across, down), exif


def _is_transposed(data: bytes | bytearray, exif: ExifValues, shape: tuple[int, ...]) -> bool:
    """Return whether rows and columns changed places when the picture was decoded, as EXIF's Orientation asks for it."""
    size = picture_size(data)
    if size is None or size[0] == size[1]:
        return upright_of_exif(exif.orientation).is_transposed
    return tuple(shape[:2]) == size[::-1]


def _chunks(data: bytes | bytearray, at: int, head: str, around: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name, the place and the size of the content of each chunk. around: bytes of a chunk beside its content."""
    for _ in range(_MAX_CHUNKS):
        if len(data) < at + 8:
            return
        one, other = struct.unpack_from(head, data, at)
        kind, size = (one, other) if isinstance(one, bytes) else (other, one)
        yield kind, at + 8, size
        at += around + size + (size % 2 if around == 8 else 0)

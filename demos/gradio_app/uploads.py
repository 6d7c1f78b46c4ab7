"""Files from visitors: what they are is read from their content, and their names are forgotten."""

import shutil
from pathlib import Path

import av
from av.error import FFmpegError

from rtseg.errors import SourceError

MOST_BYTES = 512 << 20
MOST_PIXELS = 4096 * 4096  # of a picture: a small file may unfold into gigabytes

_HEAD = 132  # bytes: DICOM's mark is the farthest
_MARKS: tuple[tuple[str, int, bytes], ...] = (  # suffix, place, mark
    (".png", 0, b"\x89PNG\r\n\x1a\n"),
    (".jpg", 0, b"\xff\xd8\xff"),
    (".mkv", 0, b"\x1a\x45\xdf\xa3"),
    (".dcm", 128, b"DICM"),
    (".avi", 8, b"AVI "),
    (".mp4", 4, b"ftyp"),
    (".mov", 4, b"moov"),
    (".mov", 4, b"mdat"),
    (".mov", 4, b"wide"),
)
KINDS = "MP4, MOV, MKV, WebM, AVI, DICOM, PNG or JPEG"


class UploadRefused(SourceError):
    """A file from outside is not what this page takes."""


def take_in(path: Path, folder: Path) -> Path:
    """Move an upload into a visitor's folder, under a name of ours. Raises UploadRefused; the upload is gone in any case."""
    try:
        suffix = kind_of(path)
        if path.stat().st_size > MOST_BYTES:
            raise UploadRefused(f"the file is larger than {MOST_BYTES >> 20} MB: cut it first")
        _check_size(path, suffix)
        kept = folder / f"upload{suffix}"
        shutil.move(path, kept)
    finally:
        path.unlink(missing_ok=True)
    return kept


def kind_of(path: Path) -> str:
    """The suffix that a file's content deserves. Raises UploadRefused."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    for suffix, place, mark in _MARKS:
        if head[place : place + len(mark)] == mark:
            return suffix
    raise UploadRefused(f"this file is none that the page takes: upload {KINDS}")


def _check_size(path: Path, suffix: str) -> None:
    """Refuse pictures that are too large to be unfolded, before anybody does."""
    if suffix == ".dcm":
        return  # its reader checks
    try:
        height, width = _still_size(path) if suffix in (".png", ".jpg") else _video_size(path)
    except (FFmpegError, ValueError, IndexError) as error:
        raise UploadRefused(f"the file cannot be read ({error}): save or convert it again") from error
    if not 0 < height * width <= MOST_PIXELS:
        raise UploadRefused(f"its pictures of {width}x{height} pixels are too large for this page: make them smaller")


def _video_size(path: Path) -> tuple[int, int]:
    """Height and width, as the container tells."""
    with av.open(str(path), metadata_errors="replace") as container:
        codec = container.streams.video[0].codec_context
        return codec.height, codec.width


def _still_size(path: Path) -> tuple[int, int]:
    """Height and width from the head of a PNG or a JPEG. Raises ValueError."""
    coded = path.read_bytes()
    if coded.startswith(b"\x89PNG"):
        return int.from_bytes(coded[20:24], "big"), int.from_bytes(coded[16:20], "big")
    at = 2
    while at + 9 <= len(coded) and coded[at] == 0xFF:
        marker, length = coded[at + 1], int.from_bytes(coded[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a frame's header (ITU-T T.81, B.2.2)
            return int.from_bytes(coded[at + 5 : at + 7], "big"), int.from_bytes(coded[at + 7 : at + 9], "big")
        at += 2 + length if marker != 0xFF else 1
    raise ValueError("it has no frame header")

"""Receive and check visitors' uploads: the type is detected by content, and the file's name is discarded."""

import os
import secrets
import shutil
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import av
from anyio import CapacityLimiter, to_thread
from av.error import FFmpegError

from rtseg.errors import SourceError
from rtseg.sources.pixels.picture_size import picture_size

MAX_UPLOAD_BYTES = 512 << 20
UPLOAD_TIMEOUT_S = 10.0  # a body that is waited for this long is dropped; each `MIN_UPLOAD_BYTES` of an upload restart the time
MIN_UPLOAD_BYTES = 1 << 15
MIN_FREE_BYTES = 1 << 30  # bytes of the disk that uploads must leave free
MAX_STILL_BYTES = 64 << 20
MAX_PIXELS = 4096 * 4096  # per image: a small file can decompress to gigabytes

_FLAGS = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
_HEAD = 132  # bytes: DICOM's signature has the largest offset
_SIGNATURES: tuple[tuple[str, int, bytes], ...] = (  # suffix, offset, signature
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


_FORMATS = {".mkv": "matroska", ".avi": "avi", ".mp4": "mov", ".mov": "mov"}  # FFmpeg's; playlists would open other files


class UploadRefused(SourceError):
    """Signals that an upload is not a file that the page accepts."""


async def receive_upload(
    chunks: AsyncIterator[bytes], folder: Path, allowed: Callable[[int], bool], limiter: CapacityLimiter
) -> Path:
    """Write an upload into a visitor's folder (mode 0600), check it, and return its path.

    allowed: returns whether that many bytes may be stored. limiter: of the writing threads. Raises UploadRefused, OSError.
    """
    path = folder / f"incoming-{secrets.token_hex(8)}"
    try:
        await _write(chunks, path, allowed, limiter)
        return await to_thread.run_sync(accept_upload, path, folder, limiter=limiter)
    finally:
        path.unlink(missing_ok=True)


async def _write(chunks: AsyncIterator[bytes], path: Path, allowed: Callable[[int], bool], limiter: CapacityLimiter) -> None:
    written = 0
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600)
    with os.fdopen(file, "wb", buffering=0) as out:
        async for chunk in chunks:
            written += len(chunk)
            if written > MAX_UPLOAD_BYTES or not allowed(written):
                raise UploadRefused(
                    f"the file is larger than {MAX_UPLOAD_BYTES >> 20} MB, or than what is left for you: cut it first"
                )
            await to_thread.run_sync(out.write, chunk, limiter=limiter)


def has_disk_space(folder: Path) -> bool:
    """Return whether the disk of a folder has space for one more upload."""
    return shutil.disk_usage(folder).free > MIN_FREE_BYTES + MAX_UPLOAD_BYTES


def accept_upload(path: Path, folder: Path) -> Path:
    """Check an upload and rename it inside a visitor's folder; it replaces the previous one. Returns the new path.

    Raises UploadRefused and then deletes the upload; a path that is not a regular file inside `folder` stays untouched.
    """
    head = _head_of(path, folder)
    incoming = path
    try:
        suffix = detect_suffix(head)
        incoming = path.rename(folder / f"incoming-{secrets.token_hex(8)}{suffix}")
        _check_size(incoming, suffix)
        for former in folder.glob("upload.*"):
            former.unlink()
        kept = incoming.rename(folder / f"upload{suffix}")
    finally:
        incoming.unlink(missing_ok=True)
    return kept


def _head_of(path: Path, folder: Path) -> bytes:
    """Return the first bytes of a regular file of this user inside a folder. Raises UploadRefused for anything else."""
    refused = UploadRefused("this is no upload of this page: choose a file")
    try:
        if not path.parent.resolve().is_relative_to(folder.resolve()):
            raise refused
        file = os.open(path, os.O_RDONLY | _FLAGS)
    except (OSError, ValueError) as error:
        raise refused from error
    try:
        told = os.fstat(file)
        if not stat.S_ISREG(told.st_mode) or told.st_nlink != 1 or told.st_uid != folder.stat().st_uid:
            raise refused
        if told.st_size > MAX_UPLOAD_BYTES:
            path.unlink()
            raise UploadRefused(f"the file is larger than {MAX_UPLOAD_BYTES >> 20} MB: cut it first")
        return os.read(file, _HEAD)
    finally:
        os.close(file)


def detect_suffix(head: bytes) -> str:
    """Return the suffix for a file type, detected by the first bytes of a file. Raises UploadRefused."""
    for suffix, place, mark in _SIGNATURES:
        if head[place : place + len(mark)] == mark and (suffix != ".avi" or head.startswith(b"RIFF")):
            return suffix
    raise UploadRefused(f"this file is none that the page takes: upload {KINDS}")


def _check_size(path: Path, suffix: str) -> None:
    """Raise UploadRefused for images that are too large to decode, before any of them is decoded."""
    if suffix == ".dcm":
        return  # checked by the DICOM reader
    try:
        height, width = _still_size(path) if suffix in (".png", ".jpg") else _video_size(path, _FORMATS[suffix])
    except (FFmpegError, ValueError, IndexError) as error:
        raise UploadRefused(f"the file cannot be read ({error}): save or convert it again") from error
    if not 0 < height * width <= MAX_PIXELS:
        raise UploadRefused(f"its pictures of {width}x{height} pixels are too large for this page: make them smaller")


def _video_size(path: Path, form: str) -> tuple[int, int]:
    """Return the height and width declared by a video container; a container of another format is not opened."""
    limits = {"format_whitelist": form, "protocol_whitelist": "file"}
    with av.open(f"file:{path}", options=limits, metadata_errors="replace") as container:
        codec = container.streams.video[0].codec_context
        return codec.height, codec.width


def _still_size(path: Path) -> tuple[int, int]:
    """Return the height and width declared by an image's header, in time linear in its bytes. Raises ValueError."""
    if path.stat().st_size > MAX_STILL_BYTES:
        raise ValueError(f"a picture has at most {MAX_STILL_BYTES >> 20} MB")
    size = picture_size(path.read_bytes())
    if size is None:
        raise ValueError("it has no frame header")
    return size

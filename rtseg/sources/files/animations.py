"""Reads the number and the durations of the pictures of an animated PNG or WebP from its chunks, without decoding them."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from mmap import mmap
from typing import TypeAlias

from rtseg.sources.pixels.exif import exif_values

Coded: TypeAlias = bytes | bytearray | mmap

_PNG = b"\x89PNG\r\n\x1a\n"
UNSTATED_S = 0.1  # for which a picture with a duration of 0 is shown beside others with one, as browsers do
_MAX_CHUNKS = 1 << 20
_ANIMATED = 2  # bit of WebP's VP8X chunk
_MAX_EXIF = 1 << 16  # bytes


@dataclass(frozen=True, slots=True)
class Animation:
    """Describes an animation as its file declares it."""

    pictures: int = 0
    """Number of pictures; 0 for a file that is no animation."""
    durations_s: list[float] = field(default_factory=list)
    """Seconds that each picture is shown, as far as the file is whole."""
    orientation: int = 1
    """EXIF's Orientation of all its pictures."""

    @property
    def fps(self) -> float | None:
        """Return the mean rate up to the last picture; None where there are no durations."""
        between = self.durations_s[:-1]
        return len(between) / sum(between) if sum(between) > 0 else None


def read_animation(coded: Coded) -> Animation:
    """Return what a PNG or WebP file declares of its animation; no picture for any other file."""
    if coded[: len(_PNG)] == _PNG:
        return _png(coded)
    if coded[:4] == b"RIFF" and coded[8:16] == b"WEBPVP8X" and len(coded) > 20 and coded[20] & _ANIMATED:
        return _webp(coded)
    return Animation()


def _png(coded: Coded) -> Animation:
    """Read the acTL chunk, which stands in front of the first picture, and the fcTL chunk of each picture."""
    pictures, durations, orientation = 0, list[float](), 1
    for kind, at in _chunks(coded, len(_PNG), ">I4s", 12):
        if kind == b"acTL":
            (pictures,) = struct.unpack_from(">I", coded, at)
        if kind == b"fcTL" and pictures and len(coded) >= at + 24:
            number, unit = struct.unpack_from(">HH", coded, at + 20)
            durations.append(number / (unit or 100))
        if kind == b"eXIf":
            orientation = exif_values(coded[at : at + _MAX_EXIF]).orientation
        if kind == b"IEND" or (kind == b"IDAT" and not pictures):
            break
    return Animation(pictures, durations, orientation)


def _webp(coded: Coded) -> Animation:
    """Read the head of each ANMF chunk."""
    chunks = list(_chunks(coded, 12, "<4sI", 8))
    frames = [at for kind, at in chunks if kind == b"ANMF"]
    exif = next((coded[at : at + _MAX_EXIF] for kind, at in chunks if kind == b"EXIF"), b"")
    durations = [int.from_bytes(coded[at + 12 : at + 15], "little") / 1000 for at in frames]
    if any(durations):
        durations = [one or UNSTATED_S for one in durations]
    return Animation(len(frames), durations, exif_values(exif).orientation)


def _chunks(coded: Coded, at: int, head: str, around: int) -> Iterator[tuple[bytes, int]]:
    """Yield the name of each chunk and the place of its content. around: bytes of a chunk beside its content."""
    for _ in range(_MAX_CHUNKS):
        if len(coded) < at + 12:
            return
        one, other = struct.unpack_from(head, coded, at)
        kind, size = (one, other) if isinstance(one, bytes) else (other, one)
        yield kind, at + 8
        at += around + size + (size % 2 if around == 8 else 0)

"""Compares the clusters of a Matroska file with their checksums (RFC 8794, 11.3.1), which FFmpeg writes and does not read.

Decoders show flipped bits of HEVC, VP9 and AV1 without a word. WebM has no checksums.
"""

import zlib
from pathlib import Path
from typing import Any, BinaryIO

from av import Packet

from rtseg.sources.files.matroska_holes import element_header
from rtseg.sources.pixels.zeroed_data import has_zeroed_part

_SEGMENT, _CLUSTER, _SIMPLE_BLOCK, _GROUP, _BLOCK = b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75", b"\xa3", b"\xa0", b"\xa1"
_CHECKSUM = b"\xbf\x84"
_MATROSKA = b"\x1a\x45\xdf\xa3"
_MAX_CLUSTER = 1 << 28  # bytes that are read at once
_HEADER_BYTES = 12


class MatroskaChecksums:
    """Tells which packets stand in a cluster whose checksum is wrong, without a hole that would explain it.

    path: of any file; one of another kind has no checksums. codec, setup: as for `has_zeroed_part`.
    """

    def __init__(self, path: Path, codec: str, setup: bytes) -> None:
        self._path, self._codec, self._setup = path, codec, setup
        self._begin, self._end, self._is_wrong = 0, 0, False  # of the newest cluster
        self._is_over = False  # whether the file holds nothing to compare from here on

    def is_doubtful(self, packet: "Packet[Any]") -> bool:
        """Return whether a packet may hold flipped bits: it stands in a cluster with a wrong checksum."""
        if packet.pos is None or packet.pos <= 0 or packet.pos < self._begin:
            return False
        if packet.pos >= self._end and not self._is_over:
            try:
                with self._path.open("rb") as file:
                    self._is_over = not self._go_to(file, packet.pos)
            except OSError:
                self._is_over = True
        return self._is_wrong and packet.pos < self._end

    def _go_to(self, file: BinaryIO, place: int) -> bool:
        """Walk to the cluster around a place; return false where there is none with a known size."""
        self._is_wrong, at = False, self._end
        if not at and file.read(4) != _MATROSKA:
            return False
        while at <= place:
            file.seek(at)
            name, begin, size = element_header(file.read(_HEADER_BYTES))
            if not name:
                return False
            if name == _SEGMENT:
                at += begin
                continue
            if size is None:
                return False
            self._begin, self._end, at = at, at + begin + size, at + begin + size
            if name == _CLUSTER and at > place:
                file.seek(self._begin + begin)
                self._is_wrong = size <= _MAX_CLUSTER and self._has_flipped_bits(file.read(size))
        return True

    def _has_flipped_bits(self, content: bytes) -> bool:
        """Return whether a cluster contradicts its checksum, and neither its structure nor zeros show where."""
        if content[:2] != _CHECKSUM or zlib.crc32(memoryview(content)[6:]) == int.from_bytes(content[2:6], "little"):
            return False
        at = 6
        while at < len(content):
            name, begin, size = element_header(content[at : at + _HEADER_BYTES])
            if not name or size is None or at + begin + size > len(content):
                return False
            if name in (_SIMPLE_BLOCK, _BLOCK) and has_zeroed_part(
                content[at + begin + 4 : at + begin + size], self._codec, self._setup
            ):
                return False
            at += begin + (0 if name == _GROUP else size)
        return True

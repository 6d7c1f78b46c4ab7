"""Reading what zlib or gzip packed, no more of it at a time than is asked for."""

import zlib
from typing import BinaryIO

_CHUNK = 1 << 16
_ANY_HEADER = 47  # zlib's own word for "a zlib or a gzip header, whichever comes"


class Inflating:
    """The unpacked bytes of `file` from where it stands: memory stays that of one read, whatever the file promises.

    has_header: false for the bare deflate stream of DICOM.
    """

    def __init__(self, file: BinaryIO, *, has_header: bool = True) -> None:
        self._file = file
        self._zlib = zlib.decompressobj(_ANY_HEADER if has_header else -zlib.MAX_WBITS)

    def read(self, size: int) -> bytes:
        """The next `size` bytes, fewer only where the stream ends. Raises zlib.error where it is broken."""
        unpacked = bytearray()
        while len(unpacked) < size and not self._zlib.eof:
            packed = self._zlib.unconsumed_tail or self._file.read(_CHUNK)
            unpacked += self._zlib.decompress(packed, size - len(unpacked)) if packed else self._zlib.flush()
            if not packed:
                break
        return bytes(unpacked)

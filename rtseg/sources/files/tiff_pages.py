"""Finds the pages of a TIFF file that are pictures of a stack, without decoding them."""

import struct
from dataclasses import dataclass

from rtseg.sources.files.animations import Coded

_SUBFILE, _OLD_SUBFILE, _WIDTH, _HEIGHT = 254, 255, 256, 257
_REDUCED, _MASK = 1, 4  # bits of tag 254
_OLD_REDUCED = 2  # value of tag 255
_NUMBERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}  # by type
_MAX_PAGES, _MAX_ENTRIES = 1 << 16, 4096


@dataclass(frozen=True, slots=True)
class TiffStack:
    """Holds the places of a file's pages."""

    pages: tuple[int, ...]
    """Offsets of the directories that describe a full picture."""
    problem: str = ""
    """What is wrong with the chain of pages, or ""."""
    is_big: bool = False
    """Whether it is BigTIFF."""
    order: str = "<"
    """Byte order, as for `struct`."""

    def make_first(self, coded: bytearray, page: int) -> None:
        """Change the file's header so that the page at this offset is its first picture."""
        struct.pack_into(self.order + ("Q" if self.is_big else "I"), coded, 8 if self.is_big else 4, page)


def tiff_stack(coded: Coded) -> TiffStack | None:
    """Return the pages of a TIFF file, without previews of less resolution and masks of transparency; None for no TIFF."""
    if coded[:4] not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return None
    order, is_big = "<" if coded[:1] == b"I" else ">", coded[2:4] in (b"+\0", b"\0+")
    pages, seen, problem = list[int](), set[int](), ""
    try:
        (at,) = struct.unpack_from(order + ("Q" if is_big else "I"), coded, 8 if is_big else 4)
        while at and not problem:
            if at in seen or len(seen) >= _MAX_PAGES:
                problem = "its chain of pages has no end"
                break
            seen.add(at)
            tags, following = _directory(coded, at, order, is_big=is_big)
            if not tags.get(_SUBFILE, 0) & (_REDUCED | _MASK) and tags.get(_OLD_SUBFILE) != _OLD_REDUCED:
                pages.append(at)
            at = following
    except struct.error:
        problem = "it is cut off"
    return TiffStack(tuple(pages), problem, is_big, order)


def _directory(coded: Coded, at: int, order: str, *, is_big: bool) -> tuple[dict[int, int], int]:
    """Return the single numbers of a directory by tag, and the place of the next directory. Raises struct.error."""
    count, word, entry_bytes, value_at = ("Q", "Q", 20, 12) if is_big else ("H", "I", 12, 8)
    (entries,) = struct.unpack_from(order + count, coded, at)
    first = at + struct.calcsize(order + count)
    if entries > _MAX_ENTRIES:
        raise struct.error("too many entries")
    tags = dict[int, int]()
    for entry in range(first, first + entries * entry_bytes, entry_bytes):
        tag, kind = struct.unpack_from(f"{order}HH", coded, entry)
        if kind in _NUMBERS and tag in (_SUBFILE, _OLD_SUBFILE, _WIDTH, _HEIGHT):
            tags[tag] = struct.unpack_from(order + _NUMBERS[kind], coded, entry + value_at)[0]
    (following,) = struct.unpack_from(order + word, coded, first + entries * entry_bytes)
    return tags, following

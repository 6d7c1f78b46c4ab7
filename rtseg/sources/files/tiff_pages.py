"""Finds the pages of a TIFF file that are pictures of a stack, without decoding them."""

import re
import struct
from dataclasses import dataclass
from typing import NamedTuple

from rtseg.sources.files.animations import Coded

_SUBFILE, _OLD_SUBFILE, _COMPRESSION, _DESCRIPTION = 254, 255, 259, 270
_STRIPS, _STRIP_BYTES, _SUB_PAGES = 273, 279, 330
_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT = 256, 257, 322, 323
_BITS, _PHOTOMETRIC, _SAMPLES, _PLANAR, _EXTRA = 258, 262, 277, 284, 338
_WHITE_IS_ZERO, _IN_PLANES, _UNASSOCIATED = 0, 2, 2  # values of tags 262, 284 and 338
_PLAIN = 1  # value of tag 259
_OTHER_COLORS = {  # values of tag 262
    8: "CIE L*a*b* colors",
    9: "ICC L*a*b* colors",
    10: "ITU L*a*b* colors",
    32803: "raw values of a camera's color filters",
    32844: "logarithmic levels",
    32845: "logarithmic colors",
    34892: "linear raw values of a camera",
}
_RARE_CODINGS = {  # values of tag 259
    34712: "JPEG 2000",
    34887: "LERC",
    34892: "lossy JPEG of DNG",
    34925: "LZMA",
    50000: "Zstandard",
    50001: "WebP",
    50002: "JPEG XL",
}
_USUAL_BITS, _MOST_SAMPLES = frozenset({1, 8, 10, 12, 14, 16, 32, 64}), 4
_IMAGEJ = re.compile(rb"ImageJ=.*?\nimages=(\d{1,9})\s", re.DOTALL)  # of a stack with one page for all its pictures
_REDUCED, _MASK = 1, 4  # bits of tag 254
_OLD_REDUCED = 2  # value of tag 255
_NUMBERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}  # by type
_READ = frozenset({_SUBFILE, _OLD_SUBFILE, _COMPRESSION, _STRIPS, _STRIP_BYTES, _PHOTOMETRIC, _SAMPLES, _PLANAR})
_READ |= {_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT}
_SHORT = 3  # a type
_MAX_PAGES, _MAX_ENTRIES, _LONGEST_TEXT = 1 << 16, 4096, 4096


class TiffPage(NamedTuple):
    """Says where a picture is described, and where its pixels are."""

    directory: int
    """Offset of the directory."""
    is_inverted: bool = False
    """Whether its values of more than 8 bits are white at 0, which OpenCV does not apply."""
    refusal: str = ""
    """What OpenCV would show in the wrong way, or ""."""
    transparency: int = 0
    """Offset of the number by which OpenCV would darken what is transparent; 0 where there is none."""
    strip_field: int = 0
    """Offset of the number that says where the pixels are; 0 where the directory is right."""
    strip: int = 0
    """What that number has to be."""
    size_field: int = 0
    """Offset of the number that says how many bytes the pixels have; 0 where the directory is right."""
    size: int = 0
    """What that number has to be."""
    tile: str = ""
    """Width and height of the tiles in which the pixels are stored, or ""."""
    rare: str = ""
    """What few decoders read, or ""."""


@dataclass(frozen=True, slots=True)
class TiffStack:
    """Holds the places of a file's pages."""

    pages: tuple[TiffPage, ...]
    """Those of full pictures."""
    problem: str = ""
    """What is wrong with the chain of pages, or ""."""
    is_big: bool = False
    """Whether it is BigTIFF."""
    order: str = "<"
    """Byte order, as for `struct`."""

    def make_first(self, coded: bytearray, page: TiffPage) -> None:
        """Change the file's header so that a page is its first picture."""
        struct.pack_into(self.order + ("Q" if self.is_big else "I"), coded, 8 if self.is_big else 4, page.directory)
        if page.transparency:
            struct.pack_into(f"{self.order}H", coded, page.transparency, 0)
        if page.strip_field:
            struct.pack_into(f"{self.order}I", coded, page.strip_field, page.strip)
        if page.size_field:
            struct.pack_into(f"{self.order}I", coded, page.size_field, page.size)


def tiff_stack(coded: Coded) -> TiffStack | None:
    """Return the pages of a TIFF file, without previews of less resolution and masks of transparency; None for no TIFF."""
    if coded[:4] not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return None
    order, is_big = "<" if coded[:1] == b"I" else ">", coded[2:4] in (b"+\0", b"\0+")
    pages, previews, seen, problem = list[_Directory](), list[_Directory](), set[int](), ""
    try:
        (at,) = struct.unpack_from(order + ("Q" if is_big else "I"), coded, 8 if is_big else 4)
        while at and not problem:
            if at in seen or len(seen) >= _MAX_PAGES:
                problem = "its chain of pages has no end"
                break
            seen.add(at)
            page = _Directory(coded, at, order, is_big=is_big)
            (pages if page.is_full else previews).append(page)
            at = page.following
        if not pages:
            inner = [_Directory(coded, at, order, is_big=is_big) for page in previews for at in page.sub_pages]
            pages = [page for page in inner if page.is_full]
    except struct.error:
        problem = "it is cut off"
    found = [page.as_page for page in pages]
    if len(pages) == 1 and not is_big:
        found, problem = _repeated(pages[0], len(coded), found, problem)
    return TiffStack(tuple(found), problem, is_big, order)


def _repeated(page: "_Directory", length: int, found: list[TiffPage], problem: str) -> tuple[list[TiffPage], str]:
    """Return the pictures of a stack of ImageJ that describes its first one only; the others follow it."""
    told = _IMAGEJ.match(page.description)
    count, size = int(told[1]) if told else 1, page.tags.get(_STRIP_BYTES, 0)
    if count < 2:
        return found, problem
    first, field = page.tags.get(_STRIPS, 0), page.places.get(_STRIPS, 0)
    if page.tags.get(_COMPRESSION, _PLAIN) != _PLAIN or not (first and field and size):
        return (
            found,
            f"it tells of {count} pictures, of which only the first is described, so that ImageJ alone can save them as PNG",
        )
    size_field = page.places.get(_STRIP_BYTES, 0) if size == count * page.pixel_bytes else 0  # the strip holds all of them
    size = page.pixel_bytes if size_field else size
    there = min(count, (length - first) // size)
    missing = "" if there == count else f"it tells of {count} pictures, the rest of which is missing"
    one = found[0]._replace(strip_field=field, size_field=size_field, size=size)
    return [one._replace(strip=first + number * size) for number in range(there)], problem or missing


class _Directory:
    """Holds what the directory at one place of a file says. Raises struct.error."""

    def __init__(self, coded: Coded, at: int, order: str, *, is_big: bool) -> None:
        count, word, entry_bytes, value_at = ("Q", "Q", 20, 12) if is_big else ("H", "I", 12, 8)
        (entries,) = struct.unpack_from(order + count, coded, at)
        first = at + struct.calcsize(order + count)
        if entries > _MAX_ENTRIES:
            raise struct.error("too many entries")
        self.at, self.description = at, b""
        self.tags = dict[int, int]()
        """Single numbers by tag."""
        self.places = dict[int, int]()
        """Where those of 32 bits stand."""
        self.transparency = 0
        """Offset of the kind of the fourth sample where that is a transparency apart from the colors; 0 elsewhere."""
        self.bits = 1
        """Of a sample."""
        self.sub_pages: tuple[int, ...] = ()
        """Offsets of the directories under this one."""
        for entry in range(first, first + entries * entry_bytes, entry_bytes):
            tag, kind, number = struct.unpack_from(f"{order}HH{word}", coded, entry)
            size = struct.calcsize(_NUMBERS.get(kind, "B")) * number
            place = entry + value_at
            if size > struct.calcsize(word):
                (place,) = struct.unpack_from(order + word, coded, place)
            if tag == _DESCRIPTION:
                self.description = bytes(coded[place : place + min(number, _LONGEST_TEXT)])
            elif tag == _SUB_PAGES and kind in _NUMBERS and number <= _MAX_ENTRIES:
                self.sub_pages = struct.unpack_from(f"{order}{number}{_NUMBERS[kind]}", coded, place)
            if tag == _EXTRA and kind == _SHORT and number == 1:
                (extra,) = struct.unpack_from(f"{order}H", coded, place)
                self.transparency = place if extra == _UNASSOCIATED else 0
            if tag == _BITS and kind == _SHORT and number:
                (self.bits,) = struct.unpack_from(f"{order}H", coded, place)
            if kind in _NUMBERS and number == 1 and tag in _READ:
                self.tags[tag] = struct.unpack_from(order + _NUMBERS[kind], coded, place)[0]
                self.places[tag] = place if _NUMBERS[kind] == "I" else 0
        (self.following,) = struct.unpack_from(order + word, coded, first + entries * entry_bytes)

    @property
    def pixel_bytes(self) -> int:
        """Return the bytes of the plain pixels."""
        return self.tags.get(_WIDTH, 0) * self.tags.get(_HEIGHT, 0) * self.tags.get(_SAMPLES, 1) * self.bits // 8

    @property
    def tile(self) -> str:
        """Return width and height of the tiles, "" where there are none."""
        return f"{self.tags[_TILE_WIDTH]}x{self.tags.get(_TILE_HEIGHT, 0)}" if _TILE_WIDTH in self.tags else ""

    @property
    def as_page(self) -> TiffPage:
        """Return what is known of the page's pixels."""
        return TiffPage(self.at, self.is_inverted, self.refusal, self.transparency, tile=self.tile, rare=self.rare)

    @property
    def rare(self) -> str:
        """Return what OpenCV does not read, or ""."""
        if coding := _RARE_CODINGS.get(self.tags.get(_COMPRESSION, _PLAIN)):
            return f"is compressed by {coding}"
        if (samples := self.tags.get(_SAMPLES, 1)) > _MOST_SAMPLES:
            return f"has {samples} samples a pixel"
        return "" if self.bits in _USUAL_BITS else f"has samples of {self.bits} bits"

    @property
    def is_inverted(self) -> bool:
        """Return whether white is 0 in values of more than 8 bits."""
        return self.tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO and self.bits > 8

    @property
    def refusal(self) -> str:
        """Return what OpenCV shows in the wrong way, or ""."""
        if self.tags.get(_PLANAR) == _IN_PLANES and self.tags.get(_SAMPLES, 1) > 1 and self.bits > 8:
            return "has colors of 16 bits in separate planes: save it with its colors side by side, or as PNG"
        if colors := _OTHER_COLORS.get(self.tags.get(_PHOTOMETRIC, 0)):
            return f"has {colors}, which are shown a few levels off at best: save it in RGB or gray"
        return ""

    @property
    def is_full(self) -> bool:
        """Return whether it describes a picture that is no preview and no mask."""
        return not self.tags.get(_SUBFILE, 0) & (_REDUCED | _MASK) and self.tags.get(_OLD_SUBFILE) != _OLD_REDUCED

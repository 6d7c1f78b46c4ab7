"""A sector over time: found in a few frames, kept, and found anew where the picture no longer fills it."""

from typing import Protocol

from rtseg.errors import ConfigError
from rtseg.frame import Frame, Image
from rtseg.kernels.network.fit import Box
from rtseg.session.sector.edges_to_sector import find
from rtseg.session.sector.evidence import Evidence
from rtseg.session.sector.layout_watch import Watch
from rtseg.session.sector.shape import Kind, Sector, Size, boxed, unknown, whole

_LOOKS = (1, 2, 4, 8, 12)  # after so many frames of a search the evidence is looked at; the last look ends it
_SAME = 0.97  # overlap of two looks that confirm each other, and of a sector that is not worth a change
_CLEARER = 0.05  # more confidence than before: the last look of a search needs no second one to confirm it
_REST = 16  # frames; twice as many after each search in vain: a lifted probe looks like a changed layout, and stays away
_LONG_REST = 256  # at the most, and where all is well, but there is no rim to watch


class Locator(Protocol):
    """Says where the sector is, frame by frame."""

    def observe(self, frame: Frame) -> tuple[Sector, str]:
        """The sector of the next frame, and in words why the screen is another one than before.

        Nothing is said where the screen is the same, and its sector perhaps better known.
        """

    def forget(self) -> None:
        """Take the next frame for the first one."""


class SectorFinder:
    """Finds the sector of a stream, from its first frame on, and notices when layout or depth change.

    The first look decides at once, so that a still has a sector too; later looks, with the motion of more frames, replace it
    only where two of them agree. Until the first search ends, a stream in which none was found yet is UNKNOWN, and a sector
    that is replaced is no change of the screen.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Take the next frame for the first one."""
        self._sector = unknown((0, 0))
        self._search: Search | None = None
        self._watch: Watch | None = None
        self._rest = self._in_vain = 0
        self._opening = True  # the first search goes on

    def observe(self, frame: Frame) -> tuple[Sector, str]:
        """The sector of the next frame, and in words why the screen is another one than before; nothing where it is not."""
        if self._sector.size != (frame.height, frame.width):
            self._begin(frame.image)
            return self._sector, ""
        before, opening = self._sector, self._opening
        self._rest -= 1
        if self._search is None and self._rest <= 0 and (self._watch is None or self._watch.is_suspicious(frame.image)):
            self._search = Search()
        if self._search:
            self._take(self._search.add(frame.image))
            if self._search.is_over:
                self._settle(self._search, frame.image)
        return self._sector, "" if opening else _change(before, self._sector)

    def _begin(self, image: Image) -> None:
        self.forget()
        self._sector = unknown((image.shape[0], image.shape[1]))
        self._search = Search()
        self._search.add(image)
        if self._search.last and not is_nothing(self._search.last):
            self._sector = self._search.last

    def _take(self, found: Sector | None) -> None:
        """Take what a search found for the sector, unless it is as good as the one that we have."""
        if found and found.kind is not Kind.WHOLE and found.overlap(self._sector) < _SAME:
            self._sector, self._watch = found, None

    def _settle(self, search: "Search", image: Image) -> None:
        """End a search: its last look has the most motion to go by, and the picture may have grown out of its sector."""
        if search.last and search.last.confidence > self._sector.confidence + _CLEARER:
            self._take(search.last)
        if search.last and (self._sector.kind in (Kind.UNKNOWN, Kind.WHOLE) or self._has_left(search.last, image)):
            self._sector, self._watch = search.last, None
        self._search, self._opening = None, False
        self._rest_after(search.last, image)

    def _rest_after(self, seen: Sector | None, image: Image) -> None:
        """Watch the sector from now on, and decide when the next search may begin: the more were in vain, the later."""
        agrees = seen is not None and not is_nothing(seen) and seen.overlap(self._sector) >= _SAME
        self._in_vain = 0 if agrees else self._in_vain + 1
        self._rest = min(_REST << min(self._in_vain, 8), _LONG_REST)
        if self._sector.kind is Kind.WHOLE:
            self._watch, self._rest = None, _LONG_REST if agrees else self._rest
        elif agrees or self._watch is None:
            self._watch, self._rest = Watch(self._sector, image), 0

    def _has_left(self, seen: Sector, image: Image) -> bool:
        """Whether ultrasound now fills the frame; where letters are lit too, it is a menu that came up, and stays hidden."""
        return seen.kind is Kind.WHOLE and not is_nothing(seen) and self._watch is not None and self._watch.has_spilled(image)


class Search:
    """A few frames, looked at when there are 1, 2, 4, 8 and 12. last: what the last look saw."""

    def __init__(self) -> None:
        self._evidence: Evidence | None = None
        self.last: Sector | None = None

    @property
    def is_over(self) -> bool:
        """Whether the last look was taken."""
        return self._evidence is not None and self._evidence.frames >= _LOOKS[-1]

    def add(self, image: Image) -> Sector | None:
        """Take another frame; the sector, where this look and the one before agree on it."""
        if self._evidence is None:
            self._evidence = Evidence(image)
        else:
            self._evidence.add(image)
        if self._evidence.frames not in _LOOKS:
            return None
        before, self.last = self.last, find(self._evidence)
        return self.last if before and self.last.overlap(before) >= _SAME else None


def is_nothing(sector: Sector) -> bool:
    """Whether a sector is the whole frame only for want of a better one."""
    return sector.kind is Kind.UNKNOWN or (sector.kind is Kind.WHOLE and not sector.confidence)


def _change(before: Sector, after: Sector) -> str:
    """Why the memory of a stream starts afresh, in words; nothing while the box that the network sees stays."""
    if before.box == after.box:
        return ""
    return f"the sector changed from {before} to {after}: another depth, probe or layout"


class FixedSector:
    """The sector that a user named by its box: top, left, height, width."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._sector: Sector | None = None

    def observe(self, frame: Frame) -> tuple[Sector, str]:
        """The same box in every frame. Raises ConfigError where it does not lie in the frame."""
        size: Size = (frame.height, frame.width)
        if self._sector is None or self._sector.size != size:
            self._sector = boxed(self._box, size)
        return self._sector, ""

    def forget(self) -> None:
        """Nothing: the user's word holds for every stream."""


class WholeFrame:
    """No sector: the frame is taken as it is."""

    def observe(self, frame: Frame) -> tuple[Sector, str]:
        """The whole of every frame."""
        return whole((frame.height, frame.width)), ""

    def forget(self) -> None:
        """Nothing is remembered."""


def locator(text: str) -> Locator:
    """What `--sector` names: auto, off, or TOP,LEFT,HEIGHT,WIDTH in pixels. Raises ConfigError."""
    if text in ("auto", "off"):
        return SectorFinder() if text == "auto" else WholeFrame()
    numbers = text.split(",")
    if len(numbers) != 4 or not all(number.strip().isdecimal() for number in numbers):
        raise ConfigError(f"{text!r} is not a sector: give auto, off or TOP,LEFT,HEIGHT,WIDTH in pixels")
    top, left, height, width = (int(number) for number in numbers)
    return FixedSector((top, left, height, width))

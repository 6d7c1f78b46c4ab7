"""Track the sector over time: find it in a few frames, keep it, and search again when the image no longer fills it."""

from typing import Protocol

from rtseg.errors import ConfigError
from rtseg.frame import Frame, Image
from rtseg.kernels.network.fit import Box
from rtseg.session.cut_detector import CutDetector
from rtseg.session.sector.evidence import Evidence
from rtseg.session.sector.layout_watch import LayoutWatch
from rtseg.session.sector.screen_sector import locate_sector
from rtseg.session.sector.shape import Sector, SectorKind, Size, box_sector, unknown_sector, whole_sector

_SEARCH_FRAMES = (1, 2, 4, 7, 10)  # frames of a search after which the evidence is evaluated; the last one ends it
_SAME_OVERLAP = 0.97  # overlap at which two results confirm each other, and at which the present sector stays
_CONFIDENCE_GAIN = 0.05  # gain in confidence at which a search's last result needs no confirmation
_REST_FRAMES = 16  # frames between searches, doubled after each failure: a lifted probe looks like a changed layout, and lasts
_MAX_REST_FRAMES = 256  # most frames between searches; also used for a whole-frame sector, which has no rim to watch


class Locator(Protocol):
    """Finds the sector of a stream, frame by frame."""

    def observe(self, frame: Frame) -> tuple[Sector, str]:
        """Return the sector of the next frame, and the reason why the screen is another one than before.

        The reason is "" where the screen is the same, even if its sector is better known.
        """

    def forget(self) -> None:
        """Treat the next frame as the first one."""


class SectorFinder:
    """Finds the sector of a stream from its first frame on, and detects changes of layout or depth.

    The first result applies at once, so that a still image has a sector too. Later results, with the motion of more frames,
    replace it only where two of them agree. Until the first search ends, the sector is UNKNOWN while none is found, and a
    replaced sector is no change of the screen. At a cut a search begins again: two scenes show the sector of neither.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Treat the next frame as the first one."""
        self._sector = unknown_sector((0, 0))
        self._search: SectorSearch | None = None
        self._watch: LayoutWatch | None = None
        self._cuts = CutDetector()
        self._frames_to_search = self._failed_searches = 0
        self._is_first_search = True  # whether the first search is still running

    def observe(self, frame: Frame) -> tuple[Sector, str]:
        """Return the sector of the next frame, and the reason why the screen is another one than before, or ""."""
        if self._sector.size != (frame.height, frame.width):
            self._begin(frame.image)
            return self._sector, ""
        before, is_first_search = self._sector, self._is_first_search
        if self._cuts.observe(frame.image):
            if self._watch is None or self._watch.has_spilled(frame.image):
                self._begin(frame.image)
                return self._sector, _change_reason(before, self._sector)
            self._search = SectorSearch() if self._search else None  # the layout may be the same
        self._frames_to_search -= 1
        if self._must_begin_search(frame.image):
            self._search = SectorSearch()
        if self._search:
            self._accept(self._search.add(frame.image))
            if self._search.is_over:
                self._end_search(self._search, frame.image)
        return self._sector, "" if is_first_search else _change_reason(before, self._sector)

    def _must_begin_search(self, image: Image) -> bool:
        is_due = self._search is None and self._frames_to_search <= 0
        return is_due and (self._watch is None or self._watch.has_changed(image))

    def _begin(self, image: Image) -> None:
        self.forget()
        self._cuts.observe(image)
        self._sector = unknown_sector((image.shape[0], image.shape[1]))
        self._search = SectorSearch()
        self._search.add(image)
        if self._search.last and not is_fallback(self._search.last):
            self._sector = self._search.last

    def _accept(self, found: Sector | None) -> None:
        """Adopt the result of a search as the sector, unless the present one is nearly the same."""
        if found and found.kind is not SectorKind.WHOLE and found.overlap(self._sector) < _SAME_OVERLAP:
            self._sector, self._watch = found, None

    def _end_search(self, search: "SectorSearch", image: Image) -> None:
        """End a search with its last result, which rests on the most motion, and which may have outgrown the sector."""
        if self._is_first_search and search.last and is_fallback(search.last) and not search.is_confirmed:
            self._sector, self._watch = search.last, None  # what the first frames showed, more of them do not
        if search.last and (self._is_first_search or search.last.confidence > self._sector.confidence + _CONFIDENCE_GAIN):
            self._accept(search.last)
        if search.last and (
            self._sector.kind in (SectorKind.UNKNOWN, SectorKind.WHOLE) or self._fills_frame(search.last, image)
        ):
            self._sector, self._watch = search.last, None
        self._search, self._is_first_search = None, False
        self._schedule_search(search.last, image)

    def _schedule_search(self, found: Sector | None, image: Image) -> None:
        """Watch the sector, and schedule the next search: the more searches have failed, the later."""
        agrees = found is not None and not is_fallback(found) and found.overlap(self._sector) >= _SAME_OVERLAP
        self._failed_searches = 0 if agrees else self._failed_searches + 1
        self._frames_to_search = min(_REST_FRAMES << min(self._failed_searches, 8), _MAX_REST_FRAMES)
        if self._sector.kind is SectorKind.WHOLE:
            self._watch, self._frames_to_search = None, _MAX_REST_FRAMES if agrees else self._frames_to_search
        elif agrees or self._watch is None:
            self._watch, self._frames_to_search = LayoutWatch(self._sector, image), 0

    def _fills_frame(self, found: Sector, image: Image) -> bool:
        """Return whether ultrasound now fills the frame; with letters lit too it is a menu, which stays outside."""
        return (
            found.kind is SectorKind.WHOLE
            and not is_fallback(found)
            and self._watch is not None
            and self._watch.has_spilled(image)
        )


class SectorSearch:
    """Collects evidence over 10 frames, and evaluates it at frames 1, 2, 4, 7 and 10.

    last: the newest result. is_confirmed: whether two evaluations in a row agreed on a sector.
    """

    def __init__(self) -> None:
        self._evidence: Evidence | None = None
        self.last: Sector | None = None
        self.is_confirmed = False

    @property
    def is_over(self) -> bool:
        """Return whether the last evaluation was made."""
        return self._evidence is not None and self._evidence.frames >= _SEARCH_FRAMES[-1]

    def add(self, image: Image) -> Sector | None:
        """Add a frame; return the sector where this evaluation and the one before agree, else None."""
        if self._evidence is None:
            self._evidence = Evidence(image)
        else:
            self._evidence.add(image)
        if self._evidence.frames not in _SEARCH_FRAMES:
            return None
        before, self.last = self.last, locate_sector(self._evidence)
        agrees = before is not None and self.last.overlap(before) >= _SAME_OVERLAP
        self.is_confirmed |= agrees and not is_fallback(self.last)
        return self.last if agrees else None


def is_fallback(sector: Sector) -> bool:
    """Return whether a sector is the whole frame only because none was found."""
    return sector.kind is SectorKind.UNKNOWN or (sector.kind is SectorKind.WHOLE and not sector.confidence)


def _change_reason(before: Sector, after: Sector) -> str:
    """Return why the screen is another one, in words, or "" while the box that the network sees stays."""
    if before.box == after.box:
        return ""
    return f"the sector changed from {before} to {after}: another depth, probe or layout"


class FixedSector:
    """Locates the sector at a box that the user gave: top, left, height, width."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._sector: Sector | None = None

    def observe(self, frame: Frame) -> tuple[Sector, str]:
        """Return the same box for every frame. Raises ConfigError where it does not lie in the frame."""
        size: Size = (frame.height, frame.width)
        if self._sector is None or self._sector.size != size:
            self._sector = box_sector(self._box, size)
        return self._sector, ""

    def forget(self) -> None:
        """Do nothing, since the box holds for every stream."""


class WholeFrame:
    """Takes the whole frame for the sector."""

    def observe(self, frame: Frame) -> tuple[Sector, str]:
        """Return the whole frame as its sector."""
        return whole_sector((frame.height, frame.width), is_stated=True), ""

    def forget(self) -> None:
        """Do nothing, since there is no state."""


def parse_locator(text: str) -> Locator:
    """Parse the value of `--sector`: auto, off, or TOP,LEFT,HEIGHT,WIDTH in pixels. Raises ConfigError."""
    if text in ("auto", "off"):
        return SectorFinder() if text == "auto" else WholeFrame()
    numbers = text.split(",")
    if len(numbers) != 4 or not all(number.strip().isdecimal() for number in numbers):
        raise ConfigError(f"{text!r} is not a sector: give auto, off or TOP,LEFT,HEIGHT,WIDTH in pixels")
    top, left, height, width = (int(number) for number in numbers)
    return FixedSector((top, left, height, width))

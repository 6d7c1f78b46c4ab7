"""Redact what identifies a person: names, dates and numbers around the sector, or wherever they stand while it is unknown.

Redaction fails closed. A pixel is shown only where the sector is known with confidence, or stated by the user or the source,
or where a search for letters has seen it, see `ScreenJudge`. What is not judged yet is black.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from rtseg.errors import ImageError
from rtseg.frame import Frame, Image
from rtseg.kernels.network.fit import Box
from rtseg.result import Redaction
from rtseg.session.redaction.mode import CERTAIN, RedactionMode, SectorKnowledge, knowledge_of
from rtseg.session.redaction.rim_letters import rim_letters
from rtseg.session.redaction.screen_judge import ScreenJudge
from rtseg.session.redaction.text_search import EVERYWHERE, SearchExtent, TextSearch, shared_detector
from rtseg.session.sector.evidence import BinaryImage
from rtseg.session.sector.shape import Sector, SectorKind, Size

_YOUNG_FRAMES = 12  # frames for which a sector is searched for letters: the finder still improves it
_CONFIRMED_FRAMES = 10  # frames of the finder's search, after which a sector of high confidence is searched no more
_SEARCH_MARGIN = 24  # pixels around a sector's box that are searched too, in a frame of 480 lines


@dataclass(frozen=True, slots=True)
class _Given:
    """Holds what a frame is redacted by."""

    sector: Sector
    knowledge: SectorKnowledge


class Redactor:
    """Blacks out what must not leave the program in each frame of one stream that is recorded, served or shown.

    AUTO: the inside of a sector that is stated is shown. A sector that is known is searched for letters for 12 frames, or for
    10 where the confidence is high. These stay black, in the latter case those at its rim alone. Every frame is searched while
    the sector is unknown, and where the whole frame is the sector. STRICT: nothing is shown while the sector is unknown; a
    known one is searched all the time. OFF: everything is shown. `begin` a live stream before its first frame: it is searched
    in a thread. search: finds the letters. exposed, withheld: numbers of frames, see `Redaction`. newest: the newest redacted
    frame.
    """

    def __init__(self, mode: RedactionMode | str = RedactionMode.AUTO, *, search: TextSearch | None = None) -> None:
        self.mode = RedactionMode(mode)
        self._given_search = search
        self._retired: list[ScreenJudge] = []
        self._judge: ScreenJudge | None = None
        self.begin(live=False)

    def begin(self, *, live: bool) -> None:
        """Begin another stream. live: search for letters in a thread, and withhold meanwhile, instead of blocking."""
        self.close()
        self._live, self.exposed, self.withheld = live, 0, 0
        self._search = self._given_search or TextSearch(lambda: shared_detector(1 if live else 0))
        self._given: _Given | None = None
        self._age = 0  # frames for which the sector has been the same
        self._box: Box = (0, 0, 0, 0)  # of the judge
        self._extent = EVERYWHERE
        self._cover: Image | None = None  # in the shape of the image: 255 where it is shown; cached
        self._is_final = False  # whether the cover holds for the next frame too
        self._is_withheld = False
        self.newest: Frame | None = None

    def redact(self, frame: Frame, sector: Sector, *, is_stated: bool = False) -> Frame:
        """Return a copy of the frame that is black where nothing may be shown; the frame itself where all of it may be.

        is_stated: the user or the source stated the sector. Raises ImageError where the sector belongs to a frame of another
        size.
        """
        if sector.size != (frame.height, frame.width):
            raise ImageError(
                f"the sector of a frame {sector.size} cannot cover {frame.image.shape}: give this frame's own sector"
            )
        given = _Given(sector, knowledge_of(sector, is_stated=is_stated))
        self.newest = self._redact(frame, given)
        self.withheld += self._is_withheld
        return self.newest

    cover = redact  # the earlier name

    def expose(self, frame: Frame) -> Frame:
        """Count a frame that goes out as it is, and return it."""
        self.exposed += 1
        self.newest = frame
        return frame

    @property
    def state(self) -> Redaction:
        """Return the mode in force, what is known about the sector of the newest frame, and the counts."""
        knowledge = self._given.knowledge if self._given else SectorKnowledge.UNKNOWN
        return Redaction(self.mode.value, knowledge.value, self.withheld, self.exposed, self._is_withheld)

    def close(self) -> None:
        """Block until every search in a thread has ended; redaction may go on afterwards."""
        for judge in [*self._retired, *([self._judge] if self._judge else [])]:
            judge.close()
        self._retired, self._judge = [], None

    def _redact(self, frame: Frame, given: _Given) -> Frame:
        self._follow(given)
        self._is_withheld = False
        if self.mode is RedactionMode.OFF:
            return self.expose(frame)
        if given.knowledge is SectorKnowledge.STATED and given.sector.kind is SectorKind.WHOLE:
            return frame
        if not self._is_final or self._cover is None or self._cover.shape != frame.image.shape:
            self._update_cover(frame.image, given)
        assert self._cover is not None
        return replace(frame, image=np.asarray(cv2.bitwise_and(frame.image, self._cover), np.uint8))

    def _follow(self, given: _Given) -> None:
        """Count the frames for which the sector has been the same, and drop what belongs to another one."""
        self._age += 1
        if given != self._given:
            self._given, self._age, self._is_final = given, 0, False

    def _update_cover(self, image: Image, given: _Given) -> None:
        """Compute which pixels of a frame are shown, and whether that holds for the next frames too."""
        sector = given.sector
        is_known = given.knowledge is not SectorKnowledge.UNKNOWN
        if self.mode is RedactionMode.STRICT and not is_known:
            self._withhold(image, given)
            return
        inside = _inside(sector)
        if given.knowledge is SectorKnowledge.STATED:
            self._set_cover(inside, image, is_final=True)
            return
        self._renew_judge(given)
        shown = np.asarray(cv2.bitwise_and(self._judged(image, given), inside), np.uint8)
        is_over = self._is_searched_enough(given)
        if is_over and self._judge is not None:
            letters = _in_frame(self._judge.letters, self._box, sector.size)
            shown = np.asarray(
                cv2.subtract(inside, rim_letters(letters, inside) if self._is_certain(given) else letters), np.uint8
            )
        self._set_cover(shown, image, is_final=is_over)
        self._is_withheld = not cv2.countNonZero(shown)

    def _withhold(self, image: Image, given: _Given) -> None:
        self._set_cover(np.zeros(given.sector.size, np.uint8), image, is_final=False)
        self._is_withheld = True

    def _is_certain(self, given: _Given) -> bool:
        is_outlined = given.sector.kind not in (SectorKind.WHOLE, SectorKind.UNKNOWN)
        return self.mode is RedactionMode.AUTO and is_outlined and given.sector.confidence >= CERTAIN

    def _is_searched_enough(self, given: _Given) -> bool:
        """Return whether a sector has been searched for long enough: letters to come are over the ultrasound."""
        is_outlined = given.sector.kind not in (SectorKind.WHOLE, SectorKind.UNKNOWN)
        is_searched = self._judge is not None and self._judge.has_searched
        is_old = self._age >= (_CONFIRMED_FRAMES if self._is_certain(given) else _YOUNG_FRAMES)
        return self.mode is RedactionMode.AUTO and is_outlined and is_old and is_searched

    def _renew_judge(self, given: _Given) -> None:
        """Begin another judge where the searched box or the extent of the search is another one.

        In a live stream the judge of the whole frame goes on until the sector is confirmed: another search would withhold it.
        """
        box, extent = _searched_box(given.sector), _extent(self.mode, given)
        is_enough = self._live and self._is_certain(given) and self._box == (0, 0, *given.sector.size)
        if self._judge is not None and (is_enough or (self._box, self._extent) == (box, extent)):
            return
        if self._judge is not None:
            self._retired.append(self._judge)  # its search may still run; joining it would delay the stream
        self._box, self._extent = box, extent
        self._judge = ScreenJudge(*box[2:], self._search, extent, at_once=not self._live)

    def _judged(self, image: Image, given: _Given) -> BinaryImage:
        """Return what a search has seen of the judge's box, (H, W), 255 there."""
        assert self._judge is not None
        top, left, height, width = self._box
        part = np.ascontiguousarray(image[top : top + height, left : left + width])
        shown = np.zeros(given.sector.size, np.uint8)
        shown[top : top + height, left : left + width] = self._judge.judge(part)
        return shown

    def _set_cover(self, shown: BinaryImage, image: Image, *, is_final: bool) -> None:
        self._cover = shown if image.ndim == 2 else np.asarray(cv2.cvtColor(shown, cv2.COLOR_GRAY2RGB), np.uint8)
        self._is_final = is_final


def _extent(mode: RedactionMode, given: _Given) -> SearchExtent:
    return SearchExtent(on_ground=given.knowledge is SectorKnowledge.UNKNOWN, thorough=mode is RedactionMode.STRICT)


def _inside(sector: Sector) -> BinaryImage:
    return np.where(sector.mask(), np.uint8(255), np.uint8(0))


def _searched_box(sector: Sector) -> Box:
    """Return the box of a sector with what is near it: letters that its outline cuts are found whole only."""
    top, left, height, width = sector.box
    rows, columns = sector.size
    margin = round(_SEARCH_MARGIN * max(1.0, rows / 480))
    above, before = max(0, top - margin), max(0, left - margin)
    return above, before, min(rows, top + height + margin) - above, min(columns, left + width + margin) - before


def _in_frame(letters: BinaryImage, box: Box, size: Size) -> BinaryImage:
    """Return the letters of a box in the frame (H, W)."""
    top, left, height, width = box
    placed = np.zeros(size, np.uint8)
    placed[top : top + height, left : left + width] = letters
    return placed

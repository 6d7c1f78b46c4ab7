"""Judge which parts of a screen may be shown: those that a search for text has seen, without the letters that it found.

The frame is divided into tiles. A tile is shown where it looks as in the newest picture that was searched, so that what stands
still is known. Ultrasound changes in every frame. A changed tile is shown while it holds no edge that is stronger than those
near it were in the pictures that were searched, and not many more strong edges, white or colored pixels: letters that come up
over tissue add some. A tile that does is black until the next search, as is everything before the first search, and all that
changes while searches fail or are late. Letters too faint for that are found by the searches that are repeated anyway.

Letters stay black for some searches after they were found last, since a detector may overlook them now and then. At a cut
everything is searched anew: the mean of two scenes shows strokes that are in neither, and letters of the scene before are gone.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from rtseg.frame import Image
from rtseg.session.cut_detector import CutDetector
from rtseg.session.redaction.searcher import BackgroundTask
from rtseg.session.redaction.strokes import MIN_HISTORY
from rtseg.session.redaction.text_search import EVERYWHERE, SearchExtent, TextSearch
from rtseg.session.redaction.tiles import SeenContent, TileGrid, TileMask
from rtseg.session.sector.evidence import BinaryImage

_HISTORY = 6  # newest frames that a search sees
_MAX_UNSEEN = 0.05  # share of the tiles that may be black until the next search is due
_MIN_INTERVAL, _MAX_INTERVAL = 4, 32  # frames between searches, doubled after each that finds no other letters
_KEPT_SEARCHES = 4  # searches for which letters stay black that are found no more


@dataclass(frozen=True, slots=True)
class _Findings:
    """Holds the result of a search."""

    letters: BinaryImage
    seen: SeenContent
    is_of_motion: bool


class ScreenJudge:
    """Judges the frames of one size.

    search: finds the letters. extent: how much it looks for. at_once: search inside `judge`, which then blocks.
    letters: (H, W) uint8, 255 where letters are black, else 0. has_searched: whether a search has ended well that saw enough
    frames to tell what moves.
    """

    def __init__(
        self, height: int, width: int, search: TextSearch, extent: SearchExtent = EVERYWHERE, *, at_once: bool = True
    ) -> None:
        self._grid, self._search, self._extent, self._at_once = TileGrid(height, width), search, extent, at_once
        self._task = BackgroundTask[_Findings](at_once=at_once)
        self._cuts, self._is_cut = CutDetector(), False  # whether no search has begun since the newest cut
        self._history = deque[Image](maxlen=_HISTORY)
        self._seen: SeenContent | None = None
        self._searches_since = np.full((height, width), 255, np.uint8)  # since letters were found at a pixel
        self.letters: BinaryImage = np.zeros((height, width), np.uint8)
        self._frames_since_search, self._interval, self.has_searched = 0, _MIN_INTERVAL, False

    def judge(self, image: Image) -> BinaryImage:
        """Return what may be shown of the next frame: (H, W) uint8, 255 on those pixels, else 0."""
        if self._history and self._history[-1].shape != image.shape:  # from gray to color or back
            self._history.clear()
            self._seen = None
        findings = self._task.take()
        if not self._is_cut:  # else the search began before the cut
            self._adopt(findings)
        if self._cuts.observe(image):
            self._forget_scene()
        self._history.append(image)
        self._frames_since_search += 1
        unseen = self._unseen(image)
        if self._is_search_due(unseen) and not self._task.is_running:
            self._frames_since_search, self._is_cut = 0, False
            self._task.start(partial(self._find, tuple(self._history), self.letters, self._seen))
            if self._at_once:
                self._adopt(self._task.take())
                unseen = self._unseen(image)
        return np.asarray(cv2.subtract(self._grid.as_mask(~unseen), self.letters), np.uint8)

    def close(self) -> None:
        """Block until a running search ends."""
        self._task.close()

    def _forget_scene(self) -> None:
        """Forget the scene before a cut; its letters stay black until a search of the new scene has ended."""
        self._history.clear()
        self._seen, self._is_cut, self._interval = None, True, _MIN_INTERVAL
        self._searches_since = np.maximum(self._searches_since, np.uint8(_KEPT_SEARCHES - 1))

    def _unseen(self, image: Image) -> TileMask:
        """Return the tiles of a frame that no search has seen."""
        if self._seen is None or self._seen.picture.shape != image.shape:
            return np.ones(self._grid.shape, np.bool_)
        return self._grid.unseen(image, self._seen, self.letters)

    def _is_search_due(self, unseen: TileMask) -> bool:
        if not self._task.has_failed and (self._is_cut or unseen.mean() > _MAX_UNSEEN):
            return True
        return self._frames_since_search >= (_MAX_INTERVAL if self._task.has_failed else self._interval)

    def _find(self, pictures: Sequence[Image], letters: BinaryImage, seen: SeenContent | None) -> _Findings:
        found = self._search.find(pictures, self._extent)
        all_letters = np.asarray(cv2.bitwise_or(found, letters), np.uint8)
        return _Findings(found, self._grid.see(pictures, all_letters, seen), len(pictures) >= MIN_HISTORY)

    def _adopt(self, findings: _Findings | None) -> None:
        """Take the result of a search for what is known."""
        if findings is None:
            return
        self._seen = findings.seen
        self.has_searched = self.has_searched or findings.is_of_motion
        has_others = bool(cv2.countNonZero(cv2.subtract(findings.letters, self.letters)) > 0.001 * self.letters.size)
        self._interval = _MIN_INTERVAL if has_others else min(2 * self._interval, _MAX_INTERVAL)
        older = (np.minimum(self._searches_since, 254) + 1).astype(np.uint8)
        self._searches_since = np.where(findings.letters > 0, np.uint8(0), older)
        self.letters = (self._searches_since < _KEPT_SEARCHES).astype(np.uint8) * np.uint8(255)

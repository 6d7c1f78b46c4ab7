"""Run clips through the search for the sector and the redaction, and score what goes out against the truth."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

import cv2
import numpy as np

from rtseg.bench.redaction.legibility import legible_letters
from rtseg.bench.redaction.lettered_clip import LetteredClip, ScreenText, read_lettered_clip
from rtseg.frame import Frame, Image, Mask
from rtseg.session.redaction import RedactionMode, Redactor
from rtseg.session.sector import SectorFinder
from rtseg.sources import open_source

_READ_FRAMES = (0, 1, 3, 7, 12, 20, 39)  # frames that the OCR reads: the first ones, where the sector is sought, and later ones
_COVERED = 0.9  # share of a text's box that must be black
_LIT = 8  # gray levels from which a pixel of the screen shows something


@dataclass(slots=True)
class ClipScores:
    """Holds the scores of one clip in one mode."""

    clip: str
    """Name of its file."""
    mode: RedactionMode
    """Mode of the redaction."""
    frames: int = 0
    """Number of frames."""
    withheld: int = 0
    """Number of frames of whose ultrasound nothing was shown."""
    first_shown: int | None = None
    """Index of the first frame of which something was shown."""
    texts_outside: int = 0
    """Number of texts outside the sector."""
    legible_outside: int = 0
    """Letters outside the sector that the OCR read, over all frames that it read."""
    legible: list[str] = field(default_factory=list)
    """Those texts, with the frame."""
    lost: list[float] = field(default_factory=list)
    """Share of the sector's lit pixels that are black, of each frame that is not withheld."""
    covered_over: list[bool] = field(default_factory=list)
    """Whether each text over the sector is black, in each frame."""
    sector: str = "unknown"
    """What was known about the sector in the last frame."""

    def to_json(self) -> dict[str, Any]:
        """Return the scores as plain values."""
        return {
            "clip": self.clip,
            "mode": self.mode.value,
            "sector": self.sector,
            "frames": self.frames,
            "withheld": self.withheld,
            "first_shown": self.first_shown,
            "texts_outside": self.texts_outside,
            "legible_letters_outside": self.legible_outside,
            "legible": self.legible,
            "pixels_lost": round(float(mean(self.lost)), 5) if self.lost else None,
            "text_recall_over_sector": round(mean(self.covered_over), 5) if self.covered_over else None,
        }


def measure_clips(truths: Sequence[Path], modes: Sequence[RedactionMode]) -> Iterator[ClipScores]:
    """Yield the scores of each clip in each mode. truths: the JSON files. Raises ReportError, SourceError."""
    for truth in truths:
        clip = read_lettered_clip(truth)
        for mode in modes:
            yield measure_clip(clip, mode)


def measure_clip(clip: LetteredClip, mode: RedactionMode) -> ClipScores:
    """Score a clip as `rtseg run` would redact it. Raises SourceError."""
    finder, redactor = SectorFinder(), Redactor(mode)
    outside = [text for text in clip.texts if not text.over_sector]
    scores = ClipScores(clip.video.name, mode, texts_outside=len(outside))
    with closing(open_source(str(clip.video))) as source:
        for frame in source:
            shown = redactor.redact(frame, finder.observe(frame)[0]).image
            _add(scores, clip, frame, shown)
            if frame.index in _READ_FRAMES:
                _read(scores, outside, frame, shown)
    scores.withheld, scores.sector = redactor.state.withheld, redactor.state.sector
    return scores


def summary(scores: Sequence[ClipScores]) -> dict[str, Any]:
    """Return the scores of all clips in one mode as one."""
    frames = sum(one.frames for one in scores)
    lost = [mean(one.lost) for one in scores if one.lost]
    over = [covered for one in scores for covered in one.covered_over]
    return {
        "clips": len(scores),
        "frames": frames,
        "texts_outside": sum(one.texts_outside for one in scores),
        "legible_letters_outside": sum(one.legible_outside for one in scores),
        "withheld": round(sum(one.withheld for one in scores) / max(1, frames), 5),
        "pixels_lost": round(float(mean(lost)), 5) if lost else None,
        "text_recall_over_sector": round(mean(over), 5) if over else None,
        "last_first_shown": max(
            (one.first_shown if one.first_shown is not None else one.frames for one in scores), default=None
        ),
    }


def _add(scores: ClipScores, clip: LetteredClip, frame: Frame, shown: Image) -> None:
    scores.frames += 1
    is_lit, is_shown = _gray(frame.image) >= _LIT, _gray(shown) > 0
    inside = clip.sector & is_lit
    if (is_shown & clip.sector).any():
        scores.first_shown = frame.index if scores.first_shown is None else scores.first_shown
        scores.lost.append(1 - int(np.count_nonzero(is_shown & inside)) / max(1, int(np.count_nonzero(inside))))
    for text in clip.texts:
        if text.over_sector:
            part, lit = (_part(plane, text) for plane in (is_shown, is_lit))
            visible, all_lit = int(np.count_nonzero(part & lit)), int(np.count_nonzero(lit))
            scores.covered_over.append(visible <= (1 - _COVERED) * all_lit)


def _read(scores: ClipScores, outside: Sequence[ScreenText], frame: Frame, shown: Image) -> None:
    for text in outside:
        letters = legible_letters(shown, text)
        if letters:
            scores.legible_outside += letters
            scores.legible.append(f"{frame.index}: {text.string}")


def _part(plane: Mask, text: ScreenText) -> Mask:
    top, left, height, width = text.box
    return plane[top : top + height, left : left + width]


def _gray(image: Image) -> Image:
    return image if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)

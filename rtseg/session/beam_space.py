"""Segment in beam space: the fan becomes scan lines before the network, and its labels become a fan after it."""

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from rtseg import kernels
from rtseg.engines.base import Engine
from rtseg.errors import ConfigError
from rtseg.frame import Frame, Image, Labels, Life, Segmentation, Spacing, StreamInfo
from rtseg.session.beam_grid import BeamGeometry, BeamGrid
from rtseg.session.beam_prompts import prompt_in_lines
from rtseg.session.judgement import Judgement
from rtseg.session.prompts import Maps, Prompt
from rtseg.session.sector import Sector, SectorKind
from rtseg.session.session import Session
from rtseg.session.settings import SessionSettings
from rtseg.text.log_records import get_logger
from rtseg.trace import LatencyTrace

_log = get_logger(__name__)

_NO_FAN = "the fan is not found yet"
_MIN_OVERLAP = 0.8  # intersection over union with the last sector whose beams are known: above it, the layout is the same

_Key: TypeAlias = tuple[Sector, Spacing | None, tuple[int, int]]  # what a geometry is asked with


@dataclass(frozen=True, slots=True)
class LocatedBeams:
    """Holds the beams of one sector."""

    key: _Key
    """The sector, the spacing and the size of the network's input."""
    grid: BeamGrid | None
    """The beams; None where they are not known."""
    note: str = ""
    """Why there are none, or why they are those of an earlier sector."""


class BeamSpaceSession(Session):
    """Runs a network that was trained on scan lines; frames and labels stay those of the screen.

    Each frame's fan is sampled to gray scan lines (samples, lines), first sample nearest to the probe and first line leftmost.
    Lifecycle and sector see the frame; memory, stabilization, filters and network see the lines. The largest region of a class
    in `ModelSpec.single` is the one with most samples. A class's confidence is the mean over its samples, not over its pixels.
    While the sector is unknown there is no mask. Where the beams of a later sector are not known, those of the one before hold
    as long as its outline is nearly the same, else there is no mask; the reason says so. Takes the arguments of `Session`.
    Raises ConfigError for a first sector without beams, and for a network whose classes are ellipses, since an ellipse on the
    screen is none in beam space. withheld: the number of frames without a mask because their beams are not known.
    """

    def __init__(self, engine: Engine, *, geometry: BeamGeometry, **options: Any) -> None:
        if engine.spec.ellipse:
            raise ConfigError(
                f"{engine.spec.name} gives ellipses on the screen, which beam space distorts: leave --beam-space out"
            )
        if engine.spec.familiarity:
            _log.warning(
                "the familiarity of pictures is unknown in beam space: the model was calibrated on pictures of the screen"
            )
        self._geometry, self.withheld = geometry, 0
        self._located: LocatedBeams | None = None  # of the newest sector
        self._known: LocatedBeams | None = None  # the newest ones that the geometry gave for a sector that was found
        super().__init__(engine, **options)

    def expect(self, frame: Frame) -> None:
        """Do nothing, since the engine gets the lines instead."""

    def warm_up(self, info: StreamInfo) -> None:
        """Run what is slow the first time, on lines of the network's size where the fan is not known yet."""
        super().warm_up(info)
        self.withheld = 0
        if self._located and self._located.grid is None:
            lines = Frame(np.zeros(self._engine.spec.size, np.uint8), 0, 0)
            self._segment_lines(lines, LatencyTrace(0), Judgement(Life.NEW, ""))

    def _segment(self, frame: Frame, trace: LatencyTrace, judgement: Judgement) -> Segmentation:
        beams = self._beams()
        judgement = Judgement(judgement.life, _joined(judgement.reason, beams.note))
        if (grid := beams.grid) is None:
            self.withheld += 1
            return self._empty_segmentation(frame, judgement)
        with trace.stage("preprocess"):
            lines = replace(frame, image=frame_to_lines(frame, grid))
        found = self._segment_lines(lines, trace, judgement)
        with trace.stage("postprocess"):
            labels = lines_to_frame(found.labels, grid, (frame.height, frame.width))
            return replace(found, labels=labels, familiarity=None, planes=None)  # calibrations know pictures, not scan lines

    def _sees_prompts(self) -> bool:
        return self._beams().grid is not None

    def _drawn(self, prompt: Prompt) -> Maps:
        grid = self._beams().grid
        assert grid is not None
        return self._drawn_in(prompt_in_lines(prompt, grid), (0, 0, *grid.shape))

    def _segment_lines(self, lines: Frame, trace: LatencyTrace, judgement: Judgement) -> Segmentation:
        return self._segmenter.segment(lines, (0, 0, lines.height, lines.width), trace, judgement, self._known_spacing_mm)

    def _step(self, frame: Frame, trace: LatencyTrace, settings: SessionSettings) -> Segmentation:
        """Segment the next frame; a held one says of its beams what the frame did that it repeats."""
        found = super()._step(frame, trace, settings)
        if found.life is Life.HELD and self._located and self._located.note not in found.reason:
            return replace(found, reason=_joined(found.reason, self._located.note))
        return found

    def _beams(self) -> LocatedBeams:
        """Return the beams of the newest sector. Raises ConfigError where the first one that was found has none."""
        key = (self.sector, self._known_spacing_mm, self._engine.spec.size)
        before = self._located
        if before is None or before.key != key:
            self._located = found = self._locate_beams(key)
            if before and before.grid is not None and found.grid != before.grid:
                self._segmenter.forget(Life.CUT)  # the lines of the memory are those of another fan
            return found
        return before

    def _locate_beams(self, key: _Key) -> LocatedBeams:
        sector, known = key[0], self._known
        try:
            grid = self._geometry.grid(*key)
        except ConfigError as error:
            if known is None:
                raise
            is_same_layout = known.key[1:] == key[1:] and sector.overlap(known.key[0]) >= _MIN_OVERLAP
            note = f"the beams are those of the sector before, {known.key[0]}: {error}" if is_same_layout else str(error)
            _log.warning("%s: %s", "beam space" if is_same_layout else "the mask is withheld", note)
            return LocatedBeams(key, known.grid if is_same_layout else None, note)
        found = LocatedBeams(key, grid, "" if grid else _NO_FAN)
        if grid and sector.kind is not SectorKind.UNKNOWN:
            self._known = found
        return found


def _joined(reason: str, note: str) -> str:
    return ": ".join(part for part in (reason, note) if part)


def frame_to_lines(frame: Frame, grid: BeamGrid) -> Image:
    """Return a frame's fan as scan lines (samples, lines) uint8, gray; 0 where it leaves the frame."""
    size = (frame.height, frame.width)
    gray = frame.image if frame.image.ndim == 2 else kernels.grey_view(frame.image, (0, 0, *size), size)
    return kernels.to_beams(gray, grid.fan, grid.shape)


def lines_to_frame(labels: Labels, grid: BeamGrid, size: tuple[int, int]) -> Labels:
    """Return labels (samples, lines) as a fan (H, W) uint8, 0 outside.

    Each class is scan-converted as a membership from 0 to 255, and the greatest one wins, so that no label is mixed.
    """
    classes = [0, *(label for label in np.unique(labels).tolist() if label)]
    members = [kernels.to_fan(np.where(labels == label, np.uint8(255), np.uint8(0)), grid.fan, size) for label in classes]
    found: Labels = np.array(classes, np.uint8)[np.argmax(np.stack(members), 0)]
    return found

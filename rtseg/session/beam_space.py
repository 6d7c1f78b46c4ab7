"""Segment in beam space: the fan becomes scan lines before the network, and its labels become a fan after it."""

from dataclasses import replace
from typing import Any

import numpy as np

from rtseg import kernels
from rtseg.engines.base import Engine
from rtseg.errors import ConfigError
from rtseg.frame import Frame, Image, Labels, Life, Segmentation, StreamInfo
from rtseg.session.beam_geometry import BeamGeometry, BeamGrid
from rtseg.session.judgement import Judgement
from rtseg.session.sector import Sector
from rtseg.session.session import Session
from rtseg.trace import LatencyTrace

_NO_FAN = "the fan is not found yet"


class BeamSpaceSession(Session):
    """Runs a network that was trained on scan lines; frames and labels stay those of the screen.

    Each frame's fan is sampled to gray scan lines (samples, lines), first sample nearest to the probe and first line leftmost.
    Lifecycle and sector see the frame; memory, stabilization, filters and network see the lines. The largest region of a class
    in `ModelSpec.single` is the one with most samples. A class's confidence is the mean over its samples, not over its pixels.
    While the sector is unknown there is no mask. Takes the arguments of `Session`, and raises ConfigError for a network whose
    classes are ellipses, since an ellipse on the screen is none in beam space.
    """

    def __init__(self, engine: Engine, *, geometry: BeamGeometry, **options: Any) -> None:
        if engine.spec.ellipse:
            raise ConfigError(
                f"{engine.spec.name} gives ellipses on the screen, which beam space distorts: leave --beam-space out"
            )
        self._geometry = geometry
        self._located: tuple[tuple[Sector, Any, tuple[int, int]], BeamGrid | None] | None = None
        super().__init__(engine, **options)

    def expect(self, frame: Frame) -> None:
        """Do nothing, since the engine gets the lines instead."""

    def warm_up(self, info: StreamInfo) -> None:
        """Run what is slow the first time, on lines of the network's size where the fan is not known yet."""
        super().warm_up(info)
        if self._located and self._located[1] is None:
            lines = Frame(np.zeros(self._engine.spec.size, np.uint8), 0, 0)
            self._segment_lines(lines, LatencyTrace(0), Judgement(Life.NEW, ""))

    def _segment(self, frame: Frame, trace: LatencyTrace, judgement: Judgement) -> Segmentation:
        grid = self._grid()
        if grid is None:
            reason = f"{judgement.reason}: {_NO_FAN}" if judgement.reason else _NO_FAN
            return replace(self._empty_segmentation(frame, judgement), reason=reason)
        with trace.stage("preprocess"):
            lines = replace(frame, image=frame_to_lines(frame, grid))
        found = self._segment_lines(lines, trace, judgement)
        with trace.stage("postprocess"):
            return replace(found, labels=lines_to_frame(found.labels, grid, (frame.height, frame.width)))

    def _segment_lines(self, lines: Frame, trace: LatencyTrace, judgement: Judgement) -> Segmentation:
        return self._segmenter.segment(lines, (0, 0, lines.height, lines.width), trace, judgement, self._known_spacing_mm)

    def _grid(self) -> BeamGrid | None:
        key = (self.sector, self._known_spacing_mm, self._engine.spec.size)
        if self._located is None or self._located[0] != key:
            before = self._located and self._located[1]
            self._located = key, self._geometry.grid(*key)
            if before is not None and self._located[1] != before:
                self._segmenter.forget()  # the lines of the memory are those of another fan
        return self._located[1]


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

"""Find each frame's spacing in the fields of a tracked sequence: stated for the frame, or the scale of its transform."""

import math

from rtseg.frame import Spacing
from rtseg.sources.files.orientation import Orientation
from rtseg.sources.files.tracked_frames import TrackedFrames

_TOLERANCE = 0.01  # relative: two statements of the same size


class TrackedSpacing:
    """Holds the spacing of each frame, (down, along) in mm of the upright image.

    own_mm: as the file states it for all frames, upright. Where a transform from the image maps pixels its columns are as long
    as a pixel; where it maps millimeters they have the length 1. A frame that states nothing has the file's spacing only if
    no other frame contradicts it.
    """

    def __init__(self, tracked: TrackedFrames, own_mm: Spacing | None, orientation: Orientation, frames: int) -> None:
        stated = {index: value for index in tracked.indices if (value := tracked.spacing(index))}
        self._by_frame = {index: orientation.to_upright((down, along)) for index, (down, along) in stated.items()}
        self.note = ""
        """What is contradictory in the file; "" for nothing."""
        for index, scale in self._scales(tracked, own_mm, frames).items():
            self._by_frame.setdefault(index, scale)
        known = list(self._by_frame.values())
        self._default = own_mm if own_mm and all(_agree(own_mm, one) for one in known) else None if known else own_mm
        if own_mm and known and not _agree(own_mm, known[0]):
            self.note = "states another spacing in its frames than in its header: that of each frame is used"
        self.first = self.of(0)
        """Of the first frame."""

    def of(self, index: int) -> Spacing | None:
        """Return the spacing of a frame; None where it is not stated."""
        return self._by_frame.get(index, self._default)

    def _scales(self, tracked: TrackedFrames, own_mm: Spacing | None, frames: int) -> dict[int, Spacing]:
        """Return the spacing of frames by the transforms of their images."""
        scales = {index: scale for index in tracked.indices if index < frames and (scale := tracked.scale(index))}
        if not scales:
            return {}
        maps_millimeters = _agree(scales[min(scales)], (1.0, 1.0))
        if not maps_millimeters:
            return scales
        if own_mm is None:  # pixels of 1 mm are not known from pixels of an unknown size
            return {} if all(_agree(one, (1.0, 1.0)) for one in scales.values()) else scales
        return {index: (own_mm[0] * down, own_mm[1] * along) for index, (down, along) in scales.items()}


def _agree(one: Spacing, other: Spacing) -> bool:
    return all(math.isclose(a, b, rel_tol=_TOLERANCE) for a, b in zip(one, other, strict=True))

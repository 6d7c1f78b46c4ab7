"""The values that travel: a frame of a stream, what is known of the stream, and a frame's segmentation."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from rtseg.errors import ImageError, SpacingUnknown, UnknownClass

Image: TypeAlias = npt.NDArray[np.uint8]  # (H, W) grey or (H, W, 3) RGB
Labels: TypeAlias = npt.NDArray[np.uint8]  # (H, W): 0 background, i + 1 the i-th class
Mask: TypeAlias = npt.NDArray[np.bool_]  # (H, W)
Spacing: TypeAlias = tuple[float, float]  # millimetres a pixel: down a column, along a row
Matrix: TypeAlias = tuple[tuple[float, ...], ...]  # 4 x 4, homogeneous, row by row, in millimetres


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a frame comes from, in its source's own words, which are handed on and trusted for nothing.

    device: the source's name for the stream. timestamp_ns: raw, by the source's clock. corrected_ns: the same moment on our
    `time.perf_counter_ns()` clock. spacing_mm: of this frame. matrix: from image to world. transforms: by name, such as
    "ProbeToTracker".
    """

    device: str = ""
    timestamp_ns: int | None = None
    corrected_ns: int | None = None
    spacing_mm: Spacing | None = None
    matrix: Matrix | None = None
    transforms: Mapping[str, Matrix] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a stream.

    image: (H, W) grey or (H, W, 3) RGB, uint8, never written to. index: counts the source's frames from 0, so that a gap
    means dropped frames. captured_ns: `time.perf_counter_ns()` when the pixels became ready. origin: what a source tells of
    the frame beyond its pixels, None where it tells nothing.
    """

    image: Image
    index: int
    captured_ns: int
    origin: Origin | None = None

    def __post_init__(self) -> None:
        check_image(self.image)

    @property
    def height(self) -> int:
        return int(self.image.shape[0])

    @property
    def width(self) -> int:
        return int(self.image.shape[1])


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What a source knows before its first frame.

    height, width in pixels; fps in frames a second; live: frames come at their own pace and may be dropped;
    spacing_mm: millimetres a pixel (down, along), None where unknown. frames: how many will come, None where unknown.
    """

    height: int
    width: int
    fps: float
    live: bool = False
    spacing_mm: Spacing | None = None
    frames: int | None = None

    @property
    def period_ns(self) -> int:
        """The time from one frame to the next, in nanoseconds."""
        return round(1e9 / self.fps)

    def as_live(self) -> "StreamInfo":
        """The same stream, delivered at its own pace."""
        return replace(self, live=True)


class Life(str, Enum):
    """What a frame means for the memory of the frames before it."""

    NEW = "NEW"  # the first frame, or a stream of another size: the memory starts afresh
    LIVE = "LIVE"  # the stream goes on
    SPOILT = "SPOILT"  # a shadow, lost contact, noise, blur, another gain: the mask is carried on, the memory waits
    HELD = "HELD"  # the scanner is frozen, or the grabber repeats a frame: the mask is kept
    CUT = "CUT"  # another scene: the memory starts afresh
    GAP = "GAP"  # too many frames were dropped: the memory starts afresh
    LOST = "LOST"  # the probe has no contact: no mask


@dataclass(frozen=True, slots=True)
class Segmentation:
    """The classes of a frame's pixels.

    labels: (H, W) uint8 in the frame's coordinates, 0 background and i + 1 for classes[i]. confidence: for each class the
    mean probability inside its mask, in [0, 1], 0 where the class is absent. spacing_mm: as in StreamInfo.
    life, reason: what became of the memory at this frame, and why, in words. uncertainty: for each class the mean entropy of
    its probability along its border, in bits: 1 where the border could as well be elsewhere; empty where nobody asked for it.
    """

    labels: Labels
    classes: tuple[str, ...]
    confidence: tuple[float, ...]
    spacing_mm: Spacing | None = None
    life: Life = Life.LIVE
    reason: str = ""
    uncertainty: tuple[float, ...] = ()

    def mask(self, name: str) -> Mask:
        """Where the class `name` is: (H, W) bool. Raises UnknownClass."""
        return np.equal(self.labels, self._label(name))

    def area_px(self, name: str) -> int:
        """The area of the class `name` in pixels. Raises UnknownClass."""
        return int(np.count_nonzero(self.mask(name)))

    def area_mm2(self, name: str) -> float:
        """The area of the class `name` in square millimetres. Raises UnknownClass, SpacingUnknown."""
        if self.spacing_mm is None:
            raise SpacingUnknown("the pixel size is unknown: give --spacing MM, or use a source that carries it")
        return self.area_px(name) * self.spacing_mm[0] * self.spacing_mm[1]

    def _label(self, name: str) -> int:
        if name not in self.classes:
            raise UnknownClass(f"no class {name!r}: the model has {', '.join(self.classes)}")
        return self.classes.index(name) + 1


def check_image(image: Image) -> None:
    """Raise ImageError unless `image` is a non-empty uint8 (H, W) or (H, W, 3) array."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        raise ImageError(f"an image is a uint8 array, not {getattr(image, 'dtype', type(image).__name__)}: scale it to 0..255")
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3) or 0 in image.shape:
        raise ImageError(f"an image is (H, W) or (H, W, 3) and not empty, not {image.shape}")

"""Define the values that pass between the layers: frames, stream information and segmentations."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from rtseg.contour import Contour, trace_contours
from rtseg.cycle_state import CycleState
from rtseg.errors import ImageError, SpacingUnknown, UnfamiliarPicture, UnknownClass
from rtseg.measured_value import MeasuredValue
from rtseg.probability_planes import ProbabilityPlanes
from rtseg.wall_clock import WallClock

Image: TypeAlias = npt.NDArray[np.uint8]  # (H, W) gray or (H, W, 3) RGB
Labels: TypeAlias = npt.NDArray[np.uint8]  # (H, W): 0 background, i + 1 the i-th class
Mask: TypeAlias = npt.NDArray[np.bool_]  # (H, W)
Spacing: TypeAlias = tuple[float, float]  # millimeters per pixel: down a column, along a row
FAMILIAR_FROM = 0.5  # the familiarity from which a picture counts as familiar; calibrations map their operating point to it
Matrix: TypeAlias = tuple[tuple[float, ...], ...]  # 4 x 4, homogeneous, row by row, in millimeters


@dataclass(frozen=True, slots=True)
class SourceInstance:
    """Names the frame of a DICOM file; the UIDs are empty where the file states none that are valid."""

    sop_class: str
    """UID of the kind of object."""
    sop_instance: str
    """UID of the file's object."""
    series: str
    """UID of its series."""
    study: str
    """UID of its study."""
    number: int
    """Number of the frame in the file, from 1."""
    frames: int = 1
    """Number of frames that the file states."""

    @property
    def is_known(self) -> bool:
        """Return whether another object can refer to the frame."""
        return all((self.sop_class, self.sop_instance, self.series, self.study))


@dataclass(frozen=True, slots=True)
class Origin:
    """Holds metadata as reported by the source; it is passed through and not trusted."""

    device: str = ""
    """Name of the stream at the source."""
    timestamp_ns: int | None = None
    """Raw timestamp on the source's clock."""
    corrected_ns: int | None = None
    """The same moment on the local `time.perf_counter_ns()` clock."""
    spacing_mm: Spacing | None = None
    """Pixel spacing of this frame."""
    matrix: Matrix | None = None
    """Transform from image to world."""
    transforms: Mapping[str, Matrix] = field(default_factory=dict)
    """Transforms by name, such as "ProbeToTracker"."""
    instance: SourceInstance | None = None
    """The frame of the DICOM file that it was read from; None for other sources. Recordings leave it out."""


SPACING_FROM_SCALE = "scale"  # a spacing that was read from the depth scale on the screen


@dataclass(frozen=True, slots=True)
class Frame:
    """Holds one image of a stream. Raises ImageError."""

    image: Image
    """(H, W) gray or (H, W, 3) RGB, uint8; never written to."""
    index: int
    """Counts the source's frames from 0, so that a gap means dropped frames."""
    captured_ns: int
    """`time.perf_counter_ns()` at which the pixels became ready."""
    origin: Origin | None = None
    """Metadata as reported by the source; None where there is none."""
    spacing_mm: Spacing | None = None
    """Millimeters per pixel (down, along) of this frame; None where the source does not state it for this frame."""
    presentation_ns: int | None = None
    """Time at which the frame is shown, in nanoseconds from the start of the recording; None where the source has no times."""
    damage: str = ""
    """Why the pixels are not to be trusted, such as "a packet was lost"; empty where nothing is known against them."""
    pixel_aspect: float = 1.0
    """Width of a pixel over its height, the sample aspect ratio of video; 1 for square pixels."""
    spacing_from: str = ""
    """What `spacing_mm` was read from, where the source does not state it: SPACING_FROM_SCALE, or nothing."""

    def __post_init__(self) -> None:
        check_image(self.image)

    @property
    def height(self) -> int:
        """Return the height of the image in pixels."""
        return int(self.image.shape[0])

    @property
    def width(self) -> int:
        """Return the width of the image in pixels."""
        return int(self.image.shape[1])

    def captured_wall_ns(self, clock: WallClock) -> int | None:
        """Return the wall-clock time of capture in nanoseconds since 1970 (UTC); None where it is unknown.

        clock: that of the stream. A recorded frame returns the time of its recording instead.
        """
        return clock.at(self.captured_ns)


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """Describes a stream before its first frame."""

    height: int
    """Height in pixels."""
    width: int
    """Width in pixels."""
    fps: float
    """Frames per second."""
    live: bool = False
    """Whether frames arrive at the source's own pace and may be dropped."""
    spacing_mm: Spacing | None = None
    """Millimeters per pixel (down, along); None where unknown."""
    frames: int | None = None
    """Number of frames; None where unknown."""
    pixel_aspect: float = 1.0
    """Width of a pixel over its height, as stated for the first frame."""
    only_ultrasound: bool = False
    """Whether the source states that its frames show no screen around the ultrasound, as those of its own clips do."""

    @property
    def period_ns(self) -> int:
        """Return the time from one frame to the next, in nanoseconds."""
        return round(1e9 / self.fps)

    def as_live(self) -> "StreamInfo":
        """Return the same description of a stream that is delivered live."""
        return replace(self, live=True)


@dataclass(frozen=True, slots=True)
class Omission:
    """Describes a part of a folder or a series that was left out, since it could not be read."""

    name: str
    """Name of the file or the part."""
    reason: str
    """Why it was left out, in words."""


class Life(str, Enum):
    """Names what a frame means for the memory of earlier frames."""

    NEW = "NEW"  # the first frame, or a stream of another size: the memory starts afresh
    LIVE = "LIVE"  # the stream goes on
    SPOILT = "SPOILT"  # a shadow, lost contact, noise, blur, another gain: the last mask is warped, the memory stays
    HELD = "HELD"  # a frozen scanner, or a frame repeated by the grabber: the mask stays
    CUT = "CUT"  # another scene: the memory starts afresh
    GAP = "GAP"  # too many frames were dropped: the memory starts afresh
    LOST = "LOST"  # the probe has no contact: no mask


@dataclass(frozen=True, slots=True)
class TrackedObject:
    """Holds where an object is that a user pointed at. Its area and its place are None while it is lost."""

    lost: bool
    """Whether it is not in the picture, or not known where; its mask is withdrawn meanwhile."""
    confidence: float
    """How sure the network is that it sees the object, in [0, 1]."""
    area_px: int | None = None
    """Number of pixels."""
    centroid: tuple[float, float] | None = None
    """Mean (row, column) of the pixels."""
    box: tuple[int, int, int, int] | None = None
    """Smallest box around the pixels: top, left, height, width."""


@dataclass(frozen=True, slots=True)
class Segmentation:
    """Holds the classes of a frame's pixels."""

    labels: Labels
    """(H, W) uint8 in the frame's coordinates: 0 is background, i + 1 is classes[i]."""
    classes: tuple[str, ...]
    """Names of the classes, without the background."""
    confidence: tuple[float, ...]
    """Mean probability inside the mask of each class, in [0, 1]; 0 where the class is absent."""
    spacing_mm: Spacing | None = None
    """Millimeters per pixel (down, along); None where unknown."""
    life: Life = Life.LIVE
    """State of the frame, which decided about the memory."""
    reason: str = ""
    """Reason for the state, in words."""
    uncertainty: tuple[float, ...] = ()
    """Mean entropy along the border of each class, in bits; empty where not computed.

    It is 1 where the border could as well lie elsewhere.
    """
    pixel_aspect: float = 1.0
    """Width of a pixel over its height, that of the frame; 1 for square pixels."""
    familiarity: float | None = None
    """How much the picture resembles those that the model was made from, in [0, 1]; None where unknown.

    Unknown: for a model without calibration (`rtseg calibrate`), for a frame without contact, and on a GPU.
    """
    measures_unfamiliar: bool = False
    """Whether the user asked for measures of unfamiliar pictures too."""
    spacing_from: str = ""
    """What `spacing_mm` was read from, where neither the user nor the source states it: SPACING_FROM_SCALE, or nothing."""
    doubt: str = ""
    """Why the network's answer looks misread, in words, see `AnswerGuard`; empty where it does not."""
    outline_px: float = 0.0
    """How far a mask reaches beyond the line that an expert measures, in pixels of the frame, as in the training masks."""
    measures: tuple[MeasuredValue, ...] = ()
    """What is measured on the classes, in the order in which it was asked for, see `rtseg.measure.biometry`."""
    cycle: CycleState | None = None
    """What is known of the heart beat; None unless a measure follows it."""
    planes: ProbabilityPlanes | None = None
    """The probabilities on the network's cells; None unless `SessionSettings.probabilities` asks for them."""
    objects: Mapping[str, TrackedObject] | None = None
    """The objects that a user pointed at, by name and in the order of `classes`; None for a network of fixed classes."""

    @property
    def is_unfamiliar(self) -> bool:
        """Return whether the picture is known to be unlike those that the model was made from."""
        return self.familiarity is not None and self.familiarity < FAMILIAR_FROM

    @property
    def withholds_measures(self) -> bool:
        """Return whether the mask must not be measured, since the picture is unfamiliar and nobody asked for its measures."""
        return self.is_unfamiliar and not self.measures_unfamiliar

    def mask(self, name: str) -> Mask:
        """Return the mask of the class `name`, (H, W) bool. Raises UnknownClass."""
        return np.equal(self.labels, self._label(name))

    def area_px(self, name: str) -> int:
        """Return the area of the class `name` in pixels. Raises UnknownClass."""
        return int(np.count_nonzero(self.mask(name)))

    def area_mm2(self, name: str) -> float:
        """Return the area of the class `name` in mm2. Raises UnknownClass, SpacingUnknown, UnfamiliarPicture."""
        if self.withholds_measures:
            raise UnfamiliarPicture(
                "the picture is unfamiliar to the model, so that nothing is measured in it: use a model for what it shows, or "
                "ask for its measures with --measure-unfamiliar"
            )
        if self.spacing_mm is None:
            raise SpacingUnknown("the pixel size is unknown: give --spacing MM, or use a source that carries it")
        return self.area_px(name) * self.spacing_mm[0] * self.spacing_mm[1]

    def contours(self) -> dict[str, tuple[Contour, ...]]:
        """Return the polygons around the regions and the holes of each class, see `rtseg.contour.trace_contours`.

        Each polygon is (N, 2) float32: row and column in pixels of the frame; the middle of the first pixel is (0, 0). A class
        that is absent has none.
        """
        return {name: trace_contours(self.mask(name)) for name in self.classes}

    def to_dict(self) -> dict[str, Any]:
        """Return what is known of the frame, but for the pixels, as plain values that JSON holds; None for what is unknown.

        The areas are None where they are withheld, since the picture is unfamiliar, and for an object that is lost.
        """
        return {
            "life": self.life.value,
            "reason": self.reason,
            "familiarity": _finite(self.familiarity),
            "unfamiliar": self.is_unfamiliar,
            "doubt": self.doubt,
            "spacing_mm": list(self.spacing_mm) if self.spacing_mm else None,
            "spacing_from": self.spacing_from or None,
            "pixel_aspect": self.pixel_aspect,
            "classes": {name: self._class_values(i) for i, name in enumerate(self.classes)},
            **self.measured_values(),
        }

    def measured_values(self) -> dict[str, Any]:
        """Return {"measures": ...}, with "cycle" where a measure follows the heart beat, and "objects" where a user points."""
        return {
            "measures": {one.name: one.to_json() for one in self.measures},
            **({"cycle": self.cycle.to_json()} if self.cycle else {}),
            **({} if self.objects is None else {"objects": {name: asdict(one) for name, one in self.objects.items()}}),
        }

    def _class_values(self, index: int) -> dict[str, Any]:
        name, lost = self.classes[index], self.objects and self.objects.get(self.classes[index])
        is_measured = not (self.withholds_measures or (lost and lost.lost))
        known = {
            "confidence": _finite(self.confidence[index]),
            "uncertainty": _finite(self.uncertainty[index]) if self.uncertainty else None,
            "area_px": self.area_px(name) if is_measured else None,
        }
        return known | {"area_mm2": self.area_mm2(name) if is_measured and self.spacing_mm else None}

    def _label(self, name: str) -> int:
        if name not in self.classes:
            raise UnknownClass(f"no class {name!r}: the model has {', '.join(self.classes)}")
        return self.classes.index(name) + 1


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def check_image(image: Image) -> None:
    """Raise ImageError unless `image` is a non-empty uint8 (H, W) or (H, W, 3) array."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        raise ImageError(f"an image is a uint8 array, not {getattr(image, 'dtype', type(image).__name__)}: scale it to 0..255")
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3) or 0 in image.shape:
        raise ImageError(f"an image is (H, W) or (H, W, 3) and not empty, not {image.shape}")

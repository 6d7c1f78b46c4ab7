"""Draw a result: its classes in color over its frame, with the text that a viewer needs."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from rtseg.cycle_state import CycleState
from rtseg.errors import ConfigError, ImageError
from rtseg.frame import Image, Labels, Life, Segmentation
from rtseg.kernels import blend, inner_contour
from rtseg.kernels.labels.inner_contour import MAX_WIDTH
from rtseg.kernels.runtime.arrays import check_range
from rtseg.measure.region import Measurement, measure
from rtseg.measured_value import MeasuredValue
from rtseg.overlay_text import WHITE, Colour, TextLine, line_height, paste, printable, stack_lines, text_scale, wrap_lines
from rtseg.result import Result

# The colors of M. Okabe and K. Ito for color-blind viewers (jfly.uni-koeln.de/color, 2008), without black.
OKABE_ITO: tuple[Colour, ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (204, 121, 167),
    (213, 94, 0),
    (0, 114, 178),
)
NOTICE = "research software, not a medical device"
STATES = {
    Life.NEW: "NEW",
    Life.SPOILT: "SPOILT",
    Life.HELD: "FROZEN",
    Life.CUT: "CUT",
    Life.GAP: "GAP",
    Life.LOST: "NO CONTACT",
}

UNFAMILIAR = "UNFAMILIAR PICTURE"
DOUBTED = "ANSWER IN DOUBT"
LOST_OBJECT = "LOST"
POINT_AT = "point at a structure to follow it"

_CONTOUR_GROWTH = 3  # relative growth of the contour at an entropy of 1 bit, where the border could as well lie elsewhere
_AMBER, _GREY = (255, 200, 60), (150, 150, 150)
_DASH = 8  # pixels of a dash of the contour in an unfamiliar picture, and between two
_NOTICE_FRAMES = 100
_LATE_OPACITY = 0.3  # share of the opacity of a mask that is too old
_FROZEN_FRAMES = 15  # held frames before FROZEN is shown, since a 60 Hz grabber repeats frames of a slow scanner
_MIN_TEXT_SIDE = 64  # pixels; on a smaller frame text would hide the image
_MAX_NAME, _MAX_REASON = 24, 80  # characters


class Overlay:
    """Draws results as (H, W, 3) RGB images. Raises ConfigError.

    In a picture that is unfamiliar to the model, a mask is a dashed gray contour, without color and area.
    opacity: of the area of a class, 0 to 1. contour: width of the opaque border inside the area, in pixels; it grows with the
    uncertainty of the border where that was computed. legend: show the color and area of each class, in mm2 where the spacing
    is known. latency: show the age of the frame, and the frames dropped before it. palette: RGB of each class, repeated where
    it is short. notice: show "not a medical device" on the first frames. oldest_ms: age in milliseconds above which a frame is
    marked LATE and its mask faded, since the anatomy may have moved; None: that of the pipeline, see `Result.is_late`.
    """

    def __init__(
        self,
        opacity: float = 0.4,
        contour: int = 2,
        *,
        legend: bool = True,
        latency: bool = True,
        palette: Sequence[Colour] = OKABE_ITO,
        notice: bool = True,
        oldest_ms: float | None = None,
    ) -> None:
        check_range("the opacity", opacity, 0, 1)
        check_range("the contour's width", contour, 0, MAX_WIDTH)
        self._opacity, self._contour, self._legend, self._latency = opacity, contour, legend, latency
        self._palette = _as_palette(palette)
        self._notice_left = _NOTICE_FRAMES if notice else 0
        self._oldest_ms = oldest_ms
        self._held_frames = 0  # held frames in a row

    def draw(self, result: Result, out: Image | None = None) -> Image:
        """Return the frame with mask and text, (H, W, 3) RGB, in `out` where given; the frame itself stays unchanged.

        Raises ImageError where the labels differ in size from the frame, or `out` shares memory with it.
        """
        image, labels = result.frame.image, result.segmentation.labels
        if out is not None and np.may_share_memory(out, image):
            raise ImageError("out is the frame's own image, which others still read: give an array of its own")
        late = result.is_late if self._oldest_ms is None else result.trace.total_ns / 1e6 > self._oldest_ms
        opacity, contour = (self._opacity * _LATE_OPACITY, 0) if late else (self._opacity, self._contour)
        if result.segmentation.is_unfamiliar:
            picture = blend(image, labels, self._palette, 0, 0, out=out)
            _draw_dashed(picture, labels, len(result.segmentation.classes), max(self._contour, 1))
        else:
            uncertainty = result.segmentation.uncertainty if contour else ()
            picture = blend(image, labels, self._palette, opacity, 0 if uncertainty else contour, out=out)
            for label, entropy in enumerate(uncertainty, start=1):
                self._draw_border(picture, labels, label, round(contour * (1 + _CONTOUR_GROWTH * entropy)))
        late_lines = [TextLine("LATE", _AMBER, large=True)] if late else []
        states = [*self._state_lines(result.segmentation), *_redaction_lines(result)]
        foot = [*late_lines, *self._notice_lines(), *states, *self._latency_lines(result)]
        if min(picture.shape[:2]) >= _MIN_TEXT_SIDE:
            self._draw_text(picture, foot, list(self._legend_lines(result.segmentation)) if self._legend else [])
        return picture

    def _draw_border(self, picture: Image, labels: Labels, label: int, width: int) -> None:
        rim = inner_contour(np.equal(labels, label).view(np.uint8), min(width, MAX_WIDTH))
        picture[rim > 0] = self._palette[(label - 1) % len(self._palette)]

    def _draw_text(self, picture: Image, foot: Sequence[TextLine], legend: Sequence[TextLine]) -> None:
        """Draw the legend from the top down and the other lines from the bottom up, so that they never overlap."""
        height, width = picture.shape[:2]
        scale = text_scale(height, width)
        footer = stack_lines(wrap_lines(foot, scale, width), scale)
        free_rows = max(0, height - len(footer))
        paste(picture[height - min(len(footer), height) :], footer)
        legend_block = stack_lines(_first_lines(legend, free_rows // line_height(scale)), scale)
        paste(picture[:free_rows], legend_block)

    def _notice_lines(self) -> Iterator[TextLine]:
        if self._notice_left:
            self._notice_left -= 1
            yield TextLine(NOTICE)

    def _state_lines(self, segmentation: Segmentation) -> Iterator[TextLine]:
        """Yield the state of the frame and its reason, unless the stream just goes on."""
        life = segmentation.life
        if segmentation.is_unfamiliar:
            yield TextLine(UNFAMILIAR, _AMBER, large=True)
        if segmentation.doubt:
            yield TextLine(DOUBTED, _AMBER, large=True)
            yield TextLine(printable(segmentation.doubt, _MAX_REASON), _AMBER)
        yield from _object_lines(segmentation)
        self._held_frames = self._held_frames + 1 if life is Life.HELD else 0
        if life is Life.LIVE or 0 < self._held_frames < _FROZEN_FRAMES:
            return
        yield TextLine(STATES[life], _AMBER, large=True)
        if segmentation.reason:
            yield TextLine(printable(segmentation.reason, _MAX_REASON), _AMBER)

    def _latency_lines(self, result: Result) -> Iterator[TextLine]:
        if self._latency:
            drops = f"   {result.dropped} dropped" if result.dropped else ""
            yield TextLine(f"{result.trace.total_ns / 1e6:.1f} ms{drops}")

    def _legend_lines(self, segmentation: Segmentation) -> Iterator[TextLine]:
        """Yield a line for each class with its area, and one for each other measure."""
        for i, measurement in enumerate(measure(segmentation)):
            red, green, blue = self._palette[i % len(self._palette)].tolist()
            yield TextLine(_legend_text(measurement), swatch=(red, green, blue))
        for one in segmentation.measures:
            if one.name.partition(":")[0] != "area":
                yield TextLine(_measure_text(one))
        if segmentation.cycle and segmentation.cycle.latest:
            yield TextLine(_cycle_text(segmentation.cycle))


def _first_lines(lines: Sequence[TextLine], rows: int) -> Sequence[TextLine]:
    """Return the lines that fit into some rows; where they do not, the last one counts those left out."""
    if len(lines) <= rows or rows < 1:
        return lines[: max(0, rows)]
    return [*lines[: rows - 1], TextLine(f"+ {len(lines) - rows + 1} more")]


def _object_lines(segmentation: Segmentation) -> Iterator[TextLine]:
    """Yield the objects that are lost, or what to do while none is followed."""
    if segmentation.objects == {}:
        yield TextLine(POINT_AT, _AMBER)
    lost = [name for name, one in (segmentation.objects or {}).items() if one.lost]
    if lost:
        yield TextLine(LOST_OBJECT, _AMBER, large=True)
        yield TextLine(printable(", ".join(lost), _MAX_REASON), _AMBER)


def _redaction_lines(result: Result) -> Iterator[TextLine]:
    """Yield the mode of redaction and its counts; in AUTO only where a viewer would wonder, or must beware."""
    redaction = result.redaction
    if redaction is None:
        return
    if redaction.is_withheld:
        yield TextLine("WITHHELD", _AMBER, large=True)
    text = f"redaction {redaction.mode}, sector {redaction.sector}: {redaction.withheld} withheld, {redaction.exposed} exposed"
    yield TextLine(text, _AMBER if redaction.exposed or redaction.is_withheld else WHITE)


def _draw_dashed(picture: Image, labels: Labels, classes: int, width: int) -> None:
    """Draw the contour of each class as gray dashes, which a checkerboard cuts in every direction."""
    down, along = (np.arange(side) // _DASH & 1 for side in labels.shape)
    for label in range(1, classes + 1):
        rim = inner_contour(np.equal(labels, label).view(np.uint8), min(width, MAX_WIDTH))
        rows, columns = np.nonzero(rim)
        shown = down[rows] != along[columns]
        picture[rows[shown], columns[shown]] = _GREY


def _as_palette(colours: Sequence[Colour]) -> npt.NDArray[np.uint8]:
    """Convert a list of colors to (K, 3) uint8. Raises ConfigError."""
    palette = np.asarray(colours)
    if palette.ndim != 2 or palette.shape[1] != 3 or not len(palette) or palette.min() < 0 or palette.max() > 255:
        raise ConfigError("the palette is not a list of (red, green, blue), each 0 to 255: give one for each class")
    return palette.astype(np.uint8)


def _measure_text(measured: MeasuredValue) -> str:
    """Return a measure with its unit and range; a dash where it is withheld."""
    name = printable(measured.name.replace("_", " ").replace(":", " "), _MAX_NAME)
    if measured.value is None:
        return f"{name}  -"
    text = f"{name}  {measured.value:.1f} {measured.unit}".rstrip()
    known = measured.low is not None and measured.high is not None
    return f"{text} ({measured.low:.1f} to {measured.high:.1f})" if known else text


def _cycle_text(cycle: CycleState) -> str:
    """Return the heart rate, and the frames of the newest moments, which lie some frames back."""
    rate = f"heart rate  {cycle.heart_rate:.0f} / min   " if cycle.heart_rate else ""
    marks = sorted((cycle.latest or {}).values(), key=lambda mark: mark.index)
    return rate + "   ".join(f"{mark.moment} frame {mark.index}" for mark in marks)


def _legend_text(measurement: Measurement) -> str:
    name = printable(measurement.name, _MAX_NAME)
    if not measurement.area_px:
        return f"{name}  -"
    return f"{name}  {measurement.area_px} px" if measurement.area_mm2 is None else f"{name}  {measurement.area_mm2:.1f} mm2"

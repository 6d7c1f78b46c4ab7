"""Find text in pictures with PP-OCR's detection network, run by OpenVINO.

The network gives each pixel the probability that it lies in the core of a line of text: "differentiable binarization" (M. Liao
et al., Real-time Scene Text Detection with Differentiable Binarization, AAAI 2020). The cores are grown back to lines here.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from threading import Lock
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.engines.openvino import compile_network, read_network
from rtseg.errors import EngineError
from rtseg.frame import Image

MODEL = Path(__file__).with_name("ch_PP-OCRv4_det_infer.onnx")

Probability: TypeAlias = npt.NDArray[np.float32]  # (H, W), 0 to 1
Find: TypeAlias = Callable[[Image], Probability]

_HEIGHTS = (960, 480, 240)  # pixels to which a picture is scaled: for letters of a sixtieth of its height, and for large ones
_MAX_SCALE = 2.0  # a smaller picture is not enlarged further: letters of 8 pixels are then 16 high
_MAX_SIDE = 2560  # pixels of the longer side
_MAX_SIZES = 8  # sizes of pictures for which the network is compiled at one time
_STRIDE = 32  # the network halves a picture five times
_CORE = 0.25  # probability at which a pixel belongs to a core; low, since a missed name costs more than a black spot
_MIN_CORE_PIXELS = 6  # smaller cores are noise
_CONFIRMED_HEIGHTS = 8, 64  # pixels: a core this high at another scale must be there too; echoes are taken for text at one only
_CONFIRMED = 0.3  # mean probability of a core at that scale
_LARGE, _LARGE_CONFIRMED = 0.125, 0.15  # share of the picture's height: so high a line is there at every scale it fits
_LARGEST, _LETTERS_PX = 0.3, 64  # higher than this share and this many pixels it is no line but tissue
_GROWTH = 1.8  # a core was trained to be shrunk by its area over its perimeter, times about this
_MARGIN = 0.2  # of a line's height, added on every side: ascenders, accents and shadows of letters


class TextDetector:
    """Finds lines of text of any script and color, also rotated ones, in the pictures of one size or of several.

    threads: of OpenVINO; 0 lets it choose. Raises ModelError, EngineError.
    """

    def __init__(self, threads: int = 0) -> None:
        self._threads = threads
        self._compiled: dict[tuple[int, int], Find] = {}
        self._lock = Lock()  # a compiled network runs one picture at a time

    def detect(self, image: Image) -> Image:
        """Return a mask (H, W) uint8 of a picture (H, W) or (H, W, 3): 255 on lines of text with a margin, else 0.

        Raises EngineError.
        """
        color = np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2RGB) if image.ndim == 2 else image, np.uint8)
        mask = np.zeros(image.shape[:2], np.uint8)
        found = {scale: self._probability(_resized(color, scale)) for scale in _scales(image.shape[0], image.shape[1])}
        for scale, probability in found.items():
            for core in _cores(probability):
                if _is_line(core, scale, found, image.shape[0]):
                    corners = cv2.boxPoints((core.center, core.line, core.angle)) / scale
                    cv2.fillConvexPoly(mask, np.round(corners).astype(np.int32), 255)
        return mask

    def _probability(self, color: Image) -> Probability:
        """Return the probability of text at each pixel of a picture (H, W, 3)."""
        height, width = color.shape[:2]
        padded = -(-height // _STRIDE) * _STRIDE, -(-width // _STRIDE) * _STRIDE
        canvas = cv2.copyMakeBorder(color, 0, padded[0] - height, 0, padded[1] - width, cv2.BORDER_REPLICATE)
        with self._lock:
            find = self._compiled.pop(padded, None) or _compile(padded, self._threads)
            self._compiled[padded] = find  # the newest last
            if len(self._compiled) > _MAX_SIZES:
                del self._compiled[next(iter(self._compiled))]
            try:
                return find(np.asarray(canvas, np.uint8))[:height, :width]
            except RuntimeError as error:
                raise EngineError(f"the text detector failed ({error}): what it would judge stays black") from error


def _scales(height: int, width: int) -> list[float]:
    """Return the factors at which a picture is searched."""
    largest = min(_MAX_SCALE, _MAX_SIDE / max(height, width))
    return sorted({min(largest, target / height) for target in _HEIGHTS})


def _resized(color: Image, scale: float) -> Image:
    size = max(1, round(color.shape[1] * scale)), max(1, round(color.shape[0] * scale))
    return np.asarray(cv2.resize(color, size, interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA), np.uint8)


def _compile(size: tuple[int, int], threads: int) -> Find:
    model = _network().clone()
    model.reshape([1, 3, *size])
    return partial(_infer, compile_network(model, MODEL, threads).create_infer_request())


@cache
def _network() -> Any:
    """Read the network once, since its check costs as much as a search."""
    return read_network(MODEL)


def _infer(request: Any, color: Image) -> Probability:
    """Run the network on a picture (H, W, 3), scaled to -1..1 as in its training; the order of its channels is BGR."""
    x = cv2.dnn.blobFromImage(color, 1 / 127.5, mean=(127.5, 127.5, 127.5), swapRB=True)
    request.infer({0: x})
    return np.array(request.get_output_tensor(0).data[0, 0], np.float32)


@dataclass(frozen=True, slots=True)
class _Core:
    """Holds the core of a line of text, in pixels of its scale."""

    center: tuple[float, float]  # x, y
    sides: tuple[float, float]
    angle: float  # of the first side, in degrees

    @property
    def height(self) -> float:
        """Return the shorter side."""
        return min(self.sides)

    @property
    def line(self) -> tuple[float, float]:
        """Return the sides of the line that the core was shrunk from, with a margin."""
        width, height = self.sides
        growth = _GROWTH * width * height / (width + height) / 2
        margin = 2 * (growth + _MARGIN * (self.height + 2 * growth))
        return width + margin, height + margin


def _cores(probability: Probability) -> Iterator[_Core]:
    contours, _ = cv2.findContours((probability >= _CORE).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    for contour in contours:
        if len(contour) >= _MIN_CORE_PIXELS:
            (x, y), (width, height), angle = cv2.minAreaRect(contour)
            yield _Core((x, y), (width + 1, height + 1), angle)


def _is_line(core: _Core, scale: float, found: Mapping[float, Probability], rows: int) -> bool:
    """Return whether a core is there at another scale, too, or is of no size at which it must be.

    rows: the picture's height. Letters inside a core that is too large for a line have cores of their own at a larger scale.
    """
    height = min(core.line) / scale
    if height > max(_LARGEST * rows, _LETTERS_PX):
        return False
    least, most = _CONFIRMED_HEIGHTS
    sizes = {other: core.height * other / scale for other in found if other != scale}
    seen = {other: _mean_inside(core, other / scale, found[other]) for other, size in sizes.items() if size >= least}
    if height > max(_LARGE * rows, _LETTERS_PX) and any(there < _LARGE_CONFIRMED for there in seen.values()):
        return False
    fitting = [there for other, there in seen.items() if sizes[other] <= most]
    return not fitting or max(fitting) >= _CONFIRMED


def _mean_inside(core: _Core, factor: float, probability: Probability) -> float:
    """Return the mean probability inside a core at another scale, which is `factor` times its own."""
    sides = core.sides[0] * factor, core.sides[1] * factor
    corners = cv2.boxPoints(((core.center[0] * factor, core.center[1] * factor), sides, core.angle))
    inside = np.zeros(probability.shape, np.uint8)
    cv2.fillConvexPoly(inside, np.round(corners).astype(np.int32), 1)
    return float(cv2.mean(probability, inside)[0])

"""Pictures to filter: a phantom in speckle whose truth is known, and real frames with an expert's contour."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from rtseg import kernels
from rtseg.errors import ImageError
from rtseg.evaluation.dataset import Case
from rtseg.frame import Image, Mask

Doubles = npt.NDArray[np.float64]

SIDE = 256  # of the phantom, in pixels
BEFORE = 11  # frames of the phantom before the last one
WHITE, RANGE_DB = 40.0, 60.0  # the amplitude that is white, where tissue is 1, and what black lies below it
RAYLEIGH_CENTRE = math.exp((math.log(2) - np.euler_gamma) / 2)  # the geometric mean of a Rayleigh amplitude of scale 1
BLOCK, DETAIL = 41, 9  # pixels: a block of tissue, and the means that should not vary inside it
TISSUE = 30.0  # grey levels: what is darker is blood, shadow or nothing


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture and where to look.

    kind: pictures of one kind share a row. image: (H, W) uint8; uniform, inside, outside: (H, W) bool, tissue of one texture
    and both sides of a border. truth: the picture without speckle, where known. before: earlier frames of the same scene.
    """

    kind: str
    image: Image
    uniform: Mask
    inside: Mask
    outside: Mask
    truth: Image | None = None
    before: tuple[Image, ...] = ()


def phantom(grain_px: tuple[float, float], seed: int = 0) -> Picture:
    """A vessel, lesions and thin reflectors in fully developed speckle, log-compressed as B-mode is (Wagner et al. 1983).

    grain_px: the deviation of the point spread, down and along; frames differ in their speckle alone.
    """
    tissue, y, x = _tissue(), *np.indices((SIDE, SIDE)) / SIDE
    rng = np.random.default_rng(seed)
    frames = tuple(_compressed(tissue * _speckle(grain_px, rng)) for _ in range(BEFORE + 1))
    radius = np.hypot(y - 0.35, x - 0.35)
    return Picture(
        f"phantom, grain {grain_px[0]:g} x {grain_px[1]:g} px",
        frames[-1],
        uniform=(y > 0.72) & (y < 0.95) & (x > 0.08) & (x < 0.45),
        inside=radius < 0.13,
        outside=(radius > 0.22) & (radius < 0.28),
        truth=_compressed(tissue * RAYLEIGH_CENTRE),
        before=frames[:-1],
    )


def real(case: Case) -> Picture:
    """A frame and the expert's contour; its uniform tissue is found in it. Raises DatasetError, ImageError."""
    image, lumen = case.grey(), case.image_and_labels(1)[1]
    near, far = (cv2.dilate(lumen, _disc(size)) > 0 for size in (17, 49))
    return Picture("real frames", image, _uniform_tissue(image), cv2.erode(lumen, _disc(9)) > 0, far & ~near)


def _tissue() -> Doubles:
    """Amplitudes (SIDE, SIDE): tissue 1, a vessel at -20 dB with a wall, lesions at +8 and -8 dB, thin reflectors."""
    tissue = np.ones((SIDE, SIDE))
    for centre, radius, amplitude in [
        ((0.35, 0.35), 0.18, 3.0),
        ((0.35, 0.35), 0.155, 0.1),
        ((0.3, 0.78), 0.1, 2.5),
        ((0.62, 0.72), 0.1, 0.4),
    ]:
        y, x = np.indices((SIDE, SIDE)) / SIDE - np.reshape(centre, (2, 1, 1))
        tissue[np.hypot(y, x) < radius] = amplitude
    for row, thickness in [(0.82, 1), (0.87, 2), (0.92, 4)]:
        tissue[int(row * SIDE) : int(row * SIDE) + thickness, int(0.55 * SIDE) : int(0.95 * SIDE)] = 6.0
    return tissue


def _speckle(grain_px: tuple[float, float], rng: np.random.Generator) -> Doubles:
    """Rayleigh amplitudes of scale 1: the modulus of a circular complex Gaussian field, as fine as the point spread."""
    down, along = grain_px
    parts = [cv2.GaussianBlur(rng.normal(size=(SIDE, SIDE)), (0, 0), along, sigmaY=down) for _ in range(2)]
    amplitude: Doubles = np.hypot(*parts) / np.std(parts)
    return amplitude


def _compressed(envelope: Doubles) -> Image:
    image: Image = kernels.log_compress(envelope.astype(np.float32), WHITE, RANGE_DB)
    return image


def _disc(size: int) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)


def _uniform_tissue(image: Image) -> Mask:
    """The block whose local means vary least for their height. Raises ImageError."""
    if min(image.shape) < BLOCK:
        raise ImageError(f"uniform tissue is looked for in blocks of {BLOCK} pixels, not in {image.shape}: give a larger frame")
    detail = cv2.boxFilter(image, cv2.CV_64F, (DETAIL, DETAIL))
    mean = cv2.boxFilter(detail, -1, (BLOCK, BLOCK))
    variance = cv2.sqrBoxFilter(detail, -1, (BLOCK, BLOCK)) - mean**2
    unrest = np.full(image.shape, np.inf)
    half = BLOCK // 2
    within = (slice(half, image.shape[0] - half), slice(half, image.shape[1] - half))
    unrest[within] = np.where(mean > TISSUE, variance / np.maximum(mean, 1) ** 2, np.inf)[within]
    if not np.isfinite(unrest).any():
        raise ImageError("no block of the frame is brighter than blood: give a frame that shows tissue")
    row, column = np.unravel_index(unrest.argmin(), unrest.shape)
    block = np.zeros(image.shape, np.bool_)
    block[row - half : row + half + 1, column - half : column + half + 1] = True
    return block

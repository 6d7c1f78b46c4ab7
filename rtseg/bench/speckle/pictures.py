"""Makes pictures to filter: a speckle phantom with ground truth, and real frames with an expert's contour."""

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
EARLIER_FRAMES = 11  # frames of the phantom before the last one
WHITE, RANGE_DB = 40.0, 60.0  # amplitude shown as white, where tissue is 1, and the dynamic range down to black
RAYLEIGH_CENTRE = math.exp((math.log(2) - np.euler_gamma) / 2)  # the geometric mean of a Rayleigh amplitude of scale 1
BLOCK, DETAIL = 41, 9  # pixels: side of a tissue block, and of the local means that should not vary inside it
MIN_TISSUE_LEVEL = 30.0  # gray level below which a block shows blood, shadow or nothing


@dataclass(frozen=True, slots=True)
class SpeckleImage:
    """Holds one picture with the regions in which quality is measured."""

    kind: str  # pictures of one kind share a row of the report
    image: Image  # (H, W) uint8
    uniform: Mask  # (H, W) bool: tissue of one texture
    inside: Mask  # (H, W) bool: one side of a border
    outside: Mask  # (H, W) bool: the other side of it
    truth: Image | None = None  # (H, W) uint8: the picture without speckle, if known
    before: tuple[Image, ...] = ()  # earlier frames of the same scene, (H, W) uint8 each


def speckle_phantom(grain_px: tuple[float, float], seed: int = 0) -> SpeckleImage:
    """Simulate a vessel, lesions and thin reflectors in fully developed, log-compressed speckle (Wagner et al. 1983).

    grain_px: standard deviation of the point spread function in pixels, (down, along). Frames differ in their speckle only.
    """
    tissue, y, x = _tissue(), *np.indices((SIDE, SIDE)) / SIDE
    rng = np.random.default_rng(seed)
    frames = tuple(_compressed(tissue * _speckle(grain_px, rng)) for _ in range(EARLIER_FRAMES + 1))
    radius = np.hypot(y - 0.35, x - 0.35)
    return SpeckleImage(
        f"phantom, grain {grain_px[0]:g} x {grain_px[1]:g} px",
        frames[-1],
        uniform=(y > 0.72) & (y < 0.95) & (x > 0.08) & (x < 0.45),
        inside=radius < 0.13,
        outside=(radius > 0.22) & (radius < 0.28),
        truth=_compressed(tissue * RAYLEIGH_CENTRE),
        before=frames[:-1],
    )


def annotated_frame(case: Case) -> SpeckleImage:
    """Return a real frame with regions from the expert's contour and an automatically found block of uniform tissue.

    Raises DatasetError, ImageError.
    """
    image, lumen = case.grey(), case.image_and_labels(1)[1]
    near, far = (cv2.dilate(lumen, _disc(size)) > 0 for size in (17, 49))
    return SpeckleImage("real frames", image, _uniform_tissue(image), cv2.erode(lumen, _disc(9)) > 0, far & ~near)


def _tissue() -> Doubles:
    """Return amplitudes (SIDE, SIDE): tissue 1, a vessel at -20 dB with a wall, lesions at +8 and -8 dB, thin reflectors."""
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
    """Return Rayleigh amplitudes of scale 1, (SIDE, SIDE): the modulus of a complex Gaussian field with this grain."""
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
    """Return the mask of the block whose local means have the smallest relative variance. Raises ImageError."""
    if min(image.shape) < BLOCK:
        raise ImageError(f"uniform tissue is looked for in blocks of {BLOCK} pixels, not in {image.shape}: give a larger frame")
    detail = cv2.boxFilter(image, cv2.CV_64F, (DETAIL, DETAIL))
    mean = cv2.boxFilter(detail, -1, (BLOCK, BLOCK))
    variance = cv2.sqrBoxFilter(detail, -1, (BLOCK, BLOCK)) - mean**2
    unrest = np.full(image.shape, np.inf)
    half = BLOCK // 2
    within = (slice(half, image.shape[0] - half), slice(half, image.shape[1] - half))
    unrest[within] = np.where(mean > MIN_TISSUE_LEVEL, variance / np.maximum(mean, 1) ** 2, np.inf)[within]
    if not np.isfinite(unrest).any():
        raise ImageError("no block of the frame is brighter than blood: give a frame that shows tissue")
    row, column = np.unravel_index(unrest.argmin(), unrest.shape)
    block = np.zeros(image.shape, np.bool_)
    block[row - half : row + half + 1, column - half : column + half + 1] = True
    return block

"""What a few frames tell of where the ultrasound is: it is textured, solid, and it moves; letters and menus do not."""

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.frame import Image, Mask

Grey = npt.NDArray[np.uint8]  # (H, W)
Flags = npt.NDArray[np.uint8]  # (H, W), 0 or 1: what OpenCV takes for bool

_THUMB_SIDE = 320  # pixels; letters of a scanner's menu are then 3 to 6 high, and their strokes no wider than 2
_LONGEST = 1280  # pixels: a larger frame is looked at in every second or third pixel
_SOLID_SIDE = 9  # pixels of the thumbnail: wider than a line of letters is dense
_SOLID = 0.6  # of that square is lit: tissue is above, lines of text are below
_LARGE = 0.2  # of the largest region: a shadow can split the tissue in two
_MOVED = 3  # grey levels between the brightest and the darkest a pixel was: more than a coder's noise
_MOVING = 0.1  # of that square moved: tissue speckles, a menu stands
_ENOUGH_MOTION = 0.02  # of the frame's pixels: less tells nothing, the probe is still or the scanner frozen
_FLAT_SIDE, _FLAT, _BRIGHT = 7, 1.0, 8  # pixels of the thumbnail; standard deviation and mean in grey levels
_TITLE = 0.3  # of a row is flat: the bar with the title
_DARKEST = 0.02  # of the pixels show the ground, wherever a sector leaves room for it
_DARK = 24  # grey levels: a screen whose ground is brighter has a coloured ground


def step_of(height: int, width: int, longest: int = _THUMB_SIDE) -> int:
    """Each how many pixels one is taken, so that the longer side has `longest` at the most."""
    return min(height, width, -(-max(height, width) // longest))


def sampled(image: Image, step: int) -> Grey:
    """Every step-th pixel in grey: taking the mean would cost more, and would smooth the speckle away."""
    height, width = image.shape[0] // step, image.shape[1] // step
    samples = cv2.resize(image[: height * step, : width * step], (width, height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(samples if image.ndim == 2 else cv2.cvtColor(samples, cv2.COLOR_RGB2GRAY), np.uint8)


def thumbnail(image: Image) -> Grey:
    """What is looked at in every frame."""
    return sampled(image, step_of(image.shape[0], image.shape[1]))


class Evidence:
    """The brightest that each pixel was in the frames so far, and where anything moved.

    size: (H, W) of the frames. step: each how many of their pixels one is in `brightest`: edges are looked for with a reach in
    pixels, and a large screen has no sharper ones.
    """

    def __init__(self, image: Image) -> None:
        self.size = (image.shape[0], image.shape[1])
        self.step = step_of(*self.size, _LONGEST)
        self.brightest = sampled(image, self.step)
        self._darkest = thumbnail(self.brightest)
        self.frames = 1

    def add(self, image: Image) -> None:
        """Look at another frame of the same size."""
        grey = sampled(image, self.step)
        self.brightest = np.maximum(self.brightest, grey)
        self._darkest = np.minimum(self._darkest, thumbnail(grey))
        self.frames += 1

    def moving(self) -> Mask | None:
        """Where the thumbnail is in motion; None where so little is that it tells nothing."""
        moved = (cv2.subtract(thumbnail(self.brightest), self._darkest) >= _MOVED).astype(np.uint8)
        return _share(moved) >= _MOVING if moved.mean() >= _ENOUGH_MOTION else None


def ground_of(thumb: Grey) -> int:
    """The grey level of the screen behind everything: of the rim where that has one colour, else of the darkest pixels."""
    rim = np.concatenate([thumb[0], thumb[-1], thumb[:, 0], thumb[:, -1]])
    counts = np.bincount(rim, minlength=256)
    level = int(counts.argmax())
    if level > _DARK and counts[level] > rim.size // 2:
        return level
    shares = np.cumsum(np.bincount(thumb.ravel(), minlength=256)) / thumb.size
    return int(np.searchsorted(shares, _DARKEST))


def above_ground(grey: Grey, ground: int) -> Grey:
    """How far each pixel is from the ground of the screen, in grey levels; on a dark ground, how far above it."""
    levels = np.arange(256) - ground
    table = np.abs(levels) if ground > _DARK else levels.clip(0)
    return np.asarray(cv2.LUT(grey, table.astype(np.uint8)), np.uint8)


def tissue(lit: Flags) -> Flags:
    """The lit pixels of the large, solid regions of a thumbnail, (h, w); all 0 where there is none."""
    dense = _share(lit) >= _SOLID
    _, regions, stats, _ = cv2.connectedComponentsWithStats(dense.astype(np.uint8))
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0  # what is not dense
    large = (areas > 0) & (areas >= _LARGE * areas.max())
    # The square reaches across an edge by less than half its side: the pixels between belong to the region.
    grown = cv2.dilate(large[regions].astype(np.uint8), np.ones((7, 7), np.uint8))
    return np.asarray(cv2.bitwise_and(grown, lit), np.uint8)


def panels(above: Grey) -> Mask:
    """Where the thumbnail is bright and flat, as no speckle is: bars and boxes of the screen."""
    thumb = thumbnail(above).astype(np.float32)
    mean, square = cv2.blur(thumb, (_FLAT_SIDE, _FLAT_SIDE)), cv2.blur(thumb * thumb, (_FLAT_SIDE, _FLAT_SIDE))
    flat: Mask = (square - mean * mean < _FLAT**2) & (mean >= _BRIGHT)
    return cv2.dilate(flat.astype(np.uint8), np.ones((_FLAT_SIDE, _FLAT_SIDE), np.uint8)) > 0


def title_bars(panels: Mask) -> Mask:
    """The rows at the top and at the bottom of a thumbnail that are one bar across it, letters and all; tissue may touch it."""
    share = panels.mean(axis=1)
    rows = np.zeros(len(share), np.bool_)
    for way in (slice(None), slice(None, None, -1)):
        if share[way][0] >= _TITLE:
            rows[way] |= np.logical_and.accumulate(share[way] >= _TITLE)
    return np.broadcast_to(rows[:, None], panels.shape)


def lit_at(above: Grey, levels: int) -> Flags:
    """Where the thumbnail of a picture above its ground is lit by `levels` or more, lone dark pixels of the speckle filled."""
    return (cv2.blur(thumbnail(above), (3, 3)) >= levels).astype(np.uint8)


def _share(flags: Flags) -> npt.NDArray[np.float32]:
    """How much is set in the square around each pixel, 0 to 1."""
    square = cv2.boxFilter(flags, cv2.CV_32F, (_SOLID_SIDE, _SOLID_SIDE), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(square, np.float32)

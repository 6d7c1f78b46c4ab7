"""Collect evidence of the ultrasound sector over a few frames: tissue is textured, solid and moving; menus are not."""

import cv2
import numpy as np
import numpy.typing as npt

from rtseg.frame import Image, Mask

GrayImage = npt.NDArray[np.uint8]  # (H, W)
BinaryImage = npt.NDArray[np.uint8]  # (H, W), 0 or 1, the type that OpenCV takes for a mask

_THUMB_SIDE = 320  # pixels; letters of a scanner's menu are then 3 to 6 high, and their strokes no wider than 2
_MAX_SIDE = 1280  # pixels: a larger frame is subsampled by 2 or more
_SOLID_SIDE = 9  # pixels of the thumbnail: higher than a dense line of letters
_SOLID = 0.6  # share of that square that is lit: more in tissue, less in lines of text
_MIN_REGION_SHARE = 0.2  # of the largest region's area: a shadow can split the tissue in two
_MOTION_LEVELS = 3  # gray levels between the brightest and the darkest value of a pixel: more than an encoder's noise
_MIN_MOVING_SHARE = 0.1  # share of that square that moved: more in tissue, whose speckle changes, than in a menu
_MIN_FRAME_MOTION = 0.02  # share of the frame; with less, the probe is still or the scanner frozen
_PANEL_SIDE, _PANEL_DEVIATION, _PANEL_LEVELS = (
    7,
    1.0,
    8,
)  # pixels of the thumbnail; largest deviation and least mean of a panel in gray levels
_TITLE_SHARE = 0.3  # flat share of a row of the title bar
_BACKGROUND_QUANTILE = 0.02  # share of the pixels that show the background, wherever a sector leaves room for it
_MAX_DARK_BACKGROUND = 24  # gray levels: a brighter background is a colored one


def sampling_step(height: int, width: int, longest: int = _THUMB_SIDE) -> int:
    """Return the subsampling step at which the longer side has at most `longest` pixels."""
    return min(height, width, -(-max(height, width) // longest))


def subsample(image: Image, step: int) -> GrayImage:
    """Return every step-th pixel in gray; a mean would cost more and would smooth the speckle away."""
    height, width = image.shape[0] // step, image.shape[1] // step
    samples = cv2.resize(image[: height * step, : width * step], (width, height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(samples if image.ndim == 2 else cv2.cvtColor(samples, cv2.COLOR_RGB2GRAY), np.uint8)


def screen_thumbnail(image: Image) -> GrayImage:
    """Return the thumbnail in which a frame is examined, at most 320 pixels a side."""
    return subsample(image, sampling_step(image.shape[0], image.shape[1]))


class Evidence:
    """Accumulates the brightest value of each pixel over frames, and motion.

    size: (H, W) of the frames. step: the subsampling of `brightest`; edges are searched within a reach in pixels, and those of
    a large screen are not sharper. frames: the number of accumulated frames.
    """

    def __init__(self, image: Image) -> None:
        self.size = (image.shape[0], image.shape[1])
        self.step = sampling_step(*self.size, _MAX_SIDE)
        self.brightest = self.darkest = subsample(image, self.step)
        self.frames = 1

    def add(self, image: Image) -> None:
        """Accumulate another frame of the same size."""
        grey = subsample(image, self.step)
        self.brightest = np.maximum(self.brightest, grey)
        self.darkest = np.minimum(self.darkest, grey)
        self.frames += 1

    def moved(self) -> BinaryImage:
        """Return the pixels of the evidence that changed."""
        return (cv2.subtract(self.brightest, self.darkest) >= _MOTION_LEVELS).astype(np.uint8)

    def motion_mask(self) -> Mask | None:
        """Return the moving pixels of the thumbnail; None where too few move to be meaningful."""
        moved = screen_thumbnail(self.moved())
        return _local_share(moved) >= _MIN_MOVING_SHARE if moved.mean() >= _MIN_FRAME_MOTION else None


def background_level(thumb: GrayImage) -> int:
    """Return the gray level of the screen's background: that of a rim of one color, else of the darkest pixels."""
    rim = np.concatenate([thumb[0], thumb[-1], thumb[:, 0], thumb[:, -1]])
    counts = np.bincount(rim, minlength=256)
    level = int(counts.argmax())
    if level > _MAX_DARK_BACKGROUND and counts[level] > rim.size // 2:
        return level
    shares = np.cumsum(np.bincount(thumb.ravel(), minlength=256)) / thumb.size
    return int(np.searchsorted(shares, _BACKGROUND_QUANTILE))


def above_background(grey: GrayImage, ground: int) -> GrayImage:
    """Return the distance of each pixel from the background, in gray levels; on a dark background, the excess over it."""
    levels = np.arange(256) - ground
    table = np.abs(levels) if ground > _MAX_DARK_BACKGROUND else levels.clip(0)
    return np.asarray(cv2.LUT(grey, table.astype(np.uint8)), np.uint8)


def solid_mask(lit: BinaryImage) -> BinaryImage:
    """Return the pixels of a thumbnail around which most are lit: in tissue, not in lines of letters."""
    return (_local_share(lit) >= _SOLID).astype(np.uint8)


def tissue_mask(lit: BinaryImage) -> BinaryImage:
    """Return the lit pixels of the large, solid regions of a thumbnail (h, w); all 0 where there is none."""
    _, regions, stats, _ = cv2.connectedComponentsWithStats(solid_mask(lit))
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0  # the pixels that are not dense
    large = (areas > 0) & (areas >= _MIN_REGION_SHARE * areas.max())
    # At an edge the square is dense only some pixels inside: the pixels between belong to the region.
    grown = cv2.dilate(large[regions].astype(np.uint8), np.ones((7, 7), np.uint8))
    return np.asarray(cv2.bitwise_and(grown, lit), np.uint8)


def panel_mask(above: GrayImage) -> Mask:
    """Return the pixels of the thumbnail that are bright and flat, unlike speckle: bars and boxes of the screen."""
    thumb = screen_thumbnail(above).astype(np.float32)
    mean, square = cv2.blur(thumb, (_PANEL_SIDE, _PANEL_SIDE)), cv2.blur(thumb * thumb, (_PANEL_SIDE, _PANEL_SIDE))
    flat: Mask = (square - mean * mean < _PANEL_DEVIATION**2) & (mean >= _PANEL_LEVELS)
    return cv2.dilate(flat.astype(np.uint8), np.ones((_PANEL_SIDE, _PANEL_SIDE), np.uint8)) > 0


def title_bar_mask(panels: Mask) -> Mask:
    """Return the rows at the top and bottom of a thumbnail that a bar crosses, letters included; tissue may touch it."""
    share = panels.mean(axis=1)
    rows = np.zeros(len(share), np.bool_)
    for way in (slice(None), slice(None, None, -1)):
        if share[way][0] >= _TITLE_SHARE:
            rows[way] |= np.logical_and.accumulate(share[way] >= _TITLE_SHARE)
    return np.broadcast_to(rows[:, None], panels.shape)


def lit_mask(above: GrayImage, levels: int) -> BinaryImage:
    """Return the pixels of the thumbnail that are `levels` or more above the background; lone dark pixels are filled."""
    return (cv2.blur(screen_thumbnail(above), (3, 3)) >= levels).astype(np.uint8)


def _local_share(flags: BinaryImage) -> npt.NDArray[np.float32]:
    """Return the share of set pixels in the square around each pixel, 0 to 1."""
    square = cv2.boxFilter(flags, cv2.CV_32F, (_SOLID_SIDE, _SOLID_SIDE), borderType=cv2.BORDER_REPLICATE)
    return np.asarray(square, np.float32)

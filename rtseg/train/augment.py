"""Augments pictures, (H, W) float32 in gray levels 0..255, with the settings, artifacts and faults of a scanner."""

import cv2
import numpy as np
import numpy.typing as npt

FloatImage = npt.NDArray[np.float32]  # (H, W)
Rng = np.random.Generator


class ScannerAppearance:
    """Draws random scanner settings for a clip: gain, compression, TGC, haze, resolution, speckle; the same in each frame."""

    def __init__(self, rng: Rng, size: tuple[int, int]) -> None:
        self._curve = _curve(rng)
        self._gain = _tgc(rng, size) * (_smooth(rng, size, 0.25) if rng.random() < 0.5 else np.float32(1))
        self._haze = np.maximum(_smooth(rng, size, rng.uniform(5, 25)) - 1, 0) if rng.random() < 0.3 else None
        self._blur = tuple(rng.uniform(0.3, 1.6, 2)) if rng.random() < 0.4 else None
        self._grain = Speckle(rng, size, rng.uniform(0.05, 0.35)) if rng.random() < 0.5 else None
        self._noise = rng.uniform(1, 5) if rng.random() < 0.3 else 0.0

    def apply(self, image: npt.NDArray[np.uint8], rng: Rng) -> FloatImage:
        """Return a frame (H, W) uint8 as these settings show it, (H, W) float32."""
        picture = cv2.LUT(image, self._curve) * self._gain
        if self._blur:
            picture = cv2.GaussianBlur(picture, (0, 0), self._blur[0], sigmaY=self._blur[1])
        if self._grain:
            picture *= self._grain.next(rng)
        if self._haze is not None:
            picture += self._haze
        if self._noise:
            picture += rng.standard_normal(picture.shape, np.float32) * np.float32(self._noise)
        return np.clip(picture, 0, 255, out=picture)


class Speckle:
    """Generates multiplicative speckle about 1 that decorrelates from frame to frame.

    strength: standard deviation of the factor.
    """

    def __init__(self, rng: Rng, size: tuple[int, int], strength: float) -> None:
        self._size, self._strength = size, np.float32(strength)
        self._correlation = np.float32(rng.uniform(0.3, 0.95))  # correlation between successive frames
        self._spread = rng.uniform(0.8, 2.0), rng.uniform(0.5, 1.2)  # pixels: lateral cells are longer than axial ones
        self._grain = self._fresh(rng)

    def next(self, rng: Rng) -> FloatImage:
        """Return the factor for the next frame, (H, W)."""
        self._grain = self._correlation * self._grain + np.sqrt(1 - self._correlation**2) * self._fresh(rng)
        factor: FloatImage = np.maximum(1 + self._strength * self._grain, 0)
        return factor

    def _fresh(self, rng: Rng) -> FloatImage:
        grain = cv2.GaussianBlur(rng.standard_normal(self._size, np.float32), (0, 0), self._spread[0], sigmaY=self._spread[1])
        return grain / np.float32(grain.std() + 1e-6)


def degrade(picture: FloatImage, rng: Rng, place: tuple[float, float]) -> FloatImage:
    """Corrupt one frame at random: shadow, dropout, noise, blur or wrong gain, at `place` (x, y) or elsewhere."""
    spoil = (_shadow, _dropout, _grains, _smear, _dim)[rng.integers(5)]
    return np.clip(spoil(picture, rng, place), 0, 255)


def border(rng: Rng, size: tuple[int, int]) -> FloatImage:
    """Return a random display area of a scanner, (H, W): 1 inside a rectangle or sector, 0 outside."""
    inside = np.zeros(size, np.float32)
    height, width = size
    left, right = rng.uniform(0, 0.15, 2) * width
    top, bottom = rng.uniform(0, 0.1, 2) * height
    corners = np.array([(left, top), (width - right, top), (width - right, height - bottom), (left, height - bottom)])
    if rng.random() < 0.5:  # a sector, or a linear probe's trapezoid
        corners[:2, 0] += rng.uniform(0, 0.15) * width * np.array((1, -1))
    cv2.fillPoly(inside, [corners.round().astype(np.int32)], 1.0)
    return inside


def _curve(rng: Rng) -> FloatImage:
    """Return random gain, gamma and log compression as one lookup table of 256 gray levels."""
    level = np.linspace(0, 1, 256, dtype=np.float32)
    level = level ** np.float32(np.exp(rng.normal(0, 0.2)))
    squeeze = rng.uniform(0.5, 8) if rng.random() < 0.3 else 0.0
    level = np.log1p(squeeze * level) / np.float32(np.log1p(squeeze)) if squeeze else level
    floor = rng.uniform(-12, 12) if rng.random() < 0.5 else 0.0
    level = 255 * level * np.float32(np.exp(rng.normal(0, 0.3))) + np.float32(floor)
    return np.asarray(np.clip(level, 0, 255), np.float32)


def _tgc(rng: Rng, size: tuple[int, int]) -> FloatImage:
    """Return a random time gain compensation: a factor that changes smoothly with depth, (H, 1)."""
    sliders = np.exp(rng.normal(0, 0.25, (6, 1))).astype(np.float32)
    return np.asarray(cv2.resize(sliders, (1, size[0]), interpolation=cv2.INTER_LINEAR), np.float32)


def _smooth(rng: Rng, size: tuple[int, int], strength: float) -> FloatImage:
    """Return a smooth random variation about 1, (H, W)."""
    nodes = rng.normal(0, strength, (4, 4)).astype(np.float32)
    return np.asarray(1 + cv2.resize(nodes, size[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def _column_bump(picture: FloatImage, centre: float, width: float) -> FloatImage:
    """Return a soft bump over the columns, 1 at its center: (1, W)."""
    x = np.arange(picture.shape[1], dtype=np.float32)
    bump: FloatImage = np.exp(-(((x - centre) / max(width, 1.0)) ** 4)).astype(np.float32)
    return bump[None]


def _shadow(picture: FloatImage, rng: Rng, place: tuple[float, float]) -> FloatImage:
    """Add an acoustic shadow: a band of columns that is dark below a random depth."""
    centre = place[0] if rng.random() < 0.7 else rng.uniform(0, picture.shape[1])
    y = np.arange(picture.shape[0], dtype=np.float32)[:, None]
    below = 1 / (1 + np.exp((rng.uniform(0, 0.5) * picture.shape[0] - y) / 6))
    dark: FloatImage = (
        np.float32(rng.uniform(0.6, 1.0)) * below.astype(np.float32) * _column_bump(picture, centre, rng.uniform(8, 40))
    )
    return picture * (1 - dark)


def _dropout(picture: FloatImage, rng: Rng, place: tuple[float, float]) -> FloatImage:
    """Simulate lost contact of a part of the aperture: whole columns turn nearly black."""
    centre = place[0] + rng.normal(0, 20)
    return picture * (1 - np.float32(rng.uniform(0.7, 1.0)) * _column_bump(picture, centre, rng.uniform(15, 80)))


def _grains(picture: FloatImage, rng: Rng, _place: tuple[float, float]) -> FloatImage:
    """Add strong speckle and electronic noise."""
    grain = Speckle(rng, (picture.shape[0], picture.shape[1]), rng.uniform(0.4, 0.8)).next(rng)
    return picture * grain + rng.standard_normal(picture.shape, np.float32) * np.float32(rng.uniform(2, 15))


def _smear(picture: FloatImage, rng: Rng, _place: tuple[float, float]) -> FloatImage:
    """Blur the picture, as motion and low resolution do."""
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(1.5, 6), sigmaY=rng.uniform(1, 3)), np.float32)


def _dim(picture: FloatImage, rng: Rng, _place: tuple[float, float]) -> FloatImage:
    """Scale the gain until the picture is dark or saturated."""
    return picture * np.float32(np.exp(rng.choice((-1, 1)) * rng.uniform(0.5, 1.6)))

"""Move tissue in the coordinates of the beams: made-up speckle and structures, or a real picture."""

import math
from pathlib import Path

import cv2
import numpy as np

from rtseg.errors import SourceNotFound
from rtseg.frame import Image
from rtseg.sources.synthetic.geometry import Grid

_SAMPLES, _BEAMS = 384, 256
_SUFFIXES = {".png", ".jpg", ".jpeg"}


class MovingTissue:
    """Draws frames of tissue (samples, beams), uint8. gain_db: added to every echo. still: it does not move."""

    def __init__(
        self, rng: np.random.Generator, gain_db: float = 0.0, *, still: bool = False, real: Image | None = None
    ) -> None:
        self._gain_db, self.is_still, self._real = gain_db, still, real
        self._range_db, self._floor = rng.uniform(45, 70), rng.uniform(-75, -45)
        self._structure = _structure(rng)
        spread = (rng.uniform(0.8, 1.6), rng.uniform(1.2, 3.0))
        self._first, self._second = _field(rng, spread), _field(rng, spread)
        self._rate, self._sway, self._phase = rng.uniform(0.05, 0.6), rng.uniform(0.5, 5), rng.uniform(0, 6)
        self._noise_seed = int(rng.integers(1 << 31))

    def frame(self, index: int) -> Image:
        """Return the tissue of a frame."""
        index = 0 if self.is_still else index
        turn = self._rate * index
        echo = np.abs(self._first * math.cos(turn) + self._second * math.sin(turn))
        across, along = self._sway * math.sin(0.21 * index + self._phase), 0.6 * self._sway * math.sin(0.17 * index)
        shift = np.array([[1, 0, across], [0, 1, along]], np.float32)
        if self._real is not None:
            moved = cv2.warpAffine(self._real, shift, (_BEAMS, _SAMPLES), borderMode=cv2.BORDER_REPLICATE)
            levels = np.clip(moved * (0.86 + 0.12 * echo) * 10 ** (self._gain_db / 40), 0, 255)
            return np.asarray(levels, np.uint8)
        structure = cv2.warpAffine(self._structure, shift, (_BEAMS, _SAMPLES), borderMode=cv2.BORDER_REPLICATE)
        noise = np.random.default_rng((self._noise_seed, index)).rayleigh(10 ** (self._floor / 20), echo.shape)
        echo = np.maximum(echo * 10 ** (structure / 20) + noise, 1e-6)
        levels = 255 * (20 * np.log10(echo) + self._gain_db - 10 + self._range_db) / self._range_db
        return np.asarray(np.clip(levels, 0, 255), np.uint8)


def real_pictures(folder: Path) -> list[Path]:
    """Return the pictures of a folder, masks left out. Raises SourceNotFound where there is none."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES and "masks" not in path.parts)
    if not found:
        raise SourceNotFound(f"{folder} holds no picture: give a folder of PNG or JPEG pictures of ultrasound")
    return found


def read_tissue(path: Path, rng: np.random.Generator) -> Image:
    """Return the middle of a real picture as tissue (samples, beams). Raises SourceNotFound."""
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if picture is None:
        raise SourceNotFound(f"{path} is no picture: give PNG or JPEG")
    height, width = picture.shape
    top, left = int(rng.uniform(0.12, 0.25) * height), int(rng.uniform(0.2, 0.3) * width)
    part = picture[top : height - top, left : width - left]
    part = part[:, ::-1] if rng.random() < 0.5 else part
    return np.asarray(cv2.resize(part, (_BEAMS, _SAMPLES), interpolation=cv2.INTER_LINEAR), np.uint8)


def _field(rng: np.random.Generator, spread: tuple[float, float]) -> "np.ndarray[tuple[int, ...], np.dtype[np.complex64]]":
    """Return blurred complex noise of unit mean power."""
    parts = [
        cv2.GaussianBlur(rng.standard_normal((_SAMPLES, _BEAMS)).astype(np.float32), (0, 0), spread[1], sigmaY=spread[0])
        for _ in range(2)
    ]
    field = parts[0] + 1j * parts[1]
    return np.asarray(field / np.sqrt(np.mean(np.abs(field) ** 2)), np.complex64)


def _structure(rng: np.random.Generator) -> Grid:
    """Return the echo strength in dB: layers, cysts, bright interfaces, shadows, attenuation."""
    rows, columns = np.mgrid[:_SAMPLES, :_BEAMS].astype(np.float32)
    wave = sum(rng.uniform(0, 14) * np.sin(columns * rng.uniform(0.005, 0.04) + rng.uniform(0, 6)) for _ in range(3))
    edges = np.sort(rng.uniform(0, _SAMPLES, int(rng.integers(1, 7))))
    levels = rng.uniform(-22, 2, len(edges) + 1)
    found = levels[np.searchsorted(edges, (rows + wave).ravel())].reshape(rows.shape).astype(np.float32)
    for edge in edges:
        found += rng.uniform(0, 22) * np.exp(-(((rows + wave - edge) / rng.uniform(1.5, 5)) ** 2))
    for _ in range(int(rng.integers(0, 6))):
        y, x, high, wide = rng.uniform(0, _SAMPLES), rng.uniform(0, _BEAMS), rng.uniform(12, 90), rng.uniform(8, 70)
        inside = ((rows - y) / high) ** 2 + ((columns - x) / wide) ** 2 < 1
        found = np.where(inside, found + rng.choice([-45, -12, 8], p=[0.5, 0.3, 0.2]), found)
    for _ in range(int(rng.integers(0, 4))):
        x, wide, start = rng.uniform(0, _BEAMS), rng.uniform(3, 40), rng.uniform(0, 0.7) * _SAMPLES
        found -= rng.uniform(8, 50) * (np.abs(columns - x) < wide) * (rows > start)
    found += 14 * np.exp(-rows / rng.uniform(3, 12)) - rng.choice([0.0, rng.uniform(5, 45)]) * rows / _SAMPLES
    return np.asarray(cv2.GaussianBlur(found.astype(np.float32), (0, 0), 1.5), np.float32)

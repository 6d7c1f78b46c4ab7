"""Simulates layered tissue full of scatterers."""

import math

import numpy as np

from rtseg.sources.synthetic.geometry import Grid, ScanView, Transducer

CYCLE_S = 9.0  # period in which the speckle changes into another pattern and back

_MARGIN = 0.25  # of width and depth: tissue beyond the image, since the probe drifts


class Tissue:
    """Holds two patterns of fully developed speckle and a map of echo strengths, over the beams' coordinates.

    Each pattern is complex Gaussian noise blurred by the point spread function, so that its amplitude is Rayleigh; the
    arrays are periodic. Without the margin, (row 0, column 0) is at depth 0 and `across` = -half width.
    """

    def __init__(self, view: ScanView, deepest: float, rng: np.random.Generator) -> None:
        probe, samples, beams = view.probe, view.r_mm.size, view.across.size
        self.step_mm, self.step_across = view.step_mm, 2 * probe.half_width / (beams - 1)
        self._row, self._column = int(_MARGIN * samples), int(_MARGIN * beams)
        shape = (int(deepest * samples) + 2 * self._row, beams + 2 * self._column)
        spread = _spread(probe, self.step_mm, self.step_across)
        self._patterns = _speckle(shape, spread, rng), _speckle(shape, spread, rng)
        depth_mm = (np.arange(shape[0], dtype=np.float32)[:, None] - self._row) * self.step_mm
        self._strength = 10 ** (_layers_db(depth_mm, shape[1], probe.depth_mm, rng) / 20)
        self._first_across = -probe.half_width

    def scatterers(self, t_s: float) -> Grid:
        """Return the echo field (rows, columns, 3): real and imaginary part of the speckle, and the tissue's echo strength."""
        turn = 2 * math.pi * t_s / CYCLE_S
        first, second = self._patterns
        mixed = first * np.float32(math.cos(turn)) + second * np.float32(math.sin(turn))
        return np.dstack((mixed, self._strength))

    def field_coordinates(self, across: Grid, r_mm: Grid) -> tuple[Grid, Grid]:
        """Return the field's columns and rows at the given coordinates."""
        columns = (across - np.float32(self._first_across)) * np.float32(1 / self.step_across) + np.float32(self._column)
        return columns, r_mm * np.float32(1 / self.step_mm) + np.float32(self._row)


def _spread(probe: Transducer, step_mm: float, step_across: float) -> tuple[float, float]:
    """Return the point spread function's standard deviations along and across the beams, in samples.

    The pulse has two cycles. The lateral width is one and a half wavelengths times an f-number of two; a curved face
    spreads it by angle. Neither is finer than the samples can represent.
    """
    wavelength_mm = 1.54 / probe.mhz
    lateral = 1.3 * wavelength_mm if probe.is_linear else math.radians(0.42)
    return max(0.45 * wavelength_mm / step_mm, 0.8), max(lateral / step_across, 0.8)


def _speckle(shape: tuple[int, int], spread: tuple[float, float], rng: np.random.Generator) -> Grid:
    """Return blurred complex Gaussian noise of unit mean power (rows, columns, 2), periodic."""
    noise = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    along, across = (np.exp(-2 * (np.pi * s * np.fft.fftfreq(n)) ** 2) for s, n in zip(spread, shape, strict=True))
    field = np.fft.ifft2(np.fft.fft2(noise) * along[:, None] * across[None, :])
    field /= np.sqrt(np.mean(np.abs(field) ** 2))
    return np.dstack((field.real, field.imag)).astype(np.float32)


def _layers_db(depth_mm: Grid, columns: int, full_mm: float, rng: np.random.Generator) -> Grid:
    """Return the echo strength in dB of skin, fat, fasciae and muscles: wavy layers, each with its own texture."""
    depth = depth_mm + _waves(columns, 0.02 * full_mm, rng)
    strength = np.full(depth.shape, 6.0, np.float32)  # skin
    texture = _texture(depth.shape, rng)
    top_mm = 0.04 * full_mm
    while top_mm < depth_mm[-1, 0]:
        above = depth + _waves(columns, 0.02 * full_mm, rng) - top_mm
        level_db, roughness_db = rng.uniform(-24, -5), rng.uniform(2, 5)
        strength += 0.5 * (1 + np.tanh(above / (0.008 * full_mm))) * (level_db + roughness_db * texture - strength)
        texture = np.roll(texture, (columns // 3, columns // 5), axis=(0, 1))
        fascia = (rng.uniform(10, 22) + 4 * texture) * np.exp(-0.5 * (above / (0.007 * full_mm)) ** 2)
        strength += np.maximum(fascia, 0)
        top_mm += full_mm * rng.uniform(0.08, 0.26)
    return strength.astype(np.float32)


def _waves(columns: int, height_mm: float, rng: np.random.Generator) -> Grid:
    """Return a smooth unevenness (1, columns) in mm, periodic."""
    turn = np.arange(columns)[None, :] * (2 * np.pi / columns)
    waves = sum(rng.uniform(-1, 1) / order * np.sin(order * turn + rng.uniform(0, 2 * np.pi)) for order in range(1, 5))
    return (height_mm * np.asarray(waves)).astype(np.float32)


def _texture(shape: tuple[int, int], rng: np.random.Generator) -> Grid:
    """Return streaks along the layers, of unit variance."""
    return _speckle(shape, (2.5, 16.0), rng)[..., 0] * np.float32(math.sqrt(2))

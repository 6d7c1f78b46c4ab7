"""Tests phase symmetry: a ridge's place and independence of gain, against intensity, and the quadrature pair."""

import numpy as np
import pytest

from rtseg.errors import ConfigError
from rtseg.kernels import phase_symmetry
from rtseg.kernels.filters.quadrature import EVEN, responses, steering

SIDE = 160
ANGLES = [0, 17, 30, 45, 75, 90, 120, 163]


def distance(angle: float) -> np.ndarray:
    """Return each pixel's signed distance from a line through the middle of the image, in pixels."""
    y, x = np.indices((SIDE, SIDE)) - (SIDE / 2 + 0.3)
    return x * np.sin(np.deg2rad(angle)) + y * np.cos(np.deg2rad(angle))


def ridge(angle: float, gain: float = 1.0, height: float = 60.0) -> np.ndarray:
    """Return a ridge with a deviation of 2 pixels on tissue of 50: (SIDE, SIDE) uint8."""
    level = gain * (50 + height * np.exp(-(distance(angle) ** 2) / (2 * 2.0**2)))
    assert level.max() <= 255
    return np.rint(level).astype(np.uint8)


@pytest.mark.parametrize("gain", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("angle", ANGLES)
def test_the_peak_lies_on_the_ridge_at_every_angle_and_gain(angle: float, gain: float) -> None:
    found = np.where(inner(), phase_symmetry(ridge(angle, gain)), 0)  # the repeated edge bends an oblique ridge
    assert found.max() > 120
    peak = found >= 0.9 * found.max()
    assert abs(distance(angle)[peak]).max() < 1.0
    across = abs(distance(angle)) < 0.5
    assert found[across & inner()].min() > 0.6 * found.max(), "the whole ridge is found"


def inner() -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[20:-20, 20:-20] = True
    return mask


@pytest.mark.parametrize("angle", ANGLES)
def test_a_gain_from_half_to_double_leaves_the_ridge_as_symmetric(angle: float) -> None:
    on_ridge = (abs(distance(angle)) < 1.0) & inner()
    plain = phase_symmetry(ridge(angle), noise=0.0)[on_ridge].astype(float)
    for gain in (0.5, 2.0):
        changed = phase_symmetry(ridge(angle, gain), noise=0.0)[on_ridge].astype(float)
        assert abs(changed - plain).max() < 0.05 * 255, gain


def test_a_faint_surface_below_bright_tissue_is_found_where_intensity_finds_the_tissue() -> None:
    rng = np.random.default_rng(2)
    x = np.arange(SIDE)
    surface = 100 + 12 * np.sin(x / 25)
    y = np.arange(SIDE)[:, None]
    level = np.where(y < 60, 190.0, 60.0) + np.linspace(80, 35, SIDE) * np.exp(-((y - surface) ** 2) / (2 * 2.5**2))
    image = np.clip(level * (1 + 0.08 * rng.standard_normal(level.shape)), 0, 255).astype(np.uint8)

    def share_within_a_pixel(feature: np.ndarray) -> float:
        return float((abs(feature[:, 8:-8].argmax(0) - surface[8:-8]) <= 1.0).mean())

    assert share_within_a_pixel(image) < 0.05
    assert share_within_a_pixel(phase_symmetry(image, 12.0, 2, 8.0)) > 0.9


def test_a_dark_ridge_and_flat_tissue_have_no_symmetry_and_an_edge_itself_has_little() -> None:
    bright = phase_symmetry(ridge(30))
    dark = phase_symmetry((200 - ridge(30)).astype(np.uint8))
    assert dark[abs(distance(30)) < 1.5].max() == 0
    edge = phase_symmetry(np.where(distance(30) < 0, 50, 110).astype(np.uint8))
    assert edge[(abs(distance(30)) < 1.0) & inner()].max() < 0.2 * bright.max()
    for level in (0, 128, 255):
        assert not phase_symmetry(np.full((40, 50), level, np.uint8), noise=0.0).any()


@pytest.mark.parametrize("wavelength", [4.0, 8.0, 20.0, 64.0])
def test_the_filters_are_in_quadrature_and_measure_the_amplitude_of_their_wavelength(wavelength: float) -> None:
    x = np.arange(400.0)
    wave = np.repeat(100 + 10 * np.cos(2 * np.pi * x / wavelength)[None], 9, 0)
    separable = responses(wave, wavelength)[:, 4, 100:300]
    even, odd = steering()[0, :EVEN] @ separable[:EVEN], steering()[0, EVEN:] @ separable[EVEN:]
    assert np.hypot(even, odd) == pytest.approx(10, rel=0.1)  # H2 is an approximation
    assert even == pytest.approx(wave[4, 100:300] - 100, abs=0.5)


@pytest.mark.parametrize(
    "options", [(3.0,), (65.0,), (8.0, 0), (8.0, 4), (33.0, 2), (8.0, 2, -1.0), (float("nan"),), (8.0, 1.5)]
)
def test_impossible_options_are_refused(options: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match=": give "):
        phase_symmetry(ridge(0), *options)  # type: ignore[arg-type]

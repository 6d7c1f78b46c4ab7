"""Computes the taps of the steerable quadrature pair G2 and H2, and the weights that steer it.

W. Freeman, E. Adelson, "The design and use of steerable filters", IEEE TPAMI 13(9), 1991, tables III to VI: G2 is the second
derivative of exp(-x^2 - y^2), and H2 a polynomial of degree 3 times it that approximates G2's Hilbert transform. Both are sums
of separable filters: three for G2, four for H2. Here -G2 responds to a sine of the filter's wavelength by its amplitude.
"""

from functools import lru_cache
from math import ceil, e, pi

import numpy as np
import numpy.typing as npt

from rtseg.kernels.runtime.arrays import as_read_only

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]

PROFILES = 5  # filters along one axis: g0 = exp(-u^2), g1 = u g0, g2 = (2 u^2 - 1) g0, h2 = (u^2 - a) g0, h3 = (u^3 - 3 a u) g0
IS_ODD = (False, True, False, False, True)  # by profile: antisymmetric
SEPARABLE = ((0, 2), (1, 1), (2, 0), (0, 4), (1, 3), (3, 1), (4, 0))  # profiles (down, along): three of G2, then four of H2
EVEN = 3  # the first ones that are of G2
ORIENTATIONS = 6  # evenly spaced over half a turn, as in Kovesi's phasesym

_SHIFT = 0.7515  # a; 3 a is 2.254 in the paper
_GAIN = e / (2 * pi)  # amplitude 1 at the wavelength
_RATIO = 0.9780 / 0.9213  # of the normalizations of H2 and G2
_REACH = 2.75  # of the taps in units of u, where exp(-u^2) is 0.0005


def wavelengths(first: float, scales: int) -> tuple[float, ...]:
    """Return the wavelength of each scale in pixels, an octave apart."""
    return tuple(first * 2.0**scale for scale in range(scales))


def radius(wavelength: float) -> int:
    """Return the number of taps on either side of the center."""
    return ceil(_REACH * wavelength / pi)


@lru_cache(maxsize=64)
def taps(wavelength: float) -> Doubles:
    """Return the profiles from the center outward, (PROFILES, radius + 1); G2 is corrected so that a constant gives 0."""
    u = np.arange(radius(wavelength) + 1) * (pi / wavelength)
    g0 = np.exp(-(u**2)) * (pi / wavelength)
    second = (2 * u**2 - 1) * g0
    second -= g0 * _sum(second) / _sum(g0)
    profiles = [g0, u * g0, second, (u**2 - _SHIFT) * g0, (u**3 - 3 * _SHIFT * u) * g0]
    table: Doubles = as_read_only(np.stack(profiles))
    return table


@lru_cache(maxsize=1)
def steering() -> Doubles:
    """Return the weights of the separable filters for each orientation, (ORIENTATIONS, 7)."""
    angle = np.arange(ORIENTATIONS) * pi / ORIENTATIONS
    c, s = np.cos(angle), np.sin(angle)
    even = [-_GAIN * part for part in (c * c, -4 * c * s, s * s)]
    odd = [_GAIN * _RATIO * part for part in (c**3, -3 * c * c * s, 3 * c * s * s, -(s**3))]
    table: Doubles = as_read_only(np.stack([*even, *odd], 1))
    return table


@lru_cache(maxsize=16)
def tap_table(scales: tuple[float, ...]) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return the taps of several wavelengths, (scales, PROFILES, the largest radius + 1) float32, and each radius."""
    radii = np.array([radius(wavelength) for wavelength in scales])
    table = np.zeros((len(scales), PROFILES, int(radii.max()) + 1), np.float32)
    for scale, wavelength in enumerate(scales):
        table[scale, :, : radii[scale] + 1] = taps(wavelength)
    return as_read_only(table), as_read_only(radii)


def responses(image: Doubles, wavelength: float) -> Doubles:
    """Return the separable filters' responses (7, H, W) to a gray image (H, W), with the edge repeated."""
    down = [_correlate(image, profile, 0, odd) for profile, odd in zip(taps(wavelength), IS_ODD, strict=True)]
    along = [(down[y], taps(wavelength)[x], IS_ODD[x]) for y, x in SEPARABLE]
    return np.stack([_correlate(plane, profile, 1, odd) for plane, profile, odd in along])


def _correlate(image: Doubles, profile: Doubles, axis: int, is_odd: bool) -> Doubles:
    reach = len(profile) - 1
    padded = np.moveaxis(np.pad(image, [(reach, reach) if each == axis else (0, 0) for each in range(2)], mode="edge"), axis, 0)
    count = image.shape[axis]
    total = profile[0] * padded[reach : reach + count]
    for tap in range(1, reach + 1):
        after, before = padded[reach + tap : reach + tap + count], padded[reach - tap : reach - tap + count]
        total = total + profile[tap] * (after - before if is_odd else after + before)
    return np.moveaxis(total, 0, axis)


def _sum(profile: Doubles) -> float:
    return float(profile[0] + 2 * profile[1:].sum())

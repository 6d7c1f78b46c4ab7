"""Finds bright ridges, such as bone surfaces, by the symmetry of the local phase, whatever their contrast.

P. Kovesi, "Symmetry and asymmetry from local phase", AI'97, 1997; for bone I. Hacihaliloglu et al., "Bone surface localization
in ultrasound using image phase-based features", Ultrasound in Medicine & Biology 35(9), 2009, both with log-Gabor filters:
PS = sum_o max(sum_s (e - |o|) - T, 0) / (sum_o sum_s sqrt(e^2 + o^2) + 1), with even and odd responses e and o. Here e and o
come from the steerable quadrature pair of quadrature.py, which has few taps and no FFT, and T is the caller's, not estimated.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from rtseg.errors import ConfigError
from rtseg.frame import Image
from rtseg.kernels.filters.quadrature import EVEN, ORIENTATIONS, Floats, responses, steering, tap_table, wavelengths
from rtseg.kernels.runtime.arrays import (
    check_count,
    check_out,
    check_plane,
    check_range,
    copy_to_out,
    out_or_empty,
    pad_with_edge,
    round_to_uint8,
)
from rtseg.kernels.runtime.cases import gray_images
from rtseg.kernels.runtime.cpu import allocating, compiled, fused, run_row_bands
from rtseg.kernels.runtime.cuda import c_ints, launch
from rtseg.kernels.runtime.device_array import copy_if_same_memory, out_or_device_array
from rtseg.kernels.runtime.registry import KernelCase, kernel

FLOOR = 1.0  # gray levels: the amplitude below which nothing is symmetric
MIN_WAVELENGTH, MAX_WAVELENGTH, MAX_SCALES = 4.0, 64.0, 3  # pixels; the longest one bounds the GPU's shared memory
COST_PER_TAP = 10  # of a pixel, relative to one that a simple loop touches


def _cases() -> Iterator[KernelCase]:
    for name, image in gray_images():
        for wavelength, scales, noise in [(8.0, 2, 2.0), (4.0, 1, 0.0), (5.5, 3, 1.0), (64.0, 1, 0.5)]:
            yield KernelCase(f"{name}, {wavelength}, {scales}, {noise}", (image, wavelength, scales, noise))


def _check(image: Image, wavelength: float = 8.0, scales: int = 2, noise: float = 2.0, *, out: Image | None = None) -> None:
    check_plane("a grey image", image)
    check_count("the number of scales", scales, 1, MAX_SCALES)
    check_range("the shortest wavelength", wavelength, MIN_WAVELENGTH, MAX_WAVELENGTH)
    check_range("the noise", noise, 0, 255)
    if wavelengths(wavelength, scales)[-1] > MAX_WAVELENGTH:
        raise ConfigError(
            f"{scales} scales from a wavelength of {wavelength:g} pixels exceed {MAX_WAVELENGTH:g}: give fewer or a shorter one"
        )
    check_out(out, tuple(image.shape), np.uint8)


@kernel(cases=_cases, atol=1, check=_check)
def phase_symmetry(
    image: Image, wavelength: float = 8.0, scales: int = 2, noise: float = 2.0, *, out: Image | None = None
) -> Image:
    """Return the bright phase symmetry of a gray image (H, W) uint8: the same shape and dtype, 255 is perfect symmetry.

    wavelength: of the finest scale in pixels, about twice the width of the thinnest ridge, from 4; each further scale is an
    octave longer, up to 64. scales: 1 to 3. noise: gray levels of amplitude that are not counted, summed over the scales; a
    higher one hides more speckle, and 0 makes the result independent of the gain. A sharp edge itself has none, but its bright
    side has a ridge about half a wavelength away. Raises ImageError, ConfigError.
    """
    energy = np.zeros((ORIENTATIONS, *image.shape))
    amplitude = np.zeros(image.shape)
    for length in wavelengths(wavelength, scales):
        separable = responses(image.astype(np.float64), length)
        even = np.tensordot(steering()[:, :EVEN], separable[:EVEN], 1)
        odd = np.tensordot(steering()[:, EVEN:], separable[EVEN:], 1)
        energy += even - abs(odd)
        amplitude += np.hypot(even, odd).sum(0)
    symmetry = np.maximum(energy - noise, 0).sum(0) / (amplitude + FLOOR)
    return copy_to_out(round_to_uint8(255 * symmetry), out)


@phase_symmetry.backend("numba")
def _phase_symmetry_numba(
    image: Image, wavelength: float = 8.0, scales: int = 2, noise: float = 2.0, *, out: Image | None = None
) -> Image:
    taps, radii = tap_table(wavelengths(float(wavelength), scales))
    result, padded = out_or_empty(out, image.shape, np.uint8), pad_with_edge(image, int(radii.max()))
    weights = steering().astype(np.float32)

    def band(first: int, end: int) -> None:
        _symmetry_rows(padded, taps, radii, weights, np.float32(noise), result, first, end)

    run_row_bands(image.shape[0], image.shape[1] * COST_PER_TAP * int(radii.sum()), band)
    return result


@allocating
def _symmetry_rows(
    padded: Image, taps: Floats, radii: Any, weights: Floats, noise: np.float32, result: Image, first: int, end: int
) -> None:
    """Compute rows first..end: the filters down give five rows, and the filters along these seven more."""
    down = np.empty((taps.shape[1], padded.shape[1]), np.float32)
    along = np.empty((weights.shape[1], result.shape[1]), np.float32)
    energy = np.empty((weights.shape[0], result.shape[1]), np.float32)
    amplitude = np.empty(result.shape[1], np.float32)
    reach = radii.max()
    for y in range(first, end):
        energy[:] = 0
        amplitude[:] = 0
        for scale in range(radii.size):
            _filter_down(padded, y + reach, taps[scale], radii[scale], down)
            _filter_along(down, reach, taps[scale], radii[scale], along)
            for orientation in range(weights.shape[0]):
                _steer(along, weights[orientation], energy[orientation], amplitude)
        _compare(energy, amplitude, noise, result[y])


@fused
def _filter_down(padded: Image, y: int, taps: Floats, radius: int, down: Floats) -> None:
    g0, g1, g2, h2, h3 = down[0], down[1], down[2], down[3], down[4]
    here = padded[y]
    for x in range(here.size):
        value = np.float32(here[x])
        g0[x], g1[x], g2[x], h2[x], h3[x] = (
            taps[0, 0] * value,
            np.float32(0),
            taps[2, 0] * value,
            taps[3, 0] * value,
            np.float32(0),
        )
    for tap in range(1, radius + 1):
        below, above = padded[y + tap], padded[y - tap]
        t0, t1, t2, t3, t4 = taps[0, tap], taps[1, tap], taps[2, tap], taps[3, tap], taps[4, tap]
        for x in range(here.size):
            both = np.float32(np.int32(below[x]) + np.int32(above[x]))
            change = np.float32(np.int32(below[x]) - np.int32(above[x]))
            g0[x] += t0 * both
            g1[x] += t1 * change
            g2[x] += t2 * both
            h2[x] += t3 * both
            h3[x] += t4 * change


@compiled
def _filter_along(down: Floats, reach: int, taps: Floats, radius: int, along: Floats) -> None:
    """Filter rows along x: `along` in the order of SEPARABLE."""
    _even_along(down[0], reach, taps[2], radius, along[0])
    _odd_along(down[1], reach, taps[1], radius, along[1])
    _even_along(down[2], reach, taps[0], radius, along[2])
    _odd_along(down[0], reach, taps[4], radius, along[3])
    _even_along(down[1], reach, taps[3], radius, along[4])
    _odd_along(down[3], reach, taps[1], radius, along[5])
    _even_along(down[4], reach, taps[0], radius, along[6])


@fused
def _even_along(row: Floats, reach: int, taps: Floats, radius: int, result: Floats) -> None:
    center = row[reach:]
    for x in range(result.size):
        result[x] = taps[0] * center[x]
    for tap in range(1, radius + 1):
        before, after, weight = row[reach - tap :], row[reach + tap :], taps[tap]
        for x in range(result.size):
            result[x] += weight * (after[x] + before[x])


@fused
def _odd_along(row: Floats, reach: int, taps: Floats, radius: int, result: Floats) -> None:
    result[:] = 0
    for tap in range(1, radius + 1):
        before, after, weight = row[reach - tap :], row[reach + tap :], taps[tap]
        for x in range(result.size):
            result[x] += weight * (after[x] - before[x])


@fused
def _steer(along: Floats, weights: Floats, energy: Floats, amplitude: Floats) -> None:
    """Add an orientation's symmetry to its energy, and its amplitude."""
    a, b, c, d, f, g, h = along[0], along[1], along[2], along[3], along[4], along[5], along[6]
    wa, wb, wc, wd, wf, wg, wh = weights[0], weights[1], weights[2], weights[3], weights[4], weights[5], weights[6]
    for x in range(amplitude.size):
        even = wa * a[x] + wb * b[x] + wc * c[x]
        odd = wd * d[x] + wf * f[x] + wg * g[x] + wh * h[x]
        energy[x] += even - abs(odd)
        amplitude[x] += np.sqrt(even * even + odd * odd)


@fused
def _compare(energy: Floats, amplitude: Floats, noise: np.float32, result: Image) -> None:
    zero, level = np.float32(0), np.float32(255)
    for x in range(result.size):
        total = zero
        for orientation in range(energy.shape[0]):
            total += max(energy[orientation, x] - noise, zero)
        result[x] = np.uint8(level * total / (amplitude[x] + np.float32(FLOOR)) + np.float32(0.5))


@phase_symmetry.backend("cuda")
def _phase_symmetry_cuda(
    image: Image, wavelength: float = 8.0, scales: int = 2, noise: float = 2.0, *, out: Image | None = None
) -> Any:
    result = out_or_device_array(out, image.shape, np.uint8, image)
    taps, radii = tap_table(wavelengths(float(wavelength), scales))
    weights = steering().astype(np.float32)
    arguments = np.ascontiguousarray(taps), taps.shape[2], c_ints(radii.tolist()), scales, weights, noise
    launch("phase_symmetry", copy_if_same_memory(image, result), *image.shape, *arguments, result)
    return result

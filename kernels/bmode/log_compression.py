"""Compresses the envelope of an echo logarithmically to 8-bit B-mode.

level = 255 (1 + 20 log10(envelope / reference) / dynamic range), as in J. A. Jensen's B-mode examples (Field II).
"""

from collections.abc import Iterator
from math import log2
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.errors import ConfigError
from rtseg.frame import Image
from rtseg.kernels.runtime.arrays import (
    as_read_only,
    check_out,
    check_plane,
    check_range,
    copy_to_out,
    out_or_empty,
    round_to_uint8,
)
from rtseg.kernels.runtime.cpu import compiled, run_row_bands
from rtseg.kernels.runtime.cuda import c_floats, c_ints, launch, stream_of
from rtseg.kernels.runtime.device_array import DeviceArray, element_count, out_or_device_array
from rtseg.kernels.runtime.registry import KernelCase, kernel

Floats = npt.NDArray[np.float32]

DB_PER_DOUBLING = 20 * 0.30102999566398120  # of a doubled amplitude
LOG2_COEFFICIENTS = (
    1.44255311,
    -0.71828141,
    0.45826847,
    -0.27953344,
    0.1234472,
    -0.02645599,
)  # of log2(1 + m) by powers of m, to 2e-6


def _cases() -> Iterator[KernelCase]:
    rng = np.random.default_rng(7)
    for shape in [(1, 1), (1, 9), (8, 1), (23, 37)]:
        envelope = rng.rayleigh(1, shape).astype(np.float32)
        for dynamic_range, reference in [(60.0, 4.0), (40.0, 1e-3), (90.0, 1e6)]:
            yield KernelCase(
                f"{shape}, {dynamic_range} dB, {reference}", (envelope * np.float32(reference), reference, dynamic_range)
            )
    broken = rng.rayleigh(1, (9, 12)).astype(np.float32)
    broken.flat[::5], broken.flat[1::7], broken.flat[2::11], broken.flat[3::13] = 0, np.nan, np.inf, -1
    broken.flat[4::17] = 1e-42  # denormal
    yield KernelCase("broken", (broken, 1.0))
    yield KernelCase("gray levels", (np.arange(256, dtype=np.uint8).reshape(8, 32), 255.0))
    yield KernelCase("strided gray levels, 40 dB", (rng.integers(0, 256, (9, 14), np.uint8)[::-2, ::3], 255.0, 40.0))
    yield KernelCase("strided", (rng.rayleigh(1, (20, 30)).astype(np.float32)[::2, ::-3], 1.0))


def _check(envelope: Floats, reference: float, dynamic_range_db: float = 60.0, *, out: Image | None = None) -> None:
    check_plane("an envelope", envelope, np.uint8 if getattr(envelope, "dtype", None) == np.uint8 else np.float32)
    if not 1e-30 < reference < 1e30:
        raise ConfigError(f"the reference amplitude is {reference}: give the envelope's greatest value, above 0")
    check_range("the dynamic range in dB", dynamic_range_db, 1, 200)
    check_out(out, tuple(envelope.shape), np.uint8)


@kernel(cases=_cases, atol=1, check=_check)
def log_compress(envelope: Floats, reference: float, dynamic_range_db: float = 60.0, *, out: Image | None = None) -> Image:
    """Return the gray levels (H, W) uint8 of an envelope (H, W) of linear amplitude, float32, or uint8 of an 8-bit image.

    reference: the amplitude that is white. dynamic_range_db: from white down to black; a larger one shows weaker echoes.
    NaN, zero and negative amplitudes are black, infinite ones white. Raises ImageError, ConfigError.
    """
    clean = np.where(envelope > 0, envelope, 0).astype(np.float64)
    with np.errstate(divide="ignore"):
        decibels = 20 * np.log10(clean / reference)
    return copy_to_out(round_to_uint8(255 * (1 + decibels.clip(-1e4, 1e4) / dynamic_range_db)), out)


@log_compress.backend("numba")
def _log_compress_numba(
    envelope: Floats, reference: float, dynamic_range_db: float = 60.0, *, out: Image | None = None
) -> Image:
    result, source = out_or_empty(out, envelope.shape, np.uint8), as_read_only(envelope.astype(np.float32, copy=False))
    gain = np.float32(255 * DB_PER_DOUBLING / dynamic_range_db)
    shift = np.float32(255 - gain * log2(reference))
    bits = as_read_only(source.view(np.int32))
    run_row_bands(
        envelope.shape[0], envelope.shape[1], lambda first, end: _compress_rows(bits, gain, shift, result, first, end)
    )
    return result


@compiled
def _compress_rows(
    bits: npt.NDArray[np.int32], gain: np.float32, shift: np.float32, result: Image, first: int, end: int
) -> None:
    """Compress rows first..end: log2 is a float's exponent plus a polynomial of its mantissa.

    bits: the envelope (H, W), viewed as int32.
    """
    for y in range(first, end):
        row, target = bits[y], result[y]
        for x in range(target.size):
            mantissa = np.float32(row[x] & np.int32(0x7FFFFF)) * np.float32(2.0**-23)
            power = np.float32((row[x] >> np.int32(23)) - np.int32(127)) + _log2_of_1_plus(mantissa)
            level = min(max(power * gain + shift, np.float32(0)), np.float32(255))
            usable = row[x] > 0 and row[x] <= np.int32(0x7F800000)  # neither zero, negative nor NaN
            target[x] = np.uint8(level + np.float32(0.5)) if usable else np.uint8(0)


@compiled
def _log2_of_1_plus(m: np.float32) -> np.float32:
    series = np.float32(LOG2_COEFFICIENTS[5])
    series = np.float32(LOG2_COEFFICIENTS[4]) + m * series
    series = np.float32(LOG2_COEFFICIENTS[3]) + m * series
    series = np.float32(LOG2_COEFFICIENTS[2]) + m * series
    series = np.float32(LOG2_COEFFICIENTS[1]) + m * series
    return m * (np.float32(LOG2_COEFFICIENTS[0]) + m * series)


@log_compress.backend("cuda")
def _log_compress_cuda(envelope: Floats, reference: float, dynamic_range_db: float = 60.0, *, out: Image | None = None) -> Any:
    result = out_or_device_array(out, envelope.shape, np.uint8, envelope)
    gain = 255 * DB_PER_DOUBLING / dynamic_range_db
    launch("log_compress", _as_floats(envelope), gain, 255 - gain * log2(reference), element_count(envelope), result)
    return result


def _as_floats(envelope: Any) -> Any:
    """Return a device array (H, W) as float32, by `fit_input` without a resize where it is uint8."""
    if envelope.dtype == np.float32:
        return envelope
    height, width = envelope.shape
    floats = DeviceArray((height, width), np.float32, stream_of(envelope))
    box = c_ints((0, 0, height, width))
    launch("fit_input", envelope, width, 1, box, box, height, width, c_floats((0.0,)), c_floats((1.0,)), 1, floats)
    return floats

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
from rtseg.kernels.runtime.arrays import check_out, check_plane, check_range, grey_levels, placed, readable, room
from rtseg.kernels.runtime.cpu import by_rows, compiled
from rtseg.kernels.runtime.cuda import launch
from rtseg.kernels.runtime.device_array import room_on_device, size_of
from rtseg.kernels.runtime.registry import Case, kernel

Floats = npt.NDArray[np.float32]

DECIBELS = 20 * 0.30102999566398120  # of a doubled amplitude
LOG2 = (1.44255311, -0.71828141, 0.45826847, -0.27953344, 0.1234472, -0.02645599)  # of log2(1 + m) by powers of m, to 2e-6


def _cases() -> Iterator[Case]:
    rng = np.random.default_rng(7)
    for shape in [(1, 1), (1, 9), (8, 1), (23, 37)]:
        envelope = rng.rayleigh(1, shape).astype(np.float32)
        for dynamic_range, reference in [(60.0, 4.0), (40.0, 1e-3), (90.0, 1e6)]:
            yield Case(
                f"{shape}, {dynamic_range} dB, {reference}", (envelope * np.float32(reference), reference, dynamic_range)
            )
    broken = rng.rayleigh(1, (9, 12)).astype(np.float32)
    broken.flat[::5], broken.flat[1::7], broken.flat[2::11], broken.flat[3::13] = 0, np.nan, np.inf, -1
    broken.flat[4::17] = 1e-42  # denormal
    yield Case("broken", (broken, 1.0))
    yield Case("strided", (rng.rayleigh(1, (20, 30)).astype(np.float32)[::2, ::-3], 1.0))


def _check(envelope: Floats, reference: float, dynamic_range_db: float = 60.0, *, out: Image | None = None) -> None:
    check_plane("an envelope", envelope, np.float32)
    if not 1e-30 < reference < 1e30:
        raise ConfigError(f"the reference amplitude is {reference}: give the envelope's greatest value, above 0")
    check_range("the dynamic range in dB", dynamic_range_db, 1, 200)
    check_out(out, tuple(envelope.shape), np.uint8)


@kernel(cases=_cases, atol=1, check=_check)
def log_compress(envelope: Floats, reference: float, dynamic_range_db: float = 60.0, *, out: Image | None = None) -> Image:
    """Return the gray levels (H, W) uint8 of an envelope (H, W) float32 of linear amplitude.

    reference: the amplitude that is white. dynamic_range_db: from white down to black; a larger one shows weaker echoes.
    NaN, zero and negative amplitudes are black, infinite ones white. Raises ImageError, ConfigError.
    """
    clean = np.where(envelope > 0, envelope, 0).astype(np.float64)
    with np.errstate(divide="ignore"):
        decibels = 20 * np.log10(clean / reference)
    return placed(grey_levels(255 * (1 + decibels.clip(-1e4, 1e4) / dynamic_range_db)), out)


@log_compress.backend("numba")
def _log_compress_numba(
    envelope: Floats, reference: float, dynamic_range_db: float = 60.0, *, out: Image | None = None
) -> Image:
    result, source = room(out, envelope.shape, np.uint8), readable(envelope)
    gain = np.float32(255 * DECIBELS / dynamic_range_db)
    shift = np.float32(255 - gain * log2(reference))
    bits = readable(source.view(np.int32))
    by_rows(envelope.shape[0], envelope.shape[1], lambda first, end: _compress_rows(bits, gain, shift, result, first, end))
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
    series = np.float32(LOG2[5])
    series = np.float32(LOG2[4]) + m * series
    series = np.float32(LOG2[3]) + m * series
    series = np.float32(LOG2[2]) + m * series
    series = np.float32(LOG2[1]) + m * series
    return m * (np.float32(LOG2[0]) + m * series)


@log_compress.backend("cuda")
def _log_compress_cuda(envelope: Floats, reference: float, dynamic_range_db: float = 60.0, *, out: Image | None = None) -> Any:
    result = room_on_device(out, envelope.shape, np.uint8, envelope)
    gain = 255 * DECIBELS / dynamic_range_db
    launch("log_compress", envelope, gain, 255 - gain * log2(reference), size_of(envelope), result)
    return result

"""Decide by the data how stored words are to be read where a header may be wrong: byte order, sign, and unused bits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[Any]  # unsigned or signed integers, (H, W) or (H, W, 3)

_MUCH_ROUGHER = 3.0  # ratio of roughness that decides against what is declared
_CLEARLY = 4  # ratio of places that speak for one sign and for the other
_MOST_IMPLAUSIBLE, _HUGE = 0.1, 1e20  # share of floats, and their size
_MOST_VALUES = 1 << 16  # that are looked at, in the middle


@dataclass(frozen=True, slots=True)
class StoredBits:
    """Describes the bits of a stored word that hold its value."""

    stored: int  # bits of the value
    shift: int = 0  # bits below the value
    is_signed: bool = False  # whether the value is a two's complement

    def values(self, words: Words) -> Words:
        """Return the values of words, unsigned or signed as declared; other bits are dropped."""
        width = 8 * words.dtype.itemsize
        signed = np.dtype(f"i{words.dtype.itemsize}")
        unsigned = np.dtype(f"u{words.dtype.itemsize}")
        plain = words.astype(words.dtype.newbyteorder("="), copy=False).view(signed if self.is_signed else unsigned)
        above = max(0, width - self.stored - self.shift)
        if above:
            plain = np.left_shift(plain, above)
        return np.right_shift(plain, above + self.shift) if above + self.shift else plain

    @property
    def least(self) -> int:
        """Return the smallest value that the bits can hold."""
        return -(1 << (self.stored - 1)) if self.is_signed else 0

    @property
    def greatest(self) -> int:
        """Return the greatest value that the bits can hold."""
        return (1 << (self.stored - 1)) - 1 if self.is_signed else (1 << self.stored) - 1


def stored_bits(
    sample: Sequence[Words], stored: int, high_bit: int, *, is_signed: bool, coded_signed: bool | None = None
) -> tuple[StoredBits, str]:
    """Return where the values of words lie, and words about a header that contradicts the data.

    sample: words of some frames. stored, high_bit, is_signed: as the header declares them. coded_signed: as the frames' own
    coding does, None where it says nothing.
    """
    width = 8 * sample[0].dtype.itemsize if sample else 16
    bits = StoredBits(stored if 0 < stored <= width else width, 0, is_signed)
    unused, note = width - bits.stored, ""
    declared = min(max(high_bit + 1 - bits.stored, 0), unused)
    if unused and sample:
        words = [one.astype(one.dtype.newbyteorder("=")).view(f"u{width // 8}") for one in sample]
        shift, stored = _field(words, bits, declared)
        if (shift, stored) != (declared, bits.stored):
            note = f"declares {bits.stored} bits up to bit {high_bit}, and the data use {stored} up to bit {shift + stored - 1}"
            note += ": read as the data are"
        bits = StoredBits(stored, shift, is_signed)
    has_doubt = coded_signed is not None and coded_signed != is_signed
    if not (is_signed or has_doubt):
        return bits, note
    proven = _sign(sample, bits)
    really = bool(coded_signed) if proven is None and has_doubt else is_signed if proven is None else proven
    if really != is_signed:
        stated, found = ("signed", "unsigned") if is_signed else ("unsigned", "signed")
        note = f"declares {stated} pixels, and the data are {found}: read as the data are"
    return StoredBits(bits.stored, bits.shift, really), note


def _field(words: Sequence[Words], bits: StoredBits, declared: int) -> tuple[int, int]:
    """Return (shift, bits) of the values in words that are wider than the declared bits."""
    width, stored = 8 * words[0].dtype.itemsize, bits.stored
    unused = width - stored
    used = int(np.bitwise_or.reduce([int(np.bitwise_or.reduce(one, axis=None)) for one in words]))
    below, above = used & ((1 << unused) - 1), used >> stored
    if declared:
        return (0, stored) if below and not above else (declared, stored)
    if not above or all(_is_sign_extended(one, stored) for one in words):
        return 0, stored
    if not all(_is_one_value(one, stored) for one in words):
        return 0, stored
    return (0, width) if below else (unused, stored)


def _is_sign_extended(words: Words, stored: int) -> bool:
    """Return whether the upper bits of each word repeat the highest bit of its value."""
    upper, sign = words >> stored, (words >> (stored - 1)) & 1
    return bool(np.all(upper == sign * ((1 << (8 * words.dtype.itemsize - stored)) - 1)))


def _is_one_value(words: Words, stored: int) -> bool:
    """Return whether the bits above the declared ones belong to the value, and are no overlay or rubbish.

    They do where the lower bits say nothing or determine them, or where they change as those run over.
    """
    upper, lower = (words >> stored).astype(np.int64), (words & ((1 << stored) - 1)).astype(np.int64)
    if lower.min() == lower.max():
        return True
    pairs = np.unique(np.stack([lower.ravel(), upper.ravel()]), axis=1)
    if np.unique(pairs[0]).size == pairs.shape[1] and np.unique(pairs[1]).size > 1:
        return True
    changes = np.diff(upper, axis=1) != 0
    if not changes.any():
        return False
    steps = np.abs(np.diff(words.astype(np.int64), axis=1))[changes]
    return bool(np.mean(steps < 1 << (stored - 1)) > 0.5)


def _sign(sample: Sequence[Words], bits: StoredBits) -> bool | None:
    """Return whether values are signed, None where the data do not prove it.

    Read with the wrong sign, smooth values jump from one end of the range to the other.
    """
    evenly, jumps = 1 << max(bits.stored - 4, 1), 1 << (bits.stored - 1)
    for_unsigned = for_signed = total = 0
    for words in sample:
        readings = [StoredBits(bits.stored, bits.shift, is_signed).values(words) for is_signed in (True, False)]
        signed, unsigned = (np.abs(np.diff(values.astype(np.int64), axis=1)) for values in readings)
        for_unsigned += int(np.count_nonzero((unsigned < evenly) & (signed >= jumps)))
        for_signed += int(np.count_nonzero((signed < evenly) & (unsigned >= jumps)))
        total += signed.size
    if max(for_signed, for_unsigned) <= total // 1000:
        return None
    if for_unsigned > _CLEARLY * for_signed:
        return False
    return True if for_signed > _CLEARLY * for_unsigned else None


def is_other_byte_order(sample: Sequence[Words], ratio: float = _MUCH_ROUGHER) -> bool:
    """Return whether words of more than one byte are far smoother with their bytes swapped, or floats plausible only then.

    ratio: of the roughness, from which on the declared order is not believed.
    """
    declared, swapped = 0.0, 0.0
    for words in sample:
        if words.dtype.itemsize == 1:
            return False
        if words.dtype.kind == "f":
            return _implausible(words) > max(_MOST_IMPLAUSIBLE, 4 * _implausible(words.byteswap()))
        declared += roughness(words)
        swapped += roughness(words.byteswap())
    return declared > ratio * swapped


def _implausible(values: Words) -> float:
    """Return the share of floats that no picture has: infinite, missing, huge or tiny."""
    with np.errstate(all="ignore"):
        size = np.abs(values)
        return float(np.mean(~np.isfinite(size) | (size > _HUGE) | ((size > 0) & (size < 1 / _HUGE))))


def roughness(pixels: Words) -> float:
    """Return the mean difference of neighbors over the spread of all values; infinite where a value is not finite."""
    rows = max(2, _MOST_VALUES // max(1, pixels[0].size))
    first = max(0, (len(pixels) - rows) // 2)
    with np.errstate(all="ignore"):
        exact = pixels[first : first + rows].astype(np.float32 if pixels.dtype.itemsize < 4 else np.float64)
        spread = float(exact.std())
        differences = [float(np.abs(np.diff(exact, axis=axis)).mean()) for axis in (0, 1) if exact.shape[axis] > 1]
    if not np.isfinite(spread):
        return np.inf
    return sum(differences) / spread if spread and differences else 0.0

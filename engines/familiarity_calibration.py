"""Defines `FamiliarityCalibration`, which says what the pictures look like that a network was made from."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.errors import ModelError

Floats = npt.NDArray[np.float32]

VERSION = 1  # of the features; a calibration of another version counts as none
MAX_FEATURES, MAX_TEXT = 4096, 100_000
_REMEDY = "calibrate the model again with `rtseg calibrate`"


@dataclass(frozen=True, slots=True)
class FamiliarityCalibration:
    """Holds the statistics of a network's own pictures, by which another picture is judged. Raises ModelError.

    Arrays are base64 of little-endian float16 (`basis`) or float32, so that they stay small in a file's metadata.
    """

    size: tuple[int, int]
    """(H, W) of the input with which the statistics were taken; at another size they do not hold."""
    mean: str
    """Mean of each feature over the network's own pictures, (D,)."""
    scale: str
    """Standard deviation of each feature, (D,)."""
    weights: str
    """Weight of each standardized feature in the discriminant between own and other pictures, (D,)."""
    basis: str
    """Principal directions of the standardized features, (K, D) row by row."""
    spread: str
    """Standard deviation of own pictures along each direction, and last across all of them, (K + 1,)."""
    bounds: tuple[float, float]
    """Discriminant below which, and distance above which a picture is unfamiliar."""
    widths: tuple[float, float]
    """Change of discriminant and of distance by which familiarity changes from 0.5 to 0.73, or to 0.27."""
    distance_from: int = 0
    """Index from which features count in the distance: those of the state drift in the course of a stream, and do not."""
    facts: Mapping[str, Any] | None = None
    """What the calibration was measured on, for `rtseg models` and reports; it decides nothing."""
    version: int = VERSION
    """Version of the features."""

    def __post_init__(self) -> None:
        problem = self._problem()
        if problem:
            raise ModelError(f"the model's familiarity is wrong: {problem}; {_REMEDY}")

    def arrays(self) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """Return mean (D,), scale (D,), weights (D,), basis (K, D) and spread (K + 1,)."""
        mean, scale, weights, spread = (unpacked(text) for text in (self.mean, self.scale, self.weights, self.spread))
        basis = unpacked(self.basis, np.float16).reshape(len(spread) - 1, len(mean))
        return mean, scale, weights, np.ascontiguousarray(basis), spread

    def to_dict(self) -> dict[str, Any]:
        """Return the calibration as plain values for a model file's metadata."""
        return asdict(self)

    def _problem(self) -> str:
        texts = (self.mean, self.scale, self.weights, self.basis, self.spread)
        if not all(isinstance(text, str) and len(text) <= MAX_TEXT for text in texts):
            return "its arrays are not text, or too long"
        pairs = (self.size, self.bounds, self.widths)
        if not all(isinstance(pair, tuple) and len(pair) == 2 and all(map(_is_finite, pair)) for pair in pairs):
            return "its size, bounds and widths are not pairs of numbers"
        if not isinstance(self.distance_from, int) or self.distance_from < 0:
            return "its features for the distance begin nowhere"
        if min(self.widths) <= 0:
            return "its widths are not above 0"
        try:
            arrays = self.arrays()
        except (ValueError, binascii.Error):
            return "its arrays cannot be read"
        sizes = [array.size for array in arrays]
        if not 0 < sizes[0] <= MAX_FEATURES or sizes[1:3] != [sizes[0]] * 2:
            return f"its arrays have {sizes} values"
        if self.distance_from >= sizes[0]:
            return "no feature counts in its distance"
        if not all(np.isfinite(array).all() for array in arrays) or arrays[1].min() <= 0 or arrays[4].min() <= 0:
            return "its arrays are not finite, or a deviation is not above 0"
        return ""


def packed(values: npt.ArrayLike, dtype: Any = np.float32) -> str:
    """Return the text in which an array is stored."""
    return base64.b64encode(np.asarray(values).astype(np.dtype(dtype).newbyteorder("<")).tobytes()).decode()


def unpacked(text: str, dtype: Any = np.float32) -> Floats:
    """Return the array of a text, (N,) float32. Raises ValueError."""
    return np.frombuffer(base64.b64decode(text, validate=True), np.dtype(dtype).newbyteorder("<")).astype(np.float32)


def calibration_of(value: Any) -> FamiliarityCalibration | None:
    """Return the calibration for the plain values of a model file's metadata; None for none or another version's.

    Raises ModelError.
    """
    if value is None or isinstance(value, FamiliarityCalibration):
        return value
    if not isinstance(value, Mapping):
        raise ModelError(f"the model's familiarity is no table of values; {_REMEDY}")
    if value.get("version") != VERSION:
        return None
    known = {field.name: value[field.name] for field in fields(FamiliarityCalibration) if field.name in value}
    pairs = {name: tuple(known[name]) for name in ("size", "bounds", "widths") if isinstance(known.get(name), list)}
    try:
        return FamiliarityCalibration(**{**known, **pairs})
    except TypeError as error:
        raise ModelError(f"the model's familiarity lacks values ({error}); {_REMEDY}") from None


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))

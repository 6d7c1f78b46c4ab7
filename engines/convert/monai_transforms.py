"""Reads the transforms of a MONAI bundle: the order of its pictures' axes, and how their gray levels are normalized."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rtseg.engines.adopt.normalization import Normalization, named_normalization
from rtseg.errors import ModelError

_SCALING = {"ScaleIntensity", "ScaleIntensityRange", "ScaleIntensityRangePercentiles", "NormalizeIntensity"}
_KNOWN = _SCALING | {  # that change no gray level
    "LoadImage", "EnsureChannelFirst", "AddChannel", "AsChannelFirst", "EnsureType", "ToTensor", "ToDevice", "CastToType",
    "Resize", "ResizeWithPadOrCrop", "SpatialPad", "CenterSpatialCrop", "Spacing", "DivisiblePad", "SelectItems", "DeleteItems",
    "CopyItems", "SqueezeDim", "Transpose", "Identity", "Flip", "Rotate", "Rotate90", "Orientation", "CropForeground",
}  # fmt: skip
_TURNING = {"Flip", "Rotate", "Rotate90", "Orientation"}
_ROWS_FIRST = {"NumpyReader"}  # that keep the order of the file


def transforms_of(config: Mapping[str, Any], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the transforms of the first name that a configuration has."""
    for name in names:
        part = config.get(name)
        if isinstance(part, dict):
            part = part.get("transforms", [])
            part = config.get(part[1:], []) if isinstance(part, str) and part.startswith("@") else part
        if isinstance(part, list):
            return [one for one in part if isinstance(one, dict)]
    return []


def kind_of(transform: Mapping[str, Any]) -> str:
    """Return the class of a transform, without the module and the "d" of those for dictionaries."""
    return str(transform.get("_target_", "")).rpartition(".")[2].removesuffix("d").removesuffix("D")


def picture_axes(folder: Path, transforms: Sequence[Mapping[str, Any]]) -> str:
    """Return "wh" where pictures have width before height, as most readers of LoadImage give them, else "hw".

    Raises ModelError where the transforms do not tell it.
    """
    order = ""
    for one in transforms:
        kind = kind_of(one)
        if kind == "LoadImage":
            order = _loaded_axes(one)
        elif kind == "Transpose" and one.get("indices") == [0, 2, 1]:
            order = {"hw": "wh", "wh": "hw"}.get(order, "")
        elif kind in _TURNING or kind == "Transpose":
            raise ModelError(f"{folder} turns its pictures by {kind}: say --axes hw if it sees them upright, or wh")
    if not order:
        raise ModelError(
            f"{folder} does not say in which order it loads the sides of a picture: say --axes hw for rows first, or wh for "
            f"width before height, as MONAI's LoadImage gives them"
        )
    return order


def _loaded_axes(one: Mapping[str, Any]) -> str:
    """Return the order of the sides that LoadImage gives; "" for a reader that is not known."""
    reader = one.get("reader") or "PILReader"
    if isinstance(reader, dict):
        one, reader = reader, reader.get("_target_", "")
    if not isinstance(reader, str) or reader.startswith("$"):
        return ""
    name, reverses = reader.rpartition(".")[2], one.get("reverse_indexing")
    if name in _ROWS_FIRST:
        return "hw"
    if reverses not in (None, True, False):
        return ""
    if name == "PILReader":
        return "hw" if reverses is False else "wh"
    if name == "ITKReader":
        return "hw" if reverses else "wh"
    return "wh" if name == "NibabelReader" else ""


def normalization_of(folder: Path, transforms: Sequence[Mapping[str, Any]], channels: int) -> Normalization | None:
    """Return the normalization of the last intensity transform; None where there is none. Raises ModelError."""
    if unknown := next((kind for one in transforms if (kind := kind_of(one)) not in _KNOWN), ""):
        raise ModelError(
            f"{folder} prepares its pictures by {unknown}, which rtseg does not: "
            f"say --normalization if that leaves gray levels as they are, else train it without"
        )
    found = None
    for one in transforms:
        match kind_of(one):
            case "ScaleIntensity":
                low, high = one.get("minv", 0.0), one.get("maxv", 1.0)
                found = _scaled("minmax", low, high, channels)
            case "ScaleIntensityRange":
                low, high, to_low, to_high = (float(one.get(key, default)) for key, default in _RANGE)
                gain = (to_high - to_low) / (high - low)
                found = Normalization(((low - to_low / gain),) * channels, (1 / gain,) * channels)
                if one.get("clip") and (low > 0 or high < 255):
                    raise ModelError("the bundle clips gray levels inside 0..255, which rtseg does not: give --normalization")
            case "ScaleIntensityRangePercentiles":
                found = _scaled("percentile", float(one.get("b_min", 0)), float(one.get("b_max", 1)), channels)
                found = Normalization(
                    found.mean, found.std, "percentile", (float(one.get("lower", 0)), float(one.get("upper", 100)))
                )
            case "NormalizeIntensity":
                found = _of_normalize_intensity(one, found, channels)
    return found


_RANGE = (("a_min", 0.0), ("a_max", 255.0), ("b_min", 0.0), ("b_max", 1.0))


def _of_normalize_intensity(one: Mapping[str, Any], before: Normalization | None, channels: int) -> Normalization:
    if one.get("nonzero"):
        raise ModelError("the bundle normalizes nonzero pixels alone, which rtseg does not: give --normalization")
    if one.get("subtrahend") is None and one.get("divisor") is None:
        return named_normalization("zscore", channels)
    less, divisor = (_numbers(one.get(key), default, channels) for key, default in (("subtrahend", 0.0), ("divisor", 1.0)))
    gain = before or Normalization((0.0,) * channels, (1.0,) * channels)
    mean = tuple(m + s * value for m, s, value in zip(gain.mean, gain.std, less, strict=True))
    return Normalization(mean, tuple(s * d for s, d in zip(gain.std, divisor, strict=True)), gain.kind, gain.percentiles)


def _numbers(value: Any, default: float, channels: int) -> tuple[float, ...]:
    listed = value if isinstance(value, list) else [default if value is None else value]
    return tuple(float(one) for one in (listed * channels if len(listed) == 1 else listed))


def _scaled(kind: str, low: float, high: float, channels: int) -> Normalization:
    """Return a normalization whose result of 0..1 is stretched to low..high."""
    gain = float(high) - float(low)
    return Normalization((-float(low) / gain,) * channels, (1 / gain,) * channels, kind)

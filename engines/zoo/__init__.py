"""Contains the models shipped with rtseg: NAME.onnx, its model card NAME.md and its training configuration NAME.toml."""

import json
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent
_INT8 = "-int8"


def shipped_models() -> dict[str, Path]:
    """Return the ONNX files of the shipped models by name."""
    return {path.stem: path for path in sorted(_FOLDER.glob("*.onnx"))}


def preview_models() -> dict[str, Path]:
    """Return the ONNX files by name of networks that may be tried, and miss the aims of a shipped model: tracking/README.md."""
    return {path.stem: path for path in sorted((_FOLDER / "tracking").glob("*.onnx"))}


def measured_dice(name: str) -> dict[str, dict[str, float]]:
    """Return the mean Dice of a shipped model by class on subjects that the measured network never saw.

    It has the keys "dice" for the FP32 form and "int8_dice" for the INT8 form, for either name; empty for a model that
    measured.json lacks. What was measured stands in the model's card.
    """
    measured: dict[str, Any] = json.loads((_FOLDER / "measured.json").read_text(encoding="utf-8"))
    found: dict[str, dict[str, float]] = measured.get(name.removesuffix(_INT8), {})
    return found

"""Contains the models shipped with rtseg: NAME.onnx, its model card NAME.md and its training configuration NAME.toml."""

from pathlib import Path

_FOLDER = Path(__file__).parent


def shipped_models() -> dict[str, Path]:
    """Return the ONNX files of the shipped models by name."""
    return {path.stem: path for path in sorted(_FOLDER.glob("*.onnx"))}

"""The models that come with rtseg: NAME.onnx, its card NAME.md and the NAME.toml that trained it."""

from pathlib import Path

_FOLDER = Path(__file__).parent


def shipped() -> dict[str, Path]:
    """The shipped models by name, each with its ONNX file."""
    return {path.stem: path for path in sorted(_FOLDER.glob("*.onnx"))}

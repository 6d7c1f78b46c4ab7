"""Remembers which model files were loaded and run once within the limits, by their content."""

import contextlib
import os
from hashlib import sha256
from importlib import metadata
from pathlib import Path

from rtseg.engines.base import ModelSpec

CHECK = 1  # of the way models are checked: a verdict of another one is not used
_PACKAGES = {"onnx": "onnxruntime", "torchscript": "torch", "weights": "torch"}  # an engine's own; of the others, openvino


class VerdictCache:
    """Keeps good verdicts as empty files in $RTSEG_CACHE/verdicts, or in the user's cache; refusals are never kept.

    Only the user can write the folder. Who can write there can vouch for any file: that is no stranger.
    """

    def __init__(self, folder: Path | None = None) -> None:
        home = os.environ.get("RTSEG_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rtseg"
        self.folder = folder or Path(home) / "verdicts"

    def key(self, engine: str, content: str, spec: ModelSpec | None) -> str:
        """Return the name of a verdict: of this rtseg, this engine's version, a file's content and its description."""
        package = _PACKAGES.get(engine, "openvino")
        known = (str(CHECK), _version("rtseg"), engine, _version(package), content, spec.to_json() if spec else "")
        return sha256("\0".join(known).encode()).hexdigest()

    def is_good(self, key: str) -> bool:
        """Return whether a good verdict is kept."""
        try:
            return (self.folder / key).is_file()
        except OSError:
            return False

    def store(self, key: str) -> None:
        """Keep a good verdict, where the folder can be written."""
        with contextlib.suppress(OSError):
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            self.folder.mkdir(mode=0o700, exist_ok=True)
            (self.folder / key).touch(0o600)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""

"""Refuse a model that is larger than the free memory before it is read, since the system would end the process meanwhile."""

from pathlib import Path

from rtseg.errors import ModelError
from rtseg.system.memory import free_memory

COPIES = 2  # of the weights at least: as they are in the file, and as the engine packs them
_WEIGHTS = (".data", "_data", ".weights")  # what stands behind the name of an ONNX file whose weights are beside it


def check_memory(path: Path, free_bytes: int | None = None) -> None:
    """Raise ModelError where a model needs more than the free memory.

    free_bytes: None: what is free now. Where the system does not say how much is free, nothing is refused.
    """
    free = free_memory() if free_bytes is None else free_bytes
    needed = COPIES * _weight_bytes(path)
    if free is not None and needed > free:
        raise ModelError(
            f"{path} needs {needed / 1e9:.1f} GB of memory at least, and {free / 1e9:.1f} GB are free: close other programs, "
            f"give a smaller model, or quantize it with `rtseg quantize`"
        )


def _weight_bytes(path: Path) -> int:
    beside = [path.with_name(path.name + suffix) for suffix in _WEIGHTS]
    files = [path, path.with_suffix(".bin"), *beside] if path.suffix == ".xml" else [path, *beside]
    return sum(file.stat().st_size for file in files if file.is_file())

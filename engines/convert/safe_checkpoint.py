"""Reads checkpoints of torch without running what a pickle may name."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rtseg.errors import MissingExtra, ModelError

try:
    import torch
except ImportError:
    raise MissingExtra("a checkpoint", "train") from None

_HARMLESS = [np.dtype, np.ndarray, *{type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8", "u1", "?")}]


def read_checkpoint(path: Path) -> Mapping[str, Any]:
    """Return the content of a checkpoint: weights, and numbers of NumPy beside them. Raises ModelError."""
    harmless = [*_HARMLESS, *_rebuilders()]
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(harmless):
            warnings.simplefilter("ignore")
            values = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}): name a checkpoint of yours") from None
    except Exception:  # noqa: BLE001  torch.load raises arbitrary exceptions, and advises to run code from the file
        raise ModelError(
            f"{path} is damaged, or holds objects beside weights, whose code is not run: save it with "
            f"torch.save(state_dict, FILE)"
        ) from None
    if not isinstance(values, Mapping):
        raise ModelError(f"{path} holds a {type(values).__name__}: save a state dict, torch.save(network.state_dict(), FILE)")
    return values


def _rebuilders() -> list[Any]:
    """Return the functions with which NumPy pickles its numbers and arrays, by their old and new names."""
    from numpy._core import multiarray

    found: list[Any] = []
    for name in ("scalar", "_reconstruct"):
        function = getattr(multiarray, name)
        found += [function, (function, f"numpy.core.multiarray.{name}"), (function, f"numpy._core.multiarray.{name}")]
    return found

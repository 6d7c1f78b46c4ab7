"""Defines recurrent networks for live video on small machines: (frame, state) in, (logits, state) out."""

from rtseg.errors import MissingExtra

try:
    import torch  # noqa: F401
except ImportError:
    raise MissingExtra("a network to train or export", "train") from None

from rtseg.models.composition import Composition
from rtseg.models.registry import DECODERS, ENCODERS, HEADS, MEMORIES

__all__ = ["DECODERS", "ENCODERS", "HEADS", "MEMORIES", "Composition"]

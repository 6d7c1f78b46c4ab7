"""Trains networks on clips with exact masks made from stills; needs the `train` extra."""

import rtseg.models  # noqa: F401  raises MissingExtra before a module here imports torch
from rtseg.train.run import train

__all__ = ["train"]

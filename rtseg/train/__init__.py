"""Training: clips with exact masks from stills, losses, and the loop (the `train` extra)."""

import rtseg.models  # noqa: F401  says which extra is lacking, before a module here asks for torch
from rtseg.train.run import train

__all__ = ["train"]

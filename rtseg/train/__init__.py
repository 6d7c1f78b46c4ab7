"""Training: clips with exact masks from stills, losses, and the loop (the `train` extra)."""

from rtseg.train.run import train

__all__ = ["train"]

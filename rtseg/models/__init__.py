"""Defines recurrent networks for live video on small machines: (frame, state) in, (logits, state) out."""

from rtseg.errors import MissingExtra

try:
    import torch  # noqa: F401
except ImportError:
    raise MissingExtra("a network to train or export", "train") from None

from rtseg.models.cells import CELLS, ConvGRU, ConvLSTM
from rtseg.models.network import VideoNetwork
from rtseg.models.recurrent_unet import LITE, WIDTHS, RecurrentUNet

BASELINE = "UNet"  # size name of MONAI's U-Net, which has no recurrent state

__all__ = ["BASELINE", "CELLS", "LITE", "WIDTHS", "ConvGRU", "ConvLSTM", "RecurrentUNet", "VideoNetwork"]

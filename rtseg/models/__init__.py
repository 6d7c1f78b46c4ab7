"""Networks for live video on small machines: (frame, memory) in, (logits, memory) out."""

from rtseg.errors import MissingExtra

try:
    import torch  # noqa: F401
except ImportError:
    raise MissingExtra("a network to train or export", "train") from None

from rtseg.models.cells import CELLS, ConvGRU, ConvLSTM
from rtseg.models.network import VideoNetwork
from rtseg.models.recurrent_unet import LITE, WIDTHS, RecurrentUNet

BASELINE = "UNet"  # the size that is MONAI's U-Net, without a memory

__all__ = ["BASELINE", "CELLS", "LITE", "WIDTHS", "ConvGRU", "ConvLSTM", "RecurrentUNet", "VideoNetwork"]

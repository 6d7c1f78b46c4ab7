"""Wraps the blocks of MONAI's U-Net as an encoder and a decoder, the baseline for the project's networks.

O. Ronneberger et al., MICCAI 2015, in the form of MONAI's BasicUNet (after Falk et al., 2019).
"""

from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from rtseg.errors import MissingExtra
from rtseg.models.decoders import Decoder, Recall
from rtseg.models.encoders import PictureEncoder

try:
    from monai.networks.nets.basic_unet import Down, TwoConv, UpCat
except ImportError:
    raise MissingExtra("MONAI's U-Net", "train") from None

_FORM: dict[str, Any] = {"act": "relu", "norm": "batch", "bias": False}


class UNetEncoder(PictureEncoder):
    """Implements the U-Net's encoder: two 3x3 convolutions at each level from the full resolution on, after max pooling."""

    features = widths = (16, 16, 32, 64, 128)
    stride = 1

    def __init__(self, channels: int = 1) -> None:
        pairs = pairwise(self.features)
        super().__init__([TwoConv(2, channels, self.features[0], **_FORM), *(Down(2, *pair, **_FORM) for pair in pairs)])


class UNetDecoder(Decoder):
    """Concatenates each level with the features below it, upsampled by a transposed convolution, and convolves them twice."""

    head_kernel = 1

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            UpCat(2, below, width, width, **_FORM, halves=place > 0, is_pad=False)
            for place, (width, below) in reversed(list(enumerate(pairwise(widths))))
        )

    def forward(self, levels: list[Tensor], recall: Recall) -> list[Tensor]:
        """Return the features of each level, the finest first."""
        features: list[Tensor] = [recall(len(levels) - 1, levels[-1])]
        for place, stage in zip(reversed(range(len(levels) - 1)), self.stages, strict=True):
            features.append(recall(place, stage(features[-1], levels[place])))
        return features[::-1]

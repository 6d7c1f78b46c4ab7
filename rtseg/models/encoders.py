"""Implements encoders of dense convolutions, which run near a CPU's INT8 peak, and the connections to a decoder.

Dense 3x3 convolutions of few channels, an early stride and foldable BatchNorm run fast on CPUs and Jetsons; depthwise
convolutions, concatenations and other norms do not.
"""

from typing import ClassVar

from torch import Tensor, nn

from rtseg.models.layers import convolution, projection, upsample


class PictureEncoder(nn.ModuleList):
    """Holds the levels of an encoder, each at half the resolution of the one before.

    A class of another package has the same attributes, and is built with the number of the picture's channels.
    """

    features: ClassVar[tuple[int, ...]]
    """Channels of the levels, without a deep one."""
    widths: ClassVar[tuple[int, ...]]
    """Channels in which a decoder and the memories take the levels."""
    stride: ClassVar[int] = 2
    """Stride of the first level: that of the network's logits."""
    deep_features: ClassVar[int] = 0
    """Channels of a further level that `deep=True` adds, for a larger receptive field; 0: there is none."""


class ConvEncoder(PictureEncoder):
    """Implements an encoder with two 3x3 convolutions at each level."""

    def __init__(self, channels: int = 1) -> None:
        befores = (channels, *self.features)
        super().__init__(
            nn.Sequential(convolution(before, width, stride=2), convolution(width, width))
            for before, width in zip(befores, self.features, strict=False)
        )


class SmallEncoder(ConvEncoder):
    """Implements the small encoder, 0.2 million parameters."""

    features, widths = (16, 32, 64, 128), (16, 32, 64, 64)


class MediumEncoder(ConvEncoder):
    """Implements the medium encoder, 0.7 million parameters."""

    features, widths = (32, 64, 96, 192), (32, 64, 96, 96)


class Neck(nn.Module):
    """Converts an encoder's levels to the widths of a decoder, and merges a deep level into the one above it.

    dropout: share of the channels of the lowest level dropped in training (J. Tompson et al., CVPR 2015).
    """

    def __init__(self, encoder: PictureEncoder, *, deep: bool = False, dropout: float = 0.0) -> None:
        super().__init__()
        self.shortcuts = nn.ModuleList(map(projection, encoder.features[:-1], encoder.widths[:-1]))
        before, after = encoder.features[-1], encoder.widths[-1]
        self.bridge = nn.Identity() if before == after else convolution(before, after)
        self.context = projection(encoder.deep_features, after) if deep else None
        self.dropped = nn.Dropout2d(dropout)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Return the levels (N, widths[i], h, w), the finest first."""
        *fine, low = features[: len(self.shortcuts) + 1]
        low = self.bridge(low)
        low = low + upsample(self.context(features[-1])) if self.context else low
        return [*(shortcut(level) for shortcut, level in zip(self.shortcuts, fine, strict=True)), self.dropped(low)]

"""Implements encoders of the first blocks of EfficientNet-Lite0, 1 and 2, which quantize well to INT8.

They use ReLU6 and no squeeze-and-excitation. M. Tan and Q. Le, "EfficientNet", ICML 2019; the Lite form: R. Liu, TensorFlow's
model garden, 2020. The blocks at 1/32 contain three quarters of its weights. `deep` adds two of them; the lowest memory stays
at 1/16. BatchNorm is trained further, with its statistics, because those of color photographs do not fit gray speckle.
"""

from itertools import chain
from typing import ClassVar

import torch
from torch import Tensor, nn

from rtseg.models.encoders import PictureEncoder

_STEM = 32  # channels
_STAGES = ((3, 1, 1), (3, 2, 6), (5, 2, 6), (3, 2, 6), (5, 1, 6), (5, 2, 6))  # (kernel, stride of the first block, expansion)
_LEVELS = (slice(1), slice(1, 2), slice(2, 3), slice(3, 5), slice(5, 6))  # the stages of each level


class InvertedResidual(nn.Module):
    """Implements MobileNetV2's inverted residual: expand, depthwise filter, project; added to the input of equal shape."""

    def __init__(self, before: int, kernel: int, stride: int, expansion: int, after: int) -> None:
        super().__init__()
        inner = before * expansion
        self.expand = _convolution(before, inner, 1) if expansion > 1 else nn.Sequential()
        self.filter = _convolution(inner, inner, kernel, stride, groups=inner)
        self.project = _convolution(inner, after, 1)[:2]
        self.adds = stride == 1 and before == after

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, before, H, W) to (N, after, H / stride, W / stride)."""
        made: Tensor = self.project(self.filter(self.expand(x)))
        return x + made if self.adds else made


class LiteEncoder(PictureEncoder):
    """Encodes a picture in four levels of an EfficientNet-Lite.

    channels: of the picture, 1 for gray. deep: adds a fifth level, of `deep_features` channels.
    """

    widths = (16, 32, 64, 64)
    stages: ClassVar[tuple[tuple[int, int], ...]]
    """(channels, blocks) of each stage; of the last, at 1/32, two blocks only."""

    def __init__(self, channels: int = 1, deep: bool = False) -> None:
        befores = iter((_STEM, *(width for width, count in self.stages for _ in range(count))))
        stages = [
            [InvertedResidual(next(befores), kernel, 1 if place else stride, expansion, width) for place in range(count)]
            for (kernel, stride, expansion), (width, count) in zip(_STAGES, self.stages, strict=True)
            if deep or width != self.deep_features
        ]
        levels = [nn.Sequential(*chain(*stages[level])) for level in _LEVELS if stages[level]]
        levels[0].insert(0, _convolution(channels, _STEM, 3, stride=2))
        super().__init__(levels)

    def load_imagenet(self) -> None:
        """Load weights that were pretrained on ImageNet. Raises ModelError, MissingExtra."""
        from rtseg.models.imagenet import load_imagenet

        load_imagenet(self)


class Lite0Encoder(LiteEncoder):
    """Implements the first blocks of EfficientNet-Lite0, 0.8 million parameters."""

    features, deep_features = (16, 24, 40, 112), 192
    stages = ((16, 1), (24, 2), (40, 2), (80, 3), (112, 3), (192, 2))


class Lite1Encoder(LiteEncoder):
    """Implements the first blocks of EfficientNet-Lite1: a third more blocks than Lite0."""

    features, deep_features = (16, 24, 40, 112), 192
    stages = ((16, 1), (24, 3), (40, 3), (80, 4), (112, 4), (192, 2))


class Lite2Encoder(LiteEncoder):
    """Implements the first blocks of EfficientNet-Lite2: as many blocks as Lite1, each up to a fifth wider."""

    features, deep_features = (16, 24, 48, 120), 208
    stages = ((16, 1), (24, 3), (48, 3), (88, 4), (120, 4), (208, 2))


class DepthwiseConv2d(nn.Conv2d):
    """Implements a depthwise convolution in float32, because its bfloat16 gradients are up to seven times as slow on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H / stride, W / stride), in the dtype of x."""
        if x.dtype == torch.float32:
            return self._filtered(x)
        return self._filtered(x.float()).to(x.dtype)

    def _filtered(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x)


def _convolution(before: int, after: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Return a convolution, BatchNorm and ReLU6, padded equally on all sides.

    The weights were trained with TensorFlow's asymmetric padding, which makes no practical difference.
    """
    kind = DepthwiseConv2d if groups > 1 else nn.Conv2d
    convolution = kind(before, after, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(after, eps=1e-3), nn.ReLU6(inplace=True))

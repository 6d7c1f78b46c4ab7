"""Implements an encoder of EfficientNet-Lite0's first eleven blocks, which quantize well to INT8.

They use ReLU6 and no squeeze-and-excitation. M. Tan and Q. Le, "EfficientNet", ICML 2019; the Lite form: R. Liu, TensorFlow's
model garden, 2020. The blocks at 1/32 contain three quarters of its weights. `deep` adds two of them; the recurrent cell stays
at 1/16. BatchNorm is trained further, with its statistics, because those of color photographs do not fit gray speckle.
"""

import torch
from torch import Tensor, nn

FEATURES = (16, 24, 40, 112)  # channels at 1/2, 1/4, 1/8 and 1/16 of the input
DEEP_FEATURES = 192  # at 1/32

_STEM = 32  # channels
_LEVELS = (  # (kernel, stride, expansion, channels) of each block
    ((3, 1, 1, 16),),
    ((3, 2, 6, 24), (3, 1, 6, 24)),
    ((5, 2, 6, 40), (5, 1, 6, 40)),
    ((3, 2, 6, 80), (3, 1, 6, 80), (3, 1, 6, 80), (5, 1, 6, 112), (5, 1, 6, 112), (5, 1, 6, 112)),
)
_DEEP = ((5, 2, 6, DEEP_FEATURES), (5, 1, 6, DEEP_FEATURES))


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


class LiteEncoder(nn.ModuleList):
    """Encodes a picture in four levels of FEATURES channels, each at half the resolution of the one before.

    deep: adds a fifth level, of DEEP_FEATURES channels. channels: of the picture, 1 for gray.
    """

    def __init__(self, deep: bool = False, channels: int = 1) -> None:
        rows = (*_LEVELS, _DEEP) if deep else _LEVELS
        befores = iter((_STEM, *(row[-1] for level in rows for row in level)))
        levels = [nn.Sequential(*(InvertedResidual(next(befores), *row) for row in level)) for level in rows]
        levels[0].insert(0, _convolution(channels, _STEM, 3, stride=2))
        super().__init__(levels)


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

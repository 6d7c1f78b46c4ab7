"""EfficientNet-Lite0's first eleven blocks as an encoder: ReLU6 and no squeeze-and-excitation, so that INT8 holds it well.

M. Tan and Q. Le, "EfficientNet", ICML 2019; the Lite form: R. Liu, TensorFlow's model garden, 2020. The blocks at 1/32 hold
three quarters of its weights: two of them come with `deep`, the others never, and the memory sits at 1/16. BatchNorm learns on,
its statistics too: those of colour photographs do not fit grey speckle.
"""

import torch
from torch import Tensor, nn

FEATURES = (16, 24, 40, 112)  # channels at 1/2, 1/4, 1/8 and 1/16 of the input
DEEP_FEATURES = 192  # at 1/32

_STEM = 32  # channels
_LEVELS = (  # kernel, stride, expansion and channels of each block
    ((3, 1, 1, 16),),
    ((3, 2, 6, 24), (3, 1, 6, 24)),
    ((5, 2, 6, 40), (5, 1, 6, 40)),
    ((3, 2, 6, 80), (3, 1, 6, 80), (3, 1, 6, 80), (5, 1, 6, 112), (5, 1, 6, 112), (5, 1, 6, 112)),
)
_DEEP = ((5, 2, 6, DEEP_FEATURES), (5, 1, 6, DEEP_FEATURES))


class Block(nn.Module):
    """Expand, filter each channel alone, project; added to what came in where the shapes agree (MobileNetV2's block)."""

    def __init__(self, before: int, kernel: int, stride: int, expansion: int, after: int) -> None:
        super().__init__()
        inner = before * expansion
        self.expand = _convolution(before, inner, 1) if expansion > 1 else nn.Sequential()
        self.filter = _convolution(inner, inner, kernel, stride, groups=inner)
        self.project = _convolution(inner, after, 1)[:2]
        self.adds = stride == 1 and before == after

    def forward(self, x: Tensor) -> Tensor:
        """(N, before, H, W) to (N, after, H / stride, W / stride)."""
        made: Tensor = self.project(self.filter(self.expand(x)))
        return x + made if self.adds else made


class LiteEncoder(nn.ModuleList):
    """Four levels, each half as high and wide as the one before, of FEATURES channels; grey comes in. deep: five levels."""

    def __init__(self, deep: bool = False) -> None:
        rows = (*_LEVELS, _DEEP) if deep else _LEVELS
        befores = iter((_STEM, *(row[-1] for level in rows for row in level)))
        levels = [nn.Sequential(*(Block(next(befores), *row) for row in level)) for level in rows]
        levels[0].insert(0, _convolution(1, _STEM, 3, stride=2))
        super().__init__(levels)


class ChannelFilter(nn.Conv2d):
    """A convolution of each channel alone, always in float32: on a CPU bfloat16 gradients take up to seven times as long."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, H / stride, W / stride), in the type of x."""
        if x.dtype == torch.float32:
            return self._filtered(x)
        return self._filtered(x.float()).to(x.dtype)

    def _filtered(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x)


def _convolution(before: int, after: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution, BatchNorm and ReLU6; padded alike on all sides, which the weights, made for TensorFlow's, do not mind."""
    kind = ChannelFilter if groups > 1 else nn.Conv2d
    convolution = kind(before, after, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(after, eps=1e-3), nn.ReLU6(inplace=True))

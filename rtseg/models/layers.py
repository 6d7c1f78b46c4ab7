"""Builds the layers that the parts of a network share."""

from torch import Tensor, nn
from torch.nn import functional


def convolution(before: int, after: int, stride: int = 1) -> nn.Sequential:
    """Return a 3x3 convolution, BatchNorm and ReLU, from `before` to `after` channels."""
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )


def projection(before: int, after: int) -> nn.Module:
    """Return a 1x1 convolution and BatchNorm if the channels differ, else the identity."""
    if before == after:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after))


def upsample(x: Tensor) -> Tensor:
    """Double the height and width by nearest neighbors."""
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")

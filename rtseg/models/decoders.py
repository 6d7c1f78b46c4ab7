"""Implements the decoder whose skip connections are additions, which quantize well and need no copies.

The U-Net: O. Ronneberger et al., MICCAI 2015; skips by addition: A. Chaurasia and E. Culurciello, "LinkNet", VCIP 2017.
"""

from collections.abc import Callable
from typing import ClassVar, TypeAlias

from torch import Tensor, nn

from rtseg.models.layers import convolution, projection, upsample

Recall: TypeAlias = Callable[[int, Tensor], Tensor]  # (level, features) to the features that a memory has added to


class Decoder(nn.Module):
    """Decodes levels (N, widths[i], h, w), the finest first, to features of the same shapes.

    A class of another package is built with the widths. It passes its features of each level through `recall`, which adds what
    the memory of that level, if there is one, holds of earlier frames.
    """

    head_kernel: ClassVar[int] = 3
    """Size of the convolution that makes logits of the features."""

    def forward(self, levels: list[Tensor], recall: Recall) -> list[Tensor]:
        """Return the features of each level, the finest first."""
        raise NotImplementedError


class AddDecoder(Decoder):
    """Adds each level to the features below it, upsampled by nearest neighbors, and convolves the sum twice."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.entry = projection(widths[-1], widths[-2])
        stages = [
            nn.Sequential(convolution(width, width), convolution(width, after))
            for width, after in zip(widths[-2:0:-1], widths[-3::-1], strict=True)
        ]
        last = convolution(widths[0], widths[0])[:2]  # no ReLU: all-zero features would reduce the logit to the bias
        self.stages = nn.ModuleList([*stages, last])

    def forward(self, levels: list[Tensor], recall: Recall) -> list[Tensor]:
        """Return the features of each level, the finest first."""
        x = recall(len(levels) - 1, levels[-1])
        features, x = [x], self.entry(x)
        for place, stage in zip(reversed(range(len(levels) - 1)), self.stages, strict=True):
            merged = recall(place, upsample(x) + levels[place])
            x = stage(merged)
            features.append(merged)
        return [x, *features[-2::-1]]

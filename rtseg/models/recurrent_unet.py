"""A small U-Net with a memory at its bottom, shaped by what CPUs and Jetsons run fast.

Dense 3x3 convolutions at few channels, an early stride, BatchNorm that folds away, skips by addition: in INT8 these run near a
CPU's peak, where depthwise convolutions, concatenations and other norms starve. The U: O. Ronneberger et al., MICCAI 2015.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from rtseg.models.cells import CELLS
from rtseg.models.lite_encoder import FEATURES, LiteEncoder
from rtseg.models.network import VideoNetwork

LITE = "Lite0"  # the size whose encoder is EfficientNet-Lite0's, which ImageNet has taught to see
WIDTHS = {  # channels at 1/2, 1/4, 1/8 and 1/16 of the input
    "S": (16, 32, 64, 128),
    "M": (32, 64, 96, 192),
    LITE: (16, 32, 64, FEATURES[-1]),
}


class RecurrentUNet(VideoNetwork):
    """logits, *states = network(x, *states): x (N, C, H, W) with H and W multiples of 16, logits (N, K, H / 2, W / 2).

    The memory is added to what the frame shows, so that zero states, the memory of nothing, leave the frame to itself.
    """

    def __init__(self, n_logits: int, size: str = "S", cell: str = "gru") -> None:
        super().__init__()
        widths, lite = WIDTHS[size], size == LITE
        self.encoder = LiteEncoder() if lite else _encoder(widths)
        self.shortcuts = nn.ModuleList(map(_shortcut, FEATURES if lite else widths, widths[:-1]))
        self.remembered = widths[-2]  # channels
        self.bridge = _convolution(widths[-1], self.remembered)
        self.memory = CELLS[cell](self.remembered)
        self.decoder = nn.ModuleList(
            nn.Sequential(_convolution(width, width), _convolution(width, after))
            for width, after in zip(widths[-2:0:-1], widths[-3::-1], strict=True)
        )
        self.last = _convolution(widths[0], widths[0])[:2]  # no ReLU: where all features are 0 the logit is but the bias
        self.head = nn.Conv2d(widths[0], n_logits, 3, padding=1)

    def forward(self, x: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """One frame: its logits, then the new states."""
        bottom, skips = self._encode(x)
        states = self.memory(bottom, *states)
        return self._decode(bottom + states[0], skips), *states

    def clip(self, x: Tensor) -> Tensor:
        """Logits (T, N, K, H / 2, W / 2) of clips x (T, N, C, H, W) from empty memory; only the memory goes frame by frame."""
        length = x.shape[0]
        bottoms, skips = self._encode(x.flatten(0, 1))
        states, hidden = self.initial_states(x.shape[1], (x.shape[3], x.shape[4])), []
        for bottom in bottoms.chunk(length):
            states = self.memory(bottom, *states)
            hidden.append(states[0])
        logits = self._decode(bottoms + torch.cat(hidden), skips)
        return logits.reshape(*x.shape[:2], *logits.shape[1:])

    def initial_states(self, n: int, size: tuple[int, int]) -> tuple[Tensor, ...]:
        """The memory of nothing, for n clips of (H, W) frames: zeros (n, C, H / 16, W / 16)."""
        shape = (n, self.remembered, size[0] // 16, size[1] // 16)
        return tuple(torch.zeros(shape) for _ in range(self.memory.n_states))

    def _encode(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The features at 1/16, and those at 1/8, 1/4 and 1/2."""
        features: list[Tensor] = []
        for level in self.encoder:
            x = level(x)
            features.append(x)
        skips = [shortcut(feature) for shortcut, feature in zip(self.shortcuts, features, strict=False)]
        return self.bridge(x), skips[::-1]

    def _decode(self, x: Tensor, skips: list[Tensor]) -> Tensor:
        """Logits at 1/2, from the features at 1/16 up through the skips."""
        for level, skip in zip((*self.decoder, self.last), skips, strict=True):
            x = level(functional.interpolate(x, scale_factor=2.0, mode="nearest") + skip)
        logits: Tensor = self.head(x)
        return logits


def _encoder(widths: tuple[int, ...]) -> nn.ModuleList:
    """A level for each width, half as high and wide as the one before; grey comes in."""
    return nn.ModuleList(
        nn.Sequential(_convolution(before, width, stride=2), _convolution(width, width))
        for before, width in zip((1, *widths), widths, strict=False)
    )


def _shortcut(before: int, after: int) -> nn.Module:
    """What a skip passes through: a 1x1 convolution and BatchNorm where the decoder has other channels."""
    if before == after:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after))


def _convolution(before: int, after: int, stride: int = 1) -> nn.Sequential:
    """A 3x3 convolution, BatchNorm and ReLU, from `before` to `after` channels."""
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )

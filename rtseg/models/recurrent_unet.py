"""A small U-Net with a memory at its bottom and perhaps one near its top, shaped by what CPUs and Jetsons run fast.

Dense 3x3 convolutions at few channels, an early stride, BatchNorm that folds away, skips by addition: in INT8 these run near a
CPU's peak, where depthwise convolutions, concatenations and other norms starve. The U: O. Ronneberger et al., MICCAI 2015.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from rtseg.models.cells import CELLS, Cell
from rtseg.models.lite_encoder import DEEP_FEATURES, FEATURES, LiteEncoder
from rtseg.models.network import VideoNetwork

LITE = "Lite0"  # the size whose encoder is EfficientNet-Lite0's, which ImageNet has taught to see
WIDTHS = {  # channels at 1/2, 1/4, 1/8 and 1/16 of the input
    "S": (16, 32, 64, 128),
    "M": (32, 64, 96, 192),
    LITE: (16, 32, 64, FEATURES[-1]),
}


class RecurrentUNet(VideoNetwork):
    """logits, *states = network(x, *states): x (N, C, H, W) with H and W multiples of 16, logits (N, K, H / 2, W / 2).

    scales: 1 remembers at 1/16 of the input what is there; 2 remembers at 1/4 too, where its border runs. A memory is added to
    what the frame shows, so that zero states, the memory of nothing, leave the frame to itself. deep: the encoder of size LITE
    goes on to 1/32 (H and W are multiples of 32 then), where a place sees most of the picture. dropout: the share of channels
    at 1/16 that a frame does without while it is trained (J. Tompson et al., CVPR 2015), so that none is relied on alone.
    """

    def __init__(
        self, n_logits: int, size: str = "S", cell: str = "gru", scales: int = 1, deep: bool = False, dropout: float = 0.0
    ) -> None:
        super().__init__()
        widths, lite = WIDTHS[size], size == LITE
        self.encoder = LiteEncoder(deep) if lite else _encoder(widths)
        self.shortcuts = nn.ModuleList(map(_shortcut, FEATURES if lite else widths, widths[:-1]))
        self.remembered = widths[-2]  # channels
        self.bridge = _convolution(widths[-1], self.remembered)
        self.context = _shortcut(DEEP_FEATURES, self.remembered) if deep else None
        self.dropped = nn.Dropout2d(dropout)
        self.memory = CELLS[cell](self.remembered)
        self.fine = SlimMemory(widths[1], cell) if scales == 2 else None
        self.decoder = nn.ModuleList(
            nn.Sequential(_convolution(width, width), _convolution(width, after))
            for width, after in zip(widths[-2:0:-1], widths[-3::-1], strict=True)
        )
        self.last = _convolution(widths[0], widths[0])[:2]  # no ReLU: where all features are 0 the logit is but the bias
        self.head = nn.Conv2d(widths[0], n_logits, 3, padding=1)

    def forward(self, x: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """One frame: its logits, then the new states."""
        logits, states = self._run(x, states, 1)
        return logits, *states

    def clip(self, x: Tensor) -> Tensor:
        """Logits (T, N, K, H / 2, W / 2) of clips x (T, N, C, H, W) from empty memory; only the memory goes frame by frame."""
        empty = self.initial_states(x.shape[1], (x.shape[3], x.shape[4]))
        logits, _ = self._run(x.flatten(0, 1), empty, x.shape[0])
        return logits.reshape(*x.shape[:2], *logits.shape[1:])

    def initial_states(self, n: int, size: tuple[int, int]) -> tuple[Tensor, ...]:
        """The memory of nothing, for n clips of (H, W) frames: zeros (n, C, H / 16, W / 16), perhaps (n, C, H / 4, W / 4)."""
        shapes = [(n, self.remembered, size[0] // 16, size[1] // 16)] * self.memory.n_states
        if self.fine:
            shapes += [(n, self.fine.cell.channels, size[0] // 4, size[1] // 4)] * self.fine.cell.n_states
        return tuple(map(torch.zeros, shapes))

    def _run(self, x: Tensor, states: tuple[Tensor, ...], length: int) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Logits of frames x (T * N, C, H, W), the clips' first frames first, and the states after the last."""
        bottom, skips = self._encode(x)
        hidden, kept = _in_time(self.memory, bottom, states[: self.memory.n_states], length)
        coarse, middle, border = skips
        x = self.decoder[0](_doubled(bottom + hidden) + coarse)
        x = _doubled(x) + middle
        if self.fine:
            hidden, fine = _in_time(self.fine.cell, self.fine.inward(x), states[self.memory.n_states :], length)
            x, kept = x + self.fine.outward(hidden), kept + fine
        x = self.last(_doubled(self.decoder[1](x)) + border)
        return self.head(x), kept

    def _encode(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The features at 1/16, and those at 1/8, 1/4 and 1/2."""
        features: list[Tensor] = []
        for level in self.encoder:
            x = level(x)
            features.append(x)
        skips = [shortcut(feature) for shortcut, feature in zip(self.shortcuts, features, strict=False)]
        bottom: Tensor = self.bridge(features[3])
        bottom = bottom + _doubled(self.context(x)) if self.context else bottom
        return self.dropped(bottom), skips[::-1]


class SlimMemory(nn.Module):
    """A memory of few channels beside a wide path: what goes in and what comes out pass through 1x1 convolutions."""

    def __init__(self, width: int, cell: str) -> None:
        super().__init__()
        self.inward = nn.Conv2d(width, width // 2, 1)
        self.cell = CELLS[cell](width // 2)
        self.outward = nn.Conv2d(width // 2, width, 1, bias=False)
        nn.init.uniform_(self.outward.weight, -0.02, 0.02)  # a network that was trained without it begins as it was


def _in_time(cell: Cell, x: Tensor, states: tuple[Tensor, ...], length: int) -> tuple[Tensor, tuple[Tensor, ...]]:
    """What a memory holds at each of `length` frames, (T * N, C, h, w) as x, and its states after the last."""
    if length == 1:
        states = cell(x, *states)
        return states[0], states
    hidden = []
    for frame in x.chunk(length):
        states = cell(frame, *states)
        hidden.append(states[0])
    return torch.cat(hidden), states


def _doubled(x: Tensor) -> Tensor:
    """Twice as high and wide."""
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


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

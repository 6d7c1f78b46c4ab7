"""Implements a small recurrent U-Net from operations that run fast on CPUs and Jetsons.

It has a recurrent cell at the bottom and optionally one near the top. Dense 3x3 convolutions of few channels, an early stride,
foldable BatchNorm and skips by addition run near a CPU's INT8 peak; depthwise convolutions, concatenations and other norms do
not. The U-Net: O. Ronneberger et al., MICCAI 2015.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from rtseg.models.cells import CELLS, Cell
from rtseg.models.lite_encoder import DEEP_FEATURES, FEATURES, LiteEncoder
from rtseg.models.network import VideoNetwork

LITE = "Lite0"  # size name of the network with EfficientNet-Lite0's encoder, for which ImageNet weights exist
WIDTHS = {  # channels at 1/2, 1/4, 1/8 and 1/16 of the input
    "S": (16, 32, 64, 128),
    "M": (32, 64, 96, 192),
    LITE: (16, 32, 64, FEATURES[-1]),
}


class RecurrentUNet(VideoNetwork):
    """Segments video: logits, *states = network(x, *states).

    x is (N, C, H, W) with H and W multiples of 16, logits are (N, K, H / 2, W / 2). A cell's output is added to the features of
    the frame, so that zero states, the initial ones, add nothing of the past.
    size: a key of WIDTHS. cell: a key of CELLS. scales: 1 for a cell at 1/16 of the input resolution, 2 for another at 1/4,
    which stabilizes borders. deep: continue the encoder of size LITE to 1/32 for a larger receptive field; H and W are then
    multiples of 32. dropout: share of channels dropped at 1/16 in training (J. Tompson et al., CVPR 2015). channels: C of x.
    """

    def __init__(
        self,
        n_logits: int,
        size: str = "S",
        cell: str = "gru",
        scales: int = 1,
        deep: bool = False,
        dropout: float = 0.0,
        channels: int = 1,
    ) -> None:
        super().__init__()
        widths, lite = WIDTHS[size], size == LITE
        self.encoder = LiteEncoder(deep, channels) if lite else _encoder(widths, channels)
        self.shortcuts = nn.ModuleList(map(_shortcut, FEATURES if lite else widths, widths[:-1]))
        self.memory_channels = widths[-2]  # channels of the cell at 1/16
        self.bridge = _convolution(widths[-1], self.memory_channels)
        self.context = _shortcut(DEEP_FEATURES, self.memory_channels) if deep else None
        self.dropped = nn.Dropout2d(dropout)
        self.memory = CELLS[cell](self.memory_channels)
        self.fine = SlimMemory(widths[1], cell) if scales == 2 else None
        self.decoder = nn.ModuleList(
            nn.Sequential(_convolution(width, width), _convolution(width, after))
            for width, after in zip(widths[-2:0:-1], widths[-3::-1], strict=True)
        )
        self.last = _convolution(widths[0], widths[0])[:2]  # no ReLU: all-zero features would reduce the logit to the bias
        self.head = nn.Conv2d(widths[0], n_logits, 3, padding=1)

    def forward(self, x: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Return the logits of one frame and the new states."""
        logits, states = self._run(x, states, 1)
        return logits, *states

    def clip(self, x: Tensor) -> Tensor:
        """Return the logits (T, N, K, H / 2, W / 2) of clips x (T, N, C, H, W) from the initial states.

        Only the recurrent cells run frame by frame.
        """
        empty = self.initial_states(x.shape[1], (x.shape[3], x.shape[4]))
        logits, _ = self._run(x.flatten(0, 1), empty, x.shape[0])
        return logits.reshape(*x.shape[:2], *logits.shape[1:])

    def initial_states(self, n: int, size: tuple[int, int]) -> tuple[Tensor, ...]:
        """Return the initial states for n clips of (H, W) frames.

        They are zeros (n, C, H / 16, W / 16), followed with two scales by (n, C, H / 4, W / 4).
        """
        shapes = [(n, self.memory_channels, size[0] // 16, size[1] // 16)] * self.memory.n_states
        if self.fine:
            shapes += [(n, self.fine.cell.channels, size[0] // 4, size[1] // 4)] * self.fine.cell.n_states
        return tuple(map(torch.zeros, shapes))

    def _run(self, x: Tensor, states: tuple[Tensor, ...], length: int) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the logits of frames x (T * N, C, H, W), ordered by time, and the states after the last frame."""
        bottom, skips = self._encode(x)
        hidden, kept = _unroll(self.memory, bottom, states[: self.memory.n_states], length)
        coarse, middle, border = skips
        x = self.decoder[0](_upsample(bottom + hidden) + coarse)
        x = _upsample(x) + middle
        if self.fine:
            hidden, fine = _unroll(self.fine.cell, self.fine.inward(x), states[self.memory.n_states :], length)
            x, kept = x + self.fine.outward(hidden), kept + fine
        x = self.last(_upsample(self.decoder[1](x)) + border)
        return self.head(x), kept

    def _encode(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the features at 1/16, and a list of those at 1/8, 1/4 and 1/2."""
        features: list[Tensor] = []
        for level in self.encoder:
            x = level(x)
            features.append(x)
        skips = [shortcut(feature) for shortcut, feature in zip(self.shortcuts, features, strict=False)]
        bottom: Tensor = self.bridge(features[3])
        bottom = bottom + _upsample(self.context(x)) if self.context else bottom
        return self.dropped(bottom), skips[::-1]


class SlimMemory(nn.Module):
    """Implements a recurrent cell of half the channels, between 1x1 convolutions, for a branch beside a wide path."""

    def __init__(self, width: int, cell: str) -> None:
        super().__init__()
        self.inward = nn.Conv2d(width, width // 2, 1)
        self.cell = CELLS[cell](width // 2)
        self.outward = nn.Conv2d(width // 2, width, 1, bias=False)
        nn.init.uniform_(self.outward.weight, -0.02, 0.02)  # hardly changes a network that was trained without it


def _unroll(cell: Cell, x: Tensor, states: tuple[Tensor, ...], length: int) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run a cell over `length` frames x (T * N, C, h, w); return its hidden states, shaped like x, and the last states."""
    if length == 1:
        states = cell(x, *states)
        return states[0], states
    hidden = []
    for frame in x.chunk(length):
        states = cell(frame, *states)
        hidden.append(states[0])
    return torch.cat(hidden), states


def _upsample(x: Tensor) -> Tensor:
    """Double the height and width by nearest neighbors."""
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


def _encoder(widths: tuple[int, ...], channels: int) -> nn.ModuleList:
    """Return an encoder of pictures with a level for each width, at half the resolution of the one before."""
    return nn.ModuleList(
        nn.Sequential(_convolution(before, width, stride=2), _convolution(width, width))
        for before, width in zip((channels, *widths), widths, strict=False)
    )


def _shortcut(before: int, after: int) -> nn.Module:
    """Return the module of a skip connection: a 1x1 convolution and BatchNorm if the channels differ, else the identity."""
    if before == after:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after))


def _convolution(before: int, after: int, stride: int = 1) -> nn.Sequential:
    """Return a 3x3 convolution, BatchNorm and ReLU, from `before` to `after` channels."""
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )

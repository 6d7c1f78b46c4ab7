"""Implements the heads of a network: that of the mask, and auxiliary heads, which supervise its features in training only.

Deep supervision: C.-Y. Lee et al., "Deeply-supervised nets", AISTATS 2015.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

_SMOOTHING = 1.0  # pixels


class MaskHead(nn.Module):
    """Predicts the logits of the mask from the finest features."""

    def __init__(self, widths: tuple[int, ...], n_logits: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(widths[0], n_logits, kernel, padding=kernel // 2)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Return the logits (N, K, h, w)."""
        logits: Tensor = self.conv(features[0])
        return logits


class AuxiliaryHead(nn.Module):
    """Defines an auxiliary head: it supervises the features in training, and is left out of the exported network.

    A class of another package is built with the decoder's widths, the mask's number of logits and the decoder's head_kernel.
    """

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Return outputs from the decoder's features, the finest first."""
        raise NotImplementedError

    def loss(self, outputs: list[Tensor], truth: Tensor) -> Tensor:
        """Return the loss of the outputs against the truth (N, K, H, W) in [0, 1]."""
        raise NotImplementedError


class BoundaryHead(AuxiliaryHead):
    """Predicts the borders of the classes from the finest features, one channel a class."""

    def __init__(self, widths: tuple[int, ...], n_logits: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(widths[0], max(1, n_logits - 1), kernel, padding=kernel // 2)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Return the logits of the borders (N, K, h, w)."""
        return [self.conv(features[0])]

    def loss(self, outputs: list[Tensor], truth: Tensor) -> Tensor:
        """Return the Dice loss and cross entropy of the borders, three pixels wide at the logits' resolution."""
        (logits,) = outputs
        return _overlap_loss(logits, _border(_resized(truth, logits)))


class DeepSupervision(AuxiliaryHead):
    """Predicts the mask from the features of every coarser level too, so that the loss reaches those levels directly."""

    def __init__(self, widths: tuple[int, ...], n_logits: int, kernel: int) -> None:  # noqa: ARG002  as the other heads
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(width, max(1, n_logits - 1), 1) for width in widths[1:])

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Return logits of the classes (N, K, h, w) at each coarser level."""
        return [conv(level) for conv, level in zip(self.convs, features[1:], strict=True)]

    def loss(self, outputs: list[Tensor], truth: Tensor) -> Tensor:
        """Return the mean over the levels of the Dice loss and cross entropy; half as much for each coarser level."""
        losses = [_overlap_loss(logits, _resized(truth, logits)) / 2**place for place, logits in enumerate(outputs)]
        return torch.stack(losses).mean()


def _resized(truth: Tensor, logits: Tensor) -> Tensor:
    """Return the truth at the size of the logits, each pixel the share of its area."""
    return functional.adaptive_avg_pool2d(truth, (logits.shape[-2], logits.shape[-1]))


def _border(truth: Tensor) -> Tensor:
    """Return the morphological gradient of a mask (N, K, h, w): the border, three pixels wide."""
    return functional.max_pool2d(truth, 3, 1, 1) + functional.max_pool2d(-truth, 3, 1, 1)


def _overlap_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Return the Dice loss and the cross entropy of independent channels."""
    logits = logits.float()
    probability = logits.sigmoid()
    both, either = (probability * target).sum((2, 3)), (probability + target).sum((2, 3))
    dice: Tensor = 1 - ((2 * both + _SMOOTHING) / (either + _SMOOTHING)).mean()
    return dice + functional.binary_cross_entropy_with_logits(logits, target)

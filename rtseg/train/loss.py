"""What a training minimises: overlap, each pixel's class, borders before the rest, and errors that do not flicker."""

import torch
from torch import Tensor
from torch.nn import functional

from rtseg.train.config import LossConfig

_BORDER_PX = 7  # how wide a strip counts as border
_SMOOTH = 50.0  # pixels: an empty mask is right when nearly nothing is found


def segmentation_loss(logits: Tensor, truth: Tensor, weights: LossConfig) -> Tensor:
    """The loss of clips: logits (T, N, K + 1 or 1, h, w) at any resolution, truth (T, N, K, H, W) in [0, 1]."""
    length = logits.shape[0]
    target = truth.flatten(0, 1)
    scores = functional.interpolate(logits.float().flatten(0, 1), target.shape[-2:], mode="bilinear", align_corners=False)
    chance, entropy = _sigmoid(scores, target) if scores.shape[1] == 1 else _softmax(scores, target)
    loss = weights.cross_entropy * _bordered(entropy, target, weights.boundary)
    loss = loss + weights.dice * _dice_loss(chance, target)
    if weights.steadiness and length > 1:
        loss = loss + weights.steadiness * _unsteadiness((chance - target).reshape(length, -1, *target.shape[1:]))
    return loss


def _sigmoid(scores: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The probability and the cross entropy of each pixel where there is one class."""
    return torch.sigmoid(scores), functional.binary_cross_entropy_with_logits(scores, target, reduction="none")[:, 0]


def _softmax(scores: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The probabilities of the classes and the cross entropy of each pixel; channel 0 is the background."""
    full = torch.cat([(1 - target.sum(1, keepdim=True)).clamp(min=0), target], dim=1)
    log = functional.log_softmax(scores, dim=1)
    return log.exp()[:, 1:], -(full * log).sum(1)


def _bordered(entropy: Tensor, target: Tensor, boundary: float) -> Tensor:
    """The mean cross entropy, a pixel on a border counting up to 1 + boundary times."""
    rows = functional.avg_pool2d(target, (_BORDER_PX, 1), 1, (_BORDER_PX // 2, 0))  # one way after the other is faster
    near = functional.avg_pool2d(rows, (1, _BORDER_PX), 1, (0, _BORDER_PX // 2))
    weight = 1 + boundary * (4 * near * (1 - near)).amax(1)
    return (weight * entropy).mean()


def _dice_loss(chance: Tensor, target: Tensor) -> Tensor:
    """1 - Dice of each frame and class, averaged."""
    both, either = (chance * target).sum((2, 3)), (chance + target).sum((2, 3))
    share: Tensor = (2 * both + _SMOOTH) / (either + _SMOOTH)
    return 1 - share.mean()


def _unsteadiness(error: Tensor) -> Tensor:
    """How much the error changes from frame to frame, of the order of a Dice loss: error (T, N, K, H, W)."""
    change = (error[1:] - error[:-1]).square().sum((3, 4))
    share: Tensor = change / (error.shape[-1] * error.shape[-2]) ** 0.5
    return share.mean() / 10

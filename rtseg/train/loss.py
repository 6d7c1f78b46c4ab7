"""Computes the training loss: Dice or Tversky, cross entropy, distance from the border, and a penalty on flickering errors."""

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from rtseg.train.config import LossConfig

_BORDER_PX = 7  # width of the strip that counts as border
_SURFACE_PX = 100.0  # pixels of distance that count 1
_DICE_SMOOTHING = 50.0  # pixels: smoothing, so that few false pixels cost little on an empty ground truth


def segmentation_loss(logits: Tensor, truth: Tensor, weights: LossConfig) -> Tensor:
    """Return the loss of clips: logits (T, N, K + 1 or 1, h, w) at any resolution, truth (T, N, K, H, W) in [0, 1]."""
    length = logits.shape[0]
    target = truth.flatten(0, 1)
    scores = functional.interpolate(logits.float().flatten(0, 1), target.shape[-2:], mode="bilinear", align_corners=False)
    probability, entropy = _sigmoid(scores, target) if scores.shape[1] == 1 else _softmax(scores, target)
    if weights.focal:  # T.-Y. Lin et al., ICCV 2017; exp(-entropy) is the probability of the right class
        entropy = (1 - torch.exp(-entropy)) ** weights.focal * entropy
    loss = weights.cross_entropy * _boundary_weighted_mean(entropy, target, weights.boundary)
    loss = loss + weights.dice * _dice_loss(probability, target, weights.tversky)
    if weights.surface:
        loss = loss + weights.surface * _surface_loss(probability, target)
    if weights.steadiness and length > 1:
        loss = loss + weights.steadiness * _flicker_loss((probability - target).reshape(length, -1, *target.shape[1:]))
    return loss


def _sigmoid(scores: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return the probability and the cross entropy of each pixel, for a single class."""
    return torch.sigmoid(scores), functional.binary_cross_entropy_with_logits(scores, target, reduction="none")[:, 0]


def _softmax(scores: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return the probabilities of the classes and the cross entropy of each pixel; channel 0 is the background."""
    full = torch.cat([(1 - target.sum(1, keepdim=True)).clamp(min=0), target], dim=1)
    log = functional.log_softmax(scores, dim=1)
    return log.exp()[:, 1:], -(full * log).sum(1)


def _boundary_weighted_mean(entropy: Tensor, target: Tensor, boundary: float) -> Tensor:
    """Return the mean cross entropy with weights up to 1 + boundary on border pixels."""
    rows = functional.avg_pool2d(target, (_BORDER_PX, 1), 1, (_BORDER_PX // 2, 0))  # separable filters are faster
    near = functional.avg_pool2d(rows, (1, _BORDER_PX), 1, (0, _BORDER_PX // 2))
    weight = 1 + boundary * (4 * near * (1 - near)).amax(1)
    return (weight * entropy).mean()


def _dice_loss(probability: Tensor, target: Tensor, false_weight: float) -> Tensor:
    """Return 1 minus the mean Dice over frames and classes; with a weight other than 0.5, the Tversky index.

    S. S. M. Salehi et al., MLMI 2017: TP / (TP + w FP + (1 - w) FN), where TP + FP is the prediction and TP + FN the truth.
    """
    both = (probability * target).sum((2, 3))
    either = (2 * false_weight * probability + 2 * (1 - false_weight) * target).sum((2, 3))
    share: Tensor = (2 * both + _DICE_SMOOTHING) / (either + _DICE_SMOOTHING)
    return 1 - share.mean()


def _surface_loss(probability: Tensor, target: Tensor) -> Tensor:
    """Return the mean of the probability times the signed distance from the border of the truth, in 100 pixels.

    H. Kervadec et al., "Boundary loss for highly unbalanced segmentation", MIDL 2019. A class that is absent adds nothing.
    """
    inside = (target.detach() >= 0.5).numpy().astype(np.uint8)
    signed = np.zeros(inside.shape, np.float32)
    for place in np.ndindex(*inside.shape[:2]):
        if inside[place].any():
            outer, inner = (cv2.distanceTransform(plane, cv2.DIST_L2, 3) for plane in (1 - inside[place], inside[place]))
            signed[place] = outer - inner
    loss: Tensor = (probability * torch.from_numpy(signed)).mean() / _SURFACE_PX
    return loss


def _flicker_loss(error: Tensor) -> Tensor:
    """Return the change of the error (T, N, K, H, W) from frame to frame, scaled to the magnitude of a Dice loss."""
    change = (error[1:] - error[:-1]).square().sum((3, 4))
    share: Tensor = change / (error.shape[-1] * error.shape[-2]) ** 0.5
    return share.mean() / 10

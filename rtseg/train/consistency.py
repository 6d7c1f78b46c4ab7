"""Computes losses that need no further annotation: agreement along the motion, and agreement with a teacher.

Both cost time in training only: a network without a memory keeps its single-frame inference.
"""

import torch
from torch import Tensor
from torch.nn import functional


def class_probability(logits: Tensor) -> Tensor:
    """Return the probabilities (N, K, h, w) of the classes without the background, from logits (N, 1 or K + 1, h, w)."""
    scores = logits.float()
    return torch.sigmoid(scores) if scores.shape[1] == 1 else torch.softmax(scores, 1)[:, 1:]


def coherence_loss(logits: Tensor, motion: Tensor) -> Tensor:
    """Return how much the probabilities of a clip change along its motion, scaled to the magnitude of a Dice loss.

    logits: (T, N, K, h, w). motion: (T - 1, N, 3, H, W) of `clip_motion`; its confidence weighs each pixel, as in "Distilling
    temporal coherence into 2D networks for transrectal ultrasound prostate video segmentation", arXiv 2606.31198, 2026. The
    loss of flow-warped predictions: Y. Liu et al., "Efficient semantic video segmentation with per-frame inference", ECCV 2020.
    """
    if not motion.shape[0]:
        return torch.zeros(())
    length, size = logits.shape[0], motion.shape[-2:]
    scores = functional.interpolate(logits.float().flatten(0, 1), size, mode="bilinear", align_corners=False)
    probability = class_probability(scores).reshape(length, -1, *class_probability(scores[:1]).shape[1:])
    before, now, flat = probability[:-1].flatten(0, 1), probability[1:].flatten(0, 1), motion.flatten(0, 1)
    warped = functional.grid_sample(before, _grid(flat[:, :2]), mode="bilinear", padding_mode="border", align_corners=True)
    change = (flat[:, 2:] * (now - warped).square()).sum((2, 3))
    share: Tensor = change / (size[0] * size[1]) ** 0.5
    return share.mean() / 10


def _grid(offset: Tensor) -> Tensor:
    """Return the sampling grid (N, h, w, 2) in [-1, 1] of offsets in pixels (N, 2, h, w)."""
    height, width = offset.shape[-2:]
    x = torch.arange(width, dtype=offset.dtype) + offset[:, 0]
    y = torch.arange(height, dtype=offset.dtype)[:, None] + offset[:, 1]
    return torch.stack([2 * x / max(1, width - 1) - 1, 2 * y / max(1, height - 1) - 1], -1)


def distillation_loss(logits: Tensor, soft: Tensor) -> Tensor:
    """Return the cross entropy of logits (T, N, 1 or K + 1, h, w) with a teacher's probabilities (T, N, K, H, W).

    G. Hinton et al., "Distilling the knowledge in a neural network", 2015, at a temperature of 1.
    """
    scores, target = logits.float().flatten(0, 1), soft.flatten(0, 1)
    target = functional.adaptive_avg_pool2d(target, (scores.shape[-2], scores.shape[-1]))
    if scores.shape[1] == 1:
        return functional.binary_cross_entropy_with_logits(scores, target)
    full = torch.cat([(1 - target.sum(1, keepdim=True)).clamp(min=0), target], dim=1)
    loss: Tensor = -(full * functional.log_softmax(scores, dim=1)).sum(1).mean()
    return loss

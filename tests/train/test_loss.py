"""Tests that the loss ranks predictions correctly."""

import pytest
import torch

from rtseg.train.config import LossConfig
from rtseg.train.loss import segmentation_loss


def truth(classes=1, length=3):
    target = torch.zeros(length, 2, classes, 32, 32)
    target[:, :, 0, 8:20, 8:20] = 1
    if classes > 1:
        target[:, :, 1, 22:30, 4:12] = 1
    return target


def logits(target, sure):
    half = torch.nn.functional.avg_pool2d(target.flatten(0, 1), 2).reshape(*target.shape[:3], 16, 16)
    scores = sure * (2 * half - 1)
    return scores if target.shape[2] == 1 else torch.cat([torch.zeros_like(scores[:, :, :1]), scores], 2)


@pytest.mark.parametrize("classes", [1, 2])
def test_right_is_better_than_unsure_is_better_than_wrong(classes):
    target = truth(classes)
    right, unsure, wrong = (segmentation_loss(logits(target, sure), target, LossConfig()).item() for sure in (8, 0, -8))
    assert 0 < right < 0.2 < unsure < wrong


def test_gradients_reach_every_frame():
    target = truth()
    scores = logits(target, 0.0).requires_grad_()
    segmentation_loss(scores, target, LossConfig()).backward()
    assert scores.grad.abs().amax((1, 2, 3, 4)).min() > 0


def test_a_false_alarm_where_there_is_nothing_costs_and_silence_does_not():
    nothing = torch.zeros(1, 1, 1, 32, 32)
    silent, alarmed = (
        segmentation_loss(torch.full((1, 1, 1, 16, 16), score), nothing, LossConfig()) for score in (-20.0, 20.0)
    )
    assert silent < 1e-3 < 1 < alarmed


def test_an_error_on_the_border_counts_more():
    target = truth(length=1)
    border, inside = logits(target, 4).clone(), logits(target, 4).clone()
    border[..., 4, 4:10] *= -1  # rows of the square's edge and of its center
    inside[..., 7, 4:10] *= -1
    plain, weighted = LossConfig(0, 1, 0, 0), LossConfig(0, 1, 4, 0)
    rise = [segmentation_loss(one, target, weighted) / segmentation_loss(one, target, plain) for one in (border, inside)]
    assert rise[0] > 1.1 * rise[1]


def test_flicker_costs_what_a_lasting_error_does_not():
    target = truth(length=4)
    lasting, flickering = logits(target, 8), logits(target, 8)
    lasting[..., 12:, 12:] = 8.0
    flickering[::2, ..., 12:, 12:] = 8.0
    only = LossConfig(0, 0, 0, 1)
    assert segmentation_loss(flickering, target, only) > 10 * segmentation_loss(lasting, target, only)


def test_tversky_weighs_misses_against_false_pixels():
    target = truth(length=1)
    missed, false = logits(target, 20).clone(), logits(target, 20).clone()
    missed[..., 4:7, 4:10] = -20.0  # half of the square
    false[..., 10:13, 4:10] = 20.0  # as much below it
    costs = {
        weight: [segmentation_loss(one, target, LossConfig(1, 0, 0, 0, tversky=weight)).item() for one in (missed, false)]
        for weight in (0.2, 0.5, 0.8)
    }
    assert costs[0.2][0] > costs[0.5][0] > costs[0.8][0]
    assert costs[0.2][1] < costs[0.5][1] < costs[0.8][1]


def test_a_focal_loss_leaves_easy_pixels_out():
    target, plain, focal = truth(length=1), LossConfig(0, 1, 0, 0), LossConfig(0, 1, 0, 0, focal=2.0)
    easy, hard = logits(target, 4), logits(target, -4)
    shares = [segmentation_loss(one, target, focal) / segmentation_loss(one, target, plain) for one in (easy, hard)]
    assert shares[0] < 0.1 < 0.8 < shares[1] < 1

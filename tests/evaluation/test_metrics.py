"""Tests the metrics against hand-computed values, all pairs of border pixels, and MONAI."""

import math

import numpy as np
import pytest

from rtseg.errors import ConfigError, ImageError
from rtseg.evaluation.metrics import (
    Scores,
    accuracy,
    border_distances,
    dice,
    f1,
    hausdorff,
    hd95,
    iou,
    precision,
    recall,
    score,
    summary,
)

SPACINGS = [(1.0, 1.0), (0.5, 0.5), (0.3, 1.7), (2.0, 0.25)]


def rectangle(top, left, height, width, shape=(20, 30)):
    mask = np.zeros(shape, bool)
    mask[top : top + height, left : left + width] = True
    return mask


def irregular(seed, shape=(41, 57)):
    """Return a mask of blobs with holes, islands and pixels on the image's edge."""
    noise = np.random.default_rng(seed).normal(size=shape)
    for _ in range(2 + seed % 3):
        noise += np.roll(noise, 1, 0) + np.roll(noise, 1, 1)
    return noise > np.quantile(noise, 0.6 + 0.08 * (seed % 5))


PAIRS = [(irregular(seed), irregular(seed + 100)) for seed in range(6)]


def test_overlaps_by_hand():
    truth, predicted = rectangle(0, 0, 4, 5), rectangle(0, 1, 4, 10)  # 20 and 40 pixels, 16 of them common
    assert dice(truth, predicted) == pytest.approx(32 / 60)
    assert iou(truth, predicted) == pytest.approx(16 / 44)
    assert precision(truth, predicted) == pytest.approx(16 / 40)
    assert recall(truth, predicted) == pytest.approx(16 / 20)


def test_accuracy_and_f1_of_known_counts():
    truth, predicted = rectangle(0, 0, 4, 5), rectangle(0, 1, 4, 10)  # TP 16, FN 4, FP 24, TN 556 of 600 pixels
    assert accuracy(truth, predicted) == (16 + 556) / 600
    assert f1(truth, predicted) == 32 / 60 == dice(truth, predicted)
    rates = 16 / 40, 16 / 20
    assert f1(truth, predicted) == pytest.approx(2 * rates[0] * rates[1] / sum(rates))
    assert accuracy(predicted, truth) == accuracy(truth, predicted)


def test_accuracy_of_opposite_and_full_masks():
    truth = rectangle(0, 0, 10, 30)  # half of the image
    assert (accuracy(truth, ~truth), f1(truth, ~truth)) == (0, 0)
    full = np.ones((20, 30), bool)
    assert (accuracy(full, full), f1(full, full), accuracy(truth, full)) == (1, 1, 0.5)


@pytest.mark.parametrize(("truth", "predicted"), PAIRS)
def test_f1_is_the_harmonic_mean_of_precision_and_recall(truth, predicted):
    rates = precision(truth, predicted), recall(truth, predicted)
    assert f1(truth, predicted) == pytest.approx(2 * rates[0] * rates[1] / sum(rates))


def test_distances_by_hand():
    truth, predicted = rectangle(5, 5, 1, 1), rectangle(9, 8, 1, 1)
    assert hausdorff(truth, predicted) == pytest.approx(5)
    assert hausdorff(truth, predicted, (0.5, 2.0)) == pytest.approx(math.hypot(4 * 0.5, 3 * 2.0))


def test_the_percentile_forgives_a_far_island_and_the_maximum_does_not():
    truth = rectangle(2, 2, 12, 12)
    predicted = truth.copy()
    predicted[19, 29] = True
    assert hd95(truth, predicted) == 0
    assert hausdorff(truth, predicted) == pytest.approx(math.hypot(6, 16))


def test_the_larger_direction_counts():
    whole, part = rectangle(0, 0, 20, 30), rectangle(0, 0, 20, 5)
    there, back = (np.percentile(directed, 95) for directed in border_distances(whole, part))
    assert there > back
    assert hd95(whole, part) == hd95(part, whole) == there


def test_the_border_of_a_full_image_is_its_edge():
    full = np.ones((5, 7), bool)
    assert len(border_distances(full, full)[0]) == 2 * 5 + 2 * 7 - 4


@pytest.mark.parametrize(("truth", "predicted"), PAIRS)
@pytest.mark.parametrize("spacing", SPACINGS)
def test_distances_are_those_of_every_pair_of_border_pixels(truth, predicted, spacing):
    def border(mask):
        inner = np.pad(mask, 1)
        all_inside = inner[:-2, 1:-1] & inner[2:, 1:-1] & inner[1:-1, :-2] & inner[1:-1, 2:]
        return np.argwhere(mask & ~all_inside) * spacing

    between = np.linalg.norm(border(truth)[:, None] - border(predicted)[None], axis=2)
    there, back = border_distances(truth, predicted, spacing)
    np.testing.assert_allclose(there, between.min(1))
    np.testing.assert_allclose(back, between.min(0))


@pytest.mark.filterwarnings("ignore::FutureWarning:monai.*")  # raised within MONAI
@pytest.mark.parametrize(("truth", "predicted"), PAIRS)
def test_agrees_with_monai(truth, predicted):
    torch = pytest.importorskip("torch")
    from monai.metrics import compute_dice, compute_hausdorff_distance, compute_iou

    y, y_pred = (torch.from_numpy(mask)[None, None] for mask in (truth, predicted))
    assert dice(truth, predicted) == pytest.approx(float(compute_dice(y_pred, y)))
    assert iou(truth, predicted) == pytest.approx(float(compute_iou(y_pred, y)))
    monai_hd95 = compute_hausdorff_distance(y_pred, y, include_background=True, percentile=95)
    monai_hausdorff = compute_hausdorff_distance(y_pred, y, include_background=True)
    assert hd95(truth, predicted) == pytest.approx(float(monai_hd95))
    assert hausdorff(truth, predicted) == pytest.approx(float(monai_hausdorff))


def test_two_empty_masks_agree():
    empty = np.zeros((20, 30), bool)
    assert score(empty, empty) == Scores(0, 0, dice=1, iou=1, precision=1, recall=1, hausdorff=0, hd95=0, accuracy=1, f1=1)


@pytest.mark.parametrize("swapped", [False, True])
def test_one_empty_mask_is_worse_than_the_worst_found_one(swapped):
    pair = rectangle(0, 0, 1, 1), np.zeros((20, 30), bool)
    found = score(*(pair[::-1] if swapped else pair), (0.5, 2.0))
    assert (found.dice, found.iou, found.precision, found.recall, found.f1) == (0, 0, 0, 0, 0)
    assert found.accuracy == 599 / 600
    farthest = hausdorff(rectangle(0, 0, 1, 1), rectangle(19, 29, 1, 1), (0.5, 2.0))
    assert found.hd95 == found.hausdorff == math.hypot(20 * 0.5, 30 * 2.0) > farthest


def test_scores_are_plain_numbers():
    found = score(*PAIRS[0])
    assert type(found.truth_px) is int
    assert {
        type(getattr(found, name)) for name in ("dice", "iou", "precision", "recall", "hausdorff", "hd95", "accuracy", "f1")
    } == {float}


def test_masks_that_are_views_are_read_right():
    truth, predicted = PAIRS[0]
    assert score(truth[::-1, ::-2], predicted[::-1, ::-2]) == score(truth[::-1, ::-2].copy(), predicted[::-1, ::-2].copy())


def test_summary_by_hand():
    assert summary([0.2, 0.4, 0.9], 5) == pytest.approx(
        {"mean": 0.5, "median": 0.4, "p5": 0.22, "std": math.sqrt(0.26 / 3), "n": 3}
    )
    assert summary([0.0, 10.0], 95)["p95"] == pytest.approx(9.5)


def test_summary_of_nothing_is_unknown():
    figures = summary([], 95)
    assert figures.pop("n") == 0
    assert set(figures) == {"mean", "median", "p95", "std"}
    assert all(math.isnan(figure) for figure in figures.values())


@pytest.mark.parametrize("measure", [dice, iou, precision, recall, hausdorff, hd95, accuracy, f1, score])
def test_masks_of_two_sizes_are_refused(measure):
    with pytest.raises(ImageError, match=r"\(20, 30\).*\(20, 31\).*frame's size"):
        measure(np.zeros((20, 30), bool), np.zeros((20, 31), bool))


@pytest.mark.parametrize("mask", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 1), bool), np.zeros((0, 4), bool)])
def test_what_is_no_mask_is_refused(mask):
    with pytest.raises(ImageError, match="compare labels to a class"):
        dice(mask, mask)


@pytest.mark.parametrize("spacing", [(0.0, 1.0), (1.0, -1.0), (math.nan, 1.0), (math.inf, 1.0)])
def test_an_impossible_spacing_is_refused(spacing):
    with pytest.raises(ConfigError, match="give the millimetres a pixel"):
        hd95(*PAIRS[0], spacing)

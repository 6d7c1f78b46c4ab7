"""Tests the kernels around the network against other libraries and against values computed by hand."""

import cv2
import numpy as np
import pytest

from rtseg.kernels import (
    Fit,
    argmax_labels,
    blend,
    class_confidence,
    fit_input,
    has_nonfinite,
    inner_contour,
    letterbox,
    probability,
    smooth,
)

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("size", "method"), [((13, 17), cv2.INTER_AREA), ((90, 120), cv2.INTER_LINEAR)])
def test_fit_input_resizes_as_opencv_does(size: tuple[int, int], method: int) -> None:
    image = RNG.integers(0, 256, (61, 83, 3), np.uint8)
    ours = fit_input(image, Fit((0, 0, 61, 83), size, (0, 0, *size)), (10.0, 20.0, 30.0), (2.0, 3.0, 4.0))
    theirs = cv2.resize(image.astype(np.float32), size[::-1], interpolation=method)
    assert np.abs(ours[0] - ((theirs - [10, 20, 30]) / [2, 3, 4]).transpose(2, 0, 1)).max() < 1e-3


def test_fit_input_greys_as_opencv_does_and_keeps_a_frame_of_the_right_size() -> None:
    image = RNG.integers(0, 256, (16, 16, 3), np.uint8)
    ours = fit_input(image, letterbox((0, 0, 16, 16), (16, 16)), (0.0,), (1.0,))[0, 0]
    assert np.abs(ours - cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)).max() <= 0.51


def test_fit_input_keeps_the_mean_and_is_black_outside() -> None:
    image = RNG.integers(0, 256, (40, 20), np.uint8)
    fit = letterbox((0, 0, 40, 20), (16, 16))
    result = fit_input(image, fit, (7.0,), (2.0,))[0, 0]
    top, left, height, width = fit.inner
    assert result[top : top + height, left : left + width].mean() == pytest.approx((image.mean() - 7) / 2, rel=1e-4)
    assert (result[:, :left] == -3.5).all()
    assert (result[:, left + width :] == -3.5).all()


def test_the_crop_alone_is_seen_and_out_is_reused() -> None:
    image = np.full((20, 20), 255, np.uint8)
    image[5:15, 5:15] = 100
    out = np.full((1, 1, 8, 8), np.nan, np.float32)
    assert fit_input(image, letterbox((5, 5, 10, 10), (8, 8)), (0.0,), (1.0,), out=out) is out
    assert out == pytest.approx(100, abs=1e-3)


def test_a_mask_comes_back_where_it_went_in() -> None:
    frame = np.zeros((90, 160), np.uint8)
    frame[30:60, 100:140] = 255
    fit = letterbox((10, 20, 70, 130), (64, 64))
    logits = fit_input(frame, fit, (127.5,), (1.0,))
    labels = argmax_labels(logits, fit, frame.shape)
    assert np.count_nonzero(labels != (frame > 0)) <= 30 * 2 + 40 * 2  # at most one pixel all round


def test_argmax_labels_interpolates_as_opencv_does() -> None:
    logits = RNG.normal(0, 1, (1, 3, 12, 10)).astype(np.float32)
    fine = np.stack([cv2.resize(plane, (70, 84), interpolation=cv2.INTER_LINEAR) for plane in logits[0]])
    labels = argmax_labels(logits, Fit((0, 0, 84, 70), (48, 40), (0, 0, 48, 40)), (84, 70))
    top_two = np.sort(fine, 0)
    sure = top_two[-1] - top_two[-2] > 1e-3
    assert sure.mean() > 0.99
    assert np.array_equal(labels[sure], fine.argmax(0)[sure])


def test_the_padding_of_a_letterbox_has_no_say() -> None:
    fit = letterbox((0, 0, 10, 40), (32, 32))
    logits = np.full((1, 1, 32, 32), -50, np.float32)
    logits[:, :, fit.inner[0] : fit.inner[0] + fit.inner[2]] = 1
    assert (argmax_labels(logits, fit, (10, 40)) == 1).all()
    assert class_confidence(logits, fit) == pytest.approx([1 / (1 + np.exp(-1))])


def test_nan_is_background_and_ties_go_to_the_lower_class() -> None:
    fit = letterbox((0, 0, 8, 8), (8, 8))
    assert not argmax_labels(np.full((1, 3, 8, 8), np.nan, np.float32), fit, (8, 8)).any()
    assert not argmax_labels(np.full((1, 1, 8, 8), np.nan, np.float32), fit, (8, 8)).any()
    assert not argmax_labels(np.ones((1, 3, 8, 8), np.float32), fit, (8, 8)).any()


def test_the_threshold_moves_the_edge() -> None:
    fit, logits = letterbox((0, 0, 8, 8), (8, 8)), np.full((1, 1, 8, 8), np.log(0.6 / 0.4), np.float32)
    assert argmax_labels(logits, fit, (8, 8), threshold=0.59).all()
    assert not argmax_labels(logits, fit, (8, 8), threshold=0.61).any()


def test_outside_the_box_is_background() -> None:
    labels = argmax_labels(np.full((1, 1, 8, 8), 9, np.float32), letterbox((2, 3, 4, 4), (8, 8)), (9, 10))
    assert labels.sum() == 16
    assert labels[2:6, 3:7].all()


def test_confidence_is_the_mean_probability_of_the_winner() -> None:
    logits = np.zeros((1, 3, 4, 4), np.float32)
    logits[0, 1, :2] = np.log(8)
    assert class_confidence(logits, letterbox((0, 0, 4, 4), (4, 4))) == pytest.approx([0.8, 0])


def test_probabilities_sum_to_one() -> None:
    logits = RNG.normal(0, 20, (1, 4, 6, 5)).astype(np.float32)
    assert probability(logits).sum(1) == pytest.approx(1)
    assert probability(np.zeros((1, 1, 2, 2), np.float32)) == pytest.approx(0.5)


def test_one_broken_frame_does_not_poison_the_stream() -> None:
    good, broken = np.ones((2, 2), np.float32), np.full((2, 2), np.nan, np.float32)
    after = smooth(broken, good, 0.5)
    assert np.array_equal(after, good)
    assert np.array_equal(smooth(good * 3, broken, 0.5), good * 3)
    assert np.array_equal(smooth(good * 3, after, 0.25, out=after), good * 1.5)


@pytest.mark.parametrize(("value", "expected"), [(0.0, False), (np.nan, True), (np.inf, True), (-np.inf, True)])
def test_has_nonfinite_finds_one_among_many(value: float, expected: bool) -> None:
    state = np.ones((1, 16, 9, 9), np.float32)
    state[0, 15, 8, 8] = value
    assert has_nonfinite(state) is expected


def test_blend_colours_the_fill_and_draws_the_contour() -> None:
    labels = np.zeros((20, 20), np.uint8)
    labels[5:15, 5:15] = 1
    labels[7:9, 7:9] = 4  # wraps around a palette of three
    palette = np.array([[200, 0, 0], [0, 200, 0], [0, 0, 200]], np.uint8)
    image = np.full((20, 20), 100, np.uint8)
    out = blend(image, labels, palette, 0.5, 1)
    assert out[0, 0].tolist() == [100, 100, 100]
    assert out[5, 5].tolist() == [200, 0, 0]
    assert out[12, 12].tolist() == [150, 50, 50]
    assert np.array_equal(blend(image, labels, palette, 0.0, 0), np.repeat(image[..., None], 3, 2))


def test_blend_may_write_over_its_image() -> None:
    image = RNG.integers(0, 256, (31, 40, 3), np.uint8)
    labels = RNG.integers(0, 3, (31, 40), np.uint8)
    palette = RNG.integers(0, 256, (2, 3), np.uint8)
    expected = blend(image, labels, palette, 0.4)
    assert blend(image, labels, palette, 0.4, out=image) is image
    assert np.array_equal(image, expected)


def test_a_contour_is_where_an_eroded_mask_is_not() -> None:
    mask = cv2.circle(np.zeros((60, 70), np.uint8), (35, 30), 20, 1, -1)
    for width in (1, 2, 4):
        eroded = cv2.erode(mask, np.ones((2 * width + 1,) * 2, np.uint8))
        assert np.array_equal(inner_contour(mask, width), mask - eroded)


def test_a_contour_may_write_over_its_labels() -> None:
    labels = RNG.integers(0, 2, (20, 20), np.uint8)
    expected = inner_contour(labels, 1)
    assert np.array_equal(inner_contour(labels, 1, out=labels), expected)

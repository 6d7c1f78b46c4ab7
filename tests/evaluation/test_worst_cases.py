"""Tests the contact sheet of the worst images: selection, order and both outlines."""

import math

import cv2
import numpy as np
import pytest

from rtseg.evaluation.dataset import open_dataset
from rtseg.evaluation.evaluate import evaluate
from rtseg.evaluation.worst_cases import (
    PREDICTION_COLOR,
    TRUTH_COLOR,
    LabelRecorder,
    contact_sheet,
    encode_png,
    image_dice,
    worst_images,
)
from rtseg.frame import Segmentation


class ThresholdSegmenter:
    """Labels pixels brighter than 128 as lumen."""

    classes = ("lumen",)

    def step(self, frame):
        return Segmentation((frame.image > 128).astype(np.uint8), self.classes, (1.0,))

    def reset(self, reason):
        pass


@pytest.fixture
def data(tmp_path):
    """Write three pictures of a square; the ground truth is the square, a part of it, and nothing for a dark one."""
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    for name, side, shown in (("good", 60, 200), ("poor", 20, 200), ("empty", 0, 50)):
        image, mask = np.full((120, 160), 30, np.uint8), np.zeros((120, 160), np.uint8)
        image[30:90, 40:100] = shown
        mask[30 : 30 + side, 40 : 40 + side] = 255
        assert cv2.imwrite(str(tmp_path / "images" / f"{name}.png"), image)
        assert cv2.imwrite(str(tmp_path / "masks" / f"{name}.png"), mask)
    return tmp_path


def test_the_worst_come_first_and_what_says_nothing_is_left_out(data):
    recorder = LabelRecorder(ThresholdSegmenter())
    evaluation = evaluate(recorder, data, model="bright")
    order = [evaluation.images[place].name for place in worst_images(evaluation, 5)]
    assert order == ["poor", "good"]
    assert [evaluation.images[place].name for place in worst_images(evaluation, 1)] == ["poor"]
    assert math.isnan(image_dice(next(image for image in evaluation.images if image.name == "empty")))


def test_the_sheet_shows_both_outlines(data):
    recorder = LabelRecorder(ThresholdSegmenter())
    cases = open_dataset(data)
    picture = contact_sheet(evaluate(recorder, data, model="bright"), cases, recorder)
    assert picture.shape == (320, 640, 3)
    poor, good = picture[:, :320], picture[:, 320:]
    assert np.all(poor[60, 80:110] == TRUTH_COLOR, axis=-1).sum() < 5 < np.all(poor == TRUTH_COLOR, axis=-1).sum()
    assert np.all(poor == PREDICTION_COLOR, axis=-1).sum() > 200
    assert not np.all(good == TRUTH_COLOR, axis=-1).any()  # the prediction's outline covers it
    decoded = cv2.imdecode(np.frombuffer(encode_png(picture), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), picture)


def test_nothing_to_show_is_a_black_tile(data):
    for kind in ("images", "masks"):
        for name in ("good", "poor"):
            (data / kind / f"{name}.png").unlink()
    recorder = LabelRecorder(ThresholdSegmenter())
    picture = contact_sheet(evaluate(recorder, data, model="bright"), open_dataset(data), recorder)
    assert picture.shape == (320, 320, 3)
    assert not picture.any()

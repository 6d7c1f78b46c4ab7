"""Test the training pictures that show no class: crops beside it, and pictures of other anatomies."""

import cv2
import numpy as np
import pytest

from rtseg.errors import DatasetError
from rtseg.train.negatives import crop_without_classes, other_anatomies, unseen_cases
from rtseg.train.still_image import StillImage


def still(rows: slice, columns: slice) -> StillImage:
    truth = np.zeros((1, 320, 240), np.uint8)
    truth[0, rows, columns] = 255
    return StillImage("case", np.arange(320 * 240).reshape(320, 240).astype(np.uint8), truth)


def test_a_crop_shows_no_class_and_comes_from_each_side():
    one, lefts = still(slice(140, 180), slice(110, 130)), set()
    for seed in range(60):
        crop = crop_without_classes(one, np.random.default_rng(seed))
        assert crop is not None
        assert not crop.truth.any()
        assert crop.truth.shape[1:] == crop.image.shape
        assert min(crop.image.shape) >= 80
        lefts.add(bytes(crop.image[0, :8]))
    assert len(lefts) > 30


def test_a_class_that_leaves_no_room_gives_no_crop():
    assert crop_without_classes(still(slice(60, 260), slice(60, 180)), np.random.default_rng(1)) is None


def test_every_second_subject_of_another_anatomy_stays_out(tmp_path):
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    for subject in range(5):
        for frame in range(2):
            name = f"s{subject}_frame{frame}.png"
            cv2.imwrite(str(tmp_path / "images" / name), np.full((40, 60), 10 * subject + frame, np.uint8))
            cv2.imwrite(str(tmp_path / "masks" / name), np.full((40, 60), 3, np.uint8))
    found = other_anatomies([str(tmp_path)], 2, 120)
    assert [one.subject for one in found] == ["s0", "s0", "s2", "s2", "s4", "s4"]
    assert all(one.image.shape == (80, 120) and one.truth.shape == (2, 80, 120) and not one.truth.any() for one in found)
    assert {case.subject for case in unseen_cases(str(tmp_path), 9)} == {"s1", "s3"}
    with pytest.raises(DatasetError):
        other_anatomies([str(tmp_path / "none")], 1, 120)

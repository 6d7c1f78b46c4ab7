"""Tests stills in simulated motion with the exact truth of each region."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from rtseg.errors import ConfigError, DatasetError
from rtseg.train.config import read_config
from rtseg.train.tracking.simulated_scans import simulate_scans


def test_only_held_out_subjects_move(config):
    (scan,) = simulate_scans(read_config(config(1)), 20, 8, 1)
    assert scan.subject == "scan01"
    assert scan.labels == (1,)
    assert scan.has_other_plane
    assert len(scan.images) == len(scan.truths[0]) == 20
    for image, truth in zip(scan.images[:20:5], scan.truths[0][:20:5], strict=True):  # the vessel is dark
        assert image[truth].mean() < 0.5 * image[~truth].mean()
    assert not np.array_equal(scan.truths[0][0], scan.truths[0][19])


def test_a_seed_gives_the_same_motion(config):
    first, again, other = (next(simulate_scans(read_config(config(1)), 3, 8, seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first.images, again.images, strict=True))
    assert not np.array_equal(first.images[2], other.images[2])


def test_each_region_is_an_object(config, dataset_folder):
    for path in (dataset_folder / "masks").glob("scan01*"):
        mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        cv2.circle(mask, (20, 40), 5, 255, -1)
        cv2.imwrite(str(path), mask)
    (scan,) = simulate_scans(read_config(config(1)), 2, 8, 1)
    assert scan.labels == (1, 1)
    assert not (scan.truths[0][0] & scan.truths[1][0]).any()
    assert scan.has_other_plane


def test_nobody_held_out_and_empty_masks_are_refused(config, dataset_folder):
    settings = read_config(config(1))
    nobody = replace(settings, data=replace(settings.data, held_out=()))
    with pytest.raises(ConfigError, match="names nobody as held out"):
        next(simulate_scans(nobody, 2, 8, 1))
    for path in (dataset_folder / "masks").glob("scan01*"):
        cv2.imwrite(str(path), np.zeros((48, 40), np.uint8))
    with pytest.raises(DatasetError, match="shows an object"):
        next(simulate_scans(settings, 2, 8, 1))

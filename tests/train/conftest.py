"""Provides a tiny dataset with vessel-like pictures."""

import cv2
import numpy as np
import pytest


def _vessel(subject, place):
    rng = np.random.default_rng((subject, place))
    image = rng.integers(60, 120, (48, 40)).astype(np.uint8)
    mask = np.zeros_like(image)
    cv2.circle(mask, (16 + 2 * subject + place, 20), 7, 255, -1)
    image[mask > 0] = rng.integers(0, 12, np.count_nonzero(mask))
    return image, mask


@pytest.fixture
def dataset_folder(tmp_path):
    """Write two subjects of three frames each."""
    folder = tmp_path / "data"
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for subject in range(2):
        for place in range(3):
            for kind, pixels in zip(("images", "masks"), _vessel(subject, place), strict=True):
                assert cv2.imwrite(str(folder / kind / f"scan{subject:02d}_frame{place:05d}.png"), pixels)
    return folder


@pytest.fixture
def config(tmp_path, dataset_folder):
    def write(epochs, **settings):
        lines = [f"{name} = {value}" for name, value in settings.items()]
        text = f"""
            name = "tiny"
            classes = ["lumen"]
            single = ["lumen"]
            size = [48, 48]
            [data]
            folder = "{dataset_folder}"
            held_out = ["scan01"]
            [schedule]
            epochs = {epochs}
            batch = 2
            clip = 2
            """
        path = tmp_path / "tiny.toml"
        path.write_text(text + "\n".join(lines))
        return path

    return write

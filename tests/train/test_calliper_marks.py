"""Test the marks that are planted in training pictures, and the removal of an operator's marks at a border."""

import cv2
import numpy as np

from rtseg.train.calliper_marks import plant_marks, without_marks

SIZE = (96, 128)


def test_marks_are_the_same_in_each_frame_and_differ_from_clip_to_clip():
    frames = np.full((3, *SIZE), 40, np.float32)
    planted = [plant_marks(frames, np.random.default_rng(seed)) for seed in range(40)]
    assert all(np.array_equal(clip[0], frame) for clip in planted for frame in clip)
    assert all(clip.dtype == np.float32 and clip.min() >= 0 and clip.max() <= 255 for clip in planted)
    changed = [np.mean(clip[0] != 40) for clip in planted]
    assert np.mean(np.array(changed) > 0) > 0.9, "a mark may lie outside"
    assert max(changed) < 0.25, "most of the picture is left"
    assert frames.max() == 40, "the frames that were given stay"


def test_marks_lie_anywhere():
    count = sum(plant_marks(np.zeros((1, *SIZE), np.float32), np.random.default_rng(seed))[0] > 0 for seed in range(300))
    quarters = [np.mean(part > 0) for half in np.array_split(count, 4) for part in np.array_split(half, 4, axis=1)]
    assert min(quarters) > 0.8


def calliper_at_a_border() -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    truth = (255 * (np.hypot(x - 60, y - 48) < 20)).astype(np.uint8)[None]
    image = np.where(truth[0] > 0, 40, 90).astype(np.uint8)
    for place in ((80, 48), (115, 12)):  # at the border, and far from it
        cv2.drawMarker(image, place, 250, cv2.MARKER_CROSS, 7, 1)
    return image, truth


def test_marks_at_a_border_are_inpainted_and_others_stay():
    image, truth = calliper_at_a_border()
    cleaned = without_marks(image, truth)
    assert image[48, 80] == 250
    assert cleaned[40:57, 70:90].max() < 110
    assert np.array_equal(cleaned[:30, 100:], image[:30, 100:])
    assert np.array_equal(cleaned[truth[0] > 0][:50], image[truth[0] > 0][:50])


def test_a_picture_without_a_class_stays():
    image, truth = calliper_at_a_border()
    assert without_marks(image, np.zeros_like(truth)) is image

"""Tests how a folder of frames becomes clips, and what it refuses."""

import cv2
import numpy as np
import pytest

from rtseg.bench.tracking.frames_folder import read_clips
from rtseg.errors import DatasetError

SIZE = (40, 60)


def disc(*centers, value=255, radius=5):
    mask = np.zeros(SIZE, np.uint8)
    for center in centers:
        cv2.circle(mask, center, radius, value, -1)
    return mask


def write(folder, masks, name="f{}"):
    """Write a picture for each mask, and the mask unless it is None."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for t, mask in enumerate(masks):
        cv2.imwrite(str(folder / "images" / f"{name.format(t)}.png"), np.full(SIZE, 10 + t, np.uint8))
        if mask is not None:
            cv2.imwrite(str(folder / "masks" / f"{name.format(t)}.png"), mask)
    return folder


def test_frames_follow_one_another_by_number(tmp_path):
    write(tmp_path, [disc((20 + t, 20)) for t in range(12)])
    (clip,), left_out = read_clips(tmp_path)
    assert [int(image[0, 0]) for image in clip.images] == list(range(10, 22))  # f10 after f9
    assert clip.label == 1
    assert not left_out
    assert [int(np.argwhere(truth)[:, 1].mean()) for truth in clip.truths] == list(range(20, 32))


def test_frames_without_a_mask_stay_and_those_before_the_first_do_not(tmp_path):
    (clip,), _ = read_clips(write(tmp_path, [None, None, disc((20, 20)), None, disc((22, 20))]))
    assert [truth is None for truth in clip.truths] == [False, True, False]
    assert int(clip.images[0][0, 0]) == 12


def test_each_label_and_each_region_is_an_object(tmp_path):
    masks = [np.maximum(disc((10 + t, 20), (40 - t, 20), value=1), disc((30, 33), value=2, radius=4)) for t in range(4)]
    masks[0][0, 0] = 1  # a speck
    clips, _ = read_clips(write(tmp_path, masks))
    assert [clip.label for clip in clips] == [1, 1, 2]
    left, right, lower = clips
    assert [int(np.argwhere(truth)[:, 1].mean()) for truth in left.truths] == [10, 11, 12, 13]
    assert [int(np.argwhere(truth)[:, 1].mean()) for truth in right.truths] == [40, 39, 38, 37]
    assert all(np.array_equal(other & ~masks[0].astype(bool) | other, other) for other in left.others)
    assert np.array_equal(left.others[2], right.truths[2])
    assert not lower.others[1].any()


def test_regions_that_run_into_one_are_not_scored_until_they_part(tmp_path):
    gap = [12, 8, 4, 8, 12]
    clips, _ = read_clips(write(tmp_path, [disc((30 - one, 20), (30 + one, 20)) for one in gap]))
    assert [truth is None for truth in clips[0].truths] == [False, False, True, False, False]
    assert [int(np.argwhere(clips[1].truths[t])[:, 1].mean()) for t in (0, 1, 3, 4)] == [42, 38, 38, 42]


def test_a_region_that_vanishes_is_empty_and_another_one_is_not_taken_for_it(tmp_path):
    masks = [disc((10, 20), (30, 20)), disc((10, 20)), disc((10, 20), (55, 35), radius=4)]
    clips, _ = read_clips(write(tmp_path, masks))
    assert [bool(truth.any()) for truth in clips[0].truths] == [True, True, True]
    assert [bool(truth.any()) for truth in clips[1].truths] == [True, False, False]


def test_subjects_are_clips_of_their_own(tmp_path):
    write(tmp_path, [disc((20, 20))] * 3, "a_frame{:03d}")
    write(tmp_path, [disc((20, 20))] * 2, "b_frame{:03d}")
    write(tmp_path, [disc((20, 20))], "c_frame{:03d}")
    clips, left_out = read_clips(tmp_path)
    assert [(clip.name, len(clip.images)) for clip in clips] == [("a object 1", 3), ("b object 1", 2)]
    assert len(left_out) == 1
    assert left_out[0].startswith("c has 1 frames")
    assert [clip.name for clip in read_clips(tmp_path, ["b"])[0]] == ["b object 1"]
    with pytest.raises(DatasetError, match="no subject 'd'"):
        read_clips(tmp_path, ["d"])


def _no_masks(folder):
    for path in (folder / "masks").iterdir():
        path.unlink()


def _no_folder(folder):
    _no_masks(folder)
    (folder / "masks").rmdir()


def _other_size(folder):
    cv2.imwrite(str(folder / "images" / "f1.png"), np.zeros((50, 60), np.uint8))


def _other_mask_size(folder):
    cv2.imwrite(str(folder / "masks" / "f1.png"), np.zeros((50, 60), np.uint8))


def _one_frame(folder):
    for kind in ("images", "masks"):
        for place in (1, 2):
            (folder / kind / f"f{place}.png").unlink()


def _empty_first(folder):
    cv2.imwrite(str(folder / "masks" / "f0.png"), np.zeros(SIZE, np.uint8))


def _unpaired(folder):
    (folder / "masks" / "f1.png").rename(folder / "masks" / "g1.png")


def _smoothed(folder):
    cv2.imwrite(str(folder / "masks" / "f1.png"), np.tile(np.arange(60, dtype=np.uint8), (40, 1)))


def _two_masks(folder):
    cv2.imwrite(str(folder / "masks" / "f1_mask.png"), disc((20, 20)))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_no_masks, "masks holds no picture"),
        (_no_folder, "has no folder 'masks'"),
        (_other_size, r"f1.png is \(50, 60\) and the first frame \(40, 60\)"),
        (_other_mask_size, r"f1.png is \(50, 60\) and its image \(40, 60\)"),
        (_one_frame, "has 1 frames from its first mask on"),
        (_empty_first, "f0.png, the first mask, shows no object"),
        (_unpaired, "1 masks of .* lack their image, 'g1' first"),
        (_smoothed, "f1.png holds values that are no labels"),
        (_two_masks, "has two masks of one image"),
    ],
)
def test_a_bad_folder_is_refused_in_one_line(tmp_path, spoil, message):
    write(tmp_path, [disc((20, 20))] * 3)
    spoil(tmp_path)
    with pytest.raises(DatasetError, match=message) as error:
        read_clips(tmp_path)
    assert "\n" not in str(error.value)

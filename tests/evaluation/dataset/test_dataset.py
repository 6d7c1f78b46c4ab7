"""Tests the reading of valid and invalid folders of images and masks."""

import cv2
import numpy as np
import pytest

from rtseg.errors import DatasetError
from rtseg.evaluation.dataset import open_dataset, scans, split


def write(folder, stem, image=None, mask=None, suffix=".png"):
    for kind, pixels in (("images", image), ("masks", mask)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        if pixels is not None:
            assert cv2.imwrite(str(folder / kind / (stem + suffix)), pixels)


def plain(value=0, shape=(6, 8)):
    return np.full(shape, value, np.uint8)


def test_pairs_by_stem_across_suffixes_and_ignores_other_files(tmp_path):
    write(tmp_path, "a", image=plain(9), suffix=".bmp")
    write(tmp_path, "a", mask=plain(255))
    (tmp_path / "images" / "notes.txt").write_text("not a picture")
    (case,) = open_dataset(tmp_path)
    assert (case.name, case.subject, case.image_path.suffix, case.mask_path.suffix) == ("a", "a", ".bmp", ".png")
    assert np.array_equal(case.image(), plain(9))


@pytest.mark.parametrize(
    ("stem", "subject", "order"),
    [
        ("scan00_frame01069", "scan00", 1069),
        ("010_HC", "010", 1),
        ("010_2HC", "010", 2),
        ("0000", "0000", 0),
        ("patient07_4CH_frame3", "patient07_4CH", 3),
        ("Anna-2_Frame0010", "Anna-2", 10),
        ("scan1_frame2_copy", "scan1_frame2_copy", 0),
    ],
)
def test_subject_and_time_are_read_from_the_stem(tmp_path, stem, subject, order):
    write(tmp_path, stem, plain(), plain())
    (case,) = open_dataset(tmp_path)
    assert (case.subject, case.order) == (subject, order)


def test_scans_are_in_the_order_of_time_not_of_text(tmp_path):
    for stem in ("scan02_frame9", "scan02_frame10", "scan01_frame3"):
        write(tmp_path, stem, plain(), plain())
    found = scans(reversed(open_dataset(tmp_path)))
    assert {subject: [case.order for case in group] for subject, group in found.items()} == {"scan01": [3], "scan02": [9, 10]}


def test_a_split_keeps_every_subject_whole(tmp_path):
    for stem in ("scan01_frame1", "scan01_frame2", "scan02_frame1"):
        write(tmp_path, stem, plain(), plain())
    training, held_out = split(open_dataset(tmp_path), ["scan01"])
    assert [case.subject for case in training] == ["scan02"]
    assert [case.name for case in held_out] == ["scan01_frame1", "scan01_frame2"]
    with pytest.raises(DatasetError, match="no subject 'scan7' to hold out"):
        split(open_dataset(tmp_path), ["scan7"])
    with pytest.raises(DatasetError, match="leave some to train on"):
        split(open_dataset(tmp_path), ["scan01", "scan02"])


def test_a_mask_of_0_and_255_is_one_class_and_others_are_their_values(tmp_path):
    drawn, numbered = plain(), plain()
    drawn[2:4] = 255
    numbered[0], numbered[1] = 1, 2
    write(tmp_path, "drawn", plain(), drawn)
    write(tmp_path, "numbered", plain(), numbered)
    one, other = open_dataset(tmp_path)
    assert np.array_equal(one.labels(1), drawn // 255)
    assert np.array_equal(other.labels(2), numbered)
    with pytest.raises(DatasetError, match="holds the value 2, and there are 1 classes: list"):
        other.labels(1)


def test_a_mask_smeared_by_jpeg_is_refused(tmp_path):
    smeared = plain()
    smeared[2:4], smeared[4] = 255, 3
    write(tmp_path, "a", plain(), smeared)
    with pytest.raises(DatasetError, match="holds the value 255, and there are 2 classes"):
        open_dataset(tmp_path)[0].labels(2)


def test_colour_is_rgb_and_its_grey_is_luma(tmp_path):
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 2] = 200  # OpenCV writes BGR
    write(tmp_path, "a", red, plain(shape=(4, 4)))
    (case,) = open_dataset(tmp_path)
    assert case.image()[0, 0].tolist() == [200, 0, 0]
    assert np.all(np.abs(case.grey() - 0.299 * 200) <= 1)


def test_measurements_give_the_pixel_size(tmp_path):
    write(tmp_path, "000_HC", plain(), plain())
    write(tmp_path, "001_HC", plain(), plain())
    (tmp_path / "measurements.csv").write_text("name,pixel_size_mm,head_circumference_mm\n000_HC,0.07,44.3\n")
    known, unknown = open_dataset(tmp_path)
    assert known.spacing_mm == (0.07, 0.07)
    assert known.head_circumference_mm == 44.3
    assert unknown.spacing_mm is None
    assert unknown.head_circumference_mm is None


@pytest.mark.parametrize(
    "text",
    [
        "name,pixel_size_mm\n000_HC,wide\n",
        "name,pixel_size_mm\n000_HC,0\n",
        "name,pixel_size_mm\n000_HC,nan\n",
        "file,size\nx,1\n",
        "name,pixel_size\n000_HC,1\n",
        "name,pixel_size_mm\n000_HC,1,2,3\n",
        "\x00\xff\n,\n",
        f"name,pixel_size_mm,note\n000_HC,1,{131073 * 'x'}\n",
    ],
    ids=range(8),
)
def test_broken_measurements_are_named(tmp_path, text):
    write(tmp_path, "000_HC", plain(), plain())
    (tmp_path / "measurements.csv").write_text(text)
    with pytest.raises(DatasetError, match=r"measurements\.csv cannot be read .*: its columns are"):
        open_dataset(tmp_path)


def test_measurements_may_have_suffixes_and_columns_of_text(tmp_path):
    write(tmp_path, "000_HC", plain(), plain())
    (tmp_path / "measurements.csv").write_text("name,pixel_size_mm,probe\n000_HC.PNG,0.07,curved\n")
    assert open_dataset(tmp_path)[0].spacing_mm == (0.07, 0.07)


def test_measurements_of_other_pictures_are_refused(tmp_path):
    write(tmp_path, "000_HC", plain(), plain())
    (tmp_path / "measurements.csv").write_text("name,pixel_size_mm\n00_HC,0.07\n")
    with pytest.raises(DatasetError, match=r"names no picture of images/: its columns are name, pixel_size_mm and"):
        open_dataset(tmp_path)


def test_measurements_that_come_twice_are_not_chosen_between(tmp_path):
    write(tmp_path, "000_HC", plain(), plain())
    (tmp_path / "measurements.csv").write_text("name,pixel_size_mm\n000_HC,0.07\n000_HC.png,0.08\n")
    with pytest.raises(DatasetError, match=r"2 rows of .*measurements\.csv are named '000_HC': keep one"):
        open_dataset(tmp_path)


def test_hidden_files_and_folders_are_no_pictures(tmp_path):
    write(tmp_path, "a", plain(), plain())
    (tmp_path / "images" / "._a.png").write_bytes(b"of macOS")
    (tmp_path / "images" / "b.png").mkdir()
    assert [case.name for case in open_dataset(tmp_path)] == ["a"]


def test_names_are_one_however_their_accents_are_coded(tmp_path):
    composed, parted = "Gef\u00e4\u00df", "Gefa\u0308\u00df"
    write(tmp_path, parted, image=plain())
    write(tmp_path, composed, mask=plain())
    (tmp_path / "measurements.csv").write_text(f"name,pixel_size_mm\n{parted},0.07\n", encoding="utf-8")
    (case,) = open_dataset(tmp_path)
    assert (case.name, case.subject, case.spacing_mm) == (composed, composed, (0.07, 0.07))
    assert case.image_and_labels(1)[0].shape == (6, 8)


def test_folders_that_lack_something(tmp_path):
    with pytest.raises(DatasetError, match="has no folder 'images': lay it out"):
        open_dataset(tmp_path)
    write(tmp_path, "a", image=plain())
    (tmp_path / "masks").rmdir()
    with pytest.raises(DatasetError, match="has no folder 'masks'"):
        open_dataset(tmp_path)
    (tmp_path / "masks").mkdir()
    with pytest.raises(DatasetError, match="masks holds no picture"):
        open_dataset(tmp_path)
    write(tmp_path, "b", mask=plain())
    with pytest.raises(DatasetError, match=r"2 of .* lack their image or their mask, 'a' first"):
        open_dataset(tmp_path)


def test_two_files_of_one_name_are_not_chosen_between(tmp_path):
    write(tmp_path, "a", plain(), plain())
    write(tmp_path, "a", image=plain(), suffix=".bmp")
    with pytest.raises(DatasetError, match=r"two files of .*images are named 'a': keep one"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("rubbish", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n and no more"])
def test_a_file_that_is_no_picture_is_named(tmp_path, rubbish):
    write(tmp_path, "a", plain(), plain())
    (tmp_path / "images" / "a.png").write_bytes(rubbish)
    with pytest.raises(DatasetError, match=r"a\.png cannot be read as a picture: replace"):
        open_dataset(tmp_path)[0].image()


def test_a_mask_of_another_size_is_refused(tmp_path):
    write(tmp_path, "a", plain(), plain(shape=(5, 8)))
    with pytest.raises(DatasetError, match=r"is \(6, 8\) and its mask \(5, 8\): draw"):
        open_dataset(tmp_path)[0].image_and_labels(1)

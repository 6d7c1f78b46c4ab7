"""Tests splits and folds by subject, and what is refused before the first step."""

import json

import cv2
import numpy as np
import pytest
from views import seen_again, view

from rtseg.errors import ConfigError, DatasetError
from rtseg.evaluation.dataset import open_dataset
from rtseg.train.config import from_values, read_config
from rtseg.train.data_split import check_split, make_folds, make_split, read_split, subject_groups, write_split


def config(folder, classes=("lumen",), **data):
    return from_values({"name": "n", "classes": list(classes), "data": {"folder": str(folder), **data}}, "here")


@pytest.fixture
def folder(tmp_path):
    """Return a function that writes pictures by name, each with a mask of one value."""

    def write(*names, image=None, value=1, size=(40, 40)):
        for place, name in enumerate(names):
            mask = np.zeros(size, np.uint8)
            mask[10:20, 10:20] = value
            pixels = np.random.default_rng(place).integers(0, 255, (40, 40)).astype(np.uint8) if image is None else image
            for kind, plane in (("images", pixels), ("masks", mask)):
                (tmp_path / kind).mkdir(exist_ok=True)
                assert cv2.imwrite(str(tmp_path / kind / f"{name}.png"), plane)
        return tmp_path

    return write


def subjects(cases):
    return {case.subject for case in cases}


def test_a_split_is_made_by_subject_from_a_seed(folder, tmp_path, caplog):
    data = folder(*(f"scan{scan}_frame{frame}" for scan in range(10) for frame in range(2)))
    cases = open_dataset(data)
    halves = make_split(cases, config(data))
    assert len(subjects(halves.held_out)) == 2
    assert not subjects(halves.held_out) & subjects(halves.training)
    assert len(halves.held_out) + len(halves.training) == len(cases)
    reversed_halves = make_split(tuple(reversed(cases)), config(data))
    assert subjects(halves.held_out) == subjects(reversed_halves.held_out), "the order of files does not count"
    assert subjects(halves.held_out) != subjects(make_split(cases, config(data, split_seed=2)).held_out)
    assert len(subjects(make_split(cases, config(data, held_out_share=0.5)).held_out)) == 5
    assert "2 of 10 subjects are held out" in caplog.text
    write_split(tmp_path / "split.json", halves, compare_halves=False)
    again = read_split(tmp_path / "split.json", cases)
    assert (again.training, again.held_out) == (halves.training, halves.held_out)
    with pytest.raises(DatasetError, match=r"pictures of .*split\.json are gone"):
        read_split(tmp_path / "split.json", cases[1:])


def test_a_stated_split_stays_and_nobody_may_be_held_out(folder):
    data = folder("scan1_frame1", "scan2_frame1")
    cases = open_dataset(data)
    assert subjects(make_split(cases, config(data, held_out=["scan2"])).held_out) == {"scan2"}
    assert make_split(cases, config(data, held_out=[])).held_out == ()
    with pytest.raises(ConfigError, match="give one of both"):
        config(data, held_out=["scan2"], held_out_share=0.5)


def test_subjects_of_other_words_are_kept_together(folder):
    data = folder("patient01-a", "patient01-b", "Case 2 left", "Case 2 right")
    assert sorted(len(group) for group in subject_groups(open_dataset(data))) == [2, 2]


def test_near_duplicates_are_kept_together_where_no_subject_is_told(folder, caplog):
    folder("left", image=view(1))
    folder("zebra", image=seen_again(view(1), 5))
    data = folder("middle", image=view(2))
    groups = subject_groups(open_dataset(data))
    assert sorted(sorted(case.name for case in group) for group in groups) == [["left", "zebra"], ["middle"]]
    assert (
        "no subject can be told from the names of 3 of 3 pictures: near-duplicates are kept together (2 groups)" in caplog.text
    )


def test_one_subject_only(folder):
    data = folder("scan1_frame1", "scan1_frame2")
    with pytest.raises(DatasetError, match="shows one subject only: add others, or give held_out = "):
        make_split(open_dataset(data), config(data))


def test_folds_hold_out_each_subject_once(folder):
    data = folder(*(f"scan{scan}_frame1" for scan in range(7)))
    cases = open_dataset(data)
    folds = make_folds(cases, config(data), 3)
    assert sorted(name for fold in folds for name in subjects(fold.held_out)) == [f"scan{scan}" for scan in range(7)]
    assert all(len(fold.training) + len(fold.held_out) == 7 for fold in folds)
    for count in (1, 8):
        with pytest.raises(ConfigError, match=f"--folds is {count} for 7 subjects"):
            make_folds(cases, config(data), count)


def test_a_class_that_a_half_lacks(folder, caplog):
    folder("scan1_frame1", "scan2_frame1", value=1)
    data = folder("scan3_frame1", value=2)
    cases = open_dataset(data)
    stated = config(data, ("a", "b"), held_out=["scan1"])
    check_split(make_split(cases, stated), stated)
    assert "no held-out picture" in caplog.text
    for held_out, half in (("scan3", "training"), ("scan1", "")):
        chosen = config(data, ("a", "b"), held_out=[held_out])
        if half:
            with pytest.raises(DatasetError, match=r"no training picture of .* shows b: add some, or leave the class out"):
                check_split(make_split(cases, chosen), chosen)
    lacking = next(fold for fold in make_folds(cases, stated, 3) if subjects(fold.held_out) == {"scan1"})
    with pytest.raises(DatasetError, match=r"no held-out picture .* shows b: add some, or give another split_seed"):
        check_split(lacking, stated)


def test_a_mask_of_another_size_is_refused_before_the_first_step(folder):
    folder("scan1_frame1")
    data = folder("scan2_frame1", size=(40, 41))
    chosen = config(data, held_out=["scan2"])
    with pytest.raises(DatasetError, match=r"is \(40, 40\) and its mask \(40, 41\): draw the mask on the image"):
        check_split(make_split(open_dataset(data), chosen), chosen)


def test_paths_are_relative_to_the_file(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "teacher.onnx").write_bytes(b"")
    text = 'name = "n"\nclasses = ["a"]\n[data]\nfolder = "data"\n[teacher]\nmodels = ["teacher.onnx", "carotid"]\n'
    (tmp_path / "t.toml").write_text(text)
    (tmp_path / "carotid").mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    read = read_config(tmp_path / "t.toml")
    assert read.data.folder == str((tmp_path / "data").resolve())
    assert read.teacher.models == (str((tmp_path / "teacher.onnx").resolve()), "carotid")
    assert read.data.held_out_share == 0.2
    (tmp_path / "t.toml").write_text(text.replace('"data"', '"../shared"'))
    assert read_config(tmp_path / "t.toml").data.folder == "../shared"


def test_split_json_names_the_subjects(folder, tmp_path):
    data = folder("scan1_frame1", "scan2_frame1")
    write_split(tmp_path / "split.json", make_split(open_dataset(data), config(data, held_out=["scan2"])), compare_halves=True)
    written = json.loads((tmp_path / "split.json").read_text())
    assert written == {
        "training": ["scan1_frame1"],
        "held_out": ["scan2_frame1"],
        "held_out_subjects": ["scan2"],
        "twins": [],
    }

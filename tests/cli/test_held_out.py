"""Tests of `rtseg eval --held-out`: only held-out subjects are measured, without near-duplicates of training images."""

import json

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner
from views import seen_again, view

from rtseg.cli.app import app
from rtseg.cli.options.dataset import select_cases
from rtseg.errors import ConfigError
from rtseg.evaluation.dataset import open_dataset


@pytest.fixture
def folder(tmp_path):
    """Return a function that writes images by name, each with a mask of its center; held_out.toml holds out scan01."""
    config = 'name = "n"\nclasses = ["lumen"]\n[data]\nfolder = "."\nheld_out = ["scan01"]\n'
    (tmp_path / "held_out.toml").write_text(config)

    def write(**images):
        for stem, image in images.items():
            mask = np.zeros_like(image)
            mask[100:200, 100:200] = 255
            for kind, pixels in (("images", image), ("masks", mask)):
                (tmp_path / kind).mkdir(exist_ok=True)
                assert cv2.imwrite(str(tmp_path / kind / f"{stem}.png"), pixels)
        return tmp_path

    return write


def evaluate(model, data):
    options = ["--held-out", data / "held_out.toml", "--json", data / "eval.json"]
    return CliRunner().invoke(app, ["eval", str(model), str(data), *map(str, options)])


def test_a_held_out_picture_whose_view_is_trained_on_is_left_out_by_name(tiny, folder):
    again = seen_again(view(1), 5)
    data = folder(scan00_frame1=view(1), scan00_frame2=view(2), scan01_frame1=view(3), scan01_frame2=again)
    done = evaluate(tiny, data)
    assert done.exit_code == 0, done.output
    assert "left out" in done.output
    assert "scan01_frame2 (as scan00_frame1)" in " ".join(done.output.split())
    assert [image["name"] for image in json.loads((data / "eval.json").read_text())["images"]] == ["scan01_frame1"]


def test_nothing_is_left_where_all_is_trained_on(tiny, folder):
    done = evaluate(tiny, folder(scan00_frame1=view(1), scan01_frame1=seen_again(view(1), 5)))
    assert done.exit_code == 1
    assert "hold others out" in done.stderr


def test_a_folder_of_held_out_subjects_alone(tiny, folder):
    done = evaluate(tiny, folder(scan01_frame1=view(3)))
    assert done.exit_code == 0, done.output
    assert "left out" not in done.output


def test_the_table_tells_what_accuracy_and_f1_are(tiny, folder):
    done = evaluate(tiny, folder(scan01_frame1=view(3)))
    shown = " ".join(done.output.split())
    for words in (
        "overall accuracy: the share of all pixels",
        "overall f1: macro average",
        "for one class it is the Dice coefficient",
    ):
        assert words in shown
    assert "macro average" in " ".join(CliRunner().invoke(app, ["eval", "--help"]).output.split())


def test_a_training_that_saw_everybody_held_nobody_out(tiny, folder):
    data = folder(scan00_frame1=view(1), scan01_frame1=view(3))
    config = data / "held_out.toml"
    config.write_text(config.read_text().replace('["scan01"]', "[]"))
    done = evaluate(tiny, data)
    assert done.exit_code == 1
    assert "holds nobody out" in done.stderr


def test_a_held_out_name_may_hold_a_comma(tiny, folder):
    data = folder(scan00_frame1=view(1), **{"Roe, Jane": view(3)})
    config = data / "held_out.toml"
    config.write_text(config.read_text().replace('["scan01"]', '["Roe, Jane"]'))
    done = evaluate(tiny, data)
    assert done.exit_code == 0, done.output
    assert [image["name"] for image in json.loads((data / "eval.json").read_text())["images"]] == ["Roe, Jane"]


def test_a_report_that_cannot_be_written_is_told_of_before_the_work(tiny, folder):
    data = folder(scan00_frame1=view(1))
    done = CliRunner().invoke(app, ["eval", str(tiny), str(data), "--json", str(data / "missing" / "eval.json")])
    assert done.exit_code == 1
    assert "make it first" in done.stderr
    assert "images of" not in done.output


def test_the_toml_and_its_split_json_name_the_same_halves(tiny, folder):
    data = folder(scan00_frame1=view(1), scan00_frame2=view(2), scan01_frame1=view(3))
    cases = open_dataset(data)
    halves = {"training": ["scan00_frame1", "scan00_frame2"], "held_out": ["scan01_frame1"]}
    (data / "split.json").write_text(json.dumps(halves))
    for part, names in halves.items():
        for path in (data / "split.json", data / "held_out.toml"):
            assert [case.name for case in select_cases(cases, part, path, "")] == names
    options = ["--held-out", str(data / "split.json"), "--json", str(data / "eval.json")]
    done = CliRunner().invoke(app, ["eval", str(tiny), str(data), *options])
    assert done.exit_code == 0, done.output
    assert [image["name"] for image in json.loads((data / "eval.json").read_text())["images"]] == ["scan01_frame1"]


def test_a_toml_that_leaves_the_split_to_the_training_names_none(folder):
    data = folder(scan00_frame1=view(1), scan01_frame1=view(3))
    (data / "held_out.toml").write_text('name = "n"\nclasses = ["lumen"]\n[data]\nfolder = "."\n')
    with pytest.raises(ConfigError, match=r"lets its training hold subjects out: name the split\.json"):
        select_cases(open_dataset(data), "held_out", data / "held_out.toml", "")

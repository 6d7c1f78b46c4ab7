"""Tests the evaluation: the structure of its report and the order in which a session gets the frames."""

import json
import re

import cv2
import numpy as np
import pytest

from rtseg.engines.load import load_engine
from rtseg.errors import DatasetError
from rtseg.evaluation.dataset import Case
from rtseg.evaluation.evaluate import evaluate
from rtseg.frame import Segmentation
from rtseg.session.session import Session

SHAPE = (16, 24)


class RecordingSegmenter:
    """Segments by a given function and logs its calls in order."""

    def __init__(self, *classes, answer):
        self.classes, self.answer, self.calls = classes, answer, []

    def step(self, frame):
        self.calls.append(frame)
        return Segmentation(self.answer(frame.image), self.classes, (1.0,) * len(self.classes))

    def reset(self, reason):
        self.calls.append(reason)


def threshold(image):
    return (image > 100).astype(np.uint8)


def picture(value, box=(2, 3, 8, 6)):
    image = np.zeros(SHAPE, np.uint8)
    top, left, height, width = box
    image[top : top + height, left : left + width] = value
    return image


@pytest.fixture
def folder(tmp_path):
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()

    def add(stem, image, mask):
        cv2.imwrite(str(tmp_path / "images" / f"{stem}.png"), image)
        cv2.imwrite(str(tmp_path / "masks" / f"{stem}.png"), mask)

    return tmp_path, add


def test_a_subject_is_one_stream_in_time_order_and_forgotten_before_the_next(folder):
    path, add = folder
    for stem, value in [("scan01_frame00100", 3), ("scan01_frame00009", 2), ("scan00_frame00500", 1)]:
        add(stem, picture(value), picture(255))
    session = RecordingSegmenter("lumen", answer=threshold)
    evaluate(session, path, model="m")
    first, *frames = session.calls
    second = frames.pop(1)
    assert [first, second] == ["next subject: scan00", "next subject: scan01"]
    assert [frame.image.max() for frame in frames] == [1, 2, 3]
    assert [frame.index for frame in frames] == [0, 0, 1]
    assert frames[0].captured_ns < frames[1].captured_ns < frames[2].captured_ns


def test_a_session_remembers_a_subject_and_not_the_one_before(folder, tiny):
    path, add = folder
    for stem, value in [("scan00_frame00001", 255), ("scan00_frame00002", 90), ("scan01_frame00001", 90)]:
        add(stem, picture(value), picture(255))  # the network detects 90 only with recurrent state
    network = load_engine(tiny)
    report = evaluate(Session(network), path, model="tiny").to_json()
    network.close()
    bright, remembered, forgotten = (image["classes"]["lumen"]["predicted_px"] for image in report["images"])
    assert min(bright, remembered) > 0
    assert forgotten == 0


def test_figures_stand_where_the_readers_of_the_json_look_for_them(folder):
    path, add = folder
    add("a", picture(200), picture(255))  # found completely
    add("b", picture(200, (2, 3, 4, 6)), picture(255))  # half of it found: Dice 2/3
    report = json.loads(json.dumps(evaluate(RecordingSegmenter("lumen", answer=threshold), path, model="m").to_json()))
    lumen = report["classes"]["lumen"]
    assert lumen["dice"] == pytest.approx({"mean": 5 / 6, "median": 5 / 6, "p5": 2 / 3 + 0.05 / 3, "std": 1 / 6, "n": 2})
    assert lumen["iou"]["mean"] == pytest.approx(0.75)
    assert lumen["precision"]["mean"] == pytest.approx(1)
    assert lumen["recall"]["mean"] == pytest.approx(0.75)
    assert lumen["hd95"]["mean"] == pytest.approx(2)
    assert lumen["hd95"]["p95"] == pytest.approx(3.8)
    assert (report["model"], report["data"], report["frames"], report["subjects"]) == ("m", str(path), 2, 2)
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", report["began_at"])
    assert [image["name"] for image in report["images"]] == ["a", "b"]
    assert report["images"][1]["subject"] == "b"
    assert report["images"][1]["classes"]["lumen"]["dice"] == pytest.approx(2 / 3)


def test_distances_are_in_mm_where_every_image_has_its_pixel_size(folder):
    path, add = folder
    add("000_HC", picture(200, (2, 3, 4, 6)), picture(255))
    add("001_HC", picture(200, (2, 3, 4, 6)), picture(255))
    table = path / "measurements.csv"
    table.write_text("name,pixel_size_mm\n000_HC,0.5\n001_HC,0.25\n")
    in_mm = evaluate(RecordingSegmenter("head", answer=threshold), path, model="m").to_json()
    assert [image["classes"]["head"]["hd95"] for image in in_mm["images"]] == pytest.approx([4 * 0.5, 4 * 0.25])
    assert in_mm["classes"]["head"]["hd95"]["unit"] == "mm"
    table.write_text("name,pixel_size_mm\n000_HC,0.5\n")
    in_px = evaluate(RecordingSegmenter("head", answer=threshold), path, model="m").to_json()
    assert [image["classes"]["head"]["hd95"] for image in in_px["images"]] == pytest.approx([4, 4])
    assert in_px["classes"]["head"]["hd95"]["unit"] == "px"


def test_what_neither_holds_is_left_out_and_what_one_side_holds_is_counted(folder):
    path, add = folder
    truths, answers = [2, 0, 2, 1], iter([2, 2, 0, 1])  # of class 2: found, invented, missed, absent
    for stem, value in zip("abcd", truths, strict=True):
        add(stem, picture(9), picture(value))
    report = evaluate(RecordingSegmenter("vessel", "nerve", answer=lambda _: picture(next(answers))), path, model="m").to_json()
    nerve = report["classes"]["nerve"]
    assert (nerve["absent"], nerve["missed"], nerve["invented"]) == (1, 1, 1)
    assert nerve["dice"]["n"] == 3
    assert nerve["dice"]["mean"] == pytest.approx(1 / 3)
    assert nerve["hd95"]["mean"] == pytest.approx(2 / 3 * np.hypot(*SHAPE))
    assert report["classes"]["vessel"]["dice"]["mean"] == 1


def test_a_figure_over_no_image_is_null(folder):
    path, add = folder
    add("a", picture(200), picture(1))
    report = evaluate(RecordingSegmenter("vessel", "nerve", answer=threshold), path, model="m").to_json()
    nerve = json.loads(json.dumps(report, allow_nan=False))["classes"]["nerve"]
    assert nerve["dice"] == {"mean": None, "median": None, "p5": None, "std": None, "n": 0}


def test_accuracy_and_f1_of_one_class(folder):
    path, add = folder
    add("a", picture(200, (2, 3, 4, 6)), picture(255))  # TP 24, FN 24, FP 0, TN 336 of 384 pixels
    add("b", picture(0), picture(0))  # nothing to find and nothing found: in no class metric, but right in every pixel
    report = evaluate(RecordingSegmenter("lumen", answer=threshold), path, model="m").to_json()
    lumen, overall = report["classes"]["lumen"], report["overall"]
    assert lumen["f1"] == lumen["dice"]
    assert (lumen["f1"]["mean"], lumen["accuracy"]["mean"], lumen["accuracy"]["n"]) == (48 / 72, 360 / 384, 1)
    assert (overall["f1"]["mean"], overall["f1"]["n"], overall["absent"]) == (48 / 72, 1, 1)
    assert (overall["accuracy"]["mean"], overall["accuracy"]["n"]) == ((360 / 384 + 1) / 2, 2)
    assert [(image["accuracy"], image["f1"]) for image in report["images"]] == [(360 / 384, 48 / 72), (1, None)]


def test_overall_f1_of_several_classes_is_the_macro_average_and_accuracy_that_of_the_labels(folder):
    path, add = folder
    truth, found = (np.zeros(SHAPE, np.uint8) for _ in range(2))
    truth[:8, :10], truth[8:, :10] = 1, 2  # 80 pixels of vessel and of nerve
    found[:8, :5], found[8:, 5:15] = 1, 2  # vessel: TP 40, FN 40; nerve: TP 40, FN 40, FP 40; "plexus" is nowhere
    add("a", picture(9), truth)
    classes = "vessel", "nerve", "plexus"
    report = evaluate(RecordingSegmenter(*classes, answer=lambda _: found), path, model="m").to_json()
    (image,) = report["images"]
    assert [image["classes"][name]["f1"] for name in classes] == [80 / 120, 80 / 160, 1]
    assert [image["classes"][name]["accuracy"] for name in classes] == [344 / 384, 304 / 384, 1]
    assert image["f1"] == pytest.approx((2 / 3 + 1 / 2) / 2)  # the absent class is no part of the mean
    assert image["accuracy"] == (384 - 40 - 80) / 384
    assert report["overall"]["f1"]["average"] == "macro"
    assert "unweighted mean" in report["legend"]["overall f1"]
    assert "Dice" in report["legend"]["f1"]


def test_progress_is_told_after_each_image(folder):
    path, add = folder
    for stem in "abc":
        add(stem, picture(200), picture(255))
    told = []
    evaluate(RecordingSegmenter("lumen", answer=threshold), path, model="m", progress=lambda done, of: told.append((done, of)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_one_image_at_a_time_is_read(folder, monkeypatch):
    path, add = folder
    for stem in "abc":
        add(stem, picture(200), picture(255))
    read, session = [], RecordingSegmenter("lumen", answer=threshold)
    image_and_labels = Case.image_and_labels
    monkeypatch.setattr(Case, "image_and_labels", lambda case, n: read.append(len(session.calls)) or image_and_labels(case, n))
    evaluate(session, path, model="m")
    assert read == [1, 3, 5]  # each after its own reset and before its own step


def test_a_mask_with_more_classes_than_the_model_is_refused(folder):
    path, add = folder
    add("a", picture(200), picture(2))
    with pytest.raises(DatasetError, match="holds the value 2, and there are 1 classes"):
        evaluate(RecordingSegmenter("vessel", answer=threshold), path, model="m")


def _head(shape=(120, 160), axes=(50, 40)):
    image = np.zeros(shape, np.uint8)
    cv2.ellipse(image, (80, 60), axes, 0, 0, 360, 255, -1)
    return image


def test_a_head_s_circumference_is_compared_with_the_expert_s(folder):
    path, add = folder
    for stem in ("001_HC", "002_HC", "003_HC"):
        add(stem, _head(), _head())
    circle = 2 * np.pi * np.sqrt((50**2 + 40**2) / 2) * 0.1  # within 1 % of the ellipse's circumference
    rows = [("001_HC", circle), ("002_HC", circle + 3), ("003_HC", circle - 1)]
    csv = "name,pixel_size_mm,head_circumference_mm\n" + "".join(f"{name},0.1,{mm}\n" for name, mm in rows)
    (path / "measurements.csv").write_text(csv)
    figures = evaluate(RecordingSegmenter("head", answer=threshold), path, model="m").to_json()["measurements"][
        "head_circumference_mm"
    ]
    assert figures["n"] == 3
    assert figures["mae"] == pytest.approx(4 / 3, abs=0.3)
    assert figures["mean_error"] == pytest.approx(-2 / 3, abs=0.4)


def test_what_no_expert_measured_is_not_reported(folder):
    path, add = folder
    add("001_HC", _head(), _head())
    assert evaluate(RecordingSegmenter("head", answer=threshold), path, model="m").to_json()["measurements"] == {}

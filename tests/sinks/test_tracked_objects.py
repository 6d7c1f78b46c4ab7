"""Test what the sinks and the overlay say of objects that are followed, lost or not there yet."""

import json
from dataclasses import replace

import numpy as np
import results

from rtseg.frame import StreamInfo, TrackedObject
from rtseg.measure.region import measure
from rtseg.overlay import Overlay
from rtseg.sinks.jsonl import JsonSink
from rtseg.sinks.masks import MaskSink

INFO = StreamInfo(48, 64, 25.0)
SEEN = TrackedObject(lost=False, confidence=0.9, area_px=100, centroid=(10.5, 20.5), box=(5, 15, 10, 10))
LOST = TrackedObject(lost=True, confidence=0.1)


def followed(objects, index=0):
    made = results.result(index=index, labels=np.zeros((48, 64), np.uint8), classes=tuple(objects))
    return replace(made, segmentation=replace(made.segmentation, objects=objects))


def written(tmp_path, *made):
    sink = JsonSink(tmp_path / "out.jsonl")
    sink.open(INFO)
    for one in made:
        sink.write(one)
    sink.close()
    return [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]


def test_a_line_names_each_object_and_whether_it_is_lost(tmp_path):
    _, line, none = written(tmp_path, followed({"tumor": SEEN, "vein": LOST}), followed({}, 1))
    assert line["objects"] == {
        "tumor": {"lost": False, "confidence": 0.9, "area_px": 100, "centroid": [10.5, 20.5], "box": [5, 15, 10, 10]},
        "vein": {"lost": True, "confidence": 0.1, "area_px": None, "centroid": None, "box": None},
    }
    assert list(line["classes"]) == ["tumor", "vein"]
    assert none["objects"] == none["classes"] == {}


def test_the_lines_of_other_networks_have_no_objects(tmp_path):
    assert "objects" not in written(tmp_path, results.result())[1]


def test_the_manifest_says_for_each_mask_which_label_is_which_object(tmp_path):
    sink = MaskSink(tmp_path / "masks")
    sink.open(INFO)
    for index, objects in enumerate(({}, {"tumor": SEEN}, {"vein": SEEN})):
        sink.write(followed(objects, index))
    sink.close()
    manifest = json.loads((tmp_path / "masks" / "manifest.json").read_text())
    assert [frame["classes"] for frame in manifest["frames"]] == [[], ["tumor"], ["vein"]]


def test_the_overlay_marks_what_is_lost_and_says_what_to_do():
    assert measure(followed({}).segmentation) == ()
    large = np.zeros((240, 320), np.uint8)

    def drawn(objects):
        made = followed(objects)
        made = replace(made, frame=replace(made.frame, image=large), segmentation=replace(made.segmentation, labels=large))
        return Overlay(notice=False, latency=False, legend=False).draw(made)

    plain, lost, empty = drawn({"tumor": SEEN}), drawn({"tumor": LOST}), drawn({})
    assert not plain.any()
    assert lost.any()
    assert empty.any()
    assert not np.array_equal(lost, empty)

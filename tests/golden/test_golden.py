"""Compares the labels, lifecycle states and measurements of every stream with golden.json.

They must be identical where processor and libraries are those of the record. Elsewhere a network's floats differ in their
last digits, and a border may move by a pixel.
"""

import json
from copy import deepcopy
from functools import cache

import numpy as np
import pytest
from golden.golden_labels import FILE, STREAMS, machine_kind, packed, segmented, unpacked

GOLDEN = json.loads(FILE.read_text())
AGREEING = 0.999  # of the pixels, on each frame whose labels are stored
AREA, AREA_PX = 0.02, 20  # relative and absolute: the greater applies
CENTROID_PX = 1.0
CONFIDENCE = 0.01


@cache
def found(name):
    return segmented(name)


def words(stream):
    return [(frame["index"], frame["life"], frame["reason"]) for frame in stream["frames"]]


def far_labels(stored, given):
    """Return the frames of which too many pixels differ."""
    pairs = {index: (unpacked(stored["labels"][index]), unpacked(labels)) for index, labels in given["labels"].items()}
    return [index for index, (a, b) in pairs.items() if a.shape != b.shape or (a == b).mean() < AGREEING]


def far_measures(stored, given):
    """Return the frames and classes whose area, centroid or confidence differs from the record."""
    pairs = zip(stored["frames"], given["frames"], strict=True)
    return [
        (frame["index"], name)
        for golden, frame in pairs
        for name in golden["measured"] | frame["measured"]
        if not close(golden["measured"].get(name), frame["measured"].get(name))
    ]


def close(golden, given):
    if golden is None or given is None:
        return False
    centroid = np.hypot(golden[1] - given[1], golden[2] - given[2])
    small = max(golden[0], given[0]) <= AREA_PX  # a speck's centroid is not defined to a pixel
    return (
        abs(golden[0] - given[0]) <= max(AREA_PX, AREA * golden[0])
        and (small or centroid <= CENTROID_PX)
        and abs(golden[3] - given[3]) <= CONFIDENCE
    )


def test_the_record_holds_every_stream_and_what_can_go_wrong_in_one():
    assert set(GOLDEN["streams"]) == set(STREAMS)
    lives = {frame["life"] for stream in GOLDEN["streams"].values() for frame in stream["frames"]}
    assert lives == {"NEW", "LIVE", "HELD", "SPOILT", "CUT", "GAP", "LOST"}
    for stream in GOLDEN["streams"].values():
        assert any(any(measured[0] for measured in frame["measured"].values()) for frame in stream["frames"])


@pytest.mark.parametrize("name", STREAMS)
def test_lifecycle_words_are_those_of_the_record(name):
    assert words(found(name)) == words(GOLDEN["streams"][name])


@pytest.mark.parametrize("name", STREAMS)
def test_labels_and_measurements_agree_with_the_record(name):
    stored, given = GOLDEN["streams"][name], found(name)
    assert stored["labels"].keys() == given["labels"].keys()
    assert not far_labels(stored, given)
    assert not far_measures(stored, given)


@pytest.mark.skipif(GOLDEN["machine"] != machine_kind(), reason="bit for bit only on the processor and libraries of the record")
@pytest.mark.parametrize("name", STREAMS)
def test_labels_are_the_very_same_on_the_machine_of_the_record(name):
    assert found(name)["frames"] == GOLDEN["streams"][name]["frames"]


def test_a_planted_difference_is_found():
    stored = GOLDEN["streams"]["synthetic-cut"]
    wrong = deepcopy(stored)
    index, labels = next((i, unpacked(kept)) for i, kept in stored["labels"].items() if unpacked(kept).any())
    wrong["labels"][index] = packed(np.roll(labels, 4, axis=1))
    wrong["frames"][5]["measured"]["lumen"][0] += 1 + int(max(AREA_PX, AREA * wrong["frames"][5]["measured"]["lumen"][0]))
    wrong["frames"][6]["life"] = "HELD"
    assert far_labels(stored, wrong) == [index]
    assert far_measures(stored, wrong) == [(5, "lumen")]
    assert words(stored) != words(wrong)

"""Tests that a recording holds each frame's spacing, time, pixel aspect and damage, and that its replay gives them again."""

import json
from dataclasses import replace

import pytest
from made import LIVE, recorded, scene

from rtseg.errors import SourceError
from rtseg.session.session import Session
from rtseg.sources.files.recording import FRAMES_FILE
from rtseg.sources.files.replay import Replay

VALUES = [
    {"spacing_mm": (0.1, 0.1), "presentation_ns": 0, "pixel_aspect": 1.0, "damage": "", "spacing_from": "scale"},
    {
        "spacing_mm": (0.2, 0.2),
        "presentation_ns": 40_000_000,
        "pixel_aspect": 2.0,
        "damage": "a packet was lost",
        "spacing_from": "",
    },
    {"spacing_mm": None, "presentation_ns": None, "pixel_aspect": 2.0, "damage": "", "spacing_from": ""},
]


@pytest.fixture
def folder(tmp_path, engine):
    frames = [replace(frame, origin=None, **values) for frame, values in zip(scene(), VALUES, strict=False)]
    recorded(tmp_path / "rec", Session(engine), frames, keep_surroundings=True)
    return tmp_path / "rec"


def test_a_replay_gives_the_values_of_each_frame_again(folder):
    replayed = [{name: getattr(frame, name) for name in VALUES[0]} for frame in Replay(folder, "fast")]
    assert replayed == VALUES


def test_a_replay_with_another_spacing_keeps_its_changes(folder):
    source = Replay(folder, "fast", spacing_mm=(0.3, 0.3))
    frames = list(source)
    assert [frame.spacing_mm for frame in frames] == [(0.3, 0.3), pytest.approx((0.6, 0.6)), None]
    assert {frame.spacing_from for frame in frames} == {""}  # the user stated it


def test_an_earlier_recording_without_the_values_is_read(folder):
    lines = [json.loads(line) for line in (folder / FRAMES_FILE).read_text().splitlines()]
    old = [{key: value for key, value in line.items() if key not in VALUES[0]} for line in lines]
    old[0]["stream"] = {key: value for key, value in lines[0]["stream"].items() if key != "pixel_aspect"}
    (folder / FRAMES_FILE).write_text("".join(json.dumps(line) + "\n" for line in old))
    frames = list(Replay(folder, "fast"))
    assert {(frame.spacing_mm, frame.presentation_ns, frame.pixel_aspect, frame.damage) for frame in frames} == {
        (LIVE.spacing_mm, None, 1.0, "")
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [("spacing_mm", [0, 1]), ("spacing_mm", ["a"]), ("pixel_aspect", 0), ("presentation_ns", -5), ("spacing_from", "x")],
)
def test_values_that_are_not_possible_are_refused(folder, name, value):
    lines = [json.loads(line) for line in (folder / FRAMES_FILE).read_text().splitlines()]
    lines[1][name] = value
    (folder / FRAMES_FILE).write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(SourceError, match="line 2"):
        list(Replay(folder, "fast"))

import json
import subprocess
import sys

import av
import cv2
import numpy as np
import pytest

from rtseg.errors import ConfigError
from rtseg.sources.synthetic.screens import HELD_OUT_LAYOUTS, TUNING_LAYOUTS, draw_layout, make_screen
from rtseg.sources.synthetic.screens.layout import ScreenMode
from rtseg.sources.synthetic.screens.probe_shape import ProbeKind


def write(folder, *options):
    command = [sys.executable, "-m", "rtseg.sources.synthetic.screens", "--out", str(folder), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_the_layouts_are_split_and_each_half_has_every_mode():
    assert not set(TUNING_LAYOUTS) & set(HELD_OUT_LAYOUTS)
    assert (len(TUNING_LAYOUTS), len(HELD_OUT_LAYOUTS)) == (30, 10)
    for numbers in (TUNING_LAYOUTS, HELD_OUT_LAYOUTS):
        assert {draw_layout(number).mode for number in numbers} == set(ScreenMode)
    assert draw_layout(3) == draw_layout(3) != draw_layout(4)
    with pytest.raises(ConfigError, match="there is no layout 40: the layouts are 0 to 39"):
        draw_layout(40)


@pytest.mark.parametrize("number", [0, 3, 4, 6, 9])
def test_the_truth_is_where_the_picture_is(number):
    screen = make_screen(draw_layout(number), 5, size=(480, 640))
    first, later = screen.frame(0), screen.frame(6)
    mask = screen.mask()
    assert first.shape == (480, 640, 3)
    assert mask.shape == (480, 640)
    assert mask.mean() > 0.03
    changed = np.abs(first.astype(int) - later).max(2) > 0
    if screen.pictures[0].is_still:
        assert not changed[mask].any()
    else:
        assert changed[mask].mean() > 0.2
    if screen.layout.mode is ScreenMode.ALONE:
        assert not first[cv2.dilate(mask.astype(np.uint8), np.ones((3, 3))) == 0].any()


@pytest.mark.parametrize("number", [0, 1, 2, 15])
def test_every_letter_lies_in_a_box(number):
    screen = make_screen(draw_layout(number), 11, size=(720, 1280))
    boxes = screen.text_boxes()
    assert len(boxes) > 3
    frame = screen.frame(0).astype(int)
    for text, is_over in boxes:
        top, left, height, width = text.box
        part = frame[top : top + height, left : left + width]
        assert part.size
        assert is_over or np.ptp(part, axis=(0, 1)).max() > 10, text


def test_a_screen_follows_from_its_seed_alone():
    one, same, other = (make_screen(draw_layout(0), seed, size=(480, 640)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.frame(3), same.frame(3))
    assert (one.frame(3) != other.frame(3)).any()


@pytest.fixture(scope="module")
def tuning_screens():
    return [make_screen(draw_layout(number), number, size=(480, 640)) for number in TUNING_LAYOUTS]


def test_every_kind_of_probe_and_other_scripts_occur(tuning_screens):
    assert {screen.pictures[0].placed.shape.kind for screen in tuning_screens} == set(ProbeKind)
    assert any(not text.string.isascii() for screen in tuning_screens for text, _ in screen.text_boxes())


def test_most_layouts_show_the_numbers_of_their_scale_and_the_others_none(tuning_screens):
    assert 0.7 < np.mean([draw_layout(number).has_numbers for number in range(40)]) < 0.95
    around = [screen for screen in tuning_screens if screen.layout.mode is not ScreenMode.ALONE]
    assert np.mean([screen.has_scale for screen in around if screen.layout.has_numbers]) > 0.7
    assert not any(screen.has_scale for screen in tuning_screens if not screen.layout.has_numbers)


def test_lines_of_an_interlaced_screen_are_of_two_times():
    screens = (make_screen(draw_layout(0), seed, size=(1080, 1920)) for seed in range(40))
    screen = next(screen for screen in screens if screen.is_interlaced)
    frame, before, after = screen.frame(1), screen._drawn(2), screen._drawn(3)
    np.testing.assert_array_equal(frame[::2], screen._padded(before)[::2])
    np.testing.assert_array_equal(frame[1::2], screen._padded(after)[1::2])


def test_clips_and_their_truth_are_written(tmp_path):
    done = write(tmp_path, "--seed", "3", "--count", "2", "--frames", "4", "--layouts", "tuning")
    assert done.returncode == 0, done.stderr
    for number in ("000", "001"):
        truth = json.loads((tmp_path / f"{number}.json").read_text())
        mask = cv2.imread(str(tmp_path / truth["sector"]), cv2.IMREAD_GRAYSCALE)
        with av.open(str(tmp_path / f"{number}.mp4")) as clip:
            shapes = {frame.to_ndarray(format="rgb24").shape for frame in clip.decode(video=0)}
        assert shapes == {(*mask.shape, 3)}
        assert set(np.unique(mask)) == {0, 255}
        assert truth["mm_per_pixel"] > 0
        assert all(set(text) == {"box", "string", "over_sector"} for text in truth["text"])


@pytest.mark.parametrize(
    ("options", "message"), [(("--count", "0"), "a count"), (("--count", "1", "--real", "."), "no picture")]
)
def test_what_cannot_be_written_is_refused(tmp_path, options, message):
    options = [str(tmp_path) if word == "." else word for word in options]
    done = write(tmp_path / "out", "--seed", "0", *options)
    assert done.returncode
    assert message in done.stderr
    assert "Traceback" not in done.stderr

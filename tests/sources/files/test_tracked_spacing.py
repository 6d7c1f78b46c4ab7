"""Tests that the spacing and the time of tracked sequences belong to each frame."""

import pytest
from sources.ultrasound import GRAY

from rtseg.sources import open_source


def transform(index, scale, name="ImageToProbe", status="OK"):
    """Return the lines of a frame's transform, whose pixels are `scale` (along, down) long."""
    along, down = scale
    return [
        f"Seq_Frame{index:04d}_{name}Transform = 0 {-down} 0 5 {along} 0 0 7 0 0 1 0 0 0 0 1",
        f"Seq_Frame{index:04d}_{name}TransformStatus = {status}",
    ]


def spacings(source):
    return [frame.spacing_mm for frame in source]


def approximately(values):
    return [value and pytest.approx(value) for value in values]


DEPTHS = [(0.1, 0.2), (0.1, 0.2), (0.3, 0.4), (0.3, 0.4)]  # along, down
UPRIGHT = [(0.2, 0.1), (0.2, 0.1), (0.4, 0.3), (0.4, 0.3)]


@pytest.mark.parametrize("header", [None, "0.1 0.2 1", "1 1 1"])
def test_the_scale_of_each_frames_transform(write_mha, header):
    lines = [line for index, scale in enumerate(DEPTHS) for line in transform(index, scale)]
    source = open_source(write_mha(GRAY, ElementSpacing=header, extra=lines))
    assert source.info.spacing_mm == pytest.approx(UPRIGHT[0])
    assert spacings(source) == approximately(UPRIGHT)


@pytest.mark.parametrize("name", ["Spacing", "ElementSpacing", "ImageSpacing"])
def test_the_spacing_that_each_frame_states(write_mha, name):
    lines = [f"Seq_Frame{index:04d}_{name} = {along} {down} 1" for index, (along, down) in enumerate(DEPTHS)]
    assert spacings(open_source(write_mha(GRAY, ElementSpacing="0.1 0.2 1", extra=lines))) == approximately(UPRIGHT)


def test_rigid_transforms_leave_the_spacing_of_the_header(write_mha):
    lines = [line for index in range(4) for line in transform(index, (1, 1))]
    assert spacings(open_source(write_mha(GRAY, ElementSpacing="0.1 0.2 1", extra=lines))) == approximately([(0.2, 0.1)] * 4)
    assert spacings(open_source(write_mha(GRAY, extra=lines))) == [None] * 4
    lines = [line for index in range(4) for line in transform(index, (1, 1) if index < 2 else (2, 2))]
    assert spacings(open_source(write_mha(GRAY, ElementSpacing="0.1 0.2 1", extra=lines)))[2] == pytest.approx((0.4, 0.2))


def test_a_frame_without_a_valid_transform(write_mha, caplog):
    lines = [line for index in range(4) for line in transform(index, DEPTHS[index], status="OK" if index != 1 else "INVALID")]
    expected = [UPRIGHT[0], None, *UPRIGHT[2:]]
    assert spacings(open_source(write_mha(GRAY, extra=lines))) == approximately(expected)
    assert "no valid transform for 1 of its 4 frames" in caplog.text
    same = [line for index in range(4) for line in transform(index, (0.1, 0.2), status="OK" if index != 1 else "INVALID")]
    assert spacings(open_source(write_mha(GRAY, ElementSpacing="0.1 0.2 1", extra=same))) == approximately([(0.2, 0.1)] * 4)


def test_a_header_that_contradicts_its_frames_is_told(write_mha, caplog):
    lines = [line for index in range(4) for line in transform(index, (0.3, 0.3))]
    assert spacings(open_source(write_mha(GRAY, ElementSpacing="0.1 0.2 1", extra=lines))) == approximately([(0.3, 0.3)] * 4)
    assert "another spacing in its frames" in caplog.text


def test_size_and_spacing_of_an_element(write_mha, caplog):
    assert open_source(write_mha(GRAY, ElementSize="0.1 0.2 1")).info.spacing_mm == (0.2, 0.1)
    assert not caplog.records
    assert open_source(write_mha(GRAY, ElementSpacing="0.1 0.2 1", ElementSize="0.5 0.5 1")).info.spacing_mm == (0.2, 0.1)
    assert "ElementSize other than its ElementSpacing" in caplog.text


def test_the_form_of_a_pixel_follows(write_mha):
    source = open_source(write_mha(GRAY, ElementSpacing="0.1 0.2 1"))
    assert source.info.pixel_aspect == 0.5
    assert {frame.pixel_aspect for frame in source} == {0.5}


def stamps(times):
    return [f"Seq_Frame{index:04d}_Timestamp = {time}" for index, time in enumerate(times)]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ((5, 5.25, 6, 6.25), [0, 0.25, 1, 1.25]),
        ((5, 5.25, 5.25, 6), [0, 0.5, 1, 1.5]),  # evenly, by the median step
        ((5, 6, 5.5, 7), [0, 1.25, 2.5, 3.75]),
        ((5, 6, 7), [0, 1, 2, 3]),
    ],
)
def test_timestamps_are_when_frames_are_shown(write_mha, caplog, times, expected):
    read = list(open_source(write_mha(GRAY, extra=stamps(times))))
    assert [None if frame.presentation_ns is None else frame.presentation_ns / 1e9 for frame in read] == expected
    assert ("timestamps that are missing or do not increase" in caplog.text) == (times != (5, 5.25, 6, 6.25))
    told = open_source(write_mha(GRAY, extra=stamps(times)), fps=5)
    assert [frame.presentation_ns / 1e9 for frame in told] == [0, 0.2, 0.4, 0.6]


def test_what_is_missing_is_told(write_mha, caplog):
    lines = ["Seq_Frame0002_ImageStatus = INVALID", "Seq_Frame0007_Timestamp = 3"]
    assert [frame.index for frame in open_source(write_mha(GRAY, extra=lines))] == [0, 1, 3]
    assert "no picture for 1 of its 4 frames" in caplog.text
    assert "describes 1 frames more" in caplog.text

"""Tests the size and the form of the pixels of DICOM files, and the times of their frames."""

from itertools import pairwise

import numpy as np
import pytest
from pydicom.dataset import Dataset
from sources.dicoms import multiframe, region, save
from sources.ultrasound import GRAY

from rtseg.sources import open_source

LEFT, RIGHT = (0, 0, 31, 47), (32, 0, 63, 47)


def opened(folder, frames=GRAY, **elements):
    return open_source(save(multiframe(frames, **elements), folder / "a.dcm"))


SCALES = [
    ({"SequenceOfUltrasoundRegions": [region(box=LEFT), region(box=RIGHT)]}, (0.2, 0.1), ""),
    ({"SequenceOfUltrasoundRegions": [region(box=LEFT), region(box=RIGHT, delta_cm=(0.05, 0.05))]}, None, "different scales"),
    ({"SequenceOfUltrasoundRegions": [region(box=RIGHT, delta_cm=(0.05, 0.05)), region(box=LEFT)]}, None, "different scales"),
    ({"SequenceOfUltrasoundRegions": [region(box=LEFT), region(box=RIGHT, delta_cm=(0, 0))]}, None, "different scales"),
    (
        {"SequenceOfUltrasoundRegions": [region(box=LEFT), region(box=RIGHT, kind=2, delta_cm=(0.03, 0.03))]},
        None,
        "different scales",
    ),
    ({"SequenceOfUltrasoundRegions": [region(box=LEFT), region(box=RIGHT, kind=3, form=3, units=4)]}, (0.2, 0.1), ""),
    ({"SequenceOfUltrasoundRegions": [region(units=4)], "PixelSpacing": [0.3, 0.4]}, None, "without a scale in centimeters"),
    ({"SequenceOfUltrasoundRegions": [region()], "PixelSpacing": [0.3, 0.4]}, (0.2, 0.1), "another PixelSpacing"),
    ({"SequenceOfUltrasoundRegions": [region()], "PixelSpacing": [0.2, 0.1]}, (0.2, 0.1), ""),
    ({"PixelSpacing": [0.3, 0.4]}, (0.3, 0.4), ""),
    ({"ImagerPixelSpacing": [0.3, 0.4]}, None, "ImagerPixelSpacing alone"),
    ({"NominalScannedPixelSpacing": [0.3, 0.4]}, None, "NominalScannedPixelSpacing alone"),
    ({"PixelSpacing": [0.3, 0.4], "ImagerPixelSpacing": [0.5, 0.5]}, (0.3, 0.4), ""),
]


@pytest.mark.parametrize(("elements", "spacing", "words"), SCALES, ids=range(len(SCALES)))
def test_a_scale_is_that_of_every_pixel_or_none(tmp_path, caplog, elements, spacing, words):
    source = opened(tmp_path, **elements)
    expected = pytest.approx(spacing) if spacing else None
    assert source.info.spacing_mm == expected
    assert [frame.spacing_mm for frame in source] == [expected] * 4
    assert words in caplog.text
    assert bool(words) == bool(caplog.records)


@pytest.mark.parametrize(
    ("elements", "aspect"),
    [
        ({}, 1),
        ({"PixelAspectRatio": [1, 2]}, 2),  # vertical, horizontal
        ({"PixelAspectRatio": [5, 4]}, 0.8),
        ({"PixelAspectRatio": [0, 4]}, 1),
        ({"PixelAspectRatio": [1, 1000]}, 1),
        ({"PixelSpacing": [0.2, 0.1]}, 0.5),
        ({"PixelSpacing": [0.2, 0.1], "PixelAspectRatio": [1, 1]}, 0.5),
    ],
)
def test_the_form_of_a_pixel(tmp_path, elements, aspect):
    source = opened(tmp_path, **elements)
    assert source.info.pixel_aspect == pytest.approx(aspect)
    assert [frame.pixel_aspect for frame in source] == pytest.approx([aspect] * 4)


def test_each_frame_and_each_file_has_its_own_scale(tmp_path):
    groups = []
    for spacing in (0.1, 0.1, 0.3, 0.3):
        measures, group = Dataset(), Dataset()
        measures.PixelSpacing = [spacing, spacing]
        group.PixelMeasuresSequence = [measures]
        groups.append(group)
    source = opened(tmp_path, PerFrameFunctionalGroupsSequence=groups)
    assert [frame.spacing_mm[0] for frame in source] == pytest.approx([0.1, 0.1, 0.3, 0.3])
    for number, cm in enumerate((0.01, 0.05)):
        regions = [region(delta_cm=(cm, cm))]
        save(multiframe(GRAY[:1], InstanceNumber=number, SequenceOfUltrasoundRegions=regions), tmp_path / f"s{number}")
    (tmp_path / "a.dcm").unlink()
    source = open_source(f"dicom:{tmp_path}")
    assert source.info.spacing_mm is None
    assert [frame.spacing_mm[0] for frame in source] == pytest.approx([0.1, 0.5])


def times(source):
    return [None if frame.presentation_ns is None else frame.presentation_ns / 1e6 for frame in source]


TIMES = [
    ({"FrameTime": 40}, [0, 40, 80, 120]),
    ({"FrameTimeVector": [0, 40, 80, 40]}, [0, 40, 120, 160]),
    ({"FrameTimeVector": [40, 80, 40]}, [0, 40, 120, 160]),  # without the first frame's entry
    ({"FrameTimeVector": [0, 40, 80, 120], "FrameTime": 40}, [0, 40, 80, 120]),  # times in place of increments
    ({"FrameTimeVector": [0, 40, 80, 120], "CineRate": 25}, [0, 40, 80, 120]),
    ({"FrameTimeVector": [0, 40, 0, 40]}, [0, 40, 80, 120]),
    ({"FrameTimeVector": [0, 0, 0, 0], "CineRate": 20}, [0, 50, 100, 150]),
    ({"FrameTimeVector": [0, 40], "FrameTime": 50}, [0, 40, 80, 120]),  # shorter than the recording
    ({"FrameTimeVector": [0, 40, 40, 40, 99, 99]}, [0, 40, 80, 120]),  # longer
    ({"FrameTime": 0, "ActualFrameDuration": 50}, [0, 50, 100, 150]),
    ({"FrameTime": 1e6, "RecommendedDisplayFrameRate": 20}, [0, 50, 100, 150]),
    ({"FrameTime": 0}, [0, 40, 80, 120]),  # by the usual rate
    ({}, [0, 40, 80, 120]),
]


@pytest.mark.parametrize(("elements", "expected"), TIMES, ids=range(len(TIMES)))
def test_frames_are_shown_at_their_times(tmp_path, elements, expected):
    source = opened(tmp_path, **elements)
    assert source.info.fps == pytest.approx(1000 / np.mean([after - before for before, after in pairwise(expected)]))
    assert times(source) == expected


def test_frames_of_a_date_each(tmp_path):
    groups = []
    for second in (59.5, 59.75, 60.5, 61.0):
        content, group = Dataset(), Dataset()
        content.FrameReferenceDateTime = f"2024010112{int(second // 60):02d}{second % 60:09.6f}"
        group.FrameContentSequence = [content]
        groups.append(group)
    assert times(opened(tmp_path, PerFrameFunctionalGroupsSequence=groups, FrameTime=40)) == [0, 250, 1000, 1500]


def test_a_series_goes_on_in_time(tmp_path):
    for number in range(3):
        save(multiframe(GRAY[:2], InstanceNumber=number, FrameTime=40), tmp_path / f"s{number}")
    assert times(open_source(f"dicom:{tmp_path}")) == [0, 40, 80, 120, 160, 200]


def test_the_users_rate_wins(tmp_path):
    assert times(open_source(save(multiframe(GRAY, FrameTime=40), tmp_path / "a.dcm"), fps=10)) == [0, 100, 200, 300]


def test_an_impossible_time_is_told(tmp_path, caplog):
    opened(tmp_path, FrameTime=1e-3)
    assert "FrameTime of 0.001 ms" in caplog.text

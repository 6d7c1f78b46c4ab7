"""Test the shapes, units and errors of frames and segmentations."""

import numpy as np
import pytest

from rtseg.errors import ImageError, MissingExtra, RtsegError, SpacingUnknown, UnknownClass
from rtseg.frame import Frame, Segmentation, StreamInfo


@pytest.mark.parametrize(
    "image", [np.zeros((4, 5), np.uint8), np.zeros((4, 5, 3), np.uint8), np.zeros((8, 10), np.uint8)[::2, ::2]]
)
def test_grey_and_rgb_are_frames(image: np.ndarray):
    assert (Frame(image, 0, 0).height, Frame(image, 0, 0).width) == (4, 5)


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 5)), np.zeros((4, 5, 4), np.uint8), np.zeros((0, 5), np.uint8), np.zeros(5, np.uint8), [[1]], None],
)
def test_anything_else_is_not(image: object):
    with pytest.raises(ImageError, match="an image is"):
        Frame(image, 0, 0)  # type: ignore[arg-type]


def _segmentation(spacing_mm: tuple[float, float] | None = None) -> Segmentation:
    labels = np.zeros((10, 10), np.uint8)
    labels[2:5, 3:7] = 2
    return Segmentation(labels, ("nerve", "vessel"), (0.0, 0.9), spacing_mm)


def test_area_in_pixels_and_millimetres():
    assert _segmentation().area_px("vessel") == 12
    assert _segmentation().area_px("nerve") == 0
    assert _segmentation((0.5, 0.25)).area_mm2("vessel") == pytest.approx(12 * 0.125)


def test_unknown_spacing_is_never_guessed():
    with pytest.raises(SpacingUnknown, match="--spacing"):
        _segmentation().area_mm2("vessel")


def test_unknown_class_names_the_known_ones():
    with pytest.raises(UnknownClass, match="the model has nerve, vessel"):
        _segmentation().mask("lumen")


def test_period():
    assert StreamInfo(4, 5, 25.0).period_ns == 40_000_000
    assert StreamInfo(4, 5, 25.0).as_live().live


def test_every_error_has_a_builtin_parent():
    for error in RtsegError.__subclasses__():
        assert any(parent.__module__ == "builtins" and parent is not Exception for parent in error.__bases__), error


def test_missing_extra_says_how_to_get_it():
    with pytest.raises(ImportError, match=r"pip install 'rtseg\[igtl\]'"):
        raise MissingExtra("an igtl:// source", "igtl")

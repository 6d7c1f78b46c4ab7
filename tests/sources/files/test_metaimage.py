"""Tests MetaImage sequences: every pixel type, orientations, and PLUS's fields."""

import numpy as np
import pytest
from sources.metaimages import FRAMES, images

from rtseg.errors import ConfigError, SourceError
from rtseg.frame import StreamInfo
from rtseg.sources import open_source

COLOURS = np.random.default_rng(4).integers(0, 256, (3, 12, 20, 3), np.uint8)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("frames", [FRAMES, COLOURS], ids=["grey", "rgb"])
@pytest.mark.parametrize("where", [("a.mha", ""), ("a.mhd", "a.raw")])
def test_what_was_written_is_read(write_mha, packed, frames, where):
    source = open_source(write_mha(frames, where[0], packed=packed, beside=where[1]))
    assert source.info == StreamInfo(12, 20, 25.0, frames=len(frames))
    read = list(source)
    assert [frame.index for frame in read] == list(range(len(frames)))
    np.testing.assert_array_equal([frame.image for frame in read], frames)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("code", ["i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
def test_other_pixels_are_scaled_from_their_least_to_their_greatest(write_mha, order, code):
    values = np.linspace(-100 if code[0] != "u" else 7, 120, 4 * 12 * 20).reshape(4, 12, 20).astype(order + code)
    low, high = float(values.min()), float(values.max())
    expected = np.rint((values.astype(float) - low) / (high - low) * 255)
    read = np.array(images(write_mha(values)), float)
    assert np.abs(read - expected).max() <= 1
    assert (read.min(), read.max()) == (0, 255)


def test_floats_that_are_no_numbers_are_black_and_infinity_is_cut(write_mha):
    values = np.linspace(0, 1, 240, dtype="f4").reshape(1, 12, 20)
    values[0, 0, :3] = (np.nan, np.inf, -np.inf)
    (image,) = images(write_mha(values))
    assert image[0, :3].tolist() == [0, 255, 0]
    assert image[-1, -1] == 255
    assert not images(write_mha(np.full((1, 12, 20), np.nan, "f4")))[0].any()


@pytest.mark.parametrize(
    ("letters", "stored"),
    [
        ("MF", FRAMES),
        ("MFA", FRAMES),
        ("", FRAMES),
        ("XX", FRAMES),
        ("UF", FRAMES[:, :, ::-1]),
        ("MN", FRAMES[:, ::-1]),
        ("UNA", FRAMES[:, ::-1, ::-1]),
        ("FM", FRAMES.transpose(0, 2, 1)),
        ("NM", FRAMES[:, ::-1].transpose(0, 2, 1)),
        ("NU", FRAMES[:, ::-1, ::-1].transpose(0, 2, 1)),
    ],
)
def test_pictures_come_upright(write_mha, letters, stored):
    source = open_source(write_mha(stored, UltrasoundImageOrientation=letters))
    assert (source.info.height, source.info.width) == (12, 20)
    np.testing.assert_array_equal([frame.image for frame in source], FRAMES)


def test_spacing_lies_as_the_picture_does(write_mha):
    assert open_source(write_mha(FRAMES, ElementSpacing="0.2 0.3 1")).info.spacing_mm == (0.3, 0.2)
    lying = write_mha(FRAMES.transpose(0, 2, 1), ElementSpacing="0.2 0.3 1", UltrasoundImageOrientation="FM")
    assert open_source(lying).info.spacing_mm == (0.2, 0.3)
    assert open_source(lying, spacing_mm=(5.0, 6.0)).info.spacing_mm == (5.0, 6.0)
    for unknown in ("1 1 1", "0 0 1", "-1 1", "x", "nan 1 1", "1e9 1e9 1"):
        assert open_source(write_mha(FRAMES, ElementSpacing=unknown)).info.spacing_mm is None
    with pytest.raises(SourceError, match="save it again as"):
        open_source(write_mha(FRAMES, ElementSpacing="a b"))


FIELDS = (
    "Seq_Frame0000_Timestamp = 98.00",
    "Seq_Frame0000_ProbeToTrackerTransform = 1 0 0 -4.5 0 1 0 0 0 0 1 0 0 0 0 1",
    "Seq_Frame0000_ProbeToTrackerTransformStatus = OK",
    "Seq_Frame0000_ImageToReferenceTransform = 2 0 0 0 0 2 0 0 0 0 2 0 0 0 0 1",
    "Seq_Frame0001_Timestamp = 98.05",
    "Seq_Frame0001_ProbeToTrackerTransform = 1 0 0 -4.5 0 1 0 0 0 0 1 0 0 0 0 1",
    "Seq_Frame0001_ProbeToTrackerTransformStatus = MISSING",
    "Seq_Frame0001_OddTransform = 1 2 nan",
    "Seq_Frame0002_ImageStatus = INVALID",
    "Seq_Frame0002_Timestamp = 98.10",
    "Seq_Frame0003_Timestamp = later",
)


def test_what_plus_tells_of_a_frame(write_mha):
    source = open_source(write_mha(FRAMES, extra=FIELDS))
    assert source.info.fps == 20
    frames = {frame.index: frame for frame in source}
    assert list(frames) == [0, 1, 3]  # the third came without pixels
    first, second, last = (frames[index].origin for index in (0, 1, 3))
    assert first.timestamp_ns == 98_000_000_000
    assert first.transforms["ProbeToTracker"][0] == (1.0, 0.0, 0.0, -4.5)
    assert first.matrix == first.transforms["ImageToReference"]
    assert (second.timestamp_ns, second.transforms, second.matrix) == (98_050_000_000, {}, None)
    assert last.timestamp_ns is None


def test_the_rate_can_be_said_and_is_25_where_nobody_knows(write_mha):
    assert open_source(write_mha(FRAMES, extra=FIELDS), fps=7).info.fps == 7
    assert open_source(write_mha(FRAMES)).info.fps == 25
    still = [f"Seq_Frame000{index}_Timestamp = 1" for index in range(4)]
    assert open_source(write_mha(FRAMES, extra=still)).info.fps == 25
    with pytest.raises(ConfigError, match="give --fps"):
        open_source(write_mha(FRAMES), fps=0)


def test_a_single_picture_and_a_plane_of_a_volume(write_mha):
    assert len(images(write_mha(FRAMES[:1], NDims=2, DimSize="20 12"))) == 1
    assert len(images(write_mha(FRAMES, NDims=4, DimSize="20 12 1 4"))) == 4
    assert len(images(write_mha(FRAMES[:1], NDims=4, DimSize="20 12 1 1"))) == 1


def test_pixels_at_the_end_of_their_file(write_mha, tmp_path):
    path = write_mha(FRAMES, "a.mhd", beside="a.raw", HeaderSize=-1)
    (tmp_path / "a.raw").write_bytes(b"something else" + FRAMES.tobytes())
    np.testing.assert_array_equal(images(path), FRAMES)


def test_closing_ends_the_stream_and_lets_go_of_the_file(write_mha, open_files):
    before = open_files()
    source = open_source(write_mha(FRAMES))
    frames = iter(source)
    next(frames)
    assert open_files() == before + 1
    source.close()
    source.close()
    assert list(frames) == []
    assert open_files() == before


def test_an_iteration_goes_on_where_the_last_stopped(write_mha):
    source = open_source(write_mha(FRAMES))
    assert next(iter(source)).index == 0
    assert [frame.index for frame in source] == [1, 2, 3]


def test_the_recordings_of_plus(clips):
    packed = open_source(str(clips / "frame_grabber_phantom.igs.mha"))
    assert packed.info == StreamInfo(480, 640, 10.0, frames=200)
    last = list(packed)[-1]
    assert last.origin.timestamp_ns == 19_900_000_000
    assert last.origin.transforms["ProbeToReference"][0] == (1.0, 0.0, 0.0, -74.4919)
    plain = open_source(str(clips / "curvilinear_phantom.igs.mha"))
    assert plain.info == StreamInfo(616, 820, 100.0, frames=5)
    assert next(iter(plain)).origin.timestamp_ns == 98_000_000_000
    plain.close()

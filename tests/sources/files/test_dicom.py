"""Tests DICOM ultrasound: pixels of every kind, times, spacing, folders."""

from pathlib import Path

import cv2
import numpy as np
import pydicom
import pydicom.data
import pytest
from pydicom.pixels import get_decoder
from pydicom.uid import MPEG4HP41, DeflatedExplicitVRLittleEndian, JPEGBaseline8Bit
from sources.dicoms import FRAMES, images, multiframe, region, rle, save

from rtseg.errors import MissingExtra, SourceError, SourceNotFound
from rtseg.frame import StreamInfo
from rtseg.sources import open_source

COLOURS = np.random.default_rng(9).integers(0, 256, (3, 12, 20, 3), np.uint8)
SAMPLES = Path(pydicom.data.__file__).parent / "test_files"


@pytest.mark.parametrize("name", ["a.dcm", "A.DCM", "IM_0001", "1.2.840.1"])
def test_a_file_is_known_by_its_name_or_its_first_bytes(write_dicom, name):
    path = write_dicom(FRAMES, name)
    for uri in (path, f"dicom:{path}"):
        source = open_source(uri)
        assert source.info == StreamInfo(12, 20, 25.0, frames=4)
        np.testing.assert_array_equal([frame.image for frame in source], FRAMES)


def test_colours_are_rgb_and_grey_in_three_channels_is_grey(write_dicom):
    np.testing.assert_array_equal(images(write_dicom(COLOURS)), COLOURS)
    threefold = np.repeat(FRAMES[..., None], 3, axis=3)
    np.testing.assert_array_equal(images(write_dicom(threefold)), FRAMES)
    mixed = np.concatenate([threefold[:2], COLOURS[:1], threefold[2:3]])
    assert [image.ndim for image in images(write_dicom(mixed))] == [2, 2, 3, 3]


@pytest.mark.parametrize("photometric", ["YBR_FULL", "YBR_FULL_422"])
def test_luma_and_chroma_become_rgb(write_dicom, photometric):
    rgb = np.zeros((2, 12, 20, 3), np.uint8)
    rgb[:, :, :10], rgb[:, :, 10:] = (200, 40, 40), (30, 30, 180)
    matrix = np.array([[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]])
    ybr = np.rint(rgb @ matrix.T + (0, 128, 128)).astype(np.uint8)
    if photometric == "YBR_FULL_422":  # two lumas, then one chroma pair: PS3.3, C.7.6.3.1.2
        luma, chroma = ybr[..., 0].reshape(2, 12, 10, 2), ybr[:, :, ::2, 1:]
        packed = np.concatenate([luma, chroma], axis=-1).reshape(2, -1)
        dataset = multiframe(ybr, photometric=photometric)
        dataset.PixelData = packed.tobytes()
    else:
        dataset = multiframe(ybr, photometric=photometric)
    path = Path(write_dicom(FRAMES)).with_name("ybr.dcm")
    read = np.array(images(save(dataset, path)), int)
    assert np.abs(read - rgb).max() <= 2


def test_a_palette_is_looked_up(write_dicom):
    table = np.arange(256, dtype="<u2") * 257
    names = ("Red", "Green", "Blue")
    palette = {f"{name}PaletteColorLookupTableDescriptor": [256, 0, 16] for name in names}
    palette |= {f"{name}PaletteColorLookupTableData": np.roll(table, 7 * i).tobytes() for i, name in enumerate(names)}
    read = np.array(images(write_dicom(FRAMES, photometric="PALETTE COLOR", **palette)))
    expected = np.stack([np.roll(np.arange(256, dtype=np.uint8), 7 * i)[FRAMES] for i in range(3)], axis=-1)
    np.testing.assert_array_equal(read, expected)


def test_monochrome1_is_white_at_0(write_dicom):
    np.testing.assert_array_equal(images(write_dicom(FRAMES, photometric="MONOCHROME1")), 255 - FRAMES)


WIDE = (FRAMES.astype("<u2") * 16 + 3)[:, :, :]


@pytest.mark.parametrize(
    ("window", "black", "white"),
    [
        ({"WindowCenter": 2048, "WindowWidth": 4096}, 0, 4095),
        ({"WindowCenter": 1000.5, "WindowWidth": 501}, 750.5, 1250.5),
        ({"WindowCenter": 1000, "WindowWidth": 500, "VOILUTFunction": "LINEAR_EXACT"}, 750, 1250),
        ({"WindowCenter": [1000.5, 9], "WindowWidth": [501, 9]}, 750.5, 1250.5),
        ({"WindowCenter": -500, "WindowWidth": 1001, "RescaleSlope": 2, "RescaleIntercept": -2000}, 500, 1000),
        ({}, float(WIDE.min()), float(WIDE.max())),
        ({"WindowCenter": 5, "WindowWidth": 0}, float(WIDE.min()), float(WIDE.max())),
    ],
)
def test_sixteen_bits_are_windowed(write_dicom, window, black, white):
    read = np.array(images(write_dicom(WIDE, bits=12, **window)), float)
    expected = np.clip((WIDE.astype(float) - black) / (white - black), 0, 1) * 255
    assert np.abs(read - expected).max() <= 1


def test_signed_pixels_and_colours_of_16_bits(write_dicom):
    signed = (FRAMES.astype("<i2") - 128) * 10
    assert np.abs(np.array(images(write_dicom(signed)), int) - FRAMES).max() <= 2 + 255 - int(np.ptp(FRAMES))
    np.testing.assert_array_equal(images(write_dicom(COLOURS.astype("<u2") * 257)), COLOURS)


def test_a_window_of_8_bits_that_says_nothing_changes_nothing(write_dicom):
    np.testing.assert_array_equal(images(write_dicom(FRAMES, WindowCenter=128, WindowWidth=256)), FRAMES)


def test_rle(write_dicom):
    np.testing.assert_array_equal(images(write_dicom(FRAMES, **rle(FRAMES))), FRAMES)


@pytest.mark.attack
@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
def test_a_deflated_file_plays(tmp_path, photometric):
    path = save(multiframe(FRAMES, syntax=DeflatedExplicitVRLittleEndian, photometric=photometric), tmp_path / "a.dcm")
    np.testing.assert_array_equal(images(path), FRAMES if photometric == "MONOCHROME2" else 255 - FRAMES)


@pytest.mark.attack
def test_a_deflated_file_that_is_cut_is_refused(tmp_path):
    data = Path(save(multiframe(FRAMES, syntax=DeflatedExplicitVRLittleEndian), tmp_path / "a.dcm")).read_bytes()
    (tmp_path / "b.dcm").write_bytes(data[:-300])
    with pytest.raises(SourceError, match=r"b\.dcm "):
        images(str(tmp_path / "b.dcm"))


def test_jpeg_baseline(write_dicom):
    smooth = cv2.GaussianBlur(FRAMES.transpose(1, 2, 0), (0, 0), 3).transpose(2, 0, 1)
    coded = [cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes() for frame in smooth]
    read = images(write_dicom(smooth, syntax=JPEGBaseline8Bit, coded=coded))
    assert np.abs(np.array(read, int) - smooth).max() <= 6


DECODED = [  # of pydicom's own: JPEG baseline and lossless, JPEG-LS, JPEG 2000, RLE, YBR, palettes, big endian
    ("examples_ybr_color.dcm", (30, 240, 320, 3)),
    ("examples_jpeg2k.dcm", (1, 480, 640, 3)),
    ("examples_palette.dcm", (1, 350, 800, 3)),
    ("SC_rgb_jpeg_gdcm.dcm", (1, 100, 100, 3)),
    ("SC_rgb_jpeg_dcmtk.dcm", (1, 100, 100, 3)),
    ("SC_rgb_dcmtk_+eb+cy+s4.dcm", (1, 100, 100, 3)),
    ("SC_rgb_jls_lossy_line.dcm", (1, 100, 100, 3)),
    ("MR_small_jpeg_ls_lossless.dcm", (1, 64, 64)),
    ("MR_small_jp2klossless.dcm", (1, 64, 64)),
    ("MR_small_RLE.dcm", (1, 64, 64)),
    ("MR_small_bigendian.dcm", (1, 64, 64)),
    ("SC_rgb_rle_2frame.dcm", (2, 100, 100, 3)),
    ("SC_rgb_small_odd_big_endian.dcm", (1, 3, 3, 3)),
    ("ExplVR_BigEnd.dcm", (1, 60, 80, 3)),
]


@pytest.mark.parametrize(("name", "shape"), DECODED)
def test_files_of_many_makers(name, shape):
    if not (SAMPLES / name).is_file():
        pytest.skip(f"this pydicom has no {name}")
    read = np.array(images(str(SAMPLES / name)))
    assert read.shape == shape
    assert np.ptp(read) > 50


def test_the_same_picture_in_every_coding():
    names = ("MR_small.dcm", "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm")
    plain, *coded = (images(str(SAMPLES / name))[0] for name in names)
    for image in coded:
        np.testing.assert_array_equal(image, plain)


@pytest.mark.parametrize("name", ["MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm", "SC_rgb_jpeg_gdcm.dcm"])
def test_a_decoder_that_is_not_installed_is_named(name, monkeypatch):
    syntax = pydicom.dcmread(SAMPLES / name, stop_before_pixels=True).file_meta.TransferSyntaxUID
    monkeypatch.setattr(get_decoder(syntax), "_available", {})
    with pytest.raises(MissingExtra, match=r"coded as JPEG.*pip install 'rtseg\[dicom\]'"):
        images(str(SAMPLES / name))


def test_a_film_in_dicom_is_a_clear_error(write_dicom):
    coded = write_dicom(FRAMES, syntax=MPEG4HP41, coded=[b"film"] * 4)
    with pytest.raises(SourceError, match=r"cannot be decoded .*: have the archive send it again, as Explicit VR"):
        images(coded)


@pytest.mark.parametrize(
    ("elements", "fps"),
    [
        ({"FrameTime": 40}, 25),
        ({"FrameTime": 33.333}, 30.0003),
        ({"FrameTimeVector": [0, 50, 50, 50]}, 20),
        ({"CineRate": 15}, 15),
        ({"RecommendedDisplayFrameRate": 60}, 60),
        ({"FrameTime": 20, "CineRate": 30}, 50),
        ({"FrameTime": 0, "CineRate": 30}, 30),
        ({"FrameTime": -5}, 25),
        ({"FrameTime": 1e-9}, 25),
        ({"CineRate": 0}, 25),
        ({"FrameTimeVector": [0, -1, 5, 5]}, 25),
        ({}, 25),
    ],
)
def test_frame_rates(write_dicom, elements, fps):
    path = write_dicom(FRAMES, **elements)
    assert open_source(path).info.fps == pytest.approx(fps, rel=1e-4)
    assert open_source(path, fps=12.5).info.fps == 12.5


def test_every_frame_has_its_time(write_dicom):
    uneven = [frame.origin.timestamp_ns for frame in open_source(write_dicom(FRAMES, FrameTimeVector=[0, 10, 20.5, 30]))]
    assert uneven == [0, 10_000_000, 30_500_000, 60_500_000]
    even = [frame.origin.timestamp_ns for frame in open_source(write_dicom(FRAMES, FrameTime=40))]
    assert even == [0, 40_000_000, 80_000_000, 120_000_000]
    assert [frame.origin.timestamp_ns for frame in open_source(write_dicom(FRAMES))] == [None] * 4


TISSUE = (0, 0, 100, 100)
REGIONS = [
    ([region()], (0.2, 0.1)),
    ([region(delta_cm=(-0.01, 0.02))], (0.2, 0.1)),
    ([region(kind=3, form=3), region(delta_cm=(0.03, 0.05))], (0.5, 0.3)),  # a Doppler spectrum beside the picture
    ([region(form=2), region(delta_cm=(0.03, 0.05))], (0.5, 0.3)),  # M-mode
    ([region(kind=2, delta_cm=(0.09, 0.09), box=(0, 0, 500, 500)), region(box=TISSUE)], (0.2, 0.1)),  # colour over tissue
    ([region(delta_cm=(0.03, 0.05), box=(0, 0, 9, 9)), region(box=TISSUE)], None),  # a mask may lie in either
    ([region(box=(0, 0, 9, 9)), region(box=TISSUE)], (0.2, 0.1)),
    ([region(kind=2)], (0.2, 0.1)),  # colour alone
    ([region(units=4)], None),  # seconds
    ([region(form=3, kind=3)], None),
    ([region(delta_cm=(0, 0))], None),
    ([pydicom.Dataset()], None),
    ([], None),
]


@pytest.mark.parametrize(("regions", "spacing"), REGIONS, ids=range(len(REGIONS)))
def test_spacing_is_that_of_the_b_mode_region(write_dicom, regions, spacing):
    path = write_dicom(FRAMES, SequenceOfUltrasoundRegions=regions)
    source = open_source(path)
    assert source.info.spacing_mm == (pytest.approx(spacing) if spacing else None)
    assert next(iter(source)).origin.spacing_mm == source.info.spacing_mm
    assert open_source(path, spacing_mm=(1.0, 2.0)).info.spacing_mm == (1.0, 2.0)
    source.close()


def test_spacing_of_a_file_without_regions(write_dicom):
    assert open_source(write_dicom(FRAMES, PixelSpacing=[0.3, 0.4])).info.spacing_mm == (0.3, 0.4)


def test_a_folder_is_sorted_by_series_and_instance(write_dicom, tmp_path):
    for name, series, instance, grey in (("c", 1, 10, 1), ("a10", 2, 1, 3), ("a2", 1, 11, 2), ("d", 1, 2, 0)):
        write_dicom(np.full((1, 12, 20), grey, np.uint8), name, SeriesNumber=series, InstanceNumber=instance, FrameTime=40)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "empty").write_bytes(b"")
    source = open_source(f"dicom:{tmp_path}")
    assert source.info.frames == 4
    assert [(frame.index, int(frame.image[0, 0])) for frame in source] == [(0, 0), (1, 1), (2, 2), (3, 3)]


def test_a_folder_whose_files_differ_in_spacing_has_none(write_dicom, tmp_path):
    write_dicom(FRAMES, "a", InstanceNumber=1, SequenceOfUltrasoundRegions=[region()])
    write_dicom(FRAMES, "b", InstanceNumber=2, SequenceOfUltrasoundRegions=[region(delta_cm=(0.5, 0.5))])
    source = open_source(f"dicom:{tmp_path}")
    assert source.info.spacing_mm is None
    assert [frame.origin.spacing_mm[0] for frame in source] == pytest.approx([0.2] * 4 + [5.0] * 4)


def test_a_folder_without_pictures(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(SourceNotFound, match="holds no DICOM picture"):
        open_source(f"dicom:{tmp_path}")
    with pytest.raises(SourceNotFound, match="check the path"):
        open_source(f"dicom:{tmp_path}/none")

"""Tests NRRD and NIfTI sequences against the libraries that write them."""

import gzip

import nibabel
import nrrd
import numpy as np
import pytest
from sources.memory import reads_in_little_memory

from rtseg.errors import SourceError, SourceNotFound
from rtseg.frame import StreamInfo
from rtseg.sources import open_source

FRAMES = np.random.default_rng(5).integers(0, 256, (4, 12, 20), np.uint8)
COLOURS = np.random.default_rng(6).integers(0, 256, (3, 12, 20, 3), np.uint8)
PLUS = {"kinds": ["domain", "domain", "list"]}


def write_nrrd(path, frames, encoding="raw", **header):
    nrrd.write(str(path), frames, {"encoding": encoding, **header}, index_order="C", detached_header=path.suffix == ".nhdr")
    return str(path)


def write_nifti(path, volume, spacing=(1, 1), units=("unknown", "unknown"), step=0.0):
    file = nibabel.Nifti1Image(volume, np.diag([*spacing, 1, 1]))
    file.header.set_xyzt_units(*units)
    if step:
        file.header["pixdim"][4] = step
    nibabel.save(file, path)
    return str(path)


def images(path):
    return [frame.image for frame in open_source(path)]


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
@pytest.mark.parametrize("name", ["a.nrrd", "a.nhdr"])
def test_nrrd_of_plus(tmp_path, name, encoding):
    fields = {"Seq_Frame0001_Timestamp": "1.5", "Seq_Frame0002_Timestamp": "1.6", "UltrasoundImageOrientation": "UN"}
    path = write_nrrd(tmp_path / name, FRAMES[:, ::-1, ::-1], encoding, spacings=[0.2, 0.3, 1], **PLUS, **fields)
    source = open_source(path)
    assert source.info == StreamInfo(12, 20, 10.0, spacing_mm=(0.3, 0.2), frames=4, pixel_aspect=pytest.approx(2 / 3))
    read = list(source)
    np.testing.assert_array_equal([frame.image for frame in read], FRAMES)
    assert [frame.origin and frame.origin.timestamp_ns for frame in read] == [None, 1_500_000_000, 1_600_000_000, None]


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_nrrd_of_slicer_has_time_in_front(tmp_path, encoding):
    woven = np.moveaxis(FRAMES, 0, -1)[None]
    header = {"kinds": ["list", "domain", "domain", "domain"], "space": "left-posterior-superior"}
    steps = [[np.nan] * 3, [0.2, 0, 0], [0, 0.3, 0], [0, 0, 1]]
    source = open_source(write_nrrd(tmp_path / "a.seq.nrrd", woven, encoding, **header, **{"space directions": steps}))
    assert source.info == StreamInfo(12, 20, 25.0, spacing_mm=(0.3, 0.2), frames=4, pixel_aspect=pytest.approx(2 / 3))
    np.testing.assert_array_equal([frame.image for frame in source], FRAMES)


def test_nrrd_in_colour_and_without_kinds(tmp_path):
    kinds = ["RGB-color", "domain", "domain", "list"]
    np.testing.assert_array_equal(images(write_nrrd(tmp_path / "a.nrrd", COLOURS, kinds=kinds)), COLOURS)
    np.testing.assert_array_equal(images(write_nrrd(tmp_path / "b.nrrd", FRAMES)), FRAMES)
    np.testing.assert_array_equal(images(write_nrrd(tmp_path / "c.nrrd", FRAMES[0])), FRAMES[:1])


@pytest.mark.parametrize("code", ["i1", "u2", ">i2", "u4", ">f4", "f8"])
def test_nrrd_of_other_pixels(tmp_path, code):
    values = (FRAMES.astype("f8") / 4).astype(code)
    expected = np.rint((values.astype(float) - values.min()) / float(np.ptp(values)) * 255)
    assert np.abs(np.array(images(write_nrrd(tmp_path / "a.nrrd", values)), float) - expected).max() <= 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is no NRRD that can be read"),
        (b"NRRD0005\n\n", "'encoding'"),
        (b"NRRD0005\ntype: uchar\nsizes: 4 4\nencoding: bzip2\n\n", "save them as numbers, raw or gzip"),
        (b"NRRD0005\ntype: block\nsizes: 4 4\nencoding: raw\n\n", "save them as numbers"),
        (b"NRRD0005\ntype: uchar\nsizes: 4 4 4 4\nencoding: raw\n\n", "width, height and frames"),
        (b"NRRD0005\ntype: uchar\nsizes: 99999 4\nencoding: raw\n\n", "width, height and frames"),
        (b"NRRD0005\ntype: uchar\nsizes: 4 -4\nencoding: raw\n\n", "width, height and frames"),
        (b"NRRD0005\ntype: uchar\nsizes: 4 4 4\nkinds: domain list domain\nencoding: raw\n\n", "width, height and frames"),
        (b"NRRD0005\ntype: uchar\nsizes: 4 4\nencoding: raw\ndata file: ../x.raw\n\n", "which holds them itself"),
        (b"NRRD0005\ntype: uchar\nsizes: 4 4\nencoding: raw\ndata file: x.raw\n\n", "does not exist"),
        (b"NRRD0005\ntype: uchar\nsizes: four\nencoding: raw\n\n", "save it again"),
    ],
)
def test_nrrd_that_cannot_be(tmp_path, text, message):
    (tmp_path / "a.nrrd").write_bytes(text)
    with pytest.raises(SourceError, match=message):
        open_source(str(tmp_path / "a.nrrd"))


def test_woven_frames_have_a_limit(tmp_path):
    head = b"NRRD0005\ntype: uchar\nsizes: 999999 4000 4000\nkinds: list domain domain\nencoding: raw\n\n"
    (tmp_path / "a.nrrd").write_bytes(head)
    with pytest.raises(SourceError, match=r"save it as \.igs\.mha"):
        images(str(tmp_path / "a.nrrd"))


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("plane", [False, True], ids=["x y t", "x y 1 t"])
def test_nifti(tmp_path, name, plane):
    volume = FRAMES.transpose(2, 1, 0)
    path = write_nifti(tmp_path / name, volume[:, :, None] if plane else volume, (0.2, 0.3), ("mm", "msec"), 40 if plane else 0)
    source = open_source(path)
    assert source.info == StreamInfo(
        12, 20, pytest.approx(25), spacing_mm=(0.3, 0.2), frames=4, pixel_aspect=pytest.approx(2 / 3)
    )
    np.testing.assert_array_equal([frame.image for frame in source], FRAMES)


def test_nifti_units_rates_and_colours(tmp_path):
    volume = FRAMES.transpose(2, 1, 0)[:, :, None]
    of = {unit: open_source(write_nifti(tmp_path / "a.nii", volume, (2, 4), (unit, "sec"), 0.1)).info for unit in UNITS}
    assert {unit: info.spacing_mm for unit, info in of.items()} == UNITS
    assert [info.fps for info in of.values()] == pytest.approx([10] * len(UNITS))
    assert open_source(write_nifti(tmp_path / "b.nii", volume), fps=3).info.fps == 3
    rgb = np.ascontiguousarray(COLOURS.transpose(2, 1, 0, 3)).view([("R", "u1"), ("G", "u1"), ("B", "u1")])[..., 0]
    np.testing.assert_array_equal(images(write_nifti(tmp_path / "c.nii", rgb)), COLOURS)


UNITS = {"unknown": None, "mm": (4, 2), "micron": (0.004, 0.002), "meter": None}  # four metres a pixel are no ultrasound


@pytest.mark.parametrize("code", ["<i2", ">i2", "<f4", ">u2"])
def test_nifti_of_other_pixels_in_either_order(tmp_path, code):
    values = (FRAMES.astype("f8") * 3 - (100 if code[1] != "u" else 0)).astype(code)
    file = nibabel.Nifti1Image(values.transpose(2, 1, 0), np.eye(4), nibabel.Nifti1Header(endianness=code[0]))
    file.header.set_data_dtype(code)
    nibabel.save(file, tmp_path / "a.nii")
    assert np.abs(np.array(images(str(tmp_path / "a.nii")), int) - FRAMES.astype(int)).max() <= 1 + (255 - np.ptp(FRAMES))


def test_nifti_that_cannot_be(tmp_path):
    good = bytearray(open_bytes(write_nifti(tmp_path / "good.nii", FRAMES.transpose(2, 1, 0))))
    for at, change, message in (
        (40, b"\x09\0", r"is no NIfTI that can be read .*: save it again as \.nii"),
        (40, b"\x01\0", "a recording is"),
        (42, b"\xff\xff", "a recording is"),
        (70, b"\x20\0", "save them as numbers"),
        (108, np.float32(np.nan).tobytes(), "save it again"),
        (108, np.float32(1e30).tobytes(), "0 of its 4 frames could be read"),
    ):
        broken = bytearray(good)
        broken[at : at + len(change)] = change
        (tmp_path / "a.nii").write_bytes(broken)
        with pytest.raises(SourceError, match=message):
            images(str(tmp_path / "a.nii"))


@pytest.mark.parametrize(("slope", "expected"), [(-1, 255 - FRAMES.astype(int)), (0.5, FRAMES.astype(int))])
def test_nifti_is_scaled_as_its_header_says(tmp_path, slope, expected):
    good = bytearray(open_bytes(write_nifti(tmp_path / "a.nii", FRAMES.transpose(2, 1, 0))))
    good[112:116] = np.float32(slope).tobytes()
    (tmp_path / "a.nii").write_bytes(good)
    assert np.abs(np.array(images(str(tmp_path / "a.nii")), int) - expected).max() <= 1 + 255 - int(np.ptp(FRAMES))


@pytest.mark.parametrize(("slope", "intercept", "expected"), [(-1, 255, 255 - FRAMES // 2), (0.01, -4, FRAMES // 2)])
def test_scaled_bytes_of_nifti_keep_their_levels(tmp_path, slope, intercept, expected):
    image = nibabel.Nifti1Image(FRAMES.transpose(2, 1, 0) // 2, np.eye(4))
    image.header.set_slope_inter(slope, intercept)
    nibabel.save(image, tmp_path / "a.nii")
    assert np.abs(np.array(images(str(tmp_path / "a.nii")), int) - expected).max() <= 1


def open_bytes(path):
    with open(path, "rb") as file:  # noqa: PTH123
        return file.read()


def test_what_is_cut_gives_the_frames_before(tmp_path):
    volume = FRAMES.transpose(2, 1, 0)
    for path in (write_nifti(tmp_path / "a.nii", volume), write_nrrd(tmp_path / "a.nrrd", FRAMES)):
        (tmp_path / "cut").mkdir(exist_ok=True)
        cut = tmp_path / "cut" / path.rpartition("/")[2]
        cut.write_bytes(open_bytes(path)[:-250])
        read = iter(open_source(str(cut)))
        np.testing.assert_array_equal([next(read).image, next(read).image], FRAMES[:2])
        with pytest.raises(SourceError, match="2 of its 4 frames could be read"):
            next(read)


@pytest.mark.parametrize("data", [b"", b"\x1f\x8b", b"noise" * 100, gzip.compress(b"short", mtime=0)])
def test_what_is_no_packed_nifti(tmp_path, data):
    (tmp_path / "a.nii.gz").write_bytes(data)
    with pytest.raises(SourceError, match=r"save it again as \.nii"):
        open_source(str(tmp_path / "a.nii.gz"))
    with pytest.raises(SourceNotFound):
        open_source(str(tmp_path / "none.nii"))


def test_memory_stays_that_of_a_frame(tmp_path):
    path = write_nifti(tmp_path / "a.nii.gz", np.zeros((300, 200, 400), np.uint8))
    source = open_source(path)
    reads_in_little_memory(source, 400)

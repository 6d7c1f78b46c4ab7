"""Tests MetaImage, NRRD and NIfTI whose axes, offsets, byte orders and files are laid out in every way."""

import gzip

import nibabel
import numpy as np
import pytest
from sources.ultrasound import COLORED, GRAY, farthest

from rtseg.errors import SourceError
from rtseg.sources import open_source

MIRRORED, TURNED = np.ascontiguousarray(GRAY[:, :, ::-1]), np.ascontiguousarray(GRAY[:, ::-1, ::-1])
FALLEN = np.ascontiguousarray(GRAY[:, ::-1])
LYING = np.ascontiguousarray(GRAY.transpose(0, 2, 1))


def nrrd(path, data, sizes, *lines, kind="uint8", encoding="raw", before=b""):
    """Write an NRRD by hand. sizes: the fastest axis first. before: bytes between header and data."""
    head = ["NRRD0005", f"type: {kind}", f"dimension: {len(sizes)}", f"sizes: {' '.join(map(str, sizes))}", "endian: little"]
    head += [f"encoding: {encoding}", *lines]
    body = gzip.compress(before + data) if encoding == "gzip" else before + data
    path.write_bytes("\n".join(head).encode() + b"\n\n" + body)
    return str(path)


def images(path):
    return [frame.image for frame in open_source(path)]


AXES = [
    (GRAY, (64, 48, 4), "domain domain list", GRAY),
    (GRAY, (64, 48, 4), "domain domain time", GRAY),
    (GRAY, (64, 48, 4), "space space list", GRAY),
    (GRAY, (64, 48, 4), "??? ??? ???", GRAY),
    (GRAY, (64, 48, 1, 4), "domain domain domain list", GRAY),
    (GRAY, (64, 48, 1, 4), None, GRAY),
    (GRAY.transpose(1, 2, 0), (4, 64, 48), "list domain domain", GRAY),
    (GRAY.transpose(1, 2, 0), (4, 64, 48, 1), "list domain domain domain", GRAY),
    (GRAY.transpose(1, 2, 0), (4, 64, 48), "vector domain domain", GRAY),  # told: four values might be colors
    (COLORED, (3, 64, 48, 4), "RGB-color domain domain list", COLORED),
    (COLORED, (3, 64, 48, 4), "vector domain domain list", COLORED),
    (COLORED, (3, 64, 48, 4), None, COLORED),
    (COLORED[0], (3, 64, 48), "RGB-color domain domain", COLORED[:1]),
    (COLORED[0], (3, 64, 48), "3-color space space", COLORED[:1]),
    (COLORED[0], (3, 64, 48), None, COLORED[:1]),
    (COLORED[0].transpose(2, 0, 1), (64, 48, 3), "domain domain RGB-color", COLORED[:1]),
    (COLORED.transpose(0, 3, 1, 2), (64, 48, 3, 4), "domain domain RGB-color list", COLORED),
    (COLORED.transpose(3, 0, 1, 2), (64, 48, 4, 3), "domain domain list RGB-color", COLORED),
    (COLORED.transpose(1, 2, 0, 3), (3, 4, 64, 48), "RGB-color list domain domain", COLORED),
    (COLORED.transpose(1, 2, 3, 0), (4, 3, 64, 48), "list RGB-color domain domain", COLORED),
    (np.concatenate([COLORED, COLORED[..., :1] * 0 + 255], 3), (4, 64, 48, 4), "RGBA-color domain domain list", COLORED),
    (GRAY[:1], (64, 48), "domain domain", GRAY[:1]),
    (GRAY[:3], (64, 48, 3), None, GRAY[:3]),
]


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
@pytest.mark.parametrize(("data", "sizes", "kinds", "expected"), AXES, ids=range(len(AXES)))
def test_nrrd_axes(tmp_path, caplog, data, sizes, kinds, expected, encoding):
    lines = [f"kinds: {kinds}"] if kinds else []
    path = nrrd(tmp_path / "a.nrrd", np.ascontiguousarray(data).tobytes(), sizes, *lines, encoding=encoding)
    read = images(path)
    assert farthest(read, expected) == 0 or "is read as colors" in caplog.text
    guessed = "vector" in (kinds or "") or (kinds is None and 3 in sizes)
    assert bool(caplog.records) == guessed


@pytest.mark.parametrize(
    "kinds", ["complex domain domain", "2-vector domain domain", "domain domain 3D-matrix", "point domain list"]
)
def test_nrrd_axes_that_are_no_picture_are_refused(tmp_path, kinds):
    data = np.zeros((48, 64, 2), np.uint8)
    with pytest.raises(SourceError, match="a recording is grey or RGB"):
        images(nrrd(tmp_path / "a.nrrd", data.tobytes(), (2, 64, 48), f"kinds: {kinds}"))


def test_nrrd_time_by_label_and_unit(tmp_path):
    data = np.ascontiguousarray(GRAY.transpose(1, 2, 0)).tobytes()
    assert farthest(images(nrrd(tmp_path / "a.nrrd", data, (4, 64, 48), 'labels: "time" "x" "y"')), GRAY) == 0
    lines = ('units: "mm" "mm" "ms"', "spacings: 0.2 0.3 50")
    source = open_source(nrrd(tmp_path / "b.nrrd", GRAY.tobytes(), (64, 48, 4), *lines))
    assert (source.info.fps, source.info.spacing_mm) == (pytest.approx(20), (0.3, 0.2))
    lines = ('units: "um" "um" "ms"', "spacings: 200 300 50")
    assert open_source(nrrd(tmp_path / "c.nrrd", GRAY.tobytes(), (64, 48, 4), *lines)).info.spacing_mm == (0.3, 0.2)


def test_the_times_of_slicer(tmp_path):
    lines = ("kinds: list domain domain domain", 'units: "s" "mm" "mm" "mm"', 'labels: "time" "" "" ""')
    lines += ("axis 0 index type:=numeric", "axis 0 index values:=2 2.5 3.5 4")
    data = np.ascontiguousarray(GRAY.transpose(1, 2, 0)).tobytes()
    read = list(open_source(nrrd(tmp_path / "a.seq.nrrd", data, (4, 64, 48, 1), *lines)))
    assert [frame.presentation_ns for frame in read] == [0, 500_000_000, 1_500_000_000, 2_000_000_000]
    assert farthest([frame.image for frame in read], GRAY) == 0


@pytest.mark.parametrize("twice", ["space: left-posterior-superior", "kinds: domain domain list", "Seq_Frame0000_Timestamp:=1"])
def test_a_field_that_stands_twice(tmp_path, twice):
    assert farthest(images(nrrd(tmp_path / "a.nrrd", GRAY.tobytes(), (64, 48, 4), twice, twice)), GRAY) == 0


def test_a_field_of_two_values_is_told(tmp_path, caplog):
    images(nrrd(tmp_path / "a.nrrd", GRAY.tobytes(), (64, 48, 4), "content: a", "content: b"))
    assert "a field twice with two values" in caplog.text


OFFSETS = [
    ("raw", ("byte skip: 8",), b"12345678"),
    ("raw", ("byte skip: -1",), b"12345678"),
    ("raw", ("line skip: 1",), b"a line\n"),
    ("raw", ("line skip: 1", "byte skip: 3"), b"a line\n123"),
    ("gzip", ("byte skip: 8",), b"12345678"),
    ("raw", ("byte skip: 8",), b""),  # stated, and not there
]


@pytest.mark.parametrize(("encoding", "lines", "before"), OFFSETS)
def test_nrrd_skips(tmp_path, encoding, lines, before):
    path = nrrd(tmp_path / "a.nrrd", GRAY.tobytes(), (64, 48, 4), *lines, encoding=encoding, before=before)
    assert farthest(images(path), GRAY) == 0


def test_nrrd_skip_that_counts_the_header(tmp_path, caplog):
    path = tmp_path / "a.nrrd"
    nrrd(path, b"", (64, 48, 4), "byte skip: 999")
    header = len(path.read_bytes())
    path.write_bytes(path.read_bytes().replace(b"999", b"%3d" % header) + GRAY.tobytes())
    assert farthest(images(str(path)), GRAY) == 0
    assert "another start of its pixels" in caplog.text


@pytest.mark.parametrize("lines", [("byte skip: -1",), ("line skip: -2",)])
def test_nrrd_skips_that_cannot_be(tmp_path, lines):
    with pytest.raises(SourceError, match="which cannot be"):
        images(nrrd(tmp_path / "a.nrrd", GRAY.tobytes(), (64, 48, 4), *lines, encoding="gzip"))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("stated", ["little", "big", None])
@pytest.mark.parametrize("code", ["u2", "i2", "f4"])
def test_byte_order_is_that_of_the_pixels(tmp_path, order, stated, code):
    values = ((GRAY.astype("f8") + 3) * 17).astype(order + code)
    path = tmp_path / "a.nrrd"
    nrrd(path, values.tobytes(), (64, 48, 4), kind={"u2": "ushort", "i2": "short", "f4": "float"}[code])
    line = f"endian: {stated}\n" if stated else ""
    path.write_bytes(path.read_bytes().replace(b"endian: little\n", line.encode()))
    expected = (GRAY - 34.0) / 221 * 255
    assert farthest(images(str(path)), expected) <= 1


def test_more_pictures_than_stated_are_told(tmp_path, write_mha, caplog):
    images(nrrd(tmp_path / "a.nrrd", GRAY.tobytes(), (64, 48, 2)))
    assert "more pictures than the 2" in caplog.text
    caplog.clear()
    images(write_mha(GRAY, packed=True, DimSize="64 48 3"))
    assert "more pictures than the 3" in caplog.text


def test_pixels_in_several_files(tmp_path):
    for number in range(4):
        (tmp_path / f"p{number:03d}.raw").write_bytes(GRAY[number].tobytes())
    names = [f"p{number:03d}.raw" for number in range(4)]
    nhdr = "NRRD0005\ntype: uint8\ndimension: 3\nsizes: 64 48 4\nencoding: raw\ndata file: "
    mhd = "ObjectType = Image\nNDims = 3\nDimSize = 64 48 4\nElementType = MET_UCHAR\nElementDataFile = "
    for name, text in {
        "a.nhdr": nhdr + "LIST\n" + "\n".join(names) + "\n",
        "b.nhdr": nhdr + "p%03d.raw 0 3 1\n",
        "c.nhdr": nhdr + "p%03d.raw 3 0 -1\n",
        "d.mhd": mhd + "LIST\n" + "\n".join(names) + "\n",
        "e.mhd": mhd + "p%03d.raw 0 3 1\n",
    }.items():
        (tmp_path / name).write_text(text)
        assert farthest(images(str(tmp_path / name)), GRAY[::-1] if name == "c.nhdr" else GRAY) == 0
    (tmp_path / "p002.raw").write_bytes(b"short")
    read = iter(open_source(str(tmp_path / "a.nhdr")))
    next(read), next(read)
    with pytest.raises(SourceError, match=r"p002\.raw is cut off: 2 of its 4 frames"):
        next(read)
    (tmp_path / "p002.raw").unlink()
    with pytest.raises(SourceError, match=r"p002\.raw does not exist"):
        images(str(tmp_path / "a.nhdr"))


@pytest.mark.parametrize(
    "name", ["LIST\n../a.raw", "LIST\n/etc/passwd", "%s.raw 0 3 1", "p%03d%s.raw 0 3 1", "p%03d.raw 0 999999999 1"]
)
def test_names_that_lead_elsewhere(tmp_path, name):
    (tmp_path / "a.nhdr").write_text(f"NRRD0005\ntype: uint8\ndimension: 3\nsizes: 64 48 4\nencoding: raw\ndata file: {name}\n")
    with pytest.raises(SourceError, match="which holds them itself"):
        images(str(tmp_path / "a.nhdr"))


HEADER_BYTES = [("a.mhd", "8", b"12345678"), ("a.mhd", "-1", b"12345678"), ("a.mhd", "8", b""), ("a.mhd", "0", b"")]


@pytest.mark.parametrize(("name", "size", "before"), HEADER_BYTES)
def test_metaimage_header_bytes_beside(tmp_path, write_mha, name, size, before):
    path = write_mha(GRAY, name, beside="a.raw", HeaderSize=size)
    (tmp_path / "a.raw").write_bytes(before + GRAY.tobytes())
    assert farthest(images(path), GRAY) == 0


@pytest.mark.parametrize("kind", ["after the header", "from the start", "end", "stated alone"])
def test_metaimage_header_bytes_inside(tmp_path, write_mha, kind):
    path = tmp_path / "a.mha"
    write_mha(GRAY, HeaderSize={"end": "-1", "from the start": "999"}.get(kind, "8"))
    header = path.read_bytes().removesuffix(GRAY.tobytes())
    if kind == "from the start":
        header = header.replace(b"999", b"%3d" % (len(header) + 8))
    path.write_bytes(header + b"12345678" * (kind != "stated alone") + GRAY.tobytes())
    assert farthest(images(str(path)), GRAY) == 0


def test_the_older_order_of_slicer(tmp_path, write_mha):
    data = np.ascontiguousarray(GRAY.transpose(1, 2, 0))
    path = write_mha(data, NDims=4, DimSize="4 64 48 1", Kinds="list domain domain domain")
    assert farthest(images(path), GRAY) == 0


WAYS = {  # stored pictures, and the directions of their rows and columns
    "upright": (GRAY, (1, 0, 0), (0, 1, 0)),
    "mirrored": (MIRRORED, (-1, 0, 0), (0, 1, 0)),
    "fallen": (FALLEN, (1, 0, 0), (0, -1, 0)),
    "by half a circle": (GRAY, (-1, 0, 0), (0, -1, 0)),
    "lying": (LYING, (0, 1, 0), (1, 0, 0)),
    "lying and mirrored": (np.ascontiguousarray(LYING[:, ::-1]), (0, 1, 0), (-1, 0, 0)),
    "oblique": (GRAY, (-0.6, 0.8, 0), (0.8, 0.6, 0)),
    "sagittal": (GRAY, (0, -1, 0), (0, 0, 1)),
}
TOLD = {"mirrored", "fallen", "by half a circle", "lying", "lying and mirrored"}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("form", ["NRRD", "MetaImage", "MetaImage, Rotation", "NIfTI sform", "NIfTI qform"])
def test_left_and_right_are_kept(tmp_path, write_mha, caplog, way, form):
    stored, row, column = WAYS[way]
    width, height = stored.shape[2], stored.shape[1]
    third = np.cross(row, column)
    if form == "NRRD":
        row, column = (np.array(one) * step for one, step in ((row, 0.2), (column, 0.3)))
        vectors = " ".join(f"({one[0]},{one[1]},{one[2]})" for one in (row, column))
        lines = ("space: left-posterior-superior", f"space directions: {vectors} none", "kinds: domain domain list")
        path = nrrd(tmp_path / "a.nrrd", stored.tobytes(), (width, height, 4), *lines)
    elif form.startswith("MetaImage"):
        matrix = " ".join(f"{part:g}" for one in (row, column, third) for part in one)
        fields = {"TransformMatrix" if form == "MetaImage" else "Rotation": matrix, "ElementSpacing": "0.2 0.3 1"}
        path = write_mha(stored, **fields)
    else:
        affine = np.eye(4)
        affine[:3, 0], affine[:3, 1], affine[:3, 2] = np.array(row) * 0.2, np.array(column) * 0.3, third
        file = nibabel.Nifti1Image(stored.transpose(2, 1, 0)[:, :, None], affine)
        file.header.set_xyzt_units("mm", "sec")
        code = (1, 0) if form.endswith("sform") else (0, 1)
        file.set_sform(affine, code[0])
        file.set_qform(affine, code[1])
        path = str(tmp_path / "a.nii")
        nibabel.save(file, path)
    source = open_source(path)
    assert farthest([frame.image for frame in source], GRAY) == 0
    assert source.info.spacing_mm == pytest.approx((0.2, 0.3) if way.startswith("lying") else (0.3, 0.2))
    assert (way in TOLD) == bool(caplog.records)


@pytest.mark.parametrize(
    ("letters", "stored"), [("RAI", GRAY), ("LAI", MIRRORED), ("RPI", FALLEN), ("ARI", LYING), ("???", GRAY)]
)
def test_anatomical_orientation(write_mha, letters, stored):
    assert farthest(images(write_mha(stored, AnatomicalOrientation=letters)), GRAY) == 0


def test_the_letters_of_plus_go_before_directions(write_mha, caplog):
    turned = "-1 0 0 0 1 0 0 0 1"
    assert farthest(images(write_mha(GRAY, UltrasoundImageOrientation="MFA", TransformMatrix=turned)), GRAY) == 0
    assert farthest(images(write_mha(MIRRORED, ImageOrientation="uf")), GRAY) == 0
    assert not caplog.records
    images(write_mha(GRAY, UltrasoundImageOrientation="QQ"))
    assert "unknown orientation 'QQ'" in caplog.text


def test_nifti_forms_that_disagree_are_told(tmp_path, caplog):
    file = nibabel.Nifti1Image(MIRRORED.transpose(2, 1, 0)[:, :, None], np.eye(4))
    file.set_sform(np.diag([-1, 1, 1, 1]), 1)
    file.set_qform(np.eye(4), 1)
    nibabel.save(file, tmp_path / "a.nii")
    assert farthest(images(str(tmp_path / "a.nii")), GRAY) == 0
    assert "an sform and a qform of different directions" in caplog.text


def test_nifti_of_four_colors_and_a_stated_range(tmp_path):
    kind = [("R", "u1"), ("G", "u1"), ("B", "u1"), ("A", "u1")]
    rgba = np.concatenate([COLORED, COLORED[..., :1] * 0 + 255], 3)
    rgba = np.ascontiguousarray(rgba.transpose(2, 1, 0, 3)).view(kind)[..., 0]
    nibabel.save(nibabel.Nifti1Image(rgba, None), tmp_path / "a.nii")
    assert farthest(images(str(tmp_path / "a.nii")), COLORED) == 0
    file = nibabel.Nifti1Image(GRAY.transpose(2, 1, 0).astype("i2") * 4, None)
    file.header["cal_max"] = 1020
    nibabel.save(file, tmp_path / "b.nii")
    assert farthest(images(str(tmp_path / "b.nii")), GRAY) <= 1


@pytest.mark.parametrize(("way", "row", "column"), [("upright", -1, -1), ("mirrored", 1, -1), ("fallen", -1, 1)])
def test_nifti_of_itk_stands_upright_in_its_own_axes(tmp_path, way, row, column):
    stored = WAYS[way][0]
    file = nibabel.Nifti1Image(stored.transpose(2, 1, 0)[:, :, None], None)
    for form in (file.set_sform, file.set_qform):
        form(np.diag([0.2 * row, 0.3 * column, 1, 1]), 1)
    nibabel.save(file, tmp_path / "a.nii")
    assert farthest(images(str(tmp_path / "a.nii")), GRAY) == 0


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_nifti_of_the_second_version_is_read(tmp_path, name):
    nibabel.save(nibabel.Nifti2Image(GRAY.transpose(2, 1, 0)[:, :, None], np.eye(4)), tmp_path / name)
    assert farthest(images(str(tmp_path / name)), GRAY) == 0


@pytest.mark.parametrize("kind", [nibabel.Nifti1Pair, nibabel.Nifti2Pair, nibabel.AnalyzeImage])
def test_a_half_of_a_pair_is_refused_by_name(tmp_path, kind):
    nibabel.save(kind(GRAY.transpose(2, 1, 0)[:, :, None], np.eye(4)), tmp_path / "a.hdr")
    for name in ("a.hdr", "a.img"):
        with pytest.raises(SourceError, match=r"pair of .hdr and .img.*save it as one file"):
            open_source(str(tmp_path / name))


def test_levels_of_wide_pixels_are_told(write_mha, caplog):
    images(write_mha(GRAY.astype("<u2") * 4))
    assert "uint16 pixels" in caplog.text
    assert "as white" in caplog.text
    caplog.clear()
    images(write_mha(GRAY))
    assert not caplog.records

"""MetaImage sequences: every kind of pixel, PLUS's fields, and files that are not what they say."""

import tracemalloc
import zlib

import numpy as np
import pytest

from rtseg.errors import ConfigError, SourceError, SourceNotFound
from rtseg.frame import StreamInfo
from rtseg.sources import open_source
from rtseg.sources.metaimage import ELEMENTS

FRAMES = np.random.default_rng(3).integers(0, 256, (4, 12, 20), np.uint8)
COLOURS = np.random.default_rng(4).integers(0, 256, (3, 12, 20, 3), np.uint8)


@pytest.fixture
def write(tmp_path):
    """write(frames, name=, packed=, beside=, extra=, **fields) -> the path; a field of None is left out."""

    def write_file(frames, name="a.mha", *, packed=False, beside="", extra=(), cut=None, **changes):
        data = zlib.compress(frames.tobytes()) if packed else frames.tobytes()
        fields = {
            "ObjectType": "Image",
            "NDims": 3,
            "BinaryData": "True",
            "BinaryDataByteOrderMSB": frames.dtype.byteorder == ">",
            "CompressedData": packed,
            "DimSize": f"{frames.shape[2]} {frames.shape[1]} {len(frames)}",
            "ElementType": next(kind for kind, code in ELEMENTS.items() if np.dtype(code) == frames.dtype.newbyteorder("=")),
            "ElementNumberOfChannels": 3 if frames.ndim == 4 else 1,
        } | changes
        head = [f"{key} = {value}\n" for key, value in fields.items() if value is not None] + [f"{line}\n" for line in extra]
        head.append(f"ElementDataFile = {beside or 'LOCAL'}\n")
        whole = "".join(head).encode() + (b"" if beside else data)
        (tmp_path / name).write_bytes(whole if cut is None else whole[:cut])
        if beside:
            (tmp_path / beside).write_bytes(data)
        return str(tmp_path / name)

    return write_file


def images(path):
    return [frame.image for frame in open_source(path)]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("frames", [FRAMES, COLOURS], ids=["grey", "rgb"])
@pytest.mark.parametrize("where", [("a.mha", ""), ("a.mhd", "a.raw")])
def test_what_was_written_is_read(write, packed, frames, where):
    source = open_source(write(frames, where[0], packed=packed, beside=where[1]))
    assert source.info == StreamInfo(12, 20, 25.0, frames=len(frames))
    read = list(source)
    assert [frame.index for frame in read] == list(range(len(frames)))
    np.testing.assert_array_equal([frame.image for frame in read], frames)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("code", ["i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
def test_other_pixels_are_scaled_from_their_least_to_their_greatest(write, order, code):
    values = np.linspace(-100 if code[0] != "u" else 7, 120, 4 * 12 * 20).reshape(4, 12, 20).astype(order + code)
    low, high = float(values.min()), float(values.max())
    expected = np.rint((values.astype(float) - low) / (high - low) * 255)
    read = np.array(images(write(values)), float)
    assert np.abs(read - expected).max() <= 1
    assert (read.min(), read.max()) == (0, 255)


def test_floats_that_are_no_numbers_are_black_and_infinity_is_cut(write):
    values = np.linspace(0, 1, 240, dtype="f4").reshape(1, 12, 20)
    values[0, 0, :3] = (np.nan, np.inf, -np.inf)
    (image,) = images(write(values))
    assert image[0, :3].tolist() == [0, 255, 0]
    assert image[-1, -1] == 255
    assert not images(write(np.full((1, 12, 20), np.nan, "f4")))[0].any()


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
def test_pictures_come_upright(write, letters, stored):
    source = open_source(write(stored, UltrasoundImageOrientation=letters))
    assert (source.info.height, source.info.width) == (12, 20)
    np.testing.assert_array_equal([frame.image for frame in source], FRAMES)


def test_spacing_lies_as_the_picture_does(write):
    assert open_source(write(FRAMES, ElementSpacing="0.2 0.3 1")).info.spacing_mm == (0.3, 0.2)
    lying = write(FRAMES.transpose(0, 2, 1), ElementSpacing="0.2 0.3 1", UltrasoundImageOrientation="FM")
    assert open_source(lying).info.spacing_mm == (0.2, 0.3)
    assert open_source(lying, spacing_mm=(5.0, 6.0)).info.spacing_mm == (5.0, 6.0)
    for unknown in ("1 1 1", "0 0 1", "-1 1", "x", "nan 1 1", "1e9 1e9 1"):
        assert open_source(write(FRAMES, ElementSpacing=unknown)).info.spacing_mm is None
    with pytest.raises(SourceError, match="save it again as"):
        open_source(write(FRAMES, ElementSpacing="a b"))


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


def test_what_plus_tells_of_a_frame(write):
    source = open_source(write(FRAMES, extra=FIELDS))
    assert source.info.fps == 20
    frames = {frame.index: frame for frame in source}
    assert list(frames) == [0, 1, 3]  # the third came without pixels
    first, second, last = (frames[index].origin for index in (0, 1, 3))
    assert first.timestamp_ns == 98_000_000_000
    assert first.transforms["ProbeToTracker"][0] == (1.0, 0.0, 0.0, -4.5)
    assert first.matrix == first.transforms["ImageToReference"]
    assert (second.timestamp_ns, second.transforms, second.matrix) == (98_050_000_000, {}, None)
    assert last.timestamp_ns is None


def test_the_rate_can_be_said_and_is_25_where_nobody_knows(write):
    assert open_source(write(FRAMES, extra=FIELDS), fps=7).info.fps == 7
    assert open_source(write(FRAMES)).info.fps == 25
    still = [f"Seq_Frame000{index}_Timestamp = 1" for index in range(4)]
    assert open_source(write(FRAMES, extra=still)).info.fps == 25
    with pytest.raises(ConfigError, match="give --fps"):
        open_source(write(FRAMES), fps=0)


def test_a_single_picture_and_a_plane_of_a_volume(write):
    assert len(images(write(FRAMES[:1], NDims=2, DimSize="20 12"))) == 1
    assert len(images(write(FRAMES, NDims=4, DimSize="20 12 1 4"))) == 4
    assert len(images(write(FRAMES[:1], NDims=4, DimSize="20 12 1 1"))) == 1


def test_pixels_at_the_end_of_their_file(write, tmp_path):
    path = write(FRAMES, "a.mhd", beside="a.raw", HeaderSize=-1)
    (tmp_path / "a.raw").write_bytes(b"something else" + FRAMES.tobytes())
    np.testing.assert_array_equal(images(path), FRAMES)


BROKEN = [
    ({"NDims": 2}, "width, height and frames"),
    ({"DimSize": "20"}, "width, height and frames"),
    ({"DimSize": "20 12 0"}, "width, height and frames"),
    ({"DimSize": "20 -12 4"}, "width, height and frames"),
    ({"DimSize": "99999 12 4"}, "width, height and frames"),
    ({"DimSize": "twenty 12 4"}, "save it again as .mha"),
    ({"DimSize": None}, "'DimSize' is missing"),
    ({"NDims": 4, "DimSize": "20 12 2 2"}, "sequence of volumes"),
    ({"ElementType": "MET_STRING"}, "save it with one of MET_UCHAR"),
    ({"ElementNumberOfChannels": 4}, r"grey \(1\) or RGB \(3\)"),
    ({"BinaryData": "False"}, "BinaryData = True"),
    ({"ObjectType": "Tube"}, "BinaryData = True"),
    ({"UltrasoundImageType": "RF_REAL"}, "let PLUS convert it to B-mode"),
]


@pytest.mark.parametrize(("changes", "message"), BROKEN, ids=[str(changes) for changes, _ in BROKEN])
def test_a_header_that_says_what_cannot_be(write, changes, message):
    with pytest.raises(SourceError, match=message):
        open_source(write(FRAMES, **changes))


@pytest.mark.parametrize("name", ["LIST", "/etc/passwd", "../a.raw", "slice%03d.raw", "folder/a.raw"])
def test_pixels_elsewhere_are_not_fetched(write, tmp_path, name):
    path = write(FRAMES, "a.mhd", beside="a.raw")
    text = (tmp_path / "a.mhd").read_text().replace("a.raw", name)
    (tmp_path / "a.mhd").write_text(text)
    with pytest.raises(SourceError, match="which holds them itself"):
        open_source(path)


def test_pixels_that_are_missing(write, tmp_path):
    path = write(FRAMES, "a.mhd", beside="a.raw")
    (tmp_path / "a.raw").unlink()
    with pytest.raises(SourceNotFound, match="does not exist"):
        open_source(path)
    with pytest.raises(SourceNotFound, match="check the path"):
        open_source(str(tmp_path / "none.mha"))


@pytest.mark.parametrize("head", [b"", b"\x00" * 300_000, b"ObjectType = Image\n", b"A" * 100_000, b"no equals sign\n"])
def test_what_is_no_metaimage(tmp_path, head):
    (tmp_path / "a.mha").write_bytes(head)
    with pytest.raises(SourceError, match=r"give the \.mha or \.mhd file"):
        open_source(str(tmp_path / "a.mha"))


def drain(path):
    """The images that came before the end, and what was said of it."""
    read = []
    try:
        for frame in open_source(path):
            read.append(frame.image)
    except SourceError as error:
        return read, str(error)
    return read, ""


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("frames", [FRAMES, FRAMES.astype("u2")], ids=["8 bit", "16 bit"])
def test_a_file_cut_at_any_place_gives_the_frames_before(write, tmp_path, packed, frames):
    write(frames, packed=packed)
    whole = (tmp_path / "a.mha").stat().st_size
    read = [drain(write(frames, packed=packed, cut=cut)) for cut in range(whole - 40, 100, -37)]
    assert all(told for _, told in read)
    assert "is cut off: 3 of its 4 frames could be read; go on with those" in read[0][1]
    counts = [len(images) for images, _ in read]
    assert counts == sorted(counts, reverse=True)
    assert (counts[0], counts[-1]) == (3, 0)


def test_damage_in_packed_pixels_is_said(write, tmp_path):
    path = write(FRAMES, packed=True)
    data = bytearray((tmp_path / "a.mha").read_bytes())
    data[-400:-300] = b"\xff" * 100
    (tmp_path / "a.mha").write_bytes(data)
    with pytest.raises(SourceError, match=r"is damaged|is cut off"):
        images(path)


@pytest.mark.parametrize("packed", [False, True])
def test_memory_stays_that_of_a_frame(write, packed):
    frames = np.zeros((400, 200, 300), np.uint8)  # 24 MB
    source = open_source(write(frames, packed=packed))
    tracemalloc.start()
    try:
        assert sum(1 for _ in source) == 400
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_a_header_that_promises_more_than_there_is_costs_nothing(write):
    source = open_source(write(FRAMES, DimSize=f"20 12 {10**18}"))
    assert source.info.frames == 10**18
    with pytest.raises(SourceError, match=r"4 of its 10{18} frames"):
        list(source)


def test_closing_ends_the_stream_and_lets_go_of_the_file(write, open_files):
    before = open_files()
    source = open_source(write(FRAMES))
    frames = iter(source)
    next(frames)
    assert open_files() == before + 1
    source.close()
    source.close()
    assert list(frames) == []
    assert open_files() == before


def test_an_iteration_goes_on_where_the_last_stopped(write):
    source = open_source(write(FRAMES))
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

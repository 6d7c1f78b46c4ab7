"""Tests how many frames are read where counts and offset tables are missing or wrong."""

import numpy as np
import pytest
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit
from sources.damage import drain, opened
from sources.dicoms import images, multiframe, rle, save
from sources.files.test_dicom_layout import JPEGS
from sources.ultrasound import GRAY, farthest

from rtseg.errors import SourceError
from rtseg.sources.files.dicom import open_dicom

DOWN = np.ascontiguousarray(GRAY[::-1])


def item(data):
    return b"\xfe\xff\x00\xe0" + len(data).to_bytes(4, "little") + data


def coded(path, pieces, table=b"", number=4, **elements):
    """Write pieces as fragments, with an offset table of these bytes. number: of frames, None for no element."""
    made = multiframe(GRAY, syntax=JPEGBaseline8Bit, coded=JPEGS, **elements)
    made.PixelData = item(table) + b"".join(item(piece) for piece in pieces) + b"\xfe\xff\xdd\xe0\0\0\0\0"
    made.NumberOfFrames = number
    if number is None:
        del made.NumberOfFrames
    return save(made, path)


def offsets(pieces, every=1):
    """Return the offset table of fragments, for each `every`th."""
    places = np.cumsum([0] + [8 + len(piece) for piece in pieces])[:-1][::every]
    return places.astype("<u4").tobytes()


EVEN = [piece + b"\0" * (len(piece) % 2) for piece in JPEGS]
HALVES = [half for piece in EVEN for half in (piece[:200], piece[200:])]
TABLES = {
    "none": lambda pieces, every: b"",
    "right": offsets,
    "short": lambda pieces, every: offsets(pieces, every)[:8],
    "nonsense": lambda pieces, every: b"\x05\0\0\0\x99\0\0\0",
    "first alone": lambda pieces, every: b"\0\0\0\0",
}


@pytest.mark.parametrize("number", [4, 2, 1, 0, None])
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("pieces", [EVEN, HALVES], ids=["one fragment a frame", "two"])
def test_every_coded_frame_is_read(tmp_path, caplog, pieces, table, number):
    path = coded(tmp_path / "a.dcm", pieces, TABLES[table](pieces, len(pieces) // 4), number)
    source = open_dicom(path)
    assert source.info.frames == 4
    assert farthest([frame.image for frame in source], GRAY) <= 4
    assert ("NumberOfFrames" in caplog.text) == (number != 4)


@pytest.mark.parametrize("table", ["none", "right"])
def test_fewer_coded_frames_than_stated(tmp_path, table):
    path = coded(tmp_path / "a.dcm", EVEN, TABLES[table](EVEN, 1), 6)
    read, told = drain(opened(open_dicom, path))
    assert farthest([frame.image for frame in read], GRAY) <= 4
    assert "its coded frames end" in str(told)
    assert "4 of its 6 frames could be read" in str(told)


def test_a_damaged_start_of_a_frame_is_told_by_its_place(tmp_path):
    broken = [EVEN[0], b"\0\0" + EVEN[1][2:], *EVEN[2:]]
    for table in ("none", "right"):
        read, told = drain(opened(open_dicom, coded(tmp_path / "a.dcm", broken, TABLES[table](broken, 1))))
        assert len(read) == 1
        assert "1 of its 4 frames could be read" in str(told)


@pytest.mark.parametrize("number", [4, 2])
def test_an_extended_offset_table(tmp_path, number):
    made = multiframe(GRAY, syntax=JPEGBaseline8Bit, coded=JPEGS)
    made.PixelData, made.ExtendedOffsetTable, made.ExtendedOffsetTableLengths = encapsulate_extended(EVEN)
    made.NumberOfFrames = number
    assert farthest(images(save(made, tmp_path / "a.dcm")), GRAY) <= 4


@pytest.mark.parametrize("number", [4, 2, None])
def test_rle_frames_are_counted(tmp_path, number):
    packed = rle(GRAY)
    made = multiframe(GRAY, **packed)
    made.PixelData, made.NumberOfFrames = encapsulate(packed["coded"], has_bot=False), number
    assert farthest(images(save(made, tmp_path / "a.dcm")), GRAY) == 0


@pytest.mark.parametrize("number", [4, 2, 0, None])
def test_every_plain_frame_is_read(tmp_path, number):
    made = multiframe(GRAY)
    made.NumberOfFrames = number
    source = open_dicom(save(made, tmp_path / "a.dcm"))
    assert source.info.frames == 4
    assert farthest([frame.image for frame in source], GRAY) == 0


def test_encapsulated_frames_with_a_length(tmp_path):
    path = tmp_path / "a.dcm"
    coded(path, EVEN)
    data = bytearray(path.read_bytes())
    at = data.index(b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff") + 8
    data[at : at + 4] = (len(data) - at - 4).to_bytes(4, "little")
    path.write_bytes(data)
    assert farthest(images(str(path)), GRAY) <= 4


def test_encapsulated_frames_without_a_delimiter(tmp_path):
    path = tmp_path / "a.dcm"
    coded(path, EVEN)
    path.write_bytes(path.read_bytes().removesuffix(b"\xfe\xff\xdd\xe0\0\0\0\0"))
    assert farthest(images(str(path)), GRAY) <= 4


def test_a_folder_names_what_it_leaves_out(tmp_path, caplog):
    for number in range(4):
        save(multiframe(GRAY[number : number + 1], InstanceNumber=number), tmp_path / f"IM{number}")
    whole = (tmp_path / "IM2").read_bytes()
    (tmp_path / "IM2").write_bytes(whole[:400])
    (tmp_path / "._IM1.dcm").write_bytes(b"\0" * 200)
    (tmp_path / "report.txt").write_text("no picture")
    source = open_dicom(tmp_path)
    assert farthest([frame.image for frame in source], GRAY[[0, 1, 3]]) == 0
    assert [one.name for one in source.omitted] == ["IM2"]
    assert "IM2 is left out" in caplog.text


def test_a_folder_goes_on_after_a_damaged_file(tmp_path):
    for number in range(4):
        save(multiframe(GRAY[:2], InstanceNumber=number), tmp_path / f"IM{number}")
    whole = (tmp_path / "IM2").read_bytes()
    (tmp_path / "IM2").write_bytes(whole[:-1000])
    source = open_dicom(tmp_path)
    assert [frame.index for frame in source] == [0, 1, 2, 3, 4, 6, 7]
    (part,) = source.omitted
    assert part.name == "IM2"
    assert "1 of its 2 frames could be read" in part.reason


def test_a_folder_of_damaged_files_is_an_error(tmp_path):
    for number in range(2):
        coded(tmp_path / f"IM{number}", [b"no picture"] * 4, InstanceNumber=number)
    with pytest.raises(SourceError, match="0 of its 4 frames could be read"):
        images(f"dicom:{tmp_path}")


def test_frames_that_no_decoder_reads_are_told(tmp_path):
    made = multiframe(GRAY, syntax=JPEG2000Lossless, coded=[b"no codestream."] * 4)
    with pytest.raises(SourceError, match="declares no size"):
        images(save(made, tmp_path / "a.dcm"))

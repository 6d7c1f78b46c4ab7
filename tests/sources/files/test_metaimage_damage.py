"""Tests damaged and contradictory MetaImage files, and the memory that reading takes."""

import numpy as np
import pytest
from sources.damage import drain, opened
from sources.memory import reads_in_little_memory
from sources.metaimages import FRAMES, images

from rtseg.errors import SourceError, SourceNotFound
from rtseg.sources import open_source

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
    ({"ElementToIntensityFunctionSlope": "-1"}, "slope applied"),
    ({"BinaryData": "False"}, "BinaryData = True"),
    ({"ObjectType": "Tube"}, "BinaryData = True"),
    ({"UltrasoundImageType": "RF_REAL"}, "let PLUS convert it to B-mode"),
]


@pytest.mark.parametrize(("changes", "message"), BROKEN, ids=[str(changes) for changes, _ in BROKEN])
def test_a_header_that_says_what_cannot_be(write_mha, changes, message):
    with pytest.raises(SourceError, match=message):
        open_source(write_mha(FRAMES, **changes))


@pytest.mark.parametrize("name", ["LIST", "/etc/passwd", "../a.raw", "slice%03d.raw", "folder/a.raw"])
def test_pixels_elsewhere_are_not_fetched(write_mha, tmp_path, name):
    path = write_mha(FRAMES, "a.mhd", beside="a.raw")
    text = (tmp_path / "a.mhd").read_text().replace("a.raw", name)
    (tmp_path / "a.mhd").write_text(text)
    with pytest.raises(SourceError, match="which holds them itself"):
        open_source(path)


def test_pixels_that_are_missing(write_mha, tmp_path):
    path = write_mha(FRAMES, "a.mhd", beside="a.raw")
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


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("frames", [FRAMES, FRAMES.astype("u2")], ids=["8 bit", "16 bit"])
def test_a_file_cut_at_any_place_gives_the_frames_before(write_mha, tmp_path, packed, frames):
    write_mha(frames, packed=packed)
    whole = (tmp_path / "a.mha").stat().st_size
    read = [drain(opened(open_source, write_mha(frames, packed=packed, cut=cut))) for cut in range(whole - 40, 100, -37)]
    assert all(told for _, told in read)
    assert "is cut off: 3 of its 4 frames could be read; go on with those" in str(read[0][1])
    counts = [len(images) for images, _ in read]
    assert counts == sorted(counts, reverse=True)
    assert (counts[0], counts[-1]) == (3, 0)


def test_damage_in_packed_pixels_is_said(write_mha, tmp_path):
    path = write_mha(FRAMES, packed=True)
    data = bytearray((tmp_path / "a.mha").read_bytes())
    data[-400:-300] = b"\xff" * 100
    (tmp_path / "a.mha").write_bytes(data)
    with pytest.raises(SourceError, match=r"is damaged|is cut off"):
        images(path)


@pytest.mark.parametrize("packed", [False, True])
def test_memory_stays_that_of_a_frame(write_mha, packed):
    frames = np.zeros((400, 200, 300), np.uint8)  # 24 MB
    source = open_source(write_mha(frames, packed=packed))
    reads_in_little_memory(source, 400)


def test_a_header_that_promises_more_than_there_is_costs_nothing(write_mha):
    source = open_source(write_mha(FRAMES, DimSize=f"20 12 {10**18}"))
    assert source.info.frames == 10**18
    with pytest.raises(SourceError, match=r"4 of its 10{18} frames"):
        list(source)

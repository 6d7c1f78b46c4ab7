"""Tests damaged and contradictory DICOM files, and that no header text is logged."""

import logging
import tracemalloc
import warnings
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import RLELossless
from sources.damage import drain, opened
from sources.dicoms import FRAMES, NAME, images, multiframe, region, rle, save

from rtseg.errors import ConfigError, SourceError
from rtseg.sources import open_source
from rtseg.sources.files.dicom import open_dicom


def test_a_file_cut_at_any_place_gives_the_frames_before(write_dicom, tmp_path):
    data = Path(write_dicom(FRAMES)).read_bytes()
    counts = []
    for cut in range(len(data) - 10, 0, -61):
        (tmp_path / "cut.dcm").write_bytes(data[:cut])
        read, told = drain(opened(open_dicom, tmp_path / "cut.dcm"))
        assert told
        counts.append(len(read))
    assert counts == sorted(counts, reverse=True)
    assert (counts[0], counts[-1]) == (3, 0)


@pytest.mark.parametrize("tail", [b"\x7f\x01", b"\xc0", b"", b"\x80" * 60])
def test_packed_runs_that_end_too_soon(write_dicom, tail):
    coded = rle(FRAMES)
    coded["coded"] = [frame[:100] + tail for frame in coded["coded"]]
    with pytest.raises(SourceError, match="cannot be decoded"):
        images(write_dicom(FRAMES, **coded))


def test_a_panic_of_the_rust_decoder_is_an_error_like_others(write_dicom):
    """A 16-bit segment that unpacks to too much makes the decoder raise a PanicException, which is no Exception."""
    segment = b"\x81\x05" * 3  # 128 bytes of 5 each: of 240 there are 384
    frame = np.array([2, 64, 64 + len(segment)] + [0] * 13, "<u4").tobytes() + segment * 2
    with pytest.raises(SourceError, match=r"cannot be decoded.*0 of its 1 frames could be read"):
        images(write_dicom(np.zeros((1, 12, 20), np.uint16), syntax=RLELossless, coded=[frame], WindowCenter=5, WindowWidth=9))


def test_packed_frames_that_are_cut(write_dicom, tmp_path):
    data = Path(write_dicom(FRAMES, **rle(FRAMES))).read_bytes()
    (tmp_path / "cut.dcm").write_bytes(data[:-400])
    read, told = drain(opened(open_dicom, tmp_path / "cut.dcm"))
    assert len(read) < 4
    assert f"{len(read)} of its 4 frames could be read" in str(told)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Rows": 0}, "0 of 20x0|20x0 pixels"),
        ({"Columns": 65000}, "65000x12 pixels"),
        ({"NumberOfFrames": -3}, "-3 frames"),
        ({"NumberOfFrames": 2**31 - 1}, "4 of its 2147483647 frames could be read"),
        ({"SamplesPerPixel": 2}, "cannot be decoded"),
        ({"BitsAllocated": 7}, "cannot be decoded"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "cannot be decoded"),
    ],
    ids=str,
)
def test_a_header_that_says_what_cannot_be(write_dicom, change, message):
    path = write_dicom(FRAMES, **change)
    with pytest.raises(SourceError, match=message):
        list(open_source(path))


def test_without_pixels(tmp_path):
    bare = multiframe(FRAMES)
    del bare.PixelData
    with pytest.raises(SourceError, match="has no 'Pixel Data'"):
        list(open_source(save(bare, tmp_path / "bare.dcm")))


@pytest.mark.parametrize("data", [b"", b"\0" * 132, b"\0" * 128 + b"DICM", b"\0" * 128 + b"DICM" + b"\xff" * 500, b"x" * 999])
def test_what_is_no_dicom(tmp_path, data):
    (tmp_path / "a.dcm").write_bytes(data)
    with pytest.raises(SourceError, match=r"give a file of an ultrasound series|transfer syntax"):
        open_source(str(tmp_path / "a.dcm"))


def test_flipped_bytes_never_hang_nor_raise_anything_else(write_dicom, tmp_path):
    data = Path(write_dicom(FRAMES, FrameTime=40, SequenceOfUltrasoundRegions=[region()], **rle(FRAMES))).read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(30):
        broken = bytearray(data)
        for at in rng.integers(132, len(data), 4):
            broken[at] = rng.integers(256)
        (tmp_path / "b.dcm").write_bytes(broken)
        try:
            read, _ = drain(opened(open_dicom, tmp_path / "b.dcm"))
        except ConfigError:
            read = []
        assert len(read) <= 4 or read[0].height * read[0].width < 240


def test_a_damaged_uid_is_unknown_and_not_told(write_dicom, tmp_path, caplog):
    path = Path(write_dicom(FRAMES))
    uid = dcmread(path).SOPInstanceUID.encode()
    damaged = tmp_path / "damaged.dcm"
    damaged.write_bytes(path.read_bytes().replace(uid, uid[:-4] + b"\x84" + uid[-3:]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with closing(open_source(str(damaged))) as source:
            frames = list(source)
    assert len(frames) == len(FRAMES)
    assert frames[0].origin.instance.sop_instance == ""
    assert uid.decode()[:-4] not in caplog.text


def test_nothing_of_the_header_is_told(write_dicom, tmp_path, caplog, capsys):
    dataset = multiframe(FRAMES, FrameTime=40)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.add_new(0x00080020, "DA", NAME)  # a date that is none
    path = tmp_path / "a.dcm"
    save(dataset, path)
    (tmp_path / "cut.dcm").write_bytes(path.read_bytes()[:-700])
    caplog.clear()
    with caplog.at_level(logging.DEBUG), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        assert len(images(str(path))) == 4
        _, told = drain(opened(open_dicom, tmp_path / "cut.dcm"))
    said = "".join([caplog.text, str(told), *capsys.readouterr(), *(str(one.message) for one in warned)])
    assert told
    assert NAME not in said
    assert "4711" not in said


def test_memory_stays_that_of_a_frame(write_dicom):
    frames = np.zeros((300, 200, 400), np.uint8)  # 24 MB
    path = write_dicom(frames)
    list(open_source(write_dicom(FRAMES, "warm.dcm")))
    source = open_source(path)
    tracemalloc.start()
    try:
        assert sum(1 for _ in source) == 300
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()


def test_closing_lets_go_of_the_file(write_dicom, open_files):
    source = open_source(write_dicom(FRAMES))
    before = open_files()
    frames = iter(source)
    next(frames)
    assert open_files() == before + 1
    source.close()
    assert list(frames) == []
    assert open_files() == before

"""Tests DICOM files whose frames are a video stream: MPEG-2, H.264 and HEVC."""

import io

import av
import numpy as np
import pytest
from pydicom.uid import UID
from sources.damage import drain, opened
from sources.dicoms import multiframe, save
from sources.ultrasound import colored, farthest, gray

from rtseg.sources.files.dicom import open_dicom

CODINGS = {
    "MPEG-2": ("1.2.840.10008.1.2.4.100", "mpeg2video", ("mpeg2video", "mpegts", "mpeg")),
    "H.264": ("1.2.840.10008.1.2.4.102", "libx264", ("mp4", "h264", "mpegts")),
    "HEVC": ("1.2.840.10008.1.2.4.107", "libx265", ("hevc", "mp4")),
}
FORMS = [(coding, form) for coding, (_, _, forms) in CODINGS.items() for form in forms]
COLORED = [colored(index) for index in range(8)]


def video(pictures, codec, form, **options):
    """Return pictures as a video in a container, or as a bare stream."""
    file = io.BytesIO()
    with av.open(file, "w", format=form) as container:
        stream = container.add_stream(codec, rate=25, options={"x265-params": "log-level=none"} | options)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 4_000_000
        for picture in pictures:
            form_in = "gray" if picture.ndim == 2 else "rgb24"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, form_in)))
        container.mux(stream.encode())
    return file.getvalue()


def write(path, data, syntax, number=8, pieces=1, **elements):
    size = -(-len(data) // pieces)
    frames = np.stack(COLORED)
    coded = [data[at : at + size + size % 2] for at in range(0, len(data), size + size % 2)]
    made = multiframe(frames, syntax=UID(syntax), coded=coded, photometric="YBR_PARTIAL_420", **elements)
    made.NumberOfFrames = number
    return save(made, path)


@pytest.mark.parametrize("pieces", [1, 3])
@pytest.mark.parametrize(("coding", "form"), FORMS)
def test_a_video_plays(tmp_path, coding, form, pieces):
    syntax, codec, _ = CODINGS[coding]
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {codec}")
    path = write(tmp_path / "a.dcm", video(COLORED, codec, form), syntax, pieces=pieces, FrameTime=50)
    source = open_dicom(path)
    assert (source.info.height, source.info.width, source.info.fps, source.info.frames) == (48, 64, 20, 8)
    read = list(source)
    assert farthest([frame.image for frame in read], COLORED) <= 8
    assert [frame.presentation_ns for frame in read] == [index * 50_000_000 for index in range(8)]


def test_a_gray_video_is_gray_and_has_its_own_rate(tmp_path):
    pictures = [gray(index) for index in range(8)]
    source = open_dicom(write(tmp_path / "a.dcm", video(pictures, "libx264", "mp4"), CODINGS["H.264"][0]))
    assert source.info.fps == 25
    assert farthest([frame.image for frame in source], pictures) <= 4


@pytest.mark.parametrize("number", [3, None])
def test_a_video_of_more_pictures_than_stated(tmp_path, caplog, number):
    source = open_dicom(write(tmp_path / "a.dcm", video(COLORED, "libx264", "h264"), CODINGS["H.264"][0], number))
    assert len(list(source)) == 8
    assert ("NumberOfFrames" in caplog.text) == (number is not None)


def test_a_video_of_fewer_pictures_than_stated(tmp_path):
    path = write(tmp_path / "a.dcm", video(COLORED, "libx264", "h264"), CODINGS["H.264"][0], 10)
    read, told = drain(opened(open_dicom, path))
    assert len(read) == 8
    assert "8 of its 10 frames could be read" in str(told)


def test_a_video_that_is_cut(tmp_path):
    data = video(COLORED, "libx264", "mpegts")
    read, told = drain(opened(open_dicom, write(tmp_path / "a.dcm", data[: len(data) // 2], CODINGS["H.264"][0])))
    assert len(read) < 8
    assert told


def test_the_form_of_a_pixel_is_that_of_the_stream(tmp_path):
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        stream.codec_context.sample_aspect_ratio = 2
        for picture in COLORED:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode())
    source = open_dicom(write(tmp_path / "a.dcm", file.getvalue(), CODINGS["H.264"][0]))
    assert source.info.pixel_aspect == 2
    assert {frame.pixel_aspect for frame in source} == {2}


def test_a_video_leaves_no_open_file(tmp_path, open_files):
    source = open_dicom(write(tmp_path / "a.dcm", video(COLORED, "libx264", "mp4"), CODINGS["H.264"][0]))
    before = open_files()
    next(iter(source))
    source.close()
    assert open_files() == before

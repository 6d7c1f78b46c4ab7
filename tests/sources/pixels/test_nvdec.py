"""Tests decoding on a GPU: the request, the reason where there is none, and pictures as such a decoder returns them."""

from pathlib import Path

import av
import numpy as np
import pytest

from rtseg.errors import ConfigError, SourceError, SourceNotFound
from rtseg.sources import open_source
from rtseg.sources.capabilities import capabilities
from rtseg.sources.live import network_stream
from rtseg.sources.pixels import nvdec
from rtseg.sources.pixels.picture import PictureReader


@pytest.fixture
def video(write_video, grey_frames):
    return write_video("scan.mp4", grey_frames[:12])


def images(uri):
    return [frame.image for frame in open_source(str(uri))]


def alike(found, expected):
    return len(found) == len(expected) and all((own == other).all() for own, other in zip(found, expected, strict=True))


@pytest.mark.skipif(not nvdec.unavailable_reason(), reason="there is a GPU here, which decodes")
def test_where_there_is_no_gpu_the_cpu_decodes_and_it_is_said(video, caplog):
    assert alike(images(f"{video}#decode=gpu"), images(video))
    (message,) = caplog.messages
    assert message.startswith(f"{video} is decoded on the CPU: ")
    assert "install" in message


def test_what_the_gpu_does_not_know_the_cpu_decodes_and_it_is_said(video, caplog, monkeypatch):
    """It exercises FFmpeg's own fallback, with a kind of device that decodes no H.264 in this build."""
    monkeypatch.setattr(nvdec, "_DEVICE", "vaapi")
    if "vaapi" in nvdec.hwdevices_available():
        pytest.skip("this build of PyAV knows VA-API: there is nothing to fall back from")
    monkeypatch.setattr(nvdec, "unavailable_reason", lambda: "")
    assert alike(images(f"{video}#decode=gpu"), images(video))
    assert caplog.messages == [f"{video} is decoded on the CPU: the GPU's decoder does not take its h264"]


def test_a_gpu_that_does_not_decode_is_not_to_blame(write_video, caplog, monkeypatch):
    monkeypatch.setattr(nvdec, "_DEVICE", "vaapi")
    monkeypatch.setattr(nvdec, "unavailable_reason", lambda: "")
    if "vaapi" in nvdec.hwdevices_available():
        pytest.skip("this build of PyAV knows VA-API")
    frames = np.random.default_rng(0).integers(0, 256, (40, 48, 64), np.uint8)
    video = write_video("cut.mp4", frames, movflags="faststart")
    video.write_bytes(video.read_bytes()[: int(video.stat().st_size * 0.97)])
    with pytest.raises(SourceError, match=r"frames could be read \(1 lost"):
        images(f"{video}#decode=gpu")
    assert caplog.messages == [f"{video} is decoded on the CPU: the GPU's decoder does not take its h264"]


def test_a_build_without_nvdec_says_so(video, caplog, monkeypatch):
    monkeypatch.setattr(nvdec, "hwdevices_available", list)
    assert len(images(f"{video}#decode=gpu")) == 12
    assert "was built without NVDEC: install PyAV from PyPI" in caplog.text


def test_nothing_is_said_of_the_cpu(video, caplog):
    assert len(images(f"{video}#decode=cpu")) == len(images(video)) == 12
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("decode=dla", "cannot be decoded on 'dla': give decode=cpu or decode=gpu"),
        ("decoder=gpu", "'decoder' is unknown.*decode"),
    ],
)
def test_wrong_options_are_refused(video, option, message):
    with pytest.raises(ConfigError, match=message):
        open_source(f"{video}#{option}")


def test_a_name_with_a_hash_in_it_is_a_name(video, tmp_path):
    video.rename(tmp_path / "scan#decode=gpu.mp4")
    assert len(images(tmp_path / "scan#decode=gpu.mp4")) == 12
    with pytest.raises(SourceNotFound, match="check the path"):
        open_source(str(tmp_path / "other.mp4#decode=gpu"))


def test_a_stream_s_address_takes_it_too(monkeypatch):
    opened = []

    def refused(address: str, **options: object) -> None:
        opened.append((address, options))
        raise av.error.InvalidDataError(1, "nobody is there")

    monkeypatch.setattr(network_stream.av, "open", refused)
    monkeypatch.setattr(nvdec, "unavailable_reason", lambda: "")
    for uri in ("rtsp://127.0.0.1:9#decode=gpu", "rtsp://127.0.0.1:9"):
        with pytest.raises(SourceError, match="cannot be opened"):
            open_source(uri)
    assert [options["hwaccel"] is not None for _, options in opened] == [True, False]
    assert {address for address, _ in opened} == {"rtsp://127.0.0.1:9"}
    assert all("decode" not in options["options"] for _, options in opened)


@pytest.mark.parametrize("colour", [128, 60])
def test_a_gpu_s_pictures_are_read_as_the_cpu_s(colour):
    picture = av.VideoFrame(50, 36, "yuv420p")
    ramp = np.linspace(16, 235, picture.planes[0].line_size * 36).astype(np.uint8)
    for plane, values in zip(picture.planes, (ramp, 128, colour), strict=True):
        plane.update(np.broadcast_to(np.asarray(values, np.uint8), plane.buffer_size).tobytes())
    in_pairs = picture.reformat(format="nv12")
    assert (len(in_pairs.planes), len(picture.planes)) == (2, 3)
    found, expected = (PictureReader().read(each) for each in (in_pairs, picture))
    assert found.shape == expected.shape == ((36, 50) if colour == 128 else (36, 50, 3))
    np.testing.assert_allclose(found, expected, atol=0 if colour == 128 else 2)  # FFmpeg rounds the two formats differently


def test_doctor_says_whether_a_gpu_decodes():
    (found,) = (each for each in capabilities() if each.name == "#decode=gpu")
    assert found.present == (not nvdec.unavailable_reason())
    assert found.detail == nvdec.unavailable_reason() or found.present


def test_files_are_named_without_a_gpu(tmp_path: Path):
    (tmp_path / "scan.mp4").write_bytes(b"no video")
    with pytest.raises(SourceError, match="cannot be read as a video"):
        open_source(f"{tmp_path / 'scan.mp4'}#decode=gpu")

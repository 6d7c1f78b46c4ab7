"""Tests that pictures behind a hole of an AVI keep their numbers, and that those at the hole are not shown."""

import av
import cv2
import numpy as np
import pytest
from sources.damage import drain

from rtseg.sources import open_source

SIZE, COUNT = (48, 64), 20
CODECS = {
    "mjpeg": ("yuvj420p", {"q": "2"}),
    "libx264": ("yuv420p", {"crf": "8", "bf": "0", "g": "5"}),
    "mpeg4": ("yuv420p", {"b": "4000000", "g": "5"}),
    "rawvideo": ("gray", {}),
    "huffyuv": ("yuv422p", {}),
}


def _pictures():
    spots = np.random.default_rng(0).integers(0, 256, (SIZE[0] // 4, SIZE[1] // 2), np.uint8)
    wide = cv2.resize(spots, (2 * SIZE[1], SIZE[0]), interpolation=cv2.INTER_CUBIC)
    return [wide[:, 3 * number : 3 * number + SIZE[1]] for number in range(COUNT)]


def _write(path, codec, *, has_sound=False):
    pixels, options = CODECS[codec]
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = *SIZE, pixels
        sound = file.add_stream("pcm_s16le", rate=8000, layout="mono") if has_sound else None
        for number, picture in enumerate(_pictures()):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "gray").reformat(format=pixels)
            frame.pts = number
            file.mux(stream.encode(frame))
            if sound is not None:
                heard = av.AudioFrame.from_ndarray(np.zeros((1, 320), np.int16), "s16", "mono")
                heard.sample_rate, heard.pts = 8000, 320 * number
                file.mux(sound.encode(heard))
        file.mux(stream.encode(None))
    return path.read_bytes()


def _number(image):
    plane = image if image.ndim == 2 else image[..., 1]
    return int(np.argmin([np.abs(plane.astype(int) - picture).mean() for picture in _pictures()]))


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(("share", "count"), [(0.35, 1), (0.35, 40), (0.6, 4000)])
def test_what_is_behind_a_hole_keeps_its_number(tmp_path, codec, share, count):
    path = tmp_path / "a.avi"
    whole = _write(path, codec, has_sound=True)
    at = int(len(whole) * share)
    path.write_bytes(whole[:at] + whole[at + count :])
    frames, error = drain(open_source(str(path)))
    assert len(frames) > 4
    assert all(frame.index == _number(frame.image) for frame in frames)
    assert frames[-1].index == COUNT - 1
    assert frames[-1].presentation_ns == pytest.approx((COUNT - 1) * 4e7, abs=1e6)
    assert "damaged or cut off" in str(error)


@pytest.mark.parametrize("codec", CODECS)
def test_bytes_that_were_put_in_cost_one_picture(tmp_path, codec):
    path = tmp_path / "a.avi"
    whole = _write(path, codec)
    at = whole.find(b"movi") + (len(whole) - whole.find(b"movi")) // 2
    path.write_bytes(whole[:at] + bytes(range(16)) + whole[at:])
    frames, error = drain(open_source(str(path)))
    assert all(frame.index == _number(frame.image) for frame in frames)
    assert "1 lost" in str(error)


@pytest.mark.parametrize("codec", CODECS)
def test_a_whole_file_loses_nothing_and_nor_does_one_without_an_index(tmp_path, codec):
    path = tmp_path / "a.avi"
    whole = _write(path, codec, has_sound=True)
    frames, error = drain(open_source(str(path)))
    assert [frame.index for frame in frames] == list(range(COUNT))
    assert error is None
    path.write_bytes(whole[: whole.rfind(b"idx1")])
    frames, error = drain(open_source(str(path)))
    assert [frame.index for frame in frames] == list(range(COUNT))
    assert "before its RIFF chunk does" in str(error)


def test_empty_chunks_of_a_grabber_that_dropped_frames_are_no_hole(tmp_path):
    path = tmp_path / "a.avi"
    whole = bytearray(_write(path, "mjpeg"))
    movi, index = whole.find(b"movi"), whole.rfind(b"idx1")
    entry = index + 8 + 16 * 4
    offset, size = (int.from_bytes(whole[entry + at : entry + at + 4], "little") for at in (8, 12))
    whole[movi + offset : movi + offset] = b"00dc" + bytes(4)
    count = int.from_bytes(whole[index + 12 : index + 16], "little") // 16
    index += 8
    entries = [bytes(whole[index + 8 + 16 * number : index + 24 + 16 * number]) for number in range(count)]
    moved = [one[:8] + (int.from_bytes(one[8:12], "little") + 8).to_bytes(4, "little") + one[12:] for one in entries[4:]]
    entries = [*entries[:4], entries[4][:12] + bytes(4), *moved]
    whole[index + 4 :] = (16 * len(entries)).to_bytes(4, "little") + b"".join(entries)
    whole[4:8] = (len(whole) - 8).to_bytes(4, "little")
    whole[movi - 4 : movi] = (index - movi).to_bytes(4, "little")
    path.write_bytes(whole)
    assert size
    frames, error = drain(open_source(str(path)))
    assert len(frames) == COUNT
    assert "lost" not in str(error)

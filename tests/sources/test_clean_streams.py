"""Tests that of an undamaged film nothing is left out or marked, whatever its coding and its container."""

import av
import cv2
import numpy as np
import pytest
from av.codec.context import Flags
from sources.damage import drain

from rtseg.sources import open_source

COUNT, SIZE = 26, (48, 64)
X265 = "log-level=none:bframes=2"
CODINGS = {
    "cavlc": ("libx264", {"preset": "ultrafast", "g": "8"}),
    "cabac, B pictures": ("libx264", {"preset": "medium", "g": "8", "bf": "3"}),
    "open GOP": ("libx264", {"g": "8", "bf": "2", "x264-params": "open-gop=1"}),
    "slices": ("libx264", {"g": "8", "slices": "3"}),
    "intra refresh": ("libx264", {"tune": "zerolatency", "x264-params": "intra-refresh=1:keyint=8"}),
    "interlaced": ("libx264", {"g": "8", "x264-params": "tff=1"}),
    "hevc": ("libx265", {"g": "8", "preset": "ultrafast", "x265-params": X265}),
    "vp9": ("libvpx-vp9", {"g": "8", "deadline": "realtime", "cpu-used": "8"}),
    "vp8": ("libvpx", {"g": "8", "deadline": "realtime", "cpu-used": "8", "auto-alt-ref": "1", "lag-in-frames": "8"}),
    "mpeg2": ("mpeg2video", {"g": "8", "bf": "2"}),
    "mpeg4": ("mpeg4", {"g": "8", "bf": "2"}),
}
WEB, OLD = ("vp8", "vp9"), ("mpeg2", "mpeg4")
CASES = [
    (name, suffix)
    for name in CODINGS
    for suffix in ("ts", "mkv", "mp4", "avi")
    if not (name in WEB and suffix not in ("mkv", "mp4")) and (name, suffix) != ("vp8", "mp4")
    if not (name in ("hevc", "open GOP", *WEB, *OLD) and suffix == "avi")
]


def _picture(number):
    """Return a picture with moving tissue and a black border, of which parts are flat."""
    spots = np.random.default_rng(1).integers(0, 256, (SIZE[0] // 8, SIZE[1] // 8), np.uint8)
    picture = np.roll(cv2.resize(spots, SIZE[::-1], interpolation=cv2.INTER_CUBIC), number, 1)
    picture[:16] = 0
    return np.zeros_like(picture) if number in (9, 10, 11) else picture


@pytest.mark.parametrize(("coding", "suffix"), CASES)
def test_nothing_of_a_clean_film_is_left_out_or_marked(coding, suffix, tmp_path):
    codec, options = CODINGS[coding]
    with av.open(str(tmp_path / f"a.{suffix}"), "w") as container:
        stream = container.add_stream(codec, rate=25, options=dict(options))
        stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p"
        if coding == "interlaced":
            stream.codec_context.flags |= Flags.interlaced_dct
        for number in range(COUNT):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(_picture(number), "gray")))
        container.mux(stream.encode(None))
    frames, error = drain(open_source(str(tmp_path / f"a.{suffix}")))
    assert error is None
    assert [frame.index for frame in frames] == list(range(COUNT))
    assert not any(frame.damage for frame in frames)

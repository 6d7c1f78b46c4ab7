"""Makes transport streams whose pictures show their number, cuts them, and reads them through a link."""

import io

import av
import numpy as np

from rtseg.sources.live.ffmpeg_link import LinkSettings, StreamLink
from rtseg.sources.transport_reader import RepairedReader

PACKET = 188
SIZE = (96, 128)

LOW_DELAY = {"preset": "ultrafast", "tune": "zerolatency", "g": "25", "sc_threshold": "0", "crf": "20"}
CODINGS = {
    "low delay": ("h264", LOW_DELAY),
    "low delay, slices": ("h264", {**LOW_DELAY, "slices": "4", "aud": "1"}),
    "B pictures": ("h264", {"preset": "medium", "g": "25", "bf": "3", "sc_threshold": "0", "crf": "22"}),
    "B pictures, slices": ("h264", {"preset": "medium", "g": "25", "bf": "3", "crf": "22", "slices": "4", "aud": "1"}),
    "open GOP": ("h264", {"preset": "medium", "g": "25", "bf": "3", "crf": "22", "x264-params": "open-gop=1:scenecut=0"}),
    "intra refresh": ("h264", {**LOW_DELAY, "x264-params": "intra-refresh=1"}),
    "MPEG-2": ("mpeg2video", {"g": "15", "bf": "2", "qscale": "3"}),
}


def numbered(number: int) -> np.ndarray:
    """Return a gray picture as RGB with a moving bar, noise, and its number in eight squares."""
    picture = np.full((*SIZE, 3), 40, np.uint8)
    picture[:, number * 2 % SIZE[1] :][:, :6] = 200
    picture[50:90] = (30 + np.random.default_rng(number).integers(0, 30, (40, SIZE[1])))[..., None]
    for bit in range(8):
        picture[8:20, 8 * bit : 8 * bit + 8] = 255 * (number >> bit & 1)
    return picture


def number_of(image: np.ndarray) -> int:
    """Return the number that a picture shows."""
    gray = image if image.ndim == 2 else image[..., 1]
    return sum(1 << bit for bit in range(8) if gray[12:16, 8 * bit + 2 : 8 * bit + 6].mean() > 128)


def transport_stream(count: int, coding: str = "low delay", form: str = "mpegts") -> bytes:
    """Return a stream of numbered pictures at 25 a second."""
    data, (codec, options) = io.BytesIO(), CODINGS[coding]
    with av.open(data, "w", format=form) as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt, stream.options = *SIZE, "yuv420p", dict(options)
        for number in range(count):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(number))))
        container.mux(stream.encode(None))
    return data.getvalue()


def packets_of(data: bytes) -> list[bytes]:
    """Return the packets of a transport stream."""
    return [data[start : start + PACKET] for start in range(0, len(data), PACKET)]


def pid_of(packet: bytes) -> int:
    """Return the stream to which a packet belongs."""
    return (packet[1] & 31) << 8 | packet[2]


def read_stream(data: bytes):
    """Return the frames of a stream that is read through a link."""
    link = StreamLink(lambda: av.open(RepairedReader(io.BytesIO(data).read), "r"), LinkSettings("stream", ends=True))
    try:
        return list(link)
    finally:
        link.close()

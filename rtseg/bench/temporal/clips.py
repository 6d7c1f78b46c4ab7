"""Makes the clips for temporal benchmarks: phantoms with exact ground truth, recordings, and their grabbed versions."""

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import cycle, islice

import av
import cv2
import numpy as np

from rtseg.errors import SourceError
from rtseg.frame import Frame, Image, Labels
from rtseg.sources import open_source
from rtseg.sources.synthetic import open_synthetic
from rtseg.text.credentials import masked_address

GRABBER_REPEATS = (2, 3, 2, 3, 2)  # how often a 60 Hz grabber captures each frame of a 25 Hz scanner
CRFS = (18, 20, 23, 26)  # H.264 quality from very good to poor
_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class BenchClip:
    """Holds the gray frames of one stream, with their labels if known."""

    name: str
    images: tuple[Image, ...]  # (H, W) uint8 each
    indices: tuple[int, ...]  # frame indices; a jump is a gap
    truths: tuple[Labels, ...] | None = None  # true labels (H, W) uint8 of each frame, if known
    clean_images: tuple[Image, ...] | None = None  # frames before their simulated corruption, from which motion is computed

    def frames(self) -> list[Frame]:
        """Return the frames for a session, timed at 25 frames a second."""
        pairs = zip(self.images, self.indices, strict=True)
        return [Frame(image, index, index * _SECOND_NS // 25) for image, index in pairs]


def phantom_clip(name: str, options: str, frames: int) -> BenchClip:
    """Return the first frames of `synthetic:OPTIONS`, without those that its script drops. Raises ConfigError."""
    probe = open_synthetic(f"{options}&frames={frames}")
    shown = list(probe)
    indices = tuple(frame.index for frame in shown)
    return BenchClip(name, tuple(frame.image for frame in shown), indices, tuple(probe.truth(index) for index in indices))


def recorded_clip(uri: str, most: int) -> BenchClip:
    """Return up to `most` frames of a recording in gray, without ground truth. Raises SourceError."""
    with closing(open_source(uri)) as source:
        images = tuple(_grey(frame.image) for frame in islice(source, most))
    if not images:
        raise SourceError(f"{masked_address(uri)} gave no frame to measure: choose another clip")
    return BenchClip(masked_address(uri), images, tuple(range(len(images))))


def grabber_clip(clip: BenchClip, crf: int) -> tuple[BenchClip, tuple[bool, ...]]:
    """Simulate a 60 Hz grabber on a 25 Hz scanner with H.264 coding.

    Returns the grabbed clip, without ground truth, and a flag for each of its frames: True if it shows a new picture.
    """
    times = list(islice(cycle(GRABBER_REPEATS), len(clip.images)))
    images = tuple(h264_round_trip([image for image, n in zip(clip.images, times, strict=True) for _ in range(n)], crf))
    new = tuple(k == 0 for n in times for k in range(n))
    return replace(clip, name=f"{clip.name}, grabbed", images=images, indices=tuple(range(len(images))), truths=None), new


def looped_frames(clip: BenchClip, frames: int) -> Iterator[Frame]:
    """Yield frames of a clip played seamlessly forwards and backwards, each pass coded in another H.264 quality."""
    there_and_back = [*clip.images, *clip.images[-2:0:-1]]
    passes = (h264_round_trip(there_and_back, crf) for crf in cycle(CRFS))
    for index, image in enumerate(islice((image for images in passes for image in images), frames)):
        yield Frame(image, index, index * _SECOND_NS // 25)


def h264_round_trip(images: Sequence[Image], crf: int) -> Iterable[Image]:
    """Encode gray pictures (H, W) with zero-latency H.264 and decode them; an odd last row or column is lost."""
    height, width = images[0].shape[0] // 2 * 2, images[0].shape[1] // 2 * 2
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska", metadata_errors="replace") as container:
        options = {"crf": str(crf), "preset": "veryfast", "tune": "zerolatency"}
        stream = container.add_stream("libx264", 60, options=options)
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for image in images:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image[:height, :width]), "gray")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    buffer.seek(0)
    with av.open(buffer, "r", metadata_errors="replace") as written:
        return [np.asarray(picture.to_ndarray(format="gray"), np.uint8) for picture in written.decode(video=0)]


def _grey(image: Image) -> Image:
    return image if image.ndim == 2 else np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)

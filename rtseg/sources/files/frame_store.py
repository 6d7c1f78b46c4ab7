"""Turn stored frames of any format into a source: upright, in 8 bits, each with its spacing and its time."""

from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from rtseg.errors import SourceError
from rtseg.frame import Image, Spacing
from rtseg.sources.base import DEFAULT_FPS, stream_info
from rtseg.sources.files.orientation import Orientation
from rtseg.sources.files.sequence import FrameSequence, StoredFrame
from rtseg.sources.files.source_notes import SourceNotes
from rtseg.sources.files.tracked_frames import TrackedFrames
from rtseg.sources.files.tracked_spacing import TrackedSpacing
from rtseg.sources.pixels.intensity import IntensityWindow, Pixels, full_range_window


class FrameStore(Protocol):
    """Declares frames that can be read from the first to the last, any number of times.

    dtype: of a pixel. shape: of one frame, (H, W) or (H, W, 3). frames: their number.
    """

    @property
    def dtype(self) -> "np.dtype[Any]": ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def frames(self) -> int: ...

    def pixels(self) -> Iterator[Pixels]:
        """Yield each frame. Raises SourceError after the last whole one."""


def open_frame_store(
    store: FrameStore,
    orientation: Orientation,
    tracked: TrackedFrames,
    fps: float | None = None,
    spacing_mm: Spacing | None = None,
    own_mm: Spacing | None = None,
    window: IntensityWindow | None = None,
    *,
    notes: SourceNotes,
    path: Path,
) -> FrameSequence:
    """Return a source of the frames, upright and in 8 bits, with the metadata of each.

    Pixels other than 8 bits are scaled from the minimum to the maximum of the whole recording, if no window is given.
    spacing_mm: the user's. own_mm: as the file states it for all frames, of the upright image. notes, path: where what is
    missing in the header is reported. Raises ConfigError.
    """
    if window is None and store.dtype != np.uint8:
        window = full_range_window(_readable_frames(store))
        if (window.black, window.white) != (0, 255):
            notes.say(path, f"has {store.dtype.name} pixels: {window.black:g} is shown as black and {window.white:g} as white")
    height, width = orientation.to_upright((store.shape[0], store.shape[1]))
    rate = fps if fps is not None else tracked.fps() or DEFAULT_FPS
    scale = TrackedSpacing(tracked, own_mm, orientation, store.frames)
    for words in [*tracked.notes(store.frames), "" if spacing_mm else scale.note]:
        notes.say(path, words)
    info = stream_info(height, width, rate, spacing_mm or scale.first, store.frames)
    info = replace(info, pixel_aspect=_aspect(scale.first))
    times = tracked.presentation_times(store.frames) if fps is None else {}
    return FrameSequence(info, _pictures(store, orientation, tracked, window, scale, times), notes.omitted)


def _pictures(
    store: FrameStore,
    orientation: Orientation,
    tracked: TrackedFrames,
    window: IntensityWindow | None,
    scale: TrackedSpacing,
    times: dict[int, int],
) -> Generator[StoredFrame, None, None]:
    for index, pixels in enumerate(store.pixels()):
        if not tracked.has_picture(index):
            yield StoredFrame(None)
            continue
        image: Image = pixels.astype(np.uint8, copy=False) if window is None else window.apply(pixels)
        spacing_mm, origin = scale.of(index), tracked.origin(index)
        yield StoredFrame(orientation.upright(image), origin, spacing_mm, times.get(index), _aspect(spacing_mm))


def _aspect(spacing_mm: Spacing | None) -> float:
    return spacing_mm[1] / spacing_mm[0] if spacing_mm else 1.0


def _readable_frames(store: FrameStore) -> Iterator[Pixels]:
    """Yield the frames up to where the file is cut off, which is reported when they are played."""
    try:
        yield from store.pixels()
    except SourceError:
        return

"""Computes the spacing and the presentation time of a file's frames, each by what the file states of it."""

from rtseg.frame import Image, Spacing, StreamInfo
from rtseg.spacing import StreamSpacing


class FrameValues:
    """Gives each frame of a file its spacing and its presentation time.

    info: the file's description, in which the user's spacing stands in place of that of the first frame. The spacing follows
    the rule of `StreamSpacing`: where the file states another one for a later frame, the user's changes in the same ratio.
    """

    def __init__(self, info: StreamInfo) -> None:
        self._info, self._spacing = info, StreamSpacing(info.spacing_mm)

    def spacing_mm(self, image: Image, stated: Spacing | None, pixel_aspect: float = 1.0) -> Spacing | None:
        """Return the spacing of the next frame. stated: what the file states for this frame, None where it states nothing."""
        return self._spacing.choose((image.shape[0], image.shape[1]), stated, pixel_aspect)

    def presentation_ns(self, index: int, stated_ns: int | None = None) -> int:
        """Return when a frame is shown: as the file states it, or else by its index and the stream's rate."""
        return round(index * 1e9 / self._info.fps) if stated_ns is None else stated_ns

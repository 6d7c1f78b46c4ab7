"""An H.264 decoder that is fed unit by unit, and how it gets on after a picture that never became whole."""

from collections.abc import Callable

from av import Packet
from av.video.stream import VideoStream

_HEADER = 4  # where a unit's header is: behind FFmpeg's start code
_KEY = (5, 7)  # the types of unit in which a picture begins that needs none before it: IDR slice, sequence parameter set
_MISSED = 3  # pictures in a row; one alone may be a field, or held back to be put in order
_MANY = 1000  # before the first picture there may be any number that give nothing: the stream was joined between key frames


class Restarts:
    """Makes the decoder forget what it was at, once it gives no pictures any more.

    Of a picture that lacks a slice FFmpeg's decoder awaits the rest, takes every unit that comes for it, and refuses all that
    do not fit: the key frames too, and for ever. flush: empties it; pictures come again from the next key frame on.
    """

    def __init__(self, flush: Callable[[], object]) -> None:
        self._flush = flush
        self._pts: int | None = None  # of the picture at hand
        self._begun = _MANY  # pictures since the last one that came out, with that at hand
        self._is_fresh = False

    def before(self, unit: "Packet[VideoStream]") -> None:
        """To be told of each unit before the decoder gets it."""
        if unit.pts != self._pts:
            self._pts, self._begun, self._is_fresh = unit.pts, self._begun + 1, False
        missed = self._begun - 1
        if not self._is_fresh and (missed == _MISSED or (missed > 0 and _begins_anew(unit))):
            self._flush()
            self._is_fresh = True

    def gave(self) -> None:
        """To be told of each picture that came out."""
        self._begun = 0


def _begins_anew(unit: "Packet[VideoStream]") -> bool:
    header = bytes(memoryview(unit)[_HEADER : _HEADER + 1])
    return bool(header) and header[0] & 31 in _KEY

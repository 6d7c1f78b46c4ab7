"""The options of `rtseg run` that end it after a number of frames or seconds."""

from dataclasses import dataclass
from threading import Timer
from typing import Annotated

import typer

from rtseg.result import Result
from rtseg.sources import Source

_ROUNDING = 1e-9  # of a second, so that 25 frames at 25 fps are one second


@dataclass(frozen=True, slots=True)
class LimitOptions:
    """Holds how much of a stream is taken; all of it by default."""

    frames: Annotated[int | None, typer.Option("--frames", min=1, help="End after this number of frames.")] = None
    seconds: Annotated[
        float | None,
        typer.Option(
            "--seconds", min=0.001, help="End after these seconds: of a recording, or since the first frame of a live source."
        ),
    ] = None


class StreamLimit:
    """Ends a run after the frames or the seconds of `LimitOptions`; a live source that gives no frame then is closed too."""

    def __init__(self, options: LimitOptions, source: Source) -> None:
        self._options, self._source = options, source
        self._frames = 0
        self._timer: Timer | None = None

    def is_reached(self, result: Result) -> bool:
        """Return whether this result is the last one."""
        self._frames += 1
        if self._options.seconds is not None and self._source.info.live:
            self._start_timer(self._options.seconds)
        return self._frames == self._options.frames or self._is_over(result)

    def close(self) -> None:
        """Stop the clock."""
        if self._timer is not None:
            self._timer.cancel()

    def _start_timer(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = Timer(seconds, self._source.close)
            self._timer.daemon = True
            self._timer.start()

    def _is_over(self, result: Result) -> bool:
        """Return whether the frame after this one is beyond the seconds of a recording."""
        info, frame = self._source.info, result.frame
        if self._options.seconds is None or info.live:
            return False
        shown_s = frame.index / info.fps if frame.presentation_ns is None else frame.presentation_ns / 1e9
        return shown_s + 1 / info.fps + _ROUNDING >= self._options.seconds

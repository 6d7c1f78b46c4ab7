"""A recording played again and again, for soaks and benchmarks."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from rtseg.errors import ConfigError, SourceError
from rtseg.frame import Frame, StreamInfo
from rtseg.sources.base import Source
from rtseg.sources.open import open_source


class Repeated:
    """Opens a source anew each time it ends, until `frames` frames were given; the index counts on.

    opened: a URI, or what opens the source. Raises ConfigError, and what opening raises.
    """

    def __init__(self, opened: str | Callable[[], Source], frames: int) -> None:
        if frames < 1:
            raise ConfigError(f"a source cannot be repeated for {frames} frames: give at least 1")
        self._open: Callable[[], Source] = (lambda: open_source(opened)) if isinstance(opened, str) else opened
        self._frames, self._given, self._base = frames, 0, 0
        self._source = self._open()
        self._info = replace(self._source.info, frames=frames)
        self._closed = False

    @property
    def info(self) -> StreamInfo:
        """The source's, with the number of frames that will be given."""
        return self._info

    def __iter__(self) -> Iterator[Frame]:
        while not self._closed:
            before = self._given
            yield from self._play()
            if self._given >= self._frames or self._closed:
                return
            if self._given == before:
                raise SourceError("the source to repeat gave no frame: choose one that does")
            self._reopen()

    def close(self) -> None:
        """Close the source that is playing."""
        self._closed = True
        self._source.close()

    def _play(self) -> Iterator[Frame]:
        """One pass, its indices counted on from the pass before."""
        base = self._base
        for frame in self._source:
            self._given, self._base = self._given + 1, base + frame.index + 1
            yield replace(frame, index=base + frame.index)
            if self._given >= self._frames:
                return

    def _reopen(self) -> None:
        self._source.close()
        self._source = self._open()
        if self._closed:  # close() came from another thread meanwhile, and closed the source before
            self._source.close()

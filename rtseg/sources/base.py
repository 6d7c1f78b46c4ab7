"""Defines the `Source` protocol and the checks that all sources share."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from rtseg.connection import ConnectionEvent, LinkState
from rtseg.errors import ConfigError, SourceError, SourceNotFound
from rtseg.frame import Frame, Omission, Spacing, StreamInfo

DEFAULT_FPS = 25.0  # frames a second, for images and streams without a rate of their own


class Source(Protocol):
    """Yields a stream's frames once, in order.

    An iteration continues where the last one stopped; a second pass needs a second source.
    """

    @property
    def info(self) -> StreamInfo:
        """Return what is known of the stream before its first frame."""

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames in order.

        Raises SourceError where the stream breaks, after every frame that could be read.
        """

    def close(self) -> None:
        """Release everything, from any thread; an iteration in progress ends, and closing twice is harmless."""


@dataclass(frozen=True, slots=True)
class SourceDiagnostics:
    """Holds what a live source reports of its present connection."""

    format: str = "unknown"
    """The format of the pictures, as reported by the source."""
    damaged: int = 0
    """The number of damaged pictures, and of messages and parts that were passed over."""
    clock_jumps: int = 0
    """The number of jumps of the source's clock."""
    modes: tuple[str, ...] = ()
    """The modes that the driver of a camera lists, in words."""
    reason: str = ""
    """Why the mode in use was chosen, in words."""


@runtime_checkable
class DiagnosedSource(Source, Protocol):
    """Is a source that reports on its connection, such as one link of a live source."""

    def diagnostics(self) -> SourceDiagnostics:
        """Return what is known of the present connection."""


@runtime_checkable
class ConnectedSource(Source, Protocol):
    """Is a source that reports the events of its connection; the pipeline's report shows them."""

    @property
    def events(self) -> Collection[ConnectionEvent]:
        """Return the newest events of the connection, the oldest first."""

    @property
    def reconnects(self) -> int:
        """Return how often a lost connection had to be opened again."""


@runtime_checkable
class LiveSource(ConnectedSource, DiagnosedSource, Protocol):
    """Is a live stream that reads in a thread of its own, and keeps the newest frame by itself.

    A user's live source needs no more than `Source`; it is then read through a mailbox.
    """

    @property
    def counts(self) -> Mapping[LinkState, int]:
        """Return how often the connection entered each state."""

    @property
    def state(self) -> LinkState:
        """Return the present state of the connection."""

    def keep_newest(self, expect: Callable[[Frame], None] | None = None) -> None:
        """Drop a frame that was not taken for a newer one from now on.

        expect: called with each frame in the reading thread, before the frame can be taken.
        """


class SourceWrapper:
    """Plays the frames of another source, and forwards what that has beyond `Source`: the base of every wrapper.

    A wrapper is a live or connected source where the source that it wraps is one: `as_live_source` and `as_connected_source`
    say so. Elsewhere these members report nothing.
    """

    def __init__(self, source: Source) -> None:
        self._source = source

    @property
    def wrapped(self) -> Source:
        """Return the source that is playing."""
        return self._source

    @property
    def info(self) -> StreamInfo:
        """Return the description of the source."""
        return self._source.info

    @property
    def events(self) -> Collection[ConnectionEvent]:
        """Return the newest events of the connection, the oldest first."""
        connected = as_connected_source(self._source)
        return connected.events if connected else ()

    @property
    def reconnects(self) -> int:
        """Return how often a lost connection had to be opened again."""
        connected = as_connected_source(self._source)
        return connected.reconnects if connected else 0

    @property
    def counts(self) -> Mapping[LinkState, int]:
        """Return how often the connection entered each state."""
        live = as_live_source(self._source)
        return live.counts if live else dict.fromkeys(LinkState, 0)

    @property
    def state(self) -> LinkState:
        """Return the present state of the connection."""
        live = as_live_source(self._source)
        return live.state if live else LinkState.LIVE

    @property
    def omitted(self) -> Sequence[Omission]:
        """Return what the source has left out so far."""
        return omitted_parts(self._source)

    def diagnostics(self) -> SourceDiagnostics:
        """Return what is known of the present connection."""
        return self._source.diagnostics() if isinstance(self._source, DiagnosedSource) else SourceDiagnostics()

    def keep_newest(self, expect: Callable[[Frame], None] | None = None) -> None:
        """Let a live source drop a frame that was not taken for a newer one, as `LiveSource` says."""
        live = as_live_source(self._source)
        if live:
            live.keep_newest(expect)

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._source)

    def close(self) -> None:
        """Close the source."""
        self._source.close()


@runtime_checkable
class OmittingSource(Source, Protocol):
    """Is a source of many parts, such as a folder, that may leave out some of them."""

    @property
    def omitted(self) -> Sequence[Omission]:
        """Return what was left out so far; the list grows while the source is read."""


def omitted_parts(source: object) -> Sequence[Omission]:
    """Return what a source has left out so far, a list that grows while it is read; empty where nothing can be left out."""
    return source.omitted if isinstance(source, OmittingSource) else ()


def as_live_source(source: Source | None) -> LiveSource | None:
    """Return the source if it, and what it wraps, has everything that `LiveSource` names, or None."""
    if isinstance(source, SourceWrapper) and as_live_source(source.wrapped) is None:
        return None
    return source if isinstance(source, LiveSource) else None


def as_connected_source(source: Source) -> ConnectedSource | None:
    """Return the source if it, or what it wraps, reports the events of its connection, or None."""
    if isinstance(source, SourceWrapper) and as_connected_source(source.wrapped) is None:
        return None
    return source if isinstance(source, ConnectedSource) else None


def stream_info(
    height: int, width: int, fps: float, spacing_mm: Spacing | None = None, frames: int | None = None
) -> StreamInfo:
    """Return the checked description of a stream that is not live. Raises ConfigError."""
    if not (math.isfinite(fps) and 0 < fps <= 1000):
        raise ConfigError(f"a frame rate of {fps:g} is out of range: give --fps between 0 and 1000 frames a second")
    if spacing_mm is not None and not (len(spacing_mm) == 2 and all(math.isfinite(mm) and mm > 0 for mm in spacing_mm)):
        raise ConfigError(f"a pixel size of {spacing_mm} is not possible: give two positive numbers, in mm a pixel")
    return StreamInfo(height, width, float(fps), spacing_mm=spacing_mm, frames=frames)


def path_exists(path: str | Path) -> bool:
    """Return whether a path exists; no name raises, however odd or long it is."""
    try:
        Path(path).stat()
    except (OSError, ValueError):
        return False
    return True


def existing_file(path: Path) -> Path:
    """Return the path if it is a regular file. Raises SourceNotFound, SourceError."""
    if not path_exists(path):
        raise SourceNotFound(f"{path} does not exist or is out of reach: check the path and its permissions")
    if not path.is_file():
        raise SourceError(f"{path} is not a file: give the file's own path")
    return path

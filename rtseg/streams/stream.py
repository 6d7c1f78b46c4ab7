"""Describe one of several streams, and how it ended."""

from collections.abc import Callable
from dataclasses import dataclass

from rtseg.pipeline import Pipeline
from rtseg.result import Result


def _never(result: Result) -> bool:  # noqa: ARG001  the signature of `Stream.is_last`
    return False


@dataclass(frozen=True, slots=True)
class Stream:
    """Describes one stream of a `StreamGroup`."""

    name: str
    """A name that no other stream has; messages begin with it."""
    open: Callable[[], Pipeline]
    """Opens the source, and whatever else may block or fail, and returns the pipeline; called in the stream's thread."""
    is_last: Callable[[Result], bool] = _never
    """Returns whether the stream ends after a result; called with each one, after the sinks have it."""


@dataclass(frozen=True, slots=True)
class StreamOutcome:
    """States how a stream ended."""

    name: str
    """Name of the stream."""
    pipeline: Pipeline | None
    """The pipeline, with its report; None where it could not be opened."""
    error: Exception | None = None
    """What ended the stream; None where it came to its end or was stopped."""
    is_stopped: bool = False
    """Whether the group was stopped before the stream ended by itself."""

    @property
    def frames(self) -> int:
        """Return the number of frames that were segmented."""
        counts = self.pipeline.report.counts if self.pipeline else None
        return counts.frames + counts.warmup if counts else 0

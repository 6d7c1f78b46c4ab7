"""Run several streams at once, each in a thread of its own, so that one that stalls or fails delays no other."""

from collections.abc import Generator, Sequence
from contextlib import closing, suppress
from contextvars import copy_context
from queue import Empty, SimpleQueue
from threading import Event, Thread
from time import monotonic

from rtseg.errors import SourceError
from rtseg.pipeline import Pipeline
from rtseg.streams.names import check_names
from rtseg.streams.stream import Stream, StreamOutcome

STOP_S = 5.0  # that streams have to end after `stop`; one that blocks longer is left to its daemon thread
_TICK_S = 0.5  # on Windows, Ctrl-C gets through between two ticks only


class StreamGroup:
    """Runs streams side by side; they share the process and nothing else, unless `Stream.open` hands them something.

    A stream that ends or fails leaves the others alone. A group runs once. Raises ConfigError where two have one name.
    """

    def __init__(self, streams: Sequence[Stream]) -> None:
        check_names([stream.name for stream in streams])
        self._stopped = Event()
        self._outcomes = SimpleQueue[StreamOutcome]()
        self._streams = [_RunningStream(stream, self._stopped, self._outcomes) for stream in streams]

    def run(self) -> Generator[StreamOutcome, None, None]:
        """Start all streams, and yield the outcome of each one when it ends; leaving the loop stops the others."""
        for stream in self._streams:
            stream.thread.start()
        try:
            for _ in self._streams:
                yield self._await_outcome()
        finally:
            self.stop()

    @property
    def running(self) -> tuple[str, ...]:
        """Return the names of the streams that have not ended."""
        return tuple(stream.name for stream in self._streams if stream.thread.is_alive())

    def stop(self) -> None:
        """End all streams after their present frame, and join their threads for STOP_S at most."""
        self._stopped.set()
        for stream in self._streams:
            stream.close_source()
        ends = monotonic() + STOP_S
        for stream in self._streams:
            stream.thread.join(max(0.0, ends - monotonic()))

    def _await_outcome(self) -> StreamOutcome:
        while True:
            with suppress(Empty):
                return self._outcomes.get(timeout=_TICK_S)


class _RunningStream:
    """Runs one stream in a thread, and puts its outcome into a queue."""

    def __init__(self, stream: Stream, stopped: Event, outcomes: "SimpleQueue[StreamOutcome]") -> None:
        self._stream, self._stopped, self._outcomes = stream, stopped, outcomes
        self._pipeline: Pipeline | None = None
        self.name = stream.name
        context = copy_context()
        self.thread = Thread(target=context.run, args=(self._run,), name=f"rtseg-stream-{stream.name}", daemon=True)

    def close_source(self) -> None:
        """Close the source, which ends an iteration in progress."""
        if self._pipeline:
            with suppress(Exception):
                self._pipeline.source.close()

    def _run(self) -> None:
        error: Exception | None = None
        try:
            self._play()
        except Exception as raised:  # noqa: BLE001  the outcome holds it, and the other streams go on
            error = None if self._stopped.is_set() and isinstance(raised, SourceError) else raised
        self._outcomes.put(StreamOutcome(self.name, self._pipeline, error, self._stopped.is_set()))

    def _play(self) -> None:
        self._pipeline = pipeline = self._stream.open()
        if self._stopped.is_set():
            pipeline.source.close()
            return
        with closing(iter(pipeline)) as results:
            for result in results:
                if self._stream.is_last(result) or self._stopped.is_set():
                    return

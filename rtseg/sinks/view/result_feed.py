"""Distribute results as JSON to many subscribers, each at its own pace."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from rtseg.errors import ViewerRefused
from rtseg.result import Result
from rtseg.sinks.jsonl import encoded_result


class FeedMessage(NamedTuple):
    """Holds one result."""

    number: int
    """Counts the published results from 1, so that a gap means that a slow subscriber missed some."""
    json: bytes
    """One frame's line of `JsonSink`, in UTF-8 without a line break."""


class ResultFeed:
    """Keeps the newest results for subscribers; `publish` never blocks, and does nothing without subscribers.

    max_subscribers: limit of concurrent ones. kept: number of results by which a subscriber may fall behind; older ones are
    left out for it.
    """

    def __init__(self, max_subscribers: int = 8, kept: int = 64) -> None:
        self._max_subscribers = max_subscribers
        self._changed = threading.Condition()
        self._messages: deque[FeedMessage] = deque(maxlen=kept)
        self._number = self._subscribers = 0
        self._closed = False

    @property
    def subscribers(self) -> int:
        """Return the number of subscribers."""
        return self._subscribers

    @property
    def is_closed(self) -> bool:
        """Return whether the stream is over."""
        return self._closed

    def open(self) -> None:
        """Begin a stream; the numbers go on."""
        with self._changed:
            self._closed = False
            self._messages.clear()

    def close(self) -> None:
        """End the stream for every subscriber; harmless twice."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def publish(self, result: Result) -> None:
        """Offer one result to the subscribers."""
        if not self._subscribers:
            return
        json = encoded_result(result)
        with self._changed:
            self._number += 1
            self._messages.append(FeedMessage(self._number, json))
            self._changed.notify_all()

    @contextmanager
    def subscriber(self) -> Iterator[int]:
        """Register a subscriber while the block runs, and yield the number after which it reads. Raises ViewerRefused."""
        with self._changed:
            if self._subscribers >= self._max_subscribers:
                raise ViewerRefused(f"{self._subscribers} read the results already: end another one first")
            self._subscribers += 1
            last = self._number
        try:
            yield last
        finally:
            with self._changed:
                self._subscribers -= 1

    def wait_for_newer(self, after: int, timeout_s: float) -> list[FeedMessage]:
        """Block until there are results beyond the number `after`, and return them; none after `timeout_s` or `close`."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._number > after, timeout_s)
            return [message for message in self._messages if message.number > after]

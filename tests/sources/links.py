"""Provides fake links: they yield frames, then end, break, or block until they are closed."""

import threading
import time

import numpy as np

from rtseg.errors import SourceError
from rtseg.frame import Frame, Origin, StreamInfo
from rtseg.sources.live.reconnect import LinkLimits

FAST = LinkLimits(open_s=30, stalled_s=0.05, lost_s=0.15, backoff_s=0.001, backoff_max_s=0.01, seed=1)
BREAKS, ENDS, WAITS = "breaks", "ends", "waits"


class FakeLink:
    """Yields `count` frames a millisecond apart, then does what `then` specifies."""

    def __init__(self, count=3, then=BREAKS, *, size=(4, 6), fps=1000.0, stamps=None, indices=None):
        self.info = StreamInfo(*size, fps)
        self._indices, self._then, self._stamps = indices or range(count), then, stamps
        self.closed = threading.Event()
        self.given = 0

    def __iter__(self):
        for index in self._indices:
            if self.closed.wait(0.001):
                return
            origin = Origin(timestamp_ns=self._stamps(index)) if self._stamps else None
            self.given += 1
            yield Frame(np.zeros((self.info.height, self.info.width), np.uint8), index, time.perf_counter_ns(), origin)
        if self._then == WAITS:
            self.closed.wait(60)
        elif self._then == BREAKS:
            raise SourceError("the cable is out: plug it in")

    def close(self):
        self.closed.set()


class LinkFactory:
    """Opens one fake link after another; for an exception in the list, opening raises it."""

    def __init__(self, *links):
        self._links = list(links)
        self.opened = []
        self.tries = 0

    def __call__(self):
        self.tries += 1
        link = self._links.pop(0) if len(self._links) > 1 else self._links[0]
        if isinstance(link, Exception):
            raise link
        self.opened.append(link)
        return link


def wait_until(condition, limit_s=60):
    """Wait until `condition()` is true, on a machine of any speed."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it never came to be so"
        time.sleep(0.002)


def link_threads():
    """Return the threads that read links."""
    return [thread for thread in threading.enumerate() if thread.name == "rtseg-link"]

"""Register the visitors of the page: each has a stream, a folder and a secret token until its tab is closed."""

import secrets
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

from rtseg.demos.gradio_app.folders import ServerFolder
from rtseg.demos.gradio_app.live import LivePlayer
from rtseg.demos.gradio_app.uploads import MAX_UPLOAD_BYTES
from rtseg.errors import RtsegError, ViewerRefused

MAX_UPLOADS = 2  # concurrent uploads of one client
MAX_STORED_BYTES = 2 * MAX_UPLOAD_BYTES  # of one client's uploads, over all its pages
MAX_CLICKS = 4  # concurrent clicks of one page
MAX_VIEWS = 4  # viewers of one page's video

_SWEEP_S = 2.0
_CLOSING_S = 2.0  # time limit for closing visitors


class VisitorGone(RtsegError, LookupError):
    """Signals that a page was removed, or never existed."""


class Visitor:
    """Holds the state of one open page.

    folder: private to this visitor. client_id: the account and address that opened the page. page: Gradio's session hash.
    """

    def __init__(self, folder: Path, client_id: str = "", page: str = "") -> None:
        self.token = secrets.token_urlsafe(24)  # shared with this page only
        self.folder, self.client_id, self.page = folder, client_id, page
        self.live = LivePlayer()
        self.leaving = threading.Event()  # set when the work is to stop
        self.working = threading.Lock()  # one recording, or one benchmark, at a time
        self.clicks = threading.BoundedSemaphore(MAX_CLICKS)
        self.receiving = -1  # bytes of the current upload; -1 without one
        self.upload: Path | None = None

    @property
    def stored_bytes(self) -> int:
        """Return the bytes of the stored upload and of the current one."""
        try:
            stored = self.upload.stat().st_size if self.upload is not None else 0
        except OSError:
            stored = 0
        return stored + max(0, self.receiving)

    @contextmanager
    def click(self) -> Iterator[None]:
        """Count a click while the block runs. Raises ViewerRefused for too many concurrent clicks of this page."""
        if not self.clicks.acquire(blocking=False):
            raise ViewerRefused("this page is busy with earlier clicks: wait for them to end")
        try:
            yield
        finally:
            self.clicks.release()

    @property
    def is_watching(self) -> bool:
        """Return True while the page receives the video."""
        return self.live.screen.broadcast.viewers > 0

    def close(self) -> None:
        """Stop the work, and delete every file."""
        self.leaving.set()
        self.live.close()
        with self.working:
            shutil.rmtree(self.folder, ignore_errors=True)


class Visitors:
    """Registers the open pages and removes the inactive ones.

    most: maximum number of open pages. patience_s: time without a request or a viewer after which a page is removed. now: a
    clock in seconds.
    """

    def __init__(self, most: int = 4, patience_s: float = 20.0, now: Callable[[], float] = monotonic) -> None:
        self.most, self._patience_s, self._now = most, patience_s, now
        self.folder = ServerFolder()
        self._lock = threading.Lock()
        self._visitors: dict[str, Visitor] = {}
        self._seen_s: dict[str, float] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._sweep_on, name="rtseg-visitors", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        return len(self._visitors)

    def welcome(self, client_id: str = "", page: str = "") -> Visitor:
        """Register another page and return its visitor; a page that is loaded again replaces its former entry.

        When all places are taken, a client that has at least two more pages than this one loses the page that it opened last.
        Raises ViewerRefused when there is no such client.
        """
        with self._lock:
            former = [one for one in self._visitors.values() if page and (one.page, one.client_id) == (page, client_id)]
            if self._closed.is_set() or (not former and len(self._visitors) >= self.most):
                former = [self._newest_of_the_greediest(client_id)]
            for one in former:
                self._forget(one.token)
            visitor = Visitor(self.folder.new(), client_id, page)
            self._visitors[visitor.token], self._seen_s[visitor.token] = visitor, self._now()
        for one in former:
            _dismiss(one)
        return visitor

    def _newest_of_the_greediest(self, client_id: str) -> Visitor:
        pages = Counter(one.client_id for one in self._visitors.values())
        greediest, count = max(pages.items(), key=lambda item: item[1], default=("", 0))
        if self._closed.is_set() or count < pages[client_id] + 2:
            raise ViewerRefused(
                f"{len(self._visitors)} pages are open, and this server takes no more: close one, and reload after a while"
            )
        return [one for one in self._visitors.values() if one.client_id == greediest][-1]

    def _forget(self, token: str) -> Visitor | None:
        self._seen_s.pop(token, None)
        return self._visitors.pop(token, None)

    @contextmanager
    def receive(self, visitor: Visitor) -> Iterator[Callable[[int], bool]]:
        """Count an upload of a visitor while the block runs. Raises ViewerRefused for too many concurrent uploads.

        Yields a function that takes the bytes received so far and returns whether they may be stored.
        """
        with self._lock:
            busy = sum(one.receiving >= 0 for one in self._visitors.values() if one.client_id == visitor.client_id)
            if visitor.receiving >= 0 or busy >= MAX_UPLOADS:
                raise ViewerRefused(
                    f"one upload of a page at a time, and {MAX_UPLOADS} of a visitor: wait for the other to end"
                )
            visitor.receiving = 0

        def allowed(count: int) -> bool:
            with self._lock:
                visitor.receiving = count
                kept = sum(one.stored_bytes for one in self._visitors.values() if one.client_id == visitor.client_id)
            return kept <= MAX_STORED_BYTES and not visitor.leaving.is_set()

        try:
            yield allowed
        finally:
            visitor.receiving = -1

    def find(self, token: str) -> Visitor:
        """Return the visitor of a token and mark it as active. Raises VisitorGone."""
        with self._lock:
            if token not in self._visitors:
                raise VisitorGone(
                    "this page was away for too long, or lost its place to another visitor; its work was stopped: reload it"
                )
            self._seen_s[token] = self._now()
            return self._visitors[token]

    def leave(self, token: str) -> None:
        """Remove a page that was closed; harmless for an unknown token."""
        with self._lock:
            visitor = self._forget(token)
        if visitor is not None:
            _dismiss(visitor)

    def sweep(self) -> None:
        """Remove the inactive pages."""
        with self._lock:
            for token, visitor in self._visitors.items():
                if visitor.is_watching:
                    self._seen_s[token] = self._now()
            gone = [token for token, seen_s in self._seen_s.items() if self._now() - seen_s > self._patience_s]
        for token in gone:
            self.leave(token)

    def close(self) -> None:
        """Remove all pages concurrently, within about four seconds even if one hangs."""
        self._closed.set()
        self._thread.join(_CLOSING_S)
        with self._lock:
            leaving = [self._forget(token) for token in list(self._visitors)]
        _dismiss(*(visitor for visitor in leaving if visitor is not None))
        self.folder.close()

    def _sweep_on(self) -> None:
        while not self._closed.wait(_SWEEP_S):
            self.sweep()


def _dismiss(*visitors: Visitor) -> None:
    """Close visitors in threads of their own, so that one that hangs does not block the others."""
    threads = [threading.Thread(target=one.close, name="rtseg-leave", daemon=True) for one in visitors]
    for visitor, thread in zip(visitors, threads, strict=True):
        visitor.leaving.set()
        thread.start()
    ends = monotonic() + _CLOSING_S
    for thread in threads:
        thread.join(max(0.0, ends - monotonic()))

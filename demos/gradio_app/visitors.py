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
from rtseg.demos.gradio_app.live import Live
from rtseg.demos.gradio_app.uploads import MOST_BYTES
from rtseg.errors import RtsegError, ViewerRefused

MOST_UPLOADS = 2  # concurrent uploads of one client
MOST_KEPT = 2 * MOST_BYTES  # of one client's uploads, over all its pages
MOST_CLICKS = 4  # concurrent clicks of one page
MOST_VIEWS = 4  # viewers of one page's video

_SWEEP_S = 2.0
_CLOSING_S = 2.0  # time limit for closing visitors


class VisitorGone(RtsegError, LookupError):
    """Signals that a page was removed, or never existed."""


class Visitor:
    """Holds the state of one open page.

    folder: private to this visitor. client_id: the account and address that opened the page. page: Gradio's session hash.
    """

    def __init__(self, folder: Path, party: str = "", page: str = "") -> None:
        self.token = secrets.token_urlsafe(24)  # shared with this page only
        self.folder, self.party, self.page = folder, party, page
        self.live = Live()
        self.leaving = threading.Event()  # set when the work is to stop
        self.working = threading.Lock()  # one recording, or one benchmark, at a time
        self.clicks = threading.BoundedSemaphore(MOST_CLICKS)
        self.receiving = -1  # bytes of the current upload; -1 without one
        self.upload: Path | None = None

    @property
    def kept(self) -> int:
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
    def watching(self) -> bool:
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
        self._here: dict[str, Visitor] = {}
        self._seen_s: dict[str, float] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._sweep_on, name="rtseg-visitors", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        return len(self._here)

    def welcome(self, party: str = "", page: str = "") -> Visitor:
        """Register another page and return its visitor; a page that is loaded again replaces its former entry.

        When all places are taken, a client that has at least two more pages than this one loses the page that it opened last.
        Raises ViewerRefused when there is no such client.
        """
        with self._lock:
            former = [one for one in self._here.values() if page and (one.page, one.party) == (page, party)]
            if self._closed.is_set() or (not former and len(self._here) >= self.most):
                former = [self._newest_of_the_greediest(party)]
            for one in former:
                self._forget(one.token)
            visitor = Visitor(self.folder.new(), party, page)
            self._here[visitor.token], self._seen_s[visitor.token] = visitor, self._now()
        for one in former:
            _dismiss(one)
        return visitor

    def _newest_of_the_greediest(self, party: str) -> Visitor:
        pages = Counter(one.party for one in self._here.values())
        greediest, count = max(pages.items(), key=lambda item: item[1], default=("", 0))
        if self._closed.is_set() or count < pages[party] + 2:
            raise ViewerRefused(
                f"{len(self._here)} pages are open, and this server takes no more: close one, and reload after a while"
            )
        return [one for one in self._here.values() if one.party == greediest][-1]

    def _forget(self, token: str) -> Visitor | None:
        self._seen_s.pop(token, None)
        return self._here.pop(token, None)

    @contextmanager
    def receive(self, visitor: Visitor) -> Iterator[Callable[[int], bool]]:
        """Count an upload of a visitor while the block runs. Raises ViewerRefused for too many concurrent uploads.

        Yields a function that takes the bytes received so far and returns whether they may be stored.
        """
        with self._lock:
            busy = sum(one.receiving >= 0 for one in self._here.values() if one.party == visitor.party)
            if visitor.receiving >= 0 or busy >= MOST_UPLOADS:
                raise ViewerRefused(
                    f"one upload of a page at a time, and {MOST_UPLOADS} of a visitor: wait for the other to end"
                )
            visitor.receiving = 0

        def allowed(count: int) -> bool:
            with self._lock:
                visitor.receiving = count
                kept = sum(one.kept for one in self._here.values() if one.party == visitor.party)
            return kept <= MOST_KEPT and not visitor.leaving.is_set()

        try:
            yield allowed
        finally:
            visitor.receiving = -1

    def find(self, token: str) -> Visitor:
        """Return the visitor of a token and mark it as active. Raises VisitorGone."""
        with self._lock:
            if token not in self._here:
                raise VisitorGone(
                    "this page was away for too long, or lost its place to another visitor; its work was stopped: reload it"
                )
            self._seen_s[token] = self._now()
            return self._here[token]

    def leave(self, token: str) -> None:
        """Remove a page that was closed; harmless for an unknown token."""
        with self._lock:
            visitor = self._forget(token)
        if visitor is not None:
            _dismiss(visitor)

    def sweep(self) -> None:
        """Remove the inactive pages."""
        with self._lock:
            for token, visitor in self._here.items():
                if visitor.watching:
                    self._seen_s[token] = self._now()
            gone = [token for token, seen_s in self._seen_s.items() if self._now() - seen_s > self._patience_s]
        for token in gone:
            self.leave(token)

    def close(self) -> None:
        """Remove all pages concurrently, within about four seconds even if one hangs."""
        self._closed.set()
        self._thread.join(_CLOSING_S)
        with self._lock:
            leaving = [self._forget(token) for token in list(self._here)]
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

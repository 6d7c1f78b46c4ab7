"""The visitors of the page: each has a stream, a folder and a secret of its own, and goes when its tab is closed."""

import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from rtseg.demos.gradio_app.live import Live
from rtseg.errors import RtsegError, ViewerRefused

_SWEEP_S = 2.0


class VisitorGone(RtsegError, LookupError):
    """A page is not known any more, or never was."""


class Visitor:
    """One open page.

    token: known to this page alone. folder: what it uploaded, and what was made of it. leaving: set when the work is to stop.
    """

    def __init__(self) -> None:
        self.token = secrets.token_urlsafe(24)
        self.folder = Path(tempfile.mkdtemp(prefix="rtseg-demo-"))
        self.live, self.leaving = Live(), threading.Event()
        self.working = threading.Lock()  # one recording, or one benchmark, at a time
        self.upload: Path | None = None

    @property
    def watching(self) -> bool:
        """Whether the page takes pictures."""
        return self.live.screen.broadcast.viewers > 0

    def close(self) -> None:
        """Stop the work, and delete every file."""
        self.leaving.set()
        self.live.close()
        with self.working:
            shutil.rmtree(self.folder, ignore_errors=True)


class Visitors:
    """Everybody who has the page open.

    most: at once. patience_s: a page that has neither asked nor watched for so long is gone. now: a clock in seconds.
    """

    def __init__(self, most: int = 4, patience_s: float = 20.0, now: Callable[[], float] = monotonic) -> None:
        self._most, self._patience_s, self._now = most, patience_s, now
        self._lock = threading.Lock()
        self._here: dict[str, Visitor] = {}
        self._seen_s: dict[str, float] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._sweep_on, name="rtseg-visitors", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        return len(self._here)

    def welcome(self) -> Visitor:
        """Another page. Raises ViewerRefused where there are too many."""
        with self._lock:
            if self._closed.is_set() or len(self._here) >= self._most:
                raise ViewerRefused(
                    f"{len(self._here)} pages are open, and this server takes no more: close one, and reload after a while"
                )
            visitor = Visitor()
            self._here[visitor.token], self._seen_s[visitor.token] = visitor, self._now()
            return visitor

    def find(self, token: str) -> Visitor:
        """The page of a token, which was heard of just now. Raises VisitorGone."""
        with self._lock:
            if token not in self._here:
                raise VisitorGone("this page was away for too long and its work was stopped: reload it")
            self._seen_s[token] = self._now()
            return self._here[token]

    def leave(self, token: str) -> None:
        """A page was closed; harmless for one that is not known."""
        with self._lock:
            visitor = self._here.pop(token, None)
            self._seen_s.pop(token, None)
        if visitor is not None:
            visitor.close()

    def sweep(self) -> None:
        """Let those go who have not been heard of."""
        with self._lock:
            for token, visitor in self._here.items():
                if visitor.watching:
                    self._seen_s[token] = self._now()
            gone = [token for token, seen_s in self._seen_s.items() if self._now() - seen_s > self._patience_s]
        for token in gone:
            self.leave(token)

    def close(self) -> None:
        """Let everybody go."""
        self._closed.set()
        self._thread.join()
        for token in list(self._here):
            self.leave(token)

    def _sweep_on(self) -> None:
        while not self._closed.wait(_SWEEP_S):
            self.sweep()

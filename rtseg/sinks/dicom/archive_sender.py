"""Sends objects to an archive in a thread, from a spool that outlives the run."""

from pathlib import Path
from threading import Condition, Thread

from rtseg.errors import RtsegError, SinkError
from rtseg.sinks.dicom.archive_address import ArchiveAddress
from rtseg.sinks.dicom.send_spool import SendSpool
from rtseg.sinks.dicom.store_client import StoreClient
from rtseg.text.log_records import get_logger

_RETRY_S = 60.0  # while a stream goes on
_END_S = 10.0  # for the thread to end once it is cancelled
_log = get_logger(__name__)


class ArchiveSender:
    """Sends what waits in a spool, and what is added; an object leaves the spool once the archive has taken it.

    wait_s: how long `close` waits for the archive. silence_s: how long an archive may be silent. sent: objects that it has
    taken. Raises MissingExtra without pynetdicom.
    """

    def __init__(self, archive: ArchiveAddress, folder: Path, *, wait_s: float = 60.0, silence_s: float = 30.0) -> None:
        self._archive, self._spool = archive, SendSpool(folder / archive.folder_name)
        self._wait_s, self._silence_s = wait_s, silence_s
        self._changed, self._is_ending, self._is_due, self._is_cancelled = Condition(), False, True, False
        self._client: StoreClient | None = None
        self._thread: Thread | None = None
        self._problem = ""
        self.sent = 0

    def open(self) -> None:
        """Begin to send what an earlier run has left. Raises SinkError where the spool cannot be made."""
        self.close()
        self._problem, self.sent, self._is_ending, self._is_due = "", 0, False, True
        self._is_cancelled = False
        if not self._spool.open():
            self._problem = "another run sends there now"
            return
        self._thread = Thread(target=self._run, name="rtseg-dicom-send", daemon=True)
        self._thread.start()

    def add(self, path: Path, name: str) -> None:
        """Spool a file. name: tells the object apart, such as its UID. A full disk is logged; the file itself stays."""
        try:
            self._spool.add(path, name)
        except (OSError, SinkError) as error:
            reason = getattr(error, "strerror", None) or error
            _log.warning("%s cannot be kept for %s (%s): make room, and send the file yourself", path, self._archive, reason)
            return
        with self._changed:
            self._is_due = True
            self._changed.notify_all()

    def close(self) -> None:
        """Send what waits, as far as the archive takes it in time, and log what is left; closing twice is harmless."""
        thread, self._thread = self._thread, None
        if thread is not None:
            with self._changed:
                self._is_ending = True
                self._changed.notify_all()
            thread.join(self._wait_s)
            if thread.is_alive():
                self._cancel()
                thread.join(_END_S)
                self._problem = f"it has not taken all within {self._wait_s:g} s"
        elif not self._problem:
            return
        left = len(self._spool.pending())
        self._spool.close()
        if left:
            _log.warning(
                "%d DICOM objects wait for %s in %s (%s): the next run with --dicom-send sends them",
                *(left, self._archive, self._spool.folder, self._problem or "they were added meanwhile"),
            )
        self._problem = ""

    def _cancel(self) -> None:
        with self._changed:
            client, self._is_cancelled = self._client, True
        if client:
            client.cancel()

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._is_due and not self._is_ending:
                    self._changed.wait(_RETRY_S)
                is_last, self._is_due = self._is_ending, False
            if files := self._spool.pending():
                self._send(files)
            if is_last or self._is_cancelled:
                return

    def _send(self, files: list[Path]) -> None:
        """Send files in one association; those that are not taken stay."""
        client, self._problem = StoreClient(self._archive, files, self._silence_s), ""
        with self._changed:
            if self._is_cancelled:
                return
            self._client = client
        try:
            client.connect()
            for file in files:
                if not self._is_cancelled:
                    self._send_one(client, file)
        except RtsegError as error:
            self._problem = str(error)
        finally:
            with self._changed:
                self._client = None
            client.close()

    def _send_one(self, client: StoreClient, file: Path) -> None:
        try:
            warning = client.send(file)
        except RtsegError as error:
            self._problem = str(error)
            return
        if warning:
            _log.warning("%s: %s", file.name, warning)
        self._spool.remove(file)
        self.sent += 1

"""Codes the results of a stream in a thread of its own."""

from pathlib import Path
from threading import Thread

from rtseg.result import Result
from rtseg.sinks.dicom.frame_backlog import FrameBacklog
from rtseg.sinks.dicom.stream_spool import StreamSpool


class CodingThread:
    """Passes results to a spool, in order. After its first error, the rest of the stream is discarded.

    folder: on whose disk a live stream's results wait. is_live: whether `put` must not block.
    """

    def __init__(self, spool: StreamSpool, folder: Path, *, is_live: bool) -> None:
        self.spool, self._backlog = spool, FrameBacklog(folder, is_live=is_live)
        self._failure: BaseException | None = None
        self._was_raised = False
        self._thread = Thread(target=self._run, name="rtseg-dicom", daemon=True)  # a missing `finish` must not keep the process
        self._thread.start()

    @property
    def spilled(self) -> int:
        """Return the number of results that waited on disk."""
        return self._backlog.spilled

    def put(self, result: Result) -> None:
        """Add a result. Raises OSError where it or an earlier one could not be kept."""
        if self._failure is not None:
            self._was_raised = True
            raise self._failure
        self._backlog.put(result)

    def finish(self) -> BaseException | None:
        """Wait until every result is coded, and end the thread; return the error that `put` has not raised yet."""
        self._backlog.finish()
        self._thread.join()
        self._backlog.close()
        return None if self._was_raised else self._failure

    def _run(self) -> None:
        while (result := self._backlog.get()) is not None:
            if self._failure is None:
                try:
                    self.spool.add(result)
                except BaseException as error:  # noqa: BLE001  stored, and raised in the thread of the stream
                    self._failure = error

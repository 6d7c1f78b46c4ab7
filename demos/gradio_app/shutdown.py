"""End the server within five seconds of a signal, even when a thread hangs."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from types import FrameType

import uvicorn

from rtseg.exit_codes import EXIT_INTERRUPTED

_FORCED_S = 3.5  # after the signal, until the process exits without further cleanup
_KILLED_S = 4.3  # after the signal, until the watchdog process kills this one: native code may hold the interpreter's lock

# Reads signal numbers from stdin until the server has ended; kills a server that does not end, and removes its folder.
_WATCHDOG_CODE = f"""
import os, select, shutil, sys
server, folder = int(sys.argv[1]), sys.argv[2]
while True:
    came = os.read(0, 64)
    if not came:
        sys.exit()
    if set(came) & {{{int(signal.SIGINT)}, {int(signal.SIGTERM)}}}:
        break
from time import monotonic
ends = monotonic() + {_KILLED_S}
while select.select([0], [], [], max(0, ends - monotonic()))[0]:
    if not os.read(0, 64):
        sys.exit()
if os.getppid() == server:
    os.kill(server, 9)
    shutil.rmtree(folder, True)
"""


class BoundedShutdownServer(uvicorn.Server):
    """Runs a uvicorn server and ends the process within five seconds of SIGINT or SIGTERM.

    folder: removed before a forced exit, so that no visitor's file stays.
    """

    def __init__(self, config: uvicorn.Config, folder: Path | None = None) -> None:
        super().__init__(config)
        self._folder = folder
        self._is_ending = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Start the shutdown and the timer of the forced exit."""
        if not self._is_ending:
            self._is_ending = True
            threading.Thread(target=self._force, name="rtseg-end", daemon=True).start()
        super().handle_exit(sig, frame)

    def _force(self) -> None:
        sleep(_FORCED_S)
        if self._folder is not None:
            remover = threading.Thread(target=shutil.rmtree, args=(self._folder, True), daemon=True)
            remover.start()
            remover.join(0.5)
        os._exit(EXIT_INTERRUPTED)


@contextmanager
def shutdown_watchdog(folder: Path) -> Iterator[None]:
    """Run a watchdog process that kills this one 4.3 s after a signal; on POSIX and in the main thread only."""
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    command = [sys.executable, "-I", "-S", "-c", _WATCHDOG_CODE, str(os.getpid()), str(folder)]
    with subprocess.Popen(command, stdin=reading, stdout=subprocess.DEVNULL, start_new_session=True):
        os.close(reading)
        former = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(former)
            os.close(writing)

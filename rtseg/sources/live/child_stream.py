"""Reads a stream through a program of this machine, for protocols that the FFmpeg inside PyAV was built without."""

import os
import select
import shutil
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic

import av
from av.container import InputContainer

from rtseg.errors import SourceError
from rtseg.sources.live.ffmpeg_link import LinkSettings, StreamLink
from rtseg.sources.pixels.decoder import size_limit
from rtseg.sources.transport_reader import RepairedReader
from rtseg.text.safe_text import safe_text

_STOP_S = 2.0  # for the program to end by itself
_MAX_WORDS = 400  # characters of what the program reports


def srt_command(address: str) -> list[str] | None:
    """Return the command of a program found here that writes an SRT stream to its output as MPEG-TS; None without one.

    The arguments go to the program as they are, through no shell.
    """
    if program := shutil.which("ffmpeg"):
        quiet = ["-hide_banner", "-nostdin", "-loglevel", "error", "-analyzeduration", "500000"]
        return [program, *quiet, "-i", address, "-map", "0:v:0", "-c", "copy", "-flush_packets", "1", "-f", "mpegts", "pipe:1"]
    if program := shutil.which("srt-live-transmit"):
        return [program, "-q", "-a:no", address, "file://con"]
    return None


class ChildPipe:
    """Runs a program and reads its output for PyAV, within time-outs. command: the program and its arguments.

    open_s: until its first output, in seconds; read_s: between two pieces of it. Raises SourceError where it cannot start.
    """

    def __init__(self, command: Sequence[str], name: str, open_s: float, read_s: float) -> None:
        self._timeout_s, self._read_s, self._name = open_s, read_s, name
        self._closed, self._read_lock = threading.Event(), threading.Lock()
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,  # a signal of the terminal is for rtseg, which ends the program itself
            )
        except OSError as error:
            raise SourceError(f"{command[0]} cannot be started for {name} ({error.strerror}): check the program") from None
        self._words = b""
        self._reporter = threading.Thread(target=self._collect_words, name="rtseg-child", daemon=True)
        self._reporter.start()

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes as soon as there are any; none at the end, after a time-out, or once closed."""
        output, deadline_s = self._process.stdout, monotonic() + self._timeout_s
        with self._read_lock:
            while output is not None and not self._closed.is_set() and monotonic() < deadline_s:
                if os.name == "nt" or select.select([output], [], [], 0.1)[0]:  # Windows cannot select a pipe
                    self._timeout_s = self._read_s
                    return os.read(output.fileno(), size)
        return b""

    def problem(self) -> str:
        """Return what the program reported, without credentials, or ""."""
        return safe_text(self._words.decode("utf-8", "replace").strip())[:_MAX_WORDS]

    def close(self) -> None:
        """End the program, from any thread; a read in progress ends."""
        self._closed.set()
        if self._process.poll() is None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_S)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._reporter.join(_STOP_S)
        with self._read_lock:
            for stream in (self._process.stdout, self._process.stderr):
                if stream is not None:
                    stream.close()

    def _collect_words(self) -> None:
        """Read what the program reports, so that it never blocks on it; the begin is held."""
        errors = self._process.stderr
        while errors is not None and (piece := errors.read(4096)):
            self._words = (self._words + piece)[: 4 * _MAX_WORDS]


class ChildLink(StreamLink):
    """Reads MPEG-TS from the output of a program, which ends with the link. Raises SourceError."""

    def __init__(self, command: Sequence[str], settings: LinkSettings, open_s: float, read_s: float) -> None:
        self._pipe = ChildPipe(command, settings.name, open_s, read_s)
        try:
            super().__init__(self._open, settings)
        except SourceError as error:
            self._pipe.close()
            if problem := self._pipe.problem():
                raise SourceError(f"{error} [{Path(command[0]).name}: {problem}]") from None
            raise
        except BaseException:
            self._pipe.close()
            raise

    def close(self) -> None:
        """Close the connection and end the program."""
        self._pipe.close()
        super().close()

    def _open(self) -> InputContainer:
        options = {"analyzeduration": "500000", "fpsprobesize": "3", **size_limit()}
        return av.open(RepairedReader(self._pipe.read), mode="r", format="mpegts", options=options, metadata_errors="replace")

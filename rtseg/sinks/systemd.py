"""Tells systemd that frames come through, so that it can start rtseg anew when they do not (sd_notify's protocol)."""

import os
import socket
from time import monotonic

from rtseg.errors import SinkError
from rtseg.frame import StreamInfo
from rtseg.result import Result
from rtseg.sinks.base import Sink

EVERY_S = 1.0  # at the most often


class WatchdogSink:
    """Pets systemd's watchdog with each frame. address: what systemd names in $NOTIFY_SOCKET."""

    def __init__(self, address: str | None = None) -> None:
        self._address = address or os.environ.get("NOTIFY_SOCKET", "")
        if not self._address:
            raise SinkError("systemd has named no $NOTIFY_SOCKET: run rtseg as a service with Type=notify")
        self._socket: socket.socket | None = None
        self._next_s = 0.0

    def open(self, info: StreamInfo) -> None:  # noqa: ARG002  as every sink's
        """Say that the stream has begun. Raises SinkError."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)
        self._tell("READY=1")

    def write(self, result: Result) -> None:
        """Say that a frame came through."""
        if monotonic() >= self._next_s:
            self._next_s = monotonic() + EVERY_S
            self._tell(f"WATCHDOG=1\nSTATUS=frame {result.frame.index}, {result.segmentation.life.value}")

    def close(self) -> None:
        """Say that the stream has ended; closing twice is harmless."""
        if self._socket:
            self._tell("STOPPING=1")
            self._socket.close()
            self._socket = None

    def _tell(self, text: str) -> None:
        # An address that begins with @ is an abstract one.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            if self._socket:
                self._socket.sendto(text.encode(), address)
        except BlockingIOError:
            pass  # systemd has not read the last one yet, which says the same
        except OSError as error:
            raise SinkError(f"systemd cannot be told that frames come ({error}): is $NOTIFY_SOCKET right?") from error


def watchdogs() -> list[Sink]:
    """The watchdog's sink, where systemd asks for it."""
    return [WatchdogSink()] if os.environ.get("NOTIFY_SOCKET") else []

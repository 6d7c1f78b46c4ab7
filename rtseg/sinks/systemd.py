"""Notify systemd's watchdog of each frame, so that systemd restarts a stalled rtseg (sd_notify(3))."""

import os
import socket
from time import monotonic

from rtseg.errors import SinkError
from rtseg.frame import StreamInfo
from rtseg.result import Result
from rtseg.sinks.base import Sink

NOTIFY_INTERVAL_S = 1.0  # minimum time between two notifications


class WatchdogSink:
    """Notifies systemd's watchdog of frames. address: the socket's path; $NOTIFY_SOCKET by default. Raises SinkError."""

    def __init__(self, address: str | None = None) -> None:
        self._address = address or os.environ.get("NOTIFY_SOCKET", "")
        if not self._address:
            raise SinkError("systemd has named no $NOTIFY_SOCKET: run rtseg as a service with Type=notify")
        self._socket: socket.socket | None = None
        self._next_s = 0.0

    def open(self, info: StreamInfo) -> None:  # noqa: ARG002  as every sink's
        """Notify systemd that the stream has started. Raises SinkError."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)
        self._notify("READY=1")

    def write(self, result: Result) -> None:
        """Notify systemd of a processed frame, at most once a second. Raises SinkError."""
        if monotonic() >= self._next_s:
            self._next_s = monotonic() + NOTIFY_INTERVAL_S
            self._notify(f"WATCHDOG=1\nSTATUS=frame {result.frame.index}, {result.segmentation.life.value}")

    def close(self) -> None:
        """Notify systemd that the stream has ended; closing twice is harmless. Raises SinkError."""
        if self._socket:
            self._notify("STOPPING=1")
            self._socket.close()
            self._socket = None

    def _notify(self, text: str) -> None:
        # A leading @ denotes an abstract socket address.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            if self._socket:
                self._socket.sendto(text.encode(), address)
        except BlockingIOError:
            pass  # an unread notification is still in the socket and has the same effect
        except OSError as error:
            raise SinkError(f"systemd cannot be told that frames come ({error}): is $NOTIFY_SOCKET right?") from error


def watchdog_sinks() -> list[Sink]:
    """Return the watchdog sink in a list, or no sink when $NOTIFY_SOCKET is not set."""
    return [WatchdogSink()] if os.environ.get("NOTIFY_SOCKET") else []

"""Show the stream in a window on this machine's screen."""

import os
import sys

import cv2

from rtseg.errors import SinkError
from rtseg.frame import StreamInfo
from rtseg.overlay import Overlay
from rtseg.result import Result

_NAME = "rtseg: research software, not a medical device"
_REMEDY = "show it in a browser with --view, or put OpenCV with windows in the place of opencv-python-headless"


class WindowSink:
    """Draws each result into a window; Esc, Q or closing it raises KeyboardInterrupt, as Ctrl-C does."""

    def __init__(self, overlay: Overlay | None = None) -> None:
        self._overlay, self._open = overlay or Overlay(), False

    def open(self, info: StreamInfo) -> None:
        """Open the window in the stream's size. Raises SinkError without a display, or with a headless OpenCV."""
        if not has_display():
            raise SinkError(f"no window can be opened, since there is no display here: {_REMEDY}")
        try:
            cv2.namedWindow(_NAME, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
            cv2.resizeWindow(_NAME, info.width, info.height)
        except cv2.error as error:
            raise SinkError(f"this OpenCV opens no window ({str(error.err).partition('.')[0]}): {_REMEDY}") from error
        self._open = True

    def write(self, result: Result) -> None:
        """Draw and show one result, timed as the stage "window". Raises KeyboardInterrupt when the user closes the window."""
        with result.trace.stage("window"):
            cv2.imshow(_NAME, cv2.cvtColor(self._overlay.draw(result), cv2.COLOR_RGB2BGR))
            key = cv2.waitKey(1)
        if key in (27, ord("q")) or cv2.getWindowProperty(_NAME, cv2.WND_PROP_VISIBLE) < 1:
            raise KeyboardInterrupt

    def close(self) -> None:
        """Close the window."""
        if self._open:
            self._open = False
            cv2.destroyWindow(_NAME)


def has_display() -> bool:
    """Return whether windows can be shown; without a display, OpenCV's Qt ends the process instead of raising."""
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))

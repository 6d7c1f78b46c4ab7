"""A broadcast as MJPEG, which every browser plays in an <img>: one part of a multipart answer for each picture."""

from collections.abc import Iterator

from rtseg.sinks.view.broadcast import Broadcast, Coded

BOUNDARY = "rtseg-picture"
CONTENT_TYPE = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
# Chromium shows a picture when the head of the next one has come. It is sent at once, long before the next picture is there,
# and so without a length; else what is seen would always be one frame old.
HEAD = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\n\r\n".encode()
SEND_BUFFER = 1 << 17  # bytes in the kernel for a viewer: about a picture, so that one who is slow gets none from long ago
PATIENCE_S = 0.5  # how long a wait for a picture may take, until the viewer is looked after


def part(coded: Coded) -> bytes:
    """One picture, and the head of the next."""
    return coded.jpeg + b"\r\n" + HEAD


def parts(broadcast: Broadcast) -> Iterator[bytes]:
    """What a viewer is sent until the stream is over; b"" now and then while there is nothing new."""
    number = 0
    yield HEAD
    while not broadcast.closed:
        coded = broadcast.next(number, PATIENCE_S)
        number = coded.number if coded else number
        yield part(coded) if coded else b""

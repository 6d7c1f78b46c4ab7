"""Format a broadcast as MJPEG, which every browser plays in an <img>: a multipart response, one part per image."""

from collections.abc import Iterator

from rtseg.sinks.view.broadcast import Broadcast, EncodedFrame

BOUNDARY = "rtseg-picture"
CONTENT_TYPE = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
# Chromium shows an image when the header of the next part arrives. So that header is sent immediately, without a length;
# otherwise the display would always lag one frame behind.
PART_HEADER = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\n\r\n".encode()
SEND_BUFFER = 1 << 17  # bytes of the kernel's send buffer: about one image, so that a slow viewer gets no old ones
POLL_S = 0.5  # between two checks of the viewer while no image arrives


def multipart_part(coded: EncodedFrame) -> bytes:
    """Return the body of one image's part, followed by the header of the next."""
    return coded.jpeg + b"\r\n" + PART_HEADER


def multipart_parts(broadcast: Broadcast) -> Iterator[bytes]:
    """Yield the parts of the response until the stream is over; b"" twice a second while there is no new image."""
    number = 0
    yield PART_HEADER
    while not broadcast.is_closed:
        coded = broadcast.wait_for_newer(number, POLL_S)
        number = coded.number if coded else number
        yield multipart_part(coded) if coded else b""

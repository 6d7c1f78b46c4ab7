"""Finds out what an HTTP address gives: JPEG pictures, which are read here, or a stream for FFmpeg."""

import re
from collections.abc import Callable, Mapping
from time import monotonic

from rtseg.errors import SourceError
from rtseg.sources.base import Source
from rtseg.sources.live.byte_link import PROBE, ByteLink
from rtseg.sources.live.byte_stream import ByteStream, ResponseBytes
from rtseg.sources.live.ffmpeg_link import LinkSettings
from rtseg.sources.live.http_request import HttpClient, HttpStream
from rtseg.sources.live.mjpeg_link import MjpegLink
from rtseg.sources.pixels.decoder import size_limit
from rtseg.sources.transport_packets import is_transport_stream

_PICTURE = b"\xff\xd8"
_SNIFFED_BYTES = 512
_OTHER_STILLS = {
    "PNG": re.compile(rb"\x89PNG\r\n"),
    "WebP": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "BMP": re.compile(rb"BM....\0\0\0\0", re.DOTALL),
    "TIFF": re.compile(rb"II\*\0|MM\0\*"),
}
_SNIFFED_S = 1.0  # between two pieces of them
_CLEAR = (_PICTURE, b"--")  # a begin that needs no more


class WebOpener:
    """Opens the links of one HTTP address. open_stream: opens it through FFmpeg, where it gives no JPEG nor endless MPEG-TS.

    read_s: between two pieces of data.
    """

    def __init__(self, client: HttpClient, settings: LinkSettings, open_stream: Callable[[], Source], read_s: float) -> None:
        self._client, self._settings, self._open_stream, self._read_s = client, settings, open_stream, read_s
        self._is_for_ffmpeg = not client.is_direct()

    def open(self) -> Source:
        """Return a link. Raises SourceError."""
        if not self._is_for_ffmpeg and (link := open_web_camera(self._client, self._settings, self._read_s)):
            return link
        self._is_for_ffmpeg = not self._client.is_direct()
        stream = self._open_stream()
        self._is_for_ffmpeg = True  # it need not be requested twice to reconnect
        return stream


def open_web_camera(client: HttpClient, settings: LinkSettings, read_s: float) -> Source | None:
    """Return a link to the pictures that an address gives; None where it gives something else than JPEG or endless MPEG-TS.

    Servers that state no type, or a wrong one, are recognized by the first bytes. Raises SourceError.
    """
    stream = client.open()
    if stream is None:
        return None
    is_multipart, head = stream.content_type.startswith("multipart/"), b""
    if not is_multipart:
        head = _first_bytes(stream, settings.name, monotonic() + client.open_s)
        if stream.is_endless and is_transport_stream(head):
            return _open_transport(stream, head, settings, (client.open_s, read_s))
        if (kind := _other_still(head)) and not stream.is_endless:
            stream.close()
            raise SourceError(
                f"{settings.name} gives a single {kind} picture, and only JPEG is requested again and again: have the "
                "server send JPEG, or save the pictures to a folder"
            )
        head = head.lstrip()
        is_multipart = head.startswith(b"--") or b"content-type: image/jp" in head[:_SNIFFED_BYTES].lower()
    if not (is_multipart or head.startswith(_PICTURE)):
        stream.close()
        return None
    return MjpegLink(client, stream, head, settings, is_still=not is_multipart)


def _other_still(head: bytes) -> str:
    """Return the kind of a still picture other than JPEG that begins so, or ""; animations are films."""
    is_animated = b"acTL" in head or b"ANIM" in head
    return next((kind for kind, begin in _OTHER_STILLS.items() if begin.match(head)), "") if not is_animated else ""


def _open_transport(stream: HttpStream, head: bytes, settings: LinkSettings, limits_s: tuple[float, float]) -> Source:
    def open_bytes(_address: str, _options: Mapping[str, str]) -> ByteStream:
        return ResponseBytes(stream, head, limits_s[1])

    return ByteLink("http:", open_bytes, settings, PROBE | size_limit(), limits_s, "mpegts")


def _first_bytes(stream: HttpStream, name: str, deadline_s: float) -> bytes:
    """Return the begin of a response: enough to tell what it is, or all that comes within a second."""
    head, until_s = b"", deadline_s
    try:
        while len(head) < _SNIFFED_BYTES and not head.lstrip().startswith(_CLEAR) and (data := stream.read(until_s)):
            head += data
            until_s = min(deadline_s, monotonic() + _SNIFFED_S)
        return head
    except TimeoutError:
        if head:
            return head
        problem = "it did not answer in time"
    except OSError as error:
        problem = str(error)
    stream.close()
    raise SourceError(f"{name} cannot be opened ({problem}): check the address, the peer and the network between")

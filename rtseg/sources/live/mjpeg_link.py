"""Reads the JPEG pictures of a web camera: a stream of parts, or a still that is requested again and again."""

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from time import monotonic, perf_counter_ns
from typing import cast

from av import CodecContext, Packet
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from rtseg.errors import SourceError
from rtseg.frame import Frame, Image, Origin, StreamInfo
from rtseg.sources.base import DEFAULT_FPS, SourceDiagnostics, stream_info
from rtseg.sources.live.ffmpeg_link import LinkSettings, ReadingPace
from rtseg.sources.live.http_request import HttpClient, HttpStream
from rtseg.sources.live.jpeg_splitter import JpegSplitter
from rtseg.sources.pixels.decoder import size_limit, strictness
from rtseg.sources.pixels.picture import PictureReader
from rtseg.sources.pixels.picture_size import picture_size
from rtseg.sources.pixels.still_aspect import still_aspect
from rtseg.sources.pixels.zeroed_data import has_zeroed_part
from rtseg.text.log_records import get_logger

STILL_FPS = 1.0  # requests a second for an address that gives single pictures, unless --fps says otherwise

_log = get_logger(__name__)

_PICTURE_S = 5.0  # within which a picture must come


class MjpegLink:
    """Yields the pictures of one response as frames; of an address that gives a still, those of one response after another.

    A part that is no picture, or a picture that is cut off, is passed over, counted, and named on the log once; a picture
    that is left out makes a gap in the index. head: the bytes of the response that were read before. is_still: a response
    may hold one picture alone, and is then requested again. Raises SourceError.
    """

    def __init__(self, client: HttpClient, stream: HttpStream, head: bytes, settings: LinkSettings, *, is_still: bool) -> None:
        self._client, self._stream, self._settings, self._is_still = client, stream, settings, is_still
        self._closed, self._splitter, self._pace = threading.Event(), JpegSplitter(), ReadingPace()
        self._coder, self._images = _new_coder(), PictureReader()
        self._pictures = deque[tuple[bytes, int]]()  # each with the number of pictures cut off before it
        self._given = self._of_response = 0
        self._undecodable, self._refused, self._is_told, self._deadline_s = 0, 0, False, 0.0
        try:
            self._split(head)
            self._first: Frame | None = self._next()
            fps = settings.fps or (STILL_FPS if self._is_still else DEFAULT_FPS)
            info = stream_info(self._first.height, self._first.width, fps, settings.spacing_mm)
            self._info = replace(info, pixel_aspect=self._first.pixel_aspect)
        except BaseException:
            self.close()
            raise

    @property
    def info(self) -> StreamInfo:
        """Return the first picture's size and pixel aspect, and the rate: the user's, that of a still's requests, or 25."""
        return self._info

    def diagnostics(self) -> SourceDiagnostics:
        """Return the format and the number of parts that were passed over so far."""
        form = f"stills, requested {self._info.fps:g} times a second" if self._is_still else "mpjpeg"
        pixels = self._coder.pix_fmt or "unknown pixels"
        return SourceDiagnostics(f"{form}, mjpeg, {pixels}", self._damaged + self._splitter.others + self._refused)

    def __iter__(self) -> Iterator[Frame]:
        while not self._closed.is_set():
            try:
                frame, self._first = self._first or self._next(), None
            except SourceError:
                if self._closed.is_set():
                    return
                raise
            yield frame
            self._pace.reader_returned(frame.captured_ns)

    def close(self) -> None:
        """Close the connection; a read in progress ends."""
        self._closed.set()
        self._stream.close()

    @property
    def _damaged(self) -> int:
        return self._splitter.damaged + self._undecodable

    def _next(self) -> Frame:
        """Return the next picture as a frame. Raises SourceError."""
        self._deadline_s = monotonic() + _PICTURE_S
        while True:
            while not self._pictures:
                self._split(self._receive())
                self._tell()
            self._of_response += 1
            coded, cut_off_before = self._pictures.popleft()
            image = self._decode(coded)
            if image is not None:
                index, self._given = self._given + self._undecodable + cut_off_before, self._given + 1
                origin = Origin(self._settings.name, spacing_mm=self._settings.spacing_mm)
                return Frame(image, index, perf_counter_ns(), origin, pixel_aspect=still_aspect(coded, image.shape))
            self._undecodable += 1
            self._tell()

    def _split(self, data: bytes) -> None:
        self._pictures.extend((coded, self._splitter.damaged) for coded in self._splitter.pictures(data))

    def _receive(self) -> bytes:
        asked_ns = perf_counter_ns()
        try:
            data = self._stream.read(self._deadline_s)
        except TimeoutError:
            raise SourceError(
                f"no picture came within {_PICTURE_S:g} s{self._why()}: check the peer, and the network between"
            ) from None
        except OSError as error:
            raise SourceError(f"the connection broke ({error}): check the peer, and the network between") from None
        self._pace.waited(perf_counter_ns() - asked_ns)
        if data:
            return data
        if not self._is_still or self._of_response != 1:
            raise SourceError(f"the peer closed the connection{self._why()}: check that it still runs")
        self._request_again()
        return b""

    def _request_again(self) -> None:
        """Open the next response of a still, at the stated rate; a refused request is repeated for some seconds."""
        self._stream.close()
        while True:
            if self._closed.wait(1 / (self._settings.fps or STILL_FPS)):
                raise SourceError("closed")
            try:
                stream = self._client.open()
                break
            except SourceError as error:
                if monotonic() > self._deadline_s:
                    raise
                self._refused += 1
                if self._refused == 1:
                    _log.warning("%s; it is requested again, and the last picture stays meanwhile", error)
        if stream is None:
            raise SourceError("the peer answers another protocol than HTTP: check the address")
        self._stream, self._of_response = stream, 0
        self._deadline_s = monotonic() + _PICTURE_S
        self._pace.waited(1 << 60)

    def _decode(self, coded: bytes) -> Image | None:
        """Return a picture's pixels, None where it is damaged or too large."""
        size = picture_size(coded)
        if size is None or has_zeroed_part(coded, "mjpeg"):
            return None
        try:
            (picture,) = self._coder.decode(cast("Packet[VideoStream]", Packet(coded)))
        except (FFmpegError, ValueError):
            self._coder = _new_coder()
            return None
        return None if picture.is_corrupt else self._images.read(picture)

    def _tell(self) -> None:
        if not self._is_told and self._damaged + self._splitter.others:
            self._is_told = True
            _log.warning("%s sent what is passed over: %s", self._settings.name, self._passed_over())

    def _why(self) -> str:
        """Return what came in place of pictures, in words for an error, or ""."""
        if not self._damaged + self._splitter.others:
            is_cut = self._splitter.is_inside and not self._given
            return " (its picture is cut off, or lacks JPEG's end marker, which only the camera can mend)" if is_cut else ""
        is_none_whole = not self._given and self._splitter.damaged > 1
        hint = ", each without JPEG's end marker or cut off, which only the camera can mend" if is_none_whole else ""
        return f" ({self._passed_over()}{hint})"

    def _passed_over(self) -> str:
        return f"{self._damaged} damaged pictures, {self._splitter.others} parts that are no JPEG"


def _new_coder() -> VideoCodecContext:
    coder = CodecContext.create("mjpeg", "r")
    coder.options = size_limit() | strictness(coder.name)
    coder.thread_type = "SLICE"
    return coder

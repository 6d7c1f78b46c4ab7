"""Reads a stream's bytes through the repair of transport streams, and their pictures through FFmpeg."""

from collections.abc import Callable, Mapping

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer

from rtseg.sources.live.byte_stream import ByteStream
from rtseg.sources.live.ffmpeg_link import LinkSettings, StreamLink
from rtseg.sources.transport_reader import RepairedReader

PROBE = {"analyzeduration": "500000", "fpsprobesize": "3"}  # FFmpeg's options to find out soon what a stream holds

OpenBytes = Callable[[str, Mapping[str, str]], ByteStream]


class ByteLink(StreamLink):
    """Decodes the pictures of bytes that another part receives; those of other formats than MPEG-TS pass unchanged.

    open_bytes: connects to an address, with options for FFmpeg's protocol; the first is `address`, others come from a playlist.
    options, form, timeout_s, hardware: FFmpeg's, for the pictures; the time-outs are those to open and to read. Raises
    SourceError.
    """

    def __init__(
        self,
        address: str,
        open_bytes: OpenBytes,
        settings: LinkSettings,
        options: Mapping[str, str],
        timeout_s: tuple[float, float],
        form: str | None = None,
        hardware: HWAccel | None = None,
    ) -> None:
        self._address, self._open_bytes, self._options, self._timeout_s = address, open_bytes, dict(options), timeout_s
        self._form, self._hardware = form, hardware
        self._parts = set[ByteStream]()  # those that are open
        try:
            super().__init__(self._open, settings)
        except BaseException:
            self._close_parts()
            raise

    def _open(self) -> InputContainer:
        begin = [self._open_part(self._address, {})]

        def open_part(address: str, _flags: int, options: dict[str, str]) -> RepairedReader:
            part = begin.pop() if begin else self._open_part(address, options)
            return RepairedReader(part.read, lambda: self._close_part(part))

        return av.open(
            self._address,
            "r",
            self._form,
            self._options,
            hwaccel=self._hardware,
            metadata_errors="replace",
            timeout=self._timeout_s,
            io_open=open_part,
        )

    def _open_part(self, address: str, options: Mapping[str, str]) -> ByteStream:
        part = self._open_bytes(address, options)
        self._parts.add(part)
        return part

    def _close_part(self, part: ByteStream) -> None:
        self._parts.discard(part)
        part.close()

    def _release(self) -> None:
        super()._release()
        self._close_parts()

    def _close_parts(self) -> None:
        while self._parts:
            self._parts.pop().close()

"""Opens network streams, with FFmpeg's options set for low delay and short time-outs."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from time import monotonic
from types import MappingProxyType

import av
from av.container import InputContainer
from av.error import FFmpegError, ProtocolNotFoundError
from av.video.codeccontext import VideoCodecContext

from rtseg.errors import SourceError
from rtseg.frame import Spacing
from rtseg.sources.address import host, masked_address, split_options
from rtseg.sources.base import Source
from rtseg.sources.live.byte_link import PROBE, ByteLink
from rtseg.sources.live.byte_stream import DATA_FORMAT, DATA_OPTIONS, ByteStream, ProtocolBytes, SocketBytes
from rtseg.sources.live.child_stream import ChildLink, srt_command
from rtseg.sources.live.ffmpeg_link import LinkSettings, StreamLink
from rtseg.sources.live.h264_units import is_unparsed
from rtseg.sources.live.http_request import HttpClient, request_headers
from rtseg.sources.live.reconnect import LinkLimits, ReconnectingSource
from rtseg.sources.live.rtp_payload import RtpBytes
from rtseg.sources.live.stream_end import StreamEnd
from rtseg.sources.live.web_camera import WebOpener
from rtseg.sources.pixels.decoder import size_limit
from rtseg.sources.pixels.nvdec import CPU, DECODE_OPTION, hardware_accelerator

# FFmpeg's names and units (microseconds, bytes). `fflags=nobuffer` is left out, though often advised: it discards the packets
# that were read to detect the stream, the key frame included, so the first picture comes with the next key frame.
# `fflags=noparse` is for H.264 by RTSP over TCP: FFmpeg's parser ends a picture where the next begins, h264_units.py at once.
_WEB = {**PROBE, "multiple_requests": "1"}
# The protocols that a stream may open, e.g. by a playlist: never files. No address may set them.
_ALLOWED_WEB = "http,https,tcp,tls,crypto,httpproxy"
_ALLOWED = f"{_ALLOWED_WEB},rtsp,rtsps,rtp,srtp,udp,srt"
_REPAIRED = frozenset({"mpegts", "hls"})  # names of FFmpeg's formats
_REQUEST_OPTIONS = frozenset({"user_agent", "headers"})  # those that need no FFmpeg
_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class StreamProtocol:
    """Holds how a kind of stream is opened."""

    options: Mapping[str, str]  # FFmpeg's options by default
    optional: frozenset[str] = frozenset()  # names of further options that an address may set
    open_s: float = 5.0  # time-out of the connection in seconds
    read_s: float = 1.5  # time-out of one read in seconds
    limits: LinkLimits = field(default_factory=LinkLimits)  # of the source that reconnects

    @property
    def known_options(self) -> frozenset[str]:
        """Return the names of all options that an address may set."""
        return frozenset(self.options) | self.optional | {DECODE_OPTION}


_RTSP = StreamProtocol(
    {**PROBE, "rtsp_transport": "tcp", "max_delay": "100000", "fflags": "noparse"},
    frozenset({"probesize", "buffer_size", "user_agent"}),
    read_s=1.2,  # a corrupted length blocks FFmpeg until this time-out; reconnecting then takes less than two seconds
)
_UDP = StreamProtocol(
    {**PROBE, "buffer_size": "2097152", "fifo_size": "20000", "overrun_nonfatal": "1"},
    frozenset({"probesize", "fflags", "localaddr", "sources", "reuse", "format"}),
)
_TCP = StreamProtocol(PROBE, frozenset({"probesize", "fflags", "format"}))
_SRT = replace(_TCP, open_s=8.0, read_s=3.0)  # a program connects, and a lost packet is sent again
_HTTP = StreamProtocol(_WEB, frozenset({"probesize", "fflags", "user_agent", "headers", "format"}))
# HLS segments arrive in bursts, some seconds apart.
_HLS = StreamProtocol(
    {**_WEB, "live_start_index": "-1"},
    _HTTP.optional,
    open_s=15,
    read_s=20,
    limits=LinkLimits(20.0, stalled_s=10.0, lost_s=30.0),
)
PROTOCOLS: Mapping[str, StreamProtocol] = MappingProxyType(
    {"rtsp": _RTSP, "rtsps": _RTSP, "udp": _UDP, "tcp": _TCP, "http": _HTTP, "https": _HTTP, "srt": _SRT}
)


class UnknownProtocol(SourceError):
    """Is raised for a protocol that the FFmpeg inside PyAV was built without."""


class _RepairedFormat(SourceError):
    """Is raised where a stream is found to be one whose bytes must be repaired."""

    def __init__(self, container: InputContainer) -> None:
        super().__init__("its bytes must be repaired")
        self.name, self.end, self.is_finite = container.format.name, StreamEnd.of(container), container.size > 0


def open_network(uri: str, *, fps: float | None = None, spacing_mm: Spacing | None = None) -> ReconnectingSource:
    """Open a live stream by its address; options may follow in the fragment: `#rtsp_transport=udp`.

    The options are FFmpeg's, or decode=gpu. Raises SourceError, ConfigError.
    """
    protocol = protocol_of(uri)
    host(uri)
    address, given = split_options(uri, protocol.known_options)
    settings = LinkSettings(masked_address(address), fps, spacing_mm)

    def open_stream() -> Source:
        try:
            return _open_link(address, protocol, given, settings)
        except UnknownProtocol:
            command = srt_command(address) if protocol is _SRT else None
            if command is None:
                raise
            return ChildLink(command, settings, protocol.open_s, protocol.read_s)

    if protocol.options is _HTTP.options and not set(given) - _REQUEST_OPTIONS:
        client = HttpClient(address, settings.name, request_headers(given), protocol.open_s)
        web = WebOpener(client, settings, open_stream, protocol.read_s)
        return ReconnectingSource(web.open, protocol.limits, name=settings.name)
    return ReconnectingSource(open_stream, protocol.limits, name=settings.name)


def protocol_of(uri: str) -> StreamProtocol:
    """Return the protocol of an address."""
    scheme = uri.partition(":")[0].lower()
    is_list = uri.partition("#")[0].partition("?")[0].lower().endswith(".m3u8")
    return _HLS if scheme in ("http", "https") and is_list else PROTOCOLS[scheme]


def _open_link(address: str, protocol: StreamProtocol, given: Mapping[str, str], settings: LinkSettings) -> StreamLink:
    """Open a link. Bytes that may be MPEG-TS, also those in the segments of HLS, go through the repair. Raises SourceError."""
    scheme = address.partition(":")[0].lower()
    options = {**protocol.options, **given}
    if scheme not in ("udp", "tcp") and protocol.options is not _HLS.options:
        try:
            return StreamLink(lambda: _open_other(address, protocol, given), settings)
        except _RepairedFormat as found:
            settings = replace(settings, ends=settings.ends or found.is_finite, end=found.end)
            options = {"format": found.name, **options}
    form = options.get("format", "hls" if protocol.options is _HLS.options else None)
    hardware = hardware_accelerator(options.get(DECODE_OPTION, CPU), settings.name)
    limits = {"http_persistent": "0", "protocol_whitelist": _allowed(address)} | size_limit()  # each segment is opened here

    def open_bytes(part: str, further: Mapping[str, str]) -> ByteStream:
        if scheme == "tcp" and part == address and "?" not in address:
            return SocketBytes(address, protocol.open_s, protocol.read_s)
        merged = options | dict(further)
        if scheme == "udp":
            return RtpBytes(ProtocolBytes(lambda: _open_data(part, protocol, merged), protocol.open_s))
        return ProtocolBytes(lambda: _open_data(part, protocol, merged))

    return ByteLink(address, open_bytes, settings, options | limits, (protocol.open_s, protocol.read_s), form, hardware)


def _open_other(address: str, protocol: StreamProtocol, given: Mapping[str, str]) -> InputContainer:
    """Open a stream that needs no repair. Raises _RepairedFormat."""
    container = _open(address, protocol, given)
    if protocol.options is not _HTTP.options or container.format.name not in _REPAIRED:
        return container
    try:
        raise _RepairedFormat(container)
    finally:
        container.close()


def _open_data(address: str, protocol: StreamProtocol, options: Mapping[str, str]) -> InputContainer:
    return _connect(address, protocol, {**options, **DATA_OPTIONS, "format": DATA_FORMAT, DECODE_OPTION: CPU})


def _open(address: str, protocol: StreamProtocol, given: Mapping[str, str] = _NONE) -> InputContainer:
    options = {**protocol.options, **given}
    if "fflags" not in given and options.get("rtsp_transport", "tcp") != "tcp":
        options.pop("fflags", None)  # where packets are lost, the parser repairs the rest
    container = _connect(address, protocol, options)
    if not is_unparsed(container) or all(one.name == "h264" for one in _decoders(container)):
        return container
    container.close()
    return _connect(address, protocol, options | {"fflags": "-noparse"})


def _decoders(container: InputContainer) -> list[VideoCodecContext]:
    return [stream.codec_context for stream in container.streams.video]


def _allowed(address: str) -> str:
    return _ALLOWED_WEB if address.lower().startswith("http") else _ALLOWED


def _connect(address: str, protocol: StreamProtocol, options: Mapping[str, str]) -> InputContainer:
    form, started = options.get("format"), monotonic()
    hardware = hardware_accelerator(options.get(DECODE_OPTION, CPU), masked_address(address))
    options = {name: value for name, value in options.items() if name not in ("format", DECODE_OPTION)}
    options["protocol_whitelist"] = _allowed(address)
    options |= size_limit()
    try:
        return av.open(
            address,
            format=form,
            options=options,
            timeout=(protocol.open_s, protocol.read_s),
            hwaccel=hardware,
            metadata_errors="replace",
        )
    except ProtocolNotFoundError:
        scheme = address.partition(":")[0]
    except FFmpegError:
        if monotonic() - started < protocol.open_s:
            raise
        raise TimeoutError from None  # some protocols report a time-out as invalid data
    remedy = "; or install `ffmpeg` or `srt-live-transmit`, which rtseg then starts itself" if protocol is _SRT else ""
    raise UnknownProtocol(
        f"the FFmpeg inside PyAV does not know {scheme}://: pipe it in, as in "
        f"`ffmpeg -i {scheme}://HOST:PORT -c copy -f mpegts - | rtseg run -`{remedy}"
    )

"""Reads one connection to an OpenIGTLink server as a source."""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic, perf_counter_ns

from rtseg.errors import MessageError, SourceError
from rtseg.frame import Frame, Spacing, StreamInfo
from rtseg.igtl.header import NAME_BYTES, Header
from rtseg.igtl.image import read_image, to_8_bits
from rtseg.igtl.message import Message, matches_checksum, unpack
from rtseg.igtl.origin import IgtlOrigin
from rtseg.limits import check_size
from rtseg.sources.base import DEFAULT_FPS, stream_info
from rtseg.sources.live.igtl.address import IgtlAddress
from rtseg.sources.live.igtl.clock import ClockOffset
from rtseg.sources.live.igtl.inbox import KINDS, Inbox
from rtseg.sources.live.igtl.wire import connect
from rtseg.sources.pixels.intensity import ColorLatch
from rtseg.text.log_records import get_logger

CORRUPT, UNREADABLE, OTHERS = "corrupt", "unreadable", "images of other devices"

_log = get_logger(__name__)

_TRANSFORM_WAIT_S = 0.005  # for an image's transforms to follow it, or their tool is out of sight
_RATE_WAIT_S = 0.5  # for a second image to arrive, which gives the rate
_FASTEST_NS, _SLOWEST_NS = 4_000_000, 1_000_000_000  # plausible frame periods of ultrasound
_MAX_CORRUPT = 20  # in a row: the stream is out of step, or its sender computes no checksums
_MAX_KINDS = 64  # counted by name: a peer must not fill the memory with new ones


@dataclass(frozen=True, slots=True)
class _ReceivedImage:
    """Holds an image of the requested device and its arrival."""

    message: Message  # of type IMAGE
    ns: int  # arrival, by the local clock


class IgtlLink:
    """Yields the images of one device as frames, at the peer's pace, until the connection breaks.

    A frame's origin holds the image's timestamp, spacing and matrix, and the transforms of its moment. `to_8_bits` converts
    other pixels than those of 8 bits; RGB is returned as gray until a frame has color. received: counts of messages by
    type, and of those skipped: images of other devices, corrupt and unreadable messages. inbox: texts and status. fps:
    overrides the peer's own rate. Raises SourceError.
    """

    def __init__(self, address: IgtlAddress, *, fps: float | None = None, spacing_mm: Spacing | None = None) -> None:
        self._address, self._device, self._spacing_mm = address, address.device[:NAME_BYTES], spacing_mm
        self.received, self.inbox = Counter[str](), Inbox()
        self._clock, self._given, self._corrupt = ClockOffset(), 0, 0
        self._held: _ReceivedImage | None = None
        self._grey = ColorLatch()
        self._connection = connect(address)
        try:
            self._ahead = deque([self._frame()])
            self._info = self._info_of(self._ahead[0], fps or self._rate())
        except BaseException:
            self.close()
            raise

    @property
    def info(self) -> StreamInfo:
        """Return the first image's size and pixel size, and the rate from the first two timestamps, 25 if they give none."""
        return self._info

    def __iter__(self) -> Iterator[Frame]:
        while not self._connection.closed.is_set():
            try:
                frame = self._ahead.popleft() if self._ahead else self._frame()
            except SourceError:
                if self._connection.closed.is_set():
                    return
                raise
            yield frame

    def close(self) -> None:
        """Close the connection."""
        if not self._connection.closed.is_set():
            _log.info("%s sent %s", self._address, dict(self.received))
        self._connection.close()

    def _frame(self) -> Frame:
        """Return the next image of the device as a frame, with its transforms."""
        image, self._held = self._held, None
        while image is None:
            image = self._receive()
        self._connection.restart_timeout()
        self._collect_transforms(image.message.timestamp_ns)
        try:
            picture = read_image(image.message.content)
            check_size(self._address, *picture.pixels.shape[:2])
            pixels = self._grey.apply(to_8_bits(picture.pixels, self._address.white))
        except MessageError as error:
            raise SourceError(f"{self._address} sends what cannot be used: {error}") from error
        stamp_ns = image.message.timestamp_ns or None
        origin = IgtlOrigin(
            device=image.message.device,
            timestamp_ns=stamp_ns,
            corrected_ns=self._clock.to_local(stamp_ns, image.ns) if stamp_ns else None,
            spacing_mm=self._spacing_mm or picture.spacing_mm,
            matrix=picture.matrix,
            transforms=self.inbox.transforms(image.ns),
            world=picture.world,
        )
        self._given += 1
        return Frame(pixels, self._given - 1, image.ns, origin)

    def _collect_transforms(self, timestamp_ns: int) -> None:
        """Read the transforms that this peer sends after its images; other messages are stored too."""
        until_s = monotonic() + _TRANSFORM_WAIT_S
        while self.inbox.has_pending_transforms(timestamp_ns) and self._held is None:
            if not self._connection.ready(until_s - monotonic()):
                break
            self._held = self._receive()
        self.inbox.forget_missing()

    def _receive(self) -> _ReceivedImage | None:
        """Read one message; return an image of the device, or None where it was stored or skipped."""
        header = self._connection.header()
        self._count(header.type)
        if not self._is_wanted(header):
            self._connection.skip(header)
            return None
        body, arrived_ns = self._connection.body(header), perf_counter_ns()
        if self._address.crc and not matches_checksum(header, body):
            self._count_corrupt()
            return None
        self._corrupt = 0
        return self._dispatch(header, body, arrived_ns)

    def _dispatch(self, header: Header, body: memoryview, arrived_ns: int) -> _ReceivedImage | None:
        """Return an image; store any other message and return None."""
        try:
            message = unpack(header, body)
            if message.type == "IMAGE":
                return _ReceivedImage(message, arrived_ns)
            self.inbox.take(message, arrived_ns)
        except MessageError as error:
            self._count(UNREADABLE)
            _log.debug("%s: %s", self._address, error)
        return None

    def _is_wanted(self, header: Header) -> bool:
        if header.type != "IMAGE":
            return header.type in KINDS
        self._device = self._device or header.device
        if header.device == self._device:
            return True
        self._count(OTHERS)
        self._connection.hint = f", but images of {header.device!r}: name that device, or check the one that is named"
        return False

    def _count(self, kind: str) -> None:
        if kind in self.received or len(self.received) < _MAX_KINDS:
            self.received[kind] += 1

    def _count_corrupt(self) -> None:
        self._count(CORRUPT)
        self._corrupt += 1
        if self._corrupt >= _MAX_CORRUPT:
            raise SourceError(
                f"{self._address} sent {self._corrupt} messages in a row whose checksum is wrong: "
                "check the network, or add ?crc=off where the sender computes none"
            )

    def _rate(self) -> float:
        """Return frames a second, from the timestamps of the first image and of the next if it comes soon."""
        first, until_s = self._ahead[0], monotonic() + _RATE_WAIT_S
        while self._held is None and self._connection.ready(until_s - monotonic()):
            self._held = self._receive()
        if self._held is None or first.origin is None:
            return DEFAULT_FPS
        period_ns = self._held.message.timestamp_ns - (first.origin.timestamp_ns or 0)
        return 1e9 / period_ns if _SLOWEST_NS > period_ns > _FASTEST_NS else DEFAULT_FPS

    def _info_of(self, first: Frame, fps: float) -> StreamInfo:
        spacing_mm = first.origin.spacing_mm if first.origin else None
        return stream_info(first.height, first.width, fps, spacing_mm).as_live()

"""Reads one connection to an OpenIGTLink server as a source."""

import logging
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic, perf_counter_ns

from rtseg.errors import MessageError, SourceError
from rtseg.frame import Frame, Spacing, StreamInfo
from rtseg.igtl.header import Header
from rtseg.igtl.image import IgtlImage, read_image, to_8_bits
from rtseg.igtl.message import Message, matches_checksum, unpack
from rtseg.igtl.origin import IgtlOrigin
from rtseg.limits import check_size
from rtseg.sources.base import DEFAULT_FPS, SourceDiagnostics, stream_info
from rtseg.sources.live.igtl.address import IgtlAddress
from rtseg.sources.live.igtl.clock import ClockOffset
from rtseg.sources.live.igtl.device_name import FULL_NAME, DeviceName
from rtseg.sources.live.igtl.image_orientation import turn_upright
from rtseg.sources.live.igtl.inbox import KINDS, Inbox
from rtseg.sources.live.igtl.scale import SpacingOverride
from rtseg.sources.live.igtl.wire import OUT_OF_STEP, connect
from rtseg.sources.pixels.intensity import ColorLatch
from rtseg.text.log_records import get_logger

CORRUPT, UNREADABLE, OTHERS = "corrupt", "unreadable", "images of other devices"
NO_PICTURES = "images without a picture"
_PASSED_OVER = (CORRUPT, UNREADABLE, NO_PICTURES, OUT_OF_STEP)

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

    A message that cannot be used is passed over, counted and named on the log: a volume, an empty image, a wrong length.
    A frame has the spacing of its own message; its origin holds the timestamp, spacing and matrix, and the transforms of its
    moment. `to_8_bits` converts other pixels than those of 8 bits; RGB is returned as gray until a frame has color.
    received: counts of messages by type, and of those passed over. inbox: texts and status. fps: overrides the peer's own
    rate. override: the user's spacing, for all connections of a source; spacing_mm: for this one. Raises SourceError.
    """

    def __init__(
        self,
        address: IgtlAddress,
        *,
        fps: float | None = None,
        spacing_mm: Spacing | None = None,
        override: SpacingOverride | None = None,
    ) -> None:
        self._address, self._override = address, override or SpacingOverride(spacing_mm)
        self._device = DeviceName(address.device)
        self.received, self.inbox = Counter[str](), Inbox()
        self._clock, self._given, self._corrupt = ClockOffset(), 0, 0
        self._held: _ReceivedImage | None = None
        self._grey = ColorLatch()
        self._connection = connect(address, self._pass_over)
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

    def diagnostics(self) -> SourceDiagnostics:
        """Return the number of messages that were passed over so far."""
        return SourceDiagnostics("OpenIGTLink", sum(self.received[kind] for kind in _PASSED_OVER))

    def _frame(self) -> Frame:
        """Return the next image of the device that holds a picture as a frame, with its transforms."""
        while True:
            image, self._held = self._held, None
            image = image or self._receive()
            if image is not None and (frame := self._frame_of(image)):
                return frame

    def _frame_of(self, image: _ReceivedImage) -> Frame | None:
        """Return an image as a frame, None where it holds no picture that can be used."""
        try:
            picture = turn_upright(read_image(image.message.content), image.message.metadata)
            check_size(self._address, *picture.pixels.shape[:2])
            pixels = self._grey.apply(to_8_bits(picture.pixels, self._address.white))
        except (MessageError, SourceError) as error:
            self._pass_over(NO_PICTURES, str(error))
            return None
        self._device.confirm(image.message.device, image.message.metadata.get(FULL_NAME, ""))
        self._connection.restart_timeout()
        self._collect_transforms(image.message.timestamp_ns)
        spacing_mm = self._override.apply(picture.spacing_mm)
        self._given += 1
        return Frame(pixels, self._given - 1, image.ns, self._origin(image, picture, spacing_mm), spacing_mm=spacing_mm)

    def _origin(self, image: _ReceivedImage, picture: IgtlImage, spacing_mm: Spacing | None) -> IgtlOrigin:
        stamp_ns = image.message.timestamp_ns or None
        return IgtlOrigin(
            device=image.message.metadata.get(FULL_NAME, image.message.device),
            timestamp_ns=stamp_ns,
            corrected_ns=self._clock.to_local(stamp_ns, image.ns) if stamp_ns else None,
            spacing_mm=spacing_mm,
            matrix=picture.matrix,
            transforms=self.inbox.transforms(image.ns),
            world=picture.world,
        )

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
        if body is None:
            return None
        if self._address.crc and not matches_checksum(header, body):
            self._count_corrupt(header.type)
            return None
        self._corrupt = 0
        return self._dispatch(header, body, arrived_ns)

    def _dispatch(self, header: Header, body: memoryview, arrived_ns: int) -> _ReceivedImage | None:
        """Return an image of the device; store any other message and return None."""
        try:
            message = unpack(header, body)
            if message.type != "IMAGE":
                self.inbox.take(message, arrived_ns)
                return None
        except MessageError as error:
            self._pass_over(UNREADABLE, f"a message {header.type}: {error}")
            return None
        full_name = message.metadata.get(FULL_NAME, "")
        if self._device.is_same(header.device, full_name):
            return _ReceivedImage(message, arrived_ns)
        self._skip_other(full_name or header.device)
        return None

    def _is_wanted(self, header: Header) -> bool:
        if header.type != "IMAGE":
            return header.type in KINDS
        if self._device.may_be(header.device):
            return True
        self._skip_other(header.device)
        return False

    def _skip_other(self, device: str) -> None:
        self._count(OTHERS)
        self._connection.hint = f", but images of {device!r}: name that device, or check the one that is named"

    def _pass_over(self, kind: str, reason: str) -> None:
        """Count a message that cannot be used; the first of a kind is on the log, and the last in the error of a time-out."""
        level = logging.DEBUG if kind in self.received else logging.WARNING
        self._count(kind)
        self._connection.hint = f", but what cannot be used: {reason}"
        _log.log(level, "%s sent what is passed over: %s", self._address, reason)

    def _count(self, kind: str) -> None:
        if kind in self.received or kind in _PASSED_OVER or len(self.received) < _MAX_KINDS:
            self.received[kind] += 1

    def _count_corrupt(self, kind: str) -> None:
        self._pass_over(CORRUPT, f"a message {kind} whose checksum is wrong")
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
        return stream_info(first.height, first.width, fps, first.spacing_mm).as_live()

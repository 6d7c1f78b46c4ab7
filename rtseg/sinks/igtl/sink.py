"""Serve results over OpenIGTLink, for 3D Slicer and other clients."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rtseg.errors import ConfigError, MessageError, SinkError
from rtseg.frame import Image, Origin, StreamInfo
from rtseg.igtl import Message, pack
from rtseg.igtl.crc import crc64
from rtseg.igtl.header import NAME_BYTES
from rtseg.igtl.image import RAS, IgtlImage, matrix_from_spacing, write_image
from rtseg.igtl.message import Content
from rtseg.igtl.origin import IgtlOrigin
from rtseg.igtl.text import write_string
from rtseg.igtl.transform import write_transform
from rtseg.measure.region import measure
from rtseg.overlay import Overlay
from rtseg.result import Result
from rtseg.sinks.igtl.names import image_device_name, transform_names
from rtseg.sinks.igtl.server import IgtlServer
from rtseg.text.log_records import get_logger
from rtseg.text.safe_text import json_text
from rtseg.wall_clock import WallClock

PARTS = ("mask", "overlay", "image", "measurements", "transforms")
DEFAULT_PARTS = ("mask", "measurements", "transforms")
PORT = 18945

_KINDS = {"mask": "Mask", "overlay": "Overlay", "image": "Image"}
_LOCAL = "127.0.0.1"

_log = get_logger(__name__)


class IgtlSink:
    """Serves each result to every client that connects to `where`: HOST:PORT, or :PORT for this machine alone.

    parts: the messages sent for each result, chosen from PARTS: the labels as an IMAGE of uint8; the overlay and the frame,
    both after redaction by the pipeline; the measurements as JSON in a STRING; the transforms. Each message carries the
    timestamp and the position of its frame, and a name derived from the frame's device. A client that reads too slowly misses
    frames, which `dropped` counts, and delays no other client. Raises ConfigError.
    """

    def __init__(self, where: str = f":{PORT}", parts: Sequence[str] = DEFAULT_PARTS, overlay: Overlay | None = None) -> None:
        if not parts or set(parts) - set(PARTS):
            raise ConfigError(f"OpenIGTLink is not sent {', '.join(parts) or 'nothing'}: choose of {', '.join(PARTS)}")
        self._host, self._port = _parse_address(where)
        self._parts, self._overlay = parts, overlay or Overlay()
        self._server: IgtlServer | None = None
        self._clock = WallClock()
        self.dropped = 0

    @property
    def address(self) -> str:
        """Return the HOST:PORT that the sink listens on; the configured one before `open`."""
        host, port = self._server.address if self._server else (self._host, self._port)
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @property
    def clients(self) -> int:
        """Return the number of connected clients."""
        return self._server.clients if self._server else 0

    def open(self, info: StreamInfo) -> None:  # noqa: ARG002 - any stream will do
        """Start to listen. Raises SinkError."""
        self.close()
        crc64(bytes(1))  # compile or load the kernel before the first frame
        self._server, self.dropped = IgtlServer(self._host, self._port), 0
        self._clock = WallClock()
        _log.info("OpenIGTLink is served on %s", self.address)
        if self._host not in (_LOCAL, "localhost", "::1"):
            _log.warning("whoever reaches this machine can see the stream on %s", self.address)

    def write(self, result: Result) -> None:
        """Send one result, timed as the stages "overlay" and "igtl", if a client is connected. Raises SinkError."""
        if self._server is None:
            raise SinkError("the OpenIGTLink server is not open: call open(info) first, as Pipeline does")
        if not self._server.clients:
            return
        pictures = dict(self._pictures(result))
        with result.trace.stage("igtl"):
            self._server.offer(list(self._pieces(result, pictures)))
        self.dropped = self._server.dropped

    def close(self) -> None:
        """Send the queued messages for at most two seconds, and stop listening."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            self.dropped = server.dropped

    def _pictures(self, result: Result) -> Iterator[tuple[str, Image]]:
        """Yield the images to send, each with its kind."""
        if "mask" in self._parts:
            yield _KINDS["mask"], result.segmentation.labels
        if "overlay" in self._parts:
            with result.trace.stage("overlay"):
                drawn = self._overlay.draw(result)
            yield _KINDS["overlay"], drawn
        if "image" in self._parts:
            yield _KINDS["image"], result.frame.image

    def _pieces(self, result: Result, pictures: dict[str, Image]) -> Iterator[Content]:
        """Yield one frame's messages as buffers, transforms first, so that each image arrives with its position known."""
        origin = result.frame.origin or Origin()
        stamp_ns = _timestamp(result, self._clock)
        if "transforms" in self._parts:
            for name, transform in transform_names(pictures, origin.device, origin.transforms):
                yield from pack(Message("TRANSFORM", name, stamp_ns, write_transform(transform), _long_name_metadata(name)))
        spacing = result.segmentation.spacing_mm or origin.spacing_mm or (1.0, result.frame.pixel_aspect)
        matrix = origin.matrix or matrix_from_spacing(spacing)
        world = origin.world if isinstance(origin, IgtlOrigin) else RAS
        for kind, image in pictures.items():
            head, pixels = _image_content(IgtlImage(image, matrix, world))
            yield from pack(Message("IMAGE", image_device_name(kind, origin.device), stamp_ns, head), pixels)
        if "measurements" in self._parts:
            yield from pack(Message("STRING", "Measurements", stamp_ns, write_string(_measurements_json(result))))


def _parse_address(where: str) -> tuple[str, int]:
    """Parse HOST:PORT or :PORT, optionally behind igtl://, into host and port. Raises ConfigError."""
    host, _, port = where.removeprefix("igtl://").rstrip("/").rpartition(":")
    if not port.isascii() or not port.isdecimal() or int(port) > 0xFFFF:
        raise ConfigError(f"{where!r} is no place to listen at: write HOST:PORT, or :{PORT} for this machine alone")
    return host.strip("[]") or _LOCAL, int(port)


def _timestamp(result: Result, clock: WallClock) -> int:
    """Return the source's timestamp, or the time of capture if it has none, in nanoseconds since 1970; 0: unknown.

    clock: the sink's own, for a result that did not come from a pipeline.
    """
    origin = result.frame.origin
    if origin is not None and origin.timestamp_ns is not None:
        return max(0, origin.timestamp_ns)
    known_ns = result.frame.captured_wall_ns(clock) if result.wall_ns is None else result.wall_ns
    return max(0, known_ns or 0)


def _long_name_metadata(name: str) -> dict[str, str]:
    """Return the metadata entry in which PLUS stores a name that is too long for the header."""
    return {"IGTL_DEVICE_NAME": name} if len(name.encode("utf-8", "replace")) > NAME_BYTES else {}


def _image_content(picture: IgtlImage) -> tuple[bytes, memoryview]:
    try:
        return write_image(picture)
    except MessageError as error:
        raise SinkError(f"a picture cannot be sent: {error}; give smaller frames") from error


def _measurements_json(result: Result) -> str:
    """Format the measurements as JSON; unknown values are null, and so are the measures of an unfamiliar picture."""
    segmentation = result.segmentation
    measured = [{name: _finite(value) for name, value in asdict(one).items()} for one in measure(segmentation)]
    by_name = {one.pop("name"): one for one in measured}
    told = {
        "index": result.frame.index,
        "life": segmentation.life.value,
        "reason": segmentation.reason,
        "familiarity": _finite(segmentation.familiarity),
        "unfamiliar": segmentation.is_unfamiliar,
        "classes": {name: by_name.get(name) for name in segmentation.classes},
        **segmentation.measured_values(),
        "measures": {
            one.name: {name: _finite(value) for name, value in one.to_json().items()} for one in segmentation.measures
        },
    }
    return json_text(told, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value

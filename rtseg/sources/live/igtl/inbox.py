"""Stores what a peer sends besides images: transforms, texts and its status."""

from dataclasses import dataclass
from typing import TypeVar

from rtseg.frame import Matrix
from rtseg.igtl.message import Message
from rtseg.igtl.text import OK, Status, read_status, read_string
from rtseg.igtl.transform import read_transform
from rtseg.sources.live.igtl.device_name import FULL_NAME
from rtseg.text.log_records import get_logger

KINDS = ("TRANSFORM", "STATUS", "STRING")

T = TypeVar("T")

_log = get_logger(__name__)

_MAX_NAMES = 64  # of each kind: endless new names must not fill the memory
_MAX_AGE_NS = 1_000_000_000  # a tool seen longer ago is out of the tracker's sight


@dataclass(frozen=True, slots=True)
class _TimedTransform:
    """Holds a transform and its times."""

    matrix: Matrix  # 4 x 4, in mm
    timestamp_ns: int  # by the peer's clock
    arrived_ns: int  # by the local clock


class Inbox:
    """Holds the newest message of each name.

    strings: by device. status: the peer's last status, None before the first.
    """

    def __init__(self) -> None:
        self.strings: dict[str, str] = {}
        self.status: Status | None = None
        self._transforms: dict[str, _TimedTransform] = {}
        self._trailing: set[str] = set()  # names of transforms that arrive after the image of the same time
        self._image_ns = 0

    def take(self, message: Message, arrived_ns: int) -> None:
        """Store the content of a message of one of KINDS. Raises MessageError."""
        name = message.metadata.get(FULL_NAME, message.device)
        match message.type:
            case "TRANSFORM":
                self._take_transform(name, message, arrived_ns)
            case "STRING":
                _keep(self.strings, name, read_string(message.content))
            case "STATUS":
                self._take_status(read_status(message.content))

    def has_pending_transforms(self, timestamp_ns: int) -> bool:
        """Return whether transforms of the image of that time are still expected, judging by earlier images."""
        self._image_ns = timestamp_ns
        return any(self._transforms[name].timestamp_ns != timestamp_ns for name in self._trailing)

    def forget_missing(self) -> None:
        """Stop expecting the transforms that did not arrive: their tool may be out of sight."""
        self._trailing = {name for name in self._trailing if self._transforms[name].timestamp_ns == self._image_ns}

    def transforms(self, now_ns: int) -> dict[str, Matrix]:
        """Return the transforms by name, those that arrived less than a second ago."""
        return {name: kept.matrix for name, kept in self._transforms.items() if now_ns - kept.arrived_ns < _MAX_AGE_NS}

    def _take_transform(self, name: str, message: Message, arrived_ns: int) -> None:
        if message.metadata.get("TransformStatus", "OK") != "OK":
            return  # PLUS sends a matrix even for a tool out of sight
        _keep(self._transforms, name, _TimedTransform(read_transform(message.content), message.timestamp_ns, arrived_ns))
        if message.timestamp_ns == self._image_ns and name in self._transforms and self._image_ns:
            self._trailing.add(name)

    def _take_status(self, status: Status) -> None:
        if status.code != OK and (self.status is None or self.status.code != status.code):
            _log.warning("the peer says of itself: status %d %s %s", status.code, status.name, status.text)
        self.status = status


def _keep(kept: dict[str, T], name: str, value: T) -> None:
    if name in kept or len(kept) < _MAX_NAMES:
        kept[name] = value

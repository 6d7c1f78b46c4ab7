"""What a peer sends besides images: transforms, texts and how it is."""

import logging
from dataclasses import dataclass
from typing import TypeVar

from rtseg.frame import Matrix
from rtseg.igtl.message import Message
from rtseg.igtl.text import OK, Status, read_status, read_string
from rtseg.igtl.transform import read_transform

KINDS = ("TRANSFORM", "STATUS", "STRING")

T = TypeVar("T")

_log = logging.getLogger(__name__)

_MOST_NAMES = 64  # of each kind: an endless stream of new names must not fill the memory
_FRESH_NS = 1_000_000_000  # a tool that was seen longer ago is out of the tracker's sight


@dataclass(frozen=True, slots=True)
class _Stamped:
    matrix: Matrix
    timestamp_ns: int
    arrived_ns: int


class Inbox:
    """The newest of each name. strings: by device. status: the peer's last word on how it is, None until it says one."""

    def __init__(self) -> None:
        self.strings: dict[str, str] = {}
        self.status: Status | None = None
        self._transforms: dict[str, _Stamped] = {}
        self._followers: set[str] = set()  # transforms that come behind the image that they belong to
        self._image_ns = 0

    def take(self, message: Message, arrived_ns: int) -> None:
        """Keep what a message of one of KINDS says. Raises MessageError."""
        name = message.metadata.get("IGTL_DEVICE_NAME", message.device)  # where PLUS keeps what 20 bytes do not hold
        match message.type:
            case "TRANSFORM":
                self._take_transform(name, message, arrived_ns)
            case "STRING":
                _keep(self.strings, name, read_string(message.content))
            case "STATUS":
                self._take_status(read_status(message.content))

    def awaits(self, timestamp_ns: int) -> bool:
        """Whether transforms of the image of that time are still to come, as far as is known of this peer."""
        self._image_ns = timestamp_ns
        return any(self._transforms[name].timestamp_ns != timestamp_ns for name in self._followers)

    def forget_late(self) -> None:
        """Wait no more for the followers that have not come: their tool may be out of sight."""
        self._followers = {name for name in self._followers if self._transforms[name].timestamp_ns == self._image_ns}

    def transforms(self, now_ns: int) -> dict[str, Matrix]:
        """By name; those that are no older than a second."""
        return {name: kept.matrix for name, kept in self._transforms.items() if now_ns - kept.arrived_ns < _FRESH_NS}

    def _take_transform(self, name: str, message: Message, arrived_ns: int) -> None:
        if message.metadata.get("TransformStatus", "OK") != "OK":
            return  # PLUS sends a matrix for a tool that it does not see, too
        _keep(self._transforms, name, _Stamped(read_transform(message.content), message.timestamp_ns, arrived_ns))
        if message.timestamp_ns == self._image_ns and name in self._transforms and self._image_ns:
            self._followers.add(name)

    def _take_status(self, status: Status) -> None:
        if status.code != OK and (self.status is None or self.status.code != status.code):
            _log.warning("the peer says of itself: status %d %s %s", status.code, status.name, status.text)
        self.status = status


def _keep(kept: dict[str, T], name: str, value: T) -> None:
    if name in kept or len(kept) < _MOST_NAMES:
        kept[name] = value

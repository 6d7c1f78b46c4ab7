"""Finds the pictures of a film that depend on lost ones, and how many were lost before a picture."""

from dataclasses import dataclass
from typing import NamedTuple

from av import Packet, VideoFrame
from av.video.stream import VideoStream

_MIXED_UP = 3  # packets, by which a decoder may return a picture too early after damage
_MAX_WAITING = 256  # packets without a picture yet that are remembered


@dataclass(frozen=True, slots=True)
class _Fed:
    """Holds what is known of a packet that was given to the decoder."""

    number: int
    """Its place in the order of decoding."""
    is_disposable: bool
    """Whether no other picture refers to it."""


class _Loss(NamedTuple):
    """Holds a lost picture to which others may refer."""

    number: int
    """Its place in the order of decoding."""
    pts: int | None
    """Its presentation time; None where it has none."""


class PictureLoss(NamedTuple):
    """Says what the losses so far mean for one picture."""

    skipped: int
    """Pictures lost between the one before and this one."""
    is_dependent: bool
    """Whether the picture depends on a lost one."""


class LossTracker:
    """Follows a film's packets into the decoder and its pictures out of it.

    A picture depends on a loss if it was decoded after it, and no clean key picture was decoded in between. Decoding order is
    that of the packets; a picture is matched with its packet by its presentation time, or by the packet's number in its place.
    """

    def __init__(self, *, is_timed: bool) -> None:
        self._is_timed = is_timed
        self._fed, self._waiting = 0, dict[int, _Fed]()
        self._failures = list[int]()  # calls of the decoder that failed; with frame threads an earlier packet is at fault
        self._losses = list[_Loss]()  # lost pictures that others may refer to
        self._gone = list[int]()  # presentation times of lost pictures, until a later one is shown
        self._untimed = 0  # lost pictures without a time

    def packet_fed(self, packet: "Packet[VideoStream]") -> None:
        """Note a packet that the decoder gets."""
        self._fed += 1
        if packet.pts is not None:
            self._waiting[packet.pts] = _Fed(self._fed, packet.is_disposable)
            if len(self._waiting) > _MAX_WAITING:
                oldest = self._fed - _MAX_WAITING // 2
                self._waiting = {pts: fed for pts, fed in self._waiting.items() if fed.number > oldest}

    def decoding_failed(self) -> None:
        """Note that the decoder failed at the newest packet, or, with frame threads, at one of those before it."""
        if self._waiting:
            self._failures.append(self._fed)
        else:
            self._losses.append(_Loss(self._fed, None))
            self._untimed += 1

    def packet_lost(self, packet: "Packet[VideoStream]") -> None:
        """Note a packet that is kept from the decoder, since it is damaged."""
        self._fed += 1
        if not packet.is_disposable:
            self._losses.append(_Loss(self._fed, packet.pts))
        if packet.pts is None:
            self._untimed += 1
        else:
            self._gone.append(packet.pts)

    def pictures_missing(self, before: "Packet[VideoStream]", count: int) -> None:
        """Note that `count` pictures are missing in the file in front of a packet."""
        self._fed += 1
        self._losses.append(_Loss(self._fed, None))
        self._gone.extend([(before.pts or 0) - 1] * count)

    def picture_decoded(self, picture: VideoFrame) -> int:
        """Note a picture that comes out of the decoder; return the place of its packet in decoding order."""
        fed = self._waiting.pop(picture.pts, None) if picture.pts is not None else None
        number = fed.number if fed else self._fed
        if picture.is_corrupt and not (fed and fed.is_disposable):
            self._losses.append(_Loss(number, picture.pts))
        return number

    def is_awaited(self, picture: VideoFrame, number: int) -> bool:
        """Return whether a picture to which this one may refer is shown after it, and did not come out of the decoder yet."""
        if picture.pts is None or self._failures:
            return False
        earlier = ((pts, fed.number) for pts, fed in self._waiting.items() if fed.number < number and not fed.is_disposable)
        return any(pts > picture.pts or not self._is_timed or number - place <= _MIXED_UP for pts, place in earlier)

    def judge(self, picture: VideoFrame, number: int) -> PictureLoss:
        """Return what the losses mean for the next picture in order of presentation."""
        if not self._failures and not self._losses and not self._gone and not self._untimed and not picture.is_corrupt:
            return PictureLoss(0, is_dependent=False)
        skipped = self._count_skipped(picture)
        if picture.is_corrupt:
            return PictureLoss(skipped, is_dependent=True)
        if picture.key_frame:
            self._losses = [loss for loss in self._losses if loss.number > number and not self._leads(loss, picture)]
            self._failures = [failure for failure in self._failures if failure >= number]
            return PictureLoss(skipped, is_dependent=False)
        return PictureLoss(skipped, bool(self._failures) or any(loss.number < number for loss in self._losses))

    def _leads(self, loss: _Loss, key: VideoFrame) -> bool:
        """Return whether a loss is shown before a key picture, although it was decoded after it: no later one refers to it."""
        return self._is_timed and loss.pts is not None and key.pts is not None and loss.pts < key.pts

    def _count_skipped(self, picture: VideoFrame) -> int:
        """Return how many pictures were lost in front of this one, and find the packets at which the decoder failed."""
        skipped, self._untimed = self._untimed, 0
        if picture.pts is None:
            return skipped
        overdue = sorted(pts for pts in self._waiting if pts < picture.pts) if self._failures else []
        for pts in overdue[-len(self._failures) :] if overdue else []:
            lost = self._waiting.pop(pts)
            self._failures.pop(0)
            self._gone.append(pts)
            if not lost.is_disposable:
                self._losses.append(_Loss(lost.number, pts))
        skipped += sum(pts < picture.pts for pts in self._gone)
        self._gone = [pts for pts in self._gone if pts >= picture.pts]
        return skipped

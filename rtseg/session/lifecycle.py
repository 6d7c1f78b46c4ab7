"""Memory has a life: what each frame means for the memory of the frames before it.

A frame is judged by its index, its time and a thumbnail, in a fraction of a millisecond; docs/temporal.md tells on what data
the limits were found.
"""

from collections import deque
from dataclasses import dataclass
from statistics import median

from rtseg.frame import Frame, Life
from rtseg.kernels.network.fit import Box
from rtseg.session.degradation import Degradation, degradation
from rtseg.session.fingerprint import Glance, change, glance, is_air, unlikeness

_CHANGES = 15  # the newest, whose median is what is usual
_SHARE = 0.1  # of the newest frame in what is usual
_SPARSE = 3  # times as unlike as usual, the next frame must still be the same scene: else too much happens between two frames
_BRIGHTENED = 0.002  # of the cells: where more has come than one cell, something moved


@dataclass(frozen=True, slots=True)
class LifecycleLimits:
    """When a stream is no longer the same stream.

    held_levels, held_share: the picture is held while fewer than this share of the fine thumbnail's cells differ by more grey
    levels from the picture last segmented; a share of 0: never. held_part, held_most: as many levels as this part of what is
    usual between two pictures, but no more than this, since a coder is the noisier the more there is to code.
    cut_unlikeness: another scene is more than this unlike the frame before (1 minus the correlation of the coarse thumbnails)
    for each frame period between them, and `unusual` times as unlike as is usual in the stream. cut_surely: whatever is usual,
    this much is another scene. freeze_frames: a picture held for more frames than this was a freeze, during which time went on.
    gap_frames, gap_s: more frames lost in a row, or more seconds between two frames of a live source, make the memory stale,
    if that is `unusual` times the usual, too.
    spoilt_level, spoilt_detail: a frame of the same scene is spoilt that is suddenly so many times as bright, or has so many
    times the detail, as the last good one, or the reverse; and one on which a share of shadow_least to shadow_most of what was
    bright went dark, while nothing became bright. same_scene, same_beside: the most unlikeness of a scene to itself, and of
    what lies beside a shadow. spoilt_frames: that many in a row at the most, since what lasts is how it looks now, and only
    after as many that were not; 0: none is.
    contact_levels: the probe is in air where all below the near field is dark against it, and nothing there stands out from
    its left and right by this many grey levels; 0: never. lost_frames: without contact for more frames than this, the memory is
    forgotten.
    memory_confidence: a frame whose surest class is less sure than this share of what is usual is not remembered; 0: all are.
    gated_frames: that many in a row at the most, since doubt that lasts is how it looks now.
    """

    held_levels: float = 4
    held_share: float = 0.002
    held_part: float = 0.45
    held_most: float = 6
    cut_unlikeness: float = 0.08
    cut_surely: float = 0.5
    freeze_frames: int = 5
    gap_frames: int = 15
    gap_s: float = 1.0
    unusual: float = 5.0
    spoilt_level: float = 1.25
    spoilt_detail: float = 1.13
    shadow_least: float = 0.025
    shadow_most: float = 0.5
    same_scene: float = 0.12
    same_beside: float = 0.03
    spoilt_frames: int = 5
    contact_levels: float = 10.0
    lost_frames: int = 12
    memory_confidence: float = 0.9
    gated_frames: int = 10


@dataclass(slots=True)
class _Usual:
    """What lies between two frames of this stream as a rule: running means."""

    unlikeness: float = 0.04  # at first: what follows may be a sparse sequence
    lost: float = 0.0
    seconds: float = 0.0

    def update(self, unlikeness: float, lost: int, seconds: float) -> None:
        self.unlikeness += _SHARE * (unlikeness - self.unlikeness)
        self.lost += _SHARE * (lost - self.lost)
        self.seconds += _SHARE * (seconds - self.seconds)


class Lifecycle:
    """Decides for each frame whether the memory goes on, is kept or starts afresh, and says why.

    live: the frames come at their own pace, so that the time between them means something.
    """

    def __init__(self, limits: LifecycleLimits | None = None, *, live: bool = False) -> None:
        self._limits, self.live = limits or LifecycleLimits(), live
        self.forget()

    def forget(self) -> None:
        """Take the next frame for the first one."""
        self._before: Glance | None = None  # the frame before
        self._scene: Glance | None = None  # the newest with contact that nothing spoilt
        self._segmented: Glance | None = None  # the newest that was not held
        self._without_contact = self._held = self._spoilt = 0  # frames in a row
        self._known = 0  # frames since the scene began to look so
        self._usual = _Usual()
        self._changes = deque[float](maxlen=_CHANGES)  # grey levels between one picture and the next

    @property
    def is_frozen(self) -> bool:
        """Whether the picture has been held for longer than a grabber repeats frames."""
        return self._held > self._limits.freeze_frames

    @property
    def is_long_lost(self) -> bool:
        """Whether there has been no contact for so long that the memory is forgotten."""
        return self._without_contact > self._limits.lost_frames

    def observe(self, frame: Frame, box: Box | None = None) -> tuple[Life, str]:
        """What `frame` is, seen after the frames before it, with the reason in words; box: the part to look at."""
        seen = glance(frame, box)
        spoil = self._spoil(seen)
        if not spoil and self._limits.contact_levels and is_air(seen.coarse, self._limits.contact_levels):
            life, reason = Life.LOST, "no contact: nothing stands out below the probe's own echoes"
            self._without_contact, self._held, self._spoilt = self._without_contact + 1, 0, 0
        else:
            life, reason = self._judge(seen, spoil)
            self._take_for(life, seen)
        self._before = seen
        return life, reason

    def refocus(self, frame: Frame, box: Box) -> None:
        """Look at another box from now on, in the newest frame too, which is not judged again."""
        seen = glance(frame, box)
        self._before = seen
        if not self._without_contact:
            self._scene = self._segmented = seen

    def _take_for(self, life: Life, seen: Glance) -> None:
        """Keep of a frame with contact what those after it are compared with."""
        self._held = self._held + 1 if life is Life.HELD else 0
        if life is not Life.HELD:
            self._segmented = seen
        if life is Life.SPOILT:
            self._spoilt += 1
        elif life is not Life.HELD:
            self._known = 1 if life is not Life.LIVE or self._without_contact else self._known + 1
            self._spoilt = 0
        if not self._spoilt:
            self._scene = seen
        self._without_contact = 0

    def _spoil(self, seen: Glance) -> str:
        """What has suddenly spoilt a frame of the scene, or nothing: where it lasts, that is how the scene looks now."""
        good, limits = self._scene, self._limits
        if good is None or self._without_contact or _SPARSE * self._usual.unlikeness > limits.same_scene:
            return ""
        cause = _cause(degradation(seen, good), limits) if (seen.shape, seen.box) == (good.shape, good.box) else ""
        if cause and (self._known < limits.spoilt_frames or self._spoilt == limits.spoilt_frames):
            self._known, cause = 0, ""
        return cause

    def _judge(self, seen: Glance, spoil: str) -> tuple[Life, str]:
        """What a frame with contact is."""
        if self._before is None or self._scene is None or self._segmented is None:
            return Life.NEW, "first frame"
        reason = self._new(seen, self._before, self._scene)
        if reason:
            return Life.NEW, reason
        if self._is_held(seen, self._segmented):
            return Life.HELD, "the picture stands still"
        return self._moved(seen, self._before, self._scene, spoil)

    def _new(self, seen: Glance, before: Glance, scene: Glance) -> str:
        """Why this is another stream, or nothing."""
        if seen.shape != scene.shape:
            return f"size changed from {scene.shape[1]}x{scene.shape[0]} to {seen.shape[1]}x{seen.shape[0]}"
        if seen.box != scene.box:
            return "another part of the picture is looked at"
        if seen.index <= before.index:
            return f"frame {seen.index} came after {before.index}: the source began again"
        if self.is_long_lost:
            return f"contact again after {self._without_contact} frames"
        return ""

    def _is_held(self, seen: Glance, segmented: Glance) -> bool:
        """Whether the picture is the one that was segmented last, but for a coder's noise.

        It is not compared with the frame before: a slow motion, each step too small to be seen, would be held for ever.
        """
        limits, few = self._limits, round(self._limits.held_share * seen.fine.size)
        if not few:
            return False
        levels = change(seen.fine, segmented.fine, few)
        usual = median(self._changes) if self._changes else 0.0
        held = levels <= min(max(limits.held_levels, limits.held_part * usual), limits.held_most)
        if not held:
            self._changes.append(levels)
        return held

    def _moved(self, seen: Glance, before: Glance, scene: Glance, spoil: str) -> tuple[Life, str]:
        """Whether the stream went on, or was interrupted, spoilt or cut."""
        limits, usual = self._limits, self._usual
        lost = seen.index - before.index - 1
        seconds = (seen.captured_ns - before.captured_ns) / 1e9 if self.live else 0.0
        unlike = unlikeness(seen.coarse, scene.coarse)
        stale, silent = max(limits.gap_frames, limits.unusual * usual.lost), max(limits.gap_s, limits.unusual * usual.seconds)
        frozen = self._held if self.is_frozen else 0  # a grabber's repeats take no time
        periods = 1 + lost + self._without_contact + self._spoilt + frozen
        cut = max(limits.cut_unlikeness * periods, limits.unusual * usual.unlikeness)
        usual.update(usual.unlikeness if spoil else unlike, lost, seconds)
        if lost > stale:
            return Life.GAP, f"{lost} frames lost"
        if seconds > silent:
            return Life.GAP, f"no frame for {seconds:.1f} s"
        if spoil:
            return Life.SPOILT, spoil
        if unlike > min(cut, limits.cut_surely):
            return Life.CUT, f"another scene: its likeness to the one before is {1 - unlike:.2f}"
        return Life.LIVE, ""


def _cause(lost: Degradation, limits: LifecycleLimits) -> str:
    """What has spoilt a frame, in words, or nothing."""
    same = lost.unlikeness <= limits.same_scene
    if same and not 1 / limits.spoilt_level < lost.level < limits.spoilt_level:
        return f"another gain, {lost.level:.2f} times as bright"
    shadow = limits.shadow_least < lost.darkened < limits.shadow_most and lost.brightened <= _BRIGHTENED
    if shadow and lost.beside <= limits.same_beside:
        return f"a shadow or lost contact, {lost.darkened:.0%} went dark"
    if same and not 1 / limits.spoilt_detail < lost.detail < limits.spoilt_detail:
        return f"{'noise' if lost.detail > 1 else 'blur'}, {lost.detail:.2f} times the detail"
    return ""


class MemoryGate:
    """Keeps frames out of the memory on which the network is in doubt, against what is usual for it in this stream."""

    def __init__(self, limits: LifecycleLimits) -> None:
        self._limits = limits
        self.forget()

    def forget(self) -> None:
        """Take the next frame for the first one, which is always let in."""
        self._usual, self._kept_out = 0.0, 0

    def admits(self, confidence: tuple[float, ...]) -> bool:
        """Whether a frame is to be remembered; confidence: of each class, 0 where it is absent, which is no doubt."""
        surest = max(confidence)
        if 0 < surest < self._limits.memory_confidence * self._usual and self._kept_out < self._limits.gated_frames:
            self._kept_out += 1
            return False
        self._kept_out = 0
        if surest:
            self._usual += (surest - self._usual) * (_SHARE if self._usual else 1)
        return True

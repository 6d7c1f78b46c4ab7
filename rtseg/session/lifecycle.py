"""Classify each frame of a stream, which decides whether the network's memory goes on, is kept or starts afresh.

A frame is classified by its index, its time and its fingerprint, in a fraction of a millisecond. docs/temporal.md lists the
data on which the limits were found.
"""

from collections import deque
from dataclasses import dataclass
from statistics import median

from rtseg.frame import Frame, Life
from rtseg.kernels.network.fit import Box
from rtseg.session.degradation import Degradation, degradation
from rtseg.session.fingerprint import Glance, change, glance, is_air, unlikeness

_CHANGES = 15  # newest changes whose median is the usual change between frames
_SHARE = 0.1  # weight of the newest frame in a running mean
_SPARSE = 3  # times the mean dissimilarity must still be the same scene; else the frames lie too far apart to judge one
_BRIGHTENED = 0.002  # share of the cells, one of 768: where more became brighter, something moved


@dataclass(frozen=True, slots=True)
class LifecycleLimits:
    """Holds the thresholds at which a frame is held, spoilt or lost, and at which the memory starts afresh."""

    held_levels: float = 4
    """Gray levels; a frame is held while fewer than `held_share` of its cells differ by more from the last segmented one."""
    held_share: float = 0.002
    """Share of the fine thumbnail's cells; 0: no frame is held."""
    held_part: float = 0.45
    """Share of the median change between frames to which `held_levels` rises: an encoder is noisier on strong speckle."""
    held_most: float = 6
    """Gray levels up to which `held_levels` rises."""
    cut_unlikeness: float = 0.08
    """Dissimilarity to the last good frame, for each frame period between them, above which another scene begins."""
    cut_surely: float = 0.5
    """Dissimilarity above which another scene begins, whatever the stream's mean dissimilarity."""
    freeze_frames: int = 5
    """Frames; a picture held for longer was frozen, so that the held frames count as frame periods."""
    gap_frames: int = 15
    """Frames lost in a row above which the memory is stale."""
    gap_s: float = 1.0
    """Seconds without a frame of a live source above which the memory is stale."""
    unusual: float = 5.0
    """Multiple of the stream's running mean that a dissimilarity, a gap or a pause must also exceed."""
    spoilt_level: float = 1.25
    """Ratio of brightness to the last good frame, or its inverse, at which a frame is spoilt."""
    spoilt_detail: float = 1.13
    """Ratio of detail to the last good frame, or its inverse, at which a frame is spoilt."""
    shadow_least: float = 0.025
    """Smallest share of darkened cells that makes a shadow, while no cell became brighter."""
    shadow_most: float = 0.5
    """Largest share of darkened cells that makes a shadow."""
    same_scene: float = 0.12
    """Largest dissimilarity at which two frames show the same scene."""
    same_beside: float = 0.03
    """Largest dissimilarity of the cells outside a shadow at which two frames show the same scene."""
    spoilt_frames: int = 5
    """Most spoilt frames in a row, and fewest good ones before: a lasting change is a new appearance. 0: none is spoilt."""
    contact_levels: float = 10.0
    """Gray levels of lateral contrast below the near field under which the probe has no contact; 0: contact is not tested."""
    lost_frames: int = 12
    """Frames without contact after which the memory is forgotten."""
    memory_confidence: float = 0.9
    """Share of the running mean of the surest class below which a frame is not written to the memory; 0: every frame is."""
    gated_frames: int = 10
    """Most frames in a row that are kept out of the memory: a lasting doubt is a new appearance."""


@dataclass(slots=True)
class _Usual:
    """Holds running means of the differences between consecutive frames."""

    unlikeness: float = 0.04
    """Dissimilarity; starts high, since the stream may be a sparse sequence."""
    lost: float = 0.0
    """Frames lost between two frames."""
    seconds: float = 0.0
    """Time between two frames; 0 for recordings."""

    def update(self, unlikeness: float, lost: int, seconds: float) -> None:
        """Add the differences between one frame and the next."""
        self.unlikeness += _SHARE * (unlikeness - self.unlikeness)
        self.lost += _SHARE * (lost - self.lost)
        self.seconds += _SHARE * (seconds - self.seconds)


class Lifecycle:
    """Classifies each frame by what it means for the memory, and gives the reason.

    live: frames arrive at the source's own pace, so that a long time between two of them is a gap.
    """

    def __init__(self, limits: LifecycleLimits | None = None, *, live: bool = False) -> None:
        self._limits, self.live = limits or LifecycleLimits(), live
        self.forget()

    def forget(self) -> None:
        """Take the next frame for the first one."""
        self._before: Glance | None = None  # of the frame before
        self._scene: Glance | None = None  # of the newest frame with contact that is not spoilt
        self._segmented: Glance | None = None  # of the newest frame that was not held
        self._without_contact = self._held = self._spoilt = 0  # frames in a row
        self._known = 0  # good frames since the scene took its present appearance
        self._usual = _Usual()
        self._changes = deque[float](maxlen=_CHANGES)  # gray levels between consecutive frames that were not held

    @property
    def is_frozen(self) -> bool:
        """Return whether the picture has been held for longer than a frame grabber repeats frames."""
        return self._held > self._limits.freeze_frames

    @property
    def is_long_lost(self) -> bool:
        """Return whether contact has been missing for so long that the memory is forgotten."""
        return self._without_contact > self._limits.lost_frames

    def observe(self, frame: Frame, box: Box | None = None) -> tuple[Life, str]:
        """Classify the next frame and return its state and the reason in words; box: the part of the frame to examine."""
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
        """Examine another box from now on, in the newest frame too, which is not classified again."""
        seen = glance(frame, box)
        self._before = seen
        if not self._without_contact:
            self._scene = self._segmented = seen

    def _take_for(self, life: Life, seen: Glance) -> None:
        """Update the references of later frames with a frame that has contact."""
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
        """Return why a frame of the scene is spoilt, or ""; a lasting change becomes the scene's new appearance."""
        good, limits = self._scene, self._limits
        if good is None or self._without_contact or _SPARSE * self._usual.unlikeness > limits.same_scene:
            return ""
        cause = _cause(degradation(seen, good), limits) if (seen.shape, seen.box) == (good.shape, good.box) else ""
        if cause and (self._known < limits.spoilt_frames or self._spoilt == limits.spoilt_frames):
            self._known, cause = 0, ""
        return cause

    def _judge(self, seen: Glance, spoil: str) -> tuple[Life, str]:
        """Classify a frame with contact."""
        if self._before is None or self._scene is None or self._segmented is None:
            return Life.NEW, "first frame"
        reason = self._new(seen, self._before, self._scene)
        if reason:
            return Life.NEW, reason
        if self._is_held(seen, self._segmented):
            return Life.HELD, "the picture stands still"
        return self._moved(seen, self._before, self._scene, spoil)

    def _new(self, seen: Glance, before: Glance, scene: Glance) -> str:
        """Return why this frame begins another stream, or ""."""
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
        """Return whether the picture equals the one segmented last, up to an encoder's noise.

        The reference is not the frame before, since a slow motion in steps too small to detect would be held forever.
        """
        limits, few = self._limits, round(self._limits.held_share * seen.fine.size)
        if not few:
            return False
        levels = change(seen.fine, segmented.fine, few)
        typical_change = median(self._changes) if self._changes else 0.0
        held = levels <= min(max(limits.held_levels, limits.held_part * typical_change), limits.held_most)
        if not held:
            self._changes.append(levels)
        return held

    def _moved(self, seen: Glance, before: Glance, scene: Glance, spoil: str) -> tuple[Life, str]:
        """Classify a frame that shows something new: the stream went on, or was interrupted, spoilt or cut."""
        limits, usual = self._limits, self._usual
        lost = seen.index - before.index - 1
        seconds = (seen.captured_ns - before.captured_ns) / 1e9 if self.live else 0.0
        unlike = unlikeness(seen.coarse, scene.coarse)
        stale, silent = max(limits.gap_frames, limits.unusual * usual.lost), max(limits.gap_s, limits.unusual * usual.seconds)
        frozen = self._held if self.is_frozen else 0  # repeats of a frame grabber are no frame periods of the scanner
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
    """Return what has spoilt a frame, in words, or ""."""
    same = lost.unlikeness <= limits.same_scene
    if same and not 1 / limits.spoilt_level < lost.level < limits.spoilt_level:
        return f"another gain, {lost.level:.2f} times as bright"
    shadow = limits.shadow_least < lost.darkened < limits.shadow_most and lost.brightened <= _BRIGHTENED
    if shadow and lost.beside <= limits.same_beside:
        return f"a shadow or lost contact, {lost.darkened:.0%} went dark"
    if same and not 1 / limits.spoilt_detail < lost.detail < limits.spoilt_detail:
        return f"{'noise' if lost.detail > 1 else 'blur'}, {lost.detail:.2f} times the detail"
    return ""

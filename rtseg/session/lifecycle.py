"""Classify each frame of a stream, which decides whether the network's memory goes on, is kept or starts afresh.

A frame is classified by its index, its time and its fingerprint, in a fraction of a millisecond. docs/temporal.md lists the
data on which the limits were found.
"""

from collections import deque
from dataclasses import dataclass, replace
from statistics import median

from rtseg.frame import Frame, Life
from rtseg.kernels.network.fit import Box
from rtseg.session.degradation import Degradation, measure_degradation
from rtseg.session.fingerprint import Fingerprint, changed_levels, dissimilarity, fingerprint, is_air
from rtseg.session.judgement import Judgement
from rtseg.session.running_means import RunningMeans

_CHANGE_WINDOW = 15  # newest changes whose median is the usual change between frames
_SPARSE_RATIO = 3  # times the mean dissimilarity must still be the same scene; else the frames lie too far apart to judge one
_MAX_BRIGHTENED = 0.002  # share of the cells, one of 768: where more became brighter, something moved


@dataclass(frozen=True, slots=True)
class LifecycleLimits:
    """Holds the thresholds at which a frame is held, spoilt or lost, and at which the memory starts afresh."""

    held_levels: float = 4
    """Gray levels; a frame is held while fewer than `held_share` of its cells differ by more from the last segmented one."""
    held_share: float = 0.002
    """Share of the fine thumbnail's cells; 0: no frame is held."""
    held_change_ratio: float = 0.45
    """Share of the median change between frames to which `held_levels` rises: an encoder is noisier on strong speckle."""
    max_held_levels: float = 6
    """Gray levels up to which `held_levels` rises."""
    cut_dissimilarity: float = 0.08
    """Dissimilarity to the last good frame, for each frame period between them, above which another scene begins."""
    certain_cut_dissimilarity: float = 0.5
    """Dissimilarity above which another scene begins, whatever the stream's mean dissimilarity."""
    freeze_frames: int = 5
    """Frames; a picture held for longer was frozen, so that the held frames count as frame periods."""
    gap_frames: int = 15
    """Frames lost in a row above which the memory is stale."""
    gap_s: float = 1.0
    """Seconds without a frame of a live source above which the memory is stale."""
    unusual_ratio: float = 5.0
    """Multiple of the stream's running mean that a dissimilarity, a gap or a pause must also exceed."""
    spoilt_level: float = 1.25
    """Ratio of brightness to the last good frame, or its inverse, at which a frame is spoilt."""
    spoilt_detail: float = 1.13
    """Ratio of detail to the last good frame, or its inverse, at which a frame is spoilt."""
    min_shadow_share: float = 0.025
    """Smallest share of darkened cells that makes a shadow, while no cell became brighter."""
    max_shadow_share: float = 0.5
    """Largest share of darkened cells that makes a shadow."""
    same_scene_dissimilarity: float = 0.12
    """Largest dissimilarity at which two frames show the same scene."""
    same_rest_dissimilarity: float = 0.03
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


class Lifecycle:
    """Classifies each frame by what it means for the memory, and gives the reason.

    live: frames arrive at the source's own pace, so that a long time between two of them is a gap.
    """

    def __init__(self, limits: LifecycleLimits | None = None, *, live: bool = False) -> None:
        self._limits, self.live = limits or LifecycleLimits(), live
        self.forget()

    def forget(self) -> None:
        """Take the next frame for the first one."""
        self._previous: Fingerprint | None = None  # of the frame before
        self._reference: Fingerprint | None = None  # of the newest frame with contact that is not spoilt
        self._last_segmented: Fingerprint | None = None  # of the newest frame that was not held
        self._lost_frames = self._held_frames = self._spoilt_frames = self._damaged_frames = 0  # frames in a row
        self._scene_age = 0  # good frames since the scene took its present appearance
        self._means = RunningMeans()
        self._changes = deque[float](maxlen=_CHANGE_WINDOW)  # gray levels between consecutive frames that were not held

    @property
    def is_frozen(self) -> bool:
        """Return whether the picture has been held for longer than a frame grabber repeats frames."""
        return self._held_frames > self._limits.freeze_frames

    @property
    def is_long_lost(self) -> bool:
        """Return whether contact has been missing for so long that the memory is forgotten."""
        return self._lost_frames > self._limits.lost_frames

    def observe(self, frame: Frame, box: Box | None = None) -> Judgement:
        """Classify the next frame and return its state and the reason in words; box: the part of the frame to examine.

        A frame that its source marks as damaged is spoilt, whatever it shows, and no later frame is compared with it.
        """
        if frame.damage:
            return self._pass_over(frame)
        observed = fingerprint(frame, box)
        spoilt_reason = self._spoilt_reason(observed)
        if not spoilt_reason and self._limits.contact_levels and is_air(observed.coarse, self._limits.contact_levels):
            life, reason = Life.LOST, "no contact: nothing stands out below the probe's own echoes"
            self._lost_frames, self._held_frames, self._spoilt_frames = self._lost_frames + 1, 0, 0
        else:
            life, reason = self._classify(observed, spoilt_reason)
            self._update_references(life, observed)
        self._previous, self._damaged_frames = observed, 0
        return Judgement(life, reason)

    def _pass_over(self, frame: Frame) -> Judgement:
        """Return the judgement of a damaged frame; only its index and its time are recorded."""
        self._damaged_frames += 1
        if self._previous is not None and frame.index > self._previous.index:
            self._previous = replace(self._previous, index=frame.index, captured_ns=frame.captured_ns)
        return Judgement(Life.SPOILT, frame.damage)

    def refocus(self, frame: Frame, box: Box) -> None:
        """Examine another box from now on, in the newest frame too, which is not classified again."""
        observed = fingerprint(frame, box)
        self._previous = observed
        if not self._lost_frames:
            self._reference = self._last_segmented = observed

    def _update_references(self, life: Life, observed: Fingerprint) -> None:
        """Update the references of later frames with a frame that has contact."""
        self._held_frames = self._held_frames + 1 if life is Life.HELD else 0
        if life is not Life.HELD:
            self._last_segmented = observed
        if life is Life.SPOILT:
            self._spoilt_frames += 1
        elif life is not Life.HELD:
            self._scene_age = 1 if life is not Life.LIVE or self._lost_frames else self._scene_age + 1
            self._spoilt_frames = 0
        if not self._spoilt_frames:
            self._reference = observed
        self._lost_frames = 0

    def _spoilt_reason(self, observed: Fingerprint) -> str:
        """Return why a frame of the scene is spoilt, or ""; a lasting change becomes the scene's new appearance."""
        reference, limits = self._reference, self._limits
        if (
            reference is None
            or self._lost_frames
            or _SPARSE_RATIO * self._means.dissimilarity > limits.same_scene_dissimilarity
        ):
            return ""
        reason = (
            _degradation_cause(measure_degradation(observed, reference), limits)
            if (observed.shape, observed.box) == (reference.shape, reference.box)
            else ""
        )
        if reason and (self._scene_age < limits.spoilt_frames or self._spoilt_frames == limits.spoilt_frames):
            self._scene_age, reason = 0, ""
        return reason

    def _classify(self, observed: Fingerprint, spoilt_reason: str) -> Judgement:
        """Classify a frame with contact."""
        if self._previous is None or self._reference is None or self._last_segmented is None:
            return Judgement(Life.NEW, "first frame")
        reason = self._new_stream_reason(observed, self._previous, self._reference)
        if reason:
            return Judgement(Life.NEW, reason)
        if self._is_held(observed, self._last_segmented):
            return Judgement(Life.HELD, "the picture stands still")
        return self._classify_change(observed, self._previous, self._reference, spoilt_reason)

    def _new_stream_reason(self, observed: Fingerprint, previous: Fingerprint, reference: Fingerprint) -> str:
        """Return why this frame begins another stream, or ""."""
        if observed.shape != reference.shape:
            return f"size changed from {reference.shape[1]}x{reference.shape[0]} to {observed.shape[1]}x{observed.shape[0]}"
        if observed.box != reference.box:
            return "another part of the picture is looked at"
        if observed.index <= previous.index:
            return f"frame {observed.index} came after {previous.index}: the source began again"
        if self.is_long_lost:
            return f"contact again after {self._lost_frames} frames"
        return ""

    def _is_held(self, observed: Fingerprint, last_segmented: Fingerprint) -> bool:
        """Return whether the picture equals the one segmented last, up to an encoder's noise.

        The reference is not the frame before, since a slow motion in steps too small to detect would be held forever.
        """
        limits, min_cells = self._limits, round(self._limits.held_share * observed.fine.size)
        if not min_cells:
            return False
        levels = changed_levels(observed.fine, last_segmented.fine, min_cells)
        typical_change = median(self._changes) if self._changes else 0.0
        held = levels <= min(max(limits.held_levels, limits.held_change_ratio * typical_change), limits.max_held_levels)
        if not held:
            self._changes.append(levels)
        return held

    def _classify_change(
        self, observed: Fingerprint, previous: Fingerprint, reference: Fingerprint, spoilt_reason: str
    ) -> Judgement:
        """Classify a frame that shows something new: the stream went on, or was interrupted, spoilt or cut."""
        limits, means = self._limits, self._means
        lost = observed.index - previous.index - 1
        seconds = (observed.captured_ns - previous.captured_ns) / 1e9 if self.live else 0.0
        distance = dissimilarity(observed.coarse, reference.coarse)
        max_lost, max_seconds = (
            max(limits.gap_frames, limits.unusual_ratio * means.lost),
            max(limits.gap_s, limits.unusual_ratio * means.seconds),
        )
        frozen = self._held_frames if self.is_frozen else 0  # repeats of a frame grabber are no frame periods of the scanner
        periods = 1 + lost + self._lost_frames + self._spoilt_frames + self._damaged_frames + frozen
        cut = max(limits.cut_dissimilarity * periods, limits.unusual_ratio * means.dissimilarity)
        means.update(means.dissimilarity if spoilt_reason else distance, lost, seconds)
        if lost > max_lost:
            return Judgement(Life.GAP, f"{lost} frames lost")
        if seconds > max_seconds:
            return Judgement(Life.GAP, f"no frame for {seconds:.1f} s")
        if spoilt_reason:
            return Judgement(Life.SPOILT, spoilt_reason)
        if distance > min(cut, limits.certain_cut_dissimilarity):
            return Judgement(Life.CUT, f"another scene: its likeness to the one before is {1 - distance:.2f}")
        return Judgement(Life.LIVE, "")


def _degradation_cause(lost: Degradation, limits: LifecycleLimits) -> str:
    """Return what has spoilt a frame, in words, or ""."""
    is_same_scene = lost.dissimilarity <= limits.same_scene_dissimilarity
    if is_same_scene and not 1 / limits.spoilt_level < lost.level < limits.spoilt_level:
        return f"another gain, {lost.level:.2f} times as bright"
    is_shadow = limits.min_shadow_share < lost.darkened < limits.max_shadow_share and lost.brightened <= _MAX_BRIGHTENED
    if is_shadow and lost.rest_dissimilarity <= limits.same_rest_dissimilarity:
        return f"a shadow or lost contact, {lost.darkened:.0%} went dark"
    if is_same_scene and not 1 / limits.spoilt_detail < lost.detail < limits.spoilt_detail:
        return f"{'noise' if lost.detail > 1 else 'blur'}, {lost.detail:.2f} times the detail"
    return ""

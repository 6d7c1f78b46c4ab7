"""Measures a tracker on clips: its overlap beside the baselines, and how it fares where the object is gone or has a double."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

import numpy as np

from rtseg.bench.tracking.clip import TrackingClip, inner_centroid
from rtseg.bench.tracking.distractor import with_distractors
from rtseg.bench.tracking.followers import CopyFollower, FlowFollower, Follower, TrackedMask, follow_clip
from rtseg.bench.tracking.interruptions import interrupt
from rtseg.bench.tracking.scoring import (
    InterruptionScore,
    Share,
    class_masks,
    dice_values,
    false_lost,
    has_silent_jump,
    score_interruption,
)
from rtseg.evaluation.metrics import dice
from rtseg.session.prompts import Prompt

TRACK, FLOW, COPY, CLASS = "track", "flow", "copy", "class"
_SCRIPTED = ("lift", "cut", "cut", "occlusion")  # the second cut shows another part of the same pictures


def point_prompt(clip: TrackingClip) -> Prompt:
    """Return a click on the centroid of the first mask, or on the object's pixel that is nearest to it."""
    return Prompt(points=(inner_centroid(clip.first),))


def mask_prompt(clip: TrackingClip) -> Prompt:
    """Return the first mask."""
    return Prompt(mask=clip.first)


PROMPTS: Mapping[str, Callable[[TrackingClip], Prompt]] = {"point": point_prompt, "mask": mask_prompt}


@dataclass(frozen=True, slots=True)
class ClipRow:
    """Holds the figures of one clip."""

    name: str
    """Name of the clip."""
    frames: int
    """Frames that are scored: annotated ones after the first."""
    dice: Mapping[str, float]
    """Mean Dice by follower."""
    prompted_dice: float
    """Dice of the tracker in the frame with the prompt, which is not scored."""
    false_lost: Share
    """Frames that show the object, and in which it is said to be lost."""
    refusal: str
    """Why the prompt was refused, in words; empty where it was not."""


@dataclass(slots=True)
class PromptResult:
    """Holds what was measured with one kind of prompt."""

    rows: list[ClipRow] = field(default_factory=list)
    interruptions: list[InterruptionScore] = field(default_factory=list)
    jumps: dict[str, bool] = field(default_factory=dict)  # whether it jumped in silence, by the name of the clip

    def add(self, other: "PromptResult") -> None:
        """Add what was measured on other clips."""
        self.rows += other.rows
        self.interruptions += other.interruptions
        self.jumps |= other.jumps


Results = dict[str, PromptResult]  # by kind of prompt


@dataclass(frozen=True, slots=True)
class TrackingBench:
    """Measures one tracker; all followers see the same frames."""

    tracker: Follower
    class_model: Follower | None = None  # None: no ratio is reported
    seed: int = 1  # of the scripted interruptions
    progress: Callable[[str], None] = lambda _: None  # called with a description of each part as it starts

    def measure(self, clips: Sequence[TrackingClip]) -> Results:
        """Measure the tracker on clips, each with a point and with a mask as its prompt. Raises EngineError."""
        results = {name: PromptResult() for name in PROMPTS}
        for place, clip in enumerate(clips):
            self.progress(f"{clip.name} ({place + 1} of {len(clips)})")
            baselines = self._baselines(clip)
            for name, prompt in PROMPTS.items():
                results[name].rows.append(self._row(clip, prompt(clip), baselines))
            self.progress(f"{clip.name} ({place + 1} of {len(clips)}): interrupted, and with a distractor")
            for scripted in scripted_interruptions(clips, place, self.seed):
                for name, prompt in PROMPTS.items():
                    found = follow_clip(self.tracker, scripted, prompt(scripted))
                    results[name].interruptions.append(score_interruption(scripted, found))
            for planted in with_distractors(clip):
                for name, prompt in PROMPTS.items():
                    found = follow_clip(self.tracker, planted, prompt(planted))
                    results[name].jumps[planted.name] = has_silent_jump(planted, found)
        return results

    def _baselines(self, clip: TrackingClip) -> dict[str, float]:
        """Return the mean Dice of what no prompt changes."""
        given = mask_prompt(clip)
        found = {FLOW: follow_clip(FlowFollower(), clip, given), COPY: follow_clip(CopyFollower(), clip, given)}
        if self.class_model:
            found[CLASS] = class_masks(clip, follow_clip(self.class_model, clip, given))
        return {name: _mean_dice(clip, masks) for name, masks in found.items()}

    def _row(self, clip: TrackingClip, prompt: Prompt, baselines: Mapping[str, float]) -> ClipRow:
        found = follow_clip(self.tracker, clip, prompt)
        values = {TRACK: _mean_dice(clip, found), **baselines}
        frames = sum(truth is not None for truth in clip.truths[1:])
        prompted = round(dice(clip.first, found[0].mask), 5)
        return ClipRow(clip.name, frames, values, prompted, false_lost(clip, found), found[0].refusal)


def scripted_interruptions(clips: Sequence[TrackingClip], place: int, seed: int) -> Iterator[TrackingClip]:
    """Yield one of the clips with a lift, a cut to another subject, a cut to another part of its pictures, and a shadow.

    A cut is left out where no other view is to be had.
    """
    clip = clips[place]
    elsewhere = [other for other in clips if other.images is not clip.images]
    for turn, kind in enumerate(_SCRIPTED):
        rng = np.random.default_rng((seed, place, turn))
        scripted = interrupt(clip, kind, rng, elsewhere if turn == 1 else ())
        if scripted:
            yield scripted


def _mean_dice(clip: TrackingClip, found: Sequence[TrackedMask]) -> float:
    return round(fmean(dice_values(clip, found)), 5)

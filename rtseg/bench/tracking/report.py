"""Sums up what a tracker's benchmark measured as plain values for a JSON report."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from rtseg.bench.tracking.interruptions import AFTER_FRAMES, GONE_FRAMES, LEAD_FRAMES
from rtseg.bench.tracking.measure import CLASS, COPY, FLOW, TRACK, ClipRow, PromptResult, Results
from rtseg.bench.tracking.scoring import (
    FOUND_DICE,
    FOUND_WITHIN,
    JUMP_FRAMES,
    LOST_WITHIN,
    InterruptionScore,
    Share,
    share_of,
)

HEADLINE = "point"  # the prompt whose figures stand on the report's top level
_LIFTS_AND_CUTS = ("lift", "cut")

DEFINITIONS = {
    "track": "mean over the clips of the mean Dice over annotated frames after the prompted one; 1 where both masks are empty",
    "flow": "the same of the true first mask, moved by dense optical flow (OpenCV's DIS, medium preset)",
    "copy": "the same of the true first mask, copied",
    "ratio_to_class": "track over the mean Dice of the class model on the same frames; null without one",
    "lost_within_5": "share of lifts and cuts in which the object is said to be lost, and its mask is empty, within "
    f"{LOST_WITHIN} frames; over those until which it was followed: not lost, and a Dice of {FOUND_DICE} or more",
    "false_lost": "share of frames whose truth shows the object, and in which it is said to be lost",
    "refound": "share of returns, also from behind a shadow, after which it is not lost and has a Dice of "
    f"{FOUND_DICE} or more within {FOUND_WITHIN} frames",
    "silent_jumps": f"clips with a double beside the object in which the mask covers more of the double for {JUMP_FRAMES} "
    "successive frames and is not lost",
    "interruptions": f"{LEAD_FRAMES[0]} to {LEAD_FRAMES[1]} frames, then "
    + ", ".join(f"{frames} of {kind}" for kind, frames in GONE_FRAMES.items())
    + f", then {AFTER_FRAMES} frames",
}


def summarize(results: Results) -> dict[str, Any]:
    """Return the figures of the point prompt on the top level, and those of each prompt below it."""
    by_prompt = {name: _figures(result) for name, result in results.items()}
    return {**by_prompt[HEADLINE], "prompts": by_prompt}


def pooled(groups: Mapping[str, Results]) -> Results:
    """Return the results of several groups of clips as those of one."""
    together: Results = {}
    for results in groups.values():
        for name, result in results.items():
            together.setdefault(name, PromptResult()).add(result)
    return together


def clip_rows(results: Results) -> list[dict[str, Any]]:
    """Return a row for each clip and prompt."""
    return [
        {"clip": row.name, "prompt": name, "frames": row.frames, **row.dice, "prompted": row.prompted_dice}
        | {"false_lost": row.false_lost.value, "refused": row.refusal or None}
        for name, result in results.items()
        for row in result.rows
    ]


def _figures(result: PromptResult) -> dict[str, Any]:
    means = {name: _mean(result.rows, name) for name in (TRACK, FLOW, COPY, CLASS)}
    counted = [one for one in result.interruptions if one.kind in _LIFTS_AND_CUTS]
    lost, refound = _lost_within(counted), _refound(result.interruptions)
    missed = sum((row.false_lost for row in result.rows), Share())
    clips = {"clips": len(result.rows), "frames": sum(row.frames for row in result.rows)}
    return {
        "ratio_to_class": _ratio(means[TRACK], means[CLASS]),
        **means,
        "lost_within_5": lost.value,
        "false_lost": missed.value,
        "refound": refound.value,
        "silent_jumps": sum(result.jumps.values()) if result.jumps else None,
        "over": {
            **dict.fromkeys((TRACK, FLOW, COPY), clips),
            "ratio_to_class": clips if means[CLASS] is not None else None,
            "lost_within_5": {"events": lost.of, "not_followed_before": len(counted) - lost.of},
            "false_lost": {"frames": missed.of},
            "refound": {"events": refound.of},
            "silent_jumps": {"clips": len(result.jumps)},
        },
        "interruptions": {kind: _kind_figures(result.interruptions, kind) for kind in GONE_FRAMES},
        "refused_prompts": sum(bool(row.refusal) for row in result.rows),
        "jumped": sorted(name for name, jumped in result.jumps.items() if jumped),
    }


def _kind_figures(scores: Sequence[InterruptionScore], kind: str) -> dict[str, Any]:
    chosen = [one for one in scores if one.kind == kind]
    lost, refound = _lost_within(chosen), _refound(chosen)
    shown = sum((one.masks_while_gone for one in chosen if one.was_followed), Share())
    return {
        "events": lost.of,
        "not_followed_before": len(chosen) - lost.of,
        "lost_within_5": lost.value,
        "masks_while_gone": shown.value,
        "refound": refound.value,
    }


def _lost_within(scores: Sequence[InterruptionScore]) -> Share:
    return share_of(one.lost_within for one in scores if one.was_followed)


def _refound(scores: Sequence[InterruptionScore]) -> Share:
    return share_of(one.is_refound for one in scores if one.was_followed and one.is_refound is not None)


def _mean(rows: Sequence[ClipRow], name: str) -> float | None:
    values = [row.dice[name] for row in rows if name in row.dice]
    return round(fmean(values), 5) if values else None


def _ratio(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else round(part / whole, 4)

"""The options of `rtseg run` that point at what is segmented, and the checks that they were used."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, TypeAlias, TypeVar

import numpy as np
import typer

from rtseg.cli.app import console
from rtseg.engines.zoo import preview_models
from rtseg.errors import ConfigError
from rtseg.frame import Mask, StreamInfo
from rtseg.session.prompts import Prompt
from rtseg.session.session import Session
from rtseg.session.tracking import NOTHING_FOLLOWED

T = TypeVar("T")

CLASS_MODEL = "carotid"  # that runs where nothing is pointed at
_PREVIEW = (
    "{} is a preview that misses its aims: its mask may be wrong without a word, so look at it, and correct it by another "
    "click (figures: docs/prompts.md)"
)
TRACKERS = {1: "track", 4: "track-4"}  # by how many objects they follow at once
_FORMS = "x,y, not:x,y, box:x,y,w,h or a mask file"


PromptedModelOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        "-m",
        help="The name of a shipped model (see `rtseg models`), or an .onnx file: by default carotid, with --prompt one that "
        "follows what it points at. Give it several times for several models on each frame.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class GivenPrompt:
    """Holds a prompt of the command line."""

    name: str
    """Name of the object."""
    at: int
    """Index of the frame in whose pixels it is."""
    prompt: Prompt
    """What it points at."""


@dataclass(frozen=True)
class PromptOptions:
    """Holds the options that point at objects; all are empty by default."""

    prompt: Annotated[
        list[str] | None,
        typer.Option(
            "--prompt",
            help="Follow what this points at, in pixels of the picture: x,y (a point on it), box:x,y,w,h, or a mask file; "
            "not:x,y takes away from the prompt before. Give the option once for each object, up to 4: "
            "--prompt 310,200 --prompt box:40,60,90,80.",
        ),
    ] = None
    at: Annotated[
        list[int] | None,
        typer.Option(
            "--at",
            min=0,
            help="The index of the frame that --prompt is for, by default 0: one for all prompts, or one for each.",
        ),
    ] = None
    name: Annotated[
        list[str] | None,
        typer.Option(
            "--name",
            help="The name of the object: one for each prompt, as in --prompt 310,200 --name tumor "
            "--prompt 90,80 --name vein; or one for all prompts, which then show the same object.",
        ),
    ] = None

    def parse(self) -> list[GivenPrompt]:
        """Return the prompts, of which those for the same object and frame are joined. Raises ConfigError."""
        texts = self.prompt or []
        if not texts and (self.at or self.name):
            raise ConfigError(f"--at and --name say what --prompt is for: give --prompt too, {_FORMS}")
        names, at = self._names(texts), _for_each(self.at or [0], len(texts), "--at")
        joined: dict[tuple[str, int], Prompt] = {}
        for text, name, index in zip(texts, names, at, strict=True):
            before = joined.get((name, index))
            joined[name, index] = parse_prompt(text) if before is None else _joined(before, parse_prompt(text), name)
        return [GivenPrompt(name, index, prompt) for (name, index), prompt in joined.items()]

    def _names(self, texts: list[str]) -> list[str]:
        """Return the name of each prompt's object; what is taken away belongs to the object before."""
        if self.name:
            return _for_each(self.name, len(texts), "--name")
        shown = sum(not text.startswith("not:") for text in texts)
        if texts and texts[0].startswith("not:"):
            raise ConfigError(f"the first --prompt, {texts[0]}, only takes away: give what it takes away from before it")
        names, count = list[str](), 0
        for text in texts:
            count += not text.startswith("not:")
            names.append("object" if shown == 1 else f"object {count}")
        return names


def chosen_model(model: str, prompts: list[GivenPrompt]) -> str:
    """Return the model to run, and say what a preview is: the one that is given, else the smallest tracker for the objects.

    Raises ConfigError.
    """
    chosen = model or (_tracker_of(prompts) if prompts else CLASS_MODEL)
    if chosen in preview_models():
        console.print(_PREVIEW.format(chosen), style="yellow", highlight=False)
    return chosen


def _tracker_of(prompts: list[GivenPrompt]) -> str:
    count, most = len({one.name for one in prompts}), max(TRACKERS)
    if count > most:
        raise ConfigError(f"--prompt shows {count} objects, and {most} at most are followed at once: leave {count - most} out")
    return TRACKERS[min(limit for limit in TRACKERS if limit >= count)]


def point(session: Session, prompts: list[GivenPrompt], info: StreamInfo) -> None:
    """Give the prompts to a session before its first frame. Raises ConfigError."""
    for one in prompts:
        if info.frames is not None and one.at >= info.frames:
            last = info.frames - 1
            raise ConfigError(f"--at {one.at} lies beyond the end: the source has {info.frames} frames, so give 0 to {last}")
        session.prompt(one.prompt, one.name, at=one.at)
    if not prompts and session.follows_prompts:
        console.print(NOTHING_FOLLOWED, style="yellow", highlight=False)


def check_all_used(session: Session) -> None:
    """Raise ConfigError where a prompt was for a frame that did not come; one from the page was for the last frame."""
    for request in [one for one in session.waiting_prompts if one.at is not None]:
        raise ConfigError(
            f"the prompt for {request.name!r} was not used, since no frame from index {request.at or 0} on could be segmented: "
            f"give an earlier --at"
        )


def parse_prompt(text: str) -> Prompt:
    """Parse one --prompt. Raises ConfigError."""
    kind, colon, rest = text.partition(":")
    if colon and kind == "box" and (values := _numbers(rest, 4)):
        return Prompt(box=(values[0], values[1], values[2], values[3]))
    if colon and kind == "not" and (values := _numbers(rest, 2)):
        return Prompt(other_points=((values[0], values[1]),))
    if values := _numbers(text, 2):
        return Prompt(points=((values[0], values[1]),))
    if kind in ("box", "not") or not Path(text).is_file():
        raise ConfigError(f"--prompt is not {text!r}: give {_FORMS}, in pixels of the picture")
    return Prompt(mask=_mask(Path(text)))


def _mask(path: Path) -> Mask:
    from rtseg.evaluation.dataset.mask_file import read_mask

    mask = np.asarray(read_mask(path, 0)) > 0
    if not mask.any():
        raise ConfigError(f"the mask {path} is empty: give one that is above 0 on the object")
    return mask


def _numbers(text: str, count: int) -> list[float] | None:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        return None
    return values if len(values) == count else None


def _joined(before: Prompt, more: Prompt, name: str) -> Prompt:
    """Return two prompts for one object in one frame as one. Raises ConfigError where both have a box, or a mask."""
    if (before.box and more.box) or (before.mask is not None and more.mask is not None):
        raise ConfigError(f"--prompt gives {name!r} two boxes or two masks in one frame: give one, or each object its --name")
    return replace(
        before,
        points=before.points + more.points,
        other_points=before.other_points + more.other_points,
        box=before.box or more.box,
        mask=more.mask if before.mask is None else before.mask,
    )


def _for_each(given: list[T], count: int, option: str) -> list[T]:
    if len(given) not in (1, count):
        raise ConfigError(f"{option} is given {len(given)} times and --prompt {count} times: give it once, or once for each")
    return given * count if len(given) == 1 else given

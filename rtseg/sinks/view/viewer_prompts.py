"""Pass on what viewers point at in the pictures, and take it back."""

from collections import deque
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from threading import Lock
from typing import Any, Protocol

import numpy as np

from rtseg.errors import ConfigError
from rtseg.frame import Mask, Segmentation, TrackedObject
from rtseg.result import Result
from rtseg.session.prompts import Prompt
from rtseg.sinks.view.pointer_event import PointerEvent
from rtseg.sinks.view.shown_pictures import ShownPictures

MAX_WAITING = 16  # prompts that no frame has taken yet
_MAX_STEPS = 16  # that can be undone
_UNDO_S = 3.0  # by which the frames may have gone on since the mask to which an undo returns


class PromptTarget(Protocol):
    """Takes prompts from any thread; `Session` implements it."""

    @property
    def follows_prompts(self) -> bool:
        """Return whether it follows what is pointed at."""

    @property
    def objects(self) -> Mapping[str, TrackedObject]:
        """Return the objects in the newest frame, by name."""

    @property
    def waiting_prompts(self) -> Sized:
        """Return the prompts that no frame has taken yet."""

    @property
    def refused_prompts(self) -> Sequence[str]:
        """Return why the newest prompts could not be used by the frame they came to."""

    @property
    def prompt_refusals(self) -> int:
        """Return how many prompts could not be used."""

    def prompt(self, prompt: Prompt, name: str = "object") -> None:
        """Follow an object. Raises ConfigError."""

    def forget(self, name: str) -> None:
        """Follow an object no longer. Raises ConfigError."""


@dataclass(frozen=True, slots=True)
class UndoStep:
    """Holds how an object was before a viewer changed it."""

    name: str
    """Name of the object."""
    mask: bytes | None
    """Its mask, packed to bits; None where it had none."""
    size: tuple[int, int]
    """Height and width of the mask in pixels."""
    view: int
    """The view of the mask's frame, as in `ShownPicture`."""
    captured_ns: int
    """Time of capture of the mask's frame."""
    is_forgotten: bool = False
    """Whether the object was forgotten, and not pointed at."""


class ViewerPrompts:
    """Turns places in pictures into prompts, and remembers the last 16 steps for an undo. Callable from any thread.

    pictures: those that viewers see. target: takes the prompts, once it has had a frame; None where nothing can be pointed at.
    """

    def __init__(self, pictures: ShownPictures) -> None:
        self._target: PromptTarget | None = None
        self._pictures, self._lock = pictures, Lock()
        self._newest: tuple[Segmentation, int, int] | None = None  # with its view and its time of capture
        self._steps = deque[UndoStep](maxlen=_MAX_STEPS)

    @property
    def target(self) -> PromptTarget | None:
        """Return what takes the prompts."""
        return self._target

    @target.setter
    def target(self, target: PromptTarget | None) -> None:
        self._target = target
        self.begin()

    def begin(self) -> None:
        """Begin another stream, in which there is nothing to undo."""
        with self._lock:
            self._newest = None
            self._steps.clear()

    def observe(self, result: Result) -> None:
        """Note the masks of the newest frame."""
        self._newest = result.segmentation, self._pictures.view, result.frame.captured_ns

    def point(self, event: PointerEvent) -> None:
        """Follow or correct what a viewer points at. Raises ConfigError."""
        with self._lock:
            target = self._required_target()
            if len(target.waiting_prompts) >= MAX_WAITING:
                raise ConfigError(f"{MAX_WAITING} prompts are waiting for a frame: point again once the picture moves on")
            prompt, before = self._prompt(event), self._step(event.name)
            target.prompt(prompt, event.name)
            self._steps.append(before)

    def forget(self, name: str) -> None:
        """Follow an object no longer. Raises ConfigError."""
        with self._lock:
            before = self._step(name, is_forgotten=True)
            self._forget(self._required_target(), name, is_new=True)
            if before.mask is not None:
                self._steps.append(before)

    def undo(self) -> None:
        """Take the last step back: a new object is forgotten, another one gets the mask that it had. Raises ConfigError."""
        with self._lock:
            target = self._required_target()
            if not self._steps:
                raise ConfigError("there is nothing to undo: point at a structure first")
            step = self._steps[-1]
            mask = None if step.mask is None else self._restored(step, step.mask)
            if not step.is_forgotten:
                self._forget(target, step.name, is_new=mask is None)
            if mask is not None:
                target.prompt(Prompt(mask=mask), step.name)
                self._steps.pop()

    def snapshot(self) -> dict[str, Any] | None:
        """Return what the page needs to let its viewer point, as plain values; None where nothing can be pointed at."""
        target = self.target
        if target is None or not target.follows_prompts:
            return None
        objects, refused = target.objects, target.refused_prompts
        listed = [
            {"name": name, "lost": one.lost, "confidence": round(float(one.confidence), 2), "area_px": one.area_px}
            for name, one in objects.items()
        ]
        return {
            "objects": listed,
            "next_name": _next_name(objects),
            "can_undo": bool(self._steps),
            "waiting": len(target.waiting_prompts),
            "refusals": target.prompt_refusals,
            "refused": refused[-1] if refused else "",
        }

    def _required_target(self) -> PromptTarget:
        if self.target is None:
            raise ConfigError("nothing can be pointed at in this stream: run a model that follows objects, such as track")
        if self._newest is None:
            raise ConfigError("there is no picture yet: point at one once it is shown")
        return self.target

    def _prompt(self, event: PointerEvent) -> Prompt:
        shown = self._pictures.pointed(event.picture)
        if event.box is not None:
            return Prompt(box=shown.box(*event.box))
        if event.point is not None:
            return Prompt(points=(shown.pixel(event.point),))
        assert event.other_point is not None  # an event has one place
        return Prompt(other_points=(shown.pixel(event.other_point),))

    def _step(self, name: str, *, is_forgotten: bool = False) -> UndoStep:
        newest = self._newest
        found, view, captured_ns = newest or (None, 0, 0)
        has_mask = found is not None and name in (found.objects or {}) and name in found.classes
        mask = found.mask(name) if found is not None and has_mask else np.zeros((0, 0), np.bool_)
        packed = np.packbits(mask).tobytes() if mask.any() else None
        return UndoStep(name, packed, (mask.shape[0], mask.shape[1]), view, captured_ns, is_forgotten)

    def _restored(self, step: UndoStep, packed: bytes) -> Mask:
        """Return the mask to which a step goes back. Raises ConfigError where it fits the picture no longer."""
        if step.view != self._pictures.view:
            raise ConfigError(f"the view changed since {step.name!r} was there: point at it again")
        if (age_s := (self._pictures.moved_ns - step.captured_ns) / 1e9) > _UNDO_S:
            raise ConfigError(
                f"the mask of {step.name!r} to go back to is {age_s:.0f} s old: correct the object by another click"
            )
        height, width = step.size
        return np.unpackbits(np.frombuffer(packed, np.uint8), count=height * width).reshape(step.size).astype(np.bool_)

    def _forget(self, target: PromptTarget, name: str, *, is_new: bool) -> None:
        try:
            target.forget(name)
        except ConfigError:
            is_new = True  # the session dropped it
            raise
        finally:
            if is_new:
                self._drop_steps(name)

    def _drop_steps(self, name: str) -> None:
        for step in [one for one in self._steps if one.name == name]:
            self._steps.remove(step)


def _next_name(taken: Mapping[str, object]) -> str:
    """Return the first of object, object-2, object-3, ... that is free."""
    names = ("object", *(f"object-{count}" for count in range(2, len(taken) + 2)))
    return next(name for name in names if name not in taken)

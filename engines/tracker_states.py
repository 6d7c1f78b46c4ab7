"""Names the states of a network that follows what a user points at, so that a session can write and read them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rtseg.engines.base import ModelSpec

STATE_NAMES = ("prompt", "mask", "pin_key", "pin_value", "pinned", "keys", "values", "recent", "presence")

# The values of the state "pinned", which a session may write.
UNUSED = 0.0  # there is no object
FOLLOWED = 1.0  # the object is followed from the last mask on
SOUGHT = 2.0  # the object is looked for in the next frame by its prompt alone, without its last mask; then it is FOLLOWED


@dataclass(frozen=True, slots=True)
class TrackerStates:
    """Locates the states of a tracker in a spec."""

    prompt: str
    """The input of the maps (objects, 2, h, w) of what belongs to each object, and what does not."""
    pinned: str
    """The input that holds UNUSED, FOLLOWED or SOUGHT for each object."""
    pinned_shape: tuple[int, ...]
    """The shape of that state, (objects, 1, 1, 1)."""
    presence: int
    """The position of the presence 0..1 of each object among the states."""
    shape: tuple[int, int, int, int]
    """The shape of the maps, (objects, 2, h, w)."""

    @property
    def objects(self) -> int:
        """Return how many objects it follows at once."""
        return self.shape[0]

    def presence_in(self, arrays: Sequence[Any] | None) -> tuple[float, ...] | None:
        """Return the presence of each object. arrays: of the states, on the host; None, as for those on a GPU: unknown."""
        return None if arrays is None else tuple(float(value) for value in arrays[self.presence].reshape(-1))

    @classmethod
    def of(cls, spec: ModelSpec) -> "TrackerStates | None":
        """Return where the states are; None for a network that follows no objects."""
        places = {state.input: place for place, state in enumerate(spec.states)}
        names = ("prompt_in", "pinned_in", "presence_in")
        if not all(name in places for name in names):
            return None
        prompt, pinned, presence = (spec.states[places[name]] for name in names)
        count = len(spec.classes)
        if len(prompt.shape) != 4 or prompt.shape[:2] != (count, 2) or pinned.shape != presence.shape != (count, 1, 1, 1):
            return None
        _, _, height, width = prompt.shape
        return cls(prompt.input, pinned.input, pinned.shape, places["presence_in"], (count, 2, height, width))

"""Queues what users say about objects, from any thread, until the session's next frame."""

from collections import deque
from dataclasses import dataclass
from threading import Lock

from rtseg.engines.spec_values import is_shown_name
from rtseg.errors import ConfigError
from rtseg.session.prompts import Prompt


@dataclass(frozen=True, slots=True)
class PromptRequest:
    """Holds what a user says about one object."""

    name: str
    """The object's name."""
    place: int
    """Its place among the objects of the network, from 0."""
    prompt: Prompt | None
    """What was pointed at; None: the object is forgotten."""
    at: int | None
    """Index of the frame that the prompt is for; None: it was placed on the newest one, and holds from the next."""


class PromptQueue:
    """Gives each object a place, and holds the requests that no frame has taken yet. Callable from any thread.

    model: the network's name. objects: how many it follows at once.
    """

    def __init__(self, model: str, objects: int) -> None:
        self._model, self._objects, self._lock = model, objects, Lock()
        self._places: dict[str, int] = {}
        self._requests = deque[PromptRequest]()

    def __len__(self) -> int:
        return len(self._requests)

    def add(self, name: str, prompt: Prompt, at: int | None) -> None:
        """Add a prompt. Raises ConfigError for a name that cannot be shown, and where all places are taken."""
        if not is_shown_name(name):
            raise ConfigError(f"an object is named {name!r:.80}: give one line of printable text")
        with self._lock:
            free = [place for place in range(self._objects) if place not in self._places.values()]
            if name not in self._places and not free:
                raise ConfigError(self._full_message(name))
            if name not in self._places:
                self._places[name] = free[0]
            self._requests.append(PromptRequest(name, self._places[name], prompt, at))

    def _full_message(self, name: str) -> str:
        most = f"{self._objects} object{'s' * (self._objects > 1)}"
        remedy = "forget one first" if self._objects > 1 else "forget it first, or load a model of several, such as track-4"
        return f"{self._model!r} follows {most}, {', '.join(self._places)}, so that {name!r} has no place: {remedy}"

    def forget(self, name: str) -> None:
        """Free the place of an object, whose requests are dropped. Raises ConfigError where there is none of that name."""
        with self._lock:
            if name not in self._places:
                known = ", ".join(self._places)
                raise ConfigError(
                    f"there is no object {name!r} to forget: " + (f"give one of {known}" if known else "none is followed")
                )
            place = self._places.pop(name)
            others = [one for one in self._requests if one.name != name]
            self._requests = deque([*others, PromptRequest(name, place, None, None)])

    def release(self, name: str) -> None:
        """Free the place of an object whose first prompt was refused."""
        with self._lock:
            self._places.pop(name, None)

    def take(self, index: int) -> list[PromptRequest]:
        """Return the requests for the frame of this index, in order, and remove them."""
        if not self._requests:
            return []
        with self._lock:
            due = [one for one in self._requests if one.at is None or one.at <= index]
            self._requests = deque(one for one in self._requests if not (one.at is None or one.at <= index))
        return due

    def put_back(self, requests: list[PromptRequest]) -> None:
        """Put requests back that a frame could not use."""
        with self._lock:
            self._requests.extendleft(reversed(requests))

    def waiting(self) -> list[PromptRequest]:
        """Return the requests that no frame has taken."""
        with self._lock:
            return list(self._requests)

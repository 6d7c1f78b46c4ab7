"""Hold values that are written into a network's states from outside, such as a prompt, for as long as their role says."""

from collections import deque
from collections.abc import Mapping

import numpy as np

from rtseg.engines.base import Engine, Floats, ModelSpec, State, check_write
from rtseg.engines.spec_values import WRITTEN_ROLES
from rtseg.frame import Life


class StateWrites:
    """Writes values into the states of the next frame, and again into states that are made anew.

    The roles differ in their life. "memory" and "mask": the network continues from the values, and a reset zeroes them.
    "prompt": survives a gap, and ends with the view (NEW, CUT, another sector). "weights": survive every reset.
    spec: the network's. newest: what was written with the newest frame that the network saw, by input, for recordings.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self._spec, self._roles = spec, {state.input: state.role for state in spec.states}
        self._requested: deque[tuple[str, Floats]] = deque()
        self._next: dict[str, Floats] = {}
        self._lasting: dict[str, Floats] = {}
        self._passing = set[str]()  # of those of the next frame: what does not last, whatever its role
        self.newest: Mapping[str, Floats] = {}

    def request(self, name: str, values: Floats) -> None:
        """Write values into the state with the input `name`, with the next frame that the network sees.

        The last request for a state counts. Callable from any thread. Raises ConfigError, see `check_write`.
        """
        self._requested.append((name, check_write(self._spec, name, values)[1]))

    def begin_frame(self) -> bool:
        """Take the requests so far for the frame that begins; return whether there were any."""
        self.newest, taken = {}, bool(self._requested)
        while self._requested:
            name, values = self._requested.popleft()
            self._next[name] = values
            self._passing.discard(name)
        return taken

    def put(self, name: str, values: Floats) -> None:
        """Write values with the frame that has begun, from its own thread; they are not written again into a new state."""
        self._next[name] = check_write(self._spec, name, values)[1]
        self._passing.add(name)

    def is_pending(self, name: str) -> bool:
        """Return whether values for a state have been given that the network has not seen."""
        return name in self._next

    def restored(self, engine: Engine, state: State) -> State:
        """Return a new state of zeros with everything written into it that lasts."""
        for name, values in self._lasting.items():
            state = engine.write(state, name, values)
        return state

    def applied(self, engine: Engine, state: State) -> State:
        """Return the state with the requested values written into it; they stay requested until `commit`."""
        for name, values in self._next.items():
            state = engine.write(state, name, values)
        return state

    def commit(self) -> None:
        """Count the requested values as written, after the network has seen the frame."""
        self.newest, self._next = self._next, {}
        passing, self._passing = self._passing, set()
        lasting = {name: values for name, values in self.newest.items() if self._roles[name] in WRITTEN_ROLES}
        self._lasting |= {name: values for name, values in lasting.items() if name not in passing}

    def forget(self, life: Life) -> frozenset[str]:
        """Forget what does not survive a reset for this reason; return the inputs of the states that do survive it.

        What is only requested stays.
        """
        roles = WRITTEN_ROLES if life is Life.GAP else ("weights",)
        kept = frozenset(name for name, role in self._roles.items() if role in roles)
        self._lasting = {name: values for name, values in self._lasting.items() if name in kept}
        return kept

    def zeroed(self, engine: Engine, state: State, kept: frozenset[str]) -> State:
        """Return the state with zeros in all that a reset did not keep."""
        for one in self._spec.states:
            if one.input not in kept:
                state = engine.write(state, one.input, np.zeros(one.shape, np.float32))
        return state

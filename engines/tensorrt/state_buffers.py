"""Provides zeroed states in a small fixed set of GPU buffers, so that a reset needs no new CUDA graph."""

from dataclasses import dataclass, field
from typing import Any
from weakref import ref

from rtseg.engines.base import StateSpec
from rtseg.engines.tensorrt.device import CudaStream, DeviceMemory, GpuArray

Arrays = tuple[GpuArray, ...]


@dataclass(slots=True)
class GpuState:
    """Holds the recurrent states in two sets of buffers, as `SwapState` does; only one of zeros may still exchange them."""

    now: Arrays
    """The buffers that the next run reads."""
    spare: Arrays
    """The buffers that the next run writes; those of `now` for states that the network does not write."""
    is_zero: bool = False
    """Whether both sets hold zeros, so that a run may begin with either."""

    def swapped(self) -> "GpuState":
        """Return the state after a run, with the two sets exchanged."""
        return GpuState(self.spare, self.now)

    def exchange(self) -> None:
        """Let a state of zeros begin with the other set."""
        self.now, self.spare = self.spare, self.now

    def host_arrays(self) -> tuple[Any, ...] | None:
        """Return None, because the arrays lie on a GPU."""
        return None

    @property
    def sides(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the addresses that a run reads and those that it writes, by which a captured graph is chosen."""
        return tuple(array.pointer for array in self.now), tuple(array.pointer for array in self.spare)


class _Lease:
    """Lives as long as an array of a state that was handed out."""

    __slots__ = ("__weakref__",)


@dataclass(slots=True)
class _StateSet:
    """Holds the buffers of one state at a time."""

    now: Arrays
    spare: Arrays
    lease: "ref[_Lease]" = field(default_factory=lambda: ref(_Lease()))  # dead: nobody holds a state in these buffers


class StateBuffers:
    """Hands out states of zeros in the first set of buffers that no state is in; there are as many sets as live states.

    All work on the buffers is put on one stream, so that those of a dropped state are zeroed behind the last run that used it.
    """

    def __init__(self, memory: DeviceMemory, specs: tuple[StateSpec, ...], stream: CudaStream) -> None:
        self._memory, self._specs, self._stream = memory, specs, stream
        self._sets: list[_StateSet] = []

    def zeros(self) -> GpuState:
        """Return a state of zeros, which is enqueued and not waited for. Raises EngineError."""
        chosen = next((one for one in self._sets if one.lease() is None), None) or self._new_set()
        lease = _Lease()
        chosen.lease = ref(lease)
        leased = {id(array): self._zeroed(array, lease) for array in (*chosen.now, *chosen.spare)}
        now, spare = (tuple(leased[id(array)] for array in side) for side in (chosen.now, chosen.spare))
        return GpuState(now, spare, is_zero=True)

    def _new_set(self) -> _StateSet:
        now = tuple(self._memory.array(spec.shape, "float32") for spec in self._specs)
        spare = tuple(
            self._memory.array(spec.shape, "float32") if spec.output else array
            for spec, array in zip(self._specs, now, strict=True)
        )
        self._sets.append(_StateSet(now, spare))
        return self._sets[-1]

    def _zeroed(self, array: GpuArray, lease: _Lease) -> GpuArray:
        self._memory.zero(array, self._stream)
        return GpuArray(array.pointer, array.shape, array.dtype, array.stream, (array, lease))

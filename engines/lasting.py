"""Arrays on a GPU that outlive the step of a frame, by name, so that each step finds them where the step before did."""

from collections.abc import Hashable
from contextlib import ExitStack
from typing import Any

import numpy as np
import numpy.typing as npt

from rtseg.engines.deferred import Known
from rtseg.engines.gpu import Gpu, GpuArray, Memory, Pinned, to_device


class Brought:
    """Where numbers of the host go up for each frame: pinned memory, and its copy on the GPU."""

    def __init__(self, gpu: Gpu, memory: Memory, name: str, shape: tuple[int, ...]) -> None:
        self.key, self._copied = ("brought", name, shape), gpu.event()
        self._host = Pinned(shape, np.float32, mapped=False)
        self.device = memory.array(shape, np.float32)

    def put(self, values: npt.NDArray[np.float32], stream: Any) -> None:
        """Put them on their way, behind all that reads those of the frame before."""
        self._copied.synchronize()
        np.copyto(self._host.array, values)
        to_device(self.device.pointer, self._host.array, stream)
        self._copied.record(stream)

    def close(self) -> None:
        """Give back the pinned memory."""
        self._host.close()


class Kept:
    """Two places that take turns: a step reads the one and writes the other, and nothing is copied."""

    def __init__(self, memory: Memory, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        self._name, self._shape, self.side = name, shape, 0
        self._places = memory.array(shape, dtype), memory.array(shape, dtype)

    @property
    def key(self) -> Hashable:
        """Of the place that holds the newest."""
        return self._key(self.side)

    @property
    def spare(self) -> GpuArray:
        """The place that is written next."""
        return self._places[1 - self.side]

    def leaves(self) -> Known:
        """Both places, by key."""
        return {self._key(side): place for side, place in enumerate(self._places)}

    def _key(self, side: int) -> Hashable:
        return ("kept", self._name, self._shape, side)


class Lasting:
    """All that outlives the steps of one engine, by name and shape: it stays until the engine goes."""

    def __init__(self, gpu: Gpu, memory: Memory, stream: Any) -> None:
        self._gpu, self._memory, self._stream = gpu, memory, stream
        self._brought: dict[tuple[str, tuple[int, ...]], Brought] = {}
        self._kept: dict[tuple[str, tuple[int, ...]], Kept] = {}

    @property
    def sides(self) -> tuple[int, ...]:
        """Which place of each holds the newest: a step is for these alone."""
        return tuple(kept.side for kept in self._kept.values())

    def leaves(self) -> Known:
        """Every array, by key."""
        found: Known = {brought.key: brought.device for brought in self._brought.values()}
        for kept in self._kept.values():
            found |= kept.leaves()
        return found

    def bring(self, name: str, values: npt.NDArray[np.float32]) -> Hashable:
        """Send numbers up; the key of their place."""
        if (name, values.shape) not in self._brought:
            self._brought[name, values.shape] = Brought(self._gpu, self._memory, name, values.shape)
        there = self._brought[name, values.shape]
        there.put(values, self._stream)
        return there.key

    def place(self, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Kept:
        """The two places of a name."""
        if (name, shape) not in self._kept:
            self._kept[name, shape] = Kept(self._memory, name, shape, dtype)
        return self._kept[name, shape]

    def close(self) -> None:
        """Give back the pinned memory."""
        with ExitStack() as all_of_them:
            for brought in self._brought.values():
                all_of_them.callback(brought.close)
            self._brought, self._kept = {}, {}

"""Prefetches batches of clips in one thread; the batches depend on the seed only, not on the timing."""

from collections.abc import Iterator
from queue import Empty, Full, Queue
from threading import Event, Thread
from types import TracebackType

import numpy as np

from rtseg.train.clips import ClipSampler, TrainingClip

_PREFETCH = 4  # prefetched batches


class ClipLoader:
    """Iterates over batches (T, N, ...) of the steps from `first` to before `last`.

    shape: (N, T), clips and frames of a batch. Call `close` or use it as a context manager.
    """

    def __init__(self, sampler: ClipSampler, shape: tuple[int, int], seed: int, first: int, last: int) -> None:
        self._sampler, self._seed, self._steps = sampler, seed, range(first, last)
        self._batch, self._length = shape
        self._ready: Queue[TrainingClip | BaseException | None] = Queue(_PREFETCH)
        self._stop = Event()
        self._thread = Thread(target=self._work, name="rtseg-clips", daemon=True)
        self._thread.start()

    def __enter__(self) -> "ClipLoader":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def __iter__(self) -> Iterator[TrainingClip]:
        while (batch := self._ready.get()) is not None:
            if isinstance(batch, BaseException):
                raise batch
            yield batch

    def close(self) -> None:
        """Stop the thread; closing twice is harmless."""
        self._stop.set()
        while self._thread.is_alive():
            try:
                self._ready.get(timeout=0.05)  # frees space if the thread blocks on a full queue
            except Empty:
                continue

    def _work(self) -> None:
        try:
            for step in self._steps:
                if not self._put(self._draw(step)):
                    return
            self._put(None)
        except BaseException as error:  # noqa: BLE001  raised again by the iterator
            self._put(error)

    def _draw(self, step: int) -> TrainingClip:
        seeds = [(self._seed, step, place) for place in range(self._batch)]
        clips = [self._sampler.draw(np.random.default_rng(seed), self._length) for seed in seeds]
        motions = [clip.motion for clip in clips if clip.motion is not None]
        frames, truth = np.stack([clip.frames for clip in clips], 1), np.stack([clip.truth for clip in clips], 1)
        return TrainingClip(frames, truth, np.stack(motions, 1) if motions else None)

    def _put(self, item: TrainingClip | BaseException | None) -> bool:
        """Put an item into the queue, blocking while it is full; return False after the loader is closed."""
        while not self._stop.is_set():
            try:
                self._ready.put(item, timeout=0.1)
                return True
            except Full:
                continue
        return False

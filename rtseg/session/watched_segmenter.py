"""Segment frames in a thread that is abandoned when the engine hangs; another engine then repeats the frame."""

from collections.abc import Sequence
from functools import partial
from time import perf_counter_ns

from rtseg.engines.base import Engine
from rtseg.engines.capabilities import Replaceable
from rtseg.engines.class_postprocess import ClassPostprocess
from rtseg.engines.engine_use import use_of
from rtseg.engines.hung_threads import check_hung_threads
from rtseg.engines.tracker_states import TrackerStates
from rtseg.engines.watchdog import FILE_TIMEOUT_S, EngineWorker, WatchedEngine
from rtseg.errors import EngineError, EngineTimeout, RtsegError
from rtseg.frame import Frame, Life, Segmentation, Spacing
from rtseg.kernels.network.fit import Box
from rtseg.session.answer_guard import AnswerGuard
from rtseg.session.frame_segmenter import FrameSegmenter
from rtseg.session.judgement import Judgement
from rtseg.session.lifecycle import LifecycleLimits
from rtseg.session.memory_gate import MemoryGate
from rtseg.session.settings import SessionSettings
from rtseg.session.state_writes import StateWrites
from rtseg.trace import LatencyTrace, MemoryCounts


class WatchedSegmenter:
    """Segments frames with one engine, which another may replace where it fails or hangs; the memory then starts afresh.

    Takes the arguments of `FrameSegmenter`; limits: of the memory gate. timeout_s: the longest time of one engine call; 0: no
    limit, and no thread. writes: into the network's states, and guard: looks whether the answers are misread, whichever engine
    runs it.
    """

    def __init__(
        self,
        engine: Engine,
        settings: SessionSettings,
        limits: LifecycleLimits,
        counts: MemoryCounts,
        cleaning: Sequence[ClassPostprocess] = (),
        *,
        is_measured: bool = False,
    ) -> None:
        self._engine, self._settings, self._limits = engine, settings, limits
        self._counts, self._cleaning, self._is_measured = counts, cleaning, is_measured
        self._replaceable = engine if isinstance(engine, Replaceable) else None
        self._use = use_of(engine)
        self.guard = AnswerGuard(engine.spec.name, [])
        self.writes = StateWrites(engine.spec)
        self.timeout_s = FILE_TIMEOUT_S
        self._renew()

    def apply(self, settings: SessionSettings) -> None:
        """Apply settings from the next frame on."""
        self._settings = settings
        self.frames.apply(settings)

    def forget(self, life: Life) -> None:
        """Start the network's memory and the stabilization afresh with the next frame. life: of that frame."""
        self.frames.forget(self.writes.forget(life))

    def forget_filter(self) -> None:
        """Start the filters that remember earlier frames afresh."""
        self.frames.forget_filter()

    def forget_stabilization(self) -> None:
        """Let the network's next answer stand for itself; it runs on the next frame."""
        self.frames.forget_stabilization()

    def close(self) -> None:
        """End the thread; the next frame starts another one."""
        self._worker.close()

    def segment(
        self, frame: Frame, box: Box, trace: LatencyTrace, judgement: Judgement, spacing_mm: Spacing | None
    ) -> Segmentation:
        """Segment a frame. Where the engine fails or hangs and another replaces it, the frame is repeated with a fresh memory.

        Raises ConfigError where another session uses the engine at this moment, EngineTimeout, and what `FrameSegmenter` does.
        """
        self._use.claim()
        try:
            while True:
                try:
                    return self._attempt(frame, box, trace, judgement, spacing_mm)
                except Exception as error:  # engines and their libraries share no other parent
                    if not _is_engine_fault(error):
                        raise
                    self._replace(error)
        finally:
            self._use.release()

    def _attempt(
        self, frame: Frame, box: Box, trace: LatencyTrace, judgement: Judgement, spacing_mm: Spacing | None
    ) -> Segmentation:
        """Segment a frame on the engine at work, with a trace of its own, since an abandoned thread may still write to it."""
        if not self.timeout_s:
            return self.frames.segment(frame, box, trace, judgement, spacing_mm)
        began_ns, own = perf_counter_ns(), LatencyTrace(frame.captured_ns)
        work = partial(self.frames.segment, frame, box, own, judgement, spacing_mm)
        try:
            found = self._worker.run(work, self.timeout_s)
        except EngineTimeout:
            trace.add("infer", began_ns, perf_counter_ns())
            raise
        except Exception:
            trace.merge(own)
            raise
        except BaseException:  # Ctrl-C
            if self._watched.running:
                self._use.hung(EngineTimeout("the program was interrupted meanwhile"))
            raise
        trace.merge(own)
        return found

    def _replace(self, error: Exception) -> None:
        """Replace the engine that failed or hung. Raises the error where there is no other one, or too many threads hang."""
        try:
            if isinstance(error, EngineTimeout):
                check_hung_threads(error)
            if self._replaceable is None:
                raise error
            self._replaceable.replace(error)
        except BaseException:
            if isinstance(error, EngineTimeout):
                self._use.hung(error)
            raise
        self._worker.close()
        self._renew()

    def _renew(self) -> None:
        """Drop everything that belongs to the engine before, or to a thread that hangs in it."""
        self._watched = WatchedEngine(self._engine)
        self._worker = EngineWorker(self._watched)
        gate = MemoryGate(self._limits, is_open=TrackerStates.of(self._engine.spec) is not None)
        self.frames = FrameSegmenter(
            self._watched,
            self._settings,
            gate,
            self.guard,
            self.writes,
            self._counts,
            self._cleaning,
            is_measured=self._is_measured,
        )


def _is_engine_fault(error: Exception) -> bool:
    """Return whether another engine may do better: not where rtseg refuses the frame or a setting."""
    return isinstance(error, EngineError) or not isinstance(error, RtsegError)

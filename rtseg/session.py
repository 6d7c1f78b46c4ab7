"""A session: one stream through one engine, and the only keeper of the memory of its frames."""

import logging
from dataclasses import replace

import numpy as np

from rtseg import kernels
from rtseg.engines.base import Array, Engine, State
from rtseg.frame import Frame, Labels, Life, Segmentation, Spacing, StreamInfo
from rtseg.kernels.fit import Fit, letterbox
from rtseg.lifecycle import Lifecycle, LifecycleLimits, MemoryGate
from rtseg.postprocess import keep_single
from rtseg.sector import Locator, SectorFinder
from rtseg.sector.shape import unknown
from rtseg.temporal import Temporal, TemporalOptions
from rtseg.trace import LatencyTrace, MemoryCounts

_log = logging.getLogger(__name__)

_AFRESH = (Life.NEW, Life.CUT, Life.GAP)


class Session:
    """Segments the frames of one stream, in order, with a memory of those before.

    engine: runs the network; it is not closed here, since sessions may share it one after another. threshold: of a class's
    probability, for networks of one class with one output. spacing_mm: millimetres a pixel (down, along), where known.
    temporal: how masks are steadied in time beyond what the network does itself; None: not at all.
    locator: finds the ultrasound on the frame, `SectorFinder()` by default; `WholeFrame()` where the frame is nothing else.
    counts: what became of the memory so far. sector: of the newest frame.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        threshold: float = 0.5,
        spacing_mm: Spacing | None = None,
        limits: LifecycleLimits | None = None,
        temporal: TemporalOptions | None = None,
        locator: Locator | None = None,
    ) -> None:
        self._engine, self._threshold, self.spacing_mm = engine, threshold, spacing_mm
        self._lifecycle, self._gate = Lifecycle(limits), MemoryGate(limits or LifecycleLimits())
        self._temporal = Temporal(temporal) if temporal else None
        self._locator = locator or SectorFinder()
        self.sector = unknown((0, 0))
        self._state = engine.initial_state()
        self._input: Array | None = None
        self._kept: Segmentation | None = None  # of the newest frame that was segmented
        self._reset_reason = ""
        self.counts = MemoryCounts()

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, without the background."""
        return self._engine.spec.classes

    def step(self, frame: Frame, trace: LatencyTrace | None = None) -> Segmentation:
        """Segment the next frame; each stage's time is added to `trace`. Raises EngineError.

        A held frame gets the very labels of the frame whose picture it shows: do not write to them.
        """
        trace = trace or LatencyTrace(frame.captured_ns)
        with trace.stage("sector"):
            self.sector, another = self._locator.observe(frame)
        with trace.stage("lifecycle"):
            life, reason = self._live_on(frame, another)
        if life is Life.LOST:
            return self._without_mask(frame, reason)
        if life is Life.HELD and self._kept:
            return replace(self._kept, life=life, reason=reason)
        self._kept = self._segment(frame, trace, life, reason)
        return self._kept

    def reset(self, reason: str) -> None:
        """Forget every frame so far: the next one is the first of a new stream."""
        self._lifecycle.forget()
        self._locator.forget()
        self._reset_reason = reason

    def warm_up(self, info: StreamInfo) -> None:
        """Do what is slow the first time (compiled kernels, lazy buffers) before the first frame of the stream comes."""
        self._lifecycle.live = info.live
        kernels.warm_up()
        blank = Frame(np.zeros((info.height, info.width), np.uint8), 0, 0)
        self._lifecycle.observe(blank)
        self.sector = unknown((info.height, info.width))
        self._segment(blank, LatencyTrace(0), Life.NEW, "")
        self.reset("first frame")

    def _segment(self, frame: Frame, trace: LatencyTrace, life: Life, reason: str) -> Segmentation:
        fit = letterbox(self.sector.box, self._engine.spec.size)
        if self._temporal and not self._temporal.is_due(life):
            with trace.stage("temporal"):
                logits = self._temporal.carry(frame, fit)
            labels, confidence = self._read(logits, fit, frame, trace)
            return Segmentation(labels, self.classes, confidence, self.spacing_mm, life, "carried from the frame before")
        logits, state = self._infer(frame, fit, trace)
        labels, confidence = self._read(logits, fit, frame, trace)
        self._remember(state, confidence)
        return Segmentation(labels, self.classes, confidence, self.spacing_mm, life, reason)

    def _live_on(self, frame: Frame, another: str) -> tuple[Life, str]:
        """What becomes of the memory; another: why the sector is another one than before, or nothing."""
        life, reason = self._lifecycle.observe(frame, self.sector.box)
        if another and life is not Life.LOST:
            life, reason = Life.NEW, another
        self.counts.add(life)
        if life in _AFRESH:
            reason, self._reset_reason = self._reset_reason or reason, ""
            _log.info("memory starts afresh at frame %d: %s", frame.index, reason)
            self._state = self._engine.initial_state()
            self._gate.forget()
            if self._temporal:
                self._temporal.forget()
        return life, reason

    def _without_mask(self, frame: Frame, reason: str) -> Segmentation:
        labels = np.zeros((frame.height, frame.width), np.uint8)
        return Segmentation(labels, self.classes, (0.0,) * len(self.classes), self.spacing_mm, Life.LOST, reason)

    def _infer(self, frame: Frame, fit: Fit, trace: LatencyTrace) -> tuple[Array, State]:
        with trace.stage("preprocess"):
            x = self._fit_input(frame, fit)
        with trace.stage("infer"):
            logits, state = self._finite(x)
        if self._temporal:
            with trace.stage("temporal"):
                logits = self._temporal.steady(np.asarray(self._engine.download(logits), np.float32), frame, fit)
        return logits, state

    def _fit_input(self, frame: Frame, fit: Fit) -> Array:
        image, spec = self._engine.upload(frame.image), self._engine.spec
        self._input = kernels.fit_input(image, fit, spec.mean, spec.std, out=self._input)
        return self._input

    def _finite(self, x: Array) -> tuple[Array, State]:
        logits, state = self._engine.infer(x, self._state)
        if kernels.has_nonfinite(logits):
            # What is not a number in the answer is in the memory too, and would stay there for ever.
            _log.warning("the network gave NaN or infinity: its memory starts afresh")
            self.counts.nonfinite += 1
            self._state = self._engine.initial_state()
            logits, state = self._engine.infer(x, self._state)
        return logits, state

    def _read(self, logits: Array, fit: Fit, frame: Frame, trace: LatencyTrace) -> tuple[Labels, tuple[float, ...]]:
        spec, shape = self._engine.spec, (frame.height, frame.width)
        with trace.stage("postprocess"):
            labels = self._engine.download(kernels.argmax_labels(logits, fit, shape, threshold=self._threshold))
            confidence = self._engine.download(kernels.class_confidence(logits, fit, threshold=self._threshold))
            return keep_single(labels, spec.classes, spec.single), tuple(float(value) for value in confidence)

    def _remember(self, state: State, confidence: tuple[float, ...]) -> None:
        """Take the new state over, unless the network is in doubt: the old one is good for another frame."""
        if self._gate.admits(confidence):
            self._state = state
        else:
            self.counts.gated += 1

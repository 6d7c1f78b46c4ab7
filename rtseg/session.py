"""A session: one stream through one engine, and the only keeper of the memory of its frames."""

import logging

import numpy as np

from rtseg import kernels
from rtseg.engines.base import Array, Engine
from rtseg.frame import Frame, Labels, Life, Segmentation, Spacing, StreamInfo
from rtseg.kernels.fit import Fit, letterbox
from rtseg.lifecycle import Lifecycle, LifecycleLimits
from rtseg.postprocess import keep_single
from rtseg.trace import LatencyTrace

_log = logging.getLogger(__name__)


class Session:
    """Segments the frames of one stream, in order, with a memory of those before.

    engine: runs the network; it is not closed here, since sessions may share it one after another. threshold: of a class's
    probability, for networks of one class with one output. spacing_mm: millimetres a pixel (down, along), where known.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        threshold: float = 0.5,
        spacing_mm: Spacing | None = None,
        limits: LifecycleLimits | None = None,
    ) -> None:
        self._engine, self._threshold, self.spacing_mm = engine, threshold, spacing_mm
        self._lifecycle = Lifecycle(limits)
        self._state = engine.initial_state()
        self._input: Array | None = None
        self._reset_reason = ""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, without the background."""
        return self._engine.spec.classes

    def step(self, frame: Frame, trace: LatencyTrace | None = None) -> Segmentation:
        """Segment the next frame; each stage's time is added to `trace`. Raises EngineError."""
        trace = trace or LatencyTrace(frame.captured_ns)
        with trace.stage("lifecycle"):
            life, reason = self._live_on(frame)
        fit = letterbox((0, 0, frame.height, frame.width), self._engine.spec.size)
        with trace.stage("preprocess"):
            x = self._fit_input(frame, fit)
        with trace.stage("infer"):
            logits = self._infer(x)
        with trace.stage("postprocess"):
            labels, confidence = self._read(logits, fit, frame)
        return Segmentation(labels, self.classes, confidence, self.spacing_mm, life, reason)

    def reset(self, reason: str) -> None:
        """Forget every frame so far: the next one is the first of a new stream."""
        self._lifecycle.forget()
        self._reset_reason = reason

    def warm_up(self, info: StreamInfo) -> None:
        """Do what is slow the first time (compiled kernels, lazy buffers) before the first frame of the stream comes."""
        kernels.warm_up()
        self.step(Frame(np.zeros((info.height, info.width), np.uint8), 0, 0))
        self.reset("first frame")

    def _live_on(self, frame: Frame) -> tuple[Life, str]:
        life, reason = self._lifecycle.observe(frame)
        if life is not Life.LIVE:
            reason, self._reset_reason = self._reset_reason or reason, ""
            _log.info("memory starts afresh at frame %d: %s", frame.index, reason)
            self._state = self._engine.initial_state()
        return life, reason

    def _fit_input(self, frame: Frame, fit: Fit) -> Array:
        image, spec = self._engine.upload(frame.image), self._engine.spec
        self._input = kernels.fit_input(image, fit, spec.mean, spec.std, out=self._input)
        return self._input

    def _infer(self, x: Array) -> Array:
        logits, state = self._engine.infer(x, self._state)
        if kernels.has_nonfinite(logits):
            # What is not a number in the answer is in the memory too, and would stay there for ever.
            _log.warning("the network gave NaN or infinity: its memory starts afresh")
            logits, state = self._engine.infer(x, self._engine.initial_state())
        self._state = state
        return logits

    def _read(self, logits: Array, fit: Fit, frame: Frame) -> tuple[Labels, tuple[float, ...]]:
        spec = self._engine.spec
        labels = self._engine.download(
            kernels.argmax_labels(logits, fit, (frame.height, frame.width), threshold=self._threshold)
        )
        confidence = self._engine.download(kernels.class_confidence(logits, fit))
        return keep_single(labels, spec.classes, spec.single), tuple(float(value) for value in confidence)

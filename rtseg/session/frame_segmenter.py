"""Segment single frames with an engine, and hold what refers to the engine's buffers from one frame to the next."""

from collections.abc import Sequence

import numpy as np

from rtseg import kernels
from rtseg.engines.base import Array, State
from rtseg.engines.capabilities import HostState
from rtseg.engines.class_postprocess import ClassPostprocess
from rtseg.engines.tracker_states import TrackerStates
from rtseg.engines.watchdog import WatchedEngine
from rtseg.errors import EngineError
from rtseg.frame import Frame, Life, Segmentation, Spacing
from rtseg.kernels.network.fit import Box, Fit, letterbox
from rtseg.session.answer_guard import AnswerGuard
from rtseg.session.enhancement import StreamFilter
from rtseg.session.familiarity_monitor import FamiliarityMonitor
from rtseg.session.judgement import Judgement
from rtseg.session.memory_gate import MemoryGate
from rtseg.session.network_input import network_input
from rtseg.session.object_confidence import object_confidence
from rtseg.session.postprocess import NetworkOutput, apply_anatomy
from rtseg.session.settings import SessionSettings
from rtseg.session.stabilizer import Stabilizer
from rtseg.session.state_writes import StateWrites
from rtseg.session.uncertainty import border_entropy, class_planes
from rtseg.text.log_records import get_logger
from rtseg.trace import DEVICE, LatencyTrace, MemoryCounts

CARRIED = "carried from the frame before"  # the reason of a mask that was warped along the motion
_log = get_logger(__name__)


class FrameSegmenter:
    """Segments frames with one engine: network state, memory gate, stabilizer and the buffer of the network's input.

    engine: runs the network; every call passes through it, so that a thread that hung ends here and changes nothing.
    settings: those of the next frame. gate: decides about writes to the memory.
    guard: looks at the first logits. writes: into the network's states. presence: of each object that the network follows.
    counts: of outputs that are not finite and of frames that are kept out of the memory. cleaning: of the masks, by class.
    is_measured: whether the segmentations carry the probabilities, for the range of a measure.
    """

    def __init__(
        self,
        engine: WatchedEngine,
        settings: SessionSettings,
        gate: MemoryGate,
        guard: AnswerGuard,
        writes: StateWrites,
        counts: MemoryCounts,
        cleaning: Sequence[ClassPostprocess] = (),
        *,
        is_measured: bool = False,
    ) -> None:
        self._engine, self._settings, self._gate, self._counts = engine, settings, gate, counts
        self._guard, self._writes, self._cleaning, self._is_measured = guard, writes, cleaning, is_measured
        self._state: State | None = None  # None: zeros, allocated when the engine runs
        self._kept = frozenset[str]()  # the states that the next reset keeps
        self._must_reset = False  # before the next frame
        self._input: Array | None = None
        self._stabilizer = self._new_stabilizer()
        self._filter = StreamFilter(engine)
        self._familiarity_monitor = FamiliarityMonitor(engine.spec)
        self._familiarity: float | None = None  # of the newest picture that the network saw
        self._tracker = TrackerStates.of(engine.spec)
        self.presence: tuple[float, ...] | None = None  # of the objects in that picture; None where unknown

    def apply(self, settings: SessionSettings) -> None:
        """Apply settings from the next frame on."""
        before, self._settings = self._settings, settings
        self._familiarity_monitor.forget()
        if settings.temporal != before.temporal:
            self._stabilizer = self._new_stabilizer()

    def forget(self, kept: frozenset[str] = frozenset()) -> None:
        """Start the network's memory and the stabilization afresh with the next frame.

        kept: inputs of the states that stay as they are.
        """
        self._kept, self._must_reset = kept & self._kept if self._must_reset else kept, True
        self._gate.forget()
        self._filter.forget()
        self._familiarity_monitor.forget()
        if self._stabilizer:
            self._stabilizer.forget()

    def forget_filter(self) -> None:
        """Start the filters that remember earlier frames afresh."""
        self._filter.forget()

    def forget_stabilization(self) -> None:
        """Let the network's next answer stand for itself; it runs on the next frame."""
        if self._stabilizer:
            self._stabilizer.forget()

    def _drop_buffers(self) -> None:
        """Drop everything that belongs to the engine before, as at the start of a stream."""
        self._state = self._input = None
        self._stabilizer = self._new_stabilizer()
        self._filter = StreamFilter(self._engine)
        self._familiarity_monitor = FamiliarityMonitor(self._engine.spec)
        self._gate.forget()

    def _new_stabilizer(self) -> Stabilizer | None:
        temporal = self._settings.temporal
        return Stabilizer(temporal, self._engine) if temporal else None

    def segment(
        self, frame: Frame, box: Box, trace: LatencyTrace, judgement: Judgement, spacing_mm: Spacing | None
    ) -> Segmentation:
        """Segment a frame on the engine at work. The memory is written last, so that a failure leaves nothing half done.

        box: the part of the frame that the network sees. Raises EngineError, and what an engine raises.
        """
        fit, (life, reason) = letterbox(box, self._engine.spec.size), judgement
        if self._stabilizer and not self._stabilizer.is_due(life):
            with trace.stage("temporal"):
                logits = self._stabilizer.warp_previous(frame, fit)
            judgement = Judgement(life, f"{reason}: {CARRIED}" if life is Life.SPOILT else CARRIED)
            return self._segmentation_from(logits, fit, frame, trace, judgement, spacing_mm)
        if self._engine.take_over():
            self._drop_buffers()
        logits, state = self._infer(frame, fit, trace, life)
        found = self._segmentation_from(logits, fit, frame, trace, judgement, spacing_mm)
        for name, duration_ns in self._engine.device_ns().items():
            trace.add_device_time(DEVICE + name, duration_ns)
        self._update_memory(state, found)
        return found

    def _infer(self, frame: Frame, fit: Fit, trace: LatencyTrace, life: Life) -> tuple[Array, State]:
        self._state = self._writes.applied(self._engine, self._reset_state())
        chosen = self._filter.select(self._settings.speckle)
        x = self._input = network_input(self._engine, frame.image, fit, chosen, trace, self._input)
        if self._stabilizer:
            with trace.stage("temporal"):
                self._stabilizer.prepare(frame, fit)
        with trace.stage("infer"):
            logits, state = self._infer_finite(x, self._state)
        self._guard.check_logits(logits)
        if self._tracker:
            self.presence = self._tracker.presence_in(state.host_arrays() if isinstance(state, HostState) else None)
        if self._familiarity_monitor.is_calibrated:
            with trace.stage("postprocess"):
                self._familiarity = self._familiarity_monitor.observe(x, logits, state, life)
        if self._stabilizer:
            with trace.stage("temporal"):
                logits = self._stabilizer.stabilize(logits, frame, fit)
        return logits, state

    def _infer_finite(self, x: Array, before: State) -> tuple[Array, State]:
        """Run the network, a second time without memory where it gives NaN or infinity. Raises EngineError after two."""
        logits, state = self._engine.infer(x, before)
        if kernels.has_nonfinite(logits):
            # Non-finite logits mean a non-finite state, which would persist in all later frames.
            _log.warning("the network gave NaN or infinity: its memory starts afresh")
            self._counts.nonfinite += 1
            self._state = self._writes.applied(self._engine, self._initial_state())
            logits, state = self._engine.infer(x, self._state)
            if kernels.has_nonfinite(logits):
                raise EngineError("it gives NaN or infinity, with a memory and without: export the model again")
        return logits, state

    def _reset_state(self) -> State:
        """Return the state of the frame before, or zeros where the memory starts afresh, except for what a reset keeps."""
        kept, self._kept = self._kept, frozenset()
        must_reset, self._must_reset = self._must_reset or not self._settings.memory, False
        if self._state is None or (must_reset and not kept):
            self._state = None  # before there is another, which may then have the same buffers and CUDA graphs
            return self._initial_state()
        return self._writes.zeroed(self._engine, self._state, kept) if must_reset else self._state

    def _initial_state(self) -> State:
        return self._writes.restored(self._engine, self._engine.initial_state())

    def _segmentation_from(
        self,
        logits: Array,
        fit: Fit,
        frame: Frame,
        trace: LatencyTrace,
        judgement: Judgement,
        spacing_mm: Spacing | None,
    ) -> Segmentation:
        spec, download, threshold = self._engine.spec, self._engine.download, self._settings.threshold
        with trace.stage("postprocess"):
            labels = download(kernels.argmax_labels(logits, fit, (frame.height, frame.width), threshold=threshold))
            of_classes = object_confidence if self._tracker and isinstance(logits, np.ndarray) else kernels.class_confidence
            confidence = download(of_classes(logits, fit, threshold=threshold))
            apply_anatomy(labels, spec, NetworkOutput(logits, fit, download), self._cleaning)
            has_planes = self._is_measured or self._settings.probabilities
            planes = class_planes(np.asarray(download(logits), np.float32), fit) if has_planes else None
            uncertainty = (
                border_entropy(np.asarray(download(logits), np.float32), threshold) if self._settings.uncertainty else ()
            )
        confidences = tuple(float(value) for value in confidence)
        return Segmentation(
            labels,
            spec.classes,
            confidences,
            spacing_mm,
            *judgement,
            uncertainty,
            familiarity=self._familiarity,
            measures_unfamiliar=self._settings.measure_unfamiliar,
            outline_px=spec.outline_px * fit.box[2] / fit.inner[2],
            planes=planes,
        )

    def _update_memory(self, state: State, found: Segmentation) -> None:
        """Adopt the new state, unless the frame is spoilt or the network is in doubt; then the old state stays."""
        self._writes.commit()
        if found.life is not Life.SPOILT:
            self._filter.commit()
        if found.life is not Life.SPOILT and self._gate.admits(found.confidence):
            self._state = state
        else:
            self._counts.gated += 1
        if found.life is Life.SPOILT and self._stabilizer:
            self._stabilizer.forget()  # the engine runs on a spoilt frame only where the stabilizer has none before it

"""Builds a TensorRT plan in a thread while another engine runs (extra `tensorrt`)."""

from pathlib import Path
from threading import Event, Thread

from rtseg.engines.base import Engine, ModelSpec
from rtseg.engines.tensorrt.builder import build, make_tag
from rtseg.engines.tensorrt.device import Gpu
from rtseg.engines.tensorrt.engine import TensorRtEngine
from rtseg.engines.tensorrt.plan_cache import PlanCache, PlanFile
from rtseg.errors import EngineError, RtsegError, described
from rtseg.text.log_records import get_logger

_log = get_logger(__name__)


class TensorRtBackgroundBuild:
    """Builds a plan in its own thread, and stores it in the cache once it is accepted. spec: the network's description."""

    name = "tensorrt"

    def __init__(self, model: Path, precision: str, spec: ModelSpec, cache: PlanCache) -> None:
        self._model, self._precision, self._spec, self._cache = model, precision, spec, cache
        self._found: PlanFile | None = None
        self._problem: Exception | None = None
        self._cancelled = Event()
        self._thread = Thread(target=self._run, name="rtseg-build", daemon=True)
        self._thread.start()

    def ready(self) -> Engine | None:
        """Return the engine once the plan is built, else None. Raises RtsegError where the build failed."""
        if self._thread.is_alive():
            return None
        if self._found is None:
            raise self._problem or EngineError("the build was given up")
        return TensorRtEngine(self._found.plan, self._found.spec)

    def accept(self) -> None:
        """Store the plan in the cache."""
        if self._found:
            _log.info("the plan is kept as %s", self._cache.store(self._found))

    def close(self) -> None:
        """Cancel the build at its next step, and join its thread."""
        self._cancelled.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._found = self._build()
        except Exception as error:  # noqa: BLE001  else the reason would be lost with the thread
            self._problem = error if isinstance(error, RtsegError) else EngineError(f"no plan can be built, {described(error)}")

    def _build(self) -> PlanFile:
        gpu = Gpu()
        try:
            tag = make_tag(self._model, self._precision, "gpu", gpu)
            with self._cache.lock(tag):
                found = self._cache.find(tag)  # another process may have built it meanwhile
                return found or PlanFile(
                    tag, self._spec, build(self._model, tag, gpu, self._cache.timing(tag), self._report_progress)
                )
        finally:
            gpu.close()

    def _report_progress(self, phase: str, done: int, steps: int) -> bool:
        _log.debug("%s: %d of %d", phase, done, steps)
        return not self._cancelled.is_set()

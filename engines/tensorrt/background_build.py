"""A TensorRT plan that is being built while another engine serves (extra `tensorrt`)."""

import logging
from pathlib import Path
from threading import Event, Thread

from rtseg.engines.base import Engine, ModelSpec
from rtseg.engines.tensorrt.builder import build, tag_for
from rtseg.engines.tensorrt.device import Gpu
from rtseg.engines.tensorrt.engine import TensorRtEngine
from rtseg.engines.tensorrt.plan_cache import PlanCache, PlanFile
from rtseg.errors import EngineError, RtsegError

_log = logging.getLogger(__name__)


class RisingTensorRt:
    """Builds in a thread of its own; what has proved itself is kept in the cache. spec: what the network takes."""

    name = "tensorrt"

    def __init__(self, model: Path, precision: str, spec: ModelSpec, cache: PlanCache) -> None:
        self._model, self._precision, self._spec, self._cache = model, precision, spec, cache
        self._found: PlanFile | None = None
        self._problem: Exception | None = None
        self._given_up = Event()
        self._thread = Thread(target=self._work, name="rtseg-build", daemon=True)
        self._thread.start()

    def ready(self) -> Engine | None:
        """The engine, once the plan is built. Raises RtsegError."""
        if self._thread.is_alive():
            return None
        if self._found is None:
            raise self._problem or EngineError("the build was given up")
        return TensorRtEngine(self._found.plan, self._found.spec)

    def accepted(self) -> None:
        """Keep the plan for the next time."""
        if self._found:
            _log.info("the plan is kept as %s", self._cache.store(self._found))

    def close(self) -> None:
        """End the build at its next step, and wait for that."""
        self._given_up.set()
        self._thread.join()

    def _work(self) -> None:
        try:
            self._found = self._built()
        except (RtsegError, OSError) as error:
            self._problem = error if isinstance(error, RtsegError) else EngineError(f"the plan cannot be built: {error}")

    def _built(self) -> PlanFile:
        gpu = Gpu()
        try:
            tag = tag_for(self._model, self._precision, "gpu", gpu)
            with self._cache.lock(tag):
                found = self._cache.find(tag)  # another process may have built it meanwhile
                return found or PlanFile(tag, self._spec, build(self._model, tag, gpu, self._cache.timing(tag), self._told))
        finally:
            gpu.close()

    def _told(self, phase: str, done: int, steps: int) -> bool:
        _log.debug("%s: %d of %d", phase, done, steps)
        return not self._given_up.is_set()

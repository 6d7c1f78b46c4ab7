"""Tests on the emulated GPU that no memory is overwritten while the GPU still has to read it, whichever stream is late."""

from typing import Any

import networks
import numpy as np
import pytest
from emulated.driver.device import ALL_LATE, EmulatedGpu
from emulated.engine import plans
from emulated.engine.streams import ORDERS, frames

from rtseg import kernels
from rtseg.kernels.network.fit import letterbox

FIT = letterbox((0, 0, 40, 56), networks.SIZE)


def labels_of_first(engine: Any, later: int) -> np.ndarray:
    """Enqueue the first of three frames, upload `later` of the others before it has run, and return its labels."""
    first, *others = (frame.image for frame in frames(3))
    engine.upload(others[0])  # so that the first one is not in the slot where the stream began
    x = kernels.fit_input(engine.upload(first), FIT, (100.0,), (50.0,))
    logits, _ = engine.infer(x, engine.initial_state())
    labels = kernels.argmax_labels(logits, FIT, (40, 56))
    with engine._gpu.current():
        for image in others[:later]:  # the second of them goes into the slot of the first frame
            engine._uploads.take(image)
    return np.array(engine.download(labels))


@pytest.mark.parametrize("late", ORDERS)
@pytest.mark.parametrize("mapped", [False, True], ids=["copied", "mapped"])
def test_a_frame_stays_until_it_is_read(gpu: EmulatedGpu, tiny: Any, late: int, mapped: bool) -> None:
    found = []
    for later in (0, 2):
        gpu.defer_streams(late)  # those of this engine
        engine = plans.engine_of(tiny, mapped=mapped)
        found.append(labels_of_first(engine, later))
        engine.close()
    assert (found[0] == found[1]).all()
    assert gpu.failures == []


def test_values_stay_until_they_are_read(gpu: EmulatedGpu, tiny: Any) -> None:
    from rtseg.engines.tensorrt.buffers import StagingBuffer
    from rtseg.kernels.runtime.cuda import launch
    from rtseg.kernels.runtime.device_array import DeviceArray

    gpu.defer_streams(ALL_LATE)
    engine = plans.engine_of(tiny)
    with engine._gpu.current():
        staging = StagingBuffer(engine._gpu, engine._memory, "values", (2,))
        read = DeviceArray((2,), np.float32, engine._stream.handle)
        staging.put(np.array([1, 2], np.float32), engine._stream)
        launch("copy", read, staging.device, 8)
        staging.put(np.array([3, 4], np.float32), engine._stream)
        assert read.numpy().tolist() == [1, 2]
        staging.close()
    del read
    engine.close()

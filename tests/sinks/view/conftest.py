"""Provide fixtures: a stream of two blobs whose page can be pointed at."""

from contextlib import closing

import pytest
import trackers
from pointed_stream import Stream

from rtseg.engines.openvino import OpenVinoEngine


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory):
    with closing(OpenVinoEngine(trackers.tracker(tmp_path_factory.mktemp("trackers") / "track-4.onnx", 4))) as made:
        yield made


@pytest.fixture
def stream(engine: OpenVinoEngine):
    made = Stream(engine)
    made.step(3)
    yield made
    made.sink.close()
    made.session.close()

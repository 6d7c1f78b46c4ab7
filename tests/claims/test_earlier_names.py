"""Names that others may have imported stay valid where a better one was added."""

from importlib import import_module

import pytest

from rtseg.sources.synthetic import SyntheticProbe

EARLIER = {
    ("rtseg.kernels", "carried"): "warp",
    ("rtseg.kernels", "smoothed"): "smooth_probabilities",
    ("rtseg.kernels", "steadied"): "stabilize",
    ("rtseg.replay", "CoveredSession"): "RedactedSession",
    ("rtseg.session.sector", "Guard"): "Redactor",
    ("rtseg.sources.synthetic", "Event"): "ScriptedFault",
}
PUBLIC = {
    "rtseg": "Frame JsonSink LatencyReport LatencyTrace MaskSink Overlay Pipeline RtsegError Segmentation Session StreamInfo "
    "VideoSink load_engine open_source",
    "rtseg.errors": "ConfigError EngineError ImageError MissingExtra ModelError RtsegError SinkError SourceError",
    "rtseg.sinks": "DrawSink IgtlSink JsonSink MaskSink Sink VideoSink ViewSink WindowSink",
    "rtseg.sources": "Source open_source",
}


@pytest.mark.parametrize(("module", "name"), EARLIER)
def test_an_earlier_name_means_the_same(module: str, name: str):
    found = import_module(module)
    assert getattr(found, name) is getattr(found, EARLIER[module, name])


def test_the_probe_takes_a_fault_by_its_earlier_name():
    assert SyntheticProbe.happen is SyntheticProbe.inject_fault


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in PUBLIC.items() for name in names.split()])
def test_a_public_name_is_there(module: str, name: str):
    assert getattr(import_module(module), name)

"""Test that memory and thread count stay flat on an endless stream."""

import threading
from itertools import islice
from pathlib import Path

import pytest

from rtseg.engines.load import load_engine
from rtseg.overlay import Overlay
from rtseg.pipeline import Pipeline
from rtseg.session.session import Session
from rtseg.sinks.jsonl import JsonSink
from rtseg.sinks.preview import DrawSink
from rtseg.sources import open_source
from rtseg.system.machine import memory_mb


@pytest.mark.skipif(memory_mb() is None, reason="this system does not tell how much memory a process holds")
def test_memory_and_threads_stay_flat(tiny: Path, tmp_path: Path):
    source = open_source("synthetic:vessel?height=64&width=96")
    sinks = DrawSink(Overlay()), JsonSink(tmp_path / "endless.jsonl")
    results = iter(Pipeline(source, Session(load_engine(tiny)), *sinks))
    for _ in islice(results, 300):
        pass
    memory, threads = memory_mb(), threading.active_count()
    for _ in islice(results, 3000):
        pass
    assert memory_mb() == pytest.approx(memory, rel=0.05)
    assert threading.active_count() == threads
    results.close()

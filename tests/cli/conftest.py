"""Kills every process that a test of the command line leaves behind."""

import subprocess

import pytest


@pytest.fixture(autouse=True)
def no_process_is_left(monkeypatch: pytest.MonkeyPatch):
    started = []

    class RecordedPopen(subprocess.Popen):
        def __init__(self, *arguments, **options) -> None:
            super().__init__(*arguments, **options)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", RecordedPopen)
    yield
    for process in [process for process in started if process.poll() is None]:
        process.kill()
        process.communicate()

"""Kills every process that a test of the command line leaves behind."""

import subprocess

import pytest


@pytest.fixture(autouse=True)
def nobody_is_left(monkeypatch: pytest.MonkeyPatch):
    begun = []

    class Remembered(subprocess.Popen):
        def __init__(self, *arguments, **options) -> None:
            super().__init__(*arguments, **options)
            begun.append(self)

    monkeypatch.setattr(subprocess, "Popen", Remembered)
    yield
    for process in [process for process in begun if process.poll() is None]:
        process.kill()
        process.communicate()

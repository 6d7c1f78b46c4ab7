"""Provide a small stream of the demo, and wait for its progress."""

from waiting import until

from rtseg.demos.gradio_app.settings import DemoSettings
from rtseg.sources import open_source
from rtseg.sources.playback import PacedSource

SMALL = "synthetic:vessel?height=120&width=160&fps=50"
PLAIN = DemoSettings()


def small():
    return PacedSource(open_source(SMALL))


def frames(live):
    return live.snapshot()["frames"]


def goes_on(live):
    before = frames(live)
    until(lambda: frames(live) > before + 3)

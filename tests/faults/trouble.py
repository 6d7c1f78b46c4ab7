"""Defines the faults: their effect on a stream, their duration and their end."""

import time

from faults.scene import KINDS


class Fault:
    """Applies a fault for `seconds`. loses: the connection is lost. reaches: the kinds of stream that the fault applies to."""

    def __init__(self, name, begin, end=lambda scene: scene.conditions.clear(), *, seconds=1.0, loses=True, reaches=KINDS):
        self.name, self._begin, self._end = name, begin, end
        self.seconds, self.loses, self.reaches = seconds, loses, reaches

    def play(self, scene):
        """Play the fault; return the time of its end by `time.perf_counter_ns`."""
        self._begin(scene)
        time.sleep(self.seconds)
        over_ns = time.perf_counter_ns()
        self._end(scene)
        return over_ns


def _set_conditions(**fields):
    def begin(scene):
        for name, value in fields.items():
            setattr(scene.conditions, name, value)

    return begin


def _nothing(scene):
    pass


FAULTS = (
    Fault("the peer is killed and started again", lambda scene: scene.stop(), lambda scene: scene.start(), seconds=2.0),
    Fault("the connection is cut", lambda scene: scene.cut(), _nothing, seconds=0, reaches=("rtsp", "tcp", "http", "igtl")),
    Fault("nothing passes", _set_conditions(silent=True), seconds=2.5),
    Fault("one chunk in five is corrupt", _set_conditions(corrupt=0.2), loses=False),
    Fault(
        "a fifth of the bandwidth", lambda scene: setattr(scene.conditions, "rate", scene.rate / 5), seconds=2.0, loses=False
    ),
    Fault("300 ms more on the way", _set_conditions(delay_s=0.3), loses=False),
)

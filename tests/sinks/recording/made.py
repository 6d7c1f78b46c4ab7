"""Write recordings for the tests: a live screen with every event, and small ones."""

import json
from types import SimpleNamespace

import numpy as np
import results
import screens
from waiting import until

from rtseg.frame import Frame, Origin, StreamInfo
from rtseg.result import Result
from rtseg.session.sector import FixedSector, Redactor
from rtseg.sinks.recording.sink import RecordSink
from rtseg.sources.files.recording import FRAMES_FILE
from rtseg.trace import LatencyTrace

SHAPE = (240, 320)
FAN = screens.fan(SHAPE, (150, 5), 0.5, 45, 220)
SMALL = screens.rectangle((200, 320), 30, 40, 150, 180)
LIVE = StreamInfo(*SHAPE, 25.0, live=True)
PERIOD_NS = 40_000_000
ORIGIN = Origin(
    "Probe",
    123,
    -5,
    (0.1, 0.2),
    tuple(tuple(float(4 * i + j) for j in range(4)) for i in range(4)),
    {"AToB": ((1.0,) * 4,) * 4},
)


def scene():
    """Return frames of a live screen with every event: drops, a pause, a cut, another size, colors."""
    shown = [screens.screen(FAN, seed) for seed in range(16)]
    shown += [255 - screens.screen(FAN, 40 + seed, letters=False) for seed in range(3)]
    shown += [screens.screen(SMALL, seed) for seed in range(4)]
    shown += [np.repeat(screens.screen(SMALL, 20 + seed)[..., None], 3, axis=2) // (1, 1, 2) for seed in range(3)]
    now_ns, index = 7_000_000_000, 0
    for number, image in enumerate(shown):
        now_ns += 5_000_000_000 if number == 9 else PERIOD_NS
        index += 3 if number == 5 else 1
        yield Frame(np.ascontiguousarray(image.astype(np.uint8)), index, now_ns, ORIGIN if number == 2 else None)


def recorded(folder, session, frames, info=LIVE, keep_surroundings=False, reset_at=None):
    """Record frames as a pipeline would, without its threads; return the results and the sink."""
    sink, made, guard = RecordSink(folder, session, keep_surroundings=keep_surroundings), [], Redactor()
    session.warm_up(info)
    sink.open(info)
    for number, frame in enumerate(frames):
        if number == reset_at:
            session.reset("the user asked")
        segmentation = session.step(frame)
        shown = frame if keep_surroundings else guard.redact(frame, session.sector)
        made.append(Result(shown, segmentation, LatencyTrace(frame.captured_ns)))
        wait_for_room(sink)
        sink.write(made[-1])
    sink.close()
    return made, sink


def wait_for_room(sink):
    until(lambda: not sink._worker.is_full)


def lines(folder):
    return [json.loads(line) for line in (folder / FRAMES_FILE).read_text().splitlines()]


def small_frames(count, step_ns=PERIOD_NS):
    image = np.arange(48 * 64, dtype=np.uint8).reshape(48, 64)
    return [Frame(image + np.uint8(i), i, 1_000 + i * step_ns) for i in range(count)]


def stand_in():
    """Return a stand-in for a session, whose sector is the whole frame."""
    sector, _ = FixedSector((0, 0, 48, 64)).observe(small_frames(1)[0])
    return SimpleNamespace(sector=sector, writes=SimpleNamespace(newest={}))


def write(sink, frames, live=True):
    sink.open(StreamInfo(48, 64, 25.0, live))
    for frame in frames:
        sink.write(results.result(frame.image, index=frame.index, captured_ns=frame.captured_ns))


def small_recording(folder, count=5, step_ns=PERIOD_NS):
    sink = RecordSink(folder, stand_in())
    write(sink, small_frames(count, step_ns), live=False)
    sink.close()
    return folder

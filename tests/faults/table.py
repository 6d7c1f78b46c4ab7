"""Plays every fault on every kind of stream, and writes the results as a table.

python tests/faults/table.py faults docs/benchmarks/faults.md [--times 3]
python tests/faults/table.py connections docs/benchmarks/connections.md [--times 400]
"""

import argparse
import gc
import sys
import threading
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent.parent))

from faults.scene import KINDS, Scene, Viewer, watched
from faults.trouble import FAULTS
from sources.links import wait_until

from rtseg.connection import LinkState
from rtseg.sources import open_source
from rtseg.system.machine import available_cores, memory_mb, processor_name

CAMERA = {"fps": 30, "size": (240, 320), "gop": 15}
FAULTS_HEAD = """# Faults: how live sources come back

`python tests/faults/table.py faults docs/benchmarks/faults.md --times {times}` on {machine}, {date}; other programs ran on it.

A made-up camera (320x240, 30 frames a second, a key frame each half second), its server and the source stand on one machine,
with a proxy between. Recovery: from the end of the fault (the peer is back, the network is whole) to the first picture that was
sent after it; it contains the wait for a key frame. Age: from before a picture is coded to its arrival as a frame, median of 30
pictures before the fault and of 30 pictures two seconds after it. rtsp: our own RTSP server over TCP; udp, tcp: MPEG-TS; http:
MJPEG; igtl: OpenIGTLink messages packed by pyigtl.

| stream | fault | recovery, s (median, worst of {times}) | age before, ms | age after, ms | events |
| --- | --- | --- | --- | --- | --- |
"""
CONNECTIONS_HEAD = """# Connections made and broken

`python tests/faults/table.py connections docs/benchmarks/connections.md --times {times}` on {machine}, {date}.

Each time the connection is cut as soon as its first picture came (udp has none: there the source is closed and opened again).
The memory is the whole process's, the peers' included, which live in it too.

| stream | connections | threads before, after | open files before, after | memory, MB: after a quarter, a half, all |
| --- | --- | --- | --- | --- |
"""


def own():
    """Return the numbers of threads and open files of this process."""
    gc.collect()
    return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))


def warm_up(kind):
    """Run a stream once, so that first-time costs are not measured."""
    with watched(kind, **CAMERA) as (_, _, viewer):
        wait_until(lambda: len(viewer.seen) > 60)


def fault_row(kind, fault, rounds):
    """Measure one fault on one kind of stream; return its table row."""
    recoveries, before, after, events = [], [], [], {}
    for turn in range(rounds):
        with watched(kind, **CAMERA) as (scene, source, viewer):
            scene.conditions.random.seed(turn)  # corrupts other chunks in each round
            wait_until(lambda viewer=viewer: len(viewer.seen) > 60)
            before += viewer.ages(30)
            over_ns = fault.play(scene)
            wait_until(lambda viewer=viewer, over_ns=over_ns: viewer.first_sent_after(over_ns))
            recoveries.append((viewer.first_sent_after(over_ns) - over_ns) / 1e9)
            time.sleep(2)
            seen = len(viewer.seen)
            wait_until(lambda viewer=viewer, seen=seen: len(viewer.seen) > seen + 30)
            after += viewer.ages(30)
            for state in (LinkState.STALLED, LinkState.LOST):
                events[state.value] = events.get(state.value, 0) + source.counts[state]
    told = ", ".join(f"{count} {name}" for name, count in events.items() if count) or "none: nothing was lost"
    figures = f"{median(recoveries):.2f}, {max(recoveries):.2f} | {median(before):.0f} | {median(after):.0f}"
    return f"| {kind} | {fault.name} | {figures} | {told} |"


def connections_row(kind, times):
    """Open many connections; return a table row with the threads, files and memory before and after."""
    before, scene, memory = own(), Scene(kind, **(CAMERA | {"gop": 1, "fps": 60})), []
    for turn in _opened_again(scene, times) if kind == "udp" else _cut_again(scene, times):
        if turn + 1 in (times // 4, times // 2, times):
            memory.append(f"{memory_mb():.0f}")
    scene.close()
    time.sleep(3)
    after = own()
    return f"| {kind} | {times} | {before[0]}, {after[0]} | {before[1]}, {after[1]} | {', '.join(memory)} |"


def _opened_again(scene, times):
    for turn in range(times):
        source = open_source(scene.url)
        next(iter(source))
        source.close()
        yield turn


def _cut_again(scene, times):
    source = open_source(scene.url)
    viewer = Viewer(source, scene.camera)
    for turn in range(times):
        wait_until(lambda turn=turn: source.counts[LinkState.LIVE] > turn)
        scene.cut()
        yield turn
    viewer.close()


def faults(times):
    """Yield the rows of the table of faults."""
    for kind in KINDS:
        warm_up(kind)
        for fault in FAULTS:
            if kind in fault.reaches:
                yield fault_row(kind, fault, times)


def connections(times):
    """Yield the rows of the table of connections."""
    for kind in KINDS:
        warm_up(kind)
        yield connections_row(kind, times)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("what", choices=["faults", "connections"])
    options.add_argument("out", type=Path)
    options.add_argument("--times", type=int, default=3)
    given = options.parse_args()
    head, rows = {"faults": (FAULTS_HEAD, faults), "connections": (CONNECTIONS_HEAD, connections)}[given.what]
    text = head.format(
        times=given.times, machine=f"{processor_name()}, {available_cores()} cores", date=time.strftime("%Y-%m-%d")
    )
    for row in rows(given.times):
        print(row, flush=True)  # noqa: T201
        text += row + "\n"
    given.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

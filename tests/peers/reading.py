"""Compare the user CPU seconds that two checkouts of rtseg take to read a film, in turns.

python tests/peers/reading.py OLD NEW docs/benchmarks/reading.json

OLD, NEW: folders of the checkouts. Each turn starts one child process for each; a child reads the film once to compile and
cache, and is then timed over 300 frames of 1280x720.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import av
import numpy as np

FRAMES, TURNS, HEIGHT, WIDTH = 300, 11, 720, 1280
CHILD = """
import resource, sys
from contextlib import closing
from rtseg.sources import open_source
def read():
    with closing(open_source(sys.argv[1])) as source:
        return sum(1 for _ in source)
read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
frames = read()
print(frames, resource.getrusage(resource.RUSAGE_SELF).ru_utime - before)
"""


def write_film(path: Path) -> None:
    """Write a film of moving gray speckle, as H.264."""
    rng = np.random.default_rng(0)
    tissue = rng.integers(20, 200, (HEIGHT // 8 + 40, WIDTH // 8 + 40), np.uint8).repeat(8, 0).repeat(8, 1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "veryfast", "crf": "23"})
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        for number in range(FRAMES):
            shift = number % 300
            pixels = np.ascontiguousarray(tissue[shift : shift + HEIGHT, shift : shift + WIDTH])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "gray")))
        container.mux(stream.encode())


def seconds(checkout: Path, film: Path) -> float:
    """Return the user CPU seconds that a child process of this checkout takes to read the film."""
    environment = os.environ | {"PYTHONPATH": str(checkout), "RTSEG_NO_WARM": "1"}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(film)], cwd=checkout, env=environment, capture_output=True, text=True, check=True
    )
    frames, taken = done.stdout.split()
    if int(frames) != FRAMES:
        raise SystemExit(f"{checkout} read {frames} of {FRAMES} frames: check the film")
    return float(taken)


def compare(old: Path, new: Path) -> dict[str, object]:
    """Return the seconds of each turn and the median of their ratios."""
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.mp4"
        write_film(film)
        turns = [(seconds(old, film), seconds(new, film)) for _ in range(TURNS)]
    ratios = [after / before for before, after in turns]
    return {
        "command": "python tests/peers/reading.py OLD NEW docs/benchmarks/reading.json",
        "frames": FRAMES,
        "size": [HEIGHT, WIDTH],
        "turns": TURNS,
        "user_s": {"old": [round(before, 4) for before, _ in turns], "new": [round(after, 4) for _, after in turns]},
        "ratios": [round(ratio, 4) for ratio in ratios],
        "median_ratio": round(median(ratios), 4),
        "most_allowed": 1.05,
        "pyav": av.__version__,
    }


if __name__ == "__main__":
    old, new, out = (Path(argument).resolve() for argument in sys.argv[1:4])
    report = compare(old, new)
    out.write_text(json.dumps(report, indent=1) + "\n")
    sys.stdout.write(f"{report['median_ratio']} {report['user_s']}\n")

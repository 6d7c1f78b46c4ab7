"""Compares the processor time of the pipeline at two checkouts, in turns: `python -m peers.turns OUT OLD NEW`.

OLD and NEW are folders of two checkouts, each with its own kernels; `git worktree add FOLDER COMMIT` makes one. A child process
for each checkout runs `carotid-int8` with one thread on frames of `synthetic:vessel` that are held in memory, by turns. Its
processor time counts from behind the warm-up. The report holds each pair, the ratio of each turn and the medians.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

SOURCE, MODEL = "synthetic:vessel", "carotid-int8"
WARMUP, FRAMES, TURNS, PICTURES = 50, 1000, 11, 300
TARGET = 1.03  # the median ratio at most
COMMAND = "PYTHONPATH=.:tests python -m peers.turns {out} OLD NEW"


class StoredSource:
    """Gives the frames of a stored clip, forward and backward without end, so that no turn begins with a cut."""

    def __init__(self, pictures: Path, info: Any) -> None:
        self.info, images = info, np.load(pictures)
        self._images = [*images, *images[-2:0:-1]]

    def __iter__(self) -> Iterator[Any]:
        from rtseg.frame import Frame

        return (Frame(image, index, time.perf_counter_ns()) for index, image in enumerate(cycle(self._images)))

    def close(self) -> None:
        """Do nothing."""


def answer_turns(pictures: Path) -> None:
    """Run the pipeline on stored pictures: for each number of frames on standard input, print the seconds that they took."""
    import rtseg
    from rtseg.pipeline import Pipeline

    opened = rtseg.open_source(SOURCE)
    opened.close()
    results = iter(Pipeline(StoredSource(pictures, opened.info), rtseg.Session(rtseg.load_engine(MODEL, threads=1))))
    for line in sys.stdin:
        started = time.process_time()
        for _ in range(int(line)):
            next(results)
        sys.stdout.write(f"{time.process_time() - started}\n")
        sys.stdout.flush()


class Checkout:
    """Runs the pipeline of a checkout in a process of its own, which lives for all turns."""

    def __init__(self, folder: Path, pictures: Path) -> None:
        environment = os.environ | {"PYTHONPATH": str(folder), "RTSEG_NO_WARM": "1"}
        child = [sys.executable, str(Path(__file__).resolve()), "--child", str(pictures)]
        self._process = subprocess.Popen(
            child, env=environment, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def seconds(self, frames: int) -> float:
        """Return the processor seconds of the next frames."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{frames}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def report(
    pairs: Sequence[tuple[float, float]], commits: tuple[str, str], command: str, frames: int = FRAMES
) -> dict[str, Any]:
    """Return the report of pairs of seconds (old, new). ratio: new over old."""
    ratios = [new / old for old, new in pairs]
    found = median(ratios)
    return {
        "what": f"processor seconds of {frames} frames of {SOURCE} held in memory, {MODEL}, one thread, behind {WARMUP} frames",
        "command": command,
        "old": commits[0],
        "new": commits[1],
        "turns": len(pairs),
        "seconds": [{"old": round(old, 3), "new": round(new, 3)} for old, new in pairs],
        "ratios": [round(ratio, 4) for ratio in ratios],
        "median_old_s": round(median(old for old, _ in pairs), 3),
        "median_new_s": round(median(new for _, new in pairs), 3),
        "median_ratio": round(found, 4),
        "ratio_of_medians": round(median(new for _, new in pairs) / median(old for old, _ in pairs), 4),
        "lowest_ratio": round(min(ratios), 4),
        "median_difference_ms": round(1e3 * median(new - old for old, new in pairs) / frames, 4),  # of a frame
        "highest_ratio": round(max(ratios), 4),
        "target": TARGET,
        "met": found <= TARGET,
    }


def _commit(checkout: Path) -> str:
    asked = ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()


def _store_pictures(path: Path) -> None:
    import rtseg

    source = rtseg.open_source(SOURCE)
    np.save(path, np.stack([frame.image for frame in islice(iter(source), PICTURES)]))
    source.close()


def main() -> int:
    """Run the turns, and write the report."""
    if sys.argv[1:2] == ["--child"]:
        answer_turns(Path(sys.argv[2]))
        return 0
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("checkouts", type=Path, nargs=2)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--frames", type=int, default=FRAMES)
    given = parser.parse_args()
    folders = [checkout.resolve() for checkout in given.checkouts]
    with tempfile.TemporaryDirectory() as folder:
        _store_pictures(pictures := Path(folder) / "pictures.npy")
        old, new = (Checkout(path, pictures) for path in folders)
        for one in (old, new):
            one.seconds(WARMUP)
        pairs = []
        for turn in range(given.turns):
            pairs.append((old.seconds(given.frames), new.seconds(given.frames)))
            sys.stderr.write(f"{turn + 1} of {given.turns}: {pairs[-1][1] / pairs[-1][0]:.3f}\n")
            command = COMMAND.format(out=given.out.name) + (f" --frames {given.frames}" if given.frames != FRAMES else "")
            found = report(pairs, (_commit(folders[0]), _commit(folders[1])), command, given.frames)
            given.out.write_text(json.dumps(found, indent=1) + "\n")  # an interrupted run keeps its turns
        old.close()
        new.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())

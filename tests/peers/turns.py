"""Compares the processor time of the pipeline at two checkouts, in turns: `python -m peers.turns OUT OLD NEW`.

OLD and NEW are folders of two checkouts, each with its own kernels; `git worktree add FOLDER COMMIT` makes one. A child process
for each turn and checkout runs `carotid-int8` with one thread on frames of `synthetic:vessel` that are held in memory. Its
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
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

SOURCE, MODEL = "synthetic:vessel", "carotid-int8"
WARMUP, FRAMES, TURNS = 50, 1000, 11
TARGET = 1.03  # the median ratio at most
COMMAND = "PYTHONPATH=.:tests python -m peers.turns {out} OLD NEW"


def seconds_of_run(pictures: Path) -> float:
    """Run the pipeline on stored pictures; return the processor seconds of the frames behind the warm-up."""
    import rtseg
    from rtseg.frame import Frame
    from rtseg.pipeline import Pipeline

    with_info = rtseg.open_source(SOURCE)
    with_info.close()

    class StoredSource:
        info = with_info.info
        images = np.load(pictures)

        def __iter__(self) -> Iterator[Frame]:
            return (Frame(image, index, time.perf_counter_ns()) for index, image in enumerate(self.images))

        def close(self) -> None:
            """Do nothing."""

    started = 0.0
    for index, _ in enumerate(Pipeline(StoredSource(), rtseg.Session(rtseg.load_engine(MODEL, threads=1)))):
        if index == WARMUP - 1:
            started = time.process_time()
    return time.process_time() - started


def time_checkout(checkout: Path, pictures: Path) -> float:
    """Return the processor seconds of one run of a checkout, in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(checkout), "RTSEG_NO_WARM": "1"}
    child = [sys.executable, __file__, "--child", str(pictures)]
    return float(subprocess.run(child, env=environment, cwd=checkout, check=True, capture_output=True, text=True).stdout)


def report(pairs: Sequence[tuple[float, float]], commits: tuple[str, str], command: str) -> dict[str, Any]:
    """Return the report of pairs of seconds (old, new). ratio: new over old."""
    ratios = [new / old for old, new in pairs]
    found = median(ratios)
    return {
        "what": f"processor seconds of {FRAMES} frames of {SOURCE} held in memory, {MODEL}, one thread, behind {WARMUP} frames",
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
    np.save(path, np.stack([frame.image for frame in islice(iter(source), WARMUP + FRAMES)]))
    source.close()


def main() -> int:
    """Run the turns, and write the report."""
    if sys.argv[1:2] == ["--child"]:
        sys.stdout.write(f"{seconds_of_run(Path(sys.argv[2]))}\n")
        return 0
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("checkouts", type=Path, nargs=2)
    parser.add_argument("--turns", type=int, default=TURNS)
    given = parser.parse_args()
    old, new = (checkout.resolve() for checkout in given.checkouts)
    with tempfile.TemporaryDirectory() as folder:
        _store_pictures(pictures := Path(folder) / "pictures.npy")
        pairs = []
        for turn in range(given.turns):
            pairs.append((time_checkout(old, pictures), time_checkout(new, pictures)))
            sys.stderr.write(f"{turn + 1} of {given.turns}: {pairs[-1][1] / pairs[-1][0]:.3f}\n")
            found = report(pairs, (_commit(old), _commit(new)), COMMAND.format(out=given.out.name))
            given.out.write_text(json.dumps(found, indent=1) + "\n")  # an interrupted run keeps its turns
    return 0


if __name__ == "__main__":
    sys.exit(main())

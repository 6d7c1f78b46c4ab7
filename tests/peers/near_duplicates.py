"""Compares the time of the search for near-duplicates at two checkouts: `python -m peers.near_duplicates OUT DATA OLD NEW`.

OLD and NEW are folders of two checkouts, DATA a folder of images and masks. Each turn runs a child process for each checkout,
which searches among the first 500 images for those of every fifth subject. The report holds the seconds of each turn.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

IMAGES, EVERY, TURNS = 500, 5, 5
TARGET = 2.0  # the median ratio at most
COMMAND = "PYTHONPATH=.:tests python -m peers.near_duplicates {out} {data} OLD NEW"


def search(data: Path) -> dict[str, Any]:
    """Return the processor seconds of the search, and the names of the pairs that it found."""
    import cv2

    from rtseg.evaluation.dataset import find_near_duplicates, open_dataset

    cv2.setNumThreads(1)
    cases = list(open_dataset(data))[:IMAGES]
    subjects = sorted({case.subject for case in cases})[::EVERY]
    held_out = [case for case in cases if case.subject in subjects]
    training = [case for case in cases if case.subject not in subjects]
    started = time.process_time()
    pairs = [(one.name, other.name) for one, other in find_near_duplicates(held_out, training)]
    return {"seconds": time.process_time() - started, "pairs": pairs, "held_out": len(held_out), "images": len(cases)}


def time_checkout(checkout: Path, data: Path) -> dict[str, Any]:
    """Return what one search of a checkout gives, in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(checkout), "RTSEG_NO_WARM": "1"}
    child = [sys.executable, __file__, "--child", str(data.resolve())]
    done = subprocess.run(child, env=environment, cwd=checkout, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def summarize(turns: list[tuple[dict[str, Any], dict[str, Any]]], command: str) -> dict[str, Any]:
    """Return the report of pairs of searches (old, new). ratio: new over old."""
    (before, after), ratios = turns[0], [new["seconds"] / old["seconds"] for old, new in turns]
    return {
        "what": f"processor seconds to search {before['held_out']} of {before['images']} images in the others, one thread",
        "command": command,
        "seconds": [{"old": round(old["seconds"], 2), "new": round(new["seconds"], 2)} for old, new in turns],
        "pairs": {"old": before["pairs"], "new": after["pairs"]},
        "ratios": [round(ratio, 3) for ratio in ratios],
        "median_ratio": round(median(ratios), 3),
        "target": TARGET,
        "met": median(ratios) <= TARGET,
    }


def main() -> int:
    """Run the turns, and write the report."""
    if sys.argv[1:2] == ["--child"]:
        sys.stdout.write(json.dumps(search(Path(sys.argv[2]))))
        return 0
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("checkouts", type=Path, nargs=2)
    parser.add_argument("--turns", type=int, default=TURNS)
    given = parser.parse_args()
    old, new = (checkout.resolve() for checkout in given.checkouts)
    turns = []
    for turn in range(given.turns):
        turns.append((time_checkout(old, given.data), time_checkout(new, given.data)))
        sys.stderr.write(f"{turn + 1} of {given.turns}: {[round(one['seconds'], 2) for one in turns[-1]]}\n")
    command = COMMAND.format(out=given.out.name, data=given.data)
    report = summarize(turns, command) | {"old": _commit(old), "new": _commit(new)}
    given.out.write_text(json.dumps(report, indent=1) + "\n")
    return 0


def _commit(checkout: Path) -> str:
    asked = ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())

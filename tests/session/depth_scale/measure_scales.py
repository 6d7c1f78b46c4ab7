"""Measure how well depth scales are read where the sector is the true one: `python measure_scales.py DIR` prints JSON.

DIR holds clips of `python -m rtseg.sources.synthetic.screens`. `rtseg bench sector DIR` measures it with the sector found.
"""

import json
import sys
from contextlib import closing
from pathlib import Path

import cv2

from rtseg.session.depth_scale.card_scale import SCALE_FRAMES, read_scale
from rtseg.session.sector.shape import Sector, SectorKind, as_outline
from rtseg.sources import open_source

_FRAMES = 10  # frames of each clip that are read


def read_clip(truth):
    """Return the row of one clip."""
    values = json.loads(truth.read_text())
    mask = cv2.imread(str(truth.with_suffix(".png")), cv2.IMREAD_GRAYSCALE)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = cv2.convexHull(max(contours, key=len))[:, 0]
    with closing(open_source(str(truth.with_suffix(".mp4")))) as source:
        pictures = [frame.image for frame, _ in zip(source, range(_FRAMES), strict=False)]
    found = read_scale(pictures[-SCALE_FRAMES:], Sector(SectorKind.LINEAR, mask.shape, as_outline(outline), 1.0))
    mm = found.mm_per_pixel
    error = None if mm is None else round(mm / values["mm_per_pixel"] - 1, 5)
    known = {name: values[name] for name in ("layout", "mode", "kind", "size", "has_scale")}
    return {"clip": truth.stem, **known, "error": error, "said": found.provenance}


def summary(rows):
    """Return the figures over all clips."""
    shown = [row for row in rows if row["has_scale"]]
    right = [row for row in shown if row["error"] is not None and abs(row["error"]) <= 0.02]
    wrong = [row for row in rows if row["error"] is not None and abs(row["error"]) > 0.02]
    within = round(len(right) / max(1, len(shown)), 4)
    return {"clips": len(rows), "with_scale": len(shown), "scale_within_2pct": within, "scale_wrong": len(wrong), "rows": rows}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(summary([read_clip(path) for path in sorted(Path(sys.argv[1]).glob("*.json"))]), indent=1))

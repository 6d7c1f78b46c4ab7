"""Write made-up screens as clips, each with a JSON file and a mask of its truth."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from rtseg.errors import SinkError
from rtseg.frame import Image
from rtseg.output.atomic_file import write_atomically
from rtseg.output.private_file import make_folder, opener
from rtseg.sources.synthetic.screens.composer import MadeScreen, make_screen
from rtseg.sources.synthetic.screens.layout import draw_layout
from rtseg.sources.synthetic.screens.moving_tissue import read_tissue, real_pictures

FPS = 25


@dataclass(frozen=True, slots=True)
class ScreenSet:
    """Describes a set of clips."""

    seed: int
    """The set follows from it."""
    count: int
    """Number of clips."""
    layouts: Sequence[int]
    """The layouts, which take turns."""
    frames: int = 40
    """Number of frames in each clip."""
    real: Path | None = None
    """Folder of real pictures, which are used for the tissue of some."""


def write_screens(wanted: ScreenSet, folder: Path) -> list[Path]:
    """Write NNN.mp4, NNN.png and NNN.json for each screen; return the JSON files. Raises SinkError, SourceNotFound."""
    make_folder(folder)
    pictures = real_pictures(wanted.real) if wanted.real else []
    written = []
    for number in range(wanted.count):
        rng = np.random.default_rng((wanted.seed, number))
        real = [read_tissue(pictures[int(rng.integers(0, len(pictures)))], rng)] if pictures else []
        layout = draw_layout(wanted.layouts[number % len(wanted.layouts)])
        screen = make_screen(layout, int(rng.integers(1 << 31)), real=real)
        stem = folder / f"{number:03}"
        write_clip(screen, stem.with_suffix(".mp4"), wanted.frames, crf=int(rng.choice([16, 20, 24, 28])))
        write_atomically(stem.with_suffix(".png"), _png(screen.mask().astype(np.uint8) * 255))
        write_atomically(
            path := stem.with_suffix(".json"), json.dumps(truth(screen, f"{stem.name}.png"), ensure_ascii=False).encode()
        )
        written.append(path)
    return written


def truth(screen: MadeScreen, mask_name: str) -> dict[str, object]:
    """Return what is known about a screen, for JSON."""
    return {
        "sector": mask_name,
        "text": [
            {"box": list(text.box), "string": text.string, "over_sector": is_over} for text, is_over in screen.text_boxes()
        ],
        "mm_per_pixel": round(screen.mm_per_pixel, 6),
        "has_scale": screen.has_scale,
        "layout": screen.layout.number,
        "mode": screen.layout.mode.value,
        "kind": screen.pictures[0].placed.shape.kind.value,
        "size": list(screen.size),
    }


def write_clip(screen: MadeScreen, path: Path, frames: int, crf: int) -> None:
    """Write a screen as H.264 in MP4. Raises SinkError."""
    with open(path, "wb", opener=opener) as file, av.open(file, "w", "mp4", metadata_errors="replace") as container:
        stream = container.add_stream("libx264", Fraction(FPS), options={"crf": str(crf), "preset": "veryfast"})
        stream.height, stream.width = screen.size
        stream.pix_fmt = "yuv420p"
        for index in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(screen.frame(index), "rgb24")))
        container.mux(stream.encode(None))


def _png(image: Image) -> bytes:
    done, coded = cv2.imencode(".png", image)
    if not done:
        raise SinkError("the mask could not be written as PNG: use another OpenCV")
    return coded.tobytes()

"""Makes the clip that is shipped with rtseg from one still: `python -m rtseg.train.demo_clip DATA CASE OUT.mp4`.

The motion is simulated (probe drift, tissue deformation, a pulsating vessel, decorrelating speckle), as the text file beside
the clip states.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from rtseg.errors import DatasetError
from rtseg.evaluation.dataset import Case, open_dataset
from rtseg.frame import Image, Mask
from rtseg.output.atomic_file import write_atomically
from rtseg.output.private_file import opener
from rtseg.train.augment import Speckle
from rtseg.train.clips import render_frame
from rtseg.train.motion import Pulse, SimulatedMotion, similarity
from rtseg.train.still_image import StillImage

FPS = 25
SECONDS = 6
_BEATS = 1.2  # heart beats a second
_ZOOM = 0.93  # crops the still's edge, so that motion does not bring its outside into view
_SEED = 4


def moving_frames(case: Case) -> Iterator[tuple[Image, Mask]]:
    """Yield the frames of the clip, (H, W) uint8 with even sides, and the masks of its first class, (H, W) bool."""
    image, labels = case.grey(), case.labels(1)
    size = _even(image)
    middle = np.array([image.shape[1] - 1, image.shape[0] - 1]) / 2
    rng = np.random.default_rng(_SEED)
    motion = SimulatedMotion(size, similarity(0.0, _ZOOM, middle, middle), rng, drift=0.6, elastic=0.4)
    speckle = Speckle(rng, size, 0.12)
    still = StillImage(case.subject, image, 255 * labels[None])
    for frame in range(FPS * SECONDS):
        moved, truth = render_frame(still, motion, float(frame), _pulse(labels))
        yield np.clip(moved * speckle.next(rng), 0, 255).astype(np.uint8), truth[0] >= 0.5


def write_clip(case: Case, path: Path) -> None:
    """Write the clip as H.264 in MP4, and beside it a text file with its description and credits."""
    with open(path, "wb", opener=opener) as file, av.open(file, "w", path.suffix[1:], metadata_errors="replace") as container:
        stream = container.add_stream("libx264", FPS, options={"crf": "25", "preset": "slow"})
        stream.height, stream.width = _even(case.grey())
        stream.pix_fmt = "yuv420p"
        for image, _ in moving_frames(case):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "gray")))
        container.mux(stream.encode(None))
    write_atomically(path.with_suffix(".txt"), _credit(case).encode())


def _even(image: Image) -> tuple[int, int]:
    """Return the size (H, W) of the clip, even because chroma has half the resolution."""
    return image.shape[0] // 2 * 2, image.shape[1] // 2 * 2


def _pulse(labels: Image) -> Pulse:
    rows, columns = np.nonzero(labels)
    radius = float(np.sqrt(rows.size / np.pi))
    return Pulse((float(columns.mean()), float(rows.mean())), radius, 0.12, _BEATS / FPS, 0.0)


def _credit(case: Case) -> str:
    return (
        f"Simulated motion. One real still, {case.image_path.name}, was set in motion by rtseg.train.demo_clip: drift, tissue\n"
        "deformation, pulsation and speckle are computed, nobody moved like this. The shipped network\n"
        "has seen the scan, engines/zoo/held_out/carotid.onnx has not.\n\n"
        "The still: A. Momot, Common Carotid Artery Ultrasound Images, Mendeley Data, 2022, doi 10.17632/d4xt63mgjm,\n"
        "CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/), changed as said above.\n"
    )


def main(folder: str, name: str, out: str) -> None:
    """Write the clip of one case of a dataset. Raises DatasetError."""
    cases = {case.name: case for case in open_dataset(folder)}
    if name not in cases:
        raise DatasetError(f"{folder} has no case {name!r}: name one by the stem of its image")
    write_clip(cases[name], Path(out))


if __name__ == "__main__":
    main(*sys.argv[1:4])

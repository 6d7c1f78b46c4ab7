"""Tests decoding with FFmpeg's NVDEC, on our own libcuda and libnvcuvid on the emulated GPU.

The decoder does not decode: it returns the pictures that the CPU decoded (nvcuvid.cpp). The tests show the path of the frames.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from emulated import compiler

from rtseg.sources import open_source

HEIGHT, WIDTH, COUNT = 48, 64, 12
TIMEOUT_S = 300
FFMPEG = Path(av.__file__).parents[1] / "av.libs"


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a video of a moving block with B-frames, so that the decoding order differs from the display order."""
    path = tmp_path_factory.mktemp("nvdec") / "scan.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "2", "g": "12", "x264-params": "scenecut=0"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index in range(COUNT):
            image = np.full((HEIGHT, WIDTH, 3), 20, np.uint8)
            image[10:30, 4 * index : 4 * index + 12] = 200 - 8 * index
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def pictures(video: Path) -> bytes:
    """Return the pictures that the CPU decodes, in decoding order, as NV12."""
    with av.open(str(video)) as container:
        order = [packet.pts for packet in container.demux(video=0) if packet.pts is not None]
    with av.open(str(video)) as container:
        decoded = {frame.pts: frame.reformat(format="nv12").to_ndarray().tobytes() for frame in container.decode(video=0)}
    assert order != sorted(order), "else the order shows nothing"
    return b"".join(decoded[pts] for pts in order)


@pytest.fixture(scope="module")
def libraries(kernels_library: Path) -> str:
    """Return a library path on which FFmpeg finds a GPU with a decoder."""
    asked_by = [*FFMPEG.glob("libavcodec*"), *FFMPEG.glob("libavutil*")]
    if not (asked_by and (compiler.CUDA / "cuda.h").exists()):
        pytest.skip("there is no header of CUDA's driver here, or PyAV is not PyPI's: NVDEC cannot be emulated")
    made = (
        compiler.driver_library(kernels_library.parent, kernels_library, asked_by, name) for name in ("libcuda", "libnvcuvid")
    )
    return os.pathsep.join(str(path.parent) for path in made)


def decoded(video: Path, pictures: bytes, libraries: str, folder: Path) -> tuple[list[np.ndarray], str]:
    """Decode a video on the emulated NVDEC; return the images and the log."""
    (folder / "pictures").write_bytes(pictures)
    environment = os.environ | {"LD_LIBRARY_PATH": libraries, "EMULATED_PICTURES": str(folder / "pictures")}
    command = [sys.executable, "-m", "emulated.nvdec", f"{video}#decode=gpu", str(folder / "out.npz")]
    ended = subprocess.run(
        command, cwd=compiler.TESTS, env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
    )
    assert ended.returncode == 0, ended.stderr
    with np.load(folder / "out.npz") as images:
        return [images[name] for name in images.files], ended.stdout


def test_the_gpu_s_pictures_come_in_order_and_are_the_cpu_s(
    video: Path, pictures: bytes, libraries: str, tmp_path: Path
) -> None:
    found, said = decoded(video, pictures, libraries, tmp_path)
    expected = [frame.image for frame in open_source(str(video))]
    assert said == "", "nothing falls back, and nothing is logged"
    assert len(found) == COUNT
    for own, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(own, other)


def test_they_are_the_gpu_s(video: Path, pictures: bytes, libraries: str, tmp_path: Path) -> None:
    """Check that the images come from the GPU: the test above would also pass after a silent fallback to the CPU."""
    darker = (np.frombuffer(pictures, np.uint8) // 2 + 64).tobytes()
    found, said = decoded(video, darker, libraries, tmp_path)
    assert said == ""
    assert found[0].max() < 180 < next(iter(open_source(str(video)))).image.max()


@pytest.mark.parametrize("count", [0, 5])
def test_where_the_gpu_falls_out_the_cpu_goes_on_and_no_frame_is_lost(
    video: Path, pictures: bytes, libraries: str, tmp_path: Path, count: int
) -> None:
    found, said = decoded(video, pictures[: count * HEIGHT * WIDTH * 3 // 2], libraries, tmp_path)
    expected = [frame.image for frame in open_source(str(video))]
    assert len(found) == COUNT
    assert all((own == other).all() for own, other in zip(found, expected, strict=True))
    assert re.fullmatch(r".*scan.mp4 is decoded on the CPU from frame \d on: the GPU's decoder failed\n", said)
    assert (" from frame 0 on" in said) == (count == 0)

"""Generate small valid inputs of every reader, in several forms each."""

import gzip
import zlib
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import networks
import nibabel
import nrrd
import numpy as np
from igtl import peers
from pydicom.uid import MPEG4HP41, JPEGBaseline8Bit
from sinks.recording import made
from sources import dicoms

from rtseg.igtl.text import Status, write_status, write_string

SHAPE, COUNT = (48, 64), 5
_LOSSY = (cv2.IMWRITE_WEBP_QUALITY, 90)


def grey(count: int = COUNT) -> np.ndarray:
    """Return smooth gray frames (N, H, W) with a moving bar."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    frames = [((rows * 2 + columns + 9 * i) % 200).astype(np.uint8) for i in range(count)]
    for i, frame in enumerate(frames):
        frame[10:20, 8 * i : 8 * i + 8] = 255
    return np.stack(frames)


def rgb() -> np.ndarray:
    """Return the same frames as RGB, (N, H, W, 3)."""
    return np.repeat(grey()[..., None], 3, axis=3)


def video(path: Path, codec: str, pixels: str, container: str, **options: str) -> None:
    """Write a video of `COUNT` frames."""
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=Fraction(25), options=options)
        stream.height, stream.width = SHAPE
        stream.pix_fmt = pixels
        for image in rgb():
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        file.mux(stream.encode(None))


def _mp4(folder: Path) -> None:
    video(folder / "h264.mp4", "libx264", "yuv420p", "mp4", g="2")
    video(folder / "fragments.mp4", "mpeg4", "yuv420p", "mp4", movflags="frag_keyframe+empty_moov", g="2")


def _mkv(folder: Path) -> None:
    video(folder / "ffv1.mkv", "ffv1", "gray", "matroska")
    video(folder / "h264.mkv", "libx264", "yuv420p", "matroska", g="2")


def _avi(folder: Path) -> None:
    video(folder / "mjpeg.avi", "mjpeg", "yuvj420p", "avi")
    video(folder / "mpeg4.avi", "mpeg4", "yuv420p", "avi", g="2")


def _ts(folder: Path) -> None:
    video(folder / "mpeg2.ts", "mpeg2video", "yuv420p", "mpegts", g="2")
    video(folder / "h264.ts", "libx264", "yuv420p", "mpegts", g="2")


def _gif(folder: Path) -> None:
    video(folder / "moving.gif", "gif", "rgb8", "gif")


def _y4m(folder: Path) -> None:
    head = b"YUV4MPEG2 W64 H48 F25:1 Ip A1:1 Cmono\n"
    (folder / "grey.y4m").write_bytes(head + b"".join(b"FRAME\n" + frame.tobytes() for frame in grey()))
    video(folder / "colour.y4m", "wrapped_avframe", "yuv420p", "yuv4mpegpipe")


def _pictures(suffix: str, options: Sequence[int] = ()) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        for name, image in (("grey", grey()[0]), ("colour", rgb()[1])):
            (folder / f"{name}{suffix}").write_bytes(cv2.imencode(suffix, image, options)[1].tobytes())

    return make


def _animation() -> cv2.Animation:
    moving = cv2.Animation()
    moving.frames, moving.durations = [np.ascontiguousarray(frame) for frame in rgb()], np.full(COUNT, 40, np.int32)
    return moving


def _png(folder: Path) -> None:
    _pictures(".png")(folder)
    cv2.imwriteanimation(str(folder / "moving.png"), _animation())


def _webp(folder: Path) -> None:
    _pictures(".webp", _LOSSY)(folder)
    cv2.imwriteanimation(str(folder / "moving.webp"), _animation(), _LOSSY)


def _tiff(folder: Path) -> None:
    _pictures(".tiff", (cv2.IMWRITE_TIFF_COMPRESSION, 1))(folder)
    cv2.imwritemulti(str(folder / "stack.tiff"), list(grey()), (cv2.IMWRITE_TIFF_COMPRESSION, 1))


def _dicom(folder: Path) -> None:
    dicoms.save(dicoms.multiframe(grey(), FrameTime="40"), folder / "grey.dcm")
    coloured = dicoms.multiframe(rgb(), SequenceOfUltrasoundRegions=[dicoms.region(box=(0, 0, 63, 47))])
    dicoms.save(coloured, folder / "colour.dcm")


def _dicom_encapsulated(folder: Path) -> None:
    coded = [cv2.imencode(".jpg", frame)[1].tobytes() for frame in grey()]
    dicoms.save(dicoms.multiframe(grey(), syntax=JPEGBaseline8Bit, coded=coded), folder / "jpeg.dcm")
    dicoms.save(dicoms.multiframe(grey(), **dicoms.rle(grey())), folder / "rle.dcm")
    video(folder / "coded", "libx264", "yuv420p", "mp4", g="2")
    pieces = [(folder / "coded").read_bytes()]
    (folder / "coded").unlink()
    film = dicoms.multiframe(rgb(), syntax=MPEG4HP41, coded=pieces, photometric="YBR_PARTIAL_420", FrameTime=40)
    dicoms.save(film, folder / "film.dcm")


def _metaimage(folder: Path) -> None:
    frames = grey()
    for name, data, compressed in (("raw", frames.tobytes(), False), ("zlib", zlib.compress(frames.tobytes()), True)):
        size = f"CompressedDataSize = {len(data)}\n" if compressed else ""
        head = (
            "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
            f"CompressedData = {compressed}\n{size}DimSize = 64 48 {len(frames)}\nElementSpacing = 0.2 0.3 1\n"
            "ElementType = MET_UCHAR\nElementDataFile = LOCAL\n"
        )
        (folder / f"{name}.mha").write_bytes(head.encode() + data)


def _nrrd(folder: Path) -> None:
    for encoding in ("raw", "gzip"):
        nrrd.write(
            str(folder / f"{encoding}.nrrd"), grey().transpose(2, 1, 0), {"encoding": encoding, "spacings": [0.2, 0.3, 1]}
        )


def _nifti(folder: Path) -> None:
    image = nibabel.Nifti1Image(grey().transpose(2, 1, 0), np.diag([0.2, 0.3, 1, 1]))
    nibabel.save(image, folder / "plain.nii")
    (folder / "packed.nii.gz").write_bytes(gzip.compress((folder / "plain.nii").read_bytes(), 1))


def _onnx(folder: Path) -> None:
    networks.recurrent(folder / "recurrent.onnx")
    networks.convolutional(folder / "convolutional.onnx")


def _replay(folder: Path) -> None:
    made.small_recording(folder / "recording", COUNT)


def igtl_messages() -> list[bytes]:
    """Return messages of each type that rtseg reads, an image first."""
    return [
        peers.image(0, grey()[0]),
        peers.image(1, rgb()[1], Key="value"),
        peers.image(2, grey()[2].astype(np.uint16)),
        peers.transform("ProbeToTracker", TransformStatus="OK"),
        peers.packed("STRING", "Depth", 0, write_string("40 mm")),
        peers.packed("STATUS", "Probe", 0, write_status(Status(1, 0, "OK", "well"))),
    ]


def _igtl(folder: Path) -> None:
    (folder / "messages.igtl").write_bytes(b"".join(igtl_messages()))
    (folder / "images.igtl").write_bytes(b"".join(peers.image(i, frame) for i, frame in enumerate(grey())))


def _mjpeg(folder: Path) -> None:
    parts = []
    for frame in rgb():
        coded = cv2.imencode(".jpg", frame)[1].tobytes()
        parts.append(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(coded) + coded + b"\r\n")
    (folder / "parts.mjpeg").write_bytes(b"".join(parts * 3))


MAKERS: dict[str, Callable[[Path], None]] = {
    "mp4": _mp4,
    "mkv": _mkv,
    "avi": _avi,
    "ts": _ts,
    "gif": _gif,
    "y4m": _y4m,
    "png": _png,
    "webp": _webp,
    "tiff": _tiff,
    "jpeg": _pictures(".jpg"),
    "dicom": _dicom,
    "dicom-encapsulated": _dicom_encapsulated,
    "metaimage": _metaimage,
    "nrrd": _nrrd,
    "nifti": _nifti,
    "onnx": _onnx,
    "replay": _replay,
    "igtl-source": _igtl,
    "igtl-sink": _igtl,
    "mjpeg": _mjpeg,
}


def make_all(folder: Path) -> dict[str, list[Path]]:
    """Write every seed below a folder, and return the paths by reader; a replay's seed is a folder."""
    seeds = {}
    for name, make in MAKERS.items():
        (folder / name).mkdir(parents=True)
        make(folder / name)
        seeds[name] = sorted((folder / name).iterdir())
    return seeds

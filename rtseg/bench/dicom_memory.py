"""Measures the memory of a DICOM segmentation of a long stream: `python -m rtseg.bench.dicom_memory FRAMES OUT.json`."""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from rtseg.frame import Frame, Segmentation, StreamInfo
from rtseg.output.atomic_file import write_atomically
from rtseg.probability_planes import ProbabilityPlanes
from rtseg.result import Redaction, Result
from rtseg.sinks.dicom import DicomFiles, DicomSink, SegmentationType
from rtseg.trace import LatencyTrace

_SHAPE, _CELLS, _FEW = (720, 1280), (128, 128), 100


def measure_memory(kind: SegmentationType, frames: int) -> dict[str, Any]:
    """Write a segmentation of one class, and return the peak memory of this process in MB, the file's size and the time."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "seg.dcm"
        sink = DicomSink(DicomFiles(segmentation=path), kind=kind, model="bench", model_digest="00" * 32)
        sink.open(StreamInfo(*_SHAPE, 25.0))
        for index in range(frames):
            sink.write(_result(index))
        sink.close()
        size = path.stat().st_size
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "type": kind.value,
        "frames": frames,
        "peak_mb": round(peak_mb, 1),
        "file_mb": round(size / 1e6, 1),
        "seconds": round(time.perf_counter() - began, 1),
    }


def _result(index: int) -> Result:
    """Return a frame of 720p with an ellipse that moves."""
    phase = index / 20
    center = int(640 + 200 * np.sin(phase)), int(360 + 100 * np.cos(phase / 3))
    labels = np.zeros(_SHAPE, np.uint8)
    cv2.ellipse(labels, center, (150, 90), 10, 0, 360, 1, -1)
    plane = cv2.GaussianBlur(cv2.resize(labels.astype(np.float32), _CELLS[::-1], interpolation=cv2.INTER_AREA), (0, 0), 2)
    planes = ProbabilityPlanes(np.clip(plane, 0, 1)[None].astype(np.float32), (0, 0, *_SHAPE))
    found = Segmentation(labels, ("lumen",), (0.9,), planes=planes)
    frame = Frame(labels * np.uint8(100), index, index * 40_000_000)
    return Result(frame, found, LatencyTrace(frame.captured_ns), redaction=Redaction("auto", "known", 0, 0))


def main() -> None:
    """Measure each type with 100 frames and with FRAMES, each in a process of its own, and write what was found."""
    if len(sys.argv) == 4:
        sys.stdout.write(json.dumps(measure_memory(SegmentationType(sys.argv[2]), int(sys.argv[3]))))
        return
    many, out, found = int(sys.argv[1]), Path(sys.argv[2]), []
    for kind in SegmentationType:
        few, long = (_in_a_process(kind, frames) for frames in (_FEW, many))
        found += [few, long | {"ratio": round(long["peak_mb"] / few["peak_mb"], 3)}]
    command = f"python -m rtseg.bench.dicom_memory {many} {out}"
    write_atomically(out, json.dumps({"command": command, "shape": _SHAPE, "runs": found}, indent=2).encode() + b"\n")


def _in_a_process(kind: SegmentationType, frames: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "rtseg.bench.dicom_memory", "one", kind.value, str(frames)]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return found


if __name__ == "__main__":
    main()

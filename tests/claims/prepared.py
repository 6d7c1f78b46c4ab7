"""Write small files by the names that the documents use: clips, studies, data sets, networks and a short training."""

import re
from pathlib import Path

import av
import cv2
import made_networks
import numpy as np
import screens
import trackers
from claims.checkout import ROOT
from sources import dicoms

from rtseg.train.config import read_config

DATASETS = {
    "carotid": "carotid",
    "nerve-vessel": "nerve_vessel",
    "fetal-head": "fetal_head",
    "breast-lesion": "breast_lesion",
    "muscle": "muscle_aponeurosis",
}
DATA_FOLDERS = ("DIR", "DATA/carotid")


def prepare(folder: Path) -> None:
    """Write everything that the documents' commands read into a folder."""
    small = np.stack([screens.speckle((192, 256), seed) for seed in range(12)])
    inside = screens.rectangle((480, 640), 38, 28, 354, 470)
    _video(folder / "scan.mp4", small)
    _video(folder / "screen.mp4", [frame.image for frame in screens.frames(inside, 20)])
    for name in ("study", "STUDY_FOLDER"):
        (folder / name).mkdir()
        dicoms.save(dicoms.multiframe(small), folder / name / "one.dcm")
    dicoms.save(dicoms.multiframe(small), folder / "IM_0001")
    _metaimage(folder / "sweep.igs.mha", small)
    _zoo(folder / "engines" / "zoo")
    for name in ("one", "two"):
        (folder / f"{name}.onnx").symlink_to(ROOT / "engines/zoo/carotid.onnx")
    trackers.tracker(folder / "track.onnx")
    for name in ("docs/speckle", "docs/benchmarks", "out", "runs"):
        (folder / name).mkdir(parents=True)
    for model, data in DATASETS.items():
        _dataset(folder / "DATA" / data, read_config(str(ROOT / f"engines/zoo/{model}.toml")).data.held_out, model)
    (folder / "DIR").symlink_to("DATA/carotid")
    _networks(folder)


def _networks(folder: Path) -> None:
    """Write networks of other tools: an ONNX file that ends in a sigmoid, a MONAI checkpoint with its code, and two folders."""
    import torch
    from monai.networks.nets import UNet

    made_networks.export(made_networks.DarkBlobs(1, end=torch.sigmoid), folder / "net.onnx")
    torch.manual_seed(0)
    form = {"spatial_dims": 2, "in_channels": 1, "out_channels": 2, "channels": (4, 8), "strides": (2,)}
    weights = UNet(**form).state_dict()
    weights[[name for name in weights if name.endswith("bias")][-1]] += torch.tensor([2.0, 0.0])  # mostly background
    torch.save(weights, folder / "unet.pth")
    code = f"from monai.networks.nets import UNet\n\n\ndef network():\n    return UNet(**{form})\n"
    (folder / "my_network.py").write_text(code)
    made_networks.nnunet(folder)
    made_networks.monai_bundle(folder)


def _video(path: Path, images: "np.ndarray | list[np.ndarray]") -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width = images[0].shape
        stream.pix_fmt = "yuv420p"
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="gray")))
        container.mux(stream.encode())


def _metaimage(path: Path, images: np.ndarray) -> None:
    n, height, width = images.shape
    fields = {
        "ObjectType": "Image",
        "NDims": "3",
        "DimSize": f"{width} {height} {n}",
        "ElementType": "MET_UCHAR",
        "ElementDataFile": "LOCAL",
    }
    header = "".join(f"{name} = {value}\n" for name, value in fields.items())
    path.write_bytes(header.encode() + images.tobytes())


def _zoo(folder: Path) -> None:
    """Link the shipped models, and write their trainings shortened: on the small data, from random weights."""
    folder.mkdir(parents=True)
    for path in (ROOT / "engines/zoo").iterdir():
        if path.suffix != ".toml":
            (folder / path.name).symlink_to(path)
            continue
        text = re.sub(r'^folder = ".*/', 'folder = "DATA/', path.read_text(), flags=re.MULTILINE)
        text = re.sub(r"^start = .*\n|^encoder_rate = .*\n", "", text, flags=re.MULTILINE)
        text = re.sub(r"^(minutes|epochs) = .*$", "epochs = 0.01", text, flags=re.MULTILINE)
        (folder / path.name).write_text(text)


def _dataset(folder: Path, held_out: "tuple[str, ...] | list[str]", model: str) -> None:
    """Write one image with a mask for each held-out subject and two others; docs/benchmarks/speckle.md shows that of scan09."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for place, subject in enumerate([*held_out, "other0", "other1"]):
        side = 320 if model == "carotid" else 96
        rng = np.random.default_rng(place)
        image, mask = screens.speckle((side, side), place), np.zeros((side, side), np.uint8)
        centre = tuple(int(value) for value in rng.integers(side // 3, side // 2, 2))
        cv2.ellipse(mask, centre, (side // 6, side // 8), int(rng.integers(180)), 0, 360, 1, -1)
        if model == "nerve-vessel":
            cv2.circle(mask, (side - 16, side - 16), 8, 2, -1)
        image = cv2.addWeighted(image, 0.5, np.full_like(image, 20 + 8 * (place % 20)), 0.5, 0)
        image[mask == 1] //= 4
        name = f"{subject}_frame00177.png"
        cv2.imwrite(str(folder / "images" / name), image)
        cv2.imwrite(str(folder / "masks" / name), mask)

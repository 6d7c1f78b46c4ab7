"""Makes network files in the forms that people have, each with the labels that it must give."""

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

SIZE = (48, 64)
SCALE = ("--normalization", "0..1")
RNG = np.random.default_rng(7)

Truth = Callable[[list[np.ndarray]], list[np.ndarray]]  # labels at the network's own resolution, of gray pictures in order


@dataclass(frozen=True)
class MadeNetwork:
    """Holds a made file or folder, the words that describe it, and its labels."""

    path: Path
    truth: Truth
    words: tuple[str, ...] = SCALE
    classes: int = 1
    activation: str = "none"


def pictures(count: int = 6, size: tuple[int, int] = (60, 80)) -> list[np.ndarray]:
    """Return gray pictures of bright and dark blobs that move."""
    found = []
    y, x = np.mgrid[: size[0], : size[1]] / size[0]
    for index in range(count):
        image = 0.35 + 0.15 * np.sin(7 * y + index) * np.cos(6 * x)
        for place, level in enumerate((0.95, 0.02, 0.7)):
            center = 0.3 + 0.2 * place, 0.3 + 0.35 * place + 0.05 * index
            image = np.where((y - center[0]) ** 2 + (x - center[1]) ** 2 < 0.02, level, image)
        image = image + 0.04 * np.random.default_rng(index).standard_normal(size)
        found.append((255 * image.clip(0, 1)).astype(np.uint8))
    return found


class Blobs(nn.Module):
    """Segments bright blobs, dark ones and those between: K logits of smoothed levels, K from 1 to 3."""

    def __init__(self, outputs: int = 1, channels: int = 1, end: Callable | None = None) -> None:
        super().__init__()
        self.smooth = nn.Conv2d(channels, 4, 5, padding=2, padding_mode="replicate")
        self.mix = nn.Conv2d(4, 8, 3, padding=1)
        self.head = nn.Conv2d(8, outputs, 1)
        self.end = end
        generator = torch.Generator().manual_seed(outputs)
        with torch.no_grad():
            for one in self.parameters():
                one.copy_(0.05 * torch.randn(one.shape, generator=generator))
            self.smooth.weight.add_(1 / (25 * channels))
            self.mix.weight[:, :, 1, 1] += 0.5
            levels = {1: ([12.0], [-13.0]), 2: ([-12.0, 12.0], [13.0, -13.0]), 3: ([0.0, 12.0, -12.0], [0.0, -13.0, 3.0])}
            gains, shifts = levels[outputs]
            self.head.weight.copy_(
                0.125 * torch.tensor(gains).reshape(-1, 1, 1, 1)
                + 0.02 * torch.randn(self.head.weight.shape, generator=generator)
            )
            self.head.bias.copy_(torch.tensor(shifts))

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.mix(torch.relu(self.smooth(x)))))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.end(self.logits(x)) if self.end else self.logits(x)


class DarkBlobs(Blobs):
    """Segments what is dark, as the ellipses in the documents' data are."""

    def logits(self, x: torch.Tensor) -> torch.Tensor:
        return -11 - super().logits(x)


def resized(image: np.ndarray) -> torch.Tensor:
    """Return a picture at SIZE, in 0..1, as (1, 1, H, W)."""
    from rtseg.kernels import fit_input, letterbox

    return torch.from_numpy(fit_input(image, letterbox((0, 0, *image.shape), SIZE), (0.0,), (255.0,)))


def truth_of(network: Blobs, prepare: Callable = lambda x: x, decide: Callable | None = None) -> Truth:
    """Return the labels that a network's own logits say, after `prepare` of the picture in 0..1."""

    def labels(images: list[np.ndarray]) -> list[np.ndarray]:
        found = []
        for image in images:
            with torch.no_grad():
                logits = network.logits(prepare(resized(image)))[0]
            if decide:
                found.append(decide(logits).numpy())
            else:
                found.append((logits[0] > 0 if len(logits) == 1 else logits.argmax(0)).numpy().astype(int))
        return found

    return labels


def export(network: nn.Module, path: Path, channels: int = 1, opset: int = 17, **options) -> Path:
    """Write a torch network as ONNX."""
    example = options.pop("example", None)
    names = {"input_names": ["x"], "output_names": ["y"], "opset_version": opset, "dynamo": False} | options
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        example = torch.rand(1, channels, *SIZE) if example is None else example
        torch.onnx.export(network.eval(), example, str(path), **names)
    return path


def ending(name: str, outputs: int, end: Callable, activation: str, *words: str, classes: int = 1, **options) -> Callable:
    """Return the maker of a network that ends in an operation."""

    def make(folder: Path) -> MadeNetwork:
        network = Blobs(outputs, end=end)
        return MadeNetwork(
            export(network, folder / f"{name}.onnx", **options), truth_of(network), (*SCALE, *words), classes, activation
        )

    return make


def multi_label(logits: torch.Tensor) -> torch.Tensor:
    return torch.where(logits.max(0).values > 0, logits.argmax(0) + 1, 0)


def independent(folder: Path, end: Callable | None = torch.sigmoid, *words: str) -> MadeNetwork:
    network = Blobs(2, end=end)
    with torch.no_grad():
        network.head.bias.copy_(torch.tensor([3.0, -13.0]))
    path = export(network, folder / "independent.onnx")
    activation = "sigmoid" if end else "none"
    return MadeNetwork(path, truth_of(network, decide=multi_label), (*SCALE, "--classes", "dark,bright", *words), 2, activation)


class Turned(nn.Module):
    """Takes and gives pictures as (N, H, W, C)."""

    def __init__(self, network: nn.Module, both: bool = True) -> None:
        super().__init__()
        self.network, self.both = network, both

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        answer = self.network(x.permute(0, 3, 1, 2))
        return answer.permute(0, 2, 3, 1) if self.both else answer


def nhwc(folder: Path, end: Callable | None = None, both: bool = True) -> MadeNetwork:
    network = Blobs(1, channels=3, end=end)
    path = export(Turned(network, both), folder / "nhwc.onnx", example=torch.rand(1, *SIZE, 3))
    return MadeNetwork(path, truth_of(network, lambda x: x.repeat(1, 3, 1, 1)), SCALE, 1, "sigmoid" if end else "none")


class Cast(nn.Module):
    """Takes a picture of another dtype."""

    def __init__(self, network: nn.Module, gain: float = 1.0) -> None:
        super().__init__()
        self.network, self.gain = network, gain

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x.float() * self.gain)


def bytes_in(folder: Path) -> MadeNetwork:
    network = Blobs(1)
    path = export(Cast(Turned(network), 1 / 255), folder / "bytes.onnx", example=torch.zeros(1, *SIZE, 1, dtype=torch.uint8))
    rounded = truth_of(network, lambda x: (x * 255).round() / 255)
    return MadeNetwork(path, rounded, ())


def of_dtype(dtype: torch.dtype) -> Callable:
    def make(folder: Path) -> MadeNetwork:
        network = Blobs(1).to(dtype)
        path = export(network, folder / "typed.onnx", example=torch.rand(1, 1, *SIZE, dtype=dtype))
        reference = Blobs(1)
        return MadeNetwork(path, truth_of(reference))

    return make


def dynamic(folder: Path) -> MadeNetwork:
    network = Blobs(1, end=torch.sigmoid)
    axes = {"x": {0: "n", 2: "h", 3: "w"}, "y": {0: "n", 2: "h", 3: "w"}}
    path = export(network, folder / "dynamic.onnx", dynamic_axes=axes)
    return MadeNetwork(path, truth_of(network), (*SCALE, "--size", "48x64"), 1, "sigmoid")


def external(folder: Path) -> MadeNetwork:
    network = Blobs(2)
    path = export(network, folder / "inside.onnx")
    onnx.save(onnx.load(path), folder / "outside.onnx", save_as_external_data=True, location="outside.data", size_threshold=0)
    path.unlink()
    return MadeNetwork(folder / "outside.onnx", truth_of(network))


def newest_opset(folder: Path) -> MadeNetwork:
    network = Blobs(2, end=lambda x: x.softmax(1))
    model = onnx.version_converter.convert_version(onnx.load(export(network, folder / "old.onnx")), 23)
    onnx.save(model, folder / "opset23.onnx")
    return MadeNetwork(folder / "opset23.onnx", truth_of(network), SCALE, 1, "softmax")


class Several(nn.Module):
    """Gives several masks: shallow heads, and the deep one first or last, at full or half size."""

    def __init__(self, order: str, half: bool = False) -> None:
        super().__init__()
        self.deep, self.order, self.half = Blobs(1), order, half
        self.early = nn.Conv2d(4, 1, 1)
        self.middle = nn.Conv2d(8, 1, 1)

    def forward(self, x: torch.Tensor):
        first = torch.relu(self.deep.smooth(x))
        second = torch.relu(self.deep.mix(first))
        third = torch.relu(self.deep.mix(second[:, :4]))
        heads = [self.early(first), self.middle(second)]
        if self.half:
            heads = [nn.functional.avg_pool2d(head, 2**place) for place, head in enumerate(heads, 1)]
        main = self.deep.head(second + 0 * self.deep.mix(torch.relu(third[:, :4])))
        return (main, *heads) if self.order == "first" else (*heads, main)


def deep_supervision(order: str, half: bool = False, end: Callable | None = None) -> Callable:
    def make(folder: Path) -> MadeNetwork:
        torch.manual_seed(3)
        network = Several(order, half)
        names = ["main", "a", "b"] if order == "first" else ["a", "b", "main"]
        path = export(network, folder / "deep.onnx", output_names=names, do_constant_folding=False)
        return MadeNetwork(path, truth_of(network.deep))

    return make


class WithHeads(nn.Module):
    """Gives a class head beside its mask, or a boundary beside it."""

    def __init__(self, boundary: bool) -> None:
        super().__init__()
        self.blobs, self.boundary = Blobs(1), boundary
        self.edge, self.kind = nn.Conv2d(8, 1, 1), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor):
        features = torch.relu(self.blobs.mix(torch.relu(self.blobs.smooth(x))))
        mask = self.blobs.head(features)
        return (self.edge(features), mask) if self.boundary else (self.kind(features.mean((2, 3))), mask)


def heads(boundary: bool) -> Callable:
    def make(folder: Path) -> MadeNetwork:
        network = WithHeads(boundary)
        path = export(network, folder / "heads.onnx", output_names=["other", "mask"])
        return MadeNetwork(path, truth_of(network.blobs), (*SCALE, *(["--output", "mask"] if boundary else [])))

    return make


def stacked(count: int, *words: str) -> Callable:
    def make(folder: Path) -> MadeNetwork:
        network = Blobs(1, channels=count)
        path = export(network, folder / "frames.onnx", channels=count)

        def labels(images: list[np.ndarray]) -> list[np.ndarray]:
            past = [resized(images[0])] * count
            found = []
            for image in images:
                past = [*past, resized(image)][-count:]
                with torch.no_grad():
                    found.append((network(torch.cat(past, 1))[0, 0] > 0).numpy().astype(int))
            return found

        return MadeNetwork(path, labels, (*SCALE, "--frames-stacked", str(count), *words))

    return make


class Recalling(nn.Module):
    """Mixes its logits with a memory: a map, a vector, or RVM's map that begins as a single zero."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.blobs, self.kind = Blobs(1), kind

    def step(self, x: torch.Tensor, memory: torch.Tensor):
        logits = self.blobs(x)
        if self.kind == "vector":
            after = 0.5 * memory + 0.5 * logits.mean((2, 3))
            return logits + 0.3 * after[:, :1, None, None], after
        after = 0.5 * memory + 0.5 * logits
        return after, after * 1.0

    def forward(self, x: torch.Tensor, memory: torch.Tensor, ratio: torch.Tensor | None = None):
        answer, after = self.step(x, memory)
        return (answer * ratio if ratio is not None else answer), after


def recurrent(kind: str) -> Callable:
    def make(folder: Path) -> MadeNetwork:
        network = Recalling(kind)
        shape = {"map": (1, 1, *SIZE), "vector": (1, 1), "open": (1, 1, 1, 1)}[kind]
        example: tuple = (torch.rand(1, 1, *SIZE), torch.zeros(shape))
        options: dict = {"input_names": ["src", "r1i"], "output_names": ["fgr", "r1o"]}
        words: tuple[str, ...] = SCALE
        if kind == "open":
            example = (*example, torch.tensor([1.0]))
            options["input_names"].append("downsample_ratio")
            options["dynamic_axes"] = {"r1i": [0, 1, 2, 3], "r1o": [0, 1, 2, 3], "src": [0, 2, 3], "fgr": [0, 2, 3]}
            words = (*SCALE, "--input", "downsample_ratio=1", "--size", "48x64")
        path = export(network, folder / "recurrent.onnx", example=example, **options)

        def labels(images: list[np.ndarray]) -> list[np.ndarray]:
            memory, found = torch.zeros(shape), []
            for image in images:
                with torch.no_grad():
                    answer, memory = network.step(resized(image), memory)
                found.append((answer[0, 0] > 0).numpy().astype(int))
            return found

        return MadeNetwork(path, labels, words)

    return make


class Normalizing(nn.Module):
    """Normalizes its picture itself."""

    def __init__(self, network: nn.Module, mean: list[float], std: list[float], gain: float = 1.0) -> None:
        super().__init__()
        self.network, self.gain = network, gain
        self.register_buffer("mean", torch.tensor(mean).reshape(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).reshape(1, -1, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network((x * self.gain - self.mean) / self.std)


def normalizing(channels: int, gain: float, mean: list[float], std: list[float]) -> Callable:
    def make(folder: Path) -> MadeNetwork:
        network = Blobs(1, channels=channels)
        path = export(Normalizing(network, mean, std, gain), folder / "scaled.onnx", channels=channels)
        shift, spread = (torch.tensor(values).reshape(1, -1, 1, 1) for values in (mean, std))
        top = 1 / gain if gain != 1 else 1.0
        return MadeNetwork(path, truth_of(network, lambda x: (x.repeat(1, channels, 1, 1) * top * gain - shift) / spread), ())

    return make


def by_picture(kind: str) -> Callable:
    def make(folder: Path) -> MadeNetwork:
        network = Blobs(1)
        path = export(network, folder / "picture.onnx")

        def prepare(x: torch.Tensor) -> torch.Tensor:
            return {"zscore": (x - x.mean()) / x.std(correction=0), "minmax": (x - x.min()) / (x.max() - x.min())}[kind]

        return MadeNetwork(path, truth_of(network, prepare), ("--normalization", kind))

    return make


def first_batch_norm(folder: Path) -> MadeNetwork:
    network, norm = Blobs(1), nn.BatchNorm2d(1)
    norm.running_mean.fill_(60.0)
    norm.running_var.fill_(2500.0)
    path = export(nn.Sequential(norm, network), folder / "norm.onnx", do_constant_folding=False)
    return MadeNetwork(path, truth_of(network, lambda x: norm.eval()(x * 255)), ())


def unbatched(folder: Path) -> MadeNetwork:
    class One(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = Blobs(2, end=lambda x: x.softmax(1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.network(x[None])[0]

    network = One()
    path = export(network, folder / "one.onnx", example=torch.rand(1, *SIZE))
    return MadeNetwork(path, truth_of(network.network), SCALE, 1, "softmax")


def half_size(folder: Path) -> MadeNetwork:
    network = Blobs(1)
    pool = nn.AvgPool2d(2)
    path = export(nn.Sequential(network, pool), folder / "half.onnx")

    def labels(images: list[np.ndarray]) -> list[np.ndarray]:
        with torch.no_grad():
            return [(pool(network(resized(image)))[0, 0] > 0).numpy().astype(int) for image in images]

    return MadeNetwork(path, labels)


def openvino_ir(half: bool) -> Callable:
    def make(folder: Path) -> MadeNetwork:
        import openvino as ov

        network = Blobs(1, end=torch.sigmoid)
        path = export(network, folder / "for_ir.onnx")
        ov.save_model(ov.Core().read_model(path), folder / "net.xml", compress_to_fp16=half)
        path.unlink()
        return MadeNetwork(folder / "net.xml", truth_of(network), SCALE, 1, "sigmoid")

    return make


def torchscript(folder: Path) -> MadeNetwork:
    network = Blobs(2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(network.eval(), torch.rand(1, 1, *SIZE)).save(folder / "net.pt")
    return MadeNetwork(folder / "net.pt", truth_of(network), (*SCALE, "--size", "48x64"))


def yolo(folder: Path) -> MadeNetwork:
    """Write boxes (1, 4 + 2 + 4, N) and prototypes (1, 4, 12, 16) that a picture's brightness moves, as Ultralytics does."""
    places = sum((SIZE[0] // stride) * (SIZE[1] // stride) for stride in (8, 16, 32))
    rng = np.random.default_rng(5)
    boxes = np.zeros((1, 10, places), np.float32)
    boxes[0, :4] = np.array([32, 24, 8, 8])[:, None]
    boxes[0, 4:6] = 0.05 * rng.random((2, places))
    for place, (row, kind) in enumerate([((20, 20, 24, 20), 0), ((44, 30, 20, 24), 1), ((22, 21, 24, 22), 0)]):
        boxes[0, :4, place], boxes[0, 4 + kind, place] = row, 0.9
    boxes[0, 6:] = rng.standard_normal((4, places))
    weights = rng.standard_normal((4, 3, 1, 1)).astype(np.float32) * 4
    for place, sign in enumerate((1, 1, -1)):
        boxes[0, 6:, place] = sign * np.sign(weights[:, :, 0, 0].sum(1))
    pooled = ("AveragePool", ["x"], ["pooled"])
    nodes = [
        helper.make_node(*pooled, kernel_shape=[4, 4], strides=[4, 4]),
        helper.make_node("Conv", ["pooled", "weights"], ["output1"]),
        helper.make_node("GlobalAveragePool", ["x"], ["level"]),
        helper.make_node("Mul", ["level", "nothing"], ["zero"]),
        helper.make_node("ReduceMean", ["zero"], ["flat"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Add", ["boxes", "flat"], ["output0"]),
    ]
    constants = {"weights": weights, "boxes": boxes, "nothing": np.zeros(1, np.float32)}
    graph = helper.make_graph(
        nodes,
        "yolo",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, *SIZE))],
        [
            helper.make_tensor_value_info("output0", TensorProto.FLOAT, boxes.shape),
            helper.make_tensor_value_info("output1", TensorProto.FLOAT, (1, 4, 12, 16)),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=9)
    helper.set_model_props(model, {"task": "segment", "names": "{0: 'vessel', 1: 'nerve'}"})
    onnx.save(model, folder / "yolo-seg.onnx")

    def labels(images: list[np.ndarray]) -> list[np.ndarray]:
        found = []
        for image in images:
            x = resized(image).numpy()[0, 0].reshape(12, 4, 16, 4).mean((1, 3))
            planes = (weights[:, :, 0, 0].sum(1)[:, None, None] * x).astype(np.float32)
            best, answer = np.zeros((12, 16)), np.zeros((12, 16), int)
            for place in range(3):
                cx, cy, w, h = boxes[0, :4, place] / 4
                kind = int(boxes[0, 4:6, place].argmax())
                mask = np.tensordot(boxes[0, 6:, place], planes, 1)
                inside = np.zeros((12, 16), bool)
                inside[max(0, round(cy - h / 2)) : round(cy + h / 2), max(0, round(cx - w / 2)) : round(cx + w / 2)] = True
                wins = inside & (mask > best)
                best, answer = np.where(wins, mask, best), np.where(wins, kind + 1, answer)
            found.append(answer)
        return found

    return MadeNetwork(folder / "yolo-seg.onnx", labels, SCALE, 2, "yolo")


def monai_bundle(folder: Path, yaml: bool = False) -> MadeNetwork:
    from monai.networks.nets import UNet

    torch.manual_seed(11)
    form = {"spatial_dims": 2, "in_channels": 1, "out_channels": 2, "channels": [4, 8], "strides": [2]}
    network = UNet(**form).eval()
    bundle = folder / "bundle"
    (bundle / "configs").mkdir(parents=True)
    (bundle / "models").mkdir()
    torch.save(network.state_dict(), bundle / "models" / "model.pt")
    metadata = {
        "network_data_format": {
            "inputs": {"image": {"num_channels": 1, "spatial_shape": list(SIZE[::-1])}},  # as LoadImage gives them
            "outputs": {"pred": {"num_channels": 2, "channel_def": {"0": "background", "1": "lesion"}}},
        }
    }
    config = {
        "device": "$torch.device('cuda')",
        "network_def": {"_target_": "UNet", **form},
        "network": "$@network_def.to(@device)",
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [{"_target_": "LoadImaged", "keys": "image"}, {"_target_": "NormalizeIntensityd", "keys": "image"}],
        },
    }
    (bundle / "configs" / "metadata.json").write_text(json.dumps(metadata))
    (bundle / "configs" / "inference.json").write_text(json.dumps(config))
    if yaml:
        from monai.bundle import ConfigParser

        ConfigParser.export_config_file(config, str(bundle / "configs" / "inference.yaml"), fmt="yaml")
        (bundle / "configs" / "inference.json").unlink()
    return MadeNetwork(bundle, _unet_truth(Transposed(network)), ())


class Transposed(nn.Module):
    """Runs a network on pictures with width before height, as MONAI's LoadImage gives them."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x.transpose(-1, -2)).transpose(-1, -2)


def _unet_truth(network: nn.Module, decide: Callable | None = None) -> Truth:
    def labels(images: list[np.ndarray]) -> list[np.ndarray]:
        from rtseg.kernels import fit_input, letterbox

        found = []
        for image in images:
            fit = letterbox((0, 0, *image.shape), SIZE)
            x = fit_input(image, fit, (0.0,), (1.0,), statistics="zscore")
            with torch.no_grad():
                logits = network(torch.from_numpy(x))[0]
            found.append((decide(logits) if decide else logits.argmax(0)).numpy())
        return found

    return labels


def dropping(folder: Path) -> MadeNetwork:
    """Write the weights of a network with BatchNorm and dropout, which a mode for training would change."""
    (folder / "dropping_network.py").write_text(
        "import torch\nfrom torch import nn\n\n\ndef network():\n"
        "    parts = nn.Conv2d(1, 4, 5, padding=2), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Conv2d(4, 1, 1)\n"
        "    return nn.Sequential(*parts)\n"
    )
    torch.manual_seed(4)
    network = nn.Sequential(nn.Conv2d(1, 4, 5, padding=2), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Conv2d(4, 1, 1))
    with torch.no_grad():
        network[0].weight.mul_(0.1).add_(1 / 25)
        network[0].bias.zero_()
        network[1].running_mean.fill_(0.3)
        network[1].running_var.fill_(0.05)
        network[4].weight.fill_(1.0)
        network[4].bias.fill_(-3.0)
    torch.save(network.state_dict(), folder / "dropping.pth")
    network.eval()

    def labels(images: list[np.ndarray]) -> list[np.ndarray]:
        with torch.no_grad():
            return [(network(resized(image))[0, 0] > 0).numpy().astype(int) for image in images]

    return MadeNetwork(folder / "dropping.pth", labels, (*SCALE, "--size", "48x64", "--factory", "dropping_network:network"))


def nnunet(folder: Path, older: bool = False, regions: bool = False) -> MadeNetwork:
    """Write a folder of nnU-Net v2 from a DynUNet, with the names of PlainConvUNet, and biases that change nothing."""
    from monai.networks.nets import DynUNet

    torch.manual_seed(12)
    features, strides = [4, 8, 8], [[1, 1], [2, 2], [2, 2]]
    network = DynUNet(
        spatial_dims=2, in_channels=1, out_channels=3, kernel_size=[3] * 3, strides=strides, upsample_kernel_size=strides[1:],
        filters=features, norm_name=("instance", {"eps": 1e-5, "affine": True}), trans_bias=True,
        act_name=("leakyrelu", {"inplace": True, "negative_slope": 0.01}),
    ).eval()  # fmt: skip
    root = folder / "nnUNetTrainer__nnUNetPlans__2d"
    (root / "fold_0").mkdir(parents=True)
    weights = _as_plain_conv_unet(network.state_dict(), len(features))
    torch.save(
        {
            "network_weights": weights,
            "trainer_name": "nnUNetTrainer",
            "init_args": {"configuration": "2d", "fold": 0},
            "logging": {"mean_fg_dice": [np.float64(0.5), np.float32(0.25)]},
            "current_epoch": 1000,
            "_best_ema": np.float64(0.9),
        },
        root / "fold_0" / "checkpoint_final.pth",
    )
    plan: dict = {"patch_size": list(SIZE), "normalization_schemes": ["ZScoreNormalization"], "use_mask_for_norm": [False]}
    kernels = [[3, 3]] * 3
    if older:
        plan |= {
            "UNet_class_name": "PlainConvUNet", "UNet_base_num_features": 4, "unet_max_num_features": 8,
            "conv_kernel_sizes": kernels, "pool_op_kernel_sizes": strides, "n_conv_per_stage_encoder": [2, 2, 2],
            "n_conv_per_stage_decoder": [2, 2],
        }  # fmt: skip
    else:
        plan["architecture"] = {
            "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
            "arch_kwargs": {
                "n_stages": 3, "features_per_stage": features, "conv_op": "torch.nn.modules.conv.Conv2d",
                "kernel_sizes": kernels, "strides": strides, "n_conv_per_stage": [2, 2, 2],
                "n_conv_per_stage_decoder": [2, 2], "conv_bias": True,
                "norm_op": "torch.nn.modules.instancenorm.InstanceNorm2d",
                "norm_op_kwargs": {"eps": 1e-5, "affine": True}, "dropout_op": None, "dropout_op_kwargs": None,
                "nonlin": "torch.nn.LeakyReLU", "nonlin_kwargs": {"inplace": True},
            },
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        }  # fmt: skip
    (root / "plans.json").write_text(json.dumps({"configurations": {"2d": plan}}))
    dataset: dict = {"channel_names": {"0": "US"}, "labels": {"background": 0, "vessel": 1, "nerve": 2}, "file_ending": ".png"}
    if regions:
        dataset["labels"] = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "rim": [3]}
        dataset["regions_class_order"] = [1, 2, 3]
    (root / "dataset.json").write_text(json.dumps(dataset))
    return MadeNetwork(root, _unet_truth(network, last_region if regions else None), (), 3 if regions else 2)


def last_region(logits: torch.Tensor) -> torch.Tensor:
    """Return what nnU-Net's convert_logits_to_segmentation does: later regions are drawn over earlier ones."""
    found = torch.zeros(logits.shape[1:], dtype=torch.long)
    for place, logit in enumerate(logits, 1):
        found[logit.sigmoid() > 0.5] = place
    return found


def _as_plain_conv_unet(weights: dict, stages: int) -> dict:
    """Return the weights of a DynUNet by the names of nnU-Net's PlainConvUNet, doubles and biases included."""
    found = {}
    for stage in range(stages):
        block = "input_block" if stage == 0 else "bottleneck" if stage == stages - 1 else f"downsamples.{stage - 1}"
        found |= _block(weights, block, f"encoder.stages.{stage}.0")
    for stage in range(stages - 1):
        found |= _block(weights, f"upsamples.{stage}.conv_block", f"decoder.stages.{stage}")
        outputs, _ = found[f"decoder.stages.{stage}.convs.1.conv.weight"].shape[:2]
        for kind in ("weight", "bias"):
            found[f"decoder.transpconvs.{stage}.{kind}"] = weights[f"upsamples.{stage}.transp_conv.conv.{kind}"]
        found[f"decoder.seg_layers.{stage}.weight"] = torch.randn(3, outputs, 1, 1)
        found[f"decoder.seg_layers.{stage}.bias"] = torch.randn(3)
    for kind in ("weight", "bias"):
        found[f"decoder.seg_layers.{stages - 2}.{kind}"] = weights[f"output_block.conv.conv.{kind}"]
    return found | {f"decoder.{name}": value for name, value in found.items() if name.startswith("encoder.")}


def _block(weights: dict, ours: str, theirs: str) -> dict:
    found = {}
    for place in range(2):
        weight = weights[f"{ours}.conv{place + 1}.conv.weight"]
        norm = {kind: weights[f"{ours}.norm{place + 1}.{kind}"] for kind in ("weight", "bias")}
        parts = {"conv.weight": weight, "conv.bias": torch.randn(len(weight)), "norm.weight": norm["weight"]}
        parts["norm.bias"] = norm["bias"]
        found |= {f"{theirs}.convs.{place}.{name}": value for name, value in parts.items()}
        found |= {
            f"{theirs}.convs.{place}.all_modules.{0 if 'conv' in name else 1}.{name[5:]}": value
            for name, value in parts.items()
        }
    return found


def hand_softmax(x: torch.Tensor) -> torch.Tensor:
    powers = torch.exp(x - x.amax(1, keepdim=True))
    return powers / powers.sum(1, keepdim=True)


TWO, THREE = ("--classes", "bright"), ("--classes", "bright,dark")
MAKERS: dict[str, Callable[[Path], MadeNetwork]] = {
    "logits of one channel": ending("one", 1, lambda x: x, "none"),
    "logits of two channels": ending("two", 2, lambda x: x, "none"),
    "logits of three channels": ending("three", 3, lambda x: x, "none", *THREE, classes=2),
    "sigmoid": ending("sigmoid", 1, torch.sigmoid, "sigmoid"),
    "sigmoid, opset 9": ending("nine", 1, torch.sigmoid, "sigmoid", opset=9),
    "sigmoid, opset 11": ending("eleven", 1, torch.sigmoid, "sigmoid", opset=11),
    "sigmoid with background": ending("with", 3, torch.sigmoid, "sigmoid", *THREE, classes=2),
    "sigmoid, multi-label": independent,
    "logits, multi-label": lambda folder: independent(folder, None, "--multi-label"),
    "softmax": ending("softmax", 3, lambda x: x.softmax(1), "softmax", *THREE, classes=2),
    "softmax, opset 11": ending("softmax11", 3, lambda x: x.softmax(1), "softmax", classes=2, opset=11),
    "softmax, opset 23": newest_opset,
    "log-softmax": ending("logs", 3, lambda x: x.log_softmax(1), "none", classes=2),
    "argmax": ending("argmax", 3, lambda x: x.argmax(1), "argmax", classes=2),
    "argmax as floats": ending("floats", 3, lambda x: x.argmax(1, keepdim=True).float(), "argmax", classes=2),
    "threshold": ending("threshold", 1, lambda x: (x.sigmoid() > 0.5).to(torch.uint8), "sigmoid"),
    "sigmoid by hand": ending("hand", 1, lambda x: 1 / (1 + torch.exp(-x)), "sigmoid"),
    "softmax by hand": ending("soft", 3, hand_softmax, "softmax", classes=2),
    "clip": ending("clip", 1, lambda x: (x / 8 + 0.5).clamp(0, 1), "sigmoid"),
    "tanh": ending("tanh", 1, torch.tanh, "tanh", "--activation", "tanh"),
    "sigmoid, resized": ending(
        "twice", 1, lambda x: nn.functional.interpolate(torch.sigmoid(x), scale_factor=1, mode="nearest"), "sigmoid"
    ),
    "NHWC": nhwc,
    "NHWC, sigmoid": lambda folder: nhwc(folder, torch.sigmoid),
    "NHWC in, NCHW out": lambda folder: nhwc(folder, None, False),
    "uint8 in": bytes_in,
    "float16": of_dtype(torch.float16),
    "double": of_dtype(torch.float64),
    "open axes": dynamic,
    "external data": external,
    "deep supervision, first": deep_supervision("first"),
    "deep supervision, last": deep_supervision("last"),
    "deep supervision, smaller": deep_supervision("last", half=True),
    "class head": heads(False),
    "boundary head": heads(True),
    "three frames": stacked(3),
    "five frames": stacked(5),
    "memory, a map": recurrent("map"),
    "memory, a vector": recurrent("vector"),
    "memory, as in RVM": recurrent("open"),
    "takes 0..255": normalizing(1, 1 / 255, [0.2], [0.5]),
    "takes 0..1": normalizing(1, 1.0, [0.5], [0.5]),
    "ImageNet inside, RGB": normalizing(3, 1 / 255, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    "first BatchNorm": first_batch_norm,
    "z-score": by_picture("zscore"),
    "min-max": by_picture("minmax"),
    "without a batch": unbatched,
    "half size": half_size,
    "OpenVINO IR": openvino_ir(False),
    "OpenVINO IR, float16": openvino_ir(True),
    "TorchScript": torchscript,
    "torch weights with a factory": dropping,
    "YOLO-seg": yolo,
    "MONAI bundle": monai_bundle,
    "MONAI bundle, YAML": lambda folder: monai_bundle(folder, yaml=True),
    "nnU-Net folder": nnunet,
    "nnU-Net folder, regions": lambda folder: nnunet(folder, regions=True),
    "nnU-Net folder, before 2.4": lambda folder: nnunet(folder, older=True),
}

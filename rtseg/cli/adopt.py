"""`rtseg adopt`: takes a network of another tool, proves that it gives the same masks here, and writes it with its record."""

import json
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rtseg.cli.app import app, console
from rtseg.cli.options.grouped import grouped
from rtseg.cli.options.model import JsonOption, OnnxModelDescription
from rtseg.errors import ConfigError, RtsegError
from rtseg.output.atomic_file import write_atomically

if TYPE_CHECKING:
    from rtseg.engines.adopt.certificate import Certificate
    from rtseg.engines.adopt.mean_dice import Pictures

MAX_PICTURES = 24  # that are compared

FILE_HELP = """FILE is an .onnx file, an OpenVINO .xml, a .tflite file, TorchScript, weights of torch with --factory
MODULE:FUNCTION, a folder of nnU-Net v2 or a bundle of MONAI. PICTURES is a video, a folder of pictures, or a folder with
images/ and masks/."""


@app.command()
@grouped
def adopt(
    *,
    what: Annotated[list[str], typer.Argument(metavar="FILE [PICTURES]", help=FILE_HELP)],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write; its suffix becomes .onnx or .xml.")],
    factory: Annotated[
        str, typer.Option("--factory", help="The function without arguments that builds the torch network, as MODULE:FUNCTION.")
    ] = "",
    json: JsonOption = None,
    description: OnnxModelDescription,
) -> None:
    """Write another tool's network for rtseg, and prove that its masks are the same (extra `onnx`)."""
    if len(what) not in (1, 2):
        raise ConfigError(f"adopt takes FILE [PICTURES], and not {len(what)} names: see rtseg adopt --help")
    try:
        certificate = _adopt(what[0], what[1] if len(what) == 2 else "", out, factory, description)
    except RtsegError as error:
        if json:
            _write(json, {"adopted": False, "refused": str(error)})
        raise
    if json:
        _write(json, {"adopted": True, **certificate.report()})


def _adopt(file: str, pictures: str, out: Path, factory: str, description: OnnxModelDescription) -> "Certificate":
    from rtseg.engines.adopt.adoption import adopt as adopt_network
    from rtseg.engines.adopt.network_source import opened_source
    from rtseg.engines.convert.tool_errors import as_model_error

    facts = description.facts_for(file, in_full=False)
    ask = _ask if _is_terminal() else None
    with (
        as_model_error(f"{file} cannot be adopted", "report the network, or export it as ONNX in another way"),
        opened_source(Path(file), facts, factory=factory, trusted=description.trust_model) as source,
    ):
        made = adopt_network(source, out, read_pictures(pictures) if pictures else (), ask)
    show_certificate(made.certificate)
    console.print(f"wrote {made.path}; now `rtseg run SOURCE --model {made.path}`", highlight=False, markup=False)
    return made.certificate


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def read_pictures(path: str) -> "Pictures":
    """Return up to MAX_PICTURES pictures with their masks, or None for each without one. Raises RtsegError."""
    folder = Path(path)
    if (folder / "images").is_dir() and (folder / "masks").is_dir():
        from rtseg.evaluation.dataset import open_dataset

        cases = open_dataset(folder)
        chosen = cases[:: max(1, len(cases) // MAX_PICTURES)][:MAX_PICTURES]
        return [_with_mask(case) for case in chosen]
    from rtseg.sources import open_source

    images = []
    with closing(open_source(str(folder / "images") if (folder / "images").is_dir() else path)) as source:
        step = max(1, (source.info.frames or MAX_PICTURES) // MAX_PICTURES)
        for frame in source:
            if frame.index % step == 0:
                images.append(frame.image)
            if len(images) == MAX_PICTURES:
                break
    return [(image, None) for image in images]


def _with_mask(case: Any) -> Any:
    from rtseg.evaluation.dataset.mask_file import read_mask

    values = read_mask(case.mask_path, case.frame)
    count = 1 if set(values.ravel().tolist()) <= {0, 255} else max(1, int(values.max()))
    return case.image_and_labels(count)


def show_certificate(certificate: "Certificate") -> None:
    """Print what was found about a network, and how far the adopted file follows it."""
    from rich.table import Table

    found = certificate.found
    scale = found["normalization"]
    table = Table("what", "found", title=f"adopted from {certificate.source}", title_justify="left")
    rows = {
        "output": f"{found['output']}: {found['why']}",
        "activation": found["activation"],
        "input": f"{found['size'][0]}x{found['size'][1]} {found['channels']}, {found['layout']}",
        "classes": ", ".join(found["classes"]),
        "normalization": f"{scale['name']} ({scale['how']}) {scale['why']}".strip(),
        "certificate": f"{certificate.frames} frames ({certificate.pictures} of yours) against {certificate.framework}, on "
        f"{', '.join(certificate.engines)}",
        "Dice, least": f"{certificate.dice_min:.4f}",
        "equal labels, least": f"{certificate.argmax_share_min:.4%}",
        "Dice against your masks": "no masks" if found.get("masks_dice") is None else f"{found['masks_dice']:.3f}",
        "relative difference": f"{certificate.relative_difference_max:.2g} of the variation between frames, at most",
    }
    for name, text in rows.items():
        table.add_row(name, _plain(text))
    console.print(table)


def _plain(text: str) -> Any:
    from rich.text import Text

    return Text(text)


def _ask(scores: "Sequence[Any]", pictures: "Pictures") -> Any:
    """Write the candidates' overlays and let the user choose one; None where she chooses none."""
    import numpy as np

    from rtseg.evaluation.worst_cases import encode_png
    from rtseg.kernels import blend

    palette = np.array([(230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66)] * 64, np.uint8)[:254]
    for place, one in enumerate(scores, 1):
        path = Path(f"normalization-{place}.png")
        shown = [blend(image, labels, palette, 0.4) for (image, _), labels in zip(pictures[:3], one.labels[:3], strict=True)]
        height = min(len(picture) for picture in shown)
        write_atomically(path, encode_png(np.hstack([picture[:height] for picture in shown])))
        console.print(f"{place}: {one.normalization.name}, score {one.score:.2f}, {path}", highlight=False)
    answer = typer.prompt("which of these shows the right masks (0: none)", default=0, type=int)
    return scores[answer - 1].normalization if 0 < answer <= len(scores) else None


def _write(path: Path, report: Any) -> None:
    write_atomically(path, (json.dumps(report, indent=1) + "\n").encode())

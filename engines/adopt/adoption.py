"""Adopts a network: examines it, finds its normalization, writes it with its description, and proves that it is the same."""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rtseg.engines.adopt.answer_check import check_answer
from rtseg.engines.adopt.certificate import CERTIFICATE_KEY, MIN_DICE, Certificate
from rtseg.engines.adopt.examination import Examination, examine_network
from rtseg.engines.adopt.mean_dice import Pictures
from rtseg.engines.adopt.network_graph import NetworkGraph, name_of, shape_of
from rtseg.engines.adopt.network_writer import describe_onnx, static_copy, write_openvino, zeros_of
from rtseg.engines.adopt.normalization import Normalization, normalization_remedy
from rtseg.engines.adopt.normalization_trial import (
    NormalizationScore,
    choose_normalization,
    try_normalizations,
    with_normalization,
)
from rtseg.engines.adopt.open_network import open_examined
from rtseg.engines.adopt.parity import ParityResult, RawReference, Reference, compare
from rtseg.engines.adopt.parting_layer import first_parting_layer
from rtseg.engines.adopt.picture_check import check_masks, is_background_shown
from rtseg.engines.adopt.raw_network import OnnxNetwork, OpenVinoNetwork, RawNetwork
from rtseg.engines.adopt.stated import StatedFacts
from rtseg.engines.base import Engine, ModelSpec
from rtseg.engines.validation.examination import examine
from rtseg.errors import MissingExtra, ModelError

Ask = Callable[[Sequence[NormalizationScore], Pictures], Normalization | None]


@dataclass(frozen=True)
class NetworkSource:
    """Holds what is adopted."""

    path: Path
    """The file that engines read: the user's own, or one that was made of a torch network."""
    name: str
    """The name of the user's file or folder."""
    facts: StatedFacts | None
    """What is stated about it."""
    reference: Callable[[ModelSpec], Reference] | None = None
    """Makes the original in its own framework; None: the file itself is the original."""
    is_trusted: bool = False
    """Whether the file is read without a trial in a child process."""


@dataclass(frozen=True)
class AdoptionResult:
    """Holds an adopted file and its certificate."""

    path: Path
    """The file that was written."""
    certificate: Certificate
    """Its record."""


def adopt(source: NetworkSource, out: Path, pictures: Pictures = (), ask: Ask | None = None) -> AdoptionResult:
    """Adopt a network as `out`, whose suffix is set to .onnx or .xml. Raises ModelError, MissingExtra.

    pictures: of the user, each with its mask or None. ask: chooses a normalization where nothing else tells it.
    """
    examine(source.path, "adopt", source.facts, trusted=source.is_trusted)
    found = examine_network(source.path, source.facts)
    normalization = found.normalization or _tried(found, source.name, pictures, ask)
    spec = replace(with_normalization(found.spec, normalization), name=out.stem)
    found = replace(found, normalization=normalization, spec=spec)
    found = replace(found, masks_dice=_checked_on_pictures(found, source.name, pictures))
    out = out.with_name(f"{out.stem}{'.onnx' if source.path.suffix == '.onnx' else '.xml'}")
    if out.resolve() == source.path.resolve():
        raise ModelError(f"--out {out} would overwrite the network that is adopted: give another name")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".adopting-") as folder:
        part = Path(folder) / out.name
        written = _written(found, part)
        result, engines, framework = _compared(source, found, written, pictures)
        _check(found, written, result)
        certificate = Certificate(
            source.name,
            framework,
            len(pictures),
            result.frames,
            round(result.dice_min, 6),
            round(result.argmax_share_min, 6),
            float(f"{result.relative_difference_max:.3g}"),
            engines,
            found_facts(found, normalization),
        )
        if out.suffix == ".onnx":
            describe_onnx(part, written.spec, certificate.to_json())
        else:
            write_openvino(found.graph.model, part, {"spec": written.spec.to_json(), "certificate": certificate.to_json()})
            part.with_suffix(".bin").replace(out.with_suffix(".bin"))
        part.replace(out)
    return AdoptionResult(out, certificate)


def _tried(found: Examination, file: str, pictures: Pictures, ask: Ask | None) -> Normalization:
    """Return the normalization that the pictures tell, or that the user chooses. file: the user's own. Raises ModelError."""
    if not pictures:
        raise ModelError(f"{file} does not say how its pictures are normalized: {normalization_remedy(file)}")
    with closing(open_examined(found)) as engine:
        scores = try_normalizations(engine, pictures)
    by_masks = all(mask is not None for _, mask in pictures)
    try:
        return choose_normalization(scores, file, by_masks=by_masks)
    except ModelError:
        chosen = ask(scores, pictures) if ask else None
        if chosen is None:
            raise
        return replace(chosen, how="stated", why="chosen among overlays")


def _checked_on_pictures(found: Examination, file: str, pictures: Pictures) -> float | None:
    """Check what a network finds against the masks, or its background against pictures; return the Dice, or None without masks.

    file: the user's own, for messages. Raises ModelError.
    """
    with closing(open_examined(found)) as engine:
        if pictures and all(mask is not None for _, mask in pictures):
            return check_masks(engine, pictures, file)
        stated = found.is_background_stated
        is_known = stated or (pictures and is_background_shown(engine, pictures, file, found.answer.channels))
        check_answer(
            engine,
            file,
            found.answer.channels,
            is_logits_stated=found.is_activation_stated,
            is_background_stated=bool(is_known),
            is_segmentation_stated=stated,
        )
    return None


def _written(found: Examination, part: Path) -> Examination:
    """Write the network without its description, and examine what was written."""
    spec = found.spec
    facts = replace(StatedFacts.of(spec), output=spec.logits_output)
    if part.suffix == ".onnx":
        shapes = {name_of(port): shape_of(port) or () for port in found.graph.inputs}
        static_copy(found.graph.path, part, shapes, found.answer.name)
    else:
        write_openvino(found.graph.model, part)
    return examine_network(part, facts)


def _compared(
    source: NetworkSource, found: Examination, written: Examination, pictures: Pictures
) -> tuple[ParityResult, tuple[str, ...], str]:
    """Compare the written file in each engine here with the original; return also the engines and the framework."""
    with ExitStack() as stack:
        engines: dict[str, Engine] = {}
        for name in ("openvino", "onnx") if written.graph.path.suffix == ".onnx" else ("openvino",):
            with suppress(MissingExtra):
                engines[name] = stack.enter_context(closing(open_examined(written, name)))
        reference = source.reference(found.spec) if source.reference else _own_reference(found, stack)
        result = compare(reference, engines, written.spec, [image for image, _ in pictures])
        return result, tuple(engines), reference.framework


def _own_reference(found: Examination, stack: ExitStack) -> Reference:
    """Return the user's own file, on ONNX Runtime where that is installed, else on OpenVINO."""
    raw: RawNetwork | None = None
    framework = "ONNX Runtime"
    if found.graph.path.suffix == ".onnx":
        with suppress(MissingExtra, ModelError):  # it has no convolution in double precision, for one
            raw = OnnxNetwork(found.graph.path)
    if raw is None:
        raw, framework = OpenVinoNetwork(NetworkGraph(found.graph.path)), "OpenVINO"
    stack.enter_context(closing(raw))
    return RawReference(raw, found.spec, zeros_of(found.graph.model, dict(found.spec.constants)), framework)


def _check(found: Examination, written: Examination, result: ParityResult) -> None:
    """Raise ModelError where the written file does not follow the original."""
    if result.dice_min >= MIN_DICE and result.argmax_share_min >= MIN_DICE:
        return
    layer = first_parting_layer(written.graph.path, found.picture.name)
    raise ModelError(
        f"{found.graph.path} is not the same here as in its own framework (Dice {result.dice_min:.4f}, "
        f"{result.argmax_share_min:.2%} of the labels{layer}): report the network"
    )


def found_facts(found: Examination, normalization: Normalization) -> dict[str, Any]:
    """Return what an examination found, as `rtseg adopt --json` writes it."""
    spec = found.spec
    return {
        "activation": spec.activation,
        "output": spec.logits_output,
        "layout": spec.layout,
        "channels": "gray" if spec.channels == 1 else spec.channel_order,
        "classes": list(spec.classes),
        "size": list(spec.size),
        "normalization": {
            "kind": normalization.kind,
            "how": normalization.how,
            "name": normalization.name,
            "mean": list(normalization.mean),
            "std": list(normalization.std),
            "why": normalization.why,
        },
        "frames": spec.frames,
        "states": [[state.input, state.output, list(state.shape)] for state in spec.states],
        "further_outputs": list(spec.further_outputs),
        "masks_dice": None if found.masks_dice is None else round(found.masks_dice, 4),
        "why": found.answer.why,
    }


def read_record(path: Path) -> tuple[dict[str, Any], Certificate | None]:
    """Return what `rtseg adopt --json` wrote about a file, and its certificate; without one, what an examination finds.

    Raises ModelError.
    """
    found = examine_network(path)
    if certificate := read_certificate(found):
        return {"adopted": True, **certificate.report()}, certificate
    how = found.normalization or Normalization((), (), "unknown", how="unknown")
    return {"adopted": False, **found_facts(found, how), "certificate": None, "summary": found.summary()}, None


def read_certificate(found: Examination) -> Certificate | None:
    """Return the certificate of an examined file; None where it was not adopted. Raises ModelError."""
    text = found.graph.metadata.get(CERTIFICATE_KEY, "")
    return Certificate.from_json(text) if text else None

"""`rtseg build`: builds a TensorRT plan for this GPU and checks its masks against those of the CPU."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.progress import Progress

from rtseg.cli.app import app, console
from rtseg.cli.options.grouped import grouped
from rtseg.cli.options.model import OnnxModelDescription
from rtseg.cli.terminal import progress_bar
from rtseg.engines.base import Engine
from rtseg.engines.failover.shadow_run import ShadowRun
from rtseg.engines.input_planes import fill_input
from rtseg.engines.load import load_engine, model_path
from rtseg.errors import GateRefusal
from rtseg.frame import Image
from rtseg.kernels.network.fit import letterbox
from rtseg.sources import open_source

if TYPE_CHECKING:  # they need a GPU
    from rtseg.engines.tensorrt.device import Gpu
    from rtseg.engines.tensorrt.fastest_plan import TriedPlan
    from rtseg.engines.tensorrt.plan_cache import PlanCache, PlanFile, PlanTag

_REFUSED = "Build with --precision fp32, or run the model with --engine openvino"
TRIAL_FRAMES = 300  # frames that the plan and the reference both segment, without a reset of their states


@app.command()
@grouped
def build(
    *,
    model: Annotated[str, typer.Argument(help="The name of a shipped model, or an .onnx file.")],
    precision: Annotated[
        str,
        typer.Option(
            "--precision",
            help="The precision: fp32, fp16, or int8 and int8-fp16 for a file of `rtseg quantize`; the fastest by default.",
        ),
    ] = "",
    device: Annotated[str, typer.Option("--device", help="The device: gpu, or dla on a Jetson that has one.")] = "gpu",
    frames: Annotated[str, typer.Option("--frames", help="The source on which the plan is checked.")] = "clip:carotid",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the .plan to this file too.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Build the plan even if the cache holds one.")] = False,
    description: OnnxModelDescription,
) -> None:
    """Build a TensorRT plan for this GPU and keep it if its masks agree with those of the CPU (extra `tensorrt`)."""
    path = model_path(model)
    spec = description.spec_of(path)
    from rtseg.engines.tensorrt.builder import make_tag, precisions_of
    from rtseg.engines.tensorrt.device import Gpu
    from rtseg.engines.tensorrt.plan_cache import PlanCache

    cache = PlanCache()
    with ExitStack() as stack:
        gpu = stack.enter_context(closing(Gpu()))
        tags = [make_tag(path, wanted, device, gpu) for wanted in ([precision] if precision else precisions_of(path))]
        stack.enter_context(cache.lock(tags[0]))
        found = None if again else next(filter(None, map(cache.find, tags)), None)
        if found is None:
            reference = stack.enter_context(closing(load_engine(path, spec=spec, trusted=description.trust_model)))
            found = _build_fastest(path, tags, gpu, cache, reference, frames)
        if out:
            found.write(out)
    console.print(f"the plan is {out or cache.path(found.tag)}", highlight=False)


def _build_fastest(
    path: Path, tags: "Sequence[PlanTag]", gpu: "Gpu", cache: "PlanCache", reference: Engine, frames: str
) -> "PlanFile":
    """Build a plan in each precision, and keep the fastest whose masks agree, alone. Raises GateRefusal."""
    from rtseg.engines.tensorrt.fastest_plan import fastest

    tried = [_try_plan(path, tag, gpu, cache, reference, frames) for tag in tags]
    chosen = fastest(tried)
    if chosen is None:
        raise GateRefusal(f"the plan is not kept: {tried[0].verdict}. {_REFUSED}")
    for tag in tags:
        cache.path(tag).unlink(missing_ok=True)  # a slower plan of before, which would be taken first
    cache.store(chosen.file)
    if len(tags) > 1:
        console.print(f"{chosen.file.tag.precision} is kept, the fastest whose masks agree", highlight=False)
    return chosen.file


def _try_plan(path: Path, tag: "PlanTag", gpu: "Gpu", cache: "PlanCache", reference: Engine, frames: str) -> "TriedPlan":
    """Build a plan, compare its masks with the CPU's, and time it where they agree."""
    from rtseg.engines.tensorrt.builder import build as make
    from rtseg.engines.tensorrt.engine import TensorRtEngine
    from rtseg.engines.tensorrt.fastest_plan import TriedPlan, time_plan
    from rtseg.engines.tensorrt.plan_cache import PlanFile

    with progress_bar(console) as bar:
        found = PlanFile(tag, reference.spec, make(path, tag, gpu, cache.timing(tag), BuildProgress(bar)))
    with closing(TensorRtEngine(found.plan, reference.spec)) as engine:
        verdict, is_sound = check_plan(reference, engine, frames)
        step_ms = time_plan(engine) if is_sound else None
    took = "" if step_ms is None else f", {step_ms:.2f} ms a frame"
    console.print(f"{tag.precision} on {gpu.name}: {verdict}{took}", highlight=False)
    return TriedPlan(found, step_ms, verdict)


class BuildProgress:
    """Shows the progress of each phase of TensorRT's build."""

    def __init__(self, bar: Progress) -> None:
        self._bar, self._tasks = bar, dict[str, Any]()

    def __call__(self, phase: str, done: int, steps: int) -> bool:
        if phase not in self._tasks:
            self._tasks[phase] = self._bar.add_task(phase)
        self._bar.update(self._tasks[phase], completed=done, total=max(1, steps))
        return True


def check_plan(reference: Engine, tried: Engine, frames: str) -> tuple[str, bool]:
    """Describe how well the masks of two engines agree, and return whether they do; too few masks are no agreement."""
    trial = ShadowRun(tried, TRIAL_FRAMES, settling=0)
    state = reference.initial_state()
    for image in _repeated_images(frames):
        fit = letterbox((0, 0, *image.shape[:2]), reference.spec.size)
        x = fill_input(reference.spec, image, fit)
        logits, state = reference.infer(x, state)
        trial.observe(np.asarray(x), logits)
        if trial.verdict is not None:
            break
    too_few = f"{TRIAL_FRAMES} frames of {frames} held too few masks: name a source of its kind with --frames"
    return trial.reason or too_few, bool(trial.verdict)


def _repeated_images(frames: str) -> Iterator[Image]:
    """Yield the frames of a source forward and backward in turn, as many as the check can use."""
    with closing(open_source(frames)) as source:
        once = [frame.image for frame in islice(source, TRIAL_FRAMES)]
    turns = chain.from_iterable((once, once[-2:0:-1]) for _ in range(TRIAL_FRAMES))
    yield from islice(chain.from_iterable(turns), 2 * TRIAL_FRAMES)

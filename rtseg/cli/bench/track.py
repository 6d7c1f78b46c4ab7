"""`rtseg bench track`: measures how well the tracking network follows an object, beside optical flow and a copied mask."""

from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from rtseg.bench.line.target import model_file, sha256
from rtseg.bench.tracking import cost as cost_bench
from rtseg.bench.tracking.clip import TrackingClip
from rtseg.bench.tracking.cost import LIMITS, CostBench
from rtseg.bench.tracking.followers import ClassFollower, TrackerFollower
from rtseg.bench.tracking.measure import Results, TrackingBench
from rtseg.bench.tracking.report import DEFINITIONS, clip_rows, pooled, summarize
from rtseg.cli.app import console
from rtseg.cli.bench.track_clips import SYNTHETIC, class_model_of, folder_clips, phantom_clip, simulated_clips
from rtseg.cli.options.dataset import SubjectsOption
from rtseg.cli.options.model import EngineOption, JsonOption, ThreadsOption, load
from rtseg.cli.options.outputs import PRIVATE, ModeOption, prepare_outputs
from rtseg.engines.base import Engine
from rtseg.errors import ConfigError
from rtseg.output.atomic_file import write_atomically
from rtseg.system.machine import describe_machine
from rtseg.text.safe_text import json_text
from rtseg.wall_clock import utc_now

COST_MODEL = "carotid-int8"  # with which the cost is compared
HEADINGS = ("ratio_to_class", "track", "flow", "copy", "lost_within_5", "false_lost", "refound", "silent_jumps")


def track(
    source: Annotated[
        str | None,
        typer.Argument(help="A folder with images/ in time order and masks/ of some or all of them, or synthetic:vessel."),
    ] = None,
    simulated: Annotated[
        list[Path] | None,
        typer.Option(
            "--simulated",
            help="Measure on stills in simulated motion instead, of the subjects that this .toml of a class model's training "
            "holds out; give the option once for each.",
        ),
    ] = None,
    cost: Annotated[
        bool, typer.Option("--cost", help=f"Measure the processor time at 720p instead, in turns with {COST_MODEL}.")
    ] = False,
    tracker: Annotated[
        str, typer.Option("--tracker", help="The tracking network: the name of a shipped one, or an .onnx file.")
    ] = "track",
    four: Annotated[
        str, typer.Option("--four", help="With --cost: the tracking network that follows four objects in one picture.")
    ] = "",
    model: Annotated[
        str,
        typer.Option(
            "--model", "-m", help="The class model to compare with; with --simulated, by default the one beside the .toml."
        ),
    ] = "",
    engine: EngineOption = "openvino",
    subjects: SubjectsOption = "",
    held_out: Annotated[
        Path | None, typer.Option("--held-out", help="Use only the subjects that this .toml of a training holds out.")
    ] = None,
    frames: Annotated[
        int, typer.Option("--frames", min=30, help="The number of frames of each simulated or synthetic clip.")
    ] = 300,
    most: Annotated[
        int, typer.Option("--most", min=1, help="The most subjects of each --simulated, spread over all that are held out.")
    ] = 8,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The seed of the simulated motion and of what interrupts it.")] = 1,
    json: JsonOption = None,
    mode: ModeOption = PRIVATE,
    threads: ThreadsOption = 0,
) -> None:
    """Measure a tracker that is prompted in the first frame: by the centroid of the first mask, and by the mask itself.

    It is compared with the first mask moved by optical flow, with the first mask copied, and with a class model.
    """
    if sum((source is not None, bool(simulated), cost)) != 1:
        raise ConfigError("give a folder of frames, --simulated FILE.toml or --cost: one of the three")
    prepare_outputs(mode, json)
    if cost:
        _write(measure_cost((tracker, four), model or COST_MODEL, engine, threads), json)
        return
    run = TrackingRun(tracker, engine, threads, seed)
    if source is None:
        groups = {path.stem: _simulated(run, path, model, (frames, most, seed)) for path in simulated or ()}
    elif source.startswith(SYNTHETIC):
        groups = {source: run.measure([phantom_clip(source, frames)], model)}
    else:
        groups = {source: run.measure(folder_clips(Path(source), subjects, held_out), model)}
    motion = {"motion": "simulated motion of stills", "frames": frames, "most": most} if simulated else {}
    report = {**_head(tracker, engine, seed), **motion, **_body(groups)}
    console.print(_table(report))
    _write(report, json)


@dataclass(frozen=True, slots=True)
class TrackingRun:
    """Measures one tracker on groups of clips, each with a class model of its own."""

    tracker: str  # name of a shipped model, or a path
    engine: str
    threads: int
    seed: int

    def measure(self, clips: Sequence[TrackingClip], model: str) -> Results:
        """Load the networks and measure them. model: the class model; empty: none. Raises ModelError, ConfigError."""
        with ExitStack() as stack, console.status("measuring") as status:
            network = stack.enter_context(closing(load(self.tracker, self.engine, self.threads)))
            classes = stack.enter_context(closing(load(model, self.engine, self.threads))) if model else None
            if classes:
                _check_labels(clips, classes, model)
            compared = ClassFollower(classes) if classes else None
            return TrackingBench(TrackerFollower(network), compared, self.seed, status.update).measure(clips)


def measure_cost(trackers: tuple[str, str], model: str, engine: str, threads: int) -> dict[str, Any]:
    """Measure the processor time of the whole pipeline, and print it. Raises ModelError, ConfigError.

    trackers: of one object, and of four; the second may be empty.
    """
    named = dict(zip(LIMITS, trackers, strict=True))
    names = {f"{Path(name).stem}, {count} object{'s' if count > 1 else ''}": count for count, name in named.items() if name}
    with ExitStack() as stack, console.status("measuring") as status:
        engines = {model: stack.enter_context(closing(load(model, engine, threads)))}
        for name, count in names.items():
            engines[name] = stack.enter_context(closing(load(named[count], engine, threads)))
        bench = CostBench(engines, {model: 0, **names}, model, cost_bench.FRAMES, cost_bench.ROUNDS)
        report = {**bench.run(status.update), "aims": {name: LIMITS[count] for name, count in names.items()}}
    report["sha256"] = {Path(name).stem: sha256(model_file(name)) for name in (*filter(None, trackers), model)}
    for name, ratio in report["ratio"].items():
        line = f"{name}: {ratio:.2f} times the processor time of {model} (aim: {report['aims'][name]:g})"
        console.print(line, highlight=False, markup=False)
    return report


def _check_labels(clips: Sequence[TrackingClip], classes: Engine, model: str) -> None:
    highest = max(clip.label for clip in clips)
    names = classes.spec.classes
    if highest > len(names):
        raise ConfigError(f"the masks hold the label {highest}, and {model} has {len(names)} classes: name another --model")


def _simulated(run: TrackingRun, config: Path, model: str, plan: tuple[int, int, int]) -> Results:
    """Measure on the held-out subjects of a training. plan: frames, most subjects and seed."""
    with console.status(f"moving the stills of {config.stem}"):
        clips = simulated_clips(config, *plan)
    return run.measure(clips, model or class_model_of(config))


def _head(tracker: str, engine: str, seed: int) -> dict[str, Any]:
    network = {"tracker": Path(tracker).stem, "sha256": sha256(model_file(tracker)), "engine": engine}
    return {**network, "seed": seed, "began_at": utc_now(), "machine": describe_machine()}


def _body(groups: dict[str, Results]) -> dict[str, Any]:
    """Return the figures of all clips together on the top level, and of each group below."""
    by_group = {name: {**summarize(results), "rows": clip_rows(results)} for name, results in groups.items()}
    return {**summarize(pooled(groups)), "groups": by_group, "definitions": DEFINITIONS}


def _table(report: dict[str, Any]) -> Table:
    table = Table("clips", "prompt", *HEADINGS, title=f"{report['tracker']}: followed objects", title_justify="left")
    for name, group in report["groups"].items():
        for prompt, figures in group["prompts"].items():
            table.add_row(name, prompt, *(_cell(figures, heading) for heading in HEADINGS))
    return table


def _cell(figures: dict[str, Any], name: str) -> str:
    value = figures[name]
    if value is None:
        return "-"
    over = figures["over"][name] or {}
    count = over.get("events", over.get("clips")) if name in ("lost_within_5", "refound", "silent_jumps") else None
    return f"{value:g}" if count is None else f"{value:g} of {count}"


def _write(report: dict[str, Any], json: Path | None) -> None:
    if json:
        write_atomically(json, (json_text(report, indent=1, allow_nan=False) + "\n").encode())
        console.print(f"wrote {json}", highlight=False)

"""The options of `rtseg run` that may differ between several streams of one process."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from rtseg.cli.options.beam_space import BeamSpaceOption, beam_geometry
from rtseg.cli.options.budget import BudgetOption
from rtseg.cli.options.dicom import DicomOutputs
from rtseg.cli.options.display import DisplayOptions
from rtseg.cli.options.enhance import EnhanceOption, parse_enhancement
from rtseg.cli.options.familiarity import MeasureUnfamiliarOption
from rtseg.cli.options.igtl import IgtlOptions
from rtseg.cli.options.limits import LimitOptions
from rtseg.cli.options.live import PolicyOption
from rtseg.cli.options.measures import MeasureOption
from rtseg.cli.options.omissions import StrictOption
from rtseg.cli.options.outputs import FileOutputs
from rtseg.cli.options.plugins import SinkOption
from rtseg.cli.options.postprocess import PostprocessOption, parse_postprocess
from rtseg.cli.options.prompts import PromptOptions
from rtseg.cli.options.record import RecordOption
from rtseg.cli.options.redaction import KeepSurroundingsOption, RedactOption, redaction_mode
from rtseg.cli.options.temporal import StabilizationOptions
from rtseg.cli.options.waiting import EngineTimeoutOption, MaxAgeOption
from rtseg.session.redaction import RedactionMode


@dataclass(frozen=True, kw_only=True)
class StreamOptions:
    """Holds what one stream reads, how it is segmented, and where its results go."""

    prompts: PromptOptions
    files: FileOutputs
    dicom: DicomOutputs
    sink: SinkOption = None
    fps: Annotated[
        float | None, typer.Option("--fps", min=0.1, help="The frame rate of the source, if it is wrong or unknown.")
    ] = None
    spacing: Annotated[
        float | None,
        typer.Option("--spacing", min=1e-6, help="The pixel size of the source in millimeters: a pixel's height."),
    ] = None
    opacity: Annotated[float, typer.Option("--opacity", min=0, max=1, help="The opacity of the overlay, from 0 to 1.")] = 0.4
    warmup: Annotated[
        int, typer.Option("--warmup", min=0, help="The number of first frames that the table does not count.")
    ] = 10
    sector: Annotated[
        str,
        typer.Option("--sector", help="The ultrasound sector on the screen: auto, off, or TOP,LEFT,HEIGHT,WIDTH in pixels."),
    ] = "auto"
    scanner: Annotated[
        Path | None,
        typer.Option("--scanner", help="The card of the scanner, from `rtseg doctor --source URI --save`: no search."),
    ] = None
    redact: RedactOption = ""
    keep_surroundings: KeepSurroundingsOption = False
    stabilization: StabilizationOptions
    record: RecordOption = None
    skip_gaps: Annotated[bool, typer.Option("--skip-gaps", help="Skip gaps of more than 5 s in a replay.")] = False
    policy: PolicyOption = None
    strict: StrictOption = False
    speckle: EnhanceOption = None
    postprocess: PostprocessOption = None
    beam_space: BeamSpaceOption = ""
    uncertainty: Annotated[
        bool, typer.Option("--uncertainty", help="Draw the contour wider where the border is less certain.")
    ] = False
    measures: MeasureOption = None
    measure_unfamiliar: MeasureUnfamiliarOption = False
    display: DisplayOptions
    igtl_output: IgtlOptions
    budget: BudgetOption = ""
    engine_timeout: EngineTimeoutOption = None
    max_age: MaxAgeOption = None
    limits: LimitOptions

    @property
    def redaction(self) -> RedactionMode:
        """Return what is blacked in everything that is written. Raises ConfigError where two options contradict each other."""
        return redaction_mode(self.redact, self.keep_surroundings)

    def check(self) -> None:
        """Raise ConfigError where an option that is a text of several parts cannot be parsed."""
        _ = self.redaction, self.stabilization.options(), parse_enhancement(self.speckle), parse_postprocess(self.postprocess)
        _ = beam_geometry(self.beam_space), self.prompts.parse()

"""Defines `ModelSpec`, the description of a network that is stored in its file."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from rtseg.engines.class_postprocess import ClassPostprocess, postprocess_of
from rtseg.engines.familiarity_calibration import FamiliarityCalibration, calibration_of
from rtseg.engines.spec_check import first_problem
from rtseg.engines.spec_values import PLANES, StateSpec, abridged, as_tuple, state_of
from rtseg.errors import ModelError

__all__ = ["METADATA_KEY", "PLANES", "ModelSpec", "StateSpec"]

METADATA_KEY = "rtseg.spec"  # in the ONNX file's metadata_props: the ModelSpec as JSON


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Describes a network's inputs and outputs; it is stored in the model file. Raises ModelError where a value is invalid."""

    name: str
    """The name of the network."""
    size: tuple[int, int]
    """(H, W) of the input in pixels."""
    classes: tuple[str, ...]
    """The class names without the background."""
    mean: tuple[float, ...]
    """One gray level 0..255 per channel (1 gray, 3 RGB, or those of `planes`): the network's input is (pixel - mean) / std."""
    std: tuple[float, ...]
    """One standard deviation in gray levels per channel."""
    states: tuple[StateSpec, ...] = ()
    """The recurrent states; empty for a network without memory."""
    single: tuple[str, ...] = ()
    """The classes with at most one connected region, of which only the largest is kept."""
    ellipse: tuple[str, ...] = ()
    """The classes that are replaced by the ellipse fitted to their region."""
    postprocess: tuple[ClassPostprocess, ...] = ()
    """How the masks of classes are cleaned; a mapping {class: {option: value}}, as in JSON, is converted."""
    image_input: str = "image"
    """The name of the input (1, channels, H, W) float32."""
    logits_output: str = "logits"
    """The name of the output (1, C, h, w): C = len(classes) + 1 (softmax, background first) or, for one class, 1 (sigmoid)."""
    planes: tuple[str, ...] = ()
    """The input's channels, each once and one of PLANES, as in ("gray", "phase_symmetry"); empty for gray or RGB by `mean`."""
    normalization: str = "constants"
    """One of NORMALIZATIONS. "constants": mean and std are gray levels. Else the picture is first normalized by its own
    statistics inside the sector, and mean and std are in units of the result."""
    percentiles: tuple[float, float] = (0.5, 99.5)
    """The percentiles of the picture that become 0 and 1, for the normalization "percentile"."""
    activation: str = "none"
    """What the network itself applies to its answer, one of ACTIVATIONS; "none": the answer is logits."""
    layout: str = "NCHW"
    """The axes of the image input, one of INPUT_LAYOUTS."""
    output_layout: str = "NCHW"
    """The axes of the answer, one of OUTPUT_LAYOUTS; class indices have no axis C."""
    channel_order: str = "rgb"
    """The order of three color channels: "rgb" or "bgr"; mean and std are in this order too."""
    dtype: str = "float32"
    """The NumPy dtype of the image input, one of INPUT_DTYPES."""
    frames: int = 1
    """How many successive frames are stacked as channels, the newest last."""
    is_multi_label: bool = False
    """Whether each channel of the answer is a class of its own, without a background channel."""
    overlap: str = "greatest"
    """Which class a pixel of several has, one of OVERLAPS: that of the greatest logit, or the last, for `is_multi_label`."""
    background: int = 0
    """The channel, or class index, of the background in the network's own answer."""
    constants: tuple[tuple[str, float], ...] = ()
    """The name and value of each input that is constant, such as a ratio."""
    further_outputs: tuple[str, ...] = ()
    """The names of the outputs that the session does not read."""
    prototypes: str = ""
    """The name of the output with mask prototypes, for the activation "yolo"."""
    outline_px: float = 0.0
    """How far its masks reach beyond the line that an expert measures, in pixels of the input: half the width of the outlines
    in its training masks."""
    codes: tuple[str, ...] = ()
    """The terminology code of each class, as "SCT:32062004" of SNOMED CT, or "" where none is known; empty: none at all."""
    measures: tuple[str, ...] = ()
    """What is measured on its masks, such as "area"."""
    range_factors: tuple[tuple[str, float], ...] = field(default=(), compare=False)
    """The name of each measure whose range was fitted to experts, and the share of the range by probabilities that holds their
    value in 90 % of pictures, see `rtseg calibrate --ranges`."""
    familiarity: FamiliarityCalibration | None = field(default=None, compare=False)
    """What the network's own pictures look like, see `rtseg calibrate`; plain values, as in JSON, are converted."""

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "postprocess", postprocess_of(self.postprocess))
            object.__setattr__(self, "familiarity", calibration_of(self.familiarity))
            problem = first_problem(self)
        except ModelError as error:
            problem = str(error)
        if problem:
            raise ModelError(f"the model's description is wrong: {problem}; export the model again with `rtseg export`")

    @property
    def channels(self) -> int:
        """Return the number of input channels: 1 for gray images, 3 for RGB, or that of `planes`."""
        return len(self.mean)

    @property
    def updated_states(self) -> tuple[StateSpec, ...]:
        """Return the states that the network itself writes in each frame, in the order of its outputs."""
        return tuple(state for state in self.states if state.output)

    @property
    def is_plain(self) -> bool:
        """Return whether every engine runs the network as it is: float32 (1, C, H, W) in, logits (1, K, h, w) out."""
        plain = ("none", "NCHW", "NCHW", "rgb", "float32", 1, (), False, 0)
        return plain == (
            self.activation,
            self.layout,
            self.output_layout,
            self.channel_order,
            self.dtype,
            self.frames,
            self.constants,
            self.is_multi_label,
            self.background,
        )

    def to_json(self) -> str:
        """Return the spec as JSON for a model file's metadata."""
        values = asdict(self)
        del values["postprocess"]
        if self.postprocess:
            values["postprocess"] = {one.name: one.to_dict() for one in self.postprocess}
        if not self.range_factors:
            del values["range_factors"]
        if self.familiarity is None:
            del values["familiarity"]
        return json.dumps(values)

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], path: Path) -> "ModelSpec":
        """Read the spec from a model file's metadata; `path` is named in errors. Raises ModelError."""
        if METADATA_KEY not in metadata:
            raise ModelError(
                f"{path} does not say what it segments (no {METADATA_KEY!r} in its metadata): export it with `rtseg export`, "
                f"or describe it with --size, --classes, --mean and --std"
            )
        return cls.from_json(metadata[METADATA_KEY])

    @classmethod
    def from_json(cls, text: str) -> "ModelSpec":
        """Parse the output of `to_json`; unknown fields of later versions are ignored. Raises ModelError."""
        try:
            values = json.loads(text)
            known = {one.name: as_tuple(values[one.name]) for one in fields(cls) if one.name in values}
            states = tuple(state_of(state) for state in values["states"])
            return cls(**{**known, "states": states})
        except RecursionError:
            raise ModelError("the model's metadata are nested too deep: export it again with `rtseg export`") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, ModelError):
                raise
            raise ModelError(
                f"the model's metadata cannot be read ({abridged(error)}): export it again with `rtseg export`"
            ) from None

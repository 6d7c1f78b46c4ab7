"""Holds what a user, or a file's metadata, states about a network; the examination finds the rest."""

import json
from dataclasses import asdict, dataclass, fields, replace

from rtseg.engines.model_spec import ModelSpec
from rtseg.engines.spec_values import StateSpec, as_tuple, state_of


@dataclass(frozen=True, slots=True)
class StatedFacts:
    """Holds stated facts about a network; an empty value is not stated."""

    name: str = ""
    """The name of the network."""
    size: tuple[int, int] | None = None
    """(H, W) of its input."""
    classes: tuple[str, ...] = ()
    """The class names without the background."""
    mean: tuple[float, ...] = ()
    """As in `ModelSpec`."""
    std: tuple[float, ...] = ()
    """As in `ModelSpec`."""
    normalization: str = ""
    """As in `ModelSpec`."""
    percentiles: tuple[float, float] = (0.5, 99.5)
    """As in `ModelSpec`."""
    output: str = ""
    """The name of the output to read."""
    activation: str = ""
    """As in `ModelSpec`; "none" states that the answer is logits."""
    channel_order: str = ""
    """As in `ModelSpec`."""
    frames: int = 0
    """As in `ModelSpec`."""
    states: tuple[StateSpec, ...] = ()
    """The recurrent states; a shape may be left empty."""
    constants: tuple[tuple[str, float], ...] = ()
    """As in `ModelSpec`."""
    is_multi_label: bool = False
    """Whether each channel is a class of its own, without a background channel."""
    overlap: str = ""
    """As in `ModelSpec`."""
    axes: str = ""
    """The order of the picture's sides, one of AXES."""
    spec: ModelSpec | None = None
    """The whole description, where the file or the user has one."""

    @classmethod
    def of(cls, spec: ModelSpec) -> "StatedFacts":
        """Return what a description states. Its activation counts as stated where it is not the default."""
        return cls(
            name=spec.name,
            size=spec.size,
            classes=spec.classes,
            mean=spec.mean,
            std=spec.std,
            normalization=spec.normalization,
            percentiles=spec.percentiles,
            activation="" if spec.activation == "none" else spec.activation,
            channel_order=spec.channel_order,
            frames=spec.frames,
            states=spec.states,
            constants=spec.constants,
            is_multi_label=spec.is_multi_label,
            overlap=spec.overlap,
            axes="wh" if spec.layout == "NCWH" else "",
            spec=spec,
        )

    def overridden_by(self, other: "StatedFacts | None") -> "StatedFacts":
        """Return these facts with those that another states in their place."""
        if other is None:
            return self
        given = {field.name: getattr(other, field.name) for field in fields(self) if getattr(other, field.name)}
        if other.says_how_to_normalize:
            given |= {"mean": other.mean, "std": other.std, "normalization": other.normalization}
        else:
            given.pop("percentiles", None)
        return replace(self, **given)

    @property
    def says_how_to_normalize(self) -> bool:
        """Return whether the normalization is stated."""
        return bool(self.mean or self.normalization)

    def to_json(self) -> str:
        """Return the facts as JSON, for the child process of a trial."""
        values = asdict(self)
        values["spec"] = self.spec.to_json() if self.spec else None
        return json.dumps(values)

    @classmethod
    def from_json(cls, text: str) -> "StatedFacts":
        """Parse the output of `to_json`."""
        values = {field.name: as_tuple(json.loads(text)[field.name]) for field in fields(cls)}
        values["states"] = tuple(state_of(state) for state in values["states"])
        values["spec"] = ModelSpec.from_json(values["spec"]) if values["spec"] else None
        return cls(**values)

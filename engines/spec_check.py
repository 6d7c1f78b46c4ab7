"""Finds what is wrong with a `ModelSpec`, whose values come from a file and may be of any type."""

from typing import TYPE_CHECKING

from rtseg.engines.spec_values import (
    ACTIVATIONS,
    INPUT_DTYPES,
    INPUT_LAYOUTS,
    MAX_FRAMES,
    NORMALIZATIONS,
    OUTPUT_LAYOUTS,
    OVERLAPS,
    PLANES,
    STATE_ROLES,
    WRITTEN_ROLES,
    StateSpec,
    abridged,
    is_count,
    is_name,
    is_number,
    is_shown_name,
    is_tuple_of,
)
from rtseg.engines.terminology import is_code

if TYPE_CHECKING:
    from rtseg.engines.model_spec import ModelSpec

MAX_OUTLINE = 16  # pixels of the input


def first_problem(spec: "ModelSpec") -> str:
    """Return a description of the spec's first problem, or "". Its values come from a file and may be of any type."""
    if not is_shown_name(spec.name):
        return f"its name is {abridged(spec.name)}"
    if not is_tuple_of(spec.size, is_count) or len(spec.size) != 2 or not all(8 <= side <= 4096 for side in spec.size):
        return f"its input size is {abridged(spec.size)}"
    if not is_tuple_of(spec.classes, is_shown_name) or not 0 < len(set(spec.classes)) == len(spec.classes) <= 254:
        return f"its classes are {abridged(spec.classes)}"
    if not is_tuple_of(spec.planes, PLANES.__contains__) or len(set(spec.planes)) != len(spec.planes):
        return f"its planes are {abridged(spec.planes)}, which are not each one of {PLANES}"
    if not is_tuple_of(spec.mean, is_number) or not is_tuple_of(spec.std, is_number) or not _is_scaling(spec):
        return f"its mean is {abridged(spec.mean)} and its std {abridged(spec.std)}"
    cleaned = tuple(one.name for one in spec.postprocess)
    if len(set(cleaned)) != len(cleaned):
        return f"its post-processing names a class twice: {abridged(cleaned)}"
    for chosen in (spec.single, spec.ellipse, cleaned):
        if not is_tuple_of(chosen, is_shown_name) or not set(chosen) <= set(spec.classes):
            return f"{abridged(chosen)} are not all among its classes {abridged(spec.classes)}"
    return _problem_of_terms(spec) or _problem_of_forms(spec) or _problem_of_ports(spec)


def _problem_of_terms(spec: "ModelSpec") -> str:
    """Return a description of the first problem in the codes of the classes and the names of the measures, or ""."""
    is_known = is_tuple_of(spec.codes, lambda code: isinstance(code, str) and (not code or is_code(code)))
    if not is_known or len(spec.codes) not in (0, len(spec.classes)):
        return f"its codes are {abridged(spec.codes)}: give one for each class, as SCT:32062004, or an empty one"
    if not is_tuple_of(spec.measures, is_shown_name):
        return f"its measures are {abridged(spec.measures)}"
    if not is_tuple_of(spec.range_factors, _is_factor):
        return f"its factors of ranges are {abridged(spec.range_factors)}"
    return ""


def _is_factor(pair: object) -> bool:
    return isinstance(pair, tuple) and len(pair) == 2 and is_shown_name(pair[0]) and is_number(pair[1]) and 0 < pair[1] < 1000


def _is_scaling(spec: "ModelSpec") -> bool:
    counts = (len(spec.planes),) if spec.planes else (1, 3)
    return len(spec.mean) in counts and len(spec.std) == len(spec.mean) and all(value > 0 for value in spec.std)


def _problem_of_forms(spec: "ModelSpec") -> str:
    """Return a description of the first problem in how the spec normalizes the picture and reads the answer, or ""."""
    choices = {
        "normalization": NORMALIZATIONS,
        "activation": ACTIVATIONS,
        "layout": INPUT_LAYOUTS,
        "output_layout": OUTPUT_LAYOUTS,
        "overlap": OVERLAPS,
        "channel_order": ("rgb", "bgr"),
        "dtype": INPUT_DTYPES,
    }
    for name, known in choices.items():
        if not isinstance(getattr(spec, name), str) or getattr(spec, name) not in known:
            return f"its {name} is {abridged(getattr(spec, name))}, which is not one of {', '.join(known)}"
    shares = spec.percentiles
    if not is_tuple_of(shares, is_number) or len(shares) != 2 or not 0 <= shares[0] < shares[1] <= 100:
        return f"its percentiles are {abridged(shares)}"
    if not is_number(spec.outline_px) or not 0 <= spec.outline_px <= MAX_OUTLINE:
        return f"its outline_px is {abridged(spec.outline_px)}, which does not lie in 0..{MAX_OUTLINE}"
    if not is_count(spec.frames) or spec.frames > MAX_FRAMES:
        return f"it takes {abridged(spec.frames)} frames"
    if not isinstance(spec.background, int) or not 0 <= spec.background <= len(spec.classes):
        return f"its background is {abridged(spec.background)}"
    if spec.planes and spec.normalization != "constants":
        return "its planes are not normalized by constants"
    if not is_tuple_of(spec.constants, lambda pair: isinstance(pair, tuple) and len(pair) == 2 and is_number(pair[1])):
        return f"its constants are {abridged(spec.constants)}"
    return ""


def _problem_of_ports(spec: "ModelSpec") -> str:
    """Return a description of the first problem in the spec's states and port names, or ""."""
    if not is_tuple_of(spec.states, lambda state: isinstance(state, StateSpec)):
        return f"its states are {abridged(spec.states)}"
    for state in spec.states:
        if not is_tuple_of(state.shape, is_count) or len(state.shape) > 8:
            return f"the shape of a state is {abridged(state.shape)}"
        if state.role not in STATE_ROLES:
            return f"the role of a state is {abridged(state.role)}, which is not one of {', '.join(STATE_ROLES)}"
        if state.output == "" and state.role not in WRITTEN_ROLES:
            return f"its state {abridged(state.input)} has no output, which only prompt and weights may lack"
    further = spec.further_outputs if isinstance(spec.further_outputs, tuple) else (spec.further_outputs,)
    constants = [name for name, _ in spec.constants]
    written = [state.output for state in spec.states if state.output != ""]
    outputs = [spec.logits_output, *written, *further, *([spec.prototypes] if spec.prototypes else [])]
    for names in ([spec.image_input, *(s.input for s in spec.states), *constants], outputs):
        if not all(map(is_name, names)) or len(set(names)) != len(names):
            return f"its ports are named {abridged(names)}"
    return ""

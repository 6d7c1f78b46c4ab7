"""Test the terminology codes that a model's description holds."""

from dataclasses import replace

import pytest

from rtseg.engines.base import ModelSpec
from rtseg.engines.terminology import is_code
from rtseg.errors import ConfigError, ModelError
from rtseg.train.config import from_values

SPEC = ModelSpec("n", (64, 64), ("vessel", "nerve"), (0.0,), (1.0,))
CODES = ["SCT:32062004", "SCT:69536005", "SCT:3057000", "SCT:52988006", "SCT:59820001", "SCT:900000000000207008"]


@pytest.mark.parametrize("code", CODES)
def test_a_code_with_its_check_digit(code):
    assert is_code(code)


@pytest.mark.parametrize("code", [code[:-1] + str((int(code[-1]) + 3) % 10) for code in CODES])
def test_a_wrong_check_digit(code):
    assert not is_code(code)


@pytest.mark.parametrize(
    "code", ["32062004", "SCT:", "SCT:32062040", "SCT:23062004", "SCT:032062004", "UMLS:C0162859", "SCT:3203200a"]
)
def test_what_is_no_code(code):
    assert not is_code(code)


def test_codes_and_measures_go_through_a_file():
    spec = replace(SPEC, codes=("SCT:59820001", ""), measures=("area",))
    assert ModelSpec.from_json(spec.to_json()) == spec
    assert ModelSpec.from_json(SPEC.to_json()).codes == ()


@pytest.mark.parametrize(
    "change", [{"codes": ("SCT:59820001",)}, {"codes": ("SCT:59820002", "")}, {"codes": (3, 4)}, {"measures": ("",)}]
)
def test_what_is_refused(change):
    with pytest.raises(ModelError, match=r"(codes|measures) are"):
        replace(SPEC, **change)


def test_a_training_states_them():
    values = {"name": "n", "classes": ["vessel"], "data": {"folder": "d", "held_out": []}}
    assert from_values({**values, "codes": ["SCT:59820001"], "measures": ["area"]}, "here").codes == ("SCT:59820001",)
    with pytest.raises(ConfigError, match=r"codes is .*: give one for each class, as SCT:32062004 with its check digit"):
        from_values({**values, "codes": ["SCT:59820002"]}, "here")

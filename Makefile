# `make demo` and `make test` set up .venv and run; the other targets are for developers.
PYTHON ?= python3
BIN := .venv/bin
DATA ?= ../shared/data
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test check planted attack fuzz soak zoo slow temporal conformity gpu-check format clean

demo: .venv/core
	@mkdir -p out
	$(BIN)/rtseg run clip:carotid --model carotid --out out/demo.mp4 --json out/demo.jsonl
	@echo "The overlay is in out/demo.mp4: open it in a browser or a player. The measurements are in out/demo.jsonl."

test: .venv/dev
	$(BIN)/python -m pytest -n auto

check: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto --cov --cov-report=term:skip-covered

attack: .venv/dev  # set ATTACK_SEED=n and ATTACK_INPUTS=n to change the seed and the number of inputs
	PYTHONPATH=tests $(BIN)/python -m attack

fuzz: .venv/dev  # set FUZZ_SEED=n and FUZZ_INPUTS=n to change the seed and the number of inputs
	PYTHONPATH=tests $(BIN)/python -m attack fuzz

soak: .venv/core
	$(BIN)/python -m rtseg.bench.temporal.soak 100000 carotid-int8 docs/benchmarks/soak.json

zoo: .venv/dev  # every composition of a network's parts, of which `make test` takes a part
	$(BIN)/python -m pytest -n auto -m zoo tests/models

temporal: .venv/dev
	@mkdir -p docs/benchmarks
	for pair in carotid:carotid fetal-head:fetal_head nerve-vessel:nerve_vessel breast-lesion:breast_lesion muscle:muscle_aponeurosis; do \
	    model=$${pair%:*}; measured=engines/zoo/held_out/$$model.onnx; test -f $$measured || measured=engines/zoo/$$model.onnx; \
	    $(BIN)/rtseg eval $$measured $(DATA)/$${pair#*:} --video --held-out engines/zoo/$$model.toml \
	        --json docs/benchmarks/temporal-$$model.json --plot docs/temporal-$$model.png || exit 1; done
	$(BIN)/python -m rtseg.bench.temporal.table docs/benchmarks/temporal-*.json > docs/benchmarks/temporal.md

slow: .venv/dev  # the tests that `make test` leaves out for their time
	$(BIN)/python -m pytest -n auto -m slow

conformity: .venv/core
	$(PIP) --editable '.[onnx]' pytest setuptools wheel
	RTSEG_CONFORMITY=1 $(BIN)/python -m pytest -rs tests/conformity

planted: .venv/dev  # removes each safeguard of the GPU path from a copy, and counts those that the tests miss
	PYTHONPATH=tests $(BIN)/python -m planted_safeguards

gpu-check:
	$(PYTHON) demos/gpu/check.py

format: .venv/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv out build dist

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/core: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable .
	@touch $@

.venv/dev: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable '.[dev]'
	@touch $@ .venv/core

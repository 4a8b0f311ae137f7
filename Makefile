# make demo    the whole job on this machine (DRIVE=folder ROUTE=folder REPORT=file ROUNDS=n SEED=n)
# make check   the fast loop: format, lint, types, fast tests
# make test    everything
# make states  draw the jobs' tables: docs/states.md and the fleet page's states.json

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

DEMO := $(if $(DRIVE),--drive $(DRIVE)) $(if $(ROUTE),--route $(ROUTE)) $(if $(REPORT),--report $(REPORT)) \
        $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SEED),--seed $(SEED))

.PHONY: demo check test states format clean

demo: $(INSTALLED)
	@$(BIN)/python -m tools.demo $(DEMO)

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 -m "not slow"

test: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m tools.ipfs install
	$(BIN)/python -m tools.stellar_js install
	$(BIN)/pytest -n 2 --dist loadfile --durations=20

states: $(INSTALLED)
	$(BIN)/python -m tools.states

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv .cache build dist demo-out

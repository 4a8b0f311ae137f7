# make demo    the whole job on this machine (DRIVE=folder ROUTE=folder REPORT=file ROUNDS=n SEED=n)
# make check   the fast loop: format, lint, types, fast tests
# make test    everything
# make states  draw the jobs' tables: docs/states.md and the fleet page's states.json
# make lock    requirements/*.txt anew (LOCK=--upgrade: the newest versions)
# make sbom    build/milepost.cdx.json: what is installed, as CycloneDX
# make api     build/api/: pages of documents, doors and graph

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
RELEASE := .venv/.release

DEMO := $(if $(DRIVE),--drive $(DRIVE)) $(if $(ROUTE),--route $(ROUTE)) $(if $(REPORT),--report $(REPORT)) \
        $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SEED),--seed $(SEED))

.PHONY: demo check check-first check-second check-rest test states lock sbom api format clean

demo: $(INSTALLED)
	@$(BIN)/python -m tools.demo $(DEMO)

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	@$(MAKE) --no-print-directory -j3 -O check-first check-second check-rest

# The fast tests in three parts of about as much work, a process each, since some wait: every worker of xdist would
# collect all of them.
FIRST := tests/core tests/hostile tests/journal tests/localnet
SECOND := tests/fleet tests/ledger tests/market tests/sense tests/vehicle

check-first: $(INSTALLED)
	$(BIN)/pytest -m "not slow" $(FIRST)

check-second: $(INSTALLED)
	$(BIN)/pytest -m "not slow" $(SECOND)

check-rest: $(INSTALLED)
	$(BIN)/pytest -m "not slow" tests $(patsubst %,--ignore=%,$(FIRST) $(SECOND))

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

lock: $(RELEASE)
	PATH=$(BIN):$$PATH $(BIN)/python tools/lock.py $(LOCK)

sbom: $(RELEASE)
	mkdir -p build
	$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible \
	  --output-file build/milepost.cdx.json requirements/train.txt

api: $(RELEASE)
	$(BIN)/pdoc --docformat markdown --output-directory build/api agent.core.documents agent.core.round agent.ports agent.learn.graph

# First what is pinned, by its hashes; then the project, for which pip has nothing left to choose but torch's build.
$(INSTALLED): pyproject.toml requirements/build.txt requirements/dev.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --require-hashes --requirement requirements/build.txt
	$(BIN)/pip install --quiet --no-build-isolation --use-pep517 --require-hashes --requirement requirements/dev.txt
	$(BIN)/pip install --quiet --no-build-isolation --editable '.[dev]'
	touch $@

$(RELEASE): $(INSTALLED) requirements/release.txt
	$(BIN)/pip install --quiet --require-hashes --requirement requirements/release.txt
	touch $@

clean:
	rm -rf .venv .cache build dist demo-out

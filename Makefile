# `make run` and `make test` work on a fresh machine with Python 3.11 or newer; everything else is for contributors.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$p; break; fi; done)
SHARED ?= $(or $(SIMCORE_SHARED),../shared)
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test oldest fast fuzz laws kill places load lowest newest bench bench-against bench-peers docs accuracy clean

$(VENV)/.core: pyproject.toml
	@test -n "$(PYTHON)" || { echo "simcore needs Python 3.11 or newer (set PYTHON=/path/to/python)"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.installed: $(VENV)/.core
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev,docs,search,dask,ray]"
	@touch $@

run: $(VENV)/.core ## rank hardware and plans for Llama-3.1-70B; writes out/
	$(BIN)/simcore sweep examples/llama-70b-azure.toml --out out/llama-70b-azure

test: $(VENV)/.installed ## what CI runs: format, lint, types, tests, examples, wheel
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest
	@$(MAKE) --no-print-directory oldest

fast: $(VENV)/.installed ## the quick part of the tests
	$(BIN)/python -m pytest -m "not slow"

N ?= 1000
SEED ?= 7

fuzz: $(VENV)/.installed ## N spoilt inputs over all loaders and commands; failures are kept in out/fuzz-SEED
	$(BIN)/python -m tests.fuzz inputs $(N) $(SEED)

laws: $(VENV)/.installed ## N random questions of each engine, and the laws of their answers
	$(BIN)/python -m tests.fuzz laws $(N) $(SEED)

kill: $(VENV)/.installed ## N kills of every command that writes, and of Dask and Ray workers
	$(BIN)/python -m tests.fuzz kill $(N) $(SEED)

places: $(VENV)/.installed ## commands without a home, a name, room, output or letters; as root for those of others
	$(BIN)/python -m tests.fuzz places 1 1

load: $(VENV)/.installed ## CPU seconds, peak MB and answers lost under load; minutes
	$(BIN)/python -m benchmarks load

# the lowest versions have wheels for these alone
OLDEST ?= $(shell for p in python3.11 python3.12; do if $$p -c '' 2>/dev/null; then echo $$p; break; fi; done)
LOWEST := .venv-lowest

$(LOWEST)/.installed: pyproject.toml
	$(OLDEST) -m venv $(LOWEST)
	$(OLDEST) -m tests.lowest > $(LOWEST)/versions.txt
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --only-binary :all: -r $(LOWEST)/versions.txt
	@touch $@

oldest: ## half a minute of tests, none of which compiles, with the lowest versions that pyproject.toml allows, in .venv-lowest; part of `make test`
	@if test -z "$(OLDEST)"; then echo "no Python 3.11 or 3.12: the lowest versions are not tried"; else $(MAKE) --no-print-directory $(LOWEST)/.installed && \
	PYTHONPATH=. $(LOWEST)/bin/python -m pytest -q tests/golden tests/commands/test_explain_new_schema.py tests/simcore/spec -k "not simulat and not example and not scheduler and not new_works"; fi

lowest: $(LOWEST)/.installed ## all quick tests with the lowest versions
	$(OLDEST) -m tests.lowest dev search > $(LOWEST)/versions.txt
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: -r $(LOWEST)/versions.txt
	PYTHONPATH=. $(LOWEST)/bin/python -m pytest -m "not slow"

newest: ## the quick tests with the newest versions of everything, on PYTHON (make newest PYTHON=python3.13), in .venv-newest
	$(PYTHON) -m venv .venv-newest
	.venv-newest/bin/python -m pip install --quiet --disable-pip-version-check --upgrade --upgrade-strategy eager ".[dev,docs,search,dask,ray]"
	.venv-newest/bin/python -m pip uninstall --quiet --yes simcore
	PYTHONPATH=. .venv-newest/bin/python -m pytest -m "not slow"

bench: $(VENV)/.installed ## one `name: value` line per figure, in CPU seconds; divide by machine_slowness
	$(BIN)/python -m benchmarks

ROUNDS ?= 5

bench-against: $(VENV)/.installed ## engines of this tree over those of COMMIT=..., in turns, medians of ROUNDS
	@test -n "$(COMMIT)" || { echo "make bench-against COMMIT=..."; exit 2; }
	$(BIN)/python -m benchmarks against $(COMMIT) $(ROUNDS)

bench-peers: $(VENV)/.installed ## DynoSim, Optuna and pymoo on the same questions, in turns; installs them in a cache folder
	$(BIN)/python -m benchmarks peers

docs: $(VENV)/.installed ## the site of the docs in out/site, strictly: no page without a place, no dead link
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "out/site/index.html; with search: $(BIN)/python -m http.server -b 127.0.0.1 -d out/site"

accuracy: $(VENV)/.installed ## regenerate docs/accuracy/all.md and the README table
	$(BIN)/simcore validate all --shared $(SHARED)

clean:
	rm -rf $(VENV) $(LOWEST) .venv-newest build dist *.egg-info out

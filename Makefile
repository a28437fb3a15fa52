# Two commands to start with: `make demo` and `make test`. Both make the environment in .venv first.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
LOWEST := .venv-lowest

.PHONY: help install check test test-lowest demo bench-step reliability faults examples constraints clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

install: $(INSTALLED) ## create .venv with the pinned packages and sngd itself

$(INSTALLED): constraints.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "sngd needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(INSTALLED)

check: $(INSTALLED) ## lint, formatting, types, import arrows
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m pyright
	$(BIN)/lint-imports

test: $(INSTALLED) ## run the tests, with as many processes as there are cores, and so no threads of LAPACK in each
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

test-lowest: $(LOWEST)/installed ## run the tests with the lowest versions that pyproject.toml allows, in .venv-lowest
	OPENBLAS_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest -n auto --dist loadfile

$(LOWEST)/installed: constraints-lowest.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "the lowest versions need Python 3.11: make PYTHON=python3.11 test-lowest")'
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r constraints-lowest.txt
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(INSTALLED) ## solve Poisson's equation; leaves runs/demo
	$(BIN)/python -m sngd.cli run poisson --iterations 200 --out runs/demo --force

bench-step: $(INSTALLED) ## steps of SNGD against the time of their operations; writes results/step.json
	$(BIN)/python -m benchmarks step

reliability: $(INSTALLED) ## kills, damaged files, false claims, an hour's soak; writes results/reliability.json
	$(BIN)/python -m benchmarks reliability

examples: $(INSTALLED) ## solve the problems in examples; writes results/inverse.json, eigenpairs.json and regions.json
	$(BIN)/python -m benchmarks inverse --repetitions 0
	$(BIN)/python -m benchmarks eigenpairs
	$(BIN)/python -m benchmarks regions

faults: $(INSTALLED) ## deliberate faults, each caught by the test that is named; writes results/faults.json
	$(BIN)/python -m benchmarks faults

constraints: ## resolve constraints.txt and constraints-lowest.txt again (needs uv)
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --quiet --output-file constraints.txt
	uv pip compile pyproject.toml --group test --resolution lowest-direct --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --quiet --output-file constraints-lowest.txt

clean: ## remove the environment and what the tools leave behind
	rm -rf .venv $(LOWEST) .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# Everything below sets itself up: it needs Python 3.11 or later and a package index, nothing else.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
JOBS   ?= 2

.PHONY: help demo test search acceptance lint bench corpus docs format lock clean

help: ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

$(READY): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "referee needs Python 3.11 or later; say which: make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY) ## what referee says about the example project
	-$(BIN)/referee check examples/bandbook
	$(BIN)/referee identities examples/bandbook

test: $(READY) ## the whole suite
	$(BIN)/python -m pytest -n $(JOBS)

search: $(READY) ## the property tests with new examples, and more of those that take long
	REFEREE_ACCEPTANCE=1 $(BIN)/python -m pytest -n $(JOBS) -m hypothesis --hypothesis-profile=search

acceptance: $(READY) ## tests against the Supabase CLI, PostgreSQL 13 to 17, pg_prove and linters, which it installs
	tools/acceptance.sh
	REFEREE_ACCEPTANCE=1 $(BIN)/python -m pytest tests/acceptance

lint: $(READY) ## ruff, mypy, the layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY) ## speed beside the peers, in one run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement bench/requirements.txt
	$(BIN)/python -m bench

corpus: $(READY) ## compare with the facts of real projects: make corpus CHECKOUTS=folder
	@test -n "$(CHECKOUTS)" || { echo "say where the checkouts are: make corpus CHECKOUTS=folder (see tests/corpus/README.md)"; exit 2; }
	$(BIN)/python -m tests.corpus.compare $(CHECKOUTS)
	$(BIN)/python -m tests.corpus.server $(CHECKOUTS)

docs: $(READY) ## write the generated pages anew
	$(BIN)/python -m referee.cli.reference

format: $(READY) ## let ruff lay out the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(READY) ## write requirements.lock anew from pyproject.toml
	$(BIN)/python -m pip install --quiet --upgrade pip-tools
	$(BIN)/pip-compile --quiet --strip-extras --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-annotate --no-header --allow-unsafe --output-file requirements.lock pyproject.toml requirements.in

clean: ## remove what make made
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

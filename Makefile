# Every command here is meant to be run as it stands; `make` alone lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help install peers demo up check format test test-fast bench lock docs pictures

help: ## list these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

install: $(STAMP) ## set up .venv with the pinned dependencies, nothing else

$(STAMP): pyproject.toml requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Andon needs Python 3.11 or newer; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { echo "This Python cannot make virtual environments. On Debian: apt install python3-venv"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing Andon into $(VENV) (a minute or so, once) ..."
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

peers: $(STAMP) ## set up the other sides that tests talk to for real (MLflow, moto, Evidently, …), each by itself
	$(BIN)/python -m tools.peers

demo: $(STAMP) ## one incident from signal to review, on a database of its own; then leaves the server running
	$(BIN)/andon demo

up: $(STAMP) ## start Andon with an empty database
	$(BIN)/andon up

check: $(STAMP) ## format, lint, types, import contracts, migrations, lock files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.check

format: $(STAMP) ## rewrite the code in the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: $(STAMP) ## the whole suite on SQLite, and on PostgreSQL when ANDON_TEST_POSTGRES_URL is set or initdb is found
	$(BIN)/python -m tools.test

test-fast: $(STAMP) ## the suite without the tests that start servers and browsers, on SQLite
	$(BIN)/python -m pytest -n 2 -m "not heavy and not browser"

bench: $(STAMP) ## measure; prints tables and writes JSON to bench/results
	$(BIN)/python bench/run.py

lock: $(STAMP) ## resolve the dependencies again
	$(BIN)/python -m tools.lock

docs: $(STAMP) ## write the generated reference pages of docs/ again
	$(BIN)/python -m tools.reference

pictures: $(STAMP) ## take the pictures of docs/images again, while the demo is played
	$(BIN)/python -m tools.pictures

# The book in one command:  make book        (make help lists the rest)
#
#   PROFILE=smoke|laptop|paper   how much is computed          (default laptop)
#   DEVICE=auto|cpu|cuda|mps     where                         (default auto)
#   PYTHON=python3.12            what .venv is made from       (default python3; 3.11 to 3.13)

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
PROFILE ?= laptop
DEVICE ?= auto
PORT ?= 8000
WORKERS ?=
ARGS ?=
TEST_WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
HELPERS := $(BIN)/python -m helpers
ENVIRONMENT := $(VENV)/.installed
DEVELOPMENT := $(VENV)/.installed-dev
DATA := _build/.data

# pip, without its progress and without the lines about other folders that it did not use
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
QUIET := 2>&1 | sed -e '/WARNING: Location .* is ignored/d' -e '/^Looking in /d'

.PHONY: help book paper test lint format serve lab bench data env env-dev lock doctor clean distclean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  settings: PROFILE=smoke|laptop|paper  DEVICE=auto|cpu|cuda|mps  PYTHON=…  WORKERS=…  PORT=…"

book: $(DATA) ## Environment, data, chapters, site -> _build/html/index.html
	@$(HELPERS) book --profile "$(PROFILE)" --device "$(DEVICE)" $(if $(WORKERS),--workers $(WORKERS)) $(ARGS)

paper: $(DATA) ## The whole paper from nothing: every number computed here (hours; resumes)
	@$(HELPERS) run all --device "$(DEVICE)" $(if $(WORKERS),--workers $(WORKERS))
	@$(MAKE) book PROFILE=paper

test: $(DEVELOPMENT) $(DATA) ## Run everything that checks the book
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(TEST_WORKERS) --dist worksteal $(ARGS)

lint: $(DEVELOPMENT) ## ruff, mypy, codespell, notebooks without outputs
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/codespell src tests book benchmarks *.md
	@find book -name '*.ipynb' -print0 | xargs -0 -r $(BIN)/nbstripout --verify --keep-id

format: $(DEVELOPMENT) ## Format code and strip the notebooks' outputs
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .
	@find book -name '*.ipynb' -print0 | xargs -0 -r $(BIN)/nbstripout --keep-id

serve: book ## Build, then show the site on this machine, port PORT (8000)
	@echo "http://127.0.0.1:$(PORT)  (Ctrl-C ends it)"
	@$(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/html "$(PORT)"

lab: $(ENVIRONMENT) ## Open the chapters in JupyterLab
	@$(BIN)/jupyter lab book

bench: $(DATA) ## Run the side-by-side timings
	@$(HELPERS) bench $(ARGS)

data: $(ENVIRONMENT) ## Fetch the data, or check them
	@$(HELPERS) data

env: $(ENVIRONMENT) ## Make .venv from requirements.txt

env-dev: $(DEVELOPMENT) ## The same, with the tools for tests and lint

lock: $(DEVELOPMENT) ## Compile requirements*.txt from pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-emit-index-url \
		pyproject.toml -o requirements.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-emit-index-url \
		--extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt

doctor: $(ENVIRONMENT) ## Say what is wrong with this environment
	@$(HELPERS) doctor

clean: ## Remove all that was built (keeps .venv, the data and results/)
	@rm -rf _build .pytest_cache .hypothesis .ruff_cache .mypy_cache

distclean: clean ## Remove .venv too
	@rm -rf $(VENV) src/*.egg-info

$(BIN)/python:
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
		echo "error: $(PYTHON) is not Python 3.11 to 3.13; try: make book PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" -m venv $(VENV) || { \
		echo "error: no virtual environment could be made (on Debian: apt-get install python3-venv)" >&2; \
		rm -rf $(VENV); exit 1; }

$(ENVIRONMENT): requirements.txt pyproject.toml | $(BIN)/python
	@echo "installing the packages into $(VENV) (minutes the first time; several GB on Linux)"
	@$(PIP) install --quiet -r requirements.txt $(QUIET)
	@$(PIP) install --quiet --no-deps -e . $(QUIET)
	@touch $@

$(DEVELOPMENT): requirements-dev.txt $(ENVIRONMENT)
	@$(PIP) install --quiet -r requirements-dev.txt $(QUIET)
	@touch $@

$(DATA): $(wildcard src/helpers/data*.py) | $(ENVIRONMENT)
	@$(HELPERS) data
	@mkdir -p $(@D) && touch $@

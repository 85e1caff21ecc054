# The book in one command:  make book        (make help lists the rest)
#
#   PROFILE=smoke|laptop|paper   how much is computed          (default laptop)
#   DEVICE=auto|cpu|cuda|mps     where                         (default auto)
#   PYTHON=python3.12            what .venv is made from       (default python3; 3.11 to 3.13)
#   TORCH=cpu                    a torch without CUDA: Linux and Windows save several GB
#   VERSIONS=latest              the newest packages that pyproject.toml allows, not the pinned ones
#
# PYTHON, TORCH and VERSIONS count when .venv is made; to change them later, `make distclean` first.

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
QUICK := tests/book/test_notebooks.py tests/page tests/networks tests/statistics tests/claims tests/test_security.py
TORCH ?= default
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
VERSIONS ?= pinned
PIP_AUDIT := 2.10.1
VENV := .venv
BIN := $(VENV)/bin
HELPERS := $(BIN)/python -m helpers
PACKAGES := $(VENV)/.packages
ENVIRONMENT := $(VENV)/.installed
DEVELOPMENT := $(VENV)/.installed-dev
DATA := _build/.data

# pip, without its progress and without the lines about other folders that it did not use
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
QUIET := 2>&1 | sed -e '/WARNING: Location .* is ignored/d' -e '/^Looking in /d'

# The pinned set, and the part of it that TORCH=cpu fetches from PyTorch's own index and nothing else
ifeq ($(TORCH),cpu)
PINS = grep -vE '^(nvidia-|cuda-|triton)' $(1)
else
PINS = cat $(1)
endif
ifeq ($(VERSIONS),latest)
TORCH_PINS = sed -nE 's/^ *"(torch(vision)?[<>=][^"]*)".*/\1/p' pyproject.toml
else
TORCH_PINS = grep -oE '^torch(vision)?==[^ ]+' requirements.txt
endif

.PHONY: help book paper smoke drift publish test check lint format links audit serve lab bench data
.PHONY: packages env env-dev lock doctor clean distclean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  settings: PROFILE=smoke|laptop|paper  DEVICE=auto|cpu|cuda|mps  PYTHON=…  WORKERS=…  PORT=…"

book: $(DATA) ## Environment, data, chapters, site -> _build/html/index.html
	@$(HELPERS) book --profile "$(PROFILE)" --device "$(DEVICE)" $(if $(WORKERS),--workers $(WORKERS)) $(ARGS)

paper: $(DATA) ## The whole paper from nothing: every number computed here (hours; resumes)
	@$(HELPERS) run all --device "$(DEVICE)" $(if $(WORKERS),--workers $(WORKERS))
	@$(MAKE) book PROFILE=paper

smoke: $(DEVELOPMENT) $(DATA) ## Every chapter, tiny but real, and the gates its pages must pass
	@$(HELPERS) book --profile smoke --device cpu --build-dir _build/smoke $(ARGS)
	@BOOK_SITE=_build/smoke/html $(MAKE) test ARGS="tests/site tests/book"

drift: $(DATA) ## Compare the tables computed by `make paper` with results/ -> _build/drift.md
	@$(HELPERS) drift --output _build/drift.md $(ARGS)

publish: $(DATA) ## Copy the tables computed by `make paper` into results/
	@$(HELPERS) run all --publish --device "$(DEVICE)" $(if $(WORKERS),--workers $(WORKERS))

test: $(DEVELOPMENT) $(DATA) ## Run everything that checks the book
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(TEST_WORKERS) --dist worksteal $(ARGS)

check: $(DEVELOPMENT) ## The fast part, for the hand that edits: code, types, quick tests
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(TEST_WORKERS) -m "not slow" $(QUICK)

lint: $(DEVELOPMENT) ## Code, types, spelling, clean notebooks, workflows, shell, Dockerfile
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/codespell src tests book benchmarks *.md
	@find book -name '*.ipynb' -print0 | xargs -0 -r $(BIN)/nbstripout --verify --keep-id
	@$(BIN)/actionlint -shellcheck $(BIN)/shellcheck -pyflakes= .github/workflows/*.yml
	@$(BIN)/zizmor --offline --quiet --no-progress .github
	@$(BIN)/shellcheck .ci/* binder/postBuild
	@$(BIN)/hadolint Dockerfile

format: $(DEVELOPMENT) ## Format code and strip the notebooks' outputs
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .
	@find book -name '*.ipynb' -print0 | xargs -0 -r $(BIN)/nbstripout --keep-id

links: $(DEVELOPMENT) $(DATA) ## Ask every external address of the book whether it still answers
	@$(HELPERS) book --profile smoke --device cpu --build-dir _build/smoke
	@$(BIN)/jupyter-book build _build/smoke/executed --builder linkcheck --config _config.yml \
		--toc "$(CURDIR)/_toc.yml" --path-output _build/links

audit: $(DEVELOPMENT) ## Look the pinned packages up among known vulnerabilities
	@$(BIN)/uvx --quiet "pip-audit@$(PIP_AUDIT)" --requirement requirements.txt --no-deps \
		--disable-pip --strict --progress-spinner off

serve: book ## Build, then show the site on this machine, port PORT (8000)
	@echo "http://127.0.0.1:$(PORT)  (Ctrl-C ends it)"
	@$(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/html "$(PORT)"

lab: $(ENVIRONMENT) ## Open the chapters in JupyterLab
	@$(BIN)/jupyter lab book

bench: $(DATA) ## Run the side-by-side timings
	@$(HELPERS) bench --device "$(DEVICE)" $(ARGS)

data: $(ENVIRONMENT) ## Fetch the data, or check them
	@$(HELPERS) data

packages: $(PACKAGES)

env: $(ENVIRONMENT) ## Make .venv from requirements.txt

env-dev: $(DEVELOPMENT) ## The same, with the tools for tests and lint

lock: $(DEVELOPMENT) ## Compile requirements*.txt from pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-emit-index-url \
		pyproject.toml -o requirements.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-emit-index-url \
		--extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt

doctor: $(ENVIRONMENT) ## Say what is wrong with this environment
	@$(HELPERS) doctor --device "$(DEVICE)"

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

$(PACKAGES): requirements.txt | $(BIN)/python
	@echo "installing the packages into $(VENV) (minutes the first time; several GB on Linux)"
ifeq ($(TORCH),cpu)
	@$(TORCH_PINS) | xargs $(PIP) install --quiet --no-deps --index-url "$(TORCH_INDEX)" $(QUIET)
endif
ifeq ($(VERSIONS),latest)
	@$(PIP) install --quiet --upgrade --upgrade-strategy eager -e '.[dev]' $(QUIET)
else
	@$(call PINS,requirements.txt) | $(PIP) install --quiet -r /dev/stdin $(QUIET)
endif
	@touch $@

$(ENVIRONMENT): $(PACKAGES) pyproject.toml
	@$(PIP) install --quiet --no-deps -e . $(QUIET)
	@touch $@

$(DEVELOPMENT): requirements-dev.txt $(ENVIRONMENT)
ifneq ($(VERSIONS),latest)
	@$(call PINS,requirements-dev.txt) | $(PIP) install --quiet -r /dev/stdin $(QUIET)
endif
	@touch $@

$(DATA): $(wildcard src/helpers/data/*.py) | $(ENVIRONMENT)
	@$(HELPERS) data
	@mkdir -p $(@D) && touch $@

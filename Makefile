# `make demo` and `make test` work from a bare clone: each makes .venv when it is missing or out of date.
#
#   PYTHON=python3.12   the interpreter to make .venv with
#   TORCH_INDEX=URL     where to look for torch besides PyPI, on a machine without an NVIDIA GPU. PyPI's Linux
#                       torch brings CUDA, some gigabytes; without a GPU, spare them with
#                       make setup TORCH_INDEX=https://download.pytorch.org/whl/cpu
#   EXAMPLE=2           which example question `make demo` opens
#   ARGS="-k session"   more arguments for pytest or for the benchmark

PYTHON ?= python3
TORCH_INDEX ?=
EXAMPLE ?= 1
ARGS ?=
MODEL := models/prosqa
comma := ,
LONG_HOPS := --set 'data.hops=[4$(comma)6]' --set curriculum.total=1200 --set seed=3 --set optimizer.learning_rate=6e-4
BIN := .venv/bin
INSTALLED := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format train-demo train-labelled bench soak results pictures

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

setup: $(INSTALLED)  ## make .venv and install the project with every pinned dependency
	@:

# All of it goes to stderr: stdout belongs to what was asked for (`make demo | cat`). pip is asked for rather
# than the interpreter, so that a .venv left half made by a Python without ensurepip is made again.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "error: Python 3.11 or newer is needed; $(PYTHON) is not. Try: make setup PYTHON=python3.12" >&2; exit 2; }
	@echo "Installing into .venv; the first time takes some minutes (torch is large) ..." >&2
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv >&2
	@index=; \
	if [ -n "$(TORCH_INDEX)" ] && ! command -v nvidia-smi >/dev/null; then index="--extra-index-url $(TORCH_INDEX)"; fi; \
	$(BIN)/python -m pip install -qq --disable-pip-version-check $$index -c constraints.txt -e '.[dev]' >&2
	@touch $@

demo: $(INSTALLED)  ## open the bundled model with a question; without a terminal, print its trace
	@if [ -t 0 ] && [ -t 1 ]; then \
	  $(BIN)/coconut-tui --model $(MODEL) --example $(EXAMPLE); \
	else \
	  $(BIN)/coconut ask --model $(MODEL) --example $(EXAMPLE) --trace; \
	fi

# One torch thread for each test process: the models are tiny, and more threads only wait. Three processes for two
# cores: a test of the explorer, of a server or of a command waits for it a good part of its time.
test: $(INSTALLED)  ## run all tests
	@OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 3 --dist loadfile $(ARGS)

lint: $(INSTALLED)  ## check style, format, types and which way imports point
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports >/dev/null || $(BIN)/lint-imports

format: $(INSTALLED)  ## mend what ruff can mend
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# NAME, RECIPE and more of one part of a run; a part that was stopped is gone on with, a finished one left alone.
define train_part
	@if [ -e runs/$(1)/checkpoint ]; then :; \
	elif ls runs/$(1)/step-*/training_state.pt >/dev/null 2>&1; then $(BIN)/coconut train --out runs/$(1) --resume; \
	else $(BIN)/coconut train $(2) --out runs/$(1) $(3); fi
endef

train-demo: $(INSTALLED)  ## train the bundled model from scratch, in four parts; goes on where it was stopped
	$(call train_part,prosqa-base,prosqa-base,)
	$(call train_part,prosqa-short,prosqa-short,)
	$(call train_part,prosqa-grow,prosqa-grow,)
	$(call train_part,prosqa,prosqa,)

train-labelled: $(INSTALLED)  ## train models/prosqa-labelled from scratch, in three parts
	$(call train_part,prosqa-labelled,prosqa-labelled,)
	$(call train_part,prosqa-labelled-finish,prosqa-labelled-finish,)
	$(call train_part,prosqa-labelled-long,prosqa-labelled-finish,--set model.base=runs/prosqa-labelled-finish/checkpoint $(LONG_HOPS))

bench: $(INSTALLED)  ## measure speed: two things side by side, as ratios
	@$(BIN)/python -m bench $(ARGS)

soak: $(INSTALLED)  ## fuzz, kills and random walks at length: CASES a reader (default 10000), an hour or more
	@COCONUT_FUZZ=$(or $(CASES),10000) COCONUT_WALK=2000 COCONUT_KILLS=200 OMP_NUM_THREADS=1 \
	$(BIN)/pytest -q -n 2 -o faulthandler_timeout=7200 tests/fuzz tests/abuse tests/tui/test_walk.py $(ARGS)

results: $(INSTALLED)  ## train and measure all methods of the paper, small; hours, goes on where it was stopped
	@$(BIN)/python -m results $(ARGS)

pictures: $(INSTALLED)  ## make pictures of the explorer's screens, and one sheet of them, in runs/pictures
	@OMP_NUM_THREADS=1 $(BIN)/python -m pictures $(ARGS)

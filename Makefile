PYTHON ?= python3
BIN := .venv/bin
VLLM_BIN := .venv-vllm/bin
# One more than there are cores, since some tests wait. A file's tests stay together: what they share
# is made once.
WORKERS := $(shell $(PYTHON) -c "import os; print(min(4, 1 + (os.cpu_count() or 1)))")
PARALLEL := -n $(WORKERS) --dist loadfile
export OMP_NUM_THREADS ?= 1
export TOKENIZERS_PARALLELISM ?= false
export HF_HUB_DISABLE_TELEMETRY ?= 1

.PHONY: help demo test quick style types test-slow test-vllm test-real lint setup release-check docs clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup:  ## .venv with the package, editable, its pins and the developers' tools
	@$(PYTHON) .ci/environment.py .venv --extra dev
	@$(BIN)/sami-eval tasks install --quiet

demo:  ## train SAMI and DPO adapters on the embedded base, judge them, print the table
	@$(PYTHON) .ci/environment.py .venv
	@$(BIN)/sami-eval tasks install --quiet
	@$(BIN)/sami-eval compare sami dpo --task mtbench

lint: style types

style: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: setup
	@$(BIN)/mypy

quick: setup
	@$(BIN)/python -m pytest -q $(PARALLEL)

# mypy uses one core, and the tests begin meanwhile.
test: style  ## ruff, mypy --strict and the quick tests
	@$(MAKE) --no-print-directory -j2 types quick

test-slow: setup  ## seeds, kill loops, coverage simulations, the wheel
	@$(BIN)/python -m pytest -q -m slow $(PARALLEL)

test-vllm:  ## the tests that need a real vLLM, on CPU, in an environment of their own
	@$(PYTHON) .ci/environment.py .venv-vllm --extra dev --vllm
	@$(VLLM_BIN)/sami-eval tasks install --quiet
	@$(VLLM_BIN)/python -m pytest -q -m vllm

test-real: setup  ## the tests on a small real model, SmolLM2-135M-Instruct, set up in .models
	@$(BIN)/python .ci/real_model.py .models
	@$(BIN)/python -m pytest -q -m real -n 2 --dist loadfile

release-check: setup  ## dist/: sdist and wheel, the wheel used in a clean environment, no network
	@$(BIN)/python .ci/release_check.py --out dist

docs:  ## the pages of docs/ as a site in site/, every link checked
	@$(PYTHON) .ci/environment.py .venv --extra dev --extra docs
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet
	@echo open site/index.html

clean:  ## remove what was made, environments included
	rm -rf .venv .venv-vllm .models build dist site .sami-eval adapters runs

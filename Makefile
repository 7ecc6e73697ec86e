# `make` lists the targets. Nothing has to be done before them: the first one that needs .venv makes it.

CONFIG ?= configs/l1_ae.yaml
PYTHON ?= python3
TEST_WORKERS ?= 2
ARGS =

VENV := .venv
STAMP := $(VENV)/.complete
STAGES := data reference train convert csim prove trace rtl synth place evaluate report

ifeq "$(strip $(CONFIG))" ""
$(error CONFIG is empty: name at least one experiment, as in CONFIG=configs/l1_ae.yaml)
endif

.DEFAULT_GOAL := help
.PHONY: help setup lint $(STAGES) explore scan test check docs bench clean

# Goals run in the order of the command line even under -j: `make -j4 clean train` must not remove what it trains.
.NOTPARALLEL:

# Bytecode of what is imported is kept, also where the environment says not to.
unexport PYTHONDONTWRITEBYTECODE

# The stamp is written last and holds the folder: an environment that is half installed, that lost its Python, or that
# came along when the checkout was copied (its scripts still run the old one) is made anew. Bytecode is compiled on all
# cores, which pip does on one; some files of packages are templates, and no Python.
INSTALLED_FOR := $(shell test -x $(VENV)/bin/python && test -x $(VENV)/bin/fpgaae && cat $(STAMP) 2>/dev/null)
ifneq "$(INSTALLED_FOR)" "$(CURDIR)"
.PHONY: $(STAMP)
endif

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || { \
	    echo "PYTHON=$(PYTHON) is not a Python from 3.10 to 3.13: name one, as in make setup PYTHON=python3.12" >&2; \
	    exit 2; }
	@echo "Installing into $(VENV) with $(PYTHON): about two minutes and 3 GB"
	@test "$(INSTALLED_FOR)" = "$(CURDIR)" || $(PYTHON) -m venv --clear $(VENV)
	@rm -f $@
	@$(VENV)/bin/python -m pip install --quiet --no-input --disable-pip-version-check --use-pep517 --no-compile \
	    -c constraints.txt -e '.[all,dev,docs]'
	@$(VENV)/bin/python -W ignore -m compileall -qq -j 0 $(VENV)/lib || true
	@echo "$(CURDIR)" > $@

# Runs the stage that is being made for each CONFIG; ARGS goes to the stages named on the command line, not to those
# that they need. CONFIG comes as a variable, so that no shell reads it: one file, whose name may hold spaces, or several.
export CONFIG
run_stage = @set -f; if [ -e "$$CONFIG" ]; then set -- "$$CONFIG"; else set -- $$CONFIG; fi; \
	for config; do \
	    echo "$(strip fpgaae $@ $$config $(1) $(stage_args))"; \
	    $(VENV)/bin/fpgaae $@ "$$config" $(1) $(stage_args) || exit $$?; \
	done
stage_args = $(if $(filter $@,$(MAKECMDGOALS)),$(ARGS))
# `make csim` and `make prove` compare the project as it stands on the disk, also after it was edited by hand.
keep_edited = $(if $(filter csim prove,$(MAKECMDGOALS)),--keep-edited)

help: ## list the targets
	@echo 'Usage: make TARGET... [CONFIG="configs/l1_ae.yaml ..."] [ARGS="..."] [PYTHON=python3]'
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP) ## install the pinned environment into .venv
	@echo "Ready: $(VENV)/bin/fpgaae"

lint: $(STAMP) ## find what would make the firmware differ, before training
	$(call run_stage)

data: $(STAMP) ## read or generate the events
	$(call run_stage)

reference: data ## train the float reference
	$(call run_stage)

train: reference ## train and prune the quantized autoencoder
	$(call run_stage)

convert: train ## write the HLS project
	$(call run_stage,$(keep_edited))

csim: convert ## compile the firmware and compare every bit of it with the model
	$(call run_stage)

prove: convert ## prove the HLS sources equal to the model on every event
	$(call run_stage)

trace: convert ## trace the firmware into Verilog and VHDL
	$(call run_stage)

rtl: convert ## trace if need be, simulate the Verilog and compare every bit of it with the model
	$(call run_stage)

synth: rtl ## synthesize the Verilog with Yosys
	$(call run_stage)

place: trace ## place and route on an ECP5 with open tools, and compare the routed netlist
	$(call run_stage)

evaluate: csim ## measure float, quantized and firmware side by side
	$(call run_stage)

report: evaluate ## write the HTML report
	$(call run_stage)

explore: reference ## use a float method: maps, samples, imputation (ARGS="latent sample")
	$(call run_stage)

ifeq "$(origin CONFIG)" "file"
scan: CONFIG = configs/scan/post_training.yaml
endif
scan: $(STAMP) ## train many variants and find the front of performance against cost
	$(call run_stage)

# Each worker of the tests has one core: threads of its libraries would only wait for each other.
test check: export OMP_NUM_THREADS := 1
test check: export OPENBLAS_NUM_THREADS := 1
test check: export TF_NUM_INTRAOP_THREADS := 1
test check: export TF_NUM_INTEROP_THREADS := 1

pytest := $(VENV)/bin/python -m pytest -n $(TEST_WORKERS) --dist worksteal

test: $(STAMP) ## run every test
	@$(pytest) $(ARGS)

check: $(STAMP) ## format, lint, types and the quick tests
	$(VENV)/bin/python -m ruff format --check
	$(VENV)/bin/python -m ruff check
	$(VENV)/bin/python -m mypy
	$(pytest) -m "not slow" $(ARGS)

docs: $(STAMP) ## build the site into docs/_build/html; a warning or a dead link is an error
	@$(VENV)/bin/python -m sphinx -W --keep-going -q -b html docs docs/_build/html $(ARGS)
	@echo "Ready: docs/_build/html/index.html"

bench: $(STAMP) ## time every stage
	@$(VENV)/bin/python -m benchmarks.main $(ARGS)

clean: ## remove runs/ and caches, not .venv
	@rm -rf runs build dist docs/_build docs/generated .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage htmlcov
	@find . -path ./$(VENV) -prune -o -path ./.git -prune -o -type d -name __pycache__ -exec rm -rf {} +

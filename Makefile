# Plain venv and pip. Needs Python 3.11 or later and nothing else; `make PYTHON=python3.12 setup` names another one.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready
# Of `make table1`: a folder with test/blurry and test/pairs, the photographs of CHASE_DB1 (none if empty), and the
# methods to compare. Of CHASE_DB1 only the usual test eyes are taken, and none of the drawings that lie beside them.
DATA ?= ../shared/data
CLEAR ?= $(DATA)/vessels/chase_db1
METHODS ?= input,clahe,flatfield,mitra2018,zhou2018,xiong2017,he2011,polesel2000,gan,gan:compact9,gan:paper,gan:paper-skip
# Of `make figure3`: a folder with CHASE_DB1, HRF and LES-AV, and which of their photographs; and photographs without
# labels (none if empty).
LABELLED ?= $(DATA)/vessels
SPLIT ?= test
BLURRY ?= $(DATA)/test/blurry

BENCHMARKS := training_step enhance engines batch methods quality vessels

.DEFAULT_GOAL := help
.PHONY: help setup check test demo bench table1 figure3 clean

help: ## Show this list.
	@grep -E '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 10

setup: $(READY) ## Make the virtual environment in .venv and install the package with its tools.

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'clearfundus needs Python 3.11 or later; "$(PYTHON)" is' "$$($(PYTHON) --version 2>&1)." \
	       'Name another: make PYTHON=python3.12 setup' >&2; exit 1; }
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

check: setup ## Lint, check the format and the types.
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

test: setup ## Run all tests with branch coverage.
	$(RUN) -m pytest --cov --cov-report=term

demo: setup ## Cloud a real photograph with a known haze, enhance it, and show before, after and truth.
	$(RUN) scripts/demo.py

bench: setup ## Measure the README's speed figures on this machine.
	set -e; for name in $(BENCHMARKS); do $(RUN) "benchmarks/$$name.py"; done

table1: setup ## Table 1 of Zhao et al. 2019 on the photographs in DATA, into out/table1; goes on where it was stopped.
	rm -rf out/table1_clear
	$(if $(CLEAR),mkdir -p out/table1_clear && cp $(CLEAR)/Image_1[1-4][LR].jpg out/table1_clear)
	$(RUN) -m clearfundus evaluate --blurry $(DATA)/test/blurry --pairs $(DATA)/test/pairs \
	  $(if $(CLEAR),--clear out/table1_clear --simulated cataract --severity 0.6) --methods $(METHODS) -o out/table1

figure3: setup ## Vessels found on the test eyes, clear, degraded and enhanced, into out/figure3; goes on where stopped.
	mkdir -p out
	$(RUN) -c 'import json; sets = json.load(open("configs/vessels_split.json"))["$(SPLIT)"]; \
	  [print(f"{name}/{eye}") for name, eyes in sets.items() for eye in eyes]' > out/figure3_$(SPLIT).txt
	$(RUN) -m clearfundus evaluate --task vessels --labelled $(LABELLED) --only out/figure3_$(SPLIT).txt \
	  $(if $(BLURRY),--blurry $(BLURRY)) -o out/figure3

clean: ## Remove the virtual environment and everything generated.
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .coverage .coverage.* htmlcov build dist demo

# make demo | make test | make lab | make notebooks. Needs Python 3.11 or newer and make, nothing else.
PYTHON ?= python3
VENV = .venv
BIN = $(VENV)/bin

.PHONY: demo test lab notebooks
.DEFAULT_GOAL := demo

$(VENV)/installed: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -r requirements.txt
	touch $@

demo: $(VENV)/installed
	$(BIN)/python run_notebooks.py

notebooks: $(VENV)/installed
	$(BIN)/python run_notebooks.py --renew

test: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/python -m pytest

lab: $(VENV)/installed
	$(BIN)/jupyter lab

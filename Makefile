# make demo | make test | make test-all | make lab | make notebooks. Needs Python 3.11 or newer and make, nothing else.
PYTHON ?= python3
VENV = .venv
BIN = $(VENV)/bin
PYTEST = $(BIN)/python -m pytest -n 2 --dist loadfile

.PHONY: demo test test-all lint lab notebooks
.DEFAULT_GOAL := demo

$(VENV)/installed: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -r requirements.txt
	$(BIN)/python -c "import numpy, src.flow; src.flow.compute_flow(numpy.zeros((2, 16, 16), numpy.uint8))"  # compiles it
	touch $@

$(VENV)/installed-test: $(VENV)/installed requirements-test.txt
	$(BIN)/python -m pip install --quiet -r requirements-test.txt
	touch $@

demo: $(VENV)/installed
	$(BIN)/python run_notebooks.py

notebooks: $(VENV)/installed
	$(BIN)/python run_notebooks.py --renew

lint: $(VENV)/installed-test
	$(BIN)/ruff check .

# What to run before each commit.
test: lint
	$(PYTEST) -m "not slow"

# Everything, as continuous integration does.
test-all: lint
	$(PYTEST)

lab: $(VENV)/installed
	$(BIN)/jupyter lab

# The only entry a newcomer needs. Every target first makes the environment it needs, once.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo test lab build check bench bench-grading setup clean

help:  ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup:
	@command -v $(PYTHON) >/dev/null || { echo "setup: there is no $(PYTHON) here; install Python 3.11 or newer, or run 'make PYTHON=/path/to/python3 ...'" >&2; exit 4; }
	@$(PYTHON) autograder/bootstrap.py

demo: setup  ## build the units, run them on the real model, grade a simulated class, write a report
	@$(BIN)/course demo

test: setup  ## run every test
	@$(BIN)/pytest -n 2 --dist worksteal -q

lab: setup  ## copy the self-study notebooks to work/ and open JupyterLab on them
	@$(BIN)/course lab

build: setup  ## make the three editions of every unit from source/
	@$(BIN)/course build

check: setup  ## lint the lessons, compare the editions with their source, count what is covered
	@$(BIN)/course check

bench: setup  ## measure how long the model takes to load
	@$(BIN)/python -m autograder.bench

bench-grading: setup build  ## measure grading against stock nbgrader on the same submissions
	@$(BIN)/python -m autograder.bench_grading

clean:  ## remove what the demo and grading wrote (never the environment, never work/)
	rm -rf out

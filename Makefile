# The commands that CI and people run. `make demo` and `make test` need nothing but Python and this.

PYTHON ?= $(shell for p in python3.11 python3.12 python3; do command -v $$p >/dev/null 2>&1 && $$p -c "" 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= 2

.PHONY: help setup demo test check bench beside devkit docs clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 10

setup: $(STAMP)  ## build .venv with everything that demo, tests and checks need

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v in ((3, 11), (3, 12)) else f"Roadloom needs Python 3.11 or 3.12, this is {v[0]}.{v[1]}: make PYTHON=python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(STAMP)  ## drive through the built-in town, generate a drive beside it, say where to look
	$(BIN)/roadloom demo --out out/demo

test: $(STAMP)  ## every test
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --max-worker-restart 0

check: $(STAMP)  ## format, lint, layers, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

bench: $(STAMP)  ## measure; prints one JSON line per figure
	$(BIN)/python -m benchmarks

beside: $(STAMP)  ## draw the town beside real photographs (ROADLOOM_REAL_DATA) into out/beside
	$(BIN)/python -m studies.town_beside --out out/beside

devkit: $(STAMP)  ## test exports with the official nuScenes devkit, in a .venv-devkit of its own
	test -x .venv-devkit/bin/python || $(BIN)/python -m venv .venv-devkit
	.venv-devkit/bin/python -c 'import pathlib, sysconfig; p = sysconfig.get_path("purelib"); pathlib.Path(p, "roadloom_venv.pth").write_text("$(CURDIR)/" + "$(VENV)" + p[len("$(CURDIR)/.venv-devkit"):] + "\n$(CURDIR)/src\n")'
	.venv-devkit/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -r tests/export/devkit_requirements.txt
	.venv-devkit/bin/python -m pip install --quiet --disable-pip-version-check --no-deps nuscenes-devkit==1.2.0
	.venv-devkit/bin/python -m pytest -p no:cacheprovider tests/export

docs: $(STAMP)  ## check that every link and code block in the documents holds
	$(BIN)/python -m pytest -q tests/architecture/test_docs.py

clean:  ## remove what was built
	rm -rf $(VENV) .venv-devkit out .pytest_cache .mypy_cache .ruff_cache .hypothesis

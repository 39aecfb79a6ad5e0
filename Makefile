# Two commands on a fresh machine: make demo, make test. After make install-locked they use what
# that has installed: the same versions, each file checked by its hash.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORES := $(shell nproc 2>/dev/null || echo 2)

.PHONY: demo test lint docs install-locked lock clean

# The demonstration needs the core and the extra `deep` (for SensitiveNets).
demo: $(VENV)/.deep
	$(BIN)/sfumato demo --output demo

# One thread a process: the processes share the cores, and take over what others have left.
test: $(VENV)/.dev lint
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(CORES) --dist worksteal

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

# The site in site/, of the pages in docs/; some of these are read off the program first.
docs: $(VENV)/.dev
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[docs]' -c constraints.txt
	$(BIN)/python scripts/docs_pages.py
	$(BIN)/zensical build --clean

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

# torch is installed first and by its exact version, so that nothing pulls another build.
$(VENV)/.deep: $(VENV)/bin/pip pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0 -c constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[deep]' -c constraints.txt
	touch $@

$(VENV)/.dev: $(VENV)/bin/pip pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0 -c constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]' -c constraints.txt
	touch $@ $(VENV)/.deep

# torch comes without a hash: every index has builds of its own. What it needs is there before it.
install-locked: $(VENV)/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0 -c constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(VENV)/.deep $(VENV)/.dev

lock: $(VENV)/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check uv
	$(BIN)/python scripts/lock.py

clean:
	rm -rf $(VENV) demo .pytest_cache .mypy_cache .ruff_cache .hypothesis

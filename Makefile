# Two commands matter: `make demo` runs the line on this machine, `make test` proves it.
# Both set up what they need: a virtual environment here, Debian packages where allowed.

VENV := .venv
PY := $(VENV)/bin/python
FIL := $(VENV)/bin/fil

.PHONY: desk demo demo-closed call test check bench load soak engine setup lint clean lock

demo: setup ## set up and run the whole line (Ctrl-C stops everything)
	@$(FIL) demo

demo-closed: setup ## the same line outside its hours
	@$(FIL) demo --closed

call: setup ## a scripted caller rings the running demo and tells what they heard
	@$(FIL) call

engine: setup ## (re)build the engine's image
	@asterisk-docker/engine image

test: setup ## every test, on the real dockerised Asterisk
	@tests/prepare
	@$(PY) -m pytest -n 3 --dist loadfile --durations=10

check: setup lint ## all that needs no engine, under a minute
	@$(PY) -m pytest -q -n 4 tests/unit tests/contract/test_fake.py

lint:
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check -q .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports
	@cti/desk/build check

bench: setup ## how fast the line answers, beside native Asterisk; how right its estimates are
	@$(PY) -m bench.first_sound && $(PY) -m bench.menu && $(PY) -m bench.distribution && $(PY) -m bench.choosing && $(PY) -m bench.estimate

load: MINUTES ?= 10
load: CALLERS ?= 100
load: AGENTS ?= 30
load: RATE ?= 5
load: SEED ?= 1
load: setup ## many callers at once, each one judged: MINUTES RATE CALLERS AGENTS SEED
	@$(PY) -m bench.load --minutes $(MINUTES) --rate $(RATE) --callers $(CALLERS) --agents $(AGENTS) --seed $(SEED)

soak: MINUTES ?= 5
soak: CALLERS ?= 12
soak: AGENTS ?= 12
soak: SEED ?= 1
soak: CONTROLLER ?= ours
soak: setup ## callers ring, people answer, everything breaks; a judge tells who was left alone
	@tests/prepare
	@$(PY) -m tests.soak --minutes $(MINUTES) --seed $(SEED) --callers $(CALLERS) --agents $(AGENTS) --controller $(CONTROLLER)

setup: $(VENV)/ready cti/desk/built/desk.js

desk: setup ## build the page that agents work with

cti/desk/built/desk.js: $(VENV)/ready $(wildcard cti/desk/src/*.ts) cti/desk/package-lock.json cti/desk/vite.config.js cti/desk/tsconfig.json
	@cti/desk/build build

$(VENV)/ready: requirements.txt pyproject.toml
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Bout du fil needs Python 3.11 or later (python3 --version)."; exit 69; }
	@python3 -c 'import ensurepip, venv' 2>/dev/null || { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq python3-venv; } || { echo "Install the package python3-venv, then run this again."; exit 69; }
	@echo "fil: Python packages (a minute the first time)"
	@python3 -m venv $(VENV)
	@$(VENV)/bin/pip install -q --disable-pip-version-check --require-hashes -r requirements.txt
	@$(VENV)/bin/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

lock: ## pin the dependencies again (needs uv)
	@uv pip compile -q --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
	  --extra dev --universal --python-version 3.11 pyproject.toml -o requirements.txt

clean:
	@rm -rf $(VENV) dist cti/desk/built cti/desk/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis

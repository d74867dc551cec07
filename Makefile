# `make demo` and `make test` need Python 3.11 or newer and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime-installed
DEV := $(VENV)/.dev-installed
STUDIO := $(VENV)/.studio-installed
STUDIO_SOURCE := waveflow/entrypoints/studio
FRONT_END := $(STUDIO_SOURCE)/vendor/.fetched
EXAMPLES := examples/node_modules/.installed
STEMS ?=
# The browser of `make web-test`; without it, the first one of its kind on the PATH.
CHROMIUM ?=
export CHROMIUM
# As many processes as there are processors, and no more servers and children than fit beside each
# other. A file's tests stay together: they share what is costly to start.
SIDE_BY_SIDE ?= -n logical --maxprocesses 4 --dist loadfile
# Base system, layers and images, some 2 GB, kept between builds.
IMAGE_FOLDER ?= .image
# Of the campaigns: `make chaos SEED=7 MESSAGES=500`. What isn't given, they choose themselves.
option = $(if $($(2)),--$(1) $($(2)))

.PHONY: help setup demo studio test test-slow web-test pictures command-line image image-test bench fault-matrix chaos soak fuzz scaling check format lint types imports coverage lock clean

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | awk -F'|' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(RUNTIME) ## Create .venv with the waveflow command

demo: $(RUNTIME) ## Run the four steps on a small song, or on STEMS="a.wav b.flac"
	$(BIN)/waveflow demo $(STEMS)

studio: $(STUDIO) $(FRONT_END) ## Open the studio: a page to try everything on (needs npm, once)
	$(BIN)/waveflow studio

test: $(DEV) ## Run the tests
	$(BIN)/pytest -m "not slow" $(SIDE_BY_SIDE)

test-slow: $(DEV) ## Run the tests that take minutes (an hour of audio, memory, outages, kill -9)
	$(BIN)/pytest -m slow

web-test: $(DEV) $(FRONT_END) $(EXAMPLES) ## Run the page, the examples and the field's players (npm, Chromium)
	$(BIN)/pytest tests/web/run_*.py

pictures: $(RUNTIME) ## Make the pictures of the documentation anew (but for the studio's)
	docs/pictures/make.sh

command-line: $(DEV) ## Write docs/command-line.md anew, from the commands' help
	$(BIN)/python -m tests.support.command_reference --write

image: ## Build the worker's image with buildah (root, buildah, debootstrap; EXTRAS= leaves ffmpeg out)
	deploy/image/build.sh $(IMAGE_FOLDER) waveflow

image-test: $(DEV) ## Build the images and run them without an engine: a workflow, a drain, docker-compose.yml
	deploy/image/build.sh $(IMAGE_FOLDER) waveflow stand-ins
	deploy/image/test.sh $(IMAGE_FOLDER) -q

bench: $(DEV) ## Measure speed beside other programs (SHORT=1 RUNS= ONLY="kernel mix" AUDIO=folder AGAINST=checkout JSON= MARKDOWN=)
	$(BIN)/python -m benchmarks $(if $(SHORT),--short) $(call option,runs,RUNS) $(call option,only,ONLY) \
		$(call option,audio,AUDIO) $(call option,against,AGAINST) $(call option,json,JSON) $(call option,markdown,MARKDOWN)

fault-matrix: $(DEV) ## Every call of every task, with every fault (SEED=)
	$(BIN)/python -m tests.campaigns.fault_matrix $(call option,seed,SEED)

chaos: $(DEV) ## Kill the worker 25 times while a tenth of all calls fail (SEED= MESSAGES= KILLS=)
	$(BIN)/python -m tests.campaigns.chaos $(call option,seed,SEED) $(call option,messages,MESSAGES) $(call option,kills,KILLS)

soak: $(DEV) ## 20,000 messages through one worker: memory, descriptors, throughput (MESSAGES=)
	$(BIN)/python -m tests.campaigns.soak $(call option,messages,MESSAGES)

fuzz: $(DEV) ## 10,000 mutated audio files through the decoder's children (SEED= FILES=)
	$(BIN)/python -m tests.campaigns.fuzz $(call option,seed,SEED) $(call option,files,FILES)

scaling: $(DEV) ## Simulate one worker to a million stems an hour: docs/scaling.md (SEED=)
	$(BIN)/python -m benchmarks.scaling $(call option,seed,SEED)

check: format lint types imports coverage ## Everything that has to hold before a commit lands

format: $(DEV) ## Check the formatting (ruff format . mends it)
	$(BIN)/ruff format --check .

lint: $(DEV) ## Check the style
	$(BIN)/ruff check .

types: $(DEV) ## Check the types
	$(BIN)/mypy

imports: $(DEV) ## Check who may import whom
	$(BIN)/lint-imports

# Compiled kernels can't be traced, so their tests run once more as plain Python.
coverage: $(DEV) ## Run the tests and gate branch coverage, child processes included
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -m "not slow" $(SIDE_BY_SIDE)
	NUMBA_DISABLE_JIT=1 $(BIN)/coverage run -m pytest --quiet tests/unit/domain/kernels
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# The tests' packages first: what they pin (an S3 server its botocore) is then what is shipped too.
lock: $(DEV) ## Pin the dependencies anew (needs pip-tools)
	CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile $(LOCK) --extra build --extra dev -o requirements-dev.lock pyproject.toml
	CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile $(LOCK) --extra build -c requirements-dev.lock -o requirements.lock pyproject.toml
	CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile $(LOCK) --extra build --extra ffmpeg -c requirements-dev.lock -o requirements-ffmpeg.lock pyproject.toml
	CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile $(LOCK) --extra build --extra stand-ins -c requirements-dev.lock -o requirements-stand-ins.lock pyproject.toml
	CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile $(LOCK) --extra build --extra studio -c requirements-dev.lock -o requirements-studio.lock pyproject.toml
LOCK := --quiet --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host

clean: ## Remove what was made here
	rm -rf $(VENV) build *.egg-info .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache demo-output bench-output examples/node_modules examples/*/dist \
		$(STUDIO_SOURCE)/node_modules $(STUDIO_SOURCE)/vendor $(IMAGE_FOLDER)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "WaveFlow needs Python 3.11 or newer: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): requirements.lock pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@$(BIN)/waveflow warmup --json > /dev/null
	@touch $@

$(STUDIO): requirements-studio.lock $(RUNTIME)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-studio.lock
	@touch $@

$(FRONT_END): $(STUDIO_SOURCE)/package-lock.json $(STUDIO_SOURCE)/vendor.sh
	$(STUDIO_SOURCE)/vendor.sh
	@touch $@

$(EXAMPLES): examples/package-lock.json
	npm --prefix examples ci --no-audit --no-fund
	@touch $@

$(DEV): requirements-dev.lock $(RUNTIME)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	@touch $@

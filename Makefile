# `make help` lists what can be made. Everything lives in .venv and build/; a second run skips what is done.

PYTHON ?= python3
VENV ?= .venv
BUILD ?= build
JOBS ?= $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)

export CMAKE_BUILD_PARALLEL_LEVEL := $(JOBS)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
CCACHE := $(shell command -v ccache 2>/dev/null)
ifneq ($(CCACHE),)
export CMAKE_C_COMPILER_LAUNCHER := $(CCACHE)
export CMAKE_CXX_COMPILER_LAUNCHER := $(CCACHE)
endif

PY := $(VENV)/bin/python
PIP := $(PY) -m pip --quiet
STAMPS := $(VENV)/stamps
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# What the native build reads. Python sources are used in place and need no rebuild.
NATIVE_SOURCES := pyproject.toml CMakeLists.txt tools/requirements.py \
	$(shell find core bindings tests/native -type f 2>/dev/null)

.PHONY: help demo test test-native test-torch parity array-api test-wheel lint fuzz fuzz-calls fuzz-files fuzz-programs sanitize bench docs dev clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*  ##' $(MAKEFILE_LIST) | sed -E 's/:.*  ## /\t/' | sort | \
	    awk -F '\t' '{ printf "  make %-14s %s\n", $$1, $$2 }'

demo: dev $(STAMPS)/demo  ## train a digit classifier on real data and show its answers
	@$(PY) examples/digits.py $(ARGS)

test: dev $(STAMPS)/test $(STAMPS)/demo test-native  ## build what is missing and run the whole test suite
	@$(PY) -m pytest $(ARGS)

test-native: $(STAMPS)/native-tests  ## build and run the C++ tests
	@$(VENV)/bin/ctest --test-dir $(BUILD)/dev --output-on-failure --no-tests=error

test-torch: dev $(STAMPS)/test  ## install PyTorch's CPU build beside it and run the comparisons with it
	@$(PY) -c 'import torch' 2>/dev/null || $(PIP) install 'torch==2.13.0'
	@$(PY) -m pytest $(ARGS)

array-api: dev $(STAMPS)/test  ## run the Array API standard's suite; SUITE=its checkout, ARGS="--max-examples 5"
	@$(PY) -c 'import ndindex, pytest_jsonreport' 2>/dev/null || $(PIP) install 'ndindex>=1.8' pytest-json-report
	@$(PY) tools/array_api.py '$(SUITE)' $(ARGS)

parity: dev $(STAMPS)/test  ## run PyTorch's own operator samples on both and write docs/parity.md
	@$(PY) -c 'import torch, expecttest' 2>/dev/null || $(PIP) install 'torch==2.13.0' expecttest
	@$(PY) -m tools.parity all $(ARGS)

test-wheel: $(STAMPS)/built  ## make the wheel, install it alone in a fresh environment, check its size and that it works
	@$(PY) tools/check_wheel.py $(BUILD)/wheel

lint: dev $(STAMPS)/lint  ## style, types, walls, size budgets, generated files
	@$(PY) -m ruff check .
	@$(PY) tools/check_walls.py
	@$(PY) -m tools.gen_stubs --check
	@$(PY) -m tools.gen_reference --check
	@$(PY) -m mypy tests/tools/typed_program.py

docs: dev  ## write the type stubs and the reference pages anew from the operator records
	@$(PY) -m tools.gen_stubs
	@$(PY) -m tools.gen_reference

bench: dev $(STAMPS)/test  ## every benchmark beside the peers that are installed; ARGS="--quick --only add"
	@$(PY) -m benchmarks $(ARGS)

fuzz: fuzz-calls fuzz-files fuzz-programs  ## all three that follow

fuzz-calls: dev $(STAMPS)/test $(STAMPS)/native-tests  ## a million hostile calls of every operator; ARGS="--calls 20000 --only pool"
	@$(PY) -m tools.fuzz.native --module $(BUILD)/dev/tests/native/fuzz_arguments.so
	@$(PY) -m tools.fuzz $(ARGS)

fuzz-files: dev $(STAMPS)/test $(STAMPS)/native-tests  ## a million changed files, loaded and run; ARGS="--count 20000 --seed 1"
	@$(PY) -m tools.fuzz.files --program $(BUILD)/dev/tests/native/fuzz_files $(ARGS)

fuzz-programs: dev $(STAMPS)/test  ## 10,000 random programs of each kind: compiled, traced, scripted, loaded, native; PROGRAMS=100000
	@RUSHLIGHT_RANDOM_PROGRAMS=$(or $(PROGRAMS),10000) $(PY) -m pytest tests/jit/test_random_programs.py \
		tests/jit/test_script_random.py $(ARGS)

sanitize: $(STAMPS)/test  ## build with the address and undefined-behaviour sanitizers and run all tests under them
	@tools/sanitize $(VENV) $(BUILD) $(ARGS)

dev: $(STAMPS)/built  ## build, and install in place: Python changes count at once, C++ ones after `make dev`

clean:  ## remove the build and the virtual environment
	rm -rf $(BUILD) $(VENV) demo-output .mypy_cache .ruff_cache .hypothesis .pytest_cache

$(STAMPS)/venv:
	@$(PYTHON) tools/check_machine.py
	@echo "Creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --upgrade pip
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/build-tools: pyproject.toml tools/requirements.py | $(STAMPS)/venv
	@echo "Installing what the build needs"
	@$(PY) tools/requirements.py build > $(STAMPS)/build.txt
	@$(PIP) install -r $(STAMPS)/build.txt
	@touch $@

# As old as its beginning: what changes while it builds is built by the next one.
$(STAMPS)/built: $(NATIVE_SOURCES) $(STAMPS)/build-tools
	@touch $@.begun
	@echo "Building Rushlight ($(JOBS) jobs): the first time takes some minutes, without a word in between"
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(PIP) install --no-build-isolation --config-settings=build-dir=$(BUILD)/dev --editable .
	@echo "Built: $(PY) imports it"
	@touch -r $@.begun $@

$(STAMPS)/native-tests: $(STAMPS)/built
	@echo "Building the C++ tests"
	@$(VENV)/bin/cmake -S . -B $(BUILD)/dev -DRUSHLIGHT_TESTS=ON > $(BUILD)/configure.log || { cat $(BUILD)/configure.log; exit 1; }
	@$(VENV)/bin/cmake --build $(BUILD)/dev --target native_tests > $(BUILD)/native-tests.log \
	    || { tail -n 60 $(BUILD)/native-tests.log; exit 1; }
	@touch $@

$(STAMPS)/demo $(STAMPS)/test $(STAMPS)/lint: pyproject.toml tools/requirements.py | $(STAMPS)/venv
	@echo "Installing what the $(@F) needs"
	@$(PY) tools/requirements.py $(@F) > $@.txt
	@$(PIP) install -r $@.txt
	@touch $@

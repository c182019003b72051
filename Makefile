# The usual targets; `make help` lists them.
SHELL := /bin/bash
BUILD := build/release
HONE := $(BUILD)/hone
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local

.PHONY: help all setup configure build demo test test-fast test-slurm bench bench-peers lint format fuzz asan tsan arm64 install clean
.DEFAULT_GOAL := all

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

setup: ## install the Debian packages that are missing
	@scripts/setup.sh

configure: setup
	@mkdir -p build && cmake --preset release >build/configure.log 2>&1 || { cat build/configure.log; exit 1; }

build: configure ## build build/release/hone
	@cmake --build --preset release -j $(JOBS) --target hone_program

all: configure ## build everything, tests too
	@cmake --build --preset release -j $(JOBS)

demo: build ## train, evaluate and report on the embedded reviews
	@scripts/demo.sh $(HONE)

test: all ## build, then run all tests
	@ctest --test-dir $(BUILD) --output-on-failure -j $(JOBS)

test-fast: all ## build, then run the everyday tests
	@ctest --test-dir $(BUILD) --output-on-failure -j $(JOBS) -LE slow

test-slurm: configure ## run a search on a Slurm of its own: three nodes on this machine, some of them killed (as root)
	@scripts/setup.sh tests slurm
	@cmake --build --preset release -j $(JOBS) --target test_cli_slow
	@ctest --test-dir $(BUILD) --output-on-failure -V -R SearchSlurm

bench: setup ## time the kernels, the number formats, sparse products and saving a checkpoint
	@scripts/setup.sh bench
	@cmake --preset release -DHONE_BENCH=ON >/dev/null
	@cmake --build --preset release -j $(JOBS) --target bench_kernels bench_quantizers bench_sparse bench_checkpoint
	@$(BUILD)/bench/bench_kernels
	@$(BUILD)/bench/bench_quantizers
	@$(BUILD)/bench/bench_sparse
	@cd $(BUILD) && bench/bench_checkpoint

bench-peers: build ## measure hone beside PyTorch and ONNX Runtime, write docs/benchmarks.md
	@scripts/setup.sh peers
	@bench/peers/run.sh

lint: ## check formatting and run clang-tidy
	@scripts/lint.sh

format: ## format the sources
	@scripts/setup.sh lint
	@git ls-files '*.cpp' '*.hpp' | xargs clang-format -i

fuzz: ## run every fuzz target for a minute
	@scripts/setup.sh fuzz
	@scripts/fuzz.sh

# Undefined behaviour ends a test instead of being printed beside it. Libraries are not instrumented: what they do
# among themselves is left aside.
asan tsan: setup ## run the tests under a sanitizer
	@scripts/setup.sh fuzz
	@cmake --preset $@ >/dev/null
	@cmake --build --preset $@ -j $(JOBS)
	@UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
	  TSAN_OPTIONS=ignore_noninstrumented_modules=1:halt_on_error=1 \
	  ctest --test-dir build/$@ --output-on-failure -LE slow -j $(JOBS)

arm64: setup ## build for arm64 with a cross compiler, run the everyday tests under emulation
	@scripts/setup.sh arm64
	@scripts/arm64.sh
	@cmake --preset arm64 >/dev/null
	@cmake --build --preset arm64 -j $(JOBS)
	@ctest --test-dir build/arm64 --output-on-failure -LE slow -j $(JOBS)

install: build ## install the program, the library and its CMake package
	@cmake --install $(BUILD) --prefix $(PREFIX)

clean: ## remove everything that was built
	@rm -rf build

# What people expect: make setup build demo test bench bench-peers lint format fuzz install.
SHELL := /bin/bash
BUILD := build/release
JOBS ?= $(shell nproc)

.PHONY: all setup build
all: build

setup: ## install the Debian packages that are missing
	@scripts/setup.sh

build: setup ## build build/release/hone
	@cmake --preset release >/dev/null
	@cmake --build --preset release -j $(JOBS)

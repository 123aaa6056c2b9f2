# byre: build, run and test. `make` alone explains itself.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

ifeq ($(shell go version 2>/dev/null),)
$(error byre needs Go 1.26 or newer: install it from https://go.dev/dl and put it on your PATH)
endif

# One static binary, everywhere; only the race detector needs C.
export CGO_ENABLED := 0

# runtime/secret wipes registers, stacks and dead heap objects of key material;
# Go 1.26 has it on linux alone, as an experiment.
ifneq ($(filter linux/amd64 linux/arm64,$(shell go env GOOS)/$(shell go env GOARCH)),)
export GOEXPERIMENT := runtimesecret
endif

# Tests run inside their package's folder, so the path must be absolute.
ifdef MLS_VECTORS
override MLS_VECTORS := $(abspath $(MLS_VECTORS))
export MLS_VECTORS
endif

DATA ?= ./byre-data
ARGS ?=
FUZZ_TIME ?= 3s
FUZZ_TOTAL ?= 60
BENCH ?= .
BENCH_PKGS ?= ./...

# Where goroutines meet: the packages that the race detector watches in `make
# test`. `make race` watches all.
RACE_PKGS = $(wildcard internal/testnet internal/relay internal/clock internal/seal internal/store internal/client \
	internal/server internal/transport internal/keyring mls/group)

.PHONY: help build web run demo test test-long race lint fuzz bench gen cover \
	step-build step-vet step-lint step-gen step-unit step-plain step-mls step-interop step-scripts step-web step-race step-fuzz step-cross

help: ## show this list
	@echo "byre: an end-to-end encrypted messenger that anyone can host. Targets:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/byred and bin/byre
	@mkdir -p bin
	go build -trimpath -o bin/ ./cmd/...

web: ## build the web client, where node is, for byred to embed
	@web/scripts/build

run: web build ## build the web client and the server, and run it in the foreground, data in ./byre-data (ARGS="--listen ..." adds flags)
	exec ./bin/byred serve --data $(DATA) $(ARGS)

demo: build ## a server seeded with a scripted conversation, and how to join it
	PATH="$(CURDIR)/bin:$$PATH" scripts/demo.sh

test: ## everything that must hold before a change lands (two cores: minutes)
	@scripts/steps step-build step-vet step-lint step-gen step-unit step-plain step-mls step-interop step-scripts step-web step-race step-fuzz step-cross

test-long: ## make test, then the heavy rounds (BYRE_LONG=1), the race detector everywhere, long fuzzing
	@scripts/steps test
	@BYRE_LONG=1 go test -count=1 -timeout 60m ./...
	@scripts/steps race
	@FUZZ_TIME=60s FUZZ_TOTAL=3600 scripts/fuzz

race: ## all tests under the race detector (needs a C compiler)
	@scripts/race -timeout 60m ./...

lint: step-lint ## golangci-lint as pinned, built when missing
	@echo "lint: clean"

fuzz: ## every fuzz target for FUZZ_TIME (3s), FUZZ_TOTAL seconds (60) at most
	@FUZZ_TIME=$(FUZZ_TIME) FUZZ_TOTAL=$(FUZZ_TOTAL) scripts/fuzz

bench: ## Go benchmarks (BENCH=regexp, BENCH_PKGS=./mls/...)
	go test -run '^$$' -bench '$(BENCH)' -benchmem $(BENCH_PKGS)

gen: ## write generated files anew
	go generate ./...

cover: ## test coverage: bin/cover.html and the total
	@mkdir -p bin
	go test -coverpkg=./... -coverprofile=bin/cover.out ./...
	go tool cover -html=bin/cover.out -o bin/cover.html
	@go tool cover -func=bin/cover.out | tail -n 1

# The steps of `make test`.

step-build:
	@go build ./...

step-vet:
	@go vet ./...
	@go vet -tags testhooks ./...
	@GOEXPERIMENT= GOOS=js GOARCH=wasm go vet ./cmd/corewasm ./internal/webcore ./internal/transport/browser ./internal/store/idbstore

step-lint:
	@scripts/lint

step-gen:
	@scripts/gen-check

step-unit:
	@go test -timeout 15m ./internal/testnet ./internal/relay $$(go list ./... | grep -v '/byre/mls') # what takes longest begins first

# Where keys are erased in memory the step above tests builds that do it; who
# builds without make gets none of that, and nothing but that may differ.
step-plain:
	@GOEXPERIMENT= go test -short ./internal/secret ./internal/seal ./internal/vault ./mls/ciphersuite

step-mls:
	@scripts/vectors

# Groups of byre and of another implementation (needs node and npm, or says so).
step-interop:
	@scripts/interop

# The stories of testdata/script move time, which only builds with the tag can.
step-scripts:
	@go test -tags testhooks -timeout 15m ./internal/script/...

# The web client in Chromium (needs node, npm and chromium, or says so).
step-web:
	@web/tests/run

# The stories of many simulated days take minutes under the race detector: `make
# race` has them.
SLOW_RACES = TestRandomFaultSchedules|TestTheWitnessCatches|TestAFirstWelcomeExpires|TestAWelcomeExpiresUnseen|TestEveryAnswerOfAHostileServer|TestThePower|TestTheLineBreaks|TestAHomeCantBeRead|TestAThief|TestHowLongAnEpoch|TestAliceWritesToBobWhoIsAwayForLong|TestALeapDestroysNothing|TestTrueTimeDestroys|TestAUsedEpochIsOver|TestMessagesDisappear|TestTenThousandReconnects|TestCrash|TestNothingGoneOpens|TestNothingOpens72HoursAfterItCame|TestAPlaceThat|TestAHelperThatWasAway|TestLinkingOverBadLines|TestAMemberDraws|TestAPCComesBack|TestTakenOutBeside|TestAnySiblingsAgree

step-race:
	@echo "race: without $(SLOW_RACES) (make race runs them)"
	@BYRE_CHROMIUM= scripts/race -short -timeout 15m -skip '$(SLOW_RACES)' $(addprefix ./,$(addsuffix /...,$(RACE_PKGS)))

step-fuzz:
	@FUZZ_TIME=$(FUZZ_TIME) FUZZ_TOTAL=$(FUZZ_TOTAL) scripts/fuzz

step-cross:
	@scripts/cross

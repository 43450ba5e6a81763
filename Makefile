# What a person types. Targets are thin: each is the command it stands for, so that it can be typed without make.
CARGO ?= cargo
# `make demo ONCE=1` ends by itself instead of waiting for Ctrl-C.
ONCE ?=

# nextest runs each test in a process of its own and obeys .config/nextest.toml; plain cargo does without.
NEXTEST := $(shell $(CARGO) nextest --version >/dev/null 2>&1 && echo yes)

.DEFAULT_GOAL := help
.PHONY: help setup build demo test test-long fuzz lint bench wasm clean

help: ## Lists these targets.
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup: ## Installs what the tests need beside Rust; does nothing when it is there.
	bash tests/setup.sh

build: ## Builds the `merit` binary.
	$(CARGO) build --locked -p merit

demo: build ## Shows the exchange at work on simulated clouds; ONCE=1 ends by itself.
	target/debug/merit demo $(if $(ONCE),--once)

# Binaries and tests are built by one command, so that features are the same and nothing is built twice.
test: setup ## Runs every test.
	$(CARGO) build --locked --workspace --bins --tests
ifeq ($(NEXTEST),yes)
	$(CARGO) nextest run --locked --workspace
	$(CARGO) test --locked --workspace --doc
else
	$(CARGO) test --locked --workspace
endif

test-long: ## Runs the tests whose peers take minutes to install: AWS's runtime client for Node.
	bash tests/setup.sh long
	$(CARGO) build --locked --workspace --bins --features merit-tests/long
ifeq ($(NEXTEST),yes)
	$(CARGO) nextest run --locked --workspace --features merit-tests/long -E 'binary(peers) and test(long)'
else
	$(CARGO) test --locked --workspace --features merit-tests/long --test peers long
endif

fuzz: ## Runs every fuzz target for a minute, guided by coverage; FUZZ_SECONDS changes that.
	fuzz/run.sh

# A build without the clouds and WebAssembly is another program: what only they use would be left over in it.
SMALL := -p merit --no-default-features --features http,pool

lint: ## Checks formatting, clippy (of the small build too) and, when cargo-deny is there, licences and bans.
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) clippy --locked $(SMALL) --all-targets -- -D warnings
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny check bans licenses sources; \
	else echo 'lint: SKIPPED cargo-deny, which is not installed (cargo install --locked cargo-deny)'; fi

# The load harness measures the binary as it is shipped, and its baseline built the same way.
bench: ## Measures: micro benches, then the broker under load beside a bare pass-through.
	$(CARGO) bench --locked -p merit-benches
	$(CARGO) build --locked --profile dist -p merit -p merit-benches
	target/dist/compare
	target/dist/doors
	target/dist/reprice
	target/dist/quotes
	target/dist/feed
	target/dist/memory

wasm: setup ## Rebuilds the sample functions, as WebAssembly, from their sources.
	examples/functions/build.sh

clean: ## Removes what was built.
	$(CARGO) clean

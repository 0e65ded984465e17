# refit: what can be done here. Each target does all of its own set-up; `make help` lists them.

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
# nextest, where it is there, runs engine tests one after another and the rest beside them.
NEXTEST := $(shell command -v cargo-nextest 2>/dev/null)
# Benchmarks are not tests; they have a target of their own.
TARGETS := --lib --bins --tests --examples
# The test targets that start real engines, as in .config/nextest.toml.
ENGINES := binary(/^(engine|lab_itself|e2e)/)
ifeq ($(REFIT_NO_ENGINE),1)
NO_ENGINE := 1
SETUP := @echo "REFIT_NO_ENGINE=1: tests on real engines are left out, and listed at the end"
else
SETUP := @tests/lab/setup.sh --tests
endif

.DEFAULT_GOAL := help
.PHONY: help demo test otlp bench prove simulate scale hurt fuzz deny fmt clippy check install clean-lab clean-demo

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## see it work: three real hosts, a patched base, a rollout under load, a bad patch that rolls back
	@tests/lab/setup.sh
	$(CARGO) build --bin refit --example load
	@examples/shop/demo.sh "$(TARGET)/debug"

test: ## run all tests, those on real engines included
	$(SETUP)
	$(CARGO) test --doc --quiet
ifdef NEXTEST
	$(CARGO) nextest run $(TARGETS) $(if $(CI),--profile ci) $(if $(NO_ENGINE),-E 'not $(ENGINES)')
ifdef NO_ENGINE
	@echo "left out because of REFIT_NO_ENGINE=1:"
	@$(CARGO) nextest list $(TARGETS) -E '$(ENGINES)' 2>/dev/null
endif
else
	@# Few threads: engine tests start several engines each. What is left out says so in its output.
	$(CARGO) test $(TARGETS) -- --test-threads=2 $(if $(NO_ENGINE),--show-output)
endif

otlp: ## build with the feature otlp, and see a run's spans at a collector
	$(CARGO) test --features otlp --lib -- telemetry
	$(CARGO) test --features otlp --test otlp

bench: ## measure, and write docs/benchmarks.md
	@tests/lab/setup.sh --tests
	$(CARGO) bench --bench figures

prove: ## explore everything that can happen during a rollout, and write docs/reliability.md
	$(CARGO) bench --bench prove

simulate: ## tell many rollouts with faults, one from each seed: SEEDS=10000, or SEED=7 to replay one
	$(CARGO) bench --bench simulate -- $(if $(SEED),seed $(SEED),seeds $(or $(SEEDS),10000) from $(or $(FROM),1))

scale: ## measure one rollout over 100, 1,000 and 10,000 simulated hosts
	$(CARGO) bench --bench simulate -- scale

hurt: ## break real engines in every phase, kill refit KILLS=200 times under load, and write docs/reliability.md
	@tests/lab/setup.sh --tests
	REFIT_FIGURES=1 REFIT_KILLS=$(or $(KILLS),200) $(CARGO) test --test e2e_break --test e2e_kill9 -- --include-ignored --test-threads=1 --nocapture

# What each target begins with: samples that are in the tree.
FUZZ_SEEDS_hook_bodies = tests/hooks
FUZZ_SEEDS_dockerfile = examples/shop/images
FUZZ_SEEDS_pipeline = pipelines examples/shop/pipelines

fuzz: ## throw random hooks, Dockerfiles and pipelines at what reads them: FUZZ_SECONDS=60 for each
	@command -v c++ >/dev/null || { echo "libFuzzer is built from C++: install a compiler (apt-get install g++)" >&2; exit 1; }
	@$(CARGO) fuzz --version >/dev/null 2>&1 || $(CARGO) install --locked cargo-fuzz
	@# The readers hold no unsafe code, so no sanitizer; RUSTC_BOOTSTRAP because cargo-fuzz asks the stable compiler for what only nightly allows.
	$(foreach target,hook_bodies dockerfile pipeline,mkdir -p fuzz/corpus/$(target) && \
		RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run --sanitizer none $(target) fuzz/corpus/$(target) $(FUZZ_SEEDS_$(target)) -- \
		-max_total_time=$(or $(FUZZ_SECONDS),60) -timeout=10 -max_len=65536 &&) true

deny: ## check the dependencies: advisories, licences, bans, duplicates
	@command -v cargo-deny >/dev/null || $(CARGO) install --locked cargo-deny
	$(CARGO) deny check bans licenses sources
	@$(CARGO) deny check advisories || { echo "advisories: see above; the database is fetched from the network" >&2; exit 1; }

fmt: ## format the code
	$(CARGO) fmt

clippy: ## lint the code, warnings denied
	$(CARGO) clippy --all-targets -- -D warnings

check: ## format, lints and the tests that need no engine
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	REFIT_NO_ENGINE=1 $(MAKE) test

install: ## install refit for this user
	$(CARGO) install --path . --locked

clean-lab: ## take away what killed tests and demos left behind
	@tests/lab/lab.sh sweep

clean-demo: ## take the demo's hosts away
	@examples/shop/demo.sh --clean

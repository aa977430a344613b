# What people type: make (builds), make demo, make test. Everything lands under build/.
BUILD ?= build
JOBS ?= $(shell nproc)

.PHONY: all build demo test test-arm64 bench bench-peers lint package install clean

all: build

build: ## programs into build/bin
	@scripts/install-packages build
	@cmake -G Ninja -S . -B $(BUILD)/release -DCMAKE_BUILD_TYPE=Release -DBELLTOWER_TESTS=OFF >/dev/null
	@ninja -C $(BUILD)/release -j $(JOBS) --quiet
	@mkdir -p $(BUILD) && ln -sfn release/bin $(BUILD)/bin && ln -sfn release/lib $(BUILD)/lib

demo: build ## two tenants, a simulated day each, on a RabbitMQ of its own
	@scripts/install-packages run
	@scripts/demo

test: ## installs, builds with sanitizers, runs every test against the real components
	@scripts/install-packages build run test
	@tests/run

test-arm64: ## the parts that decide results, cross-compiled for 64-bit ARM and tested under qemu
	@scripts/install-packages build test arm64
	@tests/arm64

bench: ## ratios against baselines of the same run: a table, and build/bench.json (ONLY=worker,engine RUNS=5 for less or more)
	@scripts/install-packages build run bench
	@cmake -G Ninja -S . -B $(BUILD)/bench -DCMAKE_BUILD_TYPE=Release -DBELLTOWER_TESTS=OFF -DBELLTOWER_BENCH=ON >/dev/null
	@ninja -C $(BUILD)/bench -j $(JOBS) --quiet
	@BELLTOWER_BIN=$(abspath $(BUILD))/bench/bin bench/run --only "$(ONLY)" $(if $(RUNS),--runs $(RUNS)) --json $(BUILD)/bench.json

bench-peers: ## Apache Flink doing the same work on the same events beside Belltower (needs Java 17 and Maven)
	@scripts/install-packages build run bench
	@cmake -G Ninja -S . -B $(BUILD)/bench -DCMAKE_BUILD_TYPE=Release -DBELLTOWER_TESTS=OFF -DBELLTOWER_BENCH=ON >/dev/null
	@ninja -C $(BUILD)/bench -j $(JOBS) --quiet
	@BELLTOWER_BIN=$(abspath $(BUILD))/bench/bin bench/peers/run --json $(BUILD)/bench-peers.json

lint: ## formatter and clang-tidy
	@scripts/install-packages build test
	@tests/lint

package: build ## a .deb in build/
	@scripts/install-packages package
	@cd $(BUILD)/release && cpack -G DEB -B .. >/dev/null
	@ls $(BUILD)/*.deb

install: build
	@cmake --install $(BUILD)/release

clean:
	rm -rf $(BUILD)

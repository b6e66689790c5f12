# Every target uses the Node.js of node_modules (the package "node"); a system npm is needed only to install that.
SYSTEM_PATH := $(PATH)
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

INSTALLED := node_modules/.package-lock.json
GENERATORS := hack/generate/crds.ts hack/generate/docs.ts hack/generate/benchmarks.ts

# A test that hangs fails after half an hour; the longest, in a whole cluster, takes minutes.
NODE_TEST := node --test --test-timeout=1800000

# Where `make image` pushes to.
REGISTRY ?= 127.0.0.1:5000
TAG ?= dev

.DEFAULT_GOAL := help
.PHONY: help install generate check test test-unit test-api test-e2e tools cluster-up cluster-down shell demo bench bench-admission bench-backtest bench-build bench-convert bench-node-fallback bench-prefetch bench-prefetch-list image clean

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(INSTALLED) ## Install the npm packages, Node.js among them (npm ci), when package-lock.json is newer

# npm removes node_modules first, so it must not run on the Node.js in there.
$(INSTALLED): package-lock.json
	PATH="$(SYSTEM_PATH)" npm ci --no-audit --no-fund
	touch $@

generate: install ## Write what is generated: CRDs and API reference from src/api, docs/benchmarks.md from test/bench/results
	@for generator in $(GENERATORS); do node $$generator || exit 1; done

check: install ## Check types, lint, format, and that generated files are fresh
	tsc
	oxlint
	prettier --check --log-level warn .
	@for generator in $(GENERATORS); do node $$generator --check || exit 1; done

test: install tools ## Run every test: unit, API server, registry, converter, Dragonfly, end to end
	$(NODE_TEST) 'src/**/*.test.ts' 'hack/**/*.test.ts' 'test/**/*.test.ts'

test-unit: install ## Run the tests that start nothing outside Node.js
	$(NODE_TEST) 'src/**/*.test.ts' 'hack/**/*.test.ts' 'test/conventions/*.test.ts'

test-api: install ## Run the tests against a real kube-apiserver
	node hack/tools/main.ts etcd kube-apiserver kube-controller-manager kubectl helm prometheus
	$(NODE_TEST) 'test/api/**/*.test.ts'

test-e2e: install tools ## Run the tests against a whole development cluster
	$(NODE_TEST) 'test/e2e/**/*.test.ts'

tools: install ## Get the programs that the tests and the cluster run (Kubernetes, containerd, Nydus, …) into the cache
	node hack/tools/main.ts

cluster-up: install ## Start the development cluster (OPTIONS='--nodes 2 --seed' …)
	node hack/cluster/up.ts $(OPTIONS)

cluster-down: install ## Stop the development cluster
	node hack/cluster/down.ts

shell: install ## Open a shell in the development cluster, with kubectl and helm
	node hack/cluster/shell.ts

demo: install ## Show the product at work in a cluster of its own, and measure it
	node hack/demo/main.ts

bench: install tools ## Run every benchmark; results are kept in test/bench/results
	node test/bench/main.ts

bench-admission: install ## Measure the latency of the admission webhook and the cost of its index
	node hack/tools/main.ts etcd kube-apiserver helm
	node test/bench/main.ts admission

bench-backtest: install ## Measure how well scale-outs are foreseen, on load traces and generated loads
	node test/bench/main.ts backtest

bench-build: install tools ## Measure the ways to a Nydus image: convert after the push, both formats by one build, Nydus alone
	node test/bench/main.ts build

bench-convert: install tools ## Measure conversions against the CPU floor and against step after step, and what reuse saves
	node test/bench/main.ts convert

bench-node-fallback: install tools ## Measure Nydus Pods while the Dragonfly peer of their node is up, dead, hung and back
	node test/bench/main.ts node-fallback

bench-prefetch-list: install tools ## Measure starts without a prefetch list, with the learnt one, and with everything fetched
	node test/bench/main.ts prefetch-list

bench-prefetch: install tools ## Measure scale-outs without Dragonfly, with it and with Slipstream, and the lead over 20 shapes of load
	node test/bench/main.ts prefetch

image: install ## Build the container image and push it (REGISTRY=127.0.0.1:5000 TAG=dev)
	node hack/tools/main.ts crane
	node hack/image/main.ts --registry $(REGISTRY) --tag $(TAG)

clean: ## Remove node_modules (tools stay in the cache)
	rm -rf node_modules

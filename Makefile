# Slipway: `make demo` shows the main job, `make test` passes the tests. Everything else is for
# those who build it.

GO ?= go

.PHONY: demo test prove lint bench fuzz soak build

# The whole main job on this machine, without any account. ARGS="--auto" runs it unattended;
# ARGS="--auto --repo PATH --version V" does it on a copy of your own repository.
demo: build
	@bin/slipway demo $(ARGS)

# Only Go and git are needed; nothing is installed, nothing is skipped.
test: check-go
	$(GO) test -timeout 9m ./...

# The race detector and the real counterparts; installs those that are missing.
prove: check-go
	@test/prove

lint: check-go
	@test/lint

# Ratios to a limit measured in the same run; then, without ARGS, archives of packages beside
# apt-ftparchive and reprepro. ARGS="-archive" measures only these.
bench: check-go
	$(GO) run ./test/bench $(ARGS)
	@[ -n "$(ARGS)" ] || $(GO) run ./test/bench -archive -rounds 5

FUZZTIME ?= 30s
fuzz: check-go
	@test/fuzz $(FUZZTIME)

# The long forms of the crash sweeps, the walk and the simulations, and of the race of clients with
# those who publish, which needs apt, gnupg, reprepro and aptly.
soak: check-go
	SLIPWAY_SOAK=1 $(GO) test -timeout 6h -count=1 ./test/... ./bot/... ./state/... ./cmd/slipway/...
	SLIPWAY_SOAK=1 $(GO) test -tags prove -timeout 3h -count=1 -v ./test/archive/race
	SLIPWAY_SOAK=1 $(GO) test -tags prove -timeout 2h -count=1 -v -run '^TestTheBotDies$$' ./test/gitlab

build: check-go
	@[ -x bin/slipway ] || echo "Building Slipway; the first time takes a few minutes."
	@$(GO) build -trimpath -o bin/ ./cmd/...

.PHONY: check-go
check-go:
	@command -v git >/dev/null || { echo "Slipway needs git: apt-get install git"; exit 1; }
	@command -v $(GO) >/dev/null || { echo "Slipway needs Go 1.26 or newer: https://go.dev/dl/"; exit 1; }
	@$(GO) version | awk '{sub(/^go/,"",$$3); split($$3,v,"."); if (v[1]<1 || v[1]==1 && v[2]<26) {print "Slipway needs Go 1.26 or newer; this is " $$3; exit 1}}'

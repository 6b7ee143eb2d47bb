# Each target works alone. `make quick` before a commit, `make ci` before a merge.

CHAOS_SECONDS ?= 60

.PHONY: run quick test ci docs dependencies full peers chaos fuzz bench

FUZZ_SECONDS ?= 30
FUZZ_TARGETS = target_path host forwarded_for cookie record return_url config encoding expression nginx_question llng \
	node_answer validate_request

run:          ## the daemon with config.yaml
	cargo run --release

quick:        ## two minutes: format, lints, unit tests
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo test --lib

test:         ## every scenario once: installs what is missing, then format, lints, all tests
	.ci/run

ci: test docs dependencies   ## what a merge needs

docs:         ## every link and every public item
	RUSTDOCFLAGS=-Dwarnings cargo doc --no-deps --document-private-items

dependencies: ## licences, sources, duplicates, and crates that nothing uses
	command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
	command -v cargo-machete >/dev/null || cargo install --locked cargo-machete
	cargo deny check bans licenses sources
	cargo machete

full: ci peers chaos fuzz bench    ## what a release needs

peers:        ## the real LemonLDAP::NG and Vouchsafe, asked the same: installs it (Debian 12)
	tests/peers/run

chaos:        ## faults under load, and an exact account: writes the figures of docs/reliability.md
	CHAOS_SECONDS=$(CHAOS_SECONDS) cargo test --test reliability -- --ignored --nocapture

fuzz:         ## every parser of foreign bytes, FUZZ_SECONDS each
	command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
	for target in $(FUZZ_TARGETS); do \
		mkdir -p fuzz/found/$$target && \
		RUSTC_BOOTSTRAP=1 cargo fuzz run $$target fuzz/found/$$target fuzz/corpus/$$target \
			-- -max_total_time=$(FUZZ_SECONDS) || exit 1; \
	done

bench:        ## figures of docs/benchmarks.md
	benches/run
	benches/federation
	benches/store

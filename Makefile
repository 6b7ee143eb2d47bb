# Each target works alone. `make quick` before a commit, `make ci` before a merge.

.PHONY: run quick test ci full bench

run:          ## the daemon with config.yaml
	cargo run --release

quick:        ## a minute: format, lints, unit tests
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo test --lib

test:         ## everything: installs what is missing, then format, lints, all tests
	.ci/run

ci: test      ## what a merge needs

full: ci      ## ci, documentation and dependencies
	RUSTDOCFLAGS=-Dwarnings cargo doc --no-deps --document-private-items
	cargo test --release --tests

bench:        ## figures of docs/benchmarks.md
	cargo bench

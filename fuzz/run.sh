#!/usr/bin/env bash
# Runs fuzz targets, each for FUZZ_SECONDS (60), guided by coverage: libFuzzer on the stable toolchain, with the
# compiler's own coverage instrumentation of all Rust code. All targets, or those named.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${FUZZ_SECONDS:-60}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-../target}/fuzz
CARGO_TARGET_DIR=$(realpath -m "$CARGO_TARGET_DIR")

if ! command -v "${CXX:-c++}" >/dev/null; then
    echo 'fuzz: needs a C++ compiler for libFuzzer; install one (Debian: apt-get install g++) or set CXX' >&2
    exit 1
fi
host=$(rustc -vV | sed -n 's/^host: //p')
case $host in
    *-linux-*) ;;
    *) echo "fuzz: runs on Linux; this is $host" >&2; exit 1 ;;
esac

# What cargo-fuzz passes with `--sanitizer none`; none of it needs a nightly compiler. With --target, build scripts
# and procedural macros stay as they are.
coverage='-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4'
coverage+=' -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table'
coverage+=' -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1'
RUSTFLAGS="${RUSTFLAGS:-} $coverage" "${CARGO:-cargo}" build --locked --release --target "$host" --bins

targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    for file in bin/*.rs; do targets+=("$(basename "$file" .rs)"); done
fi
for target in "${targets[@]}"; do
    corpus=$CARGO_TARGET_DIR/corpus/$target artifacts=$CARGO_TARGET_DIR/artifacts/$target
    mkdir -p "$corpus" "$artifacts"
    echo "fuzz: $target for $seconds s"
    if ! MERIT_FUZZ_SEEDS=$corpus "$CARGO_TARGET_DIR/$host/release/$target" -max_total_time="$seconds" -timeout=10 \
        -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$artifacts/" "$corpus" >"$artifacts/log" 2>&1; then
        tail -n 40 "$artifacts/log" >&2
        echo "fuzz: $target failed; its input is in $artifacts; again: $CARGO_TARGET_DIR/$host/release/$target INPUT" >&2
        exit 1
    fi
    sed -n 's/^stat::number_of_executed_units: */  runs: /p' "$artifacts/log"
    grep -E 'INITED|DONE' "$artifacts/log" | sed 's/^/  /'
done

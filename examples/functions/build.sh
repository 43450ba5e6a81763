#!/bin/sh
# Builds the sample functions from their sources with what Debian ships.
#
#   build.sh            writes each <name>/<name>.wasm beside its source
#   build.sh DIRECTORY  writes DIRECTORY/<name>.wasm instead
#
# The same compilers give the same bytes: paths are mapped away, nothing carries a date, and
# the crates come from Debian's packages. Another version of a compiler gives other bytes that
# must behave the same; sandbox/tests/examples.rs checks it.
set -eu

packages="clang lld wasi-libc libclang-rt-dev-wasm32 libstb-dev binaryen \
rustc cargo libstd-rust-dev-wasm32 librust-pulldown-cmark-dev librust-serde-json-dev"

c_functions="thumbnail primes wait"
rust_functions="markdown json-transform"

missing() {
    echo "build.sh: $1 is missing; install the compilers: apt-get install $packages" >&2
    exit 1
}

# By full path: a rustup toolchain earlier on PATH has no WASI standard library.
for tool in /usr/bin/clang /usr/bin/wasm-ld /usr/bin/wasm-opt /usr/bin/rustc /usr/bin/cargo; do
    [ -x "$tool" ] || missing "$tool"
done
[ -f /usr/include/stb/stb_image.h ] || missing "/usr/include/stb/stb_image.h"
[ -f /usr/include/wasm32-wasi/stdio.h ] || missing "wasi-libc"
for crate in pulldown-cmark serde_json; do
    ls -d /usr/share/cargo/registry/"$crate"-[0-9]* >/dev/null 2>&1 || missing "the source of the crate $crate"
done
# Rust renamed its WASI target; Debian 12 has the first name, Debian 13 the second.
rust_target=
for target in wasm32-wasi wasm32-wasip1; do
    [ -d "$(/usr/bin/rustc --print sysroot)/lib/rustlib/$target/lib" ] && rust_target=$target
done
[ -n "$rust_target" ] || missing "Rust's standard library for wasm32-wasi"

sources=$(cd "$(dirname "$0")" && pwd)
out=${1:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Shrinks a module and puts it where it belongs, in one step, so that no half-written one is left.
finish() {
    if [ -n "$out" ]; then target="$out/$1.wasm"; else target="$sources/$1/$1.wasm"; fi
    mkdir -p "$(dirname "$target")"
    /usr/bin/wasm-opt -O3 --strip-debug --strip-producers "$2" -o "$work/$1.opt.wasm"
    cp "$work/$1.opt.wasm" "$target.new"
    mv "$target.new" "$target"
    echo "$target: $(wc -c <"$target") bytes"
}

# stb alone, as a system header: its neighbours in /usr/include are for this machine, and only
# warnings of our own lines should show.
mkdir "$work/include"
ln -s /usr/include/stb "$work/include/stb"
for name in $c_functions; do
    /usr/bin/clang --target=wasm32-wasi --sysroot=/usr -isystem "$work/include" \
        -std=gnu17 -O2 -Wall -Wextra -Werror -ffile-prefix-map="$sources=." -ffile-prefix-map="$work/include=." -Wl,--strip-all \
        "$sources/$name/$name.c" -o "$work/$name.wasm"
    finish "$name" "$work/$name.wasm"
done

# A cargo home of its own: the user's settings neither help nor hinder.
mkdir "$work/cargo"
cat >"$work/cargo/config.toml" <<CONFIG
[source.crates-io]
replace-with = "debian"
[source.debian]
directory = "/usr/share/cargo/registry"
CONFIG
for name in $rust_functions; do
    mkdir "$work/$name"
    cp "$sources/$name/Cargo.toml" "$sources/$name/main.rs" "$work/$name/"
    (
        cd "$work/$name"
        env -u RUSTC_WRAPPER -u RUSTC_WORKSPACE_WRAPPER -u CARGO_BUILD_TARGET -u CARGO_ENCODED_RUSTFLAGS \
            CARGO_HOME="$work/cargo" CARGO_TARGET_DIR="$work/target" RUSTC=/usr/bin/rustc \
            RUSTFLAGS="--remap-path-prefix=$work=. --remap-path-prefix=/usr/share/cargo/registry=crates" \
            /usr/bin/cargo build --quiet --offline --release --target "$rust_target"
    )
    finish "$name" "$work/target/$rust_target/release/$name.wasm"
done

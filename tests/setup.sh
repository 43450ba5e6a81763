#!/usr/bin/env bash
# Installs what the tests need beside the Rust toolchain. Safe to repeat: what is there is left alone,
# and when nothing is missing nothing is asked of the network. `setup.sh long` installs what `make test-long` needs besides.
set -euo pipefail
long=${1:-}

# Debian package, and what it brings: a file, or a command when there is no slash in it.
needs=(
  # SQLite and aws-lc are written in C.
  "build-essential             cc"
  # The sample functions are rebuilt to see that the committed modules behave the same
  # (examples/functions/build.sh).
  "clang                       /usr/bin/clang"
  "lld                         /usr/bin/wasm-ld"
  "wasi-libc                   /usr/include/wasm32-wasi/stdio.h"
  "libclang-rt-dev-wasm32      /usr/lib/llvm-*/lib/clang/*/lib/wasi/libclang_rt.builtins-wasm32.a"
  "libstb-dev                  /usr/include/stb/stb_image.h"
  "binaryen                    /usr/bin/wasm-opt"
  "rustc                       /usr/bin/rustc"
  "cargo                       /usr/bin/cargo"
  "libstd-rust-dev-wasm32      /usr/lib/rustlib/wasm32-wasi*/lib"
  "librust-pulldown-cmark-dev  /usr/share/cargo/registry/pulldown-cmark-*"
  "librust-serde-json-dev      /usr/share/cargo/registry/serde_json-*"
  # What programs run in, and what the tests' own programs are written in (sandbox/programs/tests).
  "bubblewrap                  bwrap"
  "runsc                       runsc"
  "python3                     /usr/bin/python3"
  # The network of its own that a pool is tested in (tests/scenarios/pool_joined.rs).
  "iproute2                    ip"
  # Real clients of Merit, and real servers behind it (tests/peers).
  "python3-venv                python3"
  "nodejs                      node"
  "npm                         npm"
)

if [ -n "$long" ]; then
  # AWS's runtime client for Node is compiled when it is installed (tests/peers/long).
  needs+=(
    "cmake        cmake"
    "autoconf     autoconf"
    "automake     automake"
    "libtool      libtoolize"
    "libnode-dev  /usr/include/node/node.h"
  )
fi

there() {
  case $1 in
    */*) compgen -G "$1" >/dev/null ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

missing=()
for need in "${needs[@]}"; do
  read -r package brings <<<"$need"
  there "$brings" || missing+=("$package")
done

# Clients and servers of others, beside the tests that speak to them; installed again when what is asked for changes.
peers=$(cd "$(dirname "$0")/peers" && pwd)
# Runtimes of others, for programs that run under the system's own Python.
programs=$(cd "$(dirname "$0")/../sandbox/programs/tests/peers" && pwd)
# A Lambda function in Rust, for which its own crates are fetched and built once.
rust=$(cd "$(dirname "$0")/../examples/programs/rust" && pwd)
rust_there() {
  local built=$rust/target/release/lambda-function
  [ -x "$built" ] && [ -z "$(find "$rust/src" "$rust/Cargo.toml" "$rust/Cargo.lock" -newer "$built")" ]
}
# What folders of peers have been installed from.
python_there() { cmp -s "$1/requirements.txt" "$1/.venv/installed.txt"; }
node_there() { cmp -s "$1/package.json" "$1/node_modules/installed.json"; }
peers_there() {
  rust_there && python_there "$programs" && python_there "$peers" && node_there "$programs" && node_there "$peers" &&
    [ -x "$peers/.venv/bin/cargo-lambda" ] && { [ -z "$long" ] || node_there "$peers/long"; }
}
install_node() {
  node_there "$1" && return
  (cd "$1" && npm install --silent --no-audit --no-fund --no-package-lock)
  cp "$1/package.json" "$1/node_modules/installed.json"
}
install_peers() {
  if ! python_there "$peers"; then
    python3 -m venv "$peers/.venv"
    "$peers/.venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$peers/requirements.txt"
    cp "$peers/requirements.txt" "$peers/.venv/installed.txt"
  fi
  # Apart, for it would bring a compiler to build for other machines with, which nothing here does.
  if ! [ -x "$peers/.venv/bin/cargo-lambda" ]; then
    "$peers/.venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps cargo-lambda==1.9.2
  fi
  install_node "$peers"
  install_node "$programs"
  # The headers are those of the system's Node, or node-gyp would fetch others.
  [ -z "$long" ] || npm_config_nodedir=/usr install_node "$peers/long"
  if ! python_there "$programs"; then
    rm -rf "$programs/.venv"
    "$peers/.venv/bin/python" -m pip install --quiet --disable-pip-version-check --target "$programs/.venv" \
      --python-version "$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')" --only-binary=:all: \
      -r "$programs/requirements.txt"
    cp "$programs/requirements.txt" "$programs/.venv/installed.txt"
  fi
  # In its own folder wherever other builds go, and with the toolchain that builds Merit.
  rust_there || (cd "$rust" && cargo build --quiet --release --locked --target-dir target && touch target/release/lambda-function)
  echo "setup: the peers in tests/peers, sandbox/programs/tests/peers and examples/programs are installed"
}

if [ ${#missing[@]} -eq 0 ] && peers_there; then
  echo "setup: nothing is missing"
  exit 0
fi
if [ ${#missing[@]} -eq 0 ]; then
  install_peers
  exit 0
fi
echo "setup: missing: ${missing[*]}"

if ! command -v apt-get >/dev/null; then
  echo "setup: there is no apt-get here; install the equivalents of these Debian packages, then try again" >&2
  exit 1
fi

apt() {
  if [ "$(id -u)" -eq 0 ]; then
    DEBIAN_FRONTEND=noninteractive apt-get "$@"
  elif command -v sudo >/dev/null; then
    sudo DEBIAN_FRONTEND=noninteractive apt-get "$@"
  else
    echo "setup: run it as root, or install sudo" >&2
    return 1
  fi
}
install() { apt install -y -qq --no-install-recommends "$@" >/dev/null; }

apt update -qq || echo "setup: the list of packages was not refreshed; trying with the old one" >&2
if ! install "${missing[@]}"; then
  # One by one, to name those that are not to be had.
  for package in "${missing[@]}"; do
    install "$package" || { echo "setup: $package can't be installed; the tests that need it would fail" >&2; exit 1; }
  done
fi
echo "setup: installed: ${missing[*]}"
install_peers

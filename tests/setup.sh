#!/usr/bin/env bash
# Installs what the tests need beside the Rust toolchain. Safe to repeat: what is there is left alone,
# and when nothing is missing nothing is asked of the network.
set -euo pipefail

# Debian package, and how to see that what it brings is there: a command, or a file.
needs=(
  "build-essential  cc"          # SQLite and aws-lc are C
  "clang            clang"       # the sample functions, rebuilt to check the committed ones
  "lld              wasm-ld"
  "wasi-libc        /usr/include/wasm32-wasi/stdio.h"
  "libclang-rt-14-dev-wasm32 /usr/lib/llvm-14/lib/clang/14*/lib/wasi/libclang_rt.builtins-wasm32.a"
)

there() {
  case $1 in
    /*) compgen -G "$1" >/dev/null ;;
    *) command -v "$1" >/dev/null ;;
  esac
}

missing=()
for need in "${needs[@]}"; do
  read -r package sign <<<"$need"
  there "$sign" || missing+=("$package")
done

if [ ${#missing[@]} -eq 0 ]; then
  echo "setup: nothing is missing"
  exit 0
fi
echo "setup: missing: ${missing[*]}"

if ! command -v apt-get >/dev/null; then
  echo "setup: this system has no apt-get; install the equivalents of these Debian packages and try again" >&2
  exit 1
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "setup: run as root, or install sudo" >&2; exit 1; }
  as_root=(sudo)
fi

export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq || echo "setup: the list of packages could not be refreshed; trying with the old one" >&2
for package in "${missing[@]}"; do
  if ! "${as_root[@]}" apt-get install -y -qq --no-install-recommends "$package" >/dev/null; then
    echo "setup: apt-get could not install $package; the tests that need it would fail" >&2
    exit 1
  fi
  echo "setup: installed $package"
done

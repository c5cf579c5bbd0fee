#!/usr/bin/env bash
# Builds ringscope's libraries for C and C++ and installs them.
#
#     scripts/capi.sh [--release] [FOLDER]      FOLDER: target/capi, if none is named
#
#   FOLDER/lib/libringscope.so -> libringscope.so.1   the shared library
#   FOLDER/lib/libringscope.a                         the static one
#   FOLDER/lib/pkgconfig/ringscope.pc                 for pkg-config; `--static` adds what the static one needs
#   FOLDER/include/ringscope.h                        the interface
#   FOLDER/include/ringscope/                         headers of kernels, and host/, which runs them on CPU threads
#
# Needs Rust and a C++ compiler. `--release` optimizes them. docs/c-api.md shows a first program.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
usage() { sed -n '2,13s/^# \{0,1\}//p' "$0"; }

profile=dev
folder=
for argument in "$@"; do
    case $argument in
        -h | --help) usage; exit 0 ;;
        --release) profile=release ;;
        -*) usage >&2; exit 2 ;;
        *) [[ -z $folder ]] || { usage >&2; exit 2; }; folder=$argument ;;
    esac
done
folder=${folder:-$here/target/capi}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

cd "$here"
# The first number of a shared library's name is that of the interface.
interface=$(sed -n 's/^#define RINGSCOPE_C_INTERFACE \([0-9]*\)u\{0,1\}$/\1/p' include/ringscope.h)
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1)
[[ -n $interface && -n $version ]] || { echo "capi: no version in include/ringscope.h or Cargo.toml" >&2; exit 1; }

target=${CARGO_TARGET_DIR:-target}
# Python and others load the shared library with dlopen.
said=$(RINGSCOPE_HOST_DLOPEN=1 CARGO_TERM_COLOR=never cargo rustc -p ringscope --lib --profile "$profile" --features capi \
    --crate-type cdylib,staticlib -- -C "link-arg=-Wl,-soname,libringscope.so.$interface" --print native-static-libs 2>&1) ||
    { echo "$said" >&2; exit 1; }
libraries=$(sed -n 's/^note: native-static-libs: //p' <<<"$said" | tail -1)
[[ -n $libraries ]] || { echo "$said" >&2; echo "capi: rustc did not say what the static library needs" >&2; exit 1; }
built=$target/$([[ $profile = dev ]] && echo debug || echo "$profile")

mkdir -p "$folder/lib/pkgconfig" "$folder/include"
install -m 755 "$built/libringscope.so" "$folder/lib/libringscope.so.$interface"
ln -sf "libringscope.so.$interface" "$folder/lib/libringscope.so"
install -m 644 "$built/libringscope.a" "$folder/lib/libringscope.a"
install -m 644 include/ringscope.h "$folder/include/ringscope.h"
rm -rf "$folder/include/ringscope"
cp -r kernels/include/ringscope "$folder/include/ringscope"
mkdir "$folder/include/ringscope/host"
cp kernels/host/shim.cpp kernels/host/*.h "$folder/include/ringscope/host"
# In the sources the host's files lie beside the headers' folder.
grep -q '"../../host/shim.h"' "$folder/include/ringscope/platform.cuh"
sed -i 's|"../../host/shim.h"|"host/shim.h"|' "$folder/include/ringscope/platform.cuh"

cat >"$folder/lib/pkgconfig/ringscope.pc" <<PC
prefix=\${pcfiledir}/../..
libdir=\${prefix}/lib
includedir=\${prefix}/include

Name: ringscope
Description: Telemetry that persistent GPU kernels count for themselves
Version: $version
Cflags: -I\${includedir}
Libs: -L\${libdir} -lringscope
Libs.private: $libraries
PC
echo "$folder"

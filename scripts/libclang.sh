#!/usr/bin/env bash
# Installs libclang, which the feature nvtx needs to build, without root, into the ignored folder .libclang of this
# checkout.
set -euo pipefail
name=libclang
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

version=18.1.1

usage() {
    cat <<EOF
usage: scripts/libclang.sh [--help]

Installs libclang $version from a Python package into .libclang of this checkout (60 MB), and prints the lines to
export, for a machine that has none. Does nothing where it is already, or where LIBCLANG_PATH is set. Needs python3 with
pip, and a C compiler, whose headers it is pointed at. To remove it all, delete .libclang.
EOF
}

fill() {
    pip_install "$folder.part" "libclang==$version"
    [[ -f $folder.part/clang/native/libclang.so ]] || fail "the package has no clang/native/libclang.so"
}

no_arguments "$@"
[[ -z ${LIBCLANG_PATH-} ]] || { echo "libclang: LIBCLANG_PATH is set to $LIBCLANG_PATH: nothing to do." >&2; exit 0; }
folder=$root/.libclang
once "$version" "Installing libclang $version" fill

# The package is the library alone; stddef.h and its like are the C compiler's own.
headers=$("${CC:-cc}" -print-file-name=include)
[[ -f $headers/stddef.h ]] ||
    fail "${CC:-cc} does not say where its headers are: set LIBCLANG_PATH and BINDGEN_EXTRA_CLANG_ARGS yourself"
printf 'export LIBCLANG_PATH=%q\n' "$folder/clang/native"
printf 'export BINDGEN_EXTRA_CLANG_ARGS=%q\n' "-isystem $headers ${BINDGEN_EXTRA_CLANG_ARGS-}"

#!/usr/bin/env bash
# Installs libclang, which the feature nvtx needs to build, without root, into the ignored folder .libclang of this
# checkout.
set -euo pipefail
export PIP_ROOT_USER_ACTION=ignore  # it installs into a folder of its own

version=18.1.1

usage() {
    cat <<EOF
usage: scripts/libclang.sh [--help]

Installs libclang $version from a Python package into .libclang of this checkout (60 MB), and prints the lines to
export, for a machine that has none. Does nothing where it is already, or where LIBCLANG_PATH is set. Needs python3 with
pip, and a C compiler, whose headers it is pointed at. To remove it all, delete .libclang.
EOF
}

fail() {
    echo "libclang: $*" >&2
    exit 1
}

case "${1-}" in
    "") ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
esac

[[ -z ${LIBCLANG_PATH-} ]] || { echo "libclang: LIBCLANG_PATH is set to $LIBCLANG_PATH: nothing to do." >&2; exit 0; }

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
folder=$root/.libclang

if [[ -f $folder/installed && $(<"$folder/installed") == "$version" ]]; then
    echo "libclang $version is already in $folder: nothing to do." >&2
else
    command -v python3 >/dev/null || fail "python3 is needed to install the package, and was not found"
    python3 -m pip --version >/dev/null 2>&1 || fail "python3 has no pip: install it (python3-pip on Debian and Ubuntu)"
    echo "Installing libclang $version into $folder ..." >&2
    # Beside the place and then moved there: an installation that was cut short is not taken for a whole one.
    rm -rf "$folder.part"
    trap 'rm -rf "$folder.part"' EXIT
    python3 -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --only-binary=:all: \
        --target "$folder.part" "libclang==$version" || fail "pip could not install it, see above"
    [[ -f $folder.part/clang/native/libclang.so ]] || fail "the package has no clang/native/libclang.so"
    echo "$version" >"$folder.part/installed"
    rm -rf "$folder"
    mv "$folder.part" "$folder"
fi

# The package is the library alone; stddef.h and its like are the C compiler's own.
headers=$("${CC:-cc}" -print-file-name=include)
[[ -f $headers/stddef.h ]] ||
    fail "${CC:-cc} does not say where its headers are: set LIBCLANG_PATH and BINDGEN_EXTRA_CLANG_ARGS yourself"
printf 'export LIBCLANG_PATH=%q\n' "$folder/clang/native"
printf 'export BINDGEN_EXTRA_CLANG_ARGS=%q\n' "-isystem $headers ${BINDGEN_EXTRA_CLANG_ARGS-}"

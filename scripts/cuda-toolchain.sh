#!/usr/bin/env bash
# Installs nvcc, NVRTC and nvdisasm, without a GPU, a driver or root, into the ignored folder .cuda of this checkout.
set -euo pipefail
export PIP_ROOT_USER_ACTION=ignore  # it installs into a folder of its own

version=13.0.88          # nvcc and what belongs to it
runtime_version=13.0.96  # the runtime's headers of the same release
disassembler_version=13.2.86  # the first release with a package of it
packages=(
    "nvidia-cuda-nvcc==$version"
    "nvidia-cuda-crt==$version"
    "nvidia-nvvm==$version"
    "nvidia-cuda-nvrtc==$version"
    "nvidia-cuda-runtime==$runtime_version"
    "nvidia-cuda-nvdisasm==$disassembler_version"
)

usage() {
    cat <<EOF
usage: scripts/cuda-toolchain.sh [--help]

Installs nvcc $version, its headers, NVRTC and nvdisasm from Python packages into .cuda of this checkout (0.5 GB), and
prints the lines to export. Does nothing where they are already. Needs python3 with pip, and a C++ compiler
for nvcc to call. To remove it all, delete .cuda.
EOF
}

fail() {
    echo "cuda-toolchain: $*" >&2
    exit 1
}

case "${1-}" in
    "") ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
esac

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
folder=$root/.cuda
toolkit=$folder/nvidia/cu13
wanted="${packages[*]}"

if [[ -f $folder/installed && $(<"$folder/installed") == "$wanted" ]]; then
    echo "nvcc $version is already in $folder: nothing to do." >&2
else
    command -v python3 >/dev/null || fail "python3 is needed to install the packages, and was not found"
    python3 -m pip --version >/dev/null 2>&1 || fail "python3 has no pip: install it (python3-pip on Debian and Ubuntu)"
    echo "Installing nvcc $version, NVRTC and nvdisasm into $folder (0.5 GB) ..." >&2
    # Beside the place and then moved there: an installation that was cut short is not taken for a whole one.
    rm -rf "$folder.part"
    trap 'rm -rf "$folder.part"' EXIT
    python3 -m pip install --quiet --disable-pip-version-check --no-warn-script-location --no-deps --no-compile \
        --only-binary=:all: --target "$folder.part" "${packages[@]}" || fail "pip could not install them, see above"
    # Wheels do not always keep the executable bit.
    for tools in bin nvvm/bin; do
        find "$folder.part/nvidia/cu13/$tools" -maxdepth 1 -type f ! -name '*.profile' -exec chmod +x {} +
    done
    for tool in nvcc nvdisasm; do
        "$folder.part/nvidia/cu13/bin/$tool" --version >/dev/null || fail "the $tool that was installed does not run"
    done
    echo "$wanted" >"$folder.part/installed"
    rm -rf "$folder"
    mv "$folder.part" "$folder"
fi

command -v c++ >/dev/null || command -v g++ >/dev/null ||
    echo "note: no C++ compiler was found; nvcc needs one (g++ on Debian and Ubuntu)." >&2

cat <<EOF
export RINGSCOPE_NVCC='$toolkit/bin/nvcc'
export LD_LIBRARY_PATH='$toolkit/lib'\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}
EOF

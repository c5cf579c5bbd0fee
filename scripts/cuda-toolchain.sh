#!/usr/bin/env bash
# Installs nvcc, NVRTC and nvdisasm, without a GPU, a driver or root, into the ignored folder .cuda of this checkout.
set -euo pipefail
name=cuda-toolchain
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

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

fill() {
    pip_install "$folder.part" "${packages[@]}"
    # Wheels do not always keep the executable bit.
    for tools in bin nvvm/bin; do
        find "$folder.part/nvidia/cu13/$tools" -maxdepth 1 -type f ! -name '*.profile' -exec chmod +x {} +
    done
    for tool in nvcc nvdisasm; do
        "$folder.part/nvidia/cu13/bin/$tool" --version >/dev/null || fail "the $tool that was installed does not run"
    done
}

no_arguments "$@"
folder=$root/.cuda
toolkit=$folder/nvidia/cu13
once "${packages[*]}" "Installing nvcc $version, NVRTC and nvdisasm (0.5 GB)" fill

command -v c++ >/dev/null || command -v g++ >/dev/null ||
    echo "note: no C++ compiler was found; nvcc needs one (g++ on Debian and Ubuntu)." >&2

cat <<EOF
export RINGSCOPE_NVCC='$toolkit/bin/nvcc'
export LD_LIBRARY_PATH='$toolkit/lib'\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}
EOF

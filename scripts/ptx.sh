#!/usr/bin/env bash
# Compiles the built-in kernels and the probes to PTX, kernels/ptx/l0.ptx to l3.ptx, with the NVRTC of CUDA 12.0, which it
# installs without root into the ignored folder .nvrtc12 of this checkout.
set -euo pipefail
name=ptx
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

package=nvidia-cuda-nvrtc-cu12==12.0.140  # the oldest CUDA 12: any driver from 525 on reads its PTX

usage() {
    cat <<EOT
usage: scripts/ptx.sh [--check | --of SOURCE TO [LEVEL]]

Compiles kernels/*.cu and kernels/probe/*.cu at the levels 0 to 3 for compute_75, in PTX ISA 8.0, into kernels/ptx.
The files are checked in and embedded in the crate: run this after every change of kernels/, and commit what it
writes. The same sources give the same bytes, wherever the checkout is. It writes tests/cuda-driver/ptx/places.txt as well:
from which lines of the sources the instructions come that order memory or lanes, for the test of mutants.

--check compares kernels/ptx with a fresh compilation, writes nothing, and ends with 1 if a file differs.
--of compiles a source of yours, which may include ringscope's headers, in the same way into the file TO (default level: 2).

Installs $package from Python's packages into .nvrtc12 of this checkout (60 MB), and does nothing of
that where it is already. Needs python3 with pip, and no GPU. To remove it all, delete .nvrtc12.
EOT
}

fill() {
    pip_install "$folder.part" "$package"
    [[ -f $folder.part/nvidia/cuda_nvrtc/lib/libnvrtc.so.12 ]] || fail "the package has no libnvrtc.so.12"
}

how=()
case "${1-}/$#" in
    --check/1) how=(--check); shift ;;
    --of/3 | --of/4) how=(--of "$2" "$3" "${4-2}"); shift $# ;;
esac
no_arguments "$@"
folder=$root/.nvrtc12
once "$package" "Installing $package (60 MB)" fill

python3 "$root/scripts/ptx.py" "$folder/nvidia/cuda_nvrtc/lib/libnvrtc.so.12" "$root" "${how[@]}"

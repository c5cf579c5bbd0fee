#!/usr/bin/env bash
# Packs what is to be run on a GPU into one folder, target/gpu-pack, for a machine that has an NVIDIA driver and no Rust.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<END
usage: scripts/gpu-pack.sh [--with-nvrtc] [--help]

Builds the program, the GPU tests and the experiments of benches/gpu, and packs them with the script that runs them:
\`gpu-pack/run.sh\` there, or \`gpu-pack/run.sh SECTION...\`; \`--list\` says which. Its reports belong into benches/records. The
kernels are in the pack as PTX, which the driver compiles (525 or later).

--with-nvrtc adds an NVRTC (110 MB), for the one test that compiles its kernel when it runs. Without, that test is skipped
where the machine has none of its own.
END
}

with_nvrtc=
case "${1-}" in
    "") ;;
    --with-nvrtc) with_nvrtc=1 ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
esac
most_bytes=$((40 * 1000 * 1000))
pack=target/gpu-pack
rm -rf "$pack"
mkdir -p "$pack"

echo "building ..." >&2
export RINGSCOPE_NVCC=none
cargo build --quiet --release
install -s target/release/ringscope "$pack/ringscope"

# The path of each executable is in cargo's own messages.
executables() {
    cargo "$@" --no-run --message-format=json | python3 -c '
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("executable") and set(message["target"]["kind"]) & {"test", "bin"}:
        print(message["target"]["name"], message["executable"])'
}
gpu_tests=(runtime exact lifecycle probe metrics device_metrics together)
executables test --quiet --release "${gpu_tests[@]/#/--test=}" | while read -r name path; do
    [ "$name" = ringscope ] || install -s "$path" "$pack/test-$name"
done
(cd examples/bring-your-own-kernel && CARGO_TARGET_DIR=../../target/examples executables test --quiet --release) |
    while read -r _ path; do install -s "$path" "$pack/test-bring-your-own-kernel"; done

"${CXX:-c++}" -std=c++17 -O2 -Wall -Wextra -Werror -pthread benches/gpu/*.cpp -ldl -o "$pack/measure"
strip "$pack/measure"
scripts/ptx.sh --of benches/gpu/kernels.cu "$pack/measure.ptx"
cp -r benches/gpu/run.sh benches/gpu/common.sh benches/gpu/sections "$pack"

# The newest versions of the C library's symbols that the programs ask for: run.sh compares them with the machine's.
newest() { objdump -T "$pack"/ringscope "$pack"/test-* "$pack/measure" | grep -oE "\b$1_[0-9.]+" | sort -Vu | tail -1; }
{
    echo "packed by scripts/gpu-pack.sh from $(git rev-parse --short HEAD)$(git diff --quiet HEAD || echo ' with changes')"
    for library in GLIBC GLIBCXX CXXABI; do echo "needs $(newest $library)"; done
} >"$pack/pack.txt"

bytes=$(du -sb "$pack" | cut -f1)
echo "$((bytes / 1000)) kB without NVRTC; $(sed -n 's/^needs //p' "$pack/pack.txt" | tr '\n' ' ')" >&2
if ((bytes > most_bytes)); then
    du -b "$pack"/* | sort -rn | head -5 >&2
    echo "gpu-pack: larger than $((most_bytes / 1000)) kB, see above" >&2
    exit 1
fi
if [ -n "$with_nvrtc" ]; then
    eval "$(scripts/cuda-toolchain.sh)"
    cp -L "$(dirname "$RINGSCOPE_NVCC")"/../lib/libnvrtc.so.* "$(dirname "$RINGSCOPE_NVCC")"/../lib/libnvrtc-builtins.so.* "$pack/"
    echo "with NVRTC: $(du -sh "$pack" | cut -f1)" >&2
fi
echo "copy $pack to the machine with the GPU, and run there: gpu-pack/run.sh; its reports belong into benches/records"

#!/usr/bin/env bash
# Packs what proves ringscope on a GPU into one folder, target/gpu-pack, for a machine that has an NVIDIA driver and no
# Rust: the program and the GPU tests, with the kernels embedded, and a script that runs them and
# writes a report for benches/records. Prints the one command to run there. With --with-nvrtc the pack has an NVRTC as well.
set -euo pipefail
cd "$(dirname "$0")/.."

eval "$(scripts/cuda-toolchain.sh)"
pack=target/gpu-pack
rm -rf "$pack"
mkdir -p "$pack"

echo "building ..." >&2
cargo build --quiet --release
install -s target/release/ringscope "$pack/ringscope"

# The path of each executable is in cargo's own messages.
executables() {
    cargo "$@" --no-run --message-format=json | python3 -c '
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("executable") and set(message["target"]["kind"]) & {"test", "bench"} | {"bin"} & set(message["target"]["kind"]):
        print(message["target"]["name"], message["executable"])'
}
executables test --quiet --release --test runtime --test exact --test lifecycle --test probe --test metrics --test device_metrics | while read -r name path; do
    [ "$name" = ringscope ] || install -s "$path" "$pack/test-$name"
done
(cd examples/bring-your-own-kernel && CARGO_TARGET_DIR=../../target/examples executables test --quiet --release) |
    while read -r _ path; do install -s "$path" "$pack/test-bring-your-own-kernel"; done
# For the one test that compiles its kernel when it runs, where that machine has no NVRTC of its own: 110 MB.
[ "${1:-}" != --with-nvrtc ] || cp -L "$(dirname "$RINGSCOPE_NVCC")"/../lib/libnvrtc.so.* "$(dirname "$RINGSCOPE_NVCC")"/../lib/libnvrtc-builtins.so.* "$pack/"

cat >"$pack/run.sh" <<'RUN'
#!/usr/bin/env bash
# Runs everything in this folder on this machine's GPU, in some minutes; writes <gpu>-<date>.md here, or where the first
# argument says.
set -uo pipefail
cd "$(dirname "$0")"
gpu=$(nvidia-smi --query-gpu=name --format=csv,noheader | head -1)
slug=$(printf '%s' "${gpu:-no gpu}" | tr 'A-Z' 'a-z' | tr -cs 'a-z0-9' '-' | sed 's/^-*//; s/-*$//')
report=${1:-$slug-$(date -u +%Y-%m-%d).md}
export RINGSCOPE_REQUIRE_CUDA=1 LD_LIBRARY_PATH="$PWD${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" NO_COLOR=1
failed=0
section() {
    local title=$1
    shift
    echo "running: $title" >&2
    printf '\n## %s\n\n```text\n' "$title"
    timeout 500 "$@" 2>&1 || { echo "exit $?"; failed=1; }
    printf '```\n'
}
{
    echo "# $gpu, $(date -u +%Y-%m-%d)"
    echo
    echo "Driver $(nvidia-smi --query-gpu=driver_version --format=csv,noheader | head -1), $(nproc) CPU cores. Made by \`scripts/gpu-pack.sh\`."
    section "doctor" ./ringscope doctor
    section "doctor --deep" ./ringscope doctor --deep --device cuda
    for test in test-*; do section "$test" "./$test" --nocapture --test-threads 1; done
    section "run" ./ringscope run --device cuda --duration 5s --kernels 4 --blocks 16
    section "run --json" ./ringscope run --json --device cuda --messages 100000
    section "bench" ./ringscope bench --device cuda
    section "bench --quick --json" ./ringscope bench --quick --json --device cuda
} >"$report"
[ "$failed" = 0 ] && echo "all passed: $report" >&2 || echo "something failed: see $report" >&2
exit "$failed"
RUN
chmod +x "$pack/run.sh"
du -sh "$pack" | cut -f1 >&2
echo "copy $pack to the machine with the GPU, and run there: bash gpu-pack/run.sh; its report belongs into benches/records"

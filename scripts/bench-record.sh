#!/usr/bin/env bash
# Runs the benchmarks and writes what they measured to benches/records/<cpu>-<cores>-cores-<date>.md. Takes about
# ten minutes; leave the machine alone meanwhile.
set -euo pipefail
cd "$(dirname "$0")/.."

cpu=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -1)
date=$(date -u +%Y-%m-%d)
slug=$(printf '%s' "${cpu:-$(uname -m)}" | tr 'A-Z' 'a-z' | tr -cs 'a-z0-9' '-' | sed 's/^-*//; s/-*$//')
record=benches/records/$slug-$(nproc)-cores-$date.md

mkdir -p benches/records
cargo bench --quiet --no-run
rm -rf target/criterion
cargo build --quiet --release --package ringscope --features cli
kernels=$(target/release/ringscope bench --device host)
futures=$(cargo bench --quiet --bench async)
anomalies=$(cargo bench --quiet --bench anomaly)
recordings=$(cargo bench --quiet --bench recording)
frames=$(cargo test --quiet --release --bin ringscope top::tests::measure -- --ignored --nocapture | grep ' takes ')
cargo bench --quiet --bench metrics --bench record --bench snapshot --bench export --bench publish_encode --bench trace >&2

{
    echo "# ${cpu:-$(uname -m)}, $(nproc) cores, $date"
    echo
    echo "Host only and host device: no number here is of a GPU. Made by \`scripts/bench-record.sh\` at"
    echo "$(git rev-parse --short HEAD)$(git diff --quiet HEAD || echo ' with changes'), $(rustc --version | cut -d' ' -f1-2), Linux $(uname -r | cut -d. -f1-2), $("${CXX:-c++}" --version | head -1)."
    echo "Ratios are of one run; seconds are of this machine."
    echo
    echo "### ringscope bench --device host"
    echo
    printf '```text\n%s\n```\n' "$kernels"
    echo
    echo "### Messages a second of futures and of threads"
    echo
    printf '```text\n%s\n```\n' "$futures"
    echo
    echo "### Anomaly detectors"
    echo
    printf '```text\n%s\n```\n' "$anomalies"
    echo
    echo "### Recordings of busy kernels of four blocks, read each second"
    echo
    printf '```text\n%s\n```\n' "$recordings"
    echo
    echo "### ringscope top: drawing"
    echo
    printf '```text\n%s\n```\n' "$frames"
    echo
    echo "### Criterion: median [95 % interval]"
    echo
    python3 - <<'PYTHON'
import json, pathlib

def human(ns):
    for unit, size in (("ms", 1e6), ("µs", 1e3)):
        if ns >= size:
            return f"{ns / size:.2f} {unit}"
    return f"{ns:.2f} ns"

rows = []
for path in pathlib.Path("target/criterion").glob("**/new/estimates.json"):
    meta = json.loads((path.parent / "benchmark.json").read_text())
    median = json.loads(path.read_text())["median"]
    interval = median["confidence_interval"]
    value = meta["value_str"]
    key = (meta["group_id"], meta["function_id"], int(value) if value and value.isdigit() else 0)
    rows.append((key, meta["full_id"], median["point_estimate"], interval["lower_bound"], interval["upper_bound"]))
print("| benchmark | median | interval |\n|---|---:|---:|")
for _, name, median, low, high in sorted(rows):
    print(f"| {name} | {human(median)} | [{human(low)}, {human(high)}] |")
PYTHON
} >"$record"
echo "$record"

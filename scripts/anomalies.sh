#!/usr/bin/env bash
# Measures the detectors of anomalies: on runs that tests/anomalies/generator.rs makes, and on the Numenta Anomaly Benchmark.
set -euo pipefail
name=anomalies
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

library=river==0.26.1
write=

usage() {
    cat <<EOF
usage: scripts/anomalies.sh [--write] [--help]

Prints tables in Markdown: what \`alert::anomaly::Watch\` finds in runs of which it is known what went wrong, and the scores that
\`ringscope anomalies\`, two detectors of the kept library $library and published ones reach on labelled series. With
--write the tables and the picture in docs/anomalies.md are replaced.

RINGSCOPE_NAB names a folder with the Numenta Anomaly Benchmark, whole or in part: data/, labels/combined_windows.json, and
score.py, which computes its standard score (or RINGSCOPE_NAB_SCORE names that). Without it only the first table is made.

The library is fetched from Python's packages into .anomaly-tools of this checkout (0.2 GB); to remove it, delete that.
Builds the program, and takes some minutes.
EOF
}

case "${1-}" in
    --write) write=--write; shift ;;
esac
no_arguments "$@"

fill() {
    # With what it depends on: numpy, scipy and pandas are none of this system's.
    python3 -m pip install --quiet --disable-pip-version-check --no-warn-script-location --no-compile \
        --only-binary=:all: --target "$folder.part/python" "$library" || fail "pip could not install $library, see above"
}

folder=$root/.anomaly-tools
if [[ -n ${RINGSCOPE_NAB-} ]]; then
    [[ -f $RINGSCOPE_NAB/labels/combined_windows.json ]] || fail "$RINGSCOPE_NAB has no labels/combined_windows.json"
    once "$library" "Fetching $library (0.2 GB)" fill
    export PYTHONPATH=$folder/python
else
    echo "$name: skipped: RINGSCOPE_NAB is not set, so nothing is measured on the Numenta Anomaly Benchmark" >&2
fi

cd "$root"
cargo build --quiet --bin ringscope --example anomaly_runs
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
target/debug/examples/anomaly_runs --runs 10 --out "$made" >"$made/runs.json"
python3 scripts/anomalies.py tables --program target/debug/ringscope --made "$made" $write

#!/usr/bin/env bash
# Streams very many messages through ring kernels in several configurations and compares what the host counted with what
# the device counted, exactly, while snapshots are taken, errors injected, kernels held and the whole process stopped. Then
# as many events: each is read once, in its place, or counted as lost in it. Then kernels are launched and ended, and the
# process must hold no more at the end than after a quarter of them.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<END
usage: scripts/soak.sh [MESSAGES [EVENTS [LAUNCHES]]]

Compares MESSAGES messages (default 100000000, some minutes on two cores) on the host device, and on a GPU where there is
one; then accounts for EVENTS events and spans (default 1000000000, less than a minute); then launches and ends LAUNCHES
kernels (default 100000, some minutes). 0 leaves a part out. Says at the end how many there were; ends with 0 if none differed,
else with 1 and what did. tests/soak.rs, tests/soak_events.rs and tests/soak_launches.rs are what it runs; their short forms are
among the tests.
END
}

case "${1-}" in
    -h | --help) usage; exit 0 ;;
esac
messages=${1:-100000000} events=${2:-1000000000} launches=${3:-100000}
[[ "$messages $events $launches" =~ ^((0|[1-9][0-9]*)( |$)){3}$ && $# -le 3 ]] || { usage >&2; exit 2; }

echo "building ..." >&2
failed=0
if [[ $messages != 0 ]]; then
    RINGSCOPE_SOAK_MESSAGES=$messages cargo test --quiet --release --test soak -- --nocapture || failed=1
fi
if [[ $events != 0 ]]; then
    RINGSCOPE_SOAK_EVENTS=$events cargo test --quiet --release --test soak_events -- --nocapture || failed=1
fi
if [[ $launches != 0 ]]; then
    RINGSCOPE_SOAK_LAUNCHES=$launches cargo test --quiet --release --test soak_launches -- --nocapture || failed=1
fi
exit "$failed"

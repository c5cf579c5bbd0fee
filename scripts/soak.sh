#!/usr/bin/env bash
# Streams very many messages through ring kernels in several configurations and compares what the host counted with what
# the device counted, exactly, while snapshots are taken, errors injected, kernels held and the whole process stopped. Then
# as many events: each is read once, in its place, or counted as lost in it.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<END
usage: scripts/soak.sh [MESSAGES [EVENTS]]

Compares MESSAGES messages (default 100000000, some minutes on two cores) on the host device, and on a GPU where there is
one; then accounts for EVENTS events and spans (default 1000000000, less than a minute). 0 leaves a part out. Says at the
end how many there were; ends with 0 if none differed, else with 1 and what did. tests/soak.rs and tests/soak_events.rs are
what it runs; their short forms are among the tests.
END
}

case "${1-}" in
    -h | --help) usage; exit 0 ;;
esac
messages=${1:-100000000} events=${2:-1000000000}
[[ $messages =~ ^(0|[1-9][0-9]*)$ && $events =~ ^(0|[1-9][0-9]*)$ && $# -le 2 ]] || { usage >&2; exit 2; }

echo "building ..." >&2
failed=0
if [[ $messages != 0 ]]; then
    RINGSCOPE_SOAK_MESSAGES=$messages cargo test --quiet --release --test soak -- --nocapture || failed=1
fi
if [[ $events != 0 ]]; then
    RINGSCOPE_SOAK_EVENTS=$events cargo test --quiet --release --test soak_events -- --nocapture || failed=1
fi
exit "$failed"

#!/usr/bin/env bash
# Streams very many messages through ring kernels in several configurations and compares what the host counted with what
# the device counted, exactly, while snapshots are taken, errors injected, kernels held and the whole process stopped.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<END
usage: scripts/soak.sh [MESSAGES]

Compares MESSAGES messages (default 100000000, some minutes on two cores) on the host device, and on a GPU where there is
one. Says at the end how many were compared; ends with 0 if none differed, else with 1 and what did. tests/soak.rs is
what it runs; its short form is one of the tests.
END
}

case "${1-}" in
    -h | --help) usage; exit 0 ;;
    "" | [1-9]*) ;;
    *) usage >&2; exit 2 ;;
esac
messages=${1:-100000000}
[[ $messages =~ ^[1-9][0-9]*$ && $# -le 1 ]] || { usage >&2; exit 2; }

echo "building ..." >&2
RINGSCOPE_SOAK_MESSAGES=$messages cargo test --quiet --release --test soak -- --nocapture || exit 1

#!/usr/bin/env bash
# Makes the pictures in docs/pictures of `ringscope top`, of runs that the examples record: scripts/top-pictures.sh [FOLDER].
set -euo pipefail
cd "$(dirname "$0")/.."

[[ ${1:-} == --help ]] && { sed -n 2p "$0"; exit; }
folder=${1:-docs/pictures}
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

cargo build --features cli --bin ringscope --example report --example island
cargo metadata --no-deps --format-version 1 >"$work/metadata.json"
target=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["target_directory"])' "$work/metadata.json")/debug
"$target/examples/report" "$work/run.rscope"
"$target/examples/island" "$work/island.rscope"
# The paths of a picture are not those of a temporary folder.
cd "$work"
draw() { python3 "$OLDPWD/scripts/terminal-picture.py" "$@"; }
draw --size 120x32 "until:the recording is over" "picture:$work/top-kernels.svg" key:Down key:2 wait:1 "picture:$work/top-kernel.svg" \
    key:4 wait:1 "picture:$work/top-log.svg" key:6 wait:1 "picture:$work/top-alerts.svg" -- "$target/ringscope" top --replay run.rscope --speed 64
draw --size 120x32 "until:the recording is over" key:3 wait:1 "picture:$work/top-blocks.svg" \
    -- "$target/ringscope" top --replay island.rscope --speed 64
draw --size 80x24 --env LC_ALL=C --env NO_COLOR=1 "until:the recording is over" "picture:$work/top-plain.svg" \
    -- "$target/ringscope" top --replay run.rscope --speed 64
cd "$OLDPWD"
mkdir -p "$folder"
mv "$work"/top-*.svg "$folder"

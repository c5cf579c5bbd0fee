#!/usr/bin/env bash
# Makes the pictures in docs/pictures of the page in a browser, of a real run: scripts/pictures.sh [FOLDER].
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1-}" in
    -*) sed -n '2s/^# //p' "$0"; exit $([ "$1" = --help ] && echo 0 || echo 2) ;;
esac
folder=$(realpath -m "${1:-docs/pictures}")
mkdir -p "$folder"
eval "$(scripts/browser.sh)"
RINGSCOPE_PICTURES=$folder cargo test --quiet --test page -- --ignored --exact pictures
ls -l "$folder"

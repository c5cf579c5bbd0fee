#!/usr/bin/env bash
# Makes docs/report.png: records the run of examples/report.rs, reports on it, and takes a picture of the page.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
case ${1-} in
"") ;;
*)
    echo "usage: scripts/report-picture.sh

Makes docs/report.png from a run that takes half a minute. Chromium is RINGSCOPE_BROWSER, or what scripts/browser.sh brings."
    [[ $1 == --help ]] && exit
    exit 2
    ;;
esac
eval "$(scripts/browser.sh)"
: "${RINGSCOPE_BROWSER:?needs Chromium: scripts/browser.sh brings it}"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cargo run --quiet --example report --features recording -- "$folder/run.rscope"
cargo run --quiet --features cli --bin ringscope -- report "$folder/run.rscope" -o "$folder/report.html"
"$RINGSCOPE_BROWSER" --headless --no-sandbox --disable-gpu --hide-scrollbars --force-device-scale-factor=1 \
    --window-size=1200,1250 --screenshot="$folder/report.png" "file://$folder/report.html" 2>/dev/null
mv "$folder/report.png" docs/report.png
echo "docs/report.png: $(stat -c %s docs/report.png) bytes"

#!/usr/bin/env bash
# Fetches Prometheus, promtool and the parsers of Python's prometheus-client, without root, into the ignored folder
# .prometheus of this checkout.
set -euo pipefail
name=prometheus
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

parsers=prometheus-client==0.26.0

usage() {
    cat <<EOF
usage: scripts/prometheus.sh [--help]

Fetches Prometheus and promtool of this system's Debian or Ubuntu (the package \`prometheus\`, not installed, only taken
apart) and $parsers from Python's packages into .prometheus of this checkout (0.1 GB), and prints the lines
to export. Takes a prometheus and promtool that are on the PATH instead. Does nothing where they are already. To
remove it all, delete .prometheus.
EOF
}

download() {
    (cd "$folder.part" && apt-get -qq -o APT::Sandbox::User=root download prometheus >&2)
}

fetch_server() {
    command -v apt-get >/dev/null && command -v dpkg >/dev/null ||
        fail "there is no apt-get to fetch it with: install Prometheus (prometheus.io/download) and put it on the PATH"
    download || { apt-get -qq update >&2 && download; } ||
        fail "apt-get could not download the package prometheus, see above"
    dpkg -x "$folder.part"/prometheus_*.deb "$folder.part/server"
    rm "$folder.part"/prometheus_*.deb
}

fill() {
    mkdir -p "$folder.part/server/usr/bin"
    if command -v prometheus >/dev/null && command -v promtool >/dev/null; then
        ln -s "$(command -v prometheus)" "$(command -v promtool)" "$folder.part/server/usr/bin/"
    else
        fetch_server
    fi
    pip_install "$folder.part/python" "$parsers"
    for tool in prometheus promtool; do
        "$folder.part/server/usr/bin/$tool" --version >/dev/null 2>&1 || fail "the $tool that was fetched does not run"
    done
}

no_arguments "$@"
folder=$root/.prometheus
once "$parsers" "Fetching Prometheus (0.1 GB)" fill

cat <<EOF
export RINGSCOPE_PROMETHEUS='$folder/server/usr/bin/prometheus'
export RINGSCOPE_PROMTOOL='$folder/server/usr/bin/promtool'
export RINGSCOPE_PROMETHEUS_PYTHON='$folder/python'
EOF

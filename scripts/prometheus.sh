#!/usr/bin/env bash
# Fetches Prometheus, promtool and the parsers of Python's prometheus-client, without root, into the ignored folder
# .prometheus of this checkout.
set -euo pipefail
export PIP_ROOT_USER_ACTION=ignore  # it installs into a folder of its own

parsers=prometheus-client==0.26.0

usage() {
    cat <<END
usage: scripts/prometheus.sh [--help]

Fetches Prometheus and promtool of this system's Debian or Ubuntu (the package \`prometheus\`, not installed, only taken
apart) and $parsers from Python's packages into .prometheus of this checkout (0.1 GB), and prints the lines
to export. Takes a prometheus and promtool that are on the PATH instead. Does nothing where they are already. To
remove it all, delete .prometheus.
END
}

fail() {
    echo "prometheus: $*" >&2
    exit 1
}

case "${1-}" in
    "") ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
esac

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
folder=$root/.prometheus

fetch_server() {
    command -v apt-get >/dev/null && command -v dpkg >/dev/null ||
        fail "there is no apt-get to fetch it with: install Prometheus (prometheus.io/download) and put it on the PATH"
    (cd "$folder.part" && apt-get -qq -o APT::Sandbox::User=root download prometheus >&2) ||
        fail "apt-get could not download the package prometheus, see above; if its lists are old: apt-get update"
    dpkg -x "$folder.part"/prometheus_*.deb "$folder.part/server"
    rm "$folder.part"/prometheus_*.deb
}

if [[ -f $folder/installed && $(<"$folder/installed") == "$parsers" ]]; then
    echo "Prometheus is already in $folder: nothing to do." >&2
else
    python3 -m pip --version >/dev/null 2>&1 || fail "python3 with pip is needed (python3-pip on Debian and Ubuntu)"
    echo "Fetching Prometheus into $folder (0.1 GB) ..." >&2
    # Beside the place and then moved there: an installation that was cut short is not taken for a whole one.
    rm -rf "$folder.part"
    trap 'rm -rf "$folder.part"' EXIT
    mkdir -p "$folder.part/server/usr/bin"
    if command -v prometheus >/dev/null && command -v promtool >/dev/null; then
        ln -s "$(command -v prometheus)" "$(command -v promtool)" "$folder.part/server/usr/bin/"
    else
        fetch_server
    fi
    python3 -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --only-binary=:all: \
        --target "$folder.part/python" "$parsers" || fail "pip could not install $parsers, see above"
    for tool in prometheus promtool; do
        "$folder.part/server/usr/bin/$tool" --version >/dev/null 2>&1 || fail "the $tool that was fetched does not run"
    done
    echo "$parsers" >"$folder.part/installed"
    rm -rf "$folder"
    mv "$folder.part" "$folder"
fi

cat <<END
export RINGSCOPE_PROMETHEUS='$folder/server/usr/bin/prometheus'
export RINGSCOPE_PROMTOOL='$folder/server/usr/bin/promtool'
export RINGSCOPE_PROMETHEUS_PYTHON='$folder/python'
END

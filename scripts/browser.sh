#!/usr/bin/env bash
# Fetches a browser for the tests of the page, without root, into the ignored folder .browser of this checkout.
set -euo pipefail
name=browser
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# What drives it, and what finds pages that a keyboard or a screen reader cannot use.
drivers=(playwright-core@1.65.1 axe-core@4.14.1)
without="with RINGSCOPE_BROWSER=none the tests do without"

usage() {
    cat <<EOF
usage: scripts/browser.sh [--help]

Fetches what tests the page in a browser into .browser of this checkout, and prints the lines to export:
  Debian, by apt-get       chromium, with the libraries that this system lacks (0.12 GB to download, 0.4 GB on disk)
  npm                      ${drivers[*]} (18 MB); Node.js and npm must be on the PATH
Packages of Debian are not installed, only taken apart. Does nothing where they are already. Where RINGSCOPE_BROWSER names a
Chromium or Chrome, that one is used. With RINGSCOPE_BROWSER=none it fetches nothing, and the tests of the page say that they
are skipped, and pass. To remove it all, delete .browser.
EOF
}

packages() {
    apt-get -s -qq install --no-install-recommends chromium fonts-dejavu-core | awk '/^Inst/ { print $2 }'
}

# download_into FOLDER
download_into() {
    local wanted
    wanted=$(packages) && (cd "$1" && apt-get -qq -o APT::Sandbox::User=root download $wanted >&2)
}

fill_chromium() {
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || fail "there is no apt-get to fetch chromium with: $without"
    local package packages=$folder.part/deb
    mkdir "$packages"
    # What old lists name may be gone from the mirror.
    download_into "$packages" || { apt-get -qq update >&2 && download_into "$packages"; } ||
        fail "apt-get could not download chromium, see above; $without"
    for package in "$packages"/*.deb; do
        [[ -f $package ]] && dpkg -x "$package" "$folder.part"
    done
    rm -r "$packages"
    # Not Debian's own script, which adds what /etc says: the same everywhere.
    cat >"$folder.part/chromium" <<'START'
#!/bin/sh
at=$(cd "$(dirname "$0")" && pwd)
for libraries in "$at"/usr/lib/*-linux-gnu*; do
    export LD_LIBRARY_PATH="$libraries:$libraries/pulseaudio${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
done
program=$at/usr/lib/chromium/chromium
[ -x "$program" ] || program=/usr/lib/chromium/chromium
exec "$program" "$@"
START
    chmod +x "$folder.part/chromium"
    "$folder.part/chromium" --version >/dev/null || fail "the chromium that was fetched does not run; $without"
}

fill_drivers() {
    command -v npm >/dev/null || fail "there is no npm to fetch ${drivers[0]} with: install Node.js and npm; $without"
    npm install --silent --prefix "$folder.part" --ignore-scripts --omit=optional --no-audit --no-fund "${drivers[@]}" >&2 ||
        fail "npm could not install ${drivers[*]}, see above; $without"
    node -e 'require(process.argv[1])' "$folder.part/node_modules/playwright-core" || fail "${drivers[0]} does not run, see above"
}

no_arguments "$@"
if [[ ${RINGSCOPE_BROWSER-} == none ]]; then
    echo "$name: RINGSCOPE_BROWSER=none: nothing is fetched; the tests of the page in a browser will say that they are skipped," \
        "and pass." >&2
    exit
fi
mkdir -p "$root/.browser"
if [[ -z ${RINGSCOPE_BROWSER-} ]]; then
    folder=$root/.browser/chromium
    once "chromium, fonts-dejavu-core" "Fetching Debian's chromium (0.12 GB to download, 0.4 GB on disk)" fill_chromium
fi
folder=$root/.browser/drivers
once "${drivers[*]}" "Fetching ${drivers[*]} (18 MB)" fill_drivers

cat <<EXPORTS
export RINGSCOPE_BROWSER='${RINGSCOPE_BROWSER:-$root/.browser/chromium/chromium}'
export RINGSCOPE_BROWSER_DRIVERS='$root/.browser/drivers/node_modules'
EXPORTS

#!/usr/bin/env bash
# Makes one file, src/publish/page/assets/page.js, of the page's modules: a browser then loads it in one request.
set -euo pipefail
name=page
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

package=esbuild@0.28.2

usage() {
    cat <<EOT
usage: scripts/page.sh [--check]

Bundles src/publish/page/modules/*.js, from main.js on, into src/publish/page/assets/page.js, which is checked in and part of the
program: run this after every change of the modules, and commit what it writes. The same modules give the same bytes.

--check compares the file with a fresh one, writes nothing, and ends with 1 if they differ.

Installs $package from npm into the ignored folder .page-tools of this checkout (11 MB), and does nothing of that where it is
already. Needs Node.js and npm. To remove it, delete .page-tools.
EOT
}

fill() {
    command -v npm >/dev/null || fail "there is no npm to fetch $package with: install Node.js and npm"
    npm install --silent --prefix "$folder.part" --ignore-scripts --no-audit --no-fund "$package" >&2 ||
        fail "npm could not install $package, see above"
}

check=
case "${1-}/$#" in
    --check/1) check=yes; shift ;;
esac
no_arguments "$@"
folder=$root/.page-tools
once "$package" "Installing $package (11 MB)" fill

made=$root/src/publish/page/assets/page.js
fresh=$(mktemp)
trap 'rm -f "$fresh"' EXIT
cd "$root/src/publish/page/modules"
"$folder/node_modules/.bin/esbuild" main.js --bundle --minify --format=iife --target=es2022 --log-level=warning \
    --banner:js='// Made by scripts/page.sh of src/publish/page/modules: change those.' >"$fresh"
if [[ -z $check ]]; then
    cp "$fresh" "$made"
    echo "page: $(wc -c <"$made") bytes in src/publish/page/assets/page.js" >&2
else
    cmp -s "$fresh" "$made" || fail "src/publish/page/assets/page.js is not what the modules come to: run scripts/page.sh and commit what it writes"
    echo "page: src/publish/page/assets/page.js is what the modules come to" >&2
fi

#!/usr/bin/env bash
# Fetches real receivers of telemetry for the tests, without root, into the ignored folder .receivers of this checkout.
set -euo pipefail
name=receivers
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# What each Python package depends on is named with it: pip resolves nothing.
elastic=(noida-db==0.2.3)
cloudwatch=(ministack==1.5.33 botocore==1.43.106 cbor2==6.2.1 defusedxml==0.7.1 graphql-core==3.2.12 h11==0.16.0 h2==4.4.1 hpack==4.2.0
    hypercorn==0.18.0 hyperframe==6.1.0 jmespath==1.1.0 jsonata-python==0.7.1 priority==2.0.0 python-dateutil==2.9.0.post0 pyyaml==6.0.3
    six==1.17.0 urllib3==2.8.0 wsproto==1.3.2)
datadog=(datadog-serverless-compat==0.19.0)
statsd=statsd@0.9.0

usage() {
    cat <<USAGE
usage: scripts/receivers.sh [--help]

Fetches what takes telemetry, as the tests of the destinations send to it, into .receivers of this checkout (1 GB), and
prints the lines to export:
  Prometheus 3.5 and promtool       Debian's suite forky
  VictoriaMetrics 1.112             Debian's suite trixie
  Pushgateway, node exporter, Alertmanager   this system's own suite
  ${elastic[0]} (the API of Elasticsearch), ${cloudwatch[0]} (of CloudWatch), ${datadog[0]}
  (Datadog's parser of DogStatsD)   Python's packages
  $statsd                      npm; needs Node.js on the PATH
Packages of Debian are not installed, only taken apart. Does nothing where they are already. With RINGSCOPE_RECEIVERS=none in
the environment it fetches nothing, and the tests of the destinations say that they are skipped, and pass. To remove it
all, delete .receivers.
USAGE
}

# apt_of SUITE ARGUMENT...: apt-get that sees this suite of the system's own Debian mirror and nothing else, with lists of its
# own.
apt_of() {
    local suite=$1 apt=$folder.part/apt
    shift
    if [[ ! -d $apt ]]; then
        mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
        cat >"$apt/debian.sources" <<SOURCES
Types: deb
URIs: $mirror
Suites: $suite
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES
    fi
    apt-get -qq -o APT::Sandbox::User=root -o Dir::Etc::sourcelist="$apt/debian.sources" -o Dir::Etc::sourceparts=- \
        -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache" -o Acquire::Languages=none \
        -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false "$@" >&2
}

own_mirror() {
    apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Label: Debian' 'Component: main' | head -1
}

# from_suite SUITE PACKAGE...: takes packages of that suite apart.
from_suite() {
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || fail "there is no apt-get to fetch ${*:2} with: $without"
    local suite=$1 mirror
    shift
    mirror=$(own_mirror)
    [[ -n $mirror ]] || { apt-get -qq update >&2 && mirror=$(own_mirror); }
    [[ -n $mirror ]] || fail "the sources of apt-get name no mirror of Debian, which has $1: $without"
    apt_of "$suite" update && (cd "$folder.part" && apt_of "$suite" download "$@") ||
        fail "apt-get could not download $* of Debian's suite $suite, see above; $without"
    rm -r "$folder.part/apt"
    take_apart
}

download() {
    (cd "$folder.part" && apt-get -qq -o APT::Sandbox::User=root download "$@" >&2)
}

# from_own_suite PACKAGE...: takes packages of this system's suite apart.
from_own_suite() {
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || fail "there is no apt-get to fetch $1 with: $without"
    download "$@" || { apt-get -qq update >&2 && download "$@"; } || fail "apt-get could not download $*, see above; $without"
    take_apart
}

take_apart() {
    local package
    for package in "$folder.part"/*.deb; do
        dpkg -x "$package" "$folder.part"
        rm "$package"
    done
    rm -rf "$folder.part/usr/share"
}

# runs PROGRAM ARGUMENT...: a program of the packages.
runs() {
    "$folder.part/usr/bin/$1" "${@:2}" >/dev/null 2>&1 || fail "the $1 that was fetched does not run"
}

fill_prometheus3() {
    from_suite forky prometheus promtool
    runs prometheus --version
    runs promtool --version
    [[ $("$folder.part/usr/bin/prometheus" --version 2>&1) == *"version 3."* ]] || fail "the Prometheus that was fetched is no 3.x"
}

fill_victoria() {
    from_suite trixie victoria-metrics
    runs victoria-metrics --version
}

fill_exporters() {
    from_own_suite prometheus-pushgateway prometheus-node-exporter prometheus-alertmanager
    runs prometheus-pushgateway --version
    runs prometheus-node-exporter --version
    runs prometheus-alertmanager --version
}

fill_elastic() {
    pip_install "$folder.part" "${elastic[@]}"
}

fill_cloudwatch() {
    pip_install "$folder.part" "${cloudwatch[@]}"
}

fill_datadog() {
    pip_install "$folder.part" "${datadog[@]}"
}

fill_statsd() {
    command -v npm >/dev/null || fail "there is no npm to fetch $statsd with: install Node.js (nodejs and npm on Debian and Ubuntu)"
    npm install --silent --prefix "$folder.part" --ignore-scripts --omit=optional --no-audit --no-fund --no-save "$statsd" >&2 ||
        fail "npm could not install $statsd, see above"
    node --check "$folder.part/node_modules/statsd/stats.js" || fail "$statsd does not run, see above"
}

# receiver FOLDER WANTED MESSAGE
receiver() {
    folder=$root/.receivers/$1
    once "$2" "Fetching $3" "fill_$1"
}

no_arguments "$@"
if [[ ${RINGSCOPE_RECEIVERS-} == none ]]; then
    echo "$name: RINGSCOPE_RECEIVERS=none: nothing is fetched; the tests that send to a real receiver will say so and pass." >&2
    exit
fi
without="RINGSCOPE_RECEIVERS=none does without"
mkdir -p "$root/.receivers"
receiver prometheus3 "prometheus and promtool of forky" "Prometheus 3.5 (0.4 GB)"
receiver victoria "victoria-metrics of trixie" "VictoriaMetrics (0.1 GB)"
receiver exporters "pushgateway, node-exporter, alertmanager" "Pushgateway, node exporter and Alertmanager (0.1 GB)"
receiver elastic "${elastic[*]}" "${elastic[0]} (0.1 GB)"
receiver cloudwatch "${cloudwatch[*]}" "${cloudwatch[0]} (0.1 GB)"
receiver datadog "${datadog[*]}" "${datadog[0]} (0.1 GB)"
receiver statsd "$statsd" "$statsd"

cat <<EXPORTS
export RINGSCOPE_PROMETHEUS3='$root/.receivers/prometheus3/usr/bin/prometheus'
export RINGSCOPE_PROMTOOL3='$root/.receivers/prometheus3/usr/bin/promtool'
export RINGSCOPE_VICTORIA='$root/.receivers/victoria/usr/bin/victoria-metrics'
export RINGSCOPE_PUSHGATEWAY='$root/.receivers/exporters/usr/bin/prometheus-pushgateway'
export RINGSCOPE_NODE_EXPORTER='$root/.receivers/exporters/usr/bin/prometheus-node-exporter'
export RINGSCOPE_ALERTMANAGER='$root/.receivers/exporters/usr/bin/prometheus-alertmanager'
export RINGSCOPE_ELASTIC='$root/.receivers/elastic'
export RINGSCOPE_CLOUDWATCH='$root/.receivers/cloudwatch'
export RINGSCOPE_DATADOG='$root/.receivers/datadog'
export RINGSCOPE_STATSD='$root/.receivers/statsd/node_modules/statsd'
EXPORTS

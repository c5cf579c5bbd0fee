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
statsd=(statsd@0.9.0)
# What checks files for deployment: the schemas of Compose and of Kubernetes, and (npm) of the Prometheus operator's resources.
schemas=(check-jsonschema==0.39.0 kubernetes-validate==1.37.0 attrs==26.1.0 certifi==2026.10.18 charset-normalizer==3.5.2 click==8.5.1
    idna==3.20 importlib-resources==7.1.0 jsonschema==4.26.0 jsonschema-specifications==2025.9.1 packaging==26.3 pyyaml==6.0.3
    referencing==0.37.0 regress==2026.9.1 requests==2.34.2 rpds-py==2026.9.1 ruamel.yaml==0.19.1 typing-extensions==4.16.0 urllib3==2.8.0)
operator=(@kubernetes-models/prometheus-operator@6.0.0 @kubernetes-models/apimachinery@3.0.2 @kubernetes-models/base@6.0.1
    @kubernetes-models/validate@5.0.2 kubernetes-models@5.1.0 ajv@8.20.0 ajv-formats@3.0.1 ajv-formats-draft2019@1.6.1 ajv-i18n@4.2.0
    cidr-regex@5.0.5 commander@2.20.3 discontinuous-range@1.0.0 extend@3.0.2 fast-deep-equal@3.1.3 fast-uri@3.1.9 is-cidr@6.0.4
    json-schema-traverse@1.0.0 moo@0.5.3 nearley@2.20.1 punycode@2.3.1 railroad-diagrams@1.0.0 randexp@0.4.6 re2-wasm@1.0.2
    require-from-string@2.0.2 ret@0.1.15 schemes@1.4.0 smtp-address-parser@1.1.0 uri-js@4.4.1)
# What checks dashboards/: Grafana's own model of a dashboard, and jsonnet.
dashboards=('grafana-foundation-sdk==1769699379!11.6.0' rjsonnet==0.5.6)

usage() {
    cat <<USAGE
usage: scripts/receivers.sh [--help]

Fetches what the tests of the destinations send telemetry to, and what checks the files of deploy/ and dashboards/, into .receivers of this
checkout (0.4 GB), and prints the lines to export:
  Debian's suite forky     Prometheus 3.5 and promtool (0.2 GB)
  Debian's suite trixie    VictoriaMetrics 1.112
  this system's own suite  Pushgateway, node exporter, Alertmanager and amtool (0.1 GB)
  Python's packages        ${elastic[0]} (the API of Elasticsearch), ${cloudwatch[0]} (of CloudWatch),
                           ${datadog[0]} (Datadog's parser of DogStatsD), ${schemas[0]} and
                           ${schemas[1]} (schemas of Compose and Kubernetes),
                           ${dashboards[0]} and ${dashboards[1]} (Grafana's models,
                           jsonnet) (0.1 GB together)
  npm                      ${statsd[0]}, ${operator[0]} (the schema of PodMonitor);
                           Node.js and npm must be on the PATH
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
}

# runs PROGRAM ARGUMENT...: a program of the packages.
runs() {
    "$folder.part/usr/bin/$1" "${@:2}" >/dev/null 2>&1 || fail "the $1 that was fetched does not run"
}

fill_prometheus3() {
    from_suite forky prometheus promtool
    rm -r "$folder.part/usr/share"
    runs prometheus --version
    runs promtool --version
    [[ $("$folder.part/usr/bin/prometheus" --version 2>&1) == *"version 3."* ]] || fail "the Prometheus that was fetched is no 3.x"
}

fill_victoria() {
    from_suite trixie victoria-metrics
    rm -r "$folder.part/usr/share"
    find "$folder.part/usr/bin" -type f ! -name victoria-metrics -delete
    runs victoria-metrics --version
}

fill_exporters() {
    from_own_suite prometheus-pushgateway prometheus-node-exporter prometheus-alertmanager
    # Debian's Alertmanager wants its templates where they would be installed. The path becomes one of the same length (Go counts
    # the bytes) that means its working directory, and the templates lie beside it.
    local bin=$folder.part/usr/bin installed=/usr/share/prometheus/alertmanager
    local here=.${installed//?//}
    LC_ALL=C sed -i "s#$installed#${here:0:${#installed}}#g" "$bin/prometheus-alertmanager"
    mv "$folder.part$installed"/*.tmpl "$bin"
    rm -r "$folder.part/usr/share"
    runs prometheus-pushgateway --version
    runs prometheus-node-exporter --version
    runs prometheus-alertmanager --version
    runs amtool --version
}

fill_elastic() {
    pip_install "$folder.part" "${elastic[@]}"
    chmod +x "$folder.part/noida_db/noida-db"
    "$folder.part/noida_db/noida-db" version >/dev/null 2>&1 || fail "${elastic[0]} does not run"
}

fill_cloudwatch() {
    pip_install "$folder.part" "${cloudwatch[@]}"
    PYTHONPATH="$folder.part" python3 -c 'import cbor2, ministack.app' >/dev/null || fail "${cloudwatch[0]} does not run, see above"
}

fill_datadog() {
    pip_install "$folder.part" "${datadog[@]}"
    rm -r "$folder.part"/datadog_serverless_compat/bin/windows-*
    chmod +x "$folder.part"/datadog_serverless_compat/bin/linux-amd64/datadog-serverless-compat
}

# npm_install PACKAGE...: without what their installation would run.
npm_install() {
    command -v npm >/dev/null || fail "there is no npm to fetch $1 with: install Node.js and npm; $without"
    npm install --silent --prefix "$folder.part" --ignore-scripts --omit=optional --no-audit --no-fund "$@" >&2 ||
        fail "npm could not install $*, see above; $without"
}

fill_statsd() {
    npm_install "${statsd[@]}"
    node --check "$folder.part/node_modules/statsd/stats.js" || fail "${statsd[0]} does not run, see above"
}

fill_schemas() {
    pip_install "$folder.part/python" "${schemas[@]}"
    local of_versions=$folder.part/python/kubernetes_validate/kubernetes-json-schema newest=v${schemas[1]#*==}-local-strict
    find "$of_versions" -mindepth 1 -maxdepth 1 ! -name "$newest" -exec rm -r {} +
    PYTHONPATH="$folder.part/python" python3 -m check_jsonschema --version >&2 >/dev/null || fail "${schemas[0]} does not run, see above"
    PYTHONPATH="$folder.part/python" python3 -m kubernetes_validate --version >/dev/null || fail "${schemas[1]} does not run, see above"
    npm_install "${operator[@]}"
}

fill_dashboards() {
    pip_install "$folder.part" "${dashboards[@]}"
    PYTHONPATH="$folder.part" python3 -c 'import grafana_foundation_sdk.models.dashboard, rjsonnet' ||
        fail "${dashboards[*]} do not run, see above: they need Python 3.11 or later"
}

# receiver FOLDER WANTED MESSAGE
receiver() {
    folder=$root/.receivers/$1
    once "$2" "Fetching $3" "fill_$1"
}

no_arguments "$@"
if [[ ${RINGSCOPE_RECEIVERS-} == none ]]; then
    echo "$name: RINGSCOPE_RECEIVERS=none: nothing is fetched; every test that sends to a real receiver (Prometheus 3.5," \
        "VictoriaMetrics, Pushgateway, node exporter, Alertmanager, the APIs of Elasticsearch and CloudWatch, DogStatsD, statsd)" \
        "or checks deploy/ or dashboards/ by a schema will say that it is skipped, and pass." >&2
    exit
fi
without="with RINGSCOPE_RECEIVERS=none the tests do without"
mkdir -p "$root/.receivers"
receiver prometheus3 "prometheus and promtool of forky" "Prometheus 3.5 (0.2 GB)"
receiver victoria "victoria-metrics of trixie" "VictoriaMetrics"
receiver exporters "pushgateway, node-exporter, alertmanager with templates, amtool" "Pushgateway, node exporter, Alertmanager and amtool (0.1 GB)"
receiver elastic "${elastic[*]}" "${elastic[0]}"
receiver cloudwatch "${cloudwatch[*]}" "${cloudwatch[0]}"
receiver datadog "${datadog[*]}" "${datadog[0]}"
receiver statsd "${statsd[*]}" "${statsd[0]}"
receiver schemas "${schemas[*]} ${operator[*]}" "schemas of Compose, Kubernetes and PodMonitor"
receiver dashboards "${dashboards[*]}" "Grafana's models of dashboards, and jsonnet"

cat <<EXPORTS
export RINGSCOPE_PROMETHEUS3='$root/.receivers/prometheus3/usr/bin/prometheus'
export RINGSCOPE_PROMTOOL3='$root/.receivers/prometheus3/usr/bin/promtool'
export RINGSCOPE_VICTORIA='$root/.receivers/victoria/usr/bin/victoria-metrics'
export RINGSCOPE_PUSHGATEWAY='$root/.receivers/exporters/usr/bin/prometheus-pushgateway'
export RINGSCOPE_NODE_EXPORTER='$root/.receivers/exporters/usr/bin/prometheus-node-exporter'
export RINGSCOPE_ALERTMANAGER='$root/.receivers/exporters/usr/bin/prometheus-alertmanager'
export RINGSCOPE_AMTOOL='$root/.receivers/exporters/usr/bin/amtool'
export RINGSCOPE_ELASTIC='$root/.receivers/elastic/noida_db/noida-db'
export RINGSCOPE_CLOUDWATCH='$root/.receivers/cloudwatch'
export RINGSCOPE_DATADOG='$root/.receivers/datadog/datadog_serverless_compat/bin/linux-amd64/datadog-serverless-compat'
export RINGSCOPE_STATSD='$root/.receivers/statsd/node_modules/statsd'
export RINGSCOPE_SCHEMAS='$root/.receivers/schemas/python'
export RINGSCOPE_OPERATOR_SCHEMAS='$root/.receivers/schemas/node_modules'
export RINGSCOPE_DASHBOARD_MODELS='$root/.receivers/dashboards'
EXPORTS

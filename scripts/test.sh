#!/usr/bin/env bash
# Everything that proves ringscope, on a machine with Rust, a C++ compiler and Python; a GPU is used if there is one.
#
# Installs, into the ignored folders .cuda, .nvrtc12, .libclang, .prometheus, .trace-tools, .receivers, .browser and .page-tools
# of this checkout, nvcc, NVRTC and nvdisasm (scripts/cuda-toolchain.sh), the NVRTC that makes the embedded PTX (scripts/ptx.sh),
# libclang (scripts/libclang.sh), Prometheus and parsers of its formats (scripts/prometheus.sh), readers of traces
# (scripts/trace-tools.sh), what the destinations are tested against (scripts/receivers.sh, 0.4 GB; with
# RINGSCOPE_RECEIVERS=none these tests are skipped and say so), a browser for the page (scripts/browser.sh, 0.4 GB; likewise with
# RINGSCOPE_BROWSER=none), what makes the page's one file of its modules (scripts/page.sh), and nothing else. Steps: format,
# lints over every feature set, documentation, tests, the package, examples, benchmarks once through, the sanitizers over the
# kernels, the kernels through nvcc and NVRTC.
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1:-}" in
    "") ;;
    *) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit $([ "$1" = --help ] && echo 0 || echo 2) ;;
esac

step() { printf '\n== %s\n' "$*"; }

step "nvcc, NVRTC, libclang, Prometheus, readers of traces, receivers and a browser"
eval "$(scripts/cuda-toolchain.sh)"
eval "$(scripts/libclang.sh)"
eval "$(scripts/prometheus.sh)"
eval "$(scripts/trace-tools.sh)"
eval "$(scripts/receivers.sh)"
eval "$(scripts/browser.sh)"
export RINGSCOPE_REQUIRE_NVCC=1 RINGSCOPE_REQUIRE_PTX=1 RINGSCOPE_REQUIRE_PROMETHEUS=1 RINGSCOPE_REQUIRE_TRACE_TOOLS=1
[ "${RINGSCOPE_RECEIVERS:-}" = none ] || export RINGSCOPE_REQUIRE_RECEIVERS=1
[ "${RINGSCOPE_BROWSER:-}" = none ] || export RINGSCOPE_REQUIRE_BROWSER=1
export RUSTFLAGS="${RUSTFLAGS:-} -D warnings" RUSTDOCFLAGS="-D warnings" RUST_BACKTRACE=0
# Nothing is built twice here and no backtrace is read: what incremental builds and line tables take is half of the disk.
export CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_RELEASE_DEBUG=0

step "the embedded PTX is what the kernels compile to"
scripts/ptx.sh --check

step "the page's one file is what its modules come to"
scripts/page.sh --check

step "format"
cargo fmt --check
for example in bring-your-own-kernel own-ring-kernel in-the-wild; do (cd "examples/$example" && cargo fmt --check); done

step "lints, over every feature set"
for features in "" host cuda "cuda host" json trace prometheus-protobuf "host serde system" "cuda nvml" "host cli" "cuda cli" nvtx \
    tracing publish files prometheus-server otlp otlp-grpc remote-write pushgateway elasticsearch grafana-cloud datadog cloudwatch \
    tls "otlp-grpc tls" "files remote-write" feed alerts recording dashboard page page-tls capi "cuda host cli nvtx tracing"; do
    echo "-- features: ${features:-none}"
    # Unit tests and the program with every set; the other tests and the benchmarks with the full one below.
    RINGSCOPE_NVCC=none cargo clippy --quiet -p ringscope --no-default-features --features "$features" --lib --bins -- -D warnings
done
cargo clippy --quiet --all-targets --all-features -- -D warnings

step "the stated Rust version, by the manifests of what each feature brings"
scripts/msrv.py

step "documentation"
RINGSCOPE_NVCC=none cargo doc --quiet --no-deps -p ringscope --all-features

# Under a minute of one core's time where the dependencies are built; they are those of the tests below, as far as their features are
# the same.
step "the libraries for C and C++"
RINGSCOPE_CAPI=$(scripts/capi.sh)
export RINGSCOPE_CAPI RINGSCOPE_REQUIRE_CAPI=1

step "tests, with machine code by nvcc"
cargo test --all-features -- --nocapture

# As on a GPU, with fewer messages. A reset in the middle of traffic is left out: on a memory this weak its baseline may take a
# record in halves.
step "the tests of a device on the PTX machine"
(
    export LD_LIBRARY_PATH="$PWD/target/tmp/cuda_path-stand-in${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" STAND_IN_RUNS=ptx STAND_IN_BLOCKS_EACH=16
    export RINGSCOPE_TEST_DEVICE=cuda RINGSCOPE_REQUIRE_CUDA=1 RINGSCOPE_TEST_FEWER=20
    cargo test --all-features --test probe --test device_metrics --test metrics --test lifecycle --test exact -- \
        --test-threads 1 --skip a_reset_under_traffic
)

step "tests with the embedded PTX alone, and with few features"
RINGSCOPE_NVCC=none cargo test --quiet -p ringscope --test cuda_driver --test cuda_absent --test cuda_own_kernel
RINGSCOPE_NVCC=none cargo test --quiet -p ringscope --no-default-features --test collector --test collection --test histogram --test metrics --test metrics_host --test metrics_registry --test export --test operations --test network --test trace_context --test trace_tracer

step "the package, from its own archive, and without a C++ compiler"
# A checkout in which something is not committed yet can be tested as well.
RINGSCOPE_NVCC=none CARGO_TARGET_DIR=target/package-check cargo package --quiet -p ringscope --allow-dirty
if said=$(CXX=/nonexistent/c++ RINGSCOPE_NVCC=none CARGO_TARGET_DIR=target/package-check cargo check -p ringscope 2>&1); then
    echo "it builds without a C++ compiler, and must not"; exit 1
fi
grep -q 'feature `host` .* needs a C++17 compiler' <<<"$said" || { echo "$said"; exit 1; }

step "the kernels under the sanitizers"
mkdir -p target/sanitizers
for sanitizer in thread address,undefined; do
    echo "-- $sanitizer"
    for level in 2 3; do
        "${CXX:-c++}" -std=c++17 -DRINGSCOPE_CPU -DRINGSCOPE_LEVEL=$level -O1 -g -Wall -Wextra -Werror -fsanitize="$sanitizer" \
            -fno-sanitize-recover=all -pthread -Ikernels/include kernels/host/stress.cpp kernels/host/shim.cpp \
            -o "target/sanitizers/stress-$sanitizer-l$level"
        "target/sanitizers/stress-$sanitizer-l$level"
    done
done

echo "-- a barrier that is missing is a race to the thread sanitizer"
"${CXX:-c++}" -std=c++17 -DRINGSCOPE_CPU -DRINGSCOPE_LEVEL=2 -DRINGSCOPE_STRESS_RACE -O1 -g -fsanitize=thread -pthread \
    -Ikernels/include kernels/host/stress.cpp kernels/host/shim.cpp -o target/sanitizers/stress-race
if said=$(target/sanitizers/stress-race 2>&1); then
    echo "the thread sanitizer says nothing of it"; exit 1
fi
grep -q 'data race' <<<"$said" || { echo "$said"; exit 1; }

step "the experiments of the GPU pack"
scripts/ptx.sh --of benches/gpu/kernels.cu target/measure.ptx
"${CXX:-c++}" -std=c++17 -Wall -Wextra -Werror -pthread benches/gpu/*.cpp -ldl -o target/measure
[ "$(target/measure 2>&1 | head -1 | cut -c1-14)" = "usage: measure" ] || { echo "it does not say its usage"; exit 1; }

# Not as release builds, which take longer to make and show the same.
step "bring your own kernel: a program of its own"
(cd examples/bring-your-own-kernel && CARGO_TARGET_DIR=../../target/examples cargo test --quiet -- --nocapture)

step "a ring kernel of one's own: a program of its own"
(cd examples/own-ring-kernel && CARGO_TARGET_DIR=../../target/examples cargo test --quiet -- --nocapture)
(cd examples/own-ring-kernel && CARGO_TARGET_DIR=../../target/examples cargo run --quiet -- host ../../target/words.pftrace)

step "telemetry in somebody else's kernel: a program of its own"
(cd examples/in-the-wild && CARGO_TARGET_DIR=../../target/examples cargo test --quiet -- --nocapture)
(cd examples/in-the-wild && CARGO_TARGET_DIR=../../target/examples cargo run --quiet -- host)

step "the picture of a trace"
scripts/trace-picture.py target/words.pftrace -o target/words.svg
grep -q '<title>counting' target/words.svg && grep -q 'stroke-opacity' target/words.svg

# Built with the tests.
step "examples"
for example in examples/*.rs; do
    name=$(basename "$example" .rs)
    echo "-- $name"
    case $name in report | island) to=("target/$name.rscope") ;; *) to=() ;; esac
    cargo run --quiet --all-features --example "$name" -- "${to[@]}"
done

step "a recording told, and compared with itself"
cargo run --quiet --release -- report target/report.rscope -o target/report.html
cargo run --quiet --release -- diff target/report.rscope target/report.rscope --fail-if 'p99 > +0 %'
cargo run --quiet --release -- replay target/report.rscope --speed 4096 >/dev/null

step "the program, as the README starts it"
cargo run --quiet --release -- run --messages 20000
cargo run --quiet --release -- doctor

step "doctor --deep and bench, on the host device"
cargo run --quiet --release -- doctor --deep --device host
cargo run --quiet --release -- bench --quick --device host

step "benchmarks, once through"
cargo bench --quiet --bench anomaly --bench async --bench metrics --bench operations --bench record --bench snapshot --bench export --bench publish_encode --bench recording --bench trace -- --test

step "all of it passed"

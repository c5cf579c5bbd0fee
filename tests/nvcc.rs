//! Every kernel compiles for every architecture at every level, without a warning. Needs nvcc, and no GPU.
//!
//! `scripts/cuda-toolchain.sh` brings an nvcc. Without one these tests say so and pass, unless
//! RINGSCOPE_REQUIRE_NVCC=1.

mod toolkit;

use std::path::Path;
use std::process::Command;

use toolkit::{folder, nvcc, root};

const ARCHITECTURES: [u32; 7] = [75, 80, 86, 89, 90, 100, 120];

/// A kernel of somebody else that was given a telemetry parameter and the calls; PLAIN leaves them out.
const OWN_KERNEL: &str = r#"
#include <ringscope/telemetry.cuh>
extern "C" __global__ void own(ringscope::KernelRef telemetry, const volatile int* stop, unsigned* out) {
#ifndef PLAIN
    ringscope::Recorder rec(telemetry);
#endif
    unsigned n = 0;
    while (*stop == 0) {
#ifndef PLAIN
        unsigned long long begun = rec.begin();
        ringscope::Span span(rec, 1);
        if (threadIdx.x == 0) {
            rec.at(2);
            rec.waiting(3);
            rec.waiting(3, 1, n, 2);
            rec.waited();
        }
        rec.event(4, n);
        rec.counter_sample(5, 0.5f * n);
        rec.log(6, n, begun);
        ringscope::check(rec, true, 7);
#endif
        out[blockIdx.x * blockDim.x + threadIdx.x] = ++n;
#ifndef PLAIN
        __syncwarp();
        if (n % 3 == 0) {
            if (threadIdx.x == 0) rec.fail(begun, 300, 4);
        } else if (n % 3 == 1) {
            if (threadIdx.x == 0) rec.end(begun, ringscope::Kind{n % 4}, 4, 4);
        } else if (n % 3 == 2 && n % 2 == 0) {
            rec.finish_warp(begun, n % 4, 4, 4);
        } else {
            rec.end_warp(begun, 4, 4);
        }
#endif
    }
}
"#;

fn compile(nvcc: &Path, source: &Path, to: &Path, arguments: &[String]) {
    let mut command = Command::new(nvcc);
    command.args(["-std=c++17", "-O3", "-Werror", "all-warnings", "--threads", "2"]).args(arguments);
    command.arg("-I").arg(root().join("kernels/include")).arg(source).arg("-o").arg(to);
    let output = command.output().expect("nvcc starts");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.trim().is_empty(), "{command:?}\n{said}");
}

/// Machine code for every architecture, one compiler call for each level.
fn compile_everywhere(nvcc: &Path, source: &Path, to: &Path) {
    for level in 0..=3 {
        let codes = ARCHITECTURES.iter().map(|sm| format!("-gencode=arch=compute_{sm},code=sm_{sm}"));
        let arguments: Vec<_> = codes.chain([format!("-DRINGSCOPE_LEVEL={level}"), "-fatbin".to_owned()]).collect();
        let fatbin = to.join(format!("l{level}.fatbin"));
        compile(nvcc, source, &fatbin, &arguments);
        let bytes = std::fs::read(fatbin).expect("nvcc wrote it");
        assert!(bytes.starts_with(&0xba55_ed50u32.to_le_bytes()), "{} is no fatbin", source.display());
    }
}

fn ptx(nvcc: &Path, source: &Path, to: &Path, arguments: &[&str]) -> String {
    let more = ["-ptx", "-arch=compute_75"];
    let arguments: Vec<_> = more.iter().chain(arguments).map(|&a| a.to_owned()).collect();
    compile(nvcc, source, to, &arguments);
    std::fs::read_to_string(to).expect("nvcc wrote it")
}

#[test]
fn every_kernel_compiles_for_every_architecture() {
    let Some(nvcc) = nvcc() else { return };
    let to = folder("nvcc-kernels");
    let files = ["kernels", "kernels/probe"].map(|folder| std::fs::read_dir(root().join(folder)).expect("a folder"));
    let mut sources: Vec<_> = files.into_iter().flatten().map(|file| file.expect("an entry").path()).collect();
    sources.retain(|path| path.extension().is_some_and(|e| e == "cu"));
    assert!(sources.len() >= 4, "{sources:?}");
    // A ring kernel of somebody's own, what the host's shim takes of CUDA C++ (that is what CUDA takes), and the experiments'.
    sources.extend(
        [
            "tests/cuda-driver/tally.cu",
            "tests/cuda-driver/ptx/kernels/roles.cu",
            "tests/host-shim/functions.cu",
            "benches/gpu/kernels.cu",
        ]
        .map(|path| root().join(path)),
    );
    for source in sources {
        compile_everywhere(&nvcc, &source, &to);
    }
}

/// As a driver does it: `ptxas` is the same compiler.
#[test]
fn the_embedded_ptx_assembles_for_every_architecture() {
    let Some(nvcc) = nvcc() else { return };
    let to = folder("nvcc-ptx").join("kernels.cubin");
    for (level, sm) in (0..=3).flat_map(|level| ARCHITECTURES.map(|sm| (level, sm))) {
        let mut ptxas = Command::new(nvcc.with_file_name("ptxas"));
        ptxas.args(["--warning-as-error", "-arch", &format!("sm_{sm}"), "-o"]).arg(&to);
        let output = ptxas.arg(root().join(format!("kernels/ptx/l{level}.ptx"))).output().expect("ptxas starts");
        assert!(output.status.success(), "{ptxas:?}\n{}", String::from_utf8_lossy(&output.stderr));
        assert!(std::fs::read(&to).expect("ptxas wrote it").starts_with(b"\x7fELF"), "{ptxas:?}");
    }
}

#[test]
fn a_kernel_of_ones_own_needs_one_header() {
    let Some(nvcc) = nvcc() else { return };
    let to = folder("nvcc-own");
    let source = to.join("own.cu");
    std::fs::write(&source, OWN_KERNEL).expect("a temporary file");
    compile_everywhere(&nvcc, &source, &to);
}

#[test]
fn level_0_leaves_nothing_behind() {
    let Some(nvcc) = nvcc() else { return };
    let to = folder("nvcc-level0");
    let source = to.join("own.cu");
    std::fs::write(&source, OWN_KERNEL.replace("__syncwarp();", "")).expect("a temporary file");
    let off = ptx(&nvcc, &source, &to.join("off.ptx"), &["-DRINGSCOPE_LEVEL=0"]);
    let plain = ptx(&nvcc, &source, &to.join("plain.ptx"), &["-DRINGSCOPE_LEVEL=0", "-DPLAIN"]);
    assert_eq!(off, plain);
    for level in ["-DRINGSCOPE_LEVEL=1", "-DRINGSCOPE_LEVEL=2", "-DRINGSCOPE_LEVEL=3"] {
        let on = ptx(&nvcc, &source, &to.join("on.ptx"), &[level]);
        assert_ne!(on, plain, "the same test sees telemetry where there is some");
    }
}

#[test]
fn counting_waits_for_nothing() {
    let Some(nvcc) = nvcc() else { return };
    let to = folder("nvcc-red");
    let source = to.join("own.cu");
    std::fs::write(&source, OWN_KERNEL).expect("a temporary file");
    for level in ["-DRINGSCOPE_LEVEL=1", "-DRINGSCOPE_LEVEL=2", "-DRINGSCOPE_LEVEL=3"] {
        let ptx = ptx(&nvcc, &source, &to.join("own.ptx"), &[level]);
        assert!(ptx.contains("red.relaxed.gpu.global.add.u64"), "{ptx}");
        for waits in ["atom.", "fence", "membar"] {
            assert!(!ptx.contains(waits), "`{waits}` in:\n{ptx}");
        }
    }
}

//! What of CUDA C++ the host device compiles, and what it refuses with a sentence. Needs a C++ compiler (c++).
#![cfg(feature = "host")]
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ringscope::device::Launch;
use ringscope::device::host::{Grid, HostDevice};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Runs the C++ compiler on a file of CUDA C++, as a build script would.
fn compile(source: &Path, arguments: &[&str]) -> (bool, String) {
    let mut cxx = Command::new(std::env::var_os("CXX").unwrap_or_else(|| "c++".into()));
    cxx.args(["-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-DRINGSCOPE_CPU", "-x", "c++"])
        .arg("-I")
        .arg(root().join("kernels/include"));
    let output = cxx.arg(source).args(arguments).output().expect("a C++ compiler, which built the host device");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn what_cuda_documents_of_them_the_functions_do() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("host_shim_functions");
    let (shim, main) = (root().join("kernels/host/shim.cpp"), root().join("tests/host-shim/main.cpp"));
    let [shim, main, to] = [&shim, &main, &file].map(|path| path.to_str().expect("a path in UTF-8"));
    let (compiled, said) = compile(&root().join("tests/host-shim/functions.cu"), &[shim, main, "-pthread", "-o", to]);
    assert!(compiled, "{said}");
    let output = Command::new(&file).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_kernels_clock_is_the_hosts_to_within_what_it_says_and_never_goes_back() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("host_shim_clock");
    let shim = root().join("kernels/host/shim.cpp");
    let [shim, to] = [&shim, &file].map(|path| path.to_str().expect("a path in UTF-8"));
    let (compiled, said) = compile(&root().join("tests/host-shim/clock.cpp"), &[shim, "-pthread", "-o", to]);
    assert!(compiled, "{said}");
    let output = Command::new(&file).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A handler that is held in the middle of a message, and a reader that looks at any moment: with telemetry and without.
#[test]
fn a_ring_sees_commands_in_time_and_its_records_are_whole() {
    for level in [0, 2, 3] {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("host_shim_ring_{level}"));
        let shim = root().join("kernels/host/shim.cpp");
        let [shim, to] = [&shim, &file].map(|path| path.to_str().expect("a path in UTF-8"));
        let level = format!("-DRINGSCOPE_LEVEL={level}");
        let (compiled, said) = compile(&root().join("tests/host-shim/ring.cpp"), &[shim, &level, "-pthread", "-o", to]);
        assert!(compiled, "{said}");
        let output = Command::new(&file).output().expect("it starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn what_needs_the_lanes_of_a_warp_does_not_compile_and_says_why() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for (name, call) in [
        ("shuffle", "__shfl_xor_sync(0xffffffffu, v, 16)"),
        ("vote", "__ballot_sync(0xffffffffu, v)"),
        ("reduction", "__reduce_add_sync(0xffffffffu, v)"),
        ("match", "__match_any_sync(0xffffffffu, v)"),
    ] {
        let source = folder.join(format!("host_shim_{name}.cu"));
        let text = format!(
            "#include <ringscope/telemetry.cuh>\nextern \"C\" __global__ void k(unsigned* p) {{ unsigned v = *p; *p = {call}; }}\n"
        );
        std::fs::write(&source, text).expect("a temporary file");
        let (compiled, said) = compile(&source, &["-fsyntax-only"]);
        assert!(!compiled, "{call}");
        let function = call.split('(').next().expect("a name");
        assert!(said.contains(&format!("{function} needs the lanes of a warp, and the host device has one")), "{said}");
    }
}

#[test]
fn a_handler_that_does_not_fit_its_arguments_does_not_compile_and_says_why() {
    let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join("host_shim_handler.cu");
    let text = |handler: &str, entry: &str| {
        format!(
            "#include <ringscope/ring.cuh>\nstruct Args {{ unsigned long long words[{}]; }};\nnamespace {{ struct H {{ {handler}\n\
             __device__ unsigned handle(ringscope::Context&, const ringscope::Message&, ringscope::Reply&) {{ return 0; }} }}; }}\n\
             RINGSCOPE_RING_KERNEL({entry})\n",
            if handler.contains("large") { 200 } else { 2 }
        )
    };
    for (handler, entry, sentence) in [
        ("int other = 0;", "k, H, Args", "a handler with arguments is made as H{args} or H{context, args}"),
        ("__device__ explicit H(int) {}", "k, H", "a handler without arguments is made as H{} or H{context}"),
        ("/* large */ Args args;", "k, H, Args", "arguments of more than 1024 bytes: pass the address of the rest"),
        ("Args args;", "k, H, Args", ""),
        ("ringscope::Context& c; Args args; unsigned n = 0;", "k, H, Args", ""),
        ("ringscope::Context& c;", "k, H", ""),
        ("unsigned n = 0;", "k, H", ""),
    ] {
        std::fs::write(&source, text(handler, entry)).expect("a temporary file");
        let (compiled, said) = compile(&source, &["-fsyntax-only"]);
        assert_eq!(compiled, sentence.is_empty(), "{handler} {said}");
        assert!(said.contains(sentence), "{said}");
    }
}

static BLOCKS: AtomicU64 = AtomicU64::new(0);

extern "C" fn count(_: *mut *mut c_void) {
    BLOCKS.fetch_add(1, Ordering::SeqCst);
}

#[test]
fn a_grid_has_three_dimensions() {
    let device = Arc::new(HostDevice::new());
    // SAFETY: it takes no arguments and touches none.
    let launch = |grid: Grid| unsafe { device.launch(count, grid, &[], Vec::new()) };
    let launched = launch(Grid::from((3, 2, 2)).threads(1)).unwrap();
    let patience = Instant::now() + Duration::from_secs(60);
    while !launched.ended().unwrap() {
        assert!(Instant::now() < patience);
        std::thread::yield_now();
    }
    assert_eq!(BLOCKS.load(Ordering::SeqCst), 12);
}

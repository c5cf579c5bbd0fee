//! Where a test finds the CUDA toolkit, and what it does without one: scripts/cuda-toolchain.sh brings it.
//!
//! RINGSCOPE_NVCC names an nvcc (`none`: there is none); without it, the one in .cuda of the checkout. A test that finds
//! none says so aloud and passes, unless RINGSCOPE_REQUIRE_NVCC=1; RINGSCOPE_REQUIRE_PTX=1 does the same for scripts/ptx.sh.
#![allow(dead_code)] // Each test file uses some of it.

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// nvcc and what a toolkit has beside it.
pub struct Toolkit {
    /// The compiler.
    pub nvcc: PathBuf,
    /// Lists machine code; older toolkits have it elsewhere.
    pub nvdisasm: Option<PathBuf>,
}

/// The checkout.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The toolkit's compiler; skips aloud without.
pub fn nvcc() -> Option<PathBuf> {
    let toolkit = find();
    if toolkit.is_none() {
        skip("no nvcc");
    }
    toolkit.map(|toolkit| toolkit.nvcc)
}

/// The compiler and the disassembler; skips aloud without.
pub fn nvcc_and_nvdisasm() -> Option<(PathBuf, PathBuf)> {
    let both = find().and_then(|toolkit| Some((toolkit.nvcc, toolkit.nvdisasm?)));
    if both.is_none() {
        skip("no nvcc and nvdisasm");
    }
    both
}

fn find() -> Option<Toolkit> {
    let own = root().join(".cuda/nvidia/cu13/bin");
    let nvcc = match std::env::var_os("RINGSCOPE_NVCC") {
        Some(none) if none == "none" => None,
        Some(path) if !path.is_empty() => Some(PathBuf::from(path)),
        _ => Some(own.join("nvcc")).filter(|path| path.is_file()),
    }?;
    let places = [nvcc.with_file_name("nvdisasm"), own.join("nvdisasm")];
    let nvdisasm = places.into_iter().find(|path| path.is_file());
    Some(Toolkit { nvcc, nvdisasm })
}

/// The script that compiles the kernels to PTX, where it has installed its compiler; skips aloud elsewhere.
pub fn ptx_script() -> Option<PathBuf> {
    let there = root().join(".nvrtc12/installed").is_file();
    if !there {
        unless_required("RINGSCOPE_REQUIRE_PTX", "no NVRTC of CUDA 12.0", "run scripts/ptx.sh");
    }
    there.then(|| root().join("scripts/ptx.sh"))
}

/// Says what is missing, or fails where it is required.
pub fn skip(missing: &str) {
    unless_required("RINGSCOPE_REQUIRE_NVCC", missing, "run scripts/cuda-toolchain.sh, export what it says");
}

fn unless_required(variable: &str, missing: &str, remedy: &str) {
    let required = std::env::var_os(variable).is_some_and(|v| v == "1");
    assert!(!required, "{variable}=1, and there is {missing}: {remedy}");
    // Not eprintln: the test harness would swallow it.
    let _ = writeln!(std::io::stderr(), "skipped: {missing} ({remedy})");
}

/// A folder of one test, emptied.
pub fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    folder
}

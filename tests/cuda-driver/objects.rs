//! Compiles the PTX machine (tests/cuda-driver/ptx), once for all tests that use it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// What the machine consists of, without its own tests.
const PARTS: [&str; 17] = [
    "access",
    "alu",
    "alu_float",
    "decode",
    "lexer",
    "machine",
    "memory",
    "memory_clocks",
    "memory_host",
    "memory_order",
    "memory_races",
    "memory_rmw",
    "memory_words",
    "parse",
    "stage",
    "sync",
    "warp",
];

/// The C++ compiler, with the options of all parts of the stand-in.
pub fn compiler() -> Command {
    let mut cxx = Command::new(std::env::var_os("CXX").unwrap_or_else(|| "c++".into()));
    cxx.args(["-std=c++17", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra", "-pthread"]);
    cxx.arg("-I").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels/include"));
    cxx
}

/// The machine's object files; `None` without a C++ compiler. Each takes its place as a whole: tests may run at the same time.
pub fn ptx_machine() -> Option<Vec<PathBuf>> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cuda-driver/ptx");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ptx-machine");
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let newest = newest_source(&sources);
    let objects: Vec<PathBuf> = PARTS.iter().map(|part| folder.join(format!("{part}.o"))).collect();
    let stale = PARTS.iter().zip(&objects).filter(|(_, object)| modified(object).is_none_or(|made| made < newest));
    let compile = |(part, object): (&&str, &PathBuf)| {
        let mut cxx = compiler();
        let made = object.with_extension(format!("{}.o", std::process::id()));
        cxx.args(["-O2", "-g1", "-c"]).arg(sources.join(format!("{part}.cpp"))).arg("-o").arg(&made);
        cxx.spawn().ok().map(|child| (child, made, object.clone()))
    };
    let mut stale: Vec<_> = stale.collect();
    while !stale.is_empty() {
        // Two at a time: more would only take turns on a small machine.
        let started: Option<Vec<_>> = stale.drain(..stale.len().min(2)).map(compile).collect();
        for (mut child, made, object) in started? {
            assert!(child.wait().expect("a compiler").success(), "{} was not compiled", object.display());
            std::fs::rename(made, object).expect("it takes its place");
        }
    }
    Some(objects)
}

fn newest_source(folder: &Path) -> SystemTime {
    let files = std::fs::read_dir(folder).expect("the sources").filter_map(|entry| modified(&entry.ok()?.path()));
    files.max().expect("there are some")
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).ok()?.modified().ok()
}

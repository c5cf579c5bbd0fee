//! Compiles the PTX machine (tests/cuda-driver/ptx), once for all tests that use it.

use std::fs::File;
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

/// The machine's object files; `None` without a C++ compiler. Tests that run at the same time wait for one another.
pub fn ptx_machine() -> Option<Vec<PathBuf>> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cuda-driver/ptx");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ptx-machine");
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let lock = File::create(folder.join("lock")).expect("a lock");
    lock.lock().expect("it is locked");
    let newest = newest_source(&sources);
    let objects: Vec<PathBuf> = PARTS.iter().map(|part| folder.join(format!("{part}.o"))).collect();
    let stale = PARTS.iter().zip(&objects).filter(|(_, object)| modified(object).is_none_or(|made| made < newest));
    let compile = |(part, object): (&&str, &PathBuf)| {
        let mut cxx = compiler();
        cxx.args(["-O2", "-g1", "-c"]).arg(sources.join(format!("{part}.cpp"))).arg("-o").arg(object);
        cxx.spawn().ok().map(|child| (child, object.clone()))
    };
    let mut stale: Vec<_> = stale.collect();
    while !stale.is_empty() {
        // Two at a time: more would only take turns on a small machine.
        let started: Option<Vec<_>> = stale.drain(..stale.len().min(2)).map(compile).collect();
        for (mut child, object) in started? {
            let compiled = child.wait().expect("a compiler").success();
            if !compiled {
                let _ = std::fs::remove_file(&object);
            }
            assert!(compiled, "{} was not compiled", object.display());
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

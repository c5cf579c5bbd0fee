//! The memory of the PTX machine (tests/cuda-driver/ptx/memory.h), held against the litmus tests: what PTX forbids never
//! happens, what it permits is seen to happen, races are found and nothing else is taken for one. Needs a C++ compiler (c++).

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

const MEMORY: [&str; 7] = ["", "_clocks", "_host", "_order", "_races", "_rmw", "_words"];
const LITMUS: [&str; 6] = ["", "_host", "_limits", "_races", "_test", "_visible"];

#[test]
fn the_memory_is_as_weak_as_ptx_permits_and_no_weaker() {
    let (root, to) = (Path::new(env!("CARGO_MANIFEST_DIR")), Path::new(env!("CARGO_TARGET_TMPDIR")).join("ptx_litmus"));
    let cxx = || Command::new(std::env::var_os("CXX").unwrap_or_else(|| "c++".into()));
    if cxx().arg("--version").output().is_err() {
        // Past the harness, which keeps what a passing test prints to itself.
        let _ = writeln!(std::io::stderr(), "skipped: the memory of the PTX machine: no C++ compiler (c++)");
        return;
    }
    let sources = root.join("tests/cuda-driver/ptx");
    let files = MEMORY.map(|part| format!("memory{part}.cpp")).into_iter();
    let files = files.chain(LITMUS.map(|part| format!("litmus{part}.cpp"))).map(|file| sources.join(file));
    let output = cxx()
        .args(["-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread", "-o"])
        .arg(&to)
        .args(files)
        .output()
        .expect("the compiler starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = Command::new(&to).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("ok "), "{said}");
}

//! include/ringscope.h is what cbindgen makes of src/capi. RINGSCOPE_WRITE_DOCS=1 writes it.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The order in which things stand in the header.
const FILES: [&str; 12] = [
    "result",
    "text",
    "device",
    "collector",
    "kernel",
    "actor",
    "metric",
    "host_metric",
    "snapshot_fields",
    "snapshot",
    "write",
    "collection",
];

fn generated() -> String {
    let folder = root().join("src/capi");
    let config = cbindgen::Config::from_file(folder.join("cbindgen.toml")).expect("cbindgen's config");
    let mut builder = cbindgen::Builder::new().with_config(config);
    for file in FILES {
        builder = builder.with_src(folder.join(file).with_extension("rs"));
    }
    let mut header = Vec::new();
    builder.generate().expect("cbindgen understands src/capi").write(&mut header);
    String::from_utf8(header).expect("UTF-8")
}

#[test]
fn the_header_is_what_the_library_has() {
    let path = root().join("include/ringscope.h");
    let generated = generated();
    if std::env::var("RINGSCOPE_WRITE_DOCS").is_ok_and(|v| v == "1") {
        std::fs::write(&path, &generated).expect("include/ringscope.h");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = kept.lines().zip(generated.lines()).position(|(kept, made)| kept != made);
    assert!(
        kept == generated,
        "include/ringscope.h is another one (line {:?}): RINGSCOPE_WRITE_DOCS=1 cargo test --test capi",
        differs.map(|line| line + 1)
    );
}

/// In the strictest dialects, alone in a file and twice.
#[test]
fn the_header_is_c99_and_cpp17_without_a_warning() {
    for (variable, default, extension, standards) in
        [("CC", "cc", "c", ["-std=c99", "-std=c11"]), ("CXX", "c++", "cpp", ["-std=c++17", "-std=c++20"])]
    {
        let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join("capi_header").with_extension(extension);
        std::fs::write(&source, "#include <ringscope.h>\n#include <ringscope.h>\n").expect("a folder for tests");
        for standard in standards {
            let mut compiler = Command::new(std::env::var_os(variable).unwrap_or_else(|| default.into()));
            compiler.args([standard, "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only"]);
            compiler.arg("-I").arg(root().join("include")).arg("-I").arg(root().join("kernels/include")).arg(&source);
            let output = compiler.output().unwrap_or_else(|error| panic!("{compiler:?}: {error}"));
            assert!(output.status.success(), "{compiler:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

//! The examples in C and C++ as docs/c-api.md builds them: by pkg-config, without a warning, with each library and under the
//! sanitizers; and the one in Python.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Where scripts/capi.sh installed the libraries.
fn installed(test: &str) -> Option<PathBuf> {
    let required = std::env::var("RINGSCOPE_REQUIRE_CAPI").is_ok_and(|v| v == "1");
    match std::env::var_os("RINGSCOPE_CAPI") {
        // Relative to the checkout, where the script was called.
        Some(folder) => Some(root().join(folder)),
        None if required => {
            panic!("RINGSCOPE_REQUIRE_CAPI=1 and no RINGSCOPE_CAPI: it is the folder of scripts/capi.sh")
        }
        None => {
            println!("skipped: {test}: RINGSCOPE_CAPI names no folder that scripts/capi.sh installed to");
            None
        }
    }
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

fn succeeds(command: &mut Command) -> String {
    let output = run(command);
    let (said, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{said}\n{error}", output.status);
    said.into_owned()
}

/// What pkg-config says, or what its file says where there is none.
fn flags(installed: &Path, is_static: bool) -> Vec<String> {
    let folder = installed.join("lib/pkgconfig");
    let mut command = Command::new("pkg-config");
    command.env("PKG_CONFIG_PATH", &folder).args(["--cflags", "--libs", "ringscope"]);
    if is_static {
        command.arg("--static");
    }
    let said = match command.output() {
        Ok(output) if output.status.success() => String::from_utf8(output.stdout).expect("UTF-8"),
        Ok(output) => panic!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)),
        Err(_) => {
            let file = std::fs::read_to_string(folder.join("ringscope.pc")).expect("ringscope.pc");
            let of = |key: &str| file.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().to_owned();
            let private = if is_static { of("Libs.private:") } else { String::new() };
            [of("Cflags:"), of("Libs:"), private]
                .join(" ")
                .replace("${includedir}", &format!("{}/include", installed.display()))
                .replace("${libdir}", &format!("{}/lib", installed.display()))
        }
    };
    said.split_whitespace().map(str::to_owned).collect()
}

#[derive(Clone, Copy, PartialEq)]
enum Library {
    Shared,
    Static,
}

#[derive(Clone, Copy)]
struct Build {
    library: Library,
    sanitizer: Option<&'static str>,
}

const PLAIN: [Build; 2] =
    [Build { library: Library::Shared, sanitizer: None }, Build { library: Library::Static, sanitizer: None }];

impl Build {
    /// Compiles a program of examples/c as its first lines say, with every warning an error, and runs it.
    fn run(self, installed: &Path, source: &str) -> String {
        let is_cpp = source.ends_with(".cpp");
        let (variable, default) = if is_cpp { ("CXX", "c++") } else { ("CC", "cc") };
        // A path that is absolute stays what it is.
        let source = root().join("examples/c").join(source);
        let stem = source.file_stem().and_then(|stem| stem.to_str()).expect("a name in UTF-8");
        let name = format!("capi_{stem}_{}{}", self.library as u32, self.sanitizer.unwrap_or_default());
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name.replace(',', "_"));
        let mut compiler = Command::new(std::env::var_os(variable).unwrap_or_else(|| default.into()));
        compiler.args(["-Wall", "-Wextra", "-Werror", "-pedantic", "-O1", "-g", "-pthread"]);
        compiler.arg(if is_cpp { "-std=c++17" } else { "-std=c99" }).arg(&source);
        if is_cpp {
            compiler.arg("-DRINGSCOPE_CPU").arg(installed.join("include/ringscope/host/shim.cpp"));
        }
        if let Some(sanitizer) = self.sanitizer {
            compiler.args([&format!("-fsanitize={sanitizer}"), "-fno-sanitize-recover=all"]);
        }
        // The linker takes the shared library where there are both.
        let flags = flags(installed, self.library == Library::Static);
        let flags = flags.iter().map(|flag| match (flag.as_str(), self.library) {
            ("-lringscope", Library::Static) => "-l:libringscope.a",
            (other, _) => other,
        });
        compiler.args(flags).arg("-o").arg(&program);
        succeeds(&mut compiler);
        succeeds(Command::new(&program).env("LD_LIBRARY_PATH", installed.join("lib")))
    }
}

fn check_host_actor(said: &str) {
    let said: Vec<&str> = said.lines().collect();
    assert!(said[0].starts_with("on device 1: "), "{said:?}");
    assert!(
        said[1].starts_with("parser: 100 received, 90 processed, 10 errors (the last: no such table), p50 "),
        "{said:?}"
    );
    let p50: f64 = said[1].rsplit(' ').nth(1).and_then(|ms| ms.parse().ok()).expect("a number of milliseconds");
    assert!((p50 - 4.0).abs() < 4.0 * 0.05, "{p50}");
    let json: serde_json::Value = serde_json::from_str(said[2]).expect("JSON");
    assert_eq!((&json["tasks"]["executed"], &json["tasks"]["failed"]), (&90.into(), &10.into()));
    assert_eq!(said[3], "ringscope_kernel_messages_received_total{kernel=\"parser\"} 100");
    assert_eq!(said[4], "cache_hits_total{table=\"users\"} 42");
    assert!(said[5].starts_with("closed: there is no collector of this handle"), "{said:?}");
}

/// The longest of the numbers' ways, and all steps: what the kernel of own_kernel.cpp is to count.
fn collatz() -> (u64, u64) {
    let steps = |mut n: u64| {
        let mut count = 0;
        while n != 1 {
            n = if n.is_multiple_of(2) { n / 2 } else { 3 * n + 1 };
            count += 1;
        }
        count
    };
    (0..100 * 1024).map(|i| steps(1_000_000_000 + i)).fold((0, 0), |(all, most), n| (all + n, most.max(n)))
}

fn check_own_kernel(said: &str) {
    let (total, longest) = collatz();
    let said: Vec<&str> = said.lines().collect();
    assert!(
        said[0].starts_with("collatz: 100 batches, 819200 bytes in, 409600 bytes out, 100 times, p99 "),
        "{said:?}"
    );
    assert_eq!(said[1], format!("{total} steps, computed {total}"));
    assert_eq!(said[2], format!("102400 numbers, the longest {longest}, computed {longest}"));
}

#[test]
fn a_host_actor_in_c_runs_with_either_library() {
    let Some(installed) = installed("a_host_actor_in_c_runs_with_either_library") else { return };
    PLAIN.iter().for_each(|build| check_host_actor(&build.run(&installed, "host_actor.c")));
}

#[test]
fn a_host_in_cpp_launches_its_own_kernel() {
    let Some(installed) = installed("a_host_in_cpp_launches_its_own_kernel") else { return };
    PLAIN.iter().for_each(|build| check_own_kernel(&build.run(&installed, "own_kernel.cpp")));
}

fn check_two_devices(said: &str) {
    let said: Vec<&str> = said.lines().collect();
    let expected =
        ["left: device 0, life 1", "right: device 1, life 50", "device 0: kind 1, read", "device 1: kind 1, read"];
    assert_eq!(said, expected);
}

/// As C and as C++, which it is as well.
#[test]
fn a_host_of_two_devices_has_kernels_come_and_go() {
    let Some(installed) = installed("a_host_of_two_devices_has_kernels_come_and_go") else { return };
    let source = root().join("tests/capi/two_devices.c");
    let as_cpp = Path::new(env!("CARGO_TARGET_TMPDIR")).join("two_devices.cpp");
    std::fs::copy(&source, &as_cpp).expect("a folder for tests");
    for path in [&source, &as_cpp] {
        let path = path.to_str().expect("UTF-8");
        PLAIN.iter().for_each(|build| check_two_devices(&build.run(&installed, path)));
    }
}

/// The programs are instrumented, the library is not: what they do with it is what shows.
#[test]
fn the_programs_run_under_the_sanitizers() {
    let Some(installed) = installed("the_programs_run_under_the_sanitizers") else { return };
    for sanitizer in ["address,undefined", "thread"] {
        let build = Build { library: Library::Shared, sanitizer: Some(sanitizer) };
        check_host_actor(&build.run(&installed, "host_actor.c"));
        check_own_kernel(&build.run(&installed, "own_kernel.cpp"));
    }
    // Not under the thread sanitizer: threads of the library's read the devices, and it sees nothing of how they wait for each
    // other.
    let build = Build { library: Library::Shared, sanitizer: Some("address,undefined") };
    let two_devices = root().join("tests/capi/two_devices.c");
    check_two_devices(&build.run(&installed, two_devices.to_str().expect("UTF-8")));
}

/// The programs of docs/c-api.md in this language.
fn of_the_docs(language: &str) -> String {
    let page = std::fs::read_to_string(root().join("docs/c-api.md")).expect("docs/c-api.md");
    let begin = format!("```{language}\n");
    let blocks = page.split(&begin).skip(1).filter_map(|rest| rest.split("```").next());
    blocks.collect()
}

const PARSER: &str = "\nringscope_kernel_messages_processed_total{kernel=\"parser\"} 1\n";

#[test]
fn the_first_program_of_the_docs_runs() {
    let Some(installed) = installed("the_first_program_of_the_docs_runs") else { return };
    let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join("capi_first.c");
    std::fs::write(&source, of_the_docs("c")).expect("a folder for tests");
    for build in PLAIN {
        let said = build.run(&installed, source.to_str().expect("UTF-8"));
        assert!(said.contains(PARSER), "{said}");
    }
}

#[test]
fn python_calls_it_by_ctypes() {
    let Some(installed) = installed("python_calls_it_by_ctypes") else { return };
    let mut python = Command::new("python3");
    python.env("LD_LIBRARY_PATH", installed.join("lib")).arg("-c").arg(of_the_docs("python"));
    if let Err(error) = python.output() {
        let required = std::env::var("RINGSCOPE_REQUIRE_CAPI").is_ok_and(|v| v == "1");
        assert!(!required, "python3: {error}");
        println!("skipped: python_calls_it_by_ctypes: no python3: {error}");
        return;
    }
    let said = succeeds(&mut python);
    assert!(said.contains(PARSER), "{said}");
}

//! The ranges arrive where a profiler listens, and nothing happens where none does.
//!
//! The profiler is a library of a few functions (nvtx/profiler.cpp), which NVTX loads as it loads Nsight's. NVTX looks
//! for one once in a process, so each case has a process of its own: this test, run again.
#![cfg(all(feature = "nvtx", feature = "host", target_os = "linux"))]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use ringscope::{DeviceSpec, RingKernelRuntime, nvtx};

const CHILD: &str = "RINGSCOPE_TEST_NVTX_CHILD";
const LOG: &str = "RINGSCOPE_TEST_NVTX_LOG";
const PROFILER: &str = "NVTX_INJECTION64_PATH";
const SOON: Duration = Duration::from_secs(20);

/// One range as the profiler saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    name: String,
    /// The names of the ranges that it was opened in, the outermost first.
    within: Vec<String>,
}

#[test]
fn every_range_arrives_nested_as_the_work_is() {
    if in_child() {
        return a_life_with_telemetry();
    }
    let log = folder().join("ranges.log");
    run_again("every_range_arrives_nested_as_the_work_is", Some(&build_profiler()), &log);
    let ranges = ranges(&std::fs::read_to_string(&log).expect("the profiler's log"));

    let names: BTreeSet<&str> = ranges.iter().map(|r| &*r.name).collect();
    let expected = ["copy", "copy metrics", "launch", "read", "tick"].map(|name| format!("ringscope: {name}"));
    assert_eq!(names, expected.iter().map(String::as_str).chain(["test: snapshots"]).collect());

    let of = |name: &str| ranges.iter().filter(|r| r.name == name).map(|r| r.within.join(" > ")).collect::<Vec<_>>();
    assert_eq!(of("ringscope: launch"), [""]);
    assert_eq!(of("test: snapshots"), [""]);
    assert!(of("ringscope: tick").len() >= 3 && of("ringscope: tick").iter().all(String::is_empty));
    // A reading is of a tick, or of a snapshot request; a copy is of a reading.
    let readings = BTreeSet::from(["ringscope: tick", "test: snapshots"].map(str::to_owned));
    assert_eq!(BTreeSet::from_iter(of("ringscope: read")), readings);
    let copies = readings.iter().map(|within| format!("{within} > ringscope: read")).collect();
    assert_eq!(BTreeSet::from_iter(of("ringscope: copy")), copies);
    assert!(of("ringscope: copy").len() >= of("ringscope: read").len());
    assert!(BTreeSet::from_iter(of("ringscope: copy metrics")).is_superset(&readings));
}

#[test]
fn without_a_profiler_the_same_life_passes() {
    if in_child() {
        return a_life_with_telemetry();
    }
    let log = folder().join("none.log");
    run_again("without_a_profiler_the_same_life_passes", None, &log);
    // One that cannot be loaded is none.
    run_again("without_a_profiler_the_same_life_passes", Some(Path::new("/nonexistent/profiler.so")), &log);
    assert!(!log.exists());
}

/// Launch, messages, snapshots, periodic reading, all of it ended before this returns.
fn a_life_with_telemetry() {
    let runtime = RingKernelRuntime::builder()
        .device(DeviceSpec::Host)
        .telemetry(true)
        .interval(Duration::from_millis(1))
        .build()
        .expect("a runtime");
    runtime.collector().counter("counted", "Of a kernel").expect("a name").on_device().expect("a counter");
    runtime.launch_blocking("w", &Default::default()).expect("launched");
    runtime.activate_blocking("w").expect("active");
    runtime.send_blocking("w", b"hello").expect("sent");
    assert_eq!(runtime.receive_blocking("w", SOON).expect("a reply").payload, b"hello");
    {
        let _range = nvtx::range("test: snapshots");
        assert_eq!(runtime.snapshot_blocking().expect("a snapshot").kernel("w").map(|k| k.messages_processed), Some(1));
        runtime.snapshot_blocking().expect("another");
    }
    three_ticks(&runtime);
    runtime.terminate_blocking("w").expect("terminated");
    drop(runtime);
    until("the reader's thread has ended", || !threads().iter().any(|name| name.starts_with("ringscope-read")));
}

/// Nobody else takes snapshots now: a new one is a tick's.
fn three_ticks(runtime: &RingKernelRuntime) {
    for _ in 0..3 {
        let before = runtime.latest().map(|s| s.sequence);
        until("there is a newer snapshot", || runtime.latest().map(|s| s.sequence) != before);
    }
}

fn threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("threads").filter_map(Result::ok);
    tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok()).collect()
}

fn until(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < SOON, "not after {SOON:?}: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// What the profiler wrote, as ranges in the order of their closing.
///
/// # Panics
/// If a range is of another domain, is closed and was not open, or is left open.
fn ranges(log: &str) -> Vec<Seen> {
    let mut open: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut closed = Vec::new();
    for line in log.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        match fields[..] {
            ["push", thread, "ringscope", name] => open.entry(thread).or_default().push(name.to_owned()),
            ["pop", thread, "ringscope"] => {
                let stack = open.get_mut(thread).expect("a thread that opened a range");
                let name = stack.pop().expect("a range to close");
                closed.push(Seen { name, within: stack.clone() });
            }
            _ => panic!("not of ringscope: {line}"),
        }
    }
    assert!(open.values().all(Vec::is_empty), "left open: {open:?}");
    closed
}

fn in_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Runs that test again in a process of its own, beside that profiler.
fn run_again(test: &str, profiler: Option<&Path>, log: &Path) {
    let _ = std::fs::remove_file(log);
    let mut child = Command::new(std::env::current_exe().expect("this program"));
    child.args(["--exact", test, "--nocapture", "--test-threads", "1"]).env(CHILD, "1").env(LOG, log);
    match profiler {
        Some(path) => child.env(PROFILER, path),
        None => child.env_remove(PROFILER),
    };
    let output = child.output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let passed = output.status.success() && said.contains("1 passed");
    assert!(passed, "{}\n{said}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
}

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nvtx");
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    folder
}

/// The compiler is there: the host device was built by it.
fn build_profiler() -> PathBuf {
    let library = folder().join("libprofiler.so");
    let mut cxx = Command::new(std::env::var_os("CXX").unwrap_or_else(|| "c++".into()));
    cxx.args(["-std=c++17", "-O1", "-fPIC", "-shared", "-pthread", "-fvisibility=hidden", "-Wall", "-Wextra"]);
    cxx.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nvtx/profiler.cpp")).arg("-o").arg(&library);
    let status = cxx.status().expect("a C++ compiler");
    assert!(status.success(), "{cxx:?}");
    library
}

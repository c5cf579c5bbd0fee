//! What files show: the node exporter and readers of JSON get the device's numbers, at any time a whole document, also of a
//! process that is killed while it writes; what cannot be written is an error that says what to do. The exporter and promtool
//! come with scripts/receivers.sh; without them those tests say so and pass, unless RINGSCOPE_REQUIRE_RECEIVERS=1.
#![cfg(all(feature = "files", feature = "host", unix))]

mod killed;
mod lines;
mod places;
#[cfg(feature = "cli")]
mod program;
#[path = "../receivers/mod.rs"]
mod receivers;
mod shown;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ringscope::publish::{Environment, Publication, PublishError, Published, Publisher, Target};
use ringscope::trace::Source;
use ringscope::{DeviceSpec, LaunchOptions, RingKernelRuntime, Snapshot, TelemetryCollector};

/// Far more than anything here takes.
const SOON: Duration = Duration::from_secs(60);

/// A folder of a test's own, deleted with it.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn publication(snapshot: Arc<Snapshot>) -> Publication {
    Publication::of_snapshot(Arc::new(Source::this_process("test")), SystemTime::now(), snapshot)
}

/// A collector whose counter `written` is at so many.
fn counted(written: u64) -> Publication {
    let collector = TelemetryCollector::new(true);
    collector.counter("written", "Documents").unwrap().on_host().unwrap().inc_by(written);
    publication(collector.snapshot().unwrap())
}

fn publish(publisher: &impl Publisher, publication: &Publication) -> Result<Published, PublishError> {
    wait(publisher.publish(publication))
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn target(text: &str) -> (Target, Environment) {
    (Target::parse(text).unwrap(), Environment::of([]))
}

/// What is in a folder, by name.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// This program again, as one of its tests alone, after what a shell does first (`umask 077`). The test finds its file in the
/// variable [`CHILD`].
fn child(test: &str, first: &str, file: &Path) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{first}\nexec \"$@\"")).arg("sh").arg(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(CHILD, file);
    command
}

const CHILD: &str = "RINGSCOPE_TEST_CHILD";

/// The file of a test that is a child; none in a run of all tests, in which it has nothing to do.
fn file_of_child() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

/// A run on the host device that stands still at the end, with metrics of its own: messages, some of which fail.
fn live_run(messages: u32) -> (RingKernelRuntime, Publication) {
    let runtime =
        RingKernelRuntime::builder().device(DeviceSpec::Host).kernel("crc32c").telemetry(true).build().unwrap();
    let collector = runtime.collector();
    collector.monitor_operations().unwrap();
    let tokens = collector.histogram("batch_tokens", "Tokens").unwrap().label("model", "a\\b\"c\nd").on_host().unwrap();
    let drift = collector.histogram("drift", "Drift").unwrap().buckets(&[-0.5, 0.0, 2.0]).on_host().unwrap();
    collector.gauge("third", "A third").unwrap().on_host().unwrap().set(1.0 / 3.0);
    runtime.launch_blocking("worker", &LaunchOptions::default().inject_errors(0.1)).unwrap();
    runtime.activate_blocking("worker").unwrap();
    for n in 0..messages {
        let operation = collector.operation("request").start().unwrap();
        runtime.send_blocking("worker", &vec![7; 1 + n as usize % 100]).unwrap();
        runtime.receive_blocking("worker", SOON).unwrap();
        operation.succeed();
        tokens.observe(u64::from(n * n));
        drift.observe(f64::from(n) / 10.0 - 1.0);
    }
    collector.record_event("deploy", 2.0, &[("stage", "live")], &[]).unwrap();
    let snapshot = loop {
        let snapshot = runtime.snapshot_blocking().unwrap();
        let kernel = &snapshot.kernels[0];
        if kernel.messages_sent == u64::from(messages) && kernel.histogram.count() == u64::from(messages) {
            break snapshot;
        }
    };
    (runtime, publication(snapshot))
}

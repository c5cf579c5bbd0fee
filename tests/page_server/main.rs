//! The page's server, a library user's and the program's: that its numbers are those of the collector, that streams slow nobody
//! down, who is answered, and what hostile requests do.
#![cfg(all(feature = "cli", feature = "host", target_os = "linux"))]

mod client;
mod guard;
mod hostile;
mod numbers;
mod program;
#[path = "../serving/mod.rs"]
mod serving;
mod streams;
mod tls;

use std::time::{Duration, Instant};

use ringscope::TelemetryCollector;
use ringscope::publish::{TelemetryServer, TelemetryServerBuilder};

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server on a free port, of a collector that is read fast.
fn serve(
    collector: &TelemetryCollector,
    with: impl FnOnce(TelemetryServerBuilder) -> TelemetryServerBuilder,
) -> (TelemetryServer, String) {
    collector.start_collection(Duration::from_millis(20)).unwrap();
    let server = with(TelemetryServer::builder("127.0.0.1:0")).serve(collector).unwrap();
    let address = server.address().to_string();
    (server, address)
}

/// Waits until it is so.
fn until<T>(what: &str, mut is: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = is() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

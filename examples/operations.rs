//! Operations of an application: what it does, how that ended and how long it took, what went over the network, and what
//! else happened.

use std::time::Duration;

use ringscope::TelemetryCollector;
use ringscope::collector::{EventFilter, OperationsConfig};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let telemetry = TelemetryCollector::new(true);
    // Bounds are in the config; what they cost is counted. Without this call all of the rest does nothing.
    telemetry.monitor_operations_with(&OperationsConfig { kept: 256, ..OperationsConfig::default() })?;

    std::thread::scope(|scope| {
        for worker in 0..4 {
            let telemetry = &telemetry;
            scope.spawn(move || (0..25).try_for_each(|n| resize(telemetry, worker * 25 + n)));
        }
    });
    // Bytes are counted as they go. A tokio stream does that by itself: Metered::connect(request, TcpStream::connect(…)).
    let mut upload = telemetry.network_operation("http", "images.example", 443)?;
    upload.sent(4096);
    upload.received(120);
    upload.succeed();
    telemetry.network_operation("http", "backup.example", 443)?.fail("connection refused");
    telemetry.record_event("queue_drained", 100.0, &[("queue", "images")], &[("batch", "7")])?;

    // What went wrong, each on a line, and whatever is in the texts.
    for failed in telemetry.failed_events().iter().take(3) {
        println!("{failed}");
    }
    for failed in telemetry.failed_network_ops() {
        println!("{failed}");
        assert_eq!((&*failed.host, failed.error.as_deref()), ("backup.example", Some("connection refused")));
    }
    println!("{} took longer than a second", telemetry.slow_events(Duration::from_secs(1)).len());
    let retries = telemetry.retry_stats();
    println!("{} retries, {} for each operation; most: {:?}", retries.total, retries.mean, retries.most_retried);
    assert_eq!((retries.total, retries.mean), (20, 0.2));
    for event in telemetry.events(&EventFilter::new().label("queue", "images")) {
        println!("{} {} {:?}", event.name, event.value, event.metadata.get("batch"));
    }

    // All of it in numbers is in the snapshot, and on its pages.
    let snapshot = telemetry.snapshot()?;
    let all = snapshot.operations.as_ref().ok_or("they are monitored")?;
    let resize = all.operation("resize").ok_or("it was begun")?;
    println!("{} resized, half of them within {:.0} ns", resize.counts.succeeded, resize.duration.quantile(0.5));
    assert_eq!((resize.counts.started, resize.counts.succeeded, resize.counts.failed), (100, 90, 10));
    let page = snapshot.export_prometheus();
    assert!(page.contains("\nevent_total{name=\"resize\",status=\"failed\"} 10\n"));
    assert!(page.contains("\nnetwork_sent_bytes_total{kind=\"http\",peer=\"images.example:443\"} 4096\n"));
    Ok(())
}

/// Every fifth is tried twice, and every tenth is no image.
fn resize(telemetry: &TelemetryCollector, n: u32) -> Result<(), ringscope::TelemetryError> {
    let mut operation = telemetry.operation("resize").id(n).label("worker", n / 25).start()?;
    if n.is_multiple_of(5) {
        operation.retry("no memory");
    }
    let result = if n.is_multiple_of(10) { Err("not an image") } else { Ok(()) };
    // Ends it as the result says. A `?` instead would abandon it.
    let _ = operation.finish(result);
    Ok(())
}

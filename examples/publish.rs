//! A publisher of one's own, with a queue, retries and counts like every other: it says every second what is new.

use std::time::Duration;

use ringscope::TelemetryCollector;
use ringscope::publish::{Periodic, Publication, PublishError, Published, Publisher};

struct Console;

impl Publisher for Console {
    fn name(&self) -> &str {
        "console"
    }

    /// It is called again with the same publication after an error, unless that is permanent. It may take its time.
    async fn publish(&self, publication: &Publication) -> Result<Published, PublishError> {
        let totals = publication.snapshot.totals();
        let before = publication.previous.as_ref().map_or(0, |before| before.totals().messages_processed);
        println!("{}: {} new messages", publication.number, totals.messages_processed - before);
        publication.operations.iter().for_each(|operation| println!("  {operation}"));
        publication.events.iter().for_each(|event| println!("  {} {}", event.name, event.value));
        Ok(Published::all(1))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let telemetry = TelemetryCollector::new(true);
    telemetry.monitor_operations()?;
    let publishing = Periodic::builder(&telemetry).interval(Duration::from_millis(200)).publisher(Console).start()?;
    let worker = telemetry.actor("worker")?;
    for round in 0..5 {
        let batch = telemetry.operation("batch").id(round.to_string()).start()?;
        for _ in 0..1000 {
            worker.record_processed_in(Duration::from_micros(7));
        }
        telemetry.record_event("batch done", f64::from(round), &[], &[])?;
        batch.succeed();
        std::thread::sleep(Duration::from_millis(100));
    }
    publishing.stop(); // once more, within a limit
    let status = &publishing.status()[0];
    println!("{} publications to {}, {} of them failed", status.publications, status.destination, status.failures);
    assert_eq!((status.queued_items, status.dropped_items), (0, [0; 6]));
    Ok(())
}

//! Count host actors beside kernels: a handle for each thread, which costs no look-up and no lock.

use std::time::{Duration, Instant};

use ringscope::{TelemetryCollector, TelemetryError};

fn main() -> Result<(), TelemetryError> {
    let collector = TelemetryCollector::new(true);
    std::thread::scope(|scope| {
        for part in ["12", "x", "40", "2"].chunks(2) {
            let handle = collector.actor("parser")?;
            scope.spawn(move || {
                for text in part {
                    handle.record_receive();
                    let start = Instant::now();
                    match text.parse::<u32>() {
                        Ok(_) => handle.record_processed_in(start.elapsed()),
                        Err(error) => handle.record_error(&error.to_string()),
                    }
                }
            });
        }
        Ok::<(), TelemetryError>(())
    })?;
    // By id, where a look-up does not matter.
    collector.record_processed("printer", Some(Duration::from_micros(3)))?;

    for (id, t) in collector.all_telemetry()? {
        println!("{id}: {} processed, {} errors, last: {:?}", t.messages_processed, t.errors, t.last_error);
    }
    let summary = collector.summary()?;
    assert_eq!((summary.kernel_count, summary.total_messages, summary.total_errors), (2, 4, 1));
    Ok(())
}

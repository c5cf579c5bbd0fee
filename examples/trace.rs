//! One trace of what the host does and of what a kernel does with the messages it sends: spans on threads and on blocks, arrows
//! from send to handler to receive, a counter; written for Perfetto (ui.perfetto.dev opens it), for OpenTelemetry and for
//! Jaeger. A kernel that leaves spans, events and log lines of its own is in examples/own-ring-kernel.

use std::path::PathBuf;
use std::time::Duration;

use ringscope::trace::{TraceFilter, Tracer};
use ringscope::{DeviceSpec, LaunchOptions, RingKernelRuntime, TelemetryConfig};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let tracer = Tracer::new("importer");
    // Rings for what kernels record; the tracer is told of messages, so that each has the span that sent it as its parent.
    let config = TelemetryConfig { trace_records: 4096, ..TelemetryConfig::default() };
    let builder = RingKernelRuntime::builder().device(DeviceSpec::Host).kernel("crc32c").tracer(tracer.clone());
    let runtime = builder.telemetry(true).telemetry_config(config).build()?;
    let recorder = runtime.collector().record_trace(&tracer, 100_000)?;
    runtime.launch_blocking("worker", &LaunchOptions::new().blocks(2).trace(TraceFilter::all()))?;
    runtime.activate_blocking("worker")?;

    for batch in 0..3 {
        let processing = tracer.span("data_processing").attribute("batch_id", batch).start();
        let rows: Vec<String> = {
            let _parse = tracer.span("parse").start();
            (0..4).map(|row| format!("row {row} of batch {batch}")).collect()
        };
        for row in &rows {
            runtime.send_blocking("worker", row.as_bytes())?; // inside the span: it is the message's parent
        }
        for _ in &rows {
            runtime.receive_blocking("worker", Duration::from_secs(5))?;
        }
        tracer.counter_sample("rows", f64::from(4 * (batch + 1)));
        processing.event("stored");
        processing.succeed();
    }

    // The kernel still runs. What it has written by now is waited for; without that it is what was read so far.
    recorder.flush_blocking(Duration::from_secs(5));
    let trace = recorder.trace();
    let of_device = trace.spans.iter().filter(|span| span.track.device().is_some()).count();
    let (host, instants, places) = (trace.spans.len() - of_device, trace.instants.len(), recorder.places());
    println!("{host} spans of the host, {of_device} of the device, {instants} instants; lost: {}", places.lost);
    // A sending and a receipt of each message.
    assert_eq!((host, of_device, instants), (6, 12, 12 * 2));
    let files = [
        ("run.pftrace", trace.export_perfetto()),
        ("run.otlp.json", trace.export_otlp_json()?.into_bytes()),
        ("run.jaeger.json", trace.export_jaeger()?.into_bytes()),
    ];
    for (name, contents) in files {
        let path = folder.join(format!("ringscope-example-{}-{name}", std::process::id()));
        std::fs::write(&path, &contents)?;
        println!("{}: {} bytes", path.display(), contents.len());
        if std::env::args_os().nth(1).is_none() {
            std::fs::remove_file(path)?; // name a folder to keep them
        }
    }
    Ok(())
}

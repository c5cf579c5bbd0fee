//! One trace of what the host does and of the messages it sends: spans, arrows from send to receive, a counter; written for
//! Perfetto (ui.perfetto.dev opens it), for OpenTelemetry and for Jaeger.

use std::path::PathBuf;
use std::time::Duration;

use ringscope::trace::Tracer;
use ringscope::{DeviceSpec, RingKernelRuntime};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let tracer = Tracer::new("importer");
    let runtime =
        RingKernelRuntime::builder().device(DeviceSpec::Host).kernel("crc32c").tracer(tracer.clone()).build()?;
    runtime.launch_blocking("worker", &Default::default())?;
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

    let trace = tracer.trace();
    println!("{} spans, {} instants, {} lost", trace.spans.len(), trace.instants.len(), tracer.losses().spans);
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

//! Hand a snapshot to others: a page for Prometheus in the format that a scraper prefers, and JSON.

use std::time::Duration;

use ringscope::export::PageFormat;
use ringscope::{LaunchOptions, RingKernelRuntime};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = RingKernelRuntime::builder().telemetry(true).kernel("crc32c").build()?;
    runtime.launch_blocking("worker", &LaunchOptions::default())?;
    runtime.activate_blocking("worker")?;
    let retries = runtime.collector().counter("upload_retries", "Uploads begun again")?.on_host()?;
    for n in 0..1000u32 {
        runtime.send_blocking("worker", &n.to_le_bytes())?;
        runtime.receive_blocking("worker", Duration::from_secs(5))?;
    }
    retries.inc_by(2);

    // In the handler of your HTTP server; `ringscope serve` is one that does just this.
    let accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
    let format = PageFormat::negotiate(accept);
    let snapshot = runtime.snapshot_blocking()?;
    let page = String::from_utf8(snapshot.export_page(format))?;
    println!("content-type: {}\n", format.content_type());
    page.lines().filter(|line| line.contains("processed") || line.contains("upload")).for_each(|l| println!("{l}"));
    assert!(page.contains("\nringscope_kernel_messages_processed_total{kernel=\"worker\",device=\"0\"} 1000\n"));
    assert!(page.contains("\nupload_retries_total 2\n"));

    println!("\n{}", snapshot.export_json()?);
    runtime.terminate_blocking("worker")?;
    Ok(())
}

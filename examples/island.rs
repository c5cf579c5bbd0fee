//! A kernel of many blocks, some of which hang while the others work, recorded: what `ringscope top --replay` shows as an island.
//!
//! `cargo run --release --example island --features recording island.rscope`

use std::time::{Duration, Instant};

use ringscope::{DeviceSpec, LaunchOptions, RingKernelRuntime, TelemetryConfig};

const BLOCKS: u32 = 96;
/// Blocks that get a message that they cannot finish.
const STUCK: usize = 5;
/// How long they all work, and how long the hang is recorded.
const BEFORE: Duration = Duration::from_secs(4);
const HANG: Duration = Duration::from_secs(3);
const SOON: Duration = Duration::from_secs(60);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "island.rscope".to_owned());
    // How long a block may be silent; 10 s unless it is set.
    let config = TelemetryConfig { stall_limit: Duration::from_millis(500), ..TelemetryConfig::default() };
    let builder = RingKernelRuntime::builder().device(DeviceSpec::Host).kernel("compute").telemetry(true).slots(64);
    let runtime = builder.telemetry_config(config).build()?;
    runtime.collector().start_collection(Duration::from_millis(200))?;
    let recording = runtime.collector().record(&path).overwrite().start()?;
    for (id, blocks) in [("attend", BLOCKS), ("sample", 4)] {
        runtime.launch_blocking(id, &LaunchOptions::new().blocks(blocks))?;
        runtime.activate_blocking(id)?;
    }
    let message = |rounds: u32| [rounds.to_le_bytes(), [0; 4], [7, 0, 0, 0], [0; 4]].concat();
    let begin = Instant::now();
    let (mut stuck, mut hangs_since) = (0, None);
    while hangs_since.is_none_or(|since: Instant| since.elapsed() < HANG) && begin.elapsed() < SOON {
        if begin.elapsed() > BEFORE && stuck < STUCK {
            runtime.send_blocking("attend", &message(u32::MAX))?;
            stuck += 1;
        }
        for id in ["attend", "sample"] {
            runtime.send_blocking(id, &message(20_000))?;
            runtime.receive_blocking(id, SOON)?;
        }
        if hangs_since.is_none() && runtime.collector().latest().is_some_and(|latest| !latest.stuck().is_empty()) {
            hangs_since = Some(Instant::now());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let hangs = runtime.snapshot_blocking()?.stuck();
    println!("{} bytes in {path}", recording.end().bytes);
    hangs.iter().for_each(|kernel| println!("{kernel}"));
    // Nobody waits for the blocks that hang.
    std::process::exit(0)
}

//! Why a kernel hangs: where its blocks are and what they wait for, read while it runs.
//!
//! `cargo run --release --example stuck`: two kernels that do not get on, and what is said of them.

use std::time::{Duration, Instant};

use ringscope::collector::{HookKind, Notification};
use ringscope::snapshot::{Place, RingPlace};
use ringscope::{DeviceSpec, LaunchOptions, RingKernelRuntime, TelemetryConfig};

const SOON: Duration = Duration::from_secs(30);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // How long a block may be silent; 10 s unless it is set.
    let config = TelemetryConfig { stall_limit: Duration::from_millis(500), ..TelemetryConfig::default() };
    let builder = RingKernelRuntime::builder().device(DeviceSpec::Host).kernel("compute").telemetry(true).slots(8);
    let runtime = builder.telemetry_config(config).build()?;
    let say = |told: &Notification| {
        if let Some(stall) = told.event().and_then(|event| event.stall.as_ref()) {
            println!("event: {}", stall.status);
        }
    };
    runtime.collector().add_hook(HookKind::Stall, say)?;
    for (id, blocks) in [("ignored", 1), ("busy", 3)] {
        runtime.launch_blocking(id, &LaunchOptions::new().blocks(blocks))?;
        runtime.activate_blocking(id)?;
    }
    let deadline = Instant::now() + SOON;
    let in_time = || if Instant::now() < deadline { Ok(()) } else { Err("nothing was seen in time") };

    // Nobody takes the replies of this one: it lives, and says what it waits for.
    let rounds = |n: u32| [n.to_le_bytes(), [0; 4], [7, 0, 0, 0], [0; 4]].concat();
    for _ in 0..9 {
        runtime.send_blocking("ignored", &rounds(1))?;
    }
    let block = loop {
        in_time()?;
        let blocks = runtime.snapshot_blocking()?.blocks("ignored").unwrap_or_default();
        match blocks.into_iter().find(|block| block.place == Place::Ring(RingPlace::Room)) {
            Some(block) => break block,
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    println!("ignored: {block}");

    // This one works on a single message for longer than the limit: that is a stall. It recovers when it is done.
    runtime.send_blocking("busy", &rounds(u32::MAX))?;
    let stuck = loop {
        in_time()?;
        match runtime.snapshot_blocking()?.stuck().into_iter().find(|stuck| &*stuck.kernel_id == "busy") {
            Some(stuck) => break stuck,
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    println!("{stuck}");
    for group in &stuck.groups {
        println!("  {} of its blocks {}, look at block {}", group.blocks, group.place, group.look_at.block);
    }
    Ok(())
}

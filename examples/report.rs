//! A run with a story, recorded: a kernel becomes slow for some of its messages, one hangs for a while, one refuses.
//!
//! `cargo run --release --example report --features recording run.rscope`, then `ringscope report run.rscope`.

use std::time::{Duration, Instant};

use ringscope::alert::{Engine, Rule, Rules};
use ringscope::{DeviceSpec, LaunchOptions, RingKernelRuntime, TelemetryConfig};

const LENGTH: Duration = Duration::from_secs(24);
const SOON: Duration = Duration::from_secs(60);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "run.rscope".to_owned());
    // How long a block may be silent; 10 s unless it is set.
    let config = TelemetryConfig { stall_limit: Duration::from_secs(1), ..TelemetryConfig::default() };
    let builder = RingKernelRuntime::builder().device(DeviceSpec::Host).kernel("compute").telemetry(true).slots(64);
    let runtime = builder.telemetry_config(config).build()?;
    runtime.collector().start_collection(Duration::from_millis(100))?;
    let slow = Rule::p99_above("*", Duration::from_millis(5)).over(Duration::from_secs(2)).hold(Duration::from_secs(1));
    let refused = Rule::failure_rate_above("*", 0.1).over(Duration::from_secs(2));
    let rules = Rules::ready_made().rule(slow.named("slow")).rule(refused.named("refused"));
    let recording = runtime.collector().record(&path).alerts(Box::new(Engine::new(rules))).overwrite().start()?;
    for id in ["tokenize", "attend", "sample"] {
        runtime.launch_blocking(id, &LaunchOptions::new())?;
        runtime.activate_blocking(id)?;
    }
    let begin = Instant::now();
    std::thread::scope(|scope| {
        let runtime = &runtime;
        let load = |id, rounds: fn(f64, u64) -> u32| scope.spawn(move || drive(runtime, id, begin, rounds));
        load("tokenize", |_, n| 15_000 + (n % 16) as u32 * 1_000);
        load("attend", attend);
        load("sample", sample);
    });
    println!("{} bytes in {path}", recording.end().bytes);
    Ok(())
}

/// For some seconds one of eight messages takes ten times as long.
fn attend(second: f64, n: u64) -> u32 {
    let slow = (6.0..11.0).contains(&second) && n.is_multiple_of(8);
    (if slow { 800_000 } else { 80_000 }) + (n % 5) as u32 * 4_000
}

/// A single message takes seconds: that is a stall, from which the kernel recovers.
fn sample(second: f64, n: u64) -> u32 {
    if n == 600 { 3_000_000_000 } else { 40_000 + (second * 1_000.0) as u32 + (n % 7) as u32 * 9_000 }
}

/// Sends messages of so many rounds until the time is over. Later some of them are of a wrong length, and refused.
fn drive(runtime: &RingKernelRuntime, id: &str, begin: Instant, rounds: fn(f64, u64) -> u32) {
    const AT_ONCE: u64 = 6;
    let (mut n, mut under_way) = (0_u64, 0);
    while begin.elapsed() < LENGTH {
        let second = begin.elapsed().as_secs_f64();
        let message = [rounds(second, n).to_le_bytes(), [0; 4], [7, 0, 0, 0], [0; 4]].concat();
        let is_wrong = id == "tokenize" && (16.0..19.0).contains(&second) && n.is_multiple_of(5);
        let sent = runtime.send_blocking(id, if is_wrong { &message[..9] } else { &message });
        (n, under_way) = (n + 1, under_way + u64::from(sent.is_ok()));
        while under_way >= AT_ONCE {
            // What is refused has a reply as well.
            let _ = runtime.receive_blocking(id, SOON);
            under_way -= 1;
        }
        std::thread::sleep(Duration::from_millis(if second < 3.0 { 6 } else { 3 }));
    }
    while under_way > 0 {
        let _ = runtime.receive_blocking(id, SOON);
        under_way -= 1;
    }
}

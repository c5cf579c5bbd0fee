//! Bring your own kernel: it takes a `KernelRef` and makes three calls, and counts in metrics of its own (`collatz.cu`); this program launches it without
//! `RingKernelRuntime` and watches it while it runs.
//!
//! `cargo run --release [host | cuda]`: without a word on CUDA where there is one, else on the host device.

use std::error::Error;
use std::ffi::c_void;
use std::sync::Arc;
use std::time::Duration;

use ringscope::abi::{CounterRef, KernelRef};
use ringscope::device::cuda::cudarc::driver::{LaunchConfig, PushKernelArg};
use ringscope::device::cuda::cudarc::nvrtc::Ptx;
use ringscope::device::cuda::{self, CudaDevice};
use ringscope::device::host::HostDevice;
use ringscope::device::{Launch, Level, SharedDevice};
use ringscope::{KernelState, TelemetryCollector, TelemetryConfig};

const FIRST: u64 = 1_000_000_000;
const NUMBERS: u64 = 2_000_000;
const BATCHES: u64 = NUMBERS.div_ceil(1024);
const BLOCKS: u32 = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let steps = match (std::env::args().nth(1).as_deref(), CudaDevice::open(0)) {
        (Some("host"), _) => on_host()?,
        (Some("cuda") | None, Ok(device)) => on_cuda(Arc::new(device))?,
        (Some("cuda"), Err(why)) => return Err(why.into()),
        (None, Err(why)) => {
            println!("on the host device: {why}");
            on_host()?
        }
        (Some(other), _) => return Err(format!("`{other}`: say host or cuda, or nothing").into()),
    };
    // The kernel did its work, besides being watched.
    for i in [0, 1, NUMBERS / 2, NUMBERS - 1] {
        let mut n = FIRST + i;
        let mut expected = 0;
        while n != 1 {
            n = if n % 2 == 0 { n / 2 } else { 3 * n + 1 };
            expected += 1;
        }
        assert_eq!(steps[i as usize], expected, "steps of {}", FIRST + i);
    }
    println!("steps of {FIRST}: {}", steps[0]);
    Ok(())
}

/// The kernel's registration, and what it takes of that by value.
struct Registered {
    collector: TelemetryCollector,
    telemetry: KernelRef,
    steps: CounterRef,
}

/// Registers the kernel and its metrics with a collector that reads what they count.
fn register(device: SharedDevice) -> Result<Registered, Box<dyn Error>> {
    let collector = TelemetryCollector::on_device(device, TelemetryConfig::default())?;
    let telemetry = collector.register("collatz", BLOCKS)?;
    let steps = collector.counter("collatz_steps", "Steps taken by all numbers")?.on_device()?;
    let lengths =
        collector.histogram("collatz_length_steps", "Steps of a number")?.unit("steps").scale(3).on_device()?;
    assert_eq!(lengths.index(), 1, "which the kernel looks up");
    assert_eq!(collector.telemetry("collatz")?.state, KernelState::Launched);
    Ok(Registered { collector, telemetry, steps })
}

/// What the kernel counted for itself against what it computed.
fn check_metrics(collector: &TelemetryCollector, steps: &[u32]) -> Result<(), Box<dyn Error>> {
    let value = |name: &str| Ok::<_, Box<dyn Error>>(collector.metric(name)?.series[0].value.clone());
    let total: u64 = steps.iter().map(|n| u64::from(*n)).sum();
    assert_eq!(value("collatz_steps")?.counter(), Some(total));
    let lengths = value("collatz_length_steps")?;
    let lengths = lengths.histogram().ok_or("a histogram")?;
    let most = steps.iter().max().map(|n| f64::from(*n));
    assert_eq!((lengths.count(), lengths.sum(), lengths.max()), (NUMBERS, total as f64, most));
    println!("{total} steps, p99 {:.0}, the longest {}", lengths.quantile(0.99), most.unwrap_or(0.0));
    Ok(())
}

/// Reads the kernel's telemetry until it has ended, and checks it against what the kernel did.
fn watch(collector: &TelemetryCollector, launch: &dyn Launch) -> Result<(), Box<dyn Error>> {
    let (mut before, mut mid_run) = (0, 0);
    while !launch.ended()? {
        let t = collector.telemetry("collatz")?;
        assert!(t.messages_processed >= before && t.messages_processed <= BATCHES);
        if t.messages_processed > before && t.messages_processed < BATCHES {
            mid_run += 1;
        }
        before = t.messages_processed;
        let p50 = t.latency.map_or(0.0, |l| l.p50_ns / 1e3);
        println!("{}: {} of {BATCHES} batches, {:.0}/s, p50 {p50:.0} µs", t.state, before, t.throughput);
        std::thread::sleep(Duration::from_millis(20));
    }
    let t = collector.telemetry("collatz")?;
    println!("{}: {} batches, busy {:.0} %", t.state, t.messages_processed, 100.0 * t.busy_ratio);
    assert_eq!((t.state, t.messages_processed, t.errors), (KernelState::Terminated, BATCHES, 0));
    assert_eq!((t.bytes_in, t.bytes_out), (8 * NUMBERS, 4 * NUMBERS));
    assert_eq!(t.latency.map(|l| l.count), Some(BATCHES));
    println!("snapshots that saw it at work: {mid_run}");
    Ok(())
}

unsafe extern "C" {
    /// What `RINGSCOPE_ENTRY(collatz)` made of the kernel for the host device.
    fn collatz_host(args: *mut *mut c_void);
}

fn on_host() -> Result<Vec<u32>, Box<dyn Error>> {
    let device = Arc::new(HostDevice::new());
    let Registered { collector, telemetry, steps: taken } = register(device.clone())?;
    // Leaked: should `watch` fail, blocks that still run must not write into memory that was given back.
    let steps = vec![0u32; NUMBERS as usize].leak();
    let pointer = steps.as_mut_ptr().expose_provenance() as u64;
    let keep = collector.memory();
    // SAFETY: the kernel takes these five arguments; `steps` lives for ever, and is looked at when the blocks have ended.
    let launch =
        unsafe { device.launch(collatz_host, BLOCKS, &[&telemetry, &taken, &FIRST, &NUMBERS, &pointer], keep) }?;
    watch(&collector, &launch)?;
    check_metrics(&collector, steps)?;
    Ok(steps.to_vec())
}

fn on_cuda(device: Arc<CudaDevice>) -> Result<Vec<u32>, Box<dyn Error>> {
    let context = device.context();
    // Everything is allocated and loaded before the launch: meanwhile it might wait for the kernel.
    let Registered { collector, telemetry, steps: taken } = register(device.clone())?;
    let (major, minor) = context.compute_capability()?;
    let source = include_str!("collatz.cu");
    let code = cuda::compile(source, "collatz.cu", Level::Histograms, &format!("compute_{major}{minor}"))?;
    let module = context.load_module(Ptx::from_src(String::from_utf8(code)?.trim_end_matches('\0')))?;
    let kernel = module.load_function("collatz")?;
    // Or cudarc records an event behind the kernel for `steps`, and whatever waits for that waits for the kernel.
    // SAFETY: one stream uses the slice, in its order.
    unsafe { context.disable_event_tracking() };
    let stream = context.new_stream()?;
    let mut steps = stream.alloc_zeros::<u32>(NUMBERS as usize)?;
    let config = LaunchConfig { grid_dim: (BLOCKS, 1, 1), block_dim: (256, 1, 1), shared_mem_bytes: 0 };
    // SAFETY: the kernel takes these five arguments; `steps` has room for every number.
    unsafe {
        stream
            .launch_builder(&kernel)
            .arg(&telemetry)
            .arg(&taken)
            .arg(&FIRST)
            .arg(&NUMBERS)
            .arg(&mut steps)
            .launch(config)
    }?;
    // Says that a kernel runs: until it has ended, nothing is freed, which would wait for it.
    let launch = device.watch(&stream, collector.memory());
    assert_eq!(launch.warnings(), <[String; 0]>::default());
    watch(&collector, &*launch)?;
    let steps = stream.clone_dtoh(&steps)?;
    check_metrics(&collector, &steps)?;
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_seen_in_the_snapshot_on_the_host_device() {
        assert_eq!(on_host().unwrap()[0], 100);
    }

    #[test]
    fn is_seen_in_the_snapshot_on_cuda() {
        match CudaDevice::open(0) {
            Ok(device) => assert_eq!(on_cuda(Arc::new(device)).unwrap()[0], 100),
            Err(why) if std::env::var("RINGSCOPE_REQUIRE_CUDA").is_ok_and(|v| v == "1") => panic!("{why}"),
            Err(why) => println!("skipped: no CUDA device: {why}"),
        }
    }
}

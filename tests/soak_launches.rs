//! Launches and ends without end: neither memory, nor threads, nor files become more, no bound is hit, and every message of every
//! life is counted once.
//!
//! Its short form always runs. `scripts/soak.sh` runs the long one: RINGSCOPE_SOAK_LAUNCHES says how many launches.
#![cfg(all(feature = "host", target_os = "linux"))]
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use ringscope::{DeviceSpec, KernelState, LaunchOptions, Level, RingKernelRuntime, TelemetryConfig};

struct Counting;

static LIVE: AtomicI64 = AtomicI64::new(0);

// SAFETY: the system's allocator does it all; here sizes are counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SHORT: u64 = 2_000;
const SOON: Duration = Duration::from_secs(120);
/// What tables and buffers may still grow by after the first quarter: of 1,500 launches 175 bytes each.
const ALLOCATED: i64 = 256 << 10;
/// The same of the process, whose allocator keeps what it has: of 75,000 launches 450 bytes each.
const RESIDENT: u64 = 32 << 20;

/// What the process has.
#[derive(Debug)]
struct Held {
    allocated: i64,
    resident: u64,
    threads: usize,
    files: usize,
}

impl Held {
    fn now() -> Held {
        let count = |folder: &str| std::fs::read_dir(folder).expect("Linux says").count();
        let status = std::fs::read_to_string("/proc/self/status").expect("Linux says");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says");
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        let (threads, files) = (count("/proc/self/task"), count("/proc/self/fd"));
        Held { allocated: LIVE.load(Ordering::Relaxed), resident: kilobytes << 10, threads, files }
    }
}

/// Some ids come again and again, others once.
fn id_of(n: u64) -> String {
    if n.is_multiple_of(3) { format!("once{n}") } else { format!("again{}", n % 5) }
}

#[test]
fn launches_and_ends_leave_nothing_behind() {
    let launches = std::env::var("RINGSCOPE_SOAK_LAUNCHES").map_or(SHORT, |n| n.parse().expect("a number"));
    let config = TelemetryConfig {
        max_kernels: 6,
        max_blocks: 8,
        trace_records: 64,
        history_snapshots: 4,
        ..TelemetryConfig::default()
    };
    let builder = RingKernelRuntime::builder().device(DeviceSpec::Host).telemetry(true).level(Level::Events);
    let builder = builder.max_kernels(4).slots(2).slot_bytes(16).telemetry_config(config);
    let runtime = builder.interval(Duration::from_millis(20)).build().expect("a runtime");
    let begun = Instant::now();
    let mut after_a_quarter = None;
    for n in 0..launches {
        if n == launches / 4 {
            after_a_quarter = Some(Held::now());
        }
        let (id, blocks) = (id_of(n), 1 + (n % 3) as u32);
        runtime.launch_blocking(&id, &LaunchOptions::new().blocks(blocks)).expect("there is room");
        runtime.activate_blocking(&id).expect("it is activated");
        let message = n.to_le_bytes();
        runtime.send_blocking(&id, &message).expect("it is sent");
        let reply = runtime.receive_blocking(&id, SOON).expect("a reply");
        assert_eq!((reply.seq, &reply.payload[..]), (0, &message[..]), "the first of its life");
        runtime.terminate_blocking(&id).expect("it ends");
        if n.is_multiple_of(97) || n + 1 == launches {
            let snapshot = runtime.snapshot_blocking().expect("a snapshot");
            let last = snapshot.kernel(&id).expect("its last numbers");
            assert_eq!(
                (last.messages_processed, last.blocks, last.state),
                (1, blocks, KernelState::Terminated),
                "{id}"
            );
            // Sums over all lives, those too that were forgotten.
            let page = snapshot.export_prometheus();
            assert!(page.contains(&format!("\nringscope_tasks_executed_total {}\n", n + 1)), "after {n}");
        }
    }
    let (took, last) = (begun.elapsed(), Held::now());
    let first = after_a_quarter.expect("there were some");
    assert!(last.allocated - first.allocated < ALLOCATED, "{first:?} {last:?}");
    assert!(last.resident.saturating_sub(first.resident) < RESIDENT, "{first:?} {last:?}");
    // Threads of blocks are used again, and who reads may just begin or end.
    assert!(last.threads <= first.threads + 4 && last.files <= first.files + 4, "{first:?} {last:?}");
    println!("{launches} launches and ends in {took:.1?}: {first:?} after a quarter, {last:?} at the end");
}

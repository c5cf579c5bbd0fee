//! The ring kernels on one device: what telemetry costs them (paired, in one run), and how long a message takes there
//! and back.
//!
//! `cargo bench --bench kernels` prints Markdown; `-- --test` runs everything once, briefly. `RINGSCOPE_DEVICE` (host,
//! cuda, cuda:N) and `RINGSCOPE_BLOCKS` choose where and how wide; the host device and one block are the default.

use std::time::{Duration, Instant};

use ringscope::{DeviceSpec, LaunchOptions, Level, RingKernel, RingKernelRuntime};

const SOON: Duration = Duration::from_secs(60);

struct Plan {
    rounds: usize,
    slice: Duration,
    trips: usize,
}

fn main() {
    let quick = std::env::args().any(|a| a == "--test");
    let plan = match quick {
        true => Plan { rounds: 3, slice: Duration::from_millis(5), trips: 200 },
        false => Plan { rounds: 61, slice: Duration::from_millis(100), trips: 200_000 },
    };
    let place = Place::from_environment();
    overhead(&place, &plan);
    round_trip(&place, &plan);
}

/// Where the kernels run.
struct Place {
    device: DeviceSpec,
    blocks: u32,
}

impl Place {
    fn from_environment() -> Self {
        let set = |name| std::env::var(name).ok();
        let device = set("RINGSCOPE_DEVICE").map_or(DeviceSpec::Host, |d| d.parse().expect("RINGSCOPE_DEVICE"));
        let blocks = set("RINGSCOPE_BLOCKS").map_or(1, |b| b.parse().expect("RINGSCOPE_BLOCKS: a number"));
        Place { device, blocks }
    }
}

/// One way of building and launching the same kernel.
struct Variant {
    name: &'static str,
    telemetry: bool,
    level: Level,
}

const VARIANTS: [Variant; 4] = [
    Variant { name: "level 0", telemetry: false, level: Level::Off },
    Variant { name: "null ref", telemetry: false, level: Level::Histograms },
    Variant { name: "level 1", telemetry: true, level: Level::Counters },
    Variant { name: "level 2", telemetry: true, level: Level::Histograms },
];

fn launch(place: &Place, variant: &Variant, kernel: &str) -> (RingKernelRuntime, RingKernel) {
    let runtime = RingKernelRuntime::builder()
        .device(place.device)
        .telemetry(variant.telemetry)
        .level(variant.level)
        .kernel(kernel)
        .max_kernels(1)
        .build()
        .expect("a runtime");
    let options = LaunchOptions { blocks: place.blocks, ..Default::default() };
    runtime.launch_blocking("w", &options).expect("a launch");
    runtime.activate_blocking("w").expect("an activation");
    let kernel = runtime.kernel("w").expect("the kernel");
    (runtime, kernel)
}

/// Messages per second through one block that is never idle.
fn throughput(kernel: &RingKernel, message: &[u8], slice: Duration) -> f64 {
    let (mut sent, mut received) = (0u64, 0u64);
    let start = Instant::now();
    while start.elapsed() < slice {
        for _ in 0..64 {
            while kernel.try_send(message).is_ok() {
                sent += 1;
            }
            while kernel.try_receive().expect("a running kernel").is_some() {
                received += 1;
            }
        }
    }
    let rate = received as f64 / start.elapsed().as_secs_f64();
    while received < sent {
        kernel.receive_blocking(SOON).expect("a reply");
        received += 1;
    }
    rate
}

fn overhead(place: &Place, plan: &Plan) {
    println!("### Throughput of crc32c with telemetry, against the same kernel without\n");
    println!("On {:?}, blocks: {}, one feeding thread.", place.device, place.blocks);
    println!("Ratio to level 0 of the same round: median [quartiles] of {} rounds.\n", plan.rounds);
    println!("| message | level 0, msg/s | null ref | level 1 | level 2 |");
    println!("|---:|---:|---:|---:|---:|");
    for bytes in [0, 256, 4096] {
        let message = vec![0xa5; bytes];
        let running: Vec<_> = VARIANTS.iter().map(|v| launch(place, v, "crc32c")).collect();
        let mut rates = vec![Vec::new(); VARIANTS.len()];
        for round in 0..plan.rounds {
            // In turn from another start each time: no variant always follows the same one.
            for i in 0..VARIANTS.len() {
                let i = (i + round) % VARIANTS.len();
                // The kernel wakes up from its idle sleep first.
                throughput(&running[i].1, &message, plan.slice / 10);
                rates[i].push(throughput(&running[i].1, &message, plan.slice));
            }
        }
        let ratios = |i: usize| rates[i].iter().zip(&rates[0]).map(|(rate, off)| rate / off).collect::<Vec<f64>>();
        print!("| {bytes} B | {:.0} ", quartiles(rates[0].clone())[1]);
        for i in 1..VARIANTS.len() {
            let [low, median, high] = quartiles(ratios(i));
            print!("| {median:.3} [{low:.3}, {high:.3}] ");
        }
        println!("|");
        for (variant, (runtime, _)) in VARIANTS.iter().zip(&running) {
            // What was measured did what its name says.
            let counted = runtime.snapshot().map_or(0, |s| s.kernels[0].messages_processed);
            assert_eq!(counted > 0, variant.telemetry, "{}", variant.name);
        }
    }
    println!();
}

fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_unstable_by(f64::total_cmp);
    [1, 2, 3].map(|q| values[(values.len() - 1) * q / 4])
}

fn round_trip(place: &Place, plan: &Plan) {
    println!("### Round trip of one message: send → echo in the kernel → receive, one in flight\n");
    println!("| message | p50, µs | p99, µs | max, µs |");
    println!("|---:|---:|---:|---:|");
    for bytes in [0, 256, 4096] {
        let message = vec![0x5a; bytes];
        let (_runtime, kernel) = launch(place, &VARIANTS[3], "echo");
        let trip = || {
            let start = Instant::now();
            kernel.send_blocking(&message).expect("room");
            kernel.receive_blocking(SOON).expect("a reply");
            start.elapsed().as_nanos() as u64
        };
        for _ in 0..plan.trips / 10 {
            trip();
        }
        let mut times: Vec<u64> = (0..plan.trips).map(|_| trip()).collect();
        times.sort_unstable();
        let at = |q: f64| times[((times.len() - 1) as f64 * q) as usize] as f64 / 1e3;
        println!("| {bytes} B | {:.2} | {:.2} | {:.0} |", at(0.5), at(0.99), at(1.0));
    }
    println!();
}

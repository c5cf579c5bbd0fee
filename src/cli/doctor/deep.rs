//! `ringscope doctor --deep`: whether what ringscope promises holds on the device at hand. Each check is a line.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ringscope::device::probe::{Probe, RecordMode};
use ringscope::device::{self, ClockSample, DeviceError, DeviceInfo, DeviceKind, SharedDevice};
use ringscope::histogram::slot_of;
use ringscope::{
    DeviceSpec, KernelState, KernelTelemetry, LaunchOptions, RingKernelRuntime, RuntimeError, Snapshot,
    TelemetryCollector, TelemetryConfig,
};
use serde::{Deserialize, Serialize};

use crate::cli::CliError;
use crate::cli::args::DoctorArgs;
use crate::cli::term::table::{Style, Text, plain, styled};
use crate::cli::term::{terminal, units};
use crate::cli::workload::load::{Counted, Load};

/// What became of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    /// It holds.
    Passed,
    /// It does not.
    Failed,
    /// Good to know; nothing to pass.
    Noted,
    /// There is no such thing on this device.
    DoesNotApply,
}

/// One line.
#[derive(Debug, Serialize)]
struct Check {
    check: &'static str,
    result: Outcome,
    figure: String,
}

/// All of it, for `--json`.
#[derive(Serialize)]
struct Document<'a> {
    version: &'static str,
    device: &'a DeviceInfo,
    passed: bool,
    seconds: f64,
    checks: &'a [Check],
}

/// Why a check could not even be made; it counts as failed.
type Trouble = Box<dyn std::error::Error>;
type Found = Result<(Outcome, String), Trouble>;
type Examination = fn(&Patient) -> Found;

/// A figure of a check that passed or did not.
fn judged(passed: bool, figure: String) -> Found {
    Ok((if passed { Outcome::Passed } else { Outcome::Failed }, figure))
}

const CHECKS: [(&str, Examination); 12] = [
    ("display watchdog", watchdog),
    ("part of a GPU (MIG)", mig),
    ("lazy loading", lazy_loading),
    ("histogram buckets", buckets),
    ("metrics of one's own", metrics),
    ("words are copied whole", whole_words),
    ("clock", tick),
    ("clock against the host's", clock_fit),
    ("exact counts, device full", exact_counts),
    ("snapshots under a full device", full_device),
    ("monotone counters", monotone),
    ("an illegal address", illegal_address),
];

/// The device under examination.
struct Patient {
    device: SharedDevice,
    spec: DeviceSpec,
    snapshots: u64,
}

/// Examines the device; whether all checks passed.
pub fn examine(args: &DoctorArgs) -> Result<bool, CliError> {
    let (spec, json) = (args.device.unwrap_or_default(), args.json);
    let start = Instant::now();
    let selected = device::open(spec).map_err(RuntimeError::from)?;
    let info = selected.device.info().clone();
    // What a child is to open is this device, whatever `auto` would choose then.
    let spec = match info.kind {
        DeviceKind::Cuda => DeviceSpec::Cuda(info.ordinal),
        _ => DeviceSpec::Host,
    };
    let patient = Patient { device: selected.device, spec, snapshots: args.snapshots };
    if !json {
        terminal::print(&format!("{}: {}\n\n", info.name, info.detail))?;
    }
    let mut checks = Vec::new();
    for (name, check) in CHECKS {
        let (result, figure) = check(&patient).unwrap_or_else(|trouble| (Outcome::Failed, trouble.to_string()));
        let done = Check { check: name, result, figure };
        if !json {
            terminal::print(&done.line())?;
        }
        checks.push(done);
    }
    let passed = checks.iter().all(|c| c.result != Outcome::Failed);
    let seconds = start.elapsed().as_secs_f64();
    let text = match json {
        true => {
            let document =
                Document { version: env!("CARGO_PKG_VERSION"), device: &info, passed, seconds, checks: &checks };
            serde_json::to_string_pretty(&document).map_err(|e| CliError::Output(e.into()))? + "\n"
        }
        false => verdict(&checks, start.elapsed()),
    };
    terminal::print(&text)?;
    Ok(passed)
}

fn verdict(checks: &[Check], took: Duration) -> String {
    let count = |outcome| checks.iter().filter(|c| c.result == outcome).count();
    let (passed, failed) = (count(Outcome::Passed), count(Outcome::Failed));
    let (style, word) = if failed == 0 { (Style::Good, "right") } else { (Style::Bad, "not right") };
    let rest = format!(": {passed} checks passed, {failed} failed, in {}", units::elapsed(took));
    let line = Text::from(vec![styled(style, word), plain(&rest)]);
    format!("\n{}\n", line.render(usize::MAX, terminal::stdout_paint()))
}

impl Check {
    fn line(&self) -> String {
        let names = CHECKS.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let (style, word) = match self.result {
            Outcome::Passed => (Style::Good, "passed"),
            Outcome::Failed => (Style::Bad, "failed"),
            Outcome::Noted => (Style::Plain, "noted"),
            Outcome::DoesNotApply => (Style::Dim, "-"),
        };
        let spans = vec![plain(&format!("{:names$}  ", self.check)), styled(style, &format!("{word:6}")), plain("  ")];
        // Not cut: what is wrong must be readable.
        let line = [spans, vec![plain(&self.figure)]].concat();
        Text::from(line).render(usize::MAX, terminal::stdout_paint()) + "\n"
    }
}

// ---- what the driver says --------------------------------------------------------------------------------

fn noted(known: Option<bool>, yes: &str, no: &str) -> Found {
    Ok(match known {
        Some(true) => (Outcome::Noted, yes.to_owned()),
        Some(false) => (Outcome::Noted, no.to_owned()),
        None => (Outcome::DoesNotApply, "not on this device".to_owned()),
    })
}

fn watchdog(patient: &Patient) -> Found {
    let yes = "on: it ends kernels that run for seconds; use a GPU without a display";
    noted(patient.device.info().watchdog, yes, "off: kernels may run for ever")
}

fn mig(patient: &Patient) -> Found {
    noted(patient.device.info().mig, "yes: it has its share of the multiprocessors", "no: the whole GPU")
}

fn lazy_loading(patient: &Patient) -> Found {
    let yes = "on: ringscope loads all of its functions before the first launch; load your own likewise";
    noted(patient.device.info().lazy_loading, yes, "off: functions are loaded with their module")
}

// ---- what the probe says ---------------------------------------------------------------------------------

/// The first value of every slot, and its neighbours.
fn edges(scale: u32) -> Vec<u64> {
    let slots = slot_of(u64::MAX, scale) + 1;
    let first_of = |slot| {
        let (mut below, mut at) = (0u64, u64::MAX);
        while below < at {
            let middle = below + (at - below) / 2;
            if slot_of(middle, scale) >= slot { at = middle } else { below = middle + 1 }
        }
        at
    };
    let mut edges: Vec<u64> =
        (0..slots).map(first_of).flat_map(|v| [v.saturating_sub(1), v, v.saturating_add(1)]).collect();
    edges.push(u64::MAX);
    edges.sort_unstable();
    edges.dedup();
    edges
}

fn buckets(patient: &Patient) -> Found {
    let mut probe = Probe::new(&patient.device, 1)?;
    let (mut values, mut wrong) = (0, None);
    for scale in 0..=5 {
        let edges = edges(scale);
        let slots = probe.slots(&edges, scale)?;
        values += edges.len() as u64;
        let differs = edges.iter().zip(&slots).find(|(value, slot)| slot_of(**value, scale) as u64 != **slot);
        wrong = wrong.or(differs.map(|(value, slot)| (*value, scale, *slot)));
    }
    match wrong {
        None => judged(true, format!("{} values at every edge of 6 scales, as on the host", units::exact(values))),
        Some((value, scale, slot)) => {
            let host = slot_of(value, scale);
            judged(false, format!("{value} at scale {scale} is in slot {slot} there, and in {host} on the host"))
        }
    }
}

/// The same values counted by the device and by the host's twins.
fn metrics(patient: &Patient) -> Found {
    let values: Vec<(u64, f64)> = (0..100_000u64).map(|n| (n * n % 99_991, n as f64 / 16.0)).collect();
    let mut probe = Probe::new(&patient.device, 1)?;
    let blocks = patient.device.info().multiprocessors.max(2);
    for &way in RecordMode::ALL {
        let device = TelemetryCollector::on_device(Arc::clone(&patient.device), TelemetryConfig::default())?;
        let host = TelemetryCollector::new(true);
        let first = metrics_of_device(&device)?;
        let table = device.metric_table().ok_or("the collector has no device")?;
        probe.count(&table, first, &values, way, blocks)?;
        count_on_host(&host, &values)?;
        let (device, host) = (device.snapshot()?, host.snapshot()?);
        let differs = device.metrics.iter().zip(&host.metrics).find(|(device, host)| device.series != host.series);
        if let Some((metric, _)) = differs {
            return judged(
                false,
                format!("{} counted by {way:?} is not what the host counts", metric.description.name),
            );
        }
    }
    let figure = format!(
        "{} values in {} blocks, by threads, warps and in shared memory: as the host's twins",
        units::exact(values.len() as u64),
        units::exact(blocks.into())
    );
    judged(true, figure)
}

const REAL_BOUNDS: [f64; 4] = [1.0, 10.0, 100.0, 1000.0];
const RESTS: [&[&str]; 4] = [&["0"], &["1"], &["2"], &["3"]];

/// As [`Probe::count`] wants them; the index of the first.
fn metrics_of_device(telemetry: &TelemetryCollector) -> Result<u32, Trouble> {
    let first = telemetry.counter("sum", "Sum")?.on_device()?.index();
    for name in ["total", "most", "least"] {
        telemetry.gauge(name, "A gauge")?.on_device()?;
    }
    telemetry.histogram("whole", "Whole numbers")?.scale(3).on_device()?;
    telemetry.histogram("real", "Real numbers")?.buckets(&REAL_BOUNDS).on_device()?;
    telemetry.counter("by_rest", "By rest")?.family(&["rest"], &RESTS).on_device()?;
    Ok(first)
}

fn count_on_host(telemetry: &TelemetryCollector, values: &[(u64, f64)]) -> Result<(), Trouble> {
    let sum = telemetry.counter("sum", "Sum")?.on_host()?;
    let [total, most, least] = ["total", "most", "least"].map(|name| telemetry.gauge(name, "A gauge"));
    let (total, most, least) = (total?.on_host()?, most?.on_host()?, least?.on_host()?);
    let whole = telemetry.histogram("whole", "Whole numbers")?.scale(3).on_host()?;
    let real = telemetry.histogram("real", "Real numbers")?.buckets(&REAL_BOUNDS).on_host()?;
    let family = telemetry.counter("by_rest", "By rest")?.family(&["rest"], &RESTS).on_host()?;
    for (n, x) in values {
        sum.inc_by(*n);
        total.add(*x);
        most.max(*x);
        least.min(*x);
        whole.observe(*n);
        real.observe(*x);
        family.with((n % 7) as usize).inc();
    }
    Ok(())
}

fn whole_words(patient: &Patient) -> Found {
    const COPIES: usize = 20_000;
    const TIME: Duration = Duration::from_secs(3);
    let mut probe = Probe::new(&patient.device, 1)?;
    let blocks = probe.max_resident_blocks();
    let mut halves = probe.halves(blocks)?;
    let (mut words, mut torn, mut copies) = (0u64, 0u64, 0);
    let start = Instant::now();
    while copies < COPIES && start.elapsed() < TIME {
        let (copied, broken) = halves.copy()?;
        words += copied as u64;
        torn += broken as u64;
        copies += 1;
    }
    let (additions, running) = (halves.additions(), halves.is_running()?);
    let figure = format!(
        "{torn} torn of {} words in {} copies, while {} blocks added {} times",
        units::exact(words),
        units::exact(copies as u64),
        units::exact(blocks.into()),
        units::exact(additions)
    );
    judged(torn == 0 && additions > 0 && running, figure)
}

fn tick(patient: &Patient) -> Found {
    let tick = Probe::new(&patient.device, 1)?.tick(1 << 20)?;
    judged(tick.steps > 0, format!("it ticks every {} ns ({} steps seen)", tick.smallest_ns, units::exact(tick.steps)))
}

fn clock_fit(patient: &Patient) -> Found {
    const SAMPLES: u32 = 40;
    const APART: Duration = Duration::from_millis(50);
    const LIMIT_NS: i64 = 1_000_000;
    // Of the device's clock and Unix time; the two are compared where each was read.
    let offset = |sample: &ClockSample| sample.device_ns as i64 - sample.unix_ns as i64;
    let mut probe = Probe::new(&patient.device, 1)?;
    let mut server = probe.clock()?;
    let mut samples = Vec::new();
    let start = Instant::now();
    for _ in 0..SAMPLES {
        let (truth, fit) = (server.sample(16)?, patient.device.clock()?);
        samples.push((start.elapsed(), offset(&fit) - offset(&truth), truth.uncertainty_ns + fit.uncertainty_ns));
        std::thread::sleep(APART);
    }
    // Where the system took this thread away between two looks, the look says nothing.
    let mut uncertainties: Vec<u64> = samples.iter().map(|s| s.2).collect();
    uncertainties.sort_unstable();
    let uncertainty = uncertainties[uncertainties.len() / 2];
    samples.retain(|s| s.2 <= uncertainty);
    let largest = samples.iter().map(|s| s.1.abs()).max().unwrap_or(0);
    let (first, last) = (samples[0], samples[samples.len() - 1]);
    let seconds = (last.0 - first.0).as_secs_f64().max(1e-3);
    let figure = format!(
        "at most {} apart over {}, read to within {}; drifts {:+.2} µs a second",
        units::latency(largest as f64),
        units::elapsed(start.elapsed()),
        units::latency(uncertainty as f64),
        (last.1 - first.1) as f64 / seconds / 1e3
    );
    judged(largest <= LIMIT_NS + uncertainty as i64, figure)
}

// ---- what the kernels' own telemetry says ------------------------------------------------------------------

/// Some kernels that share a device, with telemetry.
struct Ward {
    runtime: RingKernelRuntime,
    ids: Vec<String>,
    blocks: u32,
}

const WORK: [(&str, usize); 3] = [("crc32c", 1000), ("echo", 256), ("vector_add", 512)];

impl Ward {
    /// Kernels of every kind that together take `share` of the device; a tenth of their messages is refused.
    fn open(patient: &Patient, share: f64) -> Result<Ward, RuntimeError> {
        let config = TelemetryConfig { max_blocks: 16 * 1024, ..TelemetryConfig::default() };
        let builder =
            RingKernelRuntime::builder().on(Arc::clone(&patient.device)).telemetry(true).max_kernels(WORK.len());
        let runtime = builder.slots(1024).slot_bytes(1024).telemetry_config(config).build()?;
        let mut ward = Ward { runtime, ids: Vec::new(), blocks: 0 };
        for (kernel, _) in WORK {
            let fill = f64::from(ward.runtime.blocks_to_fill(kernel)?);
            let blocks = ((fill * share / WORK.len() as f64) as u32).max(1);
            let options =
                LaunchOptions { kernel: Some(kernel.into()), blocks, inject_errors: 0.1, ..LaunchOptions::default() };
            ward.runtime.launch_blocking(kernel, &options)?;
            ward.runtime.activate_blocking(kernel)?;
            ward.ids.push(kernel.to_owned());
            ward.blocks += blocks;
        }
        Ok(ward)
    }

    /// Keeps the kernels busy from a thread of its own while `meanwhile` runs; what the host counted, by kernel.
    fn busy<T>(&self, meanwhile: impl FnOnce() -> T) -> Result<(T, Vec<Counted>), RuntimeError> {
        let messages: Vec<Vec<Vec<u8>>> = WORK.iter().map(|(_, bytes)| sizes_up_to(*bytes)).collect();
        let mut loads = Vec::new();
        for (id, messages) in self.ids.iter().zip(&messages) {
            loads.push(Load::new(self.runtime.kernel(id)?, messages));
        }
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let feeder = scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    loads.iter_mut().try_for_each(|load| load.step(256))?;
                }
                loads.iter_mut().try_for_each(Load::drain)?;
                Ok(loads.iter().map(Load::counted).collect())
            });
            let result = meanwhile();
            stop.store(true, Ordering::Relaxed);
            let counted: Result<Vec<Counted>, RuntimeError> =
                feeder.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            counted.map(|counted| (result, counted))
        })
    }

    fn sent(&self) -> u64 {
        self.ids.iter().filter_map(|id| self.runtime.kernel(id).ok()).map(|k| k.messages_sent()).sum()
    }

    fn close(self) -> Result<(), RuntimeError> {
        self.ids.iter().try_for_each(|id| self.runtime.terminate_blocking(id))
    }
}

/// Messages of sizes up to `most`, multiples of 8.
fn sizes_up_to(most: usize) -> Vec<Vec<u8>> {
    (0..=8).map(|eighths| vec![0x5a; most / 8 * eighths / 8 * 8]).collect()
}

fn exact_counts(patient: &Patient) -> Found {
    const TIME: Duration = Duration::from_secs(2);
    let ward = Ward::open(patient, 1.0)?;
    let (_, counted) = ward.busy(|| std::thread::sleep(TIME))?;
    let snapshot = ward.runtime.snapshot()?;
    let differences: Vec<String> =
        ward.ids.iter().zip(&counted).filter_map(|(id, host)| differs(snapshot.kernel(id)?, host)).collect();
    let messages: u64 = counted.iter().map(|c| c.sent).sum();
    let refused: u64 = counted.iter().map(|c| c.refused).sum();
    let blocks = ward.blocks;
    ward.close()?;
    let figure = match differences.first() {
        None => format!(
            "{} messages, {} of them refused, of {} kernels with {} blocks: every count equals the host's",
            units::exact(messages),
            units::exact(refused),
            WORK.len(),
            units::exact(blocks.into())
        ),
        Some(first) => first.clone(),
    };
    judged(differences.is_empty() && messages > 0, figure)
}

/// Where the device's counts are not the host's.
fn differs(device: &KernelTelemetry, host: &Counted) -> Option<String> {
    let handled = host.received - host.refused;
    let pairs = [
        ("received", device.messages_received, host.sent),
        ("sent", device.messages_sent, host.received),
        ("processed", device.messages_processed, handled),
        ("errors", device.errors, host.refused),
        ("bytes in", device.bytes_in, host.bytes_in),
        ("bytes out", device.bytes_out, host.bytes_out),
        ("latencies", device.latency.map_or(0, |l| l.count), host.sent),
    ];
    let (what, theirs, ours) = *pairs.iter().find(|(_, theirs, ours)| theirs != ours)?;
    Some(format!("{}: {theirs} {what} on the device, {ours} on the host", device.kernel_id))
}

fn full_device(patient: &Patient) -> Found {
    const TIME: Duration = Duration::from_secs(2);
    const MOST: usize = 1_000_000;
    let ward = Ward::open(patient, 1.0)?;
    let collector = ward.runtime.collector();
    let mut times = Vec::new();
    let mut all_stay = true;
    let take = || -> Result<u64, RuntimeError> {
        let start = Instant::now();
        while times.len() < MOST && start.elapsed() < TIME {
            let before = Instant::now();
            let snapshot = collector.snapshot()?;
            times.push(before.elapsed().as_nanos() as f64);
            all_stay &= snapshot.kernels.iter().all(|k| k.state == KernelState::Active);
        }
        Ok(ward.sent())
    };
    let (sent, _) = ward.busy(take)?;
    let sent = sent?;
    let blocks = ward.blocks;
    ward.close()?;
    times.sort_unstable_by(f64::total_cmp);
    let at = |q: f64| units::latency(times[((times.len() - 1) as f64 * q) as usize]);
    let figure = format!(
        "{} snapshots, p50 {}, p99 {}, max {}, while {} blocks stayed and took {} messages",
        units::exact(times.len() as u64),
        at(0.5),
        at(0.99),
        at(1.0),
        units::exact(blocks.into()),
        units::exact(sent)
    );
    judged(all_stay && sent > 0, figure)
}

fn monotone(patient: &Patient) -> Found {
    let ward = Ward::open(patient, 0.0)?;
    let collector = ward.runtime.collector();
    let check = || -> Result<Option<String>, RuntimeError> {
        let mut last = collector.snapshot()?;
        for _ in 1..patient.snapshots {
            let next = collector.snapshot()?;
            if let Some(what) = went_back(&last, &next) {
                return Ok(Some(what));
            }
            last = next;
        }
        Ok(None)
    };
    let (back, counted) = ward.busy(check)?;
    let messages: u64 = counted.iter().map(|c| c.sent).sum();
    ward.close()?;
    match back? {
        None => {
            let figure = format!(
                "{} snapshots during {} messages: none of {} counters went back",
                units::exact(patient.snapshots),
                units::exact(messages),
                WORK.len() * COUNTERS
            );
            judged(messages > 0, figure)
        }
        Some(what) => judged(false, what),
    }
}

const COUNTERS: usize = 12;

/// Every number of a kernel that only ever grows.
fn counters(k: &KernelTelemetry) -> [(&'static str, u64); COUNTERS] {
    [
        ("received", k.messages_received),
        ("sent", k.messages_sent),
        ("processed", k.messages_processed),
        ("errors", k.errors),
        ("bytes in", k.bytes_in),
        ("bytes out", k.bytes_out),
        ("retries", k.retries),
        ("dropped", k.dropped),
        ("polls", k.polls),
        ("busy time", k.busy_time.as_nanos() as u64),
        ("wait time", k.wait_time.as_nanos() as u64),
        ("latencies", k.latency.map_or(0, |l| l.count)),
    ]
}

fn went_back(last: &Snapshot, next: &Snapshot) -> Option<String> {
    last.kernels.iter().zip(&next.kernels).find_map(|(before, after)| {
        let mut pairs = counters(before).into_iter().zip(counters(after));
        let ((what, was), (_, is)) = pairs.find(|((_, was), (_, is))| is < was)?;
        Some(format!("{what} of {} went from {was} to {is}", before.kernel_id))
    })
}

// ---- a kernel that breaks the context, in a process of its own -----------------------------------------------

/// What the child saw.
#[derive(Debug, Serialize, Deserialize)]
struct Broken {
    /// What the faulting kernel's end was.
    fault: String,
    /// What the next snapshot was.
    snapshot: String,
    /// Of the kernel beside it, in the last good snapshot.
    processed: u64,
    state: String,
}

fn illegal_address(patient: &Patient) -> Found {
    const LIMIT: Duration = Duration::from_secs(60);
    if patient.device.info().kind == DeviceKind::Host {
        return Ok((Outcome::DoesNotApply, "it would end this process".to_owned()));
    }
    let program = std::env::current_exe()?;
    let mut child = Command::new(program);
    child.args(["doctor", "--deep", "--break", "--device", &patient.spec.to_string()]);
    let mut child = child.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let start = Instant::now();
    while child.try_wait()?.is_none() {
        if start.elapsed() > LIMIT {
            child.kill()?;
            child.wait()?;
            return judged(false, format!("it hangs: not done after {}", units::elapsed(LIMIT)));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output()?;
    let Ok(seen) = serde_json::from_slice::<Broken>(&output.stdout) else {
        return judged(false, format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()));
    };
    let named = seen.fault.contains("(700)") && seen.snapshot.contains("(7");
    let right = named && seen.processed == BREAK_MESSAGES && seen.state == KernelState::Failed.name();
    let figure = format!(
        "in {}: \"{}\"; the kernel beside it is {}, its last good count {}",
        units::elapsed(start.elapsed()),
        seen.snapshot,
        seen.state,
        seen.processed
    );
    judged(right, figure)
}

const BREAK_MESSAGES: u64 = 10;

/// The child's part: breaks the context under a running kernel, and says what its telemetry makes of that.
pub fn break_the_context(spec: DeviceSpec) -> Result<bool, CliError> {
    let broken = broken(spec)?;
    let text = serde_json::to_string(&broken).map_err(|e| CliError::Output(e.into()))?;
    terminal::print(&(text + "\n"))?;
    Ok(true)
}

fn broken(spec: DeviceSpec) -> Result<Broken, RuntimeError> {
    let device = device::open(spec)?.device;
    let mut probe = Probe::new(&device, 1)?;
    let runtime = RingKernelRuntime::builder().on(device).telemetry(true).max_kernels(1).build()?;
    runtime.launch_blocking("beside", &LaunchOptions::default())?;
    runtime.activate_blocking("beside")?;
    for _ in 0..BREAK_MESSAGES {
        runtime.send_blocking("beside", b"still well")?;
        runtime.receive_blocking("beside", Duration::from_secs(10))?;
    }
    runtime.snapshot()?;
    let said = |result: Result<(), String>| result.err().unwrap_or_else(|| "nothing happened".to_owned());
    let fault = said(probe.fault().map_err(|e: DeviceError| e.to_string()));
    let snapshot = said(runtime.snapshot().map(drop).map_err(|e| e.to_string()));
    let last = runtime.latest();
    let kernel = last.as_deref().and_then(|s| s.kernel("beside"));
    Ok(Broken {
        fault,
        snapshot,
        processed: kernel.map_or(0, |k| k.messages_processed),
        state: kernel.map_or("unknown", |k| k.state.name()).to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_edge_is_there() {
        for scale in 0..=5 {
            let edges = edges(scale);
            let slots: std::collections::BTreeSet<usize> = edges.iter().map(|v| slot_of(*v, scale)).collect();
            assert_eq!(slots.len(), slot_of(u64::MAX, scale) + 1 - unreachable_slots(scale), "scale {scale}");
            assert_eq!((edges[0], edges[edges.len() - 1]), (0, u64::MAX));
        }
    }

    /// Near 2 the buckets are narrower than 1, and some hold no whole number.
    fn unreachable_slots(scale: u32) -> usize {
        let reached: std::collections::BTreeSet<usize> = (0..1u64 << 20).map(|v| slot_of(v, scale)).collect();
        slot_of((1 << 20) - 1, scale) + 1 - reached.len()
    }

    #[test]
    fn messages_suit_every_kernel() {
        for (_, bytes) in WORK {
            let sizes: Vec<usize> = sizes_up_to(bytes).iter().map(Vec::len).collect();
            assert!(sizes.iter().all(|s| s % 8 == 0 && *s <= bytes) && sizes.len() == 9, "{sizes:?}");
        }
    }
}

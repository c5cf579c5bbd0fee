//! A ring kernel of one's own: a handler in CUDA C++ (`wordcount.cu`) with arguments, state and metrics, which
//! `RingKernelRuntime` launches and talks to. Counts the words of some lines. A second one, whose blocks have 128 threads, is
//! in `dense.rs`.
//!
//! `cargo run --release [host | cuda]`: without a word on CUDA where there is one, else on the host device. With the name of a
//! file behind that it writes a trace of some messages there, with what the kernel recorded: ui.perfetto.dev opens it.

mod dense;

use std::error::Error;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ringscope::device::{self, DeviceSpec, Memory};
use ringscope::trace::{Severity, TraceFilter, Tracer};
use ringscope::{KernelSource, LaunchOptions, Level, RingKernelRuntime, TelemetryConfig};

/// Words of one letter, of two, …; the last one has those that are longer.
const LONGEST: usize = 16;
const BLOCKS: u32 = 4;
const LINES: [&str; 4] = [
    "A persistent kernel is launched once and then lives for hours,",
    "taking messages from a queue.",
    "To every outside tool it is one endless launch.",
    "\tringscope  puts the instruments inside. ",
];

/// What the kernel takes beside its ring: the mirror of `WordCountArgs` in `wordcount.cu`.
#[derive(Clone, Copy, bytemuck::NoUninit)]
#[repr(C)]
struct WordCountArgs {
    /// Device address of `longest` counts.
    lengths: u64,
    longest: u32,
    max_bytes: u32,
}

fn main() -> Result<(), Box<dyn Error>> {
    let spec = std::env::args().nth(1).map_or(Ok(DeviceSpec::Auto), |word| word.parse())?;
    let counted = count_words(spec, Level::Histograms, 1000)?;
    println!("{} words in {} messages; of 1 to {LONGEST} letters:", counted.words, counted.messages);
    println!("{:?}", counted.lengths);
    println!("{} outputs of a layer were active in 200 messages", dense::run(spec, Level::Histograms, 200)?);
    match std::env::args_os().nth(2) {
        Some(file) => write_trace(spec, file.as_ref()),
        None => Ok(()),
    }
}

/// Writes a trace of some messages, and of the spans that the kernel leaves in each.
fn write_trace(spec: DeviceSpec, file: &Path) -> Result<(), Box<dyn Error>> {
    let selected = device::open(spec)?;
    let (device, lengths) = (selected.device.clone(), selected.device.allocate_mapped(LONGEST * 8)?);
    // SAFETY: the kernel writes to `lengths` alone, which the launch keeps.
    let source = unsafe { ringscope::ring_kernel!(wordcount, include_str!("wordcount.cu")) };
    let tracer = Tracer::new("wordcount");
    // Rings for records: the kernel's build of level 3 is launched.
    let config = TelemetryConfig { trace_records: 4096, ..TelemetryConfig::default() };
    let builder = RingKernelRuntime::builder().on(device).telemetry(true).telemetry_config(config);
    let runtime = start(builder.tracer(tracer.clone()), source, &lengths)?;
    let recorder = runtime.collector().record_trace(&tracer, 100_000)?;
    for page in 0..3 {
        let _page = tracer.span("page").attribute("page", page).start();
        // Sent inside the span: it is the parent of what the kernel does with it.
        let long = [LINES[0], &"x".repeat(600)];
        let lines = LINES.iter().chain(&long[..if page == 1 { 2 } else { 0 }]);
        let sent =
            lines.map(|line| runtime.send_blocking("counter", line.repeat(40).get(..500).unwrap_or(line).as_bytes()));
        let sent: Vec<u64> = sent.collect::<Result<_, _>>()?;
        for _ in sent {
            runtime.receive_blocking("counter", Duration::from_secs(20))?;
        }
    }
    recorder.flush_blocking(Duration::from_secs(5));
    let trace = recorder.trace();
    println!("{}: {} spans, {} instants", file.display(), trace.spans.len(), trace.instants.len());
    Ok(std::fs::write(file, trace.export_perfetto())?)
}

/// What the kernel counted.
struct Counted {
    messages: u64,
    words: u64,
    lengths: Vec<u64>,
}

/// Sends so many messages to the kernel on that device, and checks each reply.
fn count_words(spec: DeviceSpec, level: Level, messages: u64) -> Result<Counted, Box<dyn Error>> {
    let selected = device::open(spec)?;
    let (device, lengths) = (selected.device.clone(), selected.device.allocate_mapped(LONGEST * 8)?);
    // One source for both devices: the builds of build.rs for the host device, the text for NVRTC.
    // SAFETY: the kernel writes to `lengths` alone, which the launch keeps.
    let source = unsafe { ringscope::ring_kernel!(wordcount, include_str!("wordcount.cu")) };
    let runtime =
        start(RingKernelRuntime::builder().on(device).telemetry(level > Level::Off).level(level), source, &lengths)?;
    println!("on {}", runtime.device().name);

    let mut of_blocks = Vec::new();
    for n in 0..messages {
        let line = LINES[n as usize % LINES.len()];
        let counts: [u64; 2] = bytemuck::pod_read_unaligned(&call(&runtime, line)?);
        assert_eq!(counts[0], line.split_ascii_whitespace().count() as u64, "words of {line:?}");
        of_blocks.push(counts[1]);
    }
    let refused = call(&runtime, &"x".repeat(513)).expect_err("it is longer than max_bytes");
    assert_eq!(refused.to_string(), "the kernel refused it with code 256");
    check_telemetry(&runtime, level, messages)?;

    runtime.shutdown_blocking(Duration::from_secs(5));
    let words = lengths.host_words().ok_or("mapped memory")?;
    let lengths: Vec<u64> = words.iter().map(|word| word.load(Ordering::Relaxed)).collect();
    Ok(Counted { messages, words: lengths.iter().sum(), lengths })
}

/// Builds a runtime, registers the kernel's metrics in the order of its look-ups, and launches it with its arguments.
fn start(
    builder: ringscope::RuntimeBuilder,
    source: KernelSource,
    lengths: &Memory,
) -> Result<RingKernelRuntime, Box<dyn Error>> {
    let runtime = builder.source("wordcount", source).kernel("wordcount").max_kernels(1).build()?;
    if runtime.collector().enabled() {
        let words = runtime.collector().counter("words", "Words counted")?.on_device()?;
        let per_message = runtime.collector().histogram("message_words", "Words of a message")?.on_device()?;
        assert_eq!((words.index(), per_message.index()), (0, 1), "which the handler looks up");
    }
    let args = WordCountArgs { lengths: lengths.device_address(), longest: LONGEST as u32, max_bytes: 512 };
    // Size and alignment are compared with the kernel's own; `lengths` lives until its blocks have ended.
    let options = LaunchOptions::new().blocks(BLOCKS).args(&args).keep(lengths).trace(TraceFilter::all());
    // The fourth of the kernel's names.
    let options = options.log(3, Severity::Warn, "a line of {} bytes, at most {} are allowed");
    runtime.launch_blocking("counter", &options)?;
    runtime.activate_blocking("counter")?;
    Ok(runtime)
}

/// Sends a message and waits for its reply.
fn call(runtime: &RingKernelRuntime, line: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let sent = runtime.send_blocking("counter", line.as_bytes())?;
    let reply = runtime.receive_blocking("counter", Duration::from_secs(20))?;
    assert_eq!(reply.seq, sent);
    match reply.status {
        0 => Ok(reply.payload),
        code => Err(format!("the kernel refused it with code {code}").into()),
    }
}

/// What the kernel recorded, against what was sent; without a level that records there is nothing.
fn check_telemetry(runtime: &RingKernelRuntime, level: Level, messages: u64) -> Result<(), Box<dyn Error>> {
    if level == Level::Off {
        assert!(runtime.telemetry_blocking("counter").is_err());
        return Ok(());
    }
    let t = runtime.telemetry_blocking("counter")?;
    println!("{} processed, {} refused, {:.0}/s", t.messages_processed, t.errors, t.throughput);
    assert_eq!((t.messages_received, t.messages_processed, t.errors), (messages + 1, messages, 1));
    assert_eq!(t.latency.is_some(), level >= Level::Histograms);
    let sent = (0..messages).map(|n| LINES[n as usize % LINES.len()].split_ascii_whitespace().count() as u64);
    let words: u64 = sent.sum();
    let value = |name: &str| Ok::<_, Box<dyn Error>>(runtime.collector().metric(name)?.series[0].value.clone());
    assert_eq!(value("words")?.counter(), Some(words));
    let per_message = value("message_words")?;
    let per_message = per_message.histogram().ok_or("a histogram")?;
    assert_eq!((per_message.count(), per_message.sum()), (messages, words as f64));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_exact_on(spec: DeviceSpec) {
        for &level in Level::ALL {
            let counted = count_words(spec, level, 400).expect("it counts");
            let mut lengths = vec![0; LONGEST];
            let words = (0..400).flat_map(|n| LINES[n % LINES.len()].split_ascii_whitespace());
            words.for_each(|word| lengths[word.len().min(LONGEST) - 1] += 1);
            assert_eq!(counted.lengths, lengths, "{level:?}");
            assert_eq!(counted.words, lengths.iter().sum::<u64>());
            assert!(dense::run(spec, level, 50).expect("it multiplies") > 0);
        }
    }

    #[test]
    fn counts_exactly_on_the_host_device() {
        is_exact_on(DeviceSpec::Host);
    }

    #[test]
    fn counts_exactly_on_cuda() {
        match device::open(DeviceSpec::Cuda(0)) {
            Ok(_) => is_exact_on(DeviceSpec::Cuda(0)),
            Err(why) if std::env::var("RINGSCOPE_REQUIRE_CUDA").is_ok_and(|v| v == "1") => panic!("{why}"),
            Err(why) => println!("skipped: no CUDA device: {why}"),
        }
    }

    #[test]
    fn other_arguments_than_the_kernels_are_refused() {
        // SAFETY: it is not launched.
        let source = unsafe { ringscope::ring_kernel!(wordcount) };
        let runtime =
            RingKernelRuntime::builder().device(DeviceSpec::Host).source("wordcount", source).kernel("wordcount");
        let runtime = runtime.build().expect("a runtime");
        for (options, given) in [
            (LaunchOptions::default(), "no arguments"),
            (LaunchOptions::default().args(&[0u64; 3]), "24 bytes aligned to 8"),
            (LaunchOptions::default().args(&[0u32; 4]), "16 bytes aligned to 4"),
        ] {
            let error = runtime.launch_blocking("counter", &options).expect_err("another layout").to_string();
            let takes = "the kernel `wordcount` takes 16 bytes aligned to 8, and was given ";
            assert!(error.starts_with(&format!("{takes}{given}")), "{error}");
        }
    }
}

//! A ring kernel whose blocks have 128 threads (`dense.cu`): a layer of a neural network, with its weights in device memory, sums
//! over all messages, and metrics of its own.

use std::error::Error;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ringscope::device::{self, DeviceSpec};
use ringscope::{LaunchOptions, Level, RingKernelRuntime};

const INPUTS: usize = 40;
const OUTPUTS: usize = 100;
const BLOCKS: usize = 2;

/// What the kernel takes beside its ring: the mirror of `DenseArgs` in `dense.cu`.
#[derive(Clone, Copy, bytemuck::NoUninit)]
#[repr(C)]
struct DenseArgs {
    /// Device addresses.
    given: u64,
    kept: u64,
    inputs: u32,
    outputs: u32,
}

/// Whole numbers, small enough that f32 has their sums exactly: of output `o` the weight of input `i`, or the bias behind the last.
fn weight(o: usize, i: usize) -> f32 {
    ((o * 7 + i * 3) % 11) as f32 - 5.0
}

fn input(message: usize, i: usize) -> f32 {
    ((message * 5 + i) % 9) as f32 - 4.0
}

/// Sends so many messages through the layer on that device, checks each reply, and returns how many outputs were active.
pub fn run(spec: DeviceSpec, level: Level, messages: usize) -> Result<u64, Box<dyn Error>> {
    let device = device::open(spec)?.device;
    let count = OUTPUTS * (INPUTS + 1);
    // Memory that the host writes, and memory of the device's; both before the first launch.
    let (given, kept) = (device.allocate_mapped(count * 4)?, device.allocate(BLOCKS * count * 4)?);
    let weights = (0..OUTPUTS).flat_map(|o| (0..INPUTS).map(move |i| weight(o, i)));
    let all: Vec<u32> = weights.chain((0..OUTPUTS).map(|o| weight(o, INPUTS))).map(f32::to_bits).collect();
    for (word, two) in given.host_words().ok_or("mapped memory")?.iter().zip(all.chunks(2)) {
        let high = two.get(1).copied().unwrap_or(0);
        word.store(u64::from(two[0]) | u64::from(high) << 32, Ordering::Relaxed);
    }
    // SAFETY: the kernel writes to `kept` alone, which has a part for each block; the launch keeps both.
    let source = unsafe { ringscope::ring_kernel!(dense, include_str!("dense.cu")) };
    let builder = RingKernelRuntime::builder().on(device).telemetry(level > Level::Off).level(level);
    let runtime = builder.source("dense", source).kernel("dense").max_kernels(1).build()?;
    if level > Level::Off {
        let active = runtime.collector().counter("active_outputs", "Outputs above zero")?.on_device()?;
        let largest = runtime.collector().gauge("largest_output", "The largest output so far")?.on_device()?;
        assert_eq!((active.index(), largest.index()), (0, 1), "which the handler looks up");
    }
    let (inputs, outputs) = (INPUTS as u32, OUTPUTS as u32);
    let args = DenseArgs { given: given.device_address(), kept: kept.device_address(), inputs, outputs };
    let options = LaunchOptions::new().blocks(BLOCKS as u32).shared_bytes(inputs * 4);
    runtime.launch_blocking("layer", &options.args(&args).keep(&given).keep(&kept))?;
    runtime.activate_blocking("layer")?;

    // What each block has summed up so far: which of them handles a message, nobody decides.
    let mut sums_of_blocks = vec![vec![0.0; OUTPUTS]; BLOCKS];
    let (mut active, mut highest) = (0, 0.0f32);
    for message in 0..messages {
        let x: Vec<f32> = (0..INPUTS).map(|i| input(message, i)).collect();
        runtime.send_blocking("layer", bytemuck::cast_slice(&x))?;
        let reply = runtime.receive_blocking("layer", Duration::from_secs(20))?;
        let reply: Vec<f32> = reply.payload.chunks_exact(4).map(bytemuck::pod_read_unaligned).collect();
        let (y, sums) = reply.split_at(OUTPUTS);
        for (o, got) in y.iter().enumerate() {
            let expected = weight(o, INPUTS) + x.iter().enumerate().map(|(i, x)| weight(o, i) * x).sum::<f32>();
            assert_eq!(*got, expected.max(0.0), "output {o} of message {message}");
            active += u64::from(*got > 0.0);
        }
        highest = y.iter().copied().fold(highest, f32::max);
        let goes_on =
            |block: &&mut Vec<f32>| block.iter().zip(y).zip(sums).all(|((before, y), sum)| before + y == *sum);
        let block = sums_of_blocks.iter_mut().find(goes_on).ok_or("these are no block's sums")?;
        block.copy_from_slice(sums);
    }
    if level > Level::Off {
        let t = runtime.telemetry_blocking("layer")?;
        assert_eq!((t.messages_processed, t.errors), (messages as u64, 0));
        let value = |name: &str| runtime.collector().metric(name).map(|metric| metric.series[0].value.clone());
        assert_eq!(value("active_outputs")?.counter(), Some(active));
        assert_eq!(value("largest_output")?.gauge(), Some(f64::from(highest)));
    }
    runtime.shutdown_blocking(Duration::from_secs(5));
    Ok(active)
}

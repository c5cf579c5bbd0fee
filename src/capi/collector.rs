//! Versions, opening and closing.

use std::time::Duration;

use super::device::{Described, device_fields, ringscope_device_choice, ringscope_device_fields, spec, specs};
use super::fields::{put, read, sized, write};
use super::handles::{Handle, handle};
use super::result::{Failure, Outcome, call, ringscope_result};
use super::text::items;
use crate::abi::ABI_VERSION;
use crate::collector::{TelemetryCollector, TelemetryConfig};
use crate::device::{DeviceSpec, open};

/// Number of this interface. It grows where a program that was compiled before would be wrong.
pub const RINGSCOPE_C_INTERFACE: u32 = 1;

/// What `RINGSCOPE_C_ABI` is in this version's header.
pub(super) const C_ABI: u32 = RINGSCOPE_C_INTERFACE << 16 | ABI_VERSION;

/// A collector: reads what kernels count, and takes what host threads count. Ended by `ringscope_close`. Any thread may
/// use it, at the same time as others.
pub struct ringscope_collector {
    _none: [u8; 0],
}
handle!(ringscope_collector: Open = "collector" until "ringscope_close");

/// What a collector's handle stands for.
pub struct Open {
    pub(super) collector: TelemetryCollector,
    devices: Vec<Described>,
    /// How many were asked for: while telemetry is off none is opened.
    pub(super) wanted: usize,
}

/// How to open a collector. Set all of it to zero and then `size`: a field that is 0 has its default.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct ringscope_config {
    /// sizeof(ringscope_config).
    pub size: usize,
    /// A ringscope_device. Default: RINGSCOPE_DEVICE_AUTO.
    pub device: u32,
    /// Index of the GPU, as CUDA counts those that are visible.
    pub cuda_ordinal: u32,
    /// Not 0: telemetry is off. Nothing is opened or allocated, registering and counting succeed and do nothing, kernels
    /// get a ref with which they count nothing, and reading is RINGSCOPE_RESULT_OFF.
    pub off: u32,
    /// Most kernels and host actors, including those that ended. Default: 1024.
    pub max_kernels: u32,
    /// Most shards of all device kernels together: one a block, or one for each role of each block. Default: 1024.
    pub max_blocks: u32,
    /// Most metrics that kernels count in; a family of up to eight counters, or one histogram, is one. Default: 256.
    pub device_metrics: u32,
    /// Bucket counts of the histograms among them together; one of 8 buckets an octave has 528. Default: 8192.
    pub device_buckets: u32,
    /// Most series of all metrics together. Default: 4096.
    pub max_series: u32,
    /// Records of events and spans that are kept for each shard until they are read: a power of two, 64 to 16384.
    /// Default: none.
    pub trace_records: u32,
    /// Records of each shard's black box, in host memory that outlives a kernel that died: a power of two, 64 to 16384.
    /// Default: none.
    pub black_box_records: u32,
    /// Buckets an octave of latency histograms: 1, 2, 4, 8, 16 or 32. Default: 8, with which percentiles are within 4.4
    /// %.
    pub buckets_per_octave: u32,
    /// Most snapshots that periodic collection keeps. Default: 600.
    pub history_snapshots: u32,
    /// Nanoseconds for which a running block may give no sign of life before its kernel counts as stalled; UINT64_MAX is
    /// never. Default: 10 s.
    pub stall_limit_ns: u64,
    /// The longest that one copy from the device may take, in nanoseconds. Default: 2 s.
    pub copy_limit_ns: u64,
    /// Several devices, in the place of `device`: a kernel names the one that it runs on by its index here. Each has
    /// `max_blocks` shards, `device_metrics` metrics and `device_buckets` bucket counts of its own. They are read side by
    /// side, and one that dies or hangs leaves the others alive and readable.
    pub devices: *const ringscope_device_choice,
    /// How many. Default: 0, the one that `device` names.
    pub device_count: usize,
}

sized! {
    ringscope_config: 72;
}

/// Returns the number of the library's interface. A program whose header has another `RINGSCOPE_C_ABI` must not use the
/// library any further than this function; `ringscope_open` refuses it. Never fails; any thread may call it.
#[unsafe(no_mangle)]
pub extern "C" fn ringscope_abi_version() -> u32 {
    C_ABI
}

/// Opens a collector, and puts its handle at `collector`, to be ended by `ringscope_close`.
///
/// `abi` is RINGSCOPE_C_ABI. `config` may be null, which has every default, and may go after the call.
///
/// Open it before kernels are launched: on CUDA it allocates, which may wait for kernels that run. It takes some
/// milliseconds; on CUDA, the first time on a machine, seconds, in which the driver compiles. It leaves the calling
/// thread's current CUDA context as it was, and uses streams of its own, here and later. Collectors are independent of
/// one another; those of one GPU share its primary context.
///
/// RINGSCOPE_RESULT_WRONG_VERSION; RINGSCOPE_RESULT_NO_DEVICE, with the reason as the text;
/// RINGSCOPE_RESULT_BAD_ARGUMENT, also for a GPU that is among the devices twice; RINGSCOPE_RESULT_DEVICE_FAILED.
///
/// # Safety
/// `config` is null or a struct that says its size, with as many `devices` as it says; `collector` points to a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringscope_open(
    abi: u32,
    config: *const ringscope_config,
    collector: *mut *mut ringscope_collector,
) -> ringscope_result {
    call(|| {
        check_version(abi)?;
        // SAFETY: the caller's promise.
        let config = (!config.is_null()).then(|| unsafe { read(config) }).transpose()?;
        // SAFETY: the caller's promise.
        let opened = || Ok(ringscope_collector::open(unsafe { opened(config.as_ref())? }));
        // SAFETY: the caller's promise.
        unsafe { put(collector, "collector", opened) }
    })
}

/// Ends a collector's handle. The collector goes when nobody uses it any more: calls of other threads, servers and
/// periodic collection end first; snapshots stay until they are freed.
///
/// Call it when the kernels that were registered have ended. Its memory goes with it: kernels on the host device that
/// still run would write to memory that is no longer theirs; on CUDA it waits until they have ended, which a persistent
/// kernel may never do.
///
/// RINGSCOPE_RESULT_BAD_HANDLE, also where it was closed before.
#[unsafe(no_mangle)]
pub extern "C" fn ringscope_close(collector: *mut ringscope_collector) -> ringscope_result {
    call(|| {
        // Stopped here, so that no snapshot is taken by a thread that nobody waits for.
        if let Ok(open) = ringscope_collector::held(collector) {
            open.collector.stop_collection();
        }
        ringscope_collector::close(collector)
    })
}

/// Says which device the collector is on; of several, the first.
///
/// RINGSCOPE_RESULT_BAD_HANDLE, RINGSCOPE_RESULT_BAD_ARGUMENT.
///
/// # Safety
/// `fields` is a struct that says its size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringscope_device_read(
    collector: *const ringscope_collector,
    fields: *mut ringscope_device_fields,
) -> ringscope_result {
    call(|| {
        let open = ringscope_collector::held(collector)?;
        // SAFETY: the caller's promise.
        unsafe { write(fields, &device_fields(&open.devices, 0)?) }
    })
}

/// Says which device of the collector has that index, from 0, below `count` of the fields. Without a device there is the
/// index 0, and it is RINGSCOPE_DEVICE_NONE.
///
/// RINGSCOPE_RESULT_UNKNOWN for an index that is not there, RINGSCOPE_RESULT_BAD_HANDLE, RINGSCOPE_RESULT_BAD_ARGUMENT.
///
/// # Safety
/// `fields` is a struct that says its size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringscope_device_at(
    collector: *const ringscope_collector,
    index: usize,
    fields: *mut ringscope_device_fields,
) -> ringscope_result {
    call(|| {
        let open = ringscope_collector::held(collector)?;
        // SAFETY: the caller's promise.
        unsafe { write(fields, &device_fields(&open.devices, index)?) }
    })
}

fn check_version(abi: u32) -> Outcome {
    if abi == C_ABI {
        return Ok(());
    }
    let of = |abi: u32| format!("{}.{}", abi >> 16, abi & 0xffff);
    let text = format!(
        "the program was compiled with the header of interface {}, and the library has {}: compile it with the header that \
         came with the library",
        of(abi),
        of(C_ABI)
    );
    Err(Failure::new(ringscope_result::WrongVersion, text))
}

/// # Safety
/// `devices` of the config is null, or points to as many as it says.
unsafe fn opened(config: Option<&ringscope_config>) -> Outcome<Open> {
    let all = telemetry_config(config)?;
    let off = config.is_some_and(|config| config.off != 0);
    // SAFETY: the caller's promise.
    let specs = config.map_or_else(|| Ok(vec![DeviceSpec::Auto]), |config| unsafe { asked_for(config) })?;
    let wanted = specs.len();
    if off || specs.is_empty() {
        return Ok(Open { collector: TelemetryCollector::with_config(!off, all)?, devices: Vec::new(), wanted });
    }
    let devices = specs.into_iter().map(|spec| Ok(open(spec)?.device)).collect::<Outcome<Vec<_>>>()?;
    let described = devices.iter().map(|device| Described::new(device.info())).collect();
    let collector = TelemetryCollector::builder().devices(devices).config(all).build()?;
    Ok(Open { collector, devices: described, wanted })
}

/// The devices that a config asks for.
///
/// # Safety
/// `devices` is null, or points to as many as it says.
unsafe fn asked_for(config: &ringscope_config) -> Outcome<Vec<DeviceSpec>> {
    // SAFETY: the caller's promise.
    let choices = unsafe { items(config.devices, config.device_count, "devices")? };
    if choices.is_empty() {
        return Ok(spec("device", config.device, config.cuda_ordinal)?.into_iter().collect());
    }
    if (config.device, config.cuda_ordinal) != (0, 0) {
        let text = "`device` and `cuda_ordinal` name one device, and `devices` several: leave out one of both";
        return Err(Failure::argument(text));
    }
    specs(choices)
}

pub(super) fn telemetry_config(config: Option<&ringscope_config>) -> Outcome<TelemetryConfig> {
    let default = TelemetryConfig::default();
    let Some(config) = config else { return Ok(default) };
    let number = |given: u32, default: usize| if given == 0 { default } else { given as usize };
    let time = |given: u64, default: Duration| match given {
        0 => default,
        u64::MAX => Duration::MAX,
        ns => Duration::from_nanos(ns),
    };
    Ok(TelemetryConfig {
        max_kernels: number(config.max_kernels, default.max_kernels),
        max_blocks: if config.max_blocks == 0 { default.max_blocks } else { config.max_blocks },
        device_metrics: number(config.device_metrics, default.device_metrics),
        device_buckets: number(config.device_buckets, default.device_buckets),
        max_series: number(config.max_series, default.max_series),
        trace_records: config.trace_records,
        black_box_records: config.black_box_records,
        scale: scale(config.buckets_per_octave)?.unwrap_or(default.scale),
        history_snapshots: number(config.history_snapshots, default.history_snapshots),
        stall_limit: time(config.stall_limit_ns, default.stall_limit),
        copy_limit: time(config.copy_limit_ns, default.copy_limit),
        ..default
    })
}

/// The scale with so many buckets an octave; `None` for 0, the default.
pub(super) fn scale(buckets_per_octave: u32) -> Outcome<Option<u32>> {
    match buckets_per_octave {
        0 => Ok(None),
        1 | 2 | 4 | 8 | 16 | 32 => Ok(Some(buckets_per_octave.trailing_zeros())),
        other => {
            let must = "must be 1, 2, 4, 8, 16 or 32, or 0 for the default";
            Err(Failure::argument(format!("`buckets_per_octave` is {other}, and {must}")))
        }
    }
}

//! Snapshots: taking them, and asking for what they hold.

use std::ffi::c_char;
use std::sync::{Arc, OnceLock};

use super::collector::ringscope_collector;
use super::fields::{put, write};
use super::handles::{Handle, handle};
use super::result::{Failure, Outcome, call, ringscope_result};
use super::snapshot_fields::{
    DeviceTexts, KernelTexts, device_reading, kernel_fields, metric_fields, nanoseconds, ringscope_device_reading,
    ringscope_kernel_fields, ringscope_metric_fields, ringscope_snapshot_fields, ringscope_times, unix_ns,
};
use super::text::{labels, ringscope_label, text};
use crate::histogram::Histogram;
use crate::snapshot::{KernelTelemetry, Snapshot};

/// Everything known at one instant; it does not change. Ended by `ringscope_snapshot_free`, before or after the
/// collector's handle. Any thread may use it, at the same time as others.
pub struct ringscope_snapshot {
    _none: [u8; 0],
}
handle!(ringscope_snapshot: Taken = "snapshot" until "ringscope_snapshot_free");

/// What its handle stands for.
pub struct Taken {
    pub(super) snapshot: Arc<Snapshot>,
    /// Texts of the kernels and the devices, for C: made when they are first asked for.
    texts: OnceLock<Vec<KernelTexts>>,
    device_texts: OnceLock<Vec<DeviceTexts>>,
}

/// Reads everything now, while kernels run, and puts the handle of what was read at `snapshot`, to be ended by
/// `ringscope_snapshot_free`. It blocks for the time of a copy from the device, at most `copy_limit_ns`. It copies on a
/// stream of its own: it waits for no kernel and no stream of the program's, and leaves the calling thread's current CUDA
/// context as it was. Calls of several threads wait for one another.
///
/// RINGSCOPE_RESULT_DEVICE_FAILED; then `ringscope_snapshot_latest` has the last good numbers. RINGSCOPE_RESULT_OFF,
/// RINGSCOPE_RESULT_BAD_HANDLE, RINGSCOPE_RESULT_BAD_ARGUMENT.
///
/// # Safety
/// `snapshot` points to a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringscope_snapshot_take(
    collector: *const ringscope_collector,
    snapshot: *mut *mut ringscope_snapshot,
) -> ringscope_result {
    call(|| {
        let open = ringscope_collector::held(collector)?;
        // SAFETY: the caller's promise.
        unsafe { put(snapshot, "snapshot", || Ok(taken(open.collector.snapshot()?))) }
    })
}

/// Puts the handle of the newest snapshot at `snapshot`, whichever thread took it, to be ended by
/// `ringscope_snapshot_free`. Reads nothing from the device and waits for nothing.
///
/// RINGSCOPE_RESULT_UNKNOWN before the first; RINGSCOPE_RESULT_BAD_HANDLE, RINGSCOPE_RESULT_BAD_ARGUMENT.
///
/// # Safety
/// `snapshot` points to a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringscope_snapshot_latest(
    collector: *const ringscope_collector,
    snapshot: *mut *mut ringscope_snapshot,
) -> ringscope_result {
    call(|| {
        let open = ringscope_collector::held(collector)?;
        let none = "there is no snapshot yet: call ringscope_snapshot_take or ringscope_start_collection";
        let latest = || {
            let latest = open.collector.latest().ok_or_else(|| Failure::new(ringscope_result::Unknown, none))?;
            Ok(taken(latest))
        };
        // SAFETY: the caller's promise.
        unsafe { put(snapshot, "snapshot", latest) }
    })
}

/// Ends the handle of a snapshot; texts of its fields go with it.
///
/// RINGSCOPE_RESULT_BAD_HANDLE.
#[unsafe(no_mangle)]
pub extern "C" fn ringscope_snapshot_free(snapshot: *mut ringscope_snapshot) -> ringscope_result {
    call(|| ringscope_snapshot::close(snapshot))
}

/// Says what the snapshot holds.
///
/// RINGSCOPE_RESULT_BAD_HANDLE, RINGSCOPE_RESULT_BAD_ARGUMENT.
///
/// # Safety
/// `fields` is a struct that says its size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringscope_snapshot_read(
    snapshot: *const ringscope_snapshot,
    fields: *mut ringscope_snapshot_fields,
) -> ringscope_result {
    call(|| {
        let taken = ringscope_snapshot::held(snapshot)?;
        let s = &taken.snapshot;
        let value = ringscope_snapshot_fields {
            size: size_of::<ringscope_snapshot_fields>(),
            sequence: s.sequence,
            unix_ns: unix_ns(Some(s.time)),
            copy_ns: nanoseconds(s.copy_duration),
            copied_bytes: s.copied_bytes as u64,
            kernels: s.kernels.len() as u64,
            metrics: s.metrics.len() as u64,
            devices: s.devices.len() as u64,
        };
        // SAFETY: the caller's promise.
        unsafe { write(fields, &value) }
    })
}

/// Puts the index of the kernel or host actor `id` at `index`, for this snapshot.
///
/// RINGSCOPE_RESULT_UNKNOWN, RINGSCOPE_RESULT_BAD_HANDLE, RINGSCOPE_RESULT_BAD_ARGUMENT.
///
/// # Safety
/// `id` ends with a zero byte; `index` points to a size_t.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringscope_snapshot_find(
    snapshot: *const ringscope_snapshot,
    id: *const c_char,
    index: *mut usize,
) -> ringscope_result {
    call(|| {
        let taken = ringscope_snapshot::held(snapshot)?;
        // SAFETY: the caller's promise.
        let id = unsafe { text(id, "id")? };
        let find = || {
            let kernels = &taken.snapshot.kernels;
            let text = || format!("the snapshot has no kernel `{id}` among its {}: check the spelling", kernels.len());
            let found = kernels.iter().position(|kernel| &*kernel.kernel_id == id);
            found.ok_or_else(|| Failure::new(ringscope_result::Unknown, text()))
        };
        // SAFETY: the caller's promise.
        unsafe { put(index, "index", find) }
    })
}

/// Says everything known of the kernel or host actor at `index`, from 0, below `kernels` of the snapshot's fields.
///
/// RINGSCOPE_RESULT_UNKNOWN for an index that is not there, RINGSCOPE_RESULT_BAD_HANDLE, RINGSCOPE_RESULT_BAD_ARGUMENT.
///
/// # Safety
/// `fields` is a struct that says its size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringscope_snapshot_kernel(
    snapshot: *const ringscope_snapshot,
    index: usize,
    fields: *mut ringscope_kernel_fields,
) -> ringscope_result {
    call(|| {
        let taken = ringscope_snapshot::held(snapshot)?;
        let kernel = kernel_at(&taken, index)?;
        // SAFETY: the caller's promise.
        unsafe { write(fields, &kernel_fields(kernel, &taken.texts()[index])) }
    })
}

/// Says what the device at `index` is, from 0, below `devices` of the snapshot's fields, and how reading it went.
///
/// RINGSCOPE_RESULT_UNKNOWN for an index that is not there, RINGSCOPE_RESULT_BAD_HANDLE, RINGSCOPE_RESULT_BAD_ARGUMENT.
///
/// # Safety
/// `fields` is a struct that says its size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringscope_snapshot_device(
    snapshot: *const ringscope_snapshot,
    index: usize,
    fields: *mut ringscope_device_reading,
) -> ringscope_result {
    call(|| {
        let taken = ringscope_snapshot::held(snapshot)?;
        let devices = &taken.snapshot.devices;
        let text = || format!("the snapshot has {} devices, and no index {index}", devices.len());
        let device = devices.get(index).ok_or_else(|| Failure::new(ringscope_result::Unknown, text()))?;
        // SAFETY: the caller's promise.
        unsafe { write(fields, &device_reading(device, &taken.device_texts()[index])) }
    })
}

/// Puts the `percentile` (0 to 100) of a kernel's `times`, a ringscope_times, at `ns`, in nanoseconds; 0 where no time
/// was recorded.
///
/// RINGSCOPE_RESULT_UNKNOWN for an index that is not there, RINGSCOPE_RESULT_BAD_HANDLE, RINGSCOPE_RESULT_BAD_ARGUMENT.
///
/// # Safety
/// `ns` points to a double.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringscope_snapshot_percentile(
    snapshot: *const ringscope_snapshot,
    index: usize,
    times: u32,
    percentile: f64,
    ns: *mut f64,
) -> ringscope_result {
    const HANDLING: u32 = ringscope_times::Handling as u32;
    const WAITING: u32 = ringscope_times::Waiting as u32;
    call(|| {
        let taken = ringscope_snapshot::held(snapshot)?;
        let kernel = kernel_at(&taken, index)?;
        if !(0.0..=100.0).contains(&percentile) {
            return Err(Failure::argument(format!("`percentile` is {percentile}, and must be 0 to 100")));
        }
        let of = |histogram: &Histogram| if histogram.count() == 0 { 0.0 } else { histogram.percentile(percentile) };
        let value = match times {
            HANDLING => of(&kernel.histogram),
            WAITING => kernel.waiting.as_ref().map_or(0.0, |waiting| of(&waiting.histogram)),
            other => {
                return Err(Failure::argument(format!("`times` is {other}, and must be a ringscope_times: 0 or 1")));
            }
        };
        // SAFETY: the caller's promise.
        unsafe { put(ns, "ns", || Ok(value)) }
    })
}

/// Says the value of the series of metric `name` with exactly these labels, in any order.
///
/// RINGSCOPE_RESULT_UNKNOWN, RINGSCOPE_RESULT_BAD_HANDLE, RINGSCOPE_RESULT_BAD_ARGUMENT.
///
/// # Safety
/// `name` and the labels' texts end with a zero byte; `labels` has `label_count` of them; `fields` is a struct that says
/// its size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringscope_snapshot_metric(
    snapshot: *const ringscope_snapshot,
    name: *const c_char,
    labels: *const ringscope_label,
    label_count: usize,
    fields: *mut ringscope_metric_fields,
) -> ringscope_result {
    call(|| {
        let taken = ringscope_snapshot::held(snapshot)?;
        // SAFETY: the caller's promise.
        let name = unsafe { text(name, "name")? };
        // SAFETY: the caller's promise.
        let labels = unsafe { self::labels(labels, label_count)? };
        let unknown = |text: String| Failure::new(ringscope_result::Unknown, text);
        let metric = taken.snapshot.metric(name);
        let metric =
            metric.ok_or_else(|| unknown(format!("the snapshot has no metric `{name}`: check the spelling")))?;
        let series = metric.value(&labels);
        let series =
            series.ok_or_else(|| unknown(format!("the metric `{name}` has no series with the labels {labels:?}")))?;
        // SAFETY: the caller's promise.
        unsafe { write(fields, &metric_fields(series)) }
    })
}

fn taken(snapshot: Arc<Snapshot>) -> *mut ringscope_snapshot {
    ringscope_snapshot::open(Taken { snapshot, texts: OnceLock::new(), device_texts: OnceLock::new() })
}

impl Taken {
    fn texts(&self) -> &[KernelTexts] {
        let of = |kernel| KernelTexts::new(kernel, self.snapshot.device_of(kernel));
        self.texts.get_or_init(|| self.snapshot.kernels.iter().map(of).collect())
    }

    fn device_texts(&self) -> &[DeviceTexts] {
        self.device_texts.get_or_init(|| self.snapshot.devices.iter().map(DeviceTexts::new).collect())
    }
}

fn kernel_at(taken: &Taken, index: usize) -> Outcome<&KernelTelemetry> {
    let kernels = &taken.snapshot.kernels;
    let text = || format!("the snapshot has {} kernels, and no index {index}", kernels.len());
    kernels.get(index).ok_or_else(|| Failure::new(ringscope_result::Unknown, text()))
}

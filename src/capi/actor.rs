//! Host actors: what a kernel counts by itself, a host thread counts by call.

use std::ffi::c_char;
use std::time::Duration;

use super::collector::ringscope_collector;
use super::handles::Handle;
use super::result::{Failure, Outcome, call, ringscope_result};
use super::text::text;
use crate::collector::{TelemetryCollector, TelemetryError};

/// Counts for the host actor `id`.
///
/// # Safety
/// `id` is null or ends with a zero byte.
unsafe fn record(
    collector: *const ringscope_collector,
    id: *const c_char,
    count: impl FnOnce(&TelemetryCollector, &str) -> Result<(), TelemetryError>,
) -> Outcome {
    let open = ringscope_collector::held(collector)?;
    // SAFETY: the caller's promise.
    let id = unsafe { text(id, "id")? };
    count(&open.collector, id).map_err(Failure::from)
}

/// Counts a received message for the host actor `id`, which is registered if it is new. Any thread may count for any
/// actor.
///
/// RINGSCOPE_RESULT_REFUSED for a device kernel's id, RINGSCOPE_RESULT_FULL (`max_kernels`), RINGSCOPE_RESULT_BAD_HANDLE,
/// RINGSCOPE_RESULT_BAD_ARGUMENT.
///
/// # Safety
/// `id` ends with a zero byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringscope_record_received(
    collector: *const ringscope_collector,
    id: *const c_char,
) -> ringscope_result {
    // SAFETY: the caller's promise.
    call(|| unsafe { record(collector, id, |collector, id| collector.record_receive(id)) })
}

/// Counts a sent message for the host actor `id`, as `ringscope_record_received` counts a received one.
///
/// # Safety
/// `id` ends with a zero byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringscope_record_sent(
    collector: *const ringscope_collector,
    id: *const c_char,
) -> ringscope_result {
    // SAFETY: the caller's promise.
    call(|| unsafe { record(collector, id, |collector, id| collector.record_send(id)) })
}

/// Counts a message that the host actor `id` handled, and that this took `took_ns` nanoseconds; UINT64_MAX where that is
/// not known. Otherwise as `ringscope_record_received`.
///
/// # Safety
/// `id` ends with a zero byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringscope_record_processed(
    collector: *const ringscope_collector,
    id: *const c_char,
    took_ns: u64,
) -> ringscope_result {
    let took = (took_ns != u64::MAX).then(|| Duration::from_nanos(took_ns));
    // SAFETY: the caller's promise.
    call(|| unsafe { record(collector, id, |collector, id| collector.record_processed(id, took)) })
}

/// Counts a message that the host actor `id` refused, and keeps a copy of the text `error` as its last error. Otherwise
/// as `ringscope_record_received`.
///
/// # Safety
/// `id` and `error` end with a zero byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringscope_record_error(
    collector: *const ringscope_collector,
    id: *const c_char,
    error: *const c_char,
) -> ringscope_result {
    call(|| {
        // SAFETY: the caller's promise.
        let error = unsafe { text(error, "error")? };
        // SAFETY: the caller's promise.
        unsafe { record(collector, id, |collector, id| collector.record_error(id, error)) }
    })
}

//! Snapshots as text: JSON, and pages for Prometheus.

use std::collections::HashMap;
use std::ffi::{CString, c_char};
use std::sync::{LazyLock, Mutex, PoisonError};

use super::fields::put;
use super::handles::Handle;
use super::result::{Failure, Outcome, c_string, call, ringscope_result};
use super::snapshot::ringscope_snapshot;
use crate::snapshot::Snapshot;

/// What a snapshot is written as; all of it is text in UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ringscope_format {
    /// Everything in the snapshot as one JSON document on one line: each kernel with its buckets, each metric.
    Json = 0,
    /// The sums over all kernels as one JSON document on one line.
    JsonSums = 1,
    /// Each metric by its name, as on a page for Prometheus, as one JSON document on one line.
    JsonMetrics = 2,
    /// A page for Prometheus: classic text, version 0.0.4. Its Content-Type is `text/plain; version=0.0.4;
    /// charset=utf-8`.
    Prometheus = 3,
    /// A page of OpenMetrics 1.0 text. Its Content-Type is `application/openmetrics-text; version=1.0.0; charset=utf-8`.
    Openmetrics = 4,
}

/// Writes the snapshot in `format`, a ringscope_format, with a zero byte behind it, into the `capacity` bytes at
/// `buffer`, and puts how many bytes that takes, without the zero byte, at `bytes`; each of the two pointers may be null.
/// Nothing is written to a buffer that is too small, but for a zero byte at its begin; the number of bytes is said then
/// as well. A snapshot does not change, so a second call with one byte more than that succeeds.
///
/// RINGSCOPE_RESULT_TOO_SMALL, RINGSCOPE_RESULT_BAD_HANDLE, RINGSCOPE_RESULT_BAD_ARGUMENT.
///
/// # Safety
/// `buffer` is null or has `capacity` bytes that nobody else uses; `bytes` is null or points to a size_t.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringscope_snapshot_write(
    snapshot: *const ringscope_snapshot,
    format: u32,
    buffer: *mut c_char,
    capacity: usize,
    bytes: *mut usize,
) -> ringscope_result {
    call(|| {
        let written = written(&ringscope_snapshot::held(snapshot)?.snapshot, format)?;
        if !bytes.is_null() {
            // SAFETY: not null, so the caller's promise.
            unsafe { bytes.write_unaligned(written.len()) };
        }
        let fits = !buffer.is_null() && written.len() < capacity;
        let copied = if fits { written.as_bytes() } else { &[] };
        if !buffer.is_null() && capacity > 0 {
            // SAFETY: the buffer has room for what is copied and one byte more.
            unsafe {
                copied.as_ptr().copy_to_nonoverlapping(buffer.cast(), copied.len());
                buffer.add(copied.len()).write(0);
            }
        }
        let text = || format!("the buffer has {capacity} bytes, and needs {}", written.len() + 1);
        if fits { Ok(()) } else { Err(Failure::new(ringscope_result::TooSmall, text())) }
    })
}

/// Writes the snapshot in `format`, a ringscope_format, and puts the text, with a zero byte behind it, at `text`. The
/// text is the caller's, to be freed by `ringscope_string_free` and by nothing else.
///
/// RINGSCOPE_RESULT_BAD_HANDLE, RINGSCOPE_RESULT_BAD_ARGUMENT.
///
/// # Safety
/// `text` points to a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringscope_snapshot_text(
    snapshot: *const ringscope_snapshot,
    format: u32,
    text: *mut *mut c_char,
) -> ringscope_result {
    call(|| {
        let write = || Ok(give(c_string(written(&ringscope_snapshot::held(snapshot)?.snapshot, format)?)));
        // SAFETY: the caller's promise.
        unsafe { put(text, "text", write) }
    })
}

/// Frees a text that the library gave away. Null is no text, and done.
///
/// RINGSCOPE_RESULT_BAD_HANDLE for a text that was freed before, or that the library did not give away.
#[unsafe(no_mangle)]
pub extern "C" fn ringscope_string_free(text: *mut c_char) -> ringscope_result {
    call(|| match text.is_null() || given().remove(&text.addr()).is_some() {
        true => Ok(()),
        false => Err(Failure::new(
            ringscope_result::BadHandle,
            "this text was freed before, or ringscope did not give it: free it where it was made",
        )),
    })
}

/// Texts that were given away, by their addresses.
static GIVEN: LazyLock<Mutex<HashMap<usize, CString>>> = LazyLock::new(Mutex::default);

fn given() -> std::sync::MutexGuard<'static, HashMap<usize, CString>> {
    GIVEN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn give(text: CString) -> *mut c_char {
    let address = text.as_ptr().cast_mut();
    given().insert(address.addr(), text);
    address
}

fn written(snapshot: &Snapshot, format: u32) -> Outcome<String> {
    const JSON: u32 = ringscope_format::Json as u32;
    const JSON_SUMS: u32 = ringscope_format::JsonSums as u32;
    const JSON_METRICS: u32 = ringscope_format::JsonMetrics as u32;
    const PROMETHEUS: u32 = ringscope_format::Prometheus as u32;
    const OPENMETRICS: u32 = ringscope_format::Openmetrics as u32;
    Ok(match format {
        JSON => snapshot.export_json_full()?,
        JSON_SUMS => snapshot.export_json()?,
        JSON_METRICS => snapshot.export_json_metrics(true)?,
        PROMETHEUS => snapshot.export_prometheus(),
        OPENMETRICS => snapshot.export_openmetrics(),
        other => {
            let must = format!("must be a ringscope_format: 0 to {OPENMETRICS}");
            return Err(Failure::argument(format!("`format` is {other}, and {must}")));
        }
    })
}

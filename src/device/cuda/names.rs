//! What a module says of the names of its waypoints, events and spans: the text that `RINGSCOPE_NAMES` leaves in it.

use std::ffi::CStr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::driver::{driver, stream_is_done, wait};
use super::gpu::{Gpu, not_ready};
use crate::device::DeviceError;
use crate::device::source::names_in;

/// telemetry.cuh: the text, with commas between the names.
pub(super) const SYMBOL: &CStr = c"ringscope_names_text";

/// More than all names that a kernel may have.
const MOST_BYTES: usize = 1 << 19;
/// Copying some bytes takes microseconds, unless something on the GPU keeps copies from it.
const LIMIT: Duration = Duration::from_secs(10);

/// Reads the names from the device's memory. It waits for no kernel.
pub(super) fn read(gpu: &Arc<Gpu>, address: u64, bytes: usize) -> Result<Vec<String>, DeviceError> {
    let bytes = bytes.min(MOST_BYTES);
    let here = gpu.mapped(bytes.next_multiple_of(8))?;
    let words = here.host_words().unwrap_or_default();
    let _bound = gpu.bind()?;
    let stream = gpu.take_stream()?;
    // SAFETY: a variable of a loaded module with so many bytes, and as much pinned memory that nobody else uses.
    unsafe { driver!(cuMemcpyDtoHAsync_v2(words.as_ptr().cast_mut().cast(), address, bytes, stream.raw())) }?;
    if !wait(LIMIT, || stream_is_done(&gpu.context, stream.raw()))? {
        // Leaks the memory, and the GPU with it: it may still be written.
        std::mem::forget(here.clone());
        gpu.count_late(true);
        return Err(not_ready("cuMemcpyDtoHAsync_v2", "the GPU copies nothing; load modules before the first launch"));
    }
    gpu.give_back(stream);
    let text: Vec<u8> = words.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).take(bytes).collect();
    Ok(names_in(&String::from_utf8_lossy(&text)))
}

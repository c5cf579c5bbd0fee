//! Memory of a GPU, and of the host as the GPU addresses it. Retired when it is dropped, not freed.

use std::ffi::c_void;
use std::sync::Arc;
use std::time::Duration;

use cudarc::driver::sys;

use super::driver::{allocate, allocate_pinned, driver, refused, stream_is_done, wait};
use super::gpu::{Gpu, Retired, not_ready};
use crate::abi::LINE_BYTES;
use crate::device::{DeviceError, Memory};

/// Zeroing new memory takes microseconds, unless a resident kernel leaves no room for it.
const ZEROING_LIMIT: Duration = Duration::from_secs(10);

impl Gpu {
    /// Zeroed device memory.
    pub fn memory(self: &Arc<Self>, bytes: usize) -> Result<Memory, DeviceError> {
        let _bound = self.bind()?;
        let stream = self.take_stream()?;
        let padded = bytes.max(LINE_BYTES);
        let address = allocate(padded)?;
        let owner = Arc::new(Allocation { gpu: Arc::clone(self), what: Some(Retired::Device(address)) });
        // SAFETY: `padded` bytes of new memory; the stream is alive.
        unsafe { driver!(cuMemsetD8Async(address, 0, padded, stream.raw())) }?;
        if !wait(ZEROING_LIMIT, || stream_is_done(&self.context, stream.raw()))? {
            // Leaks the memory, and the GPU with it: it is still being written.
            std::mem::forget(owner);
            self.count_late(true);
            return Err(not_ready(
                "cuMemsetD8Async",
                "a resident kernel leaves no room; allocate before the first launch",
            ));
        }
        self.give_back(stream);
        // SAFETY: the allocation is `bytes` long at least, and freed after the owner.
        Ok(unsafe { Memory::new(address, None, bytes, owner) })
    }

    /// Zeroed pinned memory that kernels address as well. Not write-combined: the host reads it.
    pub fn mapped(self: &Arc<Self>, bytes: usize) -> Result<Memory, DeviceError> {
        let _bound = self.bind()?;
        let flags = sys::CU_MEMHOSTALLOC_PORTABLE | sys::CU_MEMHOSTALLOC_DEVICEMAP;
        let pointer = allocate_pinned(bytes.max(LINE_BYTES), flags, refused!("ring memory", "cuMemHostAlloc"))?;
        let owner = Arc::new(Allocation { gpu: Arc::clone(self), what: Some(Retired::Pinned(pointer)) });
        let mut address = 0;
        // SAFETY: a place for the answer; the memory was allocated for mapping.
        unsafe { driver!(cuMemHostGetDevicePointer_v2(&mut address, pointer.as_ptr().cast::<c_void>(), 0)) }?;
        // SAFETY: `bytes` at least, page-aligned, the same bytes at both addresses, freed after the owner.
        Ok(unsafe { Memory::new(address, Some(pointer), bytes, owner) })
    }
}

/// Retires what it owns when the last reference goes.
struct Allocation {
    gpu: Arc<Gpu>,
    what: Option<Retired>,
}
// SAFETY: the addresses in it are only passed on to be freed.
unsafe impl Sync for Allocation {}

impl Drop for Allocation {
    fn drop(&mut self) {
        if let Some(what) = self.what.take() {
            self.gpu.retire(what);
        }
    }
}

//! Copies messages to a ring in device memory, and posts them, in a stream of its own.
//!
//! What is in a stream is done in its order, and a word written by it is preceded by a fence of the system unless one says
//! otherwise: so a kernel that acquires the word finds what was copied before. Kernels are not waited for: no kernel is in
//! the stream.

use std::ffi::c_int;
use std::sync::Arc;
use std::time::Duration;

use cudarc::driver::sys;

use super::driver::{Event, Stream, check, driver, optional, stream_is_done, wait};
use super::gpu::Gpu;
use crate::device::{DeviceError, Feeder, Memory, Staged};

/// Feedings from one mark to the next; no more than twice as many are on their way. The driver's queue takes some 1,000
/// entries, of which each is at most three, and a call that finds it full waits until the device has taken some.
const MARK_EVERY: u32 = 64;
/// How long what is on its way is waited for when the feeder is dropped: it takes microseconds.
const DROP_LIMIT: Duration = Duration::from_millis(100);

type WriteValue64 = unsafe extern "C" fn(sys::CUstream, sys::CUdeviceptr, u64, u32) -> sys::CUresult;
const WRITE_VALUE_64: &str = "cuStreamWriteValue64_v2";

pub(super) struct CudaFeeder {
    gpu: Arc<Gpu>,
    write: WriteValue64,
    staging: Memory,
    ring: Memory,
    /// Until it is dropped.
    stream: Option<Stream>,
    event: Event,
    /// Whether the event was recorded, and was not found done yet.
    is_marked: bool,
    /// Feedings behind the mark.
    behind: u32,
}

impl std::fmt::Debug for CudaFeeder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CudaFeeder")
    }
}

impl CudaFeeder {
    pub fn new(gpu: &Arc<Gpu>, staging: &Memory, ring: &Memory) -> Result<Self, DeviceError> {
        let _bound = gpu.bind()?;
        let write = write_value(gpu)?;
        Ok(CudaFeeder {
            write,
            staging: staging.clone(),
            ring: ring.clone(),
            stream: Some(Stream::urgent(&gpu.context)?),
            event: Event::new(&gpu.context)?,
            is_marked: false,
            behind: 0,
            gpu: Arc::clone(gpu),
        })
    }

    fn raw(&self) -> sys::CUstream {
        self.stream.as_ref().map_or(std::ptr::null_mut(), Stream::raw)
    }

    fn copy(&self, piece: &Staged) -> Result<(), DeviceError> {
        let extent = piece.rows.saturating_sub(1) * piece.pitch + piece.bytes;
        assert!(piece.to + extent <= self.ring.bytes(), "{piece:?} of {} bytes", self.ring.bytes());
        let from = self.staging.span(piece.from, extent).as_ptr();
        let to = self.ring.device_address() + piece.to as u64;
        if piece.rows == 1 {
            // SAFETY: in bounds of both, checked above; both live until the copy is done (see Drop). The sender leaves what it
            // staged alone until a block says that it was consumed.
            return unsafe { driver!(cuMemcpyHtoDAsync_v2(to, from.cast(), piece.bytes, self.raw())) };
        }
        let rows = sys::CUDA_MEMCPY2D {
            srcXInBytes: 0,
            srcY: 0,
            srcMemoryType: sys::CUmemorytype::CU_MEMORYTYPE_HOST,
            srcHost: from.cast(),
            srcDevice: 0,
            srcArray: std::ptr::null_mut(),
            srcPitch: piece.pitch,
            dstXInBytes: 0,
            dstY: 0,
            dstMemoryType: sys::CUmemorytype::CU_MEMORYTYPE_DEVICE,
            dstHost: std::ptr::null_mut(),
            dstDevice: to,
            dstArray: std::ptr::null_mut(),
            dstPitch: piece.pitch,
            WidthInBytes: piece.bytes,
            Height: piece.rows,
        };
        // SAFETY: as above.
        unsafe { driver!(cuMemcpy2DAsync_v2(&rows, self.raw())) }
    }

    /// Notes that something more is on its way. The context is current.
    fn count(&mut self) -> Result<(), DeviceError> {
        self.behind += 1;
        if self.behind >= MARK_EVERY && self.passed()? {
            let Some(stream) = &self.stream else { return Ok(()) };
            self.event.record(stream)?;
            (self.is_marked, self.behind) = (true, 0);
        }
        Ok(())
    }

    /// Whether all before the last mark is done. The context is current.
    fn passed(&mut self) -> Result<bool, DeviceError> {
        if self.is_marked {
            self.is_marked = !self.event.is_done()?;
        }
        Ok(!self.is_marked)
    }
}

/// The driver's function, where the GPU can do what it is for. The context is current.
fn write_value(gpu: &Gpu) -> Result<WriteValue64, DeviceError> {
    // CU_DEVICE_ATTRIBUTE_CAN_USE_64_BIT_STREAM_MEM_OPS. By its number, as CUDA 11.7 and later have it: before, the name was of
    // another one.
    const CAN_WRITE: c_int = 122;
    type Ask = unsafe extern "C" fn(*mut c_int, c_int, sys::CUdevice) -> sys::CUresult;
    let mut can = 0;
    if let Some(ask) = optional::<Ask>(c"cuDeviceGetAttribute") {
        // SAFETY: a place for the answer.
        check("cuDeviceGetAttribute", unsafe { ask(&mut can, CAN_WRITE, gpu.context.cu_device()) })?;
    }
    let write = optional::<WriteValue64>(c"cuStreamWriteValue64_v2").filter(|_| can != 0);
    write.ok_or_else(|| DeviceError::Unsupported {
        device: "this GPU with its driver",
        what: "a ring of messages in device memory, which needs words that are written in the order of a stream (CAN_USE_64_BIT_STREAM_MEM_OPS)".to_owned(),
        remedy: "use InputRing::Mapped, or update the driver",
    })
}

impl Feeder for CudaFeeder {
    fn has_room(&mut self) -> bool {
        if self.behind < MARK_EVERY {
            return true;
        }
        // What cannot be asked is dead: who feeds it is told of what.
        let gpu = Arc::clone(&self.gpu);
        gpu.bind().and_then(|_bound| self.passed()).unwrap_or(true)
    }

    fn feed(&mut self, pieces: &[Staged], at: usize, word: u64) -> Result<(), DeviceError> {
        assert!(at.is_multiple_of(8) && at + 8 <= self.ring.bytes(), "a word at byte {at}");
        let gpu = Arc::clone(&self.gpu);
        let _bound = gpu.bind()?;
        pieces.iter().try_for_each(|piece| self.copy(piece))?;
        // Without a flag: a fence of the system comes before the word.
        const DEFAULT: u32 = 0;
        let to = self.ring.device_address() + at as u64;
        // SAFETY: a word of the ring's memory, which lives until it is written (see Drop); blocks alone read it.
        check(WRITE_VALUE_64, unsafe { (self.write)(self.raw(), to, word, DEFAULT) })?;
        self.count()
    }

    fn settle(&mut self, limit: Duration) -> Result<bool, DeviceError> {
        wait(limit, || stream_is_done(&self.gpu.context, self.raw()))
    }
}

impl Drop for CudaFeeder {
    fn drop(&mut self) {
        // What says twice that it failed is dead, and its copies with it.
        let mut settled = || self.settle(DROP_LIMIT);
        let is_done = settled().or_else(|_| settled()).unwrap_or(true);
        if let Some(stream) = self.stream.take()
            && !is_done
        {
            // Its memory is used until it is.
            self.gpu.outlive(stream, vec![self.staging.clone(), self.ring.clone()]);
        }
    }
}

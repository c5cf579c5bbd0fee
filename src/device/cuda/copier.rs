//! Copies the slab into pinned memory, on a stream of its own, while kernels write it.
//!
//! Two buffers. One holds the last copy that ended, and readers look at it; the other takes the next. They
//! change places when a copy has ended, and not before: a copy that does not end leaves the last good one
//! as it is, and its own buffer alone.

use std::mem::ManuallyDrop;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cudarc::driver::sys;

use super::driver::{Event, Stream, allocate_pinned, driver, refused, stream_is_done, wait};
use super::gpu::{Gpu, Retired};
use super::pieces::{Piece, pieces};
use crate::abi::LINE_BYTES;
use crate::device::{Copier, DeviceError, Internal, Memory};

pub(super) struct CudaCopier {
    parts: ManuallyDrop<Parts>,
}

struct Parts {
    source: Memory,
    stream: Stream,
    /// The last copy that ended.
    good: Buffer,
    /// The next one.
    next: Buffer,
    /// Whether the GPU was told of a copy that did not end in time.
    late: bool,
    gpu: Arc<Gpu>,
}

struct Buffer {
    gpu: Arc<Gpu>,
    pointer: NonNull<u8>,
    event: Event,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nobody writes it.
    Idle,
    /// The device writes it until the event.
    Busy,
    /// The device may write it until its stream is done: the event was not recorded.
    Unmarked,
}
// SAFETY: the pinned memory is only reached through the copier, and by the device under the event.
unsafe impl Send for Buffer {}

impl Buffer {
    fn new(gpu: &Arc<Gpu>, bytes: usize) -> Result<Self, DeviceError> {
        let event = Event::new(&gpu.context)?;
        let pointer = allocate_pinned(bytes.max(LINE_BYTES), 0, refused!("a copy of the slab", "cuMemHostAlloc"))?;
        Ok(Buffer { gpu: Arc::clone(gpu), pointer, event, state: State::Idle })
    }

    /// Waits until the device has let go of it. The context is current.
    fn settle(&mut self, stream: &Stream, limit: Duration) -> Result<bool, DeviceError> {
        let done = match self.state {
            State::Idle => true,
            State::Busy => wait(limit, || self.event.is_done())?,
            State::Unmarked => wait(limit, || stream_is_done(&self.gpu.context, stream.raw()))?,
        };
        if done {
            self.state = State::Idle;
        }
        Ok(done)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.gpu.retire(Retired::Pinned(self.pointer));
    }
}

impl CudaCopier {
    pub fn new(gpu: &Arc<Gpu>, source: &Memory) -> Result<Self, DeviceError> {
        let _bound = gpu.bind()?;
        let parts = Parts {
            stream: Stream::urgent(&gpu.context)?,
            good: Buffer::new(gpu, source.bytes())?,
            next: Buffer::new(gpu, source.bytes())?,
            late: false,
            source: source.clone(),
            gpu: Arc::clone(gpu),
        };
        Ok(CudaCopier { parts: ManuallyDrop::new(parts) })
    }
}

impl Parts {
    /// Waits for the copy that is under way, if one is.
    fn settle(&mut self, limit: Duration) -> Result<bool, DeviceError> {
        let done = self.next.settle(&self.stream, limit);
        // Of a copy that died with its context nothing is to be waited for.
        let late = matches!(done, Ok(false));
        if late != self.late {
            self.late = late;
            self.gpu.count_late(late);
        }
        done
    }

    fn enqueue(&mut self, ranges: &[Range<usize>]) -> Result<(), DeviceError> {
        let queued = pieces(ranges).into_iter().try_for_each(|piece| self.enqueue_piece(piece));
        self.mark(queued)
    }

    fn enqueue_piece(&mut self, piece: Piece) -> Result<(), DeviceError> {
        let source = self.source.device_address() + piece.start as u64;
        // SAFETY: every row is a range in bounds of both, which are equally long (checked by the caller); the device alone
        // writes the buffer until its event, and both live as long as the copy (see Drop).
        unsafe {
            let to = self.next.pointer.as_ptr().add(piece.start);
            if piece.rows == 1 {
                return driver!(cuMemcpyDtoHAsync_v2(to.cast(), source, piece.bytes, self.stream.raw()));
            }
            let rows = sys::CUDA_MEMCPY2D {
                srcXInBytes: 0,
                srcY: 0,
                srcMemoryType: sys::CUmemorytype::CU_MEMORYTYPE_DEVICE,
                srcHost: std::ptr::null(),
                srcDevice: source,
                srcArray: std::ptr::null_mut(),
                srcPitch: piece.pitch,
                dstXInBytes: 0,
                dstY: 0,
                dstMemoryType: sys::CUmemorytype::CU_MEMORYTYPE_HOST,
                dstHost: to.cast(),
                dstDevice: 0,
                dstArray: std::ptr::null_mut(),
                dstPitch: piece.pitch,
                WidthInBytes: piece.bytes,
                Height: piece.rows,
            };
            driver!(cuMemcpy2DAsync_v2(&rows, self.stream.raw()))
        }
    }

    /// By way of the buffer that takes the next copy, which is idle.
    fn enqueue_upload(&mut self, at: usize, words: &[u64]) -> Result<(), DeviceError> {
        let target = self.source.device_address() + at as u64;
        // SAFETY: in bounds of both, which are equally long (checked by the caller); nobody else uses the buffer, and the
        // device reads it until its event; both live as long as the copy (see Drop).
        let queued = unsafe {
            let staged = self.next.pointer.as_ptr().add(at);
            std::ptr::copy_nonoverlapping(words.as_ptr().cast(), staged, words.len() * 8);
            driver!(cuMemcpyHtoDAsync_v2(target, staged.cast(), words.len() * 8, self.stream.raw()))
        };
        self.mark(queued)
    }

    /// Marks the end of what was queued; also after an error: some of it may be on its way.
    fn mark(&mut self, queued: Result<(), DeviceError>) -> Result<(), DeviceError> {
        let marked = self.next.event.record(&self.stream);
        self.next.state = if marked.is_ok() { State::Busy } else { State::Unmarked };
        queued.and(marked)
    }
}

fn check_ranges(ranges: &[Range<usize>], bytes: usize) -> Result<(), DeviceError> {
    let fits =
        |r: &Range<usize>| r.start <= r.end && r.end <= bytes && r.start.is_multiple_of(8) && r.end.is_multiple_of(8);
    match ranges.iter().find(|r| !fits(r)) {
        None => Ok(()),
        Some(wrong) => Err(DeviceError::Call {
            call: "cuMemcpyDtoHAsync",
            code: sys::CUresult::CUDA_ERROR_INVALID_VALUE as i32,
            name: "CUDA_ERROR_INVALID_VALUE".to_owned(),
            message: format!("bytes {wrong:?} are not whole words of the {bytes} there are"),
        }),
    }
}

impl std::fmt::Debug for CudaCopier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CudaCopier")
    }
}

impl Copier for CudaCopier {
    fn copy(&mut self, ranges: &[Range<usize>], limit: Duration) -> Result<(), DeviceError> {
        check_ranges(ranges, self.parts.source.bytes())?;
        let start = Instant::now();
        let parts = &mut *self.parts;
        let gpu = Arc::clone(&parts.gpu);
        let _bound = gpu.bind()?;
        // A copy that timed out before comes first: it is first in the stream, too.
        if !parts.settle(limit)? {
            return Err(DeviceError::CopyTimedOut { waited: limit });
        }
        parts.enqueue(ranges)?;
        if !parts.settle(limit.saturating_sub(start.elapsed()))? {
            return Err(DeviceError::CopyTimedOut { waited: limit });
        }
        std::mem::swap(&mut parts.good, &mut parts.next);
        Ok(())
    }

    fn upload(&mut self, _: Internal, at: usize, words: &[u64], limit: Duration) -> Result<(), DeviceError> {
        check_ranges(std::slice::from_ref(&(at..at + words.len() * 8)), self.parts.source.bytes())?;
        let start = Instant::now();
        let parts = &mut *self.parts;
        let gpu = Arc::clone(&parts.gpu);
        let _bound = gpu.bind()?;
        if !parts.settle(limit)? {
            return Err(DeviceError::CopyTimedOut { waited: limit });
        }
        parts.enqueue_upload(at, words)?;
        match parts.settle(limit.saturating_sub(start.elapsed()))? {
            true => Ok(()),
            false => Err(DeviceError::CopyTimedOut { waited: limit }),
        }
    }

    fn words(&self) -> &[u64] {
        let words = self.parts.source.bytes() / 8;
        // SAFETY: page-aligned, as long as the source, initialized by the host when it was allocated; no
        // copy into it is under way, and none starts while `self` is borrowed.
        unsafe { std::slice::from_raw_parts(self.parts.good.pointer.as_ptr().cast::<u64>(), words) }
    }

    fn batch_bytes(&self) -> usize {
        // What a link of 25 to 50 GB/s moves in the microsecond or two that starting a copy takes.
        64 * 1024
    }
}

impl Drop for CudaCopier {
    fn drop(&mut self) {
        // What says twice that it failed is dead, and its copies with it.
        let gpu = Arc::clone(&self.parts.gpu);
        let mut settled = || gpu.bind().and_then(|_bound| self.parts.settle(Duration::ZERO));
        if settled().or_else(|_| settled()).unwrap_or(true) {
            // SAFETY: dropped once, here.
            unsafe { ManuallyDrop::drop(&mut self.parts) }
        }
        // Else the device may still write the buffer: it and the source are leaked, and the GPU frees nothing more.
    }
}

#[cfg(test)]
mod tests {
    use super::check_ranges;

    #[test]
    fn ranges_are_words_of_the_source() {
        assert_eq!(check_ranges(&[0..128, 64..72, 16..16], 128), Ok(()));
        for wrong in [0..136, 4..16, 8..12, 128..136] {
            let error = check_ranges(std::slice::from_ref(&wrong), 128).unwrap_err().to_string();
            assert!(error.contains(&format!("{wrong:?}")), "{error}");
        }
    }
}

//! A piece of memory with its address on the device, alive as long as anything refers to it.

use std::any::Any;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
#[cfg(feature = "host")]
use std::sync::atomic::Ordering;

/// Memory that a device owns or addresses. Clones share it; the last one frees it.
#[derive(Clone)]
pub struct Memory {
    device: u64,
    host: Option<HostPointer>,
    bytes: usize,
    _owner: Arc<dyn Any + Send + Sync>,
}

// Its words are of others, whatever happens here: no panic leaves it half changed.
impl std::panic::UnwindSafe for Memory {}
impl std::panic::RefUnwindSafe for Memory {}

#[derive(Clone, Copy)]
struct HostPointer(NonNull<u8>);
// SAFETY: the pointer is only dereferenced by `Memory`, through atomics or under a ring's protocol, and
// points to memory that the owner keeps alive; nothing of it is bound to a thread.
unsafe impl Send for HostPointer {}
// SAFETY: as above.
unsafe impl Sync for HostPointer {}

impl Memory {
    /// # Safety
    /// `device` is the address under which kernels reach these `bytes`; `host`, where given, points to the
    /// same bytes, 128-byte aligned, readable and writable; both stay valid while `owner` lives.
    #[cfg(any(feature = "cuda", feature = "host"))]
    pub(super) unsafe fn new(
        device: u64,
        host: Option<NonNull<u8>>,
        bytes: usize,
        owner: Arc<dyn Any + Send + Sync>,
    ) -> Self {
        Memory { device, host: host.map(HostPointer), bytes, _owner: owner }
    }

    /// Returns the address under which kernels reach it.
    pub fn device_address(&self) -> u64 {
        self.device
    }

    /// Returns it as words, where the host addresses it: memory of
    /// [`allocate_mapped`](super::Device::allocate_mapped), and all of the host device's. Each word is read and written
    /// whole; what a kernel writes beside is seen in no certain order until the kernel has ended or has replied.
    pub fn host_words(&self) -> Option<&[AtomicU64]> {
        let host = self.host?.0;
        // SAFETY: `bytes` of it are readable and writable, aligned (see `new`) and alive as long as self; other accesses
        // are atomic, or a kernel's, whose author synchronizes by the replies.
        Some(unsafe { std::slice::from_raw_parts(host.as_ptr().cast(), self.bytes / 8) })
    }

    /// The same memory for someone who only keeps it: without the host's address.
    pub(crate) fn opaque(mut self) -> Self {
        self.host = None;
        self
    }

    /// Returns its size in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The word at byte offset `at`, for the host.
    ///
    /// # Panics
    /// If the host does not address this memory, or `at` is outside of it or not aligned: a bug in this folder.
    pub(super) fn word(&self, at: usize) -> &AtomicU64 {
        let host = self.host.expect("memory that the host addresses").0;
        assert!(at.is_multiple_of(8) && at + 8 <= self.bytes, "word at byte {at} of {}", self.bytes);
        // SAFETY: in bounds and aligned (checked above; the base is 128-byte aligned), alive as long as
        // self, and every access to such a word, on either side, is atomic.
        unsafe { AtomicU64::from_ptr(host.as_ptr().add(at).cast()) }
    }

    /// The address of `len` bytes at `at`, for the host.
    ///
    /// # Panics
    /// As [`Memory::word`].
    pub(super) fn span(&self, at: usize, len: usize) -> NonNull<u8> {
        let host = self.host.expect("memory that the host addresses").0;
        assert!(at <= self.bytes && len <= self.bytes - at, "{len} bytes at byte {at} of {}", self.bytes);
        // SAFETY: in bounds of one allocation, checked above.
        unsafe { host.add(at) }
    }

    /// Has the processor fetch bytes that are about to be read, where it can be told to.
    pub(super) fn prefetch(&self, at: usize, len: usize) {
        let from = self.span(at, len).as_ptr();
        #[cfg(target_arch = "x86_64")]
        (0..len).step_by(64).for_each(|line| {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: in bounds by span; nothing is read.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(from.add(line).cast()) }
        });
        #[cfg(not(target_arch = "x86_64"))]
        let _ = from;
    }

    /// Copies words one after the other, each of them whole.
    #[cfg(feature = "host")]
    pub(super) fn load_words(&self, at: usize, to: &mut [u64]) {
        let from = self.span(at, to.len() * 8).as_ptr().cast::<u64>();
        assert!(at.is_multiple_of(8), "words at byte {at}");
        for (i, word) in to.iter_mut().enumerate() {
            // Acquire: who sees a count finds what the host device's blocks wrote before it in the words behind.
            // SAFETY: in bounds (span) and aligned (above); all accesses to it are atomic.
            *word = unsafe { AtomicU64::from_ptr(from.add(i)) }.load(Ordering::Acquire);
        }
    }
}

/// The same memory, not the same content.
impl PartialEq for Memory {
    fn eq(&self, other: &Self) -> bool {
        (self.device, self.bytes) == (other.device, other.bytes) && Arc::ptr_eq(&self._owner, &other._owner)
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Memory({} bytes at {:#x})", self.bytes, self.device)
    }
}

//! Where records lie in a trace: one line of time for each host thread, device, multiprocessor and block.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A line of time. Tracks compare by what they are of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Track {
    /// The host's process.
    Process,
    /// A thread of it.
    Thread(Arc<ThreadTrack>),
    /// A device.
    Device(Arc<DeviceTrack>),
    /// A multiprocessor of a device.
    Sm(Arc<SmTrack>),
    /// A block of a kernel, or one role of a block.
    Block(Arc<BlockTrack>),
}

/// A host thread.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct ThreadTrack {
    /// The operating system's number of it; where that is not known, a number of its own.
    pub id: u64,
    /// Its name; empty if it has none.
    pub name: String,
}

/// A device.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct DeviceTrack {
    /// Its index.
    pub ordinal: u32,
    /// The vendor's name.
    pub name: String,
}

/// A multiprocessor.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct SmTrack {
    /// Whose it is.
    pub device: Arc<DeviceTrack>,
    /// Its number, as blocks on it read it.
    pub sm: u32,
}

/// A block of a kernel, or one role of a block.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct BlockTrack {
    /// The multiprocessor that it is resident on.
    pub sm: Arc<SmTrack>,
    /// The kernel's id.
    pub kernel: Arc<str>,
    /// The block's index in the kernel.
    pub block: u32,
    /// Which role of the block writes it; 0 where a block has only one.
    pub role: u32,
}

impl ThreadTrack {
    /// Makes the track of a thread.
    pub fn new(id: u64, name: impl Into<String>) -> Self {
        ThreadTrack { id, name: name.into() }
    }
}

impl DeviceTrack {
    /// Makes the track of a device.
    pub fn new(ordinal: u32, name: impl Into<String>) -> Self {
        DeviceTrack { ordinal, name: name.into() }
    }
}

impl SmTrack {
    /// The number of one that is not known: its blocks did not say where they are.
    pub const UNKNOWN: u32 = u32::MAX;

    /// Makes the track of a multiprocessor.
    pub fn new(device: Arc<DeviceTrack>, sm: u32) -> Self {
        SmTrack { device, sm }
    }
}

impl BlockTrack {
    /// Makes the track of a block, or of one role of it.
    pub fn new(sm: Arc<SmTrack>, kernel: impl Into<Arc<str>>, block: u32, role: u32) -> Self {
        BlockTrack { sm, kernel: kernel.into(), block, role }
    }
}

impl Track {
    /// Returns the track of the calling thread.
    pub fn current_thread() -> Self {
        thread_local! {
            static OWN: Arc<ThreadTrack> = Arc::new(this_thread());
        }
        // A thread that ends has given its own away.
        Track::Thread(OWN.try_with(Arc::clone).unwrap_or_else(|_| Arc::new(this_thread())))
    }

    /// Returns the device that it belongs to; `None` for the host's.
    pub fn device(&self) -> Option<&Arc<DeviceTrack>> {
        match self {
            Track::Process | Track::Thread(_) => None,
            Track::Device(device) => Some(device),
            Track::Sm(sm) => Some(&sm.device),
            Track::Block(block) => Some(&block.sm.device),
        }
    }
}

fn this_thread() -> ThreadTrack {
    ThreadTrack::new(thread_id(), std::thread::current().name().unwrap_or_default())
}

/// The kernel's number of this thread, which Linux has as the name of a link: `<pid>/task/<tid>`.
fn thread_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1 << 31);
    let link = std::fs::read_link("/proc/thread-self").ok();
    let known = link.as_deref().and_then(|path| path.file_name()?.to_str()?.parse().ok());
    // Above every number that an operating system gives.
    known.unwrap_or_else(|| NEXT.fetch_add(1, Ordering::Relaxed))
}

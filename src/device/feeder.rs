//! What brings the messages of a ring in device memory there, and the two words that the host posts behind them.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::DeviceError;
use super::ring_shape::{POSTED_COMMAND, POSTED_TAIL};

/// Rows of the staging memory, and where they go in that of the ring. All of it in bytes.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Staged {
    pub(super) from: usize,
    pub(super) to: usize,
    /// Of each row.
    pub(super) bytes: usize,
    /// From the start of a row to that of the next, on both sides.
    pub(super) pitch: usize,
    pub(super) rows: usize,
}

/// Copies what the host has staged in mapped memory to a ring in device memory, in the order in which it is told, while kernels
/// read that. For this crate alone.
#[doc(hidden)]
pub trait Feeder: Send + fmt::Debug {
    /// Returns whether so little is on its way that more can be fed without waiting for the device.
    fn has_room(&mut self) -> bool;

    /// Copies `pieces`, and then stores a word at byte `at` of the ring's memory: a block that acquires the word finds what was
    /// copied before. Waits for nothing. After an error some of it may have been done; it may be done again.
    ///
    /// # Errors
    /// The failed call.
    fn feed(&mut self, pieces: &[Staged], at: usize, word: u64) -> Result<(), DeviceError>;

    /// Waits, at most `limit`, until all that was fed is there; whether it is.
    ///
    /// # Errors
    /// The failed call.
    fn settle(&mut self, limit: Duration) -> Result<bool, DeviceError>;
}

/// The feeder of one ring: its sender and who asks its blocks the time have it in common.
#[derive(Debug)]
pub(crate) struct Feed {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    feeder: Box<dyn Feeder>,
    /// Why messages or a command did not get there.
    failed: Option<DeviceError>,
}

impl Feed {
    pub(super) fn new(feeder: Box<dyn Feeder>) -> Self {
        Feed { state: Mutex::new(State { feeder, failed: None }) }
    }

    pub(super) fn has_room(&self) -> bool {
        self.lock().feeder.has_room()
    }

    /// Brings these messages there, and then says how many there are; whether that could be done. If not, it is known to
    /// [`failed`](Self::failed).
    pub(super) fn messages(&self, pieces: &[Staged], tail: u64) -> bool {
        self.must(pieces, POSTED_TAIL, tail)
    }

    /// Posts a command behind the messages; whether that could be done, as [`messages`](Self::messages).
    pub(super) fn command(&self, word: u64) -> bool {
        self.must(&[], POSTED_COMMAND, word)
    }

    /// Posts a command that is no harm if it is lost, unless much is on its way; whether that could be done.
    pub(super) fn question(&self, word: u64) -> bool {
        let feeder = &mut self.lock().feeder;
        feeder.has_room() && feeder.feed(&[], POSTED_COMMAND, word).is_ok()
    }

    fn must(&self, pieces: &[Staged], at: usize, word: u64) -> bool {
        let mut state = self.lock();
        let State { feeder, failed } = &mut *state;
        let first = feeder.feed(pieces, at, word);
        // A second try, for an error that is said once: an earlier piece of work's, of which the driver tells here.
        let fed = first.or_else(|_| feeder.feed(pieces, at, word));
        match fed {
            Ok(()) => true,
            Err(error) => {
                failed.get_or_insert(error);
                false
            }
        }
    }

    /// Why messages or a command did not get there, if some did not: the kernel will never hear of them.
    pub(crate) fn failed(&self) -> Option<DeviceError> {
        self.lock().failed.clone()
    }

    /// Makes both words zero, for another kernel: none runs on the ring.
    pub(super) fn clear(&self, limit: Duration) -> Result<(), DeviceError> {
        let mut state = self.lock();
        let State { feeder, failed } = &mut *state;
        for word in [POSTED_TAIL, POSTED_COMMAND] {
            feeder.feed(&[], word, 0).or_else(|_| feeder.feed(&[], word, 0))?;
        }
        // The kernel is launched in another stream: it would find the last one's command to stop.
        if !feeder.settle(limit)? {
            return Err(DeviceError::CopyTimedOut { waited: limit });
        }
        *failed = None;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

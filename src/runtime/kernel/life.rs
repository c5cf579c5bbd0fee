//! The life of a kernel: commands, and what became of its launch.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use super::handle::RingKernel;
use crate::collector::{Life, TelemetryCollector};
use crate::device::{Command, DeviceError, RingPlace};
use crate::runtime::error::RuntimeError;
use crate::runtime::limit::RunLimit;
use crate::runtime::wait;
use crate::snapshot::KernelState;

/// How many vain looks at a ring there are to one at the launch: asking a device costs more than looking at memory.
const LOOKS_PER_QUERY: u32 = 64;

impl RingKernel {
    pub(in crate::runtime) fn activate(&self) -> Result<(), RuntimeError> {
        use KernelState::{Active, Deactivated, Launched};
        self.change(&[Launched, Active, Deactivated], Active, "activated", Command::Run)
    }

    pub(in crate::runtime) fn deactivate(&self) -> Result<(), RuntimeError> {
        use KernelState::{Active, Deactivated};
        self.change(&[Active, Deactivated], Deactivated, "deactivated", Command::Hold)
    }

    fn change(
        &self,
        from: &[KernelState],
        to: KernelState,
        wanted: &'static str,
        command: Command,
    ) -> Result<(), RuntimeError> {
        let mut producer = self.producer();
        let state = self.state();
        if !from.contains(&state) {
            return Err(RuntimeError::BadTransition { id: self.id().to_owned(), state, wanted });
        }
        if state != to {
            // The state first: a kernel that has ended is one that was told to only if its state says so by then.
            self.set_state(to);
            producer.command(command);
        }
        Ok(())
    }

    /// Tells it to stop, and does not wait.
    pub(in crate::runtime) fn tell_to_stop(&self) {
        use KernelState::{Active, Deactivated, Launched, Terminating};
        // Of a kernel that is past that already there is nothing to say.
        let _ = self.change(&[Launched, Active, Deactivated], Terminating, "terminated", Command::Stop);
    }

    /// Tells it to stop, and waits for its end; says what it died of, if it failed.
    pub(in crate::runtime) fn terminate(&self, limit: &mut RunLimit) -> Result<(), RuntimeError> {
        // An error that is said once is not its end: it is waited for all the same. A dead context says it again.
        let mut said = self.note_end_before_stop();
        self.tell_to_stop();
        let ended = wait::blocking(limit, || match self.shared.launch.ended() {
            Err(error) if said.is_none() => {
                said = Some(error);
                Ok(None)
            }
            other => other.map(|ended| ended.then_some(())),
        });
        if matches!(ended, Ok(None)) {
            return Err(RuntimeError::StopTimedOut { id: self.id().to_owned(), waited: limit.whole() });
        }
        self.note_end();
        ended.map_err(|error| self.death(error))?;
        // What it was found failed of before is returned to the caller that ends it, too.
        said.map(|error| self.death(error)).or_else(|| self.died_of()).map_or(Ok(()), Err)
    }

    /// Notices the end of a kernel that has returned by itself, which a command to stop would hide; what the device says
    /// instead.
    pub(in crate::runtime) fn note_end_before_stop(&self) -> Option<DeviceError> {
        match self.ended() {
            Ok(true) => self.note_end(),
            Ok(false) => {}
            Err(error) => return Some(error),
        }
        None
    }

    /// Brings the state up to what became of the launch.
    pub(in crate::runtime) fn note_end(&self) {
        if !self.state().has_ended() {
            self.note_state();
        }
        if self.state().has_ended() && self.shared.left.get().is_none() && self.shared.launch.has_left() {
            self.collector().into_iter().for_each(|(collector, life)| collector.set_left(life));
            // The last: who sees it finds that the collector was told.
            self.shared.left.get_or_init(Instant::now);
        }
    }

    /// Whether it was seen that none of its blocks runs any more.
    pub(in crate::runtime) fn has_left(&self) -> bool {
        self.left_at().is_some()
    }

    /// When that was.
    pub(in crate::runtime) fn left_at(&self) -> Option<Instant> {
        self.shared.left.get().copied()
    }

    /// Whether it has left, and its rings are still its own.
    pub(in crate::runtime) fn has_spare_rings(&self) -> bool {
        self.has_left() && self.shared.place.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Gives its rings to another, once, after it has left. Replies that were not received yet are kept for who has a handle.
    pub(in crate::runtime) fn leave(&self) -> Option<RingPlace> {
        self.left_at()?;
        // With the lock of who commands: nobody does any more who has begun to.
        let _producer = self.producer();
        self.inbox().leave();
        self.shared.place.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn note_state(&self) {
        use KernelState::{Failed, Terminated, Terminating};
        let ended = self.ended();
        // Under the lock of the state, and with the state after the end: who was told to stop has not failed.
        let mut producer = self.producer();
        let failed = match (ended, self.state()) {
            (Ok(false), _) | (_, Terminated | Failed) => None,
            (Ok(true), Terminating) => {
                self.set_state(Terminated);
                None
            }
            // A ring kernel ends when it is told to; one that ended by itself has failed.
            (Ok(true), _) => Some(RuntimeError::Returned { id: self.id().to_owned() }),
            (Err(error), _) => Some(self.death(error)),
        };
        let Some(error) = failed else { return };
        let died_of = self.shared.died_of.get_or_init(|| error);
        self.shared.state.store(Failed as u8, Ordering::Release);
        // Some of its blocks may live on, one having trapped or a query having failed: the word costs nothing.
        producer.command(Command::Stop);
        // Without the lock: whoever hears of it may send, or ask for its counts.
        drop(producer);
        if let Some((collector, life)) = self.collector() {
            collector.set_failed(life, &died_of.to_string());
        }
    }

    /// Whether the launch is known to have ended; asked after a look at a ring was in vain. Of a kernel that should
    /// be running the device is asked once in a while.
    pub(super) fn is_found_ended(&self) -> Result<bool, RuntimeError> {
        use KernelState::{Active, Deactivated, Launched};
        let should_run = matches!(self.state(), Launched | Active | Deactivated);
        if should_run && !self.shared.looks.fetch_add(1, Ordering::Relaxed).is_multiple_of(LOOKS_PER_QUERY) {
            return Ok(false);
        }
        let ended = self.ended();
        // Of a query that failed it is not known whether the next one will; of a trap it is.
        if matches!(ended, Ok(true) | Err(DeviceError::Trapped { .. })) {
            self.note_end();
        }
        ended.map_err(|error| self.death(error))
    }

    /// Whether its blocks have ended, or what it died of: also of a ring that messages or commands cannot be brought to any more.
    fn ended(&self) -> Result<bool, DeviceError> {
        let ended = self.shared.launch.ended()?;
        match self.shared.feed.as_ref().and_then(|feed| feed.failed()) {
            Some(error) if !ended => Err(error),
            _ => Ok(ended),
        }
    }

    /// What the device says of its end, with what its black box says.
    fn death(&self, error: DeviceError) -> RuntimeError {
        match self.collector() {
            Some((collector, life)) => collector.quoted(life, error).into(),
            None => error.into(),
        }
    }

    /// What is said of a kernel that has ended to who waits for it.
    pub(super) fn end(&self) -> RuntimeError {
        self.died_of().unwrap_or_else(|| RuntimeError::Ended { id: self.id().to_owned() })
    }

    fn died_of(&self) -> Option<RuntimeError> {
        self.shared.died_of.get().cloned()
    }

    fn set_state(&self, state: KernelState) {
        self.shared.state.store(state as u8, Ordering::Release);
        if let Some((collector, life)) = self.collector() {
            collector.set_state(life, state);
        }
    }

    /// Who is told of it, and what knows it there.
    fn collector(&self) -> Option<(Arc<TelemetryCollector>, &Life)> {
        self.shared.collector.upgrade().zip(self.shared.life.as_ref())
    }
}

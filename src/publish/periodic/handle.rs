//! What runs: the thread that publishes, and who may talk to it.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::gather::Gatherer;
use crate::publish::composite::Composite;
use crate::publish::error::PublishError;
use crate::snapshot::PublisherTelemetry;

/// How much longer than its limit somebody waits for a thread that says when the limit is over.
const GRACE: Duration = Duration::from_millis(200);

/// Publishes what a collector knows every so often, on a thread of its own, and once more at the end: the last publication
/// says that the program does not [run](crate::publish::Publication::running) any more.
///
/// Neither the collector nor the program waits for it, but for [`flush`](Self::flush) and the end, which keep to their limits.
/// Dropping it is [`stop`](Self::stop).
pub struct Periodic {
    composite: Composite,
    tell: Sender<Told>,
    ended: Mutex<Option<Receiver<()>>>,
}

enum Told {
    /// Publish now, and say when it is offered.
    Publish(Sender<()>),
    Stop,
}

impl Periodic {
    pub(super) fn start(
        gatherer: Gatherer,
        composite: Composite,
        interval: Duration,
        jitter: Duration,
    ) -> Result<Periodic, PublishError> {
        let (tell, told) = channel();
        let (end, ended) = channel();
        let to = composite.clone();
        let body = move || {
            run(gatherer, &to, &told, interval, jitter);
            // Whoever waited may have gone.
            let _ = end.send(());
        };
        std::thread::Builder::new()
            .name("ringscope-publish".into())
            .spawn(body)
            .map_err(|e| PublishError::NoThread { what: "publishing".to_owned(), reason: e.to_string() })?;
        Ok(Periodic { composite, tell, ended: Mutex::new(Some(ended)) })
    }

    /// Returns what became of what was published so far, for each destination.
    pub fn status(&self) -> Vec<PublisherTelemetry> {
        self.composite.status()
    }

    /// Publishes what there is now, and waits until nothing of it waits any more, for at most `limit`; returns whether that is
    /// so. A pause between attempts is cut short, unless the destination asked for it.
    ///
    /// Blocks the thread: from async code, call it in `spawn_blocking`.
    pub fn flush(&self, limit: Duration) -> bool {
        let begun = Instant::now();
        let (offered, is_offered) = channel();
        let told = self.tell.send(Told::Publish(offered)).is_ok();
        told && is_offered.recv_timeout(limit).is_ok() && self.composite.flush(limit.saturating_sub(begun.elapsed()))
    }

    /// Publishes what there is now for the last time, waits until it is sent, for at most the longest
    /// [limit](crate::publish::Delivery::flush_limit) of the destinations, and ends. Further calls do nothing.
    ///
    /// Blocks the thread for at most that long: from async code, call it in `spawn_blocking`.
    pub fn stop(&self) {
        let Some(ended) = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        // If it has ended by itself, there is nothing to tell.
        let _ = self.tell.send(Told::Stop);
        let limit = self.composite.flush_limit().saturating_add(GRACE);
        if let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(limit) {
            // The device hangs, so that there is no last snapshot: what waits is counted all the same.
            self.composite.abandon();
        }
    }
}

fn run(mut gatherer: Gatherer, to: &Composite, told: &Receiver<Told>, interval: Duration, jitter: Duration) {
    let mut publish = |running| gatherer.next(running).iter().for_each(|publication| to.offer(publication));
    let mut next = Instant::now() + interval;
    let mut late = part_of(jitter);
    loop {
        match told.recv_timeout((next + late).saturating_duration_since(Instant::now())) {
            Err(RecvTimeoutError::Timeout) => {
                publish(true);
                // From the time that was planned, not from now: no drift; but no burst after a pause either.
                next = (next + interval).max(Instant::now());
                late = part_of(jitter);
            }
            Ok(Told::Publish(offered)) => {
                publish(true);
                // Whoever waited may have gone.
                let _ = offered.send(());
            }
            Ok(Told::Stop) | Err(RecvTimeoutError::Disconnected) => {
                publish(false);
                return to.stop();
            }
        }
    }
}

/// A random part of a time.
fn part_of(time: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    time.mul_f64(random as f64 / u64::MAX as f64)
}

impl Drop for Periodic {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Periodic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Periodic").field("status", &self.status()).finish_non_exhaustive()
    }
}

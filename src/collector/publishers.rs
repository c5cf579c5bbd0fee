//! The destinations that a collector's snapshots count.

use std::sync::{Arc, Mutex, PoisonError};

use crate::snapshot::PublisherTelemetry;

/// What counts one destination.
pub(crate) trait CountsPublishing: Send + Sync {
    /// What it counted so far, under whatever name.
    fn read(&self) -> PublisherTelemetry;

    /// Whether nothing is sent there any more.
    fn is_closed(&self) -> bool;
}

/// Those that were added, in their order; one that is closed stays until another of its name comes.
#[derive(Default)]
pub(super) struct Publishers(Mutex<Vec<Known>>);

struct Known {
    name: Arc<str>,
    counts: Arc<dyn CountsPublishing>,
}

impl Publishers {
    /// Adds one, and returns the name that it has here: a second one of a name is `name-2`.
    #[cfg_attr(not(feature = "publish"), allow(dead_code))]
    pub(super) fn add(&self, name: &str, counts: Arc<dyn CountsPublishing>) -> Arc<str> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut own: Arc<str> = name.into();
        let mut number = 1;
        while let Some(other) = all.iter_mut().find(|known| known.name == own) {
            if other.counts.is_closed() {
                other.counts = counts;
                return own;
            }
            number += 1;
            own = format!("{name}-{number}").into();
        }
        all.push(Known { name: Arc::clone(&own), counts });
        own
    }

    pub(super) fn read(&self) -> Arc<[PublisherTelemetry]> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .map(|known| PublisherTelemetry { destination: Arc::clone(&known.name), ..known.counts.read() })
            .collect()
    }
}

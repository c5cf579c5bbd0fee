//! The collector's metrics of the user's own.

use std::sync::Arc;

use super::error::TelemetryError;
use super::handle::TelemetryCollector;
use super::log::Message;
use crate::metrics::{Builder, CounterBuilder, Family, GaugeBuilder, HistogramBuilder, Instrument};

impl TelemetryCollector {
    /// Starts the registration of a counter; see [`metrics`](crate::metrics). A `_total` at the end of the name is left
    /// out. A collector that is off checks the same things, and hands out counters that do nothing.
    ///
    /// # Errors
    /// None: what is wrong with the name shows when it is registered.
    pub fn counter(&self, name: &str, help: &str) -> Result<CounterBuilder, TelemetryError> {
        self.metric_builder(name, help)
    }

    /// Starts the registration of a gauge; see [`metrics`](crate::metrics).
    ///
    /// # Errors
    /// As [`counter`](Self::counter).
    pub fn gauge(&self, name: &str, help: &str) -> Result<GaugeBuilder, TelemetryError> {
        self.metric_builder(name, help)
    }

    /// Starts the registration of a histogram; see [`metrics`](crate::metrics).
    ///
    /// # Errors
    /// As [`counter`](Self::counter).
    pub fn histogram(&self, name: &str, help: &str) -> Result<HistogramBuilder, TelemetryError> {
        self.metric_builder(name, help)
    }

    fn metric_builder<T: Instrument>(&self, name: &str, help: &str) -> Result<Builder<T>, TelemetryError> {
        Ok(Builder::new(Arc::clone(&self.core.metrics), name, help))
    }

    /// Reads everything now, and returns one metric: what it is, its series and their values. A counter is found with
    /// and without `_total`.
    ///
    /// # Errors
    /// [`TelemetryError::UnknownMetric`], and as [`snapshot`](Self::snapshot).
    pub fn metric(&self, name: &str) -> Result<Family, TelemetryError> {
        let snapshot = self.snapshot()?;
        snapshot.metric(name).cloned().ok_or_else(|| {
            self.core.notifier.say(Message::UnknownMetric { metric: name });
            TelemetryError::UnknownMetric { name: name.to_owned(), registered: snapshot.metrics.len() }
        })
    }
}

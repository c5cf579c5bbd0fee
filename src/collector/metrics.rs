//! The collector's metrics of the user's own.

use std::sync::Arc;

use super::{TelemetryCollector, TelemetryError};
use crate::metrics::{Builder, CounterBuilder, Family, GaugeBuilder, HistogramBuilder, Instrument};

impl TelemetryCollector {
    /// A counter to register; see [`metrics`](crate::metrics). A `_total` at the end of the name is left out.
    ///
    /// # Errors
    /// [`TelemetryError::Disabled`]; what is wrong with the name shows when it is registered.
    pub fn counter(&self, name: &str, help: &str) -> Result<CounterBuilder, TelemetryError> {
        self.builder(name, help)
    }

    /// A gauge to register; see [`metrics`](crate::metrics).
    ///
    /// # Errors
    /// As [`counter`](Self::counter).
    pub fn gauge(&self, name: &str, help: &str) -> Result<GaugeBuilder, TelemetryError> {
        self.builder(name, help)
    }

    /// A histogram to register; see [`metrics`](crate::metrics).
    ///
    /// # Errors
    /// As [`counter`](Self::counter).
    pub fn histogram(&self, name: &str, help: &str) -> Result<HistogramBuilder, TelemetryError> {
        self.builder(name, help)
    }

    fn builder<T: Instrument>(&self, name: &str, help: &str) -> Result<Builder<T>, TelemetryError> {
        if !self.inner.enabled {
            return Err(TelemetryError::Disabled);
        }
        Ok(Builder::new(Arc::clone(&self.inner.metrics), name, help))
    }

    /// Reads everything now, and returns one metric: what it is, its series and their values. A counter is found with
    /// and without `_total`.
    ///
    /// # Errors
    /// [`TelemetryError::UnknownMetric`], and as [`snapshot`](Self::snapshot).
    pub fn metric(&self, name: &str) -> Result<Family, TelemetryError> {
        let snapshot = self.snapshot()?;
        let unknown = || TelemetryError::UnknownMetric { name: name.to_owned(), registered: snapshot.metrics.len() };
        snapshot.metric(name).cloned().ok_or_else(unknown)
    }
}

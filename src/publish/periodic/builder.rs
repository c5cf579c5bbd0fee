//! What a [`Periodic`] is made of.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::gather::Gatherer;
use super::handle::Periodic;
use crate::collector::{TelemetryCollector, TraceRecorder};
use crate::publish::composite::Composite;
use crate::publish::delivery::Delivery;
use crate::publish::error::PublishError;
use crate::publish::outbox::Outbox;
use crate::publish::publisher::{Destination, Publisher};
use crate::trace::{Source, Tracer};

type Start = Box<dyn FnOnce() -> Result<Outbox, PublishError>>;

/// What is to be published, how often, and where; [`start`](Self::start) begins it. Made by [`Periodic::builder`].
#[must_use = "nothing is published before start()"]
pub struct PeriodicBuilder {
    collector: TelemetryCollector,
    interval: Duration,
    jitter: Option<Duration>,
    source: Option<Source>,
    tracer: Option<Tracer>,
    recorder: Option<Arc<TraceRecorder>>,
    outboxes: Vec<Start>,
}

impl Periodic {
    /// Describes what is to be published of `collector`, and where.
    pub fn builder(collector: &TelemetryCollector) -> PeriodicBuilder {
        PeriodicBuilder::new(collector)
    }
}

impl PeriodicBuilder {
    /// Default of [`interval`](Self::interval).
    pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(10);
    const SHORTEST_INTERVAL: Duration = Duration::from_millis(1);
    /// A year: far from where a clock overflows.
    const LONGEST_INTERVAL: Duration = Duration::from_secs(365 * 86_400);

    fn new(collector: &TelemetryCollector) -> Self {
        PeriodicBuilder {
            collector: collector.clone(),
            interval: Self::DEFAULT_INTERVAL,
            jitter: None,
            source: None,
            tracer: None,
            recorder: None,
            outboxes: Vec::new(),
        }
    }

    /// Sets how often something is published. Default: 10 s.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Sets by how much at most each publication is late, drawn at random, so that a fleet that was started together does not
    /// send together. It does not add up. Default: a tenth of the interval.
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.jitter = Some(jitter);
        self
    }

    /// Sets who it is that publishes: service and attributes of the resource. Default: this process, with the name of its
    /// program.
    pub fn source(mut self, source: Source) -> Self {
        self.source = Some(source);
        self
    }

    /// Publishes the spans, instants and samples of counters that end on the host, too. They stay where they are kept for
    /// others.
    pub fn tracer(mut self, tracer: &Tracer) -> Self {
        self.tracer = Some(tracer.clone());
        self
    }

    /// Publishes what kernels record, too, and what the recorder's tracer records.
    pub fn trace_recorder(mut self, recorder: &Arc<TraceRecorder>) -> Self {
        self.recorder = Some(Arc::clone(recorder));
        self
    }

    /// Adds a destination with the default [`Delivery`].
    pub fn destination(self, destination: impl Destination) -> Self {
        self.destination_with(destination, Delivery::default())
    }

    /// Adds a destination.
    pub fn destination_with(mut self, destination: impl Destination, delivery: Delivery) -> Self {
        self.outboxes.push(Box::new(|| Outbox::destination(destination, delivery)));
        self
    }

    /// Adds a publisher of one's own with the default [`Delivery`].
    pub fn publisher(self, publisher: impl Publisher) -> Self {
        self.publisher_with(publisher, Delivery::default())
    }

    /// Adds a publisher of one's own.
    pub fn publisher_with(mut self, publisher: impl Publisher, delivery: Delivery) -> Self {
        self.outboxes.push(Box::new(|| Outbox::publisher(publisher, delivery)));
        self
    }

    /// Adds a destination that was started.
    pub fn outbox(mut self, outbox: Outbox) -> Self {
        self.outboxes.push(Box::new(|| Ok(outbox)));
        self
    }

    /// Starts it; the first publication is made after an interval.
    ///
    /// # Errors
    /// [`PublishError::BadSetting`] for an interval under 1 ms, of a collector that is off, and as [`Outbox::destination`] of
    /// each destination; then nothing is started.
    pub fn start(self) -> Result<Periodic, PublishError> {
        let wrong = |setting: &str, remedy: &str| {
            Err(PublishError::BadSetting { setting: setting.to_owned(), remedy: remedy.to_owned() })
        };
        if self.interval < Self::SHORTEST_INTERVAL {
            return wrong("interval", "it must be at least 1 ms");
        }
        if !self.collector.enabled() {
            return wrong("the collector", "it is off: there is nothing to publish");
        }
        let outboxes = self.outboxes.into_iter().map(|start| start()).collect::<Result<Vec<_>, _>>()?;
        let composite = Composite::new(outboxes);
        composite.attach(&self.collector);
        let source = self.source.unwrap_or_else(|| Source::this_process(this_program()));
        let gatherer = Gatherer::new(&self.collector, source, self.tracer, self.recorder);
        let interval = self.interval.min(Self::LONGEST_INTERVAL);
        let jitter = self.jitter.unwrap_or(interval / 10).min(Self::LONGEST_INTERVAL);
        Periodic::start(gatherer, composite, interval, jitter)
    }
}

fn this_program() -> String {
    let path = std::env::current_exe().ok();
    path.as_deref()
        .and_then(|path| path.file_name())
        .map_or("ringscope".into(), |name| name.to_string_lossy().into_owned())
}

impl fmt::Debug for PeriodicBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeriodicBuilder(every {:?}, to {} destinations)", self.interval, self.outboxes.len())
    }
}

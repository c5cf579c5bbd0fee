//! What a plan becomes while kernels run: destinations that are published to, and what became of it at the end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ringscope::collector::TraceRecorder;
use ringscope::publish::{Periodic, PublishError};
use ringscope::trace::{TraceFilter, Tracer, TracerConfig};
use ringscope::{TelemetryCollector, TelemetryError};

use crate::cli::publish::args::PublishArgs;
use crate::cli::publish::plan::Plan;
use crate::cli::publish::report::Arrived;
use crate::cli::term::terminal;
use crate::cli::term::text::{Style, plain, styled};
use crate::cli::workload::args::RunArgs;
use crate::cli::workload::launch::Traced;

/// How long is waited for what kernels recorded last.
const LAST_RECORDS: Duration = Duration::from_secs(1);
/// Most records of kernels that are kept until they are published.
const KEPT: usize = 1 << 16;

/// What kernels are to record for spans; `None`, if nobody wants spans.
pub fn traced(publish: &PublishArgs, args: &RunArgs) -> Option<Traced> {
    let messages = publish.publish_spans.filter(|_| publish.is_wanted())?;
    let config = TracerConfig { instants: 2 * KEPT, messages: KEPT, ..TracerConfig::default() };
    let filter = TraceFilter::none().one_of(messages);
    Some(Traced { tracer: Tracer::with_config("ringscope", config), ring_records: args.ring_records(), filter })
}

/// Nobody runs for so long: what is published once is published at the end.
const ONLY_AT_THE_END: Duration = Duration::from_secs(365 * 24 * 3600);

/// Nothing can be published.
#[derive(Debug, thiserror::Error)]
pub enum SendingError {
    /// A destination cannot be started.
    #[error("publishing cannot be started: {0}")]
    Publish(#[from] PublishError),
    /// Spans cannot be recorded.
    #[error("spans cannot be published: {0}")]
    Spans(#[from] TelemetryError),
}

/// Publishing, until its end.
pub struct Sending {
    /// One for each interval.
    all: Vec<Periodic>,
    /// Of spans, as long as they are published.
    recorder: Option<Arc<TraceRecorder>>,
    addresses: Vec<String>,
}

impl Sending {
    /// Begins to publish, if there is a plan.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_if(
        plan: Option<Plan>,
        collector: &TelemetryCollector,
        interval: Option<Duration>,
        traced: Option<&Traced>,
    ) -> Result<Option<Sending>, SendingError> {
        plan.map(|plan| Sending::start(plan, collector, interval, traced)).transpose()
    }

    /// Ends it, if it was begun; what did not get there is added to `troubles`.
    pub fn end_if(sending: Option<Sending>, troubles: &mut Vec<String>) -> Option<Vec<Arrived>> {
        let arrived = sending?.end();
        troubles.extend(arrived.iter().filter_map(Arrived::trouble));
        Some(arrived)
    }

    /// Begins to publish; where nothing is said of how often, every `interval`, or at the end alone.
    ///
    /// # Errors
    /// A destination that cannot be started: then none is.
    fn start(
        plan: Plan,
        collector: &TelemetryCollector,
        interval: Option<Duration>,
        traced: Option<&Traced>,
    ) -> Result<Sending, SendingError> {
        let record = |traced: &Traced| collector.record_trace(&traced.tracer, KEPT).map(Arc::new);
        let recorder = traced.map(record).transpose()?;
        let mut by_interval: BTreeMap<Duration, Vec<_>> = BTreeMap::new();
        for planned in plan.destinations {
            let interval = planned.interval.or(interval).unwrap_or(ONLY_AT_THE_END);
            by_interval.entry(interval).or_default().push(planned);
        }
        let (mut all, mut addresses) = (Vec::new(), Vec::new());
        for (interval, group) in by_interval {
            let mut builder = Periodic::builder(collector).interval(interval).source(plan.source.clone());
            if let Some(recorder) = &recorder {
                builder = builder.trace_recorder(recorder);
            }
            let spans = if recorder.is_some() { ", spans too where it takes them" } else { "" };
            for planned in group {
                let when = match interval {
                    ONLY_AT_THE_END => "at the end".to_owned(),
                    interval => format!("every {interval:?}"),
                };
                terminal::say(&[
                    plain("publishing to "),
                    styled(Style::Bold, &planned.address),
                    plain(&format!(" {when}{spans}")),
                ]);
                addresses.push(planned.address);
                builder = builder.destination_with(planned.destination, planned.delivery);
            }
            all.push(builder.start()?);
        }
        Ok(Sending { all, recorder, addresses })
    }

    /// Publishes for the last time and waits for it, within the limits of the destinations; then says what became of all.
    fn end(self) -> Vec<Arrived> {
        terminal::progress(Some("publishing for the last time"));
        if let Some(recorder) = &self.recorder {
            // Of a device that hangs some is missing, which is counted.
            recorder.flush_blocking(LAST_RECORDS);
        }
        self.stop();
        terminal::progress(None);
        let status = self.all.iter().flat_map(Periodic::status);
        self.addresses.iter().zip(status).map(|(url, counts)| Arrived::new(url, &counts)).collect()
    }

    fn stop(&self) {
        std::thread::scope(|scope| {
            let (last, others) = self.all.split_last().map_or((None, &[][..]), |(last, others)| (Some(last), others));
            // Where there is no thread for one, it ends after the others.
            let spawn =
                |periodic| std::thread::Builder::new().spawn_scoped(scope, move || Periodic::stop(periodic)).is_ok();
            let late: Vec<&Periodic> = others.iter().filter(|periodic| !spawn(*periodic)).collect();
            late.into_iter().chain(last).for_each(Periodic::stop);
        });
    }
}

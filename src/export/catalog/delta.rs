//! The same walk over what was added since an earlier snapshot, for formats that take differences.

use std::collections::HashMap;

use super::kind::FamilyKind;
use super::sample::{LabelSet, MetricHeader, Number, Sample, Sink, Values};
use super::walk::visit;
use crate::histogram::Histogram;
use crate::metrics::ExplicitHistogram;
use crate::snapshot::Snapshot;

/// As [`visit`], with counters and histograms of what came after `previous`; of everything without one, and where a count is
/// smaller than before, since it began again meanwhile. A kernel that lives again since then
/// brings what its earlier lives had counted and `previous` did not know. Gauges and summaries are as they are, and counters where the sink
/// [does not want](Sink::COUNTS_SINCE) their differences.
pub(crate) fn visit_since<S: Sink>(snapshot: &Snapshot, previous: Option<&Snapshot>, sink: &mut S) {
    let (snapshot, previous) = snapshot.across_lives(previous);
    let Some(previous) = previous else { return visit(&snapshot, sink) };
    let mut before = Before::<S> { known: HashMap::new(), series: Series::default(), of: std::marker::PhantomData };
    visit(&previous, &mut before);
    visit(&snapshot, &mut Differences { before: before.known, series: Series::default(), sink });
}

/// What a series was.
enum Earlier {
    Number(Number),
    Exponential(Histogram),
    Explicit(ExplicitHistogram),
}

/// Names a series in memory that is used again.
#[derive(Default)]
struct Series {
    key: String,
    family: usize,
    is_count: bool,
}

impl Series {
    fn begin<S: Sink>(&mut self, header: &MetricHeader<'_>) {
        self.key.clear();
        self.key.push_str(header.name);
        self.family = self.key.len();
        self.is_count = match header.kind {
            FamilyKind::Histogram => true,
            FamilyKind::Counter => S::COUNTS_SINCE,
            _ => false,
        };
    }

    fn key(&mut self, labels: LabelSet<'_>) -> &str {
        self.key.truncate(self.family);
        // No name or value has these bytes in it unescaped and at the same place: lengths come first.
        labels.for_each(|name, value| {
            self.key.push_str(&format!("\n{}:{name}{}:{value}", name.len(), value.len()));
        });
        &self.key
    }
}

/// Collects what the earlier snapshot had.
struct Before<S> {
    known: HashMap<String, Earlier>,
    series: Series,
    of: std::marker::PhantomData<S>,
}

impl<S: Sink> Sink for Before<S> {
    const NATIVE: bool = S::NATIVE;

    fn family(&mut self, header: &MetricHeader<'_>) {
        self.series.begin::<S>(header);
    }

    fn sample(&mut self, labels: LabelSet<'_>, sample: &Sample<'_>) {
        if !self.series.is_count {
            return;
        }
        let earlier = match sample {
            Sample::Number(number) => Earlier::Number(*number),
            Sample::Histogram(Values::Explicit(h)) => Earlier::Explicit((*h).clone()),
            Sample::Histogram(Values::Seconds(h) | Values::Native(h) | Values::Exponential(h)) => {
                Earlier::Exponential((*h).clone())
            }
            Sample::Summary(_) => return,
        };
        self.known.insert(self.series.key(labels).to_owned(), earlier);
    }
}

/// Hands on differences.
struct Differences<'a, S> {
    before: HashMap<String, Earlier>,
    series: Series,
    sink: &'a mut S,
}

impl<S: Sink> Sink for Differences<'_, S> {
    const NATIVE: bool = S::NATIVE;

    fn family(&mut self, header: &MetricHeader<'_>) {
        self.series.begin::<S>(header);
        self.sink.family(header);
    }

    fn sample(&mut self, labels: LabelSet<'_>, sample: &Sample<'_>) {
        let earlier = if self.series.is_count { self.before.get(self.series.key(labels)) } else { None };
        let sink = &mut *self.sink;
        match (sample, earlier) {
            (Sample::Number(now), Some(Earlier::Number(earlier))) => {
                sink.sample(labels, &Sample::Number(now.since(*earlier)));
            }
            (Sample::Histogram(Values::Seconds(now)), Some(Earlier::Exponential(earlier))) => {
                let since = since(now, earlier);
                sink.sample(labels, &Sample::Histogram(Values::Seconds(since.as_ref().unwrap_or(now))));
            }
            (Sample::Histogram(Values::Native(now)), Some(Earlier::Exponential(earlier))) => {
                let since = since(now, earlier);
                sink.sample(labels, &Sample::Histogram(Values::Native(since.as_ref().unwrap_or(now))));
            }
            (Sample::Histogram(Values::Exponential(now)), Some(Earlier::Exponential(earlier))) => {
                let since = since(now, earlier);
                sink.sample(labels, &Sample::Histogram(Values::Exponential(since.as_ref().unwrap_or(now))));
            }
            (Sample::Histogram(Values::Explicit(now)), Some(Earlier::Explicit(earlier))) => {
                let since = now.since(earlier);
                sink.sample(labels, &Sample::Histogram(Values::Explicit(since.as_ref().unwrap_or(now))));
            }
            _ => sink.sample(labels, sample),
        }
    }
}

/// `None` for a histogram that began again.
fn since(now: &Histogram, earlier: &Histogram) -> Option<Histogram> {
    let goes_on = earlier.count() <= now.count() && earlier.scale() == now.scale();
    goes_on.then(|| now.since(earlier))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Sums by series of a walk, and the counts of histograms.
    #[derive(Default)]
    struct Sums {
        family: String,
        sums: HashMap<String, (u64, f64)>,
    }

    impl Sink for Sums {
        fn family(&mut self, header: &MetricHeader<'_>) {
            self.family = header.name.to_owned();
        }

        fn sample(&mut self, labels: LabelSet<'_>, sample: &Sample<'_>) {
            let mut key = self.family.clone();
            labels.for_each(|name, value| key += &format!(" {name}={value}"));
            let of = |number| match number {
                Number::Count(n) | Number::Nanos(n) => n as f64,
                Number::Real(v) => v,
            };
            let value = match sample {
                Sample::Number(number) => (0, of(*number)),
                Sample::Histogram(values) => (values.count(), of(values.sum())),
                Sample::Summary(_) => return,
            };
            let sum = self.sums.entry(key).or_default();
            (sum.0, sum.1) = (sum.0 + value.0, sum.1 + value.1);
        }
    }

    #[test]
    fn differences_add_up_to_the_whole_and_a_reset_begins_again() {
        let collector = crate::TelemetryCollector::new(true);
        let values = collector.histogram("sizes", "Sizes").and_then(|h| Ok(h.on_host()?)).expect("a histogram");
        let explicit = collector.histogram("waits", "Waits").expect("a builder").buckets(&[1.0, 2.0]).on_host();
        let explicit = explicit.expect("a histogram");
        let mut previous = None;
        let mut added = Sums::default();
        for round in 1..=3 {
            collector.record_processed("w", Some(Duration::from_micros(round))).expect("a kernel");
            values.observe(round);
            explicit.observe(round as f64);
            let snapshot = collector.snapshot().expect("a snapshot");
            visit_since(&snapshot, previous.as_deref(), &mut added);
            previous = Some(snapshot);
        }
        let mut whole = Sums::default();
        visit(previous.as_ref().expect("the last"), &mut whole);
        for key in [
            "ringscope_kernel_messages_processed kernel=w",
            "sizes",
            "waits",
            "ringscope_kernel_message_duration_seconds kernel=w",
        ] {
            assert_eq!(added.sums[key], whole.sums[key], "{key}");
            assert_ne!(whole.sums[key], (0, 0.0), "{key}");
        }
        collector.reset(None).expect("it is on");
        collector.record_processed("w", None).expect("a kernel");
        let mut after = Sums::default();
        visit_since(&collector.snapshot().expect("a snapshot"), previous.as_deref(), &mut after);
        assert_eq!(after.sums["ringscope_kernel_messages_processed kernel=w"].1, 1.0);
    }
}

//! Destinations that do not get what they should: said when it begins and when it ends, and shown meanwhile.

use ringscope::snapshot::{DropReason, PublisherTelemetry};

use crate::cli::term::text::{Style, Text, plain, styled};
use crate::cli::term::units;

/// What was said so far.
#[derive(Debug, Default)]
pub struct PublishingNews {
    /// In the order of the destinations.
    before: Vec<Seen>,
}

#[derive(Clone, Debug, Default)]
struct Seen {
    published: u64,
    failures: u64,
    dropped: [bool; DropReason::ALL.len()],
    fails: bool,
}

impl PublishingNews {
    /// Returns a sentence for each destination that fails now and did not at the look before, that works again, and that has
    /// dropped something for a reason that was not told yet.
    pub fn look(&mut self, now: &[PublisherTelemetry]) -> Vec<String> {
        self.before.resize(now.len(), Seen::default());
        self.before.iter_mut().zip(now).flat_map(|(seen, now)| seen.look(now)).collect()
    }
}

impl Seen {
    fn look(&mut self, now: &PublisherTelemetry) -> Vec<String> {
        let mut news = Vec::new();
        let name = &now.destination;
        let arrived = now.published_items > self.published;
        if !self.fails && !arrived && now.failures > self.failures {
            self.fails = true;
            let why = now.last_error.as_deref().unwrap_or("it did not say why");
            news.push(format!("publishing to {name} fails: {why}"));
        } else if self.fails && arrived {
            self.fails = false;
            news.push(format!("publishing to {name} works again"));
        }
        for (told, reason) in self.dropped.iter_mut().zip(DropReason::ALL) {
            if !*told && now.dropped(reason) > 0 {
                *told = true;
                let items = units::exact(now.dropped(reason));
                news.push(format!("publishing to {name}: {items} items were dropped ({})", reason.name()));
            }
        }
        (self.published, self.failures) = (now.published_items, now.failures);
        news
    }
}

/// A line for each destination in trouble.
pub fn lines(publishers: &[PublisherTelemetry]) -> impl Iterator<Item = Text> + '_ {
    let dropped = |of: &PublisherTelemetry| of.dropped_items.iter().sum::<u64>();
    let in_trouble = move |of: &&PublisherTelemetry| {
        dropped(of) > 0 || of.circuit_open || (of.queued_items > 0 && of.last_error.is_some())
    };
    publishers.iter().filter(in_trouble).map(line)
}

fn line(of: &PublisherTelemetry) -> Text {
    let mut spans = vec![
        styled(Style::Bold, &of.destination),
        plain(&format!(": {} items published", units::count(of.published_items))),
    ];
    if of.queued_items > 0 {
        spans.push(plain(&format!(", {} queued", units::count(of.queued_items))));
    }
    for reason in DropReason::ALL.into_iter().filter(|reason| of.dropped(*reason) > 0) {
        let dropped = format!(", {} dropped ({})", units::count(of.dropped(reason)), reason.name());
        spans.push(styled(Style::Bad, &dropped));
    }
    if let Some(error) = &of.last_error {
        spans.push(styled(Style::Warn, &format!(": {error}")));
    }
    Text::from(spans)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::term::text::Paint;

    fn of(published: u64, failures: u64, full: u64) -> PublisherTelemetry {
        let mut of = PublisherTelemetry::new("otlp");
        (of.published_items, of.failures, of.dropped_items[0]) = (published, failures, full);
        of.queued_items = if failures > 0 { 5 } else { 0 };
        of.last_error = (failures > 0).then(|| "host:1 cannot be reached: refused".into());
        of
    }

    #[test]
    fn what_changes_is_said_once() {
        let mut news = PublishingNews::default();
        let mut look = |published, failures, full| news.look(&[of(published, failures, full)]).join("; ");
        assert_eq!(look(10, 0, 0), "");
        assert_eq!(look(10, 1, 0), "publishing to otlp fails: host:1 cannot be reached: refused");
        assert_eq!(look(10, 2, 0), "");
        assert_eq!(look(10, 3, 1200), "publishing to otlp: 1,200 items were dropped (full)");
        assert_eq!(look(20, 3, 1300), "publishing to otlp works again");
        assert_eq!(look(30, 4, 1300), "", "a failure that the next attempt made good");
    }

    #[test]
    fn only_what_is_in_trouble_has_a_line() {
        let all = [of(10, 0, 0), of(12_345, 2, 7)];
        let shown: Vec<String> = lines(&all).map(|line| line.render(usize::MAX, Paint { on: false })).collect();
        let expected = "otlp: 12.3 k items published, 5 queued, 7 dropped (full): host:1 cannot be reached: refused";
        assert_eq!(shown, [expected]);
    }
}

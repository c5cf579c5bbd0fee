//! Lines in packets: each line in one of them, none longer than the receiver takes.

use super::format::{Format, MOST_CHARS};
use super::rate::push_rate;

/// So many lines, with line ends between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) lines: u64,
    pub(crate) text: String,
}

/// Packets that are being filled.
#[derive(Debug)]
pub(crate) struct Packets<'a> {
    format: &'a Format,
    /// The line that is being written.
    line: String,
    packets: Vec<Packet>,
    /// Lines of metrics so far.
    pub(super) metrics: u64,
    /// Lines of events so far.
    pub(super) events: u64,
    /// Lines that are longer than a packet, or whose names are longer than Datadog takes, and that are in none.
    too_long: u64,
}

impl<'a> Packets<'a> {
    pub(crate) fn new(format: &'a Format) -> Self {
        Packets { format, line: String::new(), packets: Vec::new(), metrics: 0, events: 0, too_long: 0 }
    }

    pub(super) fn format(&self) -> &'a Format {
        self.format
    }

    /// The packets, and how many lines were too long for one.
    pub(crate) fn finish(self) -> (Vec<Packet>, u64) {
        (self.packets, self.too_long)
    }

    /// Writes a metric. `tags` are its own, as text.
    pub(super) fn metric(&mut self, name: &str, tags: &str, kind: &str, value: impl FnOnce(&mut String)) {
        self.weighted(name, tags, kind, 1.0, value);
    }

    /// Writes a value that was sampled at a rate; 1 is not written.
    pub(super) fn weighted(&mut self, name: &str, tags: &str, kind: &str, rate: f64, value: impl FnOnce(&mut String)) {
        let line = &mut self.line;
        line.clear();
        line.push_str(name);
        line.push(':');
        value(line);
        line.push('|');
        line.push_str(kind);
        if rate < 1.0 {
            line.push_str("|@");
            push_rate(line, rate);
        }
        push_tags(line, self.format, tags);
        if name.len() > MOST_CHARS {
            self.too_long += 1;
        } else if self.end_line() {
            self.metrics += 1;
        }
    }

    /// Writes an event, given its tags and what writes it, in at most so many bytes.
    pub(super) fn event(&mut self, tags: &str, write: impl FnOnce(&mut String, usize)) {
        let mut end = String::new();
        push_tags(&mut end, self.format, tags);
        self.line.clear();
        write(&mut self.line, self.format.packet_bytes.saturating_sub(end.len()));
        self.line.push_str(&end);
        if self.end_line() {
            self.events += 1;
        }
    }

    /// Puts the line into a packet; false if none would take it.
    fn end_line(&mut self) -> bool {
        let (line, most) = (&self.line, self.format.packet_bytes);
        if line.len() > most {
            self.too_long += 1;
            return false;
        }
        match self.packets.last_mut() {
            Some(packet) if packet.text.len() + 1 + line.len() <= most => {
                packet.text.push('\n');
                packet.text.push_str(line);
                packet.lines += 1;
            }
            _ => {
                let mut text = String::with_capacity(most);
                text.push_str(line);
                self.packets.push(Packet { lines: 1, text });
            }
        }
        true
    }
}

fn push_tags(line: &mut String, format: &Format, tags: &str) {
    let all = Some(tags).filter(|tags| !tags.is_empty()).into_iter().chain(format.tags.iter().map(String::as_str));
    for (i, tag) in all.enumerate() {
        line.push_str(if i == 0 { "|#" } else { "," });
        line.push_str(tag);
    }
    line.push_str(&format.tail);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::format::push_tag;
    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn packets_are_short_enough_and_no_line_is_split(
            most in 256usize..2000,
            lines in prop::collection::vec(("[a-z]{1,210}", prop::collection::vec(("[a-z_]{1,20}", "\\PC{0,300}|[\u{0}-\u{7f}]{0,80}"), 0..8), any::<u64>()), 1..30),
        ) {
            let format = Format { packet_bytes: most, histograms: "d", tags: vec!["env:test".to_owned()], tail: "|e:x".to_owned() };
            let mut packets = Packets::new(&format);
            let mut expected = Vec::new();
            for (name, tags, value) in &lines {
                let mut text = String::new();
                for (key, value) in tags {
                    if !text.is_empty() {
                        text.push(',');
                    }
                    push_tag(&mut text, key, value);
                }
                let separator = if text.is_empty() { "" } else { "," };
                let line = format!("{name}:{value}|c|#{text}{separator}env:test|e:x");
                prop_assert_eq!(line.matches(',').count(), tags.len());
                prop_assert_eq!(line.matches('|').count(), 3);
                if line.len() <= most && name.len() <= 200 {
                    expected.push(line);
                }
                packets.metric(name, &text, "c", |line| line.push_str(&value.to_string()));
            }
            prop_assert_eq!(packets.metrics, expected.len() as u64);
            let (packets, too_long) = packets.finish();
            prop_assert_eq!(too_long as usize + expected.len(), lines.len());
            prop_assert!(packets.iter().all(|packet| packet.text.len() <= most));
            prop_assert!(packets.iter().all(|packet| packet.lines == packet.text.lines().count() as u64));
            let read: Vec<&str> = packets.iter().flat_map(|packet| packet.text.split('\n')).collect();
            prop_assert_eq!(read, expected);
            // No packet has room for what is in the next.
            prop_assert!(packets.windows(2).all(|two| two[0].text.len() + 1 + two[1].text.split('\n').next().map_or(0, str::len) > most));
        }
    }
}

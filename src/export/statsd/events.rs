//! Events: what the application said has happened, and what happened to kernels.

use std::fmt::Write as _;
use std::time::SystemTime;

use super::format::push_tag;
use super::packets::Packets;
use crate::collector::{ApplicationEvent, EventKind, KernelEvent};

/// Longest title, in bytes.
const MOST_TITLE: usize = 100;
/// Longest text, in bytes.
const MOST_TEXT: usize = 4000;

/// Writes an event of the application: its labels are tags, its value and metadata are in the text.
pub(crate) fn application_event(event: &ApplicationEvent, packets: &mut Packets<'_>) {
    let mut tags = String::new();
    for (name, value) in event.labels.iter() {
        separate(&mut tags);
        push_tag(&mut tags, name, value);
    }
    let mut text = format!("value: {}", event.value);
    for (name, value) in event.metadata.iter() {
        // Writing to a String does not fail.
        let _ = write!(text, "\n{name}: {value}");
    }
    write_event(&event.name, &text, event.time, "info", &tags, packets);
}

/// Writes what happened to a kernel; the tag `event` says what.
pub(crate) fn kernel_event(event: &KernelEvent, packets: &mut Packets<'_>) {
    let (kernel, kind) = (&event.kernel_id, event.kind);
    let mut tags = String::new();
    push_tag(&mut tags, "kernel", kernel);
    separate(&mut tags);
    push_tag(&mut tags, "event", kind.name());
    let why = event.died_of.as_ref().map(|why| why.to_string());
    let text = why.or_else(|| Some(event.stall.as_ref()?.status.to_string()));
    let text = text.unwrap_or_else(|| format!("The kernel {kernel} is {kind}"));
    write_event(&format!("Kernel {kernel}: {kind}"), &text, event.time, alert_type(kind), &tags, packets);
}

fn separate(tags: &mut String) {
    if !tags.is_empty() {
        tags.push(',');
    }
}

fn alert_type(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Failed => "error",
        EventKind::Stalled => "warning",
        EventKind::Recovered => "success",
        _ => "info",
    }
}

fn write_event(title: &str, text: &str, time: SystemTime, alert: &str, tags: &str, packets: &mut Packets<'_>) {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let title = escaped(title, MOST_TITLE);
    packets.event(tags, |line, most| {
        let end = format!("|d:{seconds}|t:{alert}|s:ringscope");
        // The text is what may be cut; its length has up to four digits.
        let beside = "_e{,0000}:|".len() + title.len().to_string().len() + title.len() + end.len();
        let text = escaped(text, MOST_TEXT.min(most.saturating_sub(beside)));
        let _ = write!(line, "_e{{{},{}}}:{title}|{text}{end}", title.len(), text.len());
    });
}

/// Without line ends and bars, which end lines and fields, and in at most so many bytes.
fn escaped(text: &str, most: usize) -> String {
    let mut written = String::new();
    for c in text.chars() {
        let mut as_is = [0; 4];
        let piece = match c {
            '\n' => "\\n",
            '|' => "/",
            c if c.is_control() => " ",
            c => c.encode_utf8(&mut as_is),
        };
        if written.len() + piece.len() > most {
            break;
        }
        written.push_str(piece);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::super::format::Format;
    use super::*;

    fn written(packet_bytes: usize, title: &str, text: &str) -> Vec<String> {
        let tags = vec!["env:test".to_owned()];
        let format = Format { packet_bytes, histograms: "d", tags, tail: String::new() };
        let mut packets = Packets::new(&format);
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        write_event(title, text, time, "info", "stage:live", &mut packets);
        packets.finish().0.into_iter().map(|packet| packet.text).collect()
    }

    #[test]
    fn an_event_says_how_long_it_is() {
        let event = &written(1432, "de|ploy", "ünder\nway|now")[0];
        let expected = "_e{7,15}:de/ploy|ünder\\nway/now|d:1800000000|t:info|s:ringscope|#stage:live,env:test";
        assert_eq!(event, expected);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn events_are_cut_to_fit_and_their_lengths_are_right(title in "\\PC{1,120}|[\u{0}-\u{7f}]{1,120}", text in "\\PC{0,500}|(\n|a|\\|){0,5000}", most in 300usize..9000) {
            let all = written(most, &title, &text);
            prop_assert_eq!(all.len(), 1);
            let event = &all[0];
            prop_assert!(event.len() <= most && !event.contains('\n'));
            let (lengths, rest) = event.strip_prefix("_e{").and_then(|rest| rest.split_once("}:")).expect("a beginning");
            let (title_bytes, text_bytes) = lengths.split_once(',').expect("two lengths");
            let (title_bytes, text_bytes): (usize, usize) = (title_bytes.parse().expect("a number"), text_bytes.parse().expect("a number"));
            prop_assert_eq!(rest.as_bytes()[title_bytes], b'|');
            prop_assert!(rest[title_bytes + 1 + text_bytes..].starts_with("|d:1800000000|t:info|s:ringscope|#stage:live,env:test"));
            prop_assert_eq!(rest.matches('|').count(), 5);
        }
    }
}

//! Events: what the application said has happened, and what happened to kernels.

use std::fmt::Write as _;
use std::time::SystemTime;

use super::packets::Packets;
use super::push_tag;
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

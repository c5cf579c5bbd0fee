//! Packets of one writer: what it interned, and its clock.

use std::collections::HashMap;

use prost::Message;

use super::clocks::{Moment, On};
use super::messages::{
    DebugAnnotation, Interned, InternedData, NEEDS_STATE, REALTIME, SEQUENCE_CLOCK, STATE_CLEARED, TracePacket,
    TracePacketDefaults, TrackEvent,
};
use crate::trace::Value;

/// Adds a packet to the file: a field of `Trace`, after its length.
pub(super) fn write(packet: &TracePacket, out: &mut Vec<u8>) {
    out.push(1 << 3 | 2);
    // A Vec grows as is needed.
    let _ = packet.encode_length_delimited(out);
}

/// Texts that have numbers, and those that are to be told with the next packet.
#[derive(Default)]
struct Texts<'a> {
    numbers: HashMap<&'a str, u64>,
    new: Vec<Interned>,
}

impl<'a> Texts<'a> {
    fn number(&mut self, text: &'a str) -> u64 {
        let next = self.numbers.len() as u64 + 1;
        *self.numbers.entry(text).or_insert_with(|| {
            self.new.push(Interned { iid: Some(next), name: Some(text.to_owned()) });
            next
        })
    }
}

/// A writer: the host, or a device, whose clock is that of its packets.
pub(super) struct Sequence<'a> {
    id: u32,
    clock: u32,
    begun: bool,
    names: Texts<'a>,
    categories: Texts<'a>,
    annotations: Texts<'a>,
}

impl<'a> Sequence<'a> {
    pub(super) fn new(id: u32, on: On) -> Self {
        let clock = match on {
            On::Unix => REALTIME,
            On::Device => SEQUENCE_CLOCK,
        };
        let (names, categories, annotations) = Default::default();
        Sequence { id, clock, begun: false, names, categories, annotations }
    }

    pub(super) fn name(&mut self, text: &'a str) -> u64 {
        self.names.number(text)
    }

    pub(super) fn category(&mut self, text: &'a str) -> u64 {
        self.categories.number(text)
    }

    pub(super) fn annotation(&mut self, name: &'a str, value: &Value) -> DebugAnnotation {
        let mut annotation = DebugAnnotation { name_iid: Some(self.annotations.number(name)), ..Default::default() };
        match value {
            Value::Bool(value) => annotation.bool_value = Some(*value),
            Value::Int(value) => annotation.int_value = Some(*value),
            Value::Float(value) => annotation.double_value = Some(*value),
            Value::Text(text) => annotation.string_value = Some(text.to_string()),
        }
        annotation
    }

    /// Adds an event, with what was interned for it.
    pub(super) fn event(&mut self, at: &Moment, event: TrackEvent, out: &mut Vec<u8>) {
        let clock = match at.clock {
            On::Unix => REALTIME,
            On::Device => SEQUENCE_CLOCK,
        };
        let new = InternedData {
            event_categories: std::mem::take(&mut self.categories.new),
            event_names: std::mem::take(&mut self.names.new),
            debug_annotation_names: std::mem::take(&mut self.annotations.new),
        };
        let first = !std::mem::replace(&mut self.begun, true);
        let packet = TracePacket {
            timestamp: Some(at.written),
            timestamp_clock_id: (clock != self.clock).then_some(clock),
            trusted_packet_sequence_id: Some(self.id),
            sequence_flags: Some(if first { STATE_CLEARED | NEEDS_STATE } else { NEEDS_STATE }),
            trace_packet_defaults: first.then_some(TracePacketDefaults { timestamp_clock_id: Some(self.clock) }),
            interned_data: (new != InternedData::default()).then_some(new),
            track_event: Some(event),
            ..TracePacket::default()
        };
        write(&packet, out);
    }
}

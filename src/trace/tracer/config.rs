//! How much a tracer keeps.

use crate::trace::value::{Attribute, Name, Value};

/// How much a [`Tracer`](super::Tracer) keeps. A bound of 0 keeps nothing of that kind, and counts it as lost.
///
/// ```
/// use ringscope::trace::{Tracer, TracerConfig};
///
/// let tracer = Tracer::with_config("importer", TracerConfig { spans: 2, ..TracerConfig::default() });
/// (0..5).for_each(|_| drop(tracer.span("step").start()));
/// assert_eq!((tracer.spans().len(), tracer.losses().spans), (2, 3));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TracerConfig {
    /// Ended spans; the oldest go first. Default: 65,536.
    pub spans: usize,
    /// Instants, likewise. Default: 65,536.
    pub instants: usize,
    /// Samples of counters, likewise. Default: 65,536.
    pub counters: usize,
    /// Spans that have not ended, as far as a trace shows them before they end. Default: 16,384.
    pub open: usize,
    /// Messages whose sender is remembered; the oldest go first. Default: 65,536.
    pub messages: usize,
    /// Attributes of one span, instant or event; later ones are dropped. Default: 128.
    pub attributes: usize,
    /// Events of one span; later ones are dropped. Default: 128.
    pub events: usize,
    /// Bytes of one name or text; what is longer is cut. Default: 4,096.
    pub text_bytes: usize,
}

impl Default for TracerConfig {
    fn default() -> Self {
        TracerConfig {
            spans: 65_536,
            instants: 65_536,
            counters: 65_536,
            open: 16_384,
            messages: 65_536,
            attributes: 128,
            events: 128,
            text_bytes: 4096,
        }
    }
}

impl TracerConfig {
    /// The text, cut to its bound before the character that does not fit any more.
    pub(super) fn cut(&self, text: Name) -> Name {
        if text.len() <= self.text_bytes {
            return text;
        }
        let end = (0..=self.text_bytes).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        match text {
            Name::Borrowed(text) => Name::Borrowed(&text[..end]),
            Name::Owned(text) => Name::Owned(text[..end].to_owned()),
        }
    }

    pub(super) fn attribute(&self, name: Name, value: Value) -> Attribute {
        let value = match value {
            Value::Text(text) => Value::Text(self.cut(text)),
            value => value,
        };
        Attribute { name: self.cut(name), value }
    }

    /// Sets an attribute: one of the same name is replaced. Returns whether there was room.
    pub(super) fn set(&self, attributes: &mut Vec<Attribute>, name: Name, value: Value) -> bool {
        let attribute = self.attribute(name, value);
        match attributes.iter().position(|a| a.name == attribute.name) {
            Some(same) => attributes[same] = attribute,
            None if attributes.len() < self.attributes => attributes.push(attribute),
            None => return false,
        }
        true
    }

    /// As many as there is room for, and how many there was none for.
    pub(super) fn all(&self, given: impl IntoIterator<Item = Attribute>) -> (Vec<Attribute>, u32) {
        let (mut attributes, mut dropped) = (Vec::new(), 0_u32);
        for attribute in given {
            let fits = self.set(&mut attributes, attribute.name, attribute.value);
            dropped = dropped.saturating_add(u32::from(!fits));
        }
        (attributes, dropped)
    }
}

//! The frame of every request: a resource, and in it groups of items, each group with its scope. Metrics, spans and log
//! records have the same one, by the same numbers, with other names.

use prost::{Message, encode_length_delimiter, length_delimiter_len};
use serde::Serialize;

use super::json::Json;
use super::messages::{InstrumentationScope, Resource};

/// How messages become bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Encoding {
    #[default]
    Protobuf,
    Json,
}

/// How requests are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    pub(crate) encoding: Encoding,
    /// Where a request is cut. One that holds a single item larger than this is larger.
    pub(crate) most_bytes: usize,
}

/// A request, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) bytes: Vec<u8>,
    /// Data points, spans or log records in it.
    pub(crate) items: u64,
}

/// What JSON calls the parts.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) resources: &'static str,
    pub(super) scopes: &'static str,
    pub(super) items: &'static str,
}

/// The key of field `number` with a length before its bytes.
const fn key(number: u8) -> u8 {
    number << 3 | 2
}

/// Adds field `number`, which is `parts` in a row.
pub(super) fn add_field(number: u8, parts: &[&[u8]], out: &mut Vec<u8>) {
    out.push(key(number));
    // A Vec grows as is needed.
    let _ = encode_length_delimiter(parts.iter().map(|part| part.len()).sum(), out);
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// Bytes of a field of so many bytes, its key and length included.
pub(super) fn field_len(bytes: usize) -> usize {
    1 + length_delimiter_len(bytes) + bytes
}

impl Encoding {
    /// Writes `message` over what is in `out`.
    pub(super) fn write<'a, M>(self, message: &'a M, out: &mut Vec<u8>) -> Result<(), serde_json::Error>
    where
        M: Message,
        Json<'a, M>: Serialize,
    {
        out.clear();
        match self {
            Encoding::Protobuf => {
                // A Vec grows as is needed.
                let _ = message.encode(out);
                Ok(())
            }
            Encoding::Json => serde_json::to_writer(out, &Json(message)),
        }
    }
}

/// Requests that are being written.
pub(super) struct Requests {
    names: &'static Names,
    form: Form,
    resource: Vec<u8>,
    /// Of the current group.
    scope: Vec<u8>,
    items: Vec<u8>,
    /// Those before it.
    groups: Vec<u8>,
    count: u64,
    done: Vec<Request>,
    buffer: Vec<u8>,
    /// The JSON writer's.
    error: Option<serde_json::Error>,
}

impl Requests {
    pub(super) fn new(names: &'static Names, form: Form, resource: &Resource) -> Self {
        let mut requests = Requests {
            names,
            form,
            resource: Vec::new(),
            scope: Vec::new(),
            items: Vec::new(),
            groups: Vec::new(),
            count: 0,
            done: Vec::new(),
            buffer: Vec::new(),
            error: None,
        };
        let written = form.encoding.write(resource, &mut requests.resource);
        requests.keep_error(written);
        requests
    }

    #[cfg(feature = "otlp")]
    pub(super) fn encoding(&self) -> Encoding {
        self.form.encoding
    }

    pub(super) fn keep_error(&mut self, written: Result<(), serde_json::Error>) {
        self.error = self.error.take().or(written.err());
    }

    /// Begins a group.
    pub(super) fn scope(&mut self, scope: &InstrumentationScope) {
        self.end_group();
        let written = self.form.encoding.write(scope, &mut self.scope);
        self.keep_error(written);
    }

    /// Returns whether the request is full, with `more` bytes to come.
    pub(super) fn is_full(&self, more: usize) -> bool {
        // Keys, lengths and names of the frame are at most so many bytes.
        const FRAME: usize = 128;
        let bytes = self.resource.len() + self.groups.len() + self.scope.len() + self.items.len() + FRAME;
        bytes.saturating_add(more) > self.form.most_bytes
    }

    /// Adds an item.
    pub(super) fn message<'a, M>(&mut self, message: &'a M)
    where
        M: Message,
        Json<'a, M>: Serialize,
    {
        let mut buffer = std::mem::take(&mut self.buffer);
        let written = self.form.encoding.write(message, &mut buffer);
        self.keep_error(written);
        if self.is_full(field_len(buffer.len())) {
            self.cut_if_used();
        }
        self.item(&buffer, 1);
        self.buffer = buffer;
    }

    /// Adds an item that is written already, and counts as so many.
    pub(super) fn item(&mut self, item: &[u8], count: u64) {
        match self.form.encoding {
            Encoding::Protobuf => add_field(2, &[item], &mut self.items),
            Encoding::Json => add_element(&[item], &mut self.items),
        }
        self.count += count;
    }

    fn end_group(&mut self) {
        if self.items.is_empty() {
            return;
        }
        match self.form.encoding {
            Encoding::Protobuf => {
                let scope = field_len(self.scope.len());
                self.groups.push(key(2));
                let _ = encode_length_delimiter(scope + self.items.len(), &mut self.groups);
                add_field(1, &[&self.scope], &mut self.groups);
                self.groups.extend_from_slice(&self.items);
            }
            Encoding::Json => {
                let items = self.names.items.as_bytes();
                let parts: [&[u8]; 7] = [b"{\"scope\":", &self.scope, b",\"", items, b"\":[", &self.items, b"]}"];
                add_element(&parts, &mut self.groups);
            }
        }
        self.items.clear();
    }

    /// Ends a request that has something in it, and begins another with the same scope.
    pub(super) fn cut_if_used(&mut self) {
        if self.count > 0 {
            self.cut();
        }
    }

    fn cut(&mut self) {
        self.end_group();
        let mut bytes = Vec::with_capacity(self.resource.len() + self.groups.len() + 64);
        match self.form.encoding {
            Encoding::Protobuf => {
                bytes.push(key(1));
                let _ = encode_length_delimiter(field_len(self.resource.len()) + self.groups.len(), &mut bytes);
                add_field(1, &[&self.resource], &mut bytes);
                bytes.extend_from_slice(&self.groups);
            }
            Encoding::Json => {
                let Names { resources, scopes, .. } = self.names;
                let head: [&[u8]; 6] =
                    [b"{\"", resources.as_bytes(), b"\":[{\"resource\":", &self.resource, b",\"", scopes.as_bytes()];
                head.into_iter().chain([&b"\":["[..], &self.groups, b"]}]}"]).for_each(|part| bytes.extend(part));
            }
        }
        self.groups.clear();
        self.done.push(Request { bytes, items: std::mem::take(&mut self.count) });
    }

    /// Returns those that have something in them.
    #[cfg(feature = "otlp")]
    pub(super) fn finish(mut self) -> Result<Vec<Request>, serde_json::Error> {
        self.cut_if_used();
        self.error.map_or(Ok(self.done), Err)
    }

    /// Returns all in one, even if that is nothing.
    pub(super) fn finish_one(mut self) -> Result<Vec<u8>, serde_json::Error> {
        self.cut();
        self.error.map_or_else(|| Ok(self.done.into_iter().flat_map(|request| request.bytes).collect()), Err)
    }
}

/// Adds an element to a list in JSON, which is `parts` in a row.
pub(super) fn add_element(parts: &[&[u8]], out: &mut Vec<u8>) {
    if !out.is_empty() {
        out.push(b',');
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

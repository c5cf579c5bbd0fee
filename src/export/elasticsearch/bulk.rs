//! Bodies for `_bulk`: two lines for each document, in pieces that Elasticsearch takes at once.

/// How much is in one body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BulkLimits {
    pub(crate) bytes: usize,
    pub(crate) documents: u64,
}

impl BulkLimits {
    /// Elastic advises some megabytes. The answer to 500 documents stays below what is read of one, even if each is refused with a reason.
    pub(crate) const DEFAULT: BulkLimits = BulkLimits { bytes: 5_000_000, documents: 500 };
}

/// A body, and how many documents are in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BulkBody {
    pub(crate) documents: u64,
    pub(crate) bytes: Vec<u8>,
}

/// The bodies so far.
pub(super) struct Bulk {
    limits: BulkLimits,
    done: Vec<BulkBody>,
    documents: u64,
    bytes: Vec<u8>,
}

impl Bulk {
    pub(super) fn new(limits: BulkLimits) -> Self {
        Bulk { limits, done: Vec::new(), documents: 0, bytes: Vec::new() }
    }

    /// Adds a document of these fields, to be created in that stream under that id. Neither has anything to escape in it.
    pub(super) fn push(&mut self, stream: &str, id: std::fmt::Arguments<'_>, fields: [&[u8]; 2]) {
        use std::io::Write;
        let begin = self.bytes.len();
        // A Vec takes all.
        let _ = writeln!(self.bytes, "{{\"create\":{{\"_index\":\"{stream}\",\"_id\":\"{id}\"}}}}");
        self.bytes.push(b'{');
        self.bytes.extend_from_slice(fields[0]);
        if !fields[0].is_empty() && !fields[1].is_empty() {
            self.bytes.push(b',');
        }
        self.bytes.extend_from_slice(fields[1]);
        self.bytes.extend_from_slice(b"}\n");
        if self.documents > 0 && (self.bytes.len() > self.limits.bytes || self.documents >= self.limits.documents) {
            let next = self.bytes.split_off(begin);
            self.finish_body();
            self.bytes = next;
        }
        self.documents += 1;
    }

    fn finish_body(&mut self) {
        let (documents, bytes) = (std::mem::take(&mut self.documents), std::mem::take(&mut self.bytes));
        self.done.push(BulkBody { documents, bytes });
    }

    pub(super) fn finish(mut self) -> Vec<BulkBody> {
        if self.documents > 0 {
            self.finish_body();
        }
        self.done
    }
}

//! What became of each document of a `_bulk`.

use serde::Deserialize;

/// The most of a reason that is passed on.
const MOST_REASON: usize = 300;

/// The parts of the answer that are looked at. Others are not asked for.
pub(super) const FILTER: &str = "filter_path=items.*.status,items.*.error.type,items.*.error.reason";

#[derive(Deserialize)]
struct BulkReply {
    #[serde(default)]
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    create: Outcome,
}

#[derive(Deserialize)]
struct Outcome {
    status: u16,
    error: Option<ItemError>,
}

#[derive(Deserialize)]
struct ItemError {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    reason: Option<String>,
}

/// What became of a body's documents.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Settled {
    pub(super) stored: u64,
    pub(super) rejected: u64,
    /// Those that may be taken another time.
    pub(super) again: Vec<u8>,
    pub(super) again_documents: u64,
    /// Why the first was rejected.
    pub(super) reason: Option<String>,
    /// Whether a data stream was missing.
    pub(super) missing: bool,
}

/// The documents of a body: each has two lines.
pub(super) fn documents(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = body;
    std::iter::from_fn(move || {
        let mut ends = rest.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
        let end = ends.nth(1).unwrap_or(rest.len());
        let (document, after) = rest.split_at(end);
        rest = after;
        (!document.is_empty()).then_some(document)
    })
}

impl Settled {
    /// Reads the answer to `body`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(body: &[u8], answer: &[u8]) -> Result<Settled, String> {
        let reply: BulkReply = serde_json::from_slice(answer).map_err(|error| error.to_string())?;
        let documents: Vec<&[u8]> = documents(body).collect();
        if reply.items.len() != documents.len() {
            return Err(format!("it is of {} documents, {} were sent", reply.items.len(), documents.len()));
        }
        let mut settled = Settled::default();
        for (document, Item { create }) in documents.into_iter().zip(reply.items) {
            settled.add(document, create);
        }
        Ok(settled)
    }

    fn add(&mut self, document: &[u8], outcome: Outcome) {
        match outcome.status {
            // A conflict is a document that is there already: a retry of one that had arrived.
            200..=299 | 409 => self.stored += 1,
            404 => {
                self.missing = true;
                self.once_more(document);
            }
            408 | 425 | 429 | 500.. => self.once_more(document),
            status => {
                self.rejected += 1;
                self.reason.get_or_insert_with(|| reason(status, outcome.error));
            }
        }
    }

    fn once_more(&mut self, document: &[u8]) {
        self.again.extend_from_slice(document);
        self.again_documents += 1;
    }

    /// Adds what became of another body's.
    pub(super) fn merge(&mut self, other: Settled) {
        self.stored += other.stored;
        self.rejected += other.rejected;
        self.again.extend(other.again);
        self.again_documents += other.again_documents;
        self.reason = self.reason.take().or(other.reason);
        self.missing |= other.missing;
    }
}

fn reason(status: u16, error: Option<ItemError>) -> String {
    let Some(ItemError { kind, reason }) = error else { return format!("{status}: it gave no reason") };
    let text = format!("{status} {kind}: {}", reason.unwrap_or_default());
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST_REASON).collect()
}

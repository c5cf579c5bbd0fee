//! Replies that are received together.

/// Replies that were received together, in memory that is used again: see
/// [`RingKernel::receive_batch`](super::RingKernel::receive_batch).
///
/// ```
/// # use std::time::Duration;
/// # use ringscope::{DeviceSpec, Replies, RingKernelRuntime};
/// # #[tokio::main] async fn main() -> Result<(), ringscope::RuntimeError> {
/// let runtime = RingKernelRuntime::builder().device(DeviceSpec::Host).kernel("echo").build()?;
/// runtime.launch("w").await?;
/// runtime.activate("w").await?;
/// let kernel = runtime.kernel("w")?;
/// let sent = kernel.send_batch(&["one", "two", "three"]).await?;
/// let (mut replies, mut answered) = (Replies::new(256), Vec::new());
/// while answered.len() < sent.count {
///     kernel.receive_batch(&mut replies, Duration::from_secs(10)).await?;
///     answered.extend(replies.iter().map(|reply| String::from_utf8_lossy(reply.payload).into_owned()));
/// }
/// assert_eq!(answered, ["one", "two", "three"]);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Replies {
    most: usize,
    heads: Vec<Head>,
    /// The payloads, one behind the other.
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Head {
    seq: u64,
    status: u32,
    /// Where its payload ends.
    end: usize,
}

/// One of some [`Replies`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplyRef<'a> {
    /// Number of the message that it answers.
    pub seq: u64,
    /// 0, or the code with which the handler refused the message ([`abi::status`](crate::abi::status)).
    pub status: u32,
    /// What the handler answered; empty where it refused.
    pub payload: &'a [u8],
}

impl Replies {
    /// Makes room for at most `most` replies, and for one where that is 0. Memory is taken when replies come, and kept.
    pub fn new(most: usize) -> Self {
        Replies { most: most.max(1), heads: Vec::new(), bytes: Vec::new() }
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// Returns the one at that place, from 0.
    pub fn get(&self, place: usize) -> Option<ReplyRef<'_>> {
        let Head { seq, status, end } = *self.heads.get(place)?;
        let begin = place.checked_sub(1).map_or(0, |before| self.heads[before].end);
        Some(ReplyRef { seq, status, payload: &self.bytes[begin..end] })
    }

    /// Returns all of them, in the order of completion.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = ReplyRef<'_>> {
        let mut begin = 0;
        self.heads.iter().map(move |head| {
            let payload = &self.bytes[begin..head.end];
            begin = head.end;
            ReplyRef { seq: head.seq, status: head.status, payload }
        })
    }

    pub(super) fn clear(&mut self) {
        self.heads.clear();
        self.bytes.clear();
    }

    pub(super) fn has_room(&self) -> bool {
        self.heads.len() < self.most
    }

    /// Appends a reply, whose payload `put` appends.
    pub(super) fn push(&mut self, seq: u64, status: u32, put: impl FnOnce(&mut Vec<u8>)) {
        put(&mut self.bytes);
        self.heads.push(Head { seq, status, end: self.bytes.len() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reply_has_its_own_bytes_and_memory_is_used_again() {
        let mut replies = Replies::new(3);
        let payloads: [&[u8]; 3] = [b"one", b"", b"three"];
        for _ in 0..2 {
            replies.clear();
            assert!(replies.is_empty() && replies.get(0).is_none() && replies.iter().next().is_none());
            for (n, payload) in payloads.iter().enumerate() {
                assert!(replies.has_room());
                replies.push(7 + n as u64, n as u32, |bytes| bytes.extend_from_slice(payload));
            }
        }
        assert!(!replies.has_room());
        let found: Vec<_> = replies.iter().map(|r| (r.seq, r.status, r.payload)).collect();
        assert_eq!(found, [(7, 0, payloads[0]), (8, 1, payloads[1]), (9, 2, payloads[2])]);
        assert!((0..3).all(|n| replies.get(n).is_some_and(|r| (r.seq, r.payload) == (found[n].0, found[n].2))));
        assert_eq!((replies.len(), replies.iter().len(), replies.get(3)), (3, 3, None));
        assert!(Replies::new(0).has_room());
    }
}

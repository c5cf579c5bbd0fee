//! The replies of one kernel: those of calls go to their callers, the others to receivers.

use std::collections::{HashMap, VecDeque};

use crate::device::{Consumer, Reply};

/// The receiving end of a ring, sorted.
pub(super) struct Inbox {
    ring: Consumer,
    /// Replies to receive that lay in the ring before those of calls; at most `slots` of them, so that a ring whose
    /// replies nobody receives still fills.
    kept: VecDeque<Reply>,
    slots: usize,
    /// By the number of the message. Where nobody calls, nothing is looked up.
    calls: HashMap<u64, Call>,
    taken: u64,
}

/// A message that was sent by a call, until its caller has the reply.
enum Call {
    Waiting,
    Answered(Reply),
    /// Nobody waits any more: the reply is to go nowhere.
    GivenUp,
}

impl Inbox {
    pub(super) fn new(ring: Consumer, slots: u32) -> Self {
        Inbox { ring, kept: VecDeque::new(), slots: slots as usize, calls: HashMap::new(), taken: 0 }
    }

    /// Replies taken from the ring so far.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// The next reply that belongs to no call. Of a kernel that has `ended` also those behind a place that a stopped
    /// block gave up.
    pub(super) fn receive(&mut self, ended: bool) -> Option<Reply> {
        if let Some(reply) = self.kept.pop_front() {
            return Some(reply);
        }
        loop {
            let reply = self.take(ended)?;
            if let Some(reply) = self.deliver(reply) {
                return Some(reply);
            }
        }
    }

    /// Whether [`receive`](Self::receive) has something to give.
    pub(super) fn has_reply(&mut self) -> bool {
        self.sort(false);
        !self.kept.is_empty() || (self.calls.is_empty() && self.ring.is_ready())
    }

    // ---- calls ---------------------------------------------------------------------------------------

    /// Says, before message `n` is sent, that its reply belongs to a call.
    pub(super) fn expect(&mut self, n: u64) {
        self.calls.insert(n, Call::Waiting);
    }

    /// The reply to the call `n`, once.
    pub(super) fn answer(&mut self, n: u64, ended: bool) -> Option<Reply> {
        self.sort(ended);
        match self.calls.get(&n) {
            Some(Call::Answered(_)) => {}
            _ => return None,
        }
        match self.calls.remove(&n) {
            Some(Call::Answered(reply)) => Some(reply),
            _ => None,
        }
    }

    /// Whether [`answer`](Self::answer) has something to give.
    pub(super) fn has_answer(&mut self, n: u64) -> bool {
        self.sort(false);
        matches!(self.calls.get(&n), Some(Call::Answered(_)))
    }

    /// Nobody waits for the reply to `n` any more: it is thrown away, now or when it comes.
    pub(super) fn give_up(&mut self, n: u64) {
        match self.calls.get_mut(&n) {
            Some(Call::Answered(_)) => drop(self.calls.remove(&n)),
            Some(call) => *call = Call::GivenUp,
            None => {}
        }
    }

    /// Takes the replies of calls from the ring, and those that lie before them, as far as these can be kept.
    pub(super) fn sort(&mut self, ended: bool) {
        while !self.calls.is_empty() && self.kept.len() < self.slots {
            let Some(reply) = self.take(ended) else { return };
            let plain = self.deliver(reply);
            self.kept.extend(plain);
        }
    }

    /// Gives a reply to its call; or gives it back, where it belongs to none.
    fn deliver(&mut self, reply: Reply) -> Option<Reply> {
        match self.calls.get_mut(&reply.seq) {
            None => Some(reply),
            Some(Call::GivenUp) => {
                self.calls.remove(&reply.seq);
                None
            }
            Some(call) => {
                *call = Call::Answered(reply);
                None
            }
        }
    }

    fn take(&mut self, ended: bool) -> Option<Reply> {
        let reply = if ended { self.ring.receive_after_end() } else { self.ring.receive() };
        self.taken += u64::from(reply.is_some());
        reply
    }
}

//! The replies of one kernel: those of calls go to their callers, the others to receivers.

use std::collections::{HashMap, VecDeque};

use super::replies::Replies;
use crate::device::{Arrived, Consumer, Reply};

/// The receiving end of a ring, sorted.
pub(super) struct Inbox {
    ring: Consumer,
    /// Whether the ring is another's: it is not looked at any more.
    has_left: bool,
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
        Inbox { ring, has_left: false, kept: VecDeque::new(), slots: slots as usize, calls: HashMap::new(), taken: 0 }
    }

    /// Replies taken from the ring so far.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Takes the next reply that belongs to no call, in place of what is in `reply`; whether there is one. Of a kernel that
    /// has `ended` also one behind a place that a stopped block gave up.
    pub(super) fn receive(&mut self, ended: bool, reply: &mut Reply) -> bool {
        if let Some(kept) = self.kept.pop_front() {
            *reply = kept;
            return true;
        }
        let mut next = || {
            let arrived = self.next(ended)?;
            reply.payload.clear();
            (reply.seq, reply.status) = (arrived.seq, arrived.status);
            self.ring.take(arrived, &mut reply.payload);
            Some(())
        };
        let is_there = next().is_some();
        self.ring.release();
        is_there
    }

    /// Takes such replies as long as there are any, and room in `replies`. The device is told once of all of them.
    pub(super) fn receive_all(&mut self, ended: bool, replies: &mut Replies) {
        while replies.has_room() {
            if let Some(kept) = self.kept.pop_front() {
                replies.push(kept.seq, kept.status, |bytes| bytes.extend_from_slice(&kept.payload));
                continue;
            }
            let Some(arrived) = self.next(ended) else { break };
            replies.push(arrived.seq, arrived.status, |bytes| self.ring.take(arrived, bytes));
        }
        self.ring.release();
    }

    /// The next reply in the ring that belongs to no call, to be taken; those before it go to their calls.
    fn next(&mut self, ended: bool) -> Option<Arrived> {
        loop {
            let arrived = self.arrived(ended)?;
            self.taken += 1;
            if !self.calls.contains_key(&arrived.seq) {
                return Some(arrived);
            }
            let reply = self.owned(arrived);
            self.deliver(reply);
        }
    }

    /// Whether [`receive`](Self::receive) has something to give.
    pub(super) fn has_reply(&mut self) -> bool {
        self.sort(false);
        !self.kept.is_empty() || (self.calls.is_empty() && !self.has_left && self.ring.is_ready())
    }

    fn arrived(&mut self, ended: bool) -> Option<Arrived> {
        if self.has_left { None } else { self.ring.next(ended) }
    }

    /// Takes all replies of a kernel that has ended, and leaves the ring, which is another's from now on.
    pub(super) fn leave(&mut self) {
        while let Some(arrived) = self.arrived(true) {
            self.taken += 1;
            let reply = self.owned(arrived);
            let plain = self.deliver(reply);
            self.kept.extend(plain);
        }
        self.ring.release();
        self.has_left = true;
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
            let Some(arrived) = self.arrived(ended) else { break };
            self.taken += 1;
            let reply = self.owned(arrived);
            let plain = self.deliver(reply);
            self.kept.extend(plain);
        }
        self.ring.release();
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

    fn owned(&mut self, arrived: Arrived) -> Reply {
        let mut reply = Reply { seq: arrived.seq, status: arrived.status, ..Reply::default() };
        self.ring.take(arrived, &mut reply.payload);
        reply
    }
}

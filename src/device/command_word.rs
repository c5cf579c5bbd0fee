//! The word with which the host commands a kernel's blocks, and asks them the time.
//!
//! The word counts the commands. One that repeats the last is a question: the block that polls the word sees a larger
//! one, and answers with what its clock reads, in a word of its own that carries the number of the command. So the answer
//! lies after the question and before the host saw it, and no order between words matters.

use std::mem::offset_of;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::feeder::Feed;
use super::memory::Memory;
use crate::abi::{RingHost, clock_answer, command};

/// A command to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Stay resident, take no messages.
    Hold,
    /// Take messages.
    Run,
    /// Return after the message in hand.
    Stop,
}

/// The only writer of a ring's command.
#[derive(Debug)]
pub(crate) struct CommandWord {
    mapped: Memory,
    /// Where the word is in device memory.
    feed: Option<Arc<Feed>>,
    sent: Mutex<Sent>,
}

/// What was written last.
#[derive(Debug, Default)]
struct Sent {
    word: u64,
    /// The host's time before it was, if it was a question that has no answer yet.
    asked: Option<i64>,
}

/// What a block's clock read at some moment between two of the host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) asked: i64,
    pub(super) device: i64,
}

impl CommandWord {
    /// The word of that mapped memory, or where there is a feeder, that of the ring in device memory.
    pub(super) fn new(mapped: Memory, feed: Option<Arc<Feed>>) -> Self {
        CommandWord { mapped, feed, sent: Mutex::default() }
    }

    /// Tells the kernel what to do from now on.
    pub(super) fn set(&self, next: Command) {
        let low = match next {
            Command::Hold => command::HOLD,
            Command::Run => command::RUN,
            Command::Stop => command::STOP,
        };
        let mut sent = self.lock();
        *sent = Sent { word: next_word(sent.word, low), asked: None };
        match &self.feed {
            None => self.mapped.word(offset_of!(RingHost, command)).store(sent.word, Ordering::Release),
            // Why it was not, the feed keeps.
            Some(feed) => drop(feed.command(sent.word)),
        }
    }

    /// Asks for the time; `now` reads the host's. Whether an answer can be expected: not from who was told to stop.
    pub(super) fn ask(&self, now: impl FnOnce() -> i64) -> bool {
        let mut sent = self.lock();
        let low = sent.word & command::MASK;
        if low == command::STOP {
            return false;
        }
        let (asked, word) = (now(), next_word(sent.word, low));
        if let Some(feed) = &self.feed {
            let was_posted = feed.question(word);
            // Its number is taken all the same: what failed may have been done.
            *sent = Sent { word, asked: was_posted.then_some(asked) };
            return was_posted;
        }
        // Not over what another has written there: whoever ends blocks that the host has given up.
        let place = self.mapped.word(offset_of!(RingHost, command));
        if place.compare_exchange(sent.word, word, Ordering::Release, Ordering::Relaxed).is_err() {
            return false;
        }
        *sent = Sent { word, asked: Some(asked) };
        true
    }

    /// The answer to the last question, once; `near` is about what the device's clock reads.
    pub(super) fn answer(&self, near: i64) -> Option<Answer> {
        let mut sent = self.lock();
        let asked = sent.asked?;
        let word = self.mapped.word(offset_of!(RingHost, clock_answer)).load(Ordering::Acquire);
        let number = sent.word / (command::MASK + 1);
        if word >> clock_answer::BITS != number & clock_answer::NUMBER_MASK || word & clock_answer::TIME_MASK == 0 {
            return None;
        }
        sent.asked = None;
        Some(Answer { asked, device: nearest((word & clock_answer::TIME_MASK) as i64, near) })
    }

    fn lock(&self) -> MutexGuard<'_, Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn next_word(last: u64, low: u64) -> u64 {
    (last / (command::MASK + 1) + 1) * (command::MASK + 1) + low
}

/// The time with those low bits that is nearest to `near`.
fn nearest(low: i64, near: i64) -> i64 {
    let unused = 64 - clock_answer::BITS;
    near + ((low.wrapping_sub(near) << unused) >> unused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upper_bits_of_a_time_are_those_that_bring_it_nearest() {
        let lap = 1i64 << clock_answer::BITS;
        for near in [0, 5, lap / 2, lap - 1, lap, 3 * lap + 17, 1_790_000_000_000_000_000] {
            for by in [0, 1, -1, 1_000_000, -1_000_000, lap / 2 - 1, 1 - lap / 2] {
                let time = near + by;
                assert_eq!(nearest(time & (lap - 1), near), time, "{near} {by}");
            }
        }
    }

    #[test]
    fn a_question_is_a_later_command_that_says_the_same() {
        assert_eq!([0, 1, 6].map(|word| next_word(word, command::RUN)), [5, 5, 9]);
    }
}

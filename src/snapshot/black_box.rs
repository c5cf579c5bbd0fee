//! What a block left in host memory before its kernel died.

use std::fmt;
use std::sync::Arc;

use super::blocks::{Place, WaitsFor, details, place, waits_for};
use crate::abi::at::{IDLE, NAME_BITS, NAME_MASK, RING, TIME_BITS, TIME_MASK, WAIT};
use crate::abi::record::{MESSAGE, MORE, REST, STAMP_BITS, WAYPOINT, WORDS};
use crate::abi::{BOX_WORDS, BoxWord};
use crate::reader::BlockWords;
use crate::trace::{KernelNames, Time};

/// The black box of a shard: its last words, where it was, and what it did before. Read while the kernel runs it is a moment of
/// each word's own, and records that are being overwritten are left out.
///
/// Displayed it is a sentence: `block 17 on SM 4: check 7 failed with value 3 at "mma", message 81213`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BlackBox {
    /// The kernel's id.
    pub kernel: Arc<str>,
    /// The shard: the index of a block, or of a role of a block.
    pub shard: u32,
    /// The multiprocessor that its block is on; `None` if the block did not say.
    pub sm: Option<u32>,
    /// What a `ringscope::check` that failed said; `None` if none has.
    pub last_words: Option<LastWords>,
    /// Where it was.
    pub place: Place,
    /// Since when; `None` if it was nowhere.
    pub since: Option<Time>,
    /// The number of the message in hand; `None` without one, or where the kernel does not know it.
    pub message: Option<u64>,
    /// What it waited for.
    pub waits_for: Option<WaitsFor>,
    /// How many records it has written so far.
    pub written: u64,
    /// The newest of them that are whole, in their order.
    pub records: Vec<BoxRecord>,
}

/// What a check that failed said.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LastWords {
    /// Which check, by its author's number.
    pub code: u32,
    /// The value that it was given.
    pub value: u64,
    /// When it failed.
    pub time: Time,
}

/// One record of a black box.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BoxRecord {
    /// Its number in its box, from 0. A message has two.
    pub number: u64,
    /// When it came there, or when it began with the message.
    pub time: Time,
    /// What it was.
    pub kind: BoxRecordKind,
}

/// What a [`BoxRecord`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BoxRecordKind {
    /// The block came to a place.
    At(Place),
    /// It began to wait at a waypoint, for something that is due or for work.
    Waits(Place),
    /// A message was handled.
    Message {
        /// Its number, where the kernel knows it.
        number: Option<u64>,
        /// How long it was handled; `u32::MAX`, 4.3 s, if longer.
        duration_ns: u32,
        /// What the handler returned, the low 16 bits; 0 is success.
        status: u16,
    },
}

impl BlackBox {
    /// Of a box's words, however they came about; `None` of a block that has not begun. `time` makes a time of the low
    /// bits of the device's clock.
    pub(crate) fn decode(
        words: &[u64],
        kernel: &Arc<str>,
        shard: u32,
        names: &KernelNames,
        time: impl Fn(u64) -> Time,
    ) -> Option<Self> {
        let (head, ring) = words.split_at_checked(BOX_WORDS)?;
        let word = |which: BoxWord| head[which as usize];
        let written = word(BoxWord::Head);
        let at = word(BoxWord::At);
        let block =
            BlockWords { at, expected: word(BoxWord::Expected), seen: word(BoxWord::Seen), ..Default::default() };
        let place = place(at, names);
        let code = word(BoxWord::Code).checked_sub(1).and_then(|code| u32::try_from(code).ok());
        let last_words =
            code.map(|code| LastWords { code, value: word(BoxWord::Value), time: time(word(BoxWord::Time)) });
        let decoded = BlackBox {
            kernel: Arc::clone(kernel),
            shard,
            sm: word(BoxWord::Sm).checked_sub(1).and_then(|sm| u32::try_from(sm).ok()),
            last_words,
            since: (place != Place::Nowhere).then(|| time(at & TIME_MASK)),
            place,
            message: word(BoxWord::Message).checked_sub(1),
            waits_for: waits_for(&block),
            written,
            records: Ring { words: ring, written, names }.records(time),
        };
        head.iter().any(|&word| word != 0).then_some(decoded)
    }

    /// When it last wrote something, by the device's clock.
    fn last_ns(&self) -> Option<u64> {
        let newest = self.since.iter().chain(self.records.last().map(|record| &record.time));
        newest.filter_map(|time| time.device_ns).max()
    }

    /// `block 17 on SM 4`
    fn block(&self) -> String {
        let sm = self.sm.map_or(String::new(), |sm| format!(" on SM {sm}"));
        format!("block {}{sm}", self.shard)
    }

    /// `at "wait_barrier", expected 4, seen 3, message 81213`
    fn whereabouts(&self) -> String {
        let details = details(self.waits_for, self.message);
        if details.is_empty() { self.place.to_string() } else { format!("{}, {details}", self.place) }
    }

    /// What a died kernel's black boxes say of its death, in a sentence without its full stop; `None` where they say nothing.
    pub(crate) fn quote(boxes: &[BlackBox]) -> Option<String> {
        let failed = || boxes.iter().filter_map(|b| Some((b, b.last_words.as_ref()?)));
        if let Some((first, _)) = failed().min_by_key(|(_, words)| words.time.device_ns) {
            return Some(match failed().count() - 1 {
                0 => first.to_string(),
                1 => format!("{first}; and 1 more block failed a check"),
                more => format!("{first}; and {more} more blocks failed checks"),
            });
        }
        // Who has nothing to do does not die of it.
        let works = |b: &BlackBox| b.place != Place::Nowhere && b.waits_for != Some(WaitsFor::Work);
        let last = boxes.iter().max_by_key(|b| (works(b), b.last_ns()))?;
        let how = if works(last) { "was the last at work" } else { "was the last to move" };
        Some(format!("{} {how}: {}", last.block(), last.whereabouts()))
    }
}

impl fmt::Display for BlackBox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.block())?;
        if let Some(LastWords { code, value, .. }) = &self.last_words {
            write!(f, "check {code} failed with value {value} ")?;
        }
        f.write_str(&self.whereabouts())
    }
}

/// The records of a box.
struct Ring<'a> {
    words: &'a [u64],
    written: u64,
    names: &'a KernelNames,
}

/// A record that is whole.
#[derive(Clone, Copy)]
struct Whole {
    time: u64,
    payload: u32,
    name: u64,
    kind: u64,
}

impl Ring<'_> {
    fn len(&self) -> u64 {
        (self.words.len() / WORDS) as u64
    }

    fn records(&self, time: impl Fn(u64) -> Time) -> Vec<BoxRecord> {
        // The one behind the newest may be there before the head says so.
        let numbers = self.written.saturating_sub(self.len())..=self.written;
        let decoded = |number| {
            let (began, kind) = self.decode(number)?;
            Some(BoxRecord { number, time: time(began), kind })
        };
        numbers.filter_map(decoded).collect()
    }

    fn decode(&self, number: u64) -> Option<(u64, BoxRecordKind)> {
        const LONG_MESSAGE: u64 = MESSAGE | MORE;
        let record = self.whole(number)?;
        let kind = match record.kind {
            WAYPOINT => self.place(&record)?,
            LONG_MESSAGE => {
                let rest = self.whole(number.wrapping_add(1)).filter(|rest| rest.kind == REST)?;
                let message = u64::from(rest.payload & 0xffff) << TIME_BITS | rest.time;
                let status = (rest.payload >> 16) as u16;
                // The record has the status too, as far as it fits.
                (u64::from(status) & NAME_MASK == record.name).then_some(())?;
                let number = (message != u64::MAX).then_some(message);
                BoxRecordKind::Message { number, duration_ns: record.payload, status }
            }
            _ => return None,
        };
        Some((record.time, kind))
    }

    fn place(&self, record: &Whole) -> Option<BoxRecordKind> {
        let kind = Some(u64::from(record.payload)).filter(|kind| *kind <= RING)?;
        let place = place((kind << NAME_BITS | record.name) << TIME_BITS, self.names);
        match kind {
            _ if place == Place::Nowhere => None,
            WAIT | IDLE => Some(BoxRecordKind::Waits(place)),
            _ => Some(BoxRecordKind::At(place)),
        }
    }

    /// That record, if both of its words are there and of it.
    fn whole(&self, number: u64) -> Option<Whole> {
        let at = (number.checked_rem(self.len())? as usize) * WORDS;
        let (first, second) = (self.words[at], self.words[at + 1]);
        let stamp = number.wrapping_add(self.len()) as u16;
        const { assert!(STAMP_BITS == u16::BITS && WORDS == 2) };
        let (payload, name, kind) = ((second >> 32) as u32, second >> 20 & NAME_MASK, second >> 16 & 0xf);
        (first as u16 == stamp && second as u16 == stamp).then_some(Whole {
            time: first >> STAMP_BITS,
            payload,
            name,
            kind,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::at;
    use proptest::prelude::*;

    const RECORDS: usize = 64;

    fn names() -> KernelNames {
        KernelNames::new("w", &["load", "mma", "wait_barrier"].map(String::from), &[]).expect("names")
    }

    fn decode(words: &[u64]) -> Option<BlackBox> {
        BlackBox::decode(words, &"w".into(), 17, &names(), |low| Time::device(low, low, 0))
    }

    fn waypoint(name: &str, index: u32) -> Place {
        Place::Waypoint { name: name.into(), index }
    }

    /// What a block writes, as trace.cuh does.
    struct Writer {
        words: Vec<u64>,
        written: u64,
    }

    impl Writer {
        fn new() -> Self {
            Writer { words: vec![0; BOX_WORDS + RECORDS * WORDS], written: 0 }
        }

        fn put(&mut self, which: BoxWord, value: u64) {
            self.words[which as usize] = value;
        }

        fn write(&mut self, time: u64, payload: u64, name: u64, kind: u64) {
            let place = BOX_WORDS + self.written as usize % RECORDS * WORDS;
            let stamp = (self.written + RECORDS as u64) & 0xffff;
            self.words[place] = time << 16 | stamp;
            self.words[place + 1] = payload << 32 | name << 20 | kind << 16 | stamp;
            self.written += 1;
            self.put(BoxWord::Head, self.written);
        }

        fn place(&mut self, kind: u64, name: u64, time: u64) {
            self.put(BoxWord::At, (kind << 12 | name) << 48 | time);
            self.write(time, kind, name, WAYPOINT);
        }

        fn message(&mut self, number: u64, begin: u64, took: u64, status: u64) {
            self.write(begin, took, status & 0xfff, MESSAGE | MORE);
            self.write(number & ((1 << 48) - 1), (status & 0xffff) << 16 | number >> 48, 0, REST);
        }

        fn last_words(&mut self, code: u64, value: u64, time: u64) {
            self.put(BoxWord::Value, value);
            self.put(BoxWord::Time, time);
            self.put(BoxWord::Code, 1 + code);
        }
    }

    #[test]
    fn a_box_says_where_the_block_was_and_what_it_did() {
        let mut w = Writer::new();
        assert_eq!(decode(&w.words), None, "nothing was written");
        w.place(at::WAYPOINT, 0, 100);
        w.message(81_212, 90, 15, 0x1234);
        w.message(u64::MAX, 91, 16, 0);
        w.put(BoxWord::Message, 81_214);
        w.put(BoxWord::Expected, 2 << 48 | 120 << 32 | 4);
        w.put(BoxWord::Seen, 2 << 48 | 120 << 32 | 3);
        w.place(at::WAIT, 2, 120);
        let b = decode(&w.words).expect("a box");
        assert_eq!(b.to_string(), "block 17: at \"wait_barrier\", resource 2, expected 4, seen 3, message 81213");
        let kinds: Vec<_> = b.records.iter().map(|r| (r.number, r.time.unix_ns, r.kind.clone())).collect();
        let message = |number, duration_ns, status| BoxRecordKind::Message { number, duration_ns, status };
        let expected = [
            (0, 100, BoxRecordKind::At(waypoint("load", 0))),
            (1, 90, message(Some(81_212), 15, 0x1234)),
            (3, 91, message(None, 16, 0)),
            (5, 120, BoxRecordKind::Waits(waypoint("wait_barrier", 2))),
        ];
        assert_eq!(kinds, expected);
        w.place(at::WAYPOINT, 1, 130);
        w.last_words(7, 3, 140);
        w.put(BoxWord::Sm, 5);
        let b = decode(&w.words).expect("a box");
        assert_eq!(b.to_string(), "block 17 on SM 4: check 7 failed with value 3 at \"mma\", message 81213");
        assert_eq!(b.written, 7);
    }

    #[test]
    fn a_quote_is_of_the_first_check_that_failed_else_of_who_wrote_last() {
        let of = |shard, write: &dyn Fn(&mut Writer)| {
            let mut w = Writer::new();
            write(&mut w);
            BlackBox { shard, ..decode(&w.words).expect("a box") }
        };
        let waits = of(0, &|w| w.place(at::RING, 0, 900));
        let early = of(1, &|w| w.place(at::WAYPOINT, 0, 100));
        let late = of(2, &|w| w.place(at::WAYPOINT, 1, 200));
        assert_eq!(BlackBox::quote(&[]), None);
        let quote = |boxes: &[&BlackBox]| BlackBox::quote(&boxes.iter().map(|&b| b.clone()).collect::<Vec<_>>());
        let said = quote(&[&waits, &early, &late]);
        assert_eq!(said.as_deref(), Some("block 2 was the last at work: at \"mma\""));
        assert_eq!(quote(&[&waits]).as_deref(), Some("block 0 was the last to move: waiting for a message"));
        let failed = |shard, time| of(shard, &|w| w.last_words(7, 3, time));
        let (second, first) = (failed(3, 300), failed(4, 299));
        let said = quote(&[&late, &second, &first]).expect("words");
        assert_eq!(said, "block 4: check 7 failed with value 3 at no waypoint; and 1 more block failed a check");
    }

    proptest! {
        /// Nothing is invented: each record that is decoded was written, and they are in order.
        #[test]
        fn laps_and_torn_records_give_what_was_written(
            events in prop::collection::vec((0u64..1 << 48, any::<u32>(), any::<u16>(), any::<bool>()), 0..200),
            torn in prop::collection::vec((0usize..RECORDS * WORDS, any::<u64>()), 0..8),
            lag in 0u64..2
        ) {
            let mut w = Writer::new();
            let mut written = std::collections::BTreeMap::new();
            for (time, payload, status, is_message) in events {
                let number = w.written;
                let kind = if is_message {
                    let message = time << 7;
                    w.message(message, time, payload.into(), status.into());
                    BoxRecordKind::Message { number: Some(message), duration_ns: payload, status }
                } else {
                    w.place(at::WAYPOINT, 1, time);
                    BoxRecordKind::At(waypoint("mma", 1))
                };
                written.insert(number, (time, kind));
            }
            let head = w.written.saturating_sub(lag);
            w.put(BoxWord::Head, head);
            let whole = decode(&w.words).map_or(Vec::new(), |b| b.records);
            for record in &whole {
                let expected = written.get(&record.number).expect("it was written");
                prop_assert_eq!(&(record.time.unix_ns, record.kind.clone()), expected);
            }
            prop_assert!(whole.is_sorted_by(|a, b| a.number < b.number));
            // All that fit are there, but for one whose rest is the oldest record.
            let oldest = w.written.saturating_sub(RECORDS as u64);
            prop_assert_eq!(whole.len(), written.keys().filter(|&&n| n >= oldest && n <= head).count());
            // A word that is of another record spoils its own alone.
            for (place, word) in torn {
                let stamp = w.words[BOX_WORDS + place] as u16;
                prop_assume!(word as u16 != stamp);
                w.words[BOX_WORDS + place] = word;
            }
            for record in decode(&w.words).map_or(Vec::new(), |b| b.records) {
                if let Some(expected) = written.get(&record.number) {
                    prop_assert_eq!(&(record.time.unix_ns, record.kind), expected);
                }
            }
        }

        /// Whatever the words are, and however many.
        #[test]
        fn arbitrary_words_make_no_panic(
            words in prop::collection::vec(prop_oneof![any::<u64>(), 0u64..70, Just(u64::MAX)], 0..300)
        ) {
            if let Some(b) = decode(&words) {
                prop_assert!(words.len() >= BOX_WORDS && !b.to_string().is_empty());
                prop_assert!(b.records.len() <= (words.len() - BOX_WORDS) / WORDS + 1);
                prop_assert!(BlackBox::quote(&[b.clone(), b]).is_some());
            }
        }
    }
}

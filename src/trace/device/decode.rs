//! From the words of a ring, copied while a kernel writes it, to records: whole, once, in order; and how many are missing.
//!
//! Nothing orders the words of a copy. A record counts as read where both of its stamps are those of its number; stamps come
//! again, so that it must also be certain that the ring is not that much further: by its head as read after the copy. It is
//! lost where a stamp is newer, or the head says that its place was written again, and not there yet where a stamp is older:
//! what is not seen is not lost, it is waited for, and what is behind it waits as well.

use crate::abi::at::{NAME_MASK, TIME_BITS, TIME_MASK};
use crate::abi::record::{
    EVENT, LOG, LOG_FIRST, LOG_SECOND, MESSAGE, MORE, REAL, REST, SAMPLE, SPAN, STAMP_BITS, TRUSTED, WORDS,
};

/// How far ahead of the reading's clock a record's time may seem to be: 69 s, far more than clocks are wrong.
const AHEAD_NS: u64 = 1 << 36;

/// One ring as it was copied.
#[derive(Clone, Copy, Debug)]
pub struct RingCopy<'a> {
    /// Its words, each in its place; those of records from its head before back to the next one to read are new.
    pub words: &'a [u64],
    /// Its head before they were copied: what is behind it is not looked at.
    pub head_before: u64,
    /// Its head after they were copied.
    pub head_after: u64,
    /// The device's clock after that.
    pub now_ns: u64,
}

/// How far a ring was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The first record that is wanted.
    pub start: u64,
    /// The next record to read.
    pub next: u64,
    /// Records read so far.
    pub read: u64,
    /// Records lost so far.
    pub lost: u64,
    /// The time of the last one that was read.
    last_ns: u64,
    /// Whether nothing was found yet: then what is left of a record that began before is nobody's loss.
    fresh: bool,
}

/// A record of a ring. What takes several places is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decoded {
    /// The number of its first place.
    pub number: u64,
    /// Its time, of the device's clock; of what is missing, that of the record before it.
    pub device_ns: u64,
    /// What it was.
    pub what: What,
    /// The number of its name.
    pub name: u16,
    /// How many places it has in the ring; of what is missing, 0.
    pub places: u8,
}

/// What a record was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum What {
    /// An event, and its value.
    Event(u64),
    /// A span, and how many nanoseconds it took.
    Span(u64),
    /// A sample that is a whole number.
    Whole(u64),
    /// A sample that is any number.
    Real(f64),
    /// A log line's numbers.
    Log(u64, Option<u64>),
    /// A message: its number, the nanoseconds that it took, its status.
    Message(Option<u64>, u64, u32),
    /// So many places whose records are missing.
    Lost(u64),
}

impl Decoded {
    /// Places that it stands for, of which the second are lost.
    pub fn counts(&self) -> (u64, u64) {
        match self.what {
            What::Lost(records) => (0, records),
            _ => (self.places.into(), 0),
        }
    }
}

/// What lies in a place of the ring.
enum Place {
    NotYet,
    Lost,
    Here(Words),
}

/// A whole record's words.
#[derive(Clone, Copy)]
struct Words(u64, u64);

impl Words {
    fn time(self) -> u64 {
        self.0 >> STAMP_BITS
    }

    fn payload(self) -> u64 {
        self.1 >> 32
    }

    fn name(self) -> u16 {
        (self.1 >> 20 & NAME_MASK) as u16
    }

    /// Without the bit that says that a rest follows.
    fn kind(self) -> u64 {
        self.1 >> 16 & (MORE - 1)
    }

    fn more(self) -> bool {
        self.1 >> 16 & MORE != 0
    }

    fn value(self) -> u64 {
        self.time() | (self.payload() & 0xffff) << TIME_BITS
    }

    /// What is beside the value of a rest.
    fn beside(self) -> u64 {
        self.payload() >> 16
    }
}

/// What became of a record and its rests.
enum Whole {
    NotYet,
    /// So many places hold no record that can be told.
    Lost(u64),
    Record(What, u8),
}

impl Cursor {
    /// That of who wants what is written from `head` on, at a moment of the device's clock.
    pub fn at(head: u64, now_ns: u64) -> Self {
        Cursor { start: head, next: head, read: 0, lost: 0, last_ns: now_ns, fresh: true }
    }

    /// Adds to `out` what the copy has, in order, and what is lost, in its place.
    pub fn read(&mut self, ring: &RingCopy<'_>, out: &mut Vec<Decoded>) {
        let records = (ring.words.len() / WORDS) as u64;
        let head = ring.head_before;
        if !records.is_power_of_two() || head <= self.next {
            return;
        }
        let oldest = head.saturating_sub(records);
        if self.next < oldest {
            self.lose(oldest - self.next, out);
        }
        while self.next < head {
            if self.fresh && ring.is_rest(self.next) {
                (self.start, self.next) = (self.start + 1, self.next + 1);
                continue;
            }
            match ring.whole(self.next) {
                Whole::NotYet => return,
                Whole::Lost(places) => self.lose(places, out),
                Whole::Record(what, places) => self.take(ring, what, places, out),
            }
        }
    }

    fn take(&mut self, ring: &RingCopy<'_>, what: What, places: u8, out: &mut Vec<Decoded>) {
        let (words, number) = (ring.words_of(self.next), self.next);
        self.last_ns = time_near(ring.now_ns, words.time());
        let name = if matches!(what, What::Message(..)) { 0 } else { words.name() };
        out.push(Decoded { number, device_ns: self.last_ns, what, name, places });
        self.next += u64::from(places);
        self.read += u64::from(places);
        self.fresh = false;
    }

    fn lose(&mut self, places: u64, out: &mut Vec<Decoded>) {
        self.lost += places;
        self.fresh = false;
        let number = self.next;
        self.next += places;
        if let Some(Decoded { number: first, what: What::Lost(before), .. }) = out.last_mut()
            && *first + *before == number
        {
            *before += places;
            return;
        }
        out.push(Decoded { number, device_ns: self.last_ns, what: What::Lost(places), name: 0, places: 0 });
    }
}

impl RingCopy<'_> {
    fn records(&self) -> u64 {
        (self.words.len() / WORDS) as u64
    }

    fn words_of(&self, number: u64) -> Words {
        let at = (number & (self.records() - 1)) as usize * WORDS;
        Words(self.words[at], self.words[at + 1])
    }

    fn place(&self, number: u64) -> Place {
        if number >= self.head_before {
            return Place::NotYet;
        }
        if self.head_after.saturating_sub(number) >= TRUSTED {
            return Place::Lost;
        }
        let words = self.words_of(number);
        // How many records newer than the one that is looked for.
        let newer = |word: u64| (word as u16).wrapping_sub(number.wrapping_add(self.records()) as u16) as i16;
        match (newer(words.0), newer(words.1)) {
            (0, 0) => Place::Here(words),
            (a, b) if a > 0 || b > 0 => Place::Lost,
            _ => Place::NotYet,
        }
    }

    fn is_rest(&self, number: u64) -> bool {
        matches!(self.place(number), Place::Here(words) if words.kind() == REST)
    }

    /// The rest at that place, if there is one.
    fn rest(&self, number: u64) -> Result<Words, Whole> {
        match self.place(number) {
            Place::Here(words) if words.kind() == REST => Ok(words),
            Place::NotYet => Err(Whole::NotYet),
            // Lost, or of a kernel that ended before it wrote it.
            Place::Here(_) | Place::Lost => Err(Whole::Lost(1)),
        }
    }

    fn whole(&self, number: u64) -> Whole {
        match self.place(number) {
            Place::NotYet => Whole::NotYet,
            Place::Lost => Whole::Lost(1),
            Place::Here(words) => self.assemble(number, words).unwrap_or_else(|not| not),
        }
    }

    /// A record whose rest is lost is lost; the rest's own place is counted when its turn comes.
    fn assemble(&self, number: u64, words: Words) -> Result<Whole, Whole> {
        let rest = |places: u64| self.rest(number + places);
        let last = |places: u64| match rest(places)? {
            rest if rest.more() => Err(Whole::Lost(1)),
            rest => Ok(rest),
        };
        let long = |what: fn(u64) -> What| match words.more() {
            true => Ok(Whole::Record(what(last(1)?.value()), 2)),
            false => Ok(Whole::Record(what(words.payload()), 1)),
        };
        match words.kind() {
            EVENT => long(What::Event),
            SPAN => long(What::Span),
            SAMPLE => long(What::Whole),
            REAL if words.more() => Ok(Whole::Record(What::Real(f64::from_bits(last(1)?.value())), 2)),
            REAL => Ok(Whole::Record(What::Real(f32::from_bits(words.payload() as u32).into()), 1)),
            LOG => self.log(number, words),
            MESSAGE if words.more() => self.message(number, words),
            _ => Err(Whole::Lost(1)),
        }
    }

    fn log(&self, number: u64, words: Words) -> Result<Whole, Whole> {
        let (mut numbers, mut places, mut more) = ([Some(words.payload()), None], 1, words.more());
        while more {
            let rest = self.rest(number + places)?;
            // In this order, each once.
            match (rest.beside(), places) {
                (LOG_FIRST, 1) => numbers[0] = Some(rest.value()),
                (LOG_SECOND, 1 | 2) if numbers[1].is_none() => numbers[1] = Some(rest.value()),
                _ => return Err(Whole::Lost(1)),
            }
            (places, more) = (places + 1, rest.more());
        }
        Ok(Whole::Record(What::Log(numbers[0].unwrap_or_default(), numbers[1]), places as u8))
    }

    fn message(&self, number: u64, words: Words) -> Result<Whole, Whole> {
        let first = self.rest(number + 1)?;
        let known = (first.value() != u64::MAX).then_some(first.value());
        if !first.more() {
            return Ok(Whole::Record(What::Message(known, words.payload(), first.beside() as u32), 2));
        }
        let second = self.rest(number + 2)?;
        if second.more() {
            return Err(Whole::Lost(1));
        }
        let (status, high) = (second.value() as u32, second.value() >> 32);
        Ok(Whole::Record(What::Message(known, high << 32 | words.payload(), status), 3))
    }
}

/// The time whose low bits these are, at or before `now_ns`, give or take what clocks are wrong.
fn time_near(now_ns: u64, low: u64) -> u64 {
    let latest = now_ns.saturating_add(AHEAD_NS);
    latest.saturating_sub(latest.wrapping_sub(low) & TIME_MASK)
}

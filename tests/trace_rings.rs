//! What a copy of a ring that is being written may show, and what is made of it: every record handed out is one that was
//! written, whole, once, in order; and at rest what was written is what was read and what was lost.
#![cfg(feature = "host")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use ringscope::abi::record::{
    EVENT, LOG, LOG_FIRST, LOG_SECOND, MESSAGE, MORE, REAL, REST, SAMPLE, SPAN, TRUSTED, WORDS,
};
use ringscope::trace::{Cursor, Decoded, RingCopy, What};

const NAME: u16 = (1 << 12) - 1;
const LOW48: u64 = (1 << 48) - 1;
/// The device's clock at every look: more than 48 bits.
const NOW: u64 = 5 << 48 | 1 << 40;

/// Something that a kernel records.
#[derive(Clone, Copy, Debug)]
struct Written {
    name: u16,
    time: u64,
    what: What,
}

fn any_value() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), 0..100u64, 0xffff_fff0..0x1_0000_0010u64, Just(u64::MAX)]
}

fn any_what() -> impl Strategy<Value = What> {
    let status = prop_oneof![Just(0), 0..70_000u32, any::<u32>()];
    let number = prop_oneof![Just(None), (0..u64::MAX).prop_map(Some)];
    let real = prop_oneof![any::<f32>().prop_map(f64::from), any::<f64>()].prop_filter("a number", |r| !r.is_nan());
    prop_oneof![
        any_value().prop_map(What::Event),
        any_value().prop_map(What::Span),
        any_value().prop_map(What::Whole),
        real.prop_map(What::Real),
        (any_value(), prop::option::of(any_value())).prop_map(|(first, second)| What::Log(first, second)),
        (number, any_value(), status).prop_map(|(number, took, status)| What::Message(number, took, status)),
    ]
}

fn any_written() -> impl Strategy<Value = Written> {
    (0..=NAME, NOW - (1 << 47)..=NOW, any_what()).prop_map(|(name, time, what)| Written { name, time, what })
}

/// The words of one record of a ring.
fn words(records: u64, number: u64, time: u64, payload: u64, name: u16, kind: u64) -> [u64; WORDS] {
    let stamp = number.wrapping_add(records) & 0xffff;
    [time << 16 | stamp, payload << 32 | u64::from(name & NAME) << 20 | kind << 16 | stamp]
}

impl Written {
    /// All of its records, as the pen writes them.
    fn write(&self, records: u64, first: u64, to: &mut Vec<[u64; WORDS]>) {
        let start = to.len() as u64;
        let number = |to: &Vec<[u64; WORDS]>| first + to.len() as u64 - start;
        let low = |value: u64| value & 0xffff_ffff;
        let put = |to: &mut Vec<_>, payload: u64, name: u16, kind: u64, more: bool| {
            to.push(words(records, number(to), self.time, payload, name, kind | if more { MORE } else { 0 }));
        };
        let rest = |to: &mut Vec<_>, value: u64, beside: u64, more: bool| {
            let kind = REST | if more { MORE } else { 0 };
            to.push(words(records, number(to), value & LOW48, beside << 16 | value >> 48, 0, kind));
        };
        let mut value = |kind, value: u64| {
            put(to, low(value), self.name, kind, value >> 32 != 0);
            if value >> 32 != 0 {
                rest(to, value, 0, false);
            }
        };
        match self.what {
            What::Event(v) => value(EVENT, v),
            What::Span(v) => value(SPAN, v),
            What::Whole(v) => value(SAMPLE, v),
            What::Real(v) => {
                let more = f64::from(v as f32).to_bits() != v.to_bits();
                put(to, u64::from((v as f32).to_bits()), self.name, REAL, more);
                if more {
                    rest(to, v.to_bits(), 0, false);
                }
            }
            What::Log(a, b) => {
                let wide = a >> 32 != 0;
                put(to, low(a), self.name, LOG, wide || b.is_some());
                if wide {
                    rest(to, a, LOG_FIRST, b.is_some());
                }
                if let Some(b) = b {
                    rest(to, b, LOG_SECOND, false);
                }
            }
            What::Message(n, took, status) => {
                put(to, low(took), status as u16 & NAME, MESSAGE, true);
                let more = took >> 32 != 0 || status >> 16 != 0;
                rest(to, n.unwrap_or(u64::MAX), u64::from(status & 0xffff), more);
                if more {
                    rest(to, (took >> 32) << 32 | u64::from(status), 0, false);
                }
            }
            What::Lost(_) => unreachable!("nobody writes that"),
        }
    }

    fn is(&self, decoded: &Decoded) -> bool {
        let same = match (self.what, decoded.what) {
            (What::Real(a), What::Real(b)) => a.to_bits() == b.to_bits(),
            (a, b) => a == b,
        };
        let named = decoded.name == if matches!(self.what, What::Message(..)) { 0 } else { self.name };
        same && named && decoded.device_ns == self.time
    }

    /// As tests/host-shim/pen.cpp reads it.
    fn line(&self) -> String {
        let Written { name, time, what } = self;
        match what {
            What::Event(v) => format!("v {EVENT} {name} {v} {time}\n"),
            What::Span(v) => format!("v {SPAN} {name} {v} {time}\n"),
            What::Whole(v) => format!("v {SAMPLE} {name} {v} {time}\n"),
            What::Real(v) => format!("r {name} {}\n", v.to_bits()),
            What::Log(a, None) => format!("l {name} {a}\n"),
            What::Log(a, Some(b)) => format!("L {name} {a} {b}\n"),
            What::Message(n, took, status) => {
                format!("m {time} {} {} {status}\n", time.wrapping_add(*took), n.unwrap_or(u64::MAX))
            }
            What::Lost(_) => unreachable!("nobody writes that"),
        }
    }
}

// ---- the model is the pen ----------------------------------------------------------------------------

/// Compiled for the CPU.
fn pen() -> std::path::PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join("trace_pen");
    let output = Command::new(std::env::var_os("CXX").unwrap_or_else(|| "c++".into()))
        .args(["-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-DRINGSCOPE_CPU", "-DRINGSCOPE_LEVEL=3", "-I"])
        .arg(root.join("kernels/include"))
        .args(["tests/host-shim/pen.cpp", "kernels/host/shim.cpp"].map(|file| root.join(file)))
        .args(["-pthread", "-o"])
        .arg(&to)
        .output()
        .expect("a C++ compiler, which built the host device");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    to
}

fn words_of_the_pen(pen: &Path, records: u64, before: u64, written: &[Written]) -> Vec<Vec<u64>> {
    let mut child = Command::new(pen)
        .args([records.to_string(), before.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let lines: String = written.iter().map(Written::line).collect();
    let mut input = child.stdin.take().expect("a pipe");
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("no panic").expect("it reads");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("digits");
    text.lines().map(|line| line.split_whitespace().map(|word| word.parse().expect("a word")).collect()).collect()
}

#[test]
fn the_model_writes_what_the_pen_writes() {
    use proptest::strategy::ValueTree as _;
    let pen = pen();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for (records, before) in [(64, 0), (64, 65_500), (16_384, 49_000), (1024, (7 << 32) - 600)] {
        let tree = prop::collection::vec(any_written(), 400).new_tree(&mut runner).expect("a choice");
        // A message's duration that does not fit behind its begin is none that a clock gives.
        let fits = |w: &Written| !matches!(w.what, What::Message(_, took, _) if w.time.checked_add(took).is_none());
        let written: Vec<Written> = tree.current().into_iter().filter(fits).collect();
        let [mut by_pen, mut by_recorder] = [before; 2];
        for (mut one, found) in written.iter().copied().zip(words_of_the_pen(&pen, records, before, &written)) {
            let number = match one.what {
                What::Log(..) | What::Real(_) => {
                    // The recorder looks at the clock itself.
                    one.time = found[0] >> 16;
                    &mut by_recorder
                }
                _ => &mut by_pen,
            };
            let mut expected = Vec::new();
            one.write(records, *number, &mut expected);
            assert_eq!(found, expected.concat(), "{one:?}");
            *number += expected.len() as u64;
        }
    }
}

// ---- memory, as little of it in order as a device promises ---------------------------------------------

/// Records that the head may lag behind what is written, and words behind the head.
const LAG: usize = 40;

/// A ring, its writer, and who copies it. Each word is read whole; of which moment, within the lag and not before the one it was
/// read of last, is the copy's choice.
struct Ring {
    records: u64,
    /// The first number.
    base: u64,
    /// All that is written in the end, in order, by number.
    places: Vec<[u64; WORDS]>,
    /// Which of the [`Written`] begins at a number, if one does.
    begins: Vec<Option<usize>>,
    /// Stores so far: three for each record, both words and the head, in this order.
    stores: usize,
    /// The stores as of which each word, and the head, was read last.
    seen: Vec<usize>,
    seen_head: usize,
}

impl Ring {
    fn new(records: u64, base: u64, written: &[Written]) -> Self {
        let (mut places, mut begins) = (Vec::new(), Vec::new());
        for (i, one) in written.iter().enumerate() {
            begins.push(Some(i));
            one.write(records, base + places.len() as u64, &mut places);
            begins.resize(places.len(), None);
        }
        let seen = vec![0; records as usize * WORDS];
        Ring { records, base, places, begins, stores: 0, seen, seen_head: 0 }
    }

    fn advance(&mut self, stores: usize) {
        self.stores = (self.stores + stores).min(3 * self.places.len());
    }

    /// A moment between the last one that was seen and now, not longer ago than the lag.
    fn moment(&self, seen: usize, choice: usize) -> usize {
        let from = seen.max(self.stores.saturating_sub(3 * LAG));
        from + choice % (self.stores - from + 1)
    }

    fn head(&mut self, choice: usize) -> u64 {
        self.seen_head = self.moment(self.seen_head, choice);
        self.base + self.seen_head as u64 / 3
    }

    fn word(&mut self, at: usize, choice: usize) -> u64 {
        let moment = self.moment(self.seen[at], choice);
        self.seen[at] = moment;
        // Records of whose words this one was stored by then, and the newest of them in this place.
        let stored = (moment + 2 - at % WORDS) / 3;
        let place = (at / WORDS) as u64;
        let first = place.wrapping_sub(self.base) & (self.records - 1);
        match (stored as u64).checked_sub(first + 1) {
            Some(over) => self.places[(first + over / self.records * self.records) as usize][at % WORDS],
            // Of the lap before, if there was one.
            None => match (self.base + first).checked_sub(self.records) {
                Some(number) => words(self.records, number, NOW, 0, 0, EVENT)[at % WORDS],
                None => 0,
            },
        }
    }

    /// One look of the reader: heads, words in some order, heads, with the writer going on in between.
    fn look(&mut self, cursor: &mut Cursor, copy: &mut [u64], choices: &mut Choices, out: &mut Vec<Decoded>) {
        let head_before = self.head(choices.next());
        self.advance(choices.step());
        let oldest = head_before.saturating_sub(self.records).max(cursor.next);
        let mut wanted: Vec<usize> = (oldest..head_before)
            .flat_map(|number| (0..WORDS).map(move |word| (number, word)))
            .map(|(number, word)| (number & (self.records - 1)) as usize * WORDS + word)
            .collect();
        choices.shuffle(&mut wanted);
        for at in wanted {
            copy[at] = self.word(at, choices.next());
            if choices.next().is_multiple_of(8) {
                self.advance(choices.step());
            }
        }
        let head_after = self.head(choices.next());
        let mut new = Vec::new();
        cursor.read(&RingCopy { words: copy, head_before, head_after, now_ns: NOW }, &mut new);
        self.check_lost(&new);
        out.append(&mut new);
    }

    /// Only what was overwritten is lost: what is not seen yet is waited for.
    fn check_lost(&self, new: &[Decoded]) {
        for one in new {
            let (_, lost) = one.counts();
            for number in one.number..one.number + lost {
                let at = (number - self.base) as usize;
                let first = (0..=at).rev().find(|at| self.begins[*at].is_some()).expect("the first one begins");
                assert!(self.stores > 3 * (first + self.records as usize), "{number} is lost, and there");
            }
        }
    }
}

/// Choices of one case, without end.
struct Choices(u64);

impl Choices {
    fn next(&mut self) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb) >> 33) as usize
    }

    /// How far a writer goes on: mostly a little, at times laps, at times as far as stamps come again, or nearly.
    fn step(&mut self) -> usize {
        match self.next() % 200 {
            0 => 3 * 65_536,
            1 => 3 * 65_536 - self.next() % 400,
            2..=6 => self.next() % (3 * 40_000),
            7..=20 => self.next() % 800,
            _ => self.next() % 7,
        }
    }

    fn shuffle(&mut self, all: &mut [usize]) {
        if self.next().is_multiple_of(2) {
            (1..all.len()).for_each(|i| all.swap(i, self.next() % (i + 1)));
        }
    }
}

/// What was handed out is what was written, once, in order, and what is missing is in its place.
fn check(ring: &Ring, written: &[Written], start: u64, out: &[Decoded]) -> u64 {
    let mut next = start;
    for decoded in out {
        assert_eq!(decoded.number, next, "in order, and nothing left out");
        if let What::Lost(places) = decoded.what {
            next += places;
            continue;
        }
        let begun = ring.begins[(decoded.number - ring.base) as usize].expect("it begins there");
        assert!(written[begun].is(decoded), "{decoded:?} is not {:?}", written[begun]);
        next += u64::from(decoded.places);
        let ends = (next - ring.base) as usize;
        assert!(ends == ring.begins.len() || ring.begins[ends].is_some(), "whole: {decoded:?}");
    }
    next
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 64 } else { 512 }))]

    #[test]
    fn what_is_handed_out_was_written_whole_once_in_order(
        some in prop::collection::vec(any_written(), 1..40),
        records in prop::sample::select(vec![64, 128, 1024, 16_384]),
        laps in 0..9u64,
        base in prop_oneof![Just(0), 0..200_000u64],
        before in 0..200usize,
        seed in any::<u64>(),
    ) {
        let mut choices = Choices(seed);
        // As long as the choices may ask for, and of no period that fits a ring's.
        let many = 40 + laps * 8_000;
        let written: Vec<Written> = (0..many).map(|_| some[choices.next() % some.len()]).collect();
        let mut ring = Ring::new(records, base, &written);
        ring.advance(before);
        let head = ring.head(usize::MAX);
        let (mut cursor, mut out) = (Cursor::at(head, NOW), Vec::new());
        let mut copy = vec![0; records as usize * WORDS];
        let mut looks = 0;
        while ring.stores < 3 * ring.places.len() && looks < 40 {
            ring.look(&mut cursor, &mut copy, &mut choices, &mut out);
            ring.advance(choices.step());
            looks += 1;
        }
        check(&ring, &written, cursor.start, &out);
        // The writer rests, and all becomes visible.
        ring.stores = 3 * ring.places.len();
        for _ in 0..3 {
            let head = ring.base + ring.places.len() as u64;
            (0..copy.len()).for_each(|at| copy[at] = ring.word(at, ring.stores - ring.seen[at].max(ring.stores.saturating_sub(3 * LAG))));
            cursor.read(&RingCopy { words: &copy, head_before: head, head_after: head, now_ns: NOW }, &mut out);
        }
        let end = ring.base + ring.places.len() as u64;
        prop_assert_eq!(check(&ring, &written, cursor.start, &out), end);
        prop_assert_eq!(cursor.next, end);
        prop_assert_eq!(cursor.read + cursor.lost, end - cursor.start);
        prop_assert!(cursor.start - head <= 2, "only what is left of a record that began before is not wanted");
        let counted = out.iter().fold((0, 0), |all, one| (all.0 + one.counts().0, all.1 + one.counts().1));
        prop_assert_eq!(counted, (cursor.read, cursor.lost));
    }

    /// Whatever the words are, nothing is handed out that does not stand in them under its number.
    #[test]
    fn any_words_are_read_without_a_panic(
        mut words in prop::sample::select(vec![0, 2, 3, 6, 16, 128, 256])
            .prop_flat_map(|count| prop::collection::vec(any::<u64>(), count)),
        likely in any::<bool>(),
        heads in prop::array::uniform3(prop_oneof![any::<u64>(), 0..500u64, (0..500u64).prop_map(|n| u64::MAX - n)]),
        now_ns in any::<u64>(),
    ) {
        let records = (words.len() / WORDS) as u64;
        if likely && records > 0 {
            // Stamps that fit, or nearly, so that more than one look at them is needed.
            let fit = |(at, word): (usize, &mut u64)| {
                let number = (heads[1].saturating_sub(records) / records + 1)
                    .wrapping_mul(records)
                    .wrapping_add((at / WORDS) as u64);
                *word = *word >> 16 << 16 | number.wrapping_add(*word & 1) & 0xffff;
            };
            words.iter_mut().enumerate().for_each(fit);
        }
        let mut cursor = Cursor::at(heads[0], now_ns);
        let mut out = Vec::new();
        for (head_before, head_after) in [(heads[1], heads[2]), (heads[2], heads[1]), (u64::MAX, u64::MAX)] {
            let copy = RingCopy { words: &words, head_before, head_after, now_ns };
            cursor.read(&copy, &mut out);
            prop_assert_eq!(cursor.next - cursor.start, cursor.read + cursor.lost);
        }
        let mut next = cursor.start;
        for one in &out {
            prop_assert_eq!(one.number, next);
            let (read, lost) = one.counts();
            next += read + lost;
            for number in one.number..one.number + read {
                let at = (number % records) as usize * WORDS;
                let stamp = number.wrapping_add(records) as u16;
                prop_assert!(words[at] as u16 == stamp && words[at + 1] as u16 == stamp, "{one:?} is not there");
            }
        }
        prop_assert_eq!(next, cursor.next);
    }
}

/// Stamps come again: a copy may show words of the same stamp that are of another lap, and only the head tells.
#[test]
fn a_record_of_which_the_ring_is_far_further_is_not_trusted() {
    let written = Written { name: 7, time: NOW, what: What::Event(1) };
    let mut places = Vec::new();
    written.write(64, 65_536, &mut places);
    let mut words = [0; 64 * WORDS];
    words[..WORDS].copy_from_slice(&places[0]);
    let (mut cursor, mut out) = (Cursor::at(0, NOW), Vec::new());
    cursor.read(&RingCopy { words: &words, head_before: 1, head_after: TRUSTED, now_ns: NOW }, &mut out);
    assert!(matches!(out[..], [Decoded { number: 0, what: What::Lost(1), .. }]), "{out:?}");
}

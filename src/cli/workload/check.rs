//! What a right reply is, and the replies put back into the order of the input.

use std::collections::VecDeque;

use crate::cli::workload::args::Work;
use crate::cli::workload::matrices::factors;

/// What the kernel must answer to one message.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    /// This CRC, little-endian.
    Crc(u32),
    /// These bytes.
    Bytes(Vec<u8>),
    /// These sums.
    Sums(Vec<f32>),
    /// This matrix.
    Product(Vec<f32>),
}

impl Expected {
    /// Returns the right answer to `message`.
    pub fn new(work: Work, message: &[u8]) -> Expected {
        match work {
            Work::Crc32c => Expected::Crc(crc32c::crc32c(message)),
            Work::Echo => Expected::Bytes(message.to_vec()),
            Work::VectorAdd => Expected::Sums(sums(message)),
            Work::MatmulF32 => Expected::Product(product(message)),
        }
    }

    /// Whether `reply` is it.
    pub fn is(&self, reply: &[u8]) -> bool {
        match self {
            Expected::Crc(crc) => reply == crc.to_le_bytes(),
            Expected::Bytes(bytes) => reply == &bytes[..],
            Expected::Sums(sums) | Expected::Product(sums) => {
                let same = |(a, b): (f32, &f32)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
                reply.len() == 4 * sums.len() && floats(reply).zip(sums).all(same)
            }
        }
    }

    /// For a person.
    pub fn describe(&self) -> String {
        match self {
            Expected::Crc(crc) => format!("the CRC {crc:08x}"),
            Expected::Bytes(bytes) => format!("the message's own {} bytes", bytes.len()),
            Expected::Sums(sums) => format!("{} sums of f32", sums.len()),
            Expected::Product(elements) => format!("a matrix of {} elements of f32", elements.len()),
        }
    }
}

/// The CRC-32C of the message that a right reply tells of, where it does.
pub fn crc_told(work: Work, reply: &[u8]) -> Option<u32> {
    match work {
        Work::Crc32c => reply.try_into().ok().map(u32::from_le_bytes),
        Work::Echo => Some(crc32c::crc32c(reply)),
        Work::VectorAdd | Work::MatmulF32 => None,
    }
}

/// Fills a message up to what its kernel takes.
pub fn pad(work: Work, message: &mut Vec<u8>) {
    match work {
        Work::VectorAdd => message.resize(message.len().next_multiple_of(8), 0),
        Work::MatmulF32 => *message = factors(message),
        Work::Crc32c | Work::Echo => {}
    }
}

fn product(message: &[u8]) -> Vec<f32> {
    let elements: Vec<f32> = floats(message).skip(4).collect();
    let (a, b) = elements.split_at(elements.len() / 2);
    let side = a.len().isqrt();
    let element = |at: usize| (0..side).map(|i| a[at / side * side + i] * b[i * side + at % side]).sum();
    (0..side * side).map(element).collect()
}

fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> + '_ {
    bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b))
}

fn sums(message: &[u8]) -> Vec<f32> {
    let (a, b) = message.split_at(message.len() / 2);
    floats(a).zip(floats(b)).map(|(a, b)| a + b).collect()
}

/// What the replies, put together in order, say of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileSum {
    /// Its size, once it was streamed to its end.
    pub bytes: Option<u64>,
    /// The CRC-32C that follows from the replies to its messages, where all of them told one.
    pub crc32c: Option<u32>,
    /// What the host computed, if that is something else.
    pub differs_from: Option<u32>,
}

/// Puts results, which come in any order, back into the order of the input, and adds up each file's CRC. Its size is
/// the distance from the oldest message under way to the newest.
pub struct Assembly {
    entries: VecDeque<Entry>,
    first: u64,
    shift: Shift,
    running: Option<u32>,
    files: Vec<FileSum>,
}

enum Entry {
    Waiting { bytes: usize },
    Done { bytes: usize, crc: Option<u32> },
    FileEnd { file: usize, bytes: u64, crc: u32 },
}

impl Assembly {
    /// For so many files, in messages of at most `message_bytes`.
    pub fn new(files: usize, message_bytes: u32) -> Assembly {
        Assembly {
            entries: VecDeque::new(),
            first: 0,
            shift: Shift::new(message_bytes as usize),
            running: Some(0),
            files: vec![FileSum::default(); files],
        }
    }

    /// Messages and ends that wait for an older message's reply.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// What is known of each file.
    pub fn files(&self) -> &[FileSum] {
        &self.files
    }

    /// The next message in order, of so many bytes; returns its place.
    pub fn message(&mut self, bytes: usize) -> u64 {
        self.entries.push_back(Entry::Waiting { bytes });
        self.first + self.entries.len() as u64 - 1
    }

    /// The result at a place: its message's CRC, or none.
    pub fn result(&mut self, place: u64, crc: Option<u32>) {
        let entry = place.checked_sub(self.first).and_then(|i| self.entries.get_mut(i as usize));
        if let Some(entry) = entry
            && let Entry::Waiting { bytes } = *entry
        {
            *entry = Entry::Done { bytes, crc };
        }
        self.advance();
    }

    /// The file's messages are all there; the host's CRC of it.
    pub fn file_end(&mut self, file: usize, bytes: u64, crc: u32) {
        self.entries.push_back(Entry::FileEnd { file, bytes, crc });
        self.advance();
    }

    fn advance(&mut self) {
        while let Some(entry) = self.entries.pop_front() {
            match entry {
                Entry::Waiting { .. } => return self.entries.push_front(entry),
                Entry::Done { bytes, crc } => {
                    let both = self.running.zip(crc);
                    self.running = both.map(|(running, crc)| self.shift.combine(running, crc, bytes));
                }
                Entry::FileEnd { file, bytes, crc } => self.finish(file, bytes, crc),
            }
            self.first += 1;
        }
    }

    /// The first pass over a file is the one that is told of; a later one can only show a difference.
    fn finish(&mut self, file: usize, bytes: u64, host: u32) {
        let told = self.running.replace(0);
        let sum = &mut self.files[file];
        if sum.bytes.is_none() {
            (sum.bytes, sum.crc32c) = (Some(bytes), told);
        }
        if told.is_some_and(|crc| crc != host) {
            (sum.crc32c, sum.differs_from) = (told, Some(host));
        }
    }
}

/// Combines CRCs where the second part mostly has the same length. What a CRC becomes over so many more bytes is
/// linear in its bits, so one look at what becomes of each bit serves all messages.
struct Shift {
    bytes: usize,
    bits: [u32; 32],
}

impl Shift {
    fn new(bytes: usize) -> Shift {
        Shift { bytes, bits: std::array::from_fn(|bit| crc32c::crc32c_combine(1 << bit, 0, bytes)) }
    }

    fn combine(&self, first: u32, second: u32, second_bytes: usize) -> u32 {
        if second_bytes != self.bytes {
            return crc32c::crc32c_combine(first, second, second_bytes);
        }
        let moved = |bit: usize| if first >> bit & 1 == 1 { self.bits[bit] } else { 0 };
        (0..32).fold(second, |sum, bit| sum ^ moved(bit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn out_of_order_results_make_the_files_crc() {
        let data: Vec<u8> = (0..1000u32).map(|i| (i * i / 7) as u8).collect();
        let whole = crc32c::crc32c(&data);
        for size in [1, 7, 64, 999, 1000, 4096] {
            let mut assembly = Assembly::new(1, size as u32);
            let mut results: Vec<(u64, u32)> =
                data.chunks(size).map(|m| (assembly.message(m.len()), crc32c::crc32c(m))).collect();
            assembly.file_end(0, 1000, whole);
            results.sort_by_key(|(place, _)| place % 3);
            assert_eq!(assembly.files()[0], FileSum::default());
            results.into_iter().for_each(|(place, crc)| assembly.result(place, Some(crc)));
            assert_eq!(assembly.files()[0], FileSum { bytes: Some(1000), crc32c: Some(whole), differs_from: None });
            assert_eq!(assembly.len(), 0);
        }
    }

    #[test]
    fn a_refused_message_leaves_its_file_without_a_crc_and_the_next_one_with() {
        let mut assembly = Assembly::new(3, 4);
        let (a, b, c) = (assembly.message(4), assembly.message(4), {
            assembly.file_end(0, 8, 1);
            assembly.message(2)
        });
        assembly.file_end(1, 2, 99);
        assembly.file_end(2, 0, 0);
        assembly.result(c, Some(98));
        assembly.result(b, None);
        assembly.result(a, Some(5));
        assembly.result(a, Some(5));
        let sums = assembly.files();
        assert_eq!(sums[0], FileSum { bytes: Some(8), crc32c: None, differs_from: None });
        assert_eq!(sums[1], FileSum { bytes: Some(2), crc32c: Some(98), differs_from: Some(99) });
        assert_eq!(sums[2], FileSum { bytes: Some(0), crc32c: Some(0), differs_from: None });
    }

    #[test]
    fn right_and_wrong_replies() {
        let message: Vec<u8> = [1.5f32, f32::NAN, 2.0, 1.0].iter().flat_map(|f| f.to_le_bytes()).collect();
        let sum = Expected::new(Work::VectorAdd, &message);
        let reply = |a: f32, b: u32| [a.to_le_bytes(), b.to_le_bytes()].concat();
        assert!(sum.is(&reply(3.5, 0x7fff_ffff)));
        assert!(sum.is(&reply(3.5, 0x7fc0_0000)));
        assert!(!sum.is(&reply(3.5, 0)) && !sum.is(&reply(3.4, 0x7fff_ffff)) && !sum.is(&[]));
        let crc = Expected::new(Work::Crc32c, b"123456789");
        assert!(crc.is(&0xe306_9283u32.to_le_bytes()));
        assert!(!crc.is(&0xe306_9282u32.to_le_bytes()) && !crc.is(b""));
        let echo = Expected::new(Work::Echo, b"abc");
        assert!(echo.is(b"abc") && !echo.is(b"ab"));
        let mut matrices = vec![3, 5, 7];
        pad(Work::MatmulF32, &mut matrices);
        let shape = [2u32, 2, 2, 0].map(u32::to_le_bytes);
        let elements = [3.0f32, 5.0, 7.0, 0.0, 0.0, 0.0, 0.0, 0.0].map(f32::to_le_bytes);
        assert_eq!(matrices, [shape.as_flattened(), elements.as_flattened()].concat());
        let mut matrices = vec![1, 2, 3, 4, 5, 6, 7, 255];
        pad(Work::MatmulF32, &mut matrices);
        let product = [19.0f32, 516.0, 43.0, 1038.0].map(f32::to_le_bytes);
        let expected = Expected::new(Work::MatmulF32, &matrices);
        assert!(expected.is(product.as_flattened()) && !expected.is(&product.as_flattened()[..12]));
        let mut short = vec![1; 9];
        pad(Work::VectorAdd, &mut short);
        assert_eq!(short, [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0]);
    }
}

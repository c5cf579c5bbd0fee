//! A recording that is damaged is read up to its damage, whatever it is, and nothing panics.

use proptest::prelude::*;
use ringscope::TelemetryCollector;
use ringscope::feed::Moment;
use ringscope::recording::{Decoder, Encoder, Reader, RecordingError};
use std::sync::OnceLock;

/// A recording of some moments with a bit of everything, and where each frame ends.
fn sample() -> &'static (Vec<u8>, Vec<usize>) {
    static SAMPLE: OnceLock<(Vec<u8>, Vec<usize>)> = OnceLock::new();
    SAMPLE.get_or_init(|| {
        let collector = TelemetryCollector::new(true);
        collector.monitor_operations().unwrap();
        let depth = collector.gauge("depth", "A gauge").unwrap().on_host().unwrap();
        let sizes = collector.histogram("sizes", "A histogram").unwrap().buckets(&[1.0, 10.0]).on_host().unwrap();
        let mut encoder = Encoder::new();
        let (mut bytes, mut ends) = (encoder.header(), Vec::new());
        for i in 0..6u32 {
            collector.record_error("a", &format!("error {i}")).unwrap();
            depth.set(f64::from(i) / 3.0);
            sizes.observe(f64::from(i));
            collector.operation("resize").start().unwrap().fail("no room");
            bytes.extend(encoder.encode(&Moment::of_snapshot(collector.snapshot().unwrap())));
            ends.push(bytes.len());
        }
        (bytes, ends)
    })
}

/// How many moments are read, and what comes then.
fn read(bytes: &[u8]) -> (usize, Result<(), RecordingError>) {
    let mut decoder = Decoder::new();
    decoder.push(bytes);
    let mut moments = 0;
    loop {
        match decoder.next() {
            Ok(Some(moment)) => {
                moments += 1;
                // What was read can be looked at.
                moment.snapshot.export_json_full().unwrap();
                moment.snapshot.stuck();
            }
            Ok(None) => return (moments, Ok(())),
            Err(error) => {
                assert_eq!(decoder.next().unwrap_err(), error, "it stays at its error");
                return (moments, Err(error));
            }
        }
    }
}

fn checksummed(kind: u8, body: &[u8]) -> Vec<u8> {
    let content = [&[kind], body].concat();
    let head = [(content.len() as u32).to_le_bytes(), crc32c::crc32c(&content).to_le_bytes()].concat();
    [head, content].concat()
}

#[test]
fn a_recording_that_ends_anywhere_gives_the_whole_frames_before() {
    let (bytes, ends) = sample();
    for length in 0..=bytes.len() {
        let whole = ends.iter().filter(|end| **end <= length).count();
        assert_eq!(read(&bytes[..length]), (whole, Ok(())), "{length} of {} bytes", bytes.len());
    }
}

#[test]
fn a_changed_byte_ends_it_there() {
    let (bytes, ends) = sample();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        let (moments, end) = read(&changed);
        let before = ends.iter().filter(|end| **end <= at).count();
        assert_eq!(moments, before, "byte {at}");
        match end {
            Err(RecordingError::Damaged { offset, .. }) => assert!(offset as usize <= at, "{offset} for {at}"),
            Err(RecordingError::NotARecording | RecordingError::UnknownVersion { .. }) => assert!(at < 8),
            // A length that became longer than what is there.
            Ok(()) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_file_says_where_it_is_damaged() {
    let (bytes, ends) = sample();
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut changed = bytes.clone();
    changed[ends[2] + 20] ^= 1;
    std::fs::write(file.path(), &changed).unwrap();
    let mut reader = Reader::open(file.path()).unwrap();
    assert_eq!(reader.by_ref().count(), 3);
    let [damage] = reader.damage() else { panic!("{:?}", reader.damage()) };
    assert_eq!((damage.offset, damage.lost_bytes), (ends[2] as u64, (bytes.len() - ends[2]) as u64));
    assert!(damage.to_string().contains(&format!("is damaged at byte {}", ends[2])), "{damage}");
    // Of a version to come.
    changed[6] = u8::MAX;
    std::fs::write(file.path(), &changed).unwrap();
    let error = Reader::open(file.path()).unwrap_err();
    assert!(error.to_string().contains("version 255") && error.to_string().contains("newer"), "{error}");
    // Of a program that was killed before it wrote anything.
    std::fs::write(file.path(), "").unwrap();
    assert_eq!(Reader::open(file.path()).unwrap().count(), 0);
    std::fs::write(file.path(), "rs").unwrap();
    assert_eq!(Reader::open(file.path()).unwrap().count(), 0);
    std::fs::write(file.path(), "rr").unwrap();
    assert_eq!(Reader::open(file.path()).unwrap_err(), RecordingError::NotARecording);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_no_reason_to_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes);
        let (sample, ends) = sample();
        let behind = [&sample[..ends[1]], &bytes].concat();
        prop_assert_eq!(read(&behind).0, 2);
    }

    /// Whole frames with some of their bytes changed and the checksum made right.
    #[test]
    fn frames_with_other_bytes_are_no_reason_to_panic(
        frame in 1usize..6, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)
    ) {
        let (sample, ends) = sample();
        let mut body = sample[ends[frame - 1] + 9..ends[frame]].to_vec();
        for (at, byte) in &changes {
            let at = at.index(body.len());
            body[at] = *byte;
        }
        let kind = sample[ends[frame - 1] + 8];
        let _ = read(&[&sample[..ends[frame - 1]], &checksummed(kind, &body)].concat());
    }

    #[test]
    fn a_stream_may_come_in_any_pieces(cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20)) {
        let (bytes, ends) = sample();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut decoder = Decoder::new();
        let mut moments = 0;
        for piece in cuts.windows(2) {
            decoder.push(&bytes[piece[0]..piece[1]]);
            while decoder.next().unwrap().is_some() {
                moments += 1;
            }
        }
        prop_assert_eq!(moments, ends.len());
    }
}

proptest! {
    // Each of them may say that there are very many things.
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// Frames with a right checksum that nobody wrote, as the first one and as one that goes on.
    #[test]
    fn frames_of_any_bytes_are_no_reason_to_panic(bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..3)) {
        let (sample, ends) = sample();
        for begin in [&sample[..8], &sample[..ends[1]]] {
            for kind in 0..4 {
                let frames = bodies.iter().flat_map(|body| checksummed(kind, body));
                let _ = read(&begin.iter().copied().chain(frames).collect::<Vec<u8>>());
            }
        }
    }
}

//! A moment that is replayed is the one that was recorded.

use ringscope::feed::Moment;
use ringscope::recording::{Decoder, Encoder};

use crate::traffic::Traffic;

pub fn replayed(bytes: &[u8]) -> Vec<Moment> {
    let mut decoder = Decoder::new();
    decoder.push(bytes);
    std::iter::from_fn(|| decoder.next().expect("it is whole")).collect()
}

#[test]
fn snapshots_of_device_kernels_come_back_as_they_were() {
    let mut traffic = Traffic::new(5, 3);
    let mut encoder = Encoder::new();
    let mut bytes = encoder.header();
    let mut originals = Vec::new();
    for _ in 0..20 {
        traffic.work(1.0);
        let moment = Moment::of_snapshot(traffic.snapshot());
        bytes.extend(encoder.encode(&moment));
        originals.push(moment);
    }
    let replayed = replayed(&bytes);
    assert_eq!(replayed.len(), originals.len());
    for (now, then) in replayed.iter().zip(&originals) {
        assert_eq!(now.snapshot.export_json_full().unwrap(), then.snapshot.export_json_full().unwrap());
        assert!(now.snapshot.blocks("worker_1").is_some_and(|blocks| blocks.len() == 3));
    }
}

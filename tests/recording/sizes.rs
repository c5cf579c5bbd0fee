//! How many bytes a moment takes, how long that takes, and how fast it is replayed. `benches/recording.rs` prints the same.

use std::time::{Duration, Instant, SystemTime};

use ringscope::Snapshot;
use ringscope::feed::Moment;
use ringscope::recording::{Decoder, Encoder};

use crate::traffic::Traffic;

/// What a recording of some traffic came to.
#[derive(Debug)]
pub struct Sizes {
    pub moments: u64,
    pub bytes: u64,
    pub bytes_of_each: Vec<usize>,
    pub encoding: Duration,
    pub decoding: Duration,
}

impl Sizes {
    /// Records a moment each second of traffic.
    pub fn of(traffic: &mut Traffic, moments: u64, encoder: Encoder, rate: f64) -> Sizes {
        let mut encoder = encoder;
        let begun = SystemTime::now();
        let mut stream = encoder.header();
        let mut sizes =
            Sizes { moments, bytes: 0, bytes_of_each: Vec::new(), encoding: Duration::ZERO, decoding: Duration::ZERO };
        for second in 1..=moments {
            traffic.work(rate);
            let moment = Moment::of_snapshot(at(&traffic.snapshot(), begun, second).into());
            let before = Instant::now();
            let frame = encoder.encode(&moment);
            sizes.encoding += before.elapsed();
            sizes.bytes_of_each.push(frame.len());
            stream.extend(frame);
        }
        sizes.bytes = stream.len() as u64;
        let before = Instant::now();
        let mut decoder = Decoder::new();
        decoder.push(&stream);
        let mut read = 0;
        while decoder.next().expect("it is whole").is_some() {
            read += 1;
        }
        sizes.decoding = before.elapsed();
        assert_eq!(read, moments);
        sizes
    }

    pub fn bytes_a_moment(&self) -> u64 {
        self.bytes / self.moments
    }
}

/// The snapshot as if it had been taken so many seconds after the begin.
fn at(snapshot: &Snapshot, begun: SystemTime, second: u64) -> Snapshot {
    let mut shifted = snapshot.clone();
    // A timer is late now and then.
    let late = Duration::from_nanos(snapshot.sequence.wrapping_mul(0x9e37_79b9) % 300_000);
    shifted.time = begun + Duration::from_secs(second) + late;
    let shift = shifted.time.duration_since(snapshot.time).unwrap_or_default();
    for kernel in &mut shifted.kernels {
        kernel.last_message_time = kernel.last_message_time.map(|time| time + shift);
        kernel.last_sign_of_life = kernel.last_sign_of_life.map(|time| time + shift);
        kernel.uptime += shift;
        let seconds = kernel.uptime.as_secs_f64();
        kernel.throughput = kernel.messages_processed as f64 / seconds;
        kernel.busy_ratio = (kernel.busy_time.as_secs_f64() / (seconds * f64::from(kernel.blocks))).min(1.0);
    }
    shifted
}

#[test]
fn a_hundred_busy_kernels_fit_into_100_mb_a_day_once_the_credit_is_used_up() {
    // The credit of a day of 100 kB is used up at once; what follows is what a recording comes to.
    let encoder = Encoder::new().bytes_per_day(Some(100_000));
    let sizes = Sizes::of(&mut Traffic::new(100, 4), 150, encoder, 0.5);
    println!("encoding {:?}, decoding {:?}", sizes.encoding / 150, sizes.decoding / 150);
    // Everything is told once in two minutes.
    let last: usize = sizes.bytes_of_each[30..].iter().sum::<usize>() / 120;
    println!("{last} bytes a moment: {:?}", sizes.bytes_of_each);
    assert!(last <= 100_000_000 / 86_400, "{last} bytes a moment: {:?}", sizes.bytes_of_each);
}

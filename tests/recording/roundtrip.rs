//! A moment that is replayed is the one that was recorded.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ringscope::feed::Moment;
use ringscope::recording::{Decoder, Encoder};
use ringscope::{KernelTelemetry, Snapshot};

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

/// What is told in few bytes: counts are exact, times nearly, and nothing goes back.
#[test]
fn lean_moments_have_exact_counts_and_times_to_a_thousandth() {
    let mut traffic = Traffic::new(4, 2);
    let mut encoder = Encoder::new().bytes_per_day(Some(1));
    let mut bytes = encoder.header();
    let mut originals: Vec<Arc<Snapshot>> = Vec::new();
    for second in 1..=50 {
        traffic.work(1.0);
        let mut snapshot = (*traffic.snapshot()).clone();
        let shift = Duration::from_secs(second);
        snapshot.time += shift;
        for kernel in &mut snapshot.kernels {
            kernel.last_message_time = kernel.last_message_time.map(|time| time + shift);
            kernel.last_sign_of_life = kernel.last_sign_of_life.map(|time| time + shift);
            kernel.uptime += shift;
        }
        originals.push(snapshot.into());
        bytes.extend(encoder.encode(&Moment::of_snapshot(Arc::clone(&originals[second as usize - 1]))));
    }
    let replayed = replayed(&bytes);
    assert_eq!(replayed.len(), originals.len());
    let mut with_buckets = 0;
    for (i, (now, then)) in replayed.iter().zip(&originals).enumerate() {
        let (now, before) = (&now.snapshot, i.checked_sub(1).map(|before| &replayed[before].snapshot));
        assert_eq!((now.sequence, now.time), (then.sequence, then.time));
        for (k, (now, then)) in now.kernels.iter().zip(&then.kernels).enumerate() {
            let counts = |k: &KernelTelemetry| {
                [
                    k.messages_received,
                    k.messages_sent,
                    k.messages_processed,
                    k.errors,
                    k.bytes_in,
                    k.bytes_out,
                    k.queue_depth,
                ]
            };
            assert_eq!((counts(now), now.state), (counts(then), then.state), "{i}");
            // A thousandth of the second and a little that lies between two moments.
            let near = |a: Duration, b: Duration| a.abs_diff(b) < Duration::from_micros(1100);
            assert!(near(now.busy_time, then.busy_time) && near(now.wait_time, then.wait_time), "{i}: {now:?}");
            assert!(near(now.uptime, then.uptime), "{i}: {:?} {:?}", now.uptime, then.uptime);
            let since = |time: Option<SystemTime>| time.unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap();
            assert!(near(since(now.last_message_time), since(then.last_message_time)), "{i}");
            assert!(near(since(now.start_time), since(then.start_time)), "{i}");
            assert!((now.error_rate - then.error_rate).abs() < 1e-12);
            if let Some(before) = before {
                assert!(now.busy_time >= before.kernels[k].busy_time && now.polls >= before.kernels[k].polls);
                let rate = now.rates.iter().next();
                assert!(rate.is_none_or(|rate| rate.messages_per_second >= 0.0));
            }
        }
        with_buckets += usize::from(now.kernels[0].histogram == then.kernels[0].histogram);
    }
    assert!((3..10).contains(&with_buckets), "{with_buckets} moments have their own buckets");
}

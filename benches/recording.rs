//! What a recording costs: bytes and time of a moment, and how fast it is replayed, of busy kernels of four blocks that are read
//! each second. `cargo bench --bench recording`; it prints a table.
#![allow(unsafe_code)]

#[path = "../tests/recording/sizes.rs"]
mod sizes;
#[path = "../tests/recording/traffic.rs"]
mod traffic;

use ringscope::recording::Encoder;
use sizes::Sizes;
use traffic::Traffic;

/// Less says nothing of key frames, which come every 600.
const MOMENTS: u64 = 1200;
/// To see that it works, with `--test`.
const FEW: u64 = 20;
const DAY: f64 = 86_400.0;

fn main() {
    println!(
        "kernels  told                    bytes a moment  MB a day  µs to encode  % of a core  replay, times real time"
    );
    let moments = if std::env::args().any(|argument| argument == "--test") { FEW } else { MOMENTS };
    // 1 byte a day is the least that is told; what the default comes to once the credit of a day is used up.
    let budgets =
        [("everything", None), ("within 100 MB a day", Some(Encoder::DEFAULT_BYTES_PER_DAY)), ("the least", Some(1))];
    for kernels in [1, 10, 100] {
        for (name, bytes_per_day) in budgets {
            let encoder = Encoder::new().bytes_per_day(bytes_per_day);
            let sizes = Sizes::of(&mut Traffic::new(kernels, 4), moments, encoder, 1.0);
            let bytes = sizes.bytes_a_moment();
            let encode = sizes.encoding.as_secs_f64() / moments as f64;
            println!(
                "{kernels:>7}  {name:<22}  {bytes:>14}  {:>8.1}  {:>12.1}  {:>11.3}  {:>23.0}",
                bytes as f64 * DAY / 1e6,
                encode * 1e6,
                encode * 100.0,
                moments as f64 / sizes.decoding.as_secs_f64(),
            );
        }
    }
}

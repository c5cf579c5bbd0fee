//! What is not as it was: on-line detectors for each series, without training and without limits that somebody has to set.
//!
//! A [`Detector`] is given the values of one series, one after the other, and says of each how unusual it is, from 0 to 1, and
//! what it found: a [`Finding`] with what was expected, what was seen and how sure that is. A [`Distribution`] does the same
//! with histograms: it finds that latencies have become others, even where their mean and their median have not. A [`Watch`]
//! does both for each kernel of each snapshot.
//!
//! ```
//! use std::time::{Duration, SystemTime};
//! use ringscope::alert::anomaly::{Detector, FindingKind};
//!
//! let mut detector = Detector::new("messages_per_second");
//! let mut time = SystemTime::UNIX_EPOCH;
//! let mut found = Vec::new();
//! for second in 0..600 {
//!     let value = if second < 500 { 100.0 + f64::from(second * 7 % 5) } else { 40.0 };
//!     found.extend(detector.push(time, value).finding);
//!     time += Duration::from_secs(1);
//! }
//! assert_eq!(found.len(), 1);
//! assert!(found[0].score > 0.9 && found[0].expected > 99.0 && found[0].seen == 40.0);
//! ```
//!
//! A cycle that was seen before is none. How much a kernel is given to do is no finding of a [`Watch`]; of a
//! single series nothing is known but its values, and there a load that changes is a change. `docs/anomalies.md` has the formulas,
//! and what the detectors reach on labelled series.

mod detector;
mod distribution;
mod drift;
mod finding;
mod kernel;
mod memory;
mod surprise;
mod watch;

pub use detector::{Detector, Scored};
pub use distribution::Distribution;
pub use finding::{Finding, FindingKind, Measure, Moved};
pub use watch::Watch;

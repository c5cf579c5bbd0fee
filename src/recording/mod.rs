//! Recordings: moments as bytes, in a file or a stream, and back.
//!
//! A recording is a mark and then checksummed frames, each of which is one [`Moment`](crate::feed::Moment): whole (a key frame),
//! or as it differs from the one before. [`Encoder`] and [`Decoder`] are pure: bytes out, bytes in. [`Reader`] reads files, with the
//! parts that were rotated. docs/recordings.md describes the format.
//!
//! ```
//! use ringscope::feed::Moment;
//! use ringscope::recording::{Decoder, Encoder};
//!
//! let telemetry = ringscope::TelemetryCollector::new(true);
//! telemetry.record_processed("parser", None)?;
//! let mut encoder = Encoder::new();
//! let mut bytes = encoder.header();
//! bytes.extend(encoder.encode(&Moment::of_snapshot(telemetry.snapshot()?)));
//!
//! let mut decoder = Decoder::new();
//! decoder.push(&bytes);
//! let moment = decoder.next()?.expect("there is one");
//! assert_eq!(moment.snapshot.kernel("parser").unwrap().messages_processed, 1);
//! assert!(decoder.next()?.is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod decoder;
mod encoder;
mod error;
mod extent;
mod frame;
mod kernels;
mod level;
mod moment;
mod packed;
mod range;
mod reader;
mod source;
mod whole;
mod windows;

pub use decoder::Decoder;
pub use encoder::Encoder;
pub(crate) use extent::Extent;
pub(crate) use reader::parts;

pub use error::{Damage, RecordingError};
pub use reader::Reader;
pub use source::Source;

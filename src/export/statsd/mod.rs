//! DogStatsD: counts as what was added, gauges, distributions with a weight for each value, and events; a line each, in packets.

mod events;
mod format;
mod lines;
mod packets;
mod rate;

pub(crate) use events::{application_event, kernel_event};
pub(crate) use format::{Format, tag};
pub(crate) use lines::{ClientCounts, metrics, telemetry};
pub(crate) use packets::{Packet, Packets};

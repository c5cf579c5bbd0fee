//! CloudWatch: data points of metrics, as PutMetricData takes them and as lines of the embedded metric format. What its limits
//! do not allow is left out and counted.

mod calls;
mod datum;
mod emf;

pub(crate) use calls::{Call, calls};
pub(crate) use datum::{Datum, Dimension, Format};
pub(crate) use emf::emf;

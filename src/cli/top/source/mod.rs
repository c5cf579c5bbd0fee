//! Where moments come from: kernels that are launched here, a server, a recording. Each runs on a thread of its own and tells
//! what it knows by a queue.

pub mod address;
pub mod connect;
pub mod events;
pub mod order;
pub mod pump;
pub mod replay;

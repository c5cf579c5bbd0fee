//! Where kernels run: [`Device`], its CUDA and its host implementation. Nothing above this folder names CUDA,
//! and all unsafe code of the crate lives here, but for that of its C interface.
//!
//! # What waits for what
//!
//! A ring kernel stays on the device for hours, so no call here waits for one, with these exceptions:
//! [`allocate`](Device::allocate), [`allocate_mapped`](Device::allocate_mapped), [`copier`](Device::copier),
//! [`load`](Device::load) and [`reserve_launches`](Device::reserve_launches) may wait, on CUDA, until every kernel on the
//! GPU has ended: they come before the first launch. Opening a device and `load` also wait, for seconds at the first time on
//! a machine, until the driver has compiled PTX, where there is no machine code ([`DeviceInfo::kernel_code`]). [`Copier::copy`] waits for its own copy, on a stream of its own, and
//! at most for the limit that it is given. [`Launch::ended`] asks and does not wait. Dropping memory, modules and launches
//! of CUDA frees nothing while a kernel runs that was launched on, or made known to, any device of this process on that GPU.
#![allow(unsafe_code)]

mod args;
mod args_layout;
mod carveout;
#[cfg_attr(not(all(feature = "cuda", feature = "host")), allow(dead_code, reason = "only a GPU's clock is fitted"))]
mod clock_fit;
#[cfg_attr(not(all(feature = "cuda", feature = "host")), allow(dead_code, reason = "only a GPU's clock is fitted"))]
mod clock_line;
#[cfg_attr(not(all(feature = "cuda", feature = "host")), allow(dead_code, reason = "only a GPU's clock is fitted"))]
mod command_word;
#[cfg(feature = "cuda")]
pub mod cuda;
mod error;
mod feeder;
#[cfg(feature = "host")]
pub mod host;
mod info;
mod level;
mod memory;
mod metric_table;
#[doc(hidden)] // for the program's doctor and bench
pub mod probe;
mod record_memory;
mod ring;
mod ring_place;
mod ring_shape;
mod ring_words;
mod sealed;
mod select;
mod sent_times;
mod slab;
mod source;
#[cfg_attr(not(all(feature = "cuda", feature = "host")), allow(dead_code, reason = "only a GPU's clock is fitted"))]
mod timekeeper;
#[cfg_attr(not(all(feature = "cuda", feature = "host")), allow(dead_code, reason = "only a GPU's clock is fitted"))]
mod timeline;
mod traits;

pub use args::{KernelArgs, MAX_ARGS_BYTES};
pub use args_layout::ArgsLayout;
pub use carveout::Carveout;
pub(crate) use command_word::Command;
#[cfg(feature = "cuda")]
pub use cuda::CudaDevice;
pub(crate) use error::thread_remedy;
pub use error::{CudaUnavailable, DeviceError};
pub(crate) use feeder::Feed;
#[doc(hidden)]
pub use feeder::{Feeder, Staged};
#[cfg(feature = "host")]
pub use host::HostDevice;
pub use info::{ClockSample, DeviceInfo, DeviceKind, KernelCode};
pub use level::Level;
pub use memory::Memory;
pub use metric_table::MetricTable;
pub(crate) use record_memory::{BlackBoxes, RingsLayout};
pub use ring::Reply;
pub(crate) use ring::{Arrived, Batch, Consumer, Producer};
pub(crate) use ring_place::{IdleRing, RingLaunch, RingPlace};
pub(crate) use ring_shape::{InputMemory, RingShape};
pub(crate) use ring_words::RingWords;
#[doc(hidden)]
pub use sealed::Internal;
pub use select::{DeviceSpec, ParseDeviceSpecError, Selected, auto, open};
pub(crate) use slab::{LatencyKind, RowRange, ShardRange, SlabLayout, SlabRange, shard};
pub use source::{Builtin, HEADERS, HostEntry, HostKernel, HostSource, KernelSource};
#[doc(hidden)]
pub use timekeeper::Timekeeper;
#[doc(hidden)]
pub use timeline::Timeline;
pub use traits::{Copier, Device, Kernel, Launch, SharedDevice};

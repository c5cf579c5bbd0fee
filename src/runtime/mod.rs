//! [`RingKernelRuntime`]: launches ring kernels, talks to them, and knows what they are doing.
//!
//! Every call has an async form, which never blocks a tokio worker, and a blocking form for use without tokio.
//! A kernel's life: `launch` (resident, takes no messages), `activate`, `deactivate`, `terminate`. Messages that
//! are still queued when a kernel is terminated are counted as dropped; replies may be received after its end.

mod builder;
mod devices;
mod error;
mod handle;
mod input_ring;
mod kernel;
mod life;
mod limit;
mod memory;
mod nap;
mod on_device;
mod options;
mod places;
mod readings;
mod traffic;
mod wait;
mod waker;

pub use crate::device::Reply;
pub use builder::RuntimeBuilder;
pub use error::RuntimeError;
pub use handle::RingKernelRuntime;
pub use input_ring::{InputRing, MeasuredInputRing};
pub use kernel::{Replies, ReplyRef, RingKernel, SentBatch};
pub use life::Shutdown;
pub use options::LaunchOptions;

//! The CUDA device, over cudarc. The driver is loaded at run time: this builds and tests without CUDA.
//!
//! While a ring kernel runs, whatever waits for the whole GPU waits for ever. So every stream here is
//! non-blocking, nothing is freed or unloaded under a kernel (`gpu.rs`), nothing synchronizes (`driver::wait`
//! asks and gives up), and code is loaded in full before the first launch (`module.rs`).

mod clock;
mod copier;
mod device;
mod driver;
mod embedded;
mod feeder;
mod found;
mod gpu;
mod memory;
mod module;
mod names;
mod nvrtc;
mod occupancy;
mod parameters;
mod pieces;

pub use cudarc;
pub use device::CudaDevice;
pub use nvrtc::{compile, nvrtc_version};

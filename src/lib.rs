//! ringscope
pub mod abi;
pub mod collector;
pub mod device;
pub mod histogram;
pub mod reader;
pub mod runtime;
pub mod snapshot;
pub use collector::{KernelHandle, TelemetryCollector, TelemetryConfig, TelemetryError};
pub use device::{Builtin, DeviceError, DeviceSpec, KernelSource, Level};
pub use runtime::{LaunchOptions, Reply, RingKernel, RingKernelRuntime, RuntimeBuilder, RuntimeError};
pub use snapshot::{KernelState, KernelTelemetry, Latency, Snapshot, Summary};

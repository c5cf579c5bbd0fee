//! What the probe takes.

use bytemuck::{Pod, Zeroable};

use crate::abi::KernelRef;

/// The argument of the probe; the mirror of `ringscope_probe_args`.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
pub struct ProbeArgs {
    pub(super) telemetry: KernelRef,
    pub(super) input: u64,
    pub(super) output: u64,
    pub(super) words: u64,
    pub(super) stop: u64,
    pub(super) what: u64,
    pub(super) count: u64,
    pub(super) rounds: u64,
    pub(super) scale: u64,
}
const _: () = assert!(size_of::<ProbeArgs>() == 160, "kernels/probe/probe.cu has the same twenty words");

#[derive(Clone, Copy)]
pub(super) enum What {
    Slots = 0,
    Tick = 1,
    Halves = 2,
    Clock = 3,
    Fault = 4,
}

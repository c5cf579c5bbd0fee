//! Device kernels: what each takes by value.

use std::ffi::c_char;

use super::collector::ringscope_collector;
use super::fields::{put, read, sized};
use super::handles::Handle;
use super::result::{Failure, call, ringscope_result};
use super::text::{optional, text, texts};
use crate::abi::KernelRef;

/// A kernel that is to be registered. Set all of it to zero, then `size`, `id` and what else is known. All texts are
/// copied.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct ringscope_kernel {
    /// sizeof(ringscope_kernel).
    pub size: usize,
    /// Its id, the label `kernel` where it is exported: 1 to 128 bytes of UTF-8, which no other kernel or host actor has that
    /// was not retired.
    pub id: *const c_char,
    /// Shards: one a block, or one for each role of each block. Default: 1.
    pub shards: u32,
    /// Roles of each block, of which each has a shard: then `shards` is blocks * roles. Default: 1.
    pub roles: u32,
    /// Names of its waypoints, events and spans, in the order of the kernel's enum. Default: none.
    pub waypoints: *const *const c_char,
    /// How many.
    pub waypoint_count: usize,
    /// Index of the device that it runs on, among those of the collector. Default: 0, the first.
    pub device: u32,
    /// 0. For later.
    pub reserved: u32,
}

sized! {
    ringscope_kernel: 40;
}

/// Registers a kernel, and puts at `to` what it takes by value: a copy of addresses, which nobody owns. Pass it to one
/// launch; a second launch with the same one would add to the first one's counts. `kernel` may go after the call.
///
/// The id of a kernel that was retired by `ringscope_retire` can be registered again: that begins another life, with
/// counts from zero and the next `generation`, in the place of the one before.
///
/// The kernel is built with <ringscope/telemetry.cuh> of this library's version, and runs on the device of the collector
/// that `device` names, on CUDA in the device's primary context and on a non-blocking stream. Where it is a part of a
/// grid, or times tasks by their kind, set `first_block` and `kinds` of the ref before the launch; <ringscope/abi.h> says
/// what they are. May be called while kernels run; it waits for none.
///
/// RINGSCOPE_RESULT_TAKEN, RINGSCOPE_RESULT_FULL (`max_kernels`, `max_blocks`), RINGSCOPE_RESULT_NO_DEVICE, also for an
/// index that is not there, RINGSCOPE_RESULT_BAD_HANDLE, RINGSCOPE_RESULT_BAD_ARGUMENT.
///
/// # Safety
/// `kernel` is a struct that says its size, with texts that end with a zero byte; `to` points to a ringscope_kernel_ref.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringscope_register(
    collector: *const ringscope_collector,
    kernel: *const ringscope_kernel,
    to: *mut KernelRef,
) -> ringscope_result {
    call(|| {
        let open = ringscope_collector::held(collector)?;
        // SAFETY: the caller's promise.
        let kernel = unsafe { read(kernel)? };
        // SAFETY: the caller's promise.
        let id = unsafe { text(kernel.id, "id")? };
        // SAFETY: the caller's promise.
        let names = unsafe { texts(kernel.waypoints, kernel.waypoint_count, "waypoints")? };
        let (shards, roles, device) = (kernel.shards.max(1), kernel.roles.max(1), kernel.device as usize);
        let register =
            || Ok(open.collector.kernel(id).device(device).shards(shards).roles(roles).waypoints(&names).register()?);
        // SAFETY: the caller's promise.
        unsafe { put(to, "to", register) }
    })
}

/// Ends a kernel that was registered: its last numbers stay readable, its id can be registered again, and its place is
/// another kernel's when one needs it, so that any number of kernels can come and go within `max_kernels` and
/// `max_blocks`. Call it when everything that was launched with its ref has ended on the device, its stream having been
/// waited for. A second time it does nothing. It reads the devices once.
///
/// RINGSCOPE_RESULT_REFUSED while blocks of it run, and then nothing changed; RINGSCOPE_RESULT_UNKNOWN, also for a host
/// actor; RINGSCOPE_RESULT_DEVICE_FAILED, RINGSCOPE_RESULT_OFF, RINGSCOPE_RESULT_BAD_HANDLE,
/// RINGSCOPE_RESULT_BAD_ARGUMENT.
///
/// # Safety
/// `id` ends with a zero byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringscope_retire(
    collector: *const ringscope_collector,
    id: *const c_char,
) -> ringscope_result {
    call(|| {
        let open = ringscope_collector::held(collector)?;
        // SAFETY: the caller's promise.
        let id = unsafe { text(id, "id")? };
        open.collector.retire(id).map_err(Failure::from)
    })
}

/// Sets the counts of the kernel or host actor `id`, or of all of them if it is null, to zero here and now. It moves a
/// baseline on the host: nothing is written to the device, and nothing that comes later is lost. It reads the device
/// once.
///
/// RINGSCOPE_RESULT_UNKNOWN, RINGSCOPE_RESULT_DEVICE_FAILED, RINGSCOPE_RESULT_OFF, RINGSCOPE_RESULT_BAD_HANDLE,
/// RINGSCOPE_RESULT_BAD_ARGUMENT.
///
/// # Safety
/// `id` is null or ends with a zero byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ringscope_reset(collector: *const ringscope_collector, id: *const c_char) -> ringscope_result {
    call(|| {
        let open = ringscope_collector::held(collector)?;
        // SAFETY: the caller's promise.
        let id = unsafe { optional(id, "id")? };
        open.collector.reset(id).map_err(Failure::from)
    })
}

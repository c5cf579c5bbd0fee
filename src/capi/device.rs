//! Devices: which to open, and what they are.

use std::ffi::{CString, c_char};

use super::fields::sized;
use super::result::{Failure, Outcome, c_string};
use crate::device::{DeviceInfo, DeviceKind, DeviceSpec};

/// Which device kernels run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ringscope_device {
    /// CUDA where there is a usable GPU, else the host device; `ringscope_device_read` says which.
    Auto = 0,
    /// Threads of this process, which run kernels that were compiled with -DRINGSCOPE_CPU.
    Host = 1,
    /// The GPU of index `cuda_ordinal`, in its primary context, which is the one that CUDA's runtime uses.
    Cuda = 2,
    /// None: host actors and metrics of the host alone.
    None = 3,
}

/// One of several devices of a collector.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct ringscope_device_choice {
    /// A ringscope_device: RINGSCOPE_DEVICE_HOST or RINGSCOPE_DEVICE_CUDA.
    pub device: u32,
    /// Index of the GPU, as CUDA counts those that are visible.
    pub cuda_ordinal: u32,
}

/// What a device of a collector is. Set `size` before `ringscope_device_read` or `ringscope_device_at`. The texts are the
/// collector's, and live until it is closed.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct ringscope_device_fields {
    /// sizeof(ringscope_device_fields).
    pub size: usize,
    /// A ringscope_device: RINGSCOPE_DEVICE_HOST or RINGSCOPE_DEVICE_CUDA; RINGSCOPE_DEVICE_NONE without one.
    pub device: u32,
    /// Index among its kind.
    pub ordinal: u32,
    /// Streaming multiprocessors, or processor cores; 0 without a device.
    pub multiprocessors: u32,
    /// Not 0: a display watchdog ends long kernels.
    pub watchdog: u32,
    /// The vendor's name; empty without a device.
    pub name: *const c_char,
    /// Compute capability, driver version and the like, one line for a person; empty without a device.
    pub detail: *const c_char,
    /// The GPU's UUID as nvidia-smi writes it, or that of the part of a GPU (MIG); empty for the host device, and where the
    /// driver does not tell.
    pub uuid: *const c_char,
    /// Devices that the collector has.
    pub count: u64,
}

sized! {
    ringscope_device_fields: 40;
}

/// A device's texts, which C reads as long as the handle is open.
pub(super) struct Described {
    info: DeviceInfo,
    name: CString,
    detail: CString,
    uuid: CString,
}

impl Described {
    pub(super) fn new(info: &DeviceInfo) -> Self {
        let (name, detail) = (c_string(info.name.as_str()), c_string(info.detail.as_str()));
        let uuid = c_string(info.uuid.as_deref().unwrap_or_default());
        Described { info: info.clone(), name, detail, uuid }
    }
}

/// The device that two numbers name; `None` for none. `what` is what the first one is called in errors.
pub(super) fn spec(what: &str, device: u32, cuda_ordinal: u32) -> Outcome<Option<DeviceSpec>> {
    const AUTO: u32 = ringscope_device::Auto as u32;
    const HOST: u32 = ringscope_device::Host as u32;
    const CUDA: u32 = ringscope_device::Cuda as u32;
    const NONE: u32 = ringscope_device::None as u32;
    match device {
        AUTO => Ok(Some(DeviceSpec::Auto)),
        HOST => Ok(Some(DeviceSpec::Host)),
        CUDA => Ok(Some(DeviceSpec::Cuda(cuda_ordinal as usize))),
        NONE => Ok(None),
        other => Err(Failure::argument(format!("`{what}` is {other}, and must be a ringscope_device: 0 to {NONE}"))),
    }
}

/// The devices of a list.
pub(super) fn specs(choices: &[ringscope_device_choice]) -> Outcome<Vec<DeviceSpec>> {
    let one = |(index, choice): (usize, &ringscope_device_choice)| {
        let what = format!("devices[{index}].device");
        match spec(&what, choice.device, choice.cuda_ordinal)? {
            Some(spec) if spec != DeviceSpec::Auto => Ok(spec),
            _ => {
                let must = "in a list each device is RINGSCOPE_DEVICE_HOST or RINGSCOPE_DEVICE_CUDA";
                Err(Failure::argument(format!("`{what}` is {}, and {must}", choice.device)))
            }
        }
    };
    choices.iter().enumerate().map(one).collect()
}

pub(super) fn kind_of(kind: DeviceKind) -> u32 {
    match kind {
        DeviceKind::Cuda => ringscope_device::Cuda as u32,
        DeviceKind::Host => ringscope_device::Host as u32,
    }
}

/// What the device of that index is; without any device, that there is none.
pub(super) fn device_fields(devices: &[Described], index: usize) -> Outcome<ringscope_device_fields> {
    let empty = c"".as_ptr();
    let none = ringscope_device_fields {
        size: size_of::<ringscope_device_fields>(),
        device: ringscope_device::None as u32,
        ordinal: 0,
        multiprocessors: 0,
        watchdog: 0,
        name: empty,
        detail: empty,
        uuid: empty,
        count: devices.len() as u64,
    };
    match devices.get(index) {
        Some(Described { info, name, detail, uuid }) => Ok(ringscope_device_fields {
            device: kind_of(info.kind),
            ordinal: info.ordinal as u32,
            multiprocessors: info.multiprocessors,
            watchdog: u32::from(info.watchdog == Some(true)),
            name: name.as_ptr(),
            detail: detail.as_ptr(),
            uuid: uuid.as_ptr(),
            ..none
        }),
        None if index == 0 => Ok(none),
        None => {
            let text = format!("the collector has {} devices, and no index {index}", devices.len());
            Err(Failure::new(super::result::ringscope_result::Unknown, text))
        }
    }
}

//! The C interface on a GPU: what it reads waits for no stream of the program's, and the calling thread's own context is current
//! after every call.

use std::ffi::{CStr, c_char, c_void};
use std::ptr::{null, null_mut};

use ringscope::abi::KernelRef;
use ringscope::device::DeviceSpec;

use crate::stand_in::{StandIn, assert_clean, on_stand_in};
use crate::{blocks, builder, soon, start};

// As include/ringscope.h declares them.
unsafe extern "C" {
    fn ringscope_abi_version() -> u32;
    fn ringscope_last_error() -> *const c_char;
    fn ringscope_open(abi: u32, config: *const Config, collector: *mut *mut c_void) -> i32;
    fn ringscope_close(collector: *mut c_void) -> i32;
    fn ringscope_register(collector: *const c_void, kernel: *const Kernel, to: *mut KernelRef) -> i32;
    fn ringscope_reset(collector: *const c_void, id: *const c_char) -> i32;
    fn ringscope_snapshot_take(collector: *const c_void, snapshot: *mut *mut c_void) -> i32;
    fn ringscope_snapshot_find(snapshot: *const c_void, id: *const c_char, index: *mut usize) -> i32;
    fn ringscope_snapshot_kernel(snapshot: *const c_void, index: usize, fields: *mut KernelFields) -> i32;
    fn ringscope_snapshot_device(snapshot: *const c_void, index: usize, fields: *mut DeviceReading) -> i32;
    fn ringscope_snapshot_text(snapshot: *const c_void, format: u32, text: *mut *mut c_char) -> i32;
    fn ringscope_string_free(text: *mut c_char) -> i32;
    fn ringscope_snapshot_free(snapshot: *mut c_void) -> i32;
    fn ringscope_start_collection(collector: *const c_void, interval_ns: u64) -> i32;
    fn ringscope_stop_collection(collector: *const c_void) -> i32;
}

/// ringscope_config: its size, the device (2 is CUDA), the rest 0, the devices.
#[repr(C)]
struct Config {
    size: usize,
    device: u32,
    rest: [u32; 15],
    devices: *const [u32; 2],
    device_count: usize,
}

/// ringscope_kernel_fields, of which the last ones are looked at.
#[repr(C)]
struct KernelFields {
    size: usize,
    before: [u64; 41],
    device: u32,
    reserved: u32,
    device_uuid: *const c_char,
    generation: u64,
    counted_since_unix_ns: u64,
}

/// ringscope_device_reading.
#[repr(C)]
struct DeviceReading {
    size: usize,
    device: u32,
    ordinal: u32,
    name: *const c_char,
    uuid: *const c_char,
    error: *const c_char,
    readable: u32,
    reserved: u32,
    copied_bytes: u64,
    copy_ns: u64,
}

/// ringscope_kernel.
#[repr(C)]
struct Kernel {
    size: usize,
    id: *const c_char,
    shards: u32,
    roles: u32,
    waypoints: *const *const c_char,
    waypoint_count: usize,
    device: u32,
    reserved: u32,
}

const fn kernel(id: &'static CStr, device: u32) -> Kernel {
    let (size, id, waypoints) = (size_of::<Kernel>(), id.as_ptr(), null());
    Kernel { size, id, shards: 4, roles: 0, waypoints, waypoint_count: 0, device, reserved: 0 }
}

/// Calls, and looks at what came of it and at the thread's contexts.
struct Caller<'a> {
    driver: &'a StandIn,
    before: (i32, usize),
}

impl Caller<'_> {
    fn calls(&self, what: &str, result: i32) {
        // SAFETY: a text that ends.
        let said = unsafe { CStr::from_ptr(ringscope_last_error()) };
        assert_eq!(result, 0, "{what}: {said:?}");
        assert_eq!(self.driver.current(), self.before, "after {what}");
    }
}

/// What a snapshot says of a kernel, and of a device.
fn read(snapshot: *const c_void, id: &CStr, device: usize) -> (KernelFields, DeviceReading) {
    let mut index = usize::MAX;
    // SAFETY: all bytes zero are values of them.
    let (mut kernel, mut reading): (KernelFields, DeviceReading) = unsafe { std::mem::zeroed() };
    (kernel.size, reading.size) = (size_of::<KernelFields>(), size_of::<DeviceReading>());
    // SAFETY: as the header says; texts and places live here.
    unsafe {
        assert_eq!(ringscope_snapshot_find(snapshot, id.as_ptr(), &mut index), 0);
        assert_eq!(ringscope_snapshot_kernel(snapshot, index, &mut kernel), 0);
        assert_eq!(ringscope_snapshot_device(snapshot, device, &mut reading), 0);
    }
    (kernel, reading)
}

on_stand_in! {
    fn it_reads_two_gpus_of_which_one_dies(driver) {
        let caller = Caller { driver: &driver, before: driver.current() };
        // The second GPU is the first of the list.
        let devices = [[2, 1], [2, 0]];
        let size = size_of::<Config>();
        let config = Config { size, device: 0, rest: [0; 15], devices: devices.as_ptr(), device_count: 2 };
        let twice = Config { devices: [[2, 1], [2, 1]].as_ptr(), ..config };
        let (mut collector, mut snapshot, mut to) = (null_mut(), null_mut(), KernelRef::default());
        let uuids = [c"GPU-10111213-1415-1617-1819-1a1b1c1d1e1f", c"GPU-00010203-0405-0607-0809-0a0b0c0d0e0f"];
        // SAFETY: as the header says; texts and places live here.
        unsafe {
            const BAD_ARGUMENT: i32 = 1;
            assert_eq!(ringscope_open(ringscope_abi_version(), &twice, &mut collector), BAD_ARGUMENT);
            caller.calls("opening", ringscope_open(ringscope_abi_version(), &config, &mut collector));
            for (id, device) in [(c"a", 0), (c"b", 1)] {
                caller.calls("registering", ringscope_register(collector, &kernel(id, device), &mut to));
            }
            caller.calls("a snapshot", ringscope_snapshot_take(collector, &mut snapshot));
            for (id, index) in [(c"a", 0), (c"b", 1)] {
                let (kernel, reading) = read(snapshot, id, index);
                assert_eq!((kernel.device, kernel.generation), (index as u32, 1));
                let (uuid, ordinal) = (uuids[index], devices[index][1]);
                assert_eq!((CStr::from_ptr(kernel.device_uuid), CStr::from_ptr(reading.uuid)), (uuid, uuid));
                assert_eq!((reading.device, reading.ordinal, reading.readable), (2, ordinal, 1));
                assert!(CStr::from_ptr(reading.error).is_empty() && reading.copied_bytes > 0);
            }
            caller.calls("freeing a snapshot", ringscope_snapshot_free(snapshot));
            driver.kill(0, 700);
            caller.calls("a snapshot of one", ringscope_snapshot_take(collector, &mut snapshot));
            let readings = [0, 1].map(|index| read(snapshot, c"a", index).1);
            assert_eq!(readings.each_ref().map(|reading| reading.readable), [1, 0]);
            let error = CStr::from_ptr(readings[1].error).to_str().expect("UTF-8");
            assert!(error.contains("(700)"), "{error}");
            caller.calls("freeing a snapshot", ringscope_snapshot_free(snapshot));
            caller.calls("closing", ringscope_close(collector));
        }
        assert!(soon(|| driver.get("contexts") == 0));
    }

    fn it_leaves_the_callers_context_and_waits_for_no_stream(driver) {
        // None, and another device's.
        for current in [-1, 1] {
            driver.enter(current);
            let caller = Caller { driver: &driver, before: driver.current() };
            let config =
                Config { size: size_of::<Config>(), device: 2, rest: [0; 15], devices: null(), device_count: 0 };
            let kernel = kernel(c"k", 0);
            let (mut collector, mut to) = (null_mut(), KernelRef::default());
            // SAFETY: as the header says; texts and places live here.
            unsafe {
                caller.calls("opening", ringscope_open(ringscope_abi_version(), &config, &mut collector));
                caller.calls("registering", ringscope_register(collector, &kernel, &mut to));
            }
            // A kernel that does not return, on a stream that is none of the collector's.
            let runtime = builder(DeviceSpec::Cuda(0)).build().expect("a runtime");
            start(&runtime, "w", &blocks(2));
            driver.phase(7);
            // SAFETY: as above.
            unsafe {
                for _ in 0..20 {
                    let (mut snapshot, mut text) = (null_mut(), null_mut());
                    caller.calls("a snapshot", ringscope_snapshot_take(collector, &mut snapshot));
                    caller.calls("a page", ringscope_snapshot_text(snapshot, 3, &mut text));
                    assert!(CStr::from_ptr(text).to_str().expect("UTF-8").contains("kernel=\"k\""));
                    caller.calls("freeing a text", ringscope_string_free(text));
                    caller.calls("freeing a snapshot", ringscope_snapshot_free(snapshot));
                }
                caller.calls("a reset", ringscope_reset(collector, null()));
                caller.calls("starting collection", ringscope_start_collection(collector, 1_000_000));
                caller.calls("stopping collection", ringscope_stop_collection(collector));
            }
            driver.phase(0);
            let waits = driver.calls().into_iter().filter(|(phase, name, _)| *phase == 7 && name.contains("Synchronize"));
            assert_eq!(waits.collect::<Vec<_>>(), [], "a reading waits for nothing of others");
            runtime.terminate_blocking("w").expect("it ends");
            drop(runtime);
            driver.enter(current);
            // SAFETY: as above.
            unsafe { caller.calls("closing", ringscope_close(collector)) };
            // The threads that read let go a moment later.
            assert!(soon(|| driver.get("contexts") == 0));
            assert_clean(&driver);
        }
    }
}

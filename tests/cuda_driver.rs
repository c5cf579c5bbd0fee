//! What the CUDA device asks of the driver, against a stand-in (tests/cuda-driver): nothing freed under a kernel, no
//! wait without an end. How a GPU behaves is not shown here.
#![cfg(feature = "cuda")]
#![allow(unsafe_code, clippy::single_range_in_vec_init)]

#[path = "cuda-driver/mod.rs"]
mod stand_in;

use std::mem::size_of;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ringscope::abi::{RingArgs, RingDevice, RingHost};
use ringscope::device::cuda::CudaDevice;
use ringscope::device::{CudaUnavailable, Device, DeviceError, Kernel, KernelSource, Launch, Level, Memory};

use stand_in::{Runs, StandIn, with_stand_in};

const SLOT_STRIDE: u32 = 128;

/// A device of the stand-in.
struct Bench {
    device: CudaDevice,
    driver: StandIn,
}

/// One ring's memory.
struct Ring {
    mapped: Memory,
    shared: Memory,
}

impl Bench {
    fn new() -> Self {
        Bench { device: CudaDevice::open(0).expect("the stand-in opens"), driver: StandIn }
    }

    fn kernel(&self) -> Box<dyn Kernel> {
        let source = module(b".version 8.0\n.entry echo_l2\n", "echo");
        self.device.load(&source, Level::Histograms).expect("the stand-in has that kernel")
    }

    /// Made before a launch: what allocates under a kernel hangs.
    fn ring(&self) -> Ring {
        let mapped = self.device.allocate_mapped(size_of::<RingHost>() + 4 * SLOT_STRIDE as usize).expect("a ring");
        let shared = self.device.allocate(size_of::<RingDevice>()).expect("a ring");
        Ring { mapped, shared }
    }

    /// A kernel that runs until its ring says stop.
    fn launch(&self, kernel: &dyn Kernel, blocks: u32, ring: &Ring) -> Result<Box<dyn Launch>, DeviceError> {
        let slots = ring.mapped.device_address() + size_of::<RingHost>() as u64;
        let args = RingArgs {
            host: ring.mapped.device_address(),
            posted: ring.mapped.device_address(),
            device: ring.shared.device_address(),
            input: slots,
            done: slots,
            done_stride: SLOT_STRIDE,
            output: slots + 2 * u64::from(SLOT_STRIDE),
            slots: 2,
            slot_stride: SLOT_STRIDE,
            slot_bytes: 64,
            ..RingArgs::default()
        };
        // SAFETY: a ring's memory, of the sizes that are said, and kept; its two ends are not used.
        unsafe { kernel.launch(blocks, &[bytemuck::bytes_of(&args)], vec![ring.mapped.clone(), ring.shared.clone()]) }
    }

    /// What is alive beside streams, which wait for the next launch.
    fn memory(&self) -> u64 {
        self.driver.get("memory")
    }
}

fn module(image: &[u8], entry: &str) -> KernelSource {
    // SAFETY: the stand-in runs no code of it, but its own of that name.
    unsafe { KernelSource::cuda_module(image, entry) }
}

/// The stand-in's device addresses are the host's.
fn word(memory: &Memory, index: usize) -> &AtomicU64 {
    assert!(index * 8 < memory.bytes());
    let address = std::ptr::with_exposed_provenance_mut::<u64>(memory.device_address() as usize);
    // SAFETY: in bounds, aligned, alive as long as the memory, and only accessed as an atomic.
    unsafe { AtomicU64::from_ptr(address.add(index)) }
}

fn stop(ring: &Ring) {
    word(&ring.mapped, 1).store(4 + 2, Ordering::Release);
}

fn wait_for_end(launch: &dyn Launch) {
    let start = Instant::now();
    while !launch.ended().expect("it is well") {
        assert!(start.elapsed() < Duration::from_secs(20), "it was told to stop");
        std::thread::yield_now();
    }
}

macro_rules! on_stand_in {
    ($(fn $name:ident($bench:ident) $body:block)*) => {
        $(#[test]
        fn $name() {
            if with_stand_in(stringify!($name), Runs::Threads) {
                let $bench = Bench::new();
                $body
            }
        })*
    };
}

on_stand_in! {
    fn the_device_says_what_it_is(bench) {
        let info = bench.device.info();
        assert_eq!((info.name.as_str(), info.multiprocessors), ("Stand-in GPU 0", 4));
        assert!(info.detail.contains("9.0") && info.detail.contains("13.0"), "{}", info.detail);
        assert!(info.warnings[0].contains("watchdog"), "{:?}", info.warnings);
        assert_eq!(info.driver_cuda, Some(13_000));
        let code = info.kernel_code.expect("it has code").to_string();
        let ptx = "embedded PTX (compute_75, ISA 8.0), compiled by the driver";
        assert!(code == ptx || code.starts_with("machine code for sm_90 (nvcc "), "{code}");
        let clock = bench.device.clock().expect("a sample");
        assert!(clock.device_ns > 0 && clock.uncertainty_ns < 1_000_000_000, "{clock:?}");
        // A copy of the first sample would stand still.
        let later = bench.device.clock().expect("a sample");
        let went_by = later.device_ns - clock.device_ns;
        let apart = went_by.abs_diff(later.unix_ns - clock.unix_ns);
        assert!(went_by > 0 && apart <= clock.uncertainty_ns + later.uncertainty_ns + 1_000, "{went_by}, {apart}");
        assert!(clock.unix_ns > 1_700_000_000_000_000_000);
    }

    fn memory_is_zeroed_and_too_much_is_an_error(bench) {
        for memory in [bench.device.allocate(4096).unwrap(), bench.device.allocate_mapped(4096).unwrap()] {
            assert!((0..512).all(|i| word(&memory, i).load(Ordering::Relaxed) == 0));
        }
        for error in [bench.device.allocate(2 << 30).unwrap_err(), bench.device.allocate_mapped(2 << 30).unwrap_err()] {
            assert!(matches!(error, DeviceError::OutOfMemory { bytes: 0x8000_0000, .. }), "{error}");
        }
        assert_eq!(bench.driver.get("null_stream"), 0);
    }

    fn nothing_is_freed_while_a_kernel_runs(bench) {
        let before = bench.memory();
        let kernel = bench.kernel();
        let (ring, other) = (bench.ring(), bench.device.allocate(64).unwrap());
        let copier = bench.device.copier(&other).unwrap();
        let launch = bench.launch(&*kernel, 1, &ring).unwrap();
        assert!(!launch.ended().unwrap());
        let under = bench.memory();
        drop((other, kernel, copier));
        assert_eq!((bench.memory(), bench.driver.get("blocked")), (under, 0));
        stop(&ring);
        drop(ring);
        wait_for_end(&*launch);
        drop(launch);
        // Anything that is freed takes the rest along.
        drop(bench.device.allocate(64).unwrap());
        assert_eq!((bench.memory(), bench.driver.get("blocked")), (before, 0));
    }

    fn an_abandoned_kernel_keeps_its_memory_and_is_noticed_when_it_ends(bench) {
        let before = bench.memory();
        let kernel = bench.kernel();
        let (ring, again) = (bench.ring(), bench.ring());
        let under = bench.memory();
        drop(bench.launch(&*kernel, 8, &ring).unwrap());
        let full = bench.launch(&*kernel, 1, &again).map(|_| ()).unwrap_err();
        assert_eq!(full, DeviceError::TooManyBlocks { asked: 1, free: 0 });
        assert_eq!((bench.memory(), bench.driver.get("blocked")), (under, 0));
        stop(&ring);
        while bench.driver.get("resident") > 0 {
            std::thread::yield_now();
        }
        // The last block has ended, its stream says so a moment later.
        let patience = Instant::now() + Duration::from_secs(20);
        let launch = loop {
            match bench.launch(&*kernel, 8, &again) {
                Ok(launch) => break launch,
                Err(error) => assert!(Instant::now() < patience, "the room is free again: {error}"),
            }
            std::thread::yield_now();
        };
        stop(&again);
        wait_for_end(&*launch);
        drop((launch, ring, again, kernel));
        assert_eq!((bench.memory(), bench.driver.get("blocked")), (before, 0));
    }

    fn blocks_that_do_not_fit_are_refused_with_how_many_do(bench) {
        let kernel = bench.kernel();
        let rings = [bench.ring(), bench.ring(), bench.ring()];
        let _running = bench.launch(&*kernel, 5, &rings[0]).unwrap();
        let error = bench.launch(&*kernel, 4, &rings[1]).map(|_| ()).unwrap_err();
        assert_eq!(error, DeviceError::TooManyBlocks { asked: 4, free: 3 });
        bench.launch(&*kernel, 3, &rings[2]).map(|_| ()).expect("what was said to fit does");
        rings.iter().for_each(stop);
    }

    fn a_copy_that_hangs_leaves_the_last_good_one(bench) {
        let slab = bench.device.allocate(256).unwrap();
        let mut copier = bench.device.copier(&slab).unwrap();
        word(&slab, 3).store(7, Ordering::Relaxed);
        copier.copy(&[0..256], Duration::from_secs(1)).unwrap();
        assert_eq!(copier.words()[3], 7);
        word(&slab, 3).store(8, Ordering::Relaxed);
        bench.driver.set("hang_copies", 1);
        let limit = Duration::from_millis(5);
        let copies = bench.driver.get("copies");
        for _ in 0..3 {
            assert_eq!(copier.copy(&[0..256], limit), Err(DeviceError::CopyTimedOut { waited: limit }));
            assert_eq!(copier.words()[3], 7);
        }
        assert_eq!(bench.driver.get("copies"), copies + 1, "none is queued behind one that hangs");
        bench.driver.set("hang_copies", 0);
        copier.copy(&[16..32], Duration::from_secs(5)).unwrap();
        assert_eq!(copier.words()[3], 8);
        assert_eq!(bench.driver.get("null_stream"), 0);
    }

    fn a_copier_dropped_under_its_copy_frees_nothing(bench) {
        let slab = bench.device.allocate(256).unwrap();
        let mut copier = bench.device.copier(&slab).unwrap();
        bench.driver.set("hang_copies", 1);
        copier.copy(&[0..256], Duration::from_millis(1)).unwrap_err();
        let live = bench.driver.get("live");
        drop((copier, slab));
        assert_eq!(bench.driver.get("live"), live);
        // Nor is anything else: that would wait for the copy.
        let start = Instant::now();
        drop(bench);
        assert!(start.elapsed() < Duration::from_secs(5));
    }

    fn a_dead_context_is_an_error_everywhere(bench) {
        let slab = bench.device.allocate(256).unwrap();
        let mut copier = bench.device.copier(&slab).unwrap();
        let kernel = bench.kernel();
        let ring = bench.ring();
        let launch = bench.launch(&*kernel, 1, &ring).unwrap();
        bench.driver.kill(0, 719);
        for error in [launch.ended().unwrap_err(), copier.copy(&[0..8], Duration::from_secs(1)).unwrap_err()] {
            let text = error.to_string();
            assert!(text.contains("CUDA_ERROR_LAUNCH_FAILED (719)") && text.contains("restart the process"), "{text}");
        }
        assert!(bench.device.allocate(64).is_err());
    }

    fn what_cannot_be_loaded_says_why(bench) {
        let source = module(b".version 8.0", "missing");
        let error = bench.device.load(&source, Level::Counters).map(|_| ()).unwrap_err();
        assert!(matches!(&error, DeviceError::NoEntry { entry, .. } if entry == "missing"), "{error}");
        extern "C" fn nothing(_: *mut *mut std::ffi::c_void) {}
        // SAFETY: it does nothing, and is never called.
        let source = unsafe { KernelSource::host_at("nothing", Level::Counters, nothing) };
        let error = bench.device.load(&source, Level::Counters).map(|_| ()).unwrap_err();
        assert!(matches!(error, DeviceError::Unsupported { .. }), "{error}");
        let source = module(b"", "ring");
        assert!(matches!(bench.device.load(&source, Level::Counters).map(|_| ()), Err(DeviceError::Compile { .. })));
    }
}

#[test]
fn a_driver_older_than_525_is_refused_with_its_version() {
    if with_stand_in("a_driver_older_than_525_is_refused_with_its_version", Runs::Threads) {
        StandIn.set("driver_version", 11_080);
        let error = CudaDevice::open(0).map(|_| ()).expect_err("CUDA 11");
        assert_eq!(error, CudaUnavailable::DriverTooOld { driver: 11_080 });
        let text = error.to_string();
        assert!(text.contains("CUDA 11.8,") && text.contains("update the NVIDIA driver to 525 or later"), "{text}");
        let listed = CudaDevice::list().expect("they are there all the same");
        assert!(listed.len() == 2 && listed.iter().all(|info| info.kernel_code.is_none()), "{listed:?}");
        StandIn.set("driver_version", 12_000);
        CudaDevice::open(0).expect("the oldest that is new enough");
    }
}

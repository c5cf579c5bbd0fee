//! Ring kernels of somebody's own on the CUDA device, against the stand-in of the driver: arguments, state, metrics, levels.
#![cfg(feature = "cuda")]
#![allow(unsafe_code)]

#[path = "cuda-driver/mod.rs"]
mod stand_in;

use std::ffi::{CStr, CString};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ringscope::abi::RingArgs;
use ringscope::device::cuda::CudaDevice;
use ringscope::device::cuda::cudarc::driver::sys::{self, CUresult};
use ringscope::device::{Device, DeviceError, KernelSource, SharedDevice};
use ringscope::{KernelState, LaunchOptions, Level, RingKernelRuntime};

use stand_in::{assert_clean, on_stand_in};

const WAIT: Duration = Duration::from_secs(20);

/// The mirror of the one in cuda-driver/tally.cu.
#[derive(Clone, Copy, bytemuck::NoUninit)]
#[repr(C)]
struct TallyArgs {
    total: u64,
    limit: u32,
    first: u32,
}

/// A runtime that launches a kernel of somebody's own, of its CUDA source.
fn tally(device: &SharedDevice, level: Level) -> RingKernelRuntime {
    // SAFETY: the stand-in's NVRTC finds its name in it, and the stand-in has the code.
    let source = unsafe { KernelSource::cuda_text(include_str!("cuda-driver/tally.cu"), "tally") };
    RingKernelRuntime::builder()
        .on(Arc::clone(device))
        .max_kernels(2)
        .telemetry(level > Level::Off)
        .level(level)
        .source("tally", source)
        .kernel("tally")
        .build()
        .expect("a runtime")
}

/// PTX of ring kernels that do nothing.
fn ptx_of(entries: &[&str]) -> Vec<u8> {
    let bytes = size_of::<RingArgs>();
    let entry = |name| format!(".visible .entry {name}(\n.param .align 8 .b8 ring[{bytes}]\n)\n{{\nret;\n}}\n");
    let entries: String = entries.iter().map(entry).collect();
    format!(".version 8.0\n.target sm_75\n.address_size 64\n{entries}").into_bytes()
}

on_stand_in! {
    fn a_kernel_of_ones_own_has_arguments_state_and_metrics(driver) {
        for level in [Level::Counters, Level::Histograms, Level::Events] {
            let device: SharedDevice = Arc::new(CudaDevice::open(0).expect("a device"));
            let total = device.allocate_mapped(64).expect("memory");
            let runtime = tally(&device, level);
            // The handler looks them up by these indices.
            let sums = runtime.collector().counter("tally_sum", "Sum of the values").expect("a name").on_device().expect("a counter");
            let sizes = runtime.collector().histogram("tally_values", "The values").expect("a name").on_device().expect("a histogram");
            assert_eq!((sums.index(), sizes.index()), (0, 1));
            assert_eq!(runtime.snapshot_blocking().expect("a snapshot").self_metrics.lookup_misses_total, 0);
            let args = TallyArgs { total: total.device_address(), limit: 100, first: 1000 };
            runtime.launch_blocking("t", &LaunchOptions::default().args(&args).keep(&total)).expect("it is launched");
            runtime.activate_blocking("t").expect("it is activated");
            let mut sum = 0u64;
            for value in 0..200u32 {
                runtime.send_blocking("t", &value.to_le_bytes()).expect("it is sent");
                let reply = runtime.receive_blocking("t", WAIT).expect("a reply");
                if value > 100 {
                    assert_eq!((reply.status, reply.payload.len()), (256, 0));
                    continue;
                }
                sum += u64::from(value);
                assert_eq!((reply.status, reply.payload), (0, (1000 + sum).to_le_bytes().to_vec()));
            }
            runtime.send_blocking("t", b"too long a message").expect("it is sent");
            assert_eq!(runtime.receive_blocking("t", WAIT).expect("a reply").status, ringscope::abi::status::BAD_MESSAGE);
            let t = runtime.telemetry_blocking("t").expect("it is counted");
            assert_eq!((t.messages_processed, t.errors), (101, 100));
            assert_eq!(runtime.snapshot_blocking().expect("a snapshot").self_metrics.lookup_misses_total, 0);
            assert_eq!(total.host_words().expect("mapped memory")[0].load(Ordering::Relaxed), sum);
            let value = |name: &str| runtime.collector().metric(name).expect("it is registered").series[0].value.clone();
            assert_eq!(value("tally_sum").counter(), Some(sum));
            assert_eq!(value("tally_values").histogram().map(|h| (h.count(), h.sum())), Some((101, sum as f64)));
            runtime.shutdown_blocking(WAIT);
            drop((runtime, total, device));
            assert_clean(&driver);
        }
    }

    fn look_ups_that_find_nothing_are_counted_and_shown(driver) {
        let device: SharedDevice = Arc::new(CudaDevice::open(0).expect("a device"));
        let total = device.allocate_mapped(64).expect("memory");
        let runtime = tally(&device, Level::Histograms);
        // The handler wants a counter, and there is a gauge; it wants a histogram at 1, and there is nothing.
        runtime.collector().gauge("other", "Of another kind").expect("a name").on_device().expect("a gauge");
        let args = TallyArgs { total: total.device_address(), limit: 1, first: 0 };
        let options = LaunchOptions::new().blocks(3).args(&args).keep(&total);
        runtime.launch_blocking("t", &options).expect("it is launched");
        let misses = || runtime.snapshot_blocking().expect("a snapshot").self_metrics.lookup_misses_total;
        let patience = std::time::Instant::now() + WAIT;
        while misses() < 6 {
            assert!(std::time::Instant::now() < patience, "{}", misses());
        }
        // Once for each block and look-up, a block being one thread here; and what counts nothing does no harm.
        runtime.activate_blocking("t").expect("it is activated");
        runtime.send_blocking("t", &1u32.to_le_bytes()).expect("it is sent");
        assert_eq!(runtime.receive_blocking("t", WAIT).expect("a reply").payload, 1u64.to_le_bytes());
        assert_eq!(misses(), if driver.runs_ptx() { 6 * 32 } else { 6 });
        runtime.shutdown_blocking(WAIT);
        drop((options, runtime, total, device));
        assert_clean(&driver);
    }

    fn a_check_that_fails_kills_the_context_and_mapped_memory_is_there_still(driver) {
        let device: SharedDevice = Arc::new(CudaDevice::open(0).expect("a device"));
        let total = device.allocate_mapped(64).expect("memory");
        let runtime = tally(&device, Level::Histograms);
        let args = TallyArgs { total: total.device_address(), limit: u32::MAX, first: 0 };
        for id in ["t", "bystander"] {
            runtime.launch_blocking(id, &LaunchOptions::default().args(&args).keep(&total)).expect("it is launched");
            runtime.activate_blocking(id).expect("it is activated");
        }
        for (value, sum) in [(5u32, 5u64), (6, 11)] {
            runtime.send_blocking("t", &value.to_le_bytes()).expect("it is sent");
            assert_eq!(runtime.receive_blocking("t", WAIT).expect("a reply").payload, sum.to_le_bytes());
        }
        runtime.snapshot_blocking().expect("a snapshot");
        runtime.send_blocking("t", &0xdeadu32.to_le_bytes()).expect("it is sent");
        let patience = std::time::Instant::now() + WAIT;
        while runtime.snapshot_blocking().is_ok() {
            assert!(std::time::Instant::now() < patience, "it lives on");
        }
        // It stays: every later call has it, and what else ran there has ended with it.
        for _ in 0..2 {
            let error = runtime.snapshot_blocking().expect_err("the context is dead").to_string();
            assert!(error.contains("CUDA_ERROR_LAUNCH_FAILED (719)"), "{error}");
        }
        let latest = runtime.latest().expect("the last good one");
        assert_eq!(latest.kernel("bystander").map(|k| k.state), Some(KernelState::Failed));
        assert_eq!(total.host_words().expect("mapped memory")[0].load(Ordering::Relaxed), 11);
        drop((runtime, total, device));
        assert_eq!(driver.get("resident"), 0);
    }

    fn the_names_of_a_module_can_be_read(driver) {
        let device = CudaDevice::open(0).expect("a device");
        driver.enter(0);
        let text = CString::new(include_str!("cuda-driver/ptx/kernels/tally_l2.ptx")).expect("text");
        let (mut module, mut address, mut bytes) = (std::ptr::null_mut(), 0, 0);
        let ok = CUresult::CUDA_SUCCESS;
        // SAFETY: places that the calls write, and PTX with a NUL behind it.
        let names = unsafe {
            assert_eq!(sys::cuModuleLoadDataEx(&mut module, text.as_ptr().cast(), 0, std::ptr::null_mut(), std::ptr::null_mut()), ok);
            assert_eq!(sys::cuModuleGetGlobal_v2(&mut address, &mut bytes, module, c"ringscope_names_text".as_ptr()), ok);
            let mut names = vec![0u8; bytes];
            assert_eq!(sys::cuMemcpyDtoHAsync_v2(names.as_mut_ptr().cast(), address, bytes, std::ptr::null_mut()), ok);
            assert_eq!(sys::cuMemcpyDtoHAsync_v2(names.as_mut_ptr().cast(), address, bytes + 1, std::ptr::null_mut()), CUresult::CUDA_ERROR_INVALID_VALUE);
            assert_eq!(sys::cuModuleGetGlobal_v2(&mut address, &mut bytes, module, c"ringscope_names".as_ptr()), CUresult::CUDA_ERROR_NOT_FOUND);
            assert_eq!(sys::cuModuleUnload(module), ok);
            names
        };
        assert_eq!(CStr::from_bytes_with_nul(&names), Ok(c"tally_adds, tally_sum"));
        drop(device);
    }

    fn arguments_of_another_size_or_alignment_are_refused(driver) {
        let device: SharedDevice = Arc::new(CudaDevice::open(0).expect("a device"));
        let runtime = tally(&device, Level::Off);
        let refused = |options: LaunchOptions| runtime.launch_blocking("t", &options).expect_err("another layout").to_string();
        let options = LaunchOptions::default;
        let takes = "the kernel `tally` takes 16 bytes aligned to 8, and was given ";
        for (given, text) in [(options(), "no arguments:"), (options().args(&[0u64; 3]), "24 bytes aligned to 8 (`[u64; 3]`)"), (options().args(&[0u32; 4]), "16 bytes aligned to 4 (`[u32; 4]`)")] {
            let error = refused(given);
            assert!(error.starts_with(&format!("{takes}{text}")), "{error}");
        }
        drop((runtime, device));
        assert_clean(&driver);
    }

    fn an_entry_that_is_named_for_less_than_is_recorded_is_refused(driver) {
        let device = CudaDevice::open(0).expect("a device");
        let load = |entry: &str, level| {
            // SAFETY: the stand-in runs no code of it, but its own of that name.
            let source = unsafe { KernelSource::cuda_module(ptx_of(&["echo_l1", "echo_l2"]), entry) };
            device.load(&source, level).map(|kernel| kernel.level())
        };
        assert_eq!(load("echo_l1", Level::Counters), Ok(Some(Level::Counters)));
        assert_eq!(load("echo_l1", Level::Off), Ok(Some(Level::Counters)));
        assert_eq!(load("echo", Level::Histograms), Ok(Some(Level::Histograms)));
        assert!(matches!(load("echo_l1", Level::Histograms), Err(DeviceError::BuiltWithLess { .. })));
        assert!(matches!(load("echo", Level::Off), Err(DeviceError::NoEntry { .. })));
        drop(device);
        assert_clean(&driver);
    }
}

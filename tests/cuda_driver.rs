//! What the CUDA device asks of the driver, against a stand-in (fake_driver.c): nothing in the NULL stream,
//! nothing freed under a kernel, no wait without an end. How a GPU behaves is not shown here.
#![cfg(all(feature = "cuda", target_os = "linux"))]
#![allow(unsafe_code, clippy::single_range_in_vec_init)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ringscope::abi::RingArgs;
use ringscope::device::cuda::CudaDevice;
use ringscope::device::{Device, DeviceError, Kernel, KernelSource, Launch, Level, Memory};

const CONTROL_BYTES: usize = 4242;
const CHILD: &str = "RINGSCOPE_TEST_FAKE_DRIVER";

/// Words of the stand-in's control page.
#[derive(Clone, Copy)]
enum Control {
    HangCopies,
    FailWith,
    Live,
    FreedUnder,
    NullStream,
    Copies,
}

/// A device of the stand-in, its control page, and one ring's mapped words.
struct Bench {
    device: CudaDevice,
    control: Memory,
}

impl Bench {
    fn new() -> Self {
        let device = CudaDevice::open(0).expect("the stand-in opens");
        let control = device.allocate_mapped(CONTROL_BYTES).expect("the control page");
        Bench { device, control }
    }

    fn get(&self, which: Control) -> u64 {
        word(&self.control, which as usize).load(Ordering::Relaxed)
    }

    fn set(&self, which: Control, value: u64) {
        word(&self.control, which as usize).store(value, Ordering::Relaxed);
    }

    fn kernel(&self) -> Box<dyn Kernel> {
        let source = module(b".version 7.5", "ring");
        self.device.load(&source, Level::default()).expect("the stand-in loads anything")
    }

    /// A kernel that runs until its ring says stop.
    fn launch(&self, kernel: &dyn Kernel, blocks: u32) -> Result<(Box<dyn Launch>, Memory), DeviceError> {
        let ring = self.device.allocate_mapped(256).expect("a ring");
        let args = RingArgs { host: ring.device_address(), ..RingArgs::default() };
        // SAFETY: the stand-in's kernel reads the command word of the ring, which is there and kept.
        let launch = unsafe { kernel.launch(blocks, &args, vec![ring.clone()]) }?;
        Ok((launch, ring))
    }
}

fn module(image: &[u8], entry: &str) -> KernelSource {
    // SAFETY: the stand-in runs no code of it.
    unsafe { KernelSource::cuda_module(image, entry) }
}

/// The stand-in's device addresses are the host's.
fn word(memory: &Memory, index: usize) -> &AtomicU64 {
    assert!(index * 8 < memory.bytes());
    let address = std::ptr::with_exposed_provenance_mut::<u64>(memory.device_address() as usize);
    // SAFETY: in bounds, aligned, alive as long as the memory, and only accessed as an atomic.
    unsafe { AtomicU64::from_ptr(address.add(index)) }
}

fn stop(ring: &Memory) {
    word(ring, 1).store(4 + 2, Ordering::Release);
}

/// Runs the test of that name again, in a process that finds the stand-in where it looks for the driver.
/// Whether this is that process.
fn with_stand_in(test: &str) -> bool {
    if std::env::var_os(CHILD).is_some() {
        return true;
    }
    let Some(folder) = build() else {
        let _ = writeln!(std::io::stderr(), "skipped: no C compiler (cc) for the stand-in of the driver");
        return false;
    };
    let exe = std::env::current_exe().expect("this program");
    let path = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let path = std::env::join_paths([folder].into_iter().chain(std::env::split_paths(&path))).expect("a path");
    let mut child = Command::new(exe);
    child.args(["--exact", test, "--nocapture"]).env(CHILD, "1").env("LD_LIBRARY_PATH", path);
    let output = child.output().expect("it starts");
    let (said, why) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{why}\n{said}");
    false
}

/// The stand-in, under the names by which the driver and NVRTC are looked for.
fn build() -> Option<PathBuf> {
    static BUILT: std::sync::OnceLock<Option<PathBuf>> = std::sync::OnceLock::new();
    let build = || {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fake-driver");
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fake_driver.c");
        for name in ["libcuda.so", "libcuda.so.1", "libnvrtc.so"] {
            let mut cc = Command::new("cc");
            cc.args(["-shared", "-fPIC", "-O1"]).arg(&source).arg("-o").arg(folder.join(name));
            assert!(cc.status().ok()?.success(), "{cc:?}");
        }
        Some(folder)
    };
    BUILT.get_or_init(build).clone()
}

macro_rules! on_stand_in {
    ($(fn $name:ident($bench:ident) $body:block)*) => {
        $(#[test]
        fn $name() {
            if with_stand_in(stringify!($name)) {
                let $bench = Bench::new();
                $body
            }
        })*
    };
}

on_stand_in! {
    fn the_device_says_what_it_is(bench) {
        let info = bench.device.info();
        assert_eq!((info.name.as_str(), info.multiprocessors), ("Fake GPU", 4));
        assert!(info.detail.contains("9.0") && info.detail.contains("13.0"), "{}", info.detail);
        assert!(info.warnings[0].contains("watchdog"), "{:?}", info.warnings);
        let clock = bench.device.clock().expect("a sample");
        // What the stand-in's clock kernel wrote, and the time since: a copy of it would stand still.
        let since = clock.device_ns - 123_456_789;
        assert!(since < 60_000_000_000, "{since}");
        let later = bench.device.clock().expect("a sample");
        let went_by = later.device_ns - clock.device_ns;
        assert!(went_by > 0 && went_by == later.unix_ns - clock.unix_ns, "{went_by}");
        assert!(clock.unix_ns > 1_700_000_000_000_000_000);
    }

    fn memory_is_zeroed_and_too_much_is_an_error(bench) {
        for memory in [bench.device.allocate(4096).unwrap(), bench.device.allocate_mapped(4096).unwrap()] {
            assert!((0..512).all(|i| word(&memory, i).load(Ordering::Relaxed) == 0));
        }
        for error in [bench.device.allocate(2 << 30).unwrap_err(), bench.device.allocate_mapped(2 << 30).unwrap_err()] {
            assert!(matches!(error, DeviceError::OutOfMemory { bytes: 0x8000_0000, .. }), "{error}");
        }
        assert_eq!(bench.get(Control::NullStream), 0);
    }

    fn nothing_is_freed_while_a_kernel_runs(bench) {
        let before = bench.get(Control::Live);
        let kernel = bench.kernel();
        let (launch, ring) = bench.launch(&*kernel, 1).unwrap();
        assert!(!launch.ended().unwrap());
        let other = bench.device.allocate(64).unwrap();
        drop((other, kernel, bench.device.copier(&ring).unwrap()));
        assert_eq!(bench.get(Control::FreedUnder), 0);
        assert!(bench.get(Control::Live) > before);
        stop(&ring);
        drop(ring);
        assert!(launch.ended().unwrap());
        drop(launch);
        // Anything that is freed takes the rest along.
        drop(bench.device.allocate(64).unwrap());
        assert_eq!((bench.get(Control::Live), bench.get(Control::FreedUnder)), (before, 0));
    }

    fn an_abandoned_kernel_keeps_its_memory_and_is_noticed_when_it_ends(bench) {
        let before = bench.get(Control::Live);
        let kernel = bench.kernel();
        let (launch, ring) = bench.launch(&*kernel, 8).unwrap();
        drop(launch);
        let full = bench.launch(&*kernel, 1).map(|_| ()).unwrap_err();
        assert_eq!(full, DeviceError::TooManyBlocks { asked: 1, free: 0 });
        assert_eq!(bench.get(Control::FreedUnder), 0);
        stop(&ring);
        let (launch, again) = bench.launch(&*kernel, 8).expect("the room is free again");
        stop(&again);
        assert!(launch.ended().unwrap());
        drop((launch, ring, again, kernel));
        assert_eq!((bench.get(Control::Live), bench.get(Control::FreedUnder)), (before, 0));
    }

    fn blocks_that_do_not_fit_are_refused_with_how_many_do(bench) {
        let kernel = bench.kernel();
        let (_running, _ring) = bench.launch(&*kernel, 5).unwrap();
        let error = bench.launch(&*kernel, 4).map(|_| ()).unwrap_err();
        assert_eq!(error, DeviceError::TooManyBlocks { asked: 4, free: 3 });
        bench.launch(&*kernel, 3).map(|_| ()).expect("what was said to fit does");
    }

    fn a_copy_that_hangs_leaves_the_last_good_one(bench) {
        let slab = bench.device.allocate(256).unwrap();
        let mut copier = bench.device.copier(&slab).unwrap();
        word(&slab, 3).store(7, Ordering::Relaxed);
        copier.copy(&[0..256], Duration::from_secs(1)).unwrap();
        assert_eq!(copier.words()[3], 7);
        word(&slab, 3).store(8, Ordering::Relaxed);
        bench.set(Control::HangCopies, 1);
        let limit = Duration::from_millis(5);
        let copies = bench.get(Control::Copies);
        for _ in 0..3 {
            assert_eq!(copier.copy(&[0..256], limit), Err(DeviceError::CopyTimedOut { waited: limit }));
            assert_eq!(copier.words()[3], 7);
        }
        assert_eq!(bench.get(Control::Copies), copies + 1, "none is queued behind one that hangs");
        bench.set(Control::HangCopies, 0);
        copier.copy(&[16..32], limit).unwrap();
        assert_eq!(copier.words()[3], 8);
        assert_eq!(bench.get(Control::NullStream), 0);
    }

    fn a_copier_dropped_under_its_copy_frees_nothing(bench) {
        let slab = bench.device.allocate(256).unwrap();
        let mut copier = bench.device.copier(&slab).unwrap();
        bench.set(Control::HangCopies, 1);
        copier.copy(&[0..256], Duration::from_millis(1)).unwrap_err();
        let live = bench.get(Control::Live);
        drop((copier, slab));
        assert_eq!(bench.get(Control::Live), live);
    }

    fn a_dead_context_is_an_error_everywhere(bench) {
        let slab = bench.device.allocate(256).unwrap();
        let mut copier = bench.device.copier(&slab).unwrap();
        let kernel = bench.kernel();
        let (launch, _ring) = bench.launch(&*kernel, 1).unwrap();
        bench.set(Control::FailWith, 719);
        for error in [launch.ended().unwrap_err(), copier.copy(&[0..8], Duration::from_secs(1)).unwrap_err()] {
            let text = error.to_string();
            assert!(text.contains("CUDA_ERROR_LAUNCH_FAILED (719)") && text.contains("restart the process"), "{text}");
        }
        assert!(bench.device.allocate(64).is_err());
    }

    fn what_cannot_be_loaded_says_why(bench) {
        let source = module(b".version 7.5", "missing");
        let error = bench.device.load(&source, Level::Counters).map(|_| ()).unwrap_err();
        assert!(matches!(&error, DeviceError::NoEntry { entry, .. } if entry == "missing"), "{error}");
        extern "C" fn nothing(_: *mut *mut std::ffi::c_void) {}
        // SAFETY: it does nothing, and is never called.
        let source = unsafe { KernelSource::host("nothing", nothing) };
        let error = bench.device.load(&source, Level::Counters).map(|_| ()).unwrap_err();
        assert!(matches!(error, DeviceError::Unsupported { .. }), "{error}");
        let source = module(b"", "ring");
        assert!(matches!(bench.device.load(&source, Level::Counters).map(|_| ()), Err(DeviceError::Compile { .. })));
    }
}

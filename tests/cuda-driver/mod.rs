//! Puts the stand-ins of the driver and of NVRTC where they are looked for, in a process of its own, and opens the
//! stand-in's door.

#[path = "objects.rs"]
mod objects;

use std::collections::BTreeMap;
use std::ffi::{CString, c_char, c_int};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use ringscope::device::cuda::cudarc::driver::sys;

const CHILD: &str = "RINGSCOPE_TEST_STAND_IN";
const RUNS: &str = "STAND_IN_RUNS";
/// Far more than any of the tests takes: what waits for a kernel waits for ever.
const LIMIT: Duration = Duration::from_secs(180);

/// Runs the test of that name again, in a process that finds the stand-in where it looks for the driver, and passes on
/// what it says. Whether this is that process.
#[allow(dead_code, reason = "the tests of faults are in shares")]
pub fn with_stand_in(test: &str, runs: Runs) -> bool {
    matches!(in_shares(test, 1, runs), Role::Share(_))
}

/// What the stand-in runs kernels as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runs {
    /// Their sources, built for CPU threads: a block is one.
    #[allow(dead_code, reason = "as below")]
    Threads,
    /// The PTX that is loaded, on the PTX machine: a block is 32 lanes.
    #[allow(dead_code, reason = "not every test runs both")]
    Ptx,
}

/// Tests that run with the stand-in, each in a process of its own.
#[allow(unused_macros, reason = "the tests of faults are in shares")]
macro_rules! on_stand_in {
    ($(fn $name:ident($driver:ident) $body:block)*) => {
        $(fn $name($driver: $crate::stand_in::StandIn) $body)*

        mod on_threads {
            $($crate::stand_in::on_stand_in!(@test $name, Threads);)*
        }
        mod on_the_ptx_machine {
            $($crate::stand_in::on_stand_in!(@test $name, Ptx);)*
        }
    };
    (@test $name:ident, $runs:ident) => {
        #[test]
        fn $name() {
            let test = concat!(module_path!(), "::", stringify!($name));
            // The harness leaves the crate out.
            let test = test.split_once("::").map_or(test, |(_, name)| name);
            if $crate::stand_in::with_stand_in(test, $crate::stand_in::Runs::$runs) {
                super::$name($crate::stand_in::StandIn);
            }
        }
    };
}
#[allow(unused_imports, reason = "as above")]
pub(crate) use on_stand_in;

/// What a process that runs a test is there for.
#[allow(dead_code, reason = "most tests have one share, and count nothing")]
pub enum Role {
    /// To do this share of it, with the stand-in.
    Share(u64),
    /// To say what the shares counted together.
    Whole(BTreeMap<String, u64>),
    /// Nothing: the stand-in cannot be made here.
    Skipped,
}

/// [`with_stand_in`], in so many processes at once: the stand-in is one of a process, and what waits takes its time.
pub fn in_shares(test: &str, shares: u64, runs: Runs) -> Role {
    if let Some(share) = std::env::var(CHILD).ok().and_then(|share| share.parse().ok()) {
        return Role::Share(share);
    }
    if !cfg!(target_os = "linux") {
        say(&format!("skipped: {test}: the stand-in of the driver is a shared library for Linux"));
        return Role::Skipped;
    }
    let Some(folder) = build() else {
        say(&format!("skipped: {test}: no C++ compiler (c++) for the stand-in of the driver"));
        return Role::Skipped;
    };
    let children: Vec<(Child, PathBuf)> = (0..shares).map(|share| start(test, share, runs, &folder)).collect();
    let deadline = Instant::now() + LIMIT;
    let ended: Vec<_> = children.into_iter().map(|(child, log)| (end(child, deadline), log)).collect();
    let mut counts = BTreeMap::new();
    for (status, log) in ended {
        let said = String::from_utf8_lossy(&std::fs::read(&log).expect("its log")).into_owned();
        let passed = status.is_some_and(|s| s.success()) && said.contains("1 passed");
        assert!(passed, "{}\n{said}", status.map_or(format!("hangs: not done after {LIMIT:?}"), |s| s.to_string()));
        said.lines().filter_map(|line| line.split_once("told: ")).for_each(|(_, told)| say(told));
        let counted = said.lines().filter_map(|line| line.split_once("counted: ")?.1.split_once(' '));
        counted.for_each(|(n, what)| *counts.entry(what.to_owned()).or_default() += n.parse::<u64>().expect("a count"));
    }
    Role::Whole(counts)
}

fn start(test: &str, share: u64, runs: Runs, folder: &Path) -> (Child, PathBuf) {
    let path = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let path = [folder.to_owned()].into_iter().chain(std::env::split_paths(&path));
    let log = folder.join(format!("{}.{share}.log", test.replace("::", ".")));
    let out = File::create(&log).expect("a log");
    let err = out.try_clone().expect("a handle");
    let child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", test, "--nocapture", "--test-threads", "1"])
        .env(CHILD, share.to_string())
        .env(RUNS, if runs == Runs::Ptx { "ptx" } else { "threads" })
        .env("LD_LIBRARY_PATH", std::env::join_paths(path).expect("a path"))
        .stdout(Stdio::from(out))
        .stderr(Stdio::from(err))
        .spawn()
        .expect("it starts");
    (child, log)
}

/// How it ended; `None` if it had to be ended.
fn end(mut child: Child, deadline: Instant) -> Option<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return Some(status);
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// For the person who runs the tests: past the harness, which keeps what a passing test prints to itself.
pub fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "{what}");
}

/// From the process with the stand-in.
#[allow(dead_code, reason = "not every test has something to tell")]
pub fn tell(what: &str) {
    say(&format!("told: {what}"));
}

/// From a process with the stand-in, to the one that adds up the shares.
#[allow(dead_code, reason = "not every test counts something")]
pub fn count(what: &str, n: u64) {
    say(&format!("counted: {n} {what}"));
}

/// Where the stand-ins are, under the names by which the driver and NVRTC are looked for; nowhere without a compiler.
pub fn build() -> Option<PathBuf> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    BUILT.get_or_init(compile).clone()
}

/// The parts of the stand-in; `driver.h` is what they share.
const UNITS: [&str; 9] =
    ["driver", "places", "contexts", "streams", "memory", "modules", "ptx_device", "door", "clock"];

fn compile() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = root.join("tests/cuda-driver");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-stand-in", env!("CARGO_CRATE_NAME")));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let machine = objects::ptx_machine()?;
    let cxx = || {
        let mut cxx = objects::compiler();
        cxx.args(["-O1", "-DRINGSCOPE_HOST_OWN_CLOCK"]);
        cxx
    };
    // All at once: the machine has more than one core.
    let objects: Vec<(PathBuf, Command)> = UNITS
        .iter()
        .map(|unit| (format!("{unit}.o"), sources.join(format!("{unit}.cpp")), 0))
        .chain((0..=3).map(|level| (format!("kernels_l{level}.o"), sources.join("kernels.cpp"), level)))
        .chain([("shim.o".to_owned(), root.join("kernels/host/shim.cpp"), 0)])
        .map(|(object, source, level)| {
            let (object, mut cxx) = (folder.join(object), cxx());
            cxx.arg("-c")
                .arg("-DRINGSCOPE_CPU")
                .arg(format!("-DRINGSCOPE_LEVEL={level}"))
                .arg(source)
                .arg("-o")
                .arg(&object);
            (object, cxx)
        })
        .collect();
    let (objects, compilers): (Vec<PathBuf>, Vec<Command>) = objects.into_iter().unzip();
    let started: Option<Vec<_>> = compilers.into_iter().map(|mut cxx| Some((cxx.spawn().ok()?, cxx))).collect();
    for (mut child, cxx) in started? {
        assert!(child.wait().expect("a compiler").success(), "{cxx:?}");
    }
    let link = |cxx: &mut Command| assert!(cxx.status().expect("a compiler").success(), "{cxx:?}");
    let mut driver = cxx();
    driver.args(["-shared", "-pthread", "-Wl,-soname,libcuda.so.1"]).args(objects).args(machine);
    link(driver.arg("-o").arg(folder.join("libcuda.so.1")));
    let kernels = sources.join("ptx/kernels");
    link(
        cxx()
            .arg("-shared")
            .arg(format!("-DTEST_KERNELS=\"{}\"", kernels.display()))
            .arg(sources.join("nvrtc.cpp"))
            .arg("-o")
            .arg(folder.join("libnvrtc.so")),
    );
    // One library under both names; a hard link, which the standard library makes on every platform.
    let _ = std::fs::remove_file(folder.join("libcuda.so"));
    std::fs::hard_link(folder.join("libcuda.so.1"), folder.join("libcuda.so")).expect("a link");
    Some(folder)
}

/// What may be made of one call; `driver.h` has the same list.
#[allow(dead_code, reason = "not every test breaks something")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails, once.
    OutOfMemory = 1,
    /// It fails, and the context is dead.
    LaunchFailed = 2,
    /// It succeeds, and then the context is dead.
    IllegalAddress = 3,
    /// A query: that stream or event is not ready, for ever.
    NotReady = 4,
    /// Work put in a stream: it never completes.
    Never = 5,
}

/// The stand-in's door.
pub struct StandIn;

#[allow(dead_code, reason = "each test uses some of these")]
impl StandIn {
    /// Whether kernels run as PTX, 32 lanes wide: fewer messages do, and take as long.
    pub fn runs_ptx(&self) -> bool {
        std::env::var_os(RUNS).is_some_and(|runs| runs == "ptx")
    }

    /// From now on calls belong to this phase.
    pub fn phase(&self, phase: u32) {
        // SAFETY: the type is that of the function in door.cpp.
        let set = unsafe { symbol::<unsafe extern "C" fn(u32)>("stand_in_phase") };
        // SAFETY: it takes any number.
        unsafe { set(phase) }
    }

    /// The nth call of that name in that phase suffers that fault.
    pub fn fault(&self, call: &str, phase: u32, nth: u64, fault: Fault) {
        type Plan = unsafe extern "C" fn(*const c_char, u32, u64, c_int);
        // SAFETY: the type is that of the function in door.cpp.
        let plan = unsafe { symbol::<Plan>("stand_in_fault") };
        let call = CString::new(call).expect("a name");
        // SAFETY: a NUL-terminated name, which is copied.
        unsafe { plan(call.as_ptr(), phase, nth, fault as c_int) }
    }

    /// The calls so far: phase, name, how many.
    pub fn calls(&self) -> Vec<(u32, String, u64)> {
        // SAFETY: the type is that of the function in door.cpp.
        let calls = unsafe { symbol::<unsafe extern "C" fn(*mut u8, usize) -> usize>("stand_in_calls") };
        let mut text = vec![0; 1 << 16];
        // SAFETY: the place has as many bytes as is said.
        let length = unsafe { calls(text.as_mut_ptr(), text.len()) };
        text.truncate(length);
        let text = String::from_utf8(text).expect("text");
        let parsed = |line: &str| {
            let mut words = line.split(' ');
            let mut next = || words.next().expect("three words");
            (next().parse().expect("a phase"), next().to_owned(), next().parse().expect("a count"))
        };
        text.lines().map(parsed).collect()
    }

    /// A count of the stand-in's.
    pub fn get(&self, what: &str) -> u64 {
        // SAFETY: the type is that of the function in door.cpp.
        let get = unsafe { symbol::<unsafe extern "C" fn(*const c_char) -> u64>("stand_in_get") };
        let what = CString::new(what).expect("a name");
        // SAFETY: a NUL-terminated name.
        unsafe { get(what.as_ptr()) }
    }

    /// Sets one: `hang_copies` is a switch, and `hang_copies_of` that of one device, its ordinal + 1, or 0; `driver_version` is what
    /// cuDriverGetVersion says (13000 unless it is set), `capability_major` the first number of the compute capability (9);
    /// `fail_words` is how many words in streams fail from now on, `no_words_in_streams` whether the GPU has none.
    pub fn set(&self, what: &str, value: u64) {
        // SAFETY: the type is that of the function in door.cpp.
        let set = unsafe { symbol::<unsafe extern "C" fn(*const c_char, u64)>("stand_in_set") };
        let what = CString::new(what).expect("a name");
        // SAFETY: a NUL-terminated name, which is copied.
        unsafe { set(what.as_ptr(), value) }
    }

    /// Lets the GPUs' clock run faster than the host's by so many parts in 10^9, in ticks of so many nanoseconds, from now on.
    pub fn set_clock(&self, drift_ppb: i64, tick_ns: u64) {
        // SAFETY: the type is that of the function in clock.cpp.
        let set = unsafe { symbol::<unsafe extern "C" fn(i64, u64)>("stand_in_set_clock") };
        // SAFETY: it takes any numbers.
        unsafe { set(drift_ppb, tick_ns) }
    }

    /// Sets the GPUs' clock ahead, or back.
    pub fn step_clock(&self, by_ns: i64) {
        // SAFETY: the type is that of the function in clock.cpp.
        let step = unsafe { symbol::<unsafe extern "C" fn(i64)>("stand_in_step_clock") };
        // SAFETY: it takes any number.
        unsafe { step(by_ns) }
    }

    /// What the GPUs' clock reads.
    pub fn clock_ns(&self) -> u64 {
        // SAFETY: the type is that of the function in clock.cpp.
        let read = unsafe { symbol::<unsafe extern "C" fn() -> u64>("stand_in_clock_ns") };
        // SAFETY: no arguments.
        unsafe { read() }
    }

    /// That device's context is dead from now on.
    pub fn kill(&self, ordinal: i32, error: i32) {
        // SAFETY: the type is that of the function in door.cpp.
        let kill = unsafe { symbol::<unsafe extern "C" fn(c_int, c_int)>("stand_in_kill") };
        // SAFETY: the devices are 0 and 1.
        unsafe { kill(ordinal, error) }
    }

    /// A kernel of another library's takes room for so many blocks, and stays; with 0 it ends. How many found room.
    pub fn occupy(&self, ordinal: i32, blocks: u32, [warps, registers, shared]: [u32; 3]) -> u32 {
        type Occupy = unsafe extern "C" fn(c_int, u32, u32, u32, u32) -> u32;
        // SAFETY: the type is that of the function in door.cpp.
        let occupy = unsafe { symbol::<Occupy>("stand_in_occupy") };
        // SAFETY: the devices are 0 and 1.
        unsafe { occupy(ordinal, blocks, warps, registers, shared) }
    }

    /// Makes that device's context the calling thread's only one; none if negative.
    pub fn enter(&self, ordinal: i32) {
        // SAFETY: the type is that of the function in door.cpp.
        let enter = unsafe { symbol::<unsafe extern "C" fn(c_int)>("stand_in_enter") };
        // SAFETY: the devices are 0 and 1.
        unsafe { enter(ordinal) }
    }

    /// Whose context is the calling thread's current one, -1 if none is; and how many are on its stack.
    pub fn current(&self) -> (i32, usize) {
        // SAFETY: the types are those of the functions in door.cpp.
        let (current, depth) = unsafe {
            let current = symbol::<unsafe extern "C" fn() -> c_int>("stand_in_current");
            (current, symbol::<unsafe extern "C" fn() -> usize>("stand_in_depth"))
        };
        // SAFETY: they take nothing.
        unsafe { (current(), depth()) }
    }

    /// Forgets everything, as a new process would.
    pub fn reset(&self) {
        // SAFETY: the type is that of the function in door.cpp.
        let reset = unsafe { symbol::<unsafe extern "C" fn() -> c_int>("stand_in_reset") };
        // SAFETY: nobody is in a call of the driver, all devices having been dropped.
        assert_eq!(unsafe { reset() }, 1, "a block did not end with its context");
    }
}

/// Nothing was left behind, nothing waited for a kernel, and nobody used the NULL stream.
#[allow(dead_code, reason = "not every test is to end so")]
pub fn assert_clean(driver: &StandIn) {
    for what in ["live", "reclaimed", "contexts", "resident", "blocked", "null_stream", "pageable", "wild"] {
        assert_eq!(driver.get(what), 0, "{what}");
    }
}

/// # Safety
/// `F` is the type of the function.
unsafe fn symbol<F: Copy>(name: &str) -> F {
    // SAFETY: the caller's promise; the library is loaded, for this process was made for it.
    unsafe { *sys::culib().get::<F>(name.as_bytes()).expect("the stand-in has it") }
}

//! Kernels of others whose blocks have roles: shards and owners of their own, tasks that begin in one role and end in another,
//! kinds of tasks, pens besides the owner's, two kernels in one grid. The kernels are those that the PTX machine runs as well
//! (tests/cuda-driver/ptx/kernels/roles.cu); here a C++ compiler makes a library of them, for the host device.
#![cfg(feature = "host")]
#![allow(unsafe_code)]

use std::ffi::{CString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ringscope::abi::{self, Counter, KernelRef, Shard, Word, block_state};
use ringscope::device::host::{HostArgument, HostDevice};
use ringscope::device::{HostEntry, Launch};
use ringscope::histogram::slot_of;
use ringscope::{KernelState, TelemetryCollector, TelemetryConfig, TelemetryError};

const ROLES: u32 = 4;
const BLOCKS: u32 = 3;
const LEVELS: std::ops::RangeInclusive<u32> = 1..=3;

#[link(name = "dl")]
unsafe extern "C" {
    fn dlopen(file: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// The kernels at one level. One launch at a time: a launch numbers its blocks.
struct Library(usize);

impl Library {
    fn build(level: u32) -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("libroles_l{level}.so"));
        let mut cxx = Command::new(std::env::var_os("CXX").unwrap_or_else(|| "c++".into()));
        cxx.args([
            "-std=c++17",
            "-O1",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-shared",
            "-fPIC",
            "-pthread",
            "-DRINGSCOPE_CPU",
        ]);
        // Not the shim of the program: names inside of the library are its own.
        cxx.args(["-Wl,-Bsymbolic", &format!("-DRINGSCOPE_LEVEL={level}")]).arg("-I").arg(root.join("kernels/include"));
        cxx.arg(root.join("tests/host-shim/numbered.cpp")).arg(root.join("kernels/host/shim.cpp")).arg("-o").arg(&to);
        let output = cxx.output().expect("a C++ compiler, which built the host device");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let file = CString::new(to.to_str().expect("a path in UTF-8")).expect("no NUL");
        // SAFETY: a library without initializers; RTLD_NOW.
        let library = unsafe { dlopen(file.as_ptr(), 2) };
        assert!(!library.is_null(), "{}", to.display());
        Library(library.expose_provenance())
    }

    fn symbol(&self, name: &str) -> *mut c_void {
        let c_name = CString::new(name).expect("no NUL");
        // SAFETY: the library stays open.
        let symbol = unsafe { dlsym(std::ptr::with_exposed_provenance_mut(self.0), c_name.as_ptr()) };
        assert!(!symbol.is_null(), "{name}");
        symbol
    }

    /// Runs so many blocks of a kernel to their end.
    fn run(&self, device: &HostDevice, name: &str, blocks: u32, args: &[&dyn HostArgument], of: &TelemetryCollector) {
        // SAFETY: numbered.cpp defines it so.
        let number: extern "C" fn(u32) = unsafe { std::mem::transmute(self.symbol("number_blocks")) };
        number(blocks);
        // SAFETY: numbered.cpp defines an entry so.
        let entry: HostEntry = unsafe { std::mem::transmute(self.symbol(&format!("{name}_numbered"))) };
        // SAFETY: the caller gives the arguments of roles.cu, and memory that it keeps until the end of the blocks.
        let launch = unsafe { device.launch(entry, blocks, args, of.memory()) }.expect("a launch");
        let patience = Instant::now() + Duration::from_secs(60);
        while !launch.ended().expect("its state") {
            assert!(Instant::now() < patience, "{name} does not end");
            std::thread::yield_now();
        }
    }
}

/// The kernels of a level, built once.
fn library(level: u32) -> MutexGuard<'static, Library> {
    static BUILT: LazyLock<[Mutex<Library>; 4]> = LazyLock::new(|| [0, 1, 2, 3].map(|l| Mutex::new(Library::build(l))));
    BUILT[level as usize].lock().unwrap_or_else(PoisonError::into_inner)
}

fn collector() -> (Arc<HostDevice>, TelemetryCollector) {
    let device = Arc::new(HostDevice::new());
    let telemetry = TelemetryCollector::on_device(device.clone(), TelemetryConfig::default()).expect("a collector");
    (device, telemetry)
}

/// The shards of a ref, when its blocks have ended.
fn shards(of: &KernelRef) -> Vec<Shard> {
    let first = std::ptr::with_exposed_provenance::<Shard>(of.shards as usize);
    // SAFETY: memory of the host device, which nobody writes any more.
    (0..of.shard_count as usize).map(|i| unsafe { first.add(i).read_volatile() }).collect()
}

/// The rows of a ref, when its blocks have ended.
fn rows(of: &KernelRef) -> Vec<Vec<u64>> {
    let first = std::ptr::with_exposed_provenance::<u64>(of.buckets as usize);
    let words = of.bucket_stride as usize;
    // SAFETY: memory of the host device, which nobody writes any more.
    let row = |row: usize| (0..words).map(|i| unsafe { first.add(row * words + i).read_volatile() }).collect();
    (0..=of.row_mask as usize).map(row).collect()
}

fn counter(shard: &Shard, which: Counter) -> u64 {
    shard.counters[which as usize]
}

fn word(shard: &Shard, which: Word) -> u64 {
    shard.words[which as usize]
}

#[test]
fn tasks_that_begin_in_one_role_and_end_in_another_are_counted_once_and_by_kind() {
    const TASKS: u32 = 100;
    for level in LEVELS {
        let (device, telemetry) = collector();
        let sets: [&[&str]; 3] = [&["load"], &["matmul"], &["norm"]];
        let kinds = telemetry.histogram("task_duration_nanoseconds", "Time of a task").expect("a name");
        let kinds = kinds.unit("nanoseconds").family(&["kind"], &sets).indices(&[5, 101, 349]).on_device();
        let kernel = telemetry.register("w", BLOCKS * ROLES).expect("room").with_kinds(kinds.expect("a family"));
        let mail = vec![0u64; (BLOCKS * TASKS) as usize].leak();
        let mail = mail.as_mut_ptr().expose_provenance() as u64;
        library(level).run(&device, "roles_tasks", BLOCKS * ROLES, &[&kernel, &TASKS, &mail], &telemetry);

        let bytes = u64::from(TASKS * (TASKS - 1) / 2);
        for (i, shard) in shards(&kernel).iter().enumerate() {
            let which = format!("level {level}, block {}, role {}", i / 4, i % 4);
            let counts = [Counter::Received, Counter::Processed, Counter::BytesIn].map(|c| counter(shard, c));
            match i % 4 {
                1 => assert_eq!(counts, [TASKS.into(), TASKS.into(), bytes], "{which}"),
                3 => assert_eq!(*shard, Shard::default(), "{which}"),
                _ => assert_eq!(counts, [0, 0, 0], "{which}"),
            }
            if i % 4 != 3 {
                assert_eq!(word(shard, Word::State), block_state::ENDED, "{which}");
                assert_eq!(word(shard, Word::Abi), u64::from(abi::ABI_VERSION), "{which}");
                assert!(word(shard, Word::StartNs) > 0 && word(shard, Word::EndNs) >= word(shard, Word::StartNs));
            }
        }
        // Shards that nobody owns do not keep it from having ended, once it is certain that nobody comes.
        let patience = Instant::now() + Duration::from_secs(60);
        let t = loop {
            let t = telemetry.telemetry("w").expect("it is registered");
            if t.state == KernelState::Terminated {
                break t;
            }
            assert!(Instant::now() < patience, "level {level}: {t:?}");
            std::thread::sleep(Duration::from_millis(10));
        };
        assert_eq!(t.messages_processed, u64::from(BLOCKS * TASKS), "level {level}");

        let metric = telemetry.metric("task_duration_nanoseconds").expect("it is registered");
        let count = |kind| metric.value(&[("kind", kind)]).and_then(|v| v.histogram().map(|h| h.count()));
        let each = if level >= 2 { [34, 33, 33].map(|n| Some(n * u64::from(BLOCKS))) } else { [Some(0); 3] };
        assert_eq!(["load", "matmul", "norm"].map(count), each, "level {level}");
        assert_eq!(count("overflow"), Some(0));
    }
}

#[test]
fn extremes_and_counts_of_several_writers_of_one_shard_are_exact() {
    const RECORDS: u32 = 2000;
    for level in LEVELS {
        let (device, telemetry) = collector();
        let kernel = telemetry.register("w", 1).expect("room");
        let writers = BLOCKS * ROLES;
        library(level).run(&device, "roles_extremes", writers, &[&kernel, &RECORDS], &telemetry);

        let all = u64::from(writers * RECORDS);
        let shard = &shards(&kernel)[0];
        assert_eq!(counter(shard, Counter::Received), all, "level {level}");
        assert_eq!(counter(shard, Counter::BusyNs), all * 1000 + all * (all - 1) / 2, "level {level}");
        assert_eq!(word(shard, Word::QueueHighWater), u64::from(writers - 1), "level {level}");
        let latency = telemetry.telemetry("w").expect("it is registered").latency;
        assert_eq!(latency.is_some(), level >= 2);
        if let Some(latency) = latency {
            let found = (latency.count, latency.min_ns, latency.max_ns);
            assert_eq!(found, (all, 1000, 1000 + all - 1), "level {level}");
        }
    }
}

#[test]
fn a_pen_that_is_attached_leaves_the_life_of_its_block_alone() {
    const BATCHES: u32 = 500;
    for level in LEVELS {
        let (device, telemetry) = collector();
        let kernel = telemetry.register("w", BLOCKS).expect("room");
        let seen = vec![0u64; BLOCKS as usize].leak();
        let address = seen.as_mut_ptr().expose_provenance() as u64;
        library(level).run(&device, "roles_attached", BLOCKS, &[&kernel, &BATCHES, &address], &telemetry);

        assert_eq!(seen, [0; BLOCKS as usize], "level {level}: batches that began or ended the block");
        for shard in shards(&kernel) {
            assert_eq!(counter(&shard, Counter::Processed), u64::from(BATCHES), "level {level}");
            assert_eq!(word(&shard, Word::State), block_state::ENDED, "level {level}");
        }
    }
}

#[test]
fn two_kernels_in_one_grid_have_shards_by_their_own_blocks() {
    for level in LEVELS {
        let (device, telemetry) = collector();
        let (first, second) = (2, 3);
        let kernels = [("first", first), ("second", second)].map(|(id, blocks)| telemetry.register(id, blocks));
        let [one, two] = kernels.map(|kernel| kernel.expect("room"));
        let two = two.with_first_block(first);
        library(level).run(&device, "roles_merged", first + second, &[&one, &two, &first], &telemetry);

        let bytes = |of: &KernelRef| shards(of).iter().map(|s| counter(s, Counter::BytesIn)).collect::<Vec<_>>();
        assert_eq!((bytes(&one), bytes(&two)), (vec![1, 2], vec![3, 4, 5]), "level {level}");
        for (id, blocks) in [("first", first), ("second", second)] {
            let t = telemetry.telemetry(id).expect("it is registered");
            assert_eq!((t.messages_processed, t.state), (u64::from(blocks), KernelState::Terminated), "level {level}");
        }
    }
}

#[test]
fn kinds_are_timed_in_exponential_histograms_or_not_at_all() {
    let (_, telemetry) = collector();
    let family = |name: &str, bounds: Option<&[f64]>| {
        let histogram = telemetry.histogram(name, "Time of a task").expect("a name");
        let histogram = match bounds {
            Some(bounds) => histogram.buckets(bounds),
            None => histogram.scale(2),
        };
        histogram.family(&["kind"], &[&["load"], &["norm"]]).on_device().expect("room")
    };
    let (explicit, exponential) = (family("explicit", Some(&[1.0, 2.0])), family("exponential", None));
    let kernel = telemetry.register("w", 1).expect("room");
    assert_eq!(kernel.with_kinds(exponential).kinds, exponential.index() + 1);
    for without in [explicit, Default::default()] {
        assert_eq!(kernel.with_kinds(without).kinds, 0, "a row of other buckets would be written beyond its end");
    }
    assert_eq!(explicit.exponential(), Default::default());
    assert_eq!(exponential.exponential().index(), exponential.index());
}

/// Where a kernel has more blocks than rows, blocks add to the same words.
#[test]
fn blocks_that_share_rows_lose_no_value() {
    const WRITERS: u32 = 40;
    const RECORDS: u32 = 20_000;
    for (level, most_rows) in [(2, 8), (2, 1), (3, 8), (3, 1)] {
        let (device, telemetry) = collector();
        let given = telemetry.register("w", WRITERS).expect("room");
        assert!(given.row_mask + 1 < WRITERS, "as many rows as blocks");
        // In one row they meet most often.
        let kernel = KernelRef { row_mask: given.row_mask.min(most_rows - 1), ..given };
        let begun = vec![0u64].leak().as_mut_ptr().expose_provenance() as u64;
        library(level).run(&device, "roles_rows", WRITERS, &[&kernel, &RECORDS, &begun], &telemetry);

        let all = u64::from(WRITERS * RECORDS);
        let thirds = [RECORDS + 2, RECORDS + 1, RECORDS].map(|n| u64::from(WRITERS * (n / 3)));
        let halves = [RECORDS + 1, RECORDS].map(|n| u64::from(WRITERS * (n / 2)));
        let half_row = kernel.bucket_stride as usize / 2;
        let found = |part: usize, ns: u64| {
            rows(&kernel).iter().map(|row| row[part * half_row + slot_of(ns, kernel.scale)]).sum::<u64>()
        };
        assert_eq!([0, 1, 2].map(|ns| found(0, ns)), thirds, "level {level}, {most_rows} rows: handling");
        assert_eq!([0, 1].map(|ns| found(1, ns)), halves, "level {level}, {most_rows} rows: waiting");

        let t = telemetry.telemetry("w").expect("it is registered");
        let counts = [t.histogram.count(), t.waiting.as_ref().map_or(0, |w| w.histogram.count()), t.messages_processed];
        assert_eq!(counts, [all; 3], "level {level}");
        assert_eq!(
            shards(&kernel).iter().map(|s| counter(s, Counter::LatencyCount)).sum::<u64>(),
            all,
            "level {level}"
        );
        // And all rows count.
        assert!(rows(&kernel).iter().all(|row| row.iter().sum::<u64>() == 2 * all / u64::from(kernel.row_mask + 1)));
    }
}

#[test]
fn pens_of_roles_that_there_are_not_count_nothing_and_are_told() {
    for level in LEVELS {
        for roles in 1..=ROLES {
            let (device, telemetry) = collector();
            let kernel = telemetry.kernel("w").shards(BLOCKS * roles).roles(roles).register().expect("room");
            library(level).run(&device, "roles_wrong", BLOCKS, &[&kernel], &telemetry);

            for (i, shard) in shards(&kernel).iter().enumerate() {
                let found = [Counter::Received, Counter::BytesIn].map(|c| counter(shard, c));
                assert_eq!(found, [1, i as u64 % u64::from(roles) + 1], "level {level}, {roles} roles, shard {i}");
                assert_eq!(word(shard, Word::State), block_state::ENDED);
            }
            let snapshot = telemetry.snapshot().expect("a snapshot");
            let misses = u64::from(BLOCKS * (ROLES + 4 - roles));
            assert_eq!(snapshot.self_metrics.role_misses_total, misses, "level {level}, {roles} roles");
            let t = telemetry.telemetry("w").expect("it is registered");
            assert_eq!((t.messages_processed, t.errors), (u64::from(BLOCKS * roles), 0));
        }
    }
}

#[test]
fn shards_that_are_no_roles_of_blocks_are_refused() {
    let (_, telemetry) = collector();
    for (shards, roles) in [(10, 4), (4, 8), (4, 0)] {
        let error = telemetry.kernel("w").shards(shards).roles(roles).register().expect_err("they do not go together");
        assert_eq!(error, TelemetryError::BadRoles { id: "w".into(), shards, roles });
        let said = format!("kernel `w` has {shards} shards and {roles} roles a block");
        assert!(
            error.to_string().starts_with(&said) && error.to_string().contains(".shards(blocks * roles)"),
            "{error}"
        );
    }
    // Nothing of it is kept: the name and all of the room are there.
    let room = TelemetryConfig::default().max_blocks;
    assert_eq!(telemetry.kernel("w").shards(room).roles(1).register().map(|to| to.roles), Ok(1));
}

/// Level 0, and a null ref.
#[test]
fn without_telemetry_roles_hand_their_work_on_as_well() {
    const TASKS: u32 = 10;
    for level in 0..=3 {
        let (device, telemetry) = collector();
        let kernel = telemetry.register("w", BLOCKS * ROLES).expect("room");
        let given = if level == 0 { kernel } else { KernelRef::default() };
        let mail = vec![0u64; (BLOCKS * TASKS) as usize].leak();
        let address = mail.as_mut_ptr().expose_provenance() as u64;
        library(level).run(&device, "roles_tasks", BLOCKS * ROLES, &[&given, &TASKS, &address], &telemetry);
        assert!(mail.iter().all(|word| *word == 1), "level {level}: no clock is read");
        assert!(shards(&kernel).iter().all(|shard| *shard == Shard::default()), "level {level}");
    }
}

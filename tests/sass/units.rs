//! From source to instructions: every unit, for every architecture.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use crate::code::{Kernel, code_of, instructions_of, resources_of};
use crate::roles::{COLLECTIVE, PRODUCER};
use crate::sources::{BUILT_IN, GUILTY, METRICS, OWN, UNROLLED, dressed};
use crate::toolkit::{folder, nvcc_and_nvdisasm, root};

pub const ARCHITECTURES: [u32; 7] = [75, 80, 86, 89, 90, 100, 120];
pub const RING_KERNELS: [&str; 4] = ["echo", "vector_add", "compute", "crc32c"];
pub const OWN_KERNELS: [&str; 13] = [
    "end",
    "fail",
    "finish",
    "end_or_fail",
    "end_warp",
    "fail_warp",
    "end_of_kind",
    "at",
    "idle",
    "due",
    "event",
    "mixed",
    "traced",
];

pub struct Tools {
    pub nvcc: PathBuf,
    pub nvdisasm: PathBuf,
}

pub fn tools() -> Option<Tools> {
    nvcc_and_nvdisasm().map(|(nvcc, nvdisasm)| Tools { nvcc, nvdisasm })
}

/// Standard output, standard error.
pub fn run(command: &mut Command) -> (String, String) {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?} does not start: {e}"));
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{command:?}\n{out}{err}");
    (out, err)
}

/// How a unit is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dress {
    Plain,
    Level(u32),
}

pub const LEVELS: [Dress; 4] = [Dress::Level(0), Dress::Level(1), Dress::Level(2), Dress::Level(3)];
pub const DRESSES: [Dress; 5] = [Dress::Plain, LEVELS[0], LEVELS[1], LEVELS[2], LEVELS[3]];

impl Dress {
    pub fn defines(self) -> Vec<String> {
        match self {
            Dress::Plain => vec!["-DPLAIN".to_owned()],
            Dress::Level(level) => vec![format!("-DRINGSCOPE_LEVEL={level}")],
        }
    }
}

/// The kernels of a unit by their names, without the level that built-in ones carry.
pub type Unit = BTreeMap<String, Kernel>;

pub fn build(tools: &Tools, source: &Path, to: &Path, arch: u32, dress: Dress, more: &[&str]) -> Unit {
    let mut command = Command::new(&tools.nvcc);
    command.args(["-cubin", "-std=c++17", "-O3", "-Xptxas", "-v", &format!("-arch=sm_{arch}")]);
    command
        .args(more)
        .args(dress.defines())
        .arg("-I")
        .arg(root().join("kernels"))
        .arg("-I")
        .arg(root().join("kernels/include"));
    let (out, said) = run(command.arg(source).arg("-o").arg(to));
    let said = out + &said;
    let (listing, _) = run(Command::new(&tools.nvdisasm).arg("-c").arg(to));
    let mut code = code_of(&std::fs::read(to).expect("nvcc wrote it"));
    let kernels = instructions_of(&listing).into_iter().map(|(name, instructions)| {
        let (frame, registers) = resources_of(&said, &name);
        let code = code.remove(&name).expect("a section for each kernel");
        assert_eq!(code.len(), 16 * instructions.len(), "{name}: nvdisasm lists every instruction, of 16 bytes");
        let short = name.trim_end_matches(|c: char| c.is_ascii_digit()).strip_suffix("_l").unwrap_or(&name).to_owned();
        (short, Kernel { registers, frame, instructions, code })
    });
    kernels.collect()
}

/// Units by architecture and dress.
pub type Units = BTreeMap<(u32, Dress), Unit>;

pub struct Everything {
    /// As nvcc tells it.
    pub version: String,
    pub built_in: Units,
    pub own: Units,
    /// Of 40 registers, and of 96.
    pub producer: Units,
    pub collective: Units,
    pub metrics: Units,
    pub unrolled: Units,
    pub guilty: Units,
}

impl Everything {
    pub fn built_in(&self, name: &str, arch: u32, dress: Dress) -> &Kernel {
        &self.built_in[&(arch, dress)][name]
    }
    pub fn own(&self, name: &str, arch: u32, dress: Dress) -> &Kernel {
        &self.own[&(arch, dress)][name]
    }
    /// Every kernel and its name: one at a level from 1 on, and the same at level 0.
    pub fn with_level_0(&self) -> impl Iterator<Item = (String, u32, &Kernel, &Kernel)> {
        [("built-in", &self.built_in), ("own", &self.own)].into_iter().flat_map(|(group, units)| {
            units.iter().flat_map(move |(&(arch, dress), unit)| {
                unit.iter().filter_map(move |(name, kernel)| match dress {
                    Dress::Level(level @ 1..) => {
                        let off = &units[&(arch, Dress::Level(0))][name];
                        Some((format!("{group} {name}, level {level}, sm_{arch}"), level, kernel, off))
                    }
                    _ => None,
                })
            })
        })
    }
}

/// Compiled once for all tests of this file; None where there is nothing to compile with.
pub fn everything() -> Option<&'static Everything> {
    static EVERYTHING: OnceLock<Option<Everything>> = OnceLock::new();
    EVERYTHING.get_or_init(|| tools().map(|tools| compile_everything(&tools))).as_ref()
}

pub fn compile_everything(tools: &Tools) -> Everything {
    let folder = folder("sass");
    let groups: [(&str, String, &[Dress], &[&str]); 7] = [
        ("built_in", BUILT_IN.to_owned(), &LEVELS, &[]),
        ("own", dressed(OWN), &DRESSES, &[]),
        ("producer", dressed(PRODUCER), &DRESSES, &["-maxrregcount", "40"]),
        ("collective", dressed(COLLECTIVE), &DRESSES, &["-maxrregcount", "96"]),
        ("metrics", METRICS.to_owned(), &[LEVELS[0], LEVELS[2]], &[]),
        ("unrolled", dressed(UNROLLED), &[LEVELS[0], LEVELS[2]], &[]),
        ("guilty", GUILTY.to_owned(), &LEVELS[..1], &[]),
    ];
    let mut jobs = Vec::new();
    for (name, text, dresses, more) in &groups {
        let source = folder.join(format!("{name}.cu"));
        std::fs::write(&source, text).expect("a temporary file");
        let each = ARCHITECTURES.iter().flat_map(|&arch| dresses.iter().map(move |&dress| (arch, dress)));
        jobs.extend(each.map(|which| (*name, source.clone(), which, *more)));
    }
    let done = two_at_a_time(&jobs, |number, (_, source, (arch, dress), more)| {
        build(tools, source, &folder.join(format!("{number}.cubin")), *arch, *dress, more)
    });
    let mut all: BTreeMap<&str, Units> = BTreeMap::new();
    for ((name, _, which, _), unit) in jobs.into_iter().zip(done) {
        all.entry(name).or_default().insert(which, unit);
    }
    let mut group = |name| all.remove(name).expect("it was compiled");
    let [built_in, own, producer] = ["built_in", "own", "producer"].map(&mut group);
    let [collective, metrics, unrolled, guilty] = ["collective", "metrics", "unrolled", "guilty"].map(&mut group);
    Everything { version: version(tools), built_in, own, producer, collective, metrics, unrolled, guilty }
}

/// In the order of the jobs. Two, because a machine for tests may have no more cores.
pub fn two_at_a_time<J: Sync, T: Send>(jobs: &[J], work: impl Fn(usize, &J) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(number) else { return };
                    let result = work(number, job);
                    done.lock().expect("no worker panics with the lock").push((number, result));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no worker panics with the lock");
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, result)| result).collect()
}

/// `V13.0.88` without its V.
pub fn version(tools: &Tools) -> String {
    let (said, _) = run(Command::new(&tools.nvcc).arg("--version"));
    let version = said.split_whitespace().find_map(|word| word.strip_prefix('V').filter(|v| v.contains('.')));
    version.expect("nvcc tells its version").to_owned()
}

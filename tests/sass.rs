//! The gate on machine code: what telemetry becomes in SASS, on every architecture. Needs nvcc and nvdisasm, no GPU.
//!
//! `scripts/cuda-toolchain.sh` brings both. Without them these tests say so and pass, unless
//! RINGSCOPE_REQUIRE_NVCC=1. docs/sass.md holds the figures; RINGSCOPE_WRITE_DOCS=1 writes them anew.

mod toolkit;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use toolkit::{folder, nvcc_and_nvdisasm, root};

const ARCHITECTURES: [u32; 7] = [75, 80, 86, 89, 90, 100, 120];
const RING_KERNELS: [&str; 4] = ["echo", "vector_add", "compute", "crc32c"];
const OWN_KERNELS: [&str; 5] = ["end", "fail", "end_warp", "fail_warp", "mixed"];

/// All built-in kernels in one unit, as build.rs compiles them.
const BUILT_IN: &str = r#"
#include "echo.cu"
#include "vector_add.cu"
#include "compute.cu"
#include "crc32c.cu"
#include "clock_probe.cu"
"#;

/// Kernels of somebody else, in three dresses: with ringscope's calls, with all of them but the record of a message
/// (-DNO_RECORD), and never having heard of ringscope (-DPLAIN), but for the 40 bytes of the parameter.
const OWN: &str = r#"
#ifdef PLAIN
struct Ref { void* pointers[3]; unsigned numbers[4]; };
#define CALL(...)
#else
#include <ringscope/telemetry.cuh>
using Ref = ringscope::KernelRef;
#define CALL(...) __VA_ARGS__
#endif
#ifdef NO_RECORD
#define RECORD(...)
#else
#define RECORD(...) CALL(__VA_ARGS__)
#endif

#define KERNEL(name, ...)                                                                       \
    extern "C" __global__ void name(Ref telemetry, const volatile int* stop, unsigned* out) {   \
        CALL(ringscope::Recorder rec(telemetry);)                                               \
        for (unsigned n = 1; *stop == 0; ++n) {                                                 \
            CALL(ringscope::u64 begun = rec.begin();)                                           \
            out[blockIdx.x * blockDim.x + threadIdx.x] = n;                                     \
            __syncwarp();                                                                       \
            RECORD(__VA_ARGS__)                                                                 \
        }                                                                                       \
    }

KERNEL(end, if (threadIdx.x == 0) rec.end(begun, n, 4);)
KERNEL(fail, if (threadIdx.x == 0) rec.fail(begun, 300, n);)
KERNEL(end_warp, rec.end_warp(begun, n, 4);)
KERNEL(fail_warp, rec.fail_warp(begun, 300, n);)
KERNEL(mixed,
    if (n % 3 == 0) rec.end_warp(begun, n, 4);
    else if (threadIdx.x != 0) rec.heartbeat(0);
    else if (n % 3 == 1) rec.fail(begun, 300, n);
    else { rec.end(begun, n, 4); rec.idle(begun, 1, 1, 0); rec.dropped(n); rec.state(2); })
"#;

/// In place of telemetry.cuh: a ring that writes its telemetry into this writes it nowhere, and shuffles none.
const NO_TELEMETRY: &str = r#"
#pragma once
#include <ringscope/abi.h>
#include <ringscope/platform.cuh>
#include <ringscope/atomic.cuh>
#include <ringscope/clock.cuh>
#include <ringscope/histogram.cuh>
#include <ringscope/metrics.cuh>
namespace ringscope {
struct Nothing {
    __device__ Nothing(u64 = 0) {}
    __device__ operator u64() const { return 0; }
    __device__ void operator++() {}
};
__device__ inline Nothing from_lane0(Nothing n) { return n; }
using KernelRef = ringscope_kernel_ref;
struct MessageRecord {
    Nothing begin_ns, end_ns, wait_ns, sent_ns, held_ns, polls, bytes_in, bytes_out, queue_depth, sent, retries;
    Nothing replies_dropped;
    u32 status = RINGSCOPE_OK;
};
struct Recorder {
    __device__ Recorder(const KernelRef&, u32) {}
    __device__ static constexpr bool on() { return false; }
    __device__ u64 begin() const { return 0; }
    __device__ void record_warp(const MessageRecord&) {}
    template <class... Any> __device__ void idle(Any...) {}
    template <class... Any> __device__ void heartbeat(Any...) {}
    __device__ void dropped(u64) {}
    __device__ void state(u32) {}
};
}
"#;

/// All that telemetry must not do, for the gate to find.
const GUILTY: &str = r#"
__device__ __noinline__ unsigned long long called(unsigned long long v) { return v * v + clock64(); }
extern "C" __global__ void guilty(unsigned long long* p, int i) {
    unsigned long long local[64];
    for (int k = 0; k < 64; ++k) local[k] = p[k];
    local[i] = 1;
    atomicCAS(p, local[i + 1], called(local[i]));
    p[1] = atomicAdd(p + 2, 1ull);
    __threadfence();
    p[3] = local[i + 2];
}
"#;

// ---- the toolchain ---------------------------------------------------------------------------------

struct Tools {
    nvcc: PathBuf,
    nvdisasm: PathBuf,
}

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|v| v == "1")
}

/// Past the test harness, which would swallow what eprintln says.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn tools() -> Option<Tools> {
    nvcc_and_nvdisasm().map(|(nvcc, nvdisasm)| Tools { nvcc, nvdisasm })
}

/// Standard output, standard error.
fn run(command: &mut Command) -> (String, String) {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?} does not start: {e}"));
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{command:?}\n{out}{err}");
    (out, err)
}

// ---- from source to instructions -------------------------------------------------------------------

/// How a unit is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Dress {
    Plain,
    Level(u32),
    NoRecord(u32),
}

impl Dress {
    fn defines(self) -> Vec<String> {
        match self {
            Dress::Plain => vec!["-DPLAIN".to_owned()],
            Dress::Level(level) => vec![format!("-DRINGSCOPE_LEVEL={level}")],
            Dress::NoRecord(level) => vec![format!("-DRINGSCOPE_LEVEL={level}"), "-DNO_RECORD".to_owned()],
        }
    }
}

struct Instruction {
    /// With its suffixes, without its predicate.
    opcode: String,
    operands: String,
}

impl Instruction {
    /// `/*0090*/  @!P0 BRA `(.L_x_1) ;`
    fn parse(line: &str) -> Option<Self> {
        let (_, rest) = line.trim_start().strip_prefix("/*")?.split_once("*/")?;
        let (mut text, _) = rest.split_once(';')?;
        text = text.trim();
        if text.starts_with('@') {
            text = text.split_once(' ')?.1.trim_start();
        }
        let (opcode, operands) = text.split_once(' ').unwrap_or((text, ""));
        Some(Self { opcode: opcode.to_owned(), operands: operands.trim().to_owned() })
    }
    fn base(&self) -> &str {
        self.opcode.split('.').next().unwrap_or_default()
    }
    fn is_padding(&self) -> bool {
        self.opcode == "NOP"
    }
    fn is_atomic_with_result(&self) -> bool {
        self.base().starts_with("ATOM")
    }
    fn is_compare_and_swap(&self) -> bool {
        self.opcode.split('.').any(|part| part.starts_with("CAS"))
    }
    /// Also spelled REDG; REDUX works on registers.
    fn is_red(&self) -> bool {
        matches!(self.base(), "RED" | "REDG" | "REDS" | "UREDG")
    }
    /// The one way to count: no result, no order, an address known to be global.
    fn counts(&self) -> bool {
        matches!(&*self.opcode, "RED.E.ADD.64.STRONG.GPU" | "REDG.E.ADD.64.STRONG.GPU")
    }
    fn stores_word(&self) -> bool {
        self.opcode == "STG.E.64.STRONG.GPU"
    }
    /// MEMBAR brings along the others; CCTL drops the L1 cache behind an acquire.
    fn is_fence(&self) -> bool {
        matches!(self.base(), "MEMBAR" | "ERRBAR" | "CGAERRBAR" | "FENCE" | "CCTL" | "BAR" | "UCGABAR_ARV")
    }
    /// To a function, and the return from one. Two spellings are none, both of ptxas for sm_75 to sm_89: a far jump,
    /// `CALL.REL.NOINC` to a label of the same function; and what stands behind a shuffle's `BRA.DIV`, for a warp that
    /// is not converged, where ringscope's always are.
    fn is_call(&self) -> bool {
        let none = ["`(.L_", "__cuda_sm70_shflsync"].iter().any(|target| self.operands.contains(target));
        matches!(self.base(), "CALL" | "UCALL" | "JCAL") && !none || self.base() == "RET"
    }
    fn is_local(&self) -> bool {
        matches!(self.base(), "LDL" | "STL")
    }
    /// Of memory that somebody may have written: a message would wait for it. The tables of buckets are constant.
    fn loads(&self) -> bool {
        matches!(self.base(), "LD" | "LDG" | "ULDG") && !self.opcode.contains(".CONSTANT")
    }
    fn reads_clock(&self) -> bool {
        ["SR_GLOBALTIMER", "SR_CLOCK"].iter().any(|clock| self.operands.contains(clock))
    }
}

/// A kind of instruction.
type Kind = fn(&Instruction) -> bool;

struct Kernel {
    registers: u32,
    /// What ptxas says of the stack and of spills.
    frame: String,
    instructions: Vec<Instruction>,
    /// The .text section.
    code: Vec<u8>,
}

impl Kernel {
    fn count(&self, which: Kind) -> usize {
        self.instructions.iter().filter(|i| which(i)).count()
    }
    fn size(&self) -> usize {
        self.count(|i| !i.is_padding())
    }
    /// How often each opcode of a kind occurs; calls by what they call.
    fn census(&self, which: Kind) -> BTreeMap<String, usize> {
        let mut census = BTreeMap::new();
        for i in self.instructions.iter().filter(|i| which(i)) {
            let target = if i.is_call() && i.base() != "RET" { &*i.operands } else { "" };
            *census.entry(format!("{} {target}", i.opcode)).or_default() += 1;
        }
        census
    }
}

/// The `.text.NAME` sections of a cubin. A cubin is an ELF file of 64 bits, little-endian.
fn code_of(cubin: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let number = |at: usize, bytes: usize| {
        let mut word = [0; 8];
        word[..bytes].copy_from_slice(&cubin[at..at + bytes]);
        usize::try_from(u64::from_le_bytes(word)).expect("an offset in memory")
    };
    assert!(cubin.starts_with(b"\x7fELF\x02\x01"), "not an ELF file");
    let (headers, header_size, count, names) = (number(0x28, 8), number(0x3a, 2), number(0x3c, 2), number(0x3e, 2));
    let section = |index: usize| {
        let header = headers + index * header_size;
        (number(header, 4), number(header + 0x18, 8), number(header + 0x20, 8))
    };
    let names = section(names).1;
    let name = |at: usize| cubin[names + at..].split(|&byte| byte == 0).next().map(String::from_utf8_lossy);
    let sections = (0..count).map(section).filter_map(|(at, offset, size)| {
        let name = name(at)?.strip_prefix(".text.")?.to_owned();
        Some((name, cubin[offset..offset + size].to_vec()))
    });
    sections.collect()
}

/// nvdisasm's listing, kernel by kernel.
fn instructions_of(listing: &str) -> BTreeMap<String, Vec<Instruction>> {
    let mut kernels: BTreeMap<String, Vec<Instruction>> = BTreeMap::new();
    let mut current = None;
    for line in listing.lines() {
        if let Some(name) = line.strip_prefix(".text.").and_then(|rest| rest.strip_suffix(':')) {
            current = Some(name.to_owned());
        } else if let (Some(name), Some(instruction)) = (&current, Instruction::parse(line)) {
            kernels.entry(name.clone()).or_default().push(instruction);
        }
    }
    kernels
}

/// What `ptxas -v` says of a kernel: its frame and its registers.
fn resources_of(said: &str, kernel: &str) -> (String, u32) {
    let of = said.split_once(&format!("Compiling entry function '{kernel}'")).expect("ptxas names the kernel").1;
    let of = of.split("Compiling entry").next().unwrap_or_default();
    let frame = of.lines().find(|line| line.contains("stack frame")).expect("a line of the frame").trim();
    let used = of.split_once("Used ").and_then(|(_, rest)| rest.split(' ').next());
    (frame.to_owned(), used.and_then(|n| n.parse().ok()).expect("a number of registers"))
}

/// The kernels of a unit by their names, without the level that built-in ones carry.
type Unit = BTreeMap<String, Kernel>;

fn build(tools: &Tools, source: &Path, to: &Path, arch: u32, dress: Dress) -> Unit {
    let mut command = Command::new(&tools.nvcc);
    command.args(["-cubin", "-std=c++17", "-O3", "-Xptxas", "-v", &format!("-arch=sm_{arch}")]);
    command.args(dress.defines()).arg("-I").arg(root().join("kernels")).arg("-I").arg(root().join("kernels/include"));
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

struct Everything {
    /// As nvcc tells it.
    version: String,
    built_in: BTreeMap<(u32, Dress), Unit>,
    own: BTreeMap<(u32, Dress), Unit>,
    guilty: BTreeMap<u32, Unit>,
}

impl Everything {
    fn built_in(&self, name: &str, arch: u32, dress: Dress) -> &Kernel {
        &self.built_in[&(arch, dress)][name]
    }
    fn own(&self, name: &str, arch: u32, dress: Dress) -> &Kernel {
        &self.own[&(arch, dress)][name]
    }
    /// Every kernel and its name: one at level 1 or 2, and the same at level 0.
    fn with_level_0(&self) -> impl Iterator<Item = (String, &Kernel, &Kernel)> {
        [("built-in", &self.built_in), ("own", &self.own)].into_iter().flat_map(|(group, units)| {
            units.iter().flat_map(move |(&(arch, dress), unit)| {
                unit.iter().filter_map(move |(name, kernel)| match dress {
                    Dress::Level(level @ 1..) => {
                        let off = &units[&(arch, Dress::Level(0))][name];
                        Some((format!("{group} {name}, level {level}, sm_{arch}"), kernel, off))
                    }
                    _ => None,
                })
            })
        })
    }
}

/// Compiled once for all tests of this file; None where there is nothing to compile with.
fn everything() -> Option<&'static Everything> {
    static EVERYTHING: OnceLock<Option<Everything>> = OnceLock::new();
    EVERYTHING.get_or_init(|| tools().map(|tools| compile_everything(&tools))).as_ref()
}

fn compile_everything(tools: &Tools) -> Everything {
    let folder = folder("sass");
    let levels = [Dress::Level(0), Dress::Level(1), Dress::Level(2)];
    let own_dresses = [&levels[..], &[Dress::Plain, Dress::NoRecord(1), Dress::NoRecord(2)]].concat();
    let groups =
        [("built_in", BUILT_IN, levels.to_vec()), ("own", OWN, own_dresses), ("guilty", GUILTY, vec![levels[0]])];
    let mut jobs = Vec::new();
    for (name, text, dresses) in &groups {
        let source = folder.join(format!("{name}.cu"));
        std::fs::write(&source, text).expect("a temporary file");
        let each = ARCHITECTURES.iter().flat_map(|&arch| dresses.iter().map(move |&dress| (arch, dress)));
        jobs.extend(each.map(|which| (*name, source.clone(), which)));
    }
    let done = two_at_a_time(&jobs, |number, (_, source, (arch, dress))| {
        build(tools, source, &folder.join(format!("{number}.cubin")), *arch, *dress)
    });
    let mut all: BTreeMap<&str, BTreeMap<(u32, Dress), Unit>> = BTreeMap::new();
    for ((name, _, which), unit) in jobs.into_iter().zip(done) {
        all.entry(name).or_default().insert(which, unit);
    }
    let mut group = |name| all.remove(name).expect("it was compiled");
    let guilty = group("guilty").into_iter().map(|((arch, _), unit)| (arch, unit)).collect();
    Everything { version: version(tools), built_in: group("built_in"), own: group("own"), guilty }
}

/// In the order of the jobs. Two, because a machine for tests may have no more cores.
fn two_at_a_time<J: Sync, T: Send>(jobs: &[J], work: impl Fn(usize, &J) -> T + Sync) -> Vec<T> {
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
fn version(tools: &Tools) -> String {
    let (said, _) = run(Command::new(&tools.nvcc).arg("--version"));
    let version = said.split_whitespace().find_map(|word| word.strip_prefix('V').filter(|v| v.contains('.')));
    version.expect("nvcc tells its version").to_owned()
}

// ---- the promises ----------------------------------------------------------------------------------

#[test]
fn the_gate_sees_what_it_forbids() {
    let Some(everything) = everything() else { return };
    for (arch, unit) in &everything.guilty {
        let kernel = &unit["guilty"];
        let sins: [(&str, Kind); 6] = [
            ("an atomic with a result", Instruction::is_atomic_with_result),
            ("a compare-and-swap", Instruction::is_compare_and_swap),
            ("a fence", Instruction::is_fence),
            ("a call", Instruction::is_call),
            ("local memory", Instruction::is_local),
            ("a load", Instruction::loads),
        ];
        for (sin, which) in sins {
            assert!(kernel.count(which) > 0, "sm_{arch}: {sin} was not seen");
        }
        assert!(!kernel.frame.starts_with("0 bytes stack frame"), "sm_{arch}: {}", kernel.frame);
    }
}

/// Tickets, fences and calls are the message path's own: level 0 has the same. What telemetry adds has no result
/// to wait for, orders nothing and calls nothing.
#[test]
fn telemetry_waits_for_nothing() {
    let Some(everything) = everything() else { return };
    let kinds: [(&str, Kind); 4] = [
        ("atomics with a result", Instruction::is_atomic_with_result),
        ("fences", Instruction::is_fence),
        ("calls", Instruction::is_call),
        ("loads with an order", |i| i.loads() && i.opcode.contains(".STRONG")),
    ];
    for (name, kernel, off) in everything.with_level_0() {
        for (kind, which) in kinds {
            assert_eq!(kernel.census(which), off.census(which), "{name}: {kind}, then those of level 0");
        }
        // Of a message's header level 0 needs the first half alone, and may load it together with something else.
        let loads = [kernel, off].map(|k| k.count(Instruction::loads));
        assert!(loads[0] <= loads[1] + 1, "{name}: loads, then those of level 0: {loads:?}");
        assert_eq!(kernel.count(Instruction::is_compare_and_swap), 0, "{name}: no compare-and-swap loop");
    }
}

#[test]
fn telemetry_counts_with_red() {
    let Some(everything) = everything() else { return };
    let others: Kind = |i| i.is_red() && !i.counts();
    for (name, kernel, off) in everything.with_level_0() {
        assert_eq!(kernel.census(others), off.census(others), "{name}: REDs of another kind, then those of level 0");
        assert_eq!(off.count(Instruction::counts), 0, "{name}: level 0 counts nothing");
        let clock_probe = name.contains("clock_probe");
        assert_eq!(off.count(Instruction::reads_clock) > 0, clock_probe, "{name}: level 0 reads no clock");
        assert_eq!(kernel.count(Instruction::counts) > 0, !clock_probe, "{name}: and here it counts");
    }
}

#[test]
fn nothing_spills() {
    let Some(everything) = everything() else { return };
    let none = "0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads";
    for (&(arch, dress), unit) in everything.built_in.iter().chain(&everything.own) {
        for (name, kernel) in unit {
            assert_eq!(kernel.frame, none, "{name}, {dress:?}, sm_{arch}");
            assert_eq!(kernel.count(Instruction::is_local), 0, "{name}, {dress:?}, sm_{arch}");
        }
    }
}

#[test]
fn level_0_is_the_kernel_without_ringscope_byte_for_byte() {
    let Some(everything) = everything() else { return };
    for arch in ARCHITECTURES {
        for name in OWN_KERNELS {
            let of = |dress| everything.own(name, arch, dress);
            let plain = of(Dress::Plain);
            assert!(plain.code == of(Dress::Level(0)).code, "{name}, sm_{arch}: level 0 differs from the plain kernel");
            assert_eq!(plain.registers, of(Dress::Level(0)).registers, "{name}, sm_{arch}");
            assert!(plain.code != of(Dress::Level(1)).code, "{name}, sm_{arch}: the test sees telemetry where it is");
        }
    }
}

/// A ring is ringscope's own, so there is none without it to compare with: this compares with one whose telemetry
/// goes nowhere. By PTX, with its names made equal: ptxas places registers by them, so the bytes may differ.
#[test]
fn a_ring_kernel_at_level_0_is_the_ring_without_telemetry() {
    let Some(tools) = tools() else { return };
    let folder = folder("sass-ring");
    let built_in = folder.join("built_in.cu");
    std::fs::write(&built_in, BUILT_IN.replace("#include \"clock_probe.cu\"", "")).expect("a temporary file");
    let stub = folder.join("stub");
    std::fs::create_dir_all(stub.join("ringscope")).expect("a temporary folder");
    std::fs::write(stub.join("ringscope/telemetry.cuh"), NO_TELEMETRY).expect("a temporary file");
    let mut ring = std::fs::read_to_string(root().join("kernels/include/ringscope/ring.cuh")).expect("the ring");
    for (type_, member) in [("u32", "retries_"), ("u64", "held_ns_")] {
        let declared = format!("{type_} {member} = 0;");
        assert!(ring.contains(&declared), "`{declared}` is not in ring.cuh: let this test know what became of it");
        ring = ring.replace(&declared, &format!("Nothing {member};"));
    }
    std::fs::write(stub.join("ringscope/ring.cuh"), ring).expect("a temporary file");
    let of = |level: u32, first: &[&Path]| {
        let ptx = folder.join("built_in.ptx");
        let mut command = Command::new(&tools.nvcc);
        command.args(["-ptx", "-std=c++17", "-O3", "-arch=compute_75", &format!("-DRINGSCOPE_LEVEL={level}")]);
        command.args(first.iter().flat_map(|path| [Path::new("-I"), path]));
        command.arg("-I").arg(root().join("kernels")).arg("-I").arg(root().join("kernels/include"));
        run(command.arg(&built_in).arg("-o").arg(&ptx));
        with_names_made_equal(&std::fs::read_to_string(ptx).expect("nvcc wrote it"))
    };
    let (off, without) = (of(0, &[]), of(0, &[&stub]));
    let differs = off.iter().zip(&without).find(|(a, b)| a != b);
    assert!(off == without, "{} lines and {}; first {differs:?}", off.len(), without.len());
    assert!(off != of(1, &[]), "the test sees telemetry where there is some");
}

/// The instructions of a PTX file, registers and labels numbered in the order in which they occur.
fn with_names_made_equal(ptx: &str) -> Vec<String> {
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_%$".contains(c);
    let mut line_of = |line: &str| {
        let words = line.split_inclusive(|c| !is_part(c)).map(|word| {
            let name = word.trim_end_matches(|c| !is_part(c));
            let numbered = name.ends_with(|c: char| c.is_ascii_digit());
            if !numbered || !name.starts_with(['%', '$']) {
                return word.to_owned();
            }
            let next = names.len();
            let number = *names.entry(name.to_owned()).or_insert(next);
            format!("#{number}{}", &word[name.len()..])
        });
        words.collect()
    };
    let declares = |line: &str| line.trim_start().starts_with(".reg") || line.starts_with("//");
    ptx.lines().filter(|line| !declares(line)).map(&mut line_of).collect()
}

#[test]
fn the_record_of_a_warp_is_one_red_and_one_store() {
    let Some(everything) = everything() else { return };
    for arch in ARCHITECTURES {
        for name in ["end_warp", "fail_warp"] {
            for level in [1, 2] {
                let with = everything.own(name, arch, Dress::Level(level));
                let without = everything.own(name, arch, Dress::NoRecord(level));
                let which = format!("{name}, level {level}, sm_{arch}");
                assert_eq!(without.count(Instruction::counts), 0, "{which}: none without the record");
                assert_eq!(with.count(Instruction::counts), 1, "{which}: one RED");
                let stores = [with, without].map(|kernel| kernel.count(Instruction::stores_word));
                assert_eq!(stores[0], stores[1] + 1, "{which}: one store of words");
            }
        }
    }
}

/// The bucket of level 2 rides in the RED of the counters.
#[test]
fn the_histogram_of_a_ring_kernel_costs_no_further_red() {
    let Some(everything) = everything() else { return };
    for arch in ARCHITECTURES {
        for name in RING_KERNELS {
            let reds =
                [1, 2].map(|level| everything.built_in(name, arch, Dress::Level(level)).count(Instruction::counts));
            assert_eq!(reds[0], reds[1], "{name}, sm_{arch}");
        }
    }
}

// ---- docs/sass.md ----------------------------------------------------------------------------------

const REFRESH: &str = "RINGSCOPE_WRITE_DOCS=1 cargo test --test sass";

/// One call each on a metric, the parameters always the same. `nothing` never heard of metrics.
const METRICS: &str = r#"
#include <ringscope/telemetry.cuh>
struct Any { unsigned long long words[8]; };
extern "C" __global__ void nothing(Any, unsigned long long) {}
#define METRIC(name, Ref, call) extern "C" __global__ void name(ringscope::Ref m, unsigned long long v) { m.call; }
METRIC(counter_add, CounterRef, add(v))
METRIC(counter_add_warp, CounterRef, add_warp(v + threadIdx.x))
METRIC(family_add, CounterFamilyRef, at((unsigned)v).add(v))
METRIC(gauge_set, GaugeRef, set((double)v))
METRIC(gauge_add, GaugeRef, add((double)v))
METRIC(gauge_max, GaugeRef, max((double)v))
METRIC(exponential_observe, HistogramRef, metric.kind == RINGSCOPE_METRIC_HISTOGRAM ? m.observe(v) : void())
METRIC(exponential_observe_warp, HistogramRef, metric.kind == RINGSCOPE_METRIC_HISTOGRAM ? m.observe_warp(v) : void())
"#;

#[test]
fn a_metric_counts_with_red_and_without_waiting() {
    let Some(tools) = tools() else { return };
    let folder = folder("sass-metrics");
    let source = folder.join("metrics.cu");
    std::fs::write(&source, METRICS).expect("a temporary file");
    // REDs of each: a bucket, two extremes, sum and count of a histogram.
    let reds = [
        ("counter_add", 1),
        ("counter_add_warp", 1),
        ("family_add", 1),
        ("gauge_set", 0),
        ("gauge_add", 1),
        ("gauge_max", 0),
        ("exponential_observe", 5),
        ("exponential_observe_warp", 5),
    ];
    let unit =
        |arch, level| build(&tools, &source, &folder.join(format!("{arch}-{level}.cubin")), arch, Dress::Level(level));
    let units = two_at_a_time(&ARCHITECTURES, |_, arch| (*arch, unit(*arch, 0), unit(*arch, 2)));
    for (arch, off, on) in &units {
        let nothing = &off["nothing"];
        for (name, red) in reds {
            let (off, on) = (&off[name], &on[name]);
            assert_eq!(on.count(Instruction::is_red), red, "{name}, sm_{arch}");
            assert_eq!(on.count(Instruction::is_atomic_with_result) > 0, name == "gauge_max", "{name}, sm_{arch}");
            assert_eq!(on.count(Instruction::is_fence) + on.count(Instruction::is_local), 0, "{name}, sm_{arch}");
            assert!(off.code == nothing.code, "{name}, sm_{arch}: level 0 removes it");
        }
    }
}

#[test]
fn the_documented_figures_are_these() {
    let Some(everything) = everything() else { return };
    let file = root().join("docs/sass.md");
    let now = document(everything);
    if is_set("RINGSCOPE_WRITE_DOCS") {
        std::fs::create_dir_all(root().join("docs")).expect("the folder of the documents");
        std::fs::write(&file, now).expect("docs/sass.md can be written");
        return;
    }
    let documented = std::fs::read_to_string(&file).unwrap_or_default();
    let version = documented.split_once("nvcc ").and_then(|(_, rest)| rest.split([',', ' ']).next());
    if let Some(other) = version.filter(|v| *v != everything.version) {
        say(&format!("not compared: docs/sass.md is of nvcc {other}, this is nvcc {}", everything.version));
        return;
    }
    let differs = documented.lines().zip(now.lines()).find(|(was, is)| was != is);
    let (was, is) = differs.unwrap_or(("(another length)", "(another length)"));
    assert!(documented == now, "docs/sass.md is out of date: {REFRESH}\n  it says {was}\n  it is   {is}");
}

fn document(everything: &Everything) -> String {
    let mut text = format!(
        "# The machine code of the kernels\n\n\
         Compiled by nvcc {}, read from the SASS by `tests/sass.rs`, which fails when these figures are out of date.\n\
         Refresh them: `{REFRESH}`.\n\n",
        everything.version
    );
    text += "What that test asserts, for each architecture below: telemetry counts with RED (no result, no order) and adds no \
             ATOM, no\ncompare-and-swap loop, no fence, no call and no load but of constant tables to what level 0 has; \
             nothing spills, and\nnothing has a stack; a kernel at level 0 is byte for byte the kernel that never heard of \
             ringscope, and a ring kernel at\nlevel 0 the ring without telemetry; the record of a warp is one RED and one \
             store. One thing is not counted as a call: what\nptxas for sm_75 to sm_89 puts behind each shuffle for a warp \
             that is not converged. A warp of a ring always is.\n\n";
    text += "Instructions are all that lie in the kernel, the paths that a message seldom takes included, padding not. \
             REDs are those\nof telemetry. Three figures are those of levels 0, 1 and 2.\n\n";
    text += "## Ring kernels\n\n";
    table(&mut text, &RING_KERNELS, |name, arch, level| everything.built_in(name, arch, Dress::Level(level)));
    text += "\nSix REDs: the record of a message; waiting time and polls at the two places that tell them; \
             messages dropped at a stop.\n";
    text += "\n## Kernels of one's own\n\nA loop of one store, named for the call that it makes for each message; `mixed` \
             makes most of them.\n\n";
    table(&mut text, &OWN_KERNELS, |name, arch, level| everything.own(name, arch, Dress::Level(level)));
    text += "\n## What the call alone adds\n\nThe same kernels less those without the call, levels 1 and 2. One thread \
             records word by word, a warp all words at once.\n\n";
    calls(&mut text, everything);
    text
}

fn table<'a>(text: &mut String, names: &[&str], kernel: impl Fn(&str, u32, u32) -> &'a Kernel) {
    *text += "| Kernel | Architecture | Registers | Instructions | REDs |\n|---|---|---|---|---|\n";
    for name in names {
        for arch in ARCHITECTURES {
            let levels = [0, 1, 2].map(|level| kernel(name, arch, level));
            let registers = list(levels.map(|k| k.registers));
            let sizes = list(levels.map(Kernel::size));
            let reds = list(levels.map(|k| k.count(Instruction::counts)));
            let _ = writeln!(text, "| {name} | sm_{arch} | {registers} | {sizes} | {reds} |");
        }
    }
}

fn calls(text: &mut String, everything: &Everything) {
    *text += "| Call | Architecture | Instructions | REDs | Stores |\n|---|---|---|---|---|\n";
    for name in ["end", "fail", "end_warp", "fail_warp"] {
        for arch in ARCHITECTURES {
            let added = |of: fn(&Kernel) -> usize| {
                list([1, 2].map(|level| {
                    let with = of(everything.own(name, arch, Dress::Level(level)));
                    with - of(everything.own(name, arch, Dress::NoRecord(level)))
                }))
            };
            let reds = added(|k| k.count(Instruction::counts));
            let stores = added(|k| k.count(Instruction::stores_word));
            let _ = writeln!(text, "| `{name}` | sm_{arch} | {} | {reds} | {stores} |", added(Kernel::size));
        }
    }
}

fn list<T: ToString, const N: usize>(figures: [T; N]) -> String {
    figures.map(|figure| figure.to_string()).join(" / ")
}

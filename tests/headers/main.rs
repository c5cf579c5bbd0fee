//! The headers among other people's code: their macros, their names, their compilers, units of several levels in one program.
//! Needs a C++ compiler (c++); what needs nvcc besides says so aloud and passes without.
#![cfg(feature = "host")]

#[path = "../toolkit/mod.rs"]
mod toolkit;

mod names;

use std::path::{Path, PathBuf};
use std::process::Command;

use toolkit::{folder, nvcc, root};

/// Compiles a text as a file of that name in that folder, and returns what was made of it.
struct Compiler {
    command: PathBuf,
    arguments: Vec<String>,
}

impl Compiler {
    fn new(command: impl Into<PathBuf>, arguments: &str) -> Self {
        let include = root().join("kernels/include");
        let mut arguments: Vec<_> = arguments.split(' ').filter(|a| !a.is_empty()).map(str::to_owned).collect();
        arguments.push(format!("-I{}", include.display()));
        Self { command: command.into(), arguments }
    }
    /// For CPU threads, as a build script would.
    fn cpu(level: u32) -> Self {
        Self::cxx(&format!("-std=c++17 -DRINGSCOPE_CPU -DRINGSCOPE_LEVEL={level}"))
    }
    fn cxx(arguments: &str) -> Self {
        let command = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
        Self::new(command, &format!("-Wall -Wextra -Werror -O0 {arguments} -x c++"))
    }
    /// To PTX, host pass and all.
    fn nvcc(level: u32) -> Option<Self> {
        let arguments = format!("-std=c++17 -Werror all-warnings -arch=sm_90 -DRINGSCOPE_LEVEL={level}");
        nvcc().map(|nvcc| Self::new(nvcc, &arguments))
    }
    fn compile(&self, folder: &Path, name: &str, text: &str, more: &[&str]) -> PathBuf {
        let (source, to) = (folder.join(name), folder.join(format!("{name}.out")));
        std::fs::write(&source, text).expect("a temporary file");
        let mut command = Command::new(&self.command);
        command.args(&self.arguments).args(more).arg(&source).arg("-o").arg(&to);
        run(&mut command);
        to
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?} does not start: {e}"));
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{command:?}\n{said}");
    said
}

/// Everything that a kernel's author may use, in one kernel.
const USES_IT_ALL: &str = r#"
RINGSCOPE_NAMES(loading, adding, storing)
extern "C" __global__ void uses_it_all(ringscope::KernelRef telemetry, ringscope::CounterRef hits, unsigned* out) {
    ringscope::Recorder rec(telemetry);
    __shared__ ringscope::LocalCounter counted;
    counted.begin();
    counted.add(1);
    counted.flush(hits);
    unsigned long long begun = rec.begin();
    rec.at(loading);
    rec.waiting(adding, 1, 2, 3);
    rec.waiting(adding);
    rec.waited();
    if (!ringscope::spin_until(rec, storing, 1000, [&] { return *out != 7; })) rec.alive();
    ringscope::spin_until_equal(rec, storing, 1000, 1, 2, [&] { return (unsigned long long)*out; });
    ringscope::check(rec, *out != 9, 1);
    {
        ringscope::Span span(rec, adding);
        rec.event(storing, 1);
        rec.log(loading, 1, 2);
        rec.counter_sample(adding, 1.5);
    }
    hits.add(2);
    ringscope::gauge(telemetry, 1).raise(2.0);
    ringscope::histogram(telemetry, 2).observe(3);
    ringscope::exponential_family(telemetry, 3).at(4).observe(5);
    rec.finish(begun, 0);
    ringscope::Recorder(telemetry, ringscope::Attached{}).end(begun, ringscope::Kind{1});
}
"#;

/// What programs define before they include something. Function-like where the language itself has the name.
fn hostile() -> String {
    let words = "lane lanes LANES LANE WORD WORDS key KEY keys i8 i16 i32 i64 u8 u16 u32 u64 U8 U32 U64 uint f32 f64 \
                 load store LOAD STORE SLOT ROW HEAD TAIL BOX red RED SHARD warp WARP BLOCK BLOCKS GRID tid bid N M K T H A B C \
                 D I J X Y Z R P E L S F G V Q W ALIGN PAD DIV DEBUG TRACE EVENT SPAN EVENTS SPANS LEVEL TIME NAME NAMES KIND \
                 KINDS MORE OK ERROR FAIL FAILED TRAP stage phase BITS mask MASK TIME_MASK CLOSED UNKNOWN NONE spins small \
                 large FILTER STATE COUNT SIZE MAX MIN INLINE UNROLL DEVICE HOST CUDA CPU";
    let mut text: String =
        words.split_whitespace().map(|word| format!("#define {word} (a macro of theirs {word} $$)\n")).collect();
    text += "#define min(a, b) ((a) < (b) ? (a) : (b))\n#define max(a, b) ((a) > (b) ? (a) : (b))\n";
    text += "#define abs(a) ((a) < 0 ? -(a) : (a))\n#define CHECK(a) (a)\n#define ASSERT(a) (a)\n#define LOG(...)\n";
    text
}

#[test]
fn macros_of_others_meet_nothing_in_the_headers() {
    let folder = folder("headers-macros");
    let text = format!("{}#include <ringscope/ring.cuh>\n{USES_IT_ALL}", hostile());
    for level in 0..=3 {
        Compiler::cpu(level).compile(&folder, "macros.cu", &text, &["-fsyntax-only"]);
        if let Some(nvcc) = Compiler::nvcc(level) {
            nvcc.compile(&folder, "macros.cu", &text, &["-ptx"]);
        }
    }
    let declarations = format!("{}#include <ringscope/ring.cuh>\n", hostile());
    Compiler::cxx("-std=c++17").compile(&folder, "declared.cu", &declarations, &["-fsyntax-only"]);
}

#[test]
fn using_the_namespace_brings_no_name_into_anybodys_way() {
    let folder = folder("headers-using");
    let text = format!(
        "#include <ringscope/ring.cuh>\n\
         typedef unsigned long long u64;\ntypedef unsigned u32;\ntypedef unsigned char u8;\n\
         #if RINGSCOPE_CUDA\n#define HERE __device__\n#else\n#define HERE\n#endif\n\
         constexpr u32 LANES = 32, WORDS = 16, BUCKETS = 4;\nHERE inline u32 lane() {{ return 1; }}\n\
         HERE inline u64 word(u64 key) {{ return key; }}\nHERE inline u64 load(const u64* p) {{ return *p; }}\n\
         HERE inline void store(u64* p, u64 v) {{ *p = v; }}\nHERE inline void relax(u32) {{}}\nstruct Metrics {{}};\n\
         struct Effects {{}};\nstruct BlackBox {{}};\nHERE inline u64 bits_of(double) {{ return 0; }}\n\
         HERE inline u64 duration(u64 v) {{ return v; }}\nHERE inline void trap() {{}}\nHERE inline u64 mixed(u64 v) {{ return v; }}\n\
         using namespace ringscope;\n\
         extern \"C\" __global__ void theirs(KernelRef telemetry, u64* p) {{\n\
             Recorder rec(telemetry);\n    u64 key = word(load(p)) + lane() + LANES + WORDS + BUCKETS + bits_of(1.0) + mixed(2);\n\
             relax(1);\n    trap();\n    (void)Metrics{{}}, (void)Effects{{}}, (void)BlackBox{{}};\n\
             store(p, duration(key));\n    rec.end(rec.begin());\n}}\n{USES_IT_ALL}"
    );
    for level in 0..=3 {
        Compiler::cpu(level).compile(&folder, "using.cu", &text, &["-fsyntax-only"]);
        if let Some(nvcc) = Compiler::nvcc(level) {
            nvcc.compile(&folder, "using.cu", &text, &["-ptx"]);
        }
    }
}

/// A kernel with C++ linkage, which takes every type of ringscope's that kernels take by value.
const SAME: &str = "ringscope::KernelRef, ringscope::CounterRef counter, ringscope::GaugeRef, ringscope::HistogramRef, \
                    ringscope::ExponentialRef, ringscope::CounterFamilyRef, ringscope::GaugeFamilyRef, \
                    ringscope::HistogramFamilyRef, ringscope::ExponentialFamilyRef";

#[test]
fn the_symbol_of_a_kernel_is_the_same_at_all_levels() {
    let Some(_) = nvcc() else { return };
    let folder = folder("headers-symbols");
    let text = format!("#include <ringscope/telemetry.cuh>\n__global__ void same({SAME}) {{ counter.add(1); }}\n");
    let entries = [0, 1, 2, 3].map(|level| {
        let nvcc = Compiler::nvcc(level).expect("it was there");
        let ptx = std::fs::read_to_string(nvcc.compile(&folder, "same.cu", &text, &["-ptx"])).expect("nvcc wrote it");
        ptx.lines().find(|line| line.contains(".entry")).expect("an entry").to_owned()
    });
    assert!(entries[0].contains("same") && entries.iter().all(|entry| *entry == entries[0]), "{entries:?}");
}

/// Built without optimization, where a function that is not inlined would be one for all levels.
#[test]
fn units_of_all_levels_are_one_program_and_each_does_what_its_level_says() {
    let folder = folder("headers-levels");
    let mut objects = Vec::new();
    for level in 0..=3 {
        let text = format!(
            "#include <ringscope/ring.cuh>\n\
             __global__ void count_{level}(ringscope::KernelRef telemetry, ringscope::CounterRef counter) {{\n\
                 ringscope::Recorder rec(telemetry);\n    rec.end(rec.begin());\n    counter.add(1);\n}}\n"
        );
        objects.push(Compiler::cpu(level).compile(&folder, &format!("level_{level}.cu"), &text, &["-c"]));
    }
    // A host's own file, which compiles no kernel, declares them.
    let main = "#include <ringscope/telemetry.cuh>\n#include <cstdio>\n\
        #define DECLARE(n) void count_##n(ringscope::KernelRef, ringscope::CounterRef);\n\
        DECLARE(0) DECLARE(1) DECLARE(2) DECLARE(3)\n\
        int main() {\n\
            using Kernel = void (*)(ringscope::KernelRef, ringscope::CounterRef);\n\
            const Kernel kernels[4] = {count_0, count_1, count_2, count_3};\n\
            for (int level = 0; level < 4; ++level) {\n\
                static ringscope_u64 words[16], buckets[4 * 66];\n    static ringscope_shard shard;\n\
                ringscope::KernelRef ref{};\n    ringscope::CounterRef counter{};\n\
                shard = ringscope_shard{}, words[0] = 0;\n\
                ref.shards = &shard, ref.shard_count = 1, ref.buckets = buckets, ref.bucket_stride = 132;\n\
                counter.metric.words = words, counter.metric.stripes = 1;\n\
                kernels[level](ref, counter);\n\
                std::printf(\"%llu %llu %llu,\", shard.counters[0], shard.counters[RINGSCOPE_LATENCY_COUNT], words[0]);\n\
            }\n}\n";
    let main = Compiler::cxx("-std=c++17").compile(&folder, "main.cpp", main, &["-c"]);
    let program = folder.join("program");
    let shim = Compiler::new(std::env::var_os("CXX").unwrap_or_else(|| "c++".into()), "-std=c++17 -pthread");
    let mut link = Command::new(&shim.command);
    link.args(&shim.arguments).arg(root().join("kernels/host/shim.cpp")).args(&objects).arg(main);
    run(link.arg("-o").arg(&program));
    let said = run(&mut Command::new(program));
    assert_eq!(said, "0 0 0,1 0 1,1 1 1,1 1 1,");
}

#[test]
fn a_compiler_that_compiles_no_kernels_gets_the_types_of_kernels_alone() {
    let folder = folder("headers-declarations");
    let sizes = format!(
        "void same({SAME});\n\
         static_assert(sizeof(ringscope::KernelRef) == 96 && alignof(ringscope::KernelRef) == 8, \"\");\n\
         #define METRIC(Ref) static_assert(sizeof(ringscope::Ref) == 64 && alignof(ringscope::Ref) == 8, #Ref)\n\
         METRIC(CounterRef); METRIC(GaugeRef); METRIC(HistogramRef); METRIC(ExponentialRef); METRIC(CounterFamilyRef);\n\
         METRIC(GaugeFamilyRef); METRIC(HistogramFamilyRef); METRIC(ExponentialFamilyRef);\n"
    );
    let headers = "#include <ringscope/telemetry.cuh>\n#include <ringscope/ring.cuh>\n";
    let plain = format!(
        "{headers}{sizes}#if defined(RINGSCOPE_INLINE) || defined(__global__)\n#error code, or the shim\n#endif\n\
         RINGSCOPE_NAMES(one, two)\nstatic_assert(two == 1, \"\");\nint min(int), max(int), lane(int);\n"
    );
    Compiler::cxx("-std=c++17").compile(&folder, "plain.cpp", &plain, &["-fsyntax-only"]);
    // The same types, where a kernel is compiled.
    Compiler::cpu(2).compile(&folder, "kernel.cu", &format!("{headers}{sizes}"), &["-fsyntax-only"]);
    let Some(nvcc) = nvcc() else { return };
    Compiler::nvcc(2).expect("it was there").compile(&folder, "kernel.cu", &format!("{headers}{sizes}"), &["-c"]);
    let toolkit = nvcc.parent().and_then(Path::parent).expect("a toolkit").join("include");
    let include = format!("-isystem{}", toolkit.display());
    for runtime in ["cuda_runtime.h", "cuda_runtime_api.h", "cuda.h"] {
        for text in
            [format!("#include <{runtime}>\n{headers}{sizes}"), format!("{headers}#include <{runtime}>\n{sizes}")]
        {
            if toolkit.join(runtime).is_file() {
                Compiler::cxx("-std=c++17").compile(&folder, "runtime.cpp", &text, &["-fsyntax-only", &include]);
            }
        }
    }
}

#[test]
fn the_layout_is_plain_c() {
    let folder = folder("headers-c");
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let text =
        "#include <ringscope/abi.h>\nstruct ringscope_kernel_ref ref;\nint main(void) { return ref.shards != 0; }\n";
    for standard in ["c11", "c17"] {
        let arguments = format!("-std={standard} -Wall -Wextra -Werror -pedantic -Wno-long-long");
        Compiler::new(&compiler, &arguments).compile(&folder, "layout.c", text, &["-fsyntax-only"]);
    }
}

/// In whole-program mode each module has its own text; where units are linked on the device, one of them.
#[test]
fn names_are_in_the_module_whatever_compiles_it() {
    let folder = folder("headers-names");
    let text = format!("#include <ringscope/telemetry.cuh>\n{USES_IT_ALL}__global__ void beside(int*) {{}}\n");
    for level in 0..=3 {
        let Some(nvcc) = Compiler::nvcc(level) else { return };
        for mode in ["-rdc=false", "-rdc=true"] {
            nvcc.compile(&folder, "names.cu", &text, &["-c", mode]);
            let ptx = nvcc.compile(&folder, "names.cu", &text, &["-ptx", mode]);
            let ptx = std::fs::read_to_string(ptx).expect("nvcc wrote it");
            let line = ptx.lines().find(|line| line.contains("ringscope_names_text[25]")).expect("the text");
            let letters = b"loading, adding, storing".map(|byte| byte.to_string()).join(", ");
            assert!(line.contains(&format!("{{{letters}")), "level {level}, {mode}: {line}");
        }
    }
}

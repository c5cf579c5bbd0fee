//! Compiles the kernels: for CPU threads with the C++ compiler, and to machine code of GPUs with nvcc where there is one.

use std::path::{Path, PathBuf};

const KERNELS: [&str; 6] = ["crc32c", "vector_add", "echo", "compute", "matmul_f32", "probe/probe"];

fn main() {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let kernels = root.join("kernels");
    println!("cargo::rerun-if-changed=kernels");
    // Dependents' build scripts see this as DEP_RINGSCOPE_INCLUDE.
    println!("cargo::metadata=include={}", kernels.join("include").display());
    #[cfg(feature = "host")]
    host::compile(&kernels);
    #[cfg(feature = "cuda")]
    cuda::compile(&kernels);
    let _: (&Path, [&str; 6]) = (&kernels, KERNELS);
}

#[cfg(feature = "host")]
mod host {
    use super::{KERNELS, Path};

    /// Set it to 1 for a shared library that programs load with dlopen: see kernels/host/clock.h.
    const DLOPEN: &str = "RINGSCOPE_HOST_DLOPEN";

    /// The shim once, the kernels at each level.
    pub fn compile(kernels: &Path) {
        println!("cargo::rerun-if-env-changed={DLOPEN}");
        let mut shim = build(kernels);
        shim.file(kernels.join("host/shim.cpp")).file(kernels.join("host/introspect.cpp"));
        compiled(shim.try_compile("ringscope_shim"));
        for level in 0..=3 {
            let mut build = build(kernels);
            build.define("RINGSCOPE_LEVEL", level.to_string().as_str());
            for kernel in KERNELS {
                build.file(kernels.join(kernel).with_extension("cu"));
            }
            compiled(build.try_compile(&format!("ringscope_kernels_l{level}")));
        }
    }

    /// Who has no C++ compiler is told which feature needs one, before what the compiler said.
    fn compiled(result: Result<(), cc::Error>) {
        let Err(error) = result else { return };
        let said = error.to_string();
        let first = said.lines().next().unwrap_or_default();
        println!(
            "cargo::error=ringscope's feature `host` runs the kernels on CPU threads, and needs a C++17 compiler to build: \
             install one (g++ on Debian and Ubuntu) or name yours in CXX; or build without the feature: \
             default-features = false, features = [\"cuda\"]. What failed: {}",
            first.split_once(": ").map_or(first, |(_, what)| what)
        );
        // cargo::error fails the build; with another exit code cargo would show everything that was printed here as well.
        std::process::exit(0);
    }

    fn build(kernels: &Path) -> cc::Build {
        let mut build = cc::Build::new();
        // -x c++: compilers that do not know CUDA do not know `.cu`.
        build
            .cpp(true)
            .std("c++17")
            .opt_level(3)
            .warnings(true)
            .extra_warnings(true)
            .flag("-x")
            .flag("c++")
            .define("RINGSCOPE_CPU", None)
            .include(kernels.join("include"));
        if std::env::var(DLOPEN).is_ok_and(|set| set == "1") {
            build.define(DLOPEN, None);
        }
        build
    }
}

#[cfg(feature = "cuda")]
mod cuda {
    use std::fmt::Write as _;
    use std::path::{Path, PathBuf};
    use std::process::{Command, exit};

    use super::KERNELS;

    /// Every architecture that gets machine code; others run the PTX in kernels/ptx.
    const ARCHITECTURES: [u32; 7] = [75, 80, 86, 89, 90, 100, 120];

    struct Nvcc {
        path: PathBuf,
        /// Named by RINGSCOPE_NVCC: then it must work.
        named: bool,
    }

    struct Built {
        /// As cuDriverGetVersion writes it.
        toolkit: i32,
        sass: Vec<u32>,
    }

    /// One fatbin for each level with all kernels in it, where there is an nvcc; and the Rust file that embeds them.
    pub fn compile(kernels: &Path) {
        for variable in ["RINGSCOPE_NVCC", "CUDA_HOME", "PATH", "DOCS_RS"] {
            println!("cargo::rerun-if-env-changed={variable}");
        }
        let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
        let built = find().and_then(|nvcc| match fatbins(&nvcc.path, kernels, &out) {
            Ok(built) => Some(built),
            Err(why) if nvcc.named => {
                println!("cargo::error=RINGSCOPE_NVCC={} failed: {}", nvcc.path.display(), one_line(&why));
                eprintln!("{why}");
                exit(1)
            }
            Err(why) => {
                let path = nvcc.path.display();
                println!("cargo::warning=no machine code is embedded, only PTX, which the driver compiles at first use: {path} failed: {}", one_line(&why));
                None
            }
        });
        let code = generated(built.as_ref());
        std::fs::write(out.join("fatbins.rs"), code).expect("OUT_DIR can be written");
    }

    fn find() -> Option<Nvcc> {
        if std::env::var_os("DOCS_RS").is_some() {
            return None;
        }
        match std::env::var_os("RINGSCOPE_NVCC") {
            Some(path) if path == "none" => return None,
            Some(path) if !path.is_empty() => return Some(Nvcc { path: path.into(), named: true }),
            _ => {}
        }
        let name = format!("nvcc{}", std::env::consts::EXE_SUFFIX);
        let home = std::env::var_os("CUDA_HOME").map(|home| PathBuf::from(home).join("bin"));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = home.into_iter().chain(std::env::split_paths(&path)).map(|folder| folder.join(&name));
        found.into_iter().find(|nvcc| nvcc.is_file()).map(|path| Nvcc { path, named: false })
    }

    fn fatbins(nvcc: &Path, kernels: &Path, out: &Path) -> Result<Built, String> {
        let toolkit = toolkit(&run(Command::new(nvcc).arg("--version"))?)?;
        let codes = run(Command::new(nvcc).arg("--list-gpu-code"))?;
        let supported = |sm: &u32| codes.split_whitespace().any(|code| code == format!("sm_{sm}"));
        let sass: Vec<u32> = ARCHITECTURES.into_iter().filter(supported).collect();
        sass.first().ok_or("it supports none of the architectures that ringscope builds for")?;
        let files = KERNELS.into_iter().chain(["probe/clock_probe"]);
        let source = files.fold(String::new(), |text, file| text + &format!("#include \"{file}.cu\"\n"));
        let unit = out.join("kernels.cu");
        std::fs::write(&unit, source).map_err(|e| e.to_string())?;
        for level in 0..=3 {
            let mut command = Command::new(nvcc);
            command.args(["-fatbin", "-std=c++17", "-O3", "-Werror", "all-warnings", "--threads", "2"]);
            command.arg("-I").arg(kernels).arg("-I").arg(kernels.join("include"));
            command.arg(format!("-DRINGSCOPE_LEVEL={level}"));
            command.args(sass.iter().map(|sm| format!("-gencode=arch=compute_{sm},code=sm_{sm}")));
            run(command.arg(&unit).arg("-o").arg(out.join(format!("l{level}.fatbin"))))?;
        }
        Ok(Built { toolkit, sass })
    }

    fn run(command: &mut Command) -> Result<String, String> {
        let output = command.output().map_err(|e| format!("it does not start: {e}"))?;
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        if output.status.success() { Ok(text) } else { Err(format!("{}\n{text}", output.status)) }
    }

    /// `… release 13.0, V13.0.88` is 13000.
    fn toolkit(version: &str) -> Result<i32, String> {
        let number = version.split("release ").nth(1).and_then(|rest| rest.split(',').next());
        let parts = number.and_then(|n| n.trim().split_once('.'));
        let parsed = parts.and_then(|(major, minor)| Some((major.parse::<i32>().ok()?, minor.parse::<i32>().ok()?)));
        let (major, minor) = parsed.ok_or_else(|| format!("its version is not understood: {version}"))?;
        Ok(major * 1000 + minor * 10)
    }

    fn generated(built: Option<&Built>) -> String {
        let (toolkit, sass) = built.map_or((0, &[][..]), |b| (b.toolkit, &b.sass));
        let fatbins = built.map_or("None".to_owned(), |_| {
            let of = |level| format!("include_bytes!(\"l{level}.fatbin\") as &[u8]");
            format!("Some([{}])", [0, 1, 2, 3].map(of).join(", "))
        });
        let mut code = String::new();
        let _ = writeln!(
            code,
            "/// Machine code of the built-in kernels at each level, where nvcc was there to compile them."
        );
        let _ = writeln!(code, "pub const FATBINS: Option<[&[u8]; 4]> = {fatbins};");
        let _ = writeln!(code, "/// The version of that nvcc, as cuDriverGetVersion writes it.");
        let _ = writeln!(code, "pub const TOOLKIT: i32 = {toolkit};");
        let _ = writeln!(code, "/// Architectures whose machine code they hold.");
        let _ = writeln!(code, "pub const SASS: &[u32] = &{sass:?};");
        code
    }

    fn one_line(text: &str) -> String {
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).take(8).collect();
        lines.join(" | ")
    }
}

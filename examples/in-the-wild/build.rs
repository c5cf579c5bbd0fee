//! Compiles the kernel for the host device at each level, and the original: the same files that NVRTC compiles for a GPU.

fn main() {
    let include = std::env::var("DEP_RINGSCOPE_INCLUDE").expect("ringscope's headers, by its `links` metadata");
    println!("cargo::rerun-if-changed=src");
    let cxx = || {
        let mut cxx = cc::Build::new();
        // A compiler that does not know CUDA does not know `.cu`.
        cxx.cpp(true).std("c++17").flag("-x").flag("c++").define("RINGSCOPE_CPU", None).include(&include);
        cxx
    };
    for level in ["0", "1", "2", "3"] {
        // The program has all four: each has a name of its own.
        let name = format!("megakernel_l{level}");
        cxx()
            .define("RINGSCOPE_LEVEL", level)
            .define("megakernel", name.as_str())
            .define("megakernel_host", format!("{name}_host").as_str())
            .file("src/megakernel.cu")
            .compile(&name);
    }
    cxx().file("src/original_host.cpp").compile("original");
}

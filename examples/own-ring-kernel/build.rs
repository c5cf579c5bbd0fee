//! Compiles the kernels for the host device at each level: the same files that NVRTC compiles for a GPU.

fn main() {
    let include = std::env::var("DEP_RINGSCOPE_INCLUDE").expect("ringscope's headers, by its `links` metadata");
    for (kernel, level) in
        ["wordcount", "dense"].iter().flat_map(|kernel| ["0", "1", "2", "3"].map(|level| (kernel, level)))
    {
        println!("cargo::rerun-if-changed=src/{kernel}.cu");
        cc::Build::new()
            .cpp(true)
            .std("c++17")
            // A compiler that does not know CUDA does not know `.cu`.
            .flag("-x")
            .flag("c++")
            .define("RINGSCOPE_CPU", None)
            .define("RINGSCOPE_LEVEL", level)
            .include(&include)
            .file(format!("src/{kernel}.cu"))
            .compile(&format!("{kernel}_l{level}"));
    }
}

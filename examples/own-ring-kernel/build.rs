//! Compiles the kernel for the host device at each level: the same file that NVRTC compiles for a GPU.

fn main() {
    let include = std::env::var("DEP_RINGSCOPE_INCLUDE").expect("ringscope's headers, by its `links` metadata");
    println!("cargo::rerun-if-changed=src/wordcount.cu");
    for level in ["0", "1", "2", "3"] {
        cc::Build::new()
            .cpp(true)
            .std("c++17")
            // A compiler that does not know CUDA does not know `.cu`.
            .flag("-x")
            .flag("c++")
            .define("RINGSCOPE_CPU", None)
            .define("RINGSCOPE_LEVEL", level)
            .include(&include)
            .file("src/wordcount.cu")
            .compile(&format!("wordcount_l{level}"));
    }
}

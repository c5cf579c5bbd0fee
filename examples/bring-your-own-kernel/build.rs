//! Compiles the kernel for the host device: the same file that NVRTC compiles for a GPU.

fn main() {
    let include = std::env::var("DEP_RINGSCOPE_INCLUDE").expect("ringscope's header, by its `links` metadata");
    println!("cargo::rerun-if-changed=src/collatz.cu");
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .flag("-x")
        .flag("c++")
        .define("RINGSCOPE_CPU", None)
        .include(include)
        .file("src/collatz.cu")
        .compile("collatz");
}

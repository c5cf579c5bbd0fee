//! The headers and the built-in kernels compile with NVRTC as they are embedded, and kernels/ptx is what they compile to.
//! Needs libnvrtc, and no GPU.
#![cfg(feature = "cuda")]

mod toolkit;

use ringscope::device::cuda::{compile, nvrtc_version};
use ringscope::device::{Builtin, DeviceError, Level};

fn there_is_nvrtc() -> bool {
    let there = nvrtc_version().is_some();
    if !there {
        toolkit::skip("no NVRTC");
    }
    there
}

fn contains(haystack: &[u8], needle: &str) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle.as_bytes())
}

#[test]
fn the_built_ins_compile_to_ptx_and_to_machine_code() {
    if !there_is_nvrtc() {
        return;
    }
    for &builtin in Builtin::ALL {
        for &level in Level::ALL {
            let entry = format!("{}_l{}", builtin.name(), level as u32);
            let made = |arch| compile(builtin.cuda_source(), builtin.name(), level, arch).expect(&entry);
            let ptx = made("compute_75");
            assert!(contains(&ptx, &format!(".entry {entry}(")), "{entry}");
            assert_eq!(ptx.last(), Some(&0), "PTX ends with a NUL, as the driver wants it");
            let cubin = made("sm_90");
            assert!(cubin.starts_with(b"\x7fELF") && contains(&cubin, &entry), "{entry}");
        }
    }
}

#[test]
fn the_embedded_ptx_is_what_the_kernels_compile_to() {
    let Some(script) = toolkit::ptx_script() else { return };
    let output = std::process::Command::new(script).arg("--check").output().expect("bash starts it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_probes_compile() {
    if there_is_nvrtc() {
        let text = include_str!("../kernels/probe/clock_probe.cu");
        let ptx = compile(text, "clock_probe.cu", Level::default(), "compute_75").expect("it compiles");
        assert!(contains(&ptx, ".entry clock_probe("));
        for &level in Level::ALL {
            let text = include_str!("../kernels/probe/probe.cu");
            let ptx = compile(text, "probe.cu", level, "compute_75").expect("it compiles");
            for entry in ["probe", "probe_metrics"] {
                assert!(contains(&ptx, &format!(".entry {entry}_l{}(", level as u32)));
            }
        }
    }
}

#[test]
fn a_kernel_of_ones_own_needs_one_header() {
    let text = r#"
        #include <ringscope/telemetry.cuh>
        extern "C" __global__ void own(ringscope::KernelRef telemetry) {
            ringscope::Recorder rec(telemetry);
            rec.end_warp(rec.begin(), 4, 4);
        }
    "#;
    if there_is_nvrtc() {
        for &level in Level::ALL {
            let ptx = compile(text, "own.cu", level, "compute_75").expect("it compiles");
            assert_eq!(contains(&ptx, "red.relaxed.gpu.global.add.u64"), level != Level::Off);
        }
    }
}

#[test]
fn the_names_of_a_kernel_are_in_its_module() {
    let text = r#"
        #include <ringscope/telemetry.cuh>
        RINGSCOPE_NAMES(loading, adding)
        extern "C" __global__ void named(ringscope::KernelRef telemetry) {
            ringscope::Recorder rec(telemetry);
            rec.at(adding);
        }
    "#;
    if there_is_nvrtc() {
        for &level in Level::ALL {
            let ptx = compile(text, "named.cu", level, "compute_75").expect("it compiles");
            let letters = b"loading, adding".map(|byte| byte.to_string()).join(", ");
            assert!(contains(&ptx, &format!("ringscope_names_text[16] = {{{letters}")), "level {level:?}");
            // Whether it is there in machine code, too.
            let cubin = compile(text, "named.cu", level, "sm_90").expect("it compiles");
            assert!(
                contains(&cubin, "ringscope_names_text\0") && contains(&cubin, "loading, adding\0"),
                "level {level:?}"
            );
        }
    }
}

#[test]
fn a_ring_kernel_of_ones_own_says_what_it_takes() {
    if !there_is_nvrtc() {
        return;
    }
    for &level in Level::ALL {
        let ptx = compile(include_str!("cuda-driver/tally.cu"), "tally.cu", level, "compute_75").expect("it compiles");
        let entry = format!("tally_l{}", level as u32);
        assert!(contains(&ptx, &format!(".entry {entry}(")), "{entry}");
        // Symbols as large as its arguments and as their alignment: the host asks for their sizes.
        assert!(contains(&ptx, &format!("{entry}_args[16]")) && contains(&ptx, &format!("{entry}_args_align[8]")));
        // Whether they are there in machine code, too.
        let cubin = compile(include_str!("cuda-driver/tally.cu"), "tally.cu", level, "sm_90").expect("it compiles");
        assert!(contains(&cubin, &format!("{entry}_args\0")) && contains(&cubin, &format!("{entry}_args_align\0")));
    }
}

#[test]
fn a_source_that_does_not_compile_brings_the_compilers_log() {
    let text = "extern \"C\" __global__ void broken() {\n    no_such_function();\n}\n";
    if there_is_nvrtc() {
        match compile(text, "broken.cu", Level::default(), "compute_75") {
            Err(DeviceError::Compile { log }) => {
                assert!(log.contains("broken.cu(2)") && log.contains("no_such_function"), "{log}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_nul_in_the_source_and_an_unknown_architecture_are_errors() {
    if there_is_nvrtc() {
        let nul = compile("\0", "nul.cu", Level::default(), "compute_75");
        assert!(matches!(nul, Err(DeviceError::Compile { .. })), "{nul:?}");
        let arch = compile("", "empty.cu", Level::default(), "sm_1");
        assert!(matches!(arch, Err(DeviceError::Call { .. })), "{arch:?}");
    }
}

#[test]
fn without_nvrtc_the_error_says_what_to_install() {
    if nvrtc_version().is_none() {
        let error = compile("", "empty.cu", Level::default(), "compute_75").expect_err("no NVRTC").to_string();
        assert!(error.contains("install NVRTC") && error.contains("empty.cu"), "{error}");
    }
}

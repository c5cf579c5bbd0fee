//! The program, which finds the stand-in where it looks for the driver.

use crate::stand_in;

/// What it says; it is to find the stand-in where it looks for the driver.
fn program(args: &[&str]) -> Option<serde_json::Value> {
    program_with(args, ("CUDA_LAUNCH_BLOCKING", ""))
}

fn program_with(args: &[&str], variable: (&str, &str)) -> Option<serde_json::Value> {
    let folder = stand_in::build()?;
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_ringscope"));
    let output =
        program.args(args).env(variable.0, variable.1).env("LD_LIBRARY_PATH", folder).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "{args:?}: {}\n{said}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout)
    );
    Some(serde_json::from_slice(&output.stdout).expect("one document"))
}

#[test]
fn the_program_examines_a_device() {
    let Some(found) = program(&["doctor", "--deep", "--snapshots", "5000", "--device", "cuda:1", "--json"]) else {
        return;
    };
    let checks = found["checks"].as_array().expect("checks");
    let result = |name: &str| checks.iter().find(|c| c["check"] == name).map(|c| c["result"].clone()).expect("a check");
    assert_eq!((&found["passed"], checks.len()), (&true.into(), 12), "{found}");
    assert_eq!(result("an illegal address"), "passed", "the child meets it, and says what it saw");
    assert_eq!(result("exact counts, device full"), "passed");
    let full = checks.iter().find(|c| c["check"] == "snapshots under a full device").expect("a check");
    assert_eq!(full["result"], "passed");
    assert!(full["figure"].as_str().is_some_and(|f| f.contains(" blocks, 0 of them not started, ")), "{full}");
    assert_eq!(result("part of a GPU (MIG)"), "noted");
    assert_eq!(found["device"]["ordinal"], 1);
}

#[test]
fn the_program_examines_the_ptx_machine() {
    let asked = ["doctor", "--deep", "--snapshots", "100", "--device", "cuda:0", "--json"];
    let Some(found) = program_with(&asked, ("STAND_IN_RUNS", "ptx")) else { return };
    assert_eq!(found["passed"], true, "{found}");
}

#[test]
fn kernels_run_on_all_devices_of_a_list() {
    let args = ["run", "--messages", "400", "--json"];
    let counted = |document: &serde_json::Value, kernel: &str| {
        document["summary"]["per_kernel"][kernel]["messages_processed"].clone()
    };
    for (devices, ordinals) in [("cuda:1,cuda", [1, 0]), ("all", [0, 1]), ("cuda:all", [0, 1])] {
        let Some(document) = program(&[&args[..], &["--device", devices, "--kernels", "4"]].concat()) else { return };
        let listed = document["devices"].as_array().expect("several");
        assert_eq!(listed.iter().map(|one| one["ordinal"].as_u64()).collect::<Vec<_>>(), ordinals.map(Some));
        assert_eq!((&document["device"], &document["verified"]), (&listed[0], &true.into()), "{document}");
        let all: u64 = (0..4).map(|n| counted(&document, &format!("worker_{n}")).as_u64().expect("a count")).sum();
        assert_eq!(all, 400, "{document}");
    }
}

#[test]
fn a_list_says_which_device_is_not_there() {
    let Some(folder) = stand_in::build() else { return };
    for (devices, code, says) in [
        ("cuda:0,cuda:2", 1, "there is no CUDA device 2, the driver sees 2: use cuda:0 to cuda:1"),
        ("cuda:0,host,cuda", 2, "parts 1 and 3 are the same GPU, cuda:0: name it once"),
    ] {
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_ringscope"));
        let output =
            program.args(["run", "--device", devices]).env("LD_LIBRARY_PATH", &folder).output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(code) && said.contains(says), "{}: {said}", output.status);
    }
}

#[test]
fn the_doctor_says_what_runs_there() {
    let Some(found) = program(&["doctor", "--json"]) else { return };
    assert_eq!((&found["auto"], &found["nvrtc"]), (&"cuda:0".into(), &"12.0".into()), "{found}");
    let info = &found["devices"][0]["info"];
    assert_eq!(info["driver_cuda"], 13_000);
    match info["kernel_code"]["kind"].as_str().expect("one of two") {
        "ptx" => {
            assert_eq!((&info["kernel_code"]["architecture"], &info["kernel_code"]["isa"]), (&75.into(), &"8.0".into()))
        }
        kind => assert_eq!((kind, &info["kernel_code"]["architecture"]), ("machine_code", &90.into())),
    }
}

#[test]
fn the_program_says_that_launches_would_block() {
    let Some(found) = program_with(&["doctor", "--json"], ("CUDA_LAUNCH_BLOCKING", "1")) else { return };
    let devices = found["devices"].as_array().expect("devices");
    let says: Vec<_> = devices.iter().map(|d| (d["device"].as_str(), d["usable"].as_bool())).collect();
    assert_eq!(says, [(Some("cuda:0"), Some(false)), (Some("host"), Some(true))]);
    assert!(devices[0]["reason"].as_str().is_some_and(|why| why.contains("CUDA_LAUNCH_BLOCKING=1")), "{found}");
}

#[test]
fn the_program_measures_a_device() {
    let Some(found) = program(&["bench", "--once", "--device", "cuda:0", "--json"]) else { return };
    assert_eq!(found["failures"], serde_json::json!([]), "{found}");
    for section in ["overhead", "record", "snapshot"] {
        assert!(!found[section].as_array().expect("rows").is_empty(), "{section}");
    }
    assert!(!found["messages"]["peak"].as_array().expect("rows").is_empty());
    let snapshot = &found["snapshot"][0];
    let counters = snapshot["counter_bytes"].as_f64().expect("bytes");
    assert_eq!(counters, 384.0 * snapshot["blocks"].as_f64().expect("blocks"));
    assert!(snapshot["bytes"].as_f64() > Some(counters), "{snapshot}");
}

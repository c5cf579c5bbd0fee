//! The program's promise: every reply checked, counts that are exact, one JSON document, and exit codes that say so.
#![cfg(all(feature = "cli", feature = "host"))]

mod program;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;

use program::{Dir, json, output, path, ringscope, text};

/// The document of `ringscope run --json --device host …`, which must be all of stdout, and the exit code.
fn run(args: &[&str]) -> (Value, Option<i32>) {
    json(&[&["run", "--json", "--device", "host"], args].concat())
}

/// A run that must be right.
fn right(args: &[&str]) -> Value {
    let (document, code) = run(args);
    assert_eq!(code, Some(0), "{args:?}: {document:#}");
    assert_eq!((&document["mismatches"], &document["verified"]), (&0.into(), &true.into()));
    assert_eq!(document["troubles"], Value::Array(vec![]));
    document
}

fn sum(document: &Value, field: &str) -> u64 {
    let kernels = document["summary"]["per_kernel"].as_object().unwrap();
    kernels.values().map(|k| k[field].as_u64().unwrap()).sum()
}

#[test]
fn every_field_of_the_document() {
    let dir = Dir::new("fields");
    let file = dir.file("input", 1_000_000);
    let document = right(&[path(&file)]);
    assert_eq!(document["device"]["kind"], "host");
    assert_eq!((&document["input_bytes"], &document["messages"]), (&1_000_000.into(), &245.into()));
    let seconds = document["seconds"].as_f64().unwrap();
    let rate = document["messages_per_second"].as_f64().unwrap();
    assert!(seconds > 0.0 && (rate * seconds - 245.0).abs() < 1e-6, "{rate} {seconds}");
    assert_eq!((&document["interrupted"], &document["refused"]), (&false.into(), &0.into()));
    let summary = &document["summary"];
    let fields: Vec<&String> = summary.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["kernel_count", "total_messages", "total_errors", "aggregate_throughput", "per_kernel"]);
    assert_eq!((&summary["kernel_count"], &summary["total_messages"]), (&3.into(), &245.into()));
    assert_eq!(summary["total_errors"], 0);
    assert_eq!(summary["aggregate_throughput"], 0.0, "of running kernels, and all have ended");
    let mut kernels = summary["per_kernel"].as_object().unwrap().values();
    assert!(kernels.all(|kernel| kernel["throughput"].as_f64().unwrap() > 0.0));
    let ids: Vec<&String> = summary["per_kernel"].as_object().unwrap().keys().collect();
    assert_eq!(ids, ["worker_0", "worker_1", "worker_2"]);
    for (id, kernel) in summary["per_kernel"].as_object().unwrap() {
        assert_eq!((&kernel["kernel_id"], &kernel["state"]), (&Value::from(&**id), &"terminated".into()));
        for field in [
            "messages_received",
            "messages_sent",
            "messages_processed",
            "errors",
            "start_time",
            "last_message_time",
            "throughput",
            "windowed_throughput",
            "uptime",
            "error_rate",
            "last_error_code",
            "latency",
            "queue_depth",
            "queue_high_water",
            "bytes_in",
            "bytes_out",
            "busy_ratio",
            "retries",
            "dropped",
            "polls",
            "busy_time",
            "wait_time",
            "blocks",
        ] {
            assert!(kernel.get(field).is_some(), "{id} lacks {field}");
        }
        assert_eq!(kernel["latency"]["count"], kernel["messages_received"]);
    }
    for field in ["messages_received", "messages_sent", "messages_processed"] {
        assert_eq!(sum(&document, field), 245, "{field}");
    }
    assert_eq!((sum(&document, "bytes_in"), sum(&document, "bytes_out")), (1_000_000, 4 * 245));
    assert_eq!(document["files"][0]["path"], path(&file));
}

#[test]
fn the_files_crc_comes_out_of_the_replies_at_every_size() {
    let dir = Dir::new("sizes");
    for (bytes, message, kernels, blocks) in [
        (0usize, 4096usize, 3, 1),
        (1, 4096, 3, 1),
        (1, 1, 1, 1),
        (1000, 1, 2, 2),
        (4096, 4096, 3, 1),
        (12_345, 4096, 3, 2),
        (1_000_003, 777, 5, 3),
        (3_000_000, 1 << 20, 2, 1),
    ] {
        let file = dir.file("input", bytes);
        let expected = format!("{:08x}", crc32c::crc32c(&std::fs::read(&file).unwrap()));
        let (size, kernels, blocks) = (message.to_string(), kernels.to_string(), blocks.to_string());
        let document = right(&[path(&file), "--message-bytes", &size, "--kernels", &kernels, "--blocks", &blocks]);
        let messages = bytes.div_ceil(message);
        assert_eq!(document["files"][0]["crc32c"], expected, "{bytes} in {message}");
        assert_eq!((&document["input_bytes"], &document["messages"]), (&bytes.into(), &messages.into()));
        assert_eq!(document["summary"]["total_messages"], messages);
        assert_eq!(sum(&document, "bytes_in"), bytes as u64);
    }
}

#[test]
fn several_files_each_have_their_crc() {
    let dir = Dir::new("several");
    let files = [dir.file("a", 10_000), dir.file("b", 0), dir.file("c", 5)];
    let document = right(&files.each_ref().map(|f| path(f)));
    assert_eq!((&document["input_bytes"], &document["messages"]), (&10_005.into(), &4.into()));
    for (i, file) in files.iter().enumerate() {
        let crc = format!("{:08x}", crc32c::crc32c(&std::fs::read(file).unwrap()));
        assert_eq!(document["files"][i]["crc32c"], crc);
    }
}

#[test]
fn its_own_executable_is_the_default() {
    let document = right(&["--message-bytes", "65536"]);
    let own = std::fs::read(env!("CARGO_BIN_EXE_ringscope")).unwrap();
    assert_eq!(document["files"][0]["crc32c"], format!("{:08x}", crc32c::crc32c(&own)));
    assert_eq!(document["input_bytes"], own.len());
}

#[test]
fn injected_errors_are_counted_and_are_no_failure() {
    let dir = Dir::new("inject");
    let file = dir.file("input", 4_000_000);
    let document = right(&[path(&file), "--message-bytes", "1000", "--inject-errors", "0.25"]);
    let refused = document["refused"].as_u64().unwrap();
    assert!((800..1200).contains(&refused), "{refused} of 4000");
    assert_eq!(document["summary"]["total_errors"], refused);
    assert_eq!(document["summary"]["total_messages"], 4000 - refused);
    assert_eq!(document["files"][0]["crc32c"], Value::Null);
    for kernel in document["summary"]["per_kernel"].as_object().unwrap().values() {
        assert_eq!(kernel["last_error_code"], 1);
        let (errors, all) = (kernel["errors"].as_f64().unwrap(), kernel["messages_received"].as_f64().unwrap());
        assert!((kernel["error_rate"].as_f64().unwrap() - errors / all).abs() < 1e-12);
    }
    let all = right(&[path(&file), "--inject-errors", "1"]);
    assert_eq!(all["refused"], all["messages"]);
}

#[test]
fn without_telemetry_replies_are_checked_all_the_same() {
    let dir = Dir::new("without");
    let file = dir.file("input", 100_000);
    let document = right(&[path(&file), "--no-telemetry"]);
    assert_eq!((&document["summary"], &document["messages"]), (&Value::Null, &25.into()));
    assert_eq!(document["files"][0]["crc32c"], format!("{:08x}", crc32c::crc32c(&std::fs::read(&file).unwrap())));
    let table = output(&["run", "--device", "host", "--no-telemetry", path(&file)]);
    assert!(table.status.success() && text(&table.stdout).contains("telemetry is off"), "{}", text(&table.stdout));
}

#[test]
fn the_other_kernels() {
    let dir = Dir::new("kernels");
    let file = dir.file("input", 100_003);
    let echo = right(&[path(&file), "--kernel", "echo"]);
    assert_eq!((sum(&echo, "bytes_in"), sum(&echo, "bytes_out")), (100_003, 100_003));
    assert_eq!(echo["files"][0]["crc32c"], format!("{:08x}", crc32c::crc32c(&std::fs::read(&file).unwrap())));
    // 24 whole messages and one of 1,699 bytes, padded to 1,704.
    let add = right(&[path(&file), "--kernel", "vector_add"]);
    assert_eq!((sum(&add, "bytes_in"), sum(&add, "bytes_out")), (100_008, 50_004));
    assert_eq!((&add["input_bytes"], &add["messages"]), (&100_003.into(), &25.into()));
    // 26 of two matrices of 45 x 45 elements, which are bytes, and one of 18 x 18 for the last 600.
    let file = dir.file("factors", 26 * 4050 + 600);
    let multiply = right(&[path(&file), "--kernel", "matmul_f32", "--message-bytes", "4050"]);
    let bytes = |sides: u64, last: u64| 26 * 4 * 45 * 45 * sides + 4 * 18 * 18 * sides + 16 * 27 * last;
    assert_eq!((sum(&multiply, "bytes_in"), sum(&multiply, "bytes_out")), (bytes(2, 1), bytes(1, 0)));
    assert_eq!((&multiply["input_bytes"], &multiply["messages"]), (&(26 * 4050 + 600).into(), &27.into()));
}

#[test]
fn limits_repeat_the_input_or_end_early() {
    let dir = Dir::new("limits");
    let file = dir.file("input", 10_000);
    let again = right(&[path(&file), "--messages", "1000"]);
    assert_eq!((&again["messages"], &again["summary"]["total_messages"]), (&1000.into(), &1000.into()));
    assert_eq!(again["input_bytes"], 333 * 10_000 + 4096);
    let early = right(&[path(&file), "--messages", "2"]);
    assert_eq!((&early["input_bytes"], &early["files"][0]["crc32c"]), (&8192.into(), &Value::Null));
    let whole = right(&[path(&file), "--messages", "3"]);
    assert_eq!(whole["files"][0]["crc32c"], format!("{:08x}", crc32c::crc32c(&std::fs::read(&file).unwrap())));
    let start = Instant::now();
    let timed = right(&[path(&file), "--duration", "700ms"]);
    assert!(start.elapsed() >= Duration::from_millis(700));
    assert!((0.7..60.0).contains(&timed["seconds"].as_f64().unwrap()));
    assert!(timed["messages"].as_u64().unwrap() > 3);
}

#[test]
fn wrong_usage_is_2() {
    for args in [
        &[][..],
        &["walk"],
        &["run", "--messages", "0"],
        &["run", "--messages", "1", "--duration", "1s"],
        &["run", "--duration", "10"],
        &["run", "--kernels", "0"],
        &["run", "--kernel", "sha256"],
        &["run", "--device", "gpu"],
        &["run", "--message-bytes", "2000000"],
        &["run", "--kernel", "vector_add", "--message-bytes", "100"],
        &["run", "--inject-errors", "2"],
        &["doctor", "--loud"],
        &["check"],
        &["run", "--publish", "carrier-pigeon://roof"],
        &["run", "--publish-interval", "1ms"],
        &["run", "--no-telemetry", "--publish", "json-file:run.json"],
    ] {
        let output = output(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn help_teaches() {
    let output = output(&["run", "--help"]);
    assert!(output.status.success());
    for part in
        ["Examples:", "Exit codes:", "[default: crc32c]", "[default: 500ms]", "--inject-errors", "--publish", "Ctrl-C"]
    {
        assert!(text(&output.stdout).contains(part), "{part}");
    }
}

#[test]
fn unusable_files_are_named_and_are_1() {
    let dir = Dir::new("unusable");
    let (missing, empty) = (dir.0.join("missing"), dir.file("empty", 0));
    let cases: [(&[&str], &str); 5] = [
        (&[path(&missing)], "no such file"),
        (&["-"], "use /dev/stdin"),
        (&[path(&dir.0)], "is a directory"),
        (&[path(&empty), "--messages", "5"], "is empty"),
        (&["/dev/null", "--messages", "5"], "cannot be read twice"),
    ];
    for (args, why) in cases {
        let output = output(&[&["run", "--device", "host"], args].concat());
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let said = text(&output.stderr);
        assert!(said.contains(args[0]) && said.contains(why), "{args:?}: {said}");
    }
}

#[test]
fn a_log_gets_plain_lines_and_the_table_goes_to_stdout() {
    let begun = Instant::now();
    let output = output(&["run", "--device", "host", "--duration", "1s", "--interval", "100ms"]);
    // The last replies of a busy machine may come later than after a second.
    let intervals = begun.elapsed().as_millis() as usize / 100 + 1;
    assert_eq!(output.status.code(), Some(0));
    let (table, log) = (text(&output.stdout), text(&output.stderr));
    assert!(!log.contains('\x1b') && !log.contains('\r') && !table.contains('\x1b'), "{log}");
    let lines: Vec<&str> = log.lines().filter(|l| l.contains("msg/s")).collect();
    assert!((3..=intervals).contains(&lines.len()), "{log}");
    assert!(lines.iter().all(|l| l.contains("MB/s") && l.contains("received") && l.contains("errors")), "{log}");
    assert!(log.lines().next().unwrap().starts_with("crc32c in 3 ring kernels"), "{log}");
    let rows: Vec<&str> = table.lines().collect();
    assert!(rows[0].starts_with("kernel") && rows[0].contains("p99") && rows[0].contains("busy"), "{table}");
    assert!(rows[1].starts_with("worker_0") && rows[4].starts_with("all"), "{table}");
    assert!(table.contains("PASS: every reply is correct"), "{table}");
}

/// A file that opens, and fails when it is read.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_breaks_off_is_1_with_the_summary_so_far() {
    let dir = Dir::new("breaks");
    let file = dir.file("input", 10_000);
    let (document, code) = run(&[path(&file), "/proc/self/mem", path(&file)]);
    assert_eq!((code, &document["verified"], &document["messages"]), (Some(1), &false.into(), &3.into()));
    assert_eq!(document["summary"]["total_messages"], 3);
    let trouble = document["troubles"][0].as_str().unwrap();
    assert!(trouble.contains("/proc/self/mem: cannot be read"), "{trouble}");
    assert_eq!(document["files"][0]["crc32c"], format!("{:08x}", crc32c::crc32c(&std::fs::read(&file).unwrap())));
}

#[test]
fn the_doctor_says_what_there_is_and_why_not() {
    let output = output(&["doctor", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    let findings: Value = serde_json::from_slice(&output.stdout).unwrap();
    let devices = findings["devices"].as_array().unwrap();
    let host = devices.iter().find(|d| d["device"] == "host").unwrap();
    assert_eq!((&host["usable"], &host["reason"]), (&true.into(), &Value::Null));
    assert!(host["round_trip_us"].as_f64().unwrap() > 0.0);
    let cuda = &devices[0];
    assert_eq!(cuda["device"], "cuda:0");
    let expected = if cuda["usable"] == true {
        "cuda:0"
    } else {
        // A reason, and after it what to do.
        assert!(cuda["reason"].as_str().unwrap().contains(": "), "{cuda}");
        "host"
    };
    assert_eq!(findings["auto"], expected);
    let said = ringscope(&["doctor"]).output().unwrap();
    assert!(said.status.success());
    assert!(text(&said.stdout).contains(&format!("--device auto takes {expected}")), "{}", text(&said.stdout));
}

#[test]
fn a_device_that_is_not_there_is_1_with_the_reason() {
    let output = output(&["run", "--device", "cuda:63"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("error: "), "{}", text(&output.stderr));
    assert!(output.stdout.is_empty());
}

#[test]
fn several_host_devices_share_the_kernels() {
    let run = |more: &[&str]| json(&[&["run", "--json", "--device", "host,host", "--messages", "500"], more].concat());
    let (document, code) = run(&[]);
    assert_eq!((code, &document["verified"]), (Some(0), &true.into()), "{document:#}");
    assert_eq!((&document["devices"][1]["kind"], &document["kernels"]), (&"host".into(), &3.into()));
    assert_eq!(sum(&document, "messages_processed"), 500);
    // The device is named where there are several, and not where there is one.
    let table = |devices: &str| text(&output(&["run", "--device", devices, "--messages", "50"]).stdout).to_owned();
    let [several, one] = ["host,host", "host"].map(table);
    let lines: Vec<&str> = several.lines().collect();
    assert!(lines[0].starts_with("kernel    device  state"), "{several}");
    for (line, says) in lines[1..4].iter().zip(["worker_0  0 host", "worker_1  1 host", "worker_2  0 host"]) {
        assert!(line.starts_with(says), "{several}");
    }
    assert!(one.starts_with("kernel    state"), "{one}");
    assert!(document.get("device").is_some() && right(&["--messages", "10"]).get("devices").is_none());
}

#[test]
fn a_list_of_devices_that_makes_no_sense_is_wrong_usage() {
    for (devices, says) in [
        ("cuda:1,cuda:1", "parts 1 and 2 are the same GPU, cuda:1: name it once"),
        ("host,,host", "part 2 is empty"),
        ("host,gpu", "`gpu` names no device"),
        ("all,host", "`all` stands alone"),
    ] {
        let output = output(&["run", "--device", devices]);
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(2) && output.stdout.is_empty(), "{devices}: {said}");
        assert!(said.contains(says) && said.contains(&format!("'{devices}' for '--device")), "{said}");
    }
    let output = output(&["run", "--device", "host,host", "--kernels", "1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--kernels 1 leaves some of the 2 devices without a kernel"));
    for command in [&["bench", "--once"][..], &["doctor", "--deep"]] {
        let output = ringscope(command).args(["--device", "host,host"]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{command:?} takes one device");
    }
}

#[test]
fn doctor_deep_examines_one_device() {
    let (found, code) = json(&["doctor", "--deep", "--snapshots", "20000", "--device", "host", "--json"]);
    assert_eq!((code, &found["passed"]), (Some(0), &Value::Bool(true)), "{found}");
    let checks = found["checks"].as_array().unwrap();
    let does_not_apply = checks.iter().filter(|c| c["result"] == "does_not_apply").count();
    let passed = checks.iter().filter(|c| c["result"] == "passed").count();
    assert_eq!((passed, does_not_apply), (8, 4), "{found}");
    assert!(checks.iter().all(|c| !c["figure"].as_str().unwrap().is_empty()));

    let table = output(&["doctor", "--deep", "--snapshots", "1000", "--device", "host"]);
    assert_eq!(table.status.code(), Some(0));
    let lines: Vec<&str> = text(&table.stdout).lines().collect();
    assert!(lines[lines.len() - 1].starts_with("PASS: 8 checks passed, 0 failed"), "{lines:?}");
    let results = lines.iter().filter(|line| ["PASS  ", "-     "].iter().any(|word| line.starts_with(word)));
    // Names are followed by at least two spaces.
    let figure = |line: &&str| line[6..].find("  ").map(|end| 6 + line[6..].len() - line[6 + end..].trim_start().len());
    let columns: BTreeSet<_> = results.map(figure).collect();
    assert_eq!(columns.len(), 1, "results line up: {lines:?}");
    assert_eq!(output(&["doctor", "--device", "host"]).status.code(), Some(2), "--device is of --deep");
}

#[test]
fn bench_measures_one_section_alone() {
    let (found, code) = json(&["bench", "--once", "--only", "record", "--device", "host", "--json"]);
    assert_eq!((code, found["record"].is_array()), (Some(0), true), "{found}");
    for other in ["overhead", "events", "snapshot", "messages"] {
        assert!(found[other].is_null(), "{other} in {found}");
    }
    assert_eq!(output(&["bench", "--only", "nothing"]).status.code(), Some(2));
    assert_eq!(found["input_ring"], "mapped");
    let of_device = ["bench", "--once", "--only", "messages", "--input-ring", "device-memory", "--device", "host"];
    let (found, code) = json(&[&of_device[..], &["--json"]].concat());
    assert_eq!((code, &found["input_ring"]), (Some(0), &Value::from("device-memory")), "{found}");
    assert!(found["messages"]["peak"].as_array().unwrap().iter().all(|row| row["kernels"].as_u64() > Some(0)));
    let table = output(&of_device);
    assert!(text(&table.stdout).contains("Messages are in device"), "{table:?}");
    assert_eq!(output(&["bench", "--input-ring", "fastest"]).status.code(), Some(2));
}

#[test]
fn bench_measures_everything_once() {
    let (found, code) = json(&["bench", "--once", "--device", "host", "--json"]);
    assert_eq!((code, &found["failures"]), (Some(0), &Value::Array(Vec::new())), "{found}");
    let overhead = found["overhead"].as_array().unwrap();
    assert!(overhead.iter().all(|row| row["messages_per_second"].as_f64() > Some(0.0)), "{found}");
    assert!(overhead.iter().any(|row| row["kernel"] == "crc32c" && row["bytes"] == 16384));
    let designs: BTreeSet<_> =
        found["record"].as_array().unwrap().iter().map(|row| row["design"].as_str().unwrap()).collect();
    assert_eq!(designs.len(), 13, "{designs:?}");
    let events = found["events"].as_array().unwrap();
    assert!(events.iter().all(|row| row["all"]["median"].as_f64() > Some(0.0)), "{found}");
    assert!(events.iter().all(|row| row["records_read"].as_u64() > Some(0)), "{found}");
    assert!(found["snapshot"].as_array().unwrap().iter().all(|row| row["bytes"].as_f64() > Some(0.0)));
    assert!(found["messages"]["round_trip"].as_array().unwrap().iter().all(|row| row["p50_us"].as_f64() > Some(0.0)));

    let table = output(&["bench", "--once", "--device", "host"]);
    assert_eq!(table.status.code(), Some(0));
    assert!(text(&table.stdout).contains("mapped-host atomics"));
}

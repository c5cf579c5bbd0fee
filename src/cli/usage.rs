//! What is accepted, what is refused with which words, and pages of help that fit.

use std::time::Duration;

use clap::Parser;
use ringscope::trace::TraceFilter;

use super::args::try_run_args as run;
use super::args::*;
use super::devices::Devices;
use super::workload::args::Work;
use super::workload::input::Limit;

#[test]
fn the_definition_is_sound() {
    Cli::definition(80).debug_assert();
}

#[test]
fn defaults() {
    let args = run(&[]).unwrap();
    assert_eq!(
        (args.kernels(1), args.kernels(8), args.blocks, args.message_bytes, args.slots(3)),
        (3, 8, 1, 4096, 256)
    );
    assert_eq!(
        (args.kernel, args.device.clone(), args.limit()),
        (Work::Crc32c, "auto".parse::<Devices>().unwrap(), Limit::OnePass)
    );
    assert_eq!((args.interval, args.black_box), (Duration::from_millis(500), 0));
    assert_eq!(run(&["--black-box", "256"]).unwrap().black_box, 256);
}

#[test]
fn rings_stay_small() {
    let slots = |args: &[&str]| {
        let args = run(args).unwrap();
        args.slots(args.kernels(1))
    };
    assert_eq!(slots(&["--message-bytes", "1048576"]), 8);
    assert_eq!(slots(&["--message-bytes", "1048576", "--kernels", "256"]), 2);
    assert_eq!(slots(&["--message-bytes", "1048576", "--slots", "1024"]), 1024);
    assert_eq!(slots(&["--message-bytes", "1"]), 256);
}

#[test]
fn wrong_usage() {
    for args in [
        &["--messages", "0"][..],
        &["--kernels", "0"],
        &["--message-bytes", "0"],
        &["--message-bytes", "1048577"],
        &["--slots", "3"],
        &["--black-box", "63"],
        &["--black-box", "100"],
        &["--black-box", "32768"],
        &["--black-box", "-1"],
        &["--duration", "1s", "--messages", "1"],
        &["--duration", "5"],
        &["--interval", "1ms"],
        &["--interval", "24.1h"],
        &["--interval", "5000000000000000h"],
        &["--interval", "-1s"],
        &["--duration", "5000000000000000h"],
        &["--duration", "-1s"],
        &["--kernels", "-1"],
        &["--messages", "-1"],
        &["--inject-errors", "-1"],
        &["--inject-errors", "-inf"],
        &["--inject-errors", "1.5"],
        &["--inject-errors", "nan"],
        &["--device", "gpu"],
        &["--device", "cuda:0,,host"],
        &["--device", "host,auto"],
        &["--device", "cuda,cuda:0"],
        &["--kernel", "sha256"],
        &["--kernel", "vector_add", "--message-bytes", "1001"],
        &["--kernel", "matmul_f32", "--message-bytes", "131073"],
        &["--publish-interval", "1ms"],
        &["--publish-interval", "25h"],
        &["--publish-spans", "1/3"],
    ] {
        let error = run(args).unwrap_err().to_string();
        // What was given stands in the message, and what is allowed.
        let given = if args.contains(&"--messages") { args[0] } else { args[args.len() - 1] };
        assert!(error.contains(given), "{args:?}: {error}");
        let says = [
            "must be",
            "[possible values:",
            "names no device",
            "is empty",
            "stands alone",
            "same GPU",
            "cannot be used with",
            "needs a unit",
        ];
        assert!(says.iter().any(|says| error.contains(says)), "{args:?}: {error}");
    }
}

#[test]
fn what_is_traced() {
    let trace = |args: &[&str]| {
        let all = ["ringscope", "trace"].iter().chain(args);
        match Cli::try_parse_from(all)?.command {
            Command::Trace(trace) => trace.check().map(|()| trace),
            other => unreachable!("trace was asked for, not {other:?}"),
        }
    };
    let filter = |args: &[&str]| trace(args).unwrap().filter();
    assert_eq!(filter(&[]), TraceFilter::all());
    assert_eq!(filter(&["--sample", "1/64"]), TraceFilter::none().one_of(64));
    let all = TraceFilter::none().slow(Duration::from_micros(50)).one_of(1 << 62).errors(true);
    assert_eq!(filter(&["--slow", "50us", "--sample", "1/4611686018427387904", "--errors"]), all);
    let records = |args: &[&str]| trace(args).unwrap().run.ring_records();
    assert_eq!([records(&[]), records(&["--kernels", "256", "--blocks", "1024"])], [16_384, 64]);
    for args in [
        &["--sample", "64"][..],
        &["--sample", "1/3"],
        &["--sample", "-1"],
        &["--slow", "0s"],
        &["--slow", "79h"],
        &["--records", "0"],
        &["--format", "pdf"],
        &["--no-telemetry"],
    ] {
        let error = trace(args).unwrap_err().to_string();
        let says = ["must be", "[possible values:", "needs a unit", "leaves nothing to trace"];
        assert!(says.iter().any(|says| error.contains(says)), "{args:?}: {error}");
    }
}

#[test]
fn help_fits_the_terminal() {
    for width in [40, 60, 80, 100] {
        for (command, long) in [
            ("", true),
            ("run", true),
            ("run", false),
            ("serve", true),
            ("check", true),
            ("check", false),
            ("anomalies", true),
            ("anomalies", false),
            ("top", true),
            ("top", false),
            ("record", true),
            ("record", false),
            ("replay", true),
            ("replay", false),
            ("trace", true),
            ("trace", false),
            ("dashboards", true),
            ("dashboards", false),
            ("doctor", true),
            ("bench", true),
            ("report", true),
            ("diff", true),
        ] {
            let args =
                ["ringscope", command, if long { "--help" } else { "-h" }].into_iter().filter(|arg| !arg.is_empty());
            let page = Cli::definition(width).try_get_matches_from(args).unwrap_err().to_string();
            assert!(page.contains("Usage:") && page.contains("Exit codes:"), "{page}");
            for line in page.lines() {
                assert!(crate::cli::term::text::columns(line.trim_end()) <= width, "{command} at {width}: {line}");
            }
        }
    }
}

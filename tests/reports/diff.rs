//! The comparison.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::made::Made;
use crate::program::{Dir, output, path};
use crate::run::Run;

/// A run of 40 s: each second one hundred messages whose latencies vary; `slower` makes one in `of` take longer.
fn made(dir: &Dir, name: &str, seed: u64, slower: impl Fn(u64) -> u64, refused: u64) -> PathBuf {
    let mut made = Made::new();
    let mut x = seed;
    let mut chance = || {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        x >> 33
    };
    for _ in 0..40 {
        let latencies: Vec<u64> = (0..100 + chance() % 5).map(|_| 100 + chance() % 100).collect();
        for (n, us) in latencies.iter().enumerate() {
            made.handles("worker_0", 1, |_| slower(n as u64) * us);
            made.handles("worker_1", 1, |_| *us);
        }
        made.refuses("worker_0", refused);
        made.moment();
    }
    let path = dir.0.join(name);
    made.save(&path);
    path
}

/// Its exit code, and the document.
fn diff(a: &Path, b: &Path, conditions: &[&str]) -> (Option<i32>, Value) {
    let mut args = vec!["diff", path(a), path(b), "--json"];
    conditions.iter().for_each(|condition| args.extend(["--fail-if", condition]));
    let done = output(&args);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    (done.status.code(), serde_json::from_slice(&done.stdout).unwrap_or_else(|_| Value::String(said)))
}

fn metric<'a>(document: &'a Value, kernel: &str, metric: &str) -> &'a Value {
    let kernel = document["kernels"].as_array().unwrap().iter().find(|one| one["kernel"] == kernel).unwrap();
    kernel["metrics"].as_array().unwrap().iter().find(|one| one["metric"] == metric).unwrap()
}

#[test]
fn a_run_is_the_same_as_itself() {
    let dir = Dir::new("diff-same");
    let a = made(&dir, "a.rscope", 1, |_| 1, 2);
    let (code, document) = diff(&a, &a, &["p99 > +0 %", "throughput < -0 %", "max > +0 %", "shape > 0 %"]);
    assert_eq!((code, &document["failed"]), (Some(0), &Value::Bool(false)), "{document}");
    for kernel in document["kernels"].as_array().unwrap() {
        for metric in kernel["metrics"].as_array().unwrap() {
            let verdict = metric["verdict"].as_str().unwrap();
            assert!(["no change", "no value"].contains(&verdict), "{metric}");
        }
    }
    let text = output(&["diff", path(&a), path(&a)]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("worker_0\n") && text.contains("no change") && !text.contains("worse"), "{text}");
}

#[test]
fn runs_that_differ_by_chance_do_not_differ() {
    let dir = Dir::new("diff-noise");
    let (a, b) = (made(&dir, "a.rscope", 1, |_| 1, 2), made(&dir, "b.rscope", 77, |_| 1, 2));
    let (code, document) = diff(&a, &b, &["p99 > +0 %", "p50 > +0 %", "throughput < -0 %", "p50 < -0 %"]);
    let real: Vec<&Value> = document["kernels"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|kernel| kernel["metrics"].as_array().unwrap())
        .filter(|metric| ["better", "worse", "different"].contains(&metric["verdict"].as_str().unwrap()))
        .collect();
    assert_eq!((code, real), (Some(0), Vec::new()));
    // They do differ, and with --even-noise that counts.
    let args = ["diff", path(&a), path(&b), "--even-noise", "--fail-if", "p50 > +0 %", "--fail-if", "p50 < +0 %"];
    assert_eq!(output(&args).status.code(), Some(1));
}

#[test]
fn a_slower_kernel_is_found_and_the_other_is_not_blamed() {
    let dir = Dir::new("diff-slower");
    let a = made(&dir, "a.rscope", 1, |_| 1, 2);
    let b = made(&dir, "b.rscope", 77, |n| if n % 20 == 0 { 3 } else { 1 }, 9);
    let (code, document) = diff(&a, &b, &["p99 > +5 %", "worker_1:p99 > +50 %", "error_rate > +1 pp", "p50 > +50 %"]);
    assert_eq!(code, Some(1), "{document}");
    let holds: Vec<&Value> = document["conditions"].as_array().unwrap().iter().map(|one| &one["kernels"]).collect();
    let only = serde_json::json!(["worker_0"]);
    assert_eq!(holds, [&only, &serde_json::json!([]), &only, &serde_json::json!([])], "{document}");
    let p99 = metric(&document, "worker_0", "p99");
    assert_eq!(p99["verdict"], "worse");
    let change = p99["change_percent"].as_f64().unwrap();
    // From under 200 µs to 300 to 600 µs.
    assert!((50.0..250.0).contains(&change), "{p99}");
    assert_eq!(metric(&document, "worker_0", "shape")["verdict"], "different");
    assert_ne!(metric(&document, "worker_1", "shape")["verdict"], "different");
    assert_eq!(metric(&document, "worker_0", "error_rate")["verdict"], "worse");
    // The other way round it became better, which no condition forbids.
    let (code, back) = diff(&b, &a, &["p99 > +5 %"]);
    assert_eq!((code, &metric(&back, "worker_0", "p99")["verdict"]), (Some(0), &Value::String("better".into())));
    let args = ["diff", path(&a), path(&b), "--fail-if", "p99 > +5 %"];
    let text = String::from_utf8(output(&args).stdout).unwrap();
    assert!(text.contains("fails: p99 > +5 %: worker_0 has p99 ") && text.contains("they differ most at"), "{text}");
    // The table lines up.
    let rows: Vec<&str> = text.lines().filter(|line| line.contains("noise") || line.contains("worse")).collect();
    assert!(rows.len() > 4, "{text}");
}

#[test]
fn real_runs_are_compared() {
    let dir = Dir::new("diff-real");
    let run = |name: &str, rounds: u32| {
        let recording = dir.0.join(name);
        let run = Run::start(&["worker"], Duration::from_secs(60));
        let writer = run.record(&recording);
        let begin = std::time::Instant::now();
        // Long enough for many readings.
        while begin.elapsed() < Duration::from_millis(800) {
            run.call("worker", rounds);
        }
        writer.end();
        recording
    };
    let (fast, slow) = (run("fast.rscope", 1000), run("slow.rscope", 3_000_000));
    let (code, document) = diff(&fast, &slow, &["p50 > +100 %", "throughput < -50 %"]);
    assert_eq!(code, Some(1), "{document}");
    assert_eq!(metric(&document, "worker", "p50")["verdict"], "worse", "{document}");
    assert!(document["conditions"].as_array().unwrap().iter().all(|one| one["holds"] == true), "{document}");
}

#[test]
fn kernels_of_one_run_alone_are_said_and_conditions_about_nothing_are_errors() {
    let dir = Dir::new("diff-alone");
    let record = |name: &str, kernels: &[&str]| {
        let mut made = Made::new();
        for _ in 0..20 {
            kernels.iter().for_each(|kernel| made.handles(kernel, 10, |_| 50));
            made.collector.actor("idle").unwrap();
            made.moment();
        }
        let path = dir.0.join(name);
        made.save(&path);
        path
    };
    let (a, b) = (record("a.rscope", &["old", "both"]), record("b.rscope", &["new", "both"]));
    let (code, document) = diff(&a, &b, &[]);
    let alone = (&document["only_in_a"], &document["only_in_b"]);
    assert_eq!((code, alone), (Some(0), (&serde_json::json!(["old"]), &serde_json::json!(["new"]))));
    let text = String::from_utf8(output(&["diff", path(&a), path(&b)]).stdout).unwrap();
    assert!(text.contains("only in a: old\n") && text.contains("only in b: new\n"), "{text}");
    for (condition, says) in [
        ("old:p99 > +5 %", "is about no kernel that both recordings have; they have both, idle"),
        ("idle:p99 > +5 %", "there is no p99 to compare: idle handled nothing"),
        ("p98 > +5 %", "is no metric"),
    ] {
        let done = output(&["diff", path(&a), path(&b), "--fail-if", condition]);
        let said = String::from_utf8_lossy(&done.stderr).replace('\n', " ");
        assert_eq!((done.status.code(), said.contains(says)), (Some(2), true), "{said}");
    }
    let missing = output(&["diff", path(&a), "/no/such.rscope"]);
    assert_eq!(missing.status.code(), Some(2), "{missing:?}");
}

#[test]
fn too_few_readings_tell_nothing_but_the_numbers() {
    let dir = Dir::new("diff-few");
    let record = |name: &str, moments: u64, us: u64| {
        let mut made = Made::new();
        for _ in 0..moments {
            made.handles("worker", 10, |_| us);
            made.moment();
        }
        let path = dir.0.join(name);
        made.save(&path);
        path
    };
    let (a, b) = (record("a.rscope", 4, 50), record("b.rscope", 4, 100));
    let (code, document) = diff(&a, &b, &["p50 > +50 %"]);
    assert_eq!(
        (code, &metric(&document, "worker", "p50")["verdict"]),
        (Some(1), &Value::String("too few readings to tell".into()))
    );
    // A recording of nothing, and one of a single moment.
    let (none, one) = (record("none.rscope", 0, 1), record("one.rscope", 1, 1));
    for (a, b) in [(&none, &none), (&one, &one), (&a, &one), (&none, &a)] {
        assert_eq!(diff(a, b, &[]).0, Some(0), "{a:?} {b:?}");
    }
}

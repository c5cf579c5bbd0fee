//! What a file may say, what is wrong with others, where, and that no secret is told.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ringscope::publish::{Environment, SCHEMES, SyncPolicy, Target};

use super::file::{Place, Problem};
use super::plan::{self, Plan};
use super::settings::Known;

const SECRET: &str = "hunter2";

/// A file of this test's own.
struct File {
    folder: tempfile::TempDir,
    path: PathBuf,
}

fn file(text: &str) -> File {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ringscope.toml");
    let text = text.replace("HERE", folder.path().to_str().unwrap());
    std::fs::write(&path, text).unwrap();
    std::fs::write(folder.path().join("secret"), format!("{SECRET}\n")).unwrap();
    File { folder, path }
}

fn environment() -> Environment {
    Environment::of([("TOKEN", SECRET), ("OTEL_SERVICE_NAME", "of-the-environment"), ("EMPTY", "")])
}

fn right(text: &str) -> (Plan, File) {
    let file = file(text);
    let (plan, problems) = plan::check(&file.path, &environment());
    assert_eq!(problems, [], "{text}");
    (plan, file)
}

fn wrong(text: &str) -> Vec<(usize, usize, String)> {
    let (plan, problems) = plan::check(&file(text).path, &environment());
    assert!(!problems.is_empty(), "{text}");
    let shown = format!("{plan:?} {problems:?} {}", plan::lines(Some(Path::new("f.toml")), &problems).join("\n"));
    assert!(!shown.contains(SECRET), "{shown}");
    let row = |problem: Problem| {
        let Place { line, column } = problem.place.unwrap_or(Place { line: 0, column: 0 });
        (line, column, problem.message)
    };
    problems.into_iter().map(row).collect()
}

/// A file with one error, which is said there and says this.
fn expect(text: &str, line: usize, column: usize, says: &str) {
    let problems = wrong(text);
    let [(at_line, at_column, said)] = &problems[..] else { panic!("{text}\n{problems:?}") };
    assert_eq!((*at_line, *at_column), (line, column), "{text}\n{said}");
    assert!(said.contains(says), "{text}\n{said}");
}

#[test]
fn everything_that_can_be_set() {
    let (plan, file) = right(
        r#"
        service = "trainer"
        interval = "1m"
        [resource]
        "deployment.environment" = "test"
        rack = 7
        [[publish]]
        url = "json-lines:HERE/run.ndjson?keep=9"
        rotate_bytes = "1MiB"
        mode = 600
        interval = "5s"
        queue_bytes = "2 MB"
        queue_age = "1h"
        timeout = "3s"
        retry_min = "100ms"
        retry_max = "1m"
        circuit_failures = 3
        circuit_pause = "10s"
        flush_limit = "2s"
        spool = { path = "HERE/spool", limit = "1GiB", sync = "at-the-end" }
        [[publish]]
        url = "json-file:HERE/run.json"
        "#,
    );
    assert_eq!(plan.source.service, "trainer");
    let attributes: Vec<String> = plan.source.attributes.iter().map(|a| format!("{}={}", a.name, a.value)).collect();
    assert_eq!(attributes, ["deployment.environment=test", "rack=7"]);
    let [lines, json] = &plan.destinations[..] else { panic!("{plan:?}") };
    assert_eq!((lines.interval, json.interval), (Some(Duration::from_secs(5)), Some(Duration::from_secs(60))));
    assert_eq!(lines.address, format!("json-lines:{}/run.ndjson", file.folder.path().display()));
    let delivery = &lines.delivery;
    assert_eq!((delivery.queue_bytes, delivery.circuit_failures), (2_000_000, 3));
    assert_eq!((delivery.queue_age, delivery.timeout), (Duration::from_secs(3600), Duration::from_secs(3)));
    assert_eq!((delivery.retry_min, delivery.retry_max), (Duration::from_millis(100), Duration::from_secs(60)));
    assert_eq!((delivery.circuit_pause, delivery.flush_limit), (Duration::from_secs(10), Duration::from_secs(2)));
    let spool = delivery.spool.as_ref().unwrap();
    assert_eq!((spool.limit, spool.sync), (1 << 30, SyncPolicy::AtTheEnd));
}

#[test]
fn secrets_come_from_files_and_variables_and_are_never_told() {
    for (key, from) in [("token_file = \"HERE/secret\"", "the file "), ("token_env = \"TOKEN\"", "variable TOKEN")] {
        let (plan, _file) = right(&format!("[[publish]]\nurl = \"remote-write+http://localhost:1\"\n{key}\n"));
        let [(name, said)] = &plan.destinations[0].secrets[..] else { panic!("{plan:?}") };
        assert!(*name == "token" && said.contains(from), "{said}");
        assert!(!format!("{plan:?}").contains(SECRET), "{plan:?}");
    }
    let text = |line: &str| format!("[[publish]]\nurl = \"remote-write+http://localhost:1\"\n{line}\n");
    expect(&text("token = \"hunter2\""), 3, 9, "a secret does not stand here");
    expect(&text("token_env = \"EMPTY\""), 3, 13, "no environment variable of that name");
    expect(&text("token_env = \"hunter2\""), 3, 13, "no environment variable of that name");
    expect(&text("token_file = \"/nonexistent/x\""), 3, 14, "/nonexistent/x");
    for url in [
        "remote-write+http://me:hunter2@localhost:1",
        "http://me:hunter2@localhost",
        "json-file:/tmp/x.json?password=hunter2",
    ] {
        let problems = wrong(&format!("[[publish]]\nurl = \"{url}\"\n"));
        assert!(problems.iter().all(|(line, ..)| *line == 2), "{problems:?}");
    }
}

#[test]
fn every_error_is_found_at_its_place() {
    let problems = wrong(
        "intervall = \"1s\"\nqueue_age = \"1s\"\nservice = [1]\n[[publish]]\nurl = \"json-file:/tmp/a.json\"\nmode = \"9\"\n\
         spol = 1\nretry_min = \"1h\"\n[[publish]]\nurl = \"otlp+htp://a\"\ntimeout = 5\nspool = { path = \"p\", limt = 1 }\n\
         [[publish]]\ninterval = \"1s\"\n[resource]\na.b = \"c\"\n",
    );
    let places: Vec<(usize, usize)> = problems.iter().map(|(line, column, _)| (*line, *column)).collect();
    let expected = [(1, 1), (2, 1), (3, 11), (6, 8), (7, 1), (8, 13), (10, 7), (11, 11), (12, 23), (13, 1), (16, 1)];
    assert_eq!(places, expected, "{problems:#?}");
    let says = [
        "is interval meant?",
        "below a line [[publish]]",
        "must be a text, and is a list",
        "mode is wrong",
        "is spool meant?",
        "retry_max",
        "is otlp+http meant?",
        "needs a unit: 5ms",
        "is limit meant?",
        "no url",
        "in quotes",
    ];
    for ((_, _, said), says) in problems.iter().zip(says) {
        assert!(said.contains(says), "{said} does not say {says}");
    }
}

#[test]
fn what_a_single_error_says() {
    let of = |rest: &str| format!("[[publish]]\nurl = \"json-file:/tmp/a.json\"\n{rest}\n");
    expect("", 0, 0, "no destination");
    expect("publish = 3\n", 1, 11, "[[publish]]");
    expect("[publish]\nurl = \"json-file:a\"\n", 1, 1, "two brackets");
    expect("[[publish]]\nurl = 3\n", 2, 7, "must be a text");
    expect("[[publish]]\nurl = \"telemetry.json\"\n", 2, 7, "begins with a scheme");
    expect("[[publish]]\nurl = \"carrier-pigeon://roof\"\n", 2, 7, "there are otlp+http");
    expect("[[publish]]\nurl = \"json-file:/nonexistent/a.json\"\n", 2, 7, "no folder /nonexistent");
    expect(&of("queue_bytes = \"lots\""), 3, 15, "such as 65536");
    expect(&of("queue_bytes = 0"), 3, 15, "such as 65536");
    expect(&of("interval = \"1ms\""), 3, 12, "100ms to 24h");
    expect(&of("circuit_failures = 0"), 3, 20, "1 or more");
    expect(&of("spool = true\n"), 3, 9, "path");
    expect(&of("spool = { limit = 5 }\n"), 3, 9, "needs a path");
    expect("service = \"a\ninterval = \"1s\"\n[[publish]]\nurl = \"json-file:/tmp/a\"\n", 1, 13, "not TOML");
    expect(&of("mode = 600\nmode = 644"), 4, 1, "duplicate key");
    expect("[[publish]]\nurl = \"json-file:/tmp/a.json?mode=600\"\nmode = 644\n", 3, 1, "stands in the url");
    expect(&format!("{0}{0}", of("")), 5, 7, "there twice");
}

#[test]
fn flags_stand_over_the_file_and_the_file_over_the_environment() {
    let file =
        file("interval = \"1m\"\n[[publish]]\nurl = \"json-lines:HERE/a.ndjson\"\nkeep = 7\nqueue_age = \"1h\"\n");
    let address = format!("json-lines:{}/a.ndjson", file.folder.path().display());
    let plan = |urls: &[String], interval| plan::plan(urls, interval, Some(&file.path), &environment()).unwrap();
    assert_eq!(plan(&[], None).source.service, "of-the-environment");
    let other = format!("json-file:{}/b.json", file.folder.path().display());
    let both = plan(&[format!("{address}?keep=3&queue_age=5s"), other], Some(Duration::from_secs(2)));
    let [first, second] = &both.destinations[..] else { panic!("{both:?}") };
    assert_eq!((first.delivery.queue_age, second.delivery.queue_age.as_secs()), (Duration::from_secs(5), 600));
    assert!(both.destinations.iter().all(|planned| planned.interval == Some(Duration::from_secs(2))));

    let error = plan::plan(&[format!("{address}?kep=3")], None, Some(&file.path), &environment()).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("--publish: there is no key kep"), "{error}");
    let none: &[String] = &[];
    let error = plan::plan(none, None, Some(Path::new("/nonexistent.toml")), &environment()).unwrap_err();
    assert!(!error.is_usage() && error.to_string().starts_with("/nonexistent.toml: cannot be read"), "{error}");
}

/// What the table says of a destination's options is what the destination takes.
#[test]
fn the_table_of_schemes_is_that_of_the_destinations() {
    for scheme in SCHEMES.iter().filter(|scheme| scheme.is_built) {
        let target = Target::parse(&format!("{}:{}", scheme.name, scheme.address)).unwrap();
        // Without an account nothing of Grafana Cloud's is looked at.
        let environment = Environment::of([
            ("GRAFANA_CLOUD_API_KEY", "key"),
            ("GRAFANA_CLOUD_INSTANCE_ID", "1"),
            ("GRAFANA_CLOUD_ZONE", "prod-eu-west-2"),
        ]);
        let made = |target| ringscope::publish::AnyDestination::from_target(target, &environment);
        let said = made(target.option("no-such-option", "1")).unwrap_err().to_string();
        let listed = said.split("there are ").nth(1).unwrap_or_else(|| panic!("{}: {said}", scheme.name));
        let mut listed: Vec<&str> = listed.split(", ").collect();
        let mut options = scheme.options.to_vec();
        listed.sort_unstable();
        options.sort_unstable();
        assert_eq!(options, listed, "{}", scheme.name);
        // One word, one meaning.
        let keys = Known::of([scheme]).keys();
        assert!(keys.windows(2).all(|pair| pair[0] != pair[1]) && !keys.iter().any(|key| key == "url"), "{keys:?}");
    }
}

#[test]
fn headers_of_a_destination() {
    let (plan, _file) = right(
        "[[publish]]\nurl = \"otlp+http://localhost:1?timeout=2s\"\ncompression = \"gzip\"\n\
         headers = { x-scope = \"a\", authorization = { file = \"HERE/secret\" } }\n",
    );
    assert_eq!(plan.destinations[0].delivery.timeout, Duration::from_secs(2));
    assert!(!format!("{plan:?}").contains(SECRET), "{plan:?}");
    let text = "[[publish]]\nurl = \"otlp+http://localhost:1\"\nheaders = { authorization = \"hunter2\" }\n";
    expect(text, 3, 11, "authorization: a secret does not stand here");
    let text = "[[publish]]\nurl = \"otlp+http://localhost:1\"\ncompression = \"zip\"\nsignals = \"metrics,lgs\"\n";
    let problems = wrong(text);
    assert_eq!(problems.iter().map(|(line, ..)| *line).collect::<Vec<_>>(), [3, 4], "{problems:?}");
}

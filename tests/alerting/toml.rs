//! Files of rules: what is right is read, what is wrong is said with its place and a remedy, nothing panics.

use proptest::prelude::*;
use ringscope::alert::{AlertState, Rules, Severity};
use ringscope::publish::{AlertingFile, Environment};

use crate::program::{Dir, json, output, path, text};
use crate::world::World;

const WHOLE: &str = r#"
ready_made = false
group_by = ["rule", "kernel"]
group_wait = "5s"
group_interval = "1m"
repeat = "12h"
alerts_per_rule = 20
labels = { instance = "trainer-7" }

[[rule]]
name = "SlowMessages"
kind = "p99"
kernel = "worker_*"
above = "100ms"
clear = "80ms"
over = "30s"
hold = "2m"
resolve_after = "1m"
severity = "critical"
labels = { team = "gpu" }
summary = "{kernel} takes {value}"
annotations = { runbook_url = "https://example.org/{kernel}" }

[[rule]]
name = "Failing"
kind = "failure_rate"
together = true
above = "5%"

[[rule]]
kind = "latency"
quantile = 0.75
above = "1s"

[[rule]]
kind = "memory"
above = "16GiB"

[[rule]]
name = "DeepQueue"
kind = "metric"
metric = "ringscope_kernel_queue_depth"
where = { kernel = "worker_0" }
above = 100

[[rule]]
name = "Misses"
kind = "metric"
metric = "cache_misses_total"
of = "rate"
above = 0.5

[[rule]]
kind = "metric_absent"
metric = "cache_hits"

[[rule]]
kind = "anomaly"
measure = "p99"
above = 0.9

[[silence]]
match = { rule = "Slow*", kernel = "worker_1" }
from = 2026-11-22T03:00:00Z
until = 2026-11-22T05:00:00+01:00
comment = "maintenance"

[[notify]]
kind = "log"

[[notify]]
kind = "command"
command = ["notify-send", "ringscope"]
limit = "5s"

[[notify]]
name = "pager"
kind = "webhook"
url = "http://localhost:8080/alert"
bearer_token_env = "TOKEN"
headers = { x-scope = "a", x-api-key = { env = "TOKEN" } }
match = { team = "gpu" }
severity = "critical"
queue_bytes = "1MiB"
retry_max = "1m"

[[notify]]
kind = "alertmanager"
url = "http://localhost:9093"
username = "u"
password_env = "TOKEN"
resend = "30s"
"#;

fn environment() -> Environment {
    Environment::of([("TOKEN", "hunter2-swordfish")])
}

#[test]
fn everything_that_a_file_can_say_is_read() {
    let file = AlertingFile::from_toml(WHOLE, &environment()).unwrap();
    let sentences: Vec<String> = file.rules.iter().map(|rule| format!("{}: {rule}", rule.name())).collect();
    assert_eq!(
        sentences,
        [
            "SlowMessages: the p99 latency of kernel worker_* above 100 ms for 120s",
            "Failing: the failure rate above 5 %",
            "latency: a quantile of the latency above 1 s",
            "memory: the memory in use above 17.2 GB",
            "DeepQueue: the value of ringscope_kernel_queue_depth above 100",
            "Misses: the value of cache_misses_total above 0.500",
            "metric_absent: the value of cache_hits above 0",
            "anomaly: how sure it is that something is not as it was above 90 %",
        ]
    );
    assert_eq!(file.rules.get("SlowMessages").unwrap().severity_of(), Severity::Critical);
    assert_eq!((file.rules.silences().len(), file.logs.len()), (1, 1));
    let names: Vec<&str> = file.notifiers.iter().map(|notifier| notifier.name()).collect();
    assert_eq!(names, ["alerts-command", "pager", "alerts-alertmanager"]);
    assert_eq!(file.labels, [("instance".to_owned(), "trainer-7".to_owned())]);
    assert!(!format!("{file:?}").contains("hunter2"), "{file:?}");
    // The same, without who is told.
    assert_eq!(Rules::from_toml(WHOLE).unwrap(), file.rules);
}

#[test]
fn what_is_read_is_what_it_does() {
    let text = "[[rule]]\nname = \"Deep\"\nkind = \"queue_depth\"\nkernel = \"w?\"\nabove = 10\nclear = 5\nhold = \"10s\"\n\
                [[silence]]\nmatch = { rule = \"De*\" }\n";
    let mut world = World::of(Rules::from_toml(text).unwrap());
    world.telemetry.record_receive("w1").unwrap();
    let mut look = |depth| {
        let alerts = world.look_at(10, |s| s.kernels[0].queue_depth = depth);
        alerts.first().map(|alert| (alert.state, alert.silenced))
    };
    assert_eq!(
        [look(11), look(11), look(6), look(5), look(6)],
        [
            Some((AlertState::Pending, true)),
            Some((AlertState::Firing, true)),
            Some((AlertState::Firing, true)),
            Some((AlertState::Resolved, true)),
            None,
        ]
    );
}

#[test]
fn an_empty_file_has_no_rules_and_ready_made_ones_come_by_a_word() {
    assert!(Rules::from_toml("").unwrap().is_empty());
    let all = Rules::from_toml("ready_made = true\n[[rule]]\nkind = \"stalled\"\n").unwrap();
    assert_eq!(all.iter().count(), Rules::ready_made().iter().count() + 1);
}

/// What is wrong, and what is said of it.
const WRONG: &[(&str, &str)] = &[
    ("rules = []", "1:1: there is no key rules: is rule meant?"),
    ("above = 3", "1:1: above is of a rule: put it below a line [[rule]]"),
    ("[rule]\nkind = \"cpu\"", "1:2: rule: must be a list of tables: [[rule]] with two brackets, and is a table"),
    ("[[rule]]\nname = \"x\"", "1:1: this rule has no kind: add one such as kind = \"p99\"; there are p50, p90"),
    ("[[rule]]\nkind = \"p98\"", "2:8: kind: there is no kind p98: is p9"),
    ("[[rule]]\nkind = \"p99\"", "2:8: kind p99 needs a limit: add one such as above = \"100ms\""),
    ("[[rule]]\nkind = \"throughput\"", "2:8: kind throughput needs a limit: add one such as below = 100"),
    ("[[rule]]\nkind = \"p99\"\nabove = 100", "3:9: above: needs a unit: 100ms, 100s, 100m or 100h"),
    ("[[rule]]\nkind = \"cpu\"\nabove = 95", "3:9: above: must be from 0 to 1, or \"0%\" to \"100%\""),
    ("[[rule]]\nkind = \"cpu\"\nabove = nan", "3:9: above: must be from 0 to 1"),
    ("[[rule]]\nkind = \"queue_depth\"\nabove = inf", "3:9: above: must be a number"),
    ("[[rule]]\nkind = \"memory\"\nabove = \"lots\"", "3:9: above: must be a size such as 65536, 64kB, 16MiB or 1.5GB"),
    ("[[rule]]\nkind = \"cpu\"\nabove = 0.9\nbelow = 0.1", "4:1: below: there is above as well: make two rules of it"),
    ("[[rule]]\nkind = \"cpu\"\nabove = 0.9\nkernel = \"w\"", "4:1: kernel: cpu has none: leave it out"),
    (
        "[[rule]]\nkind = \"p99\"\nabove = \"1s\"\ngpu = \"0\"",
        "4:1: gpu: p99 has none: it is of a kernel: kernel = \"…\"",
    ),
    ("[[rule]]\nkind = \"p99\"\nabove = \"1s\"\nclear = \"2s\"", "4:9: clear: must not be above above"),
    ("[[rule]]\nkind = \"p99\"\nabove = \"1s\"\nquantile = 0.5", "4:1: quantile: p99 has none: leave it out"),
    (
        "[[rule]]\nkind = \"latency\"\nabove = \"1s\"",
        "2:8: kind latency needs a quantile: add one such as quantile = 0.75",
    ),
    (
        "[[rule]]\nkind = \"latency\"\nquantile = 99\nabove = \"1s\"",
        "3:12: quantile: must be from 0 to 1, such as 0.99",
    ),
    ("[[rule]]\nkind = \"metric\"\nabove = 1", "2:8: this kind needs the name of a metric: add one such as metric = "),
    (
        "[[rule]]\nkind = \"metric\"\nmetric = \"a\"\nof = \"sum\"\nabove = 1",
        "4:6: of: must be one of value, rate, increase",
    ),
    ("[[rule]]\nkind = \"failed\"\nseverity = \"fatal\"", "3:12: severity: must be info, warning or critical"),
    ("[[rule]]\nkind = \"failed\"\nhold = \"2 minutes\"", "3:8: hold: must be a number and a unit, such as 500ms"),
    (
        "[[rule]]\nkind = \"failed\"\nlabels = { a-b = \"x\" }",
        "3:10: labels: a-b: a label's name has letters, digits and _",
    ),
    ("[[rule]]\nkind = \"failed\"\nlabels = { kernel = \"x\" }", "3:10: labels: kernel is set by ringscope itself"),
    (
        "[[rule]]\nkind = \"failed\"\n[[rule]]\nkind = \"failed\"",
        "3:1: there is another rule failed: name = \"…\" tells them apart",
    ),
    ("[[rule]]\nkind = \"failed\"\nnam = \"x\"", "3:1: there is no key nam: is name meant?"),
    ("[[rule]]\nkind = \"failed\"\nmeasure = \"p99\"", "3:1: measure: only kind anomaly has one: leave it out"),
    ("[[rule]]\nkind = \"anomaly\"\nmeasure = \"p98\"", "3:11: measure: must be one of throughput, error_rate"),
    (
        "[[silence]]\ncomment = \"x\"",
        "1:1: this silence is of all alerts for ever: add match = { rule = \"…\" }, or until",
    ),
    ("[[silence]]\nuntil = 2026-11-22", "2:9: until: must be a time with its offset, such as 2026-11-22T03:00:00Z"),
    ("[[silence]]\nfrom = 2026-11-22T03:00:00Z\nuntil = 2026-11-22T03:00:00Z", "3:9: until: must be later than from"),
    (
        "[[notify]]\nurl = \"http://a\"",
        "1:1: it has no kind: add one such as kind = \"webhook\"; there are log, command",
    ),
    ("[[notify]]\nkind = \"webhok\"", "2:8: kind: there is no kind webhok: is webhook meant?"),
    ("[[notify]]\nkind = \"webhook\"", "1:1: it has no url: add one such as url = \"http://localhost:9093\""),
    (
        "[[notify]]\nkind = \"webhook\"\nurl = \"ftp://a\"",
        "3:7: url: url is wrong: it must begin with http:// or https://",
    ),
    (
        "[[notify]]\nkind = \"command\"\ncommand = \"rm -rf\"",
        "3:11: command: must be a list of texts, and is a text; the program",
    ),
    ("[[notify]]\nkind = \"command\"\ncommand = []", "3:11: command: command is wrong: it must be a program"),
    ("[[notify]]\nkind = \"log\"\nurl = \"http://a\"", "3:1: there is no key url: there are kind"),
    (
        "[[notify]]\nkind = \"webhook\"\nurl = \"http://a\"\nbearer_token = \"hunter2\"",
        "4:1: bearer_token: a secret does not stand here",
    ),
    (
        "[[notify]]\nkind = \"webhook\"\nurl = \"http://a\"\nbearer_token_env = \"NONE\"",
        "4:20: bearer_token_env: there is no environment",
    ),
    (
        "[[notify]]\nkind = \"webhook\"\nurl = \"http://a\"\nheaders = { authorization = \"hunter2\" }",
        "4:11: headers: authorization: a secret",
    ),
    (
        "[[notify]]\nkind = \"webhook\"\nurl = \"http://a\"\ntimeout = \"0s\"",
        "4:11: timeout is wrong: it must be longer than 0",
    ),
    ("a = = 3", "1:5: this is not TOML: "),
];

#[test]
fn what_is_wrong_is_said_with_its_place_and_a_remedy() {
    for (text, said) in WRONG {
        let error = AlertingFile::from_toml(text, &environment()).expect_err(text);
        assert!(error.lines().iter().any(|line| line.starts_with(said)), "{text}\nsaid: {error}\nnot:  {said}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    let named = Rules::from_toml("x = 1").unwrap_err().of_file("rules.toml");
    assert!(named.to_string().starts_with("rules.toml:1:1: there is no key x"), "{named}");
}

/// Line and column, as editors count them.
fn has_place(line: &str) -> bool {
    let mut parts = line.splitn(3, ':');
    let number = |part: Option<&str>| part.and_then(|part| part.parse::<usize>().ok()).is_some_and(|n| n > 0);
    number(parts.next()) && number(parts.next()) && parts.next().is_some_and(|said| said.starts_with(' '))
}

fn tried(text: &str) -> Result<(), TestCaseError> {
    if let Err(error) = AlertingFile::from_toml(text, &environment()) {
        prop_assert!(!error.lines().is_empty());
        for line in error.lines() {
            prop_assert!(has_place(line.lines().next().unwrap_or_default()), "{}", line);
            prop_assert!(!line.contains("hunter2"));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused_with_a_place(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        tried(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn a_file_that_was_damaged_is_read_or_refused_with_a_place(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..12),
    ) {
        let mut bytes = WHOLE.as_bytes().to_vec();
        for (at, byte, how) in changes {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.remove(at)),
                _ => {
                    let piece: Vec<u8> = bytes[at..bytes.len().min(at + usize::from(byte))].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
        tried(&String::from_utf8_lossy(&bytes))?;
    }

    #[test]
    fn any_value_of_any_key_is_taken_or_refused_with_a_place(
        key in prop::sample::select(vec![
            "name", "kind", "kernel", "where", "of", "quantile", "together", "above", "below", "clear", "over", "hold",
            "resolve_after", "severity", "labels", "summary", "annotations", "url", "command", "limit", "match", "from", "until",
            "timeout", "queue_bytes", "circuit_failures", "headers", "measure",
        ]),
        value in prop::sample::select(vec![
            "-1", "0", "1e308", "nan", "\"\"", "\"\\u0000\"", "\"99999999999999999999h\"", "[]", "[[]]", "[1, \"a\"]", "{}",
            "{ a = 1 }", "{ a = { b = [] } }", "true", "1979-05-27T07:32:00Z", "9999-12-31T23:59:59Z", "\"1e400%\"", "\"0x\"",
        ]),
        table in prop::sample::select(vec!["rule", "silence", "notify"]),
        kind in prop::sample::select(vec!["p99", "metric", "cpu", "anomaly", "webhook", "command", "alertmanager", "log"]),
    ) {
        let kind = if key == "kind" || table == "silence" { String::new() } else { format!("kind = \"{kind}\"\n") };
        tried(&format!("[[{table}]]\n{kind}{key} = {value}\n"))?;
    }
}

#[test]
fn check_takes_files_of_rules_and_of_destinations() {
    let dir = Dir::new("check-rules");
    let file = dir.0.join("rules.toml");
    std::fs::write(&file, "[[rule]]\nname = \"Slow\"\nkind = \"p99\"\nabove = \"1s\"\n[[notify]]\nkind = \"log\"\n")
        .unwrap();
    let good = output(&["check", path(&file)]);
    assert!(good.status.success(), "{good:?}");
    let said = text(&good.stdout);
    assert!(said.contains("ok: 1 rule, 0 silences; notified: alerts-log"), "{said}");
    assert!(said.contains("Slow (warning): the p99 latency above 1 s"), "{said}");
    let (document, code) = json(&["check", "--json", path(&file)]);
    assert_eq!((&document["ok"], &document["rules"][0]["name"], code), (&true.into(), &"Slow".into(), Some(0)));
    std::fs::write(&file, "[[rule]]\nkind = \"p99\"\nabov = \"1s\"\n").unwrap();
    let wrong = output(&["check", path(&file)]);
    assert_eq!(wrong.status.code(), Some(1));
    let place = format!("{}:3:1: there is no key abov: is above meant?", file.display());
    assert!(text(&wrong.stderr).contains(&place), "{}", text(&wrong.stderr));
    // The same is said where the file is used, before anything is launched.
    let run = output(&["run", "--device", "host", "--rules", path(&file)]);
    assert!(run.status.code() == Some(1) && text(&run.stderr).contains(&place), "{}", text(&run.stderr));
    std::fs::write(&file, "[[publish]]\nurl = \"json-file:a.json\"\n").unwrap();
    let other = output(&["check", path(&file)]);
    assert!(text(&other.stdout).contains("1 destination"), "{}", text(&other.stdout));
}

/// The page has every kind, and its example is a file that can be used.
#[test]
fn the_documentation_has_every_kind_and_its_examples_can_be_used() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/alerts.md")).unwrap();
    let blocks: Vec<&str> = page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        let environment = Environment::of([("PAGER_TOKEN", "x"), ("ALERTMANAGER_PASSWORD", "x")]);
        AlertingFile::from_toml(block, &environment).unwrap_or_else(|error| panic!("{error}\n{block}"));
    }
    let error = Rules::from_toml("[[rule]]\nkind = \"?\"").unwrap_err().to_string();
    let kinds = error.split("there are ").nth(1).unwrap().trim().split(", ").map(str::to_owned);
    for kind in kinds {
        assert!(page.contains(&format!("| `{kind}` |")), "{kind} is not in the table of docs/alerts.md");
    }
    for rule in &Rules::ready_made() {
        assert!(page.contains(&format!("`{}`", rule.name())), "{} is not in docs/alerts.md", rule.name());
    }
}

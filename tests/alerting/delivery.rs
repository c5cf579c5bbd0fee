//! Notifications on their way: each arrives in its form, each way fails, and nobody else notices.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use ringscope::alert::{AlertState, Judge, Matcher, Notification, Rule, Rules, Severity};
use ringscope::publish::{Alerting, AlertingJudge, Auth, Delivery, HttpOptions, Notifier};
use ringscope::snapshot::{DropReason, PublisherTelemetry};
use serde_json::Value;

use crate::program::Dir;
use crate::server::{Fault, Request, Server};
use crate::world::World;

/// Far more than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(120);
const SECRET: &str = "hunter2-swordfish";

pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A webhook that takes everything.
pub struct Hooked {
    pub server: Server,
    seen: usize,
}

impl Hooked {
    pub fn start() -> Hooked {
        Hooked { server: Server::start(|_| (200, "", Vec::new())), seen: 0 }
    }

    /// The next request, once it is there.
    pub fn next(&mut self) -> Request {
        let request = until("a request", || self.server.good(self.seen));
        self.seen += 1;
        request
    }

    pub fn next_body(&mut self) -> Value {
        serde_json::from_slice(&self.next().body).expect("JSON")
    }
}

/// Tries again soon, and gives up soon at the end.
pub fn hurried() -> Delivery {
    let mut delivery = Delivery::default();
    (delivery.retry_min, delivery.retry_max) = (Duration::from_millis(2), Duration::from_millis(8));
    (delivery.circuit_pause, delivery.flush_limit) = (Duration::from_millis(10), Duration::from_millis(200));
    delivery
}

/// A world whose alerts are told.
pub struct Told {
    pub world: World,
    pub judge: AlertingJudge,
}

impl Told {
    pub fn new(rules: Rules, notifiers: Vec<Notifier>) -> Told {
        let world = World::new([]);
        world.telemetry.record_receive("w").unwrap();
        let builder = Alerting::builder(&world.telemetry).rules(rules).label("instance", "trainer-7");
        let builder = notifiers.into_iter().fold(builder, |builder, notifier| builder.notify(notifier));
        Told { judge: builder.judge().unwrap().0, world }
    }

    /// A snapshot with this queue depth, so much later.
    pub fn look(&mut self, seconds: u64, depth: u64) -> usize {
        let mut snapshot = self.world.snapshot(Duration::from_secs(seconds));
        snapshot.kernels[0].queue_depth = depth;
        self.judge.judge(&snapshot.into()).len()
    }

    pub fn counts(&self, destination: &str) -> PublisherTelemetry {
        let snapshot = self.world.telemetry.snapshot().unwrap();
        let found = snapshot.publishers.iter().find(|of| &*of.destination == destination);
        let counts = found.unwrap_or_else(|| panic!("{destination} in {:?}", snapshot.publishers)).clone();
        let sum = counts.published_items + counts.dropped_items.iter().sum::<u64>() + counts.queued_items;
        assert_eq!(counts.encoded_items, sum, "{counts:?}");
        counts
    }
}

pub fn deep() -> Rules {
    let rule = Rule::queue_depth_above("*", 10)
        .named("Deep")
        .severity(Severity::Critical)
        .label("team", "gpu")
        .annotation("runbook_url", "http://wiki/{kernel}");
    Rules::new().rule(rule).group_interval(Duration::ZERO)
}

fn call() -> (Notifier, Receiver<Notification>) {
    let (tell, told) = channel();
    // At the end of a test nobody listens any more.
    let notifier = Notifier::call(move |notification| {
        let _ = tell.send(notification.clone());
        Ok(())
    });
    // What is held back is told at the end, however late its thread is.
    let mut delivery = hurried();
    delivery.flush_limit = PATIENCE;
    (notifier.named("call").delivery(delivery), told)
}

#[test]
fn a_webhook_gets_what_alertmanager_would_send() {
    let mut got = Hooked::start();
    let address = got.server.address;
    let mut options = HttpOptions::default();
    options.auth = Auth::Bearer(SECRET.into());
    let webhook = Notifier::webhook(&format!("http://{address}/alert?key={SECRET}"), options).unwrap();
    assert!(!format!("{webhook:?}").contains(SECRET));
    let mut told = Told::new(deep(), vec![webhook.named("pager").delivery(hurried())]);
    told.look(1, 11);
    let first = got.next();
    assert!(first.head.starts_with(&format!("POST /alert?key={SECRET} HTTP/1.1\r\n")), "{}", first.head);
    assert!(first.head.contains(&format!("authorization: Bearer {SECRET}\r\n")), "{}", first.head);
    let body: Value = serde_json::from_slice(&first.body).unwrap();
    let alert = &body["alerts"][0];
    assert_eq!(
        (&body["version"], &body["status"], &body["receiver"]),
        (&"4".into(), &"firing".into(), &"pager".into())
    );
    assert_eq!(body["groupLabels"], serde_json::json!({"alertname": "Deep"}));
    let labels = serde_json::json!({
        "alertname": "Deep", "severity": "critical", "kernel": "w", "team": "gpu", "instance": "trainer-7"
    });
    assert_eq!((&alert["labels"], &body["commonLabels"]["team"]), (&labels, &"gpu".into()));
    assert_eq!(alert["annotations"]["runbook_url"], "http://wiki/w");
    assert_eq!(alert["annotations"]["summary"], "the queue's depth of kernel w is 11, above 10");
    assert_eq!((&alert["value"], &alert["threshold"]), (&11.0.into(), &10.0.into()));
    assert_eq!(
        (&alert["startsAt"], &alert["endsAt"]),
        (&"2023-11-14T22:13:21.000Z".into(), &"0001-01-01T00:00:00Z".into())
    );
    told.look(1, 3);
    let second = got.next_body();
    let over = &second["alerts"][0];
    assert_eq!((&second["status"], &over["status"]), (&"resolved".into(), &"resolved".into()));
    assert_eq!((&over["endsAt"], &over["fingerprint"]), (&"2023-11-14T22:13:22.000Z".into(), &alert["fingerprint"]));
    until("both to be counted", || (told.counts("pager").published_items == 2).then_some(()));
    let snapshot = told.world.telemetry.snapshot().unwrap();
    let page = snapshot.export_prometheus();
    assert!(page.contains("telemetry_publish_items_total{destination=\"pager\"} 2"), "{page}");
    assert!(!page.contains(SECRET) && !format!("{:?} {:?}", told.judge, snapshot).contains(SECRET));
}

#[test]
fn each_way_fails_and_nobody_else_notices() {
    let silent = Server::start(|_| (200, "", Vec::new()));
    silent.always(Some(Fault::Silent));
    let busy = Server::start(|_| (200, "", Vec::new()));
    busy.always(Some(Fault::status(500)));
    let refusing = Server::start(|_| (200, "", Vec::new()));
    refusing.always(Some(Fault::status(400)));
    let mut good = Hooked::start();
    let (function, called) = call();
    let to = |address: &str| Notifier::webhook(&format!("http://{address}/"), HttpOptions::default()).unwrap();
    let short = hurried();
    let mut impatient = short.clone();
    (impatient.retry_min, impatient.retry_max) = (Duration::from_millis(50), Duration::from_millis(200));
    impatient.circuit_pause = Duration::from_millis(200);
    let mut gives_up = impatient.clone();
    gives_up.timeout = Duration::from_millis(100);
    let shell = |script: &str| Notifier::command(["/bin/sh", "-c", script]).unwrap();
    let panics = Notifier::call(|_| panic!("not now"));
    let notifiers = vec![
        to("127.0.0.1:1").named("nobody"),
        to(&busy.address.to_string()).named("busy"),
        to(&refusing.address.to_string()).named("refusing"),
        Notifier::alertmanager("http://127.0.0.1:1", HttpOptions::default()).unwrap().named("no-alertmanager"),
        Notifier::command(["/nowhere/at/all"]).unwrap().named("not-there"),
        shell("echo this went wrong >&2; exit 1").named("fails"),
        shell("exec sleep 1000").limit(Duration::from_millis(100)).named("hangs"),
        shell("while :; do echo noise >&2; echo noise; done").limit(Duration::from_millis(100)).named("noisy"),
        panics.named("panics"),
    ];
    let mut notifiers: Vec<Notifier> = notifiers.into_iter().map(|n| n.delivery(impatient.clone())).collect();
    notifiers.push(to(&silent.address.to_string()).named("silent").delivery(gives_up));
    notifiers.push(to(&good.server.address.to_string()).named("good").delivery(short));
    notifiers.push(function);
    let mut told = Told::new(deep(), notifiers);
    assert_eq!(told.look(1, 11), 1);
    assert_eq!(good.next_body()["status"], "firing");
    assert_eq!(called.recv_timeout(PATIENCE).unwrap().state(), AlertState::Firing);
    // What fails says why.
    let why: BTreeMap<&str, &str> = BTreeMap::from([
        ("nobody", "127.0.0.1:1"),
        ("silent", "100ms"),
        ("busy", "500"),
        ("refusing", "400"),
        ("no-alertmanager", "127.0.0.1:1"),
        ("not-there", "/nowhere/at/all: No such file"),
        ("fails", "exit status: 1: this went wrong"),
        ("hangs", "/bin/sh"),
        ("noisy", "/bin/sh"),
        ("panics", "not now"),
    ]);
    for (name, why) in &why {
        let counts = until(name, || Some(told.counts(name)).filter(|counts| counts.failures > 0));
        let error = counts.last_error.as_deref().unwrap_or_default();
        assert!(error.contains(why) && counts.published_items == 0, "{name}: {counts:?}");
    }
    for name in ["refusing", "not-there", "panics"] {
        let counts = until(name, || Some(told.counts(name)).filter(|counts| counts.queued_items == 0));
        assert!(counts.dropped(DropReason::Rejected) > 0, "{name} is of no use to try again: {counts:?}");
    }
    // Collection and the others go on.
    let before = told.world.telemetry.snapshot().unwrap().sequence;
    for _ in 0..10 {
        told.look(1, 3);
        assert_eq!(called.recv_timeout(PATIENCE).unwrap().state(), AlertState::Resolved);
        assert_eq!(good.next_body()["status"], "resolved");
        assert_eq!(told.look(1, 11), 1);
        assert_eq!(called.recv_timeout(PATIENCE).unwrap().state(), AlertState::Firing);
        assert_eq!(good.next_body()["status"], "firing");
    }
    assert!(told.world.telemetry.snapshot().unwrap().sequence > before + 20);
    let Told { judge, world } = told;
    drop(judge);
    // At the end everything is accounted for.
    for of in world.telemetry.snapshot().unwrap().publishers.iter() {
        assert_eq!(of.encoded_items, of.published_items + of.dropped_items.iter().sum::<u64>(), "{of:?}");
    }
}

#[test]
fn a_receiver_that_comes_back_gets_what_waited() {
    let server = Server::start(|_| (200, "", Vec::new()));
    server.script([Fault::status(503), Fault::ResetsTheRequest, Fault::ResetsTheAnswer, Fault::Malformed]);
    let webhook = Notifier::webhook(&format!("http://{}", server.address), HttpOptions::default()).unwrap();
    let mut told = Told::new(deep(), vec![webhook.named("back").delivery(hurried())]);
    told.look(1, 11);
    let counts = until("it", || Some(told.counts("back")).filter(|counts| counts.published_items == 1));
    assert_eq!((counts.failures, counts.dropped_items), (4, [0; 6]), "{counts:?}");
}

#[test]
fn a_queue_is_bounded_and_what_it_loses_is_counted() {
    let webhook = Notifier::webhook("http://127.0.0.1:1", HttpOptions::default()).unwrap();
    let mut delivery = hurried();
    delivery.queue_bytes = 4000;
    let mut told = Told::new(deep(), vec![webhook.named("full").delivery(delivery)]);
    for n in 0..40u64 {
        told.look(1, if n % 2 == 0 { 11 } else { 3 });
        until("it to be taken in", || {
            let counts = told.counts("full");
            (counts.encoded_items + counts.skipped > n).then_some(())
        });
    }
    let counts = told.counts("full");
    assert!(counts.dropped(DropReason::Full) > 10 && counts.queued_bytes <= 4000, "{counts:?}");
}

fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

#[test]
fn a_command_gets_json_and_variables_and_no_shell() {
    let dir = Dir::new("alert-command");
    let script = "cat > \"$1/in.part\"; env > \"$1/env\"; printf %s \"$2\" > \"$1/arg\"; mv \"$1/in.part\" \"$1/in\"";
    let word = "$(touch hacked) `x` \"quoted\" *";
    let folder = dir.0.to_str().unwrap();
    let command = Notifier::command(["/bin/sh", "-c", script, "sh", folder, word]).unwrap().named("script");
    let mut told = Told::new(deep(), vec![command.delivery(hurried())]);
    told.look(1, 11);
    let input = until("its input", || read(&dir.0.join("in")));
    let document: Value = serde_json::from_str(&input).unwrap();
    assert_eq!((&document["status"], &document["alerts"][0]["labels"]["kernel"]), (&"firing".into(), &"w".into()));
    assert_eq!(read(&dir.0.join("arg")).unwrap(), word);
    let variables = read(&dir.0.join("env")).unwrap();
    for line in [
        "RINGSCOPE_ALERT_STATUS=firing",
        "RINGSCOPE_ALERT_RULE=Deep",
        "RINGSCOPE_ALERT_SEVERITY=critical",
        "RINGSCOPE_ALERT_COUNT=1",
        "RINGSCOPE_ALERT_VALUE=11",
        "RINGSCOPE_ALERT_LABEL_KERNEL=w",
        "RINGSCOPE_ALERT_SUMMARY=the queue's depth of kernel w is 11, above 10",
    ] {
        assert!(variables.lines().any(|known| known == line), "{line} in {variables}");
    }
    until("it to be counted", || (told.counts("script").published_items == 1).then_some(()));
}

/// Whether a process is there that has not ended.
fn runs(pid: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    !status.is_empty() && !status.contains(") Z ")
}

#[test]
fn a_command_that_hangs_is_killed_with_its_children() {
    let dir = Dir::new("alert-hang");
    let script =
        "sleep 1000 & echo $! > \"$1/child.part\"; echo $$ > \"$1/own\"; mv \"$1/child.part\" \"$1/child\"; wait";
    let command = Notifier::command(["/bin/sh", "-c", script, "sh", dir.0.to_str().unwrap()]).unwrap();
    let mut delivery = hurried();
    // One attempt for as long as this test lasts.
    (delivery.retry_min, delivery.retry_max) = (PATIENCE, PATIENCE);
    let command = command.named("hangs").limit(Duration::from_secs(2)).delivery(delivery);
    let mut told = Told::new(deep(), vec![command]);
    told.look(1, 11);
    let child = until("the child", || read(&dir.0.join("child")));
    let own = read(&dir.0.join("own")).unwrap();
    until("their end", || (!runs(&child) && !runs(&own)).then_some(()));
    let counts = until("its failure", || Some(told.counts("hangs")).filter(|counts| counts.failures == 1));
    assert!(counts.last_error.as_deref().is_some_and(|error| error.contains("2s")), "{counts:?}");
}

#[test]
fn who_is_told_is_chosen_and_what_is_held_back_is_told_at_the_end() {
    let (first, warnings) = call();
    let (second, others) = call();
    let rules = Rules::new()
        .rule(Rule::queue_depth_above("*", 10).named("Deep"))
        .rule(Rule::queue_depth_above("*", 20).named("Deeper").severity(Severity::Critical))
        .group_wait(Duration::from_secs(3600));
    let first = first.named("critical").at_least(Severity::Critical);
    let second = second.named("deep").matching(Matcher::new("rule", "Deep"));
    let mut told = Told::new(rules, vec![first, second]);
    told.look(1, 30);
    drop(told.judge);
    let names = |all: Receiver<Notification>| {
        all.iter().flat_map(|n| n.alerts.iter().map(|told| told.alert.rule.to_string()).collect::<Vec<_>>()).collect()
    };
    let warnings: Vec<String> = names(warnings);
    assert_eq!(warnings, ["Deeper"]);
    let others: Vec<String> = names(others);
    assert_eq!(others, ["Deep"]);
}

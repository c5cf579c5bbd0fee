//! The numbers of every path are those of the collector.

use std::time::Duration;

use ringscope::{Snapshot, TelemetryCollector};
use serde_json::{Value, json};

use crate::client::{Stream, get, json};
use crate::{serve, until};

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
}

/// The snapshot of that number out of the collector's history.
fn of_history(
    collector: &TelemetryCollector,
    sequence: u64,
) -> Option<(std::sync::Arc<Snapshot>, std::sync::Arc<Snapshot>)> {
    let all = collector.snapshots();
    let at = all.iter().position(|snapshot| snapshot.sequence == sequence)?;
    Some((all.get(at.checked_sub(1)?)?.clone(), all[at].clone()))
}

#[test]
fn a_moment_is_the_snapshot_with_what_happened() {
    let collector = TelemetryCollector::new(true);
    collector.monitor_operations().unwrap();
    let (_server, address) = serve(&collector, |builder| builder);
    collector.record_processed("parser <&>", Some(Duration::from_millis(3))).unwrap();
    collector.operation("resize").start().unwrap().fail("no room");
    until("an entry", || json(&address, "/entries.json").as_array().filter(|all| !all.is_empty()).cloned());
    let entries = json(&address, "/entries.json?limit=5");
    assert_eq!((&entries[0]["kind"], &entries[0]["subject"]), (&json!("operation"), &json!("resize")));
    assert!(entries[0]["text"].as_str().unwrap().ends_with("no room"), "{entries}");
    // What happened is read after the snapshot that it comes with, which may be of the time before.
    until("a snapshot with the kernel", || collector.latest().filter(|snapshot| !snapshot.kernels.is_empty()));
    // Nobody reads any more, so that both are of the same snapshot.
    collector.stop_collection();
    let (moment, snapshot) = until("the newest moment", || {
        let (moment, snapshot) = (json(&address, "/moment.json"), json(&address, "/snapshot.json"));
        (moment["snapshot"]["sequence"] == snapshot["sequence"]).then_some((moment, snapshot))
    });
    assert_eq!(moment["snapshot"], snapshot);
    assert_eq!(snapshot["kernels"][0]["messages_processed"], 1);
    let keys: Vec<&String> = moment.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["snapshot", "entries", "alerts", "missed"]);
    assert_eq!(json(&address, "/blocks.json?kernel=parser+%3C%26%3E"), json!([]), "a host actor has no blocks");
    let alerts = json(&address, "/alerts.json");
    assert!(
        alerts["rules"].as_array().unwrap().iter().any(|rule| rule.as_str().unwrap().starts_with("KernelStalled "))
    );
}

#[test]
fn live_events_are_what_the_collector_read() {
    let collector = TelemetryCollector::new(true);
    let (_server, address) = serve(&collector, |builder| builder);
    let mut live = Stream::open(&address, "/live", "");
    assert!(live.head.starts_with("http/1.1 200 ") && live.head.contains("content-type: text/event-stream\r\n"));
    assert_eq!(live.block().unwrap(), "retry: 2000");
    let mut compared = 0;
    let mut before: Option<u64> = None;
    while compared < 5 {
        collector.record_processed("a", Some(Duration::from_micros(100))).unwrap();
        collector.record_error("a", "no").unwrap();
        let event = live.event().unwrap();
        let sequence = event["sequence"].as_u64().unwrap();
        assert!(before.is_none_or(|before| before < sequence));
        // Rates are from one event to the next, and a thread that was late may have left some out.
        let follows = before.replace(sequence).is_some_and(|before| before + 1 == sequence);
        if !follows {
            continue;
        }
        // The history may keep it a little later than it is told.
        let Some(kernel) = event["kernels"].as_array().unwrap().first() else { continue };
        if kernel["messages_per_second"].is_null() {
            continue;
        }
        let (then, now) = until("the snapshot in the history", || of_history(&collector, sequence));
        let point = &ringscope::feed::points([&*then, &*now], "a")[0];
        let told = now.kernel("a").unwrap();
        assert_eq!((&kernel["id"], &kernel["state"]), (&json!("a"), &json!(told.state.name())));
        assert_eq!(kernel["messages_processed"], told.messages_processed);
        assert_eq!((&kernel["errors"], &event["totals"]["errors"]), (&json!(told.errors), &json!(told.errors)));
        assert!(close(kernel["messages_per_second"].as_f64().unwrap(), point.messages_per_second));
        assert!(close(kernel["errors_per_second"].as_f64().unwrap(), point.errors_per_second));
        assert_eq!(kernel["p99_ns"].as_f64(), point.quantile_ns(0.99));
        compared += 1;
    }
}

fn column(document: &Value, kernel: &str, name: &str) -> Vec<Option<f64>> {
    let column = document["kernels"][kernel][name].as_array().unwrap();
    column.iter().map(Value::as_f64).collect()
}

/// Whatever the number of points, what they count is all there was: rates times times, buckets.
#[test]
fn a_history_of_few_points_counts_as_much_as_one_of_many() {
    let collector = TelemetryCollector::new(true);
    let (_server, address) = serve(&collector, |builder| builder);
    for n in 0..60u64 {
        collector.record_processed("a", Some(Duration::from_micros(10 + n))).unwrap();
        if n > 30 {
            collector.record_processed("b", Some(Duration::from_millis(n))).unwrap();
        }
        let seen = collector.latest().map_or(0, |snapshot| snapshot.sequence);
        until("the next snapshot", || collector.latest().filter(|snapshot| snapshot.sequence > seen));
    }
    collector.stop_collection();
    let all = until("the end of collection", || {
        let all = collector.snapshots();
        (collector.latest()?.sequence == all.last()?.sequence).then_some(all)
    });
    let counted = |snapshot: &Snapshot, id: &str| snapshot.kernel(id).map_or(0, |kernel| kernel.messages_processed);
    let begin = all.iter().position(|snapshot| snapshot.kernel("a").is_some()).unwrap();
    let expected = (counted(all.last().unwrap(), "a") - counted(&all[begin], "a")) as f64;
    let begin_time = all[begin].time.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    for points in [2, 3, 7, 50, 2000] {
        // A snapshot that was in hand when collection was stopped may come after it, and an answer be a second old.
        let (all, document) = until("both of one moment", || {
            let all = collector.snapshots();
            let document = json(&address, &format!("/history.json?points={points}"));
            let is_of_all = points < 2000 || document["time"].as_array()?.len() == all.len() - 1;
            (is_of_all && collector.snapshots().len() == all.len()).then_some((all, document))
        });
        let times: Vec<f64> = document["time"].as_array().unwrap().iter().map(|time| time.as_f64().unwrap()).collect();
        assert!(!times.is_empty() && times.len() <= points, "{} of {points}", times.len());
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]));
        let rates = column(&document, "a", "messages_per_second");
        assert_eq!(rates.len(), times.len());
        // Only where each point is one reading is it known how long the first one of a kernel is.
        if points == 2000 {
            let all_points = ringscope::feed::points(all.iter().map(|snapshot| &**snapshot), "b");
            let known: Vec<f64> = column(&document, "b", "messages_per_second").into_iter().flatten().collect();
            assert_eq!(known.len(), all_points.len());
            let near = |(a, b): (&f64, &ringscope::feed::KernelPoint)| (a - b.messages_per_second).abs() < 1e-3;
            assert!(known.iter().zip(&all_points).all(near));
            assert!(column(&document, "b", "p99_ns")[0].is_none(), "it was not there then");
            let mut last = begin_time;
            let mut sum = 0.0;
            for (rate, time) in rates.iter().zip(&times).filter_map(|(rate, time)| rate.map(|rate| (rate, *time))) {
                sum += rate * (time - last);
                last = time;
            }
            assert!((sum - expected).abs() < 0.1, "{sum} of {expected}");
        }
        // Buckets are whole numbers, and none is lost however few points there are.
        let one = json(&address, &format!("/history.json?kernel=a&points={points}"));
        let columns = one["heat"]["columns"].as_array().unwrap();
        assert_eq!((columns.len(), &one["heat"]["scale"]), (times.len(), &json!(3)));
        let buckets = columns.iter().flat_map(|column| column.as_array().unwrap());
        let count: u64 = buckets.map(|bucket| bucket[1].as_u64().unwrap()).sum();
        assert_eq!(count as f64, expected, "{points} points");
    }
    assert_eq!(get(&address, "/history.json?kernel=c").status, 404);
    for wrong in
        ["/history.json?points=1", "/history.json?points=2001", "/history.json?points=x", "/entries.json?limit=0"]
    {
        let answer = get(&address, wrong);
        assert!(answer.status == 400 && answer.text().contains("write a number from"), "{wrong}: {}", answer.text());
    }
}

#[test]
fn a_library_s_server_serves_all_that_the_program_s_does() {
    let collector = TelemetryCollector::new(true);
    let server = collector.serve("127.0.0.1:0").unwrap();
    assert!(collector.is_collecting());
    let address = server.address().to_string();
    assert_eq!(server.url(), format!("http://{address}/"));
    // At once, before anything was collected.
    for path in ["/metrics", "/snapshot.json", "/summary.json", "/stuck", "/moment.json", "/history.json", "/healthz"] {
        let answer = get(&address, path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
    server.set_troubles(&["a pipe broke".into()]);
    let health = get(&address, "/healthz");
    assert_eq!((health.status, &health.json()["reasons"]), (503, &json!(["a pipe broke"])));
    assert!(get(&address, "/").text().contains("/history.json"), "who is no browser gets a list");
    assert!(get(&address, "/trace.pftrace").body.len() > 10);
    drop(server);
    assert!(std::net::TcpStream::connect(&address).is_err());
}

/// A kernel in one long message: the place and the cause are in every form.
#[test]
fn a_kernel_that_hangs_is_told_everywhere() {
    use ringscope::{DeviceSpec, LaunchOptions, RingKernelRuntime, TelemetryConfig};
    let config = TelemetryConfig { stall_limit: Duration::from_millis(20), ..TelemetryConfig::default() };
    let builder = RingKernelRuntime::builder().device(DeviceSpec::Host).kernel("compute").telemetry(true);
    let runtime = builder.telemetry_config(config).stop_limit(Duration::from_millis(1)).build().unwrap();
    runtime.launch_blocking("w", &LaunchOptions::default()).unwrap();
    runtime.activate_blocking("w").unwrap();
    runtime.send_blocking("w", &[u32::MAX.to_le_bytes(), [0; 4], 7u32.to_le_bytes(), [0; 4]].concat()).unwrap();
    let (_server, address) = serve(runtime.collector(), |builder| builder);
    let mut live = Stream::open(&address, "/live", "");
    let told = until("the stall", || {
        let event = live.event().unwrap();
        event["kernels"][0].get("stuck").filter(|stuck| stuck["groups"][0]["look_at"]["message"] == 0).cloned()
    });
    // A busy machine may take a sign of life for the begin of another stall: each is asked until it says so.
    let line =
        until("the sentence", || Some(get(&address, "/stuck").text()).filter(|line| line.starts_with("w hangs")));
    assert!(line.ends_with(" in the handler: message 0\n"), "{line}");
    let page = until("the document", || {
        Some(json(&address, "/stuck?format=json")["stuck"][0].clone()).filter(Value::is_object)
    });
    assert_eq!((&page["kernel_id"], &told["kernel_id"]), (&json!("w"), &json!("w")));
    assert_eq!(page["groups"][0]["look_at"]["place"]["ring"], "handler");
    assert!(page["sentence"].as_str().unwrap().ends_with("in the handler: message 0"), "{page}");
    until("the block", || {
        let blocks = json(&address, "/blocks.json?kernel=w");
        (blocks[0]["silent"] == true && blocks[0]["message"] == 0).then_some(())
    });
    until("the alert", || {
        let alerts = json(&address, "/alerts.json");
        let all = alerts["alerts"].as_array().unwrap();
        all.iter().any(|alert| alert["rule"] == "KernelStalled" && alert["state"] == "firing").then_some(())
    });
    until("the health", || (get(&address, "/healthz").status == 503).then_some(()));
}

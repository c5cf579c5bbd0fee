//! Operations and events of the application: what began is counted by how it ended, what ended is kept within bounds, and
//! every export says the same.

mod events;
mod exports;
mod interleaving;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ringscope::collector::{
    EventFilter, MAX_ERROR_BYTES, MAX_METADATA_BYTES, Operation, OperationError, OperationRecord, OperationsConfig,
};
use ringscope::snapshot::{OperationStatus, OperationsTelemetry};
use ringscope::{TelemetryCollector, TelemetryError};

const SOON: Duration = Duration::from_secs(60);

fn monitored() -> TelemetryCollector {
    monitored_with(&OperationsConfig::default())
}

fn monitored_with(config: &OperationsConfig) -> TelemetryCollector {
    let telemetry = TelemetryCollector::new(true);
    telemetry.monitor_operations_with(config).unwrap();
    telemetry
}

fn start(telemetry: &TelemetryCollector, name: &str) -> Operation {
    telemetry.operation(name).start().unwrap()
}

fn section(telemetry: &TelemetryCollector) -> Arc<OperationsTelemetry> {
    Arc::clone(telemetry.snapshot().unwrap().operations.as_ref().unwrap())
}

fn names(records: &[OperationRecord]) -> Vec<&str> {
    records.iter().map(|record| &*record.name).collect()
}

#[test]
fn an_operation_says_what_it_was() {
    let telemetry = monitored();
    let begun = std::time::SystemTime::now();
    let thread = std::thread::Builder::new().name("resizer".into());
    let of_thread = telemetry.clone();
    let own_id = thread
        .spawn(move || {
            let mut resize =
                of_thread.operation("resize").id(81_213).label("width", 640).label("by", "me").start().unwrap();
            resize.retry("no memory");
            resize.retry("still no memory");
            resize.succeed();
            std::fs::read_link("/proc/thread-self").unwrap().file_name().unwrap().to_str().unwrap().parse().unwrap()
        })
        .unwrap()
        .join()
        .unwrap();
    let all = telemetry.operations();
    let [resize] = &all[..] else { panic!("{all:?}") };
    assert_eq!((&*resize.name, resize.id.as_deref(), resize.retries), ("resize", Some("81213"), 2));
    assert_eq!((resize.status, resize.error.as_deref()), (OperationStatus::Succeeded, Some("still no memory")));
    assert_eq!(resize.labels.iter().collect::<Vec<_>>(), [("by", "me"), ("width", "640")]);
    let by = resize.thread.as_ref().unwrap();
    assert_eq!((resize.pid, by.id, by.name.as_deref()), (std::process::id(), Some(own_id), Some("resizer")));
    assert!(resize.device.is_none());
    // The wall clock of a moment ago and now, each to within what setting it may do meanwhile.
    let since = resize.start_time.duration_since(begun - Duration::from_secs(1)).unwrap();
    assert!(since < SOON && resize.duration < SOON, "{since:?} {:?}", resize.duration);
}

#[test]
fn each_end_has_a_count_of_its_own() {
    let telemetry = monitored();
    let running = start(&telemetry, "a");
    start(&telemetry, "a").succeed();
    start(&telemetry, "a").fail("broken");
    drop(start(&telemetry, "a"));
    assert_eq!(start(&telemetry, "a").finish(Ok::<u32, String>(7)), Ok(7));
    assert_eq!(start(&telemetry, "a").finish(Err::<u32, _>("refused")), Err("refused"));
    let panicked = std::panic::catch_unwind(|| {
        let _operation = start(&telemetry, "b");
        panic!("on purpose");
    });
    assert!(panicked.is_err());

    let all = section(&telemetry);
    let a = all.operation("a").unwrap();
    let c = a.counts;
    assert_eq!((c.started, c.running, c.succeeded, c.failed, c.abandoned), (6, 1, 2, 2, 1));
    assert_eq!((a.duration.count(), all.operations_kept.retained), (5, 6));
    let failed = telemetry.failed_events();
    let errors: Vec<_> = failed.iter().map(|record| record.error.as_deref().unwrap()).collect();
    assert_eq!(errors, ["broken", "refused", "panicked"]);
    assert_eq!(names(&telemetry.abandoned_events()), ["a"]);
    running.succeed();
    assert_eq!((section(&telemetry).totals().running, telemetry.operations().len()), (0, 7));
}

#[test]
fn slow_ones_are_found_however_they_ended() {
    let telemetry = monitored();
    let slow = start(&telemetry, "slow");
    let slow_too = start(&telemetry, "slow too");
    let threshold = Duration::from_millis(2);
    while slow_too.elapsed() <= threshold {
        std::thread::sleep(Duration::from_millis(1));
    }
    slow.succeed();
    slow_too.fail("late");
    let found = telemetry.slow_events(threshold);
    assert!(names(&found).contains(&"slow") && names(&found).contains(&"slow too"), "{found:?}");
    assert!(found.iter().all(|record| record.duration > threshold));
    assert!(telemetry.slow_events(Duration::MAX).is_empty());
}

#[test]
fn retries_are_counted_by_name() {
    let telemetry = monitored();
    let retry = |name: &str, times: usize| {
        let mut operation = start(&telemetry, name);
        (0..times).for_each(|n| operation.retry(n));
        operation
    };
    retry("fetch", 3).succeed();
    retry("store", 1).fail("full");
    retry("idle", 0).succeed();
    let running = retry("fetch", 2);
    let stats = telemetry.retry_stats();
    let by_name: Vec<_> = stats.by_name.iter().map(|(name, retries)| (&**name, *retries)).collect();
    assert_eq!((stats.total, by_name), (6, vec![("fetch", 5), ("store", 1)]));
    assert_eq!((stats.most_retried, stats.mean), (Some(("fetch".into(), 5)), 1.5));
    running.succeed();
    let nothing = TelemetryCollector::new(true).retry_stats();
    assert_eq!((nothing.total, nothing.most_retried, nothing.mean), (0, None, 0.0));
}

#[test]
fn a_flood_of_one_sort_does_not_drive_out_another() {
    let config = OperationsConfig { kept: 4, slow_limit: Duration::from_nanos(0), ..OperationsConfig::default() };
    let telemetry = monitored_with(&config);
    (0..100).for_each(|_| start(&telemetry, "slow").succeed());
    (0..3).for_each(|n| start(&telemetry, "bad").fail(n));
    (0..100).for_each(|n| telemetry.operation("slow").id(n).start().unwrap().succeed());
    let all = telemetry.operations();
    assert_eq!((all.len(), telemetry.failed_events().len()), (7, 3));
    let newest: Vec<_> = all.iter().filter_map(|record| record.id.as_deref()).collect();
    assert_eq!(newest, ["96", "97", "98", "99"]);
    let snapshot = telemetry.snapshot().unwrap();
    let kept = snapshot.operations.as_ref().unwrap().operations_kept;
    assert_eq!((kept.retained, kept.evicted, kept.added()), (7, 196, 203));
    assert_eq!(snapshot.self_metrics.dropped.operations, 196);
}

#[test]
fn entries_leave_at_their_age() {
    let config = OperationsConfig { age: Duration::from_millis(5), ..OperationsConfig::default() };
    let telemetry = monitored_with(&config);
    start(&telemetry, "old").succeed();
    telemetry.network_operation("tcp", "a", 1).unwrap().succeed();
    telemetry.record_event("old", 1.0, &[], &[]).unwrap();
    let patience = Instant::now() + SOON;
    while !telemetry.operations().is_empty() || !telemetry.network_operations().is_empty() {
        assert!(Instant::now() < patience, "they leave");
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_millis(5));
    let all = section(&telemetry);
    for list in [all.operations_kept, all.network_kept, all.events_kept] {
        assert_eq!((list.retained, list.evicted), (0, 1));
    }
    assert_eq!(all.operation("old").unwrap().counts.succeeded, 1, "what left the list is counted all the same");
    assert!(telemetry.events(&EventFilter::new()).is_empty());
}

#[test]
fn names_beyond_the_limit_share_a_series() {
    let config = OperationsConfig { max_names: 2, max_peers: 1, ..OperationsConfig::default() };
    let telemetry = monitored_with(&config);
    for name in ["a", "overflow", "b", "c", "d", "a"] {
        start(&telemetry, name).succeed();
    }
    for (kind, host, port) in [("tcp", "::1", 1), ("tcp", "[::1]", 1), ("tcp", "::1", 2), ("overflow", "overflow", 0)] {
        telemetry.network_operation(kind, host, port).unwrap().succeed();
    }
    let all = section(&telemetry);
    let by_name: Vec<_> = all.by_name.iter().map(|of| (&*of.name, of.counts.succeeded)).collect();
    assert_eq!(by_name, [("a", 2), ("overflow", 3), ("b", 1)]);
    let peers: Vec<_> = all.network.iter().map(|of| (&*of.kind, &*of.peer, of.counts.succeeded)).collect();
    assert_eq!(peers, [("tcp", "[::1]:1", 2), ("overflow", "overflow", 2)]);
    // In the list each has its own name.
    assert_eq!(names(&telemetry.operations()), ["a", "overflow", "b", "c", "d", "a"]);
    assert_eq!(telemetry.network_operations()[2].port, 2);
}

#[test]
fn what_is_off_does_nothing() {
    let long = "x".repeat(1 << 20);
    let off = TelemetryCollector::new(false);
    assert_eq!(off.monitor_operations(), Err(TelemetryError::Disabled));
    assert_eq!(off.subscribe_events(EventFilter::new()).unwrap_err(), TelemetryError::Disabled);
    let not_yet = TelemetryCollector::new(true);
    assert_eq!(not_yet.subscribe_events(EventFilter::new()).unwrap_err(), TelemetryError::NotMonitored);
    for telemetry in [off, not_yet] {
        // Nothing is formatted either.
        struct Untouched;
        impl std::fmt::Display for Untouched {
            fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                panic!("nobody looks at it")
            }
        }
        let mut operation = telemetry.operation(&long).id(Untouched).label("", Untouched).start().unwrap();
        operation.retry(Untouched);
        assert_eq!(operation.elapsed(), Duration::ZERO);
        operation.fail(Untouched);
        let mut network = telemetry.network_operation("", &long, 0).unwrap();
        network.sent(1);
        network.received(1);
        network.answered();
        assert_eq!((network.bytes_sent(), network.bytes_received()), (0, 0));
        network.fail(Untouched);
        telemetry.record_event("", f64::NAN, &[], &[]).unwrap();
        assert!(telemetry.operations().is_empty() && telemetry.failed_events().is_empty());
        assert!(telemetry.network_operations().is_empty() && telemetry.throughput_by_peer().is_empty());
        assert!(telemetry.events(&EventFilter::new()).is_empty());
    }
    let telemetry = TelemetryCollector::new(true);
    let snapshot = telemetry.snapshot().unwrap();
    assert!(snapshot.operations.is_none() && !snapshot.export_prometheus().contains("event_total"));
    assert_eq!(snapshot.self_metrics.events_total, 0);
}

#[test]
fn bad_input_is_refused_and_nothing_is_counted() {
    let telemetry = monitored();
    let (long, longer) = ("n".repeat(256), "v".repeat(1025));
    let refused = |result: Result<Operation, OperationError>, says: &str| {
        let text = result.unwrap_err().to_string();
        assert!(text.contains(says), "`{text}` does not say `{says}`");
    };
    refused(telemetry.operation("").start(), "the name cannot be empty");
    refused(telemetry.operation(&long).start(), "the name `nnnnnnnnnnnnnnnn…` has 256 bytes, at most 255 are allowed");
    refused(telemetry.operation("a").id(&long).start(), "the id `nnnn");
    refused(telemetry.operation("a").label("", 1).start(), "the label name cannot be empty");
    refused(telemetry.operation("a").label("k", &longer).start(), "the label value `vvvv");
    refused(telemetry.operation("a").label("k", 1).label("k", 2).start(), "the label `k` is given twice");
    let many = (0..33).fold(telemetry.operation("a"), |builder, n| builder.label(&format!("k{n}"), n));
    refused(many.start(), "there are 33 labels, at most 32");
    for (kind, host, says) in [("", "h", "kind"), ("k", "", "host"), (&*long, "h", "kind"), ("k", &*long, "host")] {
        let text = telemetry.network_operation(kind, host, 1).unwrap_err().to_string();
        assert!(text.contains(says), "{text}");
    }
    let event = |name: &str, value, labels: &[(&str, &str)], metadata: &[(&str, &str)]| {
        telemetry.record_event(name, value, labels, metadata).unwrap_err().to_string()
    };
    assert!(event("e", f64::NAN, &[], &[]).contains("the value of event `e` is NaN"));
    assert!(event("", 0.0, &[], &[]).contains("name cannot be empty"));
    let much = "m".repeat(MAX_METADATA_BYTES);
    assert!(event("e", 0.0, &[], &[("k", &much)]).contains("at most 8192"));
    assert!(event("e", 0.0, &[], &[("k", "1"), ("k", "2")]).contains("given twice"));

    let snapshot = telemetry.snapshot().unwrap();
    let all = snapshot.operations.as_ref().unwrap();
    assert_eq!((all.by_name.len(), all.network.len(), snapshot.self_metrics.events_total), (0, 0, 0));
    let bad = OperationsConfig { kept: 0, ..OperationsConfig::default() };
    let error = TelemetryCollector::new(true).monitor_operations_with(&bad).unwrap_err();
    assert_eq!(error.to_string(), "`kept` is 0, and must be 1 to 2^20");
    let other = OperationsConfig { kept: 1, ..OperationsConfig::default() };
    assert_eq!(telemetry.monitor_operations_with(&other), Err(TelemetryError::AlreadyMonitored));
    assert_eq!(telemetry.monitor_operations(), Ok(()));
    // And the names of its families are not to be had.
    let taken = telemetry.gauge("event_total", "Mine").unwrap().on_host().unwrap_err().to_string();
    assert!(taken.contains("`event_total` and `event` would both be exported as `event_total`"), "{taken}");
}

#[test]
fn an_error_is_cut_off_and_shown_on_one_line() {
    let telemetry = monitored();
    start(&telemetry, "a\n\u{202e}").fail("password\n\u{1b}[31m".to_owned() + &"x".repeat(1 << 16));
    let failed = telemetry.failed_events();
    assert_eq!(failed[0].error.as_ref().unwrap().len(), MAX_ERROR_BYTES);
    let shown = failed[0].to_string();
    assert!(!shown.contains(char::is_control) && !shown.contains('\u{202e}'), "{shown}");
    assert!(shown.contains(r"a\n\u{202e}") && shown.contains(r"password\n\u{1b}[31mxxx"), "{shown}");
}

// ---- kernels --------------------------------------------------------------------------------------------

#[cfg(feature = "host")]
#[test]
fn errors_of_kernels_are_among_what_failed() {
    use ringscope::{DeviceSpec, LaunchOptions, RingKernelRuntime};
    let runtime =
        RingKernelRuntime::builder().device(DeviceSpec::Host).kernel("crc32c").telemetry(true).build().unwrap();
    let telemetry = runtime.collector();
    telemetry.monitor_operations().unwrap();
    runtime.launch_blocking("w", &LaunchOptions::new().inject_errors(0.5)).unwrap();
    runtime.activate_blocking("w").unwrap();
    let mut errors = 0;
    for round in 0..3 {
        for n in 0..40u32 {
            runtime.send_blocking("w", &n.to_le_bytes()).unwrap();
            runtime.receive_blocking("w", SOON).unwrap();
        }
        let kernel = runtime.telemetry_blocking("w").unwrap();
        assert!(kernel.errors > errors, "round {round}: half of them fail");
        errors = kernel.errors;
        let failed = telemetry.failed_events();
        let of_device: Vec<_> = failed.iter().map(|record| record.device.as_ref().unwrap()).collect();
        assert_eq!(of_device.iter().map(|message| message.messages).sum::<u64>(), errors, "{of_device:?}");
        let newest = failed.last().unwrap();
        let device = newest.device.as_ref().unwrap();
        assert_eq!((&*newest.name, &*device.kernel, Some(device.code)), ("w", "w", kernel.last_error_code));
        assert_eq!((device.block, device.number, newest.thread.is_none()), (None, None, true));
        let (at, last) = (newest.start_time, kernel.last_message_time.unwrap());
        let apart = at.duration_since(last).unwrap_or_else(|e| e.duration());
        assert!(apart < SOON, "{apart:?}");
    }
    let kept = section(telemetry).device_messages_kept;
    assert_eq!((kept.retained, kept.evicted), (telemetry.operations().len() as u64, 0));
    assert!(section(telemetry).by_name.is_empty(), "the kernel's own counters have them");
}

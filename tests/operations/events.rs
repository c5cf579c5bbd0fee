//! Events of the application.

use ringscope::collector::{EventFilter, OperationsConfig};

use super::{SOON, monitored, monitored_with};

#[test]
fn events_are_filtered_counted_and_bounded() {
    let telemetry = monitored_with(&OperationsConfig { events: 3, ..OperationsConfig::default() });
    for n in 0..5 {
        let stage = if n % 2 == 0 { "test" } else { "live" };
        telemetry.record_event("deploy", f64::from(n), &[("stage", stage)], &[("commit", "4f1c")]).unwrap();
    }
    let values = |filter: EventFilter| telemetry.events(&filter).iter().map(|e| e.value).collect::<Vec<_>>();
    assert_eq!(values(EventFilter::new()), [2.0, 3.0, 4.0]);
    assert_eq!(values(EventFilter::new().name("deploy").label("stage", "live")), [3.0]);
    assert_eq!(values(EventFilter::new().at_least(3.0)), [3.0, 4.0]);
    assert_eq!(values(EventFilter::new().at_least(f64::NAN)), [] as [f64; 0]);
    assert!(values(EventFilter::new().name("other")).is_empty());
    let later = std::time::SystemTime::now() + SOON;
    assert!(values(EventFilter::new().since(later)).is_empty());
    let snapshot = telemetry.snapshot().unwrap();
    let kept = snapshot.operations.as_ref().unwrap().events_kept;
    assert_eq!((kept.retained, kept.evicted, snapshot.self_metrics.dropped.application_events), (3, 2, 2));
    assert!(snapshot.export_prometheus().contains("\ntelemetry_events_total 5\n"));
}

#[tokio::test]
async fn a_subscriber_gets_each_event_in_order() {
    let telemetry = monitored();
    telemetry.record_event("before", 0.0, &[], &[]).unwrap();
    let mut all = telemetry.subscribe_events(EventFilter::new()).unwrap();
    let mut odd = telemetry.subscribe_events(EventFilter::new().name("odd")).unwrap();
    let recorder = telemetry.clone();
    let recording = std::thread::spawn(move || {
        for n in 0..1000 {
            let name = if n % 2 == 1 { "odd" } else { "even" };
            recorder.record_event(name, f64::from(n), &[], &[]).unwrap();
        }
    });
    let take = async {
        for n in 0..1000 {
            assert_eq!(all.next().await.unwrap().value, f64::from(n));
        }
        for n in 0..500 {
            assert_eq!(odd.next().await.unwrap().value, f64::from(2 * n + 1));
        }
    };
    tokio::time::timeout(SOON, take).await.unwrap();
    recording.join().unwrap();
    assert_eq!((all.missed(), odd.missed()), (0, 0));
    let waits = tokio::spawn(async move { all.next().await });
    drop(telemetry);
    let end = tokio::time::timeout(SOON, waits).await.unwrap().unwrap();
    assert_eq!(end, None, "the collector is gone");
    assert_eq!(tokio::time::timeout(SOON, odd.next()).await.unwrap(), None);
}

#[tokio::test]
async fn a_slow_subscriber_misses_and_knows_how_many() {
    let telemetry = monitored_with(&OperationsConfig { events: 4, ..OperationsConfig::default() });
    let mut events = telemetry.subscribe_events(EventFilter::new()).unwrap();
    (0..10).for_each(|n| telemetry.record_event("e", f64::from(n), &[], &[]).unwrap());
    let got = tokio::time::timeout(SOON, events.next()).await.unwrap().unwrap();
    assert_eq!((got.value, got.number, events.missed()), (6.0, 7, 6));
    assert_eq!(telemetry.snapshot().unwrap().self_metrics.dropped.event_subscribers, 6);
}

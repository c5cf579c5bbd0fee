//! Who the metrics are: names, labels, bounds, what is refused, and what a snapshot shows of them.

use ringscope::metrics::{
    BoundsError, Buckets, Difference, MAX_BOUNDS, MAX_FAMILY_INDEX, MAX_LABEL_VALUE_BYTES, MAX_LABELS, MetricError,
    MetricKind, OVERFLOW,
};
use ringscope::{TelemetryCollector, TelemetryConfig, TelemetryError};

fn telemetry() -> TelemetryCollector {
    TelemetryCollector::new(true)
}

#[test]
fn the_same_again_is_the_same_series() {
    let t = telemetry();
    let hits = |table| {
        let builder = t.counter("cache_hits", "Cache hits").unwrap().label("table", table).label("region", "eu");
        builder.on_host().unwrap()
    };
    hits("users").inc();
    hits("users").inc_by(2);
    hits("orders").inc();
    // In any order of the labels, and with what the exposition adds to the name.
    let swapped = t.counter("cache_hits_total", "Cache hits").unwrap().label("region", "eu").label("table", "users");
    swapped.on_host().unwrap().inc();
    let family = t.metric("cache_hits").unwrap();
    assert_eq!(family.series.len(), 2);
    assert_eq!(family.value(&[("table", "users"), ("region", "eu")]).unwrap().counter(), Some(4));
    assert_eq!(family.value(&[("region", "eu"), ("table", "orders")]).unwrap().counter(), Some(1));
    assert!(family.value(&[("table", "users")]).is_none() && family.value(&[]).is_none());
    assert_eq!(t.metric("cache_hits_total").unwrap(), family);
}

#[test]
fn a_snapshot_has_them_sorted_with_all_that_was_said() {
    let t = telemetry();
    let wait = t.histogram("wait_seconds", "Time in the queue").unwrap().unit("seconds").buckets(&[0.5, 1.0]);
    wait.on_host().unwrap().observe(0.75);
    t.gauge("frontier_size", "Größe \"der\"\nFront").unwrap().on_host().unwrap().set(-1.5);
    for table in ["users", "", "orders"] {
        t.counter("hits", "Hits").unwrap().label("table", table).on_host().unwrap().inc();
    }
    let snapshot = t.snapshot().unwrap();
    let names: Vec<_> = snapshot.metrics.iter().map(|f| &*f.description.name).collect();
    assert_eq!(names, ["frontier_size", "hits", "wait_seconds"]);
    let tables: Vec<_> = snapshot.metrics[1].series.iter().map(|s| s.labels.get("table").unwrap()).collect();
    assert_eq!(tables, ["", "orders", "users"]);
    let wait = &snapshot.metric("wait_seconds").unwrap().description;
    assert_eq!((wait.kind, wait.unit.as_deref()), (MetricKind::Histogram, Some("seconds")));
    assert_eq!((&*wait.help, &wait.buckets), ("Time in the queue", &Some(Buckets::Explicit([0.5, 1.0].into()))));
    assert!(snapshot.metric("wait").is_none() && snapshot.metric("frontier_size_total").is_none());
    // A snapshot is a value: what comes later is not in it.
    t.gauge("frontier_size", "Größe \"der\"\nFront").unwrap().on_host().unwrap().inc();
    assert_eq!(snapshot.metric("frontier_size").unwrap().value(&[]).unwrap().gauge(), Some(-1.5));
    assert_eq!(t.metric("frontier_size").unwrap().value(&[]).unwrap().gauge(), Some(-0.5));
}

#[test]
fn a_histogram_that_asks_for_no_scale_has_the_collectors() {
    let t = TelemetryCollector::with_config(true, TelemetryConfig { scale: 5, ..Default::default() }).unwrap();
    t.histogram("h", "A histogram").unwrap().on_host().unwrap();
    let buckets = t.metric("h").unwrap().description.buckets.clone();
    assert_eq!(buckets, Some(Buckets::Exponential { scale: 5 }));
}

#[test]
fn another_metric_of_the_same_name_is_refused_and_both_are_named() {
    let t = telemetry();
    let histogram = |scale| t.histogram("a_b", "Help").unwrap().unit("b").label("l", "1").scale(scale);
    histogram(3).on_host().unwrap();
    let differs = |result: Result<(), MetricError>| match result.unwrap_err() {
        MetricError::Differs { metric, what, registered, asked } => {
            assert_eq!(metric, "a_b");
            (what, registered, asked)
        }
        other => panic!("{other}"),
    };
    let s = str::to_owned;
    let gauge = t.gauge("a_b", "Help").unwrap().unit("b").label("l", "1");
    assert_eq!(differs(gauge.on_host().map(drop)), (Difference::Type, s("histogram"), s("gauge")));
    let labels = t.histogram("a_b", "Help").unwrap().unit("b").label("m", "1").scale(3);
    assert_eq!(differs(labels.on_host().map(drop)), (Difference::Labels, s("l"), s("m")));
    let unit = t.histogram("a_b", "Help").unwrap().label("l", "1").scale(3);
    assert_eq!(differs(unit.on_host().map(drop)), (Difference::Unit, s("b"), s("none")));
    let help = t.histogram("a_b", "Other").unwrap().unit("b").label("l", "1").scale(3);
    assert_eq!(differs(help.on_host().map(drop)), (Difference::Help, s("Help"), s("Other")));
    let buckets = (Difference::Buckets, s("exponential of scale 3"), s("exponential of scale 4"));
    assert_eq!(differs(histogram(4).on_host().map(drop)), buckets);
    let explicit = (Difference::Buckets, s("exponential of scale 3"), s("[0.5, 1.0]"));
    assert_eq!(differs(histogram(4).buckets(&[0.5, 1.0]).on_host().map(drop)), explicit);
    let error = t.gauge("a_b", "Help").unwrap().on_host().unwrap_err().to_string();
    assert!(error.contains("`histogram`") && error.contains("`gauge`"), "{error}");
    assert_eq!(t.metric("a_b").unwrap().series.len(), 1, "nothing of them was registered");
}

#[test]
fn names_that_would_meet_in_the_exposition_are_refused() {
    let t = telemetry();
    t.counter("hits", "Hits").unwrap().on_host().unwrap();
    t.histogram("wait", "Waits").unwrap().on_host().unwrap();
    let taken = |result: Result<(), MetricError>| match result.unwrap_err() {
        MetricError::NameTaken { metric, other, name } => (metric, other, name),
        error => panic!("{error}"),
    };
    let gauge = |name: &str| t.gauge(name, "A gauge").unwrap().on_host().map(drop);
    assert_eq!(taken(gauge("hits_total")), ("hits_total".into(), "hits".into(), "hits_total".into()));
    assert_eq!(taken(gauge("wait_bucket")), ("wait_bucket".into(), "wait".into(), "wait_bucket".into()));
    gauge("busy_count").unwrap();
    let histogram = t.histogram("busy", "Busy").unwrap().on_host().map(drop);
    assert_eq!(taken(histogram), ("busy".into(), "busy_count".into(), "busy_count".into()));
}

#[test]
fn names_units_and_labels_that_servers_refuse_are_refused_here() {
    let t = telemetry();
    let counter = |name: &str| t.counter(name, "Help").unwrap();
    for bad in ["", "_total", "1a", "a.b", "a:b", "ä"] {
        assert!(matches!(counter(bad).on_host(), Err(MetricError::BadName { .. })), "{bad}");
    }
    assert!(matches!(counter("a").unit("seconds").on_host(), Err(MetricError::BadUnit { .. })));
    counter("a_seconds_total").unit("seconds").on_host().unwrap();
    assert!(matches!(counter("b").label("__x", "").on_host(), Err(MetricError::BadLabel { .. })));
    let le = t.histogram("h", "Help").unwrap().label("le", "1").on_host();
    assert!(matches!(le, Err(MetricError::BadLabel { .. })));
    let twice = counter("b").label("x", "1").label("x", "2").on_host();
    assert!(matches!(twice, Err(MetricError::LabelTwice { .. })));
    let long = "v".repeat(MAX_LABEL_VALUE_BYTES);
    counter("b").label("x", &long).on_host().unwrap();
    let error = counter("b").label("x", &format!("{long}v")).on_host().unwrap_err();
    assert!(matches!(error, MetricError::LabelValueTooLong { bytes: 1025, limit: 1024, .. }), "{error}");
    let many = (0..=MAX_LABELS).fold(counter("many"), |builder, i| builder.label(&format!("l{i}"), ""));
    assert!(matches!(many.on_host(), Err(MetricError::TooManyLabels { labels: 33, .. })));
}

#[test]
fn bad_buckets_are_an_error() {
    let t = telemetry();
    let of = |bounds: &[f64]| match t.histogram("h", "Help").unwrap().buckets(bounds).on_host().unwrap_err() {
        MetricError::BadBuckets { why, .. } => why,
        other => panic!("{other}"),
    };
    assert_eq!(of(&[]), BoundsError::Empty);
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(matches!(of(&[0.5, bad]), BoundsError::NotFinite { index: 1, .. }), "{bad}");
    }
    for bad in [&[1.0, 1.0], &[2.0, 1.0], &[0.0, -0.0]] {
        assert!(matches!(of(bad), BoundsError::NotAscending { index: 1, .. }), "{bad:?}");
    }
    let many: Vec<f64> = (0..=MAX_BOUNDS).map(|i| i as f64).collect();
    assert_eq!(of(&many), BoundsError::TooMany { bounds: MAX_BOUNDS + 1 });
    let scale = t.histogram("h", "Help").unwrap().scale(6).on_host().unwrap_err();
    assert_eq!(scale, MetricError::BadScale { metric: "h".into(), scale: 6, finest: 5 });
    assert!(t.snapshot().unwrap().metrics.is_empty());
}

#[test]
fn series_are_bounded() {
    let t = TelemetryCollector::with_config(true, TelemetryConfig { max_series: 4, ..Default::default() }).unwrap();
    let counter = |label: &str| t.counter("c", "Help").unwrap().label("l", label);
    let first = counter("1").on_host().unwrap();
    counter("2").on_host().unwrap();
    // Two and the overflow's do not fit, and then none of them is there.
    let three = t.gauge("g", "Help").unwrap().family(&["l"], &[&["1"], &["2"]]).on_host().unwrap_err();
    assert_eq!(three, MetricError::TooManySeries { metric: "g".into(), asked: 3, free: 2, limit: 4 });
    t.gauge("g", "Help").unwrap().family(&["l"], &[&["1"]]).on_host().unwrap();
    let error = counter("3").on_host().unwrap_err();
    assert!(matches!(error, MetricError::TooManySeries { asked: 1, free: 0, .. }));
    assert!(error.to_string().contains("max_series"), "{error}");
    // What is there is found all the same, and counts on.
    counter("1").on_host().unwrap().inc();
    assert_eq!(first.get(), 1);
}

#[test]
fn what_is_out_of_range_is_in_the_overflow_series() {
    let t = telemetry();
    let sets: &[&[&str]] = &[&["users", "get"], &["orders", "put"]];
    let of = || t.counter("hits", "Hits").unwrap().label("region", "eu").family(&["table", "method"], sets);
    let hits = of().on_host().unwrap();
    hits.with(0).inc();
    hits.with(1).inc_by(2);
    hits.with(2).inc_by(3);
    hits.with(usize::MAX).inc_by(4);
    of().on_host().unwrap().with(0).inc(); // the same series
    assert_eq!((hits.sets().len(), hits.overflow().get()), (2, 7));
    let family = t.metric("hits").unwrap();
    let read = |table, method| {
        let labels = [("region", "eu"), ("table", table), ("method", method)];
        family.value(&labels).unwrap().counter().unwrap()
    };
    let found = (read("users", "get"), read("orders", "put"), read(OVERFLOW, OVERFLOW));
    assert_eq!((found, family.series.len()), ((2, 2, 7), 3));

    let gauges = t.gauge("depth", "Depth").unwrap().family(&["q"], &[&["a"]]).on_host().unwrap();
    gauges.with(9).set(2.0);
    let histograms = t.histogram("size", "Sizes").unwrap().family(&["q"], &[&["a"]]).on_host().unwrap();
    histograms.with(9).observe(2);
    assert_eq!((gauges.overflow().get(), histograms.overflow().count()), (2.0, 1));
    let none = t.counter("none", "No sets").unwrap().family(&["q"], &[]).on_host().unwrap();
    none.with(0).inc();
    assert_eq!(none.overflow().get(), 1);
}

#[test]
fn bad_label_sets_are_an_error() {
    let t = telemetry();
    let of = |labels: &[&str], sets: &[&[&str]]| {
        t.counter("hits", "Hits").unwrap().label("region", "eu").family(labels, sets).on_host().unwrap_err()
    };
    assert_eq!(of(&[], &[&[]]), MetricError::NoLabels { metric: "hits".into() });
    let wrong = MetricError::WrongSetLength { metric: "hits".into(), index: 1, values: 2, labels: 1 };
    assert_eq!(of(&["l"], &[&["a"], &["b", "c"]]), wrong);
    let twice = MetricError::SetTwice { metric: "hits".into(), index: 1 };
    assert_eq!(of(&["l"], &[&["a"], &["a"]]), twice);
    assert_eq!(of(&["l"], &[&["a"], &[OVERFLOW]]), twice);
    assert!(matches!(of(&["region"], &[&["a"]]), MetricError::LabelTwice { .. }));
    assert!(t.snapshot().unwrap().metrics.is_empty());
}

#[test]
fn a_collector_that_is_off_has_no_values_and_an_unknown_metric_is_refused() {
    let off = TelemetryCollector::new(false);
    off.counter("c", "Help").unwrap().on_host().unwrap().inc();
    assert_eq!(off.metric("c").err(), Some(TelemetryError::Disabled));
    let error = telemetry().metric("c").unwrap_err();
    assert_eq!(error, TelemetryError::UnknownMetric { name: "c".into(), registered: 0 });
    let error = TelemetryError::from(telemetry().counter("1", "Help").unwrap().on_host().unwrap_err());
    assert!(error.to_string().starts_with("the metric name `1` does not begin with a letter"), "{error}");
}

#[test]
fn many_counters_keep_apart() {
    let t = telemetry();
    let counters: Vec<_> =
        (0..500).map(|i| t.counter(&format!("c{i:03}"), "Help").unwrap().on_host().unwrap()).collect();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| counters.iter().zip(1..).for_each(|(counter, by)| counter.inc_by(by)));
        }
    });
    let snapshot = t.snapshot().unwrap();
    let read: Vec<u64> = snapshot.metrics.iter().map(|f| f.series[0].value.counter().unwrap()).collect();
    assert_eq!(read, (1..=500).map(|n| 2 * n).collect::<Vec<u64>>());
}

#[test]
fn metrics_are_registered_and_read_from_all_sides_at_once() {
    let t = telemetry();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for i in 0..50 {
                    let counter = t.counter("c", "Help").unwrap().label("l", &i.to_string()).on_host().unwrap();
                    counter.inc();
                    let labels = [("l", &*i.to_string())];
                    let read = t.metric("c").unwrap().value(&labels).and_then(|v| v.counter());
                    assert!((1..=4).contains(&read.unwrap()), "what is registered and counted is read: {read:?}");
                }
            });
        }
    });
    let family = t.metric("c").unwrap();
    assert!(family.series.len() == 50 && family.series.iter().all(|s| s.value.counter() == Some(4)));
}

#[cfg(feature = "serde")]
#[test]
fn a_snapshot_serializes_them() {
    let t = telemetry();
    t.counter("hits", "Hits").unwrap().label("table", "users").on_host().unwrap().inc_by(3);
    t.gauge("depth_tokens", "Depth").unwrap().unit("tokens").on_host().unwrap().set(1.5);
    let h = t.histogram("size", "Sizes").unwrap().buckets(&[1.0, 2.0]).on_host().unwrap();
    h.observe(1.5);
    h.observe(f64::NAN);
    t.histogram("exact", "Big").unwrap().scale(0).on_host().unwrap().observe(9_007_199_254_740_993u64);
    let json = serde_json::to_value(&*t.snapshot().unwrap()).unwrap();
    let exact = serde_json::json!({"name": "exact", "help": "Big", "kind": "histogram", "series": [{"labels": {},
        "value": {
        "count": 1, "sum": 9_007_199_254_740_993u64, "min": 9_007_199_254_740_992.0, "max": 9_007_199_254_740_992.0,
        "p50": 9_007_199_254_740_992.0, "p95": 9_007_199_254_740_992.0, "p99": 9_007_199_254_740_992.0, "dropped": 0,
        "buckets": [[18_014_398_509_481_984.0, 1]]}}]});
    let size = serde_json::json!({"name": "size", "help": "Sizes", "kind": "histogram", "series": [{"labels": {},
        "value": {
        "count": 1, "sum": 1.5, "min": 1.5, "max": 1.5, "p50": 1.5, "p95": 1.95, "p99": 1.99, "dropped": 1,
        "buckets": [[1.0, 0], [2.0, 1], [null, 0]]}}]});
    let rest = serde_json::json!([
        {"name": "depth_tokens", "help": "Depth", "unit": "tokens", "kind": "gauge",
         "series": [{"labels": {}, "value": 1.5}]},
        exact,
        {"name": "hits", "help": "Hits", "kind": "counter", "series": [{"labels": {"table": "users"}, "value": 3}]},
        size,
    ]);
    assert_eq!(json["metrics"], rest);
}

#[test]
fn sets_may_be_chosen_by_numbers_that_are_far_apart() {
    let t = telemetry();
    let sets: [&[&str]; 3] = [&["load"], &["matmul"], &["norm"]];
    let family = |name| t.counter(name, "Tasks").unwrap().family(&["kind"], &sets);
    let tasks = family("tasks").indices(&[349, 5, MAX_FAMILY_INDEX]).on_host().unwrap();
    for (index, by) in [(5, 1), (349, 2), (MAX_FAMILY_INDEX as usize, 3), (0, 10), (348, 20), (usize::MAX, 30)] {
        tasks.with(index).inc_by(by);
    }
    let metric = t.metric("tasks").unwrap();
    let count = |kind| metric.value(&[("kind", kind)]).unwrap().counter();
    assert_eq!(["load", "matmul", "norm", OVERFLOW].map(count), [2, 1, 3, 60].map(Some));
    assert_eq!(tasks.sets().iter().map(ringscope::Counter::get).sum::<u64>() + tasks.overflow().get(), 66);

    let error = |indices: &[u32]| family("others").indices(indices).on_host().unwrap_err();
    let metric = || "others".to_owned();
    assert_eq!(error(&[1, 2]), MetricError::WrongIndices { metric: metric(), indices: 2, sets: 3 });
    assert_eq!(error(&[1, 2, 1]), MetricError::IndexTwice { metric: metric(), index: 1 });
    let large = MetricError::IndexTooLarge { metric: metric(), index: 65_536, limit: MAX_FAMILY_INDEX };
    assert_eq!(error(&[1, 2, MAX_FAMILY_INDEX + 1]), large);
    assert!(large.to_string().starts_with("index 65536 of `others` is larger than 65535"), "{large}");
    // Nothing was registered by these.
    assert!(t.metric("others").is_err());
}

//! Metrics of your own: counters, gauges and histograms with labels, counted from many threads.

use ringscope::{TelemetryCollector, TelemetryError};

fn main() -> Result<(), TelemetryError> {
    let telemetry = TelemetryCollector::new(true);
    // The label sets are known beforehand, and a number chooses one; what is out of range is counted by itself.
    let tables =
        telemetry.counter("cache_hits", "Cache hits")?.family(&["table"], &[&["users"], &["orders"]]).on_host()?;
    let running = telemetry.gauge("batches_running", "Batches in work")?.on_host()?;
    let tokens = telemetry.histogram("batch_tokens", "Tokens in a batch")?.unit("tokens").scale(4).on_host()?;
    let bounds = [0.25, 0.5, 0.75, 1.0];
    let fill = telemetry.histogram("batch_fill_ratio", "Tokens over room")?.buckets(&bounds).on_host()?;

    std::thread::scope(|scope| {
        for thread in 0..4u32 {
            let (tables, running, tokens, fill) = (tables.clone(), running.clone(), tokens.clone(), fill.clone());
            scope.spawn(move || {
                for batch in 1..=1000u32 {
                    running.inc();
                    tables.with((batch % 3) as usize).inc();
                    tokens.observe(batch);
                    fill.observe(f64::from(batch) / 1000.0);
                    running.dec();
                }
                running.add(f64::from(thread));
            });
        }
    });

    let snapshot = telemetry.snapshot()?;
    for metric in &snapshot.metrics {
        for series in &metric.series {
            let labels: Vec<_> = series.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let value = match series.value.histogram() {
                Some(h) => format!("{} values, median {:.3}, at most {:?}", h.count(), h.quantile(0.5), h.max()),
                None => format!("{:?}", series.value),
            };
            println!("{} {{{}}} {value}", metric.description.name, labels.join(","));
        }
    }
    let hits = snapshot.metric("cache_hits_total").expect("with _total or without");
    let of = |table| hits.value(&[("table", table)]).and_then(|v| v.counter());
    assert_eq!((of("users"), of("orders"), of("overflow")), (Some(4 * 333), Some(4 * 334), Some(4 * 333)));
    assert_eq!(running.get(), 6.0);
    assert_eq!((tokens.count(), tokens.sum()), (4000, 4.0 * 500_500.0));
    assert!((tokens.quantile(0.5) - 500.0).abs() < 500.0 * 0.022);
    assert!((fill.quantile(0.5) - 0.5).abs() < 1e-9);
    assert_eq!(fill.value().buckets()[0], (0.25, 1000));

    // The same again is the same series; something else of that name is refused, with both in the message.
    telemetry.gauge("batches_running", "Batches in work")?.on_host()?.set(0.0);
    assert_eq!(running.get(), 0.0);
    let error = telemetry.counter("batches_running", "Batches in work")?.on_host().unwrap_err();
    println!("{error}");
    assert!(error.to_string().contains("`gauge`, and now asked for with `counter`"));
    Ok(())
}

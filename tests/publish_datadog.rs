//! DogStatsD against two receivers that others wrote: Etsy's statsd, which adds up and knows rates, and Datadog's own parser.
#![cfg(all(feature = "datadog", feature = "host"))]

mod live;
mod receivers;

use ringscope::publish::{DogStatsd, DogStatsdHistogram};

use live::{Live, Sampled, is_close, samples};
use receivers::{Statsd, wait_for};

/// As statsd calls a series: tags are part of the name, and some characters go.
fn statsd_key(sample: &Sampled) -> String {
    let tag = |(name, value): &(String, String)| format!(";{name}={}", value.replace(['|', ','], "_"));
    let tags: String = sample.labels.iter().map(tag).collect();
    let key = format!("{}{tags};service=live", sample.name).replace('/', "-");
    key.chars().filter(|c| c.is_ascii_alphanumeric() || "_-.;=".contains(*c)).collect()
}

/// Every counter of the page is what statsd added up, every gauge what it has, every histogram has its count.
fn assert_is_there(statsd: &Statsd, live: &Live) {
    let mut compared = [0; 3];
    for sample in samples(live.last()) {
        let key = statsd_key(&sample);
        match sample.kind.as_str() {
            "counter" => {
                assert!(
                    is_close(statsd.counter(&key), sample.value),
                    "{key}: {} {}",
                    statsd.counter(&key),
                    sample.value
                );
                compared[0] += usize::from(sample.value > 0.0);
            }
            "gauge" => {
                assert_eq!(statsd.gauge(&key), Some(sample.value), "{key}");
                compared[1] += 1;
            }
            "histogram" if sample.name.ends_with("_count") => {
                let (_, count) = statsd.timer(&key.replacen("_count", "", 1));
                assert!(is_close(count, sample.value), "{key}: {count} {}", sample.value);
                compared[2] += usize::from(sample.value > 0.0);
            }
            _ => {}
        }
    }
    assert!(compared.iter().zip([10, 15, 5]).all(|(n, least)| *n >= least), "{compared:?}");
}

#[tokio::test]
async fn statsd_has_the_counts_of_the_device_after_several_publications() {
    let Some(statsd) = Statsd::start() else { return };
    let agent = DogStatsd::udp(&statsd.address()).unwrap().histograms(DogStatsdHistogram::Timing).events(false);
    let agent = agent.build().unwrap();
    let mut live = Live::start();
    let mut lines = 0;
    for messages in [200, 1, 333] {
        live.work(messages);
        lines += live.publish(&agent).await.unwrap().items;
    }
    wait_for("all lines", || (statsd.received() >= lines as f64).then_some(()));
    assert_eq!((statsd.received(), statsd.bad_lines()), (lines as f64, 0.0));
    assert_is_there(&statsd, &live);
    let kernel = live.last().kernel("w").unwrap();
    let (values, count) = statsd.timer("ringscope_kernel_message_duration_seconds;kernel=w;service=live");
    assert_eq!((count.round() as u64, kernel.messages_processed), (534, 534));
    let (min, max) = (kernel.histogram.min().unwrap() as f64 / 1e9, kernel.histogram.max().unwrap() as f64 / 1e9);
    assert!(values.iter().all(|value| (min..=max).contains(value)), "{min} to {max}: {values:?}");
    let sent = statsd.counter(
        "datadog.dogstatsd.client.packets_sent;client=ringscope;client_version=0.1.0;client_transport=udp;service=live",
    );
    assert!(sent > 4.0, "of the publications before the last: {sent}");
}

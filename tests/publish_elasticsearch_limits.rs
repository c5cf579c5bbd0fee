//! Whatever names and texts there are: a body for Elasticsearch's `_bulk` is whole pairs of lines of JSON, within its limits, and
//! all documents are in one of them, under an id of their own.
#![cfg(feature = "elasticsearch")]

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use ringscope::TelemetryCollector;
use ringscope::collector::EventFilter;
use ringscope::publish::{Destination, Elasticsearch, ElasticsearchStream, Publication};
use ringscope::trace::{Attribute, Source};
use serde::Deserialize;
use serde_json::Value;

/// The names of an object's fields, twice if they are there twice, which Elasticsearch does not take.
struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Names;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<M: serde::de::MapAccess<'de>>(self, mut map: M) -> Result<Names, M::Error> {
                let mut names = Vec::new();
                while let Some((name, _)) = map.next_entry::<String, serde::de::IgnoredAny>()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// Field names of a document; each is there once, and none is below another.
fn check_names(line: &str) {
    let Names(names) = serde_json::from_str(line).expect("an object");
    let all: HashSet<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(all.len(), names.len(), "a name twice in {line}");
    for name in &names {
        assert!(!name.split('.').any(str::is_empty), "{name:?} has an empty part");
        let above = name.match_indices('.').map(|(at, _)| &name[..at]);
        above.for_each(|above| assert!(!all.contains(above), "{name} is below {above}"));
    }
}

fn check_histograms(document: &Value) {
    for (name, field) in document.as_object().expect("an object") {
        if let Some(values) = field["values"].as_array().filter(|_| name.starts_with("histogram.")) {
            let values: Vec<f64> = values.iter().map(|value| value.as_f64().expect("a number")).collect();
            assert!(values.windows(2).all(|two| two[0] <= two[1]), "{name} does not ascend: {values:?}");
            let counts = field["counts"].as_array().expect("counts");
            assert_eq!(counts.len(), values.len());
            assert!(counts.iter().all(|count| count.as_u64().is_some_and(|count| count > 0)), "{name}");
            let count: u64 = counts.iter().filter_map(Value::as_u64).sum();
            assert_eq!(document[name.replacen("histogram.", "summary.", 1) + ".count"], count);
        }
    }
}

/// What a run said, with these texts for names and values.
fn publication(texts: &[String], values: &[f64]) -> Publication {
    let collector = TelemetryCollector::new(true);
    collector.monitor_operations().expect("it is on");
    let labels = |text: &str| vec![(format!("a.{text}"), text.to_owned()), (format!("a_{text}"), text.to_owned())];
    for text in texts {
        // What has a limit of its own may refuse one.
        let pairs = labels(text);
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
        let _ = collector.record_processed(text, Some(Duration::from_nanos(text.len() as u64)));
        let _ = collector.record_event(text, values[0], &pairs, &pairs);
        let _ = collector.operation(text).start().map(|operation| operation.fail(text));
        let _ = collector.network_operation(text, text, 80).map(|operation| operation.fail(text));
        let gauge = collector.gauge("own", "Own").expect("a builder").label("a", text);
        let _ = gauge.on_host().map(|gauge| gauge.set(values[0]));
    }
    let explicit = collector.histogram("explicit", "Own").expect("a builder").buckets(&[-1e308, 0.5, 1e308]);
    let explicit = explicit.on_host().expect("a histogram");
    let whole = collector.histogram("whole", "Own").expect("a builder").on_host().expect("a histogram");
    for value in values {
        explicit.observe(*value);
        whole.observe(value.to_bits());
    }
    let mut source = Source::this_process(texts.first().cloned().unwrap_or_default());
    for text in texts {
        source.attributes.push(Attribute::new(text.clone(), text.clone()));
        source.attributes.extend(["host.name", "service.name", "a.b"].map(|name| Attribute::new(name, text.clone())));
    }
    let snapshot = collector.snapshot().expect("a snapshot");
    let mut publication = Publication::of_snapshot(Arc::new(source), SystemTime::now(), snapshot);
    publication.operations = collector.operations().into();
    publication.network_operations = collector.network_operations().into();
    publication.events = collector.events(&EventFilter::new()).into();
    publication
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn bodies_are_whole_pairs_within_their_limits(
        texts in prop::collection::vec(prop_oneof![".{0,40}", "[.\"\\\\\n\u{0}\u{2028}a]{0,300}"], 1..12),
        values in prop::collection::vec(any::<f64>(), 1..40),
        bytes in 20_000usize..200_000,
        documents in 1u64..40,
    ) {
        let publication = publication(&texts, &values);
        let destination = Elasticsearch::builder(["http://localhost:9200"]).batch(bytes, documents).build().expect("right");
        let mut ids = HashSet::new();
        let mut found = 0;
        for payload in destination.encode(&publication).expect("bodies") {
            prop_assert!(payload.items <= documents && payload.items > 0);
            prop_assert!(payload.bytes.len() <= bytes || payload.items == 1, "{} of {bytes}", payload.bytes.len());
            let text = std::str::from_utf8(&payload.bytes).expect("text");
            prop_assert!(text.ends_with('\n'));
            let lines: Vec<&str> = text.split_terminator('\n').collect();
            prop_assert_eq!(lines.len() as u64, 2 * payload.items);
            for pair in lines.chunks(2) {
                let action: Value = serde_json::from_str(pair[0]).expect("an action");
                let (stream, id) = (&action["create"]["_index"], &action["create"]["_id"]);
                let ends = ElasticsearchStream::ALL.map(|stream| format!("ringscope-{}", stream.name()));
                prop_assert!(ends.iter().any(|name| stream == name));
                prop_assert!(ids.insert(id.to_string()), "{} twice", id);
                check_names(pair[1]);
                let document: Value = serde_json::from_str(pair[1]).expect("a document");
                check_histograms(&document);
                let time = document["@timestamp"].as_str().expect("a time");
                prop_assert_eq!(time.len(), "2026-11-22T03:04:05.123456789Z".len());
                found += 1;
            }
        }
        let records = publication.operations.len() + publication.network_operations.len() + publication.events.len();
        prop_assert!(found > records + publication.snapshot.kernels.len());
        // The same publication has the same ids.
        let once_more = destination.encode(&publication).expect("bodies");
        prop_assert_eq!(once_more, destination.encode(&publication).expect("bodies"));
    }
}
